package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/mspkit/mspkit/entra/mfa"
	"github.com/mspkit/mspkit/entra/mfa/sqlstore"
)

// A host keeps second factors in its own database.
func Example() {
	open := func(ctx context.Context, db *sql.DB) (mfa.Store, error) {
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
	// Output: -- mfa version 1
}
