package twilio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/httpx"
)

// maxText is Twilio's limit for a text in characters.
const maxText = 1600

// Client sends text messages from one account.
type Client struct {
	account  string
	from     Sender
	auth     Auth
	opts     Options
	messages *url.URL
	numbers  *url.URL // of the Lookup API
	http     *http.Client
	sends    sends
}

// New returns a client for the account accountSID ("AC…"). It connects to nothing. It fails with mspkit.ErrInvalid
// and reports everything that is wrong.
func New(accountSID string, auth Auth, from Sender, o *Options) (*Client, error) {
	c := &Client{account: accountSID, from: from, sends: sends{byKey: make(map[sendKey]*send)}}
	if err := c.configure(auth, o); err != nil {
		return nil, err
	}
	return c, nil
}

// SendText sends body to the number to, in E.164, and returns the message's SID. It returns when Twilio has taken
// the message, which is before it is delivered.
//
// key names this send. A second call with the same key and number within the hour returns the id of the first,
// looks the first up where its outcome was unclear, and sends where it was refused. An empty key is never
// remembered. Callbacks about the message bear the key as [Status.Key]; it must have at most 1024 bytes. See the package comment for what happens to an ambiguous send, and for the errors.
func (c *Client) SendText(ctx context.Context, to, body, key string) (id string, err error) {
	switch {
	case !numberForm.MatchString(to):
		return "", fmt.Errorf("twilio: send: recipient is not in E.164: %w", ErrInvalidNumber)
	case len(key) > maxKey:
		return "", fmt.Errorf("twilio: send: key has more than %d bytes: %w", maxKey, mspkit.ErrInvalid)
	case body == "" || !utf8.ValidString(body) || utf8.RuneCountInString(body) > maxText:
		return "", fmt.Errorf("twilio: send: text must be 1 to %d characters: %w", maxText, mspkit.ErrInvalid)
	}
	s := &send{}
	if key != "" {
		s = c.sends.acquire(key, to, c.opts.Now())
		defer c.sends.release(s)
	}
	if err := s.lock(ctx); err != nil {
		return "", fmt.Errorf("twilio: send: %w", err)
	}
	defer s.unlock()

	if s.sid != "" {
		return s.sid, nil
	}
	if s.began.IsZero() { // nothing unclear from an earlier call
		s.began, s.resent = c.opts.Now(), false
		if err := c.post(ctx, s, to, body, key); err == nil || !errors.Is(err, ErrAmbiguous) {
			return s.sid, err
		}
	}
	return c.resolve(ctx, s, to, body, key)
}

// resolve ends an unclear send: it finds the message, or sends it once more, or says that nobody knows.
func (c *Client) resolve(ctx context.Context, s *send, to, body, key string) (string, error) {
	sid, err := c.find(ctx, to, body, s.began)
	switch {
	case err != nil:
		return "", fmt.Errorf("twilio: send: %w: lookup failed: %w", ErrAmbiguous, err)
	case sid != "":
		s.sid = sid
		c.sends.claim(sid)
		return sid, nil
	case s.taken || s.resent:
		// Twilio said that it took the message, or it was repeated already: sending again is not the cure.
		return "", fmt.Errorf("twilio: send: no trace of the message: %w", ErrAmbiguous)
	}
	s.resent = true
	err = c.post(ctx, s, to, body, key)
	if err != nil && errors.Is(err, ErrAmbiguous) {
		// The repeat is unclear as well: look once more, but send nothing.
		if sid, lookup := c.find(ctx, to, body, s.began); lookup == nil && sid != "" {
			s.sid, err = sid, nil
			c.sends.claim(sid)
		}
	}
	return s.sid, err
}

// post sends once. On success s has the id; on a clear refusal s is as if nothing had happened; otherwise the error
// is ErrAmbiguous.
func (c *Client) post(ctx context.Context, s *send, to, body, key string) error {
	form := url.Values{"To": {to}, "Body": {body}}
	set := func(k, v string) {
		if v != "" {
			form.Set(k, v)
		}
	}
	set("From", c.from.From)
	set("MessagingServiceSid", c.from.MessagingServiceSID)
	set("StatusCallback", withKey(c.opts.StatusCallback, key))
	if c.opts.ValidityPeriod > 0 {
		form.Set("ValidityPeriod", strconv.Itoa(int(c.opts.ValidityPeriod/time.Second)))
	}
	if c.opts.DiscardContent {
		form.Set("ContentRetention", "discard")
	}
	if c.opts.ObfuscateAddress {
		form.Set("AddressRetention", "obfuscate")
	}
	var m message
	status, err := c.do(ctx, http.MethodPost, c.messages, form, &m)
	api, refused := errors.AsType[*Error](err)
	switch {
	case err == nil && messageForm.MatchString(m.SID):
		s.sid = m.SID
		c.sends.claim(m.SID)
		return nil
	case status/100 == 2: // taken, but the answer cannot be read
		s.taken = true
		return fmt.Errorf("twilio: send: answer is not understood: %w", ErrAmbiguous)
	case refused && api.Status < 500 && api.Status != http.StatusRequestTimeout:
		s.began = time.Time{}
		return fmt.Errorf("twilio: send: %w", err)
	}
	if e, ok := errors.AsType[*httpx.Error](err); ok && (!e.Sent || errors.Is(err, httpx.ErrRedirect)) {
		s.began = time.Time{}
		return fmt.Errorf("twilio: send: %w", err)
	}
	return fmt.Errorf("twilio: send: %w: %w", ErrAmbiguous, err)
}

// Status asks for the state of the message id, for hosts that Twilio cannot reach and for callbacks that were missed.
func (c *Client) Status(ctx context.Context, id string) (Status, error) {
	if !messageForm.MatchString(id) {
		return Status{}, fmt.Errorf("twilio: status: no message id: %w", mspkit.ErrInvalid)
	}
	u := *c.messages
	u.Path = strings.TrimSuffix(u.Path, ".json") + "/" + id + ".json"
	var m message
	if _, err := c.do(ctx, http.MethodGet, &u, nil, &m); err != nil {
		return Status{}, fmt.Errorf("twilio: status: %w", err)
	}
	if m.SID != id || m.Status == "" || len(m.Status) > 32 {
		return Status{}, errors.New("twilio: status: answer is about something else")
	}
	return Status{Account: c.account, MessageID: id, State: State(m.Status), ErrorCode: m.ErrorCode}.ranked(), nil
}

// message is what we need of Twilio's message resource
// (https://www.twilio.com/docs/messaging/api/message-resource).
type message struct {
	SID         string `json:"sid"`
	To          string `json:"to"`
	Body        string `json:"body"`
	Direction   string `json:"direction"`
	DateCreated string `json:"date_created"`
	Status      string `json:"status"`
	ErrorCode   int    `json:"error_code"` // null is 0
}

// do sends one request and decodes a 2xx answer into v. status is 0 where there was none.
func (c *Client) do(ctx context.Context, method string, u *url.URL, form url.Values, v any) (status int, err error) {
	var payload io.Reader
	if form != nil {
		payload = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), payload)
	if err != nil {
		return 0, errors.New("request cannot be made") // the text of net/url holds the URL
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("Accept", "application/json")
	req.SetBasicAuth(c.auth.user, c.auth.password.Reveal())
	resp, err := httpx.Do(c.http, req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	if resp.StatusCode/100 != 2 {
		var problem struct {
			Code int `json:"code"`
		}
		_ = json.NewDecoder(resp.Body).Decode(&problem) // a proxy's page has no code
		return resp.StatusCode, newError(resp.StatusCode, problem.Code)
	}
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		return resp.StatusCode, errors.New("answer is not understood") // the text of encoding/json may quote it
	}
	return resp.StatusCode, nil
}
