package changefeed_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

func TestFollowingMakesOneSubscriptionAndEndsIt(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	ann := w.at.Put(graphfake.User{DisplayName: "Ann"})
	chat := w.at.AddChat(ann)
	team, channel := w.at.AddTeam()
	all := []changefeed.Resource{
		changefeed.AllChats(), changefeed.AllChannelMessages(), changefeed.Chat(chat), changefeed.Channel(team, channel), changefeed.UserChats(ann),
		changefeed.Users(), changefeed.OneUser(ann), changefeed.PresenceOf(ann), changefeed.PresenceOf(ann, w.at.ID),
	}
	w.follow(all...)
	w.follow(append(all, all[0])...)
	w.keep()
	w.keep()
	list, err := w.feed.Subscriptions(t.Context(), "contoso")
	require.NoError(t, err)
	require.Len(t, list, len(all))
	for _, s := range list {
		require.Equal(t, changefeed.Active, s.State, "%s: %s", s.Resource, s.Fault)
		require.True(t, s.Due.After(w.Now()) && s.Due.Before(s.ExpiresAt), s.Resource)
	}
	for _, s := range w.at.Subscriptions() {
		rich := strings.Contains(s.Resource, "essages") || strings.Contains(s.Resource, "presences")
		require.Equal(t, rich, s.IncludeResourceData, s.Resource)
		require.NotEmpty(t, s.LifecycleURL)
	}
	require.Equal(t, len(all), w.at.SubscriptionsMade())
	require.Zero(t, w.asked(http.MethodGet, "/subscriptions"), "the list is for doubt")

	w.follow(changefeed.AllChats())
	w.keep()
	w.one()
	w.follow()
	w.keep()
	require.Empty(t, w.at.Subscriptions())
	list, err = w.feed.Subscriptions(t.Context(), "contoso")
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestBadResourcesAreReportedTogether(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	ids := make([]string, 651)
	for i := range ids {
		ids[i] = fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", i)
	}
	for name, r := range map[string]changefeed.Resource{
		"zero":              {},
		"no chat":           changefeed.Chat(""),
		"another segment":   changefeed.Chat("../users"),
		"dots":              changefeed.Chat(".."),
		"a quote":           changefeed.Chat("19:a'b@thread.v2"),
		"a space":           changefeed.Chat("19:a b@thread.v2"),
		"a team of no id":   changefeed.Channel("team", "19:x@thread.tacv2"),
		"a user by address": changefeed.UserChats("ann@contoso.example"),
		"one user":          changefeed.OneUser("delta"),
		"nobody":            changefeed.PresenceOf(),
		"too many":          changefeed.PresenceOf(ids...),
		"a presence":        changefeed.PresenceOf("ann", ids[0]),
	} {
		require.ErrorIs(t, w.feed.Follow(t.Context(), "contoso", w.at.ID, r), mspkit.ErrInvalid, name)
		_, err := changefeed.ParseResource(r.String())
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
	}
	require.ErrorIs(t, w.feed.Follow(t.Context(), "", w.at.ID, changefeed.AllChats()), mspkit.ErrInvalid)
	require.ErrorIs(t, w.feed.Follow(t.Context(), "contoso", "common", changefeed.AllChats()), mspkit.ErrInvalid)
	err := w.feed.Follow(t.Context(), "contoso", w.at.ID, changefeed.Chat(".."), changefeed.PresenceOf())
	require.ErrorContains(t, err, "chat")
	require.ErrorContains(t, err, "presence")
	for _, r := range []changefeed.Resource{changefeed.PresenceOf(ids[:650]...), changefeed.PresenceOf(ids[0]), changefeed.OneUser(ids[0])} {
		again, err := changefeed.ParseResource(r.String())
		require.NoError(t, err)
		require.Equal(t, r, again)
		require.LessOrEqual(t, len(r.Key()), 200)
	}
}

func TestInstancesThatStartAtOnceMakeOneSubscription(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 8} {
		w := newKeepWorld(t, nil)
		w.follow(changefeed.AllChats(), changefeed.Users())
		var all sync.WaitGroup
		for i := range n {
			f := w.instance(time.Duration(i%3-1) * time.Minute) // clocks differ by up to a minute from that of Graph
			all.Go(func() {
				for range 3 {
					if err := f.KeepOnce(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		require.Len(t, w.at.Subscriptions(), 2)
		require.Equal(t, 2, w.at.SubscriptionsMade())
		require.Equal(t, 2, w.asked(http.MethodPost, "/subscriptions"))
	}
}

var errDead = errors.New("the process is gone")

// dies is a step that fails once at a point.
func dies(at string) func(string) error {
	var once atomic.Bool
	return func(point string) error {
		if point == at && once.CompareAndSwap(false, true) {
			return errDead
		}
		return nil
	}
}

func TestADeathBetweenAskingAndStoringLeavesOneSubscription(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"stored", "made"} {
		w := newKeepWorld(t, nil)
		w.follow(changefeed.AllChats())
		w.feed.AtStep(dies(point))
		require.ErrorIs(t, w.feed.KeepOnce(t.Context()), errDead)
		before := w.only()
		require.Equal(t, changefeed.Asked, before.State)
		require.Empty(t, before.ID)
		other := w.instance(time.Minute)
		require.NoError(t, other.KeepOnce(t.Context()))
		w.pass(changefeed.DefaultLease - time.Second)
		require.NoError(t, other.KeepOnce(t.Context()))
		require.Equal(t, before.Tag, w.only().Tag, "the dead one's lease is respected, also by a fast clock")
		w.pass(changefeed.DefaultLease + 3*time.Minute)
		require.NoError(t, other.KeepOnce(t.Context()))
		after := w.one()
		require.Equal(t, 1, w.at.SubscriptionsMade())
		if point == "made" {
			require.Equal(t, before.Tag, after.Tag, "what was made is taken over with its secret")
		}
	}
}

func TestANotificationMayBeFasterThanTheAnswerToTheRequest(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	chat := w.at.AddChat(w.at.Put(graphfake.User{DisplayName: "Ann"}))
	w.follow(changefeed.Chat(chat))
	told := 0
	w.at.OnChange(func(c graphfake.Changed) {
		status, err := w.graph.Send(t.Context(), w.graph.Notices(c, "0a0a0a0a-1111-4222-8333-444455556666")...)
		require.NoError(t, err)
		require.Equal(t, http.StatusAccepted, status)
		told++
	})
	w.feed.AtStep(func(point string) error {
		if point == "made" {
			require.Empty(t, w.only().ID, "the id is not known here yet")
			w.at.Post(graphfake.Message{Chat: chat, Content: "first"})
		}
		return nil
	})
	w.keep()
	require.Equal(t, 1, told)
	w.one()
	require.NoError(t, w.feed.HandleOnce(t.Context()))
	require.Len(t, w.seen, 1)
	require.Equal(t, "first", w.seen[0].Message.Text)
}

func TestALeaseThatEndsInFlightLeavesOneSubscription(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	w.at.SetSubscriptionQuirks(graphfake.SubscriptionQuirks{AllowDuplicates: true})
	w.follow(changefeed.AllChats())
	other := w.instance(0)
	w.feed.AtStep(func(point string) error {
		if point == "made" { // the machine sleeps
			w.pass(time.Hour)
			w.feed.AtStep(func(string) error { return nil })
			require.NoError(t, other.KeepOnce(t.Context()))
		}
		return nil
	})
	w.keep()
	w.one()
}

func TestWhatIsMadeForARecordThatMovedOnIsDeleted(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{false, true} {
		w := newKeepWorld(t, nil)
		w.at.SetSubscriptionQuirks(graphfake.SubscriptionQuirks{AllowDuplicates: true})
		w.follow(changefeed.AllChats())
		other := w.instance(0)
		w.feed.AtStep(func(point string) error {
			w.feed.AtStep(func(string) error { return nil })
			if point == "stored" { // the machine sleeps before it asks, and goes on when all is over
				w.pass(time.Hour)
				if !again {
					require.NoError(t, other.Follow(t.Context(), "contoso", w.at.ID))
				}
				require.NoError(t, other.KeepOnce(t.Context()))
			}
			return nil
		})
		w.keep()
		if again {
			w.one()
			continue
		}
		require.Empty(t, w.at.Subscriptions())
	}
}

func TestWhatGraphSaysInATurnIsDoneAfterIt(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	w.follow(changefeed.AllChats())
	w.feed.AtStep(func(point string) error {
		if point != "stored" { // it is saved once more in this turn, which ends with the next save
			return nil
		}
		w.feed.AtStep(func(string) error { return nil })
		return w.store.Mark(t.Context(), w.only().Ref, changefeed.Reauthorize, time.Time{}, w.Now())
	})
	w.keep()
	require.Equal(t, 1, w.asked(http.MethodPatch, "/subscriptions/"+w.one().ID))
	require.Zero(t, w.one().Marks)
}

func TestWhatIsForgottenHereIsClearedAway(t *testing.T) {
	t.Parallel()
	for name, q := range map[string]graphfake.SubscriptionQuirks{
		"409": {}, "403": {Duplicates403: true}, "bare": {BareResource: true}, "states": {ShowClientState: true},
	} {
		w := newKeepWorld(t, nil)
		w.at.SetSubscriptionQuirks(q)
		w.follow(changefeed.AllChats())
		w.keep()
		old := w.one()
		w.store = changefeed.NewMemory() // the database was lost
		w.feed = w.instance(0)
		w.follow(changefeed.AllChats())
		w.keep()
		require.NotEqual(t, old.ID, w.one().ID, name)
	}
}

func TestAnotherInstallationIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	w.follow(changefeed.AllChats())
	w.keep()
	w.one()
	// A second tenant of the host's leads to the same Entra tenant.
	require.NoError(t, w.feed.Follow(t.Context(), "twin", w.at.ID, changefeed.AllChats()))
	w.keep()
	w.one()
	list, err := w.feed.Subscriptions(t.Context(), "twin")
	require.NoError(t, err)
	require.Equal(t, changefeed.Taken, list[0].State)
	require.Contains(t, list[0].Fault, "another tenant of yours")
	// An installation with another URL and database.
	w.here = strings.Replace(w.here, "/hook", "/elsewhere", 1)
	w.store = changefeed.NewMemory()
	w.feed = w.instance(0)
	w.follow(changefeed.AllChats())
	w.keep()
	require.Equal(t, changefeed.Taken, w.only().State)
	require.Len(t, w.at.Subscriptions(), 1)
}

func TestRenewalComesAtHalfLifeAndTellsGone(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	w.follow(changefeed.AllChats())
	w.keep()
	made := w.one()
	w.pass(20 * time.Hour)
	w.keep()
	require.Equal(t, made.ExpiresAt, w.one().ExpiresAt)
	w.pass(16 * time.Hour)
	w.keep()
	renewed := w.one()
	require.True(t, renewed.ExpiresAt.After(made.ExpiresAt))
	require.Equal(t, made.ID, renewed.ID)
	require.Equal(t, made.Tag, renewed.Tag)

	w.at.RemoveSubscription(made.ID)
	w.pass(36 * time.Hour)
	w.keep()
	again := w.one()
	require.NotEqual(t, made.ID, again.ID)
	require.NotEqual(t, made.Tag, again.Tag)
	require.Equal(t, 2, w.at.SubscriptionsMade())
}

func TestCertificatesAreRotatedByRenewal(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	w.follow(changefeed.AllChats())
	w.keep()
	made := w.one()
	require.Equal(t, "own-1", made.Certificate)
	own := ownCertificates()
	w.o.Certificates = []changefeed.OwnCertificate{own[1], own[0]}
	w.feed = w.instance(0)
	w.graph.SetFault(graphfake.Times(1, graphfake.Fault{Status: 403, Code: "Forbidden"}, "/subscriptions/"))
	w.pass(36 * time.Hour)
	w.keep()
	failed := w.only()
	require.Equal(t, []string{"own-1", "own-2"}, []string{failed.Certificate, failed.NextCertificate}, "both are in use while it is not known")
	used, err := w.store.CertificatesInUse(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"own-1", "own-2"}, used)
	w.pass(time.Hour)
	w.keep()
	s := w.one()
	require.Equal(t, made.ID, s.ID)
	require.Equal(t, "own-2", s.Certificate)
	require.Empty(t, s.NextCertificate)
	require.Equal(t, "own-2", w.at.Subscriptions()[0].EncryptionCertificateID)
}

func TestRefusalsAreSaidInWordsAndTriedAgainSlowly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		breaks, mends func(w *keepWorld)
		state         changefeed.State
		says          string
	}{
		"consent": {
			func(w *keepWorld) { w.at.Grant("User.Read.All") }, func(w *keepWorld) { w.at.Grant("Chat.Read.All") },
			changefeed.Denied, "Chat.Read.All",
		},
		"revoked":       {func(w *keepWorld) { w.at.Revoke() }, func(w *keepWorld) { w.at.Restore() }, changefeed.Denied, "consent"},
		"not connected": {func(w *keepWorld) { w.gone.Store(true) }, func(w *keepWorld) { w.gone.Store(false) }, changefeed.Denied, "connect it"},
		"unreachable":   {func(w *keepWorld) { w.shut.Store(true) }, func(w *keepWorld) { w.shut.Store(false) }, changefeed.Unreachable, "notification URL"},
		"quota": {
			func(w *keepWorld) {
				w.graph.SetFault(func(r *http.Request) *graphfake.Fault {
					if r.Method != http.MethodPost {
						return nil
					}
					return &graphfake.Fault{Status: 403, Body: `{"error":{"code":"Forbidden","message":"The maximum number of subscriptions of megan@contoso.example is reached"}}`}
				})
			},
			func(w *keepWorld) { w.graph.SetFault(nil) },
			changefeed.Full, "quota",
		},
		"throttled": {
			func(w *keepWorld) { w.graph.SetFault(graphfake.Times(-1, graphfake.TooMany(2*time.Hour))) },
			func(w *keepWorld) {
				w.graph.SetFault(nil)
				w.feed = w.instance(0) // which does not wait two hours of the machine's
			},
			changefeed.Failing, "throttles",
		},
		"no answer": {
			func(w *keepWorld) {
				w.graph.SetFault(graphfake.Times(-1, graphfake.Fault{Drop: true, After: true}, "/subscriptions"))
			},
			func(w *keepWorld) { w.graph.SetFault(nil) },
			changefeed.Failing, "could not be reached",
		},
		"a shorter life": {
			func(w *keepWorld) {
				w.o.Subscriptions.Lifetimes = map[changefeed.Kind]time.Duration{changefeed.ChatMessage: 100 * time.Hour}
				w.feed = w.instance(0)
			},
			func(w *keepWorld) {
				w.o.Subscriptions.Lifetimes = nil
				w.feed = w.instance(0)
			},
			changefeed.Denied, "Lifetimes",
		},
		"garbage": {
			func(w *keepWorld) {
				w.graph.SetFault(graphfake.Times(-1, graphfake.Fault{Body: "[]"}, "/subscriptions"))
			},
			func(w *keepWorld) { w.graph.SetFault(nil) },
			changefeed.Failing, "cannot be read",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newKeepWorld(t, nil)
			c.breaks(w)
			w.follow(changefeed.AllChats())
			w.keep()
			s := w.only()
			require.Equal(t, c.state, s.State, s.Fault)
			require.Contains(t, s.Fault, c.says)
			require.NotContains(t, s.Fault, "megan")
			require.True(t, s.Due.After(w.Now().Add(30*time.Second)), "it is not tried all the time")
			asked := len(w.graph.Requests())
			w.keep()
			require.Len(t, w.graph.Requests(), asked)
			c.mends(w)
			if c.state == changefeed.Failing {
				w.pass(15 * time.Minute)
			} else {
				w.pass(time.Minute)
				w.keep()
				require.Equal(t, c.state, w.only().State, "nobody has said that it is mended")
				require.NoError(t, w.feed.Retry(t.Context(), "contoso"))
			}
			w.keep()
			w.one()
			require.Empty(t, w.only().Fault)
		})
	}
}

func TestLeavingWithoutConsentForgets(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	w.follow(changefeed.AllChats())
	w.keep()
	w.at.Revoke()
	w.follow()
	w.keep()
	list, err := w.feed.Subscriptions(t.Context(), "contoso")
	require.NoError(t, err)
	require.Empty(t, list)
}

// What was consented to a moment ago is in new tokens only.
func TestRetryAsksForAnotherToken(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	w.follow(changefeed.AllChats())
	w.keep()
	w.pass(time.Minute)
	asked, renewed := w.asks.Load(), w.asked(http.MethodPatch, "/subscriptions/"+w.one().ID)
	require.NoError(t, w.feed.Retry(t.Context(), "contoso"))
	w.keep()
	require.Equal(t, asked+1, w.asks.Load())
	require.Equal(t, renewed+1, w.asked(http.MethodPatch, "/subscriptions/"+w.one().ID), "it is tried at once")
}

func TestFollowingAgainWhileLeavingKeepsOne(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	w.follow(changefeed.AllChats())
	w.keep()
	id := w.one().ID
	w.follow()
	w.follow(changefeed.AllChats())
	w.keep()
	require.Equal(t, id, w.one().ID)
	// It is wanted again while somebody deletes it.
	w.follow()
	w.graph.SetFault(func(r *http.Request) *graphfake.Fault {
		if r.Method == http.MethodDelete {
			require.NoError(t, w.feed.Follow(context.Background(), "contoso", w.at.ID, changefeed.AllChats()))
		}
		return nil
	})
	w.keep()
	w.graph.SetFault(nil)
	w.pass(time.Hour)
	w.keep()
	w.one()
}

func TestAnotherURLOrTenantIsSubscribedAnew(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	w.follow(changefeed.AllChats())
	w.keep()
	old := w.one()
	w.here += "2"
	w.feed = w.instance(0)
	w.pass(36 * time.Hour)
	w.keep()
	require.NotEqual(t, old.ID, w.one().ID)
	require.True(t, strings.HasPrefix(w.at.Subscriptions()[0].NotificationURL, w.here+"?"))
	w.at = w.graph.AddTenant("", "Contoso new", "contoso2.example")
	w.feed = w.instance(0)
	w.follow(changefeed.AllChats())
	w.keep()
	require.Equal(t, w.at.ID, w.one().EntraTenant)
}

func TestKeysComeAndGo(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	w.follow(changefeed.AllChats())
	w.keep()
	made := w.one()
	renewed := func(keys ...mspkit.Key) changefeed.Subscription {
		t.Helper()
		var err error
		w.ring, err = mspkit.NewKeyRing(keys...)
		require.NoError(t, err)
		w.feed = w.instance(0)
		w.pass(36 * time.Hour)
		w.keep()
		return w.one()
	}
	second := mspkit.NewKey("two")
	s := renewed(second, w.key)
	require.Equal(t, made.ID, s.ID)
	id, err := seal.KeyID(s.Secret)
	require.NoError(t, err)
	require.Equal(t, "two", id, "it is sealed anew")
	require.Equal(t, made.ID, renewed(second).ID)
	require.NotEqual(t, made.ID, renewed(mspkit.NewKey("three")).ID, "what cannot be known as genuine is subscribed to anew")
}

func TestRunKeepsAndEnds(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, func(o *changefeed.Options) { o.Subscriptions.Poll = 10 * time.Millisecond })
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.feed.Run(ctx) }()
	w.follow(changefeed.AllChats())
	require.Eventually(t, func() bool { return len(w.at.Subscriptions()) == 1 }, 5*time.Second, 5*time.Millisecond)
	require.Eventually(t, func() bool { return w.only().State == changefeed.Active }, 5*time.Second, 5*time.Millisecond)
	stop()
	require.NoError(t, <-ended)
}

func TestAMarkDuringATurnIsObeyedAtOnce(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"stored", "made"} {
		w := newKeepWorld(t, nil)
		w.follow(changefeed.AllChats())
		w.feed.AtStep(func(at string) error {
			if at == point {
				r := changefeed.Ref{Tenant: "contoso", Key: changefeed.AllChats().Key()}
				return w.store.Mark(t.Context(), r, changefeed.Reauthorize, time.Time{}, w.Now())
			}
			return nil
		})
		w.keep()
		require.Equal(t, 1, w.asked(http.MethodPatch, "/subscriptions/"+w.one().ID), point)
	}
}
