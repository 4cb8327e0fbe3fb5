package psatest

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

func readsTickets(s *suite) {
	got, err := s.sys.GetTicket(s.soon(), s.ref("4711"))
	s.must(err)
	if got.ID != "4711" || got.Title != "Cannot sign in after the holidays" || got.Closed || got.MergedInto != "" {
		s.Errorf("ticket 4711 is read as %+v", got)
	}
	for what, pair := range map[string][2]psa.Named{
		"company": {got.Company, {ID: "12", Name: "Contoso"}},
		"contact": {got.Contact, {ID: "201", Name: "Dana Whitfield"}},
		"status":  {got.Status, {ID: "16", Name: "New"}},
	} {
		if !is(pair[0], pair[1]) {
			s.Errorf("the %s of ticket 4711 is read as %+v", what, pair[0])
		}
	}
	s.desk.CloseTicket("4711", "")
	got, err = s.sys.GetTicket(s.soon(), s.ref("4711"))
	s.must(err)
	if !got.Closed {
		s.Error("a closed ticket is read as open")
	}
	s.desk.CloseTicket("4711", "5120")
	got, err = s.sys.GetTicket(s.soon(), s.ref("4711"))
	s.must(err)
	if !got.Closed || got.MergedInto != "" && got.MergedInto != "5120" {
		s.Errorf("a merged ticket is read as %+v", got)
	}
}

// strangeTickets asks for ids that are not there, that would be another address, or that are another system's.
func strangeTickets(s *suite) {
	s.warm()
	_, err := s.sys.GetTicket(s.soon(), s.ref("999999"))
	s.quiet(err)
	if !errors.Is(err, psa.ErrNotFound) {
		s.Errorf("a ticket that is not there is %v; want %v", err, psa.ErrNotFound)
	}
	_, err = s.sys.AddNote(s.soon(), s.ref("999999"), psa.Note{Text: canary})
	s.fails(err, psa.ErrNotFound, psa.Never)
	for _, id := range []string{"4711/notes", "../4711", "4711/..", "4711\\", "04711", "4711 ", "4711\n", "2147483648", "9223372036854775808", "18446744073709556327", "4711.0", "0x1267", "+4711", "４７１１", "4711?x=1", "4711#x", "%34711", "x", "4711 or 1=1", "4711;5120", "-1", "0"} {
		if got, err := s.sys.GetTicket(s.soon(), s.ref(id)); err == nil {
			s.Errorf("the id %q is read as ticket %q", id, got.ID)
		}
		_, err := s.sys.AddNote(s.soon(), s.ref(id), psa.Note{Text: canary})
		s.refuses(err)
		s.refuses(s.sys.SetStatus(s.soon(), s.ref(id), psa.Named{Name: "In Progress"}))
		if notes, err := s.sys.ListNotes(s.soon(), s.ref(id), time.Time{}); err == nil {
			s.Errorf("the id %q has %d notes", id, len(notes))
		}
		if sys, ok := s.sys.(psa.TimeLogger); ok {
			_, err := sys.LogTime(s.soon(), s.ref(id), psa.TimeEntry{Start: s.desk.now().Add(-time.Hour), End: s.desk.now(), Text: canary})
			s.refuses(err)
		}
		_, err = s.sys.CreateTicket(s.soon(), tenant, psa.NewTicket{Title: "Nobody's", Text: canary, CompanyID: id})
		s.refuses(err)
		_, err = s.sys.CreateTicket(s.soon(), tenant, psa.NewTicket{Title: "Nobody's", Text: canary, CompanyID: "12", ContactID: id})
		s.refuses(err)
	}
	if n := s.ticketsOf("Nobody's"); n != 0 {
		s.Errorf("%d tickets were made for ids that are none", n)
	}
	foreign := psa.TicketRef{Tenant: tenant, Ticket: mspkit.Ticket{System: "another", ID: "4711"}}
	_, err = s.sys.AddNote(s.soon(), foreign, psa.Note{Text: canary})
	s.refuses(err)
	_, err = s.sys.AddNote(s.soon(), psa.TicketRef{Tenant: tenant}, psa.Note{Text: canary})
	s.fails(err, mspkit.ErrInvalid, psa.Never)
	s.wrote("4711", 0)
	s.wrote("5120", 0)
}

// chain are the defaults that the desk has, of the fields that the system has.
func (s *suite) chain() psa.Defaults {
	var out psa.Defaults
	for f, n := range map[psa.Field]psa.Named{
		psa.FieldQueue: {ID: "1", Name: "Service Desk"}, psa.FieldStatus: {ID: "17", Name: "In Progress"},
		psa.FieldPriority: {ID: "5", Name: "High"}, psa.FieldSource: {ID: "6", Name: "Phone"},
		psa.FieldType: {ID: "7", Name: "Security"}, psa.FieldSubType: {ID: "8", Name: "Identity"},
		psa.FieldCategory: {ID: "9", Name: "Password"}, psa.FieldAssignee: {ID: "31", Name: "Jane Doe"},
	} {
		if slices.Contains(s.can.Fields, f) {
			out.Set(f, n)
		}
	}
	return out
}

// only keeps the ids of defaults, or the names.
func only(d psa.Defaults, keep func(psa.Named) psa.Named) psa.Defaults {
	for _, f := range psa.Fields {
		d.Set(f, keep(d.Get(f)))
	}
	return d
}

func property(t psa.Ticket, f psa.Field) psa.Named {
	return psa.Defaults{
		Queue: t.Queue, Status: t.Status, Priority: t.Priority, Source: t.Source,
		Type: t.Type, SubType: t.SubType, Category: t.Category, Assignee: t.Assignee,
	}.Get(f)
}

func createsTickets(s *suite) {
	// The ids are the system's own: a queue may have none but its name.
	known, err := s.chain().Validate(s.soon(), s.sys)
	s.must(err)
	for what, d := range map[string]psa.Defaults{
		"id and name": known,
		"id": only(known, func(n psa.Named) psa.Named {
			if n.ID == "" {
				return n
			}
			return psa.Named{ID: n.ID}
		}),
		"name": only(s.chain(), func(n psa.Named) psa.Named { return psa.Named{Name: n.Name} }),
	} {
		got, err := s.sys.CreateTicket(s.soon(), tenant, psa.NewTicket{
			Title: "Identity verified: ä <b> & 'x'", Text: canary + ": described", CompanyID: "12", ContactID: "201", Defaults: d,
		})
		s.must(err)
		kept, ok := s.desk.Ticket(got.ID)
		if !ok || !strings.Contains(kept.Title, "Identity verified: ä <b> & 'x'") || kept.Company.ID != "12" || kept.Contact.ID != "201" {
			s.Errorf("with defaults by %s the desk has %+v, %v", what, kept, ok)
		}
		read, err := s.sys.GetTicket(s.soon(), s.ref(got.ID))
		s.must(err)
		for _, f := range s.can.Fields {
			if !is(property(kept, f), s.chain().Get(f)) {
				s.Errorf("with defaults by %s the %s at the desk is %+v", what, f, property(kept, f))
			}
			if !is(property(read, f), s.chain().Get(f)) {
				s.Errorf("with defaults by %s the %s is read as %+v", what, f, property(read, f))
			}
		}
		for _, n := range s.desk.Notes(got.ID) {
			if n.Public || n.Mailed {
				s.Errorf("the description is public although that was not asked for: %+v", n)
			}
		}
	}
}

// ticketsOf counts the tickets at the desk that have a title.
func (s *suite) ticketsOf(title string) (n int) {
	for _, t := range s.desk.Tickets() {
		if strings.Contains(t.Title, title) {
			n++
		}
	}
	return n
}

func createsOnce(s *suite) {
	if !s.can.TicketKey {
		s.Skip("the system does not find tickets by a key")
	}
	n := psa.NewTicket{Title: "Made once", Text: canary, CompanyID: "12", Key: "vrf_01HXYZ-9"}
	s.desk.SetFault(Times(1, Fault{Lost: true}, OpCreateTicket))
	// A client may look for it by itself, and find it.
	if _, err := s.sys.CreateTicket(s.soon(), tenant, n); err != nil {
		s.unclear(err)
	}
	s.desk.SetFault(nil)
	if got := s.ticketsOf("Made once"); got != 1 {
		s.Fatalf("after a lost answer there are %d tickets; want 1", got)
	}
	first, err := s.sys.CreateTicket(s.soon(), tenant, n)
	s.must(err)
	again, err := s.sys.CreateTicket(s.soon(), tenant, n)
	s.must(err)
	if first.ID == "" || first.ID != again.ID || s.ticketsOf("Made once") != 1 {
		s.Errorf("repeated with its key it is %q, then %q, of %d tickets", first.ID, again.ID, s.ticketsOf("Made once"))
	}
	elsewhere := n
	elsewhere.CompanyID = "13"
	theirs, err := s.sys.CreateTicket(s.soon(), tenant, elsewhere)
	s.must(err)
	if theirs.ID == first.ID || !is(theirs.Company, psa.Named{ID: "13"}) {
		s.Errorf("the key of a ticket of company 12 finds %+v for company 13", theirs)
	}
	elsewhere.CompanyID = ""
	if nobodys, err := s.sys.CreateTicket(s.soon(), tenant, elsewhere); err == nil && (nobodys.ID == first.ID || nobodys.ID == theirs.ID) {
		s.Errorf("without a company the key finds %+v", nobodys)
	}
	known := s.ticketsOf("Made once") - 1
	n.Key = "vrf_01HXYZ-" // the beginning of the other one
	other, err := s.sys.CreateTicket(s.soon(), tenant, n)
	s.must(err)
	if other.ID == first.ID {
		s.Error("another key finds the same ticket")
	}
	n.Key = ""
	for range 2 {
		_, err = s.sys.CreateTicket(s.soon(), tenant, n)
		s.must(err)
	}
	if got := s.ticketsOf("Made once") - known; got != 4 {
		s.Errorf("there are %d tickets; want 4: without a key each is a new one", got)
	}
}

func createsNothing(s *suite) {
	before := len(s.desk.Tickets())
	for what, n := range map[string]psa.NewTicket{
		"no title":   {CompanyID: "12", Text: canary},
		"a bad key":  {Title: "x", CompanyID: "12", Text: canary, Key: `a" or 1=1`},
		"no company": {Title: "x", CompanyID: "999999", Text: canary},
	} {
		_, err := s.sys.CreateTicket(s.soon(), tenant, n)
		s.quiet(err)
		if err == nil || psa.FateOf(err) != psa.Never {
			s.Errorf("%s gives %v; want a refusal", what, err)
		}
	}
	for _, f := range s.can.Fields {
		n := psa.NewTicket{Title: "x", CompanyID: "12", Text: canary}
		n.Defaults = s.chain()
		n.Defaults.Set(f, psa.Named{Name: "Nowhere"})
		_, err := s.sys.CreateTicket(s.soon(), tenant, n)
		s.quiet(err)
		if err == nil || psa.FateOf(err) != psa.Never {
			s.Errorf("an unknown %s gives %v; want a refusal", f, err)
		}
	}
	if got := len(s.desk.Tickets()); got != before {
		s.Errorf("%d tickets were created", got-before)
	}
}

func setsStatus(s *suite) {
	for _, want := range []psa.Named{{Name: "in progress"}, {Name: "New"}, {ID: "17"}} {
		s.must(s.sys.SetStatus(s.soon(), s.ref("4711"), want))
		if got, _ := s.desk.Ticket("4711"); !is(got.Status, want) {
			s.Errorf("the status is %+v; want %+v", got.Status, want)
		}
	}
	from := s.opsSoFar()
	s.must(s.sys.SetStatus(s.soon(), s.ref("4711"), psa.Named{Name: "In Progress"}))
	if n := s.count(from, writes...); n != 0 {
		s.Errorf("setting the status that it has wrote %d times", n)
	}
	s.must(s.sys.SetStatus(s.soon(), s.ref("4711"), psa.Named{Name: "Closed"}))
	if got, _ := s.desk.Ticket("4711"); !got.Closed {
		s.Error("a status of closed tickets does not close the ticket")
	}
	s.fails(s.sys.SetStatus(s.soon(), s.ref("999999"), psa.Named{Name: "New"}), psa.ErrNotFound, psa.Never)
}

func unknownStatus(s *suite) {
	for _, bad := range []psa.Named{{Name: "Nowhere"}, {ID: "999999"}, {}} {
		err := s.sys.SetStatus(s.soon(), s.ref("4711"), bad)
		s.refuses(err)
		if !bad.IsZero() && !strings.Contains(err.Error(), "In Progress") {
			s.Errorf("%v does not list what may be chosen", err)
		}
	}
	if got, _ := s.desk.Ticket("4711"); !is(got.Status, psa.Named{ID: "16"}) {
		s.Errorf("the status is %+v", got.Status)
	}
}
