package graphentra

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/mspkit/mspkit"
)

var (
	// keyPattern is what a key looks like, namePattern a name of a secret, federatedPattern one of a federated credential.
	keyPattern       = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,63}$`)
	namePattern      = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)
	federatedPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,119}$`)
	// objectPattern is what ids in a directory look like: UUIDs, and for grants and assignments texts in base64.
	objectPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	// permissionPattern is what a permission is called; it has no space and no slash.
	permissionPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$`)
	// rolePattern is what the value of a role may be: it is in tokens.
	rolePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,119}$`)
)

// Validate reports everything that is wrong with d, as [mspkit.ErrInvalid].
func (d *Desired) Validate() error {
	var v faults
	v.check(keyPattern.MatchString(d.Key), "the key is 1 to 64 of a-z, 0-9, '-' and '.'")
	if d.AppID != "" {
		v.check(uuid.Validate(d.AppID) == nil, "the application id is a UUID")
		v.check(d.Name == "" && d.Notes == "" && d.Audience == "" && len(d.RedirectURIs) == 0 && d.LogoutURL == "" && len(d.Roles) == 0 && len(d.Claims) == 0 &&
			len(d.AccessClaims) == 0 && d.GroupClaims == "" && len(d.Secrets) == 0 && len(d.Certificates) == 0 && len(d.Federated) == 0,
			"an application of another tenant has its registration there")
	} else {
		v.check(plainText(d.Name, 120) && d.Name != "", "the name is 1 to 120 characters of one line")
	}
	v.check(plainText(strings.ReplaceAll(d.Notes, "\n", " "), 1024), "the notes are at most 1024 characters")
	v.check(d.Audience == "" || d.Audience == AudienceOwn || d.Audience == AudienceAny, "the audience is one of the constants")
	for _, u := range d.RedirectURIs {
		v.check(isRedirect(u), "a redirect URI is https, or http on a loopback address, without fragment, user and wildcard")
	}
	v.unique("redirect URIs", d.RedirectURIs)
	v.check(d.LogoutURL == "" || isRedirect(d.LogoutURL), "the logout URL is https")
	d.validatePermissions(&v)
	d.validateRoles(&v)
	for _, c := range slices.Concat(d.Claims, d.AccessClaims) {
		v.check(rolePattern.MatchString(c), "a claim has a name of letters, digits and '_'")
	}
	v.unique("claims of the id token", d.Claims)
	v.unique("claims of the access token", d.AccessClaims)
	v.check(slices.Contains([]string{"", "None", "SecurityGroup", "ApplicationGroup", "DirectoryRole", "All"}, d.GroupClaims), "the group claims are None, SecurityGroup, ApplicationGroup, DirectoryRole or All")
	d.validateCredentials(&v)
	if d.Conditional != nil {
		d.Conditional.validate(&v)
	}
	return errors.Join(v...)
}

func (d *Desired) validatePermissions(v *faults) {
	var names []string
	for _, p := range d.Permissions {
		v.check(p.Kind == Delegated || p.Kind == Application, "a permission is delegated or application")
		v.check(permissionPattern.MatchString(p.Name), "a permission has a name such as User.Read.All")
		v.check(p.Resource == "" || uuid.Validate(p.Resource) == nil, "the resource of a permission is an application id")
		names = append(names, p.String())
	}
	v.unique("permissions", names)
	v.check(len(names) <= 400, "Graph takes at most 400 permissions")
}

func (d *Desired) validateRoles(v *faults) {
	var ids, values []string
	for _, r := range d.Roles {
		v.check(uuid.Validate(r.ID) == nil, "a role has a UUID")
		v.check(rolePattern.MatchString(r.Value), "a role has a value without spaces")
		v.check(plainText(r.Name, 120) && r.Name != "" && plainText(r.Description, 1024) && r.Description != "", "a role has a name and a description")
		ids, values = append(ids, strings.ToLower(r.ID)), append(values, r.Value)
	}
	v.unique("ids of roles", ids)
	v.unique("values of roles", values)
	var who []string
	for _, a := range d.Assignments {
		v.check(uuid.Validate(a.Principal) == nil, "an assignment is of an object id")
		v.check(a.Kind == User || a.Kind == Group, "an assignment is of a user or a group")
		v.check(a.Role == "" || d.AppID != "" || slices.Contains(values, a.Role), "an assignment is to one of the roles")
		v.check(a.Role != "" || len(d.Roles) == 0, "an application with roles has no assignments without one")
		who = append(who, strings.ToLower(a.Principal)+" "+a.Role)
	}
	v.unique("assignments", who)
}

func (d *Desired) validateCredentials(v *faults) {
	var secrets, federated []string
	for _, s := range d.Secrets {
		v.check(namePattern.MatchString(s.Name), "a secret has a name of a-z, 0-9 and '-'")
		v.check(s.Life >= 0 && s.Renew >= 0, "the life of a secret cannot be negative")
		v.check(positive(s.Renew, secretRenew) < positive(s.Life, secretLife), "a secret is renewed before its end, not before it is made")
		secrets = append(secrets, s.Name)
	}
	v.unique("secrets", secrets)
	for _, c := range d.Certificates {
		v.check(c.Certificate != nil && len(c.Certificate.Raw) > 0, "a certificate was parsed")
		v.check(plainText(c.Name, 90) && c.Name != "", "a certificate has a name of at most 90 characters")
	}
	for _, f := range d.Federated {
		v.check(federatedPattern.MatchString(f.Name), "a federated credential has a name of letters, digits, '-' and '_'")
		u, err := url.Parse(f.Issuer)
		v.check(err == nil && u.Scheme == "https" && u.Host != "", "the issuer of a federated credential is an https URL")
		v.check(f.Subject != "" && plainText(f.Subject, 600), "a federated credential has a subject of at most 600 characters")
		v.check(plainText(f.Audience, 600) && plainText(f.Description, 600), "audience and description are at most 600 characters")
		federated = append(federated, f.Name)
	}
	v.unique("federated credentials", federated)
	v.check(len(d.Federated) <= 20, "Graph takes at most 20 federated credentials")
}

// faults collects what is wrong.
type faults []error

func (v *faults) check(ok bool, format string, args ...any) {
	if !ok {
		*v = append(*v, fmt.Errorf("graphentra: "+format+": %w", append(args, mspkit.ErrInvalid)...))
	}
}

func (v *faults) unique(what string, list []string) {
	v.check(len(union(list, nil)) == len(list), "the same stands twice among the %s", what)
}

// plainText reports whether s is one line of at most n characters without any that cannot be seen.
func plainText(s string, n int) bool {
	return len([]rune(s)) <= n && !strings.ContainsFunc(s, invisible) && strings.TrimSpace(s) == s
}

// isRedirect reports whether Entra takes u as a redirect URI of a web application.
func isRedirect(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || strings.ContainsAny(s, "* ") || len(s) > 256 || strings.ContainsFunc(s, invisible) {
		return false
	}
	if u.Scheme == "https" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || (ip != nil && ip.IsLoopback()))
}
