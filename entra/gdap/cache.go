package gdap

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/flight"
)

// want is an access token that somebody asks for.
type want struct {
	tenant, scope string
	// claims are what the request says besides, such as the challenge of a resource.
	claims string
	cae    bool
	// fresh does not take a token that is kept.
	fresh bool
}

// tokenKey is what access tokens are kept under.
type tokenKey struct {
	tenant, scope string
	cae           bool
}

type kept struct {
	token     mspkit.Redacted[string]
	expiresOn time.Time
	// until is when it is not handed out any more: before the Azure SDK, which refreshes 5 minutes before the end, would ask
	// again and again.
	until, used time.Time
}

// margin is how long before its end a token is not handed out any more.
func margin(life time.Duration) time.Duration { return min(10*time.Minute, life/4) }

// tokens keeps access tokens and shares the requests for them.
type tokens struct {
	max int
	now func() time.Time

	flights flight.Group[flightKey, azcore.AccessToken]

	mu    sync.Mutex
	at    map[tokenKey]kept
	epoch uint64 // how often something was forgotten
}

type flightKey struct {
	want
	epoch uint64
}

// get returns a token that is kept, or asks for one. Of all who want the same at once, one asks; it goes on as long as one
// of them waits.
func (t *tokens) get(ctx context.Context, w want, ask func(context.Context, want) (grant, error)) (azcore.AccessToken, error) {
	if err := ctx.Err(); err != nil {
		return azcore.AccessToken{}, err
	}
	token, epoch, ok := t.have(w)
	if ok {
		return token, nil
	}
	token, landed, err := t.flights.Do(ctx, flightKey{w, epoch}, tokenTimeout, func(ctx context.Context) (azcore.AccessToken, error) {
		if token, _, ok := t.have(w); ok { // somebody's request has ended since
			return token, nil
		}
		g, err := ask(ctx, w)
		if err != nil {
			return azcore.AccessToken{}, err
		}
		return t.took(w, epoch, g), nil
	})
	if !landed {
		err = entra.TokenUnavailable(err)
	}
	return token, err
}

// have returns a token that is kept and may be handed out, and the epoch.
func (t *tokens) have(w want) (azcore.AccessToken, uint64, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, ok := t.at[w.key()]
	if !ok || w.fresh {
		return azcore.AccessToken{}, t.epoch, false
	}
	now := t.now()
	if !now.Before(k.until) {
		delete(t.at, w.key())
		return azcore.AccessToken{}, t.epoch, false
	}
	k.used = now
	t.at[w.key()] = k
	return k.access(), t.epoch, true
}

// took keeps what was granted, unless something was forgotten since it was asked for: it may be from before a change of
// consent.
func (t *tokens) took(w want, epoch uint64, g grant) azcore.AccessToken {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	k := kept{g.access, g.expiresOn, g.expiresOn.Add(-margin(g.life)), now}
	if epoch == t.epoch {
		t.keep(w.key(), k)
	}
	return k.access()
}

// keep keeps a token, and forgets those that are over, or else the one not used for the longest time, where there are too
// many. The caller holds the lock.
func (t *tokens) keep(key tokenKey, k kept) {
	t.at[key] = k
	if len(t.at) <= t.max {
		return
	}
	var oldest tokenKey
	var least time.Time
	now := t.now()
	for other, o := range t.at {
		switch {
		case !now.Before(o.until):
			delete(t.at, other)
		case other != key && (least.IsZero() || o.used.Before(least)):
			oldest, least = other, o.used
		}
	}
	if len(t.at) > t.max {
		delete(t.at, oldest)
	}
}

// forget drops the tokens of a tenant of Microsoft 365, or all where it is empty, and those on their way.
func (t *tokens) forget(tenant string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.epoch++
	for key := range t.at {
		if tenant == "" || key.tenant == tenant {
			delete(t.at, key)
		}
	}
}

func (w want) key() tokenKey { return tokenKey{w.tenant, w.scope, w.cae} }

// access is what the Azure SDK is given. A little before its end the token is asked for again.
func (k kept) access() azcore.AccessToken {
	return azcore.AccessToken{Token: k.token.Reveal(), ExpiresOn: k.expiresOn}
}

// finalError keeps azcore from asking again for what it was just refused.
type finalError struct{ error }

func (finalError) NonRetriable()   {}
func (n finalError) Unwrap() error { return n.error }

// final returns err as one that azcore does not repeat a request for: all that could be repeated was.
func final(err error) error {
	var marked interface{ NonRetriable() }
	if err == nil || errors.As(err, &marked) {
		return err
	}
	return finalError{err}
}
