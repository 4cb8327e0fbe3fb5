package changefeed_test

import (
	"context"
	"fmt"
	"time"

	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

// A page of the host's shows what is followed, and what an administrator has to do.
func ExampleFeed_Subscriptions() {
	show := func(ctx context.Context, feed *changefeed.Feed) error {
		list, err := feed.Subscriptions(ctx, "contoso")
		if err != nil {
			return err
		}
		for _, s := range list {
			fmt.Println(s.Resource, s.State, s.ExpiresAt.Format(time.DateTime), s.NotifiedAt.Format(time.DateTime), s.Fault)
		}
		return nil
	}
	_ = show
	// Output:
}

// What a resource needs is data, for a consent page or a check before following.
func ExampleResource_Requirements() {
	for _, r := range []changefeed.Resource{changefeed.AllChats(), changefeed.Users(), changefeed.PresenceOf("aaaaaaaa-0000-4000-8000-000000000001")} {
		need := r.Requirements()
		fmt.Println(r.Kind(), need.Permissions, need.Changes, need.MaxLifetime, need.Rich)
	}
	// Output:
	// chat-message [Chat.Read.All] [created updated deleted] 72h0m0s true
	// user [User.Read.All] [updated deleted] 696h0m0s false
	// presence [Presence.Read.All] [updated] 1h0m0s true
}

// A host without a worker of its own looks after subscriptions from a timer.
func ExampleFeed_KeepOnce() {
	tick := func(ctx context.Context, feed *changefeed.Feed) error {
		if err := feed.KeepOnce(ctx); err != nil {
			return err
		}
		return feed.HandleOnce(ctx)
	}
	_ = tick
	// Output:
}
