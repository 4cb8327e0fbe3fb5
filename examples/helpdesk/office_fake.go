package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp/workflows/workflowstest"
)

// playedOffice plays Microsoft 365: Entra, where administrators consent and tokens come from, and Graph with three tenants.
type playedOffice struct {
	*entratest.Server
	graph   *graphfake.Server
	appID   string
	secret  string
	tenants []*playedTenant

	mu    sync.Mutex
	urls  []string                   // of the instances of the program, to which browsers are sent back
	desks map[string][]string        // the same for those who sign in, by application
	staff map[string]*entratest.User // of the MSP's own tenant, by the host's id
	clock func() time.Time

	installs func(tenant, user string, on bool) // is told of apps in Teams
	notifier *graphfake.Notifier
	telling  sync.Mutex
	flows    *workflowstest.Server
}

type playedTenant struct {
	id     mspkit.TenantID // the helpdesk's
	name   string
	people int
	entra  *entratest.Tenant
	graph  *graphfake.Tenant
	admin  *entratest.User
	joined int
	chat   string // of two of its people
}

// The tenants that the demonstration's Microsoft 365 has, with 5,000 people together. Woodgrove is no client of the ticket
// system yet.
var officeTenants = []playedTenant{
	{id: "contoso", name: "Contoso", people: 1500}, {id: "fabrikam", name: "Fabrikam", people: 2500}, {id: "woodgrove", name: "Woodgrove", people: 1000},
}

var officeIDs = map[mspkit.TenantID]string{"contoso": contosoEntra, "fabrikam": fabrikamEntra, "woodgrove": "5d7f20b3-9a41-4c6e-8b12-e0f3a96c7d03"}

// graphBase is where Graph is on the server that plays all of Microsoft 365.
const graphBase = "/graph"

func playOffice() (*playedOffice, error) {
	o := &playedOffice{
		appID: "3f6c9d21-7b54-4e08-a1c9-6d2e8f047b11", secret: mspkit.NewKey("o").Export().Reveal(), clock: time.Now,
		staff: map[string]*entratest.User{}, desks: map[string][]string{},
	}
	o.graph = graphfake.New(&graphfake.Options{
		BasePath: graphBase, Now: o.now, OnInstall: o.installed, Token: func(bearer string) (string, bool) { return o.AccessTokenTenant(bearer) },
	})
	o.notifier = o.graph.NewNotifier(graphfake.NotifierOptions{App: o.appID})
	var err error
	// A token lives long here, because the demonstration's clock can be moved.
	o.Server, err = entratest.Start(&entratest.Options{PlainHTTP: true, Forms: true, Graph: below(graphBase, o.graph), Now: o.now, TokenLife: 24 * 365 * time.Hour})
	if err != nil {
		return nil, err
	}
	at := time.Now()
	for _, t := range officeTenants {
		domain := string(t.id) + ".example"
		t.entra = o.AddTenantWithID(officeIDs[t.id], t.name, domain)
		t.graph = o.graph.AddTenant(t.entra.ID, t.name, domain)
		t.admin = t.entra.AddUser(entratest.User{Name: t.name + "'s administrator", Username: "admin@" + domain, Admin: true})
		t.fill(people(at, config{}))
		for _, p := range people(at, config{}) {
			if tid, oid, ok := strings.Cut(p.Entra, "/"); ok && tid == t.entra.ID { // they can sign in, too
				t.entra.AddUser(entratest.User{ObjectID: oid, Name: p.Name, Username: p.ID + "@" + domain})
			}
		}
		o.notifier.Follow(t.graph)
		o.tenants = append(o.tenants, &t)
	}
	msp := o.AddTenantWithID(northwindEntra, brand.Name, "northwind.example")
	for _, a := range append(slices.Clone(demoStaff), newColleague) {
		o.staff[a.ID] = msp.AddUser(entratest.User{ObjectID: a.ObjectID, Name: a.Name, Username: a.ID + "@northwind.example", Admin: a.Role == entra.RoleAdmin})
	}
	return o, nil
}

// fill puts the demonstration's people among as many others as there are to be, and a shared mailbox.
func (t *playedTenant) fill(ps []person) {
	domain := string(t.id) + ".example"
	known := 0
	for _, p := range ps {
		if p.Tenant == t.id {
			known++
		}
	}
	const besides = 2 // the head of IT and the shared mailbox
	t.graph.Seed(t.people-known-besides, 7)
	boss := t.graph.Put(graphfake.User{
		ID: officeIDs[t.id][:24] + "b0550000b055", DisplayName: "Ruth Okonkwo", GivenName: "Ruth", Surname: "Okonkwo", JobTitle: "Head of IT",
		Mail: "ruth.okonkwo@" + domain, Licences: []string{"SPE_E3"}, Photo: face(200),
	})
	t.graph.Put(graphfake.User{
		ID: officeIDs[t.id][:24] + "5a4ed0005a4e", DisplayName: t.name + " Helpdesk", Mail: "helpdesk@" + domain, Disabled: true, Purpose: "shared",
	})
	for i, p := range ps {
		if p.Tenant != t.id {
			continue
		}
		_, oid, ok := strings.Cut(p.Teams, "/")
		if !ok {
			oid = fmt.Sprintf("%s%012x", officeIDs[t.id][:24], i+1)
		}
		u := graphfake.User{
			ID: oid, DisplayName: p.Name, GivenName: p.FirstName, Surname: strings.TrimSpace(strings.TrimPrefix(p.Name, p.FirstName)), JobTitle: p.JobTitle,
			CompanyName: t.name, ManagerID: boss, Licences: []string{"SPE_E3"}, Photo: face(i * 61), PreferredLanguage: p.Locale,
		}
		for _, a := range p.Emails {
			u.Mail = a.Value
		}
		for _, a := range p.Phones {
			u.MobilePhone = a.Value
		}
		t.graph.Put(u)
	}
}

// face draws a picture of somebody who does not exist: a head and shoulders.
func face(hue int) []byte {
	const size = 96
	img := image.NewRGBA(image.Rect(0, 0, size, size))
	shade := func(n int) uint8 { return uint8(90 + (hue*7+n)%120) }
	back, body := color.RGBA{shade(0), shade(40), shade(80), 255}, color.RGBA{245, 240, 232, 255}
	for y := range size {
		for x := range size {
			dx, head, chest := x-size/2, y-36, y-108
			if dx*dx+head*head < 18*18 || dx*dx+chest*chest < 44*44 {
				img.SetRGBA(x, y, body)
			} else {
				img.SetRGBA(x, y, back)
			}
		}
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img) // into memory
	return b.Bytes()
}

// below gives h the path that it had before a prefix was taken away, because Graph's links are whole.
func below(prefix string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r2 := r.Clone(r.Context())
		r2.URL.Path = prefix + r.URL.Path
		if r.URL.RawPath != "" {
			r2.URL.RawPath = prefix + r.URL.RawPath
		}
		h.ServeHTTP(w, r2)
	})
}

func (o *playedOffice) now() time.Time {
	o.mu.Lock()
	clock := o.clock
	o.mu.Unlock()
	return clock()
}

// serves tells Microsoft 365 where an instance of the program is.
func (o *playedOffice) serves(redirectURL string, clock func() time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clock = clock
	if !slices.Contains(o.urls, redirectURL) {
		o.urls = append(o.urls, redirectURL)
	}
	o.AddApp(entratest.App{
		ID: o.appID, Name: "Northwind IT", Secret: o.secret, RedirectURIs: slices.Clone(o.urls),
		Permissions: []string{
			"User.Read.All", "ProfilePhoto.Read.All", "MailboxSettings.Read", "Mail.Send", "AppCatalog.Read.All",
			"TeamsAppInstallation.ReadWriteSelfForUser.All", "Chat.Read.All",
		},
	})
}

// signsIn tells Entra where people are sent back to who sign in to an application.
func (o *playedOffice) signsIn(appID, name string, redirects ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, at := range redirects {
		if !slices.Contains(o.desks[appID], at) {
			o.desks[appID] = append(o.desks[appID], at)
		}
	}
	o.AddApp(entratest.App{ID: appID, Name: name, Secret: o.secret, RedirectURIs: slices.Clone(o.desks[appID])})
}

func (o *playedOffice) tenant(id mspkit.TenantID) *playedTenant {
	i := slices.IndexFunc(o.tenants, func(t *playedTenant) bool { return t.id == id })
	if i < 0 {
		return nil
	}
	return o.tenants[i]
}

var joiners = []string{"Noor Rahman", "Tomás Vidal", "Greta Lindqvist", "Kofi Mensah", "Yuki Tanabe", "Elif Demir", "Paolo Greco", "Maeve Brennan"}

// joins hires somebody, as the client's own people department does.
func (o *playedOffice) joins(t *playedTenant) string {
	o.mu.Lock()
	n := t.joined
	t.joined++
	o.mu.Unlock()
	name := joiners[n%len(joiners)]
	first, last, _ := strings.Cut(name, " ")
	boss := officeIDs[t.id][:24] + "b0550000b055"
	address := strings.ToLower(first) + strconv.Itoa(n+1) + "@" + string(t.id) + ".example"
	t.graph.Put(graphfake.User{
		DisplayName: name, GivenName: first, Surname: last, JobTitle: "New colleague", CompanyName: t.name, Mail: strings.ReplaceAll(address, "á", "a"),
		MobilePhone: fmt.Sprintf("+1202555%04d", 100+n%100), ManagerID: boss, Licences: []string{"SPE_E3"}, Photo: face(300 + n*37),
	})
	return name
}

// leaves lets the one go who joined last, or else somebody of the others.
func (o *playedOffice) leaves(t *playedTenant) string {
	all := t.graph.Users()
	for _, u := range slices.Backward(all) {
		if u.JobTitle == "New colleague" || t.joined == 0 && !u.Disabled && u.ManagerID != "" && u.CompanyName != t.name && u.Purpose == "" {
			t.graph.Delete(u.ID, false)
			return u.DisplayName
		}
	}
	return ""
}

var (
	blocks = regexp.MustCompile(`(?s)<(style|head|title)[^>]*>.*?</(style|head|title)>`)
	hrefs  = regexp.MustCompile(`href="([^"]+)"`)
	markup = regexp.MustCompile(`<[^>]*>`)
	gaps   = regexp.MustCompile(`\s*\n\s*`)
)

// sent is what the client's own mailboxes have sent to an address, as it arrives there.
func (o *playedOffice) sent(to map[string]bool) []arrival {
	var out []arrival
	for _, t := range o.tenants {
		for _, m := range t.graph.Sent() {
			if len(m.To) == 0 || !to[strings.ToLower(m.To[0].Address)] {
				continue
			}
			text := m.Content
			if m.ContentType == "html" {
				link := ""
				if found := hrefs.FindStringSubmatch(text); found != nil {
					link = "\n" + found[1]
				}
				text = strings.TrimSpace(gaps.ReplaceAllString(markup.ReplaceAllString(blocks.ReplaceAllString(text, ""), "\n"), "\n"))
				text = entities.Replace(text + link)
			}
			out = append(out, arrival{device: "mail", to: m.To[0].Address, from: m.From.Name + " <" + m.From.Address + ">", subject: m.Subject, text: text, at: m.At})
		}
	}
	return out
}

var entities = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">", "&#34;", `"`, "&#39;", "'", "&nbsp;", " ", "&#160;", " ")

// officeCredentials reach the tenants that are connected. A host with a real Microsoft 365 takes entra/azurecred or
// entra/gdap, which speak https only.
type officeCredentials struct {
	store entra.ConnectionStore
	o     *playedOffice
}

// TenantCredential implements azurecred.TenantCredentials.
func (c officeCredentials) TenantCredential(_ context.Context, tenant mspkit.TenantID) (azcore.TokenCredential, error) {
	return officeCredential{c, tenant}, nil
}

type officeCredential struct {
	officeCredentials
	tenant mspkit.TenantID
}

// GetToken asks for a token of the tenant that is connected now: a connection that was released gives none.
func (c officeCredential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	conn, err := c.store.Connection(ctx, c.tenant, officeIntegration)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	cfg := clientcredentials.Config{ClientID: c.o.appID, ClientSecret: c.o.secret, TokenURL: c.o.URL() + "/" + conn.EntraID + "/oauth2/v2.0/token", Scopes: o.Scopes}
	t, err := cfg.Token(ctx)
	if err != nil {
		return azcore.AccessToken{}, fmt.Errorf("no token for %s: %w", conn.Name, err)
	}
	return azcore.AccessToken{Token: t.AccessToken, ExpiresOn: t.Expiry}, nil
}
