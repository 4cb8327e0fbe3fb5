package halopsa_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/halopsa"
	"github.com/mspkit/mspkit/psa/psatest"
)

func Example() {
	fake, err := psatest.NewHaloPSA(psatest.NewDesk(nil), nil) // leave it and BaseURL out to reach HaloPSA
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fake.Close()

	client, err := halopsa.New("example.halopsa.com", halopsa.Credentials{ClientID: "client", ClientSecret: mspkit.Redact("secret")}, &halopsa.Options{
		BaseURL:         fake.URL,
		InternalOutcome: "Private Note", // as it is called in this HaloPSA; client.Outcomes lists them
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if _, err := client.Ping(ctx); err != nil {
		fmt.Println(err)
		return
	}
	callers, err := client.FindByPhone(ctx, "+1 202-555-0143")
	if err != nil || len(callers) == 0 {
		fmt.Println("nobody known calls", err)
		return
	}
	ref := psa.TicketRef{Tenant: "contoso", Ticket: mspkit.Ticket{System: halopsa.Name, ID: "4711"}}
	_, err = client.AddNote(ctx, ref, psa.Note{Text: callers[0].Name + " is verified."})
	switch {
	case errors.Is(err, psa.ErrClosed):
		fmt.Println("write to another ticket")
	case err != nil:
		fmt.Println(err, "then", psa.FateOf(err))
	default:
		n := fake.Desk().Notes("4711")[0]
		fmt.Println(n.Text, "public:", n.Public)
	}
	// Output: Dana Whitfield is verified. public: false
}

func ExampleClient_ListContacts() {
	fake, err := psatest.NewHaloPSA(psatest.NewDesk(nil), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fake.Close()
	client, err := halopsa.New("example.halopsa.com", halopsa.Credentials{ClientID: "client", ClientSecret: mspkit.Redact("secret")}, &halopsa.Options{BaseURL: fake.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	for q := (psa.Query{}); ; {
		page, err := client.ListContacts(context.Background(), q)
		if err != nil { // psa.ErrCursor means: begin again
			fmt.Println(err)
			return
		}
		for _, c := range page.Items {
			fmt.Println(c.Name, "of", c.Company.Name)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return
		}
	}
	// Output:
	// Dana Whitfield of Contoso
	// Omar Haddad of Fabrikam
}
