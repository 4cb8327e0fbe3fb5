package main

import (
	"context"
	"errors"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// story is what [play] plays: by chat nobody can be reached, so that the first goes by e-mail.
var story = []rate{{"chat", 0, 0}, {"email", 1, 1}, {"sms", 2, 3}}

// play begins four verifications; one nobody answers. A fifth is refused.
func play(ctx context.Context, meter mspkit.Meter) error {
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("2026-11"))
	if err != nil {
		return err
	}
	chat, now := &verifytest.Channel{Level: verify.AssuranceTeams}, time.Now()
	chat.Fail(&verify.DeliveryError{Reason: "the app is not installed for this person"})
	settings := verify.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}, Limits: verify.Limits{Cooldown: -1}}
	svc, err := verify.New(memstore.New(), ring, "https://help.example/verify", verify.Same(settings), &verify.Options{
		Meter: meter,
		Channels: map[string]verify.Channel{
			"chat": chat, "email": &verifytest.Channel{Level: verify.AssuranceEmail}, "sms": &verifytest.Channel{Level: verify.AssuranceSMS},
		},
		Now: func() time.Time { return now },
	})
	if err != nil {
		return err
	}
	known := now.AddDate(-1, 0, 0)
	r := verify.StartRequest{
		Tenant: "contoso", Action: verify.ActionIdentify, Technician: verify.Technician{ID: "jane", Name: "Jane Doe"},
		Subject: verify.Subject{ID: "dana", Name: "Dana", Destinations: []verify.Destination{
			{Channel: "chat", Address: "dana-in-chat", FirstSeen: known},
			{Channel: "email", Address: "dana@client.example", FirstSeen: known},
			{Channel: "sms", Address: "+12025550123", FirstSeen: known},
		}},
	}
	for _, step := range []struct {
		channel string
		answer  bool
	}{{"", true}, {"sms", true}, {"sms", true}, {"sms", false}} {
		r.Channel = step.channel
		c, err := svc.Start(ctx, r)
		if err != nil {
			return err
		}
		now = now.Add(20 * time.Second) // Jane says the number, Dana types it
		if !step.answer {
			continue
		}
		if _, err := svc.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()}); err != nil {
			return err
		}
	}
	r.Action = verify.ActionResetMFA // a text message is not enough for that
	if _, err := svc.Start(ctx, r); !errors.Is(err, verify.ErrPolicy) {
		return errors.New("the policy should have refused")
	}
	now = now.Add(10 * time.Minute)
	return svc.RunOnce(ctx)
}
