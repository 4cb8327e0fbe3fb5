package entra

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
)

// The longest texts of a connection that are kept, in runes.
const (
	maxName    = 256
	maxProblem = 1000
)

// Health is what a list of connected tenants says of one.
type Health string

// The states of health.
const (
	HealthOK      Health = "ok"
	HealthProblem Health = "problem"
	// HealthUnknown is of a connection that was never checked.
	HealthUnknown Health = "unknown"
	// HealthExpiring is of one that ends within 30 days, HealthExpired of one that has ended.
	HealthExpiring Health = "expiring"
	HealthExpired  Health = "expired"
)

// soon is how long before its end a connection is said to expire.
const soon = 30 * 24 * time.Hour

// Health returns the state of a connection: its end first, then what the last check found.
func (c Connection) Health(now time.Time) Health {
	switch {
	case c.Expired(now):
		return HealthExpired
	case c.Problem != "":
		return HealthProblem
	case !c.ExpiresAt.IsZero() && c.ExpiresAt.Sub(now) <= soon:
		return HealthExpiring
	case c.CheckedAt.IsZero():
		return HealthUnknown
	}
	return HealthOK
}

// Connections lists what an owner has connected, ordered by tenant and integration. An owner is required: who may see
// everybody's asks the store.
func (c *Consent) Connections(ctx context.Context, owner string) ([]Connection, error) {
	if err := validName("owner", owner); err != nil {
		return nil, err
	}
	return c.store.Connections(ctx, owner)
}

// Check asks a connected tenant with [ConsentOptions.Check] whether the connection works, notes what came of it, and returns
// the connection as it is now. A connection that does not work is no error: see its Problem. [ErrNotConnected] where there is
// none of the owner's.
func (c *Consent) Check(ctx context.Context, tenant mspkit.TenantID, integration, owner string) (Connection, error) {
	conn, err := c.store.Connection(ctx, tenant, integration)
	if err != nil {
		return Connection{}, err
	}
	if conn.Owner != owner {
		return Connection{}, ErrNotConnected
	}
	if c.o.Check == nil {
		return conn, fmt.Errorf("entra: check: ConsentOptions.Check is not set: %w", mspkit.ErrInvalid)
	}
	conn = c.check(ctx, conn)
	if err := ctx.Err(); err != nil {
		return Connection{}, err // what failed because nobody waits is not the connection's problem
	}
	if err := c.still(ctx, conn); err != nil {
		return Connection{}, err
	}
	return conn, c.store.Checked(ctx, tenant, integration, conn.CheckedAt, conn.Problem)
}

// still returns [ErrNotConnected] where a connection was released while the tenant was asked, or is another one by now: what was
// found says nothing of that.
func (c *Consent) still(ctx context.Context, conn Connection) error {
	now, err := c.store.Connection(ctx, conn.Tenant, conn.Integration)
	if err != nil {
		return err
	}
	if now.Owner != conn.Owner || now.EntraID != conn.EntraID || now.Via != conn.Via || !now.ExpiresAt.Equal(conn.ExpiresAt) ||
		now.ConnectedAt.UnixMicro() != conn.ConnectedAt.UnixMicro() {
		return ErrNotConnected
	}
	return nil
}

// check returns conn with what the host's Check said.
func (c *Consent) check(ctx context.Context, conn Connection) Connection {
	org, err := c.o.Check(ctx, conn)
	conn.CheckedAt, conn.Problem = c.o.Now(), ""
	if err != nil {
		conn.Problem = cleantext.Line(Problem(err), maxProblem)
		return conn
	}
	if name := cleantext.Line(org.Name, maxName); name != "" {
		conn.Name = name
	}
	if domain := cleantext.Line(org.Domain, maxName); domain != "" {
		conn.Domain = domain
	}
	return conn
}

// Problem returns what an error of a token or a request means to an administrator, for [Connection.Problem].
func Problem(err error) string {
	if e, ok := errors.AsType[*TokenError](err); ok {
		return e.Error()
	}
	var advisor interface{ Advice() string }
	if errors.As(err, &advisor) && advisor.Advice() != "" {
		return advisor.Advice()
	}
	return err.Error()
}

// Release ends a connection, so that the tenant of Microsoft 365 may be connected by others. The application's consent stays
// in the tenant until its administrator deletes the enterprise application there. [ErrNotConnected] where there is no such
// connection of the owner's.
func (c *Consent) Release(ctx context.Context, tenant mspkit.TenantID, integration, owner string) error {
	return c.store.Release(ctx, tenant, integration, owner)
}
