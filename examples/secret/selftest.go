package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mspkit/mspkit/securesend"
)

// player plays the commands against a server of its own.
type player struct {
	ctx    context.Context //nolint:containedctx // it lives as long as the story
	out    io.Writer
	server *server
	lose   atomic.Bool // the next answer to take is lost
}

func (p *player) say(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, "  "+format+"\n", args...)
}

// play runs one command and returns what it wrote.
func (p *player) play(in string, args ...string) (string, error) {
	var out bytes.Buffer
	err := run(p.ctx, args, strings.NewReader(in), &out, io.Discard)
	return out.String(), err
}

// losing loses an answer after the server has done what was asked, as a bad network does.
func (p *player) losing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/take") && p.lose.CompareAndSwap(true, false) {
			next.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	})
}

// send sends and returns the link and the number.
func (p *player) send(in string, args ...string) (link, number string, err error) {
	grant, err := p.server.grant(p.ctx)
	if err != nil {
		return "", "", err
	}
	flags := 0
	for flags < len(args) && strings.HasPrefix(args[flags], "-") {
		flags++
	}
	args = append(append(append([]string{"send"}, args[:flags]...), grant), args[flags:]...)
	out, err := p.play(in, args...)
	fields := strings.Fields(out)
	if err == nil && len(fields) < 4 {
		err = fmt.Errorf("send wrote %d words", len(fields))
	}
	if err != nil {
		return "", "", err
	}
	return fields[1], fields[3], nil
}

func selftest(ctx context.Context, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	p := &player{ctx: ctx, out: out}
	if p.server, err = start(ctx, "127.0.0.1:0", p.losing); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.server.stop()) }()
	dir, err := os.MkdirTemp("", "secret-selftest-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, chapter := range []struct {
		title string
		play  func(dir string) error
	}{
		{"A text, and a second reader", p.text},
		{"A file, and an answer that gets lost", p.file},
		{"A wrong number", p.wrong},
		{"A request", p.request},
	} {
		_, _ = fmt.Fprintf(out, "\n%s\n", chapter.title)
		if err := chapter.play(dir); err != nil {
			return fmt.Errorf("%s: %w", strings.ToLower(chapter.title), err)
		}
	}
	_, _ = fmt.Fprintln(out, "\nAll as it should be.")
	return nil
}

// expect is a deviation where got is not want.
func expect(what, got, want string) error {
	if got != want {
		return fmt.Errorf("%s: it is %q, it should be %q", what, got, want)
	}
	return nil
}

// refused is a deviation where err is not want.
func refused(what string, err, want error) error {
	if !errors.Is(err, want) {
		return fmt.Errorf("%s: the error is %w, it should be %w", what, err, want)
	}
	return nil
}

func (p *player) text(string) error {
	link, number, err := p.send("hunter2\n")
	if err != nil {
		return err
	}
	got, err := p.play(number+"\n", "open", link) // it asks for the number
	if err := errors.Join(err, expect("the text", got, "hunter2\n")); err != nil {
		return err
	}
	p.say("hunter2 was sent and read.")
	_, err = p.play("", "open", "-number", number, link)
	p.say("A second reader is told: %v.", err)
	return refused("the second reader", err, securesend.ErrEnded)
}

func (p *player) file(dir string) error {
	name := filepath.Join(dir, "report.bin")
	content := bytes.Repeat([]byte("all work and no play "), 500_000)
	if err := os.WriteFile(name, content, 0o600); err != nil {
		return err
	}
	link, number, err := p.send("correct horse\n", "-ask-passphrase", name)
	if err != nil {
		return err
	}
	to := filepath.Join(dir, "in")
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	p.lose.Store(true)
	if _, err := p.play("correct horse\n", "open", "-number", number, "-dir", to, link); err != nil {
		return err
	}
	if p.lose.Load() {
		return errors.New("no answer was lost")
	}
	got, err := os.ReadFile(filepath.Join(to, "report.bin")) //nolint:gosec // it is in a folder of ours
	if err == nil && !bytes.Equal(got, content) {
		err = errors.New("other bytes arrived")
	}
	p.say("%d bytes arrived, though the first answer of the server was lost on the way.", len(got))
	return err
}

func (p *player) wrong(string) error {
	link, number, err := p.send("hunter2")
	if err != nil {
		return err
	}
	wrong := "111"
	if number == wrong {
		wrong = "222"
	}
	_, err = p.play("", "open", "-number", wrong, link)
	p.say("The first try: %v.", err)
	if err := refused("the first try", err, securesend.ErrNumber); err != nil {
		return err
	}
	for range 2 {
		_, err = p.play("", "open", "-number", wrong, link)
		wrong = number // which is too late
	}
	p.say("Then even the right one: %v.", err)
	return refused("the third try", err, securesend.ErrLocked)
}

func (p *player) request(dir string) error {
	r, w := io.Pipe()
	failed := make(chan error, 1)
	go func() {
		err := p.server.ask(p.ctx, &terminal{out: w, err: io.Discard}, options{ask: "The serial number?", dir: dir})
		_ = w.Close()
		failed <- err
	}()
	var link, number, text string
	if _, err := fmt.Fscanf(r, "link    %s\nnumber  %s\n\n", &link, &number); err != nil {
		return err
	}
	_, err := p.play("SN-4711\n", "answer", "-number", number, link)
	if err != nil {
		return err
	}
	rest, err := io.ReadAll(r)
	if err := errors.Join(err, <-failed); err != nil {
		return err
	}
	text = strings.TrimSpace(strings.TrimPrefix(string(rest), "Waiting for the answer."))
	p.say("The answer is %s.", text)
	return expect("the answer", text, "SN-4711")
}
