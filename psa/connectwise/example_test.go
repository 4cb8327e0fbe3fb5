package connectwise_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/connectwise"
	"github.com/mspkit/mspkit/psa/psatest"
)

func Example() {
	// Against the real system leave BaseURL out, and give "na.myconnectwise.net" and the company id of the sign-in page.
	fake, err := psatest.NewConnectWise(psatest.NewDesk(nil), nil)
	if err != nil {
		panic(err)
	}
	defer fake.Close()
	client, err := connectwise.New("", psatest.ConnectWiseCompany, connectwise.Credentials{
		PublicKey: mspkit.Redact(psatest.ConnectWisePublicKey), PrivateKey: mspkit.Redact(psatest.ConnectWisePrivateKey),
		ClientID: mspkit.Redact(psatest.ConnectWiseClientID),
	}, &connectwise.Options{BaseURL: fake.URL, Member: psatest.ConnectWiseMember})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	info, err := client.Ping(ctx)
	if err != nil {
		panic(err) // it says whether site, company, key or permission is wrong
	}
	fmt.Println(info.System, info.Version)

	callers, err := client.FindByPhone(ctx, "+1 202 555 0143")
	if err != nil {
		panic(err)
	}
	fmt.Println(callers[0].Name, "of", callers[0].Company)

	ref := psa.TicketRef{Tenant: "contoso", Ticket: mspkit.Ticket{System: connectwise.Name, ID: "4711"}}
	if _, err := client.AddNote(ctx, ref, psa.Note{Text: "Dana is verified."}); err != nil {
		panic(err)
	}
	notes := fake.Desk().Notes("4711")
	fmt.Println(notes[0].Text, notes[0].Public)
	// Output:
	// connectwise v2025.1.12345
	// Dana Whitfield of Contoso
	// Dana is verified. false
}

func ExampleClient_VerifyWebhook() {
	var client *connectwise.Client // from connectwise.New
	var changed chan<- psa.WebhookEvent
	http.HandleFunc("POST /cw", func(w http.ResponseWriter, r *http.Request) {
		event, err := client.VerifyWebhook(r)
		switch {
		case err == nil:
			changed <- event // and answer at once
		case errors.Is(err, psa.ErrWebhook):
			w.WriteHeader(http.StatusUnauthorized)
		default: // the key could not be fetched
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
}
