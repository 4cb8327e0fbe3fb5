package gdap

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
)

const (
	// maxAnswer is in bytes. Real answers have a few KiB.
	maxAnswer = 256 << 10
	// maxToken is in bytes. Real tokens have a few KiB.
	maxToken = 64 << 10
	// maxLife is the longest that a token is believed to live: those with continuous access evaluation live up to 28 hours
	// (https://learn.microsoft.com/entra/identity/conditional-access/concept-continuous-access-evaluation).
	maxLife = 28 * time.Hour
)

// grant is what a refresh token was redeemed for.
type grant struct {
	access    mspkit.Redacted[string]
	refresh   mspkit.Redacted[string] // empty where the old one stays
	expiresOn time.Time
	life      time.Duration
}

// readGrant reads an answer of success of the token endpoint. The error is [ErrAnswer] and repeats nothing of it.
func readGrant(body []byte, now time.Time) (grant, error) {
	var answer struct {
		Type    string          `json:"token_type"`
		Access  string          `json:"access_token"`
		Refresh string          `json:"refresh_token"`
		Life    json.RawMessage `json:"expires_in"`
	}
	bad := func(why string) (grant, error) { return grant{}, fmt.Errorf("%w: %s", ErrAnswer, why) }
	if len(body) > maxAnswer || json.Unmarshal(body, &answer) != nil {
		return bad("it is not the JSON of a token")
	}
	life, ok := readLife(answer.Life)
	switch {
	case !strings.EqualFold(answer.Type, "Bearer"):
		return bad("the token is not a bearer token")
	case !plainToken(answer.Access):
		return bad("it has no access token that can be sent")
	case answer.Refresh != "" && !plainToken(answer.Refresh):
		return bad("its refresh token cannot be sent")
	case !ok:
		return bad("it does not say how long the token lives")
	}
	return grant{mspkit.Redact(answer.Access), mspkit.Redact(answer.Refresh), now.Add(life), life}, nil
}

// readLife reads expires_in: whole seconds as a number, or as a text as older endpoints have it.
func readLife(raw json.RawMessage) (time.Duration, bool) {
	s := string(raw)
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	most := int64(maxLife / time.Second)
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > most { // it has digits only, so it is too large for an int64
		n = most
	}
	return time.Duration(n) * time.Second, n > 0
}

// plainToken reports whether s can be a token in a header.
func plainToken(s string) bool {
	if s == "" || len(s) > maxToken {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
