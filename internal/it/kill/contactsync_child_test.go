package kill_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/graphcontacts"
	contactsql "github.com/mspkit/mspkit/contacts/sqlstore"
	"github.com/mspkit/mspkit/entra/azurecred"
)

const (
	syncChildEnv = "MSPKIT_TEST_KILL_SYNC_CHILD"
	syncSource   = "entra"
)

// syncOrders are what the parent tells a child.
type syncOrders struct {
	Place place
	// Graph is the server, Tenants are whose people are synced.
	Graph   string
	Tenants map[mspkit.TenantID]syncTenant
	// Early children store where a sync stands a moment before they store the page that leads there.
	Early bool
}

// syncTenant is a tenant of Microsoft 365, and a token for it.
type syncTenant struct{ ID, Bearer string }

// TestContactSyncChild is a process that keeps a directory in step until it is killed; elsewhere it does nothing.
func TestContactSyncChild(t *testing.T) {
	given := os.Getenv(syncChildEnv)
	if given == "" {
		return
	}
	go func() { // the parent is gone where this ends
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	var o syncOrders
	require.NoError(t, json.Unmarshal([]byte(given), &o))
	var say sync.Mutex
	tell := func(what string, v any) {
		b, _ := json.Marshal(v)
		say.Lock()
		defer say.Unlock()
		fmt.Printf("%s %s\n", what, b)
	}
	syncer := o.syncer(t, &contacts.SyncerOptions{
		Every: 20 * time.Millisecond, Poll: 20 * time.Millisecond, Parallel: 2,
		Hook: func(_ context.Context, e contacts.Event) error {
			time.Sleep(rand.N(4 * time.Millisecond)) // a mail to a manager
			tell("event", handed{Tenant: e.Tenant, Seq: e.Seq, Kind: e.Kind, Contact: e.Contact})
			return nil
		},
		Watch: func(r contacts.Report) {
			if r.Pages == 1 && r.Resumed {
				tell("resumed", nil)
			}
		},
	})
	for tenant := range o.Tenants { // what failed for the one before waits for a minute
		require.NoError(t, syncer.Schedule(t.Context(), contacts.Job{Tenant: tenant, Source: syncSource}, time.Time{}))
	}
	tell("ready", nil)
	require.NoError(t, syncer.Run(t.Context()))
}

// handed is an event as the hook was told of it.
type handed struct {
	Tenant  mspkit.TenantID
	Seq     int64
	Kind    contacts.EventKind
	Contact string
}

// syncer makes a syncer as orders say.
func (o syncOrders) syncer(t *testing.T, so *contacts.SyncerOptions) *contacts.Syncer {
	t.Helper()
	// Only the first run, and one after Graph has forgotten where we are, lists everybody: another would mend what was lost.
	source, err := graphcontacts.New(o, &graphcontacts.Options{
		Cloud:  azurecred.Cloud{Name: "fake", Login: o.Graph, Graph: o.Graph},
		Retry:  policy.RetryOptions{MaxRetries: 4, RetryDelay: 5 * time.Millisecond, MaxRetryDelay: 50 * time.Millisecond},
		Region: "US", WholeEvery: -1,
	})
	require.NoError(t, err)
	var dir contacts.Directory = o.store(t, o.Place.db(t, 6))
	if o.Early {
		dir = early{dir}
	}
	syncer, err := contacts.NewSyncer(dir, map[string]contacts.ContactSource{syncSource: source}, so)
	require.NoError(t, err)
	return syncer
}

func (o syncOrders) store(t *testing.T, db *sql.DB) *contactsql.Store {
	t.Helper()
	store, err := contactsql.New(db, o.Place.dialect(), nil)
	require.NoError(t, err)
	return store
}

// TenantCredential implements [azurecred.TenantCredentials].
func (o syncOrders) TenantCredential(_ context.Context, tenant mspkit.TenantID) (azcore.TokenCredential, error) {
	t, ok := o.Tenants[tenant]
	if !ok {
		return nil, azurecred.ErrNotConnected
	}
	return t, nil
}

// GetToken implements [azcore.TokenCredential].
func (t syncTenant) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: t.Bearer, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// early is a directory that does what must not be done: for a moment the checkpoint says that a page is stored that is not,
// and many kills come in that moment.
type early struct{ contacts.Directory }

func (d early) Apply(ctx context.Context, b contacts.Batch) (contacts.Applied, error) {
	at := b.At
	at.Cursor, at.Running, at.Whole = b.Page.Next, b.Page.More, b.Page.Whole
	at, err := d.SetCheckpoint(ctx, at)
	if err != nil {
		return contacts.Applied{}, err
	}
	if rand.IntN(3) == 0 {
		select {} // until it is killed
	}
	back := b.At
	back.Rev = at.Rev
	if b.At, err = d.SetCheckpoint(ctx, back); err != nil {
		return contacts.Applied{}, err
	}
	return d.Directory.Apply(ctx, b)
}
