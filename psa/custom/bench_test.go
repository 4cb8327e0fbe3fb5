package custom_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/custom/customtest"
	"github.com/mspkit/mspkit/psa/psatest"
	"github.com/stretchr/testify/require"
)

const benchContacts = 100_000

// BenchmarkListContacts lists 100,000 contacts page by page, and in turns with that calls the function itself. x-of-function
// is how much longer it takes by the system. heap-MiB is how much more is in use after any page, with that page held, than
// before the first, after a collection.
func BenchmarkListContacts(b *testing.B) {
	desk := psatest.NewDesk(nil)
	for i := range benchContacts {
		desk.PutContact(psa.Contact{
			Company: psa.Named{ID: "12"}, FirstName: "Contact", LastName: fmt.Sprintf("No%06d", i), Title: "Engineer", Active: true,
			Emails: []string{fmt.Sprintf("no%06d@contoso.example", i)}, Phones: []psa.Phone{{Raw: fmt.Sprintf("20255%05d", i), Kind: "mobile"}},
		})
	}
	srv, err := psatest.NewHomegrown(desk)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, srv.Close()) })
	sys := overHTTP(b, srv)
	own := customtest.HomegrownFuncs(srv.URL, srv.Key)

	list := func(page func(psa.Query) (psa.Page[psa.Contact], error), each func(psa.Page[psa.Contact])) {
		n := 0
		for q := (psa.Query{Limit: psatest.HomegrownPage}); ; {
			p, err := page(q)
			require.NoError(b, err)
			n += len(p.Items)
			each(p)
			if q.Cursor = p.Next; q.Cursor == "" {
				break
			}
		}
		require.Equal(b, benchContacts+2, n)
	}
	ours := func(q psa.Query) (psa.Page[psa.Contact], error) { return sys.ListContacts(b.Context(), q) }
	bare := func(q psa.Query) (psa.Page[psa.Contact], error) { return own.ListContacts(b.Context(), q) }
	nothing := func(psa.Page[psa.Contact]) {}
	inUse := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}

	list(ours, nothing)
	list(bare, nothing)
	before, most, pages := inUse(), uint64(0), 0
	list(ours, func(p psa.Page[psa.Contact]) {
		if pages++; pages%50 == 0 || p.Next == "" {
			most = max(most, inUse())
			runtime.KeepAlive(p)
		}
	})
	growth := float64(most-min(before, most)) / (1 << 20)
	require.Less(b, growth, 32.0)

	var spent [2]time.Duration
	for b.Loop() {
		for i, page := range []func(psa.Query) (psa.Page[psa.Contact], error){ours, bare} {
			begun := time.Now()
			list(page, nothing)
			spent[i] += time.Since(begun)
		}
	}
	b.ReportMetric(spent[0].Seconds()/spent[1].Seconds(), "x-of-function")
	b.ReportMetric(growth, "heap-MiB")
}
