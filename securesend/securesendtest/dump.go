package securesendtest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mspkit/mspkit/securesend"
)

// TestDump looks into the storage itself: what has ended, was replaced or was never to be stored must not be found
// in it. open opens an instance on a fresh storage; dump returns everything that the storage holds at that moment, such
// as all rows, all keys with their values, or the bytes of its files.
func TestDump(t *testing.T, open func() securesend.SecretStore, dump func() []byte) {
	t.Helper()
	d := &dumped{suite: newSuite(t, open), dump: dump}
	d.life()
	d.settled()
}

// Contains reports whether a dump has the secret, as it is or in hexadecimal or base64 of any kind.
func Contains(dump, secret []byte) bool {
	x := hex.EncodeToString(secret)
	forms := [][]byte{secret, []byte(x), []byte(strings.ToUpper(x))}
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		// Within a longer text that is encoded as a whole, the secret begins at any of three places of a group.
		for skip := range min(3, len(secret)) {
			whole := (len(secret) - skip) / 3 * 3
			forms = append(forms, []byte(e.EncodeToString(secret[skip:skip+whole])))
		}
	}
	for _, f := range forms {
		if len(f) > 0 && bytes.Contains(dump, f) {
			return true
		}
	}
	return false
}

// dumped is a suite that marks what it stores.
type dumped struct {
	*suite
	dump  func() []byte
	marks []mark
}

type mark struct {
	what string
	text []byte
}

// mark returns bytes that are found nowhere else.
func (d *dumped) mark(what string) []byte {
	text := []byte("mark" + securesend.NewEventID())
	d.marks = append(d.marks, mark{what, text})
	return text
}

// found fails unless all marks are in the dump, which shows that the dump is one.
func (d *dumped) found(when string) {
	d.Helper()
	all := d.dump()
	for _, m := range d.marks {
		if !Contains(all, m.text) {
			d.Fatalf("%s the dump does not show %s: does it show everything?", when, m.what)
		}
	}
}

// gone fails where a mark is in the dump, and forgets the marks.
func (d *dumped) gone(when string) {
	d.Helper()
	all := d.dump()
	for _, m := range d.marks {
		if Contains(all, m.text) {
			d.Errorf("%s the storage still holds %s", when, m.what)
		}
	}
	d.marks = nil
}

// marked returns a send whose secrets are marked.
func (d *dumped) marked() securesend.Record {
	r := d.fresh(contoso)
	r.NumberMAC, r.PassKeyID, r.PassMAC = d.mark("the MAC of the number"), "k1", d.mark("the MAC of the passphrase")
	r.Half, r.Inline, r.Sealed, r.Header = d.mark("the half"), d.mark("the text"), d.mark("the sealed number"), d.mark("the header")
	return r
}

// life goes through everything that ends or replaces a secret.
func (d *dumped) life() {
	ends := []struct {
		name string
		end  func(ref securesend.Ref, auth []byte)
	}{
		{"Revoke", func(ref securesend.Ref, _ []byte) { _, err := d.revoke(ref); d.ok(err) }},
		{"Take and Revoke", func(ref securesend.Ref, _ []byte) { d.took(ref, "mine"); _, err := d.revoke(ref); d.ok(err) }},
		{"Ack", func(ref securesend.Ref, auth []byte) {
			d.took(ref, "mine")
			_, err := d.ack(ref, "mine", auth)
			d.ok(err)
		}},
		{"Expire", func(securesend.Ref, []byte) { d.now = d.now.Add(day); d.equal(d.expire(10), 1, "swept") }},
		{"Take and Expire", func(ref securesend.Ref, _ []byte) {
			d.took(ref, "mine")
			d.now = d.now.Add(securesend.Lease + securesend.LeaseMargin)
			d.equal(d.expire(10), 1, "swept")
		}},
	}
	var refs []securesend.Ref
	for _, e := range ends {
		r := d.marked()
		refs = append(refs, d.put(r))
		d.found("before " + e.name)
		e.end(r.Ref, r.Auth)
		d.gone("after " + e.name)
	}

	// What was uploaded.
	draft := d.draft(contoso)
	c := d.content(d.put(draft))
	c.Half, c.Inline, c.Header, c.PassMAC = d.mark("the half"), d.mark("the text"), d.mark("the header"), d.mark("the MAC of the passphrase")
	_, err := d.commit(draft.Ref, c)
	d.ok(err)
	d.found("after Commit")
	_, err = d.revoke(draft.Ref)
	d.ok(err)
	d.gone("after Commit and Revoke")

	// What is replaced.
	r := d.fresh(contoso)
	r.NumberMAC, r.Sealed = d.mark("the MAC of the number before"), d.mark("the sealed number before")
	d.put(r)
	d.found("before Renew")
	_, err = d.renew(r.Ref, 1, securesend.Renewal{KeyID: "k1", MAC: []byte("new"), Sealed: []byte("new"), Stamp: d.stamp(securesend.EventRenewed)})
	d.ok(err)
	d.gone("after Renew")
	r = d.fresh(contoso)
	r.Half, r.Sealed = d.mark("the half by the key before"), d.mark("the number sealed by the key before")
	d.put(r)
	d.found("before Rewrap")
	_, err = d.rewrap("k2", 100, func(securesend.Record) (half, sealed []byte, err error) { return []byte("h"), []byte("s"), nil })
	d.ok(err)
	d.gone("after Rewrap")
	r = d.fresh(contoso)
	r.Gate = securesend.GateCode
	d.put(r)
	code := d.code(r.Auth, "")
	code.MAC = d.mark("the MAC of the code before")
	_, err = d.sendCode(r.Ref, code)
	d.ok(err)
	d.found("after SendCode")
	d.now = d.now.Add(time.Minute)
	_, err = d.sendCode(r.Ref, d.code(r.Auth, "next"))
	d.ok(err)
	d.gone("after another code")

	// What is never stored: what somebody tried.
	r = d.fresh(contoso)
	r.PassKeyID, r.PassMAC = "k1", hash("pass")
	d.put(r)
	t := d.asks(r.Ref, "mine")
	t.Number = securesend.MACs{"k1": d.mark("a wrong number"), "k2": d.mark("a wrong number under another key")}
	t.Claim = d.mark("the claim of who did not get in")
	_, err = d.take(r.Ref, t)
	d.is(err, securesend.ErrNumber)
	t = d.asks(r.Ref, "mine")
	t.Pass = securesend.MACs{"k1": d.mark("a wrong passphrase")}
	_, err = d.take(r.Ref, t)
	d.is(err, securesend.ErrPassphrase)
	t = d.asks(r.Ref, "mine")
	t.Auth = d.mark("a wrong auth")
	_, err = d.take(r.Ref, t)
	d.is(err, securesend.ErrAuth)
	asked := d.put(d.request(contoso))
	_, err = d.admit(asked, securesend.Admission{Upload: d.mark("the upload of who was not admitted"), Number: securesend.MACs{"k1": d.mark("a wrong number")}, Stamp: d.seen(securesend.EventOpened)})
	d.is(err, securesend.ErrNumber)
	d.gone("after what was refused")

	d.deleted(refs)
}

// deleted looks for what is left when records, events and counters are deleted.
func (d *dumped) deleted(refs []securesend.Ref) {
	r := d.fresh(contoso)
	r.ID = string(d.mark("the id"))
	r.Sender, r.Subject, r.Ticket.ID, r.Blobs = string(d.mark("the sender")), string(d.mark("the recipient")), string(d.mark("the ticket")), false
	r.Auth, r.Upload = d.mark("the auth"), d.mark("the upload")
	d.put(r)
	_, err := d.revoke(r.Ref)
	d.ok(err)
	key := string(d.mark("the key of a counter"))
	d.ok(d.count(securesend.Limit{Name: "l", Key: "contoso/" + key, Max: 1, Window: time.Minute}))
	global := string(d.mark("the key of a global counter"))
	d.ok(d.count(securesend.Limit{Name: "l", Key: global, Max: 1, Window: time.Minute, Global: true}))
	d.found("before DeleteExpired")
	for _, ref := range refs {
		d.ok(d.forget(ref))
	}
	var ids []string
	for _, es := range d.events() {
		for _, e := range es {
			ids = append(ids, e.ID)
		}
	}
	d.ackEvents(ids...)
	d.now = d.now.Add(time.Minute)
	d.deleteExpired(deletion{limit: 100})
	for _, id := range ids {
		d.marks = append(d.marks, mark{fmt.Sprintf("the event %s", id), []byte(id)})
	}
	d.gone("after DeleteExpired")
}
