package main

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/internal/graphfake"
)

func TestAPersonSignsInWithACode(t *testing.T) {
	t.Parallel()
	s := newTestStage(t)
	app := s.entra.AddApp(entratest.App{})
	s.ids["contoso"].Consent(app.ID)
	anna := s.ids["contoso"].AddUser(entratest.User{Name: "Anna", Username: "anna@contoso.example", Admin: true})
	out, err := s.sync(t.Context(), t, settings{envClient: app.ID, envTenants: s.ids["contoso"].ID}, func(text string) {
		if strings.Contains(text, "enter the code") {
			s.entra.Approve(text, anna)
		}
	})
	require.NoError(t, err, out)
	require.Contains(t, out, "1 tenant is in step now")
	info, err := os.Stat(s.file)
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077, "others can read the file")
}

func TestACertificateSignsIn(t *testing.T) {
	t.Parallel()
	s := newTestStage(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "contact-sync"}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "app.pem")
	require.NoError(t, os.WriteFile(file, append(
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})...,
	), 0o600))
	app := s.entra.AddApp(entratest.App{Certificates: []crypto.PublicKey{&key.PublicKey}, Permissions: []string{"User.Read.All"}})
	s.ids["fabrikam"].Consent(app.ID)
	out, err := s.sync(t.Context(), t, settings{envClient: app.ID, envTenants: s.ids["fabrikam"].ID, envCert: file}, nil)
	require.NoError(t, err, out)
	require.Contains(t, out, "1 tenant is in step now")
}

// TestAPartner syncs the customers whom a partner reaches, and says why it does not reach the others.
func TestAPartner(t *testing.T) {
	t.Parallel()
	const readers, secret = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b", "s3cr3t-value"
	app := strings.ToLower(someApp)
	graph, err := graphfake.Start(&graphfake.Options{ClientID: app, ClientSecret: secret})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, graph.Close()) })
	home := graph.AddTenant("", "MSP", "msp.example")
	ids := map[string]string{}
	for _, name := range []string{"Contoso", "Fabrikam", "Woodgrove"} {
		c := graph.AddTenant("", name, "")
		ids[name] = c.ID
		c.Seed(30, 1)
		rel := graphfake.Relationship{Customer: c.ID, CustomerName: name, Group: other, Roles: []string{readers}}
		if name == "Woodgrove" {
			rel.Status = "terminated"
		}
		home.Relate(rel)
		if name == "Contoso" {
			c.Consent(app, "User.Read.All")
		}
	}
	run := func(tenants, token string) (string, error) {
		var out bytes.Buffer
		c := &command{out: &out, env: settings{
			envClient: app, envSecret: secret, envPartner: home.ID, envRefresh: token, envTenants: tenants,
		}.get, play: &played{cloud: entra.Cloud{
			Name: "fake", Login: graph.URL(), Graph: graph.URL(), GraphScope: "https://graph.microsoft.com/.default",
			PartnerCenter: graph.URL(), PartnerCenterScope: "https://api.partnercenter.microsoft.com/.default",
		}}}
		err := c.run(t.Context(), []string{"-yes", "-db", filepath.Join(t.TempDir(), "people.db")})
		require.NotContains(t, out.String(), token)
		return out.String(), err
	}
	token := graph.RefreshToken(home.ID, other)
	out, err := run("", token)
	require.ErrorContains(t, err, "2 tenants could not be read", out)
	require.Contains(t, out, "Contoso: 30 entries listed for the first time")
	require.Contains(t, out, "1 tenant is in step now")
	require.Contains(t, out, "Fabrikam: cannot be read\n  ! ")
	require.Contains(t, out, "Woodgrove: cannot be reached")
	t.Log(out)

	out, err = run("contoso="+ids["Contoso"], token)
	require.NoError(t, err, out)
	require.NotContains(t, out, "Fabrikam")
	out, err = run("contoso="+ids["Contoso"]+",stranger="+someTenant, token)
	require.ErrorContains(t, err, "1 tenant could not be read")
	require.Contains(t, out, "stranger: is not among the partner's customers")
	graph.RevokeRefresh(50173)
	_, err = run("", token)
	require.ErrorContains(t, err, "the partner cannot sign in")
	require.ErrorIs(t, err, entra.ErrSignIn)
	require.NotContains(t, err.Error(), token)
}
