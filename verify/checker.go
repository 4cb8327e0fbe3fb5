package verify

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
)

// Checker is implemented by a [Channel] on which nothing is sent, because the contact has what makes the answer, such as
// an authenticator app. Its only method is [MethodTOTP]: the contact reads a code to the technician, who types it
// ([Service.Check]). A subject needs no destination for it. The service counts every try before it asks.
//
// It is asked whether a person is enrolled only where the way is about to be taken, and by [Service.Explain].
type Checker interface {
	// Enrolled returns since when the subject has what makes answers, which the freshness guard looks at, or
	// [ErrNotFound] where they have nothing.
	Enrolled(ctx context.Context, tenant mspkit.TenantID, subject string) (since time.Time, err error)
	// CheckAnswer decides on an answer, once: an answer that was right must be refused from then on, whichever instance
	// is asked. An error means that this is not known; the try stays counted and nothing is confirmed.
	CheckAnswer(ctx context.Context, q Question, now time.Time) (Verdict, error)
}

// Question is an answer to be decided by a [Checker].
type Question struct {
	Tenant  mspkit.TenantID
	Subject string
	// Since is what Enrolled returned when the challenge began. The answer is wrong where the subject has something newer:
	// what was set up since then was not looked at by the freshness guard.
	Since time.Time
	// Response is ASCII digits.
	Response mspkit.Redacted[string]
}

// Verdict is what a [Checker] says of an answer.
type Verdict struct {
	Right bool
	// Recovery is true where the answer was a recovery code, of which Left are left. The contact is told by every
	// channel that is a [Noticer].
	Recovery bool
	Left     int
}

func (v Verdict) reason() string {
	if v.Recovery {
		return "with a recovery code"
	}
	return ""
}

// answeredBy reports whether a channel is answered by a method.
func (s *Service) answeredBy(channel string, m Method) bool {
	if s.checks(channel) || m == MethodTOTP {
		return s.checks(channel) && m == MethodTOTP
	}
	supporter, ok := s.o.Channels[channel].(Supporter)
	return !ok || supporter.Supports(m)
}

// checks reports whether a channel is a [Checker].
func (s *Service) checks(channel string) bool {
	_, ok := s.o.Channels[channel].(Checker)
	return ok
}

// checkers returns the names of the channels that are a [Checker].
func (s *Service) checkers() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(s.o.Channels)), func(name string) bool { return !s.checks(name) })
}

// enrolled judges a way to a [Checker] by since when the person has what makes its answers. A destination of the host does
// not count: only the checker knows.
func (s *Service) enrolled(ctx context.Context, c Checker, p pick, tenant mspkit.TenantID, subject string, f Freshness, rule Rule) verdict {
	ctx, cancel := context.WithTimeout(ctx, s.o.DeliverTimeout)
	defer cancel()
	since, err := c.Enrolled(ctx, tenant, subject)
	switch {
	case errors.Is(err, ErrNotFound):
		p.address = ""
		return p.refused(unenrolled, "%s is not set up for this person", p.way.Channel)
	case err != nil:
		v := p.refused(unknown, "whether %s is set up for this person could not be found out", p.way.Channel)
		v.fault = err
		return v
	}
	p.since = since
	if f.fresh(Destination{FirstSeen: since}, s.o.Now()) != "" {
		p = p.doubted("was set up less than " + age(f.MinAge) + " ago")
	}
	if lack := p.lacks(f, rule); lack != "" {
		return p.refused(insufficient, "%s", lack)
	}
	return verdict{pick: p}
}

// checkLimits are the counters of a challenge for which nothing is sent. What bounds guessing is the failures in a row
// that lock a subject.
func checkLimits(set Settings, tenant mspkit.TenantID, subject string) []Limit {
	if set.Limits.PerSubject < 0 {
		return nil
	}
	return []Limit{{Name: LimitChecks, Key: tenantKey(tenant, "checked", subject), Max: set.Limits.PerSubject, Window: day}}
}

// nobodysAnswer stands in a record whose answer only a [Checker] knows. Nobody knows it, and it is kept nowhere.
func nobodysAnswer() string { return rand.Text() }

// decide asks the checker of r about an answer, whose try is counted.
func (s *Service) decide(ctx context.Context, r Record, d details, response string, now time.Time) (Verdict, error) {
	c, ok := s.o.Channels[r.Channel].(Checker)
	if !ok {
		return Verdict{}, fmt.Errorf("channel %q is not registered, or checks nothing: %w", r.Channel, ErrNoChannel)
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.DeliverTimeout)
	defer cancel()
	v, err := c.CheckAnswer(ctx, Question{Tenant: r.Tenant, Subject: r.Subject, Since: d.Since, Response: mspkit.Redact(response)}, now)
	if err != nil {
		return Verdict{}, fmt.Errorf("the answer could not be checked: %w", err)
	}
	return v, nil
}
