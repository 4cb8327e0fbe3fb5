package entra

import (
	"context"
	"errors"
	"time"
)

// The errors of [Authorize].
var (
	// ErrNoSession means that nobody is signed in.
	ErrNoSession = errors.New("entra: nobody is signed in")
	// ErrForbidden means that whoever is signed in may not do this.
	ErrForbidden = errors.New("entra: this is not allowed to who is signed in")
)

// User is who is signed in, for one request.
type User struct {
	// Owner is the MSP whose software it is, as the host names it.
	Owner string
	// ID is the host's id of the person, Name is for showing.
	ID, Name string
	// TenantID and ObjectID are who they are in Entra. Both are empty where the host signed them in by itself.
	TenantID, ObjectID string
	// Role, UI and Policy say what they may do.
	Role   Role
	UI     UI
	Policy Policy
	// MFA is whether the host must see a second factor of this person ("Use MFA"), Factor when it saw one in this session; zero is
	// not yet. Without it a person with MFA may do nothing.
	MFA    bool
	Factor time.Time
	// Session is the id of the session, which may be logged.
	Session string
	// AuthTime is when they gave their credentials last, ACRS which authentication contexts were satisfied.
	AuthTime time.Time
	ACRS     []string
}

// May reports whether the person has the permission now. Nil has none.
func (u *User) May(p Permission) bool {
	return u != nil && (!u.MFA || !u.Factor.IsZero()) && u.Policy.Allows(u.Role, u.UI, p)
}

type userKey struct{}

// WithUser returns a context in which u is signed in. Only what has checked a session may call it, such as [SSO.Load].
func WithUser(ctx context.Context, u *User) context.Context {
	return context.WithValue(ctx, userKey{}, u)
}

// UserOf returns who is signed in, or nil.
func UserOf(ctx context.Context) *User {
	u, _ := ctx.Value(userKey{}).(*User)
	return u
}

// Authorize reports whether who is signed in has the permission: nil where they do, [ErrNoSession] where nobody is signed in,
// [ErrForbidden] otherwise. It allocates nothing.
func Authorize(ctx context.Context, p Permission) error {
	u := UserOf(ctx)
	if u == nil {
		return ErrNoSession
	}
	if !u.May(p) {
		return ErrForbidden
	}
	return nil
}
