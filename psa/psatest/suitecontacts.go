package psatest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

func readsContact(s *suite) {
	want := s.desk.PutContact(psa.Contact{
		Company: psa.Named{ID: "12"}, FirstName: "Søren", LastName: "O'Brien & <Söhne>", Title: "\"Chief\" 🔐", Active: true,
		Emails: []string{"soren@contoso.example"}, Phones: []psa.Phone{{Raw: "2025550177", Kind: "mobile"}},
		EntraID: "11111111-2222-4333-8444-555555555555",
	})
	s.desk.PutContact(psa.Contact{Company: psa.Named{ID: "13"}, FirstName: "Cher", Active: true}) // no last name, no addresses
	for _, c := range s.contacts(psa.Query{}) {
		switch c.ID {
		case want.ID:
			if c.FirstName != want.FirstName || c.LastName != want.LastName || c.Title != want.Title || !strings.Contains(c.Name, "O'Brien") ||
				!is(c.Company, want.Company) || !c.Active || !slices.Equal(c.Emails, want.Emails) ||
				c.EntraID != "" && c.EntraID != want.EntraID || len(c.Phones) != 1 || !psa.SamePhone(c.Phones[0].Raw, "2025550177") {
				s.Errorf("the contact is read as\n%+v; want\n%+v", c, want)
			}
		case "201", "202":
		default:
			if c.FirstName != "Cher" || strings.TrimSpace(c.Name) != "Cher" || len(c.Emails) != 0 || len(c.Phones) != 0 {
				s.Errorf("the contact with little is read as %+v", c)
			}
		}
	}
}

// contacts lists all of a query.
func (s *suite) contacts(q psa.Query) (all []psa.Contact) {
	s.Helper()
	for range 500 {
		p, err := s.sys.ListContacts(s.soon(), q)
		s.must(err)
		all = append(all, p.Items...)
		if p.Next == "" {
			return all
		}
		q.Cursor = p.Next
	}
	s.Fatal("the listing does not end")
	return nil
}

// has checks which of some contacts are in a list.
func (s *suite) has(what string, list []psa.Contact, want map[string]bool) {
	s.Helper()
	for id, in := range want {
		if slices.ContainsFunc(list, func(c psa.Contact) bool { return c.ID == id }) != in {
			s.Errorf("%s: contact %s is in it: %v; want %v", what, id, !in, in)
		}
	}
}

// listsContacts lists 2,500 contacts of which some come, go and change between the pages. Who does not change must be
// there, once.
func listsContacts(s *suite) {
	const total = 2500
	ids := make([]string, total)
	put := func(i int, title string) {
		c := s.desk.PutContact(psa.Contact{
			ID: ids[i], Company: psa.Named{ID: "12"}, FirstName: "Contact", LastName: fmt.Sprintf("No%04d", i), Title: title, Active: true,
			Emails: []string{fmt.Sprintf("no%04d@contoso.example", i)},
		})
		ids[i] = c.ID
	}
	for i := range total {
		put(i, "")
	}
	limit := min(100, s.can.MaxPage)
	changed := map[string]bool{}
	seen := map[string]int{}
	q := psa.Query{Limit: limit}
	pages := 0
	for done := false; !done; pages++ {
		if pages > 2*(total/limit)+10 {
			s.Fatal("the listing does not end")
		}
		p, err := s.sys.ListContacts(s.soon(), q)
		s.must(err)
		if len(p.Items) > limit {
			s.Fatalf("a page has %d contacts; want at most %d", len(p.Items), limit)
		}
		for _, c := range p.Items {
			seen[c.ID]++
		}
		done = p.Next == ""
		if !done && p.Next == q.Cursor {
			s.Fatal("the next page is the same one")
		}
		q.Cursor = p.Next
		// Who was seen and goes moves those behind to earlier pages; who comes in front moves them to later ones.
		i := pages * limit / 2 % total
		for _, gone := range []int{i, i + 1, total - 1 - pages*3} {
			s.desk.DeleteContact(ids[gone])
			changed[ids[gone]] = true
		}
		for _, other := range []int{i + 3, total - 2 - pages*3} {
			put(other, "moved up")
			changed[ids[other]] = true
		}
		changed[s.desk.PutContact(psa.Contact{Company: psa.Named{ID: "12"}, FirstName: "New", LastName: "One", Active: true}).ID] = true
		if pages%3 == 0 { // an id that was free until now
			changed[s.desk.PutContact(psa.Contact{ID: strconv.Itoa(300 + pages), Company: psa.Named{ID: "13"}, FirstName: "New", LastName: "Below", Active: true}).ID] = true
		}
	}
	missing, twice := 0, 0
	for _, id := range ids {
		switch n := seen[id]; {
		case changed[id]:
		case n == 0:
			missing++
		case n > 1:
			twice++
		}
	}
	if missing > 0 || twice > 0 && !s.o.Repeats {
		s.Errorf("of %d contacts, those that did not change, %d are missing and %d are there twice, on %d pages", total, missing, twice, pages)
	}
	p, err := s.sys.ListContacts(s.soon(), psa.Query{})
	s.must(err)
	if len(p.Items) > s.can.MaxPage || len(p.Items) < min(s.can.MaxPage, 1000)/2 {
		s.Errorf("a page without a limit has %d contacts; MaxPage is %d", len(p.Items), s.can.MaxPage)
	}
}

func filtersContacts(s *suite) {
	since := s.desk.now().Add(-24 * time.Hour).Truncate(time.Second)
	put := func(company string, active bool, at time.Time) string {
		return s.desk.PutContact(psa.Contact{Company: psa.Named{ID: company}, FirstName: "A", LastName: "B", Active: active, ModifiedAt: at}).ID
	}
	gone := put("12", false, since.Add(time.Hour))
	old := put("12", true, since.Add(-24*time.Hour))
	skewed := put("12", true, since.Add(-time.Minute)) // by a clock that is a minute behind
	later := put("13", true, since.Add(time.Hour))
	s.has("of company 12", s.contacts(psa.Query{CompanyID: "12"}), map[string]bool{"201": true, "202": false, old: true, later: false, gone: false})
	s.has("inactive, too", s.contacts(psa.Query{Inactive: true}), map[string]bool{"201": true, gone: true})
	for _, c := range s.contacts(psa.Query{Inactive: true}) {
		if c.Active != (c.ID != gone) {
			s.Errorf("contact %s is read with Active %v", c.ID, c.Active)
		}
	}
	s.has("since", s.contacts(psa.Query{Since: since}), map[string]bool{"201": true, skewed: true, later: true, old: !s.can.ContactsSince})
	s.has("since, of company 12, inactive, too", s.contacts(psa.Query{Since: since, CompanyID: "12", Inactive: true}),
		map[string]bool{"201": true, skewed: true, later: false, gone: true, old: !s.can.ContactsSince})
	s.has("since, page by page", s.contacts(psa.Query{Since: since, Limit: 1}), map[string]bool{"201": true, "202": true, skewed: true, later: true})
	for _, bad := range []string{`12" or "1"="1`, "12 or 1=1", "12)", "%", "12&inactive=1"} {
		p, err := s.sys.ListContacts(s.soon(), psa.Query{CompanyID: bad})
		s.quiet(err)
		if err == nil && len(p.Items) > 0 {
			s.Errorf("the company %q has %d contacts", bad, len(p.Items))
		}
	}
}

// elsewhere is a server that nobody should call.
func (s *suite) elsewhere() (address string, calls *atomic.Int32) {
	s.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	s.must(err)
	calls = &atomic.Int32{}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		_, _ = w.Write([]byte("[]"))
	})}
	go func() { _ = srv.Serve(l) }()
	s.Cleanup(func() { _ = srv.Close() })
	return "http://" + l.Addr().String(), calls
}

// staysHome gives cursors and next pages that lead to another server.
func staysHome(s *suite) {
	for range 20 {
		s.desk.PutContact(psa.Contact{Company: psa.Named{ID: "12"}, FirstName: "A", LastName: "B", Active: true})
	}
	address, calls := s.elsewhere()
	for _, cursor := range []string{"garbage", address + "/contacts?page=2", "//" + strings.TrimPrefix(address, "http://") + "/x", "\x00", "-1", "1 or 1=1", strings.Repeat("9", 400)} {
		_, err := s.sys.ListContacts(s.within(20*time.Second), psa.Query{Cursor: cursor, Limit: 5})
		s.quiet(err)
		if !errors.Is(err, psa.ErrCursor) && !errors.Is(err, mspkit.ErrInvalid) && !errors.Is(err, psa.ErrOrigin) {
			s.Errorf("the cursor %.40q gives %v; want %v", cursor, err, psa.ErrCursor)
		}
		if _, err := s.sys.ListCompanies(s.within(20*time.Second), psa.Query{Cursor: cursor, Limit: 5}); err == nil {
			s.Errorf("the cursor %.40q of companies is taken", cursor)
		}
	}
	if s.o.Links {
		for _, next := range []string{
			address + "/contacts?pageId=300", "//" + strings.TrimPrefix(address, "http://") + "/contacts?pageId=300",
			"http://user:word@" + strings.TrimPrefix(address, "http://") + "/contacts?pageId=300", "ftp://example.com/?pageId=300", "http://%zz/?pageId=300",
		} {
			s.desk.SetNext(func(string) string { return next })
			q := psa.Query{Limit: 5}
			for range 3 { // at once, or when the page is asked for
				p, err := s.sys.ListContacts(s.within(20*time.Second), q)
				s.quiet(err)
				if err != nil {
					if !errors.Is(err, psa.ErrOrigin) {
						s.Errorf("the next page %q gives %v; want %v", next, err, psa.ErrOrigin)
					}
					break
				}
				if q.Cursor = p.Next; q.Cursor == "" {
					s.Errorf("with the next page %q the listing ends as if it was whole", next)
					break
				}
			}
		}
		s.desk.SetNext(nil)
	}
	if n := calls.Load(); n != 0 {
		s.Errorf("another server was called %d times", n)
	}
}

func findsEmail(s *suite) {
	if !s.can.FindByEmail {
		_, err := s.sys.FindByEmail(s.soon(), "dana@contoso.example")
		s.fails(err, psa.ErrUnsupported, psa.Never)
		return
	}
	put := func(emails ...string) string {
		return s.desk.PutContact(psa.Contact{Company: psa.Named{ID: "12"}, FirstName: "A", LastName: "B", Active: true, Emails: emails}).ID
	}
	put("xdana@contoso.example")
	put("dana@contoso.example.evil.example")
	two := put("first@contoso.example", "Second.Address+tag@Contoso.example")
	quote := put("o'brien@contoso.example")
	for email, want := range map[string]string{
		"dana@contoso.example": "201", "DANA@Contoso.Example": "201", "first@contoso.example": two,
		"second.address+tag@contoso.example": two, "o'brien@contoso.example": quote,
	} {
		got, err := s.sys.FindByEmail(s.soon(), email)
		s.must(err)
		if len(got) != 1 || got[0].ID != want {
			s.Errorf("%s finds %+v; want contact %s", email, got, want)
		}
	}
	for _, email := range []string{
		"", " ", "%", "*", "%@contoso.example", "*@contoso.example", "_ana@contoso.example", "?ana@contoso.example", "dana", "@contoso.example", `"`, `\`, "[]",
		`dana@contoso.example" or communicationItems/value like "%`, `x" or "1"="1`, "dana@contoso.example&search=", "nobody@contoso.example", "dana@contoso.example\x00",
	} {
		got, err := s.sys.FindByEmail(s.soon(), email)
		if err != nil && psa.FateOf(err) != psa.Never {
			s.Errorf("%q gives %v", email, err)
		}
		if len(got) > 0 {
			s.Errorf("%q finds %+v", email, got)
		}
	}
}

func findsPhone(s *suite) {
	if !s.can.FindByPhone {
		_, err := s.sys.FindByPhone(s.soon(), "+12025550143")
		s.fails(err, psa.ErrUnsupported, psa.Never)
		return
	}
	put := func(number string) string {
		return s.desk.PutContact(psa.Contact{
			Company: psa.Named{ID: "12"}, FirstName: "A", LastName: "B", Active: true, Phones: []psa.Phone{{Raw: number, Kind: "work"}},
		}).ID
	}
	abroad := put("+4930123456789")
	national, local := put("030901820"), put("0446681800")
	put("2025550144")
	put("20255501430")
	for number, want := range map[string]string{
		"+12025550143": "201", "2025550143": "201", "(202) 555-0143": "201", "+1 202-555-0143 ext. 7": "201",
		"+49 30 123456789": abroad, "004930123456789": abroad, "030 123456789": abroad,
		"+49 30 901820": national, "+49 (0)30 901820": national, "030/901820": national, "+41 44 668 18 00": local,
	} {
		got, err := s.sys.FindByPhone(s.soon(), number)
		s.must(err)
		if len(got) != 1 || got[0].ID != want {
			s.Errorf("%s finds %+v; want contact %s", number, got, want)
		}
	}
	for _, number := range []string{"", "%", "%%%%%%%%%%", "__________", `"`, "*", "0143", "5550143", "+12025550199", "+4930901821", "abc"} {
		got, err := s.sys.FindByPhone(s.soon(), number)
		if err != nil && psa.FateOf(err) != psa.Never {
			s.Errorf("%q gives %v", number, err)
		}
		if len(got) > 0 {
			s.Errorf("%q finds %+v", number, got)
		}
	}
}

func listsCompanies(s *suite) {
	const total = 250
	want := map[string]string{"12": "Contoso", "13": "Fabrikam"}
	for i := range total {
		name := fmt.Sprintf("Company & <%03d> ä", i)
		want[s.desk.PutCompany(psa.Company{Key: fmt.Sprintf("C%03d", i), Name: name, Active: true}).ID] = name
	}
	gone := s.desk.PutCompany(psa.Company{Key: "GONE", Name: "Gone"}).ID
	since := s.desk.now().Add(-time.Hour).Truncate(time.Second)
	old := s.desk.PutCompany(psa.Company{Key: "OLD", Name: "Old", Active: true, ModifiedAt: since.Add(-24 * time.Hour)}).ID
	want[old] = "Old"
	list := func(q psa.Query) map[string]psa.Company {
		out := map[string]psa.Company{}
		for range 500 {
			p, err := s.sys.ListCompanies(s.soon(), q)
			s.must(err)
			if len(p.Items) > s.can.MaxPage || q.Limit > 0 && len(p.Items) > q.Limit {
				s.Errorf("a page has %d companies", len(p.Items))
			}
			for _, c := range p.Items {
				out[c.ID] = c
			}
			if q.Cursor = p.Next; q.Cursor == "" {
				return out
			}
		}
		s.Fatal("the listing does not end")
		return nil
	}
	got := list(psa.Query{Limit: 40})
	for id, name := range want {
		if got[id].Name != name || !got[id].Active {
			s.Errorf("company %s is read as %+v; want the name %q", id, got[id], name)
		}
	}
	if len(got) != len(want) {
		s.Errorf("%d companies are listed; want %d", len(got), len(want))
	}
	if c, ok := list(psa.Query{Inactive: true})[gone]; !ok || c.Active {
		s.Errorf("the company that is gone is read as %+v, %v", c, ok)
	}
	if _, ok := list(psa.Query{Since: since})[old]; ok == s.can.CompaniesSince {
		s.Errorf("a company that has not changed is listed: %v; CompaniesSince is %v", ok, s.can.CompaniesSince)
	}
}
