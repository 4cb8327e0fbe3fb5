package graphteams_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp/graphteams"
)

const (
	helpdeskApp = "8239c8f3-ed78-4512-933e-babfd28856f1" // in the manifest
	helpdeskBot = "07338883-af76-47b3-86e4-2603c50be638"
)

// estate is a tenant with people and the app in its catalog, on the wire.
type estate struct {
	fake   *graphfake.Server
	url    string
	tenant *graphfake.Tenant
	client *graphteams.Client
	// unconnected is a client that reaches no tenant.
	unconnected *graphteams.Client
	app         graphteams.App
	people      []string
}

func newEstate(tb testing.TB, people int, o *graphfake.Options) *estate {
	tb.Helper()
	if o == nil {
		o = &graphfake.Options{}
	}
	o.BasePath = "/graph"
	e := &estate{fake: graphfake.New(o)}
	srv := httptest.NewServer(e.fake)
	tb.Cleanup(srv.Close)
	e.url = srv.URL + o.BasePath
	e.tenant = e.fake.AddTenant("", "Contoso", "contoso.example")
	for i := range people {
		e.people = append(e.people, e.add(graphfake.User{DisplayName: fmt.Sprint("Person ", i), Mail: fmt.Sprintf("p%d@contoso.example", i)}))
	}
	id := e.tenant.PutTeamsApp(helpdeskApp, "Helpdesk", graphfake.TeamsAppDefinition{BotID: helpdeskBot, GraphID: helpdeskBot})
	e.app = graphteams.App{CatalogID: id, ManifestID: helpdeskApp, Name: "Helpdesk", Version: "1.0.0", State: "published"}
	e.client = e.instance(tb)
	var err error
	e.unconnected, err = graphteams.New(creds{}, &graphteams.Options{Cloud: azurecred.Cloud{Name: "fake", Login: e.url, Graph: e.url}})
	require.NoError(tb, err)
	return e
}

// add adds somebody with a licence.
func (e *estate) add(u graphfake.User) string {
	if u.Licences == nil {
		u.Licences = []string{"SPE_E3"}
	}
	return e.tenant.Put(u)
}

// instance is a client of its own.
func (e *estate) instance(tb testing.TB, change ...func(*graphteams.Options)) *graphteams.Client {
	tb.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	tb.Cleanup(transport.CloseIdleConnections)
	o := &graphteams.Options{
		Cloud:      azurecred.Cloud{Name: "fake", Login: e.url, Graph: e.url},
		HTTPClient: &http.Client{Transport: transport},
		Retry:      policy.RetryOptions{MaxRetries: 1, RetryDelay: time.Millisecond},
		TenantRate: -1,
	}
	for _, f := range change {
		f(o)
	}
	c, err := graphteams.New(creds{contoso: func() string { return e.fake.Bearer(e.tenant.ID) }}, o)
	require.NoError(tb, err)
	return c
}

// has reports whether somebody has the app.
func (e *estate) has(user string) bool { return len(e.tenant.TeamsInstalls(user)) > 0 }
