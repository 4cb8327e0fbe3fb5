package mail_test

import (
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
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
