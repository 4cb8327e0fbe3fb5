package verify

import (
	"context"
	"errors"
)

// Decision is what the policy says of a request; see [Service.Explain].
type Decision struct {
	Action Action
	// Need is the least assurance that the action needs.
	Need Assurance
	// Allowed is whether Start has a way. Where not, Reason says why in one sentence for the technician; it is what
	// the error of Start says.
	Allowed bool
	Reason  string
	// Approval says why a second technician must approve after the person has confirmed. Empty where none must.
	Approval string
	// Ways are those that the request asks for, to every address: first what the policy lists, in the order in which
	// Start takes the allowed ones, then what it does not list.
	Ways []WayDecision
}

// WayDecision is one way to one address.
type WayDecision struct {
	Way
	// To is the address, masked; empty where there is none.
	To string
	// Assurance is what a confirmation would be worth.
	Assurance Assurance
	// Fresh is whether the address was typed by hand, is new, or its channel doubts it, so that it is worth little.
	Fresh   bool
	Allowed bool
	// Reason says why it is not allowed, in one sentence for the technician, without the address: "needs Teams with
	// number match or better, because the action is “reset your multi-factor sign-in”; e-mail with number match is less".
	Reason string
}

// Explain says what Start would do with r, and why, before anybody is called or counted: it stores and sends nothing.
// Limits, a freeze and a lock are not looked at. A channel that is a [Screener] is asked about each address that is
// allowed otherwise, which may cost money and time, and a [Checker] whether the person is enrolled. Errors are [ErrInvalid] or a failure of the settings or of ctx; what
// the policy refuses is a decision.
func (s *Service) Explain(ctx context.Context, r StartRequest) (Decision, error) {
	d, err := s.explain(ctx, r)
	return d, wrap("explain", err)
}

func (s *Service) explain(ctx context.Context, r StartRequest) (Decision, error) {
	set, err := s.tenantSettings(ctx, r.Tenant)
	if err != nil {
		return Decision{}, err
	}
	if err := r.validate(); err != nil {
		return Decision{}, err
	}
	rule, err := set.Policy.rule(r.Action)
	d := Decision{Action: r.Action, Need: rule.Min}
	if pe, ok := errors.AsType[*PolicyError](err); ok {
		d.Reason = pe.Reason
		return d, nil
	}
	if d.Approval, err = set.Approval.needed(ctx, r.Subject.ID, r.Action, rule); err != nil {
		return Decision{}, err
	}
	var refused []verdict
	screen := s.screening(ctx, set, rule, r.Tenant, r.Subject.ID)
	for v := range s.judge(set, rule, r, s.o.Now()) {
		if v.kind == allowed {
			v = screen(v.pick)
		}
		w := WayDecision{
			Way: v.way, Assurance: v.assurance, Fresh: v.doubt != "", Allowed: v.kind == allowed, Reason: v.reason,
		}
		if v.address != "" {
			w.To = mask(v.address)
		}
		d.Ways = append(d.Ways, w)
		if d.Allowed = d.Allowed || w.Allowed; !w.Allowed {
			refused = append(refused, v)
		}
	}
	if err := ctx.Err(); err != nil {
		return Decision{}, err // what was asked about an address does not count
	}
	if !d.Allowed {
		d.Reason, _ = refusalOf(r.Action, rule, r.Channel, refused)
	}
	return d, nil
}
