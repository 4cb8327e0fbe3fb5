package changefeed

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/mspkit/mspkit"
)

const (
	// maxValidation is the longest validation token that is sent back. Graph's have about 100 characters.
	maxValidation = 2048
	// maxQuery is the longest query that is looked at.
	maxQuery = 3*maxValidation + 1024
	// wakeTimeout bounds what is done after the answer.
	wakeTimeout = 10 * time.Second
)

// refusal is why a request is not taken, in a word or two that hold nothing of it.
type refusal struct {
	status int
	reason string
}

func (r *refusal) Error() string { return r.reason }

// ServeHTTP is that of [Feed].
func (in *inbound) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now() //nolint:forbidigo // a connection's deadline is in real time
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodPost {
		h.Set("Allow", http.MethodPost)
		in.refuse(w, r, &refusal{http.StatusMethodNotAllowed, "method"})
		return
	}
	token, asked, err := validationToken(r.URL.RawQuery)
	switch {
	case err != nil:
		in.refuse(w, r, err)
	case asked:
		in.validate(w, token)
	default:
		streams, err := in.take(w, r, began)
		if err != nil {
			in.refuse(w, r, err)
			return
		}
		// Graph waits for nothing but that it is stored.
		h.Set("Content-Length", "0")
		w.WriteHeader(http.StatusAccepted)
		_ = http.NewResponseController(w).Flush()
		in.wake(r.Context(), streams)
	}
}

// validationToken returns what the query asks to be sent back, decoded once.
func validationToken(query string) (token string, asked bool, err error) {
	if query == "" {
		return "", false, nil
	}
	if len(query) > maxQuery {
		return "", false, &refusal{http.StatusBadRequest, "oversized query"}
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return "", false, &refusal{http.StatusBadRequest, "unreadable query"}
	}
	values, asked := q["validationToken"]
	if !asked {
		return "", false, nil
	}
	if len(values) != 1 || values[0] == "" || len(values[0]) > maxValidation {
		return "", true, &refusal{http.StatusBadRequest, "validation token"}
	}
	return values[0], true, nil
}

// validate answers the handshake of a new subscription
// (https://learn.microsoft.com/graph/change-notifications-delivery-webhooks#notificationurl-validation). It takes no lock and
// asks nobody: Graph waits for it while it is being asked for the subscription. What is sent back is what anybody sent, so it is
// text that no browser takes for anything else.
func (in *inbound) validate(w http.ResponseWriter, token string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Content-Length", strconv.Itoa(len(token)))
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, token) //nolint:gosec // plain text that is not sniffed
}

// take reads a POST of notifications and stores what is ours. It returns the streams to wake.
func (in *inbound) take(w http.ResponseWriter, r *http.Request, began time.Time) ([]mspkit.Stream, error) {
	if mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mt != "application/json" {
		return nil, &refusal{http.StatusUnsupportedMediaType, "content type"}
	}
	deadline := began.Add(in.c.o.Budget)
	ctx, cancel := context.WithDeadline(r.Context(), deadline)
	defer cancel()
	counted := &countedBody{from: r.Body, in: in}
	defer counted.done()
	body, err := in.read(w, r, counted, deadline)
	if err != nil {
		return nil, err
	}
	b, err := parseCollection(body)
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, "not a collection of notifications"}
	}
	items, err := in.items(ctx, b)
	if err != nil {
		return nil, err
	}
	return in.store(ctx, items)
}

// read reads the body within the budget, so that what is left of it is for the store.
func (in *inbound) read(w http.ResponseWriter, r *http.Request, from io.ReadCloser, deadline time.Time) ([]byte, error) {
	limit := int64(in.c.o.MaxBody)
	if r.ContentLength > limit {
		return nil, &refusal{http.StatusRequestEntityTooLarge, "oversized"}
	}
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(deadline) // tests and odd servers have none
	body, err := io.ReadAll(http.MaxBytesReader(w, from, limit))
	switch _, large := errors.AsType[*http.MaxBytesError](err); {
	case large:
		return nil, &refusal{http.StatusRequestEntityTooLarge, "oversized"}
	case errors.Is(err, errBusy):
		return nil, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &refusal{http.StatusRequestTimeout, "body does not end"}
	case err != nil:
		return nil, &refusal{http.StatusBadRequest, "body is cut off"}
	}
	_ = conn.SetReadDeadline(time.Time{}) // one that passes later would end the request's context
	return body, nil
}

// mostBodies is how many bodies of the largest size may be in hand at once. Graph's are small; those of strangers, who can send as
// many at once as they like, must not fill the memory.
const mostBodies = 16

var errBusy = errors.New("changefeed: too much is being sent at once")

// countedBody counts what is read of a body as long as it is in hand.
type countedBody struct {
	from io.ReadCloser
	in   *inbound
	n    int64
}

// Read implements [io.Reader].
func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.n += int64(n)
	if b.in.reading.Add(int64(n)) > mostBodies*int64(b.in.c.o.MaxBody) {
		return n, errBusy
	}
	return n, err
}

// Close implements [io.Closer].
func (b *countedBody) Close() error { return b.from.Close() }

func (b *countedBody) done() { b.in.reading.Add(-b.n) }

// refuse answers with a status and no body.
func (in *inbound) refuse(w http.ResponseWriter, r *http.Request, err error) {
	refused, ok := errors.AsType[*refusal](err)
	switch {
	case ok:
		in.c.o.Logger.LogAttrs(r.Context(), slog.LevelWarn, "changefeed: a request was refused", slog.Int("status", refused.status), slog.String("reason", refused.reason))
	default:
		refused = &refusal{status: http.StatusServiceUnavailable}
		w.Header().Set("Retry-After", "5")
		in.c.o.Logger.LogAttrs(r.Context(), slog.LevelError, "changefeed: notifications could not be stored, Graph repeats them", slog.Any("error", err))
	}
	in.count(r.Context(), MetricRequests, 1, mspkit.Attr{Key: "status", Value: strconv.Itoa(refused.status)})
	switch refused.status {
	case http.StatusRequestEntityTooLarge, http.StatusRequestTimeout:
		w.Header().Set("Connection", "close") // what is left of the body is not waited for
	}
	w.WriteHeader(refused.status)
}

// wake has the streams worked on that got something.
func (in *inbound) wake(ctx context.Context, streams []mspkit.Stream) {
	in.count(ctx, MetricRequests, 1, mspkit.Attr{Key: "status", Value: strconv.Itoa(http.StatusAccepted)})
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wakeTimeout)
	defer cancel()
	for _, s := range streams {
		in.worker.Wake(ctx, s.Tenant, s.Key)
	}
}
