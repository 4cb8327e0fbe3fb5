package gdap

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/aadsts"
	"github.com/mspkit/mspkit/internal/httpx"
)

const (
	// askTimeout bounds one request for a token with its tries.
	askTimeout = 25 * time.Second
	// tokenTimeout bounds all that is done for one access token.
	tokenTimeout = 60 * time.Second
	// holdFor is how long an instance may redeem the refresh token alone: what it takes, and the minute by which clocks differ.
	holdFor = askTimeout + storeTimeout + time.Minute
	// deadFor is how long a refresh token that was refused is not sent again.
	deadFor = 30 * time.Second
)

// settle are the waits for another instance that has redeemed a refresh token, and voided it, to store the new one.
var settle = []time.Duration{20 * time.Millisecond, 80 * time.Millisecond, 300 * time.Millisecond, 900 * time.Millisecond}

// redeem gets an access token of a tenant. The lock is held for reading while tokens are redeemed side by side, as Entra lets
// one do, and for writing where a refusal may come from just that.
func (p *Partner) redeem(ctx context.Context, w want) (grant, error) {
	var refused record
	var why error
	if !p.o.Exclusive {
		var g grant
		if g, refused, why = p.together(ctx, w); why == nil || !void(why) {
			return g, why
		}
	}
	select {
	case p.alone <- struct{}{}:
		defer func() { <-p.alone }()
	case <-ctx.Done():
		return grant{}, entra.TokenUnavailable(ctx.Err())
	}
	p.turn.Lock()
	defer p.turn.Unlock()
	if p.o.Exclusive {
		release, err := p.hold(ctx)
		if err != nil {
			return grant{}, err
		}
		defer release()
	}
	return p.insist(ctx, w, refused, why)
}

// together redeems what is stored, beside others who do.
func (p *Partner) together(ctx context.Context, w want) (grant, record, error) {
	p.turn.RLock()
	defer p.turn.RUnlock()
	r, rev, err := p.load(ctx)
	if err != nil {
		return grant{}, record{}, err
	}
	if err := p.knownDead(r); err != nil {
		return grant{}, record{}, err
	}
	g, err := p.use(ctx, r, rev, w)
	return g, r, err
}

// insist redeems until that works or it is certain that it cannot: the refresh token may have been used by somebody else, and
// then the next one is in the store, or will be in a moment. refused was tried before, with the result why; its token is empty
// where nothing was.
func (p *Partner) insist(ctx context.Context, w want, refused record, why error) (grant, error) {
	confirmed, waits := w.tenant == p.o.PartnerTenant, settle
	for {
		r, rev, err := p.load(ctx)
		if err != nil {
			return grant{}, err
		}
		if err := p.knownDead(r); err != nil {
			return grant{}, err
		}
		if !r.same(refused) {
			g, err := p.use(ctx, r, rev, w)
			if err == nil || !void(err) {
				return g, err
			}
			refused, why, confirmed, waits = r, err, w.tenant == p.o.PartnerTenant, settle
			continue
		}
		if !confirmed {
			// A customer's tenant may refuse a token that is good elsewhere.
			if _, err := p.use(ctx, r, rev, p.home()); err == nil || !void(err) {
				return grant{}, why
			}
			confirmed = true
			continue
		}
		if len(waits) == 0 {
			p.mark(ctx, r, rev, why)
			return grant{}, why
		}
		if err := p.pause(ctx, waits[0]); err != nil {
			return grant{}, entra.TokenUnavailable(err)
		}
		waits = waits[1:]
	}
}

// use redeems one refresh token and stores what comes of it.
func (p *Partner) use(ctx context.Context, r record, rev int64, w want) (grant, error) {
	g, err := p.ask(ctx, w.tenant, url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {r.token.Reveal()}, "scope": {w.scope + " offline_access"}, "claims": {w.claims},
	})
	if err != nil {
		if e, ok := errors.AsType[*entra.TokenError](err); ok && w.tenant == p.o.PartnerTenant && personal(e) && e.Permanent() {
			p.note(ctx, r, rev, entra.Problem(err)) // such as a second factor that has run out
		}
		return grant{}, err
	}
	p.keep(ctx, r, rev, g)
	return g, nil
}

// personal reports whether an error says something of the person in one tenant, and nothing of the refresh token.
func personal(e *entra.TokenError) bool {
	n, err := strconv.Atoi(strings.TrimPrefix(e.Code, "AADSTS"))
	m, ok := aadsts.Of(n)
	return err == nil && ok && (m.Kind == aadsts.Person || m.Kind == aadsts.Denied)
}

// void reports whether an error may say that the refresh token is not good any more.
func void(err error) bool {
	e, ok := errors.AsType[*entra.TokenError](err)
	return ok && errors.Is(e, entra.ErrSignIn) && !errors.Is(err, ErrRelationship) && !personal(e)
}

// mark remembers that a refresh token is dead.
func (p *Partner) mark(ctx context.Context, r record, rev int64, why error) {
	p.mu.Lock()
	p.dead, p.deadAt, p.deadWhy = r, p.o.Now(), why
	p.mu.Unlock()
	p.note(ctx, r, rev, entra.Problem(why))
}

// knownDead returns why a refresh token was refused a moment ago, or nil.
func (p *Partner) knownDead(r record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deadWhy == nil || !r.same(p.dead) || p.o.Now().Sub(p.deadAt) >= deadFor {
		return nil
	}
	return p.deadWhy
}

// hold waits until this instance alone redeems the refresh token. release lets others.
func (p *Partner) hold(ctx context.Context) (release func(), err error) {
	for {
		r, rev, err := p.load(ctx)
		if err != nil {
			return nil, err
		}
		if err := p.knownDead(r); err != nil {
			return nil, err
		}
		if now := p.o.Now(); r.holder == "" || r.holder == p.id || !now.Before(r.until) {
			r.holder, r.until = p.id, now.Add(holdFor).UTC()
			if err = p.swap(ctx, r, rev); err == nil {
				return func() { p.release(ctx) }, nil
			}
			if !errors.Is(err, entra.ErrStale) {
				return nil, err
			}
		}
		if err := p.pause(ctx, spread()); err != nil {
			return nil, entra.TokenUnavailable(err)
		}
	}
}

// spread returns a wait that two instances do not share for long.
func spread() time.Duration {
	var b [1]byte
	_, _ = rand.Read(b[:]) // never fails
	return 10*time.Millisecond + time.Duration(b[0])*150*time.Microsecond
}

// release ends what hold began, where a success has not done so.
func (p *Partner) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	r, rev, err := p.load(ctx)
	if err == nil {
		err = p.change(ctx, r, rev, func(r *record) bool {
			mine := r.holder == p.id
			if mine {
				r.holder, r.until = "", time.Time{}
			}
			return mine
		})
	}
	if err != nil {
		p.o.Logger.WarnContext(ctx, "the partner's refresh token stays held until its time is over", slog.String("name", p.o.Name), slog.Any("error", err))
	}
}

// ask posts a form to the token endpoint of a tenant, whose id is canonical.
func (p *Partner) ask(ctx context.Context, tenant string, form url.Values) (grant, error) {
	at := p.o.Cloud.Login + "/" + tenant + "/oauth2/v2.0/token"
	form.Set("client_id", p.o.ClientID)
	if p.o.Assertion == nil {
		form.Set("client_secret", p.o.Secret.Reveal())
	} else {
		jwt, err := p.o.Assertion(ctx, at)
		if err != nil || jwt == "" {
			return grant{}, &refusal{text: "the assertion of the application could not be made", is: entra.ErrCredentials, cause: err}
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", jwt)
	}
	if form.Get("claims") == "" {
		form.Del("claims")
	}
	if form.Get("grant_type") == "refresh_token" && !p.o.Exclusive {
		ctx = httpx.Idempotent(ctx) // Entra takes a refresh token again; a code works once
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, strings.NewReader(form.Encode()))
	if err != nil {
		return grant{}, entra.TokenUnavailable(nil)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := httpx.Do(p.login, req)
	if err != nil {
		return grant{}, entra.TokenUnavailable(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(resp.Body)
	switch {
	case resp.StatusCode != http.StatusOK:
		return grant{}, p.refused(resp, tenant, body)
	case err != nil:
		return grant{}, entra.TokenUnavailable(err)
	}
	g, err := readGrant(body, p.o.Now())
	if err != nil {
		p.o.Logger.WarnContext(ctx, "Entra's answer to a request for a token cannot be used", slog.String("tenant", tenant), slog.Any("error", err))
		return grant{}, entra.TokenUnavailable(err)
	}
	return g, nil
}

// gone is the answer of a tenant that does not know the partner's user.
const gone = `{"error":"invalid_grant","error_codes":[50020]}`

// refused makes the error of an answer, and tells apart where it means the relationship with one customer.
func (p *Partner) refused(resp *http.Response, tenant string, body []byte) error {
	e := entra.NewTokenError(resp.StatusCode, resp.Header, body, p.o.Now())
	if tenant == p.o.PartnerTenant {
		return e
	}
	switch e.Code {
	case "AADSTS50020", "AADSTS50177", "AADSTS50034", "AADSTS90072":
		return &unreachable{e}
	}
	if !strings.HasPrefix(e.Code, "AADSTS") && strings.Contains(strings.ToLower(string(body)), "user was not found") {
		// A relationship that the customer has removed. It has no number of its own, and means what this one does.
		return &unreachable{entra.NewTokenError(resp.StatusCode, resp.Header, []byte(gone), p.o.Now())}
	}
	return e
}
