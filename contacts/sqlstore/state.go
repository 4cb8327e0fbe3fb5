package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts/internal/people"
	"github.com/mspkit/mspkit/internal/sqlx"
)

// part is how many records are changed at once where there may be any number of them.
const part = 1000

// writer changes one tenant, whose row it has locked, within one transaction.
type writer struct {
	s      *Store
	tx     *sqlx.Tx
	tenant mspkit.TenantID
	seq    int64 // of the last event
}

// load returns the state that records and addresses concern: whoever has any of them, with all their records.
func (w *writer) load(ctx context.Context, keys []people.Key, emails []string) (people.State, error) {
	b := newBulk(w.s.db.Dialect(), 2)
	for _, k := range keys {
		b.begin().text(k.Source).text(k.ID)
	}
	args := append([]any{string(w.tenant)}, b.args()...)
	args = append(append(args, string(w.tenant)), list(w.s.db.Dialect(), emails)...)
	return w.loaded(ctx, w.s.q.recordsOf, append(args, string(w.tenant)))
}

// loadPeople returns the state of some people.
func (w *writer) loadPeople(ctx context.Context, ids ...string) (people.State, error) {
	return w.loaded(ctx, w.s.q.recordsOfPeople, append([]any{string(w.tenant)}, list(w.s.db.Dialect(), ids)...))
}

func (w *writer) loaded(ctx context.Context, query string, args []any) (people.State, error) {
	st := people.State{Tenant: w.tenant, Precedence: w.s.o.Precedence}
	rows, err := w.tx.QueryContext(ctx, query, args...)
	st.Records, err = all(rows, err, func(row scanner) (people.Record, error) { return scanRecord(w.tenant, row) })
	if err != nil || len(st.Records) == 0 {
		return st, err
	}
	seen := map[string]bool{}
	var ids []string
	for _, r := range st.Records {
		if !seen[r.Person] {
			seen[r.Person] = true
			ids = append(ids, r.Person)
		}
	}
	rows, err = w.tx.QueryContext(ctx, w.s.q.people, append([]any{string(w.tenant)}, list(w.s.db.Dialect(), ids)...)...)
	st.People, err = all(rows, err, func(row scanner) (people.Person, error) { return scanPerson(w.tenant, row) })
	return st, err
}

// managers adds the managers that a state, and a page if there is one, name.
func (w *writer) managers(ctx context.Context, st *people.State, page *people.Page) error {
	keys := st.ManagerKeys(page)
	if len(keys) == 0 {
		return nil
	}
	st.Managers = make(map[people.Key]people.Manager, len(keys))
	b := newBulk(w.s.db.Dialect(), 2)
	for _, k := range keys {
		b.begin().text(k.Source).text(k.ID)
	}
	rows, err := w.tx.QueryContext(ctx, w.s.q.managers, append(b.args(), string(w.tenant))...)
	_, err = all(rows, err, func(row scanner) (struct{}, error) {
		var k people.Key
		var m people.Manager
		var data []byte
		if err := row.Scan(&k.Source, &k.ID, &m.ID, &data); err != nil {
			return struct{}{}, err
		}
		var x struct {
			Name string `json:"n"`
		}
		if err := json.Unmarshal(data, &x); err != nil {
			return struct{}{}, fmt.Errorf("column data of %s of tenant %s: %w", m.ID, w.tenant, err)
		}
		m.Name = x.Name
		st.Managers[k] = m
		return struct{}{}, nil
	})
	return err
}
