package redisstore

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify"
)

func TestTimesCompareAsText(t *testing.T) {
	t.Parallel()
	times := []time.Time{
		{},
		time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), time.UnixMicro(-1), time.UnixMicro(0), time.UnixMicro(1),
		time.UnixMicro(1<<53 + 1), time.UnixMicro(1<<53 + 2), time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
	}
	for i, at := range times {
		text := encodeTime(at)
		require.Len(t, text, 20)
		got, err := decodeTime(text)
		require.NoError(t, err)
		require.True(t, got.Equal(at), "%v became %v", at, got)
		if i > 0 {
			require.Less(t, encodeTime(times[i-1]), text)
		}
	}
	require.Equal(t, encodeTime(time.UnixMicro(5)), encodeTime(time.UnixMicro(5).Add(999)), "nanoseconds are cut off")
}

func TestPackedValuesAreReadAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 15, 16, 300} {
		want := make([]string, size)
		for i := range want {
			want[i] = strings.Repeat("\x00\xff'", i*i)
		}
		got, err := unpack(pack(want...), size)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	// The forms in which Redis writes them.
	for _, packed := range []string{"\x92\xa1a\xd9\x01b", "\xdc\x00\x02\xda\x00\x01a\xa1b", "\xdd\x00\x00\x00\x02\xdb\x00\x00\x00\x01a\xa1b"} {
		got, err := unpack(packed, 2)
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, got)
	}
}

func TestADamagedRecordIsAnError(t *testing.T) {
	t.Parallel()
	whole := encodeRecord(verify.Record{Ref: verify.Ref{Tenant: "t", ID: "1"}, CreatedAt: time.Unix(1, 0)}, "")
	r, err := decodeRecord(whole)
	require.NoError(t, err)
	require.Equal(t, "1", r.ID)
	for i := range whole {
		_, err := decodeRecord(whole[:i])
		require.ErrorIs(t, err, errPacked)
	}
	for _, packed := range []string{whole + "x", strings.Replace(whole, "\xa10", "\xa1x", 1), strings.Replace(whole, encodeTime(time.Unix(1, 0)), strings.Repeat("x", 20), 1)} {
		_, err := decodeRecord(packed)
		require.ErrorIs(t, err, errPacked)
	}
	_, err = decodeEvent(whole[:20])
	require.ErrorIs(t, err, errPacked)
}

// Whoever can write to Redis must not be able to bring a process down.
func FuzzUnpack(f *testing.F) {
	f.Add("")
	f.Add(pack("a", "b"))
	f.Add(encodeRecord(verify.Record{}, ""))
	f.Add("\xdd\xff\xff\xff\xff")
	f.Add("\x91\xdb\xff\xff\xff\xff")
	f.Fuzz(func(t *testing.T, s string) {
		values, err := unpack(s, 0)
		if err != nil {
			require.ErrorIs(t, err, errPacked)
			return
		}
		again, err := unpack(pack(values...), len(values))
		require.NoError(t, err)
		require.Equal(t, values, again)
		if _, err := decodeRecord(s); err != nil {
			require.ErrorIs(t, err, errPacked)
		}
		if _, err := decodeEvent(s); err != nil {
			require.ErrorIs(t, err, errPacked)
		}
	})
}
