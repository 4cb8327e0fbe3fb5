package graphcontacts

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/internal/phone"
)

// The defaults of [Options].
const (
	// DefaultPageSize is the most users that are asked for at once; it is also the most that Graph gives.
	DefaultPageSize = 999
	// DefaultDeltaLife is how old the end of the last run may be for Graph to be asked what changed since. Graph keeps
	// that for seven days.
	DefaultDeltaLife = 6 * 24 * time.Hour
	// DefaultWholeEvery is how often everybody is listed although Graph tells what changed.
	DefaultWholeEvery = 7 * 24 * time.Hour
	// DefaultPhotoSize is the width and height of a photo in pixels.
	DefaultPhotoSize = 120
)

// DisabledPolicy says what becomes of accounts that are switched off.
type DisabledPolicy int

// The policies for accounts that are switched off.
const (
	// ListDisabled lists them, not Enabled. It is the default.
	ListDisabled DisabledPolicy = iota
	// DropDisabled leaves them out, as if they were not there.
	DropDisabled
)

// MailboxPolicy says what becomes of the accounts of shared mailboxes, rooms and equipment, which are nobody.
type MailboxPolicy int

// The policies for mailboxes.
const (
	// GuessMailboxes leaves out accounts that are switched off and have a mail address and no licence, as the accounts of
	// shared mailboxes and rooms are made. The mailbox of somebody who has left looks the same. It needs no permission
	// and is the default.
	GuessMailboxes MailboxPolicy = iota
	// AskMailboxes asks Exchange for the purpose of the mailbox of every account that has a mail address and no licence,
	// and leaves out those that are not a user's. It needs the permission MailboxSettings.Read in every mailbox.
	AskMailboxes
	// KeepMailboxes lists them like everybody else.
	KeepMailboxes
)

// Options of everything in this package. The zero value is usable.
type Options struct {
	// Cloud has the hosts; the zero value is the public cloud.
	Cloud azurecred.Cloud
	// HTTPClient sends the requests; nil is one of azcore's.
	HTTPClient *http.Client
	// Retry says how often and how long what failed is repeated; the zero value is azcore's default.
	Retry policy.RetryOptions
	// Region is the ISO 3166-1 code in upper case in which national phone numbers are read, for example "US". Empty means
	// that only numbers with their country code get an E.164 form; the others are there as they were written.
	Region string
	// Guests lists guests, too. They are people of other companies, whose own administrators say who they are.
	Guests bool
	// Disabled says what becomes of accounts that are switched off.
	Disabled DisabledPolicy
	// Mailboxes says what becomes of the accounts of shared mailboxes and rooms.
	Mailboxes MailboxPolicy
	// UserPrincipalNames adds the sign-in name to the e-mail addresses where it looks like one. It need not have a
	// mailbox, and mail to it may reach somebody else.
	UserPrincipalNames bool
	// OtherMails adds the private addresses. Users may be allowed to write them themselves, and nobody has checked them:
	// keep them out of a directory by which people are verified.
	OtherMails bool
	// PageSize is the most users that are asked for at once; 0 means [DefaultPageSize].
	PageSize int
	// DeltaLife: 0 means [DefaultDeltaLife], a negative value lists everybody in every run.
	DeltaLife time.Duration
	// WholeEvery is the longest time without a whole run. What Graph does not tell as a change, such as a mailbox that
	// has become a shared one, is noticed by those. 0 means [DefaultWholeEvery]; with a negative value only the first run
	// is whole, and one after a change of the options.
	WholeEvery time.Duration
	// PhotoSize is one of 48, 64, 96, 120, 240, 360, 432, 504 and 648 pixels; 0 means [DefaultPhotoSize].
	PhotoSize int
	// Logger gets the ids of what is dropped; nil discards.
	Logger *slog.Logger
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
}

// photoSizes: https://learn.microsoft.com/graph/api/profilephoto-get.
var photoSizes = []int{48, 64, 96, 120, 240, 360, 432, 504, 648}

func (o *Options) withDefaults() (Options, error) {
	var out Options
	if o != nil {
		out = *o
	}
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("graphcontacts: Options."+format+": %w", append(args, mspkit.ErrInvalid)...))
	}
	if out.Cloud == (azurecred.Cloud{}) {
		out.Cloud = azurecred.PublicCloud()
	}
	if err := out.Cloud.Validate(); err != nil {
		errs = append(errs, err)
	}
	if out.Region != "" && !phone.KnownRegion(out.Region) {
		bad("Region %q is not an ISO 3166-1 code in upper case such as \"US\"", out.Region)
	}
	if out.Disabled < ListDisabled || out.Disabled > DropDisabled {
		bad("Disabled %d is no policy", int(out.Disabled))
	}
	if out.Mailboxes < GuessMailboxes || out.Mailboxes > KeepMailboxes {
		bad("Mailboxes %d is no policy", int(out.Mailboxes))
	}
	if out.PageSize < 0 || out.PageSize > DefaultPageSize {
		bad("PageSize %d is not between 1 and %d", out.PageSize, DefaultPageSize)
	}
	if out.PageSize == 0 {
		out.PageSize = DefaultPageSize
	}
	if out.DeltaLife == 0 {
		out.DeltaLife = DefaultDeltaLife
	}
	if out.WholeEvery == 0 {
		out.WholeEvery = DefaultWholeEvery
	}
	if out.PhotoSize == 0 {
		out.PhotoSize = DefaultPhotoSize
	}
	if !slices.Contains(photoSizes, out.PhotoSize) {
		bad("PhotoSize %d is none of %v", out.PhotoSize, photoSizes)
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	if out.Now == nil {
		out.Now = time.Now
	}
	return out, errors.Join(errs...)
}

// connect validates what every constructor takes and returns the client.
func connect(creds azurecred.TenantCredentials, o *Options) (*graphx.Client, Options, error) {
	opts, err := o.withDefaults()
	if creds == nil {
		err = errors.Join(err, fmt.Errorf("graphcontacts: credentials are needed: %w", mspkit.ErrInvalid))
	}
	if err != nil {
		return nil, opts, err
	}
	c, err := graphx.New(creds, &graphx.Options{
		BaseURL: opts.Cloud.Graph, Scope: opts.Cloud.Scope(), HTTPClient: opts.HTTPClient, Retry: opts.Retry, Logger: opts.Logger, Now: opts.Now,
	})
	if err != nil {
		return nil, opts, fmt.Errorf("graphcontacts: %w", err)
	}
	return c, opts, nil
}
