package stores_test

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/mfa"
	"github.com/mspkit/mspkit/entra/mfa/mfatest"
	mfasql "github.com/mspkit/mspkit/entra/mfa/sqlstore"
	"github.com/mspkit/mspkit/internal/race"
	mechanism "github.com/mspkit/mspkit/internal/totp"
)

// openMFA opens two instances with pools of their own on the table of d, as two processes have.
func openMFA(t *testing.T, d database) (first, second mfa.Store) {
	t.Helper()
	o := &mfasql.Options{Schema: d.schema}
	require.NoError(t, mfasql.Migrate(t.Context(), d.open(t), d.dialect, o))
	require.NoError(t, mfasql.Migrate(t.Context(), d.open(t), d.dialect, o), "again")
	stores := make([]*mfasql.Store, 2)
	for i := range stores {
		db := d.open(t)
		db.SetMaxOpenConns(5)
		var err error
		stores[i], err = mfasql.New(db, d.dialect, o)
		require.NoError(t, err)
	}
	return stores[0], stores[1]
}

func TestMFAStoreOnSQLite(t *testing.T) {
	t.Parallel()
	mfatest.TestStore(t, func(t *testing.T) (first, second mfa.Store) {
		t.Helper()
		return openMFA(t, sqliteFile(t))
	})
}

func TestMFAStoreOnPostgres(t *testing.T) {
	t.Parallel()
	mfatest.TestStore(t, func(t *testing.T) (first, second mfa.Store) {
		t.Helper()
		return openMFA(t, postgresSchema(t))
	})
}

func TestMFAStoreNeedsItsTable(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		_, err := mfasql.New(d.open(t), d.dialect, &mfasql.Options{Schema: d.schema})
		require.ErrorIs(t, err, mfasql.ErrOutdated)
		openMFA(t, d)
	})
}

// mfaDesk is one process on a store, whose clock a test sets.
type mfaDesk struct {
	pages  http.Handler
	now    *atomic.Int64 // Unix seconds
	passed atomic.Int32
}

func newMFADesk(t *testing.T, store mfa.Store, ring *mspkit.KeyRing, now *atomic.Int64) *mfaDesk {
	t.Helper()
	d := &mfaDesk{now: now}
	svc, err := mfa.New(store, ring, &mfa.Options{
		RPID: "msp.example", Origins: []string{"https://desk.msp.example"}, Now: d.clock,
		Passed: func(http.ResponseWriter, *http.Request) error { d.passed.Add(1); return nil },
	})
	require.NoError(t, err)
	d.pages, err = svc.Handler("/mfa")
	require.NoError(t, err)
	return d
}

func (d *mfaDesk) clock() time.Time { return time.Unix(d.now.Load(), 0) }

// visit asks for a page as Dana, who has just signed in.
func (d *mfaDesk) visit(t *testing.T, method, path string, cookies []*http.Cookie, pairs ...string) *httptest.ResponseRecorder {
	t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequestWithContext(t.Context(), method, "https://desk.msp.example"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	u := &entra.User{Owner: "north", ID: "dana-whitfield", Name: "Dana Whitfield", MFA: true, Session: "session-of-dana", AuthTime: d.clock()}
	w := httptest.NewRecorder()
	d.pages.ServeHTTP(w, r.WithContext(entra.WithUser(r.Context(), u)))
	return w
}

var (
	mfaKey  = regexp.MustCompile(`class="key"><bdi dir="ltr">([A-Z2-7 ]+)</bdi>`)
	mfaCode = regexp.MustCompile(`<li><bdi dir="ltr">(\d{5}) (\d{5})</bdi></li>`)
)

// enrolled sets up an app and returns its secret and the recovery codes.
func (d *mfaDesk) enrolled(t *testing.T) (secret []byte, recovery []string) {
	t.Helper()
	d.visit(t, http.MethodPost, "/mfa/app", nil)
	key := mfaKey.FindStringSubmatch(d.visit(t, http.MethodGet, "/mfa/app", nil).Body.String())
	require.NotNil(t, key)
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(key[1], " ", ""))
	require.NoError(t, err)
	w := d.visit(t, http.MethodPost, "/mfa/app/code", nil, "code", mechanism.Code(secret, mechanism.Step(d.clock())))
	for _, m := range mfaCode.FindAllStringSubmatch(d.visit(t, http.MethodGet, "/mfa/codes", w.Result().Cookies()).Body.String(), -1) {
		recovery = append(recovery, m[1]+m[2])
	}
	require.Len(t, recovery, mechanism.RecoveryCodes)
	d.passed.Store(0)
	return secret, recovery
}

// Two processes, 64 browsers, one code: one is let in.
func TestMFARaceACodeIsAcceptedByOneOfTwoInstances(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		first, second := openMFA(t, d)
		ring, now := newRing(t), &atomic.Int64{}
		now.Store(1795770005)
		desks := []*mfaDesk{newMFADesk(t, first, ring, now), newMFADesk(t, second, ring, now)}
		secret, recovery := desks[0].enrolled(t)
		for round := range 2 {
			for _, path := range []string{"/mfa/challenge", "/mfa/recovery"} {
				now.Add(7200) // whatever was locked is open again
				code := recovery[round]
				if path == "/mfa/challenge" {
					code = mechanism.Code(secret, mechanism.Step(desks[0].clock()))
				}
				race.On(desks, func(d *mfaDesk, _ int) {
					if w := d.visit(t, http.MethodPost, path, nil, "code", code); w.Code != http.StatusSeeOther {
						t.Errorf("the status is %d", w.Code)
					}
				})
				require.EqualValues(t, 1, desks[0].passed.Swap(0)+desks[1].passed.Swap(0), "%s in round %d", path, round)
			}
		}
	})
}

func TestMFAStoresNothingInClear(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		first, _ := openMFA(t, d)
		now := &atomic.Int64{}
		now.Store(1795770005)
		secret, recovery := newMFADesk(t, first, newRing(t), now).enrolled(t)
		prefix := ""
		if d.schema != "" {
			prefix = d.schema + "."
		}
		everything := dumpTable(t, d.open(t), prefix+"mspkit_mfa_factors")
		require.Contains(t, everything, "dana-whitfield", "the dump misses what is there")
		for _, s := range []string{
			string(secret), hex.EncodeToString(secret), base64.StdEncoding.EncodeToString(secret), recovery[0], recovery[9], "session-of-dana", "Dana Whitfield",
		} {
			require.NotContains(t, everything, s)
		}
	})
}
