package securesend_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/memstore"
)

// What the service itself costs where a text of 1 KiB is sent and read: the store is in memory.
func BenchmarkReveal(b *testing.B) {
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k2"), mspkit.NewKey("k1"))
	require.NoError(b, err)
	set := securesend.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}}
	text := mspkit.Redact(strings.Repeat("0123456789abcdef", 64))
	svc, err := securesend.New(memstore.New(), ring, "https://help.example/send", securesend.Same(set), nil)
	require.NoError(b, err)
	var create, take, ack time.Duration
	for i := 0; b.Loop(); i++ {
		if i%1000 == 0 { // a store in memory grows slow
			b.StopTimer()
			svc, err = securesend.New(memstore.New(), ring, "https://help.example/send", securesend.Same(set), nil)
			require.NoError(b, err)
			b.StartTimer()
		}
		at := time.Now()
		sent, err := svc.Create(b.Context(), securesend.SendRequest{Tenant: "contoso", By: securesend.Technician{ID: "jane"}, Text: text})
		if err != nil {
			b.Fatal(err)
		}
		create += time.Since(at)
		link, err := securesend.ParseLink(sent.Link.Reveal())
		if err != nil {
			b.Fatal(err)
		}
		auth, claim := securesend.Auth(link.Fragment.Reveal()), securesend.RandomKey()
		at = time.Now()
		if _, err := svc.Take(b.Context(), sent.Ref, securesend.TakeRequest{Auth: auth, Claim: claim, Number: sent.Number.Reveal()}); err != nil {
			b.Fatal(err)
		}
		take += time.Since(at)
		at = time.Now()
		if err := svc.Ack(b.Context(), sent.Ref, auth, claim); err != nil {
			b.Fatal(err)
		}
		ack += time.Since(at)
	}
	b.ReportMetric(float64(create.Nanoseconds())/float64(b.N), "create-ns/op")
	b.ReportMetric(float64(take.Nanoseconds())/float64(b.N), "take-ns/op")
	b.ReportMetric(float64(ack.Nanoseconds())/float64(b.N), "ack-ns/op")
}
