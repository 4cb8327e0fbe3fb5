package workflows

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/teamsapp"
)

// Post accepts a post for one connection: when it returns it is durable, and [Service.Run] posts it, behind those that the
// connection has already. It returns the post's id, which is the same for a repeat.
//
// The error is [mspkit.ErrInvalid], [ErrTooLarge] with the size and the limit, or [ErrNotFound]; with any other one, call
// again with the same [Post.ID].
func (s *Service) Post(ctx context.Context, tenant mspkit.TenantID, connection string, p Post) (string, error) {
	if len(p.ID) > maxPostID {
		return "", fmt.Errorf("workflows: post: the id has %d bytes, at most %d are accepted: %w", len(p.ID), maxPostID, mspkit.ErrInvalid)
	}
	_, set, err := s.load(ctx, tenant, connection)
	if err != nil {
		return "", fmt.Errorf("workflows: post: %w", err)
	}
	pay, err := p.payload(s.locale(set))
	if errors.Is(err, teamsapp.ErrTooLarge) {
		err = fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	if err != nil {
		return "", err
	}
	if _, err := pay.body(set.Form, s.o.MaxBody); err != nil {
		return "", err
	}
	it, err := s.item(tenant, connection, p.ID, pay)
	if err != nil {
		return "", fmt.Errorf("workflows: post: %w", err)
	}
	if _, err := s.worker.Add(ctx, it); err != nil {
		return "", fmt.Errorf("workflows: post: %w", err)
	}
	return it.ID, nil
}

// Notify accepts a post for every connection of the tenant that wants the event, in one step: all of them or none. It
// returns how many were new; a repeat with the same [Incoming.ID] adds none but for connections that were made since.
// Errors are those of [Service.Post]. A connection that cannot be read is left out, with a warning in the log.
func (s *Service) Notify(ctx context.Context, tenant mspkit.TenantID, in Incoming) (int, error) {
	if err := in.validate(); err != nil {
		return 0, err
	}
	rs, err := s.store.Connections(ctx, tenant)
	if err != nil {
		return 0, fmt.Errorf("workflows: notify: %w", err)
	}
	var items []Item
	for _, r := range rs {
		set, err := s.open(r)
		if err != nil {
			s.o.Logger.WarnContext(ctx, "workflows: a connection cannot be read and is told of nothing", about(tenant, r.ID, err)...)
			continue
		}
		if c := (&Connection{Events: set.Events}); !c.wants(in.Event) {
			continue
		}
		pay, err := in.payload(s.locale(set), set.Form, s.o.MaxBody)
		if err != nil {
			return 0, fmt.Errorf("workflows: notify: %w", err)
		}
		it, err := s.item(tenant, r.ID, in.ID, pay)
		if err != nil {
			return 0, fmt.Errorf("workflows: notify: %w", err)
		}
		items = append(items, it)
	}
	if len(items) == 0 {
		return 0, nil
	}
	n, err := s.worker.Add(ctx, items...)
	if err != nil {
		return 0, fmt.Errorf("workflows: notify: %w", err)
	}
	return n, nil
}

// item seals a payload for its place.
func (s *Service) item(tenant mspkit.TenantID, connection, id string, p payload) (Item, error) {
	b, err := encode(p)
	if err != nil {
		return Item{}, err
	}
	it := Item{Tenant: tenant, Key: connection, ID: itemID(connection, id), AddedAt: s.now()}
	it.Sealed = s.bodies.Seal(b, place(it)...)
	return it, nil
}

// place is where a post belongs. It has the connection, so that nobody who writes to the database sends what is meant for one
// channel into another.
func place(it Item) []string { return []string{string(it.Tenant), it.Key, it.ID} }

// itemID is the id of a post of a connection: the same for the same id of the caller, whose own one need not be fit to be
// stored. It has no key, so that a repeat is known also after a rotation.
func itemID(connection, id string) string {
	if id == "" {
		return token.Random()
	}
	h := sha256.New()
	for _, part := range []string{"mspkit/teamsapp/workflow-post/v1", connection, id} {
		_ = binary.Write(h, binary.BigEndian, uint32(len(part)))
		_, _ = h.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// Run posts what was accepted until ctx ends, and returns nil then, after the post in hand. It takes what other instances
// accepted as well.
func (s *Service) Run(ctx context.Context) error { return s.worker.Run(ctx) }

// RunOnce posts what is due now and returns, for hosts that call it on a schedule instead of [Service.Run].
func (s *Service) RunOnce(ctx context.Context) error { return s.worker.RunOnce(ctx) }

// firstPause is how long a connection rests after a refusal that may be a hiccup of Microsoft's side. It doubles.
const firstPause = 10 * time.Second

// handle posts one item.
func (s *Service) handle(ctx context.Context, it Item) error {
	r, set, err := s.load(ctx, it.Tenant, it.Key)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil // disconnected: its posts go with it
	case errors.Is(err, seal.ErrCorrupt):
		return backlog.Permanent(err)
	case err != nil:
		return err
	}
	b, err := s.bodies.Open(it.Sealed, place(it)...)
	if errors.Is(err, seal.ErrCorrupt) {
		return backlog.Permanent(fmt.Errorf("the post cannot be read: %w", err))
	} else if err != nil {
		return fmt.Errorf("the post cannot be read: %w", err)
	}
	var p payload
	if err := json.Unmarshal(b, &p); err != nil {
		return backlog.Permanent(errors.New("the post cannot be read: it is no JSON"))
	}
	body, err := p.body(set.Form, s.o.MaxBody)
	if err != nil { // the form or the limit has changed since
		return backlog.Permanent(err)
	}
	t, err := s.o.checkURL(set.URL)
	if err != nil {
		return s.refused(ctx, it, r, &Error{Op: "post", kind: ErrURL, reason: "the URL is not accepted any more", Advice: adviceCopy})
	}
	if _, e := s.paced(ctx, "post", key{it.Tenant, it.Key}, t.url, body, it.ID); e != nil {
		return s.refused(ctx, it, r, e)
	}
	if r.Fault != "" || r.Failures > 0 {
		_, _ = s.note(ctx, r, Note{At: s.now()}) // it logs what fails, and the post is posted all the same
	}
	return nil
}

// refused says what becomes of a post that was not accepted.
func (s *Service) refused(ctx context.Context, it Item, r Record, e *Error) error {
	if e.passing() {
		if e.RetryAfter > 0 {
			return backlog.Later(e, e.RetryAfter)
		}
		return e
	}
	after, err := s.note(ctx, r, Note{At: s.now(), Fault: e.text(), Counts: e.ofConnection(), Broken: s.o.BrokenAfter})
	switch {
	case errors.Is(err, ErrNotFound):
		return nil // disconnected meanwhile
	case !e.ofConnection():
		return backlog.Permanent(e)
	case err != nil: // changed meanwhile: it is tried with what it is now
		return e
	case !after.BrokenAt.IsZero():
		return backlog.Permanent(e)
	}
	return backlog.Later(e, firstPause<<min(max(it.Tries-1, 0), 5))
}

// note stores what a try says.
func (s *Service) note(ctx context.Context, r Record, n Note) (Record, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	after, err := s.store.NoteConnection(ctx, r.Tenant, r.ID, r.Version, n)
	switch {
	case err == nil && !after.BrokenAt.IsZero() && r.BrokenAt.IsZero():
		s.o.Logger.WarnContext(ctx, "workflows: a connection is broken", about(r.Tenant, r.ID, errors.New(n.Fault))...)
	case err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrConflict):
		s.o.Logger.WarnContext(ctx, "workflows: the outcome of a try was not noted", about(r.Tenant, r.ID, err)...)
	}
	return after, err
}
