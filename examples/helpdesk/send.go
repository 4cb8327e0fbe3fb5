package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/dirblob"
	"github.com/mspkit/mspkit/securesend/securesendpage"
	"github.com/mspkit/mspkit/securesend/sendvia"
	"github.com/mspkit/mspkit/securesend/verifiedreveal"
	"github.com/mspkit/mspkit/teamsapp/graphteams"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/smschannel"
	"github.com/mspkit/mspkit/verify/smschannel/twilio"
)

// sendPath is where the pages are behind the links of sends and requests.
const sendPath = "/send"

// regions are where files can be kept, with the name of the folder that plays the disk there. A real host names its data
// centres, or buckets, and a tenant's files go to the region of its country.
var regions = map[string]string{securesend.RegionUS: "us", securesend.RegionEurope: "europe"}

// ways are what the program sends messages with.
type ways struct {
	mailer mail.Mailer
	texts  *twilio.Client
	sms    *smschannel.Channel
	teams  graphteams.Bot
}

// openSends makes the service that gives texts and files once, and its pages.
func (a *app) openSends(ring *mspkit.KeyRing, store securesend.SecretStore, by ways) error {
	blobs := map[string]securesend.BlobStore{}
	if err := os.MkdirAll(filepath.Join(a.cfg.dir, "files"), 0o700); err != nil {
		return err
	}
	for region, folder := range regions {
		b, err := dirblob.New(filepath.Join(a.cfg.dir, "files", folder), &dirblob.Options{Region: region})
		if err != nil {
			return err
		}
		a.closers = append(a.closers, b.Close)
		blobs[region] = b
	}
	text, err := sendvia.Text(by.texts, &sendvia.TextOptions{Canonical: by.sms.Canonical})
	if err != nil {
		return err
	}
	email, err := sendvia.Mail(by.mailer, nil)
	if err != nil {
		return err
	}
	teams, err := sendvia.Teams(by.teams)
	if err != nil {
		return err
	}
	gate, err := verifiedreveal.New(a.verify, a.recipient, nil)
	if err != nil {
		return err
	}
	log := a.ticketlog.SecureSend()
	a.sends, err = securesend.New(store, ring, or(a.cfg.publicURL, a.cfg.url)+sendPath, a.rules.settings, &securesend.Options{
		Blobs:   blobs,
		Senders: map[string]securesend.Sender{"sms": text, "email": email, "teams": teams},
		Gate:    gate,
		Recorder: securesend.RecorderFunc(func(ctx context.Context, e securesend.Event) error {
			if e.Kind == securesend.EventSent {
				a.sentBy.went(e.Send, channelWords(e.Reason))
			}
			return log.Record(ctx, e)
		}),
		DataNoter: log,
		Authorize: func(ctx context.Context, _ mspkit.TenantID, id string, _ securesend.Permission) error {
			return a.mayOverrule(ctx, id)
		},
		Now:    a.now,
		Logger: a.cfg.log,
	})
	if err != nil {
		return err
	}
	pages, err := securesendpage.New(a.sends, &securesendpage.Options{Now: a.now, Brand: brand, Logger: a.cfg.log})
	if err != nil {
		return err
	}
	a.handle(sendPath+"/", http.StripPrefix(sendPath, pages))
	return nil
}

// recipient says who must be verified before a send with the gate "proof" opens, and who may tell them the number.
func (a *app) recipient(ctx context.Context, r securesend.Reveal) (verify.StartRequest, error) {
	p, ok := a.person(r.Ref.Tenant, r.Subject)
	t, known := a.technician(ctx, r.Sender)
	if !ok || !known {
		return verify.StartRequest{}, fmt.Errorf("the recipient or the sender is not here any more: %w", securesend.ErrNotFound)
	}
	return verify.StartRequest{Subject: p.subject(), Technician: t.Technician}, nil
}

// sendRules are what each client decided about sends. A real host keeps them in its database; these are gone when the
// program ends, as the notes are.
type sendRules struct {
	mu sync.Mutex
	of map[mspkit.TenantID]securesend.Settings
}

// countries are where the clients are, which decides about the region.
var countries = map[mspkit.TenantID]string{"contoso": "US", "fabrikam": "PT"}

func newSendRules(clients map[mspkit.TenantID]string) *sendRules {
	r := &sendRules{of: map[mspkit.TenantID]securesend.Settings{}}
	for tenant := range clients {
		r.of[tenant] = securesend.Settings{Brand: brand, Country: or(countries[tenant], "US")}
	}
	return r
}

// settings is what the service asks for.
func (r *sendRules) settings(_ context.Context, tenant mspkit.TenantID) (securesend.Settings, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.of[tenant]
	if !ok {
		return s, fmt.Errorf("there is no client with this id: %w", securesend.ErrNotFound)
	}
	return s, nil
}

func (r *sendRules) set(tenant mspkit.TenantID, s securesend.Settings) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of[tenant] = s
}

// destination returns where a sender reaches p, for example "sms".
func (p person) destination(sender string) (securesend.Destination, error) {
	for _, d := range p.subject().Destinations {
		if d.Channel == sender {
			return securesend.Destination{Sender: sender, Address: d.Address}, nil
		}
	}
	return securesend.Destination{}, fmt.Errorf("there is no %s on record for %s: %w", addressWords(sender), p.Name, securesend.ErrInvalid)
}

// codeDestination returns the first way to p that the link does not take.
func (p person) codeDestination(taken []securesend.Destination) (securesend.Destination, error) {
	for _, d := range p.subject().Destinations {
		free := d.Channel != "signin" // which carries links to its own pages only
		for _, t := range taken {
			free = free && t.Sender != d.Channel
		}
		if free {
			return securesend.Destination{Sender: d.Channel, Address: d.Address}, nil
		}
	}
	return securesend.Destination{}, fmt.Errorf("a code must go by another way than the link, and %s has none: %w", p.Name, securesend.ErrInvalid)
}

func addressWords(sender string) string {
	switch sender {
	case "teams":
		return "account in Teams"
	case "sms":
		return "phone number"
	}
	return strings.TrimPrefix(channelWords(sender)+" address", " ")
}
