package mailtest_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/mailtest"
)

func message() *mail.Message {
	return &mail.Message{Tenant: "contoso", To: mail.Address{Email: "dana@client.example"}, Subject: "Hi", Text: "Hello", Key: "k"}
}

func TestMailerRecordsCopiesAndFailsOnRequest(t *testing.T) {
	t.Parallel()
	var m mailtest.Mailer
	boom := errors.New("boom")
	m.Fail(boom, 2)
	for range 2 {
		_, err := m.Send(t.Context(), message())
		require.ErrorIs(t, err, boom)
	}
	msg := message()
	r, err := m.Send(t.Context(), msg)
	require.NoError(t, err)
	msg.Subject = "changed later"
	require.Len(t, m.Messages(), 1)
	require.Equal(t, "Hi", m.Messages()[0].Subject)
	again, err := m.Send(t.Context(), message())
	require.NoError(t, err)
	require.Equal(t, r.ID, again.ID)

	bad := message()
	bad.Subject = "a\r\nb"
	_, err = m.Send(t.Context(), bad)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	m.Fail(boom, -5)
	for range 3 {
		_, err = m.Send(t.Context(), message())
		require.ErrorIs(t, err, boom)
	}
	m.Reset()
	_, err = m.Send(t.Context(), message())
	require.NoError(t, err)
	require.Len(t, m.Messages(), 1)
}

func TestMailerWaitReturnsWhenEnoughArrived(t *testing.T) {
	t.Parallel()
	var m mailtest.Mailer
	done := make(chan error, 1)
	go func() {
		got, err := m.Wait(t.Context(), 2)
		if err == nil && len(got) < 2 {
			err = fmt.Errorf("%d messages", len(got))
		}
		done <- err
	}()
	for range 2 {
		_, err := m.Send(t.Context(), message())
		require.NoError(t, err)
	}
	require.NoError(t, <-done)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := m.Wait(ctx, 3)
	require.ErrorIs(t, err, context.Canceled)
}

// client speaks to the server line by line.
type client struct {
	t *testing.T
	c net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, o *mailtest.ServerOptions) (*mailtest.Server, *client) {
	t.Helper()
	srv, err := mailtest.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, srv.Close()) })
	return srv, connect(t, srv)
}

func connect(t *testing.T, srv *mailtest.Server) *client {
	t.Helper()
	c, err := net.Dial("tcp", net.JoinHostPort(srv.Host(), strconv.Itoa(srv.Port())))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(5*time.Second)))
	return &client{t: t, c: c, r: bufio.NewReader(c)}
}

// say sends lines and expects one answer that begins with want; "" sends nothing.
func (c *client) say(send, want string) string {
	c.t.Helper()
	if send != "" {
		_, err := io.WriteString(c.c, send+"\r\n")
		require.NoError(c.t, err)
	}
	var all strings.Builder
	for {
		line, err := c.r.ReadString('\n')
		require.NoError(c.t, err)
		all.WriteString(line)
		if len(line) < 4 || line[3] != '-' {
			require.True(c.t, strings.HasPrefix(line, want), "%q answered %q", send, line)
			return all.String()
		}
	}
}

func (c *client) closed() {
	c.t.Helper()
	_, err := io.ReadAll(c.r)
	if ne, ok := errors.AsType[net.Error](err); ok {
		require.False(c.t, ne.Timeout(), "the connection is still open")
	}
}

const head = "From: a@a.example\r\nTo: b@b.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <id1@a.example>\r\n"

func TestServerKeepsDecodedMails(t *testing.T) {
	t.Parallel()
	srv, c := dial(t, nil)
	var heard []string
	cancel := srv.Subscribe(func(m mailtest.Message) { heard = append(heard, m.Subject) })
	c.say("", "220")
	c.say("EHLO x", "250")
	c.say("NOOP", "250")
	for range 2 {
		c.say("MAIL FROM:<a@a.example> BODY=8BITMIME", "250")
		c.say("RCPT TO:<b@b.example>", "250")
		c.say("DATA", "354")
		c.say(head+"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=X\r\n\r\n"+
			"--X\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n..=C3=BC\r\n"+
			"--X\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPHA+aGk8L3A+\r\n--X--\r\n.", "250")
		cancel()
	}
	c.say("QUIT", "221")
	got := srv.Messages()
	require.Len(t, got, 2)
	require.Equal(t, []string{"Grüße"}, heard, "a cancelled subscription hears nothing")
	m := got[0]
	require.Equal(t, "Grüße", m.Subject)
	require.Equal(t, "id1@a.example", m.MessageID)
	require.Equal(t, ".ü", m.Text)
	require.Equal(t, "<p>hi</p>", m.HTML)
	require.False(t, m.TLS)
	srv.Reset()
	require.Empty(t, srv.Messages())
}

func TestServerKeepsTheOrderOfCommandsAndItsLimits(t *testing.T) {
	t.Parallel()
	srv, c := dial(t, &mailtest.ServerOptions{MaxSize: 500, MaxMessages: 1})
	c.say("", "220")
	require.Contains(t, c.say("EHLO x", "250"), "SIZE 500")
	c.say("RCPT TO:<b@b.example>", "503")
	c.say("DATA", "503")
	c.say("WHAT", "502")
	c.say("MAIL FROM:a@a.example", "501")
	c.say("MAIL FROM:<a@a.example> SIZE=501", "552")
	c.say("AUTH PLAIN AAAA", "503")
	c.say("MAIL FROM:<a@a.example>", "250")
	c.say("MAIL FROM:<a@a.example>", "503")
	c.say("RSET", "250")
	c.say("DATA", "503")
	for _, tc := range []struct{ body, want string }{
		{head + "\r\n" + strings.Repeat("x", 990) + "\r\n", "552"},
		{head + "\r\n" + strings.Repeat("x", 1200) + "\r\n", "500"},
		{head + "\r\nsmuggled\n.\r\nMAIL FROM:<e@e.example>\r\n", ""},
		{head + "\r\nfirst\r\n", "250"},
		{"Subject: second\r\n\r\nbody\r\n", "250"},
		{"no header at all\r\n", "554"},
	} {
		c.say("MAIL FROM:<>", "250")
		c.say("RCPT TO:<b@b.example>", "250")
		c.say("DATA", "354")
		if tc.want == "" { // the bare LF does not end the message, only the next CRLF.CRLF does
			c.say(tc.body+".", "554")
			continue
		}
		c.say(tc.body+".", tc.want)
	}
	require.Len(t, srv.Messages(), 1, "the oldest is dropped")
	require.Equal(t, "second", srv.Messages()[0].Subject)
	_, err := io.WriteString(c.c, strings.Repeat("x", 5000)+"\r\n")
	require.NoError(t, err)
	c.say("", "500")
	c.closed()
}

func TestServerSpeaksTLSAndSignInBothWays(t *testing.T) {
	t.Parallel()
	srv, c := dial(t, &mailtest.ServerOptions{User: "u", Password: mspkit.Redact("p")})
	c.say("", "220")
	require.NotContains(t, c.say("EHLO x", "250"), "AUTH", "no sign-in in clear")
	c.say("MAIL FROM:<a@a.example>", "530")
	c.say("STARTTLS", "220")
	tc := tls.Client(c.c, &tls.Config{RootCAs: srv.CertPool(), ServerName: "localhost", MinVersion: tls.VersionTLS12})
	require.NoError(t, tc.HandshakeContext(t.Context()))
	c.c, c.r = tc, bufio.NewReader(tc)
	ext := c.say("EHLO x", "250")
	require.Contains(t, ext, "AUTH PLAIN LOGIN")
	require.NotContains(t, ext, "STARTTLS")
	c.say("AUTH PLAIN AHUAeA==", "535") // u, x
	c.say("AUTH PLAIN ????", "501")
	c.say("AUTH CRAM-MD5", "504")
	c.say("AUTH LOGIN", "334")
	c.say("dQ==", "334")
	c.say("cA==", "235")
	c.say("AUTH PLAIN", "334")
	c.say("AHUAcA==", "235")
	c.say("MAIL FROM:<a@a.example>", "250")
}

func TestServerDropsWhoeverPipelinesBehindSTARTTLS(t *testing.T) {
	t.Parallel()
	srv, c := dial(t, nil)
	c.say("", "220")
	c.say("EHLO x", "250")
	c.say("STARTTLS\r\nMAIL FROM:<evil@e.example>", "501")
	c.closed()
	require.Empty(t, srv.Messages())
}

func TestServerBoundsConnectionsAndTime(t *testing.T) {
	t.Parallel()
	srv, c := dial(t, &mailtest.ServerOptions{MaxConns: 1, Timeout: 100 * time.Millisecond})
	c.say("", "220")
	second := connect(t, srv)
	second.closed()
	c.closed() // its time is over
}

func TestServerIsForLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, o := range []mailtest.ServerOptions{{Addr: "0.0.0.0:0"}, {Addr: ":0"}, {Addr: "192.0.2.1:25"}, {Addr: "x"}, {User: "u"}} {
		_, err := mailtest.Start(&o)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	}
	srv, err := mailtest.Start(&mailtest.ServerOptions{Addr: "localhost:0"})
	require.NoError(t, err)
	require.NoError(t, srv.Close())
	require.NoError(t, srv.Close(), "twice is fine")
}
