package teamsapp_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

func TestReferenceSaysWhatTheBotKnows(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ctx := t.Context()
	want := teamsapp.Reference{Tenant: "contoso"}
	check := func() {
		t.Helper()
		got, err := r.Reference(ctx, teamsapp.User{TenantID: contoso, ObjectID: "A11CE000-0000-0000-0000-000000000001"})
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	check()
	require.Equal(t, 200, r.deliver(t, r.installation("add")).Code)
	want.Known, want.Conversation, want.UpdatedAt = true, true, r.clock.Now()
	check()
	r.clock.move(time.Hour)
	require.Equal(t, 200, r.deliver(t, r.installation("remove")).Code)
	want.Removed, want.UpdatedAt = true, r.clock.Now()
	check()
	require.Empty(t, r.ms.messages(), "something was sent")

	// What does not open, for example after a key is gone, is not known.
	other, err := mspkit.NewKeyRing(mspkit.NewKey("k2"))
	require.NoError(t, err)
	r.ring = other
	r.Bot = r.another(t, r.store)
	want = teamsapp.Reference{Tenant: "contoso"}
	check()
}

func TestReferenceErrors(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ctx := t.Context()
	_, err := r.Reference(ctx, teamsapp.User{TenantID: contoso, ObjectID: "alice"})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = r.Reference(ctx, teamsapp.User{TenantID: stranger, ObjectID: alice})
	require.ErrorIs(t, err, teamsapp.ErrUnknownTenant)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_, err = r.Reference(gone, aliceInContoso)
	require.ErrorIs(t, err, context.Canceled)
}

func TestCheckCredentialsSendsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	require.NoError(t, r.CheckCredentials(t.Context()))
	r.noToken = errors.New("no key")
	r.Bot = r.another(t, r.store)
	err := r.CheckCredentials(t.Context())
	require.Error(t, err)
	_, ok := errors.AsType[*teamsapp.Error](err)
	require.True(t, ok)
	require.Empty(t, r.ms.messages())
}
