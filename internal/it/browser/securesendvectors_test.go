package browser_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
)

// newScript opens an empty page with the script of securesend's pages.
func newScript(t testing.TB) *tab {
	t.Helper()
	static := http.FileServer(http.Dir(filepath.Join("..", "..", "..", "securesend", "securesendpage", "static")))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			static.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><link rel="icon" href="data:,"><script src="securesend.js"></script>`))
	}))
	t.Cleanup(srv.Close)
	b := newTab(t)
	b.open(srv.URL + "/")
	require.True(t, eval[bool](b, "typeof mspkitSecuresend === 'object'"))
	return b
}

// checkVectors returns what the script does otherwise than the vectors say, and how much it checked.
const checkVectors = `(async v => {
	const s = mspkitSecuresend, faults = [];
	let checks = 0;
	const hex = b => Array.from(b, x => x.toString(16).padStart(2, "0")).join("");
	const bytes = h => Uint8Array.from(h.match(/../g) || [], x => parseInt(x, 16));
	const is = (what, got, want) => { checks++; if (got !== want) faults.push(what + ": " + got + ", want " + want); };
	const refused = async (what, f) => { checks++; try { await f(); faults.push(what + " is taken"); } catch (e) { if (e.code !== "altered") faults.push(what + ": " + e); } };
	const pattern = (from, n) => { const out = new Uint8Array(n); for (let j = 0; j < n; j++) { const i = from + j; out[j] = (i ^ i >> 8 ^ i >> 16 ^ i >> 20) & 255; } return out; };

	for (const h of v.headers) {
		let got = null;
		try { got = await s.parseHeader(bytes(h.header)); } catch (e) { if (e.code !== "altered") faults.push(h.description + ": " + e); }
		is(h.description, got !== null, h.valid);
		if (!got || !h.valid) continue;
		is(h.description, [got.passphrase, got.held, got.request].join(), [h.passphrase, h.held, h.request].join());
		is(h.description, hex(got.salt || []) + "/" + hex(got.ephemeral || []), h.salt + "/" + h.ephemeral);
		is(h.description, hex(s.headerBytes(got)), h.header);
	}
	for (const p of v.passphrases) is(p.description, hex(await s.passKey(p.passphrase, bytes(p.salt))), p.passKey);

	const content = async (c, key) => {
		const context = bytes(c.context), header = bytes(c.header), m = JSON.parse(c.manifestJson);
		is(c.description, hex(key), c.dataKey);
		is(c.description, hex(s.associated("manifest", context, header)), c.manifestAad);
		const opened = await s.openManifest(key, context, header, bytes(c.manifestSealed));
		is(c.description, s.manifestJSON(opened), c.manifestJson);
		is(c.description, hex(await s.sealManifest(key, context, header, {text: m.text || "", files: m.files || []})), c.manifestSealed);
		const moved = context.slice(); moved[0] ^= 1;
		await refused(c.description + ", elsewhere", () => s.openManifest(key, moved, header, bytes(c.manifestSealed)));
		const bent = bytes(c.manifestSealed); bent[3] ^= 1;
		await refused(c.description + ", altered", () => s.openManifest(key, context, header, bent));
		for (const f of c.files) {
			const cipher = await s.fileCipher(key, context, header, f.file, f.size);
			is(f.description, s.chunks(f.size), f.chunks.length);
			is(f.description, s.sealedSize(f.size), f.sealedSize);
			is(f.description, s.parts(f.size), Math.ceil(f.chunks.length / 8));
			for (const ch of f.chunks) {
				const plain = pattern(ch.k * 1048576, ch.plainSize), sealed = await cipher.seal(ch.k, plain);
				is(f.description + " plain", hex(await s.sha256(plain)), ch.plainSha256);
				is(f.description + " sealed", hex(await s.sha256(sealed)), ch.sealedSha256);
				is(f.description + " opened", hex(await s.sha256(await cipher.open(ch.k, sealed))), ch.plainSha256);
				const other = sealed.slice(); other[other.length - 1] ^= 1;
				await refused(f.description + " altered", () => cipher.open(ch.k, other));
				await refused(f.description + " cut", () => cipher.open(ch.k, sealed.subarray(1)));
				if (f.chunks.length > 1) await refused(f.description + " moved", () => cipher.open(ch.k === 0 ? 1 : 0, sealed));
			}
		}
	};
	for (const c of v.sends) {
		const f = bytes(c.fragment), pass = c.passphrase ? await s.passKey(c.passphrase, (await s.parseHeader(bytes(c.header))).salt) : null;
		is(c.description, s.toBase64url(f), c.fragmentBase64url);
		is(c.description, hex(s.fromBase64url(c.fragmentBase64url)), c.fragment);
		if (c.tokenSecret) is(c.description, hex(await s.heldFragment(bytes(c.tokenSecret))), c.fragment);
		is(c.description, hex(await s.auth(f)), c.auth);
		is(c.description, hex(await s.sha256(bytes(c.auth))), c.authHash);
		if (pass) is(c.description, hex(pass), c.passKey);
		if (pass) is(c.description, hex(await s.passAuth(pass, f)), c.passAuth);
		await content(c, await s.sendKey(f, bytes(c.half), pass));
	}
	for (const c of v.requests) {
		const point = bytes(c.ephemeral), part = (from, to) => s.toBase64url(point.slice(from, to));
		const jwk = {kty: "EC", crv: "P-256", x: part(1, 33), y: part(33, 65)};
		const algorithm = {name: "ECDH", namedCurve: "P-256"};
		const pair = {
			privateKey: await crypto.subtle.importKey("jwk", {...jwk, d: s.toBase64url(bytes(c.ephemeralPrivate))}, algorithm, false, ["deriveBits"]),
			publicKey: await crypto.subtle.importKey("jwk", jwk, algorithm, true, []),
		};
		is(c.description, s.toBase64url(await s.sha256(bytes(c.requestPublic))), c.fingerprintBase64url);
		const {key, ephemeral} = await s.requestKey(pair, bytes(c.requestPublic));
		is(c.description, hex(ephemeral), c.ephemeral);
		await content(c, key);
	}
	return [String(checks), ...faults];
})`

func TestTheScriptOfThePagesKeepsTheVectors(t *testing.T) {
	t.Parallel()
	vectors, err := os.ReadFile(filepath.Join("..", "..", "..", "securesend", "testdata", "vectors.json"))
	require.NoError(t, err)
	b := newScript(t)
	out := eval[[]string](b, checkVectors+"("+string(vectors)+")")
	require.Empty(t, out[1:])
	var n int
	_, err = fmt.Sscan(out[0], &n)
	require.NoError(t, err)
	require.Greater(t, n, 150)
	b.quiet()
}

func TestTheScriptCleansNamesAsGoDoes(t *testing.T) {
	t.Parallel()
	b := newScript(t)
	names := []string{
		"", "report.pdf", "Größe 報告.docx", "../../x.sh", `C:\temp\..\x.exe`, "a/", "..", " . .. ", "..bashrc", "a.exe. . ",
		"invoice\u202efdp.exe", "\u2066a\u200b\ufeffb\u2069.txt", "a\x00b\x1b[31m\x7f.txt", "a\r\nContent-Type: x.txt", `a<b>c:d"e|f?g*h.txt`,
		"a／b∕c⁄d＼e.txt", "．．/x", "CON", "nul.txt", "Com1.tar.gz", "lpt9 .txt", "COM¹", "conin$", "C\u200bON.txt", "ＣＯＮ", "console.log", "com10.txt",
		strings.Repeat("a", 300) + ".pdf", "x" + strings.Repeat("é", 300) + ".pdf", "a." + strings.Repeat("b", 300), strings.Repeat("報", 2000),
		strings.Repeat("a", 115) + " b" + strings.Repeat("c", 9) + ".pdf", "e\u0301\u0301\u0301\u0301\u0301.txt", "=?utf-8?q?x?=", "\u2800\u034f\U000e0100.txt", "ﬁle.ﬁ", "\ufffd",
	}
	special := []rune(". /\\:<>\"|?*=@\t\n\u00a0\u2028\u202e\u200b\u0301\u3002．／ＣＯＮcoOmM1lLpPtT¹²³()2éßİΣς報\U0001f600\ufffd")
	random := rand.New(rand.NewPCG(1, 2)) // the same names each time
	for range 3000 {
		var s strings.Builder
		for range random.IntN(40) {
			r := special[random.IntN(len(special))]
			if random.IntN(3) == 0 {
				r = rune(random.IntN(0x11000))
			}
			// What Go's tables do not know, a newer browser may.
			if unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.Cc, unicode.Cf, unicode.Co) && utf8.ValidRune(r) {
				s.WriteRune(r)
			}
		}
		names = append(names, s.String())
	}
	in, err := json.Marshal(names)
	require.NoError(t, err)
	got := eval[[]string](b, "("+string(in)+").map(mspkitSecuresend.cleanName)")
	for i, n := range names {
		require.Equal(t, securesend.CleanName(n), got[i], "%+q", n)
	}
	long := strings.Repeat("a", 116) + ".pdf"
	names = append([]string{"a.txt", "A.TXT", "x/a.txt", "a (2).txt", "", "file", long, long, "a.txt", "a", "İ", "i", "ΑΣ", "ας", "ασ", "ß", "ẞ"}, names[:200]...)
	m := securesend.Manifest{Text: "t"}
	for _, n := range names {
		m.Files = append(m.Files, securesend.FileInfo{Name: n})
	}
	in, err = json.Marshal(names)
	require.NoError(t, err)
	got = eval[[]string](b, "mspkitSecuresend.cleanFiles(("+string(in)+").map(name => ({name, size: 0}))).map(f => f.name)")
	for i, f := range m.Clean().Files {
		require.Equal(t, f.Name, got[i], "%+q", names[i])
	}
}
