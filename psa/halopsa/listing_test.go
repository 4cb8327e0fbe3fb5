package halopsa_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/halopsa"
	"github.com/mspkit/mspkit/psa/psatest"
	"github.com/stretchr/testify/require"
)

func TestPageinateIsSpelledSo(t *testing.T) {
	t.Parallel()
	w := open(t, nil, nil)
	for range 150 {
		w.desk.PutContact(psa.Contact{Company: psa.Named{ID: "12"}, FirstName: "A", LastName: "B", Active: true})
	}
	require.Equal(t, 152, listAll(t, w, func(int) {}))
	calls := w.sent.list(http.MethodGet, "/api/Users")
	require.Len(t, calls, 2)
	for _, c := range calls {
		require.Equal(t, "true", c.Query.Get("pageinate"))
		require.Equal(t, "id", c.Query.Get("order"))
		require.Equal(t, "true", c.Query.Get("exclude_agents"))
		require.NotEmpty(t, c.Query.Get("page_no"))
		require.NotEmpty(t, c.Query.Get("page_size"))
	}
}

func TestAServerWithSmallerPagesIsFollowed(t *testing.T) {
	t.Parallel()
	for way, size := range map[halopsa.Paging]int{halopsa.OverlapPages: 20, halopsa.CountedPages: 7} {
		w := open(t, &psatest.HaloPSAOptions{MaxPage: size}, &halopsa.Options{Paging: way})
		for range 150 {
			w.desk.PutContact(psa.Contact{Company: psa.Named{ID: "12"}, FirstName: "A", LastName: "B", Active: true})
		}
		require.Equal(t, 152, listAll(t, w, func(int) {}))
	}
	w := open(t, &psatest.HaloPSAOptions{MaxPage: 7}, nil)
	_, err := w.client.ListContacts(t.Context(), psa.Query{})
	require.ErrorIs(t, err, psa.ErrUnsupported)
}

// gone is how many contacts drift away after each page: more than windows overlap anyway.
const gone = 30

// drift deletes the first contacts after each page, so that all others move up.
func drift(t *testing.T, w world) (seen map[string]int, err error) {
	t.Helper()
	seen = map[string]int{}
	for q := (psa.Query{}); ; {
		p, err := w.client.ListContacts(t.Context(), q)
		if err != nil {
			return seen, err
		}
		for _, c := range p.Items {
			seen[c.ID]++
		}
		for _, c := range w.desk.Contacts()[:gone] {
			w.desk.DeleteContact(c.ID)
			w.desk.PutContact(psa.Contact{Company: psa.Named{ID: "12"}, FirstName: "Late", LastName: "Z", Active: true}) // the count is the same
		}
		if q.Cursor = p.Next; q.Cursor == "" {
			return seen, nil
		}
	}
}

func TestAContactThatStaysIsNeverSkippedWhilePagesDrift(t *testing.T) {
	t.Parallel()
	w := open(t, nil, nil)
	var stay []string
	for i := range 1200 {
		c := w.desk.PutContact(psa.Contact{Company: psa.Named{ID: "12"}, FirstName: "A", LastName: "B", Active: true})
		if i > 25*gone {
			stay = append(stay, c.ID)
		}
	}
	seen, err := drift(t, w)
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(w.desk.Contacts(), func(c psa.Contact) bool { return c.ID == stay[0] }), "it was never deleted")
	for _, id := range stay {
		require.Equal(t, 1, seen[id], "contact %s", id)
	}
}

func TestAServerThatDoesNotOrderByIDIsNoticed(t *testing.T) {
	t.Parallel()
	fill := func(w world) {
		for i := range 250 {
			w.desk.PutContact(psa.Contact{Company: psa.Named{ID: "12"}, FirstName: "A", LastName: strconv.Itoa(900 - i), Active: true})
		}
	}
	w := open(t, &psatest.HaloPSAOptions{Unordered: true}, nil)
	fill(w)
	_, err := w.client.ListContacts(t.Context(), psa.Query{})
	require.ErrorIs(t, err, psa.ErrUnsupported)
	require.ErrorContains(t, err, "CountedPages")

	w = open(t, &psatest.HaloPSAOptions{Unordered: true}, &halopsa.Options{Paging: halopsa.CountedPages})
	fill(w)
	require.Equal(t, 252, listAll(t, w, func(int) {}))
	p, err := w.client.ListContacts(t.Context(), psa.Query{Limit: 50})
	require.NoError(t, err)
	w.desk.DeleteContact("201")
	_, err = w.client.ListContacts(t.Context(), psa.Query{Limit: 50, Cursor: p.Next})
	require.ErrorIs(t, err, psa.ErrCursor, "who was behind may have moved to the first page")
}

func TestACursorIsOfItsOwnListing(t *testing.T) {
	t.Parallel()
	w := open(t, nil, nil)
	p, err := w.client.ListContacts(t.Context(), psa.Query{Limit: 1})
	require.NoError(t, err)
	require.NotEmpty(t, p.Next)
	_, err = w.client.ListContacts(t.Context(), psa.Query{Limit: 1, Cursor: p.Next, CompanyID: "13"})
	require.ErrorIs(t, err, psa.ErrCursor)
	_, err = w.client.ListContacts(t.Context(), psa.Query{Limit: 1, Cursor: "1.0.-1.5.0.0.0.x"})
	require.ErrorIs(t, err, psa.ErrCursor)
}

func TestModifiedSinceIgnoredOrObeyed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fake  psatest.HaloPSAOptions
		mode  halopsa.SinceMode
		param bool
		old   bool // also comes what has not changed
	}{
		"compared":                      {},
		"asked and ignored":             {mode: halopsa.AskLastUpdate, param: true},
		"asked and obeyed":              {fake: psatest.HaloPSAOptions{ObeySince: true, NoLastUpdate: true}, mode: halopsa.AskLastUpdate, param: true},
		"not asked and no time is told": {fake: psatest.HaloPSAOptions{NoLastUpdate: true}, old: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t, &tc.fake, &halopsa.Options{Since: tc.mode})
			since := time.Now().Add(-time.Hour)
			old := w.desk.PutContact(psa.Contact{FirstName: "Old", LastName: "X", Active: true, ModifiedAt: since.Add(-24 * time.Hour)}).ID
			near := w.desk.PutContact(psa.Contact{FirstName: "Near", LastName: "X", Active: true, ModifiedAt: since.Add(-time.Minute)}).ID
			p, err := w.client.ListContacts(t.Context(), psa.Query{Since: since})
			require.NoError(t, err)
			has := func(id string) bool {
				return slices.ContainsFunc(p.Items, func(c psa.Contact) bool { return c.ID == id })
			}
			require.Equal(t, tc.old, has(old))
			require.True(t, has(near), "clocks differ")
			calls := w.sent.list(http.MethodGet, "/api/Users")
			require.Equal(t, tc.param, calls[0].Query.Has("lastupdatefromdate"))
			k, err := w.client.ListCompanies(t.Context(), psa.Query{Since: since})
			require.NoError(t, err)
			require.Len(t, k.Items, 2)
		})
	}
}

func TestDatesWithoutZoneAreInTheConfiguredZone(t *testing.T) {
	t.Parallel()
	east := time.FixedZone("", 2*3600)
	desk := func() *psatest.Desk { return psatest.NewDesk(nil) }
	for name, tc := range map[string]struct {
		fake psatest.HaloPSAOptions
		zone *time.Location
		off  time.Duration
	}{
		"UTC":                      {},
		"a zone that is set":       {fake: psatest.HaloPSAOptions{Zone: east}, zone: east},
		"a zone that is not known": {fake: psatest.HaloPSAOptions{Zone: east}, off: 2 * time.Hour},
		"their own":                {fake: psatest.HaloPSAOptions{Zone: east, ZonedDates: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := openDesk(t, desk(), &tc.fake, &halopsa.Options{DateZone: tc.zone})
			kept, _ := w.desk.Ticket("4711")
			got, err := w.client.GetTicket(t.Context(), ref("4711"))
			require.NoError(t, err)
			require.Equal(t, tc.off, got.CreatedAt.Sub(kept.CreatedAt).Round(time.Second))
		})
	}
}

func TestSiteIDIsANumberWithAPoint(t *testing.T) {
	t.Parallel()
	w := open(t, nil, nil)
	w.desk.PutContact(psa.Contact{ID: "301", FirstName: "A", LastName: "B", Active: true, Site: psa.Named{ID: "77", Name: "Depot"}})
	p, err := w.client.ListContacts(t.Context(), psa.Query{})
	require.NoError(t, err)
	require.Equal(t, psa.Named{ID: "77", Name: "Depot"}, p.Items[2].Site)
}

func TestAzureoidIsTheEntraID(t *testing.T) {
	t.Parallel()
	w := open(t, nil, nil)
	p, err := w.client.ListContacts(t.Context(), psa.Query{})
	require.NoError(t, err)
	require.Equal(t, "2f6b1c8e-0a4d-4e7b-9c35-61d8f0a2b301", p.Items[0].EntraID)
}

func TestSeveralAddressesAndNumbers(t *testing.T) {
	t.Parallel()
	w := open(t, nil, nil)
	c := w.desk.PutContact(psa.Contact{
		FirstName: "A", LastName: "B", Active: true, Emails: []string{"a@contoso.example", "b@contoso.example", "c@contoso.example"},
		Phones: []psa.Phone{{Raw: "030 1234567", Kind: "work"}, {Raw: "0170 1", Kind: "mobile"}, {Raw: "0170 2", Kind: "mobile"}, {Raw: "030 3", Kind: "home"}},
	})
	p, err := w.client.ListContacts(t.Context(), psa.Query{})
	require.NoError(t, err)
	got := p.Items[2]
	require.Equal(t, c.Emails, got.Emails)
	require.Equal(t, c.Phones, got.Phones)
}

func TestASearchIsBroadAndEachHitIsCompared(t *testing.T) {
	t.Parallel()
	w := open(t, nil, nil)
	for i := range 250 { // several pages of what only looks like it
		w.desk.PutContact(psa.Contact{FirstName: "A", LastName: "B", Active: true, Emails: []string{fmt.Sprintf("x%d.dana@contoso.example", i)}})
	}
	last := w.desk.PutContact(psa.Contact{FirstName: "A", LastName: "B", Active: false, Emails: []string{"other@contoso.example", "Dana@Contoso.example"}})
	got, err := w.client.FindByEmail(t.Context(), "dana@contoso.example")
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.Equal(t, "201", got[0].ID)
	require.Equal(t, last.ID, got[1].ID)
	require.False(t, got[1].Active)
	calls := w.sent.list(http.MethodGet, "/api/Users")
	require.Equal(t, "dana@contoso.example", calls[0].Query.Get("search"))
}

func TestANumberIsFoundHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	w := open(t, nil, nil)
	want := w.desk.PutContact(psa.Contact{FirstName: "A", LastName: "B", Active: true, Phones: []psa.Phone{{Raw: "+1 (425) 555-0199 ext. 4"}}})
	got, err := w.client.FindByPhone(t.Context(), "+14255550199")
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, want.ID, got[0].ID)
	require.Equal(t, "true", w.sent.list(http.MethodGet, "/api/Users")[0].Query.Get("search_phonenumbers"))
}

// Whatever zone HaloPSA writes its dates in, nothing that is new is left out: a contact would be missed, and a note that is
// not found would be written again.
func TestNothingNewIsLeftOutWhateverTheZone(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	// Half past two comes twice in this night; a date without zone may be either.
	twice := time.Date(2026, 10, 25, 1, 30, 0, 0, time.UTC)
	west := time.FixedZone("", -12*3600)
	for name, tc := range map[string]struct {
		server *time.Location
		o      halopsa.Options
		since  time.Time
		old    time.Duration // before since, that is left out
	}{
		"UTC":                         {server: time.UTC, since: twice, old: 14 * time.Hour},
		"UTC, and known":              {server: time.UTC, o: halopsa.Options{DateZone: time.UTC}, since: twice, old: 6 * time.Minute},
		"UTC, known, without overlap": {server: time.UTC, o: halopsa.Options{DateZone: time.UTC, Overlap: -1}, since: twice, old: time.Second},
		"behind, and not known":       {server: west, since: twice, old: 14 * time.Hour},
		"ahead, and not known":        {server: time.FixedZone("", 14*3600), since: twice, old: 30 * time.Hour},
		"daylight saving time":        {server: berlin, o: halopsa.Options{DateZone: berlin}, since: twice, old: 3 * time.Hour},
	} {
		for _, mode := range []halopsa.SinceMode{halopsa.CompareLastUpdate, halopsa.AskLastUpdate} {
			t.Run(name+" "+strconv.Itoa(int(mode)), func(t *testing.T) {
				t.Parallel()
				tc.o.Since = mode
				desk := psatest.NewDesk(func() time.Time { return tc.since })
				w := openDesk(t, desk, &psatest.HaloPSAOptions{Zone: tc.server, ObeySince: true}, &tc.o)
				fresh := desk.PutContact(psa.Contact{FirstName: "New", Active: true, ModifiedAt: tc.since.Add(time.Second)}).ID
				old := desk.PutContact(psa.Contact{FirstName: "Old", Active: true, ModifiedAt: tc.since.Add(-tc.old)}).ID
				p, err := w.client.ListContacts(t.Context(), psa.Query{Since: tc.since})
				require.NoError(t, err)
				has := func(id string) bool {
					return slices.ContainsFunc(p.Items, func(c psa.Contact) bool { return c.ID == id })
				}
				require.True(t, has(fresh))
				require.False(t, has(old))
				_, err = w.client.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
				require.NoError(t, err)
				notes, err := w.client.ListNotes(t.Context(), ref("4711"), tc.since)
				require.NoError(t, err)
				require.Len(t, notes, 1)
			})
		}
	}
}
