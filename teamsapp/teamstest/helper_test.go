package teamstest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp/teamstest"
)

const (
	appID    = "6f1c0f3e-7a55-4c0e-9d0e-2f8f4c1b7a01"
	secret   = "s3cr3t"
	customer = "0c1d2e3f-1111-4222-8333-444455556666"
	other    = "0c1d2e3f-9999-4222-8333-444455556666"
	danaID   = "aaaaaaaa-1111-4222-8333-444455556666"
)

// world is a server with Dana, and a bot that speaks raw HTTP.
type world struct {
	t    *testing.T
	s    *teamstest.Server
	dana *teamstest.Person
	http *http.Client

	mu    sync.Mutex
	got   []map[string]any
	auth  []string
	reply func(w http.ResponseWriter, a map[string]any)
	jwt   string
}

func newWorld(t *testing.T, o *teamstest.Options) *world {
	t.Helper()
	s, err := teamstest.Start(appID, secret, o)
	require.NoError(t, err)
	w := &world{t: t, s: s, http: &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}}
	bot := httptest.NewServer(http.HandlerFunc(w.bot))
	t.Cleanup(func() {
		s.Close()
		bot.Close()
		w.http.CloseIdleConnections()
	})
	s.Connect(bot.URL + "/api/messages")
	w.dana = s.AddPerson(customer, danaID, "Dana", "en-US")
	return w
}

func (w *world) bot(rw http.ResponseWriter, r *http.Request) {
	var a map[string]any
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
		rw.WriteHeader(http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	w.got, w.auth = append(w.got, a), append(w.auth, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	reply := w.reply
	w.mu.Unlock()
	if reply != nil {
		reply(rw, a)
	}
}

func (w *world) answers(body string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reply = func(rw http.ResponseWriter, _ map[string]any) { _, _ = io.WriteString(rw, body) }
}

func (w *world) activities() []map[string]any {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]map[string]any(nil), w.got...)
}

func (w *world) last() map[string]any {
	all := w.activities()
	require.NotEmpty(w.t, all)
	return all[len(all)-1]
}

func (w *world) install() *world {
	require.NoError(w.t, w.dana.Install(w.ctx()))
	return w
}

func (w *world) ctx() context.Context { return w.t.Context() }

// answer is what the server said.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) id() string {
	var v struct{ ID string }
	_ = json.Unmarshal([]byte(a.body), &v)
	return v.ID
}

func (a answer) code() string {
	var v struct{ Error struct{ Code string } }
	_ = json.Unmarshal([]byte(a.body), &v)
	return v.Error.Code
}

func (w *world) try(method, path, token, body string) (answer, error) {
	r, err := http.NewRequestWithContext(w.ctx(), method, w.s.URL()+path, bytes.NewReader([]byte(body)))
	require.NoError(w.t, err)
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := w.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b)}, err
}

func (w *world) do(method, path, token, body string) answer {
	a, err := w.try(method, path, token, body)
	require.NoError(w.t, err)
	return a
}

// call calls the Connector with a right token.
func (w *world) call(method, path, body string) answer { return w.do(method, path, w.token(), body) }

func (w *world) token() string {
	if w.jwt == "" {
		a := w.login(w.s.AppTenant(), nil)
		require.Equal(w.t, http.StatusOK, a.status, a.body)
		w.jwt = accessToken(a)
	}
	return w.jwt
}

func accessToken(a answer) string {
	var v struct {
		Token string `json:"access_token"`
	}
	_ = json.Unmarshal([]byte(a.body), &v)
	return v.Token
}

func (w *world) login(tenant string, change url.Values) answer {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {appID}, "client_secret": {secret}, "scope": {w.s.Cloud().Scope}}
	maps.Copy(form, change)
	resp, err := w.http.PostForm(w.s.Cloud().Login+"/"+tenant+"/oauth2/v2.0/token", form)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return answer{resp.StatusCode, resp.Header, string(b)}
}

func createBody(member string) string {
	return `{"isGroup":false,"tenantId":"` + customer + `","members":[{"id":"` + member + `"}]}`
}

func (w *world) chat() string {
	return "/amer/v3/conversations/" + url.PathEscape(w.dana.Conversation()) + "/activities"
}

// send sends a message to Dana and returns its id.
func (w *world) send(body string) string {
	a := w.call(http.MethodPost, w.chat(), body)
	require.Equal(w.t, http.StatusCreated, a.status, a.body)
	require.NotEmpty(w.t, a.id())
	return a.id()
}

func cardMessage(card string) string {
	return `{"type":"message","summary":"a card","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","content":` + card + `}],` +
		`"channelData":{"notification":{"alert":true}}}`
}

func (w *world) card(card string) *teamstest.Message { return w.s.Message(w.send(cardMessage(card))) }
