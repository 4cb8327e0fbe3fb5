package graphfake

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const oneMail = `{"message":{"subject":"Hi","body":{"contentType":"HTML","content":"<p>Hi</p>"},
	"toRecipients":[{"emailAddress":{"address":"x@customer.example","name":"X"}}]%s},"saveToSentItems":false}`

func TestSendMail(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	_, _, cem := staff(f)
	path := "/v1.0/users/help@fabrikam.example/sendMail"
	a := f.do(http.MethodPost, path, fmt.Sprintf(oneMail, `,"internetMessageHeaders":[{"name":"x-acme","value":"1"}],
		"replyTo":[{"emailAddress":{"address":"r@fabrikam.example"}}],"from":{"emailAddress":{"address":"HELP@fabrikam.example","name":"Helpdesk"}},
		"attachments":[{"@odata.type":"#microsoft.graph.fileAttachment","name":"a.txt","contentType":"text/plain","contentBytes":"aGk="}]`))
	require.Equal(t, http.StatusAccepted, a.status, a.body)
	require.Empty(t, a.body)
	sent := f.tenant.Sent()
	require.Len(t, sent, 1)
	require.Equal(t, "help@fabrikam.example", sent[0].Address)
	require.Equal(t, Address{"Helpdesk", "HELP@fabrikam.example"}, sent[0].From)
	require.Equal(t, []Address{{"X", "x@customer.example"}}, sent[0].To)
	require.Equal(t, []Header{{"x-acme", "1"}}, sent[0].Headers)
	require.Equal(t, "hi", string(sent[0].Attachments[0].Content))
	require.Equal(t, "html", sent[0].ContentType)
	require.False(t, sent[0].SavedToSentItems)
	require.Equal(t, 202, f.do(http.MethodPost, path, `{"Message":{"toRecipients":[{"emailAddress":{"address":"a@b.example"}}]}}`).status)
	require.True(t, f.tenant.Sent()[1].SavedToSentItems, "unless it is said otherwise")

	headers := strings.Repeat(`{"name":"x-a","value":"1"},`, 6)
	for _, c := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"no recipient", `{"message":{"subject":"x"}}`, 400, "ErrorInvalidRecipients"},
		{"a bad recipient", `{"message":{"toRecipients":[{"emailAddress":{"address":"nobody"}}]}}`, 400, "ErrorInvalidRecipients"},
		{"a recipient with a name in it", `{"message":{"toRecipients":[{"emailAddress":{"address":"A <a@b.example>"}}]}}`, 400, "ErrorInvalidRecipients"},
		{"a bad copy", fmt.Sprintf(oneMail, `,"ccRecipients":[{"emailAddress":{"address":"@"}}]`), 400, "ErrorInvalidRecipients"},
		{"another header", fmt.Sprintf(oneMail, `,"internetMessageHeaders":[{"name":"Reply-To","value":"1"}]`), 400, "InvalidInternetMessageHeader"},
		{"a line break", fmt.Sprintf(oneMail, `,"internetMessageHeaders":[{"name":"x-a","value":"1\r\nBcc: x"}]`), 400, "InvalidInternetMessageHeader"},
		{"six headers", fmt.Sprintf(oneMail, `,"internetMessageHeaders":[`+headers[:len(headers)-1]+`]`), 400, "InvalidInternetMessageHeaderCollection"},
		{"an unknown property", fmt.Sprintf(oneMail, `,"priority":"high"`), 400, "RequestBodyRead"},
		{"a known one in another case", fmt.Sprintf(oneMail, `,"Subject":"x"`), 400, "RequestBodyRead"},
		{"a bad importance", fmt.Sprintf(oneMail, `,"importance":"urgent"`), 400, "RequestBodyRead"},
		{"a bad body type", `{"message":{"body":{"contentType":"markdown","content":""}}}`, 400, "RequestBodyRead"},
		{"an attachment without a type", fmt.Sprintf(oneMail, `,"attachments":[{"name":"a","contentBytes":"aGk="}]`), 400, "RequestBodyRead"},
		{"bad base64", fmt.Sprintf(oneMail, `,"attachments":[{"@odata.type":"#microsoft.graph.fileAttachment","name":"a","contentBytes":"*"}]`), 400, "RequestBodyRead"},
		{"an unknown parameter", `{"message":{},"draft":true}`, 400, "RequestBodyRead"},
		{"no message", `{"saveToSentItems":true}`, 400, "ErrorInvalidRequest"},
		{"somebody else's address", fmt.Sprintf(oneMail, `,"from":{"emailAddress":{"address":"ann@fabrikam.example"}}`), 403, "ErrorSendAsDenied"},
		{"too large", fmt.Sprintf(oneMail, `,"categories":["`+strings.Repeat("x", 4<<20)+`"]`), 413, "ErrorMessageSizeExceeded"},
	} {
		a := f.do(http.MethodPost, path, c.body)
		require.Equal(t, c.status, a.status, "%s: %s", c.name, a.body)
		require.Equal(t, c.code, a.code(), c.name)
	}
	f.tenant.AllowFrom("help@fabrikam.example", "Ann@fabrikam.example")
	require.Equal(t, 202, f.do(http.MethodPost, path, fmt.Sprintf(oneMail, `,"from":{"emailAddress":{"address":"ann@fabrikam.example"}}`)).status)

	mail := fmt.Sprintf(oneMail, "")
	f.tenant.RestrictMail("help@fabrikam.example")
	require.Equal(t, 202, f.do(http.MethodPost, path, mail).status)
	a = f.do(http.MethodPost, "/v1.0/users/ann@fabrikam.example/sendMail", mail)
	require.Equal(t, "403 ErrorAccessDenied", fmt.Sprint(a.status, " ", a.code()))
	f.tenant.RestrictMail()
	require.Equal(t, "MailboxNotEnabledForRESTAPI", f.do(http.MethodPost, "/v1.0/users/"+cem+"/sendMail", mail).code())
	require.Equal(t, "ErrorInvalidUser", f.do(http.MethodPost, "/v1.0/users/none@fabrikam.example/sendMail", mail).code())
	require.Equal(t, 405, f.get(path).status)
}

func TestSendMIME(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	staff(f)
	raw := "From: Help <help@fabrikam.example>\r\nTo: x@customer.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-Acme: 1\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe\r\n"
	path := "/v1.0/users/help@fabrikam.example/sendMail"
	require.Equal(t, 202, f.do(http.MethodPost, path, base64.StdEncoding.EncodeToString([]byte(raw)), "Content-Type: text/plain").status)
	m := f.tenant.Sent()[0]
	require.Equal(t, "Grüße", m.Subject)
	require.Equal(t, "Grüße\r\n", m.Content)
	require.Equal(t, []Header{{"X-Acme", "1"}}, m.Headers)
	require.Equal(t, raw, string(m.MIME))
	require.Equal(t, "ErrorMimeContentInvalidBase64String", f.do(http.MethodPost, path, raw, "Content-Type: text/plain").code())
}

func TestMailboxConcurrency(t *testing.T) {
	t.Parallel()
	var inside sync.WaitGroup
	leave := make(chan struct{})
	f := newFixture(t, &Options{During: func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/sendMail") {
			inside.Done()
			<-leave
		}
	}})
	staff(f)
	inside.Add(4)
	var done sync.WaitGroup
	for range 4 {
		done.Go(func() { f.do(http.MethodPost, "/v1.0/users/help@fabrikam.example/sendMail", fmt.Sprintf(oneMail, "")) })
	}
	inside.Wait()
	a := f.get("/v1.0/users/help@fabrikam.example/mailboxSettings")
	require.Equal(t, http.StatusTooManyRequests, a.status)
	require.Equal(t, "ApplicationThrottled", a.code())
	require.Equal(t, "MailboxConcurrency", a.m["error"].(map[string]any)["innerError"].(map[string]any)["code"])
	require.Equal(t, "1", a.header.Get("Retry-After"))
	require.Equal(t, 200, f.get("/v1.0/users/ann@fabrikam.example/mailboxSettings").status, "another mailbox")
	close(leave)
	done.Wait()
	require.Equal(t, 200, f.get("/v1.0/users/help@fabrikam.example/mailboxSettings").status)
	require.Len(t, f.tenant.Sent(), 4)
}

func TestDrafts(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	staff(f)
	box := "/v1.0/users/help@fabrikam.example/messages"
	draft := func() string {
		a := f.do(http.MethodPost, box, `{"subject":"Big","toRecipients":[{"emailAddress":{"address":"x@customer.example"}}]}`)
		require.Equal(t, http.StatusCreated, a.status, a.body)
		require.Equal(t, true, a.m["isDraft"])
		return box + "/" + a.m["id"].(string)
	}
	msg := draft()
	require.Equal(t, 1, f.tenant.Drafts("help@fabrikam.example"))
	require.Equal(t, "Big", f.get(msg + "?$select=subject").m["subject"])
	a := f.do(http.MethodPost, msg+"/attachments", `{"@odata.type":"#microsoft.graph.fileAttachment","name":"a.txt","contentBytes":"aGk="}`)
	require.Equal(t, http.StatusCreated, a.status, a.body)

	const size = 7 << 20
	a = f.do(http.MethodPost, msg+"/attachments/createUploadSession", fmt.Sprintf(`{"AttachmentItem":{"attachmentType":"file","name":"b.bin","size":%d}}`, size))
	require.Equal(t, http.StatusCreated, a.status, a.body)
	url := a.m["uploadUrl"].(string)
	put := func(from, n, total int, headers ...string) answered {
		return f.do(http.MethodPut, url, strings.Repeat("z", n),
			append([]string{"Authorization: ", "Content-Type: application/octet-stream", fmt.Sprintf("Content-Range: bytes %d-%d/%d", from, from+n-1, total)}, headers...)...)
	}
	require.Equal(t, 401, put(0, 3<<20, size, "Authorization: Bearer "+f.token).status)
	require.Equal(t, 416, put(1, 3<<20, size).status)
	require.Equal(t, 400, put(0, 3<<20, size+1).status)
	require.Equal(t, 400, put(0, 3<<20, size, "Content-Range: bytes 0-9/"+strconv.Itoa(size)).status)
	require.Equal(t, 413, put(0, 5<<20, size).status)
	a = put(0, 3<<20, size)
	require.Equal(t, []any{strconv.Itoa(3 << 20)}, a.m["NextExpectedRanges"])
	require.Equal(t, 416, put(0, 3<<20, size).status, "the same again")
	require.Equal(t, 404, f.do(http.MethodPut, url+"x", "z", "Authorization: ", "Content-Range: bytes 0-0/1").status)
	require.Equal(t, []any{strconv.Itoa(3 << 20)}, f.get(url, "Authorization: ").m["NextExpectedRanges"])
	require.Equal(t, 200, put(3<<20, 3<<20, size).status)
	a = put(6<<20, 1<<20, size)
	require.Equal(t, http.StatusCreated, a.status)
	require.Contains(t, a.header.Get("Location"), "/attachments('")

	require.Equal(t, http.StatusAccepted, f.do(http.MethodPost, msg+"/send", "").status)
	require.Equal(t, http.StatusNotFound, f.do(http.MethodPost, msg+"/send", "").status)
	m := f.tenant.Sent()[0]
	require.True(t, m.FromDraft && m.SavedToSentItems)
	require.Len(t, m.Attachments, 2)
	require.Len(t, m.Attachments[1].Content, size)

	msg = draft()
	for body, code := range map[string]string{
		`{"AttachmentItem":{"attachmentType":"file","name":"b","size":100}}`:       "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize",
		`{"AttachmentItem":{"attachmentType":"file","name":"b","size":157286401}}`: "ErrorAttachmentSizeLimitExceeded",
		`{"AttachmentItem":{"attachmentType":"item","name":"b","size":4000000}}`:   "ErrorInvalidRequest",
		`{"AttachmentItem":{"attachmentType":"file","file":"b","size":4000000}}`:   "RequestBodyRead",
		`{"item":{}}`: "RequestBodyRead",
	} {
		require.Equal(t, code, f.do(http.MethodPost, msg+"/attachments/createUploadSession", body).code(), body)
	}
	a = f.do(http.MethodPost, msg+"/attachments/createUploadSession", fmt.Sprintf(`{"attachmentItem":{"attachmentType":"file","name":"b.bin","size":%d}}`, size))
	url = a.m["uploadUrl"].(string)
	f.now = f.now.Add(9 * time.Hour)
	f.token = f.s.Bearer(f.tenant.ID)
	require.Equal(t, 404, put(0, 10, size).status, "the session has expired")
	require.Equal(t, http.StatusNoContent, f.do(http.MethodDelete, msg, "").status)
	require.Equal(t, http.StatusNotFound, f.do(http.MethodDelete, msg, "").status)
	require.Zero(t, f.tenant.Drafts("help@fabrikam.example"))
	require.Equal(t, "ErrorItemNotFound", f.do(http.MethodPost, strings.Replace(draft(), "help@", "ann@", 1)+"/send", "").code(), "another mailbox")
}
