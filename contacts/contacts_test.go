package contacts_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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

// "ſ" and the Kelvin sign fold to "s" and "k", and an address with one of them is somebody else's.
func TestALookAlikeAddressIsAnother(t *testing.T) {
	t.Parallel()
	c := contacts.Contact{Emails: []contacts.Address{{Value: "sales.desk@contoso.example"}, {Value: "jörg@contoso.example"}}}
	for address, want := range map[string]bool{
		"Sales.DESK@contoso.example": true, "jörg@Contoso.example": true,
		"ſales.desk@contoso.example": false, "sales.des\u212a@contoso.example": false, "": false, "sales.desk@contoso.example.": false,
	} {
		require.Equal(t, want, c.HasEmail(address), "%q", address)
	}
}
