package graphmail

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/mail"
)

// The defaults of [Options]: what Exchange Online allows a mailbox and an application.
//
// Sources: https://learn.microsoft.com/office365/servicedescriptions/exchange-online-service-description/exchange-online-limits
// (30 messages a minute) and https://learn.microsoft.com/graph/throttling-limits (4 requests at once).
const (
	DefaultPerMinute  = 30
	DefaultConcurrent = 4
)

// sending is the limiter of what leaves a mailbox; everything else counts as Outlook.
const sending graphx.Workload = "outlook-send"

// Options of a [Client]. Nil and the zero value are fine.
type Options struct {
	// Cloud is the Microsoft cloud; zero is the public one.
	Cloud azurecred.Cloud
	// HTTPClient sends the requests; nil is a client of our own. Redirects are refused in any case.
	HTTPClient *http.Client
	// PerMinute is how many messages a tenant's mailbox sends in a minute: 0 means [DefaultPerMinute], negative no limit.
	PerMinute int
	// Concurrent is how many requests are on their way at once for a tenant: 0 means [DefaultConcurrent], negative no limit.
	Concurrent int
	// PerMailbox counts Concurrent for each mailbox rather than for each tenant. Microsoft's pages disagree about that, and
	// the tenant is the stricter reading.
	PerMailbox bool
	// SaveToSentItems keeps a copy of mails in the mailbox, for all who can read it. Mails that have a code or a link in
	// them are never kept: codes, links of verifications, secure data, invitations, password resets. Files of more than 2.7 MB
	// leave a copy whatever this says, see [Mailer.Send].
	SaveToSentItems bool
	// MaxWait is how long a mail waits for its turn; after that it is [mail.ErrTemporary]. 0 is 30 s, negative does not wait.
	MaxWait time.Duration
	// RetryDelay is the wait before the first repeat: 0 is 0.8 s.
	RetryDelay time.Duration
	// ChunkSize is how much of a large file goes out at once, a multiple of 320 KiB below 4 MB: 0 is 3,276,800 bytes.
	ChunkSize int
	// Logger gets what is given up; nil discards.
	Logger *slog.Logger
	// Now is the clock; nil is [time.Now].
	Now func() time.Time
}

const (
	chunkUnit    = 320 << 10
	defaultChunk = 10 * chunkUnit
	maxChunk     = 4_000_000
)

// Client sends mail through shared mailboxes and finds out about them, for many tenants. It is safe for concurrent use.
type Client struct {
	graph  *graphx.Client
	upload *http.Client
	o      Options
}

// New returns a client. creds are of an application with Mail.Send for the mailboxes, see the package comment.
func New(creds azurecred.TenantCredentials, o *Options) (*Client, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	var errs []error
	if creds == nil {
		errs = append(errs, fmt.Errorf("graphmail: credentials are needed: %w", mspkit.ErrInvalid))
	}
	if opts.Cloud == (azurecred.Cloud{}) {
		opts.Cloud = azurecred.PublicCloud()
	}
	errs = append(errs, opts.Cloud.Validate())
	switch {
	case opts.ChunkSize == 0:
		opts.ChunkSize = defaultChunk
	case opts.ChunkSize < 0 || opts.ChunkSize > maxChunk || opts.ChunkSize%chunkUnit != 0:
		errs = append(errs, fmt.Errorf("graphmail: Options.ChunkSize must be a multiple of %d below 4 MB: %w", chunkUnit, mspkit.ErrInvalid))
	}
	if opts.PerMinute == 0 {
		opts.PerMinute = DefaultPerMinute
	}
	if opts.Concurrent == 0 {
		opts.Concurrent = DefaultConcurrent
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	graph, err := graphx.New(creds, &graphx.Options{
		BaseURL: opts.Cloud.Graph, Scope: opts.Cloud.Scope(), HTTPClient: opts.HTTPClient, Retry: policy.RetryOptions{RetryDelay: opts.RetryDelay}, MaxWait: opts.MaxWait,
		Limits: map[graphx.Workload]graphx.Limit{
			sending:          {Requests: opts.PerMinute, Per: time.Minute, Concurrent: opts.Concurrent},
			graphx.Outlook:   {Concurrent: opts.Concurrent},
			graphx.Mailboxes: {Concurrent: opts.Concurrent},
		},
		Logger: opts.Logger, Now: opts.Now,
	})
	if err != nil {
		return nil, err
	}
	c := &Client{graph: graph, o: opts}
	c.upload, err = uploader(opts)
	return c, err
}

// limitKey is what a mailbox's requests count against.
func (c *Client) limitKey(mailboxID string) string {
	if c.o.PerMailbox {
		return mailboxID
	}
	return ""
}

// opens tells of the kinds of mail that hold a code or a link that opens something. Of a mail without a kind nobody knows.
func opens(kind string) bool {
	switch kind {
	case "", mail.VerificationCode, mail.VerificationLink, mail.TechnicianLink, mail.OptIn, mail.SecureData, mail.KindSecureRequest, mail.KindSecureCode,
		mail.PortalInvitation, mail.TechnicianInvitation, mail.PasswordReset:
		return true
	}
	return false
}

// secret tells of which mails no copy stays in a mailbox. Kinds that are not known count as such.
func secret(kind string) bool {
	return kind != mail.SecurityNotice && kind != mail.Notification
}
