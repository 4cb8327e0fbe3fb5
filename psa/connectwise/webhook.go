package connectwise

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/httpx"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/internal/api"
)

const (
	opWebhook = "webhook"
	// maxHook is the longest call that is read; a ticket with custom fields is some ten kilobytes.
	maxHook    = 1 << 20
	maxKeyBody = 16 << 10
	// keyTimeout leaves something of the five seconds that ConnectWise waits for an answer.
	keyTimeout = 3 * time.Second
	maxKeys    = 32
	maxKeyURL  = 1000
	// keyAge is how old a key must be before a wrong signature has it fetched again.
	keyAge  = time.Minute
	maxSeen = 8192

	secretParam = "cs"
)

// hooks is what is remembered of callbacks.
type hooks struct {
	mu   sync.Mutex
	keys map[string]signingKey
	seen map[[32]byte]bool
	ring [][32]byte // the oldest is at next
	next int
}

type signingKey struct {
	key [32]byte
	at  time.Time
}

// callback is the body of a call. The case of its keys differs between sources; encoding/json does not mind.
type callback struct {
	ID       int64  `json:"ID"`
	Action   string `json:"Action"`
	Type     string `json:"Type"`
	Entity   string `json:"Entity"` // JSON in a string
	Metadata struct {
		KeyURL string `json:"key_url"`
	} `json:"Metadata"`
}

func forged(advice string) error { return fail(opWebhook, psa.ErrWebhook, advice) }

// VerifyWebhook checks a call of ConnectWise. Answer a good one with 2xx at once: ConnectWise waits five seconds, and after
// three days of failures it turns the callback off; see [Client.CheckCallback]. Its repeats after other answers are refused
// as replays.
//
// The call is signed with a key that it names itself. Only an address on the configured site or API host is asked for it.
// On the cloud other companies have keys there too, so that Options.CallbackSecret is required. Replays are recognised among the last
// 8192 calls to this client; nothing that is signed tells how old a call is. An error that is not [psa.ErrWebhook] means
// that the key could not be fetched: answer 503.
func (c *Client) VerifyWebhook(r *http.Request) (psa.WebhookEvent, error) {
	switch secret := c.opts.CallbackSecret.Reveal(); {
	case !c.takesCallbacks():
		return psa.WebhookEvent{}, forged("the host of the signing keys is shared with others; set Options.CallbackSecret")
	case secret != "" && subtle.ConstantTimeCompare([]byte(r.URL.Query().Get(secretParam)), []byte(secret)) != 1:
		return psa.WebhookEvent{}, forged("the address has not our secret")
	}
	given, err := base64.StdEncoding.DecodeString(r.Header.Get("X-Content-Signature"))
	if r.Method != http.MethodPost || err != nil || len(given) != sha256.Size {
		return psa.WebhookEvent{}, forged("it is not signed")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxHook+1))
	if err != nil || len(body) > maxHook {
		return psa.WebhookEvent{}, forged("it is too long, or broken off")
	}
	call, err := parseCallback(body)
	if err != nil {
		return psa.WebhookEvent{}, err
	}
	if err := c.verify(r.Context(), call.Metadata.KeyURL, body, given); err != nil {
		return psa.WebhookEvent{}, err
	}
	sum := sha256.Sum256(body)
	if !c.hooks.first(sum) {
		return psa.WebhookEvent{}, forged("it was here before")
	}
	return call.event(sum), nil
}

// takesCallbacks reports whether a signature, with the secret of the address, tells our company from others.
func (c *Client) takesCallbacks() bool {
	return c.opts.CallbackSecret.Reveal() != "" || !cloud(c.api.Hostname()) && !cloud(c.login.Hostname())
}

func parseCallback(body []byte) (callback, error) {
	var call callback
	if err := json.Unmarshal(body, &call); err != nil || call.ID <= 0 {
		return callback{}, forged("it is not what ConnectWise sends")
	}
	return call, nil
}

func (c callback) event(sum [32]byte) psa.WebhookEvent {
	out := psa.WebhookEvent{System: Name, ID: hex.EncodeToString(sum[:16]), Entity: strings.ToLower(api.Clean(c.Type)), RecordID: id(c.ID)}
	switch a := strings.ToLower(c.Action); a {
	case "added", "updated", "deleted":
		out.Action = a
	}
	var entity struct {
		Info struct {
			LastUpdated string `json:"lastUpdated"`
		} `json:"_info"`
	}
	if json.Unmarshal([]byte(c.Entity), &entity) == nil {
		out.At = stamp(entity.Info.LastUpdated)
	}
	return out
}

// verify compares the signature, with a key that is fetched anew where the one that is known may be old.
func (c *Client) verify(ctx context.Context, keyURL string, body, given []byte) error {
	u, err := c.keyAddress(keyURL)
	if err != nil {
		return err
	}
	good := func(k signingKey) bool {
		m := hmac.New(sha256.New, k.key[:])
		m.Write(body)
		return hmac.Equal(m.Sum(nil), given)
	}
	key, known := c.hooks.key(u.String())
	if known && good(key) {
		return nil
	}
	if known && c.opts.Now().Sub(key.at) < keyAge {
		return forged("the signature is wrong")
	}
	if key, err = c.fetchKey(ctx, u); err != nil {
		return err
	}
	if !good(key) {
		return forged("the signature is wrong")
	}
	c.hooks.keep(u.String(), key)
	return nil
}

// keyAddress reads the address of a signing key. It comes from a body that is not verified yet: anything but the configured
// hosts is refused before a request is made.
func (c *Client) keyAddress(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if len(s) > maxKeyURL || err != nil || u.User != nil || u.Fragment != "" || !httpx.SameOrigin(u, c.api) && !httpx.SameOrigin(u, c.login) {
		return nil, forged("the address of its key is not on the configured host")
	}
	return u, nil
}

func (c *Client) fetchKey(ctx context.Context, u *url.URL) (signingKey, error) {
	way := c.open
	if c.opts.SignKeyRequest && httpx.SameOrigin(u, c.api) {
		way.Sign = c.sign
	}
	way.HTTP = c.keyHTTP
	var answer struct {
		Key string `json:"signing_key"`
	}
	_, err := way.Do(ctx, api.Request{Op: opWebhook, Method: http.MethodGet, URL: u}, &answer)
	switch {
	case is404(err):
		return signingKey{}, forged("its key does not exist")
	case err != nil:
		return signingKey{}, err
	case answer.Key == "":
		return signingKey{}, forged("its key is empty")
	}
	return signingKey{key: sha256.Sum256([]byte(answer.Key)), at: c.opts.Now()}, nil
}

func (h *hooks) key(u string) (signingKey, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k, ok := h.keys[u]
	return k, ok
}

// keep remembers a key that has verified something.
func (h *hooks) keep(u string, k signingKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.keys[u]; h.keys == nil || !ok && len(h.keys) >= maxKeys {
		h.keys = map[string]signingKey{} // there is one, or a few after a change: begin anew
	}
	h.keys[u] = k
}

// first reports whether a call was not seen before, and remembers it.
func (h *hooks) first(sum [32]byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seen[sum] {
		return false
	}
	if h.seen == nil {
		h.seen = map[[32]byte]bool{}
	}
	if len(h.ring) < maxSeen {
		h.ring = append(h.ring, sum)
	} else {
		delete(h.seen, h.ring[h.next])
		h.ring[h.next] = sum
		h.next = (h.next + 1) % maxSeen
	}
	h.seen[sum] = true
	return true
}

// CallbackURL makes the address for [Client.CreateCallback] of one of ours: base with Options.CallbackSecret, and with
// "recordId=" at its end, because ConnectWise appends the record's id and more to the address as it stands. base may have
// parameters of its own.
func (c *Client) CallbackURL(base string) (string, error) {
	u, err := url.Parse(base)
	if err == nil {
		bare := *u
		bare.RawQuery = ""
		_, err = httpx.ParseBaseURL(bare.String())
	}
	if err != nil {
		return "", fail(opCallback, mspkit.ErrInvalid, "the address is not an https URL")
	}
	q := u.Query()
	if q.Has("recordId") || q.Has(secretParam) {
		return "", fail(opCallback, mspkit.ErrInvalid, "the address has a parameter of ours")
	}
	if s := c.opts.CallbackSecret.Reveal(); s != "" {
		q.Set(secretParam, s)
	}
	u.RawQuery = q.Encode()
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "recordId="
	return u.String(), nil
}

// Callback is what ConnectWise has to tell to whom.
type Callback struct {
	ID string
	// Type is "ticket", "contact", "company" or another kind of record.
	Type string
	// Inactive callbacks are not made: ConnectWise turns one off after three days in which it failed.
	Inactive bool
}

// CreateCallback has ConnectWise call address, made by [Client.CallbackURL], for every record of a kind: "ticket",
// "contact" or "company".
func (c *Client) CreateCallback(ctx context.Context, kind, address string) (Callback, error) {
	if api.Clean(kind) == "" || !strings.HasSuffix(address, "recordId=") {
		return Callback{}, fail(opCallback, mspkit.ErrInvalid, "a callback needs a kind of record, and an address of CallbackURL")
	}
	if u, err := url.Parse(address); err != nil || u.Query().Get(secretParam) != c.opts.CallbackSecret.Reveal() {
		return Callback{}, fail(opCallback, mspkit.ErrInvalid, "the address has not our secret; make it by CallbackURL")
	}
	// level "owner" with objectId 1 is everything (developer guide). inactiveFlag is a real boolean, unlike the guide's sample.
	body := map[string]any{
		"url": address, "objectId": 1, "type": kind, "level": "owner", "description": fmt.Sprintf("mspkit: changes of each %s", kind), "inactiveFlag": false,
	}
	var made wireCallback
	_, err := c.call(ctx, request{op: opCallback, method: http.MethodPost, path: []string{"system", "callbacks"}, body: body, write: true}, &made)
	switch {
	case err != nil:
		return Callback{}, err
	case made.ID <= 0:
		return Callback{}, fail(opCallback, psa.ErrAmbiguousWrite, "the answer names no callback")
	}
	return made.convert(), nil
}

// CheckCallback reads a callback. Call it every few hours: one that is inactive is not called any more, and must be created
// anew or switched on in ConnectWise, and what it missed be read.
func (c *Client) CheckCallback(ctx context.Context, callbackID string) (Callback, error) {
	n, err := number(opCallback, "the callback's id", callbackID)
	if err != nil {
		return Callback{}, err
	}
	var got wireCallback
	if _, err := c.call(ctx, request{op: opCallback, method: http.MethodGet, path: []string{"system", "callbacks", id(n)}}, &got); err != nil {
		return Callback{}, err
	}
	return got.convert(), nil
}

type wireCallback struct {
	ID       int64  `json:"id"`
	Type     string `json:"type"`
	Inactive flag   `json:"inactiveFlag"`
}

func (w wireCallback) convert() Callback {
	return Callback{ID: id(w.ID), Type: w.Type, Inactive: bool(w.Inactive)}
}

// flag reads a boolean that may come as a string.
type flag bool

// UnmarshalJSON reads true, false, null, "true" and "false".
func (f *flag) UnmarshalJSON(b []byte) error {
	switch strings.ToLower(string(bytes.Trim(b, `"`))) {
	case "true":
		*f = true
	case "false", "null", "":
		*f = false
	default:
		return mspkit.ErrInvalid
	}
	return nil
}
