package gdap_test

import (
	"context"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/gdap"
	"github.com/mspkit/mspkit/internal/graphfake"
)

// One sign-in of a partner's service user reaches every customer.
func Example() {
	microsoft, err := graphfake.Start(nil) // a fake; leave Cloud empty for Microsoft
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = microsoft.Close() }()
	home := microsoft.AddTenant("", "The MSP", "msp.example")
	for name, roles := range map[string][]string{
		"Contoso": {gdap.ApplicationAdministrator}, "Fabrikam": {gdap.ApplicationAdministrator, gdap.UserAdministrator},
	} {
		home.Relate(graphfake.Relationship{
			Customer: microsoft.AddTenant("", name, "").ID, CustomerName: name, Roles: roles, Group: "5b1c1f8e-3f52-4d59-9a0a-0d8f7f3f2a11",
		})
	}

	store := entra.NewMemory() // entra/sqlstore in a real program
	ring, _ := mspkit.NewKeyRing(mspkit.NewKey("2026"))
	partner, err := gdap.NewPartner(store, ring, &gdap.Options{
		Cloud:         entra.Cloud{Login: microsoft.URL(), Graph: microsoft.URL(), PartnerCenter: microsoft.URL(), PartnerCenterScope: "https://api.partnercenter.microsoft.com/.default"},
		PartnerTenant: home.ID, ClientID: "0b51d7a0-5a4e-4b7b-9d6c-7e1f2a3b4c5d", Secret: mspkit.Redact("from the host's secret store"),
		Owner: "msp", Connections: store,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if err := partner.SignIn(ctx, mspkit.Redact(microsoft.RefreshToken(home.ID, "service")), "anna@msp.example"); err != nil {
		fmt.Println(err)
		return
	}
	customers, err := partner.Customers(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range customers {
		fmt.Printf("%s: %q\n", c.Name, c.Problem)
	}
	fabrikam := customers[1]
	if err := partner.Consent(ctx, fabrikam.EntraID, gdap.Grant{Scopes: []string{"User.Read.All"}}); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := partner.Connect(ctx, fabrikam, "fabrikam", "contacts"); err != nil {
		fmt.Println(err)
		return
	}
	creds, err := partner.Credentials(gdap.Connected(store, "msp", "contacts", nil)) // for graphcontacts and others
	if err != nil {
		fmt.Println(err)
		return
	}
	cred, err := creds.TenantCredential(ctx, "fabrikam")
	fmt.Println(cred, err)
	// Output:
	// Contoso: "no GDAP relationship has User Administrator: ask the customer to approve one with it"
	// Fabrikam: ""
	// gdap.Credential("fabrikam") <nil>
}
