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
