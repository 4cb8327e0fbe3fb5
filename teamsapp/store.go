package teamsapp

import (
	"context"
	"fmt"
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

// maxList is the most records of one page.
const maxList = 1000

// Capped returns how many records a store returns at most: Limit where it is 1 to 1000, and 1000 otherwise.
func (q Query) Capped() int {
	if q.Limit < 1 || q.Limit > maxList {
		return maxList
	}
	return q.Limit
}

// Claim is the wish to handle a turn, so that of all its deliveries, on however many instances, one is handled.
type Claim struct {
	// Owner is random, new for each claim, and names who claims. It is not empty.
	Owner string
	// Keys are 1 to 4 names of the turn, hashed.
	Keys []ClaimKey
	// LeaseUntil is until when the owner is believed to be at work.
	LeaseUntil time.Time
}

// maxKeys is how many names a turn may have.
const maxKeys = 4

// Validate fails with [mspkit.ErrInvalid] where c has no owner, or not 1 to 4 keys.
func (c Claim) Validate() error {
	if c.Owner == "" || len(c.Keys) < 1 || len(c.Keys) > maxKeys {
		return fmt.Errorf("teamsapp: a claim has an owner and 1 to %d keys: %w", maxKeys, mspkit.ErrInvalid)
	}
	return nil
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
	// Reply is what the one who handled it replied; nil while that one is at work, and where the turn is Mine.
	Reply []byte
}

// Store keeps conversation references and claims. Each method is one atomic step on however many instances; a store
// never asks a clock of its own, and may keep times to the microsecond only. With a ctx that is over, a method fails
// and changes nothing. Ids are any valid UTF-8 without NUL and are compared bytewise; byte slices are the caller's
// before and after. Implementations must be safe for concurrent use and pass teamstest.TestStore.
type Store interface {
	// Save stores r in place of what is stored under its key, unless that is newer by UpdatedAt. Of the same UpdatedAt
	// the last one saved stays.
	Save(ctx context.Context, r Record) error
	// Load returns a record, removed or not, or [ErrNotFound].
	Load(ctx context.Context, k Key) (Record, error)
	// List returns the records that q selects.
	List(ctx context.Context, q Query) ([]Record, error)

	// Claim takes a turn. A key is remembered while its Until is after now. Where one of the keys is remembered, the
	// turn is not the asker's: Reply is what is stored with it, if anything, and nothing changes. But where no reply is
	// stored and the lease is over (LeaseUntil is not after now), or no key is remembered, all keys become the asker's,
	// with its own Until and LeaseUntil and without a reply. Where several keys are remembered, the first one's reply
	// counts that has one, and the lease is over when the lease of each is. The error is [mspkit.ErrInvalid] where
	// [Claim.Validate] fails.
	Claim(ctx context.Context, c Claim, now time.Time) (Claimed, error)
	// Answer stores the reply with all keys that owner still has, in place of an earlier one; an empty reply forgets
	// them, so that the turn can be claimed again. Where owner has none any more, because another took them over or
	// they are not remembered at now, it does nothing. The end of the lease alone takes no key away.
	Answer(ctx context.Context, owner string, reply []byte, now time.Time) error
	// DeleteExpired deletes up to limit keys that are not remembered at now and returns how many it deleted. A limit
	// below 1 deletes none.
	DeleteExpired(ctx context.Context, now time.Time, limit int) (int, error)
}
