package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/mspkit/mspkit/securesend/internal/wire"
)

// droppedError is what may be better the next time.
type droppedError struct{ err error }

func (d *droppedError) Error() string { return d.err.Error() }
func (d *droppedError) Unwrap() error { return d.err }

func dropped(err error) error { return &droppedError{strip(err)} }

// errIdle ends a connection that stands still.
var errIdle = errors.New("the connection stood still for too long")

// watch ends a request whose connection stands still.
type watch struct {
	ctx    context.Context //nolint:containedctx // it is that of one request
	cancel context.CancelCauseFunc
	timer  *time.Timer
	idle   time.Duration
}

func newWatch(ctx context.Context, idle time.Duration) *watch {
	w := &watch{idle: idle}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(idle, func() { w.cancel(errIdle) })
	return w
}

// moved says that the connection does not stand still.
func (w *watch) moved() { w.timer.Reset(w.idle) }

// rest stops the clock while nobody wants anything of the connection.
func (w *watch) rest() { w.timer.Stop() }

func (w *watch) end() {
	w.timer.Stop()
	w.cancel(nil)
}

// failed says how a request failed: by ctx, which is final, or by anything else, which may be tried again.
func (w *watch) failed(parent context.Context, err error) error {
	switch {
	case parent.Err() != nil:
		return context.Cause(parent)
	case errors.Is(context.Cause(w.ctx), errIdle):
		return dropped(errIdle)
	}
	return dropped(err)
}

// body is a body that is sent or read under a watch.
type body struct {
	io.Reader
	w *watch
}

func (b body) Read(p []byte) (int, error) {
	b.w.moved()
	return b.Reader.Read(p)
}

// request sends what is asked for once. The response is that of a success; the caller closes its body and ends the watch.
func (c *caller) request(ctx context.Context, name, contentType string, content []byte, header ...string) (*http.Response, *watch, error) {
	w := newWatch(ctx, c.idle)
	resp, err := c.send(ctx, w, name, contentType, content, header...)
	if err != nil {
		w.end()
		return nil, nil, err
	}
	return resp, w, nil
}

func (c *caller) send(ctx context.Context, w *watch, name, contentType string, content []byte, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(w.ctx, http.MethodPost, c.base+name, body{bytes.NewReader(content), w})
	if err != nil {
		return nil, strip(err)
	}
	req.ContentLength = int64(len(content))
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", "mspkit-securesend/1")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, w.failed(ctx, err)
	}
	w.moved()
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(body{resp.Body, w}, 64<<10))
	if err != nil && resp.StatusCode < http.StatusInternalServerError {
		return nil, w.failed(ctx, err)
	}
	return nil, refusal(resp, text)
}

// refusal returns the error that the server told, in our own words.
func refusal(resp *http.Response, text []byte) error {
	var e wire.Error
	if wire.IsType(resp.Header.Get("Content-Type"), wire.JSON) && json.Unmarshal(text, &e) == nil {
		if err := e.Err(); err != nil {
			return err
		}
	}
	err := fmt.Errorf("status %d: %w", resp.StatusCode, ErrServer)
	if resp.StatusCode >= http.StatusInternalServerError {
		return dropped(err)
	}
	return err
}

// call posts JSON once and reads the answer.
func (c *caller) call(ctx context.Context, name string, in, out any) error {
	content, err := json.Marshal(in)
	if err != nil {
		return err
	}
	resp, w, err := c.request(ctx, name, wire.JSON, content)
	if err != nil {
		return err
	}
	defer w.end()
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(body{resp.Body, w}, maxJSON+1))
	switch {
	case err != nil:
		return w.failed(ctx, err)
	case len(text) > maxJSON, !wire.IsType(resp.Header.Get("Content-Type"), wire.JSON), json.Unmarshal(text, out) != nil:
		return fmt.Errorf("it is not of the form that is expected: %w", ErrServer)
	}
	return nil
}

// persist is call, again and again where the connection drops. What is asked for must be harmless to repeat.
func (c *caller) persist(ctx context.Context, name string, in, out any) error {
	return c.retry(ctx, func() error { return c.call(ctx, name, in, out) })
}

// retry calls f until it does not fail by a dropped connection, or has failed so for too long.
func (c *caller) retry(ctx context.Context, f func() error) error {
	pause := c.pause
	for n := 1; ; n++ {
		err := f()
		drop, ok := errors.AsType[*droppedError](err)
		switch {
		case !ok:
			return err
		case n >= tries && errors.Is(err, ErrServer):
			return drop.err
		case n >= tries:
			return fmt.Errorf("%w: %w", ErrServer, drop.err)
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		case <-t.C:
		}
		pause = min(2*pause, maxPause)
	}
}
