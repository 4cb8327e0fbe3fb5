package teamsapp

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mspkit/mspkit/internal/httpx"
)

const (
	// keysFresh is how long keys are used before they are asked for again
	// (https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication).
	keysFresh = 24 * time.Hour
	// keysGood is how long keys are used that cannot be asked for again: an outage of Microsoft's metadata must not stop
	// the bot, but a key that was withdrawn must not live for ever.
	keysGood = 5 * 24 * time.Hour
	// keysPause is the least time between two questions because of an unknown key. Microsoft's JavaScript SDK waits an
	// hour. We wait less, because after an unannounced rotation nobody could press a button for that hour, and 12
	// requests an hour are nothing to the server; tokens for other bots never lead to a question.
	keysPause = 5 * time.Minute
	// keysRetry is the same after a question that was not answered.
	keysRetry = 30 * time.Second
	// keysTimeout bounds one of the two requests. Teams gives a turn about 15 s.
	keysTimeout = 4 * time.Second

	maxJWKs     = 64
	maxKeyID    = 256
	maxMetadata = 1 << 20
	minKeyBits  = 2048
	maxKeyBits  = 8192 // a check costs time with the square of the length
)

// errNoKeys means that tokens cannot be judged now.
var errNoKeys = errors.New("the keys of the Bot Service cannot be read")

// signingKey is one key that the Bot Service signs with.
type signingKey struct {
	public *rsa.PublicKey
	// endorsements are the channels whose activities the key may sign; none means all.
	endorsements []string
}

type keyMap struct {
	byID map[string]signingKey
	at   time.Time
}

// keySet holds the keys of one cloud. Nothing is fetched before the first token comes. It is safe for concurrent use.
type keySet struct {
	metadata *url.URL
	http     *http.Client
	now      func() time.Time
	current  atomic.Pointer[keyMap]

	mu     sync.Mutex
	flight *keyFlight
	next   time.Time // the earliest time of the next question
}

// keyFlight is a question under way; err is set before done is closed.
type keyFlight struct {
	done chan struct{}
	err  error
}

func newKeySet(o *Options) (*keySet, error) {
	u, err := httpx.ParseBaseURL(o.Cloud.Metadata)
	if err != nil {
		return nil, fmt.Errorf("the cloud's metadata URL: %w", err)
	}
	c, err := httpx.NewClient(o.HTTPClient, &httpx.Options{
		Timeout: keysTimeout, TryTimeout: keysTimeout / 2, MaxRetries: 1, Backoff: 100 * time.Millisecond,
		MaxRetryAfter: -1, MaxBody: maxMetadata, Origins: []string{u.String()}, Logger: o.Logger, Now: o.Now,
	})
	if err != nil {
		return nil, err
	}
	return &keySet{metadata: u, http: c, now: o.Now}, nil
}

// find returns the key named id. ok is false where there is none; the error is [errNoKeys] where nobody knows, or that
// of ctx.
func (s *keySet) find(ctx context.Context, id string) (key signingKey, ok bool, err error) {
	if id == "" || len(id) > maxKeyID {
		return signingKey{}, false, nil
	}
	if m := s.current.Load(); m != nil && s.now().Sub(m.at) < keysFresh {
		if key, ok = m.byID[id]; ok {
			return key, true, nil
		}
	}
	if err := s.refresh(ctx); err != nil && ctx.Err() != nil {
		return signingKey{}, false, err
	}
	// Whether it was refreshed or not: what is known, counts.
	m := s.current.Load()
	if m == nil || s.now().Sub(m.at) >= keysGood {
		return signingKey{}, false, errNoKeys
	}
	key, ok = m.byID[id]
	return key, ok, nil
}

// refresh asks for the keys unless that was done lately. Of all callers at once one question goes out. It does not end
// with the caller that began it, so that somebody who hangs up cannot keep the others from the answer.
func (s *keySet) refresh(ctx context.Context) error {
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

func (s *keySet) run(ctx context.Context, f *keyFlight) {
	keys, err := s.fetch(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if err == nil {
		s.current.Store(&keyMap{byID: keys, at: now})
		s.next = now.Add(keysPause)
	} else {
		s.next = now.Add(keysRetry)
	}
	f.err, s.flight = err, nil
	close(f.done)
}

func (s *keySet) fetch(ctx context.Context) (map[string]signingKey, error) {
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
	if raw, err = s.get(ctx, u); err != nil {
		return nil, err
	}
	return parseKeys(raw)
}

func (s *keySet) get(ctx context.Context, u *url.URL) ([]byte, error) {
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
func parseKeys(raw []byte) (map[string]signingKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil || len(set.Keys) > maxJWKs {
		return nil, errors.New("the key set is not understood")
	}
	out := make(map[string]signingKey, len(set.Keys))
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

func parseKey(raw []byte) (id string, key signingKey, ok bool) {
	var member struct {
		Type         string   `json:"kty"`
		Use          string   `json:"use"`
		Algorithm    string   `json:"alg"`
		ID           string   `json:"kid"`
		N            string   `json:"n"`
		E            string   `json:"e"`
		Endorsements []string `json:"endorsements"`
	}
	if json.Unmarshal(raw, &member) != nil || member.Type != "RSA" || member.ID == "" || len(member.ID) > maxKeyID ||
		(member.Use != "" && member.Use != "sig") || (member.Algorithm != "" && member.Algorithm != string(jose.RS256)) {
		return "", key, false
	}
	public, err := json.Marshal(map[string]string{"kty": member.Type, "n": member.N, "e": member.E})
	if err != nil {
		return "", key, false
	}
	var jwk jose.JSONWebKey
	if jwk.UnmarshalJSON(public) != nil {
		return "", key, false
	}
	key.public, ok = jwk.Key.(*rsa.PublicKey)
	if !ok || key.public.N.BitLen() < minKeyBits || key.public.N.BitLen() > maxKeyBits {
		return "", key, false
	}
	key.endorsements = member.Endorsements
	return member.ID, key, true
}

// loopbackAddr reports whether a request's RemoteAddr is a loopback address.
func loopbackAddr(remote string) bool {
	ap, err := netip.ParseAddrPort(remote)
	return err == nil && ap.Addr().Unmap().IsLoopback()
}
