package twilio_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify/smschannel/twilio"
	"github.com/mspkit/mspkit/verify/smschannel/twiliotest"
)

func ExampleClient_SendText() {
	srv, _ := twiliotest.New(account, "auth-token", nil) // leave out Server and BaseURL to reach Twilio
	base, _ := srv.Start()
	defer srv.Close()

	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client, err := twilio.New(account, twilio.AuthToken("auth-token"), twilio.Sender{From: "+15550001111"},
		&twilio.Options{BaseURL: base, HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := client.SendText(context.Background(), "+15551234567", "Your code is 123 456", "send-1")
	switch {
	case errors.Is(err, twilio.ErrOptedOut):
		fmt.Println("ask for another number")
	case errors.Is(err, twilio.ErrAmbiguous):
		fmt.Println("wait for the caller to say whether it came")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(len(id), srv.Messages()[0].Body)
	}
	// Output: 34 Your code is 123 456
}

func ExampleNewStatusHandler() {
	states := map[string]twilio.State{} // in a program: rows, changed by compare-and-set on the rank
	h, err := twilio.NewStatusHandler(account, "https://msp.example/hooks/twilio",
		[]mspkit.Redacted[string]{mspkit.Redact("auth-token")},
		func(_ context.Context, s twilio.Status) error {
			if s.Supersedes(states[s.MessageID]) {
				states[s.MessageID] = s.State
			}
			return nil
		}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	http.NewServeMux().Handle("POST /hooks/twilio", h)
	// Output:
}
