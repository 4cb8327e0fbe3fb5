package teamsapp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/httpx"
)

const (
	// maxAnswer is in bytes; real answers have a few hundred.
	maxAnswer = 256 << 10
	// maxID is in bytes; real ids have less than two hundred.
	maxID = 1024
	// maxHold is the longest that a conversation is held back for a Retry-After before Teams is asked again.
	maxHold = time.Minute
)

// connector speaks the Bot Connector's REST API
// (https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-api-reference).
type connector struct {
	app    App
	o      Options
	key    tokenKey
	tokens *tokens
	pace   *pacer
}

func newConnector(app App, o Options) (*connector, error) {
	clock := time.Now
	c := &connector{app: app, o: o, pace: newPacer(o.TenantRate, clock)}
	c.key = tokenKey{tenant: app.TenantID, scope: o.Cloud.Scope}
	if app.MultiTenant {
		c.key.tenant = o.Cloud.SharedTenant
	}
	if app.Credential == nil || o.InsecureLoopback { // an emulator is told no secret: anything on this machine may be one
		return c, nil
	}
	var errs []error
	if !app.Credential.valid() {
		errs = append(errs, fmt.Errorf("the credential is empty: %w", mspkit.ErrInvalid))
	}
	if c.key.scope == "" || (c.key.tenant == "" && app.MultiTenant) {
		errs = append(errs, fmt.Errorf("the cloud's scope and shared tenant are required: %w", mspkit.ErrInvalid))
	}
	login, err := httpx.ParseBaseURL(o.Cloud.Login)
	if err != nil {
		return nil, errors.Join(append(errs, fmt.Errorf("the cloud's login: %w", err))...)
	}
	client, err := httpx.NewClient(o.HTTPClient, &httpx.Options{
		Origins: []string{login.String()}, MaxBody: maxAnswer, Logger: o.Logger, Now: o.Now,
	})
	if err != nil {
		return nil, errors.Join(append(errs, fmt.Errorf("the cloud's login: %w", err))...)
	}
	c.tokens = newTokens(o.Now, func(ctx context.Context, k tokenKey) (botToken, error) {
		return app.Credential.token(ctx, tokenRequest{
			tokenKey: k, http: client, clientID: app.ID, now: o.Now,
			url: login.String() + "/" + url.PathEscape(k.tenant) + "/oauth2/v2.0/token",
		})
	})
	return c, errors.Join(errs...)
}

// token returns the bot's token; without a credential it is empty.
func (c *connector) token(ctx context.Context) (botToken, error) {
	if c.tokens == nil {
		return botToken{}, nil
	}
	return c.tokens.get(ctx, c.key)
}

// request is one call of the Bot Connector.
type request struct {
	op, method string
	serviceURL string
	path       []string // the segments below v3/conversations, not escaped
	body       []byte   // JSON, or nil
	wantID     bool     // the answer is {"id": "…"}
	// tenant is the person's Entra tenant, thread the conversation: what Teams' limits count by.
	tenant, thread string
}

// do sends r when Teams' limits allow it and returns the id in the answer. Its errors begin with the operation.
func (c *connector) do(ctx context.Context, r request) (string, error) {
	base, err := c.o.trusted(r.serviceURL)
	if err != nil {
		return "", fmt.Errorf("%s: %w", r.op, err)
	}
	if c.o.InsecureLoopback && !loopbackHost(base.Hostname()) {
		return "", fmt.Errorf("%s: not loopback: %w", r.op, ErrServiceURL)
	}
	segments := []string{base.String() + "/v3/conversations"}
	for _, s := range r.path {
		segments = append(segments, escape(s))
	}
	target := strings.Join(segments, "/")
	// Before the place in the queue is taken: a wait for the token would bring many requests together later.
	if _, err := c.token(ctx); err != nil {
		return "", fmt.Errorf("%s: %w", r.op, err)
	}
	for first := true; ; first = false {
		if err := c.pace.wait(ctx, r.tenant, r.thread, !first); err != nil {
			return "", notSent(r.op, err)
		}
		t, err := c.token(ctx)
		if err != nil {
			return "", fmt.Errorf("%s: %w", r.op, err)
		}
		id, err := c.try(ctx, r, base, target, t)
		refused, ok := errors.AsType[*Error](err)
		if !first || c.tokens == nil || !ok || refused.Status != http.StatusUnauthorized {
			return id, err
		}
		c.tokens.drop(c.key, t) // revoked, perhaps; a new one tells
	}
}

// notSent is the error of a request that Teams' limits kept from going out.
func notSent(op string, err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: wait for Teams' limits: %w", op, err)
	}
	e := &Error{Op: op, sentinel: ErrThrottled, cause: err}
	if held, ok := errors.AsType[*heldError](err); ok {
		e.RetryAfter = held.free
	}
	return e
}

// try is one call with one token, and its repeats.
func (c *connector) try(ctx context.Context, r request, base *url.URL, target string, t botToken) (string, error) {
	client, err := c.client(r, base)
	if err != nil {
		return "", fmt.Errorf("%s: %w", r.op, err)
	}
	// A message that comes twice is better than one that does not come.
	req, err := http.NewRequestWithContext(httpx.Idempotent(ctx), r.method, target, bytes.NewReader(r.body))
	if err != nil {
		return "", fmt.Errorf("%s: the request cannot be made: %w", r.op, ErrServiceURL) // net/url repeats the URL
	}
	req.Header.Set("Accept", "application/json")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if s := t.value.Reveal(); s != "" {
		req.Header.Set("Authorization", "Bearer "+s)
	}
	resp, err := httpx.Do(client, req)
	if err != nil {
		return "", transportFault(r.op, err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	if resp.StatusCode/100 != 2 {
		body, _ := io.ReadAll(resp.Body) // what came says as much as there is to know
		return "", newError(r.op, resp, body, c.o.Now())
	}
	if !r.wantID {
		return "", nil
	}
	body, err := io.ReadAll(resp.Body)
	var answer struct {
		ID string `json:"id"`
	}
	if err != nil || json.Unmarshal(body, &answer) != nil || !validID(answer.ID) {
		e := newError(r.op, resp, nil, c.o.Now())
		e.sentinel = ErrProtocol
		return "", e
	}
	return answer.ID, nil
}

// client returns a client whose credentials go to the origin of base only.
func (c *connector) client(r request, base *url.URL) (*http.Client, error) {
	return httpx.NewClient(c.o.HTTPClient, &httpx.Options{
		Origins: []string{base.String()}, MaxBody: maxAnswer, Logger: c.o.Logger, Now: c.o.Now,
		MaxRetries: 4,
		Retry:      []int{http.StatusPreconditionFailed},
		Pace:       func(req *http.Request) error { return c.pace.wait(req.Context(), r.tenant, r.thread, true) },
		Answered: func(_ *http.Request, resp *http.Response) {
			if resp.StatusCode != http.StatusTooManyRequests {
				return
			}
			if asked, ok := httpx.ParseRetryAfter(resp.Header, c.o.Now()); ok {
				c.pace.hold(r.tenant, r.thread, min(asked, maxHold))
			}
		},
	})
}

func transportFault(op string, err error) error {
	e := &Error{Op: op, sentinel: ErrUnavailable, cause: err}
	held, isHeld := errors.AsType[*heldError](err)
	switch {
	case isHeld:
		e.sentinel, e.RetryAfter = ErrThrottled, held.free
	case errors.Is(err, httpx.ErrOrigin):
		e.sentinel = ErrServiceURL
	case errors.Is(err, httpx.ErrRedirect):
		e.sentinel = ErrProtocol
	}
	return e
}

// escape makes s one segment of a path. It escapes more than a path needs (":" and "@"), as Microsoft's SDKs do.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// validID reports whether s can be an id of a conversation or message and a segment of a path.
func validID(s string) bool {
	return s != "" && len(s) <= maxID && s != "." && s != ".." && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// The wire form of what we send.
type (
	outgoing struct {
		Type         string         `json:"type"`
		From         party          `json:"from"`
		Conversation party          `json:"conversation"`
		ReplyTo      string         `json:"replyToId,omitempty"`
		ID           string         `json:"id,omitempty"`
		Locale       string         `json:"locale,omitempty"`
		Summary      string         `json:"summary,omitempty"`
		Text         string         `json:"text,omitempty"`
		TextFormat   string         `json:"textFormat,omitempty"`
		Attachments  []attachment   `json:"attachments,omitempty"`
		ChannelData  *activityExtra `json:"channelData,omitempty"`
	}
	party struct {
		ID string `json:"id"`
	}
	attachment struct {
		ContentType string          `json:"contentType"`
		Content     json.RawMessage `json:"content"`
	}
	activityExtra struct {
		Notification struct {
			Alert bool `json:"alert"`
		} `json:"notification"`
	}
	conversation struct {
		IsGroup     bool          `json:"isGroup"`
		Bot         party         `json:"bot"`
		Members     []party       `json:"members"`
		TenantID    string        `json:"tenantId"`
		ChannelData createdInside `json:"channelData"`
	}
	createdInside struct {
		Tenant party `json:"tenant"`
	}
)

// message draws m, without its place.
func (c *connector) message(m Message, locale string) (outgoing, error) {
	a := outgoing{Type: "message", From: c.self(), Locale: locale}
	if m.Text == "" && m.Card == nil {
		return a, fmt.Errorf("a message has a text or a card: %w", mspkit.ErrInvalid)
	}
	if m.Text != "" {
		a.Text, a.TextFormat = m.Text, "plain"
	}
	if m.Card != nil {
		if holds(m.Text, m.Card.secrets()) { // notifications show the text
			return a, fmt.Errorf("a secret of the card is in the message's text: %w", mspkit.ErrInvalid)
		}
		content, err := m.Card.encode(c.o.MaxActivity)
		if err != nil {
			return a, err
		}
		a.Attachments = []attachment{{ContentType: CardType, Content: content}}
		a.Summary = m.Card.Summary
		if m.Card.Locale != "" {
			a.Locale = m.Card.Locale
		}
	}
	if !m.Silent {
		a.ChannelData = &activityExtra{}
		a.ChannelData.Notification.Alert = true
	}
	return a, nil
}

// encode returns a as JSON, or [ErrTooLarge].
func (c *connector) encode(a outgoing) ([]byte, error) {
	b, err := encode(a)
	if err == nil && len(b) > c.o.MaxActivity {
		err = fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(b), c.o.MaxActivity)
	}
	return b, err
}

// encode is json.Marshal without the escapes for HTML, which would count against the size.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func (c *connector) self() party { return party{"28:" + c.app.ID} }

// create begins the private chat with a member of a tenant, or finds it: the same member has the same conversation.
func (c *connector) create(ctx context.Context, serviceURL, tenant, member string) (string, error) {
	body, err := encode(conversation{
		Bot: c.self(), Members: []party{{member}}, TenantID: tenant, ChannelData: createdInside{party{tenant}},
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w", opCreate, err)
	}
	return c.do(ctx, request{
		op: opCreate, method: http.MethodPost, serviceURL: serviceURL, body: body, wantID: true,
		tenant: tenant, thread: "create/" + member,
	})
}

// send sends a into a conversation, as an answer where replyTo is not empty.
func (c *connector) send(ctx context.Context, serviceURL, tenant, conversation, replyTo string, a outgoing) (string, error) {
	r := request{
		op: opSend, method: http.MethodPost, serviceURL: serviceURL, path: []string{conversation, "activities"}, wantID: true,
		tenant: tenant, thread: conversation,
	}
	if replyTo != "" {
		r.op, r.path = opReply, append(r.path, replyTo)
	}
	a.Conversation, a.ReplyTo = party{conversation}, replyTo
	var err error
	if r.body, err = c.encode(a); err != nil {
		return "", fmt.Errorf("%s: %w", r.op, err)
	}
	return c.do(ctx, r)
}

// update puts a in the place of a message, remove takes one back.
func (c *connector) update(ctx context.Context, serviceURL string, ref MessageRef, a outgoing) error {
	a.Conversation, a.ID = party{ref.Conversation}, ref.Activity
	body, err := c.encode(a)
	if err != nil {
		return fmt.Errorf("%s: %w", opUpdate, err)
	}
	_, err = c.do(ctx, request{
		op: opUpdate, method: http.MethodPut, serviceURL: serviceURL, path: []string{ref.Conversation, "activities", ref.Activity},
		body: body, tenant: ref.User.TenantID, thread: ref.Conversation,
	})
	return err
}

func (c *connector) remove(ctx context.Context, serviceURL string, ref MessageRef) error {
	_, err := c.do(ctx, request{
		op: opDelete, method: http.MethodDelete, serviceURL: serviceURL, path: []string{ref.Conversation, "activities", ref.Activity},
		tenant: ref.User.TenantID, thread: ref.Conversation,
	})
	return err
}
