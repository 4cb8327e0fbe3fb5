package httpx

import (
	"context"
	"errors"
	"io"
)

// body is a response body that is capped and that ends the call's deadline when it is closed.
type body struct {
	io.ReadCloser
	ctx    context.Context //nolint:containedctx // only to tell our deadline from other read errors
	cancel context.CancelFunc
	left   int64 // bytes that may still be read; negative is no limit
	capped bool
}

func (b *body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if b.capped && int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one more than allowed, to tell a body of just the limit from a longer one
	}
	n, err := b.ReadCloser.Read(p)
	if b.capped && int64(n) > b.left {
		n, b.left = int(b.left), 0
		return n, ErrBodyTooLarge
	}
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) && errors.Is(context.Cause(b.ctx), errCallTimeout) {
		err = errCallTimeout
	}
	return n, err
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.cancel()
	return err
}
