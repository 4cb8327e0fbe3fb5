package securesend_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
)

// steps counts what a service asks of its store.
type steps struct {
	securesend.SecretStore
	stats, takes, extends atomic.Int64
}

func (s *steps) Stat(ctx context.Context, ref securesend.Ref) (securesend.Record, error) {
	s.stats.Add(1)
	return s.SecretStore.Stat(ctx, ref)
}

func (s *steps) Take(ctx context.Context, ref securesend.Ref, t securesend.Take, now time.Time) (securesend.Record, error) {
	s.takes.Add(1)
	return s.SecretStore.Take(ctx, ref, t, now)
}

func (s *steps) Extend(ctx context.Context, ref securesend.Ref, f securesend.Fetch, now time.Time) (securesend.Record, error) {
	s.extends.Add(1)
	return s.SecretStore.Extend(ctx, ref, f, now)
}

func (s *steps) all() []int64 {
	return []int64{s.stats.Swap(0), s.takes.Swap(0), s.extends.Swap(0)}
}

// letting lets everybody through.
type letting struct{}

func (letting) Allow(context.Context, securesend.Reveal) error { return nil }

func TestAReaderCostsOneStepOfTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	counted := &steps{SecretStore: w.store}
	svc, err := securesend.New(counted, w.ring, "https://help.example/send", securesend.Same(w.set), &securesend.Options{
		Blobs: w.o.Blobs, Gate: letting{}, Now: w.now,
	})
	require.NoError(t, err)
	r := w.text("hunter2")
	r.Files = w.files("content")
	dana := w.reader(w.create(r))
	dana.svc = svc
	counted.all()
	_, err = dana.takes()
	require.NoError(t, err)
	require.Equal(t, []int64{0, 1, 0}, counted.all(), "stats, takes, extends of a reveal with regions and a gate")
	_, err = dana.chunks(0, 0, 1)
	require.NoError(t, err)
	require.Equal(t, []int64{0, 0, 2}, counted.all(), "of a fetch: before it, and when all was read")

	r = w.text("hunter2")
	r.Choice.Gate = securesend.GateProof
	w.o.Gate = letting{}
	w.Service = w.instance(nil)
	dana = w.reader(w.create(r))
	dana.svc = svc
	counted.all()
	_, err = dana.takes()
	require.NoError(t, err)
	require.Equal(t, []int64{0, 2, 0}, counted.all(), "of a reveal that the gate lets through")
	_, err = dana.takes()
	require.NoError(t, err)
	require.Equal(t, []int64{0, 1, 0}, counted.all(), "of a repeat")
}
