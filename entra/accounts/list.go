package accounts

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
)

// listView is the data of the pages of admins.
type listView struct {
	Technicians, Portal []Account
	Invitations         []Invitation
	Clients             []Client
	One                 Account
	Inv                 Invitation
	Link                string
	Mailed              bool // the host has sent it
	FromEntra           bool // roles come from Entra
	Form                inviteForm
	Problem             string // the end of the key of a text
	Saved               bool
	Me                  string
	Home, SignOut       string // where the links of every page lead
	clients             map[mspkit.TenantID]string
}

// Client returns what a client is called.
func (v listView) Client(id mspkit.TenantID) string {
	if name := v.clients[id]; name != "" {
		return name
	}
	return string(id)
}

// Title is what a person is called, for templates.
func (a Account) Title() string {
	if a.Name != "" {
		return a.Name
	}
	return a.ID
}

// Path is the id as it stands in an address, for templates.
func (a Account) Path() string { return url.PathEscape(a.ID) }

// Title is what who was invited is called, for templates.
func (i Invitation) Title() string {
	switch {
	case i.Name != "":
		return i.Name
	case i.Address != "":
		return i.Address
	}
	return i.AccountID
}

// list shows a page of admins.
func (p *pages) list(w http.ResponseWriter, r *http.Request, template string, status int, v listView) {
	v.Home, v.SignOut = p.o.Home, p.sso.SignOutPath()
	p.render(w, r, template, status, v)
}

func (p *pages) clients(ctx context.Context, v *listView) error {
	if p.o.Clients == nil {
		return nil
	}
	list, err := p.o.Clients(ctx)
	v.Clients, v.clients = list, make(map[mspkit.TenantID]string, len(list))
	for _, c := range list {
		v.clients[c.ID] = c.Name
	}
	return err
}

func (p *pages) showAccounts(w http.ResponseWriter, r *http.Request) {
	v := listView{Me: by(r)}
	all, err := p.s.List(r.Context())
	if err == nil {
		var invs []Invitation
		invs, err = p.s.Invitations(r.Context())
		for _, inv := range slices.Backward(invs) { // the newest first; what became an account is listed as one
			if inv.State != StateAccepted {
				v.Invitations = append(v.Invitations, inv)
			}
		}
	}
	if err == nil {
		err = p.clients(r.Context(), &v)
	}
	if err != nil {
		p.fault(w, r, "the accounts could not be listed", err)
		return
	}
	for _, a := range all {
		if a.Kind == Portal {
			v.Portal = append(v.Portal, a)
		} else {
			v.Technicians = append(v.Technicians, a)
		}
	}
	p.list(w, r, "accounts", 0, v)
}

// account shows one, with what was wrong.
func (p *pages) account(w http.ResponseWriter, r *http.Request, status int, v listView) {
	var err error
	if v.One, err = p.s.Get(r.Context(), r.PathValue("id")); errors.Is(err, ErrNotFound) {
		p.site.Error(w, r, http.StatusNotFound)
		return
	}
	if err == nil {
		err = p.clients(r.Context(), &v)
	}
	if err != nil {
		p.fault(w, r, "an account could not be shown", err)
		return
	}
	v.Me, v.FromEntra = by(r), p.s.o.Roles != RolesStored
	p.list(w, r, "account", status, v)
}

func (p *pages) showAccount(w http.ResponseWriter, r *http.Request) {
	p.account(w, r, 0, listView{Saved: r.URL.Query().Has("saved")})
}

// accessForm is what stands in the form of an account.
type accessForm struct {
	role     entra.Role
	ui       entra.UI
	mfa      MFA
	disabled bool
}

// parseAccess reads the form of an account. Nothing is assumed of what is missing.
func parseAccess(f url.Values, k Kind) (accessForm, error) {
	var a accessForm
	var errs [4]error
	if k == Technician {
		a.role, errs[0] = entra.ParseRole(one(f, "role"))
		a.ui, errs[1] = entra.ParseUI(one(f, "ui"))
		a.mfa, errs[2] = ParseMFA(one(f, "mfa"))
	}
	switch one(f, "access") {
	case "allowed":
	case "disabled":
		a.disabled = true
	default:
		errs[3] = mspkit.ErrInvalid
	}
	return a, errors.Join(errs[:]...)
}

// one returns the only value of a field, or "".
func one(f url.Values, name string) string {
	if len(f[name]) != 1 {
		return ""
	}
	return strings.TrimSpace(f[name][0])
}

func (p *pages) changeAccount(w http.ResponseWriter, r *http.Request) {
	a, err := p.s.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		p.changed(w, r, "", err)
		return
	}
	f, err := parseAccess(r.PostForm, a.Kind)
	if err != nil {
		p.account(w, r, http.StatusBadRequest, listView{Problem: "invalid"})
		return
	}
	err = p.s.change(r.Context(), by(r), a.ID, func(a *Account) {
		if a.Kind == Technician {
			a.Role, a.UI, a.MFA = f.role, f.ui, f.mfa
		}
		p.s.disable(a, f.disabled)
	})
	if err == nil && f.disabled && a.Linked() { // what they have, or somebody has of them, must not come back when they are enabled
		err = p.sso.EndSessions(r.Context(), a.TenantID, a.ObjectID)
	}
	p.changed(w, r, "a/"+a.Path()+"?saved", err)
}

func (p *pages) unlinkAccount(w http.ResponseWriter, r *http.Request) {
	p.ends(w, r, p.s.Unlink, "a/"+url.PathEscape(r.PathValue("id"))+"?saved")
}

func (p *pages) removeAccount(w http.ResponseWriter, r *http.Request) {
	p.ends(w, r, p.s.Remove, "")
}

// ends does what ends the sessions of a person.
func (p *pages) ends(w http.ResponseWriter, r *http.Request, f func(ctx context.Context, by, id string) error, then string) {
	a, err := p.s.Get(r.Context(), r.PathValue("id"))
	if err == nil {
		err = f(r.Context(), by(r), a.ID)
	}
	if err == nil && a.Linked() {
		// What they have is refused from now on anyway, because nobody knows them; nor must it come back with the next link.
		err = p.sso.EndSessions(r.Context(), a.TenantID, a.ObjectID)
	}
	p.changed(w, r, then, err)
}

// changed answers a change.
func (p *pages) changed(w http.ResponseWriter, r *http.Request, then string, err error) {
	switch {
	case err == nil:
		p.site.Redirect(w, r, then)
	case errors.Is(err, ErrLastAdmin):
		p.account(w, r, http.StatusConflict, listView{Problem: "last_admin"})
	case errors.Is(err, ErrConflict):
		p.account(w, r, http.StatusConflict, listView{Problem: "conflict"})
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrState):
		p.site.Error(w, r, http.StatusNotFound)
	case errors.Is(err, entra.ErrForbidden):
		p.site.Error(w, r, http.StatusForbidden)
	default:
		p.fault(w, r, "an account could not be changed", err)
	}
}

// inviteForm is what was entered.
type inviteForm struct {
	Kind    Kind
	Client  mspkit.TenantID
	Name    string
	Address string
	Role    string
	UI      string
}

func (p *pages) invite(w http.ResponseWriter, r *http.Request, status int, v listView) {
	if err := p.clients(r.Context(), &v); err != nil {
		p.fault(w, r, "the clients could not be listed", err)
		return
	}
	if len(v.Clients) == 0 {
		v.Form.Kind = Technician
	}
	p.list(w, r, "invite", status, v)
}

func (p *pages) showInvite(w http.ResponseWriter, r *http.Request) {
	p.invite(w, r, 0, listView{Form: inviteForm{Kind: Technician, Role: entra.RoleTechnician.String(), UI: entra.UIFull.String()}})
}

// parseInvite reads the form of an invitation. What is not for the kind is not looked at, because browsers send it all the same.
func parseInvite(f url.Values) (inviteForm, Invite, error) {
	form := inviteForm{
		Kind: Kind(one(f, "kind")), Client: mspkit.TenantID(one(f, "client")), Name: one(f, "name"), Address: one(f, "address"), Role: one(f, "role"), UI: one(f, "ui"),
	}
	in := Invite{Kind: form.Kind, Name: form.Name, Address: form.Address}
	var errs [2]error
	switch form.Kind {
	case Technician:
		in.Role, errs[0] = entra.ParseRole(form.Role)
		in.UI, errs[1] = entra.ParseUI(form.UI)
	case Portal:
		in.Client = form.Client
		errs[0] = in.Client.Validate()
	default:
		errs[0] = mspkit.ErrInvalid
	}
	return form, in, errors.Join(errs[:]...)
}

// makeInvite makes an invitation and shows its link, once.
func (p *pages) makeInvite(w http.ResponseWriter, r *http.Request) {
	form, in, err := parseInvite(r.PostForm)
	v := listView{Form: form}
	if err == nil {
		err = p.clients(r.Context(), &v)
	}
	if err == nil && in.Kind == Portal && v.clients[in.Client] == "" {
		err = mspkit.ErrInvalid
	}
	if err == nil {
		var link mspkit.Redacted[string]
		v.Inv, link, err = p.s.Invite(r.Context(), by(r), in)
		v.Link, v.Mailed = link.Reveal(), p.s.o.Send != nil
	}
	switch {
	case err == nil:
		p.list(w, r, "invited", 0, v)
	case errors.Is(err, mspkit.ErrInvalid):
		v.Problem = "invalid"
		p.invite(w, r, http.StatusBadRequest, v)
	case errors.Is(err, ErrTooMany):
		v.Problem = "too_many"
		p.invite(w, r, http.StatusConflict, v)
	default:
		p.changed(w, r, "", err)
	}
}

func (p *pages) revokeInvite(w http.ResponseWriter, r *http.Request) {
	err := p.s.Revoke(r.Context(), by(r), r.PathValue("id"))
	if errors.Is(err, ErrState) { // somebody was faster, as the list shows
		err = nil
	}
	p.changed(w, r, "", err)
}
