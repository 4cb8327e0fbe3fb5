package graphsdk

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/entra/graphentra"
	"github.com/mspkit/mspkit/internal/it/graphcontract"
)

// otherPaths are those that the description of Graph has not, with the path of the description whose parameters, properties and
// bodies are the same. One that nobody asks is an error, too.
var otherPaths = []struct{ method, path, as, reason string }{
	{
		"GET", "/applications(uniqueName={})", "/applications/{application-id}",
		"the description has applications by their ids only; documented at https://learn.microsoft.com/graph/api/application-get",
	},
	{
		"PATCH", "/applications(uniqueName={})", "/applications/{application-id}",
		"the description has no upsert; documented at https://learn.microsoft.com/graph/api/application-upsert",
	},
	{
		"GET", "/servicePrincipals(appId={})", "/servicePrincipals/{servicePrincipal-id}",
		"the description has service principals by their ids only; documented at https://learn.microsoft.com/graph/api/serviceprincipal-get",
	},
}

// other returns the row of a path that the description has not.
func other(method, path string) int {
	for i, o := range otherPaths {
		before, after, keyed := strings.Cut(o.path, "{}")
		middle, ok := strings.CutPrefix(path, before)
		if ok && o.method == method && strings.HasSuffix(middle, after) && !strings.Contains(middle, "/") && len(middle) > len(after) && keyed {
			return i
		}
	}
	return -1
}

// ear keeps what is sent, and what comes back.
type ear struct {
	mu       sync.Mutex
	requests []*graphcontract.Request
}

// RoundTrip implements [http.RoundTripper].
func (e *ear) RoundTrip(r *http.Request) (*http.Response, error) {
	out := &graphcontract.Request{Method: r.Method, URL: r.URL, Header: r.Header.Clone()}
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		_ = r.Body.Close()
		out.Body = b
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(b))
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if out.Answer, err = io.ReadAll(res.Body); err != nil {
		return nil, err
	}
	_ = res.Body.Close()
	res.Body, out.Status = io.NopCloser(bytes.NewReader(out.Answer)), res.StatusCode
	e.mu.Lock()
	defer e.mu.Unlock()
	e.requests = append(e.requests, out)
	return res, nil
}

// verdict says whether a request and its answer keep the description, and by what.
func verdict(c *graphcontract.Contract, r *graphcontract.Request) (shape, by string, row int, err error) {
	path, ok := strings.CutPrefix(r.URL.Path, graphcontract.Version)
	template, found := c.Template(path)
	row = -1
	switch {
	case !ok:
		return r.Shape(r.URL.Path), "", row, errors.New("the path is of another version")
	case found:
		by = "contract"
	default:
		if row = other(r.Method, path); row < 0 {
			return r.Shape(path), "", row, errors.New("neither the contract nor the table has this path")
		}
		template, by = otherPaths[row].as, "like "+otherPaths[row].as
	}
	shape = r.Shape(template)
	if row >= 0 {
		shape = r.Shape(otherPaths[row].path)
	}
	if err = c.Check(r, template); err == nil && (row < 0 || r.Status != http.StatusCreated) {
		err = c.Answer(r, template)
	}
	return shape, by, row, err
}

func selfSigned(t *testing.T) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "north"}, NotBefore: time.Now(), NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	require.NoError(t, err)
	c, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}

// provisionAll plans and applies the presets with all that can be desired, changes and prunes them, and goes the way of Conditional
// Access to its end.
func provisionAll(t *testing.T, hear *ear) {
	t.Helper()
	ctx := t.Context()
	for _, preset := range presets {
		w := newTenant(t, preset, preset == "sign-in", 0)
		w.Change(func(o *entratest.DirectoryOptions) { o.PageSize, o.Me = 3, w.orders.Dana })
		cl := w.orders.listened(t, hear)
		do := func(d graphentra.Desired) {
			p, err := cl.Plan(ctx, north, d)
			require.NoError(t, err)
			_, err = cl.Apply(ctx, p, &graphentra.ApplyOptions{Keep: w.orders.keep})
			require.NoError(t, err)
			p, err = cl.Plan(ctx, north, d)
			require.NoError(t, err)
			require.True(t, p.Empty(), p.String())
		}
		d := w.orders.desired()
		d.Notes, d.Certificates = "Made for a test.", []graphentra.Certificate{{Name: "proof", Certificate: selfSigned(t)}}
		d.Federated = append(d.Federated, graphentra.Federated{Name: "second", Issuer: "https://token.example", Subject: "repo:north/second"})
		do(d)
		_, err := cl.Report(ctx, north, d)
		require.NoError(t, err)
		_, err = cl.Expiring(ctx, north, d.Key, 30*24*time.Hour)
		require.NoError(t, err)
		if d.Conditional != nil {
			enforce(t, w, cl, d)
		}

		d = w.orders.desired()
		d.Prune, d.Unassigned, d.Name, d.AccessClaims = true, true, d.Name+" (new)", []string{"idtyp"}
		d.Secrets = []graphentra.Secret{{Name: "other"}}
		d.Permissions = append(d.Permissions[1:], graphentra.Permission{Name: "Directory.Read.All", Kind: graphentra.Application})
		if len(d.Assignments) > 0 {
			d.Roles, d.Assignments = d.Roles[1:], d.Assignments[:1]
		}
		if len(d.Federated) > 0 {
			d.Federated[0].Description = "Changed."
		}
		if d.Conditional != nil {
			d.Conditional.Restore = true
			w.Edit(w.Objects("conditionalAccessPolicies")[0]["id"].(string), map[string]any{
				"conditions": map[string]any{"users": map[string]any{"excludeUsers": []any{w.orders.Dana}}},
			})
		}
		do(d)
		app := w.Objects("applications")[0]["appId"].(string)
		customer := newTenant(t, preset, false, 0) // an application of another tenant
		customer.Publish(app, "North")
		cl = customer.orders.listened(t, hear)
		d = customer.orders.desired().At(app)
		d.Assignments = nil
		do(d)
	}
}

// enforce looks at a report and switches the policy on and back.
func enforce(t *testing.T, w *tenantOnTheWire, cl *graphentra.Client, d graphentra.Desired) {
	t.Helper()
	policy := w.Objects("conditionalAccessPolicies")[0]["id"].(string)
	for i := range 7 {
		w.AddSignIn(entratest.DirectorySignIn{
			At: time.Now().Add(-time.Duration(i+1) * time.Hour), UserID: w.orders.Dana, AppID: w.Objects("applications")[0]["appId"].(string),
			Policies: []entratest.DirectoryPolicyResult{{PolicyID: policy, Name: "ours", Result: "reportOnlySuccess"}},
		})
	}
	i, err := cl.Impact(t.Context(), north, d, nil)
	require.NoError(t, err)
	require.Equal(t, 7, i.SignIns)
	_, err = cl.Enforce(t.Context(), north, d, i.Token, nil)
	require.NoError(t, err)
	require.Equal(t, "enabled", w.Objects("conditionalAccessPolicies")[0]["state"])
	require.NoError(t, cl.Relax(t.Context(), north, d))
}

// TestEveryRequestOfThePresetsKeepsGraphsContract sends what provisioning can send, by Microsoft's SDK, to the fake directory, and
// holds each request and each answer against the description that Microsoft publishes.
func TestEveryRequestOfThePresetsKeepsGraphsContract(t *testing.T) {
	t.Parallel()
	contract := graphcontract.Open(t)
	var hear ear
	provisionAll(t, &hear)
	seen, used := map[string]string{}, make([]bool, len(otherPaths))
	for _, r := range hear.requests {
		shape, by, row, err := verdict(contract, r)
		if row >= 0 {
			used[row] = true
		}
		if err != nil {
			t.Errorf("%s\n\tstatus %d\n\t%v", shape, r.Status, err)
			by = "REFUSED"
		}
		if seen[shape] != "REFUSED" {
			seen[shape] = by
		}
	}
	for _, want := range []string{
		"GET    /applications?", "GET    /applications/{application-id}?", "PATCH  /applications/{application-id} ", "POST   /applications/{application-id}/addPassword ",
		"POST   /applications/{application-id}/removePassword ", "POST   /applications/{application-id}/federatedIdentityCredentials ",
		"PATCH  /applications/{application-id}/federatedIdentityCredentials/", "DELETE /applications/{application-id}/federatedIdentityCredentials/",
		"POST   /servicePrincipals ", "PATCH  /servicePrincipals/{servicePrincipal-id} ",
		"POST   /servicePrincipals/{servicePrincipal-id}/appRoleAssignedTo ", "DELETE /servicePrincipals/{servicePrincipal-id}/appRoleAssignedTo/",
		"POST   /servicePrincipals/{servicePrincipal-id}/appRoleAssignments ", "DELETE /servicePrincipals/{servicePrincipal-id}/appRoleAssignments/",
		"POST   /oauth2PermissionGrants ", "PATCH  /oauth2PermissionGrants/", "GET    /organization", "GET    /me?", "GET    /auditLogs/signIns?",
		"GET    /policies/identitySecurityDefaultsEnforcementPolicy", "GET    /groups/{group-id}/transitiveMembers",
		"POST   /identity/conditionalAccess/policies ", "PATCH  /identity/conditionalAccess/policies/",
	} {
		sent := slices.ContainsFunc(graphcontract.SortedKeys(seen), func(shape string) bool { return strings.HasPrefix(shape+" ", want) })
		require.True(t, sent, "%s was not tried: %s", want, strings.Join(graphcontract.SortedKeys(seen), "\n"))
	}
	for i, o := range otherPaths {
		if !used[i] {
			t.Errorf("nobody sends %s %s any more: take it out of the table", o.method, o.path)
		}
		t.Logf("not in the contract: %s %s, because %s", o.method, o.path, o.reason)
	}
	var b strings.Builder
	for _, shape := range graphcontract.SortedKeys(seen) {
		fmt.Fprintf(&b, "\n%-10s %s", seen[shape], shape)
	}
	t.Logf("%d requests, %d different ones:%s", len(hear.requests), len(seen), b.String())
}

// TestTheContractSeesBrokenProvisioning holds the test above to be one that can fail.
func TestTheContractSeesBrokenProvisioning(t *testing.T) {
	t.Parallel()
	contract := graphcontract.Open(t)
	for name, x := range map[string]struct{ method, target, body, want string }{
		"a property that is not":      {"POST", "/applications", `{"displayName":"x","colour":"red"}`, "colour"},
		"a property deep inside":      {"PATCH", "/applications(uniqueName='x')", `{"web":{"redirectUrls":[]}}`, "redirectUrls"},
		"a key that is not in it":     {"GET", "/applications(displayName='x')", "", "neither the contract"},
		"a method that is not":        {"DELETE", "/applications", "", "has no method"},
		"a state that is not":         {"PATCH", "/identity/conditionalAccess/policies/x", `{"state":"on"}`, "state"},
		"a filter by what is not":     {"GET", "/auditLogs/signIns?$filter=application%20eq%20'x'", "", "application"},
		"a select of what is not":     {"GET", "/servicePrincipals(appId='x')?$select=colour", "", "colour"},
		"a path of the other version": {"GET", "/../beta/applications", "", "another version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(graphcontract.Version + x.target)
			require.NoError(t, err)
			if strings.HasPrefix(x.target, "/..") {
				u.Path = filepath.ToSlash(filepath.Clean(u.Path))
			}
			r := &graphcontract.Request{Method: x.method, URL: u, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(x.body)}
			if x.body == "" {
				r.Header = http.Header{}
			}
			_, _, _, err = verdict(contract, r)
			require.ErrorContains(t, err, x.want)
		})
	}
}

// listened is a client whose requests are heard.
func (o orders) listened(t *testing.T, e *ear) *graphentra.Client {
	t.Helper()
	c, err := o.with(&http.Client{Transport: e}, nil)
	require.NoError(t, err)
	return c
}
