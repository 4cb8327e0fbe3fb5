package connectwise

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/internal/api"
)

// note is a row of …/notes and …/allNotes. The second one has notes of time entries as well and tells the author by other
// fields than the first (OpenAPI description).
type note struct {
	ID         int64     `json:"id"`
	Kind       string    `json:"noteType"`
	Text       string    `json:"text"`
	Discussion bool      `json:"detailDescriptionFlag"`
	Internal   bool      `json:"internalAnalysisFlag"`
	Resolution bool      `json:"resolutionFlag"`
	Member     reference `json:"member"`
	Contact    reference `json:"contact"`
	CreatedBy  string    `json:"createdBy"`
	Created    string    `json:"dateCreated"`
	TimeStart  string    `json:"timeStart"`
	Info       struct {
		EnteredBy   string `json:"enteredBy"`
		DateEntered string `json:"dateEntered"`
		LastUpdated string `json:"lastUpdated"`
	} `json:"_info"`
}

// author is the identifier of the member who wrote the note, as far as the answer tells; empty for a contact. The text has
// no say in it.
func (n *note) author() string {
	if n.Member.Identifier != "" {
		return n.Member.Identifier
	}
	if n.Contact.ID != 0 || n.Member.ID != 0 {
		return ""
	}
	return cmp.Or(n.CreatedBy, n.Info.EnteredBy)
}

func (n *note) convert(member string) psa.WrittenNote {
	out := psa.WrittenNote{
		ID: id(n.ID), Text: n.Text, Visibility: psa.Public,
		Ours:   member != "" && strings.EqualFold(n.author(), member),
		Author: cmp.Or(n.Member.Name, n.Member.Identifier, n.Contact.Name, n.CreatedBy, n.Info.EnteredBy),
	}
	if n.Kind != "" && n.Kind != "TicketNote" { // ids of time entries are counted on their own
		out.ID = n.Kind + ":" + out.ID
	}
	if n.Internal && !n.Discussion && !n.Resolution {
		out.Visibility = psa.Internal
	}
	for _, s := range []string{n.Created, n.Info.DateEntered, n.TimeStart, n.Info.LastUpdated} {
		if out.CreatedAt = stamp(s); !out.CreatedAt.IsZero() {
			break
		}
	}
	return out
}

// noteBody is a new note. The flags are always sent: one of them must be true, and without processNotifications a board may
// mail the contact.
type noteBody struct {
	Text       string `json:"text"`
	Internal   bool   `json:"internalAnalysisFlag"`
	Discussion bool   `json:"detailDescriptionFlag"`
	Resolution bool   `json:"resolutionFlag"`
	Notify     bool   `json:"processNotifications"`
}

// plain makes of a text what this install takes. What is not UTF-8 would become three bytes each on the way.
func (c *Client) plain(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "?"), "\r\n", "\n")
	if c.opts.OneLine {
		lines := strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' })
		s = strings.Join(lines, " / ")
	}
	if c.opts.PlainText {
		s = psa.Plain(s)
	}
	return s
}

// text puts the title in front, as notes have none here, and refuses what is too long.
func (c *Client) text(op string, n psa.Note) (string, error) {
	text := n.Text
	if n.Title != "" {
		text = strings.TrimRight(n.Title+"\n"+text, "\n")
	}
	switch {
	case strings.TrimSpace(text) == "":
		return "", fail(op, mspkit.ErrInvalid, "a note needs a text")
	case len(text) > c.NoteLimit():
		return "", fail(op, psa.ErrTooLong, fmt.Sprintf("a note may have %d bytes with its title", c.NoteLimit()))
	}
	return c.plain(text), nil
}

// AddNote adds a note: internal analysis, or the discussion that the client reads. It does not know repeats: ConnectWise
// has no key for notes, so an unclear outcome is a [psa.ErrAmbiguousWrite], which psa/outbox clears up.
func (c *Client) AddNote(ctx context.Context, ref psa.TicketRef, n psa.Note) (string, error) {
	number, err := ticketID(opAddNote, ref)
	if err != nil {
		return "", err
	}
	text, err := c.text(opAddNote, n)
	if err != nil {
		return "", err
	}
	if c.opts.CheckOpen {
		t, _, err := c.read(ctx, opAddNote, number)
		if err != nil {
			return "", err
		}
		if t.Closed {
			return "", closed(opAddNote, t, 0)
		}
	}
	public := n.Visibility == psa.Public
	body := noteBody{Text: text, Internal: !public, Discussion: public, Notify: public && c.opts.NotifyContact}
	var made note
	err = c.onTicket(func(module string) error {
		_, err := c.call(ctx, request{
			op: opAddNote, method: http.MethodPost, path: []string{module, "tickets", id(number), "notes"}, body: body, write: true,
		}, &made)
		return err
	})
	switch {
	case err != nil:
		return "", c.explainClosed(ctx, opAddNote, number, err)
	case made.ID <= 0:
		return "", fail(opAddNote, psa.ErrAmbiguousWrite, "the answer names no note")
	}
	if who := made.author(); who != "" {
		c.member.CompareAndSwap(nil, &who)
	}
	return id(made.ID), nil
}

// notesPage keeps an answer of long notes below what is read of one.
const notesPage = 250

// ListNotes returns the notes of a ticket, those of its time entries included.
func (c *Client) ListNotes(ctx context.Context, ref psa.TicketRef, since time.Time) ([]psa.WrittenNote, error) {
	number, err := ticketID(opListNotes, ref)
	if err != nil {
		return nil, err
	}
	member := c.member.Load()
	if member == nil {
		return nil, fail(opListNotes, psa.ErrUnavailable, "it is not known which notes are ours; set Options.Member to the API member's identifier")
	}
	if !since.IsZero() {
		since = since.Add(-c.opts.Overlap)
	}
	var out []psa.WrittenNote
	err = c.onTicket(func(module string) error {
		out, err = c.allNotes(ctx, []string{module, "tickets", id(number), "allNotes"}, *member, since)
		return err
	})
	return out, err
}

const (
	// maxNotes and maxNoteText are how many notes a ticket may have, and how many bytes in those that are wanted.
	maxNotes    = 20_000
	maxNoteText = 32 << 20
)

// allNotes reads pages by number: the ids of notes and of time entries are mixed, so that there is no last id. Every note is
// in it or none is: one that is not found would be written again.
func (c *Client) allNotes(ctx context.Context, path []string, member string, since time.Time) ([]psa.WrittenNote, error) {
	var out []psa.WrittenNote
	seen, size := map[string]bool{}, 0
	for n := 1; len(seen) <= maxNotes && size <= maxNoteText; n++ {
		r := request{op: opListNotes, method: http.MethodGet, path: path, query: url.Values{"pageSize": {strconv.Itoa(notesPage)}, "page": {strconv.Itoa(n)}}}
		var rows []note
		h, err := c.call(ctx, r, &rows)
		if err != nil {
			return nil, err
		}
		if rows == nil {
			return nil, fail(opListNotes, psa.ErrUnavailable, "the answer is no list; is there something in front of the API?")
		}
		before := len(seen)
		for i := range rows {
			w := rows[i].convert(member)
			if seen[w.ID] {
				continue
			}
			seen[w.ID] = true
			if w.CreatedAt.IsZero() || !w.CreatedAt.Before(since) {
				out = append(out, w)
				size += len(w.Text)
			}
		}
		next, more := nextLink(h.Values("Link"))
		if more {
			if _, err := api.Page(Name, opListNotes, c.address("", r), next); err != nil {
				return nil, err
			}
		}
		switch {
		case len(rows) == 0 || !more && (len(rows) < notesPage || len(h.Values("Link")) > 0):
			return out, nil
		case len(seen) == before:
			return nil, fail(opListNotes, psa.ErrUnavailable, "the pages do not go forward")
		}
	}
	return nil, fail(opListNotes, psa.ErrUnsupported, "the ticket has more notes than can be read")
}

// CanNoteData returns nil where an internal note on the ticket is read by technicians only and mails nobody: the ticket is
// open, and its board does not send internal analysis on ("closed loop"). That the fields of the board mean that is from
// memory; a board that cannot be read counts as one that does.
func (c *Client) CanNoteData(ctx context.Context, ref psa.TicketRef) error {
	n, err := ticketID(opCanNoteData, ref)
	if err != nil {
		return err
	}
	t, module, err := c.read(ctx, opCanNoteData, n)
	switch {
	case err != nil:
		return err
	case t.Closed:
		return closed(opCanNoteData, t, 0)
	case module != "service" || t.Queue.ID == "":
		return fail(opCanNoteData, psa.ErrUnsupported, "it is not known who gets the notes of a ticket without a service board")
	}
	var board struct {
		ID       int64 `json:"id"`
		All      bool  `json:"closedLoopAllFlag"`
		Internal bool  `json:"closedLoopInternalAnalysisFlag"`
	}
	_, err = c.call(ctx, request{op: opCanNoteData, method: http.MethodGet, path: []string{"service", "boards", t.Queue.ID}}, &board)
	switch {
	case errors.Is(err, psa.ErrForbidden), errors.Is(err, psa.ErrNotFound):
		return fail(opCanNoteData, psa.ErrUnsupported, "the settings of the board cannot be read, so it is not certain that internal notes stay internal")
	case err != nil:
		return err
	case board.All || board.Internal:
		return fail(opCanNoteData, psa.ErrUnsupported, "the board sends internal analysis on by mail")
	}
	return nil
}

// AddContactNote adds a note to a contact, which technicians read. The path and the fields are from memory and from the
// OpenAPI description. A public note is [psa.ErrUnsupported]: contacts' notes are internal.
func (c *Client) AddContactNote(ctx context.Context, tenant mspkit.TenantID, contactID string, n psa.Note) (string, error) {
	if err := tenant.Validate(); err != nil {
		return "", fail(opContactNote, err, "")
	}
	contact, err := number(opContactNote, "the contact's id", contactID)
	if err != nil {
		return "", err
	}
	if n.Visibility == psa.Public {
		return "", fail(opContactNote, psa.ErrUnsupported, "notes on contacts are internal")
	}
	text, err := c.text(opContactNote, n)
	if err != nil {
		return "", err
	}
	var made struct {
		ID int64 `json:"id"`
	}
	_, err = c.call(ctx, request{
		op: opContactNote, method: http.MethodPost, path: []string{"company", "contacts", id(contact), "notes"}, body: map[string]any{"text": text}, write: true,
	}, &made)
	switch {
	case err != nil:
		return "", err
	case made.ID <= 0:
		return "", fail(opContactNote, psa.ErrAmbiguousWrite, "the answer names no note")
	}
	return id(made.ID), nil
}

// LogTime enters working time on a ticket. Technician is a member's id or identifier; empty is Options.Member. The time
// period must be open in ConnectWise.
func (c *Client) LogTime(ctx context.Context, ref psa.TicketRef, t psa.TimeEntry) (string, error) {
	number, err := ticketID(opLogTime, ref)
	if err != nil {
		return "", err
	}
	if err := t.Validate(); err != nil {
		return "", fail(opLogTime, err, "")
	}
	if len(t.Text) > c.NoteLimit() {
		return "", fail(opLogTime, psa.ErrTooLong, fmt.Sprintf("the text may have %d bytes", c.NoteLimit()))
	}
	kind := "ServiceTicket"
	if c.opts.ProjectTickets {
		_, module, err := c.read(ctx, opLogTime, number)
		if err != nil {
			return "", err
		}
		if module == "project" {
			kind = "ProjectTicket" // from memory
		}
	}
	public := t.Visibility == psa.Public
	body := map[string]any{
		"chargeToId": number, "chargeToType": kind, "timeStart": wire(t.Start), "timeEnd": wire(t.End), "notes": c.plain(t.Text),
		"billableOption": "DoNotBill", "addToInternalAnalysisFlag": !public, "addToDetailDescriptionFlag": public,
		"addToResolutionFlag": false, "emailContactFlag": false,
	}
	if t.Billable {
		body["billableOption"] = "Billable"
	}
	who := t.Technician
	if m := c.member.Load(); who == "" && m != nil {
		who = *m
	}
	if n, err := strconv.ParseInt(who, 10, 32); err == nil && n > 0 {
		body["member"] = reference{ID: n}
	} else if who != "" {
		body["member"] = reference{Identifier: who}
	}
	var made struct {
		ID int64 `json:"id"`
	}
	_, err = c.call(ctx, request{op: opLogTime, method: http.MethodPost, path: []string{"time", "entries"}, body: body, write: true}, &made)
	switch {
	case err != nil:
		return "", c.explainClosed(ctx, opLogTime, number, err)
	case made.ID <= 0:
		return "", fail(opLogTime, psa.ErrAmbiguousWrite, "the answer names no entry")
	}
	return id(made.ID), nil
}
