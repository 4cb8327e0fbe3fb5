package stores_test

import (
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
	"github.com/mspkit/mspkit/internal/backlog/backlogtest"
	"github.com/mspkit/mspkit/teamsapp/workflows"
	workflowssql "github.com/mspkit/mspkit/teamsapp/workflows/sqlstore"
	"github.com/mspkit/mspkit/teamsapp/workflows/workflowstest"
)

// migrateWorkflows makes the tables in d.
func migrateWorkflows(t testing.TB, d database) database {
	t.Helper()
	o := &workflowssql.Options{Schema: d.schema}
	require.NoError(t, workflowssql.Migrate(context.Background(), d.open(t), d.dialect, o))
	require.NoError(t, workflowssql.Migrate(context.Background(), d.open(t), d.dialect, o), "again")
	return d
}

// openWorkflows opens an instance with a pool of its own, as another process has.
func openWorkflows(t testing.TB, d database) (*workflowssql.Store, *sql.DB) {
	t.Helper()
	db := d.open(t)
	db.SetMaxOpenConns(4) // a PostgreSQL server takes 100 connections, also from tests beside this one
	store, err := workflowssql.New(db, d.dialect, &workflowssql.Options{Schema: d.schema})
	require.NoError(t, err)
	return store, db
}

func TestWorkflowsOnSQLite(t *testing.T) {
	t.Parallel()
	workflowstest.TestStore(t, func(t *testing.T) (first, second workflows.Store) {
		t.Helper()
		d := migrateWorkflows(t, sqliteFile(t))
		first, _ = openWorkflows(t, d)
		second, _ = openWorkflows(t, d)
		return first, second
	})
}

// One connection is what hosts with SQLite often allow: no method may need a second one.
func TestWorkflowsOnOneConnectionToSQLite(t *testing.T) {
	t.Parallel()
	workflowstest.TestStore(t, func(t *testing.T) (first, second workflows.Store) {
		t.Helper()
		s, db := openWorkflows(t, migrateWorkflows(t, sqliteFile(t)))
		db.SetMaxOpenConns(1)
		return s, s
	})
}

func TestWorkflowsOnPostgres(t *testing.T) {
	t.Parallel()
	workflowstest.TestStore(t, func(t *testing.T) (first, second workflows.Store) {
		t.Helper()
		d := migrateWorkflows(t, postgresSchema(t))
		first, _ = openWorkflows(t, d)
		second, _ = openWorkflows(t, d)
		return first, second
	})
}

// TestPostsOfWorkflowsAreABacklog holds the tables of this store to what the worker needs.
func TestPostsOfWorkflowsAreABacklog(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		backlogtest.TestPair(t, func(t *testing.T) (first, second backlog.Store) {
			t.Helper()
			fresh := sqliteFile(t) // of each part its own
			if d.schema != "" {
				fresh = postgresSchema(t)
			}
			migrateWorkflows(t, fresh)
			a, _ := openWorkflows(t, fresh)
			b, _ := openWorkflows(t, fresh)
			return a.Posts(), b.Posts()
		})
	})
}

func TestWorkflowsNeedTheirTables(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		_, err := workflowssql.New(d.open(t), d.dialect, &workflowssql.Options{Schema: d.schema})
		require.ErrorIs(t, err, workflowssql.ErrOutdated)
		openWorkflows(t, migrateWorkflows(t, d))
	})
}

// TestPostsSurviveARestart accepts in one process and posts in another one, to a flow that is throttled, down and answers
// with what is not clear; then looks at what was in the database.
func TestPostsSurviveARestart(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		ctx := t.Context()
		srv, err := workflowstest.NewServer()
		require.NoError(t, err)
		defer srv.Close()
		migrateWorkflows(t, d)
		ring := newRing(t)
		open := func() *workflows.Service {
			store, _ := openWorkflows(t, d)
			s, err := workflows.New(store, ring, &workflows.Options{
				InsecureLoopback: true, Rate: -1, Per5Minutes: -1, Backoff: func(int) time.Duration { return 10 * time.Millisecond }, Poll: 20 * time.Millisecond,
			})
			require.NoError(t, err)
			return s
		}
		first := open()
		url := srv.URL("helpdesk")
		c, err := first.Connect(ctx, workflows.Connection{Tenant: "contoso", Name: "Canary name", URL: mspkit.Redact(url), Events: workflows.Events()})
		require.NoError(t, err)
		_, err = first.Test(ctx, "contoso", c.ID)
		require.NoError(t, err)
		var want []string
		for i := range 20 {
			want = append(want, fmt.Sprintf("Canary text %d", i))
			_, err := first.Post(ctx, "contoso", c.ID, workflows.Post{ID: fmt.Sprintf("canary-id-%d", i), Text: want[i]})
			require.NoError(t, err)
		}
		everything := dumpWorkflows(t, d)
		require.Contains(t, everything, c.ID, "the dump misses what is there")
		_, sig, _ := strings.Cut(url, "sig=")
		sig, _, _ = strings.Cut(sig, "&")
		for _, secret := range []string{"Canary", "canary-id", sig, url, "new-text", "127.0.0.1"} {
			for _, s := range []string{secret, strings.ToUpper(secret), fmt.Sprintf("%x", secret), base64.StdEncoding.EncodeToString([]byte(secret))} {
				require.NotContains(t, everything, s)
			}
		}

		srv.Fail("helpdesk", workflowstest.Fault{}, workflowstest.Fault{Status: 429}, workflowstest.Fault{Status: 503}, workflowstest.Fault{}, workflowstest.Fault{Status: 502})
		run, cancel := context.WithCancel(ctx)
		ended := make(chan error)
		for range 2 {
			s := open()
			go func() { ended <- s.Run(run) }()
		}
		wait, stop := context.WithTimeout(ctx, 30*time.Second)
		defer stop()
		runs, err := srv.Wait(wait, 21)
		require.NoError(t, err)
		cancel()
		for range 2 {
			require.NoError(t, <-ended)
		}
		var got []string
		for _, r := range runs[1:] {
			got = append(got, r.Shown())
		}
		require.Equal(t, want, got)
		require.NoError(t, first.Disconnect(ctx, "contoso", c.ID))
		cs, err := first.Connections(ctx, "contoso")
		require.NoError(t, err)
		require.Empty(t, cs)
	})
}

func dumpWorkflows(t *testing.T, d database) string {
	t.Helper()
	db, prefix := d.open(t), ""
	if d.schema != "" {
		prefix = d.schema + "."
	}
	return dumpTable(t, db, prefix+"mspkit_workflows_connections") + dumpTable(t, db, prefix+"mspkit_workflows_items")
}
