package teamsapp_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp"
)

// signatureOnly returns the bare check of a token's signature: what no implementation can do without.
func signatureOnly(tb testing.TB, token string) func() {
	tb.Helper()
	sum := sha256.Sum256([]byte(token[:strings.LastIndexByte(token, '.')]))
	sig, err := rsa.SignPKCS1v15(nil, keyOne(), crypto.SHA256, sum[:])
	require.NoError(tb, err)
	public := &keyOne().PublicKey
	return func() {
		if rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], sig) != nil {
			tb.Fatal("the signature is wrong")
		}
	}
}

// BenchmarkInbound is a press from the request to the response, with the check of the token, the conversation, the
// claim and the reply. ratio is its time by that of the bare check of the signature in the same run.
func BenchmarkInbound(b *testing.B) {
	r := newRig(b, func(o *teamsapp.Options) { o.Logger, o.Now = slog.New(slog.DiscardHandler), time.Now })
	r.Handle("approve", func(context.Context, teamsapp.Turn) (teamsapp.Reply, error) {
		return teamsapp.Reply{Text: "Thanks"}, nil
	})
	claims := r.claims()
	claims["nbf"], claims["exp"] = time.Now().Add(-time.Minute).Unix(), time.Now().Add(time.Hour).Unix()
	token := sign(b, "one", keyOne(), claims)
	raw, err := json.Marshal(r.execute("turn-NNNNNNNNNN", "approve", map[string]any{"number": "042", "ref": "turn-NNNNNNNNNN"}))
	require.NoError(b, err)
	body := func(i int) []byte {
		n := strconv.Itoa(1_000_000_000 + i)
		return []byte(strings.ReplaceAll(string(raw), "NNNNNNNNNN", n))
	}
	require.Equal(b, 200, post(r, "Bearer "+token, body(0)).Code) // fetches the keys

	verify := signatureOnly(b, token)
	const checks = 500
	begun := time.Now()
	for range checks {
		verify()
	}
	bare := time.Since(begun) / checks

	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		if w := post(r, "Bearer "+token, body(n)); w.Code != 200 {
			b.Fatal(w.Code, w.Body)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(n)/float64(bare), "ratio")
}

// BenchmarkInboundSignatureOnly is the least that BenchmarkInbound could take.
func BenchmarkInboundSignatureOnly(b *testing.B) {
	r := newRig(b, nil)
	verify := signatureOnly(b, sign(b, "one", keyOne(), r.claims()))
	for b.Loop() {
		verify()
	}
}
