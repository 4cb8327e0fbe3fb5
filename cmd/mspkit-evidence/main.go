// Command mspkit-evidence checks what verify.Service.ExportEvidence wrote: whether an event was altered, removed, put in
// or moved since it was added to the chain of its tenant. It needs no database and no secret, only the export and the keys
// that check its seals.
//
//	go install github.com/mspkit/mspkit/cmd/mspkit-evidence@latest
//
//	mspkit-evidence keys -ring-file ring.txt > evidence.keys
//	mspkit-evidence check -keys-file evidence.keys -known 1310:9f86d081… contoso.evidence
//	mspkit-evidence show -keys-file evidence.keys contoso.evidence
//
// It ends with 0 where nothing was found, 1 where something was, and 2 where the export could not be checked.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

// What the program ends with.
const (
	clean     = 0
	tampered  = 1
	unchecked = 2
)

const usage = `mspkit-evidence checks the evidence of verifications that mspkit exported.

  mspkit-evidence check [flags] FILE    tells everything that is wrong with an export
  mspkit-evidence show  [flags] FILE    prints its events besides
  mspkit-evidence keys -ring-file FILE  prints the keys that check seals; they are not secret

FILE may be - for standard input. Flags of check and show:

  -keys-file FILE       what "mspkit-evidence keys" printed
  -ring-file FILE       or the key ring itself, a line for each key, as mspkit.Key.Export gives them
  -known NUMBER:HASH    a number and hash that somebody noted earlier; may be given several times
  -tenant ID            whose evidence it must be
  -retention-days DAYS  how long events must have been kept; otherwise what the export says
  -hashes-only          leave the seals unchecked: what was made anew as a whole is not found then

It ends with 0 where nothing was found, 1 where something was, 2 where the export could not be checked.
`

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := bufio.NewWriter(stdout)
	code, err := command(args, stdin, out)
	if err = errors.Join(err, out.Flush()); err != nil {
		fmt.Fprintf(stderr, "mspkit-evidence: %v\n", err)
		return unchecked
	}
	return code
}

// request is what the flags say.
type request struct {
	keysFile, ringFile string
	days               int
	o                  verify.CheckOptions
}

var errUsage = errors.New("see mspkit-evidence -h")

func command(args []string, stdin io.Reader, out io.Writer) (int, error) {
	name, r := "", request{}
	if len(args) > 0 {
		name = args[0]
	}
	switch name {
	case "check", "show", "keys":
	case "-h", "-help", "--help", "help":
		_, err := io.WriteString(out, usage)
		return clean, err
	default:
		return 0, fmt.Errorf("check, show or keys must be said first: %w", errUsage)
	}
	files, err := r.parse(name, args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, err := io.WriteString(out, usage)
		return clean, err
	case err != nil:
		return 0, err
	case name == "keys":
		return clean, printKeys(out, r.o.Keys)
	case len(files) != 1:
		return 0, fmt.Errorf("one file must be named, or - for standard input, there are %d: %w", len(files), errUsage)
	}
	in := stdin
	if files[0] != "-" {
		f, err := os.Open(files[0])
		if err != nil {
			return 0, err
		}
		defer f.Close() //nolint:errcheck // it was only read
		in = f
	}
	if name == "show" {
		r.o.Event = func(_ int64, e verify.Event) { printEvent(out, e) }
	}
	rep, err := verify.CheckEvidence(in, &r.o)
	printReport(out, rep, r.o, err == nil)
	switch {
	case err != nil:
		return 0, err
	case !rep.Clean():
		return tampered, nil
	}
	return clean, nil
}

// parse reads the flags, and the keys from their file.
func (r *request) parse(name string, args []string) (files []string, err error) {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&r.keysFile, "keys-file", "", "")
	f.StringVar(&r.ringFile, "ring-file", "", "")
	f.BoolVar(&r.o.HashesOnly, "hashes-only", false, "")
	f.IntVar(&r.days, "retention-days", 0, "")
	f.Func("tenant", "", func(s string) error {
		r.o.Tenant = mspkit.TenantID(s)
		return r.o.Tenant.Validate()
	})
	f.Func("known", "", func(s string) error {
		a, err := verify.ParseAnchor(s)
		r.o.Known = append(r.o.Known, a)
		return err
	})
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if r.days < 0 || r.days > 36500 {
		return nil, fmt.Errorf("-retention-days must be 1 to 36500: %w", errUsage)
	}
	r.o.Retention = time.Duration(r.days) * 24 * time.Hour
	switch {
	case r.ringFile != "" && r.keysFile != "":
		return nil, fmt.Errorf("-ring-file and -keys-file cannot both be given: %w", errUsage)
	case r.ringFile != "":
		r.o.Keys, err = readRing(r.ringFile)
	case r.keysFile != "" && name != "keys":
		r.o.Keys, err = readKeys(r.keysFile)
	case name == "keys":
		return nil, fmt.Errorf("-ring-file is missing: %w", errUsage)
	case !r.o.HashesOnly:
		return nil, fmt.Errorf("the seals need -keys-file or -ring-file; -hashes-only goes without, and finds less: %w", errUsage)
	}
	return f.Args(), err
}

// lines returns the lines of a small file that are neither empty nor comments.
func lines(name string) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	b, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return nil, err
	}
	var out []string
	for l := range strings.Lines(string(b)) {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "#") {
			out = append(out, l)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s holds no key", name)
	}
	return out, nil
}

func readKeys(name string) ([]verify.EvidenceKey, error) {
	texts, err := lines(name)
	if err != nil {
		return nil, err
	}
	out := make([]verify.EvidenceKey, 0, len(texts))
	for i, l := range texts {
		k, err := verify.ParseEvidenceKey(l)
		if err != nil {
			return nil, fmt.Errorf("%s: key %d: %w", name, i+1, err)
		}
		out = append(out, k)
	}
	return out, nil
}

func readRing(name string) ([]verify.EvidenceKey, error) {
	texts, err := lines(name)
	if err != nil {
		return nil, err
	}
	keys := make([]mspkit.Key, 0, len(texts))
	for i, l := range texts {
		k, err := mspkit.ParseKey(l)
		if err != nil {
			// The error would name what stands before a colon, which may be anything.
			return nil, fmt.Errorf("%s: key %d has not the form id:base64 of mspkit.Key.Export", name, i+1)
		}
		keys = append(keys, k)
	}
	ring, err := mspkit.NewKeyRing(keys...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return verify.EvidenceKeys(ring)
}

func printKeys(out io.Writer, keys []verify.EvidenceKey) error {
	for _, k := range keys {
		if _, err := fmt.Fprintln(out, k); err != nil {
			return err
		}
	}
	return nil
}

// quoted returns s as it is where that is safe to print, else with escapes: an export may come from anybody.
func quoted(s string) string {
	if q := strconv.QuoteToASCII(s); len(q) != len(s)+2 || strings.Contains(s, " ") {
		return q
	}
	return s
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// printEvent prints one line. Errors of writing are kept by the buffer until the end.
func printEvent(out io.Writer, e verify.Event) {
	fmt.Fprintf(out, "%d  %s  %s", e.Link.N, moment(e.At), quoted(string(e.Kind)))
	assurance := ""
	if e.Assurance != 0 {
		assurance = e.Assurance.String()
	}
	for _, p := range []struct{ name, value string }{
		{"challenge", e.Challenge},
		{"verifies", string(e.Verifies)},
		{"subject", e.Subject},
		{"action", string(e.Action)},
		{"technician", e.Technician},
		{"ticket", strings.Trim(e.Ticket.System+"/"+e.Ticket.ID, "/")},
		{"channel", e.Channel},
		{"method", string(e.Method)},
		{"assurance", assurance},
		{"state", string(e.State)},
		{"by", e.By},
		{"reason", e.Reason},
	} {
		if p.value != "" {
			fmt.Fprintf(out, "  %s=%s", p.name, quoted(p.value))
		}
	}
	fmt.Fprintln(out)
}

func printReport(out io.Writer, r verify.Report, o verify.CheckOptions, whole bool) {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(out, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	if r.Tenant == "" && r.Exported.IsZero() {
		return // not even a header
	}
	row("tenant", "%s", quoted(string(r.Tenant)))
	row("exported", "%s", moment(r.Exported))
	if r.Events == 0 {
		row("events", "none")
	} else {
		row("events", "%d, from %s to %s", r.Events, moment(r.From), moment(r.Until))
	}
	days := r.Retention.Hours() / 24
	if r.Base > 0 {
		row("deleted", "numbers 1 to %d, after %.4g days or more", r.Base, days)
	} else {
		row("deleted", "nothing yet, the retention is %.4g days", days)
	}
	if o.HashesOnly {
		row("seals", "NOT CHECKED: a chain that was made anew as a whole is not found")
	} else {
		row("seals", "%d genuine", r.Seals)
	}
	switch {
	case len(o.Known) == 0:
		row("noted", "nothing: that the end was cut off, or that this is an older copy, is not found without -known")
	case len(r.TooOld) == 0:
		row("noted", "%d of %d fit", r.Anchors, len(o.Known))
	default:
		row("noted", "%d of %d fit, %d are of events that were deleted since", r.Anchors, len(o.Known), len(r.TooOld))
	}
	if r.Last.N > 0 {
		row("end", "%s", r.Last)
	}
	n := len(r.Findings) + r.More
	switch {
	case n == 0 && whole:
		row("found", "nothing")
	case n == 0:
		row("found", "nothing up to where it breaks off")
	default:
		row("found", "%d", n)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(out, "  %s\n", f)
	}
	if r.More > 0 {
		fmt.Fprintf(out, "  and %d more\n", r.More)
	}
}
