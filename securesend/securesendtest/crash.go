package securesendtest

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/mspkit/mspkit/securesend"
)

// errCrash is what a store returns where the process is to be thought gone.
var errCrash = errors.New("the process was killed here")

// crashMode says how a call fails.
type crashMode struct {
	name string
	// done does the step all the same: only the reply is lost. half lets a part of a file break off in its middle.
	done, half bool
	// once is a call that fails and others that do not: a network that hiccups, and not the end of the process.
	once bool
}

var crashModes = []crashMode{
	{name: "killed before"},
	{name: "killed after", done: true},
	{name: "killed in the middle", half: true},
	{name: "failed before", once: true},
	{name: "failed after", done: true, once: true},
}

// fuse fails the call of a store that has its number; with number 0 none.
type fuse struct {
	crashMode
	at, calls int
}

// burnt reports whether the call has come.
func (f *fuse) burnt() bool { return f.calls >= f.at }

// step runs one call, or not.
func (f *fuse) step(call func() error) error {
	f.calls++
	switch {
	case f.at == 0, f.calls < f.at:
		return call()
	case f.calls > f.at && f.once:
		return call()
	case f.calls > f.at:
		return errCrash
	}
	if f.done {
		_ = call() // whatever it returned did not arrive
	}
	return errCrash
}

// crashStore is a store whose process dies.
type crashStore struct {
	securesend.SecretStore
	*fuse
}

func (c crashStore) record(call func() (securesend.Record, error)) (out securesend.Record, err error) {
	err = c.step(func() (err error) { out, err = call(); return err })
	if errors.Is(err, errCrash) {
		out = securesend.Record{}
	}
	return out, err
}

func (c crashStore) count(call func() (int, error)) (out int, err error) {
	err = c.step(func() (err error) { out, err = call(); return err })
	if errors.Is(err, errCrash) {
		out = 0
	}
	return out, err
}

// Supports implements [securesend.Supporter].
func (c crashStore) Supports(r securesend.Record) error {
	if s, ok := c.SecretStore.(securesend.Supporter); ok {
		return s.Supports(r)
	}
	return nil
}

func (c crashStore) Put(ctx context.Context, r securesend.Record, s securesend.Stamp, now time.Time) error {
	return c.step(func() error { return c.SecretStore.Put(ctx, r, s, now) })
}

func (c crashStore) Commit(ctx context.Context, ref securesend.Ref, x securesend.Content, now time.Time) (securesend.Record, error) {
	return c.record(func() (securesend.Record, error) { return c.SecretStore.Commit(ctx, ref, x, now) })
}

func (c crashStore) Admit(ctx context.Context, ref securesend.Ref, a securesend.Admission, now time.Time) (securesend.Record, error) {
	return c.record(func() (securesend.Record, error) { return c.SecretStore.Admit(ctx, ref, a, now) })
}

func (c crashStore) Stat(ctx context.Context, ref securesend.Ref) (securesend.Record, error) {
	return c.record(func() (securesend.Record, error) { return c.SecretStore.Stat(ctx, ref) })
}

func (c crashStore) Open(ctx context.Context, ref securesend.Ref, auth []byte, s securesend.Stamp, now time.Time) (securesend.Record, error) {
	return c.record(func() (securesend.Record, error) { return c.SecretStore.Open(ctx, ref, auth, s, now) })
}

func (c crashStore) Take(ctx context.Context, ref securesend.Ref, t securesend.Take, now time.Time) (securesend.Record, error) {
	return c.record(func() (securesend.Record, error) { return c.SecretStore.Take(ctx, ref, t, now) })
}

func (c crashStore) Extend(ctx context.Context, ref securesend.Ref, f securesend.Fetch, now time.Time) (securesend.Record, error) {
	return c.record(func() (securesend.Record, error) { return c.SecretStore.Extend(ctx, ref, f, now) })
}

func (c crashStore) Ack(ctx context.Context, ref securesend.Ref, claim, auth []byte, s securesend.Stamp, now time.Time) (securesend.Record, error) {
	return c.record(func() (securesend.Record, error) { return c.SecretStore.Ack(ctx, ref, claim, auth, s, now) })
}

func (c crashStore) SendCode(ctx context.Context, ref securesend.Ref, x securesend.Code, now time.Time) (securesend.Record, error) {
	return c.record(func() (securesend.Record, error) { return c.SecretStore.SendCode(ctx, ref, x, now) })
}

func (c crashStore) Renew(ctx context.Context, ref securesend.Ref, v int64, n securesend.Renewal, now time.Time) (securesend.Record, error) {
	return c.record(func() (securesend.Record, error) { return c.SecretStore.Renew(ctx, ref, v, n, now) })
}

func (c crashStore) Revoke(ctx context.Context, ref securesend.Ref, s securesend.Stamp, now time.Time) (securesend.Record, error) {
	return c.record(func() (securesend.Record, error) { return c.SecretStore.Revoke(ctx, ref, s, now) })
}

func (c crashStore) Note(ctx context.Context, ref securesend.Ref, s securesend.Stamp, now time.Time) error {
	return c.step(func() error { return c.SecretStore.Note(ctx, ref, s, now) })
}

func (c crashStore) Count(ctx context.Context, l []securesend.Limit, now time.Time) error {
	return c.step(func() error { return c.SecretStore.Count(ctx, l, now) })
}

func (c crashStore) Expire(ctx context.Context, now time.Time, limit int) (int, error) {
	return c.count(func() (int, error) { return c.SecretStore.Expire(ctx, now, limit) })
}

func (c crashStore) Dead(ctx context.Context, regions []string, limit int) (out []securesend.Remains, err error) {
	err = c.step(func() (err error) { out, err = c.SecretStore.Dead(ctx, regions, limit); return err })
	return out, err
}

func (c crashStore) Forget(ctx context.Context, ref securesend.Ref) error {
	return c.step(func() error { return c.SecretStore.Forget(ctx, ref) })
}

func (c crashStore) DeleteExpired(ctx context.Context, ended, now time.Time, limit int) (int, error) {
	return c.count(func() (int, error) { return c.SecretStore.DeleteExpired(ctx, ended, now, limit) })
}

func (c crashStore) Rewrap(ctx context.Context, primary string, limit int, f func(securesend.Record) (half, sealed []byte, err error)) (int, error) {
	return c.count(func() (int, error) { return c.SecretStore.Rewrap(ctx, primary, limit, f) })
}

func (c crashStore) Events(ctx context.Context, q securesend.EventQuery) (out []securesend.Event, err error) {
	err = c.step(func() (err error) { out, err = c.SecretStore.Events(ctx, q); return err })
	return out, err
}

func (c crashStore) AckEvents(ctx context.Context, ids []string) error {
	return c.step(func() error { return c.SecretStore.AckEvents(ctx, ids) })
}

// crashBlobs is a store of files whose process dies.
type crashBlobs struct {
	securesend.BlobStore
	*fuse
}

func (c crashBlobs) Put(ctx context.Context, p securesend.Part, r io.Reader) error {
	if c.half && c.calls+1 == c.at { // the store sees a reader that breaks, and nothing of the part may be left
		_ = c.BlobStore.Put(ctx, p, io.MultiReader(io.LimitReader(r, 10), brokenOff{}))
	}
	return c.step(func() error { return c.BlobStore.Put(ctx, p, r) })
}

func (c crashBlobs) Open(ctx context.Context, p securesend.Part, off, n int64) (out io.ReadCloser, err error) {
	err = c.step(func() (err error) { out, err = c.BlobStore.Open(ctx, p, off, n); return err })
	if errors.Is(err, errCrash) && out != nil {
		return nil, errors.Join(err, out.Close())
	}
	return out, err
}

func (c crashBlobs) List(ctx context.Context, ref securesend.Ref) (out []securesend.PartInfo, err error) {
	err = c.step(func() (err error) { out, err = c.BlobStore.List(ctx, ref); return err })
	return out, err
}

func (c crashBlobs) Delete(ctx context.Context, ref securesend.Ref) error {
	return c.step(func() error { return c.BlobStore.Delete(ctx, ref) })
}

// brokenOff is a reader of a connection that broke.
type brokenOff struct{}

func (brokenOff) Read([]byte) (int, error) { return 0, errCrash }
