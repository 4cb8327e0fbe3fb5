package main

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/verify"
)

//go:embed web web/templates/_who.html
var web embed.FS

// portal serves the technician's page and its small API. A real host has its own software here.
func (a *app) portal() (*webpage.Site, error) {
	var folders [3]fs.FS
	for i, name := range []string{"web/texts", "web/templates", "web/assets"} {
		var err error
		if folders[i], err = fs.Sub(web, name); err != nil {
			return nil, err
		}
	}
	catalog, err := webpage.LoadCatalog(folders[0])
	if err != nil {
		return nil, err
	}
	var site *webpage.Site
	routes := []webpage.Route{
		{Name: "portal", Method: "GET", Pattern: "/{$}", Kind: webpage.PageKind, Script: true, Connect: true, Handler: func(w http.ResponseWriter, r *http.Request) {
			site.Render(w, r, webpage.Page{Template: "portal", Brand: plainBrand, Locale: "en", Data: portalPage{whoIs(r)}})
		}},
		{Name: "state", Method: "GET", Pattern: "/api/state", Kind: webpage.APIKind, Handler: a.serveState},
	}
	routes = append(routes, a.sendRoutes("/api", a.signedIn)...)
	routes = append(routes, a.settingsRoutes(&site)...)
	routes = append(routes, a.psaRoutes(&site)...)
	routes = append(routes, a.officeRoutes(&site)...)
	routes = append(routes, a.teamsRoutes(&site)...)
	routes = append(routes, a.ticketRoutes(&site)...)
	routes = append(routes, a.directoryRoutes(&site)...)
	routes = append(routes, a.auditRoutes(&site)...)
	for name, do := range map[string]func(*http.Request, person, technician) (any, error){
		"start": a.doStart, "check": a.doCheck, "renew": a.doRenew, "cancel": a.doCancel, "redeem": a.doRedeem, "approve": a.doApprove,
		"technician": a.doTechnician, "call": a.doCall, "freeze": a.doFreeze, "unfreeze": a.doUnfreeze, "unlock": a.doUnlock,
		"advance": a.doAdvance, "press": a.doPress, "say": a.doSay, "install": a.doInstall,
		"launch": a.doLaunch,
		"grant":  a.doGrant, "ask": a.doAsk, "send-renew": a.doSendRenew, "send-revoke": a.doSendRevoke, "receive": a.doReceive, "received": a.doReceived,
	} {
		routes = append(routes, webpage.Route{Name: name, Method: "POST", Pattern: "/api/" + name, Kind: webpage.FormKind, Handler: a.action(a.signedIn, do)})
	}
	if routes, err = guarded(a.leadingOut(routes), a.gate); err != nil {
		return nil, err
	}
	a.routes = append(a.routes, routes...)
	site, err = webpage.New(routes, &webpage.Options{Templates: folders[1], Assets: folders[2], Catalog: catalog, Logger: a.cfg.log})
	a.site = site
	return site, err
}

// resolver finds out which technician works for which person, or says why not.
type resolver func(ctx context.Context, f url.Values) (person, technician, error)

// signedIn is the resolver of the portal: the technician is whoever has signed in, whatever the form says.
func (a *app) signedIn(ctx context.Context, f url.Values) (person, technician, error) {
	p, ok := a.person(mspkit.TenantID(f.Get("tenant")), f.Get("person"))
	if !ok {
		return p, technician{}, errors.New("There is no such person.") //nolint:staticcheck,revive // a sentence for the page
	}
	return p, technicianOf(ctx), nil
}

// action wraps what a button does: it finds the person and the technician and answers with JSON.
func (a *app) action(who resolver, do func(*http.Request, person, technician) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p, t, err := who(r.Context(), r.PostForm)
		if err != nil {
			unresolved(w, err)
			return
		}
		v, err := do(r, p, t)
		if err != nil {
			answer(w, http.StatusUnprocessableEntity, map[string]string{"error": explain(err)})
			return
		}
		a.did(r.Context(), t, p.Name+", "+p.Company)
		if v == nil {
			v = struct{}{}
		}
		answer(w, http.StatusOK, v)
	}
}

// unresolved answers where a [resolver] did not find out who works for whom, or whoever it is may not.
func unresolved(w http.ResponseWriter, err error) {
	if errors.Is(err, entra.ErrForbidden) {
		answer(w, http.StatusForbidden, map[string]string{"error": notAllowed})
		return
	}
	answer(w, http.StatusNotFound, map[string]string{"error": err.Error()})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// explain turns an error into a sentence for the technician.
func explain(err error) string {
	var le *verify.LimitError
	var pe *verify.PolicyError
	var de *verify.DeliveryError
	switch {
	case errors.As(err, &pe):
		return "Not allowed: " + pe.Reason + "."
	case errors.As(err, &le) && le.Limit == verify.LimitSends:
		return "This verification was renewed as often as it may be. Begin a new one."
	case errors.As(err, &le):
		return fmt.Sprintf("Please wait %s (%s).", max(le.RetryAfter, time.Second).Round(time.Second), le.Limit)
	case errors.As(err, &de):
		return "The message was not delivered: " + de.Reason + "."
	case errors.Is(err, verify.ErrFrozen):
		return "This person is frozen. An admin can unfreeze them."
	case errors.Is(err, verify.ErrLocked):
		return "This person is locked after too many wrong answers. An admin can unlock them."
	case errors.Is(err, verify.ErrFormat):
		return "A code has digits only. Nothing was counted."
	case errors.Is(err, verify.ErrForbidden):
		return "Only an admin may do this."
	case errors.Is(err, verify.ErrNoChannel):
		return "There is no address on record for this way."
	case errors.Is(err, verify.ErrUnapproved):
		return "This person is listed: an admin must approve first."
	case errors.Is(err, verify.ErrRedeemed), errors.Is(err, verify.ErrProof), errors.Is(err, verify.ErrProofExpired):
		return "This verification was used already, or it is over."
	case errors.Is(err, verify.ErrNotPending):
		return "This verification has ended."
	}
	return or(explainTeams(err), or(explainSend(err), err.Error()))
}

func (a *app) doStart(r *http.Request, p person, t technician) (any, error) {
	f := r.PostForm
	c, err := a.verify.Start(r.Context(), verify.StartRequest{
		Tenant: p.Tenant, Subject: p.subject(), Action: verify.Action(f.Get("action")), Technician: t.Technician, Ticket: p.Ticket,
		Channel: f.Get("channel"), Method: verify.Method(f.Get("method")), IdempotencyKey: f.Get("key"),
	})
	return a.challenge(c), err
}

func (a *app) doTechnician(r *http.Request, p person, t technician) (any, error) {
	call := verify.Call{Technician: t.Technician, Ticket: p.Ticket, Began: a.now(), By: verify.SideTechnician}
	if known, ok := a.call(p); ok {
		call = known
	}
	c, err := a.verify.StartTechnician(r.Context(), verify.TechnicianRequest{
		Tenant: p.Tenant, Subject: p.subject(), Call: &call, By: t.ID, Channel: r.PostForm.Get("channel"),
	})
	return a.challenge(c), err
}

func (a *app) doCheck(r *http.Request, p person, t technician) (any, error) {
	res, err := a.verify.Check(r.Context(), verify.CheckRequest{
		Tenant: p.Tenant, ID: r.PostForm.Get("id"), Response: r.PostForm.Get("code"), Technician: t.ID,
	})
	return map[string]any{"state": res.State, "tries": res.TriesLeft}, err
}

func (a *app) doRenew(r *http.Request, p person, t technician) (any, error) {
	c, err := a.verify.Renew(r.Context(), verify.RenewRequest{
		Ref: verify.Ref{Tenant: p.Tenant, ID: r.PostForm.Get("id")}, Technician: t.ID, Send: r.PostForm.Get("send") != "",
	})
	return a.challenge(c), err
}

func (a *app) doCancel(r *http.Request, p person, t technician) (any, error) {
	return nil, a.verify.Cancel(r.Context(), verify.Ref{Tenant: p.Tenant, ID: r.PostForm.Get("id")}, t.ID, "")
}

// doRedeem is where a host does what was asked for: only after Redeem has said yes.
func (a *app) doRedeem(r *http.Request, p person, t technician) (any, error) {
	c, err := a.verify.Get(r.Context(), verify.Ref{Tenant: p.Tenant, ID: r.PostForm.Get("id")}, t.ID)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(string(c.Action), revealing) {
		return nil, errors.New("the page that the person has open uses this by itself")
	}
	if waits(c) {
		return nil, fmt.Errorf("redeem: %w", verify.ErrUnapproved)
	}
	if c.Proof.Reveal() == "" {
		return nil, fmt.Errorf("redeem: %w", verify.ErrRedeemed)
	}
	err = a.verify.Redeem(r.Context(), c.Proof, verify.Expect{
		Tenant: p.Tenant, Subject: p.ID, Action: c.Action, Technician: t.ID, Ticket: p.Ticket,
	}, "portal/"+rand.Text()) // each press is a use of its own
	return nil, err
}

func (a *app) doApprove(r *http.Request, p person, t technician) (any, error) {
	c, err := a.verify.Approve(r.Context(), verify.Ref{Tenant: p.Tenant, ID: r.PostForm.Get("id")}, t.ID, r.PostForm.Get("reason"))
	return a.challenge(c), err
}

// revealing begins the action of a verification that opens a send.
const revealing = string(verify.ActionReveal) + ":"

// waits is whether a second technician must approve c.
func waits(c verify.Challenge) bool {
	return c.State == verify.StateConfirmed && c.NeedsApproval && c.ApprovedBy == ""
}

func (a *app) doCall(r *http.Request, p person, t technician) (any, error) {
	if r.PostForm.Get("side") == "" {
		a.setCall(p, nil)
		return nil, nil
	}
	a.setCall(p, &verify.Call{Technician: t.Technician, Ticket: p.Ticket, Began: a.now(), By: verify.Side(r.PostForm.Get("side"))})
	return nil, nil
}

func (a *app) doFreeze(r *http.Request, p person, t technician) (any, error) {
	return nil, a.verify.Freeze(r.Context(), p.Tenant, p.ID, t.ID, r.PostForm.Get("reason"), time.Hour)
}

func (a *app) doUnfreeze(r *http.Request, p person, t technician) (any, error) {
	return nil, a.verify.Unfreeze(r.Context(), p.Tenant, p.ID, t.ID, r.PostForm.Get("reason"))
}

func (a *app) doUnlock(r *http.Request, p person, t technician) (any, error) {
	return nil, a.verify.Unlock(r.Context(), p.Tenant, p.ID, t.ID, r.PostForm.Get("reason"))
}

// doLaunch makes the address of the compact view, as the page of a ticket system asks for it.
func (a *app) doLaunch(_ *http.Request, p person, t technician) (any, error) {
	address, err := a.pod.address(p, t)
	return map[string]string{"address": address}, err
}

func (a *app) doAdvance(r *http.Request, _ person, _ technician) (any, error) {
	a.advance(6 * time.Minute)
	return nil, errors.Join(a.verify.RunOnce(r.Context()), a.sends.RunOnce(r.Context()))
}

// The shapes of the page's state. Numbers and words are the technician's to say; the proof stays on the server.

type challengeJSON struct {
	ID, Kind, State, Channel, Method, Delivery string
	Ticket                                     string
	Action, Purpose, Assurance, To, Failover   string
	Number, Word                               string
	Tries                                      int
	Hinted, Fresh, Usable, Waits               bool
	Expires, Created, Decided                  int64 // Unix milliseconds
}

func (a *app) challenge(c verify.Challenge) challengeJSON {
	j := challengeJSON{
		ID: c.Ref.ID, Ticket: c.Ticket.String(), Kind: string(c.Kind), State: string(c.State), Channel: c.Channel, Method: string(c.Method),
		Delivery: c.Delivery.String(), Action: string(c.Action), Purpose: c.Purpose, Assurance: c.Assurance.String(), To: c.To,
		Number: c.Number.Reveal(), Word: c.Word.Reveal(), Tries: c.TriesLeft, Hinted: c.Hinted, Fresh: c.Fresh,
		Failover: failoverWords(c.Failover, c.Channel), Waits: waits(c),
		Usable: c.Proof.Reveal() != "", Expires: c.ExpiresAt.UnixMilli(), Created: c.CreatedAt.UnixMilli(),
	}
	if !c.DecidedAt.IsZero() {
		j.Decided = c.DecidedAt.UnixMilli()
	}
	return j
}

// shieldFor is how long a verification is shown as a green shield.
const shieldFor = 15 * time.Minute

type personJSON struct {
	ID, Tenant, Company, Name, Title, Hint, About, Ticket string
	Shield, ShieldText                                    string
	Emails, Phones                                        []addressJSON
	Teams, App                                            bool // whether they have Teams on record, and the bot's app in it
	CallBy, CallWith                                      string
	Manager, Photo                                        string // of Microsoft 365, where the client is connected
	Who                                                   string
	Frozen, Locked                                        bool
	History                                               []challengeJSON
	Notes                                                 []noteJSON
	Sends                                                 []sendJSON
	Rules                                                 rulesJSON
	Messages                                              []messageJSON
	Chat                                                  []chatJSON
}

type addressJSON struct {
	Value string
	Fresh bool
}

type noteJSON struct {
	Title, Text string
	Alert       bool
	Public      bool // the client sees it
	Contact     bool // it belongs to the person and not to the ticket
	Waiting     bool // it is still on the way
	Dead        bool // it could not be delivered, and waits for an admin
	At          int64
}

type messageJSON struct {
	Device, From, Subject, Text, Link string
	At                                int64
}

// links finds the link in a message: of a verification, or of a send or request with what is behind the #.
var links = regexp.MustCompile(`https?://\S+/(?:v/[\w-]+|[shr]/[\w-]+(?:#[\w-]+)?)`)

func (a *app) serveState(w http.ResponseWriter, r *http.Request) {
	q, t := r.URL.Query(), technicianOf(r.Context())
	var ps []personJSON
	var chosen *personJSON
	for _, p := range a.people {
		j, err := a.describe(r, p, t, q.Get("person") == p.ID)
		if err != nil {
			answer(w, http.StatusInternalServerError, map[string]string{"error": "The state could not be read."})
			a.cfg.log.ErrorContext(r.Context(), "helpdesk: state", slog.Any("error", err))
			return
		}
		if q.Get("person") == p.ID {
			full := j
			chosen = &full
		}
		j.History, j.Notes, j.Messages, j.Chat, j.Sends = nil, nil, nil, nil, nil
		ps = append(ps, j)
	}
	answer(w, http.StatusOK, map[string]any{
		"me": whoOf(t), "people": ps, "person": chosen, "now": a.now().UnixMilli(),
		"realMail": a.cfg.realMail, "realText": a.cfg.realTextMessage, "realTeams": a.cfg.realTeams,
	})
}

func (a *app) describe(r *http.Request, p person, t technician, full bool) (personJSON, error) {
	j := personJSON{
		ID: p.ID, Tenant: string(p.Tenant), Company: p.Company, Name: p.Name, Title: p.JobTitle, Hint: p.Hint, About: p.About, Ticket: p.Ticket.ID,
		Teams: p.Teams != "", App: a.teams != nil && p.Teams != "" && a.teams.has(p),
		History: []challengeJSON{}, Notes: []noteJSON{}, Sends: []sendJSON{}, Messages: []messageJSON{}, Chat: []chatJSON{},
	}
	now := a.now()
	for _, d := range p.Emails {
		j.Emails = append(j.Emails, addressJSON{d.Value, now.Sub(d.FirstSeen) < 14*day})
	}
	for _, d := range p.Phones {
		j.Phones = append(j.Phones, addressJSON{d.Value, now.Sub(d.FirstSeen) < 14*day})
	}
	if c, ok := a.call(p); ok {
		j.CallBy, j.CallWith = string(c.By), c.Technician.Name
	}
	sub, err := a.verify.Subject(r.Context(), p.Tenant, p.ID)
	if err != nil {
		return j, err
	}
	j.Frozen, j.Locked = sub.FrozenUntil.After(now), sub.Failures >= verify.MaxLockAfter
	history, err := a.verify.History(r.Context(), p.Tenant, p.ID, 12)
	if err != nil {
		return j, err
	}
	j.Shield, j.ShieldText = shield(history, j, now)
	if !full {
		return j, nil
	}
	for _, c := range history {
		if c.Technician == t.ID { // with the number to say and whether the proof can be used
			if c, err = a.verify.Get(r.Context(), c.Ref, t.ID); err != nil {
				return j, err
			}
		}
		j.History = append(j.History, a.challenge(c))
	}
	if j.Notes, err = a.notesOf(r.Context(), p); err != nil {
		return j, err
	}
	if j.Sends, err = a.sendsOf(r, p, t); err != nil {
		return j, err
	}
	if j.Rules, err = a.rulesFor(r, p, t); err != nil {
		return j, err
	}
	for _, m := range a.messages(p) {
		j.Messages = append(j.Messages, messageJSON{m.device, m.from, m.subject, m.text, links.FindString(m.text), m.at.UnixMilli()})
	}
	j.Who, j.Chat = a.who[p.Tenant], a.chat(p)
	card, manager, err := a.officeCard(r.Context(), p)
	if err != nil {
		return j, err
	}
	j.Manager = manager
	if _, err := a.office.directory.Photo(r.Context(), p.Tenant, card.ID); card.ID != "" && err == nil {
		j.Photo = "photo?" + url.Values{"tenant": {string(p.Tenant)}, "id": {card.ID}}.Encode()
	}
	return j, nil
}

// shield sums up a person in one sign.
func shield(history []verify.Challenge, j personJSON, now time.Time) (sign, text string) {
	switch {
	case j.Frozen:
		return "danger", "Frozen: nobody can be verified as them"
	case j.Locked:
		return "danger", "Locked: too many wrong answers"
	}
	for _, c := range history {
		if c.Kind != verify.KindCaller {
			continue
		}
		age := now.Sub(c.CreatedAt)
		switch {
		case c.State == verify.StateDenied && age < day:
			return "danger", "Said “not me”"
		case waits(c) && now.Before(c.ProofUntil):
			return "wait", "Waits for a second technician"
		case waits(c):
			continue // nobody approved in time
		case c.State == verify.StateConfirmed && now.Sub(c.DecidedAt) < shieldFor:
			return "ok", fmt.Sprintf("Verified by %s", c.Assurance)
		case c.State == verify.StatePending || c.State == verify.StateFailed && now.Before(c.ExpiresAt):
			return "wait", "Verification in progress"
		}
	}
	return "none", "Not verified"
}
