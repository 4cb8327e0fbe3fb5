package graphteams_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/graphteams"
)

func ExampleClient_Publish() {
	fake := graphfake.New(nil) // Microsoft Graph, where there is no real one
	srv := httptest.NewServer(fake)
	defer srv.Close()
	tenant := fake.AddTenant("", "Contoso", "contoso.example")
	admin := tenant.Put(graphfake.User{DisplayName: "Ines", Admin: true, Roles: []string{"Teams Administrator"}})
	signedIn := creds{contoso: func() string { return fake.UserBearer(tenant.ID, admin) }} // entra/gdap makes these

	client, err := graphteams.New(signedIn, &graphteams.Options{Cloud: azurecred.Cloud{Login: srv.URL, Graph: srv.URL}}) // left out for the public cloud
	if err != nil {
		fmt.Println(err)
		return
	}
	brand := teamsapp.Brand{
		Key: "northwind", BotID: botID, Texts: teamsapp.Texts{ShortName: "Northwind Helpdesk", Summary: "Helpdesk.", Description: "The helpdesk of Northwind IT."},
		Developer: teamsapp.Developer{Name: "Northwind IT", Website: "https://northwind.example", Privacy: "https://northwind.example/p", Terms: "https://northwind.example/t"},
	}
	var last teamsapp.Published // the host keeps it
	for _, summary := range []string{"Helpdesk.", "Helpdesk.", "Your helpdesk."} {
		brand.Summary = summary
		pkg, err := teamsapp.NewPackage(brand, &teamsapp.PackageOptions{Previous: last})
		if err != nil {
			fmt.Println(err)
			return
		}
		pub, err := client.Publish(context.Background(), contoso, pkg, nil)
		if err != nil {
			fmt.Println(graphteams.Explain(err))
			return
		}
		fmt.Println(pub.Version, pub.State, "created:", pub.Created, "updated:", pub.Updated)
		last = pkg.Published
	}
	// Output:
	// 1.0.0 published created: true updated: false
	// 1.0.0 published created: false updated: false
	// 1.0.1 published created: false updated: true
}

func ExampleSetupPolicy_PowerShell() {
	script, err := graphteams.SetupPolicy{
		EntraID: "87d349ed-44d7-43e1-9a83-5f2406dee5bd", Name: "Northwind's apps", Pin: true,
		App:    graphteams.App{CatalogID: "06805b9e-77e3-4b93-ac81-525eb87513b8", Name: "Northwind Helpdesk"}, // of Publish
		Groups: []graphteams.PolicyGroup{{ID: "75ae6229-35fe-4b01-ae7f-7c50439d239c", Name: "All staff", Rank: 1}},
	}.PowerShell()
	if err != nil {
		fmt.Println(err)
		return
	}
	for line := range strings.SplitSeq(script, "\n") {
		if strings.Contains(line, "$name = ") || strings.Contains(line, "Grant-") {
			fmt.Println(strings.TrimSpace(line))
		}
	}
	// Output:
	// $name = 'Northwind''s apps'
	// try { Grant-CsTeamsAppSetupPolicy -Group $g.Id -PolicyName $name -Rank $g.Rank; break }
}

func ExampleTrial_Steps() {
	steps, err := graphteams.Trial{Name: "Northwind Helpdesk", File: "northwind.zip"}.Steps()
	if err != nil {
		fmt.Println(err)
		return
	}
	for i, s := range steps[:3] {
		fmt.Printf("%d. %s\n", i+1, s)
	}
	// Output:
	// 1. Save the package "northwind.zip" and leave it packed.
	// 2. In Teams open Apps, then Manage your apps, and choose Upload an app.
	// 3. Choose Upload a custom app and then "northwind.zip". Where this choice is missing, see the last step.
}
