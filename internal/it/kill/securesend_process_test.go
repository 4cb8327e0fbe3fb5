package kill_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/it/sendhttp"
	"github.com/mspkit/mspkit/securesend"
)

// children are processes that serve sends, one at a time. When one has died the next one takes its place.
type children struct {
	*sends

	mu   sync.Mutex
	cmd  *exec.Cmd
	url  string
	died chan struct{}
	// late is by how much the clocks go ahead at the next death.
	late time.Duration
}

func newChildren(t *testing.T, kind, address string) *children {
	t.Helper()
	x := &children{sends: newSends(t, kind, address)}
	x.sends.base, x.sends.lost = x.base, x.lost
	x.inst = x.place.start(t, nil, &x.ahead)
	x.spawn()
	t.Cleanup(func() { _ = x.cmd.Process.Kill(); <-x.died })
	return x
}

// spawn starts a child and waits until it serves.
func (x *children) spawn() {
	b, err := json.Marshal(sendOrders{Place: x.place, Ahead: time.Duration(x.ahead.Load())})
	require.NoError(x, err)
	cmd := exec.Command(os.Args[0], "-test.run=^TestSendChild$", "-test.v")
	cmd.Env = append(os.Environ(), sendChildEnv+"="+string(b))
	_, err = cmd.StdinPipe() // its end is this process' end
	require.NoError(x, err)
	out, err := cmd.StdoutPipe()
	require.NoError(x, err)
	cmd.Stderr = os.Stderr
	require.NoError(x, cmd.Start())
	died := make(chan struct{})
	lines := bufio.NewScanner(out)
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
		if url, ok := strings.CutPrefix(lines.Text(), "serving "); ok {
			x.cmd, x.url, x.died = cmd, url+"/send", died
			go func() {
				_, _ = io.Copy(io.Discard, out)
				_ = cmd.Wait() // it was killed
				close(died)
			}()
			return
		}
	}
	_ = cmd.Wait()
	x.Errorf("a child does not serve: %s", said)
	x.FailNow()
}

func (x *children) base() string { x.mu.Lock(); defer x.mu.Unlock(); return x.url }

// lost replaces the child at base once it has died.
func (x *children) lost(base string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.url != base {
		return // somebody else did
	}
	select {
	case <-x.died:
	case <-time.After(10 * time.Second):
		return // it lives, and will be asked again
	}
	x.ahead.Add(int64(x.late))
	x.late = 0
	x.spawn()
}

// dead waits until the child is dead, where it is not yet, and reports whether it was killed.
func (x *children) dead(base string) bool {
	x.mu.Lock()
	died := x.died
	same := x.url == base
	x.mu.Unlock()
	if !same {
		return true
	}
	select {
	case <-died:
		x.lost(base)
		return true
	case <-time.After(5 * time.Second):
		return false
	}
}

// A scene is what happens around a point.
type scene func(x *children) error

// death is a point in a scene.
type death struct {
	name  string
	scene scene
	point string
	n     int
}

// deaths are all of them, in the order of a life.
func deaths() (out []death) {
	add := func(name string, s scene, n int, points ...string) {
		for _, p := range points {
			out = append(out, death{name, s, p, n})
		}
	}
	all := func(verbs ...string) (points []string) {
		for _, v := range verbs {
			points = append(points, v+"/before", v+"/during", v+"/after")
		}
		return points
	}
	text := func(x *children) error { return x.reveal(x.create(textRequest(securesend.GateNumber)), false) }
	file := func(x *children) error {
		if err := x.reveal(x.create(fileRequest(securesend.GateNone)), false); err != nil {
			return err
		}
		return x.order("run")
	}
	// The winner leaves. After the lease and its margin a sweep ends it, and nobody gets it any more.
	leaves := func(x *children) error {
		s := x.create(fileRequest(securesend.GateNumber))
		if err := x.reveal(s, true); err != nil {
			return err
		}
		x.ahead.Add(int64(securesend.Lease + securesend.LeaseMargin + time.Second))
		if err := x.order("run"); err != nil {
			return err
		}
		r, err := sendhttp.NewReader(s)
		if err != nil {
			return err
		}
		return x.over(r)
	}
	upload := func(x *children) error { return x.order("create") }

	add("text", text, 1, all("Open")...)
	add("text", text, 1, "open/reply", "open/replied")
	add("text", text, 2, "Open/after", "open/reply")
	add("text", text, 1, all("Stat", "Take")...)
	add("text", text, 1, "take/reply", "take/replied")
	add("text", text, 1, all("Ack")...)
	add("text", text, 1, "ack/reply", "ack/replied")
	add("file", file, 1, all("Take", "Extend", "BlobOpen")...)
	add("file", file, 1, "take/reply", "take/replied", "chunks/reply", "chunks/body")
	add("file", file, 20, "chunks/body")
	add("file", file, 2, all("Extend")...)
	add("file", file, 1, "chunks/replied")
	add("file", file, 1, all("Ack")...)
	add("file", file, 1, "ack/reply", "ack/replied")
	add("file", file, 1, all("Dead", "BlobDelete", "Forget", "Events", "Record", "AckEvents")...)
	add("leaves", leaves, 1, all("Expire", "BlobDelete", "Forget", "Record")...)
	add("upload", upload, 1, all("Put", "BlobPut", "Commit")...)
	return out
}

// round kills a child at one point, or where d has none after a moment.
func (x *children) round(d death, rng *rand.Rand) {
	x.Helper()
	if rng.IntN(2) == 0 {
		x.late = 45 * time.Second // what a reader needs to come back, and still within the lease
	}
	base := x.base()
	if d.point != "" {
		require.NoError(x, x.order(fmt.Sprintf("arm?point=%s&n=%d", d.point, d.n)))
		require.NoError(x, d.scene(x), "%s, killed at %s", d.name, d.point)
		require.True(x, x.dead(base), "%s: the point %s was not reached", d.name, d.point)
		return
	}
	x.mu.Lock()
	process := x.cmd.Process
	x.mu.Unlock()
	moment := time.Duration(rng.IntN(60)) * time.Millisecond
	timer := time.AfterFunc(moment, func() { _ = process.Kill() })
	defer timer.Stop()
	require.NoError(x, d.scene(x), "%s, killed after %s", d.name, moment)
	if timer.Stop() {
		_ = process.Kill() // it was faster
	}
	require.True(x, x.dead(base))
}

// kills is how many processes die for each store.
func kills() int {
	if os.Getenv("MSPKIT_SOAK") != "" {
		return 200
	}
	return 12
}

// killed kills children at every point of a reveal, in turn, and some at random moments.
func (x *children) killed() {
	x.Helper()
	ctx, cancel := context.WithTimeout(x.Context(), 5*time.Minute)
	defer cancel()
	rng := rand.New(rand.NewPCG(1, 2))
	all := deaths()
	for i := range kills() {
		require.NoError(x, ctx.Err())
		d := all[i%len(all)]
		if kills() < len(all) {
			d = all[i*len(all)/kills()]
		}
		if i%6 == 5 {
			d.point = ""
		}
		x.round(d, rng)
	}
	x.Logf("%d kills at %d points", kills(), len(all))
	x.clean()
}
