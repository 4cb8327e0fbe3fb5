package halopsa

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// action is an action of a ticket on the wire: a note, a mail, working time.
type action struct {
	ID      num    `json:"id"`
	Who     string `json:"who"`
	WhoID   num    `json:"who_agentid"`
	WhoType num    `json:"who_type"` // 0 is an agent, 1 a user
	Note    string `json:"note"`
	HTML    string `json:"note_html"`
	Hidden  bool   `json:"hiddenfromuser"`
	Date    string `json:"datetime"`
	Arrival string `json:"actionarrivaldate"`
}

// by reports whether the agent did it. Users have numbers of their own.
func (a *action) by(agent int64) bool { return int64(a.WhoID) == agent && a.WhoType == 0 }

// AddNote adds a note to a ticket as an action, internal unless it says [psa.Public]. Nobody is mailed unless
// Options.NotifyContact is set.
func (c *Client) AddNote(ctx context.Context, ref psa.TicketRef, n psa.Note) (string, error) {
	id, err := ticketID(opAddNote, ref)
	if err != nil {
		return "", err
	}
	if _, err := c.noteText(opAddNote, n); err != nil {
		return "", err
	}
	if !c.opts.WriteToClosed {
		if err := c.open(ctx, opAddNote, id); err != nil {
			return "", err
		}
	}
	return c.act(ctx, opAddNote, id, n, nil)
}

// CanNoteData returns nil: an internal note is hidden from the user, and no rule and no mail follows it. With
// Options.RunRules that is not certain.
func (c *Client) CanNoteData(_ context.Context, ref psa.TicketRef) error {
	const op = "note data"
	if _, err := ticketID(op, ref); err != nil {
		return err
	}
	if c.opts.RunRules {
		return &psa.Error{System: Name, Op: op, Err: psa.ErrUnsupported, Advice: "with Options.RunRules a rule may mail what a note says"}
	}
	return nil
}

// noteText is what a note says, with its title.
func (c *Client) noteText(op string, n psa.Note) (string, error) {
	text := n.Text
	if n.Title != "" {
		text = oneLine(n.Title) + "\n\n" + text
	}
	switch {
	case strings.TrimSpace(text) == "":
		return "", fmt.Errorf("halopsa: %s: the note is empty: %w", op, mspkit.ErrInvalid)
	case len(text) > c.opts.MaxNote:
		return "", &psa.Error{System: Name, Op: op, Err: psa.ErrTooLong, Advice: "split it, see psa.Split"}
	}
	return text, nil
}

// text sets a text of a record, as HTML in which it arrives as it is, or as plain text.
func (c *Client) text(record map[string]any, field, text string) {
	if c.opts.PlainText {
		record[field] = psa.Plain(normal(text))
		return
	}
	record[field+"_html"] = toHTML(text)
}

// act writes an action.
func (c *Client) act(ctx context.Context, op, id string, n psa.Note, more map[string]any) (string, error) {
	text, err := c.noteText(op, n)
	if err != nil {
		return "", err
	}
	public := n.Visibility == psa.Public
	outcome := c.opts.InternalOutcome
	if public {
		outcome = c.opts.PublicOutcome
	}
	record := c.quietly(map[string]any{
		"ticket_id":      number(id),
		"hiddenfromuser": !public, // always said: what is left out is public
		"sendemail":      public && c.opts.NotifyContact,
	})
	if isNumber(outcome) {
		record["outcome_id"] = number(outcome)
	} else {
		record["outcome"] = outcome
	}
	c.text(record, "note", text)
	maps.Copy(record, more)
	got, err := c.post(ctx, op, "Actions", record)
	switch {
	case err != nil:
		return "", c.explainOutcome(ctx, err, outcome, public)
	case got.id() == "":
		return "", &psa.Error{System: Name, Op: op, Status: http.StatusOK, Err: psa.ErrAmbiguousWrite, Advice: "the answer names no action"}
	}
	return got.id(), nil
}

// explainOutcome finds out whether a refusal is about the outcome, whose name every HaloPSA configures for itself.
func (c *Client) explainOutcome(ctx context.Context, err error, outcome string, public bool) error {
	e, ok := errors.AsType[*psa.Error](err)
	if !ok || e.Status != http.StatusBadRequest || !errors.Is(err, psa.ErrValidation) {
		return err
	}
	option := "Options.InternalOutcome"
	if public {
		option = "Options.PublicOutcome"
	}
	told := strings.Contains(strings.ToLower(e.Message.Reveal()), "outcome")
	known, listErr := c.Outcomes(ctx)
	switch {
	case listErr != nil && told:
		e.Advice = fmt.Sprintf("the outcome %q is perhaps unknown; set %s to the name of an action that is configured in this HaloPSA", outcome, option)
	case listErr != nil, !told && (isNumber(outcome) || slices.ContainsFunc(known, func(s string) bool { return strings.EqualFold(s, outcome) })):
		return err
	default:
		for i := range known {
			known[i] = fmt.Sprintf("%.60q", known[i])
		}
		if len(known) > 25 {
			known = append(known[:25], fmt.Sprintf("and %d more", len(known)-25))
		}
		e.Advice = fmt.Sprintf("the outcome %q is not configured in this HaloPSA; set %s to one of %s", outcome, option, strings.Join(known, ", "))
	}
	e.Fields = []string{"outcome"}
	return err
}

// ListNotes returns the actions of a ticket, without those of the system where HaloPSA tells them apart. Ours are those by the agent that the application
// is tied to (Options.Agent), whatever name or text they bear.
func (c *Client) ListNotes(ctx context.Context, ref psa.TicketRef, since time.Time) ([]psa.WrittenNote, error) {
	id, err := ticketID(opListNotes, ref)
	if err != nil {
		return nil, err
	}
	notes, err := c.notes(ctx, opListNotes, id)
	if err != nil {
		return nil, err
	}
	if len(notes) == 0 { // of a ticket that is not there there are none either
		if _, err := c.ticket(ctx, opListNotes, id); err != nil {
			return nil, err
		}
	}
	if since.IsZero() {
		return notes, nil
	}
	return slices.DeleteFunc(notes, func(n psa.WrittenNote) bool {
		return !n.CreatedAt.IsZero() && n.CreatedAt.Before(since.Add(-c.opts.Overlap))
	}), nil
}

const (
	someActions = 200
	maxActions  = 20000
)

// notes reads all actions of a ticket. There are no pages of actions, only the count that is wanted. That every one is
// there matters: a note that is not found is written again.
func (c *Client) notes(ctx context.Context, op, id string) ([]psa.WrittenNote, error) {
	agent, err := c.me(ctx, op)
	if err != nil {
		return nil, err
	}
	got, err := c.actions(ctx, op, id)
	if err != nil {
		return nil, err
	}
	out := make([]psa.WrittenNote, 0, len(got))
	for _, a := range got {
		n := psa.WrittenNote{
			ID: a.ID.String(), Ours: a.by(agent), Author: a.Who, Text: normal(a.Note), Visibility: psa.Public,
			CreatedAt: parseDate(a.Date, c.opts.DateZone),
		}
		if a.HTML != "" {
			n.Text = fromHTML(a.HTML)
		}
		if a.Hidden {
			n.Visibility = psa.Internal
		}
		if n.CreatedAt.IsZero() {
			n.CreatedAt = parseDate(a.Arrival, c.opts.DateZone)
		}
		out = append(out, n)
	}
	return out, nil
}

func (c *Client) actions(ctx context.Context, op, id string) ([]action, error) {
	v := url.Values{"ticket_id": {id}, "excludesys": {"true"}, "includehtmlnote": {"true"}}
	for count := someActions; count <= maxActions; {
		v.Set("count", strconv.Itoa(count))
		got, err := readList[action](ctx, c, op, "Actions", v)
		if err != nil {
			return nil, err
		}
		switch n := len(got.Items); {
		case n > count, n < count && n >= got.Count:
			return got.Items, nil
		case n == count: // there may be more
			count = max(got.Count, 2*count) + 1
		case v.Has("excludesys"): // the system's are perhaps left out, but counted
			v.Del("excludesys")
		default:
			return nil, &psa.Error{System: Name, Op: op, Err: psa.ErrUnsupported, Advice: "this HaloPSA does not give all actions of the ticket at once"}
		}
	}
	return nil, &psa.Error{System: Name, Op: op, Err: psa.ErrUnsupported, Advice: "the ticket has more actions than can be read"}
}

// LogTime enters working time as an action with a note. Its id is that of the action.
func (c *Client) LogTime(ctx context.Context, ref psa.TicketRef, t psa.TimeEntry) (string, error) {
	id, err := ticketID(opLogTime, ref)
	if err != nil {
		return "", err
	}
	spent := t.End.Sub(t.Start)
	if t.Start.IsZero() || spent <= 0 || spent > 24*time.Hour {
		return "", fmt.Errorf("halopsa: %s: working time needs a start, and an end within a day after it: %w", opLogTime, mspkit.ErrInvalid)
	}
	more := map[string]any{
		"timetaken":            math.Round(spent.Hours()*1e4) / 1e4, // decimal hours
		"actionarrivaldate":    formatDate(t.Start),
		"actioncompletiondate": formatDate(t.End),
		"actisbillable":        t.Billable,
	}
	if t.Technician != "" {
		who := psa.Named{Name: t.Technician}
		if isNumber(t.Technician) {
			who = psa.Named{ID: t.Technician}
		}
		if who, err = c.find(ctx, opLogTime, psa.FieldAssignee, who); err != nil {
			return "", err
		}
		more["who_agentid"] = number(who.ID)
	}
	n := psa.Note{Text: t.Text, Visibility: t.Visibility}
	if strings.TrimSpace(n.Text) == "" {
		n.Text = "Working time"
	}
	if !c.opts.WriteToClosed {
		if err := c.open(ctx, opLogTime, id); err != nil {
			return "", err
		}
	}
	return c.act(ctx, opLogTime, id, n, more)
}
