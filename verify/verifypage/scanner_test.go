package verifypage_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify"
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

func (w *world) scan(link string, s *verifytest.Scanner) verifytest.Report {
	w.t.Helper()
	report, err := s.Scan(w.t.Context(), &http.Client{Transport: inProcess{w.handler}}, "https://help.example"+link+"#fragment")
	require.NoError(w.t, err)
	for status := range report.Status {
		require.Less(w.t, status, 500)
	}
	return report
}

// few is for pages where no number counts.
var few = &verifytest.Scanner{Guesses: []string{"", "yes", "123", "apple apple", "apfel apfel", "<b>"}}

func count(kinds []verify.EventKind, k verify.EventKind) (n int) {
	for _, kind := range kinds {
		if kind == k {
			n++
		}
	}
	return n
}

// Guarantee 2, against the scanner kit; its half in a real browser is in internal/it/browser.
func TestAScannerWithTheWholeLinkConfirmsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, link := w.start("dana")
	report := w.scan(link, &verifytest.Scanner{Exclude: []string{c.Number.Reveal()}})
	require.GreaterOrEqual(t, report.Forms, 3, "the number, not me, and the words")
	require.Greater(t, report.Submissions, 2000)

	c = w.state(c)
	require.Equal(t, verify.StateFailed, c.State, "the tries of this number are used up, no more")
	require.Empty(t, c.Proof.Reveal())
	kinds := w.kinds()
	require.Equal(t, 2, count(kinds, verify.EventAttempted))
	require.Equal(t, 1, count(kinds, verify.EventFailed), "the technician is told")
	require.LessOrEqual(t, count(kinds, verify.EventDenialHint), 1)
	for _, k := range []verify.EventKind{verify.EventConfirmed, verify.EventDenied, verify.EventFrozen, verify.EventLocked, verify.EventRedeemed} {
		require.Zero(t, count(kinds, k), k)
	}
	sub, err := w.svc.Subject(t.Context(), tenant, "dana")
	require.NoError(t, err)
	require.Equal(t, verify.SubjectState{Failures: 2}, sub)

	// The technician gives a new number, the right caller types it, and the scanner comes back.
	c, err = w.svc.Renew(t.Context(), verify.RenewRequest{Ref: c.Ref, Technician: jane.ID})
	require.NoError(t, err)
	w.post(link, answer(c.Number.Reveal()))
	c = w.state(c)
	require.Equal(t, verify.StateConfirmed, c.State)
	before := w.kinds()
	w.scan(link, few)
	require.Equal(t, before, w.kinds(), "a scan after the end changes nothing")
	require.NoError(t, w.svc.Redeem(t.Context(), c.Proof, verify.Expect{
		Tenant: tenant, Subject: "dana", Action: verify.ActionIdentify, Technician: jane.ID, Ticket: c.Ticket,
	}, "job-1"))
}

func TestAScannerCannotMakeATechnicianGenuine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, link := w.startTechnician("dana", w.inCall())
	w.scan(link, few)
	require.Equal(t, verify.StateFailed, w.state(c).State)
	kinds := w.kinds()
	require.Zero(t, count(kinds, verify.EventConfirmed))
	require.Positive(t, count(kinds, verify.EventMismatch), "the alert comes whoever typed the wrong words")
	sub, err := w.svc.Subject(t.Context(), tenant, "dana")
	require.NoError(t, err)
	require.True(t, sub.FrozenUntil.IsZero())

	c, err = w.svc.Renew(t.Context(), verify.RenewRequest{Ref: c.Ref, Technician: jane.ID})
	require.NoError(t, err)
	body, _, _ := w.post(link, answer(c.Word.Reveal()))
	require.Contains(t, body, "This is really Jane Doe")

	c, link = w.startTechnician("eve", nil)
	before := w.kinds()
	w.scan(link, few)
	require.Equal(t, before, w.kinds(), "without a call there is nothing to be tried")
	require.Equal(t, verify.StatePending, w.state(c).State)
}

func TestAScannerOfThePublicFormReachesNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.known["dana@northwind.example"] = &verify.TechnicianRequest{Subject: subject("dana"), Call: w.inCall()}
	w.scan(strings.TrimPrefix(w.pages.PublicURL(tenant), "https://help.example"), few)
	w.pass(10 * time.Second)
	require.NoError(t, w.svc.RunOnce(t.Context()))
	require.Empty(t, w.mail.Sent())
	due, err := w.store.Due(t.Context(), w.now().Add(time.Hour), time.Minute, 1000)
	require.NoError(t, err)
	require.Empty(t, due, "what was asked for is worked off")
}
