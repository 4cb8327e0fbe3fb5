package sqlstore

import (
	"encoding/json"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/internal/people"
	"github.com/mspkit/mspkit/internal/sqlx"
)

// stored is a contact in a column. Tenant and ID are columns of their own; names are short because there are millions.
type stored struct {
	Name    string            `json:"n,omitempty"`
	First   string            `json:"f,omitempty"`
	Last    string            `json:"l,omitempty"`
	Company string            `json:"c,omitempty"`
	Title   string            `json:"j,omitempty"`
	Manager string            `json:"m,omitempty"` // of a record: the source's id
	Photo   string            `json:"p,omitempty"`
	Locale  string            `json:"o,omitempty"`
	Enabled bool              `json:"on,omitempty"`
	Changed int64             `json:"at,omitempty"`
	Sources map[string]string `json:"s,omitempty"`
	Emails  []address         `json:"e,omitempty"`
	Phones  []address         `json:"t,omitempty"`
	Typed   []address         `json:"y,omitempty"` // of a record
}

type address struct {
	Value string `json:"v,omitempty"`
	Raw   string `json:"r,omitempty"`
	Seen  int64  `json:"s,omitempty"`
	By    string `json:"b,omitempty"`
}

func encode(c contacts.Contact, typed []contacts.Address) (string, error) {
	b, err := json.Marshal(stored{
		Name: c.Name, First: c.FirstName, Last: c.LastName, Company: c.Company, Title: c.JobTitle, Manager: c.Manager, Photo: c.Photo,
		Locale: c.Locale, Enabled: c.Enabled, Changed: sqlx.Micros(c.ChangedAt), Sources: c.Sources,
		Emails: encodeAddresses(c.Emails), Phones: encodeAddresses(c.Phones), Typed: encodeAddresses(typed),
	})
	return string(b), err
}

// decode reads what encode wrote into c, and returns the typed addresses.
func decode(data []byte, c *contacts.Contact) ([]contacts.Address, error) {
	var x stored
	if err := json.Unmarshal(data, &x); err != nil {
		return nil, fmt.Errorf("column data of %s of tenant %s: %w", c.ID, c.Tenant, err)
	}
	c.Name, c.FirstName, c.LastName, c.Company, c.JobTitle, c.Manager = x.Name, x.First, x.Last, x.Company, x.Title, x.Manager
	c.Photo, c.Locale, c.Enabled, c.ChangedAt, c.Sources = x.Photo, x.Locale, x.Enabled, sqlx.Time(x.Changed), x.Sources
	c.Emails, c.Phones = decodeAddresses(x.Emails), decodeAddresses(x.Phones)
	return decodeAddresses(x.Typed), nil
}

func encodeAddresses(list []contacts.Address) []address {
	if len(list) == 0 {
		return nil
	}
	out := make([]address, len(list))
	for i, a := range list {
		out[i] = address{a.Value, a.Raw, sqlx.Micros(a.FirstSeen), a.TypedBy}
	}
	return out
}

func decodeAddresses(list []address) []contacts.Address {
	if len(list) == 0 {
		return nil
	}
	out := make([]contacts.Address, len(list))
	for i, a := range list {
		out[i] = contacts.Address{Value: a.Value, Raw: a.Raw, FirstSeen: sqlx.Time(a.Seen), TypedBy: a.By}
	}
	return out
}

const recordColumns = `r.source, r.id, r.person, r.status, r.apart, r.run, r.data`

// recordKinds has a letter for each column of a record as it is written, as from takes it.
const recordKinds = "ttttiiiit"

func scanRecord(tenant mspkit.TenantID, row scanner) (people.Record, error) {
	r := people.Record{Contact: contacts.Contact{Tenant: tenant}}
	var data []byte
	if err := row.Scan(&r.Source, &r.ID, &r.Person, &r.Status, &r.Apart, &r.Run, &data); err != nil {
		return r, err
	}
	r.Contact.ID = r.ID
	var err error
	r.Typed, err = decode(data, &r.Contact)
	return r, err
}

const personColumns = `p.id, p.manager_source, p.manager_id, p.data`

const personKinds = "ttttittt"

func scanPerson(tenant mspkit.TenantID, row scanner) (people.Person, error) {
	p := people.Person{Contact: contacts.Contact{Tenant: tenant}}
	var data []byte
	if err := row.Scan(&p.Contact.ID, &p.Manager.Source, &p.Manager.ID, &data); err != nil {
		return p, err
	}
	_, err := decode(data, &p.Contact)
	return p, err
}
