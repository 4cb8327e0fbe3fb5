package changefeed_test

import (
	"bytes"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

// A body may hold millions of items that are none, and each costs something.
func TestABodyOfVeryManyItemsIsRefusedEarly(t *testing.T) { //nolint:paralleltest // it counts what is allocated
	const size = 8 << 20
	many := func(begin, item, end string) []byte {
		return []byte(begin + strings.Repeat(item+",", (size-len(begin)-len(end)-len(item))/(len(item)+1)) + item + end)
	}
	bodies := map[string][]byte{
		"numbers":           many(`{"value":[`, `1`, `]}`),
		"empty objects":     many(`{"value":[`, `{}`, `]}`),
		"tokens":            many(`{"validationTokens":[`, `""`, `],"value":[{}]}`),
		"nested":            append(append([]byte(`{"value":[`), bytes.Repeat([]byte("["), size/2)...), '1'),
		"values again":      many(`{`, `"value":[{}]`, `}`),
		"of other names":    many(`{"value":[{}],`, `"x":[1]`, `}`),
		"tokens of a batch": many(`{"value":[{}],"validationTokens":[`, `"`+strings.Repeat("a.e30.", 50)+`"`, `]}`),
	}
	for name, body := range bodies {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		changefeed.ParseBody(body)
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4*size), name)
		require.Less(t, took, 30*time.Second, name) // a busy machine needs seconds; the square of so many items takes far longer
		t.Log(name, took, (after.TotalAlloc-before.TotalAlloc)>>20)
	}
}

func TestManyLargeBodiesAtOnceAreNotKept(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, func(w *feedWorld) { w.options.MaxBody = 64 << 10 })
	w.follow("contoso", changefeed.AllChats())
	n := w.said(w.contoso, "hello")
	var (
		all  sync.WaitGroup
		full = strings.Repeat(" ", 60<<10)
		stop = make(chan struct{})
	)
	reached := make(chan struct{}, 100)
	for range 17 {
		all.Go(func() {
			body := io.MultiReader(strings.NewReader(full), blocks{reached, stop}, strings.NewReader("{}"))
			if code := w.post("/", "application/json", body).Code; code != 400 {
				t.Errorf("it is answered with %d", code)
			}
		})
	}
	for range 17 {
		<-reached
	}
	busy := w.post("/", "application/json", strings.NewReader(full))
	require.Equal(t, 503, busy.Code)
	require.NotEmpty(t, busy.Header().Get("Retry-After"))
	close(stop)
	all.Wait()
	require.Equal(t, 202, w.post("/", "application/json", bytes.NewReader(w.graph.Batch(n))).Code)
	w.handle()
	require.Equal(t, []string{"hello"}, w.sink.texts())
}

// blocks is a part of a body that does not come until stop is closed.
type blocks struct {
	reached chan<- struct{}
	stop    <-chan struct{}
}

func (b blocks) Read([]byte) (int, error) {
	select {
	case b.reached <- struct{}{}:
	default:
	}
	<-b.stop
	return 0, io.EOF
}
