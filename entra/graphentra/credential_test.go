package graphentra_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/entra/graphentra"
)

const day = 24 * time.Hour

func TestSecretsAreRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		d := graphentra.Desired{Key: "mail", Name: "Mail", Secrets: []graphentra.Secret{{Name: "main", Life: 90 * day, Renew: 20 * day}}}
		first := apply(t, c, plan(t, c, d)).Secrets[0]
		require.WithinDuration(t, time.Now().Add(90*day), first.Expires, time.Minute)

		time.Sleep(69 * day)
		require.True(t, plan(t, c, d).Empty())
		soon, err := c.Expiring(t.Context(), tenant, "mail", 30*day)
		require.NoError(t, err)
		require.Len(t, soon, 1)
		require.Equal(t, first.KeyID, soon[0].KeyID)
		require.True(t, soon[0].Ours)
		require.False(t, soon[0].Replaced)
		none, err := c.Expiring(t.Context(), tenant, "mail", 20*day)
		require.NoError(t, err)
		require.Empty(t, none)

		time.Sleep(2 * day)
		second := apply(t, c, plan(t, c, d)).Secrets[0]
		require.NotEqual(t, first.Value.Reveal(), second.Value.Reveal())
		require.True(t, plan(t, c, d).Empty())
		require.Len(t, passwords(dir), 2, "the old one stays until its end")
		soon, err = c.Expiring(t.Context(), tenant, "mail", 30*day)
		require.NoError(t, err)
		require.Len(t, soon, 1)
		require.True(t, soon[0].Replaced)

		time.Sleep(20 * day)
		p := plan(t, c, d)
		require.Len(t, p.Steps, 1)
		require.Equal(t, graphentra.Remove, p.Steps[0].Op)
		require.Empty(t, p.Dangers(), "one that has ended does no harm")
		apply(t, c, p)
		require.Len(t, passwords(dir), 1)
		require.Equal(t, second.KeyID, passwords(dir)[0]["keyId"])
	})
}

func passwords(dir *entratest.Directory) (out []map[string]any) {
	list, _ := dir.Objects("applications")[0]["passwordCredentials"].([]any)
	for _, p := range list {
		out = append(out, p.(map[string]any))
	}
	return out
}

func TestASecretThatTheHostLostIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		held := map[string]bool{}
		c := client(t, dir, func(o *graphentra.Options) {
			o.Holds = func(_ context.Context, _ mspkit.TenantID, key string) (bool, error) { return held[key], nil }
		})
		d := graphentra.Desired{Key: "mail", Name: "Mail", Secrets: []graphentra.Secret{{Name: "main"}}}
		lost := apply(t, c, plan(t, c, d)).Secrets[0]
		p := plan(t, c, d)
		require.Len(t, p.Steps, 2)
		again := apply(t, c, p).Secrets[0]
		held[again.KeyID] = true
		require.True(t, plan(t, c, d).Empty())
		require.Len(t, passwords(dir), 1)
		require.NotEqual(t, lost.KeyID, passwords(dir)[0]["keyId"])
	})
}

func TestSecretsOfOthersStay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir, func(o *graphentra.Options) {
			o.Holds = func(context.Context, mspkit.TenantID, string) (bool, error) { return true, nil }
		})
		theirs := graphentra.Desired{Key: "mail", Name: "Mail", Secrets: []graphentra.Secret{{Name: "theirs"}}}
		apply(t, c, plan(t, c, theirs))
		d := theirs
		d.Secrets = []graphentra.Secret{{Name: "main"}}
		p := plan(t, c, d)
		require.Len(t, p.Steps, 1)
		require.Len(t, p.Kept, 1)
		require.Equal(t, "client secret", p.Kept[0].What)
		require.Contains(t, p.Kept[0].Which, passwords(dir)[0]["keyId"])
		apply(t, c, p)
		require.Len(t, passwords(dir), 2)
		require.True(t, plan(t, c, theirs).Empty(), "it is still there")
		d.Prune = true
		p = plan(t, c, d)
		require.Len(t, p.Steps, 1)
		require.NotEmpty(t, p.Dangers())
		apply(t, c, p)
		require.Len(t, passwords(dir), 1)
		require.Contains(t, passwords(dir)[0]["displayName"], "mspkit:main#")
	})
}

func TestASecretThatSomebodyElseMadeMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		d := graphentra.Desired{Key: "mail", Name: "Mail"}
		apply(t, c, plan(t, c, d))
		d.Secrets = []graphentra.Secret{{Name: "main"}}
		late := plan(t, c, d)
		apply(t, c, plan(t, c, d))
		_, err := c.Apply(t.Context(), late, nil)
		require.ErrorIs(t, err, graphentra.ErrChanged)
		require.Len(t, passwords(dir), 1)
	})
}

func TestSecretsForbidden(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := graphentra.Desired{Key: "mail", Name: "Mail", Secrets: []graphentra.Secret{{Name: "main"}}}
		for _, o := range []entratest.DirectoryOptions{{NoSecrets: true}, {MaxSecretLife: 30 * day}} {
			dir := entratest.NewDirectory("", &o)
			c := client(t, dir)
			res, err := c.Apply(t.Context(), plan(t, c, d), nil)
			require.ErrorIs(t, err, graphentra.ErrSecretsForbidden)
			require.Contains(t, graphentra.Explain(err), "federated credential")
			require.Equal(t, graphentra.Kind("secret.add"), res.Remaining.Steps[0].Kind)
		}
		// What the advice says works.
		dir := entratest.NewDirectory("", &entratest.DirectoryOptions{NoSecrets: true})
		c := client(t, dir)
		d.Secrets, d.Federated = nil, []graphentra.Federated{{Name: "host", Issuer: "https://token.example", Subject: "host"}}
		d.Certificates = []graphentra.Certificate{{Name: "proof", Certificate: certificate(t)}}
		apply(t, c, plan(t, c, d))
		require.True(t, plan(t, c, d).Empty())
	})
}

func TestCertificatesAndTrustsOfOthersStay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		d := graphentra.Desired{
			Key: "mail", Name: "Mail", Certificates: []graphentra.Certificate{{Name: "one", Certificate: certificate(t)}},
			Federated: []graphentra.Federated{{Name: "one", Issuer: "https://token.example", Subject: "a"}},
		}
		apply(t, c, plan(t, c, d))
		next := d
		next.Certificates = []graphentra.Certificate{{Name: "two", Certificate: certificate(t)}}
		next.Federated = []graphentra.Federated{{Name: "two", Issuer: "https://token.example", Subject: "b"}}
		p := plan(t, c, next)
		require.Len(t, p.Kept, 2)
		apply(t, c, p)
		require.True(t, plan(t, c, d).Empty(), "the first is still there")
		require.Len(t, dir.Objects("applications")[0]["keyCredentials"], 2)

		d.Federated[0].Subject = "c"
		p = plan(t, c, d)
		require.Contains(t, p.String(), "subject: a → c")
		require.NotEmpty(t, p.Dangers())
		apply(t, c, p)
		require.True(t, plan(t, c, d).Empty())

		// Somebody makes one of the same name in the meantime.
		d.Federated = append(d.Federated, graphentra.Federated{Name: "three", Issuer: "https://token.example", Subject: "x"})
		mine := plan(t, c, d)
		d.Federated[1].Subject = "y"
		apply(t, c, plan(t, c, d))
		_, err := c.Apply(t.Context(), mine, nil)
		require.ErrorIs(t, err, graphentra.ErrChanged)

		// The same, with nothing that differs but what theirs does not have.
		d.Federated = append(d.Federated, graphentra.Federated{Name: "four", Issuer: "https://token.example", Subject: "z", Description: "ours"})
		mine = plan(t, c, d)
		d.Federated[2].Description = ""
		apply(t, c, plan(t, c, d))
		_, err = c.Apply(t.Context(), mine, nil)
		require.ErrorIs(t, err, graphentra.ErrChanged)
	})
}

func TestALaterSecretOfAnotherNameReplacesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		d := graphentra.Desired{Key: "mail", Name: "Mail", Secrets: []graphentra.Secret{{Name: "a", Life: 40 * day}, {Name: "b", Life: 300 * day}}}
		apply(t, c, plan(t, c, d))
		soon, err := c.Expiring(t.Context(), tenant, "mail", 60*day)
		require.NoError(t, err)
		require.Len(t, soon, 1)
		require.False(t, soon[0].Replaced)
	})
}

func TestExpiringCertificates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir, func(o *graphentra.Options) {
			o.Now = func() time.Time { return time.Date(2035, 12, 20, 0, 0, 0, 0, time.UTC) }
		})
		d := graphentra.Desired{Key: "mail", Name: "Mail", Certificates: []graphentra.Certificate{{Name: "one", Certificate: certificate(t)}}}
		apply(t, c, plan(t, c, d))
		soon, err := c.Expiring(t.Context(), tenant, "mail", 30*day)
		require.NoError(t, err)
		require.Len(t, soon, 1)
		require.Equal(t, graphentra.CertificateCredential, soon[0].Kind)
		require.Equal(t, "one", soon[0].Name)

		_, err = c.Expiring(t.Context(), tenant, "other", day)
		require.ErrorIs(t, err, graphentra.ErrNotFound)
		_, err = c.Expiring(t.Context(), tenant, "' or", day)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
		_, err = c.Expiring(t.Context(), tenant, "mail", -day)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	})
}

func TestReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		d := graphentra.TeamsMessenger("teams", "Messenger", "")
		r, err := c.Report(t.Context(), tenant, d)
		require.NoError(t, err)
		require.Len(t, r.Missing(), 11)
		require.Empty(t, r.URL, "there is nothing to agree to yet")

		d.Consent = false
		apply(t, c, plan(t, c, d))
		r, err = c.Report(t.Context(), tenant, d)
		require.NoError(t, err)
		require.Len(t, r.Missing(), 11)
		require.Equal(t, "https://login.microsoftonline.com/organizations/adminconsent?client_id="+r.AppID, r.URL)

		d.Consent = true
		p := plan(t, c, d)
		dir.Fail(entratest.DirectoryFault{Method: http.MethodPost, Path: "/appRoleAssignments", Status: http.StatusForbidden, Code: "Authorization_RequestDenied"})
		_, err = c.Apply(t.Context(), p, nil)
		require.ErrorIs(t, err, graphentra.ErrDenied)
		r, err = c.Report(t.Context(), tenant, d)
		require.NoError(t, err)
		require.Len(t, r.Missing(), 3)
		var b strings.Builder
		require.NoError(t, r.Print(&b))
		require.Contains(t, b.String(), "+ delegated Chat.ReadWrite, by an administrator for everybody\n")
		require.Contains(t, b.String(), "- application Chat.ReadWrite.All\n")
		require.Contains(t, b.String(), r.URL)

		apply(t, c, plan(t, c, d))
		less := d
		less.Permissions = d.Permissions[1:]
		r, err = c.Report(t.Context(), tenant, less)
		require.NoError(t, err)
		require.Empty(t, r.Missing())
		for _, p := range r.Permissions {
			require.True(t, p.Granted, p)
			wanted := p.Name != "Chat.ReadWrite"
			require.Equal(t, wanted, p.Wanted, p)
			require.Equal(t, p.Kind == graphentra.Application, !p.Since.IsZero(), p)
			require.Equal(t, p.Kind == graphentra.Delegated, p.ConsentType == "AllPrincipals", p)
		}

		// Somebody has agreed for themselves alone.
		grant := dir.Objects("oauth2PermissionGrants")[0]
		require.True(t, dir.Edit(grant["id"].(string), map[string]any{"consentType": "Principal", "principalId": fixed}))
		r, err = c.Report(t.Context(), tenant, d)
		require.NoError(t, err)
		require.Len(t, r.Missing(), 8)
		require.Equal(t, []string{fixed}, r.Missing()[0].People)
		require.Equal(t, "Principal", r.Missing()[0].ConsentType)
		p = plan(t, c, d)
		require.Contains(t, p.String(), "of one person ("+fixed+")")
		apply(t, c, p)
		all := dir.Objects("oauth2PermissionGrants")
		require.Len(t, all, 2, "what one person has agreed to is no consent for everybody, and stays")
		require.Equal(t, grant["scope"], all[0]["scope"])
		require.Equal(t, "AllPrincipals", all[1]["consentType"])
		require.True(t, plan(t, c, d).Empty())
	})
}
