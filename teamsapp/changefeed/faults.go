package changefeed

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/internal/httpx"
)

// fault is what an error of Graph means for a subscription.
type fault struct {
	state State
	words string
	// unknown says that Graph may have acted.
	unknown bool
	after   time.Duration
}

// wait is the first wait, at least as long as Graph asks for.
func (f *fault) wait(d time.Duration) time.Duration { return max(d, f.after) }

// pause is the first wait after it.
func (f *fault) pause(o *KeepOptions) time.Duration {
	if f.state == Failing {
		return f.wait(o.Retry)
	}
	return f.wait(o.SlowRetry)
}

// ended reports whether an error ends a turn without being one of Graph.
func ended(err error) bool {
	return errors.Is(err, errEnough) || errors.Is(err, ErrChanged) || errors.As(err, new(storeError))
}

// faultOf says what an error means; nil is that it is none of Graph's.
func faultOf(err error, r Resource) *fault {
	var (
		answer *graphx.Error
		auth   *graphx.AuthError
		creds  *graphx.CredentialsError
		broken *graphx.AnswerError
		wire   *httpx.Error
	)
	switch {
	case err == nil, ended(err):
		return nil
	case errors.As(err, &creds):
		if errors.Is(err, azurecred.ErrNotConnected) {
			return &fault{state: Denied, words: "the tenant is not connected to Microsoft 365: connect it"}
		}
		return &fault{state: Failing, words: "there is no credential for the tenant at the moment: look at the connection"}
	case errors.As(err, &auth):
		if auth.Temporary {
			return &fault{state: Failing, words: "Microsoft Entra gave no token for the moment: " + auth.Advice}
		}
		return &fault{state: Denied, words: "Microsoft Entra gives no token: " + auth.Advice}
	case errors.As(err, &answer):
		return answered(answer, r)
	case errors.As(err, &broken):
		return &fault{state: Failing, words: "Microsoft Graph answered with what cannot be read: it is tried again", unknown: true}
	case errors.As(err, &wire):
		return &fault{state: Failing, words: "Microsoft Graph could not be reached: check the network, it is tried again", unknown: wire.Sent}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &fault{state: Failing, words: "there was no time for it: it is tried again", unknown: true}
	case errors.Is(err, errHost):
		return &fault{state: Failing, words: "it was not said whose messages to read: look at Options.Subscriptions"}
	}
	return &fault{state: Failing, words: "Microsoft Graph answered with what cannot be used: it is tried again", unknown: true}
}

// answered says what an answer of Graph means. The message of Graph is looked at because nothing else tells a quota from a
// permission, or a URL that was not reached from a request that is wrong
// (https://learn.microsoft.com/graph/api/subscription-post-subscriptions); it is not kept.
func answered(e *graphx.Error, r Resource) *fault {
	message := strings.ToLower(e.Message)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(message, w) {
				return true
			}
		}
		return false
	}
	needs := strings.Join(table[r.what].Permissions, " or ")
	switch {
	case e.Status == http.StatusConflict:
		return &fault{state: Taken, words: "another subscription of the same app to the same exists, of another installation: end it there, or wait until it ends"}
	case e.Status == http.StatusForbidden && has("quota", "limit", "maximum number"):
		return &fault{state: Full, words: "a quota of Microsoft's is used up (" + table[r.what].Quota + "): follow less, or end what other apps follow"}
	case e.Status == http.StatusForbidden, errors.Is(e, graphx.ErrConsent), errors.Is(e, graphx.ErrToken):
		return &fault{state: Denied, words: "the app may not follow this: an administrator must consent to " + needs + " (" + e.Advice + ")"}
	case e.Status == http.StatusBadRequest && has("validation", "notification endpoint", "notificationurl", "notification url"):
		return &fault{
			state: Unreachable,
			words: "Microsoft Graph got no proper answer from the notification URL: it must be reachable from the internet by https with a public certificate, be served by this feed, and answer within 10 seconds",
		}
	case e.Status == http.StatusBadRequest && has("expiration"):
		return &fault{state: Denied, words: "Microsoft Graph wants a shorter life: set Options.Subscriptions.Lifetimes"}
	case e.Status == http.StatusNotFound:
		return &fault{state: Denied, words: "there is no such chat, channel or user in the tenant: follow it no more, or check the id"}
	case e.Status == http.StatusTooManyRequests:
		return &fault{state: Failing, words: "Microsoft throttles: it is tried again later", after: e.RetryAfter}
	case e.Status >= 500, e.Status == http.StatusRequestTimeout:
		return &fault{state: Failing, words: "Microsoft's service failed: it is tried again later", after: e.RetryAfter, unknown: true}
	}
	return &fault{state: Denied, words: "Microsoft Graph refuses: " + e.Advice}
}
