package connectwise

import (
	"context"
	"slices"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// wireField names a field as a ticket has it.
var wireField = map[psa.Field]string{
	psa.FieldQueue: "board", psa.FieldStatus: "status", psa.FieldPriority: "priority", psa.FieldSource: "source", psa.FieldType: "type",
	psa.FieldSubType: "subType", psa.FieldCategory: "item", psa.FieldAssignee: "owner",
}

// value is a row of any of the lists of values.
type value struct {
	ID         int64   `json:"id"`
	Name       string  `json:"name"`
	Identifier string  `json:"identifier"` // of members
	FirstName  string  `json:"firstName"`
	LastName   string  `json:"lastName"`
	Inactive   bool    `json:"inactiveFlag"`
	Off        bool    `json:"inactive"` // of statuses
	Closed     bool    `json:"closedStatus"`
	Project    bool    `json:"projectFlag"`        // of boards
	Types      []int64 `json:"typeAssociationIds"` // of sub-types, where the answer has it
}

// ListOptions returns the values of a field. Statuses, types, sub-types and items belong to a board. Items are listed for
// the whole board, because their association with sub-types takes a request for each; ConnectWise refuses what does not fit
// when a ticket is created.
func (c *Client) ListOptions(ctx context.Context, f psa.Field, given psa.Defaults) ([]psa.Option, error) {
	l := listing{op: opListOptions}
	switch f {
	case psa.FieldQueue:
		l.path = []string{"service", "boards"}
	case psa.FieldPriority:
		l.path = []string{"service", "priorities"}
	case psa.FieldSource:
		l.path = []string{"service", "sources"}
	case psa.FieldAssignee:
		l.path = []string{"system", "members"}
	case psa.FieldStatus, psa.FieldType, psa.FieldSubType, psa.FieldCategory:
		board, err := c.board(ctx, f, given.Queue)
		if err != nil {
			return nil, err
		}
		last := map[psa.Field]string{psa.FieldStatus: "statuses", psa.FieldType: "types", psa.FieldSubType: "subtypes", psa.FieldCategory: "items"}
		l.path = []string{"service", "boards", board, last[f]}
	default:
		return nil, fail(l.op, psa.ErrUnsupported, "tickets have no such field")
	}
	kind, err := c.parentType(ctx, f, given)
	if err != nil {
		return nil, err
	}
	var out []psa.Option
	err = each(ctx, c, l, func(v *value) int64 { return v.ID }, func(rows []value) error {
		for i := range rows {
			if v := &rows[i]; !v.Project && (f != psa.FieldSubType || kind == 0 || v.Types == nil || slices.Contains(v.Types, kind)) {
				out = append(out, v.option(f))
			}
		}
		if len(out) > maxOptions {
			return fail(l.op, psa.ErrUnavailable, "the list does not end")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// maxOptions is how long a list of values may be.
const maxOptions = 50_000

func (v *value) option(f psa.Field) psa.Option {
	o := psa.Option{Named: psa.Named{ID: id(v.ID), Name: v.Name}, Closed: v.Closed, Inactive: v.Inactive || v.Off}
	if f == psa.FieldAssignee {
		if o.Name = strings.TrimSpace(v.FirstName + " " + v.LastName); o.Name == "" {
			o.Name = v.Identifier
		}
	}
	return o
}

// board returns the id of the board on which f hangs.
func (c *Client) board(ctx context.Context, f psa.Field, q psa.Named) (string, error) {
	if q.ID != "" {
		n, err := number(opListOptions, "the board's id", q.ID)
		return id(n), err
	}
	if q.Name == "" {
		return "", fail(opListOptions, mspkit.ErrInvalid, "the values of the "+string(f)+" belong to a board; choose the queue first")
	}
	return c.named(ctx, psa.FieldQueue, psa.Defaults{}, q)
}

// parentType returns the id of the type whose sub-types are wanted, 0 for any.
func (c *Client) parentType(ctx context.Context, f psa.Field, given psa.Defaults) (int64, error) {
	if f != psa.FieldSubType || given.Type.IsZero() {
		return 0, nil
	}
	text := given.Type.ID
	if text == "" {
		var err error
		if text, err = c.named(ctx, psa.FieldType, given, given.Type); err != nil {
			return 0, err
		}
	}
	return number(opListOptions, "the id of the type", text)
}

// named finds the id of a value by its name.
func (c *Client) named(ctx context.Context, f psa.Field, given psa.Defaults, n psa.Named) (string, error) {
	list, err := c.ListOptions(ctx, f, given)
	if err != nil {
		return "", err
	}
	var valid []psa.Named
	for _, o := range list {
		if strings.EqualFold(strings.TrimSpace(o.Name), strings.TrimSpace(n.Name)) {
			return o.ID, nil
		}
		valid = append(valid, o.Named)
	}
	return "", &psa.Error{System: Name, Op: opListOptions, Err: &psa.DefaultsError{Field: f, Value: n, Reason: "is unknown", Valid: valid}}
}
