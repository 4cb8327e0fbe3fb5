package workflows

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/mspkit/mspkit"
)

const (
	// DefaultMaxBody is how many bytes a post may have unless [Options.MaxBody] says otherwise. Teams takes about 28 KB with
	// all markup (https://learn.microsoft.com/connectors/teams), which it counts after the flow has built its message: beyond
	// that the flow fails and whoever posted does not learn of it, so that some room is left.
	DefaultMaxBody = 25_000
	// MaxBody is the most that [Options.MaxBody] can be.
	MaxBody = 28_000

	defaultRate        = 4
	defaultPer5Minutes = 300
	defaultBrokenAfter = 3
	defaultWorkers     = 4
	defaultTimeout     = 30 * time.Second
)

// Options are the settings of a [Service]. Nil and the zero value are fine.
type Options struct {
	// HTTPClient is used below the module's own deadlines. Nil is a client that connects to public addresses only, whatever
	// DNS says. One that is given connects where its transport connects: keep that from the host's own network.
	HTTPClient *http.Client
	// Hosts are domains besides [Hosts] below which flows live, such as "api.powerplatform.example". They need three labels.
	Hosts []string
	// RefuseOldHosts refuses URLs of prod-NN.<region>.logic.azure.com. Those that Power Automate made stopped working on
	// 2025-11-30; Logic Apps in Azure have such URLs still, so that by default they are accepted with a warning.
	RefuseOldHosts bool
	// InsecureLoopback accepts http and any port for addresses of this machine, such as http://127.0.0.1:8080/…, for tests
	// and demos with a server that plays Workflows. A warning is logged.
	InsecureLoopback bool
	// MaxBody is how many bytes a post may have with all that is around it: 0 is [DefaultMaxBody], at most [MaxBody].
	MaxBody int
	// Rate is how many posts go to one connection in a second: 0 is 4, what the connectors before Workflows allowed
	// (https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook). Per5Minutes
	// is how many in 300 seconds: 0 is 300, what Teams is said to take of one flow. Negative is no limit.
	Rate, Per5Minutes int
	// BrokenAfter is how many tries in a row a flow must refuse because of its URL or state until its connection is broken:
	// 0 is 3.
	BrokenAfter int
	// Timeout bounds one try: 0 is 30 s, at most 5 minutes.
	Timeout time.Duration
	// GiveUp is after how long a post that does not get through is dead: 0 is 24 hours, negative is never.
	GiveUp time.Duration
	// Keep is for how long the ids of posts that ended are known, so that a repeat is not posted again: 0 is 7 days,
	// negative is for ever.
	Keep time.Duration
	// Backoff returns the wait after so many tries, from 1: nil is 1 s, doubled each time up to 5 minutes, with jitter.
	Backoff func(tries int) time.Duration
	// Queue wakes connections that have something to post; nil is a loop in this process, which runs within [Service.Run],
	// with Workers connections at once: 0 is 4. Of one tenant it is half of them, so that flows that hang, for up to Timeout,
	// keep no other tenant waiting.
	Queue   mspkit.Queue
	Workers int
	// Poll is how often posts are looked for that nobody woke: 0 is 5 s.
	Poll time.Duration
	// Locale is the language of connections that name none: "en" or "de"; empty is "en".
	Locale string
	// OnDead is told of a post that became dead, after that was stored. It may be told twice.
	OnDead func(ctx context.Context, d DeadPost)
	// Logger gets warnings; nil discards. Neither URLs nor posts are logged.
	Logger *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// complete fills in the defaults and returns all that is wrong.
func (o *Options) complete() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("option "+format+": %w", append(args, mspkit.ErrInvalid)...))
		}
	}
	for i, d := range o.Hosts {
		if err := checkDomain(d); err != nil {
			errs = append(errs, fmt.Errorf("option Hosts[%d]: %w: %w", i, err, mspkit.ErrInvalid))
		}
	}
	check(o.MaxBody >= 0 && o.MaxBody <= MaxBody, "MaxBody must be 0 to %d, it is %d", MaxBody, o.MaxBody)
	check(o.BrokenAfter >= 0, "BrokenAfter must not be negative, it is %d", o.BrokenAfter)
	check(o.Timeout >= 0 && o.Timeout <= 5*time.Minute, "Timeout must be 0 to 5 minutes, it is %s", o.Timeout)
	check(o.Poll >= 0, "Poll must not be negative, it is %s", o.Poll)
	check(o.Workers >= 0, "Workers must not be negative, it is %d", o.Workers)
	check(o.Locale == "" || isLocale(o.Locale), "Locale is not a language tag such as \"de\"")
	def := func(v *int, std int) {
		if *v == 0 {
			*v = std
		}
	}
	def(&o.MaxBody, DefaultMaxBody)
	def(&o.Rate, defaultRate)
	def(&o.Per5Minutes, defaultPer5Minutes)
	def(&o.BrokenAfter, defaultBrokenAfter)
	def(&o.Workers, defaultWorkers)
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Locale == "" {
		o.Locale = "en"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return errors.Join(errs...)
}
