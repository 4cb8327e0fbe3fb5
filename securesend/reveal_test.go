package securesend_test

import (
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
)

// mebibytes returns n MiB of text.
func mebibytes(n int) string { return strings.Repeat("0123456789abcdef", n<<16) }

func TestALeaseIsOfOneClaimAndEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sent := w.create(w.text("hunter2"))
	dana := w.reader(sent)
	dana.take.Claim = nil
	_, err := dana.takes()
	require.ErrorIs(t, err, securesend.ErrInvalid)
	require.ErrorContains(t, err, "claim")
	dana.take.Claim = securesend.RandomKey()
	got, err := dana.takes()
	require.NoError(t, err)
	require.Equal(t, w.clock.Add(time.Minute), got.LeaseUntil)
	require.Zero(t, got.ViewsLeft)
	dana.take.Number = "" // the page that was loaded again need not ask for it
	w.pass(59 * time.Second)
	got, err = dana.takes()
	require.NoError(t, err)
	require.Equal(t, w.clock.Add(time.Minute), got.LeaseUntil)
	require.Equal(t, securesend.StateOpening, dana.open().State, "everybody else is told")
	w.pass(time.Minute)
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrEnded)
	w.kinds()
	require.Equal(t, securesend.StateOpening, w.stored(sent.Ref).State, "sweeps wait: clocks differ")
	w.pass(2 * time.Minute)
	require.Equal(t, []securesend.EventKind{"lapsed"}, w.kinds())
	st, err := w.Status(t.Context(), sent.Ref, "jane")
	require.NoError(t, err)
	require.Equal(t, securesend.StateLapsed, st.State)
}

func TestALeaseEndsWithTheSend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.text("x")
	r.Choice.TTL = time.Hour
	sent := w.create(r)
	dana := w.reader(sent)
	w.pass(time.Hour - 30*time.Second)
	got, err := dana.takes()
	require.NoError(t, err)
	require.Equal(t, sent.ExpiresAt, got.LeaseUntil)
	require.Equal(t, sent.ExpiresAt, got.ExpiresAt)
	w.pass(30 * time.Second)
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrEnded)

	sent = w.create(r)
	w.pass(time.Hour)
	dana = w.reader(sent)
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrEnded, "where nothing runs, too")
	require.Equal(t, securesend.StateExpired, dana.open().State)
	w.pass(securesend.LeaseMargin)
	require.ElementsMatch(t, []securesend.EventKind{"created", "revealed", "created", "lapsed", "expired"}, w.kinds())
}

func TestViewsAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.text("hunter2")
	r.Choice.Views, r.Choice.AfterView = 3, 2*time.Hour
	sent := w.create(r)
	dana := w.reader(sent)
	o := dana.open()
	require.True(t, o.OpenedBefore.IsZero())
	require.Equal(t, 3, o.ViewsLeft)
	first := w.clock
	got, err := dana.takes()
	require.NoError(t, err)
	require.Equal(t, 2, got.ViewsLeft)
	require.Equal(t, first.Add(2*time.Hour), got.ExpiresAt, "shorter after the first view")
	require.NoError(t, dana.acks())

	w.pass(time.Hour)
	sam := dana.another()
	o = sam.open()
	require.Equal(t, first, o.OpenedBefore, "opened before you")
	require.Equal(t, securesend.StateReady, o.State)
	require.Equal(t, 2, o.ViewsLeft)
	sam.take.Number = ""
	_, err = sam.takes()
	require.ErrorIs(t, err, securesend.ErrNumber, "each view needs the number")
	sam.take.Number = sent.Number.Reveal()
	_, err = sam.takes()
	require.NoError(t, err)
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrOpening)

	w.pass(3 * time.Minute) // nobody acknowledges
	w.kinds()
	require.Equal(t, securesend.StateReady, w.stored(sent.Ref).State)
	got, err = dana.takes()
	require.NoError(t, err)
	require.Zero(t, got.ViewsLeft)
	require.NoError(t, dana.acks())
	_, err = sam.takes()
	require.ErrorIs(t, err, securesend.ErrEnded)

	sent = w.create(r)
	dana = w.reader(sent)
	_, _ = dana.reads()
	require.NoError(t, dana.acks())
	w.pass(2 * time.Hour)
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrEnded)
}

func TestChunksAreForTheClaimAndExtendTheLease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.text("")
	r.Files = w.files(mebibytes(20)+"x", "y")
	sent := w.create(r)
	dana := w.reader(sent)
	_, err := dana.chunks(0, 0, 1)
	require.ErrorIs(t, err, securesend.ErrOpening, "nothing before Take")
	_, err = dana.takes()
	require.NoError(t, err)
	for _, c := range [][3]int64{{0, 0, 0}, {0, 1, 0}, {0, -1, 1}, {0, 0, 17}, {0, 20, 22}, {0, 21, 22}, {2, 0, 1}, {-1, 0, 1}, {0, 0, 1 << 62}} {
		_, err := dana.chunks(int(c[0]), c[1], c[2])
		require.ErrorIs(t, err, securesend.ErrInvalid, c)
	}
	before := w.stored(sent.Ref)
	_, err = dana.another().chunks(0, 0, 1)
	require.ErrorIs(t, err, securesend.ErrOpening)
	require.Equal(t, before, w.stored(sent.Ref))

	w.pass(50 * time.Second)
	for _, c := range []struct {
		from, to int64
		size     int
	}{
		{0, 1, 1<<20 + 16}, {0, 16, 16 * (1<<20 + 16)}, {7, 9, 2 * (1<<20 + 16)}, {15, 17, 2 * (1<<20 + 16)}, {16, 21, 4*(1<<20+16) + 17}, {20, 21, 17},
	} {
		got, err := dana.chunks(0, c.from, c.to)
		require.NoError(t, err)
		require.Len(t, got, c.size)
	}
	require.Equal(t, w.clock.Add(time.Minute), w.stored(sent.Ref).LeaseUntil)
	w.pass(50 * time.Second)
	_, err = dana.takes()
	require.NoError(t, err, "the chunks have extended the lease")
	w.pass(50 * time.Second)
	begun, err := w.Chunks(t.Context(), sent.Ref, securesend.ChunkRequest{Auth: dana.take.Auth, Claim: dana.take.Claim, File: 0, From: 0, To: 1})
	require.NoError(t, err)
	require.NoError(t, begun.Close())
	require.Equal(t, w.clock.Add(time.Minute), w.stored(sent.Ref).LeaseUntil, "even one that was asked for and not read")
	st, err := w.Status(t.Context(), sent.Ref, "jane")
	require.NoError(t, err)
	require.Equal(t, []int{2}, st.Unfetched)

	// A reader who is slow extends it while reading.
	c, err := w.Chunks(t.Context(), sent.Ref, securesend.ChunkRequest{Auth: dana.take.Auth, Claim: dana.take.Claim, File: 0, From: 0, To: 16})
	require.NoError(t, err)
	require.Equal(t, int64(16*(1<<20+16)), c.Size)
	buf := make([]byte, 1<<20)
	for range 16 {
		w.pass(20 * time.Second)
		_, err := io.ReadFull(c, buf)
		require.NoError(t, err)
	}
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())

	w.pass(3 * time.Minute)
	w.kinds()
	e := w.lastEvent()
	require.Equal(t, securesend.EventLapsed, e.Kind)
	require.Equal(t, []int{2}, e.Files, "what was not fetched is named")
	_, err = dana.chunks(0, 0, 1)
	require.ErrorIs(t, err, securesend.ErrEnded)
}

func TestAFileIsFetchedOnceAllOfItWasRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.text("")
	r.Files = w.files(mebibytes(2), "")
	sent := w.create(r)
	dana := w.reader(sent)
	_, err := dana.takes()
	require.NoError(t, err)
	unfetched := func() []int {
		st, err := w.Status(t.Context(), sent.Ref, "jane")
		require.NoError(t, err)
		return st.Unfetched
	}
	c, err := w.Chunks(t.Context(), sent.Ref, securesend.ChunkRequest{Auth: dana.take.Auth, Claim: dana.take.Claim, File: 0, From: 0, To: 2})
	require.NoError(t, err)
	_, err = io.CopyN(io.Discard, c, c.Size-1)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	require.Equal(t, []int{1, 2}, unfetched(), "the connection broke")
	c, err = w.Chunks(t.Context(), sent.Ref, securesend.ChunkRequest{Auth: dana.take.Auth, Claim: dana.take.Claim, File: 1, From: 0, To: 1})
	require.NoError(t, err)
	_, err = io.ReadFull(c, make([]byte, c.Size))
	require.NoError(t, err)
	require.Equal(t, []int{1}, unfetched(), "who has the last byte may acknowledge before anybody asks for the end")
	require.NoError(t, c.Close())
	_, err = dana.chunks(0, 1, 2)
	require.NoError(t, err)
	require.Equal(t, []int{1}, unfetched(), "its beginning is missing")
	_, err = dana.chunks(0, 0, 1)
	require.NoError(t, err)
	_, err = dana.chunks(0, 1, 2)
	require.NoError(t, err)
	require.Empty(t, unfetched())
	require.NoError(t, dana.acks())
	require.Empty(t, w.lastEvent().Files)
}

func TestRevokeStopsADownload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.text("")
	r.Files = w.files(mebibytes(16))
	sent := w.create(r)
	dana := w.reader(sent)
	_, err := dana.takes()
	require.NoError(t, err)
	c, err := w.Chunks(t.Context(), sent.Ref, securesend.ChunkRequest{Auth: dana.take.Auth, Claim: dana.take.Claim, File: 0, From: 0, To: 16})
	require.NoError(t, err)
	buf := make([]byte, 1<<20)
	_, err = io.ReadFull(c, buf)
	require.NoError(t, err)
	require.NoError(t, w.Revoke(t.Context(), sent.Ref, "jane"))
	_, err = dana.chunks(0, 0, 1)
	require.ErrorIs(t, err, securesend.ErrEnded, "no more are begun")
	w.pass(15 * time.Second)
	_, err = io.ReadFull(c, buf)
	require.ErrorIs(t, err, securesend.ErrEnded, "and what was begun ends")
	require.NoError(t, c.Close())
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrEnded)

	// Where Run was quicker than the quarter of a minute.
	sent = w.create(func() securesend.SendRequest { r.Files = w.files(mebibytes(16)); return r }())
	dana = w.reader(sent)
	_, err = dana.takes()
	require.NoError(t, err)
	c, err = w.Chunks(t.Context(), sent.Ref, securesend.ChunkRequest{Auth: dana.take.Auth, Claim: dana.take.Claim, File: 0, From: 0, To: 16})
	require.NoError(t, err)
	_, err = io.ReadFull(c, buf)
	require.NoError(t, err)
	require.NoError(t, w.Revoke(t.Context(), sent.Ref, "jane"))
	require.NoError(t, w.RunOnce(t.Context()))
	_, err = io.Copy(io.Discard, c)
	require.ErrorIs(t, err, securesend.ErrEnded)
	require.NoError(t, c.Close())
}

func TestAPartThatIsGoneIsNoEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.text("")
	r.Files = w.files("content")
	sent := w.create(r)
	dana := w.reader(sent)
	_, err := dana.takes()
	require.NoError(t, err)
	require.NoError(t, w.eu.Delete(t.Context(), sent.Ref))
	_, err = dana.chunks(0, 0, 1)
	require.ErrorIs(t, err, securesend.ErrNoPart)
	require.NoError(t, w.eu.Put(t.Context(), securesend.Part{Ref: sent.Ref}, strings.NewReader("cut")))
	_, err = dana.chunks(0, 0, 1)
	require.Error(t, err)
}

func TestAnInstanceWithoutTheRegionGivesAndChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.text("hunter2")
	r.Files = w.files("content")
	sent := w.create(r)
	dana := w.reader(sent)
	uk := w.instance(func(o *securesend.Options) {
		o.Blobs = map[string]securesend.BlobStore{securesend.RegionUK: w.uk}
	})
	before := w.stored(sent.Ref)
	w.kinds()
	dana.svc = uk
	_, err := dana.takes()
	require.ErrorIs(t, err, securesend.ErrRegion)
	dana.take.Number = wrong(sent.Number.Reveal())
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrRegion, "and counts nothing")
	require.Equal(t, before, w.stored(sent.Ref))
	require.Empty(t, w.kinds())
	dana.take.Auth = securesend.RandomKey()
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrAuth, "who has not the whole link is not told")

	dana = w.reader(sent)
	_, err = dana.takes()
	require.NoError(t, err)
	before = w.stored(sent.Ref)
	w.pass(10 * time.Second)
	dana.svc = uk
	_, err = dana.chunks(0, 0, 1)
	require.ErrorIs(t, err, securesend.ErrRegion)
	require.Equal(t, before, w.stored(sent.Ref), "not even the lease")
	dana.svc = w.Service
	_, err = dana.chunks(0, 0, 1)
	require.NoError(t, err)
	require.NoError(t, dana.acks())
	dana.svc = uk
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrEnded)

	// An instance without files at all notices it afterwards; the claim is good elsewhere.
	r.Files = w.files("content")
	sent = w.create(r)
	dana = w.reader(sent)
	dana.svc = w.instance(func(o *securesend.Options) { o.Blobs = nil })
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrRegion)
	dana.svc = w.Service
	text, files := dana.reads()
	require.Equal(t, "hunter2", text)
	require.Equal(t, []string{"content"}, files)

	asked, err := w.Ask(t.Context(), w.text(""), "what?")
	require.NoError(t, err)
	_, err = uk.Receive(t.Context(), asked.Ref, "jane", securesend.RandomKey())
	require.ErrorIs(t, err, securesend.ErrRegion)
}

func TestTheFirstLookIsNoted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sent := w.create(w.text("x"))
	dana := w.reader(sent)
	w.kinds()
	for range 3 {
		dana.open()
		_, err := w.View(t.Context(), sent.Ref)
		require.NoError(t, err)
		w.pass(time.Second)
	}
	require.Equal(t, []securesend.EventKind{"opened"}, w.kinds())
	require.Equal(t, securesend.ByRecipient, w.lastEvent().By)
	st, err := w.Status(t.Context(), sent.Ref, "jane")
	require.NoError(t, err)
	require.Equal(t, w.clock.Add(-3*time.Second), st.OpenedAt)
	require.Zero(t, st.RevealedAt, "a look is no reveal")
	require.Equal(t, securesend.StateReady, st.State)
}

func TestADraftCannotBeOpened(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	grant, err := w.Grant(t.Context(), w.text(""))
	require.NoError(t, err)
	b := w.composes(grant)
	b.seals("", "x", nil)
	dana := w.readerOf(b.link(), grant.Number.Reveal())
	_, err = dana.takes()
	require.ErrorIs(t, err, securesend.ErrDraft)
	_, err = w.Open(t.Context(), dana.ref, dana.take.Auth)
	require.ErrorIs(t, err, securesend.ErrDraft)
	v, err := w.View(t.Context(), dana.ref)
	require.NoError(t, err)
	require.Equal(t, securesend.StateDraft, v.State)
	_, err = b.commits()
	require.NoError(t, err)
	text, _ := dana.reads()
	require.Equal(t, "x", text)
}

func TestOfManyReadersOneOpens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	services := []*securesend.Service{w.Service, w.instance(nil)}
	for range 20 {
		sent := w.create(w.text("hunter2"))
		first := w.reader(sent)
		var opened, refused atomic.Int64
		var wg sync.WaitGroup
		for i := range 64 {
			r := first.another()
			r.svc = services[i%2]
			wg.Go(func() {
				for range 2 { // each tries again
					switch _, err := r.takes(); {
					case err == nil:
						opened.Add(1)
					case errors.Is(err, securesend.ErrOpening):
						refused.Add(1)
					}
				}
			})
		}
		wg.Wait()
		require.Equal(t, int64(2), opened.Load(), "one, and it again")
		require.Equal(t, int64(126), refused.Load())
		require.Equal(t, 1, w.stored(sent.Ref).Views)
	}
}
