package graphteams

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/flight"
	"github.com/mspkit/mspkit/teamsapp"
)

// Bot is what a [Notifier] writes with; [*teamsapp.Bot] implements it.
type Bot interface {
	teamsapp.TeamsNotifier

	// Update puts a message in the place of one that was sent.
	Update(ctx context.Context, ref teamsapp.MessageRef, m teamsapp.Message) error
	// Tenant returns the host's tenant of a person.
	Tenant(ctx context.Context, u teamsapp.User) (mspkit.TenantID, error)
	// Reference returns what is known of the way to a person, without asking Teams.
	Reference(ctx context.Context, u teamsapp.User) (teamsapp.Reference, error)
}

// Locate says in which tenant of the host's a person is, and which app of the catalog there is to be installed for them. The
// answer is the same for everybody of an Entra tenant. [Client.Locate] makes one.
type Locate func(ctx context.Context, u teamsapp.User) (mspkit.TenantID, App, error)

// Locate returns a [Locate] that finds the app with an id in its manifest in the catalog of the person's tenant.
func (c *Client) Locate(bot Bot, manifestID string) Locate {
	return func(ctx context.Context, u teamsapp.User) (mspkit.TenantID, App, error) {
		tenant, err := bot.Tenant(ctx, u)
		if err != nil {
			return "", App{}, err
		}
		app, err := c.Find(ctx, tenant, manifestID)
		return tenant, app, err
	}
}

// NotifierOptions are the settings of a [Notifier]. Nil and the zero value are fine.
type NotifierOptions struct {
	// Wait is how long a message waits until an installation has taken effect: 0 is 30 s, negative tries once more and does not
	// wait. The context of a call bounds it as well.
	Wait time.Duration
	// Remember is how long somebody for whom the installation failed is left alone, so that each message does not ask Microsoft
	// the same again: 0 is 10 minutes, negative asks each time. What fails for the moment is not remembered.
	Remember time.Duration
	// KeepRemoved leaves people alone who, as far as the bot was told, have removed the app or had it removed. By default they get
	// it again with the next message.
	KeepRemoved bool
	// Cache is how long an answer of [Locate] counts for an Entra tenant: 0 is 10 minutes, negative asks each time.
	Cache time.Duration
	// Now is the clock for what is remembered; nil is [time.Now]. Waiting uses the machine's.
	Now func() time.Time
}

func (o *NotifierOptions) withDefaults() NotifierOptions {
	var out NotifierOptions
	if o != nil {
		out = *o
	}
	for _, d := range []struct {
		v *time.Duration
		d time.Duration
	}{{&out.Wait, 30 * time.Second}, {&out.Remember, 10 * time.Minute}, {&out.Cache, 10 * time.Minute}} {
		if *d.v == 0 {
			*d.v = d.d
		}
	}
	if out.Now == nil {
		out.Now = time.Now
	}
	return out
}

// Notifier writes to people in Teams, and installs the app first for those who do not have it. It stands where the bot would:
// it is a [teamsapp.TeamsNotifier]. It is safe for concurrent use; several instances do no harm, because installing twice is
// installing once.
//
// The message is tried first, as people who have the app need nothing of Graph, whether the bot has heard of them or not. Where
// Teams says that the app is not installed, it is installed, once for all messages to the person that wait for it. Teams then
// tells the bot, at its messaging endpoint, by installationUpdate; the message goes out when the bot was told or Graph knows the
// chat, and where Teams still refuses it, again until Wait is over.
type Notifier struct {
	bot    Bot
	c      *Client
	locate Locate
	o      NotifierOptions

	flights flight.Group[teamsapp.User, struct{}]
	places  memory[string, located]
	failed  memory[teamsapp.User, failure] // without an object id it is of the whole tenant
	sends   memory[teamsapp.User, failure]
}

type located struct {
	tenant mspkit.TenantID
	app    App
	at     time.Time
}

// failure is an error and when it was.
type failure struct {
	err   error
	at    time.Time
	until time.Time
}

var (
	_ teamsapp.TeamsNotifier = (*Notifier)(nil)
	_ Bot                    = (*Notifier)(nil)
	_ Bot                    = (*teamsapp.Bot)(nil)
)

// NewNotifier returns a notifier that writes with bot and installs with c what locate says. All three are required.
func NewNotifier(bot Bot, c *Client, locate Locate, o *NotifierOptions) (*Notifier, error) {
	if bot == nil || c == nil || locate == nil {
		return nil, fmt.Errorf("graphteams: new notifier: a bot, a client and a function that finds the app are required: %w", mspkit.ErrInvalid)
	}
	return &Notifier{bot: bot, c: c, locate: locate, o: o.withDefaults()}, nil
}

// Update is the bot's.
func (n *Notifier) Update(ctx context.Context, ref teamsapp.MessageRef, m teamsapp.Message) error {
	return n.bot.Update(ctx, ref, m)
}

// Tenant is the bot's.
func (n *Notifier) Tenant(ctx context.Context, u teamsapp.User) (mspkit.TenantID, error) {
	return n.bot.Tenant(ctx, u)
}

// Reference is the bot's.
func (n *Notifier) Reference(ctx context.Context, u teamsapp.User) (teamsapp.Reference, error) {
	return n.bot.Reference(ctx, u)
}

// CheckCredentials is the bot's, where it has one.
func (n *Notifier) CheckCredentials(ctx context.Context) error {
	if b, ok := n.bot.(interface{ CheckCredentials(context.Context) error }); ok {
		return b.CheckCredentials(ctx)
	}
	return nil
}

// NotInstalledError is a message that was not sent because the app is not installed for the person and could not be installed,
// or has not taken effect in time. errors.Is finds [teamsapp.ErrNotInstalled] and why it was not installed; [Explain] says what to
// do.
type NotInstalledError struct {
	// Sent is what the bot said of the message, Install why the app could not be installed, or [ErrNoEffect].
	Sent, Install error
}

// Error says both.
func (e *NotInstalledError) Error() string {
	return fmt.Sprintf("graphteams: notify: %v; the app was to be installed: %v", e.Sent, e.Install)
}

// Unwrap returns both.
func (e *NotInstalledError) Unwrap() []error { return []error{e.Install, e.Sent} }

// ErrNoEffect means that an app was installed and Teams does not let the bot write yet. It is in a [*NotInstalledError].
var ErrNoEffect = errors.New("the installation has not taken effect yet")

// ErrRemoved means that the app was removed for a person, who is left alone then; see NotifierOptions.KeepRemoved. It is in a
// [*NotInstalledError].
var ErrRemoved = errors.New("the app was removed for this person")

// Notify sends like the bot, and installs the app for the person where Teams says that it is missing. Errors are those of the
// bot, or a [*NotInstalledError].
func (n *Notifier) Notify(ctx context.Context, m teamsapp.Notification) (teamsapp.Receipt, error) {
	u, err := teamsapp.NewUser(m.To.TenantID, m.To.ObjectID)
	if err != nil {
		return teamsapp.Receipt{}, err
	}
	var before teamsapp.Reference // the bot takes a refusal for a removal as well
	if n.o.KeepRemoved {
		before, _ = n.bot.Reference(ctx, u) // where it fails, sending does
	}
	r, err := n.send(ctx, u, m)
	if !errors.Is(err, teamsapp.ErrNotInstalled) {
		return r, err
	}
	tenant, terr := n.bot.Tenant(ctx, u)
	if terr != nil {
		return r, errors.Join(err, terr)
	}
	if before.Removed {
		why := because(ErrRemoved, nil, "Ask the person to add the app in Teams again, or install it for them by hand.")
		return r, &NotInstalledError{Sent: err, Install: n.c.failed(opInstall, tenant, "", why)}
	}
	waiting, cancel := context.WithTimeout(ctx, n.o.Wait)
	defer cancel()
	if known, ok := n.remembered(u); ok {
		return r, &NotInstalledError{Sent: err, Install: known}
	}
	_, landed, ierr := n.flights.Do(ctx, u, flightTimeout, func(ctx context.Context) (struct{}, error) { return struct{}{}, n.install(ctx, u) })
	if !landed {
		ierr = fmt.Errorf("graphteams: wait for the installation: %w", ierr)
	}
	if ierr != nil {
		return r, &NotInstalledError{Sent: err, Install: ierr}
	}
	for try := 0; ; try++ {
		if r, err = n.send(ctx, u, m); !errors.Is(err, teamsapp.ErrNotInstalled) {
			return r, err
		}
		if sleep(waiting, interval(try)) != nil {
			break
		}
	}
	why := n.c.failed(opInstall, tenant, "", because(ErrNoEffect, ctx.Err(),
		"Try again in some minutes. If it stays, check that the app's manifest names this bot, and that Teams reaches the bot's messaging endpoint."))
	if ctx.Err() == nil {
		n.remember(u, why, min(n.o.Remember, time.Minute))
	}
	return r, &NotInstalledError{Sent: err, Install: why}
}

// send sends with the bot and remembers what came of it.
func (n *Notifier) send(ctx context.Context, u teamsapp.User, m teamsapp.Notification) (teamsapp.Receipt, error) {
	r, err := n.bot.Notify(ctx, m)
	switch {
	case err == nil:
		n.sends.drop(u)
		n.failed.drop(u)
	case ctx.Err() == nil:
		n.sends.put(u, failure{err: err, at: n.o.Now()})
	}
	return r, err
}

// flightTimeout bounds an installation with the wait for its effect, whatever the options say.
const flightTimeout = 5 * time.Minute

// install installs the app for a person and waits until it has taken effect, or Wait is over.
func (n *Notifier) install(ctx context.Context, u teamsapp.User) error {
	tenant, app, err := n.place(ctx, u)
	if err == nil {
		_, err = n.c.Install(ctx, tenant, app, u.ObjectID)
	}
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, ErrTemporary) {
			n.remember(u, err, n.o.Remember)
		}
		return err
	}
	n.await(ctx, tenant, app, u)
	return nil // whether it has taken effect the next message shows
}

// await waits until an installation has taken effect as far as can be seen, or Wait is over.
func (n *Notifier) await(ctx context.Context, tenant mspkit.TenantID, app App, u teamsapp.User) {
	ctx, cancel := context.WithTimeout(ctx, n.o.Wait)
	defer cancel()
	for try := 0; ctx.Err() == nil; try++ {
		if ref, err := n.bot.Reference(ctx, u); err == nil && ref.Conversation && !ref.Removed {
			return
		}
		if try >= 3 { // the bot is usually told by then
			if _, err := n.c.Chat(ctx, tenant, app, u.ObjectID); err == nil {
				return
			}
		}
		if sleep(ctx, interval(try)) != nil {
			return
		}
	}
}

// interval is how long to wait after a look, counted from 0.
func interval(try int) time.Duration { return min(100*time.Millisecond<<min(try, 5), 2*time.Second) }

// place is locate, remembered for each Entra tenant.
func (n *Notifier) place(ctx context.Context, u teamsapp.User) (mspkit.TenantID, App, error) {
	if p, ok := n.places.get(u.TenantID); ok && n.o.Now().Sub(p.at) < n.o.Cache {
		return p.tenant, p.app, nil
	}
	tenant, app, err := n.locate(ctx, u)
	if err != nil {
		return "", App{}, err
	}
	if n.o.Cache > 0 {
		n.places.put(u.TenantID, located{tenant, app, n.o.Now()})
	}
	return tenant, app, nil
}

// wholeTenant are reasons that are the same for everybody of a tenant. [ErrScope] is none: it is how a 400 is read, which one
// person can bring about.
var wholeTenant = []error{ErrConsent, ErrNotPublished, azurecred.ErrNotConnected}

func (n *Notifier) remember(u teamsapp.User, err error, d time.Duration) {
	if d <= 0 {
		return
	}
	for _, reason := range wholeTenant {
		if errors.Is(err, reason) {
			u.ObjectID = ""
			n.places.drop(u.TenantID) // the app may have another id when it is published again
		}
	}
	now := n.o.Now()
	n.failed.put(u, failure{err: err, at: now, until: now.Add(d)})
}

// remembered returns the failure of an installation that still counts.
func (n *Notifier) remembered(u teamsapp.User) (error, bool) { //nolint:revive // the error is the value
	for _, key := range []teamsapp.User{u, {TenantID: u.TenantID}} {
		if f, ok := n.failed.get(key); ok && n.o.Now().Before(f.until) {
			return f.err, true
		}
	}
	return nil, false
}

// Forget forgets what failed for people of an Entra tenant, so that the next message tries again. Call it after consent was
// given, the app was published, or a policy was changed.
func (n *Notifier) Forget(entraTenant string) {
	n.places.drop(entraTenant)
	n.failed.dropAll(func(u teamsapp.User) bool { return u.TenantID == entraTenant })
}

// Recent returns what went wrong lately for a person, for [Client.Diagnose].
func (n *Notifier) Recent(u teamsapp.User) Recent {
	var out Recent
	if f, ok := n.sends.get(u); ok {
		out.Send, out.SendAt = f.err, f.at
	}
	for _, key := range []teamsapp.User{u, {TenantID: u.TenantID}} {
		if f, ok := n.failed.get(key); ok && out.Install == nil {
			out.Install, out.InstallAt = f.err, f.at
		}
	}
	return out
}
