package stores_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/redisstore"
)

// sendBench gives texts of 1 KiB and reads them, by the store and by SET and GETDEL.
type sendBench struct {
	store  *redisstore.Store
	client redis.UniversalClient
	prefix string
	n      atomic.Int64
}

// benchSend returns a text of 1 KiB that is ready to be read, as the service makes it, and what its reader brings.
func benchSend(n int64, now time.Time) (securesend.Record, securesend.Take) {
	id := strings.ToLower(rand.Text())
	hash := func(what string) []byte { h := sha256.Sum256([]byte(what + id)); return h[:] }
	auth, number := hash("auth"), hash("number")
	r := securesend.Record{
		Ref: securesend.Ref{Tenant: mspkit.TenantID(fmt.Sprintf("tenant-%02d", n%50)), ID: id}, Kind: securesend.KindSend, State: securesend.StateReady,
		Region: "europe", Purpose: "text", Sender: "jane", Subject: fmt.Sprint("subject-", n%1000), Ticket: mspkit.Ticket{System: "psa", ID: strconv.FormatInt(n%10_000, 10)},
		Log: securesend.Log{To: "ticket"}, Gate: securesend.GateNumber, KeyID: "2026-01", NumberMAC: number, MaxTries: 2, MaxPassTries: 5,
		Auth: auth, Header: []byte{1, 0, 20}, Half: bytes.Repeat([]byte{1}, 80), HalfKey: "2026-01", Sealed: bytes.Repeat([]byte{2}, 120),
		Inline: bytes.Repeat([]byte{3}, 1024), MaxViews: 1, CreatedAt: now, ReadyAt: now, Expiry: now.Add(24 * time.Hour), ExpiresAt: now.Add(24 * time.Hour),
	}
	return r, securesend.Take{Claim: hash("claim"), Auth: auth, Number: securesend.MACs{"2026-01": number}}
}

func sendStamp(kind securesend.EventKind) securesend.Stamp {
	return securesend.Stamp{ID: securesend.NewEventID(), Kind: kind, By: securesend.ByRecipient}
}

func (x *sendBench) put(ctx context.Context) (securesend.Ref, securesend.Take, error) {
	now := time.Now()
	r, take := benchSend(x.n.Add(1), now)
	return r.Ref, take, x.store.Put(ctx, r, sendStamp(securesend.EventCreated), now)
}

func (x *sendBench) take(ctx context.Context, ref securesend.Ref, t securesend.Take) ([]byte, error) {
	t.Stamp = sendStamp(securesend.EventRevealed)
	r, err := x.store.Take(ctx, ref, t, time.Now())
	return r.Inline, err
}

func (x *sendBench) ack(ctx context.Context, ref securesend.Ref, t securesend.Take) error {
	_, err := x.store.Ack(ctx, ref, t.Claim, t.Auth, sendStamp(securesend.EventAcknowledged), time.Now())
	return err
}

// ours and bare give a text and read it once.
func (x *sendBench) ours(ctx context.Context) error {
	ref, t, err := x.put(ctx)
	if err != nil {
		return err
	}
	if text, err := x.take(ctx, ref, t); err != nil || len(text) != 1024 {
		return errors.Join(err, fmt.Errorf("%d bytes", len(text)))
	}
	return x.ack(ctx, ref, t)
}

var benchText = strings.Repeat("\x03", 1024)

func (x *sendBench) bare(ctx context.Context) error {
	key := x.prefix + ":bare:" + rand.Text()
	if err := x.client.Set(ctx, key, benchText, 24*time.Hour).Err(); err != nil {
		return err
	}
	text, err := x.client.GetDel(ctx, key).Result()
	if err == nil && len(text) != 1024 {
		err = fmt.Errorf("%d bytes", len(text))
	}
	return err
}

// BenchmarkSecureSendRedis has 64 clients give and read a text of 1 KiB: Put, Take and Ack beside SET and GETDEL, as they are, and
// each behind a request over HTTP. x/bare is how often ours is done in the time of one of the bare ones.
func BenchmarkSecureSendRedis(b *testing.B) {
	k := redisKeys(b)
	connect := func() redis.UniversalClient {
		o := *redisOptions(b)
		o.PoolSize = 64
		c := redis.NewClient(&o)
		b.Cleanup(func() { require.NoError(b, c.Close()) })
		return c
	}
	store, err := redisstore.New(b.Context(), connect(), k.sendOptions(0))
	require.NoError(b, err)
	x := &sendBench{store: store, client: connect(), prefix: k.prefix}
	b.Run("store", func(b *testing.B) { beside(b, x.client, x.ours, x.bare) })
	b.Run("http", func(b *testing.B) {
		ours, bare := x.served(b)
		beside(b, x.client, ours, bare)
	})
}

// beside lets both work in turns, 64 clients each, and reports how they compare.
func beside(b *testing.B, admin redis.UniversalClient, ours, bare func(context.Context) error) {
	b.Helper()
	const clients, steps = 64, 8
	each := func(f func(context.Context) error) time.Duration {
		begun := time.Now()
		var wg sync.WaitGroup
		for range clients {
			wg.Go(func() {
				for range steps {
					if err := f(b.Context()); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		return time.Since(begun)
	}
	each(ours) // scripts are sent, connections made
	each(bare)
	var took, server, own [2]time.Duration
	rounds := 0
	for b.Loop() {
		if b.Failed() {
			b.FailNow()
		}
		rounds++
		for i, f := range []func(context.Context) error{ours, bare} {
			begun, mine := serverCPU(b, admin), ownCPU(b)
			took[i] += each(f)
			server[i] += serverCPU(b, admin) - begun
			own[i] += ownCPU(b) - mine
		}
	}
	all := float64(rounds * clients * steps)
	b.ReportMetric(all/took[0].Seconds(), "sends/s")
	b.ReportMetric(all/took[1].Seconds(), "bare/s")
	b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "x/bare")
	b.ReportMetric(float64(server[0].Microseconds())/all, "redis-µs/send")
	b.ReportMetric(float64(server[1].Microseconds())/all, "redis-µs/bare")
	b.ReportMetric(float64(own[0].Microseconds())/all, "go-µs/send")
	b.ReportMetric(float64(own[1].Microseconds())/all, "go-µs/bare")
	b.ReportMetric(float64(own[1]+server[1])/float64(own[0]+server[0]), "cpu-x/bare")
	b.ReportMetric(0, "ns/op")
}

// ownCPU returns the time of processors that this process has used.
func ownCPU(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// serverCPU returns the time of a processor that the server has used.
func serverCPU(b *testing.B, c redis.UniversalClient) time.Duration {
	b.Helper()
	info, err := c.Info(b.Context(), "cpu").Result()
	require.NoError(b, err)
	var used float64
	for line := range strings.Lines(info) {
		for _, name := range []string{"used_cpu_user:", "used_cpu_sys:"} {
			if rest, ok := strings.CutPrefix(line, name); ok {
				seconds, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
				require.NoError(b, err)
				used += seconds
			}
		}
	}
	return time.Duration(used * float64(time.Second))
}

// served returns both behind a server, whose handlers do nothing else: three requests against two.
func (x *sendBench) served(b *testing.B) (ours, bare func(context.Context) error) {
	b.Helper()
	var pending sync.Map
	answer := func(w http.ResponseWriter, text []byte, err error) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(text)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /put", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		ref, t, err := x.put(r.Context())
		pending.Store(ref.ID, [2]any{ref, t})
		answer(w, []byte(ref.ID), err)
	})
	mux.HandleFunc("POST /take/{id}", func(w http.ResponseWriter, r *http.Request) {
		known, _ := pending.Load(r.PathValue("id"))
		p := known.([2]any)
		text, err := x.take(r.Context(), p[0].(securesend.Ref), p[1].(securesend.Take))
		answer(w, text, err)
	})
	mux.HandleFunc("POST /ack/{id}", func(w http.ResponseWriter, r *http.Request) {
		known, _ := pending.LoadAndDelete(r.PathValue("id"))
		p := known.([2]any)
		answer(w, nil, x.ack(r.Context(), p[0].(securesend.Ref), p[1].(securesend.Take)))
	})
	mux.HandleFunc("POST /set", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		id := rand.Text()
		answer(w, []byte(id), errors.Join(err, x.client.Set(r.Context(), x.prefix+":bare:"+id, text, 24*time.Hour).Err()))
	})
	mux.HandleFunc("POST /getdel/{id}", func(w http.ResponseWriter, r *http.Request) {
		text, err := x.client.GetDel(r.Context(), x.prefix+":bare:"+r.PathValue("id")).Bytes()
		answer(w, text, err)
	})
	server := httptest.NewServer(mux)
	b.Cleanup(server.Close)
	client := server.Client()
	transport, ok := client.Transport.(*http.Transport)
	require.True(b, ok)
	transport.MaxIdleConnsPerHost = 64
	post := func(ctx context.Context, path, body string) (string, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+path, strings.NewReader(body))
		if err != nil {
			return "", err
		}
		res, err := client.Do(r)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err == nil && res.StatusCode != http.StatusOK {
			err = errors.New(string(text))
		}
		return string(text), err
	}
	read := func(ctx context.Context, put string, paths ...string) error {
		id, err := post(ctx, put, benchText)
		for i, path := range paths {
			if err != nil {
				return err
			}
			var text string
			if text, err = post(ctx, path+id, ""); err == nil && i == 0 && len(text) != 1024 {
				err = fmt.Errorf("%d bytes", len(text))
			}
		}
		return err
	}
	return func(ctx context.Context) error { return read(ctx, "/put", "/take/", "/ack/") },
		func(ctx context.Context) error { return read(ctx, "/set", "/getdel/") }
}
