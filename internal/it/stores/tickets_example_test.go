package stores_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/connectwise"
	"github.com/mspkit/mspkit/psa/outbox"
	outboxstore "github.com/mspkit/mspkit/psa/outbox/sqlstore"
	"github.com/mspkit/mspkit/psa/psatest"
	psastore "github.com/mspkit/mspkit/psa/sqlstore"
	"github.com/mspkit/mspkit/psa/ticketlog"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
)

// This file is the program of docs/tickets.md: every block of that page stands here, word for word, and Example_tickets
// runs it.

// host is what a host knows of people.
type host struct{}

func (*host) contact(context.Context, mspkit.TenantID, string) (psa.Contact, error) {
	return psa.Contact{ID: "201"}, nil
}

func (*host) person(context.Context, mspkit.TenantID, string) (ticketlog.Person, error) {
	return ticketlog.Person{Name: "Dana Whitfield"}, nil
}

func (*host) technician(context.Context, mspkit.TenantID, string) (string, error) {
	return "Jane Doe", nil
}

// openTickets makes what writes into tickets. The tables are those of psa/sqlstore and psa/outbox/sqlstore.
func openTickets(db *sql.DB, ring *mspkit.KeyRing, client psa.System, h *host) (*outbox.Outbox, *ticketlog.Log, error) {
	tables, err := psastore.New(db, psastore.SQLite, nil)
	if err != nil {
		return nil, nil, err
	}
	rows, err := outboxstore.New(db, outboxstore.SQLite, nil)
	if err != nil {
		return nil, nil, err
	}
	router, err := ticketlog.NewRouter(client, &ticketlog.RouterOptions{
		Mappings: tables, Defaults: tables, CheckCompany: true, Contact: h.contact,
	})
	if err != nil {
		return nil, nil, err
	}
	box, err := outbox.New(router, rows, ring, nil)
	if err != nil {
		return nil, nil, err
	}
	log, err := ticketlog.New(box, &ticketlog.Options{People: h.person, Technicians: h.technician, Data: router})
	return box, log, err
}

// oneNote freezes somebody, which is an event, and waits for what the ticket then says.
func oneNote(ctx context.Context, ring *mspkit.KeyRing, box *outbox.Outbox, log *ticketlog.Log, desk *psatest.Desk) error {
	store, settings := memstore.New(), verify.Settings{Brand: mspkit.Brand{Name: "Northwind IT"}}
	svc, err := verify.New(store, ring, "https://help.example/verify", verify.Same(settings), &verify.Options{
		Recorder: log.Verify(), // and securesend.Options{Recorder: sends, DataNoter: sends} with log.SecureSend()
	})
	if err != nil {
		return err
	}
	go box.Run(ctx) // it returns nil when ctx ends

	err = log.Verify().Record(ctx, verify.Event{
		ID: "1", Challenge: "c1", Kind: verify.EventConfirmed, Verifies: verify.KindCaller, Tenant: "contoso", Subject: "dana", Technician: "jane", By: verify.ByCaller,
		Action: verify.ActionResetPassword, Channel: "teams", Method: verify.MethodNumber, Assurance: verify.AssuranceTeams, Ticket: mspkit.Ticket{System: "connectwise", ID: "4711"},
	})
	for err == nil && len(desk.Notes("4711")) == 0 && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	for line := range strings.Lines(desk.Notes("4711")[0].Text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "[ref ") {
			fmt.Println(line)
		}
	}
	return svc.RunOnce(ctx)
}

// Example_tickets plays the page: ConnectWise is played by psatest.
func Example_tickets() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := ticketsPage(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Caller verification
	// Dana Whitfield is verified for a password reset. Assurance: Teams with number match.
}

func ticketsPage(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "mspkit-tickets-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // a temporary folder
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "x.db")+"?_pragma=journal_mode(wal)&_pragma=busy_timeout(5000)")
	if err != nil {
		return err
	}
	defer db.Close() // a test of its own
	desk := psatest.NewDesk(nil)
	server, err := psatest.NewConnectWise(desk, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("2026-11"))
	if err != nil {
		return err
	}
	if err := errors.Join(psastore.Migrate(ctx, db, psastore.SQLite, nil), outboxstore.Migrate(ctx, db, outboxstore.SQLite, nil)); err != nil {
		return err
	}
	tables, err := psastore.New(db, psastore.SQLite, nil)
	if err != nil {
		return err
	}
	if err := tables.SaveMapping(ctx, psa.Mapping{System: "connectwise", CompanyID: "12", CompanyName: "Contoso", Tenant: "contoso", By: "admin"}); err != nil {
		return err
	}
	client, err := connectwise.New("na.myconnectwise.net", psatest.ConnectWiseCompany, connectwise.Credentials{
		PublicKey: mspkit.Redact(psatest.ConnectWisePublicKey), PrivateKey: mspkit.Redact(psatest.ConnectWisePrivateKey),
		ClientID: mspkit.Redact(psatest.ConnectWiseClientID),
	}, &connectwise.Options{BaseURL: server.URL, Member: psatest.ConnectWiseMember})
	if err != nil {
		return err
	}
	box, log, err := openTickets(db, ring, client, &host{})
	if err != nil {
		return err
	}
	run, stop := context.WithCancel(ctx)
	defer stop()
	return oneNote(run, ring, box, log, desk)
}
