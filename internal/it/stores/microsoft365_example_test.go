package stores_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/graphcontacts"
	"github.com/mspkit/mspkit/contacts/psacontacts"
	contactstore "github.com/mspkit/mspkit/contacts/sqlstore"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/entra/gdap"
	entrastore "github.com/mspkit/mspkit/entra/sqlstore"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/graphmail"
	"github.com/mspkit/mspkit/mail/mailtest"
	mailstore "github.com/mspkit/mspkit/mail/sqlstore"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/connectwise"
	"github.com/mspkit/mspkit/psa/psatest"
	psastore "github.com/mspkit/mspkit/psa/sqlstore"
	"github.com/mspkit/mspkit/verify/contactdest"
)

// This file is the program of docs/microsoft365.md: every block of that page stands here, word for word, and
// Example_microsoft365 runs it.

// office is what our program has for Microsoft 365. Ids and secrets come from its configuration and its secret store.
type office struct {
	cloud         entra.Cloud             // entra.PublicCloud()
	appID         string                  // the application (client) id of the app registration
	secret        mspkit.Redacted[string] // or a certificate, a federated or a managed identity: azurecred.Options
	partnerTenant string                  // our own tenant, where we are a CSP
	http          *http.Client            // nil is one of the packages' own
	db            *sql.DB
	ring          *mspkit.KeyRing

	links     *entrastore.Store // connected tenants, links that are out, the partner's token
	consent   *entra.Consent
	app       *azurecred.App
	partner   *gdap.Partner
	customers *gdap.Credentials
	directory *contactstore.Store
	syncer    *contacts.Syncer
	people    *contactdest.Resolver
	writer    *graphcontacts.Writer
	senders   *graphmail.Senders
	router    *mail.Router
	templates *mail.Templates
}

// openTables creates the tables in the database that we have anyway, and opens the store of connections.
func (o *office) openTables(ctx context.Context) (err error) {
	err = errors.Join(
		entrastore.Migrate(ctx, o.db, entrastore.SQLite, nil),
		contactstore.Migrate(ctx, o.db, contactstore.SQLite, nil),
		mailstore.Migrate(ctx, o.db, mailstore.SQLite, nil),
	)
	if err != nil {
		return err
	}
	o.links, err = entrastore.New(o.db, entrastore.SQLite, nil)
	return err
}

// addConsent mounts the pages behind consent links, and makes the credentials of the tenants that are connected by them.
func (o *office) addConsent(mux *http.ServeMux) (err error) {
	o.app, err = azurecred.NewApp(azurecred.Connected(o.links, "contacts", nil), &azurecred.Options{
		Cloud: o.cloud, ClientID: o.appID, Secret: o.secret, HTTPClient: o.http,
	})
	if err != nil {
		return err
	}
	verifier, err := entra.NewVerifier(o.cloud, o.appID, &entra.VerifierOptions{HTTPClient: o.http})
	if err != nil {
		return err
	}
	o.consent, err = entra.NewConsent(o.links, verifier, o.ring, &entra.ConsentOptions{
		Cloud: o.cloud, ClientID: o.appID, Secret: o.secret, BaseURL: "https://help.example/connect", HTTPClient: o.http,
		Integrations: []entra.Integration{{Name: "contacts", Title: "Contacts and mail", Permissions: []entra.GraphPermission{
			{Name: "User.Read.All"}, {Name: "ProfilePhoto.Read.All"}, {Name: "Organization.Read.All"}, {Name: "Mail.Send"},
		}}},
		Describe:  o.describe,
		Authorize: o.rightTenant,
		Check:     o.app.Organization,
	})
	if err != nil {
		return err
	}
	pages, err := o.consent.Handler("/connect")
	if err != nil {
		return err
	}
	mux.Handle("/connect/", pages)
	return nil
}

// describe says on the pages who asks whom.
func (o *office) describe(ctx context.Context, s entra.LinkState) (entra.Asking, error) {
	a := entra.Asking{Brand: mspkit.Brand{Name: "Northwind IT", Phone: "+1 202 555 0100"}}
	err := o.db.QueryRowContext(ctx, `SELECT name FROM customers WHERE id = ?`, string(s.Tenant)).Scan(&a.Customer)
	return a, err
}

// rightTenant refuses a tenant that is not the customer's, where we know which one that is.
func (o *office) rightTenant(ctx context.Context, _ entra.Identity, c entra.Connection) error {
	var known string
	err := o.db.QueryRowContext(ctx, `SELECT entra_id FROM customers WHERE id = ?`, string(c.Tenant)).Scan(&known)
	if err == nil && known != "" && known != c.EntraID {
		err = errors.New("this is another organisation than the one on record")
	}
	return err
}

// addPartner is for a Microsoft partner (CSP): one sign-in of a service user reaches every customer.
func (o *office) addPartner() (err error) {
	o.partner, err = gdap.NewPartner(o.links, o.ring, &gdap.Options{
		Cloud: o.cloud, PartnerTenant: o.partnerTenant, ClientID: o.appID, Secret: o.secret, HTTPClient: o.http,
		Owner: "northwind", Connections: o.links,
	})
	if err != nil {
		return err
	}
	o.customers, err = o.partner.Credentials(gdap.Connected(o.links, "northwind", "contacts", nil))
	return err
}

// addCustomers connects the customers that an administrator has chosen, and tells what is missing of the others.
func (o *office) addCustomers(ctx context.Context, chosen func(gdap.Customer) mspkit.TenantID, tell func(customer, problem string)) error {
	list, err := o.partner.Customers(ctx)
	if err != nil {
		return err
	}
	for _, c := range list {
		tenant := chosen(c)
		switch {
		case c.Problem != "":
			tell(c.Name, c.Problem) // no relationship, or roles that it lacks, by name
			continue
		case tenant == "":
			continue
		}
		err := o.partner.Consent(ctx, c.EntraID, gdap.Grant{Scopes: []string{"User.Read.All", "ProfilePhoto.Read.All"}})
		if err == nil {
			_, err = o.partner.Connect(ctx, c, tenant, "contacts")
		}
		if err != nil {
			tell(c.Name, entra.Problem(err)) // the others go on
		}
	}
	return nil
}

// TenantCredential implements azurecred.TenantCredentials, for everything that reads from Graph.
func (o *office) TenantCredential(_ context.Context, tenant mspkit.TenantID) (azcore.TokenCredential, error) {
	return eitherWay{o, tenant}, nil
}

// eitherWay is the credential of a tenant. It looks for each token how the tenant is connected, because that may change.
type eitherWay struct {
	o      *office
	tenant mspkit.TenantID
}

// GetToken implements azcore.TokenCredential.
func (e eitherWay) GetToken(ctx context.Context, r policy.TokenRequestOptions) (azcore.AccessToken, error) {
	c, err := e.o.links.Connection(ctx, e.tenant, "contacts")
	if err != nil {
		return azcore.AccessToken{}, err
	}
	var way azurecred.TenantCredentials = e.o.app
	if c.Via == entra.ViaGDAP {
		way = e.o.customers
	}
	cred, err := way.TenantCredential(ctx, e.tenant)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	return cred.GetToken(ctx, r)
}

// known is how long whoever is there at the first sync is taken to have had their addresses.
const known = 365 * 24 * time.Hour

// addDirectory makes the directory and what keeps it in step with Microsoft 365 and the ticket system. Without a queue
// the syncer is a loop in this process.
func (o *office) addDirectory(tickets psa.ContactLister, mappings psa.MappingStore, queue mspkit.Queue) error {
	graph := &graphcontacts.Options{Cloud: o.cloud, HTTPClient: o.http, Region: "US"}
	users, err := graphcontacts.New(o, graph)
	if err != nil {
		return err
	}
	photos, err := graphcontacts.NewPhotos(o, graph)
	if err != nil {
		return err
	}
	fromTickets, err := psacontacts.New(tickets, mappings, "connectwise", &psacontacts.Options{Region: "US"})
	if err != nil {
		return err
	}
	o.directory, err = contactstore.New(o.db, contactstore.SQLite, &contactstore.Options{Precedence: contacts.Precedence{
		Default: []string{"entra", "connectwise"},
		Of:      map[contacts.Field][]string{contacts.FieldCompany: {"connectwise"}},
	}})
	if err != nil {
		return err
	}
	sources := map[string]contacts.ContactSource{"entra": users, "connectwise": fromTickets}
	o.syncer, err = contacts.NewSyncer(o.directory, sources, &contacts.SyncerOptions{
		Queue: queue, Known: known, Hook: o.tellManager,
		Photos: map[string]contacts.PhotoSource{"entra": photos},
	})
	return err
}

// firstSync shows an administrator what the first sync of a tenant would do, does it where they agree, and goes on
// regularly from then on.
func (o *office) firstSync(ctx context.Context, job contacts.Job, agree func([]contacts.Event, contacts.Report) bool) error {
	events, report, err := o.syncer.Plan(ctx, job, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", report.Why, err)
	}
	if !agree(events, report) {
		return nil
	}
	if report, err = o.syncer.Sync(ctx, job, nil); err != nil {
		return fmt.Errorf("%s: %w", report.Why, err) // Why is for the administrator
	}
	return o.syncer.Schedule(ctx, job, report.Ended.Add(contacts.DefaultEvery))
}

// syncAll reads every connected tenant now. When ctx ends it stops after the page in hand; called again, it goes on there.
func (o *office) syncAll(ctx context.Context, show func(contacts.Progress)) ([]contacts.Report, error) {
	list, err := o.links.Connections(ctx, "northwind")
	if err != nil {
		return nil, err
	}
	var todo []contacts.Job
	for _, c := range list {
		todo = append(todo, contacts.Job{Tenant: c.Tenant, Source: "entra"})
	}
	return o.syncer.SyncAll(ctx, todo, nil, show) // show: tenants, pages, contacts, rate, time left
}

// tellManager writes to who leads somebody who has joined or left. The syncer calls it until it returns nil.
func (o *office) tellManager(ctx context.Context, e contacts.Event) error {
	if e.First || e.Manager == "" || e.Kind != contacts.Joined && e.Kind != contacts.Left {
		return nil // First: whoever was there when the tenant was listed first needs no welcome
	}
	boss, err := o.directory.Get(ctx, e.Tenant, e.Manager)
	if errors.Is(err, contacts.ErrNotFound) || err == nil && len(boss.Emails) == 0 {
		return nil // nobody to tell: an error would come again for ever
	}
	if err != nil {
		return err
	}
	heading := "Somebody has joined your team"
	if e.Kind == contacts.Left {
		heading = "Somebody has left your team"
	}
	subject, text, html, err := o.templates.Render(mail.Notification, boss.Locale, mail.Data{
		Tenant: e.Tenant, Brand: mspkit.Brand{Name: "Northwind IT"}, Name: boss.Name, Heading: heading, Lines: []string{e.Name}, At: e.At,
	})
	if err != nil {
		return err
	}
	_, err = o.router.Send(ctx, &mail.Message{
		Tenant: e.Tenant, To: mail.Address{Name: boss.Name, Email: boss.Emails[0].Value}, Subject: subject, Text: text, HTML: html,
		Kind: mail.Notification, Key: fmt.Sprintf("%s/%d", e.Tenant, e.Seq), // the same where the event comes again
	})
	return err
}

// addSubjects makes subjects of verifications from the directory: each address with its age.
func (o *office) addSubjects() (err error) {
	o.people, err = contactdest.New(o.directory, &contactdest.Options{
		Channels: []contactdest.Channel{
			{Name: "teams", Takes: contactdest.Entra}, {Name: "sms", Takes: contactdest.Phone}, {Name: "email", Takes: contactdest.Email},
		},
		EntraTenant: func(ctx context.Context, tenant mspkit.TenantID) (string, error) {
			c, err := o.links.Connection(ctx, tenant, "contacts")
			if errors.Is(err, entra.ErrNotConnected) {
				return "", nil
			}
			return c.EntraID, err
		},
		Known: known,
	})
	return err
}

// addWriter is opt-in: without it nothing here changes anything in Microsoft 365.
func (o *office) addWriter() (err error) {
	o.writer, err = graphcontacts.NewWriter(o, o.note, &graphcontacts.Options{Cloud: o.cloud, HTTPClient: o.http})
	return err
}

// note keeps each attempt where nobody can change it. Where it fails, nothing is written.
func (o *office) note(ctx context.Context, a graphcontacts.Attempt) error {
	_, err := o.db.ExecContext(ctx, `INSERT INTO attempts (tenant, user, who, reason, outcome, why, at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		string(a.Tenant), a.User, a.By, a.Reason, string(a.Outcome), a.Why, a.At)
	return err
}

// writePhone writes a number to Microsoft 365. The directory then knows who typed it, so that it verifies nobody.
func (o *office) writePhone(ctx context.Context, w contacts.PhoneWrite) error {
	if err := o.writer.WritePhones(ctx, w); err != nil {
		return err // graphcontacts.Explain says it in words
	}
	return o.directory.Wrote(ctx, w, time.Now())
}

// addMail lets each client's people hear from their own shared mailbox, and everybody else from ours.
func (o *office) addMail(platform mail.Mailer, fellBack func(context.Context, mail.FallbackCase)) error {
	client, err := graphmail.New(o.app, &graphmail.Options{Cloud: o.cloud, HTTPClient: o.http})
	if err != nil {
		return err
	}
	store, err := mailstore.New(o.db, mailstore.SQLite, nil)
	if err != nil {
		return err
	}
	if o.senders, err = graphmail.NewSenders(client, store); err != nil {
		return err
	}
	if o.templates, err = mail.NewTemplates(nil); err != nil {
		return err
	}
	o.router, err = mail.NewRouter(platform, o.senders, &mail.RouterOptions{Fallback: mail.FallbackNotSetUp, OnFallback: fellBack})
	return err
}

// chooseSender makes a shared mailbox the sender of a tenant and sends the administrator a test through it.
func (o *office) chooseSender(ctx context.Context, tenant mspkit.TenantID, mailbox, admin string) error {
	if _, err := o.senders.Choose(ctx, tenant, mailbox, "", admin); err != nil {
		return err // a person's mailbox, a room, a missing permission: the text says which
	}
	_, err := o.senders.Test(ctx, o.templates, mail.TestMail{
		Tenant: tenant, Name: mail.VerificationLink, Brand: mspkit.Brand{Name: "Northwind IT"}, To: mail.Address{Email: admin},
	})
	return err
}

// restrict returns what the client's administrator runs, so that we can send from this mailbox and no other.
func (o *office) restrict(mailbox, enterpriseAppObjectID string) (string, error) {
	return graphmail.Restriction{
		ClientID: o.appID, ObjectID: enterpriseAppObjectID, Name: "Northwind IT", Mailbox: mail.Address{Email: mailbox}, Read: true,
	}.PowerShell()
}

// playedMicrosoft is Microsoft 365 with the customers Contoso, who gets a consent link, and Fabrikam, whom we reach by GDAP.
type playedMicrosoft struct {
	*entratest.Server
	graph             *graphfake.Server
	app               *entratest.App
	admin, service    *entratest.User
	other             *entratest.User // administers Fabrikam
	contoso, fabrikam *graphfake.Tenant
	home              *entratest.Tenant
	leader, dana      string
}

func playMicrosoft() (*playedMicrosoft, error) {
	m := &playedMicrosoft{}
	m.graph = graphfake.New(&graphfake.Options{BasePath: "/graph", Token: func(bearer string) (string, bool) { return m.AccessTokenTenant(bearer) }})
	var err error
	m.Server, err = entratest.Start(&entratest.Options{Graph: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.URL.Path = "/graph" + r.URL.Path // Graph's links are whole
		m.graph.ServeHTTP(w, r)
	})})
	if err != nil {
		return nil, err
	}
	m.app = m.AddApp(entratest.App{
		Name: "Northwind IT", Secret: "of the example", RedirectURIs: []string{"https://help.example/connect/callback"},
		Permissions: []string{"User.Read.All", "ProfilePhoto.Read.All", "MailboxSettings.Read", "Mail.Send", "User-Phone.ReadWrite.All", "Directory.Read.All"},
	})
	m.home = m.AddTenant("Northwind IT", "northwind.example")
	m.service = m.home.AddUser(entratest.User{Name: "Service", Username: "service@northwind.example"})
	home := m.graph.AddTenant(m.home.ID, "Northwind IT", "northwind.example")

	contoso := m.AddTenant("Contoso Ltd", "contoso.example")
	m.admin = contoso.AddUser(entratest.User{Name: "Anna Admin", Username: "anna@contoso.example", Admin: true})
	m.contoso = m.graph.AddTenant(contoso.ID, "Contoso Ltd", "contoso.example")
	m.leader = m.contoso.Put(graphfake.User{DisplayName: "Ruth Okonkwo", Mail: "ruth@contoso.example", Licences: []string{"SPE_E3"}})
	m.dana = m.contoso.Put(graphfake.User{
		DisplayName: "Dana Whitfield", Mail: "dana@contoso.example", MobilePhone: "(202) 555-0143", ManagerID: m.leader, Licences: []string{"SPE_E3"},
	})
	m.contoso.Put(graphfake.User{DisplayName: "Contoso Helpdesk", Mail: "helpdesk@contoso.example", Disabled: true, Purpose: "shared"})

	fabrikam := m.AddTenant("Fabrikam", "fabrikam.example")
	m.other = fabrikam.AddUser(entratest.User{Name: "Otto Admin", Username: "otto@fabrikam.example", Admin: true})
	fabrikam.Admit(m.service)
	fabrikam.Consent(m.app.ID)
	m.fabrikam = m.graph.AddTenant(fabrikam.ID, "Fabrikam", "fabrikam.example")
	m.fabrikam.Put(graphfake.User{DisplayName: "Omar Haddad", Mail: "omar@fabrikam.example"})
	home.Relate(graphfake.Relationship{
		Customer: fabrikam.ID, CustomerName: "Fabrikam", Roles: []string{gdap.ApplicationAdministrator, gdap.UserAdministrator},
		Group: "5b1c1f8e-3f52-4d59-9a0a-0d8f7f3f2a11",
	})
	home.Relate(graphfake.Relationship{
		Customer: m.AddTenant("Tailspin", "tailspin.example").ID, CustomerName: "Tailspin", Roles: []string{gdap.UserAdministrator},
		Group: "5b1c1f8e-3f52-4d59-9a0a-0d8f7f3f2a11",
	})
	return m, nil
}

func (m *playedMicrosoft) cloud() entra.Cloud {
	c := m.Cloud()
	c.PartnerCenter, c.PartnerCenterScope = c.Graph, "https://api.partnercenter.microsoft.com/.default"
	return c
}

// follows is an administrator who follows a link in a browser, presses its button, consents and signs in.
func (m *playedMicrosoft) follows(who *entratest.User, link string, front *httptest.Server) error {
	m.SignIn(who)
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	browser := &http.Client{Jar: jar, Transport: theWorld{m.Client().Transport, front}}
	res, err := browser.Post(link, "application/x-www-form-urlencoded", http.NoBody)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err == nil && !strings.Contains(string(page), "<h1>Connected</h1>") {
		err = fmt.Errorf("not connected: %s", page)
	}
	return err
}

// theWorld has help.example besides Microsoft.
type theWorld struct {
	microsoft http.RoundTripper
	front     *httptest.Server
}

func (w theWorld) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "help.example" {
		return w.microsoft.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "http", w.front.Listener.Addr().String()
	return http.DefaultTransport.RoundTrip(r)
}

// Example_microsoft365 plays the page: Microsoft 365 and the ticket system are played by entratest, graphfake and psatest.
func Example_microsoft365() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := microsoft365Page(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// contoso: connected by consent
	// Tailspin: no GDAP relationship has Application Administrator: ask the customer to approve one with it
	// fabrikam: connected by gdap
	// contoso from entra: 2 join, 0 change, 0 leave
	// contoso from connectwise: 0 join, 1 change, 0 leave
	// Dana Whitfield of Contoso Limited has sources connectwise and entra
	// contoso: 0 new; fabrikam: 1 new
	// verified by sms, known for a year: true
	// then typed by jane
	// written to Ruth Okonkwo: Northwind IT: Somebody has joined your team, by the platform
	// a test went from helpdesk@contoso.example to jane@northwind.example
	// the script names the mailbox: true
	// fabrikam: a token of the service user, then of the application
}

func microsoft365Page(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "mspkit-microsoft365-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // a temporary folder
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "x.db")+"?_pragma=journal_mode(wal)&_pragma=busy_timeout(5000)")
	if err != nil {
		return err
	}
	defer db.Close() // a test of its own
	m, err := playMicrosoft()
	if err != nil {
		return err
	}
	defer m.Close()
	_, err = db.ExecContext(ctx, `CREATE TABLE customers (id TEXT, name TEXT, entra_id TEXT);
		CREATE TABLE attempts (tenant TEXT, user TEXT, who TEXT, reason TEXT, outcome TEXT, why TEXT, at TIMESTAMP);
		INSERT INTO customers VALUES ('contoso', 'Contoso', '`+m.contoso.ID+`'), ('fabrikam', 'Fabrikam', '')`)
	if err != nil {
		return err
	}
	o := &office{cloud: m.cloud(), appID: m.app.ID, secret: mspkit.Redact(m.app.Secret), partnerTenant: m.home.ID, http: m.Client(), db: db}
	if o.ring, err = mspkit.NewKeyRing(mspkit.NewKey("2026-11")); err != nil {
		return err
	}
	var platform mailtest.Mailer
	mux := http.NewServeMux()
	front := httptest.NewServer(mux)
	defer front.Close()
	err = o.openTables(ctx)
	for _, step := range []func() error{
		func() error { return o.addConsent(mux) }, o.addPartner,
		func() error { return o.addMail(&platform, func(context.Context, mail.FallbackCase) {}) },
		func() error { return o.connectAll(ctx, m, front) },
		func() error { return o.readAll(ctx, dir) }, o.addSubjects, o.addWriter,
		func() error { return o.verifyDana(ctx, m) },
		func() error { return o.joiner(ctx, m, &platform) },
		func() error { return o.sender(ctx, m) },
		func() error { return o.anotherWay(ctx, m, front) },
	} {
		if err == nil {
			err = step()
		}
	}
	return err
}

// connectAll connects Contoso by a link and Fabrikam by GDAP.
func (o *office) connectAll(ctx context.Context, m *playedMicrosoft, front *httptest.Server) error {
	link, err := o.consent.Link(ctx, "contoso", "northwind", "contacts")
	if err != nil {
		return err
	}
	if err := m.follows(m.admin, link, front); err != nil {
		return err
	}
	c, err := o.links.Connection(ctx, "contoso", "contacts")
	if err != nil {
		return err
	}
	fmt.Println("contoso: connected by", c.Via)

	if err := o.partner.SignIn(ctx, mspkit.Redact(m.RefreshToken(m.service, m.app.ID)), "anna@northwind.example"); err != nil {
		return err
	}
	ours := map[string]mspkit.TenantID{"Fabrikam": "fabrikam"}
	err = o.addCustomers(ctx, func(c gdap.Customer) mspkit.TenantID { return ours[c.Name] }, func(customer, problem string) {
		fmt.Println(customer+":", problem)
	})
	if err != nil {
		return err
	}
	if c, err = o.links.Connection(ctx, "fabrikam", "contacts"); err == nil {
		fmt.Println("fabrikam: connected by", c.Via)
	}
	return err
}

// readAll reads Contoso from both sources, and then everybody.
func (o *office) readAll(ctx context.Context, dir string) (err error) {
	desk := psatest.NewDesk(nil)
	company := desk.PutCompany(psa.Company{Name: "Contoso Limited", Active: true})
	desk.PutContact(psa.Contact{
		Company: psa.Named{ID: company.ID, Name: company.Name}, Name: "Dana Whitfield", FirstName: "Dana", LastName: "Whitfield",
		Emails: []string{"dana@contoso.example"}, Active: true,
	})
	server, err := psatest.NewConnectWise(desk, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	client, err := connectwise.New("na.myconnectwise.net", psatest.ConnectWiseCompany, connectwise.Credentials{
		PublicKey: mspkit.Redact(psatest.ConnectWisePublicKey), PrivateKey: mspkit.Redact(psatest.ConnectWisePrivateKey),
		ClientID: mspkit.Redact(psatest.ConnectWiseClientID),
	}, &connectwise.Options{BaseURL: server.URL})
	if err != nil {
		return err
	}
	if err := psastore.Migrate(ctx, o.db, psastore.SQLite, nil); err != nil {
		return err
	}
	mappings, err := psastore.New(o.db, psastore.SQLite, nil)
	if err != nil {
		return err
	}
	if err := mappings.SaveMapping(ctx, psa.Mapping{System: "connectwise", CompanyID: company.ID, CompanyName: company.Name, Tenant: "contoso", By: "jane"}); err != nil {
		return err
	}
	if err := o.addDirectory(client, mappings, nil); err != nil {
		return err
	}
	for _, source := range []string{"entra", "connectwise"} {
		job := contacts.Job{Tenant: "contoso", Source: source}
		err := o.firstSync(ctx, job, func(_ []contacts.Event, r contacts.Report) bool {
			fmt.Printf("%s from %s: %d join, %d change, %d leave\n", job.Tenant, source, r.Joined, r.Changed, r.Left)
			return true
		})
		if err != nil {
			return err
		}
	}
	found, err := o.directory.Find(ctx, contacts.Search{Tenant: "contoso", Phone: "+12025550143"})
	if err != nil || len(found) != 1 || len(found[0].Sources) != 2 {
		return fmt.Errorf("Dana is not one person of two sources: %v, %w", found, err)
	}
	fmt.Println(found[0].Name, "of", found[0].Company, "has sources connectwise and entra")
	reports, err := o.syncAll(ctx, nil)
	if err != nil || len(reports) != 2 {
		return fmt.Errorf("not everybody was read: %v, %w", reports, err)
	}
	fmt.Printf("contoso: %d new; fabrikam: %d new\n", reports[0].Joined, reports[1].Joined)
	return errors.Join(reports[0].Err, reports[1].Err)
}

// verifyDana looks at what of Dana's is worth something, before and after a technician has typed a number.
func (o *office) verifyDana(ctx context.Context, m *playedMicrosoft) error {
	dana, err := o.directory.BySource(ctx, "contoso", "entra", m.dana)
	if err != nil {
		return err
	}
	subject, err := o.people.Subject(ctx, "contoso", dana.ID)
	if err != nil {
		return err
	}
	for _, d := range subject.Destinations {
		if d.Channel == "sms" {
			fmt.Println("verified by sms, known for a year:", time.Since(d.FirstSeen) >= known)
		}
	}
	number := "+12025550177"
	err = o.writePhone(ctx, contacts.PhoneWrite{
		Tenant: "contoso", ID: dana.ID, Source: "entra", SourceID: m.dana, Mobile: &number, By: "jane", Reason: "a new phone",
	})
	if err != nil {
		return err
	}
	if subject, err = o.people.Subject(ctx, "contoso", dana.ID); err != nil {
		return err
	}
	for _, d := range subject.Destinations {
		if d.Address == number {
			fmt.Println("then typed by", d.TypedBy)
		}
	}
	return nil
}

// joiner is somebody who joins Contoso.
func (o *office) joiner(ctx context.Context, m *playedMicrosoft, platform *mailtest.Mailer) error {
	m.contoso.Put(graphfake.User{DisplayName: "Noor Rahman", Mail: "noor@contoso.example", ManagerID: m.leader, Licences: []string{"SPE_E3"}})
	if _, err := o.syncer.Sync(ctx, contacts.Job{Tenant: "contoso", Source: "entra"}, nil); err != nil {
		return err
	}
	if err := o.syncer.RunOnce(ctx); err != nil {
		return err
	}
	for _, msg := range platform.Messages() {
		fmt.Printf("written to %s: %s, by the platform\n", msg.To.Name, msg.Subject)
	}
	return nil
}

// sender makes Contoso's shared mailbox their sender.
func (o *office) sender(ctx context.Context, m *playedMicrosoft) error {
	if err := o.chooseSender(ctx, "contoso", "helpdesk@contoso.example", "jane@northwind.example"); err != nil {
		return err
	}
	for _, sent := range m.contoso.Sent() {
		fmt.Println("a test went from", sent.Address, "to", sent.To[0].Address)
	}
	script, err := o.restrict("helpdesk@contoso.example", "9b8a7c6d-1111-4222-8333-444455556666")
	fmt.Println("the script names the mailbox:", strings.Contains(script, "'helpdesk@contoso.example'"))
	return err
}

// anotherWay connects Fabrikam by a link after all, which whoever has its credential need not be told.
func (o *office) anotherWay(ctx context.Context, m *playedMicrosoft, front *httptest.Server) error {
	cred, err := o.TenantCredential(ctx, "fabrikam")
	if err != nil {
		return err
	}
	whose := func() (string, error) {
		token, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{o.cloud.Scope()}})
		if claims, ok := m.AccessClaims(token.Token); err == nil && ok && claims["oid"] == m.service.ObjectID {
			return "the service user", nil
		}
		return "the application", err
	}
	before, err := whose()
	if err != nil {
		return err
	}
	link, err := o.consent.LinkTo(ctx, "fabrikam", "northwind", "contacts", m.fabrikam.ID)
	if err != nil {
		return err
	}
	if err := m.follows(m.other, link, front); err != nil {
		return err
	}
	after, err := whose()
	fmt.Printf("fabrikam: a token of %s, then of %s\n", before, after)
	return err
}
