package psa_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

func ExampleDefaults_Validate() {
	var system psa.OptionLister = &board{}
	ctx := context.Background()

	d, err := psa.Defaults{Queue: psa.Named{Name: "service desk"}, Status: psa.Named{ID: "16"}}.Validate(ctx, system)
	fmt.Println(d.Queue.ID, d.Status.Name, err)

	_, err = psa.Defaults{Queue: psa.Named{Name: "Service Desk"}, Status: psa.Named{Name: "Closed"}}.Validate(ctx, system)
	fmt.Println(err)
	if problem, ok := errors.AsType[*psa.DefaultsError](err); ok {
		fmt.Println(problem.Field, "may be", problem.Valid)
	}
	// Output:
	// 1 New <nil>
	// psa: status "Closed" is a status of closed tickets; valid are "New" (16), "In Progress" (17)
	// status may be [New In Progress]
}

func ExampleSuggest() {
	companies := []psa.Company{
		{ID: "12", Name: "Contoso, Inc.", Domains: []string{"contoso.example"}},
		{ID: "13", Name: "Fabrikam GmbH"},
		{ID: "14", Name: "Wingtip Toys"},
	}
	tenants := []psa.KnownTenant{
		{ID: "t-1", Name: "Contoso Ltd", Domains: []string{"contoso.example"}},
		{ID: "t-2", Name: "Fabrikam"},
	}
	for _, s := range psa.Suggest(companies, tenants, nil) {
		fmt.Printf("%s: %q, %d of 100 %s\n", s.Company.Name, s.Tenant, s.Score, s.Reason)
	}
	// Output:
	// Contoso, Inc.: "t-1", 100 of 100 the domain contoso.example and the same name
	// Fabrikam GmbH: "t-2", 40 of 100 the same name
	// Wingtip Toys: "", 0 of 100
}

func ExampleLaunches() {
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("2026")) // from the host's configuration
	if err != nil {
		fmt.Println(err)
		return
	}
	launches, err := psa.NewLaunches(ring, "pod")
	if err != nil {
		fmt.Println(err)
		return
	}
	// Where the host knows who looks at which ticket:
	now := time.Now()
	token, err := launches.Sign(psa.Launch{
		Tenant: "contoso", Technician: "jane", Ticket: mspkit.Ticket{System: "halopsa", ID: "4711"},
	}, time.Minute, now)
	if err != nil {
		fmt.Println(err)
		return
	}
	// Where the page is asked for with it:
	l, err := launches.Open(token, now.Add(30*time.Second))
	fmt.Println(l.Technician, l.Ticket, err)
	_, err = launches.Open(token, now.Add(time.Hour))
	fmt.Println(err)
	// Output:
	// jane halopsa:4711 <nil>
	// psa: the launch has expired; open the page again from the ticket
}
