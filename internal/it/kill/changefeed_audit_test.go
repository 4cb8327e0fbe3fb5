package kill_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/backlog"
	"github.com/mspkit/mspkit/internal/seal"
	feedsql "github.com/mspkit/mspkit/teamsapp/changefeed/sqlstore"
)

// keep has the database note, with what is accepted, in which order that was.
func (x *exchange) keep(db *sql.DB) {
	x.Helper()
	const insert = `INSERT INTO kept VALUES (NEW.seq, NEW.tenant, NEW.id, NEW.sealed);`
	statements := []string{
		`CREATE TABLE kept (seq BIGINT PRIMARY KEY, tenant TEXT NOT NULL, id TEXT NOT NULL, sealed BLOB NOT NULL)`,
		`CREATE TRIGGER kept AFTER INSERT ON mspkit_changefeed_items BEGIN ` + insert + ` END`,
	}
	if x.orders.Place.dialect() == feedsql.Postgres {
		statements = []string{
			strings.Replace(statements[0], "BLOB", "BYTEA", 1),
			`CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ` + insert + ` RETURN NULL; END $$`,
			`CREATE TRIGGER kept AFTER INSERT ON mspkit_changefeed_items FOR EACH ROW EXECUTE FUNCTION kept()`,
		}
	}
	for _, s := range statements {
		_, err := db.ExecContext(x.Context(), s)
		require.NoError(x, err)
	}
}

// inOrder returns what was accepted by where it was written, each message once, in the order of its first acceptance.
func (x *exchange) inOrder(db *sql.DB) map[string][]string {
	x.Helper()
	box, err := seal.New(x.orders.ring(x.T), "changefeed")
	require.NoError(x, err)
	rows, err := db.QueryContext(x.Context(), `SELECT tenant, id, sealed FROM kept ORDER BY seq`)
	require.NoError(x, err)
	defer rows.Close()
	out, seen := map[string][]string{}, map[string]bool{}
	for rows.Next() {
		var tenant, id string
		var sealed []byte
		require.NoError(x, rows.Scan(&tenant, &id, &sealed))
		plain, err := box.Open(sealed, "item", tenant, id)
		require.NoError(x, err)
		var item struct{ Path string }
		require.NoError(x, json.Unmarshal(plain, &item))
		message := tenant + " " + item.Path
		if item.Path != "" && !seen[message] { // else of a subscription
			seen[message] = true
			out[where(message)] = append(out[where(message)], message)
		}
	}
	require.NoError(x, rows.Err())
	return out
}

// where is the chat or channel of a message.
func where(message string) string {
	chat, _, _ := strings.Cut(message, "/messages(")
	return chat
}

// settled waits until all that was sent is accepted and handled, and nothing is to be done for a subscription.
func (x *exchange) settled() {
	x.Helper()
	db := x.orders.Place.db(x.T, 8)
	store := x.orders.store(x.T, db)
	x.wait(func() string { return x.left(store) })
	require.NoError(x, db.Close())
}

// wait waits until nothing is left: what failed several times is tried again after five minutes.
func (x *exchange) wait(left func() string) {
	x.Helper()
	begun, last := time.Now(), ""
	for end := begun.Add(7 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		what := left()
		if what == "" {
			if took := time.Since(begun); took > 20*time.Second {
				x.Logf("waited for %s, in the end for %s", took.Round(time.Second), last)
			}
			return
		}
		last = what
		require.False(x, time.Now().After(end), "it does not come to an end: %s", what)
	}
}

// unsent says what Graph still has to send.
func (x *exchange) unsent() string {
	for i, n := range x.notifiers {
		waiting, lost := n.Waiting()
		if waiting > 0 {
			return fmt.Sprintf("%d notifications of notifier %d", waiting, i)
		}
		if lost > 0 {
			return fmt.Sprintf("%d notifications, which Graph gave up", lost)
		}
	}
	return ""
}

// left says what is still to be done.
func (x *exchange) left(store *feedsql.Store) string {
	if what := x.unsent(); what != "" {
		return what
	}
	for name, resources := range x.orders.Follow {
		list, err := store.Subscriptions(x.Context(), name)
		if err != nil || len(list) != len(resources) {
			return fmt.Sprintf("%d subscriptions of %s, %v", len(list), name, err)
		}
		for _, s := range list {
			if s.State != "active" || s.Holder != "" || s.Marks != 0 || !s.GapFrom.IsZero() {
				return fmt.Sprintf("a subscription of %s is %s: %s; marks %d, read again from %s, held until %s, due %s", name, s.State, s.Fault, s.Marks, s.GapFrom, s.LeaseUntil, s.Due)
			}
		}
	}
	list, err := store.Backlog().List(x.Context(), backlog.Filter{State: backlog.Pending, Limit: 1})
	if err != nil {
		return err.Error()
	}
	for _, it := range list {
		return fmt.Sprintf("item %d in %s, tried %d times, due %s: %s", it.Seq, it.Key, it.Tries, it.Due, it.Fault)
	}
	return ""
}

// audit returns what is wrong when everything has come to its end.
func (x *exchange) audit() (wrong []string) {
	x.Helper()
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	db := x.orders.Place.db(x.T, 8)
	store := x.orders.store(x.T, db)
	x.mu.Lock()
	defer x.mu.Unlock()
	c, err := store.Backlog().Count(x.Context(), "")
	require.NoError(x, err)
	if c.Dead > 0 {
		bad("%d notifications are dead letters", c.Dead)
	}

	// What the sink was told, by where it was written: each message once, however often it came.
	told, ids := map[string][]string{}, map[string]string{}
	for _, l := range x.journal.lines(x.T) {
		message := string(l.Said.Tenant) + " " + l.Said.Path
		chat := where(message)
		if text, ok := x.written[message]; !ok || l.Said.Change != "created" || l.Said.Text != text {
			bad("%s was never written like that: %s", message, l.Said.Change)
		}
		switch id, again := ids[message]; {
		case !again:
			ids[message] = l.ID
			told[chat] = append(told[chat], message)
		case id != l.ID:
			bad("%s came as two events", message)
		default:
			x.counts["repeated"]++
			if last := told[chat][len(told[chat])-1]; last != message {
				bad("%s came again out of order, after %s", message, last)
			}
		}
		if l.Said.Backfilled {
			x.counts["read again"]++
		}
	}
	kept := x.inOrder(db)
	for message := range x.accepted {
		if !slices.Contains(kept[where(message)], message) {
			bad("%s was answered and is lost: it is not stored", message)
		}
	}
	for message := range x.written {
		if ids[message] == "" {
			bad("%s is lost, accepted: %t", message, x.accepted[message])
		}
	}
	for chat, want := range kept {
		got := told[chat]
		for i := range min(len(want), len(got)) {
			if want[i] != got[i] {
				bad("out of order: number %d is %s, and was accepted as number %d", i, got[i], slices.Index(want, got[i]))
				break
			}
		}
	}
	return append(wrong, x.subscribed(store)...)
}

// subscribed returns what is wrong with the subscriptions that Graph has.
func (x *exchange) subscribed(store *feedsql.Store) (wrong []string) {
	x.Helper()
	for name, resources := range x.orders.Follow {
		want, got := map[string]string{}, map[string]string{}
		list, err := store.Subscriptions(x.Context(), name)
		require.NoError(x, err)
		for _, s := range list {
			want[s.Resource] = s.ID
		}
		for _, s := range x.tenants[name].Subscriptions() {
			if got[s.Resource] != "" {
				wrong = append(wrong, fmt.Sprintf("%s: two subscriptions to %s", name, s.Resource))
			}
			got[s.Resource] = s.ID
		}
		if len(want) != len(resources) || !maps.Equal(want, got) {
			wrong = append(wrong, fmt.Sprintf("%s: it should have %d subscriptions, knows %v, and Graph has %v", name, len(resources), want, got))
		}
	}
	return wrong
}
