package mfa_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/mfa"
	"github.com/mspkit/mspkit/entra/mfa/mfatest"
	"github.com/mspkit/mspkit/internal/totp"
)

// faults misbehave in both ceremonies; each is refused with a reason of its own.
var faults = map[string]struct {
	set    func(*mfatest.Authenticator)
	reason string
}{
	"another origin":       {func(a *mfatest.Authenticator) { a.Origin = "https://desk.msp.example.evil.test" }, mfa.ReasonOrigin},
	"a subdomain":          {func(a *mfatest.Authenticator) { a.Origin = "https://evil.msp.example" }, mfa.ReasonOrigin},
	"plain http":           {func(a *mfatest.Authenticator) { a.Origin = "http://desk.msp.example" }, mfa.ReasonOrigin},
	"another port":         {func(a *mfatest.Authenticator) { a.Origin = "https://desk.msp.example:8443" }, mfa.ReasonOrigin},
	"no origin":            {func(a *mfatest.Authenticator) { a.Origin = "" }, mfa.ReasonOrigin},
	"a frame elsewhere":    {func(a *mfatest.Authenticator) { a.CrossOrigin = true }, mfa.ReasonOrigin},
	"another domain":       {func(a *mfatest.Authenticator) { a.RPID = "evil.example" }, mfa.ReasonRPID},
	"no user verification": {func(a *mfatest.Authenticator) { a.Unverified = true }, mfa.ReasonVerification},
	"nobody there":         {func(a *mfatest.Authenticator) { a.Absent = true }, mfa.ReasonVerification},
	"another challenge":    {func(a *mfatest.Authenticator) { a.Challenge = strings.Repeat("A", 43) }, mfa.ReasonChallenge},
	"another ceremony":     {func(a *mfatest.Authenticator) { a.Type = "payment.get" }, mfa.ReasonChallenge},
}

func TestARegistrationThatIsNotRightIsRefused(t *testing.T) {
	t.Parallel()
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, a := newWorld(t), device()
			c := w.instance().client(w.dana())
			f.set(a)
			require.Equal(t, "Add a passkey", c.enrolKey(a, ""))
			require.Contains(t, c.body, `role="alert"`)
			require.Equal(t, []string{"factor-refused:" + f.reason}, w.told())
			require.Empty(t, c.status().Factors)
			require.True(t, c.user.Factor.IsZero())
		})
	}
}

func TestAnAssertionThatIsNotRightIsRefused(t *testing.T) {
	t.Parallel()
	more := map[string]struct {
		set    func(*mfatest.Authenticator)
		reason string
	}{
		"a tampered signature":     {func(a *mfatest.Authenticator) { a.Tampered = true }, mfa.ReasonSignature},
		"another user handle":      {func(a *mfatest.Authenticator) { a.Handle = []byte("somebody else") }, mfa.ReasonPasskey},
		"a counter that stands":    {func(a *mfatest.Authenticator) { a.Counting = false }, mfa.ReasonCounter},
		"a counter that falls":     {func(a *mfatest.Authenticator) { a.Back = 2 }, mfa.ReasonCounter},
		"a counter that is zero":   {func(a *mfatest.Authenticator) { a.Back = 99 }, mfa.ReasonCounter},
		"flags of another passkey": {func(a *mfatest.Authenticator) { a.Synced = true }, mfa.ReasonSignature},
	}
	maps.Copy(more, faults)
	for name, f := range more {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, a := newWorld(t), device()
			c := w.instance().client(w.dana())
			c.enrolKey(a, "")
			for range 3 {
				require.Equal(t, "at /desk", c.signKey(a))
			}
			before := c.status()
			w.pass(time.Minute)
			c.user.Factor = time.Time{}
			w.told()
			f.set(a)
			require.Equal(t, "One more step", c.signKey(a))
			require.Contains(t, c.body, `role="alert"`)
			require.Equal(t, []string{"factor-refused:" + f.reason}, w.told())
			require.True(t, c.user.Factor.IsZero())
			require.Equal(t, before, c.status(), "nothing of the passkey has changed")
		})
	}
}

// signed returns a page and the answer to it.
func signed(c *client, a *mfatest.Authenticator) (challenge, answer string) {
	c.Helper()
	p := c.page("/mfa/challenge")
	answer, err := a.Get(p.Options)
	require.NoError(c, err)
	return p.Challenge, answer
}

func TestAChallengeIsGoodForOneAnswerOfOneSession(t *testing.T) {
	t.Parallel()
	w, a := newWorld(t), device()
	i := w.instance()
	c := i.client(w.dana())
	c.enrolKey(a, "")
	w.told()

	use := func(c *client, challenge, answer string) string {
		t.Helper()
		c.post("/mfa/challenge/passkey", "challenge", challenge, "answer", answer).follow()
		told := w.told()
		require.Len(t, told, 1)
		return told[0]
	}
	challenge, answer := signed(c, a)
	require.Equal(t, "factor-used:passkey", use(c, challenge, answer))
	require.Equal(t, "factor-refused:replayed", use(c, challenge, answer))
	c.instance = w.instance()
	require.Equal(t, "factor-refused:replayed", use(c, challenge, answer), "nor on another instance")

	// A wrong answer uses it up as well.
	challenge, answer = signed(c, a)
	a.Origin = "https://evil.example"
	wrong, err := a.Get(c.page("/mfa/challenge").Options)
	require.NoError(t, err)
	a.Origin = origin
	require.Equal(t, "factor-refused:challenge", use(c, challenge, wrong))
	require.Equal(t, "factor-refused:replayed", use(c, challenge, answer))

	// Another session, person or owner, with the same passkey.
	challenge, answer = signed(c, a)
	for name, change := range map[string]func(*client){
		"another session": func(c *client) { c.user.Session = "s2" },
		"another person":  func(c *client) { c.user.ID = "lee" },
		"another owner":   func(c *client) { c.user.Owner = "south" },
	} {
		other := i.client(w.dana())
		change(other)
		require.Equal(t, "factor-refused:challenge", use(other, challenge, answer), name)
	}

	// Too late, made up, and that of the other ceremony.
	late := i.client(w.dana())
	p := late.page("/mfa/challenge")
	late.user.Factor = w.now()
	create := late.page("/mfa/passkey")
	require.Equal(t, "factor-refused:challenge", use(c, create.Challenge, answer))
	require.Equal(t, "factor-refused:challenge", use(c, "", answer))
	require.Equal(t, "factor-refused:challenge", use(c, "AAAA", answer))
	require.Equal(t, "factor-refused:challenge", use(c, p.Challenge[:len(p.Challenge)-1]+"!", answer))
	require.Equal(t, "factor-refused:challenge", use(c, strings.Repeat("A", 30<<10), answer))
	w.pass(10 * time.Minute)
	require.Equal(t, "factor-refused:expired", use(c, challenge, answer))

	// What was begun before a change of factors.
	challenge, answer = signed(c, a)
	c.user.Factor = w.now()
	c.enrolKey(device(), "")
	w.told()
	require.Equal(t, "factor-refused:challenge", use(c, challenge, answer))
}

// A passkey counts only for who enrolled it, whatever is answered.
func TestThePasskeyOfAnotherPersonIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.instance()
	lees := device()
	lee := i.client(w.dana())
	lee.user.ID = "lee"
	lee.enrolKey(lees, "")
	south := device()
	other := i.client(w.dana())
	other.user.Owner = "south"
	other.enrolKey(south, "")

	c := i.client(w.dana())
	c.enrolKey(device(), "")
	for name, a := range map[string]*mfatest.Authenticator{"another person": lees, "another owner": south} {
		w.told()
		a.Foreign = true
		for _, handle := range [][]byte{nil, {}} { // its own, and none
			a.Handle = handle
			require.Equal(t, "One more step", c.signKey(a), name)
			require.Equal(t, []string{"factor-refused:unknown-passkey"}, w.told(), name)
		}
	}
}

func TestWhatWasBegunBeforeTheFirstFactorDoesNotAddASecond(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.instance()
	thief := i.client(w.dana()) // with the password, in another browser
	thief.user.Session = "thief"
	a := device()
	p := thief.page("/mfa/passkey")
	answer, err := a.Create(p.Options)
	require.NoError(t, err)
	thief.post("/mfa/app").follow()
	secret := thief.secret()

	c := i.client(w.dana())
	c.enrolKey(device(), "")
	w.told()
	thief.post("/mfa/passkey", "challenge", p.Challenge, "answer", answer).follow()
	require.Equal(t, "One more step", thief.heading())
	thief.post("/mfa/app/code", "code", w.codeOf(secret)).follow()
	require.Equal(t, "One more step", thief.heading())
	require.Equal(t, []string{"factor-refused:challenge", "factor-refused:expired"}, w.told())
	require.Len(t, c.status().Factors, 1)

	// Nor does a session see what another one sets up.
	c.post("/mfa/app").follow()
	thief.user.Factor = w.now()
	thief.get("/mfa/app").follow()
	require.Equal(t, "Your second step", thief.heading())
}

func TestGuessingLocksForAWhileThatGrows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.instance().client(w.dana())
	secret := c.enrolApp()
	codes := c.recoveryCodes()
	a := device()
	c.enrolKey(a, "")
	w.pass(time.Hour)
	w.told()
	c.user.Factor = time.Time{}
	guess := func(target, code string) string {
		t.Helper()
		c.post(target, "code", code).follow()
		told := w.told()
		require.Len(t, told, 1)
		return told[0]
	}
	wrong := func() string {
		for n := range 1000000 {
			code := string([]byte{byte('0' + n%10), '1', '2', '3', '4', '5'})
			if _, ok := totp.Match(secret, code, w.now(), totp.MaxSkew); !ok {
				return code
			}
		}
		return ""
	}
	// Wrong codes of the app and wrong recovery codes are counted together.
	for range 3 {
		require.Equal(t, "factor-refused:wrong-code", guess("/mfa/challenge", wrong()))
	}
	require.Equal(t, "factor-refused:wrong-code", guess("/mfa/recovery", "0000000000"))
	require.Equal(t, "factor-refused:wrong-code", guess("/mfa/challenge", wrong()))
	for _, minutes := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
		pause := time.Duration(minutes) * time.Minute
		require.Equal(t, "factor-refused:locked", guess("/mfa/challenge", w.codeOf(secret)), "the right one is not compared")
		require.Contains(t, c.body, "Too many wrong tries")
		require.Equal(t, "factor-refused:locked", guess("/mfa/recovery", codes[0]))
		require.Contains(t, c.body, "Too many wrong tries")
		require.Equal(t, w.now().Add(pause), c.status().LockedUntil)
		w.pass(pause - time.Second)
		require.Equal(t, "factor-refused:locked", guess("/mfa/challenge", w.codeOf(secret)))
		w.pass(time.Second)
		require.Equal(t, "factor-refused:wrong-code", guess("/mfa/challenge", wrong()))
	}
	require.True(t, c.user.Factor.IsZero())
	require.Equal(t, "at /desk", c.signKey(a), "passkeys are not locked")
	w.pass(time.Hour)
	w.told()
	require.Equal(t, "factor-used:totp", guess("/mfa/challenge", w.codeOf(secret)))
	w.pass(time.Minute)
	for range 4 { // the right one has ended the count
		require.Equal(t, "factor-refused:wrong-code", guess("/mfa/challenge", wrong()))
	}
	require.Equal(t, "factor-used:totp", guess("/mfa/challenge", w.codeOf(secret)))
}

// Whoever knows the password has a session without a factor, and may answer as often as they like.
func TestWrongAnswersLockNoPasskey(t *testing.T) {
	t.Parallel()
	w, a := newWorld(t), device()
	i := w.instance(func(o *mfa.Options) { o.MaxTries = 2 })
	c := i.client(w.dana())
	secret := c.enrolApp()
	c.enrolKey(a, "")
	challenge, answer := signed(c, a)
	require.Equal(t, "at /desk", c.post("/mfa/challenge/passkey", "challenge", challenge, "answer", answer).follow())
	w.told()
	thief := i.client(w.dana())
	thief.user.Session = "thief"
	fake := device()
	fake.Tampered = true
	p := c.page("/mfa/passkey")
	made, err := fake.Create(p.Options)
	require.NoError(t, err)
	require.NotEmpty(t, made)
	size := func() int {
		record, _, err := w.store.Get(t.Context(), c.user.Owner, c.user.ID)
		require.NoError(t, err)
		return len(record)
	}
	full := 0
	for n := range 100 {
		fake.Foreign = true
		thief.signKey(fake)
		require.True(t, thief.user.Factor.IsZero())
		if n == 79 {
			full = size()
		}
	}
	require.InDelta(t, full, size(), 100, "a record that grows without end cannot be stored in the end")
	for _, e := range w.told() {
		require.Equal(t, "factor-refused:unknown-passkey", e)
	}
	c.post("/mfa/challenge/passkey", "challenge", challenge, "answer", answer).follow()
	require.Equal(t, []string{"factor-refused:replayed"}, w.told(), "the right answer is not forgotten")
	c.user.Factor = time.Time{}
	require.Equal(t, "at /desk", c.signKey(a))
	w.pass(time.Minute)
	require.Equal(t, "at /desk", c.post("/mfa/challenge", "code", w.codeOf(secret)).follow())
}

func TestWrongFirstCodesEndAnEnrolment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.instance().client(w.dana())
	c.post("/mfa/app").follow()
	secret := c.secret()
	for _, left := range []string{"You have 4 tries.", "You have 3 tries.", "You have 2 tries.", "You have one try left."} {
		c.post("/mfa/app/code", "code", "00000 0").follow()
		require.Contains(t, c.body, left)
		require.Contains(t, c.body, "That is not the code of this moment")
	}
	c.post("/mfa/app/code", "code", "000000").follow()
	require.Contains(t, c.body, "Begin again")
	require.Equal(t, "Add a second step to your sign-in", c.post("/mfa/app/code", "code", w.codeOf(secret)).follow())
	require.Empty(t, c.status().Factors)
	w.told()
	c.post("/mfa/app").follow()
	require.NotEqual(t, secret, c.secret())
	secret = c.secret()
	w.pass(10 * time.Minute)
	c.post("/mfa/app/code", "code", w.codeOf(secret)).follow()
	require.Equal(t, []string{"factor-refused:expired"}, w.told())
	require.Empty(t, c.status().Factors)
}

// What cannot be a code is not tried, and what cannot be an answer uses nothing up.
func TestBadInputIsRefusedAndCountsNothing(t *testing.T) {
	t.Parallel()
	w, a := newWorld(t), device()
	c := w.instance().client(w.dana())
	secret := c.enrolApp()
	c.enrolKey(a, "")
	w.pass(time.Minute)
	w.told()
	for range 3 {
		for text, want := range map[string]string{
			"": "Type the code", "-": "Type the code", "12345": "six digits and nothing else", "1234567": "six digits and nothing else", "12345a": "six digits and nothing else",
			"0123456789": "six digits and nothing else", strings.Repeat("1", 300): "six digits and nothing else", "\xff\xfe": "six digits and nothing else",
		} {
			c.post("/mfa/challenge", "code", text).follow()
			require.Contains(t, c.body, want, "%q", text)
		}
		for text, want := range map[string]string{"": "Type a recovery code", "123456": "ten digits and nothing else", "012345678x": "ten digits and nothing else"} {
			c.post("/mfa/recovery", "code", text).follow()
			require.Contains(t, c.body, want, "%q", text)
		}
	}
	require.Empty(t, w.told())
	arabic := strings.Map(func(r rune) rune { return r - '0' + '\u0660' }, w.codeOf(secret))
	require.Equal(t, "at /desk", c.post("/mfa/challenge", "code", arabic).follow(), "digits of any script")
	w.told()

	challenge, answer := signed(c, a)
	valid := map[string]any{}
	require.NoError(t, json.Unmarshal([]byte(answer), &valid))
	bad := []string{"", "null", "{}", "[]", `"x"`, `{"id":1}`, answer[:len(answer)/2], strings.Repeat("[", 10000), strings.Repeat("a", 40<<10)}
	for _, key := range []string{"id", "rawId", "type", "response"} {
		one := maps.Clone(valid)
		delete(one, key)
		raw, err := json.Marshal(one)
		require.NoError(t, err)
		bad = append(bad, string(raw))
	}
	bad = append(bad, strings.Replace(answer, `"authenticatorData":"`, `"authenticatorData":"AAAA`, 1)[:len(answer)-40]+`"}}`)
	for _, text := range bad {
		c.post("/mfa/challenge/passkey", "challenge", challenge, "answer", text).follow()
		require.Equal(t, []string{"factor-refused:malformed"}, w.told(), "%.100q", text)
		p := c.page("/mfa/passkey")
		c.post("/mfa/passkey", "challenge", p.Challenge, "answer", text).follow()
		require.Equal(t, []string{"factor-refused:malformed"}, w.told(), "%.100q", text)
	}
	require.Equal(t, "at /desk", c.post("/mfa/challenge/passkey", "challenge", challenge, "answer", answer).follow())
	c.post("/mfa/challenge/passkey", "challenge", challenge, "answer", strings.Repeat("a", 400<<10))
	require.Equal(t, http.StatusRequestEntityTooLarge, c.code)
	w.told()

	// An answer of the wrong ceremony.
	p := c.page("/mfa/passkey")
	_, asserted := signed(c, a)
	c.post("/mfa/passkey", "challenge", p.Challenge, "answer", asserted).follow()
	require.Equal(t, []string{"factor-refused:malformed"}, w.told())
}

// A key that is no point of the curve, and the same passkey twice, do not get in.
func TestARegistrationIsJudged(t *testing.T) {
	t.Parallel()
	w, a := newWorld(t), device()
	c := w.instance().client(w.dana())
	a.Tampered = true
	c.enrolKey(a, "")
	told := w.told()
	require.Len(t, told, 1)
	require.True(t, strings.HasPrefix(told[0], "factor-refused:"), told[0])
	require.Empty(t, c.status().Factors)

	a = device()
	p := c.page("/mfa/passkey")
	answer, err := a.Create(p.Options)
	require.NoError(t, err)
	c.post("/mfa/passkey", "challenge", p.Challenge, "answer", answer)
	w.told()
	// The same credential for a new challenge: attestation none signs nothing, so the client data can be written anew.
	p = c.page("/mfa/passkey")
	var o struct{ Challenge string }
	require.NoError(t, json.Unmarshal([]byte(p.Options), &o))
	var made map[string]any
	require.NoError(t, json.Unmarshal([]byte(answer), &made))
	made["response"].(map[string]any)["clientDataJSON"] = base64.RawURLEncoding.EncodeToString([]byte(`{"type":"webauthn.create","challenge":"` + o.Challenge + `","origin":"` + origin + `"}`))
	again, err := json.Marshal(made)
	require.NoError(t, err)
	c.post("/mfa/passkey", "challenge", p.Challenge, "answer", string(again)).follow()
	require.Equal(t, []string{"factor-refused:known-passkey"}, w.told())
	require.Contains(t, c.body, "is there already")
	require.Len(t, c.status().Factors, 1)

	for range mfa.MaxPasskeys - 1 {
		c.enrolKey(device(), "")
	}
	w.told()
	require.Equal(t, "Your second step", c.get("/mfa/passkey").follow())
	require.Contains(t, c.body, "as many passkeys as you can have")
	require.Len(t, c.status().Factors, mfa.MaxPasskeys)
}

// A record of one person is worth nothing in the place of another.
func TestARecordIsOfOnePerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.instance()
	c := i.client(w.dana())
	secret := c.enrolApp()
	record, _, err := w.store.Get(t.Context(), "north", "dana")
	require.NoError(t, err)
	require.NotContains(t, string(record), string(secret))
	require.NoError(t, w.store.Swap(t.Context(), "north", "lee", record, 0, w.now()))
	require.NoError(t, w.store.Swap(t.Context(), "south", "dana", record, 0, w.now()))
	for _, u := range [][2]string{{"north", "lee"}, {"south", "dana"}} {
		_, err := i.svc.Status(t.Context(), u[0], u[1])
		require.Error(t, err)
		other := w.dana()
		other.Owner, other.ID = u[0], u[1]
		require.Equal(t, http.StatusServiceUnavailable, i.client(other).post("/mfa/challenge", "code", w.codeOf(secret)).code)
	}
	// A ring without the key opens nothing.
	w.ring, err = mspkit.NewKeyRing(mspkit.NewKey("k2"))
	require.NoError(t, err)
	_, err = w.instance().svc.Status(t.Context(), "north", "dana")
	require.ErrorIs(t, err, mspkit.ErrUnknownKey)
}
