package mailtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
)

// Fault is a way in which a [Server] misbehaves.
type Fault int

// The faults. Inject them with [Server.Inject].
const (
	// RejectRecipient answers RCPT with 550: no such mailbox.
	RejectRecipient Fault = iota
	// Greylist answers RCPT with 451: try again later.
	Greylist
	// RejectData answers the end of the message with 554: refused as spam.
	RejectData
	// DropBeforeData closes the connection instead of answering DATA.
	DropBeforeData
	// DropAfterData takes the message, keeps it, and closes the connection without an answer.
	DropAfterData
	// NoSTARTTLS does not offer STARTTLS and refuses it, as somebody in the middle would have it.
	NoSTARTTLS
	// Hang stops answering at MAIL until the client gives up.
	Hang
	// Busy greets with 421: too many connections.
	Busy
)

// ServerOptions configures [Start]. The zero value is a server without sign-in on a free port.
type ServerOptions struct {
	// Addr is host:port on loopback. Empty means a free port on 127.0.0.1.
	Addr string
	// User and Password demand sign-in by AUTH PLAIN or LOGIN where set. They are offered over TLS only.
	User     string
	Password mspkit.Redacted[string]
	// ImplicitTLS speaks TLS from the first byte, as port 465 does, instead of STARTTLS.
	ImplicitTLS bool
	// SMTPUTF8 takes addresses beyond ASCII (RFC 6531).
	SMTPUTF8 bool
	// MaxSize is the largest message in bytes: 0 means 1 MiB.
	MaxSize int
	// MaxConns is how many connections are served at once, others are closed: 0 means 50.
	MaxConns int
	// MaxMessages is how many mails are kept, the oldest are dropped: 0 means 1000.
	MaxMessages int
	// Timeout is how long a connection may take in all: 0 means 30 s.
	Timeout time.Duration
}

// Server is an SMTP server on loopback that delivers nothing.
type Server struct {
	o    ServerOptions
	l    net.Listener
	addr netip.AddrPort
	tls  *tls.Config
	pool *x509.CertPool
	wg   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]struct{}
	mails  []Message
	faults map[Fault]int
	subs   map[int]func(Message)
	nextID int
}

// Start makes a certificate, listens, and serves until [Server.Close].
func Start(o *ServerOptions) (*Server, error) {
	s := &Server{conns: map[net.Conn]struct{}{}, faults: map[Fault]int{}, subs: map[int]func(Message){}}
	if o != nil {
		s.o = *o
	}
	if s.o.Addr == "" {
		s.o.Addr = "127.0.0.1:0"
	}
	for _, d := range []struct {
		v   *int
		def int
	}{{&s.o.MaxSize, 1 << 20}, {&s.o.MaxConns, 50}, {&s.o.MaxMessages, 1000}} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	if s.o.Timeout <= 0 {
		s.o.Timeout = 30 * time.Second
	}
	host, _, err := net.SplitHostPort(s.o.Addr)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("mailtest: address must be a loopback host:port: %w", mspkit.ErrInvalid)
	}
	if (s.o.User == "") != (s.o.Password.Reveal() == "") {
		return nil, fmt.Errorf("mailtest: user and password go together: %w", mspkit.ErrInvalid)
	}
	if err := s.certificate(); err != nil {
		return nil, fmt.Errorf("mailtest: certificate: %w", err)
	}
	if s.l, err = net.Listen("tcp", s.o.Addr); err != nil { //nolint:noctx // listening on loopback does not block
		return nil, fmt.Errorf("mailtest: listen: %w", err)
	}
	if s.addr, err = netip.ParseAddrPort(s.l.Addr().String()); err != nil {
		return nil, errors.Join(fmt.Errorf("mailtest: listen: %w", err), s.l.Close())
	}
	s.wg.Add(1)
	go s.serve()
	return s, nil
}

// Host returns the address that the server listens on.
func (s *Server) Host() string { return s.addr.Addr().String() }

// Port returns the port that the server listens on.
func (s *Server) Port() int { return int(s.addr.Port()) }

// CertPool returns a pool that trusts the server's certificate and nothing else.
func (s *Server) CertPool() *x509.CertPool { return s.pool.Clone() }

// Messages returns what was received, oldest first.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.mails...)
}

// Subscribe calls f for each mail that arrives from now on, before the client gets its answer, one at a time
// per connection. The returned function ends that. f must not block.
func (s *Server) Subscribe(f func(Message)) (cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.nextID
	s.nextID++
	s.subs[id] = f
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.subs, id)
	}
}

// Inject makes f happen the next n times that it can, always where n is negative, no more where it is 0.
func (s *Server) Inject(f Fault, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[f] = max(n, -1)
}

// Reset forgets all mails and faults.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = nil
	clear(s.faults)
}

// Close stops listening, closes all connections and waits for their goroutines.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	err := s.l.Close()
	s.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// fault reports whether f is due, and uses one of its times.
func (s *Server) fault(f Fault) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.faults[f]
	if n > 0 {
		s.faults[f] = n - 1
	}
	return n != 0
}

func (s *Server) serve() {
	defer s.wg.Done()
	for {
		c, err := s.l.Accept()
		if err != nil {
			return // closed
		}
		s.mu.Lock()
		ok := !s.closed && len(s.conns) < s.o.MaxConns
		if ok {
			s.conns[c] = struct{}{}
			s.wg.Add(1)
		}
		s.mu.Unlock()
		if !ok {
			_ = c.Close()
			continue
		}
		go func() {
			defer s.wg.Done()
			defer func() {
				_ = c.Close()
				s.mu.Lock()
				delete(s.conns, c)
				s.mu.Unlock()
			}()
			_ = c.SetDeadline(time.Now().Add(s.o.Timeout))
			newSession(s, c).run()
		}()
	}
}

// keep stores m and tells the subscribers.
func (s *Server) keep(m Message) {
	s.mu.Lock()
	s.mails = append(s.mails, m)
	if n := len(s.mails) - s.o.MaxMessages; n > 0 {
		s.mails = append([]Message(nil), s.mails[n:]...)
	}
	subs := make([]func(Message), 0, len(s.subs))
	for _, f := range s.subs {
		subs = append(subs, f)
	}
	s.mu.Unlock()
	for _, f := range subs {
		f(m)
	}
}

func (s *Server) certificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mailtest"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	s.pool = x509.NewCertPool()
	s.pool.AddCert(cert)
	s.tls = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	return nil
}
