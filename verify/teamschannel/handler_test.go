package teamschannel_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/teamschannel"
)

var errStore = errors.New("the store is down")

// scripted is a service that answers as it is told.
type scripted struct {
	view     verify.View
	result   verify.Result
	facts    []error // one for each call, then nil
	answer   error
	deny     error
	ask      error
	asked    []verify.AskRequest
	answered []verify.Answer
}

func (s *scripted) Facts(context.Context, verify.Ref, string) (verify.View, error) {
	if len(s.facts) == 0 {
		return s.view, nil
	}
	err := s.facts[0]
	s.facts = s.facts[1:]
	if err != nil {
		return verify.View{}, err
	}
	return s.view, nil
}

func (s *scripted) Answer(_ context.Context, a verify.Answer) (verify.Result, error) {
	s.answered = append(s.answered, a)
	return s.result, s.answer
}

func (s *scripted) Deny(context.Context, verify.Denial) (verify.Result, error) {
	return s.result, s.deny
}

func (s *scripted) Ask(_ context.Context, r verify.AskRequest) (verify.Challenge, error) {
	s.asked = append(s.asked, r)
	return verify.Challenge{}, s.ask
}

// pressed gives a turn of Dana to the handler of a verb.
func pressed(t *testing.T, s *scripted, verb string, o *teamschannel.Options) (teamsapp.Reply, error) {
	t.Helper()
	f := newFake()
	require.NoError(t, teamschannel.Register(f, s, o))
	user, err := teamsapp.NewUser(contosoTID, danaOID)
	require.NoError(t, err)
	return f.handlers[verb](t.Context(), teamsapp.Turn{
		Tenant: "contoso", User: user, Verb: verb, ID: "t1", Data: map[string]any{"id": "c1", "answer": "123"},
	})
}

func pendingView(k verify.Kind, m verify.Method) verify.View {
	return verify.View{
		Ref: verify.Ref{Tenant: "contoso", ID: "c1"}, Kind: k, Method: m, State: verify.StatePending, Brand: mspkit.Brand{Name: "Northwind IT"},
		Technician: "Jane Doe", Purpose: "reset your password", TriesLeft: 2, InCall: true, CallBegan: time.Unix(1_800_000_000, 0),
	}
}

func TestAPressThatCountedIsAnsweredEvenIfTheRequestCannotBeReadAgain(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		verb   string
		kind   verify.Kind
		method verify.Method
		result verify.Result
		want   string
	}{
		"confirmed":   {"verify.answer", verify.KindCaller, verify.MethodNumber, verify.Result{State: verify.StateConfirmed}, "Thank you, it is confirmed"},
		"wrong":       {"verify.answer", verify.KindCaller, verify.MethodNumber, verify.Result{State: verify.StateWrong, TriesLeft: 1}, "You have one try left."},
		"failed":      {"verify.answer", verify.KindCaller, verify.MethodNumber, verify.Result{State: verify.StateFailed}, "Ask for a new number"},
		"frozen":      {"verify.answer", verify.KindCaller, verify.MethodNumber, verify.Result{State: verify.StateFrozen}, "Verification is paused"},
		"locked":      {"verify.answer", verify.KindCaller, verify.MethodNumber, verify.Result{State: verify.StateLocked}, "Verification is locked"},
		"other words": {"verify.answer", verify.KindTechnician, verify.MethodWord, verify.Result{State: verify.StateWrong, TriesLeft: 1}, "These are not our words."},
		"not me":      {"verify.not-me", verify.KindCaller, verify.MethodNumber, verify.Result{State: verify.StateDenied}, "Our helpdesk has been alerted."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &scripted{view: pendingView(tc.kind, tc.method), result: tc.result, facts: []error{nil, errStore}}
			if tc.verb == "verify.not-me" {
				s.facts = []error{errStore}
			}
			reply, err := pressed(t, s, tc.verb, nil)
			require.NoError(t, err)
			text := reply.Text
			if reply.Card != nil {
				text = reply.Card.Text()
			}
			require.Contains(t, text, tc.want)
		})
	}
}

func TestARenewalDuringAnAnswerShowsTheFieldForTheNewNumber(t *testing.T) {
	t.Parallel()
	s := &scripted{view: pendingView(verify.KindCaller, verify.MethodNumber), result: verify.Result{State: verify.StateFailed}}
	reply, err := pressed(t, s, "verify.answer", nil) // the answer used up the tries, and the number was renewed since
	require.NoError(t, err)
	require.Len(t, reply.Card.Actions, 2)
}

func TestWhatIsNotKnownIsAnErrorAndWhatWasRefusedIsNot(t *testing.T) {
	t.Parallel()
	view := pendingView(verify.KindCaller, verify.MethodNumber)
	for name, tc := range map[string]struct {
		s    scripted
		verb string
		want string // empty: the error is returned
	}{
		"the request cannot be read":       {scripted{facts: []error{errStore}}, "verify.answer", ""},
		"the answer cannot be taken":       {scripted{answer: errStore}, "verify.answer", ""},
		"the answer is for somebody else":  {scripted{answer: verify.ErrForbidden}, "verify.answer", "for somebody else"},
		"the request was deleted":          {scripted{answer: verify.ErrNotFound}, "verify.answer", "does not exist any more"},
		"the denial cannot be taken":       {scripted{deny: errStore}, "verify.not-me", ""},
		"the denial comes too often":       {scripted{deny: verify.ErrConflict}, "verify.not-me", ""},
		"the denial is for somebody else":  {scripted{deny: verify.ErrForbidden}, "verify.not-me", "for somebody else"},
		"the denied request was deleted":   {scripted{deny: verify.ErrNotFound}, "verify.not-me", "does not exist any more"},
		"nobody can be looked up":          {scripted{ask: errStore}, "verify.who", ""},
		"the card cannot be delivered":     {scripted{ask: verify.ErrDelivery}, "verify.who", ""},
		"the person is not on record":      {scripted{ask: verify.ErrNotFound}, "verify.who", "We know of no call with you here."},
		"the person has no usable address": {scripted{ask: verify.ErrNoChannel}, "verify.who", "We know of no call with you here."},
		"the person asks too often":        {scripted{ask: &verify.LimitError{Limit: verify.LimitRequests}}, "verify.who", "try again later"},
		"the person is frozen":             {scripted{ask: verify.ErrFrozen}, "verify.who", "stopped for now"},
		"the person is locked":             {scripted{ask: verify.ErrLocked}, "verify.who", "stopped for now"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.s.view = view
			reply, err := pressed(t, &tc.s, tc.verb, nil)
			require.Nil(t, reply.Card)
			if tc.want == "" {
				require.Error(t, err)
				require.Empty(t, reply.Text)
				return
			}
			require.NoError(t, err)
			require.Contains(t, reply.Text, tc.want)
		})
	}
}

func TestTheServiceIsAskedForThePresserAlone(t *testing.T) {
	t.Parallel()
	s := &scripted{view: pendingView(verify.KindCaller, verify.MethodNumber), result: verify.Result{State: verify.StateConfirmed}}
	_, err := pressed(t, s, "verify.answer", nil)
	require.NoError(t, err)
	require.Equal(t, []verify.Answer{{
		Ref: verify.Ref{Tenant: "contoso", ID: "c1"}, Method: verify.MethodNumber, Response: "123", From: contosoTID + "/" + danaOID,
	}}, s.answered)
	_, err = pressed(t, s, "/wie", &teamschannel.Options{Channel: "msteams", Commands: []string{"Wie"}})
	require.NoError(t, err)
	require.Len(t, s.asked, 1)
	require.Equal(t, mspkit.TenantID("contoso"), s.asked[0].Tenant)
	require.Equal(t, "msteams", s.asked[0].Channel)
	require.Equal(t, contosoTID+"/"+danaOID, s.asked[0].From)
	require.Contains(t, s.asked[0].IdempotencyKey, "t1")
	require.Contains(t, s.asked[0].IdempotencyKey, danaOID, "ids of turns are not unique over chats")
}

func TestWhatIsNoIDReachesNoStore(t *testing.T) {
	t.Parallel()
	user, err := teamsapp.NewUser(contosoTID, danaOID)
	require.NoError(t, err)
	for _, id := range []any{nil, "", 7, true, "a b", "../c1", "c1\x00", "c1'--", "ｃ1", strings.Repeat("a", 129)} {
		f := newFake()
		require.NoError(t, teamschannel.Register(f, untouched{t: t}, nil))
		for _, verb := range []string{"verify.answer", "verify.not-me"} {
			r, err := f.handlers[verb](t.Context(), teamsapp.Turn{Tenant: "contoso", User: user, Verb: verb, ID: "t1", Data: map[string]any{"id": id, "answer": "123"}})
			require.NoError(t, err)
			require.Equal(t, "This request does not exist any more.", r.Text)
		}
	}
}

// untouched is a service that must not be asked.
type untouched struct {
	teamschannel.Service

	t *testing.T
}

func (u untouched) Facts(context.Context, verify.Ref, string) (verify.View, error) {
	u.t.Error("asked for the facts")
	return verify.View{}, verify.ErrNotFound
}

func (u untouched) Deny(context.Context, verify.Denial) (verify.Result, error) {
	u.t.Error("asked to deny")
	return verify.Result{}, verify.ErrNotFound
}
