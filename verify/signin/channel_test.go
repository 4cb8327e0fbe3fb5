package signin_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/signin"
	"github.com/mspkit/mspkit/verify/verifytest"
)

const (
	tid = "0f8fad5b-d9cb-469f-a165-70867728950e"
	oid = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
)

func ringOf(t testing.TB) *mspkit.KeyRing {
	t.Helper()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	return ring
}

func always(s string, err error) func(context.Context, mspkit.TenantID) (string, error) {
	return func(context.Context, mspkit.TenantID) (string, error) { return s, err }
}

// carried keeps what a channel had carried.
type carried struct{ sent []verify.Delivery }

func (c *carried) Carry(_ context.Context, d verify.Delivery) (verify.Receipt, error) {
	c.sent = append(c.sent, d)
	return verify.Receipt{ID: "1"}, nil
}

func TestAChannelIsTwoLevels(t *testing.T) {
	t.Parallel()
	c, err := signin.New(ringOf(t), "https://help.example/verify/", &carried{}, always(tid, nil), nil)
	require.NoError(t, err)
	require.Equal(t, verify.AssuranceSignIn, c.Assurance())
	strong, err := signin.New(ringOf(t), "http://127.0.0.1:8080/verify", &carried{}, always(tid, nil), &signin.Options{ACR: always("c1", nil)})
	require.NoError(t, err)
	require.Equal(t, verify.AssuranceStrong, strong.Assurance())
	require.True(t, c.Authenticates())
	for _, m := range []verify.Method{verify.MethodNumber, verify.MethodCode, verify.MethodWord, verify.MethodTOTP} {
		require.Equal(t, m == verify.MethodNumber, c.Supports(m), m)
	}
}

func TestNewReportsAllFaults(t *testing.T) {
	t.Parallel()
	_, err := signin.New(nil, "http://help.example", nil, nil, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, want := range []string{"carrier", "tenants in Entra", "base URL", "key ring"} {
		require.ErrorContains(t, err, want)
	}
	for _, base := range []string{"", "help.example", "https://", "ftp://help.example", "https://help.example?a", "https://help.example#a", "https://u@help.example", "http://127.0.0.1.evil.example", ":"} {
		_, err := signin.New(ringOf(t), base, &carried{}, always(tid, nil), nil)
		require.ErrorIs(t, err, mspkit.ErrInvalid, base)
	}
	_, err = signin.NewPages(nil, nil, nil, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func TestAnAddressHasOneSpelling(t *testing.T) {
	t.Parallel()
	c, err := signin.New(ringOf(t), "https://help.example", &carried{}, always(tid, nil), nil)
	require.NoError(t, err)
	want := "signin:" + tid + "/" + oid
	for _, s := range []string{tid + "/" + oid, strings.ToUpper(tid + "/" + oid), want, "signin:" + strings.ToUpper(tid) + "/" + oid} {
		got, err := c.Canonical(s)
		require.NoError(t, err, s)
		require.Equal(t, want, got)
	}
	for _, s := range []string{
		"", "/", tid, tid + "/", "/" + oid, tid + "/" + oid + "/", tid + "/" + oid + "/x", tid + "//" + oid, tid + " /" + oid, "{" + tid + "}/" + oid,
		"dana@contoso.example", "signin:signin:" + tid + "/" + oid, "SIGNIN:" + tid + "/" + oid, strings.ReplaceAll(tid, "-", "") + "/" + oid,
		"urn:uuid:" + tid + "/" + oid,
	} {
		_, err := c.Canonical(s)
		require.ErrorIs(t, err, mspkit.ErrInvalid, s)
		if s != "" && s != "/" {
			require.NotContains(t, err.Error(), s)
		}
	}
}

func TestDeliverRefusesWhatProvesNothing(t *testing.T) {
	t.Parallel()
	boom := errors.New("the database of the host at 10.0.0.1")
	good := verify.Delivery{
		Ref: verify.Ref{Tenant: "contoso", ID: "id"}, Kind: verify.KindCaller, Method: verify.MethodNumber, To: "signin:" + tid + "/" + oid,
	}
	for name, tc := range map[string]struct {
		tenants   func(context.Context, mspkit.TenantID) (string, error)
		acr       func(context.Context, mspkit.TenantID) (string, error)
		change    func(d *verify.Delivery)
		reason    string
		permanent bool
	}{
		"a code":              {change: func(d *verify.Delivery) { d.Method = verify.MethodCode }, reason: "by number match only", permanent: true},
		"a technician":        {change: func(d *verify.Delivery) { d.Kind, d.Method = verify.KindTechnician, verify.MethodWord }, reason: "by number match only", permanent: true},
		"a colleague":         {change: func(d *verify.Delivery) { d.Kind = verify.KindTechnician }, reason: "by number match only", permanent: true},
		"no person":           {change: func(d *verify.Delivery) { d.To = "dana@contoso.example" }, reason: "no person in Microsoft Entra", permanent: true},
		"another client's":    {tenants: always(oid, nil), reason: "of another organisation", permanent: true},
		"no organisation":     {tenants: always("", nil), reason: "no organisation in Microsoft 365", permanent: true},
		"nobody knows":        {tenants: always("", boom), reason: "could not be found out"},
		"no context":          {acr: always("", nil), reason: "no authentication context is set up", permanent: true},
		"a context unknown":   {acr: always("", boom), reason: "context of the client could not be found out"},
		"a context of zero":   {acr: always("c0", nil), reason: "context of the client is none", permanent: true},
		"a context of 100":    {acr: always("c100", nil), reason: "context of the client is none", permanent: true},
		"a context of words":  {acr: always("mfa", nil), reason: "context of the client is none", permanent: true},
		"a context of 07":     {acr: always("c07", nil), reason: "context of the client is none", permanent: true},
		"a context without c": {acr: always("7", nil), reason: "context of the client is none", permanent: true},
		"an id that is long":  {change: func(d *verify.Delivery) { d.Ref.ID = strings.Repeat("x", 129) }, reason: "the link cannot be made", permanent: true},
		"ids that are long":   {change: func(d *verify.Delivery) { d.Ref.ID = ""; d.Ref.Tenant = "" }, reason: "the link cannot be made", permanent: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, via := good, &carried{}
			if tc.tenants == nil {
				tc.tenants = always(strings.ToUpper(tid), nil)
			}
			if tc.change != nil {
				tc.change(&d)
			}
			c, err := signin.New(ringOf(t), "https://help.example", via, tc.tenants, &signin.Options{ACR: tc.acr})
			require.NoError(t, err)
			_, err = c.Deliver(t.Context(), d)
			var refused *verify.DeliveryError
			require.ErrorAs(t, err, &refused)
			require.ErrorContains(t, err, tc.reason)
			require.NotContains(t, err.Error(), "10.0.0.1")
			require.Equal(t, tc.permanent, refused.Permanent)
			require.Empty(t, via.sent)
		})
	}
}

func TestTheLinkSaysWhoMustSignIn(t *testing.T) {
	t.Parallel()
	ring, via := ringOf(t), &carried{}
	c, err := signin.New(ring, "https://help.example/verify", via, always(tid, nil), &signin.Options{ACR: always("c25", nil)})
	require.NoError(t, err)
	ref := verify.Ref{Tenant: mspkit.TenantID("T " + strings.Repeat("ü", 60)), ID: strings.Repeat("a", 32)}
	d := verify.Delivery{Ref: ref, Kind: verify.KindCaller, Method: verify.MethodNumber, To: "signin:" + tid + "/" + oid, Name: "Dana"}
	for range 2 {
		r, err := c.Deliver(t.Context(), d)
		require.NoError(t, err)
		require.Equal(t, "1", r.ID)
	}
	require.Equal(t, tid+"/"+oid, via.sent[0].To)
	require.Equal(t, "Dana", via.sent[0].Name)
	require.NotEqual(t, via.sent[0].Link.Reveal(), via.sent[1].Link.Reveal())
	links, err := token.NewCodec(ring, "verify/signin/link")
	require.NoError(t, err)
	tok, ok := strings.CutPrefix(via.sent[0].Link.Reveal(), "https://help.example/verify/signin/s/")
	require.True(t, ok)
	got, from, acr, err := signin.Decode(links, tok)
	require.NoError(t, err)
	require.Equal(t, []any{ref, "signin:" + tid + "/" + oid, 25}, []any{got, from, acr})
	require.NotContains(t, tok, "contoso")

	// Nobody else's codec opens it, and none of it can be changed.
	foreign, err := token.NewCodec(ringOf(t), "verify/signin/link")
	require.NoError(t, err)
	_, _, _, err = signin.Decode(foreign, tok)
	require.Error(t, err)
	for i := range tok {
		changed := tok[:i] + map[bool]string{true: "B", false: "A"}[tok[i] == 'A'] + tok[i+1:]
		_, _, _, err := signin.Decode(links, changed)
		require.Error(t, err, i)
	}
	short, err := signin.Encode(links, "contoso", strings.Repeat("a", 32), tid, oid, 0)
	require.NoError(t, err)
	require.Less(t, len(short), 170, "a text message costs by its length")
}

func TestViaSendsToTheAddressOnRecord(t *testing.T) {
	t.Parallel()
	mail := &canonical{}
	address, fail := " Dana@Contoso.example ", error(nil)
	via, err := signin.Via(mail, func(_ context.Context, tenant mspkit.TenantID, identity string) (string, error) {
		require.Equal(t, []string{"contoso", tid + "/" + oid}, []string{string(tenant), identity})
		return address, fail
	})
	require.NoError(t, err)
	d := verify.Delivery{Ref: verify.Ref{Tenant: "contoso"}, To: tid + "/" + oid, Link: mspkit.Redact("https://help.example")}
	_, err = via.Carry(t.Context(), d)
	require.NoError(t, err)
	sent, err := mail.Last()
	require.NoError(t, err)
	require.Equal(t, "dana@contoso.example", sent.To)
	require.Equal(t, "https://help.example", sent.Link.Reveal())

	refused := func(reason string, permanent bool) {
		t.Helper()
		_, err := via.Carry(t.Context(), d)
		var de *verify.DeliveryError
		require.ErrorAs(t, err, &de)
		require.Equal(t, []any{reason, permanent}, []any{de.Reason, de.Permanent})
	}
	address = " "
	refused("no address is on record to send the link to", true)
	address = "nonsense"
	refused("the address to send the link to cannot be used", true)
	fail = errors.New("no database")
	refused("where to send the link could not be found out", false)
	require.Len(t, mail.Sent(), 1)

	// On a channel that takes answers itself nobody would have to sign in.
	nowhere := func(context.Context, mspkit.TenantID, string) (string, error) { return "", nil }
	for name, ch := range map[string]verify.Channel{"nil": nil, "a chat": chat{mail}, "an app": app{mail}} {
		_, err := signin.Via(ch, nowhere)
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
	}
	_, err = signin.Via(mail, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

type canonical struct{ verifytest.Channel }

func (*canonical) Canonical(s string) (string, error) {
	if !strings.Contains(s, "@") {
		return "", mspkit.ErrInvalid
	}
	return strings.ToLower(s), nil
}

type chat struct{ verify.Channel }

func (chat) Authenticates() bool { return true }

type app struct{ verify.Channel }

func (app) Enrolled(context.Context, mspkit.TenantID, string) (time.Time, error) {
	return time.Time{}, nil
}

func (app) CheckAnswer(context.Context, verify.Question, time.Time) (verify.Verdict, error) {
	return verify.Verdict{}, nil
}

// A tenant without a context falls back to the way that proves less, and the technician sees why.
func TestATenantWithoutAContextFailsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.acr = "" })
	c, err := w.svc.Start(t.Context(), w.request(""))
	require.NoError(t, err)
	require.Equal(t, []any{"signin", verify.AssuranceSignIn}, []any{c.Channel, c.Assurance})
	require.Equal(t, "signin-strong: no authentication context is set up for the client", c.Failover)
	w.settings.Policy = verify.DefaultPolicy()
	w.settings.Policy[verify.ActionResetMFA] = verify.Rule{Min: verify.AssuranceStrong, Words: map[string]string{"en": "reset your sign-in"}}
	c, err = w.svc.Start(t.Context(), w.request(""))
	require.ErrorIs(t, err, verify.ErrDelivery, "and not where that is too little")
	require.Equal(t, "signin-strong", c.Channel)
}

// What Teams says of the same person answers nothing here, and neither does the holder of a link.
func TestNobodyAnswersWithoutASignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, _ := w.begin("signin")
	for _, from := range []string{"", identity(w.dana), "signin:" + identity(w.otto), "dana@contoso.example"} {
		_, err := w.svc.Answer(t.Context(), verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal(), From: from})
		require.ErrorIs(t, err, verify.ErrForbidden, from)
		_, err = w.svc.Deny(t.Context(), verify.Denial{Ref: c.Ref, From: from, Word: c.Word.Reveal()})
		require.ErrorIs(t, err, verify.ErrForbidden, from)
	}
	require.Equal(t, []any{verify.StatePending, 2}, []any{w.get(c).State, w.get(c).TriesLeft})
	require.False(t, w.frozen())
}
