// Package graphteams publishes an MSP's app in the Teams of its customers, installs it for people, and finds out why
// somebody cannot be reached, over Microsoft Graph.
//
//	catalog, err := graphteams.New(partner, nil) // entra/gdap: an administrator of Teams who is signed in
//	pub, err := catalog.Publish(ctx, "contoso", pkg, nil)
//	if err != nil { return graphteams.Explain(err) } // what an administrator can do
//	client, err := graphteams.New(app, nil) // entra/azurecred: the application by itself
//	at, counts, err := client.InstallMany(ctx, graphteams.ManyRequest{Tenant: "contoso", App: pub.App, Audience: graphteams.Audience{Group: staff}})
//	notifier, err := graphteams.NewNotifier(bot, client, client.Locate(bot, pkg.ID), nil) // installs before the first message
//	found, err := client.Diagnose(ctx, "contoso", pub.App, "dana@contoso.example", nil)   // why somebody is not reached
//
// # Ways to people
//
// [Client.Install] and [Client.InstallMany] install the app by Graph, which is the way that runs by itself. An app setup policy
// of Teams does it for everybody who comes later, too, and pins the app. No API of Microsoft makes such a policy:
// [SetupPolicy.Steps] and [SetupPolicy.PowerShell] are for an administrator of the tenant, [Client.AssignPolicy] gives a policy
// that is there to single people, and [Client.VerifyPolicy] looks at the effect. [Trial] is for one person who tries a package
// that is not published.
//
// # Permissions
//
// Each method needs what its row says, with admin consent in the customer's tenant, and no more:
//
//	method                        least permission
//	Publish, Withdraw             AppCatalog.Submit, delegated only, and the role Teams Administrator
//	  with Review; withdrawing    AppCatalog.Submit, delegated only
//	  what waits for review
//	Approve, Reject               AppCatalog.ReadWrite.All, delegated only, and the role Teams Administrator
//	Find, Definitions             AppCatalog.Read.All (delegated: AppCatalog.Submit)
//	Install, Installed, Upgrade,  TeamsAppInstallation.ReadWriteSelfForUser.All where webApplicationInfo.id of the manifest is the
//	Uninstall, Chat, …Many,       application that calls, TeamsAppInstallation.ReadWriteForUser.All otherwise
//	Notifier
//	  Audience: everybody         and User.Read.All
//	  Audience: a group           and GroupMember.Read.All and User.Read.All
//	Diagnose                      User.Read.All, AppCatalog.Read.All, TeamsAppInstallation.ReadForUser.All, or what there is
//	AssignPolicy, UnassignPolicy  TeamsPolicyUserAssign.ReadWrite.All
//	VerifyPolicy                  TeamsUserConfiguration.Read.All, TeamsAppInstallation.ReadForUser.All, and to see whether the policy is
//	                              there TeamsPolicyUserAssign.ReadWrite.All, or what there is
//
// There is no permission by which an application could write to a catalog by itself, although AppCatalog.ReadWrite.All exists as one: it
// reads. So Publish needs a person: one of the customer's, or a partner's administrator by a GDAP relationship that has the
// role Teams Administrator. Those who have no such role can submit an app for review.
//
// Source: https://learn.microsoft.com/graph/permissions-reference and the pages of the methods.
//
// # Security
//
// The tenant is named by the host and decides which credential is used. An app of the catalog is found by the id in its
// manifest and taken only where Graph gives that very id as an app of the organisation's. That id is no secret: who may submit
// apps in the tenant can submit one with it, so [Client.Publish] takes no version for its own that names another application,
// and [Definition] has the name of that. [Client.Approve] holds to the etag of what was looked at, so that nobody swaps it after
// the look. [Client.Publish] reads what the package says of itself from its manifest.
//
// What is in a script or in steps for administrators is checked: characters that cannot be seen are refused, and each value in
// PowerShell is a literal in plain ASCII, whatever is in it. The script changes nothing in another tenant than the one it was
// made for.
//
// Errors and logs have the tenant, object ids, versions and Microsoft's codes and ids: no names, nothing that is in a manifest, and
// of what Microsoft writes about one the names of fields only.
//
// # Limits
//
// Graph allows an application 30 requests a second and tenant to the catalog and to installed apps, 15 of them to delete
// (source: https://learn.microsoft.com/graph/throttling-limits). That is kept here by each process.
//
// In the cloud operated by 21Vianet there is no catalog by Graph, in those of the US government no policies of people.
//
// # Concurrency
//
// A [Client] is safe for concurrent use; make one and share it. No goroutine outlives a call, but that of an installation by a
// [Notifier], which several messages wait for: it ends when none of them waits any more.
//
// # Errors
//
//	errors.Is                    meaning
//	ErrNotPublished              the app, or the version, is not in the tenant's catalog
//	ErrManifest                  Microsoft does not take the package; a *ManifestError has the fields
//	ErrVersion                   the catalog has a higher version, or this one of somebody else
//	ErrChanged                   somebody else changes the app at the same time
//	ErrUnknown                   it may have been done or not; calling again does no harm
//	ErrDelegated                 a person has to be signed in
//	ErrDenied                    a permission or a role is missing
//	ErrConsent                   consent is missing or withdrawn
//	ErrSignIn                    Entra gives no token, or Graph does not take it
//	ErrCloud                     not offered in the tenant's cloud; nothing was sent
//	ErrNoPolicy                  there is no setup policy of that name
//	ErrBlocked                   a policy of the tenant blocks the app for the person
//	ErrNotLicensed               the person has no licence for Teams
//	ErrNoUser                    nobody of this id is in the tenant
//	ErrTeamsUnused               the person has not used Teams yet
//	ErrScope                     the app is not for private chats
//	ErrCheckpoint                a checkpoint is of another run or damaged
//	ErrTemporary                 throttled, an outage, or no answer: a later try may succeed
//	ErrRefused                   Microsoft refuses for a reason that Code may say
//	teamsapp.ErrNotInstalled     the person does not have the app; of a [Notifier] a *NotInstalledError
//	ErrNoEffect                  the app was installed for a message, and Teams does not let the bot write yet
//	ErrRemoved                   the app was removed for the person, who is left alone
//	azurecred.ErrNotConnected    the tenant is not connected to Microsoft 365
//	mspkit.ErrInvalid            an argument or an option cannot be used; nothing was sent
//
// They are of type [*Error], but for options and [SetupPolicy.Validate]; [Explain] says in words what an administrator can do.
package graphteams
