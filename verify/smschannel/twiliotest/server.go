package twiliotest

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"
)

// The sentinels.
var (
	ErrNoMessage = errors.New("twiliotest: no such message")
	ErrCallback  = errors.New("twiliotest: status callback was not accepted")
)

// Options configures [New].
type Options struct {
	// APIKeys are further credentials: secrets by key id ("SK…").
	APIKeys map[string]string
	// AutoDeliver reports each accepted message as sent and delivered by itself. Otherwise [Server.Deliver] does.
	AutoDeliver bool
	// HTTPClient sends the status callbacks. nil is one with a timeout of 10 s.
	HTTPClient *http.Client
	// Now is the clock. nil is time.Now.
	Now func() time.Time
}

// Message is a text message that the server has taken.
type Message struct {
	SID, AccountSID                    string
	To, From, Body                     string
	MessagingServiceSID                string
	Status                             string // "queued", "sent", "delivered", …
	ErrorCode                          int
	Created                            time.Time
	Sent                               time.Time // zero until its status is past sending
	Validity                           time.Duration
	StatusCallback                     string
	ContentRetention, AddressRetention string
}

// Fault is one way to fail. Faults are used up in the order in which they were given to [Server.Fail].
type Fault struct {
	// Method is the method that fails. Empty means POST.
	Method string
	// Accept takes the message before failing, so that the caller cannot know what happened.
	Accept bool
	// Status answers with that status, and with Code as Twilio's error code.
	Status, Code int
	// RetryAfter is the header's value. Empty sends none.
	RetryAfter string
	// Body answers with that text instead of JSON.
	Body string
	// Drop closes the connection without an answer.
	Drop bool
	// Hang answers nothing until the client goes away or the server is closed.
	Hang bool
}

// Common faults.
var (
	// TooMany is 429 with code 20429: refused before acting.
	TooMany = Fault{Status: http.StatusTooManyRequests, Code: 20429}
	// LostBefore closes the connection and takes no message.
	LostBefore = Fault{Drop: true}
	// LostAfter takes the message and closes the connection.
	LostAfter = Fault{Accept: true, Drop: true}
	// BrokenBefore answers 503 and takes no message.
	BrokenBefore = Fault{Status: http.StatusServiceUnavailable, Code: 20503}
	// BrokenAfter takes the message and answers 500.
	BrokenAfter = Fault{Accept: true, Status: http.StatusInternalServerError, Code: 20500}
	// HangAfter takes the message and does not answer.
	HangAfter = Fault{Accept: true, Hang: true}
	// Garbage takes the message and answers 201 with a page of a proxy.
	Garbage = Fault{Accept: true, Status: http.StatusCreated, Body: "<html>welcome to the hotel</html>"}
)

// Server is a Twilio account.
type Server struct {
	account, token string
	opts           Options

	mu       sync.Mutex
	messages []*Message
	faults   []Fault
	optedOut map[string]bool
	watchers map[int]func(Message)
	numbers  map[string]Number
	nextID   int
	requests int
	web      *http.Server

	work    sync.WaitGroup
	ctx     context.Context //nolint:containedctx // ends with Close
	stop    context.CancelFunc
	stopped bool
}

var accountForm = regexp.MustCompile(`^AC[0-9a-fA-F]{32}$`)

// New returns a server for one account. accountSID is "AC" and 32 hex digits; authToken signs the status callbacks.
func New(accountSID, authToken string, o *Options) (*Server, error) {
	if !accountForm.MatchString(accountSID) || authToken == "" {
		return nil, errors.New("twiliotest: new: an account is AC and 32 hex digits, and it has a token")
	}
	s := &Server{account: accountSID, token: authToken, optedOut: make(map[string]bool), watchers: make(map[int]func(Message)), numbers: make(map[string]Number)}
	if o != nil {
		s.opts = *o
	}
	if s.opts.Now == nil {
		s.opts.Now = time.Now
	}
	if s.opts.HTTPClient == nil {
		s.opts.HTTPClient = &http.Client{Timeout: 10 * time.Second}
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s, nil
}

// Start serves on a free port of 127.0.0.1 until Close and returns the base URL, which has a path.
func (s *Server) Start() (baseURL string, err error) {
	l, err := new(net.ListenConfig).Listen(s.ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("twiliotest: start: %w", err)
	}
	web := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	s.mu.Lock()
	s.web = web
	s.mu.Unlock()
	s.work.Go(func() { _ = web.Serve(l) }) // ends with Close
	return "http://" + l.Addr().String() + "/twilio", nil
}

// Close ends what Start began and waits for it.
func (s *Server) Close() error {
	s.mu.Lock()
	s.stopped = true
	web := s.web
	s.mu.Unlock()
	s.stop()
	var err error
	if web != nil {
		err = web.Close()
	}
	s.work.Wait()
	s.opts.HTTPClient.CloseIdleConnections()
	return err
}

// Fail lets the next n requests of the fault's method fail with f.
func (s *Server) Fail(n int, f Fault) {
	if f.Method == "" {
		f.Method = http.MethodPost
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, slices.Repeat([]Fault{f}, n)...)
}

// OptOut makes number refuse messages, as after a STOP: code 21610.
func (s *Server) OptOut(number string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.optedOut[number] = true
}

// Messages returns what was taken so far, the oldest first.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Message, len(s.messages))
	for i, m := range s.messages {
		out[i] = *m
	}
	return out
}

// Requests returns how many requests came in, those that failed included.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Subscribe calls f with each message that is taken and each time its status changes, until cancel is called. f
// must not block.
func (s *Server) Subscribe(f func(Message)) (cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.nextID
	s.nextID++
	s.watchers[id] = f
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, id)
	}
}

func (s *Server) notify(m Message) {
	s.mu.Lock()
	fs := make([]func(Message), 0, len(s.watchers))
	for _, f := range s.watchers {
		fs = append(fs, f)
	}
	s.mu.Unlock()
	for _, f := range fs {
		f(m)
	}
}

func (s *Server) fault(method string) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	i := slices.IndexFunc(s.faults, func(f Fault) bool { return f.Method == method })
	if i < 0 {
		return Fault{}, false
	}
	f := s.faults[i]
	s.faults = slices.Delete(s.faults, i, i+1)
	return f, true
}

func (s *Server) authorized(r *http.Request) bool {
	user, pass, _ := r.BasicAuth()
	want := s.opts.APIKeys[user]
	if user == s.account {
		want = s.token
	}
	return want != "" && subtle.ConstantTimeCompare([]byte(pass), []byte(want)) == 1
}

func newSID(prefix string) string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	return prefix + hex.EncodeToString(b)
}
