package changefeed_test

import (
	"encoding/json"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/internal/jwks"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

// The issuer has the tenant in it as well, but a token whose two tenants differ is of neither.
func TestATokenIsOfOneTenant(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	g := graphfake.New(&graphfake.Options{Now: clock})
	srv := httptest.NewServer(g)
	t.Cleanup(srv.Close)
	keys, err := jwks.New(srv.URL+"/common/.well-known/openid-configuration", &jwks.Options{Now: clock})
	require.NoError(t, err)
	judge := changefeed.JudgeTokens(keys, ourApp, contosoID, clock)
	for tid, good := range map[string]bool{contosoID: true, fabrikamID: false, "": false} {
		var posted struct {
			Tokens []string `json:"validationTokens"`
		}
		require.NoError(t, json.Unmarshal(g.Batch(graphfake.Notice{
			Item: map[string]any{}, Tenant: contosoID, App: ourApp, Claims: func(c map[string]any) { c["tid"] = tid },
		}), &posted))
		err := judge(t.Context(), posted.Tokens...)
		require.Equal(t, good, err == nil, "%q: %v", tid, err)
	}
}
