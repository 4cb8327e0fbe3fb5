// Package memstore keeps sends and their files in memory, for tests, examples and trials. What it holds is gone when the
// process ends, and one process alone can use it.
//
//	svc, err := securesend.New(memstore.New(), ring, "https://help.example/send", settings, &securesend.Options{
//		Blobs: map[string]securesend.BlobStore{securesend.RegionEurope: memstore.NewBlobs()},
//	})
//
// # Security
//
// The server half of a send that has ended is dropped; the garbage collector decides when the memory is written over.
//
// # Concurrency
//
// [Store] and [Blobs] are safe for concurrent use. A store is one lock: each verb is one atomic step.
//
// # Errors
//
// Those of [securesend.SecretStore] and [securesend.BlobStore].
package memstore
