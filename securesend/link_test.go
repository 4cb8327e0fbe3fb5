package securesend

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	testToken    = strings.Repeat("aB3-_", 20)
	testFragment = strings.Repeat("A", 42) + "E"
)

func TestALinkIsReadAsItWasMade(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Link{
		"https://help.example/send/s/" + testToken + "#" + testFragment: {Kind: LinkSend, Base: "https://help.example/send"},
		"https://help.example/s/" + testToken + "#" + testFragment:      {Kind: LinkSend, Base: "https://help.example"},
		"HTTPS://help.example:8443/a/b/r/" + testToken + "#" + testFragment + "\r\n": {
			Kind: LinkRequest, Base: "https://help.example:8443/a/b",
		},
		"https://help.example/c/" + testToken + "#" + testFragment:  {Kind: LinkCompose, Base: "https://help.example"},
		"https://help.example/h/" + testToken:                       {Kind: LinkHeld, Base: "https://help.example"},
		"https://help.example/h/" + testToken + "#":                 {Kind: LinkHeld, Base: "https://help.example"},
		"http://localhost:8080/s/" + testToken + "#" + testFragment: {Kind: LinkSend, Base: "http://localhost:8080"},
		"http://127.0.0.1/x/s/" + testToken + "#" + testFragment:    {Kind: LinkSend, Base: "http://127.0.0.1/x"},
		"http://[::1]:80/s/" + testToken + "#" + testFragment:       {Kind: LinkSend, Base: "http://[::1]:80"},
	} {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			l, err := ParseLink(in)
			require.NoError(t, err)
			require.Equal(t, want.Kind, l.Kind)
			require.Equal(t, want.Base, l.Base)
			require.Equal(t, testToken, l.Token.Reveal())
			if l.Kind == LinkHeld {
				require.Empty(t, l.Fragment.Reveal())
			} else {
				require.Equal(t, append(make([]byte, 31), 1), l.Fragment.Reveal())
			}
			again, err := ParseLink(l.URL().Reveal())
			require.NoError(t, err)
			require.Equal(t, l.URL().Reveal(), again.URL().Reveal())
			require.NotContains(t, fmt.Sprintf("%v %+v %#v", l, l, l), testToken)
		})
	}
}

func TestALinkThatIsNotWholeOrNotOursIsRefusedWithoutRepeatingIt(t *testing.T) {
	t.Parallel()
	path := "https://help.example/send/s/" + testToken
	good := path + "#" + testFragment
	for name, tc := range map[string]struct{ in, why string }{
		"nothing":                   {"", "not a web address"},
		"no address":                {"hello", "not a web address"},
		"a control character":       {"https://help.example/\x00s/" + testToken, "not a web address"},
		"no host":                   {"https:///s/" + testToken + "#" + testFragment, "not a web address"},
		"only a port":               {"https://:443/s/" + testToken + "#" + testFragment, "not a web address"},
		"a user":                    {strings.Replace(good, "help", "me:pw@help", 1), "not a web address"},
		"opaque":                    {"https:help.example/s/" + testToken, "not a web address"},
		"http":                      {strings.Replace(good, "https", "http", 1), "must begin with https"},
		"http to a look-alike":      {"http://localhost.evil.example/s/" + testToken + "#" + testFragment, "must begin with https"},
		"http to an address":        {"http://192.0.2.1/s/" + testToken + "#" + testFragment, "must begin with https"},
		"another scheme":            {strings.Replace(good, "https", "ftp", 1), "must begin with https"},
		"a query":                   {path + "?utm_source=mail#" + testFragment, "query"},
		"an empty query":            {path + "?#" + testFragment, "query"},
		"another kind":              {strings.Replace(good, "/s/", "/x/", 1), "path"},
		"no kind":                   {"https://help.example/" + testToken + "#" + testFragment, "path"},
		"two kinds":                 {strings.Replace(good, "/s/", "/sh/", 1), "path"},
		"a path upwards":            {strings.Replace(good, "/send/", "/send/../", 1), "path"},
		"doubled slash":             {strings.Replace(good, "/send/", "//send/", 1), "path"},
		"slash at the end":          {path + "/#" + testFragment, "path"},
		"token cut":                 {path[:len(path)-60] + "#" + testFragment, "cut before the #"},
		"token cut, without #":      {path[:len(path)-60], "cut before the #"},
		"token with a dot":          {path + ".#" + testFragment, "character"},
		"token with a code":         {path + "%41#" + testFragment, "character"},
		"token too long":            {path + strings.Repeat("a", 600) + "#" + testFragment, "too long"},
		"all too long":              {good + strings.Repeat("a", 5000), "too long"},
		"fragment missing":          {path, "after # is missing"},
		"fragment empty":            {path + "#", "after # is missing"},
		"fragment cut":              {good[:len(good)-1], "after # is cut"},
		"fragment longer":           {good + "A", "longer"},
		"fragment with a full stop": {good + ".", "longer"},
		"fragment of other letters": {good[:len(good)-2] + "+E", "not one of ours"},
		"fragment with a line feed": {good[:len(good)-2] + "\nE", "not one of ours"},
		"fragment of too many bits": {good[:len(good)-1] + "F", "not one of ours"},
		"held with a fragment":      {strings.Replace(good, "/s/", "/h/", 1), "have none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseLink(tc.in)
			require.ErrorIs(t, err, ErrLink)
			require.ErrorContains(t, err, tc.why)
			require.NotContains(t, err.Error(), "help.example")
			require.NotContains(t, err.Error(), testToken[:10])
			require.NotContains(t, err.Error(), testFragment[:10])
		})
	}
}

func FuzzParseLink(f *testing.F) {
	for _, kind := range "shrcx" {
		f.Add("https://help.example/send/" + string(kind) + "/" + testToken + "#" + testFragment)
	}
	f.Add("http://127.0.0.1:1/h/" + testToken)
	f.Add("https://bücher.example/%2f/s/" + testToken + "#" + testFragment)
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseLink(s)
		if err != nil {
			require.ErrorIs(t, err, ErrLink)
			return
		}
		again, err := ParseLink(l.URL().Reveal())
		require.NoError(t, err, "what is ours can be sent on")
		require.Equal(t, l.URL().Reveal(), again.URL().Reveal())
		require.Equal(t, l.Kind == LinkHeld, len(l.Fragment.Reveal()) == 0)
	})
}
