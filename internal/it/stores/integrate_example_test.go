package stores_test

import (
	"context"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/mailtest"
	"github.com/mspkit/mspkit/mail/smtpmail"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/mailchannel"
	"github.com/mspkit/mspkit/verify/smschannel"
	"github.com/mspkit/mspkit/verify/smschannel/twilio"
	"github.com/mspkit/mspkit/verify/smschannel/twiliotest"
	"github.com/mspkit/mspkit/verify/sqlstore"
	"github.com/mspkit/mspkit/verify/verifypage"
)

// This file is the program of docs/integrate.md: every block of that page stands here, word for word, and
// Example_integrate runs it. What the page does not show stands below Example_integrate.

// config is what the program is told from outside. Keys and passwords come from its secret store.
type config struct {
	keys      mspkit.Redacted[string] // one "id:base64" a line, the primary first
	publicURL string                  // where the world reaches us: "https://help.example"
	proxies   []netip.Prefix          // who may tell us the client's address

	smtpHost, smtpUser string
	smtpPort           int
	smtpPassword       mspkit.Redacted[string]
	smtpRoots          *x509.CertPool // nil: the system's
	from               mail.Address

	twilioAccount, twilioFrom, twilioURL string // twilioURL "": the real one
	twilioToken                          mspkit.Redacted[string]
}

// helpdesk is our own software: it had a database, a mux and a ticket system before.
type helpdesk struct {
	cfg     config
	db      *sql.DB
	mux     *http.ServeMux
	tickets psa.TicketNoter
	verify  *verify.Service
}

// openDatabase opens the database that we have anyway and creates our tables in it.
func openDatabase(ctx context.Context, path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// newKey returns the text of a new key, for the secret store. A name is never used for a second key.
func newKey(name string) mspkit.Redacted[string] {
	return mspkit.NewKey(name).Export()
}

// keyRing reads the ring. Every instance must be given the same keys.
func keyRing(lines mspkit.Redacted[string]) (*mspkit.KeyRing, error) {
	var keys []mspkit.Key
	for line := range strings.Lines(lines.Reveal()) {
		k, err := mspkit.ParseKey(line)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return mspkit.NewKeyRing(keys...)
}

// settings says what a client company decided. It is asked for every request, so cache it where that is slow.
func (h *helpdesk) settings(ctx context.Context, tenant mspkit.TenantID) (verify.Settings, error) {
	s := verify.Settings{Policy: verify.DefaultPolicy(), Approval: verify.Approval{
		Needs: func(ctx context.Context, contact string, _ verify.Action) (listed bool, err error) {
			err = h.db.QueryRowContext(ctx, `SELECT listed FROM contacts WHERE client = ? AND id = ?`, string(tenant), contact).Scan(&listed)
			return listed, err
		},
	}}
	err := h.db.QueryRowContext(ctx, `SELECT name, phone, locale FROM clients WHERE id = ?`, string(tenant)).
		Scan(&s.Brand.Name, &s.Brand.Phone, &s.Locale)
	return s, err
}

// channels returns the ways to reach a caller. Their names stand in destinations, policies, events and tickets.
func (h *helpdesk) channels() (map[string]verify.Channel, error) {
	mailer, err := smtpmail.New(h.cfg.smtpHost, h.cfg.smtpPort, h.cfg.from, &smtpmail.Options{
		User: h.cfg.smtpUser, Password: h.cfg.smtpPassword, RootCAs: h.cfg.smtpRoots,
	})
	if err != nil {
		return nil, err
	}
	templates, err := mail.NewTemplates(nil)
	if err != nil {
		return nil, err
	}
	email, err := mailchannel.New(mailer, templates, nil)
	if err != nil {
		return nil, err
	}
	sender, err := twilio.New(h.cfg.twilioAccount, twilio.AuthToken(h.cfg.twilioToken.Reveal()), twilio.Sender{From: h.cfg.twilioFrom},
		&twilio.Options{BaseURL: h.cfg.twilioURL, StatusCallback: h.cfg.publicURL + "/hooks/twilio"})
	if err != nil {
		return nil, err
	}
	sms, err := smschannel.New(sender, &smschannel.Options{Region: "US", Countries: []string{"US", "CA"}})
	if err != nil {
		return nil, err
	}
	return map[string]verify.Channel{"email": email, "sms": sms}, nil
}

// newHelpdesk makes the service and mounts what the world must reach: the callers' pages and Twilio's callbacks.
func newHelpdesk(cfg config, db *sql.DB, mux *http.ServeMux, tickets psa.TicketNoter) (*helpdesk, error) {
	h := &helpdesk{cfg: cfg, db: db, mux: mux, tickets: tickets}
	store, err := sqlstore.New(db, sqlstore.SQLite, nil)
	if err != nil {
		return nil, err
	}
	ring, err := keyRing(cfg.keys)
	if err != nil {
		return nil, err
	}
	channels, err := h.channels()
	if err != nil {
		return nil, err
	}
	h.verify, err = verify.New(store, ring, cfg.publicURL+"/verify", h.settings, &verify.Options{
		Channels:  channels,
		Recorder:  verify.RecorderFunc(h.record),
		Authorize: h.authorize,
	})
	if err != nil {
		return nil, err
	}
	pages, err := verifypage.New(h.verify, &verifypage.Options{TrustedProxies: cfg.proxies})
	if err != nil {
		return nil, err
	}
	mux.Handle("/verify/", http.StripPrefix("/verify", pages))
	if err := h.mountTwilio(); err != nil {
		return nil, err
	}
	return h, nil
}

// mountTwilio takes what Twilio reports about deliveries. It believes only what is signed.
func (h *helpdesk) mountTwilio() error {
	report := smschannel.Status(h.verify)
	callbacks, err := twilio.NewStatusHandler(h.cfg.twilioAccount, h.cfg.publicURL+"/hooks/twilio",
		[]mspkit.Redacted[string]{h.cfg.twilioToken}, func(ctx context.Context, s twilio.Status) error {
			return report(ctx, s.Key, string(s.State), s.Reason())
		}, nil)
	if err != nil {
		return err
	}
	h.mux.Handle("/hooks/twilio", callbacks)
	return nil
}

// resetPassword verifies the caller and acts only then. say shows the number to the technician, who says it.
func (h *helpdesk) resetPassword(ctx context.Context, r verify.StartRequest, say func(number string)) error {
	c, err := h.verify.Start(ctx, r)
	if err != nil {
		return err
	}
	say(c.Number.Reveal())
	c, err = h.verify.WaitApproved(ctx, c.Ref, r.Technician.ID)
	switch {
	case err != nil:
		return err
	case c.State != verify.StateConfirmed:
		return fmt.Errorf("the caller is not verified: %s", c.State)
	case c.Proof.Reveal() == "":
		return errors.New("nobody approved in time")
	}
	return h.redeemAndReset(ctx, r, c.Proof)
}

// redeemAndReset uses the proof, once, and resets the password. On any error nothing is reset.
func (h *helpdesk) redeemAndReset(ctx context.Context, r verify.StartRequest, p verify.Proof) error {
	job := "reset for ticket " + r.Ticket.ID // the same after a crash, so that the job can go on
	err := h.verify.Redeem(ctx, p, verify.Expect{
		Tenant: r.Tenant, Subject: r.Subject.ID, Action: r.Action, Technician: r.Technician.ID, Ticket: r.Ticket,
	}, job)
	if err != nil {
		return err
	}
	_, err = h.db.ExecContext(ctx, `UPDATE contacts SET password = 'reset' WHERE client = ? AND id = ?`, string(r.Tenant), r.Subject.ID)
	return err
}

// authorize says what a technician may do beyond verifying. Here a lead may approve, freeze, unfreeze and unlock.
func (h *helpdesk) authorize(ctx context.Context, _ mspkit.TenantID, technician string, _ verify.Permission) error {
	var lead bool
	err := h.db.QueryRowContext(ctx, `SELECT lead FROM technicians WHERE id = ?`, technician).Scan(&lead)
	if err == nil && !lead {
		err = errors.New("only a lead may do this")
	}
	return err
}

// approveAll is a second technician who looks at what waits and agrees, each time for a reason that can be read later.
func (h *helpdesk) approveAll(ctx context.Context, tenant mspkit.TenantID, technician string, ask func(verify.Challenge) (reason string)) error {
	waiting, err := h.verify.Unapproved(ctx, tenant)
	for _, c := range waiting {
		if reason := ask(c); reason != "" {
			_, failed := h.verify.Approve(ctx, c.Ref, technician, reason)
			err = errors.Join(err, failed)
		}
	}
	return err
}

// record writes into the ticket what somebody reading it wants to know. An event may come twice, with the same id.
func (h *helpdesk) record(ctx context.Context, e verify.Event) error {
	var text string
	switch e.Kind {
	case verify.EventConfirmed:
		text = fmt.Sprintf("%s is verified for %s by %s.", e.Subject, e.Action, e.Assurance)
	case verify.EventApproved:
		text = fmt.Sprintf("%s approved it: %s.", e.By, e.Reason)
	case verify.EventRedeemed:
		text = fmt.Sprintf("The verification was used for %s.", e.Action)
	default:
		if !e.Kind.Alert() {
			return nil
		}
		text = fmt.Sprintf("ALERT: %s, %s.", e.Kind, e.Subject)
	}
	if e.Ticket.IsZero() {
		return nil // a freeze, for example, belongs to no ticket: alert somebody in another way
	}
	_, err := h.tickets.AddNote(ctx, psa.TicketRef{Tenant: e.Tenant, Ticket: e.Ticket}, psa.Note{Text: text, Key: e.ID})
	return err
}

// serve answers requests and does the background work until ctx ends. Then it stops taking answers, finishes
// the work in hand, and returns; the caller closes the database last.
func (h *helpdesk) serve(ctx context.Context, l net.Listener) error {
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	background := make(chan error, 1)
	go func() { background <- h.verify.Run(run) }()

	srv := &http.Server{Handler: h.mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()

	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err = errors.Join(err, srv.Shutdown(grace))
	stop()
	return errors.Join(err, <-background)
}

// A caller asks for a new password. SMTP, Twilio and the proxy are servers on loopback; everything else is what a
// host runs.
func Example_integrate() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	w := newOutside()
	defer w.close()

	db, err := openDatabase(ctx, filepath.Join(w.dir, "helpdesk.db"))
	w.must(err)
	defer db.Close()
	_, err = db.ExecContext(ctx, `
		CREATE TABLE clients (id TEXT PRIMARY KEY, name TEXT, phone TEXT, locale TEXT);
		CREATE TABLE contacts (client TEXT, id TEXT, password TEXT, listed BOOLEAN, PRIMARY KEY (client, id));
		CREATE TABLE technicians (id TEXT PRIMARY KEY, lead BOOLEAN);
		INSERT INTO clients VALUES ('northwind', 'Contoso IT', '+1 202 555 0100', 'en');
		INSERT INTO contacts VALUES ('northwind', 'dana', 'old', FALSE), ('northwind', 'ines', 'old', TRUE);
		INSERT INTO technicians VALUES ('jane', FALSE), ('sam', TRUE)`)
	w.must(err)
	h, err := newHelpdesk(w.config(), db, http.NewServeMux(), w)
	w.must(err)
	ended := make(chan error, 1)
	go func() { ended <- h.serve(ctx, w.backend) }()

	long := time.Now().AddDate(-1, 0, 0)
	request := verify.StartRequest{
		Tenant: "northwind",
		Subject: verify.Subject{ID: "dana", Name: "Dana Ruiz", Company: "Northwind", Destinations: []verify.Destination{
			{Channel: "email", Address: "dana@northwind.example", FirstSeen: long},
			{Channel: "sms", Address: "(202) 555-0123", FirstSeen: long},
		}},
		Action:     verify.ActionResetPassword, // the default policy asks for a text message with number match
		Technician: verify.Technician{ID: "jane", Name: "Jane Doe"},
		Ticket:     mspkit.Ticket{System: "halopsa", ID: "4711"},
	}
	fmt.Println("reset:", h.resetPassword(ctx, request, w.danaTypes))

	var password string
	w.must(db.QueryRowContext(ctx, `SELECT password FROM contacts WHERE id = 'dana'`).Scan(&password))
	fmt.Println("password:", password)

	request.Action = verify.ActionResetMFA
	fmt.Println("reset MFA:", h.resetPassword(ctx, request, w.danaTypes))

	request.Action = verify.ActionResetPassword // of somebody who is listed
	request.Subject = verify.Subject{ID: "ines", Name: "Inês Carvalho", Company: "Northwind", Destinations: []verify.Destination{
		{Channel: "sms", Address: "(202) 555-0124", FirstSeen: long},
	}}
	fmt.Println("reset:", h.resetPassword(ctx, request, func(number string) {
		w.danaTypes(number)
		for _, technician := range []string{"jane", "sam"} {
			fmt.Println(technician+" approves:", h.approveAll(ctx, "northwind", technician, func(c verify.Challenge) string {
				return "called " + c.Name + " back"
			}))
		}
	}))

	stop()
	fmt.Println("ended:", <-ended)
	w.must(h.verify.RunOnce(context.Background())) // what was left over, as the next start would
	for _, note := range w.notes {
		fmt.Println(note)
	}
	// Output:
	// text: Contoso IT: Jane Doe asks to reset your password (ticket 4711) and will tell you a number. Type it here only if YOU called us: (link)
	// page: Thank you, it is confirmed
	// reset: <nil>
	// password: reset
	// reset MFA: verify: start: not allowed by the policy: needs Teams with number match or better, because the action is “reset your multi-factor sign-in”; text message with number match is less
	// text: Contoso IT: Jane Doe asks to reset your password (ticket 4711) and will tell you a number. Type it here only if YOU called us: (link)
	// page: Thank you, it is confirmed
	// jane approves: verify: approve: approve as second technician: not allowed: only a lead may do this
	// sam approves: <nil>
	// reset: <nil>
	// ended: <nil>
	// halopsa:4711: dana is verified for reset-password by text message with number match.
	// halopsa:4711: The verification was used for reset-password.
	// halopsa:4711: ines is verified for reset-password by text message with number match.
	// halopsa:4711: sam approved it: called Inês Carvalho back.
	// halopsa:4711: The verification was used for reset-password.
}

// outside is everything that is not ours: the proxy, the mail server, Twilio, the ticket system, and Dana.
type outside struct {
	dir     string
	backend net.Listener
	proxy   *http.Server
	front   net.Listener
	smtp    *mailtest.Server
	twilio  *twiliotest.Server

	mu    sync.Mutex
	seen  map[string]bool
	notes []string
}

const twilioAccount, twilioToken = "AC0123456789abcdef0123456789abcdef", "an-auth-token"

func newOutside() *outside {
	w := &outside{seen: map[string]bool{}}
	var err error
	w.dir, err = os.MkdirTemp("", "mspkit-integrate")
	w.must(err)
	w.backend, err = net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	w.front, err = net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	to := &url.URL{Scheme: "http", Host: w.backend.Addr().String()}
	w.proxy = &http.Server{ReadHeaderTimeout: time.Second, Handler: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.SetXForwarded()
		r.Out.Host = r.In.Host
	}}}
	go func() { _ = w.proxy.Serve(w.front) }()
	w.smtp, err = mailtest.Start(nil)
	w.must(err)
	w.twilio, err = twiliotest.New(twilioAccount, twilioToken, &twiliotest.Options{AutoDeliver: true})
	w.must(err)
	return w
}

func (w *outside) config() config {
	twilioURL, err := w.twilio.Start()
	w.must(err)
	return config{
		keys:      newKey("2026-11"),
		publicURL: "http://" + w.front.Addr().String(), proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		smtpHost: w.smtp.Host(), smtpPort: w.smtp.Port(), smtpRoots: w.smtp.CertPool(),
		from:          mail.Address{Name: "Contoso IT", Email: "helpdesk@contoso.example"},
		twilioAccount: twilioAccount, twilioFrom: "+12025550100", twilioURL: twilioURL, twilioToken: mspkit.Redact(twilioToken),
	}
}

func (w *outside) must(err error) {
	if err != nil {
		panic(err)
	}
}

func (w *outside) close() {
	w.must(errors.Join(w.twilio.Close(), w.smtp.Close(), w.proxy.Close(), os.RemoveAll(w.dir)))
}

// AddNote is the ticket system's. A note that it has already is not written again.
func (w *outside) AddNote(_ context.Context, ref psa.TicketRef, n psa.Note) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.seen[n.Key] {
		w.seen[n.Key] = true
		w.notes = append(w.notes, ref.Ticket.String()+": "+n.Text)
	}
	return n.Key, nil
}

var (
	webLink = regexp.MustCompile(`http://\S+`)
	h1      = regexp.MustCompile(`<h1[^>]*>(.*?)</h1>`)
)

// danaTypes opens the link of the last text message and types the number that Jane says.
func (w *outside) danaTypes(number string) {
	texts := w.twilio.Messages()
	body := texts[len(texts)-1].Body
	fmt.Println("text:", webLink.ReplaceAllString(body, "(link)"))
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.PostForm(webLink.FindString(body), url.Values{"answer": {number}})
	w.must(err)
	defer resp.Body.Close()
	var page strings.Builder
	w.must(resp.Write(&page))
	title := h1.FindStringSubmatch(page.String())
	if title == nil {
		fmt.Println("page:", resp.Status)
		return
	}
	fmt.Println("page:", title[1])
}
