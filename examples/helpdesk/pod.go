package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/verify"
)

// podPath is where the compact view is that a ticket system shows in a frame beside the ticket.
const podPath = "/pod"

const (
	// launchFor is how long the address of the frame is good: long enough to load it, and too short for a log.
	launchFor = time.Minute
	// podFor is how long an opened frame may be used after it last asked for news, which renews its session.
	podFor = 30 * time.Minute
)

// pod is the compact view: verify, send, and prove to the caller who one is, for one technician and one ticket.
//
// Nothing but the launch in its address opens it. The page exchanges that for a session, which it keeps in memory and sends
// with each request: within a frame of another site there are no cookies to rely on, and none that a foreign page could use.
type pod struct {
	a        *app
	launches *psa.Launches
	sessions *psa.Launches
	site     *webpage.Site
}

func (a *app) openPod(ring *mspkit.KeyRing) (err error) {
	d := &pod{a: a}
	if d.launches, err = psa.NewLaunches(ring, "pod"); err != nil {
		return err
	}
	if d.sessions, err = psa.NewLaunches(ring, "pod-session"); err != nil {
		return err
	}
	var folders [3]fs.FS
	for i, name := range []string{"web/texts", "web/templates", "web/assets"} {
		if folders[i], err = fs.Sub(web, name); err != nil {
			return err
		}
	}
	catalog, err := webpage.LoadCatalog(folders[0])
	if err != nil {
		return err
	}
	routes := []webpage.Route{
		{Name: "pod", Method: "GET", Pattern: "/{$}", Kind: webpage.PageKind, Script: true, Connect: true, FrameAncestors: a.cfg.podOrigins, Handler: d.page},
		{Name: "pod-state", Method: "POST", Pattern: "/state", Kind: webpage.FormKind, Handler: a.action(d.who, d.state)},
	}
	for name, do := range map[string]func(*http.Request, person, technician) (any, error){
		"start": a.doStart, "check": a.doCheck, "renew": a.doRenew, "cancel": a.doCancel, "redeem": a.doRedeem, "approve": a.doApprove,
		"technician": a.doTechnician, "unfreeze": a.doUnfreeze, "unlock": a.doUnlock, "freeze": a.doFreeze,
		"grant": a.doGrant, "ask": a.doAsk, "send-renew": a.doSendRenew, "send-revoke": a.doSendRevoke, "receive": a.doReceive, "received": a.doReceived,
	} {
		routes = append(routes, webpage.Route{Name: "pod-" + name, Method: "POST", Pattern: "/" + name, Kind: webpage.FormKind, Handler: a.action(d.who, do)})
	}
	for _, r := range a.sendRoutes("", d.who) {
		r.Name = "pod-" + r.Name
		routes = append(routes, r)
	}
	// Who may what is asked where the session is read: see [pod.resolve].
	if routes, err = guarded(routes, func(next http.Handler) http.Handler { return next }); err != nil {
		return err
	}
	a.routes = append(a.routes, routes...)
	d.site, err = webpage.New(routes, &webpage.Options{Templates: folders[1], Assets: folders[2], Catalog: catalog, Logger: a.cfg.log})
	if err != nil {
		return err
	}
	a.pod = d
	a.handle(podPath+"/", http.StripPrefix(podPath, d.site))
	return nil
}

// address returns the address of the frame for a technician and a person's ticket. The ticket system's page asks the host
// for it each time that it shows the ticket to a technician whom the host knows.
func (d *pod) address(p person, t technician) (string, error) {
	tok, err := d.launches.Sign(psa.Launch{Tenant: p.Tenant, Technician: t.ID, Ticket: p.Ticket, Contact: p.ID}, launchFor, d.a.now())
	if err != nil {
		return "", err
	}
	return or(d.a.cfg.publicURL, d.a.cfg.url) + podPath + "/?launch=" + tok, nil
}

// page opens the launch and hands the page its session.
func (d *pod) page(w http.ResponseWriter, r *http.Request) {
	data := struct{ Session, Ticket, Technician, Fault string }{}
	l, err := d.launches.Open(r.URL.Query().Get("launch"), d.a.now())
	if err == nil {
		var t technician
		_, t, err = d.resolve(r.Context(), l)
		data.Ticket, data.Technician = l.Ticket.ID, t.Name
	}
	if err == nil {
		data.Session, err = d.sessions.Sign(l, podFor, d.a.now())
	}
	status := http.StatusOK
	switch {
	case errors.Is(err, psa.ErrLaunchExpired):
		status, data.Fault = http.StatusForbidden, "This address was good for a minute. Reload the ticket, and it opens again."
	case errors.Is(err, entra.ErrForbidden):
		status, data.Fault = http.StatusForbidden, notAllowed
	case err != nil:
		status, data.Fault = http.StatusForbidden, "This view opens from a ticket only."
	}
	d.site.Render(w, r, webpage.Page{Template: "pod", Brand: plainBrand, Locale: "en", Status: status, Data: data})
}

// who is the resolver of the frame: the session says who works for whom and on what, and what the form names must belong to
// that.
func (d *pod) who(ctx context.Context, f url.Values) (person, technician, error) {
	l, err := d.sessions.Open(f.Get("session"), d.a.now())
	if err != nil {
		return person{}, technician{}, errors.New("This view has expired. Reload the ticket.") //nolint:staticcheck,revive // a sentence for the page
	}
	p, t, err := d.resolve(ctx, l)
	for _, field := range []string{"id", "replaces"} {
		for _, id := range f[field] {
			if err != nil || id == "" {
				continue
			}
			mine, problem := d.mine(ctx, p, id)
			if problem != nil {
				err = errors.New("It could not be looked up.") //nolint:staticcheck,revive // a sentence for the page
			} else if !mine {
				err = errors.New("This belongs to another ticket.") //nolint:staticcheck,revive // a sentence for the page
			}
		}
	}
	return p, t, err
}

// resolve finds out whom a launch is for, and whether they may now what the route needs: a launch is only as good as the
// account that it was signed for.
func (d *pod) resolve(ctx context.Context, l psa.Launch) (person, technician, error) {
	p, ok := d.a.person(l.Tenant, l.Contact)
	t, known := d.a.technician(ctx, l.Technician)
	if s := servedOf(ctx); known {
		if lacking, yes := s.lacks(t.user); yes {
			d.a.forbidden(ctx, t.user, s.route, lacking)
			return p, t, entra.ErrForbidden
		}
	}
	if !ok || !known {
		return p, t, errors.New("The person or the technician of this ticket is not here any more.") //nolint:staticcheck,revive // a sentence for the page
	}
	p.Ticket = l.Ticket
	return p, t, nil
}

// mine reports whether a verification, send or request belongs to the ticket and person of the session.
func (d *pod) mine(ctx context.Context, p person, id string) (bool, error) {
	c, err := d.a.verify.Get(ctx, verify.Ref{Tenant: p.Tenant, ID: id}, "")
	if !errors.Is(err, verify.ErrNotFound) {
		return err == nil && c.Ticket == p.Ticket && c.Subject == p.ID, err
	}
	s, err := d.a.sends.Status(ctx, securesend.Ref{Tenant: p.Tenant, ID: id}, "")
	if errors.Is(err, securesend.ErrNotFound) {
		return false, nil
	}
	return err == nil && s.Ticket == p.Ticket && s.Subject == p.ID, err
}

// state is what the frame shows: the person, without their devices, and what belongs to the ticket.
func (d *pod) state(r *http.Request, p person, t technician) (any, error) {
	j, err := d.a.describe(r, p, t, true)
	if err != nil {
		d.a.cfg.log.ErrorContext(r.Context(), "helpdesk: pod", slog.Any("error", err))
		return nil, errors.New("The state could not be read.") //nolint:staticcheck,revive // a sentence for the page
	}
	j.Messages, j.Chat, j.Notes, j.Hint = []messageJSON{}, []chatJSON{}, []noteJSON{}, ""
	j.History = ofTicket(j.History, p.Ticket, func(c challengeJSON) string { return c.Ticket })
	j.Sends = ofTicket(j.Sends, p.Ticket, func(s sendJSON) string { return s.Ticket })
	session, err := d.sessions.Sign(psa.Launch{Tenant: p.Tenant, Technician: t.ID, Ticket: p.Ticket, Contact: p.ID}, podFor, d.a.now())
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"session": session, "me": whoOf(t), "people": []personJSON{}, "person": j, "now": d.a.now().UnixMilli(),
	}, nil
}

func ofTicket[T any](list []T, ticket mspkit.Ticket, of func(T) string) []T {
	out := []T{}
	for _, v := range list {
		if of(v) == ticket.String() {
			out = append(out, v)
		}
	}
	return out
}

// podOrigins reads the origins that may show the frame.
func podOrigins(s string) ([]string, error) {
	var out []string
	for o := range strings.FieldsSeq(strings.ReplaceAll(s, ",", " ")) {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.ContainsAny(u.Host, "*;'\"") {
			return nil, fmt.Errorf("MSPKIT_POD_ORIGINS: %q is not an https origin such as https://na.myconnectwise.net", o)
		}
		out = append(out, o)
	}
	return out, nil
}
