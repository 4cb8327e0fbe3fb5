package csvcontacts

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/cleantext"
)

// contact reads one row.
func (r *rows) contact(record []string, line int) (contacts.Contact, error) {
	c := contacts.Contact{Tenant: r.s.tenant, Enabled: true}
	if n := len(r.columns); len(record) > n {
		if !blank(record[n:]) {
			return contacts.Contact{}, &Error{Line: line, Reason: fmt.Sprintf("the row has %d columns and the header %d: a text with the separator in it stands in quotes", len(record), n)}
		}
		record = record[:n] // programs fill up rows
	}
	for i, v := range record {
		if v = strings.TrimSpace(v); v == "" {
			continue
		}
		col := r.columns[i]
		reason := r.set(&c, col.field, v)
		if reason == "" && col.also != "" {
			reason = r.set(&c, col.also, v)
		}
		if reason != "" {
			return contacts.Contact{}, &Error{Line: line, Column: r.name(i), Reason: reason}
		}
	}
	if c.Name == "" {
		c.Name = strings.TrimSpace(c.FirstName + " " + c.LastName)
	}
	if c.ID == "" {
		for _, col := range r.columns {
			if col.is(FieldID) {
				return contacts.Contact{}, &Error{Line: line, Column: cleantext.Line(col.header, cleantext.MaxName), Reason: "the id is empty: each row needs one where the file has a column for it"}
			}
		}
		if len(c.Emails) == 0 {
			return contacts.Contact{}, &Error{Line: line, Reason: "the row has no e-mail address, and the file no column for an id: without either nobody can be told apart"}
		}
		c.ID = derived(r.s.tenant, c.Emails[0].Value)
	}
	return c, nil
}

// derived is the id of who has none. The address is not to be seen in it, because ids are logged.
func derived(tenant mspkit.TenantID, email string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "csvcontacts:%d:%s:%s", len(tenant), tenant, email))
	return "csv-" + hex.EncodeToString(sum[:16])
}

// set sets one field and returns what is wrong with the value.
func (r *rows) set(c *contacts.Contact, f Field, v string) (reason string) {
	text := cleantext.Line(v, r.s.o.MaxField)
	keep := func(p *string) {
		if *p == "" {
			*p = text
		}
	}
	switch f {
	case FieldID:
		if (mspkit.Ticket{ID: v}).Validate() != nil {
			return fmt.Sprintf("an id has 1 to %d bytes of printable text", mspkit.MaxID)
		}
		c.ID = v
	case FieldEntraID:
		if (mspkit.Ticket{ID: v}).Validate() != nil {
			return fmt.Sprintf("an id has 1 to %d bytes of printable text", mspkit.MaxID)
		}
		c.Sources = map[string]string{"entra": strings.ToLower(v)}
	case FieldName:
		keep(&c.Name)
	case FieldFirstName:
		keep(&c.FirstName)
	case FieldLastName:
		keep(&c.LastName)
	case FieldCompany:
		keep(&c.Company)
	case FieldJobTitle:
		keep(&c.JobTitle)
	case FieldManager:
		keep(&c.Manager)
	case FieldPhoto:
		keep(&c.Photo)
	case FieldLocale:
		keep(&c.Locale)
	case FieldEmail:
		return emails(c, v)
	case FieldPhone:
		return r.numbers(c, v)
	case FieldEnabled, FieldDisabled:
		yes, ok := yesNo(v)
		if !ok {
			return "the value is neither yes nor no: write true or false"
		}
		if yes == (f == FieldDisabled) { // one column that says so is enough
			c.Enabled = false
		}
	case FieldChangedAt:
		at, err := time.Parse(time.RFC3339, v)
		if err != nil {
			return "the time is not of the form 2026-11-27T09:00:00Z"
		}
		c.ChangedAt = at
	case FieldIgnore:
	}
	return ""
}

// tooMany keeps a row from being compared with itself for minutes.
var tooMany = fmt.Sprintf("a contact has at most %d e-mail addresses and %d phone numbers", contacts.MaxAddresses, contacts.MaxAddresses)

func emails(c *contacts.Contact, v string) (reason string) {
	for _, part := range split(v) {
		e, err := contacts.CanonicalEmail(part)
		if err != nil {
			return strings.TrimSuffix(err.Error(), ": "+mspkit.ErrInvalid.Error())
		}
		if c.HasEmail(e) {
			continue
		}
		if len(c.Emails) == contacts.MaxAddresses {
			return tooMany
		}
		c.Emails = append(c.Emails, contacts.Address{Value: e})
	}
	return ""
}

func (r *rows) numbers(c *contacts.Contact, v string) (reason string) {
next:
	for _, part := range split(v) {
		a := contacts.Address{Raw: cleantext.Line(part, cleantext.MaxName)}
		// Excel marks text by an apostrophe, so that +49 is not calculated.
		if e164, err := r.s.phones.E164(strings.TrimPrefix(part, "'")); err == nil {
			a.Value = e164
		}
		for _, b := range c.Phones {
			if b.Raw == a.Raw || a.Value != "" && a.Value == b.Value {
				continue next
			}
		}
		if a.Raw == "" {
			continue
		}
		if len(c.Phones) == contacts.MaxAddresses {
			return tooMany
		}
		c.Phones = append(c.Phones, a)
	}
	return ""
}

var separators = strings.NewReplacer(":::", ";", "\n", ";")

// split separates several values in one cell: by a semicolon, a line break, or the three colons of Google.
func split(v string) []string {
	var out []string
	for part := range strings.SplitSeq(separators.Replace(v), ";") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func yesNo(v string) (yes, ok bool) {
	switch strings.ToLower(v) {
	case "true", "yes", "y", "1", "x", "active", "enabled", "ja", "wahr":
		return true, true
	case "false", "no", "n", "0", "-", "inactive", "disabled", "suspended", "blocked", "nein", "falsch":
		return false, true
	}
	return false, false
}
