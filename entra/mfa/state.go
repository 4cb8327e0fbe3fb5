package mfa

import (
	"crypto/sha256"
	"slices"
	"time"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/internal/totp"
)

// Kind is a kind of factor.
type Kind string

// The kinds of factor. They are the Reason of events of [entra.EventFactorEnrolled], [entra.EventFactorRemoved] and
// [entra.EventFactorUsed].
const (
	KindApp      Kind = "totp"
	KindPasskey  Kind = "passkey"
	KindRecovery Kind = "recovery"
)

// state is what a record holds sealed.
type state struct {
	// Gen rises with every change of factors. What was begun before does not finish after.
	Gen  int64     `json:"g"`
	App  *app      `json:"a,omitempty"`
	Keys []passkey `json:"k,omitempty"`
	// Codes are the recovery codes, which can be shown until ShowUntil in the browser that got them.
	Codes     totp.Codes `json:"c"`
	ShowUntil time.Time  `json:"u"`
	Pending   *pending   `json:"p,omitempty"`
	// Typed counts codes. Answers of passkeys are not counted: they cannot be guessed, and whoever knows a password could lock them.
	Typed tries `json:"t"`
	// Answered are the challenges that were answered and could be answered again.
	Answered []answered `json:"x,omitempty"`
}

// app is an authenticator app that is set up.
type app struct {
	Secret []byte    `json:"s"`
	Since  time.Time `json:"t"`
	Used   time.Time `json:"u"`
	// Last is the last step that was accepted.
	Last int64 `json:"l"`
}

// pending is an app that is being set up, in one session.
type pending struct {
	Secret  []byte    `json:"s"`
	Session string    `json:"b"`
	Until   time.Time `json:"u"`
	Tries   int       `json:"r"`
	Gen     int64     `json:"g"`
}

// tries are wrong tries in a row.
type tries struct {
	Fails int       `json:"n,omitempty"`
	Until time.Time `json:"u"` // locked
}

type answered struct {
	ID    string    `json:"i"`
	Until time.Time `json:"u"`
	Right bool      `json:"r,omitempty"`
}

// locked reports whether nothing may be tried now.
func (t *tries) locked(now time.Time) bool { return now.Before(t.Until) }

// count counts a try as a wrong one, before anything is compared. Whoever then finds it right sets t to zero.
func (t *tries) count(now time.Time, o *Options) {
	t.Fails++
	if over := t.Fails - o.MaxTries; over >= 0 {
		t.Until = now.Add(min(o.Pause<<min(over, 20), longestPause))
	}
}

// has reports whether there is a factor. Recovery codes are none: they stand in for one.
func (st *state) has() bool { return st.factors() > 0 }

func (st *state) factors() int {
	n := len(st.Keys)
	if st.App != nil {
		n++
	}
	return n
}

// mayChange refuses a change of factors to whoever has not lately shown a factor or, where there is none, signed in.
func (st *state) mayChange(u *entra.User, now time.Time, within time.Duration) error {
	seen := u.AuthTime
	if st.has() {
		seen = u.Factor
	}
	if !fresh(seen, now, within) {
		return refusal(ReasonNotFresh)
	}
	return nil
}

// fresh reports whether at is within the time before now. Clocks of instances are a minute apart at most.
func fresh(at, now time.Time, within time.Duration) bool {
	return !at.IsZero() && now.Sub(at) <= within && at.Sub(now) <= time.Minute
}

// changed notes a change of factors.
func (st *state) changed() {
	st.Gen++
	st.Pending = nil
	if !st.has() {
		st.App, st.Keys, st.Codes, st.ShowUntil = nil, nil, totp.Codes{}, time.Time{}
	}
}

// maxAnswered is how many challenges can be answered right within the time that they live.
const maxAnswered = 64

// answer notes that a challenge was answered. It refuses one that was before. Where there are too many, the oldest wrong answer is
// forgotten: whoever knows a password and no factor can give many of them, which must not keep the person out.
func (st *state) answer(id string, until, now time.Time) error {
	st.Answered = slices.DeleteFunc(st.Answered, func(a answered) bool { return !now.Before(a.Until) })
	if slices.ContainsFunc(st.Answered, func(a answered) bool { return a.ID == id }) {
		return refusal(ReasonReplayed)
	}
	if len(st.Answered) >= maxAnswered {
		i := slices.IndexFunc(st.Answered, func(a answered) bool { return !a.Right })
		if i < 0 {
			return refusal(ReasonLocked)
		}
		st.Answered = slices.Delete(st.Answered, i, i+1)
	}
	st.Answered = append(st.Answered, answered{ID: id, Until: until})
	return nil
}

// right notes that the last answer was right, so that it is not forgotten while it could be given again.
func (st *state) right() { st.Answered[len(st.Answered)-1].Right = true }

// appID is the id of the app among the factors.
const appID = "app"

// factorID names a passkey on pages and in addresses, where the credential's own id is too long.
func factorID(credential []byte) string {
	sum := sha256.Sum256(append([]byte("entra/mfa passkey "), credential...))
	return token.Text(sum[:9])
}
