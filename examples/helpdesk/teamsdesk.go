package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
	"github.com/mspkit/mspkit/teamsapp/graphteams"
	"github.com/mspkit/mspkit/teamsapp/workflows"
	"github.com/mspkit/mspkit/teamsapp/workflows/workflowstest"
)

const (
	feedPath = "/graph" // where Microsoft Graph tells of changes
	flowName = "helpdesk"
	maxHeard = 50
)

// teamsDesk is the helpdesk's own app in the clients' Teams, the channel that hears of new messages, and the chats that
// are followed.
type teamsDesk struct {
	apps    *graphteams.Client
	channel *workflows.Service
	feed    *changefeed.Feed
	file    string // keeps what was packaged last
	botID   string
	graphID string

	mu    sync.Mutex
	saved packaged
	app   *teamsapp.Package
	heard []heard // the oldest first
}

// packaged is what a host keeps of its app, so that the version rises only with the content.
type packaged struct {
	BotID, Accent string
	teamsapp.Published
}

// heard is a message of a chat that is followed.
type heard struct {
	id           string
	tenant       mspkit.TenantID
	name, text   string
	at           time.Time
	late, edited bool
}

// openTeamsDesk is called when the bot and Microsoft 365 are there.
func (a *app) openTeamsDesk(ring *mspkit.KeyRing, s stores) error {
	o := a.office
	d := &teamsDesk{file: filepath.Join(a.cfg.dir, "teams-app.json"), botID: a.bot.AppID(), graphID: o.fake.appID}
	a.teamsDesk = d
	creds := officeCredentials{o.store, o.fake}
	var err error
	if d.apps, err = graphteams.New(creds, &graphteams.Options{Cloud: o.fake.Cloud(), Logger: a.cfg.log, Now: a.now}); err != nil {
		return err
	}
	if err := d.load(); err != nil {
		return err
	}
	// A real host's flows are Microsoft's: InsecureLoopback stays off there, and a Logger is told of it where it does not. Here
	// the flows are this program's own, and who starts it has nothing to be warned of.
	if d.channel, err = workflows.New(s.flows, ring, &workflows.Options{InsecureLoopback: true, Poll: time.Second, Now: a.now}); err != nil {
		return err
	}
	base := or(a.cfg.publicURL, a.cfg.url)
	if b := a.cfg.beside; b != nil {
		base = b.cfg.url
	}
	d.feed, err = changefeed.New(changefeed.App{IDs: []string{o.fake.appID}, URL: base + feedPath}, ring, s.feed, creds, changefeed.SinkFunc(d.hear), &changefeed.Options{
		Cloud: o.fake.Cloud(), Metadata: o.fake.graphURL() + "/common/.well-known/openid-configuration", Logger: a.cfg.log, Now: a.now,
		Subscriptions: changefeed.KeepOptions{Poll: 500 * time.Millisecond, BackfillUsers: a.backfillUsers},
	})
	if err != nil {
		return err
	}
	a.handle(feedPath, d.feed)
	a.reach = a.bot
	if a.teams == nil { // a real Teams knows nothing of the played Graph
		return nil
	}
	o.fake.onInstall(a.installedByGraph)
	a.reach, err = graphteams.NewNotifier(a.bot, d.apps, d.apps.Locate(a.bot, d.pkg().ID), &graphteams.NotifierOptions{Wait: 10 * time.Second, Now: a.now})
	return err
}

// load makes the package as it was made last.
func (d *teamsDesk) load() error {
	raw, err := os.ReadFile(d.file)
	if err == nil {
		err = json.Unmarshal(raw, &d.saved)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("what was packaged last cannot be read: %w", err)
	}
	if d.saved.BotID != d.botID { // the bot of the demonstration is a new one at each start
		d.saved = packaged{BotID: d.botID, Accent: brand.Color}
	}
	_, err = d.pack(d.saved.Accent)
	return err
}

// pack makes the app of the helpdesk and keeps its version.
func (d *teamsDesk) pack(accent string) (*teamsapp.Package, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, err := teamsapp.NewPackage(d.brand(accent), &teamsapp.PackageOptions{Previous: d.saved.Published})
	if err != nil {
		return nil, err
	}
	next := packaged{d.botID, accent, p.Published}
	raw, err := json.Marshal(next)
	if err == nil {
		err = os.WriteFile(d.file, raw, 0o600)
	}
	if err != nil {
		return nil, err
	}
	d.saved, d.app = next, p
	return p, nil
}

func (d *teamsDesk) pkg() *teamsapp.Package {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.app
}

func (d *teamsDesk) brand(accent string) teamsapp.Brand {
	const site = "https://northwind.example"
	return teamsapp.Brand{
		Key: officeOwner, BotID: d.botID, GraphID: d.graphID, Accent: accent, Logo: northwindLogo(),
		Texts: teamsapp.Texts{
			ShortName: brand.Name, FullName: brand.Name + " helpdesk", Summary: "Shows that it is really you who calls the helpdesk",
			Description: "When you call the helpdesk, or the helpdesk calls you, a card here shows who is who. Nobody needs a password for that.",
		},
		More: []teamsapp.Translation{{Language: "de", Texts: teamsapp.Texts{
			ShortName: brand.Name, FullName: brand.Name + " Helpdesk", Summary: "Zeigt, dass wirklich Sie den Helpdesk anrufen",
			Description: "Wenn Sie den Helpdesk anrufen oder er Sie, zeigt hier eine Karte, wer wer ist. Dafür braucht niemand ein Passwort.",
		}}},
		Developer: teamsapp.Developer{Name: brand.Name, Website: site, Privacy: site + "/privacy", Terms: site + "/terms"},
	}
}

// northwindLogo draws a compass rose on nothing.
func northwindLogo() []byte {
	const size, fine = 256, 3
	img := image.NewNRGBA(image.Rect(0, 0, size, size))
	for y := range size {
		for x := range size {
			in := 0
			for i := range fine * fine {
				dx := math.Abs(float64(x)+float64(i%fine)/fine-size/2) / (size / 2)
				dy := math.Abs(float64(y)+float64(i/fine)/fine-size/2) / (size / 2)
				if math.Sqrt(dx)+math.Sqrt(dy) < 1 || math.Abs(math.Hypot(dx, dy)-0.62) < 0.06 {
					in++
				}
			}
			img.SetNRGBA(x, y, color.NRGBA{255, 255, 255, uint8(255 * in / (fine * fine))})
		}
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img) // into memory
	return b.Bytes()
}

// hear takes events of the feed. A host bridges them to its agents' desktop.
func (d *teamsDesk) hear(_ context.Context, e changefeed.Event) error {
	if e.Message == nil || e.Message.Deleted || e.Message.System {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	h := heard{
		id: e.ID, tenant: e.Tenant, name: e.Message.From.Name, text: e.Message.Text, at: e.CreatedAt, late: e.Backfilled, edited: e.Change == changefeed.Updated,
	}
	if i := slices.IndexFunc(d.heard, func(o heard) bool { return o.id == h.id }); i >= 0 { // it may be told again
		return nil
	}
	d.heard = append(d.heard, h)
	d.heard = d.heard[max(0, len(d.heard)-maxHeard):]
	return nil
}

func (d *teamsDesk) messages(tenant mspkit.TenantID) []heard {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []heard
	for _, h := range slices.Backward(d.heard) {
		if h.tenant == tenant {
			out = append(out, h)
		}
	}
	return out
}

// The app in the clients' Teams.

func (a *app) publish(ctx context.Context, tenant mspkit.TenantID) (graphteams.Publication, error) {
	d := a.teamsDesk
	// Only a person may publish: in a real Teams this is a token of the client's administrator, or of the helpdesk's own
	// people through GDAP. The played one takes every token for a person's.
	pub, err := d.apps.Publish(ctx, tenant, d.pkg(), nil)
	if err != nil {
		return pub, err
	}
	a.office.fake.installedByHand(tenant, pub.CatalogID, a.people, a.teams)
	a.forgetFailures(tenant)
	return pub, nil
}

// forgetFailures lets the next message to a client's people try to install the app anew.
func (a *app) forgetFailures(tenant mspkit.TenantID) {
	if n, ok := a.reach.(*graphteams.Notifier); ok {
		n.Forget(officeIDs[tenant])
	}
}

// diagnose says why somebody can be reached or not.
func (a *app) diagnose(ctx context.Context, p person) (*diagnosisView, error) {
	bot, _ := a.reach.(graphteams.Reachability)
	entra, oid, _ := strings.Cut(p.Teams, "/")
	res, err := a.teamsDesk.apps.Diagnose(ctx, p.Tenant, graphteams.App{ManifestID: a.teamsDesk.pkg().ID}, oid, &graphteams.DiagnoseOptions{Bot: bot, EntraTenant: entra})
	if err != nil {
		return nil, err
	}
	v := &diagnosisView{Reachable: res.Verdict == graphteams.Reachable}
	switch res.Verdict {
	case graphteams.Reachable:
		v.Text = p.Name + " can be reached in Teams."
	case graphteams.Unreachable:
		v.Text = p.Name + " cannot be reached in Teams. What to do, in this order:"
	case graphteams.Uncertain:
		v.Text = "Whether " + p.Name + " can be reached in Teams is not certain."
	}
	for _, f := range res.Findings {
		v.Findings = append(v.Findings, findingRow{f.Seen, f.Next})
	}
	return v, nil
}

// published is the app as a client's Teams has it.
func (a *app) published(ctx context.Context, tenant mspkit.TenantID) (graphteams.App, error) {
	return a.teamsDesk.apps.Find(ctx, tenant, a.teamsDesk.pkg().ID)
}

// installedByGraph lets the played Teams tell the bot, as the real one does.
func (a *app) installedByGraph(tenant, user string, on bool) {
	if a.teams == nil {
		return
	}
	i := slices.IndexFunc(a.people, func(p person) bool { return p.Teams == tenant+"/"+user })
	if i < 0 || a.teams.has(a.people[i]) == on {
		return
	}
	a.background.Go(func() { // Microsoft answers before it tells
		if err := a.teams.install(a.ended, a.people[i], on); err != nil && a.ended.Err() == nil {
			a.cfg.log.WarnContext(a.ended, "helpdesk: the bot did not hear of an installation", slog.Any("error", err))
		}
	})
}

// The channel.

func (a *app) connection(ctx context.Context) (*workflows.Connection, error) {
	list, err := a.teamsDesk.channel.Connections(ctx, officeOwner)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// incoming tells the channel of a text message that came in.
func (a *app) incoming(ctx context.Context, p person, text string) (int, error) {
	return a.teamsDesk.channel.Notify(ctx, officeOwner, workflows.Incoming{
		Event: workflows.NewText, ID: fmt.Sprint(p.ID, a.now().UnixNano()), From: p.Name + ", " + p.Company, Text: text, Ticket: p.Ticket, At: a.now(),
	})
}

// The chats.

func (a *app) follow(ctx context.Context, tenant mspkit.TenantID, on bool) error {
	var what []changefeed.Resource
	if on {
		what = append(what, changefeed.AllChats())
	}
	return a.teamsDesk.feed.Follow(ctx, tenant, officeIDs[tenant], what...)
}

// backfillUsers are the people whose chats are read where notifications were missed.
func (a *app) backfillUsers(_ context.Context, tenant mspkit.TenantID) ([]string, error) {
	var out []string
	for _, p := range a.people {
		if _, oid, ok := strings.Cut(p.Teams, "/"); ok && p.Tenant == tenant {
			out = append(out, oid)
		}
	}
	return out, nil
}

// Microsoft's side.

// graphURL is where the played Graph is.
func (o *playedOffice) graphURL() string { return o.URL() + graphBase }

// tell sends notifications of what changes, until ctx ends. One instance of the program lets it be done, as the others
// would do it again.
func (o *playedOffice) tell(ctx context.Context) error {
	if !o.telling.TryLock() {
		<-ctx.Done()
		return nil
	}
	defer o.telling.Unlock()
	return o.notifier.Run(ctx)
}

// onInstall names who is told when an app was installed for somebody or taken from them.
func (o *playedOffice) onInstall(f func(tenant, user string, on bool)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.installs = f
}

func (o *playedOffice) installed(tenant, user, _ string, on bool) {
	o.mu.Lock()
	f := o.installs
	o.mu.Unlock()
	if f != nil {
		f(tenant, user, on)
	}
}

// installedByHand notes who had the app before it was published.
func (o *playedOffice) installedByHand(tenant mspkit.TenantID, catalogID string, people []person, teams *playedTeams) {
	t := o.tenant(tenant)
	for _, p := range people {
		_, oid, ok := strings.Cut(p.Teams, "/")
		if ok && p.Tenant == tenant && teams != nil && teams.has(p) && len(t.graph.TeamsInstalls(oid)) == 0 {
			t.graph.PutTeamsInstall(oid, catalogID, "")
		}
	}
}

// chats has a person write to a colleague, in a chat that nobody at the helpdesk is in.
func (o *playedOffice) chats(p person, text string) {
	t := o.tenant(p.Tenant)
	_, oid, _ := strings.Cut(p.Teams, "/")
	o.mu.Lock()
	if t.chat == "" {
		t.chat = t.graph.AddChat(oid, officeIDs[t.id][:24]+"b0550000b055")
	}
	chat := t.chat
	o.mu.Unlock()
	t.graph.Post(graphfake.Message{Chat: chat, From: oid, Content: text})
}

// flows plays Workflows; it is begun when it is needed.
func (a *app) flows() (*workflowstest.Server, error) {
	o := a.office.fake
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.flows == nil {
		s, err := workflowstest.NewServer()
		if err != nil {
			return nil, err
		}
		s.Add(flowName, workflowstest.Flow{})
		o.flows = s
	}
	return o.flows, nil
}

// inChannel is what people read in the channel, the newest first.
func (a *app) inChannel() ([]string, error) {
	s, err := a.flows()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, r := range slices.Backward(s.RunsOf(flowName)) {
		out = append(out, cmp.Or(r.Shown(), "The flow failed: "+r.Error))
	}
	return out, nil
}
