package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/sqlstore"
)

// A host keeps connections in its own database.
func Example() {
	open := func(ctx context.Context, db *sql.DB) (entra.ConnectionStore, error) {
		if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil); err != nil {
			return nil, err
		}
		return sqlstore.New(db, sqlstore.SQLite, nil)
	}
	_ = open
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
	// -- entra version 1
	// -- entra version 2
}
