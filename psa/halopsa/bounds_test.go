package halopsa_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/halopsa"
)

// answers signs in, and answers everything else with one body.
type answers string

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	body := string(a)
	switch {
	case strings.HasSuffix(r.URL.Path, "/authinfo"):
		body = `{"auth_url":"https://example.halopsa.com/auth"}`
	case strings.HasSuffix(r.URL.Path, "/token"):
		body = `{"access_token":"x","expires_in":3600}`
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// An answer that is no list must not pass for an empty one: a listing would end with nobody in it, and a note or a ticket
// that is not found would be written again.
func TestWhatIsNoListIsNotAnEmptyOne(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"null", "{}", `{"message":"try again"}`, `{"error":{"code":1}}`, `"busy"`, "", "<html>", `{"users":null,"clients":null,"actions":null}`} {
		c, err := halopsa.New("example.halopsa.com", halopsa.Credentials{ClientID: "a", ClientSecret: mspkit.Redact("b")}, &halopsa.Options{
			Agent: 5, Requests: -1, HTTPClient: &http.Client{Transport: answers(body)},
		})
		require.NoError(t, err)
		for _, way := range []func() error{
			func() error { _, err := c.ListContacts(t.Context(), psa.Query{}); return err },
			func() error { _, err := c.ListCompanies(t.Context(), psa.Query{}); return err },
			func() error { _, err := c.FindByEmail(t.Context(), "dana@contoso.example"); return err },
			func() error { _, err := c.FindByPhone(t.Context(), "+12025550143"); return err },
			func() error { _, err := c.ListNotes(t.Context(), ref("4711"), time.Time{}); return err },
			func() error { _, err := c.ListOptions(t.Context(), psa.FieldQueue, psa.Defaults{}); return err },
			func() error {
				_, err := c.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: "x", CompanyID: "12", Key: "vrf_1"})
				return err
			},
		} {
			err := way()
			require.ErrorIs(t, err, psa.ErrUnavailable, "%q", body)
			require.NotErrorIs(t, err, psa.ErrAmbiguousWrite)
		}
	}
}

// Contacts are decoded in bounded memory, whatever a server sends.
func TestAHugeAnswerIsRefused(t *testing.T) {
	t.Parallel()
	c, err := halopsa.New("example.halopsa.com", halopsa.Credentials{ClientID: "a", ClientSecret: mspkit.Redact("b")}, &halopsa.Options{
		Agent: 5, Requests: -1, HTTPClient: &http.Client{Transport: answers(`{"record_count":1,"users":[` + strings.Repeat("{},", 3<<20) + `{}]}`)},
	})
	require.NoError(t, err)
	_, err = c.ListContacts(t.Context(), psa.Query{})
	require.ErrorIs(t, err, psa.ErrUnavailable)
	require.ErrorContains(t, err, "too big")
}
