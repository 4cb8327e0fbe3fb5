// Package memstore keeps challenges in memory, for tests, examples and programs of one process that may forget
// everything when they end.
//
//	svc, err := verify.New(memstore.New(), ring, baseURL, settings, &verify.Options{…})
//
// # Security
//
// Nothing is written anywhere. Codes are MACs and names are sealed here as in every store.
//
// # Concurrency
//
// One mutex guards everything; a [Store] is safe for concurrent use and may be shared by several services.
//
// # Errors
//
// The sentinels of package verify, as [verify.Store] says.
package memstore
