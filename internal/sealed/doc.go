// Package sealed is the one mechanism behind records that are kept as a whole: sealed JSON that is read, decided on and stored
// by compare-and-set.
//
//	cell := sealed.New[state](box, store.Get, store.Swap, errConflict)
//	err := cell.Change(ctx, now, func(s *state) (bool, error) { s.Tries++; return true, nil }, owner, user)
//
// What counts a try and compares what was typed in one change lets nobody learn anything from a try that was not counted.
//
// # Security
//
// A record opens only at its place. An error never repeats what is in a record.
//
// # Concurrency
//
// A [Cell] is immutable and safe for concurrent use. Of those who change a record at once one after the other goes through:
// each decides on what the one before has stored.
//
// # Errors
//
// Those of the store, internal/seal.ErrCorrupt and mspkit.ErrUnknownKey for a record that does not open, and the conflict of
// the store after [MaxConflicts] in a row.
package sealed
