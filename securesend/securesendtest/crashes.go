package securesendtest

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
)

// crashCreate: either the technician has a link that works, or there is nothing.
func crashCreate(c *crashed) {
	sent, err := c.a.Create(c.Context(), crashRequestFor(crashText, true))
	if err != nil {
		c.is(err, "create", errCrash)
		if sent.Link.Reveal() != "" {
			c.Error("there is a link with an error")
		}
		c.abandoned()
		return
	}
	c.reads(sent)
}

// abandoned checks that what could not be made cannot be opened, where the store was there to be told so. Those of others
// are not meant.
func (c *crashed) abandoned(others ...securesend.Ref) {
	c.Helper()
	records, err := c.store.List(c.Context(), securesend.Query{Tenant: crashTenant})
	c.ok(err, "list")
	for _, r := range records {
		if c.fuse.once && !r.State.Final() && !slices.Contains(others, r.Ref) {
			c.Errorf("%s is %s, and nobody has its link", r.ID, r.State)
		}
	}
}

// crashSealer is a program that seals.
type crashSealer struct {
	c       *crashed
	ref     securesend.Ref
	tok     string
	upload  []byte
	files   [][]byte // sealed; one part each
	commit  securesend.CommitRequest
	context [securesend.KeySize]byte
}

// seals seals everything with keys.
func (s *crashSealer) seals(keys securesend.Keys, h securesend.Header) {
	c := s.c
	c.Helper()
	m := securesend.Manifest{Text: crashText}
	for i, content := range crashContent {
		cipher, err := keys.File(s.context, h, i)
		c.ok(err, "cipher")
		sealed, err := io.ReadAll(cipher.SealReader(bytes.NewReader(content), int64(len(content))))
		c.ok(err, "seal")
		s.files = append(s.files, sealed)
		s.commit.Sizes = append(s.commit.Sizes, int64(len(content)))
		m.Files = append(m.Files, securesend.FileInfo{Name: "file", Size: int64(len(content))})
	}
	var err error
	s.commit.Manifest, err = keys.SealManifest(s.context, h, m)
	c.ok(err, "manifest")
	s.commit.Header = h.Bytes()
}

// uploads uploads and commits.
func (s *crashSealer) uploads() bool {
	c := s.c
	c.Helper()
	for i, sealed := range s.files {
		err := c.retry(func(svc *securesend.Service, again bool) error {
			if again {
				parts, err := svc.Parts(c.Context(), s.ref, s.upload)
				if err != nil {
					return err
				}
				for _, p := range parts { // what is there is whole
					if p.File == i && p.Size != int64(len(sealed)) {
						c.Errorf("%d bytes of file %d are there, of %d", p.Size, i+1, len(sealed))
					}
				}
			}
			return svc.PutPart(c.Context(), s.ref, s.upload, i, 0, bytes.NewReader(sealed))
		})
		if !c.ok(err, "put part") {
			return false
		}
	}
	return c.ok(c.retry(func(svc *securesend.Service, _ bool) error {
		_, err := svc.Commit(c.Context(), s.ref, s.upload, s.commit)
		return err
	}), "commit")
}

// crashUpload: who seals in a browser goes on where the connection broke.
func crashUpload(c *crashed) {
	var grant securesend.Sent
	err := c.retry(func(svc *securesend.Service, _ bool) (err error) {
		grant, err = svc.Grant(c.Context(), crashRequestFor("", false))
		return err
	})
	if !c.ok(err, "grant") {
		return
	}
	link, err := securesend.ParseLink(grant.Link.Reveal())
	if !c.ok(err, "link") {
		return
	}
	s := &crashSealer{c: c, ref: grant.Ref, tok: link.Token.Reveal(), upload: link.Fragment.Reveal()}
	err = c.retry(func(svc *securesend.Service, _ bool) error {
		u, err := svc.BeginUpload(c.Context(), s.tok, s.upload)
		s.context = u.Context
		return err
	})
	if !c.ok(err, "begin upload") {
		return
	}
	fragment := securesend.RandomKey()
	s.commit.AuthHash, s.commit.Half = securesend.AuthHash(securesend.Auth(fragment)), securesend.RandomKey()
	keys, err := securesend.NewSendKeys(fragment, s.commit.Half, nil)
	c.ok(err, "keys")
	s.seals(keys, securesend.Header{})
	if !s.uploads() {
		return
	}
	grant.Link = securesend.Link{Kind: securesend.LinkSend, Base: c.b.BaseURL(), Token: mspkit.Redact(s.tok), Fragment: mspkit.Redact(fragment)}.URL()
	c.reads(grant)
}

// crashReveal: a reader who tries again within the lease gets everything, and nobody else anything.
func crashReveal(c *crashed) {
	sent := c.sent()
	r := c.reader(sent.Link.Reveal(), sent.Number.Reveal())
	c.ok(c.retry(func(svc *securesend.Service, _ bool) error {
		_, err := svc.Open(c.Context(), r.ref, r.take.Auth)
		return err
	}), "open")
	if !c.ok(c.retry(func(svc *securesend.Service, _ bool) error { return r.takes(svc) }), "take") {
		return
	}
	c.is(r.rival().takes(c.b), "a rival", securesend.ErrOpening)
	c.clock = c.clock.Add(50 * time.Second)
	r.fetches(c.retry)
	c.is(r.rival().takes(c.b), "a rival", securesend.ErrOpening)
	c.ok(c.retry(func(svc *securesend.Service, _ bool) error {
		return svc.Ack(c.Context(), r.ref, r.take.Auth, r.take.Claim)
	}), "ack")
	c.is(r.rival().takes(c.b), "a rival", securesend.ErrEnded)
	c.is(r.takes(c.b), "take what was read", securesend.ErrEnded)
}

// crashRival: of two readers one gets it, whoever that is.
func crashRival(c *crashed) {
	sent := c.sent()
	r := c.reader(sent.Link.Reveal(), sent.Number.Reveal())
	first := r.takes(c.a)
	c.is(first, "take", nil, errCrash)
	rival := r.rival()
	second := rival.takes(c.b)
	c.is(second, "a rival", nil, securesend.ErrOpening)
	again := r.takes(c.b)
	c.is(again, "take again", nil, securesend.ErrOpening)
	if (second == nil) == (again == nil) || first == nil && second == nil {
		c.Errorf("not one of two readers: %v, %v, and then %v", first, second, again)
	}
	if rival.got != nil {
		r = rival
	}
	r.fetches(func(f func(*securesend.Service, bool) error) error { return f(c.b, false) })
}

// crashAck: one that arrives, or not, ends it the same way.
func crashAck(c *crashed) {
	sent := c.sent()
	r := c.reader(sent.Link.Reveal(), sent.Number.Reveal())
	if !c.ok(r.takes(c.b), "take") {
		return
	}
	r.fetches(func(f func(*securesend.Service, bool) error) error { return f(c.b, false) })
	err := c.a.Ack(c.Context(), r.ref, r.take.Auth, r.take.Claim)
	c.is(err, "ack", nil, errCrash)
	c.is(r.rival().takes(c.b), "a rival", securesend.ErrOpening, securesend.ErrEnded)
	c.clock = c.clock.Add(securesend.Lease + securesend.LeaseMargin)
	c.ok(c.b.RunOnce(c.Context()), "run")
	c.is(r.takes(c.b), "take", securesend.ErrEnded)
	st, err := c.b.Status(c.Context(), r.ref, "jane")
	c.ok(err, "status")
	if st.State != securesend.StateAcknowledged && st.State != securesend.StateLapsed {
		c.Errorf("it is %s", st.State)
	}
}

// crashRevoke: what was revoked is revoked, and repeating it says so.
func crashRevoke(c *crashed) {
	sent := c.sent()
	r := c.reader(sent.Link.Reveal(), sent.Number.Reveal())
	if !c.ok(r.takes(c.b), "take") {
		return
	}
	c.is(c.retry(func(svc *securesend.Service, _ bool) error { return svc.Revoke(c.Context(), sent.Ref, "jane") }), "revoke", nil, securesend.ErrEnded)
	c.is(r.takes(c.b), "take", securesend.ErrEnded)
}

// crashResend: never two that can be opened, and never none without an error.
func crashResend(c *crashed) {
	old := c.sent()
	sent, err := c.a.Resend(c.Context(), old.Ref, crashRequestFor(crashText, true))
	was, serr := c.store.Stat(c.Context(), old.Ref)
	c.ok(serr, "stat")
	r := c.reader(old.Link.Reveal(), old.Number.Reveal())
	if err == nil {
		c.is(r.takes(c.b), "take the old one", securesend.ErrEnded)
		c.reads(sent)
		return
	}
	c.is(err, "resend", errCrash)
	if sent.Link.Reveal() != "" {
		c.Error("there is a link with an error")
	}
	c.abandoned(old.Ref)
	if was.State != securesend.StateReady {
		// Only where the store has revoked it and could tell nobody.
		if !c.fuse.done || was.State != securesend.StateRevoked {
			c.Errorf("the old one is %s", was.State)
		}
		return
	}
	c.reads(old)
}

// crashRenew: the number that the technician then sees is the one that opens.
func crashRenew(c *crashed) {
	sent := c.sent()
	r := c.reader(sent.Link.Reveal(), "")
	for r.take.Number = crashOther(sent.Number.Reveal()); ; {
		if err := r.takes(c.b); errors.Is(err, securesend.ErrLocked) {
			break
		} else if !errors.Is(err, securesend.ErrNumber) {
			c.Fatal(err)
		}
	}
	_, err := c.a.Renew(c.Context(), sent.Ref, "jane")
	c.is(err, "renew", nil, errCrash)
	st, err := c.b.Status(c.Context(), sent.Ref, "jane")
	if !c.ok(err, "status") {
		return
	}
	if st.Locked {
		st, err = c.b.Renew(c.Context(), sent.Ref, "jane")
		c.ok(err, "renew again")
	}
	sent.Number = st.Number
	c.reads(sent)
}

func crashOther(number string) string {
	b := []byte(number)
	b[0] = '0' + (b[0]-'0'+1)%10
	return string(b)
}

// crashRequest: an answer reaches the technician, once.
func crashRequest(c *crashed) {
	var asked securesend.Sent
	err := c.retry(func(svc *securesend.Service, _ bool) (err error) {
		asked, err = svc.Ask(c.Context(), crashRequestFor("", false), "what?")
		return err
	})
	if !c.ok(err, "ask") {
		return
	}
	c.refs = append(c.refs, asked.Ref)
	s := &crashSealer{c: c, ref: asked.Ref, upload: securesend.RandomKey()}
	var u securesend.Upload
	err = c.retry(func(svc *securesend.Service, _ bool) (err error) {
		u, err = svc.Admit(c.Context(), s.ref, s.upload, asked.Number.Reveal())
		return err
	})
	if !c.ok(err, "admit") {
		return
	}
	s.context = u.Context
	keys, ephemeral, err := securesend.SealRequestKeys(u.Key)
	c.ok(err, "keys")
	s.seals(keys, securesend.Header{Request: true, Ephemeral: ephemeral})
	if !s.uploads() {
		return
	}
	claim := securesend.RandomKey()
	var got *securesend.Received
	err = c.retry(func(svc *securesend.Service, _ bool) (err error) {
		got, err = svc.Receive(c.Context(), asked.Ref, "jane", claim)
		return err
	})
	if !c.ok(err, "receive") {
		return
	}
	_, err = c.b.Receive(c.Context(), asked.Ref, "jane", securesend.RandomKey())
	c.is(err, "receive in another tab", securesend.ErrOpening)
	if got.Text.Reveal() != crashText || len(got.Files) != len(crashContent) {
		c.Errorf("the text is %q with %d files", got.Text.Reveal(), len(got.Files))
		return
	}
	for i := range got.Files {
		// What was begun with an instance that is gone is received anew.
		err := c.retry(func(svc *securesend.Service, again bool) (err error) {
			if again {
				if got, err = svc.Receive(c.Context(), asked.Ref, "jane", claim); err != nil {
					return err
				}
			}
			f, err := got.Open(c.Context(), i)
			if err != nil {
				return err
			}
			plain, err := io.ReadAll(f)
			if err == nil && !bytes.Equal(plain, crashContent[i]) {
				c.Errorf("file %d is another one", i+1)
			}
			return errors.Join(err, f.Close())
		})
		c.ok(err, "file")
	}
	c.ok(c.retry(func(svc *securesend.Service, _ bool) error { return svc.AckReceived(c.Context(), got) }), "ack")
	_, err = c.b.Receive(c.Context(), asked.Ref, "jane", claim)
	c.is(err, "receive again", securesend.ErrEnded)
}

// crashRun: what one instance began to clean up another finishes.
func crashRun(c *crashed) {
	var sents []securesend.Sent
	for range 3 {
		sents = append(sents, c.sent())
	}
	c.ok(c.b.Revoke(c.Context(), sents[0].Ref, "jane"), "revoke")
	r := c.reader(sents[1].Link.Reveal(), sents[1].Number.Reveal())
	c.ok(r.takes(c.b), "take")
	c.clock = c.clock.Add(25 * time.Hour)
	err := c.a.RunOnce(c.Context())
	c.is(err, "run", nil, errCrash)
}
