package client_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/client"
)

// answers is a server that says the same to everything.
type answers struct {
	status            int
	contentType, body string
}

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	return &http.Response{
		StatusCode: a.status, Header: http.Header{"Content-Type": {a.contentType}}, Body: io.NopCloser(strings.NewReader(a.body)), Request: r, Proto: "HTTP/1.1",
		ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1,
	}, nil
}

// FuzzAnswers lets a server say anything: never a panic, never a content, and no secret in an error.
func FuzzAnswers(f *testing.F) {
	const jsonType = "application/json"
	f.Add(200, jsonType, `{"kind":"send","state":"ready","gate":"none","header":"AQAU","passphrase":true}`)
	f.Add(200, jsonType, `{"state":"draft","key":"AAAA","context":"`+strings.Repeat("A", 43)+`","limits":{"text":9,"total":9,"files":9},"files":[[0],[-1]]}`)
	f.Add(200, jsonType, `{"half":"`+strings.Repeat("A", 43)+`","context":"`+strings.Repeat("A", 43)+`","header":"AQAU","manifest":"AAAA","sizes":[-1]}`)
	f.Add(403, jsonType, `{"error":"number","triesLeft":-5}`)
	f.Add(429, jsonType, `{"error":"limited","limit":"x","retryAfter":9223372036854775807}`)
	f.Add(503, "text/html", "<html>")
	f.Add(302, "", "")
	f.Add(204, jsonType, "")
	f.Add(200, jsonType, `null`)
	token := strings.Repeat("dG9rZW4t", 9)
	key := strings.Repeat("a2V5", 10) + "a2V"
	f.Fuzz(func(t *testing.T, status int, contentType, body string) {
		if status < 200 || status > 599 {
			return // net/http does not hand it over
		}
		o := client.Options{HTTPClient: &http.Client{Transport: answers{status, contentType, body}}}
		client.Impatient(&o)
		_, err1 := client.Open(t.Context(), "https://help.example/s/"+token+"#"+key, &client.OpenOptions{Options: o})
		_, err2 := client.Open(t.Context(), "https://help.example/h/"+token, &client.OpenOptions{Options: o, Number: mspkit.Redact("123")})
		_, err3 := client.Create(t.Context(), "https://help.example/c/"+token+"#"+key, &client.CreateOptions{Options: o, Files: []securesend.File{{Size: -1, Reader: bytes.NewReader([]byte("x"))}}})
		_, err4 := client.Answer(t.Context(), "https://help.example/r/"+token+"#"+key, &client.AnswerOptions{Options: o, Text: mspkit.Redact("x")})
		require.Error(t, err1)
		require.Error(t, err2)
		require.Error(t, err4)
		for _, err := range []error{err1, err2, err3, err4, client.SendCode(t.Context(), "https://help.example/s/"+token+"#"+key, &o)} {
			if err != nil {
				require.NotContains(t, err.Error(), token[:16])
				require.NotContains(t, err.Error(), key)
			}
		}
	})
}
