package graphfake

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// receiver answers validation handshakes, or as f says.
func receiver(t *testing.T, f http.HandlerFunc) string {
	t.Helper()
	if f == nil {
		f = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, r.URL.Query().Get("validationToken"))
		}
	}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	return srv.URL
}

func written(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

var certificate = sync.OnceValue(func() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{SerialNumber: big.NewInt(1)}, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(der)
})

func TestSubscriptionsAreMadeAndEnd(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 3, 1, 8, 0, 0, 0, time.UTC)
	f := newFixture(t, &Options{Now: func() time.Time { return now }, TokenTTL: 1000 * time.Hour})
	url := receiver(t, nil)
	body := func(change func(m map[string]any)) string {
		m := map[string]any{
			"changeType": "created,updated", "notificationUrl": url + "/n?s=1", "lifecycleNotificationUrl": url + "/l", "resource": "/chats/getAllMessages",
			"expirationDateTime": now.Add(72 * time.Hour).Format(time.RFC3339), "clientState": "secret", "includeResourceData": true,
			"encryptionCertificate": certificate(), "encryptionCertificateId": "one",
		}
		if change != nil {
			change(m)
		}
		return written(t, m)
	}
	set := func(name string, v any) string { return body(func(m map[string]any) { m[name] = v }) }
	drop := func(name string) string { return body(func(m map[string]any) { delete(m, name) }) }
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, bad := range map[string]string{
		"a property that does not exist": set("applicationID", "x"),
		"a resource that is not one":     set("resource", "/me/nothing"),
		"a change that there is not":     set("changeType", "renamed"),
		"a change twice":                 set("changeType", "created,created"),
		"too long a clientState":         set("clientState", strings.Repeat("x", 129)),
		"too long a life":                set("expirationDateTime", now.Add(4321*time.Minute).Format(time.RFC3339)),
		"a time that is over":            set("expirationDateTime", now.Format(time.RFC3339)),
		"no lifecycle URL over an hour":  drop("lifecycleNotificationUrl"),
		"no certificate":                 drop("encryptionCertificate"),
		"a broken certificate":           set("encryptionCertificate", "AAAA"),
		"http elsewhere":                 set("notificationUrl", "http://example.com/"),
		"a URL that does not answer":     set("notificationUrl", closed.URL),
		"a URL that gives HTML": set("notificationUrl", receiver(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, r.URL.Query().Get("validationToken"))
		})),
		"a URL that does not decode": set("lifecycleNotificationUrl", receiver(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, strings.TrimPrefix(r.URL.RawQuery, "validationToken="))
		})),
		"resource data of users": body(func(m map[string]any) { m["resource"], m["changeType"] = "/users", "updated" }),
	} {
		require.Equal(t, 400, f.do(http.MethodPost, "/v1.0/subscriptions", bad).status, name)
	}
	require.Empty(t, f.tenant.Subscriptions())

	made := f.do(http.MethodPost, "/v1.0/subscriptions", body(nil))
	require.Equal(t, 201, made.status)
	require.Nil(t, made.m["clientState"])
	require.Nil(t, made.m["encryptionCertificate"])
	require.Equal(t, 409, f.do(http.MethodPost, "/v1.0/subscriptions", body(nil)).status)
	id, _ := made.m["id"].(string)
	require.Len(t, f.do(http.MethodGet, "/v1.0/subscriptions", "").value(), 1)
	require.Equal(t, 200, f.do(http.MethodGet, "/v1.0/subscriptions/"+id, "").status)
	require.Equal(t, 204, f.do(http.MethodPost, "/v1.0/subscriptions/"+id+"/reauthorize", "").status)
	require.Equal(t, 400, f.do(http.MethodPatch, "/v1.0/subscriptions/"+id, `{"clientState":"other"}`).status)
	require.Equal(t, 400, f.do(http.MethodPatch, "/v1.0/subscriptions/"+id, `{"encryptionCertificateId":"two"}`).status)
	require.Equal(t, 400, f.do(http.MethodPatch, "/v1.0/subscriptions/"+id, `{}`).status)
	now = now.Add(40 * time.Hour)
	later := now.Add(60 * time.Hour)
	require.Equal(t, 200, f.do(http.MethodPatch, "/v1.0/subscriptions/"+id,
		written(t, map[string]any{"expirationDateTime": later.Format(time.RFC3339), "encryptionCertificate": certificate(), "encryptionCertificateId": "two"})).status)
	require.Equal(t, "two", f.tenant.Subscriptions()[0].EncryptionCertificateID)
	require.Equal(t, later, f.tenant.Subscriptions()[0].ExpiresAt)
	now = later
	require.Equal(t, 404, f.do(http.MethodPatch, "/v1.0/subscriptions/"+id, `{"expirationDateTime":"2027-03-06T08:00:00Z"}`).status)
	require.Empty(t, f.tenant.Subscriptions())

	made = f.do(http.MethodPost, "/v1.0/subscriptions", body(nil))
	require.Equal(t, 201, made.status)
	id, _ = made.m["id"].(string)
	require.True(t, f.tenant.RemoveSubscription(id))
	require.Equal(t, 404, f.do(http.MethodDelete, "/v1.0/subscriptions/"+id, "").status)
	f.tenant.Grant("User.Read.All")
	require.Equal(t, 403, f.do(http.MethodPost, "/v1.0/subscriptions", body(nil)).status)
	f.tenant.Grant("Chat.Read.All", "Presence.Read.All")
	f.tenant.SetSubscriptionQuota(1)
	require.Equal(t, 201, f.do(http.MethodPost, "/v1.0/subscriptions", body(nil)).status)
	of := f.tenant.Put(User{DisplayName: "Dana"})
	require.Equal(t, 403, f.do(http.MethodPost, "/v1.0/subscriptions", body(func(m map[string]any) {
		m["resource"], m["changeType"] = "/communications/presences/"+of, "updated"
		m["expirationDateTime"] = now.Add(time.Hour).Format(time.RFC3339)
	})).status)
	for range 40 {
		f.do(http.MethodGet, "/v1.0/subscriptions", "")
	}
	require.Equal(t, 429, f.do(http.MethodGet, "/v1.0/subscriptions", "").status)
}

func TestWhatIsSaidIsListedAndTold(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 3, 1, 8, 0, 0, 0, time.UTC)
	f := newFixture(t, &Options{Now: func() time.Time { return now }, TokenTTL: 1000 * time.Hour})
	ann := f.tenant.Put(User{DisplayName: "Ann"})
	chat := f.tenant.AddChat(ann)
	team, channel := f.tenant.AddTeam()
	var told []Changed
	f.tenant.OnChange(func(c Changed) { told = append(told, c) })
	first := f.tenant.Post(Message{Chat: chat, From: ann, Content: "one"})
	now = now.Add(time.Minute)
	second := f.tenant.Post(Message{Chat: chat, From: ann, Content: "two"})
	top := f.tenant.Post(Message{Team: team, Channel: channel, Content: "top"})
	other := f.tenant.Post(Message{Team: team, Channel: channel, Content: "other"})
	now = now.Add(time.Minute)
	reply := f.tenant.Post(Message{Team: team, Channel: channel, ReplyTo: top.ID, Content: "reply"})
	require.True(t, f.tenant.Edit(first.ID, "one, edited"))
	require.True(t, f.tenant.Erase(second.ID))
	require.False(t, f.tenant.Erase("1"))
	require.Len(t, told, 7)
	require.Equal(t, "teams('"+team+"')/channels('"+channel+"')/messages('"+top.ID+"')/replies('"+reply.ID+"')", told[4].Path)
	require.Equal(t, "deleted", told[6].ChangeType)

	ids := func(path string) []any {
		a := f.do(http.MethodGet, path, "")
		require.Equal(t, 200, a.status, path)
		out := []any{}
		for _, v := range a.value() {
			out = append(out, v["id"])
		}
		return out
	}
	path := "/v1.0/chats/" + chat + "/messages"
	since := "$filter=lastModifiedDateTime%20gt%202027-03-01T08:01:30Z"
	require.Len(t, ids(path+"?$orderby=lastModifiedDateTime%20desc&"+since), 2)
	require.Equal(t, []any{second.ID, first.ID}, ids(path+"?$orderby=createdDateTime%20desc&"+since), "the filter is ignored")
	require.Equal(t, 400, f.do(http.MethodGet, path+"?$orderby=lastModifiedDateTime%20asc", "").status)
	require.Equal(t, 400, f.do(http.MethodGet, path+"?$filter=createdDateTime%20gt%202027-03-01T08:01:30Z", "").status)
	require.Equal(t, 400, f.do(http.MethodGet, path+"?$top=51", "").status)
	require.Equal(t, 404, f.do(http.MethodGet, "/v1.0/chats/19:none@thread.v2/messages", "").status)
	require.Len(t, ids("/v1.0/users/"+ann+"/chats/getAllMessages?"+since), 2)
	require.Equal(t, 200, f.do(http.MethodGet, path+"/"+first.ID, "").status)
	require.Equal(t, 404, f.do(http.MethodGet, path+"/"+top.ID, "").status)

	in := "/v1.0/teams/" + team + "/channels/" + channel + "/messages"
	require.Equal(t, []any{top.ID}, ids(in+"/delta?"+since), "a reply brings its chain")
	page := f.do(http.MethodGet, in+"/delta?$top=1", "")
	require.Equal(t, top.ID, page.value()[0]["id"])
	page = f.do(http.MethodGet, strings.TrimPrefix(page.m["@odata.nextLink"].(string), f.url), "")
	require.Equal(t, other.ID, page.value()[0]["id"])
	require.Equal(t, []any{reply.ID}, ids(in+"/"+top.ID+"/replies"))
	require.Equal(t, 200, f.do(http.MethodGet, in+"/"+top.ID+"/replies/"+reply.ID, "").status)
	f.tenant.Edit(other.ID, "other, edited")
	page = f.do(http.MethodGet, strings.TrimPrefix(page.m["@odata.deltaLink"].(string), f.url), "")
	require.Equal(t, other.ID, page.value()[0]["id"])
	f.tenant.Grant("User.Read.All")
	require.Equal(t, 403, f.do(http.MethodGet, path, "").status)
	require.Equal(t, 403, f.do(http.MethodGet, in+"/delta", "").status)
}
