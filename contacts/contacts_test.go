package contacts_test

import (
	"fmt"
	"time"

	"github.com/mspkit/mspkit/contacts"
)

func ExampleContact() {
	dana := contacts.Contact{
		Tenant: "contoso", ID: "dana", Name: "Dana Whitfield", Enabled: true,
		Phones: []contacts.Address{{Value: "+12025550143", Raw: "(202) 555-0143", FirstSeen: time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC)}},
		Emails: []contacts.Address{{Value: "dana@contoso.example"}},
	}
	for _, a := range append(dana.Phones, dana.Emails...) {
		fmt.Println(a.Value, "first seen:", !a.FirstSeen.IsZero())
	}
	// Output:
	// +12025550143 first seen: true
	// dana@contoso.example first seen: false
}
