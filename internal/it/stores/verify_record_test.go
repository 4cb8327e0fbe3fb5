package stores_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify"
)

// Records for tests that use a store without a service.

func stamp(kind verify.EventKind) verify.Stamp {
	return verify.Stamp{ID: verify.NewEventID(), Kind: kind, By: "test"}
}

func newRecord(now time.Time, id string) verify.NewChallenge {
	return verify.NewChallenge{
		Record: verify.Record{
			Ref: verify.Ref{Tenant: "contoso", ID: id}, Kind: verify.KindCaller, State: verify.StatePending, Method: verify.MethodCode,
			Channel: "email", Subject: "subject-of-" + id, Action: verify.ActionIdentify, Technician: "jane", Assurance: verify.AssuranceEmail,
			KeyID: "k1", MAC: []byte{1, 0, 2}, WordMAC: []byte{3}, Sealed: []byte{4, 0, 255}, MaxTries: 5, Sends: 1, Messages: 1, LockAfter: 100,
			CreatedAt: now, ExpiresAt: now.Add(5 * time.Minute),
		},
		Stamp: stamp(verify.EventStarted),
	}
}

func try() verify.Try {
	return verify.Try{Method: verify.MethodCode, Stamp: stamp(verify.EventAttempted)}
}

func confirmed(now time.Time) verify.Outcome {
	return verify.Outcome{State: verify.StateConfirmed, Stamp: stamp(verify.EventConfirmed), ProofUntil: now.Add(10 * time.Minute)}
}

// tryConfirmed begins and confirms a challenge.
func tryConfirmed(ctx context.Context, store verify.Store, now time.Time, id string) (verify.Record, error) {
	return confirmNew(ctx, store, newRecord(now, id), now)
}

func confirmNew(ctx context.Context, store verify.Store, n verify.NewChallenge, now time.Time) (verify.Record, error) {
	r, _, err := store.Begin(ctx, n, nil, now)
	if err != nil {
		return verify.Record{}, err
	}
	if r, _, err = store.Attempt(ctx, r.Ref, try(), now); err != nil {
		return verify.Record{}, err
	}
	return store.Finish(ctx, r.Ref, r.Version, confirmed(now), now)
}

func confirmedRecord(t testing.TB, store verify.Store, now time.Time, id string) verify.Record {
	t.Helper()
	r, err := tryConfirmed(context.Background(), store, now, id)
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, r.State)
	return r
}
