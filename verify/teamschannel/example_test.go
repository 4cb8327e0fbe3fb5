package teamschannel_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/teamschannel"
)

// The channel needs only what sends: in production that is a *teamsapp.Bot, here it prints.
func ExampleNew() {
	teams, err := teamschannel.New(printer{}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("2026-11"))
	if err != nil {
		fmt.Println(err)
		return
	}
	settings := verify.Settings{Brand: mspkit.Brand{Name: "Northwind IT"}}
	svc, err := verify.New(memstore.New(), ring, "https://help.northwind.example/verify", verify.Same(settings), &verify.Options{
		Channels: map[string]verify.Channel{"teams": teams},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := svc.Start(context.Background(), verify.StartRequest{
		Tenant: "contoso",
		Subject: verify.Subject{ID: "dana", Name: "Dana", Destinations: []verify.Destination{{
			Channel: "teams", FirstSeen: time.Now().AddDate(-1, 0, 0),
			Address: "0c1d2e3f-1111-4222-8333-444455556666/aaaaaaaa-1111-4222-8333-444455556666",
		}}},
		Action:     verify.ActionResetMFA,
		Technician: verify.Technician{ID: "jane", Name: "Jane Doe"},
		Ticket:     mspkit.Ticket{System: "halopsa", ID: "4711"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("delivery:", c.Delivery)
	fmt.Println("would prove:", c.Assurance)
	// Output:
	// Northwind IT: is this you on the phone?
	// delivery: sent
	// would prove: Teams with number match
}

type printer struct{ teamschannel.Notifier }

func (printer) Tenant(context.Context, teamsapp.User) (mspkit.TenantID, error) { return "contoso", nil }

func (printer) Notify(_ context.Context, n teamsapp.Notification) (teamsapp.Receipt, error) {
	fmt.Println(n.Card.Summary)
	return teamsapp.Receipt{Message: teamsapp.MessageRef{User: n.To, Conversation: "a:1", Activity: "1"}}, nil
}

// The bot and the channel are made before the service, the answers are registered after it.
func ExampleRegister() {
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("2026-11"))
	if err != nil {
		fmt.Println(err)
		return
	}
	app := teamsapp.App{
		ID: "6f1c0f3e-7a55-4c0e-9d0e-2f8f4c1b7a01", TenantID: "0c1d2e3f-9999-4222-8333-444455556666",
		Credential: teamsapp.ClientSecret("from a secret store"),
	}
	onboarded := func(_ context.Context, entraTenant string) (mspkit.TenantID, error) {
		if entraTenant == "0c1d2e3f-1111-4222-8333-444455556666" {
			return "contoso", nil
		}
		return "", teamsapp.ErrUnknownTenant
	}
	bot, err := teamsapp.New(app, ring, teamsapp.NewMemory(), onboarded, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	o := &teamschannel.Options{Help: true}
	teams, err := teamschannel.New(bot, o)
	if err != nil {
		fmt.Println(err)
		return
	}
	settings := verify.Settings{Brand: mspkit.Brand{Name: "Northwind IT"}}
	svc, err := verify.New(memstore.New(), ring, "https://help.northwind.example/verify", verify.Same(settings), &verify.Options{
		Channels: map[string]verify.Channel{"teams": teams},
		// Who is it that asks "who is calling me?", and is one of us on the phone with them?
		Lookup: func(context.Context, mspkit.TenantID, string) (*verify.TechnicianRequest, error) { return nil, nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := teamschannel.Register(bot, svc, o); err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("POST /api/messages", bot)
	fmt.Println("the bot answers cards")
	// Output: the bot answers cards
}
