package workflowstest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Kind is what a flow does with a post.
type Kind string

// The kinds.
const (
	// Template is the flow that the template makes: it posts each attachment as a card, and fails without attachments.
	Template Kind = "template"
	// Text is a flow made by hand: "Parse JSON" with a schema of {"text"}, and "Post message in a chat or channel".
	Text Kind = "text"
)

// State is whether a flow is there.
type State string

// The states.
const (
	On State = ""
	// Off is switched off by its owner, or by Microsoft: 400 WorkflowTriggerIsNotEnabled.
	Off State = "Disabled"
	// Deleted was deleted a while ago: 400 WorkflowTriggerIsNotEnabled that says so.
	Deleted State = "Deleted"
	// Unknown is not there at all: 404 WorkflowNotFound.
	Unknown State = "Unknown"
)

// Flow is one flow. The zero value is one of the template that anyone can trigger.
type Flow struct {
	// Kind is [Template] where it is empty.
	Kind Kind
	// Schema gives the trigger a schema of what the kind reads: what does not fit is then refused at once, with 400
	// TriggerInputSchemaMismatch, and not by the run.
	Schema bool
	State  State
	// SignIn asks for a bearer token, as all settings of "Who can trigger the flow" but Anyone do.
	SignIn bool
	// NoSignatures refuses URLs with a signature, which an administrator can switch off.
	NoSignatures bool
}

// flow is a Flow with what a server keeps of it.
type flow struct {
	Flow
	name, id, sig string
	faults        []Fault
	admitted      []time.Time
}

// Fault is what becomes of one request.
type Fault struct {
	// Status is answered, with Code and Message in the body where there is one of them, and RetryAfter in its header where
	// it is not 0.
	Status        int
	Code, Message string
	RetryAfter    time.Duration
	// Location is answered as the target of a redirect.
	Location string
	// Drop closes the connection without an answer, Hang leaves it open until the caller gives up.
	Drop, Hang bool
	// After starts the run before.
	After bool
}

// Server is Microsoft's side. Make one with [NewServer].
type Server struct {
	base   string
	srv    *http.Server
	served chan struct{}
	done   chan struct{} // closed by Close
	busy   sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	flows    map[string]*flow // by id
	names    map[string]*flow
	runs     []Run
	changed  chan struct{}
	requests int
	most     int
	per      time.Duration
}

// NewServer listens on a free port of the loopback address. The error says why it cannot.
func NewServer() (*Server, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("workflowstest: %w", err)
	}
	s := &Server{
		base: "http://" + l.Addr().String(), served: make(chan struct{}), done: make(chan struct{}), changed: make(chan struct{}),
		flows: map[string]*flow{}, names: map[string]*flow{},
	}
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
	if !s.closed {
		s.closed = true
		close(s.done)
	}
	s.mu.Unlock()
	_ = s.srv.Close()
	<-s.served
	s.busy.Wait()
}

// Add makes a flow, or puts f in the place of the one with that name, whose URL stays.
func (s *Server) Add(name string, f Flow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flow(name).Flow = f
}

// Change changes the flow with that name, which is made where there is none.
func (s *Server) Change(name string, change func(*Flow)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.flow(name).Flow)
}

// URL returns the URL of the flow with that name, which is made of the template where there is none. The URL is a secret,
// as the real one is.
func (s *Server) URL(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.flow(name)
	q := url.Values{"api-version": {"1"}, "sp": {permission}, "sv": {"1.0"}, "sig": {f.sig}}
	return s.base + direct + "workflows/" + f.id + "/triggers/manual/paths/invoke?" + q.Encode()
}

// Renew gives the flow with that name another URL, as making its trigger anew does. The old one is not known any more.
func (s *Server) Renew(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.flow(name)
	delete(s.flows, f.id)
	f.id, f.sig = newID(), rand.Text()+rand.Text()[:17]
	s.flows[f.id] = f
}

// Fail makes the next requests to the flow with that name fail, one each, in this order. The zero Fault lets one through.
func (s *Server) Fail(name string, faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.flow(name)
	f.faults = append(f.faults, faults...)
}

// Limit throttles each flow that gets more than most requests in the time: 429 with Retry-After. 0 is no limit.
func (s *Server) Limit(most int, per time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most, s.per = most, per
}

// Runs returns all runs, in the order in which they were started.
func (s *Server) Runs() []Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.runs)
}

// RunsOf returns the runs of one flow.
func (s *Server) RunsOf(name string) []Run {
	return slices.DeleteFunc(s.Runs(), func(r Run) bool { return r.Flow != name })
}

// Requests returns how many requests came, whatever became of them.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Wait returns all runs once there are at least so many. It fails with the error of ctx where that ends first.
func (s *Server) Wait(ctx context.Context, runs int) ([]Run, error) {
	for {
		s.mu.Lock()
		changed, have := s.changed, slices.Clone(s.runs)
		s.mu.Unlock()
		if len(have) >= runs {
			return have, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return have, fmt.Errorf("workflowstest: there are %d runs, not %d: %w", len(have), runs, ctx.Err())
		}
	}
}

// flow returns the flow with that name. The caller holds the lock.
func (s *Server) flow(name string) *flow {
	f := s.names[name]
	if f == nil {
		f = &flow{name: name, id: newID(), sig: rand.Text() + rand.Text()[:17]} // 43 characters, as real ones have
		s.names[name], s.flows[f.id] = f, f
	}
	return f
}

func newID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails, says its documentation
	return hex.EncodeToString(b)
}
