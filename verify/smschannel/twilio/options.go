package twilio

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/httpx"
)

// Auth is how a [Client] signs in. Make one with [AuthToken] or [APIKey].
type Auth struct {
	user     string // empty is the account itself
	password mspkit.Redacted[string]
}

// AuthToken signs in with the account's own token, which opens the whole account.
func AuthToken(token string) Auth { return Auth{password: mspkit.Redact(token)} }

// APIKey signs in with an API key ("SK…") and its secret. It is the better choice: it can be restricted and
// revoked by itself. Status callbacks are signed with the account's token nevertheless.
func APIKey(keySID, secret string) Auth { return Auth{user: keySID, password: mspkit.Redact(secret)} }

// Sender is who a message comes from. At least one field is needed; with both, the service sends from that number.
type Sender struct {
	// From is a number in E.164, a short code, or an alphanumeric sender.
	From string
	// MessagingServiceSID is "MG" and 32 hex digits.
	MessagingServiceSID string
}

// Options configures [New].
type Options struct {
	// BaseURL is the API's address. Empty is https://api.twilio.com. Regions have their own, for example
	// https://api.dublin.ie1.twilio.com.
	BaseURL string
	// LookupURL is the address of the Lookup API; see [Client.Lookup]. Empty is https://lookups.twilio.com.
	LookupURL string
	// HTTPClient is used below the module's own pipeline of deadlines and retries. nil is a new one.
	HTTPClient *http.Client
	// Timeout is for one request. 0 is 10 s. A call makes up to two sends and the lookups between them.
	Timeout time.Duration
	// ValidityPeriod is how long Twilio may try to deliver: set it to the life of the code in the text. 0 is 10
	// minutes; negative leaves it to Twilio (10 hours). Others are 1 s to 10 h.
	ValidityPeriod time.Duration
	// StatusCallback is the public URL at which a [StatusHandler] is mounted. The key of the send is added to it as
	// the parameter "key". Empty asks for no callbacks.
	StatusCallback string
	// DiscardContent asks Twilio not to keep the text. The account must be entitled to it. An ambiguous send can
	// then be resolved only where Twilio knows no message to that number at all.
	DiscardContent bool
	// ObfuscateAddress asks Twilio not to keep the whole number. The account must be entitled to it. An ambiguous
	// send can then not be resolved.
	ObfuscateAddress bool
	// Logger gets what the pipeline has to say. nil discards.
	Logger *slog.Logger
	// Now is the clock. nil is time.Now.
	Now func() time.Time
}

var (
	accountForm = regexp.MustCompile(`^AC[0-9a-fA-F]{32}$`)
	keyForm     = regexp.MustCompile(`^SK[0-9a-fA-F]{32}$`)
	serviceForm = regexp.MustCompile(`^MG[0-9a-fA-F]{32}$`)
	messageForm = regexp.MustCompile(`^[SM]M[0-9a-fA-F]{32}$`)
	numberForm  = regexp.MustCompile(`^\+[1-9]\d{6,14}$`)
	senderForm  = regexp.MustCompile(`^(?:\+[1-9]\d{6,14}|\d{3,8}|[A-Za-z0-9 ]{1,11})$`)
)

func invalid(text string) error { return fmt.Errorf("twilio: new: %s: %w", text, mspkit.ErrInvalid) }

func (c *Client) configure(auth Auth, o *Options) error {
	if o != nil {
		c.opts = *o
	}
	if c.opts.BaseURL == "" {
		c.opts.BaseURL = "https://api.twilio.com"
	}
	if c.opts.LookupURL == "" {
		c.opts.LookupURL = "https://lookups.twilio.com"
	}
	if c.opts.ValidityPeriod == 0 {
		c.opts.ValidityPeriod = 10 * time.Minute
	}
	if c.opts.Now == nil {
		c.opts.Now = time.Now
	}
	var errs []error
	check := func(ok bool, text string) {
		if !ok {
			errs = append(errs, invalid(text))
		}
	}
	check(accountForm.MatchString(c.account), "account SID is not AC and 32 hex digits")
	check(auth.user == "" || keyForm.MatchString(auth.user), "API key is not SK and 32 hex digits")
	check(auth.password.Reveal() != "", "there is no token or secret")
	check(c.from != Sender{}, "there is no sender")
	check(c.from.From == "" || senderForm.MatchString(c.from.From), "sender is no number, short code or alphanumeric sender")
	check(c.from.MessagingServiceSID == "" || serviceForm.MatchString(c.from.MessagingServiceSID), "messaging service is not MG and 32 hex digits")
	check(c.opts.ValidityPeriod < 0 || (c.opts.ValidityPeriod >= time.Second && c.opts.ValidityPeriod <= 10*time.Hour), "validity period is not 1 s to 10 h")
	check(c.opts.Timeout >= 0, "timeout is negative")
	base, err := httpx.ParseBaseURL(c.opts.BaseURL)
	check(err == nil, "base URL is not an https URL without user, query and fragment")
	lookup, err := httpx.ParseBaseURL(c.opts.LookupURL)
	check(err == nil, "lookup URL is not an https URL without user, query and fragment")
	if c.opts.StatusCallback != "" {
		_, err := parsePublicURL(c.opts.StatusCallback)
		check(err == nil, "status callback is not an https URL, or has a parameter key")
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if auth.user == "" {
		auth.user = c.account
	}
	c.auth = auth
	c.numbers = lookup.JoinPath("v2", "PhoneNumbers")
	c.messages = base.JoinPath("2010-04-01", "Accounts", c.account, "Messages.json")
	c.http, err = httpx.NewClient(c.opts.HTTPClient, &httpx.Options{
		TryTimeout: c.opts.Timeout,
		MaxBody:    1 << 20,
		Origins:    []string{c.opts.BaseURL, c.opts.LookupURL},
		Rejects:    []int{http.StatusTooManyRequests}, // 20429: refused before anything is sent
		Logger:     c.opts.Logger,
		Now:        c.opts.Now,
	})
	return err
}

// parsePublicURL reads the address at which Twilio reaches us: https, or http on loopback for emulators. It may
// have a query, which is part of what Twilio signs, but no parameter "key": that one is ours.
func parsePublicURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.User != nil || u.Fragment != "" || u.Query().Has(keyParam) {
		return nil, mspkit.ErrInvalid
	}
	bare := *u
	bare.RawQuery = ""
	if _, err := httpx.ParseBaseURL(bare.String()); err != nil {
		return nil, err
	}
	return u, nil
}
