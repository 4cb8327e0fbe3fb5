package graphteams_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/graphteams"
	"github.com/mspkit/mspkit/teamsapp/teamstest"
)

// town is Microsoft where there is no real one: Graph, and Teams, which is told what Graph installs.
type town struct {
	graph  *graphfake.Server
	tenant *graphfake.Tenant
	teams  *teamstest.Server
	client *graphteams.Client
	bot    *teamsapp.Bot
	dana   *teamstest.Person
	end    func()
}

func newTown() (*town, error) {
	w := &town{}
	w.graph = graphfake.New(&graphfake.Options{OnInstall: func(_, _, _ string, installed bool) {
		if installed {
			_ = w.dana.Install(context.Background())
		}
	}})
	graph := httptest.NewServer(w.graph)
	w.tenant = w.graph.AddTenant("", "Contoso", "contoso.example")
	w.tenant.PutTeamsApp(helpdeskApp, "Helpdesk", graphfake.TeamsAppDefinition{GraphID: helpdeskBot})
	person := w.tenant.Put(graphfake.User{DisplayName: "Dana", Mail: "dana@contoso.example", Licences: []string{"SPE_E3"}})

	connected := creds{"contoso": func() string { return w.graph.Bearer(w.tenant.ID) }} // entra/azurecred makes these
	client, err := graphteams.New(connected, &graphteams.Options{
		Cloud: azurecred.Cloud{Login: graph.URL, Graph: graph.URL}, // left out for the public cloud
	})
	if err != nil {
		return nil, err
	}
	teams, err := teamstest.Start(helpdeskBot, "secret", nil)
	if err != nil {
		return nil, err
	}
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	if err != nil {
		return nil, err
	}
	app := teamsapp.App{ID: helpdeskBot, TenantID: teams.AppTenant(), Credential: teamsapp.ClientSecret("secret")}
	tenants := func(context.Context, string) (mspkit.TenantID, error) { return "contoso", nil }
	bot, err := teamsapp.New(app, ring, teamsapp.NewMemory(), tenants, &teamsapp.Options{Cloud: teams.Cloud()})
	if err != nil {
		return nil, err
	}
	front := httptest.NewServer(bot)
	teams.Connect(front.URL)
	w.teams, w.client, w.bot = teams, client, bot
	w.dana = teams.AddPerson(w.tenant.ID, person, "Dana", "en-US")
	w.end = func() {
		teams.Close()
		front.Close()
		graph.Close()
	}
	return w, nil
}

func ExampleNotifier() {
	ctx := context.Background()
	w, err := newTown()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.end()
	notifier, err := graphteams.NewNotifier(w.bot, w.client, w.client.Locate(w.bot, helpdeskApp), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	hello := teamsapp.Notification{
		To:      teamsapp.User{TenantID: w.tenant.ID, ObjectID: w.dana.ObjectID},
		Message: teamsapp.Message{Text: "Your helpdesk can reach you here from now on."},
	}
	_, err = w.bot.Notify(ctx, hello)
	fmt.Println("the bot alone:", errors.Is(err, teamsapp.ErrNotInstalled))
	_, err = notifier.Notify(ctx, hello)
	fmt.Println("the notifier:", err)
	fmt.Println("Dana sees:", w.teams.Messages(w.dana)[0].Text)
	// Output:
	// the bot alone: true
	// the notifier: <nil>
	// Dana sees: Your helpdesk can reach you here from now on.
}

func ExampleClient_Diagnose() {
	ctx := context.Background()
	w, err := newTown()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.end()
	app := graphteams.App{ManifestID: helpdeskApp}
	for range 2 {
		d, err := w.client.Diagnose(ctx, "contoso", app, "dana@contoso.example", &graphteams.DiagnoseOptions{Bot: w.bot})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("Dana is", d.Verdict)
		for _, f := range d.Findings {
			fmt.Printf("- %s (%s): %s\n", f.Code, f.Weight, f.Next)
		}
		found, err := w.client.Find(ctx, "contoso", helpdeskApp)
		if err == nil {
			_, err = w.client.Install(ctx, "contoso", found, "dana@contoso.example")
		}
		if err != nil {
			fmt.Println(graphteams.Explain(err))
		}
	}
	// Output:
	// Dana is unreachable
	// - app not installed (stops): Install the app for the person. Only that shows whether a policy of the tenant blocks it.
	// - no conversation reference (doubt): Where the app was installed lately wait a minute. Otherwise check that Teams reaches the bot's messaging endpoint, then remove the app and install it again.
	// Dana is reachable
	// - can be reached (note): Nothing is to be done.
}

func ExampleClient_InstallMany() {
	ctx := context.Background()
	w, err := newTown()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.end()
	w.tenant.Put(graphfake.User{DisplayName: "Reception", Mail: "reception@contoso.example"}) // no licence
	app, err := w.client.Find(ctx, "contoso", helpdeskApp)
	if err != nil {
		fmt.Println(graphteams.Explain(err))
		return
	}
	var kept graphteams.Checkpoint // in the host's database
	_, counts, err := w.client.InstallMany(ctx, graphteams.ManyRequest{
		Tenant: "contoso", App: app, Audience: graphteams.Audience{Everyone: true}, From: kept,
		Report: func(_ context.Context, p graphteams.PersonReport) error {
			fmt.Printf("%s %q\n", p.Outcome, p.Advice)
			return nil
		},
		Save: func(_ context.Context, at graphteams.Checkpoint) error {
			kept = at
			return nil
		},
	})
	fmt.Println(counts.Done(), "people,", counts.Installed, "installed,", err)
	// Output:
	// not licensed "Give the person a licence that has Microsoft Teams in it, with Teams switched on."
	// installed ""
	// 2 people, 1 installed, <nil>
}
