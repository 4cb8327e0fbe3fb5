package verify

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
)

// The metrics of [Options.Meter]. The package documentation lists their attributes and says when they are counted.
const (
	MetricStarted  = "mspkit.verify.started"
	MetricRenewed  = "mspkit.verify.renewed"
	MetricRefused  = "mspkit.verify.refused"
	MetricMessages = "mspkit.verify.messages"
	MetricFailover = "mspkit.verify.failover"
	MetricTries    = "mspkit.verify.tries"
	MetricEnded    = "mspkit.verify.ended"
	MetricExpired  = "mspkit.verify.expired"
	MetricDeleted  = "mspkit.verify.deleted"
	MetricApproved = "mspkit.verify.approved"
	MetricProofs   = "mspkit.verify.proofs"
	MetricHints    = "mspkit.verify.hints"
	MetricSubjects = "mspkit.verify.subjects"
	MetricEvents   = "mspkit.verify.events"

	MetricDuration        = "mspkit.verify.duration"
	MetricDeliverDuration = "mspkit.verify.deliver.duration"
	MetricEndedDuration   = "mspkit.verify.ended.duration"
	MetricStoreDuration   = "mspkit.verify.store.duration"
	MetricRunDuration     = "mspkit.verify.run.duration"
	MetricEventAge        = "mspkit.verify.event.age"
)

// meter reports to a Meter. The zero value reports nothing and allocates nothing.
type meter struct {
	to  mspkit.Meter
	now func() time.Time
	log *slog.Logger
}

// began returns when something that is to be timed began.
func (m *meter) began() time.Time {
	if m.to == nil {
		return time.Time{}
	}
	return m.now()
}

func (m *meter) add(ctx context.Context, name string, n int, attrs ...mspkit.Attr) {
	if m.to == nil || n < 1 {
		return
	}
	defer m.caught(ctx, name)
	// A copy, so that the caller's need not be allocated where there is no meter.
	m.to.Count(ctx, name, int64(n), append([]mspkit.Attr(nil), attrs...)...)
}

func (m *meter) time(ctx context.Context, name string, began time.Time, attrs ...mspkit.Attr) {
	if m.to == nil {
		return
	}
	defer m.caught(ctx, name)
	d := max(m.now().Sub(began), 0) // the clock of another instance may be ahead
	m.to.Time(ctx, name, d, append([]mspkit.Attr(nil), attrs...)...)
}

// caught keeps a meter that panics from breaking a verification whose message is out, or the background work.
func (m *meter) caught(ctx context.Context, name string) {
	if recover() != nil {
		m.log.LogAttrs(ctx, slog.LevelWarn, "verify: the meter panicked", slog.String("metric", name))
	}
}

// classes name what an error is. The first that fits counts: what a channel's own error wraps is unknown.
var classes = []struct {
	err  error
	name string
	// refuses marks what is counted by MetricRefused: somebody asked for what they do not get.
	refuses bool
}{
	{ErrDelivery, "undelivered", false},
	{ErrPolicy, "policy", true},
	{ErrLimited, "limit", true},
	{ErrFrozen, "frozen", true},
	{ErrLocked, "locked", true},
	{ErrNoChannel, "no-channel", true},
	{ErrForbidden, "forbidden", true},
	{ErrNotPending, "not-pending", true},
	{ErrConflict, "conflict", true},
	{ErrFormat, "format", true},
	{ErrInvalid, "invalid", true},
	{ErrNotFound, "not-found", true},
	{ErrRedeemed, "redeemed-already", true},
	{ErrProofExpired, "proof-expired", true},
	{ErrUnapproved, "unapproved", true},
	{ErrProof, "proof", true},
}

// class returns "ok", a name of classes, "cancelled" where ctx has ended, or "error": a failure of the store, of the
// settings or of the host's functions.
func class(ctx context.Context, err error) (name string, refused bool) {
	if err == nil {
		return "ok", false
	}
	for _, c := range classes {
		if errors.Is(err, c.err) {
			return c.name, c.refuses
		}
	}
	if ctx.Err() != nil {
		return "cancelled", false
	}
	return "error", false
}

// ended reports a call of the service that took until now.
func (m *meter) ended(ctx context.Context, verb string, began time.Time, err error) {
	if m.to == nil {
		return
	}
	outcome, refused := class(ctx, err)
	m.time(ctx, MetricDuration, began, mspkit.Attr{Key: "verb", Value: verb}, mspkit.Attr{Key: "outcome", Value: outcome})
	if !refused {
		return
	}
	var limit string
	if le, ok := errors.AsType[*LimitError](err); ok {
		limit = le.Limit
	}
	m.add(ctx, MetricRefused, 1, mspkit.Attr{Key: "verb", Value: verb}, mspkit.Attr{Key: "reason", Value: outcome}, mspkit.Attr{Key: "limit", Value: limit})
}

// tried reports an answer.
func (m *meter) tried(ctx context.Context, verb string, began time.Time, state State, err error) {
	if m.to == nil {
		return
	}
	m.ended(ctx, verb, began, err)
	outcome := string(state)
	if err != nil {
		outcome, _ = class(ctx, err)
	}
	m.add(ctx, MetricTries, 1, mspkit.Attr{Key: "verb", Value: verb}, mspkit.Attr{Key: "outcome", Value: outcome})
}

// redeemed reports a use of a proof.
func (m *meter) redeemed(ctx context.Context, began time.Time, err error) {
	if m.to == nil {
		return
	}
	m.ended(ctx, "redeem", began, err)
	outcome, _ := class(ctx, err)
	m.add(ctx, MetricProofs, 1, mspkit.Attr{Key: "outcome", Value: outcome})
}

// approved reports that a second technician agrees.
func (m *meter) approved(ctx context.Context, began time.Time, err error) {
	if m.to == nil {
		return
	}
	m.ended(ctx, "approve", began, err)
	outcome, _ := class(ctx, err)
	m.add(ctx, MetricApproved, 1, mspkit.Attr{Key: "outcome", Value: outcome})
}

// delivered reports what a channel did with a message.
func (m *meter) delivered(ctx context.Context, channel string, began time.Time, err error) {
	status := DeliverySent
	if err != nil {
		status = DeliveryFailed
	}
	m.time(ctx, MetricDeliverDuration, began, mspkit.Attr{Key: "channel", Value: channel}, mspkit.Attr{Key: "outcome", Value: status.String()})
	m.message(ctx, channel, status)
}

// message reports how far a message came.
func (m *meter) message(ctx context.Context, channel string, status DeliveryStatus) {
	m.add(ctx, MetricMessages, 1, mspkit.Attr{Key: "channel", Value: channel}, mspkit.Attr{Key: "outcome", Value: status.String()})
}

// failedOver reports that another channel is tried.
func (m *meter) failedOver(ctx context.Context, from, to string) {
	m.add(ctx, MetricFailover, 1, mspkit.Attr{Key: "from", Value: from}, mspkit.Attr{Key: "to", Value: to})
}

// handedOver reports what became of an event, and how long after its change.
func (m *meter) handedOver(ctx context.Context, e Event, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "error"
	}
	m.add(ctx, MetricEvents, 1, mspkit.Attr{Key: "kind", Value: string(e.Kind)}, mspkit.Attr{Key: "outcome", Value: outcome})
	m.time(ctx, MetricEventAge, e.At, mspkit.Attr{Key: "outcome", Value: outcome})
}

// passed reports one round of the background work.
func (m *meter) passed(ctx context.Context, began time.Time, store, host error) {
	outcome := "ok"
	switch {
	case ctx.Err() != nil:
		outcome = "cancelled"
	case store != nil:
		outcome = "store"
	case host != nil:
		outcome = "host"
	}
	m.time(ctx, MetricRunDuration, began, mspkit.Attr{Key: "outcome", Value: outcome})
}

// name returns a as it is where this package defines it. Those of tenants could be any number of any text.
func (a Action) name() string {
	if kind, _, ok := strings.Cut(string(a), ":"); ok {
		a = Action(kind) // what it is for comes from a request
	}
	switch a {
	case ActionIdentify, ActionUnlock, ActionResetPassword, ActionResetMFA, ActionChangeContact, ActionEnrolTOTP, ActionRemoveTOTP, ActionRecoveryTOTP, ActionReveal, "":
		return string(a)
	}
	return "custom"
}
