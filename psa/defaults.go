package psa

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit"
)

// Field is one of the properties of a ticket for which there are defaults.
type Field string

// The fields. Systems call a queue "board" or "team", too.
const (
	FieldQueue    Field = "queue"
	FieldStatus   Field = "status"
	FieldPriority Field = "priority"
	FieldSource   Field = "source"
	FieldType     Field = "type"
	FieldSubType  Field = "subtype"
	FieldCategory Field = "category"
	FieldAssignee Field = "assignee"
)

// Fields are all fields, in the order in which they depend on each other.
var Fields = []Field{FieldQueue, FieldType, FieldSubType, FieldCategory, FieldStatus, FieldPriority, FieldSource, FieldAssignee}

// Defaults are the properties that tickets get which this module creates, by id or by name.
type Defaults struct {
	Queue    Named `json:"queue,omitzero"`
	Status   Named `json:"status,omitzero"`
	Priority Named `json:"priority,omitzero"`
	Source   Named `json:"source,omitzero"`
	Type     Named `json:"type,omitzero"`
	SubType  Named `json:"subtype,omitzero"`
	Category Named `json:"category,omitzero"`
	Assignee Named `json:"assignee,omitzero"`
}

// Get returns the value of a field.
func (d Defaults) Get(f Field) Named {
	if p := d.at(f); p != nil {
		return *p
	}
	return Named{}
}

// Set sets the value of a field.
func (d *Defaults) Set(f Field, n Named) {
	if p := d.at(f); p != nil {
		*p = n
	}
}

func (d *Defaults) at(f Field) *Named {
	switch f {
	case FieldQueue:
		return &d.Queue
	case FieldStatus:
		return &d.Status
	case FieldPriority:
		return &d.Priority
	case FieldSource:
		return &d.Source
	case FieldType:
		return &d.Type
	case FieldSubType:
		return &d.SubType
	case FieldCategory:
		return &d.Category
	case FieldAssignee:
		return &d.Assignee
	}
	return nil
}

// Apply returns d with what is empty taken from base.
func (d Defaults) Apply(base Defaults) Defaults {
	for _, f := range Fields {
		if d.Get(f).IsZero() {
			d.Set(f, base.Get(f))
		}
	}
	return d
}

// Option is one value that a field may have.
type Option struct {
	Named
	// Closed is true for a status in which tickets are done: not for new ones.
	Closed bool
	// Inactive values are still on old tickets.
	Inactive bool
}

// OptionLister lists what a field may have. An [Option] without an id is known by its name alone.
type OptionLister interface {
	// ListOptions returns the values of a field, given what the fields before it are set to: the statuses of a queue, the
	// sub-types of a type. A field that the system does not have is [ErrUnsupported].
	ListOptions(ctx context.Context, f Field, given Defaults) ([]Option, error)
}

// DefaultsError is a default that the ticket system does not take.
type DefaultsError struct {
	Field Field
	Value Named
	// Reason says what is wrong with it.
	Reason string
	// Valid are the values that may be chosen.
	Valid []Named
}

// Error lists what may be chosen.
func (e *DefaultsError) Error() string {
	s := fmt.Sprintf("psa: %s %q %s", e.Field, short(e.Value.String()), e.Reason)
	if len(e.Valid) == 0 {
		return s
	}
	names := make([]string, 0, len(e.Valid))
	for i, v := range e.Valid {
		if i == maxListed {
			names = append(names, fmt.Sprintf("and %d more", len(e.Valid)-i))
			break
		}
		n := fmt.Sprintf("%q", short(v.String()))
		if v.Name != "" && v.ID != "" {
			n += " (" + strings.Trim(strconv.Quote(short(v.ID)), `"`) + ")"
		}
		names = append(names, n)
	}
	return s + "; valid are " + strings.Join(names, ", ")
}

// Unwrap returns [ErrValidation].
func (*DefaultsError) Unwrap() error { return ErrValidation }

const (
	maxListed = 25
	maxShown  = 64 // bytes of a value
)

// short keeps a value of the ticket system's from filling an error.
func short(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown], "") + "…"
}

// Validate asks the ticket system whether it takes d and returns it with id and name of every value. Everything that is
// wrong is reported at once, each as a [*DefaultsError]; after a wrong value nothing is said of the fields that depend
// on it. It is called when an administrator saves the defaults.
func (d Defaults) Validate(ctx context.Context, l OptionLister) (Defaults, error) {
	var out Defaults
	var errs []error
	var wrong []Field
	for _, f := range Fields {
		v := d.Get(f)
		if v.IsZero() || slices.ContainsFunc(wrong, func(w Field) bool { return slices.Contains(depends[w], f) }) {
			continue
		}
		list, err := l.ListOptions(ctx, f, out)
		switch {
		case errors.Is(err, ErrUnsupported):
			errs = append(errs, &DefaultsError{Field: f, Value: v, Reason: "is set, but the ticket system has no such field"})
			continue
		case err != nil:
			return Defaults{}, fmt.Errorf("psa: list the values of %s: %w", f, err)
		}
		found, problem := choose(f, v, list)
		if problem != nil {
			errs, wrong = append(errs, problem), append(wrong, f)
			continue
		}
		out.Set(f, found)
	}
	if err := errors.Join(errs...); err != nil {
		return Defaults{}, err
	}
	return out, nil
}

// depends lists the fields whose values hang on another one.
var depends = map[Field][]Field{
	FieldQueue:   {FieldType, FieldSubType, FieldCategory, FieldStatus},
	FieldType:    {FieldSubType, FieldCategory},
	FieldSubType: {FieldCategory},
}

func choose(f Field, v Named, list []Option) (Named, error) {
	var valid []Named
	var hits []Option
	for _, o := range list {
		usable := !o.Inactive && (f != FieldStatus || !o.Closed)
		if usable {
			valid = append(valid, o.Named)
		}
		if v.ID != "" && o.ID == v.ID || v.ID == "" && strings.EqualFold(strings.TrimSpace(o.Name), strings.TrimSpace(v.Name)) {
			hits = append(hits, o)
		}
	}
	bad := func(reason string) (Named, error) {
		return Named{}, &DefaultsError{Field: f, Value: v, Reason: reason, Valid: valid}
	}
	if len(hits) > 1 { // of one name: one that can be used wins
		usable := slices.DeleteFunc(slices.Clone(hits), func(o Option) bool { return o.Inactive || f == FieldStatus && o.Closed })
		if hits = hits[:1]; len(usable) > 0 {
			hits = usable
		}
	}
	switch {
	case len(hits) == 0:
		return bad("is unknown")
	case len(hits) > 1:
		return bad("is the name of several; give the id")
	case hits[0].Inactive:
		return bad("is not active any more")
	case f == FieldStatus && hits[0].Closed:
		return bad("is a status of closed tickets")
	}
	return hits[0].Named, nil
}

// DefaultsStore keeps the defaults per tenant and system. The tenant "" is not used: a host that has one set for all
// stores it under a tenant of its own. Implementations are [NewMemory] and psa/sqlstore.
type DefaultsStore interface {
	// Defaults returns what was saved, or the zero value.
	Defaults(ctx context.Context, tenant mspkit.TenantID, system string) (Defaults, error)
	SaveDefaults(ctx context.Context, tenant mspkit.TenantID, system string, d Defaults) error
}
