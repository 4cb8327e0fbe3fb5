package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
	"github.com/mspkit/mspkit/teamsapp/changefeed/sqlstore"
)

// A host gives the feed its own database. The driver is the host's choice.
func Example() {
	feed := func(ctx context.Context, db *sql.DB, ring *mspkit.KeyRing, creds azurecred.TenantCredentials, sink changefeed.Sink) (*changefeed.Feed, error) {
		if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil); err != nil {
			return nil, err
		}
		store, err := sqlstore.New(db, sqlstore.SQLite, nil)
		if err != nil {
			return nil, err
		}
		app := changefeed.App{IDs: []string{"11111111-1111-4111-8111-111111111111"}, URL: "https://help.example/graph"}
		return changefeed.New(app, ring, store, creds, sink, nil)
	}
	_ = feed
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
	// Output: -- changefeed version 1
}
