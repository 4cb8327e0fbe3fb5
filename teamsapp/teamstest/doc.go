// Package teamstest plays Microsoft's side of a Teams bot over HTTP, so that a bot is tested without a tenant, a
// registration or a network: Entra's token endpoint, the Bot Service's signing keys, the Connector that takes messages,
// and people who install the app, write, and press buttons.
//
//	s, err := teamstest.Start(appID, secret, nil)
//	defer s.Close()
//	bot, err := teamsapp.New(teamsapp.App{ID: appID, TenantID: s.AppTenant(), Credential: …}, ring, store, tenants,
//		&teamsapp.Options{Cloud: s.Cloud()})
//	front := httptest.NewServer(bot)
//	s.Connect(front.URL)
//
//	dana := s.AddPerson(customer, danasObjectID, "Dana", "en-US")
//	err = dana.Install(ctx)                     // the bot hears of it
//	_, err = bot.Notify(ctx, …)                 // the bot sends a card
//	m, err := s.Next(ctx, dana)                 // Dana sees it
//	r, err := dana.Press(ctx, m, "Confirm", map[string]string{"number": "123"})
//
// It speaks the wire protocol and knows nothing of package teamsapp's Bot but the names of its Cloud, so it tests other
// bots as well. What it refuses and how is what Microsoft documents or was measured to do; where neither exists, the
// comment says so.
//
// # Faults
//
// [Server.Fail] and [Server.FailRate] make requests fail, get lost, hang or get an answer that is none.
// [Options.Limits] enforces Teams' request limits.
//
// # Security
//
// It listens on a loopback address with plain HTTP and makes its keys when it starts. [Server.Sign] signs any claims, so
// nothing but a test may trust its keys.
//
// # Concurrency
//
// Everything is safe for concurrent use, but the exported fields of a [Person], which are set before it acts. No
// goroutine is left after [Server.Close].
//
// # Errors
//
// What the bot answered is a [Result], also where it is a refusal. Errors mean that there was no answer, or that the
// person's client would not have let it happen:
//
//	errors.Is          meaning
//	ErrNotConnected    no messaging endpoint was set with Connect
//	ErrNotInstalled    the person does not have the app and cannot write to it
//	ErrNoButton        the card has no such button that this client shows
//	ErrInput           a field is missing or not as the card asks for it; nothing was sent
//	ErrCard            the bot's answer holds a card that cannot be shown
package teamstest
