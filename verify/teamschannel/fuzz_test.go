package teamschannel_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/teamschannel"
)

// FuzzCardData gives the handlers what a client may send. ID stands for the id of a challenge of the presser's own,
// THEIRS for one of a colleague. Nothing may panic or fail, and nothing may count against the colleague.
func FuzzCardData(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"id":"ID","answer":"123"}`, `{"id":"THEIRS","answer":"123"}`, `{"id":"THEIRS"}`, `{"id":7,"answer":{}}`,
		`{"id":"ID\u0000","answer":"123"}`, `{"id":["ID"],"answer":"123"}`, `{"id":"ID","answer":null}`, `{"id":"../ID","tenant":"contoso"}`,
		`{"id":"ID","answer":"\u0661\u0662\u0663"}`, `{"ID":"ID","answer":true}`, `null`,
	} {
		f.Add(s, false, "de")
		f.Add(s, true, "en")
	}
	f.Fuzz(func(t *testing.T, data string, deny bool, locale string) {
		bot := newFake()
		ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
		require.NoError(t, err)
		svc, err := verify.New(memstore.New(), ring, base, verify.Same(verify.Settings{
			Brand: mspkit.Brand{Name: "Northwind IT"}, Limits: verify.Limits{Cooldown: -1},
		}), &verify.Options{Channels: map[string]verify.Channel{"teams": channel(t, bot)}})
		require.NoError(t, err)
		require.NoError(t, teamschannel.Register(bot, svc, nil))
		own, err := svc.Start(t.Context(), request(verify.MethodNumber))
		require.NoError(t, err)
		q := request(verify.MethodNumber)
		q.Subject.ID, q.Subject.Destinations[0].Address = "eve", contosoTID+"/"+eveOID
		theirs, err := svc.Start(t.Context(), q)
		require.NoError(t, err)

		var m map[string]any
		if json.Unmarshal([]byte(data), &m) != nil {
			t.Skip()
		}
		for k, v := range m {
			if s, ok := v.(string); ok {
				m[k] = replaceIDs(s, own.Ref.ID, theirs.Ref.ID)
			}
		}
		user, err := teamsapp.NewUser(contosoTID, danaOID)
		require.NoError(t, err)
		name := "verify.answer"
		if deny {
			name = "verify.not-me"
		}
		reply, err := bot.handlers[name](t.Context(), teamsapp.Turn{Tenant: "contoso", User: user, Locale: locale, Verb: name, Data: m})
		require.NoError(t, err)
		require.True(t, reply.Card != nil || reply.Text != "")
		if reply.Card != nil {
			require.NoError(t, reply.Card.Validate())
		}
		c, err := svc.Get(t.Context(), theirs.Ref, "jane")
		require.NoError(t, err)
		require.Equal(t, verify.StatePending, c.State)
		require.Equal(t, 2, c.TriesLeft)
		sub, err := svc.Subject(t.Context(), "contoso", "eve")
		require.NoError(t, err)
		require.Zero(t, sub)
		if id, _ := m["id"].(string); id != own.Ref.ID {
			c, err = svc.Get(t.Context(), own.Ref, "jane")
			require.NoError(t, err)
			require.Equal(t, verify.StatePending, c.State)
			require.Equal(t, 2, c.TriesLeft)
		}
	})
}

func replaceIDs(s, own, theirs string) string {
	switch s {
	case "ID":
		return own
	case "THEIRS":
		return theirs
	}
	return s
}
