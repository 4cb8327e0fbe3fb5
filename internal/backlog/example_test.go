package backlog_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
	"github.com/mspkit/mspkit/internal/seal"
)

func Example() {
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	if err != nil {
		panic(err)
	}
	box, err := seal.New(ring, "teams-posts")
	if err != nil {
		panic(err)
	}
	store := backlog.NewMemory()
	worker, err := backlog.New(store, func(_ context.Context, it backlog.Item) error {
		plain, err := box.Open(it.Sealed, string(it.Tenant), it.ID)
		if err != nil {
			return backlog.Permanent(errors.New("the post does not open"))
		}
		fmt.Printf("%s %s: %s\n", it.Key, it.ID, plain)
		return nil
	}, &backlog.Options{Kind: "teams-posts"})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	for _, id := range []string{"1", "2", "1"} {
		added, err := worker.Add(ctx, backlog.Item{Tenant: "contoso", Key: "channel", ID: id, Sealed: box.Seal([]byte("Hello"), "contoso", id)})
		if err != nil {
			panic(err)
		}
		fmt.Println("added", added)
	}
	if err := worker.RunOnce(ctx); err != nil { // a host that lives longer calls Run
		panic(err)
	}
	// Output:
	// added 1
	// added 1
	// added 0
	// channel 1: Hello
	// channel 2: Hello
}
