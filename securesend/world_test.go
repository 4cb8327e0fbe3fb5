package securesend_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/memstore"
)

type world struct {
	*securesend.Service
	now    time.Time
	events []securesend.Event
}

func newWorld(t *testing.T, set securesend.Settings, o *securesend.Options) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	if o == nil {
		o = &securesend.Options{}
	}
	o.Now = func() time.Time { return w.now }
	o.Recorder = securesend.RecorderFunc(func(_ context.Context, e securesend.Event) error {
		w.events = append(w.events, e)
		return nil
	})
	set.Brand.Name = "Contoso IT"
	w.Service, err = securesend.New(memstore.New(), ring, "https://help.example/send", securesend.Same(set), o)
	require.NoError(t, err)
	return w
}

func random(t testing.TB) []byte {
	t.Helper()
	return securesend.RandomKey()
}

func TestATextIsReadOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, securesend.Settings{}, nil)
	ctx := t.Context()
	sent, err := w.Create(ctx, securesend.SendRequest{Tenant: "contoso", By: securesend.Technician{ID: "jane"}, Text: mspkit.Redact("hunter2")})
	require.NoError(t, err)
	link, err := securesend.ParseLink(sent.Link.Reveal())
	require.NoError(t, err)
	ref, err := w.ParseToken(link.Token.Reveal())
	require.NoError(t, err)
	require.Equal(t, sent.Ref, ref)
	auth := securesend.Auth(link.Fragment.Reveal())
	opened, err := w.Open(ctx, ref, auth)
	require.NoError(t, err)
	require.Equal(t, securesend.GateNumber, opened.Gate)

	take := securesend.TakeRequest{Auth: auth, Claim: random(t), Number: sent.Number.Reveal()}
	for range 2 {
		got, err := w.Take(ctx, ref, take)
		require.NoError(t, err)
		keys, err := securesend.NewSendKeys(link.Fragment.Reveal(), got.Half.Reveal(), nil)
		require.NoError(t, err)
		header, err := securesend.ParseHeader(got.Header)
		require.NoError(t, err)
		m, err := keys.OpenManifest(got.Context, header, got.Manifest)
		require.NoError(t, err)
		require.Equal(t, "hunter2", m.Text)
	}
	other := take
	other.Claim = random(t)
	_, err = w.Take(ctx, ref, other)
	require.ErrorIs(t, err, securesend.ErrOpening)
	require.NoError(t, w.Ack(ctx, ref, auth, take.Claim))
	_, err = w.Take(ctx, ref, take)
	require.ErrorIs(t, err, securesend.ErrEnded)
	require.NoError(t, w.RunOnce(ctx))
	var kinds []securesend.EventKind
	for _, e := range w.events {
		kinds = append(kinds, e.Kind)
	}
	require.Equal(t, []securesend.EventKind{"created", "opened", "revealed", "acknowledged"}, kinds)
}

func TestAFileIsSentInParts(t *testing.T) {
	t.Parallel()
	blobs := memstore.NewBlobs()
	w := newWorld(t, securesend.Settings{}, &securesend.Options{Blobs: map[string]securesend.BlobStore{"Europe": blobs}})
	ctx := t.Context()
	content := make([]byte, 9<<20+5)
	_, _ = rand.Read(content)
	sent, err := w.Create(ctx, securesend.SendRequest{
		Tenant: "contoso", By: securesend.Technician{ID: "jane"}, Choice: securesend.Choice{Gate: securesend.GateNone},
		Files: []securesend.File{{Name: "a.bin", Size: -1, Reader: bytes.NewReader(content)}, {Name: "empty", Size: 0, Reader: bytes.NewReader(nil)}},
	})
	require.NoError(t, err)
	require.NotEmpty(t, sent.Warning)
	link, err := securesend.ParseLink(sent.Link.Reveal())
	require.NoError(t, err)
	take := securesend.TakeRequest{Auth: securesend.Auth(link.Fragment.Reveal()), Claim: random(t)}
	got, err := w.Take(ctx, sent.Ref, take)
	require.NoError(t, err)
	require.Equal(t, []int64{9<<20 + 5, 0}, got.Sizes)
	keys, err := securesend.NewSendKeys(link.Fragment.Reveal(), got.Half.Reveal(), nil)
	require.NoError(t, err)
	header, err := securesend.ParseHeader(got.Header)
	require.NoError(t, err)
	chunks, err := w.Chunks(ctx, sent.Ref, securesend.ChunkRequest{Auth: take.Auth, Claim: take.Claim, File: 0, From: 0, To: 10})
	require.NoError(t, err)
	cipher, err := keys.File(got.Context, header, 0)
	require.NoError(t, err)
	plain, err := io.ReadAll(cipher.OpenReader(chunks, got.Sizes[0], 0))
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, plain))
	st, err := w.Status(ctx, sent.Ref, "jane")
	require.NoError(t, err)
	require.Equal(t, []int{2}, st.Unfetched)
	require.NoError(t, w.Ack(ctx, sent.Ref, take.Auth, take.Claim))
	require.NoError(t, w.RunOnce(ctx))
	parts, err := blobs.List(ctx, sent.Ref)
	require.NoError(t, err)
	require.Empty(t, parts)
}
