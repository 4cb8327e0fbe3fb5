package securesend

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/token"
)

// plan is a send before it has content.
type plan struct {
	record   Record
	details  details
	settings Settings
	secret   token.Secret
	token    string
}

// plan checks r and makes the record of it. Everything that can be refused is refused here, before anything is stored.
//
// What content it will have is not known where it comes from a browser; then files says that it may have files.
func (s *Service) plan(ctx context.Context, r SendRequest, kind Kind, browser, files bool, now time.Time) (*plan, error) {
	set, err := s.tenantSettings(ctx, r.Tenant)
	if err != nil {
		return nil, err
	}
	var errs []error
	if set.LockTechnician && !r.By.Admin {
		for _, f := range r.Choice.given() {
			errs = append(errs, &LockedFieldError{Field: f})
		}
	}
	files = files && (!browser || !set.FilesOff)
	c := r.Choice.over(set.Defaults)
	if kind == KindRequest { // the settings are about what technicians send
		c.Held, c.DataToNote, c.Views, c.AfterView = false, false, 1, 0
		if c.Gate != GateNone {
			c.Gate = GateNumber // codes and proofs are of who opens, not of who answers
		}
	}
	if r.Choice.TTL < 0 || r.Choice.Views < 0 {
		errs = append(errs, fmt.Errorf("TTL and Views must not be negative: %w", ErrInvalid))
	}
	if c.TTL == 0 {
		switch {
		case browser:
			c.TTL = min(set.TextTTL, set.FileTTL)
		case files:
			c.TTL = set.FileTTL
		default:
			c.TTL = set.TextTTL
		}
	}
	errs = append(errs, c.validate(set.MaxTTL), s.checkWho(r), s.checkRegion(&c, files), s.checkGate(r, c))
	switch {
	case c.DataToNote && browser:
		errs = append(errs, fmt.Errorf("DataToNote is on, and what a browser seals cannot be read here: use Create: %w", ErrUnsupported))
	case c.DataToNote && (s.o.DataNoter == nil || r.Ticket.IsZero()):
		errs = append(errs, fmt.Errorf("DataToNote needs Options.DataNoter and a ticket: %w", ErrUnsupported))
	}
	for _, d := range r.Deliver {
		errs = append(errs, s.checkDestination("Deliver", d))
	}
	p := &plan{settings: set, secret: token.NewSecret()}
	p.token = s.secrets.links.Encode(p.secret, string(r.Tenant))
	if len(p.token) > token.MaxToken {
		errs = append(errs, fmt.Errorf("the tenant id is too long for a link: %w", ErrInvalid))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	expiry := now.Add(c.TTL).Truncate(time.Second)
	p.details = details{
		Technician: cleantext.Name(r.By.Name, 64), Header: c.Header, Message: c.Message, Locale: r.Locale,
		CodeBy: r.Code.Sender, CodeTo: strings.TrimSpace(r.Code.Address),
	}
	p.record = Record{
		Ref: Ref{r.Tenant, token.ID(p.secret)}, Kind: kind, State: StateDraft, Region: c.Region, Purpose: string(kind), Held: c.Held,
		Sender: r.By.ID, Subject: r.Subject, Ticket: r.Ticket, Log: Log{To: c.LogTo, Public: c.LogPublic},
		Gate: c.Gate, MaxTries: set.NumberTries, MaxPassTries: set.PassphraseTries, MaxViews: c.Views, AfterView: c.AfterView,
		CreatedAt: now, Expiry: expiry, ExpiresAt: expiry, Blobs: files,
	}
	if c.Gate == GateCode {
		p.record.MaxTries = set.CodeTries
	}
	if c.Gate == GateNumber {
		p.details.Number = token.Digits(numberDigits)
		p.record.KeyID, p.record.NumberMAC = s.secrets.primary, s.secrets.number(p.record.Ref, p.details.Number)
	}
	if p.record.Sealed, err = s.secrets.seal(p.record.Ref, p.details); err != nil {
		return nil, err
	}
	if sup, ok := s.store.(Supporter); ok {
		if err := sup.Supports(p.record); err != nil {
			return nil, err
		}
	}
	p.details.DataToNote = c.DataToNote
	return p, nil
}

const numberDigits = 3

func (s *Service) checkWho(r SendRequest) error {
	var errs []error
	for _, f := range []struct{ name, value string }{{"By.ID", r.By.ID}, {"Subject", r.Subject}} {
		if len(f.value) > mspkit.MaxID || f.value != strings.TrimSpace(f.value) || !printable(f.value) {
			errs = append(errs, fmt.Errorf("%s has more than %d bytes, spaces at its ends or characters that do not print: %w", f.name, mspkit.MaxID, ErrInvalid))
		}
	}
	errs = append(errs, checkLocale(r.Locale))
	if r.By.ID == "" {
		errs = append(errs, fmt.Errorf("By.ID is empty: who sends? %w", ErrInvalid))
	}
	if err := r.Ticket.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("%w: %w", ErrInvalid, err))
	}
	return errors.Join(errs...)
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// checkRegion finds the region of c and whether it is served here.
func (s *Service) checkRegion(c *Choice, files bool) error {
	if c.Region == "" && len(s.regions) == 1 {
		c.Region = s.regions[0]
	}
	switch {
	case len(s.regions) == 0 && files:
		return fmt.Errorf("files need Options.Blobs: %w", ErrUnsupported)
	case len(s.regions) == 0:
		return nil
	case c.Region == "":
		return fmt.Errorf("no region is given, and the tenant's country has no preset: choose one of %s: %w", strings.Join(s.regions, ", "), ErrRegion)
	}
	_, err := s.blobs(c.Region)
	return err
}

func (s *Service) checkGate(r SendRequest, c Choice) error {
	if c.Gate != GateCode && r.Code != (Destination{}) {
		return fmt.Errorf("Code is given, but the gate is %q: %w", c.Gate, ErrInvalid)
	}
	switch c.Gate {
	case GateNumber, GateNone:
	case GateProof:
		if s.o.Gate == nil {
			return fmt.Errorf("the gate %q needs Options.Gate: %w", c.Gate, ErrUnsupported)
		}
		if r.Subject == "" {
			return fmt.Errorf("the gate %q needs a Subject: %w", c.Gate, ErrInvalid)
		}
	case GateCode:
		if r.Code == (Destination{}) {
			return fmt.Errorf("the gate %q needs Code, the address that it goes to: %w", c.Gate, ErrInvalid)
		}
		if err := s.checkDestination("Code", r.Code); err != nil {
			return err
		}
		if slices.ContainsFunc(r.Deliver, func(d Destination) bool { return d.Sender == r.Code.Sender }) {
			return fmt.Errorf("Code goes by %q, as the link does: take another way: %w", r.Code.Sender, ErrInvalid)
		}
	}
	return nil
}

func (s *Service) checkDestination(what string, d Destination) error {
	if _, ok := s.o.Senders[d.Sender]; !ok {
		return fmt.Errorf("%s: there is no sender %q: %w", what, d.Sender, ErrUnsupported)
	}
	if a := strings.TrimSpace(d.Address); a == "" || len(a) > 320 {
		return fmt.Errorf("%s: the address is empty or longer than 320 bytes: %w", what, ErrInvalid)
	}
	return nil
}
