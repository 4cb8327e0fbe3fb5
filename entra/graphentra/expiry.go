package graphentra

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
)

// CredentialKind is what an application proves itself with.
type CredentialKind string

// The kinds of credential that end. Federated credentials do not.
const (
	SecretCredential      CredentialKind = "secret"
	CertificateCredential CredentialKind = "certificate"
)

// Credential is a client secret or a certificate of an application, without its value.
type Credential struct {
	Kind CredentialKind
	// Name is its displayName, and KeyID its id.
	Name, KeyID string
	// Expires is when it ends.
	Expires time.Time
	// Ours says that it is a secret that [Client.Apply] made.
	Ours bool
	// Replaced says that there is a later one of the same name, so that nothing has to be done about this one.
	Replaced bool
}

// Expiring returns the secrets and certificates of the application with that key that end within a time from now, or have ended,
// the first to end first. A host calls it each day: secrets are made anew by the next [Client.Plan] that has them in Desired, once
// less than [Secret].Renew is left; a certificate has to be given.
func (c *Client) Expiring(ctx context.Context, id mspkit.TenantID, key string, within time.Duration) ([]Credential, error) {
	if err := id.Validate(); err != nil {
		return nil, err
	}
	var v faults
	v.check(keyPattern.MatchString(key), "the key is 1 to 64 of a-z, 0-9, '-' and '.'")
	v.check(within >= 0, "the time cannot be negative")
	if len(v) > 0 {
		return nil, v[0]
	}
	t, err := c.open(ctx, id, key, "", newPlanID())
	if err != nil {
		return nil, err
	}
	app, err := t.application(ctx)
	if missing(err) {
		err = because(ErrNotFound, err, "The tenant has no application with this key.")
	}
	if err != nil {
		return nil, t.failed("expiring", nil, err)
	}
	var all []Credential
	for _, p := range app.GetPasswordCredentials() {
		if end := p.GetEndDateTime(); end != nil {
			name := text(p.GetDisplayName())
			all = append(all, Credential{Kind: SecretCredential, Name: name, KeyID: keyID(p.GetKeyId()), Expires: end.UTC(), Ours: strings.HasPrefix(name, "mspkit:")})
		}
	}
	for _, k := range app.GetKeyCredentials() {
		if end := k.GetEndDateTime(); end != nil {
			all = append(all, Credential{Kind: CertificateCredential, Name: text(k.GetDisplayName()), KeyID: keyID(k.GetKeyId()), Expires: end.UTC()})
		}
	}
	slices.SortFunc(all, func(a, b Credential) int { return a.Expires.Compare(b.Expires) })
	limit := c.now().Add(within)
	var out []Credential
	for i, a := range all {
		if a.Expires.After(limit) {
			break
		}
		a.Replaced = slices.ContainsFunc(all[i+1:], func(b Credential) bool { return b.Kind == a.Kind && base(b) == base(a) && b.Expires.After(limit) })
		out = append(out, a)
	}
	return out, nil
}

// base is the name of a credential without the plan that made it.
func base(c Credential) string {
	if !c.Ours {
		return c.Name
	}
	name, _, _ := strings.Cut(c.Name, "#")
	return name
}
