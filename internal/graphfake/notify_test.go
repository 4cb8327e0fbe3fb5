package graphfake

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// inbox takes notifications as long as it is told to.
type inbox struct {
	mu     sync.Mutex
	status int
	bodies []map[string]any
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if token := r.URL.Query().Get("validationToken"); token != "" {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, token)
		return
	}
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.status/100 == 2 {
		i.bodies = append(i.bodies, body)
	}
	w.WriteHeader(i.status)
}

func (i *inbox) set(status int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.status = status
}

func (i *inbox) items() (n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, b := range i.bodies {
		n += len(b["value"].([]any))
	}
	return n
}

func TestNotificationsAreRepeatedUntilTheyAreAccepted(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 3, 1, 8, 0, 0, 0, time.UTC)
	f := newFixture(t, &Options{Now: func() time.Time { return now }, TokenTTL: 1000 * time.Hour})
	in := &inbox{status: 503}
	url := receiver(t, in.ServeHTTP)
	made := f.do(http.MethodPost, "/v1.0/subscriptions", written(t, map[string]any{
		"changeType": "created", "notificationUrl": url, "lifecycleNotificationUrl": url, "resource": "/chats/getAllMessages", "clientState": "secret",
		"expirationDateTime": now.Add(72 * time.Hour).Format(time.RFC3339), "includeResourceData": true, "encryptionCertificate": certificate(), "encryptionCertificateId": "one",
	}))
	require.Equal(t, 201, made.status)
	ann := f.tenant.Put(User{DisplayName: "Ann"})
	chat := f.tenant.AddChat(ann)
	n := f.s.NewNotifier(NotifierOptions{App: "app", Batch: 2, Twice: true, Shuffle: true})
	n.Follow(f.tenant)
	for range 3 {
		f.tenant.Post(Message{Chat: chat, From: ann, Content: "hello"})
	}
	n.Add(f.tenant.Lifecycle(f.tenant.Subscriptions()[0], "missed"))
	require.Equal(t, 8, n.Flush(t.Context()))
	in.set(202)
	require.Equal(t, 8, n.Flush(t.Context()), "it is repeated at once")
	now = now.Add(time.Second)
	require.Zero(t, n.Flush(t.Context()))
	require.Equal(t, 8, in.items())
	for _, b := range in.bodies {
		require.LessOrEqual(t, len(b["value"].([]any)), 2)
	}
	// What is never accepted is lost after 4 hours.
	in.set(500)
	f.tenant.Post(Message{Chat: chat, From: ann, Content: "lost"})
	for range 20 {
		n.Flush(t.Context())
		now = now.Add(time.Hour)
	}
	waiting, lost := n.Waiting()
	require.Zero(t, waiting)
	require.Equal(t, 2, lost)

	// By itself, it sends as soon as there is something.
	in.set(202)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- n.Run(ctx) }()
	f.tenant.Post(Message{Chat: chat, From: ann, Content: "again"})
	require.Eventually(t, func() bool { return in.items() == 10 }, 5*time.Second, time.Millisecond)
	cancel()
	require.NoError(t, <-done)
}

func TestKeysOfNotificationsArePublished(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, path := range []string{"/common/.well-known/openid-configuration", "/" + f.tenant.ID + "/.well-known/openid-configuration"} {
		a := f.do(http.MethodGet, path, "")
		require.Equal(t, 200, a.status)
		require.Contains(t, a.m["issuer"], "https://sts.windows.net/")
		keys := f.do(http.MethodGet, a.m["jwks_uri"].(string)[len(f.url):], "")
		require.Len(t, keys.m["keys"], 1)
	}
	require.Equal(t, 400, f.do(http.MethodGet, "/nobody/.well-known/openid-configuration", "").status)
}
