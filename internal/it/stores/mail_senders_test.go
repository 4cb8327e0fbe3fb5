package stores_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/mailtest"
	mailsql "github.com/mspkit/mspkit/mail/sqlstore"
)

// openSenders returns a store in a table of its own.
func openSenders(t *testing.T, d database) *mailsql.Store {
	t.Helper()
	db := d.open(t)
	o := &mailsql.Options{Schema: d.schema}
	require.NoError(t, mailsql.Migrate(t.Context(), db, d.dialect, o))
	require.NoError(t, mailsql.Migrate(t.Context(), db, d.dialect, o), "again")
	store, err := mailsql.New(db, d.dialect, o)
	require.NoError(t, err)
	return store
}

func TestSendersOnSQLite(t *testing.T) {
	t.Parallel()
	mailtest.TestSenders(t, func(t *testing.T) mail.SenderStore { t.Helper(); return openSenders(t, sqliteFile(t)) })
}

func TestSendersOnPostgres(t *testing.T) {
	t.Parallel()
	mailtest.TestSenders(t, func(t *testing.T) mail.SenderStore { t.Helper(); return openSenders(t, postgresSchema(t)) })
}

func TestSendersNeedTheirTable(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		_, err := mailsql.New(d.open(t), d.dialect, &mailsql.Options{Schema: d.schema})
		require.ErrorIs(t, err, mailsql.ErrOutdated)
		openSenders(t, d)
	})
}
