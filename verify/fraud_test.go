package verify_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

// countries is a channel that costs money and may send ten unconfirmed messages a day to one country.
type countries struct{ *outbox }

func (countries) Budget(_ mspkit.TenantID, address string) (string, int, time.Duration) {
	return address[:3], 10, 24 * time.Hour
}

// texting returns a world with the default limits, but for the cooldown, in which text messages cost money.
func texting(t testing.TB) *world {
	t.Helper()
	return newWorld(t, func(w *world, o *verify.Options) { o.Channels["sms"] = countries{w.sms} })
}

// text asks for a text message to a number, of a subject of its own.
func (w *world) text(tenant, number string) verify.StartRequest {
	r := w.request()
	r.Tenant, r.Channel, r.Action = mspkit.TenantID(tenant), "sms", verify.ActionUnlock
	r.Subject.ID = "owner of " + number[len(number)-3:]
	r.Subject.Destinations = []verify.Destination{{Channel: "sms", Address: number, FirstSeen: w.clock.AddDate(-1, 0, 0)}}
	return r
}

// alerts returns what limits were reported as reached, by tenant.
func (w *world) alerts(t testing.TB) []string {
	t.Helper()
	w.kinds(t)
	var out []string
	for _, e := range w.events {
		if e.Kind == verify.EventLimit {
			require.True(t, e.Kind.Alert())
			require.NotContains(t, fmt.Sprintf("%+v", e), "+4", "an alert names a destination")
			out = append(out, string(e.Tenant)+": "+e.Reason)
		}
	}
	return out
}

func TestPumpingOneNumberThroughTwentyTenantsIsStoppedAndAlertsOnce(t *testing.T) {
	t.Parallel()
	w := texting(t)
	sent, refused := 0, map[string]int{}
	pump := func() {
		for i := range 20 {
			limit := w.begin(t, w.text(fmt.Sprint("tenant-", i), "+4915550100042"))
			if limit == "" {
				sent++
			}
			refused[limit]++
			w.pass(time.Minute)
		}
	}
	pump()
	require.Equal(t, 5, sent, "messages that cost something")
	require.Equal(t, map[string]int{"": 5, verify.LimitUnverified: 15}, refused)
	require.Equal(t, []string{"tenant-4: " + verify.LimitUnverified}, w.alerts(t))
	// Another number, another country and another tenant go on.
	require.Empty(t, w.begin(t, w.text("tenant-0", "+4915550100043")))
	require.Empty(t, w.begin(t, w.text("tenant-0", "+43664555010042")))
	require.Empty(t, w.begin(t, w.text("fabrikam", "+4915550100044")))
	// And so does the same person, by another way.
	r := w.text("tenant-0", "+4915550100042")
	r.Channel, r.Action, r.Subject = "", verify.ActionIdentify, w.dana()
	require.Empty(t, w.begin(t, r))

	w.pass(23 * time.Hour)
	require.Equal(t, verify.LimitUnverified, w.begin(t, w.text("tenant-9", "+4915550100042")), "the window began with the first message")
	w.pass(time.Hour)
	pump()
	require.Equal(t, 10, sent, "a window later")
	require.Len(t, w.alerts(t), 2, "one alert per window")
}

func TestPumpingOneCountryIsStoppedTenantByTenantAndAlertsOnceEach(t *testing.T) {
	t.Parallel()
	w := texting(t)
	var want []string
	for i := range 20 {
		who := fmt.Sprint("tenant-", i)
		for n := range 15 { // a number each, as whoever earns by them has
			limit := w.begin(t, w.text(who, fmt.Sprintf("+4915550%02d%03d", i, n)))
			if n < 10 {
				require.Empty(t, limit, "message %d of %s", n, who)
			} else {
				require.Equal(t, verify.LimitBudget, limit)
			}
		}
		want = append(want, who+": "+verify.LimitBudget)
	}
	require.Equal(t, want, w.alerts(t))
	require.Empty(t, w.begin(t, w.text("tenant-3", "+436645550100")), "another country of the same tenant")
	require.Empty(t, w.begin(t, w.text("fabrikam", "+4915550100000")), "the country through another tenant")
	w.pass(24 * time.Hour)
	require.Empty(t, w.begin(t, w.text("tenant-3", "+4915550100000")))
}

func TestConfirmedMessagesGiveTheirCountBack(t *testing.T) {
	t.Parallel()
	w := texting(t)
	w.settings.Limits.PerDestination, w.settings.Limits.PerSubject = -1, -1
	for range 30 { // an honest person who needs the desk often
		c, err := w.Start(t.Context(), w.text("contoso", "+4915550100042"))
		require.NoError(t, err)
		w.answer(t, c, c.Number.Reveal())
	}
	require.Empty(t, w.alerts(t))
	// One who needed three messages for one verification gets all three back.
	for range 4 {
		c, err := w.Start(t.Context(), w.text("contoso", "+4915550100042"))
		require.NoError(t, err)
		for range 2 {
			c, err = w.Renew(t.Context(), verify.RenewRequest{Ref: c.Ref, Technician: jane.ID, Send: true})
			require.NoError(t, err)
		}
		w.answer(t, c, c.Number.Reveal())
	}
	require.Empty(t, w.alerts(t))
	require.Equal(t, 42, w.sms.count())
	// A renewal that is sent counts like a message of its own, and alerts as well.
	c, err := w.Start(t.Context(), w.text("contoso", "+4915550100042"))
	require.NoError(t, err)
	for range 2 {
		_, err = w.Renew(t.Context(), verify.RenewRequest{Ref: c.Ref, Technician: jane.ID, Send: true})
		require.NoError(t, err)
	}
	require.Empty(t, w.begin(t, w.text("contoso", "+4915550100042")))
	c, err = w.Start(t.Context(), w.text("contoso", "+4915550100042"))
	require.NoError(t, err)
	require.Equal(t, []string{"contoso: " + verify.LimitUnverified}, w.alerts(t))
	_, err = w.Renew(t.Context(), verify.RenewRequest{Ref: c.Ref, Technician: jane.ID, Send: true})
	require.ErrorIs(t, err, verify.ErrLimited)
	// A denial gives nothing back, a number that is only said costs nothing.
	_, err = w.Renew(t.Context(), verify.RenewRequest{Ref: c.Ref, Technician: jane.ID})
	require.NoError(t, err)
	require.NoError(t, w.Cancel(t.Context(), c.Ref, jane.ID, ""))
	require.Equal(t, verify.LimitUnverified, w.begin(t, w.text("contoso", "+4915550100042")))
}

func TestWhatCostsNothingIsNotCountedAsUnverified(t *testing.T) {
	t.Parallel()
	w := texting(t)
	for range 10 {
		require.Empty(t, w.begin(t, w.request()))
	}
	require.Equal(t, verify.LimitDestination, w.begin(t, w.request()))
	require.Empty(t, w.alerts(t))

	w = texting(t)
	w.settings.Limits.UnverifiedPerDestination = -1
	for range 10 {
		require.Empty(t, w.begin(t, w.text("contoso", "+4915550100042")))
	}
	require.NotContains(t, strings.Join(w.alerts(t), " "), verify.LimitUnverified, "turned off")
}

// counting is a store that keeps the limits that it was given.
type counting struct {
	verify.Store
	limits []verify.Limit
}

func (c *counting) Begin(ctx context.Context, n verify.NewChallenge, limits []verify.Limit, now time.Time) (verify.Record, bool, error) {
	c.limits = limits
	return c.Store.Begin(ctx, n, limits, now)
}

func TestCountersOfADestinationAreKeptInOnePlaceAndDoNotNameIt(t *testing.T) {
	t.Parallel()
	var store *counting
	w := newWorld(t, func(w *world, o *verify.Options) {
		o.Channels["sms"] = countries{w.sms}
		store = &counting{Store: w.store}
		w.store = store
	})
	w.settings.Limits = verify.Limits{}
	require.Empty(t, w.begin(t, w.text("contoso", "+4915550100042")))
	places, names := map[string]bool{}, []string{}
	for _, l := range store.limits {
		names = append(names, l.Name)
		require.NotContains(t, l.Key, "4915550100042")
		if l.Global {
			places[l.Key[:strings.LastIndexByte(l.Key, '/')]] = true
		} else {
			require.True(t, strings.HasPrefix(l.Key, "tenant/7/contoso/"), l.Key)
		}
	}
	require.Equal(t, []string{verify.LimitCooldown, verify.LimitDestination, verify.LimitSubject, verify.LimitBudget, verify.LimitUnverified}, names)
	require.Len(t, places, 1, "%v", places)
}
