package stores_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/securesendtest"
	sendsql "github.com/mspkit/mspkit/securesend/sqlstore"
)

func TestSecretStoreOnSQLite(t *testing.T) {
	t.Parallel()
	securesendtest.TestStore(t, func(t *testing.T) func() securesend.SecretStore {
		t.Helper()
		d := sendFile(t)
		return func() securesend.SecretStore { return openSend(t, d) }
	})
}

func TestSecretStoreOnPostgres(t *testing.T) {
	t.Parallel()
	securesendtest.TestStore(t, func(t *testing.T) func() securesend.SecretStore {
		t.Helper()
		d := sendSchema(t)
		return func() securesend.SecretStore { return openSend(t, d) }
	})
}

func TestANewerSchemaOfSendsWorks(t *testing.T) {
	t.Parallel()
	eachSendDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		ctx, now, db := t.Context(), time.Now(), d.open(t)
		for _, table := range []string{"records", "events", "counters"} {
			_, err := db.ExecContext(ctx, `ALTER TABLE mspkit_securesend_`+table+` ADD COLUMN future text NOT NULL DEFAULT 'x'`)
			require.NoError(t, err)
		}
		_, err := db.ExecContext(ctx, `INSERT INTO mspkit_migrations SELECT 'securesend', MAX(version) + 1, 'of the next release', 0 FROM mspkit_migrations`)
		require.NoError(t, err)
		require.NoError(t, sendsql.Migrate(ctx, db, d.dialect, &sendsql.Options{Schema: d.schema}), "it is left as it is")
		store, r := openSend(t, d), simpleSend("r", now)
		require.NoError(t, store.Put(ctx, r, told(securesend.EventCreated, "jane"), now))
		_, err = store.Take(ctx, r.Ref, takes("mine"), now)
		require.NoError(t, err)
		_, err = store.Extend(ctx, r.Ref, securesend.Fetch{Claim: []byte("mine"), Auth: r.Auth}, now)
		require.ErrorIs(t, err, securesend.ErrInvalid)
		n, err := store.Expire(ctx, now.Add(time.Hour), 10)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.NoError(t, store.Count(ctx, []securesend.Limit{{Name: "l", Key: "k", Max: 1, Window: time.Hour}}, now))
		events, err := store.Events(ctx, securesend.EventQuery{Limit: 10})
		require.NoError(t, err)
		require.Len(t, events, 3)
		n, err = store.DeleteExpired(ctx, now.Add(2*time.Hour), now.Add(2*time.Hour), 10)
		require.NoError(t, err)
		require.Equal(t, 2, n)
	})
}

func TestNothingOfAnEndedSendIsLeft(t *testing.T) {
	t.Parallel()
	eachSendDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		securesendtest.TestDump(t, func() securesend.SecretStore { return openSend(t, d) }, func() []byte {
			everything := dumpSends(t, d)
			if d.dialect == sendsql.SQLite {
				everything += checkpointed(t, d)
			}
			return []byte(everything)
		})
	})
}

// A host may have another isolation level as its default: nothing of the store leans on it.
func TestSecretStoreOnSerializablePostgres(t *testing.T) {
	t.Parallel()
	securesendtest.TestStore(t, func(t *testing.T) func() securesend.SecretStore {
		t.Helper()
		d := sendSchema(t)
		d.dsn += "&default_transaction_isolation=serializable"
		return func() securesend.SecretStore { return openSend(t, d) }
	})
}
