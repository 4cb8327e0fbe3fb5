package stores_test

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/sqlstore"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// Guarantee 3: whoever steals the database finds no code, number, word, link, address or name in it, only ids that
// the host chose. Every column of every table is read, and searched for each secret as it is and in the encodings
// in which it could have been left.
func TestNothingIsStoredInClear(t *testing.T) {
	t.Parallel()
	eachVerifyDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		nothingInClear(t, openVerify(t, d), func() string { return dump(t, d) })
	})
	t.Run("Redis", func(t *testing.T) {
		t.Parallel()
		k := redisKeys(t)
		nothingInClear(t, k.open(t), func() string { return k.dump(t) })
	})
}

func nothingInClear(t *testing.T, store verify.Store, dump func() string) {
	t.Helper()
	ctx := t.Context()
	ring := newRing(t)
	ch := &verifytest.Channel{Level: verify.AssuranceTeams}
	long := time.Now().Add(-365 * 24 * time.Hour)
	subject := verify.Subject{ID: "subject-1", Name: "Dana Whitfield", Company: "Contoso Cheese", Destinations: []verify.Destination{
		{Channel: "email", Address: "dana.whitfield@contoso.example", FirstSeen: long},
	}}
	svc, err := verify.New(store, ring, "https://help.example/verify", verify.Same(verify.Settings{
		Brand: mspkit.Brand{Name: "Contoso IT"}, Limits: verify.Limits{Cooldown: -1, CodeDigits: 8},
	}), &verify.Options{
		Channels: map[string]verify.Channel{"email": ch},
		Lookup:   func(context.Context, mspkit.TenantID, string) (*verify.TechnicianRequest, error) { return nil, nil },
	})
	require.NoError(t, err)

	secrets := map[string]string{
		"name": "Dana Whitfield", "company": "Contoso Cheese", "address": "dana.whitfield@contoso.example",
		"technician's name": "Jane Doe", "idempotency key": "caller-key-17", "address typed into the public form": "curious@contoso.example",
		"field of the sealed details": `"n":"`,
	}
	request := verify.StartRequest{Tenant: "contoso", Subject: subject, Action: verify.ActionIdentify, Technician: jane, IdempotencyKey: "caller-key-17"}
	c, err := svc.Start(ctx, request)
	require.NoError(t, err)
	secrets["word that denies"] = c.Word.Reveal()
	link := func() string {
		sent, err := ch.Last()
		require.NoError(t, err)
		return sent.Link.Reveal()
	}
	secrets["link"] = link()[strings.LastIndex(link(), "/")+1:]
	_, err = svc.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
	require.NoError(t, err)
	c, err = svc.Get(ctx, c.Ref, jane.ID)
	require.NoError(t, err)
	secrets["proof"] = c.Proof.Reveal()[strings.LastIndex(c.Proof.Reveal(), ".")+1:]
	require.NoError(t, svc.Redeem(ctx, c.Proof, verify.Expect{Tenant: "contoso", Subject: "subject-1", Action: c.Action, Technician: jane.ID}, "job"))

	request.Method, request.IdempotencyKey = verify.MethodCode, ""
	_, err = svc.Start(ctx, request)
	require.NoError(t, err)
	sent, err := ch.Last()
	require.NoError(t, err)
	secrets["code"], secrets["delivery key"] = sent.Code.Reveal(), sent.Key

	tc, err := svc.StartTechnician(ctx, verify.TechnicianRequest{Tenant: "contoso", Subject: subject, By: jane.ID, Call: &verify.Call{Technician: jane}})
	require.NoError(t, err)
	secrets["word that proves the technician"] = tc.Word.Reveal()
	secrets["technician's link"] = link()[strings.LastIndex(link(), "/")+1:]
	require.NoError(t, svc.RequestTechnician(ctx, verify.PublicRequest{Tenant: "contoso", Address: "curious@contoso.example"}))

	everything := dump()
	require.Contains(t, everything, "subject-1", "the dump misses what is there")
	require.Contains(t, everything, c.Ref.ID)
	for what, secret := range secrets {
		require.NotEmpty(t, secret, what)
		spellings := []string{secret, strings.ToUpper(secret), fmt.Sprintf("%x", secret), base64.StdEncoding.EncodeToString([]byte(secret))}
		if raw, err := base64.RawURLEncoding.DecodeString(secret); err == nil && len(raw) >= 32 {
			spellings = append(spellings, string(raw[:32]), hex.EncodeToString(raw[:32]), base64.RawURLEncoding.EncodeToString(raw[:32]))
		}
		for _, s := range spellings {
			require.NotContains(t, everything, s, "the %s is in the database", what)
		}
	}
}

// eachVerifyDatabase runs f on SQLite and PostgreSQL with the tables of sqlstore.
func eachVerifyDatabase(t *testing.T, f func(t *testing.T, d database)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		f(t, verifyFile(t))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		d := postgresSchema(t)
		require.NoError(t, sqlstore.Migrate(t.Context(), d.open(t), d.dialect, &sqlstore.Options{Schema: d.schema}))
		f(t, d)
	})
}

// dump returns the text of every column of every row of every table of ours.
func dump(t *testing.T, d database) string {
	t.Helper()
	db := d.open(t)
	list, prefix := `SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'mspkit_%'`, ""
	if d.dialect == sqlstore.Postgres {
		list, prefix = fmt.Sprintf(`SELECT tablename FROM pg_tables WHERE schemaname = '%s'`, d.schema), d.schema+"."
	}
	var out strings.Builder
	tables := column(t, db, list)
	require.GreaterOrEqual(t, len(tables), 6)
	for _, table := range tables {
		out.WriteString(dumpTable(t, db, prefix+table))
	}
	return out.String()
}

func dumpTable(t *testing.T, db *sql.DB, table string) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+table)
	require.NoError(t, err)
	defer rows.Close()
	names, err := rows.Columns()
	require.NoError(t, err)
	var out strings.Builder
	for rows.Next() {
		values := make([]any, len(names))
		for i := range values {
			values[i] = new(any)
		}
		require.NoError(t, rows.Scan(values...))
		for i, v := range values {
			value := *v.(*any)
			if b, ok := value.([]byte); ok {
				value = string(b)
			}
			fmt.Fprintf(&out, "%s.%s=%v\n", table, names[i], value)
		}
	}
	require.NoError(t, rows.Err())
	return out.String()
}

func column(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		require.NoError(t, rows.Scan(&s))
		out = append(out, s)
	}
	require.NoError(t, rows.Err())
	return out
}
