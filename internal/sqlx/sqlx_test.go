package sqlx

import (
	"strings"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/stretchr/testify/require"
)

func TestRebind(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"none", "SELECT 1", "SELECT 1"},
		{"counts up", "INSERT INTO a VALUES (?, ?, ?)", "INSERT INTO a VALUES ($1, $2, $3)"},
		{"past nine", strings.Repeat("?,", 11), "$1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,"},
		{"keeps text", "SELECT '?' WHERE a = ?", "SELECT '?' WHERE a = $1"},
		{"keeps doubled quotes", "SELECT 'it''s ?' WHERE a = ?", "SELECT 'it''s ?' WHERE a = $1"},
		{"keeps names", `SELECT "a?" FROM b WHERE c = ?`, `SELECT "a?" FROM b WHERE c = $1`},
		{"keeps line comments", "SELECT ? -- why?\n, ?", "SELECT $1 -- why?\n, $2"},
		{"keeps block comments", "SELECT ? /* why? */, ?", "SELECT $1 /* why? */, $2"},
		{"slash star slash is no comment", "SELECT ? /*/ ? */, ?", "SELECT $1 /*/ ? */, $2"},
		{"open quote", "SELECT ? 'a?", "SELECT $1 'a?"},
		{"open comment", "SELECT ? /* ?", "SELECT $1 /* ?"},
		{"multibyte", "SELECT 'ü?', ?", "SELECT 'ü?', $1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.in, SQLite.Rebind(tt.in))
			got := Postgres.Rebind(tt.in)
			require.Equal(t, tt.want, got)
			require.Equal(t, got, Postgres.Rebind(got), "a second time changes nothing")
		})
	}
}

func FuzzRebind(f *testing.F) {
	f.Add("SELECT '?' WHERE a = ? -- ?")
	f.Add("/*?*/?\"?")
	f.Fuzz(func(t *testing.T, q string) {
		got := Postgres.Rebind(q)
		require.GreaterOrEqual(t, len(got), len(q))
		require.Equal(t, got, Postgres.Rebind(got), "idempotent")
	})
}

func TestNamesAreValidated(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		d    Dialect
		o    *Options
		want string // "" is valid
	}{
		{"nil", SQLite, nil, ""},
		{"own prefix", Postgres, &Options{Prefix: "acme_", Schema: "Helpdesk"}, ""},
		{"no dialect", 0, nil, "unknown dialect 0"},
		{"injection", SQLite, &Options{Prefix: "a; DROP TABLE b --"}, "table prefix"},
		{"upper case", SQLite, &Options{Prefix: "Acme_"}, "table prefix"},
		{"digit first", SQLite, &Options{Prefix: "1a_"}, "table prefix"},
		{"too long", SQLite, &Options{Prefix: strings.Repeat("a", 25)}, "table prefix"},
		{"reserved by SQLite", SQLite, &Options{Prefix: "sqlite_"}, "table prefix"},
		{"reserved by PostgreSQL", Postgres, &Options{Prefix: "pg_"}, "table prefix"},
		{"schema on SQLite", SQLite, &Options{Schema: "a"}, "SQLite has no schemas"},
		{"quote in schema", Postgres, &Options{Schema: `a"b`}, "schema"},
		{"reserved schema", Postgres, &Options{Schema: "pg_toast"}, "schema"},
		{"both at once", Postgres, &Options{Prefix: "-", Schema: "-"}, "schema"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := New(openFake(t, &fake{}), tt.d, tt.o)
			_, lerr := List(tt.d, "a", []Migration{{Version: 1}}, tt.o)
			if tt.want == "" {
				require.NoError(t, err)
				require.NoError(t, lerr)
				return
			}
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.ErrorContains(t, err, tt.want)
			require.ErrorIs(t, lerr, mspkit.ErrInvalid)
		})
	}
	_, err := New(nil, SQLite, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func TestTokensBecomeTheDialectsWords(t *testing.T) {
	t.Parallel()
	const text = "CREATE TABLE {t}a (i {identity}, b {bytes}, n {int}, s {text}); CREATE INDEX {p}a_n ON {t}a (n); " +
		"SELECT * FROM {t}a WHERE n = ? AND s = '{}' {for_update}{skip_locked}"
	lite, err := New(openFake(t, &fake{}), SQLite, nil)
	require.NoError(t, err)
	require.Equal(t, "CREATE TABLE mspkit_a (i INTEGER PRIMARY KEY AUTOINCREMENT, b BLOB, n INTEGER, s TEXT); "+
		"CREATE INDEX mspkit_a_n ON mspkit_a (n); SELECT * FROM mspkit_a WHERE n = ? AND s = '{}' ", lite.SQL(text))
	pg, err := New(openFake(t, &fake{}), Postgres, &Options{Prefix: "x_", Schema: "S"})
	require.NoError(t, err)
	require.Equal(t, `CREATE TABLE "S".x_a (i BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, b BYTEA, n BIGINT, s TEXT COLLATE "C"); `+
		`CREATE INDEX x_a_n ON "S".x_a (n); SELECT * FROM "S".x_a WHERE n = $1 AND s = '{}' FOR UPDATEFOR UPDATE SKIP LOCKED`, pg.SQL(text))
	require.Equal(t, Postgres, pg.Dialect())
}

func TestTimesKeepMicrosecondsAndZero(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 29, 2, 30, 0, 123456789, time.FixedZone("x", 3600))
	require.Equal(t, at.Truncate(time.Microsecond).UTC(), Time(Micros(at)))
	require.Equal(t, int64(0), Micros(time.Time{}))
	require.True(t, Time(0).IsZero())
}

func TestListIsWhatMigrateDoes(t *testing.T) {
	t.Parallel()
	ms := []Migration{
		{Version: 1, SQL: []string{"CREATE TABLE {t}a (b {bytes});"}, Postgres: []string{"SELECT 'pg'"}, SQLite: []string{"SELECT 'lite'"}},
		{Version: 2, SQL: []string{"ALTER TABLE {t}a ADD COLUMN c {int}"}},
	}
	got, err := List(Postgres, "verify", ms, &Options{Schema: "s"})
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.Equal(t, 2, got[1].Version)
	require.Contains(t, got[0].SQL, `CREATE TABLE IF NOT EXISTS "s".mspkit_migrations`)
	require.Contains(t, got[0].SQL, "CREATE TABLE \"s\".mspkit_a (b BYTEA);\nSELECT 'pg';\nINSERT INTO \"s\".mspkit_migrations")
	require.NotContains(t, got[0].SQL, "lite")
	require.Contains(t, got[1].SQL, "VALUES ('verify', 2, '"+ms[1].checksum(Postgres)+"', 0);\n")
}

func TestChecksumChangesWithTheStatementsOnly(t *testing.T) {
	t.Parallel()
	m := Migration{Version: 1, SQL: []string{"CREATE TABLE {t}a (b {int})", "CREATE INDEX {p}b ON {t}a (b)"}}
	joined := Migration{Version: 1, SQL: []string{m.SQL[0] + m.SQL[1]}}
	require.NotEqual(t, m.checksum(SQLite), joined.checksum(SQLite), "boundaries count")
	spaced := Migration{Version: 1, SQL: []string{"\n\t" + m.SQL[0] + ";\n", m.SQL[1]}}
	require.Equal(t, m.checksum(SQLite), spaced.checksum(SQLite), "space around does not")
}

func TestMigrationsMustCountFromOne(t *testing.T) {
	t.Parallel()
	db := openFake(t, &fake{})
	for _, tt := range []struct {
		name, component string
		ms              []Migration
	}{
		{"none", "a", nil},
		{"from zero", "a", []Migration{{Version: 0}}},
		{"gap", "a", []Migration{{Version: 1}, {Version: 3}}},
		{"twice", "a", []Migration{{Version: 1}, {Version: 1}}},
		{"component", "a'b", []Migration{{Version: 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.ErrorIs(t, Migrate(t.Context(), db, SQLite, tt.component, tt.ms, nil), mspkit.ErrInvalid)
		})
	}
	require.ErrorIs(t, Check(t.Context(), db, SQLite, "", 1, nil), mspkit.ErrInvalid)
}
