package changefeed_test

import (
	"context"
	"crypto/rsa"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

// madeHere has the feed make its certificates.
func madeHere(w *feedWorld) { w.options.Certificates = nil }

func TestACertificateIsMadeOnceForAllInstances(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, madeHere)
	feeds := []*changefeed.Feed{w.feed, w.another(), w.another()}
	require.NoError(t, w.feed.Follow(t.Context(), "contoso", contosoID, changefeed.AllChats(), changefeed.AllChannelMessages()))
	require.NoError(t, w.feed.Follow(t.Context(), "fabrikam", fabrikamID, changefeed.AllChats()))
	var wg sync.WaitGroup
	for _, f := range feeds {
		wg.Go(func() {
			if err := f.KeepOnce(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, err := w.store.Certificates(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	c := list[0]
	subs := append(w.contoso.Subscriptions(), w.fabrikam.Subscriptions()...)
	require.Len(t, subs, 3)
	for _, s := range subs {
		require.Equal(t, c.ID, s.EncryptionCertificateID)
		require.Equal(t, c.DER, s.Certificate.Raw)
		key, ok := s.Certificate.PublicKey.(*rsa.PublicKey)
		require.True(t, ok)
		require.Equal(t, 2048, key.N.BitLen())
		require.NoError(t, s.Certificate.CheckSignature(s.Certificate.SignatureAlgorithm, s.Certificate.RawTBSCertificate, s.Certificate.Signature))
	}
	require.NotContains(t, string(c.Sealed), "PRIVATE")

	// Whichever instance gets it opens it.
	require.Equal(t, 202, w.send(w.said(w.contoso, "hello")))
	require.NoError(t, feeds[2].HandleOnce(t.Context()))
	require.Equal(t, []string{"hello"}, w.sink.texts())
}

func TestCertificatesAreRotatedAndOldOnesKeptAsLongAsTheyAreNeeded(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, func(w *feedWorld) {
		madeHere(w)
		w.options.Rotate = 10 * 24 * time.Hour
		w.options.GiveUp, w.options.Subscriptions.Outage = -1, -1
	})
	ids := func() []string {
		list, err := w.store.Certificates(t.Context())
		require.NoError(t, err)
		out := []string{}
		for _, c := range list {
			out = append(out, c.ID)
		}
		return out
	}
	used := func() string { return w.contoso.Subscriptions()[0].EncryptionCertificateID }
	w.follow("contoso", changefeed.AllChats())
	first := used()
	w.handle()
	old, lost := graphfake.Notice{}, graphfake.Notice{}

	// Renewals go over to the next one, and the first is kept for what is on its way.
	for range 20 {
		old, lost = w.said(w.contoso, "encrypted for the first"), w.said(w.contoso, "encrypted for it, and not handled for long")
		w.clock.move(24 * time.Hour)
		require.NoError(t, w.feed.KeepOnce(t.Context()))
		w.handle()
		if used() != first {
			break
		}
	}
	second := used()
	require.NotEqual(t, first, second)
	require.Equal(t, []string{second, first}, ids())
	w.clock.move(3 * time.Hour)
	w.handle()
	w.sink.failing(func(e changefeed.Event) error {
		if e.Message.Text != "encrypted for the first" {
			return errSink
		}
		return nil
	})
	fresh := w.said(w.contoso, "encrypted for the second")
	require.Equal(t, 202, w.send(old, lost, fresh))
	w.handle()
	require.Equal(t, []string{"encrypted for the first"}, w.sink.texts())

	// As long as something of that time waits, the key is there.
	for range 3 {
		w.clock.move(12 * time.Hour)
		require.NoError(t, w.feed.KeepOnce(t.Context()))
		w.handle()
		require.Contains(t, ids(), first)
	}
	w.sink.failing(nil)
	w.clock.move(time.Hour)
	w.handle()
	require.Equal(t, []string{"encrypted for the first", "encrypted for it, and not handled for long", "encrypted for the second"}, w.sink.texts())
	w.handle()
	require.NotContains(t, ids(), first)
	require.Contains(t, ids(), used())
	require.Empty(t, w.dead(""))

	// What comes for it now is too late.
	again := old.Clone()
	again.Item["encryptedContent"].(map[string]any)["data"] = "AAAAAAAAAAAAAAAAAAAAAA=="
	flip(again.Item["encryptedContent"].(map[string]any), "dataSignature")
	require.Equal(t, 202, w.send(again))
	w.handle()
	require.Len(t, w.dead(""), 1)
	require.Contains(t, w.dead("")[0].Fault, "certificate that is not known")
}

func TestKeysOfCertificatesAndNotificationsAreSealedAnewWhenTheRingChanges(t *testing.T) {
	t.Parallel()
	k1, k2 := mspkit.NewKey("k1"), mspkit.NewKey("k2")
	ring := func(keys ...mspkit.Key) *mspkit.KeyRing {
		r, err := mspkit.NewKeyRing(keys...)
		require.NoError(t, err)
		return r
	}
	w := newFeedWorld(t, func(w *feedWorld) {
		madeHere(w)
		w.ring = ring(k1)
	})
	w.follow("contoso", changefeed.AllChats())
	w.sink.failing(func(changefeed.Event) error { return errSink })
	require.Equal(t, 202, w.send(w.said(w.contoso, "hello")))
	w.handle()
	w.ring = ring(k2, k1)
	w.feed = w.another()
	w.handle()
	// The old key is gone, and what waited and what comes opens all the same.
	w.ring = ring(k2)
	w.feed = w.another()
	w.sink.failing(nil)
	w.clock.move(time.Hour)
	w.handle()
	require.Equal(t, []string{"hello"}, w.sink.texts())
	require.Empty(t, w.dead(""))
}

// A ring that lacks a key for a while, as where a secret store was read in part, loses nothing.
func TestWhatWaitsUnderAKeyThatIsNotThereWaitsOn(t *testing.T) {
	t.Parallel()
	k1, k2 := mspkit.NewKey("k1"), mspkit.NewKey("k2")
	ring := func(keys ...mspkit.Key) *mspkit.KeyRing {
		r, err := mspkit.NewKeyRing(keys...)
		require.NoError(t, err)
		return r
	}
	w := newFeedWorld(t, func(w *feedWorld) { w.ring = ring(k1) })
	w.follow("contoso", changefeed.AllChats())
	require.Equal(t, 202, w.send(w.said(w.contoso, "hello")))
	w.ring = ring(k2)
	w.feed = w.another()
	require.ErrorIs(t, w.feed.HandleOnce(t.Context()), mspkit.ErrUnknownKey)
	require.Empty(t, w.dead(""))
	waiting, _, _, err := w.feed.Backlog(t.Context(), "contoso")
	require.NoError(t, err)
	require.Equal(t, 1, waiting)
	w.ring = ring(k2, k1)
	w.feed = w.another()
	w.clock.move(time.Hour)
	w.handle()
	require.Equal(t, []string{"hello"}, w.sink.texts())
}

func TestTheHostsCertificatesAreChecked(t *testing.T) {
	t.Parallel()
	own := ownCertificates()
	for name, list := range map[string][]changefeed.OwnCertificate{
		"no id":             {{DER: own[0].DER, Key: own[0].Key}},
		"an id with spaces": {{ID: "a b", DER: own[0].DER, Key: own[0].Key}},
		"no certificate":    {{ID: "a", Key: own[0].Key}},
		"no key":            {{ID: "a", DER: own[0].DER}},
		"another's key":     {{ID: "a", DER: own[0].DER, Key: own[1].Key}},
		"an id twice":       {{ID: "a", DER: own[0].DER, Key: own[0].Key}, {ID: "a", DER: own[1].DER, Key: own[1].Key}},
	} {
		w := newFeedWorld(t, nil)
		w.options.Certificates = list
		o := w.options
		_, err := changefeed.New(changefeed.App{IDs: []string{ourApp}, URL: w.hereAt}, w.ring, w.store, w, w.sink, &o)
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
	}
}

func TestNewReportsAllFaultsTogether(t *testing.T) {
	t.Parallel()
	_, err := changefeed.New(changefeed.App{IDs: []string{"no-guid"}, URL: "http://msp.example/graph"}, nil, nil, nil, nil, &changefeed.Options{
		MaxBody: -1, Budget: -1, HandleTimeout: -1, Keep: time.Hour, Rotate: time.Minute, GiveUp: time.Second, Publisher: "x", Issuers: []string{"https://sts.windows.net/"}, Workers: -1,
	})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, word := range []string{"app id", "App.URL", "MaxBody", "Budget", "HandleTimeout", "Keep", "Rotate", "GiveUp", "Publisher", "Issuers", "Workers", "key ring", "no store", "no credentials", "no sink"} {
		require.ErrorContains(t, err, word)
	}
	_, err = changefeed.New(changefeed.App{URL: "https://msp.example/graph?x"}, nil, nil, nil, nil, nil)
	require.ErrorContains(t, err, "an app id is needed")
	require.ErrorContains(t, err, "App.URL")
}

func TestWhereFIPSIsEnforcedContentIsNotAskedFor(t *testing.T) {
	t.Parallel()
	require.NoError(t, changefeed.CheckFIPS(false))
	require.NoError(t, changefeed.CheckFIPS(true, changefeed.Presence, changefeed.ChatMessage, changefeed.ChannelMessage))
	err := changefeed.CheckFIPS(true, changefeed.ChatMessage, changefeed.ChannelMessage)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	require.ErrorContains(t, err, "FIPS 140")
}

// tampered is a store in which somebody has put another certificate beside the key of the first one.
type tampered struct {
	changefeed.Store
	der []byte
}

func (s *tampered) Certificates(ctx context.Context) ([]changefeed.Certificate, error) {
	list, err := s.Store.Certificates(ctx)
	if n := len(list); n > 0 && s.der != nil {
		list[n-1].DER = s.der
	}
	return list, err
}

func TestGraphGetsNoCertificateWhoseKeyIsNotHere(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(w *feedWorld, s *tampered){
		"somebody else's certificate": func(_ *feedWorld, s *tampered) { s.der = ownCertificates()[0].DER },
		"no certificate":              func(_ *feedWorld, s *tampered) { s.der = []byte("none") },
		"the ring has lost its key": func(w *feedWorld, _ *tampered) {
			ring, err := mspkit.NewKeyRing(mspkit.NewKey("another"))
			require.NoError(t, err)
			w.ring = ring
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s *tampered
			w := newFeedWorld(t, func(w *feedWorld) {
				madeHere(w)
				s = &tampered{Store: w.store}
				w.store = s
			})
			w.follow("contoso", changefeed.AllChats())
			first := w.contoso.Subscriptions()[0].EncryptionCertificateID
			w.handle()
			spoil(w, s)
			w.feed = w.another()
			w.clock.move(48 * time.Hour)
			for range 3 { // it is made once
				require.NoError(t, w.feed.KeepOnce(t.Context()))
			}
			sub := w.contoso.Subscriptions()[0]
			require.NotEqual(t, first, sub.EncryptionCertificateID)
			require.NotEqual(t, ownCertificates()[0].DER, sub.Certificate.Raw)
			require.Contains(t, w.log.String(), "certificate cannot be used")
			require.Equal(t, 202, w.send(w.said(w.contoso, "hello")))
			_ = w.feed.HandleOnce(t.Context()) // which says that the first one cannot be sealed anew
			require.Equal(t, []string{"hello"}, w.sink.texts())
		})
	}
}
