package teamschannel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/verify"
)

// replaceTimeout bounds how long a technician waits for the old message to be marked.
const replaceTimeout = 5 * time.Second

// Notifier sends cards; [*teamsapp.Bot] implements it.
type Notifier interface {
	Notify(ctx context.Context, n teamsapp.Notification) (teamsapp.Receipt, error)
	Update(ctx context.Context, ref teamsapp.MessageRef, m teamsapp.Message) error
	Tenant(ctx context.Context, u teamsapp.User) (mspkit.TenantID, error)
}

// Channel is a [verify.Channel] for Teams. Addresses are what [teamsapp.User.String] returns, "tenant id/object id".
type Channel struct {
	bot Notifier
	o   Options
	w   *writer
}

var (
	_ verify.Channel       = (*Channel)(nil)
	_ verify.Assured       = (*Channel)(nil)
	_ verify.Canonicalizer = (*Channel)(nil)
	_ verify.Authenticator = (*Channel)(nil)
	_ verify.Settler       = (*Channel)(nil)
	_ verify.Noticer       = (*Channel)(nil)
	_ Notifier             = (*teamsapp.Bot)(nil)
)

// New returns a channel that writes with bot, which is required. All faults are reported together, as
// [mspkit.ErrInvalid].
func New(bot Notifier, o *Options) (*Channel, error) {
	opts, w, err := o.defaults()
	if bot == nil {
		err = errors.Join(err, fmt.Errorf("a bot is required: %w", mspkit.ErrInvalid))
	}
	if err != nil {
		return nil, fmt.Errorf("teamschannel: new: %w", err)
	}
	return &Channel{bot: bot, o: opts, w: w}, nil
}

// Assurance returns [verify.AssuranceTeams].
func (c *Channel) Assurance() verify.Assurance { return verify.AssuranceTeams }

// Authenticates returns true: Teams says who pressed a button.
func (c *Channel) Authenticates() bool { return true }

// Canonical returns "tenant id/object id" in lower case. The error is [mspkit.ErrInvalid] and does not repeat the
// address.
func (c *Channel) Canonical(address string) (string, error) {
	u, err := teamsapp.ParseUser(address)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// Deliver sends the card for d. It returns when Teams has taken it. Where d takes the place of an older message, that
// one is marked; whether it could be is logged only. Every error is a [*verify.DeliveryError].
func (c *Channel) Deliver(ctx context.Context, d verify.Delivery) (verify.Receipt, error) {
	to, err := teamsapp.ParseUser(d.To)
	if err != nil {
		return verify.Receipt{}, failure(err)
	}
	// Whoever wrote the address down may have been wrong or lying: a card with this client's name in it must not go to a
	// person of another one.
	tenant, err := c.bot.Tenant(ctx, to)
	if err != nil {
		return verify.Receipt{}, failure(err)
	}
	if tenant != d.Ref.Tenant {
		return verify.Receipt{}, &verify.DeliveryError{Reason: foreignTenant, Permanent: true}
	}
	v := c.view(d)
	card, err := c.write(v, d)
	if err != nil {
		return verify.Receipt{}, failure(err)
	}
	r, err := c.bot.Notify(ctx, teamsapp.Notification{To: to, Message: teamsapp.Message{Card: card}})
	if err != nil {
		return verify.Receipt{}, failure(err)
	}
	if d.Replaces.ID != "" {
		c.replace(ctx, d.Replaces, v)
	}
	return verify.Receipt{ID: r.Message.String()}, nil
}

// view is what the service will say of d for as long as nobody has answered.
func (c *Channel) view(d verify.Delivery) verify.View {
	now := c.o.Now()
	return verify.View{
		Ref: d.Ref, Kind: d.Kind, Method: d.Method, State: verify.StatePending, Brand: d.Brand, Locale: d.Locale,
		Name: d.Name, Company: d.Company, Technician: d.Technician, Ticket: d.Ticket, Purpose: d.Purpose,
		CreatedAt: now, ExpiresAt: now.Add(d.TTL), InCall: d.InCall, CallBegan: d.CallBegan, CallBy: d.CallBy,
	}
}

func (c *Channel) write(v verify.View, d verify.Delivery) (*teamsapp.Card, error) {
	switch {
	case d.Kind == verify.KindCaller && d.Method == verify.MethodCode:
		return c.w.sheet(v).code(d.Code), nil
	case d.Kind == verify.KindCaller && d.Method == verify.MethodNumber, d.Kind == verify.KindTechnician && d.Method == verify.MethodWord:
		return c.w.card(v, faultNone), nil
	}
	return nil, fmt.Errorf("teamschannel: no card is known for kind %q and method %q: %w", d.Kind, d.Method, mspkit.ErrInvalid)
}

// replace marks the message before v's. The new one is out, so nothing here may fail the delivery.
func (c *Channel) replace(ctx context.Context, old verify.Receipt, v verify.View) {
	ctx, cancel := context.WithTimeout(ctx, replaceTimeout)
	defer cancel()
	v.State = replaced
	err := c.paint(ctx, old, v, c.w.card(v, faultNone))
	if err != nil && !unreachable(err) {
		c.o.Logger.LogAttrs(ctx, slog.LevelWarn, "teamschannel: an older card could not be marked as replaced",
			slog.String("tenant", string(v.Ref.Tenant)), slog.String("challenge", v.Ref.ID), slog.Any("error", err))
	}
}

// Settle puts the card for v in the place of the message of r. A message or person that cannot be reached any more is no
// error. A code that is pending is left alone, because nobody but its own message knows the code.
func (c *Channel) Settle(ctx context.Context, r verify.Receipt, v verify.View) error {
	card := c.w.card(v, faultNone)
	if card == nil {
		return nil
	}
	if err := c.paint(ctx, r, v, card); err != nil && !unreachable(err) {
		return fmt.Errorf("teamschannel: settle: %w", err)
	}
	return nil
}

// paint puts card in the place of a message. Receipts are not sealed: whoever writes one into the database must not have
// what concerns one client painted into a chat of another's.
func (c *Channel) paint(ctx context.Context, r verify.Receipt, v verify.View, card *teamsapp.Card) error {
	ref, err := teamsapp.ParseMessageRef(r.ID)
	if err != nil {
		return err
	}
	tenant, err := c.bot.Tenant(ctx, ref.User)
	if err != nil {
		return err
	}
	if tenant != v.Ref.Tenant {
		return fmt.Errorf("the message is of another client: %w", mspkit.ErrInvalid)
	}
	return c.bot.Update(ctx, ref, teamsapp.Message{Card: card})
}

// unreachable reports whether there is nothing to paint any more.
func unreachable(err error) bool {
	for _, e := range []error{
		teamsapp.ErrConversationGone, teamsapp.ErrNotInstalled, teamsapp.ErrBlockedByUser, teamsapp.ErrBlockedByAdmin,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
