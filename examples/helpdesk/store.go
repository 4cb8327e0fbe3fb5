package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the host chooses the driver
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite"

	"github.com/mspkit/mspkit/contacts"
	peoplestore "github.com/mspkit/mspkit/contacts/sqlstore"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/accounts"
	staffstore "github.com/mspkit/mspkit/entra/accounts/sqlstore"
	entrastore "github.com/mspkit/mspkit/entra/sqlstore"
	"github.com/mspkit/mspkit/mail"
	mailstore "github.com/mspkit/mspkit/mail/sqlstore"
	"github.com/mspkit/mspkit/psa/outbox"
	outboxstore "github.com/mspkit/mspkit/psa/outbox/sqlstore"
	psastore "github.com/mspkit/mspkit/psa/sqlstore"
	"github.com/mspkit/mspkit/securesend"
	sendredis "github.com/mspkit/mspkit/securesend/redisstore"
	sendstore "github.com/mspkit/mspkit/securesend/sqlstore"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
	feedstore "github.com/mspkit/mspkit/teamsapp/changefeed/sqlstore"
	teamsstore "github.com/mspkit/mspkit/teamsapp/sqlstore"
	"github.com/mspkit/mspkit/teamsapp/workflows"
	flowstore "github.com/mspkit/mspkit/teamsapp/workflows/sqlstore"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/redisstore"
	"github.com/mspkit/mspkit/verify/sqlstore"
)

// The values of -store. On SQLite all instances run on one machine, on the others anywhere.
const (
	storeSQLite   = "sqlite"
	storePostgres = "postgres"
	storeRedis    = "redis"
)

var storeKinds = []string{storeSQLite, storePostgres, storeRedis}

// Where the databases are unless the environment says otherwise.
const (
	postgresURL = "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable"
	redisURL    = "redis://127.0.0.1:6379"
)

// storage says where the program keeps its data.
type storage struct {
	kind                  string
	postgresURL, redisURL string
	// space is the schema on PostgreSQL and the prefix on Redis: the self-test has one of its own.
	space string
}

// storageFromEnv reads the variables that README names.
func storageFromEnv(kind string, env func(string) string) (storage, error) {
	if !slices.Contains(storeKinds, kind) {
		return storage{}, fmt.Errorf("-store must be one of %s, it is %q", strings.Join(storeKinds, ", "), kind)
	}
	return storage{
		kind: kind, space: "mspkit_helpdesk",
		postgresURL: or(env("MSPKIT_POSTGRES_URL"), postgresURL), redisURL: or(env("MSPKIT_REDIS_URL"), redisURL),
	}, nil
}

func (s storage) describe(dir string) string {
	switch s.kind {
	case storePostgres:
		return "Data in PostgreSQL (schema " + s.space + "), files and keys in " + dir + "."
	case storeRedis:
		return "Verifications and sends in Redis (prefix " + s.space + "), files, the bot's conversations and the keys in " + dir + "."
	}
	return "Data in " + dir + "."
}

// stores are what the packages keep in the host's databases.
type stores struct {
	verify        verify.Store
	sends         securesend.SecretStore
	conversations teamsapp.Store
	psa           psaStore
	outbox        outbox.Store
	connections   entra.ConnectionStore
	directory     contacts.Directory
	senders       mail.SenderStore
	flows         workflows.Store
	feed          changefeed.Store
	deeds         *deeds
	accounts      accounts.Store
	revocations   entra.Revocations
}

// openStores opens the host's databases and what the packages keep in them.
func (a *app) openStores(ctx context.Context) (out stores, err error) {
	s := a.cfg.storage
	dialect, driver, dsn, schema := sqlstore.SQLite, "sqlite", "file:"+filepath.Join(a.cfg.dir, "helpdesk.db")+
		"?_pragma=journal_mode(wal)&_pragma=busy_timeout(5000)&_pragma=synchronous(full)&_pragma=secure_delete(on)", ""
	if s.kind == storePostgres {
		dialect, driver, dsn, schema = sqlstore.Postgres, "pgx", s.postgresURL, s.space
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return out, fmt.Errorf("open the database: %w", err)
	}
	a.closers = append(a.closers, db.Close)
	if err := db.PingContext(ctx); err != nil {
		if s.kind == storePostgres {
			err = fmt.Errorf("-store=postgres: no PostgreSQL answers; MSPKIT_POSTGRES_URL names one: %w", err)
		}
		return out, err
	}
	teams := &teamsstore.Options{Schema: schema}
	if err := teamsstore.Migrate(ctx, db, dialect, teams); err != nil {
		return out, err
	}
	if out.conversations, err = teamsstore.New(db, dialect, teams); err != nil {
		return out, err
	}
	tickets, notes := &psastore.Options{Schema: schema}, &outboxstore.Options{Schema: schema}
	if err := errors.Join(psastore.Migrate(ctx, db, dialect, tickets), outboxstore.Migrate(ctx, db, dialect, notes)); err != nil {
		return out, err
	}
	if out.psa, err = psastore.New(db, dialect, tickets); err != nil {
		return out, err
	}
	if out.outbox, err = outboxstore.New(db, dialect, notes); err != nil {
		return out, err
	}
	if err := out.openOffice(ctx, db, dialect, schema); err != nil {
		return out, err
	}
	if err := out.openTeams(ctx, db, dialect, schema); err != nil {
		return out, err
	}
	if out.deeds, err = openDeeds(ctx, db, dialect, schema); err != nil {
		return out, err
	}
	people := &staffstore.Options{Schema: schema}
	if err := staffstore.Migrate(ctx, db, dialect, people); err != nil {
		return out, err
	}
	if out.accounts, err = staffstore.New(db, dialect, people); err != nil {
		return out, err
	}
	if s.kind == storeRedis {
		err := a.openRedis(ctx, &out)
		return out, err
	}
	records, sends := &sqlstore.Options{Schema: schema}, &sendstore.Options{Schema: schema}
	if err := errors.Join(sqlstore.Migrate(ctx, db, dialect, records), sendstore.Migrate(ctx, db, dialect, sends)); err != nil {
		return out, err
	}
	if out.verify, err = sqlstore.New(db, dialect, records); err != nil {
		return out, err
	}
	out.sends, err = sendstore.New(db, dialect, sends)
	return out, err
}

// openOffice opens what is kept of the clients' Microsoft 365.
func (out *stores) openOffice(ctx context.Context, db *sql.DB, dialect sqlstore.Dialect, schema string) error {
	connections, people, senders := &entrastore.Options{Schema: schema}, &peoplestore.Options{Schema: schema}, &mailstore.Options{Schema: schema}
	err := errors.Join(entrastore.Migrate(ctx, db, dialect, connections), peoplestore.Migrate(ctx, db, dialect, people), mailstore.Migrate(ctx, db, dialect, senders))
	if err != nil {
		return err
	}
	sessions, err := entrastore.New(db, dialect, connections)
	if err != nil {
		return err
	}
	out.connections, out.revocations = sessions, sessions
	if out.directory, err = peoplestore.New(db, dialect, people); err != nil {
		return err
	}
	out.senders, err = mailstore.New(db, dialect, senders)
	return err
}

// openTeams opens what is kept of channels and of chats that are followed.
func (out *stores) openTeams(ctx context.Context, db *sql.DB, dialect sqlstore.Dialect, schema string) error {
	flows, feed := &flowstore.Options{Schema: schema}, &feedstore.Options{Schema: schema}
	err := errors.Join(flowstore.Migrate(ctx, db, dialect, flows), feedstore.Migrate(ctx, db, dialect, feed))
	if err != nil {
		return err
	}
	if out.flows, err = flowstore.New(db, dialect, flows); err != nil {
		return err
	}
	out.feed, err = feedstore.New(db, dialect, feed)
	return err
}

func (a *app) openRedis(ctx context.Context, out *stores) error {
	client, err := a.cfg.storage.redis()
	if err != nil {
		return err
	}
	a.closers = append(a.closers, client.Close)
	out.verify, err = redisstore.New(ctx, client, &redisstore.Options{Prefix: a.cfg.storage.space, Logger: a.cfg.log})
	if err == nil {
		out.sends, err = sendredis.New(ctx, client, &sendredis.Options{Prefix: a.cfg.storage.space, Logger: a.cfg.log})
	}
	if err != nil {
		return fmt.Errorf("-store=redis (MSPKIT_REDIS_URL names the server): %w", err)
	}
	return nil
}

func (s storage) redis() (*redis.Client, error) {
	o, err := redis.ParseURL(s.redisURL)
	if err != nil {
		return nil, errors.New("MSPKIT_REDIS_URL must look like redis://127.0.0.1:6379") // the error itself would show a password
	}
	return redis.NewClient(o), nil
}

// drop removes everything that the self-test has stored outside of its folder.
func (s storage) drop(ctx context.Context) error {
	switch s.kind {
	case storePostgres:
		db, err := sql.Open("pgx", s.postgresURL)
		if err != nil {
			return err
		}
		_, err = db.ExecContext(ctx, `DROP SCHEMA IF EXISTS "`+s.space+`" CASCADE`)
		return errors.Join(err, db.Close())
	case storeRedis:
		client, err := s.redis()
		if err != nil {
			return err
		}
		for keys := client.Scan(ctx, 0, "*"+s.space+"*", 1000).Iterator(); err == nil && keys.Next(ctx); {
			err = client.Del(ctx, keys.Val()).Err()
		}
		return errors.Join(err, client.Close())
	}
	return nil
}
