package stores_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/memstore"
)

// twins are a directory in memory and instances of one in a database, which get the same and have to say the same.
type twins struct {
	t      *testing.T
	r      *rand.Rand
	memory contacts.Directory
	stores []contacts.Directory
	now    time.Time
}

// both asks both sides, the database by any of its instances. Errors have to be of the same kind.
func both[T any](w *twins, what string, f func(contacts.Directory) (T, error)) (T, error) {
	w.t.Helper()
	want, wantErr := f(w.memory)
	got, err := f(w.stores[w.r.IntN(len(w.stores))])
	for _, kind := range []error{
		contacts.ErrNotFound, contacts.ErrStale, contacts.ErrMassLeave, contacts.ErrConflict, contacts.ErrSource, mspkit.ErrInvalid, nil,
	} {
		if errors.Is(wantErr, kind) {
			require.ErrorIs(w.t, err, kind, what)
			if kind == nil {
				require.NoError(w.t, err, what)
			}
			break
		}
	}
	require.Equal(w.t, wantErr == nil, err == nil, "%s: %v, in memory %v", what, err, wantErr)
	require.Equal(w.t, fmt.Sprintf("%+v", want), fmt.Sprintf("%+v", got), what)
	return want, wantErr
}

func pickOf[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

var modelSources = []string{"connectwise", "entra", "other"}

// contact makes a contact of a small world, so that addresses, names and ids meet again and again.
func (w *twins) contact(tenant mspkit.TenantID, source string) contacts.Contact {
	r := w.r
	first, last := pickOf(r, "Dana", "Zoë", "Ann", "Émile", "O'Neil"), pickOf(r, "Doe", "Müller", "Smith", "O\"Hara\\", "")
	c := contacts.Contact{
		Tenant: tenant, ID: fmt.Sprint(source[:1], r.IntN(12)), FirstName: first, LastName: last, Name: first + " " + last,
		Company: pickOf(r, "", "Contoso", "Größe AG"), JobTitle: pickOf(r, "", "Boss"), Enabled: r.IntN(6) > 0, Locale: pickOf(r, "", "de-AT"),
		Manager: pickOf(r, "", "", fmt.Sprint(source[:1], r.IntN(12))), Photo: pickOf(r, "", "v1", "v2"),
	}
	if r.IntN(4) == 0 {
		c.Name, c.FirstName, c.LastName = last+", "+first, "", ""
	}
	for range r.IntN(3) {
		c.Emails = append(c.Emails, contacts.Address{Value: fmt.Sprintf("p%d@contoso.example", r.IntN(14))})
	}
	for range r.IntN(3) {
		a := contacts.Address{Value: fmt.Sprintf("+1202555%04d", r.IntN(9)), TypedBy: pickOf(r, "", "", "jane")}
		a.Raw = pickOf(r, a.Value, "ext. 9 \x00\xff", "")
		if r.IntN(5) == 0 {
			a.Value = ""
		}
		c.Phones = append(c.Phones, a)
	}
	if r.IntN(8) == 0 {
		c.Sources = map[string]string{pickOf(r, modelSources...): fmt.Sprint("e", r.IntN(12))}
	}
	return c
}

// page stores a page, of a run that is going on or of another one.
func (w *twins) page(ctx context.Context, tenant mspkit.TenantID, source string) {
	r := w.r
	at, err := both(w, "checkpoint", func(d contacts.Directory) (contacts.Checkpoint, error) { return d.Checkpoint(ctx, tenant, source) })
	require.NoError(w.t, err)
	b := contacts.Batch{At: at, Now: w.now, DueAt: w.now.Add(time.Hour), Known: pickOf(r, 0, 30*24*time.Hour), MaxLeft: pickOf(r, 0, 0, 0.5)}
	b.Page.Whole = at.Running && at.Whole || !at.Running && r.IntN(2) == 0
	b.Page.More = r.IntN(3) == 0
	b.Page.Next = contacts.Cursor(pickOf(r, "n\x00ext", "\xff", "more"))
	for range r.IntN(9) {
		b.Page.Contacts = append(b.Page.Contacts, w.contact(tenant, source))
	}
	for range r.IntN(3) {
		b.Page.Removed = append(b.Page.Removed, fmt.Sprint(source[:1], r.IntN(12)))
	}
	if r.IntN(20) == 0 {
		b.At.Rev++ // of somebody who was too slow, or too fast
	}
	if r.IntN(4) == 0 {
		b.DryRun = true
		_, _ = both(w, "dry run", func(d contacts.Directory) (contacts.Applied, error) { return d.Apply(ctx, b) })
		b.DryRun = false
	}
	_, _ = both(w, "apply", func(d contacts.Directory) (contacts.Applied, error) { return d.Apply(ctx, b) })
}

func nothing(err error) (struct{}, error) { return struct{}{}, err }

// step does one thing to both sides.
func (w *twins) step(ctx context.Context, tenant mspkit.TenantID) {
	r, source := w.r, pickOf(w.r, modelSources...)
	w.now = w.now.Add(time.Duration(r.IntN(100_000)) * 1001 * time.Microsecond)
	id := fmt.Sprint(source[:1], r.IntN(12))
	person := func() string {
		from := pickOf(r, modelSources...)
		c, _ := w.memory.BySource(ctx, tenant, from, fmt.Sprint(from[:1], r.IntN(12)))
		return c.ID
	}
	switch r.IntN(14) {
	case 0:
		keep, other := person(), person()
		_, _ = both(w, "link", func(d contacts.Directory) (struct{}, error) {
			return nothing(d.Link(ctx, tenant, keep, other, "jane", w.now))
		})
	case 1:
		_, _ = both(w, "separate", func(d contacts.Directory) (string, error) { return d.Separate(ctx, tenant, source, id, "jane", w.now) })
	case 2:
		c, _ := w.memory.BySource(ctx, tenant, source, id)
		mobile := fmt.Sprintf("+1202555%04d", r.IntN(9))
		pw := contacts.PhoneWrite{Tenant: tenant, ID: c.ID, Source: source, SourceID: id, Mobile: &mobile, By: "jane", Reason: "a new number"}
		_, _ = both(w, "wrote", func(d contacts.Directory) (struct{}, error) { return nothing(d.Wrote(ctx, pw, w.now)) })
	case 3:
		p, contact := contacts.Photo{Version: pickOf(r, "", "v1", "v2"), CheckedAt: w.now}, person()
		if r.IntN(2) == 0 {
			p.Type, p.Data = "image/png", []byte("\x89PNG\r\n\x1a\n\x00\xff"+p.Version)
		}
		_, _ = both(w, "set photo", func(d contacts.Directory) (struct{}, error) {
			return nothing(d.SetPhotos(ctx, tenant, map[string]contacts.Photo{contact: p}))
		})
	case 4:
		c, _ := w.memory.Checkpoint(ctx, tenant, source)
		c.DueAt, c.Failures, c.Failure, c.FailedAt = w.now, r.IntN(3), "it failed\x00", w.now
		_, _ = both(w, "set checkpoint", func(d contacts.Directory) (contacts.Checkpoint, error) { return d.SetCheckpoint(ctx, c) })
	case 5:
		consumer, seq := pickOf(r, "mail", "audit"), int64(r.IntN(40))
		_, _ = both(w, "handled", func(d contacts.Directory) (struct{}, error) { return nothing(d.Handled(ctx, consumer, tenant, seq)) })
	case 6:
		if r.IntN(4) == 0 {
			_, _ = both(w, "forget", func(d contacts.Directory) (contacts.Applied, error) { return d.Forget(ctx, tenant, source, w.now) })
		}
	default:
		w.page(ctx, tenant, source)
	}
}

// compare asks both sides everything.
func (w *twins) compare(ctx context.Context, tenants ...mspkit.TenantID) {
	w.t.Helper()
	type list = []contacts.Contact
	for _, tenant := range tenants {
		for _, source := range modelSources {
			for i := range 12 {
				id := fmt.Sprint(source[:1], i)
				c, err := both(w, "by source", func(d contacts.Directory) (contacts.Contact, error) { return d.BySource(ctx, tenant, source, id) })
				if err != nil {
					continue
				}
				_, _ = both(w, "get", func(d contacts.Directory) (contacts.Contact, error) { return d.Get(ctx, tenant, c.ID) })
				_, _ = both(w, "history", func(d contacts.Directory) ([]contacts.Event, error) { return d.History(ctx, tenant, c.ID, 5) })
				_, _ = both(w, "photo", func(d contacts.Directory) (contacts.Photo, error) { return d.Photo(ctx, tenant, c.ID) })
			}
			_, _ = both(w, "photos due", func(d contacts.Directory) ([]contacts.PhotoDue, error) {
				return d.PhotosDue(ctx, tenant, source, w.now.Add(-time.Hour), 5)
			})
		}
		searches := []contacts.Search{
			{Name: "a"},
			{Name: "DOE"},
			{Name: "zoe m"},
			{Name: "mü"},
			{Name: "émile", Limit: 1},
			{Name: "o\"h"},
			{Company: "GRÖ"},
			{Company: "cont", Limit: 3},
		}
		for i := range 14 {
			searches = append(searches, contacts.Search{Email: fmt.Sprintf("P%d@contoso.example", i)}, contacts.Search{Phone: fmt.Sprintf("+1202555%04d", i)})
		}
		for _, s := range searches {
			s.Tenant = tenant
			for _, s.Left = range []bool{false, true} {
				_, _ = both(w, fmt.Sprintf("find %+v", s), func(d contacts.Directory) (list, error) { return d.Find(ctx, s) })
			}
		}
		for after := int64(0); ; {
			page, err := both(w, "events", func(d contacts.Directory) ([]contacts.Event, error) { return d.Events(ctx, tenant, after, 7) })
			require.NoError(w.t, err)
			if len(page) == 0 {
				break
			}
			require.Equal(w.t, after+1, page[0].Seq)
			after = page[len(page)-1].Seq
		}
		_, _ = both(w, "conflicts", func(d contacts.Directory) ([]contacts.Conflict, error) { return d.Conflicts(ctx, tenant) })
		_, _ = both(w, "checkpoints", func(d contacts.Directory) ([]contacts.Checkpoint, error) { return d.Checkpoints(ctx, tenant) })
	}
	for i := range 9 {
		_, _ = both(w, "find caller", func(d contacts.Directory) (list, error) { return d.FindCaller(ctx, fmt.Sprintf("+1202555%04d", i), 3) })
	}
	for _, limit := range []int{1, 3, 10, 1000} {
		for _, consumer := range []string{"mail", "audit", "late"} {
			_, _ = both(w, "unhandled", func(d contacts.Directory) ([]contacts.Event, error) { return d.Unhandled(ctx, consumer, limit) })
		}
		_, _ = both(w, "due", func(d contacts.Directory) ([]contacts.Checkpoint, error) { return d.Due(ctx, w.now, limit) })
	}
	_, _ = both(w, "checkpoints", func(d contacts.Directory) ([]contacts.Checkpoint, error) { return d.Checkpoints(ctx, "") })
}

// Whatever happens, two instances of a directory in a database say what the one in memory says.
func TestDirectoriesInDatabasesSayWhatTheOneInMemorySays(t *testing.T) {
	t.Parallel()
	seeds := uint64(3)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			eachDirectoryDatabase(t, func(t *testing.T, d database) {
				t.Helper()
				memory, err := memstore.New(&memstore.Options{Precedence: believed})
				require.NoError(t, err)
				w := &twins{
					t: t, r: rand.New(rand.NewPCG(seed, 7)), memory: memory, now: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC),
					stores: []contacts.Directory{openDirectory(t, d, believed), openDirectory(t, d, believed)},
				}
				kinds := map[contacts.EventKind]int{}
				for i := range 160 {
					w.step(t.Context(), pickOf(w.r, mspkit.TenantID("contoso"), "fabrikam"))
					if i%80 == 79 {
						w.compare(t.Context(), "contoso", "fabrikam", "nobody")
					}
				}
				all, err := memory.Events(t.Context(), "contoso", 0, 1000)
				require.NoError(t, err)
				for _, e := range all {
					kinds[e.Kind]++
				}
				held, err := memory.Conflicts(t.Context(), "contoso")
				require.NoError(t, err)
				t.Logf("%v, %d conflicts", kinds, len(held))
				require.Len(t, kinds, 5, "something of everything happened")
				require.NotEmpty(t, held)
			})
		})
	}
}
