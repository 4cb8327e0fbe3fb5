// Teams-app makes the app of one MSP for Microsoft Teams: a package with its logo, name and texts.
//
//	go run ./examples/teams-app                                serves a page to make it, on this machine alone
//	go run ./examples/teams-app -sample DIR                    writes a brand.json and a logo.png to begin with
//	go run ./examples/teams-app -brand brand.json -o app.zip   makes it of a file, and says what it made
//	go run ./examples/teams-app -selftest                      plays both without a network and prints the story
//
// What was packaged last is kept beside the brand (brand.published.json), so that the version rises with the content.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/mspkit/mspkit/teamsapp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "teams-app:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	addr, brand, logo, out, sample string
	selftest                       bool
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var o options
	flags := flag.NewFlagSet("teams-app", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // what is wrong is said once, by main
	flags.StringVar(&o.brand, "brand", "", "the file with the brand; without one the page begins with a sample")
	flags.StringVar(&o.logo, "logo", "", "the logo, in place of the one that the brand names: PNG, JPEG, GIF or WebP")
	flags.StringVar(&o.out, "o", "", "where to write the package; without it there is the page")
	flags.StringVar(&o.addr, "addr", "127.0.0.1:8086", "address of the page, on this machine")
	flags.StringVar(&o.sample, "sample", "", "write a brand and a logo to begin with into this folder, and exit")
	flags.BoolVar(&o.selftest, "selftest", false, "play the whole story without a network, print it, and exit")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = fmt.Fprint(out, "Make the app of an MSP for Microsoft Teams.\n\n")
		flags.SetOutput(out)
		flags.PrintDefaults()
		return nil
	case err != nil:
		return fmt.Errorf("%w (-h says what there is)", err)
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q (-h says what there is)", flags.Arg(0))
	case o.selftest:
		return selftest(ctx, out)
	case o.sample != "":
		return writeSample(out, o.sample)
	case o.out != "" && o.brand == "":
		return errors.New("-o needs -brand with the file of the brand; -sample . writes one to begin with")
	case o.out != "":
		return makePackage(out, o)
	case o.logo != "" && o.brand == "":
		return errors.New("-logo needs -brand; on the page a logo is uploaded")
	}
	return serve(ctx, out, o)
}

// makePackage is the command.
func makePackage(out io.Writer, o options) error {
	k := keeper{path: o.brand}
	s, err := k.load(o.logo)
	if err != nil {
		return err
	}
	p, err := teamsapp.NewPackage(s.Brand, &teamsapp.PackageOptions{Previous: s.Published})
	if err != nil {
		return explain(o.brand, err)
	}
	if err := os.WriteFile(o.out, p.Zip, 0o600); err != nil {
		return err
	}
	if err := k.savePublished(p.Published); err != nil { // after the package, so that no version is lost
		return err
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	note := "the first"
	switch s.Published.Version {
	case "":
	case p.Version:
		note = "unchanged"
	default:
		note = "after " + s.Published.Version
	}
	say("package  %s, %d bytes", o.out, len(p.Zip))
	say("app      %s", s.Brand.ShortName)
	say("id       %s", p.ID)
	say("version  %s (%s)", p.Version, note)
	for _, w := range p.Warnings {
		say("look at  %s", w.Text)
	}
	say("next     upload it in the Teams admin center: Teams apps, Manage apps, Upload new app")
	return nil
}

// explain lists all faults, each on a line, with the name that the field has in the file.
func explain(file string, err error) error {
	faults := teamsapp.Faults(err)
	if len(faults) == 0 {
		return err
	}
	lines := make([]string, 0, len(faults))
	for _, f := range faults {
		line := "  " + fieldInFile(f.Field) + " " + f.Reason
		if f.Field == "PackageOptions.Previous.Version" || f.Field == "PackageOptions.Previous.Digest" {
			_, name, _ := strings.Cut(fieldInFile(f.Field), "previous.")
			line = "  the " + name + " in " + publishedPath(file) + " " + f.Reason
		}
		if f.Value != "" {
			line += ": " + f.Value
		}
		lines = append(lines, line)
	}
	return fmt.Errorf("no package was made; put right in %s:\n%s", file, strings.Join(lines, "\n"))
}
