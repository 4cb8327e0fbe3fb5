package gdap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
)

const (
	// maxSwaps bounds how often a write is tried again that others were faster than. Each failure means that one of them
	// got through.
	maxSwaps = 100
	// touchEvery is how often the time of the last use is written where the token has not changed.
	touchEvery = time.Hour
	// storeTimeout bounds writing a new refresh token, which goes on when nobody waits for the access token any more.
	storeTimeout = 15 * time.Second
)

// record is what is sealed under the partner's name.
type record struct {
	token mspkit.Redacted[string]
	by    string
	// since is when the person signed in, used when the token was redeemed last.
	since, used time.Time
	// problem says why the person must sign in again; empty is that nothing is known.
	problem string
	// holder is the instance that redeems the token alone until a time, see [Options.Exclusive].
	holder string
	until  time.Time
}

type recordJSON struct {
	Token   string    `json:"token"`
	By      string    `json:"by"`
	Since   time.Time `json:"since"`
	Used    time.Time `json:"used"`
	Problem string    `json:"problem,omitempty"`
	Holder  string    `json:"holder,omitempty"`
	Until   time.Time `json:"until,omitzero"`
}

func (p *Partner) seal(r record) ([]byte, error) {
	raw, err := json.Marshal(recordJSON{r.token.Reveal(), r.by, r.since, r.used, r.problem, r.holder, r.until})
	if err != nil {
		return nil, fmt.Errorf("gdap: write the token: %w", mspkit.ErrInvalid) // such as a year that JSON does not know
	}
	return p.box.Seal(raw, p.o.Name, p.o.PartnerTenant, p.o.Owner), nil
}

// errNobody means that there is no record. It does not match [entra.ErrNotConnected], which says of a customer's tenant that it
// is not connected.
var errNobody = errors.New("gdap: nobody has signed in")

// load reads the record and its revision, errNobody where there is none.
func (p *Partner) load(ctx context.Context) (record, int64, error) {
	sealed, rev, err := p.store.Token(ctx, p.o.Name)
	if errors.Is(err, entra.ErrNotConnected) {
		return record{}, 0, &refusal{text: "nobody has signed in for the partner yet", is: entra.ErrSignIn, cause: errNobody}
	}
	if err != nil {
		return record{}, 0, fmt.Errorf("gdap: read the refresh token: %w", err)
	}
	raw, err := p.box.Open(sealed, p.o.Name, p.o.PartnerTenant, p.o.Owner)
	if err != nil {
		return record{}, rev, fmt.Errorf("gdap: open the refresh token of %q: %w", p.o.Name, err)
	}
	var j recordJSON
	if json.Unmarshal(raw, &j) != nil || j.Token == "" {
		return record{}, rev, fmt.Errorf("gdap: the record of %q is not a refresh token: %w", p.o.Name, mspkit.ErrInvalid)
	}
	return record{mspkit.Redact(j.Token), j.By, j.Since, j.Used, j.Problem, j.Holder, j.Until}, rev, nil
}

// same reports whether two records hold the same token.
func (r record) same(other record) bool { return r.token.Reveal() == other.token.Reveal() }

func (p *Partner) swap(ctx context.Context, r record, rev int64) error {
	sealed, err := p.seal(r)
	if err != nil {
		return err
	}
	if _, err := p.store.SwapToken(ctx, p.o.Name, sealed, rev, p.o.Now()); err != nil {
		return fmt.Errorf("gdap: store the refresh token: %w", err)
	}
	return nil
}

// change writes what change makes of the record, as long as it holds the token that was has; somebody else's token is not
// touched. change returns false where nothing is to be written.
func (p *Partner) change(ctx context.Context, was record, rev int64, change func(*record) bool) error {
	// Written even if nobody waits any more: a new refresh token that is lost may be the only one that works.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	now := was
	for range maxSwaps {
		next := now
		if !change(&next) {
			return nil
		}
		err := p.swap(ctx, next, rev)
		if !errors.Is(err, entra.ErrStale) {
			return err
		}
		now, rev, err = p.load(ctx)
		if err != nil && !errors.Is(err, errNobody) {
			return err
		}
		if !now.same(was) {
			return nil // who lost the race keeps the access token and drops the refresh token
		}
	}
	return fmt.Errorf("gdap: store the refresh token: others were faster %d times: %w", maxSwaps, entra.ErrStale)
}

// keep stores what a redemption of the record at rev gave.
func (p *Partner) keep(ctx context.Context, was record, rev int64, g grant) {
	now := p.o.Now().UTC()
	err := p.change(ctx, was, rev, func(r *record) bool {
		mine := r.holder == p.id
		if g.refresh.Reveal() == "" && r.problem == "" && !mine && now.Sub(r.used) < touchEvery {
			return false
		}
		if g.refresh.Reveal() != "" {
			r.token = g.refresh
		}
		if r.used.Before(now) {
			r.used = now
		}
		r.problem = ""
		if mine {
			r.holder, r.until = "", time.Time{}
		}
		return true
	})
	if err != nil {
		// The old token is still there, and Entra takes it.
		p.o.Logger.ErrorContext(ctx, "the partner's new refresh token could not be stored", slog.String("name", p.o.Name), slog.Any("error", err))
	}
}

// note writes why the partner's person must sign in again.
func (p *Partner) note(ctx context.Context, was record, rev int64, problem string) {
	err := p.change(ctx, was, rev, func(r *record) bool {
		changed := r.problem != problem
		r.problem = problem
		return changed
	})
	if err != nil {
		p.o.Logger.WarnContext(ctx, "that the partner must sign in again could not be stored", slog.String("name", p.o.Name), slog.Any("error", err))
	}
}
