package verify_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/verifytest"
)

func TestASandboxTenantAnswersToFixedNumbersCodesAndWords(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	w := newWorld(t, func(_ *world, o *verify.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	w.settings.Sandbox = verifytest.Sandbox(t)
	ctx := t.Context()
	c, err := w.Start(ctx, w.request())
	require.NoError(t, err)
	require.True(t, c.Sandbox)
	require.Equal(t, []string{verifytest.SandboxNumber, verifytest.SandboxWord}, []string{c.Number.Reveal(), c.Word.Reveal()})
	require.Equal(t, 1, w.mail.count(), "it is delivered like any other")
	require.Equal(t, verify.StateWrong, w.answer(t, c, "321").State, "and other answers are wrong")
	c, err = w.Renew(ctx, verify.RenewRequest{Ref: c.Ref, Technician: jane.ID})
	require.NoError(t, err)
	require.Equal(t, verifytest.SandboxNumber, c.Number.Reveal())
	require.Equal(t, verify.StateConfirmed, w.answer(t, c, verifytest.SandboxNumber).State)
	require.Contains(t, log.String(), "answers of this tenant are fixed")
	require.NotContains(t, log.String(), verifytest.SandboxNumber)

	code, sent := w.startCode(t)
	require.Equal(t, "123456", sent)
	require.Equal(t, verify.StateConfirmed, w.check(t, code, "123456").State)
	w.settings.Limits.CodeDigits = 8
	_, sent = w.startCode(t)
	require.Equal(t, verifytest.SandboxCode, sent)

	called, err := w.StartTechnician(ctx, verify.TechnicianRequest{Tenant: tenant, Subject: w.dana(), By: jane.ID, Call: &verify.Call{Technician: jane}})
	require.NoError(t, err)
	res, err := w.Answer(ctx, verify.Answer{Ref: called.Ref, Method: verify.MethodWord, Response: verifytest.SandboxWord})
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, res.State)
	denied, err := w.Start(ctx, w.request())
	require.NoError(t, err)
	res, err = w.Deny(ctx, verify.Denial{Ref: denied.Ref, Word: verifytest.SandboxWord})
	require.NoError(t, err)
	require.Equal(t, verify.StateDenied, res.State)

	w.kinds(t)
	for _, e := range w.events {
		switch e.Kind {
		case verify.EventSent: // of the channel
		default:
			require.True(t, strings.HasPrefix(e.Reason, "sandbox"), "%s says %q", e.Kind, e.Reason)
		}
	}
}

func TestASandboxEndsWithItsTestAndElsewhereThereIsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	t.Run("the test of an integrator", func(t *testing.T) { // not in parallel: it has to end first
		w.settings.Sandbox = verifytest.Sandbox(t)
		require.True(t, w.settings.Sandbox.On())
	})
	require.False(t, w.settings.Sandbox.On())
	require.NoError(t, json.Unmarshal([]byte(`{"Sandbox": {"on": true, "On": true}}`), &w.settings), "settings from a file")
	fixed := 0
	for range 20 {
		c, err := w.Start(t.Context(), w.request())
		require.NoError(t, err)
		require.False(t, c.Sandbox)
		if c.Number.Reveal() == verifytest.SandboxNumber {
			fixed++
		}
		w.pass(24 * time.Hour)
	}
	require.Less(t, fixed, 5)
	w.kinds(t)
	for _, e := range w.events {
		require.NotContains(t, e.Reason, "sandbox")
	}
}
