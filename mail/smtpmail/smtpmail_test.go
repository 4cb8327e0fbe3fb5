package smtpmail_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/mailtest"
	"github.com/mspkit/mspkit/mail/smtpmail"
)

var sender = mail.Address{Name: "Contoso IT", Email: "it@contoso.example"}

func message() *mail.Message {
	return &mail.Message{
		Tenant: "contoso", To: mail.Address{Name: "Dana Müller", Email: "dana@client.example"},
		Subject: "Grüße von Contoso IT", Text: "Hello\n.\n.dot\nÜmläut\n", HTML: "<p>Hello</p>\n", Key: "challenge-1", Kind: "verification-link",
	}
}

func start(t *testing.T, o *mailtest.ServerOptions) *mailtest.Server {
	t.Helper()
	srv, err := mailtest.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, srv.Close()) })
	return srv
}

func mailer(t *testing.T, srv *mailtest.Server, o smtpmail.Options) *smtpmail.Mailer {
	t.Helper()
	if o.RootCAs == nil {
		o.RootCAs = srv.CertPool()
	}
	if o.RetryDelay == 0 {
		o.RetryDelay = time.Millisecond
	}
	m, err := smtpmail.New(srv.Host(), srv.Port(), sender, &o)
	require.NoError(t, err)
	return m
}

func TestSendDeliversTheWholeMessageOverTLS(t *testing.T) {
	t.Parallel()
	pass := mspkit.Redact("s3cret")
	for name, implicit := range map[string]bool{"starttls": false, "implicit": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := start(t, &mailtest.ServerOptions{User: "relay", Password: pass, ImplicitTLS: implicit})
			m := mailer(t, srv, smtpmail.Options{User: "relay", Password: pass, ImplicitTLS: implicit})
			msg := message()
			msg.ReplyTo = mail.Address{Email: "desk@contoso.example"}
			r, err := m.Send(t.Context(), msg)
			require.NoError(t, err)
			got := srv.Messages()
			require.Len(t, got, 1)
			g := got[0]
			require.True(t, g.TLS)
			require.Equal(t, "relay", g.User)
			require.Equal(t, "it@contoso.example", g.From)
			require.Equal(t, []string{"dana@client.example"}, g.To)
			require.Equal(t, msg.Subject, g.Subject)
			require.Equal(t, msg.Text, g.Text, "lines that are or begin with a dot survive")
			require.Equal(t, msg.HTML, g.HTML)
			require.Equal(t, r.ID, g.MessageID)
			require.Equal(t, []string{"auto-generated"}, g.Header["Auto-Submitted"])
			require.Contains(t, g.Header["Reply-To"][0], "desk@contoso.example")
			require.Contains(t, g.Header["From"][0], "Contoso IT")
			require.Contains(t, g.Header["To"][0], "Dana Müller")
			require.NotContains(t, string(g.Raw), "challenge-1", "the key itself stays at home")
		})
	}
}

func TestARepeatBearsTheSameMessageIDAndAnotherTenantAnother(t *testing.T) {
	t.Parallel()
	srv := start(t, nil)
	m := mailer(t, srv, smtpmail.Options{})
	id := func(tenant mspkit.TenantID, key string) string {
		msg := message()
		msg.Tenant, msg.Key = tenant, key
		r, err := m.Send(t.Context(), msg)
		require.NoError(t, err)
		return r.ID
	}
	require.Equal(t, id("a", "k"), id("a", "k"))
	require.NotEqual(t, id("a", "k"), id("b", "k"))
	require.NotEqual(t, id("a", "k"), id("a", "l"))
	require.NotEqual(t, id("a", ""), id("a", ""))
}

func TestNothingIsSentWithoutTrustworthyTLS(t *testing.T) {
	t.Parallel()
	pass := mspkit.Redact("s3cret")
	other := start(t, nil)
	for name, tc := range map[string]struct {
		server mailtest.ServerOptions
		strip  bool
		opts   smtpmail.Options
	}{
		"starttls is not offered":                 {strip: true},
		"starttls is stripped before the sign-in": {server: mailtest.ServerOptions{User: "u", Password: pass}, strip: true, opts: smtpmail.Options{User: "u", Password: pass}},
		"unknown certificate":                     {opts: smtpmail.Options{RootCAs: other.CertPool()}},
		"unknown certificate, implicit":           {server: mailtest.ServerOptions{ImplicitTLS: true}, opts: smtpmail.Options{ImplicitTLS: true, RootCAs: other.CertPool()}},
		"certificate for another name":            {opts: smtpmail.Options{ServerName: "mail.contoso.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := start(t, &tc.server)
			if tc.strip {
				srv.Inject(mailtest.NoSTARTTLS, -1)
			}
			_, err := mailer(t, srv, tc.opts).Send(t.Context(), message())
			require.ErrorIs(t, err, smtpmail.ErrTLSRequired)
			require.NotErrorIs(t, err, mail.ErrTemporary)
			require.Empty(t, srv.Messages())
		})
	}
}

func TestPlaintextIsForLoopbackOnlyAndWarns(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	srv := start(t, nil)
	srv.Inject(mailtest.NoSTARTTLS, -1)
	o := smtpmail.Options{InsecureAllowPlaintext: true, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	_, err := mailer(t, srv, o).Send(t.Context(), message())
	require.NoError(t, err)
	require.False(t, srv.Messages()[0].TLS)
	require.Contains(t, log.String(), "level=WARN")

	_, err = smtpmail.New("mail.contoso.example", 25, sender, &o)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func TestPlaintextModeStillUsesTLSWhereItIsOffered(t *testing.T) {
	t.Parallel()
	srv := start(t, nil)
	_, err := mailer(t, srv, smtpmail.Options{InsecureAllowPlaintext: true}).Send(t.Context(), message())
	require.NoError(t, err)
	require.True(t, srv.Messages()[0].TLS)
}

func TestFaultsAreMappedAndRetriedOnlyWhereThatIsSafe(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault    mailtest.Fault
		times    int
		is       error // nil: the send succeeds in the end
		step     string
		code     int
		received int
	}{
		"no such mailbox":               {mailtest.RejectRecipient, -1, mail.ErrRejected, "recipient", 550, 0},
		"no such mailbox is final":      {mailtest.RejectRecipient, 1, mail.ErrRejected, "recipient", 550, 0},
		"greylisted for long":           {mailtest.Greylist, -1, mail.ErrTemporary, "recipient", 451, 0},
		"greylisted once":               {mailtest.Greylist, 1, nil, "", 0, 1},
		"refused as spam":               {mailtest.RejectData, -1, mail.ErrRejected, "result", 554, 0},
		"busy twice":                    {mailtest.Busy, 2, nil, "", 0, 1},
		"busy for long":                 {mailtest.Busy, -1, mail.ErrTemporary, "greeting", 421, 0},
		"lost before DATA":              {mailtest.DropBeforeData, 2, nil, "", 0, 1},
		"lost after DATA is not redone": {mailtest.DropAfterData, 1, mail.ErrAmbiguous, "result", 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := start(t, nil)
			srv.Inject(tc.fault, tc.times)
			_, err := mailer(t, srv, smtpmail.Options{}).Send(t.Context(), message())
			require.Len(t, srv.Messages(), tc.received)
			if tc.is == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, tc.is)
			e, ok := errors.AsType[*smtpmail.Error](err)
			require.True(t, ok)
			require.Equal(t, tc.step, e.Step)
			require.Equal(t, tc.code, e.Code)
			for _, s := range []string{"dana", "client.example", "contoso.example", "Hello", "mailbox", "greylisted"} {
				require.NotContains(t, fmt.Sprintf("%+v", err), s)
			}
			for _, other := range []error{mail.ErrRejected, mail.ErrTemporary, mail.ErrAmbiguous, mail.ErrAuth, smtpmail.ErrTLSRequired} {
				require.Equal(t, other == tc.is, errors.Is(err, other), other) //nolint:errorlint // identity of sentinels
			}
		})
	}
}

func TestNegativeRetriesMeansOneTry(t *testing.T) {
	t.Parallel()
	srv := start(t, nil)
	srv.Inject(mailtest.Busy, 1)
	m := mailer(t, srv, smtpmail.Options{Retries: -1})
	_, err := m.Send(t.Context(), message())
	require.ErrorIs(t, err, mail.ErrTemporary)
	_, err = m.Send(t.Context(), message())
	require.NoError(t, err)
}

func TestASendEndsWithItsDeadlineOrItsCaller(t *testing.T) {
	t.Parallel()
	srv := start(t, nil)
	srv.Inject(mailtest.Hang, -1)
	begun := time.Now()
	_, err := mailer(t, srv, smtpmail.Options{Timeout: 50 * time.Millisecond}).Send(t.Context(), message())
	require.ErrorIs(t, err, mail.ErrTemporary)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	ctx, cancel := context.WithCancel(t.Context())
	m := mailer(t, srv, smtpmail.Options{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		defer time.AfterFunc(50*time.Millisecond, cancel)
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}})
	_, err = m.Send(ctx, message())
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, time.Since(begun), 5*time.Second)
	require.Empty(t, srv.Messages())
}

func TestWrongPasswordIsNotRetriedAndNotShown(t *testing.T) {
	t.Parallel()
	srv := start(t, &mailtest.ServerOptions{User: "relay", Password: mspkit.Redact("right")})
	_, err := mailer(t, srv, smtpmail.Options{User: "relay", Password: mspkit.Redact("wr0ng-pass")}).Send(t.Context(), message())
	require.ErrorIs(t, err, mail.ErrAuth)
	require.NotContains(t, err.Error(), "wr0ng")
	_, err = mailer(t, srv, smtpmail.Options{}).Send(t.Context(), message())
	require.ErrorIs(t, err, mail.ErrAuth, "a server that demands sign-in refuses the sender")
	require.Empty(t, srv.Messages())
}

func TestNobodyListeningIsTemporary(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	m, err := smtpmail.New("127.0.0.1", port, sender, &smtpmail.Options{Retries: -1})
	require.NoError(t, err)
	_, err = m.Send(t.Context(), message())
	require.ErrorIs(t, err, mail.ErrTemporary)
}

func TestNothingInAMessageBecomesAHeaderOrACommand(t *testing.T) {
	t.Parallel()
	srv := start(t, nil)
	m := mailer(t, srv, smtpmail.Options{})
	for name, change := range map[string]func(*mail.Message){
		"subject":       func(m *mail.Message) { m.Subject = "Hi\r\nBcc: evil@evil.example" },
		"name":          func(m *mail.Message) { m.To.Name = "Dana\nBcc: evil@evil.example" },
		"address":       func(m *mail.Message) { m.To.Email = "dana@client.example>\r\nRCPT TO:<evil@evil.example" },
		"two addresses": func(m *mail.Message) { m.To.Email = "dana@client.example,evil@evil.example" },
		"parameter":     func(m *mail.Message) { m.To.Email = "dana@client.example NOTIFY=NEVER" },
		"from":          func(m *mail.Message) { m.From.Email = "a@b.example\r\nDATA" },
		"reply-to":      func(m *mail.Message) { m.ReplyTo = mail.Address{Name: "x\r\ny", Email: "a@b.example"} },
		"key":           func(m *mail.Message) { m.Key = "k\r\nBcc: evil@evil.example" },
	} {
		msg := message()
		change(msg)
		_, err := m.Send(t.Context(), msg)
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
	}
	require.Empty(t, srv.Messages())

	// What is allowed in a name or text must arrive as that, and end nothing.
	msg := message()
	msg.To.Name = `"Dana" <evil@evil.example>, x`
	msg.Text = "a\r\n.\r\nMAIL FROM:<evil@evil.example>\r\n.\rb\n.\n"
	_, err := m.Send(t.Context(), msg)
	require.NoError(t, err)
	got := srv.Messages()
	require.Len(t, got, 1)
	require.Equal(t, []string{"dana@client.example"}, got[0].To)
	require.Equal(t, "a\n.\nMAIL FROM:<evil@evil.example>\n.\nb\n.\n", got[0].Text)
	require.NotContains(t, got[0].Header, "Bcc")
}

func TestForeignAddressesNeedAServerThatTakesThemAndOthersDoNotAsk(t *testing.T) {
	t.Parallel()
	msg := message()
	msg.To.Email = "müller@client.example"
	_, err := mailer(t, start(t, nil), smtpmail.Options{}).Send(t.Context(), msg)
	require.ErrorIs(t, err, mail.ErrRejected)

	srv := start(t, &mailtest.ServerOptions{SMTPUTF8: true})
	m := mailer(t, srv, smtpmail.Options{})
	for _, msg := range []*mail.Message{msg, message()} {
		_, err := m.Send(t.Context(), msg)
		require.NoError(t, err)
	}
	got := srv.Messages()
	require.True(t, got[0].UTF8)
	require.Equal(t, []string{"müller@client.example"}, got[0].To)
	require.False(t, got[1].UTF8, "a relay behind would have to bounce it")
}

func TestTLSIsAtLeast12(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	offered := make(chan []uint16, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_ = tls.Server(c, &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			offered <- h.SupportedVersions
			return nil, errors.New("seen enough")
		}}).HandshakeContext(t.Context())
	}()
	defer l.Close()
	m, err := smtpmail.New("127.0.0.1", l.Addr().(*net.TCPAddr).Port, sender, &smtpmail.Options{ImplicitTLS: true, Retries: -1})
	require.NoError(t, err)
	_, err = m.Send(t.Context(), message())
	require.Error(t, err)
	for _, v := range <-offered {
		require.GreaterOrEqual(t, v, uint16(tls.VersionTLS12))
	}
}

func TestNewReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := smtpmail.New("bad host", 0, mail.Address{Email: "nobody"}, &smtpmail.Options{User: "u", LocalName: "a\r\nb", Timeout: -1, InsecureAllowPlaintext: true})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, s := range []string{"host", "port", "from", "password", "local name", "timeout", "InsecureAllowPlaintext"} {
		require.Contains(t, err.Error(), s)
	}
	require.NotContains(t, err.Error(), "nobody")
}

func TestManySendsAtOnce(t *testing.T) {
	t.Parallel()
	srv := start(t, nil)
	m := mailer(t, srv, smtpmail.Options{})
	errs := make(chan error, 20)
	for i := range 20 {
		go func() {
			msg := message()
			msg.Key = strings.Repeat("k", i+1)
			_, err := m.Send(t.Context(), msg)
			errs <- err
		}()
	}
	for range 20 {
		require.NoError(t, <-errs)
	}
	require.Len(t, srv.Messages(), 20)
}
