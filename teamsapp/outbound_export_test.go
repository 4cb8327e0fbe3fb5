package teamsapp

import (
	"context"
	"net/http"
	"time"

	"github.com/mspkit/mspkit"
)

// Known is what is known of a person.
type Known = reference

// SetKnown stores what is known of a person, GetKnown returns it.
func (b *Bot) SetKnown(ctx context.Context, tenant mspkit.TenantID, u User, k Known) error {
	return b.saveReference(ctx, tenant, u, k)
}

func (b *Bot) GetKnown(ctx context.Context, tenant mspkit.TenantID, u User) (Known, error) {
	return b.reference(ctx, tenant, u)
}

// Pacer is the client's side of Teams' limits.
type Pacer struct{ p *pacer }

func NewPacer(rate int) Pacer { return Pacer{newPacer(rate, time.Now)} }

func (p Pacer) Wait(ctx context.Context, tenant, thread string, repeat bool) error {
	return p.p.wait(ctx, tenant, thread, repeat)
}

func (p Pacer) Hold(tenant, thread string, d time.Duration) { p.p.hold(tenant, thread, d) }

// Keys returns how many tenants and threads are remembered.
func (p Pacer) Keys() int {
	p.p.mu.Lock()
	defer p.p.mu.Unlock()
	return len(p.p.tenants) + len(p.p.threads)
}

// Logged returns how many requests are remembered of a thread.
func (p Pacer) Logged(tenant, thread string) int {
	p.p.mu.Lock()
	defer p.p.mu.Unlock()
	return cap(p.p.thread(tenant, thread).log)
}

// Tokens is the cache of tokens.
type Tokens struct{ t *tokens }

func NewTokens(now func() time.Time, fetch func(ctx context.Context, tenant string) (string, time.Time, error)) Tokens {
	return Tokens{newTokens(now, func(ctx context.Context, k tokenKey) (botToken, error) {
		t, expires, err := fetch(ctx, k.tenant)
		return botToken{mspkit.Redact(t), expires}, err
	})}
}

func (t Tokens) Get(ctx context.Context, tenant string) (string, error) {
	got, err := t.t.get(ctx, tokenKey{tenant, "scope"})
	return got.value.Reveal(), err
}

func (t Tokens) Drop(tenant, refused string) {
	t.t.drop(tokenKey{tenant, "scope"}, botToken{value: mspkit.Redact(refused)})
}

// ReadError reads a refusal of Teams.
func ReadError(op string, resp *http.Response, body []byte, now time.Time) *Error {
	return newError(op, resp, body, now)
}

// Sentinels are all that an [Error] can mean.
func Sentinels() []error {
	var out []error
	for _, m := range meanings {
		out = append(out, m.sentinel)
	}
	return out
}
