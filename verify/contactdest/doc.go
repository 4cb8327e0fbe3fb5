// Package contactdest makes the subjects of verifications from contacts: whom a technician verifies has the addresses
// that a directory has on record, each with its age, in the order of preference that the host decides.
//
//	people, err := contactdest.New(directory, &contactdest.Options{Channels: []contactdest.Channel{
//		{Name: "teams", Takes: contactdest.Entra},
//		{Name: "sms", Takes: contactdest.Phone},
//		{Name: "email", Takes: contactdest.Email},
//	}, EntraTenant: tenants.Entra})
//	svc, err := verify.New(store, ring, base, settings, &verify.Options{Channels: channels, Lookup: people.Lookup})
//	subject, err := people.Subject(ctx, "contoso", contactID)
//	challenge, err := svc.Start(ctx, verify.StartRequest{Tenant: "contoso", Subject: subject, …})
//
// # Security
//
// Since when an address is known, and who typed it, goes with it, so that the freshness guard of package verify sees a
// number that was changed yesterday (verify.Settings, Freshness). What has no date counts as new. A person in Entra is as old
// as the history says that the source has had them without a break, so that an account that was made yesterday for an old
// contact is new. Who has left is no subject, and has no address. A phone number that could not be read is left out: nothing
// is sent to a guess.
//
// An address that somebody typed is looked up in one tenant. Where two people have it nobody is found, because a message
// to either might be one to the wrong person. Whether anybody has it, [Resolver.Lookup] asks the directory once; the public
// form of package verify answers before that. No error holds an address.
//
// # Concurrency
//
// A [Resolver] is immutable and safe for concurrent use where the directory is.
//
// # Errors
//
//	errors.Is              returned by     meaning
//	mspkit.ErrInvalid      New             the directory or an option cannot be used
//	mspkit.ErrInvalid      Subject, Of     no tenant or contact is named, or the contact is another tenant's
//	contacts.ErrNotFound   Subject         the tenant has no such contact
//	ErrLeft                Subject, Of     the person has left: nobody calls as them
//
// What the directory and [Options.EntraTenant] report is returned, too.
package contactdest
