package graphteams_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp/graphteams"
)

func FuzzCheckpoint(f *testing.F) {
	for _, seed := range []string{
		`{"v":1,"c":{}}`, `{"v":1,"a":2,"b":true,"c":{"i":2}}`, `{"v":1,"q":"$skiptoken=x","b":true,"p":true,"t":9,"c":{"l":1}}`, `{"v":1,"a":-1,"c":{}}`,
		`{"v":1,"a":4,"c":{}}`, `{"v":2,"c":{}}`, `{"v":1,"q":"a b","c":{}}`, `{"v":1,"q":"a#b","c":{}}`, `{"v":1,"c":{"i":-1}}`, `{"v":1,"t":-1,"c":{}}`, `[]`, ``,
	} {
		f.Add([]byte(seed), "")
	}
	f.Add([]byte(nil), "AAAA")
	f.Fuzz(func(t *testing.T, body []byte, raw string) {
		r := graphteams.ManyRequest{
			Tenant: "contoso", App: graphteams.App{CatalogID: helpdeskApp}, Audience: graphteams.Audience{Users: []string{"a@b", "c@d", "e@f"}},
		}
		for _, from := range []graphteams.Checkpoint{graphteams.ForgeCheckpoint(r, body), graphteams.Checkpoint(raw)} {
			r.From = from
			at, query, counts, err := graphteams.ReadCheckpoint(r)
			if err != nil {
				require.ErrorIs(t, err, graphteams.ErrCheckpoint)
				require.Zero(t, at)
				require.Zero(t, counts)
				continue
			}
			require.True(t, at >= 0 && at <= 3)
			require.GreaterOrEqual(t, counts.Done(), 0)
			u, err := url.Parse("https://graph.example/v1.0/users?" + query)
			require.NoError(t, err)
			require.Equal(t, "/v1.0/users", u.Path)
			require.NotContains(t, query, "#")
		}
	})
}
