package jobs_test

import (
	"context"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/jobs"
)

func Example() {
	ctx, stop := context.WithCancel(context.Background())
	loop, err := jobs.New(&jobs.Options{Workers: 2})
	if err != nil {
		panic(err)
	}
	err = loop.Handle("psa-notes", func(_ context.Context, s mspkit.Stream) (time.Time, error) {
		fmt.Println("write the notes of", s.Key)
		stop()
		return time.Time{}, nil // nothing is left
	})
	if err != nil {
		panic(err)
	}
	if err = loop.Wake(ctx, mspkit.Stream{Kind: "psa-notes", Tenant: "contoso", Key: "halopsa/4711"}, time.Time{}); err != nil {
		panic(err)
	}
	if err = loop.Run(ctx); err != nil {
		panic(err)
	}
	// Output: write the notes of halopsa/4711
}
