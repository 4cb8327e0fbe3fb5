package mail_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
)

func valid() *mail.Message {
	return &mail.Message{
		Tenant: "contoso", To: mail.Address{Name: "Dana Müller", Email: "dana@client.example"},
		Subject: "Hello", Text: "the secret text", HTML: "<p>the secret text</p>", Key: "k1", Kind: "verification-code",
	}
}

func TestAddressesAreParsedStrictly(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]mail.Address{
		"dana@contoso.example":               {Email: "dana@contoso.example"},
		"Dana <dana@contoso.example>":        {Name: "Dana", Email: "dana@contoso.example"},
		`"Müller, D." <d.m+x@sub.c.example>`: {Name: "Müller, D.", Email: "d.m+x@sub.c.example"},
		"o'neill@contoso.example":            {Email: "o'neill@contoso.example"},
		"dana@localhost":                     {Email: "dana@localhost"},
	} {
		got, err := mail.ParseAddress(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
	for _, in := range []string{
		"", "dana", "@contoso.example", "dana@", "dana@contoso..example", "dana@.example", "dana@-contoso.example",
		"a@b.example,c@d.example", "a@b.example c@d.example", "a@b.example\r\nBcc: c@d.example", "Dana\n <a@b.example>",
		`"a b"@c.example`, "a@[127.0.0.1]", "a@b@c.example", "a(comment)@b.example", "a@b.example\x00", "a\u202e@b.example",
		"a\u200b@b.example", strings.Repeat("a", 65) + "@b.example", "a@" + strings.Repeat("b", 64) + ".example",
		strings.Repeat("x", 600) + " <a@b.example>", "group: a@b.example;", "a@b_c.example", "\"\u202eDana\" <a@b.example>",
	} {
		_, err := mail.ParseAddress(in)
		require.ErrorIs(t, err, mspkit.ErrInvalid, "%q", in)
		require.NotContains(t, err.Error(), "b.example")
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"a@b.example", "Dana <a@b.example>", `"x" <a@b>`, "=?utf-8?q?=0D=0ABcc?= <a@b.example>", "a@b.example\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := mail.ParseAddress(s)
		if err != nil {
			return
		}
		require.NotContains(t, a.Email, " ")
		require.False(t, strings.ContainsAny(a.Email+a.Name, "\r\n\x00"))
		require.Equal(t, 1, strings.Count(a.Email, "@"))
		require.False(t, strings.ContainsAny(a.Email, "<>,;"))
	})
}

func TestMessageValidateReportsEveryFaultAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	require.NoError(t, valid().Validate())
	for name, tc := range map[string]struct {
		change func(*mail.Message)
		says   string
	}{
		"no tenant":         {func(m *mail.Message) { m.Tenant = "" }, "tenant"},
		"no recipient":      {func(m *mail.Message) { m.To = mail.Address{} }, "to"},
		"bad sender":        {func(m *mail.Message) { m.From.Name = "only a name" }, "from"},
		"bad reply-to":      {func(m *mail.Message) { m.ReplyTo.Email = "x" }, "reply-to"},
		"no subject":        {func(m *mail.Message) { m.Subject = "  " }, "subject"},
		"subject with CR":   {func(m *mail.Message) { m.Subject = "a\rBcc: x" }, "subject"},
		"subject with LF":   {func(m *mail.Message) { m.Subject = "a\nBcc: x" }, "subject"},
		"subject with NUL":  {func(m *mail.Message) { m.Subject = "a\x00" }, "subject"},
		"subject with bidi": {func(m *mail.Message) { m.Subject = "a\u202eb" }, "subject"},
		"long subject":      {func(m *mail.Message) { m.Subject = strings.Repeat("a", mail.MaxSubject+1) }, "subject"},
		"name with CRLF":    {func(m *mail.Message) { m.To.Name = "a\r\nb" }, "display name"},
		"no text":           {func(m *mail.Message) { m.Text = "" }, "text"},
		"long text":         {func(m *mail.Message) { m.Text = strings.Repeat("a", mail.MaxText+1) }, "text"},
		"long html":         {func(m *mail.Message) { m.HTML = strings.Repeat("a", mail.MaxHTML+1) }, "html"},
		"text with NUL":     {func(m *mail.Message) { m.Text = "a\x00b" }, "text"},
		"invalid utf-8":     {func(m *mail.Message) { m.Text = "\xff" }, "text"},
		"key with LF":       {func(m *mail.Message) { m.Key = "a\nb" }, "key"},
		"kind":              {func(m *mail.Message) { m.Kind = "Not A Kind" }, "kind"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := valid()
			tc.change(m)
			err := m.Validate()
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.Contains(t, err.Error(), tc.says)
			require.NotContains(t, err.Error(), "secret")
			require.NotContains(t, err.Error(), "dana")
		})
	}
	require.ErrorIs(t, (*mail.Message)(nil).Validate(), mspkit.ErrInvalid)
}

func TestNoVerbOrLogShowsTextOrAddress(t *testing.T) {
	t.Parallel()
	m := valid()
	m.From = mail.Address{Name: "Desk", Email: "desk@contoso.example"}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("x", slog.Any("m", *m), slog.Any("p", m), slog.Any("a", m.To))
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		for _, v := range []any{m, *m, m.To, &m.To, []mail.Message{*m}} {
			fmt.Fprintf(&log, verb, v)
		}
	}
	fmt.Fprint(&log, m, *m, m.String())
	for _, s := range []string{"dana", "Dana", "client.example", "desk", "Desk", "secret", "Hello", "6461"} {
		require.NotContains(t, log.String(), s)
	}
	require.Contains(t, log.String(), "verification-code")
}
