package graphteams

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

// Code names what a [Finding] is about. The constants stand in the order in which they are to be dealt with, which is that of
// [Diagnosis.Findings].
type Code string

// The codes of findings.
const (
	// CodeNotConnected is a tenant that is not connected to Microsoft 365.
	CodeNotConnected Code = "not connected"
	// CodeConsent is consent that is missing or was withdrawn.
	CodeConsent Code = "consent missing"
	// CodeSignIn is that Graph cannot be asked, because there is no token that is accepted.
	CodeSignIn Code = "no token for Graph"
	// CodeBotCredentials is that the bot gets no token, or Teams does not take it.
	CodeBotCredentials Code = "bot credentials"
	// CodeCloud is that bot, tenant and service belong to different clouds.
	CodeCloud Code = "wrong cloud"
	// CodeTenantUnknown is an Entra tenant that the bot was not told of: it refuses what comes from there.
	CodeTenantUnknown Code = "tenant not onboarded"
	// CodeWrongTenant is a person of another tenant than the one that was asked about.
	CodeWrongTenant Code = "wrong tenant"
	// CodeNoUser is that nobody of this id is in the tenant.
	CodeNoUser Code = "nobody of this id"
	// CodeGuest is a guest, whose own Teams is in another tenant.
	CodeGuest Code = "guest"
	// CodeDisabled is an account that is switched off.
	CodeDisabled Code = "account disabled"
	// CodeNotLicensed is a person without a licence for Teams.
	CodeNotLicensed Code = "no Teams licence"
	// CodeTeamsUnused is a person whom Teams does not know.
	CodeTeamsUnused Code = "Teams never used"
	// CodeNotPublished is an app that is not in the catalog.
	CodeNotPublished Code = "app not in the catalog"
	// CodeInReview is an app that waits for review, or was rejected.
	CodeInReview Code = "app in review"
	// CodeBlockedByPolicy is an app that a policy of the tenant blocks for the person.
	CodeBlockedByPolicy Code = "blocked by policy"
	// CodeNotInstalled is an app that the person does not have.
	CodeNotInstalled Code = "app not installed"
	// CodeNoReference is a person whom the bot has not heard of, or whose chat it does not know.
	CodeNoReference Code = "no conversation reference"
	// CodeBlockedByUser is a person who has blocked the bot.
	CodeBlockedByUser Code = "bot blocked by the person"
	// CodeLastMessage is that the last message did not get through for another reason.
	CodeLastMessage Code = "last message failed"
	// CodeOutdated is an installation of an older version. It stops nothing.
	CodeOutdated Code = "older version installed"
	// CodeUnchecked is a check that could not be made.
	CodeUnchecked Code = "not checked"
	// CodeReachable is that nothing is wrong.
	CodeReachable Code = "can be reached"
)

// codes are all, in order.
var codes = []Code{
	CodeNotConnected, CodeConsent, CodeSignIn, CodeBotCredentials, CodeCloud, CodeTenantUnknown, CodeWrongTenant, CodeNoUser, CodeGuest,
	CodeDisabled, CodeNotLicensed, CodeTeamsUnused, CodeNotPublished, CodeInReview, CodeBlockedByPolicy, CodeNotInstalled,
	CodeNoReference, CodeBlockedByUser, CodeLastMessage, CodeOutdated, CodeUnchecked, CodeReachable,
}

// Weight is how much a [Finding] matters.
type Weight string

// The weights.
const (
	// Stops means that no message gets through because of it.
	Stops Weight = "stops"
	// Doubt means that a message may get through or not.
	Doubt Weight = "doubt"
	// Note stops nothing.
	Note Weight = "note"
)

// Finding is one thing that was seen.
type Finding struct {
	Code   Code
	Weight Weight
	// Seen is what was seen, Next what to do, in whole sentences for an administrator, without names, addresses or ids.
	Seen, Next string
}

// Verdict is what a [Diagnosis] comes to.
type Verdict string

// The verdicts.
const (
	// Reachable means that a message would get through as far as can be known without sending one.
	Reachable Verdict = "reachable"
	// Unreachable means that none would.
	Unreachable Verdict = "unreachable"
	// Uncertain means that it cannot be known without sending one: a check could not be made, or what was seen does not say.
	Uncertain Verdict = "uncertain"
)

// Diagnosis is why somebody can be reached or not.
type Diagnosis struct {
	// User is who was found; its ids are empty where they could not be found out.
	User    teamsapp.User
	Verdict Verdict
	// Findings are what was seen, in the order of what to do first. There is always one.
	Findings []Finding
}

// Has reports whether a finding has the code.
func (d Diagnosis) Has(c Code) bool {
	return slices.ContainsFunc(d.Findings, func(f Finding) bool { return f.Code == c })
}

// Reachability is what [Client.Diagnose] asks of the bot; [*teamsapp.Bot] and [*Notifier] implement it. Where the value has the
// methods CheckCredentials(context.Context) error, as both have, or Recent(teamsapp.User) Recent, as [*Notifier] has, these are
// asked as well. Nothing of it may send a message.
type Reachability interface {
	// Reference returns what the bot knows of the way to a person.
	Reference(ctx context.Context, u teamsapp.User) (teamsapp.Reference, error)
}

// Recent is what went wrong lately for a person.
type Recent struct {
	// Send is the error of the last message, Install that of the last installation; nil where it worked or is not remembered.
	Send, Install error
	// SendAt and InstallAt are when; zero is unknown.
	SendAt, InstallAt time.Time
}

// DiagnoseOptions are what [Client.Diagnose] may use besides Graph. Nil is fine, and the more there is, the more is found.
type DiagnoseOptions struct {
	// Bot says what the bot knows. Without it, whether there is a conversation is not checked.
	Bot Reachability
	// EntraTenant is the Entra tenant that the person is taken to be of, empty is that of the tenant.
	EntraTenant string
	// Last is the error of the last message where the host has kept it, LastAt when that was. Only by it, or by a [*Notifier] as
	// Bot, can be seen that the person has blocked the bot.
	Last   error
	LastAt time.Time
	// TryInstall installs the app where it is missing and nothing else stands against it: Microsoft has no other way to ask
	// whether a policy blocks it. No message is sent, but the person sees the app.
	TryInstall bool
}

// Diagnose looks for why a person cannot be reached by the bot of an app, of which only ManifestID is needed. The person is named
// by object id or user principal name. It sends no message, and changes nothing unless TryInstall says so.
//
// What cannot be looked at, because a permission is missing or Microsoft does not answer, is said so by [CodeUnchecked], and the rest
// is looked at all the same. It needs User.Read.All, AppCatalog.Read.All and TeamsAppInstallation.ReadForUser.All, or what
// [Client.Installed] says. The error is [mspkit.ErrInvalid], or that of ctx.
func (c *Client) Diagnose(ctx context.Context, tenant mspkit.TenantID, app App, user string, o *DiagnoseOptions) (Diagnosis, error) {
	x, err := c.newExamination(tenant, app, user, o)
	if err != nil {
		return Diagnosis{}, c.failed("diagnose", tenant, "", err)
	}
	if x.graph(ctx) {
		x.person(ctx)
		x.catalog(ctx)
		x.installation(ctx)
		if x.denied >= 3 {
			x.find(CodeConsent, Doubt, "The application may look at nothing in the tenant: not at the person, the catalog or the installation.",
				"An administrator of the tenant must consent to the application's permissions.")
		}
	}
	x.bot(ctx)
	if err := ctx.Err(); err != nil {
		return Diagnosis{}, c.failed("diagnose", tenant, "", err)
	}
	return x.diagnosis(), nil
}

func (x *examination) diagnosis() Diagnosis {
	d := Diagnosis{Findings: x.findings}
	if x.entra != "" && x.object != "" {
		d.User = teamsapp.User{TenantID: x.entra, ObjectID: x.object}
	}
	has := func(w Weight) bool {
		return slices.ContainsFunc(d.Findings, func(f Finding) bool { return f.Weight == w })
	}
	for i, f := range d.Findings {
		// The bot needs nothing of Graph for somebody who has the app.
		if x.ways && (f.Code == CodeNotConnected || f.Code == CodeConsent || f.Code == CodeSignIn) {
			d.Findings[i].Weight = Note
		}
	}
	switch {
	case has(Stops):
		d.Verdict = Unreachable
	case has(Doubt), !x.ways:
		d.Verdict = Uncertain
	default:
		d.Verdict = Reachable
		seen := "The bot knows the conversation with the person"
		if x.installed == yes {
			seen += ", and the app is installed"
		}
		d.Findings = append(d.Findings, Finding{CodeReachable, Note, seen + ".", "Nothing is to be done."})
	}
	slices.SortStableFunc(d.Findings, func(a, b Finding) int {
		return cmp.Compare(slices.Index(codes, a.Code), slices.Index(codes, b.Code))
	})
	return d
}
