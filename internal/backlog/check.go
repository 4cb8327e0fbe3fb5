package backlog

import (
	"errors"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/sqlx"
)

// mostFaultsTold is how many faults an error of checkItems lists.
const mostFaultsTold = 10

// checkItems refuses what cannot be stored or found again. An error names no content.
func checkItems(items []Item) error {
	if len(items) > MaxItems {
		return fmt.Errorf("backlog: add: %d items at once, at most %d are taken: add them in parts: %w", len(items), MaxItems, mspkit.ErrInvalid)
	}
	var errs []error
	for i := range items {
		if err := checkItem(&items[i]); err != nil && len(errs) < mostFaultsTold {
			errs = append(errs, fmt.Errorf("backlog: add: item %d: %w", i+1, err))
		}
	}
	return errors.Join(errs...)
}

func checkItem(it *Item) error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf(format+": %w", append(args, mspkit.ErrInvalid)...))
	}
	if err := it.Tenant.Validate(); err != nil {
		errs = append(errs, err)
	}
	if n := len(it.Key); n == 0 || n > mspkit.MaxStreamKey {
		bad("the key must have 1 to %d bytes, it has %d", mspkit.MaxStreamKey, n)
	} else if sqlx.Words(it.Key) != it.Key {
		bad("the key holds a zero byte or is not UTF-8")
	}
	if n := len(it.ID); n == 0 || n > MaxID {
		bad("the id must have 1 to %d bytes, it has %d", MaxID, n)
	} else if sqlx.Words(it.ID) != it.ID {
		bad("the id holds a zero byte or is not UTF-8")
	}
	if n := len(it.Sealed); n > MaxSealed {
		bad("what is sealed must have at most %d bytes, it has %d", MaxSealed, n)
	} else if _, err := seal.KeyID(it.Sealed); err != nil {
		bad("what is to be done is not sealed: seal it with internal/seal")
	}
	if it.AddedAt.IsZero() {
		bad("AddedAt is missing")
	}
	return errors.Join(errs...)
}

func checkHolder(holder string) error {
	if holder == "" || sqlx.Words(holder) != holder {
		return fmt.Errorf("backlog: next: nobody is named as the holder: %w", mspkit.ErrInvalid)
	}
	return nil
}

func (o Outcome) check() error {
	n := 0
	for _, is := range []bool{o.Done, o.Dead, !o.Due.IsZero()} {
		if is {
			n++
		}
	}
	if n != 1 {
		return fmt.Errorf("backlog: finish: the outcome must be exactly one of Done, Dead and Due, %d are set: %w", n, mspkit.ErrInvalid)
	}
	return nil
}

func (s State) check() error {
	switch s {
	case "", Pending, Done, Dead, Dropped:
		return nil
	}
	return fmt.Errorf("backlog: list: there is no state %q: %w", string(s), mspkit.ErrInvalid)
}
