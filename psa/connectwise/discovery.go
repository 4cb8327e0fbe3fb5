package connectwise

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/internal/api"
)

// discovery is what a site says of its release. It is asked for when it is first needed, once for all who wait.
type discovery struct {
	mu       sync.Mutex
	codebase string // ends with a slash; empty is not known
	version  string
	flight   *flight
}

type flight struct {
	done chan struct{}
	err  error
	gone bool // the one who asked gave up: ask again
}

func (d *discovery) versionOf() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.version
}

// codebase returns the codebase that is known, or asks for it.
func (c *Client) codebase(ctx context.Context, op string) (string, error) {
	return c.discover(ctx, op, func(known string) bool { return known != "" })
}

// recheck returns the codebase, asked for anew unless somebody else did so since old was read. A fixed one is not.
func (c *Client) recheck(ctx context.Context, op, old string) (string, error) {
	if c.opts.Codebase != "" {
		return old, nil
	}
	asked := false
	code, err := c.discover(ctx, op, func(known string) bool {
		enough := asked || known != old
		asked = true
		return enough
	})
	if err != nil {
		e := asError(err)
		e.Advice = "the API answers that there is no such address, and the site does not tell whether an upgrade has moved it; " + e.Advice
	}
	return code, err
}

// discover returns the codebase once enough says so of what is known, and asks the site until then. Errors are not kept.
func (c *Client) discover(ctx context.Context, op string, enough func(known string) bool) (string, error) {
	for {
		d := &c.found
		d.mu.Lock()
		if enough(d.codebase) {
			code := d.codebase
			d.mu.Unlock()
			return code, nil
		}
		if f := d.flight; f != nil {
			d.mu.Unlock()
			select {
			case <-f.done:
			case <-ctx.Done():
				return "", fail(op, fmt.Errorf("%w: %w", psa.ErrUnavailable, ctx.Err()), "")
			}
			if f.err != nil && !f.gone {
				return "", renamed(f.err, op)
			}
			continue
		}
		f := &flight{done: make(chan struct{})}
		d.flight = f
		d.mu.Unlock()

		code, version, err := c.companyInfo(ctx, op)
		d.mu.Lock()
		if err == nil {
			d.codebase, d.version = code, version
		}
		f.err, f.gone, d.flight = err, ctx.Err() != nil, nil
		d.mu.Unlock()
		close(f.done)
		if err != nil {
			return "", renamed(err, op)
		}
	}
}

// renamed is err for one of those who waited. The error itself is not shared, because its fields are exported.
func renamed(err error, op string) error {
	e := *asError(err)
	e.Op = op
	return &e
}

// companyInfo asks the site, without credentials.
func (c *Client) companyInfo(ctx context.Context, op string) (codebase, version string, err error) {
	var info *struct {
		Codebase      string `json:"Codebase"`
		VersionCode   string `json:"VersionCode"`
		VersionNumber string `json:"VersionNumber"`
	}
	_, err = c.open.Do(ctx, api.Request{Op: op, Method: http.MethodGet, URL: c.login.JoinPath("login", "companyinfo", c.company)}, &info)
	switch {
	case is404(err):
		e := asError(err)
		e.Err, e.Advice = psa.ErrUnavailable, "there is no ConnectWise PSA at this address; is the site right?"
		return "", "", e
	case err != nil:
		return "", "", err
	case info == nil: // null: developer guide
		return "", "", fail(op, psa.ErrUnauthorized, "the site does not know the company id; check the id, and that the region is the right one (na, eu, au, aus, za)")
	case !validCodebase(info.Codebase):
		return "", "", fail(op, psa.ErrUnavailable, "the site does not say which release it has; is it the address at which people sign in?")
	}
	version = info.VersionNumber
	if version == "" {
		version = info.VersionCode
	}
	return strings.TrimSuffix(info.Codebase, "/") + "/", api.Clean(version), nil
}
