package securesend

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sealRaw seals bytes as a manifest, as somebody who has the link could.
func (b box) sealRaw(t testing.TB, plain []byte) []byte {
	t.Helper()
	aead, err := b.keys.gcm("securesend/v1/manifest")
	require.NoError(t, err)
	return aead.Seal(nil, make([]byte, 12), plain, associated("manifest", b.context, b.header))
}

func TestAManifestOpensAsItWasSealed(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]Manifest{
		"text":  {Text: "p\u2028ass <&>\x00\"\n"},
		"files": {Files: []FileInfo{{"a.txt", 0}, {"b.iso", MaxFileSize}}},
		"both":  {Text: "see", Files: []FileInfo{{"Größe.pdf", 7}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			sealed, err := b.keys.SealManifest(b.context, b.header, m)
			require.NoError(t, err)
			got, err := b.keys.OpenManifest(b.context, b.header, sealed)
			require.NoError(t, err)
			require.Equal(t, m, got)
		})
	}
}

func TestAManifestThatCannotBeIsNotSealed(t *testing.T) {
	t.Parallel()
	many := make([]FileInfo, MaxFiles+1)
	for name, tc := range map[string]struct {
		m    Manifest
		want error
	}{
		"nothing":          {Manifest{}, ErrInvalid},
		"not UTF-8":        {Manifest{Text: "a\xff"}, ErrInvalid},
		"negative size":    {Manifest{Files: []FileInfo{{"a", -1}}}, ErrInvalid},
		"huge file":        {Manifest{Files: []FileInfo{{"a", MaxFileSize + 1}}}, ErrTooLarge},
		"many files":       {Manifest{Files: many}, ErrTooLarge},
		"100 MB of text":   {Manifest{Text: strings.Repeat("a", 100e6)}, ErrTooLarge},
		"JSON is too long": {Manifest{Text: strings.Repeat("\x01", MaxManifest/4)}, ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			_, err := b.keys.SealManifest(b.context, b.header, tc.m)
			require.ErrorIs(t, err, tc.want)
		})
	}
}

func TestTheLongestTextFits(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	m := Manifest{Text: strings.Repeat("a", MaxManifest-len(`{"text":""}`))}
	sealed, err := b.keys.SealManifest(b.context, b.header, m)
	require.NoError(t, err)
	require.Len(t, sealed, MaxManifest+Overhead)
	got, err := b.keys.OpenManifest(b.context, b.header, sealed)
	require.NoError(t, err)
	require.Equal(t, m, got)
	m.Text += "a"
	_, err = b.keys.SealManifest(b.context, b.header, m)
	require.ErrorIs(t, err, ErrTooLarge)
}

func TestWhatASealerWroteIsNotTrusted(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	for name, plain := range map[string]string{
		"nothing":          "",
		"null":             "null",
		"empty":            "{}",
		"a list":           "[]",
		"text is a number": `{"text":1}`,
		"size is a text":   `{"files":[{"name":"a","size":"1"}]}`,
		"half a byte":      `{"files":[{"name":"a","size":0.5}]}`,
		"beyond int64":     `{"files":[{"name":"a","size":99999999999999999999}]}`,
		"negative":         `{"files":[{"name":"a","size":-1}]}`,
		"too large":        `{"files":[{"name":"a","size":1099511627777}]}`,
		"too many":         `{"files":[` + strings.Repeat(`{},`, MaxFiles) + `{}]}`,
		"trailing":         `{"text":"a"} x`,
		"two":              `{"text":"a"}{"text":"b"}`,
		"cut":              `{"text":"a"`,
		"not UTF-8":        "{\"text\":\"\xff\"}",
		"above the cap":    `{"text":"` + strings.Repeat("a", MaxManifest) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := b.keys.OpenManifest(b.context, b.header, b.sealRaw(t, []byte(plain)))
			require.ErrorIs(t, err, ErrEnvelope)
		})
	}
	got, err := b.keys.OpenManifest(b.context, b.header, b.sealRaw(t, []byte(
		`{"later":[1],"files":[{"name":"../../etc/passwd","size":1,"kind":2},{"name":"C:\\PASSWD","size":2},{"size":3}]}`+"\n")))
	require.NoError(t, err)
	require.Equal(t, Manifest{Files: []FileInfo{{"passwd", 1}, {"PASSWD (2)", 2}, {"file", 3}}}, got)
}

// Every byte of what is sealed or bound to it counts.
func TestNoByteOfAManifestOrItsSurroundingsCanBeChanged(t *testing.T) {
	t.Parallel()
	salt := RandomSalt()
	pass := RandomKey()
	keys, err := NewSendKeys(RandomKey(), RandomKey(), pass)
	require.NoError(t, err)
	b := box{keys: keys, context: testPlace().Context(), header: Header{Passphrase: true, Salt: salt}}
	sealed, err := keys.SealManifest(b.context, b.header, Manifest{Text: "secret", Files: []FileInfo{{"a.txt", 3}}})
	require.NoError(t, err)
	refused := func(context [KeySize]byte, h Header, sealed []byte, what string, i int) {
		_, err := keys.OpenManifest(context, h, sealed)
		require.ErrorIs(t, err, ErrEnvelope, "%s %d", what, i)
	}
	for i := range sealed {
		sealed[i] ^= 1
		refused(b.context, b.header, sealed, "byte", i)
		sealed[i] ^= 1
		refused(b.context, b.header, sealed[:i], "cut at", i)
	}
	refused(b.context, b.header, append(slices.Clip(sealed), 0), "trailing", 0)
	for i := range b.context {
		context := b.context
		context[i] ^= 1
		refused(context, b.header, sealed, "context", i)
	}
	raw := b.header.Bytes()
	for i := range raw {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			if h, err := ParseHeader(raw); err == nil {
				refused(b.context, h, sealed, "header", i)
			}
			raw[i] ^= 1 << bit
		}
	}
	_, err = keys.OpenManifest(b.context, b.header, sealed)
	require.NoError(t, err)
}

func TestAManifestDoesNotOpenElsewhere(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	sealed, err := b.keys.SealManifest(b.context, b.header, Manifest{Text: "x"})
	require.NoError(t, err)
	for name, change := range map[string]func(*Place){
		"tenant": func(p *Place) { p.Tenant = "fabrikam" }, "id": func(p *Place) { p.ID = "other" }, "region": func(p *Place) { p.Region = "Canada Central" },
		"purpose": func(p *Place) { p.Purpose = "request" }, "expiry": func(p *Place) { p.Expiry = p.Expiry.Add(time.Hour) },
	} {
		p := testPlace()
		change(&p)
		_, err := b.keys.OpenManifest(p.Context(), b.header, sealed)
		require.ErrorIs(t, err, ErrEnvelope, name)
	}
	_, err = b.keys.OpenManifest(b.context, Header{Held: true}, sealed)
	require.ErrorIs(t, err, ErrEnvelope, "held")
	chunk, err := b.cipher(t, 0).SealChunk(nil, []byte(`{"text":"x"}`), 0, true)
	require.NoError(t, err)
	_, err = b.keys.OpenManifest(b.context, b.header, chunk)
	require.ErrorIs(t, err, ErrEnvelope, "a chunk in its place")
}

func FuzzOpenManifest(f *testing.F) {
	b := newBox(f)
	for _, s := range []string{
		`{"text":"a"}`, `{"files":[{"name":"a","size":1},{"name":"A","size":2}]}`, "null", `{"text":"\ud800"}`, `{"files":[{"name":"CON.txt"}]}`,
		fmt.Sprintf(`{"files":[{"name":%q}]}`, strings.Repeat("é.", 100)),
	} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, plain []byte, seal bool) {
		sealed := plain
		if seal {
			sealed = b.sealRaw(t, plain)
		}
		m, err := b.keys.OpenManifest(b.context, b.header, sealed)
		if err != nil {
			require.ErrorIs(t, err, ErrEnvelope)
			return
		}
		require.True(t, seal)
		names := map[string]bool{}
		for _, file := range m.Files {
			checkName(t, file.Name)
			require.False(t, names[strings.ToLower(file.Name)], file.Name)
			names[strings.ToLower(file.Name)] = true
		}
		require.Equal(t, m, m.Clean(), "a second pass changes something")
		again, err := b.keys.SealManifest(b.context, b.header, m)
		if err != nil {
			// Escapes may be longer than what was there before.
			enc, _ := json.Marshal(m)
			require.Greater(t, len(enc), MaxManifest)
			return
		}
		got, err := b.keys.OpenManifest(b.context, b.header, again)
		require.NoError(t, err)
		require.Equal(t, m, got)
	})
}
