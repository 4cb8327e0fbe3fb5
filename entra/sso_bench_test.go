package entra_test

import (
	"context"
	"crypto"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra"
)

// BenchmarkCallback is the whole callback, from the browser's answer to the cookie of the session, with a token endpoint that costs
// nothing, beside what go-oidc alone takes for the same token in the same run. The times are medians: others who use the machine would
// decide about a mean.
func BenchmarkCallback(b *testing.B) {
	g := newRig(b)
	answer, cookie, nonce := g.begin(b)
	raw := g.idToken(b, nonce)
	g.answer = `{"token_type":"Bearer","expires_in":3600,"id_token":"` + raw + `"}`
	query := answer.Encode()
	bare := oidc.NewVerifier(benchIssuer, &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{&g.key().PublicKey}}, &oidc.Config{
		ClientID: benchApp, SupportedSigningAlgs: []string{oidc.RS256}, Now: func() time.Time { return g.at },
	})
	var whole, verify, alone []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodGet, "/callback?"+query, http.NoBody)
		r.AddCookie(cookie)
		w := httptest.NewRecorder()
		at := time.Now()
		g.pages.ServeHTTP(w, r)
		whole = append(whole, time.Since(at))
		if w.Code != http.StatusSeeOther {
			b.Fatal(w.Code)
		}
		at = time.Now()
		if _, err := g.verifier.Verify(b.Context(), raw, nonce); err != nil {
			b.Fatal(err)
		}
		verify = append(verify, time.Since(at))
		at = time.Now()
		token, err := bare.Verify(b.Context(), raw)
		if err != nil {
			b.Fatal(err)
		}
		var claims map[string]any
		if err := token.Claims(&claims); err != nil {
			b.Fatal(err)
		}
		alone = append(alone, time.Since(at))
		g.audit.take()
	}
	b.ReportMetric(median(whole), "callback-ns")
	b.ReportMetric(median(verify), "verify-ns")
	b.ReportMetric(median(alone), "bare-ns")
	b.ReportMetric(median(whole)/median(alone), "callback/bare")
	b.ReportMetric(median(verify)/median(alone), "verify/bare")
}

// median returns the time in the middle, in nanoseconds.
func median(list []time.Duration) float64 {
	slices.Sort(list)
	return float64(list[len(list)/2])
}

// signedIn is the context of a request of somebody with a second factor.
func signedIn() context.Context {
	return entra.WithUser(context.Background(), &entra.User{
		ID: "1", Role: entra.RoleTechnician, Policy: entra.DefaultPolicy(), MFA: true, Factor: time.Unix(1_800_000_000, 0),
	})
}

func BenchmarkAuthorize(b *testing.B) {
	ctx := signedIn()
	b.ReportAllocs()
	for b.Loop() {
		if entra.Authorize(ctx, entra.PermissionFeatures) != nil || entra.Authorize(ctx, entra.PermissionAccount) == nil {
			b.Fatal("the answer is wrong")
		}
	}
}

func TestAuthorizeAllocatesNothing(t *testing.T) { //nolint:paralleltest // what others allocate meanwhile would count
	ctx, nobody := signedIn(), context.Background()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if entra.Authorize(ctx, entra.PermissionFeatures) != nil || entra.Authorize(ctx, entra.PermissionAccount) == nil || entra.Authorize(nobody, entra.PermissionPod) == nil {
			panic("the answer is wrong")
		}
	}))
}
