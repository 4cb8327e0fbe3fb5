package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/sqlstore"
)

// A host keeps the people of its clients in its own database, and finds out who is calling. The driver is the host's choice.
func Example() {
	calling := func(ctx context.Context, db *sql.DB, number string) ([]contacts.Contact, error) {
		if err := sqlstore.Migrate(ctx, db, sqlstore.Postgres, nil); err != nil { // once, at the start
			return nil, err
		}
		dir, err := sqlstore.New(db, sqlstore.Postgres, &sqlstore.Options{
			Precedence: contacts.Precedence{Default: []string{"entra", "connectwise"}},
		})
		if err != nil {
			return nil, err
		}
		return dir.FindCaller(ctx, number, 0)
	}
	_ = calling
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
	// Output: -- contacts version 1
}
