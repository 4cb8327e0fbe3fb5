package connectwise

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/httpx"
)

// Credentials are the keys of an API member (System > Members > API Members > API Keys) and the id of the integration.
type Credentials struct {
	PublicKey, PrivateKey mspkit.Redacted[string]
	// ClientID is the GUID that ConnectWise's developer portal gives to the vendor of the integration. It is the vendor's,
	// not the MSP's: ship it, and never ask a customer for it.
	ClientID mspkit.Redacted[string]
}

// Paging is how listings are read that have many pages.
type Paging int

// The kinds of paging. Neither skips or repeats a record because others come and go meanwhile, as pages by number do.
const (
	// ForwardOnly asks for pages that begin after the last id (the header pagination-type of the developer guide).
	ForwardOnly Paging = iota
	// ByID asks for "id>…" in order of the id, for a gateway in between that loses that header or the header Link.
	ByID
)

// References is how values of a ticket that are given by name are sent.
type References int

// The kinds of references.
const (
	// ResolveNames looks the id up before a ticket is created.
	ResolveNames References = iota
	// SendNames sends the name. That ConnectWise takes names for each field is from memory.
	SendNames
)

// Options configures [New]. The zero value is safe.
type Options struct {
	// BaseURL stands in for both the site and its API host, for tests and gateways. https, or http on loopback.
	BaseURL string
	// HTTPClient is used below the module's own pipeline of deadlines and retries. nil is a new one.
	HTTPClient *http.Client
	// Codebase fixes the part of the path that names the release, for example "v4_6_release/". Empty asks the site for it,
	// and again when an upgrade has changed it.
	Codebase string
	// Version pins the model of the answers (the header Accept). Empty is 2025.1; "latest" pins none, which the developer
	// guide advises against. ConnectWise keeps old models for 12 months.
	Version string
	// Member is the identifier of the API member ("Member ID"), by which notes are recognised as ours. Empty learns it from
	// the first note that this client writes; until then [Client.ListNotes] cannot say whose a note is, and fails. Set it
	// where an outbox runs.
	Member string
	// MaxNote is the longest note in bytes, at least 200. 0 is 4000, which a public client assumes too; the vendor documents none that
	// we know of.
	MaxNote int
	// PlainText replaces what a database with two-byte characters refuses; see [psa.Plain]. It lowers [Client.NoteLimit],
	// because what replaces a character is longer.
	PlainText bool
	// OneLine replaces line breaks by " / ". The developer guide's table of escapes says that some fields do not take them;
	// in the texts of notes they work (from memory). It lowers [Client.NoteLimit] as well.
	OneLine bool
	// NotifyContact lets ConnectWise mail the contact about public notes and tickets by the rules of the board. Internal
	// notes never ask for that.
	NotifyContact bool
	// CheckOpen reads a ticket before each note and refuses the closed and merged ones. Without it ConnectWise decides, and
	// the ticket is read only to explain a refusal; whether it refuses depends on the board (from memory).
	CheckOpen bool
	// NoTicketKey is for installs where tickets cannot be searched by externalXRef. That they can is from memory. Without the
	// search an unclear creation stays a [psa.ErrAmbiguousWrite], and repeats are not recognised.
	NoTicketKey bool
	// ProjectTickets looks for a ticket among the project tickets, too, where there is no service ticket with its number.
	ProjectTickets bool
	Paging         Paging
	References     References
	// Overlap is subtracted from Since, because the clocks of two machines differ. 0 is 3 minutes; negative is none.
	Overlap time.Duration
	// Requests per Per are how many requests this client makes; those beyond wait for the next Per. 0 is 100 in 10 s: 600 in a
	// minute, well below the 1000 at which the developer guide expects throttling. Negative is no limit. The counts are this
	// client's: use one per site.
	Requests int
	Per      time.Duration
	// Retries is how often a GET is repeated after 429, 5xx or a lost connection. 0 is 3; negative is never.
	Retries int
	// CallbackSecret is a part of the addresses that [Client.CallbackURL] makes and must come back with every call; other
	// calls are refused before anything is read or asked for. At least 16 characters. On the cloud all calls are refused
	// without it: there the host of the signing keys is shared with other MSPs, whose calls are signed as well. Set it
	// elsewhere, too: a stranger could otherwise use up the requests for signing keys. It ends up in ConnectWise's list of
	// callbacks and in access logs.
	CallbackSecret mspkit.Redacted[string]
	// SignKeyRequest sends the credentials when the signing key of a callback is fetched, from the API's own origin only.
	// Whether that is needed is not documented. It needs a CallbackSecret: the address comes with the call, and a stranger
	// could otherwise have a file that he has attached to a ticket read as the key.
	SignKeyRequest bool
	// Logger gets what the pipeline has to say. nil discards.
	Logger *slog.Logger
	// Now is the clock. nil is time.Now.
	Now func() time.Time

	backoff time.Duration // for tests
}

const (
	defaultVersion = "2025.1"
	defaultNote    = 4000
	defaultOverlap = 3 * time.Minute
	minSecret      = 16
)

var (
	companyForm  = regexp.MustCompile(`^[A-Za-z0-9_.\-]{1,100}$`)
	codebaseForm = regexp.MustCompile(`^[A-Za-z0-9_.\-]{1,40}/?$`)
	versionForm  = regexp.MustCompile(`^(?:latest|[0-9]{4}\.[0-9]{1,2})$`)
)

func (c *Client) configure(site string, o *Options) error {
	if o != nil {
		c.opts = *o
	}
	p := &c.opts
	var errs []error
	check := func(ok bool, text string) {
		if !ok {
			errs = append(errs, fmt.Errorf("connectwise: new: %s: %w", text, mspkit.ErrInvalid))
		}
	}
	c.login, c.api = hosts(site)
	if p.BaseURL != "" {
		u, err := httpx.ParseBaseURL(p.BaseURL)
		check(err == nil, "base URL is not an https URL without user, query and fragment")
		c.login, c.api = u, u
	} else {
		check(c.api != nil, "site is not the name of a host, such as na.myconnectwise.net")
	}
	check(companyForm.MatchString(c.company) && strings.Trim(c.company, ".") != "", "company id has other characters than letters, digits, '.', '_' and '-'")
	check(c.cred.PublicKey.Reveal() != "" && c.cred.PrivateKey.Reveal() != "", "there is no public or no private key")
	check(headerSafe(c.cred.ClientID.Reveal()), "there is no client id")
	check(p.Codebase == "" || validCodebase(p.Codebase), "codebase is not a name such as v4_6_release/")
	if p.Version == "" {
		p.Version = defaultVersion
	}
	check(versionForm.MatchString(p.Version), "version is not a year and a number such as 2025.1, or latest")
	if p.MaxNote == 0 {
		p.MaxNote = defaultNote
	}
	check(p.MaxNote >= 200, "the longest note has less than 200 bytes")
	switch {
	case p.Overlap == 0:
		p.Overlap = defaultOverlap
	case p.Overlap < 0:
		p.Overlap = 0
	}
	if p.Requests == 0 && p.Per == 0 {
		p.Requests, p.Per = 100, 10*time.Second
	}
	check(p.Requests < 0 || p.Requests > 0 && p.Per > 0, "the rate needs both Requests and Per")
	check(p.Paging == ForwardOnly || p.Paging == ByID, "paging is unknown")
	check(p.References == ResolveNames || p.References == SendNames, "references are unknown")
	secret := p.CallbackSecret.Reveal()
	check(secret == "" || len(secret) >= minSecret, "callback secret has less than 16 characters")
	check(secret != "" || !p.SignKeyRequest, "a signed request for the signing key needs a callback secret")
	if p.Now == nil {
		p.Now = time.Now
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if p.Codebase != "" {
		c.found.codebase = strings.TrimSuffix(p.Codebase, "/") + "/"
	}
	if p.Member != "" {
		c.member.Store(&p.Member)
	}
	return c.pipelines()
}

// pipelines makes the ways out: one for the API, one for what is fetched because a caller of ours asks for it.
func (c *Client) pipelines() error {
	p := &c.opts
	way := httpx.Options{
		MaxRetries:  p.Retries,
		Backoff:     p.backoff,
		Origins:     []string{c.api.String()},
		Credentials: []string{"clientId"},
		Rejects:     []int{http.StatusTooManyRequests},
		Logger:      p.Logger,
		Now:         p.Now,
	}
	if p.Requests > 0 {
		way.Limit = &httpx.Limit{Requests: uint(p.Requests), Per: p.Per, MaxWait: 20 * time.Second}
	}
	var err error
	c.http.HTTP, err = httpx.NewClient(p.HTTPClient, &way)
	if err != nil {
		return err
	}
	keys := way
	keys.MaxRetries, keys.MaxBody, keys.Timeout = -1, maxKeyBody, keyTimeout
	keys.Limit = &httpx.Limit{Requests: 20, Per: time.Minute, MaxWait: -1}
	c.keyHTTP, err = httpx.NewClient(p.HTTPClient, &keys)
	if err != nil {
		return err
	}
	c.http.System, c.http.Sign, c.http.Explain, c.http.Now = Name, c.sign, c.explain, p.Now
	c.open = c.http
	c.open.Sign = nil
	return nil
}

// sign adds the credentials.
func (c *Client) sign(r *http.Request) error {
	r.SetBasicAuth(c.company+"+"+c.cred.PublicKey.Reveal(), c.cred.PrivateKey.Reveal())
	r.Header.Set("clientId", c.cred.ClientID.Reveal())
	return nil
}

// headerSafe reports whether s can be a header.
func headerSafe(s string) bool {
	for _, r := range s {
		if r <= ' ' || r > '~' {
			return false
		}
	}
	return s != ""
}

func validCodebase(s string) bool {
	return codebaseForm.MatchString(s) && strings.Trim(s, "./") != ""
}

// hosts returns where a site says which release it has, and where its API is: cloud sites have another host for that
// (developer guide). It returns nil where site is not a host.
func hosts(site string) (login, base *url.URL) {
	if !strings.Contains(site, "://") {
		site = "https://" + site
	}
	u, err := httpx.ParseBaseURL(site)
	if err != nil || u.Path != "" {
		return nil, nil
	}
	host := strings.ToLower(u.Host)
	if !cloud(host) {
		return u, u
	}
	host = strings.TrimPrefix(host, "api-")
	return &url.URL{Scheme: u.Scheme, Host: host}, &url.URL{Scheme: u.Scheme, Host: "api-" + host}
}

// cloud reports whether a host is one of ConnectWise's own, which many companies share.
func cloud(host string) bool {
	name, _, _ := strings.Cut(strings.ToLower(host), ":")
	name = strings.TrimSuffix(name, ".")
	return strings.HasSuffix(name, ".myconnectwise.net") || strings.HasSuffix(name, ".connectwisedev.com")
}
