package stores_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/accounts"
	accountstore "github.com/mspkit/mspkit/entra/accounts/sqlstore"
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/entra/mfa"
	"github.com/mspkit/mspkit/entra/mfa/mfatest"
	mfastore "github.com/mspkit/mspkit/entra/mfa/sqlstore"
	entrastore "github.com/mspkit/mspkit/entra/sqlstore"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/signin"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// This file is the program of docs/technicians.md: every block of that page stands here, word for word, or in the program that
// provisions, and Example_technicians runs it.

// workplace is what our program has for the people who work with it. Ids and secrets come from its configuration and its secret store.
type workplace struct {
	cloud  entra.Cloud             // entra.PublicCloud()
	tenant string                  // the id of our own tenant in Entra
	appID  string                  // the application (client) id of the app registration
	secret mspkit.Redacted[string] // or the assertion of a federated or managed identity: SSOOptions.Assertion
	other  string                  // the id of the application by which callers sign in, of any organisation, and its secret
	key    mspkit.Redacted[string]
	base   string       // https://desk.northwind.example
	http   *http.Client // nil is one of the packages' own
	db     *sql.DB
	ring   *mspkit.KeyRing

	staff   *accounts.Service
	sso     *entra.SSO
	factors *mfa.Service
	callers *verify.Service
}

// openStaff creates the tables in the database that we have anyway, and opens the accounts of our people.
func (w *workplace) openStaff(ctx context.Context) error {
	err := errors.Join(
		entrastore.Migrate(ctx, w.db, entrastore.SQLite, nil),
		accountstore.Migrate(ctx, w.db, accountstore.SQLite, nil),
		mfastore.Migrate(ctx, w.db, mfastore.SQLite, nil),
	)
	if err != nil {
		return err
	}
	store, err := accountstore.New(w.db, accountstore.SQLite, nil)
	if err != nil {
		return err
	}
	w.staff, err = accounts.New(store, w.ring, &accounts.Options{
		Owner: "northwind", TenantID: w.tenant, BaseURL: w.base + "/accounts", Policy: whoMayWhat(), Auditor: entra.AuditorFunc(w.audit),
	})
	return err
}

// endSessions signs somebody out everywhere.
func (w *workplace) endSessions(ctx context.Context, _, id string) error {
	a, err := w.staff.Get(ctx, id)
	if err != nil || !a.Linked() {
		return err
	}
	return w.sso.EndSessions(ctx, a.TenantID, a.ObjectID)
}

// addSignIn lets our people sign in. Nobody else is let in, whoever their tenant says they are.
func (w *workplace) addSignIn(mux *http.ServeMux) error {
	ended, err := entrastore.New(w.db, entrastore.SQLite, nil) // which sessions have ended, for all instances
	if err != nil {
		return err
	}
	verifier, err := entra.NewVerifier(w.cloud, w.appID, &entra.VerifierOptions{HTTPClient: w.http})
	if err != nil {
		return err
	}
	w.sso, err = entra.NewSSO(verifier, w.ring, &entra.SSOOptions{
		Cloud: w.cloud, ClientID: w.appID, Secret: w.secret, Owner: "northwind", BaseURL: w.base + "/auth",
		Tenants: []string{w.tenant}, Resolve: w.staff.Resolve, Policy: whoMayWhat(), Revocations: ended, Auditor: entra.AuditorFunc(w.audit),
		FactorPath: "/mfa/", Brand: mspkit.Brand{Name: "Northwind IT"}, HTTPClient: w.http,
	})
	if err != nil {
		return err
	}
	if err := w.addAccounts(mux); err != nil { // other sign-ins come before Handler
		return err
	}
	pages, err := w.sso.Handler("/auth")
	if err != nil {
		return err
	}
	mux.Handle("/auth/", pages)
	return nil
}

// addAccounts has the pages by which the first admin comes, colleagues link their accounts, and admins invite and manage.
func (w *workplace) addAccounts(mux *http.ServeMux) error {
	pages, err := w.staff.Handler("/accounts", w.sso, &accounts.PagesOptions{
		Cloud: w.cloud, ClientID: w.appID, Brand: mspkit.Brand{Name: "Northwind IT"},
		Fresh: 10 * time.Minute,                        // who changes accounts has just signed in: a stolen session makes nobody an admin
		Host:  w.hostSession, HostSignIn: "/old/login", // while people still sign in with what there was before
	})
	if err != nil {
		return err
	}
	mux.Handle("/accounts/", pages)
	return nil
}

// hostSession says who is signed in by the sign-in that we had before. Its cookie must be SameSite=Lax, or it does not come along from
// Microsoft.
func (w *workplace) hostSession(r *http.Request) (owner, accountID string, ok bool) {
	cookie, err := r.Cookie("old")
	if err != nil {
		return "", "", false
	}
	err = w.db.QueryRowContext(r.Context(), `SELECT person FROM old_sessions WHERE id = ?`, cookie.Value).Scan(&accountID)
	return "northwind", accountID, err == nil
}

// firstAdmin prints the link for the first admin: our program does it where it is called with -first-admin.
func (w *workplace) firstAdmin(ctx context.Context, out io.Writer) error {
	link, err := w.staff.Bootstrap(ctx) // good for an hour, once, and while there is no admin
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, link.Reveal())
	return err
}

// addColleague invites somebody who has no account yet. by is the admin who does it.
func (w *workplace) addColleague(ctx context.Context, by, name, address string) (link mspkit.Redacted[string], err error) {
	_, link, err = w.staff.Invite(ctx, by, accounts.Invite{Name: name, Address: address}) // a technician, for seven days
	return link, err
}

// lead gives somebody the role of an admin, and a second factor.
func (w *workplace) lead(ctx context.Context, by, id string) error {
	if err := w.staff.SetRole(ctx, by, id, entra.RoleAdmin); err != nil {
		return err
	}
	return w.staff.SetMFA(ctx, by, id, accounts.MFAOn)
}

// addFactors asks those for a second factor whose account says so, or everybody with accounts.Options.MFA.
func (w *workplace) addFactors(mux *http.ServeMux) error {
	store, err := mfastore.New(w.db, mfastore.SQLite, nil)
	if err != nil {
		return err
	}
	at, err := url.Parse(w.base)
	if err != nil {
		return err
	}
	w.factors, err = mfa.New(store, w.ring, &mfa.Options{
		RPID: at.Hostname(), Origins: []string{w.base}, Passed: w.sso.NoteFactor, EndSessions: w.endSessions,
		Brand: mspkit.Brand{Name: "Northwind IT"}, Auditor: entra.AuditorFunc(w.audit),
	})
	if err != nil {
		return err
	}
	pages, err := w.factors.Handler("/mfa")
	if err != nil {
		return err
	}
	mux.Handle("/mfa/", w.sso.Load(pages))
	return nil
}

// audit keeps who did what. An event has ids and reasons, and no address, name, token or code.
func (w *workplace) audit(ctx context.Context, e entra.Event) error {
	_, err := w.db.ExecContext(ctx, `INSERT INTO audit (at, kind, person, by_whom, entra_tenant, entra_object, session, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		e.At, string(e.Kind), e.User, e.By, e.TenantID, e.ObjectID, e.Session, e.Reason)
	return err
}

// addRoutes says of each route what it takes. A route that is not listed does not exist.
func (w *workplace) addRoutes(mux *http.ServeMux) {
	desk := http.NewServeMux()
	on := func(pattern string, p entra.Permission, h http.HandlerFunc) {
		desk.Handle(pattern, w.sso.Require(p, h))
	}
	on("GET /{$}", entra.PermissionUI, w.home)
	on("GET /pod", entra.PermissionPod, w.home)
	on("POST /verify", entra.PermissionFeatures, w.home)
	on("POST /contacts/{id}/delete", entra.PermissionRecords, w.deleteContact)
	on("GET /audit", entra.PermissionAccount, w.home)
	// What opens other systems takes more than a session that was left open over lunch.
	desk.Handle("GET /integrations", w.sso.RequireFresh(entra.PermissionIntegrations, 10*time.Minute, http.HandlerFunc(w.home)))
	mux.Handle("/", w.sso.Load(desk))
}

// home shows what is shown to somebody; what they may not do is not on the page.
func (w *workplace) home(rw http.ResponseWriter, r *http.Request) {
	u := entra.UserOf(r.Context())
	fmt.Fprintf(rw, "Hello %s.", html.EscapeString(u.Name))
	if u.May(entra.PermissionInvitations) {
		fmt.Fprint(rw, " Invite a colleague.")
	}
}

// deleteContact asks again, because it can be called from elsewhere than its route.
func (w *workplace) deleteContact(rw http.ResponseWriter, r *http.Request) {
	if err := entra.Authorize(r.Context(), entra.PermissionRecords); err != nil {
		http.Error(rw, "You may not do this.", http.StatusForbidden)
		return
	}
	fmt.Fprint(rw, "Deleted.")
}

// whoMayWhat is the table of our company: technicians may also edit records.
func whoMayWhat() entra.Policy {
	return entra.DefaultPolicy().With(entra.RoleTechnician, entra.PermissionRecords)
}

// addCallers lets callers prove who they are by a sign-in to their own tenant. mail carries the link, which is no secret.
func (w *workplace) addCallers(mux *http.ServeMux, store verify.Store, mail verify.Channel) error {
	address := func(ctx context.Context, tenant mspkit.TenantID, identity string) (to string, err error) {
		err = w.db.QueryRowContext(ctx, `SELECT mail FROM people WHERE tenant = ? AND identity = ?`, string(tenant), identity).Scan(&to)
		return to, err
	}
	theirs := func(ctx context.Context, tenant mspkit.TenantID) (id string, err error) {
		err = w.db.QueryRowContext(ctx, `SELECT entra_id FROM clients WHERE id = ?`, string(tenant)).Scan(&id)
		return id, err
	}
	via, err := signin.Via(mail, address)
	if err != nil {
		return err
	}
	plain, err := signin.New(w.ring, w.base+"/verify", via, theirs, nil)
	if err != nil {
		return err
	}
	strong, err := signin.New(w.ring, w.base+"/verify", via, theirs, &signin.Options{
		ACR: func(ctx context.Context, tenant mspkit.TenantID) (acr string, err error) {
			err = w.db.QueryRowContext(ctx, `SELECT acr FROM clients WHERE id = ?`, string(tenant)).Scan(&acr)
			return acr, err
		},
	})
	if err != nil {
		return err
	}
	w.callers, err = verify.New(store, w.ring, w.base+"/verify", verify.Same(verify.Settings{Brand: mspkit.Brand{Name: "Northwind IT"}}), &verify.Options{
		Channels: map[string]verify.Channel{"email": mail, "signin": plain, "signin-strong": strong},
	})
	if err != nil {
		return err
	}
	verifier, err := entra.NewVerifier(w.cloud, w.other, &entra.VerifierOptions{HTTPClient: w.http})
	if err != nil {
		return err
	}
	pages, err := signin.NewPages(w.callers, w.ring, verifier, &signin.PagesOptions{
		Cloud: w.cloud, ClientID: w.other, Secret: w.key, Prefix: "/verify/signin", HTTPClient: w.http, Auditor: entra.AuditorFunc(w.audit), Owner: "northwind",
	})
	if err != nil {
		return err
	}
	mux.Handle("/verify/signin/", pages)
	return nil
}

// whoCalls begins a verification of somebody who says they are the person, and returns the number to say.
func (w *workplace) whoCalls(ctx context.Context, person verify.Subject, by verify.Technician, ticket mspkit.Ticket) (verify.Challenge, error) {
	return w.callers.Start(ctx, verify.StartRequest{
		Tenant: "contoso", Subject: person, Action: verify.ActionResetMFA, Technician: by, Ticket: ticket,
	})
}

// visitor is a person's browser: it keeps cookies and follows redirects, also to the played Microsoft and back.
type visitor struct {
	client *http.Client
	at     *url.URL
	status int
	text   string
	raw    string
}

// visitor returns a new browser.
func (m *playedTenants) visitor() (*visitor, error) {
	jar, err := cookiejar.New(nil)
	return &visitor{client: &http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: m.internet()}}, err
}

// internet has our host besides the played Microsoft.
func (m *playedTenants) internet() http.RoundTripper {
	return hosted{m.front, "desk.northwind.example"}
}

// hosted finds a host at a test server.
type hosted struct {
	front *httptest.Server
	name  string
}

func (h hosted) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != h.name {
		return http.DefaultTransport.RoundTrip(r)
	}
	out := r.Clone(r.Context())
	out.Host, out.URL.Scheme, out.URL.Host = h.name, "http", h.front.Listener.Addr().String()
	res, err := http.DefaultTransport.RoundTrip(out)
	if res != nil {
		res.Request = r // as the browser knows it
	}
	return res, err
}

func (v *visitor) send(ctx context.Context, method, address string, form url.Values) error {
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "text/html")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
	}
	res, err := v.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	v.at, v.status, v.raw, v.text = res.Request.URL, res.StatusCode, string(page), html.UnescapeString(string(page))
	return err
}

func (v *visitor) open(ctx context.Context, address string) error {
	return v.send(ctx, http.MethodGet, address, nil)
}

var (
	visitorForm   = regexp.MustCompile(`(?s)<form method="post" action="([^"]+)"[^>]*>(.*?)</form>`)
	visitorHidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
)

// press sends the first form of the page whose address ends so.
func (v *visitor) press(ctx context.Context, end string, pairs ...string) error {
	for _, f := range visitorForm.FindAllStringSubmatch(v.text, -1) {
		to, err := v.at.Parse(f[1])
		if err != nil {
			return err
		}
		if !strings.HasSuffix(to.Path, end) {
			continue
		}
		form := url.Values{}
		for _, m := range visitorHidden.FindAllStringSubmatch(f[2], -1) {
			form.Set(m[1], m[2])
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return v.send(ctx, http.MethodPost, to.String(), form)
	}
	return fmt.Errorf("there is no form %q on the page: %d %s", end, v.status, v.text)
}

// heading is what the page says first.
func (v *visitor) heading() string {
	_, rest, ok := strings.Cut(v.text, "<h1>")
	if !ok {
		return strings.TrimSpace(v.text)
	}
	text, _, _ := strings.Cut(rest, "</h1>")
	return text
}

// Example_technicians plays the page: Microsoft is played by entratest.
func Example_technicians() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := techniciansPage(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// first admin: You are the first admin
	// Anna at /: Hello Anna. Invite a colleague.
	// Otto at the link: Welcome
	// Otto at /: Hello Otto.
	// Otto at /integrations: You may not do this.
	// Piet at the wizard: Your account is linked
	// Piet at /: Hello Piet.
	// Anna at /integrations: Confirm that it is you
	// and then: Hello Anna. Invite a colleague.
	// Otto is an admin with a second factor: Add a second step to your sign-in
	// and then: Hello Otto. Invite a colleague.
	// Anna signs out: You are signed out
	// a copy of her cookie: Sign in
	// Piet signs out elsewhere: Sign in
	// Dana: confirmed by strong sign-in
}

// playedTenants are our own tenant and a client's.
type playedTenants struct {
	*entratest.Server
	front                  *httptest.Server
	home, contoso          *entratest.Tenant
	anna, otto, piet, dana *entratest.User
}

func techniciansPage(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "mspkit-technicians-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // a temporary folder
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "x.db")+"?_pragma=journal_mode(wal)&_pragma=busy_timeout(5000)")
	if err != nil {
		return err
	}
	defer db.Close() // a test of its own
	mux := http.NewServeMux()
	front := httptest.NewServer(mux)
	defer front.Close()
	m := &playedTenants{front: front}
	m.Server, err = entratest.Start(&entratest.Options{PlainHTTP: true, Prefix: "/login", HTTPClient: &http.Client{Transport: m.internet()}})
	if err != nil {
		return err
	}
	defer m.Close()
	const base = "https://desk.northwind.example"
	m.home, m.contoso = m.AddTenant("Northwind IT", "northwind.example"), m.AddTenant("Contoso", "contoso.example")
	m.anna = m.home.AddUser(entratest.User{Name: "Anna", Username: "anna@northwind.example", Admin: true, SignedInAt: time.Now().Add(-time.Hour)})
	m.otto = m.home.AddUser(entratest.User{Name: "Otto", Username: "otto@northwind.example"})
	m.piet = m.home.AddUser(entratest.User{Name: "Piet", Username: "piet@northwind.example"})
	m.dana = m.contoso.AddUser(entratest.User{Name: "Dana Whitfield", Username: "dana@contoso.example", CanSatisfy: []string{"c1"}})
	app := m.AddApp(entratest.App{Name: "Desk", Secret: "secret", FrontChannelLogoutURL: base + "/auth/frontchannel-logout", RedirectURIs: []string{
		base + "/auth/callback", base + "/auth/signedout", base + "/accounts/consented",
	}})
	callers := m.AddApp(entratest.App{Name: "Who calls", Secret: "key", RedirectURIs: []string{base + "/verify/signin/callback"}})
	_, err = db.ExecContext(ctx, `CREATE TABLE audit (at TIMESTAMP, kind TEXT, person TEXT, by_whom TEXT, entra_tenant TEXT, entra_object TEXT, session TEXT, reason TEXT);
		CREATE TABLE clients (id TEXT, entra_id TEXT, acr TEXT);
		CREATE TABLE old_sessions (id TEXT, person TEXT);
		INSERT INTO old_sessions VALUES ('piets', 'piet');
		CREATE TABLE people (tenant TEXT, identity TEXT, mail TEXT);
		INSERT INTO clients VALUES ('contoso', '`+m.contoso.ID+`', 'c1');
		INSERT INTO people VALUES ('contoso', '`+m.contoso.ID+"/"+m.dana.ObjectID+`', 'dana@contoso.example')`)
	if err != nil {
		return err
	}
	w := &workplace{
		cloud: m.Cloud(), tenant: m.home.ID, appID: app.ID, secret: mspkit.Redact(app.Secret), other: callers.ID, key: mspkit.Redact(callers.Secret),
		base: base, db: db,
	}
	if w.ring, err = mspkit.NewKeyRing(mspkit.NewKey("2026-11")); err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return w.openStaff(ctx) },
		func() error { return w.addSignIn(mux) },
		func() error { return w.addFactors(mux) },
		func() error { w.addRoutes(mux); return nil },
		func() error { return w.playStaff(ctx, m) },
		func() error { return w.playCaller(ctx, m, mux) },
	} {
		if err == nil {
			err = step()
		}
	}
	return err
}

// say prints what somebody sees.
func say(what string, v *visitor, errs ...error) error {
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	fmt.Println(what+":", v.heading())
	return nil
}

// playStaff is Anna, who comes first, Otto, whom she invites, and Piet, who links the account that he has.
func (w *workplace) playStaff(ctx context.Context, m *playedTenants) error {
	anna, err1 := m.visitor()
	otto, err2 := m.visitor()
	piet, err3 := m.visitor()
	var printed strings.Builder
	if err := errors.Join(err1, err2, err3, w.firstAdmin(ctx, &printed)); err != nil {
		return err
	}
	m.SignIn(m.anna)
	first := strings.TrimSpace(printed.String())
	path := strings.TrimPrefix(first, w.base)
	err := say("first admin", anna, anna.open(ctx, first), anna.press(ctx, "/install"), anna.press(ctx, path))
	if err == nil {
		err = say("Anna at /", anna, anna.open(ctx, w.base+"/"))
	}
	staff, err1 := w.staff.List(ctx)
	if err := errors.Join(err, err1); err != nil {
		return err
	}
	boss := staff[0].ID

	link, err := w.addColleague(ctx, boss, "Otto", "otto@northwind.example")
	if err != nil {
		return err
	}
	m.SignIn(m.otto)
	err = say("Otto at the link", otto, otto.open(ctx, link.Reveal()), otto.press(ctx, strings.TrimPrefix(link.Reveal(), w.base)))
	if err == nil {
		err = say("Otto at /", otto, otto.open(ctx, w.base+"/"))
	}
	if err == nil {
		err = say("Otto at /integrations", otto, otto.open(ctx, w.base+"/integrations"))
	}
	if err != nil {
		return err
	}
	if _, err := w.staff.Add(ctx, accounts.ByHost, accounts.Account{ID: "piet", Name: "Piet"}); err != nil {
		return err
	}
	at, err := url.Parse(w.base)
	if err != nil {
		return err
	}
	piet.client.Jar.SetCookies(at, []*http.Cookie{{Name: "old", Value: "piets", Path: "/"}})
	m.SignIn(m.piet)
	err = say("Piet at the wizard", piet, piet.open(ctx, w.base+"/accounts/link"), piet.press(ctx, "/link"))
	if err == nil {
		err = say("Piet at /", piet, piet.open(ctx, w.base+"/"), piet.press(ctx, "/signin"))
	}
	if err != nil {
		return err
	}
	return w.playLater(ctx, m, piet, boss)
}

// comes signs somebody in.
func (w *workplace) comes(ctx context.Context, m *playedTenants, u *entratest.User) (*visitor, error) {
	v, err := m.visitor()
	if err != nil {
		return nil, err
	}
	m.SignIn(u)
	return v, errors.Join(v.open(ctx, w.base+"/"), v.press(ctx, "/signin"))
}

// playLater is a step-up, a second factor, and the ways to sign out.
func (w *workplace) playLater(ctx context.Context, m *playedTenants, piet *visitor, boss string) error {
	anna, err := w.comes(ctx, m, m.anna) // who gave her password an hour ago
	if err != nil {
		return err
	}
	err = say("Anna at /integrations", anna, anna.open(ctx, w.base+"/integrations"))
	if err == nil {
		err = say("and then", anna, anna.press(ctx, "/stepup"))
	}
	if err != nil {
		return err
	}
	staff, err := w.staff.List(ctx)
	if err != nil {
		return err
	}
	for _, a := range staff {
		if a.Name == "Otto" {
			err = w.lead(ctx, boss, a.ID)
		}
	}
	if err != nil {
		return err
	}
	otto, err := w.comes(ctx, m, m.otto)
	if err != nil {
		return err
	}
	if err := say("Otto is an admin with a second factor", otto, otto.open(ctx, w.base+"/")); err != nil {
		return err
	}
	passkeys := &mfatest.Authenticator{Origin: w.base}
	if err := otto.open(ctx, w.base+"/mfa/passkey"); err != nil {
		return err
	}
	page, _ := mfatest.ReadPage(otto.raw)
	answer, err := passkeys.Create(page.Options)
	if err != nil {
		return err
	}
	form := url.Values{"challenge": {page.Challenge}, "answer": {answer}, "name": {"key ring"}}
	err = say("and then", otto, otto.send(ctx, http.MethodPost, w.base+"/mfa/passkey", form), otto.open(ctx, w.base+"/"))
	if err != nil {
		return err
	}
	at, err := url.Parse(w.base)
	if err != nil {
		return err
	}
	copied, err := m.visitor()
	if err != nil {
		return err
	}
	copied.client.Jar.SetCookies(at, anna.client.Jar.Cookies(at))
	err = say("Anna signs out", anna, anna.send(ctx, http.MethodPost, w.base+w.sso.SignOutPath(), url.Values{}))
	if err == nil {
		err = say("a copy of her cookie", copied, copied.open(ctx, w.base+"/"))
	}
	if err == nil {
		err = m.FrontChannelLogout(ctx, m.piet)
	}
	if err != nil {
		return err
	}
	return say("Piet signs out elsewhere", piet, piet.open(ctx, w.base+"/"))
}

// playCaller is Dana, who calls.
func (w *workplace) playCaller(ctx context.Context, m *playedTenants, mux *http.ServeMux) error {
	mail := &verifytest.Channel{Level: verify.AssuranceEmail}
	if err := w.addCallers(mux, memstore.New(), mail); err != nil {
		return err
	}
	identity, long := m.contoso.ID+"/"+m.dana.ObjectID, time.Now().AddDate(-1, 0, 0)
	c, err := w.whoCalls(ctx, verify.Subject{ID: "dana", Name: "Dana Whitfield", Destinations: []verify.Destination{
		{Channel: "signin-strong", Address: identity, FirstSeen: long}, {Channel: "signin", Address: identity, FirstSeen: long},
	}}, verify.Technician{ID: "otto", Name: "Otto"}, mspkit.Ticket{ID: "4711"})
	if err != nil {
		return err
	}
	d, err := mail.Last()
	if err != nil {
		return err
	}
	v, err := m.visitor()
	if err != nil {
		return err
	}
	m.SignIn(m.dana)
	if err := v.open(ctx, d.Link.Reveal()); err != nil {
		return err
	}
	for _, form := range visitorForm.FindAllStringSubmatch(v.text, -1) {
		if strings.Contains(form[1], "deny") {
			continue
		}
		to, err := v.at.Parse(form[1])
		if err != nil {
			return err
		}
		if err := v.press(ctx, to.Path); err != nil {
			return err
		}
		break
	}
	if err := v.press(ctx, "/number", "number", c.Number.Reveal()); err != nil {
		return err
	}
	if c, err = w.callers.Get(ctx, c.Ref, "otto"); err == nil {
		fmt.Println("Dana:", c.State, "by", c.Assurance)
	}
	return err
}
