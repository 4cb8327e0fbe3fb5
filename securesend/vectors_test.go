package securesend

import (
	"bytes"
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

// The published test vectors. All bytes are hexadecimal unless a name says otherwise.
type vectors struct {
	Description string          `json:"description"`
	Context     []contextVector `json:"contexts"`
	Headers     []headerVector  `json:"headers"`
	Passphrases []passVector    `json:"passphrases"`
	Sends       []sendVector    `json:"sends"`
	Requests    []requestVector `json:"requests"`
}

type contextVector struct {
	Description string `json:"description"`
	Tenant      string `json:"tenant"`
	ID          string `json:"id"`
	Region      string `json:"region"`
	Purpose     string `json:"purpose"`
	ExpiryUnix  int64  `json:"expiryUnix"`
	Context     string `json:"context"`
}

type headerVector struct {
	Description string `json:"description"`
	Header      string `json:"header"`
	Valid       bool   `json:"valid"`
	Passphrase  bool   `json:"passphrase"`
	Held        bool   `json:"held"`
	Request     bool   `json:"request"`
	Salt        string `json:"salt"`
	Ephemeral   string `json:"ephemeral"`
}

type passVector struct {
	Description string `json:"description"`
	Passphrase  string `json:"passphrase"`
	Salt        string `json:"salt"`
	Rounds      int    `json:"rounds"`
	PassKey     string `json:"passKey"`
}

type sendVector struct {
	Description    string `json:"description"`
	TokenSecret    string `json:"tokenSecret,omitempty"`
	Fragment       string `json:"fragment"`
	FragmentBase64 string `json:"fragmentBase64url"`
	Half           string `json:"half"`
	Passphrase     string `json:"passphrase,omitempty"`
	PassKey        string `json:"passKey,omitempty"`
	Auth           string `json:"auth"`
	AuthHash       string `json:"authHash"`
	PassAuth       string `json:"passAuth,omitempty"`
	DataKey        string `json:"dataKey"`
	contentVector
}

type requestVector struct {
	Description       string `json:"description"`
	RequestPrivate    string `json:"requestPrivate"`
	RequestPublic     string `json:"requestPublic"`
	Fingerprint       string `json:"fingerprint"`
	FingerprintBase64 string `json:"fingerprintBase64url"`
	EphemeralPrivate  string `json:"ephemeralPrivate"`
	Ephemeral         string `json:"ephemeral"`
	Shared            string `json:"shared"`
	DataKey           string `json:"dataKey"`
	contentVector
}

type contentVector struct {
	Context     string       `json:"context"`
	Header      string       `json:"header"`
	ManifestKey string       `json:"manifestKey"`
	ManifestAAD string       `json:"manifestAad"`
	Manifest    string       `json:"manifestJson"`
	Sealed      string       `json:"manifestSealed"`
	Files       []fileVector `json:"files"`
}

type fileVector struct {
	Description  string        `json:"description"`
	File         int           `json:"file"`
	Size         int64         `json:"size"`
	SealedSize   int64         `json:"sealedSize"`
	Key          string        `json:"key"`
	AAD          string        `json:"aad"`
	SealedSHA256 string        `json:"sealedSha256"`
	Chunks       []chunkVector `json:"chunks"`
}

type chunkVector struct {
	K            int64  `json:"k"`
	Last         bool   `json:"last"`
	Nonce        string `json:"nonce"`
	PlainSize    int    `json:"plainSize"`
	Plain        string `json:"plain,omitempty"`
	PlainSHA256  string `json:"plainSha256"`
	Sealed       string `json:"sealed,omitempty"`
	SealedSHA256 string `json:"sealedSha256"`
}

const vectorsDescription = "Test vectors of the securesend envelope, version 1. Bytes are hexadecimal; names that end with " +
	"base64url are base64url without padding. The plaintext of every file is the pattern whose byte i, counted from 0 in the whole " +
	"file, is (i ^ i>>8 ^ i>>16 ^ i>>20) & 255. Chunks above 1 KiB are given as SHA-256 only. sealedSha256 of a file is that of all " +
	"its sealed chunks in order. What must hold is in the description of each case."

const smallVector = 1 << 10

func sum(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// fixed returns n bytes that count up from first.
func fixed(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

// fixedKey returns a private key that is the same every time.
func fixedKey(t testing.TB, first byte) *ecdh.PrivateKey {
	t.Helper()
	k, err := ecdh.P256().NewPrivateKey(fixed(first, KeySize))
	require.NoError(t, err)
	return k
}

func (v contextVector) place() Place {
	return Place{Tenant: mspkit.TenantID(v.Tenant), ID: v.ID, Region: v.Region, Purpose: v.Purpose, Expiry: time.Unix(v.ExpiryUnix, 0)}
}

func makeContexts() []contextVector {
	out := []contextVector{
		{Description: "a send", Tenant: "contoso", ID: "mzxw6ytboi2gk3tdnfxgo33pmrrgc4tb", Region: "Europe", Purpose: "send", ExpiryUnix: 1795856400},
		{
			Description: "a request; lengths are those of UTF-8", Tenant: "Müller & Söhne 報告", ID: "mzxw6ytboi2gk3tdnfxgo33pmrrgc4tb",
			Region: "Canada Central", Purpose: "request", ExpiryUnix: 1795856400,
		},
		{Description: "nothing is optional: empty parts count with their length 0", ExpiryUnix: 0},
	}
	for i, v := range out {
		c := v.place().Context()
		out[i].Context = hex.EncodeToString(c[:])
	}
	return out
}

func makeHeaders(t testing.TB) []headerVector {
	t.Helper()
	salt, key := fixed(0xa0, SaltSize), fixedKey(t, 0x51).PublicKey().Bytes()
	off := bytes.Clone(key)
	off[PointSize-1] ^= 1
	var out []headerVector
	for _, v := range []struct {
		description string
		Header
	}{
		{"fragment and half only", Header{}},
		{"with a passphrase: 16 bytes of salt follow", Header{Passphrase: true, Salt: salt}},
		{"server-held", Header{Held: true}},
		{"server-held, with a passphrase", Header{Held: true, Passphrase: true, Salt: salt}},
		{"the answer to a request: the ephemeral public key follows", Header{Request: true, Ephemeral: key}},
	} {
		out = append(out, headerVector{
			Description: v.description, Header: hex.EncodeToString(v.Bytes()), Valid: true, Passphrase: v.Passphrase, Held: v.Held, Request: v.Request,
			Salt: hex.EncodeToString(v.Salt), Ephemeral: hex.EncodeToString(v.Ephemeral),
		})
	}
	for _, v := range []struct {
		description string
		header      []byte
	}{
		{"must be refused: empty", nil},
		{"must be refused: cut", []byte{1, 0}},
		{"must be refused: version 2", []byte{2, 0, 20}},
		{"must be refused: an unknown flag", []byte{1, 8, 20}},
		{"must be refused: another chunk size", []byte{1, 0, 21}},
		{"must be refused: a byte follows", []byte{1, 0, 20, 0}},
		{"must be refused: the salt is a byte short", append([]byte{1, 1, 20}, salt[1:]...)},
		{"must be refused: the key is a byte short", append([]byte{1, 2, 20}, key[:PointSize-1]...)},
		{"must be refused: the key is no point of the curve", append([]byte{1, 2, 20}, off...)},
		{"must be refused: a request that has a passphrase", append(append([]byte{1, 3, 20}, salt...), key...)},
		{"must be refused: a request that is held by the server", append([]byte{1, 6, 20}, key...)},
	} {
		out = append(out, headerVector{Description: v.description, Header: hex.EncodeToString(v.header)})
	}
	return out
}

func makePassphrases(t testing.TB) []passVector {
	t.Helper()
	out := []passVector{
		{Description: "PBKDF2-HMAC-SHA-256, 32 bytes", Passphrase: "correct horse battery staple"},
		{Description: "the bytes of UTF-8 as typed, with spaces; é is one character here (U+00E9)", Passphrase: " caf\u00e9 "},
		{Description: "the same to the eye, another key: é is two characters here (U+0065 U+0301)", Passphrase: " cafe\u0301 "},
	}
	for i, v := range out {
		salt := fixed(0xa0, SaltSize)
		key, err := PassKey(v.Passphrase, salt)
		require.NoError(t, err)
		out[i].Salt, out[i].Rounds, out[i].PassKey = hex.EncodeToString(salt), PassphraseRounds, hex.EncodeToString(key)
	}
	return out
}

func makeContent(t testing.TB, keys Keys, context [KeySize]byte, h Header, m Manifest, descriptions ...string) contentVector {
	t.Helper()
	sealed, err := keys.SealManifest(context, h, m)
	require.NoError(t, err)
	aead, err := keys.gcm("securesend/v1/manifest")
	require.NoError(t, err)
	plain, err := aead.Open(nil, make([]byte, 12), sealed, associated("manifest", context, h))
	require.NoError(t, err)
	data := keys.data.Reveal()
	out := contentVector{
		Context: hex.EncodeToString(context[:]), Header: hex.EncodeToString(h.Bytes()),
		ManifestKey: hex.EncodeToString(derive(data, "securesend/v1/manifest")), ManifestAAD: hex.EncodeToString(associated("manifest", context, h)),
		Manifest: string(plain), Sealed: hex.EncodeToString(sealed), Files: []fileVector{},
	}
	for i, f := range m.Files {
		c, err := keys.File(context, h, i)
		require.NoError(t, err)
		content := pattern(int(f.Size))
		all := sealAll(t, c, content)
		v := fileVector{
			Description: descriptions[i], File: i, Size: f.Size, SealedSize: SealedSize(f.Size), SealedSHA256: sum(all),
			Key: hex.EncodeToString(derive(data, "securesend/v1/file/"+string(rune('0'+i)))), AAD: hex.EncodeToString(associated("file", context, h)),
		}
		for k := range Chunks(f.Size) {
			last := k == Chunks(f.Size)-1
			plain := content[k*ChunkSize:][:chunkSize(f.Size, k)]
			sealed := all[k*(ChunkSize+Overhead):][:len(plain)+Overhead]
			cv := chunkVector{
				K: k, Last: last, Nonce: hex.EncodeToString(c.at(k, last)), PlainSize: len(plain), PlainSHA256: sum(plain), SealedSHA256: sum(sealed),
			}
			if len(plain) <= smallVector {
				cv.Plain, cv.Sealed = hex.EncodeToString(plain), hex.EncodeToString(sealed)
			}
			v.Chunks = append(v.Chunks, cv)
		}
		out.Files = append(out.Files, v)
	}
	return out
}

func makeSend(t testing.TB, v sendVector, context [KeySize]byte, m Manifest, descriptions ...string) sendVector {
	t.Helper()
	fragment, half := fixed(0x00, KeySize), fixed(0x40, KeySize)
	h := Header{}
	if v.TokenSecret != "" {
		fragment, h.Held = HeldFragment(unhex(t, v.TokenSecret)), true
	}
	var pass []byte
	if v.Passphrase != "" {
		var err error
		h.Passphrase, h.Salt = true, fixed(0xa0, SaltSize)
		pass, err = PassKey(v.Passphrase, h.Salt)
		require.NoError(t, err)
		v.PassKey, v.PassAuth = hex.EncodeToString(pass), hex.EncodeToString(PassAuth(pass, fragment))
	}
	keys, err := NewSendKeys(fragment, half, pass)
	require.NoError(t, err)
	v.Fragment, v.FragmentBase64, v.Half = hex.EncodeToString(fragment), base64.RawURLEncoding.EncodeToString(fragment), hex.EncodeToString(half)
	v.Auth, v.AuthHash = hex.EncodeToString(Auth(fragment)), hex.EncodeToString(AuthHash(Auth(fragment)))
	v.DataKey = hex.EncodeToString(keys.data.Reveal())
	v.contentVector = makeContent(t, keys, context, h, m, descriptions...)
	return v
}

func makeRequest(t testing.TB, context [KeySize]byte) requestVector {
	t.Helper()
	private, sealer := fixedKey(t, 0x21), fixedKey(t, 0x51)
	public := private.PublicKey().Bytes()
	keys, ephemeral, err := sealRequestKeys(sealer, public)
	require.NoError(t, err)
	shared, err := private.ECDH(sealer.PublicKey())
	require.NoError(t, err)
	return requestVector{
		Description: "The answer to a request: the data key is HKDF of shared (the x-coordinate), the ephemeral point and the point of the request, " +
			"one after the other. Private keys are the scalars.",
		RequestPrivate: hex.EncodeToString(private.Bytes()), RequestPublic: hex.EncodeToString(public),
		Fingerprint: hex.EncodeToString(Fingerprint(public)), FingerprintBase64: base64.RawURLEncoding.EncodeToString(Fingerprint(public)),
		EphemeralPrivate: hex.EncodeToString(sealer.Bytes()), Ephemeral: hex.EncodeToString(ephemeral),
		Shared: hex.EncodeToString(shared), DataKey: hex.EncodeToString(keys.data.Reveal()),
		contentVector: makeContent(t, keys, context, Header{Request: true, Ephemeral: ephemeral},
			Manifest{Text: "the answer", Files: []FileInfo{{"photo.jpg", 40}}}, "one short chunk"),
	}
}

func makeVectors(t testing.TB) vectors {
	t.Helper()
	v := vectors{Description: vectorsDescription, Context: makeContexts(), Headers: makeHeaders(t), Passphrases: makePassphrases(t)}
	send, request := v.Context[0].place().Context(), v.Context[1].place().Context()
	v.Sends = []sendVector{
		makeSend(t, sendVector{Description: "A text alone: the manifest names no files."}, send, Manifest{Text: "Pa$$w0rd <ü> \"quoted\"\n"}),
		makeSend(t, sendVector{Description: "Files alone, at the borders of chunks: the manifest has no text."}, send, Manifest{Files: []FileInfo{
			{"empty.txt", 0}, {"small.bin", 100}, {"one chunk.bin", ChunkSize}, {"one more byte.bin", ChunkSize + 1}, {"part and more.bin", 8*ChunkSize + 5},
		}},
			"the empty file is one empty last chunk", "one short chunk", "exactly one chunk, which is the last", "a full chunk and a last one of a byte",
			"a full part of eight chunks, and a second part"),
		makeSend(t, sendVector{Description: "A passphrase is the third part of the key; passAuth shows that it is known.", Passphrase: "correct horse battery staple"},
			send, Manifest{Text: "both", Files: []FileInfo{{"a.txt", 3}}}, "one short chunk"),
		makeSend(t, sendVector{
			Description: "Held by the server: the fragment is HKDF of the token's secret, and the header says so.",
			TokenSecret: hex.EncodeToString(fixed(0x80, KeySize)),
		}, send, Manifest{Text: "held"}),
	}
	v.Requests = []requestVector{makeRequest(t, request)}
	return v
}

// A change that makes other bytes of the same content is a new version of the format, not a reason to write the file anew.
func TestTheFormatIsThePublishedOne(t *testing.T) {
	t.Parallel()
	const file = "testdata/vectors.json"
	v := makeVectors(t)
	if *update {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		require.NoError(t, enc.Encode(v))
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, b.Bytes(), 0o644))
	}
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	var published vectors
	require.NoError(t, json.Unmarshal(raw, &published))
	require.Equal(t, published, v)
}

// The vectors open with nothing but what a recipient has.
func TestThePublishedVectorsOpen(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	var v vectors
	require.NoError(t, json.Unmarshal(raw, &v))
	require.NotEmpty(t, v.Sends)
	require.NotEmpty(t, v.Requests)
	for _, h := range v.Headers {
		got, err := ParseHeader(unhex(t, h.Header))
		require.Equal(t, h.Valid, err == nil, h.Description)
		require.Equal(t, []bool{h.Passphrase, h.Held, h.Request}, []bool{got.Passphrase, got.Held, got.Request}, h.Description)
		require.Equal(t, []string{h.Salt, h.Ephemeral}, []string{hex.EncodeToString(got.Salt), hex.EncodeToString(got.Ephemeral)}, h.Description)
	}
	for _, s := range v.Sends {
		header, err := ParseHeader(unhex(t, s.Header))
		require.NoError(t, err)
		fragment, err := base64.RawURLEncoding.Strict().DecodeString(s.FragmentBase64)
		require.NoError(t, err)
		var pass []byte
		if header.Passphrase {
			pass, err = PassKey(s.Passphrase, header.Salt)
			require.NoError(t, err)
		}
		keys, err := NewSendKeys(fragment, unhex(t, s.Half), pass)
		require.NoError(t, err)
		openContent(t, keys, header, s.contentVector)
	}
	for _, r := range v.Requests {
		header, err := ParseHeader(unhex(t, r.Header))
		require.NoError(t, err)
		private, err := ecdh.P256().NewPrivateKey(unhex(t, r.RequestPrivate))
		require.NoError(t, err)
		keys, err := NewRequestKeys(private, header.Ephemeral)
		require.NoError(t, err)
		openContent(t, keys, header, r.contentVector)
	}
}

func openContent(t *testing.T, keys Keys, h Header, v contentVector) {
	t.Helper()
	context := [KeySize]byte(unhex(t, v.Context))
	m, err := keys.OpenManifest(context, h, unhex(t, v.Sealed))
	require.NoError(t, err)
	var want Manifest
	require.NoError(t, json.NewDecoder(strings.NewReader(v.Manifest)).Decode(&want))
	require.Equal(t, want, m)
	require.Len(t, v.Files, len(m.Files))
	for i, f := range v.Files {
		require.Equal(t, m.Files[i].Size, f.Size)
		c, err := keys.File(context, h, i)
		require.NoError(t, err)
		plain := pattern(int(f.Size))
		all := sealAll(t, c, plain)
		require.Equal(t, f.SealedSHA256, sum(all), "as published")
		got, err := io.ReadAll(c.OpenReader(bytes.NewReader(all), f.Size, 0))
		require.NoError(t, err)
		require.True(t, bytes.Equal(plain, got))
		for _, chunk := range f.Chunks {
			if chunk.Sealed == "" {
				continue
			}
			got, err := c.OpenChunk(nil, unhex(t, chunk.Sealed), chunk.K, chunk.Last)
			require.NoError(t, err)
			require.Equal(t, chunk.Plain, hex.EncodeToString(got))
		}
	}
}
