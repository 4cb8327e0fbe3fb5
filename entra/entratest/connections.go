package entratest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
)

// TestConnections runs a store through every sentence of [entra.ConnectionStore]. open returns two instances of a fresh, empty
// store for one part; a store in memory returns itself twice.
func TestConnections(t *testing.T, open func(t *testing.T) (first, second entra.ConnectionStore)) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(s storeSuite, a, b entra.ConnectionStore)
	}{
		{"A connection is kept as it is", connectionsKept},
		{"A tenant belongs to one owner and one customer", connectionsConflict},
		{"A connection is complete", connectionsComplete},
		{"Connections are listed by owner", connectionsListed},
		{"Health is the latest", connectionsChecked},
		{"A released tenant is free", connectionsReleased},
		{"Strange text does no harm", connectionsStrange},
		{"A state is taken once", statesTaken},
		{"A state expires", statesExpire},
		{"A state is complete", statesComplete},
		{"Race: one owner connects a tenant", connectionsRace},
		{"Race: one customer is connected to a tenant", customersRace},
		{"Race: one takes a state", statesRace},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			a, b := open(t)
			part.run(storeSuite{t}, a, b)
		})
	}
}

// storeSuite is one part of a suite for stores.
type storeSuite struct{ *testing.T }

func (s storeSuite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("unexpected error: %v", err)
	}
}

func (s storeSuite) is(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("the error is %v, it should be %v", err, want)
	}
}

func (s storeSuite) equal(got, want any, what string) {
	s.Helper()
	if !reflect.DeepEqual(got, want) {
		s.Fatalf("%s: got\n%+v\nwant\n%+v", what, got, want)
	}
}

// suiteTime is a time that every store can keep.
var suiteTime = time.Unix(1_800_000_000, 123_456_000)

const (
	contosoID  = "5f0c9a7e-1b2c-4d3e-8f90-a1b2c3d4e5f6"
	fabrikamID = "6a1d0b8f-2c3d-4e5f-9a01-b2c3d4e5f607"
)

func connection(tenant mspkit.TenantID, owner, integration, entraID string) entra.Connection {
	return entra.Connection{
		Tenant: tenant, Owner: owner, Integration: integration, EntraID: entraID, Domain: "contoso.onmicrosoft.com", Name: "Contoso & 'Söhne'",
		Via: entra.ViaConsent, By: "d4a0d4a0-0000-4000-8000-00000000d4a0", ConnectedAt: suiteTime,
	}
}

// plain takes the location out of times, which stores may change.
func plain(c entra.Connection) entra.Connection {
	for _, t := range []*time.Time{&c.ConnectedAt, &c.ExpiresAt, &c.CheckedAt} {
		if !t.IsZero() {
			*t = t.UTC()
		} else {
			*t = time.Time{}
		}
	}
	return c
}

func (s storeSuite) has(st entra.ConnectionStore, want entra.Connection) {
	s.Helper()
	got, err := st.Connection(s.Context(), want.Tenant, want.Integration)
	s.ok(err)
	s.equal(plain(got), plain(want), "the connection")
}

func connectionsKept(s storeSuite, a, b entra.ConnectionStore) {
	c := connection("contoso", "north", "contacts", contosoID)
	_, err := a.Connection(s.Context(), "contoso", "contacts")
	s.is(err, entra.ErrNotConnected)
	s.ok(a.Connect(s.Context(), c))
	s.has(b, c)
	for _, other := range [][2]string{{"contoso", "mail"}, {"Contoso", "contacts"}, {"contoso ", "contacts"}, {"", ""}} {
		_, err := b.Connection(s.Context(), mspkit.TenantID(other[0]), other[1])
		s.is(err, entra.ErrNotConnected)
	}
	c.Name, c.ExpiresAt, c.CheckedAt, c.Problem, c.Via = "Contoso renamed", suiteTime.Add(time.Hour), suiteTime, "a problem", entra.ViaGDAP
	s.ok(b.Connect(s.Context(), c))
	s.has(a, c)
	list, err := a.Connections(s.Context(), "north")
	s.ok(err)
	s.equal(len(list), 1, "connections after the same was connected again")
}

func connectionsConflict(s storeSuite, a, b entra.ConnectionStore) {
	ctx := s.Context()
	c := connection("contoso", "north", "contacts", contosoID)
	s.ok(a.Connect(ctx, c))
	mail := connection("contoso", "north", "mail", contosoID)
	s.ok(b.Connect(ctx, mail)) // for something else
	for _, x := range []struct {
		c    entra.Connection
		want error
		why  string
	}{
		{connection("souths", "south", "contacts", contosoID), entra.ErrOwned, "another owner, the same tenant of Microsoft 365"},
		{connection("souths", "south", "teams", contosoID), entra.ErrOwned, "the same, for something else"},
		{connection("contoso", "south", "contacts", fabrikamID), entra.ErrOwned, "another owner, the same customer"},
		{connection("contoso", "south", "teams", fabrikamID), entra.ErrOwned, "the same, for something else"},
		{connection("contoso", "south", "contacts", contosoID), entra.ErrOwned, "another owner, the same connection"},
		{connection("fabrikam", "north", "contacts", contosoID), entra.ErrTaken, "another customer of the same owner"},
		{connection("fabrikam", "north", "teams", contosoID), entra.ErrTaken, "the same, for something else"},
		{connection("contoso", "north", "contacts", fabrikamID), entra.ErrTaken, "another tenant of Microsoft 365 in its place"},
	} {
		if err := b.Connect(ctx, x.c); !errors.Is(err, x.want) {
			s.Fatalf("%s: the error is %v", x.why, err)
		}
	}
	s.has(a, c)
	s.has(a, mail)
	list, err := a.Connections(ctx, "")
	s.ok(err)
	s.equal(len(list), 2, "connections")
	s.ok(a.Connect(ctx, connection("contoso", "north", "teams", fabrikamID))) // a customer may have two tenants of Microsoft 365
	// One that has expired counts until it is released.
	gone := connection("litware", "north", "contacts", "00000000-0000-4000-8000-000000000001")
	gone.ExpiresAt = suiteTime.Add(-time.Hour)
	s.ok(a.Connect(ctx, gone))
	other := gone
	other.Owner, other.Tenant = "south", "souths-litware"
	s.is(a.Connect(ctx, other), entra.ErrOwned)
}

func connectionsComplete(s storeSuite, a, _ entra.ConnectionStore) {
	for name, change := range map[string]func(*entra.Connection){
		"no tenant":      func(c *entra.Connection) { c.Tenant = "" },
		"no owner":       func(c *entra.Connection) { c.Owner = "" },
		"no integration": func(c *entra.Connection) { c.Integration = "" },
		"no id":          func(c *entra.Connection) { c.EntraID = "" },
		"a domain as id": func(c *entra.Connection) { c.EntraID = "contoso.onmicrosoft.com" },
		"capitals":       func(c *entra.Connection) { c.EntraID = strings.ToUpper(contosoID) },
		"a zero":         func(c *entra.Connection) { c.Owner = "a\x00b" },
		"no UTF-8":       func(c *entra.Connection) { c.Tenant = "\xff" },
		"too long":       func(c *entra.Connection) { c.Integration = strings.Repeat("x", mspkit.MaxID+1) },
	} {
		c := connection("contoso", "north", "contacts", contosoID)
		change(&c)
		if err := a.Connect(s.Context(), c); !errors.Is(err, mspkit.ErrInvalid) {
			s.Fatalf("%s: the error is %v", name, err)
		}
	}
	list, err := a.Connections(s.Context(), "")
	s.ok(err)
	s.equal(len(list), 0, "connections")
}

func connectionsListed(s storeSuite, a, b entra.ConnectionStore) {
	ctx := s.Context()
	id := func(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }
	var want []string
	for i, c := range []entra.Connection{
		connection("Zeta", "north", "mail", id(1)), connection("Zeta", "north", "contacts", id(1)), connection("alpha", "north", "contacts", id(2)),
		connection("Ärger", "north", "contacts", id(3)), connection("beta", "south", "contacts", id(4)),
	} {
		c.ConnectedAt = suiteTime.Add(time.Duration(i) * time.Second)
		s.ok(a.Connect(ctx, c))
	}
	want = []string{"Zeta/contacts", "Zeta/mail", "alpha/contacts", "Ärger/contacts"}
	names := func(owner string) (out []string) {
		list, err := b.Connections(ctx, owner)
		s.ok(err)
		for _, c := range list {
			out = append(out, string(c.Tenant)+"/"+c.Integration)
		}
		return out
	}
	s.equal(names("north"), want, "north's")
	s.equal(names("south"), []string{"beta/contacts"}, "south's")
	s.equal(names("North"), []string(nil), "nobody's")
	s.equal(names(""), []string{"Zeta/contacts", "Zeta/mail", "alpha/contacts", "beta/contacts", "Ärger/contacts"}, "all")
}

func connectionsChecked(s storeSuite, a, b entra.ConnectionStore) {
	ctx := s.Context()
	c := connection("contoso", "north", "contacts", contosoID)
	s.ok(a.Connect(ctx, c))
	s.is(a.Checked(ctx, "contoso", "mail", suiteTime, ""), entra.ErrNotConnected)
	s.is(a.Checked(ctx, "fabrikam", "contacts", suiteTime, ""), entra.ErrNotConnected)
	s.ok(a.Checked(ctx, "contoso", "contacts", suiteTime, "consent was withdrawn"))
	c.CheckedAt, c.Problem = suiteTime, "consent was withdrawn"
	s.has(b, c)
	s.ok(b.Checked(ctx, "contoso", "contacts", suiteTime.Add(-time.Second), "")) // of an instance that was slow
	s.has(a, c)
	s.ok(b.Checked(ctx, "contoso", "contacts", suiteTime.Add(time.Second), ""))
	c.CheckedAt, c.Problem = suiteTime.Add(time.Second), ""
	s.has(a, c)
}

func connectionsReleased(s storeSuite, a, b entra.ConnectionStore) {
	ctx := s.Context()
	s.ok(a.Connect(ctx, connection("contoso", "north", "contacts", contosoID)))
	s.ok(a.Connect(ctx, connection("contoso", "north", "mail", contosoID)))
	s.is(b.Release(ctx, "contoso", "contacts", "south"), entra.ErrNotConnected)
	s.is(b.Release(ctx, "contoso", "contacts", ""), entra.ErrNotConnected)
	s.is(b.Release(ctx, "contoso", "teams", "north"), entra.ErrNotConnected)
	s.ok(b.Release(ctx, "contoso", "contacts", "north"))
	s.is(b.Release(ctx, "contoso", "contacts", "north"), entra.ErrNotConnected)
	_, err := a.Connection(ctx, "contoso", "contacts")
	s.is(err, entra.ErrNotConnected)
	souths := connection("souths", "south", "contacts", contosoID)
	s.is(a.Connect(ctx, souths), entra.ErrOwned) // there is still the mail
	s.ok(a.Release(ctx, "contoso", "mail", "north"))
	s.ok(a.Connect(ctx, souths))
	s.ok(b.Connect(ctx, connection("contoso", "north", "contacts", fabrikamID)))
}

func connectionsStrange(s storeSuite, a, _ entra.ConnectionStore) {
	ctx := s.Context()
	c := connection("1'; DROP TABLE x; --", "north", "contacts", contosoID)
	c.Name, c.Domain, c.Problem, c.By, c.Via = "a\x00b\xff", "\xff", "\x00", "\x00", "\x00"
	s.ok(a.Connect(ctx, c))
	_, err := a.Connection(ctx, c.Tenant, "contacts")
	s.ok(err)
	s.ok(a.Checked(ctx, c.Tenant, "contacts", suiteTime, "a\x00b\xff"))
	_, err = a.Connection(ctx, "a\x00b", "\xff")
	s.is(err, entra.ErrNotConnected)
	_, err = a.Connections(ctx, "a\x00b")
	s.ok(err)
	s.is(a.Checked(ctx, "\x00", "\xff", suiteTime, ""), entra.ErrNotConnected)
	s.is(a.Release(ctx, "\x00", "\xff", "\x00"), entra.ErrNotConnected)
	_, err = a.State(ctx, nil, suiteTime)
	s.is(err, entra.ErrState)

	// A key that no database can hold is not that of its neighbour.
	c = connection("a\ufffd", "n\ufffd", "contacts", fabrikamID)
	s.ok(a.Connect(ctx, c))
	_, err = a.Connection(ctx, "a\xff", "contacts")
	s.is(err, entra.ErrNotConnected)
	s.is(a.Checked(ctx, "a\x00", "contacts", suiteTime, "x"), entra.ErrNotConnected)
	s.is(a.Release(ctx, "a\ufffd", "contacts", "n\xff"), entra.ErrNotConnected)
	list, err := a.Connections(ctx, "n\xff")
	s.ok(err)
	s.equal(len(list), 0, "connections of an owner whose name cannot be stored")
	s.ok(a.Release(ctx, "a\ufffd", "contacts", "n\ufffd"))
}

func linkState(name string) entra.LinkState {
	sum := sha256.Sum256([]byte(name))
	return entra.LinkState{
		Hash: sum[:], Tenant: "contoso", Owner: "north", Integration: "contacts", Data: []byte{0, 1, 255, 'x'}, ExpiresAt: suiteTime.Add(time.Hour),
	}
}

func plainState(l entra.LinkState) entra.LinkState {
	l.ExpiresAt = l.ExpiresAt.UTC()
	return l
}

func statesTaken(s storeSuite, a, b entra.ConnectionStore) {
	ctx := s.Context()
	l := linkState("1")
	_, err := a.State(ctx, l.Hash, suiteTime)
	s.is(err, entra.ErrState)
	s.ok(a.PutState(ctx, l))
	s.ok(a.PutState(ctx, linkState("2")))
	s.is(b.PutState(ctx, l), mspkit.ErrInvalid)
	for range 2 {
		got, err := b.State(ctx, l.Hash, suiteTime)
		s.ok(err)
		s.equal(plainState(got), plainState(l), "the state")
		got.Hash[0], got.Data[0] = got.Hash[0]+1, 99 // is not the store's
	}
	got, err := b.TakeState(ctx, l.Hash, suiteTime)
	s.ok(err)
	s.equal(plainState(got), plainState(l), "the state that was taken")
	for _, st := range []entra.ConnectionStore{a, b} {
		_, err = st.TakeState(ctx, l.Hash, suiteTime)
		s.is(err, entra.ErrState)
		_, err = st.State(ctx, l.Hash, suiteTime)
		s.is(err, entra.ErrState)
	}
	_, err = a.State(ctx, linkState("2").Hash, suiteTime)
	s.ok(err)
	s.ok(a.PutState(ctx, l)) // given back
	_, err = b.TakeState(ctx, l.Hash, suiteTime)
	s.ok(err)
}

func statesExpire(s storeSuite, a, b entra.ConnectionStore) {
	ctx := s.Context()
	l, later := linkState("1"), linkState("2")
	later.ExpiresAt = l.ExpiresAt.Add(time.Microsecond)
	s.ok(a.PutState(ctx, l))
	s.ok(a.PutState(ctx, later))
	_, err := b.State(ctx, l.Hash, l.ExpiresAt.Add(-time.Microsecond))
	s.ok(err)
	_, err = b.State(ctx, l.Hash, l.ExpiresAt)
	s.is(err, entra.ErrState)
	_, err = b.TakeState(ctx, l.Hash, l.ExpiresAt)
	s.is(err, entra.ErrState)
	n, err := b.DeleteExpired(ctx, l.ExpiresAt.Add(-time.Microsecond))
	s.ok(err)
	s.equal(n, 0, "states deleted too early")
	n, err = b.DeleteExpired(ctx, l.ExpiresAt)
	s.ok(err)
	s.equal(n, 1, "states deleted")
	_, err = a.TakeState(ctx, later.Hash, l.ExpiresAt)
	s.ok(err)
}

func statesComplete(s storeSuite, a, _ entra.ConnectionStore) {
	for name, change := range map[string]func(*entra.LinkState){
		"no hash":        func(l *entra.LinkState) { l.Hash = nil },
		"a short hash":   func(l *entra.LinkState) { l.Hash = l.Hash[:31] },
		"no tenant":      func(l *entra.LinkState) { l.Tenant = "" },
		"no owner":       func(l *entra.LinkState) { l.Owner = "" },
		"no integration": func(l *entra.LinkState) { l.Integration = "" },
		"no end":         func(l *entra.LinkState) { l.ExpiresAt = time.Time{} },
	} {
		l := linkState("1")
		change(&l)
		if err := a.PutState(s.Context(), l); !errors.Is(err, mspkit.ErrInvalid) {
			s.Fatalf("%s: the error is %v", name, err)
		}
	}
	l := linkState("1")
	l.Data = nil
	s.ok(a.PutState(s.Context(), l))
	got, err := a.TakeState(s.Context(), l.Hash, suiteTime)
	s.ok(err)
	s.equal(len(got.Data), 0, "what a link remembers that remembers nothing")
}

// race runs f many times at once, on both instances in turn, and returns how many succeeded; all others must fail with one of
// the errors.
func (s storeSuite) race(n int, f func(i int) error, others ...error) int {
	s.Helper()
	var won atomic.Int32
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-begin
			err := f(i)
			if err == nil {
				won.Add(1)
				return
			}
			for _, want := range others {
				if errors.Is(err, want) {
					return
				}
			}
			s.Errorf("unexpected error: %v", err)
		})
	}
	close(begin)
	wg.Wait()
	return int(won.Load())
}

func connectionsRace(s storeSuite, a, b entra.ConnectionStore) {
	both := [2]entra.ConnectionStore{a, b}
	for round := range 5 {
		id := fmt.Sprintf("00000000-0000-4000-8000-%012d", round)
		won := s.race(16, func(i int) error {
			n := strconv.Itoa(round) + "-" + strconv.Itoa(i)
			return both[i%2].Connect(s.Context(), connection(mspkit.TenantID("tenant-"+n), "owner-"+n, "contacts", id))
		}, entra.ErrOwned)
		s.equal(won, 1, "owners who connected the tenant")
	}
	list, err := a.Connections(s.Context(), "")
	s.ok(err)
	s.equal(len(list), 5, "connections")
}

func customersRace(s storeSuite, a, b entra.ConnectionStore) {
	both := [2]entra.ConnectionStore{a, b}
	won := s.race(16, func(i int) error { // customers of one owner
		return both[i%2].Connect(s.Context(), connection(mspkit.TenantID("tenant-"+strconv.Itoa(i)), "north", "i-"+strconv.Itoa(i), contosoID))
	}, entra.ErrTaken)
	s.equal(won, 1, "customers who were connected")
	won = s.race(16, func(i int) error { // and tenants of Microsoft 365 for one customer
		return both[i%2].Connect(s.Context(), connection("fabrikam", "north", "contacts", fmt.Sprintf("00000000-0000-4000-8000-%012d", i)))
	}, entra.ErrTaken)
	s.equal(won, 1, "tenants that were connected")
}

func statesRace(s storeSuite, a, b entra.ConnectionStore) {
	both := [2]entra.ConnectionStore{a, b}
	for round := range 3 {
		l := linkState(strconv.Itoa(round))
		s.ok(a.PutState(s.Context(), l))
		won := s.race(64, func(i int) error {
			_, err := both[i%2].TakeState(s.Context(), l.Hash, suiteTime)
			return err
		}, entra.ErrState)
		s.equal(won, 1, "who took the state")
	}
}
