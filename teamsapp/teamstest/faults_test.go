package teamstest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp/teamstest"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	w := newWorld(t, &teamstest.Options{Limits: true, TokenLife: 24 * time.Hour, Now: func() time.Time { return now }})
	const text = `{"type":"message","text":"x"}`
	w.install()
	send := func() answer { return w.call(http.MethodPost, w.chat(), text) }
	many := func(n int) {
		for range n {
			require.Equal(t, http.StatusCreated, send().status)
		}
	}
	refused := func(wait string) {
		a := send()
		require.Equal(t, http.StatusTooManyRequests, a.status)
		require.Equal(t, "Throttled", a.code())
		require.Equal(t, wait, a.header.Get("Retry-After"))
	}
	many(7)
	refused("1")
	now = now.Add(999 * time.Millisecond)
	refused("1")
	now = now.Add(time.Millisecond) // 7 in the first second, and 8 within two
	many(1)
	refused("1")
	now = now.Add(time.Second)
	many(7)
	for range 6 {
		now = now.Add(2 * time.Second)
		many(7)
	}
	now = now.Add(2 * time.Second)
	many(60 - 7 - 1 - 7 - 6*7) // 60 in 30 s, which is what is left to 16 s
	refused("14")
	now = now.Add(14 * time.Second)
	many(7)
	require.Equal(t, 4, w.s.Throttled())
}

func TestATenantsLimitIsForAllItsPeople(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	w := newWorld(t, &teamstest.Options{Limits: true, TokenLife: time.Hour, Now: func() time.Time { return now }}).install()
	create := func(tenant, id string) int {
		body := `{"tenantId":"` + tenant + `","members":[{"id":"` + id + `"}]}`
		return w.call(http.MethodPost, "/teams/v3/conversations", body).status
	}
	ids := make([]string, 31)
	for i := range ids {
		ids[i] = "bbbbbbbb-1111-4222-8333-4444555566" + string(rune('a'+i/16)) + string("0123456789abcdef"[i%16])
		p := w.s.AddPerson(customer, ids[i], "P", "")
		require.NoError(t, p.Install(w.ctx()))
	}
	for _, id := range ids[:30] {
		require.Equal(t, http.StatusCreated, create(customer, id))
	}
	require.Equal(t, http.StatusTooManyRequests, create(customer, ids[30]))
	require.NoError(t, w.s.AddPerson(other, danaID, "Other", "").Install(w.ctx()))
	require.Equal(t, http.StatusCreated, create(other, danaID), "another tenant has its own")
	now = now.Add(time.Second)
	require.Equal(t, http.StatusCreated, create(customer, ids[30]))
	require.Equal(t, 1, w.s.Throttled())
}

func TestFaults(t *testing.T) {
	t.Parallel()
	const text = `{"type":"message","text":"x"}`
	w := newWorld(t, nil).install()
	token := w.token()
	send := func() (answer, error) { return w.try(http.MethodPost, w.chat(), token, text) }
	stored := func() int { return len(w.s.Messages(w.dana)) }

	w.s.Fail(teamstest.Fault{Op: teamstest.OpSend, Times: 2, Status: 502})
	w.s.Fail(teamstest.Fault{Status: 429, RetryAfter: "7"})
	w.s.Fail(teamstest.Fault{Op: teamstest.OpToken, Status: 503, Body: "down"})
	for _, want := range []int{502, 502, 429, 201} {
		a, err := send()
		require.NoError(t, err)
		require.Equal(t, want, a.status)
		require.Equal(t, map[bool]string{true: "7"}[want == 429], a.header.Get("Retry-After"))
	}
	require.Equal(t, 1, stored())
	require.Equal(t, 4, w.s.Count(teamstest.OpSend))
	require.Equal(t, "down", w.login(w.s.AppTenant(), nil).body)

	w.s.Fail(teamstest.Fault{Drop: true})
	_, err := send()
	require.Error(t, err)
	require.Equal(t, 1, stored())
	w.s.Fail(teamstest.Fault{Drop: true, Done: true})
	_, err = send()
	require.Error(t, err)
	require.Equal(t, 2, stored(), "done, and not told")
	w.s.Fail(teamstest.Fault{Status: 504, Done: true})
	a, err := send()
	require.NoError(t, err)
	require.Equal(t, 504, a.status)
	require.Equal(t, 3, stored())

	w.s.Fail(teamstest.Fault{Garbage: true})
	a, err = send()
	require.NoError(t, err)
	require.Equal(t, 200, a.status)
	require.False(t, json.Valid([]byte(a.body)))
	w.s.Fail(teamstest.Fault{Status: 403, Code: "BotNotInConversationRoster"})
	a, err = send()
	require.NoError(t, err)
	require.Equal(t, "BotNotInConversationRoster", a.code())
	w.s.Fail(teamstest.Fault{Delay: time.Millisecond})
	a, err = send()
	require.NoError(t, err)
	require.Equal(t, 201, a.status, "late, and well")

	w.s.Fail(teamstest.Fault{Endless: true})
	ctx, cancel := context.WithCancel(w.ctx())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.s.URL()+w.chat(), http.NoBody)
	require.NoError(t, err)
	resp, err := w.http.Do(r)
	require.NoError(t, err)
	_, err = io.CopyN(io.Discard, resp.Body, 4096)
	require.NoError(t, err)
	cancel()
	require.NoError(t, resp.Body.Close())

	w.s.Fail(teamstest.Fault{Times: -1, Status: 500})
	for range 3 {
		a, err = send()
		require.NoError(t, err)
		require.Equal(t, 500, a.status)
	}
	w.s.ClearFaults()
	a, err = send()
	require.NoError(t, err)
	require.Equal(t, 201, a.status)
}

func TestAShareOfRequestsFailsAndTheSameOnesAgain(t *testing.T) {
	t.Parallel()
	play := func(seed uint64) []int {
		w := newWorld(t, &teamstest.Options{Seed: seed}).install()
		token := w.token()
		w.s.FailRate(0.3, 412, 502, 0)
		out := make([]int, 60)
		for i := range out {
			if a, err := w.try(http.MethodGet, w.chat()[:len(w.chat())-len("/activities")]+"/members", token, ""); err == nil {
				out[i] = a.status
			}
		}
		return out
	}
	first := play(7)
	require.Equal(t, first, play(7))
	require.NotEqual(t, first, play(8))
	for _, status := range []int{0, 200, 412, 502} {
		require.Contains(t, first, status)
	}
	w := newWorld(t, &teamstest.Options{Seed: 3}).install()
	w.s.Fail(teamstest.Fault{Op: teamstest.OpSend, Times: -1, Probability: 0.5, Status: 502})
	got := map[int]int{}
	for range 40 {
		got[w.call(http.MethodPost, w.chat(), `{"type":"typing"}`).status]++
	}
	require.Greater(t, got[502], 5)
	require.Greater(t, got[201], 5)
}
