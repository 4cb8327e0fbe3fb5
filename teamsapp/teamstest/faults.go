package teamstest

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Op is one kind of request that a bot makes.
type Op string

// The kinds of request.
const (
	OpToken    Op = "token"    // the bot's own token, from Entra
	OpMetadata Op = "metadata" // the OpenID document
	OpKeys     Op = "keys"     // the keys that activities are signed with
	OpCreate   Op = "create"   // a conversation
	OpSend     Op = "send"
	OpReply    Op = "reply"
	OpUpdate   Op = "update"
	OpDelete   Op = "delete"
	OpMember   Op = "member" // one member or all
)

var connectorOps = []Op{OpCreate, OpSend, OpReply, OpUpdate, OpDelete, OpMember}

// Fault is what goes wrong with a request.
type Fault struct {
	// Op is the kind of request; empty is each of the Connector's, that is, all but tokens, metadata and keys.
	Op Op
	// Times is how many requests go wrong: 0 is one, negative is all.
	Times int
	// Probability is how likely a request goes wrong; 0 is always.
	Probability float64
	// Done does what was asked for, so that only the answer goes wrong.
	Done bool
	// Delay is how long the request waits first. With nothing else set it then goes well.
	Delay time.Duration

	// Drop closes the connection without an answer.
	Drop bool
	// Garbage answers 200 with text that is no JSON, Endless 200 with a body that never ends.
	Garbage, Endless bool
	// Status is the HTTP status of the answer. Code goes into the usual body; where Body is set, it is the body. With a
	// Body and no Status, the status is 200.
	Status     int
	Code, Body string
	// RetryAfter is the header of that name.
	RetryAfter string
}

// Fail makes requests go wrong, each in the order of the calls. Faults stay until they are used up.
func (s *Server) Fail(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// FailRate makes each request to the Connector fail with probability p, undone, with one of these statuses, where 0 is a
// lost connection. Without any they are 412, 502 and 504, which Microsoft asks to repeat. A p of 0 ends it.
func (s *Server) FailRate(p float64, statuses ...int) {
	if len(statuses) == 0 {
		statuses = []int{http.StatusPreconditionFailed, http.StatusBadGateway, http.StatusGatewayTimeout}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rate, s.rateStatuses = p, slices.Clone(statuses)
}

// ClearFaults takes back what is left of [Server.Fail] and [Server.FailRate].
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.rate = nil, 0
}

// Count returns how many requests of this kind came, whatever became of them.
func (s *Server) Count(op Op) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[op]
}

// arrived counts a request and returns what is to go wrong with it, or nil.
func (s *Server) arrived(op Op) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[op]++
	connector := slices.Contains(connectorOps, op)
	for i, f := range s.faults {
		if (f.Op != op && (f.Op != "" || !connector)) || (f.Probability > 0 && s.dice.roll() >= f.Probability) {
			continue
		}
		hit := *f
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
		}
		return &hit
	}
	if !connector || s.rate <= 0 || s.dice.roll() >= s.rate {
		return nil
	}
	f := &Fault{Status: s.rateStatuses[s.dice.pick(len(s.rateStatuses))]}
	switch f.Status {
	case 0:
		f.Drop = true
	case http.StatusTooManyRequests:
		f.RetryAfter = "1"
	}
	return f
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, f *Fault, do handler) {
	if f.Delay > 0 && !s.wait(r, f.Delay) {
		panic(http.ErrAbortHandler)
	}
	silent := !f.Drop && !f.Garbage && !f.Endless && f.Status == 0 && f.Body == ""
	if silent {
		do(w, r)
		return
	}
	if f.Done {
		do(&nowhere{header: http.Header{}}, r)
	} else {
		_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxBody))
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	switch {
	case f.Drop:
		panic(http.ErrAbortHandler) // net/http closes the connection without a word
	case f.Endless:
		s.endless(w, r)
	case f.Garbage:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, "<html><body>\x00\xff{{{ no JSON")
	case f.Body != "":
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		if f.Status != 0 {
			w.WriteHeader(f.Status)
		}
		_, _ = io.WriteString(w, f.Body)
	default:
		problem(w, f.Status, or(f.Code, faultCodes[f.Status]), http.StatusText(f.Status))
	}
}

var faultCodes = map[int]string{
	http.StatusPreconditionFailed: "PreconditionFailed", http.StatusTooManyRequests: "Throttled", http.StatusNotFound: "ConversationNotFound",
	http.StatusBadRequest: "BadSyntax",
}

// wait reports false where the client went away or the server was closed meanwhile.
func (s *Server) wait(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
	case <-s.ctx.Done():
	}
	return false
}

func (s *Server) endless(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	out := http.NewResponseController(w)
	_, err := io.WriteString(w, `{"id":"`)
	more := strings.Repeat("0123456789abcdef", 512)
	for err == nil {
		_, err = io.WriteString(w, more)
		_ = out.Flush()
		if !s.wait(r, time.Millisecond) { // not to fill the memory of a client that reads it all
			break
		}
	}
	panic(http.ErrAbortHandler)
}

// nowhere takes the answer of what is done and not told.
type nowhere struct{ header http.Header }

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n *nowhere) WriteHeader(int)             {}

// dice is repeatable: the same seed gives the same draws.
type dice struct{ source *rand.ChaCha8 }

func newDice(seed uint64) *dice {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return &dice{rand.NewChaCha8(key)}
}

// roll returns a number from 0 to below 1.
func (d *dice) roll() float64 { return float64(d.source.Uint64()>>11) / (1 << 53) }

func (d *dice) pick(n int) int { return int(d.roll() * float64(n)) }

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
