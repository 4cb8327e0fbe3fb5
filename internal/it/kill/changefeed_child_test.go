package kill_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/backlog"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
	feedsql "github.com/mspkit/mspkit/teamsapp/changefeed/sqlstore"
)

const (
	feedChildEnv = "MSPKIT_TEST_KILL_FEED_CHILD"
	feedApp      = "0a0a0a0a-1111-4222-8333-444455556666"
)

// The deliberate faults of a child.
const (
	earlyAnswer = "answers before it is durable"
	earlyMark   = "marks events as handed over before they are"
	noStreams   = "keeps no order"
)

// feedOrders are what the parent tells a child.
type feedOrders struct {
	Place place
	// Graph is the server, URL where it sends notifications to.
	Graph, URL string
	Tenants    map[mspkit.TenantID]syncTenant
	Follow     map[mspkit.TenantID][]string
	Ring       string
	Journal    string
	// Ahead is by how much the clock is ahead.
	Ahead time.Duration
	// Die names the point at which the child ends itself when it comes there for the Nth time; empty is none.
	Die string
	Nth int64
	// Fault is what the child does wrong; empty is nothing.
	Fault string
}

// feedPoints are where a child may end itself: each side of each step, and a moment after it has begun.
func feedPoints() (out []string) {
	for _, verb := range []string{"Add", "Next", "sink", "MarkSeen", "Finish", "Lease", "Save"} {
		out = append(out, verb+"/before", verb+"/during", verb+"/after")
	}
	return out
}

// said is a message as the sink was told of it.
type said struct {
	Tenant     mspkit.TenantID
	Path, Text string
	Change     changefeed.Change
	Backfilled bool
}

// TestFeedChild is a process that follows chats until it is killed; elsewhere it does nothing.
func TestFeedChild(t *testing.T) {
	given := os.Getenv(feedChildEnv)
	if given == "" {
		return
	}
	go func() { // the parent is gone where this ends
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	var o feedOrders
	require.NoError(t, json.Unmarshal([]byte(given), &o))
	feed := o.feed(t)
	for tenant, resources := range o.Follow {
		var list []changefeed.Resource
		for _, path := range resources {
			r, err := changefeed.ParseResource(path)
			require.NoError(t, err)
			list = append(list, r)
		}
		require.NoError(t, feed.Follow(t.Context(), tenant, o.Tenants[tenant].ID, list...))
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: feed, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	fmt.Printf("ready http://%s\n", l.Addr())
	require.NoError(t, feed.Run(t.Context()))
}

// feed makes a feed as orders say.
func (o feedOrders) feed(t *testing.T) *changefeed.Feed {
	t.Helper()
	d := &deadly{Store: o.store(t, o.Place.db(t, 8)), o: o, journal: openJournal(t, o.Journal)}
	feed, err := changefeed.New(changefeed.App{IDs: []string{feedApp}, URL: o.URL}, o.ring(t), d, o, d, &changefeed.Options{
		Cloud:  azurecred.Cloud{Login: o.Graph, Graph: o.Graph, GraphScope: "https://graph.microsoft.com/.default"},
		Budget: 10 * time.Second, HandleTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, Workers: 6,
		Subscriptions: changefeed.KeepOptions{
			Basic: []changefeed.Kind{changefeed.ChannelMessage}, Lease: 30 * time.Second, Poll: 50 * time.Millisecond,
			Retry: 100 * time.Millisecond, SlowRetry: 200 * time.Millisecond,
		},
		Now: func() time.Time { return time.Now().Add(o.Ahead) },
	})
	require.NoError(t, err)
	return feed
}

func (o feedOrders) ring(t *testing.T) *mspkit.KeyRing {
	t.Helper()
	k, err := mspkit.ParseKey(o.Ring)
	require.NoError(t, err)
	ring, err := mspkit.NewKeyRing(k)
	require.NoError(t, err)
	return ring
}

func (o feedOrders) store(t *testing.T, db *sql.DB) *feedsql.Store {
	t.Helper()
	store, err := feedsql.New(db, o.Place.dialect(), nil)
	require.NoError(t, err)
	return store
}

// TenantCredential implements [azurecred.TenantCredentials].
func (o feedOrders) TenantCredential(_ context.Context, tenant mspkit.TenantID) (azcore.TokenCredential, error) {
	t, ok := o.Tenants[tenant]
	if !ok {
		return nil, azurecred.ErrNotConnected
	}
	return t, nil
}

// deadly is the store and the sink of a child, with the points at which it ends itself.
type deadly struct {
	changefeed.Store
	o       feedOrders
	journal *journal
	passed  atomic.Int64
}

// verb does f between its points.
func (d *deadly) verb(name string, f func() error) error {
	if point, ok := strings.CutPrefix(d.o.Die, name+"/"); ok && d.passed.Add(1) == d.o.Nth {
		switch point {
		case "before":
			die()
		case "during":
			time.AfterFunc(mathrand.N(3*time.Millisecond), die)
		default:
			_ = f()
			die()
		}
	}
	return f()
}

// Handle implements [changefeed.Sink]: what it was told of is on the disk when it returns.
func (d *deadly) Handle(_ context.Context, e changefeed.Event) error {
	if d.o.Fault == "" && mathrand.IntN(100) == 0 {
		return errors.New("the desk is away")
	}
	s := said{Tenant: e.Tenant, Path: e.Path, Change: e.Change, Backfilled: e.Backfilled}
	if e.Message != nil {
		s.Text = e.Message.Text
	}
	if d.o.Fault != "" {
		time.Sleep(mathrand.N(10 * time.Millisecond)) // so that kills come in here
	}
	return d.verb("sink", func() error { return d.journal.add(line{What: "said", ID: e.ID, Said: &s}) })
}

func (d *deadly) Seen(ctx context.Context, tenant mspkit.TenantID, event string, now time.Time) (bool, error) {
	seen, err := d.Store.Seen(ctx, tenant, event, now)
	if err == nil && !seen && d.o.Fault == earlyMark {
		err = d.Store.MarkSeen(ctx, tenant, event, now.Add(24*time.Hour))
	}
	return seen, err
}

func (d *deadly) MarkSeen(ctx context.Context, tenant mspkit.TenantID, event string, until time.Time) error {
	return d.verb("MarkSeen", func() error { return d.Store.MarkSeen(ctx, tenant, event, until) })
}

func (d *deadly) Lease(ctx context.Context, ref changefeed.Ref, holder string, now, until time.Time) (s changefeed.Subscription, err error) {
	err = d.verb("Lease", func() error { s, err = d.Store.Lease(ctx, ref, holder, now, until); return err })
	return s, err
}

func (d *deadly) Save(ctx context.Context, s changefeed.Subscription) (out changefeed.Subscription, err error) {
	err = d.verb("Save", func() error { out, err = d.Store.Save(ctx, s); return err })
	return out, err
}

func (d *deadly) Backlog() backlog.Store { return deadlyBacklog{d.Store.Backlog(), d} }

type deadlyBacklog struct {
	backlog.Store
	d *deadly
}

func (b deadlyBacklog) Add(ctx context.Context, items []backlog.Item) (n int, err error) {
	switch b.d.o.Fault {
	case earlyAnswer:
		go func() {
			time.Sleep(mathrand.N(30 * time.Millisecond))
			_, _ = b.Store.Add(context.WithoutCancel(ctx), items)
		}()
		return len(items), nil
	case noStreams:
		for i := range items {
			items[i].Key += rand.Text()
		}
	}
	err = b.d.verb("Add", func() error { n, err = b.Store.Add(ctx, items); return err })
	return n, err
}

func (b deadlyBacklog) Next(ctx context.Context, s mspkit.Stream, holder string, now, until time.Time) (it backlog.Item, err error) {
	err = b.d.verb("Next", func() error { it, err = b.Store.Next(ctx, s, holder, now, until); return err })
	return it, err
}

func (b deadlyBacklog) Finish(ctx context.Context, it backlog.Item, holder string, o backlog.Outcome, now time.Time) error {
	return b.d.verb("Finish", func() error { return b.Store.Finish(ctx, it, holder, o, now) })
}
