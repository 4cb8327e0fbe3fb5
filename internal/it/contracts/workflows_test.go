package contracts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/workflows"
	"github.com/mspkit/mspkit/teamsapp/workflows/workflowstest"
)

// TestCardsInChannelsKeepMicrosoftsSchema looks at what a flow gets on the wire.
func TestCardsInChannelsKeepMicrosoftsSchema(t *testing.T) {
	t.Parallel()
	schema := cardSchema(t)
	ctx := t.Context()
	srv, err := workflowstest.NewServer()
	require.NoError(t, err)
	defer srv.Close()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	s, err := workflows.New(workflows.NewMemory(), ring, &workflows.Options{InsecureLoopback: true, Rate: -1, Per5Minutes: -1})
	require.NoError(t, err)

	for _, locale := range []string{"en", "de-AT"} {
		c, err := s.Connect(ctx, workflows.Connection{
			Tenant: "contoso", Name: locale, URL: mspkit.Redact(srv.URL("helpdesk " + locale)), Events: workflows.Events(), Locale: locale,
		})
		require.NoError(t, err)
		_, err = s.Test(ctx, "contoso", c.ID)
		require.NoError(t, err)
		for i, text := range []string{"Hello, World", "a\n\nb {{DATE(x)}}", strings.Repeat("long ", 1500)} {
			_, err := s.Post(ctx, "contoso", c.ID, workflows.Post{ID: strconv.Itoa(i), Text: text})
			require.NoError(t, err)
		}
		for name, card := range cards() {
			if name == "a verification request" || name == "a code" || name == "who is this" {
				continue // they ask, which nothing in a channel can
			}
			_, err := s.Post(ctx, "contoso", c.ID, workflows.Post{Card: card})
			require.NoError(t, err, name)
		}
		_, err = s.Post(ctx, "contoso", c.ID, workflows.Post{Card: cards()["a code"]})
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	}
	for _, e := range workflows.Events() {
		for i, text := range []string{"", "My printer is on fire.", strings.Repeat("{{a\n", 9000)} {
			n, err := s.Notify(ctx, "contoso", workflows.Incoming{
				Event: e, ID: fmt.Sprint(e, i), From: "Dana **Smith**", Text: text, Ticket: mspkit.Ticket{System: "halopsa", ID: "4711"},
				URL: "https://contoso.example/chat?a=1&b=2", At: time.Now(),
			})
			require.NoError(t, err)
			require.Equal(t, 2, n)
		}
	}
	require.NoError(t, s.RunOnce(ctx))

	runs := srv.Runs()
	require.Len(t, runs, 2*(1+3+len(cards())-3+3*3))
	for _, run := range runs {
		require.Empty(t, run.Error)
		require.LessOrEqual(t, len(run.Body), workflows.DefaultMaxBody)
		var body struct {
			Type, Text  string
			Attachments []struct {
				ContentType string
				Content     json.RawMessage
			}
		}
		d := json.NewDecoder(bytes.NewReader(run.Body))
		require.NoError(t, d.Decode(&body))
		require.Equal(t, "message", body.Type)
		require.NotEmpty(t, body.Text)
		require.Len(t, body.Attachments, 1)
		require.Equal(t, teamsapp.CardType, body.Attachments[0].ContentType)
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body.Attachments[0].Content))
		require.NoError(t, err)
		require.NoError(t, schema.Validate(doc), string(run.Body))
		m, ok := doc.(map[string]any)
		require.True(t, ok)
		require.Equal(t, "1.4", m["version"])
	}
}
