package connectwise

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/httpx"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/internal/api"
)

// Name is the name of the system in tickets, mappings and errors.
const Name = "connectwise"

const maxPage = 1000 // developer guide

// Client speaks with one company of one ConnectWise PSA site. It is safe for concurrent use.
type Client struct {
	company    string
	cred       Credentials
	opts       Options
	login, api *url.URL
	http       api.Client // signs
	open       api.Client // does not
	keyHTTP    *http.Client
	found      discovery
	member     atomic.Pointer[string] // whose notes are ours; nil while that is not known
	proven     atomic.Int64           // when the credentials were last accepted, in Unix seconds
	creating   api.Locks
	hooks      hooks
}

var (
	_ psa.System          = (*Client)(nil)
	_ psa.ContactNoter    = (*Client)(nil)
	_ psa.TimeLogger      = (*Client)(nil)
	_ psa.DataNoter       = (*Client)(nil)
	_ psa.WebhookVerifier = (*Client)(nil)
)

// New returns a client for the company companyID at site, for example "na.myconnectwise.net" or the host of an own
// installation: what one types at the sign-in page. It connects to nothing. It fails with mspkit.ErrInvalid and reports
// everything that is wrong.
func New(site, companyID string, cred Credentials, o *Options) (*Client, error) {
	c := &Client{company: companyID, cred: cred}
	if err := c.configure(site, o); err != nil {
		return nil, err
	}
	return c, nil
}

// Name returns [Name].
func (*Client) Name() string { return Name }

// Capabilities returns what ConnectWise PSA can do with these options.
func (c *Client) Capabilities() psa.Capabilities {
	return psa.Capabilities{
		PublicNotes: true, NotifiesContact: c.opts.NotifyContact, ContactsSince: true, CompaniesSince: true,
		FindByEmail: true, FindByPhone: true, Fields: psa.Fields, TicketKey: !c.opts.NoTicketKey,
		ContactNotes: true, TimeEntries: true, Webhooks: c.takesCallbacks(), MaxPage: maxPage,
	}
}

// NoteLimit returns Options.MaxNote, or so much of it that a text fits after the replacements of PlainText and OneLine.
func (c *Client) NoteLimit() int {
	n := c.opts.MaxNote
	if c.opts.PlainText {
		n = min(n, c.opts.MaxNote*2/5) // four bytes become ten, "[U+10FFFF]"
	}
	if c.opts.OneLine {
		n = min(n, c.opts.MaxNote/3) // one becomes three
	}
	return n
}

// request is one request to the API.
type request struct {
	op, method string
	path       []string
	query      url.Values
	header     http.Header
	body       any
	write      bool
	search     bool // a POST that reads
}

// call sends r and decodes the answer into out. A 404 is looked into before it is believed: it can mean that an upgrade
// has changed the codebase, or that the credentials are wrong (developer guide).
func (c *Client) call(ctx context.Context, r request, out any) (http.Header, error) {
	code, err := c.codebase(ctx, r.op)
	if err != nil {
		return nil, err
	}
	h, err := c.send(ctx, code, r, out)
	if !is404(err) {
		return h, err
	}
	now, again := c.recheck(ctx, r.op, code)
	if again != nil {
		return nil, again
	}
	if now != code {
		h, err = c.send(ctx, now, r, out)
		if !is404(err) {
			return h, err
		}
	}
	if why := c.prove(ctx, r.op, now); why != nil {
		return nil, why
	}
	return h, err
}

func (c *Client) send(ctx context.Context, codebase string, r request, out any) (http.Header, error) {
	if r.search {
		ctx = httpx.Idempotent(ctx)
	}
	header := r.header
	if header == nil {
		header = http.Header{}
	}
	if c.opts.Version != "latest" {
		header.Set("Accept", "application/vnd.connectwise.com+json; version="+c.opts.Version)
	}
	h, err := c.http.Do(ctx, api.Request{
		Op: r.op, Method: r.method, URL: c.address(codebase, r), Header: header, Body: r.body, Write: r.write,
	}, out)
	if err == nil {
		c.proven.Store(c.opts.Now().Unix())
	}
	return h, err
}

func (c *Client) address(codebase string, r request) *url.URL {
	u := c.api.JoinPath(append([]string{codebase, "apis/3.0"}, r.path...)...)
	// A space as %20: a plus is a plus to some gateways.
	u.RawQuery = strings.ReplaceAll(r.query.Encode(), "+", "%20")
	return u
}

// provenFor is how long accepted credentials count as good when something is not found.
const provenFor = time.Minute

// prove finds out whether the credentials are accepted at all, and returns nil where they are.
func (c *Client) prove(ctx context.Context, op, codebase string) error {
	if c.opts.Now().Sub(time.Unix(c.proven.Load(), 0)).Abs() < provenFor {
		return nil
	}
	var boards []reference
	_, err := c.send(ctx, codebase, request{op: op, method: http.MethodGet, path: pingPath, query: url.Values{"pageSize": {"1"}}}, &boards)
	e := asError(err)
	switch {
	case err == nil, e != nil && e.Status == http.StatusForbidden: // refused to one whom it knows
		return nil
	case e != nil && e.Status == http.StatusNotFound:
		e.Err, e.Advice = psa.ErrUnauthorized, "nothing is found at all, which is how the API answers wrong credentials; "+keyAdvice
		return e
	}
	return err
}

var pingPath = []string{"service", "boards"}

// Ping asks the site for its release and reads one service board. Its error says what is wrong: the site, the company id,
// the keys or the permission.
func (c *Client) Ping(ctx context.Context) (psa.Info, error) {
	const op = "ping"
	var boards []reference
	if _, err := c.call(ctx, request{op: op, method: http.MethodGet, path: pingPath, query: url.Values{"pageSize": {"1"}}}, &boards); err != nil {
		return psa.Info{}, err
	}
	code, err := c.codebase(ctx, op)
	if err != nil {
		return psa.Info{}, err
	}
	return psa.Info{System: Name, Version: c.found.versionOf(), Base: c.address(code, request{}).String()}, nil
}

// fail returns an error of ours.
func fail(op string, err error, advice string) error {
	return &psa.Error{System: Name, Op: op, Err: err, Advice: advice}
}

// number reads an id, which is a positive int32 (developer guide). One id has one spelling, so that two references to a
// ticket are never taken for two tickets.
func number(op, what, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n <= 0 || text != id(n) {
		return 0, fail(op, mspkit.ErrInvalid, what+" is not a number")
	}
	return n, nil
}

func id(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// ticketID checks a reference and returns the ticket's number.
func ticketID(op string, ref psa.TicketRef) (int64, error) {
	if err := ref.Validate(); err != nil {
		return 0, fail(op, err, "")
	}
	if s := ref.Ticket.System; s != "" && s != Name {
		return 0, fail(op, mspkit.ErrInvalid, "the ticket belongs to another system")
	}
	return number(op, "the ticket's id", ref.Ticket.ID)
}

// reference is how the API names something.
type reference struct {
	ID         int64  `json:"id,omitempty"`
	Identifier string `json:"identifier,omitempty"`
	Name       string `json:"name,omitempty"`
}

func (r reference) named() psa.Named { return psa.Named{ID: id(r.ID), Name: r.Name} }

// stamp reads a time; what cannot be read is zero.
func stamp(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// wire writes a time as the API takes it: UTC, without fractions.
func wire(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
