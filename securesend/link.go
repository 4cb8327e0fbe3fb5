package securesend

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/token"
)

// LinkKind is the letter in a link that says what it is for.
type LinkKind byte

// The kinds of links.
const (
	// LinkSend opens a send; the fragment is part of the key.
	LinkSend LinkKind = 's'
	// LinkHeld opens a send whose fragment is derived from the token, so it has none.
	LinkHeld LinkKind = 'h'
	// LinkRequest asks for content; the fragment is the [Fingerprint] of the request's public key.
	LinkRequest LinkKind = 'r'
	// LinkCompose lets a technician's browser fill a send; the fragment is the secret of the upload.
	LinkCompose LinkKind = 'c'
)

// Link is a link of ours, taken apart. Printed, it shows the kind and the base only.
type Link struct {
	Kind LinkKind
	// Base is the address of the handler, for example "https://help.example/send", without a slash at the end.
	Base string
	// Token names the record to who has the key ring.
	Token mspkit.Redacted[string]
	// Fragment is [KeySize] bytes, which a browser sends to nobody; none in a [LinkHeld].
	Fragment mspkit.Redacted[[]byte]
}

const (
	maxLink  = 4096
	minToken = 64 // characters of base64 of a secret and a tag
)

// ParseLink reads a link. White space around it is no harm. Errors are an [ErrLink] each, say what is wrong, and never
// repeat the link. That the token is ours, only who has the key ring can tell.
func ParseLink(s string) (Link, error) {
	l, why := parseLink(strings.TrimSpace(s))
	if why != "" {
		return Link{}, fmt.Errorf("securesend: read the link: %s: %w", why, ErrLink)
	}
	return l, nil
}

func parseLink(s string) (l Link, why string) {
	if len(s) > maxLink {
		return Link{}, "it is too long to be one of ours"
	}
	address, fragment, _ := strings.Cut(s, "#")
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Opaque != "" || u.User != nil || u.Hostname() == "":
		return Link{}, "it is not a web address"
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return Link{}, "it must begin with https://"
	case u.RawQuery != "" || u.ForceQuery:
		return Link{}, "it has a query, ours have none"
	}
	rest, tok := cutLast(u.EscapedPath())
	base, kind := cutLast(rest)
	switch kind {
	case "s", "h", "r", "c":
	default:
		return Link{}, "its path is not one of ours"
	}
	if base != "" && path.Clean(base) != base {
		return Link{}, "its path is not one of ours"
	}
	if why := checkToken(tok); why != "" {
		return Link{}, why
	}
	l = Link{Kind: LinkKind(kind[0]), Base: u.Scheme + "://" + u.Host + base, Token: mspkit.Redact(tok)}
	if l.Kind == LinkHeld {
		if fragment != "" {
			return Link{}, "it has a part after #, links of this kind have none"
		}
		return l, ""
	}
	key, why := parseFragment(fragment)
	if why != "" {
		return Link{}, why
	}
	l.Fragment = mspkit.Redact(key)
	return l, ""
}

// URL returns the link as it is sent to people. It is the secret itself.
func (l Link) URL() mspkit.Redacted[string] {
	s := l.Base + "/" + string(rune(l.Kind)) + "/" + l.Token.Reveal()
	if f := l.Fragment.Reveal(); len(f) > 0 {
		s += "#" + base64.RawURLEncoding.EncodeToString(f)
	}
	return mspkit.Redact(s)
}

func checkToken(s string) (why string) {
	if len(s) > token.MaxToken {
		return "it is too long to be one of ours"
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return "it has a character that ours do not have"
		}
	}
	if len(s) < minToken || len(s)%4 == 1 {
		return "it is cut before the #"
	}
	return ""
}

func parseFragment(s string) (key []byte, why string) {
	want := base64.RawURLEncoding.EncodedLen(KeySize)
	switch {
	case s == "":
		return nil, "the part after # is missing"
	case len(s) < want:
		return nil, "the part after # is cut"
	case len(s) > want:
		return nil, "the part after # is longer than ours"
	}
	key, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(key) != KeySize {
		return nil, "the part after # is not one of ours"
	}
	return key, ""
}

// cutLast cuts the last element off a path.
func cutLast(p string) (rest, last string) {
	i := strings.LastIndexByte(p, '/')
	if i < 0 {
		return "", ""
	}
	return p[:i], p[i+1:]
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
