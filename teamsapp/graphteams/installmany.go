package graphteams

import (
	"context"
	"errors"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphx"
)

// Outcome is what became of one person.
type Outcome string

// The outcomes of [Client.InstallMany] and [Client.UninstallMany].
const (
	// OutcomeInstalled had not had the app and has it now.
	OutcomeInstalled Outcome = "installed"
	// OutcomeAlready had it before, possibly by this run before it was interrupted.
	OutcomeAlready Outcome = "already"
	// OutcomeUpgraded had another version and has that of the catalog now.
	OutcomeUpgraded Outcome = "upgraded"
	// OutcomeBlocked may not have the app by a policy of the tenant.
	OutcomeBlocked Outcome = "blocked"
	// OutcomeNotLicensed has no licence for Teams.
	OutcomeNotLicensed Outcome = "not licensed"
	// OutcomeFailed did not work for another reason, which Err has.
	OutcomeFailed Outcome = "failed"
	// OutcomeRemoved had the app and has it no more.
	OutcomeRemoved Outcome = "removed"
	// OutcomeAbsent did not have it when it was to be removed.
	OutcomeAbsent Outcome = "absent"
)

// PersonReport is what became of one person.
type PersonReport struct {
	// User is the object id, or what Audience.Users has.
	User    string
	Outcome Outcome
	// Advice is what an administrator can do, empty where nothing is to be done.
	Advice string
	// Err is why, where the outcome is [OutcomeBlocked], [OutcomeNotLicensed] or [OutcomeFailed].
	Err error
}

// Counts is how many people had each outcome. Somebody who was done again after an interruption counts once.
type Counts struct {
	Installed   int `json:"i,omitempty"`
	Already     int `json:"a,omitempty"`
	Upgraded    int `json:"u,omitempty"`
	Blocked     int `json:"b,omitempty"`
	NotLicensed int `json:"n,omitempty"`
	Failed      int `json:"f,omitempty"`
	Removed     int `json:"r,omitempty"`
	Absent      int `json:"s,omitempty"`
	// LeftOut are guests and accounts that are switched off; they are not reported.
	LeftOut int `json:"l,omitempty"`
}

// Done is how many people were reported.
func (c Counts) Done() int {
	return c.Installed + c.Already + c.Upgraded + c.Blocked + c.NotLicensed + c.Failed + c.Removed + c.Absent
}

func (c Counts) sound() bool {
	return min(c.Installed, c.Already, c.Upgraded, c.Blocked, c.NotLicensed, c.Failed, c.Removed, c.Absent, c.LeftOut) >= 0
}

func (c *Counts) add(o Outcome) {
	switch o {
	case OutcomeInstalled:
		c.Installed++
	case OutcomeAlready:
		c.Already++
	case OutcomeUpgraded:
		c.Upgraded++
	case OutcomeBlocked:
		c.Blocked++
	case OutcomeNotLicensed:
		c.NotLicensed++
	case OutcomeFailed:
		c.Failed++
	case OutcomeRemoved:
		c.Removed++
	case OutcomeAbsent:
		c.Absent++
	}
}

// Progress is how far a run has come.
type Progress struct {
	Counts Counts
	// Total is about how many people there are; 0 is unknown. Counts.Done may end beside it.
	Total int
	// Rate is people a second since this call began, Remaining how long the rest takes at that; 0 is unknown.
	Rate      float64
	Remaining time.Duration
}

// ManyRequest says what to do for many people. Tenant, App and Audience are required.
type ManyRequest struct {
	Tenant mspkit.TenantID
	// App is an app of the catalog, as [Client.Find] and [Client.Publish] return it.
	App      App
	Audience Audience
	// Upgrade brings the version of App, which must be known, to people who have another one. It costs a request more for
	// everybody who has the app. Removing does not use it.
	Upgrade bool
	// From is where an interrupted run stood; empty begins.
	From Checkpoint
	// Report is told of each person, one at a time and in no order. It is told of everybody at least once: after a crash the
	// people since the last checkpoint, 100 at most, are told again, mostly as [OutcomeAlready] then. An error ends the run. Nil is
	// fine.
	Report func(ctx context.Context, p PersonReport) error
	// Save keeps where the run stands, after all before were reported. An error ends the run. Nil is fine.
	Save func(ctx context.Context, at Checkpoint) error
	// Progress is told after every 20 people. Nil is fine.
	Progress func(p Progress)
}

func (r *ManyRequest) validate(k runKind) error {
	errs := []error{r.Tenant.Validate(), r.App.validate(), r.Audience.validate()}
	if r.App.ManifestID == "" && (r.Upgrade || k == runRemove) {
		errs = append(errs, because(mspkit.ErrInvalid, nil, "The app's ManifestID is needed: take what Find or Publish returned."))
	}
	if r.Upgrade && r.App.Version == "" {
		errs = append(errs, because(mspkit.ErrInvalid, nil, "To upgrade, the app's Version is needed: take what Find or Publish returned."))
	}
	return errors.Join(errs...)
}

// runKind is what is done to people.
type runKind string

const (
	runInstall runKind = "install"
	runRemove  runKind = "remove"
)

func (k runKind) op() string {
	if k == runRemove {
		return "uninstall the app for many"
	}
	return "install the app for many"
}

// InstallMany installs an app for many people, 20 a request and some requests at once, within the limits of Graph: about 30
// people a second and tenant. It is for more people than fit into memory: of the audience a page is kept.
//
// What fails for one person does not stop the others; their report says why. It stops at once, with the reason, where nobody can
// have the app: consent or a permission is missing, the app is not in the catalog. What fails for the moment is repeated for
// some minutes; then, and at the end of ctx, the run ends and goes on later From the last checkpoint, which the return value is
// too. Nobody is skipped then. A listing that Graph has forgotten meanwhile begins again, which is harmless.
//
// It needs what [Client.Install] and [Audience] need. Without User.Read.All somebody without a licence is told as failed.
func (c *Client) InstallMany(ctx context.Context, r ManyRequest) (Checkpoint, Counts, error) {
	return c.many(ctx, runInstall, &r)
}

// UninstallMany is [Client.InstallMany] for removing, at 15 people a second. With the permission for its own apps see
// [Client.Installed]: people may be told as [OutcomeAbsent] who have the app.
func (c *Client) UninstallMany(ctx context.Context, r ManyRequest) (Checkpoint, Counts, error) {
	return c.many(ctx, runRemove, &r)
}

func (c *Client) many(ctx context.Context, k runKind, r *ManyRequest) (Checkpoint, Counts, error) {
	err := errors.Join(r.validate(k), c.mayInstall())
	st, owner := runState{}, []string(nil)
	if err == nil {
		owner = k.owner(r)
		st, err = decodeRun(r, owner)
	}
	if err != nil {
		return r.From, Counts{}, c.failed(k.op(), r.Tenant, "", err)
	}
	run := &manyRun{c: c, kind: k, r: r, owner: owner, at: st, saved: r.From, began: c.o.Now()}
	err = run.run(ctx)
	return run.saved, run.at.Counts, err
}

// manyRun is one call of many.
type manyRun struct {
	c     *Client
	kind  runKind
	r     *ManyRequest
	owner []string // of checkpoints
	at    runState // at the last checkpoint, but for Counts, which are of everybody who was reported
	saved Checkpoint
	began time.Time
	// before is how many were done when the run began, refused how many nobody can tell from all others.
	before, refused int
}

func (m *manyRun) run(ctx context.Context) error {
	if m.at.Over {
		return nil
	}
	m.before = m.at.Counts.Done()
	if !m.at.Begun {
		m.at.Begun = true
		m.at.Total = m.c.total(ctx, m.r)
	}
	restarted := false
	for !m.at.Over {
		var p page
		err := m.c.patiently(ctx, func() (err error) {
			p, err = m.c.page(ctx, m.r, &m.at)
			return err
		})
		if errors.Is(err, graphx.ErrResync) && m.at.Query != "" && !restarted {
			// Who was done is told again, and counted anew.
			restarted = true
			m.at.Query, m.at.Pages, m.at.Counts, m.before = "", 0, Counts{}, 0
			continue
		}
		if errors.Is(err, graphx.ErrNotFound) && m.r.Audience.Group != "" {
			err = because(ErrRefused, err, "Check the id of the group: no group of this id is in the tenant.")
		}
		if err != nil {
			return m.c.failed("list the people", m.r.Tenant, m.r.Audience.needs(), err)
		}
		if err := m.page(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// page does all people of a page and keeps where the run stands then.
func (m *manyRun) page(ctx context.Context, p page) error {
	counts := m.at.Counts // before a page that may be done again
	m.at.Counts.LeftOut += p.leftOut
	if err := m.people(ctx, p.people); err != nil {
		m.at.Counts = counts
		return err
	}
	next := m.at
	next.Query, next.Over = p.query, p.last
	next.Pages++
	if len(m.r.Audience.Users) > 0 {
		next.At += len(p.people)
	}
	at, err := next.encode(m.owner)
	if err == nil && m.r.Save != nil {
		err = m.r.Save(ctx, at)
	}
	if err != nil {
		m.at.Counts = counts
		return m.c.failed("keep where the run stands", m.r.Tenant, "", because(ErrTemporary, err, "Look at where the host keeps checkpoints, then go on from the last one."))
	}
	m.at, m.saved = next, at
	return nil
}

// report tells the host of some people.
func (m *manyRun) report(ctx context.Context, reports []PersonReport) error {
	for _, p := range reports {
		if m.r.Report != nil {
			if err := m.r.Report(ctx, p); err != nil {
				return m.c.failed("report a person", m.r.Tenant, "", because(ErrTemporary, err, "Look at where the host keeps reports, then go on from the last checkpoint."))
			}
		}
		m.at.Counts.add(p.Outcome)
	}
	if m.r.Progress != nil {
		m.r.Progress(m.progress())
	}
	return nil
}

func (m *manyRun) progress() Progress {
	p := Progress{Counts: m.at.Counts, Total: m.at.Total}
	took, done := m.c.o.Now().Sub(m.began).Seconds(), m.at.Counts.Done()
	if took > 0 {
		p.Rate = float64(max(done-m.before, 0)) / took
	}
	if p.Rate > 0 && p.Total > done {
		p.Remaining = time.Duration(float64(p.Total-done) / p.Rate * float64(time.Second))
	}
	return p
}
