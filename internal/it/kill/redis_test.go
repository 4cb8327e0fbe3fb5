package kill_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/it/redisproc"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/redisstore"
)

// promise is the last thing that a store acknowledged of a challenge.
type promise struct {
	ref   verify.Ref
	step  int // how many of begin, attempt, finish, redeem
	state verify.Record
}

const redeemed = 4

// onRedis is a store on a server that dies.
type onRedis struct {
	*testing.T
	server *redisproc.Server
	accept bool
	now    time.Time

	mu       sync.Mutex
	promises map[string]promise
}

func (x *onRedis) open() (*redisstore.Store, func()) {
	x.Helper()
	client := redis.NewClient(&redis.Options{Addr: x.server.Addr, MaxRetries: -1, DialerRetries: 1})
	s, err := redisstore.New(context.Background(), client, &redisstore.Options{Shards: 8, AcceptLostWrites: x.accept})
	require.NoError(x, err)
	return s, func() { require.NoError(x, client.Close()) }
}

func (x *onRedis) stamp(kind verify.EventKind) verify.Stamp {
	return verify.Stamp{ID: verify.NewEventID(), Kind: kind, By: "test"}
}

// one takes one challenge as far as it goes and notes what was acknowledged.
func (x *onRedis) one(s *redisstore.Store, id string) error { return x.upTo(s, id, redeemed) }

// upTo takes the steps of one that were not taken yet.
func (x *onRedis) upTo(s *redisstore.Store, id string, steps int) error {
	ctx, r := context.Background(), x.promised(id).state
	for step := x.promised(id).step + 1; step <= steps; step++ {
		var err error
		switch step {
		case 1:
			n := verify.NewChallenge{Record: verify.Record{
				Ref: verify.Ref{Tenant: tenant, ID: id}, Kind: verify.KindCaller, State: verify.StatePending, Method: verify.MethodCode, Subject: id,
				Technician: "jane", MAC: []byte{1}, Sealed: []byte{2}, MaxTries: 5, LockAfter: 100, CreatedAt: x.now, ExpiresAt: x.now.Add(time.Hour),
			}, Stamp: x.stamp(verify.EventStarted)}
			r, _, err = s.Begin(ctx, n, nil, x.now)
		case 2:
			r, _, err = s.Attempt(ctx, r.Ref, verify.Try{Method: verify.MethodCode, Stamp: x.stamp(verify.EventAttempted)}, x.now)
		case 3:
			o := verify.Outcome{State: verify.StateConfirmed, Stamp: x.stamp(verify.EventConfirmed), ProofUntil: x.now.Add(time.Hour)}
			r, err = s.Finish(ctx, r.Ref, r.Version, o, x.now)
		case redeemed:
			r, err = s.Redeem(ctx, r.Ref, "job", x.stamp(verify.EventRedeemed), x.now)
		}
		if err != nil {
			return err
		}
		x.mu.Lock()
		x.promises[id] = promise{r.Ref, step, r.Hidden()}
		x.mu.Unlock()
	}
	return nil
}

func (x *onRedis) promised(id string) promise {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.promises[id]
}

// killed runs verbs on many connections until the server dies a moment later, and starts it again.
func (x *onRedis) killed(round int, moment time.Duration) {
	x.Helper()
	s, end := x.open()
	defer end()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for k := 0; ; k++ {
				if err := x.one(s, fmt.Sprintf("%d-%d-%d", round, i, k)); err != nil {
					return // the server is gone
				}
			}
		})
	}
	time.Sleep(moment)
	x.server.Kill(x.T)
	wg.Wait()
	x.server.Resume(x.T)
	x.server.Rewrite(x.T) // as the package's documentation says
}

// steps returns how far a stored challenge has come.
func stepsOf(r verify.Record) int {
	switch {
	case r.RedeemedBy != "":
		return redeemed
	case r.State == verify.StateConfirmed:
		return 3
	}
	return 1 + r.Tries
}

// kept compares what is stored with what was acknowledged: nothing may be behind, and one step may have happened whose
// acknowledgement was lost. Each step has its event and each event its step.
func (x *onRedis) kept() {
	x.Helper()
	s, end := x.open()
	defer end()
	for id, p := range x.promises {
		r, _, err := s.Get(x.Context(), p.ref)
		require.NoError(x, err, "%s was acknowledged and is gone", id)
		require.GreaterOrEqual(x, stepsOf(r), p.step, "%s has gone back", id)
		require.LessOrEqual(x, stepsOf(r), p.step+1)
		if p.step == redeemed {
			_, err = s.Redeem(x.Context(), p.ref, "thief", x.stamp(verify.EventRedeemed), x.now)
			require.ErrorIs(x, err, verify.ErrRedeemed)
		}
	}
	events := map[string]int{}
	es, err := s.Events(x.Context(), verify.EventQuery{Limit: 10_000_000})
	require.NoError(x, err)
	for i, e := range es {
		events[e.Challenge]++
		require.Equal(x, int64(i+1), e.Seq, "a gap")
	}
	for id, n := range events {
		r, _, err := s.Get(x.Context(), verify.Ref{Tenant: tenant, ID: id})
		require.NoError(x, err)
		require.Equal(x, stepsOf(r), n, "events of %s", id)
	}
	x.Logf("%d challenges acknowledged, %d stored, %d events", len(x.promises), len(events), len(es))
}

func rounds() int {
	if os.Getenv("MSPKIT_SOAK") != "" {
		return 100
	}
	return 10
}

// TestRedisThatWritesAlwaysKeepsWhatItAcknowledged kills a server in the middle of verbs: 10 times, with MSPKIT_SOAK=1 100.
func TestRedisThatWritesAlwaysKeepsWhatItAcknowledged(t *testing.T) {
	x := &onRedis{T: t, server: redisproc.Start(t, "--appendonly", "yes", "--appendfsync", "always"), now: time.Now(), promises: map[string]promise{}}
	for i := range rounds() {
		x.killed(i, time.Duration(20+7*i%50)*time.Millisecond)
	}
	require.NotEmpty(t, x.promises)
	x.kept()
}

// A power cut can take away the end of the file anywhere. Redis 7.0 then loads the beginning of a script's writes, not at the next
// restart but at the one after it, when something was written behind. Rewritten in between, nothing of it is left.
func TestAScriptThatWasHalfWrittenLeavesNothingHalfDone(t *testing.T) {
	cuts := 12
	if os.Getenv("MSPKIT_SOAK") != "" {
		cuts = 100
	}
	for step := 1; step <= redeemed; step++ {
		x := &onRedis{T: t, server: redisproc.Start(t, "--appendonly", "yes", "--appendfsync", "always"), now: time.Now(), promises: map[string]promise{}}
		s, end := x.open()
		require.NoError(t, x.one(s, "first"))
		require.NoError(t, x.upTo(s, "torn", step-1))
		_, before := x.server.File(t, ".incr.aof")
		require.NoError(t, x.upTo(s, "torn", step))
		path, whole := x.server.File(t, ".incr.aof")
		end()
		x.server.Kill(t)
		files, kept := filepath.Dir(path), t.TempDir()
		require.NoError(t, os.CopyFS(kept, os.DirFS(files)))
		for i := range cuts {
			n := len(before) + (len(whole)-len(before))*i/cuts
			require.NoError(t, os.RemoveAll(files))
			require.NoError(t, os.CopyFS(files, os.DirFS(kept)))
			require.NoError(t, os.WriteFile(path, whole[:n], 0o600))
			x.server.Resume(t)
			x.server.Rewrite(t)
			s, end = x.open()
			other := fmt.Sprint("other-", i)
			require.NoError(t, x.one(s, other))
			end()
			x.server.Kill(t)
			x.server.Resume(t)
			x.promises["torn"] = promise{verify.Ref{Tenant: tenant, ID: "torn"}, step - 1, verify.Record{}}
			if step == 1 { // nothing was acknowledged of it
				delete(x.promises, "torn")
			}
			x.kept()
			s, end = x.open()
			expired, err := s.Expire(t.Context(), x.now.Add(24*time.Hour), 10)
			require.NoError(t, err)
			require.LessOrEqual(t, expired, 1, "what has ended expires")
			end()
			x.server.Kill(t)
			delete(x.promises, other)
		}
	}
}

// TestRedisThatWritesNothingForgetsAllOfIt kills one that keeps nothing: nothing comes back.
func TestRedisThatWritesNothingForgetsAllOfIt(t *testing.T) {
	x := &onRedis{T: t, server: redisproc.Start(t), now: time.Now(), promises: map[string]promise{}}
	for i := range rounds() {
		x.killed(i, time.Duration(20+7*i%50)*time.Millisecond)
		s, end := x.open()
		require.NotEmpty(t, x.promises)
		for _, p := range x.promises {
			_, _, err := s.Get(t.Context(), p.ref)
			require.ErrorIs(t, err, verify.ErrNotFound)
			_, err = s.Redeem(t.Context(), p.ref, "thief", x.stamp(verify.EventRedeemed), x.now)
			require.ErrorIs(t, err, verify.ErrNotFound)
		}
		es, err := s.Events(t.Context(), verify.EventQuery{Limit: 10})
		require.NoError(t, err)
		require.Empty(t, es)
		end()
	}
}

// Why New refuses what is between the two: a proof that was redeemed can be redeemed again.
func TestRedisThatWritesNowAndThenBringsARedeemedProofBack(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		// before and after are called around the redeeming; after, the server is dead.
		before func(*onRedis, *redis.Client) map[string][]byte
		after  func(*onRedis, map[string][]byte)
	}{
		"a snapshot": {
			args: []string{"--save", "3600 1"},
			before: func(x *onRedis, c *redis.Client) map[string][]byte {
				require.NoError(x, c.Save(x.Context()).Err())
				return nil
			},
			after: func(*onRedis, map[string][]byte) {},
		},
		// A killed process leaves its writes to the system. A power cut takes away what has not reached the disk: the file is
		// as long as it was when it was last synced.
		"once a second, and the power goes": {
			args: []string{"--appendonly", "yes", "--appendfsync", "everysec"},
			before: func(x *onRedis, _ *redis.Client) map[string][]byte {
				path, content := x.server.File(x.T, ".aof")
				return map[string][]byte{path: content}
			},
			after: func(x *onRedis, synced map[string][]byte) {
				for path, content := range synced {
					now, err := os.ReadFile(path)
					require.NoError(x, err)
					require.Greater(x, len(now), len(content), "the redeeming is not in the file")
					require.NoError(x, os.Truncate(path, int64(len(content))))
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := &onRedis{T: t, server: redisproc.Start(t, c.args...), accept: true, now: time.Now(), promises: map[string]promise{}}
			client := x.server.Client()
			defer client.Close()
			_, err := redisstore.New(t.Context(), client, &redisstore.Options{Shards: 8})
			require.ErrorIs(t, err, redisstore.ErrUnsafe)
			s, end := x.open()
			r := x.confirmed(s, "dana")
			kept := c.before(x, client)
			_, err = s.Redeem(t.Context(), r.Ref, "job", x.stamp(verify.EventRedeemed), x.now)
			require.NoError(t, err)
			_, err = s.Redeem(t.Context(), r.Ref, "thief", x.stamp(verify.EventRedeemed), x.now)
			require.ErrorIs(t, err, verify.ErrRedeemed)
			end()
			x.server.Kill(t)
			c.after(x, kept)
			x.server.Resume(t)
			s, end = x.open()
			defer end()
			got, err := s.Redeem(t.Context(), r.Ref, "thief", x.stamp(verify.EventRedeemed), x.now)
			require.NoError(t, err, "this is what AcceptLostWrites accepts; where it cannot happen any more, New need not refuse it")
			require.Equal(t, "thief", got.RedeemedBy)
		})
	}
}

// confirmed returns a challenge whose proof was not redeemed.
func (x *onRedis) confirmed(s *redisstore.Store, id string) verify.Record {
	x.Helper()
	ctx := x.Context()
	r, _, err := s.Begin(ctx, verify.NewChallenge{Record: verify.Record{
		Ref: verify.Ref{Tenant: tenant, ID: id}, Kind: verify.KindCaller, State: verify.StatePending, Method: verify.MethodCode, Subject: id,
		MaxTries: 5, LockAfter: 100, CreatedAt: x.now, ExpiresAt: x.now.Add(time.Hour),
	}, Stamp: x.stamp(verify.EventStarted)}, nil, x.now)
	require.NoError(x, err)
	r, err = s.Finish(ctx, r.Ref, r.Version, verify.Outcome{
		State: verify.StateConfirmed, Stamp: x.stamp(verify.EventConfirmed), ProofUntil: x.now.Add(time.Hour),
	}, x.now)
	require.NoError(x, err)
	return r
}
