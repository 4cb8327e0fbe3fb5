package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/client"
)

func TestATextAndFilesArriveOnce(t *testing.T) {
	t.Parallel()
	for i, change := range [][]func(*securesend.SendRequest){nil, {held}, {noGate}} {
		w := newWorld(t)
		files := [][]byte{content(t, 1<<20+3), {}, content(t, 1<<20), content(t, 3), content(t, 1)}
		if i == 0 {
			files[0], files[3] = content(t, 17<<20+3), content(t, 8<<20)
		}
		var up, down []client.Progress
		o := &client.CreateOptions{Text: mspkit.Redact("hunter2")}
		if i == 1 {
			o.Passphrase = mspkit.Redact("corréct horse")
		}
		o.Progress = func(p client.Progress) { up = append(up, p) }
		for i, b := range files {
			f := file("../a.bin", b)
			if i%2 == 0 {
				f.Size = -1
			}
			o.Files = append(o.Files, f)
		}
		out := w.sent(o, change...)
		require.Equal(t, "a.bin", up[0].Name)
		if i == 0 {
			require.Equal(t, []int64{8 << 20, 16 << 20, 17<<20 + 3}, []int64{up[0].Done, up[1].Done, up[2].Done})
		}
		require.Equal(t, len(change) == 1 && out.Gate == securesend.GateNone, out.Number.Reveal() == "")

		open := right(out)
		open.Passphrase = mspkit.Redact("corréct horse")
		open.Progress = func(p client.Progress) { down = append(down, p) }
		got, err := client.Open(t.Context(), out.Link.Reveal(), open)
		require.NoError(t, err)
		require.Equal(t, "hunter2", got.Text.Reveal())
		require.Equal(t, "a (3).bin", got.Files[2].Name)
		dir := t.TempDir()
		names, err := got.Save(t.Context(), dir)
		require.NoError(t, err)
		for i, name := range names {
			b, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			require.True(t, bytes.Equal(files[i], b), "file %d", i)
		}
		require.Equal(t, client.Progress{File: 4, Files: 5, Name: "a (5).bin", Done: 1, Total: 1}, down[len(down)-1])
		require.Equal(t, client.Progress{File: 0, Files: 5, Name: "a.bin", Done: 1 << 20, Total: int64(len(files[0]))}, down[0])
		_, err = got.Save(t.Context(), dir)
		require.ErrorIs(t, err, os.ErrExist)
		require.NoError(t, got.Done(t.Context()))
		require.NoError(t, got.Done(t.Context()))
		_, err = client.Open(t.Context(), out.Link.Reveal(), open)
		require.ErrorIs(t, err, securesend.ErrEnded)
		require.Equal(t, []securesend.EventKind{"created", "uploaded", "opened", "revealed", "acknowledged"}, w.kinds())
		require.Empty(t, w.events[4].Files, "all were fetched")
	}
}

func TestAWrongNumberCountsAndLocks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.grant()
	out, err := client.Create(t.Context(), g.Link.Reveal(), &client.CreateOptions{Text: mspkit.Redact("x")})
	require.NoError(t, err)
	require.Equal(t, g.Number, out.Number)
	open := right(out)
	wrong := "111"
	if out.Number.Reveal() == wrong {
		wrong = "222"
	}
	for _, tc := range []struct {
		number string
		err    error
		left   int
	}{{"", securesend.ErrNumber, 2}, {wrong, securesend.ErrNumber, 1}, {wrong, securesend.ErrLocked, 0}, {out.Number.Reveal(), securesend.ErrLocked, 0}} {
		open.Number = mspkit.Redact(tc.number)
		_, err := client.Open(t.Context(), out.Link.Reveal(), open)
		require.ErrorIs(t, err, tc.err)
		refusal, ok := errors.AsType[*securesend.Refusal](err)
		require.True(t, ok)
		require.Equal(t, tc.left, refusal.TriesLeft)
		require.NotContains(t, err.Error(), wrong)
	}
	st, err := w.svc.Renew(t.Context(), g.Ref, jane.ID)
	require.NoError(t, err)
	open.Number = st.Number
	_, err = client.Open(t.Context(), out.Link.Reveal(), open)
	require.NoError(t, err)
}

func TestAPassphraseIsAskedForBeforeTheServerCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	out := w.sent(&client.CreateOptions{Text: mspkit.Redact("x"), Passphrase: mspkit.Redact("one")}, noGate)
	open := right(out)
	for phrase, left := range map[string]int{"": 10, "two": 9} {
		open.Passphrase = mspkit.Redact(phrase)
		_, err := client.Open(t.Context(), out.Link.Reveal(), open)
		require.ErrorIs(t, err, securesend.ErrPassphrase)
		refusal, _ := errors.AsType[*securesend.Refusal](err)
		require.LessOrEqual(t, refusal.PassTriesLeft, 10)
		if phrase != "" {
			require.Equal(t, left, refusal.PassTriesLeft)
		}
	}
	open.Passphrase = mspkit.Redact("one")
	_, err := client.Open(t.Context(), out.Link.Reveal(), open)
	require.NoError(t, err)
}

func TestOnlyOneClaimOpens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	out := w.sent(&client.CreateOptions{Text: mspkit.Redact("x"), Files: []securesend.File{file("a", content(t, 100))}})
	first := right(out)
	first.Claim = securesend.RandomKey()
	got, err := client.Open(t.Context(), out.Link.Reveal(), first)
	require.NoError(t, err)
	_, err = client.Open(t.Context(), out.Link.Reveal(), right(out))
	require.ErrorIs(t, err, securesend.ErrOpening)
	again, err := client.Open(t.Context(), out.Link.Reveal(), first)
	require.NoError(t, err, "after a crash")
	require.Equal(t, got.Text, again.Text)
	w.pass(61 * time.Second)
	f, err := got.File(t.Context(), 0)
	require.NoError(t, err)
	_, err = f.Read(make([]byte, 1))
	require.ErrorIs(t, err, securesend.ErrEnded, "the lease is over")
	_, err = client.Open(t.Context(), out.Link.Reveal(), first)
	require.ErrorIs(t, err, securesend.ErrEnded)
}

func TestARevokedSendEndsADownload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.grant()
	out, err := client.Create(t.Context(), g.Link.Reveal(), &client.CreateOptions{Files: []securesend.File{file("a", content(t, 40<<20))}})
	require.NoError(t, err)
	got, err := client.Open(t.Context(), out.Link.Reveal(), right(out))
	require.NoError(t, err)
	f, err := got.File(t.Context(), 0)
	require.NoError(t, err)
	_, err = f.Read(make([]byte, 10))
	require.NoError(t, err)
	require.NoError(t, w.svc.Revoke(t.Context(), g.Ref, jane.ID))
	_, err = f.WriteTo(&bytes.Buffer{})
	require.ErrorIs(t, err, securesend.ErrEnded)
}

func TestACodeIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	out := w.sent(&client.CreateOptions{Text: mspkit.Redact("x")}, func(r *securesend.SendRequest) {
		r.Choice.Gate, r.Code = securesend.GateCode, securesend.Destination{Sender: "sms", Address: "+1 555 0100"}
	})
	o := impatient()
	require.NoError(t, client.SendCode(t.Context(), out.Link.Reveal(), &o))
	err := client.SendCode(t.Context(), out.Link.Reveal(), nil)
	require.ErrorIs(t, err, securesend.ErrLimited)
	limit, _ := errors.AsType[*securesend.LimitError](err)
	require.Equal(t, securesend.LimitCooldown, limit.Limit)
	_, err = client.Open(t.Context(), out.Link.Reveal(), &client.OpenOptions{Code: w.codes.last.Code})
	require.NoError(t, err)
}

// proof lets a claim through after it was asked for some times.
type proof struct {
	asked  int
	refuse bool
}

func (p *proof) Allow(context.Context, securesend.Reveal) error {
	if p.asked >= 3 && !p.refuse {
		return nil
	}
	return securesend.ErrGate
}

func (p *proof) Start(context.Context, securesend.Reveal) (securesend.GateStatus, error) {
	p.asked++
	switch {
	case p.asked < 3:
		return securesend.GateStatus{State: securesend.GateWaiting, Hint: "Teams"}, nil
	case p.refuse:
		return securesend.GateStatus{State: securesend.GateRefused}, nil
	}
	return securesend.GateStatus{State: securesend.GatePassed}, nil
}

func TestAVerificationIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, refuse := range []bool{false, true} {
		p := &proof{refuse: refuse}
		w := newWorld(t, func(o *securesend.Options) { o.Gate = p })
		out := w.sent(&client.CreateOptions{Text: mspkit.Redact("x")}, func(r *securesend.SendRequest) { r.Choice.Gate, r.Subject = securesend.GateProof, "dana" })
		open := right(out)
		_, err := client.Open(t.Context(), out.Link.Reveal(), open)
		require.ErrorIs(t, err, securesend.ErrGate)
		require.Zero(t, p.asked)
		var hints []string
		open.Waiting = func(hint string) { hints = append(hints, hint) }
		_, err = client.Open(t.Context(), out.Link.Reveal(), open)
		if refuse {
			require.ErrorIs(t, err, securesend.ErrGate)
		} else {
			require.NoError(t, err)
		}
		require.Equal(t, []string{"Teams"}, hints, "once for each hint")
	}
}

func TestARequestIsAnsweredForTheKeyInTheLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ask := func() securesend.Sent {
		q, err := w.svc.Ask(t.Context(), securesend.SendRequest{Tenant: tenant, By: jane}, "The serial number?")
		require.NoError(t, err)
		return q
	}
	q, other := ask(), ask()
	seen, err := client.Look(t.Context(), q.Link.Reveal(), nil)
	require.NoError(t, err)
	require.Equal(t, client.Ask{State: securesend.StateDraft, Gate: securesend.GateNumber, TriesLeft: 2, ExpiresAt: q.ExpiresAt}, seen)
	big := content(t, 9<<20)
	answer := func(q securesend.Sent) *client.AnswerOptions {
		return &client.AnswerOptions{Options: impatient(), Number: q.Number, Text: mspkit.Redact("4711"), Files: []securesend.File{file("log.txt", big)}}
	}
	// The fragment of another request's link names another key, as that of a server that lies would.
	mixed := q.Link.Reveal()[:len(q.Link.Reveal())-43] + other.Link.Reveal()[len(other.Link.Reveal())-43:]
	_, err = client.Answer(t.Context(), mixed, answer(q))
	require.ErrorIs(t, err, securesend.ErrEnvelope)
	seen, err = client.Look(t.Context(), q.Link.Reveal(), nil)
	require.NoError(t, err)
	require.False(t, seen.Taken, "nothing was begun")

	a := answer(q)
	a.Upload = securesend.RandomKey()
	out, err := client.Answer(t.Context(), q.Link.Reveal(), a)
	require.NoError(t, err)
	require.Equal(t, q.ExpiresAt, out.ExpiresAt)
	_, err = client.Answer(t.Context(), q.Link.Reveal(), answer(q))
	require.ErrorIs(t, err, securesend.ErrOpening)
	_, err = client.Answer(t.Context(), q.Link.Reveal(), a)
	require.ErrorIs(t, err, securesend.ErrConflict, "it was answered before")
	got, err := w.svc.Receive(t.Context(), q.Ref, jane.ID, securesend.RandomKey())
	require.NoError(t, err)
	require.Equal(t, "4711", got.Text.Reveal())
	f, err := got.Open(t.Context(), 0)
	require.NoError(t, err)
	var b bytes.Buffer
	_, err = b.ReadFrom(f)
	require.NoError(t, err)
	require.True(t, bytes.Equal(big, b.Bytes()))

	wrong := answer(other)
	wrong.Number = mspkit.Redact("1")
	_, err = client.Answer(t.Context(), other.Link.Reveal(), wrong)
	require.ErrorIs(t, err, securesend.ErrNumber)
	require.NoError(t, w.svc.Revoke(t.Context(), other.Ref, jane.ID))
	_, err = client.Answer(t.Context(), other.Link.Reveal(), answer(other))
	require.ErrorIs(t, err, securesend.ErrEnded)
}

func TestWhatCannotBeSentIsRefusedBeforeAnythingIsUploaded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	parts := 0
	w.put(func(next http.Handler, rw http.ResponseWriter, r *http.Request) {
		if len(name(r)) > 5 && name(r)[:5] == "part/" {
			parts++
		}
		next.ServeHTTP(rw, r)
	})
	g := w.grant().Link.Reveal()
	many := make([]securesend.File, 21)
	for i := range many {
		many[i] = file("x", nil)
	}
	for _, tc := range []struct {
		o  client.CreateOptions
		is error
	}{
		{client.CreateOptions{}, securesend.ErrInvalid},
		{client.CreateOptions{Text: mspkit.Redact(string(make([]byte, 100<<20)))}, securesend.ErrTooLarge},
		{client.CreateOptions{Files: []securesend.File{{Name: "x", Size: 7 << 30, Reader: bytes.NewReader(nil)}}}, securesend.ErrTooLarge},
		{client.CreateOptions{Files: many}, securesend.ErrTooLarge},
		{client.CreateOptions{Files: []securesend.File{{Name: "x", Size: 1}}}, securesend.ErrInvalid},
		{client.CreateOptions{Text: mspkit.Redact("x"), Options: client.Options{Idle: -1}}, securesend.ErrInvalid},
		{client.CreateOptions{Text: mspkit.Redact("\xff")}, securesend.ErrInvalid},
		{client.CreateOptions{Text: mspkit.Redact("x"), Passphrase: mspkit.Redact("\xff")}, securesend.ErrInvalid},
		{client.CreateOptions{Files: []securesend.File{{Name: "x", Size: 5, Reader: bytes.NewReader([]byte("12"))}}}, securesend.ErrInvalid},
	} {
		_, err := client.Create(t.Context(), g, &tc.o)
		require.ErrorIs(t, err, tc.is)
	}
	require.Zero(t, parts)
	_, err := client.Open(t.Context(), g, &client.OpenOptions{Claim: []byte("short")})
	require.ErrorIs(t, err, securesend.ErrLink, "it is the link of a grant")
	_, err = client.Answer(t.Context(), g, &client.AnswerOptions{Upload: []byte("short")})
	require.ErrorIs(t, err, securesend.ErrInvalid)
	out, err := client.Create(t.Context(), g, &client.CreateOptions{Text: mspkit.Redact("x")})
	require.NoError(t, err)
	_, err = client.Open(t.Context(), out.Link.Reveal(), &client.OpenOptions{Claim: []byte("short")})
	require.ErrorIs(t, err, securesend.ErrInvalid)
	_, err = client.Create(t.Context(), g, &client.CreateOptions{Text: mspkit.Redact("y")})
	require.ErrorIs(t, err, securesend.ErrConflict)
	got, err := client.Open(t.Context(), out.Link.Reveal(), right(out))
	require.NoError(t, err)
	_, err = got.File(t.Context(), 0)
	require.ErrorIs(t, err, securesend.ErrInvalid)
}

func TestAnUploadThatBrokeOffIsInNobodysWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.grant().Link.Reveal()
	boom := errors.New("the disk is gone")
	bad := &client.CreateOptions{Options: impatient(), Files: []securesend.File{{Name: "x", Size: -1, Reader: &broken{bytes.NewReader(make([]byte, 20<<20)), boom}}}}
	_, err := client.Create(t.Context(), g, bad)
	require.ErrorIs(t, err, boom)
	_, err = client.Create(t.Context(), g, &client.CreateOptions{Files: []securesend.File{file("x", content(t, 9<<20))}})
	require.NoError(t, err, "its parts are written over")

	// The end of a file is io.EOF and nothing else: half a file must not look whole.
	half := &client.CreateOptions{Options: impatient(), Files: []securesend.File{{Name: "x", Size: -1, Reader: &broken{bytes.NewReader(make([]byte, 9<<20)), io.ErrUnexpectedEOF}}}}
	_, err = client.Create(t.Context(), w.grant().Link.Reveal(), half)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)

	g = w.grant().Link.Reveal()
	bad.Files[0].Reader = &broken{bytes.NewReader(make([]byte, 20<<20)), boom}
	_, err = client.Create(t.Context(), g, bad)
	require.ErrorIs(t, err, boom)
	for _, size := range []int64{5, -1} {
		_, err = client.Create(t.Context(), g, &client.CreateOptions{Files: []securesend.File{{Name: "x", Size: size, Reader: bytes.NewReader(nil)}}})
		require.ErrorIs(t, err, securesend.ErrConflict, "parts of it would be left over")
	}
}

// broken fails at its end.
type broken struct {
	*bytes.Reader
	err error
}

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil {
		err = b.err
	}
	return n, err
}
