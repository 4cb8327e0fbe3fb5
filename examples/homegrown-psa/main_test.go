package main

import (
	"bytes"
	"database/sql"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

func TestTheStory(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, story(t.Context(), &out))
	require.Equal(t, `A note is written to ticket 4711: id 2.
The answer might have got lost, so it is written again with its key: id 2.

Ticket 4712: psa: helpdesk: add note: the ticket is closed or merged. It will never succeed.
Ticket 9999: psa: helpdesk: add note: not found. It will never succeed.

Ticket 4711, open: Cannot sign in after the holidays
  1  public    dana@contoso.example  I have forgotten my password.
  2  internal  mspkit                Dana Whitfield is verified: number match in Teams.
`, out.String())
}

// Two tenants may choose the same key, and each has its own tickets.
func TestAKeyIsOfItsTicketOnly(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(t.Context(), schema+"; INSERT INTO tickets VALUES ('5120', 'New laptop', 'open')")
	require.NoError(t, err)
	desk, err := adapter(db)
	require.NoError(t, err)
	for tenant, ticket := range map[mspkit.TenantID]string{"contoso": "4711", "fabrikam": "5120"} {
		ref := psa.TicketRef{Tenant: tenant, Ticket: mspkit.Ticket{System: desk.Name(), ID: ticket}}
		_, err := desk.AddNote(t.Context(), ref, psa.Note{Text: "Verified.", Key: "e1"})
		require.NoError(t, err)
		list, err := desk.ListNotes(t.Context(), ref, time.Time{})
		require.NoError(t, err)
		require.Equal(t, "Verified.", list[len(list)-1].Text, "the note of %s is in its ticket", tenant)
	}
}

func TestItIsShort(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("main.go")
	require.NoError(t, err)
	require.Less(t, strings.Count(string(source), "\n"), 150)
}
