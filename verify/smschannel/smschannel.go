package smschannel

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

// DefaultBudget is how many unconfirmed messages a tenant may send to one country in 24 hours where
// [Options.Budget] is zero.
const DefaultBudget = 100

// TextSender sends one text message. to is in E.164 form. key is unique for the message and the same when it is
// tried again; it is safe in a URL, and what the vendor later says about the message is reported under it (see
// [Status]). id is the vendor's own id of the message. An error that is or wraps a [*verify.DeliveryError] is shown
// with its reason, others as an [Explainer] explains them or without their text. It must keep to the deadline of ctx and be safe for concurrent use.
type TextSender interface {
	SendText(ctx context.Context, to, body, key string) (id string, err error)
}

// Explainer is implemented by a [TextSender] that can say why it did not send: in words without a number or text,
// which are stored and shown, and whether trying again cannot help. An empty reason means that it does not know.
type Explainer interface {
	Explain(err error) (reason string, permanent bool)
}

// Options configure a [Channel]. Region or Countries is required, because a channel that sends anywhere is an
// invitation to fraud; everything else may be zero.
type Options struct {
	// Region is the country in which a number without country code is read, as ISO 3166-1 code such as "DE".
	// Empty means that every number must have its country code.
	Region string
	// Countries lists the countries to which messages go, as ISO 3166-1 codes. Nil means Region alone.
	Countries []string
	// Budget is how many messages a tenant may send to one country in 24 hours without any of them being
	// confirmed; what is confirmed does not count. 0 means [DefaultBudget], negative turns it off.
	Budget int
	// Checks says what is found out about a number before a message goes there. Zero is nothing.
	Checks Checks
	// AllowUnassigned accepts numbers whose length is right although the built-in tables know no such range or
	// know it as one that people do not carry: reserved numbers in tests, and ranges newer than the tables.
	AllowUnassigned bool
	// Texts replace built-in texts, or add locales ("de", "pt-BR"). In a locale that is built in an empty text
	// stays as it is; another locale needs all three.
	Texts map[string]Texts
	// Origin is the host of the page on which a code is typed, such as "help.example". Where it is set, code
	// messages end with a line that lets a phone fill in the code on that host only, see
	// https://wicg.github.io/sms-one-time-codes/. Leave it empty where codes are only read aloud.
	Origin string
}

// Channel is a [verify.Channel] for text messages.
type Channel struct {
	sender TextSender
	phones phones
	texts  map[string]compiled // by locale in lower case
	budget int
	origin string
	checks Checks
}

var (
	_ verify.Channel       = (*Channel)(nil)
	_ verify.Assured       = (*Channel)(nil)
	_ verify.Canonicalizer = (*Channel)(nil)
	_ verify.Budgeter      = (*Channel)(nil)
	_ verify.Screener      = (*Channel)(nil)
	_ verify.Noticer       = (*Channel)(nil)
)

// New returns a channel that sends with sender, which is required. All faults are reported together, as
// [mspkit.ErrInvalid].
func New(sender TextSender, o *Options) (*Channel, error) {
	if o == nil {
		o = &Options{}
	}
	var errs []error
	if sender == nil {
		errs = append(errs, fmt.Errorf("a sender is required: %w", mspkit.ErrInvalid))
	}
	c := &Channel{sender: sender, budget: o.Budget, origin: o.Origin}
	if c.budget == 0 {
		c.budget = DefaultBudget
	}
	var err error
	if c.phones, err = newPhones(o); err != nil {
		errs = append(errs, err)
	}
	if c.checks, err = o.Checks.withDefaults(); err != nil {
		errs = append(errs, err)
	}
	if c.texts, err = compileAll(o.Texts); err != nil {
		errs = append(errs, err)
	}
	if o.Origin != "" && !validHost(o.Origin) {
		errs = append(errs, fmt.Errorf("Options.Origin must be a host in lower case such as help.example, without scheme, port and path: %w", mspkit.ErrInvalid))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("smschannel: new: %w", err)
	}
	return c, nil
}

// Assurance returns [verify.AssuranceSMS].
func (c *Channel) Assurance() verify.Assurance { return verify.AssuranceSMS }

// Budget bounds the unconfirmed messages per tenant and country in 24 hours.
func (c *Channel) Budget(_ mspkit.TenantID, address string) (scope string, maximum int, window time.Duration) {
	return c.phones.country(address), c.budget, 24 * time.Hour
}

// Deliver writes the message for d and sends it. It returns when the vendor has taken it over. Every error is a
// [*verify.DeliveryError].
func (c *Channel) Deliver(ctx context.Context, d verify.Delivery) (verify.Receipt, error) {
	to, err := c.Canonical(d.To)
	if err != nil {
		return verify.Receipt{}, &verify.DeliveryError{Reason: "no text message can be sent to this number", Permanent: true, Err: err}
	}
	body, err := c.body(d)
	if err != nil {
		return verify.Receipt{}, &verify.DeliveryError{Reason: "the text message cannot be written", Permanent: true, Err: err}
	}
	id, err := c.sender.SendText(ctx, to, body, d.Key)
	if err != nil {
		return verify.Receipt{}, c.failure(err)
	}
	return verify.Receipt{ID: id}, nil
}

// Notice writes the message that tells of a change and sends it. A link is refused: what is behind it is for somebody who
// was verified by more than a text message. Notices count for no budget: each comes of a proof that was redeemed, or of a
// recovery code. Every error is a [*verify.DeliveryError].
func (c *Channel) Notice(ctx context.Context, n verify.Notice) error {
	if n.Kind == verify.NoticeLink {
		return &verify.DeliveryError{Reason: "a link of this kind does not go by text message", Permanent: true}
	}
	to, err := c.Canonical(n.To)
	if err != nil {
		return &verify.DeliveryError{Reason: "no text message can be sent to this number", Permanent: true, Err: err}
	}
	body, err := c.notice(n)
	if err != nil {
		return &verify.DeliveryError{Reason: "the text message cannot be written", Permanent: true, Err: err}
	}
	if _, err := c.sender.SendText(ctx, to, body, n.Key); err != nil {
		return c.failure(err)
	}
	return nil
}

func (c *Channel) failure(err error) error {
	if de, ok := errors.AsType[*verify.DeliveryError](err); ok {
		return &verify.DeliveryError{Reason: de.Reason, Permanent: de.Permanent, Err: err}
	}
	if e, ok := c.sender.(Explainer); ok {
		if reason, permanent := e.Explain(err); reason != "" {
			return &verify.DeliveryError{Reason: reason, Permanent: permanent, Err: err}
		}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &verify.DeliveryError{Reason: "the text message service did not answer in time, it is not known whether the message was sent", Err: err}
	case errors.Is(err, context.Canceled):
		return &verify.DeliveryError{Reason: "sending was cancelled", Err: err}
	}
	return &verify.DeliveryError{Reason: "the text message could not be sent", Err: err}
}

// validHost accepts what may stand behind the @ of an origin-bound line.
func validHost(h string) bool {
	if len(h) > 253 || !strings.Contains(h, ".") || strings.Trim(h, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
		return false
	}
	for label := range strings.SplitSeq(h, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}
