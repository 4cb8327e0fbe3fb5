package signin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/verify"
)

// The reasons for which a sign-in does not count, as the pages tell them apart; see the table in the package comment.
const (
	pagePerson   = "person"
	pageTenant   = "tenant"
	pageGuest    = "guest"
	pagePersonal = "personal"
	pageFresh    = "fresh"
	pageStrong   = "strong"
	pageDeclined = "declined"
	pageState    = "state"
	pageFailed   = "failed"
	pageUnable   = "unable"
)

// refusals say which page a reason has and what the technician is told; "" is nothing, because anybody could bring it about or it is
// nobody's fault.
var refusals = map[entra.Reason]struct{ page, hint string }{
	entra.ReasonPerson:   {pagePerson, "another person of the organisation signed in"},
	entra.ReasonTenant:   {pageTenant, "a person of another organisation signed in"},
	entra.ReasonGuest:    {pageGuest, "a guest account signed in"},
	entra.ReasonPersonal: {pagePersonal, "a personal account signed in"},
	entra.ReasonFresh:    {pageFresh, "the sign-in was not a fresh one"},
	entra.ReasonStrong:   {pageStrong, "the sign-in was not as strong as it must be"},

	entra.ReasonDeclined: {pageDeclined, ""},
	entra.ReasonState:    {pageState, ""},
	entra.ReasonCookie:   {pageState, ""},

	entra.ReasonUnavailable: {pageUnable, ""},
	entra.ReasonCredentials: {pageUnable, ""},
	entra.ReasonFailed:      {pageUnable, ""},
}

// numbers are Microsoft's own refusals that have a page of their own
// (https://learn.microsoft.com/entra/identity-platform/reference-error-codes). They come in the address, unsigned, so that the
// technician is told of none.
var numbers = map[string]string{
	"AADSTS50020": pageTenant, "AADSTS50034": pageTenant, "AADSTS90072": pageTenant,
	"AADSTS500200": pagePersonal, "AADSTS500202": pagePersonal,
}

// contextNumbers are those that say, where a context was asked for, that the person does not satisfy it.
var contextNumbers = []string{"AADSTS53003", "AADSTS50076", "AADSTS50079", "AADSTS50158"}

// statusOf is the HTTP status of the page of a refusal.
func statusOf(page string) int {
	switch page {
	case pageState:
		return http.StatusBadRequest
	case pageUnable:
		return http.StatusServiceUnavailable
	}
	return http.StatusForbidden
}

// judge says whether an answer of Microsoft's proves what an invitation asks for. The flow has looked at all but the person; what
// a confirmation depends on is looked at once more.
func judge(i invitation, a entra.Answer) error {
	switch err := judgePerson(i, a.Identity); {
	case err != nil:
		return err
	case !a.Fresh:
		return entra.Refuse(entra.ReasonFresh)
	case i.acr != 0 && !a.Strong:
		return entra.Refuse(entra.ReasonStrong)
	}
	return nil
}

// judgePerson says whether it is the person whom an invitation asks for.
func judgePerson(i invitation, who entra.Identity) error {
	switch {
	case !equal(who.TenantID, i.tid):
		return entra.Refuse(entra.ReasonTenant)
	case !equal(who.ObjectID, i.oid):
		return entra.Refuse(entra.ReasonPerson)
	case who.Guest:
		return entra.Refuse(entra.ReasonGuest)
	}
	return nil
}

// callback takes Microsoft's answers. It is a GET that changes something, because OAuth has it so: without the cookie of the
// browser that began it does nothing, and HEAD never does.
func (p *Pages) callback(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		p.site.Render(w, r, webpage.Page{Template: "refused", Status: statusOf(pageState), Data: page{Reason: pageState}})
		return
	}
	a, err := p.flow.Finish(w, r)
	if len(a.Data) == 0 {
		p.refused(r.Context(), verify.Ref{}, entra.Identity{}, err)
		p.site.Render(w, r, webpage.Page{Template: "refused", Status: statusOf(pageState), Data: page{Reason: pageState}})
		return
	}
	v, ok := p.open(w, r, string(a.Data))
	if !ok {
		return
	}
	if err == nil {
		err = judge(v.invitation, a)
	} else if who, ok := entra.IdentityOf(err); ok { // that it was somebody else matters more than how they signed in
		if a.Identity = who; judgePerson(v.invitation, who) != nil {
			err = judgePerson(v.invitation, who)
		}
	}
	if err != nil {
		d := page{Reason: p.refused(r.Context(), v.ref, a.Identity, err)}
		if e, ok := errors.AsType[*entra.TokenError](err); ok {
			d.Code = e.Code
			if page := numbers[e.Code]; page != "" {
				d.Reason = page
			}
			if v.acr != 0 && slices.Contains(contextNumbers, e.Code) {
				d.Reason = pageStrong
			}
		}
		p.render(w, r, v, "refused", d)
		return
	}
	p.audit(r.Context(), entra.EventSignedIn, v.ref, a.Identity, "")
	// Also where the request has ended meanwhile: they may say that it was not them who wanted it.
	if err := p.remember(w, v.invitation, a.Identity.AuthTime); err != nil {
		p.unavailable(w, r, "a sign-in could not be kept", err)
		return
	}
	p.back(w, r, v, "")
}

// refused tells the log, the audit and, where it is worth knowing, the technician, and returns which page says it.
func (p *Pages) refused(ctx context.Context, ref verify.Ref, who entra.Identity, err error) (page string) {
	reason := entra.ReasonOf(err)
	told, ok := refusals[reason]
	if !ok { // of the token, or of Microsoft
		told.page = pageFailed
	}
	p.log.WarnContext(ctx, "signin: a sign-in did not count", slog.String("tenant", string(ref.Tenant)),
		slog.String("challenge", ref.ID), slog.String("reason", string(reason)), slog.Any("error", err))
	p.audit(ctx, entra.EventSignInRefused, ref, who, string(reason))
	if told.hint != "" && ref.ID != "" {
		if err := p.svc.HintSignIn(ctx, ref, told.hint); err != nil {
			p.log.WarnContext(ctx, "signin: the technician could not be told of a refused sign-in", slog.String("tenant", string(ref.Tenant)),
				slog.String("challenge", ref.ID), slog.Any("error", err))
		}
	}
	return told.page
}

func (p *Pages) audit(ctx context.Context, kind entra.EventKind, ref verify.Ref, who entra.Identity, reason string) {
	if p.o.Auditor == nil {
		return
	}
	err := p.o.Auditor.Audit(context.WithoutCancel(ctx), entra.Event{
		At: p.o.Now(), Kind: kind, Owner: p.o.Owner, TenantID: who.TenantID, ObjectID: who.ObjectID, Session: ref.ID, Reason: reason,
	})
	if err != nil {
		p.log.WarnContext(ctx, "signin: an event could not be audited", slog.String("kind", string(kind)), slog.Any("error", err))
	}
}
