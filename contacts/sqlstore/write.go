package sqlstore

import (
	"context"
	"strings"

	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/internal/people"
)

// write stores a plan that was made of st. Stamps get the number of the run.
func (w *writer) write(ctx context.Context, st people.State, plan people.Plan, run int64) error {
	for _, f := range []func() error{
		func() error { return w.writeRecords(ctx, st, plan.Records) },
		func() error { return w.stamp(ctx, plan.Stamps, run) },
		func() error { return w.writePeople(ctx, st, plan.People) },
		func() error { return w.drop(ctx, plan.Dropped) },
		func() error { return w.writeKeys(ctx, st, plan) },
		func() error { return w.s.addEvents(ctx, w.tx, w.tenant, w.seq, plan.Events) },
	} {
		if err := f(); err != nil {
			return err
		}
	}
	w.seq += int64(len(plan.Events))
	return nil
}

func (w *writer) writeRecords(ctx context.Context, st people.State, records []people.Record) error {
	known := make(map[people.Key]bool, len(st.Records))
	for _, r := range st.Records {
		known[r.Key] = true
	}
	rows := w.upsert(len(recordKinds))
	for _, r := range records {
		data, err := encode(r.Contact, r.Typed)
		if err != nil {
			return err
		}
		rows.begin(known[r.Key]).text(string(w.tenant)).text(r.Source).text(r.ID).text(r.Person).number(int64(r.Status)).truth(r.Apart).
			truth(r.Contact.Enabled).number(r.Run).text(data)
	}
	return rows.send(ctx, w.s.q.addRecords, w.s.q.putRecords)
}

func (w *writer) stamp(ctx context.Context, keys []people.Key, run int64) error {
	if len(keys) == 0 {
		return nil
	}
	b := newBulk(w.s.db.Dialect(), 2)
	for _, k := range keys {
		b.begin().text(k.Source).text(k.ID)
	}
	_, err := w.tx.ExecContext(ctx, w.s.q.stamp, append([]any{run, string(w.tenant)}, b.args()...)...)
	return err
}

func (w *writer) writePeople(ctx context.Context, st people.State, list []people.Person) error {
	known := make(map[string]bool, len(st.People))
	for _, p := range st.People {
		known[p.Contact.ID] = true
	}
	rows := w.upsert(len(personKinds))
	for _, p := range list {
		c := p.Contact
		data, err := encode(c, nil)
		if err != nil {
			return err
		}
		rows.begin(known[c.ID]).text(string(w.tenant)).text(c.ID).text(people.Fold(c.Name)).text(people.Fold(c.Company)).
			truth(!c.Enabled).text(p.Manager.Source).text(p.Manager.ID).text(data)
	}
	return rows.send(ctx, w.s.q.addPeople, w.s.q.putPeople)
}

func (w *writer) drop(ctx context.Context, ids []string) error {
	for _, id := range ids {
		for _, text := range []string{w.s.q.dropPerson, w.s.q.dropPhoto} {
			if _, err := w.tx.ExecContext(ctx, text, string(w.tenant), id); err != nil {
				return err
			}
		}
	}
	return nil
}

// upsert are rows of one table, those that are new apart: PostgreSQL adds them in half the time where it need not look
// whether they are there.
type upsert struct {
	w          *writer
	fresh, old *bulk
}

func (w *writer) upsert(columns int) *upsert {
	d := w.s.db.Dialect()
	return &upsert{w, newBulk(d, columns), newBulk(d, columns)}
}

// begin begins a row, which is there already or not.
func (u *upsert) begin(known bool) *bulk {
	if known {
		return u.old.begin()
	}
	return u.fresh.begin()
}

func (u *upsert) send(ctx context.Context, add, put string) error {
	for _, x := range []struct {
		text string
		rows *bulk
	}{{add, u.fresh}, {put, u.old}} {
		if x.rows.rows == 0 {
			continue
		}
		if _, err := u.w.tx.ExecContext(ctx, x.text, x.rows.args()...); err != nil {
			return err
		}
	}
	return nil
}

// key is what somebody is found by.
type key struct{ kind, value, person string }

// use is what a key is good for.
type use struct{ found, inQuestion bool }

// keysOf returns the keys of a person with all their records.
func keysOf(p people.Person, records []people.Record) map[key]use {
	id := p.Contact.ID
	out := make(map[key]use, 8)
	for _, r := range records {
		for _, a := range r.Contact.Emails {
			k := key{kindEmail, a.Value, id}
			out[k] = use{inQuestion: out[k].inQuestion || r.InQuestion()}
		}
	}
	for _, a := range p.Contact.Emails {
		k := key{kindEmail, a.Value, id}
		out[k] = use{found: true, inQuestion: out[k].inQuestion}
	}
	for _, a := range p.Contact.Phones {
		if a.Value != "" {
			out[key{kindPhone, a.Value, id}] = use{found: true}
		}
	}
	names := people.Names(p.Contact)
	for i, name := range names[1:] {
		if !begins(names, name, i+1) {
			out[key{kindName, name, id}] = use{found: true}
		}
	}
	return out
}

// begins reports whether another name begins with the one at i, so that whoever is found by it is found by that.
func begins(names []string, name string, i int) bool {
	for j, other := range names {
		if j != i && strings.HasPrefix(other, name) {
			return true
		}
	}
	return false
}

// writeKeys brings the keys of those whom the plan concerns from what they were to what they are.
func (w *writer) writeKeys(ctx context.Context, st people.State, plan people.Plan) error {
	type sides struct {
		person  people.Person
		records []people.Record
	}
	before, after := map[string]*sides{}, map[string]*sides{}
	at := func(m map[string]*sides, id string) *sides {
		if m[id] == nil {
			m[id] = &sides{}
		}
		return m[id]
	}
	changed := map[string]bool{} // people
	replaced := make(map[people.Key]bool, len(plan.Records))
	for _, r := range plan.Records {
		replaced[r.Key], changed[r.Person] = true, true
		x := at(after, r.Person)
		x.records = append(x.records, r)
	}
	for _, p := range plan.People {
		changed[p.Contact.ID] = true
		at(after, p.Contact.ID).person = p
	}
	for _, id := range plan.Dropped {
		changed[id] = true
	}
	for _, r := range st.Records {
		if replaced[r.Key] {
			changed[r.Person] = true
		}
	}
	for _, r := range st.Records {
		if !changed[r.Person] {
			continue
		}
		x := at(before, r.Person)
		x.records = append(x.records, r)
		if !replaced[r.Key] {
			y := at(after, r.Person)
			y.records = append(y.records, r)
		}
	}
	for _, p := range st.People {
		if !changed[p.Contact.ID] {
			continue
		}
		at(before, p.Contact.ID).person = p
		if x := at(after, p.Contact.ID); x.person.Contact.ID == "" {
			x.person = p
		}
	}
	for _, id := range plan.Dropped {
		delete(after, id)
	}
	gone, put := newBulk(w.s.db.Dialect(), 3), w.upsert(len(keyKinds))
	for id := range changed {
		var old, now map[key]use
		if x := before[id]; x != nil {
			old = keysOf(x.person, x.records)
		}
		if x := after[id]; x != nil {
			now = keysOf(x.person, x.records)
		}
		for k := range old {
			if _, ok := now[k]; !ok {
				gone.begin().text(k.kind).text(k.value).text(k.person)
			}
		}
		for k, u := range now {
			if was, ok := old[k]; !ok || was != u {
				put.begin(before[id] != nil).text(string(w.tenant)).text(k.kind).text(k.value).text(k.person).truth(u.found).truth(u.inQuestion)
			}
		}
	}
	if gone.rows > 0 {
		if _, err := w.tx.ExecContext(ctx, w.s.q.dropKeys, append([]any{string(w.tenant)}, gone.args()...)...); err != nil {
			return err
		}
	}
	return put.send(ctx, w.s.q.addKeys, w.s.q.putKeys)
}

// count adds what a plan does to an answer.
func count(out *contacts.Applied, plan people.Plan, dry bool) {
	out.Joined, out.Changed = out.Joined+plan.Joined, out.Changed+plan.Changed
	out.Left, out.Same = out.Left+plan.Left, out.Same+plan.Same
	if dry {
		out.Events = append(out.Events, plan.Events...)
	}
}
