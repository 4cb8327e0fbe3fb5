package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/mspkit/mspkit/teamsapp"
)

// player plays the command and the page in a folder of its own, without a network.
type player struct {
	ctx context.Context //nolint:containedctx // it lives as long as the story
	out io.Writer
	dir string
}

func (p *player) say(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, "  "+format+"\n", args...)
}

func (p *player) in(name string) string { return filepath.Join(p.dir, name) }

func selftest(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "teams-app-selftest-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p := &player{ctx: ctx, out: out, dir: dir}
	for _, chapter := range []struct {
		title string
		play  func() error
	}{
		{"The command", p.command},
		{"What is wrong with a brand", p.faults},
		{"The page", p.page},
		{"A page of somebody else", p.foreign},
	} {
		_, _ = fmt.Fprintf(out, "\n%s\n", chapter.title)
		if err := chapter.play(); err != nil {
			return fmt.Errorf("%s: %w", strings.ToLower(chapter.title), err)
		}
	}
	_, _ = fmt.Fprintln(out, "\nAll as it should be.")
	return nil
}

// expect is a deviation where s has not what it should.
func expect(what, s, want string) error {
	if !strings.Contains(s, want) {
		return fmt.Errorf("%s: there is no %q in %q", what, want, s)
	}
	return nil
}

// play runs the command and returns what it wrote.
func (p *player) play(args ...string) (string, error) {
	var b bytes.Buffer
	err := run(p.ctx, args, &b)
	return b.String(), err
}

// change replaces a text in the file of the brand.
func (p *player) change(from, to string) error {
	b, err := os.ReadFile(p.in("brand.json"))
	if err != nil {
		return err
	}
	if err := expect("brand.json", string(b), from); err != nil {
		return err
	}
	return os.WriteFile(p.in("brand.json"), []byte(strings.Replace(string(b), from, to, 1)), 0o600) //nolint:gosec // it is in a folder of ours
}

func (p *player) command() error {
	if _, err := p.play("-sample", p.dir); err != nil {
		return err
	}
	p.say("A sample brand was written: brand.json and logo.png.")
	for _, step := range []struct{ change, want, words string }{
		{"", "1.0.0 (the first)", "The package was made, as version 1.0.0."},
		{"", "1.0.0 (unchanged)", "Made once more it is the same: nothing has changed, so its version has not either."},
		{"messages from your helpdesk", "1.0.1 (after 1.0.0)", "Another summary makes it version 1.0.1, which Teams takes as an update."},
	} {
		if step.change != "" {
			if err := p.change(step.change, "news from your helpdesk"); err != nil {
				return err
			}
		}
		out, err := p.play("-brand", p.in("brand.json"), "-o", p.in("app.zip"))
		if err := errors.Join(err, expect("the version", out, "version  "+step.want)); err != nil {
			return err
		}
		p.say("%s", step.words)
	}
	b, err := os.ReadFile(p.in("app.zip"))
	if err != nil {
		return err
	}
	return p.look(b, "1.0.1")
}

// look reads a package as Teams would.
func (p *player) look(b []byte, version string) error {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	names := make([]string, 0, len(z.File))
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	f, err := z.Open("manifest.json")
	if err != nil {
		return err
	}
	var m struct{ ID, Version string }
	if err := errors.Join(json.NewDecoder(f).Decode(&m), f.Close()); err != nil {
		return err
	}
	sample, err := sampleBrand()
	if err != nil {
		return err
	}
	p.say("It holds %s.", strings.Join(names, ", "))
	return errors.Join(expect("the version", m.Version, version), expect("the id", m.ID, teamsapp.PackageID(sample.Key, sample.BotID)))
}

func (p *player) faults() error {
	if err := p.change(`"Contoso Helpdesk"`, `"The helpdesk of Contoso for everybody"`); err != nil {
		return err
	}
	if err := p.change("https://www.contoso.example/privacy", "javascript:alert(1)"); err != nil {
		return err
	}
	if err := os.WriteFile(p.in("logo.svg"), []byte("<svg/>"), 0o600); err != nil {
		return err
	}
	_, err := p.play("-brand", p.in("brand.json"), "-logo", p.in("logo.svg"), "-o", p.in("app.zip"))
	if err == nil {
		return errors.New("nothing was found wrong")
	}
	_, lines, _ := strings.Cut(err.Error(), "\n")
	for line := range strings.Lines(lines) {
		p.say("%s", strings.TrimSpace(line))
	}
	return errors.Join(
		expect("the name", lines, "shortName has 37 characters, at most 30 are allowed"),
		expect("the privacy statement", lines, "developer.privacy is not an https URL"),
		expect("the logo", lines, "logo is not a PNG, JPEG, GIF or WebP picture, but SVG"),
	)
}

// post sends the form of the page.
func (p *player) post(h http.Handler, fields map[string]string, logo []byte, header map[string]string) (*httptest.ResponseRecorder, error) {
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	for name, value := range fields {
		if err := m.WriteField(name, value); err != nil {
			return nil, err
		}
	}
	part, err := m.CreateFormFile("logo", "logo.png")
	if err == nil {
		_, err = part.Write(logo)
	}
	if err := errors.Join(err, m.Close()); err != nil {
		return nil, err
	}
	r := httptest.NewRequestWithContext(p.ctx, http.MethodPost, "/", &body)
	r.Header.Set("Content-Type", m.FormDataContentType())
	for name, value := range header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w, nil
}

// form is what somebody types into the page.
func form(change map[string]string) map[string]string {
	f := map[string]string{
		"short": "Fabrikam Hilfe", "summary": "Who asks, and for what.", "description": "When you call, this app shows who asks.", "accent": "#0b6e4f",
		"developer": "Fabrikam", "website": "https://fabrikam.example", "privacy": "https://fabrikam.example/p", "terms": "https://fabrikam.example/t",
	}
	maps.Copy(f, change)
	return f
}

func (p *player) page() error {
	h, err := handler(options{})
	if err != nil {
		return err
	}
	logo, err := sampleLogo()
	if err != nil {
		return err
	}
	for _, step := range []struct {
		change map[string]string
		status int
		want   string
		words  string
	}{
		{map[string]string{"summary": strings.Repeat("x", 90)}, http.StatusOK, "It has 90 characters, at most 80 are allowed.", "The preview shows the icons, and that the summary is too long."},
		{map[string]string{"accent": "#ffd400"}, http.StatusOK, "has a contrast of 1.4 to 1", "On a yellow accent it warns that the white icon cannot be seen."},
		{nil, http.StatusOK, "crop-hexagon", "On green all is well."},
	} {
		w, err := p.post(h, form(step.change), logo, nil)
		if err := errors.Join(err, expect("the page", w.Body.String(), step.want)); err != nil {
			return err
		}
		if w.Code != step.status {
			return fmt.Errorf("the status is %d", w.Code)
		}
		p.say("%s", step.words)
	}
	w, err := p.post(h, form(map[string]string{"do": "download"}), logo, nil)
	if err := errors.Join(err, expect("the download", w.Header().Get("Content-Disposition"), "fabrikam-hilfe-1.0.0.zip")); err != nil {
		return err
	}
	p.say("The package is downloaded as fabrikam-hilfe-1.0.0.zip.")
	return p.look(w.Body.Bytes(), "1.0.0")
}

func (p *player) foreign() error {
	h, err := handler(options{})
	if err != nil {
		return err
	}
	w, err := p.post(h, form(map[string]string{"do": "download"}), nil, map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://attacker.example"})
	if err != nil {
		return err
	}
	p.say("Its form is refused with status %d.", w.Code)
	if w.Code != http.StatusForbidden {
		return errors.New("it was let in")
	}
	return nil
}
