package connectwise

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/internal/api"
	"github.com/stretchr/testify/require"
)

// Whatever address gets into a request by a mistake of ours, the pipeline below holds credentials back.
func TestNoWayOutTakesCredentialsElsewhere(t *testing.T) {
	t.Parallel()
	calls := 0
	c, err := New("na.myconnectwise.net", "acme", Credentials{PublicKey: mspkit.Redact("a"), PrivateKey: mspkit.Redact("b"), ClientID: mspkit.Redact("c")},
		&Options{HTTPClient: &http.Client{Transport: counter{&calls}}})
	require.NoError(t, err)
	keys := c.http
	keys.HTTP = c.keyHTTP
	onlyID := c.http
	onlyID.Sign = func(r *http.Request) error {
		r.Header.Set("clientId", "c")
		return nil
	}
	for _, address := range []string{"https://na.myconnectwise.net/", "https://api-eu.myconnectwise.net/", "http://api-na.myconnectwise.net/", "https://api-na.myconnectwise.net.evil.example/"} {
		u, err := url.Parse(address)
		require.NoError(t, err)
		for _, way := range []api.Client{c.http, keys, onlyID} {
			_, err = way.Do(t.Context(), api.Request{Op: "test", Method: http.MethodGet, URL: u}, nil)
			require.ErrorIs(t, err, psa.ErrOrigin, address)
		}
	}
	require.Zero(t, calls)
}

// counter counts requests and answers none.
type counter struct{ n *int }

func (c counter) RoundTrip(*http.Request) (*http.Response, error) {
	*c.n++
	return nil, http.ErrServerClosed
}
