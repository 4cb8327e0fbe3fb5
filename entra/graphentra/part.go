package graphentra

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// part plans and does the steps of one kind of thing: the application, its credentials, consent, policies. A part has no state of
// its own: what it has found out is in the [tenant] of the run.
//
// The engine calls state before do and until it says done after it, so a part needs neither repeat nor wait: it returns Graph's
// errors as they are. Errors of do are followed by state as well: what exists already is found there.
type part interface {
	// prefix is what the kinds of its steps begin with, such as "application.".
	prefix() string
	// plan reads the tenant and adds the steps that are missing to b, and what it keeps.
	plan(ctx context.Context, t *tenant, d *Desired, b *builder) error
	// state reads where the tenant stands with regard to a step.
	state(ctx context.Context, t *tenant, s *Step) (standing, error)
	// do does the step. It may be called again after it failed in any way.
	do(ctx context.Context, t *tenant, s *Step) error
}

// parts are all of them in the order of their steps.
func parts() []part {
	return []part{applicationPart{}, federatedPart{}, certificatePart{}, secretPart{}, enterprisePart{}, grantPart{}, assignmentPart{}, conditionalPart{}}
}

// partOf returns the part that a kind of step belongs to.
func partOf(k Kind) part {
	for _, p := range parts() {
		if strings.HasPrefix(string(k), p.prefix()) {
			return p
		}
	}
	return nil
}

// builder collects a plan.
type builder struct{ plan *Plan }

// add adds a step. Steps without a change are none, but for those that say so by their kind.
func (b *builder) add(s Step) { b.plan.Steps = append(b.plan.Steps, s) }

// change adds a step where there is something to change.
func (b *builder) change(s Step) {
	if len(s.Changes) > 0 {
		b.add(s)
	}
}

// keep notes something that is there, not desired, and left alone.
func (b *builder) keep(what, format string, args ...any) {
	b.plan.Kept = append(b.plan.Kept, Kept{what, fmt.Sprintf(format, args...)})
}

// note adds something that an administrator should know and that is no step.
func (b *builder) note(format string, args ...any) {
	b.plan.Notes = append(b.plan.Notes, fmt.Sprintf(format, args...))
}

// value is a value of a change.
func value(v any) json.RawMessage {
	f := fields{}
	f.set("v", v)
	return f["v"]
}
