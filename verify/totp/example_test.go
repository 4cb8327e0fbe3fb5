package totp_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/totp"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// A contact who was verified in Teams gets a link there, by which they set up an authenticator app.
func Example() {
	ctx := context.Background()
	ring, _ := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	store, teams := memstore.New(), &verifytest.Channel{Level: verify.AssuranceTeams}

	app, err := totp.New(store, ring, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	svc, err := verify.New(store, ring, "https://help.example/verify", verify.Same(verify.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}}),
		&verify.Options{Channels: map[string]verify.Channel{"teams": teams, "authenticator": app}})
	if err != nil {
		fmt.Println(err)
		return
	}
	enrolment, err := totp.NewEnrolment(app, svc, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/verify/totp/", http.StripPrefix("/verify/totp", enrolment))

	dana := verify.Subject{ID: "dana", Name: "Dana", Destinations: []verify.Destination{
		{Channel: "teams", Address: "dana", FirstSeen: time.Now().AddDate(-1, 0, 0)},
	}}
	jane := verify.Technician{ID: "jane", Name: "Jane Doe"}
	c, err := svc.Start(ctx, verify.StartRequest{Tenant: "contoso", Subject: dana, Action: verify.ActionEnrolTOTP, Technician: jane})
	if err != nil {
		fmt.Println(err)
		return
	}
	// Dana types the number into the card.
	if _, err = svc.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()}); err != nil {
		fmt.Println(err)
		return
	}
	if c, err = svc.Wait(ctx, c.Ref, jane.ID); err != nil {
		fmt.Println(err)
		return
	}
	pending, err := enrolment.Begin(ctx, totp.Request{
		Proof: c.Proof, By: "job-17", Subject: dana,
		Expect: verify.Expect{Tenant: "contoso", Subject: "dana", Action: verify.ActionEnrolTOTP, Technician: "jane"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("Jane says a number of", len(pending.Number.Reveal()), "digits")
	told := teams.Notices()
	fmt.Println("Dana gets a link to", told[0].Purpose)
	status, err := app.Status(ctx, "contoso", "dana")
	fmt.Println("set up:", !status.Since.IsZero(), "waiting:", !status.Waiting.IsZero(), err)
	// Output:
	// Jane says a number of 3 digits
	// Dana gets a link to set up an authenticator app for calls to us
	// set up: false waiting: true <nil>
}
