package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/sqlstore"
)

// A host gives the bot its own database. The driver is the host's choice.
func Example() {
	bot := func(ctx context.Context, db *sql.DB, app teamsapp.App, ring *mspkit.KeyRing, tenants teamsapp.Tenants) (*teamsapp.Bot, error) {
		if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil); err != nil {
			return nil, err
		}
		store, err := sqlstore.New(db, sqlstore.SQLite, nil)
		if err != nil {
			return nil, err
		}
		return teamsapp.New(app, ring, store, tenants, nil)
	}
	_ = bot
}

// A host that runs migrations with its own tool asks for their text.
func ExampleMigrations() {
	scripts, err := sqlstore.Migrations(sqlstore.SQLite, &sqlstore.Options{Prefix: "help_"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range scripts {
		fmt.Printf("-- %s version %d\n", s.Component, s.Version)
	}
	// Output: -- teamsapp version 1
}
