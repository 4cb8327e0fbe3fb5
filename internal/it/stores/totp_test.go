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
	"github.com/mspkit/mspkit/internal/race"
	mechanism "github.com/mspkit/mspkit/internal/totp"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/totp"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// factorStore is what TOTP needs of a store: both in one.
type factorStore interface {
	verify.Store
	verify.FactorStore
}

// totpDesk is one process on a store.
type totpDesk struct {
	app   *totp.Channel
	svc   *verify.Service
	enrol *totp.Enrolment
	teams *verifytest.Channel
	shift time.Duration // of its clock, which the test sets
}

func newTOTPDesk(t *testing.T, store factorStore, ring *mspkit.KeyRing, shift time.Duration) *totpDesk {
	t.Helper()
	d := &totpDesk{teams: &verifytest.Channel{Level: verify.AssuranceTeams}, shift: shift}
	now := func() time.Time { return time.Now().Add(d.shift) }
	var err error
	d.app, err = totp.New(store, ring, nil)
	require.NoError(t, err)
	d.svc, err = verify.New(store, ring, "https://help.example/verify", verify.Same(verify.Settings{
		Brand: mspkit.Brand{Name: "Contoso IT"}, Limits: verify.Limits{Cooldown: -1, PerDestination: -1, PerSubject: -1},
	}), &verify.Options{Channels: map[string]verify.Channel{"teams": d.teams, "app": d.app}, Now: now})
	require.NoError(t, err)
	d.enrol, err = totp.NewEnrolment(d.app, d.svc, &totp.EnrolmentOptions{Now: now})
	require.NoError(t, err)
	return d
}

var (
	totpKey  = regexp.MustCompile(`class="key"><bdi dir="ltr">([A-Z2-7 ]+)</bdi>`)
	totpCode = regexp.MustCompile(`<li><bdi dir="ltr">(\d{5}) (\d{5})</bdi></li>`)
)

// enrolled sets up the app of a contact and returns what the contact then has, and every secret that was on the way.
func (d *totpDesk) enrolled(t *testing.T, id string) (secret []byte, recovery []string, secrets map[string]string) {
	t.Helper()
	ctx := t.Context()
	subject := verify.Subject{ID: id, Name: "Dana Whitfield", Company: "Contoso Cheese", Destinations: []verify.Destination{
		{Channel: "teams", Address: "chat-of-dana-whitfield", FirstSeen: time.Now().AddDate(-1, 0, 0)},
	}}
	c, err := d.svc.Start(ctx, verify.StartRequest{Tenant: "contoso", Subject: subject, Action: verify.ActionEnrolTOTP, Technician: jane})
	require.NoError(t, err)
	_, err = d.svc.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
	require.NoError(t, err)
	c, err = d.svc.Get(ctx, c.Ref, jane.ID)
	require.NoError(t, err)
	p, err := d.enrol.Begin(ctx, totp.Request{Proof: c.Proof, By: "job", Subject: subject, Expect: verify.Expect{
		Tenant: "contoso", Subject: id, Action: verify.ActionEnrolTOTP, Technician: jane.ID,
	}})
	require.NoError(t, err)
	told := d.teams.Notices()
	link := told[len(told)-1].Link.Reveal()
	path := strings.TrimPrefix(link, "https://help.example/verify/totp")
	var cookies []*http.Cookie
	visit := func(method, path, body string) string {
		r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		d.enrol.ServeHTTP(w, r)
		cookies = append(cookies, w.Result().Cookies()...)
		return w.Body.String()
	}
	visit(http.MethodPost, path, url.Values{"number": {p.Number.Reveal()}}.Encode())
	key := totpKey.FindStringSubmatch(visit(http.MethodGet, path, ""))
	require.NotNil(t, key)
	secret, err = base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(key[1], " ", ""))
	require.NoError(t, err)
	visit(http.MethodPost, path+"/code", url.Values{"code": {mechanism.Code(secret, mechanism.Step(time.Now().Add(d.shift)))}}.Encode())
	for _, m := range totpCode.FindAllStringSubmatch(visit(http.MethodGet, path, ""), -1) {
		recovery = append(recovery, m[1]+m[2])
	}
	require.Len(t, recovery, mechanism.RecoveryCodes)
	return secret, recovery, map[string]string{
		"secret": string(secret), "key": key[1], "key in one": strings.ReplaceAll(key[1], " ", ""), "recovery code": recovery[0], "another recovery code": recovery[9],
		"session": cookies[0].Value, "link": link[strings.LastIndex(link, "/")+1:], "address": "chat-of-dana-whitfield", "name": "Dana Whitfield",
		"company": "Contoso Cheese", "technician's name": "Jane Doe", "field of the sealed factor": `"g":"`,
	}
}

// totpRace gives two instances on a store the same code at the same moment: one accepts it.
func totpRace(t *testing.T, open func() factorStore, _ func() string) {
	t.Helper()
	ring := newRing(t)
	desks := []*totpDesk{newTOTPDesk(t, open(), ring, 0), newTOTPDesk(t, open(), ring, 0)}
	secret, recovery, _ := desks[0].enrolled(t, "race")
	since, err := desks[1].app.Enrolled(t.Context(), "contoso", "race")
	require.NoError(t, err)
	at := time.Now()
	for round := range 5 {
		at = at.Add(mechanism.Period)
		for _, typed := range []string{mechanism.Code(secret, mechanism.Step(at)), recovery[round]} {
			var right atomic.Int32
			race.On(desks, func(d *totpDesk, _ int) {
				v, err := d.app.CheckAnswer(t.Context(), verify.Question{Tenant: "contoso", Subject: "race", Since: since, Response: mspkit.Redact(typed)}, at)
				if err != nil {
					t.Errorf("unexpected error: %v", err)
				}
				if v.Right {
					right.Add(1)
				}
			})
			require.EqualValues(t, 1, right.Load(), "round %d", round)
		}
	}
	s, err := desks[0].app.Status(t.Context(), "contoso", "race")
	require.NoError(t, err)
	require.Equal(t, mechanism.RecoveryCodes-5, s.Recovery)
}

// eachTOTPStore runs f on every store that keeps factors. dump returns all that is in it.
func eachTOTPStore(t *testing.T, f func(t *testing.T, open func() factorStore, dump func() string)) {
	t.Helper()
	eachVerifyDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		f(t, func() factorStore { return openVerify(t, d) }, func() string { return dump(t, d) })
	})
	t.Run("Redis", func(t *testing.T) {
		t.Parallel()
		k := redisKeys(t)
		f(t, func() factorStore { return k.open(t) }, func() string { return k.dump(t) })
	})
}

func TestTOTPRaceACodeIsAcceptedByOneOfTwoInstances(t *testing.T) {
	t.Parallel()
	eachTOTPStore(t, totpRace)
}

// The whole way on a database, on two instances whose clocks are a minute apart.
func TestTOTPVerifiesOnEveryStore(t *testing.T) {
	t.Parallel()
	eachTOTPStore(t, func(t *testing.T, open func() factorStore, _ func() string) {
		t.Helper()
		ring := newRing(t)
		one, two := newTOTPDesk(t, open(), ring, 0), newTOTPDesk(t, open(), ring, time.Minute)
		secret, recovery, _ := one.enrolled(t, "whole")
		one.shift, two.shift = 15*24*time.Hour, 15*24*time.Hour+time.Minute
		try := func(d *totpDesk, typed string) verify.State {
			c, err := d.svc.Start(t.Context(), verify.StartRequest{
				Tenant: "contoso", Subject: verify.Subject{ID: "whole", Name: "Dana"}, Action: verify.ActionIdentify, Technician: jane, Method: verify.MethodTOTP,
			})
			require.NoError(t, err)
			res, err := d.svc.Check(t.Context(), verify.CheckRequest{Tenant: "contoso", ID: c.Ref.ID, Response: typed, Technician: jane.ID, Method: verify.MethodTOTP})
			require.NoError(t, err)
			return res.State
		}
		fast := mechanism.Code(secret, mechanism.Step(time.Now().Add(two.shift)))
		require.Equal(t, verify.StateConfirmed, try(two, fast))
		require.Equal(t, verify.StateWrong, try(one, fast))
		require.Equal(t, verify.StateWrong, try(one, mechanism.Code(secret, mechanism.Step(time.Now().Add(one.shift)))), "its step is before the one that was accepted")
		require.Equal(t, verify.StateConfirmed, try(one, recovery[0]))
		require.Equal(t, verify.StateWrong, try(two, recovery[0]))
	})
}

// Guarantee 3, for factors.
func TestTOTPStoresNothingInClear(t *testing.T) {
	t.Parallel()
	eachTOTPStore(t, func(t *testing.T, open func() factorStore, dump func() string) {
		t.Helper()
		desk := newTOTPDesk(t, open(), newRing(t), 0)
		_, _, secrets := desk.enrolled(t, "subject-1")
		everything := dump()
		require.Contains(t, everything, "subject-1", "the dump misses what is there")
		require.Contains(t, everything, totp.Kind)
		for what, secret := range secrets {
			spellings := []string{secret, strings.ToUpper(secret), hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret))}
			if raw, err := base64.RawURLEncoding.DecodeString(secret); err == nil && len(raw) >= 32 {
				spellings = append(spellings, string(raw[:32]), hex.EncodeToString(raw[:32]), base64.RawURLEncoding.EncodeToString(raw[:32]))
			}
			for _, s := range spellings {
				require.NotContains(t, everything, s, "the %s is in the database", what)
			}
		}
	})
}
