package accountstest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/accounts"
)

const (
	north = "north"
	south = "south"
	// tenant is one in Entra.
	tenant = "11111111-1111-4111-8111-111111111111"
	many   = 10
)

// start is a time that every store can keep.
var start = time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC)

// TestStore runs a store through every sentence of [accounts.Store]. open returns two instances on one fresh, empty storage, which must
// see what the other one stored; what needs closing is closed by t.Cleanup.
func TestStore(t *testing.T, open func(t *testing.T) (first, second accounts.Store)) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*suite)
	}{
		{"An account is stored with every field", storesAll},
		{"What is not there is not found", findsNothing},
		{"What cannot be used is not stored", refusesAccounts},
		{"Owners do not see each other", apart},
		{"Accounts come in the order in which they were made", listed},
		{"An account is replaced by its next version only", replaces},
		{"One person is one account of an owner", onePerson},
		{"The last admin stays", lastAdmin},
		{"Of two admins who demote each other one stays", lastAdminRace},
		{"Of all who change the admins at once one is left", lastAdminStorm},
		{"Of two who change an account one wins", oneWins},
		{"Of two who are linked to one person one wins", onePersonRace},
		{"An invitation is stored with every field", storesInvitation},
		{"What cannot be used is no invitation", refusesInvitations},
		{"There are not more open invitations than most", bounded},
		{"An invitation is accepted once", acceptsOnce},
		{"An invitation links the account that there is", acceptsInto},
		{"What cannot be accepted leaves the invitation", acceptFails},
		{"Of 64 who accept at once one is let in", acceptRace},
		{"The first admin comes once", bootstraps},
		{"Of two links for the first admin one is good", bootstrapRace},
		{"A revoked invitation is not accepted", revokes},
		{"An invitation is revoked or accepted, not both", revokeRace},
		{"What ended long ago is deleted", expires},
		{"Byte slices are the caller's", slicesAreCopied},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			a, b := open(t)
			part.run(&suite{T: t, a: a, b: b})
		})
	}
}

type suite struct {
	*testing.T
	a, b accounts.Store
}

func (s *suite) no(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *suite) is(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("got %v, want %v", err, want)
	}
}

func (s *suite) equal(got, want any) {
	s.Helper()
	if !reflect.DeepEqual(got, want) {
		s.Fatalf("got\n%+v, want\n%+v", got, want)
	}
}

// stores alternates the two instances.
func (s *suite) store(i int) accounts.Store { return []accounts.Store{s.a, s.b}[i%2] }

// person is the object id of the n-th person.
func person(n int) string { return fmt.Sprintf("22222222-2222-4222-8222-%012d", n) }

// plain is an account that was just made, of a technician whom nobody knows in Entra.
func plain(owner, id string) accounts.Account {
	return accounts.Account{Owner: owner, ID: id, Version: 1, Kind: accounts.Technician, Name: "Name of " + id, Role: entra.RoleTechnician, CreatedAt: start}
}

// linked is one of the n-th person.
func linked(owner, id string, n int) accounts.Account {
	a := plain(owner, id)
	a.TenantID, a.ObjectID, a.LinkedAt = tenant, person(n), start
	return a
}

// admin is one of the n-th person, who is an admin.
func admin(owner, id string, n int) accounts.Account {
	a := linked(owner, id, n)
	a.Role = entra.RoleAdmin
	return a
}

func hashOf(owner, id string) []byte {
	sum := sha256.Sum256([]byte(owner + " " + id))
	return sum[:]
}

// invitation is one for an account of the same id.
func invitation(owner, id string) accounts.Record {
	return accounts.Record{
		Owner: owner, ID: id, Hash: hashOf(owner, id), Kind: accounts.Technician, Role: entra.RoleTechnician, AccountID: id, By: "boss",
		Sealed: []byte("sealed"), CreatedAt: start, ExpiresAt: start.Add(time.Hour),
	}
}

func (s *suite) has(want accounts.Account) {
	s.Helper()
	for _, store := range []accounts.Store{s.a, s.b} {
		got, err := store.Account(s.Context(), want.Owner, want.ID)
		s.no(err)
		s.equal(got, want)
		if want.Linked() {
			got, err = store.ByIdentity(s.Context(), want.Owner, want.TenantID, want.ObjectID)
			s.no(err)
			s.equal(got, want)
		}
	}
}

func (s *suite) invited(want accounts.Record) {
	s.Helper()
	for _, store := range []accounts.Store{s.a, s.b} {
		got, err := store.Invitation(s.Context(), want.Hash)
		s.no(err)
		s.equal(got, want)
	}
}

// race runs f n times at once and returns how often it succeeded. Every other error must be one of others.
func (s *suite) race(n int, f func(i int) error, others ...error) int {
	s.Helper()
	errs := make([]error, n)
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-begin
			errs[i] = f(i)
		})
	}
	close(begin)
	all.Wait()
	won := 0
next:
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		for _, o := range others {
			if errors.Is(err, o) {
				continue next
			}
		}
		s.Fatalf("who loses is told %v", err)
	}
	return won
}
