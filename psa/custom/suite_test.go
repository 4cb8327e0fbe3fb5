package custom_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/custom"
	"github.com/mspkit/mspkit/psa/psatest"
	"github.com/stretchr/testify/require"
)

// broken is a system with one fault.
type broken struct {
	*custom.System
	fault string
	desk  *psatest.Desk
}

// faults are what the suite must find, by the part that must find it.
var faults = map[string]string{
	"repeats what is unclear":           "A note whose answer is lost",
	"takes what is unclear for refused": "A note whose answer is lost",
	"prints the note":                   "A note that is refused",
	"takes a refusal for unclear":       "A note that is refused",
	"public":                            "A note is internal",
	"escapes":                           "A note arrives as it was written",
	"drops the title":                   "A note arrives as it was written",
	"cuts":                              "A note that is too long",
	"believes names":                    "Whose note it is",
	"believes texts":                    "Whose note it is",
	"no overlap of notes":               "Notes are listed since",
	"forgets the key":                   "A ticket with a key",
	"ignores defaults":                  "A ticket is created with its defaults",
	"writes the same status":            "A status is set",
	"any status":                        "A status that is unknown",
	"any system":                        "A ticket that is not there",
	"does not wait":                     "What is throttled",
	"skips one":                         "All contacts are listed",
	"one twice":                         "All contacts are listed",
	"pages too large":                   "All contacts are listed",
	"no overlap of contacts":            "Contacts are listed by",
	"all companies":                     "Contacts are listed by",
	"hides the inactive":                "Contacts are listed by",
	"like":                              "A contact is found by its e-mail",
	"case":                              "A contact is found by its e-mail",
	"any number":                        "A contact is found by its number",
	"any cursor":                        "A listing goes nowhere",
	"no closed":                         "The values of fields",
	"pings always":                      "Ping names",
	"one company less":                  "Companies are listed",
	"long hours":                        "Working time",
	"another contact":                   "A note on a contact",
	"in turns":                          "Eight at once",
}

const faultEnv = "MSPKIT_TEST_PSA_FAULT"

// TestBrokenSystem runs the suite over a broken system. It is run by the test below.
func TestBrokenSystem(t *testing.T) {
	t.Parallel()
	fault := os.Getenv(faultEnv)
	if fault == "" {
		t.Skip("it is run by TestTheSuiteFindsFaults")
	}
	psatest.TestSystem(t, func(t *testing.T) (psa.System, *psatest.Desk) {
		t.Helper()
		sys, desk := homegrown(t)
		return &broken{sys, fault, desk}, desk
	}, &psatest.Options{Reads: psa.Plain})
}

func TestTheSuiteFindsFaults(t *testing.T) {
	t.Parallel()
	running := make(chan struct{}, 2)
	for fault, part := range faults {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			running <- struct{}{}
			defer func() { <-running }()
			name := regexp.QuoteMeta(strings.ReplaceAll(part, " ", "_"))
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBrokenSystem$/"+name, "-test.v", "-test.timeout=100s")
			cmd.Env = append(os.Environ(), faultEnv+"="+fault)
			out, err := cmd.CombinedOutput()
			require.Error(t, err, "the suite finds nothing wrong:\n%s", out)
			require.Contains(t, string(out), "--- FAIL: TestBrokenSystem/"+strings.ReplaceAll(part, " ", "_"))
			require.NotContains(t, string(out), "panic:")
		})
	}
}

func (b *broken) is(fault string) bool { return b.fault == fault }

func (b *broken) Ping(ctx context.Context) (psa.Info, error) {
	if b.is("pings always") {
		return psa.Info{System: b.Name()}, nil
	}
	return b.System.Ping(ctx)
}

func (b *broken) AddNote(ctx context.Context, ref psa.TicketRef, n psa.Note) (string, error) {
	switch b.fault {
	case "public":
		n.Visibility = psa.Public
	case "escapes":
		n.Text = html.EscapeString(n.Text)
	case "drops the title":
		n.Title = ""
	case "cuts":
		n.Text = n.Text[:min(len(n.Text), b.NoteLimit()-len(n.Title)-2)]
	case "any system":
		ref.Ticket.System = b.Name()
	}
	id, err := b.System.AddNote(ctx, ref, n)
	switch {
	case err == nil:
	case b.is("repeats what is unclear") && psa.FateOf(err) == psa.Unclear:
		_, _ = b.System.AddNote(ctx, ref, n)
	case b.is("takes what is unclear for refused") && psa.FateOf(err) == psa.Unclear:
		return "", &psa.Error{System: b.Name(), Op: "add note", Err: psa.ErrUnavailable}
	case b.is("prints the note"):
		return "", fmt.Errorf("%s: %w", n.Text, err)
	case b.is("takes a refusal for unclear"):
		return "", &psa.Error{System: b.Name(), Op: "add note", Err: psa.ErrAmbiguousWrite}
	}
	if b.is("in turns") { // somebody else's note, when many come at once
		_, err = b.desk.Write(ref.Ticket.ID, psatest.OurID, psatest.OurName, "another", false)
	}
	return id, err
}

func (b *broken) ListNotes(ctx context.Context, ref psa.TicketRef, since time.Time) ([]psa.WrittenNote, error) {
	if b.is("no overlap of notes") && !since.IsZero() {
		since = since.Add(5 * time.Minute) // which is taken off again
	}
	list, err := b.System.ListNotes(ctx, ref, since)
	for i, n := range list {
		if b.is("believes names") {
			list[i].Ours = n.Author == psatest.OurName
		}
		if b.is("believes texts") {
			list[i].Ours = strings.Contains(n.Text, "mk:")
		}
	}
	return list, err
}

func (b *broken) GetTicket(ctx context.Context, ref psa.TicketRef) (psa.Ticket, error) {
	t, err := b.System.GetTicket(ctx, ref)
	if b.is("does not wait") && errors.Is(err, psa.ErrRateLimited) || b.is("does not wait") && err == nil {
		ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		return b.System.GetTicket(ctx, ref)
	}
	return t, err
}

func (b *broken) CreateTicket(ctx context.Context, tenant mspkit.TenantID, n psa.NewTicket) (psa.Ticket, error) {
	if b.is("forgets the key") {
		n.Key = ""
	}
	if b.is("ignores defaults") {
		n.Defaults.Priority = psa.Named{}
	}
	return b.System.CreateTicket(ctx, tenant, n)
}

func (b *broken) SetStatus(ctx context.Context, ref psa.TicketRef, status psa.Named) error {
	if b.is("any status") && status.Name == "Nowhere" {
		return nil
	}
	err := b.System.SetStatus(ctx, ref, status)
	if b.is("writes the same status") && err == nil {
		_ = b.System.SetStatus(ctx, ref, psa.Named{Name: "New"})
		return b.System.SetStatus(ctx, ref, status)
	}
	return err
}

func (b *broken) ListOptions(ctx context.Context, f psa.Field, given psa.Defaults) ([]psa.Option, error) {
	list, err := b.System.ListOptions(ctx, f, given)
	for i := range list {
		list[i].Closed = list[i].Closed && !b.is("no closed")
	}
	return list, err
}

func (b *broken) ListContacts(ctx context.Context, q psa.Query) (psa.Page[psa.Contact], error) {
	limit := q.Limit
	switch b.fault {
	case "no overlap of contacts":
		if !q.Since.IsZero() {
			q.Since = q.Since.Add(5 * time.Minute)
		}
	case "all companies":
		q.CompanyID = ""
	case "hides the inactive":
		q.Inactive = false
	case "any cursor":
		if strings.ContainsAny(q.Cursor, "/ -") || q.Cursor == "garbage" {
			return psa.Page[psa.Contact]{}, nil
		}
	case "pages too large":
		q.Limit = 0
	case "one twice":
		q.Limit = max(1, limit-1)
	}
	p, err := b.System.ListContacts(ctx, q)
	if len(p.Items) > 3 && limit > 3 {
		switch b.fault {
		case "skips one":
			p.Items = append(p.Items[:len(p.Items)-2:len(p.Items)-2], p.Items[len(p.Items)-1])
		case "one twice":
			p.Items = append(p.Items, p.Items[len(p.Items)-2])
		}
	}
	return p, err
}

func (b *broken) ListCompanies(ctx context.Context, q psa.Query) (psa.Page[psa.Company], error) {
	p, err := b.System.ListCompanies(ctx, q)
	if b.is("one company less") && len(p.Items) > 0 {
		p.Items = p.Items[1:]
	}
	return p, err
}

func (b *broken) FindByEmail(ctx context.Context, email string) ([]psa.Contact, error) {
	if b.is("case") && email != strings.ToLower(email) {
		return nil, nil
	}
	list, err := b.System.FindByEmail(ctx, email)
	if b.is("like") && strings.HasPrefix(email, "%@") {
		return b.System.FindByEmail(ctx, "dana@contoso.example")
	}
	return list, err
}

func (b *broken) FindByPhone(ctx context.Context, number string) ([]psa.Contact, error) {
	if b.is("any number") && number == "5550143" {
		number = "2025550143"
	}
	return b.System.FindByPhone(ctx, number)
}

func (b *broken) LogTime(ctx context.Context, ref psa.TicketRef, e psa.TimeEntry) (string, error) {
	if b.is("long hours") {
		e.End = e.End.Add(time.Hour)
	}
	return b.System.LogTime(ctx, ref, e)
}

func (b *broken) AddContactNote(ctx context.Context, tenant mspkit.TenantID, contactID string, n psa.Note) (string, error) {
	if b.is("another contact") {
		contactID = "202"
	}
	return b.System.AddContactNote(ctx, tenant, contactID, n)
}
