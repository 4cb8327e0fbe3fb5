package teamsapp_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

// FuzzActivity: whatever an emulator sends, the bot does not panic, and only its surroundings make it answer 500.
func FuzzActivity(f *testing.F) {
	r := newRig(f, func(o *teamsapp.Options) {
		o.InsecureLoopback, o.Logger, o.Now = true, slog.New(slog.DiscardHandler), time.Now
	})
	r.tenants = func(ctx context.Context, entra string) (mspkit.TenantID, error) {
		if entra == contoso || entra == fabrikam {
			return tenants(ctx, entra)
		}
		return "", teamsapp.ErrUnknownTenant
	}
	r.noToken = errors.New("a fuzzer does not write to the ports of this machine")
	r.Bot = r.another(f, r.store)
	h := func(_ context.Context, t teamsapp.Turn) (teamsapp.Reply, error) {
		if t.Tenant != "contoso" && t.Tenant != "fabrikam" {
			panic("a turn without a tenant")
		}
		if _, err := teamsapp.NewUser(t.User.TenantID, t.User.ObjectID); err != nil || t.ID == "" {
			panic("a turn of nobody")
		}
		if _, err := teamsapp.ParseMessageRef(t.Message.String()); err != nil && t.Message.Activity != "" {
			panic("a message that cannot be named again")
		}
		return teamsapp.Reply{}, nil
	}
	r.Handle("approve", h)
	r.Command("", h)
	odd := r.execute("1", "approve", map[string]any{"x": nil, "y": 1e300, "z": "\u2028"})
	odd["membersAdded"] = []any{nil, map[string]any{"id": "28:" + botID}}
	for _, a := range []activity{
		r.execute("1", "approve", map[string]any{"number": "042"}), r.submit("2", "approve", nil), r.says("3", "<at>Bot</at> help &amp; <b>"),
		r.installation("add"), r.members("membersRemoved"), r.base("typing", ""), odd,
	} {
		raw, err := json.Marshal(a)
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Add([]byte(`{"type":"message","conversation":null,"value":{"mspkitVerb":null}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		w := fromHere(t, r, raw, nil)
		if w.Code >= http.StatusInternalServerError && w.Code != http.StatusNotImplemented {
			t.Fatalf("status %d", w.Code)
		}
		if w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("the answer is no JSON")
		}
	})
}

// FuzzTokenHeader: no header that this test did not sign is let in, and none leads to an answer but 401.
func FuzzTokenHeader(f *testing.F) {
	r := newRig(f, func(o *teamsapp.Options) { o.Logger = slog.New(slog.DiscardHandler) })
	good := "Bearer " + sign(f, "one", keyOne(), r.claims())
	body, err := json.Marshal(r.base("typing", "1"))
	require.NoError(f, err)
	require.Equal(f, 200, post(r, good, body).Code)
	parts := strings.Split(good, ".")
	for _, s := range []string{
		good[:len(good)-1], good + "=", parts[0] + "." + parts[1] + ".", parts[0] + ".." + parts[2], "Bearer ..", "bearer\t" + good[7:],
		"Bearer {}", "Bearer " + `{"payload":"","protected":"","signature":""}`, strings.Replace(good, ".", ". ", 1), "Basic x", "Bearer",
		"Bearer " + sign(f, "one", keyTwo(), r.claims()), "Bearer " + sign(f, "", keyOne(), r.claims()),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		scheme, token, _ := strings.Cut(header, " ")
		if strings.EqualFold(scheme, "Bearer") && token == good[len("Bearer "):] {
			t.Skip("the good one")
		}
		if w := post(r, header, body); w.Code != http.StatusUnauthorized {
			t.Fatalf("status %d", w.Code)
		}
	})
}

// FuzzCardData: what comes through is flat, small and can be written again as it is.
func FuzzCardData(f *testing.F) {
	for _, s := range []string{
		`{}`, `null`, ``, `{"a":"x","b":1,"c":true,"d":null}`, `{"a":[1]}`, `{"a":{"b":{}}}`, `[1]`, `"x"`, `{"a":1e999}`, `{"a":-0}`,
		`{"a":1,"a":"2"}`, `{"":1}`, `{"msteams":{"type":"messageBack"},"mspkitVerb":"x"}`, `{"a":"\ud800"}`, "{\"a\" : \t\"x\"}", strings.Repeat(`{"a":`, 1000),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		data, err := teamsapp.ParseData(raw)
		if err != nil {
			return
		}
		if data == nil || len(data) > 64 {
			t.Fatalf("%d members", len(data))
		}
		for name, v := range data {
			switch v := v.(type) {
			case string, bool:
			case float64:
				if math.IsInf(v, 0) || math.IsNaN(v) {
					t.Fatalf("%q is no number of JSON", name)
				}
			default:
				t.Fatalf("%q is a %T", name, v)
			}
		}
		again, err := json.Marshal(data)
		require.NoError(t, err)
		back, err := teamsapp.ParseData(again)
		if err == nil { // escapes can make it longer than is taken
			require.Equal(t, data, back)
		}
	})
}
