package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/securesend"
)

// field is one field of the settings page. The functions read it from the settings and write it there; what cannot be
// written is said beside the field.
type field struct {
	Name, Label, Hint, Unit string
	Kind                    string // number, text, long, check or select
	Choices                 [][2]string
	get                     func(s *securesend.Settings) string
	set                     func(s *securesend.Settings, v string) error

	Value, Error string // of one page
}

// Is reports the kind, for the template.
func (f field) Is(kind string) bool { return f.Kind == kind }

// On reports whether a check box is ticked.
func (f field) On() bool { return f.Value != "" }

// Wide reports whether a field takes the whole width.
func (f field) Wide() bool { return f.Kind == "long" || f.Kind == "check" }

type fieldGroup struct {
	Title, Text string
	Fields      []field
}

// number is a field for a whole number of units. Empty means the default.
func number[T int | int64 | time.Duration](name, label, hint, unit string, one T, at func(*securesend.Settings) *T) field {
	return field{
		Name: name, Label: label, Hint: hint, Unit: unit, Kind: "number",
		get: func(s *securesend.Settings) string {
			if *at(s) == 0 {
				return ""
			}
			return strconv.FormatFloat(float64(*at(s))/float64(one), 'f', -1, 64)
		},
		set: func(s *securesend.Settings, v string) error {
			*at(s) = 0
			if v == "" {
				return nil
			}
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil || n < 1 || n > 1<<20 {
				return fmt.Errorf("Write a whole number, or nothing for the default.") //nolint:staticcheck,revive // a sentence for the page
			}
			*at(s) = T(n) * one
			return nil
		},
	}
}

func text(kind, name, label, hint string, at func(*securesend.Settings) *string) field {
	return field{
		Name: name, Label: label, Hint: hint, Kind: kind,
		get: func(s *securesend.Settings) string { return *at(s) },
		set: func(s *securesend.Settings, v string) error { *at(s) = v; return nil },
	}
}

func check(name, label, hint string, at func(*securesend.Settings) *bool) field {
	return field{
		Name: name, Label: label, Hint: hint, Kind: "check",
		get: func(s *securesend.Settings) string {
			if *at(s) {
				return "on"
			}
			return ""
		},
		set: func(s *securesend.Settings, v string) error { *at(s) = v != ""; return nil },
	}
}

func pick(f field, choices ...[2]string) field {
	f.Kind, f.Choices = "select", choices
	was := f.set
	f.set = func(s *securesend.Settings, v string) error {
		if !slices.ContainsFunc(choices, func(c [2]string) bool { return c[0] == v }) {
			return fmt.Errorf("Choose one of the list.") //nolint:staticcheck,revive // a sentence for the page
		}
		return was(s, v)
	}
	return f
}

func template(name, label string) field {
	return field{
		Name: "Templates." + name, Label: label, Kind: "long", Hint: "It must contain ${link}, and may contain ${brand} and ${technician}. Empty means: " + securesend.DefaultTemplate,
		get: func(s *securesend.Settings) string { return s.Templates[name] },
		set: func(s *securesend.Settings, v string) error {
			if v != "" {
				s.Templates[name] = v
			}
			return nil
		},
	}
}

// settingsFields are the page. Names are those of [securesend.Settings] and [securesend.Choice], because its errors begin with
// them.
func settingsFields() []fieldGroup {
	type settings = securesend.Settings
	return []fieldGroup{
		{"The lock", "", []field{
			check("LockTechnician", "Lock these settings", "Technicians send as it stands here and choose nothing themselves. An admin still may.", func(s *settings) *bool { return &s.LockTechnician }),
		}},
		{"What a send is like", "A technician may choose otherwise for one send, unless the settings are locked.", []field{
			pick(text("", "Gate", "The recipient must bring", "", func(s *settings) *string { return (*string)(&s.Defaults.Gate) }),
				[2]string{"", "The usual: a number said by the technician"}, [2]string{"code", "A code sent by another way"}, [2]string{"proof", "A verification: proof that it is them"}, [2]string{"none", "Nothing: the link alone opens it"}),
			number("Views", "It can be opened", "Usually once.", "times", 1, func(s *settings) *int { return &s.Defaults.Views }),
			number("AfterView", "After the first view it stays", "Empty: until its end.", "minutes", time.Minute, func(s *settings) *time.Duration { return &s.Defaults.AfterView }),
			pick(text("", "Region", "Files are kept in", "", func(s *settings) *string { return &s.Defaults.Region }), regionChoices()...),
			check("Held", "The whole key is in the address", "For messages that lose what stands after the # of a link. Whoever logs addresses can open it.", func(s *settings) *bool { return &s.Defaults.Held }),
			text("text", "Header", "Text above the page", "Shown before anything is opened.", func(s *settings) *string { return &s.Defaults.Header }),
			text("long", "Message", "Text with the content", "Shown once it is opened, for example how to choose a good password.", func(s *settings) *string { return &s.Defaults.Message }),
		}},
		{"Limits", "Empty means the default.", []field{
			number("TextTTL", "A text lives", "Usually 24.", "hours", time.Hour, func(s *settings) *time.Duration { return &s.TextTTL }),
			number("FileTTL", "Files live", "Usually 24.", "hours", time.Hour, func(s *settings) *time.Duration { return &s.FileTTL }),
			number("MaxTTL", "A technician may choose up to", "Usually and at most 720, which is 30 days.", "hours", time.Hour, func(s *settings) *time.Duration { return &s.MaxTTL }),
			number("MaxText", "The longest text", "Usually 256, at most 512.", "KiB", 1<<10, func(s *settings) *int { return &s.MaxText }),
			number("MaxSize", "All files of one send together", "Usually 1024.", "MiB", 1<<20, func(s *settings) *int64 { return &s.MaxSize }),
			number("MaxFiles", "Files in one send", "Usually 20.", "files", 1, func(s *settings) *int { return &s.MaxFiles }),
			number("NumberTries", "Tries of the number", "Usually and at most 2.", "tries", 1, func(s *settings) *int { return &s.NumberTries }),
			number("CodeTries", "Tries of a code", "Usually and at most 5.", "tries", 1, func(s *settings) *int { return &s.CodeTries }),
			number("PassphraseTries", "Tries of a passphrase", "Usually 10, at most 20.", "tries", 1, func(s *settings) *int { return &s.PassphraseTries }),
			check("FilesOff", "Texts only, no files", "", func(s *settings) *bool { return &s.FilesOff }),
		}},
		{"Messages", "", []field{
			template("sms", "Text message"), template("email", "E-mail"), template("teams", "Card in Teams"),
			text("text", "Subject", "Subject of e-mails", "It must not contain ${link}: subjects are shown on locked screens.", func(s *settings) *string { return &s.Subject }),
		}},
		{"Log", "", []field{
			pick(text("", "LogTo", "What happens is noted in", "", func(s *settings) *string { return &s.Defaults.LogTo }),
				[2]string{"", "The ticket"}, [2]string{"contact", "The contact's log"}, [2]string{"none", "Nothing"}),
			check("LogPublic", "The client sees these notes", "", func(s *settings) *bool { return &s.Defaults.LogPublic }),
			check("DataToNote", "Keep what is sent in an internal note", "In clear, for everybody who reads the ticket. It also switches off sealing in the browser.", func(s *settings) *bool { return &s.Defaults.DataToNote }),
		}},
	}
}

func regionChoices() [][2]string {
	out := [][2]string{{"", "The region of the client's country"}}
	for name := range regions {
		out = append(out, [2]string{name, name})
	}
	slices.SortFunc(out, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return out
}

// settingsPage is what the template shows.
type settingsPage struct {
	Tenant, Company string
	Who             who
	Saved           bool
	Faults          int
	Other           string // what is wrong and belongs to no field
	Groups          []fieldGroup
}

// settingsRoutes are the page on which a client's rules for sends are changed.
func (a *app) settingsRoutes(site **webpage.Site) []webpage.Route {
	show := func(w http.ResponseWriter, r *http.Request, q url.Values) {
		a.settingsPage(*site, w, r, q)
	}
	return []webpage.Route{
		{Name: "settings", Method: "GET", Pattern: "/settings", Kind: webpage.PageKind, Handler: func(w http.ResponseWriter, r *http.Request) { show(w, r, r.URL.Query()) }},
		{Name: "settings-save", Method: "POST", Pattern: "/settings", Kind: webpage.FormKind, MaxBody: 64 << 10, Handler: func(w http.ResponseWriter, r *http.Request) { show(w, r, r.PostForm) }},
	}
}

func (a *app) settingsPage(site *webpage.Site, w http.ResponseWriter, r *http.Request, q url.Values) {
	tenant := mspkit.TenantID(q.Get("tenant"))
	s, err := a.rules.settings(r.Context(), tenant)
	if err != nil {
		site.Error(w, r, http.StatusNotFound)
		return
	}
	page := settingsPage{
		Tenant: string(tenant), Company: a.clients[tenant], Who: whoIs(r), Groups: settingsFields(), Saved: q.Get("saved") != "",
	}
	status := http.StatusOK
	switch {
	case r.Method != http.MethodPost:
		page.fill(&s)
	default:
		next := securesend.Settings{Brand: s.Brand, Locale: s.Locale, Country: s.Country, Templates: map[string]string{}}
		if page.read(&next, q); page.Faults == 0 {
			a.rules.set(tenant, next)
			a.did(r.Context(), technicianOf(r.Context()), page.Company)
			to := url.Values{"tenant": {page.Tenant}, "saved": {"1"}}
			http.Redirect(w, r, "settings?"+to.Encode(), http.StatusSeeOther)
			return
		}
		status = http.StatusUnprocessableEntity
	}
	site.Render(w, r, webpage.Page{Template: "settings", Status: status, Brand: plainBrand, Locale: "en", Data: page})
}

// fill shows what is in s.
func (p *settingsPage) fill(s *securesend.Settings) {
	for _, g := range p.Groups {
		for i := range g.Fields {
			g.Fields[i].Value = g.Fields[i].get(s)
		}
	}
}

// read takes what was typed into s and notes at each field what is wrong with it.
func (p *settingsPage) read(s *securesend.Settings, f url.Values) {
	wrong := map[string]string{}
	for _, g := range p.Groups {
		for i := range g.Fields {
			fd := &g.Fields[i]
			fd.Value = strings.TrimSpace(strings.ReplaceAll(f.Get(fd.Name), "\r\n", "\n"))
			if err := fd.set(s, fd.Value); err != nil {
				wrong[fd.Name] = err.Error()
			}
		}
	}
	for name, text := range settingsFaults(s.Validate()) {
		if wrong[name] == "" {
			wrong[name] = text
		}
	}
	for _, g := range p.Groups {
		for i := range g.Fields {
			g.Fields[i].Error = wrong[g.Fields[i].Name]
			delete(wrong, g.Fields[i].Name)
			if g.Fields[i].Error != "" {
				p.Faults++
			}
		}
	}
	for _, text := range wrong {
		p.Other = text
		p.Faults++
	}
}

// settingsFaults returns what is wrong with settings by the name of the field, with which each error begins.
func settingsFaults(err error) map[string]string {
	out := map[string]string{}
	if err == nil {
		return out
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		line = strings.TrimPrefix(strings.TrimPrefix(line, "securesend: settings: "), "settings: ")
		line = strings.TrimSuffix(line, ": "+securesend.ErrInvalid.Error())
		name, rest, _ := strings.Cut(line, " ")
		if name == "template" {
			name, rest, _ = strings.Cut(rest, " ")
			name = "Templates." + strings.Trim(name, `"`)
		}
		out[name] = "It " + hours(rest) + "."
	}
	if out["TextTTL"] != "" {
		delete(out, "TTL") // the same again
	}
	return out
}

// hours writes times as the page counts them.
func hours(text string) string {
	words := strings.Split(text, " ")
	for i, w := range words {
		bare := strings.TrimRight(w, ",.:")
		if d, err := time.ParseDuration(bare); err == nil && bare != "0" {
			if d%time.Hour == 0 {
				words[i] = fmt.Sprintf("%d hours", int(d.Hours()))
			} else {
				words[i] = fmt.Sprintf("%g min", d.Minutes())
			}
			words[i] += w[len(bare):]
		}
	}
	return strings.Join(words, " ")
}
