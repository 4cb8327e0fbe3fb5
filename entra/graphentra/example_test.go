package graphentra_test

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/entra/graphentra"
)

// The sign-in of technicians is set up, with a client secret that the host stores. Outside of this example the credentials are those of
// package entra/azurecred, and Graph is Microsoft's.
func Example() {
	ctx := context.Background()
	contoso := entratest.NewDirectory("", nil)
	technicians := contoso.AddGroup("Technicians")
	client, err := graphentra.New(creds{}, &graphentra.Options{HTTPClient: &http.Client{Transport: wire{contoso}}})
	if err != nil {
		fmt.Println(err)
		return
	}

	d := graphentra.Desired{
		Key: "signin", Name: "North IT", RedirectURIs: []string{"https://msp.example/auth/callback"}, Roles: graphentra.Roles("north"),
		Secrets: []graphentra.Secret{{Name: "main"}},
	}
	plan, err := client.Plan(ctx, "contoso", d)
	if err != nil {
		fmt.Println(graphentra.Explain(err))
		return
	}
	_ = plan.Print(os.Stdout)
	keep := func(_ context.Context, s graphentra.NewSecret) error {
		fmt.Printf("\nstored: %s %v\n", s.Name, s.Value) // s.Value.Reveal() is for the secret store
		return nil
	}
	if _, err := client.Apply(ctx, plan, &graphentra.ApplyOptions{Keep: keep}); err != nil {
		fmt.Println(graphentra.Explain(err))
		return
	}

	d.Assignments = []graphentra.Assignment{{Principal: technicians, Kind: graphentra.Group, Role: "Technician"}}
	plan, err = client.Plan(ctx, "contoso", d)
	if err != nil {
		fmt.Println(graphentra.Explain(err))
		return
	}
	fmt.Println(len(plan.Steps), plan.Steps[0].Kind)
	// Output:
	// Plan for contoso (signin): 3 to create, 0 to change, 0 to remove.
	//
	// + application "North IT"
	//     appRoles
	//       + allowedMemberTypes ["User"], description Configures everything and invites technicians., displayName Administrator, id 3689267d-9a6d-5b62-8253-d945a6b596f7, isEnabled true, value Admin
	//       + allowedMemberTypes ["User"], description Uses the features and configures nothing., displayName Technician, id 9a2f36ec-bd5a-505d-94ce-0adf893f2123, isEnabled true, value Technician
	//     displayName: North IT
	//     signInAudience: AzureADMyOrg
	//     tags
	//       + mspkit:signin
	//     web.redirectUris
	//       + https://msp.example/auth/callback
	//
	// + client secret "main"
	//     secret: life 4320h0m0s, name main
	//
	// + enterprise application "North IT"
	//     appRoleAssignmentRequired: true
	//     tags
	//       + WindowsAzureActiveDirectoryIntegratedApp
	//       + mspkit:signin
	//
	// stored: main [redacted]
	// 1 assignment.add
}
