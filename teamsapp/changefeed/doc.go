// Package changefeed follows chats, channels, users and presence of Microsoft 365 by change notifications of Microsoft Graph,
// and hands what happens to a host: at least once, in order, proven and decrypted.
//
//	feed, err := changefeed.New(changefeed.App{IDs: []string{appID}, URL: "https://msp.example/graph"}, ring, store, credentials,
//		changefeed.SinkFunc(func(ctx context.Context, e changefeed.Event) error { return desk.Show(ctx, e) }), nil)
//	mux.Handle("/graph", feed)
//	go feed.Run(ctx)
//	err = feed.Follow(ctx, "contoso", entraTenant, changefeed.AllChats(), changefeed.Users())
//
// # Flow
//
// [Feed.Follow] stores what is wanted. [Feed.Run] subscribes, which has Graph ask App.URL for a validation token while it waits,
// renews, and subscribes anew what Graph has removed; there is one subscription for each resource and tenant however many
// instances run. What was missed is read again as far as Graph lets one: [Requirements].Backfill.
//
// A POST of notifications is read, each one's clientState is compared, and all that are ours are stored in one step; then Graph
// gets 202, and nothing that comes later can lose them. Where that does not succeed within Options.Budget Graph gets 503 and
// repeats the POST, for up to 4 hours. After the answer, conversation by conversation:
//
//	validation tokens     signature, audience, issuer, tenant, publisher, expiry at the time when they came
//	content               the data key by the certificate that is named, the HMAC, and only then AES-CBC
//	no content            one call to Graph for each message, 20 a second for a tenant; users and presence as the options say
//	repeats               dropped where an event of the same ID was handed over within Options.Keep
//	the sink              an error has it tried again, later each time; what is behind it in the conversation waits
//
// What is not proven or does not open, what the sink rejects ([ErrRejected]), and what failed for Options.GiveUp is a dead letter:
// it holds up nothing, is logged with the reason, and waits for [Feed.Replay] or [Feed.Drop], see [Feed.DeadLetters].
//
// # Guarantees and their limits
//
// An accepted notification is handed over at least once or becomes a dead letter. A repeat has the same [Event].ID, so a sink that
// remembers ids handles each change once. Events of a conversation, which is a chat, a channel, or a person, come in the order in
// which their notifications were stored; Graph does not promise to send them in the order in which they happened, so compare
// [Event].ChangedAt where that matters. A replayed dead letter comes at the end.
//
//   - What Graph drops is not known here: it does so for minutes after a receiver was slow. Keep the budget.
//   - Without content (Options.Subscriptions.Basic) one gets what a message says when it is read. Of two edits at once that is the
//     last one, once.
//   - Microsoft signs for days with a key; a notification that waits for longer than its key is published is a dead letter.
//   - A program in FIPS 140-only mode cannot open content: Graph wraps keys by RSA-OAEP with SHA-1. Follow without content there.
//
// # Subscriptions
//
// There is one record for each resource and tenant, and whoever looks after it has a lease of it. A new clientState is stored
// before Graph is asked, and its first part stands in the notification URL: so what was made by an instance that died in between
// is found in Graph's list and taken over, what was made for a record that has moved on is deleted, and a notification that is
// faster than the answer to the request finds its record. The list is asked for in such doubt only. Subscriptions of Graph to the
// same resource and URL that no record knows, as after the loss of a database, are deleted; those of other URLs are left alone.
// So two installations must not share a URL.
//
// When App.URL changes, the first look of an instance with the new one has all subscriptions made anew for it, and what was missed
// in between read. Where instances have different URLs, as while a new release replaces an old one, that of whichever started last
// counts for all: the old ones keep and make subscriptions of the new URL too. Starting the old release again moves them back.
//
// They are renewed at about half of their life, when Graph asks, and when there is a new certificate. [Feed.Subscriptions] says how
// it stands with each:
//
//	wanted, asked      it is being made
//	active             it delivers; a Fault says that what was missed cannot be read
//	failing            Graph or the network failed; it is tried again within minutes
//	denied             consent, a policy or the connection is missing, or there is no such chat; tried again within hours
//	quota-used-up      Microsoft allows no more
//	url-not-reached    Graph got no proper answer from App.URL
//	taken              another installation, or another tenant of the host's, follows the same
//	leaving            it is not wanted any more and is being deleted
//
// [Feed.Retry] tries at once what somebody has mended.
//
// # What was missed
//
// After a subscription was removed, had expired or was found gone, after Graph says that something was missed, and after no
// instance ran for Options.Subscriptions.Outage, what happened since the last time at which it was known to deliver is read and
// accepted like notifications, with the same ids. It is read as it is now: of a message that was edited twice the last version, of
// one that was deleted only that it was. What goes beyond 1,000 messages of a chat comes with the later part first. Not found
// again is:
//
//   - in [AllChats], chats of nobody that Options.Subscriptions.BackfillUsers names, or of the directory's users beyond the first
//     [DefaultBackfillUsers]; in [AllChannelMessages], channels of teams that are neither named nor followed;
//   - which changes users had in between, and beyond 7 days any; what presence was in between;
//   - what is older than Options.Subscriptions.MaxGap, messages that were deleted for good, and what consent does not reach.
//
// Options.Subscriptions.OnGap is told of what is known to be lost. That Graph dropped something while a receiver was slow, or
// while a proxy in front of it was down and instances ran, is not known here.
//
// # Certificates
//
// Graph encrypts for a certificate of 2048 bits that is made here, self-signed, its private key sealed in the [Store]. It is
// replaced when it is Options.Rotate old; renewals take the new one, and the old key stays until no subscription has had it for a
// day and what came in that time is handled. One whose private key is not here, because the database was tampered with or the ring
// has lost a key, is not given to Graph: the next one is made. Options.Certificates are the host's own, whose keys may be in a vault.
//
// # Security
//
// The URL is public. A request whose clientState is not that of the subscription, compared in constant time, changes nothing, asks
// the store for little, and gets the same 202 as a genuine one: it tells a forger nothing, and Graph need not repeat what is of a
// subscription that has ended. clientStates have 260 random bits, one for each try to subscribe, and are sealed. Each
// notification is bound to the Entra tenant of its subscription, and each token to that tenant: a tenant that knows another's ids
// gets nowhere. Content is decrypted after its HMAC was compared, and must be of the message that the notification names, which
// must be of what was subscribed to.
//
// Whoever has a clientState, and that is Graph alone, can without a token do what notifications without content do: have a message of that
// one resource read and handed over again, or said to be deleted, and fill the backlog. Its lifecycle events are obeyed once in some
// minutes. It ends with the subscription.
//
// What waits is sealed under the key ring, bound to tenant and id; ids of conversations are hashes. Errors, faults and logs hold ids,
// counts and reasons: nothing of what was written, no name, no token, and of an error of the sink only its type.
//
// [Message].HTML, names, and files are what somebody sent. Show [Message].Text, escaped like any text, and never follow an
// attachment's URL with a credential.
//
// # Metrics
//
//	mspkit.changefeed.requests    status                    POSTs of notifications, and what was refused
//	mspkit.changefeed.accepted                              notifications that were stored
//	mspkit.changefeed.repeated                              those that were stored already
//	mspkit.changefeed.dropped     reason: unreadable, unknown-subscription, wrong-client-state, another-tenant
//	mspkit.changefeed.events      outcome: handled, repeated, failed, dead
//	mspkit.changefeed.event.age                             the time from acceptance until an event was handled
//
// # Concurrency
//
// A Feed is safe for concurrent use, and any number of instances may share a store and a key ring. The sink is called for many
// conversations at once, for each by one. Nothing runs before [Feed.Run]; clocks of instances may differ by some minutes.
//
// # Errors
//
//	errors.Is              returned by                meaning
//	mspkit.ErrInvalid      New, Follow, Hosted …      the app, an option, a tenant or a resource cannot be used
//	ErrNotFound            Replay, Drop, stores       there is no such dead letter or record of that tenant
//	ErrNotFound            Hosted, Photo              Graph has none
//	ErrRejected            a Sink                     the event will never be taken
//	ErrChanged, ErrHeld    stores                     somebody else was quicker
//	mspkit.ErrUnknownKey   Run, by the log            the ring no longer holds the key of a record
//
// What Graph refuses is in [Feed.Subscriptions], in words for an administrator.
package changefeed
