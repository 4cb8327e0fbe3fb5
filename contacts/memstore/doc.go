// Package memstore is a [contacts.Directory] in memory: for tests, for trying things out, and for a program that lists its
// few thousand contacts anew when it starts.
//
//	dir, err := memstore.New(&memstore.Options{Precedence: contacts.Precedence{Default: []string{"entra", "connectwise"}}})
//	at, err := dir.Checkpoint(ctx, "contoso", "entra")
//	applied, err := dir.Apply(ctx, contacts.Batch{At: at, Page: page, Now: now})
//	list, err := dir.Find(ctx, contacts.Search{Tenant: "contoso", Phone: "+12025550143"})
//
// It forgets everything when the process ends, and with it for how long addresses have been known: after a start all count
// as new. A search by name looks at everybody of the tenant.
//
// # Security
//
// Each tenant has its own maps. What is returned shares nothing with what is stored.
//
// # Concurrency
//
// A [Directory] is safe for concurrent use.
//
// # Errors
//
// Those of [contacts.Directory], and [mspkit.ErrInvalid] for what cannot be stored or asked.
package memstore
