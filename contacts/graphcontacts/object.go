package graphcontacts

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/graphx"
)

// object is a user, a contact of the organisation or one in a mailbox, as Graph writes it. What is nil or not There is a
// property that is not there or has no value. Decoding another text into it changes what that text has only.
type object struct {
	ID                graphx.Text      `json:"id"`
	Removed           *json.RawMessage `json:"@removed"`
	DisplayName       graphx.Text      `json:"displayName"`
	GivenName         graphx.Text      `json:"givenName"`
	Surname           graphx.Text      `json:"surname"`
	Mail              graphx.Text      `json:"mail"`
	UserPrincipalName graphx.Text      `json:"userPrincipalName"`
	OtherMails        []string         `json:"otherMails"`
	MobilePhone       graphx.Text      `json:"mobilePhone"`
	BusinessPhones    []string         `json:"businessPhones"`
	JobTitle          graphx.Text      `json:"jobTitle"`
	CompanyName       graphx.Text      `json:"companyName"`
	PreferredLanguage graphx.Text      `json:"preferredLanguage"`
	AccountEnabled    *bool            `json:"accountEnabled"`
	UserType          graphx.Text      `json:"userType"`
	AssignedLicenses  []struct{}       `json:"assignedLicenses"`
	// HomePhones and EmailAddresses are those of a contact in a mailbox.
	HomePhones     []string `json:"homePhones"`
	EmailAddresses []struct {
		Address graphx.Text `json:"address"`
	} `json:"emailAddresses"`
	// Phones are those of a contact of the organisation.
	Phones []struct {
		Type   graphx.Text `json:"type"`
		Number graphx.Text `json:"number"`
	} `json:"phones"`
	// Manager comes with $expand, ManagerDelta in a round of delta.
	Manager      *reference  `json:"manager"`
	ManagerDelta []reference `json:"manager@delta"`
}

type reference struct {
	ID      graphx.Text      `json:"id"`
	Removed *json.RawMessage `json:"@removed"`
}

// entry is what a page says of one object, however often it is on it.
type entry struct {
	id  string
	raw []json.RawMessage
	o   object
	// has are the properties that came; nil in a first round.
	has  map[string]bool
	gone bool
}

// page collects the objects of a page.
type page struct {
	// later is true where the round tells what changed.
	later bool
	// ident brings an id into the form in which it is compared; "" is none.
	ident   func(string) string
	entries []*entry
	byID    map[string]*entry
	unnamed int // objects without an id that can be used
}

// add reads one object. Of one that comes again the later properties count, and the earlier ones where it lacks them.
func (p *page) add(raw json.RawMessage) error {
	var o object
	if err := o.merge(raw); err != nil {
		return err
	}
	id := p.ident(text(o.ID))
	if id == "" {
		p.unnamed++
		return nil
	}
	e := p.byID[id]
	if e == nil {
		e = &entry{id: id, o: o}
		if p.byID == nil {
			p.byID = map[string]*entry{}
		}
		p.byID[id] = e
		p.entries = append(p.entries, e)
	} else if o.Removed != nil || e.gone {
		*e = entry{id: id, o: o} // nothing of what was before is left
	} else if err := e.o.merge(raw); err != nil {
		return err
	}
	if e.gone = o.Removed != nil; e.gone {
		return nil
	}
	if p.later {
		return e.note(raw)
	}
	return nil
}

// note keeps which properties came, and the text, to lay it over what is read of the object later.
func (e *entry) note(raw json.RawMessage) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return fmt.Errorf("%w: an object cannot be read: %w", contacts.ErrSource, withoutValue(err))
	}
	if e.has == nil {
		e.has = map[string]bool{}
	}
	for k := range all {
		e.has[k] = true
	}
	e.raw = append(e.raw, slices.Clone(raw))
	return nil
}

// merge reads what raw has into o and leaves the rest as it is.
func (o *object) merge(raw []byte) error {
	// What is decoded into an element that is there would be mixed with it.
	phones, emails, managers := o.Phones, o.EmailAddresses, o.ManagerDelta
	o.Phones, o.EmailAddresses, o.ManagerDelta = nil, nil, nil
	if err := json.Unmarshal(raw, o); err != nil {
		return fmt.Errorf("%w: an object cannot be read: %w", contacts.ErrSource, withoutValue(err))
	}
	if o.Phones == nil {
		o.Phones = phones
	}
	if o.EmailAddresses == nil {
		o.EmailAddresses = emails
	}
	if o.ManagerDelta == nil {
		o.ManagerDelta = managers
	}
	return nil
}

// withoutValue is an error of encoding/json without what it quotes.
func withoutValue(err error) error {
	switch e := err.(type) { //nolint:errorlint // encoding/json returns these as they are
	case *json.UnmarshalTypeError:
		return fmt.Errorf("the property %q is of another type", e.Field)
	case *json.SyntaxError:
		return fmt.Errorf("no JSON at byte %d", e.Offset)
	}
	return fmt.Errorf("no JSON of this kind")
}

// manager returns the id of who the object reports to.
func (o *object) manager() string {
	if o.Manager != nil && o.Manager.Removed == nil {
		return canonicalID(text(o.Manager.ID))
	}
	return ""
}

// settle brings the manager of a round of delta into Manager: the last one that is not taken away counts.
func (o *object) settle() {
	if o.ManagerDelta == nil {
		return
	}
	o.Manager = nil
	for _, r := range o.ManagerDelta {
		if r.Removed == nil && canonicalID(text(r.ID)) != "" {
			o.Manager = &reference{ID: r.ID}
		}
	}
}

// text returns a text that may be missing.
func text[T *string | graphx.Text](s T) string {
	switch s := any(s).(type) {
	case *string:
		if s != nil {
			return *s
		}
	case graphx.Text:
		return s.String()
	}
	return ""
}

// canonicalID returns the id of an object of Entra in lower case, in which they are compared, and "" for what is none.
func canonicalID(s string) string {
	if len(s) != 36 {
		return ""
	}
	for i := range len(s) {
		c := s[i]
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return ""
		}
	}
	return strings.ToLower(s)
}
