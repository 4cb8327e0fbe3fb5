package mail_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/mailtest"
)

// office is a platform mailer and one of each tenant.
type office struct {
	platform mailtest.Mailer
	own      map[mspkit.TenantID]*mailtest.Mailer
	lookup   error
	asked    []mspkit.TenantID
}

func (o *office) Mailer(_ context.Context, tenant mspkit.TenantID) (mail.Mailer, error) {
	o.asked = append(o.asked, tenant)
	if o.lookup != nil {
		return nil, o.lookup
	}
	if m, ok := o.own[tenant]; ok {
		return m, nil
	}
	return nil, fmt.Errorf("office: %w", mail.ErrNotSetUp)
}

func newOffice() *office {
	return &office{own: map[mspkit.TenantID]*mailtest.Mailer{"contoso": {}, "fabrikam": {}}}
}

func (o *office) router(t *testing.T, opts *mail.RouterOptions) *mail.Router {
	t.Helper()
	r, err := mail.NewRouter(&o.platform, o, opts)
	require.NoError(t, err)
	return r
}

func (o *office) counts() [3]int {
	return [3]int{len(o.own["contoso"].Messages()), len(o.own["fabrikam"].Messages()), len(o.platform.Messages())}
}

func ofKind(kind string) *mail.Message {
	m := valid()
	m.Kind = kind
	return m
}

func TestEachKindOfMailTakesItsWay(t *testing.T) {
	t.Parallel()
	kinds := map[string]mail.Route{
		mail.OptIn: mail.RouteTenant, mail.VerificationCode: mail.RouteTenant, mail.VerificationLink: mail.RouteTenant,
		mail.TechnicianLink: mail.RouteTenant, mail.SecurityNotice: mail.RouteTenant, mail.SecureData: mail.RouteTenant,
		mail.KindSecureRequest: mail.RouteTenant, mail.KindSecureCode: mail.RouteTenant, mail.PortalInvitation: mail.RouteTenant,
		mail.TechnicianInvitation: mail.RoutePlatform, mail.PasswordReset: mail.RoutePlatform, mail.Notification: mail.RoutePlatform,
		"invoice": mail.RoutePlatform, "survey": mail.RouteTenant,
	}
	for _, name := range templates(t, nil).Names() {
		require.Contains(t, slices.Collect(maps.Keys(kinds)), name, "no template without a way")
	}
	for kind, route := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			o := newOffice()
			r := o.router(t, &mail.RouterOptions{Kinds: map[string]mail.Route{"invoice": mail.RoutePlatform, "survey": mail.RouteTenant}})
			got, err := r.Route(kind)
			require.NoError(t, err)
			require.Equal(t, route, got)
			m := ofKind(kind)
			m.From = mail.Address{Email: "desk@contoso.example"}
			receipt, err := r.Send(t.Context(), m)
			require.NoError(t, err)
			require.Equal(t, route, receipt.Via)
			require.Empty(t, receipt.Fallback)
			require.NotEmpty(t, receipt.ID)
			require.False(t, receipt.At.IsZero())
			sent := &o.platform
			if route == mail.RouteTenant {
				sent = o.own["contoso"]
				require.Equal(t, [3]int{1, 0, 0}, o.counts())
			} else {
				require.Equal(t, [3]int{0, 0, 1}, o.counts())
				require.Empty(t, o.asked, "the tenant's mailer is none of its business")
			}
			require.Equal(t, *m, sent.Messages()[0], "as it is")
		})
	}
}

func TestAnUnknownKindIsNotGuessed(t *testing.T) {
	t.Parallel()
	o := newOffice()
	r := o.router(t, &mail.RouterOptions{Fallback: mail.FallbackAlways})
	for _, kind := range []string{"", "newsletter", "verification-cod"} {
		_, err := r.Send(t.Context(), ofKind(kind))
		require.ErrorIs(t, err, mspkit.ErrInvalid)
		require.ErrorContains(t, err, "not known who should send it")
		_, err = r.Route(kind)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	}
	m := valid()
	m.Text = ""
	_, err := r.Send(t.Context(), m)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = r.Send(t.Context(), nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	require.Equal(t, [3]int{}, o.counts())
}

func TestATenantsMailGoesByNobodyElsesMailbox(t *testing.T) {
	t.Parallel()
	o := newOffice()
	r := o.router(t, nil)
	m := ofKind(mail.OptIn)
	m.Tenant = "fabrikam"
	_, err := r.Send(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, [3]int{0, 1, 0}, o.counts())
	require.Equal(t, []mspkit.TenantID{"fabrikam"}, o.asked)
}

func TestFallbackGoesAsFarAsThePolicy(t *testing.T) {
	t.Parallel()
	unclear := errors.New("a mailer that says nothing about it")
	causes := map[string]struct {
		err, lookup error
		notSetUp    bool
		from        mail.Fallback // 0: no policy allows it
		reason      mail.Reason
	}{
		"not set up":               {notSetUp: true, from: mail.FallbackNotSetUp, reason: mail.ReasonNotSetUp},
		"removed meanwhile":        {err: mail.ErrNotSetUp, from: mail.FallbackNotSetUp, reason: mail.ReasonNotSetUp},
		"temporary":                {err: mail.ErrTemporary, from: mail.FallbackUnavailable, reason: mail.ReasonUnavailable},
		"lookup failed":            {lookup: unclear, from: mail.FallbackUnavailable, reason: mail.ReasonUnavailable},
		"auth":                     {err: mail.ErrAuth, from: mail.FallbackAlways, reason: mail.ReasonAuth},
		"auth and temporary":       {err: errors.Join(mail.ErrTemporary, mail.ErrAuth), from: mail.FallbackAlways, reason: mail.ReasonAuth},
		"rejected":                 {err: mail.ErrRejected},
		"rejected and temporary":   {err: errors.Join(mail.ErrTemporary, mail.ErrRejected)},
		"ambiguous":                {err: mail.ErrAmbiguous},
		"ambiguous and temporary":  {err: errors.Join(mail.ErrTemporary, mail.ErrAmbiguous)},
		"ambiguous and not set up": {err: errors.Join(mail.ErrNotSetUp, mail.ErrAmbiguous)},
		"invalid":                  {err: mspkit.ErrInvalid},
		"unclear":                  {err: unclear},
		"deadline of the mailer":   {err: context.DeadlineExceeded},
	}
	for name, tc := range causes {
		for policy := mail.FallbackNever; policy <= mail.FallbackAlways; policy++ {
			for _, asked := range []bool{false, true} {
				t.Run(fmt.Sprint(name, policy, asked), func(t *testing.T) {
					t.Parallel()
					o := newOffice()
					o.own["contoso"].Fail(fmt.Errorf("step: %w", tc.err), 1)
					if tc.err == nil {
						o.own["contoso"].Fail(nil, 0)
					}
					o.lookup = tc.lookup
					if tc.notSetUp {
						o.lookup = fmt.Errorf("none: %w", mail.ErrNotSetUp)
					}
					var heard []mail.FallbackCase
					opts := &mail.RouterOptions{Fallback: policy, OnFallback: func(_ context.Context, c mail.FallbackCase) {
						require.Empty(t, o.platform.Messages(), "it is recorded before it is sent")
						heard = append(heard, c)
					}}
					if asked {
						opts.Fallback = mail.FallbackNever
						opts.Policy = func(_ context.Context, c mail.FallbackCase) (mail.Fallback, error) {
							require.Equal(t, mspkit.TenantID("contoso"), c.Tenant)
							require.Equal(t, "k1", c.Key)
							require.NotEmpty(t, c.Reason)
							return policy, nil
						}
					}
					m := ofKind(mail.VerificationCode)
					before := *m
					receipt, err := o.router(t, opts).Send(t.Context(), m)
					require.Equal(t, before, *m, "the message is not changed")
					if tc.from == 0 || policy < tc.from {
						require.Error(t, err)
						for _, is := range []error{tc.err, tc.lookup} {
							if is != nil {
								require.ErrorIs(t, err, is)
							}
						}
						if tc.lookup != nil {
							require.ErrorIs(t, err, mail.ErrTemporary, "nothing was sent")
						}
						require.Empty(t, receipt)
						require.Empty(t, heard)
						require.Equal(t, [3]int{}, o.counts())
						return
					}
					require.NoError(t, err)
					require.Equal(t, mail.RoutePlatform, receipt.Via)
					require.Equal(t, tc.reason, receipt.Fallback)
					require.Equal(t, [3]int{0, 0, 1}, o.counts())
					require.Len(t, heard, 1)
					require.Equal(t, tc.reason, heard[0].Reason)
					require.Equal(t, mail.VerificationCode, heard[0].Kind)
					require.Error(t, heard[0].Err)
					require.Equal(t, "k1", o.platform.Messages()[0].Key, "a repeat is recognised there too")
				})
			}
		}
	}
}

func TestPlatformMailNeverGoesByATenantsMailbox(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{mail.TechnicianInvitation, mail.PasswordReset, mail.Notification} {
		for _, failed := range []error{mail.ErrTemporary, mail.ErrAuth, mail.ErrAmbiguous, mail.ErrRejected, mail.ErrNotSetUp} {
			o := newOffice()
			o.platform.Fail(failed, -1)
			_, err := o.router(t, &mail.RouterOptions{Fallback: mail.FallbackAlways}).Send(t.Context(), ofKind(kind))
			require.ErrorIs(t, err, failed)
			require.Equal(t, [3]int{}, o.counts())
		}
		o := newOffice()
		r, err := mail.NewRouter(nil, o, nil)
		require.NoError(t, err)
		_, err = r.Send(t.Context(), ofKind(kind))
		require.ErrorIs(t, err, mail.ErrNotSetUp)
		require.ErrorContains(t, err, "platform's mailer, and there is none")
		require.Empty(t, o.asked)
	}
}

func TestWhereNothingIsSetUpTheErrorSaysSo(t *testing.T) {
	t.Parallel()
	none := mail.TenantMailersFunc(func(context.Context, mspkit.TenantID) (mail.Mailer, error) { return nil, mail.ErrNotSetUp })
	r, err := mail.NewRouter(nil, none, nil)
	require.NoError(t, err)
	_, err = r.Send(t.Context(), valid())
	require.ErrorIs(t, err, mail.ErrNotSetUp)
	require.ErrorContains(t, err, `tenant "contoso" has none: and there is no platform mailer either`)

	var platform mailtest.Mailer
	r, err = mail.NewRouter(&platform, nil, nil)
	require.NoError(t, err)
	_, err = r.Send(t.Context(), valid())
	require.ErrorIs(t, err, mail.ErrNotSetUp)
	require.ErrorContains(t, err, "allow the platform's mailer to stand in")
	require.Empty(t, platform.Messages())

	r, err = mail.NewRouter(&platform, mail.TenantMailersFunc(func(context.Context, mspkit.TenantID) (mail.Mailer, error) { return nil, nil }), //nolint:nilnil // the slip that is tested
		&mail.RouterOptions{Fallback: mail.FallbackNotSetUp})
	require.NoError(t, err)
	receipt, err := r.Send(t.Context(), valid())
	require.NoError(t, err, "no mailer and no error is none")
	require.Equal(t, mail.ReasonNotSetUp, receipt.Fallback)
}

func TestTheErrorOfAFailedFallbackTellsWhatMayBeDone(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ first, second, is, not error }{
		"ambiguous is not temporary": {mail.ErrTemporary, mail.ErrAmbiguous, mail.ErrAmbiguous, mail.ErrTemporary},
		"rejected there":             {mail.ErrTemporary, mail.ErrRejected, mail.ErrRejected, mail.ErrTemporary},
		"both temporary":             {mail.ErrTemporary, mail.ErrTemporary, mail.ErrTemporary, mail.ErrAmbiguous},
		"auth, then temporary":       {mail.ErrAuth, mail.ErrTemporary, mail.ErrTemporary, mail.ErrAuth},
		"temporary, then auth":       {mail.ErrTemporary, mail.ErrAuth, mail.ErrTemporary, mail.ErrAuth},
		"temporary, then not set up": {mail.ErrTemporary, mail.ErrNotSetUp, mail.ErrTemporary, mail.ErrNotSetUp},
		"both auth":                  {mail.ErrAuth, mail.ErrAuth, mail.ErrAuth, mail.ErrTemporary},
		"auth, then ambiguous auth":  {mail.ErrTemporary, errors.Join(mail.ErrAuth, mail.ErrAmbiguous), mail.ErrAmbiguous, mail.ErrTemporary},
	} {
		o := newOffice()
		o.own["contoso"].Fail(tc.first, -1)
		o.platform.Fail(tc.second, -1)
		_, err := o.router(t, &mail.RouterOptions{Fallback: mail.FallbackAlways}).Send(t.Context(), valid())
		require.ErrorIs(t, err, tc.is, name)
		require.NotErrorIs(t, err, tc.not, name)
	}
}

func TestAFallbackIsSentAsThePlatform(t *testing.T) {
	t.Parallel()
	desk, answers := mail.Address{Name: "Desk", Email: "desk@contoso.example"}, mail.Address{Email: "answers@contoso.example"}
	for name, tc := range map[string]struct{ from, replyTo, want mail.Address }{
		"nothing named":     {},
		"a sender":          {from: desk, want: desk},
		"reply-to":          {replyTo: answers, want: answers},
		"sender and answer": {from: desk, replyTo: answers, want: answers},
	} {
		o := newOffice()
		o.own["contoso"].Fail(mail.ErrTemporary, 1)
		m := valid()
		m.From, m.ReplyTo = tc.from, tc.replyTo
		_, err := o.router(t, &mail.RouterOptions{Fallback: mail.FallbackUnavailable}).Send(t.Context(), m)
		require.NoError(t, err, name)
		got := o.platform.Messages()[0]
		require.Zero(t, got.From, name)
		require.Equal(t, tc.want, got.ReplyTo, name)
		require.Equal(t, tc.from, m.From, "the caller's message stays")
	}
}

func TestAPolicyThatFailsAllowsNothing(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]func(context.Context, mail.FallbackCase) (mail.Fallback, error){
		"error": func(context.Context, mail.FallbackCase) (mail.Fallback, error) {
			return mail.FallbackAlways, errors.New("database")
		},
		"not a value": func(context.Context, mail.FallbackCase) (mail.Fallback, error) { return mail.FallbackAlways + 1, nil },
		"negative":    func(context.Context, mail.FallbackCase) (mail.Fallback, error) { return -1, nil },
	} {
		o := newOffice()
		o.own["contoso"].Fail(mail.ErrTemporary, 1)
		_, err := o.router(t, &mail.RouterOptions{Fallback: mail.FallbackAlways, Policy: policy}).Send(t.Context(), valid())
		require.ErrorIs(t, err, mail.ErrTemporary, name)
		require.Equal(t, [3]int{}, o.counts(), name)
	}
}

func TestNoFallbackOnceTheCallerGaveUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var platform mailtest.Mailer
	r, err := mail.NewRouter(&platform, mail.TenantMailersFunc(func(context.Context, mspkit.TenantID) (mail.Mailer, error) {
		cancel()
		return nil, mail.ErrNotSetUp
	}), &mail.RouterOptions{Fallback: mail.FallbackAlways, OnFallback: func(context.Context, mail.FallbackCase) { t.Error("nothing is sent") }})
	require.NoError(t, err)
	_, err = r.Send(ctx, valid())
	require.ErrorIs(t, err, mail.ErrNotSetUp)
	require.Empty(t, platform.Messages())
}

func TestLogsOfTheRouterShowNobody(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := newOffice()
	o.own["contoso"].Fail(mail.ErrTemporary, -1)
	r := o.router(t, &mail.RouterOptions{
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Policy: func(_ context.Context, c mail.FallbackCase) (mail.Fallback, error) {
			if c.Kind == mail.OptIn {
				return 0, errors.New("database is away")
			}
			return mail.FallbackUnavailable, nil
		},
	})
	_, err := r.Send(t.Context(), valid())
	require.NoError(t, err)
	_, err = r.Send(t.Context(), ofKind(mail.OptIn))
	require.Error(t, err)
	for _, s := range []string{"dana", "client.example", "secret", "Hello"} {
		require.NotContains(t, log.String()+err.Error(), s)
	}
	require.Contains(t, log.String(), "temporarily not possible")
	require.Contains(t, log.String(), "database is away")
}

func TestRouterOptionsAreChecked(t *testing.T) {
	t.Parallel()
	var platform mailtest.Mailer
	o := newOffice()
	for name, tc := range map[string]struct {
		platform mail.Mailer
		tenants  mail.TenantMailers
		o        mail.RouterOptions
		says     string
	}{
		"nothing":                 {nil, nil, mail.RouterOptions{}, "neither a platform mailer nor mailers of tenants"},
		"unknown fallback":        {&platform, o, mail.RouterOptions{Fallback: 9}, "fallback 9"},
		"fallback to nobody":      {nil, o, mail.RouterOptions{Fallback: mail.FallbackAlways}, "needs a platform mailer"},
		"built-in kind":           {&platform, o, mail.RouterOptions{Kinds: map[string]mail.Route{mail.PasswordReset: mail.RouteTenant}}, "cannot be changed"},
		"bad kind":                {&platform, o, mail.RouterOptions{Kinds: map[string]mail.Route{"My Kind": mail.RouteTenant}}, "1 to 64"},
		"empty kind":              {&platform, o, mail.RouterOptions{Kinds: map[string]mail.Route{"": mail.RouteTenant}}, "1 to 64"},
		"unknown route":           {&platform, o, mail.RouterOptions{Kinds: map[string]mail.Route{"mine": "pigeon"}}, "unknown route"},
		"every fault is reported": {nil, nil, mail.RouterOptions{Fallback: -1, Kinds: map[string]mail.Route{"A": "b"}}, "fallback -1"},
	} {
		_, err := mail.NewRouter(tc.platform, tc.tenants, &tc.o)
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
		require.ErrorContains(t, err, tc.says, name)
	}
}

func TestARouterServesManyAtOnce(t *testing.T) {
	t.Parallel()
	o := newOffice()
	tenants := mail.TenantMailersFunc(func(_ context.Context, tenant mspkit.TenantID) (mail.Mailer, error) { return o.own[tenant], nil })
	r, err := mail.NewRouter(&o.platform, tenants, nil)
	require.NoError(t, err)
	done := make(chan error)
	kinds := []string{mail.OptIn, mail.Notification}
	for i := range 32 {
		go func() {
			_, err := r.Send(context.Background(), ofKind(kinds[i%2]))
			done <- err
		}()
	}
	for range 32 {
		select {
		case err := <-done:
			require.NoError(t, err)
		case <-time.After(time.Minute):
			t.Fatal("a send does not return")
		}
	}
	require.Equal(t, [3]int{16, 0, 16}, o.counts())
}
