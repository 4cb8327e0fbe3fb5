// Package teamschannel verifies callers and technicians by cards from the MSP's own bot in Microsoft Teams: a card with
// a field for the number that the technician says, a card with a code to be read aloud, or a card on which the contact
// verifies the technician.
//
// It joins [teamsapp] and [verify]. The channel is made before the service, the answers are registered after it:
//
//	bot, err := teamsapp.New(app, ring, store, tenants, nil)
//	teams, err := teamschannel.New(bot, nil)
//	svc, err := verify.New(records, ring, base, settings, &verify.Options{
//		Channels: map[string]verify.Channel{"teams": teams},
//		Lookup:   lookup, // for "who is calling me?"
//	})
//	err = teamschannel.Register(bot, svc, nil)
//	mux.Handle("POST /api/messages", bot)
//	go svc.Run(ctx) // repaints cards when a request ends
//
// The address of a contact is [teamsapp.User.String]: "tenant id/object id", as a directory has them on record.
//
// # Buttons and words
//
//	verb or message    what it does
//	verify.answer      takes the number or the words of a card
//	verify.not-me      ends the request, also where it is over already, and freezes the person's verification
//	verify.who         begins a card on which the contact verifies the technician; needs Options.Lookup of the service
//	who, wer           the same, written in the chat
//
// Every press is answered with the card as it then stands. A message is also repainted by [Channel.Settle], on
// whichever instance runs [verify.Service.Run], so that field and buttons are gone once the request is over. A renewal
// that sends a new message marks the old one; one that does not gives the card its field back.
//
// # Security
//
// The tenant and the person who pressed come from the turn, which the Bot Service signed; a card's data holds the id of
// the challenge and nothing else. A card that was forwarded, or an id that was guessed, is refused for everybody but
// the person whom the card was sent to, is not counted as a try and is logged with ids only. Where "not me" is pressed
// it holds at once, because Teams says who pressed it.
//
// The number and the words that the technician says are not known to this package, so that no card can hold them. A code
// stands in a [teamsapp.Secret] alone: notifications, summaries and logs do not show it. A card goes to a person of a
// tenant that is the client's own only: where the Entra tenant of an address belongs to another client, nothing is sent.
//
// Times on cards are absolute and name their zone, because a card stays in the chat, where "3 minutes ago" would become
// false.
//
// "Who is calling me?" is answered by a card to the person on record. Whoever is not on record learns only that we know
// of no call.
//
// # Concurrency
//
// [Channel] is immutable and safe for concurrent use where the bot is; so are the registered handlers where the service
// is.
//
// # Errors
//
// New, Register and Canonical return [mspkit.ErrInvalid]. Deliver returns a [*verify.DeliveryError] whose reason is a
// sentence without names and ids, and which wraps what the bot returned:
//
//	errors.Is                      permanent   what to do
//	teamsapp.ErrNotInstalled       yes         install the app for the person, or use another way
//	teamsapp.ErrBlockedByUser      yes         the person must unblock the bot
//	teamsapp.ErrBlockedByAdmin     yes         the client's administrator must allow the app
//	teamsapp.ErrUnknownTenant      yes         onboard the tenant, or correct the address
//	teamsapp.ErrCredentials        yes         look at the bot's secret and app registration
//	teamsapp.ErrServiceURL         yes         look at the cloud's hosts
//	teamsapp.ErrCloud              yes         look at the bot's cloud and home tenant
//	teamsapp.ErrTooLarge           yes         shorten the texts
//	teamsapp.ErrRefused            yes         see the log
//	mspkit.ErrInvalid              yes         the address is no person, or the brand has no name
//	teamsapp.ErrConversationGone   no          try again
//	teamsapp.ErrThrottled          no          try again in a minute
//	teamsapp.ErrUnavailable        no          it may have arrived
//	teamsapp.ErrProtocol           no          it may have arrived
//
// Settle returns what the bot returned, but nothing where the person or message cannot be reached any more. Handlers
// return an error only where it is not known what happened; the bot then asks the person to try again.
package teamschannel
