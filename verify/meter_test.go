package verify

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWithoutAMeterNothingIsAllocated(t *testing.T) { //nolint:paralleltest // allocations of other tests would count
	m := meter{now: time.Now}
	ctx := t.Context()
	refused := error(&LimitError{Limit: LimitCooldown})
	require.Zero(t, testing.AllocsPerRun(100, func() {
		began := m.began()
		m.ended(ctx, "start", began, refused)
		m.tried(ctx, "check", began, StateWrong, nil)
		m.redeemed(ctx, began, ErrRedeemed)
		m.approved(ctx, began, nil)
		m.delivered(ctx, "sms", began, nil)
		m.message(ctx, "sms", DeliveryDelivered)
		m.failedOver(ctx, "chat", "sms")
		m.handedOver(ctx, Event{Kind: EventStarted}, nil)
		m.passed(ctx, began, nil, nil)
	}))
	s := struct{ Store }{}
	require.Equal(t, Store(s), m.store(s), "the store is used as it is")
}

func TestEveryErrorHasAClass(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range classes {
		name, _ := class(t.Context(), errors.Join(errors.New("x"), c.err))
		require.Equal(t, c.name, name)
		require.False(t, seen[name], name)
		seen[name] = true
	}
	name, refused := class(t.Context(), &undelivered{err: ErrInvalid})
	require.Equal(t, "undelivered", name, "a channel's own error says nothing of ours")
	require.False(t, refused)
	name, _ = class(t.Context(), errors.New("x"))
	require.Equal(t, "error", name)
}
