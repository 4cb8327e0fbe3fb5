package smschannel_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/smschannel"
)

func notice(kind verify.NoticeKind) verify.Notice {
	return verify.Notice{
		Tenant: "contoso", Kind: kind, Key: "k-1", To: "+12025550123", Brand: mspkit.Brand{Name: "Contoso IT", Phone: "+1 202 555 0100"},
		Name: "Dana", Technician: "Jane Doe", Ticket: mspkit.Ticket{System: "psa", ID: "4711"}, Left: 7,
		At: time.Date(2026, 11, 22, 9, 0, 0, 0, time.FixedZone("", 3600)),
	}
}

func TestANoticeSaysWhatHappenedInTwoMessagesAtMost(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		kind         verify.NoticeKind
		locale, want string
	}{
		{verify.NoticeEnrolled, "en", "Contoso IT: an authenticator app was set up for your calls to us (ticket 4711), 2026-11-22 08:00 UTC. If this was not you, call us at once: +1 202 555 0100."},
		{verify.NoticeRemoved, "", "Contoso IT: your authenticator app for calls to us was removed (ticket 4711), 2026-11-22 08:00 UTC. If this was not you, call us at once: +1 202 555 0100."},
		{verify.NoticeRecoveryUsed, "en-GB", "Contoso IT: one of your recovery codes was used (ticket 4711), 2026-11-22 08:00 UTC. Left: 7. If this was not you, call us at once: +1 202 555 0100."},
		{verify.NoticeRecoveryRenewed, "de", "Contoso IT: Sie haben neue Wiederherstellungscodes für Anrufe bei uns (Ticket 4711), 2026-11-22 08:00 UTC. Waren Sie das nicht, rufen Sie uns sofort an: +1 202 555 0100."},
	} {
		p := &phone{}
		c, err := smschannel.New(p, &smschannel.Options{Region: "US"})
		require.NoError(t, err)
		n := notice(tc.kind)
		n.Locale = tc.locale
		require.NoError(t, c.Notice(t.Context(), n))
		require.Equal(t, []string{tc.want}, p.body)
		require.Equal(t, []string{"k-1"}, p.keys)
		require.LessOrEqual(t, segments(tc.want), 2)
	}
}

func TestANoticeCanHaveOwnTextsAndNeverALink(t *testing.T) {
	t.Parallel()
	p := &phone{}
	c, err := smschannel.New(p, &smschannel.Options{Region: "US", Texts: map[string]smschannel.Texts{
		"fr": {Link: "{link}", Code: "{code}", Technician: "{link}", Notices: map[verify.NoticeKind]string{verify.NoticeRemoved: "F {brand} {left}"}},
	}})
	require.NoError(t, err)
	n := notice(verify.NoticeRemoved)
	n.Locale = "fr-CA"
	require.NoError(t, c.Notice(t.Context(), n))
	n = notice(verify.NoticeEnrolled)
	n.Locale, n.Brand.Phone, n.Ticket = "fr", "", mspkit.Ticket{}
	require.NoError(t, c.Notice(t.Context(), n))
	require.Equal(t, []string{"F Contoso IT 7", "Contoso IT: an authenticator app was set up for your calls to us, 2026-11-22 08:00 UTC. If this was not you, call us at once."}, p.body)

	n = notice(verify.NoticeLink)
	n.Link = mspkit.Redact(link)
	require.ErrorContains(t, c.Notice(t.Context(), n), "does not go by text message")
	require.Error(t, c.Notice(t.Context(), notice("newer than this")))
	n = notice(verify.NoticeRemoved)
	n.To = "+4930123456"
	require.Error(t, c.Notice(t.Context(), n), "a country that is not allowed")
	require.Len(t, p.body, 2)
	for _, bad := range []map[verify.NoticeKind]string{{verify.NoticeRemoved: "{link}"}, {verify.NoticeRemoved: "{code}"}, {verify.NoticeRemoved: " "}, {"unknown": "x"}} {
		_, err := smschannel.New(p, &smschannel.Options{Region: "US", Texts: map[string]smschannel.Texts{"en": {Notices: bad}}})
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	}
}

func TestANoticeThatIsNotSentSaysWhyWithoutTheNumber(t *testing.T) {
	t.Parallel()
	p := &phone{err: errors.New("POST +12025550123 refused")}
	c, err := smschannel.New(p, &smschannel.Options{Region: "US"})
	require.NoError(t, err)
	err = c.Notice(t.Context(), notice(verify.NoticeRemoved))
	_, ok := errors.AsType[*verify.DeliveryError](err)
	require.True(t, ok)
	require.NotContains(t, err.Error(), "2025550123")
}
