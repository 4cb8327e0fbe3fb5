package main

import (
	"bytes"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/internal/webpage/webpagetest"
	"github.com/mspkit/mspkit/verify"
)

// On SQLite everywhere; on the others .ci/run plays it, where they are known to be there. It also plays it with the other
// ticket systems.
func TestTheStoryGoesAsItShould(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, selftest(t.Context(), storage{kind: storeSQLite}, psaCustom, &out), out.String())
	require.Contains(t, out.String(), "The story went as it should.")
}

func TestATicketSystemThatIsNotCompleteIsSaid(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		kind string
		env  map[string]string
		want string
	}{
		"unknown":             {"jira", nil, `-psa must be one of custom, connectwise, halopsa, it is "jira"`},
		"ConnectWise, a part": {psaConnectWise, map[string]string{"MSPKIT_CONNECTWISE_SITE": "na.myconnectwise.net"}, "MSPKIT_CONNECTWISE_SITE needs MSPKIT_CONNECTWISE_PRIVATE_KEY as well"},
		"HaloPSA, a part":     {psaHaloPSA, map[string]string{"MSPKIT_HALOPSA_HOST": "x.halopsa.com"}, "MSPKIT_HALOPSA_HOST needs MSPKIT_PSA_COMPANY as well"},
	} {
		_, err := ticketSystemFromEnv(tc.kind, func(k string) string { return tc.env[k] })
		require.ErrorContains(t, err, tc.want, name)
	}
	for _, kind := range psaKinds {
		s, err := ticketSystemFromEnv(kind, func(string) string { return "" })
		require.NoError(t, err)
		require.False(t, s.real)
	}
}

func TestAStoreThatIsNotThereIsSaid(t *testing.T) {
	t.Parallel()
	_, err := storageFromEnv("mysql", func(string) string { return "" })
	require.ErrorContains(t, err, "-store must be one of sqlite, postgres, redis")
	for name, tc := range map[string]struct{ kind, url, want string }{
		"PostgreSQL that is away": {storePostgres, "postgres://postgres:hidden@127.0.0.1:1/x?sslmode=disable&connect_timeout=2", "MSPKIT_POSTGRES_URL names one"},
		"Redis that is away":      {storeRedis, "redis://:hidden@127.0.0.1:1", "MSPKIT_REDIS_URL names the server"},
		"an address that is none": {storeRedis, "127.0.0.1:6379?password=hidden", "MSPKIT_REDIS_URL must look like"},
	} {
		where, err := storageFromEnv(tc.kind, func(string) string { return tc.url })
		require.NoError(t, err, name)
		_, err = newApp(t.Context(), config{dir: t.TempDir(), url: "http://127.0.0.1:8080", storage: where})
		require.ErrorContains(t, err, tc.want, name)
		require.NotContains(t, err.Error(), "hidden", name)
	}
}

func TestThePortalIsReachableFromThisMachineOnly(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:0", "example.com:0"} {
		_, err := listen(t.Context(), "-addr", addr)
		require.ErrorContains(t, err, "not a loopback address", addr)
	}
	_, err := listen(t.Context(), "-addr", "8080")
	require.ErrorContains(t, err, "127.0.0.1:8080")
	l, err := listen(t.Context(), "-addr", "127.0.0.1:0")
	require.NoError(t, err)
	_, err = listen(t.Context(), "-addr", l.Addr().String())
	require.ErrorContains(t, err, "choose another address")
	require.NoError(t, l.Close())
}

func newTestApp(t *testing.T, cfg config) *app {
	t.Helper()
	cfg.dir, cfg.url = t.TempDir(), "http://127.0.0.1:8080"
	a, err := newApp(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.close()) })
	return a
}

// jane is the technician of most tests.
func jane(t *testing.T, a *app) technician {
	t.Helper()
	by, ok := a.technician(t.Context(), "jane")
	require.True(t, ok)
	return by
}

func TestOtherHostsNamesReachOnlyWhatCallersNeed(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, config{publicURL: "https://help.example"})
	proxied := func(h string) http.Header { return http.Header{h: {"x"}} }
	for _, tc := range []struct {
		url    string
		want   int
		header http.Header
	}{
		{"http://127.0.0.1:8080/auth/signin", http.StatusOK, nil},
		{"http://127.0.0.1:8080/", http.StatusUnauthorized, nil},
		{"http://127.0.0.1:8080/api/state", http.StatusUnauthorized, nil},
		{"http://evil.example/", http.StatusMisdirectedRequest, nil},
		{"http://evil.example/verify/v/x", http.StatusMisdirectedRequest, nil},
		{"http://evil.example/send/s/x", http.StatusMisdirectedRequest, nil},
		{"https://help.example/api/state", http.StatusMisdirectedRequest, nil},
		// A proxy that was pointed at the wrong address, and says the host that it was told.
		{"http://127.0.0.1:8080/api/state", http.StatusMisdirectedRequest, proxied("X-Forwarded-For")},
		{"http://127.0.0.1:8080/api/state", http.StatusMisdirectedRequest, proxied("X-Forwarded-Proto")},
		{"http://127.0.0.1:8080/api/state", http.StatusMisdirectedRequest, proxied("Forwarded")},
		{"http://127.0.0.1:8080/api/state", http.StatusMisdirectedRequest, proxied("Via")},
		{"http://127.0.0.1:8080/api/state", http.StatusMisdirectedRequest, proxied("X-Real-Ip")},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, tc.url, nil)
		if tc.header != nil {
			r.Header = tc.header
		}
		a.ServeHTTP(w, r)
		require.Equal(t, tc.want, w.Code, "%s %v", tc.url, tc.header)
		if tc.want != http.StatusOK {
			require.NotContains(t, w.Body.String(), "dana@contoso.example", tc.url)
		}
	}
	dana, _ := a.person("contoso", "dana")
	launch, err := a.pod.address(dana, jane(t, a))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(launch, "https://help.example/pod/?launch="), "the frame's address is for others' machines")
	launch = strings.TrimPrefix(launch, "https://help.example")
	for path, want := range map[string]int{launch: http.StatusOK, "/pod/": http.StatusForbidden, "/pod/start": http.StatusMethodNotAllowed, "/pod/api/state": http.StatusNotFound, "/pod/psa": http.StatusNotFound, "/api/launch": http.StatusNotFound, "/psa?tenant=contoso": http.StatusNotFound, "/psa-plug": http.StatusNotFound, "/psa-replay": http.StatusNotFound, "/psa-drop": http.StatusNotFound, "/psa-defaults": http.StatusNotFound, "/psa-map": http.StatusNotFound, "/psa-unmap": http.StatusNotFound, "/verify/v/x": http.StatusNotFound, "/send/s/x": http.StatusNotFound, "/settings": http.StatusNotFound, "/twilio/status": http.StatusMethodNotAllowed, botPath: http.StatusMethodNotAllowed, "/api/press": http.StatusNotFound, "/": http.StatusNotFound, "/api/state": http.StatusNotFound} {
		w := httptest.NewRecorder()
		a.outside.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:8081"+path, nil))
		require.Equal(t, want, w.Code, path)
		require.NotContains(t, w.Body.String(), "dana@contoso.example", path)
	}
}

func TestOneProofIsGoodForOnePressHoweverManyCome(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, config{})
	p, _ := a.person("contoso", "dana")
	c, err := a.verify.Start(t.Context(), verify.StartRequest{
		Tenant: p.Tenant, Subject: p.subject(), Action: verify.ActionResetPassword, Technician: jane(t, a).Technician, Ticket: p.Ticket,
		Channel: "sms",
	})
	require.NoError(t, err)
	_, err = a.verify.Answer(t.Context(), verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
	require.NoError(t, err)
	by := jane(t, a)
	var passed atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/redeem", nil)
			r.PostForm = map[string][]string{"id": {c.Ref.ID}}
			if _, err := a.doRedeem(r, p, by); err == nil {
				passed.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, passed.Load())
}

func TestEveryRouteOfThePortalCarriesTheHeaderSet(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, config{})
	webpagetest.Run(t, a.site, "", false, a.site.Routes())
	webpagetest.Run(t, a.pod.site, "", false, a.pod.site.Routes())
}

func TestNothingHappensByLookingAtTheCompactView(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, config{podOrigins: []string{"https://psa.example"}})
	dana, _ := a.person("contoso", "dana")
	address, err := a.pod.address(dana, jane(t, a))
	require.NoError(t, err)
	_, launch, _ := strings.Cut(address, "?")
	before, err := a.desk.outbox.Count(t.Context(), "")
	require.NoError(t, err)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		for _, route := range a.pod.site.Routes() {
			if route.Kind == webpage.AssetKind {
				continue
			}
			for _, query := range []string{"?" + launch, "?launch=x", ""} {
				w := httptest.NewRecorder()
				a.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, a.cfg.url+podPath+strings.TrimSuffix(route.Pattern, "{$}")+query, nil))
				want := http.StatusMethodNotAllowed
				switch {
				case route.Name == "pod" && query == "?launch=x", route.Name == "pod" && query == "":
					want = http.StatusForbidden
				case route.Name == "pod":
					want = http.StatusOK
				}
				require.Equal(t, want, w.Code, "%s %s %s", method, route.Pattern, query)
				ancestors := "frame-ancestors 'none'"
				if route.Name == "pod" {
					ancestors = "frame-ancestors https://psa.example"
				}
				require.Contains(t, w.Header().Get("Content-Security-Policy"), ancestors, route.Name)
				require.Equal(t, route.Name != "pod", w.Header().Get("X-Frame-Options") != "", route.Name)
			}
		}
	}
	history, err := a.verify.History(t.Context(), dana.Tenant, dana.ID, 10)
	require.NoError(t, err)
	require.Empty(t, history)
	after, err := a.desk.outbox.Count(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestAFaultOfTheTicketSystemIsASentence(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, config{})
	for fault, want := range map[string]string{
		"": "",
		"psa: homegrown: add note: the ticket is closed or merged (status 200)":        "Add note: the ticket is closed or merged (status 200).",
		"look before writing again: psa: homegrown: list notes: nobody answers there.": "Look before writing again: list notes: nobody answers there.",
	} {
		require.Equal(t, want, a.why(fault))
	}
}

func TestANoteThatCouldNotBeDeliveredIsSaidInTheTicket(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, config{})
	dana, _ := a.person("contoso", "dana")
	a.desk.fake.Desk().CloseTicket(dana.Ticket.ID, "")
	require.NoError(t, a.verify.Freeze(t.Context(), dana.Tenant, dana.ID, "sam", "she sounded strange", time.Hour))
	require.NoError(t, a.verify.RunOnce(t.Context()))
	require.NoError(t, a.desk.outbox.RunOnce(t.Context()))
	notes, err := a.notesOf(t.Context(), dana)
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(notes, func(n noteJSON) bool { return n.Dead && !n.Waiting && strings.Contains(n.Text, "is frozen") }), "%v", notes)
	w := walks(t, a)
	status, page := w.player.as("sam", http.MethodGet, "/psa?tenant=contoso&outbox=1", nil)
	require.Equal(t, http.StatusOK, status)
	for _, want := range []string{"1 not delivered", "Add note: the ticket is closed", "Try again</button>", "Give up</button>"} {
		require.Contains(t, page, want)
	}
}

func TestKeysAreMadeOnceAndKeptPrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys")
	first, err := loadKeys(path)
	require.NoError(t, err)
	again, err := loadKeys(path)
	require.NoError(t, err)
	require.Equal(t, first, again)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, os.Chmod(path, 0o644))
	_, err = loadKeys(path)
	require.ErrorContains(t, err, "0600")
	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, os.WriteFile(path, []byte("nonsense\n"), 0o600))
	_, err = loadKeys(path)
	require.ErrorContains(t, err, "id:base64")
}

func TestTheEnvironmentIsChecked(t *testing.T) {
	t.Parallel()
	bot := map[string]string{
		"MSPKIT_BOT_APP_ID": fabrikamEntra, "MSPKIT_BOT_SECRET": "hidden", "MSPKIT_BOT_TENANT": fabrikamEntra,
		"MSPKIT_DEMO_TEAMS": strings.ToUpper(contosoEntra) + "/" + contosoEntra, "MSPKIT_PUBLIC_URL": "https://help.example/",
	}
	msp := map[string]string{"MSPKIT_ENTRA_CLIENT_ID": strings.ToUpper(fabrikamEntra), "MSPKIT_ENTRA_SECRET": "hidden", "MSPKIT_ENTRA_TENANT": contosoEntra}
	with := func(env map[string]string, name, value string) map[string]string {
		env = maps.Clone(env)
		env[name] = value
		return env
	}
	for name, tc := range map[string]struct {
		env  map[string]string
		want string
	}{
		"nothing":             {nil, ""},
		"mail without sender": {map[string]string{"MSPKIT_SMTP_HOST": "mail.example"}, "MSPKIT_SMTP_FROM"},
		"bad port":            {map[string]string{"MSPKIT_SMTP_PORT": "smtp"}, "MSPKIT_SMTP_PORT"},
		"Twilio without from": {map[string]string{"MSPKIT_TWILIO_ACCOUNT_SID": demoAccount, "MSPKIT_TWILIO_AUTH_TOKEN": "t"}, "MSPKIT_TWILIO_FROM"},
		"bot without secret":  {with(bot, "MSPKIT_BOT_SECRET", ""), "MSPKIT_BOT_SECRET"},
		"bot without tenant":  {with(bot, "MSPKIT_BOT_TENANT", ""), "MSPKIT_BOT_TENANT"},
		"bot without id":      {with(bot, "MSPKIT_BOT_APP_ID", ""), "MSPKIT_BOT_APP_ID"},
		"Dana without a bot":  {map[string]string{"MSPKIT_DEMO_TEAMS": bot["MSPKIT_DEMO_TEAMS"]}, "MSPKIT_BOT_APP_ID"},
		"bot, a name as id":   {with(bot, "MSPKIT_BOT_APP_ID", "our-bot"), `MSPKIT_BOT_APP_ID: "our-bot"`},
		"bot, a domain":       {with(bot, "MSPKIT_BOT_TENANT", "msp.example"), `MSPKIT_BOT_TENANT: "msp.example"`},
		"bot without Dana":    {with(bot, "MSPKIT_DEMO_TEAMS", ""), "MSPKIT_DEMO_TEAMS"},
		"bot, a wrong Dana":   {with(bot, "MSPKIT_DEMO_TEAMS", "dana@contoso.example"), "tenant id/object id"},
		"bot, another cloud":  {with(bot, "MSPKIT_BOT_CLOUD", "germany"), "public, usgov or china"},
		"bot without URL":     {with(bot, "MSPKIT_PUBLIC_URL", ""), "MSPKIT_PUBLIC_URL"},
		"bot without https":   {with(bot, "MSPKIT_PUBLIC_URL", "http://help.example"), "https"},
		"proxy without TLS":   {map[string]string{"MSPKIT_PUBLIC_URL": "http://help.example"}, "MSPKIT_PUBLIC_URL is not an https address"},
		"proxy, a name":       {map[string]string{"MSPKIT_PUBLIC_URL": "help.example"}, "is not an https address"},
		"proxy, a query":      {map[string]string{"MSPKIT_PUBLIC_URL": "https://help.example?a=b"}, "is not an https address"},
		"proxy":               {map[string]string{"MSPKIT_PUBLIC_URL": "https://help.example/desk/"}, ""},
		"bot":                 {bot, ""},
		"bot in a cloud":      {with(bot, "MSPKIT_BOT_CLOUD", "usgov"), ""},
		"Entra without id":    {with(msp, "MSPKIT_ENTRA_CLIENT_ID", ""), "MSPKIT_ENTRA_CLIENT_ID is missing"},
		"Entra, no secret":    {with(msp, "MSPKIT_ENTRA_SECRET", ""), "MSPKIT_ENTRA_SECRET is missing"},
		"Entra, no tenant":    {with(msp, "MSPKIT_ENTRA_TENANT", ""), "MSPKIT_ENTRA_TENANT is missing"},
		"Entra, a domain":     {with(msp, "MSPKIT_ENTRA_TENANT", "msp.example"), `MSPKIT_ENTRA_TENANT: "msp.example" is not an id`},
		"Entra, common":       {with(msp, "MSPKIT_ENTRA_TENANT", "common"), `MSPKIT_ENTRA_TENANT: "common" is not an id`},
		"Entra, a name":       {with(msp, "MSPKIT_ENTRA_CLIENT_ID", "our-app"), `MSPKIT_ENTRA_CLIENT_ID: "our-app" is not an id`},
		"Entra":               {msp, ""},
		"complete": {map[string]string{
			"MSPKIT_SMTP_HOST": "mail.example", "MSPKIT_SMTP_FROM": "a@b.example", "MSPKIT_SMTP_PORT": "465",
			"MSPKIT_TWILIO_ACCOUNT_SID": demoAccount, "MSPKIT_TWILIO_AUTH_TOKEN": "t", "MSPKIT_TWILIO_FROM": "+12025550100",
		}, ""},
	} {
		c, err := configFromEnv(func(k string) string { return tc.env[k] })
		if tc.want == "" {
			require.NoError(t, err, name)
			require.Equal(t, c.realTeams, strings.Contains(c.describe(), "Teams."), c.describe())
			require.Equal(t, c.realEntra, strings.Contains(c.describe(), "your Entra tenant"), c.describe())
			require.Equal(t, !c.realTeams && !c.realMail && !c.realTextMessage && !c.realEntra, strings.Contains(c.describe(), "nothing leaves this machine"), c.describe())
			continue
		}
		require.ErrorContains(t, err, tc.want, name)
		require.NotContains(t, err.Error(), "hidden", name)
	}
}

// They become part of a header.
func TestOnlyOriginsMayShowTheFrame(t *testing.T) {
	t.Parallel()
	got, err := podOrigins(" https://na.myconnectwise.net, https://psa.example:8443 ")
	require.NoError(t, err)
	require.Equal(t, []string{"https://na.myconnectwise.net", "https://psa.example:8443"}, got)
	for _, bad := range []string{
		"http://psa.example", "psa.example", "https://", "https://*", "https://*.example", "https://psa.example/", "https://psa.example/x", "https://psa.example?x",
		"https://psa.example#x", "https://u@psa.example", "https://psa.example;script-src", "'self'", "*", "https://psa.example https:",
	} {
		_, err := podOrigins(bad)
		require.ErrorContains(t, err, "MSPKIT_POD_ORIGINS", bad)
	}
}
