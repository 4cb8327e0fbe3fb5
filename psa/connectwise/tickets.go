package connectwise

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// maxSummary is how many characters a title may have (OpenAPI description).
const maxSummary = 100

// ticket is a row of /service/tickets. The description is not part of it: it is the first note.
type ticket struct {
	ID       int64     `json:"id"`
	Summary  string    `json:"summary"`
	Board    reference `json:"board"`
	Status   reference `json:"status"`
	Priority reference `json:"priority"`
	Source   reference `json:"source"`
	Type     reference `json:"type"`
	SubType  reference `json:"subType"`
	Item     reference `json:"item"`
	Owner    reference `json:"owner"`
	Company  reference `json:"company"`
	Contact  reference `json:"contact"`
	XRef     string    `json:"externalXRef"`
	Closed   bool      `json:"closedFlag"`
	Merged   reference `json:"mergedParentTicket"`
	Info     struct {
		LastUpdated string `json:"lastUpdated"`
		DateEntered string `json:"dateEntered"`
	} `json:"_info"`
}

func (t *ticket) convert() psa.Ticket {
	return psa.Ticket{
		ID: id(t.ID), Title: t.Summary, Company: t.Company.named(), Contact: t.Contact.named(), Queue: t.Board.named(),
		Status: t.Status.named(), Priority: t.Priority.named(), Source: t.Source.named(), Type: t.Type.named(),
		SubType: t.SubType.named(), Category: t.Item.named(), Assignee: t.Owner.named(), Closed: t.Closed || t.Merged.ID != 0,
		MergedInto: id(t.Merged.ID), CreatedAt: stamp(t.Info.DateEntered), ModifiedAt: stamp(t.Info.LastUpdated),
	}
}

// onTicket does something with a service ticket, and with the project ticket of that number where Options say so and there
// is no service ticket.
func (c *Client) onTicket(do func(module string) error) error {
	err := do("service")
	if c.opts.ProjectTickets && errors.Is(err, psa.ErrNotFound) {
		return do("project")
	}
	return err
}

// GetTicket returns a ticket.
func (c *Client) GetTicket(ctx context.Context, ref psa.TicketRef) (psa.Ticket, error) {
	n, err := ticketID(opGetTicket, ref)
	if err != nil {
		return psa.Ticket{}, err
	}
	t, _, err := c.read(ctx, opGetTicket, n)
	return t, err
}

// read reads a ticket and says in which module it is.
func (c *Client) read(ctx context.Context, op string, n int64) (out psa.Ticket, module string, err error) {
	err = c.onTicket(func(m string) error {
		var t ticket
		if _, err := c.call(ctx, request{op: op, method: http.MethodGet, path: []string{m, "tickets", id(n)}}, &t); err != nil {
			return err
		}
		if t.ID != n {
			return fail(op, psa.ErrUnavailable, "the answer is about another ticket")
		}
		out, module = t.convert(), m
		return nil
	})
	return out, module, err
}

// lookLater is how long an unclear outcome is looked into, also after the caller has given up.
const lookLater = 10 * time.Second

// CreateTicket creates a ticket. The company is required. Names among the defaults are looked up first; see
// Options.References. The description becomes the first note, for the client to read where Visibility is psa.Public.
//
// With a Key, ConnectWise is asked for a ticket of the company with it (externalXRef) before, and again after an unclear
// outcome; a call with the same key after that asks first. Two processes that create with one key at the same moment can
// still make two tickets: ConnectWise has no such lock.
func (c *Client) CreateTicket(ctx context.Context, tenant mspkit.TenantID, n psa.NewTicket) (psa.Ticket, error) {
	body, err := c.newTicket(ctx, tenant, n)
	if err != nil {
		return psa.Ticket{}, err
	}
	search := n.Key != "" && !c.opts.NoTicketKey
	if search {
		unlock, err := c.creating.Lock(ctx, n.CompanyID+"/"+n.Key)
		if err != nil {
			return psa.Ticket{}, fail(opCreateTicket, fmt.Errorf("%w: %w", psa.ErrUnavailable, err), "")
		}
		defer unlock()
		if t, ok, err := c.byKey(ctx, n); err != nil || ok {
			return t, err
		}
	}
	var made ticket
	_, err = c.call(ctx, request{op: opCreateTicket, method: http.MethodPost, path: []string{"service", "tickets"}, body: body, write: true}, &made)
	if err == nil && made.ID <= 0 {
		err = fail(opCreateTicket, psa.ErrAmbiguousWrite, "the answer names no ticket")
	}
	if err != nil {
		if search && errors.Is(err, psa.ErrAmbiguousWrite) {
			late, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookLater)
			defer cancel()
			if t, ok, again := c.byKey(late, n); again == nil && ok {
				return t, nil
			}
		}
		return psa.Ticket{}, err
	}
	return made.convert(), nil
}

// newTicket checks n and makes the body.
func (c *Client) newTicket(ctx context.Context, tenant mspkit.TenantID, n psa.NewTicket) (map[string]any, error) {
	const op = opCreateTicket
	if err := errors.Join(tenant.Validate(), n.Validate()); err != nil {
		return nil, fail(op, err, "")
	}
	// A title is one line.
	title := c.plain(strings.Join(strings.FieldsFunc(n.Title, func(r rune) bool { return r == '\n' || r == '\r' }), " "))
	switch {
	case n.CompanyID == "":
		return nil, fail(op, mspkit.ErrInvalid, "a ticket needs a company")
	case utf8.RuneCountInString(title) > maxSummary:
		return nil, fail(op, psa.ErrTooLong, fmt.Sprintf("the title has more than %d characters", maxSummary))
	case len(n.Text) > c.NoteLimit():
		return nil, fail(op, psa.ErrTooLong, fmt.Sprintf("the description has more than %d bytes; add the rest as notes", c.NoteLimit()))
	}
	company, err := number(op, "the company's id", n.CompanyID)
	if err != nil {
		return nil, err
	}
	public := n.Visibility == psa.Public
	body := map[string]any{
		"summary": title, "company": reference{ID: company}, "processNotifications": public && c.opts.NotifyContact,
	}
	if n.ContactID != "" {
		contact, err := number(op, "the contact's id", n.ContactID)
		if err != nil {
			return nil, err
		}
		body["contact"] = reference{ID: contact}
	}
	switch text := c.plain(n.Text); {
	case text == "":
	case public:
		body["initialDescription"] = text
	default:
		body["initialInternalAnalysis"] = text
	}
	if n.Key != "" {
		body["externalXRef"] = n.Key
	}
	return body, c.setDefaults(ctx, body, n.Defaults)
}

// setDefaults puts the defaults into the body of a new ticket.
func (c *Client) setDefaults(ctx context.Context, body map[string]any, d psa.Defaults) error {
	named := false
	for _, f := range psa.Fields {
		v := d.Get(f)
		named = named || v.ID == "" && v.Name != ""
	}
	if named && c.opts.References == ResolveNames {
		found, err := d.Validate(ctx, c)
		if err != nil {
			return &psa.Error{System: Name, Op: opCreateTicket, Err: err}
		}
		d = found
	}
	for _, f := range psa.Fields {
		v := d.Get(f)
		switch {
		case v.IsZero():
		case v.ID == "" && f == psa.FieldAssignee: // members are known by their identifier
			body[wireField[f]] = reference{Identifier: v.Name}
		case v.ID == "":
			body[wireField[f]] = reference{Name: v.Name}
		default:
			n, err := number(opCreateTicket, "the id of the "+string(f), v.ID)
			if err != nil {
				return err
			}
			body[wireField[f]] = reference{ID: n}
		}
	}
	return nil
}

// byKey looks for the company's ticket with the key. Of several it is the first.
func (c *Client) byKey(ctx context.Context, n psa.NewTicket) (psa.Ticket, bool, error) {
	key, err := quote(opFindTicket, "the key", n.Key)
	if err != nil {
		return psa.Ticket{}, false, err
	}
	var first *ticket
	l := listing{op: opFindTicket, path: []string{"service", "tickets"}, conditions: and("externalXRef="+key, "company/id="+n.CompanyID)}
	err = each(ctx, c, l, func(t *ticket) int64 { return t.ID }, func(rows []ticket) error {
		for i := range rows { // looked at again: a condition that is ignored finds everything, of every company
			if t := &rows[i]; t.XRef == n.Key && id(t.Company.ID) == n.CompanyID && (first == nil || t.ID < first.ID) {
				found := *t
				first = &found
			}
		}
		return nil
	})
	if errors.Is(err, psa.ErrValidation) {
		e := asError(err)
		e.Advice = "tickets cannot be searched by externalXRef here; set Options.NoTicketKey"
	}
	if err != nil || first == nil {
		return psa.Ticket{}, false, err
	}
	return first.convert(), true, nil
}

// SetStatus gives a ticket another status of its board, one of closed tickets as well.
func (c *Client) SetStatus(ctx context.Context, ref psa.TicketRef, status psa.Named) error {
	n, err := ticketID(opSetStatus, ref)
	if err != nil {
		return err
	}
	if status.IsZero() {
		return fail(opSetStatus, mspkit.ErrInvalid, "no status is named")
	}
	now, module, err := c.read(ctx, opSetStatus, n)
	if err != nil {
		return err
	}
	if status.ID != "" && status.ID == now.Status.ID || status.ID == "" && strings.EqualFold(status.Name, now.Status.Name) {
		return nil
	}
	if now.MergedInto != "" {
		return closed(opSetStatus, now, 0)
	}
	want, err := c.statusID(ctx, now.Queue, status)
	if err != nil {
		return err
	}
	// The whole object: the path "status/id" is answered with 200 and changes nothing (developer guide).
	patch := []map[string]any{{"op": "replace", "path": "status", "value": reference{ID: want}}}
	var after ticket
	_, err = c.call(ctx, request{op: opSetStatus, method: http.MethodPatch, path: []string{module, "tickets", id(n)}, body: patch, write: true}, &after)
	if err != nil {
		return c.explainClosed(ctx, opSetStatus, n, err)
	}
	if after.Status.ID != want {
		return fail(opSetStatus, psa.ErrValidation, "ConnectWise says that the status is set, and it is not; does a workflow of the board set it back?")
	}
	return nil
}

// statusID finds a status of a board.
func (c *Client) statusID(ctx context.Context, board, status psa.Named) (int64, error) {
	list, err := c.ListOptions(ctx, psa.FieldStatus, psa.Defaults{Queue: board})
	if err != nil {
		return 0, err
	}
	var valid []psa.Named
	for _, o := range list {
		if o.Inactive {
			continue
		}
		valid = append(valid, o.Named)
		if status.ID != "" && o.ID == status.ID || status.ID == "" && strings.EqualFold(strings.TrimSpace(o.Name), strings.TrimSpace(status.Name)) {
			return number(opSetStatus, "the id of the status", o.ID)
		}
	}
	return 0, &psa.Error{System: Name, Op: opSetStatus, Err: &psa.DefaultsError{Field: psa.FieldStatus, Value: status, Reason: "is unknown", Valid: valid}}
}

// closed is the error for a ticket that takes nothing any more.
func closed(op string, t psa.Ticket, httpStatus int) error {
	e := &psa.Error{System: Name, Op: op, Status: httpStatus, Err: psa.ErrClosed, MergedInto: t.MergedInto, Advice: "open it again, or use another one"}
	if t.MergedInto != "" {
		e.Advice = "it was merged into another one; use that"
	}
	return e
}

// explainClosed reads a ticket that refuses something and says so where it is closed or merged.
func (c *Client) explainClosed(ctx context.Context, op string, n int64, refusal error) error {
	if !errors.Is(refusal, psa.ErrValidation) && !errors.Is(refusal, psa.ErrConflict) && !errors.Is(refusal, psa.ErrNotFound) {
		return refusal
	}
	if t, _, err := c.read(ctx, op, n); err == nil && t.Closed {
		status := 0
		if e := asError(refusal); e != nil {
			status = e.Status
		}
		return closed(op, t, status)
	}
	return refusal
}
