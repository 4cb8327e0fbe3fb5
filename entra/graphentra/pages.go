package graphentra

import (
	"context"
	"fmt"
)

// page is one page of a list, as the SDK's collection responses are.
type page[T any] interface {
	GetValue() []T
	GetOdataNextLink() *string
}

// maxPages bounds a list, so that one whose pages lead in a circle ends.
const maxPages = 500

// pages reads all pages of a list. get is called with the link to the next page, and with "" for the first. A link that leads to
// another host gets no token: see bearer.
func pages[T any](ctx context.Context, t *tenant, get func(ctx context.Context, next string) (page[T], error)) ([]T, error) {
	var (
		out  []T
		next string
	)
	for range maxPages {
		p, err := read(ctx, t, func(ctx context.Context) (page[T], error) { return get(ctx, next) })
		if err != nil {
			return nil, err
		}
		if p == nil {
			return nil, fmt.Errorf("list: %w", errEmpty)
		}
		out = append(out, p.GetValue()...)
		if next = text(p.GetOdataNextLink()); next == "" {
			return out, nil
		}
	}
	return nil, because(ErrRefused, nil, "A list of Microsoft Graph does not end.")
}
