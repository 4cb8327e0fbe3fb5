package graphteams

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/internal/httpx"
)

// The states of an app or of one of its versions. Source: https://learn.microsoft.com/graph/api/resources/teamsappdefinition.
const (
	// StatePublished is what people can have.
	StatePublished = "published"
	// StateSubmitted waits for an administrator's review.
	StateSubmitted = "submitted"
	// StateRejected was refused by an administrator.
	StateRejected = "rejected"
)

// App is an app in a tenant's catalog.
type App struct {
	// CatalogID is the id in the tenant's catalog, ManifestID that in the manifest.
	CatalogID, ManifestID string
	// Name and Version are those of the version that is published; where none is, of the one that waits for review, or that
	// was rejected.
	Name, Version string
	// State is that of the version: [StatePublished], [StateSubmitted] or [StateRejected].
	State string
}

// Definition is a version of an app in a tenant's catalog. An app that is published has a second one while a new version
// waits for review.
type Definition struct {
	// ID is Microsoft's. It changes with the state.
	ID string
	// CatalogID and ManifestID are those of the app.
	CatalogID, ManifestID string
	Name, Version         string
	// State is [StatePublished], [StateSubmitted] or [StateRejected].
	State string
	// Application is the application in Entra that its manifest names as webApplicationInfo.id, in lower case; empty where Graph
	// does not say. Anybody who may submit apps can submit a version with your ManifestID: compare it with your own before you
	// approve. Source: https://learn.microsoft.com/graph/api/resources/teamsappauthorization.
	Application string
	// ETag changes when the version is changed. [Client.Approve] holds to it, so that what is approved is what was looked at.
	// Graph may leave it out.
	ETag string
	// Modified is when it was changed last; zero where Graph does not say.
	Modified time.Time
}

// The permissions that the catalog needs. Those to write are delegated: there is no permission by which an application could
// write to a catalog by itself. Source: https://learn.microsoft.com/graph/permissions-reference.
const (
	permRead   = "AppCatalog.Read.All"
	permSubmit = "AppCatalog.Submit (delegated)"
	permReview = "AppCatalog.ReadWrite.All (delegated)"
)

// Find returns an app of the organisation's catalog by the id in its manifest, [ErrNotPublished] where there is none. It may
// take minutes until the catalog shows what was uploaded; see [Client.Publish].
//
// Source: https://learn.microsoft.com/graph/api/appcatalogs-list-teamsapps.
func (c *Client) Find(ctx context.Context, tenant mspkit.TenantID, manifestID string) (App, error) {
	const op = "find the app"
	a, err := c.mustFind(ctx, tenant, manifestID)
	if err != nil {
		return App{}, c.failed(op, tenant, permRead, err)
	}
	return a.app(), nil
}

// Definitions returns the versions of an app that the catalog has: at most one that is published and those that wait for
// review or were rejected. [ErrNotPublished] where there is no such app.
func (c *Client) Definitions(ctx context.Context, tenant mspkit.TenantID, manifestID string) ([]Definition, error) {
	a, err := c.mustFind(ctx, tenant, manifestID)
	if err != nil {
		return nil, c.failed("list the versions of the app", tenant, permRead, err)
	}
	out := make([]Definition, 0, len(a.AppDefinitions))
	for i := range a.AppDefinitions {
		out = append(out, a.definition(&a.AppDefinitions[i]))
	}
	return out, nil
}

// Approve publishes a version that was submitted for review, as an administrator of Teams. d is one of [Client.Definitions]: with
// its ETag only that very version is approved, and [ErrChanged] means that somebody has changed it since; without one the
// version is approved as it is now, as long as its Application is the same. One that is published already is no error.
//
// Source: https://learn.microsoft.com/graph/api/teamsapp-publish.
func (c *Client) Approve(ctx context.Context, tenant mspkit.TenantID, d Definition) (App, error) {
	return c.review(ctx, "approve the version", tenant, d, StatePublished)
}

// Reject refuses a version that was submitted for review, like [Client.Approve].
func (c *Client) Reject(ctx context.Context, tenant mspkit.TenantID, d Definition) error {
	_, err := c.review(ctx, "reject the version", tenant, d, StateRejected)
	return err
}

// reviewTries is how often a review is tried again after somebody else was faster.
const reviewTries = 3

func (c *Client) review(ctx context.Context, op string, tenant mspkit.TenantID, d Definition, to string) (App, error) {
	err := c.mayWrite()
	if err == nil {
		_, err = parseVersion(d.Version)
	}
	if err != nil {
		return App{}, c.failed(op, tenant, permReview, err)
	}
	var sent string // the etag that was sent last and found to be wrong
	for range reviewTries {
		a, err := c.mustFind(ctx, tenant, d.ManifestID)
		if err != nil {
			return App{}, c.failed(op, tenant, permReview, err)
		}
		now := a.version(d.Version)
		switch {
		case now == nil:
			err = because(ErrNotPublished, nil, "The version is not in the catalog any more: look at what is there now.")
		case now.PublishingState == to:
			out := a.app()
			out.Name, out.Version, out.State = now.DisplayName, now.Version, now.PublishingState
			return out, nil
		case now.PublishingState != StateSubmitted:
			err = because(ErrRefused, nil, "The version does not wait for a review.")
		case d.ETag != "" && now.ETag != "" && d.ETag != now.ETag, d.Application != "" && !strings.EqualFold(d.Application, now.Authorization.ClientAppID):
			err = because(ErrChanged, nil, "The version was changed after it was looked at: look at it again before deciding.")
		}
		if err != nil {
			return App{}, c.failed(op, tenant, permReview, err)
		}
		tag := now.ETag
		if tag == sent { // there is none in the list, or it is not the one that counts
			tag, err = c.etag(ctx, tenant, a.ID, now.ID)
		}
		if err == nil && sent != "" && tag == sent {
			return App{}, c.failed(op, tenant, permReview, because(ErrDelegated, nil,
				"Microsoft Graph answers 412 although the version did not change, which it does to applications without a person: sign in as an administrator of Teams."))
		}
		if err == nil {
			err = c.patchState(ctx, tenant, a.ID, now.ID, tag, to)
		}
		switch status := statusOf(err); {
		case err == nil: // what it became is read again
		case status == http.StatusPreconditionFailed:
			sent = tag
		case status == http.StatusNotFound, status == http.StatusConflict, ambiguous(err):
		default:
			return App{}, c.failed(op, tenant, permReview, denied(err, publishAdvice))
		}
		if err == nil {
			out := a.app()
			out.Name, out.Version, out.State = now.DisplayName, now.Version, to
			return out, nil
		}
	}
	return App{}, c.failed(op, tenant, permReview, because(ErrChanged, nil, "Somebody else changes the app at the same time: look at it again and then decide."))
}

func (c *Client) patchState(ctx context.Context, tenant mspkit.TenantID, app, definition, tag, to string) error {
	r := &graphx.Request{
		Tenant: tenant, Workload: graphx.TeamsApps, Method: http.MethodPatch, Path: definitionPath(app, definition),
		Body: map[string]string{"publishingState": to},
	}
	if tag != "" { // where Graph gives none, the id of the version and its state are all there is to hold to
		r.Header = http.Header{"If-Match": {tag}}
	}
	_, err := c.write(ctx, r)
	return err
}

// etag asks for the etag of one version, where a list has none.
func (c *Client) etag(ctx context.Context, tenant mspkit.TenantID, app, definition string) (string, error) {
	res, err := c.graph.Open(ctx, &graphx.Request{Tenant: tenant, Workload: graphx.TeamsApps, Path: definitionPath(app, definition)})
	if err != nil {
		return "", err
	}
	_ = res.Body.Close()
	return res.Header.Get("ETag"), nil
}

// Withdraw deletes an app from the organisation's catalog, for everybody; where nothing of it is published yet, what waits for
// review. One that is not there is no error. The catalog may show it for a while, and people's Teams for hours.
//
// Source: https://learn.microsoft.com/graph/api/teamsapp-delete.
func (c *Client) Withdraw(ctx context.Context, tenant mspkit.TenantID, manifestID string) error {
	const op = "withdraw the app"
	if err := c.mayWrite(); err != nil {
		return c.failed(op, tenant, permSubmit, err)
	}
	a, err := c.mustFind(ctx, tenant, manifestID)
	switch {
	case errors.Is(err, ErrNotPublished):
		return nil
	case err != nil:
		return c.failed(op, tenant, permRead, err)
	}
	if a.in(StatePublished) != nil || len(a.AppDefinitions) == 0 {
		err = c.remove(ctx, tenant, appPath(a.ID))
	} else {
		for i := range a.AppDefinitions {
			err = errors.Join(err, c.remove(ctx, tenant, definitionPath(a.ID, a.AppDefinitions[i].ID)))
		}
	}
	return c.failed(op, tenant, permSubmit, denied(err, publishAdvice))
}

func (c *Client) remove(ctx context.Context, tenant mspkit.TenantID, path string) error {
	_, err := c.write(ctx, &graphx.Request{Tenant: tenant, Workload: graphx.TeamsAppsDelete, Method: http.MethodDelete, Path: path})
	if statusOf(err) == http.StatusNotFound {
		return nil
	}
	return err
}

const (
	pathApps        = "/appCatalogs/teamsApps"
	pathDefinitions = "/appDefinitions"
)

func appPath(id string) string { return pathApps + "/" + graphx.Segment(id) }

func definitionPath(app, id string) string {
	return appPath(app) + pathDefinitions + "/" + graphx.Segment(id)
}

// wireApp and wireDefinition are what is read of Graph's.
type wireApp struct {
	ID                 string           `json:"id"`
	ExternalID         string           `json:"externalId"`
	DisplayName        string           `json:"displayName"`
	DistributionMethod string           `json:"distributionMethod"`
	AppDefinitions     []wireDefinition `json:"appDefinitions"`
}

type wireDefinition struct {
	ID                   string     `json:"id"`
	DisplayName          string     `json:"displayName"`
	Version              string     `json:"version"`
	PublishingState      string     `json:"publishingState"`
	ETag                 string     `json:"@odata.etag"`
	LastModifiedDateTime *time.Time `json:"lastModifiedDateTime"`
	Authorization        struct {
		ClientAppID string `json:"clientAppId"`
	} `json:"authorization"`
}

func (a *wireApp) in(state string) *wireDefinition {
	return a.first(func(d *wireDefinition) bool { return d.PublishingState == state })
}

// version returns the version of that number; where it is there more than once, the one that is furthest.
func (a *wireApp) version(number string) *wireDefinition {
	for _, state := range []string{StatePublished, StateSubmitted, StateRejected} {
		if d := a.first(func(d *wireDefinition) bool { return d.PublishingState == state && d.Version == number }); d != nil {
			return d
		}
	}
	return nil
}

func (a *wireApp) first(f func(*wireDefinition) bool) *wireDefinition {
	for i := range a.AppDefinitions {
		if f(&a.AppDefinitions[i]) {
			return &a.AppDefinitions[i]
		}
	}
	return nil
}

func (a *wireApp) app() App {
	out := App{CatalogID: a.ID, ManifestID: strings.ToLower(a.ExternalID), Name: a.DisplayName}
	for _, state := range []string{StatePublished, StateSubmitted, StateRejected} {
		if d := a.in(state); d != nil {
			out.Name, out.Version, out.State = cmp.Or(d.DisplayName, a.DisplayName), d.Version, d.PublishingState
			break
		}
	}
	return out
}

func (a *wireApp) definition(d *wireDefinition) Definition {
	out := Definition{
		ID: d.ID, CatalogID: a.ID, ManifestID: strings.ToLower(a.ExternalID), Name: cmp.Or(d.DisplayName, a.DisplayName), Version: d.Version,
		State: d.PublishingState, Application: strings.ToLower(d.Authorization.ClientAppID), ETag: d.ETag,
	}
	if d.LastModifiedDateTime != nil {
		out.Modified = d.LastModifiedDateTime.UTC()
	}
	return out
}

// find reads an organisation's app with its versions, nil where there is none.
func (c *Client) find(ctx context.Context, tenant mspkit.TenantID, manifestID string) (*wireApp, error) {
	id, err := azurecred.CanonicalID(manifestID)
	if err != nil {
		return nil, fmt.Errorf("graphteams: the id of a manifest: %w", err)
	}
	for a, err := range graphx.ListOf[wireApp](ctx, c.graph, &graphx.Request{
		Tenant: tenant, Workload: graphx.TeamsApps, Path: pathApps,
		Query: url.Values{"$filter": {"externalId eq '" + id + "'"}, "$expand": {"appDefinitions"}},
	}) {
		if err != nil {
			return nil, err
		}
		// What was not asked for is not taken: an app of the store, or of another id, would be changed instead.
		if strings.EqualFold(a.ExternalID, id) && a.DistributionMethod == "organization" && a.ID != "" {
			a.AppDefinitions = slices.DeleteFunc(a.AppDefinitions, func(d wireDefinition) bool { return d.ID == "" })
			return &a, nil
		}
	}
	return nil, nil
}

func (c *Client) mustFind(ctx context.Context, tenant mspkit.TenantID, manifestID string) (*wireApp, error) {
	a, err := c.find(ctx, tenant, manifestID)
	if err == nil && a == nil {
		err = because(ErrNotPublished, nil, "Publish the app in the tenant first. What was uploaded lately may take some minutes to be seen.")
	}
	return a, err
}

// maxAnswer is the longest answer to a write that is read.
const maxAnswer = 1 << 20

// write sends a request that changes something and returns the body of the answer. An error that came with a status of
// success is an error here, with the status that its code stands for.
func (c *Client) write(ctx context.Context, r *graphx.Request) ([]byte, error) {
	res, err := c.graph.Open(ctx, r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, &graphx.AnswerError{What: "it broke off", Err: err}
	}
	return body, c.within(res, body)
}

// within returns the error that the body of an answer of success holds.
func (c *Client) within(res *http.Response, body []byte) error {
	if e := c.graph.ErrorIn(res, body); e != nil {
		return meant(e)
	}
	return nil
}

// mayWrite says what is known to be in vain before anything is sent to write to the catalog.
func (c *Client) mayWrite() error {
	switch {
	case nationalCloud(c.o.Cloud) == cloudChina:
		return because(ErrCloud, nil, "Microsoft Graph has no catalog of Teams apps in the cloud operated by 21Vianet: upload the package in the Teams admin center of that cloud.")
	case c.alone:
		return because(ErrDelegated, nil, "%s", publishAdvice)
	}
	return nil
}

const publishAdvice = "A person must be signed in who has the role Teams Administrator in the tenant, or that role by the GDAP relationship of a partner, " +
	"and the application needs the delegated permission AppCatalog.ReadWrite.All with admin consent. There is no permission by which an " +
	"application could do it by itself."

// denied gives the advice to an error that says that something is not allowed.
func denied(err error, advice string) error {
	if statusOf(err) != http.StatusForbidden {
		return err
	}
	return because(ErrDenied, err, "%s", advice)
}

// statusOf returns the status of an answer of Graph, 0 where err is none.
func statusOf(err error) int {
	if e, ok := errors.AsType[*graphx.Error](err); ok {
		return e.Status
	}
	return 0
}

// ambiguous reports whether a request that ended so may have been obeyed.
func ambiguous(err error) bool {
	if e, ok := errors.AsType[*graphx.Error](err); ok {
		return e.Status >= http.StatusInternalServerError && e.Status != http.StatusNotImplemented || e.Status == http.StatusRequestTimeout
	}
	if e, ok := errors.AsType[*httpx.Error](err); ok {
		return e.Sent
	}
	return errors.Is(err, graphx.ErrAnswer)
}
