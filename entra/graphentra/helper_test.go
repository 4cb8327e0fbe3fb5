package graphentra_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/entra/graphentra"
)

const tenant mspkit.TenantID = "north"

// creds gives every tenant a token that is its name.
type creds struct{ err error }

func (c creds) TenantCredential(_ context.Context, id mspkit.TenantID) (azcore.TokenCredential, error) {
	return token(id), c.err
}

type token string

func (t token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(t), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// wire brings requests to a handler without a network, so that time can be made up around it.
type wire struct{ http.Handler }

func (w wire) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	body := []byte{}
	if r.Body != nil {
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
	}
	in := r.Clone(r.Context())
	in.Body, in.RequestURI = io.NopCloser(bytes.NewReader(body)), r.URL.RequestURI()
	if r.URL.Scheme == "https" {
		in.TLS = &tls.ConnectionState{}
	}
	rec := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil { // the connection is closed
			if p != http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
				panic(p)
			}
			resp, err = nil, io.ErrUnexpectedEOF
		}
	}()
	w.ServeHTTP(rec, in)
	resp = rec.Result()
	resp.Request = r
	return resp, nil
}

func client(t testing.TB, h http.Handler, change ...func(*graphentra.Options)) *graphentra.Client {
	t.Helper()
	o := &graphentra.Options{HTTPClient: &http.Client{Transport: wire{h}}, Rate: -1}
	for _, f := range change {
		f(o)
	}
	c, err := graphentra.New(creds{}, o)
	require.NoError(t, err)
	return c
}

func plan(t testing.TB, c *graphentra.Client, d graphentra.Desired) *graphentra.Plan {
	t.Helper()
	p, err := c.Plan(t.Context(), tenant, d)
	require.NoError(t, err)
	return p
}

func apply(t testing.TB, c *graphentra.Client, p *graphentra.Plan) *graphentra.Result {
	t.Helper()
	res, err := c.Apply(t.Context(), p, nil)
	require.NoError(t, err)
	require.Nil(t, res.Remaining)
	return res
}

// everything is an application with all that can be desired, in a directory with the people for it.
func everything(t testing.TB, dir *entratest.Directory) graphentra.Desired {
	t.Helper()
	dana := dir.AddUser(entratest.DirectoryUser{Name: "Dana Reyes", UPN: "dana@contoso.example"})
	techs := dir.AddGroup("Technicians", dana)
	d := graphentra.SignIn("signin", "north", "North IT", "https://msp.example/auth")
	d.Notes = "Made by the helpdesk software."
	d.AccessClaims = []string{"idtyp"}
	d.Permissions = append(d.Permissions, graphentra.TeamsMessenger("x", "x", "").Permissions...)
	d.Secrets = []graphentra.Secret{{Name: "main"}}
	d.Certificates = []graphentra.Certificate{{Name: "proof", Certificate: certificate(t)}}
	d.Federated = []graphentra.Federated{{Name: "ci", Issuer: "https://token.example", Subject: "repo:north/helpdesk"}}
	d.Conditional = &graphentra.Conditional{BreakGlass: dir.AddGroup("Break glass", dir.AddUser(entratest.DirectoryUser{Name: "Emergency"}))}
	d.Assignments = []graphentra.Assignment{
		{Principal: techs, Kind: graphentra.Group, Role: "Technician"}, {Principal: dana, Kind: graphentra.User, Role: "Admin"},
	}
	return d
}

func certificate(t testing.TB) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "north"},
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	require.NoError(t, err)
	c, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}

func textLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
