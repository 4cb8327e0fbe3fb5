// Package outbox makes notes arrive: it accepts them at once and writes them into the ticket system when that answers, in
// the order of each ticket, and tells where one could not be written.
//
//	box, err := outbox.New(system, store, ring, &outbox.Options{Recorder: audit})
//	go box.Run(ctx)
//	id, err := box.AddNote(ctx, ref, psa.Note{Title: "Caller verified", Text: "…", Key: event.ID})
//
// An [Outbox] is a [psa.TicketNoter] itself, so it stands wherever one is asked for. What AddNote returns is the id in the
// outbox; the ids in the ticket system come with the event [EventDelivered].
//
// # Flow
//
// AddNote stores one row and wakes the stream of the ticket in the queue; AddNoteTx stores it in a transaction of the
// caller. A worker takes the stream for a while (the lease), marks the note as tried, writes it, and stores the outcome. What
// nobody woke is found by a poll. After that:
//
//	written                 the next part or note of the ticket; the text is destroyed, the ids stay for Options.Retention
//	not written, for now    again after a backoff, or after the time that the system asks for; notes behind it wait
//	refused for good        a dead letter with the reason; the next note of the ticket goes on
//	unclear                 after Options.Settle the ticket is looked at: found is written, otherwise it is written again
//	tried for MaxAge        a dead letter, not before a look where it was unclear
//
// A dead letter waits until somebody replays or drops it: [Outbox.List], [Outbox.Text], [Outbox.Replay], [Outbox.Drop].
//
// # Guarantees and their limits
//
// An accepted note is written at least once or becomes a dead letter; none is dropped in silence, cut or overtaken by a
// later one of its ticket, except that a dead letter no longer holds up those behind it and is replayed at the end.
//
// It is written once where its ticket system can be asked ([psa.NoteReader]): the text ends with a line such as
// "[ref k3v9-x2m7-q8dt-w4hj]", 80 bits of a keyed hash that say nothing to a reader. A note in the ticket counts as this one
// if it ends with that line, has the same visibility, and the system says that we wrote it: a customer who copies the line
// does not keep a note from being written. The limits of this:
//
//   - A request that the ticket system carries out later than Options.Settle after we gave it up comes twice. Once a try
//     was unclear every later one looks first, so it comes twice only if it was still not there at the last look.
//   - A system whose listing lags behind its writes needs a longer Settle for the same reason.
//   - If somebody edits the end of our note, deletes it, or the system cuts it, the look does not find it.
//   - A client that does not obey its context may write after the lease has ended.
//   - Clocks of instances that differ by more than Options.Skew let two work on one ticket after a crash; the one that is
//     ahead may also look before Settle is over, and notes that it accepts wait until the others' clocks are there too.
//   - The look asks for notes since the first try. A ticket system whose clock is behind by more than the overlap of its
//     client hides the note from it.
//   - A ticket that is named in two ways (another case, with and without its system) has two streams, without an order
//     between them. Name it in one way.
//   - Where the system cannot be asked, Options.Unclear chooses between twice and a dead letter.
//
// A note that is longer than the [psa.NoteLimiter] allows becomes several, each with a marker of its own. The limit, the
// cuts and the markers are settled when the note is accepted and stay the same whatever changes between tries.
//
// A repeat of AddNote is recognised by Note.Key within the tenant, as long as the note waits and for Options.Retention
// after. The key must be unique for the note: the same key on another ticket is taken for the same note.
//
// # Security
//
// Title, text, key and markers are sealed under the key ring and bound to tenant, id and ticket; the store sees ids, times,
// counters and reasons. Errors, logs and events hold no text: of an error that is no [*psa.Error] only its sentinel or type
// is told, because a client may put the note into it. [Outbox.Text] opens a note for an administrator. A key of a note is
// stored as a keyed hash. To rotate keys see [Outbox.Rewrap].
//
// Reasons and the ids of written notes come from the ticket system and its client. They are kept as one line of printable
// text, at most some hundred bytes, and are to be escaped like any other text. What else is given to a page is the host's:
// a ticket that a user typed may name a system that a noter behind the outbox reserves, such as those of psa/ticketlog, so
// compare it with the names of the systems that there are.
//
// # Fairness
//
// Tenants take turns in the queue of this package, and a tenant's ticket system that is down is left alone by the breaker,
// so neither a flood nor an outage of one tenant stops the others. Workers are shared: a ticket system that hangs holds one
// for twice TryTimeout each time that it is probed, and its first Breaker.Failures tries may hold all. With many tenants
// whose ticket systems differ, raise Workers. A note that the ticket system answers with an outcome that is not known each
// time holds up its own ticket until MaxAge.
//
// # Concurrency
//
// An Outbox is safe for concurrent use, and any number of instances may share a store and a queue. [Outbox.Run] ends after
// the work in hand. The breaker is per process.
//
// # Errors
//
//	errors.Is              returned by           meaning
//	mspkit.ErrInvalid      all                   the reference, the note, who decided or an option cannot be used
//	psa.ErrTooLong         AddNote               the text is beyond MaxText, or the system's limit is too small to split for
//	psa.ErrUnsupported     AddNoteTx             the store is no TxStore
//	ErrNotFound            Get, Text, Replay …   there is no such note of that tenant
//	ErrState               Text, Replay, Drop    the note is not in the state that this needs, or is being tried
//	ErrRunning             Run                   it runs already
//	mspkit.ErrUnknownKey   Text, Rewrap          the ring no longer holds the note's key
//
// An error of AddNote that is none of these is the store's: the note may be stored; call again with the same Key.
package outbox
