package halopsa_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/psatest"
	"github.com/stretchr/testify/require"
)

const benchContacts = 100_000

// bareUser is what a program would decode that knows nothing of this package.
type bareUser struct {
	ID         int64   `json:"id"`
	Name       string  `json:"name"`
	FirstName  string  `json:"firstname"`
	Surname    string  `json:"surname"`
	JobTitle   string  `json:"jobtitle"`
	Email      string  `json:"emailaddress"`
	Email2     string  `json:"email2"`
	Email3     string  `json:"email3"`
	Phone      string  `json:"phonenumber"`
	Mobile     string  `json:"mobilenumber"`
	Mobile2    string  `json:"mobilenumber2"`
	Home       string  `json:"homenumber"`
	ClientID   int64   `json:"client_id"`
	ClientName string  `json:"client_name"`
	SiteID     float64 `json:"site_id"`
	SiteName   string  `json:"site_name"`
	Inactive   bool    `json:"inactive"`
	EntraID    string  `json:"azureoid"`
	Updated    string  `json:"ulastupdate"`
}

func bareToken(tb testing.TB, w world) string {
	tb.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"app-1"}, "client_secret": {secret}, "scope": {"all"}}
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, w.url+"/auth/token", strings.NewReader(form.Encode()))
	require.NoError(tb, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(tb, err)
	defer resp.Body.Close()
	var got struct {
		AccessToken string `json:"access_token"`
	}
	require.NoError(tb, json.NewDecoder(resp.Body).Decode(&got))
	return got.AccessToken
}

// bareList reads all pages of 100 and returns how many contacts there were.
func bareList(tb testing.TB, c *http.Client, w world, tok string) (n int) {
	tb.Helper()
	for page, total := 1, 1; n < total; page++ {
		req, err := http.NewRequestWithContext(tb.Context(), http.MethodGet,
			fmt.Sprintf("%s/api/Users?pageinate=true&page_size=100&page_no=%d&includeactive=true&includeinactive=false&exclude_agents=true&order=id&orderdesc=false", w.url, page), nil)
		require.NoError(tb, err)
		req.Header.Set("Authorization", "Bearer "+tok)
		resp, err := c.Do(req)
		require.NoError(tb, err)
		var got struct {
			Count int        `json:"record_count"`
			Users []bareUser `json:"users"`
		}
		require.NoError(tb, json.NewDecoder(resp.Body).Decode(&got))
		require.NoError(tb, resp.Body.Close())
		n, total = n+len(got.Users), got.Count
	}
	return n
}

func listAll(tb testing.TB, w world, each func(pages int)) (n int) {
	tb.Helper()
	for q, pages := (psa.Query{}), 1; ; pages++ {
		p, err := w.client.ListContacts(tb.Context(), q)
		require.NoError(tb, err)
		n += len(p.Items)
		each(pages)
		if q.Cursor = p.Next; q.Cursor == "" {
			return n
		}
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkListContacts lists 100,000 contacts from the fake by this client and by a loop that only decodes, in turns.
// x-of-bare is how long ours takes beside the loop: 1 is as long. heap-MiB is the most by which the live heap grew.
func BenchmarkListContacts(b *testing.B) {
	desk := psatest.NewDesk(nil)
	for i := range benchContacts - len(desk.Contacts()) {
		desk.PutContact(psa.Contact{
			Company: psa.Named{ID: "12"}, FirstName: "Contact", LastName: fmt.Sprintf("No%06d", i), Title: "Clerk", Active: true,
			Emails: []string{fmt.Sprintf("no%06d@contoso.example", i)}, Phones: []psa.Phone{{Raw: fmt.Sprintf("202555%04d", i%10000), Kind: "work"}},
			EntraID: fmt.Sprintf("11111111-2222-4333-8444-%012d", i),
		})
	}
	w := openDesk(b, desk, nil, nil)
	w.sent.off.Store(true)
	tok := bareToken(b, w)
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}

	base, most := heap(), uint64(0)
	require.Equal(b, benchContacts, listAll(b, w, func(pages int) {
		if pages%100 == 0 {
			if now := heap(); now > base {
				most = max(most, now-base)
			}
		}
	}))
	require.Less(b, most, uint64(32<<20), "the heap grew with the listing")
	require.Equal(b, benchContacts, bareList(b, c, w, tok))

	var spent [2]time.Duration
	rounds := 0
	for b.Loop() {
		rounds++
		begun := time.Now()
		listAll(b, w, func(int) {})
		spent[0] += time.Since(begun)
		begun = time.Now()
		bareList(b, c, w, tok)
		spent[1] += time.Since(begun)
	}
	b.ReportMetric(spent[0].Seconds()/spent[1].Seconds(), "x-of-bare")
	b.ReportMetric(float64(rounds)*benchContacts/spent[0].Seconds(), "contacts/s")
	b.ReportMetric(float64(most)/(1<<20), "heap-MiB")
}
