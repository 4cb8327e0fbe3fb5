package teamsapp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/teamstest"
)

// A bot asks somebody by a card and hears the answer. Microsoft's side is played: a real program leaves Options.Cloud out, and
// registers the address of its endpoint with Azure Bot Service.
func ExampleNew() {
	if err := askDana(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Dana sees: Somebody asks for a new password
	// Dana of contoso pressed it, for v1
	// and reads: Thank you, it is stopped.
}

func askDana(ctx context.Context) error {
	const appID, secret, contoso = "0b51d7a0-5a4e-4b7b-9d6c-7e1f2a3b4c5d", "from the host's secret store", "5f0c9a7e-1b2c-4d3e-8f90-a1b2c3d4e5f6"
	microsoft, err := teamstest.Start(appID, secret, nil)
	if err != nil {
		return err
	}
	defer microsoft.Close()

	ring, err := mspkit.NewKeyRing(mspkit.NewKey("2026-11")) // from the host's secret store
	if err != nil {
		return err
	}
	app := teamsapp.App{ID: appID, TenantID: microsoft.AppTenant(), Credential: teamsapp.ClientSecret(secret)}
	customers := func(_ context.Context, entraTenant string) (mspkit.TenantID, error) {
		if entraTenant != contoso {
			return "", teamsapp.ErrUnknownTenant
		}
		return "contoso", nil
	}
	bot, err := teamsapp.New(app, ring, teamsapp.NewMemory(), customers, &teamsapp.Options{Cloud: microsoft.Cloud()})
	if err != nil {
		return err
	}
	bot.Handle("deny", func(_ context.Context, t teamsapp.Turn) (teamsapp.Reply, error) {
		fmt.Println(t.Name, "of", t.Tenant, "pressed it, for", t.Data["id"])
		return teamsapp.Reply{Text: "Thank you, it is stopped."}, nil
	})
	mux := http.NewServeMux()
	mux.Handle("POST /teams/messages", bot)
	front := httptest.NewServer(mux)
	defer front.Close()
	microsoft.Connect(front.URL + "/teams/messages")

	// Dana has the app, so that the bot knows a chat with her.
	dana := microsoft.AddPerson(contoso, "1c62e8b1-6b5f-4c8c-8e7d-8f203b4c5d6e", "Dana", "en-US")
	if err := dana.Install(ctx); err != nil {
		return err
	}
	to, err := teamsapp.NewUser(dana.TenantID, dana.ObjectID)
	if err != nil {
		return err
	}
	card := &teamsapp.Card{
		Summary: "Somebody asks for a new password",
		Body:    []teamsapp.Element{teamsapp.Heading{Text: "Did you ask for a new password?"}},
		Actions: []teamsapp.Action{teamsapp.Press{Title: "Not me", Verb: "deny", Data: map[string]string{"id": "v1"}}},
	}
	if _, err := bot.Notify(ctx, teamsapp.Notification{To: to, Message: teamsapp.Message{Card: card}}); err != nil {
		return err
	}
	seen, err := microsoft.Next(ctx, dana)
	if err != nil {
		return err
	}
	fmt.Println("Dana sees:", seen.Summary)
	answer, err := dana.Press(ctx, seen, "Not me", nil)
	if err != nil {
		return err
	}
	fmt.Println("and reads:", answer.Text)
	return nil
}
