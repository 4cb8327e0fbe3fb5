package workflows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/token"
)

// Kind is the kind of the streams of posts, for hosts that give a queue of their own. A stream is one connection.
const Kind = "teams-workflows"

// Service keeps connections and posts to them. Use [New].
type Service struct {
	o           Options
	store       Store
	posts       Posts
	worker      *backlog.Worker
	client      *http.Client
	connections *seal.Box
	bodies      *seal.Box
	primary     string // of the key ring
	pace        *pacer
}

// New returns a service on store. ring seals URLs and posts; all instances need the same one. It connects to nothing,
// starts nothing, and reports all faults together, as [mspkit.ErrInvalid].
func New(store Store, ring *mspkit.KeyRing, o *Options) (*Service, error) {
	s := &Service{store: store}
	if o != nil {
		s.o = *o
	}
	errs := []error{s.o.complete()}
	if store == nil {
		errs = append(errs, fmt.Errorf("a store is required, NewMemory() keeps everything in memory: %w", mspkit.ErrInvalid))
	}
	if ring == nil {
		errs = append(errs, fmt.Errorf("a key ring is required: %w", mspkit.ErrInvalid))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("workflows: new: %w", err)
	}
	var err error
	if s.connections, err = seal.New(ring, "teamsapp/workflow"); err != nil {
		return nil, fmt.Errorf("workflows: new: %w", err)
	}
	if s.bodies, err = seal.New(ring, "teamsapp/workflow-post"); err != nil {
		return nil, fmt.Errorf("workflows: new: %w", err)
	}
	if s.client, err = newClient(&s.o); err != nil {
		return nil, fmt.Errorf("workflows: new: %w", err)
	}
	s.posts, s.primary, s.pace = store.Posts(), ring.Primary(), newPacer(s.o.Rate, s.o.Per5Minutes)
	// Before its request a try waits for its turn, and after it notes what became of it.
	lease := 2*s.o.Timeout + 30*time.Second
	s.worker, err = backlog.New(s.posts, s.handle, &backlog.Options{
		Kind: Kind, Queue: s.o.Queue, Workers: s.o.Workers, PerTenant: (s.o.Workers + 1) / 2, Lease: lease, Timeout: s.o.Timeout + 15*time.Second, Poll: s.o.Poll,
		GiveUp: s.o.GiveUp, Backoff: s.o.Backoff, Keep: s.o.Keep, OnDead: s.dead, Logger: s.o.Logger, Now: s.o.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("workflows: new: %w", err)
	}
	if s.o.InsecureLoopback {
		s.o.Logger.Warn("workflows: URLs of this machine are accepted WITHOUT TLS: for tests and demos only")
	}
	return s, nil
}

// settings are what an administrator gave; all of it is sealed.
type settings struct {
	Name   string  `json:"name"`
	URL    string  `json:"url"`
	Form   Form    `json:"form,omitempty"`
	Events []Event `json:"events,omitempty"`
	Locale string  `json:"locale,omitempty"`
}

func (s *Service) seal(tenant mspkit.TenantID, id string, set settings) ([]byte, error) {
	b, err := encode(set)
	if err != nil {
		return nil, err
	}
	return s.connections.Seal(b, string(tenant), id), nil
}

func (s *Service) open(r Record) (settings, error) {
	var set settings
	b, err := s.connections.Open(r.Sealed, string(r.Tenant), r.ID)
	if err == nil {
		err = json.Unmarshal(b, &set)
	}
	return set, err
}

// Connect checks and stores a connection and returns it with its id and without its URL. With the id of one that is there
// it replaces what an administrator can set; an empty URL then keeps the one that is stored. A new URL begins with a clean
// slate: it is neither tested nor broken. Nothing is sent: call [Service.Test].
//
// The error is [ErrURL] or [ErrRetired] (both with [mspkit.ErrInvalid]), [mspkit.ErrInvalid] for another field,
// [ErrNotFound] for an id that is not there, [ErrTooMany], or [ErrConflict].
func (s *Service) Connect(ctx context.Context, c Connection) (Connection, error) {
	if err := c.validate(); err != nil {
		return Connection{}, fmt.Errorf("workflows: connect: %w", err)
	}
	set := settings{Name: c.Name, URL: c.URL.Reveal(), Form: c.Form, Events: c.Events, Locale: c.Locale}
	r := Record{Tenant: c.Tenant, ID: c.ID, Version: 1, CreatedAt: s.now()}
	if c.ID == "" {
		r.ID = token.Random()
	} else {
		have, err := s.store.Connection(ctx, c.Tenant, c.ID)
		if err != nil {
			return Connection{}, fmt.Errorf("workflows: connect: %w", err)
		}
		r = have
		r.Version++
		old, err := s.open(have)
		if err != nil && set.URL == "" {
			return Connection{}, fmt.Errorf("workflows: connect: the stored URL cannot be read, give it again: %w", err)
		}
		if set.URL == "" {
			set.URL = old.URL
		}
	}
	t, err := s.o.checkURL(set.URL)
	if err != nil {
		return Connection{}, err
	}
	set.URL = t.url
	if old, err := s.open(r); err != nil || old.URL != set.URL {
		r.Failures, r.Fault, r.BrokenAt, r.TestedAt = 0, "", time.Time{}, time.Time{}
	}
	if r.Sealed, err = s.seal(r.Tenant, r.ID, set); err != nil {
		return Connection{}, fmt.Errorf("workflows: connect: %w", err)
	}
	if err := s.store.PutConnection(ctx, r, MaxConnections); err != nil {
		return Connection{}, fmt.Errorf("workflows: connect: %w", err)
	}
	return s.show(r), nil
}

// now is the time as stores keep it.
func (s *Service) now() time.Time { return s.o.Now().Truncate(time.Microsecond) }

// show returns a connection without its URL.
func (s *Service) show(r Record) Connection {
	c := Connection{
		Tenant: r.Tenant, ID: r.ID, Broken: r.BrokenAt, Fault: r.Fault, CreatedAt: r.CreatedAt, TestedAt: r.TestedAt,
	}
	set, err := s.open(r)
	if err != nil {
		// The others are still of use, and this one must be seen to be deleted.
		c.Fault = "it cannot be read: " + err.Error()
		return c
	}
	c.Name, c.Form, c.Events, c.Locale = set.Name, set.Form, set.Events, set.Locale
	t, err := s.o.checkURL(set.URL)
	c.Host, c.Warning = t.host, t.warning
	if err != nil {
		c.Warning = err.Error()
	}
	return c
}

// Connections lists those of a tenant in the order in which they were made, without URLs. One that cannot be read any more
// is among them, with nothing but its id and the reason as its Fault.
func (s *Service) Connections(ctx context.Context, tenant mspkit.TenantID) ([]Connection, error) {
	rs, err := s.store.Connections(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("workflows: connections: %w", err)
	}
	out := make([]Connection, len(rs))
	for i, r := range rs {
		out[i] = s.show(r)
	}
	return out, nil
}

// Disconnect deletes one with the posts that wait for it or are dead. A post that is on its way may still arrive. The
// error is [ErrNotFound] where there is none; posts that were left of it are then gone all the same.
func (s *Service) Disconnect(ctx context.Context, tenant mspkit.TenantID, id string) error {
	gone := s.store.DeleteConnection(ctx, tenant, id)
	if gone != nil && !errors.Is(gone, ErrNotFound) {
		return fmt.Errorf("workflows: disconnect: %w", gone)
	}
	// What is accepted or in hand meanwhile is dropped by the worker, which finds no connection.
	if err := s.dropAll(ctx, tenant, id); err != nil {
		return fmt.Errorf("workflows: disconnect: the connection is deleted, its posts are not, do it again: %w", err)
	}
	if gone != nil {
		return fmt.Errorf("workflows: disconnect: %w", gone)
	}
	return nil
}

// load returns a connection with its settings and what to post to.
func (s *Service) load(ctx context.Context, tenant mspkit.TenantID, id string) (Record, settings, error) {
	r, err := s.store.Connection(ctx, tenant, id)
	if err != nil {
		return Record{}, settings{}, err
	}
	set, err := s.open(r)
	if err != nil {
		return r, set, fmt.Errorf("the connection cannot be read: %w", err)
	}
	return r, set, nil
}

// locale is the language of a connection.
func (s *Service) locale(set settings) string {
	if set.Locale != "" {
		return set.Locale
	}
	return s.o.Locale
}

// Rewrap seals up to limit connections and posts that are sealed under an older key under the primary one, and returns how
// many. Call it until it returns 0 before a key is taken out of the ring; there may be an error as well, for those that
// could not be read.
func (s *Service) Rewrap(ctx context.Context, limit int) (int, error) {
	primary := s.primary
	n, err := s.store.RewrapConnections(ctx, primary, func(r Record) ([]byte, error) {
		b, _, err := s.connections.Rewrap(r.Sealed, string(r.Tenant), r.ID)
		return b, err
	}, limit)
	if n >= limit {
		return n, err
	}
	m, err2 := s.posts.Rewrap(ctx, primary, func(it Item) ([]byte, error) {
		b, _, err := s.bodies.Rewrap(it.Sealed, place(it)...)
		return b, err
	}, limit-n)
	return n + m, errors.Join(err, err2)
}

// about are the attributes of a line in the log: ids, and an error that is safe there.
func about(tenant mspkit.TenantID, connection string, err error) []any {
	return []any{slog.String("tenant", string(tenant)), slog.String("connection", connection), slog.Any("error", err)}
}
