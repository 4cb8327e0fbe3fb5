package totp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/totp"
	"github.com/mspkit/mspkit/verify"
)

// Kind is the kind of the factors of this package in a [verify.FactorStore].
const Kind = "totp"

// state is what a factor holds sealed. A factor is never deleted, because its version must go on rising: otherwise a
// slow instance could put back what was removed.
type state struct {
	Active  *active  `json:"a,omitempty"`
	Pending *pending `json:"p,omitempty"`
}

// active is an app that is set up.
type active struct {
	Secret []byte    `json:"s"`
	Since  time.Time `json:"t"`
	// Last is the last step that was accepted.
	Last  int64      `json:"l"`
	Codes totp.Codes `json:"c"`
}

// The stages of a link.
const (
	stageSent = "sent" // the number is still to be typed
	stageOpen = "open" // it was, and the browser with the session goes on
	stageDone = "done"
)

// pending is a link and what became of it. It stays until the next one takes its place.
type pending struct {
	ID    string        `json:"i"` // names the link
	For   verify.Action `json:"f"`
	Stage string        `json:"g"`
	Until time.Time     `json:"u"`
	// KeyID and Number are the hash of the number that the technician says, Tries how often one was typed.
	KeyID  string `json:"k"`
	Number []byte `json:"n"`
	Tries  int    `json:"r"`
	// Session names the browser that knew the number, CodeTries is how often a first code was typed in it.
	Session   string `json:"b,omitempty"`
	CodeTries int    `json:"c,omitempty"`
	// Secret is what is being set up, while the stage is open.
	Secret     []byte            `json:"s,omitempty"`
	Person     verify.Subject    `json:"p"`
	Technician verify.Technician `json:"t"`
	Ticket     mspkit.Ticket     `json:"m"`
}

// dead reports whether nobody can go on with p: two wrong numbers, or too many wrong codes.
func (p *pending) dead() bool {
	return p.Stage == stageSent && p.Tries >= verify.MaxNumberTries || p.Stage == stageOpen && p.CodeTries >= verify.MaxCodeTries
}

// factors reads and changes sealed factors.
type factors struct {
	store verify.FactorStore
	box   *seal.Box
}

// load returns a factor and what is in it. That there is none is the zero state.
func (f *factors) load(ctx context.Context, tenant mspkit.TenantID, subject string) (verify.Factor, *state, error) {
	st := &state{}
	row, err := f.store.Factor(ctx, tenant, subject, Kind)
	if errors.Is(err, verify.ErrNotFound) {
		return verify.Factor{Tenant: tenant, Subject: subject, Kind: Kind}, st, nil
	}
	if err != nil {
		return row, nil, err
	}
	plain, err := f.box.Open(row.Sealed, string(tenant), subject)
	if err != nil {
		return row, nil, err
	}
	if err := json.Unmarshal(plain, st); err != nil {
		return row, nil, errors.New("the factor cannot be read") // err may repeat what is in it
	}
	return row, st, nil
}

// maxConflicts is how often a change is tried again. Each time somebody else's change went through.
const maxConflicts = 32

// change stores what decide makes of a factor, if decide says so, by compare-and-set. Where another change came between,
// decide decides again on what is there then: it must keep nothing of what it decided before.
func (f *factors) change(ctx context.Context, tenant mspkit.TenantID, subject string, now time.Time, decide func(*state) (store bool, err error)) error {
	for range maxConflicts {
		row, st, err := f.load(ctx, tenant, subject)
		if err != nil {
			return err
		}
		store, err := decide(st)
		if err != nil || !store {
			return err
		}
		plain, err := json.Marshal(st)
		if err != nil {
			return errors.New("the factor cannot be written")
		}
		row.Sealed = f.box.Seal(plain, string(tenant), subject)
		if _, err = f.store.PutFactor(ctx, row, now); !errors.Is(err, verify.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("the factor was changed %d times in between: %w", maxConflicts, verify.ErrConflict)
}
