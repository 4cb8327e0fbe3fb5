package securesend_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
)

func TestStatusTellsOpenedRefusedRevealedAndAcknowledgedApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.text("x")
	r.Files = w.files("content", "")
	sent := w.create(r)
	dana := w.reader(sent)
	at := func() securesend.Status {
		t.Helper()
		w.pass(time.Second)
		st, err := w.Status(t.Context(), sent.Ref, "jane")
		require.NoError(t, err)
		return st
	}
	created := w.clock
	st := at()
	require.Equal(t, securesend.StateReady, st.State)
	require.Equal(t, securesend.KindSend, st.Kind)
	require.Equal(t, created, st.CreatedAt)
	require.Equal(t, created, st.ReadyAt)
	require.Equal(t, 2, st.Files)
	require.Empty(t, st.Unfetched)
	require.Equal(t, "dana", st.Subject)
	require.Equal(t, ticket, st.Ticket)
	require.Equal(t, securesend.RegionEurope, st.Region)
	require.Equal(t, sent.Number.Reveal(), st.Number.Reveal())
	require.Zero(t, st.OpenedAt)

	opened := w.clock
	dana.open()
	st = at()
	require.Equal(t, opened, st.OpenedAt)
	require.Zero(t, st.Refusals)
	require.Zero(t, st.RevealedAt)

	dana.take.Number = wrong(sent.Number.Reveal())
	_, err := dana.takes()
	require.ErrorIs(t, err, securesend.ErrNumber)
	st = at()
	require.Equal(t, 1, st.Refusals)
	require.Equal(t, 1, st.TriesLeft)
	require.Zero(t, st.RevealedAt)

	dana.take.Number = sent.Number.Reveal()
	revealed := w.clock
	_, err = dana.takes()
	require.NoError(t, err)
	_, err = dana.chunks(0, 0, 1)
	require.NoError(t, err)
	st = at()
	require.Equal(t, securesend.StateOpening, st.State)
	require.Equal(t, revealed, st.RevealedAt)
	require.Zero(t, st.AcknowledgedAt)
	require.Equal(t, []int{2}, st.Unfetched)
	require.Equal(t, 1, st.Views)

	acked := w.clock
	require.NoError(t, dana.acks())
	st = at()
	require.Equal(t, securesend.StateAcknowledged, st.State)
	require.Equal(t, acked, st.AcknowledgedAt)
	require.Equal(t, acked, st.EndedAt)
	require.Empty(t, st.Number.Reveal(), "it says nothing any more")
	require.False(t, st.Locked)
	require.Equal(t, []int{2}, w.lastEvent().Files)
	v, err := w.View(t.Context(), sent.Ref)
	require.NoError(t, err)
	require.Equal(t, securesend.StateAcknowledged, v.State)
	require.Empty(t, v.Technician)
	require.Equal(t, acked, dana.open().EndedAt)
}

func TestTheNumberIsForWhoSentIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sent := w.create(w.text("x"))
	st, err := w.Status(t.Context(), sent.Ref, "sam")
	require.NoError(t, err)
	require.Empty(t, st.Number.Reveal())
	w.authorized = func(technician string, p securesend.Permission) error {
		if technician == "boss" && p == securesend.PermissionSeeNumber {
			return nil
		}
		return errors.New("no")
	}
	st, err = w.Status(t.Context(), sent.Ref, "boss")
	require.NoError(t, err)
	require.Equal(t, sent.Number.Reveal(), st.Number.Reveal())
	st, err = w.Status(t.Context(), sent.Ref, "sam")
	require.NoError(t, err)
	require.Empty(t, st.Number.Reveal())
	_, err = w.Status(t.Context(), sent.Ref, "")
	require.ErrorIs(t, err, securesend.ErrInvalid)
	_, err = w.Status(t.Context(), securesend.Ref{Tenant: "fabrikam", ID: sent.Ref.ID}, "jane")
	require.ErrorIs(t, err, securesend.ErrNotFound)
	none := w.instance(func(o *securesend.Options) { o.Authorize = nil })
	st, err = none.Status(t.Context(), sent.Ref, "boss")
	require.NoError(t, err)
	require.Empty(t, st.Number.Reveal())
}

func TestListSelects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var made []securesend.Ref
	for _, by := range []string{"jane", "sam", "jane"} {
		r := w.text("x")
		r.By.ID = by
		made = append(made, w.create(r).Ref)
		w.pass(time.Second)
	}
	asked, err := w.Ask(t.Context(), w.text(""), "what?")
	require.NoError(t, err)
	other := w.text("x")
	other.Tenant, other.Subject, other.Ticket = "fabrikam", "eve", mspkit.Ticket{ID: "1"}
	theirs := w.create(other).Ref
	refs := func(q securesend.Query) []securesend.Ref {
		t.Helper()
		list, err := w.List(t.Context(), q)
		require.NoError(t, err)
		var out []securesend.Ref
		for _, st := range list {
			require.Empty(t, st.Number.Reveal(), "numbers are not listed")
			out = append(out, st.Ref)
		}
		return out
	}
	require.Equal(t, []securesend.Ref{asked.Ref, made[2], made[1], made[0]}, refs(securesend.Query{Tenant: contoso}))
	require.Equal(t, []securesend.Ref{made[1]}, refs(securesend.Query{Tenant: contoso, Sender: "sam"}))
	require.Equal(t, []securesend.Ref{asked.Ref}, refs(securesend.Query{Tenant: contoso, Kind: securesend.KindRequest}))
	require.Equal(t, []securesend.Ref{theirs}, refs(securesend.Query{Tenant: "fabrikam", Subject: "eve", Ticket: mspkit.Ticket{ID: "1"}}))
	require.Len(t, refs(securesend.Query{Tenant: contoso, Limit: 2}), 2)
	_, err = w.List(t.Context(), securesend.Query{})
	require.ErrorIs(t, err, securesend.ErrInvalid)
}

func TestRevokeIsForWhoSentIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sent := w.create(w.text("x"))
	require.ErrorIs(t, w.Revoke(t.Context(), sent.Ref, "sam"), securesend.ErrForbidden)
	require.ErrorIs(t, w.Revoke(t.Context(), sent.Ref, ""), securesend.ErrInvalid)
	require.Equal(t, securesend.StateReady, w.stored(sent.Ref).State)
	w.authorized = func(technician string, p securesend.Permission) error {
		require.Equal(t, securesend.PermissionRevokeOther, p)
		return nil
	}
	require.NoError(t, w.Revoke(t.Context(), sent.Ref, "sam"))
	require.ErrorIs(t, w.Revoke(t.Context(), sent.Ref, "sam"), securesend.ErrEnded)
	_, err := w.reader(sent).takes()
	require.ErrorIs(t, err, securesend.ErrEnded)
	require.Equal(t, []securesend.EventKind{"created", "revoked"}, w.kinds())
	require.Equal(t, "sam", w.lastEvent().By)
}

func TestKeysAreRotatedWithoutTouchingWhatWasSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	make3 := func() []securesend.Sent {
		var out []securesend.Sent
		for range 3 {
			r := w.text("hunter2")
			r.Choice.Gate = securesend.GateNone
			r.Files = w.files("content")
			out = append(out, w.create(r))
		}
		return out
	}
	sents := make3()
	numbered := w.create(w.text("with a number"))
	asked, err := w.Ask(t.Context(), w.text(""), "what?")
	require.NoError(t, err)
	readers := []*reader{w.reader(sents[0]), w.reader(sents[1]), w.reader(sents[2])}
	n, err := w.Rewrap(t.Context(), 100)
	require.NoError(t, err)
	require.Zero(t, n, "everything is under the primary key")

	older := w.ring
	newer := mspkit.NewKey("k2")
	w.ring, err = mspkit.NewKeyRing(newer, w.key)
	require.NoError(t, err)
	w.Service = w.instance(nil)
	before := w.stored(sents[0].Ref)
	parts := blobsOf(w, sents[0].Ref)
	total := 0
	for {
		n, err := w.Rewrap(t.Context(), 2)
		require.NoError(t, err)
		require.LessOrEqual(t, n, 2)
		if n == 0 {
			break
		}
		total += n
	}
	require.Equal(t, 5, total)
	after := w.stored(sents[0].Ref)
	require.Equal(t, "k2", after.HalfKey)
	require.NotEqual(t, before.Sealed, after.Sealed)
	require.Equal(t, before.Version+1, after.Version)
	require.Equal(t, parts, blobsOf(w, sents[0].Ref), "no payload was touched")

	// Links and numbers of the old key are good while the ring has it.
	text, _ := w.reader(numbered).reads()
	require.Equal(t, "with a number", text)
	readers[0].svc = w.Service
	text, files := readers[0].reads()
	require.Equal(t, "hunter2", text)
	require.Equal(t, []string{"content"}, files)
	a, err := w.Asked(t.Context(), asked.Ref)
	require.NoError(t, err)
	require.Len(t, a.Key, securesend.PointSize)

	// What was wrapped again needs the old key no more: nothing else is sealed under it.
	w.ring, err = mspkit.NewKeyRing(newer)
	require.NoError(t, err)
	readers[1].svc = w.instance(nil)
	got, err := readers[1].takes()
	require.NoError(t, err)
	_, _, m := readers[1].opens(got)
	require.Equal(t, "hunter2", m.Text)
	link, err := securesend.ParseLink(sents[1].Link.Reveal())
	require.NoError(t, err)
	_, err = readers[1].svc.ParseToken(link.Token.Reveal())
	require.ErrorIs(t, err, securesend.ErrNotFound, "but its link does")

	// And what was not is lost to a ring without its key, with an error that says so.
	w.ring = older
	w.Service = w.instance(nil)
	r := w.text("x")
	r.Choice.Gate = securesend.GateNone
	lost := w.reader(w.create(r))
	w.ring, err = mspkit.NewKeyRing(newer)
	require.NoError(t, err)
	lost.svc = w.instance(nil)
	_, err = lost.takes()
	require.ErrorIs(t, err, mspkit.ErrUnknownKey)
	_, err = lost.svc.Rewrap(t.Context(), 100)
	require.ErrorIs(t, err, mspkit.ErrUnknownKey)
	lost.svc = w.Service
	_, err = lost.takes()
	require.NoError(t, err, "an instance that has it gives it to the same claim")
}

// blobsOf returns the parts of the first file as they are stored.
func blobsOf(w *world, ref securesend.Ref) []byte {
	w.t.Helper()
	c, err := w.eu.Open(w.t.Context(), securesend.Part{Ref: ref}, 0, 23)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, c.Close()) }()
	b := make([]byte, 23)
	_, err = c.Read(b)
	require.NoError(w.t, err)
	return b
}
