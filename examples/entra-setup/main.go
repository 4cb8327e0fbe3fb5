// Entra-setup sets up the applications of an MSP in a tenant of Microsoft Entra: it shows a plan, and then does exactly that plan.
//
//	go run ./examples/entra-setup -preset signin -key signin -name "North IT" -url https://msp.example/auth -plan plan.json
//	go run ./examples/entra-setup -apply plan.json -secrets secrets.txt     does it, and stores the secrets that it makes
//	go run ./examples/entra-setup -preset signin … -report                  which permissions are granted, and by whom
//	go run ./examples/entra-setup -preset signin … -break-glass ID -impact  what Conditional Access would have blocked
//	go run ./examples/entra-setup -preset signin … -break-glass ID -enforce TOKEN -caller ID
//	go run ./examples/entra-setup -selftest                                 plays all of it without a network
//
// ENTRA_TENANT and ENTRA_CLIENT_ID say where and as which application; with ENTRA_CLIENT_SECRET it acts by itself, without it a person
// signs in with a code. The program takes minutes to build the first time: it has Microsoft's SDK in it.
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

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/entra/graphentra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "entra-setup:", err)
		os.Exit(1)
	}
}

// variables is what -h says of the environment.
const variables = `It reads these environment variables; -selftest needs none:

  ENTRA_TENANT
    	the id of the tenant that is set up
  ENTRA_CLIENT_ID
    	the application (client) id of an app registration there that may do this
  ENTRA_CLIENT_SECRET
    	its client secret: the value, not the id; without it an administrator signs in with a code
`

// options are the flags.
type options struct {
	preset, key, owner, name, url, assign, breakGlass string
	plan, apply, secrets, enforce, caller             string
	secret, report, expiring, impact, relax, selftest bool
}

func run(ctx context.Context, args []string, env func(string) string, out io.Writer) error {
	o, err := parse(args, out)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	case o.selftest:
		return selftest(ctx, out)
	}
	creds, err := credentials(env, out)
	if err != nil {
		return err
	}
	client, err := graphentra.New(creds, nil)
	if err != nil {
		return err
	}
	return (&command{client, mspkit.TenantID(env("ENTRA_TENANT")), out, o}).do(ctx)
}

// parse reads the flags. Its error is flag.ErrHelp where help was asked for, and given.
func parse(args []string, out io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("entra-setup", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // what is wrong is said once, by main
	flags.StringVar(&o.preset, "preset", "", "what to set up: signin, mail or teams")
	flags.StringVar(&o.key, "key", "", "what the application is found by, for ever: a-z, 0-9, '-' and '.'")
	flags.StringVar(&o.owner, "owner", "msp", "the MSP, from which the ids of the roles are made")
	flags.StringVar(&o.name, "name", "", "what people see")
	flags.StringVar(&o.url, "url", "", "signin: where the SSO is reached; teams: where a sign-in comes back to")
	flags.StringVar(&o.assign, "assign", "", "who is what, as group:ID:Technician,user:ID:Admin")
	flags.BoolVar(&o.secret, "secret", false, "make a client secret")
	flags.StringVar(&o.breakGlass, "break-glass", "", "id of the group of emergency accounts; with it there is a policy of Conditional Access, report-only")
	flags.StringVar(&o.plan, "plan", "", "also write the plan to this file")
	flags.StringVar(&o.apply, "apply", "", "do the plan in this file; what remains after a failure is written back")
	flags.StringVar(&o.secrets, "secrets", "", "file to which secrets are added that -apply makes")
	flags.BoolVar(&o.report, "report", false, "show which permissions are granted")
	flags.BoolVar(&o.expiring, "expiring", false, "show credentials that end within 30 days")
	flags.BoolVar(&o.impact, "impact", false, "show what the policy of Conditional Access would have done in the last 7 days")
	flags.StringVar(&o.enforce, "enforce", "", "switch the policy on; the value is what -impact ends with")
	flags.StringVar(&o.caller, "caller", "", "-enforce: object id of the person who asks, so that nobody locks themselves out")
	flags.BoolVar(&o.relax, "relax", false, "set the policy back to report-only")
	flags.BoolVar(&o.selftest, "selftest", false, "play the whole story without a network, print it, and exit")
	err = flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = fmt.Fprint(out, "Set up an application of an MSP in Microsoft Entra.\n\n")
		flags.SetOutput(out)
		flags.PrintDefaults()
		_, _ = fmt.Fprint(out, "\n"+variables)
	case err != nil:
		err = fmt.Errorf("%w (-h says what there is)", err)
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q (-h says what there is)", flags.Arg(0))
	}
	return o, err
}

// credentials are the application's own, or those of a person who signs in with a code.
func credentials(env func(string) string, out io.Writer) (graphentra.Credentials, error) {
	tenant := env("ENTRA_TENANT")
	if tenant == "" || env("ENTRA_CLIENT_ID") == "" {
		return nil, errors.New("ENTRA_TENANT and ENTRA_CLIENT_ID are not both set; they say where and as which application (-h says more, -selftest needs nothing)")
	}
	o := &azurecred.Options{ClientID: env("ENTRA_CLIENT_ID"), Secret: mspkit.Redact(env("ENTRA_CLIENT_SECRET"))}
	if o.Secret.Reveal() == "" {
		return azurecred.NewDeviceCode(mspkit.TenantID(tenant), tenant, func(_ context.Context, message string) error {
			_, err := fmt.Fprintln(out, message)
			return err
		}, o)
	}
	return azurecred.NewApp(func(context.Context, mspkit.TenantID) (string, error) { return tenant, nil }, o)
}
