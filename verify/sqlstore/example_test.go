package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/sqlstore"
)

// A host gives the service its own database. The driver is the host's choice.
func Example() {
	service := func(ctx context.Context, db *sql.DB, ring *mspkit.KeyRing, settings verify.Settings) (*verify.Service, error) {
		if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil); err != nil {
			return nil, err
		}
		store, err := sqlstore.New(db, sqlstore.SQLite, nil)
		if err != nil {
			return nil, err
		}
		return verify.New(store, ring, "https://help.example/verify", verify.Same(settings), nil)
	}
	_ = service
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
	// Output:
	// -- verify version 1
	// -- verify version 2
	// -- verify version 3
	// -- verify version 4
}
