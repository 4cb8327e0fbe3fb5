package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/client"
)

// desk is the program behind a server, with its portal.
type desk struct {
	*app
	t  *testing.T
	as *player
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	url := "http://" + srv.Listener.Addr().String()
	a, err := newApp(t.Context(), config{dir: t.TempDir(), url: url})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.close()) })
	srv.Config.Handler = a
	srv.Start()
	t.Cleanup(srv.Close)
	return &desk{a, t, &player{ctx: t.Context(), out: io.Discard, app: a, office: a.office.fake, desks: map[string]*http.Client{}}}
}

var danasForm = map[string]string{"person": "dana", "tenant": "contoso"}

// form posts a form with files as the page does, as Jane.
func (d *desk) form(fields url.Values, files ...io.Reader) (int, string) {
	d.t.Helper()
	return d.formAs("jane", fields, files...)
}

func (d *desk) formAs(technician string, fields url.Values, files ...io.Reader) (int, string) {
	d.t.Helper()
	r, w := io.Pipe()
	form := multipart.NewWriter(w)
	go func() {
		err := func() error {
			for name, v := range danasForm {
				if !fields.Has(name) {
					fields.Set(name, v)
				}
			}
			for name, vs := range fields {
				for _, v := range vs {
					if err := form.WriteField(name, v); err != nil {
						return err
					}
				}
			}
			for i, f := range files {
				part, err := form.CreateFormFile("file", fmt.Sprintf("%d.bin", i))
				if err == nil {
					_, err = io.Copy(part, f)
				}
				if err != nil {
					return err
				}
			}
			return form.Close()
		}()
		_ = w.CloseWithError(err)
	}()
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, d.cfg.url+"/api/send", r)
	require.NoError(d.t, err)
	req.Header.Set("Content-Type", form.FormDataContentType())
	return d.do(technician, req)
}

func (d *desk) do(technician string, req *http.Request) (int, string) {
	d.t.Helper()
	res, err := d.as.desk(technician).Do(req)
	require.NoError(d.t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(d.t, err)
	return res.StatusCode, string(body)
}

func (d *desk) post(technician, path string, fields url.Values) (int, string) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, d.cfg.url+path, strings.NewReader(fields.Encode()))
	require.NoError(d.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return d.do(technician, req)
}

// zeros are n bytes that take no memory.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func TestFilesGoThroughThePortalInLittleMemory(t *testing.T) { //nolint:paralleltest // it measures the memory of the process
	d := newDesk(t)
	d.form(url.Values{"text": {"warm"}, "deliver": {""}})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	status, body := d.form(url.Values{"deliver": {""}, "files": {"2"}, "name": {"one.bin", "two.bin"}}, zeros(96<<20), zeros(5))
	runtime.ReadMemStats(&after)
	require.Equal(t, http.StatusOK, status, body)
	require.Less(t, after.HeapSys-min(before.HeapSys, after.HeapSys), uint64(48<<20), "96 MiB went through")
	list, err := d.sends.List(t.Context(), securesend.Query{Tenant: "contoso"})
	require.NoError(t, err)
	require.Equal(t, 2, list[0].Files)
	require.Equal(t, securesend.RegionUS, list[0].Region, "the region of the client's country")
}

func TestWhatIsWrongWithAFormIsSaid(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for name, tc := range map[string]struct {
		fields url.Values
		files  []io.Reader
		status int
		want   string
	}{
		"nothing":               {url.Values{"deliver": {""}}, nil, 422, "neither a text nor a file"},
		"no such way":           {url.Values{"text": {"x"}, "deliver": {"fax"}}, nil, 422, "no fax address on record"},
		"a time that is none":   {url.Values{"text": {"x"}, "ttl": {"tomorrow"}}, nil, 422, "Ttl is not a time"},
		"too long":              {url.Values{"text": {"x"}, "ttl": {"900h"}}, nil, 422, "TTL is 900 hours, it must be 1 min to 720 hours."},
		"no such gate":          {url.Values{"text": {"x"}, "gate": {"smile"}}, nil, 422, "none of number, code, proof and none"},
		"a long text":           {url.Values{"text": {strings.Repeat("x", 300<<10)}}, nil, 422, "send it as a file"},
		"more than fields":      {url.Values{"text": {strings.Repeat("x", maxFields+1)}}, nil, 400, "did not arrive completely"},
		"files without a count": {url.Values{}, []io.Reader{zeros(1)}, 400, "did not arrive completely"},
		"a file that is away":   {url.Values{"files": {"2"}}, []io.Reader{zeros(1)}, 422, "a file is missing"},
		"a file that is cut":    {url.Values{"files": {"1"}, "size": {"9"}}, []io.Reader{zeros(8)}, 422, "not as long as was said"},
		"an odd size":           {url.Values{"files": {"1"}, "size": {"big"}}, []io.Reader{zeros(8)}, 400, "did not arrive completely"},
		"a file beyond limits":  {url.Values{"files": {"1"}, "size": {"2000000000"}}, []io.Reader{zeros(8)}, 422, "which is the tenant's limit"},
		"nobody":                {url.Values{"person": {"eve"}, "text": {"x"}}, nil, 404, "no such person"},
	} {
		status, body := d.form(tc.fields, tc.files...)
		require.Equal(t, tc.status, status, "%s: %s", name, body)
		require.Contains(t, body, tc.want, name)
		require.NotContains(t, body, "securesend:", name)
	}
	list, err := d.sends.List(t.Context(), securesend.Query{Tenant: "contoso"})
	require.NoError(t, err)
	for _, s := range list {
		require.Equal(t, securesend.StateRevoked, s.State, "what could not be made cannot be opened")
	}
}

func TestTheLockBindsTechniciansAndNotTheLead(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	settings := func(technician string, more url.Values) (int, string) {
		f := url.Values{"tenant": {"contoso"}}
		maps.Copy(f, more)
		return d.post(technician, "/settings", f)
	}
	status, _ := settings("jane", url.Values{"LockTechnician": {"on"}})
	require.Equal(t, http.StatusForbidden, status)
	status, body := settings("sam", url.Values{"LockTechnician": {"on"}, "Views": {"2"}})
	require.Equal(t, http.StatusOK, status, body) // after the redirect
	for field, words := range map[string]string{"ttl": "how long it lives", "gate": "what the recipient must bring", "views": "how often", "header": "the text above the page", "public": "whether the client sees them", "held": "the whole key"} {
		value := map[string]string{"ttl": "1h", "gate": "number", "views": "1", "header": "x", "public": "on", "held": "on"}[field]
		status, body = d.form(url.Values{"text": {"x"}, field: {value}})
		require.Equal(t, http.StatusUnprocessableEntity, status, body)
		require.Contains(t, body, words)
		status, body = d.formAs("sam", url.Values{"text": {"x"}, field: {value}})
		require.Equal(t, http.StatusOK, status, body)
	}
	status, body = d.form(url.Values{"text": {"x"}})
	require.Equal(t, http.StatusOK, status, body)
	list, err := d.sends.List(t.Context(), securesend.Query{Tenant: "contoso", Sender: "jane"})
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, 2, list[0].MaxViews)
	status, body = d.form(url.Values{"tenant": {"fabrikam"}, "person": {"omar"}, "text": {"x"}, "ttl": {"1h"}})
	require.Equal(t, http.StatusOK, status, "another client has its own rules: %s", body)
}

// Every field of the page is one of the settings, can be changed, and shows its own mistake.
func TestTheSettingsPageKeepsWhatIsTyped(t *testing.T) {
	t.Parallel()
	typed := url.Values{}
	for _, g := range settingsFields() {
		for _, f := range g.Fields {
			switch {
			case f.Is("select"):
				typed.Set(f.Name, f.Choices[len(f.Choices)-1][0])
			case f.Is("number"):
				typed.Set(f.Name, "2")
			case strings.HasPrefix(f.Name, "Templates."):
				typed.Set(f.Name, "Here: ${link}")
			default:
				typed.Set(f.Name, "on")
			}
		}
	}
	s := securesend.Settings{Brand: brand, Templates: map[string]string{}}
	p := settingsPage{Groups: settingsFields()}
	p.read(&s, typed)
	require.Zero(t, p.Faults, "%+v", p)
	shown := settingsPage{Groups: settingsFields()}
	shown.fill(&s)
	for _, g := range shown.Groups {
		for _, f := range g.Fields {
			require.Equal(t, typed.Get(f.Name), f.Value, f.Name)
		}
	}
	for name, value := range map[string]string{
		"Views": "101", "AfterView": "0", "TextTTL": "721", "FileTTL": "-1", "MaxTTL": "721", "MaxText": "513", "MaxSize": "x", "MaxFiles": "100000",
		"NumberTries": "3", "CodeTries": "6", "PassphraseTries": "21", "Gate": "smile", "LogTo": "fax", "Region": "Atlantis",
		"Header": strings.Repeat("x", 301), "Message": strings.Repeat("x", 2001), "Subject": "Open ${link}", "Templates.sms": "Here",
		"Templates.email": "${link} ${link}", "Templates.teams": "${link} ${password}",
	} {
		p := settingsPage{Groups: settingsFields()}
		p.read(&securesend.Settings{Brand: brand, Templates: map[string]string{}}, url.Values{name: {value}})
		require.Equal(t, 1, p.Faults, "%s: %+v", name, p)
		for _, g := range p.Groups {
			for _, f := range g.Fields {
				require.Equal(t, f.Name == name, f.Error != "", "%s: %s says %q", name, f.Name, f.Error)
				require.NotContains(t, f.Error, "invalid request")
			}
		}
	}
}

func TestNotesGoWhereTheSendSays(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for name, tc := range map[string]struct {
		fields           url.Values
		ticket, contact  int
		visible, content bool
	}{
		"usual":        {url.Values{"text": {"Secret-1"}}, 1, 0, false, false},
		"contact":      {url.Values{"text": {"Secret-1"}, "log": {"contact"}}, 0, 1, false, false},
		"nowhere":      {url.Values{"text": {"Secret-1"}, "log": {"none"}}, 0, 0, false, false},
		"public":       {url.Values{"text": {"Secret-1"}, "public": {"on"}}, 1, 0, true, false},
		"with content": {url.Values{"text": {"Secret-1"}, "note": {"on"}}, 2, 0, false, true},
	} {
		p, _ := d.person("contoso", "dana")
		ticketBefore, contactBefore := len(d.desk.fake.Desk().Notes(p.Ticket.ID)), len(d.desk.fake.Desk().ContactNotes())
		status, body := d.form(tc.fields)
		require.Equal(t, http.StatusOK, status, "%s: %s", name, body)
		require.NoError(t, d.sends.RunOnce(t.Context()))
		require.NoError(t, d.desk.outbox.RunOnce(t.Context()))
		notes := d.desk.fake.Desk().Notes(p.Ticket.ID)[ticketBefore:]
		require.Len(t, notes, tc.ticket, name)
		require.Len(t, d.desk.fake.Desk().ContactNotes()[contactBefore:], tc.contact, name)
		held := false
		for _, n := range notes {
			held = held || strings.Contains(n.Text, "Secret-1")
			require.Equal(t, tc.visible, n.Public, name)
		}
		require.Equal(t, tc.content, held, name)
	}
	status, body := d.post("jane", "/api/grant", url.Values{"person": {"dana"}, "tenant": {"contoso"}, "note": {"on"}})
	require.Equal(t, http.StatusUnprocessableEntity, status)
	require.Contains(t, body, "what a browser seals cannot be read here")
}

func TestAnAnswerIsADownloadAndNothingElse(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	p, _ := d.person("contoso", "dana")
	sent, err := d.sends.Ask(t.Context(), securesend.SendRequest{Tenant: p.Tenant, By: securesend.Technician{ID: "jane", Name: "Jane Doe"}, Subject: p.ID, Ticket: p.Ticket}, "x")
	require.NoError(t, err)
	_, err = client.Answer(t.Context(), sent.Link.Reveal(), &client.AnswerOptions{
		Number: sent.Number, Files: []securesend.File{{Name: "Ünsinn\r\n<script>.html", Size: 3, Reader: bytes.NewReader([]byte("<p>"))}},
	})
	require.NoError(t, err)
	ask := func(technician, claim, file string) (int, http.Header, string) {
		f := url.Values{"person": {"dana"}, "tenant": {"contoso"}, "id": {sent.Ref.ID}, "claim": {claim}, "file": {file}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.cfg.url+"/api/receive-file", strings.NewReader(f.Encode()))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := d.as.desk(technician).Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, errors.Join(err, res.Body.Close()))
		return res.StatusCode, res.Header, string(body)
	}
	refused := func(technician, claim, file, why string) {
		status, _, _ := ask(technician, claim, file)
		require.Equal(t, http.StatusUnprocessableEntity, status, why)
	}
	claim := newClaim()
	refused("sam", claim, "0", "another technician")
	refused("jane", "x", "0", "no claim")
	status, h, body := ask("jane", claim, "0")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "application/octet-stream", h.Get("Content-Type"))
	require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
	require.Contains(t, h.Get("Content-Security-Policy"), "sandbox")
	kind, with, err := mime.ParseMediaType(h.Get("Content-Disposition"))
	require.NoError(t, err)
	require.Equal(t, "attachment", kind)
	require.NotContains(t, with["filename"], "\n")
	require.Equal(t, "<p>", body)
	refused("jane", claim, "1", "no such file")
	refused("jane", newClaim(), "0", "another window")
}

func TestErrorsOfSendsAreSentences(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		&securesend.LockedFieldError{Field: "TTL"}, &securesend.LimitError{Limit: securesend.LimitRenewals}, &securesend.LimitError{Limit: "x"},
		securesend.ErrDraft, securesend.ErrEnded, securesend.ErrOpening, securesend.ErrNotFound, securesend.ErrForbidden,
		fmt.Errorf("this is too long: %w", securesend.ErrTooLarge),
	} {
		text := explain(fmt.Errorf("securesend: create: %w", errors.Join(err)))
		require.True(t, strings.HasSuffix(text, "."), text)
		require.NotContains(t, text, "securesend")
	}
	require.Len(t, fieldWords, 11, "one for each field of a choice, and the key in the address")
}
