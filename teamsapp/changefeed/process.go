package changefeed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/internal/jwks"
	"github.com/mspkit/mspkit/internal/seal"
)

// kind names our streams in a [mspkit.Queue].
const kind = "graph-changes"

const (
	// keepEvery is how often what is old is looked at, noteEvery how often it is stored which subscriptions have delivered.
	keepEvery = 10 * time.Minute
	noteEvery = 15 * time.Second
	keepPage  = 1000
	// patience is the wait after an administrator's fault: consent is missing.
	patience = 5 * time.Minute
)

// inbound is the half of a [Feed] that takes notifications.
type inbound struct {
	c      *common
	subs   subscriber
	sink   Sink
	worker *backlog.Worker
	certs  *certificates
	judge  *tokenJudge
	known  knowledge
	// reading is how many bytes of bodies are in hand.
	reading atomic.Int64

	mu    sync.Mutex
	noted map[Ref]bool // which subscriptions have delivered since that was stored
}

var _ receiving = (*inbound)(nil)

func newInbound(c *common, sink Sink) (*inbound, error) {
	in := &inbound{c: c, sink: sink, certs: newCertificates(c), noted: map[Ref]bool{}}
	keys, err := jwks.New(c.o.Metadata, &jwks.Options{HTTPClient: c.o.HTTPClient, Logger: c.o.Logger, Now: c.o.Now})
	if err != nil {
		return nil, err
	}
	in.judge = &tokenJudge{keys: keys, publisher: c.o.Publisher, issuers: c.o.Issuers, now: c.o.Now}
	for _, id := range c.app.IDs {
		in.judge.audiences = append(in.judge.audiences, strings.ToLower(id))
	}
	timeout := c.o.HandleTimeout + c.o.ReadTimeout
	in.worker, err = backlog.New(c.store.Backlog(), in.handle, &backlog.Options{
		Kind: kind, Queue: c.o.Queue, Workers: c.o.Workers, Timeout: timeout, Lease: timeout + timeout/2, GiveUp: c.o.GiveUp, Keep: c.o.Keep,
		OnDead: in.dead, Logger: c.o.Logger, Now: c.o.Now,
	})
	return in, err
}

// handle does one item of the backlog.
func (in *inbound) handle(ctx context.Context, it backlog.Item) error {
	a, err := in.open(it)
	switch {
	case errors.Is(err, seal.ErrCorrupt):
		return backlog.Permanent(err)
	case err != nil:
		return err // a key may come back into the ring
	}
	resource, err := ParseResource(a.Resource)
	if err != nil {
		return backlog.Permanent(err)
	}
	if a.Lifecycle != "" {
		return in.subs.lifecycle(ctx, Ref{it.Tenant, resource.Key()}, a.Tag, a.Lifecycle, a.At)
	}
	reading, cancel := context.WithTimeout(ctx, in.c.o.ReadTimeout)
	defer cancel()
	e, err := in.event(reading, it, a, resource)
	if err != nil {
		return err
	}
	seen, err := in.c.store.Seen(reading, it.Tenant, e.ID, in.c.o.Now())
	if err != nil {
		return fmt.Errorf("changefeed: ask whether the event was handed over: %w", err)
	}
	if seen {
		in.count(ctx, MetricEvents, 1, mspkit.Attr{Key: "outcome", Value: "repeated"})
		return nil
	}
	if err := in.hand(ctx, e); err != nil {
		in.count(ctx, MetricEvents, 1, mspkit.Attr{Key: "outcome", Value: "failed"})
		return err
	}
	in.count(ctx, MetricEvents, 1, mspkit.Attr{Key: "outcome", Value: "handled"})
	in.time(ctx, MetricAge, a.At)
	// A crash before this repeats the event with the same id.
	if err := in.c.store.MarkSeen(ctx, it.Tenant, e.ID, in.c.o.Now().Add(in.c.o.Keep)); err != nil {
		return fmt.Errorf("changefeed: note that the event was handed over: %w", err)
	}
	return nil
}

// hand gives an event to the sink. What the sink's error says is not kept, because it may hold what somebody wrote.
func (in *inbound) hand(ctx context.Context, e *Event) error {
	ctx, cancel := context.WithTimeout(ctx, in.c.o.HandleTimeout)
	defer cancel()
	err := in.sink.Handle(ctx, *e)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrRejected):
		return backlog.Permanent(ErrRejected)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("changefeed: the sink did not finish within %s", in.c.o.HandleTimeout)
	}
	return fmt.Errorf("changefeed: the sink failed with a %T", err)
}

// event makes the event that an item tells of: proven, opened or read.
func (in *inbound) event(ctx context.Context, it backlog.Item, a *accepted, resource Resource) (*Event, error) {
	t, ok := parsePath(a.Path)
	if !ok || !resource.covers(t) {
		return nil, backlog.Permanent(errors.New("changefeed: the notification names what was not subscribed to"))
	}
	raw, err := in.content(ctx, it.Tenant, a, t)
	if err != nil {
		return nil, err
	}
	e := &Event{
		Tenant: it.Tenant, EntraTenant: a.EntraTenant, Resource: resource, Path: t.String(), Kind: t.kind, Change: a.Change, AcceptedAt: a.At,
		Backfilled: a.Backfilled, Raw: raw,
	}
	version := dataVersion(a.Data)
	if version == "" {
		version = it.ID
	}
	if (t.kind == User || t.kind == Presence) && len(raw) > 0 && !ofPerson(raw, t.user) {
		return nil, backlog.Permanent(fmt.Errorf("changefeed: %w", errElsewhere))
	}
	switch t.kind {
	case ChatMessage, ChannelMessage:
		if len(raw) == 0 {
			break
		}
		m, err := readMessage(raw, t)
		if err != nil {
			return nil, backlog.Permanent(fmt.Errorf("changefeed: %w", err))
		}
		e.Change, version, e.Message = m.change(a.Change), m.version(raw), m.message(t)
		if m.Created != nil {
			e.CreatedAt = m.Created.UTC()
		}
		if m.Modified != nil {
			e.ChangedAt = m.Modified.UTC()
		}
	case User:
		e.User = readUser(raw, t)
	case Presence:
		e.Presence = readPresence(raw, t)
	}
	if e.Change == "" {
		e.Change = Updated
	}
	e.ID = eventID(it.Tenant, e.Path, e.Change, version)
	return e, nil
}

// content returns what changed: found by a backfill, decrypted once it is proven, or read. nil means that it is not known, or
// not there any more.
func (in *inbound) content(ctx context.Context, tenant mspkit.TenantID, a *accepted, t target) (json.RawMessage, error) {
	switch {
	case len(a.Found) > 0:
		return a.Found, nil
	case a.Encrypted != nil:
		return in.decrypted(ctx, a)
	case t.kind == User && (!in.c.o.ReadUsers || a.Change == Deleted):
		return nil, nil
	case t.kind == Presence && (!in.c.o.ReadPresence || readPresence(a.Data, t).Availability != ""):
		return a.Data, nil // of presence Graph says what it is without encrypting it
	}
	return in.fetch(ctx, tenant, t)
}

// decrypted opens the content of a notification once its tokens prove it.
func (in *inbound) decrypted(ctx context.Context, a *accepted) (json.RawMessage, error) {
	if err := in.judge.judge(ctx, a.Tokens, a.EntraTenant, a.At); err != nil {
		if final, ok := errors.AsType[tokenError](err); ok {
			return nil, backlog.Permanent(fmt.Errorf("changefeed: %w", final))
		}
		if errors.Is(err, errUnknownKey) {
			return nil, backlog.Later(fmt.Errorf("changefeed: %w", err), jwks.Pause)
		}
		return nil, fmt.Errorf("changefeed: the validation tokens cannot be judged now: %w", err)
	}
	key, err := in.certs.find(ctx, a.Encrypted.CertificateID)
	switch {
	case errors.Is(err, errNoCertificate):
		return nil, backlog.Permanent(fmt.Errorf("changefeed: %w", err))
	case err != nil:
		return nil, err
	}
	raw, err := decrypt(key, a.Encrypted, in.c.o.MaxBody)
	if err != nil {
		return nil, backlog.Permanent(fmt.Errorf("changefeed: %w", err))
	}
	if !json.Valid(raw) {
		return nil, backlog.Permanent(fmt.Errorf("changefeed: %w", errUnreadable))
	}
	return raw, nil
}

// fetch reads a resource from Graph; nil where it is not there any more.
func (in *inbound) fetch(ctx context.Context, tenant mspkit.TenantID, t target) (json.RawMessage, error) {
	r := &graphx.Request{Tenant: tenant, Path: t.url(), Workload: messages}
	switch t.kind {
	case User:
		r.Workload = graphx.Directory
		r.Query = map[string][]string{"$select": {"id,displayName,userPrincipalName,mail,accountEnabled"}}
	case Presence:
		r.Workload = graphx.Presence
	case ChatMessage, ChannelMessage:
	}
	var raw json.RawMessage
	err := in.c.graph.Do(ctx, r, &raw)
	switch {
	case err == nil:
		return raw, nil
	case errors.Is(err, graphx.ErrNotFound):
		return nil, nil
	}
	wait := time.Duration(0)
	if e, ok := errors.AsType[*graphx.Error](err); ok {
		wait = e.RetryAfter
	}
	if errors.Is(err, graphx.ErrDenied) || errors.Is(err, graphx.ErrConsent) {
		wait = max(wait, patience)
	}
	return nil, backlog.Later(fmt.Errorf("changefeed: read what changed: %w", err), wait)
}

// ofPerson reports whether a user or a presence is of the person, as far as it says of whom it is.
func ofPerson(raw []byte, id string) bool {
	var d struct {
		ID string `json:"id"`
	}
	return json.Unmarshal(raw, &d) != nil || d.ID == "" || strings.EqualFold(d.ID, id)
}

func readUser(raw []byte, t target) *UserChange {
	u := &UserChange{ObjectID: t.user}
	var d struct {
		Name    string `json:"displayName"`
		UPN     string `json:"userPrincipalName"`
		Mail    string `json:"mail"`
		Enabled *bool  `json:"accountEnabled"`
	}
	if len(raw) > 0 && json.Unmarshal(raw, &d) == nil {
		u.Name, u.UPN, u.Mail, u.Enabled = cleanText(d.Name), cleanText(d.UPN), cleanText(d.Mail), d.Enabled
	}
	return u
}

func readPresence(raw []byte, t target) *PresenceChange {
	p := &PresenceChange{ObjectID: t.user}
	var d struct {
		Availability string `json:"availability"`
		Activity     string `json:"activity"`
	}
	if len(raw) > 0 && json.Unmarshal(raw, &d) == nil {
		p.Availability, p.Activity = d.Availability, d.Activity
	}
	return p
}

// delivered remembers that a subscription delivers.
func (in *inbound) delivered(r Ref) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.noted[r] = true
}

// note stores which subscriptions have delivered.
func (in *inbound) note(ctx context.Context) error {
	in.mu.Lock()
	refs := slices.Collect(maps.Keys(in.noted))
	clear(in.noted)
	in.mu.Unlock()
	if len(refs) == 0 {
		return nil
	}
	if err := in.c.store.Notified(ctx, refs, in.c.o.Now()); err != nil {
		return fmt.Errorf("changefeed: note which subscriptions deliver: %w", err)
	}
	return nil
}

// keep forgets what is old and seals anew what an old key sealed.
func (in *inbound) keep(ctx context.Context) error {
	errs := []error{in.certs.keep(ctx)}
	for ctx.Err() == nil {
		n, err := in.c.store.ExpireSeen(ctx, in.c.o.Now(), keepPage)
		if err != nil || n < keepPage {
			errs = append(errs, err)
			break
		}
	}
	for ctx.Err() == nil {
		n, err := in.c.store.Backlog().Rewrap(ctx, in.c.ring.Primary(), in.rewrapped, keepPage)
		if err != nil || n < keepPage {
			errs = append(errs, err)
			break
		}
	}
	return errors.Join(errs...)
}

func (in *inbound) rewrapped(it backlog.Item) ([]byte, error) {
	out, _, err := in.c.box.Rewrap(it.Sealed, "item", string(it.Tenant), it.ID)
	return out, err
}

// run handles what was accepted until ctx ends.
func (in *inbound) run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	for every, do := range map[time.Duration]func(context.Context) error{keepEvery: in.keep, noteEvery: in.note} {
		all.Go(func() {
			t := time.NewTicker(every)
			defer t.Stop()
			for {
				if err := do(ctx); err != nil && ctx.Err() == nil {
					in.c.o.Logger.LogAttrs(ctx, slog.LevelWarn, "changefeed: what is done now and then failed, it is tried again", slog.Any("error", err))
				}
				select {
				case <-ctx.Done():
					return
				case <-t.C:
				}
			}
		})
	}
	return in.worker.Run(ctx)
}
