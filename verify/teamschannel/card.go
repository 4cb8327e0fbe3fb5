package teamschannel

import (
	"strconv"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/verify"
)

// What stands in buttons and fields.
const (
	verbAnswer = "verify.answer"
	verbNotMe  = "verify.not-me"
	verbWho    = "verify.who"

	fieldAnswer = "answer"
	dataID      = "id"
)

// States of a card that are none of a challenge.
const (
	// replaced is the state of a message that a newer one takes the place of.
	replaced verify.State = "replaced"
	// late is that of a request that was over when "not me" was pressed.
	late verify.State = "late"
)

// The faults that a card shows above its field.
type fault string

const (
	faultNone   fault = ""
	faultEmpty  fault = "empty"
	faultFormat fault = "format"
	faultWrong  fault = "wrong"
)

// maxWords is the longest name of an action, in characters; that of names is [cleantext.MaxName].
const maxWords = 200

// writer writes cards.
type writer struct {
	texts    map[string]texts
	location func(mspkit.TenantID) *time.Location
}

// sheet is one card in the making. Names in v are cut to what a card has room for.
type sheet struct {
	texts
	v      verify.View
	locale string
	zone   *time.Location
	body   []teamsapp.Element
}

func (w *writer) sheet(v verify.View) *sheet {
	s := &sheet{zone: w.location(v.Ref.Tenant)}
	if s.zone == nil {
		s.zone = time.UTC
	}
	s.locale, s.texts = find(w.texts, v.Locale)
	v.Brand.Name = cleantext.Line(v.Brand.Name, cleantext.MaxName)
	v.Brand.Phone = cleantext.Line(v.Brand.Phone, cleantext.MaxName)
	v.Name = cleantext.Name(v.Name, cleantext.MaxName)
	v.Company = cleantext.Name(v.Company, cleantext.MaxName)
	v.Ticket.ID = cleantext.Name(v.Ticket.ID, cleantext.MaxName)
	v.Purpose = cleantext.Line(v.Purpose, maxWords)
	if v.Technician = cleantext.Name(v.Technician, cleantext.MaxName); v.Technician == "" {
		v.Technician = s.texts["technician"]
	}
	s.v = v
	return s
}

// card returns the card of v as it stands, or nil for a code that is pending: only its own message holds the code.
func (w *writer) card(v verify.View, f fault) *teamsapp.Card {
	s := w.sheet(v)
	nocall := v.Kind == verify.KindTechnician && !v.InCall
	switch {
	case nocall && (v.State == verify.StatePending || v.State == verify.StateExpired):
		return s.nocall()
	case v.State != verify.StatePending:
		return s.outcome()
	case v.Kind == verify.KindTechnician:
		return s.technician(f)
	case v.Method == verify.MethodNumber:
		return s.number(f)
	}
	return nil
}

// number asks for the number that the technician says.
func (s *sheet) number(f fault) *teamsapp.Card {
	s.head("number.title", "number.lead")
	s.callerFacts()
	s.warning("number.warning")
	s.fault("number", f)
	s.tries(f)
	s.add(teamsapp.Input{
		ID: fieldAnswer, Label: s.t("number.label"), Placeholder: s.t("number.placeholder"), Number: true,
		Required: true, Error: s.t("number.empty"), MaxLength: 32,
	})
	s.until()
	return s.card("number.summary", s.answer("number.button"), s.notMe())
}

// code shows a code to be read aloud.
func (s *sheet) code(code mspkit.Redacted[string]) *teamsapp.Card {
	s.head("code.title", "code.lead")
	s.callerFacts()
	s.warning("code.warning")
	s.add(teamsapp.Secret{Value: code, Label: s.t("code.label")})
	s.until()
	return s.card("code.summary", s.notMe())
}

// technician asks for the words that the technician says.
func (s *sheet) technician(f fault) *teamsapp.Card {
	summary := "tech.summary"
	if s.v.Hinted {
		summary = "mismatch.summary"
		s.brand()
		s.add(teamsapp.Section{Color: teamsapp.ColorAttention, Body: []teamsapp.Element{
			teamsapp.Heading{Text: s.t("mismatch.title")},
			teamsapp.Text{Text: s.t("mismatch.text") + " " + s.phone()},
		}})
		s.text("mismatch.again", teamsapp.Text{})
	} else {
		s.head("tech.title", "tech.lead")
		s.technicianFacts()
	}
	if f != faultWrong { // a wrong answer shows by the mismatch
		s.fault("tech", f)
	}
	s.tries(f)
	s.add(teamsapp.Input{
		ID: fieldAnswer, Label: s.t("tech.label"), Placeholder: s.t("tech.placeholder"),
		Required: true, Error: s.t("tech.empty"), MaxLength: 120,
	})
	s.text("tech.other", teamsapp.Text{})
	s.text("tech.password", teamsapp.Text{Subtle: true})
	s.until()
	return s.card(summary, s.answer("tech.button"))
}

// nocall warns somebody who asked although we call nobody. It says when that was true, because it stays in the chat.
func (s *sheet) nocall() *teamsapp.Card {
	s.brand()
	s.add(
		teamsapp.Section{Color: teamsapp.ColorAttention, Body: []teamsapp.Element{
			teamsapp.Heading{Text: s.t("nocall.title")},
			teamsapp.Text{Text: s.t("nocall.text") + " " + s.phone()},
		}},
		teamsapp.Facts{{Name: s.t("fact.asked"), Value: s.time(s.v.CreatedAt)}},
	)
	return s.card("nocall.summary")
}

// outcome says what has become of a request. It has neither field nor button.
func (s *sheet) outcome() *teamsapp.Card {
	caller := s.v.Kind == verify.KindCaller
	name, color, notes := string(s.v.State), teamsapp.ColorDefault, ""
	switch s.v.State {
	case verify.StateConfirmed:
		color = teamsapp.ColorGood
		if !caller {
			name = "genuine"
		}
	case verify.StateFailed:
		color, notes = teamsapp.ColorWarning, s.t("doubt")+" "+s.phone()
		switch {
		case !caller:
			name, color, notes = "mismatch", teamsapp.ColorAttention, s.phone()
		case s.v.Method == verify.MethodCode:
			name = "failed.code"
		}
	case verify.StateDenied, late:
		color, notes = teamsapp.ColorGood, s.t("denied.note")+" "+s.phone()
	case verify.StateFrozen, verify.StateLocked:
		color, notes = teamsapp.ColorWarning, s.phone()
	case replaced:
	case verify.StateCancelled:
		notes = s.t("doubt") + " " + s.phone()
	default: // a state that is newer than this package says no more than that it is over
		name, notes = "expired", s.t("doubt")+" "+s.phone()
	}
	summary := name + ".summary"
	if name == "failed.code" {
		summary = "failed.summary"
	}
	s.brand()
	s.add(teamsapp.Section{Color: color, Body: []teamsapp.Element{
		teamsapp.Heading{Text: s.t(name + ".title")},
		teamsapp.Text{Text: s.t(name + ".text")},
	}})
	if notes != "" {
		s.add(teamsapp.Text{Text: notes})
	}
	if caller {
		s.callerFacts()
	} else {
		s.technicianFacts()
	}
	s.add(teamsapp.Facts{{Name: s.t("fact.asked"), Value: s.time(s.v.CreatedAt)}})
	return s.card(summary)
}

// help says what a person can do in the chat.
func (w *writer) help(locale string, commands []string) *teamsapp.Card {
	tag, t := find(w.texts, locale)
	word := commands[0]
	for _, c := range commands {
		if c == t["help.word"] {
			word = c
		}
	}
	return &teamsapp.Card{
		Summary: t["help.summary"], Locale: tag,
		Body: []teamsapp.Element{teamsapp.Heading{Text: t["help.title"]}, teamsapp.Text{Text: t.fill("help.text", "{word}", word)}},
		Actions: []teamsapp.Action{
			teamsapp.Press{Title: t["help.button"], Verb: verbWho, Primary: true, NoInputs: true},
		},
	}
}

// reply returns a text for somebody of whom no request is known.
func (w *writer) reply(locale, key string) teamsapp.Reply {
	_, t := find(w.texts, locale)
	return teamsapp.Reply{Text: t["reply."+key]}
}

func (s *sheet) card(summary string, actions ...teamsapp.Action) *teamsapp.Card {
	return &teamsapp.Card{Summary: s.t(summary), Locale: s.locale, Body: s.body, Actions: actions}
}

func (s *sheet) t(key string) string {
	return s.fill(key, "{brand}", s.v.Brand.Name, "{technician}", s.v.Technician)
}

func (s *sheet) add(es ...teamsapp.Element) { s.body = append(s.body, es...) }

func (s *sheet) text(key string, t teamsapp.Text) {
	t.Text = s.t(key)
	s.add(t)
}

func (s *sheet) brand() {
	s.add(teamsapp.Text{Text: s.v.Brand.Name, Strong: true, Color: teamsapp.ColorAccent})
}

func (s *sheet) head(title, lead string) {
	s.brand()
	s.add(teamsapp.Heading{Text: s.t(title)})
	s.text(lead, teamsapp.Text{})
}

func (s *sheet) callerFacts() {
	s.add(teamsapp.Facts{
		{Name: s.t("fact.purpose"), Value: s.v.Purpose},
		{Name: s.t("fact.asker"), Value: s.v.Technician + "\n" + s.v.Brand.Name},
		{Name: s.t("fact.about"), Value: s.person()},
		{Name: s.t("fact.ticket"), Value: s.v.Ticket.ID},
	})
}

func (s *sheet) technicianFacts() {
	if !s.v.InCall {
		return
	}
	call := "call.technician"
	if s.v.CallBy == verify.SideContact {
		call = "call.contact"
	}
	s.add(teamsapp.Facts{
		{Name: s.t("fact.technician"), Value: s.v.Technician + "\n" + s.v.Brand.Name},
		{Name: s.t("fact.call"), Value: s.fill(call, "{time}", s.time(s.v.CallBegan))},
		{Name: s.t("fact.ticket"), Value: s.v.Ticket.ID},
		{Name: s.t("fact.with"), Value: s.person()},
	})
}

func (s *sheet) person() string {
	if s.v.Name == "" || s.v.Company == "" {
		return s.v.Name + s.v.Company
	}
	return s.v.Name + "\n" + s.v.Company
}

func (s *sheet) warning(text string) {
	s.add(teamsapp.Section{Color: teamsapp.ColorWarning, Body: []teamsapp.Element{
		teamsapp.Text{Text: s.t("warning.title"), Strong: true},
		teamsapp.Text{Text: s.t(text) + " " + s.phone()},
	}})
}

func (s *sheet) phone() string {
	if s.v.Brand.Phone == "" {
		return s.t("phone.none")
	}
	return s.fill("phone", "{phone}", s.v.Brand.Phone)
}

func (s *sheet) fault(of string, f fault) {
	if f != faultNone {
		s.text(of+"."+string(f), teamsapp.Text{Strong: true, Color: teamsapp.ColorAttention})
	}
}

// tries says how many are left where it matters: after a wrong answer and before the last one.
func (s *sheet) tries(f fault) {
	switch n := s.v.TriesLeft; {
	case n == 1:
		s.text("tries.one", teamsapp.Text{})
	case n > 1 && f == faultWrong:
		s.add(teamsapp.Text{Text: s.fill("tries.more", "{n}", strconv.Itoa(n))})
	}
}

func (s *sheet) until() {
	s.add(teamsapp.Text{Text: s.fill("until", "{time}", s.time(s.v.ExpiresAt)), Subtle: true})
}

// time is absolute and names its zone: a card stays in the chat, and "3 minutes ago" would become false there.
func (s *sheet) time(t time.Time) string { return t.In(s.zone).Format("2006-01-02 15:04 MST") }

func (s *sheet) answer(title string) teamsapp.Press {
	return teamsapp.Press{Title: s.t(title), Verb: verbAnswer, Data: map[string]string{dataID: s.v.Ref.ID}, Primary: true}
}

func (s *sheet) notMe() teamsapp.Press {
	return teamsapp.Press{
		Title: s.t("notme.button"), Verb: verbNotMe, Data: map[string]string{dataID: s.v.Ref.ID}, Danger: true, NoInputs: true,
	}
}
