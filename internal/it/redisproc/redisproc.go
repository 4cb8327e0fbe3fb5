// Package redisproc starts Redis servers for tests that kill, reconfigure or join them.
package redisproc

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func closeAll(clients []*redis.Client) {
	for _, c := range clients {
		if c != nil {
			_ = c.Close() // nothing is lost
		}
	}
}

// Server is one server of a test.
type Server struct {
	Addr string
	// Dir is where it keeps its files.
	Dir  string
	args []string
	cmd  *exec.Cmd
}

// Start starts a server without persistence unless args say otherwise. It ends with the test.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("mspkit-needs: redis-server")
	}
	s := &Server{Dir: t.TempDir()}
	port := freePort(t)
	s.Addr = "127.0.0.1:" + port
	s.args = append([]string{
		path, "--port", port, "--bind", "127.0.0.1", "--dir", s.Dir, "--save", "", "--appendonly", "no", "--cluster-node-timeout", "2000",
	}, args...)
	s.Resume(t)
	t.Cleanup(func() { s.Kill(t) })
	return s
}

// freePort returns a port below those that systems give to outgoing connections, so that none of them takes it while the server
// is dead. A cluster's bus listens 10000 above, also below.
func freePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(11000 + rand.IntN(11000)) //nolint:gosec // any will do
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:"+port)
		if err == nil {
			must(t, l.Close())
			return port
		}
	}
	t.Fatal("there is no free port")
	return ""
}

// Resume starts the server again with what is on the disk.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	var out bytes.Buffer
	s.cmd = exec.Command(s.args[0], s.args[1:]...) //nolint:gosec,noctx // what the test says, and killed when it says so
	s.cmd.Stdout, s.cmd.Stderr = &out, &out
	must(t, s.cmd.Start())
	answers := func() bool {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "tcp", s.Addr)
		if err != nil {
			return false
		}
		defer conn.Close() //nolint:errcheck // it was used for a ping
		answer := make([]byte, 5)
		_, werr := conn.Write([]byte("PING\r\n"))
		_, rerr := io.ReadFull(conn, answer)
		return werr == nil && rerr == nil && string(answer[:5]) != "-LOAD"
	}
	for range 2000 {
		if answers() {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	s.Kill(t)
	t.Fatalf("redis-server does not answer: %s", out.String())
}

// Kill ends it the way a power switch does. A second time does nothing.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	must(t, s.cmd.Process.Kill())
	_ = s.cmd.Wait() // it was killed
	s.cmd = nil
}

// Rewrite has the append-only file written anew from what is in memory.
func (s *Server) Rewrite(t testing.TB) {
	t.Helper()
	c := s.Client()
	defer c.Close() //nolint:errcheck // nothing is lost
	ctx := context.Background()
	must(t, c.BgRewriteAOF(ctx).Err())
	for range 2000 {
		info := c.Info(ctx, "persistence").Val()
		if strings.Contains(info, "aof_rewrite_in_progress:0") && strings.Contains(info, "aof_rewrite_scheduled:0") {
			return
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Fatal("the append-only file is not rewritten")
}

// Client returns a client; the caller closes it.
func (s *Server) Client() *redis.Client { return redis.NewClient(&redis.Options{Addr: s.Addr}) }

// File returns the newest file below Dir whose name ends in suffix, and its content.
func (s *Server) File(t testing.TB, suffix string) (path string, content []byte) {
	t.Helper()
	var newest time.Time
	must(t, filepath.WalkDir(s.Dir, func(p string, _ os.DirEntry, err error) error {
		info, serr := os.Stat(p)
		if err == nil && serr == nil && strings.HasSuffix(p, suffix) && info.ModTime().After(newest) {
			path, newest = p, info.ModTime()
		}
		return nil
	}))
	if path == "" {
		t.Fatalf("there is no file *%s", suffix)
	}
	content, err := os.ReadFile(path) //nolint:gosec // a file of the test
	must(t, err)
	return path, content
}

// Cluster is a Redis Cluster of three masters.
type Cluster struct{ Nodes []*Server }

// slots is how many a cluster has.
const slots = 16384

// StartCluster starts one.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	clients := make([]*redis.Client, 3)
	defer closeAll(clients)
	for i := range clients {
		node := Start(t, "--cluster-enabled", "yes")
		c.Nodes = append(c.Nodes, node)
		clients[i] = node.Client()
		must(t, clients[i].ClusterAddSlotsRange(ctx, i*slots/3, (i+1)*slots/3-1).Err())
	}
	for _, n := range c.Nodes[1:] {
		host, port, err := net.SplitHostPort(n.Addr)
		must(t, err)
		must(t, clients[0].ClusterMeet(ctx, host, port).Err())
	}
	for _, client := range clients {
		for {
			info, err := client.ClusterInfo(ctx).Result()
			if err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3") {
				break
			}
			if ctx.Err() != nil {
				t.Fatal("the cluster does not form")
			}
			<-time.After(50 * time.Millisecond)
		}
	}
	return c
}

// Client returns a client of the whole cluster; the caller closes it.
func (c *Cluster) Client() *redis.ClusterClient {
	var addrs []string
	for _, n := range c.Nodes {
		addrs = append(addrs, n.Addr)
	}
	// While a slot moves on a busy machine, the nodes may send a client to and fro more often than the three times of the default.
	return redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, MaxRedirects: 16})
}

// Move moves the slot of key to another node step by step, as a cluster's tools do, and calls between with the slot half moved.
func (c *Cluster) Move(t testing.TB, key string, between func(step string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	clients := make([]*redis.Client, len(c.Nodes))
	defer closeAll(clients)
	ids := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		clients[i] = n.Client()
		var err error
		ids[i], err = clients[i].Do(ctx, "CLUSTER", "MYID").Text()
		must(t, err)
	}
	slot, err := clients[0].ClusterKeySlot(ctx, key).Result()
	must(t, err)
	from := -1
	for i := range clients {
		if n, err := clients[i].ClusterCountKeysInSlot(ctx, int(slot)).Result(); err == nil && n > 0 {
			from = i
		}
	}
	if from < 0 {
		t.Fatalf("no node has the key %s", key)
	}
	to := (from + 1) % len(clients)
	setSlot := func(i int, args ...any) {
		must(t, clients[i].Do(ctx, append([]any{"CLUSTER", "SETSLOT", slot}, args...)...).Err())
	}
	setSlot(to, "IMPORTING", ids[from])
	setSlot(from, "MIGRATING", ids[to])
	between("before the keys move")
	host, port, err := net.SplitHostPort(c.Nodes[to].Addr)
	must(t, err)
	for {
		keys, err := clients[from].ClusterGetKeysInSlot(ctx, int(slot), 10).Result()
		must(t, err)
		if len(keys) == 0 {
			break
		}
		args := []any{"MIGRATE", host, port, "", 0, 5000, "KEYS"}
		for _, k := range keys {
			args = append(args, k)
		}
		must(t, clients[from].Do(ctx, args...).Err())
	}
	between("after the keys moved")
	for _, i := range []int{to, from} {
		setSlot(i, "NODE", ids[to])
	}
	for i := range clients {
		if i != to && i != from {
			setSlot(i, "NODE", ids[to])
		}
	}
	agree(ctx, t, clients, slot, ids[to])
	between(fmt.Sprintf("at the end, slot %d", slot))
}

// agree waits until every node names owner as the owner of slot and all are of one epoch. A slot that is moved on before that
// may be taken for lost by a node that hears of it late, which then deletes its keys.
func agree(ctx context.Context, t testing.TB, clients []*redis.Client, slot int64, owner string) {
	t.Helper()
	for {
		epochs := map[string]bool{}
		agreed := 0
		for _, c := range clients {
			shards, err := c.ClusterShards(ctx).Result()
			must(t, err)
			for _, s := range shards {
				owns := slices.ContainsFunc(s.Slots, func(r redis.SlotRange) bool { return r.Start <= slot && slot <= r.End })
				if owns && len(s.Nodes) > 0 && s.Nodes[0].ID == owner {
					agreed++
				}
			}
			info, err := c.ClusterInfo(ctx).Result()
			must(t, err)
			_, rest, _ := strings.Cut(info, "cluster_current_epoch:")
			epoch, _, _ := strings.Cut(rest, "\r\n")
			epochs[epoch] = true
		}
		if agreed == len(clients) && len(epochs) == 1 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the nodes do not agree on the owner of slot %d", slot)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
