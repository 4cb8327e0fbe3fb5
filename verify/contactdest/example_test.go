package contactdest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/memstore"
	"github.com/mspkit/mspkit/verify/contactdest"
)

// A technician verifies somebody from the directory. In production the directory is contacts/sqlstore, filled by a sync.
func ExampleNew() {
	ctx, now := context.Background(), time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	dir, err := memstore.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = dir.Apply(ctx, contacts.Batch{
		At: contacts.Checkpoint{Tenant: "contoso", Source: "entra"}, Now: now, Known: 365 * 24 * time.Hour,
		Page: contacts.Page{Whole: true, Contacts: []contacts.Contact{{
			Tenant: "contoso", ID: "8f1c", Name: "Dana Whitfield", Enabled: true,
			Phones: []contacts.Address{{Value: "+12025550143"}}, Emails: []contacts.Address{{Value: "dana@contoso.example"}},
		}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	people, err := contactdest.New(dir, &contactdest.Options{Channels: []contactdest.Channel{
		{Name: "sms", Takes: contactdest.Phone}, {Name: "email", Takes: contactdest.Email},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	found, err := people.Lookup(ctx, "contoso", "dana@contoso.example")
	if err != nil || found == nil {
		fmt.Println("nobody", err)
		return
	}
	fmt.Println(found.Subject.Name)
	for _, d := range found.Subject.Destinations {
		fmt.Println(d.Channel, d.Address, "known since", d.FirstSeen.Format(time.DateOnly))
	}
	// Output:
	// Dana Whitfield
	// sms +12025550143 known since 2025-11-27
	// email dana@contoso.example known since 2025-11-27
}
