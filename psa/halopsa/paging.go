package halopsa

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit/psa"
)

// position is where a listing goes on.
type position struct {
	// count is how many records come up to the last one, as far as is known, and last is the id of that one.
	count int
	last  int64
	// page, size and total are for CountedPages instead.
	page, size, total int
}

// pageOf is one answer of the server.
type pageOf[T any] struct {
	items []T
	total int // of all pages, 0 where it is not told
	size  int // that the server used, 0 where it is not told
}

// lister reads one kind of records.
type lister[T any] struct {
	op    string
	fetch func(ctx context.Context, page, size int) (pageOf[T], error)
	id    func(*T) int64
}

// window is a page of the server: the records from (page-1)*size on.
type window struct{ page, size int }

func (w window) begin() int { return (w.page - 1) * w.size }

// covering returns the window of at most limit records that has the record at index at, and as many of the want records
// behind it as possible. A negative at is the beginning.
//
// The server only has pages by number, so that most windows begin somewhat before at. Among the sizes up to limit there is
// nearly always one that begins close to it: a hundred thousand records take 1,143 pages instead of 1,000.
func covering(at, want, limit int) window {
	if at < 0 {
		return window{1, min(want, limit)}
	}
	best, gain := window{}, -1
	for size := limit; size > limit/2; size-- {
		if behind := min(size-at%size-1, want); behind > gain {
			best, gain = window{at/size + 1, size}, behind
		}
		if gain == want {
			break
		}
	}
	return best
}

// minPage is the smallest page of which there is always a window that covers one record and more behind it.
const minPage = 20

// maxSteps bounds how often one call looks for where it goes on.
const maxSteps = 50

// next reads the page after p. Records are in the order of their ids, and each window begins with a record that was seen,
// so that nothing between it and the last record of the window is missing. Where records before it went away meanwhile, so
// that the window begins with one that was not seen, it goes back until it finds one. What does not change is never
// skipped, and may come again only where something was put in between.
func (l lister[T]) next(ctx context.Context, c *Client, p position, want int) (items []T, next position, more bool, err error) {
	for range maxSteps {
		limit := maxPage
		if n := int(c.most.Load()); n > 0 {
			limit = n
		}
		w := covering(p.count-1, want, limit)
		got, err := l.fetch(ctx, w.page, w.size)
		if err != nil {
			return nil, position{}, false, err
		}
		if got.size > 0 && got.size < w.size { // the server gives less than was asked for
			if got.size < minPage {
				return nil, position{}, false, &psa.Error{
					System: Name, Op: l.op, Err: psa.ErrUnsupported, Advice: "the pages of this HaloPSA are too small; set Options.Paging to CountedPages",
				}
			}
			c.most.Store(int32(got.size))
			continue
		}
		if !slices.IsSortedFunc(got.items, func(a, b T) int { return cmpID(l.id(&a), l.id(&b)) }) {
			return nil, position{}, false, &psa.Error{
				System: Name, Op: l.op, Err: psa.ErrUnsupported, Advice: "this HaloPSA does not order by id; set Options.Paging to CountedPages",
			}
		}
		begin, end := w.begin(), w.begin()+len(got.items)
		switch {
		case len(got.items) == 0 && begin == 0:
			return nil, position{}, false, nil
		case len(got.items) == 0:
			p.count = begin // there are fewer than there were
			if got.total > 0 {
				p.count = min(begin, got.total)
			}
			continue
		case begin > 0 && l.id(&got.items[0]) > p.last:
			p.count = begin
			continue
		}
		fresh := got.items[l.seen(got.items, p.last):]
		switch {
		case len(fresh) == 0 && len(got.items) < w.size:
			return nil, position{}, false, nil
		case len(fresh) == 0:
			p.count = end // something was put before
			continue
		}
		more = len(got.items) >= w.size || end < got.total
		if drop := len(fresh) - want; drop > 0 {
			end, fresh, more = end-drop, fresh[:want], true
		}
		return fresh, position{count: end, last: l.id(&fresh[len(fresh)-1])}, more, nil
	}
	return nil, position{}, false, &psa.Error{System: Name, Op: l.op, Err: psa.ErrUnavailable, Advice: "too much changes while it is listed; try again later"}
}

// seen returns how many of items come up to last.
func (l lister[T]) seen(items []T, last int64) int {
	n, _ := slices.BinarySearchFunc(items, last, func(v T, last int64) int {
		if l.id(&v) <= last {
			return -1
		}
		return 1
	})
	return n
}

func cmpID(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// counted reads page after page.
func (l lister[T]) counted(ctx context.Context, p position, want int) (items []T, next position, more bool, err error) {
	p.page++
	if p.size == 0 {
		p.size = want
	}
	got, err := l.fetch(ctx, p.page, p.size)
	if err != nil {
		return nil, position{}, false, err
	}
	if p.page > 1 && got.total < p.total {
		return nil, position{}, false, &psa.Error{System: Name, Op: l.op, Err: psa.ErrCursor, Advice: "records went away while they were listed; begin again"}
	}
	if got.size > 0 && got.size < p.size {
		p.size = got.size
	}
	p.total = got.total
	return got.items, p, len(got.items) > 0 && p.page*p.size < got.total, nil
}

// list is one page of a listing with its cursors.
func (l lister[T]) list(ctx context.Context, c *Client, q psa.Query) (items []T, cursor string, err error) {
	want := maxPage
	if q.Limit > 0 {
		want = min(q.Limit, maxPage)
	}
	p, err := parseCursor(q, c.opts.Paging)
	if err != nil {
		return nil, "", &psa.Error{System: Name, Op: l.op, Err: err, Advice: "it is of another listing or another version; begin again"}
	}
	var next position
	var more bool
	if c.opts.Paging == CountedPages {
		items, next, more, err = l.counted(ctx, p, want)
	} else {
		items, next, more, err = l.next(ctx, c, p, want)
	}
	if err != nil || !more {
		return items, "", err
	}
	return items, next.cursor(q, c.opts.Paging), nil
}

// cursor writes p down with a mark of what was asked for.
func (p position) cursor(q psa.Query, way Paging) string {
	return fmt.Sprintf("1.%d.%d.%d.%d.%d.%d.%s", way, p.count, p.last, p.page, p.size, p.total, mark(q))
}

func parseCursor(q psa.Query, way Paging) (position, error) {
	if q.Cursor == "" {
		return position{}, nil
	}
	parts := strings.Split(q.Cursor, ".")
	if len(parts) != 8 || parts[0] != "1" || parts[1] != strconv.Itoa(int(way)) || parts[7] != mark(q) {
		return position{}, psa.ErrCursor
	}
	var n [5]int64
	for i := range n {
		v, err := strconv.ParseInt(parts[i+2], 10, 64)
		if err != nil || v < 0 || i != 1 && v > 1<<31 {
			return position{}, psa.ErrCursor
		}
		n[i] = v
	}
	return position{count: int(n[0]), last: n[1], page: int(n[2]), size: int(n[3]), total: int(n[4])}, nil
}

// mark tells listings apart.
func mark(q psa.Query) string {
	h := fnv.New32a()
	_, _ = fmt.Fprintf(h, "%q %d %v", q.CompanyID, q.Since.UnixNano(), q.Inactive)
	return strconv.FormatUint(uint64(h.Sum32()), 36)
}
