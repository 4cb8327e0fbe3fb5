package ticketlog_test

import (
	"context"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/ticketlog"
	"github.com/mspkit/mspkit/verify"
)

// helpdesk is a ticket system that prints. A program uses psa/connectwise, psa/halopsa or psa/custom.
type helpdesk struct{}

func (helpdesk) Name() string { return "homegrown" }

func (helpdesk) AddNote(_ context.Context, ref psa.TicketRef, n psa.Note) (string, error) {
	fmt.Printf("ticket %s (%s) %s: %s\n", ref.Ticket.ID, n.Visibility, n.Title, n.Text)
	return "1", nil
}

func (helpdesk) CreateTicket(_ context.Context, _ mspkit.TenantID, n psa.NewTicket) (psa.Ticket, error) {
	fmt.Printf("new ticket for company %s: %s\n", n.CompanyID, n.Title)
	return psa.Ticket{ID: "5121"}, nil
}

// people is what the host knows of contacts and technicians.
var people = map[string]string{"dana": "Dana Whitfield", "jane": "Jane Doe"}

func exampleOptions() *ticketlog.Options {
	return &ticketlog.Options{
		People: func(_ context.Context, _ mspkit.TenantID, id string) (ticketlog.Person, error) {
			return ticketlog.Person{Name: people[id]}, nil
		},
		Technicians: func(_ context.Context, _ mspkit.TenantID, id string) (string, error) { return people[id], nil },
		Settings: func(context.Context, mspkit.TenantID) (ticketlog.Settings, error) {
			return ticketlog.Settings{Visibility: psa.Public, NoTicket: ticketlog.InNewTicket}, nil
		},
	}
}

// exampleEvent is what a service hands over; a program does not make any.
func exampleEvent(id string, kind verify.EventKind, ticket string) verify.Event {
	e := verify.Event{
		ID: id, Kind: kind, At: time.Now(), Tenant: "contoso", Challenge: "c1", Verifies: verify.KindCaller, Subject: "dana",
		Technician: "jane", Action: verify.ActionResetPassword, Channel: "sms", Method: verify.MethodNumber, Assurance: verify.AssuranceSMS, By: "jane",
	}
	if ticket != "" {
		e.Ticket = mspkit.Ticket{System: "homegrown", ID: ticket}
	}
	return e
}

func ExampleNew() {
	log, err := ticketlog.New(helpdesk{}, exampleOptions()) // a program gives the outbox instead, so that nothing is lost
	if err != nil {
		fmt.Println(err)
		return
	}
	recorder := log.Verify() // verify.Options{Recorder: log.Verify()}
	ctx := context.Background()
	for _, e := range []verify.Event{
		exampleEvent("1", verify.EventStarted, "4711"),
		exampleEvent("2", verify.EventAttempted, "4711"), // nobody wants to read this
		exampleEvent("3", verify.EventConfirmed, "4711"),
		exampleEvent("4", verify.EventDenied, "4711"), // an alert is internal whatever the settings say
	} {
		if err := recorder.Record(ctx, e); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// ticket 4711 (public) Caller verification: Jane Doe began to verify Dana Whitfield by text message (number) for a password reset.
	// ticket 4711 (public) Caller verification: Dana Whitfield is verified for a password reset. Assurance: text message with number match.
	// ticket 4711 (internal) ALERT: Caller verification: Dana Whitfield said: this is not me. Somebody may be posing as Dana Whitfield.
}

// What has no ticket gets one, for everything about the same verification.
func ExampleNewRouter() {
	ctx := context.Background()
	store := psa.NewMemory()
	_ = store.SaveMapping(ctx, psa.Mapping{System: "homegrown", CompanyID: "12", Tenant: "contoso", By: "sam"})
	router, err := ticketlog.NewRouter(helpdesk{}, &ticketlog.RouterOptions{Mappings: store, Defaults: store})
	if err != nil {
		fmt.Println(err)
		return
	}
	log, err := ticketlog.New(router, exampleOptions()) // a program puts an outbox between the two
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = log.Verify().Record(ctx, exampleEvent("1", verify.EventStarted, ""))
	_ = log.Verify().Record(ctx, exampleEvent("2", verify.EventExpired, ""))
	// Output:
	// new ticket for company 12: Caller verification
	// ticket 5121 (public) Caller verification: Jane Doe began to verify Dana Whitfield by text message (number) for a password reset.
	// ticket 5121 (public) Caller verification: The verification expired without an answer.
}
