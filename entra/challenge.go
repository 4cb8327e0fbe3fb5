package entra

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
)

// ClaimsChallenge finds in the headers of an API's answer the claims that the person must prove, for [SSO.Challenge]: those of a
// WWW-Authenticate of the scheme Bearer with the error insufficient_claims. ok is false where there is none that can be read
// (https://learn.microsoft.com/entra/identity-platform/claims-challenge).
func ClaimsChallenge(h http.Header) (claims string, ok bool) {
	for _, line := range h.Values("WWW-Authenticate") {
		if len(line) > maxChallenge {
			continue
		}
		scheme, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			continue
		}
		params := authParams(rest)
		if params["error"] != "insufficient_claims" {
			continue
		}
		if claims, ok := decodeClaims(params["claims"]); ok {
			return claims, true
		}
	}
	return "", false
}

// maxChallenge is in bytes.
const maxChallenge = 8 << 10

// decodeClaims reads claims in whichever alphabet of base64, with padding or without.
func decodeClaims(text string) (string, bool) {
	text = strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(text), "=")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	var object map[string]json.RawMessage
	if err != nil || len(raw) > maxFlowData || json.Unmarshal(raw, &object) != nil || len(object) == 0 {
		return "", false
	}
	return string(raw), true
}

// authParams reads the parameters of a challenge (https://www.rfc-editor.org/rfc/rfc9110#name-authentication-parameters), names in
// lower case, of which the first one counts. It stops where it does not understand.
func authParams(s string) map[string]string {
	out := map[string]string{}
	for {
		s = strings.TrimLeft(s, " \t,")
		name, rest, ok := strings.Cut(s, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if !ok || name == "" || strings.ContainsAny(name, " \t\",") {
			return out
		}
		var value string
		value, s, ok = authValue(strings.TrimLeft(rest, " \t"))
		if !ok {
			return out
		}
		if _, twice := out[name]; !twice {
			out[name] = value
		}
	}
}

// authValue reads a quoted text or a token.
func authValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ", \t")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], true
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
