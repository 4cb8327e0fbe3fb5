package webpage

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/mspkit/mspkit"
)

// Headers is the one header set. Its zero value is the strictest: styles, images and forms of the same
// origin, nothing else.
type Headers struct {
	// FrameAncestors are the origins that may show the page in a frame. None means that nobody may.
	FrameAncestors []string
	// FormAction are further origins that a form may lead to, be it by a redirect.
	FormAction []string
	// Script allows scripts in files of the same origin.
	Script bool
	// Connect allows scripts to call the same origin.
	Connect bool
	// Worker allows workers, also those that serve downloads, in files of the same origin.
	Worker bool
	// DataImages allows images that stand in the page itself (data: addresses), for pages that show what was just made
	// and is kept nowhere. Such an image runs no script and sends nothing.
	DataImages bool
	// HTTPS says that the site is only ever reached by HTTPS and makes browsers remember it for a year.
	HTTPS bool
}

// Apply sets the whole set on h, replacing what was there.
func (s Headers) Apply(h http.Header) {
	h.Set("Content-Security-Policy", s.csp())
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), microphone=(), payment=(), usb=()")
	// X-Frame-Options knows no list, and browsers that know frame-ancestors ignore it.
	if len(s.FrameAncestors) == 0 {
		h.Set("X-Frame-Options", "DENY")
	} else {
		h.Del("X-Frame-Options")
	}
	// Without includeSubDomains: the other hosts of the domain are not ours to decide for.
	if s.HTTPS {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	} else {
		h.Del("Strict-Transport-Security")
	}
}

// prepared is a header set that was applied before there was a request.
type prepared http.Header

func (s Headers) prepare() prepared {
	h := http.Header{}
	s.Apply(h)
	return prepared(h)
}

// apply does what [Headers.Apply] does.
func (p prepared) apply(h http.Header) {
	delete(h, "X-Frame-Options")
	delete(h, "Strict-Transport-Security")
	for k, v := range p {
		h[k] = v[:1:1] // who adds a value copies it
	}
}

func (s Headers) csp() string {
	var b strings.Builder
	b.WriteString("default-src 'none'; style-src 'self'; img-src 'self'")
	if s.DataImages {
		b.WriteString(" data:")
	}
	if s.Script {
		b.WriteString("; script-src 'self'")
	}
	if s.Connect {
		b.WriteString("; connect-src 'self'")
	}
	if s.Worker {
		b.WriteString("; worker-src 'self'")
	}
	b.WriteString("; form-action 'self'")
	for _, a := range s.FormAction {
		b.WriteString(" " + a)
	}
	b.WriteString("; base-uri 'none'; frame-ancestors ")
	if len(s.FrameAncestors) == 0 {
		b.WriteString("'none'")
	} else {
		b.WriteString(strings.Join(s.FrameAncestors, " "))
	}
	return b.String()
}

func (s Headers) validate() error {
	var errs []error
	for _, a := range s.FrameAncestors {
		if a != "'self'" && (!validOrigin(a) || strings.HasPrefix(a, "http://")) {
			errs = append(errs, fmt.Errorf("frame ancestor %q is not 'self' or an https origin: %w", a, mspkit.ErrInvalid))
		}
	}
	for _, a := range s.FormAction {
		if !validOrigin(a) {
			errs = append(errs, fmt.Errorf("form action %q is not an https origin: %w", a, mspkit.ErrInvalid))
		}
	}
	return errors.Join(errs...)
}

// validOrigin accepts "https://host", "https://host:port", "https://*.host" and, for emulators, "http://" with a port of a
// loopback address or of localhost, which browsers look up nowhere: nothing that could end the directive or begin another.
func validOrigin(s string) bool {
	host, ok := strings.CutPrefix(s, "https://")
	if !ok {
		plain, ok := strings.CutPrefix(s, "http://")
		if port, local := strings.CutPrefix(plain, "localhost:"); local {
			plain = "127.0.0.1:" + port
		}
		a, err := netip.ParseAddrPort(plain)
		return ok && err == nil && a.Addr().Zone() == "" && a.Addr().IsLoopback()
	}
	host = strings.TrimPrefix(host, "*.")
	if host == "" || strings.Trim(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:") != "" {
		return false
	}
	u, err := url.Parse("https://" + host)
	return err == nil && u.Hostname() != "" && u.Host == host
}
