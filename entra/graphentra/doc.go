// Package graphentra sets an application up in a tenant of Microsoft Entra, in two moves that are safe to repeat: a plan, which only
// reads, and its application, which does exactly the plan.
//
//	client, err := graphentra.New(credentials, nil) // entra/azurecred, entra/gdap, or a person who is signed in
//	d := graphentra.SignIn("signin", "north", "North IT", "https://msp.example/auth")
//	d.Secrets = []graphentra.Secret{{Name: "main"}}
//	d.Assignments = []graphentra.Assignment{{Principal: technicians, Kind: graphentra.Group, Role: "Technician"}}
//	plan, err := client.Plan(ctx, "contoso", d)
//	plan.Print(os.Stdout)                                                       // + makes, ~ changes, - removes, ! mind this
//	res, err := client.Apply(ctx, plan, &graphentra.ApplyOptions{Keep: keep})   // keep stores the secret that was made
//	if err != nil { fmt.Println(graphentra.Explain(err)); plan = res.Remaining } // goes on from there
//
// A second plan is empty. [Desired] says what can be set up: the registration with its redirect URIs, permissions, roles and claims;
// client secrets, certificates and federated credentials; the enterprise application, which demands that people are assigned; their
// assignments; consent; and a policy of Conditional Access. [SignIn], [OutboundMail] and [TeamsMessenger] are what this module's own
// applications need.
//
// [Client.Report] says which permissions are granted and by whom, [Client.Expiring] which credentials end soon, and
// [Client.PlanMany] plans in many tenants.
//
// # What is found, changed and kept
//
// An application is found by [Desired].Key, which is its uniqueName and one of its tags, and never by a name that people see. What
// others have added to it is kept and listed in [Plan].Kept, unless [Desired].Prune asks for its removal. Tags of others are never
// removed.
//
// Before each step Apply reads what the step is about again. Is it there already, the step is passed over; is it neither as the plan
// saw it nor as it is to be, nothing is written and the error is [ErrChanged]. A registration is made by an upsert on its unique
// name, so that two never come of it, whatever happens between question and answer. After each write Apply waits until it can be
// seen, at most [Options].Lag; throttling and outages are waited for, at most [Options].Patience.
//
// # Conditional Access
//
// A plan makes a policy report-only and with the emergency accounts excluded, and nothing but [Client.Enforce] switches it on:
//
//	d.Conditional = &graphentra.Conditional{BreakGlass: emergency}              // plan and apply, then let people work for some days
//	impact, err := client.Impact(ctx, "contoso", d, nil)
//	impact.Print(os.Stdout)                                                    // who would have been blocked, how often and when
//	_, err = client.Enforce(ctx, "contoso", d, impact.Token, nil)              // refused where that has changed since
//	err = client.Relax(ctx, "contoso", d)                                      // back to report-only
//
// What an administrator changes in the policy is in the notes of the next plan and stays, unless [Conditional].Restore is set. A
// tenant is asked about Conditional Access at most once in 1.1 seconds, because Microsoft allows one request a second.
//
// # Permissions
//
//	what                                        least permission of who calls
//	registration, credentials                   Application.ReadWrite.OwnedBy for its own, else Application.ReadWrite.All
//	enterprise application                      Application.ReadWrite.All
//	assignments                                 AppRoleAssignment.ReadWrite.All, Application.Read.All, User.ReadBasic.All, GroupMember.Read.All
//	consent                                     DelegatedPermissionGrant.ReadWrite.All and AppRoleAssignment.ReadWrite.All
//	Conditional Access                          Policy.Read.All, Policy.ReadWrite.ConditionalAccess, Application.Read.All, Directory.Read.All
//	Impact, Enforce                             AuditLog.Read.All as well
//	Plan alone, Report, Expiring                Application.Read.All and Directory.Read.All
//
// Source: https://learn.microsoft.com/graph/permissions-reference and the pages of the methods.
//
// # Security
//
// AppRoleAssignment.ReadWrite.All can grant anything to anybody: give it to a person who signs in for the set-up, not to a service.
//
// The ids of permissions are looked up in the tenant by name and held against those that Microsoft documents; one that differs is
// refused. A plan holds the object id of Microsoft Graph in the tenant, which differs between tenants: where the credential leads to
// another one, nothing is written. A stored plan has no secret; who can change it decides what is done, so store it as carefully
// as what it sets up, and print what you have read.
//
// Values of secrets come out once, in [Result].Secrets or to [ApplyOptions].Keep, as [mspkit.Redacted]. With [Options].Holds a
// secret that was made and then lost in a crash is replaced. Errors and logs have the tenant, ids, kinds of steps and Microsoft's
// codes; the names in a tenant are in plans only, and are printed without characters that move the cursor.
//
// The token goes to Graph's own host alone, whatever a link in an answer says.
//
// # Cost
//
// This package is built on Microsoft's SDK for Graph, whose models take minutes and some gigabytes to compile once. Nothing else in
// this module imports it, so keep it in a command of your own.
//
// # Concurrency
//
// A [Client] is safe for concurrent use. Apply works in one goroutine and calls its callbacks there. Of two that apply different
// plans for the same application at once, one may end with [ErrChanged]. The same plan must not be applied by two at once where it
// makes a secret: each would take the other's for that of a run which was interrupted.
//
// # Errors
//
//	errors.Is                     meaning
//	ErrDenied                     a permission or a role is missing
//	ErrSignIn                     Entra gives no token, or Graph does not take it
//	ErrChanged                    the tenant changed since the plan was made; plan again
//	ErrNotFound                   a user, a group, or a resource is not in the tenant
//	ErrAmbiguous                  several applications have the tag, or several policies are for the application
//	ErrPermission                 a resource has no such permission, or one with another id than documented
//	ErrLicence                    Microsoft Entra ID P1 is missing
//	ErrSecretsForbidden           a policy of the tenant forbids the credential
//	ErrSecurityDefaults           security defaults exclude Conditional Access
//	ErrBreakGlass                 the group of emergency accounts is missing or has nobody who may sign in
//	ErrUnseen                     enforce without the token of a report of the last day
//	ErrUnproven                   the sign-in log shows no result of the policy
//	ErrLockout                    whoever asks would lock themselves out
//	ErrNotVisible                 written, and not to be seen in time; apply what remains
//	ErrThrottled                  Graph asks for a longer wait than Patience
//	ErrTemporary                  an outage, no answer, or the end of the context; apply what remains
//	ErrRefused                    Graph does not do it; Code may say why
//	entra.ErrNotConnected         the tenant is not connected to Microsoft 365
//	mspkit.ErrInvalid             an argument, an option or a stored plan cannot be used
//
// They are of type [*Error], but for arguments that are refused before anything is asked; [Explain] says what an administrator can do.
package graphentra
