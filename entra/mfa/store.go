package mfa

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
)

// ErrConflict means that somebody else has changed the record meanwhile. The [Service] tries again.
var ErrConflict = errors.New("mfa: the record was changed meanwhile")

// Store keeps one record for each person of each owner. What is in it is sealed before it arrives. Every change is a
// compare-and-set, so that what two instances do at once is done by one after the other. Implementations must be safe for
// concurrent use and pass mfatest.TestStore.
type Store interface {
	// Get returns the record and its revision. Where there is none, or it was deleted, the record is nil and rev is that with
	// which the next one can be put.
	Get(ctx context.Context, owner, user string) (record []byte, rev int64, err error)
	// Swap stores a record where the revision is still rev, else it is [ErrConflict]. Each swap and each deletion raises the
	// revision, which never falls: a slow instance must not put back what is gone. A record that [ValidRecord] refuses is
	// refused with its error.
	Swap(ctx context.Context, owner, user string, record []byte, rev int64, now time.Time) error
	// Delete removes the record and keeps its revision. That there is none is no error.
	Delete(ctx context.Context, owner, user string, now time.Time) error
}

// The limits of what is stored, in bytes.
const (
	// MaxID is the longest owner or user.
	MaxID = 256
	// MaxRecord is the largest record.
	MaxRecord = 256 << 10
)

// ValidRecord returns [mspkit.ErrInvalid] where a record cannot be stored: owner and user must be UTF-8 without a NUL, and
// owner, user and record not empty and not larger than [MaxID] and [MaxRecord]. It is for implementations of [Store].
func ValidRecord(owner, user string, record []byte) error {
	var errs []error
	for name, id := range map[string]string{"owner": owner, "user": user} {
		if id == "" || len(id) > MaxID || !utf8.ValidString(id) || strings.Contains(id, "\x00") {
			errs = append(errs, fmt.Errorf("mfa: the %s must have 1 to %d bytes of text: %w", name, MaxID, mspkit.ErrInvalid))
		}
	}
	if len(record) == 0 || len(record) > MaxRecord {
		errs = append(errs, fmt.Errorf("mfa: the record must have 1 to %d bytes: %w", MaxRecord, mspkit.ErrInvalid))
	}
	return errors.Join(errs...)
}
