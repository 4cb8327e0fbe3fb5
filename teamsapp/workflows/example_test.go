package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/workflows"
	"github.com/mspkit/mspkit/teamsapp/workflows/workflowstest"
)

// exampleService returns a service with a connection to a flow that a server plays.
func exampleService(ctx context.Context) (*workflows.Service, *workflowstest.Server, workflows.Connection, error) {
	srv, err := workflowstest.NewServer()
	if err != nil {
		return nil, nil, workflows.Connection{}, err
	}
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	if err != nil {
		return nil, nil, workflows.Connection{}, err
	}
	// With a real flow there are no options to set.
	service, err := workflows.New(workflows.NewMemory(), ring, &workflows.Options{InsecureLoopback: true})
	if err != nil {
		return nil, nil, workflows.Connection{}, err
	}
	c, err := service.Connect(ctx, workflows.Connection{
		Tenant: "contoso", Name: "Helpdesk", URL: mspkit.Redact(srv.URL("helpdesk")), Events: workflows.Events(),
	})
	return service, srv, c, err
}

func Example() {
	ctx := context.Background()
	service, srv, c, err := exampleService(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()

	result, err := service.Test(ctx, "contoso", c.ID)
	fmt.Println(result.Accepted, err)
	fmt.Println(result.Proves)

	_, err = service.Notify(ctx, "contoso", workflows.Incoming{
		Event: workflows.NewText, ID: "sms-17", From: "Dana Smith", Text: "My printer is on fire.",
		Ticket: mspkit.Ticket{System: "halopsa", ID: "4711"}, URL: "https://helpdesk.contoso.example/sms/17",
	})
	fmt.Println(err, service.RunOnce(ctx))
	runs := srv.Runs()
	fmt.Println(runs[len(runs)-1].Shown())
	// Output:
	// true <nil>
	// Workflows accepted the post: the URL and its signature are right, the flow exists and is switched on.
	// <nil> <nil>
	// New text message
	// From
	// Dana Smith
	// Ticket
	// halopsa:4711
	// My printer is on fire.
	// Answer
}

func ExampleService_Connect() {
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	if err != nil {
		fmt.Println(err)
		return
	}
	service, err := workflows.New(workflows.NewMemory(), ring, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, url := range []string{
		"https://contoso.webhook.office.com/webhookb2/…",
		"https://169.254.169.254/workflows/1/triggers/manual?sig=x",
		"https://default0.00.environment.api.powerplatform.com/powerautomate/automations/direct/workflows/0/triggers/manual/paths/invoke?api-version=1",
		"https://default0.00.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/0/triggers/manual/paths/invoke?api-version=1&sig=secret",
	} {
		c, err := service.Connect(context.Background(), workflows.Connection{Tenant: "contoso", Name: "Helpdesk", URL: mspkit.Redact(url)})
		fmt.Println(c.Host, errors.Is(err, workflows.ErrURL), errors.Is(err, workflows.ErrRetired))
	}
	// Output:
	//  true false
	//  true false
	//  true false
	// default0.00.environment.api.powerplatform.com false false
}

func ExampleService_Post() {
	ctx := context.Background()
	service, srv, c, err := exampleService(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	_, err = service.Post(ctx, "contoso", c.ID, workflows.Post{
		ID: "backup-FS01-2026-11-02",
		Card: &teamsapp.Card{
			Summary: "Backup of FS01 failed",
			Body:    []teamsapp.Element{teamsapp.Heading{Text: "Backup of FS01 failed"}, teamsapp.Text{Text: "Disk full.", Color: teamsapp.ColorAttention}},
			Actions: []teamsapp.Action{teamsapp.OpenURL{Title: "Open", URL: "https://rmm.contoso.example/FS01"}},
		},
	})
	fmt.Println(err, service.RunOnce(ctx))
	fmt.Println(srv.Runs()[0].Shown())
	// Output:
	// <nil> <nil>
	// Backup of FS01 failed
	// Disk full.
	// Open
}

func ExampleService_DeadPosts() {
	ctx := context.Background()
	service, srv, c, err := exampleService(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	srv.Fail("helpdesk", workflowstest.Fault{Status: 400, Code: "TriggerInputSchemaMismatch"})
	if _, err := service.Post(ctx, "contoso", c.ID, workflows.Post{Text: "Hello"}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(service.RunOnce(ctx))
	dead, err := service.DeadPosts(ctx, "contoso", c.ID, 0, 0)
	fmt.Println(len(dead), err)
	n, err := service.ReplayPosts(ctx, "contoso", c.ID)
	fmt.Println(n, err, service.RunOnce(ctx), srv.Runs()[0].Shown())
	// Output:
	// <nil>
	// 1 <nil>
	// 1 <nil> <nil> Hello
}

func ExampleConnection() {
	c := workflows.Connection{Tenant: "contoso", Name: "Helpdesk", URL: mspkit.Redact("https://x.api.powerplatform.com/…&sig=secret")}
	b, err := json.Marshal(c)
	fmt.Println(c.URL, len(b) > 0, err)
	// Output: [redacted] true <nil>
}
