package graphx

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/mspkit/mspkit/internal/httpx"
)

func FuzzPage(f *testing.F) {
	for _, s := range []string{
		`{"@odata.context":"x","value":[{"id":"a","@removed":{"reason":"changed"}},{"id":"b","manager@delta":[{"id":"c"}]}],"@odata.nextLink":"https://graph.example/v1.0/users/delta?$skiptoken=1"}`,
		`{"value":[],"@odata.deltaLink":"https://graph.example/v1.0/users/delta?$deltatoken=1"}`,
		`{"value":[{"a":"\u00e9\"}]"}],"error":{"code":"x"}}`,
		`{"value":[1,2`, `{"value":[],"value":[]}`, `{"value":null}`, `[]`, `{"x":[[[]]],"value":[]} `,
		`{"value":[],"@odata.nextLink":"https://graph.example@evil.example/"}`,
	} {
		f.Add([]byte(s))
	}
	base, err := url.Parse("https://graph.example")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c := offline(t, &answers{list: []answer{{status: 200, body: string(body)}}}, func(o *Options) { o.MaxItem, o.MaxBody = 4000, 20_000 })
		var items []string
		links, err := c.Page(t.Context(), &Request{Tenant: "a", Path: "/users/delta"}, func(raw json.RawMessage) error {
			if !json.Valid(raw) {
				t.Fatalf("an item is no JSON: %q", raw)
			}
			if len(raw) > 4000 {
				t.Fatal("an item is too big")
			}
			items = append(items, string(raw))
			return nil
		})
		if err != nil {
			if links != (Links{}) {
				t.Fatal("links in spite of an error")
			}
			known := errors.Is(err, ErrAnswer) || errors.Is(err, ErrOrigin)
			if e, ok := errors.AsType[*Error](err); !known && (!ok || e.Status != http.StatusOK) {
				t.Fatalf("another error: %v", err)
			}
			return
		}
		// What was taken encoding/json takes too, with the same items.
		var want struct {
			Value []json.RawMessage `json:"value"`
		}
		members := map[string]json.RawMessage{}
		if err := json.Unmarshal(body, &members); err != nil {
			t.Fatalf("taken, but no JSON: %v", err)
		}
		if err := json.Unmarshal(members["value"], &want.Value); err != nil {
			t.Fatal(err)
		}
		if len(want.Value) != len(items) {
			t.Fatalf("%d items of %d", len(items), len(want.Value))
		}
		for n := range items {
			if !bytes.Equal(bytes.TrimSpace(want.Value[n]), []byte(items[n])) {
				t.Fatalf("item %d is %q, not %q", n, items[n], want.Value[n])
			}
		}
		for _, link := range []string{links.Next, links.Delta} {
			if link == "" {
				continue
			}
			u, err := url.Parse(link)
			if err != nil || !httpx.SameOrigin(base, u) || u.User != nil || u.Host != base.Host {
				t.Fatalf("a link to another host: %q", link)
			}
		}
	})
}

func FuzzTokenError(f *testing.F) {
	for _, s := range []string{
		`{"error":"invalid_grant","error_description":"AADSTS65001: x\r\nTrace ID: 5d1e8c3c-0000-4000-8000-000000000001","error_codes":[65001],"suberror":"x","claims":"{}"}`,
		`{"error":"invalid_client","error_codes":["7000215",1e9,-1,null]}`, `{"error":{"code":"x"}}`, `{"error":5}`, `[]`, "x AADSTS50076 {", "{{{{{",
		`RESPONSE 400 { "error": "invalid_grant" }`, "AADSTS00000",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		check := func(e *AuthError) {
			if e.Advice == "" || len(e.Codes) > maxCodes {
				t.Fatalf("%#v", e)
			}
			for _, c := range e.Codes {
				if c <= 0 {
					t.Fatalf("code %d", c)
				}
			}
			text := e.Error()
			if len(text) > 1000 || strings.ContainsAny(text, "\r\n\x00@<>") {
				t.Fatalf("text %q", text)
			}
		}
		if e := ParseTokenError(body); e != nil {
			check(e)
		}
		check(authError(errors.New(string(body))))
	})
}

func FuzzBatch(f *testing.F) {
	for _, s := range []string{
		`{"responses":[{"id":"2","status":200,"headers":{"Content-Type":"image/jpeg"},"body":"/9j/"},{"id":"1","status":404,"body":{"error":{"code":"x","message":"m"}}}]}`,
		`{"responses":[{"id":"1","status":410,"headers":{"Location":"https://evil.example/"}},{"id":"1","status":200}]}`,
		`{"responses":[{"id":1,"status":429,"headers":{"Retry-After":"99999"}},{"id":"3","status":0}]}`,
		`{"responses":null}`, `{}`, `[]`, `{"responses":[null,{"status":"200"}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c := offline(t, &answers{list: []answer{{status: 200, body: string(body)}}}, func(o *Options) {
			o.MaxRetryAfter, o.Retry.MaxRetries, o.Pause = -1, -1, -1
		})
		items := []BatchItem{{URL: "/a"}, {URL: "/b", Method: "POST", Body: 1}, {URL: "/c"}}
		out, err := c.Batch(t.Context(), "a", Directory, items)
		if err != nil {
			if out != nil || !errors.Is(err, ErrAnswer) {
				t.Fatalf("%v, %v", out, err)
			}
			return
		}
		if len(out) != len(items) {
			t.Fatalf("%d results", len(out))
		}
		for n, r := range out {
			if (r.Status/100 == 2) != (r.Err == nil) {
				t.Fatalf("item %d: status %d, error %v", n, r.Status, r.Err)
			}
			if r.Body != nil && !json.Valid(r.Body) {
				t.Fatalf("item %d has no JSON", n)
			}
			e, ok := errors.AsType[*Error](r.Err)
			if ok && e.Location != "" && !strings.HasPrefix(e.Location, "https://graph.example/") {
				t.Fatalf("location %q", e.Location)
			}
		}
	})
}
