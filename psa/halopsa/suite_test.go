package halopsa_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/halopsa"
	"github.com/mspkit/mspkit/psa/psatest"
	"github.com/stretchr/testify/require"
)

const secret = "s3cret-of-the-application"

// world is a fake HaloPSA and a client for it.
type world struct {
	desk   *psatest.Desk
	url    string
	client *halopsa.Client
	sent   *recorder
}

// open starts a fake HaloPSA and makes a client for it. Both are below a path, so that an address which leaves it out fails.
func open(t testing.TB, fake *psatest.HaloPSAOptions, o *halopsa.Options) world {
	t.Helper()
	return openDesk(t, psatest.NewDesk(nil), fake, o)
}

func openDesk(t testing.TB, desk *psatest.Desk, fake *psatest.HaloPSAOptions, o *halopsa.Options) world {
	t.Helper()
	if fake == nil {
		fake = &psatest.HaloPSAOptions{}
	}
	fake.ClientID, fake.ClientSecret, fake.Prefix = "app-1", secret, "/halo"
	srv, err := psatest.NewHaloPSA(desk, fake)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, srv.Close()) })
	w := world{desk: desk, url: srv.URL + "/halo", sent: &recorder{}}
	w.client = w.connect(t, o)
	return w
}

// connect makes another client.
func (w world) connect(t testing.TB, o *halopsa.Options) *halopsa.Client {
	t.Helper()
	own := halopsa.Options{}
	if o != nil {
		own = *o
	}
	if own.BaseURL == "" {
		own.BaseURL = w.url
	}
	if own.Requests == 0 {
		own.Requests = -1
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	t.Cleanup(transport.CloseIdleConnections)
	w.sent.to = transport
	own.HTTPClient = &http.Client{Transport: w.sent}
	c, err := halopsa.New("example.halopsa.com", halopsa.Credentials{ClientID: "app-1", ClientSecret: mspkit.Redact(secret)}, &own)
	require.NoError(t, err)
	return c
}

func ref(id string) psa.TicketRef {
	return psa.TicketRef{Tenant: "contoso", Ticket: mspkit.Ticket{System: halopsa.Name, ID: id}}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fake   psatest.HaloPSAOptions
		client halopsa.Options
		suite  psatest.Options
	}{
		"as documented": {},
		"arrays, wrapped lists, zone of its own, tenant": {
			fake: psatest.HaloPSAOptions{
				Arrays: true, WrappedLists: true, Zone: time.FixedZone("", -5*3600), Tenant: "contoso", ObeySince: true, Errors: 1, KeylessLists: true,
			},
			client: halopsa.Options{DateZone: time.FixedZone("", -5*3600), Since: halopsa.AskLastUpdate, SLA: 1},
		},
		"older, plain text, found by full text": {
			fake:   psatest.HaloPSAOptions{NoAuthInfo: true, NoAgentMe: true, RefuseHTML: true, IgnoreKey: true, RefuseClosed: true, Errors: 5},
			client: halopsa.Options{PlainText: true, Agent: psatest.OurID, KeySearch: halopsa.KeyFullText, WriteToClosed: true, SourceLookup: -1},
			suite:  psatest.Options{Reads: psa.Plain},
		},
		"no key": {client: halopsa.Options{KeySearch: halopsa.KeyNever}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.suite.Secrets = []string{secret, "app-1"}
			psatest.TestSystem(t, func(t *testing.T) (psa.System, *psatest.Desk) {
				t.Helper()
				fake, o := tc.fake, tc.client
				w := open(t, &fake, &o)
				return w.client, w.desk
			}, &tc.suite)
		})
	}
}
