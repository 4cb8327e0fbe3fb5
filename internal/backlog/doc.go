// Package backlog keeps work in rows until it is done: in order within a stream, at least once, on any number of instances.
// It is what packages share that accept something now and do it later, such as posts to a Workflow and notifications of
// Microsoft Graph.
//
//	worker, err := backlog.New(store, func(ctx context.Context, it backlog.Item) error { … }, &backlog.Options{Kind: "teams-posts"})
//	added, err := worker.Add(ctx, backlog.Item{Tenant: "contoso", Key: connection, ID: id, Sealed: box.Seal(body, "contoso", id)})
//	err = worker.Run(ctx)
//
// [Store] is the rows: [NewMemory] and, on the host's database, [NewSQL], whose table an owner makes with its own tables by
// what [Schema] returns. [Worker] drains streams: it takes the lease of a stream, hands its first item over, and stores what
// became of it. An item that fails is tried again, later each time, and holds up those behind it in its stream; one that
// cannot succeed ([Permanent]), or that was tried for too long, is dead, is listed, and waits for somebody to replay or drop
// it while the stream goes on.
//
// # Order
//
// Items of a stream are done in the order of Item.Seq. Where one Add returns before another begins, the first one's items
// come before the other's; of two at once either may be first. No instance is handed an item while an earlier one of its
// stream is pending, which [Store.Add] sees to by letting no later item be seen before an earlier one.
//
// # Security
//
// Item.Sealed is sealed by the owner before it gets here; Add refuses what does not look like a record of internal/seal.
// Everything else is kept in clear and must be ids. Whatever is asked for by an id is asked for with its tenant. Tenants take
// turns where the worker has a loop of its own. What a panic of a [Handle] was given is neither stored nor logged.
//
// # Concurrency
//
// Stores and workers are safe for concurrent use. An item is in one hand at a time as long as the clocks of the instances
// differ by less than Lease less Timeout of [Options]; a lease that ended while its item was in hand lets another instance do
// it again: that is what at least once means. Nothing runs before [Worker.Run], but for what SQL.Add needs until it returns.
//
// # Errors
//
//	errors.Is           returned by             meaning
//	ErrNone             Store.Next              nothing is due in the stream now
//	ErrHeld             Store.Next              another worker has the stream
//	ErrLost             Store.Finish            the lease ended and somebody else took the stream, or the item has moved on
//	ErrState            Store.Replay, Drop      the item is not in the state that this needs
//	ErrNotFound         Store.Get, Replay, Drop there is no such item
//	ErrRunning          Worker.Run              it runs already
//	mspkit.ErrInvalid   New, Store.Add, Next    an option, an item or the holder cannot be used
//	mspkit.ErrInvalid   Store.Finish, List      the outcome is none, or the state is unknown
package backlog
