package contacts_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
)

func person(ids ...string) []contacts.Contact {
	out := make([]contacts.Contact, 0, len(ids))
	for _, id := range ids {
		out = append(out, contacts.Contact{Tenant: "contoso", ID: id, Enabled: true})
	}
	return out
}

// script is a source whose pages are given by cursor.
type script map[contacts.Cursor]contacts.Page

func (s script) FetchContacts(_ context.Context, q contacts.Query) (contacts.Page, error) {
	p, ok := s[q.Cursor]
	if !ok {
		return contacts.Page{}, contacts.ErrCursor
	}
	return p, nil
}

func TestAll(t *testing.T) {
	t.Parallel()
	stranger := person("x")
	stranger[0].Tenant = "fabrikam"
	for name, tc := range map[string]struct {
		pages script
		ids   string
		err   error
		says  string
	}{
		"no contacts":             {script{"": {}}, "", nil, ""},
		"one page":                {script{"": {Contacts: person("a", "b")}}, "ab", nil, ""},
		"three, one of them bare": {script{"": {Contacts: person("a"), More: true, Next: "1"}, "1": {More: true, Next: "2"}, "2": {Contacts: person("b")}}, "ab", nil, ""},
		"next of a last page":     {script{"": {Contacts: person("a"), Next: "later"}}, "a", nil, ""},
		"an error in the middle":  {script{"": {Contacts: person("a"), More: true, Next: "gone"}}, "a", contacts.ErrCursor, ""},
		"more without where":      {script{"": {Contacts: person("a"), More: true}}, "", contacts.ErrSource, "page 1"},
		"its own cursor":          {script{"": {More: true, Next: "1"}, "1": {Contacts: person("a"), More: true, Next: "1"}}, "", contacts.ErrSource, "circle"},
		"another tenant":          {script{"": {Contacts: person("a"), More: true, Next: "1"}, "1": {Contacts: stranger}}, "a", contacts.ErrSource, "page 2"},
		"no id":                   {script{"": {Contacts: person("a", "")}}, "", contacts.ErrSource, "without an id"},
		"whole and then not":      {script{"": {Whole: true, Contacts: person("a"), More: true, Next: "1"}, "1": {Contacts: person("b")}}, "a", contacts.ErrSource, "whole on one page"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ids strings.Builder
			var last error
			for c, err := range contacts.All(t.Context(), tc.pages, contacts.Query{Tenant: "contoso"}) {
				require.NoError(t, last, "nothing follows an error")
				if last = err; err != nil {
					require.Zero(t, c)
				}
				ids.WriteString(c.ID)
			}
			require.Equal(t, tc.ids, ids.String())
			require.ErrorIs(t, last, tc.err)
			if tc.says != "" {
				require.ErrorContains(t, last, tc.says)
			}
		})
	}
}

func TestAllNoticesCircles(t *testing.T) {
	t.Parallel()
	for _, length := range []int{1, 2, 3, 7, 100} {
		for _, lead := range []int{0, 1, 5, 60} {
			asked := 0
			s := contacts.SourceFunc(func(_ context.Context, q contacts.Query) (contacts.Page, error) {
				asked++
				n, _ := strconv.Atoi(string(q.Cursor))
				if n++; n >= lead+length {
					n = max(lead, 1)
				}
				return contacts.Page{More: true, Next: contacts.Cursor(strconv.Itoa(n))}, nil
			})
			var last error
			for _, err := range contacts.All(t.Context(), s, contacts.Query{Tenant: "contoso"}) {
				last = err
			}
			require.ErrorIs(t, last, contacts.ErrSource)
			require.LessOrEqual(t, asked, 3*(lead+length)+4, "a circle of %d after %d", length, lead)
		}
	}
}

func TestAllEndsWithoutACircle(t *testing.T) {
	t.Parallel()
	n := 0
	s := contacts.SourceFunc(func(context.Context, contacts.Query) (contacts.Page, error) {
		n++
		return contacts.Page{More: true, Next: contacts.Cursor(strconv.Itoa(n))}, nil
	})
	var last error
	for _, err := range contacts.Pages(t.Context(), s, contacts.Query{Tenant: "contoso"}) {
		last = err
	}
	require.ErrorIs(t, last, contacts.ErrSource)
	require.Equal(t, contacts.MaxPages, n)
}

// One page at a time: the next is not asked for before the caller has had the whole of the last, and not at all when
// the caller has stopped.
func TestAllFetchesOnePageAhead(t *testing.T) {
	t.Parallel()
	asked := 0
	s := contacts.SourceFunc(func(context.Context, contacts.Query) (contacts.Page, error) {
		asked++
		return contacts.Page{Contacts: person("a", "b"), More: true, Next: contacts.Cursor(strconv.Itoa(asked))}, nil
	})
	seen := 0
	all := contacts.All(t.Context(), s, contacts.Query{Tenant: "contoso"})
	for _, err := range all {
		require.NoError(t, err)
		seen++
		require.Equal(t, (seen+1)/2, asked)
		if seen == 5 {
			break
		}
	}
	require.Equal(t, 3, asked)
	for range all { // a run of its own, from the beginning
		break
	}
	require.Equal(t, 4, asked)
}

func TestAllStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	asked := 0
	s := contacts.SourceFunc(func(context.Context, contacts.Query) (contacts.Page, error) { // does not look at its context
		asked++
		return contacts.Page{Contacts: person("a"), More: true, Next: contacts.Cursor(strconv.Itoa(asked))}, nil
	})
	var last error
	for _, err := range contacts.All(ctx, s, contacts.Query{Tenant: "contoso"}) {
		last = err
		cancel()
	}
	require.ErrorIs(t, last, context.Canceled)
	require.Equal(t, 1, asked)
}

func TestFindTakesTheLast(t *testing.T) {
	t.Parallel()
	with := func(id, email string) contacts.Contact {
		return contacts.Contact{Tenant: "contoso", ID: id, Emails: []contacts.Address{{Value: email}}}
	}
	s := script{
		"":  {Contacts: []contacts.Contact{with("a", "x@contoso.example"), with("b", "x@contoso.example"), with("c", "y@contoso.example")}, More: true, Next: "1"},
		"1": {Contacts: []contacts.Contact{with("a", "new@contoso.example"), with("c", "x@contoso.example"), with("d", "x@contoso.example")}, Removed: []string{"d"}},
	}
	got, err := contacts.Find(t.Context(), s, contacts.Query{Tenant: "contoso"}, func(c contacts.Contact) bool { return c.HasEmail("X@Contoso.example") })
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.Equal(t, "b", got[0].ID)
	require.Equal(t, "c", got[1].ID)

	broken := errors.New("broken")
	s2 := contacts.SourceFunc(func(context.Context, contacts.Query) (contacts.Page, error) { return contacts.Page{}, broken })
	_, err = contacts.Find(t.Context(), s2, contacts.Query{Tenant: "contoso"}, func(contacts.Contact) bool { return true })
	require.ErrorIs(t, err, broken)
}

func TestQueryValidate(t *testing.T) {
	t.Parallel()
	require.NoError(t, contacts.Query{Tenant: "contoso", Limit: 5, Cursor: "x"}.Validate())
	require.ErrorIs(t, contacts.Query{}.Validate(), mspkit.ErrInvalid)
	require.ErrorIs(t, contacts.Query{Tenant: "contoso", Limit: -1}.Validate(), mspkit.ErrInvalid)
	require.ErrorIs(t, contacts.Query{Tenant: "contoso", Cursor: contacts.Cursor(strings.Repeat("x", contacts.MaxCursor+1))}.Validate(), contacts.ErrCursor)
}

func TestHas(t *testing.T) {
	t.Parallel()
	c := contacts.Contact{Emails: []contacts.Address{{Value: "dana@contoso.example"}}, Phones: []contacts.Address{{Raw: "202 555 0143 x1"}, {Value: "+12025550143"}}}
	require.True(t, c.HasEmail(" Dana@Contoso.example "))
	require.False(t, c.HasEmail(""))
	require.False(t, c.HasEmail("dana@contoso.exampl"))
	require.True(t, c.HasPhone("+12025550143"))
	require.False(t, c.HasPhone(""), "a number that could not be read is not found by the empty one")
}

func TestCanonicalEmail(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ in, want string }{
		"plain":          {"dana@contoso.example", "dana@contoso.example"},
		"upper, spaces":  {" Dana.Ruiz@CONTOSO.Example\t", "dana.ruiz@contoso.example"},
		"tag":            {"dana+it@contoso.example", "dana+it@contoso.example"},
		"apostrophe":     {"o'hara@contoso.example", "o'hara@contoso.example"},
		"punycode":       {"dana@xn--mller-kva.example", "dana@xn--mller-kva.example"},
		"no dot":         {"dana@intranet", "dana@intranet"},
		"unicode domain": {"dana@müller.example", ""},
		"look-alike":     {"dаna@contoso.example", ""}, // a Cyrillic letter
		"kelvin sign":    {"dana@contoso.\u212a", ""},
		"display name":   {"Dana <dana@contoso.example>", ""},
		"two":            {"dana@contoso.example,eve@evil.example", ""},
		"two at":         {"dana@contoso.example@evil.example", ""},
		"header":         {"dana@contoso.example\r\nBcc: eve@evil.example", ""},
		"quoted":         {`"dana"@contoso.example`, ""},
		"ip literal":     {"dana@[192.0.2.1]", ""},
		"space":          {"dana @contoso.example", ""},
		"no domain":      {"dana@", ""},
		"no local part":  {"@contoso.example", ""},
		"dots":           {"dana..ruiz@contoso.example", ""},
		"trailing dot":   {"dana@contoso.example.", ""},
		"hyphen":         {"dana@-contoso.example", ""},
		"empty":          {"", ""},
		"invalid utf-8":  {"dana\xff@contoso.example", ""},
		"too long":       {strings.Repeat("a", 65) + "@contoso.example", ""},
		"delete":         {"dana\x7f@contoso.example", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := contacts.CanonicalEmail(tc.in)
			require.Equal(t, tc.want, got)
			if tc.want == "" {
				require.ErrorIs(t, err, mspkit.ErrInvalid)
				require.NotContains(t, err.Error(), "contoso")
			}
		})
	}
}

func FuzzCanonicalEmail(f *testing.F) {
	for _, s := range []string{"dana@contoso.example", "Dana <d@c.example>", "a@b\r\nc", "a@@b", "é@b.example", "A@B"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := contacts.CanonicalEmail(s)
		if err != nil {
			require.Empty(t, got)
			return
		}
		again, err := contacts.CanonicalEmail(got)
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}

func ExampleAll() {
	source := contacts.SourceFunc(func(_ context.Context, q contacts.Query) (contacts.Page, error) {
		if q.Cursor == "" {
			return contacts.Page{Whole: true, More: true, Next: "2", Contacts: []contacts.Contact{{Tenant: q.Tenant, ID: "1", Name: "Dana Whitfield"}}}, nil
		}
		return contacts.Page{Whole: true, Contacts: []contacts.Contact{{Tenant: q.Tenant, ID: "2", Name: "Omar Haddad"}}}, nil
	})
	for c, err := range contacts.All(context.Background(), source, contacts.Query{Tenant: "contoso"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(c.ID, c.Name)
	}
	// Output:
	// 1 Dana Whitfield
	// 2 Omar Haddad
}
