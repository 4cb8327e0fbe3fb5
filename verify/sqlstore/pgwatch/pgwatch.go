package pgwatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/sqlstore"
)

// ErrRunning is returned by [Store.Run] where it is going already.
var ErrRunning = errors.New("pgwatch: run: it is running already")

const (
	connectWait = 10 * time.Second // for everything until the connection listens, and for closing it
	firstPause  = 100 * time.Millisecond
	longPause   = 30 * time.Second // between two tries to connect
	quiet       = 30 * time.Second // without a notification, after which the connection is tested
)

// Options may be nil; zero fields mean the defaults.
type Options struct {
	// Poll is the longest time after which a record is read again although nothing was heard, 1 s to 1 min. Zero
	// means 5 s. While the connection does not listen it is at most 2 s.
	Poll time.Duration
	// Logger tells of connections that were lost. Nil discards.
	Logger *slog.Logger
	// Now is the clock that expiry is read from. Nil means time.Now. It should be the service's.
	Now func() time.Time
}

func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	if out.Poll == 0 {
		out.Poll = 5 * time.Second
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	if out.Now == nil {
		out.Now = time.Now
	}
	return out
}

func (o *Options) validate() error {
	if o.Poll < time.Second || o.Poll > time.Minute {
		return fmt.Errorf("pgwatch: new: Poll is %v, it must be 1s to 1m: %w", o.Poll, mspkit.ErrInvalid)
	}
	return nil
}

// Store is a [sqlstore.Store] that is a [verify.Watcher] too. Use [New].
type Store struct {
	*sqlstore.Store
	connect func(context.Context) (*pgx.Conn, error)
	o       Options

	mu        sync.Mutex
	running   bool
	listening bool
	waiting   map[string]map[chan struct{}]bool // of each challenge's id, those who wait for it
}

var (
	_ verify.Store       = (*Store)(nil)
	_ verify.FactorStore = (*Store)(nil)
	_ verify.Watcher     = (*Store)(nil)
)

// New returns store with [Store.Watch]. connect opens the connection that [Store.Run] listens on, to the same database; Run
// closes it. It must lead to the server itself: a pooler that lends connections for one transaction cannot listen. See
// [Dial]. Everything but [mspkit.ErrInvalid] is found by Run.
func New(store *sqlstore.Store, connect func(context.Context) (*pgx.Conn, error), o *Options) (*Store, error) {
	opts := o.withDefaults()
	var errs []error
	if store == nil {
		errs = append(errs, fmt.Errorf("pgwatch: new: the store is nil: %w", mspkit.ErrInvalid))
	}
	if connect == nil {
		errs = append(errs, fmt.Errorf("pgwatch: new: connect is nil: %w", mspkit.ErrInvalid))
	}
	if err := errors.Join(append(errs, opts.validate())...); err != nil {
		return nil, err
	}
	return &Store{Store: store, connect: connect, o: opts, waiting: map[string]map[chan struct{}]bool{}}, nil
}

// Dial returns a connect for [New] that opens a connection string, a URL or keywords and values.
func Dial(connString mspkit.Redacted[string]) func(context.Context) (*pgx.Conn, error) {
	return func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, connString.Reveal()) }
}

// Run listens until ctx ends and then returns nil, with the connection closed. A connection that is lost is opened
// again, after a pause that grows to 30 s; meanwhile watchers poll. A second Run at the same time is [ErrRunning].
func (s *Store) Run(ctx context.Context) error {
	s.mu.Lock()
	if s.running {
		s.mu.Unlock()
		return ErrRunning
	}
	s.running = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running = false
	}()
	pause := firstPause
	for ctx.Err() == nil {
		listened, err := s.listen(ctx)
		if ctx.Err() != nil {
			break
		}
		if listened {
			pause = firstPause
		}
		s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "pgwatch: not listening, watchers poll", slog.Any("error", err))
		t := time.NewTimer(pause/2 + token.Jitter(pause/2))
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
		pause = min(2*pause, longPause)
	}
	return nil
}

// listen opens one connection and hands on its notifications until it breaks or ctx ends. It reports whether it came to
// listen.
func (s *Store) listen(ctx context.Context) (listened bool, _ error) {
	dctx, cancel := context.WithTimeout(ctx, connectWait)
	defer cancel()
	name, err := s.Channel(dctx)
	if err != nil {
		return false, err
	}
	conn, err := s.connect(dctx)
	if err != nil {
		return false, fmt.Errorf("pgwatch: connect: %w", err)
	}
	defer func() {
		cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectWait)
		defer cancel()
		_ = conn.Close(cctx) // it is of no use any more
	}()
	if _, err := conn.Exec(dctx, "LISTEN "+pgx.Identifier{name}.Sanitize()); err != nil {
		return false, fmt.Errorf("pgwatch: listen: %w", err)
	}
	s.heard(true, "")
	defer s.heard(false, "")
	for {
		wctx, cancel := context.WithTimeout(ctx, quiet)
		n, err := conn.WaitForNotification(wctx)
		silent := wctx.Err() != nil
		cancel()
		switch {
		case err == nil:
			s.heard(true, n.Payload)
			continue
		case ctx.Err() != nil:
			return true, nil
		case !silent:
			return true, fmt.Errorf("pgwatch: wait: %w", err)
		}
		pctx, cancel := context.WithTimeout(ctx, connectWait)
		err = conn.Ping(pctx)
		cancel()
		if err != nil {
			return true, fmt.Errorf("pgwatch: ping: %w", err)
		}
	}
}

// heard wakes whoever waits for a challenge, or, where id is empty, everybody: the connection listens from now on, or
// does not any more.
func (s *Store) heard(listening bool, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listening = listening
	for waited, all := range s.waiting {
		if id != "" && waited != id {
			continue
		}
		for woken := range all {
			select {
			case woken <- struct{}{}:
			default: // it will look anyway
			}
		}
	}
}
