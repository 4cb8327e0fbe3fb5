package verify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/token"
)

// Noticer is implemented by a [Channel] that can also tell a contact what was done in their name. A notice holds no code
// and asks for nothing; only that of kind [NoticeLink] has a link. An error means that it was not sent, or that this is
// not known.
type Noticer interface {
	Notice(ctx context.Context, n Notice) error
}

// NoticeKind says what a notice tells.
type NoticeKind string

// The kinds of notice.
const (
	// NoticeLink carries a link to a page on which the contact does what [Notice.Purpose] says, with a number that the
	// technician tells them. It goes to the address by which they were verified, and nowhere else.
	NoticeLink NoticeKind = "link"
	// NoticeEnrolled and NoticeRemoved tell that an authenticator app was set up or removed.
	NoticeEnrolled NoticeKind = "enrolled"
	NoticeRemoved  NoticeKind = "removed"
	// NoticeRecoveryRenewed and NoticeRecoveryUsed tell that there are new recovery codes, or that one was used.
	NoticeRecoveryRenewed NoticeKind = "recovery-renewed"
	NoticeRecoveryUsed    NoticeKind = "recovery-used"
)

// event returns the event that is stored with a notice; "" for a kind that tells of none.
func (k NoticeKind) event() EventKind {
	return map[NoticeKind]EventKind{
		NoticeEnrolled: EventFactorAdded, NoticeRemoved: EventFactorRemoved,
		NoticeRecoveryRenewed: EventRecoveryRenewed, NoticeRecoveryUsed: EventRecoveryUsed,
	}[k]
}

// Notice is one message that tells. Names in it are cleaned as in [Delivery].
type Notice struct {
	Tenant mspkit.TenantID
	Kind   NoticeKind
	// Key is unique for this message. It is opaque and safe in a URL; nothing is reported under it.
	Key string
	// To is the canonical address.
	To         string
	Brand      mspkit.Brand
	Locale     string
	Name       string // of the contact
	Company    string
	Technician string
	Ticket     mspkit.Ticket
	// At is when it happened.
	At time.Time
	// Left is how many recovery codes are left, for [NoticeRecoveryUsed].
	Left int
	// Purpose is the action in words, Link where it is done, and TTL how long the link is good for: for [NoticeLink].
	Purpose string
	Link    mspkit.Redacted[string]
	TTL     time.Duration
}

// Validate reports whether u can be used.
func (u Subject) Validate() error { return wrap("subject", u.validate()) }

// Change tells of a change to what a contact verifies with.
type Change struct {
	Tenant mspkit.TenantID
	// Subject is whom it concerns; every destination of theirs is told.
	Subject Subject
	// Kind is what happened: any but [NoticeLink].
	Kind NoticeKind
	// By is who did it: a technician's id, or [ByCaller]. Technician names them, or the one on whose word the contact did it.
	By         string
	Technician Technician
	Ticket     mspkit.Ticket
	// Reason is stored with the event.
	Reason string
	// Left is as in [Notice].
	Left int
}

// Tell stores the event of a change and tells the contact by every destination whose channel is a [Noticer], all at once.
// A notice that does not arrive undoes nothing: it becomes an [EventNoticeFailed], is logged, and is returned as
// [ErrDelivery]. Tell goes on where ctx ends, because the change is done.
func (s *Service) Tell(ctx context.Context, c Change) error { return wrap("tell", s.tell(ctx, c)) }

func (s *Service) tell(ctx context.Context, c Change) error {
	ctx = context.WithoutCancel(ctx)
	if c.Kind.event() == "" {
		return fmt.Errorf("a change of kind %q is not known: %w", c.Kind, ErrInvalid)
	}
	if err := invalid(c.Tenant.Validate(), c.Subject.validate(), validID("by", c.By)); err != nil {
		return err
	}
	now := s.o.Now()
	// First of all, for it has happened whether or not anybody can be told.
	errs := []error{s.note(ctx, c.Tenant, c.Subject.ID, stamp(c.Kind.event(), c.By, cleantext.Line(c.Reason, 200)), now)}
	set, err := s.tenantSettings(ctx, c.Tenant)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	n := Notice{
		Tenant: c.Tenant, Kind: c.Kind, Brand: set.Brand, Locale: or(c.Subject.Locale, set.Locale),
		Name: cleantext.Name(c.Subject.Name, cleantext.MaxName), Company: cleantext.Name(c.Subject.Company, cleantext.MaxName),
		Technician: cleantext.Name(c.Technician.Name, cleantext.MaxName), Ticket: cleanTicket(c.Ticket), At: now, Left: c.Left,
	}
	for _, f := range s.notify(ctx, n, c.Subject.Destinations) {
		s.log.LogAttrs(ctx, slog.LevelWarn, "verify: a contact could not be told of a change to what they verify with",
			slog.String("tenant", string(c.Tenant)), slog.String("change", string(c.Kind)), slog.String("reason", f))
		errs = append(errs,
			s.note(ctx, c.Tenant, c.Subject.ID, stamp(EventNoticeFailed, BySystem, cleantext.Line(string(c.Kind)+": "+f, 200)), now),
			fmt.Errorf("%s: %w", f, ErrDelivery))
	}
	return errors.Join(errs...)
}

// notify sends n to every destination that takes notices and returns in words why one was not told.
func (s *Service) notify(ctx context.Context, n Notice, to []Destination) (failed []string) {
	type target struct{ channel, address string }
	var targets []target
	var by []Noticer
	for _, d := range to {
		ch := s.o.Channels[d.Channel]
		noticer, ok := ch.(Noticer)
		if !ok {
			continue
		}
		address, err := canonical(ch, d.Address)
		if err != nil {
			failed = append(failed, d.Channel+": the address cannot be used")
			continue
		}
		if t := (target{d.Channel, address}); !slices.Contains(targets, t) {
			targets, by = append(targets, t), append(by, noticer)
		}
	}
	if len(targets) == 0 {
		return append(failed, "no address on record takes notices")
	}
	reasons := make([]string, len(targets))
	var wg sync.WaitGroup
	for i, t := range targets {
		wg.Go(func() {
			m := n
			m.To, m.Key = t.address, token.Random()
			if err := s.send(ctx, by[i], m); err != nil {
				reasons[i] = t.channel + ": " + deliveryReason(err)
			}
		})
	}
	wg.Wait()
	return append(failed, slices.DeleteFunc(reasons, func(r string) bool { return r == "" })...)
}

func (s *Service) send(ctx context.Context, ch Noticer, n Notice) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.DeliverTimeout)
	defer cancel()
	return ch.Notice(ctx, n)
}

// Note stores an event of what happens around a factor, for a package that keeps one: [EventFactorLink] or
// [EventFactorFailed]. Other kinds are [ErrInvalid]; they come with what they tell of. The reason holds no secret.
func (s *Service) Note(ctx context.Context, tenant mspkit.TenantID, subject string, kind EventKind, by, reason string) error {
	if kind != EventFactorLink && kind != EventFactorFailed {
		return wrap("note", fmt.Errorf("an event of kind %q cannot be noted: %w", kind, ErrInvalid))
	}
	if err := invalid(tenant.Validate(), validID("subject id", subject), validID("by", by)); err != nil {
		return wrap("note", err)
	}
	return wrap("note", s.note(ctx, tenant, subject, stamp(kind, by, cleantext.Line(reason, 200)), s.o.Now()))
}

func (s *Service) note(ctx context.Context, tenant mspkit.TenantID, subject string, st Stamp, now time.Time) error {
	defer s.nudge()
	return s.store.ChangeSubject(ctx, tenant, subject, SubjectChange{Stamp: st}, now)
}

// Reply writes to the address by which a proof was made, which it does not tell.
type Reply struct {
	s  *Service
	ch Noticer
	n  Notice
}

// Locale returns the contact's language.
func (r *Reply) Locale() string { return r.n.Locale }

// Name returns the contact's name as the verification showed it.
func (r *Reply) Name() string { return r.n.Name }

// Technician returns the name of the technician who verified.
func (r *Reply) Technician() string { return r.n.Technician }

// Purpose returns the action in words.
func (r *Reply) Purpose() string { return r.n.Purpose }

// SendLink sends a [NoticeLink]. Where it does not arrive, or may not have, it is an [ErrDelivery].
func (r *Reply) SendLink(ctx context.Context, link mspkit.Redacted[string], ttl time.Duration) error {
	n := r.n
	n.Kind, n.Key, n.Link, n.TTL, n.At = NoticeLink, token.Random(), link, ttl, r.s.o.Now()
	if err := r.s.send(ctx, r.ch, n); err != nil {
		return wrap("send link", &undelivered{reason: deliveryReason(err), err: err})
	}
	return nil
}

// RedeemReply is [Service.Redeem] for an action that goes on with a link: it returns a [Reply] to the address by which the
// contact was verified. Where that address cannot be written to ([ErrNoChannel]), nothing is redeemed.
func (s *Service) RedeemReply(ctx context.Context, p Proof, e Expect, by string) (*Reply, error) {
	began := s.m.began()
	r, err := s.redeemReply(ctx, p, e, by)
	s.m.redeemed(ctx, began, err)
	return r, wrap("redeem", err)
}

func (s *Service) redeemReply(ctx context.Context, p Proof, e Expect, by string) (*Reply, error) {
	set, err := s.tenantSettings(ctx, e.Tenant)
	if err != nil {
		return nil, err
	}
	id, err := s.secrets.checkProof(p, e)
	if err != nil {
		return nil, err
	}
	r, _, err := s.store.Get(ctx, Ref{e.Tenant, id})
	if err != nil {
		return nil, err
	}
	ch, ok := s.o.Channels[r.Channel].(Noticer)
	if !ok {
		return nil, fmt.Errorf("channel %q, by which the contact was verified, takes no links: %w", r.Channel, ErrNoChannel)
	}
	d, err := s.secrets.open(r)
	if err != nil {
		return nil, err
	}
	if err := s.redeem(ctx, p, e, by); err != nil {
		return nil, err
	}
	return &Reply{s: s, ch: ch, n: Notice{
		Tenant: e.Tenant, To: d.Address, Brand: set.Brand, Locale: d.Locale, Name: d.Name, Company: d.Company,
		Technician: d.Technician, Ticket: cleanTicket(r.Ticket), Purpose: d.Purpose,
	}}, nil
}

// atLeast refuses the proof of a challenge that reached less than least.
func (s *Service) atLeast(ctx context.Context, ref Ref, least Assurance) error {
	if least <= AssuranceNone {
		return nil
	}
	r, _, err := s.store.Get(ctx, ref)
	if err != nil {
		return err
	}
	if r.Assurance < least {
		return fmt.Errorf("it was made by %s, %s or better is needed: %w", r.Assurance, least, ErrProof)
	}
	return nil
}

// tellRecovery tells a contact that a recovery code was used for r. That it does not arrive takes nothing back.
func (s *Service) tellRecovery(ctx context.Context, r Record, d details, v Verdict, by string) {
	err := s.tell(ctx, Change{
		Tenant: r.Tenant, Kind: NoticeRecoveryUsed, By: by, Ticket: r.Ticket, Left: v.Left, Technician: Technician{ID: r.Technician, Name: d.Technician},
		Subject: Subject{ID: r.Subject, Name: d.Name, Company: d.Company, Locale: d.Locale, Destinations: d.Reach},
		Reason:  fmt.Sprintf("%s, %d are left", r.Channel, v.Left),
	})
	if err != nil && !errors.Is(err, ErrDelivery) { // that one is logged
		s.log.LogAttrs(ctx, slog.LevelWarn, "verify: the use of a recovery code could not be noted", slog.String("challenge", r.ID), slog.Any("error", err))
	}
}
