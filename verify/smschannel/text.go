package smschannel

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/langtag"
	"github.com/mspkit/mspkit/verify"
)

// Texts are the messages of one locale. {brand}, {name}, {company}, {technician}, {action}, {ticket} and {minutes}
// stand for what a [verify.Delivery] says. "{technician|a technician}" gives words for where it says nothing, and a
// part in square brackets is left out where one of its placeholders is empty: "[ (ticket {ticket})]".
//
// Keep them short and to the characters of GSM 7-bit, which German umlauts belong to: one other character halves
// what fits into a message. Names are cleaned and cut.
type Texts struct {
	// Link is for number match and must contain {link}. It should say that the technician will tell a number.
	Link string
	// Code must contain {code}.
	Code string
	// Technician is for a contact who verifies the technician and must contain {link}.
	Technician string
	// Notices tell of a change to what the contact verifies with, by its kind. {brand}, {name}, {company}, {technician},
	// {ticket}, {phone}, {time} and {left}, which is how many recovery codes are left, stand in them. What a locale lacks is
	// said in English.
	Notices map[verify.NoticeKind]string
}

// builtin are the texts that come with the module. ar-XB is a test locale that is written from right to left.
var builtin = map[string]Texts{
	"en": {
		Link:       "{brand}: {technician|a technician} asks to {action|help you}[ (ticket {ticket})] and will tell you a number. Type it here only if YOU called us: {link}",
		Code:       "{brand}: {technician|a technician} asks to {action|help you}[ (ticket {ticket})]. Code {code}, valid {minutes} min. Read it only to someone YOU called.",
		Technician: "{brand}: check who is on the phone[ (ticket {ticket})]. {technician|The technician} will say two words. Type them here: {link}",
		Notices: map[verify.NoticeKind]string{
			verify.NoticeEnrolled:        "{brand}: an authenticator app was set up for your calls to us[ (ticket {ticket})], {time}. If this was not you, call us at once[: {phone}].",
			verify.NoticeRemoved:         "{brand}: your authenticator app for calls to us was removed[ (ticket {ticket})], {time}. If this was not you, call us at once[: {phone}].",
			verify.NoticeRecoveryRenewed: "{brand}: you have new recovery codes for your calls to us[ (ticket {ticket})], {time}. If this was not you, call us at once[: {phone}].",
			verify.NoticeRecoveryUsed:    "{brand}: one of your recovery codes was used[ (ticket {ticket})], {time}. Left: {left}. If this was not you, call us at once[: {phone}].",
		},
	},
	"de": {
		Link:       "{brand}: {technician|unsere Technik} möchte {action|Ihnen helfen}[ (Ticket {ticket})] und nennt Ihnen eine Zahl. Nur wenn SIE uns angerufen haben, hier eintippen: {link}",
		Code:       "{brand}: {technician|unsere Technik} möchte {action|Ihnen helfen}[ (Ticket {ticket})]. Code {code}, gültig {minutes} Min. Nur vorlesen, wenn SIE uns angerufen haben.",
		Technician: "{brand}: Prüfen Sie, wer am Telefon ist[ (Ticket {ticket})]. {technician|Unsere Technik} nennt Ihnen zwei Wörter, hier eintippen: {link}",
		Notices: map[verify.NoticeKind]string{
			verify.NoticeEnrolled:        "{brand}: Für Anrufe bei uns wurde eine Authenticator-App eingerichtet[ (Ticket {ticket})], {time}. Waren Sie das nicht, rufen Sie uns sofort an[: {phone}].",
			verify.NoticeRemoved:         "{brand}: Ihre Authenticator-App für Anrufe bei uns wurde entfernt[ (Ticket {ticket})], {time}. Waren Sie das nicht, rufen Sie uns sofort an[: {phone}].",
			verify.NoticeRecoveryRenewed: "{brand}: Sie haben neue Wiederherstellungscodes für Anrufe bei uns[ (Ticket {ticket})], {time}. Waren Sie das nicht, rufen Sie uns sofort an[: {phone}].",
			verify.NoticeRecoveryUsed:    "{brand}: Einer Ihrer Wiederherstellungscodes wurde verwendet[ (Ticket {ticket})], {time}. Übrig: {left}. Waren Sie das nicht, rufen Sie uns sofort an[: {phone}].",
		},
	},
	"ar-xb": {
		Link:       "{brand}: {technician|فني} يطلب: {action|مساعدتك}[ (التذكرة {ticket})] وسيقول لك رقمًا. اكتبه هنا فقط إذا كنت أنت من اتصل بنا: {link}",
		Code:       "{brand}: {technician|فني} يطلب: {action|مساعدتك}[ (التذكرة {ticket})]. الرمز {code}، صالح {minutes} د. اقرأه فقط لمن اتصلت أنت به.",
		Technician: "{brand}: تحقق ممن يتصل بك[ (التذكرة {ticket})]. {technician|الفني} سيقول كلمتين، اكتبهما هنا: {link}",
		Notices: map[verify.NoticeKind]string{
			verify.NoticeEnrolled:        "{brand}: تم إعداد تطبيق مصادقة لمكالماتك معنا[ (التذكرة {ticket})]، {time}. إذا لم تكن أنت فاتصل بنا فورًا[: {phone}].",
			verify.NoticeRemoved:         "{brand}: تمت إزالة تطبيق المصادقة لمكالماتك معنا[ (التذكرة {ticket})]، {time}. إذا لم تكن أنت فاتصل بنا فورًا[: {phone}].",
			verify.NoticeRecoveryRenewed: "{brand}: لديك رموز استرداد جديدة[ (التذكرة {ticket})]، {time}. إذا لم تكن أنت فاتصل بنا فورًا[: {phone}].",
			verify.NoticeRecoveryUsed:    "{brand}: استُخدم أحد رموز الاسترداد[ (التذكرة {ticket})]، {time}. المتبقي: {left}. إذا لم تكن أنت فاتصل بنا فورًا[: {phone}].",
		},
	},
}

// Names are cut to these, in characters, so that a message stays at two or three segments.
const (
	maxName   = 32
	maxAction = 80
	maxText   = 480 // a template, in characters
)

var (
	placeholder = regexp.MustCompile(`\{([^{}|]*)(\|[^{}]*)?\}`)
	fields      = []string{"brand", "name", "company", "technician", "action", "ticket", "minutes"}
	told        = []string{"brand", "name", "company", "technician", "ticket", "phone", "time", "left"}
	localeTag   = regexp.MustCompile(`^[a-z]{2,8}(-[a-z0-9]{1,8})*$`)
)

type compiled struct {
	link, code, technician []part
	notices                map[verify.NoticeKind][]part
}

// part is literal text, or one placeholder, or a group that is left out when a placeholder in it is empty.
type part struct {
	literal, field, instead string
	group                   []part
}

func compileAll(own map[string]Texts) (map[string]compiled, error) {
	all := maps.Clone(builtin)
	var errs []error
	for locale, t := range own {
		tag := langtag.Normal(locale)
		if !localeTag.MatchString(tag) {
			errs = append(errs, fmt.Errorf("Options.Texts: %q is not a locale such as \"de\" or \"pt-BR\": %w", locale, mspkit.ErrInvalid))
			continue
		}
		base := all[tag]
		all[tag] = Texts{Link: or(t.Link, base.Link), Code: or(t.Code, base.Code), Technician: or(t.Technician, base.Technician), Notices: noticeTexts(t, base)}
	}
	out := map[string]compiled{}
	for locale, t := range all {
		var c compiled
		for _, x := range []struct {
			into             *[]part
			text, name, must string
		}{{&c.link, t.Link, "Link", "link"}, {&c.code, t.Code, "Code", "code"}, {&c.technician, t.Technician, "Technician", "link"}} {
			var err error
			if *x.into, err = compile(x.text, x.must, append([]string{x.must}, fields...)); err != nil {
				errs = append(errs, fmt.Errorf("Options.Texts[%q].%s: %w: %w", locale, x.name, err, mspkit.ErrInvalid))
			}
		}
		c.notices = map[verify.NoticeKind][]part{}
		for kind, text := range t.Notices {
			var err error
			if c.notices[kind], err = compile(text, "", told); err == nil && builtin["en"].Notices[kind] == "" {
				err = errors.New("tells of a kind that does not exist")
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("Options.Texts[%q].Notices[%q]: %w: %w", locale, kind, err, mspkit.ErrInvalid))
			}
		}
		out[locale] = c
	}
	return out, errors.Join(errs...)
}

// noticeTexts returns the notices of t, with those of base and then the English ones where it has none.
func noticeTexts(t, base Texts) map[verify.NoticeKind]string {
	out := maps.Clone(builtin["en"].Notices)
	maps.Copy(out, base.Notices)
	maps.Copy(out, t.Notices)
	return out
}

// compile reads a text that may show the placeholders named allowed and must show the one named must, where there is one.
func compile(s, must string, allowed []string) ([]part, error) {
	switch {
	case strings.TrimSpace(s) == "":
		return nil, errors.New("is empty, a locale of its own needs all three texts")
	case utf8.RuneCountInString(s) > maxText:
		return nil, fmt.Errorf("has more than %d characters", maxText)
	case !utf8.ValidString(s):
		return nil, errors.New("is not valid UTF-8")
	}
	for _, r := range s {
		if unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Bidi_Control, r) {
			return nil, fmt.Errorf("has the control character %U", r)
		}
	}
	var out []part
	for rest := s; rest != ""; {
		i := strings.IndexAny(rest, "[]")
		if i < 0 {
			i = len(rest)
		} else if rest[i] == ']' {
			return nil, errors.New("has a ] without [ before it")
		}
		ps, err := compilePlain(rest[:i], must, allowed)
		if err != nil {
			return nil, err
		}
		out = append(out, ps...)
		if i == len(rest) {
			break
		}
		inner, after, ok := strings.Cut(rest[i+1:], "]")
		if !ok || strings.Contains(inner, "[") {
			return nil, errors.New("has a [ without ] after it; brackets cannot be nested")
		}
		group, err := compilePlain(inner, must, allowed)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(group, func(p part) bool { return p.field != "" }) {
			return nil, errors.New("has square brackets without a placeholder in them")
		}
		if must != "" && slices.ContainsFunc(group, func(p part) bool { return p.field == must }) {
			return nil, fmt.Errorf("has {%s} in square brackets: it must not be left out", must)
		}
		out = append(out, part{group: group})
		rest = after
	}
	if must != "" && !slices.ContainsFunc(out, func(p part) bool { return p.field == must }) {
		return nil, fmt.Errorf("does not contain {%s}: the message would be useless without it", must)
	}
	return out, nil
}

func compilePlain(s, must string, allowed []string) ([]part, error) {
	var out []part
	at := 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(s, -1) {
		out = append(out, part{literal: s[at:m[0]]})
		p := part{field: s[m[2]:m[3]]}
		if m[4] >= 0 {
			p.instead = s[m[4]+1 : m[5]]
		}
		if !slices.Contains(allowed, p.field) {
			return nil, fmt.Errorf("{%s} does not exist here: use {%s}", p.field, strings.Join(allowed, "}, {"))
		}
		if must != "" && p.field == must && m[4] >= 0 {
			return nil, fmt.Errorf("{%s} can have no words instead", must)
		}
		out = append(out, p)
		at = m[1]
	}
	out = append(out, part{literal: s[at:]})
	for _, p := range out {
		if strings.ContainsAny(p.literal, "{}") {
			return nil, errors.New("has a { or } that belongs to no placeholder")
		}
	}
	return out, nil
}

// fill puts values into parts. A value is never read for placeholders again.
func fill(parts []part, values map[string]string) string {
	var b strings.Builder
	for _, p := range parts {
		switch {
		case p.group != nil:
			if !slices.ContainsFunc(p.group, func(q part) bool { return q.field != "" && or(values[q.field], q.instead) == "" }) {
				b.WriteString(fill(p.group, values))
			}
		case p.field != "":
			b.WriteString(or(values[p.field], p.instead))
		default:
			b.WriteString(p.literal)
		}
	}
	return b.String()
}

// body writes the message. Errors hold neither code nor link.
func (c *Channel) body(d verify.Delivery) (string, error) {
	values := map[string]string{
		"brand": plain(d.Brand.Name, maxName), "name": plain(d.Name, maxName), "company": plain(d.Company, maxName),
		"technician": plain(d.Technician, maxName), "action": plain(d.Purpose, maxAction), "ticket": plain(d.Ticket.ID, maxName),
		"minutes": strconv.Itoa(max(1, int(d.TTL.Round(time.Minute)/time.Minute))),
	}
	if values["brand"] == "" {
		return "", fmt.Errorf("smschannel: the brand has no visible name: %w", mspkit.ErrInvalid)
	}
	t := c.find(d.Locale)
	var parts []part
	switch {
	case d.Kind == verify.KindTechnician && d.Method == verify.MethodWord:
		parts = t.technician
	case d.Kind == verify.KindCaller && d.Method == verify.MethodNumber:
		parts = t.link
	case d.Kind == verify.KindCaller && d.Method == verify.MethodCode:
		return c.codeBody(t.code, values, d.Code.Reveal())
	default:
		return "", fmt.Errorf("smschannel: no text is known for kind %q and method %q: %w", d.Kind, d.Method, mspkit.ErrInvalid)
	}
	values["link"] = d.Link.Reveal()
	if !validLink(values["link"]) {
		return "", fmt.Errorf("smschannel: the link is missing or not a web address: %w", mspkit.ErrInvalid)
	}
	return fill(parts, values), nil
}

// notice writes what tells of a change.
func (c *Channel) notice(n verify.Notice) (string, error) {
	parts := c.find(n.Locale).notices[n.Kind]
	brand := plain(n.Brand.Name, maxName)
	if parts == nil || brand == "" {
		return "", fmt.Errorf("smschannel: no text is known for a notice of kind %q, or the brand has no visible name: %w", n.Kind, mspkit.ErrInvalid)
	}
	return fill(parts, map[string]string{
		"brand": brand, "name": plain(n.Name, maxName), "company": plain(n.Company, maxName), "technician": plain(n.Technician, maxName),
		"ticket": plain(n.Ticket.ID, maxName), "phone": plain(n.Brand.Phone, maxName), "time": n.At.UTC().Format("2006-01-02 15:04 MST"),
		"left": strconv.Itoa(n.Left),
	}), nil
}

func (c *Channel) codeBody(parts []part, values map[string]string, code string) (string, error) {
	if len(code) < 4 || len(code) > 12 || strings.Trim(code, "0123456789") != "" {
		return "", fmt.Errorf("smschannel: a code must have 4 to 12 digits: %w", mspkit.ErrInvalid)
	}
	half := (len(code) + 1) / 2
	values["code"] = code[:half] + " " + code[half:] // grouped, so that it can be read aloud
	text := fill(parts, values)
	if c.origin != "" {
		// The last line of an origin-bound message is "@host #code" (https://wicg.github.io/sms-one-time-codes/).
		text += "\n@" + c.origin + " #" + code
	}
	return text, nil
}

// find returns the texts for de-AT, then de, then en.
func (c *Channel) find(locale string) compiled {
	for tag := range langtag.Fallbacks(langtag.Normal(locale)) {
		if t, ok := c.texts[tag]; ok {
			return t
		}
	}
	return c.texts["en"]
}

// simple replaces typographic characters by those of GSM 7-bit: one of them in a name would halve what fits into
// a message.
var simple = strings.NewReplacer("…", "...", "’", "'", "‘", "'", "‚", "'", "“", `"`, "”", `"`, "„", `"`, "«", `"`, "»", `"`,
	"–", "-", "—", "-", "‑", "-", "‐", "-", "−", "-", "•", "-")

func plain(s string, limit int) string { return simple.Replace(cleantext.Name(s, limit)) }

// validLink accepts what a phone makes one link of, up to its last character.
func validLink(s string) bool {
	if len(s) > 1024 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
