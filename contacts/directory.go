package contacts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
)

// The errors of directories.
var (
	// ErrNotFound means that the directory has no such contact in that tenant.
	ErrNotFound = errors.New("contacts: not found")
	// ErrStale means that another instance has moved a checkpoint on since it was read: read it again.
	ErrStale = errors.New("contacts: the checkpoint has moved on")
	// ErrMassLeave means that a run would mark so many people of a tenant as left that it looks like a fault of the
	// source; nothing was changed.
	ErrMassLeave = errors.New("contacts: too many people would have left")
	// ErrConflict means that a change contradicts what the directory has, such as a link between two people of one source.
	ErrConflict = errors.New("contacts: conflict")
)

// Field names a part of a [Contact] that has a source of truth and a history.
type Field string

// The fields.
const (
	FieldName     Field = "name" // Name, FirstName and LastName
	FieldEmails   Field = "emails"
	FieldPhones   Field = "phones"
	FieldCompany  Field = "company"
	FieldJobTitle Field = "job-title"
	FieldManager  Field = "manager"
	FieldPhoto    Field = "photo"
	FieldLocale   Field = "locale"
	FieldEnabled  Field = "enabled"
	// FieldSources is which sources know the person. It is in the history only: it has no source of truth. Where Old and New of
	// such a change are the same, the person has another id in one of them.
	FieldSources Field = "sources"
)

// Fields returns all fields that have a source of truth.
func Fields() []Field {
	return []Field{
		FieldName, FieldEmails, FieldPhones, FieldCompany, FieldJobTitle, FieldManager, FieldPhoto, FieldLocale, FieldEnabled,
	}
}

// Precedence says which source is believed. A source that is named here and has a person no more says by that, too, that the
// person has left, whatever other sources still list. Sources are named as they were given to the [Syncer], for example "entra" or
// "connectwise". Of the sources that know a person, the first of Of[field] that has a value is believed for the field,
// then the first of Default, then the others in alphabetical order. Addresses of several sources are not mixed: a field
// comes from one source.
type Precedence struct {
	Default []string
	Of      map[Field][]string
}

// Validate reports names of sources and fields that there cannot be.
func (p Precedence) Validate() error {
	var errs []error
	check := func(sources []string) {
		for i, s := range sources {
			if s == "" || (mspkit.Ticket{ID: s}).Validate() != nil {
				errs = append(errs, fmt.Errorf("contacts: the precedence names a source %.20q, which has 1 to %d bytes of printable text: %w", s, mspkit.MaxID, mspkit.ErrInvalid))
			}
			if slices.Contains(sources[:i], s) {
				errs = append(errs, fmt.Errorf("contacts: the precedence names the source %.20q twice: %w", s, mspkit.ErrInvalid))
			}
		}
	}
	check(p.Default)
	for f, sources := range p.Of {
		if !slices.Contains(Fields(), f) {
			errs = append(errs, fmt.Errorf("contacts: the precedence names the field %.20q, which no contact has: %w", string(f), mspkit.ErrInvalid))
		}
		check(sources)
	}
	return errors.Join(errs...)
}

// EventKind is what happened to somebody.
type EventKind string

// The kinds of events.
const (
	// Joined means that somebody is there who was not, or is there again.
	Joined EventKind = "joined"
	// Changed means that fields have other values.
	Changed EventKind = "changed"
	// Left means that no source has the person any more, or that the one that is believed says that the account is off.
	Left EventKind = "left"
	// Linked means that somebody has made two contacts one: Contact stays, Other is no contact of its own any more.
	Linked EventKind = "linked"
	// Separated means that somebody has said that a record is a person of its own. There is one event for the new contact
	// and one for the one it was of, each with the other as Other; one without Other where the record was alone already.
	Separated EventKind = "separated"
)

// Event is one thing that happened to one contact. Events of a tenant are numbered without a gap.
type Event struct {
	Tenant mspkit.TenantID
	// Seq is 1 for the first event of a tenant.
	Seq  int64
	Kind EventKind
	// Contact is the ID in the directory, Name the person's name at that time.
	Contact string
	Name    string
	// Manager is the ID in the directory of who the person reports or reported to, empty where that is not known.
	Manager string
	// Other is the second contact of [Linked] and [Separated].
	Other string
	// Source is which source told of it, By which person did it where somebody did, Reason the reason that they gave.
	Source, By, Reason string
	// First is true for what was told when a tenant was first listed by a source: nobody needs to welcome those who are
	// there.
	First   bool
	Changes []Change
	At      time.Time
}

// Change is one field of an event, for people. Phone numbers are masked to their last four digits.
type Change struct {
	Field Field
	Old   string
	New   string
}

// Checkpoint is where the sync of one tenant from one source stands. It is stored with the data of the page that it
// follows.
type Checkpoint struct {
	Tenant mspkit.TenantID
	// Source is the name of the source.
	Source string
	// Cursor is what the next page is asked with.
	Cursor Cursor
	// Running is true in the middle of a run; Whole says that this run lists everybody.
	Running, Whole bool
	// Run counts the runs that were begun, Pages and Contacts what the present or last run has read.
	Run, Pages, Contacts int64
	// Rev rises with every change of the checkpoint.
	Rev int64
	// BegunAt is when the present or last run began, EndedAt when the last one was completed, WholeAt when the last whole
	// one was.
	BegunAt, EndedAt, WholeAt time.Time
	// DueAt is when the next run is to begin; zero is never.
	DueAt time.Time
	// Failures is how many tries failed in a row; Failure says why in words for an administrator.
	Failures int
	Failure  string
	FailedAt time.Time
}

// Batch is a page to be stored. A dry run is a run of its own, whatever run is in hand, so one of several pages is one
// batch with the contacts of all.
type Batch struct {
	// At is the checkpoint as it was read, all of it; where it has changed since, nothing is stored and the error is
	// [ErrStale].
	At Checkpoint
	// Page is what the source gave for At.Cursor. Contacts carry the ids of the source.
	Page Page
	// Now is the time of the change.
	Now time.Time
	// DueAt is stored in the checkpoint after the last page of a run.
	DueAt time.Time
	// Known is how long the addresses of those who are in the first listing of a tenant by this source are taken to be known
	// already; zero counts them as new. Those who come later are new always.
	Known time.Duration
	// MaxLeft is the largest share, between 0 and 1, of a tenant's enabled people of this source that the last page of a
	// whole run may find missing, where these are more than ten; beyond it is [ErrMassLeave]. 0 allows everything. Whom an
	// earlier page of a whole run removes is missing at its end, like those who are on no page.
	MaxLeft float64
	// DryRun computes everything and stores nothing.
	DryRun bool
}

// Applied is what a batch did.
type Applied struct {
	// At is the checkpoint that was stored.
	At Checkpoint
	// Joined, Changed, Left and Same count people.
	Joined, Changed, Left, Same int
	// Events are set where the batch was a dry run; their Seq is zero.
	Events []Event
}

// Search asks a [Directory] for contacts. Exactly one of Phone, Email, Name and Company is set; all of Phone and Email is
// compared, the beginning of Name and Company.
type Search struct {
	Tenant mspkit.TenantID
	// Phone is in E.164 form.
	Phone string
	// Email is compared in the form of [CanonicalEmail].
	Email string
	// Name is the beginning of a first, last or full name, in any case and with or without accents.
	Name string
	// Company is the beginning of the company's name, likewise.
	Company string
	// Left includes those who have left.
	Left bool
	// Limit is the most contacts: 0 is 50, the most is 1000.
	Limit int
}

// Conflict is an e-mail address that more than one person of a source has, or that would join people who cannot be one: it
// is for a person to decide who is who.
type Conflict struct {
	Tenant mspkit.TenantID
	Email  string
	// Contacts are the IDs in the directory, at least two, sorted.
	Contacts []string
}

// Directory knows the people of all tenants from all sources. The person's ID is the directory's own, stable as long as
// there is a record of the person; [Contact.Sources] has the id in each source. People of two sources are one where one
// e-mail address says so without doubt; what is in doubt is a [Conflict] and nothing is guessed.
//
// It is safe for concurrent use, by several processes, too. The suite in contactstest holds an implementation to this.
type Directory interface {
	// Apply stores a page, the events that it causes and the checkpoint that follows it, all or nothing.
	Apply(ctx context.Context, b Batch) (Applied, error)
	// Checkpoint returns where a sync stands; one with Rev 0 where there was none.
	Checkpoint(ctx context.Context, tenant mspkit.TenantID, source string) (Checkpoint, error)
	// SetCheckpoint stores all fields of c but the counters of the run, if its Rev is still the stored one, and returns it
	// with the new Rev; otherwise [ErrStale]. It is how a sync is scheduled, begun anew, or marked as failed.
	SetCheckpoint(ctx context.Context, c Checkpoint) (Checkpoint, error)
	// Due returns checkpoints whose DueAt is set and not after now, the earliest first. Here and below, a limit of 0 is 50,
	// and the most is 1000.
	Due(ctx context.Context, now time.Time, limit int) ([]Checkpoint, error)
	// Checkpoints returns those of a tenant, or all where tenant is empty, ordered by tenant and source.
	Checkpoints(ctx context.Context, tenant mspkit.TenantID) ([]Checkpoint, error)
	// Forget makes the directory deaf to what one source has told of a tenant, and removes its checkpoint. Who is in no
	// other source has left. The ids stay, so that the same people are found again where the source is connected again.
	Forget(ctx context.Context, tenant mspkit.TenantID, source string, now time.Time) (Applied, error)

	// Get returns a contact by its ID in the directory, [ErrNotFound] where there is none. Those who have left are there,
	// not Enabled.
	Get(ctx context.Context, tenant mspkit.TenantID, id string) (Contact, error)
	// BySource returns a contact by its id in a source.
	BySource(ctx context.Context, tenant mspkit.TenantID, source, id string) (Contact, error)
	// Find searches one tenant. The order is by name and ID.
	Find(ctx context.Context, s Search) ([]Contact, error)
	// FindCaller returns who has a phone number in any tenant, for a call of which nothing else is known. It is for
	// technicians who may see every tenant.
	FindCaller(ctx context.Context, phone string, limit int) ([]Contact, error)

	// Events returns events of a tenant after a number, in order.
	Events(ctx context.Context, tenant mspkit.TenantID, after int64, limit int) ([]Event, error)
	// History returns the events of one contact, also those in which it is the other one, the latest first.
	History(ctx context.Context, tenant mspkit.TenantID, id string, limit int) ([]Event, error)
	// Unhandled returns events that a consumer has not handled, of any tenants: the first of each tenant, then the second of
	// each, and so on, so that one tenant does not keep the others waiting.
	Unhandled(ctx context.Context, consumer string, limit int) ([]Event, error)
	// Handled notes that a consumer has handled a tenant's events up to seq. It never goes back; a seq that no event has is
	// [mspkit.ErrInvalid].
	Handled(ctx context.Context, consumer string, tenant mspkit.TenantID, seq int64) error

	// Conflicts lists what nobody has decided, ordered by e-mail address. It is found in the data: one whose reason is gone
	// is not listed any more.
	Conflicts(ctx context.Context, tenant mspkit.TenantID) ([]Conflict, error)
	// Link makes two contacts one, which keeps the first ID; by is who says so. Addresses that the first did not have are new.
	// Two contacts that the same source has cannot be one: [ErrConflict].
	Link(ctx context.Context, tenant mspkit.TenantID, keep, other, by string, now time.Time) error
	// Separate makes the record of a source a contact of its own again, which is never linked by e-mail address, and
	// returns its ID.
	Separate(ctx context.Context, tenant mspkit.TenantID, source, sourceID, by string, now time.Time) (string, error)

	// Wrote notes that numbers were written back to a source by a person: it is in the history, and the numbers are there
	// and count as typed by that person now. One that was removed is there until the source tells.
	Wrote(ctx context.Context, w PhoneWrite, now time.Time) error

	// Photo returns the picture of a contact, [ErrNotFound] where there is none.
	Photo(ctx context.Context, tenant mspkit.TenantID, id string) (Photo, error)
	// SetPhotos stores what a source says of pictures, by the ID of the contact, each with CheckedAt, all or nothing. A zero
	// Data with the same Version keeps a picture; with another Version, or none, it removes it. Contacts that are not there
	// any more are passed over. What is larger than [MaxPhoto], or not of its Type, is [mspkit.ErrInvalid].
	SetPhotos(ctx context.Context, tenant mspkit.TenantID, photos map[string]Photo) error
	// PhotosDue returns people of a source, of those who are there, whose picture was not looked at since before: who was
	// looked at the longest time ago comes first.
	PhotosDue(ctx context.Context, tenant mspkit.TenantID, source string, before time.Time, limit int) ([]PhotoDue, error)
}

// MaxPhoto is the largest picture, in bytes.
const MaxPhoto = 1 << 20

// Photo is the picture of a person.
type Photo struct {
	// Type is image/jpeg, image/png or image/gif.
	Type string
	Data []byte
	// Version is the source's: two equal ones are the same picture.
	Version string
	// CheckedAt is when the source was asked.
	CheckedAt time.Time
}

// PhotoDue is somebody whose picture is to be looked at.
type PhotoDue struct {
	// ID is the contact's in the directory, SourceID its id in the source, Version that of the picture there is.
	ID, SourceID, Version string
}

// PhotoSource has pictures of the people of a [ContactSource].
type PhotoSource interface {
	// FetchPhotos returns a picture for each of list, in its order: one without Data where the version is still the same,
	// and the zero Photo where there is none.
	FetchPhotos(ctx context.Context, tenant mspkit.TenantID, list []PhotoDue) ([]Photo, error)
}

// PhoneWrite are numbers to be written to a source.
type PhoneWrite struct {
	Tenant mspkit.TenantID
	// ID is the contact's in the directory, Source and SourceID the record that is written to.
	ID, Source, SourceID string
	// Mobile and Business are in E.164 form; nil leaves a number as it is, empty removes it.
	Mobile, Business *string
	// By is the technician, Reason what they give as a reason; both are required and in the history.
	By, Reason string
}

// ContactWriter writes numbers back to a source.
type ContactWriter interface {
	// WritePhones changes the numbers of one person at the source.
	WritePhones(ctx context.Context, w PhoneWrite) error
}
