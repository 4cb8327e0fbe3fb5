package entratest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// DirectorySnapshot is what is in a [Directory], without what differs between two runs that did the same: one line for each
// object, in order. Ids are the names of what they are ids of; secrets, the bytes of keys, and times are left out.
type DirectorySnapshot []string

// Equal reports whether both have the same.
func (s DirectorySnapshot) Equal(other DirectorySnapshot) bool { return slices.Equal(s, other) }

// Diff returns what only s has, with "-", and what only other has, with "+". It is empty where both are equal.
func (s DirectorySnapshot) Diff(other DirectorySnapshot) string {
	var b strings.Builder
	i, j := 0, 0
	for i < len(s) || j < len(other) {
		switch {
		case j == len(other) || i < len(s) && s[i] < other[j]:
			fmt.Fprintf(&b, "- %s\n", s[i])
			i++
		case i == len(s) || s[i] > other[j]:
			fmt.Fprintf(&b, "+ %s\n", other[j])
			j++
		default:
			i++
			j++
		}
	}
	return b.String()
}

// changing are the properties that two runs never have alike.
var changing = []string{
	"secretText", "hint", "key", "keyId", "customKeyIdentifier", "createdDateTime", "modifiedDateTime", "startDateTime", "endDateTime", "deletedDateTime",
}

// Snapshot returns what is there now: applications, their trusts, service principals, what is assigned and granted, and the
// policies of Conditional Access. People, groups and the log are not in it.
func (d *Directory) Snapshot() DirectorySnapshot {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := d.names()
	var out DirectorySnapshot
	for _, name := range []string{
		"applications", "federatedIdentityCredentials", "servicePrincipals", "appRoleAssignments", "oauth2PermissionGrants", "conditionalAccessPolicies",
	} {
		s := d.sets[name]
		if s == nil {
			continue
		}
		for _, o := range s.objects {
			if o.text("appId") == GraphAppID {
				continue
			}
			v := names.rename(cloneJSON(o.props), "")
			m, _ := v.(map[string]any)
			delete(m, "id")
			if o.parent != "" {
				m["of"] = names.text(o.parent)
			}
			if scope, is := m["scope"].(string); is { // in any order
				words := strings.Fields(scope)
				slices.Sort(words)
				m["scope"] = strings.Join(words, " ")
			}
			out = append(out, name+" "+asText(m))
		}
	}
	slices.Sort(out)
	return out
}

// dirNames are the names of ids.
type dirNames map[string]string

func (d *Directory) names() dirNames {
	n := dirNames{d.id: "<tenant>"}
	for _, x := range []struct{ set, prop, prefix string }{
		{"applications", "displayName", "application "},
		{"servicePrincipals", "displayName", "service principal "},
		{"users", "userPrincipalName", "user "},
		{"groups", "displayName", "group "},
		{"conditionalAccessPolicies", "displayName", "policy "},
	} {
		s := d.sets[x.set]
		if s == nil {
			continue
		}
		for _, o := range s.objects {
			name := o.text(x.prop)
			n[strings.ToLower(o.id)] = "<" + x.prefix + name + ">"
			if id := o.text("appId"); id != "" && id != GraphAppID {
				n[strings.ToLower(id)] = "<appId of " + name + ">"
			}
			roles, _ := o.props["appRoles"].([]any)
			api, _ := o.props["api"].(map[string]any)
			scopes, _ := api["oauth2PermissionScopes"].([]any)
			for _, item := range append(slices.Clone(roles), scopes...) {
				m, _ := item.(map[string]any)
				if id, _ := m["id"].(string); o.text("appId") != GraphAppID {
					n[strings.ToLower(id)] = fmt.Sprintf("<role %v of %s>", m["value"], name)
				}
			}
		}
	}
	return n
}

// text puts names in the place of ids.
func (n dirNames) text(s string) string {
	if name, ok := n[strings.ToLower(s)]; ok {
		return name
	}
	if rest, is := strings.CutPrefix(s, "api://"); is && len(rest) >= 36 {
		return "api://" + n.text(rest[:36]) + rest[36:]
	}
	return s
}

func (n dirNames) rename(v any, name string) any {
	switch v := v.(type) {
	case string:
		return n.text(v)
	case map[string]any:
		for k, e := range v {
			if slices.Contains(changing, k) {
				delete(v, k)
				continue
			}
			v[k] = n.rename(e, k)
		}
	case []any:
		for i, e := range v {
			v[i] = n.rename(e, name)
		}
		slices.SortFunc(v, func(a, b any) int { return strings.Compare(asText(a), asText(b)) })
	}
	return v
}

func asText(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // values of JSON can be encoded
	}
	return strings.TrimSuffix(b.String(), "\n")
}
