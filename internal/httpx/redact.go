package httpx

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// routeWord matches what a path segment looks like when the API's author wrote it: a word or a version. Other
// segments (numbers, addresses, account ids, tokens) are data.
var routeWord = regexp.MustCompile(`^(?:[A-Za-z][A-Za-z_.-]{0,23}(?:\d{1,2}[A-Za-z_.]{0,12}){0,2}|v?\d{1,2}(?:\.\d{1,2})?|\d{4}-\d\d-\d\d)$`)

// RedactURL returns u for a log or an error: scheme, host, port and those segments of the path that look like a
// route. Other segments become "…", every query value too, user and fragment are dropped. nil gives "".
func RedactURL(u *url.URL) string {
	if u == nil {
		return ""
	}
	var b strings.Builder
	if u.Scheme != "" {
		b.WriteString(u.Scheme + "://")
	}
	b.WriteString(u.Host)
	if u.Opaque != "" {
		b.WriteString("…")
	}
	for i, seg := range strings.Split(u.EscapedPath(), "/") {
		if i > 0 {
			b.WriteByte('/')
		}
		if seg != "" && !routeWord.MatchString(seg) {
			seg = "…"
		}
		b.WriteString(seg)
	}
	if u.RawQuery != "" {
		b.WriteString("?…")
	}
	return b.String()
}

// loggable are the headers whose values hold no secret and help a vendor's support to find a call.
var loggable = []string{
	"Content-Type", "Content-Length", "Date", "Retry-After", "Request-Id", "X-Request-Id",
	"Client-Request-Id", "Twilio-Request-Id", "X-Ms-Request-Id",
}

// RedactHeader returns those headers of h that may be logged.
func RedactHeader(h http.Header) http.Header {
	out := make(http.Header)
	for _, k := range loggable {
		if v := h.Values(k); len(v) > 0 {
			out[http.CanonicalHeaderKey(k)] = v
		}
	}
	return out
}
