package graphentra

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/auditlogs"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/mspkit/mspkit"
)

// Verdict is what a policy made of a sign-in, or would have made of it.
type Verdict string

// The verdicts.
const (
	Passed  Verdict = "passed"
	Blocked Verdict = "blocked"
	// Interrupted is that the person would have been asked for something that they may or may not have.
	Interrupted Verdict = "interrupted"
	// Excluded is that the policy was not about the person.
	Excluded Verdict = "excluded"
	// Unknown is that the log has no word on it: the policy was younger, or the results may not be read.
	Unknown Verdict = "unknown"
)

// Impact is what the policy of an application would have done to the sign-ins of some days, and with one that is enforced what it
// did. It is for an administrator's eyes: it has names of people.
type Impact struct {
	Tenant mspkit.TenantID `json:"tenant"`
	Key    string          `json:"key"`
	// PolicyID and Policy are the policy's id and name, and Enforced whether it is enforced now.
	PolicyID string `json:"policyId"`
	Policy   string `json:"policy"`
	Enforced bool   `json:"enforced"`
	// From and To are the time that was looked at, To not included.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// SignIns are all sign-ins by people in a browser or app to the application, and Counts how many of them had which verdict.
	SignIns int             `json:"signIns"`
	Counts  map[Verdict]int `json:"counts"`
	// Users are the people, those first that are blocked most.
	Users []ImpactUser `json:"users"`
	// Token is what [Client.Enforce] wants as the proof that this report was made: it says which days, and holds a hash of all that
	// is here. It is no secret.
	Token string `json:"token,omitempty"`
}

// ImpactUser is what the policy would have done to one person.
type ImpactUser struct {
	// ID is the object id, Name what they sign in with.
	ID     string          `json:"id"`
	Name   string          `json:"name"`
	Counts map[Verdict]int `json:"counts"`
	// Last and LastAt are the last verdict that is known, and when that was.
	Last   Verdict   `json:"last"`
	LastAt time.Time `json:"lastAt"`
	// Blocked are the times of the last sign-ins that would have been blocked or interrupted, at most 10, the last first.
	Blocked []time.Time `json:"blocked,omitempty"`
}

// ImpactOptions configure [Client.Impact].
type ImpactOptions struct {
	// Period is how far to look back; 0 is 7 days. Entra keeps its log for 30.
	Period time.Duration
}

const (
	impactPeriod    = 7 * 24 * time.Hour
	maxImpactPeriod = 30 * 24 * time.Hour
	maxBlockedTimes = 10
)

// Impact reads the sign-in log and returns what the policy of Conditional Access would have done to sign-ins to the application. d
// is what was planned, with its Conditional. It writes nothing. It needs AuditLog.Read.All and Policy.Read.All: without the latter
// the log has no results, and all are [Unknown]. The log is some minutes late.
func (c *Client) Impact(ctx context.Context, id mspkit.TenantID, d Desired, o *ImpactOptions) (*Impact, error) {
	period := impactPeriod
	if o != nil && o.Period != 0 {
		period = o.Period
	}
	if period < time.Hour || period > maxImpactPeriod {
		return nil, fmt.Errorf("graphentra: the period is an hour to 30 days: %w", mspkit.ErrInvalid)
	}
	t, err := c.openConditional(ctx, id, &d)
	if err != nil {
		return nil, err
	}
	to := c.now().UTC().Truncate(time.Second)
	p, err := t.ownConditional(ctx, &d)
	if err != nil {
		return nil, t.failed("impact", nil, err)
	}
	i, err := t.impact(ctx, p, to.Add(-period).Truncate(time.Second), to)
	if err != nil {
		return nil, t.failed("impact", nil, err)
	}
	return i, nil
}

// openConditional begins a run about the policy.
func (c *Client) openConditional(ctx context.Context, id mspkit.TenantID, d *Desired) (*tenant, error) {
	if err := id.Validate(); err != nil {
		return nil, err
	}
	if err := d.Validate(); err != nil {
		return nil, err
	}
	if d.Conditional == nil {
		return nil, fmt.Errorf("graphentra: no Conditional Access is desired: %w", mspkit.ErrInvalid)
	}
	return c.open(ctx, id, d.Key, d.AppID, "")
}

// ownConditional returns our policy, which must be there.
func (t *tenant) ownConditional(ctx context.Context, d *Desired) (models.ConditionalAccessPolicyable, error) {
	p, err := t.conditional(ctx, d.Conditional.name(d))
	if err == nil && p == nil {
		return nil, because(ErrNotFound, nil, "There is no Conditional Access policy for the application: plan and apply one first.")
	}
	return p, err
}

// impact reads the log page by page and counts.
func (t *tenant) impact(ctx context.Context, p models.ConditionalAccessPolicyable, from, to time.Time) (*Impact, error) {
	appID, err := t.applicationID(ctx)
	if err != nil {
		return nil, err
	}
	have, err := t.conditionalFields(ctx, p)
	if err != nil {
		return nil, err
	}
	i := &Impact{
		Tenant: t.id, Key: t.key, PolicyID: text(p.GetId()), Policy: text(p.GetDisplayName()), Enforced: stateOf(p) == stateEnforced,
		From: from, To: to, Counts: map[Verdict]int{},
	}
	const form = "2006-01-02T15:04:05Z"
	filter := fmt.Sprintf("appId eq '%s' and createdDateTime ge %s and createdDateTime lt %s", strings.ToLower(appID), from.Format(form), to.Format(form))
	users, next := map[string]*ImpactUser{}, ""
	log := auditlogs.NewSignInsRequestBuilderInternal(maps.Clone(t.base), t.adapter)
	for n := 0; ; n++ {
		if n == maxPages {
			return nil, because(ErrRefused, nil, "There are more sign-ins than can be read: look at a shorter period.")
		}
		page, err := read(ctx, t, func(ctx context.Context) (models.SignInCollectionResponseable, error) {
			if next != "" {
				return log.WithUrl(next).Get(ctx, nil)
			}
			return log.Get(ctx, &auditlogs.SignInsRequestBuilderGetRequestConfiguration{QueryParameters: &auditlogs.SignInsRequestBuilderGetQueryParameters{Filter: &filter}})
		})
		if err != nil {
			return nil, logError(err)
		}
		if page == nil {
			return nil, fmt.Errorf("sign-ins: %w", errEmpty)
		}
		for _, s := range page.GetValue() {
			i.count(users, s)
		}
		if next = text(page.GetOdataNextLink()); next == "" {
			break
		}
	}
	for _, u := range users {
		slices.SortFunc(u.Blocked, func(a, b time.Time) int { return b.Compare(a) })
		u.Blocked = u.Blocked[:min(len(u.Blocked), maxBlockedTimes)]
		i.Users = append(i.Users, *u)
	}
	slices.SortFunc(i.Users, func(a, b ImpactUser) int {
		return cmp.Or(-cmp.Compare(a.Counts[Blocked], b.Counts[Blocked]), -cmp.Compare(a.Counts[Interrupted], b.Counts[Interrupted]), strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	i.Token = i.token(have)
	return i, nil
}

// logError says what is wrong where the log may not be read.
func logError(err error) error {
	if a, ok := errors.AsType[*answer](err); ok && a.code == "Authentication_RequestFromNonPremiumTenantOrB2CTenant" {
		return because(ErrLicence, err, "The sign-in log can be read with Microsoft Entra ID P1 only, which the tenant has no licence for.")
	}
	if a, ok := errors.AsType[*answer](err); ok && a.status == 403 {
		return because(ErrDenied, err, "The sign-in log may not be read: who calls needs AuditLog.Read.All and Policy.Read.All with admin consent, or, with a person who is signed in, the role Security Reader.")
	}
	return err
}

// count adds a sign-in.
func (i *Impact) count(users map[string]*ImpactUser, s models.SignInable) {
	if s == nil {
		return
	}
	v := Unknown
	for _, p := range s.GetAppliedConditionalAccessPolicies() {
		if strings.EqualFold(text(p.GetId()), i.PolicyID) && p.GetResult() != nil {
			v = verdict(*p.GetResult())
		}
	}
	i.SignIns++
	i.Counts[v]++
	id := strings.ToLower(text(s.GetUserId()))
	u := users[id]
	if u == nil {
		u = &ImpactUser{ID: id, Name: text(s.GetUserPrincipalName()), Counts: map[Verdict]int{}, Last: Unknown}
		users[id] = u
	}
	u.Counts[v]++
	at := time.Time{}
	if s.GetCreatedDateTime() != nil {
		at = s.GetCreatedDateTime().UTC()
	}
	if v == Blocked || v == Interrupted {
		u.Blocked = append(u.Blocked, at)
	}
	if v != Unknown && v != Excluded && (u.Last == Unknown || at.After(u.LastAt)) {
		u.Last, u.LastAt = v, at
	}
}

func verdict(r models.AppliedConditionalAccessPolicyResult) Verdict {
	switch r {
	case models.REPORTONLYSUCCESS_APPLIEDCONDITIONALACCESSPOLICYRESULT, models.SUCCESS_APPLIEDCONDITIONALACCESSPOLICYRESULT:
		return Passed
	case models.REPORTONLYFAILURE_APPLIEDCONDITIONALACCESSPOLICYRESULT, models.FAILURE_APPLIEDCONDITIONALACCESSPOLICYRESULT:
		return Blocked
	case models.REPORTONLYINTERRUPTED_APPLIEDCONDITIONALACCESSPOLICYRESULT:
		return Interrupted
	case models.REPORTONLYNOTAPPLIED_APPLIEDCONDITIONALACCESSPOLICYRESULT, models.NOTAPPLIED_APPLIEDCONDITIONALACCESSPOLICYRESULT:
		return Excluded
	case models.NOTENABLED_APPLIEDCONDITIONALACCESSPOLICYRESULT, models.UNKNOWN_APPLIEDCONDITIONALACCESSPOLICYRESULT, models.UNKNOWNFUTUREVALUE_APPLIEDCONDITIONALACCESSPOLICYRESULT:
	}
	return Unknown
}

const tokenVersion = "v1"

// token binds a report to its days, its policy as it was, and all that it says.
func (i *Impact) token(policy fields) string {
	bare := *i
	bare.Token = ""
	b, err := json.Marshal(struct {
		Impact *Impact
		Policy fields
	}{&bare, policy})
	if err != nil {
		panic(fmt.Sprintf("graphentra: impact: %v", err)) // values that can be encoded
	}
	sum := sha256.Sum256(b)
	return strings.Join([]string{tokenVersion, strconv.FormatInt(i.From.Unix(), 10), strconv.FormatInt(i.To.Unix(), 10), base64.RawURLEncoding.EncodeToString(sum[:])}, ".")
}

// parseToken returns the days that a report is about.
func parseToken(token string) (from, to time.Time, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 4 || parts[0] != tokenVersion || len(token) > 128 {
		return from, to, errToken
	}
	a, errA := strconv.ParseInt(parts[1], 10, 64)
	b, errB := strconv.ParseInt(parts[2], 10, 64)
	sum, errSum := base64.RawURLEncoding.DecodeString(parts[3])
	if errA != nil || errB != nil || errSum != nil || len(sum) != sha256.Size {
		return from, to, errToken
	}
	from, to = time.Unix(a, 0).UTC(), time.Unix(b, 0).UTC()
	if period := to.Sub(from); a < 0 || b < 0 || period < time.Hour || period > maxImpactPeriod {
		return from, to, errToken
	}
	return from, to, nil
}

var errToken = errors.New("this is no token of a report")

// String is what [Impact.Print] writes.
func (i *Impact) String() string {
	var b strings.Builder
	_ = i.Print(&b)
	return b.String()
}

// Print writes the report for people: the counts, and a line for each person who would have been blocked or interrupted.
func (i *Impact) Print(w io.Writer) error {
	var b bytes.Buffer
	const day = "2006-01-02 15:04"
	would := "would have"
	if i.Enforced {
		would = "has"
	}
	fmt.Fprintf(&b, "Conditional Access policy %q for %s (%s), sign-ins from %s to %s UTC:\n", visible(i.Policy), visible(string(i.Tenant)), visible(i.Key), i.From.Format(day), i.To.Format(day))
	fmt.Fprintf(&b, "    %d sign-ins: it %s blocked %d, interrupted %d, let %d pass; %d were excluded, of %d nothing is known.\n",
		i.SignIns, would, i.Counts[Blocked], i.Counts[Interrupted], i.Counts[Passed], i.Counts[Excluded], i.Counts[Unknown])
	for _, u := range i.Users {
		if u.Counts[Blocked]+u.Counts[Interrupted] == 0 {
			continue
		}
		fmt.Fprintf(&b, "    ! %s: blocked %d, interrupted %d, passed %d; the last time %s, %s.\n",
			visible(cmp.Or(u.Name, u.ID)), u.Counts[Blocked], u.Counts[Interrupted], u.Counts[Passed], u.Last, u.LastAt.Format(day))
	}
	_, err := w.Write(b.Bytes())
	return err
}
