package redisx

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTimesCompareAsText(t *testing.T) {
	t.Parallel()
	times := []time.Time{
		{},
		time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), time.UnixMicro(-1), time.UnixMicro(0), time.UnixMicro(1),
		time.UnixMicro(1<<53 + 1), time.UnixMicro(1<<53 + 2), time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
	}
	for i, at := range times {
		text := EncodeTime(at)
		require.Len(t, text, 20)
		got, err := DecodeTime(text)
		require.NoError(t, err)
		require.True(t, got.Equal(at), "%v became %v", at, got)
		if i > 0 {
			require.Less(t, EncodeTime(times[i-1]), text)
		}
	}
	require.Equal(t, EncodeTime(time.UnixMicro(5)), EncodeTime(time.UnixMicro(5).Add(999)), "nanoseconds are cut off")
}

func TestPackedValuesAreReadAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 15, 16, 300} {
		want := make([]string, size)
		for i := range want {
			want[i] = strings.Repeat("\x00\xff'", i*i)
		}
		got, err := Unpack(Pack(want...), size)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	// The forms in which Redis writes them.
	for _, packed := range []string{"\x92\xa1a\xd9\x01b", "\xdc\x00\x02\xda\x00\x01a\xa1b", "\xdd\x00\x00\x00\x02\xdb\x00\x00\x00\x01a\xa1b"} {
		got, err := Unpack(packed, 2)
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, got)
	}
}

func TestRoundedIsWhatAStoreGivesBack(t *testing.T) {
	t.Parallel()
	at := time.Now()
	got, err := DecodeTime(EncodeTime(at))
	require.NoError(t, err)
	require.Equal(t, Rounded(at), got)
	require.True(t, Rounded(time.Time{}).IsZero())
}

// Whoever can write to Redis must not be able to bring a process down.
func FuzzUnpack(f *testing.F) {
	f.Add("")
	f.Add(Pack("a", "b"))
	f.Add("\xdd\xff\xff\xff\xff")
	f.Add("\x91\xdb\xff\xff\xff\xff")
	f.Fuzz(func(t *testing.T, s string) {
		values, err := Unpack(s, 0)
		if err != nil {
			require.ErrorIs(t, err, ErrPacked)
			return
		}
		again, err := Unpack(Pack(values...), len(values))
		require.NoError(t, err)
		require.Equal(t, values, again)
	})
}
