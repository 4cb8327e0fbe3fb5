package psacontacts_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/contactstest"
	"github.com/mspkit/mspkit/contacts/psacontacts"
	"github.com/mspkit/mspkit/psa"
)

func mapTo(t testing.TB, store psa.MappingStore, tenant mspkit.TenantID, companies ...string) {
	t.Helper()
	for _, c := range companies {
		require.NoError(t, store.SaveMapping(context.Background(), psa.Mapping{System: "desk", CompanyID: c, CompanyName: "Company " + c, Tenant: tenant, By: "ana"}))
	}
}

// rig is a desk with companies 10 and 20 of contoso and 15 of fabrikam.
type rig struct {
	*desk
	*psacontacts.Source
	store *psa.Memory
	clock atomic.Int64
	log   bytes.Buffer
}

func (r *rig) advance(d time.Duration) { r.clock.Add(int64(d)) }

func newRig(t *testing.T, since bool, o psacontacts.Options) *rig {
	t.Helper()
	r := &rig{desk: newDesk(), store: psa.NewMemory()}
	now := func() time.Time { return start.Add(time.Duration(r.clock.Load())) }
	r.since, r.now = since, now
	o.Now, o.Logger = now, slog.New(slog.NewTextHandler(&r.log, nil))
	mapTo(t, r.store, "contoso", "10", "20")
	mapTo(t, r.store, "fabrikam", "15")
	r.clock.Store(-int64(24 * time.Hour))
	r.put("10", "a1", "a2", "a3")
	r.put("20", "b1", "b2", "b3")
	r.clock.Store(0)
	r.put("10", "a4")
	r.put("15", "f1", "f2", "f3")
	r.put("99", "u1") // unmapped
	var err error
	r.Source, err = psacontacts.New(r.desk, r.store, "desk", &o)
	require.NoError(t, err)
	return r
}

// list reads a run and returns the ids in order, and the last page.
func (r *rig) list(t *testing.T, tenant mspkit.TenantID, c contacts.Cursor) (string, contacts.Page) {
	t.Helper()
	var ids []string
	var last contacts.Page
	for p, err := range contacts.Pages(t.Context(), r, contacts.Query{Tenant: tenant, Cursor: c}) {
		require.NoError(t, err)
		last = p
		for _, c := range p.Contacts {
			require.Equal(t, tenant, c.Tenant)
			ids = append(ids, strings.TrimPrefix(c.ID, "desk:"))
		}
	}
	return strings.Join(ids, " "), last
}

func TestSuite(t *testing.T) {
	t.Parallel()
	for name, since := range map[string]bool{"with changes": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			contactstest.TestSource(t, func(t *testing.T) (contacts.ContactSource, contactstest.Fixture) {
				r := newRig(t, since, psacontacts.Options{Region: "US"})
				var n atomic.Int64
				f := contactstest.Fixture{
					Tenant: "contoso", IDs: []string{"desk:a1", "desk:a2", "desk:a3", "desk:a4", "desk:b1", "desk:b2", "desk:b3"},
					Other: "fabrikam", OtherIDs: []string{"desk:f1", "desk:f2", "desk:f3"}, Unknown: "nobody",
					Change: func(*testing.T) {
						i := n.Add(1)
						r.put("10", fmt.Sprintf("a0%d", i))
						r.remove(fmt.Sprintf("a0%d", i-1))
					},
				}
				if since {
					f.Touch = func(_ *testing.T, id string) {
						r.advance(time.Second)
						r.put("10", strings.TrimPrefix(id, "desk:"))
					}
				}
				return r, f
			})
		})
	}
}

func TestRunsBeginWhereTheLastEnded(t *testing.T) {
	t.Parallel()
	r := newRig(t, true, psacontacts.Options{Overlap: 5 * time.Minute})
	ids, p := r.list(t, "contoso", "")
	require.Equal(t, "a1 a2 a3 a4 b1 b2 b3", ids)
	require.True(t, p.Whole)
	for _, q := range r.queries() {
		require.True(t, q.Inactive)
		require.True(t, q.Since.IsZero())
	}

	r.advance(time.Hour)
	r.put("20", "b2")
	ids, p = r.list(t, "contoso", p.Next)
	require.Equal(t, "a4 b2", ids)
	require.False(t, p.Whole)
	require.Equal(t, start.Add(-5*time.Minute), r.queries()[0].Since.UTC())

	r.advance(time.Minute) // less than the overlap: b2 comes again, and nothing is lost
	r.set(psa.Contact{ID: "a1", Company: psa.Named{ID: "10"}, Active: false})
	ids, p = r.list(t, "contoso", p.Next)
	require.Equal(t, "a1 b2", ids)

	r.advance(time.Hour)
	ids, p = r.list(t, "contoso", p.Next)
	require.Equal(t, "a1 b2", ids, "the overlap is before the last change, however long ago that was")
	ids, again := r.list(t, "contoso", p.Next)
	require.Equal(t, "a1 b2", ids)
	require.Equal(t, p.Next, again.Next, "without a change the cursor stays")
}

func TestInactiveAreNotEnabled(t *testing.T) {
	t.Parallel()
	r := newRig(t, true, psacontacts.Options{})
	_, p := r.list(t, "contoso", "")
	r.advance(time.Hour)
	r.set(psa.Contact{ID: "a1", Company: psa.Named{ID: "10"}, Active: false})
	page, err := r.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso", Cursor: p.Next})
	require.NoError(t, err)
	require.Equal(t, "desk:a1", page.Contacts[0].ID)
	require.False(t, page.Contacts[0].Enabled)
}

// A run takes its time: what changes in a company that was listed already comes with the next run, whatever the clocks
// say, as long as they differ by less than the overlap.
func TestChangesDuringARunAreNotLost(t *testing.T) {
	t.Parallel()
	for name, skew := range map[string]time.Duration{"clocks agree": 0, "theirs is behind": -9 * time.Minute, "theirs is ahead": 3 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, true, psacontacts.Options{})
			r.skew = skew
			r.listed = func(q psa.Query, _ *psa.Page[psa.Contact]) error {
				r.advance(time.Minute)
				if q.CompanyID == "10" && q.Cursor != "" { // company 10 has been listed
					r.put("10", "a1")
					r.advance(40 * time.Minute)
					r.put("20", "b1") // and a later change is seen in this run
				}
				return nil
			}
			_, p := r.list(t, "contoso", "")
			r.listed = nil
			ids, _ := r.list(t, "contoso", p.Next)
			require.Contains(t, ids, "a1")
			require.Contains(t, ids, "b1")
		})
	}
}

func TestATimeYetToComeSkipsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, true, psacontacts.Options{})
	r.set(psa.Contact{ID: "a2", Company: psa.Named{ID: "10"}, Active: true, ModifiedAt: start.AddDate(70, 0, 0)})
	_, p := r.list(t, "contoso", "")
	r.advance(time.Hour)
	r.put("20", "b2")
	ids, _ := r.list(t, "contoso", p.Next)
	require.Contains(t, ids, "b2")
}

func TestWholeRunsComeByThemselves(t *testing.T) {
	t.Parallel()
	r := newRig(t, true, psacontacts.Options{WholeEvery: 6 * time.Hour})
	_, p := r.list(t, "contoso", "")
	r.remove("a1")
	r.advance(5 * time.Hour)
	_, p = r.list(t, "contoso", p.Next)
	require.False(t, p.Whole)
	r.advance(time.Hour)
	ids, p := r.list(t, "contoso", p.Next)
	require.True(t, p.Whole)
	require.Equal(t, "a2 a3 a4 b1 b2 b3", ids)

	never := newRig(t, true, psacontacts.Options{WholeEvery: -1})
	_, p = never.list(t, "contoso", "")
	never.advance(10_000 * time.Hour)
	_, p = never.list(t, "contoso", p.Next)
	require.False(t, p.Whole)
}

func TestASystemThatDoesNotTellIsListedWhole(t *testing.T) {
	t.Parallel()
	r := newRig(t, false, psacontacts.Options{})
	_, p := r.list(t, "contoso", "")
	require.True(t, p.Whole)
	require.Empty(t, p.Next)

	told := newRig(t, true, psacontacts.Options{})
	_, p = told.list(t, "contoso", "")
	told.since = false // an update of the system
	ids, p := told.list(t, "contoso", p.Next)
	require.True(t, p.Whole)
	require.Equal(t, "a1 a2 a3 a4 b1 b2 b3", ids)
}

func TestMappingsThatChange(t *testing.T) {
	t.Parallel()
	t.Run("between runs: whole again", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, true, psacontacts.Options{})
		_, p := r.list(t, "contoso", "")
		mapTo(t, r.store, "contoso", "99")
		ids, p := r.list(t, "contoso", p.Next)
		require.True(t, p.Whole)
		require.Equal(t, "a1 a2 a3 a4 b1 b2 b3 u1", ids)
	})
	t.Run("between pages: begin again", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, true, psacontacts.Options{})
		p, err := r.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso"})
		require.NoError(t, err)
		require.NoError(t, r.store.DeleteMapping(t.Context(), "desk", "10"))
		_, err = r.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso", Cursor: p.Next})
		require.ErrorIs(t, err, contacts.ErrCursor)
		ids, _ := r.list(t, "contoso", "")
		require.Equal(t, "b1 b2 b3", ids)
	})
	t.Run("between pages, of another company: begin again", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, true, psacontacts.Options{})
		p, err := r.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso"})
		require.NoError(t, err)
		mapTo(t, r.store, "contoso", "05") // a whole run that goes on would leave out who is in it
		_, err = r.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso", Cursor: p.Next})
		require.ErrorIs(t, err, contacts.ErrCursor)
	})
	t.Run("while the system answers: nobody is handed out", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, true, psacontacts.Options{})
		r.listed = func(psa.Query, *psa.Page[psa.Contact]) error {
			if err := r.store.DeleteMapping(t.Context(), "desk", "10"); err != nil {
				return err
			}
			return r.store.SaveMapping(t.Context(), psa.Mapping{System: "desk", CompanyID: "10", Tenant: "fabrikam", By: "ana"})
		}
		p, err := r.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso"})
		require.ErrorIs(t, err, contacts.ErrCursor)
		require.Empty(t, p.Contacts)
	})
	t.Run("the last one is gone: not set up", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, true, psacontacts.Options{})
		_, p := r.list(t, "fabrikam", "")
		require.NoError(t, r.store.DeleteMapping(t.Context(), "desk", "15"))
		_, err := r.FetchContacts(t.Context(), contacts.Query{Tenant: "fabrikam", Cursor: p.Next})
		require.ErrorIs(t, err, contacts.ErrTenant)
	})
}

// store is a mapping store that says what it is told.
type store []psa.Mapping

func (store) SaveMapping(context.Context, psa.Mapping) error            { return nil }
func (store) DeleteMapping(context.Context, string, string) error       { return nil }
func (s store) Mappings(context.Context, string) ([]psa.Mapping, error) { return s, nil }

func TestAStoreThatIsWrong(t *testing.T) {
	t.Parallel()
	d := newDesk()
	d.put("10", "a1")
	for name, tc := range map[string]struct {
		store store
		want  error
	}{
		"two tenants":        {store{{System: "desk", CompanyID: "10", Tenant: "contoso"}, {System: "desk", CompanyID: "10", Tenant: "fabrikam"}}, psa.ErrConflict},
		"another system":     {store{{System: "other", CompanyID: "10", Tenant: "contoso"}}, contacts.ErrTenant},
		"no company":         {store{{System: "desk", Tenant: "contoso"}}, contacts.ErrTenant},
		"the same one twice": {store{{System: "desk", CompanyID: "10", Tenant: "contoso"}, {System: "desk", CompanyID: "10", Tenant: "contoso"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := psacontacts.New(d, tc.store, "desk", nil)
			require.NoError(t, err)
			p, err := s.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso"})
			require.ErrorIs(t, err, tc.want)
			require.Equal(t, tc.want == nil, len(p.Contacts) == 1)
			require.False(t, p.More)
		})
	}
}

func TestContactsOfAnotherCompanyAreDropped(t *testing.T) {
	t.Parallel()
	r := newRig(t, false, psacontacts.Options{})
	r.listed = func(_ psa.Query, p *psa.Page[psa.Contact]) error {
		p.Items = append(p.Items,
			psa.Contact{ID: "f1", Company: psa.Named{ID: "15"}, Name: "Eve Secret", Emails: []string{"eve@fabrikam.example"}},
			psa.Contact{ID: "x1", Name: "Nobody's"}, psa.Contact{ID: "", Company: psa.Named{ID: "10"}},
			psa.Contact{ID: "a\nb", Company: psa.Named{ID: "10"}})
		return nil
	}
	ids, _ := r.list(t, "contoso", "")
	require.Equal(t, "a1 a2 a3 a4 b1 b2 b3", ids)
	require.Contains(t, r.log.String(), "contact=f1")
	require.Contains(t, r.log.String(), "contact=x1")
	require.NotContains(t, r.log.String(), "Secret")
	require.NotContains(t, r.log.String(), "eve@")
}

// A company of the same tenant is another run's part: it would come twice, and in a company that it is not in.
func TestContactsOfTheTenantsOtherCompanyAreDropped(t *testing.T) {
	t.Parallel()
	r := newRig(t, false, psacontacts.Options{})
	r.listed = func(q psa.Query, p *psa.Page[psa.Contact]) error {
		if q.CompanyID == "10" {
			p.Items = append(p.Items, psa.Contact{ID: "b1", Company: psa.Named{ID: "20"}})
		}
		return nil
	}
	ids, _ := r.list(t, "contoso", "")
	require.Equal(t, "a1 a2 a3 a4 b1 b2 b3", ids)
}

func TestManyDroppedAreLoggedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, false, psacontacts.Options{})
	r.listed = func(_ psa.Query, p *psa.Page[psa.Contact]) error {
		p.Next = ""
		for i := range 500 {
			p.Items = append(p.Items, psa.Contact{ID: strconv.Itoa(i), Company: psa.Named{ID: "15"}})
		}
		return nil
	}
	r.list(t, "fabrikam", "")
	require.Zero(t, r.log.Len())
	r.list(t, "contoso", "")
	require.Equal(t, 22, strings.Count(r.log.String(), "\n"))
	require.Contains(t, r.log.String(), "dropped=500")
}

func TestListerFaults(t *testing.T) {
	t.Parallel()
	down := &psa.Error{System: "desk", Op: "list contacts", Err: psa.ErrUnavailable}
	for name, tc := range map[string]struct {
		fault   func(psa.Query, *psa.Page[psa.Contact]) error
		is, not error
	}{
		"down":                      {func(psa.Query, *psa.Page[psa.Contact]) error { return down }, psa.ErrUnavailable, contacts.ErrCursor},
		"a forgotten cursor":        {func(q psa.Query, _ *psa.Page[psa.Contact]) error { return forget(q.Cursor != "") }, contacts.ErrCursor, contacts.ErrSource},
		"forgotten from the start":  {func(psa.Query, *psa.Page[psa.Contact]) error { return forget(true) }, psa.ErrCursor, contacts.ErrCursor},
		"pages in a circle":         {func(_ psa.Query, p *psa.Page[psa.Contact]) error { p.Next = "after:a1"; return nil }, contacts.ErrSource, contacts.ErrCursor},
		"a cursor that is too long": {func(_ psa.Query, p *psa.Page[psa.Contact]) error { p.Next = strings.Repeat("x", 9000); return nil }, contacts.ErrSource, contacts.ErrCursor},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, true, psacontacts.Options{})
			r.listed = tc.fault
			var last error
			for _, err := range contacts.All(t.Context(), r, contacts.Query{Tenant: "contoso"}) {
				last = err
			}
			require.ErrorIs(t, last, tc.is)
			require.NotErrorIs(t, last, tc.not)
		})
	}
}

func TestTheListersCursorComesBackAsItWas(t *testing.T) {
	t.Parallel()
	r := newRig(t, true, psacontacts.Options{})
	const odd = "\xff\x00\"</>\u2028"
	r.listed = func(_ psa.Query, p *psa.Page[psa.Contact]) error { p.Next = odd; return nil }
	p, err := r.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso"})
	require.NoError(t, err)
	r.queries()
	_, err = r.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso", Cursor: p.Next})
	require.ErrorIs(t, err, contacts.ErrCursor) // the desk does not know it
	require.Equal(t, odd, r.queries()[0].Cursor)
}

func forget(yes bool) error {
	if yes {
		return &psa.Error{System: "desk", Op: "list contacts", Err: psa.ErrCursor}
	}
	return nil
}

func TestCursorsOfOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t, true, psacontacts.Options{})
	_, run := r.list(t, "contoso", "")
	page, err := r.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso"})
	require.NoError(t, err)
	mapped := psa.NewMemory()
	require.NoError(t, mapped.SaveMapping(t.Context(), psa.Mapping{System: "other", CompanyID: "10", Tenant: "contoso", By: "ana"}))
	require.NoError(t, mapped.SaveMapping(t.Context(), psa.Mapping{System: "other", CompanyID: "20", Tenant: "contoso", By: "ana"}))
	other, err := psacontacts.New(bare{r.desk}, mapped, "other", nil)
	require.NoError(t, err)
	for _, c := range []contacts.Cursor{run.Next, page.Next} {
		_, err = other.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso", Cursor: c})
		require.ErrorIs(t, err, contacts.ErrCursor, "of another system")
		_, err = r.FetchContacts(t.Context(), contacts.Query{Tenant: "fabrikam", Cursor: c})
		require.ErrorIs(t, err, contacts.ErrCursor, "of another tenant")
	}
	raw, err := base64.RawURLEncoding.DecodeString(string(page.Next))
	require.NoError(t, err)
	require.NotContains(t, string(raw), "contoso")
}

// bare is a lister and nothing else.
type bare struct{ psa.ContactLister }

func TestNew(t *testing.T) {
	t.Parallel()
	d, m := newDesk(), psa.NewMemory()
	for name, tc := range map[string]struct {
		lister psa.ContactLister
		store  psa.MappingStore
		system string
		o      *psacontacts.Options
		says   []string
	}{
		"good":          {d, m, "desk", nil, nil},
		"good, bare":    {bare{d}, m, "homegrown", &psacontacts.Options{Region: "AT"}, nil},
		"nothing":       {nil, nil, "", nil, []string{"lister", "name of the ticket system"}},
		"wrong system":  {d, m, "connectwise", nil, []string{`"desk"`, `"connectwise"`}},
		"a bad system":  {bare{d}, m, "a\nb", nil, []string{"name of the ticket system"}},
		"a bad region":  {d, m, "desk", &psacontacts.Options{Region: "us"}, []string{"Region"}},
		"everything":    {nil, m, " ", &psacontacts.Options{Region: "Austria"}, []string{"lister", "Region", "ticket system"}},
		"another store": {d, nil, "desk", nil, []string{"store"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := psacontacts.New(tc.lister, tc.store, tc.system, tc.o)
			if tc.says == nil {
				require.NoError(t, err)
				require.NotNil(t, s)
				return
			}
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			for _, w := range tc.says {
				require.ErrorContains(t, err, w)
			}
		})
	}
}

func TestStoreFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	s, err := psacontacts.New(newDesk(), failing{err: broken}, "desk", nil)
	require.NoError(t, err)
	_, err = s.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso"})
	require.ErrorIs(t, err, broken)
	_, err = s.FindByEmail(t.Context(), "contoso", "dana@contoso.example")
	require.ErrorIs(t, err, broken)
}

type failing struct {
	store
	err error
}

func (f failing) Mappings(context.Context, string) ([]psa.Mapping, error) { return nil, f.err }
