package mail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	netmail "net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
)

// Sizes that [Message.Validate] enforces, in bytes.
const (
	MaxAddress = 254 // an e-mail address (RFC 5321, section 4.5.3.1.3, less the angle brackets)
	MaxName    = 256 // a display name
	MaxSubject = 512 // a subject before encoding
	MaxText    = 256 << 10
	MaxHTML    = 512 << 10
	MaxKey     = 256

	MaxFiles    = 20
	MaxFileName = 255
	MaxFileSize = 150 << 20 // all files of a message together; a mailer may take less

	maxType = 256 // the media type of a file with its parameters
)

// Mailer sends one message to one person. Send returns when the next mail server (or the vendor's API) has
// taken the message over or refused it; it must validate m, keep to the deadline of ctx, not change m, and
// return errors that match [ErrRejected], [ErrTemporary], [ErrAmbiguous] or [ErrAuth] where one applies, without
// addresses or text in them. Implementations must be safe for concurrent use.
type Mailer interface {
	Send(ctx context.Context, m *Message) (Receipt, error)
}

// Receipt says that a message was taken over by the next server, not that it was read.
type Receipt struct {
	// ID is the Message-ID without angle brackets, or the vendor's id of the message.
	ID string
	// At is when the message was taken over.
	At time.Time
	// Via is whose mailer sent it, and Fallback why it was not the tenant's own, or empty. Both are set by a [Router] only.
	Via      Route
	Fallback Reason
}

// Address is one mailbox. It prints as "[address]".
type Address struct {
	// Name is the display name. Optional.
	Name string
	// Email is the bare address, for example dana@contoso.example.
	Email string
}

// ParseAddress reads "dana@contoso.example" or "Dana <dana@contoso.example>" by RFC 5322 and validates it. The
// error does not repeat the input.
func ParseAddress(s string) (Address, error) {
	if len(s) > MaxAddress+MaxName+4 {
		return Address{}, fmt.Errorf("mail: address is too long: %w", mspkit.ErrInvalid)
	}
	p, err := netmail.ParseAddress(s)
	// net/mail also takes a group of one ("x: a@b;") and comments: the input must end in what was read.
	if t := strings.TrimSpace(s); err != nil || t != p.Address && !strings.HasSuffix(t, "<"+p.Address+">") {
		return Address{}, fmt.Errorf("mail: not an e-mail address: %w", mspkit.ErrInvalid)
	}
	a := Address{Name: p.Name, Email: p.Address}
	return a, a.Validate()
}

// IsZero reports whether no mailbox is named.
func (a Address) IsZero() bool { return a == Address{} }

// Validate reports why a cannot be used. It accepts what both RFC 5321 and every common server accept: one
// mailbox, a domain without brackets, no quoted local part, no comments, no control or invisible characters.
func (a Address) Validate() error {
	e := a.Email
	at := strings.LastIndexByte(e, '@')
	switch {
	case e == "":
		return fmt.Errorf("mail: address is empty: %w", mspkit.ErrInvalid)
	case len(e) > MaxAddress:
		return fmt.Errorf("mail: address has %d bytes, at most %d are allowed: %w", len(e), MaxAddress, mspkit.ErrInvalid)
	case !printable(e) || strings.ContainsAny(e, " \"<>()[]\\,;:"):
		return fmt.Errorf("mail: address has a character that is not allowed: %w", mspkit.ErrInvalid)
	case at < 1 || at > 64 || !validDomain(e[at+1:]):
		return fmt.Errorf("mail: address is not of the form name@domain: %w", mspkit.ErrInvalid)
	}
	// net/mail has the last word, and must read the same address that we hand on.
	if p, err := netmail.ParseAddress(e); err != nil || p.Address != e || p.Name != "" {
		return fmt.Errorf("mail: not an e-mail address: %w", mspkit.ErrInvalid)
	}
	return validHeader("display name", a.Name, MaxName)
}

func validDomain(d string) bool {
	for label := range strings.SplitSeq(d, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsAny(label, "@_/!#$%&'*+=?^`{|}~") {
			return false
		}
	}
	return true
}

// Format prints "[address]" for every verb.
func (a Address) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "[address]") }

// LogValue makes slog print "[address]".
func (a Address) LogValue() slog.Value { return slog.StringValue("[address]") }

// Message is one mail to one person. Printing or logging it shows the tenant, the kind and sizes only.
type Message struct {
	// Tenant is on whose behalf the mail is sent. Required.
	Tenant mspkit.TenantID
	// From is the sender. Zero means the mailer's own.
	From Address
	// To is the recipient. Required.
	To Address
	// ReplyTo is where answers go. Optional.
	ReplyTo Address
	// Subject is one line without code or link: it shows on locked screens and in server logs. Required.
	Subject string
	// Text is the plain text. Required.
	Text string
	// HTML says the same as Text. Optional.
	HTML string
	// Key is unique for the mail and the same when it is sent again after [ErrTemporary] or [ErrAmbiguous], so
	// that a repeat can be recognised. Empty means that repeats cannot be told apart.
	Key string
	// Files go with the message. Optional, and rarely right: a link that opens once tells who has read it, an attachment does
	// not. A mailer that cannot take them returns [ErrRejected].
	Files []File
	// Kind names what mail this is, in logs and for routing: usually the template's name. 1 to 64 of a-z, 0-9
	// and '-', or empty.
	Kind string
}

// File is an attachment. It prints as "[file]".
type File struct {
	// Name is what it is called, without a path. Required.
	Name string
	// Type is a media type such as "application/pdf". Required.
	Type string
	Data []byte
	// ContentID makes it a picture within the HTML, which names it as "cid:" and this. 1 to 64 of letters, digits, '-', '_'
	// and '.'; empty is an attachment.
	ContentID string
}

// Format prints "[file]" for every verb.
func (f File) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "[file]") }

// LogValue makes slog print "[file]".
func (f File) LogValue() slog.Value { return slog.StringValue("[file]") }

// Validate reports why f cannot be sent.
func (f File) Validate() error {
	switch {
	case f.Name == "" || f.Name == "." || f.Name == ".." || strings.ContainsAny(f.Name, `/\`):
		return fmt.Errorf("mail: a file has no name, or one with a path: %w", mspkit.ErrInvalid)
	case len(f.ContentID) > 64 || strings.Trim(f.ContentID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "":
		return fmt.Errorf("mail: the content id of a file must be at most 64 of letters, digits, '-', '_' and '.': %w", mspkit.ErrInvalid)
	}
	if err := errors.Join(validHeader("file name", f.Name, MaxFileName), validHeader("file type", f.Type, maxType)); err != nil {
		return err
	}
	if t, _, err := mime.ParseMediaType(f.Type); err != nil || !strings.Contains(t, "/") || strings.HasPrefix(t, "multipart/") {
		return fmt.Errorf("mail: the type of a file is no media type such as application/pdf: %w", mspkit.ErrInvalid)
	}
	return nil
}

func validFiles(files []File) error {
	var errs []error
	total, ids := 0, map[string]bool{}
	for _, f := range files {
		errs = append(errs, f.Validate())
		total += len(f.Data)
		id := strings.ToLower(f.ContentID) // some programs that show mail do not tell them apart
		if id != "" && ids[id] {
			errs = append(errs, fmt.Errorf("mail: two files have the same content id: %w", mspkit.ErrInvalid))
		}
		ids[id] = true
	}
	if len(files) > MaxFiles || total > MaxFileSize {
		errs = append(errs, fmt.Errorf("mail: %d files of %d bytes, at most %d of %d bytes together are allowed: %w", len(files), total, MaxFiles, MaxFileSize, mspkit.ErrInvalid))
	}
	return errors.Join(errs...)
}

// Validate reports everything that is wrong with m, without repeating any of it.
func (m *Message) Validate() error {
	if m == nil {
		return fmt.Errorf("mail: no message: %w", mspkit.ErrInvalid)
	}
	var errs []error
	add := func(what string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("mail: %s: %w", what, err))
		}
	}
	if err := m.Tenant.Validate(); err != nil {
		errs = append(errs, err)
	}
	add("to", m.To.Validate())
	if !m.From.IsZero() {
		add("from", m.From.Validate())
	}
	if !m.ReplyTo.IsZero() {
		add("reply-to", m.ReplyTo.Validate())
	}
	if strings.TrimSpace(m.Subject) == "" {
		errs = append(errs, fmt.Errorf("mail: subject is empty: %w", mspkit.ErrInvalid))
	} else if err := validHeader("subject", m.Subject, MaxSubject); err != nil {
		errs = append(errs, err)
	}
	if strings.TrimSpace(m.Text) == "" {
		errs = append(errs, fmt.Errorf("mail: text is empty: %w", mspkit.ErrInvalid))
	}
	for _, p := range []struct {
		what, s string
		limit   int
	}{{"text", m.Text, MaxText}, {"html", m.HTML, MaxHTML}} {
		switch {
		case len(p.s) > p.limit:
			errs = append(errs, fmt.Errorf("mail: %s has %d bytes, at most %d are allowed: %w", p.what, len(p.s), p.limit, mspkit.ErrInvalid))
		case !utf8.ValidString(p.s) || strings.ContainsRune(p.s, 0):
			errs = append(errs, fmt.Errorf("mail: %s is not valid UTF-8 or has a NUL: %w", p.what, mspkit.ErrInvalid))
		}
	}
	if err := validHeader("key", m.Key, MaxKey); err != nil {
		errs = append(errs, err)
	}
	if err := validFiles(m.Files); err != nil {
		errs = append(errs, err)
	}
	if !validKind(m.Kind) {
		errs = append(errs, fmt.Errorf("mail: kind must be at most 64 of a-z, 0-9 and '-': %w", mspkit.ErrInvalid))
	}
	return errors.Join(errs...)
}

func validKind(s string) bool {
	return len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// validHeader refuses what could end a header early or hide in it.
func validHeader(what, s string, limit int) error {
	switch {
	case len(s) > limit:
		return fmt.Errorf("mail: %s has %d bytes, at most %d are allowed: %w", what, len(s), limit, mspkit.ErrInvalid)
	case strings.ContainsAny(s, "\r\n\x00"):
		return fmt.Errorf("mail: %s has a line break or NUL: %w", what, mspkit.ErrInvalid)
	case !printable(s):
		return fmt.Errorf("mail: %s has an unprintable character: %w", what, mspkit.ErrInvalid)
	}
	return nil
}

func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		// ZWNJ and ZWJ shape letters in Persian and Indic subjects and join emoji; everything else that is
		// invisible has no honest use in a header.
		if !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) && r != 0x200C && r != 0x200D {
			return false
		}
	}
	return true
}

// String returns what [Message.Format] prints.
func (m Message) String() string {
	return fmt.Sprintf("mail.Message{tenant: %q, kind: %q, text: %d bytes, html: %d bytes}", m.Tenant, m.Kind, len(m.Text), len(m.HTML))
}

// Format prints tenant, kind and sizes for every verb, never an address or text.
func (m Message) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, m.String()) }

// LogValue gives slog the tenant, the kind and sizes, never an address or text.
func (m Message) LogValue() slog.Value {
	return slog.GroupValue(slog.String("tenant", string(m.Tenant)), slog.String("kind", m.Kind),
		slog.Int("text_bytes", len(m.Text)), slog.Int("html_bytes", len(m.HTML)))
}
