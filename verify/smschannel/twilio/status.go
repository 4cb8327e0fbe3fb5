package twilio

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the vendor's protocol: https://www.twilio.com/docs/usage/security
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit"
)

// State is how far a message has come (https://www.twilio.com/docs/messaging/api/message-resource).
type State string

// The states of an outbound message.
const (
	Accepted           State = "accepted"
	Scheduled          State = "scheduled"
	Queued             State = "queued"
	Sending            State = "sending"
	Sent               State = "sent" // handed to the carrier, not delivered
	Delivered          State = "delivered"
	PartiallyDelivered State = "partially_delivered"
	Undelivered        State = "undelivered"
	Failed             State = "failed"
	Canceled           State = "canceled"
	Read               State = "read"
)

// Rank orders the states as they follow each other: 0 for one that is not known, the same for all ends of the way.
func (s State) Rank() int {
	switch s {
	case Accepted, Scheduled:
		return 1
	case Queued:
		return 2
	case Sending:
		return 3
	case Sent:
		return 4
	case Delivered, PartiallyDelivered, Undelivered, Failed, Canceled:
		return 5
	case Read:
		return 6
	}
	return 0
}

// Status is one status callback whose signature was right.
type Status struct {
	// Account and MessageID are SIDs; MessageID is what SendText returned.
	Account, MessageID string
	// Key is what SendText was given. It travels in the address of the callback, which the signature covers. It is
	// empty in answers of [Client.Status] and where SendText was given none.
	Key string
	// State may be one that this package does not know.
	State State
	// Rank is State's rank, for receivers that compare in their store.
	Rank int
	// ErrorCode is Twilio's reason for Undelivered and Failed, else 0.
	ErrorCode int
	// Permanent is true where the message failed for a reason that stays.
	Permanent bool
}

// Supersedes reports whether the status tells something new to who has recorded prev ("" for nothing yet).
// Callbacks may come late, twice and in any order: one that does not supersede must have no effect.
func (s Status) Supersedes(prev State) bool { return s.Rank > prev.Rank() }

// Err returns the sentinel for why the message was not delivered, [ErrUndeliverable] where the reason is unknown, or
// nil where it was not refused.
func (s Status) Err() error {
	if s.State != Undelivered && s.State != Failed {
		return nil
	}
	if err := meaning(s.ErrorCode).err; err != nil {
		return err
	}
	return ErrUndeliverable
}

// Reason says why the message was not delivered, with Twilio's code and without the number, such as "the handset
// could not be reached (30003)". It is empty where the message was not refused.
func (s Status) Reason() string {
	err := s.Err()
	switch {
	case s.State == Canceled:
		return "the message was cancelled"
	case err == nil:
		return ""
	case s.ErrorCode == 0:
		return err.Error()
	}
	return fmt.Sprintf("%v (%d)", err, s.ErrorCode)
}

// ranked fills in what follows from state and code.
func (s Status) ranked() Status {
	s.Rank = s.State.Rank()
	s.Permanent = s.Err() != nil && meaning(s.ErrorCode).permanent
	return s
}

// HandlerOptions configures [NewStatusHandler].
type HandlerOptions struct {
	// Logger gets a warning for each refused callback. nil discards.
	Logger *slog.Logger
}

// maxCallback is the largest callback in bytes; real ones have a few hundred.
const maxCallback = 64 << 10

// StatusHandler receives status callbacks. It answers 204 when the receiver has taken the status, 403 to what is
// not signed by the account, and 503 when the receiver failed. Twilio repeats a callback that was not taken only as
// far as its account is set up to; [Client.Status] asks for what was missed.
type StatusHandler struct {
	account string
	urls    []string
	tokens  []mspkit.Redacted[string]
	receive func(context.Context, Status) error
	log     *slog.Logger
}

// NewStatusHandler returns the handler for callbacks of account at publicURL: the address that was given to Twilio
// as Options.StatusCallback, whatever proxies stand in between. tokens are one or, while they are being rotated,
// two auth tokens of the account. receive is called with each authentic status; it must be safe for concurrent use
// and must ignore what does not supersede the state it knows. Its error makes the answer 503 and is not logged.
func NewStatusHandler(account, publicURL string, tokens []mspkit.Redacted[string], receive func(context.Context, Status) error, o *HandlerOptions) (*StatusHandler, error) {
	h := &StatusHandler{account: account, tokens: slices.Clone(tokens), receive: receive, log: slog.New(slog.DiscardHandler)}
	if o != nil && o.Logger != nil {
		h.log = o.Logger
	}
	var errs []error
	if !accountForm.MatchString(account) {
		errs = append(errs, invalid("account SID is not AC and 32 hex digits"))
	}
	if u, err := parsePublicURL(publicURL); err != nil {
		errs = append(errs, invalid("public URL is not an https URL, or has a parameter key"))
	} else {
		h.urls = spellings(publicURL, u)
	}
	if len(tokens) < 1 || len(tokens) > 2 || slices.ContainsFunc(tokens, func(t mspkit.Redacted[string]) bool { return t.Reveal() == "" }) {
		errs = append(errs, invalid("there must be one or two auth tokens"))
	}
	if receive == nil {
		errs = append(errs, invalid("there is no receiver"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return h, nil
}

// spellings returns the URL as configured, and with and without its port where that is the default one: Twilio
// signs sometimes this and sometimes that.
func spellings(given string, u *url.URL) []string {
	out := []string{given}
	add := func(host string) {
		v := *u
		v.Host = host
		if s := v.String(); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	port := map[string]string{"https": "443", "http": "80"}[u.Scheme]
	switch u.Port() {
	case "":
		add(net.JoinHostPort(u.Hostname(), port))
	case port:
		add(u.Host[:len(u.Host)-len(":"+port)])
	}
	return out
}

// ServeHTTP takes one callback.
func (h *StatusHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		h.refuse(w, r, http.StatusMethodNotAllowed, "method")
		return
	}
	if mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mt != "application/x-www-form-urlencoded" {
		h.refuse(w, r, http.StatusUnsupportedMediaType, "content type")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCallback))
	if err != nil {
		code := http.StatusBadRequest
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			code = http.StatusRequestEntityTooLarge
		}
		h.refuse(w, r, code, "body")
		return
	}
	key := r.URL.Query().Get(keyParam)
	if len(key) > maxKey {
		h.refuse(w, r, http.StatusBadRequest, "key")
		return
	}
	s, code, why := h.parse(body, key, r.Header.Get("X-Twilio-Signature"))
	if code != 0 {
		h.refuse(w, r, code, why)
		return
	}
	if err := h.receive(r.Context(), s); err != nil {
		h.refuse(w, r, http.StatusServiceUnavailable, "receiver")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (h *StatusHandler) refuse(w http.ResponseWriter, r *http.Request, code int, why string) {
	h.log.WarnContext(r.Context(), "twilio status callback refused", slog.Int("status", code), slog.String("reason", why))
	http.Error(w, http.StatusText(code), code)
}

// parse reads a callback. Nothing of it is believed before its signature is. A code of 0 means that s is good.
func (h *StatusHandler) parse(body []byte, key, signature string) (s Status, code int, why string) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return Status{}, http.StatusBadRequest, "form"
	}
	if !h.signed(form, key, signature) {
		return Status{}, http.StatusForbidden, "signature"
	}
	if form.Get("AccountSid") != h.account {
		return Status{}, http.StatusForbidden, "account"
	}
	s = Status{Account: h.account, Key: key, MessageID: form.Get("MessageSid"), State: State(form.Get("MessageStatus"))}
	if !messageForm.MatchString(s.MessageID) || s.State == "" || len(s.State) > 32 {
		return Status{}, http.StatusBadRequest, "fields"
	}
	if v := form.Get("ErrorCode"); v != "" {
		n, err := strconv.ParseUint(v, 10, 31)
		if err != nil {
			return Status{}, http.StatusBadRequest, "error code"
		}
		s.ErrorCode = int(n)
	}
	return s.ranked(), 0, ""
}

// The key of a send travels as a parameter of the callback's address.
const (
	keyParam = "key"
	maxKey   = 1 << 10
)

// withKey returns the address u for callbacks about the send named key.
func withKey(u, key string) string {
	if u == "" || key == "" {
		return u
	}
	sep := "?"
	if strings.Contains(u, "?") {
		sep = "&"
	}
	return u + sep + keyParam + "=" + url.QueryEscape(key)
}

// signed compares with every token and every spelling of the URL, without stopping at the first that fits. Of the
// request's own address only the key is looked at, because proxies change the rest.
func (h *StatusHandler) signed(form url.Values, key, signature string) bool {
	given, err := base64.StdEncoding.DecodeString(signature)
	ok := 0
	for _, token := range h.tokens {
		for _, u := range h.urls {
			ok |= subtle.ConstantTimeCompare(given, sign(token.Reveal(), withKey(u, key), form))
		}
	}
	return ok == 1 && err == nil
}

// sign is the URL, then each parameter's name and first value in the order of the names, under HMAC-SHA1
// (https://www.twilio.com/docs/usage/security#validating-requests).
func sign(token, u string, form url.Values) []byte {
	names := make([]string, 0, len(form))
	for k := range form {
		names = append(names, k)
	}
	slices.Sort(names)
	mac := hmac.New(sha1.New, []byte(token))
	_, _ = io.WriteString(mac, u)
	for _, k := range names {
		_, _ = io.WriteString(mac, k+form.Get(k))
	}
	return mac.Sum(nil)
}
