package gdap_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/gdap"
	"github.com/mspkit/mspkit/internal/graphfake"
)

// releasing is a store whose connections are released right after they were listed.
type releasing struct{ *entra.Memory }

func (s *releasing) Connections(ctx context.Context, owner string) ([]entra.Connection, error) {
	list, err := s.Memory.Connections(ctx, owner)
	for _, c := range list {
		err = errors.Join(err, s.Release(ctx, c.Tenant, c.Integration, c.Owner))
	}
	return list, err
}

var grant = gdap.Grant{Scopes: []string{"User.Read.All"}}

func center(status int, code, description string) graphfake.Fault {
	return graphfake.Fault{Status: status, Body: `{"code":` + code + `,"description":"` + description + `","data":[],"source":"PartnerFD"}`}
}

// status is a fault whose body is sent with its status.
func status(f graphfake.Fault) graphfake.Fault {
	f.Header = http.Header{"Ms-Requestid": {"5B1C1F8E-3F52-4D59-9A0A-0D8F7F3F2A11"}, "Ms-Correlationid": {"<script>"}}
	return f
}

func TestPartnerCenterErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault graphfake.Fault
		is    []error
		says  string
		code  string
	}{
		"MFA":                {center(401, "900424", "App+User authentication with multi-factor authentication is required."), []error{gdap.ErrMFA, entra.ErrSignIn}, "multifactor", "900424"},
		"MFA in other words": {center(403, `"mfa"`, "MFA required"), []error{gdap.ErrMFA}, "multifactor", "mfa"},
		"token":              {center(401, "900421", "anna@msp.example is not authorized"), []error{entra.ErrSignIn}, "user_impersonation", "900421"},
		"role":               {center(403, "2000", "denied"), []error{entra.ErrRefused}, "AdminAgents", "2000"},
		"relationship":       {center(404, "2002", "not found"), []error{gdap.ErrRelationship}, "no relationship", "2002"},
		"throttled":          {graphfake.TooMany(time.Hour), []error{entra.ErrThrottled}, "1h0m0s", ""},
		"down":               {center(500, `"<b>"`, "x"), []error{entra.ErrUnavailable}, "later", ""},
		"bad request":        {center(400, "1000", "x"), []error{entra.ErrRefused}, "scopes", "1000"},
		"no JSON":            {graphfake.Fault{Status: 418, Body: "<html>anna@msp.example"}, nil, "status 418", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			p := noPause(w.signedIn(t))
			w.SetFault(graphfake.Times(-1, status(c.fault), "applicationconsents"))
			err := p.Consent(t.Context(), w.contoso.ID, grant)
			for _, is := range c.is {
				require.ErrorIs(t, err, is)
			}
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "anna")
			require.NotContains(t, err.Error(), "<")
			e, ok := errors.AsType[*gdap.Error](err)
			require.True(t, ok)
			require.Equal(t, c.code, e.Code)
			require.Equal(t, "5b1c1f8e-3f52-4d59-9a0a-0d8f7f3f2a11", e.RequestID)
			require.Empty(t, e.CorrelationID)
		})
	}
}

func TestAConsentThatCannotBeRemovedIsNotReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := noPause(w.signedIn(t))
	w.SetFault(graphfake.Times(-1, center(403, "2000", "denied"), "applicationconsents"))
	require.ErrorIs(t, p.Replace(t.Context(), w.contoso.ID, grant), entra.ErrRefused)
	require.Equal(t, []string{"User.Read.All"}, w.contoso.Consents(clientID))
}

func TestARevokedTokenOfPartnerCenterIsRenewedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := noPause(w.signedIn(t))
	require.NoError(t, p.Consent(t.Context(), w.contoso.ID, grant))
	w.RevokeBearers()
	require.NoError(t, p.Consent(t.Context(), w.contoso.ID, grant))
}

func TestReplicationLag(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.options.Lag = 40 * time.Second
	p := w.signedIn(t)
	var waited time.Duration
	p.OnPause(func(ctx context.Context, d time.Duration) error {
		waited += d
		return ctx.Err()
	})
	// What was removed is seen a while longer.
	posts := 0
	w.SetFault(func(r *http.Request) *graphfake.Fault {
		if r.Method != http.MethodPost || r.URL.Path != "/v1/customers/"+w.contoso.ID+"/applicationconsents" {
			return nil
		}
		if posts++; posts <= 2 {
			f := center(409, "600009", "Permission entry already exists.")
			return &f
		}
		return nil
	})
	require.NoError(t, p.Replace(t.Context(), w.contoso.ID, grant))
	require.Equal(t, grant.Scopes, w.contoso.Consents(clientID))
	require.Equal(t, 3*time.Second, waited)

	// An answer that was lost: the consent is the new one already.
	waited = 0
	var once sync.Once
	w.SetFault(func(r *http.Request) (f *graphfake.Fault) {
		if r.Method == http.MethodPost && r.URL.Path == "/v1/customers/"+w.contoso.ID+"/applicationconsents" {
			once.Do(func() { f = &graphfake.Fault{Drop: true, After: true} })
		}
		return f
	})
	require.NoError(t, p.Replace(t.Context(), w.contoso.ID, gdap.Grant{Scopes: []string{"Mail.Send"}}))
	require.Equal(t, []string{"Mail.Send"}, w.contoso.Consents(clientID))
	require.Equal(t, time.Second, waited)

	// Entra learns of the consent later.
	waited = 0
	w.tokenFault(3, w.contoso.ID, aadsts("invalid_grant", "AADSTS65001: no"))
	require.NoError(t, p.Consent(t.Context(), w.contoso.ID, grant))
	require.Equal(t, 7*time.Second, waited)

	// Or not in time.
	waited = 0
	w.tokenFault(-1, w.contoso.ID, aadsts("invalid_client", "AADSTS650051: being made"))
	err := p.Consent(t.Context(), w.contoso.ID, grant)
	require.ErrorIs(t, err, entra.ErrUnavailable)
	require.ErrorContains(t, err, "does not know of it yet")
	require.Equal(t, 40*time.Second, waited)
	w.tokenFault(-1, w.contoso.ID, aadsts("invalid_grant", "AADSTS65001: no"))
	require.ErrorIs(t, p.Consent(t.Context(), w.contoso.ID, grant), entra.ErrConsent)
	w.tokenFault(-1, w.contoso.ID, aadsts("invalid_grant", "AADSTS53003: no"))
	waited = 0
	require.ErrorIs(t, p.Consent(t.Context(), w.contoso.ID, grant), entra.ErrRefused)
	require.Zero(t, waited, "what waiting does not help is said at once")

	// A customer whom Partner Center does not know, or not yet.
	w.SetFault(graphfake.Times(3, center(404, "2002", "x"), "applicationconsents"))
	require.NoError(t, p.Consent(t.Context(), w.contoso.ID, grant))
	waited = 0
	w.SetFault(graphfake.Times(-1, center(404, "2002", "x"), "applicationconsents"))
	require.ErrorIs(t, p.Consent(t.Context(), w.contoso.ID, grant), gdap.ErrRelationship)
	require.Equal(t, 15*time.Second, waited)

	ctx, cancel := context.WithCancel(t.Context())
	p.OnPause(func(context.Context, time.Duration) error { cancel(); return ctx.Err() })
	require.ErrorIs(t, p.Consent(ctx, w.contoso.ID, grant), context.Canceled)
}

func TestConsentToOthersThanGraphIsNotTried(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := noPause(w.signedIn(t))
	w.tokenFault(-1, w.contoso.ID, aadsts("invalid_grant", "AADSTS65001: no"))
	require.NoError(t, p.Consent(t.Context(), w.contoso.ID, gdap.Grant{Resource: group, Scopes: []string{"user_impersonation"}}))
}
