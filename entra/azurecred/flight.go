package azurecred

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/flight"
)

// flights shares requests for tokens among those who need the same one.
type flights struct {
	timeout time.Duration // of a request with all its tries
	now     func() time.Time
	group   flight.Group[flightKey, azcore.AccessToken]
}

type flightKey struct {
	of             *held
	scopes, claims string
	cae            bool
}

// token asks h for a token. azidentity's own lock does not end with the context of who waits for it, so nobody but the
// goroutine of a flight takes it.
func (f *flights) token(ctx context.Context, h *held, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if err := ctx.Err(); err != nil {
		return azcore.AccessToken{}, err
	}
	key := flightKey{h, strings.Join(o.Scopes, " "), o.Claims, o.EnableCAE}
	token, landed, err := f.group.Do(ctx, key, f.timeout, func(ctx context.Context) (azcore.AccessToken, error) {
		rec := &record{}
		token, err := h.cred.GetToken(withRecord(ctx, rec), o)
		return token, tokenError(err, rec, f.now())
	})
	if !landed {
		err = fmt.Errorf("azurecred: wait for a token: %w", err)
	}
	return token, err
}

// tokenError makes our error of one of azidentity, whose text holds the whole answer.
func tokenError(err error, rec *record, now time.Time) error {
	if err == nil {
		return nil
	}
	if own, ok := errors.AsType[*assertionError](err); ok {
		return &refusal{fmt.Errorf("azurecred: %w: %w", entra.ErrCredentials, own)}
	}
	switch a := rec.last(); {
	case a.err != nil:
		return entra.TokenUnavailable(a.err)
	case a.status != 0:
		return entra.NewTokenError(a.status, a.header, a.body, now)
	}
	return entra.TokenUnavailable(err)
}
