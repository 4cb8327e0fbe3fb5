package securesend_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
)

func TestABrowserFillsASend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.text("")
	grant, err := w.Grant(t.Context(), r)
	require.NoError(t, err)
	require.Contains(t, grant.Link.Reveal(), "/c/")
	b := w.composes(grant)
	file := []byte(mebibytes(9))
	b.seals("open sesame", "hunter2", file)
	require.Len(t, b.parts, 2)
	require.NoError(t, b.put(0))
	_, err = b.commits()
	require.ErrorIs(t, err, securesend.ErrInvalid)
	require.ErrorContains(t, err, "file 1, part 1 has not arrived completely")

	// The connection breaks, and the upload goes on with what is missing.
	err = w.PutPart(t.Context(), b.ref, b.upload, 0, 1, io.MultiReader(bytes.NewReader(b.parts[1][:100]), iotest.ErrReader(io.ErrUnexpectedEOF)))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	parts, err := w.Parts(t.Context(), b.ref, b.upload)
	require.NoError(t, err)
	require.Equal(t, []securesend.PartInfo{{File: 0, N: 0, Size: 8 * (1<<20 + 16)}}, parts)
	require.NoError(t, b.put(1))
	require.NoError(t, b.put(1), "again")

	sent, err := b.commits()
	require.NoError(t, err)
	require.Empty(t, sent.Link.Reveal(), "the service does not know it")
	require.Equal(t, grant.Number.Reveal(), sent.Number.Reveal())
	require.Equal(t, grant.ExpiresAt, sent.ExpiresAt)
	_, err = b.commits()
	require.NoError(t, err, "repeating is harmless")
	require.ErrorIs(t, b.put(0), securesend.ErrConflict)
	require.Equal(t, []securesend.EventKind{"created", "uploaded"}, w.kinds())
	require.Equal(t, "jane", w.lastEvent().By)

	dana := w.readerOf(b.link(), sent.Number.Reveal())
	require.True(t, dana.open().Passphrase)
	dana.knows(b.pass)
	text, files := dana.reads()
	require.Equal(t, "hunter2", text)
	require.Len(t, files, 1)
	require.Equal(t, sha256.Sum256(file), sha256.Sum256([]byte(files[0])))
	changed := *b
	changed.commit.Manifest = append([]byte{}, b.commit.Manifest...)
	changed.commit.Manifest[0] ^= 1
	_, err = changed.commits()
	require.ErrorIs(t, err, securesend.ErrConflict)
}

func TestOnlyWhoWasGrantedUploads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	grant, err := w.Grant(t.Context(), w.text(""))
	require.NoError(t, err)
	b := w.composes(grant)
	b.seals("", "x", []byte("y"))
	for _, upload := range [][]byte{nil, {}, securesend.RandomKey(), b.upload[1:], w.stored(b.ref).Upload} {
		_, err := w.BeginUpload(t.Context(), b.tok, upload)
		require.ErrorIs(t, err, securesend.ErrAuth)
		_, err = w.Parts(t.Context(), b.ref, upload)
		require.ErrorIs(t, err, securesend.ErrAuth)
		require.ErrorIs(t, w.PutPart(t.Context(), b.ref, upload, 0, 0, strings.NewReader("x")), securesend.ErrAuth)
		_, err = w.Commit(t.Context(), b.ref, upload, b.commit)
		require.ErrorIs(t, err, securesend.ErrAuth)
	}
	_, err = w.BeginUpload(t.Context(), b.tok[1:], b.upload)
	require.ErrorIs(t, err, securesend.ErrNotFound)
	sent := w.create(w.text("x"))
	link, err := securesend.ParseLink(sent.Link.Reveal())
	require.NoError(t, err)
	_, err = w.BeginUpload(t.Context(), link.Token.Reveal(), nil)
	require.ErrorIs(t, err, securesend.ErrAuth, "what Create made nobody fills")
	require.NoError(t, w.Revoke(t.Context(), b.ref, "jane"))
	_, err = w.BeginUpload(t.Context(), b.tok, b.upload)
	require.ErrorIs(t, err, securesend.ErrEnded)
	require.ErrorIs(t, b.put(0), securesend.ErrEnded)
	_, err = b.commits()
	require.ErrorIs(t, err, securesend.ErrEnded)
}

func TestACommitThatDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.set.MaxFiles, w.set.MaxSize, w.set.MaxText = 2, 100, 1000 })
	grant, err := w.Grant(t.Context(), w.text(""))
	require.NoError(t, err)
	b := w.composes(grant)
	b.seals("", "x", []byte("y"))
	require.NoError(t, b.put(0))
	type C = securesend.CommitRequest
	pass := securesend.Header{Passphrase: true, Salt: securesend.RandomSalt()}
	_, ephemeral, err := securesend.SealRequestKeys(mustPoint(t))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change func(*C)
		is     error
	}{
		"no header":           {func(c *C) { c.Header = nil }, securesend.ErrEnvelope},
		"another version":     {func(c *C) { c.Header = []byte{2, 0, 20} }, securesend.ErrEnvelope},
		"held":                {func(c *C) { c.Header = securesend.Header{Held: true}.Bytes() }, securesend.ErrInvalid},
		"a request":           {func(c *C) { c.Header = securesend.Header{Request: true, Ephemeral: ephemeral}.Bytes() }, securesend.ErrInvalid},
		"a passphrase, alone": {func(c *C) { c.Header = pass.Bytes() }, securesend.ErrInvalid},
		"an auth, alone":      {func(c *C) { c.PassAuth = securesend.RandomKey() }, securesend.ErrInvalid},
		"a short auth, alone": {func(c *C) { c.PassAuth = []byte("short") }, securesend.ErrInvalid},
		"a short half":        {func(c *C) { c.Half = c.Half[1:] }, securesend.ErrInvalid},
		"no auth":             {func(c *C) { c.AuthHash = nil }, securesend.ErrInvalid},
		"no manifest":         {func(c *C) { c.Manifest = nil }, securesend.ErrTooLarge},
		"a long manifest":     {func(c *C) { c.Manifest = make([]byte, 8000) }, securesend.ErrTooLarge},
		"three files":         {func(c *C) { c.Sizes = []int64{1, 0, 0} }, securesend.ErrTooLarge},
		"a negative size":     {func(c *C) { c.Sizes = []int64{-1} }, securesend.ErrTooLarge},
		"too much":            {func(c *C) { c.Sizes = []int64{1, 100} }, securesend.ErrTooLarge},
		"an overflow":         {func(c *C) { c.Sizes = []int64{100, 1 << 62} }, securesend.ErrTooLarge},
		"a file that is not":  {func(c *C) { c.Sizes = []int64{1, 1} }, securesend.ErrInvalid},
		"another size":        {func(c *C) { c.Sizes = []int64{2} }, securesend.ErrInvalid},
	} {
		was := b.commit
		c.change(&b.commit)
		_, err := b.commits()
		require.ErrorIs(t, err, c.is, name)
		b.commit = was
	}
	require.Equal(t, securesend.StateDraft, w.stored(b.ref).State)
	_, err = b.commits()
	require.NoError(t, err)
}

func mustPoint(t *testing.T) []byte {
	t.Helper()
	w := newWorld(t)
	asked, err := w.Ask(t.Context(), w.text(""), "")
	require.NoError(t, err)
	a, err := w.Asked(t.Context(), asked.Ref)
	require.NoError(t, err)
	return a.Key
}

func TestPartsAreLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.set.MaxFiles, w.set.MaxSize = 2, 9<<20 })
	grant, err := w.Grant(t.Context(), w.text(""))
	require.NoError(t, err)
	b := w.composes(grant)
	put := func(file, n int, size int64) error {
		return w.PutPart(t.Context(), b.ref, b.upload, file, n, io.LimitReader(endless{}, size))
	}
	const part = 8 * (1<<20 + 16)
	for _, p := range [][2]int{{-1, 0}, {0, -1}, {2, 0}, {0, 2}} {
		require.ErrorIs(t, put(p[0], p[1], 1), securesend.ErrTooLarge, p)
	}
	require.ErrorIs(t, put(0, 0, part+1), securesend.ErrInvalid)
	require.NoError(t, put(0, 0, part))
	require.NoError(t, put(0, 0, part), "in place of itself")
	require.NoError(t, put(0, 1, 1<<20+16))
	require.ErrorIs(t, put(1, 0, 1<<20), securesend.ErrTooLarge)
	require.ErrorIs(t, put(1, 0, 1<<30), securesend.ErrTooLarge)
	parts, err := w.Parts(t.Context(), b.ref, b.upload)
	require.NoError(t, err)
	require.Len(t, parts, 2, "nothing of what was refused is there")
}

// Each of many uploads that run at once sees only what was there when it began.
func TestPartsThatArriveAtOnceAreLimitedTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.set.MaxFiles, w.set.MaxSize = 20, 8<<20 })
	grant, err := w.Grant(t.Context(), w.text(""))
	require.NoError(t, err)
	b := w.composes(grant)
	var begun, done sync.WaitGroup
	begun.Add(20)
	errs := make([]error, 20)
	for file := range errs {
		done.Go(func() {
			body := &slow{io.LimitReader(endless{}, 1<<20), func() { begun.Done(); begun.Wait() }}
			errs[file] = w.PutPart(t.Context(), b.ref, b.upload, file, 0, body)
		})
	}
	done.Wait()
	require.ErrorIs(t, errors.Join(errs...), securesend.ErrTooLarge)
	parts, err := w.eu.List(t.Context(), b.ref)
	require.NoError(t, err)
	var total int64
	for _, p := range parts {
		total += p.Size
	}
	require.LessOrEqual(t, total, int64(9<<20), "of 20 MiB")
}

func TestWhatWasUploadedAndLeftOutIsNoHindrance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	grant, err := w.Grant(t.Context(), w.text(""))
	require.NoError(t, err)
	b := w.composes(grant)
	b.seals("", "first", []byte("a file"))
	require.NoError(t, b.put(0))
	require.NoError(t, w.PutPart(t.Context(), b.ref, b.upload, 0, 1, strings.NewReader("more")))
	require.NoError(t, w.PutPart(t.Context(), b.ref, b.upload, 3, 0, strings.NewReader("another")))
	sent, err := b.commits()
	require.NoError(t, err)
	dana := w.readerOf(b.link(), sent.Number.Reveal())
	text, files := dana.reads()
	require.Equal(t, "first", text)
	require.Equal(t, []string{"a file"}, files)
	require.NoError(t, dana.acks())
	require.NoError(t, w.RunOnce(t.Context()))
	parts, err := w.eu.List(t.Context(), b.ref)
	require.NoError(t, err)
	require.Empty(t, parts)
}

func TestAPartThatComesTooLateIsNotStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	start := func() *browser {
		grant, err := w.Grant(t.Context(), w.text(""))
		require.NoError(t, err)
		b := w.composes(grant)
		b.seals("", "x", []byte("right"))
		require.NoError(t, b.put(0))
		return b
	}
	late := func(b *browser, then func()) error {
		return w.PutPart(t.Context(), b.ref, b.upload, 0, 0, &slow{strings.NewReader("wrong"), then})
	}
	list := func(b *browser) []securesend.PartInfo {
		parts, err := w.eu.List(t.Context(), b.ref)
		require.NoError(t, err)
		return parts
	}

	b := start()
	require.ErrorIs(t, late(b, func() {
		_, err := b.commits()
		require.NoError(t, err)
	}), securesend.ErrConflict)
	_, files := w.readerOf(b.link(), numberOf(w, b)).reads()
	require.Equal(t, []string{"right"}, files, "what was committed is what is read")

	b = start()
	require.ErrorIs(t, late(b, func() {
		require.NoError(t, w.Revoke(t.Context(), b.ref, "jane"))
		require.NoError(t, w.RunOnce(t.Context()))
		require.Empty(t, list(b))
	}), securesend.ErrEnded)
	require.Empty(t, list(b))

	// Even at the very last moment: after the check, before Put has returned.
	b = start()
	hook := &hooked{BlobStore: w.eu, after: func() {
		require.NoError(t, w.Revoke(t.Context(), b.ref, "jane"))
		require.NoError(t, w.eu.Delete(t.Context(), b.ref)) // as Run did, before the part was there
		require.NoError(t, w.store.Forget(t.Context(), b.ref))
	}}
	svc := w.instance(func(o *securesend.Options) {
		o.Blobs = map[string]securesend.BlobStore{securesend.RegionEurope: hook}
	})
	require.ErrorIs(t, svc.PutPart(t.Context(), b.ref, b.upload, 0, 0, strings.NewReader("wrong")), securesend.ErrEnded)
	require.Empty(t, list(b))
}

func numberOf(w *world, b *browser) string {
	st, err := w.Status(w.t.Context(), b.ref, "jane")
	require.NoError(w.t, err)
	return st.Number.Reveal()
}

func TestADraftThatNobodyCompletesExpires(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	grant, err := w.Grant(t.Context(), w.text(""))
	require.NoError(t, err)
	b := w.composes(grant)
	b.seals("", "x", []byte("y"))
	require.NoError(t, b.put(0))
	w.pass(24 * time.Hour)
	require.Equal(t, []securesend.EventKind{"created", "expired"}, w.kinds())
	parts, err := w.eu.List(t.Context(), b.ref)
	require.NoError(t, err)
	require.Empty(t, parts)
	_, err = b.commits()
	require.ErrorIs(t, err, securesend.ErrEnded)
}

func TestAStoreOfFilesThatFailsLeavesADraft(t *testing.T) {
	t.Parallel()
	full := errors.New("the disk is full")
	w := newWorld(t)
	hook := &hooked{BlobStore: w.eu, fail: full}
	w.Service = w.instance(func(o *securesend.Options) {
		o.Blobs = map[string]securesend.BlobStore{securesend.RegionEurope: hook}
	})
	r := w.text("")
	r.Files = w.files("content")
	_, err := w.Create(t.Context(), r)
	require.ErrorIs(t, err, full)
	require.ErrorContains(t, err, "file 1")
	grant, err := w.Grant(t.Context(), w.text(""))
	require.NoError(t, err)
	b := w.composes(grant)
	b.seals("", "x", []byte("y"))
	require.ErrorIs(t, b.put(0), full)
	hook.fail = nil
	require.NoError(t, b.put(0))
	_, err = b.commits()
	require.NoError(t, err)
}
