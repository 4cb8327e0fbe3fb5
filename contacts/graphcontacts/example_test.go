package graphcontacts_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/graphcontacts"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphfake"
)

func Example() {
	ctx := context.Background()
	fake := graphfake.New(nil) // Microsoft Graph, where there is no real one
	srv := httptest.NewServer(fake)
	defer srv.Close()
	tenant := fake.AddTenant("", "Contoso", "contoso.example")
	tenant.Put(graphfake.User{DisplayName: "Dana Whitfield", Mail: "dana@contoso.example", MobilePhone: "(202) 555-0143"})
	connected := creds{bearer: fake.Bearer, ids: map[mspkit.TenantID]string{"contoso": tenant.ID}} // entra/azurecred makes these

	source, err := graphcontacts.New(connected, &graphcontacts.Options{
		Cloud:  azurecred.Cloud{Login: srv.URL, Graph: srv.URL}, // left out for the public cloud
		Region: "US",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	var lastRun contacts.Cursor
	for range 2 {
		for p, err := range contacts.Pages(ctx, source, contacts.Query{Tenant: "contoso", Cursor: lastRun}) {
			if err != nil {
				fmt.Println(graphcontacts.Explain(err))
				return
			}
			for _, c := range p.Contacts {
				fmt.Printf("%s %s %s %q\n", c.Name, c.Emails[0].Value, c.Phones[0].Value, c.JobTitle)
			}
			fmt.Println("whole:", p.Whole, "gone:", len(p.Removed))
			lastRun = p.Next
		}
		for _, u := range tenant.Users() {
			tenant.Update(u.ID, func(u *graphfake.User) { u.JobTitle = "Head of Sales" })
		}
	}
	// Output:
	// Dana Whitfield dana@contoso.example +12025550143 ""
	// whole: true gone: 0
	// Dana Whitfield dana@contoso.example +12025550143 "Head of Sales"
	// whole: false gone: 0
}

func ExampleNewWriter() {
	audit := func(_ context.Context, a graphcontacts.Attempt) error {
		fmt.Printf("%s %s %s %q\n", a.By, a.Outcome, a.Mobile, a.Why) // into a table that nobody can change
		return nil
	}
	fake := graphfake.New(nil)
	srv := httptest.NewServer(fake)
	defer srv.Close()
	tenant := fake.AddTenant("", "Contoso", "contoso.example")
	admin := tenant.Put(graphfake.User{DisplayName: "Ines", Admin: true, Roles: []string{"Global Administrator"}})
	connected := creds{bearer: fake.Bearer, ids: map[mspkit.TenantID]string{"contoso": tenant.ID}}

	writer, err := graphcontacts.NewWriter(connected, audit, &graphcontacts.Options{Cloud: azurecred.Cloud{Login: srv.URL, Graph: srv.URL}})
	if err != nil {
		fmt.Println(err)
		return
	}
	mobile := "+12025550143"
	_ = writer.WritePhones(context.Background(), contacts.PhoneWrite{Tenant: "contoso", SourceID: admin, Mobile: &mobile, By: "ana", Reason: "new phone"})
	// Output:
	// ana asked …0143 ""
	// ana refused …0143 "The numbers were not written: the user is privileged by the role \"Global Administrator\": only an administrator of the tenant changes such a number."
}
