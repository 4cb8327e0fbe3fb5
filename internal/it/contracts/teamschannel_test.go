package contracts

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/teamschannel"
)

// keeper is a bot that keeps every card.
type keeper struct {
	mu       sync.Mutex
	cards    []*teamsapp.Card
	handlers map[string]teamsapp.Handler
}

func (k *keeper) Tenant(context.Context, teamsapp.User) (mspkit.TenantID, error) {
	return "contoso", nil
}

func (k *keeper) Notify(_ context.Context, n teamsapp.Notification) (teamsapp.Receipt, error) {
	k.keep(n.Card)
	return teamsapp.Receipt{Message: teamsapp.MessageRef{User: n.To, Conversation: "a:1", Activity: "1"}}, nil
}

func (k *keeper) Update(_ context.Context, _ teamsapp.MessageRef, m teamsapp.Message) error {
	k.keep(m.Card)
	return nil
}

func (k *keeper) keep(c *teamsapp.Card) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cards = append(k.cards, c)
}

func (k *keeper) Handle(verb string, h teamsapp.Handler)  { k.handlers[verb] = h }
func (k *keeper) Command(word string, h teamsapp.Handler) { k.handlers["/"+word] = h }

// noService is one that nobody asks.
type noService struct{ teamschannel.Service }

// TestCardsOfTheTeamsChannelKeepToTheSchema draws every card that verification sends or paints.
func TestCardsOfTheTeamsChannelKeepToTheSchema(t *testing.T) {
	t.Parallel()
	schema := cardSchema(t)
	now := time.Date(2026, 11, 22, 14, 5, 0, 0, time.UTC)
	for _, locale := range []string{"en", "de"} {
		for _, d := range []verify.Delivery{
			{Kind: verify.KindCaller, Method: verify.MethodNumber},
			{Kind: verify.KindCaller, Method: verify.MethodCode, Code: mspkit.Redact("804215")},
			{Kind: verify.KindTechnician, Method: verify.MethodWord, InCall: true, CallBegan: now, CallBy: verify.SideContact},
			{Kind: verify.KindTechnician, Method: verify.MethodWord},
		} {
			k := &keeper{handlers: map[string]teamsapp.Handler{}}
			o := &teamschannel.Options{Help: true, Now: func() time.Time { return now }}
			ch, err := teamschannel.New(k, o)
			require.NoError(t, err)
			require.NoError(t, teamschannel.Register(k, noService{}, o))
			d.Ref, d.To = verify.Ref{Tenant: "contoso", ID: "c1"}, "0c1d2e3f-1111-4222-8333-444455556666/aaaaaaaa-1111-4222-8333-444455556666"
			d.Brand, d.Locale = mspkit.Brand{Name: "Northwind IT", Phone: "+1 202 555 0100"}, locale
			d.Name, d.Company, d.Technician, d.Purpose = "Dana Ruiz", "Contoso", "Jane Doe", "reset your password"
			d.Ticket, d.TTL = mspkit.Ticket{System: "psa", ID: "4711"}, 5*time.Minute
			r, err := ch.Deliver(t.Context(), d)
			require.NoError(t, err)
			d.Replaces = r
			_, err = ch.Deliver(t.Context(), d)
			require.NoError(t, err)
			v := verify.View{
				Ref: d.Ref, Kind: d.Kind, Method: d.Method, Brand: d.Brand, Locale: locale, Name: d.Name, Company: d.Company, Technician: d.Technician,
				Purpose: d.Purpose, Ticket: d.Ticket, CreatedAt: now, ExpiresAt: now, InCall: d.InCall, CallBegan: d.CallBegan, CallBy: d.CallBy,
			}
			for _, v.State = range []verify.State{
				verify.StatePending, verify.StateConfirmed, verify.StateDenied, verify.StateFailed, verify.StateExpired,
				verify.StateCancelled, verify.StateFrozen, verify.StateLocked,
			} {
				for v.TriesLeft = range 3 {
					v.Hinted = v.TriesLeft == 1
					require.NoError(t, ch.Settle(t.Context(), r, v))
				}
			}
			help, err := k.handlers["/"](t.Context(), teamsapp.Turn{Locale: locale})
			require.NoError(t, err)
			k.keep(help.Card)
			for _, kind := range []verify.NoticeKind{
				verify.NoticeLink, verify.NoticeEnrolled, verify.NoticeRemoved, verify.NoticeRecoveryRenewed, verify.NoticeRecoveryUsed,
			} {
				require.NoError(t, ch.Notice(t.Context(), verify.Notice{
					Tenant: "contoso", Kind: kind, To: d.To, Brand: d.Brand, Locale: locale, Name: d.Name, Technician: d.Technician,
					Ticket: d.Ticket, At: now, Purpose: d.Purpose, Link: mspkit.Redact("https://help.example/verify/totp/e/x"), TTL: d.TTL,
				}))
			}
			require.GreaterOrEqual(t, len(k.cards), 25)
			for _, c := range k.cards {
				raw, err := c.JSON()
				require.NoError(t, err)
				doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
				require.NoError(t, err)
				require.NoError(t, schema.Validate(doc), fmt.Sprint(d.Kind, " ", d.Method, " ", c.Summary))
			}
		}
	}
}
