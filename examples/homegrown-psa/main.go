// Homegrown-psa lets mspkit write into a ticket system that is nothing but two tables in SQLite.
//
//	go run ./examples/homegrown-psa             tells the story
//	go run ./examples/homegrown-psa -selftest   the same, and fails where it does not come out as it should
//
// What a ticket system of one's own has to bring is in adapter: a few functions over the tables that it has anyway.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/custom"
	_ "modernc.org/sqlite"
)

const schema = `
CREATE TABLE tickets (id TEXT PRIMARY KEY, title TEXT NOT NULL, status TEXT NOT NULL);
CREATE TABLE notes (id INTEGER PRIMARY KEY, ticket TEXT NOT NULL REFERENCES tickets, author TEXT NOT NULL, public BOOL NOT NULL,
	text TEXT NOT NULL, at INTEGER NOT NULL, key TEXT, UNIQUE (ticket, key));
INSERT INTO tickets VALUES ('4711', 'Cannot sign in after the holidays', 'open'), ('4712', 'Printer is on fire', 'closed');
INSERT INTO notes (ticket, author, public, text, at) VALUES ('4711', 'dana@contoso.example', TRUE, 'I have forgotten my password.', 1790000000)`

// us is the author of what we write. People sign in with addresses, so that nobody has this name.
const us = "mspkit"

// adapter makes a ticket system of the tables.
func adapter(db *sql.DB) (*custom.System, error) {
	status := func(ctx context.Context, ref psa.TicketRef) (title, status string, err error) {
		err = db.QueryRowContext(ctx, `SELECT title, status FROM tickets WHERE id = ?`, ref.Ticket.ID).Scan(&title, &status)
		if errors.Is(err, sql.ErrNoRows) {
			err = psa.ErrNotFound // nothing was written yet, and this says so
		}
		return title, status, err
	}
	return custom.New("helpdesk", custom.Funcs{
		AddNote: func(ctx context.Context, ref psa.TicketRef, n psa.Note) (id string, err error) {
			if _, s, err := status(ctx, ref); err != nil {
				return "", err
			} else if s == "closed" {
				return "", psa.ErrClosed
			}
			if n.Title != "" {
				n.Text = n.Title + "\n\n" + n.Text
			}
			// The same key is the same note of a ticket: a repeat changes nothing and gives the same id. It is unique within a
			// tenant only, so that the key alone would lose the note of another one.
			err = db.QueryRowContext(ctx, `INSERT INTO notes (ticket, author, public, text, at, key) VALUES (?, ?, ?, ?, ?, nullif(?, ''))
				ON CONFLICT (ticket, key) DO UPDATE SET key = key RETURNING id`,
				ref.Ticket.ID, us, n.Visibility == psa.Public, n.Text, time.Now().Unix(), n.Key).Scan(&id)
			return id, err
		},
		ListNotes: func(ctx context.Context, ref psa.TicketRef, since time.Time) ([]psa.WrittenNote, error) {
			rows, err := db.QueryContext(ctx, `SELECT id, author, public, text, at FROM notes WHERE ticket = ? AND at >= ? ORDER BY id`,
				ref.Ticket.ID, since.Unix())
			if err != nil {
				return nil, err
			}
			defer rows.Close()
			var list []psa.WrittenNote
			for rows.Next() {
				var n psa.WrittenNote
				var public bool
				var at int64
				if err := rows.Scan(&n.ID, &n.Author, &public, &n.Text, &at); err != nil {
					return nil, err
				}
				n.Ours, n.CreatedAt = n.Author == us, time.Unix(at, 0)
				if public {
					n.Visibility = psa.Public
				}
				list = append(list, n)
			}
			return list, rows.Err()
		},
		GetTicket: func(ctx context.Context, ref psa.TicketRef) (psa.Ticket, error) {
			title, s, err := status(ctx, ref)
			return psa.Ticket{ID: ref.Ticket.ID, Title: title, Status: psa.Named{Name: s}, Closed: s == "closed"}, err
		},
	}, &custom.Options{PublicNotes: true})
}

// story writes to the tickets and prints what is in them.
func story(ctx context.Context, out io.Writer) error {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return err
	}
	defer db.Close()      //nolint:errcheck // it ends here
	db.SetMaxOpenConns(1) // in memory each connection is a database of its own
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return err
	}
	desk, err := adapter(db)
	if err != nil {
		return err
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	open := psa.TicketRef{Tenant: "contoso", Ticket: mspkit.Ticket{System: desk.Name(), ID: "4711"}}
	note := psa.Note{Text: "Dana Whitfield is verified: number match in Teams.", Key: "verification-1"}
	first, err := desk.AddNote(ctx, open, note)
	if err != nil {
		return err
	}
	say("A note is written to ticket 4711: id %s.", first)
	again, err := desk.AddNote(ctx, open, note)
	if err != nil {
		return err
	}
	say("The answer might have got lost, so it is written again with its key: id %s.\n", again)
	for _, id := range []string{"4712", "9999"} {
		_, err := desk.AddNote(ctx, psa.TicketRef{Tenant: "contoso", Ticket: mspkit.Ticket{System: desk.Name(), ID: id}}, note)
		say("Ticket %s: %v. It will %s succeed.", id, err, psa.FateOf(err))
	}
	ticket, err := desk.GetTicket(ctx, open)
	if err != nil {
		return err
	}
	say("\nTicket %s, %s: %s", ticket.ID, ticket.Status, ticket.Title)
	list, err := desk.ListNotes(ctx, open, time.Time{})
	for _, n := range list {
		say("  %s  %-8s  %-20s  %s", n.ID, n.Visibility, n.Author, n.Text)
	}
	if err == nil && (len(list) != 2 || again != first || list[0].Ours || !list[1].Ours || list[1].Visibility != psa.Internal) {
		err = fmt.Errorf("the ticket has %d notes; want one of Dana's and one of ours, once", len(list))
	}
	return err
}

func main() {
	flag.Bool("selftest", false, "write notes into a ticket system of two tables, in memory, print them, and fail where it does not come out as it should")
	flag.Parse()
	err := fmt.Errorf("unexpected argument %q (-h says what there is)", flag.Arg(0))
	if flag.NArg() == 0 {
		err = story(context.Background(), os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "homegrown-psa:", err)
		os.Exit(1)
	}
}
