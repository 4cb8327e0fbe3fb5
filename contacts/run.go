package contacts

import (
	"context"
	"fmt"
	"iter"
	"slices"
)

// MaxPages is how many pages [Pages] and [All] read before they take the source for broken.
const MaxPages = 100_000

// Pages returns the pages of one run, each fetched when the one before it has been used, so that no more than one is in
// memory. It ends after the last page, with the first error, which comes with a zero page, or where the caller stops. The
// Next of the last page is what a later run begins with; keep it only once that page has been processed.
//
// What a broken source gives is [ErrSource] and not passed on: a contact of another tenant or without an id, a run that
// is whole on one page and not on another, cursors that lead in a circle, and more than [MaxPages] pages.
func Pages(ctx context.Context, s ContactSource, q Query) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		r := run{source: s, q: q} // one run for each time that the sequence is ranged over
		for {
			p, err := r.fetch(ctx)
			if err != nil {
				yield(Page{}, err)
				return
			}
			if !yield(p, nil) || !p.More {
				return
			}
		}
	}
}

// All returns every contact of a run, page by page, so that memory does not grow with their number. It is [Pages] for
// who needs neither the ids of those who are gone nor the cursor of a later run.
func All(ctx context.Context, s ContactSource, q Query) iter.Seq2[Contact, error] {
	return func(yield func(Contact, error) bool) {
		for p, err := range Pages(ctx, s, q) {
			if err != nil {
				yield(Contact{}, err)
				return
			}
			for _, c := range p.Contacts {
				if !yield(c, nil) {
					return
				}
			}
		}
	}
}

// Find lists a whole run and returns the contacts for which match is true, in the order in which the source had them
// last. Of a contact that comes more than once the last one counts. It is for sources of some thousand contacts and for
// work in the background; memory grows with what is found only.
func Find(ctx context.Context, s ContactSource, q Query, match func(Contact) bool) ([]Contact, error) {
	var found []Contact
	drop := func(id string) {
		found = slices.DeleteFunc(found, func(c Contact) bool { return c.ID == id })
	}
	for p, err := range Pages(ctx, s, q) {
		if err != nil {
			return nil, err
		}
		for _, c := range p.Contacts {
			drop(c.ID)
			if match(c) {
				found = append(found, c)
			}
		}
		for _, id := range p.Removed {
			drop(id)
		}
	}
	return found, nil
}

// run is one way through the pages of a source.
type run struct {
	source ContactSource
	q      Query
	pages  int
	whole  bool
	// mark is a cursor that was given before; it is set again at each power of two, so that a circle of any length is
	// noticed after three times around it at most.
	mark Cursor
}

func (r *run) fetch(ctx context.Context) (Page, error) {
	r.pages++
	if err := ctx.Err(); err != nil { // a source need not look
		return Page{}, err
	}
	p, err := r.source.FetchContacts(ctx, r.q)
	if err != nil {
		return Page{}, err
	}
	for _, c := range p.Contacts {
		switch {
		case c.Tenant != r.q.Tenant:
			return Page{}, r.broken("it gives a contact of another tenant")
		case c.ID == "":
			return Page{}, r.broken("it gives a contact without an id")
		}
	}
	if r.pages > 1 && p.Whole != r.whole {
		return Page{}, r.broken("a run is whole on one page and not on another")
	}
	if r.whole = p.Whole; !p.More {
		return p, nil
	}
	switch {
	case p.Next == "":
		return Page{}, r.broken("it says that there is more and does not say where")
	case p.Next == r.q.Cursor, p.Next == r.mark:
		return Page{}, r.broken("its pages lead in a circle")
	case r.pages >= MaxPages:
		return Page{}, r.broken(fmt.Sprintf("it does not end after %d pages", MaxPages))
	}
	if r.pages&(r.pages-1) == 0 {
		r.mark = p.Next
	}
	r.q.Cursor = p.Next
	return p, nil
}

func (r *run) broken(why string) error {
	return fmt.Errorf("%w: %s (tenant %s, page %d)", ErrSource, why, r.q.Tenant, r.pages)
}
