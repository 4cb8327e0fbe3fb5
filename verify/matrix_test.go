package verify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify"
)

// matrix is what the default policy says: of each action, by each way, for an address that is old, new, or typed by hand,
// where the guard lowers what a fresh address is worth and where it refuses it.
//
//	ok     allowed
//	less   what it proves is too little, however old the address is
//	fresh  it would be enough for an address that is known for long
//	no     the address is fresh and such are refused
//
// Since when somebody has an authenticator app ("app") only the app's own records say, whatever the host typed.
//
// 2nd is whether a second technician must approve for a listed person whose list names the actions that hand over an
// account for good.
const matrix = `
action           way            old    new    typed  | old    new    typed  | 2nd
                                 guard lowers        | guard refuses        |
identify         email number   ok     fresh  fresh  | ok     no     no     | -
identify         email code     less   less   less   | less   no     no     | -
identify         sms number     ok     fresh  fresh  | ok     no     no     | -
identify         sms code       ok     fresh  fresh  | ok     no     no     | -
identify         teams number   ok     fresh  fresh  | ok     no     no     | -
identify         teams code     ok     fresh  fresh  | ok     no     no     | -
identify         app   totp       ok     fresh  ok     | ok     no     ok     | -
unlock-account   email number   less   less   less   | less   no     no     | -
unlock-account   email code     less   less   less   | less   no     no     | -
unlock-account   sms number     ok     fresh  fresh  | ok     no     no     | -
unlock-account   sms code       ok     fresh  fresh  | ok     no     no     | -
unlock-account   teams number   ok     fresh  fresh  | ok     no     no     | -
unlock-account   teams code     ok     fresh  fresh  | ok     no     no     | -
unlock-account   app   totp       ok     fresh  ok     | ok     no     ok     | -
reset-password   email number   less   less   less   | less   no     no     | -
reset-password   email code     less   less   less   | less   no     no     | -
reset-password   sms number     ok     fresh  fresh  | ok     no     no     | -
reset-password   sms code       less   less   less   | less   no     no     | -
reset-password   teams number   ok     fresh  fresh  | ok     no     no     | -
reset-password   teams code     ok     fresh  fresh  | ok     no     no     | -
reset-password   app   totp       ok     fresh  ok     | ok     no     ok     | -
reset-mfa        email number   less   less   less   | less   no     no     | 2nd
reset-mfa        email code     less   less   less   | less   no     no     | 2nd
reset-mfa        sms number     less   less   less   | less   no     no     | 2nd
reset-mfa        sms code       less   less   less   | less   no     no     | 2nd
reset-mfa        teams number   ok     fresh  fresh  | ok     no     no     | 2nd
reset-mfa        teams code     less   less   less   | less   no     no     | 2nd
reset-mfa        app   totp       less   less   less   | less   less   less   | 2nd
change-contact   email number   less   less   less   | less   no     no     | 2nd
change-contact   email code     less   less   less   | less   no     no     | 2nd
change-contact   sms number     less   less   less   | less   no     no     | 2nd
change-contact   sms code       less   less   less   | less   no     no     | 2nd
change-contact   teams number   ok     fresh  fresh  | ok     no     no     | 2nd
change-contact   teams code     less   less   less   | less   no     no     | 2nd
change-contact   app   totp       less   less   less   | less   less   less   | 2nd
enrol-totp       email number     less   less   less   | less   no     no     | -
enrol-totp       email code       less   less   less   | less   no     no     | -
enrol-totp       sms   number     less   less   less   | less   no     no     | -
enrol-totp       sms   code       less   less   less   | less   no     no     | -
enrol-totp       teams number     ok     fresh  fresh  | ok     no     no     | -
enrol-totp       teams code       less   less   less   | less   no     no     | -
enrol-totp       app   totp       less   less   less   | less   less   less   | -
remove-totp      email number     less   less   less   | less   no     no     | -
remove-totp      email code       less   less   less   | less   no     no     | -
remove-totp      sms   number     less   less   less   | less   no     no     | -
remove-totp      sms   code       less   less   less   | less   no     no     | -
remove-totp      teams number     ok     fresh  fresh  | ok     no     no     | -
remove-totp      teams code       less   less   less   | less   no     no     | -
remove-totp      app   totp       less   less   less   | less   less   less   | -
recovery-totp    email number     less   less   less   | less   no     no     | -
recovery-totp    email code       less   less   less   | less   no     no     | -
recovery-totp    sms   number     less   less   less   | less   no     no     | -
recovery-totp    sms   code       less   less   less   | less   no     no     | -
recovery-totp    teams number     ok     fresh  fresh  | ok     no     no     | -
recovery-totp    teams code       less   less   less   | less   no     no     | -
recovery-totp    app   totp       less   less   less   | less   less   less   | -
reveal           email number   less   less   less   | less   no     no     | -
reveal           email code     less   less   less   | less   no     no     | -
reveal           sms number     ok     fresh  fresh  | ok     no     no     | -
reveal           sms code       ok     fresh  fresh  | ok     no     no     | -
reveal           teams number   ok     fresh  fresh  | ok     no     no     | -
reveal           teams code     ok     fresh  fresh  | ok     no     no     | -
reveal           app   totp       ok     fresh  ok     | ok     no     ok     | -
`

// nouns is how a technician reads of an address, reaches what each way reaches.
var (
	nouns   = map[string]string{"email": "e-mail address", "sms": "phone number", "teams": "Teams account", "app": "authenticator app"}
	reaches = map[verify.Way]verify.Assurance{
		{Channel: "email", Method: "number"}: verify.AssuranceEmail, {Channel: "email", Method: "code"}: verify.AssuranceEmailCode,
		{Channel: "sms", Method: "number"}: verify.AssuranceSMS, {Channel: "sms", Method: "code"}: verify.AssuranceSMSCode,
		{Channel: "teams", Method: "number"}: verify.AssuranceTeams, {Channel: "teams", Method: "code"}: verify.AssuranceTeamsCode,
		{Channel: "app", Method: "totp"}: verify.AssuranceTOTP,
	}
)

func TestThePolicyMatrix(t *testing.T) {
	t.Parallel()
	seen := map[verify.Action]map[verify.Way]bool{}
	for _, line := range strings.Split(strings.TrimSpace(matrix), "\n")[2:] {
		f := strings.Fields(strings.ReplaceAll(line, "|", ""))
		require.Len(t, f, 10, line)
		action, way := verify.Action(f[0]), verify.Way{Channel: f[1], Method: verify.Method(f[2])}
		if seen[action] == nil {
			seen[action] = map[verify.Way]bool{}
		}
		seen[action][way] = true
		for i, want := range f[3:9] {
			w, a := newAppWorld(t, withTeams)
			w.settings.Freshness.Refuse = i >= 3
			w.settings.Approval = verify.Approval{
				Subjects: []string{"dana"}, Actions: []verify.Action{verify.ActionResetMFA, verify.ActionChangeContact},
			}
			r := w.request()
			r.Action, r.Channel, r.Method = action, way.Channel, way.Method
			r.Subject = w.subjectWith(way.Channel)
			why := ""
			switch d := &r.Subject.Destinations[0]; {
			case way.Method == verify.MethodTOTP && i%3 == 1:
				a.since["dana"], why = w.clock.Add(-time.Hour), " was set up less than 14 days ago"
			case i%3 == 1:
				d.FirstSeen, why = w.clock.Add(-time.Hour), " is less than 14 days old"
			case i%3 == 2:
				d.TypedBy, why = "joe", " was typed by hand"
			}
			w.checkMatrix(t, r, want, "the "+nouns[way.Channel]+why, f[9] == "2nd")
		}
	}
	for action := range verify.DefaultPolicy() {
		require.Len(t, seen[action], len(reaches), "the table forgets ways of %s", action)
	}
	require.Len(t, seen, len(verify.DefaultPolicy()))
}

// checkMatrix compares what Explain and Start say of one cell.
func (w *world) checkMatrix(t *testing.T, r verify.StartRequest, want, doubt string, second bool) {
	t.Helper()
	rule := verify.DefaultPolicy()[r.Action]
	full := reaches[verify.Way{Channel: r.Channel, Method: r.Method}]
	needs := "needs " + rule.Min.String() + " or better, because the action is “" + rule.Words["en"] + "”; "
	reason, ok := map[string]string{
		"ok": "", "no": doubt, "fresh": needs + doubt + ", so that it proves next to nothing", "less": needs + full.String() + " is less",
	}[want]
	require.True(t, ok, "the table says %q", want)

	d, err := w.Explain(t.Context(), r)
	require.NoError(t, err)
	require.Len(t, d.Ways, 1)
	require.Equal(t, []any{want == "ok", reason, reason, rule.Min}, []any{d.Allowed, d.Reason, d.Ways[0].Reason, d.Need}, "%s by %s %s", r.Action, r.Channel, r.Method)
	require.Equal(t, second, d.Approval != "")
	c, err := w.Start(t.Context(), r)
	if want != "ok" {
		var pe *verify.PolicyError
		require.ErrorAs(t, err, &pe)
		require.Equal(t, reason, pe.Reason)
		return
	}
	require.NoError(t, err)
	require.Equal(t, []any{r.Channel, r.Method, full, second}, []any{c.Channel, c.Method, c.Assurance, c.NeedsApproval})
}
