package psatest

import (
	"errors"
	"time"

	"github.com/mspkit/mspkit/psa"
)

func throttled(s *suite) {
	s.warm()
	for what, do := range map[string]struct {
		op  string
		run func() error
	}{
		"reading": {OpGetTicket, func() error {
			_, err := s.sys.GetTicket(s.soon(), s.ref("4711"))
			return err
		}},
		"listing": {OpListContacts, func() error {
			_, err := s.sys.ListContacts(s.soon(), psa.Query{})
			return err
		}},
		"writing": {OpAddNote, func() error {
			_, err := s.sys.AddNote(s.soon(), s.ref("4711"), psa.Note{Text: canary})
			return err
		}},
	} {
		s.desk.SetFault(Times(1, TooMany(time.Second), do.op))
		from, begun := s.opsSoFar(), time.Now()
		if err := do.run(); err != nil {
			s.Errorf("%s is not done after the wait that was asked for: %v", what, err)
		}
		if took := time.Since(begun); took < 900*time.Millisecond {
			s.Errorf("%s waited %v; it was asked for 1 s", what, took)
		}
		if n := s.count(from, do.op); n != 2 {
			s.Errorf("%s was sent %d times; want 2", what, n)
		}
	}
	s.desk.SetFault(nil)
	s.wrote("4711", 1)
}

func throttledLong(s *suite) {
	s.warm()
	s.desk.SetFault(Times(-1, TooMany(time.Hour), OpAddNote, OpGetTicket))
	begun := time.Now()
	_, err := s.sys.AddNote(s.soon(), s.ref("4711"), psa.Note{Text: canary})
	s.fails(err, psa.ErrRateLimited, psa.Later)
	if e, ok := errors.AsType[*psa.Error](err); !ok || e.RetryAfter != time.Hour {
		s.Errorf("%v does not tell how long to wait", err)
	}
	_, err = s.sys.GetTicket(s.soon(), s.ref("4711"))
	s.fails(err, psa.ErrRateLimited, psa.Later)
	if took := time.Since(begun); took > 40*time.Second {
		s.Errorf("it waited %v for an hour", took)
	}
	s.wrote("4711", 0)
}

func plugPulled(s *suite) {
	s.warm()
	s.desk.SetDown(true)
	_, err := s.sys.AddNote(s.within(3*time.Second), s.ref("4711"), psa.Note{Text: canary})
	s.quiet(err)
	if err == nil || psa.FateOf(err) == psa.Never {
		s.Errorf("with the plug pulled a note gives %v", err)
	}
	_, err = s.sys.GetTicket(s.within(3*time.Second), s.ref("4711"))
	s.quiet(err)
	if err == nil || errors.Is(err, psa.ErrNotFound) {
		s.Errorf("with the plug pulled a ticket gives %v", err)
	}
	s.desk.SetDown(false)
	s.wrote("4711", 0)
	_, err = s.sys.AddNote(s.soon(), s.ref("4711"), psa.Note{Text: canary})
	s.must(err)
	s.wrote("4711", 1)
}
