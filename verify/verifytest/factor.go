package verifytest

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mspkit/mspkit/internal/race"
	"github.com/mspkit/mspkit/verify"
)

// TestFactorStore runs the whole suite. storage is like that of [TestStore].
func TestFactorStore(t *testing.T, storage func(t *testing.T) (open func() verify.FactorStore)) {
	t.Helper()
	t.Run("A factor is kept, changed and deleted", func(t *testing.T) {
		t.Parallel()
		factorKept(t, storage(t))
	})
	t.Run("Race: of those who change one version one wins", func(t *testing.T) {
		t.Parallel()
		factorRace(t, storage(t))
	})
}

func factorKept(t *testing.T, open func() verify.FactorStore) {
	t.Helper()
	ctx, st := t.Context(), open()
	is := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Fatalf("the error is %v, it should be %v", err, want)
		}
	}
	put := func(f verify.Factor, now time.Time) verify.Factor {
		t.Helper()
		f, err := st.PutFactor(ctx, f, now)
		is(err, nil)
		return f
	}
	same := func(got, want verify.Factor) {
		t.Helper()
		if !got.ChangedAt.Equal(want.ChangedAt) || !slices.Equal(got.Sealed, want.Sealed) || got.Version != want.Version ||
			got.Tenant != want.Tenant || got.Subject != want.Subject || got.Kind != want.Kind {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}
	f := verify.Factor{Tenant: contoso, Subject: "da/na 'ü", Kind: "totp", Sealed: []byte{1, 0, 255}}
	_, err := st.Factor(ctx, contoso, f.Subject, "totp")
	is(err, verify.ErrNotFound)
	is(st.DeleteFactor(ctx, contoso, f.Subject, "totp", 0), verify.ErrNotFound)
	one := put(f, start)
	if one.Version != 1 || !one.ChangedAt.Equal(start) {
		t.Fatalf("a new factor: %+v", one)
	}
	_, err = st.PutFactor(ctx, f, start)
	is(err, verify.ErrConflict)
	for _, other := range []verify.Factor{{Tenant: fabrikam, Subject: f.Subject, Kind: "totp"}, {Tenant: contoso, Subject: "erin", Kind: "totp"}, {Tenant: contoso, Subject: f.Subject, Kind: "key"}} {
		_, err = st.Factor(ctx, other.Tenant, other.Subject, other.Kind)
		is(err, verify.ErrNotFound)
		put(other, start)
	}
	two := one
	two.Sealed = []byte{2}
	two = put(two, start.Add(time.Hour))
	_, err = st.PutFactor(ctx, one, start)
	is(err, verify.ErrConflict)
	got, err := open().Factor(ctx, contoso, f.Subject, "totp")
	is(err, nil)
	same(got, two)
	is(st.DeleteFactor(ctx, contoso, f.Subject, "totp", one.Version), verify.ErrConflict)
	is(st.DeleteFactor(ctx, contoso, f.Subject, "totp", two.Version), nil)
	_, err = st.PutFactor(ctx, two, start)
	is(err, verify.ErrConflict) // it is gone
	same(put(f, start), one)
}

func factorRace(t *testing.T, open func() verify.FactorStore) {
	t.Helper()
	ctx, stores := t.Context(), []verify.FactorStore{open(), open()}
	f := verify.Factor{Tenant: contoso, Subject: "dana", Kind: "totp"}
	for want := range int64(5) {
		var won atomic.Int32
		race.On(stores, func(st verify.FactorStore, _ int) {
			switch _, err := st.PutFactor(ctx, f, start); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, verify.ErrConflict):
				t.Errorf("unexpected error: %v", err)
			}
		})
		if won.Load() != 1 {
			t.Fatalf("%d changed version %d", won.Load(), want)
		}
		f.Version++
	}
}
