package outbox

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

func TestWhatIsStoredHoldsNeitherTextNorKeyNorMarker(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, Options{}, func(d *desk) psa.TicketNoter { d.limit = 200; return limited{d} })
	n := secretNote()
	n.Text = strings.Repeat(secretText+" ", 20)
	id := w.add(ref, n)
	e, err := w.store.Get(t.Context(), ref.Tenant, id)
	require.NoError(t, err)
	p, err := w.box.secrets.open(e)
	require.NoError(t, err)
	require.Greater(t, len(p.Markers), 5)
	w.desk.script(answer{written: true}, answer{written: true, err: ambiguous})
	for range 3 {
		var b strings.Builder
		fmt.Fprintf(&b, "%+v %+v", w.store.keys, w.store.events)
		for _, e := range w.store.entries {
			fmt.Fprintf(&b, "%+v %q %q", *e, e.Sealed, e.Key)
		}
		dump := b.String()
		requireNoSecret(t, dump)
		for _, m := range p.Markers {
			require.NotContains(t, dump, m[len(markerPrefix):len(m)-1])
		}
		w.clock.to(w.drain(ref))
	}
}

func TestMarkersDifferByTenantNoteAndPartAndSayNothing(t *testing.T) {
	t.Parallel()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	s, err := newSecrets(ring)
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, tenant := range []mspkit.TenantID{"contoso", "fabrikam"} {
		for _, id := range []string{"a", "b"} {
			for part := range 3 {
				m := marker(s.marker, tenant, id, part)
				require.False(t, seen[m])
				seen[m] = true
				require.Len(t, m, markerLen-1)
				require.Equal(t, m, marker(s.marker, tenant, id, part))
			}
		}
	}
	other, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	so, err := newSecrets(other)
	require.NoError(t, err)
	require.False(t, seen[marker(so.marker, "contoso", "a", 0)], "nobody makes one without the key")
}

func TestALongNoteBecomesPartsWithinTheLimit(t *testing.T) {
	t.Parallel()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	s, err := newSecrets(ring)
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		n := psa.Note{
			Title: rapid.StringMatching(`[a-zü ]{0,120}`).Draw(t, "title"),
			Text:  strings.Join(rapid.SliceOfN(rapid.StringMatching(`[a-zäöü]{1,90}[ .\n]{1,3}`), 1, 200).Draw(t, "text"), ""),
		}
		limit := rapid.IntRange(leastPart+markerLen, 3000).Draw(t, "limit")
		p, err := s.plan("contoso", "id", n, limit)
		require.NoError(t, err)
		var all strings.Builder
		for i := range p.Markers {
			part := p.note(i, "id")
			require.LessOrEqual(t, len(part.Title)+len(part.Text), limit)
			require.True(t, utf8.ValidString(part.Text))
			require.True(t, endsWith(part.Text, p.Markers[i]))
			for j := range p.Markers {
				require.Equal(t, i == j, endsWith(part.Text, p.Markers[j]))
			}
			body := bare(part.Text)
			if len(p.Markers) > 1 {
				body = strings.TrimSuffix(body, fmt.Sprintf("(%d/%d)", i+1, len(p.Markers)))
				require.Equal(t, fmt.Sprintf("id/%d", i+1), part.Key)
			}
			all.WriteString(body)
		}
		squeeze := func(s string) string { return strings.Join(strings.Fields(s), "") }
		want := n.Text
		if p.Bare {
			want = n.Title + n.Text
		}
		require.Equal(t, squeeze(want), squeeze(all.String()), "nothing is cut")
	})
}

func TestALimitTooSmallToSplitForIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, Options{}, func(d *desk) psa.TicketNoter { d.limit = 80; return limited{d} })
	w.add(ref, psa.Note{Text: "short"})
	_, err := w.box.AddNote(t.Context(), ref, psa.Note{Text: strings.Repeat("SECRET ", 100)})
	require.ErrorIs(t, err, psa.ErrTooLong)
	requireNoSecret(t, err.Error())
	w.desk.limit = 100
	_, err = w.box.AddNote(t.Context(), ref, psa.Note{Text: strings.Repeat("SECRET ", 20_000)})
	require.ErrorIs(t, err, psa.ErrTooLong, "a thousand notes are no note")
	w.desk.limit = 0
	w.add(ref, psa.Note{Text: strings.Repeat("long ", 20_000)})
}

func TestASplitNoteGoesOnAtThePartThatIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, Options{}, func(d *desk) psa.TicketNoter { d.limit = 300; return limited{d} })
	var text strings.Builder
	for i := range 50 {
		fmt.Fprintf(&text, "Sentence number %d. ", i)
	}
	w.desk.script(
		answer{written: true}, answer{written: true, err: ambiguous}, // the second is found
		answer{err: ambiguous}, answer{err: fault(psa.ErrForbidden)}, answer{err: fault(psa.ErrValidation)}, // the third is refused
	)
	id := w.add(ref, psa.Note{Title: "Transcript", Text: text.String(), Key: "e1"})
	w.add(ref, psa.Note{Text: "next"})
	parts := w.get(id).Parts
	require.Greater(t, parts, 3)
	w.desk.mu.Lock()
	w.desk.limit = 100 // it was settled before
	w.desk.mu.Unlock()
	w.finish(ref)
	e := w.get(id)
	require.Equal(t, Dead, e.State)
	require.Equal(t, 2, e.Done)
	require.Len(t, e.NoteIDs, 2)
	require.NoError(t, w.box.Replay(t.Context(), ref.Tenant, id, "jane"))
	w.finish(ref)
	e = w.get(id)
	require.Equal(t, Delivered, e.State)
	require.Len(t, e.NoteIDs, parts)
	got := w.desk.texts(ref)
	require.Len(t, got, parts+1)
	require.Equal(t, "next", bare(got[2]))
	for i, s := range append(got[:2:2], got[3:]...) {
		require.Contains(t, s, fmt.Sprintf("(%d/%d)\n[ref ", i+1, parts))
		require.LessOrEqual(t, len("Transcript")+len(s), 300)
	}
	require.Equal(t, "e1/1", w.desk.tried[0].Key)
	require.Equal(t, "Transcript", w.desk.tried[2].Title)
}

func TestIdsSortByTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	last := ""
	for i := range 100 {
		id := newID(now.Add(time.Duration(i) * time.Millisecond))
		require.Len(t, id, 26)
		require.Greater(t, id, last)
		last = id
	}
	require.NotEqual(t, newID(now), newID(now))
}

func FuzzEndsWith(f *testing.F) {
	const m = "[ref k3v9-x2m7-q8dt-w4hj]"
	for _, s := range []string{"", m, "x\n" + m + " \n", "x\n" + m + "\n(1/3)", m + "(1/", m + "()", m + "(1/3) thanks", "(((1/2)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if endsWith(s, m) {
			rest := strings.Trim(trimEnd(s[strings.LastIndex(s, m)+len(m):]), "0123456789(/)")
			if trimEnd(rest) != "" {
				t.Fatalf("found where it is not the end: %q", s)
			}
		}
		if !endsWith(s+m, m) || !endsWith(s+m+"\n(2/3)\n", m) || endsWith(s+m+"x", m) {
			t.Fatalf("%q", s)
		}
	})
}
