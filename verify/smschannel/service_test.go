package smschannel_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/smschannel"
	"github.com/mspkit/mspkit/verify/smschannel/twiliotest"
)

func TestTheTextedLinkLeadsToTheNumberThatTheMessageDoesNotHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, nil)
	c, err := w.Start(t.Context(), w.request("sms", verify.MethodNumber, "(202) 555-0123"))
	require.NoError(t, err)
	require.Equal(t, verify.AssuranceSMS, c.Assurance)
	m := w.text(t)
	require.Equal(t, number, m.To)
	link := linkToken.FindStringSubmatch(m.Body)
	require.Len(t, link, 2)
	require.True(t, strings.HasSuffix(m.Body, link[0]), "nothing behind the link can become part of it")
	require.NotRegexp(t, `\b`+c.Number.Reveal()+`\b`, strings.ReplaceAll(m.Body, link[0], ""))
	view, err := w.View(t.Context(), link[1])
	require.NoError(t, err)
	res, err := w.Answer(t.Context(), verify.Answer{Ref: view.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, res.State)
}

func TestTheTextedCodeConfirms(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &smschannel.Options{Region: "US", Origin: "help.example"}, nil)
	c, err := w.Start(t.Context(), w.request("sms", verify.MethodCode, number))
	require.NoError(t, err)
	require.Equal(t, verify.AssuranceSMSCode, c.Assurance)
	code := codeIn(t, w.text(t).Body)
	require.True(t, strings.HasSuffix(w.text(t).Body, "\n@help.example #"+strings.ReplaceAll(code, " ", "")))
	res, err := w.Check(t.Context(), verify.CheckRequest{Tenant: "contoso", ID: c.Ref.ID, Response: code, Technician: "jane"})
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, res.State)
}

func TestTheContactGetsALinkToVerifyTheTechnician(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, nil)
	r := w.request("sms", "", number)
	c, err := w.StartTechnician(t.Context(), verify.TechnicianRequest{
		Tenant: "contoso", Subject: r.Subject, By: "jane",
		Call: &verify.Call{Technician: r.Technician, Ticket: r.Ticket, Began: time.Now(), By: verify.SideTechnician},
	})
	require.NoError(t, err)
	require.Regexp(t, linkToken, w.text(t).Body)
	require.NotContains(t, w.text(t).Body, c.Word.Reveal())
}

func TestANumberInAnotherCountryIsRefusedBeforeAnythingIsCountedOrSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &smschannel.Options{Region: "US", Budget: 1}, nil)
	for range 5 {
		_, err := w.Start(t.Context(), w.request("sms", "", "+18765550123"))
		require.ErrorIs(t, err, verify.ErrInvalid)
		require.ErrorIs(t, err, smschannel.ErrCountry)
	}
	require.Empty(t, w.twilio.Messages())
	require.Empty(t, w.kinds(t))
	_, err := w.Start(t.Context(), w.request("sms", "", number))
	require.NoError(t, err)
}

func TestTheBudgetStopsUnconfirmedMessagesToOneCountry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &smschannel.Options{Countries: []string{"US", "JM"}, Budget: 2}, nil)
	start := func(to string) (verify.Challenge, error) {
		return w.Start(t.Context(), w.request("sms", verify.MethodCode, to))
	}
	c, err := start(number)
	require.NoError(t, err)
	_, err = start("+12025550124")
	require.NoError(t, err)
	_, err = start("+12025550125")
	var limit *verify.LimitError
	require.ErrorAs(t, err, &limit)
	require.Equal(t, verify.LimitBudget, limit.Limit)
	_, err = start("+18765550123")
	require.NoError(t, err, "another country has its own budget, also where it shares the country code")

	body := w.twilio.Messages()[0].Body
	_, err = w.Check(t.Context(), verify.CheckRequest{Tenant: "contoso", ID: c.Ref.ID, Response: codeIn(t, body), Technician: "jane"})
	require.NoError(t, err)
	_, err = start("+12025550125")
	require.NoError(t, err, "what was confirmed does not count")
	require.Len(t, w.twilio.Messages(), 4)
}

func TestAStatusCallbackBecomesOneEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, nil)
	c, err := w.Start(t.Context(), w.request("sms", "", number))
	require.NoError(t, err)
	require.Equal(t, verify.DeliverySent, c.Delivery)
	m := w.text(t)
	// Twice and in the wrong order: what is not further than the last has no effect.
	for _, status := range []string{"queued", "sending", "sent", "delivered", "sent", "delivered", "queued", "something-new"} {
		require.NoError(t, w.twilio.Deliver(t.Context(), m.SID, status, 0), status)
	}
	require.Equal(t, []verify.EventKind{verify.EventStarted, verify.EventSent, verify.EventDelivered}, w.kinds(t))
	c, err = w.Get(t.Context(), c.Ref, "jane")
	require.NoError(t, err)
	require.Equal(t, verify.DeliveryDelivered, c.Delivery)
	require.Equal(t, verify.StatePending, c.State, "a delivery confirms nobody")
}

func TestAFailedDeliverySaysWhyAndCanBeSentAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, nil)
	c, err := w.Start(t.Context(), w.request("sms", verify.MethodCode, number))
	require.NoError(t, err)
	first := w.text(t)
	require.NoError(t, w.twilio.Deliver(t.Context(), first.SID, "undelivered", 30003))
	require.NoError(t, w.twilio.Deliver(t.Context(), first.SID, "sent", 0), "late: it has no effect")
	events := w.recorded(t)
	require.Len(t, events, 3)
	require.Equal(t, verify.EventUndelivered, events[2].Kind)
	require.Equal(t, "the handset could not be reached (30003)", events[2].Reason)

	c, err = w.Renew(t.Context(), verify.RenewRequest{Ref: c.Ref, Technician: "jane", Send: true})
	require.NoError(t, err)
	require.Equal(t, verify.DeliverySent, c.Delivery)
	require.NotEqual(t, first.SID, w.text(t).SID)
	require.NoError(t, w.twilio.Deliver(t.Context(), first.SID, "failed", 30007), "a status of the first message")
	c, err = w.Get(t.Context(), c.Ref, "jane")
	require.NoError(t, err)
	require.Equal(t, verify.DeliverySent, c.Delivery, "the second message knows nothing of the first")
	require.NoError(t, w.twilio.Deliver(t.Context(), w.text(t).SID, "delivered", 0))
	c, err = w.Get(t.Context(), c.Ref, "jane")
	require.NoError(t, err)
	require.Equal(t, verify.DeliveryDelivered, c.Delivery)
}

func TestForgedAndForeignCallbacksAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, nil)
	_, err := w.Start(t.Context(), w.request("sms", "", number))
	require.NoError(t, err)
	other, err := w.Start(t.Context(), w.request("sms", "", "+12025550124"))
	require.NoError(t, err)
	mine, theirs := w.twilio.Messages()[0], w.text(t)
	before := w.kinds(t)
	form := func(account, status string) url.Values {
		return url.Values{"AccountSid": {account}, "MessageSid": {mine.SID}, "MessageStatus": {status}, "To": {number}}
	}
	good := form(account, "delivered")
	foreign := form("ACffffffffffffffffffffffffffffffff", "delivered")
	for name, tc := range map[string]struct {
		target, signature string
		form              url.Values
		want              int
	}{
		"no signature":               {mine.StatusCallback, "", good, 403},
		"signed with another token":  {mine.StatusCallback, twiliotest.Sign("guess", mine.StatusCallback, good), good, 403},
		"another account, our token": {mine.StatusCallback, twiliotest.Sign(token, mine.StatusCallback, foreign), foreign, 403},
		"another status":             {mine.StatusCallback, twiliotest.Sign(token, mine.StatusCallback, good), form(account, "failed"), 403},
		"another message's key":      {theirs.StatusCallback, twiliotest.Sign(token, mine.StatusCallback, good), good, 403},
		"without the key":            {w.hook, twiliotest.Sign(token, mine.StatusCallback, good), good, 403},
		"signed without a key":       {w.hook, twiliotest.Sign(token, w.hook, good), good, 204},
		"a key that nobody made":     {w.hook + "?key=abc", twiliotest.Sign(token, w.hook+"?key=abc", good), good, 204},
	} {
		require.Equal(t, tc.want, w.callback(t, tc.target, tc.signature, tc.form), name)
		require.Equal(t, before, w.kinds(t), name)
	}
	require.Equal(t, 204, w.callback(t, mine.StatusCallback, twiliotest.Sign(token, mine.StatusCallback, good), good), "the genuine one is taken")
	require.Equal(t, 204, w.callback(t, mine.StatusCallback, twiliotest.Sign(token, mine.StatusCallback, good), good), "and its replay has no effect")
	require.Equal(t, append(before, verify.EventDelivered), w.kinds(t))
	other, err = w.Get(t.Context(), other.Ref, "jane")
	require.NoError(t, err)
	require.Equal(t, verify.DeliverySent, other.Delivery)
}

func TestACallbackThatOvertakesTheAnswerIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, &twiliotest.Options{AutoDeliver: true})
	c, err := w.Start(t.Context(), w.request("sms", "", number))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		c, err = w.Get(t.Context(), c.Ref, "jane")
		return err == nil && c.Delivery == verify.DeliveryDelivered
	}, 5*time.Second, 5*time.Millisecond)
}

// Guarantee 8: whoever reads logs, errors and events learns no code, link, number to be said, phone number or address.
func TestNoLogErrorOrEventHoldsACodeLinkOrNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &smschannel.Options{Region: "US", Origin: "help.example"}, nil)
	ctx := t.Context()
	var said []string // everything that was printed or returned as an error
	var spoken []string
	note := func(c verify.Challenge, err error) verify.Challenge {
		said = append(said, fmt.Sprintf("%v %+v %#v", c, c, c))
		if err != nil {
			said = append(said, fmt.Sprintf("%v %+v", err, err))
		}
		for _, s := range []string{c.Number.Reveal(), c.Word.Reveal(), c.Proof.Reveal()} {
			if s != "" {
				spoken = append(spoken, s)
			}
		}
		return c
	}
	fails := func(what string, err error) {
		require.Error(t, err, what)
		said = append(said, fmt.Sprintf("%v %+v", err, err))
	}
	for _, to := range []struct{ channel, address string }{{"sms", number}, {"email", address}} {
		for _, m := range []verify.Method{verify.MethodNumber, verify.MethodCode} {
			c, err := w.Start(ctx, w.request(to.channel, m, to.address))
			require.NoError(t, err)
			c = note(c, nil)
			_, err = w.Check(ctx, verify.CheckRequest{Tenant: "contoso", ID: c.Ref.ID, Response: "letters", Technician: "jane"})
			fails("letters", err)
			note(w.Renew(ctx, verify.RenewRequest{Ref: c.Ref, Technician: "jane", Send: true}))
			if m == verify.MethodCode {
				body := w.text(t).Body
				if to.channel == "email" {
					sent := w.mail.Messages()
					body = sent[len(sent)-1].Text
				}
				_, err = w.Check(ctx, verify.CheckRequest{Tenant: "contoso", ID: c.Ref.ID, Response: codeIn(t, body), Technician: "jane"})
				require.NoError(t, err)
				c = note(w.Get(ctx, c.Ref, "jane"))
				require.Equal(t, verify.StateConfirmed, c.State)
			}
		}
		r := w.request(to.channel, "", to.address)
		note(w.StartTechnician(ctx, verify.TechnicianRequest{Tenant: "contoso", Subject: r.Subject, By: "jane"}))
	}

	// What fails is where secrets leak: vendors quote what they were sent.
	w.twilio.OptOut(number)
	_, err := w.Start(ctx, w.request("sms", verify.MethodCode, number))
	require.ErrorIs(t, err, verify.ErrDelivery)
	fails("opted out", err)
	w.twilio.Fail(1, twiliotest.Fault{Status: 400, Code: 21211, Body: `{"code":21211,"message":"Invalid 'To' Phone Number: +12025550124"}`})
	_, err = w.Start(ctx, w.request("sms", verify.MethodNumber, "+12025550124"))
	fails("invalid number", err)
	w.twilio.Fail(1, twiliotest.BrokenAfter)
	note(w.Start(ctx, w.request("sms", verify.MethodCode, "+12025550125")))
	w.mail.Fail(fmt.Errorf("%w: <%s> said no to %s", mail.ErrRejected, address, base+"/v/secret"), 1)
	_, err = w.Start(ctx, w.request("email", verify.MethodNumber, address))
	fails("rejected", err)
	for channel, bad := range map[string]string{"sms": "+12025550123 x4", "email": "Dana <" + address + ">"} {
		_, err = w.Start(ctx, w.request(channel, "", bad))
		fails(bad, err)
	}
	last := w.text(t)
	require.NoError(t, w.twilio.Deliver(ctx, last.SID, "undelivered", 30003))
	require.Equal(t, 403, w.callback(t, last.StatusCallback, "AAAA", url.Values{"To": {number}, "Body": {last.Body}}))

	var secrets []string
	for _, n := range []string{number, "+12025550124", "+12025550125"} {
		secrets = append(secrets, n, n[2:])
	}
	secrets = append(secrets, address, "dana.ruiz", base+"/v/", token)
	bodies := []string{}
	for _, m := range w.twilio.Messages() {
		bodies = append(bodies, m.Body)
		key, err := url.Parse(m.StatusCallback)
		require.NoError(t, err)
		secrets = append(secrets, key.Query().Get("key"))
	}
	for _, m := range w.mail.Messages() {
		bodies = append(bodies, m.Text)
	}
	require.GreaterOrEqual(t, len(bodies), 10)
	for _, body := range bodies {
		if link := linkToken.FindStringSubmatch(body); link != nil {
			secrets = append(secrets, link[1])
			continue
		}
		code := codeIn(t, body)
		secrets = append(secrets, code, strings.ReplaceAll(code, " ", ""))
	}
	events := w.recorded(t)
	require.NotEmpty(t, events)
	var reasons []string
	for _, e := range events {
		said = append(said, fmt.Sprintf("%+v", e))
		reasons = append(reasons, e.Reason)
	}
	require.NotEmpty(t, w.logs.String(), "the logger is wired up")
	// Ids, times and line numbers have digits of their own, which six digits in a row may be part of.
	everything := strings.Join(said, "\n") + "\n" + w.logs.String()
	for _, s := range secrets {
		require.NotEmpty(t, s)
		require.NotRegexp(t, `(^|[^0-9A-Za-z.])`+regexp.QuoteMeta(s)+`($|[^0-9A-Za-z])`, everything)
	}
	for _, s := range spoken { // three digits are in many a timestamp, so only where sentences are
		require.NotRegexp(t, `\b`+regexp.QuoteMeta(s)+`\b`, strings.Join(reasons, "\n"))
	}
}
