package graphfake

import (
	"crypto/x509"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// show is a subscription as Graph answers it: never with the certificate. The caller holds the lock.
func (t *Tenant) show(s *Subscription) map[string]any {
	v := map[string]any{
		"id": s.ID, "resource": s.Resource, "applicationId": "00000000-0000-0000-0000-000000000000", "changeType": s.ChangeType, "clientState": nil,
		"notificationUrl": s.NotificationURL, "lifecycleNotificationUrl": null(s.LifecycleURL), "expirationDateTime": s.ExpiresAt.UTC().Format(time.RFC3339Nano),
		"creatorId": "00000000-0000-0000-0000-000000000001", "latestSupportedTlsVersion": s.latestTLS, "encryptionCertificate": nil,
		"encryptionCertificateId": null(s.EncryptionCertificateID), "includeResourceData": s.IncludeResourceData, "notificationQueryOptions": nil,
		"notificationUrlAppId": null(s.notificationURLAppID),
	}
	if t.subs.quirks.ShowClientState {
		v["clientState"] = s.ClientState
	}
	if t.subs.quirks.BareResource {
		v["resource"] = strings.TrimPrefix(s.Resource, "/")
	}
	return v
}

// The list is throttled harder than the rest: 40 in 20 seconds for each application and tenant.
const (
	maxLists  = 40
	listsTime = 20 * time.Second
)

func (c *call) listSubscriptions() *apiError {
	if e := c.options("$skiptoken"); e != nil {
		return e
	}
	c.t.mu.Lock()
	now := c.s.o.Now()
	c.t.subs.lists = slices.DeleteFunc(c.t.subs.lists, func(at time.Time) bool { return now.Sub(at) >= listsTime })
	if len(c.t.subs.lists) >= maxLists {
		c.t.mu.Unlock()
		e := fail(http.StatusTooManyRequests, "TooManyRequests", "Too many lists of subscriptions.")
		e.header = map[string]string{"Retry-After": "20"}
		return e
	}
	c.t.subs.lists = append(c.t.subs.lists, now)
	items := []map[string]any{}
	for _, s := range c.t.living() {
		items = append(items, c.t.show(s))
	}
	c.t.mu.Unlock()
	return c.collection("subscriptions", nil, items, min(c.s.o.PageSize, c.s.o.MaxPageSize))
}

// subscription finds the one of the path. The caller holds the lock.
func (c *call) subscription() (*Subscription, *apiError) {
	for _, s := range c.t.living() {
		if strings.EqualFold(s.ID, c.r.PathValue("id")) {
			return s, nil
		}
	}
	return nil, fail(http.StatusNotFound, "ResourceNotFound", "The object was not found.")
}

func (c *call) getSubscription() *apiError {
	if e := c.options(); e != nil {
		return e
	}
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	s, e := c.subscription()
	if e != nil {
		return e
	}
	v := c.t.show(s)
	v["@odata.context"] = c.context("subscriptions/$entity")
	return c.ok(v)
}

func (c *call) patchSubscription() *apiError {
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
	for name := range m {
		if !slices.Contains([]string{"expirationDateTime", "notificationUrl", "encryptionCertificate", "encryptionCertificateId"}, name) {
			return invalidRequest("The property '%s' cannot be changed.", name)
		}
	}
	c.t.mu.Lock()
	s, e := c.subscription()
	var resource, notification string
	if e == nil {
		resource, notification = s.Resource, s.NotificationURL
	}
	c.t.mu.Unlock()
	if e != nil {
		return e
	}
	of, e := c.subscribable(resource)
	if e != nil {
		return e
	}
	p, e := c.patch(m, of)
	if e != nil {
		return e
	}
	if p.to != "" && p.to != notification {
		if e := c.s.handshake(c.r, p.to); e != nil {
			return e
		}
	}
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	if s, e = c.subscription(); e != nil {
		return e
	}
	if p.to != "" {
		s.NotificationURL = p.to
	}
	if !p.at.IsZero() {
		s.ExpiresAt = p.at
	}
	if p.cert != nil {
		s.Certificate, s.EncryptionCertificateID = p.cert, p.id
	}
	v := c.t.show(s)
	v["@odata.context"] = c.context("subscriptions/$entity")
	return c.ok(v)
}

// patch is what a PATCH changes.
type patch struct {
	to   string
	at   time.Time
	cert *x509.Certificate
	id   string
}

func (c *call) patch(m map[string]json.RawMessage, of *subscribable) (p patch, e *apiError) {
	var expires, certificate string
	for name, v := range map[string]any{
		"notificationUrl": &p.to, "expirationDateTime": &expires, "encryptionCertificate": &certificate, "encryptionCertificateId": &p.id,
	} {
		if e := value(m, name, v); e != nil {
			return p, e
		}
	}
	if p.to != "" {
		if e := checkURL(p.to, false); e != nil {
			return p, e
		}
	}
	if expires != "" {
		if p.at, e = c.expiry(expires, of); e != nil {
			return p, e
		}
	}
	switch {
	case len(m) == 0:
		e = invalidRequest("The request changes nothing.")
	case (certificate == "") != (p.id == ""):
		e = invalidRequest("encryptionCertificate and encryptionCertificateId belong together.")
	case certificate != "":
		p.cert, e = parseCertificate(certificate)
	}
	return p, e
}

func (c *call) deleteSubscription() *apiError {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	s, e := c.subscription()
	if e != nil {
		return e
	}
	c.t.subs.list = slices.DeleteFunc(c.t.subs.list, func(o *Subscription) bool { return o == s })
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) reauthorize() *apiError {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	if _, e := c.subscription(); e != nil {
		return e
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
