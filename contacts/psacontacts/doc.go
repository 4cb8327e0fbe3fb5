// Package psacontacts makes the contacts of any ticket system a [contacts.ContactSource], tenant by tenant.
//
//	source, err := psacontacts.New(connectwiseClient, mappings, "connectwise", &psacontacts.Options{Region: "US"})
//	for p, err := range contacts.Pages(ctx, source, contacts.Query{Tenant: "contoso", Cursor: lastRun}) { … }
//	callers, err := source.FindByPhone(ctx, "contoso", "+12025550143")
//
// A tenant's contacts are those of the companies that an administrator has mapped to it; see [psa.MappingStore]. They are
// listed company by company. Where the system tells what changed, a later run lists that only: it begins
// [Options].Overlap before the last change that was seen, because two machines' clocks differ and a run takes its time, so
// contacts may come again. What was deleted in the system is noticed by a whole run only, so there is one every
// [Options].WholeEvery; whoever is inactive there is listed with Enabled false. A tenant whose companies have been mapped
// or unmapped since is listed whole again, and a run during which that happens ends with [contacts.ErrCursor].
//
// The id of a contact is [ID]: the system's name, a colon and its own id. Sources has its own id under the name of the
// system, and the object id in Microsoft Entra under "entra" where the system keeps it. A contact whose ID would be longer
// than [mspkit.MaxID] is dropped and logged; of addresses and numbers the first [contacts.MaxAddresses] of each count.
//
// # Security
//
// A contact of a company that was not asked for is dropped and its id logged as a warning, whether the system, an adapter
// or a tampered cursor is the cause: nobody is handed to another tenant. So is one of which the system does not say to
// which company it belongs. The mappings are read before and after each request, so a company that is unmapped meanwhile
// gives nothing. A cursor is bound to tenant and system, and names a company only as far as it is mapped.
//
// Names and numbers are what technicians typed into the system: there is no [contacts.Address.FirstSeen], so they
// count as new, and a phone number counts as read only in E.164 form. Errors and logs have ids and no names or addresses.
//
// # Concurrency
//
// A [Source] is safe for concurrent use where its lister and its store are.
//
// # Errors
//
//	errors.Is            meaning
//	contacts.ErrCursor   the cursor is stale, foreign or damaged, or the mappings changed during the run: begin again
//	contacts.ErrTenant   no company is mapped to the tenant
//	contacts.ErrSource   the ticket system's pages lead in a circle, or its cursors are too long
//	psa.ErrConflict      the store says that a company belongs to two tenants
//	psa.ErrUnsupported   the ticket system cannot find contacts by e-mail or phone
//	mspkit.ErrInvalid    an argument, option or query that cannot be used
//	psa.Err…             what the ticket system answered, as an [*psa.Error]
package psacontacts
