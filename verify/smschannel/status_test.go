package smschannel_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/smschannel"
)

// listener is a responder that keeps what it was told.
type listener struct {
	verify.Responder
	key, reason string
	status      verify.DeliveryStatus
	err         error
}

func (l *listener) Delivered(_ context.Context, key string, s verify.DeliveryStatus, reason string) error {
	l.key, l.status, l.reason = key, s, reason
	return l.err
}

func TestStatusReadsVendorsWords(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]listener{
		"accepted": {}, "scheduled": {}, "queued": {}, "sending": {}, "": {}, "DELIVERED?": {}, "receiving": {},
		"sent":        {key: "k", status: verify.DeliverySent},
		"delivered":   {key: "k", status: verify.DeliveryDelivered},
		"read":        {key: "k", status: verify.DeliveryDelivered},
		"undelivered": {key: "k", status: verify.DeliveryFailed, reason: "switched off"},
		"failed":      {key: "k", status: verify.DeliveryFailed, reason: "switched off"},
		"canceled":    {key: "k", status: verify.DeliveryFailed, reason: "switched off"},
	} {
		var got listener
		require.NoError(t, smschannel.Status(&got)(t.Context(), "k", word, "switched off"))
		require.Equal(t, want, got, word)
	}
}

func TestStatusReportsOnlyWhatCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	gone := &listener{err: verify.ErrNotFound}
	require.NoError(t, smschannel.Status(gone)(t.Context(), "k", "delivered", ""))
	down := &listener{err: errors.New("the database is gone")}
	require.ErrorIs(t, smschannel.Status(down)(t.Context(), "k", "failed", ""), down.err)
	require.NotEmpty(t, down.reason, "a failure always has a reason")
	nobody := &listener{err: errors.New("must not be asked")}
	require.NoError(t, smschannel.Status(nobody)(t.Context(), "", "delivered", ""))
}
