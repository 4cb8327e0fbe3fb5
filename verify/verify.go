package verify

import (
	"context"
	"time"

	"github.com/mspkit/mspkit"
)

// Verifier is what a host's code needs to verify a caller; [*Service] implements it.
type Verifier interface {
	// Start begins a verification and delivers the message.
	Start(ctx context.Context, r StartRequest) (Challenge, error)
	// Check compares a code that the caller read to the technician.
	Check(ctx context.Context, r CheckRequest) (Result, error)
	// Redeem uses a proof, once.
	Redeem(ctx context.Context, p Proof, e Expect, by string) error
}

// Responder takes what comes back from a channel: an answer on a card, a "not me", a delivery status. [*Service]
// implements it; a channel's inbound handler is built on it after the service.
type Responder interface {
	Answer(ctx context.Context, a Answer) (Result, error)
	Deny(ctx context.Context, d Denial) (Result, error)
	Delivered(ctx context.Context, key string, status DeliveryStatus, reason string) error
}

// Channel delivers messages to an address. It must be safe for concurrent use. An error means that the message
// was not delivered, or that this is not known. One of your own should be [Assured]: unless it says what its answers are
// worth, they are worth [AssuranceUnproven], which no rule of [DefaultPolicy] is satisfied with.
type Channel interface {
	Deliver(ctx context.Context, d Delivery) (Receipt, error)
}

// Assured is implemented by a channel that reaches more than [AssuranceUnproven]: it returns the level of
// number match on this channel.
type Assured interface{ Assurance() Assurance }

// Canonicalizer is implemented by a channel whose addresses have several spellings. The canonical one is used
// for limits and delivery. The error says what is wrong without repeating the address.
type Canonicalizer interface {
	Canonical(address string) (string, error)
}

// Budgeter is implemented by a channel that costs money, which makes it worth attacking. A tenant may send at most max
// messages per window and scope (for example a country) that were not confirmed; the message that reaches it stores an
// [EventLimit]. The address is canonical. See also [Limits.UnverifiedPerDestination].
type Budgeter interface {
	Budget(tenant mspkit.TenantID, address string) (scope string, maximum int, window time.Duration)
}

// Authenticator is implemented by a channel that knows who answers, such as Teams. Where Authenticates is true, a
// challenge on it is answered and denied by its address alone ([Answer.From], [Denial.From]), a press of "not me"
// freezes, and the service makes no link: nobody else can answer, whatever they hold. Addresses must be canonical, and those
// of two channels spelled differently where one proves more than the other.
type Authenticator interface{ Authenticates() bool }

// Supporter is implemented by a channel that is not answered by every method: where Supports is false for one, the service
// never takes it. A channel that is none is answered by [MethodNumber], [MethodCode] and [MethodWord], a [Checker] by
// [MethodTOTP].
type Supporter interface{ Supports(m Method) bool }

// Settler is implemented by a channel that can repaint what it sent. [Service.Run] calls it on any instance after a
// challenge has ended or got a new number, or its subject was frozen or unfrozen: what is painted last must be v, however
// often and late it is called.
type Settler interface {
	Settle(ctx context.Context, r Receipt, v View) error
}

// Receipt is what a channel returns for a delivered message.
type Receipt struct {
	// ID is the channel's own id of the message. It is stored and may be logged, so it must not be a secret.
	ID string
}

// Delivery is one message to be delivered. Names in it are cleaned of control, bidirectional and invisible
// characters and of addresses of web sites.
type Delivery struct {
	Ref    Ref
	Kind   Kind
	Method Method
	// Key is unique for this message and the same when its delivery is tried again. It is opaque, safe in a
	// URL, and accepted by [Responder.Delivered].
	Key string
	// To is the canonical address.
	To         string
	Brand      mspkit.Brand
	Locale     string
	Name       string // of the contact
	Company    string
	Technician string
	Ticket     mspkit.Ticket
	// Purpose is the action in words, such as "reset your password".
	Purpose string
	// InCall, CallBegan and CallBy are as in [View].
	InCall    bool
	CallBegan time.Time
	CallBy    Side
	// Replaces is the message that this one takes the place of, zero where there is none.
	Replaces Receipt
	// Link is set for number match and for verifying a technician, but not on an [Authenticator]; Code for codes.
	Link mspkit.Redacted[string]
	Code mspkit.Redacted[string]
	// TTL is how long the link or code is good for.
	TTL time.Duration
}

// Technician is the member of staff who verifies.
type Technician struct {
	ID   string
	Name string // shown to the caller
}

// Subject is the person to be verified, as the host has them on record.
type Subject struct {
	ID      string
	Name    string
	Company string
	// Locale is a BCP 47 tag; empty means the tenant's.
	Locale string
	// Destinations are the addresses on record, the preferred first.
	Destinations []Destination
}

// Destination is one address of a subject.
type Destination struct {
	// Channel is the name under which the channel is registered in [Options].
	Channel string
	Address string
	// FirstSeen is since when the address is known; zero is unknown and counts as new.
	FirstSeen time.Time
	// TypedBy is the technician who typed the address by hand; empty where it comes from a directory.
	TypedBy string
}

// StartRequest asks for a verification. All ids are the host's own.
type StartRequest struct {
	Tenant     mspkit.TenantID
	Subject    Subject
	Action     Action
	Technician Technician
	Ticket     mspkit.Ticket
	// Channel and Method choose a way. Empty means the first that the policy allows and the subject has.
	Channel string
	Method  Method
	// IdempotencyKey, where set, makes a repeated request return the first one's challenge.
	IdempotencyKey string
}

// Side is one side of a call.
type Side string

// The sides.
const (
	SideTechnician Side = "technician"
	SideContact    Side = "contact"
)

// Call is a call in progress, as the host knows it.
type Call struct {
	Technician Technician
	Ticket     mspkit.Ticket
	Began      time.Time
	// By is who called whom.
	By Side
}

// AskRequest is a contact who asks in their own chat who is calling them.
type AskRequest struct {
	Tenant mspkit.TenantID
	// Channel is an [Authenticator], From the address that it knows to be asking.
	Channel, From  string
	IdempotencyKey string
}

// TechnicianRequest asks for a message with which a contact can verify the technician they talk to. It is sent
// to an address on record, never to one that the caller names.
type TechnicianRequest struct {
	Tenant  mspkit.TenantID
	Subject Subject
	// Channel as in [StartRequest].
	Channel string
	// Call is the call that the contact is in; nil means that the host knows of none, and the page says so.
	Call *Call
	// By is who asked: a technician's id, or [ByCaller].
	By             string
	IdempotencyKey string
}

// Challenge is a verification as the technician's software sees it.
type Challenge struct {
	Ref       Ref
	Version   int64
	Kind      Kind
	State     State
	Delivery  DeliveryStatus
	Channel   string
	Method    Method
	Assurance Assurance
	Fresh     bool // the address was typed by hand, is new, or its channel doubts it ([Screening.Doubt])
	Sandbox   bool // the answer is fixed, unless a [Checker] decides on it; see [Sandbox]
	// Failover says why the ways before this one were not used, for example "teams: the app is not installed for this
	// person". Empty where this is the first.
	Failover   string
	Subject    string
	Name       string
	Action     Action
	Purpose    string
	Technician string
	Ticket     mspkit.Ticket
	// To is the address, masked.
	To string
	// Number is what the technician says for number match; Word what they say when the contact verifies them,
	// or to somebody who wants to confirm "not me". Both are for the technician's screen only.
	Number mspkit.Redacted[string]
	Word   mspkit.Redacted[string]
	// Proof is set once the state is confirmed, and approved where it needs that, until the proof is redeemed or over.
	Proof Proof
	// NeedsApproval is whether a second technician must approve; ApprovedBy and ApprovedAt are zero until one has. See
	// [Settings.Approval].
	NeedsApproval bool
	ApprovedBy    string
	ApprovedAt    time.Time
	TriesLeft     int
	Hinted        bool
	CreatedAt     time.Time
	ExpiresAt     time.Time
	DecidedAt     time.Time
	ProofUntil    time.Time // by when it must be approved and redeemed; zero unless confirmed
	// RedeemedBy is what the proof was redeemed with; empty while it was not.
	RedeemedBy string
}

// CheckRequest is a code that the caller read to the technician.
type CheckRequest struct {
	Tenant     mspkit.TenantID
	ID         string
	Response   string
	Technician string // the id; it must be the one who started
	// Method is that of the challenge, [MethodCode] or [MethodTOTP]; any other is [ErrInvalid]. Empty does for both, but
	// costs one more round trip to the store for [MethodTOTP].
	Method Method
}

// Answer is what the caller typed on a page or card.
type Answer struct {
	Ref Ref
	// Method is what the page or card asked for: [MethodNumber] or [MethodWord].
	Method   Method
	Response string
	// From is the canonical address of whoever answered, where an [Authenticator] knows it. It must be the one that the
	// challenge went to. Empty for the holder of a link.
	From string
}

// Denial is "this is not me".
type Denial struct {
	Ref Ref
	// From is as in [Answer]. Where it is set, the denial holds at once and freezes the subject. Otherwise Word must be
	// the word that the technician says.
	From string
	Word string
}

// Result is the outcome of one answer.
type Result struct {
	Ref   Ref
	State State
	// Proof is set where the state is confirmed, the asker is the technician, and no second one must approve.
	Proof Proof
	// NeedsApproval is whether a second technician must approve first; see [Service.Approve].
	NeedsApproval bool
	Assurance     Assurance
	TriesLeft     int
}

// View is what a page shows to the holder of a link. It holds nothing that the holder may not know.
type View struct {
	Ref        Ref
	Kind       Kind
	Method     Method
	State      State
	Brand      mspkit.Brand
	Locale     string
	Name       string
	Company    string
	Technician string
	Ticket     mspkit.Ticket
	Purpose    string
	TriesLeft  int
	Hinted     bool
	CreatedAt  time.Time
	ExpiresAt  time.Time
	// InCall is whether the host knows of a call with this contact; then CallBegan and CallBy are set. For
	// [KindTechnician] only.
	InCall    bool
	CallBegan time.Time
	CallBy    Side
}
