package securesend_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
)

// answerer is a caller's browser with the link of a request.
func (w *world) answerer(asked securesend.Sent) *browser {
	w.t.Helper()
	link, err := securesend.ParseLink(asked.Link.Reveal())
	require.NoError(w.t, err)
	require.Equal(w.t, securesend.LinkRequest, link.Kind)
	a, err := w.Asked(w.t.Context(), asked.Ref)
	require.NoError(w.t, err)
	require.Equal(w.t, securesend.Fingerprint(a.Key), link.Fragment.Reveal(), "the link names the key")
	return &browser{w: w, svc: w.Service, ref: asked.Ref, tok: link.Token.Reveal(), upload: securesend.RandomKey()}
}

func (b *browser) admitted(number string) (securesend.Upload, error) {
	return b.svc.Admit(b.w.t.Context(), b.ref, b.upload, number)
}

func TestACallerAnswersARequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asked, err := w.Ask(t.Context(), w.text(""), "Your serial number, please")
	require.NoError(t, err)
	v, err := w.View(t.Context(), asked.Ref)
	require.NoError(t, err)
	require.Equal(t, "Your serial number, please", v.Question)
	require.Equal(t, securesend.KindRequest, v.Kind)
	caller := w.answerer(asked)
	a, err := w.Asked(t.Context(), asked.Ref)
	require.NoError(t, err)
	require.Equal(t, securesend.GateNumber, a.Gate)
	require.Equal(t, 2, a.TriesLeft)
	require.False(t, a.Taken)
	require.Equal(t, 20, a.MaxFiles)
	require.Empty(t, a.Token)

	u, err := caller.admitted(asked.Number.Reveal())
	require.NoError(t, err)
	require.Equal(t, a.Context, u.Context)
	_, err = caller.admitted("")
	require.NoError(t, err, "who was admitted may ask again")
	again, err := w.BeginUpload(t.Context(), caller.tok, caller.upload)
	require.NoError(t, err)
	require.Equal(t, u, again)
	file := []byte(mebibytes(9))
	caller.answers(u, "4711", file)
	for n := range caller.parts {
		require.NoError(t, caller.put(n))
	}
	_, err = w.Receive(t.Context(), asked.Ref, "jane", securesend.RandomKey())
	require.ErrorIs(t, err, securesend.ErrDraft, "nobody has answered yet")
	done, err := caller.commits()
	require.NoError(t, err)
	require.Empty(t, done.Number.Reveal(), "the caller is not told the technician's number")
	require.Equal(t, []securesend.EventKind{"created", "opened", "uploaded"}, w.kinds())
	require.Equal(t, securesend.ByRecipient, w.lastEvent().By)

	// For the technician who asked, and nobody else, on any instance.
	other := w.instance(nil)
	for _, who := range []string{"sam", "", "Jane"} {
		_, err = other.Receive(t.Context(), asked.Ref, who, securesend.RandomKey())
		require.ErrorIs(t, err, securesend.ErrForbidden)
	}
	_, err = w.Receive(t.Context(), asked.Ref, "jane", nil)
	require.ErrorIs(t, err, securesend.ErrInvalid)
	claim := securesend.RandomKey()
	for _, svc := range []*securesend.Service{w.Service, other} {
		got, err := svc.Receive(t.Context(), asked.Ref, "jane", claim)
		require.NoError(t, err)
		require.Equal(t, "4711", got.Text.Reveal())
		require.Equal(t, []securesend.FileInfo{{Name: "report.pdf", Size: int64(len(file))}}, got.Files)
		_, err = got.Open(t.Context(), 1)
		require.ErrorIs(t, err, securesend.ErrInvalid)
		f, err := got.Open(t.Context(), 0)
		require.NoError(t, err)
		plain, err := io.ReadAll(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.True(t, bytes.Equal(plain, file))
		early, err := got.Open(t.Context(), 0)
		require.NoError(t, err)
		_, err = early.Read(make([]byte, 10))
		require.NoError(t, err)
		require.NoError(t, early.Close())
		if svc == other {
			require.NoError(t, svc.AckReceived(t.Context(), got))
		}
	}
	_, err = w.Receive(t.Context(), asked.Ref, "jane", securesend.RandomKey())
	require.ErrorIs(t, err, securesend.ErrEnded)
	require.Equal(t, []securesend.EventKind{"revealed", "acknowledged"}, w.kinds())
	require.Equal(t, "jane", w.lastEvent().By, "who has the answer is no recipient")
	parts, err := w.eu.List(t.Context(), asked.Ref)
	require.NoError(t, err)
	require.Empty(t, parts)
}

func TestTwoTabsOfATechnicianReceiveOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asked, err := w.Ask(t.Context(), w.text(""), "what?")
	require.NoError(t, err)
	caller := w.answerer(asked)
	u, err := caller.admitted(asked.Number.Reveal())
	require.NoError(t, err)
	caller.answers(u, "4711", nil)
	_, err = caller.commits()
	require.NoError(t, err)
	_, err = w.Receive(t.Context(), asked.Ref, "jane", securesend.RandomKey())
	require.NoError(t, err)
	_, err = w.instance(nil).Receive(t.Context(), asked.Ref, "jane", securesend.RandomKey())
	require.ErrorIs(t, err, securesend.ErrOpening)
}

func TestWhatARequestCannotHaveIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	type R = securesend.SendRequest
	for name, c := range map[string]struct {
		change func(*R)
		is     error
	}{
		"text":       {func(r *R) { r.Text = mspkit.Redact("x") }, securesend.ErrInvalid},
		"files":      {func(r *R) { r.Files = w.files("x") }, securesend.ErrInvalid},
		"passphrase": {func(r *R) { r.Passphrase = mspkit.Redact("x") }, securesend.ErrInvalid},
		"held":       {func(r *R) { r.Choice.Held = true }, securesend.ErrInvalid},
		"code":       {func(r *R) { r.Code = securesend.Destination{Sender: "sms", Address: "x"} }, securesend.ErrInvalid},
		"code gate":  {func(r *R) { r.Choice.Gate = securesend.GateCode }, securesend.ErrUnsupported},
		"proof gate": {func(r *R) { r.Choice.Gate = securesend.GateProof }, securesend.ErrUnsupported},
		"views":      {func(r *R) { r.Choice.Views = 2 }, securesend.ErrInvalid},
		"afterwards": {func(r *R) { r.Choice.AfterView = time.Hour }, securesend.ErrInvalid},
		"TTL":        {func(r *R) { r.Choice.TTL = -1 }, securesend.ErrInvalid},
	} {
		r := w.text("")
		c.change(&r)
		_, err := w.Ask(t.Context(), r, "what?")
		require.ErrorIs(t, err, c.is, name)
	}
	_, err := w.Ask(t.Context(), w.text(""), strings.Repeat("ü", 501))
	require.ErrorIs(t, err, securesend.ErrInvalid)
	require.Zero(t, w.listed())
	sent := w.create(w.text("x"))
	_, err = w.Asked(t.Context(), sent.Ref)
	require.ErrorIs(t, err, securesend.ErrNotFound)
	_, err = w.Receive(t.Context(), sent.Ref, "jane", securesend.RandomKey())
	require.ErrorIs(t, err, securesend.ErrNotFound)
	_, err = w.Admit(t.Context(), sent.Ref, securesend.RandomKey(), "")
	require.ErrorIs(t, err, securesend.ErrAuth)

	// A tenant whose sends are opened by code or proof asks with a number, also where that is locked.
	for _, g := range []securesend.Gate{securesend.GateCode, securesend.GateProof} {
		w.set.Defaults.Gate, w.set.LockTechnician = g, true
		asked, err := w.Ask(t.Context(), w.text(""), "what?")
		require.NoError(t, err)
		require.Equal(t, securesend.GateNumber, asked.Gate)
	}
	w.set.Defaults.Gate = securesend.GateNone
	asked, err := w.Ask(t.Context(), w.text(""), "what?")
	require.NoError(t, err)
	require.Equal(t, securesend.GateNone, asked.Gate)
}

func TestARequestAdmitsOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asked, err := w.Ask(t.Context(), w.text(""), "what?")
	require.NoError(t, err)
	number := asked.Number.Reveal()
	caller, mallory := w.answerer(asked), w.answerer(asked)
	w.kinds()
	_, err = mallory.admitted("")
	require.ErrorIs(t, err, securesend.ErrNumber)
	_, err = mallory.admitted(wrong(number))
	require.ErrorIs(t, err, securesend.ErrNumber)
	var refused *securesend.Refusal
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 1, refused.TriesLeft)
	_, err = mallory.admitted(wrong(number))
	require.ErrorIs(t, err, securesend.ErrLocked)
	_, err = caller.admitted(number)
	require.ErrorIs(t, err, securesend.ErrLocked)
	require.Equal(t, []securesend.EventKind{"refused", "refused", "locked"}, w.kinds())
	a, err := w.Asked(t.Context(), asked.Ref)
	require.NoError(t, err)
	require.True(t, a.Locked)

	st, err := w.Renew(t.Context(), asked.Ref, "jane")
	require.NoError(t, err)
	_, err = caller.admitted(st.Number.Reveal())
	require.NoError(t, err)
	_, err = mallory.admitted(st.Number.Reveal())
	require.ErrorIs(t, err, securesend.ErrOpening, "the first one wins")
	a, err = w.Asked(t.Context(), asked.Ref)
	require.NoError(t, err)
	require.True(t, a.Taken)
	mallory.upload = mallory.upload[1:]
	_, err = mallory.admitted(st.Number.Reveal())
	require.ErrorIs(t, err, securesend.ErrInvalid)
}

func TestARenewedRequestForgetsWhatSomebodyElseBegan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asked, err := w.Ask(t.Context(), w.text(""), "what?")
	require.NoError(t, err)
	phone, laptop := w.answerer(asked), w.answerer(asked)
	u, err := phone.admitted(asked.Number.Reveal())
	require.NoError(t, err)
	phone.answers(u, "from the phone", []byte(mebibytes(9)))
	for n := range phone.parts {
		require.NoError(t, phone.put(n))
	}
	var st securesend.Status
	err = w.PutPart(t.Context(), phone.ref, phone.upload, 0, 0, &slow{strings.NewReader("late"), func() {
		st, err = w.Renew(t.Context(), asked.Ref, "jane")
		require.NoError(t, err)
	}})
	require.ErrorIs(t, err, securesend.ErrAuth, "what was being uploaded is not stored either")
	require.ErrorIs(t, phone.put(1), securesend.ErrAuth)
	_, err = phone.commits()
	require.ErrorIs(t, err, securesend.ErrAuth)

	u, err = laptop.admitted(st.Number.Reveal())
	require.NoError(t, err)
	parts, err := w.Parts(t.Context(), laptop.ref, laptop.upload)
	require.NoError(t, err)
	require.Empty(t, parts)
	laptop.answers(u, "from the laptop", nil)
	_, err = laptop.commits()
	require.NoError(t, err)
	got, err := w.Receive(t.Context(), asked.Ref, "jane", securesend.RandomKey())
	require.NoError(t, err)
	require.Equal(t, "from the laptop", got.Text.Reveal())
}

func TestARenewedRequestWhosePartsStayIsToldOf(t *testing.T) {
	t.Parallel()
	away := errors.New("the store of files is away")
	w := newWorld(t)
	asked, err := w.Ask(t.Context(), w.text(""), "what?")
	require.NoError(t, err)
	svc := w.instance(func(o *securesend.Options) {
		o.Blobs = map[string]securesend.BlobStore{securesend.RegionEurope: &hooked{BlobStore: w.eu, failDelete: away}}
	})
	st, err := svc.Renew(t.Context(), asked.Ref, "jane")
	require.ErrorIs(t, err, away)
	require.NotEmpty(t, st.Number.Reveal(), "the number is renewed all the same")
	require.NotEqual(t, asked.Number.Reveal(), st.Number.Reveal())
}

func TestAnAnswerThatLiesIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.text("")
	r.Choice.Gate = securesend.GateNone
	for name, lie := range map[string]func(b *browser){
		"another key": func(b *browser) { b.answers(securesend.Upload{Context: b.context, Key: mustPoint(t)}, "x", nil) },
		"another place": func(b *browser) {
			b.context[0] ^= 1
			b.answers(securesend.Upload{Context: b.context, Key: key(b)}, "x", nil)
		},
		"a manifest of nothing": func(b *browser) { b.commit.Manifest = make([]byte, 100) },
		"a size":                func(b *browser) { lieAboutSize(b, 6) },
		"a file":                func(b *browser) { b.commit.Sizes = nil },
	} {
		asked, err := w.Ask(t.Context(), r, "what?")
		require.NoError(t, err)
		b := w.answerer(asked)
		u, err := b.admitted("")
		require.NoError(t, err)
		b.answers(u, "text", []byte("12345"))
		require.NoError(t, b.put(0))
		b.commit.Sizes = []int64{5}
		lie(b)
		_, err = b.commits()
		require.NoError(t, err, name)
		_, err = w.Receive(t.Context(), asked.Ref, "jane", securesend.RandomKey())
		require.ErrorIs(t, err, securesend.ErrEnvelope, name)
	}
}

func key(b *browser) []byte {
	a, err := b.svc.Asked(b.w.t.Context(), b.ref)
	require.NoError(b.w.t, err)
	return a.Key
}

// lieAboutSize seals a manifest that says another size than was uploaded.
func lieAboutSize(b *browser, size int64) {
	h, err := securesend.ParseHeader(b.commit.Header)
	require.NoError(b.w.t, err)
	b.commit.Manifest, err = b.keys.SealManifest(b.context, h, securesend.Manifest{Files: []securesend.FileInfo{{Name: "a", Size: size}}})
	require.NoError(b.w.t, err)
}

func TestTheServerNeverReleasesARequestToItsPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asked, err := w.Ask(t.Context(), w.text(""), "what?")
	require.NoError(t, err)
	link, err := securesend.ParseLink(asked.Link.Reveal())
	require.NoError(t, err)
	for _, auth := range [][]byte{securesend.Auth(link.Fragment.Reveal()), link.Fragment.Reveal(), w.stored(asked.Ref).Auth} {
		_, err = w.Take(t.Context(), asked.Ref, securesend.TakeRequest{Auth: auth, Claim: securesend.RandomKey(), Number: asked.Number.Reveal()})
		require.ErrorIs(t, err, securesend.ErrAuth)
	}
}
