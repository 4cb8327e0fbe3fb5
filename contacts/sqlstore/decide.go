package sqlstore

import (
	"context"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/internal/people"
)

// Conflicts implements [contacts.Directory].
func (s *Store) Conflicts(ctx context.Context, tenant mspkit.TenantID) ([]contacts.Conflict, error) {
	if err := tenant.Validate(); err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, s.q.conflicts, string(tenant), string(tenant))
	held, err := all(rows, err, func(row scanner) (people.Holding, error) {
		var h people.Holding
		err := row.Scan(&h.Email, &h.Person)
		return h, err
	})
	if err != nil {
		return nil, wrap("conflicts", err)
	}
	return people.Conflicts(tenant, held), nil
}

// Link implements [contacts.Directory].
func (s *Store) Link(ctx context.Context, tenant mspkit.TenantID, keep, other, by string, now time.Time) error {
	return s.decide(ctx, "link", tenant, func(ctx context.Context, w *writer) (people.State, error) {
		return w.loadPeople(ctx, keep, other)
	}, func(st people.State) (people.Plan, error) {
		return people.Link(st, keep, other, people.Change{By: by, Now: people.Time(now)})
	})
}

// Separate implements [contacts.Directory].
func (s *Store) Separate(ctx context.Context, tenant mspkit.TenantID, source, sourceID, by string, now time.Time) (string, error) {
	k := people.Key{Source: source, ID: sourceID}
	id := ""
	err := s.decide(ctx, "separate", tenant, func(ctx context.Context, w *writer) (people.State, error) {
		return w.load(ctx, []people.Key{k}, nil)
	}, func(st people.State) (plan people.Plan, err error) {
		plan, id, err = people.Separate(st, k, people.Change{Source: source, By: by, Now: people.Time(now)})
		return plan, err
	})
	if err != nil {
		return "", err
	}
	return id, nil
}

// Wrote implements [contacts.Directory].
func (s *Store) Wrote(ctx context.Context, pw contacts.PhoneWrite, now time.Time) error {
	return s.decide(ctx, "wrote", pw.Tenant, func(ctx context.Context, w *writer) (people.State, error) {
		return w.load(ctx, []people.Key{{Source: pw.Source, ID: pw.SourceID}}, nil)
	}, func(st people.State) (people.Plan, error) {
		return people.Wrote(st, pw, people.Change{Now: people.Time(now)})
	})
}

// decide loads what a decision of a person concerns and stores what it does.
func (s *Store) decide(ctx context.Context, verb string, tenant mspkit.TenantID,
	load func(context.Context, *writer) (people.State, error), plan func(people.State) (people.Plan, error),
) error {
	if err := tenant.Validate(); err != nil {
		return err
	}
	return wrapUnlessKnown(verb, s.change(ctx, tenant, func(ctx context.Context, w *writer) error {
		st, err := load(ctx, w)
		if err != nil {
			return err
		}
		if err := w.managers(ctx, &st, nil); err != nil {
			return err
		}
		p, err := plan(st)
		if err != nil {
			return err
		}
		return w.write(ctx, st, p, 0)
	}))
}
