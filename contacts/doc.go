// Package contacts is the vocabulary for the people whom a helpdesk serves: one [Contact] with its addresses
// and how long each of them has been known.
//
// # Security
//
// An address counts as fresh until it has been known for a while: somebody who talks a technician into
// changing a phone number must not be verified with it a minute later. [Address.FirstSeen] carries that age;
// the zero time means unknown, and unknown counts as new.
//
// # Concurrency
//
// The types are plain values.
//
// # Errors
//
// Nothing in this package returns an error.
package contacts
