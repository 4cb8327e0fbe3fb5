package securesend

import (
	"bytes"
	"slices"
	"time"
)

// The methods that follow are the steps of a record's life. A [SecretStore] reads the record, calls one, and where it
// returns stamps or changed is true stores the record and the events of the stamps, all in one atomic step. An error may come with a
// change: a wrong number is counted.

// Commit makes r, a draft, ready. Committing the same again is no change.
func (r *Record) Commit(c Content, now time.Time) (stamps []Stamp, err error) {
	switch {
	case !same(r.Upload, c.Upload):
		return nil, ErrAuth
	case r.Effective(now).Final():
		return nil, ErrEnded
	case r.State != StateDraft && bytes.Equal(r.Inline, c.Inline):
		return nil, nil
	case r.State != StateDraft:
		return nil, ErrConflict
	}
	r.complete(c, now)
	r.Version++
	return []Stamp{c.Stamp}, nil
}

// complete puts the content into r.
func (r *Record) complete(c Content, now time.Time) {
	if r.Kind == KindSend { // of a request both were there before it was asked
		r.Auth, r.Half, r.HalfKey = c.Auth, c.Half, c.HalfKey
	}
	r.Header, r.Inline, r.Sizes = c.Header, c.Inline, c.Sizes
	r.PassKeyID, r.PassMAC = c.PassKeyID, c.PassMAC
	r.State, r.ReadyAt = StateReady, now
}

// Admit makes who asks the only one who may answer the request r.
func (r *Record) Admit(a Admission, now time.Time) (stamps []Stamp, changed bool, err error) {
	switch {
	case r.Kind != KindRequest:
		return nil, false, ErrAuth
	case r.Effective(now).Final():
		return nil, false, ErrEnded
	case same(r.Upload, a.Upload):
		return nil, false, nil
	case len(r.Upload) > 0 || r.State != StateDraft:
		return nil, false, ErrOpening
	}
	if stamps, err = r.pass(a.Number, a.Stamp); err != nil {
		return stamps, len(stamps) > 0, err
	}
	r.Upload = a.Upload
	r.Version++
	if r.OpenedAt.IsZero() {
		r.OpenedAt = now
	}
	return []Stamp{a.Stamp.as(EventOpened, "")}, true, nil
}

// Open notes that somebody with the whole link looks at r; only the first time is a change.
func (r *Record) Open(auth []byte, s Stamp, now time.Time) (stamps []Stamp, err error) {
	if !same(r.Auth, auth) {
		return nil, r.unauthorized()
	}
	if !r.OpenedAt.IsZero() || r.State == StateDraft || r.Effective(now).Final() {
		return nil, nil
	}
	r.OpenedAt = now
	return []Stamp{s}, nil
}

// unauthorized is what a wrong auth gets: a draft has none that could be right.
func (r *Record) unauthorized() error {
	if r.State == StateDraft && len(r.Auth) == 0 {
		return ErrDraft
	}
	return ErrAuth
}

// Take hands r to the claim, or says why not. The lease, the view and the tries are counted in r.
func (r *Record) Take(t Take, now time.Time) (stamps []Stamp, changed bool, err error) {
	if !same(r.Auth, t.Auth) {
		return nil, false, r.unauthorized()
	}
	state := r.Effective(now)
	mine := same(r.Claim, t.Claim) && r.State == StateOpening && state == StateOpening && now.Before(r.LeaseUntil)
	switch {
	case state.Final():
		return nil, false, ErrEnded
	case state == StateDraft:
		return nil, false, ErrDraft
	case state == StateOpening && !mine:
		return nil, false, ErrOpening
	case !inRegions(t.Regions, r.Region):
		return nil, false, ErrRegion
	}
	if !mine && r.Kind == KindSend {
		switch r.Gate {
		case GateProof:
			if !t.Allowed {
				return nil, false, ErrGate
			}
		case GateCode:
			if len(t.Number) > 0 && r.Tries < r.MaxTries && !now.Before(r.CodeUntil) {
				return nil, false, ErrNumber // the code is over: that is no guess
			}
			fallthrough
		default:
			if stamps, err = r.pass(t.Number, t.Stamp); err != nil {
				return stamps, len(stamps) > 0, err
			}
		}
	}
	if len(r.PassMAC) > 0 {
		if stamps, err = r.passphrase(t.Pass, t.Stamp); err != nil {
			return stamps, len(stamps) > 0, err
		}
	}
	if mine {
		r.extend(now)
		return nil, true, nil
	}
	if r.State == StateOpening { // the lease of the view before has ended, and nobody has swept
		stamps = append(stamps, Stamp{ID: t.Stamp.ID + "-lapsed", Kind: EventLapsed, By: BySystem, Files: r.Unfetched()})
	}
	if r.RevealedAt.IsZero() {
		r.RevealedAt = now
		if r.AfterView > 0 {
			r.ExpiresAt = earlier(r.ExpiresAt, now.Add(r.AfterView))
		}
	}
	r.Claim, r.Fetched = t.Claim, make([]int64, len(r.Sizes))
	if r.Kind == KindSend && r.Gate == GateCode { // a code opens one view; the next has codes of its own
		r.CodeUntil, r.CodeSends = time.Time{}, 0
	}
	r.State = StateOpening
	r.Views++
	r.Version++
	r.extend(now)
	return append(stamps, t.Stamp.as(EventRevealed, "")), true, nil
}

// pass checks the number or code. A code counts like a number.
func (r *Record) pass(given MACs, s Stamp) ([]Stamp, error) {
	if r.Gate != GateNumber && r.Gate != GateCode {
		return nil, nil
	}
	switch {
	case r.Tries >= r.MaxTries:
		return nil, ErrLocked
	case len(given) == 0:
		return nil, ErrNumber
	case given.match(r.KeyID, r.NumberMAC):
		return nil, nil
	}
	r.Tries++
	return r.refuse(s, string(r.Gate), r.Tries >= r.MaxTries, ErrNumber)
}

func (r *Record) passphrase(given MACs, s Stamp) ([]Stamp, error) {
	switch {
	case r.PassTries >= r.MaxPassTries:
		return nil, ErrLocked
	case len(given) == 0:
		return nil, ErrPassphrase
	case given.match(r.PassKeyID, r.PassMAC):
		return nil, nil
	}
	r.PassTries++
	return r.refuse(s, "passphrase", r.PassTries >= r.MaxPassTries, ErrPassphrase)
}

func (r *Record) refuse(s Stamp, what string, locked bool, err error) ([]Stamp, error) {
	r.Refusals++
	stamps := []Stamp{s.as(EventRefused, what)}
	if locked {
		l := s.as(EventLocked, what)
		l.ID += "-locked"
		return append(stamps, l), ErrLocked
	}
	return stamps, err
}

// inRegions reports whether a region is one of those that are served; none means all.
func inRegions(served []string, region string) bool {
	return len(served) == 0 || slices.Contains(served, region)
}

func (r *Record) extend(now time.Time) {
	// A clock that is behind another instance's must not shorten a lease.
	if until := earlier(now.Add(Lease), r.ExpiresAt); until.After(r.LeaseUntil) {
		r.LeaseUntil = until
	}
}

// Extend notes what was fetched and extends the lease.
func (r *Record) Extend(f Fetch, now time.Time) error {
	switch {
	case !same(r.Auth, f.Auth):
		return r.unauthorized()
	case r.Effective(now).Final():
		return ErrEnded
	case r.State != StateOpening || !same(r.Claim, f.Claim):
		return ErrOpening
	case !now.Before(r.LeaseUntil):
		return ErrEnded
	case !inRegions(f.Regions, r.Region):
		return ErrRegion
	case f.File < 0 || f.File >= len(r.Sizes) || f.From < 0 || f.To < f.From || max(f.To, f.Until) > Chunks(r.Sizes[f.File]):
		return ErrInvalid
	}
	r.extend(now)
	for len(r.Fetched) < len(r.Sizes) {
		r.Fetched = append(r.Fetched, 0)
	}
	if f.From <= r.Fetched[f.File] {
		r.Fetched[f.File] = max(r.Fetched[f.File], f.To)
	}
	return nil
}

// Ack notes that everything arrived: it burns r, or ends the view where more are left. Repeating it is no change.
func (r *Record) Ack(claim, auth []byte, s Stamp, now time.Time) (stamps []Stamp, err error) {
	switch {
	case !same(r.Auth, auth):
		return nil, r.unauthorized()
	case !same(r.Claim, claim):
		if r.State.Final() {
			return nil, ErrEnded
		}
		return nil, ErrOpening
	case r.State == StateAcknowledged, r.State == StateReady:
		return nil, nil
	case r.State.Final():
		return nil, ErrEnded
	}
	s.Files = r.Unfetched()
	r.AckedAt = now
	if r.Views >= r.MaxViews {
		r.destroy(StateAcknowledged, now)
	} else {
		r.State, r.LeaseUntil = StateReady, time.Time{}
		r.Version++
	}
	return []Stamp{s}, nil
}

// SendCode notes a code that is about to be sent.
func (r *Record) SendCode(c Code, now time.Time) (stamps []Stamp, err error) {
	switch {
	case !same(r.Auth, c.Auth):
		return nil, r.unauthorized()
	case r.Effective(now).Final():
		return nil, ErrEnded
	case r.Gate != GateCode:
		return nil, ErrInvalid
	case r.Tries >= r.MaxTries:
		return nil, ErrLocked
	case r.CodeSends >= c.MaxSends:
		return nil, &LimitError{Limit: LimitCodes, RetryAfter: r.ExpiresAt.Sub(now)}
	case now.Before(r.CodeSentAt.Add(c.Cooldown)):
		return nil, &LimitError{Limit: LimitCooldown, RetryAfter: r.CodeSentAt.Add(c.Cooldown).Sub(now)}
	}
	r.KeyID, r.NumberMAC, r.CodeUntil, r.CodeSentAt = c.KeyID, c.MAC, c.Until, now
	r.CodeSends++
	return []Stamp{c.Stamp}, nil
}

// Renew replaces the number and gives back the tries of number, code and passphrase. A request that somebody else has
// begun to answer is open again.
func (r *Record) Renew(version int64, n Renewal, now time.Time) (stamps []Stamp, err error) {
	switch state := r.Effective(now); {
	case state.Final():
		return nil, ErrEnded
	case state == StateOpening:
		return nil, ErrOpening
	case r.Version != version:
		return nil, ErrConflict
	case r.Renewals >= MaxRenewals:
		return nil, &LimitError{Limit: LimitRenewals, RetryAfter: r.ExpiresAt.Sub(now)}
	}
	r.KeyID, r.NumberMAC, r.Sealed = n.KeyID, n.MAC, n.Sealed
	r.Tries, r.PassTries, r.CodeSends = 0, 0, 0
	r.CodeUntil, r.CodeSentAt = time.Time{}, time.Time{}
	if r.Kind == KindRequest && r.State == StateDraft {
		r.Upload = nil
	}
	r.Renewals++
	r.Version++
	return []Stamp{n.Stamp}, nil
}

// Revoke burns r.
func (r *Record) Revoke(s Stamp, now time.Time) (stamps []Stamp, err error) {
	if r.Effective(now).Final() {
		return nil, ErrEnded
	}
	r.destroy(StateRevoked, now)
	return []Stamp{s}, nil
}

// Sweep ends what is over: an expired record, or a lease with its margin. id is that of the event.
func (r *Record) Sweep(id string, now time.Time) (stamps []Stamp) {
	if r.State.Final() {
		return nil
	}
	s := Stamp{ID: id, By: BySystem}
	if r.State == StateOpening {
		if now.Before(r.LeaseUntil.Add(LeaseMargin)) {
			return nil
		}
		s.Kind, s.Files = EventLapsed, r.Unfetched()
		if r.Views < r.MaxViews && now.Before(r.ExpiresAt) {
			r.State, r.LeaseUntil = StateReady, time.Time{}
			r.Version++
		} else {
			r.destroy(StateLapsed, now)
		}
		return []Stamp{s}
	}
	if now.Before(r.ExpiresAt) {
		return nil
	}
	r.destroy(StateExpired, now)
	return []Stamp{s.as(EventExpired, "")}
}

// SweepAt returns when Sweep will next change r; the zero time where it never will.
func (r *Record) SweepAt() time.Time {
	switch {
	case r.State.Final():
		return time.Time{}
	case r.State == StateOpening:
		return r.LeaseUntil.Add(LeaseMargin)
	}
	return r.ExpiresAt
}

// destroy ends r. What is left of it opens nothing.
func (r *Record) destroy(s State, now time.Time) {
	r.State, r.EndedAt = s, now
	r.Half, r.HalfKey, r.Sealed, r.Inline, r.Header = nil, "", nil, nil, nil
	r.KeyID, r.NumberMAC, r.PassKeyID, r.PassMAC = "", nil, "", nil
	r.Version++
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Rewrap stores the half and the details as they were sealed by the key primary.
func (r *Record) Rewrap(primary string, half, sealed []byte) {
	r.Half, r.Sealed, r.HalfKey = half, sealed, primary
	r.Version++
}
