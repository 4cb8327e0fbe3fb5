package teamstest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

// DefaultMaxActivity is how many bytes an activity may have unless [Options.MaxActivity] says otherwise: what all
// clients take.
const DefaultMaxActivity = 28 << 10

// Options are the settings of a [Server].
type Options struct {
	// HomeTenant is the tenant of the bot's registration: default a random one.
	HomeTenant string
	// MultiTenant plays the old multi-tenant type of bot, whose token comes from the shared tenant.
	MultiTenant bool
	// Limits enforces Teams' request limits; see [Server.Throttled].
	Limits bool
	// MaxActivity is how many bytes an activity may have: default [DefaultMaxActivity].
	MaxActivity int
	// RefuseObjectID refuses to begin a conversation with an object id, which Microsoft's reference does not promise.
	RefuseObjectID bool
	// Emulator neither sends nor asks for tokens, as local emulators do.
	Emulator bool
	// TokenLife is how long the bot's tokens are good for: default 1 h.
	TokenLife time.Duration
	// Seed makes the choices of [Server.FailRate] and of [Fault.Probability] repeatable.
	Seed uint64
	// Now is the clock for tokens and limits: default time.Now.
	Now func() time.Time
}

// Server is Microsoft's side. Make one with [Start].
type Server struct {
	appID, secret string
	o             Options
	base          string
	host          string
	ctx           context.Context //nolint:containedctx // ends what hangs on request when the server is closed
	cancel        context.CancelFunc
	srv           *http.Server
	served        chan struct{}
	running       sync.WaitGroup
	client        *http.Client
	login         *ecdsa.PrivateKey // of the bot's tokens

	mu           sync.Mutex
	closed       bool
	endpoint     string
	keys         []signingKey // of activities' tokens; the last one signs
	tokens       map[string]cachedToken
	revoked      int // the last token that counts no more
	issued       int
	lastID       int64
	people       []*Person
	members      map[string]*Person // by 29: id
	objects      map[string]*Person // by tenant and object id
	chats        map[string]*Person // by conversation id
	disabled     map[string]bool
	messages     []*Message
	changed      chan struct{}
	subscribers  map[int]func(Message)
	subscribed   int
	limits       limiter
	throttled    int
	faults       []*Fault
	rate         float64
	rateStatuses []int
	dice         *dice
	counts       map[Op]int
}

// Start listens on a free loopback port and plays Microsoft's side for the bot with this app id and client secret.
// The error is [mspkit.ErrInvalid] for an app id that is empty, or says why it cannot listen.
func Start(appID, secret string, o *Options) (*Server, error) {
	if appID == "" {
		return nil, fmt.Errorf("teamstest: an app id is required: %w", mspkit.ErrInvalid)
	}
	s := &Server{
		appID: strings.ToLower(appID), secret: secret, served: make(chan struct{}), changed: make(chan struct{}),
		tokens: map[string]cachedToken{}, members: map[string]*Person{}, objects: map[string]*Person{},
		chats: map[string]*Person{}, disabled: map[string]bool{}, subscribers: map[int]func(Message){},
		limits: limiter{seen: map[string][]time.Time{}}, counts: map[Op]int{},
	}
	if o != nil {
		s.o = *o
	}
	if s.o.HomeTenant == "" {
		s.o.HomeTenant = newGUID()
	}
	if s.o.MaxActivity == 0 {
		s.o.MaxActivity = DefaultMaxActivity
	}
	if s.o.TokenLife == 0 {
		s.o.TokenLife = time.Hour
	}
	if s.o.Now == nil {
		s.o.Now = time.Now
	}
	s.dice = newDice(s.o.Seed)
	var err error
	// The bot must not look into its own token, so that any algorithm will do, and this one has quick keys.
	if s.login, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("teamstest: %w", err)
	}
	if err := s.newKey(false); err != nil {
		return nil, fmt.Errorf("teamstest: %w", err)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	l, err := new(net.ListenConfig).Listen(s.ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		s.cancel()
		return nil, fmt.Errorf("teamstest: %w", err)
	}
	s.host = l.Addr().String()
	s.base = "http://" + s.host
	s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: 15 * time.Second}
	s.srv = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(s.served)
		_ = s.srv.Serve(l)
	}()
	return s, nil
}

// Close ends the server and waits for what it is doing. It may be called more than once.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	_ = s.srv.Close()
	<-s.served
	s.running.Wait()
	s.client.CloseIdleConnections()
}

// URL is where the server listens, without a slash at the end.
func (s *Server) URL() string { return s.base }

// AppTenant is the tenant of the bot's registration.
func (s *Server) AppTenant() string { return s.o.HomeTenant }

// Cloud is a cloud whose every host is this server.
func (s *Server) Cloud() teamsapp.Cloud {
	c := teamsapp.PublicCloud()
	c.Name = "teamstest"
	c.Login, c.Issuer = s.base, s.base
	c.Metadata = s.base + "/v1/.well-known/openidconfiguration"
	c.ServiceURL = s.base + "/teams/"
	c.Hosts = []string{s.host}
	return c
}

// Connect sets the bot's messaging endpoint, where activities go. The empty string takes it away; then nothing is sent.
func (s *Server) Connect(endpoint string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoint = endpoint
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		panic(http.ErrAbortHandler) // net/http closes the connection without a word
	}
	s.running.Add(1)
	s.mu.Unlock()
	defer s.running.Done()

	path, ok := segments(r.URL)
	op, do := s.route(r.Method, path)
	if !ok || do == nil {
		problem(w, http.StatusNotFound, "NotFound", "no such resource")
		return
	}
	f := s.arrived(op)
	w.Header().Set("MS-CV", rand.Text()[:16]) // what Microsoft's support asks for
	if f == nil {
		do(w, r)
		return
	}
	s.fail(w, r, f, do)
}

// segments splits the path as it was sent, so that ids may hold a slash.
func segments(u *url.URL) ([]string, bool) {
	parts := strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")
	for i, p := range parts {
		plain, err := url.PathUnescape(p)
		if err != nil {
			return nil, false
		}
		parts[i] = plain
	}
	return parts, true
}

type handler func(w http.ResponseWriter, r *http.Request)

func (s *Server) route(method string, path []string) (Op, handler) {
	is := func(m string, want ...string) bool {
		if method != m || len(path) != len(want) {
			return false
		}
		for i, p := range want {
			if p != "*" && p != path[i] {
				return false
			}
		}
		return true
	}
	switch {
	case is(http.MethodPost, "*", "oauth2", "v2.0", "token"):
		tenant := path[0]
		return OpToken, func(w http.ResponseWriter, r *http.Request) { s.token(w, r, tenant) }
	case is(http.MethodGet, "v1", ".well-known", "openidconfiguration"):
		return OpMetadata, s.metadata
	case is(http.MethodGet, "v1", ".well-known", "keys"):
		return OpKeys, s.jwks
	}
	return s.connectorRoute(method, path)
}

// The sentinels; the table in the package comment says what they mean.
var (
	ErrNotConnected = errors.New("teamstest: the bot has no messaging endpoint")
	ErrNotInstalled = errors.New("teamstest: the app is not installed for this person")
	ErrNoButton     = errors.New("teamstest: the card has no such button")
	ErrInput        = errors.New("teamstest: the field is not filled in as the card asks for it")
	ErrCard         = errors.New("teamstest: the card cannot be shown")
)

func newGUID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails, says its documentation
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
