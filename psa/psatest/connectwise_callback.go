package psatest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
)

func (f *connectWise) addCallback(w http.ResponseWriter, r *http.Request) {
	var in map[string]any
	err := json.NewDecoder(r.Body).Decode(&in)
	if _, isBool := in["inactiveFlag"].(bool); err != nil || in["url"] == nil || in["level"] == "owner" && in["objectId"] != float64(1) || !isBool {
		f.invalid(w, "MissingRequiredField", "objectId")
		return
	}
	id := f.desk.NextID()
	in["id"] = cwNumber(id)
	f.mu.Lock()
	f.callbacks[id] = in
	f.mu.Unlock()
	f.reply(w, http.StatusCreated, in)
}

// ConnectWiseEvent is what [Server.ConnectWiseCallback] tells.
type ConnectWiseEvent struct {
	// RecordID is the record's id, Type "ticket" and the like, Action "added", "updated" or "deleted".
	RecordID     int
	Type, Action string
	// Entity is the record, as JSON in a string. Empty is "null".
	Entity string
	// KeyURL is where the key is said to be. Empty is the server's own.
	KeyURL string
	// SigningKey signs. Empty is [ConnectWiseSigningKey].
	SigningKey string
}

// ConnectWiseRequest makes the call that ConnectWise makes for an event: a POST to callbackURL, with the id and the action
// appended to it as they are, signed by the key that is at KeyURL.
func (s *Server) ConnectWiseRequest(ctx context.Context, callbackURL string, e ConnectWiseEvent) (*http.Request, error) {
	if e.KeyURL == "" {
		e.KeyURL = s.URL + "/keys/current"
	}
	if e.Entity == "" {
		e.Entity = "null"
	}
	if e.SigningKey == "" {
		e.SigningKey = ConnectWiseSigningKey
	}
	body, err := json.Marshal(map[string]any{
		"ID": e.RecordID, "Action": e.Action, "Type": e.Type, "Entity": e.Entity, "Metadata": map[string]string{"key_url": e.KeyURL},
	})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("%s%d&action=%s", callbackURL, e.RecordID, e.Action), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Content-Signature", SignConnectWise(e.SigningKey, body))
	return r, nil
}

// SignConnectWise returns the signature of a callback's body: HMAC-SHA256 under the SHA-256 of the signing key, in base64.
func SignConnectWise(signingKey string, body []byte) string {
	key := sha256.Sum256([]byte(signingKey))
	m := hmac.New(sha256.New, key[:])
	m.Write(body)
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// ConnectWiseCallback makes that call with client and returns its status.
func (s *Server) ConnectWiseCallback(ctx context.Context, client *http.Client, callbackURL string, e ConnectWiseEvent) (status int, err error) {
	r, err := s.ConnectWiseRequest(ctx, callbackURL, e)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// CloudflareTooMany is a fault for [Desk.SetFault]: 429 from what stands in front of ConnectWise, with a page instead of
// JSON and without Retry-After.
func CloudflareTooMany() Fault {
	return Fault{Status: http.StatusTooManyRequests, Header: map[string]string{"Content-Type": "text/html"}, Body: "<html><title>Error 1015: You are being rate limited</title></html>"}
}
