package main

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/teamstest"
	"github.com/mspkit/mspkit/verify"
)

const (
	waitFor = 10 * time.Second
	tick    = 5 * time.Millisecond
)

// serveTestApp runs the program, with the app installed in people's Teams.
func serveTestApp(t *testing.T) *app {
	t.Helper()
	l, err := listen(t.Context(), "-addr", "127.0.0.1:0")
	require.NoError(t, err)
	a, err := newApp(t.Context(), config{dir: t.TempDir(), url: "http://" + l.Addr().String()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.serve(ctx, l, nil) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	require.Eventually(t, func() bool {
		for _, p := range a.people {
			if p.Teams != "" && a.teams.has(p) == p.NoApp {
				return false
			}
		}
		return true
	}, waitFor, tick)
	return a
}

// post presses a button of the portal and returns the status and the error that is shown.
func post(t *testing.T, a *app, action string, fields url.Values) (status int, shown string) {
	t.Helper()
	status, raw := walks(t, a).player.as("jane", http.MethodPost, "/api/"+action, fields)
	var v struct {
		Error string `json:"error"`
	}
	if json.Unmarshal([]byte(raw), &v) != nil {
		return status, raw
	}
	return status, v.Error
}

func TestBadInputToThePersonsTeamsIsRefused(t *testing.T) {
	t.Parallel()
	a := serveTestApp(t)
	dana, _ := a.person("contoso", "dana")
	c, err := a.verify.Start(t.Context(), verify.StartRequest{
		Tenant: dana.Tenant, Subject: dana.subject(), Action: verify.ActionResetPassword, Technician: jane(t, a).Technician, Ticket: dana.Ticket,
	})
	require.NoError(t, err)
	require.Equal(t, "teams", c.Channel, c.Failover)
	id := a.chat(dana)[0].ID

	for name, tc := range map[string]struct {
		action string
		fields url.Values
		status int
		want   string
	}{
		"nobody":             {"press", url.Values{"person": {"eve"}}, http.StatusNotFound, "no such person"},
		"another client's":   {"say", url.Values{"tenant": {"fabrikam"}, "text": {"who"}}, http.StatusNotFound, "no such person"},
		"no Teams":           {"say", url.Values{"tenant": {"fabrikam"}, "person": {"omar"}, "text": {"who"}}, 422, "has no Teams"},
		"no message":         {"press", nil, 422, "not in the chat"},
		"no such message":    {"press", url.Values{"message": {"1"}}, 422, "not in the chat"},
		"somebody else's":    {"press", url.Values{"person": {"mira"}, "message": {id}, "button": {confirmButton}, answerField: {"123"}}, 422, "not in the chat"},
		"no app, a press":    {"press", url.Values{"person": {"lukas"}, "message": {id}, "button": {confirmButton}}, 422, "not installed"},
		"no app, a message":  {"say", url.Values{"person": {"lukas"}, "text": {"who"}}, 422, "not installed"},
		"no button":          {"press", url.Values{"message": {id}}, 422, "does not have this button"},
		"no such button":     {"press", url.Values{"message": {id}, "button": {"Delete"}}, 422, "does not have this button"},
		"an empty field":     {"press", url.Values{"message": {id}, "button": {confirmButton}, answerField: {" "}}, 422, "not filled in"},
		"a field of its own": {"press", url.Values{"message": {id}, "button": {confirmButton}, answerField: {"123"}, "in.id": {"x"}}, 422, "not filled in"},
		"a long answer":      {"press", url.Values{"message": {id}, "button": {confirmButton}, answerField: {strings.Repeat("1", 5000)}}, 422, "not filled in"},
		"nothing said":       {"say", url.Values{"text": {" \n"}}, 422, "1 to 500"},
		"too much said":      {"say", url.Values{"text": {strings.Repeat("ä", maxSaid+1)}}, 422, "1 to 500"},
		"no text":            {"say", url.Values{"text": {"a\xff"}}, 422, "1 to 500"},
		"neither on nor off": {"install", url.Values{"on": {"yes"}}, 422, "true or false"},
		"nothing to remove":  {"install", url.Values{"tenant": {"fabrikam"}, "person": {"omar"}, "on": {"false"}}, 422, "has no Teams"},
	} {
		fields := url.Values{"tenant": {"contoso"}, "person": {"dana"}}
		maps.Copy(fields, tc.fields)
		status, shown := post(t, a, tc.action, fields)
		require.Equal(t, tc.status, status, "%s: %s", name, shown)
		require.Contains(t, shown, tc.want, name)
	}
	got, err := a.verify.Get(t.Context(), c.Ref, "jane")
	require.NoError(t, err)
	require.Equal(t, verify.StatePending, got.State)
	require.Equal(t, c.TriesLeft, got.TriesLeft, "a press that was refused was counted")
	require.Len(t, a.chat(dana), 1, "what was refused stands in the chat")
}

func TestTheBotTakesNothingUnsigned(t *testing.T) {
	t.Parallel()
	a := serveTestApp(t)
	dana, _ := a.person("contoso", "dana")
	message := a.teams.Activity(a.teams.person(dana), "message")
	message["text"] = "who"
	for name, token := range map[string]string{"no token": "", "another's token": "e30.e30.e30"} {
		r, err := a.teams.Deliver(t.Context(), message, token)
		require.NoError(t, err)
		require.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, r.HTTPStatus, name)
	}
	require.Empty(t, a.chat(dana))
}

func TestWithARealBotNothingIsPlayed(t *testing.T) {
	t.Parallel()
	u, err := teamsapp.NewUser(contosoEntra, contosoEntra)
	require.NoError(t, err)
	a := newTestApp(t, config{realTeams: true, botID: fabrikamEntra, botTenant: fabrikamEntra, botSecret: mspkit.Redact("hidden"), demoTeams: u.String(), publicURL: "https://help.example"})
	require.Nil(t, a.teams)
	for action, fields := range map[string]url.Values{"press": {}, "say": {"text": {"who"}}, "install": {"on": {"false"}}} {
		fields.Set("tenant", "contoso")
		fields.Set("person", "dana")
		status, shown := post(t, a, action, fields)
		require.Equal(t, 422, status, action)
		require.Contains(t, shown, "real device", action)
	}
	for _, p := range a.people {
		require.Equal(t, p.ID == "dana", p.Teams != "", "a made-up person must not be looked for in a real Teams: %s", p.ID)
	}
	tenant, err := a.customer(t.Context(), u.TenantID)
	require.NoError(t, err)
	require.EqualValues(t, "contoso", tenant)
	_, err = a.customer(t.Context(), fabrikamEntra)
	require.ErrorIs(t, err, teamsapp.ErrUnknownTenant)
	_, err = a.customer(t.Context(), "")
	require.ErrorIs(t, err, teamsapp.ErrUnknownTenant)
}

func TestTheReasonForAnotherWayIsReadAsASentence(t *testing.T) {
	t.Parallel()
	for failover, want := range map[string]string{
		"": "",
		"teams: the app is not installed for this person":                             "Teams could not be used: the app is not installed for this person. Sent by e-mail instead.",
		"teams: the person has blocked the bot; sms: the channel could not deliver":   "Teams could not be used: the person has blocked the bot. The text message could not be used: the channel could not deliver. Sent by e-mail instead.",
		"teams: no, never; not today: really":                                         "Teams could not be used: no, never; not today: really. Sent by e-mail instead.",
		"something else":                                                              "something else. Sent by e-mail instead.",
		"teams: the service is not available; it may have been sent; sms: no such no": "Teams could not be used: the service is not available; it may have been sent. The text message could not be used: no such no. Sent by e-mail instead.",
	} {
		require.Equal(t, want, failoverWords(failover, "email"))
	}
}

func TestErrorsOnTheDeviceAreExplained(t *testing.T) {
	t.Parallel()
	for _, err := range []error{teamstest.ErrNotInstalled, teamstest.ErrNoButton, teamstest.ErrInput} {
		require.NotContains(t, explain(err), "teamstest")
	}
}
