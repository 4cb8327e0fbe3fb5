package stores_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/it/redisproc"
	"github.com/mspkit/mspkit/internal/it/sendhttp"
	"github.com/mspkit/mspkit/securesend"
)

// loader are clients that send requests which were made before, each over a connection of its own. They cost little, so
// that what is measured is the server.
type loader struct {
	url, host string
	conns     []*bufio.ReadWriter
	redis     redis.UniversalClient // nil where there is none
}

func newLoader(b *testing.B, url string, clients int) *loader {
	b.Helper()
	x := &loader{url: url, host: strings.TrimPrefix(url, "http://")}
	for range clients {
		c, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", x.host)
		require.NoError(b, err)
		b.Cleanup(func() { _ = c.Close() })
		x.conns = append(x.conns, bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c)))
	}
	return x
}

// post returns the bytes of a request.
func (x *loader) post(path, kind string, body []byte) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", path, x.host, kind, len(body), body)
}

// do sends one and returns the body of the answer.
func do(c *bufio.ReadWriter, request []byte) ([]byte, error) {
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	if err := c.Flush(); err != nil {
		return nil, err
	}
	status, err := c.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	ok := bytes.Contains(status, []byte(" 20"))
	size := -1
	for {
		line, err := c.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		if len(line) <= 2 {
			break
		}
		if rest, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			if size, err = strconv.Atoi(string(bytes.TrimSpace(rest))); err != nil {
				return nil, err
			}
		}
	}
	if size < 0 {
		return nil, fmt.Errorf("an answer without length")
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(c, body); err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("the answer was %s", body)
	}
	return body, nil
}

// spent is what a number of requests took: time of the wall, and of the server's processors.
type spent struct {
	wall, cpu, redis time.Duration
	n                int
}

func (s *spent) perSecond() float64 { return float64(s.n) / s.wall.Seconds() }
func (s *spent) micros() float64    { return float64(s.cpu.Nanoseconds()) / 1e3 / float64(s.n) }
func (s *spent) onRedis() float64   { return float64(s.redis.Nanoseconds()) / 1e3 / float64(s.n) }

// all sends the requests, spread over the clients, and adds what it took to sum.
func (x *loader) all(b *testing.B, sum *spent, requests [][]byte) [][]byte {
	b.Helper()
	answers, errs := make([][]byte, len(requests)), make([]error, len(x.conns))
	var onRedis time.Duration
	if x.redis != nil {
		onRedis = serverCPU(b, x.redis)
	}
	before, begun := x.cpu(b), time.Now()
	var wg sync.WaitGroup
	for c, conn := range x.conns {
		wg.Go(func() {
			for i := c; i < len(requests) && errs[c] == nil; i += len(x.conns) {
				answers[i], errs[c] = do(conn, requests[i])
			}
		})
	}
	wg.Wait()
	sum.wall += time.Since(begun)
	sum.cpu += x.cpu(b) - before
	if x.redis != nil {
		sum.redis += serverCPU(b, x.redis) - onRedis
	}
	sum.n += len(requests)
	for _, err := range errs {
		require.NoError(b, err)
	}
	return answers
}

// ask asks something besides, which is not measured.
func (x *loader) ask(b *testing.B, method, path string, out any) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), method, x.url+path, nil)
	require.NoError(b, err)
	res, err := http.DefaultClient.Do(r)
	require.NoError(b, err)
	defer res.Body.Close()
	require.Equal(b, http.StatusOK, res.StatusCode)
	require.NoError(b, json.NewDecoder(res.Body).Decode(out))
}

func (x *loader) cpu(b *testing.B) (used time.Duration) {
	b.Helper()
	x.ask(b, http.MethodGet, "/control/cpu", &used)
	return used
}

// giver fills sends and reads them, as a technician's and a recipient's browser do: sealed here, by the real pages.
type giver struct {
	*loader
	begin, commit, take, ack spent
}

// pageText is 1 KiB.
var pageText = strings.Repeat("0123456789abcdef", 64)

const benchType = "application/json"

// round gives n texts of 1 KiB and reads each once.
func (x *giver) round(b *testing.B, n int) {
	b.Helper()
	var grants []granted
	x.ask(b, http.MethodPost, "/control/grant?n="+strconv.Itoa(n), &grants)
	type one struct {
		path             string // of the page
		upload, fragment []byte
		reader           *sendhttp.Reader
	}
	sends, requests := make([]one, n), make([][]byte, n)
	for i, g := range grants {
		link, err := securesend.ParseLink(g.Link)
		require.NoError(b, err)
		sends[i] = one{path: "/send/c/" + link.Token.Reveal(), upload: link.Fragment.Reveal(), fragment: securesend.RandomKey()}
		sends[i].reader = &sendhttp.Reader{Path: "/send/s/" + link.Token.Reveal(), Fragment: sends[i].fragment, Auth: securesend.Auth(sends[i].fragment), Claim: securesend.RandomKey()}
		requests[i] = x.post(sends[i].path+"/begin", benchType, body(b, map[string]any{"upload": sendhttp.Bytes(sends[i].upload)}))
	}
	for i, answer := range x.all(b, &x.begin, requests) {
		var begun struct{ Context sendhttp.Bytes }
		require.NoError(b, json.Unmarshal(answer, &begun))
		half := securesend.RandomKey()
		keys, err := securesend.NewSendKeys(sends[i].fragment, half, nil)
		require.NoError(b, err)
		header := securesend.Header{}
		manifest, err := keys.SealManifest([securesend.KeySize]byte(begun.Context), header, securesend.Manifest{Text: pageText})
		require.NoError(b, err)
		requests[i] = x.post(sends[i].path+"/commit", benchType, body(b, map[string]any{
			"upload": sendhttp.Bytes(sends[i].upload), "header": sendhttp.Bytes(header.Bytes()), "auth": sendhttp.Bytes(securesend.AuthHash(sends[i].reader.Auth)),
			"half": sendhttp.Bytes(half), "manifest": sendhttp.Bytes(manifest),
		}))
	}
	for i, answer := range x.all(b, &x.commit, requests) {
		var committed struct{ Number string }
		require.NoError(b, json.Unmarshal(answer, &committed))
		require.NotEmpty(b, committed.Number)
		sends[i].reader.Number = committed.Number
		requests[i] = x.post(sends[i].reader.Path+"/take", benchType, sends[i].reader.TakeBody())
	}
	for i, answer := range x.all(b, &x.take, requests) {
		if i == 0 {
			var taken sendhttp.Taken
			require.NoError(b, json.Unmarshal(answer, &taken))
			text, _, err := sends[i].reader.Content(taken, nil)
			require.NoError(b, err)
			require.Equal(b, pageText, text)
		}
		requests[i] = x.post(sends[i].reader.Path+"/ack", benchType, sends[i].reader.Body(map[string]any{"claim": sendhttp.Bytes(sends[i].reader.Claim)}))
	}
	x.all(b, &x.ack, requests)
}

func body(b *testing.B, v any) []byte {
	b.Helper()
	out, err := json.Marshal(v)
	require.NoError(b, err)
	return out
}

// plainGiver does the same on the bare server.
type plainGiver struct {
	*loader
	set, get spent
}

func (x *plainGiver) round(b *testing.B, n int) {
	b.Helper()
	ids, requests := make([]string, n), make([][]byte, n)
	for i := range ids {
		ids[i] = benchName()
		requests[i] = x.post("/set/"+ids[i], "application/octet-stream", []byte(pageText))
	}
	x.all(b, &x.set, requests)
	for i, id := range ids {
		requests[i] = x.post("/get/"+id, "application/octet-stream", nil)
	}
	for _, answer := range x.all(b, &x.get, requests) {
		require.Len(b, answer, len(pageText))
	}
}

// BenchmarkSecureSendPages has 64 clients give and read texts of 1 KiB by the real pages, each server in a process of its own, whose
// processor time alone counts. Beside Redis, in turns, a bare server does it with SET and GETDEL; x/bare is our requests a second by
// its. Run it with a fixed count such as -benchtime 20000x.
func BenchmarkSecureSendPages(b *testing.B) {
	server := redisproc.Start(b)
	for _, o := range []struct {
		name       string
		files, run bool
	}{{"Redis", false, false}, {"Redis with files", true, false}, {"Redis with Run", false, true}} {
		b.Run(o.name, func(b *testing.B) {
			pagesBeside(b, sendServer{Kind: "redis", DSN: server.Addr, Prefix: benchName(), Files: o.files, Run: o.run})
		})
	}
	b.Run("memory", func(b *testing.B) { pagesBeside(b, sendServer{Kind: "memory"}) })
	b.Run("SQLite", func(b *testing.B) { pagesBeside(b, sendServer{Kind: "sqlite", DSN: sendFile(b).dsn}) })
	b.Run("PostgreSQL", func(b *testing.B) {
		d := sendSchema(b)
		pagesBeside(b, sendServer{Kind: "postgres", DSN: d.dsn, Schema: d.schema})
	})
}

func pagesBeside(b *testing.B, o sendServer) {
	b.Helper()
	const clients, most = 64, 30 // rounds of each client before it is the other server's turn
	ours := &giver{loader: newLoader(b, startServer(b, o), clients)}
	var bare *plainGiver
	if o.Kind == "redis" {
		bare = &plainGiver{loader: newLoader(b, startServer(b, sendServer{Kind: "bare", DSN: o.DSN, Prefix: o.Prefix}), clients)}
		ours.redis = redis.NewClient(&redis.Options{Addr: o.DSN})
		bare.redis = ours.redis
		b.Cleanup(func() { _ = ours.redis.Close() })
	}
	for warm := 1; warm >= 0; warm-- {
		for done := 0; done < b.N; {
			n := clients * min(most, max((b.N-done+clients-1)/clients, 1))
			ours.round(b, n)
			if bare != nil {
				bare.round(b, n)
			}
			done += n
			if warm > 0 {
				break
			}
		}
		if warm > 0 { // scripts are known, connections made
			*ours = giver{loader: ours.loader}
			if bare != nil {
				*bare = plainGiver{loader: bare.loader}
			}
		}
	}
	for name, s := range map[string]*spent{"begin": &ours.begin, "commit": &ours.commit, "take": &ours.take, "ack": &ours.ack} {
		b.ReportMetric(s.micros(), name+"-cpu-µs")
		if name != "begin" {
			b.ReportMetric(s.perSecond(), name+"/s")
		}
	}
	if bare != nil {
		b.ReportMetric(bare.set.perSecond(), "set/s")
		b.ReportMetric(bare.get.perSecond(), "get/s")
		b.ReportMetric(bare.set.micros(), "set-cpu-µs")
		b.ReportMetric(bare.get.micros(), "get-cpu-µs")
		b.ReportMetric(ours.take.onRedis(), "take-redis-µs")
		b.ReportMetric(bare.get.onRedis(), "get-redis-µs")
		b.ReportMetric(ours.take.perSecond()/bare.get.perSecond(), "take-x/bare")
		b.ReportMetric(ours.commit.perSecond()/bare.set.perSecond(), "commit-x/bare")
	}
	b.ReportMetric(0, "ns/op") // of all of it, which nobody needs
}
