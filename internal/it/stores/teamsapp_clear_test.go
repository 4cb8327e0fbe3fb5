package stores_test

import (
	"context"
	"database/sql"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/sqlstore"
	"github.com/mspkit/mspkit/teamsapp/teamstest"
)

const (
	entraTenant = "5f0c9a7e-1b2c-4d3e-8f90-a1b2c3d4e5f6"
	danaID      = "d4a0d4a0-0000-4000-8000-00000000d4a0"
	malloryID   = "3a110000-0000-4000-8000-000000003a11"
)

// teamsOnSQLite is a bot on a database file, with Dana and Mallory, who have it installed.
func teamsOnSQLite(t *testing.T) (db *sql.DB, bot *teamsapp.Bot, teams *teamstest.Server, dana, mallory *teamstest.Person) {
	t.Helper()
	const app, secret = "0b51d7a0-5a4e-4b7b-9d6c-7e1f2a3b4c5d", "of the test"
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "bot.db")+"?_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, sqlstore.Migrate(t.Context(), db, sqlstore.SQLite, nil))
	store, err := sqlstore.New(db, sqlstore.SQLite, nil)
	require.NoError(t, err)
	teams, err = teamstest.Start(app, secret, nil)
	require.NoError(t, err)
	t.Cleanup(teams.Close)
	bot, err = teamsapp.New(teamsapp.App{ID: app, TenantID: teams.AppTenant(), Credential: teamsapp.ClientSecret(secret)}, newRing(t), store,
		func(context.Context, string) (mspkit.TenantID, error) { return "contoso", nil }, &teamsapp.Options{Cloud: teams.Cloud()})
	require.NoError(t, err)
	bot.Command("secret", func(context.Context, teamsapp.Turn) (teamsapp.Reply, error) {
		return teamsapp.Reply{Text: "what the bot replied"}, nil
	})
	bot.Handle("press", func(_ context.Context, t teamsapp.Turn) (teamsapp.Reply, error) {
		return teamsapp.Reply{Text: "what the button replied to " + t.User.ObjectID}, nil
	})
	front := httptest.NewServer(bot)
	t.Cleanup(front.Close)
	teams.Connect(front.URL)
	dana, mallory = teams.AddPerson(entraTenant, danaID, "Dana Whitfield", "pt-BR"), teams.AddPerson(entraTenant, malloryID, "Mallory", "en")
	require.NoError(t, dana.Install(t.Context()))
	require.NoError(t, mallory.Install(t.Context()))
	return db, bot, teams, dana, mallory
}

// Whoever can write to the database puts Mallory's chat in the place of Dana's. What is for Dana must not get there.
func TestTheTablesOfTheBotCannotRedirectACard(t *testing.T) {
	t.Parallel()
	db, bot, teams, dana, mallory := teamsOnSQLite(t)
	ctx := t.Context()
	forDana := teamsapp.Notification{
		To: teamsapp.User{TenantID: entraTenant, ObjectID: danaID}, Message: teamsapp.Message{Text: "for Dana only"},
	}
	_, err := bot.Notify(ctx, forDana)
	require.NoError(t, err)
	require.Len(t, teams.Messages(dana), 1)

	changed, err := db.ExecContext(ctx, `UPDATE mspkit_teamsapp_references SET sealed =
		(SELECT sealed FROM mspkit_teamsapp_references WHERE user_id = ?) WHERE user_id = ?`, malloryID, danaID)
	require.NoError(t, err)
	n, err := changed.RowsAffected()
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	_, err = bot.Notify(ctx, forDana)
	require.NoError(t, err, "how Dana is reached is learned again")
	require.Len(t, teams.Messages(dana), 2)
	require.Empty(t, teams.Messages(mallory))
}

func TestTheTablesOfTheBotTellNothingInClear(t *testing.T) {
	t.Parallel()
	db, bot, teams, dana, _ := teamsOnSQLite(t)
	ctx := t.Context()
	_, err := dana.Say(ctx, "secret words")
	require.NoError(t, err)
	pressed(t, bot, teams, dana, danaID)

	var tables strings.Builder
	for _, table := range []string{"references", "claims"} {
		text := dumpTable(t, db, "mspkit_teamsapp_"+table)
		require.NotEmpty(t, text, "%s is empty, so that nothing is shown", table)
		tables.WriteString(text)
	}
	dump := tables.String()
	require.Contains(t, dump, danaID, "the dump shows what is there")
	for what, secret := range map[string]string{
		"conversation": dana.Conversation(), "service URL": dana.ServiceURL(), "locale": "pt-BR", "name": "Whitfield", "member": "29:",
		"what was written": "secret words", "what was replied": "replied", "verb": "press", "card": "text of the card",
	} {
		require.NotContains(t, dump, secret, what)
	}
}

// pressed sends a card to p and has p press its button.
func pressed(t *testing.T, bot *teamsapp.Bot, teams *teamstest.Server, p *teamstest.Person, objectID string) {
	t.Helper()
	_, err := bot.Notify(t.Context(), teamsapp.Notification{
		To: teamsapp.User{TenantID: entraTenant, ObjectID: objectID},
		Message: teamsapp.Message{Card: &teamsapp.Card{
			Summary: "A card", Body: []teamsapp.Element{teamsapp.Text{Text: "text of the card"}}, Actions: []teamsapp.Action{teamsapp.Press{Title: "Press", Verb: "press"}},
		}},
	})
	require.NoError(t, err)
	messages := teams.Messages(p)
	r, err := p.Press(t.Context(), messages[len(messages)-1], "Press", nil)
	require.NoError(t, err)
	require.Equal(t, "what the button replied to "+objectID, r.Text)
}

// What was replied to Mallory is put in the place of what was replied to Dana, whose press is delivered again.
func TestTheTablesOfTheBotCannotMixUpReplies(t *testing.T) {
	t.Parallel()
	db, bot, teams, dana, mallory := teamsOnSQLite(t)
	pressed(t, bot, teams, dana, danaID)
	again, err := dana.Repeat(t.Context())
	require.NoError(t, err)
	require.Equal(t, "what the button replied to "+danaID, again.Text)
	var before int64
	require.NoError(t, db.QueryRowContext(t.Context(), `SELECT max(rowid) FROM mspkit_teamsapp_claims`).Scan(&before))
	pressed(t, bot, teams, mallory, malloryID)
	changed, err := db.ExecContext(t.Context(), `UPDATE mspkit_teamsapp_claims SET reply =
		(SELECT reply FROM mspkit_teamsapp_claims WHERE rowid > ? LIMIT 1) WHERE rowid <= ?`, before, before)
	require.NoError(t, err)
	n, err := changed.RowsAffected()
	require.NoError(t, err)
	require.Positive(t, n)
	again, err = dana.Repeat(t.Context())
	require.NoError(t, err)
	require.Equal(t, "Done.", again.Text, "not what somebody else was told")
}
