package teamsapp

import "encoding/json"

// What the tests of the inbound half look at.
const (
	MaxActivity      = maxActivity
	MaxAuthorization = maxAuthorization
	BodyTimeout      = bodyTimeout
	KeysFresh        = keysFresh
	KeysGood         = keysGood
	KeysPause        = keysPause
	KeysRetry        = keysRetry
)

// Trusted is what the bot's token may be sent to.
func Trusted(c Cloud, serviceURL string) (string, error) {
	u, err := c.trusted(serviceURL)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// ParseData reads the data of a press.
func ParseData(raw []byte) (map[string]any, error) { return parseData(json.RawMessage(raw)) }

// PlainText reads what somebody wrote.
func PlainText(s string) string { return plainText(s) }
