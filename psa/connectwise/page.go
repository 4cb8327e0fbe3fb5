package connectwise

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/internal/api"
)

// listing is a list that is read in pages.
type listing struct {
	op                string
	path              []string
	conditions, child string
}

const (
	// maxAddress is how long an address may be; longer conditions go into the body of a search (developer guide).
	maxAddress = 2000
	maxPages   = 1000
)

// page reads one page after the cursor, which names the last id before it. Where the answer is too big it asks for a quarter.
func page[T any](ctx context.Context, c *Client, l listing, cursor string, limit int, idOf func(*T) int64) ([]T, string, error) {
	after, err := l.open(c.opts.Paging, cursor)
	if err != nil {
		return nil, "", err
	}
	if limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	for {
		items, next, err := pageOf(ctx, c, l, after, limit, idOf)
		if !errors.Is(err, api.ErrTooBig) || limit == 1 {
			return items, next, err
		}
		limit = max(limit/4, 1)
	}
}

func pageOf[T any](ctx context.Context, c *Client, l listing, after int64, limit int, idOf func(*T) int64) ([]T, string, error) {
	r := request{op: l.op, method: http.MethodGet, path: l.path, query: url.Values{"pageSize": {strconv.Itoa(limit)}}, header: http.Header{}}
	conditions, order := l.conditions, ""
	switch c.opts.Paging {
	case ForwardOnly:
		r.header.Set("pagination-type", "forward-only")
		if after > 0 {
			r.query.Set("pageId", id(after))
		}
	case ByID:
		order = "id asc"
		r.query.Set("page", "1")
		if after > 0 {
			conditions = and("id>"+id(after), conditions)
		}
	}
	r = c.ask(r, conditions, l.child, order)
	var items []T
	h, err := c.call(ctx, r, &items)
	if err != nil {
		return nil, "", err
	}
	if items == nil { // null: it must not pass for a list of nobody
		return nil, "", fail(l.op, psa.ErrUnavailable, "the answer is no list; is there something in front of the API?")
	}
	next, err := c.after(l, r, h, len(items) >= limit)
	if err != nil {
		return nil, "", err
	}
	switch {
	case next < 0:
		return items, "", nil
	case next == 0: // by id
		for i := range items {
			next = max(next, idOf(&items[i]))
		}
	}
	if next <= after {
		return nil, "", fail(l.op, psa.ErrUnavailable, "the pages do not go forward")
	}
	return items, l.cursor(c.opts.Paging, next), nil
}

// ask puts the conditions into the query, or into the body of a search where the address would be too long.
func (c *Client) ask(r request, conditions, child, order string) request {
	parts := map[string]string{"conditions": conditions, "childConditions": child, "orderBy": order}
	long := r
	long.query = maps.Clone(r.query)
	for k, v := range parts {
		if v != "" {
			long.query.Set(k, v)
		} else {
			delete(parts, k)
		}
	}
	const codebase = 40 // that it may have at most
	if len(c.address("", long).String())+codebase <= maxAddress {
		return long
	}
	r.method, r.path, r.body, r.search = http.MethodPost, append(append([]string{}, r.path...), "search"), parts, true
	return r
}

// after returns the id after which the next page begins: -1 where this is the last one, and 0 where the items tell.
func (c *Client) after(l listing, r request, h http.Header, full bool) (int64, error) {
	links := h.Values("Link")
	next, more := nextLink(links)
	if more {
		// The address is not used as it stands, but one that leads elsewhere means that something is wrong.
		u, err := api.Page(Name, l.op, c.address("", r), next)
		if err != nil {
			return 0, err
		}
		if c.opts.Paging == ByID {
			return 0, nil
		}
		n, err := strconv.ParseInt(u.Query().Get("pageId"), 10, 32)
		if err != nil || n <= 0 {
			return 0, fail(l.op, psa.ErrUnavailable, "the next page has no id")
		}
		return n, nil
	}
	if full && len(links) == 0 {
		if c.opts.Paging == ByID {
			return 0, nil
		}
		// Forward-only answers always have the header, empty at the end: without it the rest would be lost silently.
		return 0, fail(l.op, psa.ErrUnavailable, "the answer has no Link header; does a proxy take it out? Options.Paging can do without")
	}
	return -1, nil
}

// each reads every page and gives it to do, so that no more than one is held.
func each[T any](ctx context.Context, c *Client, l listing, idOf func(*T) int64, do func([]T) error) error {
	cursor := ""
	for range maxPages {
		items, next, err := page(ctx, c, l, cursor, maxPage, idOf)
		if err == nil {
			err = do(items)
		}
		if err != nil || next == "" {
			return err
		}
		cursor = next
	}
	return fail(l.op, psa.ErrUnavailable, "the pages do not end")
}

// print is what a cursor belongs to.
func (l listing) print(p Paging) string {
	sum := sha256.Sum256([]byte(strconv.Itoa(int(p)) + "\n" + strings.Join(l.path, "/") + "\n" + l.conditions + "\n" + l.child))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

func (l listing) cursor(p Paging, after int64) string { return l.print(p) + "." + id(after) }

// open reads a cursor.
func (l listing) open(p Paging, cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	begin, last, _ := strings.Cut(cursor, ".")
	n, err := strconv.ParseInt(last, 10, 32)
	if err != nil || n <= 0 || begin != l.print(p) {
		return 0, fail(l.op, psa.ErrCursor, "it belongs to another listing; begin again")
	}
	return n, nil
}

var errLink = errors.New("no link")

// nextLink finds the address with rel="next" in Link headers (RFC 8288). An empty header, or one that cannot be read, has
// none.
func nextLink(headers []string) (string, bool) {
	for _, h := range headers {
		for rest := h; ; {
			target, params, tail, err := cutLink(rest)
			if err != nil {
				break
			}
			if hasRel(params, "next") {
				return target, true
			}
			rest = tail
		}
	}
	return "", false
}

// cutLink takes the first link off a header.
func cutLink(s string) (target string, params []string, rest string, err error) {
	s = strings.TrimLeft(s, " \t,")
	if !strings.HasPrefix(s, "<") {
		return "", nil, "", errLink
	}
	target, s, ok := strings.Cut(s[1:], ">")
	if !ok {
		return "", nil, "", errLink
	}
	begin, quoted := 0, false
	for i := 0; ; i++ {
		if i == len(s) {
			return target, append(params, s[begin:]), "", nil
		}
		switch ch := s[i]; {
		case ch == '"':
			quoted = !quoted
		case quoted && ch == '\\' && i+1 < len(s):
			i++
		case !quoted && ch == ';':
			params, begin = append(params, s[begin:i]), i+1
		case !quoted && ch == ',':
			return target, append(params, s[begin:i]), s[i+1:], nil
		}
	}
}

func hasRel(params []string, rel string) bool {
	for _, p := range params {
		k, v, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(k), "rel") {
			continue
		}
		for word := range strings.FieldsSeq(strings.Trim(strings.TrimSpace(v), `"`)) {
			if strings.EqualFold(word, rel) {
				return true
			}
		}
	}
	return false
}
