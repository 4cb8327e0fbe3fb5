package securesend_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
)

func (w *world) to(r securesend.SendRequest) securesend.SendRequest {
	r.Deliver = []securesend.Destination{{Sender: "sms", Address: " +12025550123 "}, {Sender: "mail", Address: "dana@client.example"}}
	return r
}

func TestALinkIsDelivered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) {
		w.set.Templates = map[string]string{"sms": "${technician}/${brand}: ${link}"}
		w.set.Subject = "From ${technician} of ${brand}"
	})
	r := w.to(w.text("hunter2"))
	r.Locale = "de-AT"
	r.By.Name = "Jane ${link} www.evil.example\n"
	sent := w.create(r)
	require.Empty(t, sent.Undelivered)
	link := sent.Link.Reveal()
	sms, mail := w.sms.last(t), w.mail.last(t)
	require.Equal(t, "Jane ${link} […]/Contoso IT: "+link, sms.Text.Reveal(), "a value is not searched again, and brings no address")
	require.Equal(t, "Contoso IT: Jane ${link} […] has sent you something that can be opened once: "+link, mail.Text.Reveal())
	require.Equal(t, "From Jane ${link} […] of Contoso IT", mail.Subject)
	require.Equal(t, "+12025550123", sms.To)
	require.Equal(t, "dana@client.example", mail.To)
	require.Equal(t, link, mail.Link.Reveal())
	require.Equal(t, "de-AT", mail.Locale)
	require.Equal(t, sent.Ref, mail.Ref)
	require.Empty(t, mail.Code.Reveal())
	require.False(t, mail.Request)
	require.NotEqual(t, sms.Key, mail.Key)
	require.NotContains(t, fmt.Sprintf("%+v", mail), link)
	require.Equal(t, []securesend.EventKind{"created", "sent", "sent"}, w.kinds())
	require.Equal(t, "sms", w.events[1].Reason)
	require.Equal(t, "jane", w.events[1].By)

	asked, err := w.Ask(t.Context(), w.to(w.text("")), "what?")
	require.NoError(t, err)
	require.Equal(t, "Contoso IT: Jane Doe asks you to send something securely: "+asked.Link.Reveal(), w.sms.last(t).Text.Reveal())
	require.True(t, w.sms.last(t).Request)
	require.Equal(t, "en", w.sms.last(t).Locale)
}

func TestASendStandsWhereASenderFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boom := errors.New("no credit")
	for name, fail := range map[string]func(m securesend.Message) error{
		"it says why": func(securesend.Message) error { return boom },
		"it repeats the link": func(m securesend.Message) error {
			return fmt.Errorf("%w: body %q", boom, m.Text.Reveal())
		},
		"it repeats a part of the link": func(m securesend.Message) error {
			link, err := securesend.ParseLink(m.Link.Reveal())
			require.NoError(t, err)
			return fmt.Errorf("%w: %s", boom, link.URL().Reveal()[len(m.Link.Reveal())-43:])
		},
		"it repeats the address": func(m securesend.Message) error {
			return &url.Error{Op: "Post", URL: "https://sms.example/?to=" + url.QueryEscape(m.To), Err: boom}
		},
		"it panics": func(m securesend.Message) error { panic(m.To) },
	} {
		w.sms.fail = fail
		w.kinds()
		sent, err := w.Create(t.Context(), w.to(w.text("hunter2")))
		require.ErrorIs(t, err, securesend.ErrDelivery, name)
		require.ErrorContains(t, err, "by sms", name)
		if name != "it panics" {
			require.ErrorIs(t, err, boom, name)
		}
		fragment := sent.Link.Reveal()[len(sent.Link.Reveal())-43:]
		for _, secret := range []string{fragment, "+12025550123", "%2B12025550123"} {
			require.NotContains(t, err.Error(), secret, name)
		}
		require.Equal(t, []string{"sms"}, sent.Undelivered, name)
		require.Equal(t, []securesend.EventKind{"created", "unsent", "sent"}, w.kinds(), name)
		text, _ := w.reader(sent).reads()
		require.Equal(t, "hunter2", text, name)
		require.NoError(t, w.Revoke(t.Context(), sent.Ref, "jane"), "and can be revoked")
	}
}

func TestTheTokenOfAHeldLinkIsWithheldWithoutItsHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boom := errors.New("no credit")
	var tok string
	w.sms.fail = func(m securesend.Message) error {
		link, err := securesend.ParseLink(m.Link.Reveal())
		require.NoError(t, err)
		tok = link.Token.Reveal()
		return fmt.Errorf("%w: /send/h/%s", boom, tok)
	}
	r := w.to(w.text("hunter2"))
	r.Choice.Held = true
	_, err := w.Create(t.Context(), r)
	require.ErrorIs(t, err, boom)
	require.NotEmpty(t, tok)
	require.NotContains(t, err.Error(), tok)
}

func TestABrowserSealedSendIsNotDelivered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.Grant(t.Context(), w.to(w.text("")))
	require.ErrorIs(t, err, securesend.ErrUnsupported)
	require.ErrorContains(t, err, "only the technician's browser will know the link")
	for name, change := range map[string]func(*securesend.SendRequest){
		"text":       func(r *securesend.SendRequest) { r.Text = mspkit.Redact("x") },
		"files":      func(r *securesend.SendRequest) { r.Files = w.files("x") },
		"passphrase": func(r *securesend.SendRequest) { r.Passphrase = mspkit.Redact("x") },
	} {
		r := w.text("")
		change(&r)
		_, err := w.Grant(t.Context(), r)
		require.ErrorIs(t, err, securesend.ErrInvalid, name)
		require.ErrorContains(t, err, "given in the browser")
	}
	require.Zero(t, w.listed())
}

// forgetful is a store that cannot note what was sent.
type forgetful struct{ securesend.SecretStore }

var errForgot = errors.New("the note was lost")

func (forgetful) Note(context.Context, securesend.Ref, securesend.Stamp, time.Time) error {
	return errForgot
}

func TestASendStandsWhereItsEventIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.store = forgetful{w.store} })
	sent, err := w.Create(t.Context(), w.to(w.text("hunter2")))
	require.ErrorIs(t, err, errForgot)
	require.ErrorIs(t, err, securesend.ErrDelivery, "which says that there is a send")
	require.Empty(t, sent.Undelivered)
	text, _ := w.reader(sent).reads()
	require.Equal(t, "hunter2", text)
}
