package graphteams_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/graphteams"
)

// submit has somebody who is no administrator submit a version, and signs the administrator in again.
func (w *world) submit(t *testing.T, version string) graphteams.Definition {
	t.Helper()
	w.who = w.user
	c := w.client(t)
	pub, err := c.Publish(t.Context(), contoso, pkg(t, version), &graphteams.PublishOptions{Review: true})
	require.NoError(t, err)
	require.True(t, pub.InReview && pub.Seen)
	require.Equal(t, graphteams.StateSubmitted, pub.State)
	w.who = w.admin
	return w.waiting(t)
}

func (w *world) waiting(t *testing.T) graphteams.Definition {
	t.Helper()
	list, err := w.client(t).Definitions(t.Context(), contoso, manifestID)
	require.NoError(t, err)
	for _, d := range list {
		if d.State == graphteams.StateSubmitted {
			w.Forget()
			return d
		}
	}
	t.Fatal("nothing waits for a review")
	return graphteams.Definition{}
}

func TestReview(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client(t)
	d := w.submit(t, "1.0.0")
	require.NotEmpty(t, d.ETag)
	require.Equal(t, manifestID, d.ManifestID)
	require.WithinDuration(t, time.Now(), d.Modified, time.Minute)

	// Publishing what is in review says that it is.
	pub, err := c.Publish(t.Context(), contoso, pkg(t, "1.0.0"), nil)
	require.NoError(t, err)
	require.True(t, pub.InReview && !pub.Created && !pub.Updated)
	require.Equal(t, []string{"GET " + apps}, w.sent())

	app, err := c.Approve(t.Context(), contoso, d)
	require.NoError(t, err)
	require.Equal(t, graphteams.StatePublished, app.State)
	require.Equal(t, d.CatalogID, app.CatalogID)
	require.Equal(t, "1.0.0", w.tenant.TeamsApps()[0].Published().Version)
	patch := w.Requests()[1]
	require.Equal(t, http.MethodPatch, patch.Method)
	require.Equal(t, d.ETag, patch.Header.Get("If-Match"))
	require.JSONEq(t, `{"publishingState":"published"}`, string(patch.Body))
	w.Forget()
	_, err = c.Approve(t.Context(), contoso, d)
	require.NoError(t, err, "what is approved is approved")
	require.Equal(t, []string{"GET " + apps}, w.sent())

	// A second version waits beside the one that people have, is rejected, and cannot be published as it is.
	d = w.submit(t, "1.1.0")
	found, err := c.Find(t.Context(), contoso, manifestID)
	require.NoError(t, err)
	require.Equal(t, "1.0.0", found.Version)
	require.NoError(t, c.Reject(t.Context(), contoso, d))
	require.NoError(t, c.Reject(t.Context(), contoso, d))
	_, err = c.Approve(t.Context(), contoso, d)
	require.ErrorIs(t, err, graphteams.ErrRefused)
	_, err = c.Publish(t.Context(), contoso, pkg(t, "1.1.0"), nil)
	require.ErrorIs(t, err, graphteams.ErrRefused)
	require.Contains(t, asError(t, err).Advice, "rejected")
	pub, err = c.Publish(t.Context(), contoso, pkg(t, "1.0.1"), nil)
	require.NoError(t, err, "a version that was rejected does not hold up a lower one")
	require.True(t, pub.Updated)
	_, err = c.Approve(t.Context(), contoso, d)
	require.ErrorIs(t, err, graphteams.ErrNotPublished)
}

func TestApproveHoldsToWhatWasLookedAt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client(t)
	d := w.submit(t, "1.0.0")
	// Somebody takes the version back and submits another of the same number after the administrator has looked.
	swap := func() {
		w.who = w.user
		require.Equal(t, http.StatusNoContent, w.do(t, http.MethodDelete, apps+"/"+d.CatalogID+"/appDefinitions/"+url.PathEscape(w.tenant.TeamsApps()[0].Definitions[0].ID)))
		d2 := w.submit(t, "1.0.0")
		require.NotEqual(t, d.ETag, d2.ETag)
	}
	swap()
	_, err := c.Approve(t.Context(), contoso, d)
	require.ErrorIs(t, err, graphteams.ErrChanged)
	require.Contains(t, asError(t, err).Advice, "look at it again")
	require.Equal(t, []string{"GET " + apps}, w.sent())
	require.Nil(t, w.tenant.TeamsApps()[0].Published())

	// Between our reading and our writing: 412, read again, and it is seen.
	d = w.waiting(t)
	var once atomic.Bool
	w.SetFault(func(r *http.Request) *graphfake.Fault {
		if r.Method == http.MethodPatch && once.CompareAndSwap(false, true) {
			return &graphfake.Fault{Status: http.StatusPreconditionFailed, Code: "PreconditionFailed"}
		}
		return nil
	})
	d.ETag = ""
	_, err = c.Approve(t.Context(), contoso, d)
	require.ErrorIs(t, err, graphteams.ErrDelegated, "412 though nothing changed is what an application is told")
	w.SetFault(nil)
	w.Forget()
	app, err := c.Approve(t.Context(), contoso, d)
	require.NoError(t, err, "without an etag it is approved as it is now")
	require.Equal(t, "1.0.0", app.Version)
}

// do sends a request of the one who is signed in.
func (w *world) do(t *testing.T, method, path string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, graphURL+path, http.NoBody)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+w.bearer())
	res, err := inside{w}.RoundTrip(r)
	require.NoError(t, err)
	_ = res.Body.Close()
	return res.StatusCode
}

// TestReviewRepeats has 412 that is another's change, answers that get lost, and lists without etags.
func TestReviewRepeats(t *testing.T) {
	t.Parallel()
	t.Run("changed by another, without an etag to hold to", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		d := w.submit(t, "1.0.0")
		d.ETag = ""
		var patches atomic.Int32
		w.SetFault(func(r *http.Request) *graphfake.Fault {
			if r.Method == http.MethodPatch && patches.Add(1) == 1 {
				w.SetFault(nil)
				w.resubmit(t, pkg(t, d.Version))
			}
			return nil
		})
		_, err := w.client(t).Approve(t.Context(), contoso, d)
		require.NoError(t, err)
		require.NotNil(t, w.tenant.TeamsApps()[0].Published())
	})
	t.Run("again and again", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		d := w.submit(t, "1.0.0")
		d.ETag = ""
		w.SetFault(func(r *http.Request) *graphfake.Fault {
			if r.Method == http.MethodPatch {
				w.resubmit(t, pkg(t, d.Version))
			}
			return nil
		})
		_, err := w.client(t).Approve(t.Context(), contoso, d)
		require.ErrorIs(t, err, graphteams.ErrChanged)
		asError(t, err)
	})
	t.Run("the answer is lost", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		d := w.submit(t, "1.0.0")
		w.SetFault(graphfake.Times(1, graphfake.Fault{Drop: true, After: true}, "/appDefinitions/"))
		app, err := w.client(t).Approve(t.Context(), contoso, d)
		require.NoError(t, err)
		require.Equal(t, graphteams.StatePublished, app.State)
	})
	t.Run("a list without etags", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.tenant.SetCatalogQuirks(graphfake.CatalogQuirks{NoETags: true})
		d := w.submit(t, "1.0.0")
		require.Empty(t, d.ETag)
		_, err := w.client(t).Approve(t.Context(), contoso, d)
		require.NoError(t, err)
		sent := w.sent()
		require.Len(t, sent, 3)
		require.True(t, strings.HasPrefix(sent[1], "GET "+apps+"/"), "the etag is asked for")
	})
	t.Run("another application without etags", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.tenant.SetCatalogQuirks(graphfake.CatalogQuirks{NoETags: true})
		d := w.submit(t, "1.0.0")
		require.Equal(t, botID, d.Application)
		w.resubmit(t, pack(t, manifest("1.0.0", map[string]any{"webApplicationInfo": map[string]any{"id": "11111111-1111-4111-8111-111111111111", "resource": "api://x"}})))
		_, err := w.client(t).Approve(t.Context(), contoso, d)
		require.ErrorIs(t, err, graphteams.ErrChanged)
	})
	t.Run("a list whose etag is not the one that counts", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		d := w.submit(t, "1.0.0")
		list, err := json.Marshal(map[string]any{"value": []any{map[string]any{
			"id": d.CatalogID, "externalId": manifestID, "distributionMethod": "organization", "appDefinitions": []any{map[string]any{
				"id": d.ID, "version": "1.0.0", "publishingState": "submitted", "@odata.etag": `W/"weak"`,
				"authorization": map[string]any{"clientAppId": strings.ToUpper(botID)},
			}},
		}}})
		require.NoError(t, err)
		w.SetFault(func(r *http.Request) *graphfake.Fault {
			if r.Method == http.MethodGet && r.URL.Path == apps {
				return &graphfake.Fault{Body: string(list)}
			}
			return nil
		})
		_, err = w.client(t).Approve(t.Context(), contoso, w.waiting(t))
		require.NoError(t, err)
		require.NotNil(t, w.tenant.TeamsApps()[0].Published())
	})
	t.Run("no administrator", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		d := w.submit(t, "1.0.0")
		w.who = w.user
		_, err := w.client(t).Approve(t.Context(), contoso, d)
		require.ErrorIs(t, err, graphteams.ErrDenied)
		require.Contains(t, asError(t, err).Advice, "Teams Administrator")
		d.Version = "x"
		_, err = w.client(t).Approve(t.Context(), contoso, d)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	})
}

// resubmit takes a submitted version back and submits another package, at the fake itself.
func (w *world) resubmit(t *testing.T, p *teamsapp.Package) {
	t.Helper()
	who := w.who
	w.who = w.user
	require.Equal(t, http.StatusNoContent, w.do(t, http.MethodDelete, apps+"/"+w.tenant.TeamsApps()[0].ID+"/appDefinitions/"+url.PathEscape(w.tenant.TeamsApps()[0].Definitions[0].ID)))
	w.who = who
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, graphURL+apps+"?requiresReview=true", bytes.NewReader(p.Zip))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+w.UserBearer(w.tenant.ID, w.user))
	r.Header.Set("Content-Type", "application/zip")
	res, err := inside{w}.RoundTrip(r)
	require.NoError(t, err)
	_ = res.Body.Close()
	require.Equal(t, http.StatusCreated, res.StatusCode)
}

func TestWithdrawWhatWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.submit(t, "1.0.0")
	w.who = w.user
	require.NoError(t, w.client(t).Withdraw(t.Context(), contoso, manifestID), "who submitted it may take it back")
	require.Empty(t, w.tenant.TeamsApps())
	require.Contains(t, w.sent()[1], "DELETE "+apps+"/"+d.CatalogID+"/appDefinitions/")
	w.who = w.admin
	_, err := w.client(t).Publish(t.Context(), contoso, pkg(t, "1.0.0"), nil)
	require.NoError(t, err)
	w.who = w.user
	err = w.client(t).Withdraw(t.Context(), contoso, manifestID)
	require.ErrorIs(t, err, graphteams.ErrDenied)
	asError(t, err)
	w.who = w.admin
	w.SetFault(graphfake.Times(1, graphfake.Fault{Drop: true, After: true}, apps+"/"))
	require.NoError(t, w.client(t).Withdraw(t.Context(), contoso, manifestID), "deleted, though the answer was lost")
	require.Empty(t, w.tenant.TeamsApps())
}
