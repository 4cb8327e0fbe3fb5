package teamsapp

import (
	"context"
	"time"

	"github.com/mspkit/mspkit"
)

// Key names a conversation of one bot with one person.
type Key struct {
	// Bot is the bot's app id.
	Bot    string
	Tenant mspkit.TenantID
	User   User
}

// Record is a conversation reference as a store keeps it. What must be read again is sealed before it gets here, so a
// store needs no key.
type Record struct {
	Key
	// Sealed holds Teams' ids of the conversation and the person, and where its service is reached.
	Sealed []byte
	// Removed is set when the app was uninstalled.
	Removed   bool
	UpdatedAt time.Time
}

// Query selects the records of a bot that are not removed, in ascending order of tenant and user (bytewise).
type Query struct {
	Bot string
	// Tenant selects where it is not empty.
	Tenant mspkit.TenantID
	// After, where not zero, is the key of the last record of the page before.
	After Key
	// Limit is the most records to return; stores treat less than 1 or more than 1000 as 1000.
	Limit int
}

// Claim is the wish to handle a turn, so that of all its deliveries, on however many instances, one is handled.
type Claim struct {
	// Owner is random and names who claims.
	Owner string
	// Keys are 1 to 4 names of the turn, hashed.
	Keys []ClaimKey
	// LeaseUntil is until when the owner is believed to be at work.
	LeaseUntil time.Time
}

// ClaimKey is one name of a turn and how long it is remembered.
type ClaimKey struct {
	Key   string
	Until time.Time
}

// Claimed is the answer to a [Claim].
type Claimed struct {
	// Mine says that the asker is to handle the turn.
	Mine bool
	// Reply is what the one who handled it replied; nil while that one is at work.
	Reply []byte
}

// Store keeps conversation references and claims. Each method is one atomic step on however many instances; a store
// never asks a clock of its own. Implementations must be safe for concurrent use and pass teamstest.TestStore.
type Store interface {
	// Save stores r in place of what is stored under its key, unless that is newer by UpdatedAt.
	Save(ctx context.Context, r Record) error
	// Load returns a record, removed or not, or [ErrNotFound].
	Load(ctx context.Context, k Key) (Record, error)
	List(ctx context.Context, q Query) ([]Record, error)

	// Claim takes a turn. A key is remembered while its Until is after now. Where one of the keys is remembered, the
	// turn is not the asker's: Reply is what is stored with it, if anything, and nothing changes. But where no reply is
	// stored and the lease is over, or no key is remembered, all keys become the asker's.
	Claim(ctx context.Context, c Claim, now time.Time) (Claimed, error)
	// Answer stores the reply with all keys that owner still has; an empty reply forgets them, so that the turn can be
	// claimed again. Where owner has none any more, it does nothing.
	Answer(ctx context.Context, owner string, reply []byte, now time.Time) error
	// DeleteExpired deletes up to limit keys that are not remembered at now and returns how many it deleted.
	DeleteExpired(ctx context.Context, now time.Time, limit int) (int, error)
}
