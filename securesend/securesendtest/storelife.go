package securesendtest

import (
	"reflect"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
)

// The parts about the life of one send: stored, completed, opened, read.

// whole returns a record with every field set that a new one can have, also those that the service leaves alone.
func (s *suite) whole() securesend.Record {
	r := s.fresh(mspkit.TenantID("contoso ü/:{}"))
	at := func(hours int) time.Time { return s.now.Add(time.Duration(hours) * (time.Hour + tick)) }
	r.Version, r.Purpose, r.Held = 7, "text \U0001f511 e\u0301", true
	r.Sender, r.Subject = "jane\tö'\"\\%", "dana {1}\n"
	r.Tries, r.CodeUntil, r.CodeSentAt, r.CodeSends, r.Renewals = 1, at(1), at(2), 3, 2
	r.PassKeyID, r.PassMAC, r.PassTries = "k2", []byte{0, 1, 255, 0}, 1
	r.Half, r.Inline, r.Header = []byte{0, 0xff, 0x80, '\n', 0}, []byte("\x00\xff binary"), make([]byte, 19)
	r.Sizes, r.Fetched = []int64{0, 1, 1<<20 - 1, 1 << 20, 5<<30 + 7, 1<<50 + 1}, []int64{1, 0, 1, 1, 5121, 1 << 30}
	r.Views, r.MaxViews, r.AfterView, r.Claim, r.LeaseUntil = 3, 1_000_000, 90*time.Minute+tick, hash("claim"), at(3)
	r.ReadyAt, r.OpenedAt, r.RevealedAt, r.AckedAt, r.Refusals = at(4), at(5), at(6), at(7), 4
	return r
}

func putStores(s *suite) {
	r := s.whole()
	v := reflect.ValueOf(r)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; name != "EndedAt" && v.Field(i).IsZero() {
			s.Fatalf("the suite does not set %s", name)
		}
	}
	s.put(r)
	s.equal(s.model.records[r.Ref].Version, int64(1), "the version that the model begins with")
	got := s.took(r.Ref, "another claim")
	s.equal(string(got.Inline)+string(got.Half), string(r.Inline)+string(r.Half), "what was stored")
	got.Half[0], got.Inline[0], got.Auth[0], got.Sizes[0] = 1, 1, 1, 9 // what a caller does to its copy is no matter
	s.took(r.Ref, "another claim")
	es := s.events()[r.Tenant]
	s.equal(es[0].Files, []int{3, 1}, "the files of an event")

	least := securesend.Record{
		Ref: securesend.Ref{Tenant: contoso, ID: "0"}, State: securesend.StateReady, MaxViews: 1, Auth: hash("auth0"), Expiry: s.now.Add(tick), ExpiresAt: s.now.Add(tick),
	}
	s.put(least)
	s.took(least.Ref, "claim")

	empty := s.fresh(contoso)
	empty.Half, empty.Inline, empty.Header, empty.Sealed, empty.Sizes, empty.Fetched, empty.PassMAC, empty.Claim = []byte{}, []byte{}, []byte{}, []byte{}, []int64{}, []int64{}, []byte{}, []byte{}
	s.put(empty)
	s.took(empty.Ref, "claim")

	large := s.fresh(contoso)
	large.Inline, large.Sizes = make([]byte, securesend.MaxInline), make([]int64, 1000)
	for i := range large.Inline {
		large.Inline[i] = byte(i * 7)
	}
	s.put(large)
	s.took(large.Ref, "claim")
}

func putRefuses(s *suite) {
	ref := s.begun()
	again := s.fresh(contoso)
	again.ID = ref.ID
	s.is(s.tryPut(again), securesend.ErrConflict)
	again.Tenant = fabrikam
	s.ok(s.tryPut(again)) // another tenant's id is another id
	_, err := s.revoke(ref)
	s.ok(err)
	again.Tenant = contoso
	s.is(s.tryPut(again), securesend.ErrConflict) // an end does not give the id free

	for name, change := range map[string]func(r *securesend.Record){
		"no expiry":             func(r *securesend.Record) { r.Expiry, r.ExpiresAt = time.Time{}, time.Time{} },
		"an expiry of now":      func(r *securesend.Record) { r.Expiry, r.ExpiresAt = s.now, s.now },
		"an expiry in the past": func(r *securesend.Record) { r.Expiry, r.ExpiresAt = s.now.Add(-tick), s.now.Add(-tick) },
		"two expiries":          func(r *securesend.Record) { r.Expiry = r.Expiry.Add(tick) },
		"no view":               func(r *securesend.Record) { r.MaxViews = 0 },
		"less than no view":     func(r *securesend.Record) { r.MaxViews = -1 },
		"a negative life":       func(r *securesend.Record) { r.AfterView = -tick },
		"no tenant":             func(r *securesend.Record) { r.Tenant = "" },
		"no id":                 func(r *securesend.Record) { r.ID = "" },
		"an end":                func(r *securesend.Record) { r.State = securesend.StateRevoked },
		"a lease":               func(r *securesend.Record) { r.State = securesend.StateOpening },
		"no state":              func(r *securesend.Record) { r.State = "" },
	} {
		r := s.fresh(contoso)
		change(&r)
		if err := s.tryPut(r); err == nil {
			s.Fatalf("Put takes a record with %s", name)
		}
	}
	r := s.fresh(contoso)
	r.Inline = make([]byte, securesend.MaxInline+1)
	s.is(s.tryPut(r), securesend.ErrTooLarge)
}

// content completes the draft of ref.
func (s *suite) content(ref securesend.Ref) securesend.Content {
	return securesend.Content{
		Upload: hash("upload" + ref.ID), Auth: hash("auth" + ref.ID), Header: []byte{1, 1, 20, 0}, Half: hash("new half" + ref.ID), HalfKey: "k2",
		Inline: []byte("\x00manifest " + ref.ID), Sizes: []int64{7, 1 << 40}, PassKeyID: "k2", PassMAC: hash("pass" + ref.ID), Stamp: s.stamp(securesend.EventUploaded),
	}
}

func commits(s *suite) {
	ref := s.put(s.draft(contoso))
	for _, verb := range []func() error{
		func() error { _, err := s.take(ref, s.asks(ref, "claim")); return err },
		func() error { _, err := s.look(ref, hash("auth"+ref.ID)); return err },
		func() error { _, err := s.ack(ref, "claim", hash("auth"+ref.ID)); return err },
		func() error {
			_, err := s.extend(ref, securesend.Fetch{Claim: hash("claim"), Auth: hash("auth" + ref.ID)})
			return err
		},
		func() error { _, err := s.take(ref, securesend.Take{}); return err },
	} {
		s.is(verb(), securesend.ErrDraft)
	}
	c := s.content(ref)
	for _, upload := range [][]byte{nil, {}, hash("another"), c.Upload[:31]} {
		other := c
		other.Upload = upload
		_, err := s.commit(ref, other)
		s.is(err, securesend.ErrAuth)
	}
	s.now = s.now.Add(time.Minute)
	r, err := s.commit(ref, c)
	s.ok(err)
	s.equal([]any{r.State, r.Version, utc(r.ReadyAt)}, []any{securesend.StateReady, int64(2), s.now}, "what is ready")

	c.Stamp = s.stamp(securesend.EventUploaded)
	_, err = s.commit(ref, c) // the same again is no change
	s.ok(err)
	other := c
	other.Inline = []byte("another")
	_, err = s.commit(ref, other)
	s.is(err, securesend.ErrConflict)
	got := s.took(ref, "claim")
	s.equal(string(got.Inline)+string(got.Half)+got.HalfKey, string(c.Inline)+string(c.Half)+"k2", "the content")
	_, err = s.commit(ref, c)
	s.ok(err)
	_, err = s.revoke(ref)
	s.ok(err)
	_, err = s.commit(ref, c)
	s.is(err, securesend.ErrEnded)
	_, err = s.commit(securesend.Ref{Tenant: fabrikam, ID: ref.ID}, c)
	s.is(err, securesend.ErrNotFound)

	late := s.put(s.draft(contoso))
	s.now = s.now.Add(day - tick)
	inTime := s.put(s.draft(contoso))
	s.now = s.now.Add(tick)
	_, err = s.commit(late, s.content(late))
	s.is(err, securesend.ErrEnded)
	_, err = s.commit(inTime, s.content(inTime))
	s.ok(err)
}

func admits(s *suite) {
	ref := s.put(s.request(contoso))
	by := func(upload string, number securesend.MACs) securesend.Admission {
		return securesend.Admission{Upload: hash(upload + ref.ID), Number: number, Stamp: s.seen(securesend.EventOpened)}
	}
	_, err := s.commit(ref, s.content(ref))
	s.is(err, securesend.ErrAuth)
	_, err = s.admit(ref, by("upload", nil))
	s.is(err, securesend.ErrNumber) // not given: not counted
	_, err = s.admit(ref, by("upload", wrong()))
	s.is(err, securesend.ErrNumber)
	s.equal(s.stat(ref).Tries, 1, "tries")
	r, err := s.admit(ref, by("upload", s.number(ref)))
	s.ok(err)
	s.equal([]any{utc(r.OpenedAt), r.State, r.Version}, []any{s.now, securesend.StateDraft, int64(2)}, "who was admitted")
	_, err = s.admit(ref, by("upload", nil)) // the same again is no change and needs no number
	s.ok(err)
	_, err = s.admit(ref, by("other", s.number(ref)))
	s.is(err, securesend.ErrOpening)

	// A renewal lets somebody else begin.
	_, err = s.renew(ref, r.Version, securesend.Renewal{KeyID: "k2", MAC: hash("second"), Sealed: []byte("s"), Stamp: s.stamp(securesend.EventRenewed)})
	s.ok(err)
	_, err = s.commit(ref, s.content(ref))
	s.is(err, securesend.ErrAuth)
	s.now = s.now.Add(time.Second)
	r, err = s.admit(ref, by("other", s.number(ref)))
	s.ok(err)
	s.equal(utc(r.OpenedAt), start, "the first look")
	c := s.content(ref)
	c.Upload, c.Auth, c.Half, c.HalfKey = hash("other"+ref.ID), hash("of the uploader"), []byte("of the uploader"), "k9"
	_, err = s.commit(ref, c)
	s.ok(err)
	_, err = s.admit(ref, by("other", nil))
	s.ok(err)
	_, err = s.admit(ref, by("third", s.number(ref)))
	s.is(err, securesend.ErrOpening)
	t := s.asks(ref, "technician")
	t.Number = nil // the gate was for who answered
	got, err := s.take(ref, t)
	s.ok(err)
	s.equal(string(got.Half)+got.HalfKey, string(hash("half"+ref.ID))+"k1", "the half of a request")

	locked := s.put(s.request(contoso))
	_, err = s.admit(locked, by("x", wrong()))
	s.is(err, securesend.ErrNumber)
	for range 2 {
		_, err = s.admit(locked, by("x", wrong()))
		s.is(err, securesend.ErrLocked)
	}
	_, err = s.admit(locked, by("x", s.number(locked)))
	s.is(err, securesend.ErrLocked)
	_, err = s.admit(s.begun(), by("x", nil)) // a send is not answered
	s.is(err, securesend.ErrAuth)
	s.now = s.now.Add(day)
	_, err = s.admit(locked, by("x", s.number(locked)))
	s.is(err, securesend.ErrEnded)
	_, err = s.admit(securesend.Ref{Tenant: contoso, ID: "none"}, by("x", nil))
	s.is(err, securesend.ErrNotFound)
}

func (s *suite) stat(ref securesend.Ref) securesend.Record {
	s.Helper()
	r, err := s.next().Stat(s.Context(), ref)
	s.ok(err)
	return r
}

func opens(s *suite) {
	ref := s.begun()
	s.now = s.now.Add(time.Minute)
	r, err := s.look(ref, hash("auth"+ref.ID))
	s.ok(err)
	s.equal([]any{utc(r.OpenedAt), r.Version, r.Views}, []any{s.now, int64(1), 0}, "after the first look")
	s.now = s.now.Add(time.Minute)
	_, err = s.look(ref, hash("auth"+ref.ID))
	s.ok(err)
	_, err = s.look(securesend.Ref{Tenant: contoso, ID: "none"}, hash("x"))
	s.is(err, securesend.ErrNotFound)

	late := s.begun()
	s.now = s.now.Add(day)
	_, err = s.look(late, hash("auth"+late.ID)) // nothing to be noted any more
	s.ok(err)
	_, err = s.revoke(late)
	s.is(err, securesend.ErrEnded) // also where nobody has swept
}

func takes(s *suite) {
	ref := s.begun()
	s.now = s.now.Add(time.Second)
	first := s.took(ref, "mine")
	s.equal([]any{first.Views, first.Version, first.State, utc(first.RevealedAt), utc(first.LeaseUntil)},
		[]any{1, int64(2), securesend.StateOpening, s.now, s.now.Add(securesend.Lease)}, "what was handed out")
	s.now = s.now.Add(30 * time.Second)
	again := s.asks(ref, "mine") // repeating needs no number
	again.Number, again.Allowed = wrong(), false
	r, err := s.take(ref, again)
	s.ok(err)
	s.equal([]any{r.Views, utc(r.LeaseUntil), string(r.Half)}, []any{1, s.now.Add(securesend.Lease), string(first.Half)}, "the repeat")

	_, err = s.take(ref, s.asks(ref, "another"))
	s.is(err, securesend.ErrOpening)
	bad := s.asks(ref, "another")
	bad.Number = wrong()
	_, err = s.take(ref, bad) // counts nothing
	s.is(err, securesend.ErrOpening)

	s.now = r.LeaseUntil.Add(-tick)
	s.took(ref, "mine")
	s.now = s.now.Add(-10 * time.Second) // a clock that is behind does not shorten the lease
	s.took(ref, "mine")
	s.now = utc(s.stat(ref).LeaseUntil)
	for _, claim := range []string{"mine", "another"} { // of a single view nothing is left
		_, err = s.take(ref, s.asks(ref, claim))
		s.is(err, securesend.ErrEnded)
	}
	_, err = s.take(securesend.Ref{Tenant: fabrikam, ID: ref.ID}, s.asks(ref, "mine"))
	s.is(err, securesend.ErrNotFound)

	capped := s.begun()
	s.now = s.now.Add(day - 20*time.Second)
	r = s.took(capped, "mine")
	s.equal(utc(r.LeaseUntil), utc(r.ExpiresAt), "a lease at the end of the life")
	s.now = r.ExpiresAt.Add(-tick)
	s.took(capped, "mine")
	s.now = s.now.Add(tick)
	_, err = s.take(capped, s.asks(capped, "mine"))
	s.is(err, securesend.ErrEnded)
}

func takesViews(s *suite) {
	r := s.fresh(contoso)
	r.MaxViews, r.AfterView = 3, 10*time.Minute
	ref := s.put(r)
	s.now = s.now.Add(time.Hour)
	got := s.took(ref, "one")
	end := s.now.Add(10 * time.Minute)
	s.equal([]any{utc(got.ExpiresAt), utc(got.Expiry)}, []any{end, r.Expiry}, "the expiry after the first view")
	_, err := s.extend(ref, securesend.Fetch{Claim: hash("one"), Auth: r.Auth, File: 1, From: 0, To: 4})
	s.ok(err)
	got, err = s.ack(ref, "one", r.Auth)
	s.ok(err)
	s.equal([]any{got.State, got.LeaseUntil.IsZero(), len(got.Header) > 0}, []any{securesend.StateReady, true, true}, "with views left")
	_, err = s.ack(ref, "one", r.Auth) // repeating it is no change
	s.ok(err)

	s.now = s.now.Add(time.Minute)
	got = s.took(ref, "two")
	s.equal([]any{got.Views, utc(got.ExpiresAt), got.Fetched}, []any{2, end, []int64{0, 0}}, "the second view")
	_, err = s.ack(ref, "one", r.Auth)
	s.is(err, securesend.ErrOpening)
	s.now = got.LeaseUntil // the lease is over, and nobody has swept
	for _, claim := range []string{"two", "three"} {
		_, err = s.take(ref, s.asks(ref, claim))
		s.is(err, securesend.ErrOpening)
	}
	_, err = s.extend(ref, securesend.Fetch{Claim: hash("two"), Auth: r.Auth})
	s.is(err, securesend.ErrEnded)
	s.now = s.now.Add(securesend.LeaseMargin - tick)
	_, err = s.take(ref, s.asks(ref, "three"))
	s.is(err, securesend.ErrOpening)
	s.now = s.now.Add(tick)
	before := len(s.events()[contoso])
	got = s.took(ref, "three")
	s.equal(got.Views, 3, "views")
	es := s.events()[contoso][before:]
	s.equal([]any{es[0].Kind, es[0].Files, es[1].Kind}, []any{securesend.EventLapsed, []int{1, 2}, securesend.EventRevealed}, "the view before has lapsed")
	got, err = s.ack(ref, "three", r.Auth)
	s.ok(err)
	s.equal(got.State, securesend.StateAcknowledged, "state")

	short := s.fresh(contoso)
	short.AfterView, short.MaxViews = 20*time.Second, 2
	s.put(short)
	got = s.took(short.Ref, "one")
	s.equal(utc(got.LeaseUntil), s.now.Add(20*time.Second), "a lease within a shorter life")
	long := s.fresh(contoso)
	long.AfterView = 48 * time.Hour
	s.put(long)
	s.equal(utc(s.took(long.Ref, "one").ExpiresAt), long.Expiry, "a life that is not made longer")
}

func extends(s *suite) {
	r := s.fresh(contoso)
	r.Sizes = []int64{0, 3<<20 + 1, securesend.MaxFileSize}
	ref := s.put(r)
	f := securesend.Fetch{Claim: hash("mine"), Auth: r.Auth, File: 1, From: 0, To: 2}
	_, err := s.extend(ref, f)
	s.is(err, securesend.ErrOpening)
	s.took(ref, "mine")
	fetch := func(file int, from, to int64) []int64 {
		s.Helper()
		s.now = s.now.Add(time.Second)
		got, err := s.extend(ref, securesend.Fetch{Claim: hash("mine"), Auth: r.Auth, File: file, From: from, To: to})
		s.ok(err)
		s.equal(utc(got.LeaseUntil), s.now.Add(securesend.Lease), "the lease")
		return got.Fetched
	}
	s.equal(fetch(1, 0, 2), []int64{0, 2, 0}, "fetched")
	s.equal(fetch(1, 3, 4), []int64{0, 2, 0}, "with a gap")
	s.equal(fetch(1, 0, 1), []int64{0, 2, 0}, "again")
	s.equal(fetch(1, 1, 3), []int64{0, 3, 0}, "overlapping")
	s.equal(fetch(1, 3, 3), []int64{0, 3, 0}, "only the lease")
	s.equal(fetch(0, 0, 1), []int64{1, 3, 0}, "the empty file")
	s.equal(fetch(2, 0, 1<<20), []int64{1, 3, 1 << 20}, "a large file")
	for _, bad := range []securesend.Fetch{{File: -1}, {File: 3}, {From: -1, To: 1}, {From: 1, To: 0}, {File: 1, From: 0, To: 5}, {From: 2, To: 2}} {
		bad.Claim, bad.Auth = f.Claim, f.Auth
		s.now = s.now.Add(time.Second)
		_, err = s.extend(ref, bad)
		s.is(err, securesend.ErrInvalid)
	}
	// What is to be read is neither noted nor allowed beyond the end, and only where the region is served.
	for _, want := range []struct {
		until   int64
		regions []string
		err     error
	}{{4, nil, nil}, {5, nil, securesend.ErrInvalid}, {4, []string{"elsewhere", r.Region}, nil}, {4, []string{"elsewhere"}, securesend.ErrRegion}} {
		s.now = s.now.Add(time.Second)
		read := securesend.Fetch{Claim: f.Claim, Auth: f.Auth, File: 1, From: 1, To: 1, Until: want.until, Regions: want.regions}
		before := s.stat(ref)
		_, err = s.extend(ref, read)
		s.is(err, want.err)
		s.equal(s.stat(ref).Fetched, before.Fetched, "fetched")
		if want.err != nil {
			s.equal(s.stat(ref).LeaseUntil, before.LeaseUntil, "the lease")
		}
	}
	f.Claim = hash("another")
	_, err = s.extend(ref, f)
	s.is(err, securesend.ErrOpening)
	f.Claim = hash("mine")
	s.took(ref, "mine") // a repeat keeps what was fetched
	s.equal(s.stat(ref).Fetched, []int64{1, 3, 1 << 20}, "fetched")
	s.now = utc(s.stat(ref).LeaseUntil).Add(-tick)
	_, err = s.extend(ref, f)
	s.ok(err)
	s.now = utc(s.stat(ref).LeaseUntil)
	_, err = s.extend(ref, f)
	s.is(err, securesend.ErrEnded)
	_, err = s.extend(securesend.Ref{Tenant: contoso, ID: "none"}, f)
	s.is(err, securesend.ErrNotFound)
}

func acks(s *suite) {
	ref := s.begun()
	auth := hash("auth" + ref.ID)
	_, err := s.ack(ref, "mine", auth)
	s.is(err, securesend.ErrOpening)
	s.took(ref, "mine")
	_, err = s.extend(ref, securesend.Fetch{Claim: hash("mine"), Auth: auth, File: 1, To: 4})
	s.ok(err)
	_, err = s.ack(ref, "another", auth)
	s.is(err, securesend.ErrOpening)
	s.now = s.now.Add(time.Second)
	r, err := s.ack(ref, "mine", auth)
	s.ok(err)
	s.equal([]any{r.State, utc(r.AckedAt), utc(r.EndedAt), len(r.Header) + len(r.Sealed), r.HalfKey + r.KeyID + r.PassKeyID},
		[]any{securesend.StateAcknowledged, s.now, s.now, 0, ""}, "what is left")
	es := s.events()[contoso]
	s.equal([]any{es[len(es)-1].Kind, es[len(es)-1].Files}, []any{securesend.EventAcknowledged, []int{1}}, "the event")
	s.now = s.now.Add(time.Hour)
	_, err = s.ack(ref, "mine", auth) // repeating it is no change
	s.ok(err)
	_, err = s.ack(ref, "another", auth)
	s.is(err, securesend.ErrEnded)
	_, err = s.take(ref, s.asks(ref, "mine"))
	s.is(err, securesend.ErrEnded)

	// It arrived, if late: nobody has swept.
	late := s.begun()
	s.took(late, "mine")
	s.now = s.now.Add(2 * day)
	r, err = s.ack(late, "mine", hash("auth"+late.ID))
	s.ok(err)
	s.equal(r.State, securesend.StateAcknowledged, "state")

	swept := s.begun()
	s.took(swept, "mine")
	s.now = s.now.Add(securesend.Lease + securesend.LeaseMargin)
	s.equal(s.expire(10), 1, "swept")
	_, err = s.ack(swept, "mine", hash("auth"+swept.ID))
	s.is(err, securesend.ErrEnded)
	_, err = s.ack(securesend.Ref{Tenant: contoso, ID: "none"}, "mine", auth)
	s.is(err, securesend.ErrNotFound)
}
