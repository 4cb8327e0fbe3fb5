package graphentra

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"github.com/mspkit/mspkit"
)

// EnforceOptions configure [Client.Enforce].
type EnforceOptions struct {
	// Caller is the object id, in that tenant, of the person who asks. It is required where the token is one of an application; with
	// a person's token that person is checked as well.
	Caller string
	// Unproven enforces a policy although the log shows none of its results, for an application that nobody uses yet. The caller
	// must be one of the emergency accounts then.
	Unproven bool
}

// reportAge is how old a report may be that somebody has seen.
const reportAge = 24 * time.Hour

// Enforce switches the policy on, so that it blocks. It is the only call that does, and does it for one who has seen what it
// will block: token is that of a report of the last 24 hours by [Client.Impact]. The report is made again for the same days,
// and where it or the policy is no longer the same, nothing is written.
//
// The report that it has made is returned in any case where it was made, to be shown. The errors, beside those of all calls:
//
//   - [ErrUnseen]: there is no token, or it is too old;
//   - [ErrChanged]: the report or the policy has changed, also by an administrator: look at it again;
//   - [ErrUnproven]: the log shows no result of the policy;
//   - [ErrLockout]: the account of whoever asks did not pass when it signed in last, and is no emergency account;
//   - [ErrBreakGlass]: the group of emergency accounts is gone or has nobody in it who may sign in.
//
// Where the policy is enforced already it does nothing and returns no error.
func (c *Client) Enforce(ctx context.Context, id mspkit.TenantID, d Desired, token string, o *EnforceOptions) (*Impact, error) {
	if o == nil {
		o = &EnforceOptions{}
	}
	if o.Caller != "" && uuid.Validate(o.Caller) != nil {
		return nil, fmt.Errorf("graphentra: the caller is an object id: %w", mspkit.ErrInvalid)
	}
	t, err := c.openConditional(ctx, id, &d)
	if err != nil {
		c.audit(ctx, id, "enforce", err)
		return nil, err
	}
	i, err := t.enforce(ctx, &d, token, o)
	if err != nil {
		err = t.failed("enforce", nil, err)
		c.audit(ctx, id, "enforce", err)
		c.opts.Logger.WarnContext(ctx, "conditional access not enforced", slog.String("tenant", string(id)), slog.String("error", err.Error()))
		return i, err
	}
	c.audit(ctx, id, "enforce", nil)
	c.opts.Logger.InfoContext(ctx, "conditional access enforced", slog.String("tenant", string(id)))
	return i, nil
}

func (t *tenant) enforce(ctx context.Context, d *Desired, token string, o *EnforceOptions) (*Impact, error) {
	p, err := t.ownConditional(ctx, d)
	if err != nil {
		return nil, err
	}
	now := t.c.now().UTC().Truncate(time.Second)
	from, to, tokenErr := parseToken(token)
	if tokenErr != nil {
		from, to = now.Add(-impactPeriod), now
	}
	i, err := t.impact(ctx, p, from, to)
	if err != nil {
		return nil, err
	}
	group := strings.ToLower(d.Conditional.BreakGlass)
	have, err := t.conditionalFields(ctx, p)
	if err != nil {
		return i, err
	}
	drift := diff(have, wantedConditional(group))
	switch {
	case len(drift) > 0:
		return i, because(ErrChanged, nil, "The Conditional Access policy is not as it was made (%s): put it back, or enforce it in the portal.", driftText(drift))
	case i.Enforced:
		return i, nil
	case stateOf(p) != stateReportOnly:
		return i, because(ErrChanged, nil, "The Conditional Access policy is switched off: set it to report-only, and look for some days at what it would block.")
	case tokenErr != nil:
		return i, because(ErrUnseen, nil, "Look at the report of what the policy would have blocked, and give its token.")
	case now.Sub(to) > reportAge || to.After(now.Add(time.Minute)):
		return i, because(ErrUnseen, nil, "The report is older than a day: make a new one, look at it, and give its token.")
	case subtle.ConstantTimeCompare([]byte(i.Token), []byte(token)) != 1:
		return i, because(ErrChanged, nil, "The report is no longer what it was, because the log or the policy has changed: look at the new one, and give its token.")
	}
	people, usable, err := t.breakGlass(ctx, group)
	if err != nil && !missing(err) {
		return i, err
	}
	if !usable {
		return i, because(ErrBreakGlass, err, "The group %s of emergency accounts is gone or has nobody in it who may sign in: put an account into it first.", group)
	}
	if err := t.checkCallers(ctx, i, people, o); err != nil {
		return i, err
	}
	return i, t.switchPolicy(ctx, d, p, models.ENABLED_CONDITIONALACCESSPOLICYSTATE)
}

// checkCallers makes sure that whoever asks can still sign in afterwards.
func (t *tenant) checkCallers(ctx context.Context, i *Impact, excluded map[string]bool, o *EnforceOptions) error {
	callers, err := t.callers(ctx, o.Caller)
	if err != nil {
		return err
	}
	proven := i.Counts[Passed]+i.Counts[Blocked]+i.Counts[Interrupted] > 0
	if !proven && !o.Unproven {
		return because(ErrUnproven, nil, "The sign-in log has no result of the policy in that time. Sign in to the application and wait some minutes; "+
			"if results stay away, check that Policy.Read.All was granted.")
	}
	for _, id := range callers {
		if excluded[id] {
			continue
		}
		at := slices.IndexFunc(i.Users, func(u ImpactUser) bool { return u.ID == id })
		if at < 0 || i.Users[at].Last != Passed {
			return because(ErrLockout, nil, "The account %s has not signed in to the application with phishing-resistant MFA in that time, or not the last time, and is no emergency account: "+
				"sign in with a passkey, Windows Hello or a certificate, wait some minutes, and look at a new report.", id)
		}
	}
	return nil
}

// callers returns the object ids of who asks: who the token is of, and who was named.
func (t *tenant) callers(ctx context.Context, named string) ([]string, error) {
	var out []string
	if named != "" {
		out = append(out, strings.ToLower(named))
	}
	// The SDK makes /me of a placeholder by a middleware that is not used here.
	me := users.NewUserItemRequestBuilderInternal(maps.Clone(t.base), t.adapter).WithUrl(t.base["baseurl"] + "/me?%24select=id")
	u, err := read(ctx, t, func(ctx context.Context) (models.Userable, error) { return me.Get(ctx, nil) })
	a, isAnswer := errors.AsType[*answer](err)
	switch {
	case err == nil && u != nil && text(u.GetId()) != "":
		out = append(out, strings.ToLower(text(u.GetId())))
	case err == nil:
		return nil, errEmpty
	case !isAnswer || a.status != http.StatusBadRequest && a.status != http.StatusForbidden && a.status != http.StatusNotFound:
		return nil, err
	}
	if len(out) == 0 {
		return nil, because(mspkit.ErrInvalid, nil, "The token is one of an application: say whose account asks, so that nobody locks themselves out.")
	}
	return out, nil
}

// Relax sets the policy back to report-only, for when more was blocked than expected. It asks for nothing. Where the policy is not
// enforced it does nothing.
func (c *Client) Relax(ctx context.Context, id mspkit.TenantID, d Desired) error {
	t, err := c.openConditional(ctx, id, &d)
	if err != nil {
		c.audit(ctx, id, "relax", err)
		return err
	}
	p, err := t.ownConditional(ctx, &d)
	if err == nil && stateOf(p) == stateEnforced {
		err = t.switchPolicy(ctx, &d, p, models.ENABLEDFORREPORTINGBUTNOTENFORCED_CONDITIONALACCESSPOLICYSTATE)
	}
	if err != nil {
		err = t.failed("relax", nil, err)
		c.audit(ctx, id, "relax", err)
		return err
	}
	c.audit(ctx, id, "relax", nil)
	c.opts.Logger.InfoContext(ctx, "conditional access relaxed", slog.String("tenant", string(id)))
	return nil
}

// switchPolicy changes the state of the policy and waits until that can be seen. It may be written twice, which is the same as once.
func (t *tenant) switchPolicy(ctx context.Context, d *Desired, p models.ConditionalAccessPolicyable, to models.ConditionalAccessPolicyState) error {
	id := text(p.GetId())
	failure := because(ErrNotVisible, nil, "Graph took the change and does not show it yet: look again later.")
	waited := time.Duration(0)
	body := models.NewConditionalAccessPolicy()
	body.SetState(&to)
	for n := 1; ; n++ {
		err := t.patchPolicy(ctx, id, body)
		if err != nil && !temporary(err) {
			return err
		}
		now, lookErr := t.ownConditional(ctx, d)
		switch {
		case lookErr == nil && text(now.GetId()) == id && stateOf(now) == to.String():
			return nil
		case lookErr != nil && !temporary(lookErr):
			return lookErr
		case err != nil:
			failure = err
		}
		a, _ := errors.AsType[*answer](failure)
		wait := pause(n, a)
		if waited+wait > t.c.opts.Lag {
			return failure
		}
		waited += wait
		if err := t.c.sleep(ctx, wait); err != nil {
			return errors.Join(err, failure)
		}
	}
}
