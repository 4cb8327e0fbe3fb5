package outbox_test

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/outbox"
)

// homegrown stands for a client of a ticket system.
type homegrown struct{}

func (homegrown) AddNote(_ context.Context, ref psa.TicketRef, n psa.Note) (string, error) {
	fmt.Printf("ticket %s gets %q (%s)\n", ref.Ticket.ID, n.Title, n.Visibility)
	return "901", nil
}

func ExampleNew() {
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("2026-11")) // a real one comes from a secret store
	if err != nil {
		panic(err)
	}
	store := outbox.NewMemory() // a real one is in outbox/sqlstore
	told := make(chan struct{})
	box, err := outbox.New(homegrown{}, store, ring, &outbox.Options{
		Recorder: outbox.RecorderFunc(func(_ context.Context, e outbox.Event) error {
			fmt.Println(e.Kind, e.NoteIDs)
			close(told)
			return nil
		}),
	})
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	done := make(chan error)
	go func() { done <- box.Run(ctx) }()

	ref := psa.TicketRef{Tenant: "contoso", Ticket: mspkit.Ticket{System: "homegrown", ID: "4711"}}
	if _, err := box.AddNote(ctx, ref, psa.Note{Title: "Caller verified", Text: "Dana is verified.", Key: "event-17"}); err != nil {
		panic(err)
	}
	<-told
	stop()
	fmt.Println(<-done)
	// Output:
	// ticket 4711 gets "Caller verified" (internal)
	// delivered [901]
	// <nil>
}

// The note exists if, and only if, what it tells of does.
func ExampleOutbox_AddNoteTx() {
	closeCase := func(ctx context.Context, db *sql.DB, box *outbox.Outbox, ref psa.TicketRef) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }()
		if _, err := tx.ExecContext(ctx, "UPDATE cases SET closed = 1 WHERE ticket = $1", ref.Ticket.ID); err != nil {
			return err
		}
		if _, err := box.AddNoteTx(ctx, tx, ref, psa.Note{Text: "The case is closed.", Key: "case-closed-" + ref.Ticket.ID}); err != nil {
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		return box.Wake(ctx, ref) // an error means only that the note waits for the poll
	}
	_ = closeCase
}

// A page for administrators shows what could not be written.
func ExampleOutbox_List() {
	page := func(ctx context.Context, box *outbox.Outbox, tenant mspkit.TenantID, technician string) error {
		dead, err := box.List(ctx, outbox.Filter{Tenant: tenant, State: outbox.Dead})
		if err != nil {
			return err
		}
		for _, e := range dead {
			fmt.Println(e.ID, e.Ticket, e.Fault)
			if err := box.Replay(ctx, tenant, e.ID, technician); err != nil {
				return err
			}
		}
		return nil
	}
	_ = page
}
