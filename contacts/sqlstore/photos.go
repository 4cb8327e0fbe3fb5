package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/internal/people"
	"github.com/mspkit/mspkit/internal/sqlx"
)

// Photo implements [contacts.Directory].
func (s *Store) Photo(ctx context.Context, tenant mspkit.TenantID, id string) (contacts.Photo, error) {
	if err := tenant.Validate(); err != nil {
		return contacts.Photo{}, err
	}
	p, err := scanPhoto(s.db.QueryRowContext(ctx, s.q.photo, string(tenant), sqlx.Words(id)))
	if errors.Is(err, sql.ErrNoRows) || err == nil && len(p.Data) == 0 {
		return contacts.Photo{}, fmt.Errorf("%w: no picture of that contact of tenant %s", contacts.ErrNotFound, tenant)
	}
	return p, wrap("photo", err)
}

func scanPhoto(row scanner) (contacts.Photo, error) {
	var p contacts.Photo
	var checked int64
	err := row.Scan(&p.Type, &p.Data, &p.Version, &checked)
	p.CheckedAt = sqlx.Time(checked)
	return p, err
}

// SetPhotos implements [contacts.Directory].
func (s *Store) SetPhotos(ctx context.Context, tenant mspkit.TenantID, photos map[string]contacts.Photo) error {
	if err := tenant.Validate(); err != nil {
		return err
	}
	return wrapUnlessKnown("set photos", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		for _, id := range slices.Sorted(maps.Keys(photos)) { // in one order, so that two of these do not wait for each other
			if err := s.setPhoto(ctx, tx, tenant, sqlx.Words(id), photos[id]); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (s *Store) setPhoto(ctx context.Context, tx *sqlx.Tx, tenant mspkit.TenantID, id string, p contacts.Photo) error {
	var there string
	err := tx.QueryRowContext(ctx, s.q.lockPerson, string(tenant), id).Scan(&there)
	if errors.Is(err, sql.ErrNoRows) {
		_, err := people.SetPhoto(contacts.Photo{}, p) // it must be one all the same
		return err
	}
	if err != nil {
		return err
	}
	stored, err := scanPhoto(tx.QueryRowContext(ctx, s.q.photo, string(tenant), id))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	now, err := people.SetPhoto(stored, p)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, s.q.putPhoto, string(tenant), id, now.Type, now.Data, now.Version, sqlx.Micros(now.CheckedAt))
	return err
}

// PhotosDue implements [contacts.Directory].
func (s *Store) PhotosDue(ctx context.Context, tenant mspkit.TenantID, source string, before time.Time, limit int) (
	[]contacts.PhotoDue, error,
) {
	limit, err := people.Limit(limit)
	if err == nil {
		err = people.ValidateSource(tenant, source)
	}
	if err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, s.q.photosDue, string(tenant), source, sqlx.Micros(before), limit)
	out, err := all(rows, err, func(row scanner) (contacts.PhotoDue, error) {
		var p contacts.PhotoDue
		err := row.Scan(&p.ID, &p.SourceID, &p.Version)
		return p, err
	})
	return out, wrap("photos due", err)
}
