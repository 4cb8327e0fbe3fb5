package teamsapp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/teamstest"
)

const (
	e2eApp      = "3a0f4f0e-5d53-4d8c-9a53-0d3f3c1b7a01"
	e2eSecret   = "the client secret"
	e2eContoso  = "c0c0c0c0-1111-4222-8333-444455556666"
	e2eFabrikam = "fafafafa-1111-4222-8333-444455556666"
	e2eStranger = "5e5e5e5e-1111-4222-8333-444455556666" // was not onboarded
)

// e2e is a bot, and Microsoft on the other side of the wire.
type e2e struct {
	tb    testing.TB
	s     *teamstest.Server
	bot   *teamsapp.Bot
	dana  *teamstest.Person
	turns atomic.Int32
	last  atomic.Pointer[teamsapp.Turn]

	mu       sync.Mutex
	installs []teamsapp.Installation
}

func newE2E(tb testing.TB, server *teamstest.Options, change func(*teamsapp.Options)) *e2e {
	tb.Helper()
	e := &e2e{tb: tb}
	var err error
	e.s, err = teamstest.Start(e2eApp, e2eSecret, server)
	require.NoError(tb, err)
	e.bot = e.instance(teamsapp.NewMemory(), change)
	front := httptest.NewServer(e.bot)
	tb.Cleanup(func() {
		e.s.Close()
		front.Close()
	})
	e.s.Connect(front.URL)
	e.dana = e.s.AddPerson(e2eContoso, e2eObject(0), "Dana", "en-US")
	return e
}

func e2eObject(n int) string { return fmt.Sprintf("da0a0000-0000-4000-8000-%012x", n) }

// instance returns another bot on the store, with the handlers of the first.
func (e *e2e) instance(store teamsapp.Store, change func(*teamsapp.Options)) *teamsapp.Bot {
	e.tb.Helper()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("e2e"))
	require.NoError(e.tb, err)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	e.tb.Cleanup(transport.CloseIdleConnections)
	o := &teamsapp.Options{
		Cloud: e.s.Cloud(), HTTPClient: &http.Client{Transport: transport}, TenantRate: -1,
		OnInstall: func(_ context.Context, i teamsapp.Installation) error {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.installs = append(e.installs, i)
			return nil
		},
	}
	if change != nil {
		change(o)
	}
	app := teamsapp.App{ID: e2eApp, TenantID: e.s.AppTenant(), Credential: teamsapp.ClientSecret(e2eSecret)}
	b, err := teamsapp.New(app, ring, store, func(_ context.Context, entra string) (mspkit.TenantID, error) {
		name, ok := map[string]mspkit.TenantID{e2eContoso: "contoso", e2eFabrikam: "fabrikam"}[entra]
		if !ok {
			return "", teamsapp.ErrUnknownTenant
		}
		return name, nil
	}, o)
	require.NoError(e.tb, err)
	b.Handle("confirm", func(_ context.Context, t teamsapp.Turn) (teamsapp.Reply, error) {
		e.turns.Add(1)
		e.last.Store(&t)
		return teamsapp.Reply{Card: e2eCard("Thank you", nil)}, nil
	})
	b.Command("help", func(_ context.Context, t teamsapp.Turn) (teamsapp.Reply, error) {
		e.last.Store(&t)
		return teamsapp.Reply{Text: "I can help."}, nil
	})
	return b
}

func e2eCard(title string, action teamsapp.Action) *teamsapp.Card {
	c := &teamsapp.Card{Summary: title, Body: []teamsapp.Element{teamsapp.Heading{Text: title}}}
	if action != nil {
		c.Body = append(c.Body, teamsapp.Input{ID: "number", Label: "The number", Required: true, Error: "Type it", MaxLength: 3})
		c.Actions = []teamsapp.Action{action}
	}
	return c
}

func e2eQuestion() *teamsapp.Card {
	return e2eCard("Is this you?", teamsapp.Press{Title: "Confirm", Verb: "confirm", Data: map[string]string{"id": "c1"}})
}

func e2eUser(p *teamstest.Person) teamsapp.User {
	return teamsapp.User{TenantID: p.TenantID, ObjectID: p.ObjectID}
}

func (e *e2e) notify(p *teamstest.Person, m teamsapp.Message) (teamsapp.Receipt, error) {
	return e.bot.Notify(e.tb.Context(), teamsapp.Notification{To: e2eUser(p), Message: m})
}

func (e *e2e) next(p *teamstest.Person) *teamstest.Message {
	e.tb.Helper()
	ctx, cancel := context.WithTimeout(e.tb.Context(), 10*time.Second)
	defer cancel()
	m, err := e.s.Next(ctx, p)
	require.NoError(e.tb, err)
	return m
}

func TestAPersonInstallsIsAskedAnswersAndLeaves(t *testing.T) {
	t.Parallel()
	for _, form := range []teamstest.ServiceForm{teamstest.RegionalURL, teamstest.TenantURL, teamstest.GlobalURL} {
		t.Run("service URL "+string(form), func(t *testing.T) {
			t.Parallel()
			e := newE2E(t, nil, nil)
			e.dana.Form = form
			ctx := t.Context()
			require.NoError(t, e.dana.Install(ctx))
			require.Contains(t, e.installs, teamsapp.Installation{Tenant: "contoso", User: e2eUser(e.dana), Installed: true})

			receipt, err := e.notify(e.dana, teamsapp.Message{Card: e2eQuestion()})
			require.NoError(t, err)
			require.Zero(t, e.s.Count(teamstest.OpCreate), "the chat is known from the installation")
			m := e.next(e.dana)
			require.Equal(t, receipt.Message.Activity, m.ID)
			require.Equal(t, "Is this you?", m.Summary)
			require.True(t, m.Alert)
			require.Equal(t, []string{"number"}, m.Inputs())
			require.Equal(t, []string{"Confirm"}, m.Buttons())
			_, err = e.dana.Press(ctx, m, "Confirm", nil)
			require.ErrorIs(t, err, teamstest.ErrInput, "the field is required")

			r, err := e.dana.Press(ctx, m, "Confirm", map[string]string{"number": "123"})
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, r.StatusCode)
			turn := e.last.Load()
			require.Equal(t, mspkit.TenantID("contoso"), turn.Tenant)
			require.Equal(t, e2eUser(e.dana), turn.User)
			require.Equal(t, map[string]any{"id": "c1", "number": "123"}, turn.Data)
			require.Equal(t, receipt.Message, turn.Message)
			now := e.s.Message(m.ID)
			require.Equal(t, []string{"Thank you"}, now.Texts())
			require.Empty(t, now.Buttons())
			again, err := e.dana.Repeat(ctx)
			require.NoError(t, err)
			require.JSONEq(t, string(r.Card), string(again.Card))
			require.EqualValues(t, 1, e.turns.Load(), "one press, however often it comes")

			require.NoError(t, e.bot.Update(ctx, receipt.Message, teamsapp.Message{Card: e2eCard("Over", nil)}))
			require.Equal(t, []string{"Over"}, e.s.Message(m.ID).Texts())
			require.NoError(t, e.bot.Delete(ctx, receipt.Message))
			require.True(t, e.s.Message(m.ID).Deleted)
			require.ErrorIs(t, e.bot.Update(ctx, receipt.Message, teamsapp.Message{Text: "x"}), teamsapp.ErrConversationGone)

			_, err = e.dana.Say(ctx, "Help me")
			require.NoError(t, err)
			require.Equal(t, "I can help.", e.next(e.dana).Text)
			require.Equal(t, "en-US", e.last.Load().Locale)

			require.NoError(t, e.dana.Uninstall(ctx))
			_, err = e.notify(e.dana, teamsapp.Message{Text: "still there?"})
			require.ErrorIs(t, err, teamsapp.ErrNotInstalled)
			for range e.bot.Installed(ctx, "") {
				require.Fail(t, "nobody is installed")
			}
			require.NoError(t, e.dana.Install(ctx))
			_, err = e.notify(e.dana, teamsapp.Message{Text: "welcome back"})
			require.NoError(t, err)
		})
	}
}

func TestAnOldClientsPressIsAnsweredByAnUpdate(t *testing.T) {
	t.Parallel()
	e := newE2E(t, nil, nil)
	e.dana.OldClient = true
	require.NoError(t, e.dana.Install(t.Context()))
	_, err := e.notify(e.dana, teamsapp.Message{Card: e2eQuestion()})
	require.NoError(t, err)
	m := e.next(e.dana)
	r, err := e.dana.Press(t.Context(), m, "Confirm", map[string]string{"number": "123"})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, r.HTTPStatus)
	require.Equal(t, "123", e.last.Load().Data["number"])
	m, err = e.s.Until(t.Context(), e.dana, func(m *teamstest.Message) bool { return m.Updated })
	require.NoError(t, err)
	require.Equal(t, []string{"Thank you"}, m.Texts())
	_, err = e.dana.Again(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, e.turns.Load(), "pressed twice, handled once")
}

func TestAForwardedCardIsWhoeverPressesIt(t *testing.T) {
	t.Parallel()
	e := newE2E(t, nil, nil)
	require.NoError(t, e.dana.Install(t.Context()))
	_, err := e.notify(e.dana, teamsapp.Message{Card: e2eQuestion()})
	require.NoError(t, err)
	m := e.next(e.dana)
	colleague := e.s.AddPerson(e2eFabrikam, e2eObject(0), "Mallory", "en") // with Dana's object id, in another tenant
	_, err = e.dana.PressAs(t.Context(), colleague, m, "Confirm", map[string]string{"number": "123"})
	require.NoError(t, err)
	require.Equal(t, mspkit.TenantID("fabrikam"), e.last.Load().Tenant)
	require.Equal(t, e2eUser(colleague), e.last.Load().User)
	stranger := e.s.AddPerson(e2eStranger, e2eObject(1), "Eve", "en")
	r, err := e.dana.PressAs(t.Context(), stranger, m, "Confirm", map[string]string{"number": "123"})
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, r.HTTPStatus)
	require.EqualValues(t, 1, e.turns.Load(), "a tenant that was not onboarded reaches no handler")
}

func TestWhatTeamsRefusesIsToldByItsCause(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		before func(*e2e)
		want   error
	}{
		"removed, and nobody told us": {func(e *e2e) { e.dana.UninstallSilently() }, teamsapp.ErrNotInstalled},
		"blocked":                     {func(e *e2e) { e.dana.Block() }, teamsapp.ErrBlockedByUser},
		"blocked, in the old form":    {func(e *e2e) { e.dana.BlockOld() }, nil}, // blocked or removed
		"blocked by the admin":        {func(e *e2e) { e.s.DisableByAdmin(e2eContoso) }, teamsapp.ErrBlockedByAdmin},
		"garbage":                     {func(e *e2e) { e.s.Fail(teamstest.Fault{Garbage: true}) }, teamsapp.ErrProtocol},
		"endless":                     {func(e *e2e) { e.s.Fail(teamstest.Fault{Endless: true}) }, teamsapp.ErrProtocol},
		"wrong cloud":                 {func(e *e2e) { e.s.Fail(teamstest.Fault{Status: 400, Code: "InvalidBotApiHost"}) }, teamsapp.ErrCloud},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newE2E(t, nil, nil)
			require.NoError(t, e.dana.Install(t.Context()))
			tc.before(e)
			_, err := e.notify(e.dana, teamsapp.Message{Text: "x"})
			require.Error(t, err)
			if tc.want == nil {
				require.True(t, strings.Contains(err.Error(), teamsapp.ErrBlockedByUser.Error()) || strings.Contains(err.Error(), teamsapp.ErrNotInstalled.Error()), err)
				return
			}
			require.ErrorIs(t, err, tc.want)
		})
	}
}

func TestWhatIsLostIsBegunAgain(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	e := newE2E(t, &teamstest.Options{TokenLife: 24 * time.Hour, Now: now}, func(o *teamsapp.Options) { o.Now = now })
	require.NoError(t, e.dana.Install(t.Context()))
	e.dana.Lose()
	_, err := e.notify(e.dana, teamsapp.Message{Text: "in a new chat"})
	require.NoError(t, err)
	require.Equal(t, 1, e.s.Count(teamstest.OpCreate))
	e.s.RevokeTokens()
	_, err = e.notify(e.dana, teamsapp.Message{Text: "with a new token"})
	require.NoError(t, err)
	require.Equal(t, 2, e.s.Count(teamstest.OpToken))
	require.NoError(t, e.s.RotateKey())
	ahead.Store(int64(2 * time.Hour)) // keys are not fetched anew for everybody who names an unknown one
	_, err = e.dana.Say(t.Context(), "help")
	require.NoError(t, err)
	e.next(e.dana)
	e.next(e.dana)
	require.Equal(t, "I can help.", e.next(e.dana).Text)
}

func TestSomebodyOfWhomNothingWasHeardIsReachedByTheirObjectID(t *testing.T) {
	t.Parallel()
	e := newE2E(t, nil, nil)
	e.s.Connect("") // the installation is not told
	require.NoError(t, e.dana.Install(t.Context()))
	_, err := e.notify(e.dana, teamsapp.Message{Text: "hello"})
	require.NoError(t, err)
	require.Equal(t, "hello", e.next(e.dana).Text)

	careful := newE2E(t, nil, func(o *teamsapp.Options) { o.NoObjectID = true })
	careful.s.Connect("")
	require.NoError(t, careful.dana.Install(t.Context()))
	_, err = careful.notify(careful.dana, teamsapp.Message{Text: "hello"})
	require.ErrorIs(t, err, teamsapp.ErrNotInstalled)
}

// everybody sends one card to each of n persons, 16 at a time, and returns how many of them it came to and how many
// cards came in all.
func (e *e2e) everybody(n int) (reached, cards int) {
	e.tb.Helper()
	people := make([]*teamstest.Person, n)
	var wg sync.WaitGroup
	gate := make(chan struct{}, 16)
	for i := range people {
		people[i] = e.s.AddPerson(e2eContoso, e2eObject(i), "P", "en")
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			_, err := e.notify(people[i], teamsapp.Message{Card: e2eCard(fmt.Sprintf("Card %d", i), nil)})
			if err != nil {
				e.tb.Errorf("person %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	for i, p := range people {
		ms := e.s.Messages(p)
		cards += len(ms)
		if slices.ContainsFunc(ms, func(m *teamstest.Message) bool { return m.Summary == fmt.Sprintf("Card %d", i) }) {
			reached++
		}
	}
	return reached, cards
}

func (e *e2e) installAll(n int) {
	e.tb.Helper()
	for i := range n {
		require.NoError(e.tb, e.s.AddPerson(e2eContoso, e2eObject(i), "P", "en").Install(e.tb.Context()))
	}
}

func TestNothingIsLostWhileRequestsFail(t *testing.T) {
	t.Parallel()
	const n = 200
	e := newE2E(t, &teamstest.Options{Seed: 1}, nil)
	e.installAll(n)
	e.s.FailRate(0.05)
	reached, cards := e.everybody(n)
	require.Equal(t, n, reached)
	require.Equal(t, n, cards, "what failed was not done, so nothing comes twice")
	require.Greater(t, e.s.Count(teamstest.OpSend), n, "some did fail")
}

func TestAnAnswerThatGetsLostLosesNothing(t *testing.T) {
	t.Parallel()
	e := newE2E(t, &teamstest.Options{Seed: 1}, nil)
	e.installAll(40)
	e.s.Fail(teamstest.Fault{Op: teamstest.OpSend, Times: -1, Probability: 0.1, Drop: true, Done: true})
	reached, cards := e.everybody(40)
	require.Equal(t, 40, reached)
	require.Greater(t, cards, 40, "rather twice than not at all")
}
