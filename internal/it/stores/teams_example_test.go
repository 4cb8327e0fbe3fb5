package stores_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
	teamsstore "github.com/mspkit/mspkit/teamsapp/sqlstore"
	"github.com/mspkit/mspkit/teamsapp/teamstest"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/sqlstore"
	"github.com/mspkit/mspkit/verify/teamschannel"
)

// This file is the program of docs/teams.md: every block of that page stands here, word for word, and Example_teams
// runs it.

// addTeams makes the bot and the channel. The channel goes to verify.New, the bot to the mux.
func addTeams(ctx context.Context, db *sql.DB, ring *mspkit.KeyRing, app teamsapp.App, cloud teamsapp.Cloud) (*teamsapp.Bot, *teamschannel.Channel, error) {
	if err := teamsstore.Migrate(ctx, db, teamsstore.SQLite, nil); err != nil {
		return nil, nil, err
	}
	store, err := teamsstore.New(db, teamsstore.SQLite, nil)
	if err != nil {
		return nil, nil, err
	}
	tenants := func(ctx context.Context, entraTenant string) (mspkit.TenantID, error) {
		var client string
		err := db.QueryRowContext(ctx, `SELECT id FROM clients WHERE entra_tenant = ?`, entraTenant).Scan(&client)
		if errors.Is(err, sql.ErrNoRows) {
			return "", teamsapp.ErrUnknownTenant
		}
		return mspkit.TenantID(client), err
	}
	bot, err := teamsapp.New(app, ring, store, tenants, &teamsapp.Options{Cloud: cloud})
	if err != nil {
		return nil, nil, err
	}
	channel, err := teamschannel.New(bot, nil)
	return bot, channel, err
}

// mountTeams connects what comes back: the buttons of cards to the service, the messaging endpoint to the mux.
func mountTeams(mux *http.ServeMux, bot *teamsapp.Bot, svc *verify.Service) error {
	if err := teamschannel.Register(bot, svc, &teamschannel.Options{Help: true}); err != nil {
		return err
	}
	mux.Handle("POST /teams/messages", bot)
	return nil
}

// Example_teams plays the page: Dana's Teams is played by teamstest.
func Example_teams() {
	if err := exampleTeams(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Dana sees: Contoso IT: is this you on the phone?
	// confirmed by Teams with number match
}

func exampleTeams(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	const (
		botID, secret    = "0b51d7a0-5a4e-4b7b-9d6c-7e1f2a3b4c5d", "a secret of the example"
		contoso, objectD = "5f0c9a7e-1b2c-4d3e-8f90-a1b2c3d4e5f6", "d4a0d4a0-0000-4000-8000-00000000d4a0"
	)
	dir, err := os.MkdirTemp("", "mspkit-teams-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	db, err := openDatabase(ctx, filepath.Join(dir, "help.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, `CREATE TABLE clients (id TEXT, entra_tenant TEXT); INSERT INTO clients VALUES ('contoso', '`+contoso+`')`); err != nil {
		return err
	}
	ring, err := keyRing(newKey("2026-11"))
	if err != nil {
		return err
	}
	microsoft, err := teamstest.Start(botID, secret, nil)
	if err != nil {
		return err
	}
	defer microsoft.Close()

	bot, channel, err := addTeams(ctx, db, ring, teamsapp.App{
		ID: botID, TenantID: microsoft.AppTenant(), Credential: teamsapp.ClientSecret(secret),
	}, microsoft.Cloud())
	if err != nil {
		return err
	}
	store, err := sqlstore.New(db, sqlstore.SQLite, nil)
	if err != nil {
		return err
	}
	svc, err := verify.New(store, ring, "https://help.example/verify", verify.Same(verify.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}}),
		&verify.Options{Channels: map[string]verify.Channel{"teams": channel}})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	if err := mountTeams(mux, bot, svc); err != nil {
		return err
	}
	front := httptest.NewServer(mux)
	defer front.Close()
	microsoft.Connect(front.URL + "/teams/messages")

	dana := microsoft.AddPerson(contoso, objectD, "Dana", "en-US")
	if err := dana.Install(ctx); err != nil {
		return err
	}
	c, err := svc.Start(ctx, verify.StartRequest{
		Tenant: "contoso", Action: verify.ActionResetMFA, Technician: verify.Technician{ID: "jane", Name: "Jane Doe"},
		Subject: verify.Subject{ID: "dana", Name: "Dana", Destinations: []verify.Destination{
			{Channel: "teams", Address: contoso + "/" + objectD, FirstSeen: time.Unix(1, 0)},
		}},
	})
	if err != nil {
		return err
	}
	card, err := microsoft.Next(ctx, dana)
	if err != nil {
		return err
	}
	fmt.Println("Dana sees:", card.Summary)
	if _, err := dana.Press(ctx, card, card.Buttons()[0], map[string]string{card.Inputs()[0]: c.Number.Reveal()}); err != nil {
		return err
	}
	if c, err = svc.Get(ctx, c.Ref, "jane"); err != nil {
		return err
	}
	fmt.Println(c.State, "by", c.Assurance)
	return nil
}
