package changefeedtest

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/race"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

func (s *suite) certificate(id string, made time.Duration) changefeed.Certificate {
	return changefeed.Certificate{
		ID: id, DER: []byte("der\x00" + id), Sealed: []byte("sealed\x00" + id), CreatedAt: s.now.Add(made), NotAfter: s.now.Add(time.Hour), UsedAt: s.now,
	}
}

func (s *suite) certificateIDs() []string {
	s.Helper()
	list, err := s.second.Certificates(s.Context())
	s.ok(err)
	out := []string{}
	for _, c := range list {
		out = append(out, c.ID)
	}
	return out
}

func certificates(s *suite) {
	s.check(len(s.certificateIDs()) == 0, "there are certificates")
	one, two := s.certificate("one", 0), s.certificate("two", time.Minute)
	s.is(s.AddCertificate(s.Context(), one, "none"), changefeed.ErrChanged)
	s.ok(s.AddCertificate(s.Context(), one, ""))
	s.is(s.second.AddCertificate(s.Context(), two, ""), changefeed.ErrChanged)
	s.is(s.second.AddCertificate(s.Context(), one, "one"), changefeed.ErrChanged)
	s.ok(s.second.AddCertificate(s.Context(), two, "one"))
	s.ok(s.AddCertificate(s.Context(), s.certificate("twin", time.Minute), "two"))
	s.check(slices.Equal(s.certificateIDs(), []string{"two", "twin", "one"}), "the certificates are %v", s.certificateIDs())
	list, err := s.Certificates(s.Context())
	s.ok(err)
	got := list[2]
	s.check(bytes.Equal(got.DER, one.DER) && bytes.Equal(got.Sealed, one.Sealed) && got.CreatedAt.Equal(one.CreatedAt) &&
		got.NotAfter.Equal(one.NotAfter) && got.UsedAt.Equal(one.UsedAt), "the certificate is %+v", got)
	s.ok(s.RewrapCertificate(s.Context(), "one", []byte("other"), []byte("new")))
	s.ok(s.RewrapCertificate(s.Context(), "two", two.Sealed, []byte("new")))
	s.ok(s.RewrapCertificate(s.Context(), "none", nil, []byte("new")))
	list, err = s.second.Certificates(s.Context())
	s.ok(err)
	s.check(string(list[0].Sealed) == "new" && bytes.Equal(list[2].Sealed, one.Sealed), "sealed are %q and %q", list[0].Sealed, list[2].Sealed)
}

func certificatesUsed(s *suite) {
	for i, id := range []string{"a", "b", "c"} {
		after := ""
		if i > 0 {
			after = string(rune('a' + i - 1))
		}
		s.ok(s.AddCertificate(s.Context(), s.certificate(id, time.Duration(i)*time.Second), after))
	}
	s.follow(s.Store, contoso, entra, "x", "y")
	r := s.lease(s.Store, "x", "me")
	r.Certificate, r.NextCertificate = "a", "b"
	_, err := s.Save(s.Context(), r)
	s.ok(err)
	r = s.lease(s.Store, "y", "me")
	r.Certificate = "a"
	_, err = s.Save(s.Context(), r)
	s.ok(err)
	used, err := s.second.CertificatesInUse(s.Context())
	s.ok(err)
	slices.Sort(used)
	s.check(slices.Equal(used, []string{"a", "b"}), "in use are %v", used)
	s.is(s.DropCertificate(s.Context(), "a"), changefeed.ErrChanged)
	s.is(s.second.DropCertificate(s.Context(), "b"), changefeed.ErrChanged)
	s.ok(s.DropCertificate(s.Context(), "c"))
	s.ok(s.DropCertificate(s.Context(), "c"))
	s.check(slices.Equal(s.certificateIDs(), []string{"b", "a"}), "left are %v", s.certificateIDs())
	for _, d := range []time.Duration{time.Hour, time.Minute} {
		s.ok(s.CertificateUsed(s.Context(), []string{"b", "none", "a"}, s.now.Add(d)))
	}
	s.ok(s.CertificateUsed(s.Context(), nil, s.now))
	list, err := s.Certificates(s.Context())
	s.ok(err)
	for _, c := range list {
		s.check(c.UsedAt.Equal(s.now.Add(time.Hour)), "used at %v", c.UsedAt)
	}
}

func seen(s *suite) {
	is := func(tenant, event string, at time.Duration, want bool) {
		s.Helper()
		for _, st := range s.stores {
			got, err := st.Seen(s.Context(), mspkit.TenantID(tenant), event, s.now.Add(at))
			s.ok(err)
			s.check(got == want, "seen is %t", got)
		}
	}
	is("contoso", "e", 0, false)
	s.ok(s.MarkSeen(s.Context(), contoso, "e", s.now.Add(time.Hour)))
	s.ok(s.second.MarkSeen(s.Context(), contoso, "e", s.now.Add(time.Minute)))
	is("contoso", "e", time.Hour-time.Microsecond, true)
	is("contoso", "e", time.Hour, false)
	is("fabrikam", "e", 0, false)
	is("contoso", "E", 0, false)
	for _, e := range []string{"f", "g", "h"} {
		s.ok(s.MarkSeen(s.Context(), contoso, e, s.now.Add(time.Minute)))
	}
	expire := func(at time.Duration, limit, want int) {
		s.Helper()
		n, err := s.second.ExpireSeen(s.Context(), s.now.Add(at), limit)
		s.ok(err)
		s.check(n == want, "%d expired, not %d", n, want)
	}
	expire(time.Minute-time.Microsecond, 10, 0)
	expire(time.Minute, 0, 0)
	expire(time.Minute, 2, 2)
	expire(time.Minute, 2, 1)
	is("contoso", "e", 0, true)
	expire(time.Hour, 10, 1)
}

func (s *suite) race(f func(st changefeed.Store, i int)) {
	s.Helper()
	race.On(s.stores, f)
	if s.Failed() {
		s.FailNow()
	}
}

func raceLease(s *suite) {
	s.follow(s.Store, contoso, entra, "a")
	for range 4 {
		var won atomic.Int32
		s.race(func(st changefeed.Store, i int) {
			_, err := st.Lease(s.Context(), ref("a"), string(rune('A'+i)), s.now, s.now.Add(time.Minute))
			if s.either(err, changefeed.ErrHeld) {
				won.Add(1)
			}
		})
		s.check(won.Load() == 1, "%d have the lease", won.Load())
		s.now = s.now.Add(time.Minute)
	}
}

func raceSave(s *suite) {
	s.follow(s.Store, contoso, entra, "a")
	for range 4 {
		r := s.lease(s.Store, "a", "me")
		var won atomic.Int32
		s.race(func(st changefeed.Store, i int) {
			mine := r
			mine.Tries = i
			got, err := st.Save(s.Context(), mine)
			if s.either(err, changefeed.ErrChanged) {
				won.Add(1)
				if got.Tries != i {
					s.Errorf("saved is %d, not %d", got.Tries, i)
				}
			}
		})
		s.check(won.Load() == 1, "%d have saved", won.Load())
	}
}

func raceFollow(s *suite) {
	keys := []string{"a", "b", "c", "d"}
	s.race(func(st changefeed.Store, i int) {
		mine := slices.Clone(keys)
		if i%2 == 0 {
			slices.Reverse(mine)
		}
		if i%5 == 0 {
			mine = mine[:2]
		}
		_, err := st.Follow(s.Context(), contoso, entra, wants(mine...), s.now)
		s.noError(err)
	})
	s.follow(s.Store, contoso, entra, keys...)
	for _, r := range s.list(contoso) {
		s.check(r.Wanted, "%s is not wanted", r.Key)
	}
	s.check(slices.Equal(s.keys(contoso), keys), "the records are %v", s.keys(contoso))
}

func raceMarks(s *suite) {
	s.follow(s.Store, contoso, entra, "a")
	var mu sync.Mutex
	var taken changefeed.Mark
	s.race(func(st changefeed.Store, i int) {
		if i%2 == 0 {
			s.noError(st.Mark(s.Context(), ref("a"), 1<<(i/2%4), s.now, s.now))
			return
		}
		r, err := st.Lease(s.Context(), ref("a"), "me", s.now, s.now.Add(time.Minute))
		s.noError(err)
		had, seq := r.Marks, r.MarkSeq
		r.Marks = 0
		if r, err = st.Save(s.Context(), r); err == nil && r.MarkSeq == seq {
			mu.Lock()
			taken |= had
			mu.Unlock()
		}
	})
	r := s.get("a")
	s.check(taken|r.Marks == 15 && r.MarkSeq == race.Goroutines/2, "taken are %b, left %b, counted %d", taken, r.Marks, r.MarkSeq)
}

func raceBeat(s *suite) {
	s.follow(s.Store, contoso, entra, "a", "b")
	_, err := s.Beat(s.Context(), s.now, time.Hour)
	s.ok(err)
	var outages atomic.Int32
	s.race(func(st changefeed.Store, i int) {
		before, err := st.Beat(s.Context(), s.now.Add(2*time.Hour+time.Duration(i)*time.Second), time.Hour)
		s.noError(err)
		if before.Equal(s.now) {
			outages.Add(1)
		}
	})
	s.check(outages.Load() == 1, "%d saw the outage", outages.Load())
	for _, r := range s.list(contoso) {
		s.check(r.MarkSeq == 1, "%s was marked %d times", r.Key, r.MarkSeq)
	}
}

// raceHome has two URLs noted while records are stored with the one that counted when they were leased: whatever comes of it, a
// record with another URL than the last one is marked.
func raceHome(s *suite) {
	s.follow(s.Store, contoso, entra, "a", "b")
	urls := []string{"https://one.example/graph", "https://two.example/graph"}
	_, err := s.Home(s.Context(), urls[0], s.now)
	s.ok(err)
	s.race(func(st changefeed.Store, i int) {
		if i%2 == 0 {
			_, err := st.Home(s.Context(), urls[i/2%2], s.now)
			s.noError(err)
			return
		}
		r, err := st.Lease(s.Context(), ref(string(rune('a'+i/2%2))), string(rune('A'+i)), s.now, s.now.Add(time.Hour))
		if !s.either(err, changefeed.ErrHeld) {
			return
		}
		home, err := st.Home(s.Context(), "", s.now)
		s.noError(err)
		r.URL, r.Holder, r.Marks = home, "", 0
		_, err = st.Save(s.Context(), r)
		s.noError(err)
	})
	home, err := s.Home(s.Context(), "", s.now)
	s.ok(err)
	for _, r := range s.list(contoso) {
		s.check(r.URL == "" || r.URL == home || r.Marks&changefeed.Missed != 0, "%s has %q and is not marked", r.Key, r.URL)
	}
}

func raceCertificates(s *suite) {
	last := ""
	for round := range 3 {
		var won atomic.Int32
		s.race(func(st changefeed.Store, i int) {
			id := string(rune('a'+round)) + string(rune('A'+i))
			err := st.AddCertificate(s.Context(), s.certificate(id, time.Duration(round)*time.Minute+time.Duration(i)), last)
			if s.either(err, changefeed.ErrChanged) {
				won.Add(1)
			}
		})
		s.check(won.Load() == 1, "%d have added one", won.Load())
		ids := s.certificateIDs()
		s.check(len(ids) == round+1, "the certificates are %v", ids)
		last = ids[0]
	}
}
