package mfatest

import (
	"bytes"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/mfa"
	"github.com/mspkit/mspkit/internal/race"
)

var at = time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)

// TestStore is the suite that every [mfa.Store] passes. open returns two instances on the same empty records, as two processes
// have them.
func TestStore(t *testing.T, open func(t *testing.T) (first, second mfa.Store)) {
	t.Helper()
	for name, f := range map[string]func(t *testing.T, one, two mfa.Store){
		"records are kept apart": storeKeeps, "bad records are refused": storeRefuses, "the revision never falls": storeDeletes,
		"of many who swap one does": storeRaces,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, two := open(t)
			f(t, one, two)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

func conflicts(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, mfa.ErrConflict) {
		t.Fatalf("the error is %v, not ErrConflict", err)
	}
}

func holds(t *testing.T, s mfa.Store, owner, user, want string) int64 {
	t.Helper()
	record, rev, err := s.Get(t.Context(), owner, user)
	must(t, err)
	if string(record) != want || (want == "") != (record == nil) {
		t.Fatalf("the record of %s and %s is %q, not %q", owner, user, record, want)
	}
	return rev
}

func storeKeeps(t *testing.T, one, two mfa.Store) {
	t.Helper()
	ctx := t.Context()
	pairs := [][2]string{{"north", "dana"}, {"north", "lee"}, {"south", "dana"}, {"northd", "ana"}, {"North", "dana"}, {"n\u00f6rd", "d%_'\"ana"}}
	for _, p := range pairs {
		rev := holds(t, one, p[0], p[1], "")
		must(t, one.Swap(ctx, p[0], p[1], []byte("record of "+p[0]+"/"+p[1]), rev, at))
	}
	for _, p := range pairs {
		rev := holds(t, two, p[0], p[1], "record of "+p[0]+"/"+p[1])
		must(t, two.Swap(ctx, p[0], p[1], []byte("second of "+p[0]+"/"+p[1]), rev, at))
		conflicts(t, one.Swap(ctx, p[0], p[1], []byte("late"), rev, at))
		conflicts(t, one.Swap(ctx, p[0], p[1], []byte("early"), rev+2, at))
		holds(t, one, p[0], p[1], "second of "+p[0]+"/"+p[1])
	}
	// What is given and what is returned is not shared.
	record := []byte("mine")
	must(t, one.Swap(ctx, "north", "own", record, holds(t, one, "north", "own", ""), at))
	record[0] = 'X'
	got, _, err := one.Get(ctx, "north", "own")
	must(t, err)
	got[1] = 'X'
	holds(t, one, "north", "own", "mine")
}

func storeRefuses(t *testing.T, one, _ mfa.Store) {
	t.Helper()
	long := strings.Repeat("x", mfa.MaxID+1)
	for name, c := range map[string]struct {
		owner, user string
		record      []byte
	}{
		"no owner": {"", "dana", []byte("r")}, "no user": {"north", "", []byte("r")}, "no record": {"north", "dana", nil},
		"long owner": {long, "dana", []byte("r")}, "long user": {"north", long, []byte("r")},
		"not UTF-8": {"north", "dana\xff", []byte("r")}, "a NUL": {"nor\x00th", "dana", []byte("r")},
		"large record": {"north", "dana", bytes.Repeat([]byte{1}, mfa.MaxRecord+1)},
	} {
		if err := one.Swap(t.Context(), c.owner, c.user, c.record, 0, at); !errors.Is(err, mspkit.ErrInvalid) {
			t.Errorf("%s: the error is %v, not ErrInvalid", name, err)
		}
	}
	for _, user := range []string{"dana", "", long, "dana\xff", "dana\x00"} { // nothing is under it, and nobody learns more
		holds(t, one, "north", user, "")
		must(t, one.Delete(t.Context(), "north", user, at))
	}
	must(t, one.Swap(t.Context(), long[1:], long[1:], bytes.Repeat([]byte{1}, mfa.MaxRecord), 0, at))
	must(t, one.Delete(t.Context(), "nobody", "nobody", at))
}

func storeDeletes(t *testing.T, one, two mfa.Store) {
	t.Helper()
	ctx := t.Context()
	must(t, one.Swap(ctx, "north", "dana", []byte("first"), holds(t, one, "north", "dana", ""), at))
	must(t, one.Swap(ctx, "north", "lee", []byte("other"), holds(t, one, "north", "lee", ""), at))
	rev := holds(t, two, "north", "dana", "first")
	must(t, one.Delete(ctx, "north", "dana", at))
	must(t, two.Delete(ctx, "north", "dana", at))
	conflicts(t, two.Swap(ctx, "north", "dana", []byte("back again"), rev, at))
	conflicts(t, two.Swap(ctx, "north", "dana", []byte("back again"), 0, at))
	next := holds(t, two, "north", "dana", "")
	if next <= rev {
		t.Fatalf("the revision fell from %d to %d", rev, next)
	}
	must(t, two.Swap(ctx, "north", "dana", []byte("second"), next, at))
	if last := holds(t, one, "north", "dana", "second"); last <= next {
		t.Fatalf("the revision fell from %d to %d", next, last)
	}
	holds(t, one, "north", "lee", "other")
}

func storeRaces(t *testing.T, one, two mfa.Store) {
	t.Helper()
	for round := range 5 {
		var won atomic.Int32
		_, rev, err := one.Get(t.Context(), "north", "dana")
		must(t, err)
		race.On([]mfa.Store{one, two}, func(s mfa.Store, i int) {
			switch err := s.Swap(t.Context(), "north", "dana", []byte{byte(round), byte(i)}, rev, at); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, mfa.ErrConflict):
				t.Errorf("unexpected error: %v", err)
			}
		})
		if won.Load() != 1 {
			t.Fatalf("round %d: %d have swapped", round, won.Load())
		}
	}
}
