package ticketlog

import (
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/verify"
)

// Detail says how much is noted.
type Detail int

// How much is noted.
const (
	// Usual is what somebody who reads the ticket wants to know: who began what, how it went, how it ended.
	Usual Detail = iota
	// Quiet is how it ended, and every alert.
	Quiet
	// Full is everything that happened.
	Full
)

// The groups of texts.
const (
	groupCaller     = "caller"
	groupTechnician = "technician"
	groupPerson     = "person" // has a title of its own; its sentences are those of caller
	groupSend       = "send"
	groupRequest    = "request"
)

// when says from which detail on an event is noted.
type when int

const (
	always when = iota
	usually
	fully
	never
)

func (d Detail) notes(w when) bool {
	switch w {
	case always:
		return true
	case usually:
		return d != Quiet
	case fully:
		return d == Full
	case never:
	}
	return false
}

// decision is what becomes of a kind of event.
type decision struct {
	when when
	// public says that a note about it may be shown to the client. An alert never may, nor what helps somebody who poses.
	public bool
	// silent says why it is never noted.
	silent string
}

// verifyKinds has a decision for each kind of event of package verify.
var verifyKinds = map[verify.EventKind]decision{
	verify.EventStarted:         {when: usually, public: true},
	verify.EventSent:            {when: fully, public: true},
	verify.EventDelivered:       {when: fully, public: true},
	verify.EventUndelivered:     {when: usually},
	verify.EventAttempted:       {when: never, silent: "it comes before anybody knows whether the answer is right; what follows tells"},
	verify.EventFailed:          {when: always},
	verify.EventRenewed:         {when: usually},
	verify.EventConfirmed:       {when: always, public: true},
	verify.EventDenied:          {when: always},
	verify.EventDenialHint:      {when: usually},
	verify.EventSignInRefused:   {when: usually},
	verify.EventMismatch:        {when: always},
	verify.EventExpired:         {when: always, public: true},
	verify.EventCancelled:       {when: always, public: true},
	verify.EventFailedOver:      {when: usually},
	verify.EventApproved:        {when: always},
	verify.EventRedeemed:        {when: always, public: true},
	verify.EventFrozen:          {when: always},
	verify.EventUnfrozen:        {when: always},
	verify.EventLocked:          {when: always},
	verify.EventUnlocked:        {when: always},
	verify.EventFactorLink:      {when: usually},
	verify.EventFactorFailed:    {when: always},
	verify.EventFactorAdded:     {when: always},
	verify.EventFactorRemoved:   {when: always},
	verify.EventRecoveryRenewed: {when: always},
	verify.EventRecoveryUsed:    {when: usually},
	verify.EventNoticeFailed:    {when: usually},
	verify.EventLimit:           {when: always},
}

// sendKinds has a decision for each kind of event of package securesend.
var sendKinds = map[securesend.EventKind]decision{
	securesend.EventCreated:      {when: usually, public: true},
	securesend.EventUploaded:     {when: usually, public: true},
	securesend.EventSent:         {when: usually, public: true},
	securesend.EventUnsent:       {when: usually, public: true},
	securesend.EventOpened:       {when: usually, public: true},
	securesend.EventCodeSent:     {when: usually, public: true},
	securesend.EventRefused:      {when: usually, public: true},
	securesend.EventLocked:       {when: always},
	securesend.EventRenewed:      {when: usually, public: true},
	securesend.EventRevealed:     {when: always, public: true},
	securesend.EventAcknowledged: {when: always, public: true},
	securesend.EventLapsed:       {when: always, public: true},
	securesend.EventExpired:      {when: always, public: true},
	securesend.EventRevoked:      {when: always, public: true},
}

// alerting reports whether the text of a kind tells of an alert.
func alerting(group, kind string) bool {
	switch group {
	case groupCaller, groupTechnician:
		return verify.EventKind(kind).Alert()
	case groupSend, groupRequest:
		return securesend.EventKind(kind).Alert()
	}
	return false
}
