package mailchannel_test

import (
	"errors"
	"html"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/verify"
)

func TestANoticeIsMailedWithoutLinkOrKey(t *testing.T) {
	t.Parallel()
	ch, m := channel(t)
	n := verify.Notice{
		Tenant: "contoso", Kind: verify.NoticeRecoveryUsed, Key: "notice-key", To: "Dana@contoso.example", Locale: "en",
		Brand: mspkit.Brand{Name: "Contoso IT", Phone: "+1 202 555 0100"}, Name: "Dana", Company: "Client Ltd", Technician: "Jane Doe",
		Ticket: mspkit.Ticket{System: "psa", ID: "4711"}, At: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), Left: 7,
	}
	require.NoError(t, ch.Notice(t.Context(), n))
	require.Len(t, m.Messages(), 1)
	sent := m.Messages()[0]
	require.Equal(t, mail.SecurityNotice, sent.Kind)
	require.Equal(t, "dana@contoso.example", sent.To.Email)
	require.NotContains(t, sent.Key, "notice-key")
	require.NotEmpty(t, sent.Key)
	require.Equal(t, "Contoso IT: one of your recovery codes was used (ticket 4711)", sent.Subject)
	for _, want := range []string{"Codes that are left: 7", "2026-11-22 09:00 UTC", "Jane Doe", "+1 202 555 0100", "Client Ltd"} {
		require.Contains(t, sent.Text, want)
		require.Contains(t, html.UnescapeString(sent.HTML), want)
	}
	require.NotContains(t, sent.Text+sent.HTML, "href=")

	n.Kind, n.Link = verify.NoticeLink, mspkit.Redact("https://help.example/verify/totp/e/x")
	err := ch.Notice(t.Context(), n)
	de, ok := errors.AsType[*verify.DeliveryError](err)
	require.True(t, ok && de.Permanent)
	require.ErrorContains(t, err, "does not go by mail")
	n.Kind, n.To = verify.NoticeRemoved, "a@b.example, c@d.example"
	require.Error(t, ch.Notice(t.Context(), n))
	n.Kind, n.To = "newer than this", "dana@contoso.example"
	require.Error(t, ch.Notice(t.Context(), n))
	require.Len(t, m.Messages(), 1)
}
