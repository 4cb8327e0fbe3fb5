// Package workflows posts to channels of Microsoft Teams through webhooks of Workflows, without a bot: an administrator of
// the customer makes a flow, gives its URL to the host, and what happens at the helpdesk appears in a channel.
//
//	service, err := workflows.New(store, ring, nil)
//	go service.Run(ctx)
//	c, err := service.Connect(ctx, workflows.Connection{
//		Tenant: "contoso", Name: "Helpdesk", URL: mspkit.Redact(url), Events: []workflows.Event{workflows.NewText, workflows.LiveChat},
//	})
//	result, err := service.Test(ctx, "contoso", c.ID)               // "Hello, World", and what that proves
//	id, err := service.Post(ctx, "contoso", c.ID, workflows.Post{Text: "Backup of FS01 failed"})
//	n, err := service.Notify(ctx, "contoso", workflows.Incoming{Event: workflows.NewText, ID: message, From: name, Text: text, …})
//
// # Flow
//
// In Teams, Workflows makes a flow from the template "Send webhook alerts to a channel" (or to a chat); "Who can trigger the
// flow" stays Anyone, and its URL goes into [Service.Connect]. One body suits that flow, which posts the card, and a flow made
// by hand, which posts {"text": …}; [Connection.Form] narrows it down.
//
// [Service.Post] and [Service.Notify] accept: they store the post and return. [Service.Run] posts, in order within a
// connection, at most 4 in a second and 300 in 300 seconds.
//
//	accepted (2xx)                     the post is forgotten but for its id, which makes a repeat known
//	throttled, or not there (429, 5xx) again after a backoff or the time that Microsoft asks for; those behind it wait
//	no answer                          the same: it may be in the channel already
//	the URL or the flow (401, 404 …)   again after 10 and 20 seconds; from the third time on the connection is broken and its
//	                                   posts are dead after one try each, until one is accepted
//	the post itself (400, 413 …)       dead; the next one goes on
//	tried for Options.GiveUp           dead
//
// A dead post waits for somebody: [Service.DeadPosts], [Service.PostText], [Service.ReplayPost], [Service.ReplayPosts],
// [Service.DropPost], and [Options.OnDead] tells of it. A connection that is deleted takes its posts with it.
//
// # Guarantees and their limits
//
// An accepted post reaches Workflows at least once or becomes dead. Workflows knows no key for repeats, so that a post whose
// answer was lost comes twice; both runs carry the same client tracking id.
//
// Accepted by Workflows is not shown in Teams: the answer 202 comes before the flow runs, and nobody tells when it fails
// then, because its form is another, its owner left, or Teams does not take the message. Only the run history of the flow and
// the channel show it. Flows belong to a person: give them a second owner.
//
// # Security
//
// Whoever has the URL can post into the channel, so it is sealed under the key ring with the place where it lives, and is in
// no result, error, log or print; nor are texts. A post is sealed with its tenant and connection, so that whoever writes to the
// database cannot send it into another channel. The URL is also a way into the host's network: it is accepted for hosts of
// Workflows only ([Hosts]), https, port 443, one plain spelling; addresses are looked at after DNS, so that a name that leads
// to a private address is sent nothing; redirects are not followed. A [Options.HTTPClient] of the host's own brings a
// transport of its own, for which that look is the host's affair.
//
// What strangers write ([Incoming]) becomes neither a link nor, in the card, a format. In the text it stands last, behind a bar
// on each line, and has nothing in it that ends a text in the JSON of a card that a flow puts together. A card with a
// [teamsapp.Secret] is refused: a channel is no place for one. Ids of posts are stored as hashes without a key.
//
// # Concurrency
//
// A [Service] is safe for concurrent use, and any number of instances share one [Store]: a connection is drained by one of
// them at a time. Limits are counted per process.
//
// # Errors
//
// A post that was not accepted is an [*Error] with [Error.Advice].
//
//	errors.Is            meaning
//	ErrURL               the URL is not one of a flow that can be posted to, or its host leads to a private address
//	ErrRetired           the URL is of a connector, or of an old host that the host refuses
//	ErrTooLarge          the post is larger than Options.MaxBody, or than Workflows takes
//	ErrUnauthorized      the flow asks for a sign-in, or does not know the signature
//	ErrGone              the flow does not exist any more or is switched off
//	ErrRefused           the flow refused the post, mostly by the schema of its trigger
//	ErrThrottled         too many posts
//	ErrUnavailable       there was no answer, or one that says to come back
//	ErrProtocol          the answer is a redirect, or comes from something else than Workflows
//	ErrNotFound          the tenant has no such connection or post
//	ErrState             the post is not in the state that this needs
//	ErrConflict          somebody changed the connection at the same time: read it and try again
//	ErrTooMany           the tenant has MaxConnections
//	ErrRunning           Run runs already
//	mspkit.ErrInvalid    an option, a connection, a URL or a post cannot be used
//	mspkit.ErrUnknownKey the ring no longer holds the key of a connection or post
package workflows
