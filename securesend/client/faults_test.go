package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/client"
)

// once tells the first call of each name from later ones.
type once struct {
	mu   sync.Mutex
	seen map[string]int
}

func (o *once) first(name string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen == nil {
		o.seen = map[string]int{}
	}
	o.seen[name]++
	return o.seen[name] == 1
}

func TestEveryAnswerMayBeLostOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := &once{}
	w.put(func(next http.Handler, rw http.ResponseWriter, r *http.Request) {
		if o.first(name(r)) {
			drop(next, r)
		}
		next.ServeHTTP(rw, r)
	})
	big := content(t, 9<<20)
	out := w.sent(&client.CreateOptions{Text: mspkit.Redact("hunter2"), Files: []securesend.File{file("a", big)}})
	got, err := client.Open(t.Context(), out.Link.Reveal(), right(out))
	require.NoError(t, err)
	require.Equal(t, "hunter2", got.Text.Reveal())
	require.True(t, bytes.Equal(big, readAll(t, got, 0)))
	require.NoError(t, got.Done(t.Context()))
	require.Equal(t, []securesend.EventKind{"created", "uploaded", "opened", "revealed", "acknowledged"}, w.kinds(), "and nothing happened twice")
	for _, name := range []string{"begin", "parts", "commit", "open", "take", "chunks", "ack"} {
		require.GreaterOrEqual(t, o.seen[name], 2, name)
	}
	require.Equal(t, 1, o.seen["part/0/0"], "it had arrived, so it is not sent again")

	q, err := w.svc.Ask(t.Context(), securesend.SendRequest{Tenant: tenant, By: jane}, "")
	require.NoError(t, err)
	o.seen = nil
	_, err = client.Answer(t.Context(), q.Link.Reveal(), &client.AnswerOptions{Options: impatient(), Number: q.Number, Text: mspkit.Redact("x")})
	require.NoError(t, err)
}

func TestADownloadGoesOnWhereItBrokeOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	big := content(t, 21<<20+77)
	out := w.sent(&client.CreateOptions{Files: []securesend.File{file("a", big)}})
	// The answer breaks off in the first chunk, in the middle of one, between two, and after the last byte but one.
	cuts := []int{0, 1, 1<<20 + 16, 3<<20 + 1234567, 12 << 20, 100, 6<<20 - 1}
	var froms []string
	w.put(func(next http.Handler, rw http.ResponseWriter, r *http.Request) {
		if name(r) == "chunks" {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			_, from, _ := strings.Cut(string(body), `"from":`)
			froms = append(froms, from)
			if n := len(froms); n <= len(cuts) {
				next.ServeHTTP(&cut{rw, cuts[n-1]}, r)
				return
			}
		}
		next.ServeHTTP(rw, r)
	})
	got, err := client.Open(t.Context(), out.Link.Reveal(), right(out))
	require.NoError(t, err)
	require.True(t, bytes.Equal(big, readAll(t, got, 0)))
	require.Equal(t, `0,"to":16}`, froms[0])
	require.NotEqual(t, froms[0], froms[4], "it does not begin anew")
	require.NoError(t, got.Done(t.Context()))
}

func TestAnUploadGoesOnWithTheSameBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := &once{}
	var mu sync.Mutex
	sealed := map[string]*bytes.Buffer{}
	cutAt := 3<<20 + 99
	w.put(func(next http.Handler, rw http.ResponseWriter, r *http.Request) {
		n := name(r)
		if !strings.HasPrefix(n, "part/") {
			next.ServeHTTP(rw, r)
			return
		}
		left := 1 << 30
		first := o.first(n)
		if first {
			left = cutAt
		}
		got := &bytes.Buffer{}
		r.Body = &cutBody{r.Body, left, got}
		if first {
			mu.Lock()
			sealed[n] = got
			mu.Unlock()
			drop(next, r)
		}
		next.ServeHTTP(rw, r)
		mu.Lock()
		defer mu.Unlock()
		before := sealed[n].Bytes()
		if !bytes.Equal(before, got.Bytes()[:len(before)]) {
			t.Errorf("%s was sealed twice", n)
		}
	})
	big := content(t, 21<<20)
	out := w.sent(&client.CreateOptions{Files: []securesend.File{file("a", big)}})
	require.Equal(t, map[string]int{"part/0/0": 2, "part/0/1": 2, "part/0/2": 2}, o.seen)
	require.Equal(t, cutAt, sealed["part/0/1"].Len())
	got, err := client.Open(t.Context(), out.Link.Reveal(), right(out))
	require.NoError(t, err)
	require.True(t, bytes.Equal(big, readAll(t, got, 0)))
}

func TestAPartThatWasThereBeforeIsNotTakenForOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.grant(noGate).Link.Reveal()
	boom := errors.New("gone")
	_, err := client.Create(t.Context(), g, &client.CreateOptions{Files: []securesend.File{{Name: "x", Size: -1, Reader: &broken{bytes.NewReader(make([]byte, 9<<20)), boom}}}})
	require.ErrorIs(t, err, boom)
	o := &once{}
	w.put(func(next http.Handler, rw http.ResponseWriter, r *http.Request) {
		if n := name(r); strings.HasPrefix(n, "part/") && o.first(n) {
			panic(http.ErrAbortHandler) // nothing of it arrived
		}
		next.ServeHTTP(rw, r)
	})
	big := content(t, 9<<20)
	c := &client.CreateOptions{Options: impatient(), Files: []securesend.File{file("x", big)}}
	out, err := client.Create(t.Context(), g, c)
	require.NoError(t, err)
	got, err := client.Open(t.Context(), out.Link.Reveal(), right(out))
	require.NoError(t, err)
	require.True(t, bytes.Equal(big, readAll(t, got, 0)))
}

func TestAServerThatTampersIsFoundOut(t *testing.T) {
	t.Parallel()
	const chunk = 1<<20 + 16
	for name, tamper := range map[string]func(b []byte) []byte{
		"a flipped bit": func(b []byte) []byte { b[chunk+5] ^= 1; return b },
		"two chunks swapped": func(b []byte) []byte {
			return append(append(bytes.Clone(b[chunk:2*chunk]), b[:chunk]...), b[2*chunk:]...)
		},
		"a chunk that is twice": func(b []byte) []byte { return append(append(bytes.Clone(b[:chunk]), b[:chunk]...), b[2*chunk:]...) },
		"the last chunk cut":    func(b []byte) []byte { return append(b[:len(b)-20], make([]byte, 20)...) },
		"a chunk is missing":    func(b []byte) []byte { return append(bytes.Clone(b[:chunk]), b[2*chunk:]...) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			out := w.sent(&client.CreateOptions{Files: []securesend.File{file("a", content(t, 3<<20+5))}})
			w.put(func(next http.Handler, rw http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.URL.Path, "/chunks") {
					next.ServeHTTP(rw, r)
					return
				}
				rec := &recorder{h: http.Header{}}
				next.ServeHTTP(rec, r)
				rw.Header().Set("Content-Type", "application/octet-stream")
				_, _ = rw.Write(tamper(rec.body.Bytes()))
			})
			got, err := client.Open(t.Context(), out.Link.Reveal(), right(out))
			require.NoError(t, err)
			f, err := got.File(t.Context(), 0)
			require.NoError(t, err)
			var plain bytes.Buffer
			_, err = f.WriteTo(&plain)
			require.ErrorIs(t, err, securesend.ErrEnvelope)
			require.Zero(t, plain.Len()%(1<<20), "whole chunks only")
			dir := t.TempDir()
			_, err = got.Save(t.Context(), dir)
			require.ErrorIs(t, err, securesend.ErrEnvelope)
			require.NoFileExists(t, dir+"/a")
		})
	}
}

type recorder struct {
	h    http.Header
	body bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.h }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
func (r *recorder) WriteHeader(int)             {}

func TestAnswersThatWereAlteredAreFoundOut(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, call string
		change     func(string) string
	}{
		{"another context", "take", replaceField("context", strings.Repeat("A", 43))},
		{"another half", "take", replaceField("half", strings.Repeat("A", 43))},
		{"a short half", "take", replaceField("half", "AAAA")},
		{"another header", "take", replaceField("header", "AQQU")},
		{"another header from the beginning", "open", replaceField("header", "AQQU")},
		{"another manifest", "take", replaceField("manifest", strings.Repeat("A", 64))},
		{"no manifest", "take", replaceField("manifest", "")},
		{"fewer files", "take", func(s string) string { return strings.Replace(s, `"sizes":[3]`, `"sizes":[]`, 1) }},
		{"another size", "take", func(s string) string { return strings.Replace(s, `"sizes":[3]`, `"sizes":[4]`, 1) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			out := w.sent(&client.CreateOptions{Text: mspkit.Redact("x"), Files: []securesend.File{file("a", []byte("abc"))}})
			w.put(func(next http.Handler, rw http.ResponseWriter, r *http.Request) {
				rec := &recorder{h: http.Header{}}
				next.ServeHTTP(rec, r)
				text := rec.body.String()
				if name(r) == tc.call {
					changed := tc.change(text)
					if changed == text {
						t.Errorf("nothing was altered")
					}
					text = changed
				}
				rw.Header().Set("Content-Type", "application/json")
				_, _ = rw.Write([]byte(text))
			})
			_, err := client.Open(t.Context(), out.Link.Reveal(), right(out))
			require.ErrorIs(t, err, securesend.ErrEnvelope)
		})
	}
}

func replaceField(field, value string) func(string) string {
	return func(s string) string {
		before, rest, _ := strings.Cut(s, `"`+field+`":"`)
		_, after, _ := strings.Cut(rest, `"`)
		return before + `"` + field + `":"` + value + `"` + after
	}
}

func TestAFragmentOfAnotherLinkOpensNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.sent(&client.CreateOptions{Text: mspkit.Redact("a")}), w.sent(&client.CreateOptions{Text: mspkit.Redact("b")})
	cutAt := len(a.Link.Reveal()) - 43
	mixed := a.Link.Reveal()[:cutAt] + b.Link.Reveal()[cutAt:]
	_, err := client.Open(t.Context(), mixed, right(a))
	require.ErrorIs(t, err, securesend.ErrAuth)
	for _, bad := range []string{a.Link.Reveal()[:cutAt-1], a.Link.Reveal()[:len(a.Link.Reveal())-1], a.Link.Reveal() + "A", "", "https://help.example/"} {
		_, err = client.Open(t.Context(), bad, right(a))
		require.ErrorIs(t, err, securesend.ErrLink)
	}
	got, err := client.Open(t.Context(), a.Link.Reveal(), right(a))
	require.NoError(t, err, "and nothing was counted")
	require.Equal(t, "a", got.Text.Reveal())
}

func TestAServerThatIsGoneOrHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	out := w.sent(&client.CreateOptions{Text: mspkit.Redact("x"), Files: []securesend.File{file("a", content(t, 3<<20))}})
	link, token := out.Link.Reveal(), strings.Split(out.Link.Reveal(), "/s/")[1]
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	elsewhere := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	t.Cleanup(other.Close)
	for name, f := range map[string]func(rw http.ResponseWriter, r *http.Request){
		"gone":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"hangs": func(_ http.ResponseWriter, r *http.Request) { hang(r, release) },
		"redirect": func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, other.URL+"/"+token, http.StatusSeeOther)
		},
		"redirect with the body": func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, other.URL+"/"+token, http.StatusTemporaryRedirect)
		},
		"html": func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("<html>" + token)) },
		"502": func(rw http.ResponseWriter, _ *http.Request) {
			http.Error(rw, "bad gateway "+token, http.StatusBadGateway)
		},
		"400": func(rw http.ResponseWriter, _ *http.Request) {
			http.Error(rw, "bad request "+token, http.StatusBadRequest)
		},
		"too long": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			_, _ = rw.Write([]byte(`{"x":"` + strings.Repeat("a", 5<<20) + `"}`))
		},
		"a text of its own": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(http.StatusTeapot)
			_, _ = rw.Write([]byte(`{"error":"` + token + `","message":"` + token + `"}`))
		},
	} {
		w.put(func(_ http.Handler, rw http.ResponseWriter, r *http.Request) { f(rw, r) })
		open := right(out)
		open.Idle = 20 * time.Millisecond
		_, err := client.Open(t.Context(), link, open)
		require.ErrorIs(t, err, client.ErrServer, name)
		for _, secret := range []string{token, token[:16], strings.SplitN(token, "#", 2)[1], other.URL, out.Number.Reveal() + " "} {
			require.NotContains(t, err.Error(), secret, name)
		}
	}
	require.Zero(t, elsewhere, "nothing goes anywhere else")
	w.put(nil)
	got, err := client.Open(t.Context(), link, right(out))
	require.NoError(t, err)
	var calls int
	w.put(func(next http.Handler, rw http.ResponseWriter, r *http.Request) { // it stands still in the middle of a chunk
		calls++
		rw = &stalling{rw, 1<<20 + 500, func() { hang(r, release) }}
		next.ServeHTTP(rw, r)
	})
	f, err := got.File(t.Context(), 0)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	g, err := got.File(ctx, 0)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, g)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	w.put(nil)
	_, err = io.Copy(io.Discard, f)
	require.NoError(t, err)
	require.Positive(t, calls)

	closed := strings.Replace(link, "http://127.0.0.1:", "http://127.0.0.1:1", 1)
	if len(strings.Split(strings.Split(closed, ":")[2], "/")[0]) > 5 {
		closed = "http://127.0.0.1:9/send/s/" + token
	}
	_, err = client.Open(t.Context(), closed, right(out))
	require.ErrorIs(t, err, client.ErrServer)
	require.NotContains(t, err.Error(), token[:16])
	ended, stop := context.WithCancel(t.Context())
	stop()
	_, err = client.Open(ended, link, right(out))
	require.ErrorIs(t, err, context.Canceled)
	require.NotContains(t, err.Error(), token[:16])
}

// hang keeps a request waiting until its client is gone.
func hang(r *http.Request, release chan struct{}) {
	_, _ = io.Copy(io.Discard, r.Body) // only then does the server look whether the client is there
	select {
	case <-r.Context().Done():
	case <-release:
	}
	panic(http.ErrAbortHandler)
}

// stalling stands still after left bytes.
type stalling struct {
	http.ResponseWriter
	left int
	wait func()
}

func (s *stalling) Write(b []byte) (int, error) {
	if len(b) >= s.left {
		_, _ = s.ResponseWriter.Write(b[:s.left])
		_ = http.NewResponseController(s.ResponseWriter).Flush()
		s.wait()
	}
	s.left -= len(b)
	return s.ResponseWriter.Write(b)
}

func TestADownloadThatStandsStillIsTriedAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	big := content(t, 3<<20)
	out := w.sent(&client.CreateOptions{Files: []securesend.File{file("a", big)}})
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	o := &once{}
	w.put(func(next http.Handler, rw http.ResponseWriter, r *http.Request) {
		if name(r) == "chunks" && o.first("chunks") {
			rw = &stalling{rw, 1<<20 + 500, func() { hang(r, release) }}
		}
		next.ServeHTTP(rw, r)
	})
	open := right(out)
	open.Idle = 100 * time.Millisecond
	got, err := client.Open(t.Context(), out.Link.Reveal(), open)
	require.NoError(t, err)
	require.True(t, bytes.Equal(big, readAll(t, got, 0)))
	require.Equal(t, 2, o.seen["chunks"])
}
