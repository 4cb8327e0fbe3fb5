package contracts

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

// feedDrive is a feed that a drive uses.
type feedDrive struct {
	*world
	feed  *changefeed.Feed
	store changefeed.Store
	here  string
	o     changefeed.Options
	ring  *mspkit.KeyRing
}

func newFeedDrive(t *testing.T, w *world) *feedDrive {
	t.Helper()
	d := &feedDrive{world: w, store: changefeed.NewMemory()}
	receiver := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { d.feed.ServeHTTP(rw, r) }))
	t.Cleanup(receiver.Close)
	d.here = receiver.URL
	var err error
	d.ring, err = mspkit.NewKeyRing(mspkit.NewKey("one"))
	require.NoError(t, err)
	d.o = changefeed.Options{Cloud: w.cloud, HTTPClient: w.rec.client(), Certificates: []changefeed.OwnCertificate{ownCertificate(t)}}
	d.begin(t)
	return d
}

// begin makes the feed anew.
func (d *feedDrive) begin(t *testing.T) {
	t.Helper()
	o := d.o
	sink := changefeed.SinkFunc(func(context.Context, changefeed.Event) error { return nil })
	var err error
	d.feed, err = changefeed.New(changefeed.App{IDs: []string{"0a0a0a0a-1111-4222-8333-444455556666"}, URL: d.here}, d.ring, d.store, d.world, sink, &o)
	require.NoError(t, err)
}

// keep follows and looks after what is due.
func (d *feedDrive) keep(t *testing.T, resources ...changefeed.Resource) {
	t.Helper()
	require.NoError(t, d.feed.Follow(t.Context(), "contoso", d.contoso.ID, resources...))
	require.NoError(t, d.feed.KeepOnce(t.Context()))
	list, err := d.feed.Subscriptions(t.Context(), "contoso")
	require.NoError(t, err)
	require.Len(t, list, len(resources))
	for _, s := range list {
		require.Equal(t, changefeed.Active, s.State, "%s: %s", s.Resource, s.Fault)
		require.Empty(t, s.Fault)
	}
}

// mark marks all records.
func (d *feedDrive) mark(t *testing.T, m changefeed.Mark, from time.Time) {
	t.Helper()
	list, err := d.feed.Subscriptions(t.Context(), "contoso")
	require.NoError(t, err)
	for _, s := range list {
		require.NoError(t, d.store.Mark(t.Context(), s.Ref, m, from, time.Now()))
	}
}

// ownCertificate is a host's for rich notifications.
func ownCertificate(t *testing.T) changefeed.OwnCertificate {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return changefeed.OwnCertificate{ID: "own", DER: der, Key: key}
}

// driveChangefeed subscribes to everything that can be followed, renews, reads what was missed, looks for what it has
// forgotten, and ends it.
func driveChangefeed(t *testing.T, w *world) {
	t.Helper()
	driveFeedReads(t, w)
	ann := w.contoso.Put(graphfake.User{DisplayName: "Ann", Mail: "ann@contoso.example"})
	bob := w.contoso.Put(graphfake.User{DisplayName: "Bob", Mail: "bob@contoso.example"})
	chat := w.contoso.AddChat(ann, bob)
	team, channel := w.contoso.AddTeam()
	all := []changefeed.Resource{
		changefeed.AllChats(), changefeed.AllChannelMessages(), changefeed.Chat(chat), changefeed.Channel(team, channel), changefeed.UserChats(ann),
		changefeed.Users(), changefeed.OneUser(ann), changefeed.PresenceOf(ann), changefeed.PresenceOf(ann, bob),
	}
	d := newFeedDrive(t, w)
	d.keep(t, all...)
	top := w.contoso.Post(graphfake.Message{Team: team, Channel: channel, From: ann, Content: "thread"})
	w.contoso.Post(graphfake.Message{Team: team, Channel: channel, ReplyTo: top.ID, From: bob, Content: "reply"})
	for range 51 { // more than a page
		w.contoso.Post(graphfake.Message{Chat: chat, From: ann, Content: "message"})
	}
	for range 20 {
		w.contoso.Post(graphfake.Message{Team: team, Channel: channel, From: ann, Content: "thread"})
	}
	w.contoso.Update(bob, func(u *graphfake.User) { u.JobTitle = "Controller" })
	d.mark(t, changefeed.Missed|changefeed.Reauthorize|changefeed.Doubt, time.Now().Add(-time.Hour))
	d.keep(t, all...)
	require.NoError(t, d.feed.HandleOnce(t.Context()))
	for _, s := range w.contoso.Subscriptions() {
		w.contoso.RemoveSubscription(s.ID)
	}
	d.mark(t, changefeed.Removed, time.Time{})
	d.keep(t, all...)
	// Another certificate.
	d.o.Certificates = nil
	d.begin(t)
	d.mark(t, changefeed.Reauthorize, time.Time{})
	d.keep(t, all...)
	// The database is lost, and a new one begins.
	d.store = changefeed.NewMemory()
	d.begin(t)
	d.keep(t, all...)
	require.Len(t, w.contoso.Subscriptions(), len(all))
	d.keep(t)
	require.Empty(t, w.contoso.Subscriptions())
}
