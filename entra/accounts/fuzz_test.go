package accounts_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/accounts"
)

// FuzzToken holds that nothing but the link itself opens an invitation, and that no text brings anything down.
func FuzzToken(f *testing.F) {
	o := good()
	s, err := accounts.New(accounts.NewMemory(), newRing(f), &o)
	require.NoError(f, err)
	_, link, err := s.Invite(context.Background(), accounts.ByHost, accounts.Invite{Name: "Otto"})
	require.NoError(f, err)
	right := token(link.Reveal())
	for _, seed := range []string{right, right + "A", right[1:], "", "AAAA", "../" + right, right[:40] + right} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		inv, err := s.Open(t.Context(), text)
		if text == right {
			require.NoError(t, err)
			require.Equal(t, "Otto", inv.Name)
			return
		}
		require.ErrorIs(t, err, accounts.ErrState)
		_, err = s.Accept(t.Context(), text, entra.Answer{}, "")
		require.ErrorIs(t, err, accounts.ErrState)
	})
}

// FuzzForms holds that a form gives what can be stored, or an error, and never more than a technician by chance.
func FuzzForms(f *testing.F) {
	for _, seed := range []string{
		"role=Admin&ui=full&mfa=on&access=allowed", "kind=technician&role=Technician&ui=pod&name=Otto&address=a%40b.example", "kind=portal&client=contoso",
		"role=Admin&role=Technician", "kind=bootstrap&role=Admin&ui=full", "%zz", "name=%00%ff&kind=technician&role=Admin&ui=full",
	} {
		f.Add(seed)
	}
	o := good()
	f.Fuzz(func(t *testing.T, text string) {
		form, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		s, err := accounts.New(accounts.NewMemory(), newRing(t), &o)
		require.NoError(t, err)
		in, err := accounts.ParseInvite(form)
		if err == nil {
			require.NotEqual(t, accounts.Bootstrap, in.Kind)
			if in.Role == entra.RoleAdmin {
				require.Equal(t, []string{"Admin"}, trimmed(form["role"]))
			}
			_, _, err := s.Invite(t.Context(), accounts.ByHost, in)
			if err != nil && in.Kind == accounts.Technician { // a portal needs a tenant of the client
				require.ErrorContains(t, err, "invalid")
			}
		}
		role, _, _, _, err := accounts.ParseAccess(form, accounts.Technician)
		if err == nil {
			require.NotEqual(t, entra.RoleNone, role)
		}
		if _, _, _, _, err := accounts.ParseAccess(form, accounts.Portal); err != nil {
			require.ErrorIs(t, err, mspkit.ErrInvalid)
		}
	})
}

func trimmed(list []string) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		out = append(out, strings.TrimSpace(s))
	}
	return out
}
