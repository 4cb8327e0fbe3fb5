package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/mspkit/mspkit/psa/outbox"
	"github.com/mspkit/mspkit/psa/outbox/sqlstore"
)

// A host keeps the notes in its own database. The driver is the host's choice.
func Example() {
	store := func(ctx context.Context, db *sql.DB) (outbox.TxStore, error) {
		if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil); err != nil {
			return nil, err
		}
		return sqlstore.New(db, sqlstore.SQLite, nil)
	}
	_ = store
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
	// Output: -- psa_outbox version 1
}
