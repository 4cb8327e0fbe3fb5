package connectwise_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
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

const hook = "https://msp.example/cw?t=contoso&recordId="

var event = psatest.ConnectWiseEvent{
	RecordID: 4711, Type: "ticket", Action: "updated", Entity: `{"id":4711,"summary":"a \"quote\"","_info":{"lastUpdated":"2026-11-20T10:00:00Z"}}`,
}

// call makes the call of an event.
func call(t *testing.T, srv *psatest.Server, e psatest.ConnectWiseEvent) *http.Request {
	t.Helper()
	r, err := srv.ConnectWiseRequest(t.Context(), hook, e)
	require.NoError(t, err)
	return r
}

// raw is a call with a body as it stands, signed.
func raw(t *testing.T, key, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, hook+"4711", strings.NewReader(body))
	r.Header.Set("X-Content-Signature", psatest.SignConnectWise(key, []byte(body)))
	return r
}

func TestAnEventArrivesAndIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	var got []psa.WebhookEvent
	var mu sync.Mutex
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, err := c.VerifyWebhook(r)
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		mu.Lock()
		got = append(got, e)
		mu.Unlock()
	}))
	t.Cleanup(host.Close)
	address, err := c.CallbackURL("http://msp.example/cw?t=contoso")
	require.ErrorIs(t, err, mspkit.ErrInvalid, "%s", address)
	address, err = c.CallbackURL(host.URL + "/cw?t=contoso")
	require.NoError(t, err)
	require.Equal(t, host.URL+"/cw?t=contoso&recordId=", address)
	for i, want := range []int{200, 401} {
		status, err := srv.ConnectWiseCallback(t.Context(), host.Client(), address, event)
		require.NoError(t, err)
		require.Equal(t, want, status, "call %d: a replay is refused", i)
	}
	require.Len(t, got, 1)
	require.NotEmpty(t, got[0].ID)
	got[0].ID = ""
	require.Equal(t, psa.WebhookEvent{
		System: "connectwise", Entity: "ticket", Action: "updated", RecordID: "4711", At: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC),
	}, got[0])
}

func TestAForeignKeyURLIsRefusedBeforeAnyRequest(t *testing.T) {
	t.Parallel()
	c, srv, rec := recorded(t, nil, nil)
	host := strings.TrimPrefix(srv.URL, "http://")
	for _, u := range []string{
		"https://evil.example/keys/current", srv.URL + ".evil.example/keys/current", "https://" + host + "/keys/current", "http://user:word@" + host + "/keys/current",
		"//" + host + "/keys/current", "/keys/current", "", "http://" + host + "@evil.example/", "http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "http://%zz",
		"http://[::1]:" + srv.URL[strings.LastIndex(srv.URL, ":")+1:] + "/keys/current", "HTTPS://" + host + "/", srv.URL + "0/keys/current", srv.URL + "@evil.example", "http:" + host, "http:\\\\" + host,
		srv.URL + "/keys/current#x", srv.URL + "/" + strings.Repeat("x", 1000),
	} {
		e := event
		e.KeyURL = u
		if u == "" {
			e.KeyURL = " "
		}
		_, err := c.VerifyWebhook(call(t, srv, e))
		require.ErrorIs(t, err, psa.ErrWebhook, "%q", u)
	}
	require.Empty(t, rec.take())
}

func TestAnUnsignedOrAlteredCallIsRefused(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	key := psatest.ConnectWiseSigningKey
	good := fmt.Sprintf(`{"ID":4711,"Action":"updated","Type":"ticket","Entity":"{}","Metadata":{"key_url":%q}}`, srv.URL+"/keys/current")
	for name, r := range map[string]*http.Request{
		"another key": raw(t, "another", good),
		"the key unhashed": func() *http.Request {
			r := raw(t, key, good)
			r.Header.Set("X-Content-Signature", "c2hvcnQ=")
			return r
		}(),
		"no signature": func() *http.Request { r := raw(t, key, good); r.Header.Del("X-Content-Signature"); return r }(),
		"no base64":    func() *http.Request { r := raw(t, key, good); r.Header.Set("X-Content-Signature", "%%%"); return r }(),
		"a GET":        func() *http.Request { r := raw(t, key, good); r.Method = http.MethodGet; return r }(),
		"another body": func() *http.Request {
			r := raw(t, key, good)
			r.Body = io.NopCloser(strings.NewReader(good + " "))
			return r
		}(),
		"no record":         raw(t, key, strings.Replace(good, "4711", "0", 1)),
		"no JSON":           raw(t, key, "recordId=4711"),
		"a list":            raw(t, key, "[]"),
		"nothing":           raw(t, key, ""),
		"too long":          raw(t, key, good+strings.Repeat(" ", 1<<20+1-len(good))),
		"key not there":     raw(t, key, strings.Replace(good, "/keys/current", "/keys/other", 1)),
		"record as a word":  raw(t, key, strings.Replace(good, "4711", `"4711"`, 1)),
		"entity that is an": raw(t, key, strings.Replace(good, `"{}"`, `{"id":1}`, 1)),
	} {
		_, err := c.VerifyWebhook(r)
		require.ErrorIs(t, err, psa.ErrWebhook, name)
		require.NotContains(t, err.Error(), key)
	}
	for _, body := range []string{good, good + strings.Repeat(" ", 1<<20-len(good))} {
		_, err := c.VerifyWebhook(raw(t, key, body))
		require.NoError(t, err)
	}
}

func TestTheKeysOfACallbackMayBeInAnyCase(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	for i, body := range []string{
		`{"ID":1,"Action":"Added","Type":"Contact","Entity":"not json","Metadata":{"key_url":%q}}`,
		`{"id":2,"action":"deleted","type":"company","entity":"null","metadata":{"Key_Url":%q}}`,
		`{"iD":3,"ACTION":"exploded","TYPE":"a word; more","Entity":null,"METADATA":{"KEY_URL":%q}}`,
	} {
		got, err := c.VerifyWebhook(raw(t, psatest.ConnectWiseSigningKey, fmt.Sprintf(body, srv.URL+"/keys/current")))
		require.NoError(t, err)
		require.Equal(t, strconv.Itoa(i+1), got.RecordID)
		require.Equal(t, []string{"added", "deleted", ""}[i], got.Action)
		require.Equal(t, []string{"contact", "company", ""}[i], got.Entity)
		require.True(t, got.At.IsZero())
	}
}

func TestTheSigningKeyIsKeptAndFetchedAgainWhenItHasChanged(t *testing.T) {
	t.Parallel()
	var key upgrade
	key.set("first")
	var now atomic.Int64
	now.Store(time.Now().Unix())
	c, srv, rec := recorded(t, &psatest.ConnectWiseOptions{SigningKey: key.get}, func(o *connectwise.Options) {
		o.Now = func() time.Time { return time.Unix(now.Load(), 0) }
	})
	send := func(id int, signedWith string) error {
		e := event
		e.RecordID, e.SigningKey = id, signedWith
		_, err := c.VerifyWebhook(call(t, srv, e))
		return err
	}
	require.NoError(t, send(1, "first"))
	require.NoError(t, send(2, "first"))
	require.Len(t, rec.take(), 1)
	key.set("second")
	require.ErrorIs(t, send(3, "second"), psa.ErrWebhook, "a key that was fetched just now is believed")
	require.Empty(t, rec.take())
	now.Add(61)
	require.NoError(t, send(3, "second"))
	require.ErrorIs(t, send(4, "first"), psa.ErrWebhook)

	now.Add(61)
	for range 40 {
		err := send(5, "forged")
		require.Error(t, err)
	}
	require.Less(t, len(rec.take()), 30, "forged calls make few requests")
}

func TestTheKeyIsFetchedWithCredentialsWhereAsked(t *testing.T) {
	t.Parallel()
	for _, needs := range []bool{false, true} {
		for _, signs := range []bool{false, true} {
			c, srv, rec := recorded(t, &psatest.ConnectWiseOptions{KeyNeedsAuth: needs}, func(o *connectwise.Options) {
				o.SignKeyRequest, o.CallbackSecret = signs, mspkit.Redact("0123456789abcdef")
			})
			address, err := c.CallbackURL("https://msp.example/cw?t=contoso")
			require.NoError(t, err)
			r, err := srv.ConnectWiseRequest(t.Context(), address, event)
			require.NoError(t, err)
			_, err = c.VerifyWebhook(r)
			require.Equal(t, needs && !signs, err != nil, "%v", err)
			require.NotErrorIs(t, err, psa.ErrWebhook, "that is not the caller's fault")
			got := rec.take()
			require.Len(t, got, 1)
			require.Equal(t, signs, got[0].header.Get("Authorization") != "")
			require.Equal(t, signs, got[0].header.Get("clientId") != "")
		}
	}
}

// The site is another origin than the API's host: a key there is fetched without credentials.
func TestCredentialsForTheSigningKeyGoToTheAPIOnly(t *testing.T) {
	t.Parallel()
	const secret = "0123456789abcdef"
	for host, signed := range map[string]bool{"na.myconnectwise.net": false, "api-na.myconnectwise.net": true} {
		rec := &recorder{answer: func(*http.Request) *http.Response { return text(200, `{"signing_key":"k"}`) }}
		c, err := connectwise.New("na.myconnectwise.net", "acme", credentials, &connectwise.Options{
			CallbackSecret: mspkit.Redact(secret), SignKeyRequest: true, HTTPClient: &http.Client{Transport: rec},
		})
		require.NoError(t, err)
		body := fmt.Sprintf(`{"ID":4711,"Type":"ticket","Metadata":{"key_url":"https://%s/keys/1"}}`, host)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, hook+"4711&cs="+secret, strings.NewReader(body))
		r.Header.Set("X-Content-Signature", psatest.SignConnectWise("k", []byte(body)))
		_, err = c.VerifyWebhook(r)
		require.NoError(t, err, host)
		got := rec.take()
		require.Len(t, got, 1)
		require.Equal(t, signed, got[0].header.Get("Authorization") != "", host)
	}
}

func TestAnAnswerToTheKeyRequestIsBounded(t *testing.T) {
	t.Parallel()
	c, srv, rec := recorded(t, nil, nil)
	for body, forged := range map[string]bool{
		`{"signing_key":"` + strings.Repeat("x", 1<<20) + `"}`: false, "<html>": false, `{}`: true, `{"signing_key":""}`: true,
	} {
		rec.answer = func(*http.Request) *http.Response { return text(200, body) }
		e := event
		e.SigningKey = " "
		_, err := c.VerifyWebhook(call(t, srv, e))
		require.Error(t, err)
		require.Equal(t, forged, psaWebhook(err), "%.20s: %v", body, err)
	}
	// Much on the host answers JSON without a key in it, and anybody can sign with none.
	signed := fmt.Sprintf(`{"ID":4711,"Type":"ticket","Metadata":{"key_url":%q}}`, srv.URL+"/any/answer")
	for _, body := range []string{`{}`, `{"signing_key":""}`, `{"signing_key":null}`, `null`} {
		rec.answer = func(*http.Request) *http.Response { return text(200, body) }
		_, err := c.VerifyWebhook(raw(t, "", signed))
		require.ErrorIs(t, err, psa.ErrWebhook, body)
	}
	rec.answer = func(*http.Request) *http.Response { return text(302, "", "Location", "https://evil.example/") }
	rec.take()
	_, err := c.VerifyWebhook(call(t, srv, event))
	require.ErrorIs(t, err, psa.ErrUnavailable)
	require.Len(t, rec.take(), 1)
}

func psaWebhook(err error) bool { return strings.Contains(err.Error(), psa.ErrWebhook.Error()) }

func TestTheMemoryOfReplaysIsBounded(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	body := func(i int) string {
		return fmt.Sprintf(`{"ID":%d,"Type":"ticket","Metadata":{"key_url":%q}}`, i, srv.URL+"/keys/current")
	}
	for i := 1; i <= 8192+10; i++ {
		_, err := c.VerifyWebhook(raw(t, psatest.ConnectWiseSigningKey, body(i)))
		require.NoError(t, err)
	}
	for _, i := range []int{11, 5000, 8202} {
		_, err := c.VerifyWebhook(raw(t, psatest.ConnectWiseSigningKey, body(i)))
		require.ErrorIs(t, err, psa.ErrWebhook)
	}
	_, err := c.VerifyWebhook(raw(t, psatest.ConnectWiseSigningKey, body(1)))
	require.NoError(t, err, "older ones are forgotten: an event is a hint")
}

func TestOneCallAtOnceIsTakenOnce(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	body := fmt.Sprintf(`{"ID":1,"Type":"ticket","Metadata":{"key_url":%q}}`, srv.URL+"/keys/current")
	var wg sync.WaitGroup
	var taken atomic.Int32
	for range 10 {
		r := raw(t, psatest.ConnectWiseSigningKey, body)
		wg.Go(func() {
			if _, err := c.VerifyWebhook(r); err == nil {
				taken.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, taken.Load())
}

func TestACallbackWithoutOurSecretIsRefused(t *testing.T) {
	t.Parallel()
	const secret = "0123456789abcdef+&"
	c, srv, rec := recorded(t, nil, func(o *connectwise.Options) { o.CallbackSecret = mspkit.Redact(secret) })
	address, err := c.CallbackURL("https://msp.example/cw?t=contoso")
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(address, "&recordId="), address)
	_, err = c.VerifyWebhook(call(t, srv, event))
	require.ErrorIs(t, err, psa.ErrWebhook, "signed with a key of the host, as another company's call would be")
	require.NotContains(t, err.Error(), secret)
	require.Empty(t, rec.take())
	r, err := srv.ConnectWiseRequest(t.Context(), address, event)
	require.NoError(t, err)
	require.Equal(t, "contoso", r.URL.Query().Get("t"))
	require.Equal(t, "4711", r.URL.Query().Get("recordId"))
	got, err := c.VerifyWebhook(r)
	require.NoError(t, err)
	require.Equal(t, "4711", got.RecordID)
	_, err = c.CreateCallback(t.Context(), "ticket", hook)
	require.ErrorIs(t, err, mspkit.ErrInvalid, "every call of it would be refused")
	for _, bad := range []string{"", "x", "https://", "https://u@msp.example/", "https://msp.example/#x", "https://msp.example/?recordId=1", "https://msp.example/?cs=1", "http://msp.example/"} {
		_, err := c.CallbackURL(bad)
		require.ErrorIs(t, err, mspkit.ErrInvalid, bad)
	}
}

// On the cloud, other companies' callbacks are signed by keys on the same host.
func TestOnTheCloudNoCallbackIsTakenWithoutASecret(t *testing.T) {
	t.Parallel()
	const secret = "0123456789abcdef"
	for site, shared := range map[string]bool{
		"na.myconnectwise.net": true, "API-NA.MyConnectWise.net": true, "na.myconnectwise.net.": true, "staging.connectwisedev.com:443": true,
		"psa.msp.example": false, "myconnectwise.net.evil.example": false, "evilmyconnectwise.net": false,
	} {
		for _, own := range []string{"", secret} {
			rec := &recorder{answer: func(*http.Request) *http.Response { return text(200, `{"signing_key":"k"}`) }}
			c, err := connectwise.New(site, "acme", credentials, &connectwise.Options{CallbackSecret: mspkit.Redact(own), HTTPClient: &http.Client{Transport: rec}})
			require.NoError(t, err)
			body := fmt.Sprintf(`{"ID":4711,"Type":"ticket","Metadata":{"key_url":"https://%s/keys/of-another-company"}}`, site)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, hook+"4711&cs="+own, strings.NewReader(body))
			r.Header.Set("X-Content-Signature", psatest.SignConnectWise("k", []byte(body)))
			_, err = c.VerifyWebhook(r)
			refused := shared && own == ""
			require.Equal(t, refused, err != nil, "%s: %v", site, err)
			require.Equal(t, !refused, c.Capabilities().Webhooks)
			if refused {
				require.ErrorIs(t, err, psa.ErrWebhook)
				require.ErrorContains(t, err, "CallbackSecret")
				require.Empty(t, rec.take())
			}
		}
	}
}

func TestACallbackIsCreatedAndChecked(t *testing.T) {
	t.Parallel()
	c, srv, rec := recorded(t, nil, nil)
	made, err := c.CreateCallback(t.Context(), "ticket", hook)
	require.NoError(t, err)
	require.Equal(t, connectwise.Callback{ID: made.ID, Type: "ticket"}, made)
	require.Equal(t, map[string]any{
		"url": hook, "objectId": 1.0, "type": "ticket", "level": "owner", "description": "mspkit: changes of each ticket", "inactiveFlag": false,
	}, decode(t, rec.last(t, http.MethodPost).body), "real booleans; level owner needs object 1")
	got, err := c.CheckCallback(t.Context(), made.ID)
	require.NoError(t, err)
	require.False(t, got.Inactive)
	for body, inactive := range map[string]bool{
		`{"id":5,"inactiveFlag":true}`: true, `{"id":5,"inactiveFlag":"true"}`: true, `{"id":5,"inactiveFlag":"False"}`: false, `{"id":5,"inactiveFlag":null}`: false, `{"id":5}`: false,
	} {
		srv.Desk().SetFault(psatest.Times(1, psatest.Fault{Status: 200, Body: body}, "callback"))
		got, err := c.CheckCallback(t.Context(), "5")
		require.NoError(t, err)
		require.Equal(t, inactive, got.Inactive, "three days of failures turn it off: %s", body)
	}
	srv.Desk().SetFault(psatest.Times(1, psatest.Fault{Status: 200, Body: `{"id":5,"inactiveFlag":"maybe"}`}, "callback"))
	_, err = c.CheckCallback(t.Context(), "5")
	require.ErrorIs(t, err, psa.ErrUnavailable)
	srv.Desk().SetFault(nil)
	_, err = c.CheckCallback(t.Context(), "99")
	require.ErrorIs(t, err, psa.ErrNotFound)
	_, err = c.CheckCallback(t.Context(), "x")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = c.CreateCallback(t.Context(), "ticket", "https://msp.example/cw")
	require.ErrorIs(t, err, mspkit.ErrInvalid, "the record's id would be glued to the path")
	srv.Desk().SetFault(psatest.Times(1, psatest.Fault{Lost: true}, "callback"))
	_, err = c.CreateCallback(t.Context(), "ticket", hook)
	require.ErrorIs(t, err, psa.ErrAmbiguousWrite)
}

func TestABodyThatBreaksOffIsRefused(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	r := call(t, srv, event)
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(b), errReader{}))
	_, err = c.VerifyWebhook(r)
	require.ErrorIs(t, err, psa.ErrWebhook)
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
