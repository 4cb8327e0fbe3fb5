package totp

import (
	"context"
	"errors"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/sealed"
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
	cell  *sealed.Cell[state]
}

func newFactors(store verify.FactorStore, box *seal.Box) *factors {
	f := &factors{store: store}
	f.cell = sealed.New[state](box, f.get, f.swap, verify.ErrConflict)
	return f
}

func (f *factors) get(ctx context.Context, place ...string) ([]byte, int64, error) {
	row, err := f.store.Factor(ctx, mspkit.TenantID(place[0]), place[1], Kind)
	if errors.Is(err, verify.ErrNotFound) {
		return nil, 0, nil
	}
	return row.Sealed, row.Version, err
}

func (f *factors) swap(ctx context.Context, record []byte, version int64, now time.Time, place ...string) error {
	row := verify.Factor{Tenant: mspkit.TenantID(place[0]), Subject: place[1], Kind: Kind, Sealed: record, Version: version}
	_, err := f.store.PutFactor(ctx, row, now)
	return err
}

// load returns what is in a factor. That there is none is the zero state.
func (f *factors) load(ctx context.Context, tenant mspkit.TenantID, subject string) (*state, error) {
	return f.cell.Load(ctx, string(tenant), subject)
}

// change stores what decide makes of a factor, if decide says so, by compare-and-set. It must keep nothing of what it decided
// before: see [sealed.Cell.Change].
func (f *factors) change(ctx context.Context, tenant mspkit.TenantID, subject string, now time.Time, decide func(*state) (store bool, err error)) error {
	return f.cell.Change(ctx, now, decide, string(tenant), subject)
}
