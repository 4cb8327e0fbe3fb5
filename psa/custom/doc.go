// Package custom makes a ticket system of a few functions, for a helpdesk that somebody has written for themselves.
//
// One function is enough; each further one adds what the rest of the module can do with the system:
//
//	desk, err := custom.New("helpdesk", custom.Funcs{
//		AddNote: func(ctx context.Context, ref psa.TicketRef, n psa.Note) (string, error) {
//			return db.AddNote(ctx, ref.Ticket.ID, n.Text, n.Visibility == psa.Public)
//		},
//	}, nil)
//
// The [System] checks what it is given, keeps to a rate, sets a deadline, waits where the functions say that they were
// throttled, and turns whatever they return into the errors of package psa. A function may return those itself: a sentinel
// such as psa.ErrNotFound, a *psa.Error with more in it, or what [Status] makes of an HTTP answer.
//
// # Security
//
// The text of a function's error is not printed, because it may repeat what was to be written; it is in psa.Error.Message.
// A public note is refused unless Options.PublicNotes says that AddNote obeys Note.Visibility. What FindByEmail and
// FindByPhone find is compared again, so that a pattern finds nobody else.
//
// # Concurrency
//
// A [System] is safe for concurrent use, and calls its functions from several goroutines at once.
//
// # Errors
//
//	errors.Is               meaning
//	psa.ErrUnsupported      there is no function for this; the error says which one to give
//	psa.ErrAmbiguousWrite   a function that writes failed, panicked or took too long, and did not say that nothing was written
//	psa.ErrUnavailable      the same of a function that reads
//	psa.ErrRateLimited      the rate of Options does not allow the call in time, or the function said so
//	psa.ErrTooLong          the note is longer than Options.NoteLimit
//	mspkit.ErrInvalid       New: what is wrong with functions and options; otherwise: what no ticket system takes
package custom
