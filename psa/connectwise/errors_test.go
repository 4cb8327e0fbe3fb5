package connectwise_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/connectwise"
	"github.com/mspkit/mspkit/psa/psatest"
	"github.com/stretchr/testify/require"
)

func contextWithTimeout(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}

func TestWhatAnErrorSays(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]struct {
		status int
		body   string
		want   error
		code   string
		fields []string
		says   string
	}{
		"a missing field": {
			400, `{"code":"InvalidObject","message":"ticket object is invalid SECRET","errors":[{"code":"MissingRequiredField","message":"SECRET","resource":"ticket","field":"summary"},{"code":"X","field":"board/id"}]}`,
			psa.ErrValidation, "MissingRequiredField",
			[]string{"summary", "board/id"},
			"fields summary, board/id",
		},
		"a duplicate":             {400, `{"code":"InvalidObject","errors":[{"code":"ObjectExists","message":"SECRET"}]}`, psa.ErrValidation, "ObjectExists", nil, "there is one already"},
		"too long":                {400, `{"code":"InvalidObject","errors":[{"code":"MaxLength","field":"text"}]}`, psa.ErrTooLong, "MaxLength", []string{"text"}, "too long"},
		"not authenticated":       {401, `{"code":"ConnectWiseApi","message":"SECRET","errors":[{"code":"UserNotAuthenticated"}]}`, psa.ErrUnauthorized, "UserNotAuthenticated", nil, "expired"},
		"not authenticated, 400":  {400, `{"code":"ConnectWiseApi","errors":[{"code":"UserNotAuthenticated"}]}`, psa.ErrUnauthorized, "UserNotAuthenticated", nil, "API member"},
		"a page":                  {400, "<html>SECRET", psa.ErrValidation, "", nil, "status 400"},
		"a code that is a text":   {400, `{"code":"SECRET text"}`, psa.ErrValidation, "", nil, ""},
		"errors that are no list": {400, `{"code":"A","errors":{"x":1}}`, psa.ErrValidation, "", nil, ""},
		"errors null":             {409, `{"code":"Conflict","message":null,"errors":null}`, psa.ErrConflict, "Conflict", nil, ""},
	} {
		c, srv := start(t, nil, nil)
		srv.Desk().SetFault(psatest.Times(-1, psatest.Fault{Status: v.status, Body: v.body}, psatest.OpAddNote))
		_, err := c.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
		require.ErrorIs(t, err, v.want, name)
		var e *psa.Error
		require.ErrorAs(t, err, &e, name)
		require.Equal(t, v.code, e.Code, name)
		require.Equal(t, v.fields, e.Fields, name)
		require.Equal(t, v.status, e.Status, name)
		require.ErrorContains(t, err, v.says, name)
		require.NotContains(t, err.Error(), "SECRET", name)
		require.NotContains(t, fmt.Sprintf("%+v", e), "SECRET", name)
		if strings.Contains(v.body, `"message":"SECRET"`) {
			require.Contains(t, e.Message.Reveal(), "SECRET", name)
		}
	}
}

func TestAMissingPermissionIsNamed(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	desk := srv.Desk()
	forbid := func(op string) {
		desk.SetFault(psatest.Times(-1, psatest.Fault{Status: http.StatusForbidden, Body: `{"code":"Forbidden"}`}, op))
	}
	now := time.Now()
	for _, v := range []struct {
		op, want string
		do       func(context.Context) error
	}{
		{psatest.OpGetTicket, "Service Tickets: Inquire", func(ctx context.Context) error { _, err := c.GetTicket(ctx, ref("4711")); return err }},
		{psatest.OpListNotes, "Service Tickets: Inquire", func(ctx context.Context) error { _, err := c.ListNotes(ctx, ref("4711"), now); return err }},
		{psatest.OpAddNote, "Service Tickets: Edit", func(ctx context.Context) error {
			_, err := c.AddNote(ctx, ref("4711"), psa.Note{Text: "x"})
			return err
		}},
		{psatest.OpSetStatus, "Service Tickets: Edit", func(ctx context.Context) error { return c.SetStatus(ctx, ref("4711"), psa.Named{ID: "17"}) }},
		{psatest.OpCreateTicket, "Service Tickets: Add", func(ctx context.Context) error {
			_, err := c.CreateTicket(ctx, "contoso", psa.NewTicket{Title: "x", CompanyID: "12"})
			return err
		}},
		{psatest.OpFindTicket, "Service Tickets: Inquire", func(ctx context.Context) error {
			_, err := c.CreateTicket(ctx, "contoso", psa.NewTicket{Title: "x", CompanyID: "12", Key: "k"})
			return err
		}},
		{psatest.OpListContacts, "Contacts: Inquire", func(ctx context.Context) error { _, err := c.ListContacts(ctx, psa.Query{}); return err }},
		{psatest.OpFindContacts, "Contacts: Inquire", func(ctx context.Context) error { _, err := c.FindByEmail(ctx, "a@b"); return err }},
		{psatest.OpContactNote, "Contacts: Edit", func(ctx context.Context) error {
			_, err := c.AddContactNote(ctx, "contoso", "201", psa.Note{Text: "x"})
			return err
		}},
		{psatest.OpListCompanies, "Company Maintenance: Inquire", func(ctx context.Context) error { _, err := c.ListCompanies(ctx, psa.Query{}); return err }},
		{psatest.OpListOptions, "Table Setup: Inquire", func(ctx context.Context) error {
			_, err := c.ListOptions(ctx, psa.FieldPriority, psa.Defaults{})
			return err
		}},
		{psatest.OpLogTime, "Time Entry: Add", func(ctx context.Context) error {
			_, err := c.LogTime(ctx, ref("4711"), psa.TimeEntry{Start: now.Add(-time.Hour), End: now})
			return err
		}},
		{"callback", "Table Setup: Add", func(ctx context.Context) error { _, err := c.CheckCallback(ctx, "1"); return err }},
	} {
		forbid(v.op)
		err := v.do(t.Context())
		require.ErrorIs(t, err, psa.ErrForbidden, v.op)
		require.ErrorContains(t, err, "security role needs", v.op)
		require.ErrorContains(t, err, v.want, v.op)
	}
}

func TestThrottlingIsWaitedForAlsoWhereCloudflareThrottles(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	desk := srv.Desk()
	desk.SetFault(psatest.Times(1, psatest.CloudflareTooMany(), psatest.OpAddNote))
	_, err := c.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
	require.NoError(t, err, "429 is a refusal, so a note is sent again")
	require.Len(t, desk.Notes("4711"), 1)

	desk.SetFault(psatest.Times(-1, psatest.CloudflareTooMany(), psatest.OpAddNote))
	_, err = c.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
	require.ErrorIs(t, err, psa.ErrRateLimited)
	require.ErrorContains(t, err, "in front of the API")
	require.Equal(t, psa.Later, psa.FateOf(err))

	desk.SetFault(psatest.Times(-1, psatest.Fault{
		Status: 429, Header: map[string]string{"Retry-After": "30"}, Body: `{"error":"ConnectWiseAPI","message":"Too many requests. Please try again in 30 seconds."}`,
	}, psatest.OpGetTicket))
	_, err = c.GetTicket(t.Context(), ref("4711"))
	require.ErrorIs(t, err, psa.ErrRateLimited)
	var e *psa.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "ConnectWiseAPI", e.Code)
	require.Equal(t, 30*time.Second, e.RetryAfter)
}

func TestOnlyReadingIsRepeated(t *testing.T) {
	t.Parallel()
	for status, tries := range map[int]int{500: 4, 502: 4, 503: 4, 504: 4, 400: 1, 401: 1, 403: 1, 409: 1} {
		c, srv, rec := recorded(t, nil, func(o *connectwise.Options) { o.Codebase = "v2025_1/" })
		srv.Desk().SetFault(psatest.Times(-1, psatest.Fault{Status: status}))
		_, err := c.GetTicket(t.Context(), ref("4711"))
		require.Error(t, err)
		require.Len(t, rec.take(), tries, status)
		srv.Desk().SetFault(psatest.Times(-1, psatest.Fault{Status: status}, psatest.OpAddNote, psatest.OpCreateTicket, psatest.OpSetStatus, psatest.OpLogTime))
		_, err = c.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
		require.Error(t, err)
		err = c.SetStatus(t.Context(), ref("4711"), psa.Named{ID: "17"})
		require.Error(t, err)
		_, err = c.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: "x", CompanyID: "12"})
		require.Error(t, err)
		require.Equal(t, status >= 500, psa.FateOf(err) == psa.Unclear, status)
		writes := 0
		for _, s := range rec.take() {
			if s.method != http.MethodGet {
				writes++
			}
		}
		require.Equal(t, 3, writes, status)
	}
}
