package graphentra

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/mspkit/mspkit"
)

// ApplyOptions configure [Client.Apply].
type ApplyOptions struct {
	// Progress is told of each step before it begins and after it is over; nil is not told. It is called by the goroutine of Apply.
	Progress func(Progress)
	// Keep is given each client secret as soon as Entra has made it, to store it. When it fails the secret is removed again, and the
	// step has failed. nil leaves it to [Result].Secrets alone.
	Keep func(ctx context.Context, s NewSecret) error
}

// Progress is where an Apply is.
type Progress struct {
	// N of Total is the step, counted from 1.
	N, Total int
	Step     Step
	// Outcome is empty before the step.
	Outcome Outcome
	// Err is why the step failed.
	Err error
}

// Outcome is what became of a step.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	Already Outcome = "already" // it was as it is to be, for example because an Apply that was interrupted had done it
	Failed  Outcome = "failed"
)

// NewSecret is a client secret that Entra has just made.
type NewSecret struct {
	// Name is [Secret].Name.
	Name string
	// KeyID tells it apart from the others of the application and is not secret; see [Options].Holds.
	KeyID   string
	Expires time.Time
	Value   mspkit.Redacted[string]
}

// Result is what came of a plan.
type Result struct {
	// AppID is the application (client) id, ObjectID the id of the application in the tenant (empty for one of another tenant), and
	// ServicePrincipal that of the enterprise application.
	AppID, ObjectID, ServicePrincipal string
	// Steps are those that are over, with their outcomes in the same order.
	Steps    []Step
	Outcomes []Outcome
	// Secrets are what was made. They are not to be had again.
	Secrets []NewSecret
	// Remaining is the plan that goes on where this one ended; nil where nothing remains.
	Remaining *Plan
}

// Apply does the steps of a plan in their order, and nothing else. For each it looks first: what is done already it passes over, and
// where the tenant is neither as it was when the plan was made nor as it is to be, it writes nothing and ends with [ErrChanged].
// After each write it waits until the write can be seen, so that a plan made afterwards is empty.
//
// The result is never nil. An error is an [*Error] that names the step; what was done is done, and Result.Remaining goes on from
// there. The whole plan may be applied again as well: that writes nothing more, and after a crash what is missing. A secret that was
// made and lost in the crash is replaced where [Options].Holds knows of it.
func (c *Client) Apply(ctx context.Context, p *Plan, o *ApplyOptions) (*Result, error) {
	res := &Result{Remaining: p}
	if p == nil {
		return res, fmt.Errorf("graphentra: there is no plan: %w", mspkit.ErrInvalid)
	}
	if o == nil {
		o = &ApplyOptions{}
	}
	if err := p.check(); err != nil {
		return res, err
	}
	if p.Empty() {
		res.Remaining = nil
		return res, nil
	}
	t, err := c.open(ctx, p.Tenant, p.Key, p.AppID, p.ID)
	if err != nil {
		c.audit(ctx, p.Tenant, "apply", err)
		return res, err
	}
	t.keep, t.result = o.Keep, res
	if err := t.sameTenant(ctx, p.Graph); err != nil {
		err = t.failed("apply", nil, err)
		c.audit(ctx, p.Tenant, "apply", err)
		return res, err
	}
	tell := func(g Progress) {
		if o.Progress != nil {
			o.Progress(g)
		}
	}
	for i := range p.Steps {
		step := p.Steps[i] // a run notes in it what it began
		s := &step
		tell(Progress{N: i + 1, Total: len(p.Steps), Step: *s})
		outcome, err := t.run(ctx, s, p.Steps[i+1:])
		if err != nil {
			err = t.failed("apply", s, err)
			c.opts.Logger.WarnContext(ctx, "provisioning step failed", slog.String("tenant", string(p.Tenant)), slog.String("step", string(s.Kind)), slog.String("error", err.Error()))
			c.audit(ctx, p.Tenant, string(s.Kind), err)
			tell(Progress{i + 1, len(p.Steps), *s, Failed, err})
			rest := *p
			rest.Steps = slices.Clone(p.Steps[i:])
			rest.Steps[0] = *s
			res.Remaining = &rest
			return res, err
		}
		c.opts.Logger.InfoContext(ctx, "provisioning step", slog.String("tenant", string(p.Tenant)), slog.String("step", string(s.Kind)), slog.String("outcome", string(outcome)))
		c.audit(ctx, p.Tenant, string(s.Kind), nil)
		res.Steps, res.Outcomes = append(res.Steps, p.Steps[i]), append(res.Outcomes, outcome)
		tell(Progress{i + 1, len(p.Steps), *s, outcome, nil})
	}
	res.Remaining = nil
	return res, nil
}

// sameTenant makes sure that the credential leads to the tenant that the plan was made in.
func (t *tenant) sameTenant(ctx context.Context, graph string) error {
	r, err := t.resource(ctx, GraphAppID)
	if err != nil {
		return err
	}
	if r.id != graph {
		return because(ErrChanged, nil, "The tenant is connected to another tenant of Microsoft 365 than when the plan was made: plan again.")
	}
	return nil
}

// run does one step: look, write, and look until it can be seen. Whatever fails in a way that may pass is looked at and tried
// again, until the time for lag or for Graph's own waits is over. later are the steps behind it.
func (t *tenant) run(ctx context.Context, s *Step, later []Step) (Outcome, error) {
	p := partOf(s.Kind)
	var (
		waited  time.Duration
		wrote   bool // Graph took it
		tried   bool // Graph may have taken it
		failure error
	)
	for n := 1; ; n++ {
		now, err := p.state(ctx, t, s)
		switch {
		case err != nil:
			if !unseen(err) {
				return "", err
			}
			failure = err // what the step builds upon may be too new to be seen
		case now == done && tried:
			return Done, nil
		case now == done, now == changed && !tried && t.overtaken(ctx, p, s, later):
			return Already, nil
		case now == changed && !tried:
			return "", because(ErrChanged, nil, "Somebody changed this since the plan was made, so that nothing was written: plan again.")
		case wrote:
			failure = because(ErrNotVisible, nil, "Graph took the change and does not show it yet: apply what remains later.")
		default:
			tried = true
			if failure = p.do(ctx, t, s); failure == nil {
				wrote, n = true, 0
				continue
			}
			if !temporary(failure) && !unseen(failure) {
				if now, err := p.state(ctx, t, s); err == nil && now == done { // it was there already, and that is what was refused
					return Done, nil
				}
				return "", failure
			}
		}
		a, _ := errors.AsType[*answer](failure)
		wait, budget := pause(n, a), t.c.opts.Lag
		if temporary(failure) {
			budget = t.c.opts.Patience
		}
		if waited+wait > budget {
			return "", failure
		}
		waited += wait
		if err := t.c.sleep(ctx, wait); err != nil {
			return "", errors.Join(err, failure)
		}
	}
}

// unseen reports whether an error may be that something is not to be seen everywhere yet.
func unseen(err error) bool {
	if errors.Is(err, ErrNotVisible) {
		return true
	}
	a, ok := errors.AsType[*answer](err)
	return ok && lagging(a)
}

// overtaken reports whether a later step about the same thing is done, as when a whole plan is applied again.
func (t *tenant) overtaken(ctx context.Context, p part, s *Step, later []Step) bool {
	for i := range later {
		if l := &later[i]; l.Kind == s.Kind && l.Object == s.Object {
			if now, err := p.state(ctx, t, l); err == nil && now == done {
				return true
			}
		}
	}
	return false
}

// newPlanID returns the id of a new plan.
func newPlanID() string { return uuid.NewString() }
