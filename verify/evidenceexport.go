package verify

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/mspkit/mspkit"
)

// An export is JSON, a line each: the header, the events in their order, the trailer. Each line is exactly what
// encoding/json makes of these types, so there is one way to write an export and no room for a second reading.

// evidenceVersion is the version of the lines below and of [hashEvent].
const evidenceVersion = 1

type headerLine struct {
	Evidence int    `json:"evidence"` // the version
	Tenant   string `json:"tenant"`
	Exported string `json:"exported"`
	// Retention is how long events are kept, in seconds: younger ones are not missing at the beginning.
	Retention int64    `json:"retention"`
	Base      linkLine `json:"base"`
	Head      linkLine `json:"head"`
}

type linkLine struct {
	N    int64  `json:"n"`
	Link string `json:"link"` // hexadecimal
}

type eventLine struct {
	N            int64  `json:"n"`
	At           string `json:"at"`
	Kind         string `json:"kind"`
	ID           string `json:"id"`
	Challenge    string `json:"challenge,omitempty"`
	Verifies     string `json:"verifies,omitempty"`
	Subject      string `json:"subject,omitempty"`
	Action       string `json:"action,omitempty"`
	Technician   string `json:"technician,omitempty"`
	TicketSystem string `json:"ticket_system,omitempty"`
	TicketID     string `json:"ticket_id,omitempty"`
	Channel      string `json:"channel,omitempty"`
	Method       string `json:"method,omitempty"`
	Assurance    int    `json:"assurance,omitempty"`
	State        string `json:"state,omitempty"`
	Tries        int    `json:"tries,omitempty"`
	Sends        int    `json:"sends,omitempty"`
	By           string `json:"by,omitempty"`
	Reason       string `json:"reason,omitempty"`
	Link         string `json:"link"`
}

type trailerLine struct {
	End    int64  `json:"end"`    // how many events there are
	SHA256 string `json:"sha256"` // of every byte before this line
	Key    string `json:"key"`
	Seal   string `json:"seal"`
}

// timeFormat shows microseconds, which is what stores keep.
const timeFormat = "2006-01-02T15:04:05.000000Z"

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeFormat)
}

func toLink(l Link) linkLine { return linkLine{l.N, hex.EncodeToString(l.Value)} }

func toLine(e Event) eventLine {
	r := readable
	return eventLine{
		N: e.Link.N, At: formatTime(e.At), Kind: r(string(e.Kind)), ID: r(e.ID), Challenge: r(e.Challenge), Verifies: r(string(e.Verifies)),
		Subject: r(e.Subject), Action: r(string(e.Action)), Technician: r(e.Technician), TicketSystem: r(e.Ticket.System),
		TicketID: r(e.Ticket.ID), Channel: r(e.Channel), Method: r(string(e.Method)), Assurance: int(e.Assurance), State: r(string(e.State)),
		Tries: e.Tries, Sends: e.Sends, By: r(e.By), Reason: r(e.Reason), Link: hex.EncodeToString(e.Link.Value),
	}
}

// event returns the event of l, and false where its time or link is not written as an export writes it.
func (l eventLine) event(tenant mspkit.TenantID) (Event, bool) {
	at, _ := time.Parse(timeFormat, l.At)
	value, _ := hex.DecodeString(l.Link)
	e := Event{
		ID: l.ID, Kind: EventKind(l.Kind), At: at, Tenant: tenant, Challenge: l.Challenge, Verifies: Kind(l.Verifies),
		Subject: l.Subject, Action: Action(l.Action), Technician: l.Technician,
		Ticket: mspkit.Ticket{System: l.TicketSystem, ID: l.TicketID}, Channel: l.Channel, Method: Method(l.Method),
		Assurance: Assurance(l.Assurance), State: State(l.State), Tries: l.Tries, Sends: l.Sends, By: l.By, Reason: l.Reason,
		Link: Link{N: l.N, Value: value},
	}
	return e, toLine(e) == l
}

// exporter writes lines and hashes them.
type exporter struct {
	w   *bufio.Writer
	sum hash.Hash
	n   int64
}

func (x *exporter) line(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	b = append(b, '\n')
	x.sum.Write(b)
	_, err = x.w.Write(b)
	return err
}

func (x *exporter) events(tenant mspkit.TenantID, events []Event) error {
	for _, e := range events {
		if e.Tenant != tenant {
			return fmt.Errorf("the store returned an event of another tenant at number %d", e.Link.N)
		}
		if err := x.line(toLine(e)); err != nil {
			return err
		}
		x.n++
	}
	return nil
}

const exportPage = 1000

// ExportEvidence writes the events of a tenant that are in its chain to w, as lines of JSON for [CheckEvidence] and the
// command mspkit-evidence, and returns the last link. They hold the ids that the host chose and no code, link, address or
// name. It holds a page of events in memory, and ends with the link that was the last when it began. Nothing is checked
// here: what is in the store is written as it is, so that a check finds what is wrong with it.
//
// Note the [Link.Anchor] of what it returns outside the database. ErrConflict means that the retention deleted events
// faster than they were written: what w got is not complete, export again.
func (s *Service) ExportEvidence(ctx context.Context, tenant mspkit.TenantID, w io.Writer) (Link, error) {
	head, err := s.exportEvidence(ctx, tenant, w)
	return head, wrap("export evidence", err)
}

func (s *Service) exportEvidence(ctx context.Context, tenant mspkit.TenantID, w io.Writer) (Link, error) {
	if err := tenant.Validate(); err != nil {
		return Link{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	first, err := s.evidencePage(ctx, tenant, 0)
	if err != nil {
		return Link{}, err
	}
	head := first.Head
	x := &exporter{w: bufio.NewWriterSize(w, 64<<10), sum: sha256.New()}
	if err := x.line(headerLine{
		Evidence: evidenceVersion, Tenant: string(tenant), Exported: formatTime(s.o.Now()),
		Retention: int64(s.o.EvidenceRetention / time.Second), Base: toLink(first.Base), Head: toLink(head),
	}); err != nil {
		return Link{}, err
	}
	for page := first.Events; ; {
		within := page
		for len(within) > 0 && within[len(within)-1].Link.N > head.N {
			within = within[:len(within)-1]
		}
		if err := x.events(tenant, within); err != nil {
			return Link{}, err
		}
		if len(within) < exportPage {
			break
		}
		last := within[len(within)-1].Link.N
		next, err := s.evidencePage(ctx, tenant, last)
		if err != nil {
			return Link{}, err
		}
		if next.Base.N > last {
			return Link{}, fmt.Errorf("events were deleted meanwhile: %w", ErrConflict)
		}
		page = next.Events
	}
	// Events beyond the head are younger than it, unless the head was set back.
	beyond, err := s.store.Evidence(ctx, tenant, head.N, exportPage)
	if err != nil {
		return Link{}, err
	}
	if len(beyond.Events) > 0 {
		now, err := s.store.Evidence(ctx, tenant, head.N, 0)
		if err != nil {
			return Link{}, err
		}
		for len(beyond.Events) > 0 && beyond.Events[0].Link.N <= now.Head.N {
			beyond.Events = beyond.Events[1:]
		}
		if err := x.events(tenant, beyond.Events); err != nil {
			return Link{}, err
		}
	}
	sum := x.sum.Sum(nil)
	seal := s.secrets.evidence.sign(sealed(labelFile, string(sum)))
	err = x.line(trailerLine{End: x.n, SHA256: hex.EncodeToString(sum), Key: s.secrets.evidence.id, Seal: hex.EncodeToString(seal)})
	if err != nil {
		return Link{}, err
	}
	return head, x.w.Flush()
}

// evidencePage returns a page of events. A gap before its first event may be one that the retention made since the base
// was read: then it reads again, so that a gap that is returned is one of the store's.
func (s *Service) evidencePage(ctx context.Context, tenant mspkit.TenantID, after int64) (Evidence, error) {
	for {
		e, err := s.store.Evidence(ctx, tenant, after, exportPage)
		if err != nil || len(e.Events) == 0 || e.Events[0].Link.N <= max(after, e.Base.N)+1 {
			return e, err
		}
		again, err := s.store.Evidence(ctx, tenant, after, exportPage)
		if err != nil || again.Base.N == e.Base.N {
			return again, err
		}
	}
}
