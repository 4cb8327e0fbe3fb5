package graphentra

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/microsoftgraph/msgraph-sdk-go/applications"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/mspkit/mspkit"
)

const (
	addSecret    Kind = "secret.add"
	removeSecret Kind = "secret.remove"
)

// What a secret lives by default.
const (
	secretLife  = 180 * 24 * time.Hour
	secretRenew = 30 * 24 * time.Hour
)

// secretPart are the client secrets. Graph has no name for one that could not be given twice, so ours have the name and the plan
// that made them in their displayName: "mspkit:<name>#<plan>". A secret of the plan that is being applied was made by this run, by an
// earlier one that handed its value out, or by one that ended before it could: [Options].Holds and [Step].Begun tell them apart.
type secretPart struct{}

func (secretPart) prefix() string { return "secret." }

// secretValue is what a plan has of a secret that is to be made.
type secretValue struct {
	Name string `json:"name"`
	Life string `json:"life"`
}

// mark is what the displayName of secrets of that name begins with.
func mark(name string) string { return "mspkit:" + name + "#" }

// madeBy is the displayName of a secret of a plan.
func madeBy(name, planID string) string { return mark(name) + planID[:8] }

func (secretPart) plan(ctx context.Context, t *tenant, d *Desired, b *builder) error {
	if t.foreign != "" {
		return nil
	}
	app, err := t.application(ctx)
	if err != nil && !missing(err) {
		return err
	}
	var have []models.PasswordCredentialable
	if app != nil {
		have = app.GetPasswordCredentials()
	}
	ours := map[string]bool{}
	for _, s := range d.Secrets {
		if err := t.planSecret(ctx, s, have, ours, b); err != nil {
			return err
		}
	}
	for _, p := range have {
		id, name := keyID(p.GetKeyId()), text(p.GetDisplayName())
		switch {
		case ours[id] || id == "":
		case d.Prune:
			b.add(removal(p, "What signs in with it stops working."))
		default:
			b.keep("client secret", "%s (key %s)", name, id)
		}
	}
	return nil
}

// planSecret plans one secret. ours is filled with the keys that are its own.
func (t *tenant) planSecret(ctx context.Context, s Secret, have []models.PasswordCredentialable, ours map[string]bool, b *builder) error {
	var (
		known []string
		good  bool
		gone  []Step
		now   = t.c.now()
	)
	for _, p := range have {
		id := keyID(p.GetKeyId())
		if !strings.HasPrefix(text(p.GetDisplayName()), mark(s.Name)) || id == "" {
			continue
		}
		ours[id] = true
		known = append(known, id)
		end := p.GetEndDateTime()
		held, err := t.holds(ctx, id)
		switch {
		case err != nil:
			return err
		case end != nil && !end.After(now):
			gone = append(gone, removal(p, ""))
		case !held:
			gone = append(gone, removal(p, ""))
		case end != nil && end.After(now.Add(positive(s.Renew, secretRenew))):
			good = true
		}
	}
	slices.Sort(known)
	if !good {
		b.add(Step{
			Kind: addSecret, Op: Create, What: "client secret " + quoted(s.Name),
			Changes: []Change{
				{Field: "keys", From: value(known), To: value(known)},
				{Field: "secret", To: value(secretValue{s.Name, positive(s.Life, secretLife).String()})},
			},
		})
	}
	for _, r := range gone {
		b.add(r)
	}
	return nil
}

// holds asks the host whether it has the value of a secret.
func (t *tenant) holds(ctx context.Context, key string) (bool, error) {
	if t.c.opts.Holds == nil {
		return true, nil
	}
	return t.c.opts.Holds(ctx, t.id, key)
}

func positive(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}

func removal(p models.PasswordCredentialable, danger string) Step {
	name := text(p.GetDisplayName())
	end := "without end"
	if e := p.GetEndDateTime(); e != nil {
		end = "until " + e.UTC().Format(time.DateOnly)
	}
	return Step{
		Kind: removeSecret, Op: Remove, Object: keyID(p.GetKeyId()), What: "client secret " + quoted(name) + " " + end, Danger: danger,
		Changes: []Change{{Field: "secret", From: value(name)}},
	}
}

func (secretPart) state(ctx context.Context, t *tenant, s *Step) (standing, error) {
	app, err := t.application(ctx)
	if err != nil {
		return 0, err
	}
	have := app.GetPasswordCredentials()
	if s.Kind == removeSecret {
		if slices.ContainsFunc(have, func(p models.PasswordCredentialable) bool { return keyID(p.GetKeyId()) == s.Object }) {
			return todo, nil
		}
		return done, nil
	}
	v, known, err := secretStep(s)
	if err != nil {
		return 0, err
	}
	made := func(id string) bool {
		return slices.ContainsFunc(t.result.Secrets, func(n NewSecret) bool { return n.KeyID == id && n.Name == v.Name })
	}
	state := todo
	for _, p := range have {
		id, name := keyID(p.GetKeyId()), text(p.GetDisplayName())
		switch {
		case made(id):
			return done, nil
		case !strings.HasPrefix(name, mark(v.Name)) || slices.Contains(known, id):
		case name != madeBy(v.Name, t.planID):
			state = changed
		case s.Begun && t.c.opts.Holds == nil: // nobody was given it
		default:
			held, err := t.holds(ctx, id)
			if err != nil {
				return 0, err
			}
			if held {
				return done, nil
			}
		}
	}
	return state, nil
}

// secretStep reads what a step wants, and the keys of that name which there were.
func secretStep(s *Step) (v secretValue, known []string, err error) {
	to := target(s.Changes)
	if err := errors.Join(decode(to["secret"], &v), decode(to["keys"], &known)); err != nil {
		return v, nil, err
	}
	if !namePattern.MatchString(v.Name) {
		return v, nil, because(mspkit.ErrInvalid, nil, "The plan has a secret without a name.")
	}
	return v, known, nil
}

func (secretPart) do(ctx context.Context, t *tenant, s *Step) error {
	app, err := t.application(ctx)
	if err != nil {
		return err
	}
	if s.Kind == removeSecret {
		return t.removePassword(ctx, s.Object)
	}
	v, known, err := secretStep(s)
	if err != nil {
		return err
	}
	life, err := time.ParseDuration(v.Life)
	if err != nil || life <= 0 {
		return because(mspkit.ErrInvalid, err, "The plan has a secret without a length of life.")
	}
	name := madeBy(v.Name, t.planID)
	for _, p := range app.GetPasswordCredentials() { // of a run that ended before it could hand it out
		if id := keyID(p.GetKeyId()); text(p.GetDisplayName()) == name && !slices.Contains(known, id) {
			if err := t.removePassword(ctx, id); err != nil {
				return err
			}
		}
	}
	end := t.c.now().Add(life).UTC().Truncate(time.Second)
	p := models.NewPasswordCredential()
	p.SetDisplayName(&name)
	p.SetEndDateTime(&end)
	body := applications.NewItemAddPasswordPostRequestBody()
	body.SetPasswordCredential(p)
	s.Begun = true
	got, err := write(ctx, t, func(ctx context.Context) (models.PasswordCredentialable, error) {
		return t.applications(text(app.GetId())).AddPassword().Post(ctx, body, nil)
	})
	if err != nil {
		return err
	}
	if got == nil || keyID(got.GetKeyId()) == "" || text(got.GetSecretText()) == "" {
		return because(ErrTemporary, errEmpty, "Microsoft Graph made a secret and did not say it: apply what remains, which replaces it.")
	}
	n := NewSecret{Name: v.Name, KeyID: keyID(got.GetKeyId()), Expires: end, Value: mspkit.Redact(text(got.GetSecretText()))}
	if e := got.GetEndDateTime(); e != nil {
		n.Expires = e.UTC()
	}
	if t.keep != nil {
		if err := t.keep(ctx, n); err != nil {
			return because(ErrTemporary, errors.Join(err, t.removePassword(context.WithoutCancel(ctx), n.KeyID)), "The new secret could not be stored, and was taken back: apply what remains.")
		}
	}
	t.result.Secrets = append(t.result.Secrets, n)
	return nil
}

func (t *tenant) removePassword(ctx context.Context, id string) error {
	u, err := uuid.Parse(id)
	if err != nil {
		return because(mspkit.ErrInvalid, err, "The plan has a key whose id is no UUID.")
	}
	body := applications.NewItemRemovePasswordPostRequestBody()
	body.SetKeyId(&u)
	_, err = write(ctx, t, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, t.applications(t.result.ObjectID).RemovePassword().Post(ctx, body, nil)
	})
	return err
}

func keyID(u *uuid.UUID) string {
	if u == nil {
		return ""
	}
	return u.String()
}
