package halopsa

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// ticketRow is a ticket on the wire, and of any saved record its id.
type ticketRow struct {
	ID         num    `json:"id"`
	Summary    string `json:"summary"`
	ClientID   num    `json:"client_id"`
	ClientName string `json:"client_name"`
	UserID     num    `json:"user_id"`
	UserName   string `json:"user_name"`
	Team       string `json:"team"`
	TeamID     num    `json:"team_id"`
	StatusID   num    `json:"status_id"`
	PriorityID num    `json:"priority_id"`
	Source     num    `json:"source"`
	TypeID     num    `json:"tickettype_id"`
	Category1  string `json:"category_1"`
	AgentID    num    `json:"agent_id"`
	Key        string `json:"third_party_id_string"`
	MergedInto num    `json:"merged_into_id"` // from memory
	Occurred   string `json:"dateoccurred"`
	LastAction string `json:"lastactiondate"` // from memory
}

// ticketID checks that ref names a ticket of HaloPSA. Its ids are numbers; nothing else gets into an address.
func ticketID(op string, ref psa.TicketRef) (string, error) {
	if err := ref.Validate(); err != nil {
		return "", err
	}
	if s := ref.Ticket.System; s != "" && s != Name {
		return "", fmt.Errorf("halopsa: %s: the ticket is of another system: %w", op, mspkit.ErrInvalid)
	}
	if !isNumber(ref.Ticket.ID) {
		return "", &psa.Error{System: Name, Op: op, Err: psa.ErrNotFound, Advice: "ids of tickets are numbers"}
	}
	return ref.Ticket.ID, nil
}

// GetTicket reads a ticket. Names that HaloPSA does not send with it are looked up, and stay empty where the agent may not
// see them.
func (c *Client) GetTicket(ctx context.Context, ref psa.TicketRef) (psa.Ticket, error) {
	id, err := ticketID(opGetTicket, ref)
	if err != nil {
		return psa.Ticket{}, err
	}
	row, err := c.ticket(ctx, opGetTicket, id)
	if err != nil {
		return psa.Ticket{}, err
	}
	return c.whole(ctx, row), nil
}

// ticket reads one ticket.
func (c *Client) ticket(ctx context.Context, op, id string) (ticketRow, error) {
	var got rows[ticketRow]
	if err := c.get(ctx, op, "Tickets/"+id, url.Values{"includedetails": {"true"}}, &got); err != nil {
		return ticketRow{}, err
	}
	if len(got.Items) != 1 || got.Items[0].ID.String() != id {
		return ticketRow{}, &psa.Error{System: Name, Op: op, Status: http.StatusOK, Err: psa.ErrNotFound}
	}
	return got.Items[0], nil
}

// whole makes the ticket of a row.
func (c *Client) whole(ctx context.Context, r ticketRow) psa.Ticket {
	t := psa.Ticket{
		ID: r.ID.String(), Title: r.Summary,
		Company:    psa.Named{ID: r.ClientID.String(), Name: r.ClientName},
		Contact:    psa.Named{ID: r.UserID.String(), Name: r.UserName},
		Queue:      psa.Named{ID: r.TeamID.String(), Name: r.Team},
		Status:     psa.Named{ID: r.StatusID.String()},
		Priority:   psa.Named{ID: r.PriorityID.String()},
		Source:     psa.Named{ID: r.Source.String()},
		Type:       psa.Named{ID: r.TypeID.String()},
		Category:   psa.Named{Name: r.Category1},
		Assignee:   psa.Named{ID: r.AgentID.String()},
		MergedInto: r.MergedInto.String(),
		URL:        c.base.String() + "/tickets?id=" + r.ID.String(),
		CreatedAt:  parseDate(r.Occurred, c.opts.DateZone),
		ModifiedAt: parseDate(r.LastAction, c.opts.DateZone),
	}
	for f, n := range map[psa.Field]*psa.Named{
		psa.FieldQueue: &t.Queue, psa.FieldStatus: &t.Status, psa.FieldPriority: &t.Priority, psa.FieldSource: &t.Source,
		psa.FieldType: &t.Type, psa.FieldAssignee: &t.Assignee,
	} {
		c.fill(ctx, f, n)
	}
	t.Closed = t.MergedInto != "" || c.closes(t.Status)
	return t
}

// open returns an [psa.ErrClosed] where a ticket is closed or merged.
func (c *Client) open(ctx context.Context, op, id string) error {
	row, err := c.ticket(ctx, op, id)
	if err != nil {
		if e, ok := errors.AsType[*psa.Error](err); ok && e.Op == op && errors.Is(err, psa.ErrForbidden) {
			e.Advice = "the agent must be allowed to see the ticket; Options.WriteToClosed writes without looking"
		}
		return err
	}
	status := psa.Named{ID: row.StatusID.String()}
	c.fill(ctx, psa.FieldStatus, &status)
	if into := row.MergedInto.String(); into != "" {
		return &psa.Error{System: Name, Op: op, Err: psa.ErrClosed, MergedInto: into, Advice: "it was merged; write to ticket " + into}
	}
	if c.closes(status) {
		return &psa.Error{System: Name, Op: op, Err: psa.ErrClosed, Advice: "open it again, or set Options.WriteToClosed"}
	}
	return nil
}

// SetStatus gives a ticket a status, by id or by name. The one that it has is not written again. A merged ticket is an
// [psa.ErrClosed]; a closed one may be opened again.
func (c *Client) SetStatus(ctx context.Context, ref psa.TicketRef, status psa.Named) error {
	id, err := ticketID(opSetStatus, ref)
	if err != nil {
		return err
	}
	row, err := c.ticket(ctx, opSetStatus, id)
	if err != nil {
		return err
	}
	if into := row.MergedInto.String(); into != "" {
		return &psa.Error{System: Name, Op: opSetStatus, Err: psa.ErrClosed, MergedInto: into, Advice: "it was merged into ticket " + into}
	}
	want, err := c.find(ctx, opSetStatus, psa.FieldStatus, status)
	if err != nil {
		return err
	}
	if want.ID == row.StatusID.String() {
		return nil
	}
	got, err := c.post(ctx, opSetStatus, "Tickets", c.quietly(map[string]any{"id": number(id), "status_id": number(want.ID)}))
	if err == nil && got.id() != id {
		return &psa.Error{System: Name, Op: opSetStatus, Status: http.StatusOK, Err: psa.ErrAmbiguousWrite, Advice: "the answer is not about this ticket"}
	}
	return err
}

// quietly keeps the rules and templates of HaloPSA from acting on a record.
func (c *Client) quietly(record map[string]any) map[string]any {
	if !c.opts.RunRules {
		record["dont_do_rules"] = true
	}
	return record
}

// CreateTicket creates a ticket. The user whose ticket it is gets no acknowledgement. A text that is internal is not the
// description, which the user sees, but the first private note; where only that could not be written, the ticket is
// returned together with the error. A ticket with a Key needs a company.
func (c *Client) CreateTicket(ctx context.Context, tenant mspkit.TenantID, n psa.NewTicket) (psa.Ticket, error) {
	if err := errors.Join(tenant.Validate(), n.Validate()); err != nil {
		return psa.Ticket{}, err
	}
	record, err := c.newRecord(ctx, n)
	if err != nil {
		return psa.Ticket{}, err
	}
	if n.Visibility != psa.Public && n.Text != "" {
		if _, err := c.noteText(opCreateTicket, psa.Note{Text: n.Text}); err != nil {
			return psa.Ticket{}, err // before anything is written
		}
	}
	var row ticketRow
	found := false
	if n.Key != "" && c.opts.KeySearch != KeyNever {
		unlock, err := c.keys.Lock(ctx, n.CompanyID+"/"+n.Key)
		if err != nil {
			return psa.Ticket{}, stopped(opCreateTicket, ctx)
		}
		defer unlock()
		if row, found, err = c.byKey(ctx, n.CompanyID, n.Key); err != nil {
			return psa.Ticket{}, err
		}
	}
	if !found {
		got, err := c.post(ctx, opCreateTicket, "Tickets", record)
		if err != nil {
			return psa.Ticket{}, err
		}
		if got.id() == "" {
			return psa.Ticket{}, &psa.Error{System: Name, Op: opCreateTicket, Status: http.StatusOK, Err: psa.ErrAmbiguousWrite, Advice: "the answer names no ticket"}
		}
		row = got.list.Items[0]
	}
	t := c.whole(ctx, row)
	if n.Visibility == psa.Public || n.Text == "" {
		return t, nil
	}
	return t, c.describe(ctx, t.ID, n.Text, found)
}

// newRecord is a ticket as HaloPSA takes it.
func (c *Client) newRecord(ctx context.Context, n psa.NewTicket) (map[string]any, error) {
	r := c.quietly(map[string]any{"summary": oneLine(n.Title), "sendack": false})
	if !c.opts.RunRules {
		r["donotapplytemplateintheapi"] = true
	}
	for field, id := range map[string]string{"client_id": n.CompanyID, "user_id": n.ContactID} {
		if id == "" {
			continue
		}
		if !isNumber(id) {
			return nil, &psa.Error{System: Name, Op: opCreateTicket, Err: psa.ErrValidation, Fields: []string{field}, Advice: "ids are numbers"}
		}
		r[field] = number(id)
	}
	if n.Visibility == psa.Public && n.Text != "" {
		if len(n.Text) > c.opts.MaxNote {
			return nil, &psa.Error{System: Name, Op: opCreateTicket, Err: psa.ErrTooLong}
		}
		c.text(r, "details", n.Text)
	}
	if n.Key != "" {
		if n.CompanyID == "" {
			return nil, fmt.Errorf("halopsa: %s: a ticket with a key needs a company, because the same key may be another company's as well: %w", opCreateTicket, mspkit.ErrInvalid)
		}
		r["third_party_id_string"] = n.Key
	}
	if c.opts.SLA > 0 {
		r["sla_id"] = c.opts.SLA
	}
	if !n.Defaults.SubType.IsZero() {
		return nil, &psa.Error{System: Name, Op: opCreateTicket, Err: psa.ErrUnsupported, Fields: []string{"subtype"}, Advice: "HaloPSA has no sub-types; use a category"}
	}
	for _, f := range psa.Fields {
		v := n.Defaults.Get(f)
		if v.IsZero() {
			continue
		}
		v, err := c.find(ctx, opCreateTicket, f, v)
		if err != nil {
			return nil, err
		}
		switch f {
		case psa.FieldQueue:
			r["team"] = v.Name // teams are told by name
		case psa.FieldCategory:
			r["category_1"] = v.Name // and categories by their path
		case psa.FieldSubType: // refused above
		case psa.FieldType:
			r["tickettype_id"] = number(v.ID)
		case psa.FieldStatus:
			r["status_id"] = number(v.ID)
		case psa.FieldPriority:
			r["priority_id"] = number(v.ID)
		case psa.FieldSource:
			r["source"] = number(v.ID)
		case psa.FieldAssignee:
			r["agent_id"] = number(v.ID)
		}
	}
	return r, nil
}

func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(s, "\ufffd")), " ")
}

// describe writes the internal text of a new ticket as a note. A ticket that was found may have it already.
func (c *Client) describe(ctx context.Context, id, text string, found bool) error {
	if found {
		notes, err := c.notes(ctx, opCreateTicket, id)
		if err != nil {
			return err
		}
		want := normal(text)
		for _, n := range notes {
			if n.Ours && n.Visibility == psa.Internal && (n.Text == want || n.Text == normal(psa.Plain(text))) {
				return nil
			}
		}
	}
	_, err := c.act(ctx, opAddNote, id, psa.Note{Text: text}, nil)
	return err
}

// byKey finds a ticket of a company by the key that it was created with. Whatever the server finds is compared.
func (c *Client) byKey(ctx context.Context, companyID, key string) (row ticketRow, found bool, err error) {
	v := url.Values{"pageinate": {"true"}, "page_size": {strconv.Itoa(maxPage)}, "page_no": {"1"}, "client_id": {companyID}}
	if c.opts.KeySearch == KeyFullText {
		v.Set("search", key)
	} else {
		v.Set("third_party_id_string", key)
	}
	got, err := readList[ticketRow](ctx, c, opFindTicket, "Tickets", v)
	if err != nil {
		return ticketRow{}, false, err
	}
	others, unread := 0, 0
	for _, r := range got.Items {
		switch {
		case r.Key != "" || r.ID <= 0:
		case len(got.Items) > maxKeyless:
			unread++
		default: // lists may leave it out
			if r, err = c.ticket(ctx, opFindTicket, r.ID.String()); err != nil {
				return ticketRow{}, false, err
			}
		}
		switch {
		case r.Key == key && r.ClientID.String() == companyID:
			return r, true, nil
		case r.Key != key:
			others++
		}
	}
	unsure := func(advice string) error {
		return &psa.Error{System: Name, Op: opFindTicket, Err: psa.ErrUnsupported, Advice: advice}
	}
	switch {
	case others > 0 && c.opts.KeySearch == KeyParameter:
		return ticketRow{}, false, unsure("this HaloPSA does not find tickets by third_party_id_string; set Options.KeySearch to KeyFullText or KeyNever")
	case got.Count > maxPage || unread > 0:
		return ticketRow{}, false, unsure("the search for the key finds too many tickets to read; set Options.KeySearch to another one")
	}
	return ticketRow{}, false, nil
}

// maxKeyless is how many tickets of a search are read one by one to see their key.
const maxKeyless = 10
