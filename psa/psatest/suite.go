package psatest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// Options says what differs between the systems that the suite tests. The zero value is a system that takes every text as
// it is and gives no addresses of next pages.
type Options struct {
	// Secrets are the credentials of the system under test and whatever else must not be in an error.
	Secrets []string
	// Reads is what a reader sees of a text, where the ticket system refuses some characters and the client replaces them,
	// for example [psa.Plain]. nil is the text itself.
	Reads func(text string) string
	// Links is true where the wire format names the next page by its address, through [Desk.SetNext].
	Links bool
	// Repeats is true where a listing may give a contact twice that did not change meanwhile.
	Repeats bool
}

const (
	tenant = mspkit.TenantID("contoso")
	// canary is in every text that the suite writes, and in no error.
	canary = "canary-of-the-suite"
	// odd is what transport and HTML easily damage.
	odd = canary + ": äöü ß 日本語 <b>not bold</b> <script>x</script> & &amp; \"double\" 'single' \\ 100 %55 + €\n" +
		"second line 🔐 👩\u200d💻\n\nnew paragraph, 1 < 2 > 0 {\"json\":1} [x] https://example.com/?a=1&b=2"
)

// TestSystem runs the conformance suite. open makes a new system of the kind under test over a new desk from [NewDesk],
// which nothing else uses, and closes what it opened with t.Cleanup. The system's clock must be about the desk's.
func TestSystem(t *testing.T, open func(t *testing.T) (psa.System, *Desk), o *Options) {
	t.Helper()
	if o == nil {
		o = &Options{}
	}
	for _, part := range []struct {
		name string
		run  func(*suite)
	}{
		{"It says who it is", names},
		{"Ping names what is wrong", pings},
		{"A ticket is read, also one that is closed or merged", readsTickets},
		{"A ticket that is not there, or elsewhere, is neither read nor written to", strangeTickets},
		{"A ticket is created with its defaults by id and by name", createsTickets},
		{"A ticket with a key is created once, whatever got lost", createsOnce},
		{"A ticket of values that are refused is not created", createsNothing},
		{"A status is set by id and by name", setsStatus},
		{"A status that is unknown changes nothing and the valid ones are listed", unknownStatus},
		{"A note is internal unless it is public", visibility},
		{"A note arrives as it was written", roundTrip},
		{"A note that is too long is refused and not cut", tooLong},
		{"A note to a closed ticket arrives or is refused for good", closedNotes},
		{"Whose note it is, is not told by its text", ours},
		{"Notes are listed since a time, less an overlap", notesSince},
		{"A note whose answer is lost is unclear and not repeated", lostNotes},
		{"A note that is written after the caller gave up is unclear", lateNotes},
		{"A note that is refused is not written", refusedNotes},
		{"A status and a ticket whose answer is lost are unclear", lostWrites},
		{"What is throttled comes after the wait, once", throttled},
		{"A long wait is the caller's to do", throttledLong},
		{"With the plug pulled nothing is lost for good", plugPulled},
		{"A contact is read whole", readsContact},
		{"All contacts are listed while they change", listsContacts},
		{"Contacts are listed by company, activity and time", filtersContacts},
		{"A listing goes nowhere else", staysHome},
		{"A contact is found by its e-mail address and by nothing like it", findsEmail},
		{"A contact is found by its number however it is written", findsPhone},
		{"Companies are listed", listsCompanies},
		{"The values of fields are listed", listsOptions},
		{"Defaults are checked, and the valid ones listed", checksDefaults},
		{"A note on a contact", contactNotes},
		{"Working time", timeEntries},
		{"Eight at once", eightAtOnce},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			sys, desk := open(t)
			desk.Ops() // from now on
			part.run(&suite{t, sys, desk, o, sys.Capabilities()})
		})
	}
}

// suite is one part of the suite over a system of its own.
type suite struct {
	*testing.T
	sys  psa.System
	desk *Desk
	o    *Options
	can  psa.Capabilities
}

// soon is a context for what must not take long.
func (s *suite) soon() context.Context { return s.within(time.Minute) }

func (s *suite) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(s.Context(), d)
	s.Cleanup(cancel)
	return ctx
}

func (s *suite) ref(id string) psa.TicketRef {
	return psa.TicketRef{Tenant: tenant, Ticket: mspkit.Ticket{System: s.sys.Name(), ID: id}}
}

// must ends the part where something failed that should not.
func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("unexpected: %v", err)
	}
}

// quiet checks that an error tells nothing that it must not.
func (s *suite) quiet(err error) {
	s.Helper()
	if err == nil {
		return
	}
	for _, secret := range append([]string{canary}, s.o.Secrets...) {
		if secret != "" && strings.Contains(err.Error(), secret) {
			s.Errorf("an error holds what is secret or was to be written: %v", err)
		}
	}
}

// fails checks what an error is and what it means for what was to be written.
func (s *suite) fails(err, target error, fate psa.Fate) {
	s.Helper()
	s.quiet(err)
	switch {
	case err == nil:
		s.Fatalf("no error; want %v", target)
	case !errors.Is(err, target):
		s.Errorf("the error is %v; want one that is %v", err, target)
	}
	if got := psa.FateOf(err); got != fate {
		s.Errorf("%v means %v; want %v", err, got, fate)
	}
}

// refuses checks that something was refused for good.
func (s *suite) refuses(err error) {
	s.Helper()
	s.quiet(err)
	if err == nil {
		s.Fatal("no error; want a refusal")
	}
	if got := psa.FateOf(err); got != psa.Never {
		s.Errorf("%v means %v; want %v", err, got, psa.Never)
	}
}

// unclear checks that an error leaves open whether something was written.
func (s *suite) unclear(err error) {
	s.Helper()
	s.quiet(err)
	if err == nil {
		s.Fatal("no error although no answer came")
	}
	if got := psa.FateOf(err); got != psa.Unclear {
		s.Errorf("%v means %v; want %v", err, got, psa.Unclear)
	}
	if !errors.Is(err, psa.ErrAmbiguousWrite) {
		s.Errorf("%v is not %v", err, psa.ErrAmbiguousWrite)
	}
}

// count returns how many requests of the names there were, since this is called with what was before.
func (s *suite) count(since int, names ...string) int {
	n := 0
	for _, op := range s.desk.Ops()[since:] {
		if slices.Contains(names, op.Name) {
			n++
		}
	}
	return n
}

func (s *suite) opsSoFar() int { return len(s.desk.Ops()) }

// wrote checks how many notes a ticket has.
func (s *suite) wrote(ticketID string, n int) {
	s.Helper()
	if got := len(s.desk.Notes(ticketID)); got != n {
		s.Fatalf("ticket %s has %d notes; want %d", ticketID, got, n)
	}
}

// warm has the system do once what it does before the first write, such as getting a token.
func (s *suite) warm() {
	s.Helper()
	_, err := s.sys.Ping(s.soon())
	s.must(err)
	_, err = s.sys.GetTicket(s.soon(), s.ref("4711"))
	s.must(err)
}

func (s *suite) reads(text string) string {
	if s.o.Reads != nil {
		return s.o.Reads(text)
	}
	return text
}

// sameText compares texts but for the spaces at the ends of lines.
func sameText(a, b string) bool { return trim(a) == trim(b) }

func trim(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t")
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// is reports whether two names mean the same.
func is(got psa.Named, want psa.Named) bool {
	return got.ID != "" && got.ID == want.ID || got.Name != "" && strings.EqualFold(got.Name, want.Name)
}

func names(s *suite) {
	if err := (mspkit.Ticket{System: s.sys.Name(), ID: "1"}).Validate(); err != nil || s.sys.Name() == "" {
		s.Errorf("the name %q cannot be that of a ticket's system: %v", s.sys.Name(), err)
	}
	if s.can.MaxPage < 1 {
		s.Errorf("MaxPage is %d", s.can.MaxPage)
	}
	if s.sys.NoteLimit() < 64 {
		s.Errorf("NoteLimit is %d", s.sys.NoteLimit())
	}
	for _, f := range s.can.Fields {
		if !slices.Contains(psa.Fields, f) {
			s.Errorf("Fields names %q", f)
		}
	}
	if _, ok := s.sys.(psa.ContactNoter); s.can.ContactNotes && !ok {
		s.Error("ContactNotes is set and there is no AddContactNote")
	}
	if _, ok := s.sys.(psa.TimeLogger); s.can.TimeEntries && !ok {
		s.Error("TimeEntries is set and there is no LogTime")
	}
	if _, ok := s.sys.(psa.WebhookVerifier); s.can.Webhooks && !ok {
		s.Error("Webhooks is set and there is no VerifyWebhook")
	}
}

func pings(s *suite) {
	info, err := s.sys.Ping(s.soon())
	s.must(err)
	if info.System != s.sys.Name() {
		s.Errorf("Ping says that it is %q, the name is %q", info.System, s.sys.Name())
	}
	for status, want := range map[int]error{401: psa.ErrUnauthorized, 403: psa.ErrForbidden} {
		s.desk.SetFault(func(op Op) Fault {
			if op.Name == OpToken {
				return Fault{}
			}
			return Fault{Status: status, Body: `{"message":"` + canary + `"}`}
		})
		_, err := s.sys.Ping(s.soon())
		s.quiet(err)
		if !errors.Is(err, want) {
			s.Errorf("Ping returns %v for %d; want %v", err, status, want)
		}
	}
	s.desk.SetFault(nil)
	s.desk.SetDown(true)
	_, err = s.sys.Ping(s.within(3 * time.Second))
	s.quiet(err)
	if err == nil {
		s.Error("Ping is fine although nothing answers")
	}
	s.desk.SetDown(false)
	_, err = s.sys.Ping(s.soon())
	s.must(err)
}

func eightAtOnce(s *suite) {
	const workers, each = 8, 5
	ids := make([]string, workers)
	for i := range ids {
		ids[i] = s.desk.PutTicket(psa.Ticket{Title: "one of eight", Company: psa.Named{ID: "12"}}).ID
	}
	errs := make(chan error, workers)
	for _, id := range ids {
		go func() {
			errs <- func() error {
				for range each {
					if _, err := s.sys.AddNote(s.soon(), s.ref(id), psa.Note{Text: canary + " " + id}); err != nil {
						return err
					}
					if _, err := s.sys.GetTicket(s.soon(), s.ref(id)); err != nil {
						return err
					}
					if _, err := s.sys.ListContacts(s.soon(), psa.Query{Limit: 10}); err != nil {
						return err
					}
				}
				return nil
			}()
		}()
	}
	for range workers {
		s.must(<-errs)
	}
	for _, id := range ids {
		s.wrote(id, each)
		for _, n := range s.desk.Notes(id) {
			if !sameText(n.Text, canary+" "+id) {
				s.Errorf("a note of ticket %s says %q", id, n.Text)
			}
		}
	}
}
