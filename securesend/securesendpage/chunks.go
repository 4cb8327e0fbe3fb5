package securesendpage

import (
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/internal/wire"
)

// idle is how long a connection may stand still while chunks or parts go over it, whatever the host's server says of whole
// requests: a slow phone may take its time, a dead one may not.
const idle = 30 * time.Second

func deadline() time.Time {
	return time.Now().Add(idle) //nolint:forbidigo // a connection's deadline is in real time
}

var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// chunks streams sealed chunks.
func (p *Pages) chunks(w http.ResponseWriter, r *http.Request, k kind) {
	var in wire.Chunks
	ref, ok := p.read(w, r, &in)
	if !ok || !p.keys(w, r, in.Auth, in.Claim) {
		return
	}
	c, err := p.svc.Chunks(r.Context(), ref, securesend.ChunkRequest{Auth: in.Auth, Claim: in.Claim, File: in.File, From: in.From, To: in.To})
	if err != nil {
		p.refuseFor(w, r, ref, k, err)
		return
	}
	defer func() { _ = c.Close() }() // it is read only
	buf, ok := buffers.Get().(*[64 << 10]byte)
	if !ok {
		buf = new([64 << 10]byte)
	}
	defer buffers.Put(buf)
	n, err := c.Read(buf[:]) // what fails at once gets a clean answer
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", wire.Octet)
	h.Set("Content-Length", strconv.FormatInt(c.Size, 10))
	h.Set("Content-Disposition", "attachment")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	if err := p.stream(w, c, buf[:], n); err != nil {
		if r.Context().Err() == nil {
			p.log.WarnContext(r.Context(), "securesendpage: a download broke off", slog.Any("error", err))
		}
		panic(http.ErrAbortHandler) // what is half must not look complete
	}
}

// stream writes the n bytes in buf, then all of c.
func (p *Pages) stream(w http.ResponseWriter, c io.Reader, buf []byte, n int) error {
	rc := http.NewResponseController(w)
	for {
		_ = rc.SetWriteDeadline(deadline()) // not every writer can, and then the host's deadlines hold
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
		var err error
		n, err = c.Read(buf)
		if err == io.EOF { // which is not wrapped
			return nil
		}
		if err != nil {
			return err
		}
	}
}
