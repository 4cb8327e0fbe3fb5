package sendvia_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/memstore"
	"github.com/mspkit/mspkit/securesend/sendvia"
	"github.com/mspkit/mspkit/teamsapp"
)

const (
	link = "https://help.example/send/s/tok#frag"
	user = "11111111-1111-4111-8111-111111111111/22222222-2222-4222-8222-222222222222"
)

func message(to string) securesend.Message {
	return securesend.Message{
		Ref: securesend.Ref{Tenant: "contoso", ID: "abc"}, Key: "k", To: to, Brand: mspkit.Brand{Name: "Contoso <b>IT</b>", Phone: "+49 30 1"}, Locale: "en",
		Subject: "A secure message", Text: mspkit.Redact("Contoso IT: Jane has sent you something: " + link + " (once)"), Link: mspkit.Redact(link), Technician: "Jane",
	}
}

type texts struct {
	to, body string
	err      error
}

func (s *texts) SendText(_ context.Context, to, body, _ string) (string, error) {
	s.to, s.body = to, body
	return "id", s.err
}

type mails struct {
	got *mail.Message
	err error
}

func (s *mails) Send(_ context.Context, m *mail.Message) (mail.Receipt, error) {
	s.got = m
	return mail.Receipt{}, s.err
}

type bot struct {
	got    teamsapp.Notification
	tenant mspkit.TenantID
	err    error
}

func (b *bot) Notify(_ context.Context, n teamsapp.Notification) (teamsapp.Receipt, error) {
	b.got = n
	if b.err == nil {
		b.err = n.Card.Validate()
	}
	return teamsapp.Receipt{}, b.err
}

func (b *bot) Tenant(context.Context, teamsapp.User) (mspkit.TenantID, error) { return b.tenant, nil }

func TestTextMessagesGoToNumbersOnly(t *testing.T) {
	t.Parallel()
	s := &texts{}
	v, err := sendvia.Text(s, nil)
	require.NoError(t, err)
	require.NoError(t, v.Send(t.Context(), message("+4915112345678")))
	require.Equal(t, "+4915112345678", s.to)
	require.Contains(t, s.body, link)
	for _, bad := range []string{"", "0151 1234", "+49 151", "dana@contoso.example", "+0123456", "+49151123456789012"} {
		s.to = ""
		require.ErrorIs(t, v.Send(t.Context(), message(bad)), mspkit.ErrInvalid, bad)
		require.Empty(t, s.to)
	}
	v, err = sendvia.Text(s, &sendvia.TextOptions{Canonical: func(string) (string, error) { return "+491", nil }})
	require.NoError(t, err)
	require.NoError(t, v.Send(t.Context(), message("0151")))
	require.Equal(t, "+491", s.to)
}

func TestAMailHasTheLinkInItsTextAndAButton(t *testing.T) {
	t.Parallel()
	s := &mails{}
	v, err := sendvia.Mail(s, &sendvia.MailOptions{From: mail.Address{Email: "help@contoso.example"}})
	require.NoError(t, err)
	require.NoError(t, v.Send(t.Context(), message("dana@contoso.example")))
	require.Equal(t, "help@contoso.example", s.got.From.Email)
	require.Contains(t, s.got.Text, link)
	require.NotContains(t, s.got.Subject, "http")
	require.Equal(t, 1, strings.Count(s.got.HTML, link))
	require.Contains(t, s.got.HTML, `<a href="`+link+`"`)
	require.Contains(t, s.got.HTML, "(once)")
	require.NotContains(t, s.got.HTML, "<b>IT", "a brand is no markup")
	require.Equal(t, "secure-data", s.got.Kind)

	m := message("dana@contoso.example")
	m.Request, m.Locale = true, "de-AT"
	require.NoError(t, v.Send(t.Context(), m))
	require.Equal(t, "secure-request", s.got.Kind)
	require.Contains(t, s.got.HTML, "Sicher antworten")

	m.Link, m.Code, m.Text = mspkit.Redacted[string]{}, mspkit.Redact("123456"), mspkit.Redact("Your code is 123456")
	require.NoError(t, v.Send(t.Context(), m))
	require.Equal(t, "secure-code", s.got.Kind)
	require.NotContains(t, s.got.HTML, "<a ")
	require.Contains(t, s.got.HTML, "123456")
}

func TestTemplatesWriteTheMailsThatBringContent(t *testing.T) {
	t.Parallel()
	templates, err := mail.NewTemplates(&mail.TemplateOptions{Tenants: map[mspkit.TenantID]fs.FS{
		"contoso": fstest.MapFS{"de/secure-data.subject.txt": {Data: []byte("Sicheres von {{.Brand.Name}}")}},
	}})
	require.NoError(t, err)
	s := &mails{}
	v, err := sendvia.Mail(s, &sendvia.MailOptions{Templates: templates})
	require.NoError(t, err)
	m := message("dana@contoso.example")
	m.Locale, m.Brand.Name = "de-AT", "Contoso IT"
	require.NoError(t, v.Send(t.Context(), m))
	require.Equal(t, "Sicheres von Contoso IT", s.got.Subject, "the tenant's own")
	require.Contains(t, s.got.Text, "Jane schickt Ihnen etwas")
	require.Contains(t, s.got.Text, "\n"+link+"\n")
	require.Equal(t, 1, strings.Count(s.got.HTML, `href="`+link+`"`))
	require.Equal(t, mail.SecureData, s.got.Kind)

	m.Request = true
	require.NoError(t, v.Send(t.Context(), m))
	require.Contains(t, s.got.HTML, "Sicher antworten", "a request keeps the tenant's words")
	require.Equal(t, m.Subject, s.got.Subject)

	m.Request, m.Link = false, mspkit.Redact("http://contoso.example/x")
	s.got = nil
	require.EqualError(t, v.Send(t.Context(), m), "sendvia: the message cannot be written for this address")
	require.Nil(t, s.got)
}

func TestARouterKnowsEveryKindOfMail(t *testing.T) {
	t.Parallel()
	s := &mails{}
	router, err := mail.NewRouter(nil, mail.TenantMailersFunc(func(context.Context, mspkit.TenantID) (mail.Mailer, error) { return s, nil }), nil)
	require.NoError(t, err)
	v, err := sendvia.Mail(router, nil)
	require.NoError(t, err)
	m := message("dana@contoso.example")
	require.NoError(t, v.Send(t.Context(), m))
	m.Request = true
	require.NoError(t, v.Send(t.Context(), m))
	m.Code = mspkit.Redact("123456")
	require.NoError(t, v.Send(t.Context(), m))

	router, err = mail.NewRouter(s, nil, nil)
	require.NoError(t, err)
	v, err = sendvia.Mail(router, nil)
	require.NoError(t, err)
	require.EqualError(t, v.Send(t.Context(), m), "sendvia: no mailer is set up for this client, an administrator must do that")
}

func TestACardGoesToPeopleOfTheTenantOnly(t *testing.T) {
	t.Parallel()
	b := &bot{tenant: "contoso"}
	v, err := sendvia.Teams(b)
	require.NoError(t, err)
	require.NoError(t, v.Send(t.Context(), message(user)))
	require.NotContains(t, b.got.Card.Summary, "http")
	require.Equal(t, []teamsapp.Action{teamsapp.OpenURL{Title: "Open securely", URL: link}}, b.got.Card.Actions)
	body := fmt.Sprintf("%#v", b.got.Card.Body)
	require.Contains(t, body, "Jane has sent you")
	require.NotContains(t, body, "https://")

	b.got, b.tenant = teamsapp.Notification{}, "fabrikam"
	require.ErrorIs(t, v.Send(t.Context(), message(user)), teamsapp.ErrUnknownTenant)
	require.Nil(t, b.got.Card)
	require.ErrorIs(t, v.Send(t.Context(), message("dana")), mspkit.ErrInvalid)
}

func TestErrorsShowNeitherAddressNorLink(t *testing.T) {
	t.Parallel()
	leak := errors.New("+4915112345678 dana@contoso.example " + link)
	s, m, b := &texts{err: leak}, &mails{err: fmt.Errorf("%w: %w", mail.ErrRejected, leak)}, &bot{tenant: "contoso", err: fmt.Errorf("%w: %w", teamsapp.ErrNotInstalled, leak)}
	text, err := sendvia.Text(s, nil)
	require.NoError(t, err)
	mailer, err := sendvia.Mail(m, nil)
	require.NoError(t, err)
	teams, err := sendvia.Teams(b)
	require.NoError(t, err)
	for want, err := range map[string]error{
		"sendvia: the message could not be sent":                        text.Send(t.Context(), message("+4915112345678")),
		"sendvia: the mail server refused the recipient or the message": mailer.Send(t.Context(), message("dana@contoso.example")),
		"sendvia: the app is not installed in Teams for this person":    teams.Send(t.Context(), message(user)),
		"sendvia: the message cannot be written for this address":       mailer.Send(t.Context(), message("not an address")),
	} {
		require.EqualError(t, err, want)
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	_, err := sendvia.Text(nil, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = sendvia.Mail(nil, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = sendvia.Mail(&mails{}, &sendvia.MailOptions{From: mail.Address{Email: "x"}})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = sendvia.Teams(nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func Example() {
	phone := &texts{}
	sms, err := sendvia.Text(phone, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ring, _ := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	svc, err := securesend.New(memstore.New(), ring, "https://help.example/send",
		securesend.Same(securesend.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}}),
		&securesend.Options{Senders: map[string]securesend.Sender{"sms": sms}})
	if err != nil {
		fmt.Println(err)
		return
	}
	sent, err := svc.Create(context.Background(), securesend.SendRequest{
		Tenant: "contoso", By: securesend.Technician{ID: "jane", Name: "Jane"}, Text: mspkit.Redact("hunter2"),
		Deliver: []securesend.Destination{{Sender: "sms", Address: "+4915112345678"}},
	})
	fmt.Println(err, strings.Contains(phone.body, sent.Link.Reveal()))
	// Output: <nil> true
}
