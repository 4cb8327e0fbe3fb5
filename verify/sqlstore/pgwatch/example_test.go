package pgwatch_test

import (
	"context"
	"database/sql"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/sqlstore"
	"github.com/mspkit/mspkit/verify/sqlstore/pgwatch"
)

// A service whose Wait hears of an outcome at once, whichever instance took the answer.
func Example() {
	run := func(ctx context.Context, db *sql.DB, connString mspkit.Redacted[string], ring *mspkit.KeyRing, settings verify.Settings) (*verify.Service, error) {
		store, err := sqlstore.New(db, sqlstore.Postgres, nil)
		if err != nil {
			return nil, err
		}
		watched, err := pgwatch.New(store, pgwatch.Dial(connString), nil)
		if err != nil {
			return nil, err
		}
		go func() { _ = watched.Run(ctx) }() // nil when ctx ends
		return verify.New(watched, ring, "https://help.example/verify", verify.Same(settings), nil)
	}
	_ = run
}
