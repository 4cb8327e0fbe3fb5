// Package teamsapp reaches people in Microsoft Teams with an MSP's own bot, and hears what they answer.
//
// A [Bot] is an http.Handler for the endpoint that is registered with Azure Bot Service, and a [TeamsNotifier] for
// private messages and cards. It speaks the Bot Connector protocol itself, for which no kept Go library exists.
//
//	app := teamsapp.App{ID: appID, TenantID: homeTenant, Credential: teamsapp.ClientSecret(secret)}
//	bot, err := teamsapp.New(app, ring, store, tenants, nil)
//	bot.Handle("approve", func(ctx context.Context, t teamsapp.Turn) (teamsapp.Reply, error) {
//		return teamsapp.Reply{Text: "Thank you, " + t.Name}, approve(ctx, t.Tenant, t.User, t.Data)
//	})
//	mux.Handle("POST /teams/messages", bot)
//	receipt, err := bot.Notify(ctx, teamsapp.Notification{To: dana, Message: teamsapp.Message{Card: card}})
//
// One registration serves all customers of an MSP: the Entra application is multi-tenant, the bot resource is
// single-tenant, tokens come from the bot's home tenant, and the app is installed in each customer's Teams. Bots of
// the old multi-tenant type work too ([App.MultiTenant]).
//
// # The app of an MSP
//
// [NewPackage] makes what Teams calls an app package of a [Brand]: each MSP has its own, with its name and logo, before
// the same bot. The host keeps [Package.Published] and gives it the next time, so that the version rises only with the
// content, and uploads [Package.Zip] (teamsapp/graphteams does it by Graph, teamsapp/brandpage is the page for it).
//
//	p, err := teamsapp.NewPackage(brand, &teamsapp.PackageOptions{Previous: last})
//	for _, f := range teamsapp.Faults(err) {
//		form.Mark(f.Field, f.Reason)
//	}
//
// The colour icon has the logo in its middle: on the accent colour if it can be seen there, on the logo's own ground if it
// has one, over the whole square if it is a photograph, and of a wide logo only the symbol beside the name. The outline
// icon is the logo's shape in white. [Package.Warnings] say where that may not be what was meant.
//
// # Security
//
// A logo is a foreign file: its size in bytes and pixels and the number of its passes are known before it is decoded, a
// decoder that panics is an error, and what moves or can carry script is refused. Texts of a package hold no character that
// turns or hides others, and its links are https.
//
// An activity is believed only with a token that Azure Bot Service signed for this bot and this service URL
// (https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication): RS256, issuer,
// audience, lifetime with 5 minutes of skew, the claim serviceurl, and the endorsement of the channel on the key. That
// proves the Bot Service, not the customer: so the tenant must be one that the host has onboarded ([Tenants]), and a
// [Turn] names its person by tenant and object id. What a card sends back ([Turn.Data]) can be made by anybody who has
// Teams: it names things, it proves nothing.
//
// The bot's token goes to the hosts of its [Cloud] only. What a store keeps is sealed under the host's key ring, bound
// to bot, tenant and person, so that whoever writes to the database cannot send Dana's card to somebody else's chat.
// Texts in a [Card] are inert: a name becomes neither a link nor a format. Logs and errors hold ids and reasons, never
// texts, cards, names or tokens.
//
// # Concurrency
//
// [NewPackage] keeps nothing and can be called from anywhere, but needs memory for the decoded logo. A [Bot] is safe for
// concurrent use and starts no goroutine. Any number of instances share one [Store]: each turn is
// handled once, whichever instance gets it and however often it is delivered. Requests to Teams are paced to its limits
// in each process, so that with n instances [Options.TenantRate] should be 30/n.
//
// # Errors
//
// What Teams refuses is an [*Error] that says what to do next ([Error.Advice]).
//
//	errors.Is             meaning
//	ErrUnknownTenant      the Entra tenant is not an onboarded customer's
//	ErrNotInstalled       the app is not installed for the person: install it, Teams then tells the bot
//	ErrBlockedByUser      the person has blocked the bot
//	ErrBlockedByAdmin     the customer's administrator has blocked the app
//	ErrConversationGone   the chat or message does not exist any more
//	ErrCredentials        the bot's secret, tenant or registration is wrong or has expired
//	ErrCloud              bot, tenant and service URL belong to different clouds
//	ErrServiceURL         a service URL is not one of the cloud's; nothing was sent
//	ErrTooLarge           the message is larger than Options.MaxActivity, or than Teams takes
//	ErrThrottled          too many requests, also after waiting
//	ErrUnavailable        Teams could not do it now; it may have been done all the same
//	ErrRefused            refused for another reason
//	ErrProtocol           the answer is not understood; it may have been done
//	ErrNotFound           a store has no such record
//	mspkit.ErrInvalid     an option, a card, an id or a brand cannot be used; [Faults] lists what is wrong with a brand
package teamsapp
