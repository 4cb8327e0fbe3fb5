package halopsa

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // one of HaloPSA's algorithms may be it; HMAC-SHA1 is not broken
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// Webhook says how webhooks of HaloPSA are authentic. Everything that is set is checked; at least one of Basic, Header and
// HMAC must be. Secrets have at least 16 characters.
type Webhook struct {
	// BasicUser and BasicPassword are those of the webhook's Basic authentication.
	BasicUser     string
	BasicPassword mspkit.Redacted[string]
	// Header and Secret are a header and its whole value, where the webhook has a secret header.
	Header string
	Secret mspkit.Redacted[string]
	// HMAC checks a signature of the body. HaloPSA has settings for that, but its recipe is not documented, so find out
	// yours and rather use one of the others.
	HMAC *HMAC
	// MaxAge is how old a call may be that says when it was made. 0 is 1 h; negative takes any.
	MaxAge time.Duration
	// RepeatAfter is for calls that have neither an id of their own nor a time: the same body counts as a repeat for so long.
	// 0 is 1 min. Let the payload have one of them to do without.
	RepeatAfter time.Duration
	// Memory is how many calls are remembered to recognise repeats. 0 is 4096.
	Memory int
}

// HMAC is a recipe for signatures, after the settings algorithm, digest and signature_prefix of HaloPSA's webhooks.
type HMAC struct {
	// Header has the signature.
	Header string
	Secret mspkit.Redacted[string]
	// Algorithm is "sha256", "sha512" or "sha1". Empty is "sha256".
	Algorithm string
	// Digest is "hex" or "base64". Empty is "hex".
	Digest string
	// Prefix is in front of the signature, for example "sha256=".
	Prefix string
}

// verifier checks webhooks and remembers them.
type verifier struct {
	w    Webhook
	hash func() hash.Hash
	now  func() time.Time

	mu   sync.Mutex
	seen map[string]time.Time // until when a call counts as a repeat
	ring []string             // its keys in the order of arrival
	at   int
}

const (
	maxHook   = 1 << 20
	minSecret = 16
	forever   = 100 * 365 * 24 * time.Hour
)

func newVerifier(w Webhook, now func() time.Time) (*verifier, error) {
	if w.MaxAge == 0 {
		w.MaxAge = time.Hour
	}
	if w.RepeatAfter == 0 {
		w.RepeatAfter = time.Minute
	}
	if w.Memory == 0 {
		w.Memory = 4096
	}
	v := &verifier{now: now, seen: map[string]time.Time{}}
	var errs []error
	check := func(ok bool, text string) {
		if !ok {
			errs = append(errs, invalid("webhook: "+text))
		}
	}
	basic := w.BasicUser != "" || w.BasicPassword.Reveal() != ""
	header := w.Header != "" || w.Secret.Reveal() != ""
	check(basic || header || w.HMAC != nil, "nothing is checked: set a Basic password, a secret header or an HMAC")
	check(!basic || w.BasicPassword.Reveal() != "", "there is a Basic user and no password")
	check(!header || w.Header != "" && w.Secret.Reveal() != "", "the secret header needs a name and a value")
	long := func(s mspkit.Redacted[string]) bool { return s.Reveal() == "" || len(s.Reveal()) >= minSecret }
	check(long(w.BasicPassword) && long(w.Secret) && (w.HMAC == nil || long(w.HMAC.Secret)), "a secret has less than 16 characters")
	check(w.RepeatAfter > 0 && w.Memory > 0, "the time and the number that are remembered must be positive")
	if h := w.HMAC; h != nil {
		own := *h
		w.HMAC = &own
		hashes := map[string]func() hash.Hash{"": sha256.New, "sha256": sha256.New, "sha512": sha512.New, "sha1": sha1.New}
		v.hash = hashes[strings.ToLower(strings.ReplaceAll(h.Algorithm, "-", ""))]
		check(h.Header != "" && h.Secret.Reveal() != "", "the HMAC needs a header and a secret")
		check(v.hash != nil, "the algorithm is not sha256, sha512 or sha1")
		check(h.Digest == "" || h.Digest == "hex" || h.Digest == "base64", "the digest is not hex or base64")
	}
	v.w = w
	v.ring = make([]string, max(w.Memory, 0))
	return v, errors.Join(errs...)
}

func refuse(why string) error {
	return &psa.Error{System: Name, Op: "verify webhook", Err: psa.ErrWebhook, Advice: why}
}

// VerifyWebhook checks a call of HaloPSA as Options.Webhook says. The payload is configurable in HaloPSA, so it is read
// leniently: the id of the ticket is ticket.id or ticket_id, or id where there is no such thing.
func (c *Client) VerifyWebhook(r *http.Request) (psa.WebhookEvent, error) {
	v := c.hooks
	if v == nil {
		return psa.WebhookEvent{}, refuse("no webhook is configured; set Options.Webhook")
	}
	if !v.knows(r) { // before anything of it is read
		return psa.WebhookEvent{}, refuse("it does not bear the configured secret")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxHook+1))
	if err != nil || len(body) > maxHook {
		return psa.WebhookEvent{}, refuse("the body cannot be read, or is too long")
	}
	if !v.signed(r, body) {
		return psa.WebhookEvent{}, refuse("its signature is wrong")
	}
	e, dated, err := parseHook(body, c.opts.DateZone)
	if err != nil {
		return psa.WebhookEvent{}, refuse("the payload names no record; let it have the id of the ticket")
	}
	now := v.now()
	if age := now.Sub(e.At); !e.At.IsZero() && v.w.MaxAge > 0 && (age > v.w.MaxAge || age < -v.w.MaxAge) {
		return psa.WebhookEvent{}, refuse("it is too old, or from the future")
	}
	if !v.first(e.ID, dated, now) {
		return psa.WebhookEvent{}, refuse("it was seen before")
	}
	if e.At.IsZero() {
		e.At = now
	}
	return e, nil
}

// knows checks the secrets that are configured, in constant time.
func (v *verifier) knows(r *http.Request) bool {
	good := true
	if v.w.BasicPassword.Reveal() != "" {
		user, password, ok := r.BasicAuth()
		good = good && ok && same(user, v.w.BasicUser) && same(password, v.w.BasicPassword.Reveal())
	}
	if v.w.Header != "" {
		good = good && same(r.Header.Get(v.w.Header), v.w.Secret.Reveal())
	}
	return good
}

// signed checks the signature where there is a recipe for it, in constant time.
func (v *verifier) signed(r *http.Request, body []byte) bool {
	h := v.w.HMAC
	if h == nil {
		return true
	}
	m := hmac.New(v.hash, []byte(h.Secret.Reveal()))
	m.Write(body)
	got, prefixed := strings.CutPrefix(strings.TrimSpace(r.Header.Get(h.Header)), h.Prefix)
	var sig []byte
	var err error
	if h.Digest == "base64" {
		sig, err = base64.StdEncoding.DecodeString(got)
	} else {
		sig, err = hex.DecodeString(got)
	}
	return prefixed && err == nil && hmac.Equal(sig, m.Sum(nil))
}

// same compares secrets without telling by the time how much of them is right, nor how long they are.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// first reports whether a call is none that was seen. The oldest ones are forgotten.
func (v *verifier) first(id string, dated bool, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if until, ok := v.seen[id]; ok && now.Before(until) {
		return false
	}
	keep := v.w.RepeatAfter
	if dated {
		keep = forever
	}
	if _, ok := v.seen[id]; !ok {
		if old := v.ring[v.at]; old != "" {
			delete(v.seen, old)
		}
		v.ring[v.at] = id
		v.at = (v.at + 1) % len(v.ring)
	}
	v.seen[id] = now.Add(keep)
	return true
}

// parseHook reads a payload. dated is true where the same payload is the same event, because it has an id or a time of
// its own.
func parseHook(body []byte, zone *time.Location) (e psa.WebhookEvent, dated bool, err error) {
	type record struct {
		ID any `json:"id"`
	}
	var p struct {
		ID        any     `json:"id"`
		WebhookID any     `json:"webhook_id"`
		Event     any     `json:"event"`
		TicketID  any     `json:"ticket_id"`
		Ticket    *record `json:"ticket"`
		User      *record `json:"user"`
		Client    *record `json:"client"`
		Timestamp any     `json:"timestamp"`
		Date      any     `json:"date"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return psa.WebhookEvent{}, false, err
	}
	word := strings.ToLower(text(p.Event))
	e = psa.WebhookEvent{System: Name, Action: actionOf(word)}
	switch {
	case p.Ticket != nil && recordID(p.Ticket.ID) != "":
		e.Entity, e.RecordID = "ticket", recordID(p.Ticket.ID)
	case recordID(p.TicketID) != "":
		e.Entity, e.RecordID = "ticket", recordID(p.TicketID)
	case p.User != nil && recordID(p.User.ID) != "":
		e.Entity, e.RecordID = "contact", recordID(p.User.ID)
	case p.Client != nil && recordID(p.Client.ID) != "":
		e.Entity, e.RecordID = "company", recordID(p.Client.ID)
	case recordID(p.ID) != "":
		e.Entity, e.RecordID = entityOf(word), recordID(p.ID)
	default:
		return psa.WebhookEvent{}, false, errShape
	}
	for _, at := range []any{p.Timestamp, p.Date} {
		if s, ok := at.(string); ok && e.At.IsZero() {
			e.At = parseDate(s, zone)
		}
	}
	sum := sha256.Sum256(body)
	e.ID = hex.EncodeToString(sum[:16])
	dated = !e.At.IsZero()
	if own := text(p.ID); own != "" && own != e.RecordID && recordID(p.ID) == "" { // a UUID: that of the event
		e.ID, dated = own, true
	}
	return e, dated, nil
}

// recordID returns the id of a record, empty where it is none.
func recordID(v any) string {
	if s := text(v); isNumber(s) {
		return s
	}
	return ""
}

// text returns a string or a number as text of a reasonable length.
func text(v any) string {
	switch v := v.(type) {
	case string:
		if s := strings.TrimSpace(v); len(s) <= 128 {
			return s
		}
	case float64:
		if v == float64(int64(v)) {
			return strconv.FormatInt(int64(v), 10)
		}
	}
	return ""
}

func actionOf(event string) string {
	for _, a := range []struct{ action, words string }{
		{"deleted", "delet remov"},
		{"added", "creat add new log"},
		{"updated", "updat chang clos assign edit merg reopen status action note repl"},
	} {
		for w := range strings.FieldsSeq(a.words) {
			if strings.Contains(event, w) {
				return a.action
			}
		}
	}
	return ""
}

func entityOf(event string) string {
	switch {
	case strings.Contains(event, "user"), strings.Contains(event, "contact"):
		return "contact"
	case strings.Contains(event, "client"), strings.Contains(event, "customer"), strings.Contains(event, "company"):
		return "company"
	}
	return "ticket"
}

// String tells what is checked, without a secret.
func (w Webhook) String() string {
	return fmt.Sprintf("halopsa.Webhook{basic: %v, header: %q, hmac: %v}", w.BasicPassword.Reveal() != "", w.Header, w.HMAC != nil)
}
