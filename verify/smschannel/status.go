package smschannel

import (
	"context"
	"errors"

	"github.com/mspkit/mspkit/verify"
)

// Status returns a function that takes what a vendor reports about a message and tells it to r, the service. key is
// what [TextSender] was given; status is the vendor's word, of those that Twilio and most others use; reason says in
// words without a number why a message did not arrive, and may be empty.
//
// Only authentic reports may be passed on: check the vendor's signature first. Reports may come late, twice and in
// any order: the service ignores what is not further than what it knows. Statuses of a message that is still on its
// way, unknown statuses, reports without a key and such of challenges that are gone are ignored. An error means that
// the store failed and the report should be sent again.
func Status(r verify.Responder) func(ctx context.Context, key, status, reason string) error {
	return func(ctx context.Context, key, status, reason string) error {
		s := deliveryStatus(status)
		if key == "" || s == verify.DeliveryPending {
			return nil
		}
		if s == verify.DeliveryFailed && reason == "" {
			reason = "the text message did not arrive"
		}
		if s != verify.DeliveryFailed {
			reason = ""
		}
		err := r.Delivered(ctx, key, s, reason)
		if errors.Is(err, verify.ErrNotFound) {
			return nil // deleted since, or a message of another service: repeating it would not help
		}
		return err
	}
}

// deliveryStatus reads a vendor's word; [verify.DeliveryPending] for what tells nothing new.
// Twilio's are listed at https://www.twilio.com/docs/messaging/api/message-resource#message-status-values.
func deliveryStatus(s string) verify.DeliveryStatus {
	switch s {
	case "sent":
		return verify.DeliverySent
	case "delivered", "read":
		return verify.DeliveryDelivered
	case "undelivered", "failed", "canceled":
		return verify.DeliveryFailed
	}
	return verify.DeliveryPending
}
