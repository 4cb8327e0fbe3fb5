package verify_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify"
)

// said writes a decision as a technician would read it.
func said(d verify.Decision) string {
	var b strings.Builder
	fmt.Fprintf(&b, "needs %s: %t %s\n", d.Need, d.Allowed, d.Reason)
	for _, w := range d.Ways {
		fmt.Fprintf(&b, "%s %s to %q is %s, fresh %t: %t %s\n", w.Channel, w.Method, w.To, w.Assurance, w.Fresh, w.Allowed, w.Reason)
	}
	return b.String()
}

func TestExplainSaysOfEveryWayWhetherItIsAllowedAndWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withTeams)
	w.settings.Policy = verify.DefaultPolicy()
	w.settings.Policy["pay"] = verify.Rule{
		Min: verify.AssuranceSMS, Words: map[string]string{"en": "pay an invoice"},
		Ways: []verify.Way{{Channel: "fax", Method: verify.MethodCode}, {Channel: "sms", Method: verify.MethodNumber}},
	}
	for name, tc := range map[string]struct {
		change func(*verify.StartRequest)
		want   []string
	}{
		"what is too little, what is not on record": {func(r *verify.StartRequest) { r.Action = verify.ActionResetMFA }, []string{
			"needs Teams with number match: false needs Teams with number match or better, because the action is “reset your multi-factor sign-in”; text message with number match is less",
			`email number to "d•••@c•••.example" is e-mail with number match, fresh false: false needs Teams with number match or better, because the action is “reset your multi-factor sign-in”; e-mail with number match is less`,
			`sms number to "••• 23" is text message with number match, fresh false: false needs Teams with number match or better, because the action is “reset your multi-factor sign-in”; text message with number match is less`,
			`email code to "d•••@c•••.example" is e-mail code, fresh false: false needs Teams with number match or better, because the action is “reset your multi-factor sign-in”; e-mail code is less`,
			`sms code to "••• 23" is text message code, fresh false: false needs Teams with number match or better, because the action is “reset your multi-factor sign-in”; text message code is less`,
			`teams number to "" is Teams with number match, fresh false: false no Teams account is on record`,
			`teams code to "" is Teams code, fresh false: false no Teams account is on record`,
		}},
		"what the policy does not list and what is not registered": {func(r *verify.StartRequest) { r.Action = "pay" }, []string{
			"needs text message with number match: true ",
			`fax code to "" is none, fresh false: false the channel "fax" is not registered`,
			`sms number to "••• 23" is text message with number match, fresh false: true `,
			`email number to "d•••@c•••.example" is e-mail with number match, fresh false: false the policy does not list email by number match for “pay an invoice”`,
			`teams number to "" is Teams with number match, fresh false: false no Teams account is on record`,
			`email code to "d•••@c•••.example" is e-mail code, fresh false: false the policy does not list email by code for “pay an invoice”`,
			`sms code to "••• 23" is text message code, fresh false: false the policy does not list sms by code for “pay an invoice”`,
			`teams code to "" is Teams code, fresh false: false no Teams account is on record`,
		}},
		"each address of a channel": {func(r *verify.StartRequest) {
			r.Channel, r.Method = "sms", verify.MethodNumber
			r.Action = verify.ActionResetPassword
			typed(&r.Subject)
			r.Subject.Destinations = append(r.Subject.Destinations, verify.Destination{Channel: "sms", Address: " ", FirstSeen: r.Subject.Destinations[0].FirstSeen})
		}, []string{
			"needs text message with number match: false the phone number cannot be used: is empty or longer than 320 bytes",
			`sms number to "••• 23" is unproven address, fresh true: false needs text message with number match or better, because the action is “reset your password”; the phone number was typed by hand, so that it proves next to nothing`,
			`sms number to "" is text message with number match, fresh false: false the phone number cannot be used: is empty or longer than 320 bytes`,
		}},
		"an action that nobody has heard of": {func(r *verify.StartRequest) { r.Action = "transfer-money" }, []string{
			`needs none: false the action "transfer-money" is not in the policy of this tenant`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := w.request()
			tc.change(&r)
			d, err := w.Explain(t.Context(), r)
			require.NoError(t, err)
			require.Equal(t, strings.Join(tc.want, "\n")+"\n", said(d))
			_, err = w.Start(t.Context(), r)
			require.Equal(t, d.Allowed, err == nil, "Start and Explain disagree: %v", err)
			if !d.Allowed {
				require.ErrorContains(t, err, d.Reason)
			}
		})
	}
}

func TestExplainStoresSendsAndCountsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settings.Limits = verify.Limits{} // one message in 45 seconds
	for range 100 {
		d, err := w.Explain(t.Context(), w.request())
		require.NoError(t, err)
		require.True(t, d.Allowed)
	}
	require.Zero(t, w.mail.count()+w.sms.count())
	require.Empty(t, w.kinds(t))
	history, err := w.History(t.Context(), tenant, "dana", 10)
	require.NoError(t, err)
	require.Empty(t, history)
	_, err = w.Start(t.Context(), w.request())
	require.NoError(t, err)

	bad := w.request()
	bad.Technician.ID = ""
	_, err = w.Explain(t.Context(), bad)
	require.ErrorIs(t, err, verify.ErrInvalid)
	bad.Tenant = ""
	_, err = w.Explain(t.Context(), bad)
	require.ErrorIs(t, err, verify.ErrInvalid)
}
