package verify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
)

func benchEvents(n int) []Event {
	out := make([]Event, n)
	for i := range out {
		out[i] = Event{
			ID: NewEventID(), Kind: EventAttempted, At: time.Date(2026, 11, 22, 9, 0, i, 0, time.UTC), Tenant: "contoso", Challenge: NewEventID(),
			Verifies: KindCaller, Subject: "5f0c9a7e-1b2c-4d3e-8f90-a1b2c3d4e5f6", Action: ActionResetPassword, Technician: "jane",
			Ticket: mspkit.Ticket{System: "halopsa", ID: "4711"}, Channel: "email", Method: MethodNumber, Assurance: AssuranceEmail,
			State: StatePending, Tries: 1, Sends: 1, By: ByCaller,
		}
	}
	return out
}

// What a link costs beside the bare SHA-256 of the bytes that it covers, in one run. A step of 1 is what happens when
// little is going on: every event is sealed.
func BenchmarkChain(b *testing.B) {
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(b, err)
	s, err := newSigner(ring, "k1")
	require.NoError(b, err)
	for _, n := range []int{1, 100, chainBatch} {
		b.Run(fmt.Sprintf("a step of %d", n), func(b *testing.B) {
			events := benchEvents(n)
			s.extend("contoso", Link{}, events)
			encoded := make([][]byte, n)
			for i, e := range events {
				before := []byte(nil)
				if i > 0 {
					before = events[i-1].Link.Value
				}
				encoded[i] = encodeEvent("contoso", e.Link.N, before, e)
			}
			var ours, theirs time.Duration
			rounds := 0
			for b.Loop() {
				rounds++
				begun := time.Now()
				s.extend("contoso", Link{}, events)
				between := time.Now()
				for _, e := range encoded {
					sha256.Sum256(e)
				}
				ours, theirs = ours+between.Sub(begun), theirs+time.Since(between)
			}
			b.ReportMetric(float64(ours.Nanoseconds())/float64(rounds*n), "ns/event")
			b.ReportMetric(float64(theirs.Nanoseconds())/float64(rounds*n), "bare-ns/event")
			b.ReportMetric(float64(ours)/float64(theirs), "x/bare")
		})
	}
}

// memory is a store that holds one chain and nothing else.
type memory struct {
	Store
	events []Event
}

func (m memory) Evidence(_ context.Context, _ mspkit.TenantID, after int64, limit int) (Evidence, error) {
	return Evidence{Head: m.events[len(m.events)-1].Link, Events: m.events[after:min(int(after)+limit, len(m.events))]}, nil
}

// What exporting and checking cost, and that neither holds the chain in memory.
func BenchmarkEvidence(b *testing.B) {
	const n = 100_000
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(b, err)
	keys, err := EvidenceKeys(ring)
	require.NoError(b, err)
	events := benchEvents(n)
	s, err := newSigner(ring, "k1")
	require.NoError(b, err)
	head := Link{}
	for step := 0; step < n; step += 10 { // a seal for each verification
		s.extend("contoso", head, events[step:step+10])
		head = events[step+9].Link
	}
	svc, err := New(memory{events: events}, ring, "https://help.example", Same(Settings{}), nil)
	require.NoError(b, err)
	var file bytes.Buffer
	b.Run("export", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			file.Reset()
			_, err := svc.ExportEvidence(b.Context(), "contoso", &file)
			require.NoError(b, err)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
	})
	b.Run("check", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			rep, err := CheckEvidence(bytes.NewReader(file.Bytes()), &CheckOptions{Keys: keys})
			require.NoError(b, err)
			require.True(b, rep.Clean(), "%v", rep.Findings)
			require.EqualValues(b, n, rep.Events)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
	})
}
