package workflows

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/mspkit/mspkit"
)

// maxURL is in bytes. Real URLs have some 300: more than the 255 for which many forms and columns have room.
const maxURL = 2048

// Hosts returns the domains below which the flows of all clouds live. They are what [Service.Connect] takes; add others
// with [Options.Hosts].
//
// Sources: https://learn.microsoft.com/power-automate/ip-address-configuration for Power Platform with its national forms,
// https://learn.microsoft.com/azure/logic-apps/logic-apps-limits-and-configuration for Logic Apps. A domain of Azure
// Government that some tools list and Microsoft's page does not, api.powerplatform.us, is left out.
func Hosts() []string {
	return []string{
		"api.powerplatform.com", // the form is <environment>.<nn>.environment.api.powerplatform.com
		"api.gov.powerplatform.microsoft.us", "api.high.powerplatform.microsoft.us", "api.appsplatform.us",
		"api.powerplatform.partner.microsoftonline.cn",
		"logic.azure.com", "logic.azure.us", "logic.azure.cn",
	}
}

// What is said of URLs that cannot be used. It names what to do and repeats nothing of the URL.
const (
	adviceMake = "in Teams open Workflows, make one with \"Send webhook alerts to a channel\" and take its URL"
	adviceCopy = "copy the whole URL again from the trigger of the flow"

	warnOld = "if Power Automate made this URL, it stopped working on 2025-11-30: open the flow and copy the new URL, whose host ends in api.powerplatform.com; " +
		"if a Logic App in Azure made it, all is well. The test shows which."
)

// target is a URL that was accepted.
type target struct {
	url     string // in the spelling that is sent
	host    string
	warning string
}

// checkURL returns what to post to. Errors are [ErrURL] or [ErrRetired], and [mspkit.ErrInvalid]; they repeat nothing of
// the URL.
//
// It takes one plain spelling only. Whatever two programs could read differently (user names, backslashes, escapes in the
// path, a dot at the end of the host, dot segments, other alphabets) is refused, because the HTTP client and not this
// function decides in the end where the post goes.
func (o *Options) checkURL(s string) (target, error) {
	bad := func(kind error, why, advice string) (target, error) {
		return target{}, fmt.Errorf("%w: %s: %s: %w", kind, why, advice, mspkit.ErrInvalid)
	}
	s = strings.TrimSpace(s) // what comes with copying
	switch {
	case s == "":
		return bad(ErrURL, "it is empty", adviceMake)
	case len(s) > maxURL:
		return bad(ErrURL, fmt.Sprintf("it has %d bytes, at most %d are accepted", len(s), maxURL), adviceCopy)
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }):
		return bad(ErrURL, "there is a character in it that is not plain ASCII", adviceCopy)
	case strings.ContainsAny(s, `\"<>{}|^`+"`"):
		return bad(ErrURL, "there is a character in it that does not belong into a URL", adviceCopy)
	case strings.Contains(s, "#"):
		return bad(ErrURL, "there is a fragment in it", adviceCopy)
	}
	u, err := url.Parse(s)
	if err != nil || u.Opaque != "" || u.Host == "" {
		return bad(ErrURL, "it cannot be read", adviceCopy)
	}
	host := strings.ToLower(u.Hostname())
	if u.User != nil {
		return bad(ErrURL, "there is a user in it", adviceCopy)
	}
	here := o.InsecureLoopback && loopback(host)
	if u.Scheme != "https" && (!here || u.Scheme != "http") {
		return bad(ErrURL, "it does not begin with https", adviceCopy)
	}
	if p := u.Port(); strings.HasSuffix(u.Host, ":") || p != "" && p != "443" && !here {
		return bad(ErrURL, "it names another port than 443", adviceCopy)
	}
	if retired(host) {
		return bad(ErrRetired, "connectors of Office 365 were retired in May 2026", adviceMake)
	}
	if !here && (!plainName(host) || !o.allowed(host)) {
		return bad(ErrURL, "its host is not one of Workflows", adviceMake)
	}
	if err := checkPath(u); err != nil {
		return bad(ErrURL, err.Error(), adviceCopy)
	}
	if err := checkQuery(u.RawQuery); err != nil {
		return bad(ErrURL, err.Error(), adviceCopy)
	}
	u.Host = strings.ToLower(u.Host)
	out := target{url: u.String(), host: host}
	if old(host) {
		if o.RefuseOldHosts {
			return bad(ErrRetired, "URLs of this host that Power Automate made stopped working on 2025-11-30", "open the flow and copy the new URL, whose host ends in api.powerplatform.com")
		}
		out.warning = warnOld
	}
	return out, nil
}

// allowed reports whether host lies below one of the domains.
func (o *Options) allowed(host string) bool {
	for _, list := range [][]string{Hosts(), o.Hosts} {
		for _, d := range list {
			if strings.HasSuffix(host, "."+strings.ToLower(d)) {
				return true
			}
		}
	}
	return false
}

// old reports whether host is of the form that Power Automate used until 2025-11-30, which Logic Apps of Azure still have:
// prod-00.westeurope.logic.azure.com.
func old(host string) bool {
	for _, d := range []string{".logic.azure.com", ".logic.azure.us", ".logic.azure.cn"} {
		if strings.HasPrefix(host, "prod-") && strings.HasSuffix(host, d) {
			return true
		}
	}
	return false
}

// retired reports whether host was one of the connectors of Office 365
// (https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook).
func retired(host string) bool {
	return host == "outlook.office.com" || host == "outlook.office365.com" || host == "webhook.office.com" || strings.HasSuffix(host, ".webhook.office.com")
}

// plainName reports whether host, in lower case, is a name of plain labels: no address, no dot at the end, no
// internationalized label, which could look like another one.
func plainName(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "xn--") || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

// loopback reports whether host is an address of this machine. Names are not: whoever answers for them decides.
func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.Zone() == "" && a.Unmap().IsLoopback()
}

// checkPath asks for …/workflows/<id>/triggers/<name>/…, which all forms have in common.
func checkPath(u *url.URL) error {
	if u.RawPath != "" || strings.Contains(u.EscapedPath(), "%") {
		return errors.New("there are escapes in its path")
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	flow := -1
	for i, p := range parts {
		switch {
		case p == "" || p == "." || p == "..":
			return errors.New("its path has an empty or a dot segment")
		case p == "workflows" && flow < 0:
			flow = i
		}
	}
	if flow < 0 || len(parts) < flow+4 || parts[flow+2] != "triggers" {
		return errors.New("its path is not that of a flow's trigger (…/workflows/…/triggers/…)")
	}
	return nil
}

// checkQuery asks for the signature, the one thing that makes a flow listen to us.
func checkQuery(raw string) error {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return errors.New("what stands behind the question mark cannot be read")
	}
	switch sig := q["sig"]; {
	case len(sig) == 0 || len(sig) == 1 && sig[0] == "":
		return errors.New("there is no sig in it: set \"Who can trigger the flow\" to Anyone, other settings need a sign-in")
	case len(sig) > 1:
		return errors.New("there is more than one sig in it")
	}
	return nil
}

// checkDomain says what is wrong with an entry of [Options.Hosts].
func checkDomain(d string) error {
	d = strings.ToLower(d)
	switch {
	case !plainName(d):
		return errors.New("it is not a plain domain name, without a scheme, a port, a star or a dot at its ends")
	case strings.Count(d, ".") < 2:
		// azure.com or powerplatform.com would take hosts that anybody can rent.
		return errors.New("it has fewer than three labels, which is too wide")
	}
	return nil
}
