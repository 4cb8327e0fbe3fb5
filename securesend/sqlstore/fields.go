package sqlstore

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/securesend"
)

// The columns of a record, but for half and content, revision and sweep_at. The fixed ones stay as they were put, blobs
// belongs to Forget; those that change are stored by every step. The functions below give the fields in the same order.
var (
	fixed = []string{
		"tenant", "id", "kind", "region", "purpose", "held", "sender", "subject", "ticket_system", "ticket_id", "log_to",
		"log_public", "gate", "max_tries", "max_pass_tries", "max_views", "after_view", "created_at", "expiry", "blobs",
	}
	changing = []string{
		"version", "state", "key_id", "number_mac", "tries", "code_until", "code_sent_at", "code_sends", "renewals",
		"pass_key_id", "pass_mac", "pass_tries", "upload", "auth", "header", "half_key", "sealed", "sizes", "fetched", "views",
		"claim", "lease_until", "expires_at", "ready_at", "opened_at", "revealed_at", "acked_at", "ended_at", "refusals",
	}
)

func fixedOf(r *securesend.Record) []any {
	return []any{
		&r.Tenant, &r.ID, &r.Kind, &r.Region, &r.Purpose, &r.Held, &r.Sender, &r.Subject, &r.Ticket.System, &r.Ticket.ID, &r.Log.To,
		&r.Log.Public, &r.Gate, &r.MaxTries, &r.MaxPassTries, &r.MaxViews, &r.AfterView, &r.CreatedAt, &r.Expiry, &r.Blobs,
	}
}

func changingOf(r *securesend.Record) []any {
	return []any{
		&r.Version, &r.State, &r.KeyID, &r.NumberMAC, &r.Tries, &r.CodeUntil, &r.CodeSentAt, &r.CodeSends, &r.Renewals,
		&r.PassKeyID, &r.PassMAC, &r.PassTries, &r.Upload, &r.Auth, &r.Header, &r.HalfKey, &r.Sealed, &r.Sizes, &r.Fetched, &r.Views,
		&r.Claim, &r.LeaseUntil, &r.ExpiresAt, &r.ReadyAt, &r.OpenedAt, &r.RevealedAt, &r.AckedAt, &r.EndedAt, &r.Refusals,
	}
}

// arg returns what is stored of the field that p points to.
func arg(p any) any {
	switch p := p.(type) {
	case *time.Time:
		return sqlx.Micros(*p)
	case *[]byte:
		return present(*p)
	case *[]int64:
		return encodeInts(*p)
	case *bool:
		return flag(*p)
	case *time.Duration:
		return int64(*p)
	case *int:
		return int64(*p)
	case *int64:
		return *p
	case *string:
		return *p
	}
	return reflect.ValueOf(p).Elem().String() // a text of a type of its own
}

// dest returns what reads the column of the field that p points to.
func dest(p any) any {
	switch p := p.(type) {
	case *time.Time:
		return reading(func(v any) error {
			us, ok := v.(int64)
			if !ok {
				return errType
			}
			*p = sqlx.Time(us)
			return nil
		})
	case *[]byte:
		return reading(func(v any) error { // the driver's memory is not ours
			b, ok := v.([]byte)
			if !ok && v != nil {
				return errType
			}
			*p = nil
			if len(b) > 0 {
				*p = slices.Clone(b)
			}
			return nil
		})
	case *[]int64:
		return reading(func(v any) error {
			*p = nil
			var text []byte
			switch v := v.(type) {
			case string:
				text = []byte(v)
			case []byte: // some drivers give text like this
				text = v
			default:
				return errType
			}
			if len(text) == 0 {
				return nil
			}
			return json.Unmarshal(text, p)
		})
	}
	return p
}

// reading is a function as a [sql.Scanner].
type reading func(v any) error

var (
	_       sql.Scanner = reading(nil)
	errType             = errors.New("the column has another type")
)

// Scan calls f.
func (f reading) Scan(v any) error { return f(v) }

func args(pointers []any) []any {
	out := make([]any, len(pointers), len(pointers)+16)
	for i, p := range pointers {
		out[i] = arg(p)
	}
	return out
}

type scanner interface{ Scan(dest ...any) error }

// scan reads a record with its revision, which come as [statements] select them, and more.
func scan(row scanner, more ...any) (r securesend.Record, revision int64, err error) {
	dests := append(fixedOf(&r), changingOf(&r)...)
	for i, p := range dests {
		dests[i] = dest(p)
	}
	if err := row.Scan(append(append(dests, &revision), more...)...); err != nil {
		return securesend.Record{}, 0, err
	}
	return r, revision, nil
}

// rounded returns r as the database gives it back: times in microseconds and UTC, no empty slices.
func rounded(r securesend.Record) securesend.Record {
	for _, p := range append(fixedOf(&r), changingOf(&r)...) {
		switch p := p.(type) {
		case *time.Time:
			*p = sqlx.Time(sqlx.Micros(*p))
		case *[]byte:
			if len(*p) == 0 {
				*p = nil
			}
		case *[]int64:
			if len(*p) == 0 {
				*p = nil
			}
		}
	}
	return r
}

func encodeInts(n []int64) string {
	if len(n) == 0 {
		return ""
	}
	return strings.ReplaceAll(fmt.Sprint(n), " ", ",")
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
