package halopsa

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit/psa"
)

// valueRow is a value of a field: a team, a status, a priority and so on.
type valueRow struct {
	ID       num    `json:"id"`
	Name     string `json:"name"`
	Inactive bool   `json:"inactive"`
	// Of priorities, whose id is a UUID: the number that tickets have, and to which agreement it belongs.
	PriorityID num  `json:"priorityid"`
	SLA        num  `json:"slaid"`
	Hidden     bool `json:"ishidden"`
	// Of categories: the whole path, with ">" between its parts (from memory).
	Value        string `json:"value"`
	CategoryName string `json:"category_name"`
	Disabled     bool   `json:"isdisabled"` // of agents (from memory)
	Outcome      string `json:"outcome"`    // of outcomes (from memory)
}

// ListOptions returns the values of a field. HaloPSA has no sub-types. Ticket types, statuses and teams do not depend on
// each other here, though a HaloPSA can be configured so that they do; it then says so when a ticket is created.
func (c *Client) ListOptions(ctx context.Context, f psa.Field, _ psa.Defaults) ([]psa.Option, error) {
	path, v := "", url.Values{}
	switch f {
	case psa.FieldQueue:
		path = "Team"
	case psa.FieldStatus:
		path = "Status"
		v.Set("type", "ticket")
	case psa.FieldPriority:
		path = "Priority"
		if c.opts.SLA > 0 {
			v.Set("slaid", strconv.Itoa(c.opts.SLA))
		}
	case psa.FieldSource:
		path = "Lookup"
		v.Set("lookupid", strconv.Itoa(c.opts.SourceLookup))
	case psa.FieldType:
		path = "TicketType"
		v.Set("can_create_only", "true")
	case psa.FieldCategory:
		path = "Category"
		v.Set("type_id", "1")
	case psa.FieldAssignee:
		path = "Agent"
	case psa.FieldSubType: // there are none
	}
	if path == "" || f == psa.FieldSource && c.opts.SourceLookup < 0 {
		return nil, &psa.Error{System: Name, Op: opListOptions, Err: psa.ErrUnsupported, Advice: "tickets have no such field"}
	}
	got, err := readList[valueRow](ctx, c, opListOptions, path, v)
	if err != nil {
		return nil, err
	}
	out := make([]psa.Option, 0, len(got.Items))
	if f == psa.FieldPriority {
		out = c.priorities(got.Items)
	} else {
		for _, r := range got.Items {
			o := psa.Option{Named: psa.Named{ID: strconv.FormatInt(int64(r.ID), 10), Name: r.Name}, Inactive: r.Inactive || r.Disabled}
			if f == psa.FieldCategory {
				o.Name = cmp.Or(r.Value, r.CategoryName, r.Name)
			}
			if f == psa.FieldStatus {
				o.Closed = c.closes(o.Named)
			}
			if o.Name != "" {
				out = append(out, o)
			}
		}
	}
	c.lists.put(f, out, c.opts.Now())
	return out, nil
}

// priorities are told by the number that tickets have, not by their own id. Each service level agreement has its own names
// for the numbers: without Options.SLA a number bears all of them.
func (c *Client) priorities(list []valueRow) []psa.Option {
	var out []psa.Option
	for _, r := range list {
		id := cmp.Or(r.PriorityID, r.ID).String()
		if id == "" || r.Name == "" || c.opts.SLA > 0 && r.SLA > 0 && int64(r.SLA) != int64(c.opts.SLA) {
			continue
		}
		i := slices.IndexFunc(out, func(o psa.Option) bool { return o.ID == id })
		switch {
		case i < 0:
			out = append(out, psa.Option{Named: psa.Named{ID: id, Name: r.Name}, Inactive: r.Inactive || r.Hidden})
		case !slices.Contains(strings.Split(out[i].Name, " / "), r.Name):
			out[i].Name += " / " + r.Name
			fallthrough
		default:
			out[i].Inactive = out[i].Inactive && (r.Inactive || r.Hidden)
		}
	}
	return out
}

// closes reports whether a status is one of closed tickets.
func (c *Client) closes(status psa.Named) bool {
	return slices.ContainsFunc(c.opts.Closed, func(n psa.Named) bool {
		return n.ID != "" && n.ID == status.ID || n.ID == "" && strings.EqualFold(n.Name, status.Name)
	})
}

// lists remembers the values of fields for a while, for the names of what tickets have by number.
type lists struct {
	mu     sync.Mutex
	byName map[psa.Field]list
}

type list struct {
	options []psa.Option
	at      time.Time
}

const listAge = 5 * time.Minute

func (l *lists) put(f psa.Field, options []psa.Option, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byName == nil {
		l.byName = map[psa.Field]list{}
	}
	l.byName[f] = list{options, now}
}

func (l *lists) get(f psa.Field, now time.Time) ([]psa.Option, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.byName[f]
	return known.options, ok && now.Sub(known.at) < listAge
}

// values returns the values of a field, perhaps from memory.
func (c *Client) values(ctx context.Context, f psa.Field) (options []psa.Option, remembered bool, err error) {
	if known, ok := c.lists.get(f, c.opts.Now()); ok {
		return known, true, nil
	}
	options, err = c.ListOptions(ctx, f, psa.Defaults{})
	return options, false, err
}

// fill adds what is missing to what a ticket has, as far as it can be found out.
func (c *Client) fill(ctx context.Context, f psa.Field, n *psa.Named) {
	if n.IsZero() || n.ID != "" && n.Name != "" {
		return
	}
	options, _, err := c.values(ctx, f)
	if err != nil {
		return // the agent may not see the list
	}
	for _, o := range options {
		if n.ID != "" && o.ID == n.ID || n.ID == "" && strings.EqualFold(o.Name, n.Name) {
			*n = o.Named
			return
		}
	}
}

// find returns the value that n means, or a [*psa.DefaultsError] with those that may be chosen. What was remembered and
// does not fit is read again.
func (c *Client) find(ctx context.Context, op string, f psa.Field, n psa.Named) (psa.Named, error) {
	bad := func(reason string, valid []psa.Named) error {
		return &psa.Error{System: Name, Op: op, Err: &psa.DefaultsError{Field: f, Value: n, Reason: reason, Valid: valid}}
	}
	if n.IsZero() {
		return n, bad("is not given", nil)
	}
	for {
		options, remembered, err := c.values(ctx, f)
		if err != nil {
			return n, err
		}
		var hits, valid []psa.Named
		for _, o := range options {
			if !o.Inactive {
				valid = append(valid, o.Named)
			}
			if n.ID != "" && o.ID == n.ID || n.ID == "" && strings.EqualFold(strings.TrimSpace(o.Name), strings.TrimSpace(n.Name)) {
				hits = append(hits, o.Named)
			}
		}
		switch {
		case len(hits) == 1:
			return hits[0], nil
		case remembered:
			c.lists.put(f, nil, time.Time{})
		case len(hits) == 0:
			return n, bad("is unknown", valid)
		default:
			return n, bad("is the name of several; give the id", valid)
		}
	}
}

// Outcomes lists the names of the actions that are configured, for Options.InternalOutcome and Options.PublicOutcome.
func (c *Client) Outcomes(ctx context.Context) ([]string, error) {
	got, err := readList[valueRow](ctx, c, opOutcomes, "Outcome", nil)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, r := range got.Items {
		if name := cmp.Or(r.Outcome, r.Name); name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out, nil
}
