package verify

import "github.com/mspkit/mspkit"

// Link is the place of an event in the chain of its tenant. The zero value is none.
type Link struct {
	// N counts the events of the tenant from 1, without a gap.
	N int64
	// Value is made by the service of the event and the link before it, up to 256 bytes. Stores keep it as it is.
	Value []byte
}

// Tail is what is to be added to the chain of one tenant.
type Tail struct {
	Tenant mspkit.TenantID
	// Head is the last link of the chain; zero where there is none.
	Head Link
	// Events are in the order in which they were stored.
	Events []Event
}

// Evidence is a part of the chain of one tenant.
type Evidence struct {
	// Base is the link of the last event that was deleted, zero where none was; Head is the last link.
	Base, Head Link
	// Events follow each other in the order of their links.
	Events []Event
}
