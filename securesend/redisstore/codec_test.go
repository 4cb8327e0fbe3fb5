package redisstore

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/redisx"
	"github.com/mspkit/mspkit/securesend"
)

var at = time.Date(2026, 3, 4, 5, 6, 7, 8_000, time.UTC)

// whole is a record in which every field is set.
func whole() securesend.Record {
	later := func(n int) time.Time { return at.Add(time.Duration(n) * time.Minute) }
	return securesend.Record{
		Ref: securesend.Ref{Tenant: "a:b", ID: "send1"}, Version: 7, Kind: securesend.KindSend, State: securesend.StateOpening, Region: "europe",
		Purpose: "files", Held: true, Sender: "jane ü", Subject: "dana", Ticket: mspkit.Ticket{System: "psa", ID: "4711"},
		Log: securesend.Log{To: "ticket", Public: true}, Gate: securesend.GateCode, KeyID: "k1", NumberMAC: []byte("n"), Tries: 1, MaxTries: 2,
		CodeUntil: later(1), CodeSentAt: later(2), CodeSends: 3, Renewals: 4, PassKeyID: "k2", PassMAC: []byte("p"), PassTries: 5, MaxPassTries: 6,
		Upload: []byte{0, 1}, Auth: []byte{2}, Header: []byte{3}, Half: []byte("h"), HalfKey: "k3", Sealed: []byte{4}, Inline: []byte("i"),
		Sizes: []int64{0, math.MaxInt64}, Fetched: []int64{1, 2}, Views: 8, MaxViews: 9, AfterView: time.Hour + 1, Claim: []byte{5},
		LeaseUntil: later(3), CreatedAt: later(4), Expiry: later(5), ExpiresAt: later(6), ReadyAt: later(7), OpenedAt: later(8), RevealedAt: later(9),
		AckedAt: later(10), EndedAt: later(11), Refusals: 10, Blobs: true,
	}
}

func TestEveryFieldOfARecordComesBack(t *testing.T) {
	t.Parallel()
	r := whole()
	for i, v := range reflect.ValueOf(r).Fields() {
		require.False(t, v.IsZero(), "the test does not set %v", i.Name)
	}
	got, err := decodeRecord(encodeRecord(&r, encodeWhat(&r), "x"))
	require.NoError(t, err)
	require.Equal(t, r.Hidden(), got)
	none := securesend.Record{Ref: securesend.Ref{Tenant: "t", ID: "1"}}
	got, err = decodeRecord(encodeRecord(&none, encodeWhat(&none), ""))
	require.NoError(t, err)
	require.Equal(t, none, got)
}

func TestEveryFieldOfAnEventComesBack(t *testing.T) {
	t.Parallel()
	r := whole()
	s := securesend.Stamp{ID: "e1", Kind: securesend.EventLapsed, By: "jane", Reason: "because", Files: []int{3, 1}}
	want := r.Event(s, at)
	want.Seq = 12
	for i, v := range reflect.ValueOf(want).Fields() {
		require.False(t, v.IsZero(), "the test does not set %v", i.Name)
	}
	got, err := decodeEvent("3:a:b:0000000000000012", encodeEvent(&r, encodeWhat(&r), s, at))
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestWhatIsDamagedIsAnError(t *testing.T) {
	t.Parallel()
	r := whole()
	packed := encodeRecord(&r, encodeWhat(&r), "")
	for i := range packed {
		_, err := decodeRecord(packed[:i])
		require.ErrorIs(t, err, redisx.ErrPacked)
	}
	for _, bad := range []string{packed + "x", strings.Replace(packed, "1,2", "1,x", 1), strings.Replace(packed, "\xa17", "\xa1x", 1)} {
		require.NotEqual(t, packed, bad)
		_, err := decodeRecord(bad)
		require.ErrorIs(t, err, redisx.ErrPacked)
	}
	event := encodeEvent(&r, encodeWhat(&r), securesend.Stamp{}, at)
	for _, name := range []string{"", "x", "3:a:b:1", "1:a:0000000000000012", "3:a:b:00000000000000x2", "9:a:b:0000000000000012", "-1:a:0000000000000012"} {
		_, err := decodeEvent(name, event)
		require.ErrorIs(t, err, redisx.ErrPacked, name)
	}
}

func TestTheNewestComesFirst(t *testing.T) {
	t.Parallel()
	early, late := redisx.EncodeTime(at), redisx.EncodeTime(at.Add(time.Microsecond))
	require.Less(t, backwards(late), backwards(early))
	require.Equal(t, early, backwards(backwards(early)))
}

func TestALongLifeIsOneThatScriptsCanCount(t *testing.T) {
	t.Parallel()
	require.Empty(t, life(0))
	require.Equal(t, "0", life(1))
	require.Equal(t, "3600000000", life(time.Hour))
	require.Equal(t, "3153600000000000", life(math.MaxInt64))
}

// Whoever can write to Redis must not be able to bring a process down.
func FuzzDecode(f *testing.F) {
	r := whole()
	f.Add("", "")
	f.Add("3:a:b:0000000000000012", encodeRecord(&r, encodeWhat(&r), ""))
	f.Add("3:a:b:0000000000000012", encodeEvent(&r, encodeWhat(&r), securesend.Stamp{ID: "e", Files: []int{1}}, at))
	f.Add("99999999999999999999:", "\xdd\xff\xff\xff\xff")
	f.Fuzz(func(t *testing.T, name, packed string) {
		if got, err := decodeRecord(packed); err != nil {
			require.ErrorIs(t, err, redisx.ErrPacked)
		} else {
			again, err := decodeRecord(encodeRecord(&got, encodeWhat(&got), ""))
			require.NoError(t, err)
			require.Equal(t, got.Sizes, again.Sizes)
		}
		if _, err := decodeEvent(name, packed); err != nil {
			require.ErrorIs(t, err, redisx.ErrPacked)
		}
		if tenant, rest, err := cutKeyed(name); err == nil {
			require.Len(t, rest, len(name)-strings.Index(name, ":")-2-len(tenant))
		}
	})
}
