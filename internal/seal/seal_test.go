package seal

import (
	"bytes"
	"testing"

	"github.com/mspkit/mspkit"
	"github.com/stretchr/testify/require"
)

func ring(t testing.TB, keys ...mspkit.Key) *mspkit.KeyRing {
	t.Helper()
	r, err := mspkit.NewKeyRing(keys...)
	require.NoError(t, err)
	return r
}

func box(t testing.TB, kind string, keys ...mspkit.Key) *Box {
	t.Helper()
	b, err := New(ring(t, keys...), kind)
	require.NoError(t, err)
	return b
}

func TestARecordOpensOnlyWhereItWasSealed(t *testing.T) {
	t.Parallel()
	key := mspkit.NewKey("k1")
	b := box(t, "verify", key)
	record := b.Seal([]byte("the secret"), "contoso", "42")
	require.NotContains(t, string(record), "the secret")

	got, err := b.Open(record, "contoso", "42")
	require.NoError(t, err)
	require.Equal(t, "the secret", string(got))

	for name, open := range map[string]func() ([]byte, error){
		"another tenant":        func() ([]byte, error) { return b.Open(record, "fabrikam", "42") },
		"another id":            func() ([]byte, error) { return b.Open(record, "contoso", "43") },
		"place values shifted":  func() ([]byte, error) { return b.Open(record, "contoso4", "2") },
		"fewer place values":    func() ([]byte, error) { return b.Open(record, "contoso") },
		"another kind":          func() ([]byte, error) { return box(t, "totp", key).Open(record, "contoso", "42") },
		"another key, same id":  func() ([]byte, error) { return box(t, "verify", mspkit.NewKey("k1")).Open(record, "contoso", "42") },
		"truncated":             func() ([]byte, error) { return b.Open(record[:len(record)-1], "contoso", "42") },
		"empty":                 func() ([]byte, error) { return b.Open(nil, "contoso", "42") },
		"key id length too big": func() ([]byte, error) { return b.Open([]byte{1, 200, 'k'}, "contoso", "42") },
		"another version":       func() ([]byte, error) { return b.Open(append([]byte{2}, record[1:]...), "contoso", "42") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := open()
			require.ErrorIs(t, err, ErrCorrupt)
		})
	}
}

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	t.Parallel()
	b := box(t, "verify", mspkit.NewKey("k1"))
	record := b.Seal([]byte("x"), "contoso", "42")
	for i := range record {
		altered := bytes.Clone(record)
		altered[i] ^= 1
		_, err := b.Open(altered, "contoso", "42")
		require.Error(t, err, "byte %d", i)
	}
}

func TestRotationKeepsOldRecordsReadableAndRewrapMovesThem(t *testing.T) {
	t.Parallel()
	k1, k2 := mspkit.NewKey("k1"), mspkit.NewKey("k2")
	old := box(t, "verify", k1).Seal([]byte("x"), "contoso", "42")

	both := box(t, "verify", k2, k1)
	got, err := both.Open(old, "contoso", "42")
	require.NoError(t, err)
	require.Equal(t, "x", string(got))

	fresh, moved, err := both.Rewrap(old, "contoso", "42")
	require.NoError(t, err)
	require.True(t, moved)
	id, err := KeyID(fresh)
	require.NoError(t, err)
	require.Equal(t, "k2", id)

	same, moved, err := both.Rewrap(fresh, "contoso", "42")
	require.NoError(t, err)
	require.False(t, moved)
	require.Equal(t, fresh, same)

	_, err = box(t, "verify", k2).Open(old, "contoso", "42")
	require.ErrorIs(t, err, mspkit.ErrUnknownKey)
	got, err = box(t, "verify", k2).Open(fresh, "contoso", "42")
	require.NoError(t, err)
	require.Equal(t, "x", string(got))

	_, _, err = both.Rewrap(old, "fabrikam", "42")
	require.ErrorIs(t, err, ErrCorrupt)
}

func TestTwoSealsOfTheSameTextDiffer(t *testing.T) {
	t.Parallel()
	b := box(t, "verify", mspkit.NewKey("k1"))
	require.NotEqual(t, b.Seal([]byte("x"), "a"), b.Seal([]byte("x"), "a"))
}

func TestNewNeedsARing(t *testing.T) {
	t.Parallel()
	_, err := New(nil, "verify")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func FuzzOpen(f *testing.F) {
	b := box(f, "verify", mspkit.NewKey("k1"))
	f.Add(b.Seal([]byte("x"), "a"))
	f.Add([]byte{1, 2, 'k', '1'})
	f.Fuzz(func(t *testing.T, record []byte) {
		if got, err := b.Open(record, "b"); err == nil {
			t.Fatalf("opened %q for a place it was not sealed for", got)
		}
	})
}

func BenchmarkSealOpen(bench *testing.B) {
	b := box(bench, "verify", mspkit.NewKey("k1"))
	text := make([]byte, 512)
	for bench.Loop() {
		if _, err := b.Open(b.Seal(text, "contoso", "42"), "contoso", "42"); err != nil {
			bench.Fatal(err)
		}
	}
}
