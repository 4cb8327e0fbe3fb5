// Package graphsdk compares what internal/graphx reads of Microsoft Graph with what the SDK of Microsoft reads, and how
// fast. It is the only place besides entra/graphentra that builds that SDK, which takes minutes and gigabytes.
package graphsdk

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/serialization"
	kiotajson "github.com/microsoft/kiota-serialization-json-go"
	msgraphcore "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/graphcontacts"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/internal/graphx"
)

const (
	pageSize = 999
	pages    = 4
	everyone = pages * pageSize
)

var fields = []string{
	"id", "displayName", "givenName", "surname", "mail", "userPrincipalName", "mobilePhone", "businessPhones", "jobTitle", "companyName",
	"preferredLanguage", "accountEnabled", "userType", "manager", "assignedLicenses",
}

// TestMain is also the server, in a process of its own, so that what it allocates is not counted, and the processes that are
// killed while they provision.
func TestMain(m *testing.M) {
	if os.Getenv("GRAPHSDK_SERVER") != "" {
		serve()
		return
	}
	if given := os.Getenv(childEnv); given != "" {
		provision(given)
		return
	}
	os.Exit(m.Run())
}

// place is where the server is, and with what token it is read.
type place struct{ URL, Bearer string }

// serve answers until standard input ends. Each page is made once, so that what is measured is reading it.
func serve() {
	fake := graphfake.New(nil)
	tenant := fake.AddTenant("", "Contoso", "contoso.example")
	tenant.Seed(everyone, 1)
	var (
		mu    sync.Mutex
		known = map[string]*httptest.ResponseRecorder{}
	)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		key := r.URL.Query().Encode() // however it is escaped
		rec := known[key]
		if rec == nil {
			rec = httptest.NewRecorder()
			fake.ServeHTTP(rec, r)
			known[key] = rec
		}
		w.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	}))
	defer srv.Close()
	_ = json.NewEncoder(os.Stdout).Encode(place{srv.URL, fake.Bearer(tenant.ID)})
	_, _ = bufio.NewReader(os.Stdin).ReadByte() // until the test has ended
}

// start starts the server.
func start(t testing.TB) place {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "GRAPHSDK_SERVER=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	var p place
	require.NoError(t, json.NewDecoder(out).Decode(&p))
	return p
}

// user is what both read of somebody.
type user struct {
	ID, DisplayName, GivenName, Surname, Mail, UserPrincipalName, MobilePhone string
	BusinessPhones                                                            []string
	JobTitle, CompanyName, PreferredLanguage, UserType                        string
	AccountEnabled                                                            *bool
}

// sdk reads as the documentation of Microsoft's SDK says: pages by its iterator, with the adapter, the middlewares and the
// models that come with it.
type sdk struct {
	adapter *msgraphcore.GraphRequestAdapterBase
	place
}

// AuthenticateRequest implements authentication.AuthenticationProvider.
func (s *sdk) AuthenticateRequest(_ context.Context, r *abstractions.RequestInformation, _ map[string]any) error {
	r.Headers.Add("Authorization", "Bearer "+s.Bearer)
	return nil
}

func newSDK(t testing.TB, p place) *sdk {
	t.Helper()
	s := &sdk{place: p}
	var err error
	s.adapter, err = msgraphcore.NewGraphRequestAdapterBaseWithParseNodeFactoryAndSerializationWriterFactory(
		s, msgraphcore.GraphClientOptions{}, kiotajson.NewJsonParseNodeFactory(), kiotajson.NewJsonSerializationWriterFactory(),
	)
	require.NoError(t, err)
	s.adapter.SetBaseUrl(p.URL + "/v1.0")
	return s
}

func (s *sdk) read(ctx context.Context, each func(models.Userable)) (delta string, err error) {
	headers := abstractions.NewRequestHeaders()
	headers.Add("Accept", "application/json")
	headers.Add("Prefer", fmt.Sprintf("odata.maxpagesize=%d", pageSize))
	at, err := url.Parse(s.URL + "/v1.0/users/delta()?$select=" + strings.Join(fields, ","))
	if err != nil {
		return "", err
	}
	r := abstractions.NewRequestInformation()
	r.Method, r.Headers = abstractions.GET, headers
	r.SetUri(*at)
	first, err := s.adapter.Send(ctx, r, newDeltaPage, nil)
	if err != nil {
		return "", err
	}
	it, err := msgraphcore.NewPageIterator[models.Userable](first, s.adapter, newDeltaPage)
	if err != nil {
		return "", err
	}
	it.SetHeaders(headers)
	if err := it.Iterate(ctx, func(u models.Userable) bool { each(u); return true }); err != nil {
		return "", err
	}
	if link := it.GetOdataDeltaLink(); link != nil {
		delta = *link
	}
	return delta, nil
}

// deltaPage is a page of users. The SDK's own type for it is in its package users, which takes as long to compile as all its
// models, and does the same by a map of properties, which is a little slower.
type deltaPage struct {
	*models.BaseDeltaFunctionResponse

	value []models.Userable
}

func newDeltaPage(serialization.ParseNode) (serialization.Parsable, error) {
	return &deltaPage{BaseDeltaFunctionResponse: models.NewBaseDeltaFunctionResponse()}, nil
}

// GetValue is what the iterator asks for.
func (p *deltaPage) GetValue() []models.Userable { return p.value }

// GetFieldDeserializers implements serialization.Parsable.
func (p *deltaPage) GetFieldDeserializers() map[string]func(serialization.ParseNode) error {
	all := p.BaseDeltaFunctionResponse.GetFieldDeserializers()
	all["value"] = func(n serialization.ParseNode) error {
		list, err := n.GetCollectionOfObjectValues(models.CreateUserFromDiscriminatorValue)
		if err != nil {
			return err
		}
		p.value = make([]models.Userable, len(list))
		for i, v := range list {
			u, ok := v.(models.Userable)
			if !ok {
				return fmt.Errorf("item %d is no user", i)
			}
			p.value[i] = u
		}
		return nil
	}
	return all
}

// thin is internal/graphx with the shape of a user that contacts/graphcontacts reads.
type thin struct{ client *graphx.Client }

type thinUser struct {
	ID                graphx.Text `json:"id"`
	DisplayName       graphx.Text `json:"displayName"`
	GivenName         graphx.Text `json:"givenName"`
	Surname           graphx.Text `json:"surname"`
	Mail              graphx.Text `json:"mail"`
	UserPrincipalName graphx.Text `json:"userPrincipalName"`
	MobilePhone       graphx.Text `json:"mobilePhone"`
	BusinessPhones    []string    `json:"businessPhones"`
	JobTitle          graphx.Text `json:"jobTitle"`
	CompanyName       graphx.Text `json:"companyName"`
	PreferredLanguage graphx.Text `json:"preferredLanguage"`
	AccountEnabled    *bool       `json:"accountEnabled"`
	UserType          graphx.Text `json:"userType"`
	AssignedLicenses  []struct{}  `json:"assignedLicenses"`
	Manager           []struct {
		ID graphx.Text `json:"id"`
	} `json:"manager@delta"`
}

func newThin(t testing.TB, p place) *thin {
	t.Helper()
	c, err := graphx.New(p, &graphx.Options{BaseURL: p.URL})
	require.NoError(t, err)
	return &thin{c}
}

func (s *thin) read(ctx context.Context, each func(*thinUser)) (delta string, err error) {
	r := &graphx.Request{
		Tenant: "contoso", Path: "/users/delta?$select=" + strings.Join(fields, ","),
		Header: http.Header{"Prefer": {fmt.Sprintf("odata.maxpagesize=%d", pageSize)}},
	}
	for {
		links, err := graphx.PageOf(ctx, s.client, r, func(u *thinUser) error { each(u); return nil })
		if err != nil || links.Next == "" {
			return links.Delta, err
		}
		r = &graphx.Request{Tenant: "contoso", Path: links.Next, Header: r.Header}
	}
}

// TenantCredential implements [azurecred.TenantCredentials].
func (p place) TenantCredential(context.Context, mspkit.TenantID) (azcore.TokenCredential, error) {
	return p, nil
}

// GetToken implements [azcore.TokenCredential].
func (p place) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: p.Bearer, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// source is the whole way to contacts: names cleaned, numbers in E.164.
func source(t testing.TB, p place) *graphcontacts.Source {
	t.Helper()
	s, err := graphcontacts.New(p, &graphcontacts.Options{Cloud: azurecred.Cloud{Login: p.URL, Graph: p.URL}, Region: "US"})
	require.NoError(t, err)
	return s
}

func readSource(ctx context.Context, s *graphcontacts.Source) (n int, err error) {
	for p, err := range contacts.Pages(ctx, s, contacts.Query{Tenant: "contoso"}) {
		if err != nil {
			return n, err
		}
		n += len(p.Contacts) + len(p.Removed)
	}
	return n, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// TestBothReadTheSameUsers holds the comparison to be one of the same work.
func TestBothReadTheSameUsers(t *testing.T) {
	t.Parallel()
	p := start(t)
	var theirs, ours []user
	theirDelta, err := newSDK(t, p).read(t.Context(), func(u models.Userable) {
		theirs = append(theirs, user{
			ID: text(u.GetId()), DisplayName: text(u.GetDisplayName()), GivenName: text(u.GetGivenName()), Surname: text(u.GetSurname()),
			Mail: text(u.GetMail()), UserPrincipalName: text(u.GetUserPrincipalName()), MobilePhone: text(u.GetMobilePhone()),
			BusinessPhones: u.GetBusinessPhones(), JobTitle: text(u.GetJobTitle()), CompanyName: text(u.GetCompanyName()),
			PreferredLanguage: text(u.GetPreferredLanguage()), UserType: text(u.GetUserType()), AccountEnabled: u.GetAccountEnabled(),
		})
	})
	require.NoError(t, err)
	managers := 0
	ourDelta, err := newThin(t, p).read(t.Context(), func(u *thinUser) {
		ours = append(ours, user{
			ID: u.ID.String(), DisplayName: u.DisplayName.String(), GivenName: u.GivenName.String(), Surname: u.Surname.String(), Mail: u.Mail.String(),
			UserPrincipalName: u.UserPrincipalName.String(), MobilePhone: u.MobilePhone.String(), BusinessPhones: u.BusinessPhones,
			JobTitle: u.JobTitle.String(), CompanyName: u.CompanyName.String(), PreferredLanguage: u.PreferredLanguage.String(),
			UserType: u.UserType.String(), AccountEnabled: u.AccountEnabled,
		})
		managers += len(u.Manager)
	})
	require.NoError(t, err)
	require.Len(t, ours, everyone)
	require.Equal(t, theirs, ours)
	require.NotEmpty(t, ourDelta)
	require.Equal(t, theirDelta, ourDelta)
	require.Greater(t, managers, everyone/2)
	n, err := readSource(t.Context(), source(t, p))
	require.NoError(t, err)
	require.Equal(t, everyone, n)
}
