package mailchannel_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/mailtest"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/mailchannel"
	"github.com/mspkit/mspkit/verify/memstore"
)

const base = "https://help.example/verify"

func channel(t testing.TB) (*mailchannel.Channel, *mailtest.Mailer) {
	t.Helper()
	templates, err := mail.NewTemplates(nil)
	require.NoError(t, err)
	m := &mailtest.Mailer{}
	c, err := mailchannel.New(m, templates, nil)
	require.NoError(t, err)
	return c, m
}

func service(t testing.TB, c verify.Channel) *verify.Service {
	t.Helper()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	policy := verify.Policy{verify.ActionIdentify: {Min: verify.AssuranceEmailCode, Words: map[string]string{"en": "confirm who you are"}}}
	svc, err := verify.New(memstore.New(), ring, base, verify.Same(verify.Settings{
		Brand: mspkit.Brand{Name: "Contoso IT"}, Policy: policy, Limits: verify.Limits{Cooldown: -1},
	}), &verify.Options{Channels: map[string]verify.Channel{"email": c}})
	require.NoError(t, err)
	return svc
}

func request(address string, m verify.Method) verify.StartRequest {
	return verify.StartRequest{
		Tenant: "contoso", Action: verify.ActionIdentify, Method: m,
		Subject: verify.Subject{ID: "dana", Name: "Dana", Company: "Contoso", Destinations: []verify.Destination{
			{Channel: "email", Address: address, FirstSeen: time.Now().AddDate(-1, 0, 0)},
		}},
		Technician: verify.Technician{ID: "jane", Name: "Jane Doe"}, Ticket: mspkit.Ticket{System: "psa", ID: "4711"},
	}
}

func delivery() verify.Delivery {
	return verify.Delivery{
		Ref: verify.Ref{Tenant: "contoso", ID: "c1"}, Kind: verify.KindCaller, Method: verify.MethodCode, Key: "delivery-key",
		To: "dana@contoso.example", Brand: mspkit.Brand{Name: "Contoso IT"}, Locale: "en", Technician: "Jane Doe",
		Purpose: "reset your password", Code: mspkit.Redact("804215"), TTL: 5 * time.Minute,
	}
}

var linkToken = regexp.MustCompile(regexp.QuoteMeta(base) + `/v/([A-Za-z0-9_-]+)`)

func TestTheMailedLinkLeadsToTheNumberThatTheMailDoesNotHold(t *testing.T) {
	t.Parallel()
	ch, m := channel(t)
	svc := service(t, ch)
	c, err := svc.Start(t.Context(), request("Dana@Contoso.Example", verify.MethodNumber))
	require.NoError(t, err)
	require.Equal(t, verify.AssuranceEmail, c.Assurance)
	require.Len(t, m.Messages(), 1)
	sent := m.Messages()[0]
	require.Equal(t, "dana@contoso.example", sent.To.Email)
	require.Equal(t, mail.VerificationLink, sent.Kind)
	link := linkToken.FindStringSubmatch(sent.Text)
	require.Len(t, link, 2, "the text holds the link")
	require.Contains(t, sent.HTML, link[0])
	require.NotContains(t, sent.Subject, "http")
	// The link is random and may hold the digits by chance, and "3 minutes" is no number match either.
	number := regexp.MustCompile(`\b` + c.Number.Reveal() + `\b`)
	rest := strings.ReplaceAll(sent.Subject+"\n"+sent.Text, link[0], "")
	require.NotRegexp(t, number, rest)
	require.NotContains(t, rest, c.Word.Reveal())

	view, err := svc.View(t.Context(), link[1])
	require.NoError(t, err)
	res, err := svc.Answer(t.Context(), verify.Answer{Ref: view.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, res.State)
}

func TestTheMailedCodeConfirms(t *testing.T) {
	t.Parallel()
	ch, m := channel(t)
	svc := service(t, ch)
	c, err := svc.Start(t.Context(), request("dana@contoso.example", verify.MethodCode))
	require.NoError(t, err)
	require.Equal(t, verify.AssuranceEmailCode, c.Assurance)
	sent := m.Messages()[0]
	require.Equal(t, mail.VerificationCode, sent.Kind)
	code := regexp.MustCompile(`(?m)^ +(\d{3} \d{3})$`).FindStringSubmatch(sent.Text)
	require.Len(t, code, 2)
	require.NotContains(t, sent.Subject, code[1])
	require.NotContains(t, sent.Text, base, "a code needs no link")
	res, err := svc.Check(t.Context(), verify.CheckRequest{Tenant: "contoso", ID: c.Ref.ID, Response: code[1], Technician: "jane"})
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, res.State)
}

func TestTheContactGetsALinkToVerifyTheTechnician(t *testing.T) {
	t.Parallel()
	ch, m := channel(t)
	svc := service(t, ch)
	r := request("dana@contoso.example", "")
	c, err := svc.StartTechnician(t.Context(), verify.TechnicianRequest{
		Tenant: "contoso", Subject: r.Subject, By: "jane",
		Call: &verify.Call{Technician: r.Technician, Ticket: r.Ticket, Began: time.Now(), By: verify.SideTechnician},
	})
	require.NoError(t, err)
	sent := m.Messages()[0]
	require.Equal(t, mail.TechnicianLink, sent.Kind)
	require.Regexp(t, linkToken, sent.Text)
	require.NotContains(t, sent.Subject+sent.Text+sent.HTML, c.Word.Reveal())
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	ch, _ := channel(t)
	for name, tc := range map[string]struct{ in, want string }{
		"plain":          {"dana@contoso.example", "dana@contoso.example"},
		"upper case":     {"Dana.Ruiz@CONTOSO.Example", "dana.ruiz@contoso.example"},
		"tag":            {"dana+it@contoso.example", "dana+it@contoso.example"},
		"punycode":       {"dana@XN--mller-kva.example", "dana@xn--mller-kva.example"},
		"unicode domain": {"dana@müller.example", ""},
		"look-alike":     {"dаna@contoso.example", ""}, // a Cyrillic letter
		"full width at":  {"dana＠contoso.example", ""},
		"display name":   {"Dana <dana@contoso.example>", ""},
		"brackets":       {"<dana@contoso.example>", ""},
		"two":            {"dana@contoso.example,eve@evil.example", ""},
		"two at":         {"dana@contoso.example@evil.example", ""},
		"header":         {"dana@contoso.example\r\nBcc: eve@evil.example", ""},
		"newline at end": {"dana@contoso.example\n", ""},
		"nul":            {"dana@contoso.example\x00", ""},
		"comment":        {"dana(x)@contoso.example", ""},
		"quoted":         {`"dana"@contoso.example`, ""},
		"group":          {"x:dana@contoso.example;", ""},
		"ip literal":     {"dana@[192.0.2.1]", ""},
		"space":          {"dana @contoso.example", ""},
		"no domain":      {"dana@", ""},
		"no local part":  {"@contoso.example", ""},
		"dots":           {"dana..ruiz@contoso.example", ""},
		"trailing dot":   {"dana@contoso.example.", ""},
		"empty":          {"", ""},
		"invalid utf-8":  {"dana\xff@contoso.example", ""},
		"too long":       {strings.Repeat("a", 250) + "@contoso.example", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ch.Canonical(tc.in)
			require.Equal(t, tc.want, got)
			if tc.want == "" {
				require.ErrorIs(t, err, mspkit.ErrInvalid)
				require.NotContains(t, err.Error(), "dana@")
				require.NotContains(t, err.Error(), "contoso")
				require.NotContains(t, err.Error(), "evil")
				return
			}
			require.NoError(t, err)
		})
	}
}

func TestABadAddressIsRefusedBeforeAnythingIsSentOrCounted(t *testing.T) {
	t.Parallel()
	ch, m := channel(t)
	svc := service(t, ch)
	for range 30 { // more often than any limit allows
		_, err := svc.Start(t.Context(), request("Dana <dana@contoso.example>", ""))
		require.ErrorIs(t, err, verify.ErrInvalid)
		require.NotErrorIs(t, err, verify.ErrLimited)
		require.NotContains(t, err.Error(), "contoso.example")
	}
	require.Empty(t, m.Messages())
	_, err := svc.Start(t.Context(), request("dana@contoso.example", ""))
	require.NoError(t, err)
}

func TestMailErrorsBecomeReasonsWithoutAddresses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err       error
		reason    string
		permanent bool
	}{
		"rejected":  {mail.ErrRejected, "refused the recipient", true},
		"temporary": {mail.ErrTemporary, "could not take the mail now", false},
		"ambiguous": {mail.ErrAmbiguous, "not known whether", false},
		"auth":      {mail.ErrAuth, "administrator", true},
		"no mailer": {mail.ErrNotSetUp, "no mailer is set up", true},
		"deadline":  {context.DeadlineExceeded, "in time", false},
		"cancelled": {context.Canceled, "cancelled", false},
		"unknown":   {errors.New("dana@contoso.example is odd"), "could not be sent", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ch, m := channel(t)
			m.Fail(fmt.Errorf("%w: dana@contoso.example said 804215", tc.err), 1)
			_, err := ch.Deliver(t.Context(), delivery())
			var de *verify.DeliveryError
			require.ErrorAs(t, err, &de)
			require.ErrorIs(t, err, tc.err)
			require.Contains(t, de.Reason, tc.reason)
			require.Equal(t, tc.permanent, de.Permanent)
			require.NotContains(t, err.Error(), "dana")
			require.NotContains(t, err.Error(), "804215")
		})
	}
}

func TestWhatCannotBeWrittenIsPermanent(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*verify.Delivery){
		"no code":        func(d *verify.Delivery) { d.Code = mspkit.Redact("") },
		"no link":        func(d *verify.Delivery) { d.Method = verify.MethodNumber },
		"unknown method": func(d *verify.Delivery) { d.Method = "smoke" },
		"unknown kind":   func(d *verify.Delivery) { d.Kind = "dog" },
		"bad address":    func(d *verify.Delivery) { d.To = "x" },
		"no brand":       func(d *verify.Delivery) { d.Brand = mspkit.Brand{} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ch, m := channel(t)
			d := delivery()
			change(&d)
			_, err := ch.Deliver(t.Context(), d)
			var de *verify.DeliveryError
			require.ErrorAs(t, err, &de)
			require.True(t, de.Permanent)
			require.NotContains(t, err.Error(), "804215")
			require.Empty(t, m.Messages())
		})
	}
}

func TestARetryHasTheSameKeyAndNoOtherDeliveryHas(t *testing.T) {
	t.Parallel()
	ch, m := channel(t)
	d := delivery()
	first, err := ch.Deliver(t.Context(), d)
	require.NoError(t, err)
	again, err := ch.Deliver(t.Context(), d)
	require.NoError(t, err)
	require.Equal(t, first, again)
	d.Key = "another"
	other, err := ch.Deliver(t.Context(), d)
	require.NoError(t, err)
	require.NotEqual(t, first, other)
	for _, sent := range m.Messages() {
		require.NotEmpty(t, sent.Key)
		require.NotContains(t, sent.Key, "delivery-key", "the key lets anybody report a delivery")
	}
}

func TestNamesCannotInjectHeadersOrLinks(t *testing.T) {
	t.Parallel()
	ch, m := channel(t)
	d := delivery()
	evil := "Eve\r\nBcc: eve@evil.example https://evil.example/x"
	d.Name, d.Company, d.Technician, d.Purpose, d.Ticket.ID = evil, evil, evil, evil, evil
	_, err := ch.Deliver(t.Context(), d)
	require.NoError(t, err)
	sent := m.Messages()[0]
	require.NotContains(t, sent.Subject, "\n")
	require.NotContains(t, sent.Text+sent.Subject+sent.HTML, "evil.example")
}

func TestSenderIsUsedAndChecked(t *testing.T) {
	t.Parallel()
	templates, err := mail.NewTemplates(nil)
	require.NoError(t, err)
	m := &mailtest.Mailer{}
	from, reply := mail.Address{Name: "Contoso IT", Email: "it@contoso.example"}, mail.Address{Email: "desk@contoso.example"}
	ch, err := mailchannel.New(m, templates, &mailchannel.Options{From: from, ReplyTo: reply})
	require.NoError(t, err)
	_, err = ch.Deliver(t.Context(), delivery())
	require.NoError(t, err)
	require.Equal(t, from, m.Messages()[0].From)
	require.Equal(t, reply, m.Messages()[0].ReplyTo)

	_, err = mailchannel.New(nil, nil, &mailchannel.Options{From: mail.Address{Email: "x"}, ReplyTo: mail.Address{Email: "a@b\r\nc"}})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, fault := range []string{"a mailer is required", "templates are required", "Options.From", "Options.ReplyTo"} {
		require.ErrorContains(t, err, fault)
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"dana@contoso.example", "Dana <d@c.example>", "a@b\r\nc", "a@@b", "x:a@b;", "é@b.example", "A@B"} {
		f.Add(s)
	}
	ch, _ := channel(f)
	shape := regexp.MustCompile(`^[^@\s]+@[a-z0-9.-]+$`)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ch.Canonical(s)
		if err != nil {
			require.Empty(t, got)
			return
		}
		require.Regexp(t, shape, got)
		require.Equal(t, strings.ToLower(got), got)
		again, err := ch.Canonical(got)
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}
