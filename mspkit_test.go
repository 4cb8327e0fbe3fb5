package mspkit_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/mspkit/mspkit"
	"github.com/stretchr/testify/require"
)

func TestIDsAreCheckedWithAReason(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		id   string
		want string
	}{
		"plain":        {"contoso", ""},
		"uuid":         {"f81d4fae-7dec-11d0-a765-00a0c91e6bf6", ""},
		"unicode":      {"Käserei Müller", ""},
		"empty":        {"", "is empty"},
		"long":         {strings.Repeat("a", mspkit.MaxID+1), "129 bytes"},
		"space before": {" contoso", "space"},
		"space after":  {"contoso ", "space"},
		"new line":     {"con\ntoso", "unprintable"},
		"bidi":         {"con\u202etoso", "unprintable"},
		"zero width":   {"con\u200btoso", "unprintable"},
		"not UTF-8":    {"con\xfftoso", "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := mspkit.TenantID(tc.id).Validate()
			terr := mspkit.Ticket{System: "psa", ID: tc.id}.Validate()
			if tc.want == "" {
				require.NoError(t, err)
				require.NoError(t, terr)
				return
			}
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.ErrorContains(t, err, tc.want)
			require.ErrorContains(t, terr, "ticket id")
		})
	}
}

func TestTickets(t *testing.T) {
	t.Parallel()
	require.NoError(t, mspkit.Ticket{}.Validate())
	require.True(t, mspkit.Ticket{}.IsZero())
	require.Equal(t, "halopsa:4711", mspkit.Ticket{System: "halopsa", ID: "4711"}.String())
	require.Equal(t, "4711", mspkit.Ticket{ID: "4711"}.String())
	require.Empty(t, mspkit.Ticket{}.String())
	require.ErrorContains(t, mspkit.Ticket{System: "halopsa"}.Validate(), "ticket id is empty")
	require.ErrorContains(t, mspkit.Ticket{System: "\x00", ID: "1"}.Validate(), "ticket system")
}

func TestABrandReportsEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	require.NoError(t, mspkit.Brand{Name: "Contoso IT"}.Validate())
	require.NoError(t, mspkit.Brand{Name: "Contoso IT", Color: "#0B6e4f", Logo: []byte("\x89PNG\r\n\x1a\nrest")}.Validate())
	err := mspkit.Brand{Color: "blue", Logo: []byte("<svg onload=alert(1)>")}.Validate()
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, want := range []string{"no name", `"blue"`, "not a PNG"} {
		require.ErrorContains(t, err, want)
	}
	require.ErrorContains(t, mspkit.Brand{Name: "x", Color: "#12345g"}.Validate(), "#rrggbb")
	require.ErrorContains(t, mspkit.Brand{Name: strings.Repeat("x", 200)}.Validate(), "200 bytes")
	require.ErrorContains(t, mspkit.Brand{Name: "x", Logo: make([]byte, mspkit.MaxLogo+1)}.Validate(), "at most")
	for head, want := range map[string]string{
		"\xff\xd8\xff": "image/jpeg", "GIF89a": "image/gif", "RIFF0000WEBP": "image/webp", "RIFF0000WAVE": "", "": "",
	} {
		require.Equal(t, want, mspkit.Brand{Logo: []byte(head)}.LogoType(), "%q", head)
	}
}

func TestARedactedValueCannotSlipOut(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	r := mspkit.Redact(secret)
	require.Equal(t, secret, r.Reveal())
	holder := struct{ Password mspkit.Redacted[string] }{r}
	hidden := struct {
		inside *struct{ password mspkit.Redacted[string] }
		key    mspkit.Redacted[[]byte]
		direct mspkit.Redacted[string]
	}{&struct{ password mspkit.Redacted[string] }{r}, mspkit.Redact([]byte(secret)), r}
	require.Empty(t, mspkit.Redacted[string]{}.Reveal())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		require.NotContains(t, fmt.Sprintf(verb, r), secret, verb)
		require.NotContains(t, fmt.Sprintf(verb, holder), secret, verb)
		require.NotContains(t, fmt.Sprintf(verb, &holder), secret, verb)
		for _, v := range []any{hidden, &hidden, *hidden.inside, hidden.inside, []any{hidden}} {
			require.NotContains(t, fmt.Sprintf(verb, v), secret, "%s of a field that fmt cannot call methods of", verb)
			require.NotContains(t, fmt.Sprintf(verb, v), "104 117 110", verb)
			require.NotContains(t, fmt.Sprintf(verb, v), "68756e74657232", verb)
		}
		require.NotContains(t, fmt.Sprintf(verb, r), "68756e74657232", verb)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", slog.Any("r", r), slog.Any("holder", holder))
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", slog.Any("r", r), slog.Any("holder", holder))
	require.NotContains(t, log.String(), secret)
	for name, encode := range map[string]func() error{
		"JSON":        func() error { _, err := json.Marshal(r); return err },
		"JSON inside": func() error { _, err := json.Marshal(holder); return err },
		"JSON key":    func() error { _, err := json.Marshal(map[mspkit.Redacted[string]]int{r: 1}); return err },
		"gob":         func() error { return gob.NewEncoder(&bytes.Buffer{}).Encode(r) },
		"text":        func() error { _, err := r.MarshalText(); return err },
		"binary":      func() error { _, err := r.MarshalBinary(); return err },
	} {
		// encoding/json does not wrap the error of a map's key, so its text is compared.
		require.ErrorContains(t, encode(), mspkit.ErrRedacted.Error(), name)
	}
}

func TestAKeyRingDerivesSeparateKeysAndNeverPrintsThem(t *testing.T) {
	t.Parallel()
	k1, k2 := mspkit.NewKey("2026"), mspkit.NewKey("2025")
	ring, err := mspkit.NewKeyRing(k1, k2)
	require.NoError(t, err)
	require.Equal(t, "2026", ring.Primary())
	require.Equal(t, []string{"2026", "2025"}, ring.IDs())
	seen := map[string]bool{}
	for _, id := range ring.IDs() {
		for _, label := range []string{"a", "b"} {
			key, err := ring.Derive(id, label)
			require.NoError(t, err)
			require.Len(t, key, mspkit.KeySize)
			again, err := ring.Derive(id, label)
			require.NoError(t, err)
			require.Equal(t, key, again)
			require.False(t, seen[string(key)], "two purposes share a key")
			seen[string(key)] = true
		}
	}
	_, err = ring.Derive("2024", "a")
	require.ErrorIs(t, err, mspkit.ErrUnknownKey)
	require.ErrorContains(t, err, "2026, 2025")
	for _, s := range []string{fmt.Sprint(ring), fmt.Sprintf("%+v %#v", *ring, ring), fmt.Sprintf("%+v", k1)} {
		require.NotContains(t, s, string(k1.Secret.Reveal()))
		require.Contains(t, s, "2026")
	}
}

func TestKeysAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	k := mspkit.NewKey("k-1")
	got, err := mspkit.ParseKey(k.Export().Reveal() + "\n")
	require.NoError(t, err)
	require.Equal(t, k, got)
	for name, bad := range map[string]string{
		"no colon": "k1", "no base64": "k1:***", "short": "k1:AAAA", "bad id": "k 1:" + strings.SplitN(k.Export().Reveal(), ":", 2)[1], "empty": "",
	} {
		_, err := mspkit.ParseKey(bad)
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
	}
}

func TestBadRingsAreRefused(t *testing.T) {
	t.Parallel()
	k := mspkit.NewKey("k1")
	same := mspkit.Key{ID: "k2", Secret: k.Secret}
	for name, keys := range map[string][]mspkit.Key{
		"no key": {}, "one id twice": {k, mspkit.NewKey("k1")}, "one key twice": {k, same}, "short key": {{ID: "k3", Secret: mspkit.Redact([]byte("short"))}},
	} {
		_, err := mspkit.NewKeyRing(keys...)
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
	}
}

// xor is a key wrapper that is good for tests only.
type xor struct{ fail error }

func (x xor) WrapKey(_ context.Context, id string, key []byte) ([]byte, error) {
	out := []byte(id + "|")
	for _, b := range key {
		out = append(out, b^0x5a)
	}
	return out, x.fail
}

func (x xor) UnwrapKey(_ context.Context, id string, wrapped []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(wrapped, []byte(id+"|"))
	if !ok {
		return nil, errors.New("wrapped under another id")
	}
	out := make([]byte, 0, len(rest))
	for _, b := range rest {
		out = append(out, b^0x5a)
	}
	return out, x.fail
}

func TestARingCanBeKeptWrapped(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	k1, k2 := mspkit.NewKey("k1"), mspkit.NewKey("k2")
	var stored []mspkit.WrappedKey
	for _, k := range []mspkit.Key{k1, k2} {
		w, err := mspkit.WrapKey(ctx, xor{}, k)
		require.NoError(t, err)
		stored = append(stored, w)
	}
	ring, err := mspkit.UnwrapKeyRing(ctx, xor{}, stored...)
	require.NoError(t, err)
	want, err := mspkit.NewKeyRing(k1, k2)
	require.NoError(t, err)
	require.Equal(t, want, ring)

	stored[0].ID = "k2"
	_, err = mspkit.UnwrapKeyRing(ctx, xor{}, stored...)
	require.ErrorContains(t, err, `unwrap key "k2"`)
	_, err = mspkit.WrapKey(ctx, xor{fail: errors.New("vault is sealed")}, k1)
	require.ErrorContains(t, err, "vault is sealed")
	_, err = mspkit.WrapKey(ctx, xor{}, mspkit.Key{ID: "k1"})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func ExampleRedact() {
	password := mspkit.Redact("correct horse")
	fmt.Println(password)
	fmt.Println(len(password.Reveal()))
	// Output:
	// [redacted]
	// 13
}

func ExampleNewKeyRing() {
	// Rotation: the new key goes in front, the old one stays until nothing names it any more.
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("2026-11"), mspkit.NewKey("2025-11"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ring.Primary())
	// Output: 2026-11
}
