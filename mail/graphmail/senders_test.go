package graphmail_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/graphmail"
)

func TestCheckTakesSharedMailboxesOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, nil)
	w.tenants["contoso"].Put(graphfake.User{DisplayName: "Visitor", Mail: "visitor@contoso.example", UserType: "Guest", Purpose: "shared"})
	for _, name := range []string{"one", "two"} {
		w.tenants["contoso"].Put(graphfake.User{
			DisplayName: name, Mail: name + "@contoso.example", Purpose: "shared", ProxyAddresses: []string{"smtp:both@contoso.example"},
		})
	}
	for name, tc := range map[string]struct {
		address string
		want    error
		says    string
	}{
		"its main address":     {"helpdesk@contoso.example", nil, ""},
		"its sign-in name":     {"hd-box@contoso.example", nil, ""},
		"another address":      {"it@contoso.example", nil, ""},
		"upper case":           {"IT@Contoso.example", nil, ""},
		"a person":             {"dana@contoso.example", graphmail.ErrNotShared, "of a person"},
		"without a licence":    {"temp@contoso.example", graphmail.ErrNotShared, "of a person"},
		"a room":               {"board@contoso.example", graphmail.ErrNotShared, "room"},
		"not in the cloud":     {"old@contoso.example", graphmail.ErrNotShared, "Exchange Online"},
		"nobody":               {"nobody@contoso.example", graphmail.ErrNotShared, "no account"},
		"a quotation mark":     {"o'hara@contoso.example", graphmail.ErrNotShared, "no account"},
		"a guest":              {"visitor@contoso.example", graphmail.ErrNotShared, "guest"},
		"two have it":          {"both@contoso.example", graphmail.ErrNotShared, "no account"},
		"of another tenant":    {"helpdesk@fabrikam.example", graphmail.ErrNotShared, "no account"},
		"no address":           {"helpdesk", mspkit.ErrInvalid, ""},
		"a path in an address": {"../../me@contoso.example", mspkit.ErrInvalid, ""},
		"a dollar sign":        {"$select=x@contoso.example", graphmail.ErrNotShared, "no account"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := w.client.Check(t.Context(), "contoso", tc.address)
			if tc.want != nil {
				require.ErrorIs(t, err, tc.want)
				require.ErrorContains(t, err, tc.says)
				return
			}
			require.NoError(t, err)
			require.Equal(t, graphmail.Mailbox{Tenant: "contoso", ID: w.shared, Address: mail.Address{Name: "Contoso Helpdesk", Email: "helpdesk@contoso.example"}}, m)
		})
	}
}

func TestCheckSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, nil)
	_, err := w.client.Check(t.Context(), "nobody", "helpdesk@contoso.example")
	require.ErrorIs(t, err, mail.ErrAuth)
	require.ErrorContains(t, err, "connect the tenant")
	w.fake.SetFault(func(r *http.Request) *graphfake.Fault {
		if strings.HasSuffix(r.URL.Path, "/mailboxSettings") {
			return &graphfake.Fault{Status: 403, Code: "ErrorAccessDenied"}
		}
		return nil
	})
	_, err = w.client.Check(t.Context(), "contoso", "helpdesk@contoso.example")
	require.ErrorIs(t, err, mail.ErrAuth)
	require.ErrorContains(t, err, "MailboxSettings.Read")
}

func TestCandidatesAreSharedMailboxes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, nil)
	w.tenants["contoso"].Put(graphfake.User{DisplayName: "Accounts", Mail: "accounts@contoso.example", Purpose: "shared"})
	list, more, err := w.client.Candidates(t.Context(), "contoso")
	require.NoError(t, err)
	require.False(t, more)
	var names []string
	for _, m := range list {
		names = append(names, fmt.Sprint(m.Address.Name, " ", m.SignIn))
	}
	require.Equal(t, []string{"Accounts true", "Contoso Helpdesk false"}, names)
	list, _, err = w.client.Candidates(t.Context(), "fabrikam")
	require.NoError(t, err)
	require.Empty(t, list)
	for i := range graphmail.MaxCandidates + 10 {
		w.tenants["fabrikam"].Put(graphfake.User{DisplayName: fmt.Sprint("Box ", i), Mail: fmt.Sprintf("box%d@fabrikam.example", i), Purpose: "shared"})
	}
	list, more, err = w.client.Candidates(t.Context(), "fabrikam")
	require.NoError(t, err)
	require.True(t, more)
	require.Len(t, list, graphmail.MaxCandidates)
}

func TestASenderIsChosenTestedAndTakenAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, nil)
	_, err := w.senders.Mailer(t.Context(), "contoso")
	require.ErrorIs(t, err, mail.ErrNotSetUp)
	_, err = w.senders.Choose(t.Context(), "contoso", "dana@contoso.example", "", "sam")
	require.ErrorIs(t, err, graphmail.ErrNotShared)
	_, err = w.senders.Choose(t.Context(), "contoso", "helpdesk@contoso.example", "", "")
	require.ErrorIs(t, err, mspkit.ErrInvalid, "somebody chose it")
	s, err := w.senders.Choose(t.Context(), "contoso", "it@contoso.example", "Contoso IT by Northwind", "sam")
	require.NoError(t, err)
	require.Equal(t, mail.Address{Name: "Contoso IT by Northwind", Email: "helpdesk@contoso.example"}, s.Address, "the main address, with the name that was chosen")
	templates, err := mail.NewTemplates(nil)
	require.NoError(t, err)
	test := mail.TestMail{Tenant: "contoso", Name: mail.VerificationCode, Locale: "en", Brand: mspkit.Brand{Name: "Northwind IT"}, To: mail.Address{Email: "sam@msp.example"}}
	w.advance(time.Minute)
	_, err = w.senders.Test(t.Context(), templates, test)
	require.NoError(t, err)
	sent := w.tenants["contoso"].Sent()
	require.Len(t, sent, 1)
	require.True(t, strings.HasPrefix(sent[0].Subject, mail.TestMark))
	s, err = w.senders.Sender(t.Context(), "contoso")
	require.NoError(t, err)
	require.True(t, s.TestedAt.Equal(w.now()))
	require.NoError(t, w.senders.Delete(t.Context(), "contoso"))
	_, err = w.senders.Test(t.Context(), templates, test)
	require.ErrorIs(t, err, mail.ErrNotSetUp)
	require.ErrorIs(t, w.senders.Delete(t.Context(), "contoso"), mail.ErrNotSetUp)
}

// A mailbox that is removed or given to a person after it was set up is noticed, and the next administrator who looks reads
// why.
func TestAMailboxThatIsNotSharedAnyMore(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*world)
		says   string
	}{
		"removed":                 {func(w *world) { w.tenants["contoso"].Delete(w.shared, false) }, "removed"},
		"converted to a person's": {func(w *world) { w.tenants["contoso"].Update(w.shared, func(u *graphfake.User) { u.Purpose = "user" }) }, "of a person"},
		"its address went to a person's": {func(w *world) {
			w.tenants["contoso"].Update(w.shared, func(u *graphfake.User) { u.Mail, u.ProxyAddresses = "old-helpdesk@contoso.example", nil })
			w.tenants["contoso"].Put(graphfake.User{DisplayName: "Eve", Mail: "helpdesk@contoso.example"})
		}, "another address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil, nil)
			w.choose(t)
			tc.change(w)
			w.advance(25 * time.Hour)
			_, err := w.send(t, letter())
			require.ErrorIs(t, err, mail.ErrAuth)
			require.ErrorContains(t, err, tc.says)
			require.Empty(t, w.tenants["contoso"].Sent())
			s, err := w.senders.Sender(t.Context(), "contoso")
			require.NoError(t, err)
			require.Contains(t, s.Problem, tc.says)
			require.Error(t, w.senders.Look(t.Context(), "contoso"))
			// Where Graph cannot tell now, what it told before is true: nothing goes through it.
			w.fake.SetFault(func(r *http.Request) *graphfake.Fault {
				if r.Method != http.MethodGet {
					return nil
				}
				return &graphfake.Fault{Status: http.StatusServiceUnavailable}
			})
			_, err = w.send(t, letter())
			require.ErrorIs(t, err, mail.ErrTemporary)
			require.Empty(t, w.tenants["contoso"].Sent())
		})
	}
	// Within the day Exchange itself tells of one that is gone.
	w := newWorld(t, nil, nil)
	w.choose(t)
	w.tenants["contoso"].Delete(w.shared, false)
	_, err := w.send(t, letter())
	require.ErrorIs(t, err, mail.ErrAuth)
	s, err := w.senders.Sender(t.Context(), "contoso")
	require.NoError(t, err)
	require.NotEmpty(t, s.Problem)
	// And one that is there again works again.
	w.tenants["contoso"].Put(graphfake.User{ID: w.shared, DisplayName: "Contoso Helpdesk", Mail: "helpdesk@contoso.example", Purpose: "shared"})
	w.advance(time.Minute)
	_, err = w.send(t, letter())
	require.NoError(t, err)
	s, err = w.senders.Sender(t.Context(), "contoso")
	require.NoError(t, err)
	require.Empty(t, s.Problem)
}

// deaf is a store that takes no notes.
type deaf struct{ mail.SenderStore }

func (deaf) NoteSender(context.Context, mspkit.TenantID, string, time.Time, time.Time, string) error {
	return errors.New("the disk is full")
}

// A mailbox that has become a person's sends nothing, also where that could not be stored.
func TestAMailboxThatIsNotSharedAnyMoreIsRefusedWithoutTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, nil)
	w.choose(t)
	var err error
	w.senders, err = graphmail.NewSenders(w.client, deaf{w.store})
	require.NoError(t, err)
	w.tenants["contoso"].Update(w.shared, func(u *graphfake.User) { u.Purpose = "user" })
	w.advance(25 * time.Hour)
	for range 3 {
		_, err := w.send(t, letter())
		require.ErrorIs(t, err, mail.ErrAuth)
	}
	require.Empty(t, w.tenants["contoso"].Sent())
	w.tenants["contoso"].Update(w.shared, func(u *graphfake.User) { u.Purpose = "shared" })
	_, err = w.send(t, letter())
	require.NoError(t, err)
}

// A name that is an address is what people see, and what they answer to in their heads.
func TestASendersNameIsNoOtherAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, nil)
	for _, name := range []string{"support@bank.example", "Contoso <it@contoso.example>", "support\uff20bank.example", "a\r\nBcc: x"} {
		_, err := w.senders.Choose(t.Context(), "contoso", "helpdesk@contoso.example", name, "sam")
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
	}
	_, err := w.senders.Choose(t.Context(), "contoso", "helpdesk@contoso.example", "helpdesk@contoso.example", "sam")
	require.NoError(t, err, "its own")
}

// The router sends a client's people from their mailbox, and the fallback policy sees what is wrong with it.
func TestTheRouterUsesTheSender(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, nil)
	platform := &memoryMailer{}
	var why []mail.Reason
	router, err := mail.NewRouter(platform, w.senders, &mail.RouterOptions{Fallback: mail.FallbackAlways, OnFallback: func(_ context.Context, c mail.FallbackCase) { why = append(why, c.Reason) }})
	require.NoError(t, err)
	r, err := router.Send(t.Context(), letter())
	require.NoError(t, err)
	require.Equal(t, mail.ReasonNotSetUp, r.Fallback)
	w.choose(t)
	r, err = router.Send(t.Context(), letter())
	require.NoError(t, err)
	require.Equal(t, mail.RouteTenant, r.Via)
	require.Len(t, w.tenants["contoso"].Sent(), 1)
	w.tenants["contoso"].Deny()
	r, err = router.Send(t.Context(), letter())
	require.NoError(t, err)
	require.Equal(t, []mail.Reason{mail.ReasonNotSetUp, mail.ReasonAuth}, why)
	require.Equal(t, mail.RoutePlatform, r.Via)
	require.Equal(t, 2, platform.n)
}

type memoryMailer struct{ n int }

func (m *memoryMailer) Send(context.Context, *mail.Message) (mail.Receipt, error) {
	m.n++
	return mail.Receipt{ID: "1"}, nil
}

func TestRestriction(t *testing.T) {
	t.Parallel()
	good := graphmail.Restriction{ClientID: "0c1d2e3f-1111-4222-8333-444455556666", ObjectID: "AAAABBBB-1111-4222-8333-444455556666", Name: "Northwind IT", Mailbox: mail.Address{Email: "o'neil@contoso.example"}, Read: true}
	s, err := good.PowerShell()
	require.NoError(t, err)
	for _, want := range []string{
		"New-ServicePrincipal -AppId 0c1d2e3f-1111-4222-8333-444455556666 -ObjectId aaaabbbb-1111-4222-8333-444455556666 -DisplayName 'Northwind IT'",
		"-Identity 'o''neil@contoso.example'", "-Role 'Application Mail.Send' -CustomResourceScope 'Northwind IT sender'",
		"if ($mailbox.RecipientTypeDetails -eq 'SharedMailbox' -and $mailbox.ExternalDirectoryObjectId) {",
		"'Application MailboxSettings.Read'", "Test-ServicePrincipalAuthorization", "remove Mail.Send",
	} {
		require.Contains(t, s, want)
	}
	begin, end := strings.Index(s, "if ($mailbox"), strings.Index(s, "} else { throw")
	for _, grant := range []string{"New-ManagementScope", "Mail.Send' -Cust", "MailboxSettings.Read' -Cust"} {
		require.Greater(t, strings.Index(s, grant), begin, "nothing is granted before it is known that it is the shared mailbox")
		require.Less(t, strings.Index(s, grant), end)
	}
	good.Read = false
	s, err = good.PowerShell()
	require.NoError(t, err)
	require.NotContains(t, s, "MailboxSettings.Read")
	for name, change := range map[string]func(*graphmail.Restriction){
		"client id": func(r *graphmail.Restriction) { r.ClientID = "x'; Remove-Mailbox" },
		"object id": func(r *graphmail.Restriction) { r.ObjectID = "" },
		"name":      func(r *graphmail.Restriction) { r.Name = "x'\nRemove-Mailbox" },
		"a quote":   func(r *graphmail.Restriction) { r.Name = "x\u2019" },
		"mailbox":   func(r *graphmail.Restriction) { r.Mailbox.Email = "a b@c.example" },
	} {
		r := good
		change(&r)
		_, err := r.PowerShell()
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	_, err := graphmail.New(nil, &graphmail.Options{ChunkSize: 1})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	require.ErrorContains(t, err, "credentials")
	require.ErrorContains(t, err, "ChunkSize")
	_, err = graphmail.NewSenders(nil, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}
