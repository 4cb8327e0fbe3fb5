package graphcontacts

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/cursor"
)

const (
	owner   = "graphcontacts"
	version = 1
	// ahead is how far in the future the times of a cursor may be.
	ahead = time.Hour
)

// state is what a cursor says. Times are milliseconds since 1970.
type state struct {
	Version int `json:"v"`
	// Settings are a sum of what decides who is listed, and how.
	Settings string `json:"o"`
	// Query is that of the link of Graph where it goes on. Empty is the beginning.
	Query string `json:"q,omitempty"`
	// Inside is true within a run.
	Inside bool `json:"i,omitempty"`
	Whole  bool `json:"w,omitempty"`
	// Folder is the folder of a mailbox that is being listed.
	Folder string `json:"f,omitempty"`
	// Skip is how many objects of the page at Query were given, where there are more than were asked for. The page is asked
	// for again then: IDs are a sum of the ids that it had the first time, and Then and Last are where it led then, so that
	// what has changed since is told by what follows.
	Skip int    `json:"s,omitempty"`
	IDs  string `json:"d,omitempty"`
	Then string `json:"n,omitempty"`
	Last bool   `json:"e,omitempty"`
	// Full is when the last whole run began, Told when Query was given at the end of a run.
	Full int64 `json:"b,omitempty"`
	Told int64 `json:"t,omitempty"`
}

// sound refuses what no cursor of ours says: whoever stores cursors may have been fooled.
func (st state) sound(now int64) bool {
	latest := now + ahead.Milliseconds()
	if st.Version != version || st.Skip < 0 || (st.Skip == 0) != (st.IDs == "") || st.Full <= 0 || st.Full > latest || st.Told > latest {
		return false
	}
	if st.Query != "" && !printable(st.Query) || st.Then != "" && !printable(st.Then) {
		return false
	}
	if st.Inside {
		return st.Told >= 0 && (st.Whole || st.Query != "")
	}
	return st.Told > 0 && !st.Whole && st.Skip == 0 && st.Folder == "" && st.Query != ""
}

// onward keeps where a page leads, of which n more objects are given now. It is false where the page has no more.
func (st *state) onward(p *page, n int, then string, last bool) bool {
	if st.Skip+n >= len(p.entries) {
		return false
	}
	if st.Skip == 0 {
		st.IDs, st.Then, st.Last = p.sum(), then, last
	}
	st.Inside, st.Skip = true, st.Skip+n
	return true
}

// again refuses a page that was asked for again and has other objects than before: somebody might be on neither.
func (st *state) again(p *page) error {
	if st.Skip == 0 {
		return nil
	}
	if st.Skip >= len(p.entries) || p.sum() != st.IDs {
		return fmt.Errorf("%w: a page has changed since a part of it was given", contacts.ErrCursor)
	}
	return nil
}

// sum is one of the ids.
func (p *page) sum() string {
	h := sha256.New()
	for _, e := range p.entries {
		_, _ = fmt.Fprintf(h, "%d:%s", len(e.id), e.id)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12])
}

// encode returns st as a cursor that is of use for this tenant and feed only.
func encode(tenant mspkit.TenantID, feed string, st state) (contacts.Cursor, error) {
	out, err := cursor.Encode(st, owner, feed, string(tenant))
	if err != nil {
		return "", fmt.Errorf("write a cursor: %w", err)
	}
	if len(out) > contacts.MaxCursor {
		return "", fmt.Errorf("%w: a link of Graph has %d bytes, which is too long", contacts.ErrSource, len(st.Query))
	}
	return contacts.Cursor(out), nil
}

func decode(tenant mspkit.TenantID, feed string, c contacts.Cursor, now time.Time) (state, error) {
	var st state
	if !cursor.Decode(string(c), &st, owner, feed, string(tenant)) || !st.sound(now.UnixMilli()) {
		return state{}, fmt.Errorf("the cursor is foreign, damaged or out of date: %w", contacts.ErrCursor)
	}
	return st, nil
}

// linkQuery returns the query of a link of Graph, if it is a link of delta to this cloud. The rest of a link is not kept:
// the path is ours in every request, so that no link and no cursor leads to what was not asked for. Graph writes the
// function with and without its namespace and parentheses.
//
// Source: https://learn.microsoft.com/graph/delta-query-users.
func linkQuery(base, link string) (string, bool) {
	b, err := url.Parse(base)
	if err != nil {
		return "", false
	}
	u, err := url.Parse(link)
	if err != nil || u.Scheme != b.Scheme || !strings.EqualFold(u.Host, b.Host) || u.User != nil || u.Opaque != "" {
		return "", false
	}
	path := u.EscapedPath()
	function := path[strings.LastIndexByte(path, '/')+1:]
	function = strings.TrimPrefix(strings.TrimSuffix(function, "()"), "microsoft.graph.")
	return u.RawQuery, strings.HasPrefix(path, b.EscapedPath()+"/v1.0/") && function == "delta" && printable(u.RawQuery)
}

// printable reports whether a query can be sent as it is.
func printable(query string) bool {
	return query != "" && strings.IndexFunc(query, func(r rune) bool { return r <= ' ' || r > '~' || r == '#' }) < 0
}
