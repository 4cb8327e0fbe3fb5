package workflows

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
)

const (
	goodPath  = "/powerautomate/automations/direct/workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke"
	goodQuery = "?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=AbCdEf-0123456789_AbCdEf0123456789abcdefghi"
	goodHost  = "default0123456789abcdef0123456789ab.cd.environment.api.powerplatform.com"
	goodURL   = "https://" + goodHost + ":443" + goodPath + goodQuery
	oldURL    = "https://prod-42.westeurope.logic.azure.com:443/workflows/0123456789abcdef/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=AbCdEf"
)

func TestURLsOfFlowsAreAccepted(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]string{
		"the present form":            goodURL,
		"without a port":              "https://" + goodHost + goodPath + goodQuery,
		"with a slash before ?":       "https://" + goodHost + goodPath + "/" + goodQuery,
		"with spaces around it":       "  " + goodURL + "\n",
		"upper case in the host":      strings.Replace(goodURL, "default", "DEFAULT", 1),
		"upper case in the scheme":    strings.Replace(goodURL, "https", "HTTPS", 1),
		"no environment in the name":  "https://emea.api.powerplatform.com" + goodPath + goodQuery,
		"GCC":                         "https://x.1.environment.api.gov.powerplatform.microsoft.us" + goodPath + goodQuery,
		"GCC High":                    "https://x.1.environment.api.high.powerplatform.microsoft.us" + goodPath + goodQuery,
		"DoD":                         "https://x.1.environment.api.appsplatform.us" + goodPath + goodQuery,
		"China":                       "https://x.1.environment.api.powerplatform.partner.microsoftonline.cn" + goodPath + goodQuery,
		"a Logic App":                 oldURL,
		"a Logic App of a government": strings.Replace(oldURL, "azure.com", "azure.us", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Options{}
			got, err := o.checkURL(s)
			require.NoError(t, err)
			u, err := url.Parse(got.url)
			require.NoError(t, err)
			require.Equal(t, got.host, u.Hostname())
			require.Equal(t, strings.ToLower(u.Host), u.Host)
			require.Equal(t, strings.Contains(s, "logic.azure."), got.warning != "")
			again, err := o.checkURL(got.url)
			require.NoError(t, err)
			require.Equal(t, got, again)
		})
	}
}

func TestURLsThatAreNotOfFlowsAreRefused(t *testing.T) {
	t.Parallel()
	at := func(host string) string { return "https://" + host + goodPath + goodQuery }
	for name, tc := range map[string]struct {
		url, says string
		retired   bool
	}{
		"nothing":                          {url: "", says: "empty"},
		"no URL":                           {url: "hello", says: "cannot be read"},
		"a path":                           {url: goodPath + goodQuery, says: "cannot be read"},
		"opaque":                           {url: "https:" + goodHost + goodPath + goodQuery, says: "cannot be read"},
		"http":                             {url: strings.Replace(goodURL, "https", "http", 1), says: "https"},
		"another scheme":                   {url: strings.Replace(goodURL, "https", "gopher", 1), says: "https"},
		"a script":                         {url: "javascript:alert(1)", says: "cannot be read"},
		"too long":                         {url: goodURL + strings.Repeat("x", maxURL), says: "bytes"},
		"another port":                     {url: at(goodHost + ":8443"), says: "port"},
		"port 80":                          {url: at(goodHost + ":80"), says: "port"},
		"port with zeros":                  {url: at(goodHost + ":0443"), says: "port"},
		"empty port":                       {url: at(goodHost + ":"), says: "port"},
		"a port that is none":              {url: at(goodHost + ":x"), says: "cannot be read"},
		"a user":                           {url: at("admin@" + goodHost), says: "user"},
		"a user and a password":            {url: at("a:b@" + goodHost), says: "user"},
		"an empty user":                    {url: at("@" + goodHost), says: "user"},
		"the host as a user":               {url: at(goodHost + "@evil.example"), says: "user"},
		"the host as a user, escaped":      {url: at(goodHost + "%40evil.example"), says: ""},
		"a backslash":                      {url: at("evil.example\\." + goodHost), says: "character"},
		"a backslash for a slash":          {url: "https:\\\\" + goodHost + goodPath + goodQuery, says: "character"},
		"a fragment":                       {url: goodURL + "#x", says: "fragment"},
		"an empty fragment":                {url: goodURL + "#", says: "fragment"},
		"the host in a fragment":           {url: "https://evil.example/#" + goodHost + goodPath + goodQuery, says: "fragment"},
		"a space":                          {url: strings.Replace(goodURL, "manual", "man ual", 1), says: "ASCII"},
		"a line break":                     {url: strings.Replace(goodURL, "manual", "man\nual", 1), says: "ASCII"},
		"a tab in the host":                {url: at("evil.example\t." + goodHost), says: "ASCII"},
		"a zero byte":                      {url: at("evil.example\x00." + goodHost), says: "ASCII"},
		"another host":                     {url: at("evil.example"), says: "host"},
		"the domain alone":                 {url: at("api.powerplatform.com"), says: "host"},
		"the domain as a prefix":           {url: at("api.powerplatform.com.evil.example"), says: "host"},
		"the domain without a dot":         {url: at("evilapi.powerplatform.com"), says: "host"},
		"the domain in the path":           {url: "https://evil.example/x.api.powerplatform.com" + goodPath + goodQuery, says: "host"},
		"a neighbour in Azure":             {url: at("x.westeurope.azurewebsites.net"), says: "host"},
		"a management host of Azure":       {url: at("management.azure.com"), says: "host"},
		"a dot at the end":                 {url: at(goodHost + "."), says: "host"},
		"two dots":                         {url: at("x..api.powerplatform.com"), says: "host"},
		"a dot at the beginning":           {url: at(".api.powerplatform.com"), says: "host"},
		"another alphabet":                 {url: at("x.api.pоwerplatform.com"), says: "ASCII"},
		"full-width dots":                  {url: at("x．api．powerplatform．com"), says: "ASCII"},
		"punycode":                         {url: at("x.api.xn--pwerplatform-0yf.com"), says: "host"},
		"punycode below the domain":        {url: at("xn--e1afmkfd.api.powerplatform.com"), says: "host"},
		"an escaped host":                  {url: at("x%2eapi.powerplatform.com"), says: ""},
		"an underscore":                    {url: at("x_y.api.powerplatform.com"), says: "host"},
		"an IPv4 address":                  {url: at("10.0.0.1"), says: "host"},
		"the metadata service":             {url: at("169.254.169.254"), says: "host"},
		"an address as one number":         {url: at("2130706433"), says: "host"},
		"an address in hex":                {url: at("0x7f.1"), says: "host"},
		"an IPv6 address":                  {url: at("[::1]"), says: "host"},
		"an IPv6 address with a zone":      {url: at("[fe80::1%25eth0]"), says: "host"},
		"an IPv4 address in IPv6":          {url: at("[::ffff:127.0.0.1]"), says: "host"},
		"localhost":                        {url: at("localhost"), says: "host"},
		"loopback without leave":           {url: "http://127.0.0.1:8080" + goodPath + goodQuery, says: "https"},
		"no flow":                          {url: "https://" + goodHost + "/" + goodQuery, says: "path"},
		"no trigger":                       {url: "https://" + goodHost + "/workflows/x/runs/y" + goodQuery, says: "path"},
		"nothing behind the trigger":       {url: "https://" + goodHost + "/workflows/x/triggers" + goodQuery, says: "path"},
		"dots in the path":                 {url: "https://" + goodHost + "/workflows/../triggers/x" + goodQuery, says: "dot segment"},
		"dots in front":                    {url: "https://" + goodHost + "/a/.." + goodPath + goodQuery, says: "dot segment"},
		"an empty segment":                 {url: "https://" + goodHost + "/a/" + goodPath + goodQuery, says: "dot segment"},
		"escapes in the path":              {url: "https://" + goodHost + strings.Replace(goodPath, "manual", "%2e%2e", 1) + goodQuery, says: "escapes"},
		"an escaped slash":                 {url: "https://" + goodHost + strings.Replace(goodPath, "manual", "a%2fb", 1) + goodQuery, says: "escapes"},
		"no signature":                     {url: strings.Split(goodURL, "&sig=")[0], says: "Anyone"},
		"an empty signature":               {url: strings.Split(goodURL, "&sig=")[0] + "&sig=", says: "Anyone"},
		"two signatures":                   {url: goodURL + "&sig=x", says: "more than one"},
		"a broken query":                   {url: goodURL + "&x=%zz", says: "question mark"},
		"a semicolon in the query":         {url: goodURL + ";sig=x", says: "question mark"},
		"a connector":                      {url: "https://contoso.webhook.office.com/webhookb2/x@y/IncomingWebhook/z", says: "Workflows", retired: true},
		"a connector of the first kind":    {url: "https://outlook.office.com/webhook/x@y/IncomingWebhook/z", says: "Workflows", retired: true},
		"a connector of Office 365":        {url: "https://outlook.office365.com/webhook/x", says: "Workflows", retired: true},
		"a connector in upper case":        {url: "https://CONTOSO.WEBHOOK.OFFICE.COM/webhookb2/x", says: "Workflows", retired: true},
		"no connector, but looks like one": {url: "https://evilwebhook.office.com/x", says: "host"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Options{}
			got, err := o.checkURL(tc.url)
			require.Error(t, err)
			require.Zero(t, got)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.Equal(t, tc.retired, errors.Is(err, ErrRetired))
			require.NotEqual(t, tc.retired, errors.Is(err, ErrURL))
			require.Contains(t, err.Error(), tc.says)
			for _, secret := range []string{"AbCdEf", "0123456789abcdef", "evil", "contoso"} {
				require.NotContains(t, strings.ToLower(err.Error()), strings.ToLower(secret))
			}
		})
	}
}

func TestOldHostsAreRefusedWhereTheHostWantsIt(t *testing.T) {
	t.Parallel()
	o := Options{RefuseOldHosts: true}
	_, err := o.checkURL(oldURL)
	require.ErrorIs(t, err, ErrRetired)
	require.ErrorContains(t, err, "api.powerplatform.com")
	_, err = o.checkURL(goodURL)
	require.NoError(t, err)
}

func TestHostsCanBeAdded(t *testing.T) {
	t.Parallel()
	s := "https://x.api.powerplatform.example" + goodPath + goodQuery
	o := Options{}
	_, err := o.checkURL(s)
	require.ErrorIs(t, err, ErrURL)
	o.Hosts = []string{"API.powerplatform.example"}
	_, err = o.checkURL(s)
	require.NoError(t, err)
}

func TestThisMachineIsPostedToOnlyWhereTheHostWantsIt(t *testing.T) {
	t.Parallel()
	o := Options{InsecureLoopback: true}
	for _, s := range []string{"http://127.0.0.1:8080", "http://[::1]:8080", "https://127.0.0.1", "http://127.8.8.8"} {
		got, err := o.checkURL(s + goodPath + goodQuery)
		require.NoError(t, err, s)
		require.Equal(t, s+goodPath+goodQuery, got.url)
	}
	for _, s := range []string{"http://localhost:8080", "http://10.0.0.1:8080", "http://0.0.0.0:8080", "http://" + goodHost, "https://" + goodHost + ":8443", "ftp://127.0.0.1", "http://user@127.0.0.1", "http://127.0.0.1.evil.example", "http://[::1%25lo]:8080"} {
		_, err := o.checkURL(s + goodPath + goodQuery)
		require.ErrorIs(t, err, ErrURL, s)
	}
}

// FuzzURL holds checkURL to what the HTTP client then does: whatever is accepted goes to an allowed host, by TLS, on its
// port, and errors repeat nothing.
func FuzzURL(f *testing.F) {
	for _, s := range []string{goodURL, oldURL, "https://contoso.webhook.office.com/x", "http://127.0.0.1:1" + goodPath + goodQuery, "https://a@" + goodHost + goodPath + goodQuery, "https://x\\@y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o := Options{}
		got, err := o.checkURL(s)
		if err != nil {
			if got != (target{}) {
				t.Fatal("a refused URL is returned all the same")
			}
			if !errors.Is(err, mspkit.ErrInvalid) {
				t.Fatalf("%v is not ErrInvalid", err)
			}
			return
		}
		u, err := url.Parse(got.url)
		if err != nil {
			t.Fatal(err)
		}
		if u.Scheme != "https" || u.User != nil || u.Port() != "" && u.Port() != "443" || u.Fragment != "" || u.Query().Get("sig") == "" {
			t.Fatalf("accepted %q", got.url)
		}
		ok := false
		for _, d := range Hosts() {
			ok = ok || strings.HasSuffix(u.Hostname(), "."+d)
		}
		if !ok || u.Hostname() != got.host {
			t.Fatalf("accepted the host %q", u.Host)
		}
		if again, err := o.checkURL(got.url); err != nil || again != got {
			t.Fatalf("%q is accepted, %q is not (%v)", s, got.url, err)
		}
	})
}
