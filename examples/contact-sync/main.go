// Contact-sync keeps a file of people in step with the users of Microsoft 365: of one tenant, of several, or of all
// customers of a Microsoft partner (CSP). It says what it would change, asks, and does it.
//
//	go run ./examples/contact-sync -selftest   plays it with a Microsoft 365 of its own; nothing to configure
//	go run ./examples/contact-sync -plan       says what it would change, and changes nothing
//	go run ./examples/contact-sync             says it, asks, and does it
//	go run ./examples/contact-sync -yes        does it without asking, for a timer
//
// The first run lists everybody, later ones ask Microsoft what has changed. Ctrl-C stops it at any time: a page of people
// is stored together with where the next one begins, so the next run goes on from there. It ends with status 1 where a
// tenant could not be read; the others are in step all the same.
//
// # Settings
//
// The app registration is named by environment variables, and so is how it signs in:
//
//	MSPKIT_CLIENT_ID               the application (client) id of the app registration
//	MSPKIT_TENANTS                 the tenants, with commas between: an id, or a name of yours and the id, as in contoso=1f6c…
//	MSPKIT_CLIENT_SECRET           a client secret: its value, not its id
//	MSPKIT_CERTIFICATE             or a file with a certificate and its key, PEM or PKCS#12
//	MSPKIT_CERTIFICATE_PASSWORD    the password of a PKCS#12 file
//	MSPKIT_PARTNER_TENANT          for partners: the id of your own tenant; a client secret is needed, MSPKIT_TENANTS is not
//	MSPKIT_PARTNER_REFRESH_TOKEN   and a refresh token of your service user, who signed in with multifactor authentication
//	MSPKIT_REGION                  where phone numbers without a country code are dialled, such as US; empty leaves them unread
//	MSPKIT_CLOUD                   public (the default), usgov, usgov-dod or china
//
// Without a secret, a certificate and a partner a person signs in with a code, to one tenant.
//
// # Permissions
//
//	how it signs in           the app registration needs
//	secret or certificate     the application permission User.Read.All, consented to by an administrator of each tenant
//	a person with a code      the delegated permission User.Read.All with an administrator's consent, and "Allow public client flows"
//	partner                   the delegated permission User.Read.All in each customer's tenant, and in your own
//	                          DelegatedAdminRelationship.Read.All and Directory.Read.All; the relationships give a group of the
//	                          service user the role Directory Readers
//
// # Security
//
// The file holds names, addresses and numbers in clear: it is made so that only you can read it, and belongs on an encrypted
// disk. The output has names, and of phone numbers the last four digits. Secrets and tokens are read from the environment
// only, and are in no output; tokens are kept in memory. The refresh token of a partner opens every customer: a real
// service keeps it sealed (entra/gdap), and its newer ones.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/graphcontacts"
)

// source is the name under which the directory knows Microsoft 365.
const source = "entra"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	info, err := os.Stdout.Stat()
	c := &command{env: os.Getenv, in: os.Stdin, out: os.Stdout, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
	if err := c.run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "contact-sync:", err)
		os.Exit(1)
	}
}

// command is one run of the program.
type command struct {
	env func(string) string
	in  io.Reader
	out io.Writer
	// terminal says that a line can be written over.
	terminal bool
	// play is the Microsoft 365 of a test, and nil else.
	play *played

	database          string
	plan, yes, leave  bool
	names             int
	shown             time.Time // when the last line of progress was
	lineIsUnfinished  bool
	cfg               config
	syncer            *contacts.Syncer
	jobs              []contacts.Job
	called            map[contacts.Job]string
	unreachable, fail int
}

func (c *command) say(format string, args ...any) { _, _ = fmt.Fprintf(c.out, format+"\n", args...) }

func (c *command) run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("contact-sync", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // what is wrong is said once, by main
	flags.StringVar(&c.database, "db", "contact-sync.db", "file of SQLite that people are kept in")
	flags.BoolVar(&c.plan, "plan", false, "only say what would be changed")
	flags.BoolVar(&c.yes, "yes", false, "do it without asking")
	flags.BoolVar(&c.leave, "many-left", false, "do it also where more than half of a tenant's people would have left")
	flags.IntVar(&c.names, "names", 5, "how many people of each kind are named")
	self := flags.Bool("selftest", false, "play the whole story with a Microsoft 365 of its own, print it, and exit")
	err = flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		c.usage(flags)
		return nil
	case err != nil:
		return fmt.Errorf("%w (-h says what there is)", err)
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q (-h says what there is)", flags.Arg(0))
	case c.plan && c.yes:
		return errors.New("-plan changes nothing, so that there is nothing to say -yes to")
	case c.names < 0:
		return errors.New("-names cannot be negative")
	}
	if *self {
		return selftest(ctx, c.out)
	}
	if c.cfg, err = configFrom(c.env, os.ReadFile); err != nil {
		return err
	}
	users, err := c.connect(ctx)
	if err != nil {
		return stopped(ctx, err)
	}
	dir, closeFile, err := openDirectory(ctx, c.database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFile()) }()
	share := 0.0 // the syncer's own
	if c.leave {
		share = -1
	}
	c.syncer, err = contacts.NewSyncer(dir, map[string]contacts.ContactSource{source: users}, &contacts.SyncerOptions{
		Every: -1, Explain: graphcontacts.Explain, MaxLeft: share,
	})
	if err != nil {
		return err
	}
	return c.plans(ctx)
}

// stopped is err, or that somebody has pressed Ctrl-C.
func stopped(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errors.New("stopped, and nothing was changed")
	}
	return err
}

// connect signs in and returns the users of all tenants that can be reached.
func (c *command) connect(ctx context.Context) (*graphcontacts.Source, error) {
	reach, err := c.reach(ctx)
	if err != nil {
		return nil, err
	}
	c.called = map[contacts.Job]string{}
	for _, t := range reach.tenants {
		j := contacts.Job{Tenant: t.id, Source: source}
		c.jobs, c.called[j] = append(c.jobs, j), t.name
	}
	return graphcontacts.New(reach.creds, &graphcontacts.Options{
		Cloud: c.cfg.cloud, HTTPClient: c.play.client(), Region: c.cfg.region, PageSize: c.play.pageSize(),
	})
}

func (c *command) usage(flags *flag.FlagSet) {
	c.say("Keeps a file of people in step with the users of Microsoft 365.\n")
	flags.SetOutput(c.out)
	flags.PrintDefaults()
	c.say("\nIt reads these environment variables; -selftest needs none:\n")
	for _, v := range variables {
		c.say("  %s\n    \t%s", v.name, v.what)
	}
}
