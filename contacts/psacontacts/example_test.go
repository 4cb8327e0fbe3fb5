package psacontacts_test

import (
	"context"
	"fmt"

	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/psacontacts"
	"github.com/mspkit/mspkit/psa"
)

// shelf is a homegrown ticket system with one contact per company.
type shelf struct{}

func (shelf) ListContacts(_ context.Context, q psa.Query) (psa.Page[psa.Contact], error) {
	return psa.Page[psa.Contact]{Items: []psa.Contact{{
		ID: "201", Company: psa.Named{ID: q.CompanyID}, Name: "Dana Whitfield", Active: true, Phones: []psa.Phone{{Raw: "(202) 555-0143"}},
	}}}, nil
}

func Example() {
	ctx := context.Background()
	mappings := psa.NewMemory() // psa/sqlstore keeps them
	if err := mappings.SaveMapping(ctx, psa.Mapping{System: "shelf", CompanyID: "12", CompanyName: "Contoso", Tenant: "contoso", By: "ana"}); err != nil {
		fmt.Println(err)
		return
	}
	source, err := psacontacts.New(shelf{}, mappings, "shelf", &psacontacts.Options{Region: "US"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for c, err := range contacts.All(ctx, source, contacts.Query{Tenant: "contoso"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(c.ID, c.Name, c.Company, c.Phones[0].Value)
	}
	// Output: shelf:201 Dana Whitfield Contoso +12025550143
}
