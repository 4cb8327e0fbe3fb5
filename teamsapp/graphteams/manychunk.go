package graphteams

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/internal/httpx"
)

// maxBatch is how many people are in a request. Those of a page go out side by side.
//
// Source: https://learn.microsoft.com/graph/json-batching.
const maxBatch = 20

// patience is how often a call is made that fails for the moment. Each is repeated for a minute by itself already.
const patience = 6

// passing reports whether a later try may succeed without anybody doing anything.
func passing(err error) bool {
	if err == nil {
		return false
	}
	if g, ok := errors.AsType[*graphx.Error](err); ok {
		return g.Status == http.StatusTooManyRequests || g.Status == http.StatusRequestTimeout ||
			g.Status >= http.StatusInternalServerError && g.Status != http.StatusNotImplemented
	}
	if auth, ok := errors.AsType[*graphx.AuthError](err); ok {
		return auth.Temporary
	}
	if _, ok := errors.AsType[*httpx.Error](err); ok {
		return !errors.Is(err, httpx.ErrRedirect) && !errors.Is(err, httpx.ErrOrigin) && !errors.Is(err, httpx.ErrAddress)
	}
	return errors.Is(err, graphx.ErrAnswer) && !errors.Is(err, graphx.ErrTooBig) || errors.Is(err, context.DeadlineExceeded)
}

// pause waits after a try, counted from 0, as long as Microsoft asks or longer each time. The error is that of ctx.
func (c *Client) pause(ctx context.Context, asked time.Duration, try int) error {
	d := asked
	if d <= 0 {
		d = c.o.Retry.RetryDelay
		if d <= 0 {
			d = 2 * time.Second
		}
		d <<= try
	}
	return sleep(ctx, min(d, 5*time.Minute))
}

func askedFor(err error) time.Duration {
	if g, ok := errors.AsType[*graphx.Error](err); ok {
		return g.RetryAfter
	}
	return 0
}

// patiently calls f until it succeeds or fails for good.
func (c *Client) patiently(ctx context.Context, f func() error) error {
	for try := 0; ; try++ {
		err := f()
		if ctx.Err() != nil && err != nil {
			return ctx.Err()
		}
		if !passing(err) || try == patience-1 {
			return err
		}
		if err := c.pause(ctx, askedFor(err), try); err != nil {
			return err
		}
	}
}

// batch sends items, which must do no harm twice, and has a result for each. What fails for the moment is repeated. An error says
// that nothing more can be done now: the tenant cannot be reached, or lets nobody in, or is still throttled.
func (c *Client) batch(ctx context.Context, tenant mspkit.TenantID, w graphx.Workload, items []graphx.BatchItem) ([]graphx.BatchResult, error) {
	out := make([]graphx.BatchResult, len(items))
	left := make([]int, len(items))
	for n := range left {
		left[n] = n
	}
	for try := 0; len(left) > 0; try++ {
		some := make([]graphx.BatchItem, len(left))
		for j, n := range left {
			some[j] = items[n]
		}
		res, err := c.graph.Batch(ctx, tenant, w, some)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil && !passing(err) {
			return nil, err
		}
		asked, throttled := askedFor(err), err
		if err == nil {
			var again []int
			for j, n := range left {
				out[n] = res[j]
				if !passing(res[j].Err) {
					continue
				}
				again = append(again, n)
				asked = max(asked, askedFor(res[j].Err))
				if errors.Is(res[j].Err, graphx.ErrThrottled) {
					throttled = res[j].Err
				}
			}
			left = again
		}
		if len(left) == 0 {
			break
		}
		if try == patience-1 {
			return out, throttled // nil where some people fail on their own
		}
		if err := c.pause(ctx, asked, try); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// chunk is what became of up to 20 people.
type chunk struct {
	reports []PersonReport
	// through says that somebody got as far as only those come who are permitted to. refused are answers that would be the same
	// for everybody if nobody did.
	through bool
	refused []error
	err     error
}

// people does the people of a page.
func (m *manyRun) people(ctx context.Context, list []target) error {
	if m.kind == runInstall {
		var without []PersonReport
		list = slices.DeleteFunc(list, func(t target) bool {
			if !t.who.unlicensed() {
				return false
			}
			without = append(without, m.failure(t.user, because(ErrNotLicensed, nil, "%s", adviceLicence)))
			return true
		})
		if err := m.report(ctx, without); err != nil {
			return err
		}
	}
	chunks := slices.Collect(slices.Chunk(list, maxBatch))
	for len(chunks) > 0 && !m.at.Proven { // as long as nobody got through the next 20 might fail for the same reason
		if err := m.settle(ctx, m.do(ctx, chunks[0])); err != nil {
			return err
		}
		chunks = chunks[1:]
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		work sync.WaitGroup
		done = make(chan chunk, len(chunks))
		errs []error
	)
	for _, some := range chunks {
		work.Go(func() { done <- m.do(ctx, some) })
	}
	for range chunks {
		if err := m.settle(ctx, <-done); err != nil && len(errs) == 0 {
			errs = append(errs, err)
			cancel()
		}
	}
	work.Wait()
	return errors.Join(errs...)
}

func (m *manyRun) do(ctx context.Context, list []target) chunk {
	if m.kind == runRemove {
		return m.remove(ctx, list)
	}
	return m.install(ctx, list)
}

// enough is how many refusals that may be anybody's, with nobody who got through, end a run.
const enough = 5

// settle reports what became of people, or says why the run must end.
func (m *manyRun) settle(ctx context.Context, ch chunk) error {
	m.at.Proven = m.at.Proven || ch.through
	if ch.err == nil && len(ch.refused) > 0 && !ch.through {
		m.refused += len(ch.refused)
		switch scope := errors.Is(ch.refused[0], ErrScope); {
		case !m.at.Proven && (scope || m.refused >= enough), scope && len(ch.refused) >= enough:
			ch.err = ch.refused[0]
		default: // few, or nobody of these though others before: are they let in at all?
			at, _ := userSegment(ch.reports[0].User)
			if _, err := m.c.look(ctx, m.r.Tenant, m.r.App, at); errors.Is(err, graphx.ErrDenied) || errors.Is(err, graphx.ErrConsent) {
				ch.err = err
			}
		}
	}
	if ch.err != nil {
		return m.c.failed(m.kind.op(), m.r.Tenant, needsInstall, ch.err)
	}
	return m.report(ctx, ch.reports)
}

// failure makes the report of somebody for whom it did not work.
func (m *manyRun) failure(user string, why error) PersonReport {
	p := PersonReport{User: user}
	p.Err = m.c.failed(m.kind.verb(), m.r.Tenant, needsInstall, why)
	p.Advice = Explain(p.Err)
	switch {
	case errors.Is(why, ErrBlocked):
		p.Outcome = OutcomeBlocked
	case errors.Is(why, ErrNotLicensed):
		p.Outcome = OutcomeNotLicensed
	default:
		p.Outcome = OutcomeFailed
	}
	return p
}

func (k runKind) verb() string {
	if k == runRemove {
		return "uninstall the app"
	}
	return opInstall
}

func (m *manyRun) items(list []target, method, suffix string, body any) []graphx.BatchItem {
	items := make([]graphx.BatchItem, len(list))
	for i, t := range list {
		at, _ := userSegment(t.user) // was checked
		items[i] = graphx.BatchItem{Method: method, URL: installsOf(at) + suffix, Body: body, Idempotent: true}
	}
	return items
}

// install installs for up to 20 people.
func (m *manyRun) install(ctx context.Context, list []target) chunk {
	answers, err := m.c.batch(ctx, m.r.Tenant, graphx.TeamsApps, m.items(list, http.MethodPost, "", m.c.binding(m.r.App)))
	if err != nil {
		return chunk{err: err}
	}
	ch := chunk{reports: make([]PersonReport, len(list))}
	var have, unclear []int
	for i, a := range answers {
		user := list[i].user
		switch code := byCode(a.Err); {
		case a.Err == nil:
			ch.through = true
			ch.reports[i] = PersonReport{User: user, Outcome: OutcomeInstalled}
		case hasStatus(a.Err, http.StatusConflict):
			ch.through = true
			have = append(have, i)
			ch.reports[i] = PersonReport{User: user, Outcome: OutcomeAlready}
		case errors.Is(code, ErrBlocked):
			ch.through = true
			ch.reports[i] = m.failure(user, code)
		case code != nil: // the app is not for people
			ch.refused = append(ch.refused, code)
			ch.reports[i] = m.failure(user, code)
		case errors.Is(a.Err, graphx.ErrToken), errors.Is(a.Err, graphx.ErrConsent):
			return chunk{err: a.Err}
		case hasStatus(a.Err, http.StatusForbidden), hasStatus(a.Err, http.StatusNotFound):
			unclear = append(unclear, i)
		default:
			ch.reports[i] = m.failure(user, a.Err)
		}
	}
	if err := m.explain(ctx, list, answers, unclear, &ch); err != nil {
		return chunk{err: err}
	}
	if m.r.Upgrade && len(have) > 0 {
		if err := m.upgrade(ctx, list, have, &ch); err != nil {
			return chunk{err: err}
		}
	}
	return ch
}

// explain looks up what a 403 or 404 means for those of unclear.
func (m *manyRun) explain(ctx context.Context, list []target, answers []graphx.BatchResult, unclear []int, ch *chunk) error {
	if len(unclear) == 0 {
		return nil
	}
	items := make([]graphx.BatchItem, len(unclear))
	for j, i := range unclear {
		at, _ := userSegment(list[i].user)
		items[j] = graphx.BatchItem{URL: "/users/" + at + "?%24select=" + personFields}
	}
	people, err := m.c.batch(ctx, m.r.Tenant, graphx.Directory, items)
	if err != nil && !errors.Is(err, graphx.ErrDenied) {
		return err
	}
	var lost error
	for j, i := range unclear {
		var who *person
		perr := err
		if perr == nil {
			perr = people[j].Err
		}
		if perr == nil {
			who = &person{}
			if json.Unmarshal(people[j].Body, who) != nil {
				who, perr = nil, graphx.ErrAnswer
			}
		}
		verdict, ok := byPerson(answers[i].Err, who, perr)
		switch {
		case ok:
		case hasStatus(answers[i].Err, http.StatusForbidden):
			ch.refused = append(ch.refused, answers[i].Err)
		case who != nil:
			if lost == nil {
				lost = m.c.notFound(ctx, m.r.Tenant, m.r.App, answers[i].Err) // the app is the same for all
			}
			switch verdict = lost; {
			case errors.Is(verdict, ErrNotPublished):
				return verdict
			case errors.Is(verdict, ErrRefused):
				ch.refused = append(ch.refused, verdict)
			}
		}
		ch.reports[i] = m.failure(list[i].user, verdict)
	}
	return nil
}

// upgrade brings the app's version to those of have who have another one.
func (m *manyRun) upgrade(ctx context.Context, list []target, have []int, ch *chunk) error {
	some := make([]target, len(have))
	for j, i := range have {
		some[j] = list[i]
	}
	found, err := m.find(ctx, some)
	if err != nil {
		return err
	}
	var (
		items []graphx.BatchItem
		of    []int
	)
	for j, i := range have {
		switch f := found[j]; {
		case f.err != nil:
			ch.reports[i] = m.failure(list[i].user, f.err)
		case f.ID != "" && f.Version != m.r.App.Version:
			at, _ := userSegment(list[i].user)
			items = append(items, graphx.BatchItem{
				Method: http.MethodPost, URL: installsOf(at) + "/" + graphx.Segment(f.ID) + "/upgrade", Idempotent: true,
			})
			of = append(of, i)
		}
	}
	answers, err := m.c.batch(ctx, m.r.Tenant, graphx.TeamsApps, items)
	if err != nil {
		return err
	}
	for j, a := range answers {
		if a.Err != nil {
			ch.reports[of[j]] = m.failure(list[of[j]].user, a.Err)
			continue
		}
		ch.reports[of[j]] = PersonReport{User: list[of[j]].user, Outcome: OutcomeUpgraded}
	}
	return nil
}

// foundInstall is the installation of somebody, without an ID where there is none.
type foundInstall struct {
	Installation

	err error
}

// find looks for the app of up to 20 people.
func (m *manyRun) find(ctx context.Context, list []target) ([]foundInstall, error) {
	answers, err := m.c.batch(ctx, m.r.Tenant, graphx.TeamsApps, m.items(list, http.MethodGet, "?"+lookQuery(m.r.App).Encode(), nil))
	if err != nil {
		return nil, err
	}
	out := make([]foundInstall, len(list))
	for i, a := range answers {
		if out[i].err = a.Err; a.Err != nil {
			continue
		}
		var p struct {
			Value []wireInstallation `json:"value"`
		}
		if err := json.Unmarshal(a.Body, &p); err != nil {
			out[i].err = graphx.ErrAnswer
			continue
		}
		for _, w := range p.Value {
			if w.is(m.r.App) && (out[i].ID == "" || w.exactly(m.r.App)) {
				out[i].Installation = w.installation(m.r.App)
			}
		}
	}
	return out, nil
}

// remove removes for up to 20 people.
func (m *manyRun) remove(ctx context.Context, list []target) chunk {
	found, err := m.find(ctx, list)
	if err != nil {
		return chunk{err: err}
	}
	ch := chunk{reports: make([]PersonReport, len(list))}
	var (
		items []graphx.BatchItem
		of    []int
	)
	for i, f := range found {
		user := list[i].user
		switch {
		case errors.Is(f.err, graphx.ErrToken), errors.Is(f.err, graphx.ErrConsent):
			return chunk{err: f.err}
		case errors.Is(f.err, graphx.ErrDenied):
			ch.refused = append(ch.refused, f.err)
			ch.reports[i] = m.failure(user, f.err)
		case hasStatus(f.err, http.StatusNotFound), f.err == nil && f.ID == "":
			ch.through = ch.through || f.err == nil
			ch.reports[i] = PersonReport{User: user, Outcome: OutcomeAbsent}
		case f.err != nil:
			ch.reports[i] = m.failure(user, f.err)
		default:
			ch.through = true
			at, _ := userSegment(user)
			items = append(items, graphx.BatchItem{Method: http.MethodDelete, URL: installsOf(at) + "/" + graphx.Segment(f.ID)})
			of = append(of, i)
		}
	}
	answers, err := m.c.batch(ctx, m.r.Tenant, graphx.TeamsAppsDelete, items)
	if err != nil {
		return chunk{err: err}
	}
	for j, a := range answers {
		if a.Err != nil && !hasStatus(a.Err, http.StatusNotFound) {
			ch.reports[of[j]] = m.failure(list[of[j]].user, a.Err)
			continue
		}
		ch.reports[of[j]] = PersonReport{User: list[of[j]].user, Outcome: OutcomeRemoved}
	}
	return ch
}
