// Package graphmail sends mail from a client's shared mailbox in Microsoft 365, which people know as sender, and helps an
// administrator to set that up.
//
//	client, err := graphmail.New(credentials, nil)
//	senders, err := graphmail.NewSenders(client, store)
//	list, _, err := client.Candidates(ctx, "contoso")                                  // for a page to choose from
//	sender, err := senders.Choose(ctx, "contoso", "helpdesk@contoso.example", "", admin) // a shared mailbox, or an error that says why not
//	receipt, err := senders.Test(ctx, templates, mail.TestMail{Tenant: "contoso", Name: mail.Notification, To: me, Brand: brand})
//	router, err := mail.NewRouter(platform, senders, nil)                              // from now on end users hear from it
//
// A [Mailer] is one mailbox. [Senders] keep which mailbox each tenant has, look at it once a day before they use it, and note
// what is wrong with it for the administrator's page. [Restriction] generates the commands that confine the application to
// the mailbox.
//
// # Permissions
//
//	Mail.Send                 to send, granted for all mailboxes or, better, for one by [Restriction.PowerShell]
//	User.Read.All             [Client.Check], [Client.Candidates]
//	MailboxSettings.Read      the same: what kind of mailbox it is
//	Mail.ReadWrite            files of more than 2.7 MB only, which go by a draft
//
// All are application permissions.
//
// # Security
//
// An application with Mail.Send for all mailboxes can write as anybody of the client, the chief executive too: restrict it.
// Only shared mailboxes can be chosen, so that no technician makes a person's mailbox the sender; the mailbox is remembered by
// its object id, so that its address, given to somebody else, is not followed. A mailbox that is converted to a person's is
// not used any more within a day.
//
// Mails with codes and links are not kept in Sent Items, where all who have access to the mailbox would read them. Parts of
// large files go to Graph's own host and Microsoft's Outlook hosts only, without a token. Errors and logs hold no address, no
// text and no words of the server.
//
// Accepted is not delivered: Exchange answers 202 before it knows, and a bounce goes to the mailbox.
//
// # Limits
//
// Exchange lets a mailbox send 30 messages a minute and 10,000 recipients a day, and Graph has an application 4 requests at
// once. Both are kept here for each tenant, by each process; a mail waits for its turn up to Options.MaxWait.
//
// # Concurrency
//
// Everything is safe for concurrent use. No goroutine outlives a call.
//
// # Errors
//
//	errors.Is            meaning
//	mail.ErrRejected     the mail, its recipient or its size is refused for good
//	mail.ErrTemporary    not sent, a later try may succeed: throttled, unreachable, the day's limit reached
//	mail.ErrAmbiguous    the answer got lost: it may have been sent
//	mail.ErrAuth         consent, role or mailbox is missing: an administrator must act on the advice
//	mail.ErrNotSetUp     the tenant has no sender
//	ErrNotShared         the mailbox is a person's, a room's, or none
//	mspkit.ErrInvalid    a message, an address, a tenant or an option cannot be used
//
// They are of type [*Error], whose Advice is for administrators.
package graphmail
