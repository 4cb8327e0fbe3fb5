package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit/psa/psatest"
)

// player plays both sides.
type player struct {
	ctx                        context.Context //nolint:containedctx // one run, from beginning to end
	out                        io.Writer
	dir                        string
	storage                    storage
	tickets                    ticketSystem
	fake                       *psatest.Server // outlives a restart, as a ticket system does
	app                        *app
	desks                      map[string]*http.Client // the technicians' browsers, by technician
	teams                      *playedTeams            // outlives a restart
	office                     *playedOffice
	stop                       func() error
	client                     *http.Client
	transport                  http.RoundTripper // of technicians' browsers, nil but in tests
	technician, person, tenant string
	addr                       string // where the program listens; empty is any port

	logged  logs     // what all instances have logged
	secrets []string // what must stand in no note, no log and no file: texts, links, keys in links
	numbers []string // what must stand in no note and no log
	shown   []string // sends whose notes are printed at the end
}

// logs collects what the program logs, without times and counts.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logs) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Value.Kind() { //nolint:exhaustive // a number that somebody says is a text; these would only look like one
		case slog.KindTime, slog.KindDuration, slog.KindInt64:
			return slog.Attr{}
		}
		return a
	}}))
}

type deviation string

// open starts the program. What the example keeps in memory only is taken over from the one before.
func (p *player) open(before *app) error {
	var err error
	p.app, p.stop, err = p.serve(nil, func(a *app) {
		if before != nil {
			a.sentBy.by = before.sentBy.by
			a.rules.of, a.arrivals, a.offset = before.rules.of, before.arrivals, before.offset
		}
	})
	return err
}

// serve starts an instance of the program, where beside is not nil as the second one on its data.
func (p *player) serve(beside *app, ready func(*app)) (_ *app, stop func() error, _ error) {
	l, err := listen(p.ctx, "-addr", or(p.addr, "127.0.0.1:0"))
	if err != nil {
		return nil, nil, err
	}
	a, err := newApp(p.ctx, config{dir: p.dir, url: "http://" + l.Addr().String(), storage: p.storage, tickets: p.tickets, fake: p.fake, podOrigins: []string{"https://psa.example"}, teams: p.teams, office: p.office, beside: beside, log: p.logged.logger()})
	if err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	ready(a)
	ctx, cancel := context.WithCancel(p.ctx)
	done := make(chan error, 1)
	go func() { done <- a.serve(ctx, l, nil) }()
	return a, func() error {
		cancel()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}, nil
}

func (p *player) shut() error {
	p.client.CloseIdleConnections()
	for _, c := range p.desks {
		c.CloseIdleConnections()
	}
	return p.stop()
}

func (p *player) print(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, format+"\n", args...)
}

func (p *player) say(format string, args ...any) { p.print("   "+format, args...) }

// must stops the story where something is not as it should be.
func (p *player) must(ok bool, format string, args ...any) {
	if !ok {
		panic(deviation(fmt.Sprintf(format, args...)))
	}
}

func (p *player) no(err error) { p.must(err == nil, "unexpected error: %v", err) }

// do presses a button of the portal.
func (p *player) do(action string, fields ...string) (reply challengeJSON, refused string) {
	f := url.Values{"person": {p.person}, "tenant": {p.tenant}}
	for i := 0; i+1 < len(fields); i += 2 {
		f.Set(fields[i], fields[i+1])
	}
	status, body := p.as(p.technician, http.MethodPost, "/api/"+action, f)
	var v struct {
		challengeJSON
		Error string `json:"error"`
	}
	p.no(json.Unmarshal([]byte(body), &v))
	p.must((status == http.StatusOK) == (v.Error == ""), "%s answered %d with error %q", action, status, v.Error)
	return v.challengeJSON, v.Error
}

func (p *player) press(action string, fields ...string) challengeJSON {
	c, refused := p.do(action, fields...)
	p.must(refused == "", "%s was refused: %s", action, refused)
	return c
}

func (p *player) see() personJSON {
	status, body := p.as(p.technician, http.MethodGet, "/api/state?person="+p.person, nil)
	p.must(status == http.StatusOK, "the state answered %d", status)
	var v struct{ Person personJSON }
	p.no(json.Unmarshal([]byte(body), &v))
	return v.Person
}

func (p *player) challenge(id string) challengeJSON {
	for _, c := range p.see().History {
		if c.ID == id {
			return c
		}
	}
	p.must(false, "the challenge is gone")
	return challengeJSON{}
}

// until waits for something that happens in the background.
func (p *player) until(what string, ok func() bool) {
	for end := time.Now().Add(15 * time.Second); !ok(); {
		if time.Now().After(end) {
			p.must(false, "%s did not happen%s", what, p.undelivered())
		}
		select {
		case <-p.ctx.Done():
			p.no(p.ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// message waits for the next message on a device.
func (p *player) message(device string, before int) messageJSON {
	var got messageJSON
	p.until("a message ("+device+")", func() bool {
		ms := p.on(device)
		if len(ms) > before {
			got = ms[0]
		}
		return len(ms) > before
	})
	return got
}

func (p *player) on(device string) []messageJSON {
	var out []messageJSON
	for _, m := range p.see().Messages {
		if m.Device == device {
			out = append(out, m)
		}
	}
	return out
}

func (p *player) request(method, target string, form url.Values) (status int, body string) {
	r, err := http.NewRequestWithContext(p.ctx, method, target, strings.NewReader(form.Encode()))
	p.no(err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	_, status, body = p.visit(p.client, r)
	return status, body
}

var (
	heading = regexp.MustCompile(`(?s)<h1[^>]*>(.*?)</h1>`)
	tags    = regexp.MustCompile(`<[^>]*>`)
)

// page opens a link, or submits a form, as the caller, and returns the heading and the text of the page.
func (p *player) page(link string, form url.Values) (title, text string) {
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	status, body := p.request(method, link, form)
	p.must(status < 500, "the page answered %d", status)
	return p.headingOf(body)
}

// headingOf is the heading of a page, and everything that stands on it.
func (p *player) headingOf(page string) (title, text string) {
	m := heading.FindStringSubmatch(page)
	p.must(m != nil, "the page has no heading")
	plain := func(s string) string {
		return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(s, " "))), " ")
	}
	return plain(m[1]), plain(page)
}

func (p *player) typed(link, value string) string {
	title, _ := p.page(link, url.Values{"answer": {value}})
	return title
}

func shorten(s string) string {
	s = strings.Join(strings.Fields(links.ReplaceAllString(s, "<link>")), " ")
	if len(s) > 160 {
		s = s[:157] + "..."
	}
	return s
}

func wrong(number string) string {
	if number[0] == '9' {
		return "0" + number[1:]
	}
	return string(number[0]+1) + number[1:]
}

// full writes digits as an East Asian keyboard does.
func full(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '０' + r - '0'
		}
		return r
	}, s)
}
