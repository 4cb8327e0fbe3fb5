package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/webpage"
)

// What becomes of a request.
type outcome string

const (
	yes    outcome = "goes through"
	no     outcome = "is forbidden"
	signIn outcome = "leads to the sign-in"
	out    outcome = "is unauthorized" // the portal's script gets no page
	closed outcome = "is closed"       // the compact view without a launch
)

// expected is who reaches what, written by hand: an admin, a technician, a technician with the compact view only, and somebody
// who has not signed in. The routes of the compact view are tried with a launch that was signed for that person, which nobody
// signs in for. A route that is not in this table fails the test, and so does one that is not there any more.
var expected = map[string][4]outcome{
	//                           admin technician compact nobody
	"GET /{$}":                    {yes, yes, no, signIn},
	"GET /home":                   {yes, yes, yes, signIn},
	"GET /tickets":                {yes, yes, yes, signIn},
	"POST /tickets":               {yes, yes, yes, signIn},
	"GET /directory":              {yes, yes, no, signIn},
	"GET /photo":                  {yes, yes, no, signIn},
	"GET /audit":                  {yes, no, no, signIn},
	"GET /api/state":              {yes, yes, no, out},
	"POST /api/start":             {yes, yes, no, out},
	"POST /api/technician":        {yes, yes, no, out},
	"POST /api/check":             {yes, yes, no, out},
	"POST /api/renew":             {yes, yes, no, out},
	"POST /api/cancel":            {yes, yes, no, out},
	"POST /api/redeem":            {yes, yes, no, out},
	"POST /api/call":              {yes, yes, no, out},
	"POST /api/send":              {yes, yes, no, out},
	"POST /api/grant":             {yes, yes, no, out},
	"POST /api/ask":               {yes, yes, no, out},
	"POST /api/send-renew":        {yes, yes, no, out},
	"POST /api/send-revoke":       {yes, yes, no, out},
	"POST /api/receive":           {yes, yes, no, out},
	"POST /api/received":          {yes, yes, no, out},
	"POST /api/receive-file":      {yes, yes, no, out},
	"POST /api/launch":            {yes, yes, yes, out},
	"POST /api/freeze":            {yes, no, no, out},
	"POST /api/unfreeze":          {yes, no, no, out},
	"POST /api/unlock":            {yes, no, no, out},
	"POST /api/approve":           {yes, no, no, out},
	"POST /api/advance":           {yes, yes, no, out},
	"POST /api/press":             {yes, yes, no, out},
	"POST /api/say":               {yes, yes, no, out},
	"POST /api/install":           {yes, yes, no, out},
	"GET /settings":               {yes, no, no, signIn},
	"POST /settings":              {yes, no, no, signIn},
	"GET /psa":                    {yes, no, no, signIn},
	"POST /psa-plug":              {yes, no, no, signIn},
	"POST /psa-replay":            {yes, no, no, signIn},
	"POST /psa-drop":              {yes, no, no, signIn},
	"POST /psa-defaults":          {yes, no, no, signIn},
	"POST /psa-map":               {yes, no, no, signIn},
	"POST /psa-unmap":             {yes, no, no, signIn},
	"GET /microsoft365":           {yes, no, no, signIn},
	"POST /microsoft365-connect":  {yes, no, no, signIn},
	"POST /microsoft365-release":  {yes, no, no, signIn},
	"POST /microsoft365-withdraw": {yes, no, no, signIn},
	"POST /microsoft365-sync":     {yes, no, no, signIn},
	"POST /microsoft365-cancel":   {yes, no, no, signIn},
	"POST /microsoft365-joins":    {yes, no, no, signIn},
	"POST /microsoft365-leaves":   {yes, no, no, signIn},
	"POST /microsoft365-choose":   {yes, no, no, signIn},
	"POST /microsoft365-test":     {yes, no, no, signIn},
	"POST /microsoft365-forget":   {yes, no, no, signIn},
	"POST /microsoft365-remove":   {yes, no, no, signIn},
	"GET /teams":                  {yes, no, no, signIn},
	"GET /teams-icon":             {yes, no, no, signIn},
	"GET /teams-package":          {yes, no, no, signIn},
	"POST /teams-brand":           {yes, no, no, signIn},
	"POST /teams-publish":         {yes, no, no, signIn},
	"POST /teams-withdraw":        {yes, no, no, signIn},
	"POST /teams-connect":         {yes, no, no, signIn},
	"POST /teams-test":            {yes, no, no, signIn},
	"POST /teams-text":            {yes, no, no, signIn},
	"POST /teams-disconnect":      {yes, no, no, signIn},
	"POST /teams-follow":          {yes, no, no, signIn},
	"POST /teams-unfollow":        {yes, no, no, signIn},
	"POST /teams-chat":            {yes, no, no, signIn},

	"GET /pod/{$}":           {yes, yes, yes, closed},
	"POST /pod/state":        {yes, yes, yes, closed},
	"POST /pod/start":        {yes, yes, yes, closed},
	"POST /pod/technician":   {yes, yes, yes, closed},
	"POST /pod/check":        {yes, yes, yes, closed},
	"POST /pod/renew":        {yes, yes, yes, closed},
	"POST /pod/cancel":       {yes, yes, yes, closed},
	"POST /pod/redeem":       {yes, yes, yes, closed},
	"POST /pod/send":         {yes, yes, yes, closed},
	"POST /pod/grant":        {yes, yes, yes, closed},
	"POST /pod/ask":          {yes, yes, yes, closed},
	"POST /pod/send-renew":   {yes, yes, yes, closed},
	"POST /pod/send-revoke":  {yes, yes, yes, closed},
	"POST /pod/receive":      {yes, yes, yes, closed},
	"POST /pod/received":     {yes, yes, yes, closed},
	"POST /pod/receive-file": {yes, yes, yes, closed},
	"POST /pod/freeze":       {yes, no, no, closed},
	"POST /pod/unfreeze":     {yes, no, no, closed},
	"POST /pod/unlock":       {yes, no, no, closed},
	"POST /pod/approve":      {yes, no, no, closed},

	// The accounts, whose own pages ask who is signed in. What was invited has a link instead.
	"GET /accounts/":                       {yes, no, no, signIn},
	"GET /accounts/a/{id}":                 {yes, no, no, signIn},
	"POST /accounts/a/{id}":                {yes, no, no, signIn},
	"POST /accounts/a/{id}/unlink":         {yes, no, no, signIn},
	"POST /accounts/a/{id}/remove":         {yes, no, no, signIn},
	"GET /accounts/invite":                 {yes, no, no, signIn},
	"POST /accounts/invite":                {yes, no, no, signIn},
	"POST /accounts/i/{id}/revoke":         {yes, no, no, signIn},
	"GET /accounts/link":                   {out, out, out, out}, // for hosts that have sessions of their own
	"POST /accounts/link":                  {out, out, out, out}, // for hosts that have sessions of their own
	"GET /accounts/join/{token}":           {yes, yes, yes, yes},
	"POST /accounts/join/{token}":          {yes, yes, yes, yes},
	"GET /accounts/setup/{token}":          {yes, yes, yes, yes},
	"POST /accounts/setup/{token}":         {yes, yes, yes, yes},
	"POST /accounts/setup/{token}/install": {yes, yes, yes, yes},
	"GET /accounts/consented":              {yes, yes, yes, yes},
	"GET /accounts/done":                   {yes, yes, yes, yes},

	// The looks of pages, which say nothing of anybody.
	"GET /assets/{file}":                {yes, yes, yes, yes},
	"GET /assets/logo/{hash}/{key}":     {yes, yes, yes, yes},
	"GET /pod/assets/{file}":            {yes, yes, yes, yes},
	"GET /pod/assets/logo/{hash}/{key}": {yes, yes, yes, yes},

	// What callers, recipients, clients' administrators and other systems reach, each with what stands in place of a sign-in.
	"/verify/":        {yes, yes, yes, yes},
	"/verify/signin/": {yes, yes, yes, yes},
	"/send/":          {yes, yes, yes, yes},
	"/connect/":       {yes, yes, yes, yes},
	"/pod/":           {yes, yes, yes, yes},
	"/accounts/":      {yes, yes, yes, yes},
	"/auth/":          {yes, yes, yes, yes},
	"/teams/messages": {yes, yes, yes, yes},
	"/graph":          {yes, yes, yes, yes},
	"/twilio/status":  {yes, yes, yes, yes},
}

// everybody are the columns of the table.
var everybody = []string{"sam", "jane", "priya", ""}

// walker sends requests to the program as one of them.
type walker struct {
	*player
	t *testing.T
}

// within is a transport to a program that listens nowhere.
type within struct{ a *app }

// RoundTrip implements [http.RoundTripper].
func (w within) RoundTrip(r *http.Request) (*http.Response, error) {
	if "http://"+r.URL.Host != w.a.cfg.url {
		return http.DefaultTransport.RoundTrip(r)
	}
	in := httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), r.Body)
	in.Header = r.Header
	rec := httptest.NewRecorder()
	w.a.ServeHTTP(rec, in)
	res := rec.Result()
	res.Request = r
	return res, nil
}

// walks returns somebody who signs in to a and sends it requests.
func walks(t *testing.T, a *app) walker {
	t.Helper()
	return walker{&player{ctx: t.Context(), out: io.Discard, app: a, office: a.office.fake, desks: map[string]*http.Client{}, transport: within{a}}, t}
}

// as is the browser of a technician who has signed in, or of nobody. It follows no redirect.
func (w walker) as(id string) *http.Client {
	w.t.Helper()
	defer func() {
		if f, ok := recover().(deviation); ok {
			require.FailNow(w.t, string(f))
		}
	}()
	c := w.browser()
	if id != "" {
		c.Jar = w.desk(id).Jar
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

// try sends one request and judges the answer.
func (w walker) try(c *http.Client, method, path string, form url.Values) (outcome, string) {
	w.t.Helper()
	body, kind := io.Reader(strings.NewReader(form.Encode())), "application/x-www-form-urlencoded"
	if strings.HasSuffix(path, "/send") { // whose form has files
		var b bytes.Buffer
		m := multipart.NewWriter(&b)
		for name := range form {
			require.NoError(w.t, m.WriteField(name, form.Get(name)))
		}
		require.NoError(w.t, m.Close())
		body, kind = &b, m.FormDataContentType()
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.app.cfg.url+path, body)
	require.NoError(w.t, err)
	r.Header.Set("Accept", "text/html")
	if form != nil {
		r.Header.Set("Content-Type", kind)
	}
	res, err := c.Do(r)
	require.NoError(w.t, err)
	text, err := io.ReadAll(res.Body)
	require.NoError(w.t, err)
	require.NoError(w.t, res.Body.Close())
	detail := fmt.Sprintf("%d %s %.200s", res.StatusCode, res.Header.Get("Location"), text)
	switch {
	case res.StatusCode == http.StatusUnauthorized:
		return out, detail
	case res.StatusCode == http.StatusSeeOther && strings.HasPrefix(res.Header.Get("Location"), signInPath+"/signin"):
		return signIn, detail
	case strings.Contains(string(text), "opens from a ticket only"), strings.Contains(string(text), "This view has expired"):
		return closed, detail
	case res.StatusCode == http.StatusForbidden:
		return no, detail
	}
	return yes, detail
}

// podForms are what opens the compact view for somebody: the launch in the address of the page, the session in forms.
func (w walker) podForms(id string) (query string, form url.Values) {
	w.t.Helper()
	form = url.Values{}
	if id == "" {
		return "", form
	}
	a := w.app
	p, _ := a.person("contoso", "dana")
	technician, ok := a.technician(w.t.Context(), id)
	require.True(w.t, ok)
	address, err := a.pod.address(p, technician)
	require.NoError(w.t, err)
	_, query, _ = strings.Cut(address, "/pod/")
	l, err := a.pod.launches.Open(strings.TrimPrefix(query, "?launch="), a.now())
	require.NoError(w.t, err)
	session, err := a.pod.sessions.Sign(l, podFor, a.now())
	require.NoError(w.t, err)
	return query, url.Values{"session": {session}}
}

// request is one request of the walk, as the browser of id makes it.
func (w walker) request(route webpage.Route, below, id string) (method, path string, form url.Values) {
	w.t.Helper()
	method, path = route.Method, below+route.SamplePath()
	query, form := "?tenant=contoso&person=dana", url.Values{"tenant": {"contoso"}, "person": {"dana"}}
	if below != "" {
		query, form = w.podForms(id)
	}
	if method == http.MethodGet {
		return method, path + query, nil
	}
	return method, path, form
}

func TestEveryRouteIsForWhomTheTableSays(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, config{})
	w := walks(t, a)
	seen := map[string]bool{}
	judge := func(key string, column int, got outcome, detail string) {
		t.Helper()
		want, ok := expected[key]
		seen[key] = true
		require.True(t, ok, "%s is not in the table", key)
		require.Equal(t, want[column], got, "%s as %q: %s", key, everybody[column], detail)
	}
	walk := func(column int, id string) {
		c := w.as(id)
		for below, routes := range map[string][]webpage.Route{"": a.site.Routes(), "/pod": a.pod.site.Routes()} {
			for _, route := range routes {
				key := route.Method + " " + below + route.Pattern
				method, path, form := w.request(route, below, id)
				got, detail := w.try(c, method, path, form)
				judge(key, column, got, detail)
				if method == http.MethodGet {
					_, path, _ = w.request(route, below, id)
					got, detail = w.try(c, http.MethodHead, path, nil)
					if expected[key][column] == closed { // of which there is no text to know it by
						got, detail = map[outcome]outcome{no: closed}[got], "HEAD of it: "+detail
					}
					judge(key, column, got, detail)
				}
			}
		}
		for key := range expected {
			method, path, ok := strings.Cut(key, " "+accountsPath)
			if !ok {
				continue
			}
			form := url.Values(nil)
			if method == http.MethodPost {
				form = url.Values{}
			}
			got, detail := w.try(c, method, accountsPath+webpage.Route{Pattern: path}.SamplePath(), form)
			judge(key, column, got, detail)
		}
		for _, pattern := range a.open {
			path := pattern
			if strings.HasSuffix(pattern, "/") {
				path += "sample"
			}
			got, detail := w.try(c, http.MethodGet, path, nil)
			judge(pattern, column, got, detail)
		}
	}
	for column, id := range everybody {
		walk(column, id)
	}
	// An admin with the compact view only reaches what a technician with it does: the role gives back nothing that it takes away.
	require.NoError(t, a.staff.SetRole(t.Context(), "sam", "priya", entra.RoleAdmin))
	priya, ok := a.technician(t.Context(), "priya")
	require.True(t, ok)
	require.Equal(t, []any{entra.RoleAdmin, entra.UIPod}, []any{priya.user.Role, priya.user.UI})
	walk(slices.Index(everybody, "priya"), "priya")
	for key := range expected {
		require.True(t, seen[key], "%s is in the table, and not there", key)
	}
}

// The cookies of who is signed in open nothing in the compact view, and what opens the compact view is no sign-in.
func TestTheCompactViewAndThePortalHaveNothingInCommon(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, config{})
	w := walks(t, a)
	sam, nobody := w.as("sam"), w.as("")
	for _, route := range a.pod.site.Routes() {
		if route.Kind == webpage.AssetKind {
			continue
		}
		method, path, form := w.request(route, "/pod", "")
		got, detail := w.try(sam, method, path, form)
		require.Equal(t, closed, got, "%s: %s", route.Name, detail)
	}
	_, session := w.podForms("sam")
	for _, route := range a.site.Routes() {
		if route.Kind == webpage.AssetKind {
			continue
		}
		method, path, form := w.request(route, "", "")
		if form != nil {
			maps.Copy(form, session)
		}
		got, detail := w.try(nobody, method, path+strings.Repeat("&session="+session.Get("session"), strings.Count(path, "?")), form)
		require.Contains(t, []outcome{signIn, out}, got, "%s: %s", route.Name, detail)
	}
}

func TestARouteThatNobodyThoughtOfKeepsTheProgramFromStarting(t *testing.T) {
	t.Parallel()
	here := func(next http.Handler) http.Handler { return next }
	_, err := guarded([]webpage.Route{{Name: "portal"}, {Name: "new"}, {Name: "newer"}}, here)
	require.ErrorContains(t, err, `the route "new" is not in the table`)
	require.ErrorContains(t, err, `the route "newer" is not in the table`)

	a := newTestApp(t, config{})
	require.NoError(t, a.closed())
	a.handleHere("/new/", http.NotFoundHandler())
	require.ErrorContains(t, a.closed(), "nothing says why /new/ is open to everybody")
	w := walks(t, a)
	got, _ := w.try(w.as(""), http.MethodGet, "/new/", nil)
	require.Equal(t, yes, got)
	a.faults, a.routes = nil, a.routes[1:]
	require.ErrorContains(t, a.closed(), "which is no route")
}

// What somebody may not do stands in "Who did what", whichever way they tried, and the services say no by themselves, too.
func TestWhatIsRefusedIsNoted(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, config{})
	w := walks(t, a)
	jane := w.as("jane")
	for path, permission := range map[string]entra.Permission{"/api/freeze": entra.PermissionVerification, "/psa-plug": entra.PermissionIntegrations} {
		got, detail := w.try(jane, http.MethodPost, path, url.Values{"tenant": {"contoso"}, "person": {"dana"}})
		require.Equal(t, no, got, detail)
		list, err := a.deeds.last(t.Context(), deedRefused, 1)
		require.NoError(t, err)
		require.Len(t, list, 1, path)
		require.Equal(t, "jane", list[0].who)
		require.Contains(t, list[0].what, permission.String())
	}
	require.NoError(t, a.mayOverrule(t.Context(), "sam"))
	for _, id := range []string{"jane", "priya", "tom", ""} {
		require.Error(t, a.mayOverrule(t.Context(), id), id)
	}
}

// With a tenant of one's own nothing of the played one lets anybody in, and the first admin comes by a link.
func TestWithARealTenantNobodyIsThereYet(t *testing.T) {
	t.Parallel()
	cfg := config{realEntra: true, entraID: callerApp, entraTenant: fabrikamEntra, entraSecret: mspkit.Redact("hidden")}
	require.Equal(t, "http://localhost:8080", cfg.address(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}), "Entra takes no other redirect address by http")
	require.Equal(t, "http://127.0.0.1:8080", config{}.address(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}))
	a := newTestApp(t, cfg)
	list, err := a.staff.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, list)
	link, err := a.firstAdmin(t.Context())
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(link, a.cfg.url+"/accounts/setup/"), "the link is elsewhere")
	require.Contains(t, a.sso.LoginOrigins(), entra.PublicCloud().Login)

	played := newTestApp(t, config{})
	link, err = played.firstAdmin(t.Context())
	require.NoError(t, err)
	require.Empty(t, link, "there is an admin")
}

// A rule without permissions, and a handler that is reached in another way than by its route, let nobody through.
func TestWhatHasNoRuleIsForNobody(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, config{})
	sam, ok := a.technician(t.Context(), "sam")
	require.True(t, ok)
	lacking, yes := servedOf(t.Context()).lacks(sam.user)
	require.True(t, yes)
	require.Equal(t, entra.PermissionNone, lacking)
	for name, r := range rules {
		require.NotEmpty(t, r.needs, name)
		require.NotContains(t, r.needs, entra.PermissionNone, name)
		_, yes := served{name, r}.lacks(nil)
		require.True(t, yes, "%s is for somebody who has not signed in", name)
	}
	require.Empty(t, slices.DeleteFunc(slices.Collect(maps.Keys(public)), func(p string) bool { return slices.Contains(a.open, p) }), "the list of what is open names what is not there")
}
