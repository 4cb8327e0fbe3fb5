package changefeed_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

// encryptedFor encrypts blocks, which are padded already or not, as Graph does, with a data key of so many bytes.
func encryptedFor(t *testing.T, key *rsa.PrivateKey, size int, blocks []byte) map[string]string {
	t.Helper()
	symmetric := make([]byte, size)
	_, _ = rand.Read(symmetric)
	wrapped, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, &key.PublicKey, symmetric, nil)
	require.NoError(t, err)
	data := append([]byte(nil), blocks...)
	if len(data)%aes.BlockSize == 0 && (size == 16 || size == 24 || size == 32) {
		block, err := aes.NewCipher(symmetric)
		require.NoError(t, err)
		cipher.NewCBCEncrypter(block, symmetric[:aes.BlockSize]).CryptBlocks(data, data)
	}
	mac := hmac.New(sha256.New, symmetric)
	mac.Write(data)
	code := base64.StdEncoding.EncodeToString
	return map[string]string{"data": code(data), "dataSignature": code(mac.Sum(nil)), "dataKey": code(wrapped)}
}

// Whoever has the certificate can sign and encrypt what they like: what is not exactly as Graph writes it does not open, and
// nothing that it holds makes the process end.
func TestWhatIsSignedOpensOnlyAsGraphWritesIt(t *testing.T) {
	t.Parallel()
	key, ok := ownCertificates()[0].Key.(*rsa.PrivateKey)
	require.True(t, ok)
	const limit = 1000
	open := func(content map[string]string) (string, error) {
		raw, err := json.Marshal(content)
		require.NoError(t, err)
		out, err := changefeed.Decrypt(key, raw, limit)
		return string(out), err
	}
	padded := func(end ...byte) []byte { return append(make([]byte, 32-len(end)), end...) }
	good := encryptedFor(t, key, 32, []byte("fourteen bytes\x02\x02"))
	out, err := open(good)
	require.NoError(t, err)
	require.Equal(t, "fourteen bytes", out)

	loose := encryptedFor(t, key, 32, []byte("fourteen bytes\x02\x02"))
	sixteen := []byte(loose["data"]) // 16 bytes are 21 characters, 4 bits of the 22nd, and "=="
	require.Equal(t, "==", string(sixteen[22:]))
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range alphabet {
		if alphabet[i] == sixteen[21] {
			sixteen[21] = alphabet[i+1] // the same bytes, spelled with a bit that says nothing
			break
		}
	}
	loose["data"] = string(sixteen)

	for name, tc := range map[string]struct {
		content map[string]string
		why     string
	}{
		"two spellings of base64": {loose, "base64"},
		"a key of 16 bytes":       {encryptedFor(t, key, 16, []byte("fourteen bytes\x02\x02")), "data key"},
		"a key of 20 bytes":       {encryptedFor(t, key, 20, padded(1)), "data key"},
		"a key of 48 bytes":       {encryptedFor(t, key, 48, padded(1)), "data key"},
		"half a block":            {encryptedFor(t, key, 32, make([]byte, 24)), "base64 of the sizes"},
		"nothing":                 {encryptedFor(t, key, 32, nil), "base64 of the sizes"},
		"no padding":              {encryptedFor(t, key, 32, padded(0)), "padded"},
		"17 of padding":           {encryptedFor(t, key, 32, padded(17)), "padded"},
		"padding that differs":    {encryptedFor(t, key, 32, padded(3, 2, 3)), "padded"},
		"padding that begins odd": {encryptedFor(t, key, 32, padded(2, 3, 3)), "padded"},
		"more than is taken":      {encryptedFor(t, key, 32, make([]byte, 1024)), "base64 of the sizes"},
		"another signature":       {map[string]string{"data": good["data"], "dataKey": good["dataKey"], "dataSignature": loose["dataSignature"]}, "signature"},
	} {
		out, err := open(tc.content)
		require.ErrorContains(t, err, tc.why, name)
		require.Empty(t, out, name)
	}
}
