package sqlstore

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/securesend"
)

// filled returns a record in which no two fields are the same and none is zero, and the names of its fields.
func filled(t *testing.T) (r securesend.Record, names []string) {
	t.Helper()
	n := int64(1)
	var fill func(v reflect.Value, name string)
	fill = func(v reflect.Value, name string) {
		n++
		switch p := v.Addr().Interface().(type) {
		case *time.Time:
			*p = sqlx.Time(n * 1000)
		case *[]byte:
			*p = []byte{byte(n)}
		case *[]int64:
			*p = []int64{n, -n, 0}
		default:
			switch v.Kind() {
			case reflect.String:
				v.SetString(strings.Repeat("x", int(n)))
			case reflect.Int, reflect.Int64:
				v.SetInt(n)
			case reflect.Bool:
				v.SetBool(true)
			case reflect.Struct:
				for i := range v.NumField() {
					fill(v.Field(i), v.Type().Field(i).Name)
				}
				return
			default:
				t.Fatalf("the field %s is of a kind that no column has", name)
			}
		}
		names = append(names, name)
	}
	fill(reflect.ValueOf(&r).Elem(), "Record")
	return r, names
}

// row is a row as drivers give it.
type row []any

func (r row) Scan(dests ...any) error {
	for i, d := range dests {
		if s, ok := d.(interface{ Scan(v any) error }); ok {
			if err := s.Scan(r[i]); err != nil {
				return err
			}
			continue
		}
		v := reflect.ValueOf(d).Elem()
		if n, ok := r[i].(int64); ok && v.Kind() == reflect.Bool {
			v.SetBool(n == 1)
			continue
		}
		v.Set(reflect.ValueOf(r[i]).Convert(v.Type()))
	}
	return nil
}

func TestEveryFieldOfARecordHasItsColumn(t *testing.T) {
	t.Parallel()
	r, names := filled(t)
	require.Len(t, fixedOf(&r), len(fixed))
	require.Len(t, changingOf(&r), len(changing))
	require.Len(t, names, len(fixed)+len(changing)+2, "with half and content")
	got, revision, err := scan(row(append(args(append(fixedOf(&r), changingOf(&r)...)), int64(7))))
	require.NoError(t, err)
	require.Equal(t, int64(7), revision)
	got.Half, got.Inline = r.Half, r.Inline
	require.Equal(t, r, got)
	require.Equal(t, r, rounded(r))
	odd := r.Clone()
	odd.CreatedAt = odd.CreatedAt.Add(999).In(time.FixedZone("there", 3600))
	odd.Claim, odd.Sizes = []byte{}, []int64{}
	even := r.Clone()
	even.Claim, even.Sizes = nil, nil
	require.Equal(t, even, rounded(odd))
}

func TestAColumnOfAnotherTypeIsAnError(t *testing.T) {
	t.Parallel()
	var r securesend.Record
	require.ErrorIs(t, dest(&r.CreatedAt).(reading).Scan("yesterday"), errType)
	require.ErrorIs(t, dest(&r.Half).(reading).Scan(int64(1)), errType)
	require.ErrorIs(t, dest(&r.Sizes).(reading).Scan(int64(1)), errType)
	require.Error(t, dest(&r.Sizes).(reading).Scan("1,2"))
	require.NoError(t, dest(&r.Sizes).(reading).Scan(""))
	require.NoError(t, dest(&r.Sizes).(reading).Scan([]byte("[1,2]")))
	require.Equal(t, []int64{1, 2}, r.Sizes)
}

func TestEveryFieldOfAnEventIsStored(t *testing.T) {
	t.Parallel()
	var e securesend.Event
	v := reflect.ValueOf(&e).Elem()
	r, _ := filled(t)
	e = r.Event(securesend.Stamp{ID: "id", Kind: securesend.EventRefused, By: "by", Reason: "reason", Files: []int{1, 2}}, sqlx.Time(77))
	e.Seq = 5
	for i := range v.NumField() {
		require.False(t, v.Field(i).IsZero(), v.Type().Field(i).Name)
	}
	got, err := scanEvent(row{e.Seq, string(e.Tenant), e.ID, encodeEvent(e)})
	require.NoError(t, err)
	require.Equal(t, e, got)
	_, err = scanEvent(row{int64(5), "contoso", "id", "{"})
	require.ErrorContains(t, err, "column event of event 5")
	e.Ticket.ID, e.Ticket.System = "", ""
	require.NotContains(t, encodeEvent(e), "ticket")
}
