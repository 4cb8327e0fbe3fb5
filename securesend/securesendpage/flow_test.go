package securesendpage_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/internal/wire"
	"github.com/mspkit/mspkit/securesend/securesendpage"
)

func withFile(content []byte) func(*securesend.SendRequest) {
	return func(r *securesend.SendRequest) {
		r.Files = append(r.Files, securesend.File{Name: "a.bin", Size: int64(len(content)), Reader: bytes.NewReader(content)})
	}
}

func bytesOf(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	_, err := rand.Read(b)
	require.NoError(t, err)
	return b
}

func gate(g securesend.Gate) func(*securesend.SendRequest) {
	return func(r *securesend.SendRequest) { r.Choice.Gate = g }
}

func TestASendIsOpenedOnceOverHTTP(t *testing.T) {
	t.Parallel()
	for _, held := range []bool{false, true} {
		w := newWorld(t)
		content := bytesOf(t, 9<<20)
		s := w.create(withFile(content), func(r *securesend.SendRequest) { r.Choice.Held, r.Choice.Message = held, "Change it soon" })
		auth := wire.Recipient{Auth: s.auth}
		var o wire.Opened
		w.call(s.path+"/open", auth, http.StatusOK, &o)
		require.Equal(t, wire.Opened{
			Kind: "send", State: "ready", Now: w.now(), Context: o.Context, Header: o.Header, Gate: "number", TriesLeft: 2,
			PassphraseTriesLeft: 10, Sizes: []int64{9 << 20}, ExpiresAt: s.ExpiresAt, ViewsLeft: 1,
		}, o)

		take := wire.Take{Auth: s.auth, Claim: s.claim}
		e := w.refused(s.path+"/take", take, http.StatusForbidden, "number")
		require.Equal(t, 2, *e.TriesLeft, "no number is no try")
		take.Number = other(s.Number.Reveal())
		e = w.refused(s.path+"/take", take, http.StatusForbidden, "number")
		require.Equal(t, 1, *e.TriesLeft)
		take.Number = " " + s.Number.Reveal()[:1] + "-" + s.Number.Reveal()[1:]
		var got wire.Taken
		for range 2 { // a dropped answer is fetched again
			got = wire.Taken{}
			w.call(s.path+"/take", take, http.StatusOK, &got)
		}
		require.Equal(t, w.now().Add(time.Minute), got.LeaseUntil)
		require.Equal(t, "Change it soon", got.Message)
		w.refused(s.path+"/take", wire.Take{Auth: s.auth, Claim: securesend.RandomKey(), Number: s.Number.Reveal()}, http.StatusConflict, "opening")

		chunks := wire.Chunks{Auth: s.auth, Claim: s.claim, To: 9}
		rec := w.post(s.path+"/chunks", chunks)
		require.Equal(t, http.StatusOK, rec.Code)
		for k, v := range map[string]string{
			"Content-Type": "application/octet-stream", "Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff",
			"Content-Security-Policy": "sandbox; default-src 'none'", "Cache-Control": "no-store", "Content-Length": strconv.Itoa(9<<20 + 9*16),
		} {
			require.Equal(t, v, rec.Header().Get(k))
		}
		header, err := securesend.ParseHeader(got.Header)
		require.NoError(t, err)
		require.Equal(t, held, header.Held)
		fragment := s.link.Fragment.Reveal()
		if held {
			var secret wire.Bytes
			require.NoError(t, secret.UnmarshalText([]byte(s.link.Token.Reveal())))
			fragment = securesend.HeldFragment(secret[:32])
		}
		keys, err := securesend.NewSendKeys(fragment, got.Half, nil)
		require.NoError(t, err)
		m, err := keys.OpenManifest([32]byte(got.Context), header, got.Manifest)
		require.NoError(t, err)
		require.Equal(t, "hunter2", m.Text)
		cipher, err := keys.File([32]byte(got.Context), header, 0)
		require.NoError(t, err)
		var plain bytes.Buffer
		_, err = cipher.OpenReader(rec.Body, 9<<20, 0).WriteTo(&plain)
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, plain.Bytes()))

		claim := wire.Recipient{Auth: s.auth, Claim: s.claim}
		for range 2 {
			w.call(s.path+"/ack", claim, http.StatusOK, nil)
		}
		w.refused(s.path+"/take", take, http.StatusGone, "ended")
		w.refused(s.path+"/chunks", chunks, http.StatusGone, "ended")
		w.call(s.path+"/open", auth, http.StatusOK, &o)
		require.Equal(t, "acknowledged", o.State)
		require.Contains(t, w.get(s.path).Body.String(), "ended")
		require.Equal(t, []securesend.EventKind{"created", "uploaded", "opened", "refused", "revealed", "acknowledged"}, w.kinds())
	}
}

// other returns a number that is not n.
func other(n string) string {
	if n == "111" {
		return "222"
	}
	return "111"
}

func TestTwoWrongNumbersLockAndTheSenderRenews(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.create()
	wrong := wire.Take{Auth: s.auth, Claim: s.claim, Number: other(s.Number.Reveal())}
	w.refused(s.path+"/take", wrong, http.StatusForbidden, "number")
	e := w.refused(s.path+"/take", wrong, http.StatusLocked, "locked")
	require.Zero(t, *e.TriesLeft)
	right := wire.Take{Auth: s.auth, Claim: s.claim, Number: s.Number.Reveal()}
	w.refused(s.path+"/take", right, http.StatusLocked, "locked")
	st, err := w.svc.Renew(t.Context(), s.Ref, "jane")
	require.NoError(t, err)
	right.Number = st.Number.Reveal()
	w.call(s.path+"/take", right, http.StatusOK, nil)
}

func TestAWrongKeyChangesAndCountsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.create()
	before := w.snapshot()
	bad := securesend.RandomKey()
	for name, body := range map[string]any{
		"open": wire.Recipient{Auth: bad}, "take": wire.Take{Auth: bad, Claim: s.claim, Number: s.Number.Reveal()},
		"chunks": wire.Chunks{Auth: bad, Claim: s.claim, To: 1}, "ack": wire.Recipient{Auth: bad, Claim: s.claim}, "code": wire.Recipient{Auth: bad},
	} {
		w.refused(s.path+"/"+name, body, http.StatusForbidden, "auth")
	}
	require.Equal(t, before, w.snapshot())
}

func TestAPassphraseLocksAndNeverBurns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.create(gate(securesend.GateNone), func(r *securesend.SendRequest) { r.Passphrase = mspkit.Redact("correct horse") })
	take := wire.Take{Auth: s.auth, Claim: s.claim}
	e := w.refused(s.path+"/take", take, http.StatusForbidden, "passphrase")
	require.Equal(t, 10, *e.PassphraseTriesLeft)
	take.Pass = securesend.RandomKey()
	for range 9 {
		w.refused(s.path+"/take", take, http.StatusForbidden, "passphrase")
	}
	w.refused(s.path+"/take", take, http.StatusLocked, "locked")
	var o wire.Opened
	w.call(s.path+"/open", wire.Recipient{Auth: s.auth}, http.StatusOK, &o)
	require.True(t, o.Locked)
	require.Equal(t, "ready", o.State)
}

func TestACodeIsSentWhenTheRecipientAsks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.create(gate(securesend.GateCode), func(r *securesend.SendRequest) {
		r.Code = securesend.Destination{Sender: "sms", Address: "+1 555 0100"}
	})
	auth := wire.Recipient{Auth: s.auth}
	w.call(s.path+"/code", auth, http.StatusAccepted, nil)
	e := w.refused(s.path+"/code", auth, http.StatusTooManyRequests, "limited")
	require.Equal(t, securesend.LimitCooldown, e.Limit)
	require.Equal(t, int64(45), e.RetryAfter)
	require.Equal(t, "45", w.post(s.path+"/code", auth).Header().Get("Retry-After"))
	var o wire.Opened
	w.call(s.path+"/open", auth, http.StatusOK, &o)
	require.True(t, o.CodeSent)
	w.call(s.path+"/take", wire.Take{Auth: s.auth, Claim: s.claim, Code: w.codes.last.Code.Reveal()}, http.StatusOK, nil)

	w.codes.err = errors.New("no network")
	s = w.create(gate(securesend.GateCode), func(r *securesend.SendRequest) {
		r.Code = securesend.Destination{Sender: "sms", Address: "+1 555 0200"}
	})
	w.refused(s.path+"/code", wire.Recipient{Auth: s.auth}, http.StatusServiceUnavailable, "delivery")
}

// proof is a gate that lets a claim through once it is told to.
type proof struct{ state string }

func (p *proof) Allow(context.Context, securesend.Reveal) error {
	if p.state == securesend.GatePassed {
		return nil
	}
	return securesend.ErrGate
}

func (p *proof) Start(context.Context, securesend.Reveal) (securesend.GateStatus, error) {
	return securesend.GateStatus{State: p.state, Hint: "Teams"}, nil
}

func TestAProofGateIsStartedAndPolled(t *testing.T) {
	t.Parallel()
	g := &proof{securesend.GateWaiting}
	w := newWorld(t, func(w *world, _ *securesendpage.Options) { w.service.Gate = g })
	s := w.create(gate(securesend.GateProof), func(r *securesend.SendRequest) { r.Subject = "dana" })
	claim, take := wire.Recipient{Auth: s.auth, Claim: s.claim}, wire.Take{Auth: s.auth, Claim: s.claim}
	var got wire.Gate
	w.call(s.path+"/verify", claim, http.StatusOK, &got)
	require.Equal(t, wire.Gate{State: "waiting", Hint: "Teams"}, got)
	w.refused(s.path+"/take", take, http.StatusForbidden, "gate")
	g.state = securesend.GatePassed
	w.call(s.path+"/verify", claim, http.StatusOK, &got)
	require.Equal(t, "passed", got.State)
	w.call(s.path+"/take", take, http.StatusOK, nil)

	none := newWorld(t)
	s = none.create()
	none.refused(s.path+"/verify", wire.Recipient{Auth: s.auth, Claim: s.claim}, http.StatusUnprocessableEntity, "unsupported")
}

func TestABrowserFillsASendPartByPart(t *testing.T) {
	t.Parallel()
	for _, held := range []bool{false, true} {
		w := newWorld(t)
		s, err := w.svc.Grant(t.Context(), securesend.SendRequest{Tenant: tenant, By: jane, Choice: securesend.Choice{Held: held}})
		require.NoError(t, err)
		g := w.known(s)
		upload := wire.Bytes(g.link.Fragment.Reveal())
		var begun wire.Begun
		w.call(g.path+"/begin", wire.Upload{Upload: upload}, http.StatusOK, &begun)
		letter := map[bool]string{false: "/s/", true: "/h/"}[held]
		require.Equal(t, base+letter+g.link.Token.Reveal(), begun.Link)
		require.Equal(t, wire.Limits{Text: 256 << 10, Total: 1 << 30, Files: 20}, begun.Limits)
		w.refused(g.path+"/begin", wire.Upload{Upload: securesend.RandomKey()}, http.StatusForbidden, "auth")

		fragment := securesend.RandomKey()
		if held {
			var secret wire.Bytes
			require.NoError(t, secret.UnmarshalText([]byte(g.link.Token.Reveal())))
			fragment = securesend.HeldFragment(secret[:32])
		}
		half, header := securesend.RandomKey(), securesend.Header{Held: held}
		keys, err := securesend.NewSendKeys(fragment, half, nil)
		require.NoError(t, err)
		content := bytesOf(t, 8<<20+7)
		cipher, err := keys.File([32]byte(begun.Context), header, 0)
		require.NoError(t, err)
		var sealed bytes.Buffer
		_, err = cipher.SealReader(bytes.NewReader(content), -1).WriteTo(&sealed)
		require.NoError(t, err)
		manifest, err := keys.SealManifest([32]byte(begun.Context), header, securesend.Manifest{Files: []securesend.FileInfo{{Name: "x", Size: int64(len(content))}}})
		require.NoError(t, err)
		commit := wire.Commit{Upload: upload, Header: header.Bytes(), Auth: securesend.AuthHash(securesend.Auth(fragment)), Half: half, Manifest: manifest, Sizes: []int64{int64(len(content))}}

		require.Equal(t, http.StatusOK, w.part(g.path+"/part/0/1", upload, sealed.Bytes()[8*(1<<20+16):]).Code)
		w.refused(g.path+"/commit", commit, http.StatusUnprocessableEntity, "invalid")
		var parts wire.Parts
		w.call(g.path+"/parts", wire.Upload{Upload: upload}, http.StatusOK, &parts)
		require.Equal(t, [][]int{{1}}, parts.Files)
		require.Equal(t, http.StatusOK, w.part(g.path+"/part/0/0", upload, sealed.Bytes()[:8*(1<<20+16)]).Code)

		r := wire.Recipient{Auth: securesend.Auth(fragment)}
		reader := "/send" + letter + g.link.Token.Reveal()
		w.refused(reader+"/open", r, http.StatusConflict, "draft")
		var done wire.Committed
		for range 2 { // a dropped answer is asked for again
			w.call(g.path+"/commit", commit, http.StatusOK, &done)
		}
		require.Equal(t, g.Number.Reveal(), done.Number)
		require.Equal(t, "number", done.Gate)
		w.refused(g.path+"/commit", wire.Commit{Upload: upload, Header: header.Bytes(), Auth: commit.Auth, Half: half, Manifest: append([]byte{1}, manifest...), Sizes: commit.Sizes}, http.StatusConflict, "conflict")
		w.call(reader+"/open", r, http.StatusOK, nil)
		w.call(reader+"/take", wire.Take{Auth: r.Auth, Claim: securesend.RandomKey(), Number: done.Number}, http.StatusOK, nil)
	}
}

func TestARequestIsAnsweredByWhoComesFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	q := w.ask()
	require.Contains(t, w.get(q.path).Body.String(), "The serial number?")
	var asked wire.Asked
	w.call(q.path+"/open", wire.Empty{}, http.StatusOK, &asked)
	require.Equal(t, q.link.Fragment.Reveal(), securesend.Fingerprint(asked.Key))
	require.Equal(t, "draft", asked.State)
	require.Equal(t, q.ExpiresAt, asked.ExpiresAt)
	require.False(t, asked.Taken)

	upload := wire.Bytes(securesend.RandomKey())
	e := w.refused(q.path+"/begin", wire.Upload{Upload: upload, Number: other(q.Number.Reveal())}, http.StatusForbidden, "number")
	require.Equal(t, 1, *e.TriesLeft)
	var begun wire.Begun
	for range 2 {
		w.call(q.path+"/begin", wire.Upload{Upload: upload, Number: q.Number.Reveal()}, http.StatusOK, &begun)
	}
	require.Empty(t, begun.Link)
	w.refused(q.path+"/begin", wire.Upload{Upload: securesend.RandomKey(), Number: q.Number.Reveal()}, http.StatusConflict, "opening")
	w.call(q.path+"/open", wire.Empty{}, http.StatusOK, &asked)
	require.True(t, asked.Taken)

	keys, ephemeral, err := securesend.SealRequestKeys(begun.Key)
	require.NoError(t, err)
	header := securesend.Header{Request: true, Ephemeral: ephemeral}
	manifest, err := keys.SealManifest([32]byte(begun.Context), header, securesend.Manifest{Text: "4711"})
	require.NoError(t, err)
	w.call(q.path+"/commit", wire.Commit{Upload: upload, Header: header.Bytes(), Manifest: manifest}, http.StatusOK, nil)
	got, err := w.svc.Receive(t.Context(), q.Ref, "jane", securesend.RandomKey())
	require.NoError(t, err)
	require.Equal(t, "4711", got.Text.Reveal())
}
