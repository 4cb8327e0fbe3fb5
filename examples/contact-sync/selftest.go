package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/internal/graphfake"
)

// played is a Microsoft 365 in the place of the real one. Nil is the real one.
type played struct {
	cloud  entra.Cloud
	http   *http.Client
	page   int
	onPage func()
}

func (p *played) client() *http.Client {
	if p == nil {
		return nil
	}
	return p.http
}

func (p *played) pageSize() int {
	if p == nil {
		return 0
	}
	return p.page
}

func (p *played) watch(at contacts.Progress) {
	if p != nil && p.onPage != nil && at.Pages > 0 {
		p.onPage()
	}
}

// stage is a Microsoft 365 with three tenants.
type stage struct {
	entra   *entratest.Server
	app     *entratest.App
	graph   *graphfake.Server
	tenants map[string]*graphfake.Tenant
	ids     map[string]*entratest.Tenant
	out     io.Writer
	file    string
}

func newStage(out io.Writer, file string) (*stage, error) {
	s := &stage{tenants: map[string]*graphfake.Tenant{}, ids: map[string]*entratest.Tenant{}, out: out, file: file}
	var err error
	s.entra, err = entratest.Start(&entratest.Options{Graph: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.graph.ServeHTTP(w, r) })})
	if err != nil {
		return nil, err
	}
	s.graph = graphfake.New(&graphfake.Options{URL: s.entra.URL() + "/graph", Token: s.entra.AccessTokenTenant})
	s.app = s.entra.AddApp(entratest.App{Secret: "a-secret-of-the-stage", Permissions: []string{"User.Read.All"}})
	for i, name := range []string{"contoso", "fabrikam", "woodgrove"} {
		t := s.entra.AddTenant(name, name+".example")
		s.ids[name], s.tenants[name] = t, s.graph.AddTenant(t.ID, name, t.Domain)
		s.tenants[name].Seed(60+40*i, int64(i))
		if name != "woodgrove" { // whose administrator has not consented yet
			t.Consent(s.app.ID)
		}
	}
	return s, nil
}

// env is how the stage is configured.
func (s *stage) env(name string) string {
	var list []string
	for _, t := range []string{"contoso", "fabrikam", "woodgrove"} {
		list = append(list, t+"="+s.ids[t].ID)
	}
	return map[string]string{envClient: s.app.ID, envSecret: s.app.Secret, envTenants: strings.Join(list, ","), envRegion: "US"}[name]
}

// play runs the command as somebody types it, shows it, and checks that it wrote each of want, and how it ends.
func (s *stage) play(ctx context.Context, typed, ends, args string, onPage func(), want ...string) error {
	_, _ = fmt.Fprintf(s.out, "\n$ %s\n", strings.TrimSpace("contact-sync "+args))
	var written bytes.Buffer
	c := &command{
		env: s.env, in: io.TeeReader(strings.NewReader(typed+"\n"), s.out), out: io.MultiWriter(s.out, &written),
		play: &played{cloud: s.entra.Cloud(), http: s.entra.Client(), page: 25, onPage: onPage},
	}
	err := c.run(ctx, append(strings.Fields(args), "-names", "3", "-db", s.file))
	said := ""
	if err != nil {
		said = err.Error()
		_, _ = fmt.Fprintln(s.out, "contact-sync:", said)
	}
	if (ends == "") != (err == nil) || !strings.Contains(said, ends) {
		return fmt.Errorf("it ended with %q, not with %q", said, ends)
	}
	for _, w := range want {
		if !strings.Contains(written.String(), w) {
			return fmt.Errorf("it did not say %q", w)
		}
	}
	return nil
}

func (s *stage) tell(format string, args ...any) {
	_, _ = fmt.Fprintf(s.out, "\n# "+format+"\n", args...)
}

// selftest plays the story of a partner with three customers, of whom one lacks consent.
func selftest(ctx context.Context, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	folder, err := os.MkdirTemp("", "contact-sync-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	s, err := newStage(out, filepath.Join(folder, "people.db"))
	if err != nil {
		return err
	}
	defer s.entra.Close()
	steps := []func(context.Context) error{s.firstRun, s.secondRun, s.comeAndGo, s.consents, s.looked}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	s.tell("It came out as it should.")
	return nil
}
