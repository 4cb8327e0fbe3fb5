package graphx

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
)

// List is the items of all pages that begin with r, one after the other. Header and Eventual of r go with each page. raw is
// valid until the next item. The list ends with the first error, which is [ErrCircle] where the pages lead back to one that
// was there, or are more than [Options].MaxPages. For delta use [Client.Page], page by page, and keep the links.
//
// What is said at [Client.Page] about calls in between is true here too.
func (c *Client) List(ctx context.Context, r *Request) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		err := c.pages(r, func(r *Request) (Links, error) {
			return c.Page(ctx, r, func(raw json.RawMessage) error {
				if !yield(raw, nil) {
					return errStop
				}
				return nil
			})
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, err)
		}
	}
}

// ListOf is [Client.List] with items that are decoded already.
func ListOf[T any](ctx context.Context, c *Client, r *Request) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		err := c.pages(r, func(r *Request) (Links, error) {
			return PageOf(ctx, c, r, func(item *T) error {
				if !yield(*item, nil) {
					return errStop
				}
				return nil
			})
		})
		if err != nil && !errors.Is(err, errStop) {
			var zero T
			yield(zero, err)
		}
	}
}

// errStop ends a list that its reader has left.
var errStop = errors.New("graphx: the reader of the list has left")

// pages calls page with r and then with what follows it.
func (c *Client) pages(r *Request, page func(*Request) (Links, error)) error {
	next := *r
	// A circle is found without keeping all links: seen moves on to page 1, 2, 4, 8 …, so that a circle comes back to it
	// after its own length at most, from then on.
	var seen string
	for n, power := 1, 1; ; n++ {
		links, err := page(&next)
		if err != nil {
			return err
		}
		switch {
		case links.Next == "":
			return nil
		case links.Next == seen, links.Next == next.Path, n >= c.o.MaxPages:
			return ErrCircle
		}
		if n == power {
			seen, power = links.Next, power*2
		}
		next.Method, next.Version, next.Query, next.Body = http.MethodGet, "", nil, nil
		next.Path = links.Next
	}
}
