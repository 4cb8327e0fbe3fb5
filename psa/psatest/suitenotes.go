package psatest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mspkit/mspkit/psa"
)

func visibility(s *suite) {
	id, err := s.sys.AddNote(s.soon(), s.ref("4711"), psa.Note{Text: canary})
	s.must(err)
	s.wrote("4711", 1)
	n := s.desk.Notes("4711")[0]
	if n.Public || n.Mailed || n.ID != id || n.AuthorID != OurID {
		s.Errorf("note %q is at the desk as %+v", id, n)
	}
	id, err = s.sys.AddNote(s.soon(), s.ref("4711"), psa.Note{Text: canary, Visibility: psa.Public})
	if !s.can.PublicNotes {
		s.fails(err, psa.ErrUnsupported, psa.Never)
		s.wrote("4711", 1)
		return
	}
	s.must(err)
	s.wrote("4711", 2)
	if n := s.desk.Notes("4711")[1]; !n.Public || n.ID != id || n.Mailed && !s.can.NotifiesContact {
		s.Errorf("public note %q is at the desk as %+v", id, n)
	}
	// What is not a visibility must not become public.
	_, err = s.sys.AddNote(s.soon(), s.ref("5120"), psa.Note{Text: canary, Visibility: psa.Visibility(7)})
	s.quiet(err)
	for _, n := range s.desk.Notes("5120") {
		if n.Public || n.Mailed {
			s.Errorf("a note of an unknown visibility is at the desk as %+v", n)
		}
	}
}

func roundTrip(s *suite) {
	for i, title := range []string{"", "A title: <i> & ü"} {
		ticket := []string{"4711", "5120"}[i]
		id, err := s.sys.AddNote(s.soon(), s.ref(ticket), psa.Note{Title: title, Text: odd})
		s.must(err)
		s.wrote(ticket, 1)
		list, err := s.sys.ListNotes(s.soon(), s.ref(ticket), time.Time{})
		s.must(err)
		if len(list) != 1 || list[0].ID != id || !list[0].Ours || list[0].Visibility != psa.Internal || list[0].CreatedAt.IsZero() {
			s.Fatalf("note %q is read as %+v", id, list)
		}
		for where, got := range map[string]string{"at the desk": s.desk.Notes(ticket)[0].Text, "read again": list[0].Text} {
			switch {
			case title == "" && !sameText(got, s.reads(odd)):
				s.Errorf("%s the text is\n%q; want\n%q", where, got, s.reads(odd))
			case !strings.HasPrefix(trim(got), trim(s.reads(title))) || !strings.HasSuffix(trim(got), trim(s.reads(odd))):
				s.Errorf("%s title and text are\n%q; want\n%q and\n%q", where, got, s.reads(title), s.reads(odd))
			}
		}
	}
}

func tooLong(s *suite) {
	limit := s.sys.NoteLimit()
	fill := func(bytes int) string { return canary + strings.Repeat("x", bytes-len(canary)-1) + "." }
	for what, n := range map[string]psa.Note{
		"text":           {Text: fill(limit + 1)},
		"umlauts":        {Text: canary + strings.Repeat("ü", limit/2)},
		"title and text": {Title: "A title of some length", Text: fill(limit)},
	} {
		_, err := s.sys.AddNote(s.soon(), s.ref("4711"), n)
		s.quiet(err)
		if !errors.Is(err, psa.ErrTooLong) || psa.FateOf(err) != psa.Never {
			s.Errorf("too long a %s gives %v; want %v", what, err, psa.ErrTooLong)
		}
	}
	s.wrote("4711", 0)
	_, err := s.sys.AddNote(s.soon(), s.ref("4711"), psa.Note{Text: fill(limit)})
	s.must(err)
	if got := s.desk.Notes("4711")[0].Text; !sameText(got, fill(limit)) {
		s.Errorf("a note of %d bytes is at the desk with %d", limit, len(got))
	}
}

func closedNotes(s *suite) {
	s.desk.CloseTicket("4711", "")
	s.desk.CloseTicket("5120", "4711")
	for _, ticket := range []string{"4711", "5120"} {
		_, err := s.sys.AddNote(s.soon(), s.ref(ticket), psa.Note{Text: canary})
		if err == nil {
			s.wrote(ticket, 1)
			continue
		}
		s.fails(err, psa.ErrClosed, psa.Never)
		s.wrote(ticket, 0)
		if e, ok := errors.AsType[*psa.Error](err); ok && ticket == "5120" && e.MergedInto != "" && e.MergedInto != "4711" {
			s.Errorf("it says that 5120 was merged into %q", e.MergedInto)
		}
	}
}

// ours has others write what we wrote, also under our name.
func ours(s *suite) {
	text := canary + " verified\n\nmk:abcdefgh"
	id, err := s.sys.AddNote(s.soon(), s.ref("4711"), psa.Note{Text: text, Visibility: psa.Internal})
	s.must(err)
	for _, w := range []struct {
		author int
		name   string
		public bool
	}{{0, "Dana Whitfield", true}, {31, "Jane Doe", false}, {0, OurName, true}, {31, OurName, false}} {
		_, err := s.desk.Write("4711", w.author, w.name, text, w.public)
		s.must(err)
	}
	list, err := s.sys.ListNotes(s.soon(), s.ref("4711"), time.Time{})
	s.must(err)
	if len(list) != 5 {
		s.Fatalf("%d notes are read; want 5", len(list))
	}
	for _, n := range list {
		if n.Ours != (n.ID == id) {
			s.Errorf("note %q by %q is read with Ours %v", n.ID, n.Author, n.Ours)
		}
		for _, d := range s.desk.Notes("4711") {
			if d.ID == n.ID && d.Public != (n.Visibility == psa.Public) {
				s.Errorf("note %q is read as %v", n.ID, n.Visibility)
			}
		}
	}
	if _, err := s.sys.ListNotes(s.soon(), s.ref("999999"), time.Time{}); err == nil {
		s.Error("the notes of a ticket that is not there can be read")
	}
}

func notesSince(s *suite) {
	for i := range 120 { // more than a page in any of the formats that have pages here
		_, err := s.desk.Write("4711", 31, "Jane Doe", fmt.Sprint("note ", i), false)
		s.must(err)
	}
	all, err := s.sys.ListNotes(s.soon(), s.ref("4711"), time.Time{})
	s.must(err)
	if len(all) != 120 {
		s.Fatalf("%d of 120 notes are read", len(all))
	}
	// A clock that is a minute ahead of the ticket system's must not hide what was written just now.
	id, err := s.sys.AddNote(s.soon(), s.ref("4711"), psa.Note{Text: canary})
	s.must(err)
	list, err := s.sys.ListNotes(s.soon(), s.ref("4711"), s.desk.now().Add(time.Minute))
	s.must(err)
	found := false
	for _, n := range list {
		found = found || n.ID == id
	}
	if !found {
		s.Error("a note that was written a minute before since, by a clock that differs, is not found")
	}
}

// lostNotes checks what becomes of a note where the answer does not say.
func lostNotes(s *suite) {
	s.warm()
	written := 0
	for _, c := range []struct {
		name  string
		fault Fault
		wait  time.Duration
		adds  int
	}{
		{"the answer is lost", Fault{Lost: true}, time.Minute, 1},
		{"the connection is cut", Fault{Cut: true}, time.Minute, 0},
		{"no answer comes", Fault{Hang: true}, 1500 * time.Millisecond, 0},
		{"500", Fault{Status: 500, Body: `{"message":"` + canary + `"}`}, time.Minute, 0},
		{"502 from a proxy", Fault{Status: 502, Body: "<html><body>Bad gateway " + canary + "</body></html>"}, time.Minute, 0},
		{"an answer that is none", Fault{Status: 200, Body: "<html>sign in</html>"}, time.Minute, 0},
	} {
		from := s.opsSoFar()
		s.desk.SetFault(Times(-1, c.fault, OpAddNote))
		_, err := s.sys.AddNote(s.within(c.wait), s.ref("4711"), psa.Note{Text: canary, Key: c.name})
		s.desk.SetFault(nil)
		if s.count(from, OpAddNote) == 0 { // the machine was too slow
			s.quiet(err)
			if err == nil {
				s.Errorf("%s: no error and no request", c.name)
			}
			continue
		}
		s.Log(c.name)
		s.unclear(err)
		if n := s.count(from, OpAddNote); n != 1 {
			s.Errorf("%s: it was sent %d times; want once", c.name, n)
		}
		written += c.adds
		s.wrote("4711", written)
	}
}

func lateNotes(s *suite) {
	s.warm()
	s.desk.SetFault(Times(1, Fault{Late: 300 * time.Millisecond}, OpAddNote))
	_, err := s.sys.AddNote(s.soon(), s.ref("4711"), psa.Note{Text: canary})
	s.unclear(err)
	for end := time.Now().Add(30 * time.Second); len(s.desk.Notes("4711")) == 0 && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	s.wrote("4711", 1)
	list, err := s.sys.ListNotes(s.soon(), s.ref("4711"), time.Time{})
	s.must(err)
	if len(list) != 1 || !list[0].Ours {
		s.Errorf("what came late is read as %+v", list)
	}
}

func refusedNotes(s *suite) {
	s.warm()
	for _, c := range []struct {
		status int
		want   error
		fate   psa.Fate
	}{
		{400, psa.ErrValidation, psa.Never},
		{401, psa.ErrUnauthorized, psa.Later},
		{403, psa.ErrForbidden, psa.Later},
		{404, psa.ErrNotFound, psa.Never},
		{422, psa.ErrValidation, psa.Never},
	} {
		s.desk.SetFault(Times(-1, Fault{Status: c.status, Body: `{"message":"` + canary + `"}`}, OpAddNote))
		_, err := s.sys.AddNote(s.soon(), s.ref("4711"), psa.Note{Text: canary})
		s.fails(err, c.want, c.fate)
	}
	s.wrote("4711", 0)
	s.desk.SetFault(nil)
	_, err := s.sys.AddNote(s.soon(), s.ref("4711"), psa.Note{Text: canary})
	s.must(err) // it did not remember
}

func lostWrites(s *suite) {
	s.warm()
	s.desk.SetFault(Times(-1, Fault{Lost: true}, OpSetStatus, OpCreateTicket))
	from := s.opsSoFar()
	s.unclear(s.sys.SetStatus(s.soon(), s.ref("4711"), psa.Named{Name: "In Progress"}))
	if n := s.count(from, OpSetStatus); n != 1 {
		s.Errorf("the status was sent %d times; want once", n)
	}
	from = s.opsSoFar()
	_, err := s.sys.CreateTicket(s.soon(), tenant, psa.NewTicket{Title: "Lost", CompanyID: "12", Text: canary})
	s.unclear(err)
	if n := s.count(from, OpCreateTicket); n != 1 || s.ticketsOf("Lost") != 1 {
		s.Errorf("the ticket was sent %d times, there are %d; want one", n, s.ticketsOf("Lost"))
	}
	s.desk.SetFault(nil)
	s.must(s.sys.SetStatus(s.soon(), s.ref("4711"), psa.Named{Name: "In Progress"}))
}
