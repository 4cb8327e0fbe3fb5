package brandpage

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/teamsapp"
)

// show shows the form with what the host has. It changes nothing.
func (p *Pages) show(w http.ResponseWriter, r *http.Request) {
	s, ok := p.state(w, r)
	if !ok {
		return
	}
	f := form{brand: s.Brand}
	made, faults, err := p.packaged(r, &f, s.Published, false)
	if err != nil {
		p.fail(w, r, "package", err)
		return
	}
	p.render(w, r, page{form: f, was: s.Published, made: made, faults: faults, fresh: true})
}

// send takes the form: it shows the preview, adds or removes a language, or hands out the package.
func (p *Pages) send(w http.ResponseWriter, r *http.Request) {
	s, ok := p.state(w, r)
	if !ok {
		return
	}
	f := readForm(s.Brand, r.PostForm)
	do := r.PostForm.Get(fieldDo)
	changed := f.change(do)
	was := s.Published
	if p.o.Save == nil {
		was = teamsapp.Published{Version: f.version}
	}
	made, faults, err := p.packaged(r, &f, was, true)
	if err != nil {
		p.fail(w, r, "package", err)
		return
	}
	out := page{form: f, was: was, made: made, faults: faults, fresh: changed, focus: "preview"}
	switch {
	case do == doAdd:
		out.focus = doAdd
	case changed:
		out.focus = "languages"
	}
	if do != doDownload || len(faults) > 0 {
		if do == doDownload {
			out.status = http.StatusUnprocessableEntity
		}
		p.render(w, r, out)
		return
	}
	if p.o.Save != nil {
		err := p.o.Save(r, was, State{Brand: f.brand, Published: made.Published})
		if errors.Is(err, ErrConflict) {
			out.status, out.conflict = http.StatusConflict, true
			p.render(w, r, out)
			return
		}
		if err != nil {
			p.fail(w, r, "save", err)
			return
		}
	}
	download(w, f.brand.ShortName, made)
}

// state asks the host, and answers where it cannot say.
func (p *Pages) state(w http.ResponseWriter, r *http.Request) (State, bool) {
	s, err := p.load(r)
	if err != nil {
		p.fail(w, r, "load", err)
		return State{}, false
	}
	return s, true
}

// fail answers what is nobody's fault who fills in a form.
func (p *Pages) fail(w http.ResponseWriter, r *http.Request, what string, err error) {
	p.log.WarnContext(r.Context(), "brandpage: the answer was 503", slog.String("what", what), slog.Any("error", err))
	p.site.Error(w, r, http.StatusServiceUnavailable)
}

// packaged makes the package of a form, or finds out what is wrong with it. With sent the logo is that of the request, where
// it has one. Where texts are wrong the icons are made all the same; made is nil where there are not even these. err is that
// the request ended, or that nothing of what people can fill in is to blame.
func (p *Pages) packaged(r *http.Request, f *form, was teamsapp.Published, sent bool) (made *teamsapp.Package, faults []*teamsapp.FieldError, err error) {
	select {
	case p.build <- struct{}{}:
		defer func() { <-p.build }()
	case <-r.Context().Done():
		return nil, nil, r.Context().Err()
	}
	if sent {
		if err := p.readLogo(r, f); err != nil {
			if faults = teamsapp.Faults(err); len(faults) == 0 {
				return nil, nil, err
			}
		}
	}
	o := p.o.Package
	o.Previous = was
	made, err = teamsapp.NewPackage(f.brand, &o)
	if err == nil {
		return made, faults, nil
	}
	more := teamsapp.Faults(err)
	if len(more) == 0 {
		return nil, nil, err
	}
	o.Previous, o.Schema = teamsapp.Published{}, ""
	if made, err = teamsapp.NewPackage(sample(f.brand), &o); err != nil { // which is among the faults
		made = nil
	}
	return made, append(faults, more...), nil
}

// readLogo puts the logo of a request in place of what the host has: the one that was read before, and then the one that is
// new. A new one that cannot be read leaves that from before where it is.
func (p *Pages) readLogo(r *http.Request, f *form) error {
	if k := kept(r.PostForm); len(k) > 0 {
		// It comes from the form, so that it is as foreign as the other; one of ours can be read.
		if png, err := teamsapp.NormalizeLogo(k, &p.o.Package); err == nil {
			f.brand.Logo = png
		}
	}
	logo, chosen := webpage.Uploaded(r, fieldLogo)
	if !chosen {
		return nil
	}
	f.refused = logo.Content
	if most := p.maxLogo(); logo.Size > int64(most) {
		return &teamsapp.FieldError{
			Field: "Logo", Max: most, Size: int(logo.Size), Reason: fmt.Sprintf("has %d bytes, at most %d are allowed", logo.Size, most),
		}
	}
	png, err := teamsapp.NormalizeLogo(logo.Content, &p.o.Package)
	if err != nil {
		return err
	}
	f.brand.Logo, f.refused = png, nil
	return nil
}

// sample is a brand with nothing wrong but perhaps the logo, to see its icons.
func sample(b teamsapp.Brand) teamsapp.Brand {
	const address = "https://brand.example"
	out := teamsapp.Brand{
		Key: "sample", BotID: "00000000-0000-4000-8000-000000000001", Accent: b.Accent, Logo: b.Logo,
		Texts:     teamsapp.Texts{ShortName: "Sample", Summary: "A sample", Description: "A sample of an app"},
		Developer: teamsapp.Developer{Name: "Sample", Website: address, Privacy: address, Terms: address},
	}
	if _, err := webpage.ParseColor(b.Accent); err != nil {
		out.Accent = ""
	}
	return out
}

// page is what render shows.
type page struct {
	form     form
	was      teamsapp.Published
	made     *teamsapp.Package
	faults   []*teamsapp.FieldError
	fresh    bool // nothing was asked about, so that what is missing is no fault yet
	focus    string
	conflict bool
	status   int
}

func (p *Pages) render(w http.ResponseWriter, r *http.Request, in page) {
	texts := p.catalog.Negotiate(strings.Join(r.Header.Values("Accept-Language"), ","), p.o.Locale)
	b := &builder{texts: texts, o: p.o.Package, logo: in.form.refused}
	v := b.build(in.form, p.maxLogo(), p.o.Save == nil)
	faults := in.faults
	if in.fresh {
		faults = slices.DeleteFunc(slices.Clone(faults), func(e *teamsapp.FieldError) bool { return e.Field != "Logo" })
	}
	b.blame(v, faults)
	if in.conflict {
		v.Problem = &problem{b.t("problem.conflict.title"), b.t("problem.conflict.text")}
	}
	v.focus(in.focus)
	if in.made != nil {
		b.show(v, in.form, in.made)
		b.warn(v, in.form, in.made.Warnings)
		b.tell(v, in.was, in.made, len(in.faults) == 0)
	}
	if b.err != nil {
		p.log.ErrorContext(r.Context(), "brandpage: texts", slog.Any("error", b.err))
		p.site.Error(w, r, http.StatusInternalServerError)
		return
	}
	p.site.Render(w, r, webpage.Page{Template: "brand", Status: in.status, Locale: texts.Lang(), Data: v})
}

// download hands out a package. The name of the file is of letters, digits and dashes alone, whatever the app's name.
func download(w http.ResponseWriter, name string, p *teamsapp.Package) {
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="`+fileName(name)+"-"+p.Version+`.zip"`)
	h.Set("Content-Length", strconv.Itoa(len(p.Zip)))
	_, _ = w.Write(p.Zip) //nolint:gosec // a zip of ours, sent as a file of its own type that nobody may guess another for
}

// maxFileName is how much of an app's name is in the name of a file.
const maxFileName = 40

func fileName(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case b.Len() == maxFileName:
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	if out := strings.Trim(b.String(), "-"); out != "" {
		return out
	}
	return "teams-app"
}
