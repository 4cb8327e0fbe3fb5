package kill_test

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	contactsql "github.com/mspkit/mspkit/contacts/sqlstore"
)

// audit syncs every tenant to its end in peace, and returns what is wrong then.
func (o *office) audit() (wrong []string) {
	o.Helper()
	ctx, orders := o.Context(), o.orders
	orders.Early = false
	db := orders.Place.db(o.T, 6)
	store := orders.store(o.T, db)
	peace := &desk{o: o, last: map[mspkit.TenantID]int64{}}
	syncer := orders.syncer(o.T, &contacts.SyncerOptions{Every: -1, Hook: peace.listen})
	history := map[mspkit.TenantID][]contacts.Event{}
	for _, name := range slices.Sorted(maps.Keys(o.tenants)) {
		j := contacts.Job{Tenant: name, Source: syncSource}
		r, err := syncer.Sync(ctx, j, nil)
		require.NoError(o, err)
		if r.Resumed { // it was in the middle of a run that does not tell of what came later
			r, err = syncer.Sync(ctx, j, nil)
			require.NoError(o, err)
		}
		if r.Whole {
			o.note("whole runs in the end", 1)
		}
		at, err := store.Checkpoint(ctx, name, syncSource)
		require.NoError(o, err)
		o.note("runs", int(at.Run))
		wrong = append(wrong, o.compare(db, store, name)...)
		events, say := o.replay(store, name)
		history[name] = events
		wrong = append(wrong, say...)
		// Nothing is new when nothing has changed.
		r, err = syncer.Sync(ctx, j, nil)
		require.NoError(o, err)
		if r.Joined+r.Changed+r.Left > 0 {
			wrong = append(wrong, fmt.Sprintf("%s: a sync of nothing tells of something: %+v", name, r))
		}
	}
	require.NoError(o, syncer.RunOnce(ctx))
	for name, events := range history {
		for _, e := range events {
			if o.heard[name][e.Seq] != (handed{Tenant: name, Seq: e.Seq, Kind: e.Kind, Contact: e.Contact}) {
				wrong = append(wrong, fmt.Sprintf("%s: the hook was not told of event %d", name, e.Seq))
			}
		}
		if len(o.heard[name]) != len(events) {
			wrong = append(wrong, fmt.Sprintf("%s: the hook was told of %d events, there are %d", name, len(o.heard[name]), len(events)))
		}
	}
	return wrong
}

// compare holds the directory against the source: everybody who is there with all they have, everybody else as left.
func (o *office) compare(db *sql.DB, store *contactsql.Store, name mspkit.TenantID) (wrong []string) {
	o.Helper()
	s := o.tenants[name]
	bad := func(format string, args ...any) {
		wrong = append(wrong, string(name)+": "+fmt.Sprintf(format, args...))
	}
	rows, err := db.QueryContext(o.Context(), fmt.Sprintf(`SELECT id FROM mspkit_contacts_people WHERE tenant = '%s' ORDER BY id`, name))
	require.NoError(o, err)
	defer rows.Close()
	got := map[string]contacts.Contact{} // by object id
	objects := map[string]string{"": ""} // object ids by ID
	for rows.Next() {
		var id string
		require.NoError(o, rows.Scan(&id))
		c, err := store.Get(o.Context(), name, id)
		require.NoError(o, err)
		object := c.Sources[syncSource]
		if _, twice := got[object]; twice || !s.ever[object] {
			bad("%s is in the directory twice, or was never anybody", object)
		}
		got[object], objects[id] = c, object
	}
	require.NoError(o, rows.Err())
	want := s.want()
	for object, c := range got {
		w, there := want[object]
		switch {
		case !there && c.Enabled:
			bad("%s has left and is in the directory", object)
		case there:
			for _, diff := range differs(w, c, objects) {
				bad("%s differs: %s", object, diff)
			}
		}
		for _, a := range c.Phones {
			if at, ok := s.since[a.Raw]; there && (!ok || a.FirstSeen.Before(at.Truncate(time.Microsecond))) {
				bad("a number of %s counts as known since %s, and is there since %s", object, a.FirstSeen, at)
			}
		}
	}
	for object := range want {
		if _, ok := got[object]; !ok {
			bad("%s is not in the directory", object)
		}
	}
	return wrong
}

// differs compares somebody of the source with the contact in the directory.
func differs(w, c contacts.Contact, objects map[string]string) (out []string) {
	plain := func(list []contacts.Address) (out []contacts.Address) {
		for _, a := range list {
			out = append(out, contacts.Address{Value: a.Value, Raw: a.Raw, TypedBy: a.TypedBy})
		}
		return out
	}
	for _, f := range []struct {
		name      string
		want, got any
	}{
		{"name", w.Name, c.Name},
		{"first name", w.FirstName, c.FirstName},
		{"last name", w.LastName, c.LastName},
		{"company", w.Company, c.Company},
		{"title", w.JobTitle, c.JobTitle},
		{"language", w.Locale, c.Locale},
		{"manager", w.Manager, objects[c.Manager]},
		{"enabled", w.Enabled, c.Enabled},
		{"sources", w.Sources, c.Sources},
		{"mail", w.Emails, plain(c.Emails)},
		{"phones", w.Phones, plain(c.Phones)},
	} {
		if fmt.Sprint(f.want) != fmt.Sprint(f.got) {
			out = append(out, fmt.Sprintf("%s is %v, not %v", f.name, f.got, f.want))
		}
	}
	return out
}

// replay reads the events of a tenant, and whether they are a history without a gap that leads to who is there.
func (o *office) replay(store *contactsql.Store, name mspkit.TenantID) (events []contacts.Event, wrong []string) {
	o.Helper()
	bad := func(format string, args ...any) {
		wrong = append(wrong, string(name)+": "+fmt.Sprintf(format, args...))
	}
	for {
		after := int64(0)
		if len(events) > 0 {
			after = events[len(events)-1].Seq
		}
		list, err := store.Events(o.Context(), name, after, 100)
		require.NoError(o, err)
		if len(list) == 0 {
			break
		}
		events = append(events, list...)
	}
	type fieldOf struct {
		contact string
		field   contacts.Field
	}
	present, last := map[string]bool{}, map[fieldOf]string{}
	for i, e := range events {
		if e.Seq != int64(i+1) || e.Tenant != name || e.Source != syncSource {
			bad("event %d of %s has the number %d", i+1, e.Tenant, e.Seq)
		}
		switch {
		case e.Kind == contacts.Joined && !present[e.Contact]:
			present[e.Contact] = true
		case e.Kind == contacts.Left && present[e.Contact]:
			present[e.Contact] = false
		case e.Kind == contacts.Changed && len(e.Changes) > 0:
		default:
			bad("event %d: %s %s, who is there: %t", e.Seq, e.Contact, e.Kind, present[e.Contact])
		}
		for _, c := range e.Changes { // each begins where the one before it ended
			k := fieldOf{e.Contact, c.Field}
			if before, ok := last[k]; ok && before != c.Old && c.Field != contacts.FieldManager {
				bad("event %d: %s of %s was %q and changes from %q", e.Seq, c.Field, e.Contact, before, c.Old)
			}
			last[k] = c.New
		}
	}
	for object := range o.tenants[name].ever {
		c, err := store.BySource(o.Context(), name, syncSource, object)
		if err != nil {
			require.ErrorIs(o, err, contacts.ErrNotFound) // gone before anybody looked
			continue
		}
		if present[c.ID] != c.Enabled {
			bad("by the events %s is there: %t; by the directory: %t", object, present[c.ID], c.Enabled)
		}
		if title, ok := last[fieldOf{c.ID, contacts.FieldJobTitle}]; ok && title != c.JobTitle {
			bad("by the events the title of %s is %q, by the directory %q", object, title, c.JobTitle)
		}
		delete(present, c.ID)
	}
	if len(present) > 0 {
		bad("%d people have events and are not in the directory", len(present))
	}
	o.note("events", len(events))
	return events, wrong
}
