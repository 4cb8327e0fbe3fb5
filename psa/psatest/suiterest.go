package psatest

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit/psa"
)

func listsOptions(s *suite) {
	known := s.chain()
	for _, f := range psa.Fields {
		list, err := s.sys.ListOptions(s.soon(), f, known)
		if !slices.Contains(s.can.Fields, f) {
			s.fails(err, psa.ErrUnsupported, psa.Never)
			continue
		}
		s.must(err)
		if !slices.ContainsFunc(list, func(o psa.Option) bool { return is(o.Named, known.Get(f)) && !o.Closed && !o.Inactive }) {
			s.Errorf("%+v is not among the values of %s: %+v", known.Get(f), f, list)
		}
		if f == psa.FieldStatus && !slices.ContainsFunc(list, func(o psa.Option) bool { return o.Name == "Closed" && o.Closed }) {
			s.Errorf("no status is one of closed tickets: %+v", list)
		}
	}
	_, err := s.sys.ListOptions(s.soon(), psa.Field("weather"), known)
	s.fails(err, psa.ErrUnsupported, psa.Never)
}

func checksDefaults(s *suite) {
	byName := only(s.chain(), func(n psa.Named) psa.Named { return psa.Named{Name: strings.ToUpper(n.Name)} })
	got, err := byName.Validate(s.soon(), s.sys)
	s.must(err)
	for _, f := range s.can.Fields {
		if !is(got.Get(f), s.chain().Get(f)) || got.Get(f).Name != s.chain().Get(f).Name {
			s.Errorf("%s is checked as %+v", f, got.Get(f))
		}
	}
	for f, bad := range map[psa.Field]string{psa.FieldQueue: "Old board", psa.FieldStatus: "Closed", psa.FieldPriority: "Nowhere"} {
		if !slices.Contains(s.can.Fields, f) || f == psa.FieldQueue && !s.hasOption(f, bad) {
			continue
		}
		d := s.chain()
		d.Set(f, psa.Named{Name: bad})
		_, err := d.Validate(s.soon(), s.sys)
		problem, ok := errors.AsType[*psa.DefaultsError](err)
		if !ok || problem.Field != f || !errors.Is(err, psa.ErrValidation) || !strings.Contains(err.Error(), s.chain().Get(f).Name) {
			s.Errorf("the %s %q gives %v; want an error that lists what may be chosen", f, bad, err)
		}
	}
}

// hasOption reports whether the system tells of a value at all: some do not list what is not active.
func (s *suite) hasOption(f psa.Field, name string) bool {
	s.Helper()
	list, err := s.sys.ListOptions(s.soon(), f, psa.Defaults{})
	s.must(err)
	return slices.ContainsFunc(list, func(o psa.Option) bool { return o.Name == name })
}

func contactNotes(s *suite) {
	sys, ok := s.sys.(psa.ContactNoter)
	if !s.can.ContactNotes {
		if ok {
			_, err := sys.AddContactNote(s.soon(), tenant, "201", psa.Note{Text: canary})
			s.fails(err, psa.ErrUnsupported, psa.Never)
		}
		return
	}
	s.warm()
	id, err := sys.AddContactNote(s.soon(), tenant, "201", psa.Note{Title: "A title", Text: odd})
	s.must(err)
	list := s.desk.ContactNotes()
	if len(list) != 1 || list[0].ID != id || list[0].Contact != "201" || !strings.Contains(list[0].Text, "A title") || !strings.HasSuffix(trim(list[0].Text), trim(s.reads(odd))) {
		s.Errorf("note %q on a contact is at the desk as %+v", id, list)
	}
	for _, bad := range []string{"999999", "../201", "201/x", ""} {
		_, err = sys.AddContactNote(s.soon(), tenant, bad, psa.Note{Text: canary})
		s.refuses(err)
	}
	s.desk.SetFault(Times(-1, Fault{Lost: true}, OpContactNote))
	from := s.opsSoFar()
	_, err = sys.AddContactNote(s.soon(), tenant, "201", psa.Note{Text: canary})
	s.unclear(err)
	if n := s.count(from, OpContactNote); n != 1 || len(s.desk.ContactNotes()) != 2 {
		s.Errorf("it was sent %d times, %d are there; want it once more", n, len(s.desk.ContactNotes()))
	}
}

func timeEntries(s *suite) {
	sys, ok := s.sys.(psa.TimeLogger)
	if !s.can.TimeEntries {
		if ok {
			_, err := sys.LogTime(s.soon(), s.ref("4711"), psa.TimeEntry{Start: s.desk.now().Add(-time.Hour), End: s.desk.now()})
			s.fails(err, psa.ErrUnsupported, psa.Never)
		}
		return
	}
	s.warm()
	begin := s.desk.now().Add(-time.Hour).UTC().Truncate(time.Second)
	e := psa.TimeEntry{Start: begin, End: begin.Add(6 * time.Minute), Text: odd}
	id, err := sys.LogTime(s.soon(), s.ref("4711"), e)
	s.must(err)
	list := s.desk.Times()
	if len(list) != 1 || list[0].ID != id || list[0].Ticket != "4711" || list[0].Billable || list[0].Visibility != psa.Internal ||
		!list[0].Start.Equal(e.Start) || list[0].End.Sub(list[0].Start).Round(time.Second) != 6*time.Minute || !sameText(list[0].Text, s.reads(odd)) {
		s.Errorf("time entry %q is at the desk as %+v", id, list)
	}
	for what, bad := range map[string]psa.TimeEntry{
		"no start": {End: begin}, "an end before the start": {Start: begin, End: begin.Add(-time.Minute)}, "no time at all": {},
	} {
		_, err := sys.LogTime(s.soon(), s.ref("4711"), bad)
		s.quiet(err)
		if err == nil || psa.FateOf(err) != psa.Never {
			s.Errorf("a time entry with %s gives %v; want a refusal", what, err)
		}
	}
	_, err = sys.LogTime(s.soon(), s.ref("999999"), e)
	s.refuses(err)
	s.desk.SetFault(Times(-1, Fault{Lost: true}, OpLogTime))
	from := s.opsSoFar()
	_, err = sys.LogTime(s.soon(), s.ref("4711"), e)
	s.unclear(err)
	if n := s.count(from, OpLogTime); n != 1 || len(s.desk.Times()) != 2 {
		s.Errorf("it was sent %d times, %d are there; want it once more", n, len(s.desk.Times()))
	}
}
