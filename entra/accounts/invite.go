package accounts

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/token"
)

// maxAddress is the longest mail address in characters.
const maxAddress = 254

// Invite asks for an invitation.
type Invite struct {
	// Kind is [Technician] or [Portal]; empty is Technician. Client is whose portal it is.
	Kind   Kind
	Client mspkit.TenantID
	// Name and Address say who is invited, for the mail and the list of invitations. They decide nothing: whoever opens the link and
	// signs in with the right tenant accepts it.
	Name, Address string
	// Role and UI are what a technician gets; zero is [entra.RoleTechnician] and the full interface.
	Role entra.Role
	UI   entra.UI
	// AccountID is the account to be linked, where the host has one that is not, or the id of a new one. Empty is a random id.
	AccountID string
	// TTL is how long it is good; 0 means [Options.InviteTTL], more than 30 days are refused.
	TTL time.Duration
}

// Invitation is one that was made. It does not hold the link, which nobody can get a second time.
type Invitation struct {
	Owner, ID     string
	Kind          Kind
	Client        mspkit.TenantID
	Name, Address string
	Role          entra.Role
	UI            entra.UI
	AccountID, By string
	// ByName is what who invited is called; empty for [ByHost].
	ByName string
	// State is "open", "accepted", "revoked" or "expired".
	State                                       string
	CreatedAt, ExpiresAt, AcceptedAt, RevokedAt time.Time
}

// The values of [Invitation.State].
const (
	StateOpen     = "open"
	StateAccepted = "accepted"
	StateRevoked  = "revoked"
	StateExpired  = "expired"
)

// invited is what an invitation remembers of a person.
type invited struct {
	Name    string `json:"n,omitempty"`
	Address string `json:"a,omitempty"`
	ByName  string `json:"b,omitempty"` // who invited
}

// place binds what is sealed to everything that decides, so that who can write to the database cannot make an admin of an invited
// technician.
func place(r Record) []string {
	return []string{r.Owner, r.ID, string(r.Hash), string(r.Kind), string(r.Client), r.Role.String(), r.UI.String(), r.AccountID, r.By, r.ExpiresAt.UTC().Format(time.RFC3339)}
}

func hash(secret token.Secret) []byte {
	sum := sha256.Sum256(secret[:])
	return sum[:]
}

// put stores an invitation and returns its link.
func (s *Service) put(ctx context.Context, r Record, who invited, page string, most int) (string, error) {
	secret := token.NewSecret()
	r.Owner, r.Hash, r.CreatedAt = s.o.Owner, hash(secret), s.now()
	raw, err := json.Marshal(who)
	if err != nil {
		return "", err
	}
	r.Sealed = s.sealed.Seal(raw, place(r)...)
	if err := s.store.Invite(ctx, r, most); err != nil {
		return "", err
	}
	return s.o.BaseURL + page + s.links.Encode(secret, r.Owner), nil
}

// Bootstrap returns the link by which the first admin comes: they install the application in the MSP's tenant, sign in, and get an
// account with [entra.RoleAdmin]. Only the host may call it, such as from its command line. The link works once, for
// [Options.BootstrapTTL], and as long as there is no admin who can sign in; it is a secret and must not be logged. [ErrSetUp] where
// there is one.
func (s *Service) Bootstrap(ctx context.Context) (link mspkit.Redacted[string], err error) {
	all, err := s.store.Accounts(ctx, s.o.Owner)
	if err != nil {
		return link, err
	}
	if slices.ContainsFunc(all, Account.LinkedAdmin) {
		return link, ErrSetUp
	}
	text, err := s.put(ctx, Record{
		ID: token.Random(), Kind: Bootstrap, Role: entra.RoleAdmin, AccountID: token.Random(), By: ByHost, ExpiresAt: s.now().Add(s.o.BootstrapTTL),
	}, invited{}, "/setup/", 2*maxOpen)
	if err != nil {
		return link, err
	}
	s.audit(ctx, entra.Event{Kind: entra.EventInvited, By: ByHost, Reason: string(Bootstrap)})
	return mspkit.Redact(text), nil
}

// Invite makes an invitation and returns it with its link, which is good for one acceptance and which nobody can get a second time.
// Only who has [entra.PermissionInvitations], an admin, may invite, and to no role above their own; by is their id or [ByHost]. It ends
// before its time where they are disabled, removed, unlinked, or no admin any more, and where the account that it is to is disabled,
// removed, unlinked, or left with less than the invitation gives. The link is a secret and must not be logged; where there is [Options.Send], it has been mailed. It fails with [entra.ErrForbidden], [mspkit.ErrInvalid],
// [ErrTooMany], [ErrLinked] where the account is linked already, and the error of Send.
func (s *Service) Invite(ctx context.Context, by string, in Invite) (inv Invitation, link mspkit.Redacted[string], err error) {
	most, err := s.permit(ctx, by, in.AccountID)
	if err != nil {
		return inv, link, err
	}
	in.Name, in.Address = cleantext.Line(in.Name, maxName), strings.TrimSpace(in.Address)
	r, err := s.record(ctx, by, in, most)
	if errors.Is(err, entra.ErrForbidden) && !errors.Is(err, ErrDisabled) {
		err = s.forbidden(ctx, by, r.AccountID)
	}
	if err != nil {
		return inv, link, err
	}
	who := invited{Name: in.Name, Address: in.Address}
	if a, err := s.store.Account(ctx, s.o.Owner, by); err == nil {
		who.ByName = a.Name
	}
	text, err := s.put(ctx, r, who, "/join/", maxOpen)
	if err != nil {
		return inv, link, err
	}
	r.Owner, r.CreatedAt = s.o.Owner, s.now()
	inv, link = s.view(r, who), mspkit.Redact(text)
	if s.o.Send != nil {
		if err := s.o.Send(ctx, inv, link); err != nil {
			_, back := s.store.Revoke(context.WithoutCancel(ctx), s.o.Owner, r.ID, s.now())
			return Invitation{}, mspkit.Redacted[string]{}, errors.Join(fmt.Errorf("accounts: the invitation could not be sent: %w", err), back)
		}
	}
	s.audit(ctx, entra.Event{Kind: entra.EventInvited, User: r.AccountID, By: by, Reason: invitedAs(r.Kind, r.Role)})
	return inv, link, nil
}

func invitedAs(k Kind, role entra.Role) string {
	if k == Technician {
		return role.String()
	}
	return string(k)
}

// record checks what is asked for.
func (s *Service) record(ctx context.Context, by string, in Invite, most entra.Role) (Record, error) {
	r := Record{ID: token.Random(), Kind: in.Kind, Client: in.Client, Role: in.Role, UI: in.UI, AccountID: in.AccountID, By: by}
	r.AccountID, r.Kind, r.Role = defaults(r.AccountID, r.Kind, r.Role)
	if in.TTL == 0 {
		in.TTL = s.o.InviteTTL
	}
	r.ExpiresAt = s.now().Add(in.TTL)
	errs := []error{
		validPart(r.Kind, r.Client, r.Role, r.UI), validText("mail address", in.Address, maxAddress), validName("id of the account", r.AccountID), validName("one who invites", by),
	}
	fault := func(text string) {
		errs = append(errs, fmt.Errorf("accounts: invite: %s: %w", text, mspkit.ErrInvalid))
	}
	if r.Kind == Bootstrap {
		fault("the kind is technician or portal")
	}
	if in.TTL < 0 || in.TTL > maxInviteTTL {
		fault("TTL must be at most 30 days")
	}
	if in.AccountID == ByHost {
		fault("no account has the id of the host")
	}
	if err := errors.Join(errs...); err != nil {
		return r, err
	}
	if r.Role > most {
		return r, entra.ErrForbidden
	}
	tenants, err := s.tenantsFor(ctx, r.Kind, r.Client)
	if err != nil {
		return r, err
	}
	if len(tenants) == 0 {
		return r, fmt.Errorf("accounts: invite: the client is not connected to a tenant in Entra: %w", mspkit.ErrInvalid)
	}
	switch a, err := s.store.Account(ctx, s.o.Owner, r.AccountID); {
	case errors.Is(err, ErrNotFound):
		return r, nil
	case err != nil:
		return r, err
	case a.Linked():
		return r, ErrLinked
	case a.Disabled():
		return r, ErrDisabled
	case a.Kind != r.Kind || a.Client != r.Client:
		return r, ErrConflict
	case a.Role > most:
		return r, entra.ErrForbidden
	}
	return r, nil
}

func (s *Service) view(r Record, who invited) Invitation {
	inv := Invitation{
		Owner: r.Owner, ID: r.ID, Kind: r.Kind, Client: r.Client, Name: who.Name, Address: who.Address, Role: r.Role, UI: r.UI,
		AccountID: r.AccountID, By: r.By, ByName: who.ByName, State: StateOpen, CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, AcceptedAt: r.AcceptedAt, RevokedAt: r.RevokedAt,
	}
	switch {
	case !r.AcceptedAt.IsZero():
		inv.State = StateAccepted
	case !r.RevokedAt.IsZero():
		inv.State = StateRevoked
	case !r.Open(s.now()):
		inv.State = StateExpired
	}
	return inv
}

// unseal returns who was invited. What was changed in the database is [ErrState].
func (s *Service) unseal(r Record) (Invitation, error) {
	raw, err := s.sealed.Open(r.Sealed, place(r)...)
	var who invited
	if err != nil || json.Unmarshal(raw, &who) != nil {
		return Invitation{}, ErrState
	}
	return s.view(r, who), nil
}

// Invitations returns all invitations, the oldest first, whatever became of them, without the links of [Service.Bootstrap]. What was
// changed in the database, or sealed under a key that is gone, is left out and logged.
func (s *Service) Invitations(ctx context.Context) ([]Invitation, error) {
	rs, err := s.store.Invitations(ctx, s.o.Owner)
	if err != nil {
		return nil, err
	}
	all, err := s.store.Accounts(ctx, s.o.Owner)
	if err != nil {
		return nil, err
	}
	vouched := map[string]entra.Role{ByHost: entra.RoleAdmin}
	for _, a := range all {
		vouched[a.ID] = s.vouches(a)
	}
	var out []Invitation
	for _, r := range rs {
		if r.Kind == Bootstrap {
			continue
		}
		inv, err := s.unseal(r)
		if err != nil {
			s.o.Logger.WarnContext(ctx, "accounts: an invitation does not open")
			continue
		}
		if inv.State == StateOpen && !covers(vouched[r.By], r.Role) {
			inv.State = StateRevoked
		}
		out = append(out, inv)
	}
	return out, nil
}

// vouches returns to which role invitations of a person are still good: an admin who was shown the door must not come back by one.
// Where roles come from Entra, nobody knows theirs before they sign in.
func (s *Service) vouches(a Account) entra.Role {
	switch {
	case a.Kind != Technician || a.Disabled():
		return entra.RoleNone
	case s.o.Roles != RolesStored:
		return entra.RoleAdmin
	case s.o.Policy.Allows(a.Role, a.UI, entra.PermissionInvitations):
		return a.Role
	}
	return entra.RoleNone
}

// covers reports whether who vouches to a role does for that of an invitation, which is none for the portal.
func covers(vouched, role entra.Role) bool { return vouched >= max(role, entra.RoleTechnician) }

// vouched reports whether who made an invitation still vouches for it.
func (s *Service) vouched(ctx context.Context, by string, role entra.Role) (bool, error) {
	if by == ByHost {
		return true, nil
	}
	a, err := s.store.Account(ctx, s.o.Owner, by)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil && covers(s.vouches(a), role), err
}

// Revoke ends an invitation that is open: [ErrState] where there is none of that id. by is who does it.
func (s *Service) Revoke(ctx context.Context, by, id string) error {
	if _, err := s.permit(ctx, by, ""); err != nil {
		return err
	}
	r, err := s.store.Revoke(ctx, s.o.Owner, id, s.now())
	if err != nil {
		return err
	}
	s.audit(ctx, entra.Event{Kind: entra.EventInviteRevoked, User: r.AccountID, By: by, Reason: invitedAs(r.Kind, r.Role)})
	return nil
}

// opened is an invitation with its secret.
type opened struct {
	hash []byte
	inv  Invitation
}

// open returns what a token stands for without using it up: [ErrState] where it is used, revoked, too old or not ours.
func (s *Service) open(ctx context.Context, text string) (opened, error) {
	secret, owner, err := s.links.Decode(text)
	if err != nil || owner != s.o.Owner {
		return opened{}, ErrState
	}
	o := opened{hash: hash(secret)}
	r, err := s.store.Invitation(ctx, o.hash)
	if errors.Is(err, ErrNotFound) || err == nil && (r.Owner != owner || !r.Open(s.now())) {
		return opened{}, ErrState
	}
	if err != nil {
		return opened{}, err
	}
	if o.inv, err = s.unseal(r); err != nil {
		return opened{}, err
	}
	if ok, err := s.vouched(ctx, r.By, r.Role); err != nil || !ok {
		return opened{}, cmp.Or(err, ErrState)
	}
	return o, nil
}

// Open returns the invitation behind the token at the end of a link, and changes nothing: [ErrState] where it is used, revoked, too
// old or not ours.
func (s *Service) Open(ctx context.Context, text string) (Invitation, error) {
	o, err := s.open(ctx, text)
	return o.inv, err
}

// Accept uses an invitation up, by its token and a sign-in that was just made, and returns the account that came of it. For a
// technician the sign-in must be of the MSP's tenant, for the portal of one of the client's. It fails with [ErrState], [ErrTenant],
// [ErrGuest], [ErrNotFresh], [ErrTaken], [ErrLinked], [ErrDisabled], [ErrConflict] and for a link of [Service.Bootstrap] with
// [ErrSetUp]; then the invitation is as it was. hostID is the id by which the host's own session knows the person who uses
// such a link; empty makes a new account, and it is not looked at for other links.
func (s *Service) Accept(ctx context.Context, text string, answer entra.Answer, hostID string) (Account, error) {
	o, err := s.open(ctx, text)
	if err != nil {
		s.refused(ctx, "", answer, err)
		return Account{}, err
	}
	a, err := s.accept(ctx, o, answer, hostID)
	if err != nil {
		s.refused(ctx, o.inv.AccountID, answer, err)
		return Account{}, err
	}
	if o.inv.Kind != Bootstrap {
		s.audit(ctx, entra.Event{
			Kind: entra.EventInviteAccepted, User: a.ID, By: o.inv.By, TenantID: a.TenantID, ObjectID: a.ObjectID, Reason: invitedAs(o.inv.Kind, o.inv.Role),
		})
	}
	s.audit(ctx, entra.Event{Kind: entra.EventLinked, User: a.ID, TenantID: a.TenantID, ObjectID: a.ObjectID, Reason: string(o.inv.Kind)})
	return a, nil
}

func (s *Service) accept(ctx context.Context, o opened, answer entra.Answer, hostID string) (Account, error) {
	tenants, err := s.tenantsFor(ctx, o.inv.Kind, o.inv.Client)
	if err != nil {
		return Account{}, err
	}
	if err := s.judge(answer, o.inv.Kind, tenants); err != nil {
		return Account{}, err
	}
	now := s.now()
	a := Account{
		Owner: s.o.Owner, ID: o.inv.AccountID, Version: 1, Kind: o.inv.Kind, Client: o.inv.Client, Name: o.inv.Name, Role: o.inv.Role, UI: o.inv.UI,
		TenantID: answer.Identity.TenantID, ObjectID: answer.Identity.ObjectID, CreatedAt: now, LinkedAt: now,
	}
	if a.Kind == Bootstrap {
		a.Kind = Technician
		if hostID != "" {
			a.ID = hostID
		}
	}
	if a.Name == "" {
		a.Name = shownName(answer.Identity)
	}
	// A browser that hangs up must not leave a link that is used without an account.
	return s.store.Accept(context.WithoutCancel(ctx), o.hash, a, now)
}

// DeleteExpired deletes invitations that ended by themselves 90 days ago or earlier, and returns how many. Call it now and then, such
// as once a day.
func (s *Service) DeleteExpired(ctx context.Context) (int, error) {
	return s.store.DeleteExpired(ctx, s.now().Add(-keepInvitations))
}
