package halopsa

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/internal/api"
)

// Name is what this package calls HaloPSA in tickets and errors.
const Name = "halopsa"

// Client talks to one HaloPSA. It is safe for concurrent use.
type Client struct {
	opts   Options
	base   *url.URL // the API is at /api below it
	auth   *url.URL // where it was configured
	api    *api.Client
	signIn *signIn
	gate   gate
	hooks  *verifier
	lists  lists
	keys   api.Locks
	most   atomic.Int32 // records that the server gives in a page, where that is less than maxPage
	agent  atomic.Int64 // whose notes are ours; 0 is not known yet
}

var (
	_ psa.System          = (*Client)(nil)
	_ psa.TimeLogger      = (*Client)(nil)
	_ psa.DataNoter       = (*Client)(nil)
	_ psa.WebhookVerifier = (*Client)(nil)
)

// New returns a client for the HaloPSA at host, for example "example.halopsa.com". It connects to nothing; [Client.Ping]
// tries whether it works. It fails with mspkit.ErrInvalid and reports everything that is wrong.
func New(host string, cred Credentials, o *Options) (*Client, error) {
	c := &Client{gate: newGate()}
	if o != nil {
		c.opts = *o
	}
	if err := c.configure(host, cred); err != nil {
		return nil, err
	}
	c.agent.Store(int64(c.opts.Agent))
	return c, nil
}

// Name returns "halopsa".
func (*Client) Name() string { return Name }

// Capabilities says what HaloPSA can do with this client's options.
func (c *Client) Capabilities() psa.Capabilities {
	fields := []psa.Field{psa.FieldQueue, psa.FieldType, psa.FieldCategory, psa.FieldStatus, psa.FieldPriority, psa.FieldSource, psa.FieldAssignee}
	if c.opts.SourceLookup < 0 {
		fields = append(fields[:5:5], psa.FieldAssignee)
	}
	return psa.Capabilities{
		PublicNotes:     true,
		NotifiesContact: c.opts.NotifyContact || c.opts.RunRules,
		ContactsSince:   true,
		CompaniesSince:  true,
		FindByEmail:     true,
		FindByPhone:     true,
		Fields:          fields,
		TicketKey:       c.opts.KeySearch != KeyNever,
		TimeEntries:     true,
		Webhooks:        c.hooks != nil,
		MaxPage:         maxPage,
	}
}

// NoteLimit returns Options.MaxNote.
func (c *Client) NoteLimit() int { return c.opts.MaxNote }

// Ping finds the authorisation server, signs in and asks who we are.
func (c *Client) Ping(ctx context.Context) (psa.Info, error) {
	const op = "ping"
	info := psa.Info{System: Name, Base: c.base.JoinPath("api").String()}
	if c.opts.Agent != 0 { // there may be no /api/Agent/me: any signed request will do
		return info, c.get(ctx, op, "Users", url.Values{"count": {"1"}}, &json.RawMessage{})
	}
	_, err := c.askAgent(ctx, op)
	return info, err
}

// me returns the id of the agent that we are.
func (c *Client) me(ctx context.Context, op string) (int64, error) {
	if known := c.agent.Load(); known != 0 {
		return known, nil
	}
	return c.askAgent(ctx, op)
}

func (c *Client) askAgent(ctx context.Context, op string) (int64, error) {
	var got saved
	err := c.get(ctx, op, "Agent/me", nil, &got)
	if e, ok := errors.AsType[*psa.Error](err); ok && errors.Is(err, psa.ErrNotFound) {
		e.Err, e.Advice = psa.ErrUnsupported, "this HaloPSA does not say which agent we are; set Options.Agent to the id of the application's agent"
	}
	if err == nil && got.id() == "" {
		err = &psa.Error{
			System: Name, Op: op, Err: psa.ErrUnsupported,
			Advice: "the answer names no agent; tie the application to an agent and set Options.Agent to its id",
		}
	}
	if err != nil {
		return 0, err
	}
	id := number(got.id())
	c.agent.Store(id)
	return id, nil
}

func (c *Client) sign(r *http.Request) error {
	tok, err := c.signIn.token(r.Context())
	if err != nil {
		return err
	}
	if s, ok := r.Context().Value(callKey{}).(*call); ok {
		s.token = tok
	}
	r.Header.Set("Authorization", "Bearer "+tok)
	return nil
}

// call is what one call of do needs to know of its requests.
type call struct {
	token string
	slot  bool // it holds the slot of the gate
}

type callKey struct{}

// do sends one request. Where the token is refused it signs in again, once.
func (c *Client) do(ctx context.Context, r api.Request, out any) error {
	s := &call{}
	ctx = context.WithValue(ctx, callKey{}, s)
	defer c.gate.leave(s)
	for again := true; ; again = false {
		if err := c.gate.enter(ctx, s, r.Op); err != nil {
			return err
		}
		_, err := c.api.Do(ctx, r, out)
		e, ok := errors.AsType[*psa.Error](err)
		if !ok || s.token == "" {
			return err
		}
		switch e.Status {
		case http.StatusUnauthorized: // refused before it acted
			c.signIn.drop(s.token)
			if again {
				continue
			}
		case http.StatusForbidden: // the agent's permissions are in the token: a later call shall see new ones
			c.signIn.dropOld(s.token)
		}
		return err
	}
}

// get reads path below /api.
func (c *Client) get(ctx context.Context, op, path string, query url.Values, out any) error {
	u := c.base.JoinPath("api", path)
	u.RawQuery = query.Encode()
	return c.do(ctx, api.Request{Op: op, Method: http.MethodGet, URL: u}, out)
}

// readList reads a list. null is none: it must not pass for an empty one.
func readList[T any](ctx context.Context, c *Client, op, path string, query url.Values) (rows[T], error) {
	var got rows[T]
	err := c.get(ctx, op, path, query, &got)
	if err == nil && got.none {
		err = &psa.Error{System: Name, Op: op, Status: http.StatusOK, Err: psa.ErrUnavailable, Advice: notHalo}
	}
	return got, err
}

// post writes one record to path below /api: HaloPSA takes arrays only, and answers with an object or an array.
func (c *Client) post(ctx context.Context, op, path string, record map[string]any) (saved, error) {
	var got saved
	err := c.do(ctx, api.Request{Op: op, Method: http.MethodPost, URL: c.base.JoinPath("api", path), Body: []any{record}, Write: true}, &got)
	return got, err
}
