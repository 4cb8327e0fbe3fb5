package psa_test

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"github.com/mspkit/mspkit/psa"
	"github.com/stretchr/testify/require"
)

// board lists the values of a small ticket system.
type board struct {
	asked []psa.Field
	err   error
}

func option(id, name string) psa.Option { return psa.Option{Named: psa.Named{ID: id, Name: name}} }

func (b *board) ListOptions(_ context.Context, f psa.Field, given psa.Defaults) ([]psa.Option, error) {
	b.asked = append(b.asked, f)
	if b.err != nil {
		return nil, b.err
	}
	switch f {
	case psa.FieldQueue:
		old := option("3", "Old board")
		old.Inactive = true
		return []psa.Option{option("1", "Service Desk"), option("2", "Projects"), old, option("5", "Twin"), option("6", "Twin")}, nil
	case psa.FieldStatus:
		if given.Queue.ID != "1" {
			return []psa.Option{option("26", "Planned")}, nil
		}
		closed, gone := option("18", "Closed"), option("19", "In Progress")
		closed.Closed, gone.Inactive = true, true
		return []psa.Option{option("16", "New"), gone, option("17", "In Progress"), closed}, nil
	case psa.FieldType:
		return []psa.Option{option("7", "Security")}, nil
	case psa.FieldSubType:
		if given.Type.ID != "7" {
			return nil, nil
		}
		return []psa.Option{option("8", "Identity")}, nil
	case psa.FieldPriority:
		return []psa.Option{option("", "High")}, nil
	default:
	}
	return nil, &psa.Error{System: "board", Op: "list options", Err: psa.ErrUnsupported}
}

func named(name string) psa.Named { return psa.Named{Name: name} }

func TestDefaultsAreCheckedAgainstTheSystem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   psa.Defaults
		want psa.Defaults
		errs []string
	}{
		"nothing": {},
		"by name, whatever its case": {
			in: psa.Defaults{Queue: named(" service desk "), Status: named("NEW"), Type: named("security"), SubType: named("identity"), Priority: named("high")},
			want: psa.Defaults{
				Queue: psa.Named{ID: "1", Name: "Service Desk"}, Status: psa.Named{ID: "16", Name: "New"}, Type: psa.Named{ID: "7", Name: "Security"},
				SubType: psa.Named{ID: "8", Name: "Identity"}, Priority: named("High"),
			},
		},
		"by id": {
			in:   psa.Defaults{Queue: psa.Named{ID: "2", Name: "what it was called once"}, Status: psa.Named{ID: "26"}},
			want: psa.Defaults{Queue: psa.Named{ID: "2", Name: "Projects"}, Status: psa.Named{ID: "26", Name: "Planned"}},
		},
		"of two of one name the one in use": {
			in:   psa.Defaults{Queue: named("Service Desk"), Status: named("In Progress")},
			want: psa.Defaults{Queue: psa.Named{ID: "1", Name: "Service Desk"}, Status: psa.Named{ID: "17", Name: "In Progress"}},
		},
		"unknown": {
			in:   psa.Defaults{Queue: named("Nowhere")},
			errs: []string{`psa: queue "Nowhere" is unknown; valid are "Service Desk" (1), "Projects" (2), "Twin" (5), "Twin" (6)`},
		},
		"an id is no name": {
			in:   psa.Defaults{Queue: psa.Named{ID: "Projects"}},
			errs: []string{`psa: queue "Projects" is unknown`},
		},
		"not in use": {
			in:   psa.Defaults{Queue: named("Old board")},
			errs: []string{`psa: queue "Old board" is not active any more; valid are "Service Desk" (1)`},
		},
		"of closed tickets": {
			in:   psa.Defaults{Queue: named("Service Desk"), Status: named("Closed")},
			errs: []string{`psa: status "Closed" is a status of closed tickets; valid are "New" (16), "In Progress" (17)`},
		},
		"two of one name": {
			in:   psa.Defaults{Queue: named("Twin")},
			errs: []string{`psa: queue "Twin" is the name of several; give the id`},
		},
		"a field that it does not have": {
			in:   psa.Defaults{Source: named("Phone")},
			errs: []string{`psa: source "Phone" is set, but the ticket system has no such field`},
		},
		"everything at once": {
			in: psa.Defaults{Queue: named("Service Desk"), Status: named("x"), Priority: named("y"), Source: named("z")},
			errs: []string{
				`status "x" is unknown`, `priority "y" is unknown; valid are "High"`, `source "z" is set`,
			},
		},
		"of another queue": {
			in:   psa.Defaults{Queue: named("Projects"), Status: named("New")},
			errs: []string{`psa: status "New" is unknown; valid are "Planned" (26)`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := c.in.Validate(t.Context(), &board{})
			if len(c.errs) == 0 {
				require.NoError(t, err)
				require.Equal(t, c.want, got)
				return
			}
			require.Equal(t, psa.Defaults{}, got)
			require.ErrorIs(t, err, psa.ErrValidation)
			for _, e := range c.errs {
				require.ErrorContains(t, err, e)
			}
		})
	}
}

func TestAfterAWrongValueNothingIsSaidOfWhatHangsOnIt(t *testing.T) {
	t.Parallel()
	all := psa.Defaults{
		Queue: named("Nowhere"), Type: named("a"), SubType: named("b"), Category: named("c"), Status: named("d"), Priority: named("High"), Source: named("z"),
	}
	b := &board{}
	_, err := all.Validate(t.Context(), b)
	require.Equal(t, []psa.Field{psa.FieldQueue, psa.FieldPriority, psa.FieldSource}, b.asked)
	require.NotContains(t, err.Error(), "type")
	b = &board{}
	all.Queue = named("Service Desk")
	_, err = all.Validate(t.Context(), b)
	require.Equal(t, []psa.Field{psa.FieldQueue, psa.FieldType, psa.FieldStatus, psa.FieldPriority, psa.FieldSource}, b.asked)
	first, ok := errors.AsType[*psa.DefaultsError](err)
	require.True(t, ok)
	require.Equal(t, psa.FieldType, first.Field)
	require.Equal(t, []psa.Named{{ID: "7", Name: "Security"}}, first.Valid)
}

func TestASystemThatDoesNotAnswerRefusesNoDefaults(t *testing.T) {
	t.Parallel()
	_, err := psa.Defaults{Queue: named("x")}.Validate(t.Context(), &board{err: psa.ErrUnavailable})
	require.ErrorIs(t, err, psa.ErrUnavailable)
	require.NotErrorIs(t, err, psa.ErrValidation)
	require.ErrorContains(t, err, "list the values of queue")
}

func TestALongListOfValuesIsCutShort(t *testing.T) {
	t.Parallel()
	e := &psa.DefaultsError{Field: psa.FieldType, Value: psa.Named{ID: "9"}, Reason: "is unknown"}
	for i := range 40 {
		e.Valid = append(e.Valid, psa.Named{ID: strconv.Itoa(i)})
	}
	require.Contains(t, e.Error(), `type "9" is unknown; valid are "0", "1"`)
	require.Contains(t, e.Error(), `"24", and 15 more`)
}

func TestDefaultsAreSetReadAndFilledUp(t *testing.T) {
	t.Parallel()
	var d psa.Defaults
	for i, f := range psa.Fields {
		d.Set(f, psa.Named{ID: strconv.Itoa(i)})
	}
	for i, f := range psa.Fields {
		require.Equal(t, psa.Named{ID: strconv.Itoa(i)}, d.Get(f))
	}
	d.Set("weather", psa.Named{ID: "x"})
	require.Equal(t, psa.Named{}, d.Get("weather"))
	got := psa.Defaults{Queue: named("mine")}.Apply(d)
	require.Equal(t, named("mine"), got.Queue)
	require.Equal(t, d.Status, got.Status)
}
