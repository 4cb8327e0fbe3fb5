package memstore_test

import (
	"context"
	"fmt"
	"time"

	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/memstore"
)

// A page of Microsoft Entra and one of the ticket system tell of the same person.
func ExampleNew() {
	ctx, now := context.Background(), time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	dir, err := memstore.New(&memstore.Options{Precedence: contacts.Precedence{
		Default: []string{"entra", "connectwise"},
		Of:      map[contacts.Field][]string{contacts.FieldPhones: {"connectwise"}},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	mail := []contacts.Address{{Value: "dana@contoso.example"}}
	for source, c := range map[string]contacts.Contact{
		"entra":       {Tenant: "contoso", ID: "8f1c", Name: "Dana Whitfield", JobTitle: "Head of IT", Emails: mail, Enabled: true},
		"connectwise": {Tenant: "contoso", ID: "201", Name: "Whitfield, D.", Phones: []contacts.Address{{Value: "+12025550143"}}, Emails: mail, Enabled: true},
	} {
		at, err := dir.Checkpoint(ctx, "contoso", source)
		if err == nil {
			_, err = dir.Apply(ctx, contacts.Batch{At: at, Page: contacts.Page{Contacts: []contacts.Contact{c}, Whole: true}, Now: now, Known: 365 * 24 * time.Hour})
		}
		if err != nil {
			fmt.Println(err)
		}
	}
	calling, err := dir.FindCaller(ctx, "+12025550143", 0)
	for _, c := range calling {
		fmt.Println(c.Tenant, c.Name, c.JobTitle, c.Sources, err)
	}
	// Output: contoso Dana Whitfield Head of IT map[connectwise:201 entra:8f1c] <nil>
}
