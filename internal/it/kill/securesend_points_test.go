package kill_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"path"
	"sync"
	"time"

	"github.com/mspkit/mspkit/securesend"
)

// points are where a child can die: before, during and after each verb of its stores, and around each answer. A verb that
// failed has no "after", and an answer that is a refusal none of its own.
type points struct {
	mu   sync.Mutex
	name string // of the planned point, such as "Take/after"; empty for none
	left int    // how often it is passed, this time included
}

// arm plans the death at the n-th time that a point is passed.
func (p *points) arm(name string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.name, p.left = name, n
}

func (p *points) hit(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.name != name {
		return false
	}
	p.left--
	return p.left == 0
}

// at passes a point.
func (p *points) at(name string) {
	if p.hit(name) {
		die()
	}
}

// verb runs f between its points. Where the child is to die during it, it dies within the next two milliseconds, whatever
// it does then: a statement, a round trip, a write to the disk.
func (p *points) verb(name string, f func() error) error {
	p.at(name + "/before")
	if p.hit(name + "/during") {
		moment := time.Duration(rand.IntN(2000)) * time.Microsecond
		go func() {
			for begun := time.Now(); time.Since(begun) < moment; { // finer than a timer
				continue
			}
			die()
		}()
	}
	err := f()
	if err == nil {
		p.at(name + "/after")
	}
	return err
}

// pointed is a store whose verbs are points. Those that are not named here are not part of a reveal.
type pointed struct {
	securesend.SecretStore
	p *points
}

// through runs a verb that returns a value.
func through[T any](p *points, name string, f func() (T, error)) (out T, err error) {
	err = p.verb(name, func() error { out, err = f(); return err })
	return out, err
}

func (s pointed) Put(ctx context.Context, r securesend.Record, st securesend.Stamp, now time.Time) error {
	return s.p.verb("Put", func() error { return s.SecretStore.Put(ctx, r, st, now) })
}

func (s pointed) Commit(ctx context.Context, ref securesend.Ref, c securesend.Content, now time.Time) (securesend.Record, error) {
	return through(s.p, "Commit", func() (securesend.Record, error) { return s.SecretStore.Commit(ctx, ref, c, now) })
}

func (s pointed) Stat(ctx context.Context, ref securesend.Ref) (securesend.Record, error) {
	return through(s.p, "Stat", func() (securesend.Record, error) { return s.SecretStore.Stat(ctx, ref) })
}

func (s pointed) Open(ctx context.Context, ref securesend.Ref, auth []byte, st securesend.Stamp, now time.Time) (securesend.Record, error) {
	return through(s.p, "Open", func() (securesend.Record, error) { return s.SecretStore.Open(ctx, ref, auth, st, now) })
}

func (s pointed) Take(ctx context.Context, ref securesend.Ref, t securesend.Take, now time.Time) (r securesend.Record, err error) {
	return through(s.p, "Take", func() (securesend.Record, error) { return s.SecretStore.Take(ctx, ref, t, now) })
}

func (s pointed) Extend(ctx context.Context, ref securesend.Ref, f securesend.Fetch, now time.Time) (securesend.Record, error) {
	return through(s.p, "Extend", func() (securesend.Record, error) { return s.SecretStore.Extend(ctx, ref, f, now) })
}

func (s pointed) Ack(ctx context.Context, ref securesend.Ref, claim, auth []byte, st securesend.Stamp, now time.Time) (securesend.Record, error) {
	return through(s.p, "Ack", func() (securesend.Record, error) { return s.SecretStore.Ack(ctx, ref, claim, auth, st, now) })
}

func (s pointed) Expire(ctx context.Context, now time.Time, limit int) (int, error) {
	return through(s.p, "Expire", func() (int, error) { return s.SecretStore.Expire(ctx, now, limit) })
}

func (s pointed) Dead(ctx context.Context, regions []string, limit int) ([]securesend.Remains, error) {
	return through(s.p, "Dead", func() ([]securesend.Remains, error) { return s.SecretStore.Dead(ctx, regions, limit) })
}

func (s pointed) Forget(ctx context.Context, ref securesend.Ref) error {
	return s.p.verb("Forget", func() error { return s.SecretStore.Forget(ctx, ref) })
}

func (s pointed) Events(ctx context.Context, q securesend.EventQuery) ([]securesend.Event, error) {
	return through(s.p, "Events", func() ([]securesend.Event, error) { return s.SecretStore.Events(ctx, q) })
}

func (s pointed) AckEvents(ctx context.Context, ids []string) error {
	return s.p.verb("AckEvents", func() error { return s.SecretStore.AckEvents(ctx, ids) })
}

// pointedBlobs is the same of a blob store.
type pointedBlobs struct {
	securesend.BlobStore
	p *points
}

func (s pointedBlobs) Put(ctx context.Context, part securesend.Part, r io.Reader) error {
	return s.p.verb("BlobPut", func() error { return s.BlobStore.Put(ctx, part, r) })
}

func (s pointedBlobs) Open(ctx context.Context, part securesend.Part, off, n int64) (io.ReadCloser, error) {
	return through(s.p, "BlobOpen", func() (io.ReadCloser, error) { return s.BlobStore.Open(ctx, part, off, n) })
}

func (s pointedBlobs) Delete(ctx context.Context, ref securesend.Ref) error {
	return s.p.verb("BlobDelete", func() error { return s.BlobStore.Delete(ctx, ref) })
}

// handler makes points of the answers of next: "reply" before anything of one is written, "body" when a piece of the chunks
// was sent, and "replied" when all of it was sent.
func (p *points) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sw := &pointedWriter{ResponseWriter: w, p: p, verb: path.Base(r.URL.Path)}
		next.ServeHTTP(sw, r)
		if sw.status == http.StatusOK {
			_ = http.NewResponseController(w).Flush()
			p.at(sw.verb + "/replied")
		}
	})
}

type pointedWriter struct {
	http.ResponseWriter
	p      *points
	verb   string
	status int
}

func (w *pointedWriter) WriteHeader(status int) {
	w.status = status
	if status == http.StatusOK {
		w.p.at(w.verb + "/reply")
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *pointedWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(b)
	if w.verb == "chunks" && w.status == http.StatusOK {
		_ = http.NewResponseController(w.ResponseWriter).Flush()
		w.p.at("chunks/body")
	}
	return n, err
}

// Unwrap is for [http.ResponseController].
func (w *pointedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
