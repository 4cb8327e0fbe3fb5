package gdap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/uuid"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/httpx"
)

// Graph is the id of Microsoft Graph as an enterprise application.
const Graph = "00000003-0000-0000-c000-000000000000"

// Grant is what an application is allowed in a customer's tenant.
type Grant struct {
	// Resource is the id of the enterprise application whose API it is; empty is [Graph].
	Resource string
	// Scopes are delegated permissions, such as "User.Read.All". Application permissions cannot be granted so.
	Scopes []string
}

// consentJSON is what Partner Center takes.
//
// Source: https://learn.microsoft.com/partner-center/developer/control-panel-vendor-apis.
type consentJSON struct {
	ApplicationID string      `json:"applicationId"`
	DisplayName   string      `json:"displayName"`
	Grants        []grantJSON `json:"applicationGrants"`
}

type grantJSON struct {
	Resource string `json:"enterpriseApplicationId"`
	Scope    string `json:"scope"`
}

var scopePattern = regexp.MustCompile(`^[A-Za-z0-9_.\-]{1,120}$`)

// maxGrants is how many grants and scopes of each a consent may have.
const maxGrants = 100

// maxUnknown is how often Partner Center may say that it does not know a customer, which it does of a new relationship. With the
// waits between it is a quarter of a minute.
const maxUnknown = 5

func (p *Partner) consentBody(grants []Grant) ([]byte, error) {
	invalid := func(text string) ([]byte, error) {
		return nil, fmt.Errorf("gdap: consent: %s: %w", text, mspkit.ErrInvalid)
	}
	if len(grants) == 0 || len(grants) > maxGrants {
		return invalid("a grant is required, and a hundred at most")
	}
	body := consentJSON{ApplicationID: p.o.ClientID, DisplayName: p.o.AppName}
	seen := map[string]bool{}
	for _, g := range grants {
		if g.Resource == "" {
			g.Resource = Graph
		}
		id, err := entra.CanonicalID(g.Resource)
		if err != nil || seen[id] {
			return invalid("a resource is not the id of an application, or is there twice")
		}
		seen[id] = true
		if len(g.Scopes) == 0 || len(g.Scopes) > maxGrants {
			return invalid("a grant needs scopes, and a hundred at most")
		}
		for _, s := range g.Scopes {
			if !scopePattern.MatchString(s) {
				return invalid("a scope is a name such as User.Read.All, without the address of its resource")
			}
		}
		body.Grants = append(body.Grants, grantJSON{id, strings.Join(g.Scopes, ",")})
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return invalid("the name of the application cannot be written")
	}
	return raw, nil
}

// Consent grants the application delegated permissions in a customer's tenant, by its id, for which the relationship must give
// the service user a role that may consent. That the application has consent there already, whatever its scopes, is no error:
// [Partner.Replace] changes them. Where Graph is among the grants, it returns when Entra gives a token for the tenant, or after
// [Options.Lag] with an error that is [entra.ErrConsent]; the permissions of tokens may lag behind by some minutes more.
func (p *Partner) Consent(ctx context.Context, entraID string, grants ...Grant) error {
	return p.consent(ctx, entraID, grants, false)
}

// Replace takes the application's consent away and grants it anew with other permissions. Between the two the application has
// none. Where only the second fails, call [Partner.Consent].
func (p *Partner) Replace(ctx context.Context, entraID string, grants ...Grant) error {
	return p.consent(ctx, entraID, grants, true)
}

func (p *Partner) consent(ctx context.Context, entraID string, grants []Grant, replace bool) error {
	id, err := p.customerID(entraID)
	if err != nil {
		return err
	}
	body, err := p.consentBody(grants)
	if err != nil {
		return err
	}
	b := p.newBudget()
	if replace {
		if err := p.Unconsent(ctx, id); err != nil {
			return err
		}
	}
	defer p.tokens.forget(id)
	for tries := 1; ; tries++ {
		err := p.callCenter(ctx, http.MethodPost, "/v1/customers/"+id+"/applicationconsents", body)
		e, answered := errors.AsType[*Error](err)
		there := answered && e.exists
		switch {
		case err == nil, there && !replace:
			p.tokens.forget(id)
			return p.effective(ctx, b, id, grants)
		case !there && (!errors.Is(err, ErrRelationship) || tries >= maxUnknown):
			return fmt.Errorf("gdap: consent in the tenant %s: %w", id, err)
		}
		if more, perr := b.wait(ctx); perr != nil {
			return perr
		} else if !more {
			return fmt.Errorf("gdap: consent in the tenant %s: %w", id, err)
		}
		if there {
			// It is the old one still, or already the new one where an answer was lost. Removing it is right for both.
			if err := p.Unconsent(ctx, id); err != nil {
				return err
			}
		}
	}
}

// effective waits until Entra knows of the consent.
func (p *Partner) effective(ctx context.Context, b *budget, id string, grants []Grant) error {
	graph := false
	for _, g := range grants {
		graph = graph || g.Resource == "" || strings.EqualFold(g.Resource, Graph)
	}
	if !graph || p.o.Lag < 0 {
		return nil
	}
	for {
		_, err := p.token(ctx, id, policy.TokenRequestOptions{Scopes: []string{p.o.Cloud.Scope()}})
		e, refused := errors.AsType[*entra.TokenError](err)
		if err == nil {
			return nil
		}
		if !errors.Is(err, entra.ErrConsent) && (!refused || e.Permanent()) {
			return fmt.Errorf("gdap: consent was given in the tenant %s, but there is no token: %w", id, err)
		}
		if more, perr := b.wait(ctx); perr != nil {
			return perr
		} else if !more {
			return fmt.Errorf("gdap: consent was given in the tenant %s, but Entra does not know of it yet: try again in some minutes: %w", id, err)
		}
	}
}

// Unconsent takes the application's consent in a customer's tenant away. That there is none is no error. Access tokens that
// are out stay good until they expire, for a day at most.
func (p *Partner) Unconsent(ctx context.Context, entraID string) error {
	id, err := p.customerID(entraID)
	if err != nil {
		return err
	}
	defer p.tokens.forget(id)
	err = p.callCenter(ctx, http.MethodDelete, "/v1/customers/"+id+"/applicationconsents/"+p.o.ClientID, nil)
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusNotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("gdap: remove the consent in the tenant %s: %w", id, err)
	}
	return nil
}

func (p *Partner) customerID(entraID string) (string, error) {
	id, err := entra.CanonicalID(entraID)
	switch {
	case err != nil:
		return "", err
	case id == p.o.PartnerTenant:
		return "", fmt.Errorf("gdap: the partner's own tenant is no customer: %w", mspkit.ErrInvalid)
	case p.center == nil:
		return "", fmt.Errorf("gdap: Cloud.PartnerCenter is not set: this cloud has none: %w", mspkit.ErrInvalid)
	}
	return id, nil
}

// callCenter calls Partner Center with a token of the partner's user. Every method here may be repeated: that something is done
// already is told apart.
func (p *Partner) callCenter(ctx context.Context, method, path string, body []byte) error {
	request := uuid.NewString()
	err := p.tryCenter(ctx, method, path, body, request, false)
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusUnauthorized {
		err = p.tryCenter(ctx, method, path, body, request, true) // the token may have been revoked meanwhile
	}
	return err
}

func (p *Partner) tryCenter(ctx context.Context, method, path string, body []byte, request string, fresh bool) error {
	token, err := p.tokens.get(ctx, want{tenant: p.o.PartnerTenant, scope: p.o.Cloud.PartnerScope(), fresh: fresh}, p.redeem)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(httpx.Idempotent(ctx), method, p.o.Cloud.PartnerCenter+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("gdap: the request to Partner Center cannot be made: %w", mspkit.ErrInvalid)
	}
	req.Header.Set("Authorization", "Bearer "+token.Token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Ms-Requestid", request)
	req.Header.Set("Ms-Correlationid", request)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := httpx.Do(p.center, req)
	if err != nil {
		return fmt.Errorf("gdap: Partner Center: %w: %w", entra.ErrUnavailable, err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	if resp.StatusCode/100 == 2 {
		return nil
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		answer = nil // the status says enough
	}
	return newCenterError(resp.StatusCode, resp.Header, answer, p.o.Now())
}

var codePattern = regexp.MustCompile(`^[A-Za-z0-9_.]{1,40}$`)

// centerText reads Partner Center's error: its code, which is empty where it does not look like one, and its text.
func centerText(body []byte) (code, text string) {
	var b struct {
		Code        json.RawMessage
		Description string
		Message     string
	}
	if json.Unmarshal(body, &b) != nil {
		return "", string(body)
	}
	if code = strings.Trim(string(b.Code), `"`); !codePattern.MatchString(code) {
		code = ""
	}
	return code, b.Description + " " + b.Message
}

// budget is what is left of [Options.Lag].
type budget struct {
	p    *Partner
	left time.Duration
	next time.Duration
}

func (p *Partner) newBudget() *budget { return &budget{p, p.o.Lag, time.Second} }

// wait waits longer each time; it returns false at once where the budget is used up.
func (b *budget) wait(ctx context.Context) (bool, error) {
	if b.left <= 0 {
		return false, nil
	}
	d := min(b.next, b.left)
	b.left, b.next = b.left-d, min(2*b.next, 15*time.Second)
	if err := b.p.pause(ctx, d); err != nil {
		return false, fmt.Errorf("gdap: wait for Microsoft's directories to agree: %w", err)
	}
	return true, nil
}
