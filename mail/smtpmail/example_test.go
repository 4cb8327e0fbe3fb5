package smtpmail_test

import (
	"context"
	"fmt"

	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/mailtest"
	"github.com/mspkit/mspkit/mail/smtpmail"
)

// Send through a server; here the one of mailtest stands in for it.
func Example() {
	srv, err := mailtest.Start(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()

	mailer, err := smtpmail.New(srv.Host(), srv.Port(), mail.Address{Name: "Contoso IT", Email: "it@contoso.example"},
		&smtpmail.Options{RootCAs: srv.CertPool()})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = mailer.Send(context.Background(), &mail.Message{
		Tenant: "contoso", To: mail.Address{Name: "Dana", Email: "dana@client.example"},
		Subject: "Hello", Text: "Hello Dana", Key: "greeting-1",
	})
	fmt.Println(err, srv.Messages()[0].Subject, srv.Messages()[0].TLS)
	// Output: <nil> Hello true
}
