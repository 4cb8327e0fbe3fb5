package mailchannel_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/mailtest"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/mailchannel"
	"github.com/mspkit/mspkit/verify/memstore"
)

// In production the mailer is a smtpmail.Mailer and the key comes from a secret store.
func ExampleNew() {
	mailer := &mailtest.Mailer{}
	templates, err := mail.NewTemplates(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	email, err := mailchannel.New(mailer, templates, &mailchannel.Options{
		From: mail.Address{Name: "Contoso IT", Email: "helpdesk@contoso.example"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("2026-11"))
	if err != nil {
		fmt.Println(err)
		return
	}
	settings := verify.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}}
	svc, err := verify.New(memstore.New(), ring, "https://help.contoso.example/verify", verify.Same(settings), &verify.Options{
		Channels: map[string]verify.Channel{"email": email},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := svc.Start(context.Background(), verify.StartRequest{
		Tenant: "contoso",
		Subject: verify.Subject{ID: "dana", Name: "Dana", Destinations: []verify.Destination{
			{Channel: "email", Address: "Dana@Contoso.example", FirstSeen: time.Now().AddDate(-1, 0, 0)},
		}},
		Action:     verify.ActionIdentify,
		Technician: verify.Technician{ID: "jane", Name: "Jane Doe"},
		Ticket:     mspkit.Ticket{System: "halopsa", ID: "4711"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	sent := mailer.Messages()[0]
	fmt.Println(sent.Subject)
	fmt.Println("holds a link:", strings.Contains(sent.Text, "https://help.contoso.example/verify/v/"))
	fmt.Println("delivery:", c.Delivery)
	// Output:
	// Contoso IT: please confirm that it is you (ticket 4711)
	// holds a link: true
	// delivery: sent
}
