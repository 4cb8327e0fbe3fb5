package contactdest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	contactmem "github.com/mspkit/mspkit/contacts/memstore"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/contactdest"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/verifytest"
)

const (
	day    = 24 * time.Hour
	tid    = "6f1c0c1e-1111-4222-8333-944445555666"
	oid    = "0b9d7a3c-aaaa-4bbb-8ccc-9ddddeeeefff"
	mobile = "+12025550143"
	other  = "+12025550199"
)

// begin is when the world of the tests was listed first; what was there was known for a year then.
var begin = time.Date(2026, 10, 1, 9, 0, 0, 0, time.UTC)

type world struct {
	t   *testing.T
	dir *contactmem.Directory
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := contactmem.New(&contactmem.Options{Precedence: contacts.Precedence{Default: []string{"entra"}}})
	require.NoError(t, err)
	return &world{t, dir}
}

// list lists the people of a source at a time; whoever is not there is gone.
func (w *world) list(source string, now time.Time, people ...contacts.Contact) {
	w.t.Helper()
	at, err := w.dir.Checkpoint(w.t.Context(), "contoso", source)
	require.NoError(w.t, err)
	_, err = w.dir.Apply(w.t.Context(), contacts.Batch{At: at, Now: now, Known: 365 * day, Page: contacts.Page{Contacts: people, Whole: true}})
	require.NoError(w.t, err)
}

func (w *world) id(source, id string) string {
	w.t.Helper()
	c, err := w.dir.BySource(w.t.Context(), "contoso", source, id)
	require.NoError(w.t, err)
	return c.ID
}

func dana(phones ...string) contacts.Contact {
	c := contacts.Contact{
		Tenant: "contoso", ID: oid, Name: "Dana Doe", Company: "Contoso", Locale: "de-AT", Enabled: true,
		Emails: []contacts.Address{{Value: "dana@contoso.example"}},
	}
	for _, p := range phones {
		c.Phones = append(c.Phones, contacts.Address{Value: p, Raw: p})
	}
	return c
}

func entra(context.Context, mspkit.TenantID) (string, error) { return tid, nil }

func resolver(t *testing.T, dir contactdest.Directory, o *contactdest.Options) *contactdest.Resolver {
	t.Helper()
	r, err := contactdest.New(dir, o)
	require.NoError(t, err)
	return r
}

func TestASubjectHasTheAddressesWithTheirAges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := dana(mobile)
	c.Phones = append(c.Phones, contacts.Address{Raw: "ext. 9"}, contacts.Address{Value: other, TypedBy: "jane"})
	w.list("entra", begin, c)
	known := begin.Add(-365 * day)

	s, err := resolver(t, w.dir, &contactdest.Options{EntraTenant: entra, Known: 365 * day}).Subject(t.Context(), "contoso", w.id("entra", oid))
	require.NoError(t, err)
	require.Equal(t, verify.Subject{ID: w.id("entra", oid), Name: "Dana Doe", Company: "Contoso", Locale: "de-AT", Destinations: []verify.Destination{
		{Channel: "teams", Address: tid + "/" + oid, FirstSeen: known},
		{Channel: "sms", Address: mobile, FirstSeen: known},
		{Channel: "sms", Address: other, FirstSeen: known, TypedBy: "jane"},
		{Channel: "email", Address: "dana@contoso.example", FirstSeen: known},
	}}, s)

	// The host decides on names, order, and what is sent where.
	s, err = resolver(t, w.dir, &contactdest.Options{Channels: []contactdest.Channel{
		{Name: "post", Takes: contactdest.Email}, {Name: "voice", Takes: contactdest.Phone},
	}}).Subject(t.Context(), "contoso", w.id("entra", oid))
	require.NoError(t, err)
	var got []string
	for _, d := range s.Destinations {
		got = append(got, d.Channel+" "+d.Address)
	}
	require.Equal(t, []string{"post dana@contoso.example", "voice " + mobile, "voice " + other}, got)
}

func TestWhoHasLeftIsNoSubject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.list("entra", begin, dana(mobile))
	id, r := w.id("entra", oid), resolver(t, w.dir, &contactdest.Options{EntraTenant: entra})
	w.list("entra", begin.Add(day))
	_, err := r.Subject(t.Context(), "contoso", id)
	require.ErrorIs(t, err, contactdest.ErrLeft)
	require.NotContains(t, err.Error(), "Dana")
	for _, address := range []string{mobile, "dana@contoso.example", tid + "/" + oid} {
		found, err := r.Lookup(t.Context(), "contoso", address)
		require.NoError(t, err)
		require.Nil(t, found)
	}
}

func TestWhatCannotBeASubjectIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.list("entra", begin, dana(mobile))
	r := resolver(t, w.dir, nil)
	_, err := r.Subject(t.Context(), "contoso", "nobody")
	require.ErrorIs(t, err, contacts.ErrNotFound)
	_, err = r.Subject(t.Context(), "fabrikam", w.id("entra", oid))
	require.ErrorIs(t, err, contacts.ErrNotFound, "the tenant next door")
	_, err = r.Subject(t.Context(), "", "x")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = r.Subject(t.Context(), "contoso", "")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	c := dana()
	_, err = r.Of(t.Context(), "fabrikam", c)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = r.Of(t.Context(), "contoso", contacts.Contact{Tenant: "contoso", Enabled: true})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	_, err := contactdest.New(nil, &contactdest.Options{Known: -1, Channels: []contactdest.Channel{
		{Name: "", Takes: contactdest.Email},
		{Name: "fax", Takes: "fax"},
		{Name: "teams", Takes: contactdest.Entra},
		{Name: "sms", Takes: contactdest.Phone},
		{Name: "sms", Takes: contactdest.Phone},
	}})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, part := range []string{"a directory is required", "are Known is negative", "needs 1 to 32", `"fax" takes "fax"`, "needs EntraTenant", `"sms" is there twice`} {
		require.ErrorContains(t, err, part)
	}
	_, err = contactdest.New(newWorld(t).dir, &contactdest.Options{Channels: make([]contactdest.Channel, 17)})
	require.ErrorContains(t, err, "at most 16")
}

// An account in Entra that was made for an old contact of the ticket system, or that came back, is new.
func TestAPersonInEntraIsAsOldAsTheHistorySays(t *testing.T) {
	t.Parallel()
	age := func(w *world, source, id string) time.Time {
		r := resolver(t, w.dir, &contactdest.Options{EntraTenant: entra, Known: 365 * day})
		s, err := r.Subject(t.Context(), "contoso", w.id(source, id))
		require.NoError(t, err)
		for _, d := range s.Destinations {
			if d.Channel == "teams" {
				return d.FirstSeen
			}
		}
		require.Fail(t, "nobody in Entra")
		return time.Time{}
	}
	t.Run("an account for an old contact", func(t *testing.T) {
		t.Parallel()
		w, c := newWorld(t), dana(mobile)
		c.ID = "201"
		w.list("connectwise", begin, c)
		w.list("entra", begin.Add(day))
		w.list("entra", begin.Add(30*day), dana())
		require.Equal(t, w.id("connectwise", "201"), w.id("entra", oid), "one person")
		require.Equal(t, begin.Add(30*day), age(w, "connectwise", "201"))
	})
	t.Run("an account that came back", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.list("entra", begin, dana())
		w.list("entra", begin.Add(day))
		w.list("entra", begin.Add(40*day), dana())
		require.Equal(t, begin.Add(40*day), age(w, "entra", oid))
	})
	t.Run("somebody who joined later", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.list("entra", begin)
		w.list("entra", begin.Add(5*day), dana())
		renamed := dana()
		renamed.Name = "Dana Miller"
		w.list("entra", begin.Add(9*day), renamed)
		require.Equal(t, begin.Add(5*day), age(w, "entra", oid))
	})
	t.Run("somebody whom an administrator linked", func(t *testing.T) {
		t.Parallel()
		w, c := newWorld(t), dana(mobile)
		c.ID, c.Emails = "201", nil
		w.list("connectwise", begin, c)
		w.list("entra", begin, dana())
		require.NoError(t, w.dir.Link(t.Context(), "contoso", w.id("connectwise", "201"), w.id("entra", oid), "jane", begin.Add(50*day)))
		require.Equal(t, begin.Add(50*day), age(w, "entra", oid))
	})
	t.Run("somebody whose deleted account was restored", func(t *testing.T) {
		t.Parallel()
		w, old, c := newWorld(t), dana(), dana()
		old.ID = "0a9d7a3c-aaaa-4bbb-8ccc-9ddddeeeefff"
		w.list("entra", begin, old)
		w.list("entra", begin.Add(day))
		w.list("entra", begin.Add(2*day), c)
		require.NoError(t, w.dir.Link(t.Context(), "contoso", w.id("entra", oid), w.id("entra", old.ID), "jane", begin.Add(3*day)))
		require.Equal(t, begin.Add(3*day), age(w, "entra", oid))
		r := resolver(t, w.dir, &contactdest.Options{EntraTenant: entra})
		for address, found := range map[string]bool{tid + "/" + oid: true, tid + "/" + old.ID: false} {
			got, err := r.Lookup(t.Context(), "contoso", address)
			require.NoError(t, err)
			require.Equal(t, found, got != nil, "the account that was deleted asks for nobody")
		}
		w.list("entra", begin.Add(40*day), old, c)
		s, err := resolver(t, w.dir, &contactdest.Options{EntraTenant: entra}).Subject(t.Context(), "contoso", w.id("entra", oid))
		require.NoError(t, err)
		require.Equal(t, tid+"/"+old.ID, s.Destinations[0].Address, "the first of two accounts is the person's")
		require.Equal(t, begin.Add(40*day), s.Destinations[0].FirstSeen, "and is not as old as the other one")
	})
}

// The guard of package verify sees what the directory knows: a number that was changed yesterday is refused, one of a month
// ago is used.
func TestANumberThatWasChangedYesterdayIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.list("entra", begin, dana(mobile))
	changed := begin.Add(60 * day)
	w.list("entra", changed, dana(other))
	id, r := w.id("entra", oid), resolver(t, w.dir, nil)

	start := func(refuse bool, now time.Time) (verify.Challenge, error) {
		key, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
		require.NoError(t, err)
		svc, err := verify.New(memstore.New(), key, "https://help.example/verify", verify.Same(verify.Settings{
			Brand: mspkit.Brand{Name: "Contoso IT"}, Freshness: verify.Freshness{Refuse: refuse},
		}), &verify.Options{
			Channels: map[string]verify.Channel{"sms": &verifytest.Channel{Level: verify.AssuranceSMS}}, Now: func() time.Time { return now },
		})
		require.NoError(t, err)
		s, err := r.Subject(t.Context(), "contoso", id)
		require.NoError(t, err)
		return svc.Start(t.Context(), verify.StartRequest{
			Tenant: "contoso", Subject: s, Action: verify.ActionResetPassword, Technician: verify.Technician{ID: "jane", Name: "Jane"},
			Ticket: mspkit.Ticket{System: "halopsa", ID: "4711"},
		})
	}
	for _, refuse := range []bool{true, false} { // refused, or worth too little for this action
		_, err := start(refuse, changed.Add(day))
		require.ErrorIs(t, err, verify.ErrPolicy)
		c, err := start(refuse, changed.Add(30*day))
		require.NoError(t, err)
		require.Equal(t, verify.AssuranceSMS, c.Assurance)
		require.False(t, c.Fresh)
	}

	// One that a technician typed stays suspicious however old it is.
	number := mobile
	require.NoError(t, w.dir.Wrote(t.Context(), contacts.PhoneWrite{
		Tenant: "contoso", ID: id, Source: "entra", SourceID: oid, Mobile: &number, By: "jane", Reason: "a new phone",
	}, changed))
	w.list("entra", changed.Add(day), dana(mobile))
	_, err := start(true, changed.Add(90*day))
	require.ErrorIs(t, err, verify.ErrPolicy)
}

func TestLookupFindsTheOneWhoHasAnAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	eve := contacts.Contact{
		Tenant: "contoso", ID: "eve", Name: "Eve", Enabled: true,
		Phones: []contacts.Address{{Value: other}}, Emails: []contacts.Address{{Value: "shared@contoso.example"}},
	}
	d := dana(mobile, other)
	d.Emails = append(d.Emails, contacts.Address{Value: "shared@contoso.example"})
	w.list("entra", begin, d, eve)
	call := verify.Call{Technician: verify.Technician{ID: "jane", Name: "Jane"}, By: verify.SideContact}
	r := resolver(t, w.dir, &contactdest.Options{EntraTenant: entra, Call: func(_ context.Context, tenant mspkit.TenantID, id string) (*verify.Call, error) {
		if tenant != "contoso" || id != w.id("entra", oid) {
			return nil, nil //nolint:nilnil // no call
		}
		return &call, nil
	}})
	for address, found := range map[string]bool{
		"dana@contoso.example":           true,
		" Dana@Contoso.example ":         true,
		mobile:                           true,
		"+1 (202) 555-0143":              true,
		tid + "/" + oid:                  true,
		strings.ToUpper(tid + "/" + oid): true,
		oid + "/" + oid:                  false, // of another tenant in Entra
		tid + "/":                        false,
		tid + "/nobody":                  false,
		other:                            false, // two have it
		"shared@contoso.example":         false,
		"nobody@contoso.example":         false,
		"202 555 0143":                   false, // of which country?
		"Dana Doe":                       false,
		"dana@contoso.example, x@y.z":    false,
		"":                               false,
		strings.Repeat("9", 5000):        false,
	} {
		got, err := r.Lookup(t.Context(), "contoso", address)
		require.NoError(t, err, address)
		if !found {
			require.Nil(t, got, address)
			continue
		}
		require.NotNil(t, got, address)
		require.Equal(t, w.id("entra", oid), got.Subject.ID, address)
		require.Equal(t, &call, got.Call, address)
		next, err := r.Lookup(t.Context(), "fabrikam", address)
		require.NoError(t, err)
		require.Nil(t, next, "the tenant next door")
	}
	_, err := r.Lookup(t.Context(), "", mobile)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

// Package verify takes 32 destinations; the one that was typed is among them.
func TestManyAddressesAreCutButForTheOneThatWasTyped(t *testing.T) {
	t.Parallel()
	w, c := newWorld(t), dana()
	for i := range 60 {
		c.Phones = append(c.Phones, contacts.Address{Value: fmt.Sprintf("+1202555%04d", i)})
	}
	w.list("entra", begin, c)
	got, err := resolver(t, w.dir, &contactdest.Options{EntraTenant: entra}).Lookup(t.Context(), "contoso", "+12025550057")
	require.NoError(t, err)
	var all []string
	for _, d := range got.Subject.Destinations {
		all = append(all, d.Address)
	}
	require.LessOrEqual(t, len(all), 32)
	require.Contains(t, all, "+12025550057")
	require.Contains(t, all, "dana@contoso.example", "no channel crowds out another")
}

// counting counts what is asked for.
type counting struct {
	contactdest.Directory
	finds int
}

func (c *counting) Find(ctx context.Context, s contacts.Search) ([]contacts.Contact, error) {
	c.finds++
	return c.Directory.Find(ctx, s)
}

func TestNobodyIsAskedForAsOftenAsSomebody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.list("entra", begin, dana(mobile))
	for _, address := range []string{"dana@contoso.example", "nobody@contoso.example", mobile, other} {
		dir := &counting{Directory: w.dir}
		_, err := resolver(t, dir, nil).Lookup(t.Context(), "contoso", address)
		require.NoError(t, err)
		require.Equal(t, 1, dir.finds, address)
	}
}

// failing is a directory, or a host, that does not answer.
var errDown = errors.New("down")

type failing struct{ contactdest.Directory }

func (failing) Find(context.Context, contacts.Search) ([]contacts.Contact, error) {
	return nil, errDown
}

func (failing) Get(context.Context, mspkit.TenantID, string) (contacts.Contact, error) {
	return contacts.Contact{}, errDown
}

// told is a directory with a history of its own, which gives one contact for everything.
type told struct {
	contactdest.Directory

	c      contacts.Contact
	events []contacts.Event
}

func (d told) Get(context.Context, mspkit.TenantID, string) (contacts.Contact, error) {
	return d.c, nil
}

func (d told) BySource(context.Context, mspkit.TenantID, string, string) (contacts.Contact, error) {
	return d.c, nil
}

func (d told) Find(context.Context, contacts.Search) ([]contacts.Contact, error) {
	return []contacts.Contact{d.c}, nil
}

func (d told) History(context.Context, mspkit.TenantID, string, int) ([]contacts.Event, error) {
	return d.events, nil
}

func TestOnlyTheFirstListingOfEntraVouchesForTheTimeBefore(t *testing.T) {
	t.Parallel()
	joined := contacts.Event{Kind: contacts.Joined, Contact: "c", Source: "entra", First: true, At: begin}
	elsewhere := joined
	elsewhere.Source = "connectwise"
	for name, tc := range map[string]struct {
		events []contacts.Event // the latest first
		want   time.Time
	}{
		"listed by Entra":           {[]contacts.Event{joined}, begin.Add(-365 * day)},
		"listed by another source":  {[]contacts.Event{elsewhere}, begin},
		"part of somebody for once": {[]contacts.Event{{Kind: contacts.Linked, Contact: "x", Other: "c", At: begin.Add(day)}, joined}, begin.Add(-365 * day)},
	} {
		c := dana()
		c.ID, c.Sources = "c", map[string]string{"entra": oid}
		r := resolver(t, told{c: c, events: tc.events}, &contactdest.Options{EntraTenant: entra, Known: 365 * day})
		s, err := r.Subject(t.Context(), "contoso", "c")
		require.NoError(t, err)
		require.Equal(t, tid+"/"+oid, s.Destinations[0].Address)
		require.Equal(t, tc.want, s.Destinations[0].FirstSeen, name)
	}
}

func TestWhoeverADirectoryFindsIsOfTheTenant(t *testing.T) {
	t.Parallel()
	c := dana(mobile)
	c.Tenant, c.Sources = "fabrikam", map[string]string{"entra": oid}
	r := resolver(t, told{c: c}, &contactdest.Options{EntraTenant: entra})
	for _, address := range []string{mobile, "dana@contoso.example", tid + "/" + oid} {
		got, err := r.Lookup(t.Context(), "contoso", address)
		require.NoError(t, err)
		require.Nil(t, got)
	}
	_, err := r.Subject(t.Context(), "contoso", "c")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func TestFaultsAreNoAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.list("entra", begin, dana(mobile))
	r := resolver(t, failing{w.dir}, nil)
	_, err := r.Lookup(t.Context(), "contoso", mobile)
	require.ErrorIs(t, err, errDown)
	_, err = r.Subject(t.Context(), "contoso", "x")
	require.ErrorIs(t, err, errDown)
	r = resolver(t, w.dir, &contactdest.Options{EntraTenant: func(context.Context, mspkit.TenantID) (string, error) { return "", errDown }})
	_, err = r.Lookup(t.Context(), "contoso", mobile)
	require.ErrorIs(t, err, errDown)
	_, err = r.Subject(t.Context(), "contoso", w.id("entra", oid))
	require.ErrorIs(t, err, errDown)
	r = resolver(t, w.dir, &contactdest.Options{Call: func(context.Context, mspkit.TenantID, string) (*verify.Call, error) { return nil, errDown }})
	_, err = r.Lookup(t.Context(), "contoso", mobile)
	require.ErrorIs(t, err, errDown)
	require.NotContains(t, err.Error(), "0143")
}
