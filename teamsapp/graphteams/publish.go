package graphteams

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/teamsapp"
)

// The defaults of [PublishOptions].
const (
	// DefaultWait is how long [Client.Publish] waits until the catalog shows what was uploaded.
	DefaultWait = time.Minute
	// DefaultMaxPackage is the largest package in bytes that is sent: Graph takes no larger request in general, and says
	// nothing else of packages. Those of this module have some ten thousand bytes.
	// Source: https://learn.microsoft.com/graph/throttling-limits and https://learn.microsoft.com/graph/errors.
	DefaultMaxPackage = 4_000_000
)

// PublishOptions are the settings of [Client.Publish]. Nil and the zero value are fine.
type PublishOptions struct {
	// Review submits the app for review, for people who are no administrators.
	Review bool
	// Wait is how long to wait until the catalog shows the version; 0 is [DefaultWait], negative is not at all.
	Wait time.Duration
	// MaxPackage is how many bytes a package may have; 0 is [DefaultMaxPackage], negative is no limit.
	MaxPackage int
}

// Publication is what [Client.Publish] did.
type Publication struct {
	App
	// Created and Updated say what was done; neither where the version was there already.
	Created, Updated bool
	// InReview says that an administrator has to approve it: [Client.Approve], or in the Teams admin center.
	InReview bool
	// Seen says that the catalog shows the version. Where it does not yet, App has what was uploaded; it may take minutes, and
	// people's Teams may take a day to show a change.
	Seen bool
}

// What Publish has to do.
type step int

const (
	stepNone step = iota
	stepCreate
	stepUpdate
)

// publishTries is how often the catalog is read and written again after somebody else was faster, or an answer was lost.
const publishTries = 4

// Publish puts a package into the tenant's catalog, or updates it there, and waits until the catalog shows it. A version that
// is there already is left as it is, and [ErrVersion] says that a higher one is, or that somebody else has uploaded this one
// for another application. Calling it again after any error does no harm.
//
// It needs a person who is signed in: see the package comment. It may be called by several at once; one of them uploads.
//
// Where an error comes after the upload, such as the end of ctx during the wait, the Publication has what was done.
//
// Sources: https://learn.microsoft.com/graph/api/teamsapp-publish and https://learn.microsoft.com/graph/api/teamsapp-update.
func (c *Client) Publish(ctx context.Context, tenant mspkit.TenantID, p *teamsapp.Package, o *PublishOptions) (Publication, error) {
	const op = "publish the app"
	opts := o.withDefaults()
	application, err := checkPackage(p, opts.MaxPackage)
	if err == nil {
		err = c.mayWrite()
	}
	if err != nil {
		return Publication{}, c.failed(op, tenant, permSubmit, err)
	}
	u := &upload{c: c, tenant: tenant, p: p, application: application, o: opts, left: opts.Wait}
	pub, err := u.run(ctx)
	return pub, c.failed(op, tenant, permSubmit, err)
}

func (o *PublishOptions) withDefaults() PublishOptions {
	var out PublishOptions
	if o != nil {
		out = *o
	}
	if out.Wait == 0 {
		out.Wait = DefaultWait
	}
	if out.MaxPackage == 0 {
		out.MaxPackage = DefaultMaxPackage
	}
	return out
}

// maxManifest is the longest manifest that is read to check a package.
const maxManifest = 1 << 20

// checkPackage holds what a package says of itself against what is in it: by the former it is decided what to do. It returns
// the application that the manifest names, if any.
func checkPackage(p *teamsapp.Package, most int) (application string, err error) {
	bad := func(what string) (string, error) {
		return "", because(mspkit.ErrInvalid, nil, "%s Make the package with teamsapp.NewPackage.", what)
	}
	if p == nil {
		return bad("There is no package.")
	}
	id, err := azurecred.CanonicalID(p.ID)
	if err != nil {
		return bad("Package.ID is no GUID.")
	}
	if _, err := parseVersion(p.Version); err != nil {
		return bad("Package.Version does not have the form 1.2.3.")
	}
	if most > 0 && len(p.Zip) > most {
		return "", because(mspkit.ErrInvalid, nil, "Package.Zip has %d bytes, and %d are allowed: use a smaller logo, or set PublishOptions.MaxPackage.", len(p.Zip), most)
	}
	z, err := zip.NewReader(bytes.NewReader(p.Zip), int64(len(p.Zip)))
	if err != nil {
		return bad("Package.Zip is no zip archive.")
	}
	f, err := z.Open("manifest.json")
	if err != nil {
		return bad("Package.Zip has no manifest.json at its root.")
	}
	defer func() { _ = f.Close() }()
	var m struct {
		ID, Version string
		Application struct{ ID string } `json:"webApplicationInfo"`
	}
	b, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil || json.Unmarshal(b, &m) != nil {
		return bad("The manifest in Package.Zip cannot be read.")
	}
	if !strings.EqualFold(m.ID, id) || m.Version != p.Version {
		return bad("The manifest in Package.Zip has another id or version than the Package.")
	}
	return m.Application.ID, nil
}

// upload is one call of Publish.
type upload struct {
	c           *Client
	tenant      mspkit.TenantID
	p           *teamsapp.Package
	application string // that the manifest names
	o           PublishOptions
	left        time.Duration // of the time to wait
}

// foreign reports whether a version is known to be of another application than the package, so that it is not what was
// uploaded here: anybody who may submit apps can take an id and a version.
func (u *upload) foreign(d *wireDefinition) bool {
	id := d.Authorization.ClientAppID
	return id != "" && u.application != "" && !strings.EqualFold(id, u.application)
}

func (u *upload) run(ctx context.Context) (Publication, error) {
	// lost is what was sent without an answer that says what became of it.
	var lost step
	var last error
	for try := range publishTries {
		if try > 0 {
			if err := u.pause(ctx, try); err != nil {
				last = err
				break
			}
		}
		a, err := u.c.find(ctx, u.tenant, u.p.ID)
		if err != nil {
			if lost != stepNone {
				break // what was sent matters more than that it cannot be looked at
			}
			return Publication{}, denied(err, "The application needs the permission "+permRead+" or "+permSubmit+" with admin consent in the tenant.")
		}
		todo, err := u.plan(a)
		if err != nil {
			return Publication{}, err
		}
		if todo == stepNone {
			pub := u.seen(a)
			pub.Created, pub.Updated = lost == stepCreate, lost == stepUpdate
			return pub, nil
		}
		made, err := u.send(ctx, todo, a)
		switch status := statusOf(err); {
		case err == nil:
			return u.settle(ctx, todo, a, made)
		case ambiguous(err):
			lost = todo
		case status == http.StatusConflict, todo == stepUpdate && status == http.StatusNotFound:
		default:
			return Publication{}, uploadError(err, u.o.Review)
		}
		last = err
	}
	if lost != stepNone {
		return Publication{}, because(ErrUnknown, last, "The answer was lost, and the catalog does not show the version yet: do it again after some minutes, nothing is uploaded twice.")
	}
	if ctx.Err() != nil {
		return Publication{}, last
	}
	return Publication{}, because(ErrChanged, last, "The catalog has an app with this id already but does not show it: "+
		"somebody uploaded it at this moment, or it waits for a review that you cannot see. Do it again after some minutes.")
}

// pause waits longer each time, but not beyond what the caller gives.
func (u *upload) pause(ctx context.Context, try int) error {
	return u.wait(ctx, time.Duration(1<<(2*(try-1)))*time.Second) // 1, 4, 16 s
}

// wait waits for d, or what is left.
func (u *upload) wait(ctx context.Context, d time.Duration) error {
	d = min(d, u.left)
	u.left -= d
	return sleep(ctx, d)
}

// plan says what to do with what the catalog has.
func (u *upload) plan(a *wireApp) (step, error) {
	if a == nil {
		return stepCreate, nil
	}
	switch d := a.version(u.p.Version); {
	case d == nil:
	case u.foreign(d):
		return stepNone, because(ErrVersion, nil, "The catalog has version %s already, made for another application: somebody else uploaded it. "+
			"Reject or delete it in the Teams admin center where that was not meant, and make the package anew with %s as PackageOptions.Previous.", u.p.Version, u.p.Version)
	case d.PublishingState == StateRejected:
		return stepNone, because(ErrRefused, nil, "An administrator has rejected this version: make the package anew after changing what was objected to, so that it has a higher version.")
	default: // published, or in review, which is said: to approve it is another decision
		return stepNone, nil
	}
	ours, err := parseVersion(u.p.Version)
	if err != nil {
		return stepNone, err
	}
	for _, d := range a.AppDefinitions {
		theirs, err := parseVersion(d.Version)
		if err != nil || d.PublishingState == StateRejected || d.PublishingState == StateSubmitted && u.foreign(&d) {
			continue // one of another form cannot be compared, and what was rejected, or submitted by somebody else, holds up nothing
		}
		if theirs.compare(ours) > 0 {
			return stepNone, because(ErrVersion, nil, "The catalog has version %d.%d.%d already, which is higher than %s: make the package with that as PackageOptions.Previous.",
				theirs[0], theirs[1], theirs[2], u.p.Version)
		}
	}
	return stepUpdate, nil
}

// send uploads the package and returns what Graph says of a new app.
func (u *upload) send(ctx context.Context, todo step, a *wireApp) (wireApp, error) {
	r := &graphx.Request{
		Tenant: u.tenant, Workload: graphx.TeamsApps, Method: http.MethodPost, Path: pathApps, Body: graphx.Raw{Type: "application/zip", Data: u.p.Zip},
	}
	if todo == stepUpdate {
		r.Path = appPath(a.ID) + pathDefinitions
	}
	if u.o.Review {
		r.Query = url.Values{"requiresReview": {"true"}}
	}
	body, err := u.c.write(ctx, r)
	if err != nil || todo == stepUpdate {
		return wireApp{}, err // 204, or 201 with the version: both are a success
	}
	return madeApp(body, u.p.ID)
}

// madeApp reads the answer to the upload of a new app.
func madeApp(body []byte, manifestID string) (wireApp, error) {
	var made wireApp
	if json.Unmarshal(body, &made) != nil || made.ID == "" || !strings.EqualFold(made.ExternalID, manifestID) {
		return wireApp{}, &graphx.AnswerError{What: "it is not the app that was uploaded"}
	}
	return made, nil
}

// settle waits until the catalog shows what was uploaded.
func (u *upload) settle(ctx context.Context, done step, a *wireApp, made wireApp) (Publication, error) {
	if done == stepUpdate {
		made = *a
	}
	pub := Publication{
		App:     App{CatalogID: made.ID, ManifestID: strings.ToLower(u.p.ID), Name: made.DisplayName, Version: u.p.Version, State: StatePublished},
		Created: done == stepCreate, Updated: done == stepUpdate, InReview: u.o.Review,
	}
	if u.o.Review {
		pub.State = StateSubmitted
	}
	if u.o.Wait < 0 {
		return pub, nil
	}
	for delay := time.Second; ; delay = min(2*delay, 10*time.Second) {
		now, err := u.c.find(ctx, u.tenant, u.p.ID)
		if err == nil && now != nil && now.version(u.p.Version) != nil {
			seen := u.seen(now)
			seen.Created, seen.Updated = pub.Created, pub.Updated
			return seen, nil
		}
		if ctx.Err() == nil && u.left <= 0 {
			return pub, nil
		}
		if err := u.wait(ctx, delay); err != nil {
			return pub, because(ErrTemporary, err, "The package is uploaded; the wait until the catalog shows it was ended.")
		}
	}
}

// seen is what the catalog shows of the version.
func (u *upload) seen(a *wireApp) Publication {
	d := a.version(u.p.Version)
	return Publication{
		App: App{
			CatalogID: a.ID, ManifestID: strings.ToLower(a.ExternalID), Name: cmp.Or(d.DisplayName, a.DisplayName), Version: d.Version, State: d.PublishingState,
		},
		InReview: d.PublishingState == StateSubmitted, Seen: true,
	}
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
