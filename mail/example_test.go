package mail_test

import (
	"context"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/mailtest"
)

// Build the templates once; a wrong file is an error here and not when somebody waits for the mail.
func ExampleTemplates_Render() {
	templates, err := mail.NewTemplates(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	subject, text, _, err := templates.Render(mail.VerificationCode, "en-GB", mail.Data{
		Brand:      mspkit.Brand{Name: "Contoso IT", Phone: "+44 20 7946 0000"},
		Name:       "Dana",
		Company:    "Contoso",
		Technician: "Jane Doe",
		Ticket:     "4711",
		Action:     "reset your password",
		Code:       mspkit.Redact("123456"),
		Expires:    5 * time.Minute,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("Subject:", subject)
	fmt.Println(text)
	// Output:
	// Subject: Contoso IT: your code for ticket 4711
	// Hello Dana,
	//
	// You called us, and we want to be sure that it is you. This is your code:
	//
	//     123 456
	//
	// Read this code to the technician only if YOU called us.
	//
	// Who asks: Jane Doe, Contoso IT
	// For: Dana, Contoso
	// What for: reset your password
	// Ticket: 4711
	// Valid for: 5 minutes, and only once
	//
	// If somebody called YOU and asks for this code, do not read it out, whoever they say they are. Hang up and call us on +44 20 7946 0000. Without the code nothing happens.
	//
	// This mail was sent because of a call. Please do not reply.
}

// An administrator looks at a template before anybody gets it.
func ExampleTemplates_Preview() {
	templates, err := mail.NewTemplates(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := templates.Preview(mail.Notification, "en-GB", mail.Data{
		Brand: mspkit.Brand{Name: "Contoso IT"}, Name: "Jane", Company: "Northwind", Heading: "Robin Roe has left",
		Lines: []string{"The account is disabled in Microsoft 365.", "Two tickets of theirs are open."},
	})
	fmt.Println(p.Locale, err)
	fmt.Println(p.Subject)
	fmt.Println(p.Text)
	// Output:
	// en <nil>
	// Contoso IT: Robin Roe has left (ticket 0000)
	// Hello Jane,
	//
	// Robin Roe has left
	//
	// The account is disabled in Microsoft 365.
	// Two tickets of theirs are open.
	//
	// https://example.com/this-is-only-a-sample
	//
	// When: 2000-01-01 12:00 UTC
	// Client: Northwind
	// Ticket: 0000
	//
	// This mail was sent automatically. Please do not reply.
}

// End users hear from their own mailbox, the MSP's people from the platform.
func ExampleRouter() {
	var platform, northwind mailtest.Mailer
	mailers := mail.TenantMailersFunc(func(_ context.Context, tenant mspkit.TenantID) (mail.Mailer, error) {
		if tenant == "northwind" {
			return &northwind, nil
		}
		return nil, mail.ErrNotSetUp
	})
	router, err := mail.NewRouter(&platform, mailers, &mail.RouterOptions{
		Fallback: mail.FallbackNotSetUp,
		OnFallback: func(_ context.Context, c mail.FallbackCase) {
			fmt.Printf("%s of %s goes by the platform: %s\n", c.Kind, c.Tenant, c.Reason)
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range []mail.Message{
		{Tenant: "northwind", Kind: mail.OptIn},
		{Tenant: "fabrikam", Kind: mail.OptIn},
		{Tenant: "northwind", Kind: mail.PasswordReset},
	} {
		m.To, m.Subject, m.Text = mail.Address{Email: "dana@client.example"}, "Hello", "…"
		receipt, err := router.Send(context.Background(), &m)
		fmt.Println(m.Tenant, m.Kind, receipt.Via, err)
	}
	// Output:
	// northwind opt-in tenant <nil>
	// opt-in of fabrikam goes by the platform: not set up
	// fabrikam opt-in platform <nil>
	// northwind password-reset platform <nil>
}

// A test mail takes the way of the real one and says what is wrong with it.
func ExampleTestSend() {
	templates, err := mail.NewTemplates(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	var mailbox mailtest.Mailer
	_, err = mail.TestSend(context.Background(), &mailbox, templates, mail.TestMail{
		Tenant: "northwind", Name: mail.PortalInvitation, Locale: "en", Brand: mspkit.Brand{Name: "Contoso IT"},
		To: mail.Address{Email: "admin@contoso.example"},
	})
	fmt.Println(err)
	fmt.Println(mailbox.Messages()[0].Subject)
	// Output:
	// <nil>
	// [Test] Contoso IT: your invitation to the customer portal
}
