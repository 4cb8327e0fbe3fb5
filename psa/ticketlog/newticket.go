package ticketlog

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// keepMade is how long the ticket of a story is remembered. Afterwards it is found by its key again.
const keepMade = time.Hour

// made is the ticket of a story. Whoever holds turn may look for it or make it.
type made struct {
	turn   chan struct{}
	ticket mspkit.Ticket
	until  time.Time
}

func (r *Router) entry(key string) *made {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.made[key]
	if !ok {
		if len(r.made) >= maxKept {
			clear(r.made) // the key of the ticket still finds it
		}
		m = &made{turn: make(chan struct{}, 1)}
		r.made[key] = m
	}
	return m
}

// forget drops what is known of a new ticket that is not there any more, or whose company was looked up.
func (r *Router) forget(ref psa.TicketRef) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.checked, ref)
	if s, err := parseStory(ref.Ticket.ID); err == nil && ref.Ticket.System == NewSystem {
		delete(r.made, s.key(ref.Tenant))
	}
}

// newTicket returns the ticket of a story and makes it where there is none yet.
func (r *Router) newTicket(ctx context.Context, ref psa.TicketRef) (psa.TicketRef, error) {
	const op = "create ticket"
	s, err := parseStory(ref.Ticket.ID)
	if err != nil {
		return psa.TicketRef{}, err
	}
	m := r.entry(s.key(ref.Tenant))
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return psa.TicketRef{}, r.notYet(ctx, op, "another note of the same ticket takes too long", ctx.Err())
	}
	now := r.o.Now()
	at := psa.TicketRef{Tenant: ref.Tenant, Ticket: m.ticket}
	if !m.ticket.IsZero() && now.Before(m.until) {
		// It may have been moved to another company since, or deleted.
		if err := r.check(ctx, op, at); !errors.Is(err, psa.ErrNotFound) {
			return at, err
		}
	}
	if m.ticket, err = r.create(ctx, ref.Tenant, s); err != nil {
		return psa.TicketRef{}, err
	}
	m.until = now.Add(keepMade)
	at.Ticket = m.ticket
	r.trust(at)
	return at, nil
}

// create makes the ticket of a story, or finds it by its key.
func (r *Router) create(ctx context.Context, tenant mspkit.TenantID, s story) (mspkit.Ticket, error) {
	const op = "create ticket"
	switch c, ok := r.o.Creator.(interface{ Capabilities() psa.Capabilities }); {
	case r.o.Creator == nil || r.o.Mappings == nil || r.o.System == "":
		return mspkit.Ticket{}, r.fail(op, psa.ErrUnsupported, "new tickets need a Creator, Mappings and a System (RouterOptions)")
	case ok && !c.Capabilities().TicketKey:
		return mspkit.Ticket{}, r.fail(op, psa.ErrUnsupported, "a ticket cannot be found again by its key here, so that one event could make several")
	}
	who, err := r.contact(ctx, op, tenant, s.subject)
	if err != nil {
		return mspkit.Ticket{}, err
	}
	company, err := r.company(ctx, tenant, who)
	if err != nil {
		return mspkit.Ticket{}, err
	}
	n := psa.NewTicket{
		Title: r.texts["title."+s.group], Text: r.texts["ticket"], CompanyID: company, ContactID: who.ID, Key: s.key(tenant),
	}
	// The title is seen by the client in most systems: it never says that there is an alert.
	if name := plain(who.Name, maxWord, nameDigits); name != "" {
		n.Title += ": " + name
	}
	if r.o.Defaults != nil {
		if n.Defaults, err = r.o.Defaults.Defaults(ctx, tenant, r.o.System); err != nil {
			return mspkit.Ticket{}, r.notYet(ctx, op, "the defaults of tickets could not be read", err)
		}
	}
	t, err := r.o.Creator.CreateTicket(ctx, tenant, n)
	if err != nil {
		return mspkit.Ticket{}, r.notYet(ctx, op, "the ticket could not be made", err)
	}
	got := mspkit.Ticket{System: r.o.System, ID: t.ID}
	if t.ID == "" || got.Validate() != nil {
		return mspkit.Ticket{}, r.notYet(ctx, op, "the new ticket has no id that can be used", errors.New("the answer of the ticket system is not understood"))
	}
	if t.Company.ID != "" && t.Company.ID != company {
		return mspkit.Ticket{}, r.fail(op, psa.ErrValidation, "the ticket with this key belongs to another company now: nothing was written")
	}
	r.log.LogAttrs(ctx, slog.LevelInfo, "ticketlog: what had no ticket has one",
		slog.String("tenant", string(tenant)), slog.String("system", got.System), slog.String("ticket", got.ID), slog.String("about", s.group+" "+s.id))
	return got, nil
}

// company chooses the company of a new ticket: the contact's, or the only one of the tenant.
func (r *Router) company(ctx context.Context, tenant mspkit.TenantID, who psa.Contact) (string, error) {
	const op = "create ticket"
	ours, err := r.companies(ctx, op, tenant)
	switch {
	case err != nil:
		return "", err
	case len(ours) == 0:
		return "", r.fail(op, psa.ErrValidation, "no company is mapped to this tenant: map one, then replay")
	case who.Company.ID != "" && !ours[who.Company.ID]:
		return "", r.fail(op, psa.ErrValidation, "the contact belongs to a company that is not mapped to this tenant: nothing was written")
	case who.Company.ID != "":
		return who.Company.ID, nil
	case len(ours) > 1:
		return "", r.fail(op, psa.ErrValidation, "several companies are mapped to this tenant: RouterOptions.Contact must tell which one")
	}
	return slices.Collect(maps.Keys(ours))[0], nil
}
