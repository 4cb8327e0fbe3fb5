package graphmail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/mail"
)

// Mailbox is a shared mailbox of a tenant.
type Mailbox struct {
	Tenant mspkit.TenantID
	// ID is the object id of its account.
	ID string
	// Address is its primary address with the name that it has in Exchange.
	Address mail.Address
	// SignIn says that somebody may sign in to its account, which a shared mailbox does not need: tell the administrator.
	SignIn bool
	// Licensed says that its account has a licence.
	Licensed bool
}

type user struct {
	ID       string     `json:"id"`
	Name     string     `json:"displayName"`
	Mail     string     `json:"mail"`
	Enabled  bool       `json:"accountEnabled"`
	Type     string     `json:"userType"`
	Licences []struct{} `json:"assignedLicenses"`
}

const userFields = "id,displayName,mail,accountEnabled,userType,assignedLicenses"

func (u user) mailbox(tenant mspkit.TenantID) Mailbox {
	return Mailbox{Tenant: tenant, ID: u.ID, Address: mail.Address{Name: u.Name, Email: u.Mail}, SignIn: u.Enabled, Licensed: len(u.Licences) > 0}
}

// Check finds the mailbox with an address, which may be any of its addresses, and makes sure that it is a shared one. A
// person's mailbox, a room and one that does not exist are [ErrNotShared] with the reason. It needs User.Read.All and
// MailboxSettings.Read; where the latter is missing the error matches [mail.ErrAuth] and says so, because whose mailbox it
// is cannot be told then.
func (c *Client) Check(ctx context.Context, tenant mspkit.TenantID, email string) (Mailbox, error) {
	if err := errors.Join(tenant.Validate(), (mail.Address{Email: email}).Validate()); err != nil {
		return Mailbox{}, err
	}
	return c.check(ctx, tenant, email)
}

// check takes an address or the id of an account.
func (c *Client) check(ctx context.Context, tenant mspkit.TenantID, who string) (Mailbox, error) {
	const op = "check the mailbox"
	var u user
	err := c.graph.Do(ctx, &graphx.Request{Tenant: tenant, Path: "/users/" + graphx.Segment(who), Query: url.Values{"$select": {userFields}}}, &u)
	if errors.Is(err, graphx.ErrNotFound) && strings.Contains(who, "@") {
		u, err = c.byAddress(ctx, tenant, who) // the address is not the sign-in name
	}
	switch {
	case errors.Is(err, graphx.ErrNotFound):
		return Mailbox{}, notShared("no account of this tenant has the address, or it was removed: check the spelling, and that it is no group or contact")
	case err != nil:
		return Mailbox{}, c.failed(op, err, false)
	case u.ID == "":
		return Mailbox{}, &Error{Op: op, Err: mail.ErrTemporary, Advice: "Graph did not say which account it is"}
	case u.Mail == "":
		return Mailbox{}, notShared("the account has no mailbox")
	case u.Type == "Guest":
		return Mailbox{}, notShared("the account is a guest of the tenant")
	}
	var settings struct {
		Purpose string `json:"userPurpose"`
	}
	err = c.graph.Do(ctx, &graphx.Request{
		Tenant: tenant, Workload: graphx.Outlook, LimitKey: c.limitKey(u.ID), Path: "/users/" + graphx.Segment(u.ID) + "/mailboxSettings", Query: url.Values{"$select": {"userPurpose"}},
	}, &settings)
	switch {
	case errors.Is(err, graphx.ErrDenied):
		e := &Error{Op: op, Err: mail.ErrAuth, Cause: err, Advice: "whose mailbox it is cannot be told: grant the application MailboxSettings.Read, for all mailboxes or for this one"}
		return Mailbox{}, e
	case errors.Is(err, graphx.ErrNotFound):
		return Mailbox{}, notShared("the account has no mailbox in Exchange Online")
	case err != nil:
		return Mailbox{}, c.failed(op, err, false)
	}
	switch settings.Purpose {
	case "shared":
	case "user", "linked":
		return Mailbox{}, notShared("it is the mailbox of a person: convert it to a shared one or choose another")
	default:
		return Mailbox{}, notShared("it is a room or another resource, no shared mailbox")
	}
	m := u.mailbox(tenant)
	if err := m.Address.Validate(); err != nil {
		return Mailbox{}, notShared("its address or its name cannot be used in a mail")
	}
	return m, nil
}

// byAddress finds an account by any of its addresses, which needs an advanced query.
func (c *Client) byAddress(ctx context.Context, tenant mspkit.TenantID, email string) (user, error) {
	quoted := strings.ReplaceAll(strings.ToLower(email), "'", "''")
	r := &graphx.Request{Tenant: tenant, Path: "/users", Eventual: true, Query: url.Values{
		"$select": {userFields}, "$count": {"true"}, "$top": {"2"},
		"$filter": {"mail eq '" + quoted + "' or proxyAddresses/any(p:p eq 'smtp:" + quoted + "')"},
	}}
	var found []user
	if _, err := graphx.PageOf(ctx, c.graph, r, func(u *user) error {
		found = append(found, *u)
		return nil
	}); err != nil {
		return user{}, err
	}
	if len(found) != 1 {
		return user{}, &graphx.Error{Status: http.StatusNotFound}
	}
	return found[0], nil
}

func notShared(why string) error {
	return &Error{Op: "check the mailbox", Err: ErrNotShared, Advice: why}
}

// MaxCandidates is the most mailboxes that [Client.Candidates] looks at.
const MaxCandidates = 400

// Candidates lists the shared mailboxes of a tenant, as far as they can be found, ordered by name. Graph has no list of
// shared mailboxes, so accounts that have a mailbox and no licence are asked one by one for what they are, those to which
// nobody can sign in first, [MaxCandidates] at most: more says that there were more. A shared mailbox with a licence is not
// found; type its address into [Client.Check].
//
// Source: https://learn.microsoft.com/graph/api/resources/mailboxsettings (userPurpose).
func (c *Client) Candidates(ctx context.Context, tenant mspkit.TenantID) (list []Mailbox, more bool, err error) {
	const op = "list shared mailboxes"
	if err := tenant.Validate(); err != nil {
		return nil, false, err
	}
	var maybe []user
	r := &graphx.Request{Tenant: tenant, Path: "/users", Query: url.Values{"$select": {userFields}, "$top": {"999"}}}
	for u, err := range graphx.ListOf[user](ctx, c.graph, r) {
		if err != nil {
			return nil, false, c.failed(op, err, false)
		}
		if u.Mail != "" && len(u.Licences) == 0 && u.Type != "Guest" {
			maybe = append(maybe, u)
		}
	}
	slices.SortStableFunc(maybe, func(a, b user) int {
		if a.Enabled != b.Enabled {
			if a.Enabled {
				return 1
			}
			return -1
		}
		return cmp.Compare(a.Name, b.Name)
	})
	if more = len(maybe) > MaxCandidates; more {
		maybe = maybe[:MaxCandidates]
	}
	items := make([]graphx.BatchItem, len(maybe))
	for i, u := range maybe {
		items[i] = graphx.BatchItem{URL: "/users/" + graphx.Segment(u.ID) + "/mailboxSettings?$select=userPurpose"}
	}
	if len(items) == 0 {
		return nil, false, nil
	}
	results, err := c.graph.Batch(ctx, tenant, graphx.Mailboxes, items)
	if err != nil {
		return nil, more, c.failed(op, err, false)
	}
	for i, res := range results {
		var settings struct {
			Purpose string `json:"userPurpose"`
		}
		switch {
		case errors.Is(res.Err, graphx.ErrNotFound): // no mailbox after all
			continue
		case errors.Is(res.Err, graphx.ErrDenied) && len(list) == 0 && i == 0:
			return nil, more, &Error{Op: op, Err: mail.ErrAuth, Cause: res.Err, Advice: "grant the application MailboxSettings.Read, or type the address"}
		case errors.Is(res.Err, graphx.ErrDenied): // outside of its scope
			continue
		case res.Err != nil:
			return nil, more, c.failed(op, res.Err, false)
		}
		if err := unmarshal(res.Body, &settings); err != nil {
			return nil, more, &Error{Op: op, Err: mail.ErrTemporary, Advice: "Graph's answer could not be read"}
		}
		if m := maybe[i].mailbox(tenant); settings.Purpose == "shared" && m.Address.Validate() == nil {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b Mailbox) int {
		return cmp.Or(cmp.Compare(a.Address.Name, b.Address.Name), cmp.Compare(a.ID, b.ID))
	})
	return list, more, nil
}

// String names the mailbox without its address.
func (m Mailbox) String() string { return fmt.Sprintf("mailbox %s of %s", m.ID, m.Tenant) }
