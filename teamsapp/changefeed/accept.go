package changefeed

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/token"
)

const (
	// knownFor is how long a subscription is remembered. A secret that was replaced is good for so much longer.
	knownFor  = time.Minute
	mostKnown = 10_000
	// mostUnknown is how many subscriptions that are not ours one POST may have us look for.
	mostUnknown = 64
	// room is what sealing and JSON may add to a notification.
	room = 64 << 10
)

// accepted is what is stored of a notification, or of what a backfill found: all but the clientState.
type accepted struct {
	Subscription string          `json:"subscription,omitempty"`
	EntraTenant  string          `json:"entraTenant"`
	Resource     string          `json:"resource"`
	Path         string          `json:"path,omitempty"`
	Change       Change          `json:"change,omitempty"`
	Data         json.RawMessage `json:"data,omitempty"`
	Encrypted    *encrypted      `json:"encrypted,omitempty"`
	Tokens       []string        `json:"tokens,omitempty"`
	Lifecycle    lifecycleEvent  `json:"lifecycle,omitempty"`
	// Tag is that of the clientState with which a lifecycle event came.
	Tag string `json:"tag,omitempty"`
	// Found is the resource that a backfill read, Backfilled says that one did.
	Found      json.RawMessage `json:"found,omitempty"`
	Backfilled bool            `json:"backfilled,omitempty"`
	At         time.Time       `json:"at"`
}

// knowledge remembers subscriptions.
type knowledge struct {
	mu   sync.Mutex
	subs map[knownKey]knownEntry
}

// knownKey names a subscription as notifications do: by its id and the tag in its clientState.
type knownKey struct{ id, tag string }

type knownEntry struct {
	s     subscribed
	until time.Time
}

func (k *knowledge) get(key knownKey, now time.Time) (subscribed, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e, ok := k.subs[key]
	return e.s, ok && now.Before(e.until)
}

func (k *knowledge) put(key knownKey, s subscribed, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.subs) >= mostKnown || k.subs == nil {
		k.subs = map[knownKey]knownEntry{}
	}
	k.subs[key] = knownEntry{s, now.Add(knownFor)}
}

func (k *knowledge) clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.subs)
}

func (k *knowledge) forget(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.DeleteFunc(k.subs, func(key knownKey, _ knownEntry) bool { return key.id == id })
}

// asker finds the subscriptions that the notifications of one POST name.
type asker struct {
	in      *inbound
	unknown map[knownKey]bool
}

// The reasons why a notification is dropped.
const (
	dropUnreadable = "unreadable"
	dropUnknown    = "unknown-subscription"
	dropState      = "wrong-client-state"
	dropTenant     = "another-tenant"
)

// owner returns the subscription that n is of, or why it is of none of ours. The error is that of the store.
func (a *asker) owner(ctx context.Context, n *notification, now time.Time) (subscribed, string, error) {
	tag, ok := tagOf(n.ClientState)
	key := knownKey{n.SubscriptionID, tag}
	if !ok || a.unknown[key] {
		return subscribed{}, dropUnknown, nil
	}
	s, ok := a.in.known.get(key, now)
	if !ok {
		if len(a.unknown) >= mostUnknown {
			return subscribed{}, dropUnknown, nil
		}
		var err error
		s, err = a.in.subs.known(ctx, n.SubscriptionID, n.ClientState)
		switch {
		case errors.Is(err, ErrNotFound):
			a.unknown[key] = true
			return subscribed{}, dropUnknown, nil
		case err != nil:
			return subscribed{}, "", fmt.Errorf("changefeed: look for a subscription: %w", err)
		}
		a.in.known.put(key, s, now)
	}
	want, got := sha256.Sum256([]byte(s.ClientState.Reveal())), sha256.Sum256([]byte(n.ClientState))
	if subtle.ConstantTimeCompare(want[:], got[:]) != 1 || s.ClientState.Reveal() == "" {
		return subscribed{}, dropState, nil
	}
	if s.EntraTenant != n.TenantID {
		return subscribed{}, dropTenant, nil
	}
	return s, "", nil
}

// items returns what is to be stored of a batch. What is not ours is left out and counted.
func (in *inbound) items(ctx context.Context, b collection) ([]backlog.Item, error) {
	now := in.c.o.Now()
	tokens := sorted(b.Tokens)
	ask := &asker{in: in, unknown: map[knownKey]bool{}}
	out := make([]backlog.Item, 0, len(b.Value))
	dropped := map[string]int{}
	for _, raw := range b.Value {
		n, ok := parseNotification(raw)
		if !ok {
			dropped[dropUnreadable]++
			continue
		}
		s, reason, err := ask.owner(ctx, &n, now)
		if err != nil {
			return nil, err
		}
		if reason != "" {
			dropped[reason]++
			continue
		}
		it, err := in.item(&n, s, tokens[n.TenantID], now)
		if err != nil {
			return nil, err
		}
		out = append(out, it)
		if n.Lifecycle == "" { // that Graph says something of a subscription does not say that it delivers
			in.delivered(Ref{Tenant: s.Tenant, Key: s.Resource.Key()})
		}
	}
	for reason, n := range dropped {
		in.count(ctx, MetricDropped, n, mspkit.Attr{Key: "reason", Value: reason})
		in.c.o.Logger.LogAttrs(ctx, slog.LevelWarn, "changefeed: notifications were dropped", slog.String("reason", reason), slog.Int("notifications", n))
	}
	return out, nil
}

// item is what is stored of one notification. Its id is the same when Graph repeats the same notification, as far as that can be
// seen: two edits of a message without its content look alike, and of these each counts.
func (in *inbound) item(n *notification, s subscribed, tokens []string, now time.Time) (backlog.Item, error) {
	a := accepted{
		Subscription: n.SubscriptionID, EntraTenant: s.EntraTenant, Resource: s.Resource.String(), Path: n.Resource, Change: n.Change,
		Data: n.Data, Encrypted: n.Encrypted, Lifecycle: n.Lifecycle, At: now,
	}
	id, key := token.Random(), "unknown"
	switch {
	case n.Lifecycle != "":
		a.Path, a.Change, a.Data, a.Encrypted = "", "", nil, nil
		a.Tag, _ = tagOf(n.ClientState)
		return in.lifecycle(s.Tenant, &a)
	default:
		if t, ok := parsePath(n.Resource); ok {
			key = t.stream()
		}
		if e := n.Encrypted; e != nil {
			a.Tokens = tokens
			id = digest("encrypted", n.SubscriptionID, n.Resource, string(n.Change), e.Key, e.Signature)
			if len(e.Data)+len(e.Key)+len(n.Data) > backlog.MaxSealed-room-maxToken*maxTokensOfItem {
				a.Encrypted, a.Tokens, a.Data = nil, nil, nil // it is read from Graph instead
			}
		} else if v := dataVersion(n.Data); v != "" {
			id = digest("version", n.SubscriptionID, n.Resource, string(n.Change), v)
		}
	}
	return in.sealed(s.Tenant, key, id, &a)
}

// lifecycle is what is stored of a lifecycle event. Those of one time are one item, due at the end of it, so that what they ask
// for is done once and covers them all: no token proves them, and whoever has stolen a clientState could have subscriptions
// renewed, or what was missed read, without end. One that says that the subscription is gone is obeyed once, at once: the next
// one has another clientState.
func (in *inbound) lifecycle(tenant mspkit.TenantID, a *accepted) (backlog.Item, error) {
	end := a.At
	if every := lifecycleEvery[a.Lifecycle]; every > 0 {
		end = a.At.Truncate(every).Add(every)
	}
	parts := []string{"lifecycle", a.Tag, string(a.Lifecycle)}
	key := "lifecycle/" + digest(parts...)
	if !end.Equal(a.At) {
		parts = append(parts, end.UTC().Format(time.RFC3339))
	}
	it, err := in.sealed(tenant, key, digest(parts...), a)
	it.Due = end
	return it, err
}

// lifecycleEvery is how often a lifecycle event of a subscription is obeyed at most. Graph asks for a new authorization hours before
// it ends, and says seldom that something was missed.
var lifecycleEvery = map[lifecycleEvent]time.Duration{reauthorizationRequired: time.Minute, missed: 5 * time.Minute, subscriptionRemoved: 0}

func (in *inbound) sealed(tenant mspkit.TenantID, key, id string, a *accepted) (backlog.Item, error) {
	plain, err := json.Marshal(a)
	if err != nil {
		return backlog.Item{}, errors.New("changefeed: a notification cannot be encoded") // its error could quote it
	}
	return backlog.Item{Tenant: tenant, Key: key, ID: id, Sealed: in.c.box.Seal(plain, "item", string(tenant), id), AddedAt: a.At}, nil
}

// dataVersion returns what the data of a notification without content says about which state of the resource it tells of.
func dataVersion(data []byte) string {
	var d struct {
		ETag     string      `json:"@odata.etag"`
		Sequence json.Number `json:"sequenceNumber"`
	}
	switch {
	case len(data) == 0 || json.Unmarshal(data, &d) != nil:
		return ""
	case d.ETag != "":
		return d.ETag
	}
	return d.Sequence.String()
}

// store makes items durable and returns their streams. When it returns an error some may be stored: Graph repeats them, and they
// are known then.
func (in *inbound) store(ctx context.Context, items []backlog.Item) ([]mspkit.Stream, error) {
	var streams []mspkit.Stream
	seen := map[mspkit.Stream]bool{}
	for len(items) > 0 {
		part := items[:min(len(items), backlog.MaxItems)]
		items = items[len(part):]
		added, err := in.c.store.Backlog().Add(ctx, part)
		if err != nil {
			return nil, fmt.Errorf("changefeed: store notifications: %w", err)
		}
		in.count(ctx, MetricAccepted, added)
		in.count(ctx, MetricRepeated, len(part)-added)
		for _, it := range part {
			if s := it.Stream(kind); !seen[s] {
				seen[s] = true
				streams = append(streams, s)
			}
		}
	}
	return streams, nil
}

// accept implements [receiving].
func (in *inbound) accept(ctx context.Context, list []found) error {
	now := in.c.o.Now()
	items := make([]backlog.Item, 0, len(list))
	for _, f := range list {
		t, ok := parsePath(f.Path)
		if !ok {
			return fmt.Errorf("changefeed: a backfill found something at a path that cannot be read: %w", mspkit.ErrInvalid)
		}
		a := accepted{
			EntraTenant: f.EntraTenant, Resource: f.Resource.String(), Path: t.String(), Change: f.Change, Found: f.Raw, Backfilled: true, At: now,
		}
		version := digest(string(f.Raw), f.Version)
		if len(f.Raw) > backlog.MaxSealed-room {
			a.Found = nil
		}
		it, err := in.sealed(f.Tenant, t.stream(), digest("found", t.String(), string(f.Change), version), &a)
		if err != nil {
			return err
		}
		items = append(items, it)
	}
	streams, err := in.store(ctx, items)
	if err != nil {
		return err
	}
	for _, s := range streams {
		in.worker.Wake(ctx, s.Tenant, s.Key)
	}
	return nil
}

// open reads what is stored of an item.
func (in *inbound) open(it backlog.Item) (*accepted, error) {
	plain, err := in.c.box.Open(it.Sealed, "item", string(it.Tenant), it.ID)
	if err != nil {
		return nil, err
	}
	var a accepted
	if json.Unmarshal(plain, &a) != nil {
		return nil, seal.ErrCorrupt
	}
	return &a, nil
}

// certificate implements [receiving].
func (in *inbound) certificate(ctx context.Context) (id, der string, err error) {
	return in.certs.current(ctx)
}

// forget implements [receiving].
func (in *inbound) forget(id string) { in.known.forget(id) }
