package gdap_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/gdap"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/internal/graphx"
)

// TestGraphWithTheCredentials reads a customer's directory, and looks at what the Graph client makes of our errors.
func TestGraphWithTheCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.contoso.Seed(3, 1)
	p := noPause(w.signedIn(t))
	creds, err := p.Credentials(gdap.Connected(w.store, "msp", "contacts", w.clock.Now))
	require.NoError(t, err)
	client, err := graphx.New(creds, &graphx.Options{BaseURL: w.URL(), Scope: graphScope.Scopes[0]})
	require.NoError(t, err)
	users := func() (n int, err error) {
		for _, err = range client.List(t.Context(), &graphx.Request{Tenant: "contoso", Path: "/users"}) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	n, err := users()
	require.NoError(t, err)
	require.Equal(t, 3, n)

	before := p.Kept()
	client.Forget("contoso")
	require.Less(t, p.Kept(), before, "it asks the credentials to forget too")
	for fault, want := range map[string][2]error{
		"AADSTS65001: no": {graphx.ErrConsent, entra.ErrConsent}, "AADSTS50020: no": {graphx.ErrDenied, gdap.ErrRelationship},
		"User was not found": {graphx.ErrDenied, gdap.ErrRelationship}, "AADSTS90002: no": {graphx.ErrGone, entra.ErrTenantGone},
	} {
		w.tokenFault(-1, w.contoso.ID, aadsts("invalid_grant", fault))
		_, err = users()
		require.ErrorIs(t, err, want[0])
		require.ErrorIs(t, err, want[1])
		require.NotEmpty(t, entra.Problem(err))
	}
	w.tokenFault(1, w.contoso.ID, graphfake.Fault{Status: 500})
	n, err = users()
	require.NoError(t, err)
	require.Equal(t, 3, n)
	client.Forget("contoso")
	w.SetFault(nil)
	w.RevokeRefresh(700082)
	_, err = users()
	require.ErrorIs(t, err, graphx.ErrRevoked)
	require.ErrorIs(t, err, entra.ErrSignIn)
}
