package graphcontacts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/graphx"
)

// mailboxes returns the ids of those who are nobody: the accounts of shared mailboxes, rooms and equipment.
func (u *users) mailboxes(ctx context.Context, tenant mspkit.TenantID, list []*entry) (map[string]bool, error) {
	if u.o.Mailboxes == KeepMailboxes {
		return nil, nil
	}
	nobody := map[string]bool{}
	var ask []*entry
	for _, e := range list {
		switch off := e.o.AccountEnabled != nil && !*e.o.AccountEnabled; {
		case e.gone || text(e.o.Mail) == "" || len(e.o.AssignedLicenses) > 0:
		case u.o.Mailboxes == AskMailboxes:
			ask = append(ask, e)
		case off:
			nobody[e.id] = true
		}
	}
	if len(ask) == 0 {
		return nobody, nil
	}
	items := make([]graphx.BatchItem, len(ask))
	for i, e := range ask {
		items[i].URL = "/users/" + e.id + "/mailboxSettings?$select=userPurpose"
	}
	results, err := u.client.Batch(ctx, tenant, graphx.Mailboxes, items)
	if err != nil {
		return nil, err
	}
	if len(results) != len(ask) {
		return nil, fmt.Errorf("%w: a batch has %d answers to %d questions", contacts.ErrSource, len(results), len(ask))
	}
	for i, r := range results {
		switch {
		case errors.Is(r.Err, graphx.ErrNotFound): // no mailbox in Exchange Online
			continue
		case r.Err != nil:
			return nil, needs("MailboxSettings.Read", fmt.Errorf("ask for the purpose of a mailbox: %w", r.Err))
		}
		// The whole settings, or the value alone, which is how the property is written where it is asked for by its path.
		var settings struct{ UserPurpose, Value *string }
		if err := json.Unmarshal(r.Body, &settings); err != nil {
			return nil, fmt.Errorf("%w: the settings of a mailbox cannot be read: %w", contacts.ErrSource, withoutValue(err))
		}
		purpose := text(settings.UserPurpose)
		if purpose == "" {
			purpose = text(settings.Value)
		}
		// Of "others", and of what Graph does not know yet, nobody can say that it is not a person's.
		nobody[ask[i].id] = purpose == "shared" || purpose == "room" || purpose == "equipment"
	}
	return nobody, nil
}
