package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/verify"
)

// The hot verbs as calls of the functions of this release's migration, see functions.go. Each is one statement outside
// of a transaction. Where the connection breaks it is not known whether the verb happened: the caller gets the error
// and no MAC or proof, and may repeat the verb, which then finds what was stored.

// calls are the statements of the hot verbs on PostgreSQL.
type calls struct{ begin, sent, attempt, finish, redeem string }

func newCalls(db *sqlx.DB) calls {
	call := func(columns, function string, n int) string {
		return db.SQL(`SELECT ` + columns + ` FROM {t}` + function + `(` + sqlx.Repeat("?", n) + `) c`)
	}
	const decided = columns + `, c.verdict, c.failures, c.frozen_until`
	return calls{
		begin:   call(`c.verdict, c.place, c.wait`, "verify_begin_4", 7+len(insertFields)),
		sent:    call(`c.verdict`, "verify_sent_4", 10),
		attempt: call(decided+`, c.mac, c.word_mac`, "verify_attempt_4", 13),
		finish:  call(decided, "verify_finish_4", 16),
		redeem:  call(decided, "verify_redeem_4", 9),
	}
}

// verdicts are what the functions decide; "done" and "existing" are no errors.
var verdicts = map[string]error{
	"not pending": verify.ErrNotPending, "conflict": verify.ErrConflict, "frozen": verify.ErrFrozen, "locked": verify.ErrLocked,
	"no proof": verify.ErrProof, "proof expired": verify.ErrProofExpired, "unapproved": verify.ErrUnapproved, "redeemed": verify.ErrRedeemed,
}

func decided(verdict string) error {
	if verdict == "done" {
		return nil
	}
	if err := verdicts[verdict]; err != nil {
		return err
	}
	return fmt.Errorf("the database decided %q, which this release does not know", verdict)
}

func stampArgs(s verify.Stamp) []any { return []any{s.ID, s.Kind, s.By, s.Reason} }

func (s *Store) callBegin(ctx context.Context, n verify.NewChallenge, limits []verify.Limit, now time.Time) (verify.Record, bool, error) {
	r := rounded(n.Record)
	r.Version, r.Refund = 1, refundable(limits)
	args := append([]any{s.key(r.Tenant), sqlx.Micros(now), encodeLimits(limits, n.Stamp)}, stampArgs(n.Stamp)...)
	args = append(args, insertArgs(r, n)...)
	var verdict string
	var place, wait int64
	err := s.db.CallRow(ctx, s.call.begin, args, &verdict, &place, &wait)
	switch {
	case err != nil:
		return verify.Record{}, false, err
	case verdict == "existing":
		r, err = scanRecord(s.db.QueryRowContext(ctx, s.q.repeat, r.Tenant, n.Idempotency), new(string))
		return r, true, err
	case verdict == "limited":
		return verify.Record{}, false, &verify.LimitError{Limit: limits[place].Name, RetryAfter: time.Duration(wait) * time.Microsecond}
	}
	return r.Hidden(), false, decided(verdict)
}

func (s *Store) callSent(ctx context.Context, ref verify.Ref, receiptID string, status verify.DeliveryStatus, st verify.Stamp, now time.Time) error {
	args := append([]any{s.key(ref.Tenant), sqlx.Micros(now), ref.Tenant, ref.ID, receiptID, int64(status)}, stampArgs(st)...)
	var verdict string
	if err := s.db.CallRow(ctx, s.call.sent, args, &verdict); err != nil {
		return found(err)
	}
	return decided(verdict)
}

func (s *Store) callAttempt(ctx context.Context, ref verify.Ref, t verify.Try, now time.Time) (verify.Record, verify.SubjectState, error) {
	locked := t.Stamp.Locked()
	args := append([]any{s.key(ref.Tenant), sqlx.Micros(now), ref.Tenant, ref.ID, t.Method, t.Technician, encodeList(t.Answerers)}, stampArgs(t.Stamp)...)
	var mac, wordMAC []byte
	r, sub, err := s.callRecord(ctx, s.call.attempt, append(args, locked.ID, locked.Kind), &mac, &wordMAC)
	if err != nil { // the row may have come, but the commit has not: the MACs must not leave
		return verify.Record{}, verify.SubjectState{}, err
	}
	r.MAC, r.WordMAC = mac, wordMAC
	return r, sub, nil
}

func (s *Store) callFinish(ctx context.Context, ref verify.Ref, version int64, o verify.Outcome, now time.Time) (verify.Record, error) {
	args := append([]any{s.key(ref.Tenant), sqlx.Micros(now), ref.Tenant, ref.ID, version, o.State, sqlx.Micros(o.ProofUntil)}, stampArgs(o.Stamp)...)
	args = append(append(args, sqlx.Micros(o.FreezeUntil)), stampArgs(o.FreezeStamp)...)
	r, _, err := s.callRecord(ctx, s.call.finish, args)
	return r, err
}

func (s *Store) callRedeem(ctx context.Context, ref verify.Ref, by string, st verify.Stamp, now time.Time) (verify.Record, error) {
	args := append([]any{s.key(ref.Tenant), sqlx.Micros(now), ref.Tenant, ref.ID, by}, stampArgs(st)...)
	r, _, err := s.callRecord(ctx, s.call.redeem, args)
	return r, err
}

// callRecord calls a function that returns a record with its verdict and subject, and more.
func (s *Store) callRecord(ctx context.Context, query string, args []any, more ...any) (verify.Record, verify.SubjectState, error) {
	var r verify.Record
	var sub verify.SubjectState
	var verdict string
	var frozen int64
	err := s.db.Call(ctx, query, args, func(row *sql.Row) (err error) {
		r, err = scanRecord(row, append([]any{&verdict, &sub.Failures, &frozen}, more...)...)
		return err
	})
	if err == nil {
		err = decided(verdict)
	}
	if err != nil {
		return verify.Record{}, verify.SubjectState{}, found(err)
	}
	sub.FrozenUntil = sqlx.Time(frozen)
	return r, sub, nil
}

func found(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return verify.ErrNotFound
	}
	return err
}

// encodeLimits returns limits as verify_begin_4 reads them, with the event of those that have an alert.
func encodeLimits(limits []verify.Limit, st verify.Stamp) string {
	type limit struct {
		Key    string           `json:"k"`
		Max    int              `json:"m"`
		Window int64            `json:"w"`
		ID     string           `json:"i,omitempty"`
		Kind   verify.EventKind `json:"d,omitempty"`
		By     string           `json:"b,omitempty"`
		Reason string           `json:"n,omitempty"`
	}
	if len(limits) == 0 {
		return ""
	}
	out := make([]limit, len(limits))
	for i, l := range limits {
		out[i] = limit{Key: l.Key, Max: l.Max, Window: l.Window.Microseconds()}
		if l.Alert {
			e := l.Reached(st, i)
			out[i].ID, out[i].Kind, out[i].By, out[i].Reason = e.ID, e.Kind, e.By, e.Reason
		}
	}
	b, _ := json.Marshal(out) //nolint:errchkjson // strings and numbers can always be encoded
	return string(b)
}
