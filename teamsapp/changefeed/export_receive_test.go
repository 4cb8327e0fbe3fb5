package changefeed

import (
	"context"
	"crypto"
	"encoding/json"
	"time"

	"github.com/mspkit/mspkit/internal/jwks"
)

// What tests of the receiving half look at.

func PlainText(s string) string { return plainText(s) }

// ParsePath returns the one spelling of a path, where Graph has it, and its stream.
func ParsePath(s string) (canonical, url, stream string, ok bool) {
	t, ok := parsePath(s)
	if !ok {
		return "", "", "", false
	}
	return t.String(), t.url(), t.stream(), true
}

// ParseBody reads what a POST has and returns how many of its items can be used.
func ParseBody(body []byte) int {
	b, err := parseCollection(body)
	if err != nil {
		return -1
	}
	n := 0
	for _, raw := range b.Value {
		if x, ok := parseNotification(raw); ok {
			n++
			parsePath(x.Resource)
			dataVersion(x.Data)
		}
	}
	sorted(b.Tokens)
	return n
}

// Decrypt opens the encryptedContent of a notification.
func Decrypt(key crypto.Decrypter, content []byte, limit int) ([]byte, error) {
	var e encrypted
	if err := json.Unmarshal(content, &e); err != nil {
		return nil, err
	}
	return decrypt(key, &e, limit)
}

// JudgeTokens judges tokens as they come with notifications.
func JudgeTokens(keys *jwks.Set, app, tenant string, now func() time.Time) func(ctx context.Context, tokens ...string) error {
	j := &tokenJudge{keys: keys, audiences: []string{app}, publisher: DefaultPublisher, issuers: []string{"https://sts.windows.net/{tenant}/"}, now: now}
	return func(ctx context.Context, tokens ...string) error { return j.judge(ctx, tokens, tenant, now()) }
}

// ReadMessage reads a message at a path and returns its text and the id of its event.
func ReadMessage(raw []byte, path string) (text, event string, ok bool) {
	t, ok := parsePath(path)
	if !ok {
		return "", "", false
	}
	m, err := readMessage(raw, t)
	if err != nil {
		return "", "", false
	}
	return m.message(t).Text, eventID("contoso", t.String(), m.change(""), m.version(raw)), true
}

// CheckFIPS is what New checks where FIPS 140 is enforced.
func CheckFIPS(enforced bool, basic ...Kind) error {
	return (&KeepOptions{Basic: basic}).fips(enforced)
}
