package securesend_test

import (
	"context"
	"io"

	"github.com/mspkit/mspkit/securesend"
)

// hooked is a blob store to which something happens.
type hooked struct {
	securesend.BlobStore
	fail, failDelete error
	after            func() // Put, just before it returns
	deleted          []securesend.Ref
}

func (h *hooked) Put(ctx context.Context, p securesend.Part, r io.Reader) error {
	if h.fail != nil {
		return h.fail
	}
	err := h.BlobStore.Put(ctx, p, r)
	if h.after != nil {
		h.after()
	}
	return err
}

func (h *hooked) Delete(ctx context.Context, ref securesend.Ref) error {
	if h.failDelete != nil {
		return h.failDelete
	}
	h.deleted = append(h.deleted, ref)
	return h.BlobStore.Delete(ctx, ref)
}
