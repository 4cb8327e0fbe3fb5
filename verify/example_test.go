package verify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// mailbox prints what it is asked to deliver. A program uses mailchannel or smschannel.
type mailbox struct{}

func (mailbox) Deliver(_ context.Context, d verify.Delivery) (verify.Receipt, error) {
	fmt.Printf("to %s: %s from %s asks to %s\n", d.To, d.Technician, d.Brand.Name, d.Purpose)
	return verify.Receipt{ID: "1"}, nil
}

func (mailbox) Assurance() verify.Assurance { return verify.AssuranceEmail }

// Jane, a technician, verifies Dana, who has called, by number match.
func Example() {
	ctx := context.Background()
	ring, _ := mspkit.NewKeyRing(mspkit.NewKey("2026-11")) // a program reads its keys from its secret store
	settings := verify.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}}
	svc, err := verify.New(memstore.New(), ring, "https://help.example/verify", verify.Same(settings), &verify.Options{
		Channels: map[string]verify.Channel{"email": mailbox{}},
	})
	if err != nil {
		panic(err)
	}
	dana := verify.Subject{ID: "dana", Name: "Dana", Destinations: []verify.Destination{
		{Channel: "email", Address: "dana@client.example", FirstSeen: time.Now().AddDate(-1, 0, 0)},
	}}
	c, err := svc.Start(ctx, verify.StartRequest{
		Tenant: "contoso", Subject: dana, Action: verify.ActionIdentify, Technician: verify.Technician{ID: "jane", Name: "Jane Doe"},
	})
	if err != nil {
		panic(err)
	}
	// Jane says c.Number. Dana types it on the page behind the link, and the page calls Answer:
	_, _ = svc.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
	c, err = svc.Wait(ctx, c.Ref, "jane")
	fmt.Println(c.State, "by", c.Assurance, err)
	err = svc.Redeem(ctx, c.Proof, verify.Expect{Tenant: "contoso", Subject: "dana", Action: c.Action, Technician: "jane"}, "job-17")
	fmt.Println("act now:", err == nil)
	// Output:
	// to dana@client.example: Jane Doe from Contoso IT asks to confirm who you are
	// confirmed by e-mail with number match <nil>
	// act now: true
}

// exampleService returns a service with one channel, which keeps what it delivers.
func exampleService(p verify.Policy) (*verify.Service, *verifytest.Channel) {
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("2026-11"))
	if err != nil {
		panic(err)
	}
	phone := &verifytest.Channel{Level: verify.AssuranceSMS}
	settings := verify.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}, Policy: p}
	svc, err := verify.New(memstore.New(), ring, "https://help.example/verify", verify.Same(settings), &verify.Options{
		Channels: map[string]verify.Channel{"sms": phone},
	})
	if err != nil {
		panic(err)
	}
	return svc, phone
}

func exampleSubject(known time.Duration) verify.Subject {
	return verify.Subject{ID: "dana", Name: "Dana", Destinations: []verify.Destination{
		{Channel: "sms", Address: "+12025550123", FirstSeen: time.Now().Add(-known)},
	}}
}

const exampleYear = 365 * 24 * time.Hour

// A code is sent to the contact, who reads it to the technician. It ranks below number match.
func ExampleService_Check() {
	ctx := context.Background()
	svc, phone := exampleService(nil)
	c, err := svc.Start(ctx, verify.StartRequest{
		Tenant: "contoso", Subject: exampleSubject(exampleYear), Action: verify.ActionUnlock,
		Technician: verify.Technician{ID: "jane", Name: "Jane Doe"}, Method: verify.MethodCode,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	text, _ := phone.Last()
	heard := text.Code.Reveal()
	for _, typed := range []string{"12O 456", heard[:3] + " " + heard[3:]} {
		res, err := svc.Check(ctx, verify.CheckRequest{Tenant: "contoso", ID: c.Ref.ID, Response: typed, Technician: "jane"})
		switch {
		case errors.Is(err, verify.ErrFormat):
			fmt.Println("not counted:", verify.ErrFormat)
		case err != nil:
			fmt.Println("not known, so not verified:", err)
		default:
			fmt.Println(res.State, "by", res.Assurance)
		}
	}
	// Output:
	// not counted: a code has digits only
	// confirmed by text message code
}

// Dana wants to be sure that it is really Jane who called. Dana types what the voice says.
func ExampleService_StartTechnician() {
	ctx := context.Background()
	svc, phone := exampleService(nil)
	c, err := svc.StartTechnician(ctx, verify.TechnicianRequest{
		Tenant: "contoso", Subject: exampleSubject(exampleYear), By: "jane",
		Call: &verify.Call{
			Technician: verify.Technician{ID: "jane", Name: "Jane Doe"}, Ticket: mspkit.Ticket{System: "halopsa", ID: "4711"},
			Began: time.Now().Add(-time.Minute), By: verify.SideTechnician,
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	text, _ := phone.Last()
	link := text.Link.Reveal()
	view, err := svc.View(ctx, link[len(svc.BaseURL()+"/v/"):]) // what the page shows
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("in a call:", view.InCall, "with", view.Technician, "about ticket", view.Ticket.ID)
	for _, said := range []string{"an impostor's guess", c.Word.Reveal()} {
		res, err := svc.Answer(ctx, verify.Answer{Ref: view.Ref, Method: verify.MethodWord, Response: said})
		fmt.Println(res.State, err)
	}
	// Output:
	// in a call: true with Jane Doe about ticket 4711
	// wrong <nil>
	// confirmed <nil>
}

// What a technician's screen shows before anybody presses a button.
func ExampleService_Explain() {
	svc, _ := exampleService(nil)
	d, err := svc.Explain(context.Background(), verify.StartRequest{
		Tenant: "contoso", Subject: exampleSubject(exampleYear), Action: verify.ActionResetPassword,
		Technician: verify.Technician{ID: "jane", Name: "Jane Doe"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("possible:", d.Allowed)
	for _, w := range d.Ways {
		if w.Allowed {
			fmt.Println(w.Channel, w.Method, w.To, "is allowed")
			continue
		}
		fmt.Println(w.Channel, w.Method, w.Reason)
	}
	// Output:
	// possible: true
	// sms number ••• 23 is allowed
	// sms code needs text message with number match or better, because the action is “reset your password”; text message code is less
}

// Dana is listed: Jane gets the proof only after Sam has approved.
func ExampleService_Approve() {
	ctx := context.Background()
	ring, _ := mspkit.NewKeyRing(mspkit.NewKey("2026-11"))
	settings := verify.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}, Approval: verify.Approval{Subjects: []string{"dana"}}}
	svc, err := verify.New(memstore.New(), ring, "https://help.example/verify", verify.Same(settings), &verify.Options{
		Channels: map[string]verify.Channel{"sms": &verifytest.Channel{Level: verify.AssuranceSMS}},
		Authorize: func(_ context.Context, _ mspkit.TenantID, technician string, p verify.Permission) error {
			if technician != "sam" || p != verify.PermissionApprove {
				return errors.New("only Sam approves")
			}
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := svc.Start(ctx, verify.StartRequest{
		Tenant: "contoso", Subject: exampleSubject(exampleYear), Action: verify.ActionResetPassword,
		Technician: verify.Technician{ID: "jane", Name: "Jane Doe"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = svc.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()}) // Dana, on the page
	c, err = svc.Wait(ctx, c.Ref, "jane")
	fmt.Println(c.State, "proof:", c.Proof.Reveal() != "", err)

	waiting, err := svc.Unapproved(ctx, "contoso") // on Sam's screen
	fmt.Println(len(waiting), "waits:", waiting[0].Name, "for", waiting[0].Technician, err)
	_, err = svc.Approve(ctx, waiting[0].Ref, "sam", "called her assistant back")
	fmt.Println("approved:", err == nil)

	c, err = svc.WaitApproved(ctx, c.Ref, "jane")
	fmt.Println("approved by", c.ApprovedBy, "proof:", c.Proof.Reveal() != "", err)
	// Output:
	// confirmed proof: false <nil>
	// 1 waits: Dana for jane <nil>
	// approved: true
	// approved by sam proof: true <nil>
}

// A tenant's table says which action needs what.
func ExamplePolicy() {
	policy := verify.DefaultPolicy()
	policy["release-invoice"] = verify.Rule{
		Min:   verify.AssuranceSMS,
		Ways:  []verify.Way{{Channel: "sms", Method: verify.MethodNumber}},
		Words: map[string]string{"en": "release an invoice"},
	}
	svc, _ := exampleService(policy)
	for _, ask := range []struct {
		action verify.Action
		known  time.Duration
	}{
		{verify.ActionResetMFA, exampleYear},
		{"release-invoice", 24 * time.Hour},
		{"delete-everything", exampleYear},
		{"release-invoice", exampleYear},
	} {
		c, err := svc.Start(context.Background(), verify.StartRequest{
			Tenant: "contoso", Subject: exampleSubject(ask.known), Action: ask.action,
			Technician: verify.Technician{ID: "jane", Name: "Jane Doe"},
		})
		if refused, ok := errors.AsType[*verify.PolicyError](err); ok {
			fmt.Println("refused:", refused.Reason)
			continue
		}
		fmt.Println(c.Purpose, err)
	}
	// Output:
	// refused: needs Teams with number match or better, because the action is “reset your multi-factor sign-in”; text message with number match is less
	// refused: needs text message with number match or better, because the action is “release an invoice”; the phone number is less than 14 days old, so that it proves next to nothing
	// refused: the action "delete-everything" is not in the policy of this tenant
	// release an invoice <nil>
}

// The evidence of a tenant is exported, and checked by somebody who has neither the database nor a secret key.
func ExampleCheckEvidence() {
	ctx := context.Background()
	ring, _ := mspkit.NewKeyRing(mspkit.NewKey("2026-11"))
	settings := verify.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}}
	svc, err := verify.New(memstore.New(), ring, "https://help.example/verify", verify.Same(settings), &verify.Options{
		Channels: map[string]verify.Channel{"sms": &verifytest.Channel{Level: verify.AssuranceSMS}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := svc.Start(ctx, verify.StartRequest{
		Tenant: "contoso", Subject: exampleSubject(exampleYear), Action: verify.ActionUnlock,
		Technician: verify.Technician{ID: "jane", Name: "Jane Doe"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = svc.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
	_ = svc.RunOnce(ctx) // a program has svc.Run going

	var file bytes.Buffer
	head, err := svc.ExportEvidence(ctx, "contoso", &file)
	noted, _ := head.Anchor() // goes into a ticket, a mail, a report
	keys, _ := verify.EvidenceKeys(ring)
	fmt.Println(head.N, err)

	check := func(export string) {
		report, err := verify.CheckEvidence(strings.NewReader(export), &verify.CheckOptions{Keys: keys, Known: []verify.Anchor{noted}})
		fmt.Println(report.Events, "events, clean:", report.Clean(), err)
		for _, f := range report.Findings {
			fmt.Println(f.Kind, f.From)
		}
	}
	check(file.String())
	check(strings.Replace(file.String(), `"kind":"confirmed"`, `"kind":"denied"`, 1))
	// Output:
	// 4 <nil>
	// 4 events, clean: true <nil>
	// 4 events, clean: false <nil>
	// altered 4
	// file 0
	// seal 0
}
