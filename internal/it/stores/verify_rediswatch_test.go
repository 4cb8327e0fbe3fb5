package stores_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/redisstore"
)

// seen sends what a watcher yields.
func seen(ctx context.Context, t *testing.T, store *redisstore.Store, ref verify.Ref) <-chan verify.Record {
	t.Helper()
	out := make(chan verify.Record, 100)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(out)
		for r, err := range store.Watch(ctx, ref) {
			if err != nil {
				t.Errorf("watch: %v", err)
				return
			}
			out <- r
		}
	})
	t.Cleanup(wg.Wait)
	return out
}

// until reads records until one is in a state, and returns how long that took.
func until(t *testing.T, records <-chan verify.Record, state verify.State) time.Duration {
	t.Helper()
	begun, late := time.Now(), time.After(20*time.Second)
	for {
		select {
		case r, ok := <-records:
			require.True(t, ok, "the watch has ended")
			if r.State == state {
				return time.Since(begun)
			}
		case <-late:
			t.Fatalf("nobody told that it is %s", state)
		}
	}
}

func subscribers(t *testing.T, k keyspace) (n int) {
	t.Helper()
	c := k.connect(t)
	list, err := c.Do(t.Context(), "CLIENT", "LIST", "TYPE", "PUBSUB").Text()
	require.NoError(t, err)
	return strings.Count(list, "id=")
}

func TestAWatcherHearsOfAChangeByAnotherInstance(t *testing.T) {
	t.Parallel()
	_, k := ownRedis(t)
	here, there := k.open(t), k.open(t)
	now := time.Now()
	require.Zero(t, subscribers(t, k), "somebody listens before anybody watches")
	const watchers = 50
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	records := make([]<-chan verify.Record, watchers)
	refs := make([]verify.Record, watchers)
	for i := range records {
		var err error
		refs[i], _, err = there.Begin(t.Context(), newRecord(now, fmt.Sprint("challenge-", i)), nil, now)
		require.NoError(t, err)
		records[i] = seen(ctx, t, here, refs[i].Ref)
		until(t, records[i], verify.StatePending)
	}
	require.Eventually(t, func() bool { return subscribers(t, k) == 1 }, 10*time.Second, 10*time.Millisecond)
	time.Sleep(2 * time.Second) // the next poll is some time away
	// A busy machine takes a second now and then. From the last to the first, as they poll one shortly after the other: by
	// polling each would have asked just before.
	slow := 0
	for i := watchers - 1; i >= 0; i-- {
		_, err := there.Finish(t.Context(), refs[i].Ref, refs[i].Version, confirmed(now), now)
		require.NoError(t, err)
		if until(t, records[i], verify.StateConfirmed) > time.Second {
			slow++
		}
		require.Less(t, slow, 5, "the polling found it, not the notification")
	}
	require.Equal(t, 1, subscribers(t, k), "%d watchers", watchers)
	cancel()
	require.Eventually(t, func() bool { return subscribers(t, k) == 0 }, 10*time.Second, 10*time.Millisecond, "it listens although nobody watches")
}

func TestAWatcherHearsOfAFrozenSubject(t *testing.T) {
	t.Parallel()
	k := redisKeys(t)
	here, there := k.open(t), k.open(t)
	now := time.Now()
	r, _, err := there.Begin(t.Context(), newRecord(now, "one"), nil, now)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	records := seen(ctx, t, here, r.Ref)
	until(t, records, verify.StatePending)
	frozen := now.Add(time.Hour)
	require.NoError(t, there.ChangeSubject(t.Context(), "contoso", r.Subject, verify.SubjectChange{FrozenUntil: &frozen, Stamp: stamp(verify.EventFrozen)}, now))
	until(t, records, verify.StatePending) // once more: who waits looks at the subject then
}

func TestALostNotificationIsHealedByPolling(t *testing.T) {
	t.Parallel()
	server, k := ownRedis(t)
	here := k.open(t)
	admin := server.Client()
	defer admin.Close()
	now := time.Now()
	r, _, err := here.Begin(t.Context(), newRecord(now, "one"), nil, now)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	records := seen(ctx, t, here, r.Ref)
	until(t, records, verify.StatePending)
	require.Eventually(t, func() bool { return subscribers(t, k) == 1 }, 10*time.Second, 10*time.Millisecond)

	// The connection is lost again and again, so that nothing is heard.
	var wg sync.WaitGroup
	deaf, hear := context.WithCancel(t.Context())
	wg.Go(func() {
		for deaf.Err() == nil {
			_ = admin.Do(context.Background(), "CLIENT", "KILL", "TYPE", "PUBSUB").Err()
			time.Sleep(time.Millisecond)
		}
	})
	_, err = here.Finish(t.Context(), r.Ref, r.Version, confirmed(now), now)
	require.NoError(t, err)
	until(t, records, verify.StateConfirmed)
	hear()
	wg.Wait()

	// Then it listens again, and hears what comes.
	require.Eventually(t, func() bool { return subscribers(t, k) == 1 }, 20*time.Second, 10*time.Millisecond)
	_, err = here.Redeem(t.Context(), r.Ref, "job", stamp(verify.EventRedeemed), now)
	require.NoError(t, err)
	for r := range records {
		if r.RedeemedBy == "job" {
			break
		}
	}
}

func TestWaitOnRedisReturnsWhenTheCallerAnswers(t *testing.T) {
	t.Parallel()
	k := redisKeys(t)
	ring := newRing(t)
	here, there := newDesk(t, k.open(t), ring), newDesk(t, k.open(t), ring)
	right := here.begin(t, "dana")
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		res, err := there.Check(context.Background(), right)
		if err != nil || res.State != verify.StateConfirmed {
			t.Errorf("%v %v", res.State, err)
		}
	})
	c, err := here.Wait(t.Context(), verify.Ref{Tenant: right.Tenant, ID: right.ID}, jane.ID)
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, c.State)

	ended := here.begin(t, "erin")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = here.Wait(ctx, verify.Ref{Tenant: ended.Tenant, ID: ended.ID}, jane.ID)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = here.Wait(t.Context(), verify.Ref{Tenant: "contoso", ID: "unknown"}, jane.ID)
	require.ErrorIs(t, err, verify.ErrNotFound)
}
