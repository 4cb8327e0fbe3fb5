package teamstest

import (
	"bytes"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

// How long the suite's claims last.
const (
	leased     = 10 * time.Second
	remembered = 10 * time.Minute
)

// claim returns one of all keys for the usual times.
func (s *storeSuite) claim(owner string, keys ...string) teamsapp.Claim {
	c := teamsapp.Claim{Owner: owner, LeaseUntil: s.now.Add(leased)}
	for _, k := range keys {
		c.Keys = append(c.Keys, teamsapp.ClaimKey{Key: k, Until: s.now.Add(remembered)})
	}
	return c
}

// claimed makes a claim at s.now.
func (s *storeSuite) claimed(st teamsapp.Store, c teamsapp.Claim) teamsapp.Claimed {
	s.Helper()
	got, err := st.Claim(s.Context(), c, s.now)
	s.ok(err)
	return got
}

// mine checks that the asker gets the turn.
func (s *storeSuite) mine(st teamsapp.Store, c teamsapp.Claim) {
	s.Helper()
	got := s.claimed(st, c)
	s.check(got.Mine && got.Reply == nil, "the turn should be %s's without a reply: %+v", c.Owner, got)
}

// taken checks that another one is at work.
func (s *storeSuite) taken(st teamsapp.Store, c teamsapp.Claim) {
	s.Helper()
	got := s.claimed(st, c)
	s.check(!got.Mine && got.Reply == nil, "the turn should not be %s's and have no reply: %+v", c.Owner, got)
}

// replies checks that the turn was answered.
func (s *storeSuite) replies(st teamsapp.Store, c teamsapp.Claim, reply string) {
	s.Helper()
	got := s.claimed(st, c)
	s.check(!got.Mine && string(got.Reply) == reply, "the reply to %s should be %q: %+v", c.Owner, reply, got)
}

func (s *storeSuite) answer(owner, reply string) {
	s.Helper()
	s.ok(s.Answer(s.Context(), owner, []byte(reply), s.now))
}

// deletes checks how many keys DeleteExpired deletes at a time.
func (s *storeSuite) deletes(at time.Time, limit, want int) {
	s.Helper()
	n, err := s.second.DeleteExpired(s.Context(), at, limit)
	s.ok(err)
	s.check(n == want, "%d keys are deleted, it should be %d", n, want)
}

func claimFirst(s *storeSuite) {
	s.mine(s.Store, s.claim("jane", "a", "b", "c", "d"))
	for _, key := range []string{"a", "b", "c", "d"} {
		s.taken(s.second, s.claim("joe", key))
	}
	s.taken(s.Store, s.claim("jane", "a")) // nor is it the owner's again
	s.mine(s.second, s.claim("joe", "e"))
}

func claimReply(s *storeSuite) {
	s.mine(s.Store, s.claim("jane", "a", "b"))
	s.mine(s.Store, s.claim("joe", "c"))
	s.answer("jane", "hello")
	s.replies(s.second, s.claim("late", "a"), "hello")
	s.replies(s.Store, s.claim("later", "b"), "hello")
	s.replies(s.Store, s.claim("last", "x", "b"), "hello")
	s.taken(s.Store, s.claim("last", "c"))
}

func claimKeysEnd(s *storeSuite) {
	c := s.claim("jane", "short", "long")
	c.Keys[0].Until = s.now.Add(time.Minute)
	c.LeaseUntil = s.now.Add(time.Hour) // so that only Until counts
	s.mine(s.Store, c)
	s.answer("jane", "hello")
	begun := s.now

	s.now = begun.Add(time.Minute - time.Microsecond)
	s.replies(s.second, s.claim("joe", "short"), "hello")
	s.now = begun.Add(time.Minute)
	s.replies(s.second, s.claim("joe", "long"), "hello")
	s.mine(s.Store, s.claim("other", "at work"))
	s.taken(s.second, s.claim("joe", "short", "at work")) // the reply of the one that is over does not count
	s.mine(s.second, s.claim("joe", "short"))             // without the reply of the turn that is over
	s.taken(s.Store, s.claim("late", "short"))
	s.replies(s.Store, s.claim("late", "long"), "hello")
	s.answer("joe", "of joe")
	s.now = begun.Add(remembered)
	s.mine(s.Store, s.claim("late", "long"))
	s.answer("jane", "too late")
	s.taken(s.Store, s.claim("last", "long"))
	s.replies(s.Store, s.claim("last", "short"), "of joe")
}

func claimAnyKey(s *storeSuite) {
	c := s.claim("jane", "short", "long")
	c.Keys[0].Until = s.now.Add(time.Second)
	c.LeaseUntil = s.now.Add(time.Hour)
	s.mine(s.Store, c)
	s.now = s.now.Add(time.Minute)
	s.taken(s.second, s.claim("joe", "short", "long"))
	s.taken(s.second, s.claim("joe", "long", "short"))
	s.mine(s.second, s.claim("joe", "short")) // those before did not take it
}

func claimLosesWhole(s *storeSuite) {
	s.mine(s.Store, s.claim("jane", "m"))
	for _, keys := range [][]string{{"a", "m", "z"}, {"z", "m", "a"}, {"m", "a", "z"}} {
		c := s.claim("joe", keys...)
		c.LeaseUntil = s.now.Add(time.Hour)
		s.taken(s.second, c)
	}
	s.answer("joe", "not mine")
	s.taken(s.Store, s.claim("joe", "m"))
	s.mine(s.Store, s.claim("late", "a", "z")) // free all the same
	s.answer("jane", "hello")
	for _, keys := range [][]string{{"b", "m", "y"}, {"y", "m", "b"}} {
		s.replies(s.second, s.claim("joe", keys...), "hello")
	}
	s.mine(s.Store, s.claim("late", "b", "y"))
	// Nothing of the refused claims is left, and theirs did not make "m" last longer.
	s.now = s.now.Add(remembered)
	s.mine(s.Store, s.claim("last", "m"))
	s.deletes(s.now, 100, 4)
}

func claimFirstReply(s *storeSuite) {
	s.mine(s.Store, s.claim("jane", "a"))
	s.mine(s.Store, s.claim("joe", "b"))
	s.mine(s.Store, s.claim("at work", "c", "c2"))
	s.answer("jane", "of a")
	s.answer("joe", "of b")
	s.replies(s.second, s.claim("late", "a", "b"), "of a")
	s.replies(s.second, s.claim("late", "b", "a"), "of b")
	s.replies(s.second, s.claim("late", "c", "b", "a"), "of b")
	s.replies(s.second, s.claim("late", "new", "c", "c2", "a"), "of a")
}

func claimTakeover(s *storeSuite) {
	s.mine(s.Store, s.claim("jane", "a", "b"))
	s.now = s.now.Add(leased - time.Microsecond)
	s.taken(s.second, s.claim("joe", "a"))
	s.now = s.now.Add(time.Microsecond)
	s.mine(s.second, s.claim("joe", "a", "c")) // "b" stays jane's
	s.taken(s.Store, s.claim("late", "a"))
	s.taken(s.Store, s.claim("late", "c"))
	s.answer("jane", "of jane")
	s.replies(s.Store, s.claim("late", "b"), "of jane")
	s.taken(s.Store, s.claim("late", "a"))
	s.answer("joe", "of joe")
	s.replies(s.Store, s.claim("late", "a"), "of joe")
	s.replies(s.Store, s.claim("late", "c"), "of joe")
	s.replies(s.Store, s.claim("late", "b"), "of jane")
	// The new owner's Until counts.
	s.now = start.Add(remembered)
	s.replies(s.Store, s.claim("late", "a"), "of joe")
	s.mine(s.Store, s.claim("late", "b"))
}

func claimLeases(s *storeSuite) {
	short, long := s.claim("jane", "a"), s.claim("joe", "b")
	long.LeaseUntil = s.now.Add(time.Minute)
	s.mine(s.Store, short)
	s.mine(s.Store, long)
	s.now = s.now.Add(leased)
	s.taken(s.second, s.claim("late", "a", "b"))
	s.taken(s.second, s.claim("late", "b", "a"))
	s.answer("joe", "of joe")
	s.replies(s.second, s.claim("late", "a", "b"), "of joe")
	s.mine(s.second, s.claim("late", "a", "free")) // those before did not take it
	s.now = s.now.Add(time.Minute)
	s.replies(s.second, s.claim("last", "free", "b"), "of joe")
	s.mine(s.second, s.claim("last", "free", "a"))
}

func answerOutlivesLease(s *storeSuite) {
	s.mine(s.Store, s.claim("jane", "a", "b"))
	s.now = s.now.Add(2 * leased)
	s.answer("jane", "late but fine")
	s.replies(s.second, s.claim("joe", "a"), "late but fine")
	s.now = start.Add(remembered - time.Microsecond)
	s.replies(s.second, s.claim("joe", "b"), "late but fine")
}

func answerAfterTakeover(s *storeSuite) {
	s.mine(s.Store, s.claim("jane", "a", "b"))
	s.now = s.now.Add(leased)
	s.mine(s.second, s.claim("joe", "b", "a"))
	s.answer("jane", "of jane")
	s.taken(s.second, s.claim("late", "a"))
	s.answer("jane", "") // nor can she give the turn away
	s.taken(s.second, s.claim("late", "b"))
	s.answer("joe", "of joe")
	s.answer("jane", "of jane")
	s.answer("jane", "")
	s.replies(s.second, s.claim("late", "a"), "of joe")
	s.replies(s.second, s.claim("late", "b"), "of joe")
	s.answer("nobody", "hello")
	s.answer("nobody", "")
	s.replies(s.second, s.claim("late", "b"), "of joe")
}

func answerExpired(s *storeSuite) {
	c := s.claim("jane", "short", "long")
	c.Keys[0].Until = s.now.Add(time.Second)
	s.mine(s.Store, c)
	begun := s.now
	s.now = begun.Add(time.Second)
	s.answer("jane", "hello")
	// A clock that is behind sees the short key, which jane did not have any more when she answered.
	s.now = begun
	s.taken(s.second, s.claim("joe", "short"))
	s.replies(s.second, s.claim("joe", "long"), "hello")
	s.now = begun.Add(time.Second)
	s.answer("jane", "")
	s.deletes(s.now, 10, 1) // the short one
	s.mine(s.second, s.claim("joe", "long", "short"))
}

func answerTwice(s *storeSuite) {
	s.mine(s.Store, s.claim("jane", "a", "b"))
	s.answer("jane", "first")
	s.ok(s.second.Answer(s.Context(), "jane", []byte("second"), s.now))
	s.replies(s.Store, s.claim("joe", "a"), "second")
	s.replies(s.Store, s.claim("joe", "b"), "second")
}

func answerForgets(s *storeSuite) {
	for _, empty := range [][]byte{nil, {}} {
		s.mine(s.Store, s.claim("jane", "a", "b"))
		s.mine(s.Store, s.claim("other", "c"))
		s.ok(s.second.Answer(s.Context(), "jane", empty, s.now))
		s.mine(s.Store, s.claim("joe", "b"))
		s.mine(s.Store, s.claim("jack", "a"))
		s.taken(s.Store, s.claim("late", "c"))
		s.answer("jane", "has nothing any more")
		s.taken(s.Store, s.claim("late", "a"))
		s.answer("jack", "hello")
		s.answer("jack", "") // a reply is forgotten as well
		s.mine(s.second, s.claim("late", "a"))
		s.answer("late", "")
		s.answer("joe", "")
		s.answer("other", "")
		s.deletes(s.now.Add(time.Hour), 10, 0)
	}
}

func claimSameKey(s *storeSuite) {
	s.mine(s.Store, s.claim("jane", "a", "a"))
	s.taken(s.second, s.claim("joe", "a", "a"))
	s.answer("jane", "hello")
	s.replies(s.second, s.claim("joe", "a"), "hello")
	s.deletes(s.now.Add(time.Hour), 10, 1)
	s.mine(s.Store, s.claim("jane", "a", "a"))
	s.answer("jane", "")
	s.deletes(s.now.Add(time.Hour), 10, 0)
}

func claimInvalid(s *storeSuite) {
	for name, c := range map[string]teamsapp.Claim{
		"no owner":  s.claim("", "a"),
		"no keys":   s.claim("jane"),
		"five keys": s.claim("jane", "a", "b", "c", "d", "e"),
	} {
		got, err := s.Claim(s.Context(), c, s.now)
		s.check(!got.Mine, "%s: the turn is the asker's", name)
		s.is(err, mspkit.ErrInvalid)
	}
	s.mine(s.Store, s.claim("joe", "a", "b", "c", "d"))
}

func replyBytes(s *storeSuite) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for i, reply := range [][]byte{{0}, every, bytes.Repeat(every, 256)} {
		owner, key := fmt.Sprint("owner", i), fmt.Sprint("key", i)
		s.mine(s.Store, s.claim(owner, key))
		s.answer(owner, string(reply))
		got := s.claimed(s.second, s.claim("late", key))
		s.check(!got.Mine && bytes.Equal(got.Reply, reply), "a reply of %d bytes came back as %d bytes or as others", len(reply), len(got.Reply))
	}
}

func deleteExpired(s *storeSuite) {
	for i := range 5 {
		c := s.claim(fmt.Sprint("owner", i), fmt.Sprint("a", i), fmt.Sprint("b", i))
		c.Keys[0].Until = s.now.Add(time.Minute)
		s.mine(s.Store, c)
		s.answer(c.Owner, "hello")
	}
	r := s.record(ourBot, contoso, person(1, 1))
	s.saved(r)
	s.deletes(s.now, 100, 0)
	s.deletes(s.now.Add(time.Minute-time.Microsecond), 100, 0)
	s.now = s.now.Add(time.Minute)
	s.deletes(s.now, 0, 0)
	s.deletes(s.now, -1, 0)
	s.deletes(s.now, 2, 2)
	s.deletes(s.now, 2, 2)
	s.deletes(s.now, 2, 1)
	s.deletes(s.now, 2, 0)
	for i := range 5 {
		s.replies(s.Store, s.claim("late", fmt.Sprint("b", i)), "hello")
		s.mine(s.Store, s.claim(fmt.Sprint("late", i), fmt.Sprint("a", i)))
	}
	s.deletes(s.now, 100, 0) // "a" is remembered anew
	s.deletes(s.now.Add(24*time.Hour), 100, 10)
	s.loads(r)
}
