package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
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

func TestItIsShort(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("main.go")
	require.NoError(t, err)
	require.Less(t, strings.Count(string(source), "\n"), 150)
}
