package changefeed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
)

// State says how it stands with a subscription.
type State string

// The states.
const (
	// Wanted subscriptions are to be made.
	Wanted State = "wanted"
	// Asked ones were asked for, and it is not known yet what became of that.
	Asked State = "asked"
	// Active ones deliver.
	Active State = "active"
	// Denied ones are refused until an administrator consents, or a policy is changed.
	Denied State = "denied"
	// Full ones are refused because a quota of Microsoft's is used up.
	Full State = "quota-used-up"
	// Unreachable ones are refused because Graph got no proper answer from the URL of the app.
	Unreachable State = "url-not-reached"
	// Taken ones are refused because another subscription for the same app and resource exists that is not of this URL.
	Taken State = "taken"
	// Failing ones could not be made or renewed and are tried again soon.
	Failing State = "failing"
	// Leaving ones are not wanted any more and are being deleted.
	Leaving State = "leaving"
)

// ErrHeld means that another holder has the lease of a subscription.
var ErrHeld = errors.New("changefeed: another instance has the subscription in hand")

// Ref names a subscription in a [Store].
type Ref struct {
	Tenant mspkit.TenantID
	// Key is [Resource.Key].
	Key string
}

// Subscription is one resource of one tenant that is followed: there is one record for each, whatever becomes of the
// subscriptions of Graph for it.
type Subscription struct {
	Ref
	// EntraTenant is the id of the customer's Entra tenant, in lower case.
	EntraTenant string
	// Resource is [Resource.String].
	Resource string
	// Wanted is false for one that is to be deleted.
	Wanted bool

	State State
	// Fault says in words why it is not Active, with what to do. It holds nothing secret and no personal data.
	Fault string
	// Tries counts what failed in a row.
	Tries int
	// Due is when somebody has to look after it.
	Due time.Time

	// ID is that of the subscription of Graph; empty where there is none that is known.
	ID string
	// Tag names this try to subscribe, 26 characters. It is the first part of the clientState,
	// stands in the notification URL, and is stored before Graph is asked.
	Tag string
	// Secret is the clientState, sealed by the feed.
	Secret []byte
	// URL is the notification URL, without the tag, that Graph knows; Changes are the types of changes.
	URL, Changes string
	// Certificate is the id of the certificate that Graph has, NextCertificate of the one that it is being given; empty is none.
	Certificate, NextCertificate string
	// MadeAt, ExpiresAt and ConfirmedAt are when it was made, ends, and was seen at Graph last.
	MadeAt, ExpiresAt, ConfirmedAt time.Time
	// NotifiedAt is about when the last notification came. [Store.Save] leaves it as it is; see [Store.Notified].
	NotifiedAt time.Time

	// GapFrom and GapTo are the time of which notifications may be missing and that is being read; zero is none.
	GapFrom, GapTo time.Time
	// Cursor, sealed, is where reading it goes on, or where changes of users go on. It may be nil.
	Cursor []byte

	// Marks, MarkFrom and MarkSeq are what [Store.Mark] noted. Save takes the marks away where MarkSeq is the stored one.
	Marks    Mark
	MarkFrom time.Time
	MarkSeq  int64

	// Holder and LeaseUntil say who has it in hand. Save with an empty Holder gives it up.
	Holder     string
	LeaseUntil time.Time
	// Version counts what was saved.
	Version int64
}

// Mark is what a lifecycle notification, or an outage, asks for. Marks add up.
type Mark int

// The marks.
const (
	// Reauthorize asks for a renewal now.
	Reauthorize Mark = 1 << iota
	// Removed says that the subscription is gone.
	Removed
	// Missed says that notifications may be missing since MarkFrom, or since it was known to deliver where that is zero.
	Missed
	// Doubt says that Graph has a subscription of this app that nobody here knows: look at the list.
	Doubt
)

// Followed is a resource that is wanted.
type Followed struct {
	Key, Resource string
}

// Store keeps subscriptions, certificates and what was accepted. Each method is one atomic step, safe for concurrent use by
// any number of instances; a store asks no clock of its own and keeps times to the microsecond. [NewMemory] and package
// sqlstore have one; package changefeedtest checks others.
type Store interface {
	// Follow makes the records of a tenant those that are wanted, in one step: new ones are Wanted and due at now, those not
	// named lose Wanted, become Leaving and are due at now, and those named again are as they were, or Wanted and due again
	// where they were Leaving. Where entraTenant is another one than in a record that is wanted, that record begins anew: Graph's
	// subscription is in another tenant. [NewSubscription] and [Subscription.Want] say it exactly. It returns whether anything
	// changed. It does not look at leases; it counts Version up where it changed a record.
	Follow(ctx context.Context, tenant mspkit.TenantID, entraTenant string, want []Followed, now time.Time) (changed bool, err error)
	// Subscriptions returns the records of a tenant in ascending order of Key.
	Subscriptions(ctx context.Context, tenant mspkit.TenantID) ([]Subscription, error)
	// ByTag returns the record whose Tag is the one given; [ErrNotFound] where there is none.
	ByTag(ctx context.Context, tag string) (Subscription, error)
	// Due returns records that are due at now and that nobody holds, those due longest first, at most limit.
	Due(ctx context.Context, now time.Time, limit int) ([]Ref, error)
	// Lease takes a record for holder until the time given, or for longer where holder has it already, and returns it with
	// Version counted up. One that another holder has until later than now is [ErrHeld]; none is [ErrNotFound].
	Lease(ctx context.Context, r Ref, holder string, now, until time.Time) (Subscription, error)
	// Save stores s where the stored Version is s.Version, and counts that up; [ErrChanged] otherwise, also where the record
	// is gone. It leaves Ref, EntraTenant, Resource, Wanted and NotifiedAt as they are. Where s.MarkSeq is the stored one, Marks and MarkFrom become what s has;
	// otherwise the stored ones stay and Due becomes the earlier of s.Due and the stored one. It returns the record as it is now.
	Save(ctx context.Context, s Subscription) (Subscription, error)
	// Delete forgets a record where the stored Version is s.Version and it is not Wanted; [ErrChanged] otherwise.
	Delete(ctx context.Context, s Subscription) error
	// Mark adds marks to a record, makes MarkFrom the earlier of the stored and the given one (zero is none), counts MarkSeq
	// up and makes it due at now. Version stays, so that whoever holds it can still save. A record that is not there is no error.
	Mark(ctx context.Context, r Ref, m Mark, from, now time.Time) error
	// Notified raises NotifiedAt of records. It need not be called for each notification.
	Notified(ctx context.Context, refs []Ref, at time.Time) error
	// Beat notes that an instance runs at now. Where the beat before is older than outage, it marks every record as Missed
	// since that beat, as Mark does, in the same step. It returns the beat before, zero at the first time; a now that is not
	// later than that changes nothing.
	Beat(ctx context.Context, now time.Time, outage time.Duration) (before time.Time, err error)

	// Home notes url as the notification URL of the feed: whichever was noted last counts. Where another one counted before,
	// it marks every record as Missed, as Mark does with no time, in the same step: also one that has the URL, because who holds it
	// may be about to store another one. An empty url notes and marks nothing. It returns the URL that counts, empty where none was ever noted.
	Home(ctx context.Context, url string, now time.Time) (home string, err error)

	// Backlog is where notifications wait.
	Backlog() backlog.Store

	// Certificates returns all certificates, the newest (by CreatedAt, then ID) first.
	Certificates(ctx context.Context) ([]Certificate, error)
	// AddCertificate stores c if the newest one is that named after, "" where there is none; otherwise it is [ErrChanged]:
	// of two instances one makes the next.
	AddCertificate(ctx context.Context, c Certificate, after string) error
	// CertificatesInUse returns the ids of the certificates that subscriptions have, also those that are being created.
	CertificatesInUse(ctx context.Context) ([]string, error)
	// CertificateUsed notes that the certificates named were in use at the time; an earlier time than the one there, and ids
	// that are not there, change nothing.
	CertificateUsed(ctx context.Context, ids []string, at time.Time) error
	// DropCertificate deletes one, if no subscription has it ([ErrChanged]). One that is not there is no error.
	DropCertificate(ctx context.Context, id string) error
	// RewrapCertificate replaces the sealed key of one where it is still old.
	RewrapCertificate(ctx context.Context, id string, old, sealed []byte) error

	// Seen tells whether the event was marked, and that is not over at now.
	Seen(ctx context.Context, tenant mspkit.TenantID, event string, now time.Time) (bool, error)
	// MarkSeen marks an event as handed over until then. It is called after the sink returned, so a crash between repeats the
	// event with the same id.
	MarkSeen(ctx context.Context, tenant mspkit.TenantID, event string, until time.Time) error
	// ExpireSeen deletes marks that are over, up to limit, and returns how many.
	ExpireSeen(ctx context.Context, now time.Time, limit int) (int, error)
}

// ValidateFollowed reports what is wrong with the arguments of a [Store.Follow], as [mspkit.ErrInvalid]. It is for those who
// write a store.
func ValidateFollowed(tenant mspkit.TenantID, entraTenant string, want []Followed) error {
	errs := []error{tenant.Validate()}
	if entraTenant == "" {
		errs = append(errs, fmt.Errorf("changefeed: the id of the Entra tenant is empty: %w", mspkit.ErrInvalid))
	}
	seen := map[string]bool{}
	for _, w := range want {
		if w.Key == "" || len(w.Key) > maxKey || w.Resource == "" || seen[w.Key] {
			errs = append(errs, fmt.Errorf("changefeed: a resource has no key of 1 to %d bytes of its own: %w", maxKey, mspkit.ErrInvalid))
		}
		seen[w.Key] = true
	}
	return errors.Join(errs...)
}

// NewSubscription returns the record of a resource that is followed for the first time. It is for those who write a store.
func NewSubscription(tenant mspkit.TenantID, entraTenant string, f Followed, now time.Time) Subscription {
	return Subscription{
		Ref: Ref{tenant, f.Key}, EntraTenant: entraTenant, Resource: f.Resource, Wanted: true, State: Wanted, Due: stored(now), Version: 1,
	}
}

// Want does to a record that is there what [Store.Follow] says, and reports whether that changed it. It is for those who write
// a store.
func (s *Subscription) Want(entraTenant string, want bool, now time.Time) (changed bool) {
	switch {
	case want && s.EntraTenant != entraTenant:
		*s = Subscription{
			Ref: s.Ref, EntraTenant: entraTenant, Resource: s.Resource, Wanted: true, State: Wanted, MarkSeq: s.MarkSeq + 1,
			Holder: s.Holder, LeaseUntil: s.LeaseUntil, Version: s.Version,
		}
	case want && !s.Wanted:
		s.Wanted, s.State, s.Fault, s.Tries = true, Wanted, "", 0
	case !want && s.Wanted:
		s.Wanted, s.State, s.Fault, s.Tries = false, Leaving, "", 0
	default:
		return false
	}
	s.Due, s.Version = stored(now), s.Version+1
	return true
}

// stored returns t as it is kept: to the microsecond, in UTC.
func stored(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMicro(t.UnixMicro()).UTC()
}
