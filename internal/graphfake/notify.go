package graphfake

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // Graph wraps keys by OAEP with SHA-1
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Publisher is the application by which Graph sends notifications.
const Publisher = "0bf30f3b-4a52-48df-9a82-234910c4a086"

// signingKeys are what notifications are signed with, which are made once: the first is published, the second is not.
var signingKeys = sync.OnceValue(func() [2]*rsa.PrivateKey {
	var keys [2]*rsa.PrivateKey
	for i := range keys {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[i] = k
	}
	return keys
})

const signingKeyID = "fake-notifications-1"

// Notice is one notification on its way. What is changed in it is sent as it is: a forgery, or what a defect would send.
type Notice struct {
	// To is the URL that it goes to.
	To string
	// Item is what is in "value".
	Item map[string]any
	// Tenant is whose token goes with it, App for whom that is. An empty Tenant sends none.
	Tenant, App string
	// Claims changes the claims of that token, where it is not nil.
	Claims func(claims map[string]any)
	// ForeignKey signs the token with a key that is not published, under the name of one that is.
	ForeignKey bool
}

// Clone returns a copy that can be changed.
func (n Notice) Clone() Notice {
	n.Item = maps.Clone(n.Item)
	for _, name := range []string{"encryptedContent", "resourceData"} {
		if m, ok := n.Item[name].(map[string]any); ok {
			n.Item[name] = maps.Clone(m)
		}
	}
	return n
}

// Notices returns a notification of a change for each subscription that wants to know, for the application app.
func (s *Server) Notices(c Changed, app string) []Notice {
	out := make([]Notice, 0, len(c.Subscriptions))
	for _, sub := range c.Subscriptions {
		out = append(out, s.notice(c, sub, app))
	}
	return out
}

func (s *Server) notice(c Changed, sub Subscription, app string) Notice {
	n := Notice{To: sub.NotificationURL, App: app, Item: map[string]any{
		"subscriptionId": sub.ID, "subscriptionExpirationDateTime": sub.ExpiresAt.UTC().Format(time.RFC3339Nano), "clientState": sub.ClientState,
		"changeType": c.ChangeType, "resource": c.Path, "tenantId": c.Tenant.ID,
	}}
	data := map[string]any{"@odata.type": c.ODataType, "@odata.id": c.Path, "id": c.Object["id"]}
	n.Item["resourceData"] = data
	switch {
	case sub.IncludeResourceData && sub.Certificate != nil:
		n.Tenant = c.Tenant.ID
		raw, err := json.Marshal(c.Object)
		if err != nil {
			panic(err)
		}
		n.Item["encryptedContent"] = Encrypt(raw, sub.Certificate, sub.EncryptionCertificateID)
	case strings.HasSuffix(c.ODataType, "presence"):
		data["availability"], data["activity"] = c.Object["availability"], c.Object["activity"]
	case strings.HasSuffix(c.ODataType, "User"):
		s.mu.Lock()
		s.sequence++
		data["organizationId"], data["sequenceNumber"] = c.Tenant.ID, s.sequence
		s.mu.Unlock()
	}
	return n
}

// Lifecycle returns what Graph says of a subscription: reauthorizationRequired, subscriptionRemoved or missed.
func (t *Tenant) Lifecycle(sub Subscription, event string) Notice {
	return Notice{To: sub.LifecycleURL, Item: map[string]any{
		"subscriptionId": sub.ID, "subscriptionExpirationDateTime": sub.ExpiresAt.UTC().Format(time.RFC3339Nano), "clientState": sub.ClientState,
		"tenantId": t.ID, "lifecycleEvent": event,
	}}
}

// Encrypt returns the encryptedContent of a notification: a key of its own, wrapped by RSA-OAEP with SHA-1, AES-CBC, and an HMAC of
// what that gave.
func Encrypt(raw []byte, cert *x509.Certificate, id string) map[string]any {
	public, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		panic("graphfake: the certificate has no RSA key")
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	wrapped, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, public, key, nil) //nolint:gosec // as Graph does
	if err != nil {
		panic(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	pad := aes.BlockSize - len(raw)%aes.BlockSize
	data := append(bytes.Clone(raw), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, key[:aes.BlockSize]).CryptBlocks(data, data)
	mac := hmac.New(sha256.New, key)
	mac.Write(data)
	thumb := sha1.Sum(cert.Raw) //nolint:gosec // a name
	b64 := base64.StdEncoding.EncodeToString
	return map[string]any{
		"data": b64(data), "dataKey": b64(wrapped), "dataSignature": b64(mac.Sum(nil)),
		"encryptionCertificateId": id, "encryptionCertificateThumbprint": strings.ToUpper(hex.EncodeToString(thumb[:])),
	}
}

// Batch returns the body of a POST with notices, whoever they are for, and one token for each application and tenant among them
// whose notices have changed nothing in it, and one more for each that has.
func (s *Server) Batch(notices ...Notice) []byte {
	value := make([]map[string]any, 0, len(notices))
	tokens, seen := []string{}, map[string]bool{}
	for _, n := range notices {
		value = append(value, n.Item)
		if n.Tenant == "" {
			continue
		}
		plain := n.Claims == nil && !n.ForeignKey
		if plain && seen[n.App+n.Tenant] {
			continue
		}
		seen[n.App+n.Tenant] = seen[n.App+n.Tenant] || plain
		tokens = append(tokens, s.notificationToken(n))
	}
	body := map[string]any{"value": value}
	if len(tokens) > 0 {
		body["validationTokens"] = tokens
	}
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return raw
}

// notificationToken is a token of Entra as it goes with notifications.
func (s *Server) notificationToken(n Notice) string {
	now := s.o.Now().UTC()
	claims := map[string]any{
		"aud": n.App, "iss": "https://sts.windows.net/" + n.Tenant + "/", "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"appid": Publisher, "appidacr": "2", "idp": "https://sts.windows.net/" + n.Tenant + "/", "tid": n.Tenant, "ver": "1.0", "uti": randomToken(""),
	}
	if n.Claims != nil {
		n.Claims(claims)
	}
	key := signingKeys()[0]
	if n.ForeignKey {
		key = signingKeys()[1]
	}
	raw, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64([]byte(`{"typ":"JWT","alg":"RS256","kid":"`+signingKeyID+`"}`)) + "." + b64(raw)
	sum := sha256.Sum256([]byte(signed))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return signed + "." + b64(sig)
}

// Send posts notices to the URL of the first, once, and returns the status.
func (s *Server) Send(ctx context.Context, notices ...Notice) (int, error) {
	if len(notices) == 0 {
		return 0, fmt.Errorf("graphfake: nothing to send")
	}
	return s.SendRaw(ctx, notices[0].To, s.Batch(notices...))
}

// SendRaw posts a body, such as one that was sent before.
func (s *Server) SendRaw(ctx context.Context, to string, body []byte) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	res, err := s.notifier().Do(req)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<16))
	return res.StatusCode, res.Body.Close()
}

// tokenKeys is the published half of what notifications are signed with.
func (s *Server) tokenKeys(w http.ResponseWriter, _ *http.Request) {
	public := signingKeys()[0].PublicKey
	b64 := base64.RawURLEncoding.EncodeToString
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	writeBody(w, http.StatusOK, map[string]any{"keys": []map[string]any{{
		"kty": "RSA", "use": "sig", "kid": signingKeyID, "x5t": signingKeyID, "n": b64(public.N.Bytes()), "e": b64(big.NewInt(int64(public.E)).Bytes()),
	}}})
}

// tokenMetadata is what Entra says of the tokens of its first version, for all tenants or one.
func (s *Server) tokenMetadata(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("tenant")
	issuer := "https://sts.windows.net/{tenantid}/"
	if name != "common" {
		t := s.find(name)
		if t == nil {
			s.tokenError(w, 90002)
			return
		}
		name, issuer = t.ID, "https://sts.windows.net/"+t.ID+"/"
	}
	base := s.base(r) + "/" + name
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	writeBody(w, http.StatusOK, map[string]any{
		"issuer": issuer, "token_endpoint": base + "/oauth2/token", "authorization_endpoint": base + "/oauth2/authorize",
		"jwks_uri": base + "/discovery/keys", "id_token_signing_alg_values_supported": []string{"RS256"},
	})
}
