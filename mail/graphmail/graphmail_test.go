package graphmail_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/graphmail"
)

// world is a Microsoft 365 with the tenants Contoso and Fabrikam, which the host calls "contoso" and "fabrikam".
type world struct {
	fake    *graphfake.Server
	tenants map[mspkit.TenantID]*graphfake.Tenant
	shared  string // the id of helpdesk@contoso.example
	client  *graphmail.Client
	senders *graphmail.Senders
	store   *mail.MemorySenders
	mu      sync.Mutex
	clock   time.Time
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// TenantCredential implements azurecred.TenantCredentials.
func (w *world) TenantCredential(_ context.Context, tenant mspkit.TenantID) (azcore.TokenCredential, error) {
	t, ok := w.tenants[tenant]
	if !ok {
		return nil, azurecred.ErrNotConnected
	}
	return token(func() string { return w.fake.Bearer(t.ID) }), nil
}

type token func() string

func (t token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: t(), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func newWorld(t *testing.T, o *graphmail.Options, fo *graphfake.Options) *world {
	t.Helper()
	if o == nil {
		o = &graphmail.Options{}
	}
	if fo == nil {
		fo = &graphfake.Options{Record: true}
	}
	w := &world{clock: time.Now(), store: mail.NewMemorySenders(), fake: graphfake.New(fo), tenants: map[mspkit.TenantID]*graphfake.Tenant{}}
	srv := httptest.NewServer(w.fake)
	t.Cleanup(srv.Close)
	c := w.fake.AddTenant("", "Contoso", "contoso.example")
	w.tenants["contoso"], w.tenants["fabrikam"] = c, w.fake.AddTenant("", "Fabrikam", "fabrikam.example")
	w.shared = c.Put(graphfake.User{DisplayName: "Contoso Helpdesk", Mail: "helpdesk@contoso.example", UPN: "hd-box@contoso.example", Disabled: true, Purpose: "shared", ProxyAddresses: []string{"SMTP:helpdesk@contoso.example", "smtp:it@contoso.example"}})
	c.Put(graphfake.User{DisplayName: "Dana Whitfield", Mail: "dana@contoso.example", Licences: []string{"SPE_E3"}})
	c.Put(graphfake.User{DisplayName: "Unlicensed Person", Mail: "temp@contoso.example"})
	c.Put(graphfake.User{DisplayName: "Board Room", Mail: "board@contoso.example", Purpose: "room", Disabled: true})
	c.Put(graphfake.User{DisplayName: "On Premises", Mail: "old@contoso.example", Purpose: "none"})
	c.Put(graphfake.User{DisplayName: "No Mail"})
	o.Cloud = azurecred.Cloud{Name: "fake", Login: srv.URL, Graph: srv.URL}
	o.RetryDelay, o.Now = time.Millisecond, w.now
	if o.PerMinute == 0 {
		o.PerMinute = 60_000
	}
	var err error
	w.client, err = graphmail.New(w, o)
	require.NoError(t, err)
	w.senders, err = graphmail.NewSenders(w.client, w.store)
	require.NoError(t, err)
	return w
}

func (w *world) choose(t *testing.T) {
	t.Helper()
	_, err := w.senders.Choose(t.Context(), "contoso", "helpdesk@contoso.example", "", "sam")
	require.NoError(t, err)
}

func letter() *mail.Message {
	return &mail.Message{
		Tenant: "contoso", To: mail.Address{Name: "Dana", Email: "dana@contoso.example"}, Subject: "Your code", Text: "1234 5678", HTML: "<p>1234 5678</p>",
		Key: "k1", Kind: mail.VerificationCode,
	}
}

func (w *world) send(t *testing.T, m *mail.Message) (mail.Receipt, error) {
	t.Helper()
	mailer, err := w.senders.Mailer(t.Context(), m.Tenant)
	require.NoError(t, err)
	return mailer.Send(t.Context(), m)
}

func TestSendFromTheSharedMailbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &graphmail.Options{SaveToSentItems: true}, nil)
	w.choose(t)
	m := letter()
	m.ReplyTo = mail.Address{Email: "answers@msp.example"}
	r, err := w.send(t, m)
	require.NoError(t, err)
	sent := w.tenants["contoso"].Sent()
	require.Len(t, sent, 1)
	got := sent[0]
	require.Equal(t, graphfake.Address{Name: "Contoso Helpdesk", Address: "helpdesk@contoso.example"}, got.From)
	require.Equal(t, []graphfake.Address{{Name: "Dana", Address: "dana@contoso.example"}}, got.To)
	require.Equal(t, []graphfake.Address{{Address: "answers@msp.example"}}, got.ReplyTo)
	require.Equal(t, []string{"html", "<p>1234 5678</p>", "Your code"}, []string{got.ContentType, got.Content, got.Subject})
	require.Equal(t, []graphfake.Header{{Name: "x-mspkit-id", Value: r.ID}, {Name: "x-auto-response-suppress", Value: "All"}}, got.Headers)
	require.False(t, got.SavedToSentItems, "a code does not stay in the mailbox, whatever is set")

	again, err := w.send(t, m)
	require.NoError(t, err)
	require.Equal(t, r.ID, again.ID, "a repeat is recognisable")
	m.Key = "k2"
	other, err := w.send(t, m)
	require.NoError(t, err)
	require.NotEqual(t, r.ID, other.ID)
	for kind, kept := range map[string]bool{mail.Notification: true, mail.SecurityNotice: true, mail.SecureData: false, mail.PasswordReset: false, "host-kind": false, "": false} {
		m.Kind = kind
		_, err = w.send(t, m)
		require.NoError(t, err)
		sent = w.tenants["contoso"].Sent()
		require.Equal(t, kept, sent[len(sent)-1].SavedToSentItems, kind)
	}
	m.HTML = ""
	_, err = w.send(t, m)
	require.NoError(t, err)
	sent = w.tenants["contoso"].Sent()
	require.Equal(t, []string{"text", "1234 5678"}, []string{sent[len(sent)-1].ContentType, sent[len(sent)-1].Content})
}

func TestFilesGoWithTheMailOrByUploadSessions(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		sizes []int
		draft bool
	}{
		"small":           {[]int{3, 100_000}, false},
		"one large":       {[]int{5_000_000}, true},
		"large and small": {[]int{7, 3_276_800, 3_276_801}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil, nil)
			w.choose(t)
			m := letter()
			m.Kind = "report"
			for i, n := range tc.sizes {
				data := bytes.Repeat([]byte{byte('a' + i)}, n)
				data[n-1] = 'z'
				m.Files = append(m.Files, mail.File{Name: "f" + string(rune('0'+i)) + ".png", Type: "image/png", Data: data})
			}
			m.Files[0].ContentID = "logo"
			_, err := w.send(t, m)
			require.NoError(t, err)
			sent := w.tenants["contoso"].Sent()
			require.Len(t, sent, 1)
			require.Equal(t, tc.draft, sent[0].FromDraft)
			require.Len(t, sent[0].Attachments, len(tc.sizes))
			for i, a := range sent[0].Attachments {
				require.Equal(t, m.Files[i].Name, a.Name)
				require.Equal(t, "image/png", a.ContentType)
				require.True(t, bytes.Equal(m.Files[i].Data, a.Content), "file %d", i)
				require.Equal(t, i == 0, a.Inline)
			}
			require.Equal(t, "logo", sent[0].Attachments[0].ContentID)
			for _, r := range w.fake.Requests() {
				if strings.HasPrefix(r.Path, "/upload/") {
					require.Equal(t, http.MethodPut, r.Method)
					require.LessOrEqual(t, len(r.Body), 4_000_000)
				}
			}
		})
	}
	w := newWorld(t, nil, nil)
	w.choose(t)
	m := letter()
	m.Files = []mail.File{{Name: "f.bin", Type: "application/octet-stream", Data: make([]byte, 4_000_000)}}
	for _, m.Kind = range []string{mail.VerificationCode, mail.PasswordReset, mail.KindSecureCode, ""} {
		_, err := w.send(t, m)
		require.ErrorIs(t, err, mail.ErrRejected, "a draft leaves a copy in Sent Items, and the code with it")
	}
	require.Empty(t, w.tenants["contoso"].Sent())
}

func TestADraftThatCannotBeSentIsDeleted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		at   func(*http.Request) bool
		want error
		kept bool
	}{
		"the upload is refused": {func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/createUploadSession") }, mail.ErrAuth, false},
		"a part is refused":     {func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/upload/") }, mail.ErrAuth, false},
		"sending is refused":    {func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/send") }, mail.ErrAuth, false},
		// It may be on its way.
		"nobody knows whether it was sent": {func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/send") }, mail.ErrAmbiguous, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil, nil)
			w.choose(t)
			w.fake.SetFault(func(r *http.Request) *graphfake.Fault {
				switch {
				case !tc.at(r):
					return nil
				case tc.kept:
					return &graphfake.Fault{Status: 500, Code: "ErrorInternalServerError"}
				}
				return &graphfake.Fault{Status: 403, Code: "ErrorAccessDenied"}
			})
			m := letter()
			m.Kind, m.Files = "report", []mail.File{{Name: "f.bin", Type: "application/octet-stream", Data: make([]byte, 4_000_000)}}
			_, err := w.send(t, m)
			require.ErrorIs(t, err, tc.want)
			deleted := false
			for _, r := range w.fake.Requests() {
				deleted = deleted || r.Method == http.MethodDelete && strings.Contains(r.Path, "/messages/")
			}
			require.Equal(t, !tc.kept, deleted)
			require.Empty(t, w.tenants["contoso"].Sent())
		})
	}
}

// A hostile answer must not make us send a file elsewhere.
func TestPartsGoToMicrosoftOnly(t *testing.T) {
	t.Parallel()
	var got atomic.Int64
	foreign := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got.Add(1) }))
	t.Cleanup(foreign.Close)
	for _, address := range []string{foreign.URL + "/x", "http://outlook.office.com/x", "https://outlook.office.com.evil.example/x", "https://notoffice.com/x", "https://user@outlook.office.com/x", "https://outlook.office.com:8443/x", "file:///etc/passwd", "::"} {
		w := newWorld(t, nil, nil)
		w.choose(t)
		w.fake.SetFault(func(r *http.Request) *graphfake.Fault {
			if strings.HasSuffix(r.URL.Path, "/createUploadSession") {
				return &graphfake.Fault{Status: 201, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"uploadUrl":"` + address + `"}`}
			}
			return nil
		})
		m := letter()
		m.Kind, m.Files = "report", []mail.File{{Name: "f.bin", Type: "application/octet-stream", Data: make([]byte, 4_000_000)}}
		_, err := w.send(t, m)
		require.ErrorIs(t, err, mail.ErrRejected, address)
		require.NotContains(t, err.Error(), "evil")
	}
	require.Zero(t, got.Load())
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault graphfake.Fault
		want  error
		says  string
		tries int
	}{
		"throttled for long":   {graphfake.Fault{Status: 429, Code: "ApplicationThrottled", RetryAfter: "600"}, mail.ErrTemporary, "", 1},
		"send as":              {graphfake.Fault{Status: 403, Code: "ErrorSendAsDenied"}, mail.ErrAuth, "own address", 1},
		"out of scope":         {graphfake.Fault{Status: 403, Code: "ErrorAccessDenied"}, mail.ErrAuth, "Mail.Send", 1},
		"removed":              {graphfake.Fault{Status: 404, Code: "ErrorInvalidUser"}, mail.ErrAuth, "choose another", 1},
		"not in the cloud":     {graphfake.Fault{Status: 404, Code: "MailboxNotEnabledForRESTAPI"}, mail.ErrAuth, "Exchange Online", 1},
		"bad recipient":        {graphfake.Fault{Status: 400, Code: "ErrorInvalidRecipients"}, mail.ErrRejected, "contact", 1},
		"too large":            {graphfake.Fault{Status: 413}, mail.ErrRejected, "a link in the place", 1},
		"unknown refusal":      {graphfake.Fault{Status: 400, Code: "ErrorSomethingNew"}, mail.ErrRejected, "", 1},
		"daily limit":          {graphfake.Fault{Status: 429, Code: "ErrorSubmissionQuotaExceeded", RetryAfter: "600"}, mail.ErrTemporary, "in a day", 1},
		"unavailable":          {graphfake.Fault{Status: 503}, mail.ErrTemporary, "", 1},
		"failed with it":       {graphfake.Fault{Status: 500}, mail.ErrAmbiguous, "may have been sent", 1},
		"gateway":              {graphfake.Fault{Status: 504}, mail.ErrAmbiguous, "", 1},
		"the answer is lost":   {graphfake.Fault{Drop: true, After: true}, mail.ErrAmbiguous, "may have been sent", 1},
		"consent is withdrawn": {graphfake.Fault{Status: 401, Code: "InvalidAuthenticationToken"}, mail.ErrAuth, "", 1},
		"redirected":           {graphfake.Fault{Redirect: "https://evil.example/"}, nil, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil, nil)
			w.choose(t)
			w.fake.SetFault(func(r *http.Request) *graphfake.Fault {
				if strings.HasSuffix(r.URL.Path, "/sendMail") {
					return &tc.fault
				}
				return nil
			})
			_, err := w.send(t, letter())
			require.Error(t, err)
			if tc.want != nil {
				require.ErrorIs(t, err, tc.want)
			}
			require.ErrorContains(t, err, tc.says)
			for _, secret := range []string{"dana", "helpdesk@", "1234", "evil"} {
				require.NotContains(t, err.Error(), secret)
			}
			n := 0
			for _, r := range w.fake.Requests() {
				if strings.HasSuffix(r.Path, "/sendMail") {
					n++
				}
			}
			require.LessOrEqual(t, n, 2, "a mail is not repeated where it may have been sent")
		})
	}
}

// A 429 is repeated after the time that Exchange asks for, also without it.
func TestThrottledMailIsSentInTheEnd(t *testing.T) {
	t.Parallel()
	for _, after := range []string{"0", ""} {
		w := newWorld(t, nil, nil)
		w.choose(t)
		var n atomic.Int64
		w.fake.SetFault(func(r *http.Request) *graphfake.Fault {
			if strings.HasSuffix(r.URL.Path, "/sendMail") && n.Add(1) == 1 {
				return &graphfake.Fault{Status: 429, Code: "ApplicationThrottled", RetryAfter: after}
			}
			return nil
		})
		_, err := w.send(t, letter())
		require.NoError(t, err)
		require.Len(t, w.tenants["contoso"].Sent(), 1)
	}
}

// Exchange refuses a fifth request to a mailbox; we hold it back.
func TestFourRequestsAtOnce(t *testing.T) {
	t.Parallel()
	var at, most atomic.Int64
	w := newWorld(t, nil, &graphfake.Options{Record: true, During: func(r *http.Request) {
		n := at.Add(1)
		defer at.Add(-1)
		for {
			if old := most.Load(); n <= old || most.CompareAndSwap(old, n) {
				break
			}
		}
		time.Sleep(2 * time.Millisecond)
	}})
	w.choose(t)
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			_, err := w.send(t, letter())
			require.NoError(t, err)
		})
	}
	all.Wait()
	require.LessOrEqual(t, most.Load(), int64(4))
	require.Len(t, w.tenants["contoso"].Sent(), 40)
	tries := 0
	for _, r := range w.fake.Requests() {
		if strings.HasSuffix(r.Path, "/sendMail") {
			tries++
		}
	}
	require.Equal(t, 40, tries, "nothing was throttled")
}

func TestThirtyMailsAMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &graphmail.Options{PerMinute: 30, MaxWait: -1}, nil)
	w.choose(t)
	sent := 0
	for range 30 {
		_, err := w.send(t, letter())
		if err != nil {
			require.ErrorIs(t, err, mail.ErrTemporary)
			break
		}
		sent++
	}
	require.Less(t, sent, 30, "thirty at once are not thirty a minute: Exchange would queue them")
	require.Len(t, w.tenants["contoso"].Sent(), sent)
}

func TestWhatIsNotSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, nil)
	w.choose(t)
	for name, tc := range map[string]struct {
		change func(*mail.Message)
		want   error
	}{
		"another sender": {func(m *mail.Message) { m.From = mail.Address{Email: "ceo@contoso.example"} }, mail.ErrRejected},
		"no subject":     {func(m *mail.Message) { m.Subject = "" }, mspkit.ErrInvalid},
		"a bad file":     {func(m *mail.Message) { m.Files = []mail.File{{Name: "../x", Type: "text/plain"}} }, mspkit.ErrInvalid},
	} {
		m := letter()
		tc.change(m)
		_, err := w.send(t, m)
		require.ErrorIs(t, err, tc.want, name)
	}
	s, err := w.store.Sender(t.Context(), "contoso")
	require.NoError(t, err)
	mailer, err := w.client.Mailer(s)
	require.NoError(t, err)
	m := letter()
	m.Tenant = "fabrikam"
	_, err = mailer.Send(t.Context(), m)
	require.ErrorIs(t, err, mspkit.ErrInvalid, "a mail of one tenant does not go by the mailbox of another")
	require.Empty(t, w.tenants["contoso"].Sent())
}
