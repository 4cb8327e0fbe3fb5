package stores_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/redisstore"
)

// afterFirst runs then once, when the first command that goes through it has been answered.
type afterFirst struct{ then func() }

func (*afterFirst) DialHook(next redis.DialHook) redis.DialHook { return next }

func (*afterFirst) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (a *afterFirst) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if then := a.then; then != nil && err == nil {
			a.then = nil
			then()
		}
		return err
	}
}

// interrupted returns a store with a hook, and one beside it that acts in between.
func interrupted(t *testing.T) (store, beside *redisstore.Store, hook *afterFirst) {
	t.Helper()
	k := redisKeys(t)
	client := k.connect(t)
	store, err := redisstore.New(t.Context(), client, k.options(8))
	require.NoError(t, err)
	hook = &afterFirst{}
	client.(*redis.Client).AddHook(hook)
	return store, k.open(t), hook
}

func TestATechnicianCannotApproveTheirOwnInAnotherCaseWhileItIsBeingConfirmedOnRedis(t *testing.T) {
	t.Parallel()
	store, beside, hook := interrupted(t)
	ctx, now := t.Context(), time.Now()
	for i, by := range []string{"JANE", "jane", "Jane"} {
		n := newRecord(now, fmt.Sprint("one-", i))
		n.Record.NeedsApproval = true
		r, _, err := beside.Begin(ctx, n, nil, now)
		require.NoError(t, err)
		hook.then = func() {
			_, err := beside.Finish(ctx, r.Ref, r.Version, confirmed(now), now)
			require.NoError(t, err)
		}
		_, err = store.Approve(ctx, r.Ref, by, stamp(verify.EventApproved), now)
		require.ErrorIs(t, err, verify.ErrForbidden)
		require.Nil(t, hook.then)
		got, _, err := beside.Get(ctx, r.Ref)
		require.NoError(t, err)
		require.Empty(t, got.ApprovedBy)
	}
}

func TestEvidenceThatIsDeletedWhileItIsReadHasNoGapOnRedis(t *testing.T) {
	t.Parallel()
	store, beside, hook := interrupted(t)
	ctx, now := t.Context(), time.Now()
	const many, gone = 450, 300 // a step reads 200
	for range many {
		require.NoError(t, beside.ChangeSubject(ctx, "contoso", "dana", verify.SubjectChange{Unlock: true, Stamp: stamp(verify.EventUnlocked)}, now))
	}
	tails, err := beside.Unchained(ctx, many)
	require.NoError(t, err)
	events := tails[0].Events
	var ids []string
	for i := range events {
		events[i].Link = verify.Link{N: int64(i) + 1, Value: []byte{1}}
		ids = append(ids, events[i].ID)
	}
	require.NoError(t, beside.Chain(ctx, "contoso", 0, events))
	require.NoError(t, beside.Ack(ctx, ids))
	hook.then = func() {
		n, err := beside.DeleteExpired(ctx, now.Add(-time.Hour), now.Add(time.Hour), now, gone)
		require.NoError(t, err)
		require.Equal(t, gone, n)
	}
	got, err := store.Evidence(ctx, "contoso", 0, many)
	require.NoError(t, err)
	require.Nil(t, hook.then)
	var numbers, want []int64
	for _, e := range got.Events {
		numbers = append(numbers, e.Link.N)
	}
	for n := got.Base.N + 1; n <= got.Head.N; n++ {
		want = append(want, n)
	}
	require.Equal(t, want, numbers)
	require.Equal(t, int64(gone), got.Base.N)
}
