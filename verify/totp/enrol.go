package totp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/internal/totp"
	"github.com/mspkit/mspkit/verify"
)

// Request asks for a change to what a contact verifies with.
type Request struct {
	// Proof is of the contact, for the action that the method names, and was made by number match in Teams or better.
	Proof verify.Proof
	// Expect is what the proof must be for.
	Expect verify.Expect
	// By names this one use, as in [verify.Service.Redeem].
	By string
	// Subject is the contact, with every address on record: all of them are told.
	Subject verify.Subject
}

// Pending is a link that was sent.
type Pending struct {
	// Number is what the technician says. It is for the technician's screen only, and is not told again.
	Number    mspkit.Redacted[string]
	ExpiresAt time.Time
}

// Begin redeems a proof for [verify.ActionEnrolTOTP] and sends a link to the address by which it was made. Behind it, with
// the number that the technician says, the contact puts a new secret into their app. An app that they have stays good until
// the new one is confirmed by its first code. A link that was sent before is dead.
//
// Errors are those of [verify.Service.Redeem], [verify.ErrInvalid], [verify.ErrNoChannel] (the address cannot take a
// link; nothing was redeemed) and [verify.ErrDelivery] (the link was not delivered: call again with the same By).
func (e *Enrolment) Begin(ctx context.Context, r Request) (Pending, error) {
	p, err := e.begin(ctx, r, verify.ActionEnrolTOTP)
	return p, wrap("begin", err)
}

// BeginRecovery does the same with a proof for [verify.ActionRecoveryTOTP]: behind the link, and with a code of the app, the
// contact gets new recovery codes. Where they have no app, it is [verify.ErrNotFound] and nothing is redeemed.
func (e *Enrolment) BeginRecovery(ctx context.Context, r Request) (Pending, error) {
	p, err := e.begin(ctx, r, verify.ActionRecoveryTOTP)
	return p, wrap("begin recovery", err)
}

func (e *Enrolment) begin(ctx context.Context, r Request, action verify.Action) (Pending, error) {
	if err := r.prepare(action); err != nil {
		return Pending{}, err
	}
	tenant, subject := r.Expect.Tenant, r.Expect.Subject
	if action == verify.ActionRecoveryTOTP {
		if _, err := e.c.Enrolled(ctx, tenant, subject); err != nil {
			return Pending{}, err
		}
	}
	reply, err := e.svc.RedeemReply(ctx, r.Proof, r.Expect, r.By)
	if err != nil {
		return Pending{}, err
	}
	now, secret, number := e.o.Now(), token.NewSecret(), token.Digits(numberDigits)
	p := &pending{
		ID: token.ID(secret), For: action, Stage: stageSent, Until: now.Add(e.o.TTL), KeyID: e.c.numbers.Primary(),
		Person: r.Subject, Technician: verify.Technician{ID: r.Expect.Technician, Name: reply.Technician()}, Ticket: r.Expect.Ticket,
	}
	p.Person.Name, p.Person.Locale = reply.Name(), reply.Locale()
	if p.Number, err = e.c.numberHash(p.KeyID, tenant, subject, p.ID, number); err != nil {
		return Pending{}, err
	}
	err = e.c.factors.change(ctx, tenant, subject, now, func(st *state) (bool, error) {
		st.Pending = p
		return true, nil
	})
	if err != nil {
		return Pending{}, err
	}
	if err := e.svc.Note(ctx, tenant, subject, verify.EventFactorLink, p.Technician.ID, string(action)); err != nil {
		return Pending{}, err
	}
	link := e.svc.BaseURL() + "/totp/e/" + url.PathEscape(e.c.linkToken(secret, tenant, subject))
	if err := reply.SendLink(ctx, mspkit.Redact(link), e.o.TTL); err != nil {
		return Pending{}, err
	}
	return Pending{Number: mspkit.Redact(number), ExpiresAt: p.Until}, nil
}

// Remove redeems a proof for [verify.ActionRemoveTOTP] and removes the contact's app, its recovery codes, and a link that
// was sent. Where there is no app, it is [verify.ErrNotFound] and nothing is redeemed. [verify.ErrDelivery] means that it
// is removed, and that not every address could be told. Other errors are those of [verify.Service.Redeem].
func (e *Enrolment) Remove(ctx context.Context, r Request) error {
	return wrap("remove", e.remove(ctx, r))
}

func (e *Enrolment) remove(ctx context.Context, r Request) error {
	if err := r.prepare(verify.ActionRemoveTOTP); err != nil {
		return err
	}
	tenant, subject := r.Expect.Tenant, r.Expect.Subject
	if _, err := e.c.Enrolled(ctx, tenant, subject); err != nil {
		return err
	}
	if err := e.svc.Redeem(ctx, r.Proof, r.Expect, r.By); err != nil {
		return err
	}
	was := false
	err := e.c.factors.change(ctx, tenant, subject, e.o.Now(), func(st *state) (bool, error) {
		was = st.Active != nil
		*st = state{}
		return true, nil
	})
	if err != nil || !was { // somebody else with the same By has removed it and told
		return err
	}
	return e.svc.Tell(ctx, verify.Change{
		Tenant: tenant, Subject: r.Subject, Kind: verify.NoticeRemoved, By: r.Expect.Technician, Ticket: r.Expect.Ticket, Reason: Kind,
	})
}

// prepare checks r and asks for the assurance that is needed.
func (r *Request) prepare(action verify.Action) error {
	if r.Expect.Action != action {
		return fmt.Errorf("a proof for the action %q is needed: %w", action, verify.ErrProof)
	}
	if r.Subject.ID != r.Expect.Subject {
		return fmt.Errorf("the subject is not the one that the proof is of: %w", verify.ErrInvalid)
	}
	if err := r.Subject.Validate(); err != nil { // later it would be too late to tell them
		return err
	}
	r.Expect.Min = max(r.Expect.Min, verify.AssuranceTeams)
	return nil
}

// numberTried counts a number that was typed and reports whether it opened the link, for a browser with session. Other
// stages are left alone.
func (e *Enrolment) numberTried(ctx context.Context, l link, typed string, session token.Secret, now time.Time) (opened bool, err error) {
	died := false
	err = e.c.factors.change(ctx, l.tenant, l.subject, now, func(st *state) (bool, error) {
		opened, died = false, false
		p := st.Pending
		if p == nil || p.ID != l.id || p.Stage == stageDone || p.Tries >= verify.MaxNumberTries || p.dead() || !now.Before(p.Until) {
			return false, nil
		}
		// The try and what it brings are one change: nobody learns anything from a try that was not counted.
		p.Tries++
		var err error
		if opened, err = e.c.numberIs(p, l, typed); err != nil {
			return false, err
		}
		if opened {
			// A browser that had it open has not any more, and what it was shown is void.
			p.Stage, p.Session, p.CodeTries, p.Secret = stageOpen, token.ID(session), 0, nil
			if p.For == verify.ActionEnrolTOTP {
				p.Secret = totp.NewSecret()
			}
		}
		died = p.dead()
		return true, nil
	})
	if err == nil && died {
		err = e.svc.Note(ctx, l.tenant, l.subject, verify.EventFactorFailed, verify.ByCaller, "the tries of the number are used up")
	}
	return opened, err
}

// codeTried counts a first code that was typed in the browser with session and reports whether it finished what the link
// is for. Then the contact is told; that a notice does not arrive undoes nothing.
func (e *Enrolment) codeTried(ctx context.Context, l link, typed string, session token.Secret, now time.Time) (done bool, err error) {
	var p pending
	died := false
	err = e.c.factors.change(ctx, l.tenant, l.subject, now, func(st *state) (bool, error) {
		done, died = false, false
		if st.Pending == nil || st.Pending.ID != l.id || !st.Pending.holds(session) || st.Pending.Stage != stageOpen || st.Pending.dead() || !now.Before(st.Pending.Until) {
			return false, nil
		}
		p = *st.Pending
		st.Pending.CodeTries++
		a := st.Active
		if p.For == verify.ActionEnrolTOTP {
			a = &active{Secret: p.Secret, Since: now}
		}
		if a != nil && a.accept(typed, now, e.c.skew) {
			var err error
			if _, a.Codes, err = e.c.recovery.Draw(session, string(l.tenant), l.subject); err != nil {
				return false, err
			}
			done, st.Active = true, a
			st.Pending.Stage, st.Pending.Secret, st.Pending.Person.Destinations = stageDone, nil, nil
		}
		died = st.Pending.dead()
		return true, nil
	})
	switch {
	case err != nil:
		return false, err
	case died:
		return false, e.svc.Note(ctx, l.tenant, l.subject, verify.EventFactorFailed, verify.ByCaller, "the tries of the first code are used up")
	case !done:
		return false, nil
	}
	kind := verify.NoticeEnrolled
	if p.For == verify.ActionRecoveryTOTP {
		kind = verify.NoticeRecoveryRenewed
	}
	err = e.svc.Tell(ctx, verify.Change{
		Tenant: l.tenant, Subject: p.Person, Kind: kind, By: verify.ByCaller, Technician: p.Technician, Ticket: p.Ticket, Reason: Kind,
	})
	if err != nil && !errors.Is(err, verify.ErrDelivery) { // that one is logged
		e.log.LogAttrs(ctx, slog.LevelWarn, "totp: a change could not be noted", slog.String("tenant", string(l.tenant)), slog.Any("error", err))
	}
	return true, nil
}

// holds reports whether session is that of the browser that knew the number.
func (p *pending) holds(session token.Secret) bool {
	return p.Session != "" && equal(p.Session, token.ID(session))
}

func (c *Channel) numberHash(keyID string, tenant mspkit.TenantID, subject, id, number string) ([]byte, error) {
	return c.numbers.Sum(keyID, string(tenant), subject, id, number)
}

func (c *Channel) numberIs(p *pending, l link, typed string) (bool, error) {
	return c.numbers.Verify(p.KeyID, p.Number, string(l.tenant), l.subject, l.id, typed)
}

// link names a pending factor.
type link struct {
	tenant      mspkit.TenantID
	subject, id string
}

// ids are printable, so that this parts them.
const separator = "\x00"

func (c *Channel) linkToken(secret token.Secret, tenant mspkit.TenantID, subject string) string {
	return c.links.Encode(secret, string(tenant)+separator+subject)
}

// parseLink returns what a token names. One that is not genuine names nothing, which costs the same to find out.
func (c *Channel) parseLink(tok string) link {
	secret, text, err := c.links.Decode(tok)
	tenant, subject, ok := strings.Cut(text, separator)
	if err != nil || !ok {
		return link{tenant: "-", subject: "-", id: ""}
	}
	return link{mspkit.TenantID(tenant), subject, token.ID(secret)}
}

func wrap(verb string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("totp: %s: %w", verb, err)
}
