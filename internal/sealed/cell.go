package sealed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit/internal/seal"
)

// MaxConflicts is how often a change is tried again. Each time somebody else's change went through.
const MaxConflicts = 96

// Get returns what is stored at a place and its revision; nil and the revision to swap with where there is nothing.
type Get func(ctx context.Context, place ...string) (record []byte, rev int64, err error)

// Swap stores a record at a place whose revision is still rev.
type Swap func(ctx context.Context, record []byte, rev int64, now time.Time, place ...string) error

// Cell reads and changes records of one kind. The zero value of T is a record that is not there. Use [New].
type Cell[T any] struct {
	box      *seal.Box
	get      Get
	swap     Swap
	conflict error
}

// New returns a cell over a store whose swap fails with conflict where another revision is there.
func New[T any](box *seal.Box, get Get, swap Swap, conflict error) *Cell[T] {
	return &Cell[T]{box, get, swap, conflict}
}

// Load returns what is at a place, for reading.
func (c *Cell[T]) Load(ctx context.Context, place ...string) (*T, error) {
	v, _, err := c.load(ctx, place)
	return v, err
}

func (c *Cell[T]) load(ctx context.Context, place []string) (*T, int64, error) {
	v := new(T)
	record, rev, err := c.get(ctx, place...)
	if err != nil {
		return nil, 0, err
	}
	if record == nil {
		return v, rev, nil
	}
	plain, err := c.box.Open(record, place...)
	if err != nil {
		return nil, 0, err
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return nil, 0, errors.New("the record cannot be read") // err may repeat what is in it
	}
	return v, rev, nil
}

// Change stores what decide makes of what is at a place, if decide says so. Where another change came between, decide decides
// again on what is there then: it must keep nothing of what it decided before.
func (c *Cell[T]) Change(ctx context.Context, now time.Time, decide func(*T) (store bool, err error), place ...string) error {
	for range MaxConflicts {
		v, rev, err := c.load(ctx, place)
		if err != nil {
			return err
		}
		store, err := decide(v)
		if err != nil || !store {
			return err
		}
		plain, err := json.Marshal(v)
		if err != nil {
			return errors.New("the record cannot be written")
		}
		if err := c.swap(ctx, c.box.Seal(plain, place...), rev, now, place...); !errors.Is(err, c.conflict) {
			return err
		}
	}
	return fmt.Errorf("the record was changed %d times in between: %w", MaxConflicts, c.conflict)
}
