package securesendtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
)

// TestService runs a [securesend.Service] on a store of sends and one of files and kills it at every call of either, before
// the call and after it, and checks what is left together with another instance: never two recipients, no loss while the
// lease lasts, no file or half that stays behind, no event lost. storage makes a fresh, empty storage and returns a
// function that opens an instance of both stores on it, which is called twice; what needs closing is closed by t.Cleanup.
// A store passes [TestStore] or [TestBlobStore] first, which say more exactly what is wrong with it.
//
// Each of its parts ends after about a second, having killed at calls that were drawn by chance; with the environment variable
// MSPKIT_SOAK=1 it kills at all of them. A store in memory gets through nearly all of them in that time.
func TestService(t *testing.T, storage func(t *testing.T) (open func() (securesend.SecretStore, securesend.BlobStore))) {
	t.Helper()
	for _, s := range []struct {
		name string
		run  func(*crashed)
	}{
		{"Create with files", crashCreate},
		{"A browser fills a send", crashUpload},
		{"Reveal, and the reader tries again", crashReveal},
		{"Reveal, and somebody else is quicker", crashRival},
		{"Acknowledge, once", crashAck},
		{"Revoke", crashRevoke},
		{"Resend", crashResend},
		{"Renew", crashRenew},
		{"A request", crashRequest},
		{"Run", crashRun},
	} {
		t.Run(s.name, func(t *testing.T) {
			open := storage(t)
			dying, living := newInstance(open), newInstance(open)
			clock := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			attempt := func(f fuse) *fuse {
				c := newCrashed(t, dying, living, f, clock)
				s.run(c)
				c.settle()
				clock = c.clock
				if t.Failed() {
					t.Fatalf("%s call %d", f.name, f.at)
				}
				return c.fuse
			}
			var all []fuse
			calls := attempt(fuse{crashMode: crashMode{name: "nobody killed at"}}).calls
			for _, mode := range crashModes {
				for at := 1; at <= calls; at++ {
					all = append(all, fuse{crashMode: mode, at: at})
				}
			}
			rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] }) //nolint:gosec // chance, and no secret
			begun := time.Now()
			for i, f := range all {
				if i >= 5 && os.Getenv("MSPKIT_SOAK") == "" && time.Since(begun) > time.Second { //nolint:forbidigo // the switch of all soaks
					t.Logf("%d of %d attempts; MSPKIT_SOAK=1 does all", i, len(all))
					return
				}
				if !attempt(f).burnt() {
					t.Errorf("there was no call %d this time, of %d", f.at, calls)
				}
			}
		})
	}
}

const (
	crashTenant = mspkit.TenantID("contoso")
	crashRegion = "Europe"
	crashText   = "correct horse battery"
)

var crashContent = [][]byte{bytes.Repeat([]byte("0123456789"), 9999), {}, []byte("third")}

// crashed is one attempt: a is the instance that dies, b another one that lives.
type crashed struct {
	testing.TB
	a, b  *securesend.Service
	fuse  *fuse
	store securesend.SecretStore
	blobs securesend.BlobStore
	// began is when the attempt did.
	began, clock time.Time
	// events are those that a recorder took, each once.
	events []securesend.Event
	refs   []securesend.Ref
}

// instance is one opened pair of stores.
type instance struct {
	store securesend.SecretStore
	blobs securesend.BlobStore
}

func newInstance(open func() (securesend.SecretStore, securesend.BlobStore)) instance {
	store, blobs := open()
	return instance{store, blobs}
}

func newCrashed(t testing.TB, dying, living instance, f fuse, clock time.Time) *crashed {
	t.Helper()
	c := &crashed{TB: t, fuse: &f, began: clock, clock: clock}
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	if err != nil {
		t.Fatal(err)
	}
	serve := func(store securesend.SecretStore, blobs securesend.BlobStore) *securesend.Service {
		svc, err := securesend.New(store, ring, "https://help.example/send", securesend.Same(securesend.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}}), &securesend.Options{
			Blobs: map[string]securesend.BlobStore{crashRegion: blobs},
			Now:   func() time.Time { return c.clock },
			Recorder: securesend.RecorderFunc(func(_ context.Context, e securesend.Event) error {
				if !slices.ContainsFunc(c.events, func(o securesend.Event) bool { return o.ID == e.ID }) {
					c.events = append(c.events, e)
				}
				return nil
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		return svc
	}
	c.a = serve(crashStore{dying.store, c.fuse}, crashBlobs{dying.blobs, c.fuse})
	c.store, c.blobs = living.store, living.blobs
	c.b = serve(c.store, c.blobs)
	return c
}

// ok reports an error.
func (c *crashed) ok(err error, what string) bool {
	c.Helper()
	if err != nil {
		c.Errorf("%s: %v", what, err)
	}
	return err == nil
}

// is reports an error that is none of those wanted.
func (c *crashed) is(err error, what string, want ...error) {
	c.Helper()
	if !slices.ContainsFunc(want, func(w error) bool { return errors.Is(err, w) || w == nil && err == nil }) {
		c.Errorf("%s: %v, want one of %v", what, err, want)
	}
}

// retry calls f with the instance that dies, and again with the other one where that has failed: what a program does whose
// request got no answer. again tells f that it is not the first time.
func (c *crashed) retry(f func(svc *securesend.Service, again bool) error) error {
	if err := f(c.a, false); !errors.Is(err, errCrash) {
		return err
	}
	return f(c.b, true)
}

func crashRequestFor(text string, files bool) securesend.SendRequest {
	r := securesend.SendRequest{Tenant: crashTenant, By: securesend.Technician{ID: "jane"}, Text: mspkit.Redact(text)}
	if files {
		for i, content := range crashContent {
			r.Files = append(r.Files, securesend.File{Name: fmt.Sprint("file ", i), Size: -1, Reader: bytes.NewReader(content)})
		}
	}
	return r
}

// sent makes a send with files that is ready.
func (c *crashed) sent() securesend.Sent {
	c.Helper()
	out, err := c.b.Create(c.Context(), crashRequestFor(crashText, true))
	if err != nil {
		c.Fatal(err)
	}
	c.refs = append(c.refs, out.Ref)
	return out
}

// crashReader is a recipient's program.
type crashReader struct {
	c    *crashed
	ref  securesend.Ref
	key  []byte
	take securesend.TakeRequest
	got  *securesend.Released
}

func (c *crashed) reader(link, number string) *crashReader {
	c.Helper()
	l, err := securesend.ParseLink(link)
	if err != nil {
		c.Fatal(err)
	}
	ref, err := c.b.ParseToken(l.Token.Reveal())
	if err != nil {
		c.Fatal(err)
	}
	key := l.Fragment.Reveal()
	return &crashReader{c: c, ref: ref, key: key, take: securesend.TakeRequest{Auth: securesend.Auth(key), Claim: securesend.RandomKey(), Number: number}}
}

func (r *crashReader) rival() *crashReader {
	out := *r
	out.got, out.take.Claim = nil, securesend.RandomKey()
	return &out
}

// takes takes by one instance.
func (r *crashReader) takes(svc *securesend.Service) error {
	got, err := svc.Take(r.c.Context(), r.ref, r.take)
	if err == nil {
		r.got = &got
	}
	return err
}

// fetches reads everything and compares it.
func (r *crashReader) fetches(try func(func(svc *securesend.Service, again bool) error) error) {
	c := r.c
	c.Helper()
	keys, err := securesend.NewSendKeys(r.key, r.got.Half.Reveal(), nil)
	if !c.ok(err, "keys") {
		return
	}
	header, err := securesend.ParseHeader(r.got.Header)
	if !c.ok(err, "header") {
		return
	}
	m, err := keys.OpenManifest(r.got.Context, header, r.got.Manifest)
	if !c.ok(err, "manifest") {
		return
	}
	if m.Text != crashText || len(m.Files) != len(crashContent) {
		c.Errorf("the text is %q with %d files", m.Text, len(m.Files))
		return
	}
	for i, f := range m.Files {
		var sealed []byte
		err := try(func(svc *securesend.Service, _ bool) error {
			chunks, err := svc.Chunks(c.Context(), r.ref, securesend.ChunkRequest{
				Auth: r.take.Auth, Claim: r.take.Claim, File: i, From: 0, To: securesend.Chunks(f.Size),
			})
			if err != nil {
				return err
			}
			sealed, err = io.ReadAll(chunks)
			return errors.Join(err, chunks.Close())
		})
		if !c.ok(err, "chunks") {
			return
		}
		cipher, err := keys.File(r.got.Context, header, i)
		if !c.ok(err, "cipher") {
			return
		}
		plain, err := io.ReadAll(cipher.OpenReader(bytes.NewReader(sealed), f.Size, 0))
		if c.ok(err, "file") && !bytes.Equal(plain, crashContent[i]) {
			c.Errorf("file %d is another one", i+1)
		}
	}
}

// reads reads a send by the instance that lives, to the end.
func (c *crashed) reads(sent securesend.Sent) {
	c.Helper()
	c.refs = append(c.refs, sent.Ref)
	r := c.reader(sent.Link.Reveal(), sent.Number.Reveal())
	if !c.ok(r.takes(c.b), "take") {
		return
	}
	r.fetches(func(f func(*securesend.Service, bool) error) error { return f(c.b, false) })
	c.is(r.rival().takes(c.b), "a rival", securesend.ErrOpening)
	c.ok(c.b.Ack(c.Context(), r.ref, r.take.Auth, r.take.Claim), "ack")
	c.is(r.takes(c.b), "take what was read", securesend.ErrEnded)
}

// settle lets everything end and looks for what is left.
func (c *crashed) settle() {
	c.Helper()
	ctx := c.Context()
	for range 3 {
		c.ok(c.b.RunOnce(ctx), "run")
		c.clock = c.clock.Add(24 * time.Hour)
	}
	records, err := c.store.List(ctx, securesend.Query{Tenant: crashTenant})
	c.ok(err, "list")
	for _, r := range records {
		if !r.State.Final() {
			c.Errorf("%s %s is %s days after its end", r.Kind, r.ID, r.State)
		}
		if r.Blobs {
			c.Errorf("%s %s has not forgotten its files", r.Kind, r.ID)
		}
		if len(r.Sealed) > 0 {
			c.Errorf("%s %s still holds details", r.Kind, r.ID)
		}
		c.refs = append(c.refs, r.Ref)
	}
	for _, ref := range c.refs {
		parts, err := c.blobs.List(ctx, ref)
		c.ok(err, "list parts")
		if len(parts) > 0 {
			c.Errorf("%s has %d parts that nobody will delete", ref.ID, len(parts))
		}
	}
	_, err = c.store.Rewrap(ctx, "no key", 1000, func(r securesend.Record) (half, sealed []byte, err error) {
		c.Errorf("%s still has its half", r.ID)
		return nil, nil, errCrash
	})
	c.is(err, "rewrap", nil, errCrash)
	c.story()
}

// story checks that the events of each record tell one life.
func (c *crashed) story() {
	c.Helper()
	kinds := map[string]map[securesend.EventKind]int{}
	seq := map[string]int64{}
	for _, e := range c.events {
		if kinds[e.Send] == nil {
			kinds[e.Send] = map[securesend.EventKind]int{}
			if e.Kind != securesend.EventCreated {
				c.Errorf("the first event of %s is %s", e.Send, e.Kind)
			}
		}
		kinds[e.Send][e.Kind]++
		if e.Seq <= seq[e.Send] {
			c.Errorf("%s of %s comes too late", e.Kind, e.Send)
		}
		seq[e.Send] = e.Seq
	}
	for send, k := range kinds {
		ends := k[securesend.EventAcknowledged] + k[securesend.EventLapsed] + k[securesend.EventExpired] + k[securesend.EventRevoked]
		if k[securesend.EventCreated] != 1 || k[securesend.EventRevealed] > 1 || k[securesend.EventOpened] > 1 || ends != 1 {
			c.Errorf("%s has the events %v", send, k)
		}
	}
	for _, ref := range c.refs {
		if kinds[ref.ID] == nil && !c.told(ref) {
			c.Errorf("no event tells of %s", ref.ID)
		}
	}
}

// told reports whether a record is of an earlier attempt, or was never stored.
func (c *crashed) told(ref securesend.Ref) bool {
	r, err := c.store.Stat(c.Context(), ref)
	return err != nil || r.CreatedAt.Before(c.began)
}
