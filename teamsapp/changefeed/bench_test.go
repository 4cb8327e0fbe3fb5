package changefeed_test

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/internal/jwks"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

// BenchmarkDecryptAndVerify compares what one notification costs, its token judged and its content opened, with the bare
// operations: RSA verify, RSA-OAEP, HMAC and AES-CBC. It prints the ratio.
func BenchmarkDecryptAndVerify(b *testing.B) {
	own := ownCertificates()[0]
	cert, err := x509.ParseCertificate(own.DER)
	require.NoError(b, err)
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	g := graphfake.New(&graphfake.Options{Now: func() time.Time { return now }})
	srv := httptest.NewServer(g)
	defer srv.Close()
	keys, err := jwks.New(srv.URL+"/common/.well-known/openid-configuration", &jwks.Options{Now: func() time.Time { return now }})
	require.NoError(b, err)
	judge := changefeed.JudgeTokens(keys, ourApp, contosoID, func() time.Time { return now })
	body := []byte(`{"id":"1","body":{"content":"` + strings.Repeat("x", 2000) + `"}}`)
	enc := graphfake.Encrypt(body, cert, "own-1")
	content, err := json.Marshal(enc)
	require.NoError(b, err)
	var posted struct {
		Tokens []string `json:"validationTokens"`
	}
	require.NoError(b, json.Unmarshal(g.Batch(graphfake.Notice{Item: map[string]any{}, Tenant: contosoID, App: ourApp}), &posted))
	token := posted.Tokens[0]
	ctx := context.Background()
	require.NoError(b, judge(ctx, token))

	// The bare operations on the same bytes, decoded before.
	raw := func(name string) []byte {
		out, err := base64.StdEncoding.DecodeString(enc[name].(string))
		require.NoError(b, err)
		return out
	}
	wrapped, data, signature := raw("dataKey"), raw("data"), raw("dataSignature")
	i := strings.LastIndexByte(token, '.')
	sig, err := base64.RawURLEncoding.DecodeString(token[i+1:])
	require.NoError(b, err)
	kid, ok, err := keys.Find(ctx, "fake-notifications-1")
	require.NoError(b, err)
	require.True(b, ok)
	bare := func() {
		sum := sha256.Sum256([]byte(token[:i]))
		if rsa.VerifyPKCS1v15(kid.Public, crypto.SHA256, sum[:], sig) != nil {
			b.Fatal("the token is not good")
		}
		key, err := own.Key.Decrypt(rand.Reader, wrapped, &rsa.OAEPOptions{Hash: crypto.SHA1})
		if err != nil {
			b.Fatal(err)
		}
		mac := hmac.New(sha256.New, key)
		mac.Write(data)
		if !hmac.Equal(mac.Sum(nil), signature) {
			b.Fatal("the signature is not good")
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			b.Fatal(err)
		}
		cipher.NewCBCDecrypter(block, key[:16]).CryptBlocks(make([]byte, len(data)), data)
	}
	ours := func() {
		if err := judge(ctx, token); err != nil {
			b.Fatal(err)
		}
		if _, err := changefeed.Decrypt(own.Key, content, 1<<20); err != nil {
			b.Fatal(err)
		}
	}
	// Both are measured in turns, so that what else the machine does is in both.
	var spentOurs, spentBare time.Duration
	b.ReportAllocs()
	for b.Loop() {
		begun := time.Now()
		ours()
		spentOurs += time.Since(begun)
		begun = time.Now()
		bare()
		spentBare += time.Since(begun)
	}
	b.ReportMetric(float64(spentOurs.Nanoseconds())/float64(b.N), "ns/notification")
	b.ReportMetric(float64(spentBare.Nanoseconds())/float64(b.N), "ns/bare")
	b.ReportMetric(float64(spentOurs)/float64(spentBare), "x-bare")
}

func BenchmarkPlainText(b *testing.B) {
	s := strings.Repeat(`<p>Hello <at id="0">Ann</at>, see <a href="https://x.example">this</a> &amp; that<br></p>`, 50)
	b.SetBytes(int64(len(s)))
	b.ReportAllocs()
	for b.Loop() {
		changefeed.PlainText(s)
	}
}
