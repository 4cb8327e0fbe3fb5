package kill_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/it/sendhttp"
	"github.com/mspkit/mspkit/securesend"
)

const secretText = "the new password is hunter2"

// secretFile has three chunks.
var secretFile = bytes.Repeat([]byte("0123456789abcdef"), (2<<20+4096)/16)

func textRequest(g securesend.Gate) securesend.SendRequest {
	return securesend.SendRequest{Tenant: tenant, By: sender, Text: mspkit.Redact(secretText), Choice: securesend.Choice{Gate: g}}
}

func fileRequest(g securesend.Gate) securesend.SendRequest {
	r := textRequest(g)
	r.Files = []securesend.File{{Name: "image.bin", Size: int64(len(secretFile)), Reader: bytes.NewReader(secretFile)}}
	return r
}

// sends are what the test gives and reads while something dies. Nothing that a reader does is given up: what got no
// answer is asked again, with the same claim.
type sends struct {
	*testing.T
	place place
	// ahead is how far the clocks of all processes are ahead of the real one.
	ahead atomic.Int64
	// base is where the pages are, and lost is called where base did not answer.
	base func() string
	lost func(base string)
	http *http.Client
	// again counts what had to be asked again.
	again atomic.Int64
	// inst is an instance in this process, which creates and checks.
	inst instance
}

func newSends(t *testing.T, kind, address string) *sends {
	t.Helper()
	dir := t.TempDir()
	x := &sends{T: t, place: place{
		Kind: kind, Address: address, Blobs: filepath.Join(dir, "blobs"), Journal: filepath.Join(dir, "journal"),
		Key: mspkit.NewKey("k1").Export().Reveal(),
	}, http: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	t.Cleanup(x.http.CloseIdleConnections)
	return x
}

// patience is how long anything may take, restarts included. It is less than a lease, less what clocks are moved.
const patience = time.Minute

// until repeats f until there is an answer, and returns its error where it is a refusal.
func (x *sends) until(f func(ctx context.Context, base string) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		base := x.base()
		err := f(ctx, base)
		switch sendhttp.Code(err) {
		case "lost":
			x.again.Add(1)
			x.lost(base)
		case "unavailable":
			x.again.Add(1)
			time.Sleep(5 * time.Millisecond)
		default:
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("there is no answer: %w", err)
		}
	}
}

// order tells the child to do something, again and again until it is done. It works where base is of a child.
func (x *sends) order(what string) error {
	return x.until(func(ctx context.Context, base string) error {
		url := strings.TrimSuffix(base, "/send") + "/control/" + what
		if strings.Contains(url, "?") {
			url += "&"
		} else {
			url += "?"
		}
		_, err := sendhttp.Post(ctx, x.http, url+"ahead="+strconv.FormatInt(x.ahead.Load(), 10), nil)
		return err
	})
}

// create gives something, in this process.
func (x *sends) create(r securesend.SendRequest) securesend.Sent {
	x.Helper()
	s, err := x.inst.svc.Create(x.Context(), r)
	require.NoError(x, err)
	return s
}

// readers is how many claims there are for each send.
const readers = 3

// reveal lets all readers of s, with a claim each, do what they can at once: exactly one gets the content, whole, and the
// others get nothing. Who got it acknowledges, unless left is set: then it leaves. Every error is in the result.
func (x *sends) reveal(s securesend.Sent, left bool) error {
	first, err := sendhttp.NewReader(s)
	if err != nil {
		return err
	}
	errs := make([]error, readers+1)
	var got atomic.Int64
	var wg sync.WaitGroup
	for i := range readers {
		r := first
		if i > 0 {
			r = first.Rival()
		}
		wg.Go(func() { errs[i] = x.read(r, left, &got) })
	}
	wg.Wait()
	if n := got.Load(); n != 1 {
		errs[readers] = fmt.Errorf("%d of %d claims got the half of %s", n, readers, s.Ref.ID)
	}
	return errors.Join(errs...)
}

// gone and closed are what somebody else's claim may be told, and a claim of a send that has ended.
func gone(err error) bool   { return sendhttp.Code(err) == "ended" }
func closed(err error) bool { return gone(err) || sendhttp.Code(err) == "opening" }

// read is all that one reader does.
func (x *sends) read(r *sendhttp.Reader, left bool, got *atomic.Int64) error {
	if err := x.until(func(ctx context.Context, base string) error {
		_, err := r.Open(ctx, x.http, base)
		return err
	}); err != nil {
		return fmt.Errorf("open: %w", err)
	}
	var taken sendhttp.Taken
	err := x.until(func(ctx context.Context, base string) (err error) {
		taken, err = r.Take(ctx, x.http, base)
		return err
	})
	if closed(err) {
		return x.rival(r)
	}
	if err != nil {
		return fmt.Errorf("take: %w", err)
	}
	got.Add(1)
	text, files, err := r.Content(taken, func(file int, from, to int64) (out []byte, err error) {
		err = x.until(func(ctx context.Context, base string) (err error) {
			out, err = r.Chunks(ctx, x.http, base, file, from, to)
			return err
		})
		return out, err
	})
	switch {
	case err != nil:
		return fmt.Errorf("what was taken cannot be opened: %w", err)
	case text != secretText || len(files) != len(taken.Sizes) || len(files) == 1 && !bytes.Equal(files[0], secretFile):
		return errors.New("the content is not what was given")
	case left:
		return nil
	}
	if err := x.until(func(ctx context.Context, base string) error { return r.Ack(ctx, x.http, base) }); err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	return x.over(r)
}

// rival has been told that somebody else is first. Nothing else works either.
func (x *sends) rival(r *sendhttp.Reader) error {
	chunks := x.until(func(ctx context.Context, base string) error {
		_, err := r.Chunks(ctx, x.http, base, 0, 0, 1)
		return err
	})
	ack := x.until(func(ctx context.Context, base string) error { return r.Ack(ctx, x.http, base) })
	take := x.until(func(ctx context.Context, base string) error {
		_, err := r.Take(ctx, x.http, base)
		return err
	})
	if !closed(chunks) || !closed(ack) || !closed(take) {
		return fmt.Errorf("a rival was told %w, %w, %w", orNil(chunks), orNil(ack), orNil(take))
	}
	return nil
}

func orNil(err error) error {
	if err == nil {
		return errors.New("yes")
	}
	return err
}

// over checks that a claim gets nothing any more.
func (x *sends) over(r *sendhttp.Reader) error {
	err := x.until(func(ctx context.Context, base string) error {
		_, err := r.Take(ctx, x.http, base)
		return err
	})
	if !gone(err) {
		return fmt.Errorf("after the end a take got: %w", orNil(err))
	}
	return nil
}

// clean ends everything, in time and in this process, and checks that nothing is left that could be opened or that nobody
// knows of, and that the journal has every event.
func (x *sends) clean() {
	x.Helper()
	x.ahead.Add(int64(securesend.MaxTTL + time.Hour))
	// Connections to a server that was killed fail once each, and go-redis looks only once a second whether it is back.
	for began := time.Now(); x.inst.svc.RunOnce(x.Context()) != nil && time.Since(began) < 30*time.Second; {
		time.Sleep(20 * time.Millisecond)
	}
	require.NoError(x, x.inst.svc.RunOnce(x.Context()))
	records, err := x.inst.store.List(x.Context(), securesend.Query{Tenant: tenant})
	require.NoError(x, err)
	recorded, repeats := x.recorded()
	var revealed, acked, lapsed, expired int
	for _, r := range records {
		require.True(x, r.State.Final(), "%s is %s", r.ID, r.State)
		require.False(x, r.Blobs, "the files of %s were not forgotten", r.ID)
		n := map[securesend.EventKind]int{}
		for _, e := range recorded[r.ID] {
			n[e.Kind]++
		}
		require.Equal(x, 1, n[securesend.EventCreated], "%s", r.ID)
		require.Equal(x, r.Views, n[securesend.EventRevealed], "%s is %s", r.ID, r.State)
		require.LessOrEqual(x, r.Views, 1, "%s was handed out twice", r.ID)
		require.Equal(x, count(!r.OpenedAt.IsZero()), n[securesend.EventOpened])
		require.Equal(x, count(r.State == securesend.StateAcknowledged), n[securesend.EventAcknowledged])
		require.Equal(x, count(r.State == securesend.StateLapsed), n[securesend.EventLapsed])
		require.Equal(x, count(r.State == securesend.StateExpired), n[securesend.EventExpired])
		revealed += r.Views
		acked += n[securesend.EventAcknowledged]
		lapsed += n[securesend.EventLapsed]
		expired += n[securesend.EventExpired]
	}
	x.Logf("%d sends: %d revealed, %d acknowledged, %d lapsed, %d expired; %d events were handed over again", len(records), revealed, acked, lapsed, expired, repeats)
	require.Zero(x, x.halves(), "halves or texts are left in the store")
	require.NoError(x, filepath.WalkDir(x.place.Blobs, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = fmt.Errorf("%s belongs to nothing", path)
		}
		return err
	}))
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// recorded returns the events of the journal by send, without repeats, which must be equal.
func (x *sends) recorded() (out map[string][]securesend.Event, repeats int) {
	x.Helper()
	b, err := os.ReadFile(x.place.Journal)
	require.NoError(x, err)
	out = map[string][]securesend.Event{}
	first := map[string]securesend.Event{}
	for _, l := range parseLines(b) {
		if l.What != "send" {
			continue
		}
		if known, ok := first[l.Send.ID]; ok {
			require.Equal(x, known, *l.Send, "a repeat differs")
			repeats++
			continue
		}
		first[l.Send.ID] = *l.Send
		out[l.Send.Send] = append(out[l.Send.Send], *l.Send)
	}
	return out, repeats
}

// halves counts what is stored of halves and sealed texts.
func (x *sends) halves() (n int) {
	x.Helper()
	ctx := x.Context()
	if x.place.Kind != "redis" {
		db := x.place.db(x.T, 16)
		require.NoError(x, db.QueryRowContext(ctx,
			`SELECT COUNT(*) FROM mspkit_securesend_records WHERE LENGTH(half) + LENGTH(content) + LENGTH(number_mac) > 0`).Scan(&n))
		return n
	}
	client := redis.NewClient(&redis.Options{Addr: x.place.Address})
	defer client.Close()
	all := client.Scan(ctx, 0, "*", 1000).Iterator()
	hashes := 0
	for all.Next(ctx) {
		fields, err := client.HGetAll(ctx, all.Val()).Result()
		if err != nil {
			continue // a key of another type
		}
		hashes++
		for name, value := range fields {
			if (name[0] == 'm' || name[0] == 't') && value != "" { // see redisstore/lua/shard.lua
				n++
			}
		}
	}
	require.NoError(x, all.Err())
	require.Positive(x, hashes, "this looks in the wrong place")
	return n
}
