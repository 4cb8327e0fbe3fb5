package verify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/token"
)

// Start checks the policy, counts the limits, stores the challenge and delivers the message. Where the delivery fails
// and the request names no channel, the next way that the policy allows and the subject has is taken, with a challenge
// of its own; [Challenge.Failover] and the events say why. Where the last delivery fails, Start returns the challenge
// together with an [ErrDelivery]: it stands and can be renewed.
//
// Errors are [ErrInvalid], [ErrNoChannel], [*PolicyError], [*LimitError], [ErrFrozen], [ErrLocked],
// [ErrConflict] (an idempotency key used for something else), [ErrDelivery], or a failure of the store.
func (s *Service) Start(ctx context.Context, r StartRequest) (Challenge, error) {
	began := s.m.began()
	c, err := s.start(ctx, r)
	s.m.ended(ctx, "start", began, err)
	return c, wrap("start", err)
}

func (s *Service) start(ctx context.Context, r StartRequest) (Challenge, error) {
	set, err := s.tenantSettings(ctx, r.Tenant)
	if err != nil {
		return Challenge{}, err
	}
	if err := r.validate(); err != nil {
		return Challenge{}, err
	}
	rule, err := set.Policy.rule(r.Action)
	if err != nil {
		return Challenge{}, err
	}
	now := s.o.Now()
	ways, err := s.choose(set, rule, r, now)
	if err != nil {
		return Challenge{}, err
	}
	second, err := set.Approval.needed(ctx, r.Subject.ID, r.Action, rule)
	if err != nil {
		return Challenge{}, err
	}
	locale := or(r.Subject.Locale, set.Locale)
	return s.walk(ctx, ways, beginning{
		tenant: r.Tenant, set: set, rule: rule, now: now, channel: r.Channel,
		record: Record{
			Kind: KindCaller, Subject: r.Subject.ID, Action: r.Action, Technician: r.Technician.ID, Ticket: r.Ticket,
			NeedsApproval: second != "",
		},
		details: details{
			Name: r.Subject.Name, Company: r.Subject.Company, Technician: r.Technician.Name,
			Purpose: rule.words(locale), Locale: locale,
		},
		by: r.Technician.ID, key: r.IdempotencyKey, limits: s.limits, reach: r.Subject.Destinations,
	})
}

// StartTechnician sends the contact a link to a page, or a card, on which they verify the technician: it shows who is
// calling and asks for the words that the technician says. Failover and errors are those of [Service.Start].
func (s *Service) StartTechnician(ctx context.Context, r TechnicianRequest) (Challenge, error) {
	limits := s.limits
	if r.By == ByCaller {
		limits = s.publicLimits
	}
	began := s.m.began()
	c, err := s.startTechnician(ctx, r, limits)
	s.m.ended(ctx, "start-technician", began, err)
	return c, wrap("start technician verification", err)
}

func (s *Service) startTechnician(ctx context.Context, r TechnicianRequest, limits limitsFunc) (Challenge, error) {
	set, err := s.tenantSettings(ctx, r.Tenant)
	if err != nil {
		return Challenge{}, err
	}
	if err := r.Subject.validate(); err != nil {
		return Challenge{}, err
	}
	if r.By == "" {
		return Challenge{}, fmt.Errorf("who asks for the verification must be named (By): %w", ErrInvalid)
	}
	call := r.Call
	if call == nil {
		call = &Call{}
	} else if err := invalid(validID("technician id", call.Technician.ID), call.Technician.named(), call.Ticket.Validate()); err != nil {
		return Challenge{}, err
	}
	now := s.o.Now()
	ways, err := s.destinations(set, r, now)
	if err != nil {
		return Challenge{}, err
	}
	return s.walk(ctx, ways, beginning{
		tenant: r.Tenant, set: set, now: now, channel: r.Channel,
		record: Record{Kind: KindTechnician, Subject: r.Subject.ID, Technician: call.Technician.ID, Ticket: call.Ticket},
		details: details{
			Name: r.Subject.Name, Company: r.Subject.Company, Technician: call.Technician.Name,
			Locale: or(r.Subject.Locale, set.Locale), InCall: r.Call != nil, CallBegan: call.Began, CallBy: call.By,
		},
		by: r.By, key: r.IdempotencyKey, limits: limits,
	})
}

// Ask begins what [Service.StartTechnician] begins, for a contact who asks in their own chat. [Options.Lookup] finds
// them by channel address and the call they are in; where they are in none, the message says so. The message goes to
// the asking address only. An address that is not on record, or was typed by hand, is [ErrNotFound] or [ErrNoChannel];
// other errors are those of [Service.Start].
func (s *Service) Ask(ctx context.Context, r AskRequest) (Challenge, error) {
	began := s.m.began()
	c, err := s.ask(ctx, r)
	s.m.ended(ctx, "ask", began, err)
	return c, wrap("ask", err)
}

func (s *Service) ask(ctx context.Context, r AskRequest) (Challenge, error) {
	ch := s.o.Channels[r.Channel]
	if a, ok := ch.(Authenticator); !ok || !a.Authenticates() {
		return Challenge{}, fmt.Errorf("channel %q does not tell who asks: %w", r.Channel, ErrNoChannel)
	}
	if s.o.Lookup == nil {
		return Challenge{}, fmt.Errorf("asking in a chat needs Options.Lookup: %w", ErrInvalid)
	}
	from, err := canonical(ch, r.From)
	if err != nil {
		return Challenge{}, invalid(err)
	}
	lctx, cancel := context.WithTimeout(ctx, s.o.DeliverTimeout)
	found, err := s.o.Lookup(lctx, r.Tenant, from)
	cancel()
	if err != nil {
		return Challenge{}, fmt.Errorf("look up the contact: %w", err)
	}
	if found == nil {
		return Challenge{}, fmt.Errorf("nobody with this address is on record: %w", ErrNotFound)
	}
	t := TechnicianRequest{
		Tenant: r.Tenant, Subject: found.Subject, Channel: r.Channel, Call: found.Call, By: ByCaller,
		IdempotencyKey: r.IdempotencyKey,
	}
	t.Subject.Destinations = nil
	for _, d := range found.Subject.Destinations {
		if a, err := canonical(ch, d.Address); err == nil && d.Channel == r.Channel && a == from {
			t.Subject.Destinations = append(t.Subject.Destinations, d)
		}
	}
	return s.startTechnician(ctx, t, s.askLimits)
}

func (r StartRequest) validate() error {
	errs := []error{r.Subject.validate(), validID("technician id", r.Technician.ID), r.Technician.named(), r.Ticket.Validate()}
	if r.Method != "" && r.Method != MethodNumber && r.Method != MethodCode && r.Method != MethodTOTP {
		errs = append(errs, fmt.Errorf("method %q cannot be asked for, use number, totp or code", r.Method))
	}
	if len(r.IdempotencyKey) > 256 {
		errs = append(errs, errors.New("the idempotency key has more than 256 bytes"))
	}
	return invalid(errs...)
}

// named reports a technician of whom nothing would be shown.
func (t Technician) named() error {
	if cleantext.Name(t.Name, cleantext.MaxName) == "" {
		return errors.New("the technician needs a name that can be read, the contact is shown who asks")
	}
	return nil
}

func (u Subject) validate() error {
	errs := []error{validID("subject id", u.ID)}
	if len(u.Destinations) > 32 {
		errs = append(errs, errors.New("the subject has more than 32 destinations"))
	}
	if len(u.Name) > 1024 || len(u.Company) > 1024 || len(u.Locale) > 35 {
		errs = append(errs, errors.New("name, company or locale of the subject is too long"))
	}
	return invalid(errs...)
}

func validID(what, id string) error {
	if err := mspkit.TenantID(id).Validate(); err != nil {
		return fmt.Errorf("%s: %s", what, strings.TrimPrefix(err.Error(), "mspkit: tenant id "))
	}
	return nil
}

func invalid(errs ...error) error {
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

// destinations returns where the link for verifying a technician goes: never to an address that somebody typed, to a
// fresh one only where there is no other and the tenant does not refuse it, and, where anybody on the internet may
// have asked, not over a channel that costs money.
func (s *Service) destinations(set Settings, r TechnicianRequest, now time.Time) ([]verdict, error) {
	var faults []error
	var ways []verdict
	var known, fresh []Destination
	for _, d := range r.Subject.Destinations {
		ch := s.o.Channels[d.Channel]
		if _, costly := ch.(Budgeter); ch == nil || !s.answeredBy(d.Channel, MethodWord) || (r.Channel != "" && r.Channel != d.Channel) || d.TypedBy != "" || costly && r.By == ByCaller {
			continue
		}
		switch {
		case set.Freshness.fresh(d, now) == "":
			known = append(known, d)
		case !set.Freshness.Refuse:
			fresh = append(fresh, d)
		}
	}
	for _, d := range append(known, fresh...) {
		ch := s.o.Channels[d.Channel]
		address, err := canonical(ch, d.Address)
		if err != nil {
			faults = append(faults, fmt.Errorf("the %s address: %w", d.Channel, err))
			continue
		}
		ways = append(ways, verdict{pick: pick{way: Way{d.Channel, MethodWord}, channel: ch, address: address}})
	}
	switch {
	case len(ways) > 0:
		return ways, nil
	case len(faults) > 0:
		return nil, invalid(faults...)
	}
	return nil, fmt.Errorf("the subject has no address on record for a registered channel: %w", ErrNoChannel)
}

func canonical(ch Channel, address string) (string, error) {
	if address = strings.TrimSpace(address); address == "" || len(address) > 320 {
		return "", errors.New("is empty or longer than 320 bytes")
	}
	if c, ok := ch.(Canonicalizer); ok {
		return c.Canonical(address)
	}
	return strings.ToLower(address), nil
}

// beginning is everything that Begin and the first delivery need.
type beginning struct {
	tenant  mspkit.TenantID
	set     Settings
	rule    Rule // zero where a technician is verified
	pick    pick
	record  Record
	details details
	now     time.Time
	by, key string
	limits  limitsFunc
	channel string   // that the request names: there is no failover then
	ways    []string // every channel and address that may be used, of which pick is one
	reach   []Destination
}

// limitsFunc returns the counters of one message.
type limitsFunc func(set Settings, p pick, tenant mspkit.TenantID, subject string) []Limit

// begin stores a challenge for b.pick and delivers it. failed says why the message certainly or perhaps did not arrive.
func (s *Service) begin(ctx context.Context, b beginning) (_ Challenge, failed string, _ error) {
	secret := token.NewSecret()
	r, d := &b.record, &b.details
	r.Ref = Ref{Tenant: b.tenant, ID: token.ID(secret)}
	r.Method, r.Channel, r.Assurance = b.pick.way.Method, b.pick.way.Channel, b.pick.assurance
	d.Link, d.Address, d.Fresh = secret[:], b.pick.address, b.pick.doubt != ""
	if a, ok := b.pick.channel.(Authenticator); ok && a.Authenticates() {
		r.Answerer = s.secrets.answerer(r.Ref, d.Address)
	}
	d.Since, d.Reach = time.Time{}, nil
	sends := r.Method != MethodTOTP
	if !sends {
		d.Since, d.Reach = b.pick.since, b.reach
	}
	d.Name = cleantext.Name(d.Name, cleantext.MaxName)
	d.Company = cleantext.Name(d.Company, cleantext.MaxName)
	d.Technician = cleantext.Name(d.Technician, cleantext.MaxName)
	r.State, r.Sends, r.Messages, r.LockAfter = StatePending, 1, 1, b.set.Limits.LockAfter
	r.CreatedAt, r.ExpiresAt = b.now, b.now.Add(b.set.Limits.TTL)
	code, err := s.newAnswer(r, d, b.set)
	if err != nil {
		return Challenge{}, "", err
	}
	n := NewChallenge{Record: *r, Stamp: stamp(EventStarted, b.by, b.set.sandboxed(d.Failover))}
	if b.key != "" {
		n.Idempotency = s.secrets.hash("idempotency", string(r.Tenant), string(r.Kind), b.key)
		n.Fingerprint = s.secrets.hash(append([]string{
			"fingerprint", r.Subject, string(r.Action), r.Technician, r.Ticket.System, r.Ticket.ID, r.Channel, string(r.Method), d.Address,
		}, b.ways...)...)
	}
	stored, existing, err := s.store.Begin(ctx, n, b.limits(b.set, b.pick, r.Tenant, r.Subject), b.now)
	if err != nil {
		return Challenge{}, "", err
	}
	if existing {
		return s.again(ctx, b, stored)
	}
	s.nudge()
	if sends {
		stored, err = s.deliver(ctx, b.set, b.pick.channel, stored, *d, code, Receipt{})
	}
	if errors.Is(err, ErrDelivery) {
		failed = deliveryReason(err)
	}
	c, cerr := s.challenge(stored, SubjectState{}, b.now, true)
	return c, failed, errors.Join(err, cerr)
}

// again answers a repeated Start. The first one is still at work, has finished, or died before or after it tried to
// deliver.
func (s *Service) again(ctx context.Context, b beginning, r Record) (_ Challenge, failed string, _ error) {
	died := r.Method != MethodTOTP && r.State == StatePending && r.Delivery == DeliveryPending && b.now.Sub(r.CreatedAt) > 2*s.o.DeliverTimeout
	if died {
		c, err := s.renew(ctx, RenewRequest{Ref: r.Ref, Technician: r.Technician, Send: true}, b.now)
		if errors.Is(err, ErrDelivery) {
			failed = deliveryReason(err)
		}
		return c, failed, err
	}
	// No channel took this message. That it was given up for another way is found again under that one's key.
	if r.Delivery == DeliveryFailed && r.ReceiptID == "" && (r.State == StatePending || r.State == StateCancelled) {
		failed = "the message was not delivered"
	}
	c, err := s.challenge(r, SubjectState{}, b.now, true)
	return c, failed, err
}

// newAnswer puts a fresh number, code or word into r and d and returns the code, which is kept nowhere.
func (s *Service) newAnswer(r *Record, d *details, set Settings) (code string, err error) {
	r.KeyID = s.secrets.answers.Primary()
	var answer string
	switch r.Method {
	case MethodNumber:
		d.Number, d.Word = set.newNumber(d.Number), set.newWord(d.Word, d.Locale)
		r.MaxTries, answer = set.Limits.NumberTries, d.Number
	case MethodCode: // its message has no page, so nobody can be asked for a word
		code = set.newCode()
		r.MaxTries, answer = set.Limits.CodeTries, code
	case MethodTOTP:
		answer, r.MaxTries, r.Messages = nobodysAnswer(), set.Limits.CodeTries, 0
	case MethodWord:
		d.Word = set.newWord(d.Word, d.Locale)
		r.MaxTries, answer = set.Limits.NumberTries, d.Word
	default:
		return "", fmt.Errorf("method %q: %w", r.Method, ErrInvalid)
	}
	if d.Sandbox = set.Sandbox.On(); d.Sandbox {
		s.log.Warn("verify: the answers of this tenant are fixed", slog.String("challenge", r.ID))
	}
	if r.MAC, err = s.secrets.answerMAC(r.KeyID, r.Ref, answer); err != nil {
		return "", err
	}
	r.WordMAC = nil
	if r.Method == MethodNumber {
		if r.WordMAC, err = s.secrets.wordMAC(r.KeyID, r.Ref, d.Word); err != nil {
			return "", err
		}
	}
	r.Sealed, err = s.secrets.seal(r.Ref, *d)
	return code, err
}

// limits returns the counters of one message. Keys begin with the tenant, except those of the destination. A window
// begins with the first message that is counted and not at a time of day, so twice the maximum can pass in a short time
// where two windows meet, and never more than that in a day. What costs money is counted until it is confirmed: an
// honest desk gets its count back, and whoever has messages sent to earn by them does not.
func (s *Service) limits(set Settings, p pick, tenant mspkit.TenantID, subject string) []Limit {
	if p.way.Method == MethodTOTP {
		return checkLimits(set, tenant, subject)
	}
	l := set.Limits
	to := s.secrets.hash("destination", p.way.Channel, p.address)
	var out []Limit
	if l.Cooldown > 0 {
		out = append(out, Limit{Name: LimitCooldown, Key: "destination/" + to + "/cooldown", Max: 1, Window: l.Cooldown, Global: true})
	}
	if l.PerDestination > 0 {
		out = append(out, Limit{Name: LimitDestination, Key: "destination/" + to + "/day", Max: l.PerDestination, Window: day, Global: true})
	}
	if l.PerSubject > 0 {
		out = append(out, Limit{Name: LimitSubject, Key: tenantKey(tenant, "subject", subject), Max: l.PerSubject, Window: day})
	}
	if b, ok := p.channel.(Budgeter); ok {
		if scope, maximum, window := b.Budget(tenant, p.address); maximum >= 0 {
			out = append(out, Limit{
				Name: LimitBudget, Key: tenantKey(tenant, "budget", p.way.Channel+"/"+scope), Max: maximum, Window: window, Refund: true, Alert: true,
			})
		}
		if l.UnverifiedPerDestination > 0 {
			out = append(out, Limit{
				Name: LimitUnverified, Key: "destination/" + to + "/unverified", Max: l.UnverifiedPerDestination, Window: day,
				Refund: true, Global: true, Alert: true,
			})
		}
	}
	return out
}

// publicLimits are the counters of a message that anybody on the internet may have asked for. They are apart from
// those of technicians: otherwise a stranger could use up the messages that a real verification needs.
func (s *Service) publicLimits(_ Settings, p pick, tenant mspkit.TenantID, subject string) []Limit {
	to := s.secrets.hash("destination", p.way.Channel, p.address)
	return []Limit{
		{Name: LimitRequests, Key: "destination/" + to + "/public", Max: publicPerDay, Window: day, Global: true},
		{Name: LimitRequests, Key: tenantKey(tenant, "public-subject", subject), Max: publicPerDay, Window: day},
	}
}

// askLimits are the counters of what a contact asks for in their own chat. They are apart from those of technicians,
// whose cooldown would refuse the question just when a message has come that somebody wonders about.
func (s *Service) askLimits(_ Settings, p pick, tenant mspkit.TenantID, subject string) []Limit {
	to := s.secrets.hash("destination", p.way.Channel, p.address)
	return []Limit{
		{Name: LimitRequests, Key: "destination/" + to + "/asked", Max: asksPerDay, Window: day, Global: true},
		{Name: LimitRequests, Key: tenantKey(tenant, "asked-subject", subject), Max: asksPerDay, Window: day},
	}
}

// tenantKey keeps tenants apart whatever their ids contain.
func tenantKey(tenant mspkit.TenantID, what, id string) string {
	return fmt.Sprintf("tenant/%d/%s/%s/%s", len(tenant), tenant, what, id)
}

// deliver hands the message to the channel and stores how far it came. It finishes storing even where ctx ends,
// because the message is out by then.
func (s *Service) deliver(ctx context.Context, set Settings, ch Channel, r Record, d details, code string, replaces Receipt) (Record, error) {
	m := Delivery{
		Ref: r.Ref, Kind: r.Kind, Method: r.Method, Key: s.deliveryKey(r), To: d.Address, Brand: set.Brand,
		Locale: d.Locale, Name: d.Name, Company: d.Company, Technician: d.Technician, Ticket: cleanTicket(r.Ticket),
		Purpose: d.Purpose, TTL: r.ExpiresAt.Sub(s.o.Now()).Round(time.Second),
		InCall: d.InCall, CallBegan: d.CallBegan, CallBy: d.CallBy, Replaces: replaces,
	}
	switch {
	case r.Method == MethodCode:
		m.Code = mspkit.Redact(code)
	case r.Answerer == "":
		m.Link = mspkit.Redact(s.link(r.Tenant, d))
	}
	dctx, cancel := context.WithTimeout(ctx, s.o.DeliverTimeout)
	began := s.m.began()
	receipt, err := ch.Deliver(dctx, m)
	s.m.delivered(ctx, r.Channel, began, err)
	cancel()
	status, st := DeliverySent, stamp(EventSent, ByChannel, "")
	if err != nil {
		if receipt.ID == "" {
			receipt = replaces // still the last message, to be repainted at the end
		}
		status, st = DeliveryFailed, stamp(EventUndelivered, ByChannel, deliveryReason(err))
		err = &undelivered{reason: deliveryReason(err), err: err}
	}
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.DeliverTimeout)
	defer cancel()
	if serr := s.store.Sent(sctx, r.Ref, receipt.ID, status, st, s.o.Now()); serr != nil {
		return r, errors.Join(err, fmt.Errorf("store the delivery: %w", serr))
	}
	s.nudge()
	r.Delivery, r.ReceiptID = status, receipt.ID
	return r, err
}

// undelivered is an [ErrDelivery] that shows the reason only: nobody knows what the text of a channel's own error
// holds. errors.Is and errors.As reach that error.
type undelivered struct {
	reason string
	err    error
}

func (u *undelivered) Error() string   { return ErrDelivery.Error() + ": " + u.reason }
func (u *undelivered) Unwrap() []error { return []error{ErrDelivery, u.err} }

func deliveryReason(err error) string {
	if de, ok := errors.AsType[*DeliveryError](err); ok {
		return cleantext.Line(de.Reason, 200)
	}
	return "the channel could not deliver"
}

func (s *Service) link(tenant mspkit.TenantID, d details) string {
	return s.base + "/v/" + s.secrets.links.Encode(token.Secret(d.Link), string(tenant))
}

func cleanTicket(t mspkit.Ticket) mspkit.Ticket {
	return mspkit.Ticket{System: cleantext.Name(t.System, cleantext.MaxName), ID: cleantext.Name(t.ID, cleantext.MaxName)}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
