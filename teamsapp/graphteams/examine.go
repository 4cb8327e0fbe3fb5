package graphteams

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/teamsapp"
)

// known is an answer that may be missing.
type known int

const (
	unknown known = iota
	yes
	no
)

// examination is one call of [Client.Diagnose].
type examination struct {
	c       *Client
	tenant  mspkit.TenantID
	app     App
	segment string // the person in a path
	o       DiagnoseOptions

	entra, object string // of the person, empty where not known
	who           *person
	absent        bool // nobody of this id is in the tenant
	published     known
	installed     known
	ways          bool // the bot knows a conversation that works as far as it was told
	denied        int  // how many looks at the person, the catalog and the installation were refused
	findings      []Finding
	seen          map[Code]bool
}

func (c *Client) newExamination(tenant mspkit.TenantID, app App, user string, o *DiagnoseOptions) (*examination, error) {
	x := &examination{c: c, tenant: tenant, app: app, seen: map[Code]bool{}}
	if o != nil {
		x.o = *o
	}
	errs := []error{tenant.Validate()}
	if !objectForm.MatchString(app.ManifestID) || app.CatalogID != "" && !idForm.MatchString(app.CatalogID) {
		errs = append(errs, because(mspkit.ErrInvalid, nil, "The app is named by the id in its manifest, a GUID."))
	}
	var err error
	x.segment, err = userSegment(user)
	errs = append(errs, err)
	if objectForm.MatchString(user) {
		x.object = strings.ToLower(user)
	}
	if x.o.EntraTenant != "" {
		x.entra, err = azurecred.CanonicalID(x.o.EntraTenant)
		errs = append(errs, err)
	}
	return x, errors.Join(errs...)
}

// find notes a finding, the first of its code only: what is found first is closer to the cause.
func (x *examination) find(code Code, w Weight, seen, next string) {
	if x.seen[code] {
		return
	}
	x.seen[code] = true
	x.findings = append(x.findings, Finding{code, w, seen, next})
}

// skip notes a check that could not be made.
func (x *examination) skip(what string, err error) {
	next := Explain(x.c.failed("diagnose", x.tenant, "", err))
	x.findings = append(x.findings, Finding{CodeUnchecked, Note, "It was not checked " + what + ".", next})
}

// lacking is skip for a check that needs a permission.
func (x *examination) lacking(what, permission string, err error) {
	if errors.Is(err, graphx.ErrDenied) || errors.Is(err, ErrDenied) {
		x.denied++
		x.findings = append(x.findings, Finding{
			CodeUnchecked, Note, "It was not checked " + what + ": the permission for it is missing.",
			"Grant the application the permission " + permission + " with admin consent in the tenant.",
		})
		return
	}
	x.skip(what, err)
}

// graph asks Graph whose tenant it is, and reports whether Graph can be asked at all.
func (x *examination) graph(ctx context.Context) bool {
	var org struct {
		Value []struct {
			ID string `json:"id"`
		} `json:"value"`
	}
	err := x.c.graph.Do(ctx, &graphx.Request{
		Tenant: x.tenant, Workload: graphx.Directory, Path: "/organization", Query: url.Values{"$select": {"id"}},
	}, &org)
	const unasked = "whether the person, the catalog and the installation are as they should be: Microsoft Graph could not be asked"
	advice, is := judge("", err)
	switch {
	case err == nil && len(org.Value) == 1:
		x.whose(org.Value[0].ID)
		return true
	case err == nil, errors.Is(err, graphx.ErrDenied) && !errors.Is(err, graphx.ErrConsent):
		if _, entra := errors.AsType[*graphx.AuthError](err); !entra {
			x.lacking("whether the tenant is the person's", "Organization.Read.All", err)
			x.denied = 0
			return true
		}
		x.find(CodeSignIn, Doubt, "Microsoft Entra gives no token for Microsoft Graph.", advice)
	case is == azurecred.ErrNotConnected: //nolint:errorlint // judge returns it as it is
		x.find(CodeNotConnected, Doubt, "The tenant is not connected to Microsoft 365.", advice)
	case is == ErrConsent: //nolint:errorlint // the same
		x.find(CodeConsent, Doubt, "The application has no consent in the tenant, or not any more. It cannot install or check anything there.", advice)
	case is == ErrSignIn: //nolint:errorlint // the same
		x.find(CodeSignIn, Doubt, "There is no token for Microsoft Graph that is accepted.", advice)
	}
	x.skip(unasked, err)
	return false
}

// whose compares the tenant with the one that the person is taken to be of.
func (x *examination) whose(id string) {
	id = strings.ToLower(id)
	if x.entra == "" {
		x.entra = id
		return
	}
	if x.entra != id {
		x.find(CodeWrongTenant, Stops, "The person is taken to be of another Entra tenant than the one that this tenant is connected to.",
			"Look up the person in the tenant that they are of, or correct the connection of the tenant.")
	}
}

// person looks at the account.
func (x *examination) person(ctx context.Context) {
	p, err := x.c.person(ctx, x.tenant, x.segment)
	switch {
	case hasStatus(err, http.StatusNotFound):
		x.absent = true
		x.find(CodeNoUser, Stops, "Nobody of this id or name is in the tenant.",
			"Check the id. A person of another tenant is looked up there, and one who was deleted must be restored.")
		return
	case err != nil:
		x.lacking("whether the account is enabled and has a licence for Teams", "User.Read.All", err)
		return
	}
	x.who = p
	if x.object == "" && objectForm.MatchString(p.ID) {
		x.object = strings.ToLower(p.ID)
	}
	if p.guest() {
		x.find(CodeGuest, Doubt, "The person is a guest in this tenant.",
			"Write to them in their own tenant, if it is a customer: guests see the chats of another tenant only after switching to it.")
	}
	switch {
	case p.disabled():
		x.find(CodeDisabled, Stops, "The account is switched off.", "Ask the customer whether the person still works there, and let the account be enabled again.")
	case p.Enabled == nil:
		x.skip("whether the account is enabled", because(ErrDenied, nil, "Grant the application the permission User.Read.All with admin consent in the tenant."))
	}
	switch _, told := p.licensed(); {
	case !told:
		x.skip("whether the person has a licence for Teams", because(ErrDenied, nil, "Grant the application the permission User.Read.All with admin consent in the tenant."))
	case p.unlicensed():
		x.find(CodeNotLicensed, Stops, "The person has no licence with Microsoft Teams switched on.", adviceLicence)
	}
}

// catalog looks whether the app is there.
func (x *examination) catalog(ctx context.Context) {
	a, err := x.c.Find(ctx, x.tenant, x.app.ManifestID)
	switch {
	case errors.Is(err, ErrNotPublished):
		x.published = no
		return
	case err != nil:
		x.lacking("whether the app is in the tenant's catalog", permRead, err)
		return
	}
	x.app = a
	if x.published = yes; a.State != StatePublished {
		x.published = no
	}
}

// installation looks whether the person has the app, and judges the catalog by that: an app may be there another way.
func (x *examination) installation(ctx context.Context) {
	if !x.absent {
		x.look(ctx)
	}
	if x.published == no && x.installed != yes {
		switch x.app.State {
		case StateSubmitted:
			x.find(CodeInReview, Stops, "The app waits for its review in the tenant's catalog.", "An administrator approves it in the Teams admin center, Manage apps.")
		case StateRejected:
			x.find(CodeInReview, Stops, "The app was rejected in the tenant's catalog.", "Ask the administrator why, and publish it again.")
		default:
			x.find(CodeNotPublished, Stops, "The app is not in the tenant's catalog.", adviceNotPublished)
		}
	}
	if x.installed != no {
		return
	}
	if x.o.TryInstall && x.published == yes && !x.seen[CodeNoUser] && !x.seen[CodeDisabled] && !x.seen[CodeNotLicensed] && !x.seen[CodeWrongTenant] {
		if x.try(ctx) {
			return
		}
	}
	x.find(CodeNotInstalled, Stops, "The person does not have the app, or its manifest names another application as webApplicationInfo.id.",
		"Install the app for the person. Only that shows whether a policy of the tenant blocks it.")
}

func (x *examination) look(ctx context.Context) {
	const what = "whether the person has the app"
	if err := x.c.mayInstall(); err != nil {
		x.skip(what, err)
		return
	}
	i, err := x.c.look(ctx, x.tenant, x.app, x.segment)
	switch {
	case err == nil && i.ID == "":
		x.installed = no
	case err == nil:
		x.installed = yes
		if x.published == yes && x.app.Version != "" && i.Version != "" && i.Version != x.app.Version {
			x.find(CodeOutdated, Note, "The person has version "+plainVersion(i.Version)+" of the app, the catalog has "+plainVersion(x.app.Version)+".",
				"Upgrade the app for the person; Teams does it by itself where no new permission is needed.")
		}
	case hasStatus(err, http.StatusNotFound) && x.who != nil:
		x.installed = no
		x.find(CodeTeamsUnused, Stops, "Teams does not know the person.", adviceUnused)
	case errors.Is(byCode(err), ErrBlocked):
		x.find(CodeBlockedByPolicy, Stops, "A policy of the tenant blocks the app for the person.", adviceBlocked)
	default:
		x.lacking(what, needsInstall, err)
	}
}

// try installs the app and reports whether that worked.
func (x *examination) try(ctx context.Context) bool {
	_, err := x.c.Install(ctx, x.tenant, x.app, x.segmentUser())
	if err == nil {
		x.installed = yes
		x.find(CodeNoReference, Doubt, "The app was missing and has just been installed.", "Wait a minute until Teams has told the bot, and look again.")
		return true
	}
	x.failedInstall("The app was to be installed just now", err)
	return false
}

// segmentUser is the person as the methods of Client take them.
func (x *examination) segmentUser() string {
	if x.object != "" {
		return x.object
	}
	s, err := url.PathUnescape(x.segment)
	if err != nil {
		return x.segment
	}
	return s
}

// failedInstall says what the error of an installation means.
func (x *examination) failedInstall(when string, err error) {
	advice := Explain(err)
	switch {
	case errors.Is(err, ErrBlocked):
		x.find(CodeBlockedByPolicy, Stops, when+", and a policy of the tenant blocks it for the person.", adviceBlocked)
	case errors.Is(err, ErrNotLicensed):
		x.find(CodeNotLicensed, Stops, when+", and Teams says that the person has no licence.", adviceLicence)
	case errors.Is(err, ErrTeamsUnused):
		x.find(CodeTeamsUnused, Stops, when+", and Teams does not know the person.", adviceUnused)
	case errors.Is(err, ErrNotPublished):
		x.find(CodeNotPublished, Stops, when+", and it is not in the tenant's catalog.", adviceNotPublished)
	case errors.Is(err, ErrNoUser):
		x.find(CodeNoUser, Stops, when+", and nobody of this id is in the tenant.", advice)
	case errors.Is(err, ErrConsent), errors.Is(err, ErrDenied):
		x.find(CodeConsent, Doubt, when+", and the application lacks consent or a permission for that.", advice)
	case errors.Is(err, azurecred.ErrNotConnected):
		x.find(CodeNotConnected, Doubt, when+", and the tenant is not connected to Microsoft 365.", advice)
	case errors.Is(err, ErrNoEffect):
		x.find(CodeNoReference, Doubt, when+", and Teams did not let the bot write in time.", advice)
	default:
		x.find(CodeNotInstalled, Stops, when+", and that failed.", advice)
	}
}

// bot asks what the bot knows, and what went wrong lately.
func (x *examination) bot(ctx context.Context) {
	if b, ok := x.o.Bot.(interface{ CheckCredentials(context.Context) error }); ok {
		switch err := b.CheckCredentials(ctx); {
		case err == nil:
		case errors.Is(err, teamsapp.ErrCredentials), errors.Is(err, teamsapp.ErrCloud):
			x.refused("The bot asked for a token", err)
		default:
			advice, _ := teamsapp.Explain(err)
			x.skip("whether the bot's credentials are accepted", because(ErrTemporary, nil, "%s", cmp.Or(advice, "Try again later.")))
		}
	}
	const what = "whether the bot knows the conversation with the person"
	u, err := teamsapp.NewUser(x.entra, x.object)
	switch {
	case x.o.Bot == nil:
		x.skip(what, because(mspkit.ErrInvalid, nil, "Give the bot to the diagnosis."))
	case err != nil:
		x.skip(what, because(mspkit.ErrInvalid, nil, "Name the person by object id and say which Entra tenant they are of."))
	default:
		x.reference(ctx, u, what)
	}
	last := Recent{Send: x.o.Last, SendAt: x.o.LastAt}
	if b, ok := x.o.Bot.(interface{ Recent(teamsapp.User) Recent }); ok && err == nil {
		r := b.Recent(u)
		if last.Send == nil {
			last.Send, last.SendAt = r.Send, r.SendAt
		}
		last.Install, last.InstallAt = r.Install, r.InstallAt
	}
	if last.Install != nil && x.installed != yes {
		x.failedInstall("The app was to be installed"+when(last.InstallAt), last.Install)
	}
	if last.Send != nil {
		x.refused("The last message was sent"+when(last.SendAt), last.Send)
	}
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " at " + t.UTC().Format("2006-01-02 15:04 UTC")
}

// reference judges what the bot knows.
func (x *examination) reference(ctx context.Context, u teamsapp.User, what string) {
	ref, err := x.o.Bot.Reference(ctx, u)
	switch {
	case errors.Is(err, teamsapp.ErrUnknownTenant):
		x.refused("The bot was asked", err)
		return
	case err != nil:
		x.skip(what, because(ErrTemporary, nil, "Look at where the bot keeps its conversations, and at the function that finds tenants."))
		return
	case ref.Tenant != "" && ref.Tenant != x.tenant:
		x.find(CodeWrongTenant, Stops, "For the bot the person's Entra tenant belongs to another tenant than this one.",
			"Look up the person in that tenant, or correct which tenant the Entra tenant belongs to.")
		return
	}
	switch {
	case !ref.Known:
		x.find(CodeNoReference, Doubt, "The bot has not heard of the person.",
			"Where the app was installed lately wait a minute. Otherwise check that Teams reaches the bot's messaging endpoint, then remove the app and install it again.")
	case ref.Removed && x.installed == yes:
		x.find(CodeNoReference, Doubt, "The bot was told that the app was removed, and it is installed again.",
			"Send a message: the bot tries all the same. If that fails, remove the app and install it again.")
	case ref.Removed:
		x.find(CodeNotInstalled, Stops, "The bot was told that the app was removed for the person.", "Ask the person to add the app again, or install it.")
	case !ref.Conversation:
		x.find(CodeNoReference, Doubt, "The bot has heard of the person and knows no conversation with them.",
			"Send a message: the bot begins the conversation again.")
	default:
		x.ways = true
	}
}

// refused says what an error of the bot means.
func (x *examination) refused(when string, err error) {
	advice, _ := teamsapp.Explain(err)
	switch {
	case errors.Is(err, teamsapp.ErrCredentials):
		x.find(CodeBotCredentials, Stops, when+", and the bot's credentials were refused.", advice)
	case errors.Is(err, teamsapp.ErrCloud), errors.Is(err, teamsapp.ErrServiceURL):
		x.find(CodeCloud, Stops, when+", and bot, tenant and service do not belong to the same cloud.", advice)
	case errors.Is(err, teamsapp.ErrUnknownTenant):
		x.find(CodeTenantUnknown, Stops, when+", and the person's Entra tenant is not one that the bot serves.", advice)
	case errors.Is(err, teamsapp.ErrBlockedByAdmin):
		x.find(CodeBlockedByPolicy, Stops, when+", and an administrator has blocked the app.", advice)
	case errors.Is(err, teamsapp.ErrBlockedByUser):
		x.find(CodeBlockedByUser, Stops, when+", and the person has blocked the bot.", advice)
	case errors.Is(err, teamsapp.ErrNotInstalled) && x.installed == yes:
		x.find(CodeNoReference, Doubt, when+" before the app was installed.", "Send a message again.")
	case errors.Is(err, teamsapp.ErrNotInstalled):
		x.find(CodeNotInstalled, Stops, when+", and Teams said that the app is not installed for the person.", advice)
	default:
		x.find(CodeLastMessage, Doubt, when+", and that failed.", cmp.Or(advice, "Look at the error of the message in the log."))
	}
}

// plainVersion is a version as it may stand in a text.
func plainVersion(s string) string {
	if !idForm.MatchString(s) {
		return "(unreadable)"
	}
	return s
}
