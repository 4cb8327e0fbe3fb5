package verifytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Scanner behaves like the machines that stand between a message and its reader: mail scanners, link unfurlers,
// detonation chambers. It has the complete link. It asks for it with HEAD and GET under several names, opens
// every link of the same origin, submits every form with every guess, and then does all of it again. The zero
// value works. A page that is safe comes out of a scan without a confirmation, a proof or a freeze:
//
//	report, err := (&verifytest.Scanner{Exclude: []string{c.Number.Reveal()}}).Scan(ctx, client, link)
//	c, err = svc.Get(ctx, c.Ref, jane.ID) // still not confirmed
type Scanner struct {
	// Exclude lists the answers that are not guessed, because a machine that guesses the right one at random has
	// not found a fault. What a page shows is tried all the same, excluded or not, and before everything else.
	Exclude []string
	// Guesses are typed into every field. Nil means all numbers of three digits and some words.
	Guesses []string
	// UserAgents are the names under which the link is opened. Nil means those of common scanners.
	UserAgents []string
	// Parallel is how many requests go at once: default 8.
	Parallel int
	// MaxRequests bounds the scan: default 100 000. A scan that would need more ends with an error.
	MaxRequests int
	// NoReplay leaves out the second time.
	NoReplay bool
}

// Report counts what a scan did.
type Report struct {
	// Requests counts all of them, Replays those that were sent a second time.
	Requests, Replays int
	// Pages counts different pages that were read, Forms different forms, Submissions the forms sent, replays
	// included.
	Pages, Forms, Submissions int
	// Status counts the responses by status.
	Status map[int]int
}

const (
	scanBody  = 1 << 20 // bytes that are read of a page
	scanPages = 256     // pages that are opened
	scanForms = 64      // forms that are submitted
	scanFound = 200     // guesses that are taken from the text of pages
)

// The names of machines that open links, as they are seen in logs.
var scannerAgents = []string{
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
	"Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
	"Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
	"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
	"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
	"Barracuda Sentinel (EE)",
	"",
}

var scannerWords = []string{
	"", "yes", "ok", "true", "1", "on", "test", "test test", "apple apple", "anchor anchor", "apfel apfel", "hello world",
	"not me", "confirm", "admin", "0", "-1", "٠٠٠", "０００", "' OR '1'='1", "<script>alert(1)</script>", "%00", "{{.}}", "../../etc/passwd",
}

// Scan scans link by client, whose redirect policy is not used. A cancelled ctx, an unusable link, and a request
// that could not be made are errors; the report then counts what was done until then. A response of any status
// is not an error.
func (s *Scanner) Scan(ctx context.Context, client *http.Client, link string) (Report, error) {
	start, err := url.Parse(link)
	if err != nil || start.Host == "" || (start.Scheme != "https" && start.Scheme != "http") {
		return Report{}, errors.New("verifytest: scan: the link is not an absolute http or https URL")
	}
	c := *client
	// Redirects are followed like links: each address once, and none that leaves the origin.
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	run := &scan{
		Scanner: s, ctx: ctx, cancel: cancel, client: &c, origin: start,
		seen: map[string]bool{}, found: map[string]bool{}, report: Report{Status: map[int]int{}},
	}
	run.all(start)
	if err := context.Cause(ctx); err != nil {
		return run.report, fmt.Errorf("verifytest: scan: %w", err)
	}
	return run.report, nil
}

// request is one that can be sent again.
type request struct{ method, url, agent, body string }

type submission struct {
	form   form
	target string
}

// scan is one run of a Scanner.
type scan struct {
	*Scanner
	ctx    context.Context //nolint:containedctx // it lives as long as the run
	cancel context.CancelCauseFunc
	client *http.Client
	origin *url.URL

	mu      sync.Mutex
	sent    []request
	seen    map[string]bool // pages, links and forms
	links   int
	queue   []string     // pages to be opened
	pages   []string     // pages that were opened
	buttons []submission // forms to be sent as they are
	fields  []submission // forms to be filled in
	found   map[string]bool
	order   []string // what was found, in order
	report  Report
}

func (s *scan) all(start *url.URL) {
	agents := s.UserAgents
	if agents == nil {
		agents = scannerAgents
	}
	var first []request
	for _, agent := range agents {
		for _, method := range []string{http.MethodHead, http.MethodGet, http.MethodOptions} {
			first = append(first, request{method: method, url: start.String(), agent: agent})
		}
	}
	s.each(first)
	s.explore()
	for s.ctx.Err() == nil {
		forms := s.take(&s.fields)
		if len(forms) == 0 {
			break
		}
		s.guess(forms)
		s.revisit() // pages tell what became of it
		s.explore()
	}
	if s.NoReplay || s.ctx.Err() != nil {
		return
	}
	again := slices.Clone(s.sent)
	s.each(again)
	s.report.Replays = len(again)
}

// explore opens all pages and presses all buttons until nothing new is shown.
func (s *scan) explore() {
	for s.ctx.Err() == nil {
		s.mu.Lock()
		pages := s.queue
		s.queue = nil
		s.pages = append(s.pages, pages...)
		s.mu.Unlock()
		s.open(pages)
		buttons := s.take(&s.buttons)
		for _, f := range buttons {
			s.each(f.fill([]string{""}))
		}
		if len(buttons) > 0 {
			s.revisit()
		} else if len(pages) == 0 {
			return
		}
	}
}

func (s *scan) open(pages []string) {
	rs := make([]request, 0, 2*len(pages))
	for _, p := range pages {
		rs = append(rs, request{method: http.MethodHead, url: p}, request{method: http.MethodGet, url: p})
	}
	s.each(rs)
}

func (s *scan) revisit() { s.open(slices.Clone(s.pages)) }

// guess fills in forms, one guess into each before the next one.
func (s *scan) guess(forms []submission) {
	guesses := s.guesses()
	filled := make([][]request, len(forms))
	for i, f := range forms {
		filled[i] = f.fill(guesses)
	}
	var rs []request
	for i := range guesses {
		for _, f := range filled {
			if i < len(f) {
				rs = append(rs, f[i])
			}
		}
	}
	s.each(rs)
}

// take hands out the forms that were found since the last call.
func (s *scan) take(from *[]submission) []submission {
	s.mu.Lock()
	defer s.mu.Unlock()
	forms := *from
	*from = nil
	return forms
}

// fill returns one request for each guess, which is put into every field that is free.
func (f submission) fill(guesses []string) []request {
	out := make([]request, 0, len(guesses))
	for _, g := range guesses {
		values := url.Values{}
		for _, field := range f.form.fields {
			if field.fixed {
				values.Add(field.name, field.value)
			} else {
				values.Set(field.name, g)
			}
		}
		if f.form.method == http.MethodPost {
			out = append(out, request{method: http.MethodPost, url: f.target, body: values.Encode()})
			continue
		}
		if u, err := url.Parse(f.target); err == nil {
			u.RawQuery = values.Encode()
			out = append(out, request{method: http.MethodGet, url: u.String()})
		}
	}
	return out
}

func (s *scan) guesses() []string {
	s.mu.Lock()
	out := slices.Clone(s.order)
	s.mu.Unlock()
	blind := s.Guesses
	if blind == nil {
		blind = slices.Clone(scannerWords)
		for n := range 1000 {
			blind = append(blind, fmt.Sprintf("%03d", n))
		}
	}
	for _, g := range blind {
		if !slices.Contains(s.Exclude, g) {
			out = append(out, g)
		}
	}
	return out
}

// each sends requests, several at once, in about the given order.
func (s *scan) each(rs []request) {
	n := s.Parallel
	if n <= 0 {
		n = 8
	}
	todo := make(chan request)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for r := range todo {
				if err := s.send(r); err != nil {
					s.cancel(err)
				}
			}
		})
	}
	for _, r := range rs {
		if s.ctx.Err() != nil {
			break
		}
		todo <- r
	}
	close(todo)
	wg.Wait()
}

var errTooMany = errors.New("the scan needs more than MaxRequests requests")

func (s *scan) send(r request) error {
	limit := s.MaxRequests
	if limit <= 0 {
		limit = 100_000
	}
	s.mu.Lock()
	s.report.Requests++
	if r.body != "" || r.method == http.MethodPost {
		s.report.Submissions++
	}
	over := s.report.Requests > limit
	s.sent = append(s.sent, r)
	s.mu.Unlock()
	if over {
		return errTooMany
	}
	req, err := http.NewRequestWithContext(s.ctx, r.method, r.url, strings.NewReader(r.body))
	if err != nil {
		return errors.New("a link on a page is not a URL") // the error would repeat it
	}
	if r.agent == "" {
		r.agent = scannerAgents[0]
	}
	req.Header.Set("User-Agent", r.agent)
	req.Header.Set("Accept", "text/html,*/*")
	if r.method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", s.origin.Scheme+"://"+s.origin.Host)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	resp, err := s.client.Do(req)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err // its own text repeats the URL
		}
		return fmt.Errorf("%s: %w", r.method, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, scanBody))
	if err != nil {
		return fmt.Errorf("read a response to %s: %w", r.method, err)
	}
	s.read(resp, body)
	return nil
}

// read notes what a response shows.
func (s *scan) read(resp *http.Response, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report.Status[resp.StatusCode]++
	if to := resp.Header.Get("Location"); to != "" {
		s.link(resp.Request.URL, to)
	}
	if t, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); t != "text/html" || len(body) == 0 {
		return
	}
	at := resp.Request.URL
	if key := "page " + at.String(); !s.seen[key] {
		s.seen[key] = true
		s.report.Pages++
	}
	p := parsePage(string(body))
	for _, l := range p.links {
		s.link(at, l)
	}
	for _, f := range p.forms {
		to, ok := s.resolve(at, f.action)
		key := "form " + f.method + " " + to + " " + f.names()
		if !ok || s.seen[key] || s.report.Forms >= scanForms {
			continue
		}
		s.seen[key] = true
		s.report.Forms++
		if f.free() {
			s.fields = append(s.fields, submission{f, to})
		} else {
			s.buttons = append(s.buttons, submission{f, to})
		}
	}
	for _, g := range p.guesses() {
		if !s.found[g] && len(s.found) < scanFound {
			s.found[g] = true
			s.order = append(s.order, g)
		}
	}
}

// link notes where a page leads.
func (s *scan) link(at *url.URL, link string) {
	if to, ok := s.resolve(at, link); ok && !s.seen["link "+to] && s.links < scanPages {
		s.seen["link "+to] = true
		s.links++
		s.queue = append(s.queue, to)
	}
}

// resolve returns the address of a link on a page, if it leads to the same origin.
func (s *scan) resolve(at *url.URL, link string) (string, bool) {
	u, err := at.Parse(strings.TrimSpace(link))
	if err != nil || u.Scheme != s.origin.Scheme || u.Host != s.origin.Host {
		return "", false
	}
	u.Fragment, u.RawFragment = "", ""
	return u.String(), true
}
