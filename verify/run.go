package verify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/token"
)

// PublicRequest is what somebody typed into the public form "is this call real?".
type PublicRequest struct {
	Tenant mspkit.TenantID
	// Address is an e-mail address or phone number, as typed.
	Address string
	// From is the client's address, for the limit; the zero value shares one.
	From netip.Addr
}

// Limits of the public form; they are counted for known and unknown addresses alike.
const (
	publicPerAddress = 3
	publicPerDay     = 5  // messages to one address and one person
	asksPerDay       = 20 // of one contact in their own chat
	publicDelay      = 4 * time.Second
	publicPerClient  = 20
	publicPerTenant  = 1000
	publicGiveUp     = 10 * time.Minute
	publicLease      = time.Minute
)

// RequestTechnician takes a request from the public form and returns before anybody has looked whether the
// address is known: [Service.Run] looks later and sends a link to the address on record, if there is one. The
// work and the answer are the same for every address. A [*LimitError] must be answered like success.
func (s *Service) RequestTechnician(ctx context.Context, r PublicRequest) error {
	began := s.m.began()
	err := s.requestTechnician(ctx, r)
	s.m.ended(ctx, "request", began, err)
	return wrap("request technician verification", err)
}

func (s *Service) requestTechnician(ctx context.Context, r PublicRequest) error {
	if s.o.Lookup == nil {
		return fmt.Errorf("the public form needs Options.Lookup: %w", ErrInvalid)
	}
	if err := r.Tenant.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	address := strings.TrimSpace(r.Address)
	if address == "" || len(address) > 320 {
		return fmt.Errorf("the address is empty or longer than 320 bytes: %w", ErrInvalid)
	}
	now := s.o.Now()
	// What is looked up and sent must not be felt by the next request, so it happens a little later, at a time that
	// nobody can know. Run is not nudged either.
	q := Queued{Tenant: r.Tenant, ID: token.Random(), At: now, Due: now.Add(time.Second + token.Jitter(publicDelay))}
	q.Sealed = s.secrets.queue.Seal([]byte(address), string(q.Tenant), q.ID)
	hash := s.secrets.hash("public", strings.ToLower(strings.Join(strings.Fields(address), "")))
	return s.store.Enqueue(ctx, q, []Limit{
		{Name: LimitRequests, Key: tenantKey(r.Tenant, "public-address", hash), Max: publicPerAddress, Window: time.Hour},
		{Name: LimitRequests, Key: tenantKey(r.Tenant, "public-client", client(r.From)), Max: publicPerClient, Window: time.Hour},
		{Name: LimitRequests, Key: tenantKey(r.Tenant, "public", ""), Max: publicPerTenant, Window: time.Hour},
	}, q.At)
}

// client names a client for its limit. Whoever has one IPv6 address has a whole /64 of them.
func client(a netip.Addr) string {
	if a = a.Unmap(); a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

// PublicTag returns the text that names a tenant in the address of its public form, without telling the tenant's
// id. It is valid as long as the ring holds the key that was primary.
func (s *Service) PublicTag(tenant mspkit.TenantID) string {
	return s.secrets.public.Encode(token.NewSecret(), string(tenant))
}

// ParsePublicTag returns the tenant of a tag, or [ErrNotFound].
func (s *Service) ParsePublicTag(tag string) (mspkit.TenantID, error) {
	_, tenant, err := s.secrets.public.Decode(tag)
	if err != nil {
		return "", wrap("tag", ErrNotFound)
	}
	return mspkit.TenantID(tenant), nil
}

// Brand returns how a tenant looks and the locale it prefers, for pages that no challenge leads to.
func (s *Service) Brand(ctx context.Context, tenant mspkit.TenantID) (mspkit.Brand, string, error) {
	set, err := s.tenantSettings(ctx, tenant)
	return set.Brand, set.Locale, wrap("brand", err)
}

// PublicForm reports whether the public form can be served: Options.Lookup is set and [Service.Run] is going in
// this process, or RunOnce finished in the last five minutes. Without that, requests would be taken and never answered.
func (s *Service) PublicForm() error {
	if s.o.Lookup == nil {
		return wrap("public form", fmt.Errorf("Options.Lookup is not set: %w", ErrInvalid))
	}
	if s.running.Load() == 0 && s.o.Now().Sub(time.Unix(0, s.ran.Load())) > 5*time.Minute {
		return wrap("public form", errors.New("Service.Run is not running in this process"))
	}
	return nil
}

// Run adds events to the chains of their tenants, hands them to the recorder, answers the public form, ends what has expired and deletes what is old, until
// ctx ends; then it finishes the work in hand and returns nil. Failures are logged and tried again: a tenant whose
// recorder or chain fails waits, up to a minute, and holds nobody up; where the store fails, everything waits. Any number of
// instances may run.
func (s *Service) Run(ctx context.Context) error {
	s.running.Add(1)
	defer s.running.Add(-1)
	pause := s.o.Poll
	for ctx.Err() == nil {
		err, broken := s.pass(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.LogAttrs(ctx, slog.LevelWarn, "verify: background work failed, it is tried again", slog.Any("error", err))
		}
		if broken {
			pause = min(pause*2, time.Minute)
			s.sleep(ctx, pause, nil)
			continue
		}
		pause = s.o.Poll
		s.sleep(ctx, pause, s.wake)
	}
	return nil
}

func (s *Service) sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-t.C:
	}
}

const batch = 100

// RunOnce does everything that is due once, for hosts that bring their own scheduler. It reports every failure
// and still does the rest.
func (s *Service) RunOnce(ctx context.Context) error {
	err, _ := s.pass(ctx)
	return err
}

// pass does what is due and reports whether the store failed, as opposed to somebody's recorder or lookup.
func (s *Service) pass(ctx context.Context) (_ error, broken bool) { //nolint:revive // the failure of the store is the rarer outcome
	now := s.o.Now()
	var errs []error
	for {
		n, err := s.store.Expire(ctx, now, batch)
		errs = append(errs, wrap("expire", err))
		if n < batch || err != nil {
			break
		}
	}
	recorders, err := s.handOver(ctx) // first: an alert must not wait for deliveries
	errs = append(errs, wrap("hand over events", err))
	lookups, err := s.deliverDue(ctx)
	errs = append(errs, wrap("answer the public form", err))
	_, err = s.store.DeleteExpired(ctx, now.Add(-s.o.Retention), now.Add(-s.o.EvidenceRetention), now, 10*batch)
	errs = append(errs, wrap("delete", err))
	store := errors.Join(errs...)
	if store == nil {
		s.ran.Store(s.o.Now().UnixNano())
	}
	s.m.passed(ctx, now, store, errors.Join(recorders, lookups))
	return errors.Join(store, wrap("hand over events", recorders), wrap("answer the public form", lookups)), store != nil
}

// holdback is a tenant whose recorder or chain failed.
type holdback struct {
	until time.Time
	pause time.Duration
}

// held returns the tenants in m to be left alone at now.
func (s *Service) held(m map[mspkit.TenantID]holdback, now time.Time) []mspkit.TenantID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []mspkit.TenantID
	for t, h := range m {
		if now.Before(h.until) {
			out = append(out, t)
		}
	}
	return out
}

// took notes in m whether something of a tenant was done.
func (s *Service) took(m map[mspkit.TenantID]holdback, t mspkit.TenantID, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ok {
		delete(m, t)
		return
	}
	h := m[t]
	h.pause = min(max(2*h.pause, s.o.Poll), time.Minute)
	h.until = s.o.Now().Add(h.pause)
	m[t] = h
}

// handOver adds every stored event to the chain of its tenant and gives it to the recorder, in order. Where the recorder
// fails, the tenant's later events wait and those of other tenants go on. An event is acknowledged only after the recorder
// took it. An event whose chain is behind waits for one step of chaining, never longer.
func (s *Service) handOver(ctx context.Context) (recorders, store error) {
	var errs []error
	var chain chaining
	waited := false
	q := EventQuery{Limit: batch, Skip: s.held(s.holdbacks, s.o.Now())}
	for ctx.Err() == nil {
		more := s.chainNext(ctx, &chain)
		events, err := s.store.Events(ctx, q)
		if err != nil {
			return errors.Join(append(errs, chain.errs...)...), err
		}
		if len(events) == 0 {
			if more {
				continue
			}
			break
		}
		ready := chain.ready(events)
		if len(ready) == 0 && !waited {
			waited = true
			continue
		}
		waited = false
		if len(ready) > 0 {
			events = ready
		}
		failed := map[mspkit.TenantID]bool{}
		taken := make([]string, 0, len(events))
		var repaint []Ref
		for _, e := range events {
			if failed[e.Tenant] {
				continue
			}
			err := s.record(ctx, e)
			s.m.handedOver(ctx, e, err)
			s.took(s.holdbacks, e.Tenant, err == nil)
			if err != nil {
				failed[e.Tenant] = true
				q.Skip = append(q.Skip, e.Tenant)
				errs = append(errs, fmt.Errorf("event %s: %w", e.ID, err))
				continue
			}
			taken = append(taken, e.ID)
			repaint = append(repaint, s.repaints(ctx, e)...)
		}
		s.settle(ctx, repaint)
		actx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.DeliverTimeout)
		err = s.store.Ack(actx, taken)
		cancel()
		if err != nil {
			return errors.Join(append(errs, chain.errs...)...), err
		}
	}
	return errors.Join(append(errs, chain.errs...)...), nil
}

func (s *Service) record(ctx context.Context, e Event) error {
	if s.o.Recorder == nil {
		return nil
	}
	rctx, cancel := context.WithTimeout(ctx, s.o.DeliverTimeout)
	defer cancel()
	return s.o.Recorder.Record(rctx, e)
}

// repaints returns the challenges whose messages look different after e: its own, or, where it changes what is kept of a
// subject, all of the subject that are open.
func (s *Service) repaints(ctx context.Context, e Event) []Ref {
	var refs []Ref
	if s.settles(e.Channel) && e.Challenge != "" && (e.State.Final() || e.Kind == EventRenewed) {
		refs = append(refs, Ref{e.Tenant, e.Challenge})
	}
	switch e.Kind {
	case EventFrozen, EventUnfrozen, EventLocked, EventUnlocked:
	default:
		return refs
	}
	if !slices.ContainsFunc(slices.Collect(maps.Keys(s.o.Channels)), s.settles) {
		return refs
	}
	open, err := s.store.List(ctx, Query{Tenant: e.Tenant, Subject: e.Subject, OpenAt: s.o.Now(), Limit: batch})
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "verify: the messages of a person could not be repainted", slog.Any("error", err))
	}
	for _, r := range open {
		if s.settles(r.Channel) && r.ID != e.Challenge {
			refs = append(refs, r.Ref)
		}
	}
	return refs
}

func (s *Service) settles(channel string) bool {
	_, ok := s.o.Channels[channel].(Settler)
	return ok
}

// settlers is how many messages are repainted at once.
const settlers = 8

// settle has the messages of refs repainted as their challenges stand now. All of them together get the time of one
// delivery, so that a channel that hangs does not hold up the events; the outcome holds however a message looks.
func (s *Service) settle(ctx context.Context, refs []Ref) {
	if len(refs) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.DeliverTimeout)
	defer cancel()
	var wg sync.WaitGroup
	slots := make(chan struct{}, settlers)
	done := map[Ref]bool{}
	for _, ref := range refs {
		if done[ref] {
			continue
		}
		done[ref] = true
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := s.repaint(ctx, ref); err != nil {
				s.log.LogAttrs(ctx, slog.LevelWarn, "verify: a message could not be repainted", slog.String("challenge", ref.ID), slog.Any("error", err))
			}
		})
	}
	wg.Wait()
}

func (s *Service) repaint(ctx context.Context, ref Ref) error {
	r, sub, err := s.store.Get(ctx, ref)
	if err != nil {
		return err
	}
	settler, ok := s.o.Channels[r.Channel].(Settler)
	if !ok || r.ReceiptID == "" {
		return nil
	}
	v, err := s.view(ctx, r, sub)
	if err != nil {
		return err
	}
	return settler.Settle(ctx, Receipt{ID: r.ReceiptID}, v)
}

// deliverDue looks up what the public form asked for and sends the links.
func (s *Service) deliverDue(ctx context.Context) (lookups, store error) {
	if s.o.Lookup == nil {
		return nil, nil
	}
	due, err := s.store.Due(ctx, s.o.Now(), publicLease, batch)
	if err != nil {
		return nil, err
	}
	var failed, errs []error
	for _, q := range due {
		if err := s.answerPublic(ctx, q); err != nil {
			failed = append(failed, err)
			if s.o.Now().Sub(q.At) < publicGiveUp {
				continue // Due hands it out again after the lease
			}
		}
		errs = append(errs, s.store.Done(context.WithoutCancel(ctx), q.Tenant, q.ID))
	}
	return errors.Join(failed...), errors.Join(errs...)
}

func (s *Service) answerPublic(ctx context.Context, q Queued) error {
	plain, err := s.secrets.queue.Open(q.Sealed, string(q.Tenant), q.ID)
	if err != nil {
		return nil //nolint:nilerr // it can never be opened, so it is dropped
	}
	address := string(plain)
	lctx, cancel := context.WithTimeout(ctx, s.o.DeliverTimeout)
	r, err := s.o.Lookup(lctx, q.Tenant, address)
	cancel()
	if err != nil || r == nil {
		return err
	}
	// The address that was typed goes first, if it is on record.
	ds := make([]Destination, 0, len(r.Subject.Destinations))
	for _, d := range r.Subject.Destinations {
		if strings.EqualFold(d.Address, address) {
			ds = append([]Destination{d}, ds...)
		} else {
			ds = append(ds, d)
		}
	}
	subject := r.Subject // a copy: the host may hand out the same value again
	subject.Destinations = ds
	began := s.m.began()
	_, err = s.startTechnician(ctx, TechnicianRequest{
		Tenant: q.Tenant, Subject: subject, Call: r.Call, By: ByCaller, IdempotencyKey: "public/" + q.ID,
	}, s.publicLimits)
	s.m.ended(ctx, "answer-request", began, err)
	for _, final := range []error{ErrLimited, ErrFrozen, ErrLocked, ErrNoChannel, ErrPolicy, ErrInvalid, ErrConflict} {
		if errors.Is(err, final) {
			return nil // trying again would not help, and nobody may be told
		}
	}
	return err
}
