package stores_test

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// redisProxy stands between a client and a server. It counts round trips, and loses answers where it is told to.
type redisProxy struct {
	addr string
	// trips counts how often the direction turned from client to server.
	trips atomic.Int64
	// lose is how many answers get lost from now on, each with its connection: the first of every script, not the repeat.
	lose atomic.Int64
	lost atomic.Int64
	// down is set where no connection is taken any more.
	down   atomic.Bool
	repeat atomic.Bool

	mu    sync.Mutex
	conns []net.Conn
}

func newRedisProxy(t testing.TB, server string) *redisProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &redisProxy{addr: l.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", server)
			if err == nil && p.down.Load() {
				err = errors.Join(s.Close(), net.ErrClosed)
			}
			if err != nil {
				_ = c.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, c, s)
			p.mu.Unlock()
			var asked, script atomic.Bool
			wg.Go(func() { p.forward(c, s, &asked, &script, true) })
			wg.Go(func() { p.forward(s, c, &asked, &script, false) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		wg.Wait()
	})
	return p
}

func (p *redisProxy) forward(from, to net.Conn, asked, script *atomic.Bool, requests bool) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		switch {
		case requests:
			if asked.CompareAndSwap(false, true) {
				p.trips.Add(1)
				script.Store(bytes.Contains(buf[:n], []byte("eval"))) // and no greeting of a new connection
			}
		// An error, such as that a script is not known yet, tells of nothing that was done.
		case asked.CompareAndSwap(true, false) && p.lose.Load() > 0 && script.Load() && buf[0] != '-':
			if p.repeat.CompareAndSwap(false, true) {
				p.lose.Add(-1)
				p.lost.Add(1)
				return
			}
			p.repeat.Store(false)
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// cut ends all connections.
func (p *redisProxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

// through returns a client that reaches the server of k through a proxy, over one connection.
func (k keyspace) through(t testing.TB, change ...func(*redis.Options)) (*redisProxy, *redis.Client) {
	t.Helper()
	direct, ok := k.connect(t).(*redis.Client)
	require.True(t, ok)
	o := *direct.Options()
	p := newRedisProxy(t, o.Addr)
	own := &redis.Options{Addr: p.addr, Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLSConfig, PoolSize: 1}
	for _, f := range change {
		f(own)
	}
	c := redis.NewClient(own)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return p, c
}
