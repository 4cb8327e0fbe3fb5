package securesend

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
)

// Kind says who gives to whom.
type Kind string

const (
	// KindSend is given by a technician to a recipient.
	KindSend Kind = "send"
	// KindRequest is asked of a caller, who gives it to the technician.
	KindRequest Kind = "request"
)

// State is what has become of a send.
type State string

// The states. A record leaves the last four never again.
const (
	StateDraft        State = "draft"        // the content is being uploaded
	StateReady        State = "ready"        // it can be opened
	StateOpening      State = "opening"      // somebody holds the lease
	StateAcknowledged State = "acknowledged" // read, and the reader's program said so
	StateLapsed       State = "lapsed"       // handed out, but nobody said that it arrived
	StateExpired      State = "expired"
	StateRevoked      State = "revoked"
)

// Final reports whether nothing can change s any more: the server half is destroyed.
func (s State) Final() bool {
	return s == StateAcknowledged || s == StateLapsed || s == StateExpired || s == StateRevoked
}

// Gate is what a recipient must bring besides the link.
type Gate string

// The gates. The zero value in [Settings] and [Options] of a call means the next outer default.
const (
	// GateNumber is a number of three digits that the technician says. It is the default.
	GateNumber Gate = "number"
	// GateCode is a code that is sent over another channel than the link's when the recipient asks for it.
	GateCode Gate = "code"
	// GateProof is whatever the host's [RevealGate] asks for, such as a confirmed verification.
	GateProof Gate = "proof"
	// GateNone leaves the link alone to protect the content: who reads the message, be it a program, can open it.
	GateNone Gate = "none"
)

// The times of leases.
const (
	// Lease is how long who opened a send may repeat that, counted again with each chunk that is fetched.
	Lease = time.Minute
	// LeaseMargin is how long after the end of a lease others still leave it alone, because clocks differ.
	LeaseMargin = 2 * time.Minute
)

// Record is a send or request as a store keeps it. Everything in it that could be misused is a hash, a MAC or sealed before
// it gets here, so a store needs no key. Times have microseconds at most.
type Record struct {
	Ref
	// Version counts the changes of state, renewals and rewraps; tries and leases do not change it.
	Version int64
	Kind    Kind
	State   State
	// Region names the blob store, Purpose is "text", "files" or the like; both are bound into the envelope.
	Region, Purpose string
	// Held is set where the token in the path takes the place of the link's fragment.
	Held bool
	// Sender is the technician's id, Subject the recipient's where the host gave one.
	Sender, Subject string
	Ticket          mspkit.Ticket
	// Log says where events of it go.
	Log Log

	Gate Gate
	// KeyID names the key of NumberMAC, which is of the number or code.
	KeyID           string
	NumberMAC       []byte
	Tries, MaxTries int
	// CodeUntil, CodeSentAt and CodeSends are of the last code that was sent, for [GateCode]. A view uses the code up:
	// CodeUntil is zero then, and CodeSends begins again.
	CodeUntil, CodeSentAt time.Time
	CodeSends             int
	Renewals              int
	// PassKeyID names the key of PassMAC, which is of the second auth; empty where there is no passphrase.
	PassKeyID               string
	PassMAC                 []byte
	PassTries, MaxPassTries int

	// Upload is the SHA-256 of what allows to upload, Auth that of the first auth. Both survive the end.
	Upload, Auth []byte
	// Header is that of the envelope.
	Header []byte
	// Half is the sealed server half, HalfKey the id of the key that sealed it. Only Take and Rewrap hand Half out.
	Half    []byte
	HalfKey string
	// Sealed holds what the service must read again, sealed: the number, addresses for codes.
	Sealed []byte
	// Inline is the sealed manifest, with the text. Only Take hands it out.
	Inline []byte
	// Sizes are the sizes of the files in bytes, before sealing. Fetched is how many chunks of each were handed over,
	// from the beginning on, in the present view.
	Sizes, Fetched []int64

	Views, MaxViews int
	// AfterView, where not zero, is how long it lives at most after the first view.
	AfterView time.Duration
	// Claim is the SHA-256 of the claim of who opened it last.
	Claim      []byte
	LeaseUntil time.Time

	CreatedAt time.Time
	// Expiry is bound into the envelope; ExpiresAt is when it ends, which a first view may bring forward.
	Expiry, ExpiresAt time.Time
	// The first time that each happened; zero while it has not.
	ReadyAt, OpenedAt, RevealedAt, AckedAt, EndedAt time.Time
	// Refusals counts wrong numbers, codes and passphrases.
	Refusals int
	// Blobs is set where parts of files may be in the blob store.
	Blobs bool
}

// Log says where the events of a send go; the host's [Recorder] acts on it.
type Log struct {
	// To is "ticket", "contact" or "none".
	To string `json:"to,omitempty"`
	// Public makes the note visible to the client.
	Public bool `json:"public,omitempty"`
}

// Effective returns the state that r has at now: what is stored, or what will be stored when somebody sweeps.
func (r *Record) Effective(now time.Time) State {
	switch {
	case r.State.Final():
		return r.State
	case r.State == StateOpening && now.Before(r.LeaseUntil):
		return StateOpening
	case r.State == StateOpening && (r.Views >= r.MaxViews || !now.Before(r.ExpiresAt)):
		return StateLapsed // not expired: it was handed out
	case !now.Before(r.ExpiresAt):
		return StateExpired
	case r.State == StateOpening && !now.Before(r.LeaseUntil.Add(LeaseMargin)):
		return StateReady
	}
	return r.State
}

// Locked reports whether the tries of the number, code or passphrase are used up. It works on hidden records too.
func (r *Record) Locked() bool {
	return (r.Gate == GateNumber || r.Gate == GateCode) && r.Tries >= r.MaxTries ||
		r.PassKeyID != "" && r.PassTries >= r.MaxPassTries
}

// Unfetched returns the numbers of files that were not handed over completely in the present view, counted from 1.
func (r *Record) Unfetched() []int {
	var out []int
	for i, size := range r.Sizes {
		if i >= len(r.Fetched) || r.Fetched[i] < Chunks(size) {
			out = append(out, i+1)
		}
	}
	return out
}

// Hidden returns r without what only Take hands out and without MACs.
func (r Record) Hidden() Record {
	r.Half, r.Inline, r.NumberMAC, r.PassMAC = nil, nil, nil, nil
	return r
}

// Taken returns r as Take hands it out.
func (r Record) Taken() Record {
	r.NumberMAC, r.PassMAC = nil, nil
	return r
}

// Clone returns a copy of r that shares no memory with it.
func (r Record) Clone() Record {
	for _, b := range []*[]byte{&r.NumberMAC, &r.PassMAC, &r.Upload, &r.Auth, &r.Header, &r.Half, &r.Sealed, &r.Inline, &r.Claim} {
		*b = slices.Clone(*b)
	}
	r.Sizes, r.Fetched = slices.Clone(r.Sizes), slices.Clone(r.Fetched)
	return r
}

// MACs are the MACs of one answer under every key of the ring, by the id of the key.
type MACs map[string][]byte

func (m MACs) match(keyID string, mac []byte) bool {
	return len(mac) > 0 && subtle.ConstantTimeCompare(m[keyID], mac) == 1
}

func same(a, b []byte) bool { return len(a) > 0 && subtle.ConstantTimeCompare(a, b) == 1 }

// Content is what Commit adds to a draft. Fields are as in [Record].
type Content struct {
	Upload, Auth, Header []byte
	Half                 []byte
	HalfKey              string
	Inline               []byte
	Sizes                []int64
	PassKeyID            string
	PassMAC              []byte
	Stamp                Stamp
}

// Take asks for the server half.
type Take struct {
	// Claim and Auth are SHA-256 hashes of the claim and the first auth.
	Claim, Auth []byte
	// Number is the number or code, Pass the second auth; nil where they were not given.
	Number, Pass MACs
	// Allowed is set where the [RevealGate] let this claim pass.
	Allowed bool
	// Regions are those that may be taken from here; none means all.
	Regions []string
	Stamp   Stamp // its Kind and Reason are set by what happens
}

// Admission asks to be the one who answers a request.
type Admission struct {
	Upload []byte
	Number MACs
	Stamp  Stamp
}

// Fetch says what who holds the lease has fetched. Where From and To are equal it only extends the lease.
type Fetch struct {
	Claim, Auth []byte
	File        int
	From, To    int64
	// Until, where it is not zero, is up to which chunk, not included, is to be read now: there must be so many.
	Until int64
	// Regions are as in [Take].
	Regions []string
}

// Code is a code that is about to be sent.
type Code struct {
	Auth     []byte
	KeyID    string
	MAC      []byte
	Until    time.Time
	Cooldown time.Duration
	MaxSends int
	Stamp    Stamp
}

// Renewal replaces the number and gives all tries back.
type Renewal struct {
	KeyID  string
	MAC    []byte
	Sealed []byte
	Stamp  Stamp
}

// MaxRenewals is how often a number can be renewed.
const MaxRenewals = 5

// Storable reports everything that keeps a store from taking r as new: a store must not keep what never ends.
func (r *Record) Storable(now time.Time) error {
	var errs []error
	errs = append(errs, r.Validate())
	if !r.ExpiresAt.After(now) || !r.Expiry.Equal(r.ExpiresAt) {
		errs = append(errs, fmt.Errorf("it must expire, later than now: %w", ErrInvalid))
	}
	if r.MaxViews < 1 {
		errs = append(errs, fmt.Errorf("it must allow 1 view or more: %w", ErrInvalid))
	}
	if r.AfterView < 0 {
		errs = append(errs, fmt.Errorf("the life after the first view is negative: %w", ErrInvalid))
	}
	if len(r.Inline) > MaxInline {
		errs = append(errs, fmt.Errorf("the sealed text has %d bytes, at most %d can be stored: %w", len(r.Inline), MaxInline, ErrTooLarge))
	}
	if r.State != StateDraft && r.State != StateReady {
		errs = append(errs, fmt.Errorf("the state %q is not one to begin with: %w", r.State, ErrInvalid))
	}
	return errors.Join(errs...)
}
