package changefeed

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mspkit/mspkit/internal/graphx"
)

// remote is a subscription as Graph tells it.
type remote struct {
	ID                      string
	Resource                string
	NotificationURL         string
	ExpirationDateTime      time.Time
	EncryptionCertificateID string
}

func (r *remote) UnmarshalJSON(b []byte) error {
	var v struct {
		ID, Resource, NotificationURL, EncryptionCertificateID graphx.Text
		ExpirationDateTime                                     *time.Time
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*r = remote{ID: v.ID.String(), Resource: v.Resource.String(), NotificationURL: v.NotificationURL.String(), EncryptionCertificateID: v.EncryptionCertificateID.String()}
	if v.ExpirationDateTime != nil {
		r.ExpirationDateTime = stored(*v.ExpirationDateTime)
	}
	return nil
}

// usable reports whether an answer tells of a subscription that delivers.
func (r *remote) usable(now time.Time) bool {
	return subscriptionID(r.ID) && r.ExpirationDateTime.After(now)
}

// subscriptionID reports whether an id can be put into a path.
func subscriptionID(id string) bool {
	return id != "" && len(id) <= 100 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

// sameResource compares resources as Graph may write them: without the slash in front, in another case.
func sameResource(a, b string) bool {
	return strings.EqualFold(strings.TrimPrefix(a, "/"), strings.TrimPrefix(b, "/"))
}

// cutQuery splits a URL in front of its query.
func cutQuery(u string) (base, query string, ok bool) { return strings.Cut(u, "?") }

// create asks Graph for a subscription. What is needed to know it again is stored before.
func (t *turn) create(ctx context.Context) error {
	for again := false; ; again = true {
		err := t.post(ctx)
		if err == nil {
			return nil
		}
		f := faultOf(err, t.r)
		if f == nil {
			return err
		}
		if f.unknown {
			return t.rest(ctx, Failing, f.words, f.wait(t.k.o.Retry)) // with the tag: the list will tell
		}
		t.s.Tag, t.s.Secret, t.s.NextCertificate = "", nil, ""
		if (f.state == Taken || f.state == Full) && !again {
			// What is in the way may be ours, of a time that is forgotten here.
			cleared, err := t.look(ctx)
			if err != nil {
				return err
			}
			if cleared.deleted > 0 {
				continue
			}
			if cleared.others {
				f.state, f.words = Taken, "another tenant of yours follows the same in this Entra tenant: end it there, Graph allows one for each app"
			}
		}
		return t.rest(ctx, f.state, f.words, f.pause(&t.k.o))
	}
}

// post is one try to create. Its error is of Graph, or ends the turn.
func (t *turn) post(ctx context.Context) error {
	k := t.k
	rich := k.o.rich(t.r)
	var certificate, certificateID string
	if rich {
		var err error
		if certificateID, certificate, err = k.half.certificate(ctx); err != nil {
			return t.rest(ctx, Failing, "there is no certificate to subscribe with: look at the log", k.o.Retry)
		}
	}
	state, tag := newClientState()
	t.s.ID, t.s.Tag, t.s.State = "", tag, Asked
	t.s.Secret = k.c.box.Seal([]byte(state), k.place(t.s)...)
	t.s.URL, t.s.Changes, t.s.Certificate, t.s.NextCertificate = t.home, t.changes(), "", certificateID
	t.s.Due = k.now()
	if err := t.save(ctx); err != nil {
		return err
	}
	if err := t.at("stored"); err != nil {
		return err
	}
	at := notificationURL(t.home, tag)
	body := map[string]any{
		"changeType": t.s.Changes, "notificationUrl": at, "lifecycleNotificationUrl": at, "resource": t.r.String(),
		"expirationDateTime": k.now().Add(k.o.lifetime(t.r)).Format(time.RFC3339), "clientState": state,
	}
	if rich {
		body["includeResourceData"], body["encryptionCertificate"], body["encryptionCertificateId"] = true, certificate, certificateID
	}
	var made remote
	err := k.c.graph.Do(ctx, &graphx.Request{Tenant: t.s.Tenant, Workload: subscribing, Method: http.MethodPost, Path: "/subscriptions", Body: body}, &made)
	if err != nil {
		return err
	}
	if err := t.at("made"); err != nil {
		return err
	}
	if !made.usable(k.now()) {
		return &graphx.AnswerError{What: "a new subscription has no id or is over already"}
	}
	t.active(made)
	t.s.MadeAt = t.s.ConfirmedAt
	if err := t.save(ctx); err != nil {
		if errors.Is(err, ErrChanged) {
			t.superseded(ctx, tag, made.ID)
		}
		return err
	}
	return nil
}

// active takes over a subscription that was made, found or renewed.
func (t *turn) active(r remote) {
	now := t.k.now()
	t.s.ID, t.s.ExpiresAt, t.s.ConfirmedAt = r.ID, r.ExpirationDateTime, now
	t.s.Certificate, t.s.NextCertificate = t.s.NextCertificate, ""
	t.s.State, t.s.Fault, t.s.Tries = Active, "", 0
	if !t.s.GapFrom.IsZero() {
		t.s.GapTo = now
	}
}

// superseded is what happens to a subscription of Graph that was made while somebody else took the record, or while it became
// unwanted. As long as the record has the tag, whoever has it now finds the subscription in the list, or has found it. Otherwise
// nobody here knows it and it is deleted; where that fails, the record is in doubt.
func (t *turn) superseded(ctx context.Context, tag, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.k.o.Lease)
	defer cancel()
	_, err := t.k.c.store.ByTag(ctx, tag)
	if err == nil {
		return
	}
	if errors.Is(err, ErrNotFound) {
		err = t.remove(ctx, id)
	}
	if err != nil {
		_ = t.k.c.store.Mark(ctx, t.s.Ref, Doubt, time.Time{}, t.k.now()) // else it ends with its life
	}
}

// remove deletes a subscription of Graph. One that is not there is no error.
func (t *turn) remove(ctx context.Context, id string) error {
	err := t.k.c.graph.Do(ctx, &graphx.Request{Tenant: t.s.Tenant, Workload: subscribing, Method: http.MethodDelete, Path: "/subscriptions/" + id}, nil)
	if errors.Is(err, graphx.ErrNotFound) {
		return nil
	}
	return err
}

// settle finds out what became of a try whose end is not known, or looks for what nobody knows.
func (t *turn) settle(ctx context.Context, doubt bool) error {
	if !doubt && (t.s.ID != "" || t.s.Tag == "") {
		return nil
	}
	if _, err := t.look(ctx); err != nil {
		return err
	}
	if t.s.ID == "" {
		t.s.Tag, t.s.Secret, t.s.NextCertificate = "", nil, ""
		return nil
	}
	return t.save(ctx)
}

// cleared is what a look at the list came to.
type cleared struct {
	deleted int
	others  bool // subscriptions to the resource that belong to other records here
}

// look lists the subscriptions of the app, takes the one over that this record asked for, and deletes others to the same
// resource and URL that no record knows. An error ends the turn.
func (t *turn) look(ctx context.Context) (cleared, error) {
	var out cleared
	var extra []remote
	for r, err := range graphx.ListOf[remote](ctx, t.k.c.graph, &graphx.Request{Tenant: t.s.Tenant, Workload: subscribing, Path: "/subscriptions"}) {
		if err != nil {
			return out, t.fault(ctx, err)
		}
		tag, ok := t.ours(r.NotificationURL)
		switch {
		case !ok || !sameResource(r.Resource, t.r.String()) || !subscriptionID(r.ID) || r.ID == t.s.ID:
		case t.s.ID == "" && t.s.Tag != "" && tag == t.s.Tag && r.usable(t.k.now()):
			t.active(r)
			if r.EncryptionCertificateID != "" {
				t.s.Certificate = r.EncryptionCertificateID
			}
			if t.s.MadeAt.IsZero() {
				t.s.MadeAt = t.s.ConfirmedAt
			}
		default:
			extra = append(extra, r)
		}
	}
	for _, r := range extra {
		tag, _ := t.ours(r.NotificationURL)
		if tag != "" {
			other, err := t.k.c.store.ByTag(ctx, tag)
			switch {
			case err == nil && other.Ref != t.s.Ref:
				out.others = true
				continue
			case err != nil && !errors.Is(err, ErrNotFound):
				return out, t.failed(err)
			}
		}
		if err := t.remove(ctx, r.ID); err != nil {
			return out, t.fault(ctx, err)
		}
		t.k.half.forget(r.ID)
		out.deleted++
	}
	return out, nil
}

// ours returns the tag in a notification URL, where that is the feed's, or was when the record was last asked for.
func (t *turn) ours(notificationURL string) (tag string, ok bool) {
	base, query, _ := cutQuery(notificationURL)
	if !strings.EqualFold(base, t.home) && (t.s.URL == "" || !strings.EqualFold(base, t.s.URL)) {
		return "", false
	}
	q, err := url.ParseQuery(query)
	return q.Get(tagParameter), err == nil
}

// fault ends the turn because of an error of Graph.
func (t *turn) fault(ctx context.Context, err error) error {
	f := faultOf(err, t.r)
	if f == nil {
		return err
	}
	return t.rest(ctx, f.state, f.words, f.pause(&t.k.o))
}

// replace deletes a subscription that is of another URL or of other changes, or whose clientState cannot be read any more; Graph takes no second one beside it.
func (t *turn) replace(ctx context.Context) error {
	if err := t.remove(ctx, t.s.ID); err != nil {
		return t.fault(ctx, err)
	}
	t.s.ConfirmedAt = t.k.now() // until now it delivered
	t.lose()
	return nil
}

// renew prolongs a subscription that has lived long enough, gives it the newest certificate, or does so because Graph asks. One that is gone is lost.
func (t *turn) renew(ctx context.Context, asked bool) error {
	k := t.k
	now := k.now()
	old := now.Sub(t.s.ConfirmedAt) >= t.s.ExpiresAt.Sub(t.s.ConfirmedAt)*2/5
	body := map[string]any{"expirationDateTime": now.Add(k.o.lifetime(t.r)).Format(time.RFC3339)}
	if k.o.rich(t.r) {
		id, certificate, err := k.half.certificate(ctx)
		if err != nil {
			return t.rest(ctx, Failing, "there is no certificate to subscribe with: look at the log", k.o.Retry)
		}
		if id != t.s.Certificate {
			asked = true
			body["encryptionCertificate"], body["encryptionCertificateId"] = certificate, id
			t.s.NextCertificate = id
		}
	}
	if !asked && !old && t.s.State == Active {
		return nil
	}
	if t.s.NextCertificate == "" {
		t.s.NextCertificate = t.s.Certificate
	}
	t.s.Secret = t.rewrapped()
	if err := t.save(ctx); err != nil { // the certificate is in use from here on
		return err
	}
	var r remote
	err := k.c.graph.Do(ctx, &graphx.Request{
		Tenant: t.s.Tenant, Workload: subscribing, Method: http.MethodPatch, Path: "/subscriptions/" + t.s.ID, Body: body, Idempotent: true,
	}, &r)
	switch {
	case errors.Is(err, graphx.ErrNotFound):
		t.lose()
		return nil
	case err != nil:
		return t.fault(ctx, err)
	}
	r.ID = t.s.ID
	if !r.usable(now) {
		return t.fault(ctx, &graphx.AnswerError{What: "a renewed subscription is over already"})
	}
	t.active(r)
	return t.save(ctx)
}

// rewrapped is the clientState under the newest key of the ring.
func (t *turn) rewrapped() []byte {
	if b, _, err := t.k.c.box.Rewrap(t.s.Secret, t.k.place(t.s)...); err == nil {
		return b
	}
	return t.s.Secret // known will say so
}

// leave deletes a subscription that is not wanted any more, and the record.
func (t *turn) leave(ctx context.Context) error {
	if t.s.ID == "" && t.s.Tag != "" {
		if _, err := t.look(ctx); err != nil {
			return err
		}
	}
	if t.s.ID != "" && t.k.now().Before(t.s.ExpiresAt) {
		if err := t.remove(ctx, t.s.ID); err != nil {
			// Without consent nobody can delete it; it ends by itself, and what it brings is not known any more.
			if f := faultOf(err, t.r); f == nil || f.state == Failing {
				return t.fault(ctx, err)
			}
		}
	}
	t.k.half.forget(t.s.ID)
	if err := t.k.c.store.Delete(ctx, t.s); err != nil {
		return t.failed(err)
	}
	return errEnough
}
