package workflows_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp/workflows"
	"github.com/mspkit/mspkit/teamsapp/workflows/workflowstest"
)

func TestATestSaysWhatItProves(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connect("helpdesk")
	res, err := r.svc.Test(t.Context(), contoso, c.ID)
	require.NoError(t, err)
	require.True(t, res.Accepted)
	require.Equal(t, 202, res.Status)
	require.Contains(t, res.Proves, "accepted")
	require.Contains(t, res.DoesNot, "Look into the channel")
	require.Empty(t, res.Advice)
	runs := r.srv.Runs()
	require.Len(t, runs, 1)
	require.Equal(t, runs[0].ID, res.RunID)
	require.Equal(t, runs[0].TrackingID, res.TrackingID)
	require.Equal(t, "Hello, World", runs[0].Shown())
	require.Equal(t, r.clock.Now(), r.one(c).TestedAt)

	r.srv.Fail("helpdesk", workflowstest.Fault{Status: 200, After: true})
	res, err = r.svc.Test(t.Context(), contoso, c.ID)
	require.NoError(t, err)
	require.Equal(t, 200, res.Status)
	require.Contains(t, res.Proves, "answered itself")

	// A flow that does not read what it gets says so to nobody: that is what 202 does not prove.
	c.Form = workflows.FormText
	_, err = r.svc.Connect(t.Context(), c)
	require.NoError(t, err)
	res, err = r.svc.Test(t.Context(), contoso, c.ID)
	require.NoError(t, err)
	require.True(t, res.Accepted)
	require.Contains(t, r.srv.Runs()[2].Error, "attachments")
}

func TestBothKindsOfFlowShowThePost(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.srv.Add("template", workflowstest.Flow{Schema: true})
	r.srv.Add("by hand", workflowstest.Flow{Kind: workflowstest.Text})
	r.srv.Add("by hand, strict", workflowstest.Flow{Kind: workflowstest.Text, Schema: true})
	for _, flow := range []string{"template", "by hand", "by hand, strict"} {
		c := r.connect(flow)
		_, err := r.svc.Test(t.Context(), contoso, c.ID)
		require.NoError(t, err)
		require.Equal(t, []string{"Hello, World"}, r.shown(flow))
	}
}

func TestARefusedTestSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		flow    workflowstest.Flow
		fault   workflowstest.Fault
		form    workflows.Form
		kind    error
		code    string
		says    string
		stored  bool
		unclear bool
	}{
		"switched off": {flow: workflowstest.Flow{State: workflowstest.Off}, kind: workflows.ErrGone, code: "WorkflowTriggerIsNotEnabled", says: "switch it on", stored: true},
		"deleted":      {flow: workflowstest.Flow{State: workflowstest.Deleted}, kind: workflows.ErrGone, code: "WorkflowTriggerIsNotEnabled", says: "deleted", stored: true},
		"unknown":      {flow: workflowstest.Flow{State: workflowstest.Unknown}, kind: workflows.ErrGone, code: "WorkflowNotFound", says: "no such flow", stored: true},
		"sign-in":      {flow: workflowstest.Flow{SignIn: true}, kind: workflows.ErrUnauthorized, code: "DirectApiAuthorizationRequired", says: "Anyone", stored: true},
		"no signature": {flow: workflowstest.Flow{NoSignatures: true}, kind: workflows.ErrUnauthorized, code: "DirectApiInvalidAuthorizationScheme", says: "administrator", stored: true},
		"schema":       {flow: workflowstest.Flow{Schema: true}, form: workflows.FormText, kind: workflows.ErrRefused, code: "TriggerInputSchemaMismatch", says: "schema", stored: true},
		"too large":    {fault: workflowstest.Fault{Status: 413}, kind: workflows.ErrTooLarge, says: "shorter", stored: true},
		"throttled":    {fault: workflowstest.Fault{Status: 429, RetryAfter: 9 * time.Second}, kind: workflows.ErrThrottled, says: "throttled"},
		"busy":         {fault: workflowstest.Fault{Status: 503}, kind: workflows.ErrUnavailable, says: "outage"},
		"a gateway":    {fault: workflowstest.Fault{Status: 504, After: true}, kind: workflows.ErrUnavailable, says: "outage", unclear: true},
		"redirect":     {fault: workflowstest.Fault{Status: 307, Location: "https://evil.example/"}, kind: workflows.ErrProtocol, says: "redirects are not followed", stored: true},
		"lost":         {fault: workflowstest.Fault{Drop: true}, kind: workflows.ErrUnavailable, says: "outage", unclear: true},
		"hangs":        {fault: workflowstest.Fault{Hang: true}, kind: workflows.ErrUnavailable, says: "outage", unclear: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(o *workflows.Options) {
				if tc.fault.Hang {
					o.Timeout = 500 * time.Millisecond
				}
			})
			r.srv.Add("helpdesk", tc.flow)
			if tc.fault != (workflowstest.Fault{}) {
				r.srv.Fail("helpdesk", tc.fault)
			}
			c := r.connect("helpdesk", func(c *workflows.Connection) { c.Form = tc.form })
			res, err := r.svc.Test(t.Context(), contoso, c.ID)
			require.ErrorIs(t, err, tc.kind)
			e, ok := errors.AsType[*workflows.Error](err)
			require.True(t, ok)
			require.Equal(t, tc.code, e.Code)
			require.Equal(t, tc.unclear, e.Unclear)
			require.Equal(t, tc.fault.RetryAfter, e.RetryAfter)
			require.False(t, res.Accepted)
			require.Equal(t, e.Status, res.Status)
			require.Equal(t, tc.code, res.Code)
			require.Contains(t, res.Advice, tc.says)
			if tc.unclear {
				require.Contains(t, res.Proves, "may come")
			} else {
				require.Contains(t, res.Proves, "nothing will come")
			}
			have := r.one(c)
			require.True(t, have.TestedAt.IsZero())
			require.Equal(t, tc.stored, have.Fault != "")
			if tc.stored {
				require.Contains(t, have.Fault, tc.says)
			}
		})
	}
}
