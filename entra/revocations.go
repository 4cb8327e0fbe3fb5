package entra

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/token"
)

// Revocations remember which sessions have ended before their time: by sign-out, by a logout at Entra, or because an account was
// unlinked. A mark stands for one session or all of a person; it is opaque to the store. It must be safe for concurrent use, and
// any number of instances may share what is behind it. Package entratest has the tests that every one must pass.
type Revocations interface {
	// Revoke ends what has the mark and began until at, and is remembered until the given time. first is false where the mark is
	// there already with that time or a later one: of all who revoke the same at once, one is the first. Of two times the later
	// one stays. [mspkit.ErrInvalid] is an owner or a mark that cannot be stored, see [ValidMark].
	Revoke(ctx context.Context, owner, mark string, at, until time.Time) (first bool, err error)
	// Revoked reports whether one of the marks, [MaxMarks] at most, is revoked for what began at since: then or later.
	Revoked(ctx context.Context, owner string, marks []string, since time.Time) (bool, error)
	// DeleteExpired forgets what need not be remembered at now any more, and returns how much that was.
	DeleteExpired(ctx context.Context, now time.Time) (int, error)
}

// MaxMarks is how many marks a session has at most.
const MaxMarks = 4

// maxMark is in bytes; ours have 45.
const maxMark = 64

// ValidMark reports whether a [Revocations] may store them: [mspkit.ErrInvalid] where not. It is for those who write one.
func ValidMark(owner, mark string) error {
	if err := validName("owner", owner); err != nil {
		return err
	}
	if len(mark) > maxMark || mspkit.TenantID(mark).Validate() != nil {
		return fmt.Errorf("entra: a mark is 1 to %d bytes of printable text: %w", maxMark, mspkit.ErrInvalid)
	}
	return nil
}

// The kinds of mark.
const (
	markSession = "s:" // by id
	markPerson  = "p:" // by tenant and object
	markSID     = "o:" // by tenant and Entra's own session
	markNoSID   = "n:" // by tenant and subject, of a session whose token named none at Entra
	markSubject = "b:" // by tenant and subject
	markJTI     = "j:" // a logout token, by its id
)

// mark hides what is in it, and gives it one length.
func mark(kind string, parts ...string) string {
	var b []byte
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	sum := sha256.Sum256(b)
	return kind + token.Text(sum[:])
}

// marks are all marks that end a session.
func (s *Session) marks() []string {
	who := &s.Identity
	list := []string{mark(markSession, s.ID), mark(markPerson, who.TenantID, who.ObjectID), mark(markSubject, who.TenantID, who.Subject)}
	if who.SID != "" {
		return append(list, mark(markSID, who.TenantID, who.SID))
	}
	return append(list, mark(markNoSID, who.TenantID, who.Subject))
}

type revocationKey struct{ owner, mark string }

type revocation struct{ at, until time.Time }

// Revoke implements [Revocations].
func (m *Memory) Revoke(ctx context.Context, owner, mark string, at, until time.Time) (bool, error) {
	if err := ValidMark(owner, mark); err != nil {
		return false, err
	}
	if err := m.enter(ctx); err != nil {
		return false, err
	}
	defer m.mu.Unlock()
	if len(m.revoked)%256 == 255 && at.Before(until) { // for those who never call DeleteExpired; what is set once is of no time
		maps.DeleteFunc(m.revoked, func(_ revocationKey, r revocation) bool { return r.until.Before(at) })
	}
	k := revocationKey{owner, mark}
	old, there := m.revoked[k]
	if there && !old.at.Before(at) {
		return false, nil
	}
	if old.until.After(until) {
		until = old.until
	}
	m.revoked[k] = revocation{at, until}
	return true, nil
}

// Revoked implements [Revocations].
func (m *Memory) Revoked(ctx context.Context, owner string, marks []string, since time.Time) (bool, error) {
	if err := m.enter(ctx); err != nil {
		return false, err
	}
	defer m.mu.Unlock()
	for _, mark := range marks {
		if r, there := m.revoked[revocationKey{owner, mark}]; there && !r.at.Before(since) {
			return true, nil
		}
	}
	return false, nil
}
