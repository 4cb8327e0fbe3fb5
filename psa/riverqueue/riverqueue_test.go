package riverqueue_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa/riverqueue"
)

var (
	noon   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	stream = mspkit.Stream{Kind: "psa-notes", Tenant: "contoso", Key: "halopsa/4711"}
)

// found is a job that a client finds in place of a new one.
type found struct {
	state rivertype.JobState
	due   time.Duration // from noon
}

// client answers inserts with what it has, one after the other, and then takes them.
type client struct {
	found   []found
	asked   []*river.InsertOpts
	args    []string
	retried []int64
	err     error
	noRetry error
}

func (c *client) Insert(_ context.Context, args river.JobArgs, o *river.InsertOpts) (*rivertype.JobInsertResult, error) {
	if c.err != nil {
		return nil, c.err
	}
	b, err := json.Marshal(args)
	c.asked, c.args = append(c.asked, o), append(c.args, string(b))
	if len(c.found) == 0 {
		return &rivertype.JobInsertResult{Job: &rivertype.JobRow{ID: 100, State: rivertype.JobStateAvailable, ScheduledAt: o.ScheduledAt}}, err
	}
	f := c.found[0]
	c.found = c.found[1:]
	return &rivertype.JobInsertResult{UniqueSkippedAsDuplicate: true, Job: &rivertype.JobRow{
		ID: int64(len(c.asked)), State: f.state, ScheduledAt: noon.Add(f.due),
	}}, err
}

func (c *client) JobRetry(_ context.Context, id int64) (*rivertype.JobRow, error) {
	c.retried = append(c.retried, id)
	return &rivertype.JobRow{ID: id}, c.noRetry
}

func newQueue(t *testing.T, c *client) *riverqueue.Queue {
	t.Helper()
	q, err := riverqueue.New(&riverqueue.Options{Now: func() time.Time { return noon }})
	require.NoError(t, err)
	require.NoError(t, q.Use(c))
	return q
}

func TestAWakeFindsOrMakesTheJobThatWillSeeTheRows(t *testing.T) {
	t.Parallel()
	const (
		available = rivertype.JobStateAvailable
		running   = rivertype.JobStateRunning
		scheduled = rivertype.JobStateScheduled
		retryable = rivertype.JobStateRetryable
	)
	for name, tt := range map[string]struct {
		found   []found
		at      time.Duration
		inserts int
		retried []int64
	}{
		"nothing waits":                {inserts: 1},
		"one waits":                    {found: []found{{state: available}}, inserts: 1},
		"one rests shortly":            {found: []found{{state: available, due: 3 * time.Second}}, inserts: 1, retried: []int64{1}},
		"one rests":                    {found: []found{{state: scheduled, due: time.Hour}}, inserts: 1, retried: []int64{1}},
		"one failed":                   {found: []found{{state: retryable, due: time.Minute}}, inserts: 1, retried: []int64{1}},
		"later than one that rests":    {found: []found{{state: scheduled, due: time.Minute}}, at: time.Hour, inserts: 1},
		"earlier than one that rests":  {found: []found{{state: scheduled, due: time.Hour}}, at: time.Minute, inserts: 1, retried: []int64{1}},
		"one runs":                     {found: []found{{state: running}}, inserts: 2},
		"one runs, and the next waits": {found: []found{{state: running}, {state: available}}, inserts: 2},
		"one runs, and the next rests": {found: []found{{state: running}, {state: scheduled, due: time.Minute}}, inserts: 2, retried: []int64{2}},
		"two run":                      {found: []found{{state: running}, {state: running}}, inserts: 3},
		"eight are killed": {found: []found{
			{state: running},
			{state: running},
			{state: running},
			{state: running},
			{state: running},
			{state: running},
			{state: running},
			{state: running},
		}, inserts: 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &client{found: tt.found}
			at := time.Time{}
			if tt.at != 0 {
				at = noon.Add(tt.at)
			}
			require.NoError(t, newQueue(t, c).Wake(t.Context(), stream, at))
			require.Len(t, c.asked, tt.inserts)
			require.Equal(t, tt.retried, c.retried)
			seen := map[string]bool{}
			for i, o := range c.asked {
				require.Equal(t, at, o.ScheduledAt)
				require.False(t, seen[c.args[i]], "the same job again")
				seen[c.args[i]] = true
			}
		})
	}
}

func TestAJobHoldsIdsOnlyAndIsUniqueUntilItIsOver(t *testing.T) {
	t.Parallel()
	c := &client{}
	require.NoError(t, newQueue(t, c).Wake(t.Context(), stream, noon.Add(-time.Hour)))
	require.JSONEq(t, `{"kind": "psa-notes", "tenant": "contoso", "key": "halopsa/4711", "turn": 0}`, c.args[0])
	o := c.asked[0]
	require.Zero(t, o.ScheduledAt, "the past is now, by the clock of the database")
	require.Equal(t, river.QueueDefault, o.Queue)
	require.Equal(t, 25, o.MaxAttempts)
	require.True(t, o.UniqueOpts.ByArgs)
	for _, over := range []rivertype.JobState{rivertype.JobStateCompleted, rivertype.JobStateDiscarded, rivertype.JobStateCancelled} {
		require.NotContains(t, o.UniqueOpts.ByState, over, "a job that is over keeps a stream from being drained")
	}
}

func TestAJobThatEndsWhileItIsBroughtForwardIsLookedForAgain(t *testing.T) {
	t.Parallel()
	c := &client{found: []found{{state: rivertype.JobStateScheduled, due: time.Hour}}, noRetry: rivertype.ErrNotFound}
	require.NoError(t, newQueue(t, c).Wake(t.Context(), stream, time.Time{}))
	require.Len(t, c.asked, 2)
	down := errors.New("the database is away")
	c = &client{found: []found{{state: rivertype.JobStateScheduled, due: time.Hour}, {state: rivertype.JobStateScheduled, due: time.Hour}}, noRetry: down}
	require.ErrorIs(t, newQueue(t, c).Wake(t.Context(), stream, time.Time{}), down)
	c = &client{err: down}
	require.ErrorIs(t, newQueue(t, c).Wake(t.Context(), stream, time.Time{}), down)
}

func TestWhatCannotBeUsedIsRefused(t *testing.T) {
	t.Parallel()
	for _, o := range []riverqueue.Options{{Priority: 5}, {Priority: -1}, {Timeout: -1}, {MaxAttempts: -1}, {MaxAttempts: 40_000}} {
		_, err := riverqueue.New(&o)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	}
	_, err := riverqueue.New(&riverqueue.Options{Priority: 7, Timeout: -2})
	require.ErrorContains(t, err, "Priority")
	require.ErrorContains(t, err, "Timeout", "all at once")

	q, err := riverqueue.New(nil)
	require.NoError(t, err)
	drain := func(context.Context, mspkit.Stream) (time.Time, error) { return time.Time{}, nil }
	require.ErrorIs(t, q.Handle("", drain), mspkit.ErrInvalid)
	require.ErrorIs(t, q.Handle("psa-notes", nil), mspkit.ErrInvalid)
	require.NoError(t, q.Handle("psa-notes", drain))
	require.ErrorIs(t, q.Handle("psa-notes", drain), mspkit.ErrInvalid, "twice")

	require.ErrorIs(t, q.AddTo(nil), mspkit.ErrInvalid)
	workers := river.NewWorkers()
	require.NoError(t, q.AddTo(workers))
	require.ErrorIs(t, q.AddTo(workers), mspkit.ErrInvalid, "two queues on one client")

	require.ErrorIs(t, q.Wake(t.Context(), stream, time.Time{}), riverqueue.ErrNoClient)
	require.ErrorIs(t, q.Use(nil), mspkit.ErrInvalid)
	require.NoError(t, q.Use(&client{}))
	require.ErrorIs(t, q.Use(&client{}), mspkit.ErrInvalid, "twice")
	require.ErrorIs(t, q.Wake(t.Context(), mspkit.Stream{Kind: "psa-notes", Tenant: "contoso"}, time.Time{}), mspkit.ErrInvalid)
}
