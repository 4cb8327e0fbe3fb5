package graphmail_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/graphmail"
)

// An administrator sets the client's shared mailbox up as sender.
func Example() {
	setUp := func(ctx context.Context, credentials azurecred.TenantCredentials, store mail.SenderStore, platform mail.Mailer) (*mail.Router, error) {
		client, err := graphmail.New(credentials, nil)
		if err != nil {
			return nil, err
		}
		senders, err := graphmail.NewSenders(client, store)
		if err != nil {
			return nil, err
		}
		_, err = senders.Choose(ctx, "contoso", "helpdesk@contoso.example", "", "admin@msp.example")
		if errors.Is(err, graphmail.ErrNotShared) {
			return nil, err // its text says why, for the page
		} else if err != nil {
			return nil, err
		}
		templates, err := mail.NewTemplates(nil)
		if err != nil {
			return nil, err
		}
		_, err = senders.Test(ctx, templates, mail.TestMail{
			Tenant: "contoso", Name: mail.Notification, Brand: mspkit.Brand{Name: "Northwind IT"}, To: mail.Address{Email: "admin@msp.example"},
		})
		if err != nil {
			return nil, err
		}
		return mail.NewRouter(platform, senders, nil)
	}
	_ = setUp
}

func ExampleRestriction_PowerShell() {
	script, err := graphmail.Restriction{
		ClientID: "0c1d2e3f-1111-4222-8333-444455556666", ObjectID: "9b8a7c6d-1111-4222-8333-444455556666", Name: "Northwind IT",
		Mailbox: mail.Address{Email: "helpdesk@contoso.example"},
	}.PowerShell()
	fmt.Println(err, len(script) > 500)
	// Output: <nil> true
}
