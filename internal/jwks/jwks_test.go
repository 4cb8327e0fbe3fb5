package jwks

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
)

var key = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func published(id string) map[string]any {
	k := key().PublicKey
	return map[string]any{"kty": "RSA", "use": "sig", "kid": id, "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())}
}

// service publishes keys.
type service struct {
	*httptest.Server

	mu     sync.Mutex
	keys   []map[string]any
	broken bool
	asked  int
	now    time.Time
}

func newService(t *testing.T, keys ...map[string]any) (*service, *Set) {
	t.Helper()
	s := &service{keys: keys, now: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case s.broken:
			http.Error(w, "no", http.StatusNotFound)
		case strings.HasSuffix(r.URL.Path, "/keys"):
			_ = json.NewEncoder(w).Encode(map[string]any{"keys": s.keys})
		default:
			s.asked++
			_ = json.NewEncoder(w).Encode(map[string]any{"jwks_uri": s.URL + "/prefix/keys"})
		}
	}))
	t.Cleanup(s.Close)
	set, err := New(s.URL+"/prefix/metadata", &Options{Now: func() time.Time {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.now
	}})
	require.NoError(t, err)
	return s, set
}

func (s *service) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func find(t *testing.T, set *Set, id string) bool {
	t.Helper()
	k, ok, err := set.Find(t.Context(), id)
	require.NoError(t, err)
	if ok {
		require.True(t, key().PublicKey.Equal(k.Public))
	}
	return ok
}

func TestKeysAreFoundAndRotate(t *testing.T) {
	t.Parallel()
	s, set := newService(t, published("one"))
	require.True(t, find(t, set, "one"))
	require.False(t, find(t, set, "two"))
	require.False(t, find(t, set, ""))
	require.False(t, find(t, set, strings.Repeat("x", maxKeyID+1)))
	require.Equal(t, 1, s.asked)
	s.set(func() { s.keys, s.now = append(s.keys, published("two")), s.now.Add(Pause) })
	require.True(t, find(t, set, "two"))
	s.set(func() { s.keys, s.now = s.keys[1:], s.now.Add(Fresh) })
	require.False(t, find(t, set, "one"))
	require.True(t, find(t, set, "two"))
}

func TestKnownKeysOutliveAnOutage(t *testing.T) {
	t.Parallel()
	s, set := newService(t, published("one"))
	require.True(t, find(t, set, "one"))
	s.set(func() { s.broken, s.now = true, s.now.Add(Good-time.Second) })
	require.True(t, find(t, set, "one"))
	s.set(func() { s.now = s.now.Add(time.Second) })
	_, _, err := set.Find(t.Context(), "one")
	require.ErrorIs(t, err, ErrUnknown)
	s.set(func() { s.broken, s.now = false, s.now.Add(Retry) })
	require.True(t, find(t, set, "one"))
}

func TestKeysThatAreNone(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(m map[string]any){
		"no modulus":             func(m map[string]any) { delete(m, "n") },
		"no base64":              func(m map[string]any) { m["n"] = "*" },
		"a modulus with padding": func(m map[string]any) { m["n"] = m["n"].(string) + "==" },
		"too short a modulus":    func(m map[string]any) { m["n"] = b64(make([]byte, 256)) },
		"too long a modulus":     func(m map[string]any) { m["n"] = b64([]byte(strings.Repeat("\xff", 1025))) },
		"a huge modulus":         func(m map[string]any) { m["n"] = strings.Repeat("v", 1<<16) },
		"no exponent":            func(m map[string]any) { m["e"] = "" },
		"exponent 1":             func(m map[string]any) { m["e"] = b64([]byte{1}) },
		"an even exponent":       func(m map[string]any) { m["e"] = b64([]byte{4}) },
		"a long exponent":        func(m map[string]any) { m["e"] = b64([]byte{1, 0, 0, 0, 1}) },
		"a large exponent":       func(m map[string]any) { m["e"] = b64([]byte{0xff, 0xff, 0xff, 0xff}) },
		"for encryption":         func(m map[string]any) { m["use"] = "enc" },
		"for another method":     func(m map[string]any) { m["alg"] = "RS512" },
		"of another type":        func(m map[string]any) { m["kty"] = "EC" },
		"without a name":         func(m map[string]any) { m["kid"] = "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := published("bad")
			change(bad)
			_, set := newService(t, bad)
			_, _, err := set.Find(t.Context(), "bad")
			require.ErrorIs(t, err, ErrUnknown)
			_, set = newService(t, bad, published("good"))
			require.False(t, find(t, set, "bad"))
			require.True(t, find(t, set, "good"))
		})
	}
}

func TestWhoeverHangsUpIsLetGo(t *testing.T) {
	t.Parallel()
	_, set := newService(t, published("one"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := set.Find(ctx, "one")
	if err != nil { // the answer may have been quicker
		require.ErrorIs(t, err, context.Canceled)
	}
	require.Eventually(t, func() bool { return find(t, set, "one") }, 5*time.Second, time.Millisecond)
}

func TestKeysAtAKnownAddressNeedNoMetadata(t *testing.T) {
	t.Parallel()
	k := published("one")
	k["issuer"] = "https://login.example/{tenantid}/v2.0"
	s, _ := newService(t, k)
	const good = 3 * 24 * time.Hour
	set, err := NewAt(s.URL+"/keys", &Options{Good: good, Now: func() time.Time {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.now
	}})
	require.NoError(t, err)
	got, ok, err := set.Find(t.Context(), "one")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, k["issuer"], got.Issuer)
	require.Zero(t, s.asked)
	s.set(func() { s.broken, s.now = true, s.now.Add(good-time.Second) })
	require.True(t, find(t, set, "one"))
	s.set(func() { s.now = s.now.Add(time.Second) })
	_, _, err = set.Find(t.Context(), "one")
	require.ErrorIs(t, err, ErrUnknown)
}

func TestNewNeedsAProperURL(t *testing.T) {
	t.Parallel()
	for _, u := range []string{"", "login.example", "http://login.example/metadata", "https://a:b@login.example", "https://login.example/?x=y"} {
		_, err := New(u, nil)
		require.ErrorIs(t, err, mspkit.ErrInvalid, u)
		_, err = NewAt(u, nil)
		require.ErrorIs(t, err, mspkit.ErrInvalid, u)
	}
}

func FuzzKeys(f *testing.F) {
	raw, err := json.Marshal(map[string]any{"keys": []map[string]any{published("one")}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"x","n":"AQ","e":"AQAB"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		keys, err := parseKeys(raw)
		if err == nil && len(keys) == 0 {
			t.Fatal("no keys and no error")
		}
		for id, k := range keys {
			if id == "" || k.Public.N.BitLen() < minKeyBits || k.Public.E < 3 {
				t.Fatalf("%q is no key", id)
			}
		}
	})
}
