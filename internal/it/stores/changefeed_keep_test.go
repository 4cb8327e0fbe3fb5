package stores_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

// fakeTenant is a tenant of a fake Graph, and the credential for it.
type fakeTenant struct {
	graph  *graphfake.Server
	tenant *graphfake.Tenant
}

func (f fakeTenant) TenantCredential(context.Context, mspkit.TenantID) (azcore.TokenCredential, error) {
	return f, nil
}

func (f fakeTenant) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: f.graph.Bearer(f.tenant.ID), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// TestInstancesOfAChangefeedOnOneDatabase starts eight at once, each with a pool of its own, and lets one of them send.
func TestInstancesOfAChangefeedOnOneDatabase(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		migrateChangefeed(t, d)
		graph := graphfake.New(nil)
		srv := httptest.NewServer(graph)
		t.Cleanup(srv.Close)
		f := fakeTenant{graph, graph.AddTenant("", "Contoso", "contoso.example")}
		ann := f.tenant.Put(graphfake.User{DisplayName: "Ann"})
		chat := f.tenant.AddChat(ann)
		const app = "0a0a0a0a-1111-4222-8333-444455556666"
		ring, err := mspkit.NewKeyRing(mspkit.NewKey("one"))
		require.NoError(t, err)
		var (
			mu    sync.Mutex
			seen  = map[string]int{}
			feeds []*changefeed.Feed
		)
		sink := changefeed.SinkFunc(func(_ context.Context, e changefeed.Event) error {
			mu.Lock()
			defer mu.Unlock()
			seen[e.ID+" "+e.Message.Text]++
			return nil
		})
		receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { feeds[1].ServeHTTP(w, r) }))
		t.Cleanup(receiver.Close)
		for range 8 {
			feed, err := changefeed.New(changefeed.App{IDs: []string{app}, URL: receiver.URL}, ring, openChangefeed(t, d), f, sink, &changefeed.Options{
				Cloud: azurecred.Cloud{Login: srv.URL, Graph: srv.URL, GraphScope: "https://graph.microsoft.com/.default"},
			})
			require.NoError(t, err)
			feeds = append(feeds, feed)
		}
		resources := []changefeed.Resource{changefeed.Chat(chat), changefeed.AllChats(), changefeed.Users()}
		each := func(do func(f *changefeed.Feed) error) {
			t.Helper()
			var all sync.WaitGroup
			for _, feed := range feeds {
				all.Go(func() {
					if err := do(feed); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		}
		each(func(feed *changefeed.Feed) error {
			return feed.Follow(t.Context(), "contoso", f.tenant.ID, resources...)
		})
		each(func(feed *changefeed.Feed) error { return feed.KeepOnce(t.Context()) })
		require.Len(t, f.tenant.Subscriptions(), 3)
		require.Equal(t, 3, f.tenant.SubscriptionsMade())
		list, err := feeds[7].Subscriptions(t.Context(), "contoso")
		require.NoError(t, err)
		for _, s := range list {
			require.Equal(t, changefeed.Active, s.State, s.Fault)
		}

		f.tenant.OnChange(func(c graphfake.Changed) {
			status, err := graph.Send(t.Context(), graph.Notices(c, app)...)
			require.NoError(t, err)
			require.Equal(t, http.StatusAccepted, status)
		})
		for _, text := range []string{"one", "two", "three"} {
			f.tenant.Post(graphfake.Message{Chat: chat, From: ann, Content: text})
		}
		each(func(feed *changefeed.Feed) error { return feed.HandleOnce(t.Context()) })
		require.Len(t, seen, 3, "two subscriptions tell of the same with the same id")
	})
}
