package contactdest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/verify"
)

// ErrLeft means that somebody has left, so that nobody is verified as them.
var ErrLeft = errors.New("contactdest: the person has left")

// maxDestinations is how many package verify takes.
const maxDestinations = 32

// Kind is what of a contact is an address of a channel.
type Kind string

// The kinds.
const (
	// Email are the e-mail addresses.
	Email Kind = "email"
	// Phone are the phone numbers in E.164 form.
	Phone Kind = "phone"
	// Entra is the person in Microsoft Entra, "tenant id/object id", as packages teamschannel and signin take it.
	Entra Kind = "entra"
)

// Channel is a channel of package verify.
type Channel struct {
	// Name is the one under which it is registered in [verify.Options].
	Name string
	// Takes is what it sends to.
	Takes Kind
}

// Directory is what is needed of a [contacts.Directory].
type Directory interface {
	Get(ctx context.Context, tenant mspkit.TenantID, id string) (contacts.Contact, error)
	BySource(ctx context.Context, tenant mspkit.TenantID, source, id string) (contacts.Contact, error)
	Find(ctx context.Context, s contacts.Search) ([]contacts.Contact, error)
	History(ctx context.Context, tenant mspkit.TenantID, id string, limit int) ([]contacts.Event, error)
}

var _ Directory = contacts.Directory(nil)

// Options say which address goes to which channel. Nil and the zero value are fine.
type Options struct {
	// Channels are the channels that get addresses, the preferred first, at most 16. Empty means "sms" for phone numbers and
	// "email" for e-mail addresses, with "teams" for Entra before them where EntraTenant is set.
	Channels []Channel
	// EntraTenant returns a tenant's id in Microsoft Entra; empty where it has none, which leaves those channels out. It is
	// required where a channel takes [Entra].
	EntraTenant func(ctx context.Context, tenant mspkit.TenantID) (string, error)
	// Source is the name of the source whose ids are Entra's object ids: "entra" by default.
	Source string
	// Known is how long those who were there when a tenant was first listed are taken to be known in Entra already; give what
	// the sync was given as contacts.Batch.Known. Zero counts them as new at that time, as it does those whom another source
	// had before.
	Known time.Duration
	// Call returns the call that a contact is in, for [Resolver.Lookup]; nil where there is none. Nil means that the host
	// knows of no calls.
	Call func(ctx context.Context, tenant mspkit.TenantID, contactID string) (*verify.Call, error)
}

func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	if out.Source == "" {
		out.Source = "entra"
	}
	if len(out.Channels) == 0 {
		if out.EntraTenant != nil {
			out.Channels = append(out.Channels, Channel{"teams", Entra})
		}
		out.Channels = append(out.Channels, Channel{"sms", Phone}, Channel{"email", Email})
	}
	out.Channels = slices.Clone(out.Channels)
	return out
}

func (o Options) validate() error {
	var errs []error
	if len(o.Channels) > maxDestinations/2 {
		errs = append(errs, fmt.Errorf("there are %d channels, at most %d can be used", len(o.Channels), maxDestinations/2))
	}
	if o.Known < 0 {
		errs = append(errs, errors.New("the time that people are Known is negative"))
	}
	seen := map[Channel]bool{}
	for _, ch := range o.Channels {
		switch {
		case ch.Name == "" || len(ch.Name) > 32:
			errs = append(errs, fmt.Errorf("the name of channel %q has %d bytes, it needs 1 to 32", ch.Name, len(ch.Name)))
		case ch.Takes != Email && ch.Takes != Phone && ch.Takes != Entra:
			errs = append(errs, fmt.Errorf("channel %q takes %q, it can take email, phone or entra", ch.Name, ch.Takes))
		case ch.Takes == Entra && o.EntraTenant == nil:
			errs = append(errs, fmt.Errorf("channel %q takes people in Entra, which needs EntraTenant", ch.Name))
		case seen[ch]:
			errs = append(errs, fmt.Errorf("channel %q is there twice", ch.Name))
		}
		seen[ch] = true
	}
	return errors.Join(errs...)
}

// Resolver makes subjects from contacts. Use [New].
type Resolver struct {
	dir Directory
	o   Options
}

// New returns a resolver on dir. It reports all faults of o with [mspkit.ErrInvalid].
func New(dir Directory, o *Options) (*Resolver, error) {
	r := &Resolver{dir: dir, o: o.withDefaults()}
	err := r.o.validate()
	if dir == nil {
		err = errors.Join(errors.New("a directory is required"), err)
	}
	if err != nil {
		return nil, fmt.Errorf("contactdest: %w: %w", mspkit.ErrInvalid, err)
	}
	return r, nil
}

// Subject returns a contact as the subject of a verification. The error is [contacts.ErrNotFound] where the tenant has no
// such contact and [ErrLeft] where the person has left. A subject without destinations is one whom no channel reaches.
func (r *Resolver) Subject(ctx context.Context, tenant mspkit.TenantID, contactID string) (verify.Subject, error) {
	if err := tenant.Validate(); err != nil {
		return verify.Subject{}, err
	}
	if contactID == "" {
		return verify.Subject{}, fmt.Errorf("contactdest: no contact is named: %w", mspkit.ErrInvalid)
	}
	c, err := r.dir.Get(ctx, tenant, contactID)
	if err != nil {
		return verify.Subject{}, fmt.Errorf("contactdest: contact: %w", err)
	}
	return r.Of(ctx, tenant, c)
}

// Of is [Resolver.Subject] for a contact that the host has read already. What it has read long ago may have changed since.
func (r *Resolver) Of(ctx context.Context, tenant mspkit.TenantID, c contacts.Contact) (verify.Subject, error) {
	if tenant == "" || c.Tenant != tenant || c.ID == "" {
		return verify.Subject{}, fmt.Errorf("contactdest: the contact is none of tenant %s: %w", tenant, mspkit.ErrInvalid)
	}
	if !c.Enabled {
		return verify.Subject{}, ErrLeft
	}
	entra, err := r.entra(ctx, tenant)
	if err != nil {
		return verify.Subject{}, err
	}
	return r.subject(ctx, c, entra, "")
}

// Lookup finds the one contact of a tenant who has an address, as [verify.Options.Lookup]: an e-mail address, a phone number
// that begins with + and the country, or "tenant id/object id" in Entra. It returns nil where nobody has it, and where
// two have. The address is among the destinations whatever their number.
func (r *Resolver) Lookup(ctx context.Context, tenant mspkit.TenantID, address string) (*verify.TechnicianRequest, error) {
	if err := tenant.Validate(); err != nil {
		return nil, err
	}
	// First, so that somebody who is unknown costs the same.
	entra, err := r.entra(ctx, tenant)
	if err != nil {
		return nil, err
	}
	c, address, err := r.find(ctx, tenant, strings.TrimSpace(address), entra)
	if err != nil {
		return nil, fmt.Errorf("contactdest: look up: %w", err)
	}
	if address == "" || c.Tenant != tenant || !c.Enabled {
		return nil, nil //nolint:nilnil // as verify.Options.Lookup has it
	}
	subject, err := r.subject(ctx, c, entra, address)
	if err != nil {
		return nil, err
	}
	out := &verify.TechnicianRequest{Subject: subject}
	if r.o.Call != nil {
		if out.Call, err = r.o.Call(ctx, tenant, c.ID); err != nil {
			return nil, fmt.Errorf("contactdest: the call that the contact is in: %w", err)
		}
	}
	return out, nil
}

// find returns who has an address, and the address as the directory has it; empty where that is not exactly one person.
func (r *Resolver) find(ctx context.Context, tenant mspkit.TenantID, typed, entra string) (contacts.Contact, string, error) {
	if tid, oid, ok := strings.Cut(typed, "/"); ok && !strings.Contains(typed, "@") {
		if oid == "" || entra == "" || !strings.EqualFold(tid, entra) {
			return contacts.Contact{}, "", nil
		}
		c, err := r.dir.BySource(ctx, tenant, r.o.Source, strings.ToLower(oid))
		switch {
		case errors.Is(err, contacts.ErrNotFound), errors.Is(err, mspkit.ErrInvalid):
			return contacts.Contact{}, "", nil
		case err != nil:
			return contacts.Contact{}, "", err
		case !strings.EqualFold(c.Sources[r.o.Source], oid): // they had it once
			return contacts.Contact{}, "", nil
		}
		return c, typed, nil
	}
	s := contacts.Search{Tenant: tenant, Limit: 2}
	if email, err := contacts.CanonicalEmail(typed); err == nil {
		s.Email, typed = email, email
	} else if s.Phone = e164(typed); s.Phone != "" {
		typed = s.Phone
	} else {
		return contacts.Contact{}, "", nil
	}
	list, err := r.dir.Find(ctx, s)
	if err != nil || len(list) != 1 {
		return contacts.Contact{}, "", err
	}
	return list[0], typed, nil
}

// e164 returns a number that begins with + and the country without what people write between its digits, or "".
func e164(s string) string {
	s = strings.NewReplacer(" ", "", "\u00a0", "", "-", "", ".", "", "/", "", "(", "", ")", "").Replace(s)
	digits, ok := strings.CutPrefix(s, "+")
	if !ok || len(digits) < 7 || len(digits) > 15 || strings.Trim(digits, "0123456789") != "" {
		return ""
	}
	return s
}

// entra returns the tenant's id in Entra where a channel needs it.
func (r *Resolver) entra(ctx context.Context, tenant mspkit.TenantID) (string, error) {
	for _, ch := range r.o.Channels {
		if ch.Takes == Entra {
			id, err := r.o.EntraTenant(ctx, tenant)
			if err != nil {
				return "", fmt.Errorf("contactdest: the tenant's id in Entra: %w", err)
			}
			return id, nil
		}
	}
	return "", nil
}

// The most bytes of what package verify takes of a subject.
const (
	maxText   = 1024
	maxLocale = 35
)

// subject lists the destinations of c. Each channel gets its share of what package verify takes, and first is never
// among those that are left out.
func (r *Resolver) subject(ctx context.Context, c contacts.Contact, entra, first string) (verify.Subject, error) {
	out := verify.Subject{ID: c.ID, Name: cut(c.Name), Company: cut(c.Company), Locale: c.Locale}
	if len(out.Locale) > maxLocale {
		out.Locale = "" // the tenant's
	}
	person, err := r.person(ctx, c, entra)
	if err != nil {
		return verify.Subject{}, err
	}
	share := maxDestinations / len(r.o.Channels)
	for _, ch := range r.o.Channels {
		list := map[Kind][]contacts.Address{Email: c.Emails, Phone: c.Phones, Entra: person}[ch.Takes]
		list = slices.DeleteFunc(slices.Clone(list), func(a contacts.Address) bool { return a.Value == "" })
		if i := slices.IndexFunc(list, func(a contacts.Address) bool { return strings.EqualFold(a.Value, first) }); i >= share {
			list[share-1] = list[i]
		}
		for _, a := range list[:min(share, len(list))] {
			out.Destinations = append(out.Destinations, verify.Destination{
				Channel: ch.Name, Address: a.Value, FirstSeen: a.FirstSeen, TypedBy: a.TypedBy,
			})
		}
	}
	return out, nil
}

func cut(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return s
}

// person returns the address of somebody in Entra, if there is one, with its age.
func (r *Resolver) person(ctx context.Context, c contacts.Contact, entra string) ([]contacts.Address, error) {
	id := c.Sources[r.o.Source]
	if id == "" || entra == "" {
		return nil, nil
	}
	events, err := r.dir.History(ctx, c.Tenant, c.ID, history)
	if err != nil {
		return nil, fmt.Errorf("contactdest: history: %w", err)
	}
	return []contacts.Address{{Value: entra + "/" + id, FirstSeen: since(events, c.ID, r.o.Source, r.o.Known)}}, nil
}

// history is how many events of a person are looked at for since when Entra has them.
const history = 1000

// since returns from when on a source has had a person without a break; zero where the events, the latest first, do not
// say. Whoever comes back, and whatever an administrator joins or parts, begins anew.
func since(events []contacts.Event, id, source string, known time.Duration) time.Time {
	for _, e := range events {
		if e.Contact != id && e.Kind != contacts.Separated {
			continue // they became a part of somebody else once
		}
		switch e.Kind {
		case contacts.Joined:
			if e.First && e.Source == source {
				return e.At.Add(-known)
			}
			return e.At
		case contacts.Linked, contacts.Separated:
			return e.At
		case contacts.Changed, contacts.Left:
		}
		for _, ch := range e.Changes {
			if ch.Field == contacts.FieldSources && has(ch.New, source) && (!has(ch.Old, source) || ch.Old == ch.New) {
				return e.At // they came there, or are another account now
			}
		}
	}
	return time.Time{}
}

// has reports whether a list of sources, as a history has it, names one.
func has(list, source string) bool { return slices.Contains(strings.Split(list, ", "), source) }
