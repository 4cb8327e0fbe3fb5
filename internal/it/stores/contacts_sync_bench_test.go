package stores_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/graphcontacts"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/internal/it/pgserver"
	"github.com/mspkit/mspkit/internal/sqlx"
)

// syncers is how many tenants are synced at once.
const syncers = 8

// graphCreds gives the tokens of a Graph that is played.
type graphCreds struct{ fake *graphfake.Server }

func (c graphCreds) TenantCredential(_ context.Context, tenant mspkit.TenantID) (azcore.TokenCredential, error) {
	return graphToken{c.fake, string(tenant)}, nil
}

type graphToken struct {
	fake   *graphfake.Server
	tenant string
}

func (t graphToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: t.fake.Bearer(t.tenant), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// crowdGraph adds tenants of Microsoft 365 with a thousand users each, who take no memory, and returns what there is to sync.
func crowdGraph(fake *graphfake.Server, from, n int) []contacts.Job {
	jobs := make([]contacts.Job, n)
	for i := range jobs {
		t := fake.AddTenant(fmt.Sprintf("%08x-5a3c-4d0e-9b1f-00000000cafe", from+i), "", fmt.Sprintf("customer%d.example", from+i))
		t.Seed(usersPerTenant, int64(from+i))
		jobs[i] = contacts.Job{Tenant: mspkit.TenantID(t.ID), Source: "entra"}
	}
	return jobs
}

// BenchmarkSync goes the whole way: tenants of a thousand users from a Graph that is played in this process, over HTTP,
// through graphcontacts and a Syncer into PostgreSQL, eight tenants at once, for the first time. It is compared with COPY of
// the same rows into the same tables with the same indexes (x-of-COPY). Unchanged is the next run, to which Graph says
// that nothing has changed. The heap that is reported has what the played Graph throws away, too. With MSPKIT_SOAK=1 it is a
// million users: run it with -benchtime=1x.
func BenchmarkSync(b *testing.B) {
	d := migrateDirectory(b, database{dialect: sqlx.Postgres, driver: "pgx", dsn: pgserver.New(b).URL(), schema: "public"})
	dir, db := openDirectoryDB(b, d, believed)
	db.SetMaxOpenConns(syncers)
	db.SetMaxIdleConns(syncers)
	fake, err := graphfake.Start(nil)
	require.NoError(b, err)
	defer func() { require.NoError(b, fake.Close()) }()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = syncers
	defer transport.CloseIdleConnections()
	source, err := graphcontacts.New(graphCreds{fake}, &graphcontacts.Options{
		Cloud: azurecred.Cloud{Login: fake.URL(), Graph: fake.URL()}, HTTPClient: &http.Client{Transport: transport}, Region: "US",
	})
	require.NoError(b, err)
	syncer, err := contacts.NewSyncer(dir, map[string]contacts.ContactSource{"entra": source}, &contacts.SyncerOptions{Parallel: syncers})
	require.NoError(b, err)
	var jobs []contacts.Job
	sync := func(b *testing.B, list []contacts.Job) (took time.Duration, grown uint64, people int) {
		b.Helper()
		took, grown = heapDuring(func() {
			reports, err := syncer.SyncAll(b.Context(), list, nil, nil)
			require.NoError(b, err)
			for _, r := range reports {
				require.NoError(b, r.Err)
				people += r.Contacts
			}
		})
		return took, grown, people
	}
	b.Run("First", func(b *testing.B) {
		var took time.Duration
		var grown uint64
		begun, people := len(jobs), 0
		for range b.N {
			list := crowdGraph(fake, len(jobs), crowdSize())
			jobs = append(jobs, list...)
			t, g, n := sync(b, list)
			took, grown, people = took+t, max(grown, g), people+n
		}
		require.Equal(b, (len(jobs)-begun)*usersPerTenant, people)
		b.ReportMetric(float64(people)/took.Seconds(), "users/s")
		b.ReportMetric(float64(grown)/(1<<20), "heap-MiB")
		b.ReportMetric(0, "ns/op")
		if begun == 0 { // all there is came by this
			b.ReportMetric(float64(took)/float64(copyCrowd(b, d)), "x-of-COPY")
		}
	})
	b.Run("Unchanged", func(b *testing.B) {
		var took time.Duration
		for range b.N {
			t, _, people := sync(b, jobs)
			require.Zero(b, people)
			took += t
		}
		b.ReportMetric(float64(len(jobs)*b.N)/took.Seconds(), "tenants/s")
		b.ReportMetric(0, "ns/op")
	})
}
