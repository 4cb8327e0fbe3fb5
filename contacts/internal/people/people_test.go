package people_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/internal/people"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func batch(source string, list ...contacts.Contact) contacts.Batch {
	for i := range list {
		list[i].Tenant = "contoso"
	}
	return contacts.Batch{
		At: contacts.Checkpoint{Tenant: "contoso", Source: source}, Now: start, Page: contacts.Page{Contacts: list, Whole: true},
	}
}

func person(id string, emails ...string) contacts.Contact {
	c := contacts.Contact{ID: id, Name: "Person " + id, Enabled: true}
	for _, e := range emails {
		c.Emails = append(c.Emails, contacts.Address{Value: e})
	}
	return c
}

// apply applies a batch to a state that has everything.
func apply(t *testing.T, s people.State, b contacts.Batch, stored contacts.Checkpoint) (people.State, people.Plan) {
	t.Helper()
	b.At.Rev, b.At.Run = stored.Rev, stored.Run
	p, err := people.Begin(b, stored)
	require.NoError(t, err)
	s.Tenant = b.At.Tenant
	plan := p.Plan(s)
	return with(s, plan), plan
}

func with(s people.State, plan people.Plan) people.State {
	records := map[people.Key]people.Record{}
	folk := map[string]people.Person{}
	for _, r := range append(s.Records, plan.Records...) {
		records[r.Key] = r
	}
	for _, p := range append(s.People, plan.People...) {
		folk[p.Contact.ID] = p
	}
	for _, id := range plan.Dropped {
		delete(folk, id)
	}
	s.Records, s.People = nil, nil
	for _, r := range records {
		s.Records = append(s.Records, r)
	}
	for _, p := range folk {
		s.People = append(s.People, p)
	}
	return s
}

func TestAPageIsPlannedAndPlannedAgain(t *testing.T) {
	t.Parallel()
	list := []contacts.Contact{person("1", "dana@contoso.example"), person("2", "omar@contoso.example")}
	list[0].Manager = "2"
	s, plan := apply(t, people.State{}, batch("entra", list...), contacts.Checkpoint{})
	require.Equal(t, 2, plan.Joined)
	require.Len(t, plan.Records, 2)
	require.Len(t, plan.People, 2)
	require.Equal(t, people.ID("contoso", people.Key{Source: "entra", ID: "2"}), plan.Events[0].Manager)
	s, again := apply(t, s, batch("entra", list...), contacts.Checkpoint{Run: 1})
	require.Equal(t, 2, again.Same)
	require.Empty(t, append(again.Records, plan.Records[2:]...))
	require.Empty(t, again.People)
	require.Empty(t, again.Events)
	require.Len(t, again.Stamps, 2)

	_, linked := apply(t, s, batch("psa", person("77", "Dana@contoso.example"), person("78", "omar@contoso.example"), person("79", "omar@contoso.example")), contacts.Checkpoint{})
	require.Equal(t, 1, linked.Changed)
	require.Equal(t, 2, linked.Joined)
	require.Equal(t, contacts.Change{Field: contacts.FieldSources, Old: "entra", New: "entra, psa"}, linked.Events[0].Changes[0])
}
