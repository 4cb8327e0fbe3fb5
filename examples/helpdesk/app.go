package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/accounts"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/mailtest"
	"github.com/mspkit/mspkit/mail/smtpmail"
	"github.com/mspkit/mspkit/psa/psatest"
	"github.com/mspkit/mspkit/psa/ticketlog"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/graphteams"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/mailchannel"
	"github.com/mspkit/mspkit/verify/smschannel"
	"github.com/mspkit/mspkit/verify/smschannel/twilio"
	"github.com/mspkit/mspkit/verify/smschannel/twiliotest"
	"github.com/mspkit/mspkit/verify/verifypage"
)

// config is what the program is told from outside.
type config struct {
	dir, url string
	storage  storage
	log      *slog.Logger

	smtpHost, smtpUser, smtpFrom string
	smtpPort                     int
	smtpPassword                 mspkit.Redacted[string]
	smtpRoots                    *x509.CertPool // of the built-in server

	twilioSID, twilioFrom string
	twilioToken           mspkit.Redacted[string]
	twilioURL             string // empty: the real one

	tickets    ticketSystem
	fake       *psatest.Server // of the self-test, which outlives a restart
	podOrigins []string        // who may show the compact view in a frame

	entraID, entraTenant string // of the technicians' sign-in
	entraSecret          mspkit.Redacted[string]

	botID, botTenant, botCloud string
	botSecret                  mspkit.Redacted[string]
	teams                      *playedTeams  // of the self-test, which outlives a restart
	office                     *playedOffice // of the self-test, which outlives a restart
	beside                     *app          // the self-test's first instance, for the one beside it

	publicURL                            string
	demoEmail, demoPhone, demoTeams      string
	realMail, realTextMessage, realTeams bool
	realEntra                            bool
}

// configFromEnv reads the variables that README names.
func configFromEnv(env func(string) string) (config, error) {
	c := config{
		smtpHost: env("MSPKIT_SMTP_HOST"), smtpUser: env("MSPKIT_SMTP_USER"), smtpFrom: env("MSPKIT_SMTP_FROM"), smtpPort: 587,
		smtpPassword: mspkit.Redact(env("MSPKIT_SMTP_PASSWORD")),
		twilioSID:    env("MSPKIT_TWILIO_ACCOUNT_SID"), twilioFrom: env("MSPKIT_TWILIO_FROM"), twilioToken: mspkit.Redact(env("MSPKIT_TWILIO_AUTH_TOKEN")),
		entraID: env("MSPKIT_ENTRA_CLIENT_ID"), entraTenant: env("MSPKIT_ENTRA_TENANT"), entraSecret: mspkit.Redact(env("MSPKIT_ENTRA_SECRET")),
		botID: env("MSPKIT_BOT_APP_ID"), botTenant: env("MSPKIT_BOT_TENANT"), botCloud: env("MSPKIT_BOT_CLOUD"), botSecret: mspkit.Redact(env("MSPKIT_BOT_SECRET")),
		publicURL: strings.TrimRight(env("MSPKIT_PUBLIC_URL"), "/"), demoEmail: env("MSPKIT_DEMO_EMAIL"), demoPhone: env("MSPKIT_DEMO_PHONE"),
	}
	var errs []error
	if u, err := url.Parse(c.publicURL); c.publicURL != "" && (err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil) {
		errs = append(errs, errors.New("MSPKIT_PUBLIC_URL is not an https address such as https://help.example"))
	}
	origins, err := podOrigins(env("MSPKIT_POD_ORIGINS"))
	c.podOrigins, errs = origins, append(errs, err)
	if p := env("MSPKIT_SMTP_PORT"); p != "" {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 || n > 65535 {
			errs = append(errs, errors.New("MSPKIT_SMTP_PORT must be a port number such as 587"))
		}
		c.smtpPort = n
	}
	c.realMail, c.realTextMessage, c.realTeams = c.smtpHost != "", c.twilioSID != "", c.botID != ""
	if c.realMail && c.smtpFrom == "" {
		errs = append(errs, errors.New("MSPKIT_SMTP_HOST needs MSPKIT_SMTP_FROM, the sender's address"))
	}
	if c.realTextMessage && (c.twilioToken.Reveal() == "" || c.twilioFrom == "") {
		errs = append(errs, errors.New("MSPKIT_TWILIO_ACCOUNT_SID needs MSPKIT_TWILIO_AUTH_TOKEN and MSPKIT_TWILIO_FROM"))
	}
	if c.realTeams {
		errs = append(errs, c.checkBot(env("MSPKIT_DEMO_TEAMS")))
	}
	errs = append(errs, c.checkEntra())
	for _, name := range []string{"MSPKIT_BOT_SECRET", "MSPKIT_BOT_TENANT", "MSPKIT_BOT_CLOUD", "MSPKIT_DEMO_TEAMS"} {
		if !c.realTeams && env(name) != "" {
			errs = append(errs, fmt.Errorf("%s says something of a bot of your own, but MSPKIT_BOT_APP_ID, which bot it is, is not set", name))
		}
	}
	return c, errors.Join(errs...)
}

// checkBot takes who Dana is in Teams and says what else a real bot lacks.
func (c *config) checkBot(dana string) error {
	var errs []error
	if c.botSecret.Reveal() == "" || c.botTenant == "" {
		errs = append(errs, errors.New("MSPKIT_BOT_APP_ID needs MSPKIT_BOT_SECRET and MSPKIT_BOT_TENANT, the tenant in which the bot is registered"))
	}
	for name, v := range map[string]string{"MSPKIT_BOT_APP_ID": c.botID, "MSPKIT_BOT_TENANT": c.botTenant} {
		if _, err := teamsapp.NewUser(v, v); err != nil && v != "" { // which reads GUIDs
			errs = append(errs, fmt.Errorf("%s: %q is not an id, which looks like 0c1d2e3f-1111-4222-8333-444455556666", name, v))
		}
	}
	u, err := teamsapp.ParseUser(dana)
	if err != nil {
		errs = append(errs, errors.New(`MSPKIT_BOT_APP_ID needs MSPKIT_DEMO_TEAMS, who plays Dana: "tenant id/object id" of their Entra account`))
	}
	c.demoTeams = u.String()
	if clouds[c.botCloud] == nil {
		errs = append(errs, errors.New("MSPKIT_BOT_CLOUD must be public, usgov or china"))
	}
	if c.publicURL == "" {
		errs = append(errs, fmt.Errorf("MSPKIT_BOT_APP_ID needs MSPKIT_PUBLIC_URL with https: Teams sends what people press to %s below it", botPath))
	}
	return errors.Join(errs...)
}

// checkEntra says what the technicians' sign-in with a real tenant lacks.
func (c *config) checkEntra() error {
	var errs []error
	all := map[string]*string{"MSPKIT_ENTRA_CLIENT_ID": &c.entraID, "MSPKIT_ENTRA_TENANT": &c.entraTenant}
	c.realEntra = c.entraID != "" || c.entraTenant != "" || c.entraSecret.Reveal() != ""
	if !c.realEntra {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		v := all[name]
		if *v == "" {
			errs = append(errs, fmt.Errorf("%s is missing: the sign-in with your own Entra needs it, MSPKIT_ENTRA_SECRET and MSPKIT_ENTRA_TENANT", name))
			continue
		}
		id, err := entra.CanonicalID(*v)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is not an id, which looks like 0c1d2e3f-1111-4222-8333-444455556666", name, *v))
			continue
		}
		*v = id
	}
	if c.entraSecret.Reveal() == "" {
		errs = append(errs, errors.New("MSPKIT_ENTRA_SECRET is missing: a client secret of the application MSPKIT_ENTRA_CLIENT_ID"))
	}
	return errors.Join(errs...)
}

// address is where the portal is. Entra takes no redirect addresses by http but those of localhost.
func (c config) address(l net.Addr) string {
	if _, port, err := net.SplitHostPort(l.String()); err == nil && c.realEntra {
		return "http://localhost:" + port
	}
	return "http://" + l.String()
}

func (c config) describe() string {
	var out []string
	for text, chosen := range map[string]bool{
		"Technicians sign in with your Entra tenant.": c.realEntra,
		"Cards go to Microsoft Teams.":                c.realTeams, "Mails go to your SMTP server.": c.realMail, "Text messages go to Twilio.": c.realTextMessage,
	} {
		if chosen {
			out = append(out, text)
		}
	}
	slices.Sort(out)
	switch len(out) {
	case 0:
		return "Cards, mails and text messages arrive on the page, nothing leaves this machine."
	case 4:
		return strings.Join(out, " ")
	}
	return strings.Join(append(out, "Everything else arrives on the page."), " ")
}

// app is the host: it owns the database, the keys and the servers, and hands them to the packages.
type app struct {
	cfg       config
	verify    *verify.Service
	pages     *verifypage.Pages
	sends     *securesend.Service
	rules     *sendRules
	desk      *ticketDesk
	sentBy    *sentBy
	ticketlog *ticketlog.Log
	front     http.Handler    // the mux, behind the sessions of those who are signed in
	mux       *http.ServeMux  // everything, for this machine
	outside   *http.ServeMux  // the callers' pages, the bot and the status callbacks
	open      []string        // the parts of the mux that nobody signs in to
	routes    []webpage.Route // all others
	faults    []error         // what is wrong with these
	sso       *entra.SSO
	site      *webpage.Site // the portal's pages
	staff     *accounts.Service
	deeds     *deeds
	bot       *teamsapp.Bot
	pod       *pod
	office    *office
	teamsDesk *teamsDesk
	reach     graphteams.Bot // writes to people in Teams, and installs the app where it is missing
	mailer    mail.Mailer    // chooses by which mailbox a mail goes
	people    []person
	clients   map[mspkit.TenantID]string // the companies that the helpdesk serves, by tenant
	who       map[mspkit.TenantID]string // the address of each client's page "Is this call real?"
	mailbox   *mailtest.Server           // nil where mails go to a real server
	phone     *twiliotest.Server         // nil where text messages go to Twilio
	teams     *playedTeams               // nil where cards go to Microsoft
	closers   []func() error

	background sync.WaitGroup  // what was begun on a page and goes on
	ended      context.Context //nolint:containedctx // the end of the program
	end        context.CancelFunc

	mu       sync.Mutex
	offset   time.Duration // how far the demo clock is ahead
	calls    map[string]verify.Call
	arrivals []arrival
}

// arrival is one message on the caller's phone or in their mailbox.
type arrival struct {
	device, to, from, subject, text string
	at                              time.Time
}

func newApp(ctx context.Context, cfg config) (_ *app, err error) {
	a := &app{cfg: cfg, mux: http.NewServeMux(), outside: http.NewServeMux(), calls: map[string]verify.Call{}}
	a.ended, a.end = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if cfg.log == nil {
		a.cfg.log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(cfg.dir, 0o700); err != nil {
		return nil, err
	}
	ring, err := loadKeys(filepath.Join(cfg.dir, "keys"))
	if err != nil {
		return nil, err
	}
	stores, err := a.openStores(ctx)
	if err != nil {
		return nil, err
	}
	a.clients = maps.Clone(demoClients)
	if cfg.tickets.real {
		a.clients = map[mspkit.TenantID]string{realClient: "Client"}
	}
	a.sentBy, a.rules = newSentBy(), newSendRules(a.clients)
	if b := cfg.beside; b != nil { // one ticket system, one set of rules and one time for both
		a.sentBy, a.rules, a.offset, a.cfg.fake = b.sentBy, b.rules, time.Until(b.now()), b.desk.fake
	}
	if err := a.openTickets(ctx, ring, stores); err != nil {
		return nil, err
	}
	if err := a.openOffice(ring, stores); err != nil {
		return nil, err
	}
	a.deeds = stores.deeds
	if err := a.openSignIn(ctx, ring, stores); err != nil {
		return nil, err
	}
	var by ways
	email, err := a.mailChannel(&by)
	if err != nil {
		return nil, err
	}
	if err := a.textChannel(&by); err != nil {
		return nil, err
	}
	teams, err := a.teamsChannel(ring, stores)
	if err != nil {
		return nil, err
	}
	by.teams = a.reach
	callers, err := a.callerChannel(ring, email, by.sms)
	if err != nil {
		return nil, err
	}
	base := or(cfg.publicURL, cfg.url) + "/verify"
	a.verify, err = verify.New(stores.verify, ring, base, a.settings, &verify.Options{
		Channels:  map[string]verify.Channel{"teams": teams, "email": email, "sms": by.sms, "signin": callers},
		Recorder:  a.ticketlog.Verify(),
		Authorize: a.authorize,
		Lookup:    a.lookup,
		Now:       a.now,
		Logger:    a.cfg.log,
		Poll:      250 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	if a.pages, err = verifypage.New(a.verify, &verifypage.Options{PublicForm: true, Now: a.now, Logger: a.cfg.log}); err != nil {
		return nil, err
	}
	a.who = map[mspkit.TenantID]string{}
	for tenant := range a.clients {
		a.who[tenant] = a.pages.PublicURL(tenant)
	}
	a.handle("/verify/", http.StripPrefix("/verify", a.pages))
	if err := a.serveCallers(ring); err != nil {
		return nil, err
	}
	connect, err := a.office.consent.Handler(connectPath)
	if err != nil {
		return nil, err
	}
	a.handleHere(connectPath+"/", connect)
	if err := errors.Join(a.statusCallbacks(), a.serveTeams(), a.openSends(ring, stores.sends, by), a.openPod(ring)); err != nil {
		return nil, err
	}
	portal, err := a.portal()
	if err != nil {
		return nil, err
	}
	a.mux.Handle("/", portal)
	a.front = a.sso.Load(a.mux)
	if err := a.closed(); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *app) close() error {
	a.end()
	a.background.Wait()
	var errs []error
	for _, c := range slices.Backward(a.closers) {
		errs = append(errs, c())
	}
	a.closers = nil
	return errors.Join(errs...)
}

// ServeHTTP serves the portal to browsers of this machine only: requests under another host's name (DNS rebinding) and
// requests that a proxy passed on are refused, also of who is signed in, because sessions here may go by plain http.
func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	passedOn := false
	for name := range r.Header {
		passedOn = passedOn || name == "Forwarded" || name == "Via" || strings.HasPrefix(name, "X-Forwarded-") || name == "X-Real-Ip"
	}
	if passedOn || "http://"+r.Host != a.cfg.url {
		http.Error(w, "This program answers at "+a.cfg.url+" only. Point a proxy at the address of -public.", http.StatusMisdirectedRequest)
		return
	}
	a.front.ServeHTTP(w, r)
}

// loadKeys reads the key ring, or makes one the first time. A real host keeps it in its secret store.
func loadKeys(path string) (*mspkit.KeyRing, error) {
	raw, err := os.ReadFile(path) //nolint:gosec // the folder is the user's choice
	if errors.Is(err, os.ErrNotExist) {
		key := mspkit.NewKey("k1")
		raw = []byte(key.Export().Reveal() + "\n")
		err = os.WriteFile(path, raw, 0o600)
	}
	if err != nil {
		return nil, err
	}
	// Windows has other permissions; the user's own folder is private there.
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the key file %s can be read by others; make it 0600", path)
	}
	var keys []mspkit.Key
	for line := range strings.Lines(string(raw)) {
		k, err := mspkit.ParseKey(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		keys = append(keys, k)
	}
	return mspkit.NewKeyRing(keys...)
}

func (a *app) mailChannel(by *ways) (verify.Channel, error) {
	from := mail.Address{Name: "Northwind IT", Email: a.cfg.smtpFrom}
	if !a.cfg.realMail {
		server, err := mailtest.Start(nil)
		if err != nil {
			return nil, err
		}
		a.closers = append(a.closers, server.Close)
		a.mailbox = server
		server.Subscribe(func(m mailtest.Message) {
			a.arrived(arrival{device: "mail", to: m.To[0], from: "Northwind IT", subject: m.Subject, text: m.Text, at: a.now()})
		})
		a.cfg.smtpHost, a.cfg.smtpPort, a.cfg.smtpRoots = server.Host(), server.Port(), server.CertPool()
		from.Email = "helpdesk@northwind.example"
	}
	mailer, err := smtpmail.New(a.cfg.smtpHost, a.cfg.smtpPort, from, &smtpmail.Options{
		User: a.cfg.smtpUser, Password: a.cfg.smtpPassword, RootCAs: a.cfg.smtpRoots,
	})
	if err != nil {
		return nil, err
	}
	if by.mailer, err = a.router(mailer); err != nil {
		return nil, err
	}
	a.mailer = by.mailer
	templates, err := mail.NewTemplates(nil)
	if err != nil {
		return nil, err
	}
	return mailchannel.New(by.mailer, templates, nil)
}

const demoAccount = "ACdeadbeefdeadbeefdeadbeefdeadbeef"

func (a *app) textChannel(by *ways) error {
	callback := ""
	if a.cfg.publicURL != "" || !a.cfg.realTextMessage {
		callback = or(a.cfg.publicURL, a.cfg.url) + "/twilio/status"
	}
	if !a.cfg.realTextMessage {
		a.cfg.twilioSID, a.cfg.twilioToken, a.cfg.twilioFrom = demoAccount, mspkit.Redact(mspkit.NewKey("t").Export().Reveal()), "+12025550100"
		server, err := twiliotest.New(a.cfg.twilioSID, a.cfg.twilioToken.Reveal(), &twiliotest.Options{AutoDeliver: true})
		if err != nil {
			return err
		}
		if a.cfg.twilioURL, err = server.Start(); err != nil {
			return err
		}
		a.closers = append(a.closers, server.Close)
		a.phone = server
		server.Subscribe(func(m twiliotest.Message) {
			if m.Status == "queued" {
				a.arrived(arrival{device: "sms", to: m.To, from: "Northwind IT", text: m.Body, at: a.now()})
			}
		})
	}
	var err error
	by.texts, err = twilio.New(a.cfg.twilioSID, twilio.AuthToken(a.cfg.twilioToken.Reveal()), twilio.Sender{From: a.cfg.twilioFrom}, &twilio.Options{
		BaseURL: a.cfg.twilioURL, StatusCallback: callback, Logger: a.cfg.log,
	})
	if err != nil {
		return err
	}
	by.sms, err = smschannel.New(by.texts, &smschannel.Options{Region: "US", Countries: []string{"US", "AT", "DE", "PT"}, AllowUnassigned: true})
	return err
}

// statusCallbacks lets Twilio report deliveries.
func (a *app) statusCallbacks() error {
	if a.cfg.publicURL == "" && a.cfg.realTextMessage {
		return nil // Twilio cannot reach this machine
	}
	delivered := smschannel.Status(a.verify)
	h, err := twilio.NewStatusHandler(a.cfg.twilioSID, or(a.cfg.publicURL, a.cfg.url)+"/twilio/status",
		[]mspkit.Redacted[string]{a.cfg.twilioToken}, func(ctx context.Context, s twilio.Status) error {
			return delivered(ctx, s.Key, string(s.State), s.Reason())
		}, &twilio.HandlerOptions{Logger: a.cfg.log})
	if err != nil {
		return err
	}
	a.handle("/twilio/status", h)
	return nil
}

// brand is how the helpdesk looks to those who call it, plainBrand to those who work there.
var brand = mspkit.Brand{Name: "Northwind IT", Color: "#0b6e4f", Phone: "+1 202 555 0100", Site: "https://northwind.example"}

var plainBrand = mspkit.Brand{Name: brand.Name, Color: brand.Color}

// settings are the same for both clients here; a real host reads them per tenant.
func (a *app) settings(_ context.Context, tenant mspkit.TenantID) (verify.Settings, error) {
	if _, ok := a.clients[tenant]; !ok {
		return verify.Settings{}, fmt.Errorf("there is no client with this id: %w", verify.ErrNotFound)
	}
	return verify.Settings{
		Brand:    brand,
		Limits:   verify.Limits{Cooldown: 5 * time.Second, PerDestination: 200, UnverifiedPerDestination: 200, PerSubject: 200}, // short, so that one can play
		Approval: verify.Approval{Subjects: []string{"ines"}},
	}, nil
}

func (a *app) authorize(ctx context.Context, _ mspkit.TenantID, id string, _ verify.Permission) error {
	return a.mayOverrule(ctx, id)
}

// lookup finds who typed their address into "is this call real?" or asks from their Teams, and the call they are in.
func (a *app) lookup(_ context.Context, tenant mspkit.TenantID, address string) (*verify.TechnicianRequest, error) {
	for _, p := range a.people {
		for _, known := range p.addresses() {
			if p.Tenant == tenant && strings.EqualFold(strings.ReplaceAll(known, " ", ""), strings.ReplaceAll(address, " ", "")) {
				r := &verify.TechnicianRequest{Subject: p.subject()}
				if call, ok := a.call(p); ok {
					r.Call = &call
				}
				return r, nil
			}
		}
	}
	return nil, nil
}

func (a *app) person(tenant mspkit.TenantID, id string) (person, bool) {
	i := slices.IndexFunc(a.people, func(p person) bool { return p.Tenant == tenant && p.ID == id })
	if i < 0 {
		return person{}, false
	}
	return a.people[i], true
}

// now is the demo clock. It can be moved forward, so that nobody has to wait to see a code expire.
func (a *app) now() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Now().Add(a.offset)
}

func (a *app) advance(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.offset += d
}

// call is what the host's telephone system knows: who is on the phone with whom.
func (a *app) call(p person) (verify.Call, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c, ok := a.calls[string(p.Tenant)+"/"+p.ID]
	return c, ok
}

func (a *app) setCall(p person, c *verify.Call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := string(p.Tenant) + "/" + p.ID
	if c == nil {
		delete(a.calls, key)
		return
	}
	a.calls[key] = *c
}

func (a *app) arrived(m arrival) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.arrivals = append(a.arrivals, m); len(a.arrivals) > 200 {
		a.arrivals = a.arrivals[1:]
	}
}

// messages returns what p's devices received, the newest first.
func (a *app) messages(p person) []arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	mine := map[string]bool{}
	for _, address := range p.addresses() {
		mine[strings.ToLower(strings.ReplaceAll(address, " ", ""))] = true
	}
	out := a.office.fake.sent(mine)
	for _, m := range a.arrivals {
		if mine[strings.ToLower(m.to)] {
			out = append(out, m)
		}
	}
	slices.SortStableFunc(out, func(x, y arrival) int { return y.at.Compare(x.at) })
	return out
}
