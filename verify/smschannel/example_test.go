package smschannel_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/smschannel"
	"github.com/mspkit/mspkit/verify/smschannel/twilio"
)

// printer stands in for a vendor.
type printer struct{}

func (printer) SendText(_ context.Context, to, body, _ string) (string, error) {
	fmt.Println(len(to), body[:len("Contoso IT: Jane Doe asks to reset your password (ticket 4711)")])
	return "SM1", nil
}

func ExampleNew() {
	sms, err := smschannel.New(printer{}, &smschannel.Options{Region: "US", Countries: []string{"US", "CA"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("2026-11"))
	if err != nil {
		fmt.Println(err)
		return
	}
	settings := verify.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}}
	svc, err := verify.New(memstore.New(), ring, "https://help.contoso.example/verify", verify.Same(settings), &verify.Options{
		Channels: map[string]verify.Channel{"sms": sms},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := svc.Start(context.Background(), verify.StartRequest{
		Tenant: "contoso",
		Subject: verify.Subject{ID: "dana", Name: "Dana", Destinations: []verify.Destination{
			{Channel: "sms", Address: "(202) 555-0123", FirstSeen: time.Now().AddDate(-1, 0, 0)},
		}},
		Action:     verify.ActionResetPassword,
		Technician: verify.Technician{ID: "jane", Name: "Jane Doe"},
		Ticket:     mspkit.Ticket{System: "halopsa", ID: "4711"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("sent to", c.To, "say the number:", len(c.Number.Reveal()), "digits")
	// Output:
	// 12 Contoso IT: Jane Doe asks to reset your password (ticket 4711)
	// sent to ••• 23 say the number: 3 digits
}

// Before a text message is sent, Twilio is asked what kind of line it goes to and when the SIM card was changed.
func ExampleChecks() {
	client, err := twilio.New("AC0123456789abcdef0123456789abcdef", twilio.AuthToken("secret"), twilio.Sender{From: "+12025550100"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = smschannel.New(client, &smschannel.Options{Region: "US", Checks: smschannel.Checks{
		Ask: func(ctx context.Context, number string) (smschannel.Facts, error) {
			f, err := client.Lookup(ctx, number, twilio.LineType, twilio.SIMSwap)
			return smschannel.Facts(f), err
		},
		Lines:       map[smschannel.Line]smschannel.Measure{smschannel.LineVoIP: smschannel.Refuse},
		OnSIMChange: smschannel.Refuse,
	}})
	fmt.Println(err)
	// Output: <nil>
}

// What Twilio reports is verified by its package, then told to the service.
func ExampleStatus() {
	mount := func(mux *http.ServeMux, svc *verify.Service, token mspkit.Redacted[string]) error {
		report := smschannel.Status(svc)
		h, err := twilio.NewStatusHandler("AC0123456789abcdef0123456789abcdef", "https://help.contoso.example/hooks/twilio",
			[]mspkit.Redacted[string]{token}, func(ctx context.Context, s twilio.Status) error {
				return report(ctx, s.Key, string(s.State), s.Reason())
			}, nil)
		if err != nil {
			return err
		}
		mux.Handle("/hooks/twilio", h)
		return nil
	}
	_ = mount
}
