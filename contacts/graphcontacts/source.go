package graphcontacts

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/internal/phone"
)

// Source lists the users of Microsoft 365, or the contacts of the organisation, tenant by tenant. It is safe for
// concurrent use.
type Source struct {
	feed *feed
}

var _ contacts.ContactSource = (*Source)(nil)

// New returns the users of the tenants that creds reach. It needs User.Read.All; User.ReadBasic.All does not show phone
// numbers or whether an account is switched off. The id of a contact is the object id of the user in Microsoft Entra.
func New(creds azurecred.TenantCredentials, o *Options) (*Source, error) {
	client, opts, err := connect(creds, o)
	if err != nil {
		return nil, err
	}
	f := &feed{
		name: "users", noun: "users", permission: "User.Read.All", path: "/users", client: client, o: opts,
		fields: []string{
			"id", "displayName", "givenName", "surname", "mail", "userPrincipalName", "mobilePhone", "businessPhones", "jobTitle",
			"companyName", "preferredLanguage", "accountEnabled", "userType", "manager",
		},
		always: []string{"displayName", "userPrincipalName", "accountEnabled"},
	}
	if opts.OtherMails {
		f.fields = append(f.fields, "otherMails")
	}
	if opts.Mailboxes != KeepMailboxes {
		f.fields = append(f.fields, "assignedLicenses")
	}
	f.settings = sum(opts, f.fields)
	u := &users{client: client, maker: maker{phones: phone.Reader{Region: opts.Region}}, o: opts}
	f.choose = u.choose
	return &Source{feed: f}, nil
}

// NewOrgContacts returns the contacts of the organisation: the people outside whom the administrators of a tenant have put
// into its address book. It needs OrgContact.Read.All. Of the options that say who is listed none applies. The id of a
// contact is [OrgContactID].
func NewOrgContacts(creds azurecred.TenantCredentials, o *Options) (*Source, error) {
	client, opts, err := connect(creds, o)
	if err != nil {
		return nil, err
	}
	f := &feed{
		name: "orgcontacts", noun: "contacts of the organisation", permission: "OrgContact.Read.All", path: "/contacts", client: client, o: opts,
		fields: []string{"id", "displayName", "givenName", "surname", "mail", "phones", "jobTitle", "companyName"},
		always: []string{"displayName"},
	}
	f.settings = sum(opts, f.fields)
	f.choose = orgContacts{maker: maker{phones: phone.Reader{Region: opts.Region}}}.choose
	return &Source{feed: f}, nil
}

// sum tells two sets of options apart in a cursor: after a change of what is listed the next run is whole.
func sum(o Options, fields []string) string {
	s := fmt.Sprint(o.Cloud.Graph, o.Region, o.Guests, o.Disabled, o.Mailboxes, o.UserPrincipalNames, fields)
	h := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(h[:9])
}

// FetchContacts returns a page of a tenant. The first run is whole, and so is one where the last run ended longer ago than
// [Options].DeltaLife or began longer than [Options].WholeEvery after the last whole one, where the options have changed
// since, and where Graph has forgotten the last run (status 410). Other runs have the users who changed or are gone. A page
// may be empty although there is more.
//
// In the middle of a run a status 410 is [contacts.ErrCursor], because what the pages before had may be gone by now and a
// run that went on would not tell.
func (s *Source) FetchContacts(ctx context.Context, q contacts.Query) (contacts.Page, error) {
	return s.feed.fetch(ctx, q)
}

// users chooses who of the users is listed.
type users struct {
	maker

	client *graphx.Client
	o      Options
}

func (u *users) choose(ctx context.Context, tenant mspkit.TenantID, list []*entry) ([]contacts.Contact, []string, error) {
	if err := visible(list); err != nil {
		return nil, nil, err
	}
	nobody, err := u.mailboxes(ctx, tenant, list)
	if err != nil {
		return nil, nil, err
	}
	kept := make([]contacts.Contact, 0, len(list))
	var removed []string
	for _, e := range list {
		off := e.o.AccountEnabled == nil || !*e.o.AccountEnabled
		guest := strings.EqualFold(text(e.o.UserType), "Guest")
		if e.gone || nobody[e.id] || guest && !u.o.Guests || off && u.o.Disabled == DropDisabled {
			removed = append(removed, e.id) // it may have been listed before something of that became so
			continue
		}
		c := u.contact(tenant, e.id, &e.o)
		c.Enabled = !off
		c.Locale = locale(text(e.o.PreferredLanguage))
		c.Sources = map[string]string{"entra": e.id}
		emails := []string{text(e.o.Mail)}
		if name := text(e.o.UserPrincipalName); u.o.UserPrincipalNames && !strings.Contains(strings.ToUpper(name), "#EXT#") {
			emails = append(emails, name)
		}
		if u.o.OtherMails {
			emails = append(emails, e.o.OtherMails...)
		}
		u.emails(&c, emails)
		u.numbers(&c, append([]string{text(e.o.MobilePhone)}, e.o.BusinessPhones...))
		kept = append(kept, c)
	}
	return kept, removed, nil
}

// visible refuses a page of which nobody says whether the account is switched off: the application may not see it, and
// everybody would seem to have left.
func visible(list []*entry) error {
	there := 0
	for _, e := range list {
		if e.gone {
			continue
		}
		if e.o.AccountEnabled != nil {
			return nil
		}
		there++
	}
	if there > 0 {
		return errHidden
	}
	return nil
}

// orgContacts lists everybody.
type orgContacts struct{ maker }

// OrgContactID returns the id of a contact of the organisation: "orgcontact:" and its object id in Microsoft Entra.
func OrgContactID(id string) string { return "orgcontact:" + strings.ToLower(id) }

func (m orgContacts) choose(_ context.Context, tenant mspkit.TenantID, list []*entry) ([]contacts.Contact, []string, error) {
	kept := make([]contacts.Contact, 0, len(list))
	var removed []string
	for _, e := range list {
		if e.gone {
			removed = append(removed, OrgContactID(e.id))
			continue
		}
		c := m.contact(tenant, OrgContactID(e.id), &e.o)
		c.Enabled = true
		c.Sources = map[string]string{"entra-orgcontact": e.id}
		m.emails(&c, []string{text(e.o.Mail)})
		m.numbers(&c, orgPhones(&e.o))
		kept = append(kept, c)
	}
	return kept, removed, nil
}

// orgPhones returns the mobile number first. Nobody is reached by fax.
func orgPhones(o *object) []string {
	var mobile, other []string
	for _, p := range o.Phones {
		switch strings.ToLower(text(p.Type)) {
		case "mobile":
			mobile = append(mobile, text(p.Number))
		case "businessfax", "homefax", "otherfax", "pager", "radio":
		default:
			other = append(other, text(p.Number))
		}
	}
	return append(mobile, other...)
}

const maxText = 256 // runes of a name; what is longer is no name

// maker makes contacts.
type maker struct{ phones phone.Reader }

func (m maker) contact(tenant mspkit.TenantID, id string, o *object) contacts.Contact {
	c := contacts.Contact{
		Tenant: tenant, ID: id, Name: line(o.DisplayName), FirstName: line(o.GivenName), LastName: line(o.Surname),
		Company: line(o.CompanyName), JobTitle: line(o.JobTitle), Manager: o.manager(),
	}
	if c.Name == "" {
		c.Name = strings.TrimSpace(c.FirstName + " " + c.LastName)
	}
	return c
}

func line(s graphx.Text) string { return cleantext.Line(s.String(), maxText) }

// emails adds those that are addresses, in their order.
func (m maker) emails(c *contacts.Contact, list []string) {
	for _, s := range list {
		if len(c.Emails) == contacts.MaxAddresses {
			return
		}
		if v, err := contacts.CanonicalEmail(s); err == nil && !c.HasEmail(v) {
			c.Emails = append(c.Emails, contacts.Address{Value: v})
		}
	}
}

// numbers adds phone numbers in their order. FirstSeen stays zero: Graph does not say since when a number is there.
func (m maker) numbers(c *contacts.Contact, list []string) {
	for _, s := range list {
		if len(c.Phones) == contacts.MaxAddresses {
			return
		}
		a := contacts.Address{Raw: cleantext.Line(s, cleantext.MaxName)}
		if a.Raw == "" || hasRaw(*c, a.Raw) {
			continue
		}
		if v, err := m.phones.E164(s); err == nil {
			a.Value = v
		}
		if !c.HasPhone(a.Value) {
			c.Phones = append(c.Phones, a)
		}
	}
}

func hasRaw(c contacts.Contact, raw string) bool {
	for _, a := range c.Phones {
		if a.Raw == raw {
			return true
		}
	}
	return false
}

const maxLocale = 35 // bytes of a language tag, RFC 5646 section 4.4.1

// locale returns a language tag, and "" for what has not the form of one.
func locale(s string) string {
	if len(s) > maxLocale {
		return ""
	}
	for part := range strings.SplitSeq(s, "-") {
		if part == "" || len(part) > 8 {
			return ""
		}
		for _, r := range part {
			if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') {
				return ""
			}
		}
	}
	return s
}
