package main

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/memstore"
	"github.com/mspkit/mspkit/mail"
)

type mailerFunc func(*mail.Message) error

func (f mailerFunc) Send(_ context.Context, m *mail.Message) (mail.Receipt, error) {
	if err := m.Validate(); err != nil {
		return mail.Receipt{}, err
	}
	return mail.Receipt{}, f(m)
}

// A manager who cannot be told does not hold up the events after that, and one who has left is not told at all.
func TestManagersAreTold(t *testing.T) {
	t.Parallel()
	dir, err := memstore.New(nil)
	require.NoError(t, err)
	templates, err := mail.NewTemplates(nil)
	require.NoError(t, err)
	now := time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)
	_, err = dir.Apply(t.Context(), contacts.Batch{At: contacts.Checkpoint{Tenant: "contoso", Source: entraSource}, Now: now, Page: contacts.Page{Whole: true, Contacts: []contacts.Contact{
		{Tenant: "contoso", ID: "1", Name: "Ruth", Enabled: true, Emails: []contacts.Address{{Value: "ruth@contoso.example"}}},
		{Tenant: "contoso", ID: "2", Name: "Gone", Emails: []contacts.Address{{Value: "gone@contoso.example"}}},
		{Tenant: "contoso", ID: "3", Name: strings.Repeat("長", 200), Enabled: true, Emails: []contacts.Address{{Value: "long@contoso.example"}}},
	}}})
	require.NoError(t, err)
	var sent []string
	var fails error
	a := &app{cfg: config{log: slog.New(slog.DiscardHandler)}, office: &office{directory: dir, templates: templates, told: map[string]string{}}}
	a.mailer = mailerFunc(func(m *mail.Message) error {
		sent = append(sent, m.To.Email)
		return fails
	})
	tell := func(manager string) error {
		c, err := dir.BySource(t.Context(), "contoso", entraSource, manager)
		require.NoError(t, err)
		return a.tellManager(t.Context(), contacts.Event{Tenant: "contoso", Seq: 7, Kind: contacts.Left, Name: "Dana", Manager: c.ID})
	}
	require.NoError(t, tell("1"))
	require.NoError(t, tell("2"))
	require.NoError(t, tell("3"), "a name that does not fit into a mail")
	require.Equal(t, []string{"ruth@contoso.example"}, sent)
	fails = mail.ErrRejected
	require.NoError(t, tell("1"), "it would be refused for ever")
	fails = mail.ErrTemporary
	require.ErrorIs(t, tell("1"), mail.ErrTemporary, "it comes again")
}
