package contracts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/internal/it/graphcontract"
)

// exception is a request that the description of Graph has not. Where something like it is described, as names the path
// whose parameters, properties and body are the same; where not, check knows what the documentation says.
type exception struct {
	method, host, path string
	as                 string
	check              func(*request) error
	reason             string
}

// exceptions are all there may be; one that nobody sends is an error, too.
var exceptions = []exception{
	{
		"POST", "graph", graphcontract.Version + "/$batch", "", nil,
		"descriptions of Graph have no path for the envelope; its form is checked by hand, and each request in it like any other",
	},
	{
		"GET", "graph", graphcontract.Version + "/users/{}/contactFolders/{}/contacts/delta", "/users/{user-id}/contacts/delta", nil,
		"the description has delta of a mailbox's own contacts only; documented at https://learn.microsoft.com/graph/api/contact-delta",
	},
	{
		"GET", "graph", graphcontract.Version + "/users/{}/contactFolders/{}/childFolders", "/users/{user-id}/contactFolders", nil,
		"the description has the folders of the first level only; documented at https://learn.microsoft.com/graph/api/contactfolder-list-childfolders",
	},
	{
		"GET", "graph", graphcontract.Version + "/groups/{}/transitiveMembers/microsoft.graph.user", "/users", nil,
		"the description has members of every type only; the cast is documented at https://learn.microsoft.com/graph/api/group-list-transitivemembers",
	},
	{
		"GET", "graph", graphcontract.Version + "/groups/{}/transitiveMembers/microsoft.graph.user/$count", "/users/$count", nil,
		"the description counts users only; documented at https://learn.microsoft.com/graph/api/group-list-transitivemembers",
	},
	{
		"POST", "graph", graphcontract.Version + "/users/{}/teamwork/installedApps/{}/upgrade", "", checkUpgrade,
		"the description has no actions of installed apps; documented at https://learn.microsoft.com/graph/api/userteamwork-teamsappinstallation-upgrade",
	},
	{
		"GET", "graph", graphcontract.Version + "/teams/{}/channels/{}/messages/{}/replies/{}", "/teams/{team-id}/channels/{channel-id}/messages/{chatMessage-id}", nil,
		"the description has the list of replies only; documented at https://learn.microsoft.com/graph/api/chatmessage-get",
	},
	{
		"GET", "graph", graphcontract.Version + "/teams/{}/channels/{}/messages/{}/replies/{}/hostedContents/{}/$value",
		"/teams/{team-id}/channels/{channel-id}/messages/{chatMessage-id}/hostedContents/{chatMessageHostedContent-id}/$value", nil,
		"the description has the hosted contents of messages only; documented at https://learn.microsoft.com/graph/api/chatmessagehostedcontent-get",
	},
	{
		"PUT", "graph", "/upload/{}", "", checkUpload,
		"a part of a large file goes to an address that Graph gives, on another host of Microsoft's; see https://learn.microsoft.com/graph/outlook-large-attachments",
	},
	{
		"POST", "login", "/{}/oauth2/v2.0/token", "", checkToken,
		"the token endpoint is Entra's; see https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow",
	},
	{
		"POST", "center", "/v1/customers/{}/applicationconsents", "", checkConsent,
		"Partner Center is another API; see https://learn.microsoft.com/partner-center/developer/control-panel-vendor-apis",
	},
	{
		"DELETE", "center", "/v1/customers/{}/applicationconsents/{}", "", checkCenter,
		"Partner Center is another API; see https://learn.microsoft.com/partner-center/developer/control-panel-vendor-apis",
	},
	{
		"GET", "graph", graphcontract.Version + "/admin/teams/policy/{}", "", checkPolicyID,
		"the description has the assigning of policies only; documented at https://learn.microsoft.com/graph/api/teamsadministration-teamspolicyassignment-getpolicyid",
	},
	{
		"POST", "graph", graphcontract.Version + "/admin/teams/policy/userAssignments/unassign", "/admin/teams/policy/userAssignments/assign", nil,
		"the description has the assigning only; documented at https://learn.microsoft.com/graph/api/teamsadministration-teamspolicyuserassignment-unassign",
	},
	{
		"GET", "graph", graphcontract.Version + "/admin/teams/userConfigurations/{}", "", checkConfiguration,
		"the description does not have it; documented at https://learn.microsoft.com/graph/api/teamsadministration-teamsuserconfiguration-get",
	},
}

var contentRange = regexp.MustCompile(`^bytes \d+-\d+/\d+$`)

// checkUpload knows that the address is the secret: a token must not go with it.
func checkUpload(r *request) error {
	switch {
	case r.Header.Get("Authorization") != "":
		return errors.New("a token goes to the address of an upload")
	case !contentRange.MatchString(r.Header.Get("Content-Range")):
		return errors.New("a part of a file does not say which")
	case len(r.Body) == 0 || len(r.Body) > 4<<20:
		return errors.New("a part of a file is empty or has more than 4 MB")
	}
	return nil
}

// checkToken knows the form by which a code or a refresh token is redeemed.
func checkToken(r *request) error {
	form, err := url.ParseQuery(string(r.Body))
	if err != nil || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.URL.RawQuery != "" {
		return errors.New("what is asked for is no form")
	}
	needed := []string{"client_id", "grant_type"}
	switch form.Get("grant_type") {
	case "refresh_token":
		needed = append(needed, "refresh_token", "scope")
	case "authorization_code":
		needed = append(needed, "code", "redirect_uri", "code_verifier")
	case "client_credentials":
		needed = append(needed, "scope")
	}
	allowed := append(slices.Clone(needed), "scope", "client_secret", "client_assertion", "client_assertion_type", "claims", "client_info")
	for name := range form {
		if !slices.Contains(allowed, name) {
			return fmt.Errorf("the token endpoint does not know %q", name)
		}
	}
	for _, name := range needed {
		if len(form[name]) != 1 || form.Get(name) == "" {
			return fmt.Errorf("the token endpoint needs %q, once", name)
		}
	}
	return nil
}

// checkCenter knows what each request to Partner Center has.
func checkCenter(r *request) error {
	for _, name := range []string{"Authorization", "Ms-Requestid", "Ms-Correlationid"} {
		if r.Header.Get(name) == "" {
			return fmt.Errorf("Partner Center needs the header %s", name)
		}
	}
	return nil
}

func checkConsent(r *request) error {
	var body struct {
		ApplicationID     string `json:"applicationId"`
		DisplayName       string `json:"displayName"`
		ApplicationGrants []struct {
			EnterpriseApplicationID string `json:"enterpriseApplicationId"`
			Scope                   string `json:"scope"`
		} `json:"applicationGrants"`
	}
	d := json.NewDecoder(bytes.NewReader(r.Body))
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil {
		return fmt.Errorf("the body: %w", err)
	}
	if body.ApplicationID == "" || body.DisplayName == "" || len(body.ApplicationGrants) == 0 {
		return errors.New("a consent needs an application, what it is called, and grants")
	}
	for _, g := range body.ApplicationGrants {
		if g.EnterpriseApplicationID == "" || g.Scope == "" || strings.Contains(g.Scope, " ") {
			return errors.New("a grant needs a resource, and scopes with commas between")
		}
	}
	return checkCenter(r)
}

// judge holds requests against the description of Graph, and against the table above.
type judge struct {
	*graphcontract.Contract

	hosts map[string]string // what is called "graph" and so on
}

func newJudge(t testing.TB) *judge {
	t.Helper()
	return &judge{Contract: graphcontract.Open(t)}
}

// except returns the row of a request, and the path of the description that it is like.
func (j *judge) except(r *request) (int, bool) {
	for i, e := range exceptions {
		if e.method == r.Method && e.host == j.host(r) && graphcontract.Fits(strings.Split(e.path, "/"), strings.Split(r.URL.Path, "/")) {
			return i, true
		}
	}
	return 0, false
}

// host returns which of Microsoft's hosts a request goes to.
func (j *judge) host(r *request) string {
	if r.URL.Host == "" {
		return "graph" // in a batch
	}
	return j.hosts[r.URL.Scheme+"://"+r.URL.Host]
}

// verdict says whether a request keeps the description, and by what.
func (j *judge) verdict(r *request) (shape, by string, row int, err error) {
	path, ok := strings.CutPrefix(r.URL.Path, graphcontract.Version)
	if template, found := j.Template(path); ok && found && j.host(r) == "graph" {
		return r.Shape(template), "contract", -1, j.both(r, template)
	}
	i, ok := j.except(r)
	if !ok {
		return r.Shape(r.URL.Path), "", -1, errors.New("neither the contract nor the table of exceptions has this path")
	}
	e := exceptions[i]
	shape = r.Shape(strings.TrimPrefix(e.path, graphcontract.Version))
	if e.host != "graph" {
		shape = r.Shape("{" + e.host + "}" + e.path)
	}
	if e.as != "" {
		return shape, "like " + e.as, i, j.both(r, e.as)
	}
	if e.check != nil {
		err = e.check(r)
	}
	return shape, "by hand", i, err
}

// both checks a request and, where there is one, its answer.
func (j *judge) both(r *request, template string) error {
	if err := j.Check(&r.Request, template); err != nil || r.Status == 0 {
		return err
	}
	return j.Answer(&r.Request, template)
}

// world is Microsoft as this test needs it: hosts of their own for Graph, for tokens and for Partner Center.
type world struct {
	*graphfake.Server

	rec   *recorder
	cloud azurecred.Cloud
	// contoso is a customer, partner the MSP's own tenant.
	contoso, partner *graphfake.Tenant
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Server: graphfake.New(&graphfake.Options{Record: true}), rec: &recorder{}}
	host := func() string {
		srv := httptest.NewServer(w.Server)
		t.Cleanup(srv.Close)
		return srv.URL
	}
	w.cloud = azurecred.Cloud{
		Name: "fake", Login: host(), Graph: host(), PartnerCenter: host(), PartnerCenterScope: entra.PublicCloud().PartnerScope(),
	}
	w.contoso = w.AddTenant("", "Contoso", "contoso.example")
	w.partner = w.AddTenant("", "Northwind IT", "northwind.example")
	return w
}

// retry repeats at once.
var retry = policy.RetryOptions{MaxRetries: 1, RetryDelay: 1}

// drives send every request that the packages which use Graph can send.
var drives = map[string]func(*testing.T, *world){
	"contacts/graphcontacts": driveContacts,
	"entra/azurecred":        driveCredentials,
	"entra/gdap":             drivePartner,
	"mail/graphmail":         driveMail,
	"teamsapp/graphteams":    driveTeamsApps,
	"teamsapp/changefeed": func(t *testing.T, w *world) {
		driveChangefeed(t, w)
		driveReplies(t, w)
	},
}

// TestEveryRequestKeepsGraphsContract sends every request that this module can send to Graph to a server in this process,
// and holds each against the description that Microsoft publishes.
func TestEveryRequestKeepsGraphsContract(t *testing.T) {
	t.Parallel()
	j := newJudge(t)
	w := newWorld(t)
	j.hosts = map[string]string{w.cloud.Login: "login", w.cloud.Graph: "graph", w.cloud.PartnerCenter: "center"}
	for _, name := range graphcontract.SortedKeys(drives) {
		drives[name](t, w)
	}
	require.NotEmpty(t, w.rec.requests)
	require.Len(t, w.rec.requests, len(w.Requests()), "a request went another way than by the recorder")
	all, err := w.rec.all()
	require.NoError(t, err)

	seen := map[string]string{} // the verdict of each shape
	used := make([]bool, len(exceptions))
	for _, r := range all {
		shape, by, row, err := j.verdict(r)
		if row >= 0 {
			used[row] = true
		}
		if r.batch {
			shape += "  (in a batch)"
		}
		if err != nil {
			t.Errorf("%s\n\tsent by %s\n\t%v", shape, r.site, err)
			by = "REFUSED"
		}
		if seen[shape] != "REFUSED" {
			seen[shape] = by
		}
	}
	for i, e := range exceptions {
		if !used[i] {
			t.Errorf("nobody sends %s %s any more: take it out of the table", e.method, e.path)
		}
	}
	var b strings.Builder
	for _, shape := range graphcontract.SortedKeys(seen) {
		fmt.Fprintf(&b, "\n%-10s %s", seen[shape], shape)
	}
	t.Logf("%d requests, %d different ones:%s", len(all), len(seen), b.String())
	for _, e := range exceptions {
		t.Logf("not in the contract: %s %s, because %s", e.method, e.path, e.reason)
	}
	src := readSource(t)
	for _, problem := range src.unsent(w.rec, all) {
		t.Error(problem)
	}
	t.Logf("%d calls in %d packages, %d pieces of paths", len(src.sites), len(src.packages), len(src.literals))
}

// TestTheContractSeesBrokenRequests holds the test above to be one that can fail.
func TestTheContractSeesBrokenRequests(t *testing.T) {
	t.Parallel()
	j := newJudge(t)
	const kindJSON = "application/json"
	send := func(method, target, kind, body string, header ...string) error {
		u, err := url.Parse(graphcontract.Version + target)
		require.NoError(t, err)
		r := &request{Request: graphcontract.Request{Method: method, URL: u, Header: map[string][]string{}, Body: []byte(body)}}
		if kind != "" {
			r.Header.Set("Content-Type", kind)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		_, _, _, err = j.verdict(r)
		return err
	}
	const user = "/users/0c1d2e3f-1111-4222-8333-444455556666"
	require.NoError(t, send("GET", "/users/delta?$select=id,displayName,manager", "", "", "Prefer", "odata.maxpagesize=999"))
	require.NoError(t, send("GET", user+"?$select=id&$expand=manager($select=id)", "", ""))
	require.NoError(t, send("GET", "/users?$filter=startswith(mail,'eve''s')%20and%20assignedLicenses/any(x:x/skuId%20eq%20null)", "", ""))
	require.NoError(t, send("GET", "/users?$search=%22displayName:x%22&$count=true", "", "", "ConsistencyLevel", "eventual"))
	require.NoError(t, send("PATCH", user, kindJSON, `{"mobilePhone":null,"businessPhones":["+12025550143"]}`))
	require.NoError(t, send("POST", user+"/sendMail", kindJSON, `{"message":{"body":{"contentType":"html","content":"x"}}}`))
	for name, r := range map[string]struct {
		method, target, kind, body, header, value, want string
	}{
		"a path that is not":           {method: "GET", target: user + "/telephones", want: "neither the contract"},
		"a path of another version":    {method: "GET", target: "/../beta" + user, want: "neither the contract"},
		"a method that is not":         {method: "POST", target: user, kind: kindJSON, body: `{}`, want: "has no method"},
		"a property of another name":   {method: "PATCH", target: user, kind: kindJSON, body: `{"mobile":"x"}`, want: `"mobile"`},
		"a property in another case":   {method: "PATCH", target: user, kind: kindJSON, body: `{"MobilePhone":"x"}`, want: `"MobilePhone"`},
		"a property of another type":   {method: "PATCH", target: user, kind: kindJSON, body: `{"businessPhones":"x"}`, want: "businessPhones"},
		"a property deep inside":       {method: "POST", target: user + "/sendMail", kind: kindJSON, body: `{"message":{"toRecipients":[{"emailAddress":{"mail":"x"}}]}}`, want: `"mail"`},
		"a word that is none of them":  {method: "POST", target: user + "/sendMail", kind: kindJSON, body: `{"message":{"body":{"contentType":"markdown"}}}`, want: "contentType"},
		"a body that is no JSON":       {method: "PATCH", target: user, kind: kindJSON, body: `{`, want: "the body"},
		"a body of another type":       {method: "PATCH", target: user, kind: "text/plain", body: `{}`, want: "no body of the type"},
		"a body that is missing":       {method: "PATCH", target: user, want: "needs a body"},
		"a body that is too much":      {method: "GET", target: user, kind: kindJSON, body: `{}`, want: "takes no body"},
		"$select of what is not":       {method: "GET", target: "/users/delta?$select=id,phoneNumber", want: `"phoneNumber"`},
		"$select of nothing":           {method: "GET", target: "/users?$select=id,", want: `""`},
		"$select of an annotation":     {method: "GET", target: "/users?$select=manager@odata.bind", want: "manager@odata.bind"},
		"$expand of what is not":       {method: "GET", target: user + "?$expand=boss", want: `"boss"`},
		"$expand of a value":           {method: "GET", target: user + "?$expand=mail", want: "leads nowhere"},
		"$select in $expand":           {method: "GET", target: user + "?$expand=manager($select=boss)", want: `"boss"`},
		"$filter by what is not":       {method: "GET", target: "/users?$filter=email%20eq%20'x'", want: `"email"`},
		"$filter deep inside":          {method: "GET", target: "/users?$filter=onPremisesExtensionAttributes/attr%20eq%20'x'", want: "attr"},
		"$filter without an end":       {method: "GET", target: "/users?$filter=mail%20eq%20'x", want: "does not end"},
		"$orderby what is not":         {method: "GET", target: "/users?$orderby=name", want: `"name"`},
		"$top that is no number":       {method: "GET", target: "/users?$top=many", want: "$top"},
		"$top below zero":              {method: "GET", target: "/users?$top=-1", want: "$top"},
		"$search without its header":   {method: "GET", target: `/users?$search=%22mail:x%22`, want: "ConsistencyLevel"},
		"a parameter that is not":      {method: "GET", target: "/users?top=5", want: `"top"`},
		"a parameter twice":            {method: "GET", target: "/users?$top=5&$top=6", want: "more than once"},
		"a parameter where it is none": {method: "GET", target: user + "?$top=5", want: `"$top"`},
		"a header that is not":         {method: "GET", target: user, header: "X-Tenant", value: "x", want: "X-Tenant"},
		"another ConsistencyLevel":     {method: "GET", target: user, header: "ConsistencyLevel", value: "session", want: "Consistencylevel"},
		"a preference that is not":     {method: "GET", target: user, header: "Prefer", value: "odata.maxpage=5", want: "odata.maxpage"},
		"an exception's $select":       {method: "GET", target: user + "/contactFolders/x/childFolders?$select=name", want: `"name"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var h []string
			if r.header != "" {
				h = []string{r.header, r.value}
			}
			require.ErrorContains(t, send(r.method, r.target, r.kind, r.body, h...), r.want)
		})
	}
	for name, body := range map[string]string{
		"no requests":      `{"requests":[]}`,
		"a field too much": `{"requests":[{"id":"1","method":"GET","url":"/me","verb":"GET"}]}`,
		"an id twice":      `{"requests":[{"id":"1","method":"GET","url":"/me"},{"id":"1","method":"GET","url":"/me"}]}`,
		"a whole URL":      `{"requests":[{"id":"1","method":"GET","url":"https://graph.microsoft.com/v1.0/me"}]}`,
		"too many":         `{"requests":[` + strings.Repeat(`{"id":"1","method":"GET","url":"/me"},`, 20) + `{"id":"2","method":"GET","url":"/me"}]}`,
	} {
		t.Run("a batch with "+name, func(t *testing.T) {
			t.Parallel()
			_, err := (&request{Request: graphcontract.Request{Body: []byte(body)}}).items()
			require.Error(t, err)
		})
	}
	for name, r := range map[string]graphcontract.Request{
		"a token to an upload":       {Method: "PUT", URL: &url.URL{Path: "/upload/x"}, Header: http.Header{"Authorization": {"Bearer x"}, "Content-Range": {"bytes 0-1/2"}}, Body: []byte("xx")},
		"an upload without a range":  {Method: "PUT", URL: &url.URL{Path: "/upload/x"}, Header: http.Header{}, Body: []byte("xx")},
		"an upload to another place": {Method: "PUT", URL: &url.URL{Path: "/up/x"}, Header: http.Header{"Content-Range": {"bytes 0-1/2"}}, Body: []byte("xx")},
		"Graph's path on no host":    {Method: "GET", URL: &url.URL{Scheme: "https", Host: "graph.example", Path: graphcontract.Version + user}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, _, err := j.verdict(&request{Request: r})
			require.Error(t, err)
		})
	}
	good := `"applicationId":"x","displayName":"x","applicationGrants":[{"enterpriseApplicationId":"x","scope":"a,b"}]`
	center := http.Header{"Authorization": {"x"}, "Ms-Requestid": {"x"}, "Ms-Correlationid": {"x"}}
	require.NoError(t, checkConsent(&request{Request: graphcontract.Request{Header: center, Body: []byte("{" + good + "}")}}))
	require.Error(t, checkConsent(&request{Request: graphcontract.Request{Header: http.Header{}, Body: []byte("{" + good + "}")}}))
	require.Error(t, checkConsent(&request{Request: graphcontract.Request{Header: center, Body: []byte(`{"application":"x",` + good + "}")}}))
	require.Error(t, checkConsent(&request{Request: graphcontract.Request{Header: center, Body: []byte("{" + strings.ReplaceAll(good, ",b", " b") + "}")}}))
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	require.NoError(t, checkToken(&request{Request: graphcontract.Request{URL: &url.URL{}, Header: form, Body: []byte("grant_type=refresh_token&client_id=x&refresh_token=x&scope=x")}}))
	require.Error(t, checkToken(&request{Request: graphcontract.Request{URL: &url.URL{}, Header: form, Body: []byte("grant_type=refresh_token&client_id=x&refresh_token=x")}}))
	require.Error(t, checkToken(&request{Request: graphcontract.Request{URL: &url.URL{}, Header: form, Body: []byte("grant_type=refresh_token&client_id=x&refresh_token=x&scope=x&resource=x")}}))
	// In a batch the same is seen.
	items, err := (&request{Request: graphcontract.Request{Body: []byte(`{"requests":[{"id":"1","method":"GET","url":"` + user + `?$select=boss"}]}`)}}).items()
	require.NoError(t, err)
	_, _, _, err = j.verdict(items[0])
	require.ErrorContains(t, err, `"boss"`)
}
