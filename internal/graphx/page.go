package graphx

import (
	"context"
	"encoding/json"
	"errors"
	"io"
)

// Links are what a page leads to.
type Links struct {
	// Next is the next page, Delta what asks for later changes; a page has one or none of them. Both are whole URLs on the
	// Graph host, with a token of Graph's: do not log them.
	Next, Delta string
}

// Page sends a request for a collection and calls each with one item after the other while the page is read, so that no
// more than one is in memory besides what each keeps. raw is valid until each returns; an error of each ends the page and
// is returned as it is.
//
// The page is whole where Page returns no error: a page that breaks off, has no value, has two, or leads away from the
// Graph host is an error, after each was called with what came before. An item larger than [Options].MaxItem and a page
// larger than [Options].MaxBody are [ErrTooBig].
//
// The place in the limiter is held until the page has been read, so each must not call the same tenant and workload where
// that has a limit for calls at once.
func (c *Client) Page(ctx context.Context, r *Request, each func(raw json.RawMessage) error) (Links, error) {
	var raw json.RawMessage
	return c.page(ctx, r, func(p *pageReader) error {
		if err := p.decode("an item", &raw); err != nil {
			return err
		}
		return each(raw)
	})
}

// PageOf is [Client.Page] with items that are decoded already, which saves reading them twice. The item is valid until
// each returns and is another one then; what it points to is not used again.
func PageOf[T any](ctx context.Context, c *Client, r *Request, each func(item *T) error) (Links, error) {
	var item, zero T
	return c.page(ctx, r, func(p *pageReader) error {
		item = zero
		if err := p.decode("an item", &item); err != nil {
			return err
		}
		return each(&item)
	})
}

func (c *Client) page(ctx context.Context, r *Request, item func(*pageReader) error) (Links, error) {
	res, err := c.Open(ctx, r)
	if err != nil {
		return Links{}, err
	}
	defer func() { _ = res.Body.Close() }()
	p := &pageReader{win: window{r: res.Body, max: c.o.MaxItem}, item: item}
	p.dec = json.NewDecoder(&p.win)
	if err := p.read(); err != nil {
		if errors.Is(err, errInStream) {
			e := c.newError(res.StatusCode, res.Header, p.fault, res.Header.Get("Client-Request-Id"))
			return Links{}, e
		}
		return Links{}, err
	}
	for _, link := range []*string{&p.links.Next, &p.links.Delta} {
		if *link == "" {
			continue
		}
		u, err := c.resolveLink(*link)
		if err != nil {
			return Links{}, err
		}
		*link = u.String()
	}
	return p.links, nil
}

// window is a reader that fails where one value does not fit into max bytes.
type window struct {
	r          io.Reader
	read, mark int64 // bytes that were read; where the value begins
	max        int64
}

func (w *window) Read(p []byte) (int, error) {
	// The decoder reads on only where it has used up what it had, so all since mark belongs to the value.
	if w.read-w.mark > w.max {
		return 0, ErrTooBig
	}
	n, err := w.r.Read(p)
	w.read += int64(n)
	return n, err
}

// errInStream says that the page ends with an error of Graph.
var errInStream = errors.New("graphx: error in the page")

// pageReader reads {"value": […], "@odata.nextLink": "…"}, whatever the order, and skips what else is there.
type pageReader struct {
	win   window
	dec   *json.Decoder
	item  func(*pageReader) error
	links Links
	fault json.RawMessage
	value bool
}

func (p *pageReader) read() error {
	if err := p.delim('{'); err != nil {
		return err
	}
	for p.more() {
		t, err := p.dec.Token()
		if err != nil {
			return unreadable("the page", err)
		}
		switch t {
		case "value":
			err = p.items()
		case "@odata.nextLink":
			err = p.link(&p.links.Next)
		case "@odata.deltaLink":
			err = p.link(&p.links.Delta)
		case "error", "@odata.error":
			if err = p.decode("the error in the page", &p.fault); err == nil {
				err = errInStream
			}
		default:
			var skip json.RawMessage
			err = p.decode("a member of the page", &skip)
		}
		if err != nil {
			return err
		}
	}
	if err := p.delim('}'); err != nil {
		return err
	}
	switch _, err := p.dec.Token(); {
	case err == nil:
		return badAnswer("there is something after the page")
	case !errors.Is(err, io.EOF):
		return unreadable("what follows the page", err)
	case !p.value:
		return badAnswer("the page has no value")
	case p.links.Next != "" && p.links.Delta != "":
		return badAnswer("the page has a next link and a delta link")
	}
	return nil
}

func (p *pageReader) items() error {
	if p.value {
		return badAnswer("the page has two values")
	}
	p.value = true
	if err := p.delim('['); err != nil {
		return err
	}
	for p.more() {
		if err := p.item(p); err != nil {
			return err
		}
	}
	return p.delim(']')
}

func (p *pageReader) link(into *string) error {
	if *into != "" {
		return badAnswer("the page has the same link twice")
	}
	var s *string
	if err := p.decode("a link", &s); err != nil {
		return err
	}
	if s == nil || *s == "" {
		return badAnswer("the page has an empty link")
	}
	*into = *s
	return nil
}

// more is json.Decoder.More. From here on a value may be read.
func (p *pageReader) more() bool {
	p.win.mark = p.dec.InputOffset()
	return p.dec.More()
}

func (p *pageReader) delim(want json.Delim) error {
	p.win.mark = p.dec.InputOffset()
	t, err := p.dec.Token()
	if err != nil {
		return unreadable("the page", err)
	}
	if t != want {
		return badAnswer("the page has no %q where one belongs", rune(want))
	}
	return nil
}

func (p *pageReader) decode(what string, into any) error {
	p.win.mark = p.dec.InputOffset()
	if err := p.dec.Decode(into); err != nil {
		return unreadable(what, err)
	}
	if p.dec.InputOffset()-p.win.mark > p.win.max {
		return unreadable(what, ErrTooBig)
	}
	return nil
}
