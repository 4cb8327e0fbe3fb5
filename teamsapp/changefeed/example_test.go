package changefeed_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

// A host follows all chats of a client and shows what is said on its own desk.
func Example() {
	follow := func(ctx context.Context, mux *http.ServeMux, ring *mspkit.KeyRing, store changefeed.Store, credentials azurecred.TenantCredentials) error {
		feed, err := changefeed.New(
			changefeed.App{IDs: []string{"0a0a0a0a-1111-4222-8333-444455556666"}, URL: "https://msp.example/graph"},
			ring, store, credentials,
			changefeed.SinkFunc(func(_ context.Context, e changefeed.Event) error {
				if e.Message == nil {
					return nil // it is not there any more
				}
				fmt.Println(e.ID, e.Change, e.Message.From.ObjectID, e.Message.Text) // what is known by its ID is not shown again
				return nil
			}), nil)
		if err != nil {
			return err
		}
		mux.Handle("/graph", feed)
		go func() { _ = feed.Run(ctx) }()
		return feed.Follow(ctx, "contoso", "c0c0c0c0-0000-4000-8000-00000000000c", changefeed.AllChats())
	}
	_ = follow
	fmt.Println(changefeed.AllChats(), changefeed.AllChats().Requirements().Permissions)
	// Output: /chats/getAllMessages [Chat.Read.All]
}

// What was accepted and could not be handled waits for somebody.
func ExampleFeed_DeadLetters() {
	look := func(ctx context.Context, feed *changefeed.Feed) error {
		list, err := feed.DeadLetters(ctx, "contoso", 0, 50)
		if err != nil {
			return err
		}
		for _, d := range list {
			fmt.Println(d.AcceptedAt.Format(time.DateTime), d.Fault)
			if err := feed.Replay(ctx, d.Tenant, d.ID); errors.Is(err, changefeed.ErrNotFound) {
				continue // somebody else has
			} else if err != nil {
				return err
			}
		}
		return nil
	}
	_ = look
	// Output:
}
