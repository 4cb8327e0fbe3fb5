// Secret sends a text or files once, from a terminal, and opens what was sent.
//
//	go run ./examples/secret -selftest       plays the whole story in this process and prints it
//	go run ./examples/secret serve           a server that keeps everything in memory; it prints a grant
//	go run ./examples/secret send GRANT      seals the text on stdin, or the files that are named, and prints the link
//	go run ./examples/secret open LINK       prints the text and saves the files
//	go run ./examples/secret answer LINK     answers a request of serve -ask
//
// Send, open and answer work with every server that serves securesendpage. Whatever is secret and not given is asked for, so
// that it need not stand in the history of a shell.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "secret:", err)
		os.Exit(1)
	}
}

const usage = `Send a text or files once.

  secret serve  [-addr 127.0.0.1:8080] [-ask "the question"] [-dir .]
  secret send   [-ask-passphrase] [GRANT [file...]]     the text is read from stdin where there are no files
  secret open   [-number 123] [-code] [-dir .] [LINK]   the text goes to stdout
  secret answer [-number 123] [LINK [file...]]
  secret -selftest

GRANT is what serve prints: it allows one send. LINK is what send prints, for whoever is to read it. What is needed and not given, such as the link, the number and the passphrase, is asked for on stderr and read from a
line of stdin.
`

// terminal is where the user is.
type terminal struct {
	in       *bufio.Reader
	out, err io.Writer
}

// say writes to out; where that cannot be written to there is nobody to be told.
func (t *terminal) say(format string, args ...any) { _, _ = fmt.Fprintf(t.out, format+"\n", args...) }

// prompt asks for a line.
func (t *terminal) prompt(what string) (string, error) {
	_, _ = fmt.Fprintf(t.err, "%s: ", what)
	line, err := t.in.ReadString('\n')
	if line = strings.TrimRight(line, "\r\n"); line == "" && err != nil {
		return "", fmt.Errorf("no %s is given", what)
	}
	return line, nil
}

// options are the flags of all commands, and what follows them.
type options struct {
	addr, ask, number, dir string
	passphrase, code       bool
	link                   string
	files                  []string
}

func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) error {
	t := &terminal{bufio.NewReader(in), out, errOut}
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	commands := map[string]func(context.Context, *terminal, options) error{"serve": serve, "send": send, "open": open, "answer": answer}
	command, ok := commands[name]
	switch {
	case name == "-selftest" || name == "--selftest":
		return selftest(ctx, out)
	case !ok && (name == "" || strings.HasPrefix(name, "-h") || name == "--help" || name == "help"):
		_, err := io.WriteString(out, usage)
		return err
	case !ok:
		return fmt.Errorf("there is no command %q (-h says what there is)", name)
	}
	var o options
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // what is wrong is said once, by main
	flags.StringVar(&o.addr, "addr", "127.0.0.1:0", "")
	flags.StringVar(&o.ask, "ask", "", "")
	flags.StringVar(&o.number, "number", "", "")
	flags.StringVar(&o.dir, "dir", ".", "")
	flags.BoolVar(&o.passphrase, "ask-passphrase", false, "")
	flags.BoolVar(&o.code, "code", false, "")
	if err := flags.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			_, err = io.WriteString(out, usage)
			return err
		}
		return fmt.Errorf("%w (-h says what there is)", err)
	}
	if rest := flags.Args(); len(rest) > 0 {
		o.link, o.files = rest[0], rest[1:]
	}
	if name != "serve" && o.link == "" {
		var err error
		if o.link, err = t.prompt("link"); err != nil {
			return err
		}
	}
	return command(ctx, t, o)
}

// content opens the files, or reads the text where there are none.
func (t *terminal) content(names []string) (text mspkit.Redacted[string], files []securesend.File, end func(), err error) {
	end = func() {
		for _, f := range files {
			if c, ok := f.Reader.(io.Closer); ok {
				_ = c.Close() // it was only read
			}
		}
	}
	if len(names) == 0 {
		b, err := io.ReadAll(io.LimitReader(t.in, securesend.MaxManifest+1))
		return mspkit.Redact(strings.TrimSuffix(string(b), "\n")), nil, end, err
	}
	for _, name := range names {
		f, err := os.Open(name) //nolint:gosec // the user names it
		if err != nil {
			return text, files, end, err
		}
		files = append(files, securesend.File{Name: filepath.Base(name), Size: -1, Reader: f})
		info, err := f.Stat()
		switch {
		case err != nil:
			return text, files, end, err
		case info.Mode().IsRegular():
			files[len(files)-1].Size = info.Size()
		}
	}
	return text, files, end, nil
}

func send(ctx context.Context, t *terminal, o options) error {
	c := &client.CreateOptions{Options: client.Options{Progress: t.bar}}
	if o.passphrase {
		phrase, err := t.prompt("passphrase")
		if err != nil {
			return err
		}
		c.Passphrase = mspkit.Redact(phrase)
	}
	var end func()
	var err error
	c.Text, c.Files, end, err = t.content(o.files)
	defer end()
	if err != nil {
		return err
	}
	out, err := client.Create(ctx, o.link, c)
	if err != nil {
		return err
	}
	t.say("link    %s", out.Link.Reveal())
	if n := out.Number.Reveal(); n != "" {
		t.say("number  %s   say it on the phone, and write it nowhere", n)
	}
	if out.Warning != "" {
		t.say("careful %s", out.Warning)
	}
	t.say("until   %s", out.ExpiresAt.Local().Format("Mon 2 Jan 15:04"))
	return nil
}

func open(ctx context.Context, t *terminal, o options) error {
	c := &client.OpenOptions{
		Options: client.Options{Progress: t.bar}, Number: mspkit.Redact(o.number), Claim: securesend.RandomKey(),
		Waiting: func(hint string) { _, _ = fmt.Fprintf(t.err, "Confirm that it is you: %s\n", hint) },
	}
	if o.code {
		if err := client.SendCode(ctx, o.link, nil); err != nil {
			return err
		}
		code, err := t.prompt("code")
		if err != nil {
			return err
		}
		c.Code = mspkit.Redact(code)
	}
	got, err := client.Open(ctx, o.link, c)
	// What was not given costs no try.
	if errors.Is(err, securesend.ErrPassphrase) {
		phrase, perr := t.prompt("passphrase")
		if perr != nil {
			return perr
		}
		c.Passphrase = mspkit.Redact(phrase)
		got, err = client.Open(ctx, o.link, c)
	}
	if errors.Is(err, securesend.ErrNumber) && o.number == "" && !o.code {
		number, perr := t.prompt("number")
		if perr != nil {
			return perr
		}
		c.Number = mspkit.Redact(number)
		got, err = client.Open(ctx, o.link, c)
	}
	if r, ok := errors.AsType[*securesend.Refusal](err); ok && errors.Is(err, securesend.ErrNumber) {
		return fmt.Errorf("%w, tries left: %d", err, r.TriesLeft)
	}
	if err != nil {
		return err
	}
	if got.Message != "" {
		_, _ = fmt.Fprintln(t.err, got.Message)
	}
	if text := got.Text.Reveal(); text != "" {
		t.say("%s", text)
	}
	names, err := got.Save(ctx, o.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		_, _ = fmt.Fprintln(t.err, "saved", filepath.Join(o.dir, name))
	}
	return got.Done(ctx) // it is all here
}

func answer(ctx context.Context, t *terminal, o options) error {
	ask, err := client.Look(ctx, o.link, nil)
	if err != nil {
		return err
	}
	if ask.Gate == securesend.GateNumber && o.number == "" {
		if o.number, err = t.prompt("number"); err != nil {
			return err
		}
	}
	a := &client.AnswerOptions{Options: client.Options{Progress: t.bar}, Number: mspkit.Redact(o.number)}
	var end func()
	a.Text, a.Files, end, err = t.content(o.files)
	defer end()
	if err != nil {
		return err
	}
	if _, err := client.Answer(ctx, o.link, a); err != nil {
		return err
	}
	t.say("sent")
	return nil
}

// bar draws how far a file is.
func (t *terminal) bar(p client.Progress) {
	const width = 30
	mib := float64(p.Done) / (1 << 20)
	if p.Total < 0 {
		_, _ = fmt.Fprintf(t.err, "\r%s  %.1f MiB", p.Name, mib)
		return
	}
	part := 1.0
	if p.Total > 0 {
		part = float64(p.Done) / float64(p.Total)
	}
	n := int(part * width)
	_, _ = fmt.Fprintf(t.err, "\r%s  [%s%s] %3.0f%%  %.1f MiB", p.Name, strings.Repeat("#", n), strings.Repeat(".", width-n), 100*part, mib)
	if p.Done == p.Total {
		_, _ = fmt.Fprintln(t.err)
	}
}
