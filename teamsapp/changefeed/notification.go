package changefeed

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/mspkit/mspkit/entra/azurecred"
)

// Sizes of what comes. Real tokens have about 1.5 KiB, and there is one for each app and tenant in a batch.
const (
	maxToken         = 16 << 10
	maxTokens        = 512
	maxTokensOfItem  = 8
	maxID            = 128
	maxClientState   = 128
	maxCertificateID = 128
	// leastItem is less than any notification and any token has: a body has at most so many as fit, and a few more.
	leastItem, fewItems = 200, 64
	maxMembers          = 32
)

// collection is the body of a POST of Graph
// (https://learn.microsoft.com/graph/api/resources/changenotificationcollection).
type collection struct {
	Value  []json.RawMessage
	Tokens []string
}

// notification is one item of a batch (https://learn.microsoft.com/graph/api/resources/changenotification).
type notification struct {
	SubscriptionID string          `json:"subscriptionId"`
	ClientState    string          `json:"clientState"`
	Change         Change          `json:"changeType"`
	TenantID       string          `json:"tenantId"`
	Resource       string          `json:"resource"`
	Data           json.RawMessage `json:"resourceData"`
	Encrypted      *encrypted      `json:"encryptedContent"`
	Lifecycle      lifecycleEvent  `json:"lifecycleEvent"`
}

// encrypted is what changed, for the holder of the private key only
// (https://learn.microsoft.com/graph/api/resources/changenotificationencryptedcontent).
type encrypted struct {
	Data          string `json:"data"`
	Signature     string `json:"dataSignature"`
	Key           string `json:"dataKey"`
	CertificateID string `json:"encryptionCertificateId"`
}

var errNotNotifications = errors.New("not a collection of notifications")

// parseCollection reads the body of a POST. It is not known yet whether Graph sent it, and each item costs memory and time,
// so it stops where there are more than Graph could have put into so many bytes.
func parseCollection(body []byte) (collection, error) {
	var b collection
	dec := json.NewDecoder(bytes.NewReader(body))
	most := len(body)/leastItem + fewItems
	if !delim(dec, '{') {
		return collection{}, errNotNotifications // an error of the decoder quotes the body
	}
	for members := 0; dec.More(); members++ {
		name, err := dec.Token()
		if err != nil || members == maxMembers {
			return collection{}, errNotNotifications
		}
		switch {
		case name == "value" && b.Value == nil:
			b.Value, err = list[json.RawMessage](dec, most)
		case name == "validationTokens" && b.Tokens == nil:
			b.Tokens, err = list[string](dec, most)
		default:
			err = dec.Decode(&skipped{})
		}
		if err != nil {
			return collection{}, errNotNotifications
		}
	}
	if _, err := dec.Token(); err != nil || len(b.Value) == 0 {
		return collection{}, errNotNotifications
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return collection{}, errNotNotifications
	}
	return b, nil
}

func delim(dec *json.Decoder, want json.Delim) bool {
	t, err := dec.Token()
	return err == nil && t == want
}

// list reads an array of at most so many; null is an empty one.
func list[T any](dec *json.Decoder, most int) ([]T, error) {
	out := []T{}
	switch t, err := dec.Token(); {
	case err == nil && t == nil:
		return out, nil
	case err != nil || t != json.Delim('['):
		return nil, errNotNotifications
	}
	for dec.More() {
		var v T
		if err := dec.Decode(&v); err != nil || len(out) == most {
			return nil, errNotNotifications
		}
		out = append(out, v)
	}
	_, err := dec.Token()
	return out, err
}

// skipped is a value that is not kept.
type skipped struct{}

// UnmarshalJSON implements [json.Unmarshaler].
func (*skipped) UnmarshalJSON([]byte) error { return nil }

// parseNotification reads one item. What it returns has an id of a tenant in lower case, one of the changes or a lifecycle
// event, and a resource, which nobody has looked into.
func parseNotification(raw []byte) (notification, bool) {
	var n notification
	if json.Unmarshal(raw, &n) != nil {
		return notification{}, false
	}
	id, err := azurecred.CanonicalID(n.TenantID)
	if err != nil || n.SubscriptionID == "" || len(n.SubscriptionID) > maxID || len(n.ClientState) > maxClientState || len(n.Resource) > maxPath {
		return notification{}, false
	}
	n.TenantID = id
	if n.Lifecycle != "" {
		_, known := lifecycleEvery[n.Lifecycle]
		return n, known
	}
	switch n.Change = Change(strings.ToLower(string(n.Change))); n.Change {
	case Created, Updated, Deleted:
	default:
		return notification{}, false
	}
	if e := n.Encrypted; e != nil && len(e.CertificateID) > maxCertificateID {
		return notification{}, false
	}
	return n, n.Resource != ""
}

// sorted returns the tokens of a batch by the tenant that each names. They are not judged yet: what is sorted here is kept
// with the items of that tenant, and judged with them.
func sorted(tokens []string) map[string][]string {
	out := map[string][]string{}
	for i, t := range tokens {
		if i == maxTokens {
			break
		}
		if tenant, ok := tokenTenant(t); ok && len(out[tenant]) < maxTokensOfItem {
			out[tenant] = append(out[tenant], t)
		}
	}
	return out
}

// tokenTenant returns the tenant that a token says it is from.
func tokenTenant(token string) (string, bool) {
	if len(token) > maxToken {
		return "", false
	}
	_, rest, _ := strings.Cut(token, ".")
	payload, _, ok := strings.Cut(rest, ".")
	if !ok {
		return "", false
	}
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return "", false
	}
	var c struct {
		Tenant string `json:"tid"`
	}
	if json.Unmarshal(raw, &c) != nil {
		return "", false
	}
	id, err := azurecred.CanonicalID(c.Tenant)
	return id, err == nil
}
