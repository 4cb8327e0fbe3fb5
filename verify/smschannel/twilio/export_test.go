package twilio

import (
	"encoding/base64"
	"net/url"
)

// SignForTest is sign in the form of the header.
func SignForTest(token, u string, form url.Values) string {
	return base64.StdEncoding.EncodeToString(sign(token, u, form))
}
