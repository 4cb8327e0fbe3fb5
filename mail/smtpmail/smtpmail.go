package smtpmail

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
)

// Options configures [New]. The zero value is a relay that asks for no sign-in, over STARTTLS with the
// system's root certificates.
type Options struct {
	// User and Password sign in by AUTH PLAIN or LOGIN. Both or neither.
	User     string
	Password mspkit.Redacted[string]
	// ImplicitTLS speaks TLS from the first byte (port 465, RFC 8314) instead of STARTTLS.
	ImplicitTLS bool
	// RootCAs are the certificates to trust. Nil means the system's.
	RootCAs *x509.CertPool
	// ServerName is the name that the server's certificate must have. Empty means the host.
	ServerName string
	// InsecureAllowPlaintext sends without TLS where the server does not offer it. It is for emulators, is
	// refused for any host but loopback, and logs a warning at each start.
	InsecureAllowPlaintext bool
	// LocalName is what we call ourselves in EHLO. Empty means "localhost".
	LocalName string
	// Timeout bounds one Send, retries included: 0 means 30 s. There is no way to have none.
	Timeout time.Duration
	// Retries is how often a send that failed temporarily, and surely did not arrive, is tried again: 0 means
	// 2, negative means never.
	Retries int
	// RetryDelay is the time before the first retry, doubled for each further one: 0 means 1 s.
	RetryDelay time.Duration
	// Dial opens the TCP connection. Nil means a [net.Dialer].
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Now is the clock for Date and receipts. Nil means time.Now. Deadlines of connections use the real one.
	Now func() time.Time
	// Logger hears of retries and insecure settings. Nil discards.
	Logger *slog.Logger
}

// Mailer sends over one SMTP server. It is a [mail.Mailer].
type Mailer struct {
	host string
	addr string
	from mail.Address
	o    Options
	tls  *tls.Config
}

var _ mail.Mailer = (*Mailer)(nil)

// New returns a mailer for the server at host and port (usually 587, or 465 with ImplicitTLS) that sends as
// from where a message names no sender. It reports all faults of its arguments and connects to nothing.
func New(host string, port int, from mail.Address, o *Options) (*Mailer, error) {
	m := &Mailer{host: host, addr: net.JoinHostPort(host, strconv.Itoa(port)), from: from}
	if o != nil {
		m.o = *o
	}
	if err := m.validate(port); err != nil {
		return nil, err
	}
	if m.o.LocalName == "" {
		m.o.LocalName = "localhost"
	}
	if m.o.Timeout == 0 {
		m.o.Timeout = 30 * time.Second
	}
	if m.o.Retries == 0 {
		m.o.Retries = 2
	}
	if m.o.RetryDelay == 0 {
		m.o.RetryDelay = time.Second
	}
	if m.o.Dial == nil {
		m.o.Dial = (&net.Dialer{}).DialContext
	}
	if m.o.Now == nil {
		m.o.Now = time.Now
	}
	if m.o.Logger == nil {
		m.o.Logger = slog.New(slog.DiscardHandler)
	}
	name := m.o.ServerName
	if name == "" {
		name = host
	}
	m.tls = &tls.Config{ServerName: name, RootCAs: m.o.RootCAs, MinVersion: tls.VersionTLS12}
	if m.o.InsecureAllowPlaintext {
		m.o.Logger.Warn("smtpmail: mail may go out without encryption, which is for local emulators only")
	}
	return m, nil
}

func (m *Mailer) validate(port int) error {
	var errs []error
	fail := func(text string) { errs = append(errs, fmt.Errorf("smtpmail: %s: %w", text, mspkit.ErrInvalid)) }
	if m.host == "" || len(m.host) > 253 || strings.ContainsAny(m.host, " /\\@\r\n\x00") {
		fail("host is not a host name or IP address")
	}
	if port < 1 || port > 65535 {
		fail("port must be 1 to 65535")
	}
	if err := m.from.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("smtpmail: from: %w", err))
	}
	if (m.o.User == "") != (m.o.Password.Reveal() == "") {
		fail("user and password go together")
	}
	if m.o.InsecureAllowPlaintext && !loopback(m.host) {
		fail("InsecureAllowPlaintext is allowed for loopback only")
	}
	if m.o.InsecureAllowPlaintext && m.o.ImplicitTLS {
		fail("InsecureAllowPlaintext and ImplicitTLS contradict each other")
	}
	if strings.ContainsAny(m.o.LocalName, " \r\n\x00") {
		fail("local name has a space or line break")
	}
	if m.o.Timeout < 0 || m.o.RetryDelay < 0 {
		fail("timeout and retry delay must not be negative")
	}
	return errors.Join(errs...)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Send hands msg over to the server. A failure that is temporary and happened before the message was complete
// is tried again within [Options.Timeout]; one after it never is, because the mail may be on its way. The
// Message-ID is the same for the same tenant and key.
func (m *Mailer) Send(ctx context.Context, msg *mail.Message) (mail.Receipt, error) {
	if err := msg.Validate(); err != nil {
		return mail.Receipt{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, m.o.Timeout)
	defer cancel()
	id := m.messageID(msg)
	for try := 0; ; try++ {
		failed := m.attempt(ctx, msg, id)
		if failed == nil {
			return mail.Receipt{ID: id, At: m.o.Now()}, nil
		}
		if try >= m.o.Retries || !errors.Is(failed, mail.ErrTemporary) || ctx.Err() != nil {
			return mail.Receipt{}, failed.withContext(ctx)
		}
		m.o.Logger.DebugContext(ctx, "smtpmail: trying again",
			slog.Any("message", *msg), slog.Int("try", try+1), slog.Any("error", failed))
		wait := time.NewTimer(m.o.RetryDelay << min(try, 10))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return mail.Receipt{}, failed.withContext(ctx)
		}
	}
}

// messageID derives the id from tenant and key, so that a repeat bears the same one and mailboxes that drop
// duplicates can. Without a key it is random. The hash keeps the key itself out of the mail.
func (m *Mailer) messageID(msg *mail.Message) string {
	from := m.sender(msg)
	domain := from.Email[strings.LastIndexByte(from.Email, '@')+1:]
	if msg.Key == "" {
		return strings.ToLower(rand.Text()) + "@" + domain
	}
	sum := sha256.Sum256([]byte("mspkit mail id\x00" + string(msg.Tenant) + "\x00" + msg.Key))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:20])) + "@" + domain
}

func (m *Mailer) sender(msg *mail.Message) mail.Address {
	if msg.From.IsZero() {
		return m.from
	}
	return msg.From
}
