package graphcontacts

import (
	"context"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/graphx"
)

// maxPresences is how many ids one request may have:
// https://learn.microsoft.com/graph/api/cloudcommunications-getpresencesbyuserid.
const maxPresences = 650

// Presence is what Teams shows of somebody at this moment. It says nothing of who sits at the device.
type Presence struct {
	// Availability is Available, AvailableIdle, Away, BeRightBack, Busy, BusyIdle, DoNotDisturb, Offline or
	// PresenceUnknown; empty where Graph said nothing of the person.
	Availability string
	// Activity adds to it, for example InACall, InAMeeting, Presenting or OutOfOffice.
	Activity string
	// Reachable is true where somebody who is sent a message in Teams is likely to see it now: available or busy, and not
	// presenting, when everybody in the meeting might see it.
	Reachable bool
}

// Presences looks up who can be reached in Teams. It is safe for concurrent use.
type Presences struct {
	client *graphx.Client
}

// NewPresences returns a lookup. It needs Presence.Read.All; the cloud operated by 21Vianet does not have it.
func NewPresences(creds azurecred.TenantCredentials, o *Options) (*Presences, error) {
	client, _, err := connect(creds, o)
	if err != nil {
		return nil, err
	}
	return &Presences{client: client}, nil
}

// Presences returns one for each of the object ids, in their order. It is asked of Graph each time.
func (s *Presences) Presences(ctx context.Context, tenant mspkit.TenantID, ids []string) ([]Presence, error) {
	if err := tenant.Validate(); err != nil {
		return nil, err
	}
	at := map[string][]int{}
	ask := make([]string, 0, len(ids))
	for i, id := range ids {
		c := canonicalID(id)
		if c == "" {
			return nil, fmt.Errorf("graphcontacts: the id %d of %d is not the object id of a user: %w", i+1, len(ids), mspkit.ErrInvalid)
		}
		if at[c] == nil {
			ask = append(ask, c)
		}
		at[c] = append(at[c], i)
	}
	out := make([]Presence, len(ids))
	for len(ask) > 0 {
		n := min(len(ask), maxPresences)
		var answer struct {
			Value []struct{ ID, Availability, Activity *string }
		}
		err := s.client.Do(ctx, &graphx.Request{
			Tenant: tenant, Workload: graphx.Presence, Method: "POST", Path: "/communications/getPresencesByUserId",
			Body: map[string][]string{"ids": ask[:n]}, Idempotent: true,
		}, &answer)
		if err != nil {
			return nil, fail("look up presences", tenant, "Presence.Read.All", err)
		}
		for _, v := range answer.Value {
			p := presence(text(v.Availability), text(v.Activity))
			for _, i := range at[canonicalID(text(v.ID))] {
				out[i] = p
			}
		}
		ask = ask[n:]
	}
	return out, nil
}

func presence(availability, activity string) Presence {
	p := Presence{Availability: cleantext.Line(availability, cleantext.MaxName), Activity: cleantext.Line(activity, cleantext.MaxName)}
	switch p.Availability {
	case "Available", "AvailableIdle", "Busy", "BusyIdle":
		p.Reachable = p.Activity != "Presenting"
	}
	return p
}
