package changefeed

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/mspkit/mspkit/internal/graphx"
)

// cursor is where reading what was missed goes on. It holds links of Graph and is sealed.
type cursor struct {
	// Link is the next page of what is being read.
	Link string `json:"link,omitempty"`
	// Of is the user or team that Link is of, After the one before, Rest users still to be read, Users the next page of their
	// list.
	Of    string   `json:"of,omitempty"`
	After string   `json:"after,omitempty"`
	Rest  []string `json:"rest,omitempty"`
	Users string   `json:"users,omitempty"`
	// Listed counts the users that were listed.
	Listed int `json:"listed,omitempty"`
	// Delta is where changes of users go on.
	Delta string `json:"delta,omitempty"`
}

// What one step of a backfill reads at most, before it is stored.
const (
	pageSize  = 50
	stepPages = 20
	stepBytes = 4 << 20
	// giveUpTries is how often in a row reading what was missed fails until it is given up.
	giveUpTries = 8
)

// lostError says that what was missed cannot be read, with the words of a [Gap].
type lostError string

func (e lostError) Error() string { return string(e) }

func (t *turn) cursor() cursor {
	var c cursor
	if b, err := t.k.c.box.Open(t.s.Cursor, "cursor", string(t.s.Tenant), t.s.Key); err == nil {
		_ = json.Unmarshal(b, &c) // what cannot be read is begun anew
	}
	return c
}

func (t *turn) keepCursor(c cursor) {
	b, err := json.Marshal(c)
	if err != nil {
		b = nil // texts and numbers are always written; reading begins anew
	}
	t.s.Cursor = t.k.c.box.Seal(b, "cursor", string(t.s.Tenant), t.s.Key)
}

// backfill reads what was missed and has it accepted like notifications, step by step. After each the record says where to go
// on. Without a gap it keeps the link to changes of users fresh.
func (t *turn) backfill(ctx context.Context) error {
	if t.s.GapFrom.IsZero() {
		return t.fresh(ctx)
	}
	if t.s.GapTo.IsZero() {
		t.s.GapTo = t.k.now()
	}
	if least := t.k.now().Add(-t.k.o.MaxGap); t.s.GapFrom.Before(least) {
		t.lost(ctx, t.s.GapFrom, least, "it is longer ago than is read again")
		t.s.GapFrom = stored(least)
	}
	c := t.cursor()
	for {
		if t.host.Err() != nil || !t.k.now().Before(t.over) {
			t.s.State, t.s.Due = Active, t.k.now()
			if err := t.release(ctx); err != nil {
				return err
			}
			return errEnough
		}
		items, done, err := t.read(ctx, &c)
		if err != nil {
			return t.unread(ctx, err)
		}
		if err := t.k.half.accept(ctx, items); err != nil {
			return t.rest(ctx, Active, "what was missed cannot be stored: look at the log", t.k.o.Retry)
		}
		if err := t.at("accepted"); err != nil {
			return err
		}
		t.s.Tries = 0
		if done {
			t.s.GapFrom, t.s.GapTo = time.Time{}, time.Time{}
			c = cursor{Delta: c.Delta}
		}
		t.keepCursor(c)
		if err := t.save(ctx); err != nil {
			return err
		}
		if done {
			return nil
		}
	}
}

// unread decides what becomes of a gap that could not be read. The subscription delivers all the same.
func (t *turn) unread(ctx context.Context, err error) error {
	var lost lostError
	f := faultOf(err, t.r)
	switch {
	case errors.As(err, &lost):
	case f == nil:
		return err
	case f.state == Failing && t.s.Tries < giveUpTries:
		return t.rest(ctx, Active, "what was missed cannot be read yet: "+f.words, f.wait(t.k.o.Retry))
	default:
		lost = lostError(f.words)
	}
	t.lost(ctx, t.s.GapFrom, t.s.GapTo, string(lost))
	t.s.GapFrom, t.s.GapTo, t.s.Cursor = time.Time{}, time.Time{}, nil
	if err := t.save(ctx); err != nil {
		return err
	}
	return t.fresh(ctx)
}

// lost tells of a gap that stays.
func (t *turn) lost(ctx context.Context, from, to time.Time, reason string) {
	t.k.c.o.Logger.WarnContext(ctx, "changefeed: what was missed cannot be read", slog.String("tenant", string(t.s.Tenant)),
		slog.String("kind", string(t.r.Kind())), slog.Time("from", from), slog.Time("to", to), slog.String("reason", reason))
	if t.k.o.OnGap != nil {
		t.k.o.OnGap(ctx, Gap{Tenant: t.s.Tenant, Resource: t.r, From: from, To: to, Reason: reason})
	}
}

// trackedUser are the properties whose changes the link tells of: Graph tells of those selected only
// (https://learn.microsoft.com/graph/delta-query-users). The content is not used.
const trackedUser = "id,displayName,givenName,surname,userPrincipalName,mail,accountEnabled,userType,usageLocation,preferredLanguage," +
	"jobTitle,department,companyName,officeLocation,businessPhones,mobilePhone,proxyAddresses,assignedLicenses"

// fresh fetches a new link to changes of users, where the resource has one.
func (t *turn) fresh(ctx context.Context) error {
	if t.r.what != allUsers {
		return nil
	}
	links, err := t.k.c.graph.Page(ctx, &graphx.Request{
		Tenant: t.s.Tenant, Path: "/users/delta", Query: map[string][]string{"$deltatoken": {"latest"}, "$select": {trackedUser}},
	}, func(json.RawMessage) error { return nil })
	if err != nil && faultOf(err, t.r) == nil {
		return err
	}
	if links.Delta == "" {
		return nil // the one before works for some days; a gap that has none is told
	}
	t.keepCursor(cursor{Delta: links.Delta})
	return t.save(ctx)
}
