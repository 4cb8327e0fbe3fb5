package accountstest

import (
	"bytes"
	"errors"
	"strconv"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/accounts"
)

func isInvalid(err error) bool { return errors.Is(err, mspkit.ErrInvalid) }

func second[T any](_ T, err error) error { return err }

func storesInvitation(s *suite) {
	r := invitation(north, "i “1” ü")
	r.Role, r.UI, r.Sealed, r.ExpiresAt = entra.RoleAdmin, entra.UIPod, []byte{0, 255, 1}, start.Add(720*time.Hour)
	s.no(s.a.Invite(s.Context(), r, many))
	s.invited(r)
	s.is(s.b.Invite(s.Context(), r, many), accounts.ErrExists)
	other := r
	other.ID = "other"
	s.is(s.b.Invite(s.Context(), other, many), accounts.ErrExists) // of the same hash
	other.Owner = south
	s.is(s.b.Invite(s.Context(), other, many), accounts.ErrExists)
	p := invitation(north, "p")
	p.Kind, p.Client, p.Role = accounts.Portal, "contoso", entra.RoleNone
	s.no(s.b.Invite(s.Context(), p, many))
	s.invited(p)
}

func refusesInvitations(s *suite) {
	for name, f := range map[string]func(r *accounts.Record){
		"no owner":            func(r *accounts.Record) { r.Owner = "" },
		"no id":               func(r *accounts.Record) { r.ID = "" },
		"no account":          func(r *accounts.Record) { r.AccountID = "" },
		"nobody who invites":  func(r *accounts.Record) { r.By = "" },
		"no hash":             func(r *accounts.Record) { r.Hash = nil },
		"a short hash":        func(r *accounts.Record) { r.Hash = r.Hash[1:] },
		"nothing sealed":      func(r *accounts.Record) { r.Sealed = nil },
		"no kind":             func(r *accounts.Record) { r.Kind = "x" },
		"no role":             func(r *accounts.Record) { r.Role = entra.RoleNone },
		"a portal of nobody":  func(r *accounts.Record) { r.Kind, r.Role = accounts.Portal, entra.RoleNone },
		"made at no time":     func(r *accounts.Record) { r.CreatedAt = time.Time{} },
		"an end at the start": func(r *accounts.Record) { r.ExpiresAt = r.CreatedAt },
	} {
		r := invitation(north, "x")
		f(&r)
		if err := s.a.Invite(s.Context(), r, many); !isInvalid(err) {
			s.Errorf("%s: %v", name, err)
		}
	}
}

func bounded(s *suite) {
	for i := range 3 {
		s.no(s.a.Invite(s.Context(), invitation(north, strconv.Itoa(i)), 3))
	}
	next := invitation(north, "next")
	s.is(s.b.Invite(s.Context(), next, 3), accounts.ErrTooMany)
	s.no(s.b.Invite(s.Context(), invitation(south, "next"), 3))
	_, err := s.a.Revoke(s.Context(), north, "1", start)
	s.no(err)
	s.no(s.b.Invite(s.Context(), next, 3))
	_, err = s.a.Accept(s.Context(), hashOf(north, "2"), linked(north, "2", 2), start)
	s.no(err)
	late := invitation(north, "late")
	s.no(s.b.Invite(s.Context(), late, 3))
	later := invitation(north, "later")
	s.is(s.b.Invite(s.Context(), later, 3), accounts.ErrTooMany)
	later.CreatedAt, later.ExpiresAt = start.Add(time.Hour), start.Add(2*time.Hour) // the others are over
	s.no(s.b.Invite(s.Context(), later, 1))
}

func acceptsOnce(s *suite) {
	r, a := invitation(north, "x"), linked(north, "x", 1)
	s.no(s.a.Invite(s.Context(), r, many))
	last := r.ExpiresAt.Add(-time.Microsecond)
	got, err := s.b.Accept(s.Context(), r.Hash, a, last)
	s.no(err)
	s.equal(got, a)
	s.has(a)
	r.AcceptedAt = last
	s.invited(r)
	_, err = s.a.Accept(s.Context(), r.Hash, linked(north, "y", 2), last)
	s.is(err, accounts.ErrState)
	_, err = s.a.Revoke(s.Context(), north, "x", last)
	s.is(err, accounts.ErrState)
	over := invitation(north, "over")
	s.no(s.a.Invite(s.Context(), over, many))
	_, err = s.a.Accept(s.Context(), over.Hash, linked(north, "z", 3), over.ExpiresAt)
	s.is(err, accounts.ErrState)
	_, err = s.a.Revoke(s.Context(), north, "over", over.ExpiresAt)
	s.is(err, accounts.ErrState)
	s.invited(over)
}

func acceptsInto(s *suite) {
	had := plain(north, "x")
	had.MFA = accounts.MFAOn
	s.no(s.a.Add(s.Context(), had))
	r := invitation(north, "x")
	s.no(s.a.Invite(s.Context(), r, many))
	a := linked(north, "x", 1)
	a.Name, a.Role, a.UI, a.LinkedAt, a.CreatedAt = "Another name", entra.RoleAdmin, entra.UIPod, start.Add(time.Minute), start.Add(time.Minute)
	got, err := s.b.Accept(s.Context(), r.Hash, a, start)
	s.no(err)
	want := a
	want.Version, want.Name, want.MFA, want.CreatedAt = 2, had.Name, accounts.MFAOn, had.CreatedAt
	s.equal(got, want)
	s.has(want)
}

func acceptFails(s *suite) {
	taken, off, portal := linked(north, "taken", 1), plain(north, "off"), plain(north, "portal")
	off.DisabledAt = start
	portal.Kind, portal.Client, portal.Role = accounts.Portal, "contoso", entra.RoleNone
	for _, a := range []accounts.Account{taken, off, portal} {
		s.no(s.a.Add(s.Context(), a))
	}
	r := invitation(north, "x")
	s.no(s.a.Invite(s.Context(), r, many))
	for want, a := range map[error]accounts.Account{
		accounts.ErrTaken: linked(north, "new", 1), accounts.ErrLinked: linked(north, "taken", 2), accounts.ErrDisabled: linked(north, "off", 2),
		accounts.ErrConflict: linked(north, "portal", 2),
	} {
		_, err := s.b.Accept(s.Context(), r.Hash, a, start)
		s.is(err, want)
	}
	_, err := s.b.Accept(s.Context(), r.Hash, linked(north, "taken", 1), start)
	s.is(err, accounts.ErrLinked) // also who it is linked to gets no other role by it
	s.invited(r)
	for _, a := range []accounts.Account{taken, off, portal} {
		s.has(a)
	}
	_, err = s.a.Account(s.Context(), north, "new")
	s.is(err, accounts.ErrNotFound)
	_, err = s.a.Accept(s.Context(), r.Hash, linked(north, "new", 3), start)
	s.no(err)
}

func acceptRace(s *suite) {
	r := invitation(north, "x")
	s.no(s.a.Invite(s.Context(), r, many))
	won := s.race(64, func(i int) error {
		return second(s.store(i).Accept(s.Context(), r.Hash, linked(north, person(i), i), start))
	}, accounts.ErrState)
	s.equal(won, 1)
	list, err := s.a.Accounts(s.Context(), north)
	s.no(err)
	s.equal(len(list), 1)
}

func bootstrap(id string) accounts.Record {
	r := invitation(north, id)
	r.Kind, r.Role = accounts.Bootstrap, entra.RoleAdmin
	return r
}

func bootstraps(s *suite) {
	r := bootstrap("x")
	s.no(s.a.Invite(s.Context(), r, many))
	s.no(s.a.Add(s.Context(), admin(south, "boss", 1)))
	boss := admin(north, "boss", 1)
	boss.DisabledAt = start
	s.no(s.a.Add(s.Context(), boss))
	boss.Version, boss.DisabledAt = 2, time.Time{}
	s.no(s.a.Update(s.Context(), boss))
	_, err := s.b.Accept(s.Context(), r.Hash, admin(north, "x", 2), start)
	s.is(err, accounts.ErrSetUp)
	s.invited(r)
	other := bootstrap("y")
	other.Owner, other.Hash = "east", hashOf("east", "y")
	s.no(s.a.Invite(s.Context(), other, many))
	s.no(s.a.Add(s.Context(), plain("east", "me")))
	got, err := s.b.Accept(s.Context(), other.Hash, admin("east", "me", 5), start)
	s.no(err)
	s.equal(got.LinkedAdmin(), true)
	s.equal(got.Version, int64(2))
	s.has(got)
}

func bootstrapRace(s *suite) {
	for _, id := range []string{"x", "y"} {
		s.no(s.a.Invite(s.Context(), bootstrap(id), many))
	}
	won := s.race(2, func(i int) error {
		id := []string{"x", "y"}[i]
		return second(s.store(i).Accept(s.Context(), hashOf(north, id), admin(north, id, i), start))
	}, accounts.ErrSetUp)
	s.equal(won, 1)
}

func revokes(s *suite) {
	r := invitation(north, "x")
	s.no(s.a.Invite(s.Context(), r, many))
	got, err := s.b.Revoke(s.Context(), north, "x", start.Add(time.Minute))
	s.no(err)
	r.RevokedAt = start.Add(time.Minute)
	s.equal(got, r)
	s.invited(r)
	_, err = s.a.Accept(s.Context(), r.Hash, linked(north, "x", 1), start.Add(time.Minute))
	s.is(err, accounts.ErrState)
	_, err = s.a.Revoke(s.Context(), north, "x", start.Add(time.Minute))
	s.is(err, accounts.ErrState)
}

func revokeRace(s *suite) {
	for round := range 10 {
		id := strconv.Itoa(round)
		r := invitation(north, id)
		s.no(s.a.Invite(s.Context(), r, many))
		won := s.race(4, func(i int) error {
			if i%2 == round%2 {
				return second(s.store(i/2).Revoke(s.Context(), north, id, start))
			}
			return second(s.store(i/2).Accept(s.Context(), r.Hash, linked(north, id, round), start))
		}, accounts.ErrState)
		s.equal(won, 1)
		got, err := s.a.Invitation(s.Context(), r.Hash)
		s.no(err)
		_, err = s.a.Account(s.Context(), north, id)
		if got.AcceptedAt.IsZero() == got.RevokedAt.IsZero() || got.AcceptedAt.IsZero() == (err == nil) {
			s.Fatalf("accepted at %v, revoked at %v, and the account: %v", got.AcceptedAt, got.RevokedAt, err)
		}
	}
}

func expires(s *suite) {
	early, late := invitation(north, "early"), invitation(south, "late")
	late.ExpiresAt = early.ExpiresAt.Add(time.Microsecond)
	s.no(s.a.Invite(s.Context(), early, many))
	s.no(s.a.Invite(s.Context(), late, many))
	n, err := s.b.DeleteExpired(s.Context(), early.ExpiresAt.Add(-time.Microsecond))
	s.no(err)
	s.equal(n, 0)
	n, err = s.b.DeleteExpired(s.Context(), early.ExpiresAt)
	s.no(err)
	s.equal(n, 1)
	_, err = s.a.Invitation(s.Context(), early.Hash)
	s.is(err, accounts.ErrNotFound)
	s.invited(late)
}

func slicesAreCopied(s *suite) {
	r := invitation(north, "x")
	want := r
	want.Hash, want.Sealed = bytes.Clone(r.Hash), bytes.Clone(r.Sealed)
	s.no(s.a.Invite(s.Context(), r, many))
	clear(r.Hash)
	clear(r.Sealed)
	s.invited(want)
	got, err := s.a.Invitation(s.Context(), want.Hash)
	s.no(err)
	clear(got.Hash)
	clear(got.Sealed)
	list, err := s.a.Invitations(s.Context(), north)
	s.no(err)
	clear(list[0].Hash)
	s.invited(want)
	revoked, err := s.a.Revoke(s.Context(), north, "x", start)
	s.no(err)
	clear(revoked.Hash)
	want.RevokedAt = start
	s.invited(want)
}
