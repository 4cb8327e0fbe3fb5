package workflows

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/teamsapp"
)

// Incoming is what [Service.Notify] tells of: a message of a person.
type Incoming struct {
	Event Event
	// ID makes a repeat known, as [Post.ID] does: the id of the message. It is required.
	ID string
	// From is who wrote and Text what; both are foreign and become neither a link nor, in a card, a format. A text that is
	// longer than a card has room for is cut, and says so.
	From, Text string
	// Ticket is where it belongs, if there is one.
	Ticket mspkit.Ticket
	// URL is where a technician answers, https, or empty for no button. It must be the host's own page: never one that the
	// person wrote.
	URL string
	// At is when it was written, shown in its own time zone; zero is not shown.
	At time.Time
}

// How much of a message is shown.
const (
	maxShown   = 2000 // characters
	maxLines   = 40
	leastShown = 60
	maxPostID  = 512
)

func (in *Incoming) validate() error {
	var errs []error
	fault := func(text string) {
		errs = append(errs, fmt.Errorf("workflows: notify: %s: %w", text, mspkit.ErrInvalid))
	}
	if !slices.Contains(Events(), in.Event) {
		fault("the event is none of those that there are")
	}
	if in.ID == "" || len(in.ID) > maxPostID {
		fault(fmt.Sprintf("the id must have 1 to %d bytes, it has %d", maxPostID, len(in.ID)))
	}
	if err := in.Ticket.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("workflows: notify: %w", err))
	}
	if in.URL != "" && !answerable(in.URL) {
		fault("the URL is not one of https without a user, of at most 2048 bytes")
	}
	return errors.Join(errs...)
}

// answerable reports whether s can stand behind the button and in the text.
func answerable(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= 2048 && (u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname())) && u.Hostname() != "" && u.User == nil &&
		!strings.ContainsFunc(s, func(r rune) bool {
			return unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf) || strings.ContainsRune(`\<>"`, r) || r == utf8.RuneError
		})
}

// payload draws the message, as much of it as fits into limit bytes in the form.
func (in *Incoming) payload(locale string, f Form, limit int) (payload, error) {
	w, tag := wordsFor(locale)
	// A text can be made to grow when it is drawn: a card needs a block for each line, and escapes. So much is left out
	// until it fits; the rest of the card is bounded.
	for shown := maxShown; ; shown /= 2 {
		text, card := in.draw(w, tag, shown)
		p, err := pack(text, card)
		if err == nil {
			_, err = p.body(f, limit)
		}
		tooLarge := errors.Is(err, ErrTooLarge) || errors.Is(err, teamsapp.ErrTooLarge)
		if err == nil || !tooLarge || shown < leastShown {
			return p, err
		}
	}
}

// draw returns the text and the card with at most so many characters of what the person wrote.
func (in *Incoming) draw(w *words, tag string, shown int) (string, *teamsapp.Card) {
	title := w.titles[in.Event]
	from := cleantext.Name(in.From, 0)
	if from == "" {
		from = w.somebody
	}
	said, note := cut(clean(in.Text), shown, w)
	ticket := cleantext.Line(in.Ticket.String(), maxSummary)
	at := ""
	if !in.At.IsZero() {
		at = in.At.Format("2006-01-02 15:04 MST")
	}
	card := &teamsapp.Card{
		Summary: title + ": " + from, Locale: tag,
		Body: []teamsapp.Element{
			teamsapp.Heading{Text: title},
			teamsapp.Facts{{Name: w.from, Value: from}, {Name: w.ticket, Value: ticket}, {Name: w.at, Value: at}},
		},
	}
	text := title + "\n" + w.from + ": " + inert(from)
	if ticket != "" {
		text += "\n" + w.ticket + ": " + inert(ticket)
	}
	if said != "" {
		card.Body = append(card.Body, teamsapp.Section{Body: []teamsapp.Element{teamsapp.Text{Text: said}}})
	}
	if note != "" {
		card.Body = append(card.Body, teamsapp.Text{Text: note, Subtle: true})
		text += "\n" + note
	}
	if in.URL != "" {
		card.Actions = []teamsapp.Action{teamsapp.OpenURL{Title: w.answer, URL: in.URL}}
		text += "\n" + w.answer + ": " + in.URL
	}
	if said != "" { // last: nothing of ours follows that it could imitate
		text += "\n\n" + quoted(said)
	}
	return text, card
}

// clean makes a foreign text one that a card takes: valid, without control characters.
func clean(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\r\n", "\n")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\r', r == '\u0085', r == '\u2028', r == '\u2029':
			return '\n'
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, s))
}

// cut returns as much of s as is shown, and a note that says what was left out.
func cut(s string, shown int, w *words) (said, note string) {
	rs := []rune(s)
	n := min(len(rs), shown)
	lines := 0
	for i, r := range rs[:n] {
		if r == '\n' {
			if lines++; lines >= maxLines {
				n = i
				break
			}
		}
	}
	said = strings.TrimSpace(string(rs[:n]))
	if inert(said) == "" { // nothing that anybody sees
		said = ""
	}
	if n < len(rs) {
		note = fmt.Sprintf(w.cut, n, len(rs))
	}
	return said, note
}
