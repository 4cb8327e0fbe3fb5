package teamsapp

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/token"
)

// App is the registration of a bot. In a white label each MSP has its own.
type App struct {
	// ID is the app id of the bot's Entra application.
	ID string
	// TenantID is the bot's home tenant, where its application is registered. It is not a customer's.
	TenantID string
	// MultiTenant is set for a bot of the old multi-tenant type, whose token comes from [Cloud.SharedTenant]. A
	// single-tenant bot whose Entra application is multi-tenant serves customers as well and does not need it.
	MultiTenant bool
	// Credential proves that we are the bot; nil sends no token and needs [Options.InsecureLoopback].
	Credential Credential
}

// Tenants returns the host's tenant for a customer's Entra tenant, which is a GUID in lower case. For a tenant that
// was not onboarded the error is [ErrUnknownTenant]; with any other the turn is refused and Teams tries again.
type Tenants func(ctx context.Context, entraTenant string) (mspkit.TenantID, error)

// Options are the parts of a [Bot] beyond the required ones.
type Options struct {
	// Cloud is where the bot lives; the zero value is [PublicCloud].
	Cloud Cloud
	// HTTPClient is used below the module's own pipeline of deadlines and retries. Nil is a new one.
	HTTPClient *http.Client
	// Audiences are accepted as audience of tokens besides the app id. Microsoft's own SDKs take "api://" and
	// "api://botid-" before the app id as well (teams.py, teams.net); we do so only when told.
	Audiences []string
	// TenantRate is how many requests per second go out for one customer's tenant. Zero is 30, the limit that Microsoft
	// states (https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit); negative is no limit.
	TenantRate int
	// MaxActivity is how many bytes a message may have: default 28 KiB, which all clients take, at most 100 KiB.
	MaxActivity int
	// NoObjectID turns off that a conversation is begun with the object id alone where the bot has not heard of the
	// person yet. Microsoft says that this works where the app is installed for them
	// (https://learn.microsoft.com/answers/questions/1513375), its reference does not.
	NoObjectID bool
	// HandleTimeout bounds one turn: default 10 s. Teams gives up after about 15.
	HandleTimeout time.Duration
	// OnInstall is told when the app was added or removed. An error makes Teams tell again.
	OnInstall func(ctx context.Context, i Installation) error
	// InsecureLoopback accepts activities without a token, for emulators. They must come from a loopback address and
	// name a loopback service URL, and the bot's token is sent nowhere. Ids of
	// tenants and people that are no GUIDs are replaced by GUIDs made of them: emulators make up their own. A warning is
	// logged.
	InsecureLoopback bool
	// Logger gets warnings; nil discards them.
	Logger *slog.Logger
	// Now is the clock: default time.Now.
	Now func() time.Time
}

// Bot is one MSP's bot in Teams: an http.Handler for what comes in, and a [TeamsNotifier]. It holds nothing that
// another instance on the same store could not find. It is safe for concurrent use once all handlers are registered.
type Bot struct {
	app      App
	store    Store
	tenants  Tenants
	o        Options
	log      *slog.Logger
	refs     *seal.Box
	replies  *seal.Box
	names    *token.Hasher // of claims
	verbs    map[string]Handler
	commands map[string]Handler
	auth     *authenticator
	conn     *connector
}

var (
	_ TeamsNotifier = (*Bot)(nil)
	_ http.Handler  = (*Bot)(nil)
)

// New returns a bot on store. ring seals what is stored; all instances need the same one. It connects to nothing and
// reports all faults together, as [mspkit.ErrInvalid].
func New(app App, ring *mspkit.KeyRing, store Store, tenants Tenants, o *Options) (*Bot, error) {
	b := &Bot{app: app, store: store, tenants: tenants, verbs: map[string]Handler{}, commands: map[string]Handler{}}
	if o != nil {
		b.o = *o
	}
	if err := b.configure(ring); err != nil {
		return nil, fmt.Errorf("teamsapp: new: %w", err)
	}
	if b.o.InsecureLoopback {
		b.log.Warn("teamsapp: activities from loopback addresses are accepted WITHOUT A TOKEN: for emulators only")
	}
	return b, nil
}

func (b *Bot) configure(ring *mspkit.KeyRing) error {
	var errs []error
	check := func(ok bool, text string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s: %w", text, mspkit.ErrInvalid))
		}
	}
	id, err := guid(b.app.ID)
	check(err == nil, "the app id is not a GUID")
	b.app.ID = id
	if b.app.MultiTenant {
		check(b.app.TenantID == "", "a multi-tenant bot has no tenant of its own, leave TenantID empty")
	} else {
		b.app.TenantID, err = guid(b.app.TenantID)
		check(err == nil, "the bot's tenant id is not a GUID")
	}
	check(b.app.Credential != nil || b.o.InsecureLoopback, "a credential is required")
	check(b.store != nil, "a store is required, NewMemory() keeps everything in memory")
	check(b.tenants != nil, "a function that knows the customers' tenants is required")
	check(b.o.MaxActivity >= 0 && b.o.MaxActivity <= 100<<10, "MaxActivity is not 0 to 100 KiB")
	check(b.o.HandleTimeout >= 0 && b.o.HandleTimeout <= 14*time.Second, "HandleTimeout is not 0 to 14 s")
	if b.o.Cloud.Name == "" && b.o.Cloud.Login == "" {
		b.o.Cloud = PublicCloud()
	}
	if b.o.TenantRate == 0 {
		b.o.TenantRate = 30
	}
	if b.o.MaxActivity == 0 {
		b.o.MaxActivity = 28 << 10
	}
	if b.o.HandleTimeout == 0 {
		b.o.HandleTimeout = 10 * time.Second
	}
	if b.o.Now == nil {
		b.o.Now = time.Now
	}
	if b.log = b.o.Logger; b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if ring == nil {
		errs = append(errs, fmt.Errorf("a key ring is required: %w", mspkit.ErrInvalid))
	} else {
		b.refs, err = seal.New(ring, "teamsapp/reference")
		errs = append(errs, err)
		b.replies, err = seal.New(ring, "teamsapp/reply")
		errs = append(errs, err)
		b.names, err = token.NewHasher(ring, "teamsapp/turn")
		errs = append(errs, err)
	}
	b.auth, err = newAuthenticator(b.app, b.o)
	errs = append(errs, err)
	b.conn, err = newConnector(b.app, b.o)
	errs = append(errs, err)
	return errors.Join(errs...)
}

// Handle registers h for the buttons with this verb. All handlers are registered before the bot serves. It panics
// where the verb is empty or taken, which is a fault of the program.
func (b *Bot) Handle(verb string, h Handler) { register(b.verbs, verb, h) }

// Command registers h for messages whose first word is this one, in any case. The empty word stands for messages that
// no command fits. Otherwise as [Bot.Handle].
func (b *Bot) Command(word string, h Handler) {
	if word == "" {
		word = anyCommand
	}
	register(b.commands, strings.ToLower(word), h)
}

// anyCommand is no word that anybody can write.
const anyCommand = " "

func register(m map[string]Handler, name string, h Handler) {
	if _, taken := m[name]; taken || name == "" || h == nil {
		panic(fmt.Sprintf("teamsapp: handler %q is registered twice, has no name or is nil", name))
	}
	m[name] = h
}

// AppID returns the bot's app id.
func (b *Bot) AppID() string { return b.app.ID }

// Tenant returns the host's tenant for a user's Entra tenant, or [ErrUnknownTenant]. Where the host's function returns
// an id that cannot be one, such as none at all, the error is [mspkit.ErrInvalid].
func (b *Bot) Tenant(ctx context.Context, u User) (mspkit.TenantID, error) {
	t, err := b.tenants(ctx, u.TenantID)
	if err == nil {
		err = t.Validate()
	}
	if err != nil {
		return "", fmt.Errorf("teamsapp: tenant: %w", err)
	}
	return t, nil
}

// Installed yields the persons who have the bot installed, of one tenant or, where it is empty, of all. It reads the
// store in pages, so that what changes meanwhile may or may not be seen.
func (b *Bot) Installed(ctx context.Context, tenant mspkit.TenantID) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		q := Query{Bot: b.app.ID, Tenant: tenant, Limit: 500}
		for {
			rs, err := b.store.List(ctx, q)
			if err != nil {
				yield(User{}, fmt.Errorf("teamsapp: installed: %w", err))
				return
			}
			for _, r := range rs {
				if !yield(r.User, nil) {
					return
				}
			}
			if len(rs) < q.Limit {
				return
			}
			q.After = rs[len(rs)-1].Key
		}
	}
}
