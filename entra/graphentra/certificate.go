package graphentra

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // Entra names certificates by this hash; nothing is trusted because of it
	"crypto/x509"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/mspkit/mspkit"
)

const (
	addCertificate    Kind = "certificate.add"
	removeCertificate Kind = "certificate.remove"
)

// certificatePart are the certificates that the application proves itself with.
type certificatePart struct{}

func (certificatePart) prefix() string { return "certificate." }

// certificateValue is what a plan has of a certificate: its public part.
type certificateValue struct {
	Name       string    `json:"name"`
	Thumbprint string    `json:"thumbprint"`
	Expires    time.Time `json:"expires"`
	DER        []byte    `json:"der"`
}

// Thumbprint returns what Entra and the portal name a certificate by: the SHA-1 of it, in hexadecimal.
func Thumbprint(c *x509.Certificate) string {
	sum := sha1.Sum(c.Raw) //nolint:gosec // as above
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// keyThumbprint returns the thumbprint that Graph has for a key.
func keyThumbprint(k models.KeyCredentialable) string {
	b := k.GetCustomKeyIdentifier()
	if len(b) == 2*sha1.Size { // as the portal writes it: the text instead of the hash
		return strings.ToUpper(string(b))
	}
	return strings.ToUpper(hex.EncodeToString(b))
}

func (certificatePart) plan(ctx context.Context, t *tenant, d *Desired, b *builder) error {
	if t.foreign != "" {
		return nil
	}
	app, err := t.application(ctx)
	if err != nil && !missing(err) {
		return err
	}
	var have []models.KeyCredentialable
	if app != nil {
		have = app.GetKeyCredentials()
	}
	wanted := map[string]bool{}
	for _, c := range d.Certificates {
		hash := Thumbprint(c.Certificate)
		wanted[hash] = true
		if slices.ContainsFunc(have, func(k models.KeyCredentialable) bool { return keyThumbprint(k) == hash }) {
			continue
		}
		b.add(Step{
			Kind: addCertificate, Op: Create, What: "certificate " + quoted(c.Name),
			Changes: []Change{{Field: "certificate", To: value(certificateValue{c.Name, hash, c.Certificate.NotAfter.UTC(), c.Certificate.Raw})}},
		})
	}
	for _, k := range have {
		id := keyID(k.GetKeyId())
		switch {
		case wanted[keyThumbprint(k)] || id == "":
		case d.Prune:
			b.add(Step{
				Kind: removeCertificate, Op: Remove, Object: id, What: "certificate " + quoted(text(k.GetDisplayName())), Danger: "What signs in with it stops working.",
				Changes: []Change{{Field: "thumbprint", From: value(keyThumbprint(k))}},
			})
		default:
			b.keep("certificate", "%s (key %s)", text(k.GetDisplayName()), id)
		}
	}
	return nil
}

func (certificatePart) state(ctx context.Context, t *tenant, s *Step) (standing, error) {
	app, err := t.application(ctx)
	if err != nil {
		return 0, err
	}
	v, err := certificateStep(s)
	if err != nil {
		return 0, err
	}
	there := slices.ContainsFunc(app.GetKeyCredentials(), func(k models.KeyCredentialable) bool { return v.is(s, k) })
	if there == (s.Kind == addCertificate) {
		return done, nil
	}
	return todo, nil
}

// is reports whether a key is the one of the step.
func (v certificateValue) is(s *Step, k models.KeyCredentialable) bool {
	if s.Kind == removeCertificate {
		return keyID(k.GetKeyId()) == s.Object
	}
	return keyThumbprint(k) == v.Thumbprint
}

func certificateStep(s *Step) (v certificateValue, err error) {
	if s.Kind == removeCertificate {
		return v, nil
	}
	if err := decode(target(s.Changes)["certificate"], &v); err != nil {
		return v, err
	}
	c, err := x509.ParseCertificate(v.DER)
	if err != nil || Thumbprint(c) != v.Thumbprint || !c.NotAfter.Equal(v.Expires) {
		return v, because(mspkit.ErrInvalid, err, "The plan has a certificate that is not what it says of it.")
	}
	return v, nil
}

func (certificatePart) do(ctx context.Context, t *tenant, s *Step) error {
	app, err := t.application(ctx)
	if err != nil {
		return err
	}
	v, err := certificateStep(s)
	if err != nil {
		return err
	}
	keys := slices.DeleteFunc(slices.Clone(app.GetKeyCredentials()), func(k models.KeyCredentialable) bool { return v.is(s, k) })
	if keys == nil {
		keys = []models.KeyCredentialable{}
	}
	if s.Kind == addCertificate {
		k := models.NewKeyCredential()
		kind, usage := "AsymmetricX509Cert", "Verify"
		sum := sha1.Sum(v.DER) //nolint:gosec // as above
		k.SetTypeEscaped(&kind)
		k.SetUsage(&usage)
		k.SetDisplayName(&v.Name)
		k.SetKey(bytes.Clone(v.DER))
		k.SetCustomKeyIdentifier(sum[:])
		k.SetEndDateTime(&v.Expires)
		keys = append(keys, k)
	}
	body := models.NewApplication()
	body.SetKeyCredentials(keys)
	_, err = write(ctx, t, func(ctx context.Context) (models.Applicationable, error) {
		return t.applications(text(app.GetId())).Patch(ctx, body, nil)
	})
	return err
}
