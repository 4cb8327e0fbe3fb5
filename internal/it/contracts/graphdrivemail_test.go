package contracts

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/graphmail"
)

// driveMail finds shared mailboxes, chooses one, and sends with it in each way that there is.
func driveMail(t *testing.T, w *world) {
	t.Helper()
	w.contoso.Put(graphfake.User{
		DisplayName: "Contoso IT", Mail: "it@contoso.example", UPN: "it-box@contoso.example", Disabled: true, Purpose: "shared",
		ProxyAddresses: []string{"SMTP:it@contoso.example", "smtp:service@contoso.example"},
	})
	client, err := graphmail.New(w, &graphmail.Options{
		Cloud: w.cloud, HTTPClient: w.rec.client(), RetryDelay: 1, PerMinute: -1, ChunkSize: 320 << 10, SaveToSentItems: true,
	})
	require.NoError(t, err)
	list, _, err := client.Candidates(t.Context(), "contoso")
	require.NoError(t, err)
	require.NotEmpty(t, list)
	_, err = client.Check(t.Context(), "contoso", "service@contoso.example") // not the name that it signs in with
	require.NoError(t, err)
	_, err = client.Check(t.Context(), "contoso", "o'brien@contoso.example")
	require.ErrorIs(t, err, graphmail.ErrNotShared)

	senders, err := graphmail.NewSenders(client, mail.NewMemorySenders())
	require.NoError(t, err)
	_, err = senders.Choose(t.Context(), "contoso", "it@contoso.example", "Contoso IT", "sam")
	require.NoError(t, err)
	require.NoError(t, senders.Look(t.Context(), "contoso"))
	templates, err := mail.NewTemplates(nil)
	require.NoError(t, err)
	brand := mspkit.Brand{Name: "Northwind IT", Phone: "+1 202 555 0100"}
	dana := mail.Address{Name: "Dana", Email: "dana@contoso.example"}
	_, err = senders.Test(t.Context(), templates, mail.TestMail{Tenant: "contoso", Name: mail.Notification, To: dana, Brand: brand})
	require.NoError(t, err)

	mailer, err := senders.Mailer(t.Context(), "contoso")
	require.NoError(t, err)
	small := mail.File{Name: "note.txt", Type: "text/plain", Data: []byte("x")}
	picture := mail.File{Name: "logo.png", Type: "image/png", Data: []byte("\x89PNG"), ContentID: "logo"}
	large := mail.File{Name: "log.zip", Type: "application/zip", Data: bytes.Repeat([]byte("x"), 3<<20+5)}
	letter := func(change func(*mail.Message)) *mail.Message {
		m := &mail.Message{Tenant: "contoso", To: dana, Subject: "Hello", Text: "Hello", Kind: mail.Notification}
		change(m)
		return m
	}
	for _, m := range []*mail.Message{
		letter(func(*mail.Message) {}),
		letter(func(m *mail.Message) { m.Kind = mail.VerificationCode }),
		letter(func(m *mail.Message) {
			m.HTML, m.From, m.ReplyTo = `<p>Hello <img src="cid:logo"></p>`, mail.Address{Name: "Contoso", Email: "it@contoso.example"}, dana
			m.Files = []mail.File{small, picture}
		}),
		letter(func(m *mail.Message) { m.HTML, m.Files = "<p>Hello</p>", []mail.File{small, picture, large} }),
	} {
		_, err := mailer.Send(t.Context(), m)
		require.NoError(t, err)
	}
	// A draft that cannot be sent is deleted.
	w.SetFault(graphfake.Times(1, graphfake.Fault{Status: http.StatusBadRequest, Code: "ErrorInvalidRequest"}, "/createUploadSession"))
	_, err = mailer.Send(t.Context(), letter(func(m *mail.Message) { m.Files = []mail.File{large} }))
	require.Error(t, err)
	w.SetFault(nil)
	require.NoError(t, senders.Delete(t.Context(), "contoso"))
}
