package accountstest

import (
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/accounts"
)

func storesAll(s *suite) {
	a := plain(north, "a “1” ü")
	s.no(s.a.Add(s.Context(), a))
	s.has(a)
	a.Version, a.Name, a.Role, a.UI, a.MFA = 2, `Jörg "J" Ünal`, entra.RoleAdmin, entra.UIPod, accounts.MFAOff
	a.TenantID, a.ObjectID, a.LinkedAt, a.DisabledAt = tenant, person(1), start.Add(time.Hour), start.Add(2*time.Hour)
	s.no(s.b.Update(s.Context(), a))
	s.has(a)
	made := a.CreatedAt
	a.Version, a.CreatedAt, a.MFA, a.DisabledAt = 3, start.Add(3*time.Hour), accounts.MFAOn, time.Time{}
	a.TenantID, a.ObjectID, a.LinkedAt = "", "", time.Time{}
	s.no(s.a.Update(s.Context(), a))
	a.CreatedAt = made
	s.has(a)
	_, err := s.b.ByIdentity(s.Context(), north, tenant, person(1))
	s.is(err, accounts.ErrNotFound)

	p := linked(north, "p", 2)
	p.Kind, p.Client, p.Role, p.UI = accounts.Portal, "contoso", entra.RoleNone, entra.UIPod
	s.no(s.b.Add(s.Context(), p))
	s.has(p)
	s.no(s.b.Remove(s.Context(), north, a.ID))
	_, err = s.a.Account(s.Context(), north, a.ID)
	s.is(err, accounts.ErrNotFound)
	s.has(p)
}

func findsNothing(s *suite) {
	s.no(s.a.Add(s.Context(), plain(north, "a")))
	for _, id := range []string{"", "A", "b", "a ", "a\x00", "\xff"} {
		_, err := s.a.Account(s.Context(), north, id)
		s.is(err, accounts.ErrNotFound)
		s.is(s.a.Remove(s.Context(), north, id), accounts.ErrNotFound)
	}
	_, err := s.a.ByIdentity(s.Context(), north, tenant, person(1))
	s.is(err, accounts.ErrNotFound)
	_, err = s.a.ByIdentity(s.Context(), north, "", "") // as those have who are not linked
	s.is(err, accounts.ErrNotFound)
	a := plain(north, "b")
	a.Version = 2
	s.is(s.b.Update(s.Context(), a), accounts.ErrNotFound)
	_, err = s.a.Invitation(s.Context(), hashOf(north, "x"))
	s.is(err, accounts.ErrNotFound)
	_, err = s.a.Accept(s.Context(), hashOf(north, "x"), linked(north, "x", 1), start)
	s.is(err, accounts.ErrState)
	for _, id := range []string{"x", "", "\x00"} {
		_, err = s.a.Revoke(s.Context(), north, id, start)
		s.is(err, accounts.ErrState)
	}
	for _, owner := range []string{"", "North", "\x00", "nobody"} {
		list, err := s.b.Accounts(s.Context(), owner)
		s.no(err)
		s.equal(len(list), 0)
		invs, err := s.b.Invitations(s.Context(), owner)
		s.no(err)
		s.equal(len(invs), 0)
	}
}

func refusesAccounts(s *suite) {
	good := linked(north, "good", 1)
	s.no(s.a.Add(s.Context(), good))
	s.no(s.a.Invite(s.Context(), invitation(north, "x"), many))
	for name, f := range map[string]func(a *accounts.Account){
		"no owner":                  func(a *accounts.Account) { a.Owner = "" },
		"no id":                     func(a *accounts.Account) { a.ID = "" },
		"the id of the host":        func(a *accounts.Account) { a.ID = accounts.ByHost },
		"a long id":                 func(a *accounts.Account) { a.ID = strings.Repeat("x", mspkit.MaxID+1) },
		"an id with a zero":         func(a *accounts.Account) { a.ID = "a\x00" },
		"no version":                func(a *accounts.Account) { a.Version = 0 },
		"no kind":                   func(a *accounts.Account) { a.Kind = "" },
		"the kind of a link":        func(a *accounts.Account) { a.Kind = accounts.Bootstrap },
		"a technician of a client":  func(a *accounts.Account) { a.Client = "contoso" },
		"a portal of nobody":        func(a *accounts.Account) { a.Kind, a.Role = accounts.Portal, entra.RoleNone },
		"a portal with a role":      func(a *accounts.Account) { a.Kind, a.Client = accounts.Portal, "contoso" },
		"no role":                   func(a *accounts.Account) { a.Role = entra.RoleNone },
		"another role":              func(a *accounts.Account) { a.Role = 7 },
		"another interface":         func(a *accounts.Account) { a.UI = 7 },
		"another use of MFA":        func(a *accounts.Account) { a.MFA = 7 },
		"a name of two lines":       func(a *accounts.Account) { a.Name = "a\nb" },
		"a long name":               func(a *accounts.Account) { a.Name = strings.Repeat("x", 200) },
		"a person of no tenant":     func(a *accounts.Account) { a.TenantID = "" },
		"a tenant without a person": func(a *accounts.Account) { a.ObjectID = "" },
		"no GUID":                   func(a *accounts.Account) { a.ObjectID = "otto@contoso.com" },
		"a GUID in capitals":        func(a *accounts.Account) { a.TenantID = "ABCDEF01-1111-4111-8111-111111111111" },
		"linked at no time":         func(a *accounts.Account) { a.LinkedAt = time.Time{} },
		"made at no time":           func(a *accounts.Account) { a.CreatedAt = time.Time{} },
	} {
		a := linked(north, "x", 2)
		f(&a)
		for verb, err := range map[string]error{"add": s.a.Add(s.Context(), a), "update": s.b.Update(s.Context(), a), "accept": second(s.a.Accept(s.Context(), hashOf(north, "x"), a, start))} {
			if !isInvalid(err) {
				s.Errorf("%s, %s: %v", name, verb, err)
			}
		}
	}
	list, err := s.a.Accounts(s.Context(), north)
	s.no(err)
	s.equal(list, []accounts.Account{good})
}

func apart(s *suite) {
	a, b := admin(north, "a", 1), admin(south, "a", 1) // the same person works for both
	b.Name = "of the south"
	s.no(s.a.Add(s.Context(), a))
	s.no(s.b.Add(s.Context(), b))
	s.has(a)
	s.has(b)
	list, err := s.a.Accounts(s.Context(), north)
	s.no(err)
	s.equal(list, []accounts.Account{a})
	s.is(s.a.Remove(s.Context(), south, "a"), accounts.ErrLastAdmin) // the north's admin is none of theirs
	x, y := invitation(north, "x"), invitation(south, "x")
	s.no(s.a.Invite(s.Context(), x, 1))
	s.no(s.a.Invite(s.Context(), y, 1))
	_, err = s.a.Accept(s.Context(), x.Hash, linked(south, "x", 2), start)
	s.is(err, accounts.ErrState)
	invs, err := s.b.Invitations(s.Context(), south)
	s.no(err)
	s.equal(invs, []accounts.Record{y})
	_, err = s.b.Revoke(s.Context(), south, "x", start)
	s.no(err)
	s.invited(x)
}

func listed(s *suite) {
	var want []accounts.Account
	var invs []accounts.Record
	for i, id := range []string{"z", "B", "a", "c"} {
		a, r := plain(north, id), invitation(north, id)
		a.CreatedAt = start.Add(time.Duration(max(i, 1)) * time.Microsecond) // the first two at one time
		r.CreatedAt = a.CreatedAt
		want, invs = append(want, a), append(invs, r)
		s.no(s.a.Add(s.Context(), a))
		s.no(s.a.Invite(s.Context(), r, many))
	}
	want[0], want[1] = want[1], want[0]
	invs[0], invs[1] = invs[1], invs[0]
	list, err := s.b.Accounts(s.Context(), north)
	s.no(err)
	s.equal(list, want)
	got, err := s.b.Invitations(s.Context(), north)
	s.no(err)
	s.equal(got, invs)
}

func replaces(s *suite) {
	a := plain(north, "a")
	s.no(s.a.Add(s.Context(), a))
	s.is(s.b.Add(s.Context(), a), accounts.ErrExists)
	for _, version := range []int64{1, 3} {
		n := a
		n.Version = version
		s.is(s.b.Update(s.Context(), n), accounts.ErrConflict)
	}
	p := a
	p.Version, p.Kind, p.Client, p.Role = 2, accounts.Portal, "contoso", entra.RoleNone
	s.is(s.b.Update(s.Context(), p), accounts.ErrConflict)
	s.has(a)
	p = plain(north, "p")
	p.Kind, p.Client, p.Role = accounts.Portal, "contoso", entra.RoleNone
	s.no(s.a.Add(s.Context(), p))
	p.Version, p.Client = 2, "fabrikam"
	s.is(s.b.Update(s.Context(), p), accounts.ErrConflict)
}

func onePerson(s *suite) {
	s.no(s.a.Add(s.Context(), linked(north, "a", 1)))
	s.is(s.b.Add(s.Context(), linked(north, "b", 1)), accounts.ErrTaken)
	b := plain(north, "b")
	s.no(s.b.Add(s.Context(), b))
	b.Version, b.TenantID, b.ObjectID, b.LinkedAt = 2, tenant, person(1), start
	s.is(s.a.Update(s.Context(), b), accounts.ErrTaken)
	b.TenantID = person(9) // the same object id in another tenant is somebody else
	s.no(s.a.Update(s.Context(), b))
	b.Version, b.ObjectID = 3, person(2)
	s.is(s.a.Update(s.Context(), b), accounts.ErrLinked)
	b.TenantID, b.ObjectID, b.LinkedAt = "", "", time.Time{}
	s.no(s.a.Update(s.Context(), b))
	s.no(s.a.Remove(s.Context(), north, "a"))
	b.Version, b.TenantID, b.ObjectID, b.LinkedAt = 4, tenant, person(1), start
	s.no(s.b.Update(s.Context(), b))
	s.has(b)
}

// falls are the ways in which an admin stops being one.
var falls = map[string]func(a *accounts.Account){
	"unlinked": func(a *accounts.Account) { a.TenantID, a.ObjectID, a.LinkedAt = "", "", time.Time{} },
	"demoted":  func(a *accounts.Account) { a.Role = entra.RoleTechnician },
	"disabled": func(a *accounts.Account) { a.DisabledAt = start },
	"limited":  func(a *accounts.Account) { a.UI = entra.UIPod },
}

func lastAdmin(s *suite) {
	s.no(s.a.Add(s.Context(), admin(north, "boss", 1)))
	for i, f := range map[string]func(a *accounts.Account){
		"is not linked": falls["unlinked"], "is disabled": falls["disabled"], "is limited": falls["limited"], "is none": falls["demoted"],
	} {
		a := admin(north, "who "+i, 10+len(i))
		f(&a)
		s.no(s.b.Add(s.Context(), a))
	}
	boss := admin(north, "boss", 1)
	boss.Version = 2
	for _, f := range falls {
		a := boss
		f(&a)
		s.is(s.b.Update(s.Context(), a), accounts.ErrLastAdmin)
	}
	s.is(s.a.Remove(s.Context(), north, "boss"), accounts.ErrLastAdmin)
	boss.Version = 1
	s.has(boss)
	boss.Version, boss.Name, boss.MFA = 2, "still here", accounts.MFAOn
	s.no(s.a.Update(s.Context(), boss))
	s.no(s.a.Add(s.Context(), admin(north, "second", 2)))
	for _, f := range falls {
		a := boss
		a.Version++
		f(&a)
		s.no(s.b.Update(s.Context(), a))
		boss.Version += 2
		s.no(s.a.Update(s.Context(), boss))
	}
	s.no(s.b.Remove(s.Context(), north, "boss"))
	s.is(s.b.Remove(s.Context(), north, "second"), accounts.ErrLastAdmin)
}

// lastAdminRace has two admins demote each other, in all ways, on two instances at once.
func lastAdminRace(s *suite) {
	one, two := admin(north, "one", 1), admin(north, "two", 2)
	s.no(s.a.Add(s.Context(), one))
	s.no(s.b.Add(s.Context(), two))
	for name, f := range falls {
		for range 5 {
			won := s.race(2, func(i int) error {
				a := []accounts.Account{one, two}[1-i]
				a.Version++
				f(&a)
				return s.store(i).Update(s.Context(), a)
			}, accounts.ErrLastAdmin)
			if won != 1 {
				s.Fatalf("%s: %d of 2 were let", name, won)
			}
			for _, a := range []*accounts.Account{&one, &two} {
				got, err := s.a.Account(s.Context(), north, a.ID)
				s.no(err)
				a.Version = got.Version
				if !got.LinkedAdmin() {
					a.Version++
					s.no(s.b.Update(s.Context(), *a))
				}
			}
		}
	}
	if won := s.race(2, func(i int) error { return s.store(i).Remove(s.Context(), north, []string{"one", "two"}[i]) }, accounts.ErrLastAdmin); won != 1 {
		s.Fatalf("%d of 2 were removed", won)
	}
}

func lastAdminStorm(s *suite) {
	const n = 12
	all := make([]accounts.Account, n)
	for i := range all {
		all[i] = admin(north, person(i), i)
		s.no(s.a.Add(s.Context(), all[i]))
	}
	ways := []func(a *accounts.Account){falls["unlinked"], falls["demoted"], falls["disabled"], falls["limited"]}
	won := s.race(n, func(i int) error {
		if i%5 == 4 {
			return s.store(i).Remove(s.Context(), north, all[i].ID)
		}
		a := all[i]
		a.Version++
		ways[i%5](&a)
		return s.store(i).Update(s.Context(), a)
	}, accounts.ErrLastAdmin)
	s.equal(won, n-1)
	list, err := s.b.Accounts(s.Context(), north)
	s.no(err)
	left := 0
	for _, a := range list {
		if a.LinkedAdmin() {
			left++
		}
	}
	s.equal(left, 1)
}

func oneWins(s *suite) {
	a := plain(north, "a")
	if won := s.race(8, func(i int) error { return s.store(i).Add(s.Context(), a) }, accounts.ErrExists); won != 1 {
		s.Fatalf("%d were added", won)
	}
	for version := int64(2); version < 8; version++ {
		a.Version = version
		if won := s.race(8, func(i int) error { return s.store(i).Update(s.Context(), a) }, accounts.ErrConflict); won != 1 {
			s.Fatalf("%d have won", won)
		}
	}
	if won := s.race(8, func(i int) error { return s.store(i).Remove(s.Context(), north, "a") }, accounts.ErrNotFound); won != 1 {
		s.Fatalf("%d have removed it", won)
	}
}

func onePersonRace(s *suite) {
	const n = 16
	for i := range n {
		s.no(s.a.Add(s.Context(), plain(north, person(i))))
	}
	won := s.race(n, func(i int) error {
		a := linked(north, person(i), 99)
		a.Version = 2
		return s.store(i).Update(s.Context(), a)
	}, accounts.ErrTaken)
	s.equal(won, 1)
}
