package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/sqlstore"
)

// An administrator has confirmed that a company of the ticket system is a tenant of the host.
func Example() {
	confirm := func(ctx context.Context, db *sql.DB, s psa.Suggestion, admin string) error {
		if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil); err != nil {
			return err
		}
		store, err := sqlstore.New(db, sqlstore.SQLite, nil)
		if err != nil {
			return err
		}
		return store.SaveMapping(ctx, psa.Mapping{
			System: "halopsa", CompanyID: s.Company.ID, CompanyName: s.Company.Name, Tenant: s.Tenant, By: admin,
		})
	}
	_ = confirm
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
	// Output: -- psa version 1
}
