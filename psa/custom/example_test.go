package custom_test

import (
	"context"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/custom"
)

// A helpdesk that somebody has written for themselves, in ten lines.
func Example() {
	desk, err := custom.New("helpdesk", custom.Funcs{
		AddNote: func(_ context.Context, ref psa.TicketRef, n psa.Note) (string, error) {
			if ref.Ticket.ID != "4711" {
				return "", psa.ErrNotFound
			}
			fmt.Printf("ticket %s, %s: %s\n", ref.Ticket.ID, n.Visibility, n.Text)
			return "note-1", nil
		},
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx := context.Background()
	ref := psa.TicketRef{Tenant: "contoso", Ticket: mspkit.Ticket{System: "helpdesk", ID: "4711"}}
	id, err := desk.AddNote(ctx, ref, psa.Note{Text: "Dana Whitfield is verified."})
	fmt.Println(id, err)
	ref.Ticket.ID = "4712"
	_, err = desk.AddNote(ctx, ref, psa.Note{Text: "Dana Whitfield is verified."})
	fmt.Println(err)
	_, err = desk.GetTicket(ctx, ref)
	fmt.Println(err)
	// Output:
	// ticket 4711, internal: Dana Whitfield is verified.
	// note-1 <nil>
	// psa: helpdesk: add note: not found
	// psa: helpdesk: get ticket: the ticket system cannot do this: give Funcs.GetTicket
}
