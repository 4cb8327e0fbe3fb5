package gdap

import (
	"context"
	"time"
)

// ReadGrant reads an answer of the token endpoint.
func ReadGrant(body []byte, now time.Time) (access, refresh string, expiresOn time.Time, err error) {
	g, err := readGrant(body, now)
	return g.access.Reveal(), g.refresh.Reveal(), g.expiresOn, err
}

// OnPause replaces waiting.
func (p *Partner) OnPause(f func(context.Context, time.Duration) error) { p.pause = f }

// Kept is how many access tokens are kept.
func (p *Partner) Kept() int {
	p.tokens.mu.Lock()
	defer p.tokens.mu.Unlock()
	return len(p.tokens.at)
}

// MaxLife is the longest that a token is believed to live.
const MaxLife = maxLife

// StoredAs is what the refresh token is stored under.
func (p *Partner) StoredAs() string { return p.o.Name }
