package securesendpage_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/internal/wire"
	"github.com/mspkit/mspkit/securesend/securesendpage"
)

// blobs is a blob store whose reading and writing a test sees.
type blobs struct {
	securesend.BlobStore
	put  func(r io.Reader) (io.Reader, error)
	open func(io.ReadCloser) io.ReadCloser
}

func (b *blobs) Put(ctx context.Context, p securesend.Part, r io.Reader) error {
	if b.put != nil {
		var err error
		if r, err = b.put(r); err != nil {
			return err
		}
	}
	return b.BlobStore.Put(ctx, p, r)
}

func (b *blobs) Open(ctx context.Context, p securesend.Part, off, n int64) (io.ReadCloser, error) {
	r, err := b.BlobStore.Open(ctx, p, off, n)
	if err == nil && b.open != nil {
		r = b.open(r)
	}
	return r, err
}

func withBlobs(b *blobs) func(*world, *securesendpage.Options) {
	return func(w *world, _ *securesendpage.Options) {
		b.BlobStore = w.blobs
		w.service.Blobs = map[string]securesend.BlobStore{"Europe": b}
	}
}

func TestAPartIsStoredAsItComes(t *testing.T) {
	t.Parallel()
	in, out := io.Pipe()
	b := &blobs{put: func(r io.Reader) (io.Reader, error) {
		begin := make([]byte, 5)
		if _, err := io.ReadFull(r, begin); err != nil {
			return nil, err
		}
		go func() { // what follows is sent only after the beginning has arrived
			_, _ = out.Write([]byte(" and the rest"))
			_ = out.Close()
		}()
		return io.MultiReader(bytes.NewReader(begin), r), nil
	}}
	w := newWorld(t, withBlobs(b))
	g := w.grant()
	body := io.MultiReader(strings.NewReader("begin"), in)
	rec := w.do(http.MethodPost, g.path+"/part/0/0", body, "Content-Type", wire.Octet, wire.UploadHeader, text(g.link.Fragment.Reveal()))
	require.Equal(t, http.StatusOK, rec.Code)
	parts, err := w.svc.Parts(t.Context(), g.Ref, g.link.Fragment.Reveal())
	require.NoError(t, err)
	require.Equal(t, []securesend.PartInfo{{Size: 18}}, parts)
}

func TestAPartThatBreaksOffIsNotStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.grant()
	body := io.MultiReader(strings.NewReader("begin"), iotest.ErrReader(errors.New("the connection is gone")))
	rec := w.do(http.MethodPost, g.path+"/part/0/0", body, "Content-Type", wire.Octet, wire.UploadHeader, text(g.link.Fragment.Reveal()))
	require.Equal(t, http.StatusUnprocessableEntity, rec.Code)
	parts, err := w.blobs.List(t.Context(), g.Ref)
	require.NoError(t, err)
	require.Empty(t, parts)

	full := newWorld(t, withBlobs(&blobs{put: func(io.Reader) (io.Reader, error) { return nil, errors.New("no space left on device") }}))
	g = full.grant()
	require.Equal(t, http.StatusServiceUnavailable, full.part(g.path+"/part/0/0", g.link.Fragment.Reveal(), []byte("x")).Code)
}

func TestADownloadThatBreaksOffDoesNotLookComplete(t *testing.T) {
	t.Parallel()
	b := &blobs{}
	w := newWorld(t, withBlobs(b))
	s := w.create(withFile(bytesOf(t, 2<<20)))
	w.call(s.path+"/take", wire.Take{Auth: s.auth, Claim: s.claim, Number: s.Number.Reveal()}, http.StatusOK, nil)
	chunks := wire.Chunks{Auth: s.auth, Claim: s.claim, To: 2}
	boom := errors.New("the disk is on fire")
	b.open = func(r io.ReadCloser) io.ReadCloser {
		return struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(r, 1<<20), iotest.ErrReader(boom)), r}
	}
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { w.post(s.path+"/chunks", chunks) })
	b.open = func(io.ReadCloser) io.ReadCloser { return io.NopCloser(iotest.ErrReader(boom)) }
	w.refused(s.path+"/chunks", chunks, http.StatusServiceUnavailable, wire.CodeUnavailable)
	b.open = nil
	require.Equal(t, http.StatusOK, w.post(s.path+"/chunks", chunks).Code)
	st, err := w.svc.Status(t.Context(), s.Ref, "jane")
	require.NoError(t, err)
	require.Empty(t, st.Unfetched)
}

// slow is a body that comes in pieces, with a pause before each.
type slow struct {
	pieces int
	pause  time.Duration
}

func (s *slow) Read(b []byte) (int, error) {
	if s.pieces == 0 {
		return 0, io.EOF
	}
	time.Sleep(s.pause)
	s.pieces--
	b[0] = 'x'
	return 1, nil
}

// pipes is a network in memory, whose deadlines follow the clock of a bubble.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{} }

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	p <- server
	return client, nil
}

func TestASlowConnectionHasTimeAndADeadOneHasNot(t *testing.T) {
	t.Parallel()
	for _, limit := range []time.Duration{10 * time.Second, 0} { // that the host has for whole requests
		synctest.Test(t, func(t *testing.T) { slowAndDead(t, limit) })
	}
}

func slowAndDead(t *testing.T, limit time.Duration) {
	t.Helper()
	w := newWorld(t)
	network := make(pipes)
	server := &http.Server{Handler: w.handler, ReadTimeout: limit, WriteTimeout: limit}
	go func() { _ = server.Serve(network) }()
	defer func() { require.NoError(t, server.Close()) }()
	transport := &http.Transport{DialContext: network.dial}
	defer transport.CloseIdleConnections()
	do := func(path, contentType, upload string, body io.Reader) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://help.example"+path, body)
		require.NoError(t, err)
		r.Header.Set("Content-Type", contentType)
		r.Header.Set(wire.UploadHeader, upload)
		return transport.RoundTrip(r)
	}
	g := w.grant()
	part := func(s *slow) int {
		resp, err := do(g.path+"/part/0/0", wire.Octet, text(g.link.Fragment.Reveal()), s)
		if err != nil {
			return 0
		}
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	require.Equal(t, http.StatusOK, part(&slow{20, 5 * time.Second}), "longer than the host allows for a whole request")
	require.NotEqual(t, http.StatusOK, part(&slow{2, 31 * time.Second}), "it stands still")

	s := w.create(withFile(bytesOf(t, 9<<20)))
	w.call(s.path+"/take", wire.Take{Auth: s.auth, Claim: s.claim, Number: s.Number.Reveal()}, http.StatusOK, nil)
	fetch := func(pauses int, pause time.Duration) int64 {
		in := `{"auth":"` + text(s.auth) + `","claim":"` + text(s.claim) + `","file":0,"from":0,"to":9}`
		resp, err := do(s.path+"/chunks", wire.JSON, "", strings.NewReader(in))
		require.NoError(t, err)
		var n int64
		for range pauses {
			time.Sleep(pause) // of the bubble
			m, err := io.CopyN(io.Discard, resp.Body, 1<<20)
			if n += m; err != nil {
				break
			}
		}
		m, _ := io.Copy(io.Discard, resp.Body)
		require.NoError(t, resp.Body.Close())
		return n + m
	}
	require.Equal(t, int64(9<<20+9*16), fetch(8, 25*time.Second), "longer than the host allows for a whole answer")
	time.Sleep(time.Minute) // of the bubble
	resp, err := do(s.path+"/open", wire.JSON, "", strings.NewReader(`{"auth":"`+text(s.auth)+`"}`))
	require.NoError(t, err, "the connection is good for the next request")
	require.NoError(t, resp.Body.Close())
	require.Less(t, fetch(1, 31*time.Second), int64(9<<20), "nobody reads")
}
