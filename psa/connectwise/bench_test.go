package connectwise

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/psatest"
	"github.com/stretchr/testify/require"
)

const benchContacts = 100_000

// remember stands in front of a server and answers a request that it has seen from memory, so that what is measured is the
// client and not the fake.
func remember(b *testing.B, target string) *httptest.Server {
	b.Helper()
	type answer struct {
		header http.Header
		body   []byte
	}
	var mu sync.Mutex
	seen := map[string]answer{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.URL.String() + r.Header.Get("pagination-type")
		mu.Lock()
		a, ok := seen[key]
		mu.Unlock()
		if !ok {
			req, err := http.NewRequestWithContext(r.Context(), r.Method, target+r.URL.RequestURI(), nil)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			req.Header, req.Host = r.Header.Clone(), r.Host
			req.Header.Del("Accept-Encoding")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			a.header = resp.Header
			a.body, err = io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusOK {
				panic(http.ErrAbortHandler)
			}
			mu.Lock()
			seen[key] = a
			mu.Unlock()
		}
		maps.Copy(w.Header(), a.header)
		_, _ = w.Write(a.body)
	}))
	b.Cleanup(s.Close)
	return s
}

// BenchmarkListContacts lists 100,000 contacts page by page, and in turns with that reads the same pages by a loop that only
// decodes them. x-of-bare is how much longer the client takes. heap-MiB is how much more is in use after any page, with
// that page held, than before the first: after a collection, so that it is what is needed and not what is not yet collected.
func BenchmarkListContacts(b *testing.B) {
	desk := psatest.NewDesk(nil)
	for i := range benchContacts {
		desk.PutContact(psa.Contact{
			Company: psa.Named{ID: "12"}, FirstName: "Contact", LastName: fmt.Sprintf("No%06d", i), Title: "Engineer", Active: true,
			Emails: []string{fmt.Sprintf("no%06d@contoso.example", i)}, Phones: []psa.Phone{{Raw: fmt.Sprintf("20255%05d", i), Kind: "mobile"}},
		})
	}
	fake, err := psatest.NewConnectWise(desk, nil)
	require.NoError(b, err)
	b.Cleanup(func() { _ = fake.Close() })
	front := remember(b, fake.URL)
	c, err := New("", psatest.ConnectWiseCompany, Credentials{
		PublicKey: mspkit.Redact(psatest.ConnectWisePublicKey), PrivateKey: mspkit.Redact(psatest.ConnectWisePrivateKey),
		ClientID: mspkit.Redact(psatest.ConnectWiseClientID),
	}, &Options{BaseURL: front.URL, Requests: -1})
	require.NoError(b, err)

	ours := func(each func(psa.Page[psa.Contact])) {
		n := 0
		for q := (psa.Query{}); ; {
			p, err := c.ListContacts(b.Context(), q)
			require.NoError(b, err)
			n += len(p.Items)
			each(p)
			if q.Cursor = p.Next; q.Cursor == "" {
				break
			}
		}
		require.GreaterOrEqual(b, n, benchContacts)
	}
	first, err := c.codebase(b.Context(), "bench")
	require.NoError(b, err)
	bare := func() {
		n := 0
		for next := front.URL + "/" + first + "apis/3.0/company/contacts?conditions=inactiveFlag%3DFalse&pageSize=1000"; next != ""; {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, next, nil)
			require.NoError(b, err)
			req.Header.Set("pagination-type", "forward-only")
			require.NoError(b, c.sign(req))
			resp, err := http.DefaultClient.Do(req)
			require.NoError(b, err)
			var rows []contact
			require.NoError(b, json.NewDecoder(resp.Body).Decode(&rows))
			_ = resp.Body.Close()
			n += len(rows)
			next, _ = nextLink(resp.Header.Values("Link"))
		}
		require.GreaterOrEqual(b, n, benchContacts)
	}

	nothing := func(psa.Page[psa.Contact]) {}
	ours(nothing)
	bare()
	before, most := inUse(), uint64(0)
	pages := 0
	ours(func(p psa.Page[psa.Contact]) {
		if pages++; pages%10 == 0 || p.Next == "" {
			most = max(most, inUse())
			runtime.KeepAlive(p)
		}
	})
	growth := float64(most-min(before, most)) / (1 << 20)
	require.Less(b, growth, 32.0)

	var spent [2]time.Duration
	rounds := 0
	for b.Loop() {
		rounds++
		begun := time.Now()
		ours(nothing)
		middle := time.Now()
		bare()
		spent[0], spent[1] = spent[0]+middle.Sub(begun), spent[1]+time.Since(middle)
	}
	b.ReportMetric(float64(rounds)*benchContacts/spent[0].Seconds(), "contacts/s")
	b.ReportMetric(spent[0].Seconds()/spent[1].Seconds(), "x-of-bare")
	b.ReportMetric(growth, "heap-MiB")
}

// inUse is how much of the heap is in use after a collection.
func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
