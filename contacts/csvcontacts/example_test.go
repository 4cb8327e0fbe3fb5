package csvcontacts_test

import (
	"context"
	"fmt"

	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/csvcontacts"
)

func Example() {
	file := []byte("Contact ID;Display name;E-mail 1;Phone\n" +
		"201;Dana Whitfield;Dana@contoso.example;(202) 555-0143\n" +
		"202;Omar Haddad;omar@contoso.example; \n")
	source, err := csvcontacts.New("contoso", csvcontacts.Bytes(file), &csvcontacts.Options{Region: "US"}) // or csvcontacts.Path
	if err != nil {
		fmt.Println(err)
		return
	}
	for c, err := range contacts.All(context.Background(), source, contacts.Query{Tenant: "contoso"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(c.ID, c.Name, c.Emails[0].Value, c.HasPhone("+12025550143"))
	}
	// Output:
	// 201 Dana Whitfield dana@contoso.example true
	// 202 Omar Haddad omar@contoso.example false
}

// Everything that is wrong with a file is told at once, to who uploads it.
func ExampleSource_Check() {
	source, err := csvcontacts.New("contoso", csvcontacts.Bytes([]byte("id,name,email\n1,Dana,dana@\n2,Omar,omar@contoso.example\n2,Omar,\n")), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := source.Check(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range report.Faults {
		fmt.Println(f)
	}
	for _, d := range report.Duplicates {
		fmt.Printf("line %d has the id of line %d\n", d.Line, d.First)
	}
	// Output:
	// csvcontacts: line 2, column "email": the e-mail address is not of the form name@domain
	// line 4 has the id of line 3
}
