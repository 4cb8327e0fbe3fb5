package psatest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// Server is a desk behind HTTP on a loopback port.
type Server struct {
	// URL is where it answers, without a slash at the end.
	URL string
	// Key is the credential of formats that have a single one.
	Key  string
	desk *Desk
	http *http.Server
	done chan error
}

// Desk returns what is in the server.
func (s *Server) Desk() *Desk { return s.desk }

// Close stops the server.
func (s *Server) Close() error {
	err := s.http.Close()
	return errors.Join(err, <-s.done)
}

// maxRequest is the longest body that a desk reads.
const maxRequest = 4 << 20

// listen starts a server of desk whose requests h answers; name says in words what a request is about: one of the Op constants where one fits.
// It may read the body.
func listen(desk *Desk, h http.Handler, name func(*http.Request) (op, id string)) (*Server, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{URL: "http://" + l.Addr().String(), desk: desk, done: make(chan error, 1)}
	s.http = &http.Server{Handler: desk.faulty(h, name), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		err := s.http.Serve(l)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		s.done <- err
	}()
	return s, nil
}

// faulty answers by h unless a fault says otherwise.
func (d *Desk) faulty(h http.Handler, name func(*http.Request) (op, id string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The whole body, so that name may look into it, and so that a client which gives up is noticed: net/http watches the
		// connection only after that.
		body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		rewind := func() { r.Body = io.NopCloser(bytes.NewReader(body)) }
		op := Op{Method: r.Method, Path: r.URL.Path}
		rewind()
		op.Name, op.ID = name(r)
		rewind()
		d.mu.Lock()
		if d.keepOps {
			d.ops = append(d.ops, op)
		}
		fault, down := d.fault, d.down
		d.mu.Unlock()
		if down {
			panic(http.ErrAbortHandler)
		}
		var f Fault
		if fault != nil {
			f = fault(op)
		}
		if f.Delay > 0 {
			time.Sleep(f.Delay)
		}
		switch {
		case f.Status != 0:
			for k, v := range f.Header {
				w.Header().Set(k, v)
			}
			w.WriteHeader(f.Status)
			_, _ = w.Write([]byte(f.Body))
		case f.Cut:
			panic(http.ErrAbortHandler)
		case f.Lost:
			h.ServeHTTP(discard{}, r)
			panic(http.ErrAbortHandler)
		case f.Late > 0:
			later := r.Clone(context.WithoutCancel(r.Context()))
			later.Body = io.NopCloser(bytes.NewReader(body))
			time.AfterFunc(f.Late, func() { h.ServeHTTP(discard{}, later) })
			if f.Hang {
				<-r.Context().Done()
			}
			panic(http.ErrAbortHandler)
		case f.Hang:
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// discard is an answer that nobody gets.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}
