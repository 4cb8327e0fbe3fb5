package riverqueue_test

import (
	"context"
	"database/sql"
	"log"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa/riverqueue"
)

// driver is what the host chose: riverpgxv5.New(pool) or riverdatabasesql.New(db).
var driver riverdriver.Driver[*sql.Tx]

func Example() {
	ctx := context.Background()
	q, err := riverqueue.New(&riverqueue.Options{Queue: "mspkit"})
	if err != nil {
		log.Fatal(err)
	}
	// The owner of the work, outbox.New for example, calls Handle.
	err = q.Handle("psa-notes", func(context.Context, mspkit.Stream) (time.Time, error) { return time.Time{}, nil })
	if err != nil {
		log.Fatal(err)
	}

	workers := river.NewWorkers() // the host's, perhaps with workers of its own
	if err = q.AddTo(workers); err != nil {
		log.Fatal(err)
	}
	client, err := river.NewClient(driver, &river.Config{
		Workers: workers,
		Queues:  map[string]river.QueueConfig{"mspkit": {MaxWorkers: 10}},
		// No shorter than Options.Timeout of the queue.
		RescueStuckJobsAfter: 10 * time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	if err = q.Use(client); err != nil {
		log.Fatal(err)
	}
	if err = client.Start(ctx); err != nil {
		log.Fatal(err)
	}
	// …
	if err = client.Stop(ctx); err != nil {
		log.Fatal(err)
	}
}
