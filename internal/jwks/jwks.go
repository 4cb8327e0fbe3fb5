package jwks

import (
	"cmp"
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/big"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mspkit/mspkit/internal/httpx"
)

// How long keys are used, and how often they are asked for.
const (
	// Fresh is how long keys are used before they are asked for again
	// (https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication).
	Fresh = 24 * time.Hour
	// Good is how long keys are used that cannot be asked for again: an outage of Microsoft's metadata must not stop
	// everything, but a key that was withdrawn must not live for ever.
	Good = 5 * 24 * time.Hour
	// Pause is the least time between two questions because of an unknown key. Microsoft's JavaScript SDK waits an hour. We
	// wait less, because after an unannounced rotation nothing could be judged for that hour, and 12 requests an hour are
	// nothing to the server; only tokens that say they are for us should lead to a question.
	Pause = 5 * time.Minute
	// Retry is the same after a question that was not answered.
	Retry = 30 * time.Second
)

const (
	// defaultTimeout bounds one of the two requests. Teams gives a turn about 15 s.
	defaultTimeout = 4 * time.Second

	maxKeys     = 64
	maxKeyID    = 256
	maxMetadata = 1 << 20
	minKeyBits  = 2048
	maxKeyBits  = 8192 // a check costs time with the square of the length
)

// ErrUnknown means that tokens cannot be judged now.
var ErrUnknown = errors.New("the keys that tokens are signed with cannot be read")

// Key is one key that tokens are signed with by RS256.
type Key struct {
	Public *rsa.PublicKey
	// Endorsements are the channels whose activities a key of the Bot Service may sign; none means all.
	Endorsements []string
	// Issuer is for which issuer a key of Entra signs, with {tenantid} in the place of the tenant where it signs for all; empty
	// is not said.
	Issuer string
}

type keyMap struct {
	byID map[string]Key
	at   time.Time
}

// Options of a [Set]. The zero value is fine.
type Options struct {
	// HTTPClient sends the requests; nil is a client of our own.
	HTTPClient *http.Client
	// Logger gets what is given up; nil discards. Now is the clock; nil is time.Now.
	Logger *slog.Logger
	Now    func() time.Time
	// Timeout bounds one request with its tries: 0 is 4 s. Good is how long keys are used that cannot be asked for again: 0 is
	// the constant of that name.
	Timeout, Good time.Duration
}

// Set holds the keys of one service. Nothing is fetched before the first [Set.Find]. It is safe for concurrent use.
type Set struct {
	// metadata names the keys; nil where keys is known.
	metadata, keys *url.URL
	http           *http.Client
	now            func() time.Time
	good           time.Duration
	current        atomic.Pointer[keyMap]

	mu     sync.Mutex
	flight *keyFlight
	next   time.Time // the earliest time of the next question
}

// keyFlight is a question under way; err is set before done is closed.
type keyFlight struct {
	done chan struct{}
	err  error
}

// New returns the keys that the OpenID metadata at the URL names. It is https, or http on loopback.
func New(metadata string, o *Options) (*Set, error) {
	s, u, err := newSet(metadata, o)
	if err != nil {
		return nil, fmt.Errorf("the metadata URL: %w", err)
	}
	s.metadata = u
	return s, nil
}

// NewAt returns the keys at the URL, for those who need no metadata to find them. It is https, or http on loopback.
func NewAt(keys string, o *Options) (*Set, error) {
	s, u, err := newSet(keys, o)
	if err != nil {
		return nil, fmt.Errorf("the URL of the keys: %w", err)
	}
	s.keys = u
	return s, nil
}

func newSet(address string, o *Options) (*Set, *url.URL, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	u, err := httpx.ParseBaseURL(address)
	if err != nil {
		return nil, nil, err
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	timeout := cmp.Or(opts.Timeout, defaultTimeout)
	c, err := httpx.NewClient(opts.HTTPClient, &httpx.Options{
		Timeout: timeout, TryTimeout: timeout / 2, MaxRetries: 1, Backoff: 100 * time.Millisecond,
		MaxRetryAfter: -1, MaxBody: maxMetadata, Origins: []string{u.String()}, Logger: opts.Logger, Now: opts.Now,
	})
	if err != nil {
		return nil, nil, err
	}
	return &Set{http: c, now: opts.Now, good: cmp.Or(opts.Good, Good)}, u, nil
}

// Find returns the key named id. ok is false where there is none; the error is [ErrUnknown] where nobody knows, or that
// of ctx.
func (s *Set) Find(ctx context.Context, id string) (key Key, ok bool, err error) {
	if id == "" || len(id) > maxKeyID {
		return Key{}, false, nil
	}
	if m := s.current.Load(); m != nil && s.now().Sub(m.at) < Fresh {
		if key, ok = m.byID[id]; ok {
			return key, true, nil
		}
	}
	if err := s.refresh(ctx); err != nil && ctx.Err() != nil {
		return Key{}, false, err
	}
	// Whether it was refreshed or not: what is known, counts.
	m := s.current.Load()
	if m == nil || s.now().Sub(m.at) >= s.good {
		return Key{}, false, ErrUnknown
	}
	key, ok = m.byID[id]
	return key, ok, nil
}

// refresh asks for the keys unless that was done lately. Of all callers at once one question goes out. It does not end
// with the caller that began it, so that somebody who hangs up cannot keep the others from the answer.
func (s *Set) refresh(ctx context.Context) error {
	s.mu.Lock()
	f := s.flight
	if f == nil {
		if s.now().Before(s.next) {
			s.mu.Unlock()
			return nil
		}
		f = &keyFlight{done: make(chan struct{})}
		s.flight = f
		go s.run(context.WithoutCancel(ctx), f)
	}
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Set) run(ctx context.Context, f *keyFlight) {
	keys, err := s.fetch(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if err == nil {
		s.current.Store(&keyMap{byID: keys, at: now})
		s.next = now.Add(Pause)
	} else {
		s.next = now.Add(Retry)
	}
	f.err, s.flight = err, nil
	close(f.done)
}

func (s *Set) fetch(ctx context.Context) (map[string]Key, error) {
	u := s.keys
	if s.metadata != nil {
		var err error
		if u, err = s.named(ctx); err != nil {
			return nil, err
		}
	}
	raw, err := s.get(ctx, u)
	if err != nil {
		return nil, err
	}
	return parseKeys(raw)
}

// named returns where the metadata says that the keys are.
func (s *Set) named(ctx context.Context) (*url.URL, error) {
	raw, err := s.get(ctx, s.metadata)
	if err != nil {
		return nil, err
	}
	var doc struct {
		JWKS string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, errors.New("the metadata is not understood")
	}
	u, err := url.Parse(doc.JWKS)
	// Microsoft's keys lie beside their metadata. Keys from elsewhere would be believed on the word of one document.
	if err != nil || u.User != nil || !httpx.SameOrigin(u, s.metadata) {
		return nil, errors.New("the metadata names keys of another origin")
	}
	return u, nil
}

func (s *Set) get(ctx context.Context, u *url.URL) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil, errors.New("request cannot be made")
	}
	req.Header.Set("Accept", "application/json")
	resp, err := httpx.Do(s.http, req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	return io.ReadAll(resp.Body)
}

// parseKeys reads a JWK set. Keys that are not RSA keys for signatures are left out, and so are those that are too
// short or cannot be read; without any key it fails. Libraries drop the member "endorsements", which is Microsoft's
// own. Certificates are not looked at: that the keys are right is known from the TLS connection that they came by.
func parseKeys(raw []byte) (map[string]Key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil || len(set.Keys) > maxKeys {
		return nil, errors.New("the key set is not understood")
	}
	out := make(map[string]Key, len(set.Keys))
	for _, raw := range set.Keys {
		id, key, ok := parseKey(raw)
		if _, twice := out[id]; ok && !twice {
			out[id] = key
		}
	}
	if len(out) == 0 {
		return nil, errors.New("the key set has no usable key")
	}
	return out, nil
}

func parseKey(raw []byte) (id string, key Key, ok bool) {
	var member struct {
		Type         string   `json:"kty"`
		Use          string   `json:"use"`
		Algorithm    string   `json:"alg"`
		ID           string   `json:"kid"`
		N            string   `json:"n"`
		E            string   `json:"e"`
		Endorsements []string `json:"endorsements"`
		Issuer       string   `json:"issuer"`
	}
	if json.Unmarshal(raw, &member) != nil || member.Type != "RSA" || member.ID == "" || len(member.ID) > maxKeyID ||
		(member.Use != "" && member.Use != "sig") || (member.Algorithm != "" && member.Algorithm != "RS256") {
		return "", key, false
	}
	if key.Public, ok = publicKey(member.N, member.E); !ok {
		return "", key, false
	}
	key.Endorsements, key.Issuer = member.Endorsements, member.Issuer
	return member.ID, key, true
}

// publicKey reads modulus and exponent, each base64url without padding (RFC 7518, 6.3.1).
func publicKey(modulus, exponent string) (*rsa.PublicKey, bool) {
	if len(modulus) > 2*maxKeyBits/8 {
		return nil, false
	}
	n, errN := base64.RawURLEncoding.DecodeString(modulus)
	e, errE := base64.RawURLEncoding.DecodeString(exponent)
	if errN != nil || errE != nil || len(e) == 0 || len(e) > 4 {
		return nil, false
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	if bits := key.N.BitLen(); bits < minKeyBits || bits > maxKeyBits || key.E < 3 || key.E > math.MaxInt32 || key.E%2 == 0 {
		return nil, false
	}
	return key, true
}
