package connectwise_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/connectwise"
)

// tooBig is an answer with more in it than is read at once, in few bytes.
var tooBig = "[" + strings.Repeat("{},", 300_001) + "{}]"

// A thousand contacts whose custom fields or texts are long may be more than is read of one answer.
func TestAPageThatIsTooBigIsReadInSmallerOnes(t *testing.T) {
	t.Parallel()
	for _, way := range []connectwise.Paging{connectwise.ForwardOnly, connectwise.ByID} {
		c, srv, rec := recorded(t, nil, func(o *connectwise.Options) { o.Paging = way })
		for range 700 {
			srv.Desk().PutContact(psa.Contact{FirstName: "A", Active: true})
		}
		rec.answer = func(r *http.Request) *http.Response {
			if n, err := strconv.Atoi(r.URL.Query().Get("pageSize")); err != nil || n <= 250 {
				return nil // the fake's answer
			}
			return text(http.StatusOK, tooBig)
		}
		seen := map[string]bool{}
		for q := (psa.Query{}); ; {
			p, err := c.ListContacts(t.Context(), q)
			require.NoError(t, err)
			for _, one := range p.Items {
				require.False(t, seen[one.ID])
				seen[one.ID] = true
			}
			if q.Cursor = p.Next; q.Cursor == "" {
				break
			}
		}
		require.Len(t, seen, 702)
	}
}

// One record that is too big on its own ends the listing, after a few tries, and nothing is left out.
func TestARecordThatIsTooBigIsAnError(t *testing.T) {
	t.Parallel()
	c, _, rec := recorded(t, nil, nil)
	p, err := c.ListContacts(t.Context(), psa.Query{Limit: 1})
	require.NoError(t, err)
	rec.take()
	rec.answer = func(*http.Request) *http.Response { return text(http.StatusOK, tooBig) }
	_, err = c.ListContacts(t.Context(), psa.Query{Cursor: p.Next})
	require.ErrorIs(t, err, psa.ErrUnavailable)
	require.ErrorContains(t, err, "too big")
	require.Less(t, len(rec.take()), 10)
}

// Notes are read by page number, so that a server could go on for ever.
func TestNotesThatDoNotEndAreAnError(t *testing.T) {
	t.Parallel()
	const page = 250
	for name, tc := range map[string]struct {
		row  func(request, i int) string
		want error
	}{
		"the same page again": {func(_, i int) string { return fmt.Sprintf(`{"id":%d}`, i+1) }, psa.ErrUnavailable},
		"ever more notes":     {func(n, i int) string { return fmt.Sprintf(`{"id":%d}`, n*page+i+1) }, psa.ErrUnsupported},
		"ever more text": {func(n, i int) string {
			return fmt.Sprintf(`{"id":%d,"text":%q}`, n*page+i+1, strings.Repeat("x", 30_000))
		}, psa.ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, srv, rec := recorded(t, nil, nil)
			_, err := c.GetTicket(t.Context(), ref("4711"))
			require.NoError(t, err)
			n := 0
			rec.answer = func(r *http.Request) *http.Response {
				rows := make([]string, page)
				for i := range rows {
					rows[i] = tc.row(n, i)
				}
				n++
				return text(http.StatusOK, "["+strings.Join(rows, ",")+"]", "Link", fmt.Sprintf(`<%s%s?page=%d>; rel="next"`, srv.URL, r.URL.Path, n+1))
			}
			_, err = c.ListNotes(t.Context(), ref("4711"), time.Time{})
			require.ErrorIs(t, err, tc.want)
			require.LessOrEqual(t, n, 82)
		})
	}
}

// An answer that is no list must not pass for an empty one: a listing would end with nobody in it, and a note or a ticket
// that is not found would be written again.
func TestWhatIsNoListIsNotAnEmptyOne(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"null", "{}", `{"message":"try again"}`, `"busy"`, "", "<html>"} {
		c, _, rec := recorded(t, nil, nil)
		_, err := c.GetTicket(t.Context(), ref("4711"))
		require.NoError(t, err)
		rec.answer = func(*http.Request) *http.Response { return text(http.StatusOK, body, "Link", "") }
		for _, way := range []func() error{
			func() error { _, err := c.ListContacts(t.Context(), psa.Query{}); return err },
			func() error { _, err := c.ListCompanies(t.Context(), psa.Query{}); return err },
			func() error { _, err := c.FindByEmail(t.Context(), "dana@contoso.example"); return err },
			func() error { _, err := c.FindByPhone(t.Context(), "+12025550143"); return err },
			func() error { _, err := c.ListNotes(t.Context(), ref("4711"), time.Time{}); return err },
			func() error { _, err := c.ListOptions(t.Context(), psa.FieldQueue, psa.Defaults{}); return err },
			func() error {
				_, err := c.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: "x", CompanyID: "12", Key: "vrf_1"})
				return err
			},
		} {
			err := way()
			require.ErrorIs(t, err, psa.ErrUnavailable, "%q", body)
			require.NotErrorIs(t, err, psa.ErrAmbiguousWrite)
		}
	}
}
