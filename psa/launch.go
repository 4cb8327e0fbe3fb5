package psa

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/token"
)

// Launch opens a compact page within a ticket system's own page, for one technician and one ticket.
type Launch struct {
	Tenant     mspkit.TenantID
	Technician string
	Ticket     mspkit.Ticket
	// Contact is whom the ticket is about, where the ticket system tells.
	Contact string
}

// The errors of [Launches.Open].
var (
	ErrLaunch        = errors.New("psa: this is not a launch of ours")
	ErrLaunchExpired = errors.New("psa: the launch has expired; open the page again from the ticket")
)

// MaxLaunch is the longest life of a launch.
const MaxLaunch = 12 * time.Hour

// Launches makes and reads launch tokens. The host's server makes one when a technician whom it knows looks at a ticket,
// and puts it into the address of the iframe; the page's server reads it. Nobody else can make, change or read one.
//
// The token is worth the technician's rights on that ticket until it expires, so keep it short (a minute) in addresses,
// which end up in logs, and exchange it for another one that stays in the page's memory. Until it expires it can be
// exchanged as often as somebody has it: nothing is stored. Whoever gets hold of an address within its minute therefore gets
// what the page gets, so the page is served with a Referrer-Policy of no-referrer and with frame-ancestors that are the
// ticket system's, and where that is not enough the host keeps the tokens that it has exchanged until they expire. Each
// request of the page must be held to the Launch of its token: an id in a form may be one of another ticket.
type Launches struct{ codec *token.Codec }

// NewLaunches returns launches under a ring. purpose tells kinds of launches apart: a token of one is nothing to another.
func NewLaunches(ring *mspkit.KeyRing, purpose string) (*Launches, error) {
	if ring == nil || purpose == "" {
		return nil, fmt.Errorf("psa: launches need a key ring and a purpose: %w", mspkit.ErrInvalid)
	}
	c, err := token.NewCodec(ring, "psa-launch/"+purpose)
	if err != nil {
		return nil, err
	}
	return &Launches{codec: c}, nil
}

// launchText is short: it travels in an address.
type launchText struct {
	Until   int64  `json:"u"`
	Tenant  string `json:"t"`
	Who     string `json:"w"`
	System  string `json:"s"`
	Ticket  string `json:"i"`
	Contact string `json:"c,omitempty"`
}

// Sign returns a token for l that is good from now until ttl has passed, at most [MaxLaunch].
func (s *Launches) Sign(l Launch, ttl time.Duration, now time.Time) (string, error) {
	if err := (TicketRef{Tenant: l.Tenant, Ticket: l.Ticket}).Validate(); err != nil {
		return "", err
	}
	if l.Technician == "" || ttl <= 0 || ttl > MaxLaunch {
		return "", fmt.Errorf("psa: a launch needs a technician and a life of at most %v: %w", MaxLaunch, mspkit.ErrInvalid)
	}
	text, err := json.Marshal(launchText{now.Add(ttl).UnixMilli(), string(l.Tenant), l.Technician, l.Ticket.System, l.Ticket.ID, l.Contact})
	if err != nil {
		return "", err
	}
	out := s.codec.Encode(token.NewSecret(), string(text))
	if len(out) > token.MaxToken {
		return "", fmt.Errorf("psa: the ids of a launch are too long together: %w", mspkit.ErrInvalid)
	}
	return out, nil
}

// Open returns what was signed, or [ErrLaunch] or [ErrLaunchExpired].
func (s *Launches) Open(tok string, now time.Time) (Launch, error) {
	_, text, err := s.codec.Decode(tok)
	if err != nil {
		return Launch{}, ErrLaunch
	}
	var t launchText
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return Launch{}, ErrLaunch
	}
	if !now.Before(time.UnixMilli(t.Until)) {
		return Launch{}, ErrLaunchExpired
	}
	return Launch{
		Tenant: mspkit.TenantID(t.Tenant), Technician: t.Who, Ticket: mspkit.Ticket{System: t.System, ID: t.Ticket}, Contact: t.Contact,
	}, nil
}
