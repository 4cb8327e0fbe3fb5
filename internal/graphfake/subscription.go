package graphfake

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Subscription is one to change notifications.
type Subscription struct {
	ID, Resource, ChangeType                   string
	NotificationURL, LifecycleURL, ClientState string
	IncludeResourceData                        bool
	EncryptionCertificateID                    string
	Certificate                                *x509.Certificate
	CreatedAt, ExpiresAt                       time.Time
	notificationURLAppID, latestTLS            string
}

// SubscriptionQuirks are what differs, or is not documented alike everywhere.
type SubscriptionQuirks struct {
	// ShowClientState gives the clientState in answers. The documentation of the list says that it is not given.
	ShowClientState bool
	// AllowDuplicates lets an application subscribe to a resource again. Otherwise that is 409, or 403 with Duplicates403.
	AllowDuplicates, Duplicates403 bool
	// BareResource gives the resource in answers without the slash in front.
	BareResource bool
}

// subscriptions are those of a tenant.
type subscriptions struct {
	list    []*Subscription
	quirks  SubscriptionQuirks
	quota   int
	grants  map[string]bool // nil is all
	lists   []time.Time     // when the list was asked for
	asked   int             // how often one was asked for
	changed func(Changed)
}

func subscriptionRoutes() map[string]handler {
	return map[string]handler{
		"GET /subscriptions":                   (*call).listSubscriptions,
		"POST /subscriptions":                  (*call).createSubscription,
		"GET /subscriptions/{id}":              (*call).getSubscription,
		"PATCH /subscriptions/{id}":            (*call).patchSubscription,
		"DELETE /subscriptions/{id}":           (*call).deleteSubscription,
		"POST /subscriptions/{id}/reauthorize": (*call).reauthorize,
	}
}

// Subscriptions returns those that have not expired, the oldest first.
func (t *Tenant) Subscriptions() []Subscription {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := []Subscription{}
	for _, s := range t.living() {
		out = append(out, *s)
	}
	return out
}

// SubscriptionsMade returns how many there have been, also those that are gone.
func (t *Tenant) SubscriptionsMade() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.subs.asked
}

// RemoveSubscription ends one as Graph does for reasons of its own. It does not tell anybody, and reports whether there was one.
func (t *Tenant) RemoveSubscription(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.subs.list)
	t.subs.list = slices.DeleteFunc(t.subs.list, func(s *Subscription) bool { return s.ID == id })
	return len(t.subs.list) < n
}

// SetSubscriptionQuirks changes how subscriptions are answered from now on.
func (t *Tenant) SetSubscriptionQuirks(q SubscriptionQuirks) { t.set(func() { t.subs.quirks = q }) }

// SetSubscriptionQuota makes more than n subscriptions 403; 0 is no limit.
func (t *Tenant) SetSubscriptionQuota(n int) { t.set(func() { t.subs.quota = n }) }

// Grant gives the application these permissions only, for subscriptions and for what is said in chats and channels. Without
// it, it has all.
func (t *Tenant) Grant(permissions ...string) {
	t.set(func() {
		t.subs.grants = map[string]bool{}
		for _, p := range permissions {
			t.subs.grants[p] = true
		}
	})
}

// living returns the subscriptions that have not expired and forgets the others. The caller holds the lock.
func (t *Tenant) living() []*Subscription {
	now := t.s.o.Now()
	t.subs.list = slices.DeleteFunc(t.subs.list, func(s *Subscription) bool { return !now.Before(s.ExpiresAt) })
	return t.subs.list
}

// granted refuses where none of the permissions is given. The caller holds the lock.
func (t *Tenant) granted(permissions ...string) *apiError {
	if t.subs.grants == nil || slices.ContainsFunc(permissions, func(p string) bool { return t.subs.grants[p] }) {
		return nil
	}
	return fail(http.StatusForbidden, "Forbidden", "Missing role permissions on the request. API requires one of '%s'.", strings.Join(permissions, ", "))
}

// subscribable is a resource that there can be subscriptions to.
type subscribable struct {
	like        *regexp.Regexp
	permissions []string
	minutes     int
	changes     string
	rich, teams bool
}

const (
	likeID     = `[^/']+`
	likeChange = "created,updated,deleted"
)

// subscribables: the lifetimes and permissions are those of
// https://learn.microsoft.com/graph/api/subscription-post-subscriptions.
var subscribables = []subscribable{
	{regexp.MustCompile(`^chats/getallmessages$`), []string{"Chat.Read.All"}, 4320, likeChange, true, true},
	{regexp.MustCompile(`^teams/getallmessages$`), []string{"ChannelMessage.Read.All"}, 4320, likeChange, true, true},
	{regexp.MustCompile(`^chats/(` + likeID + `)/messages$`), []string{"Chat.Read.All", "ChatMessage.Read.Chat"}, 4320, likeChange, true, true},
	{
		regexp.MustCompile(`^teams/(` + likeID + `)/channels/(` + likeID + `)/messages$`),
		[]string{"ChannelMessage.Read.All", "ChannelMessage.Read.Group"},
		4320, likeChange, true, true,
	},
	{regexp.MustCompile(`^users/(` + likeID + `)/chats/getallmessages$`), []string{"Chat.Read.All", "Chat.ReadWrite.All"}, 4320, likeChange, true, true},
	{regexp.MustCompile(`^users$`), []string{"User.Read.All"}, 41760, "updated,deleted", false, false},
	{regexp.MustCompile(`^users/(` + likeID + `)$`), []string{"User.Read.All"}, 41760, "updated,deleted", false, false},
	{regexp.MustCompile(`^communications/presences/(` + likeID + `)$`), []string{"Presence.Read.All"}, 60, "updated", true, false},
	{regexp.MustCompile(`^communications/presences\?\$filter=id in \(('[^']+'(?:, ?'[^']+')*)\)$`), []string{"Presence.Read.All"}, 60, "updated", true, false},
}

// plain is a resource without what may be written in two ways.
func plain(resource string) string {
	return strings.ToLower(strings.Trim(resource, "/"))
}

// subscribable finds what a resource is.
func (c *call) subscribable(resource string) (*subscribable, *apiError) {
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	for i := range subscribables {
		s := &subscribables[i]
		m := s.like.FindStringSubmatch(plain(resource))
		if m == nil {
			continue
		}
		if e := c.t.granted(s.permissions...); e != nil {
			return nil, e
		}
		if strings.HasPrefix(m[0], "communications/presences?") {
			if n := strings.Count(m[1], "'") / 2; n > maxPresences {
				return nil, invalidRequest("The filter has more than %d ids.", maxPresences)
			}
			return s, nil
		}
		return s, c.t.there(m[0], m[1:])
	}
	return nil, invalidRequest("Resource '%s' is not supported for subscriptions.", resource)
}

// there refuses what does not exist. The caller holds the lock.
func (t *Tenant) there(path string, ids []string) *apiError {
	ok := true
	switch {
	case len(ids) == 0:
	case strings.HasPrefix(path, "chats/"):
		ok = t.chat(ids[0]) != nil
	case strings.HasPrefix(path, "teams/"):
		ok = t.channel(ids[0], ids[1]) != nil
	default:
		_, ok = t.find(ids[0])
	}
	if !ok {
		return fail(http.StatusNotFound, "ResourceNotFound", "The object that is to be subscribed to was not found.")
	}
	return nil
}

func invalidRequest(format string, args ...any) *apiError {
	return fail(http.StatusBadRequest, "InvalidRequest", format, args...)
}

var subscriptionProps = []string{
	"changeType", "notificationUrl", "lifecycleNotificationUrl", "resource", "expirationDateTime", "clientState", "includeResourceData",
	"encryptionCertificate", "encryptionCertificateId", "latestSupportedTlsVersion", "notificationUrlAppId", "notificationQueryOptions",
}

const maxSubscriptionText = 128

func (c *call) createSubscription() *apiError {
	if e := c.options(); e != nil {
		return e
	}
	if e := c.jsonBody(); e != nil {
		return e
	}
	m, e := object(c.body, "microsoft.graph.subscription", subscriptionProps...)
	if e != nil {
		return e
	}
	s := &Subscription{ID: newID(), latestTLS: "v1_2"}
	var expires, certificate string
	for name, v := range map[string]any{
		"changeType": &s.ChangeType, "notificationUrl": &s.NotificationURL, "lifecycleNotificationUrl": &s.LifecycleURL, "resource": &s.Resource,
		"expirationDateTime": &expires, "clientState": &s.ClientState, "includeResourceData": &s.IncludeResourceData,
		"encryptionCertificate": &certificate, "encryptionCertificateId": &s.EncryptionCertificateID, "latestSupportedTlsVersion": &s.latestTLS,
		"notificationUrlAppId": &s.notificationURLAppID,
	} {
		if e := value(m, name, v); e != nil {
			return e
		}
	}
	of, e := c.subscribable(s.Resource)
	if e != nil {
		return e
	}
	if e := c.checkSubscription(s, of, expires, certificate); e != nil {
		return e
	}
	if e := c.t.room(s); e != nil {
		return e
	}
	// Nothing is locked here: the receiver answers while this request waits.
	for _, u := range []string{s.NotificationURL, s.LifecycleURL} {
		if e := c.s.handshake(c.r, u); e != nil {
			return e
		}
	}
	if e := c.t.room(s); e != nil {
		return e
	}
	c.t.mu.Lock()
	s.CreatedAt = c.s.o.Now()
	c.t.subs.list = append(c.t.subs.list, s)
	c.t.subs.asked++
	v := c.t.show(s)
	c.t.mu.Unlock()
	v["@odata.context"] = c.context("subscriptions/$entity")
	writeJSON(c.w, http.StatusCreated, v)
	return nil
}

// checkSubscription refuses what Graph refuses before it asks the URL.
func (c *call) checkSubscription(s *Subscription, of *subscribable, expires, certificate string) *apiError {
	seen := map[string]bool{}
	for change := range strings.SplitSeq(s.ChangeType, ",") {
		if !slices.Contains(strings.Split(of.changes, ","), change) || seen[change] {
			return invalidRequest("The changeType '%s' is not supported for this resource.", s.ChangeType)
		}
		seen[change] = true
	}
	for _, u := range []string{s.NotificationURL, s.LifecycleURL} {
		if e := checkURL(u, u == s.LifecycleURL && u != s.NotificationURL); e != nil {
			return e
		}
	}
	switch {
	case len(s.ClientState) > maxSubscriptionText:
		return invalidRequest("clientState has more than %d characters.", maxSubscriptionText)
	case len(s.EncryptionCertificateID) > maxSubscriptionText:
		return invalidRequest("encryptionCertificateId has more than %d characters.", maxSubscriptionText)
	case s.IncludeResourceData && !of.rich:
		return invalidRequest("Resource data cannot be included for this resource.")
	case s.IncludeResourceData && (certificate == "" || s.EncryptionCertificateID == ""):
		return invalidRequest("encryptionCertificate and encryptionCertificateId are required where includeResourceData is true.")
	}
	if certificate != "" {
		var e *apiError
		if s.Certificate, e = parseCertificate(certificate); e != nil {
			return e
		}
	}
	at, e := c.expiry(expires, of)
	if e != nil {
		return e
	}
	if s.LifecycleURL == "" && of.teams && at.Sub(c.s.o.Now()) > time.Hour {
		return invalidRequest("lifecycleNotificationUrl is a required property for subscription creation on this resource when the expirationDateTime value is more than 1 hour from now.")
	}
	s.ExpiresAt = at
	return nil
}

// expiry reads an expirationDateTime. Short times are raised to 45 minutes.
func (c *call) expiry(text string, of *subscribable) (time.Time, *apiError) {
	at, err := time.Parse(time.RFC3339, text)
	now := c.s.o.Now()
	switch {
	case err != nil:
		return time.Time{}, invalidRequest("expirationDateTime is missing or no date.")
	case !at.After(now):
		return time.Time{}, invalidRequest("Subscription expiration must be in the future.")
	case at.Sub(now) > time.Duration(of.minutes)*time.Minute:
		return time.Time{}, invalidRequest("Subscription expiration can only be %d minutes in the future.", of.minutes)
	}
	if least := now.Add(45 * time.Minute); at.Before(least) {
		at = least
	}
	return at.UTC(), nil
}

// checkURL takes https, and http on loopback, which the real one refuses.
func checkURL(text string, may bool) *apiError {
	if text == "" && may {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" ||
		u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost") {
		return invalidRequest("The notification URL must begin with https.")
	}
	return nil
}

// parseCertificate takes base64 of DER, or of PEM.
func parseCertificate(text string) (*x509.Certificate, *apiError) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, invalidRequest("encryptionCertificate is no base64.")
	}
	if block, _ := pem.Decode(b); block != nil {
		b = block.Bytes
	}
	cert, err := x509.ParseCertificate(b)
	if err != nil {
		return nil, invalidRequest("encryptionCertificate is no certificate.")
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || key.N.BitLen() < 2048 || key.N.BitLen() > 4096 {
		return nil, invalidRequest("encryptionCertificate must have an RSA key of 2048 to 4096 bits.")
	}
	return cert, nil
}

// room refuses what is too much.
func (t *Tenant) room(s *Subscription) *apiError {
	t.mu.Lock()
	defer t.mu.Unlock()
	living := t.living()
	for _, old := range living {
		if plain(old.Resource) != plain(s.Resource) || t.subs.quirks.AllowDuplicates {
			continue
		}
		if t.subs.quirks.Duplicates403 {
			return fail(http.StatusForbidden, "ExtensionError", "Operation: Create; Exception: [Status Code: Forbidden; Reason: Application has reached the limit of 1 subscription for this resource.]")
		}
		return fail(http.StatusConflict, "Conflict", "A subscription already exists for this application and resource.")
	}
	if t.subs.quota > 0 && len(living) >= t.subs.quota {
		return fail(http.StatusForbidden, "Forbidden", "Subscription operation failed because the maximum number of subscriptions (%d) has been reached: quota exceeded.", t.subs.quota)
	}
	return nil
}

// handshake asks a URL to give a token back.
func (s *Server) handshake(r *http.Request, to string) *apiError {
	if to == "" {
		return nil
	}
	token := "Validation: Testing client application reachability for subscription Request-Id: " + newID() + " +&%"
	u, err := url.Parse(to)
	if err != nil {
		return invalidRequest("The notification URL cannot be read.")
	}
	q := "validationToken=" + url.QueryEscape(token)
	if u.RawQuery != "" {
		q = u.RawQuery + "&" + q
	}
	u.RawQuery = q
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, u.String(), http.NoBody)
	if err != nil {
		return invalidRequest("The notification URL cannot be read.")
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	res, err := s.notifier().Do(req)
	if err != nil {
		return invalidRequest("Subscription validation request failed. Notification endpoint could not be reached.")
	}
	defer res.Body.Close() //nolint:errcheck // nothing is written
	var body bytes.Buffer
	if _, err := body.ReadFrom(http.MaxBytesReader(nil, res.Body, 1<<16)); err != nil {
		return invalidRequest("Subscription validation request failed. The answer could not be read.")
	}
	switch {
	case res.StatusCode != http.StatusOK:
		return invalidRequest("Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request.")
	case !strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain"), body.String() != token:
		return invalidRequest("Subscription validation request failed. Must respond with the validation token as text/plain.")
	}
	return nil
}

// handshakeTime is how long a URL may take.
const handshakeTime = 10 * time.Second

// notifier is what asks URLs.
func (s *Server) notifier() *http.Client {
	c := http.Client{}
	if s.o.Notifier != nil {
		c = *s.o.Notifier
	}
	if c.Timeout == 0 {
		c.Timeout = handshakeTime
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}
