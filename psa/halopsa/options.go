package halopsa

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/httpx"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/internal/api"
)

// Credentials are those of an API application of HaloPSA of the kind "Client ID and Secret (Services)". What it may do is
// what its scopes and the agent that it is tied to may do.
type Credentials struct {
	ClientID     string
	ClientSecret mspkit.Redacted[string]
}

// SinceMode is how contacts and companies that changed are found.
type SinceMode int

// The modes. It is not documented whether HaloPSA can filter by the time of the last change: its API description has the
// parameter lastupdatefromdate, but with a type that cannot be right.
const (
	// CompareLastUpdate reads everything and leaves out what says that it did not change.
	CompareLastUpdate SinceMode = iota
	// AskLastUpdate sends lastupdatefromdate as well. Try it on your HaloPSA before you trust it.
	AskLastUpdate
)

// Paging is how pages are read.
type Paging int

// The ways to page. HaloPSA pages by number, so that a record which goes away while a listing runs moves those behind it
// to a page that was read already.
const (
	// OverlapPages begins every page with a record that was seen and steps back where it is not there. It needs a server
	// that orders by id.
	OverlapPages Paging = iota
	// CountedPages reads page after page and ends with [psa.ErrCursor] where the number of records shrank meanwhile. It is
	// for a server that does not order by id, and may miss a record where one comes for each that goes.
	CountedPages
)

// KeySearch is how a ticket is found by [psa.NewTicket.Key].
type KeySearch int

// The searches. The key is stored in third_party_id_string. That tickets can be filtered by it is known from the names of
// parameters only.
const (
	// KeyParameter filters by third_party_id_string. A server that ignores the parameter is noticed: creating fails with
	// [psa.ErrUnsupported] instead of creating twice.
	KeyParameter KeySearch = iota
	// KeyFullText uses the search of tickets.
	KeyFullText
	// KeyNever stores the key and does not look for it: an unclear create stays [psa.ErrAmbiguousWrite].
	KeyNever
)

// Options configures [New].
type Options struct {
	// BaseURL takes the place of https://host, for tests and gateways; the API is below it at /api. It must be https, or
	// http on loopback.
	BaseURL string
	// AuthURL is the authorisation server up to "/token", for example https://host/auth. Empty asks the host (/api/authinfo).
	AuthURL string
	// AuthHosts are further hosts to which the secret may be sent where /api/authinfo names them. Without it the
	// authorisation server must be on the host itself.
	AuthHosts []string
	// Tenant is the tenant of a hosted HaloPSA. Empty takes what /api/authinfo says.
	Tenant string
	// Scope is asked for with the token. Empty is "all". Narrow ones are for example "read:tickets edit:tickets
	// read:customers".
	Scope string

	// InternalOutcome and PublicOutcome are the names, or the ids, of the actions by which notes are written. They are
	// configured in each HaloPSA, so look there: [Client.Outcomes] lists them. Empty is "Private Note" and "Note".
	InternalOutcome, PublicOutcome string
	// NotifyContact has HaloPSA mail public notes to the user. Internal ones are never mailed.
	NotifyContact bool
	// RunRules lets the rules and templates of HaloPSA act on what this client writes. They may mail people, so without it
	// dont_do_rules is set, and with it [Client.CanNoteData] refuses.
	RunRules bool
	// WriteToClosed writes notes without looking first whether the ticket is closed or merged, which saves a request.
	WriteToClosed bool
	// MaxNote is the longest note in bytes of its text, which as HTML is up to six times as long. 0 is 32 KiB; HaloPSA
	// documents no limit.
	MaxNote int
	// PlainText writes notes as plain text, with characters beyond U+FFFF as numbers (see [psa.Plain]), for a HaloPSA that
	// refuses HTML or emoji. Without it notes are HTML in which the text arrives as it is.
	PlainText bool
	// Agent is the id of the agent that the application is tied to: notes by that agent are ours. 0 asks /api/Agent/me,
	// which not every HaloPSA has.
	Agent int
	// Closed are the statuses of closed tickets, by id or by name. nil is the id 9 and the name "Closed".
	Closed []psa.Named
	// SLA is the id of the service level agreement whose priorities tickets get. 0 takes the priorities of all of them:
	// the same number may then bear several names.
	SLA int
	// SourceLookup is the number of the lookup table with the sources of tickets. 0 is 22; negative is no source field.
	SourceLookup int

	// Since is how changed contacts and companies are found.
	Since SinceMode
	// Paging is how pages are read.
	Paging Paging
	// KeySearch is how tickets are found by key.
	KeySearch KeySearch
	// PhoneDigits is how many last digits of a number are searched for before numbers are compared as a whole. 0 is 4, which
	// numbers have in one piece however they are written; more make searches in big systems cheaper.
	PhoneDigits int
	// DateZone is the zone of dates without one. nil is UTC, which is likely and not documented: so that nothing is missed
	// where it is another one, what changed since a time is then looked for from 13 hours before. Set it, to time.UTC as well,
	// to do without.
	DateZone *time.Location
	// Overlap is subtracted from each time since which something is asked for, because clocks differ. 0 is 5 minutes;
	// negative is none.
	Overlap time.Duration

	// Webhook checks webhooks. nil refuses all.
	Webhook *Webhook

	// Requests per Per are how many requests this client makes; those beyond wait for the next Per. 0 is 10 in 5 s: 600 in 5
	// minutes, where 700 are said to be the most. Negative is no limit.
	Requests int
	Per      time.Duration
	// MaxWait is how long a request waits where HaloPSA has answered 429, or for the next Per. 0 is 30 s; negative does not wait.
	MaxWait time.Duration
	// HTTPClient is used below the module's own pipeline of deadlines and retries. nil is a new one.
	HTTPClient *http.Client
	// Logger gets what the pipeline has to say. nil discards.
	Logger *slog.Logger
	// Now is the clock. nil is time.Now.
	Now func() time.Time
}

const (
	maxPage     = 100
	maxNote     = 32 << 10
	minNote     = 256
	overlap     = 5 * time.Minute
	zones       = 13 * time.Hour // that a zone may be behind UTC, with an hour of daylight saving time
	callTimeout = time.Minute    // with the waits for the rate
)

func invalid(format string, args ...any) error {
	return fmt.Errorf("halopsa: new: "+format+": %w", append(args, mspkit.ErrInvalid)...)
}

func (o *Options) withDefaults() {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&o.Scope, "all")
	def(&o.InternalOutcome, "Private Note")
	def(&o.PublicOutcome, "Note")
	defInt := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	defInt(&o.MaxNote, maxNote)
	defInt(&o.PhoneDigits, 4)
	defInt(&o.SourceLookup, 22)
	if o.Closed == nil {
		o.Closed = []psa.Named{{ID: "9"}, {Name: "Closed"}}
	}
	switch {
	case o.Overlap == 0:
		o.Overlap = overlap
	case o.Overlap < 0:
		o.Overlap = 0
	}
	switch o.DateZone {
	case nil:
		o.DateZone = time.UTC
		o.Overlap += zones
	case time.UTC:
	default: // when clocks are put back an hour comes twice
		o.Overlap += time.Hour
	}
	if o.Requests == 0 && o.Per == 0 {
		o.Requests, o.Per = 10, 5*time.Second
	}
	if o.MaxWait == 0 {
		o.MaxWait = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

func (c *Client) configure(host string, cred Credentials) error {
	o := &c.opts
	o.withDefaults()
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, invalid(format, args...))
		}
	}
	check(validHost(host), "the host is not a host name such as example.halopsa.com, without scheme and path")
	check(cred.ClientID != "", "there is no client id")
	check(cred.ClientSecret.Reveal() != "", "there is no client secret")
	base := o.BaseURL
	if base == "" && validHost(host) {
		base = "https://" + host
	}
	origins := []string{}
	if base != "" {
		u, err := httpx.ParseBaseURL(base)
		check(err == nil, "the base URL is not an https URL without user, query and fragment")
		c.base = u
		origins = append(origins, base)
	}
	if o.AuthURL != "" {
		u, err := httpx.ParseBaseURL(o.AuthURL)
		check(err == nil, "the auth URL is not an https URL without user, query and fragment")
		c.auth = u
		origins = append(origins, o.AuthURL)
	}
	for _, h := range o.AuthHosts {
		check(validHost(h), "an auth host is not a host name, without scheme, path and wildcards")
		origins = append(origins, "https://"+h)
	}
	check(o.MaxNote >= minNote, "the longest note is below %d bytes", minNote)
	check(o.Agent >= 0 && o.SLA >= 0, "the agent or the SLA is negative")
	check(o.PhoneDigits >= 2 && o.PhoneDigits <= 10, "the digits that are searched for are not 2 to 10")
	check(o.Requests < 0 || o.Requests > 0 && o.Per > 0, "the rate needs both Requests and Per")
	check(o.Since == CompareLastUpdate || o.Since == AskLastUpdate, "the mode for changes is unknown")
	check(o.Paging == OverlapPages || o.Paging == CountedPages, "the way to page is unknown")
	check(o.KeySearch >= KeyParameter && o.KeySearch <= KeyNever, "the search for keys is unknown")
	check(!slices.ContainsFunc(o.Closed, psa.Named.IsZero), "a status of closed tickets has neither id nor name")
	if o.Webhook != nil {
		v, err := newVerifier(*o.Webhook, o.Now)
		if err != nil {
			errs = append(errs, err)
		}
		c.hooks = v
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return c.connect(cred, origins)
}

func (c *Client) connect(cred Credentials, origins []string) error {
	o := c.opts
	h := &httpx.Options{
		Timeout:  callTimeout,
		Origins:  origins,
		Rejects:  []int{http.StatusTooManyRequests}, // refused before anything is done
		Pace:     c.gate.pace,
		Answered: func(_ *http.Request, resp *http.Response) { c.gate.answered(resp) },
		Logger:   o.Logger,
		Now:      o.Now,
	}
	if o.Requests > 0 {
		h.Limit = &httpx.Limit{Requests: uint(o.Requests), Per: o.Per, MaxWait: o.MaxWait}
	}
	client, err := httpx.NewClient(o.HTTPClient, h)
	if err != nil {
		return err
	}
	c.gate.maxWait, c.gate.now = o.MaxWait, o.Now
	c.signIn = &signIn{
		cred: cred, scope: o.Scope, tenant: o.Tenant, base: c.base, fixed: c.auth, hosts: o.AuthHosts, now: o.Now,
		api: &api.Client{System: Name, HTTP: client, Explain: explainSignIn, Now: o.Now},
	}
	c.api = &api.Client{System: Name, HTTP: client, Sign: c.sign, Explain: explain, Now: o.Now}
	return nil
}

// validHost accepts a host name with an optional port, and nothing that net/url would read as more.
func validHost(h string) bool {
	u, err := url.Parse("https://" + h)
	if err != nil || h == "" || u.Host != h || u.Hostname() == "" || strings.ContainsAny(h, "*@/\\?# ") {
		return false
	}
	if p := u.Port(); p != "" {
		n, err := strconv.Atoi(p)
		return err == nil && n > 0 && n < 1<<16
	}
	return true
}
