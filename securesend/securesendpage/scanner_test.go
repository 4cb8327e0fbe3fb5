package securesendpage_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/internal/wire"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// inProcess hands requests to a handler without a network.
type inProcess struct{ http.Handler }

func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI, in.RemoteAddr = r.URL.RequestURI(), "192.0.2.1:1234"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	t.ServeHTTP(rec, in)
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

// Guarantee 2, against the scanner kit without a script; its half in a real browser is in internal/it/browser.
func TestAScannerWithTheWholeLinkOpensNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := []sent{
		w.create(withFile([]byte("x"))), w.create(gate(securesend.GateNone)), w.create(func(r *securesend.SendRequest) { r.Choice.Held = true }), w.grant(), w.ask(),
	}
	before, kinds := w.snapshot(), w.kinds()
	w.store.taken()
	for _, s := range all {
		scanner := &verifytest.Scanner{Exclude: []string{s.Number.Reveal()}}
		report, err := scanner.Scan(t.Context(), &http.Client{Transport: inProcess{w.handler}}, s.Link.Reveal())
		require.NoError(t, err)
		require.Positive(t, report.Pages)
		for status := range report.Status {
			require.Less(t, status, 500)
		}
	}
	for _, verb := range w.store.taken() {
		require.Equal(t, "Stat", verb)
	}
	require.Equal(t, before.records, w.snapshot().records)
	require.Equal(t, kinds, w.kinds())
}

// What runs the script knows the auth, and can type; it does not know the number.
func TestAMachineThatRunsTheScriptLocksAtMost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.create()
	q := w.ask()
	w.call(s.path+"/open", wire.Recipient{Auth: s.auth}, http.StatusOK, nil)
	for i := range 1000 {
		n := fmt.Sprintf("%03d", i)
		if n != s.Number.Reveal() {
			rec := w.post(s.path+"/take", wire.Take{Auth: s.auth, Claim: securesend.RandomKey(), Number: n})
			require.Contains(t, []int{http.StatusForbidden, http.StatusLocked}, rec.Code)
		}
		if n != q.Number.Reveal() {
			rec := w.post(q.path+"/begin", wire.Upload{Upload: securesend.RandomKey(), Number: n})
			require.Contains(t, []int{http.StatusForbidden, http.StatusLocked}, rec.Code)
		}
	}
	for _, name := range []string{"ack", "chunks"} {
		require.GreaterOrEqual(t, w.post(s.path+"/"+name, wire.Chunks{Auth: s.auth, Claim: s.claim, To: 1}).Code, 400)
	}
	st, err := w.svc.Status(t.Context(), s.Ref, "jane")
	require.NoError(t, err)
	require.Equal(t, securesend.StateReady, st.State, "nothing is burnt")
	require.Equal(t, 2, st.Refusals)
	require.True(t, st.RevealedAt.IsZero())
	st, err = w.svc.Renew(t.Context(), s.Ref, "jane")
	require.NoError(t, err)
	w.call(s.path+"/take", wire.Take{Auth: s.auth, Claim: s.claim, Number: st.Number.Reveal()}, http.StatusOK, nil)
	st, err = w.svc.Renew(t.Context(), q.Ref, "jane")
	require.NoError(t, err)
	w.call(q.path+"/begin", wire.Upload{Upload: securesend.RandomKey(), Number: st.Number.Reveal()}, http.StatusOK, nil)
}
