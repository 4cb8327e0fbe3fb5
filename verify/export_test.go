package verify

import (
	"log/slog"
	"time"

	"github.com/mspkit/mspkit"
)

// Metered returns s as a service with a meter uses it.
func Metered(s Store, to mspkit.Meter, now func() time.Time) Store {
	return (&meter{to: to, now: now, log: slog.New(slog.DiscardHandler)}).store(s)
}

// Extend makes the chain of events anew, as somebody does who has read this package and has another ring.
func Extend(ring *mspkit.KeyRing, tenant mspkit.TenantID, events []Event) error {
	s, err := newSigner(ring, ring.Primary())
	if err == nil {
		s.extend(tenant, Link{}, events)
	}
	return err
}
