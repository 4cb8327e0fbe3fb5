package redisstore

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/redisx"
	"github.com/mspkit/mspkit/verify"
)

func TestADamagedRecordIsAnError(t *testing.T) {
	t.Parallel()
	whole := encodeRecord(verify.Record{Ref: verify.Ref{Tenant: "t", ID: "1"}, CreatedAt: time.Unix(1, 0)}, "")
	r, err := decodeRecord(whole)
	require.NoError(t, err)
	require.Equal(t, "1", r.ID)
	for i := range whole {
		_, err := decodeRecord(whole[:i])
		require.ErrorIs(t, err, redisx.ErrPacked)
	}
	for _, packed := range []string{whole + "x", strings.Replace(whole, "\xa10", "\xa1x", 1), strings.Replace(whole, redisx.EncodeTime(time.Unix(1, 0)), strings.Repeat("x", 20), 1)} {
		_, err := decodeRecord(packed)
		require.ErrorIs(t, err, redisx.ErrPacked)
	}
	_, err = decodeEvent(whole[:20])
	require.ErrorIs(t, err, redisx.ErrPacked)
}

// Whoever can write to Redis must not be able to bring a process down.
// Whoever can write to Redis must not be able to bring a process down.
func FuzzDecode(f *testing.F) {
	f.Add("")
	f.Add(encodeRecord(verify.Record{}, ""))
	f.Add("\xdd\xff\xff\xff\xff")
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := decodeRecord(s); err != nil {
			require.ErrorIs(t, err, redisx.ErrPacked)
		}
		if _, err := decodeEvent(s); err != nil {
			require.ErrorIs(t, err, redisx.ErrPacked)
		}
	})
}
