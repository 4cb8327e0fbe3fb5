// Package graphcontacts makes the people of Microsoft 365 a [contacts.ContactSource], tenant by tenant, over Microsoft
// Graph; beside it there are their pictures, a writer for phone numbers and a lookup of who can be reached in Teams now.
//
//	source, err := graphcontacts.New(creds, &graphcontacts.Options{Region: "US"}) // creds: entra/azurecred, entra/gdap
//	photos, err := graphcontacts.NewPhotos(creds, nil)
//	for p, err := range contacts.Pages(ctx, source, contacts.Query{Tenant: "contoso", Cursor: lastRun}) {
//		if err != nil { return graphcontacts.Explain(err) } // what an administrator can do
//		store(p.Contacts, p.Removed)
//		lastRun = p.Next
//	}
//
// # Permissions
//
// Each constructor needs what its row says, with admin consent in the customer's tenant, and no more:
//
//	what                          least permission (application or delegated)
//	New                           User.Read.All
//	  Options.Mailboxes: Ask…     and MailboxSettings.Read
//	NewPhotos                     ProfilePhoto.Read.All
//	NewOrgContacts                OrgContact.Read.All
//	NewMailboxContacts            Contacts.Read
//	NewPresences                  Presence.Read.All
//	NewWriter                     User-Phone.ReadWrite.All and Directory.Read.All
//
// Contacts.Read and MailboxSettings.Read as permissions of an application reach every mailbox of the tenant. Where that is
// too much, do not consent to them in Entra, and let Exchange grant "Application Contacts.Read" for a scope by RBAC for
// Applications (New-ServicePrincipal, New-ManagementScope, New-ManagementRoleAssignment): the two add up, so a consent in
// Entra would undo the scope. Changes take up to two hours.
//
// Sources: the permission tables of https://learn.microsoft.com/graph/permissions-reference, and
// https://learn.microsoft.com/exchange/permissions-exo/application-rbac.
//
// # What a run has
//
// The first run of a tenant is whole; later ones ask what changed. What a round of changes does not say of somebody is
// read, twenty people a request, and laid under what it says: a contact is always complete. Somebody who cannot be found
// then is gone; only where the round told all of them they are taken to be so new that not every server of Graph knows them.
// [Source.FetchContacts] says when a run is whole again. Graph may say the same thing twice, and tell that somebody is gone
// who was never there; both are passed on. Guests, and accounts of shared mailboxes and rooms, are left out unless the
// options say otherwise: who becomes one is told as gone. People without mail and phone are listed.
//
// The id is the object id in lower case, which is also Sources["entra"], and so is that of the manager. The e-mail address
// is mail; numbers are the mobile one and then those of the business, read by [Options].Region. A number that cannot be read
// or has an extension, such as "+1 (555) 123-4567 ext. 9", is there for people to look at (Raw) and has no Value. Photo is
// left to [Photos]: a picture that changes is no change for Graph, so ask once a week.
//
// # Security
//
// The tenant is named by the host and decides which credential is used; a cursor is bound to it. Links of Graph are
// followed to the Graph host only, and of a link nothing is kept but its query. Redirects are refused.
//
// An error is never an empty tenant: a page that breaks off, a consent that is withdrawn between two pages, and a permission
// without which nobody would seem to be enabled are errors, and a run ends only where Graph says so.
//
// What is in Microsoft 365 is not proven. Users may change their mobile number and their picture themselves, in their
// profile or by any app they sign in to (source: https://learn.microsoft.com/entra/fundamentals/users-default-permissions);
// in some tenants the private addresses (otherMails), which are left out by default, because nobody has verified them; and
// what is synchronised from the company's own directory is whatever that allows. So whoever has got into an account can
// put their own number there and be called at it. That is why no address has a FirstSeen here: the directory counts from
// when it first saw the number, and a number that has changed lately verifies nobody. Administrators and
// applications can change all of it, mail included. The contacts that people keep in a mailbox are what they typed.
//
// The numbers feed self-service password reset: read what [Writer] says before offering it.
//
// Errors and logs have the tenant, object ids and Graph's codes, no names, addresses or numbers.
//
// # Concurrency
//
// Everything here is safe for concurrent use and starts no goroutine. Each value that a constructor returns keeps within
// the limits of Graph by itself, per tenant: make one of each and share it.
//
// # Errors
//
//	errors.Is           meaning
//	contacts.ErrTenant  the tenant is not connected to Microsoft 365; nobody has left because of that
//	contacts.ErrCursor  the cursor is foreign or damaged, Graph has forgotten the place in the middle of a run (410), or the
//	                    options changed during the run: begin again. Before a run has given a page a 410 makes it whole
//	contacts.ErrSource  Graph answers with what cannot be used: a circle of pages, links to another host, no end
//	ErrRefused          numbers are not written because of who the user is; a *RefusedError has the reason
//	ErrUnknown          numbers may have been written or not
//	ErrAudit            an attempt to write could not be noted
//	mspkit.ErrInvalid   an argument, option or query that cannot be used
//
// Other errors are those of Graph and of Entra; [Explain] says in words what to do about each.
package graphcontacts
