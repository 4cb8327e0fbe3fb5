package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
)

// Approval says for whom one technician is not enough: after the person has confirmed, a second one must agree
// ([Service.Approve]), and before that there is no proof. The zero value asks it for nobody.
type Approval struct {
	// Subjects are the ids of the listed people, such as the board and the administrators. Upper and lower case are the
	// same.
	Subjects []string
	// Actions are those that need it for listed people; empty means all.
	Actions []Action
	// Needs, where not nil, is asked about everybody else, for a host whose list is long or follows a group. An error
	// refuses the verification.
	Needs func(ctx context.Context, subject string, a Action) (bool, error)
}

// needed returns why a second technician must approve, in one sentence for the technician, or "".
func (a Approval) needed(ctx context.Context, subject string, action Action, rule Rule) (string, error) {
	yes := (len(a.Actions) == 0 || slices.Contains(a.Actions, action)) &&
		slices.ContainsFunc(a.Subjects, func(s string) bool { return strings.EqualFold(s, subject) })
	if !yes && a.Needs != nil {
		var err error
		if yes, err = a.Needs(ctx, subject, action); err != nil {
			return "", fmt.Errorf("whether a second technician must approve: %w", err)
		}
	}
	if !yes {
		return "", nil
	}
	return fmt.Sprintf("a second technician must approve, because this person is listed for “%s”", rule.words("en")), nil
}

// Approve stores that a second technician agrees to what was confirmed for a person who is listed in [Settings.Approval].
// From then on the technician who began gets the proof; the second one never does. It asks [Options.Authorize] for
// [PermissionApprove] and needs a reason, which is stored with the event. Who approves after somebody else changes
// nothing and gets the challenge as it is. Ids of technicians and of contacts may be of different kinds, so a host where
// listed people are technicians too must itself keep them from approving for themselves.
//
// Errors: [ErrForbidden] (also for the technician who began, in whatever case their id is written), [ErrNotPending]
// (not confirmed, or nothing to approve), [ErrProofExpired] (the time of the proof is over), [ErrFrozen], [ErrNotFound],
// [ErrInvalid], or a failure of the store.
func (s *Service) Approve(ctx context.Context, ref Ref, technician, reason string) (Challenge, error) {
	began := s.m.began()
	c, err := s.approve(ctx, ref, technician, reason)
	s.m.approved(ctx, began, err)
	return c, wrap("approve", err)
}

func (s *Service) approve(ctx context.Context, ref Ref, technician, reason string) (Challenge, error) {
	if strings.TrimSpace(reason) == "" {
		return Challenge{}, fmt.Errorf("a reason is required: %w", ErrInvalid)
	}
	if err := invalid(ref.Tenant.Validate(), validID("technician id", technician)); err != nil {
		return Challenge{}, err
	}
	if err := s.authorize(ctx, ref.Tenant, technician, PermissionApprove); err != nil {
		return Challenge{}, err
	}
	now := s.o.Now()
	r, err := s.store.Approve(ctx, ref, technician, stamp(EventApproved, technician, cleantext.Line(reason, 200)), now)
	if err != nil {
		return Challenge{}, err
	}
	s.nudge()
	return s.challenge(r, SubjectState{}, now, false)
}

// Unapproved returns the challenges of a tenant that wait for a second technician, the newest first: the list from which
// the second technician picks, without numbers, words and proofs. It reads the tenant's newest 1000 challenges, so ask it
// when somebody looks and not once a second; the reason of [EventConfirmed] tells as well that one waits.
func (s *Service) Unapproved(ctx context.Context, tenant mspkit.TenantID) ([]Challenge, error) {
	rs, err := s.store.List(ctx, Query{Tenant: tenant})
	if err != nil {
		return nil, wrap("unapproved", err)
	}
	now := s.o.Now()
	rs = slices.DeleteFunc(rs, func(r Record) bool { return !r.waits(now) })
	return s.challenges(ctx, rs, ""), nil
}

// waits reports whether r waits for a second technician at now.
func (r Record) waits(now time.Time) bool {
	return r.State == StateConfirmed && !r.approved() && now.Before(r.ProofUntil)
}

// WaitApproved returns the challenge once nothing is to be waited for any more: a second technician has approved and
// [Challenge.Proof] is set, or none had to, or the time of the proof is over, or the challenge ended in another way; or
// ctx ends. It is what to call after [Service.Wait] where [Challenge.NeedsApproval] is set.
func (s *Service) WaitApproved(ctx context.Context, ref Ref, technician string) (Challenge, error) {
	c, err := s.Wait(ctx, ref, technician)
	if err != nil {
		return c, err
	}
	// Polled, because no change tells that the time of the proof is over.
	return s.poll(ctx, ref, technician, func(c Challenge) bool {
		return c.State != StateConfirmed || !c.NeedsApproval || c.ApprovedBy != "" || !s.o.Now().Before(c.ProofUntil)
	})
}
