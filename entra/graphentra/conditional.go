package graphentra

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/mspkit/mspkit"
)

var (
	// ErrBreakGlass means that the group of emergency accounts, which a policy must exclude, does not exist or has nobody in it
	// who may sign in.
	ErrBreakGlass = errors.New("there is no break-glass group with people in it")
	// ErrUnseen means that a policy was to be enforced without the report of what it would have blocked, or with an old one.
	ErrUnseen = errors.New("the report of what would be blocked was not seen")
	// ErrUnproven means that the sign-in log does not show what the policy would do.
	ErrUnproven = errors.New("the sign-in log does not show what the policy would do")
	// ErrLockout means that whoever asks for a policy to be enforced would lock their own account out.
	ErrLockout = errors.New("the account of whoever asks would be locked out")
)

// PhishingResistant is the id of the built-in authentication strength "Phishing-resistant MFA", the same in every tenant: Windows
// Hello for Business, FIDO2 and certificates.
//
// Source: https://learn.microsoft.com/graph/api/authenticationstrengthroot-list-policies.
const PhishingResistant = "00000000-0000-0000-0000-000000000004"

// Conditional is the policy of Conditional Access that sign-ins to the application must meet: multifactor authentication that
// resists phishing, for everybody but the emergency accounts.
//
// It is always made report-only: it writes into the sign-in log what it would have done and does nothing. [Client.Impact] reads
// that, and [Client.Enforce] switches the policy on, which no plan does. The tenant needs Microsoft Entra ID P1.
//
// Conditional Access has no key of ours. The policy is found as the one that is for this application alone and either has the name
// or demands an authentication strength; two of them are [ErrAmbiguous].
type Conditional struct {
	// Name is what administrators see; empty is the name of the application with ": phishing-resistant MFA".
	Name string
	// BreakGlass is the object id of the group of emergency accounts, which the policy excludes. Required: without a person in it
	// who may sign in nothing is made.
	BreakGlass string
	// Restore puts back what an administrator has changed in the policy, but for its name and whether it is enforced. The zero value
	// leaves it, and [Plan].Notes says what it is.
	Restore bool
}

// validate reports what is wrong with c.
func (c *Conditional) validate(v *faults) {
	v.check(plainText(c.Name, 200), "the name of the Conditional Access policy is at most 200 characters of one line")
	v.check(uuid.Validate(c.BreakGlass) == nil, "Conditional Access needs the object id of a group of emergency accounts to exclude")
}

// name is what the policy is called.
func (c *Conditional) name(d *Desired) string {
	return cmp.Or(c.Name, cmp.Or(d.Name, d.Key)+": phishing-resistant MFA")
}

const (
	createConditional Kind = "conditional.create"
	updateConditional Kind = "conditional.update"
)

// conditionalPart is the policy of Conditional Access.
type conditionalPart struct{}

func (conditionalPart) prefix() string { return "conditional." }

func (conditionalPart) plan(ctx context.Context, t *tenant, d *Desired, b *builder) error {
	c := d.Conditional
	if c == nil {
		return nil
	}
	name, group := c.name(d), strings.ToLower(c.BreakGlass)
	p, err := t.conditional(ctx, name)
	if err != nil {
		return err
	}
	if p == nil {
		return t.planNewConditional(ctx, name, group, b)
	}
	have, err := t.conditionalFields(ctx, p)
	if err != nil {
		return err
	}
	t.noteConditional(p, name, b)
	drift := diff(have, wantedConditional(group))
	if len(drift) > 0 && c.Restore {
		if err := t.checkBreakGlass(ctx, group); err != nil {
			return err
		}
		s := Step{Kind: updateConditional, Op: Update, Object: text(p.GetId()), What: "Conditional Access policy " + quoted(text(p.GetDisplayName())), Changes: drift}
		s.Danger = "What an administrator has set is put back."
		if stateOf(p) == stateEnforced {
			s.Danger += " The policy is enforced, so that sign-ins may be blocked at once."
		}
		b.add(s)
		return nil
	}
	for _, ch := range drift {
		b.note("The Conditional Access policy %s is not as it was made: %s is %s in place of %s. It is left alone.",
			quoted(text(p.GetDisplayName())), ch.Field, cmp.Or(string(ch.From), "none"), cmp.Or(string(ch.To), "none"))
		b.keep("Conditional Access", "%s %s", ch.Field, cmp.Or(string(ch.From), "none"))
	}
	err = t.checkBreakGlass(ctx, group)
	if empty, ok := errors.AsType[*problem](err); ok && empty.is == ErrBreakGlass { //nolint:errorlint // is is one of ours
		b.note("Danger: %s", empty.advice)
		return nil
	}
	return err
}

// planNewConditional plans the policy where there is none, after everything that would make Graph refuse it later.
func (t *tenant) planNewConditional(ctx context.Context, name, group string, b *builder) error {
	if err := t.conditionalPossible(ctx, b.note); err != nil {
		return err
	}
	if err := t.checkBreakGlass(ctx, group); err != nil {
		return err
	}
	want := wantedConditional(group)
	want.set(fieldName, name)
	want.set(fieldState, stateReportOnly)
	b.add(Step{
		Kind: createConditional, Op: Create, What: "Conditional Access policy " + quoted(name) + ", report-only", Changes: diff(fields{}, want),
	})
	return nil
}

// noteConditional says what an administrator should know about a policy that is there.
func (t *tenant) noteConditional(p models.ConditionalAccessPolicyable, name string, b *builder) {
	is := quoted(text(p.GetDisplayName()))
	if text(p.GetDisplayName()) != name {
		b.note("The Conditional Access policy of the application is called %s.", is)
	}
	switch stateOf(p) {
	case stateReportOnly:
		b.note("The Conditional Access policy %s is report-only: look at what it would have blocked, and enforce it.", is)
	case stateEnforced:
	default:
		b.note("The Conditional Access policy %s is switched off: an administrator has to set it to report-only first.", is)
	}
}

// conditionalStep reads what a step is to make of the policy, and which group it excludes.
func conditionalStep(s *Step) (to fields, name, group string, err error) {
	to = target(s.Changes)
	var groups []string
	if err := errors.Join(decode(to[fieldName], &name), decode(to[fieldExcludeGroups], &groups)); err != nil {
		return nil, "", "", err
	}
	if s.Kind == createConditional && (name == "" || !plainText(name, 300)) {
		return nil, "", "", because(mspkit.ErrInvalid, nil, "The plan has a Conditional Access policy without a name.")
	}
	if len(groups) > 0 {
		group = groups[0]
	}
	if (s.Kind == createConditional || to[fieldExcludeGroups] != nil) && (len(groups) != 1 || uuid.Validate(group) != nil) {
		return nil, "", "", because(ErrBreakGlass, nil, "The plan has a Conditional Access policy that excludes no group of emergency accounts.")
	}
	return to, name, group, nil
}

func (conditionalPart) state(ctx context.Context, t *tenant, s *Step) (standing, error) {
	_, name, _, err := conditionalStep(s)
	if err != nil {
		return 0, err
	}
	if s.Kind == updateConditional {
		now, err := t.conditionalByID(ctx, s.Object)
		if err != nil {
			return 0, err
		}
		return stand(now, s.Changes), nil
	}
	p, err := t.conditional(ctx, name)
	switch {
	case err != nil:
		return 0, err
	case p == nil:
		return todo, nil
	}
	now, err := t.conditionalFields(ctx, p)
	if err != nil {
		return 0, err
	}
	for _, c := range s.Changes {
		if c.Field != fieldState && c.Field != fieldName && !same(now[c.Field], c.To) {
			return changed, nil
		}
	}
	return done, nil
}

func (conditionalPart) do(ctx context.Context, t *tenant, s *Step) error {
	to, name, group, err := conditionalStep(s)
	if err != nil {
		return err
	}
	if group != "" {
		if err := t.checkBreakGlass(ctx, group); err != nil {
			return err
		}
	}
	if s.Kind == updateConditional {
		return t.restoreConditional(ctx, s.Object, to)
	}
	appID, err := t.applicationID(ctx)
	if err != nil {
		return err
	}
	// Graph would take a second one, and a run that was interrupted may have made one a moment ago that is not to be seen yet.
	for n := 1; n <= firstLooks; n++ {
		if err := t.c.sleep(ctx, pause(n, nil)); err != nil {
			return err
		}
		if p, err := t.conditional(ctx, name); err != nil || p != nil {
			return err
		}
	}
	_, err = write(ctx, t, func(ctx context.Context) (models.ConditionalAccessPolicyable, error) {
		if err := t.accessTurn(ctx); err != nil {
			return nil, err
		}
		return t.policies().Post(ctx, newConditional(name, appID, group), nil)
	})
	a, isAnswer := errors.AsType[*answer](err)
	switch {
	case err == nil:
		return nil
	case isAnswer && a.status == 400:
		if cause := t.conditionalPossible(ctx, func(string, ...any) {}); cause != nil {
			return cause
		}
		// An application that was just made is not known to Conditional Access at once, which has no code for it.
		return because(ErrNotVisible, err, "Conditional Access does not take the policy, perhaps because the application or the group is too new to be known there: apply what remains later.")
	}
	return err // where nobody knows whether it was made, it is looked for before it is made again
}

// firstLooks is how often a policy is looked for before it is made.
const firstLooks = 2

// driftText says what is different, for advice.
func driftText(changes []Change) string {
	var out []string
	for _, c := range changes {
		out = append(out, fmt.Sprintf("%s is %s", c.Field, cmp.Or(string(c.From), "none")))
	}
	return strings.Join(out, ", ")
}
