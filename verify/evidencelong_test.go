package verify_test

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

// longLines is an export of n events that somebody made up, each of a challenge whose id is as long as a line can be. It is
// written as it is read.
type longLines struct {
	lines, n int
	rest     io.Reader
}

func (l *longLines) Read(b []byte) (int, error) {
	for {
		if l.rest != nil {
			if n, err := l.rest.Read(b); err == nil {
				return n, nil
			}
		}
		line := fmt.Sprintf(`{"n":%d,"at":"2026-01-02T03:04:05.000000Z","kind":"confirmed","id":"e","challenge":"%d%s","link":""}`, l.lines, l.lines, strings.Repeat("x", 200_000))
		switch {
		case l.lines > l.n:
			return 0, io.EOF
		case l.lines == 0:
			line = `{"evidence":1,"tenant":"contoso","exported":"2026-01-02T03:04:05.000000Z","retention":1,"base":{"n":0,"link":""},"head":{"n":1,"link":""}}`
		}
		l.lines++
		l.rest = strings.NewReader(line + "\n")
	}
}

func TestAnExportOfLongIdsIsCheckedInLittleMemory(t *testing.T) { //nolint:paralleltest // it measures the memory of the program
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const n = 300
	before, after := heap(), uint64(0)
	r, err := verify.CheckEvidence(&longLines{n: n}, &verify.CheckOptions{HashesOnly: true, Event: func(line int64, _ verify.Event) {
		if line == n+1 {
			after = heap()
		}
	}})
	require.NoError(t, err)
	require.Equal(t, int64(n), r.Events)
	require.Less(t, after, before+n*100_000, "half of what was read is kept")
	stories := 0
	for _, f := range r.Findings {
		require.Less(t, len(f.Text), 1000)
		if f.Kind == verify.FindingStory {
			stories++
		}
	}
	require.Equal(t, n, stories)
}

func TestTwoKeysOfOneIDAreRefused(t *testing.T) {
	t.Parallel()
	one, other := ringKey(t), ringKey(t)
	_, err := verify.CheckEvidence(strings.NewReader("\n"), &verify.CheckOptions{Keys: []verify.EvidenceKey{one, other}})
	require.ErrorIs(t, err, verify.ErrInvalid)
	require.ErrorContains(t, err, `two keys have the id "k1"`)
	_, err = verify.CheckEvidence(strings.NewReader("\n"), &verify.CheckOptions{Keys: []verify.EvidenceKey{one, one}})
	require.NotContains(t, err.Error(), "two keys")
}

func ringKey(t *testing.T) verify.EvidenceKey {
	t.Helper()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	keys, err := verify.EvidenceKeys(ring)
	require.NoError(t, err)
	return keys[0]
}
