package gdap

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/internal/httpx"
	"github.com/mspkit/mspkit/internal/seal"
)

// Partner is a Microsoft partner whose service user has signed in once, and who reaches every customer with which there is a
// relationship of delegated administration (GDAP). It is safe for concurrent use, and any number of instances may share its
// store. Use [NewPartner].
type Partner struct {
	o      Options
	store  entra.TokenStore
	box    *seal.Box
	id     string // of this instance
	login  *http.Client
	center *http.Client
	graph  *graphx.Client
	tokens tokens
	pause  func(context.Context, time.Duration) error

	alone chan struct{} // holds one while turn is held for writing
	turn  sync.RWMutex

	mu      sync.Mutex
	dead    record // the refresh token that was refused last
	deadAt  time.Time
	deadWhy error
}

// NewPartner returns a partner whose refresh token is in store, sealed under ring. It reports all faults of the options at
// once, and does nothing on the network and nothing to the store.
func NewPartner(store entra.TokenStore, ring *mspkit.KeyRing, o *Options) (*Partner, error) {
	p := &Partner{store: store, id: randomText(), pause: pause, alone: make(chan struct{}, 1)}
	if o != nil {
		p.o = *o
	}
	errs := []error{p.o.prepare()}
	if store == nil {
		errs = append(errs, fmt.Errorf("gdap: a store is required: %w", mspkit.ErrInvalid))
	}
	var err error
	if p.box, err = seal.New(ring, "entra/gdap"); err != nil {
		errs = append(errs, fmt.Errorf("gdap: %w", err))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	p.tokens.max, p.tokens.now, p.tokens.at = p.o.MaxTokens, p.o.Now, map[tokenKey]kept{}
	p.login, err = httpx.NewClient(p.o.HTTPClient, &httpx.Options{
		Timeout: askTimeout, MaxRetries: 2, MaxRetryAfter: 5 * time.Second, Rejects: []int{http.StatusTooManyRequests}, MaxBody: maxAnswer,
		Origins: []string{p.o.Cloud.Login}, Logger: p.o.Logger, Now: p.o.Now,
	})
	errs = append(errs, err)
	if p.o.Cloud.PartnerCenter != "" {
		p.center, err = httpx.NewClient(p.o.HTTPClient, &httpx.Options{
			Timeout: time.Minute, TryTimeout: 30 * time.Second, MaxBody: 1 << 20, Rejects: []int{http.StatusTooManyRequests},
			Origins: []string{p.o.Cloud.PartnerCenter}, Logger: p.o.Logger, Now: p.o.Now,
			// Partner Center takes 50 a second of one application.
			Limit: &httpx.Limit{Requests: 40, Per: time.Second, MaxWait: 30 * time.Second},
		})
		errs = append(errs, err)
	}
	p.graph, err = graphx.New(home{p}, &graphx.Options{
		BaseURL: p.o.Cloud.Graph, Scope: p.o.Cloud.Scope(), HTTPClient: p.o.HTTPClient, Logger: p.o.Logger, Now: p.o.Now,
	})
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p, nil
}

// pause waits, or until ctx ends, whose error it returns then.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Forget drops the access tokens that this instance keeps of a customer's tenant of Microsoft 365. Do it after its consent or
// its roles have changed outside of this package: tokens hold the permissions of when they were made. The caches of clients
// that hold a token are theirs.
func (p *Partner) Forget(entraID string) {
	if id, err := entra.CanonicalID(entraID); err == nil {
		p.tokens.forget(id)
	}
}

// String names the partner.
func (p *Partner) String() string { return "gdap.Partner(" + p.o.Name + ")" }

// GoString is the same as String.
func (p *Partner) GoString() string { return p.String() }

// LogValue is the same as String.
func (p *Partner) LogValue() slog.Value { return slog.StringValue(p.String()) }

// Format prints String for every verb.
func (p *Partner) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, p.String()) }

// home is what a token for Graph in the partner's own tenant is asked for.
func (p *Partner) home() want { return want{tenant: p.o.PartnerTenant, scope: p.o.Cloud.Scope()} }

// home gives the credential of the partner's own tenant.
type home struct{ p *Partner }

// TenantCredential implements [graphx.Credentials].
func (h home) TenantCredential(context.Context, mspkit.TenantID) (azcore.TokenCredential, error) {
	return homeCredential(h), nil
}

type homeCredential struct{ p *Partner }

// GetToken implements [azcore.TokenCredential].
func (h homeCredential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return h.p.token(ctx, h.p.o.PartnerTenant, o)
}

// randomText returns 32 random bytes as text, which a PKCE verifier needs at the least.
func randomText() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
