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
// Every [Start] that may use the channel costs one read of it.
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

// checks reports whether a channel is a [Checker].
func (s *Service) checks(channel string) bool {
	_, ok := s.o.Channels[channel].(Checker)
	return ok
}

// withCheckers returns the destinations of r with one for each [Checker] that may be used and that the subject is enrolled
// with. It takes out what the host named for these: only the checker knows since when somebody is enrolled.
func (s *Service) withCheckers(ctx context.Context, rule Rule, r StartRequest) ([]Destination, error) {
	out := slices.DeleteFunc(slices.Clone(r.Subject.Destinations), func(d Destination) bool { return s.checks(d.Channel) })
	if r.Method != "" && r.Method != MethodTOTP {
		return out, nil
	}
	for _, name := range slices.Sorted(maps.Keys(s.o.Channels)) {
		c, ok := s.o.Channels[name].(Checker)
		if !ok || r.Channel != "" && r.Channel != name {
			continue
		}
		d := Destination{Channel: name, Address: r.Subject.ID}
		if len(rule.Ways) > 0 && !slices.Contains(rule.Ways, Way{name, MethodTOTP}) {
			if r.Channel == name {
				out = append(out, d) // so that the policy says no, and not that there is no such way
			}
			continue
		}
		cctx, cancel := context.WithTimeout(ctx, s.o.DeliverTimeout)
		since, err := c.Enrolled(cctx, r.Tenant, r.Subject.ID)
		cancel()
		switch {
		case errors.Is(err, ErrNotFound) && (r.Channel == name || r.Method == MethodTOTP):
			return nil, fmt.Errorf("%s is not set up for this person: %w", name, ErrNoChannel)
		case errors.Is(err, ErrNotFound):
			continue
		case err != nil:
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		d.FirstSeen = since
		out = append(out, d)
	}
	return out, nil
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
