package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/securesend"
)

// maxParameters is below what both databases take in one statement.
const maxParameters = 30_000

// stored is an event as it stands in its column. Fields are only ever added.
type stored struct {
	Kind     securesend.EventKind `json:"kind"`
	At       int64                `json:"at"` // microseconds
	Send     string               `json:"send"`
	What     securesend.Kind      `json:"what"`
	Sender   string               `json:"sender,omitempty"`
	Subject  string               `json:"subject,omitempty"`
	Ticket   *mspkit.Ticket       `json:"ticket,omitempty"`
	Log      securesend.Log       `json:"log"`
	State    securesend.State     `json:"state"`
	Region   string               `json:"region,omitempty"`
	Views    int                  `json:"views,omitempty"`
	MaxViews int                  `json:"max_views,omitempty"`
	Refusals int                  `json:"refusals,omitempty"`
	Files    []int                `json:"files,omitempty"`
	By       string               `json:"by,omitempty"`
	Reason   string               `json:"reason,omitempty"`
}

func encodeEvent(e securesend.Event) string {
	x := stored{
		Kind: e.Kind, At: sqlx.Micros(e.At), Send: e.Send, What: e.What, Sender: e.Sender, Subject: e.Subject, Log: e.Log,
		State: e.State, Region: e.Region, Views: e.Views, MaxViews: e.MaxViews, Refusals: e.Refusals, Files: e.Files, By: e.By, Reason: e.Reason,
	}
	if !e.Ticket.IsZero() {
		x.Ticket = &e.Ticket
	}
	b, _ := json.Marshal(x) //nolint:errchkjson // texts and numbers can always be encoded
	return string(b)
}

func scanEvent(row scanner) (securesend.Event, error) {
	var e securesend.Event
	var text string
	if err := row.Scan(&e.Seq, &e.Tenant, &e.ID, &text); err != nil {
		return securesend.Event{}, err
	}
	var x stored
	if err := json.Unmarshal([]byte(text), &x); err != nil {
		return securesend.Event{}, fmt.Errorf("column event of event %d: %w", e.Seq, err)
	}
	if x.Ticket != nil {
		e.Ticket = *x.Ticket
	}
	e.Kind, e.At, e.Send, e.What, e.Sender, e.Subject, e.Log = x.Kind, sqlx.Time(x.At), x.Send, x.What, x.Sender, x.Subject, x.Log
	e.State, e.Region, e.Views, e.MaxViews, e.Refusals, e.Files = x.State, x.Region, x.Views, x.MaxViews, x.Refusals, x.Files
	e.By, e.Reason = x.By, x.Reason
	return e, nil
}

// encodeEvents returns the events of stamps as the statements of PostgreSQL read them.
func encodeEvents(r *securesend.Record, stamps []securesend.Stamp, now time.Time) string {
	type event struct {
		N      int             `json:"n"`
		Tenant mspkit.TenantID `json:"t"`
		ID     string          `json:"i"`
		Event  string          `json:"e"`
	}
	out := make([]event, len(stamps))
	for i, st := range stamps {
		e := r.Event(st, now)
		out[i] = event{i, e.Tenant, e.ID, encodeEvent(e)}
	}
	b, _ := json.Marshal(out) //nolint:errchkjson // texts and numbers can always be encoded
	return string(b)
}

// Events implements [securesend.SecretStore]. It fails where more than 30000 tenants are to be skipped.
func (s *Store) Events(ctx context.Context, q securesend.EventQuery) ([]securesend.Event, error) {
	if q.Limit < 1 {
		return nil, nil
	}
	if len(q.Skip) > maxParameters {
		return nil, fmt.Errorf("sqlstore: events: %d tenants cannot be skipped at once, %d can", len(q.Skip), maxParameters)
	}
	last, err := s.settled(ctx)
	if err != nil || last == 0 {
		return nil, wrap("events", err)
	}
	text, values := s.q.events, make([]any, 1, len(q.Skip)+2)
	values[0] = last
	if len(q.Skip) > 0 {
		text += ` AND tenant NOT IN (` + sqlx.Repeat("?", len(q.Skip)) + `)`
		for _, t := range q.Skip {
			values = append(values, string(t))
		}
	}
	rows, err := s.db.QueryContext(ctx, s.db.SQL(text+` ORDER BY seq LIMIT ?`), append(values, q.Limit)...)
	if err != nil {
		return nil, wrap("events", err)
	}
	out, err := all(rows, scanEvent)
	return out, wrap("events", err)
}

// settled returns the number of an event such that none can still appear before it, 0 where there is no event.
//
// On PostgreSQL numbers are given before commits, so that of two that are stored at once the later one may be seen first.
// Those who store share a lock from before they get a number until they have committed, and do not keep each other
// waiting. Who reads takes that lock alone for a moment: then all numbers that were given are committed.
func (s *Store) settled(ctx context.Context) (last int64, err error) {
	if s.db.Dialect() == sqlx.SQLite {
		return math.MaxInt64, nil
	}
	if err := s.db.CallRow(ctx, s.q.lastSeq, nil, &last); err != nil || last == 0 {
		return 0, err
	}
	err = s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(?)", s.key); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, s.q.lastSeq).Scan(&last)
	})
	return last, err
}

// AckEvents implements [securesend.SecretStore].
func (s *Store) AckEvents(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return wrap("ack events", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		for part := range slices.Chunk(ids, maxParameters) {
			values := make([]any, len(part))
			for i, id := range part {
				values[i] = id
			}
			text := s.db.SQL(`DELETE FROM {t}securesend_events WHERE id IN (` + sqlx.Repeat("?", len(part)) + `)`)
			if _, err := tx.ExecContext(ctx, text, values...); err != nil {
				return err
			}
		}
		return nil
	}))
}
