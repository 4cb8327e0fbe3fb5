package teamsapp_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp"
)

// with sends an activity that nobody handles, with a token of the key named kid, and returns the status.
func (r *rig) with(tb testing.TB, kid string) int {
	tb.Helper()
	k := keyOne()
	if kid == "two" {
		k = keyTwo()
	}
	return post(r, "Bearer "+sign(tb, kid, k, r.claims()), r.base("typing", "1")).Code
}

func TestKeysAreFetchedWhenTheFirstTokenComes(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	require.Zero(t, r.ms.questions())
	for range 3 {
		require.Equal(t, 200, r.with(t, "one"))
	}
	require.Equal(t, 1, r.ms.questions())
}

func TestKeysAreFetchedAgainAfterADay(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	require.Equal(t, 200, r.with(t, "one"))
	r.ms.publish(jwk("two", keyTwo()))
	r.clock.move(teamsapp.KeysFresh - time.Second)
	require.Equal(t, 200, r.with(t, "one"))
	require.Equal(t, 1, r.ms.questions())
	r.clock.move(time.Second)
	require.Equal(t, 401, r.with(t, "one"), "a withdrawn key is good for more than a day")
	require.Equal(t, 2, r.ms.questions())
}

func TestAnUnknownKeyIsAskedForOnceInFiveMinutes(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	require.Equal(t, 200, r.with(t, "one"))
	r.ms.publish(jwk("one", keyOne()), jwk("two", keyTwo()))
	r.clock.move(teamsapp.KeysPause - time.Second)
	for range 5 {
		require.Equal(t, 401, r.with(t, "two"))
	}
	require.Equal(t, 1, r.ms.questions())
	r.clock.move(time.Second)
	require.Equal(t, 200, r.with(t, "two"))
	require.Equal(t, 200, r.with(t, "one"))
	require.Equal(t, 2, r.ms.questions())
}

func TestKnownKeysOutliveAnOutage(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	require.Equal(t, 200, r.with(t, "one"))
	r.ms.set(func() { r.ms.broken = true })
	r.clock.move(teamsapp.KeysGood - time.Second)
	require.Equal(t, 200, r.with(t, "one"))
	require.Equal(t, 200, r.with(t, "one"))
	require.Equal(t, 2, r.ms.questions(), "a server that fails is asked by every request")
	r.clock.move(time.Second)
	require.Equal(t, 503, r.with(t, "one"), "nobody knows whether the key is still good")
	r.ms.set(func() { r.ms.broken = false })
	r.clock.move(teamsapp.KeysRetry)
	require.Equal(t, 200, r.with(t, "one"))
}

func TestWithoutAnyKeysNothingIsJudged(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]func(m *microsoft){
		"no metadata":              func(m *microsoft) { m.broken = true },
		"keys of another host":     func(m *microsoft) { m.jwksURI = "https://login.evil.example/keys" },
		"keys of another port":     func(m *microsoft) { m.jwksURI = "http://127.0.0.1:1/v1/keys" },
		"keys by another scheme":   func(m *microsoft) { m.jwksURI = strings.Replace(m.URL, "http:", "https:", 1) + "/v1/keys" },
		"keys behind a user name":  func(m *microsoft) { m.jwksURI = strings.Replace(m.URL, "://", "://user:word@", 1) + "/v1/keys" },
		"keys without an address":  func(m *microsoft) { m.jwksURI = "/v1/keys" },
		"no keys":                  func(m *microsoft) { m.keys = nil },
		"a key that is too short":  func(m *microsoft) { m.keys = []map[string]any{jwk("one", keyShort())} },
		"a key for encryption":     func(m *microsoft) { m.keys[0]["use"] = "enc" },
		"a key for another method": func(m *microsoft) { m.keys[0]["alg"] = "PS256" },
		"a key that is no RSA key": func(m *microsoft) { m.keys[0]["kty"] = "oct"; m.keys[0]["k"] = "c2VjcmV0" },
		"a key without a name":     func(m *microsoft) { delete(m.keys[0], "kid") },
		"a key of nothing":         func(m *microsoft) { delete(m.keys[0], "n") },
		"endorsements of numbers":  func(m *microsoft) { m.keys[0]["endorsements"] = []int{1} },
		"a key that is too long": func(m *microsoft) {
			m.keys[0]["n"] = base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 1025))
		},
		"too many keys":             func(m *microsoft) { m.keys = slices.Repeat(m.keys, 65) },
		"an answer without an end":  func(m *microsoft) { m.keys[0]["x"] = strings.Repeat("x", 1<<20) },
		"the set is under a prefix": func(m *microsoft) { m.jwksURI = m.URL + "/nowhere/keys" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.ms.set(func() { broken(r.ms) })
			require.Equal(t, 503, r.with(t, "one"))
			asked := r.ms.questions()
			require.Equal(t, 503, r.with(t, "one"))
			require.Equal(t, asked, r.ms.questions(), "a server that fails is asked by every request")
		})
	}
}

func TestGoodKeysOfAnotherOriginAreNotBelieved(t *testing.T) {
	t.Parallel()
	r, other := newRig(t, nil), newMicrosoft(t)
	r.ms.set(func() { r.ms.jwksURI = other.URL + "/v1/keys" }) // the very same keys, on another port
	require.Equal(t, 503, r.with(t, "one"))
}

func TestGoodKeysAreTakenFromAmongBadOnes(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	odd := jwk("odd", keyTwo())
	odd["n"] = "!!"
	certified := jwk("one", keyOne(), "msteams")
	certified["x5c"], certified["x5t"] = []string{"no certificate"}, "no thumbprint"
	again := jwk("one", keyTwo(), "msteams") // a name that is taken
	r.ms.publish(odd, jwk("short", keyShort()), certified, map[string]any{"kty": "EC", "kid": "ec"}, again)
	require.Equal(t, 200, r.with(t, "one"))
}

func TestOneQuestionGoesOutForAllWhoWait(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	block := make(chan struct{})
	r.ms.set(func() { r.ms.block = block })
	header := "Bearer " + sign(t, "one", keyOne(), r.claims())

	// Somebody who hangs up is let go at once, and takes the question from nobody.
	ctx, cancel := context.WithCancel(t.Context())
	raw, err := json.Marshal(r.base("typing", "1"))
	require.NoError(t, err)
	req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(raw))).WithContext(ctx)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", header)
	gone := make(chan int)
	go func() {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		gone <- w.Code
	}()
	require.Eventually(t, func() bool { return r.ms.questions() == 1 }, 5*time.Second, time.Millisecond)
	cancel()
	require.Equal(t, 503, <-gone)

	var wg sync.WaitGroup
	codes := make([]int, 8)
	for i := range codes {
		wg.Go(func() { codes[i] = post(r, header, raw).Code })
	}
	close(block)
	wg.Wait()
	for _, code := range codes {
		require.Equal(t, 200, code)
	}
	require.Equal(t, 1, r.ms.questions())
}
