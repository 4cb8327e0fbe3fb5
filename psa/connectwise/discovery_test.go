package connectwise_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/connectwise"
	"github.com/mspkit/mspkit/psa/psatest"
	"github.com/stretchr/testify/require"
)

func TestAnUnknownCompanyIDIsANullAndSaidInWords(t *testing.T) {
	t.Parallel()
	_, srv := start(t, nil, nil)
	c, err := connectwise.New("", "nobody", credentials, connectwise.Quick(&connectwise.Options{BaseURL: srv.URL}))
	require.NoError(t, err)
	for range 2 {
		_, err = c.Ping(t.Context())
		require.ErrorIs(t, err, psa.ErrUnauthorized)
		require.ErrorContains(t, err, "does not know the company id")
		require.ErrorContains(t, err, "region")
		require.Equal(t, psa.Later, psa.FateOf(err), "an administrator can repair it")
	}
}

// upgrade is a codebase that changes.
type upgrade struct{ atomic.Pointer[string] }

func (u *upgrade) set(s string) { u.Store(&s) }
func (u *upgrade) get() string  { return *u.Load() }

func TestACodebaseThatChangedIsAskedForAgainAfterA404(t *testing.T) {
	t.Parallel()
	var code upgrade
	code.set("v2024_8/")
	c, srv, rec := recorded(t, &psatest.ConnectWiseOptions{Codebase: code.get}, nil)
	info, err := c.Ping(t.Context())
	require.NoError(t, err)
	require.Equal(t, psa.Info{System: "connectwise", Version: "v2025.1.12345", Base: srv.URL + "/v2024_8/apis/3.0"}, info)
	code.set("v2025_1/")
	rec.take()
	_, err = c.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
	require.NoError(t, err, "also what is no GET: nothing was done at an address that does not exist")
	require.Len(t, srv.Desk().Notes("4711"), 1)
	var paths []string
	for _, s := range rec.take() {
		paths = append(paths, s.url.Path)
	}
	require.Equal(t, []string{
		"/v2024_8/apis/3.0/service/tickets/4711/notes", "/login/companyinfo/northwind", "/v2025_1/apis/3.0/service/tickets/4711/notes",
	}, paths)
	_, err = c.GetTicket(t.Context(), ref("4711"))
	require.NoError(t, err)
	require.Len(t, rec.take(), 1, "it is remembered")

	_, err = c.GetTicket(t.Context(), ref("9999"))
	require.ErrorIs(t, err, psa.ErrNotFound)
	require.Len(t, rec.take(), 2, "what is missing is asked for once, with the codebase")
}

func TestA404WhileTheSiteDoesNotAnswerIsNotTheTickets(t *testing.T) {
	t.Parallel()
	var code upgrade
	code.set("v2024_8/")
	c, srv := start(t, &psatest.ConnectWiseOptions{Codebase: code.get}, nil)
	_, err := c.Ping(t.Context())
	require.NoError(t, err)
	code.set("v2025_1/")
	srv.Desk().SetFault(psatest.Times(-1, psatest.Fault{Status: http.StatusServiceUnavailable}, psatest.OpPing))
	_, err = c.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
	require.ErrorIs(t, err, psa.ErrUnavailable)
	require.Equal(t, psa.Later, psa.FateOf(err))
	require.ErrorContains(t, err, "upgrade")
}

func TestAFixedCodebaseIsNotAskedFor(t *testing.T) {
	t.Parallel()
	c, _, rec := recorded(t, nil, func(o *connectwise.Options) { o.Codebase = "v2025_1" })
	_, err := c.GetTicket(t.Context(), ref("4711"))
	require.NoError(t, err)
	_, err = c.GetTicket(t.Context(), ref("9999"))
	require.ErrorIs(t, err, psa.ErrNotFound)
	require.Len(t, rec.take(), 2)

	c, _ = start(t, nil, func(o *connectwise.Options) { o.Codebase = "v4_6_release/" })
	_, err = c.GetTicket(t.Context(), ref("4711"))
	require.ErrorIs(t, err, psa.ErrUnauthorized, "nothing is found at all")
}

func TestTheDiscoveryIsSharedAndItsErrorIsNotKept(t *testing.T) {
	t.Parallel()
	c, srv, rec := recorded(t, nil, func(o *connectwise.Options) { o.Retries = -1 })
	srv.Desk().SetFault(psatest.Times(1, psatest.Fault{Status: http.StatusInternalServerError}, psatest.OpPing))
	_, err := c.Ping(t.Context())
	require.ErrorIs(t, err, psa.ErrUnavailable)
	rec.take()
	srv.Desk().SetFault(psatest.Times(-1, psatest.Fault{Delay: 50 * time.Millisecond}, psatest.OpPing))
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := c.GetTicket(t.Context(), ref("4711")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	n := 0
	for _, s := range rec.take() {
		if strings.HasPrefix(s.url.Path, "/login/") {
			n++
		}
	}
	require.Equal(t, 1, n)
}

// One caller asks for all who wait. That it gives up is nothing to the others.
func TestWhoWaitsForTheDiscoveryOutlivesTheOneWhoAsks(t *testing.T) {
	t.Parallel()
	c, _, rec := recorded(t, nil, nil)
	ctx, giveUp := context.WithCancel(t.Context())
	asked, asking := make(chan struct{}), true
	rec.answer = func(r *http.Request) *http.Response {
		if strings.HasPrefix(r.URL.Path, "/login/") && asking {
			asking = false
			close(asked)
			<-r.Context().Done()
		}
		return nil
	}
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := c.GetTicket(ctx, ref("4711")); first <- err }()
	<-asked
	go func() { _, err := c.GetTicket(t.Context(), ref("4711")); second <- err }()
	time.Sleep(50 * time.Millisecond) // so that it most likely waits; otherwise it asks by itself
	giveUp()
	require.ErrorIs(t, <-first, psa.ErrUnavailable)
	require.NoError(t, <-second)
}

func TestASiteThatIsNoneIsNotBelieved(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"a page":                "<html>",
		"nothing":               "",
		"no codebase":           `{"CompanyName":"x"}`,
		"a codebase elsewhere":  `{"Codebase":"//evil.example/"}`,
		"a codebase upwards":    `{"Codebase":"../"}`,
		"a codebase with query": `{"Codebase":"v1?x="}`,
	} {
		c, _, rec := recorded(t, nil, func(o *connectwise.Options) { o.Retries = -1 })
		rec.answer = func(*http.Request) *http.Response { return text(200, answer) }
		_, err := c.Ping(t.Context())
		require.ErrorIs(t, err, psa.ErrUnavailable, name)
		require.Len(t, rec.take(), 1, name)
	}
	c, _, rec := recorded(t, nil, nil)
	rec.answer = func(*http.Request) *http.Response { return text(404, "<html>") }
	_, err := c.Ping(t.Context())
	require.ErrorIs(t, err, psa.ErrUnavailable)
	require.ErrorContains(t, err, "is the site right")
}

func TestCloudSitesHaveAnotherHostForTheAPI(t *testing.T) {
	t.Parallel()
	for site, want := range map[string][2]string{
		"na.myconnectwise.net":           {"https://na.myconnectwise.net", "https://api-na.myconnectwise.net"},
		"https://EU.myconnectwise.net/":  {"https://eu.myconnectwise.net", "https://api-eu.myconnectwise.net"},
		"api-au.myconnectwise.net":       {"https://au.myconnectwise.net", "https://api-au.myconnectwise.net"},
		"staging.connectwisedev.com":     {"https://staging.connectwisedev.com", "https://api-staging.connectwisedev.com"},
		"na.myconnectwise.net.":          {"https://na.myconnectwise.net.", "https://api-na.myconnectwise.net."},
		"psa.msp.example":                {"https://psa.msp.example", "https://psa.msp.example"},
		"myconnectwise.net.evil.example": {"https://myconnectwise.net.evil.example", "https://myconnectwise.net.evil.example"},
	} {
		rec := &recorder{answer: func(r *http.Request) *http.Response {
			if strings.HasPrefix(r.URL.Path, "/login/") {
				return text(200, `{"Codebase":"v4_6_release/"}`)
			}
			return text(200, "[]")
		}}
		c, err := connectwise.New(site, "acme", credentials, &connectwise.Options{HTTPClient: &http.Client{Transport: rec}})
		require.NoError(t, err)
		_, err = c.Ping(t.Context())
		require.NoError(t, err)
		all := rec.take()
		require.Len(t, all, 2)
		require.Equal(t, want[0]+"/login/companyinfo/acme", all[0].url.String())
		require.Equal(t, want[1]+"/v4_6_release/apis/3.0/service/boards?pageSize=1", all[1].url.String())
	}
}

func TestTheWrongHostIsExplained(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 400, 403, 500} {
		c, _, rec := recorded(t, nil, func(o *connectwise.Options) { o.Retries = -1 })
		rec.answer = func(r *http.Request) *http.Response {
			if strings.HasPrefix(r.URL.Path, "/login/") {
				return nil
			}
			return text(status, `{"code":"Security","message":"SSL is required.","errors":null}`)
		}
		_, err := c.Ping(t.Context())
		require.ErrorIs(t, err, psa.ErrUnavailable, status)
		_, err = c.GetTicket(t.Context(), ref("4711"))
		require.ErrorIs(t, err, psa.ErrUnavailable, status)
		require.Equal(t, psa.Later, psa.FateOf(err))
		if status != 200 {
			require.ErrorContains(t, err, `"api-"`)
		}
	}
}

func TestWrongCredentialsAreSaidAlsoWhereTheyAreA404(t *testing.T) {
	t.Parallel()
	for _, hidden := range []bool{false, true} {
		_, srv := start(t, &psatest.ConnectWiseOptions{HiddenAuth: hidden}, nil)
		wrong := credentials
		wrong.PrivateKey = mspkit.Redact("wrong-private-key")
		c, err := connectwise.New("", psatest.ConnectWiseCompany, wrong, connectwise.Quick(&connectwise.Options{BaseURL: srv.URL, Member: "x"}))
		require.NoError(t, err)
		for name, do := range map[string]func() error{
			"ping":   func() error { _, err := c.Ping(t.Context()); return err },
			"ticket": func() error { _, err := c.GetTicket(t.Context(), ref("4711")); return err },
			"note": func() error {
				_, err := c.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
				return err
			},
		} {
			err := do()
			require.ErrorIs(t, err, psa.ErrUnauthorized, name)
			require.Equal(t, psa.Later, psa.FateOf(err), "a note is not lost because a key has expired")
			require.ErrorContains(t, err, "expired")
			require.NotContains(t, err.Error(), "wrong-private-key")
		}
	}
}

func TestAMissingRecordIsBelievedOfOneWithoutRightsOnBoards(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	srv.Desk().SetFault(psatest.Times(-1, psatest.Fault{Status: http.StatusForbidden}, psatest.OpListOptions))
	_, err := c.GetTicket(t.Context(), ref("9999"))
	require.ErrorIs(t, err, psa.ErrNotFound)
}

func TestNewReportsEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := connectwise.New("na.myconnectwise.net/path", "a b", connectwise.Credentials{}, &connectwise.Options{
		Codebase: "../", Version: "new", MaxNote: 5, Paging: 9, References: 9, Requests: 5, CallbackSecret: mspkit.Redact("short"),
	})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, what := range []string{"site", "company id", "private key", "client id", "codebase", "version", "longest note", "paging", "references", "rate", "secret"} {
		require.ErrorContains(t, err, what)
	}
	for _, base := range []string{"http://psa.example", "ftp://x", "https://u@x", "https://x?y", "x"} {
		_, err = connectwise.New("", "acme", credentials, &connectwise.Options{BaseURL: base})
		require.ErrorIs(t, err, mspkit.ErrInvalid, base)
	}
	_, err = connectwise.New("", "acme", credentials, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = connectwise.New("http://psa.example", "acme", credentials, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	c, err := connectwise.New("na.myconnectwise.net", "acme", credentials, nil)
	require.NoError(t, err)
	require.Equal(t, 4000, c.NoteLimit())
	_, err = connectwise.New("na.myconnectwise.net", "acme", credentials, &connectwise.Options{SignKeyRequest: true})
	require.ErrorIs(t, err, mspkit.ErrInvalid, "a stranger would choose where the credentials are used")
	_, err = connectwise.New("na.myconnectwise.net", "..", credentials, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	bad := credentials
	bad.ClientID = mspkit.Redact("a\r\nb")
	_, err = connectwise.New("na.myconnectwise.net", "acme", bad, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func TestTheRateLimitIsKeptHere(t *testing.T) {
	t.Parallel()
	c, _, rec := recorded(t, nil, func(o *connectwise.Options) { o.Requests, o.Per = 2, 10*time.Second })
	_, err := c.GetTicket(t.Context(), ref("4711")) // with the discovery
	require.NoError(t, err)
	ctx, cancel := contextWithTimeout(t, time.Second)
	defer cancel()
	begun := time.Now()
	_, err = c.AddNote(ctx, ref("4711"), psa.Note{Text: "x"})
	require.ErrorIs(t, err, psa.ErrRateLimited)
	require.Equal(t, psa.Later, psa.FateOf(err))
	require.Less(t, time.Since(begun), 5*time.Second)
	require.Len(t, rec.take(), 2, "nothing was sent")
	require.NotErrorIs(t, err, psa.ErrAmbiguousWrite)
}
