package sqlstore

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/verify"
)

type scanner interface{ Scan(dest ...any) error }

// scanRecord reads columns and, after them, more.
func scanRecord(row scanner, more ...any) (verify.Record, error) {
	var r verify.Record
	var created, expires, decided, proof, redeemed, approved int64
	var refund string
	err := row.Scan(append([]any{
		&r.Tenant, &r.ID, &r.Version, &r.Kind, &r.State, &r.Delivery, &r.Method, &r.Channel, &r.Subject, &r.Action,
		&r.Technician, &r.Ticket.System, &r.Ticket.ID, &r.Assurance, &r.KeyID, &r.Sealed, &r.Tries, &r.MaxTries, &r.Sends, &r.Messages,
		&r.LockAfter, &r.Hinted, &refund, &r.ReceiptID, &created, &expires, &decided, &proof,
		&r.RedeemedBy, &redeemed, &r.Answerer, &r.NeedsApproval, &r.ApprovedBy, &approved,
	}, more...)...)
	if err != nil {
		return verify.Record{}, err
	}
	r.CreatedAt, r.ExpiresAt, r.DecidedAt = sqlx.Time(created), sqlx.Time(expires), sqlx.Time(decided)
	r.ProofUntil, r.RedeemedAt, r.ApprovedAt = sqlx.Time(proof), sqlx.Time(redeemed), sqlx.Time(approved)
	if refund != "" {
		if err := json.Unmarshal([]byte(refund), &r.Refund); err != nil {
			return verify.Record{}, fmt.Errorf("column refund of a challenge: %w", err)
		}
	}
	return r, nil
}

// rounded returns r as the database gives it back: times in microseconds and UTC.
func rounded(r verify.Record) verify.Record {
	for _, t := range []*time.Time{&r.CreatedAt, &r.ExpiresAt, &r.DecidedAt, &r.ProofUntil, &r.RedeemedAt, &r.ApprovedAt} {
		*t = sqlx.Time(sqlx.Micros(*t))
	}
	return r
}

// insertArgs are the arguments of the statement insert and the last ones of the function that begins.
func insertArgs(r verify.Record, n verify.NewChallenge) []any {
	return []any{
		r.Tenant, r.ID, r.Version, r.Kind, r.State, int64(r.Delivery), r.Method, r.Channel,
		r.Subject, r.Action, r.Technician, r.Ticket.System, r.Ticket.ID, int64(r.Assurance),
		r.KeyID, present(r.Sealed), r.Tries, r.MaxTries, r.Sends, r.Messages,
		r.LockAfter, flag(r.Hinted), encodeList(r.Refund), r.ReceiptID, sqlx.Micros(r.CreatedAt), sqlx.Micros(r.ExpiresAt),
		sqlx.Micros(r.DecidedAt), sqlx.Micros(r.ProofUntil), r.RedeemedBy, sqlx.Micros(r.RedeemedAt), present(r.MAC), present(r.WordMAC),
		null(n.Idempotency), n.Fingerprint, r.Answerer, flag(r.NeedsApproval),
	}
}

// encodeList returns texts as JSON, none as nothing.
func encodeList(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	b, _ := json.Marshal(texts) //nolint:errchkjson // strings can always be encoded
	return string(b)
}

// present returns b, never nil: the columns are not null.
func present(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// null returns nil for an empty text.
func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func event(row scanner) (verify.Event, error) { return scanEvent(row) }

// scanEvent reads an event and, after its columns, more.
func scanEvent(row scanner, more ...any) (verify.Event, error) {
	var e verify.Event
	var at int64
	err := row.Scan(append([]any{
		&e.Seq, &e.ID, &e.Kind, &at, &e.Tenant, &e.Challenge, &e.Verifies, &e.Subject, &e.Action,
		&e.Technician, &e.Ticket.System, &e.Ticket.ID, &e.Channel, &e.Method, &e.Assurance, &e.State, &e.Tries,
		&e.Sends, &e.By, &e.Reason, &e.Link.N, &e.Link.Value,
	}, more...)...)
	e.At = sqlx.Time(at)
	return e, err
}
