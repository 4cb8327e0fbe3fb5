package teamsapp_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp"
)

func TestServiceURLs(t *testing.T) {
	t.Parallel()
	c := teamsapp.PublicCloud()
	c.Hosts = append(c.Hosts, "127.0.0.1:3978", "[::1]:3978", "localhost:8080", "relay.example:8443", "192.0.2.7")
	for in, want := range map[string]string{
		"https://smba.trafficmanager.net/amer/":                 "https://smba.trafficmanager.net/amer",
		"https://smba.trafficmanager.net/amer":                  "https://smba.trafficmanager.net/amer",
		"https://smba.trafficmanager.net":                       "https://smba.trafficmanager.net",
		"https://smba.trafficmanager.net:443/amer/":             "https://smba.trafficmanager.net:443/amer",
		"HTTPS://SMBA.TrafficManager.NET/amer/":                 "https://smba.trafficmanager.net/amer",
		"https://smba.trafficmanager.net/amer-client-ss.msg/":   "https://smba.trafficmanager.net/amer-client-ss.msg",
		"https://smba.trafficmanager.net/amer/" + contoso + "/": "https://smba.trafficmanager.net/amer/" + contoso,
		"https://canary.botapi.skype.com/amer/":                 "https://canary.botapi.skype.com/amer",
		"https://smba.infra.gcc.teams.microsoft.com/gcc":        "https://smba.infra.gcc.teams.microsoft.com/gcc",
		"https://webchat.botframework.com/":                     "https://webchat.botframework.com",
		"http://127.0.0.1:3978/x/":                              "http://127.0.0.1:3978/x",
		"https://127.0.0.1:3978/":                               "https://127.0.0.1:3978",
		"http://[::1]:3978/":                                    "http://[::1]:3978",
		"http://localhost:8080/":                                "http://localhost:8080",
		"https://relay.example:8443/teams/":                     "https://relay.example:8443/teams",
	} {
		got, err := teamsapp.Trusted(c, in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
	}
	for _, in := range []string{
		"", "smba.trafficmanager.net", "//smba.trafficmanager.net/amer/", "https:smba.trafficmanager.net", "https:///amer/", "https://",
		"http://smba.trafficmanager.net/amer/", "ftp://smba.trafficmanager.net/", "javascript:alert(1)",
		"https://smba.trafficmanager.net./amer/", "https://smba.trafficmanager.net../",
		"https://smba.trafficmanager.net.evil.example/", "https://evil-smba.trafficmanager.net/", "https://x.smba.trafficmanager.net/",
		"https://trafficmanager.net/", "https://other.trafficmanager.net/",
		"https://teams.microsoft.com/", "https://.teams.microsoft.com/", "https://a..teams.microsoft.com/", "https://evilteams.microsoft.com/",
		"https://x.botframework.com.evil.example/", "https://xbotframework.com/",
		"https://user@smba.trafficmanager.net/", "https://smba.trafficmanager.net@evil.example/", "https://smba.trafficmanager.net:x@evil.example/",
		"https://smba.trafficmanager.net:8443/", "https://smba.trafficmanager.net:80/", "https://smba.trafficmanager.net:/", "https://smba.trafficmanager.net:0443/",
		`https://smba.trafficmanager.net\@evil.example/`, `https:\\smba.trafficmanager.net\`, `https://evil.example\.smba.trafficmanager.net/`, `https://smba.trafficmanager.net/amer\x`,
		"https://smba.trafficmanager.net/amer/../x", "https://smba.trafficmanager.net/./", "https://smba.trafficmanager.net/%2e%2e/",
		"https://smba.trafficmanager.net/?x=https://evil.example", "https://smba.trafficmanager.net/#x", "https://evil.example/#smba.trafficmanager.net",
		"https://evil.example?smba.trafficmanager.net/", "https://smba%2etrafficmanager.net/", "https://evil.example%2f.teams.microsoft.com/",
		"https://smba.trafficmanager。net/", "https://ѕmba.trafficmanager.net/", "https://smba.trafficmanager.net／x/", "https://smba\u200b.trafficmanager.net/",
		" https://smba.trafficmanager.net/", "https://smba.trafficmanager.net/ ", "https://smba.trafficmanager.net/\n", "https://smba.trafficmanager\x00.net/", "https://smba.trafficmanager\t.net/",
		"https://127.0.0.1/", "http://127.0.0.1/", "http://127.0.0.1:3979/", "http://127.0.0.2:3978/", "http://localhost:3978/", "http://localhost.evil.example:8080/",
		"http://relay.example:8443/", "https://relay.example/", "http://192.0.2.7:443/", "http://2130706433:3978/", "http://127.1:3978/", "http://[::1%25lo]:3978/",
		"https://smba.trafficmanager.net/" + strings.Repeat("a", 512),
	} {
		_, err := teamsapp.Trusted(c, in)
		require.ErrorIs(t, err, teamsapp.ErrServiceURL, in)
		if len(in) > 10 {
			require.NotContains(t, err.Error(), in)
		}
	}
	for _, c := range []teamsapp.Cloud{teamsapp.PublicCloud(), teamsapp.USGovCloud(), teamsapp.ChinaCloud()} {
		_, err := teamsapp.Trusted(c, c.ServiceURL)
		require.NoError(t, err, "a cloud does not trust its own service")
	}
}
