// Helpdesk is the whole of mspkit in one program: a technician's portal, the pages that callers open, and the
// caller's phone and mailbox beside it, so that one person can play both sides.
//
//	go run ./examples/helpdesk              opens on http://127.0.0.1:8080, nothing to configure
//	go run ./examples/helpdesk -selftest    plays the whole story without a browser and prints it
//	go run ./examples/helpdesk -store=…     keeps its data in postgres or redis instead of a file
//	go run ./examples/helpdesk -psa=…       has connectwise or halopsa as ticket system instead of a homegrown one
//
// It keeps its data in a SQLite file unless told otherwise and its keys in a file with mode 0600 beside it. Cards, mails and text messages go
// to servers that it starts itself and that speak Teams' wire protocol, SMTP and Twilio's API; environment variables (see
// README and the page's help) point the same program at real ones. Technicians sign in with a stand-in for Microsoft Entra,
// or with a real tenant of the environment's choice: MSPKIT_ENTRA_CLIENT_ID, MSPKIT_ENTRA_SECRET and MSPKIT_ENTRA_TENANT.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9/logging"
)

// variables is what -h says of the environment.
const variables = `Everything is played unless these environment variables say otherwise; README.md lists what belongs to each:

  MSPKIT_SMTP_HOST …             mails go to your SMTP server
  MSPKIT_TWILIO_ACCOUNT_SID …    text messages go to Twilio
  MSPKIT_BOT_APP_ID …            cards go to Teams, by your bot
  MSPKIT_ENTRA_CLIENT_ID …       technicians sign in with your Entra tenant
  MSPKIT_CONNECTWISE_SITE …      notes go to your ConnectWise PSA, with -psa=connectwise
  MSPKIT_HALOPSA_HOST …          or to your HaloPSA, with -psa=halopsa
  MSPKIT_POSTGRES_URL            the database of -store=postgres
  MSPKIT_REDIS_URL               that of -store=redis
  MSPKIT_PUBLIC_URL              the https address of a proxy in front of -public, so that a phone can open the links
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "helpdesk:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	addr := flag.String("addr", "127.0.0.1:8080", "address to listen on; loopback only, the portal goes by plain http")
	data := flag.String("data", "", "folder for the database and the keys (default: mspkit-helpdesk in the user's cache folder)")
	public := flag.String("public", "127.0.0.1:8081", "where a proxy in front reaches the callers' pages, used with MSPKIT_PUBLIC_URL only; loopback only")
	kind := flag.String("store", storeSQLite, "where verifications and sends are kept: "+strings.Join(storeKinds, ", "))
	tickets := flag.String("psa", psaCustom, "the ticket system: "+strings.Join(psaKinds, ", "))
	self := flag.Bool("selftest", false, "play the whole story without a browser, print it, and exit")
	flag.Usage = func() {
		_, _ = fmt.Fprint(flag.CommandLine.Output(), "A technician's portal and the caller's phone beside it. It needs no configuration.\n\n")
		flag.PrintDefaults()
		_, _ = fmt.Fprint(flag.CommandLine.Output(), "\n"+variables)
	}
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q (-h says what there is)", flag.Arg(0))
	}
	logging.Disable() // of the Redis client, which logs what it also returns
	where, err := storageFromEnv(*kind, os.Getenv)
	if err != nil {
		return err
	}
	system, err := ticketSystemFromEnv(*tickets, os.Getenv)
	if err != nil {
		return err
	}
	if *self {
		return selftest(ctx, where, *tickets, os.Stdout)
	}
	dir := *data
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("no folder for the data, name one with -data: %w", err)
		}
		dir = filepath.Join(cache, "mspkit-helpdesk")
	}
	l, err := listen(ctx, "-addr", *addr)
	if err != nil {
		return err
	}
	cfg, err := configFromEnv(os.Getenv)
	if err != nil {
		return err
	}
	var outside net.Listener
	if cfg.publicURL != "" {
		if outside, err = listen(ctx, "-public", *public); err != nil {
			return err
		}
	}
	cfg.dir, cfg.url, cfg.storage, cfg.tickets = dir, cfg.address(l.Addr()), where, system
	cfg.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	a, err := newApp(ctx, cfg)
	if err != nil {
		return err
	}
	if outside != nil {
		fmt.Printf("\n  Point the proxy of %s at http://%s, which serves the callers' pages and the bot only.\n", cfg.publicURL, outside.Addr())
	}
	if cfg.realTeams {
		fmt.Printf("\n  The messaging endpoint of your bot is %s%s.\n", cfg.publicURL, botPath)
	}
	if cfg.realEntra {
		fmt.Printf("\n  The redirect addresses of your application in Entra are %s, %s and %s.\n", a.sso.RedirectURL(), a.sso.SignedOutURL(), a.staff.ConsentURI())
		link, err := a.firstAdmin(ctx)
		if err != nil {
			return errors.Join(err, a.close())
		}
		if link != "" {
			fmt.Printf("\n  Nobody is an admin yet. Open this within the hour to be the first:\n  %s\n", link)
		}
	}
	fmt.Printf("\n  Helpdesk is ready:  %s\n\n%s  %s %s\n  Ctrl-C ends it.\n\n", cfg.url, cfg.firstSteps(), where.describe(dir), system.describe()+" "+cfg.describe())
	return a.serve(ctx, l, outside)
}

// firstSteps says what to press, for somebody who has never seen the portal.
func (c config) firstSteps() string {
	if c.realEntra {
		return ""
	}
	return "  Open it in a browser, press “Sign in with Microsoft”, which is played here and asks for no password, and choose\n" +
		"  Jane Doe, a technician. Press “Verify”: what Dana, who is calling, gets and answers is on the same page.\n" +
		"  Settings are for Sam Okafor, an admin.\n\n"
}

// listen refuses addresses that others can reach: what is behind them goes by plain http, also the cookies of those who are
// signed in.
func listen(ctx context.Context, flagged, addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("%s must look like 127.0.0.1:8080: %w", flagged, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("%s %s is not a loopback address; it goes by plain http, so it must not be reachable by others", flagged, addr)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("something else listens on %s; choose another address, for example %s 127.0.0.1:0", addr, flagged)
	}
	return l, err
}

// serve runs the background work and the web server until ctx ends, then closes everything in order.
// outside, if there is one, is for the proxy: it reaches the callers' pages, the bot and the status callbacks
// and nothing else.
func (a *app) serve(ctx context.Context, l, outside net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 3)
	var servers []*http.Server
	start := func(l net.Listener, h http.Handler) {
		srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute}
		servers = append(servers, srv)
		go func() { failed <- srv.Serve(l) }()
	}
	start(l, a)
	if outside != nil {
		start(outside, a.outside)
	}
	if err := a.installTeams(ctx); err != nil {
		failed <- err
	}
	runs := []func(context.Context) error{
		a.verify.Run, a.sends.Run, a.desk.outbox.Run, a.office.syncer.Run, a.teamsDesk.channel.Run, a.teamsDesk.feed.Run, a.office.fake.tell,
	}
	background := make(chan error, len(runs))
	for _, run := range runs {
		go func() { background <- run(ctx) }()
	}

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		cancel()
	}
	grace, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	for _, srv := range servers {
		down := srv.Shutdown(grace)
		if errors.Is(down, context.DeadlineExceeded) { // browsers keep connections that they have not used yet
			down = srv.Close()
		}
		err = errors.Join(err, down)
	}
	for range runs {
		err = errors.Join(err, <-background)
	}
	return errors.Join(err, a.close())
}
