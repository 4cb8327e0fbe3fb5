package entra

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/token"
)

const (
	// defaultLinkTTL is how long a consent link works, maxLinkTTL how long at most.
	defaultLinkTTL = 7 * 24 * time.Hour
	maxLinkTTL     = 30 * 24 * time.Hour
	// flowTTL is how long an administrator may take from the button to the end.
	flowTTL = time.Hour
	// resultTTL is how long the page that says what was connected may be loaded again.
	resultTTL = time.Hour
	// checkTimeout bounds the host's Check at the end of the flow, while a browser waits.
	checkTimeout = 10 * time.Second
)

// adminRoles are the template ids of the roles that may consent for a whole tenant: Global Administrator, Privileged Role
// Administrator, Application Administrator and Cloud Application Administrator
// (https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference).
var adminRoles = []string{
	"62e90394-69f5-4237-9190-012177145e10", "e8611ab8-c189-46e8-94e1-60213ab1f814",
	"9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3", "158c047a-c907-4556-b7ef-446551a6b5f7",
}

// Integration is something that a customer's tenant is connected for.
type Integration struct {
	// Name is [Connection.Integration], such as "contacts". Title says on the page what it is; empty means Name.
	Name, Title string
	// Scopes are what the administrator's consent is asked for. None means all that the app registration lists, which is
	// the only way to ask for application permissions.
	Scopes []string
	// Permissions are what the page says that the consent allows. They do not decide about anything: keep them equal to
	// those of the app registration.
	Permissions []GraphPermission
}

// GraphPermission is a permission of Microsoft Graph.
type GraphPermission struct {
	// Name is Microsoft's, such as "User.Read.All".
	Name string
	// Text says what it is for. Empty means a text of ours, which the most usual permissions have.
	Text string
}

// Asking is what the pages say about who asks.
type Asking struct {
	// Brand is the MSP's, Customer what the MSP calls the customer who is asked.
	Brand    mspkit.Brand
	Customer string
	// Locale is the language of the pages; empty means what the browser wants.
	Locale string
}

// Organization is what a tenant of Microsoft 365 is called.
type Organization struct{ Name, Domain string }

// ConsentOptions are those of [NewConsent]. ClientID, BaseURL, Integrations, Describe and one of Secret and Assertion are
// required.
type ConsentOptions struct {
	// Cloud is the Microsoft cloud; zero is the public one.
	Cloud Cloud
	// ClientID is the id of the multi-tenant app registration.
	ClientID string
	// Secret is its client secret. It is used once per consent, to exchange the code of the administrator's sign-in.
	Secret mspkit.Redacted[string]
	// Assertion proves the application in place of a secret: it returns a JWT for the audience, which is the address of the
	// token endpoint, or the token of a federated identity. It must be safe for concurrent use.
	Assertion func(ctx context.Context, audience string) (string, error)
	// BaseURL is where [Consent.Handler] is reached: https://msp.example/connect. http is for loopback addresses.
	BaseURL string
	// RedirectPath is the path below BaseURL that Microsoft sends the browser back to; empty means "/callback". BaseURL +
	// RedirectPath must be registered with the application, as [Consent.RedirectURL] says.
	RedirectPath string
	// Integrations are what may be asked for.
	Integrations []Integration
	// LinkTTL is how long a link works; 0 means 7 days, more than 30 are refused.
	LinkTTL time.Duration
	// Describe says who asks whom. It must be safe for concurrent use.
	Describe func(ctx context.Context, s LinkState) (Asking, error)

	// AdminRoles are the template ids of the directory roles of which whoever ends the flow must have one. Nil means the
	// roles that may consent for a whole tenant. They are found in the claim wids, which the app registration must ask for:
	// "groupMembershipClaims": "DirectoryRole" in its manifest.
	AdminRoles []string
	// InsecureAnyMember lets every member of a tenant connect it, but no guest. Microsoft's answer that an administrator has consented is
	// not authenticated: where the application has had consent before, anybody with an account there could connect their
	// employer's tenant to whoever made the link.
	InsecureAnyMember bool
	// Authorize has the last word: an error keeps the connection from being made, and the page says that the MSP refused
	// it. A host that knows the customer's domains looks here whether it is the right tenant. Nil refuses nothing. It must be
	// safe for concurrent use.
	Authorize func(ctx context.Context, who Identity, c Connection) error
	// Check asks a connected tenant what it is called, with a token of the application's own, and fails with what an
	// administrator can understand. Nil checks nothing. It must be safe for concurrent use.
	Check func(ctx context.Context, c Connection) (Organization, error)

	// Brand is for pages that belong to no link. Zero means an unnamed helpdesk.
	Brand mspkit.Brand
	// Texts replaces texts of the pages: files such as "de.json" at its root, with some of the keys of this package's own
	// files, or with all keys for a new language.
	Texts fs.FS
	// Locale is for browsers that ask for no language we have. Empty means English.
	Locale string
	// HTTPClient asks the token endpoint; nil is one of our own. Redirects are refused.
	HTTPClient *http.Client
	// Logger gets faults; nil discards.
	Logger *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

func (o *ConsentOptions) prepare() error {
	if o.Cloud == (Cloud{}) {
		o.Cloud = PublicCloud()
	}
	if o.RedirectPath == "" {
		o.RedirectPath = "/callback"
	}
	if o.LinkTTL == 0 {
		o.LinkTTL = defaultLinkTTL
	}
	if o.AdminRoles == nil {
		o.AdminRoles = adminRoles
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	errs := []error{o.Cloud.Validate(), validURL("BaseURL", o.BaseURL, true)}
	fault := func(text string) { errs = append(errs, fmt.Errorf("entra: consent: %s: %w", text, mspkit.ErrInvalid)) }
	id, err := CanonicalID(o.ClientID)
	if o.ClientID = id; err != nil {
		fault("ClientID is not the id of an application")
	}
	if (o.Secret.Reveal() == "") == (o.Assertion == nil) {
		fault("exactly one of Secret and Assertion is needed")
	}
	if !strings.HasPrefix(o.RedirectPath, "/") || path.Clean(o.RedirectPath) != o.RedirectPath || strings.ContainsAny(o.RedirectPath, "{}?#%") {
		fault("RedirectPath must begin with a slash and be a plain path")
	}
	if o.LinkTTL < 0 || o.LinkTTL > maxLinkTTL {
		fault("LinkTTL must be at most 30 days")
	}
	if o.Describe == nil {
		fault("Describe is required")
	}
	if len(o.Integrations) == 0 {
		fault("at least one integration is needed")
	}
	if len(o.AdminRoles) == 0 && !o.InsecureAnyMember {
		fault("AdminRoles must not be empty")
	}
	for i, role := range o.AdminRoles {
		if id, err := CanonicalID(role); err != nil || id != role {
			fault(fmt.Sprintf("role %d of AdminRoles is not a template id in lower case", i+1))
		}
	}
	for _, in := range o.Integrations {
		errs = append(errs, validName("integration", in.Name))
	}
	return errors.Join(errs...)
}

// Consent connects customers' tenants by links that an MSP sends to their administrators. It is safe for concurrent use, and
// any instance with the same ring and store can go on with what another one began. Use [NewConsent].
type Consent struct {
	store    ConnectionStore
	verifier *Verifier
	o        ConsentOptions
	links    *token.Codec
	states   *seal.Box // what a link remembers
	results  *seal.Box // what the last page says
	flow     *Flow
}

// NewConsent returns consent by links. verifier must be of the same application. It reports all faults at once and does
// nothing on the network.
func NewConsent(store ConnectionStore, verifier *Verifier, ring *mspkit.KeyRing, o *ConsentOptions) (*Consent, error) {
	c := &Consent{store: store, verifier: verifier}
	if o != nil {
		c.o = *o
	}
	if store == nil || verifier == nil || ring == nil {
		return nil, fmt.Errorf("entra: consent: a store, a verifier and a key ring are required: %w", mspkit.ErrInvalid)
	}
	if err := c.o.prepare(); err != nil {
		return nil, err
	}
	if verifier.clientID != c.o.ClientID {
		return nil, fmt.Errorf("entra: consent: the verifier is of another application: %w", mspkit.ErrInvalid)
	}
	var errs [4]error
	c.links, errs[0] = token.NewCodec(ring, "entra/consent")
	c.states, errs[1] = seal.New(ring, "entra/consent-state")
	c.results, errs[2] = seal.New(ring, "entra/consent-result")
	c.flow, errs[3] = NewFlow("consent", verifier, ring, &FlowOptions{
		Cloud: c.o.Cloud, ClientID: c.o.ClientID, Secret: c.o.Secret, Assertion: c.o.Assertion, RedirectURL: c.RedirectURL(), TTL: flowTTL,
		HTTPClient: c.o.HTTPClient, Logger: c.o.Logger, Now: c.o.Now,
	})
	return c, errors.Join(errs[:]...)
}

// RedirectURL is the address that must be registered with the application as a redirect URI of the web platform.
func (c *Consent) RedirectURL() string { return c.o.BaseURL + c.o.RedirectPath }

// linkData is what a link remembers besides whose it is.
type linkData struct {
	// EntraID is the one tenant that may be connected; empty is any.
	EntraID string `json:"e,omitempty"`
}

// Link returns a link with which an administrator of a customer connects their tenant of Microsoft 365 to the host's tenant,
// for an integration. It leads to our own page, may be forwarded by mail, and works until a connection was made by it or its
// time is over; opening it changes nothing. Whoever holds it and is an administrator of some tenant can connect that one, unless
// the customer is connected to another one for something else: where the tenant is known, or the customer has several, call
// [Consent.LinkTo], or look in [ConsentOptions.Authorize].
func (c *Consent) Link(ctx context.Context, tenant mspkit.TenantID, owner, integration string) (string, error) {
	return c.LinkTo(ctx, tenant, owner, integration, "")
}

// LinkTo is [Consent.Link] for one tenant of Microsoft 365 only, by its id.
func (c *Consent) LinkTo(ctx context.Context, tenant mspkit.TenantID, owner, integration, entraID string) (string, error) {
	if _, ok := c.integration(integration); !ok {
		return "", fmt.Errorf("entra: link: there is no integration %q: %w", integration, mspkit.ErrInvalid)
	}
	var data linkData
	if entraID != "" {
		id, err := CanonicalID(entraID)
		if err != nil {
			return "", err
		}
		data.EntraID = id
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return "", err
	}
	secret := token.NewSecret()
	s := LinkState{
		Hash: hash(secret), Tenant: tenant, Owner: owner, Integration: integration, ExpiresAt: c.o.Now().Add(c.o.LinkTTL),
	}
	s.Data = c.states.Seal(raw, place(s)...)
	if err := c.store.PutState(ctx, s); err != nil {
		return "", fmt.Errorf("entra: link: %w", err)
	}
	return c.o.BaseURL + "/c/" + c.links.Encode(secret, string(tenant)), nil
}

// Revoke makes a link useless that went to the wrong person, and what a browser began with it. [ErrState] where it is no link of
// the owner's that still works: it was used already, is too old, or is not ours.
func (c *Consent) Revoke(ctx context.Context, link, owner string) error {
	text, ok := strings.CutPrefix(link, c.o.BaseURL+"/c/")
	if !ok {
		return ErrState
	}
	l, err := c.open(ctx, text)
	if err != nil {
		return err
	}
	if l.state.Owner != owner {
		return ErrState
	}
	_, err = c.store.TakeState(ctx, l.state.Hash, c.o.Now())
	return err
}

// place binds what a link remembers to whose it is, so that whoever can write to the database cannot give one customer's link
// to another.
func place(s LinkState) []string {
	return []string{string(s.Tenant), s.Owner, s.Integration, string(s.Hash)}
}

func hash(secret token.Secret) []byte {
	sum := sha256.Sum256(secret[:])
	return sum[:]
}

func (c *Consent) integration(name string) (Integration, bool) {
	i := slices.IndexFunc(c.o.Integrations, func(in Integration) bool { return in.Name == name })
	if i < 0 {
		return Integration{}, false
	}
	return c.o.Integrations[i], true
}

// opened is a link with what it stands for.
type opened struct {
	token string
	state LinkState
	data  linkData
}

// open returns what a token stands for without using it up: [ErrState] where it is used, too old or not ours.
func (c *Consent) open(ctx context.Context, text string) (opened, error) {
	secret, tenant, err := c.links.Decode(text)
	if err != nil {
		return opened{}, ErrState
	}
	s, err := c.store.State(ctx, hash(secret), c.o.Now())
	if err != nil {
		return opened{}, err
	}
	l := opened{token: text, state: s}
	raw, err := c.states.Open(s.Data, place(s)...)
	if err != nil || string(s.Tenant) != tenant || json.Unmarshal(raw, &l.data) != nil {
		return opened{}, ErrState
	}
	if _, ok := c.integration(s.Integration); !ok { // it is not offered any more
		return opened{}, ErrState
	}
	return l, nil
}

// DeleteExpired removes the states of links that are over and returns how many. Call it now and then, such as once a day.
func (c *Consent) DeleteExpired(ctx context.Context) (int, error) {
	return c.store.DeleteExpired(ctx, c.o.Now())
}

// scopes returns what an integration's consent is asked for.
func (c *Consent) scopes(in Integration) string {
	if len(in.Scopes) == 0 {
		return c.o.Cloud.Scope()
	}
	return strings.Join(in.Scopes, " ")
}

// loginOrigins are where a form that leads to Microsoft may lead the browser. Microsoft sends some on to a host below its own.
func loginOrigins(c Cloud) []string {
	u, err := url.Parse(c.Login)
	if err != nil {
		return nil
	}
	origins := []string{u.Scheme + "://" + u.Host}
	if slices.Contains([]string{PublicCloud().Login, USGovCloud().Login, ChinaCloud().Login}, c.Login) {
		origins = append(origins, "https://*."+u.Host)
	}
	return origins
}
