package changefeed_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

func FuzzNotifications(f *testing.F) {
	f.Add([]byte(`{"value":[{"subscriptionId":"a","clientState":"b","changeType":"created","tenantId":"` + contosoID + `","resource":"chats('19:x')/messages('1')","resourceData":{"id":"1","@odata.etag":"W/\"1\""},"encryptedContent":{"data":"AA==","dataKey":"AA==","dataSignature":"AA==","encryptionCertificateId":"c"}}],"validationTokens":["a.eyJ0aWQiOiIxIn0.c"]}`))
	f.Add([]byte(`{"value":[{"subscriptionId":"a","tenantId":"` + contosoID + `","lifecycleEvent":"missed"}]}`))
	f.Add([]byte(`{"value":[{"resource":"teams('a')/channels('b')/messages('c')/replies('d')","resourceData":{"sequenceNumber":1e400}}]}`))
	f.Add([]byte(`{"value":[{},null,[],"x"],"validationTokens":["..","a.b"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		n := changefeed.ParseBody(body)
		if n > 0 && !json.Valid(body) {
			t.Fatalf("%d notifications in what is no JSON", n)
		}
	})
}

func FuzzPath(f *testing.F) {
	f.Add("chats('19:x@thread.v2')/messages('1')")
	f.Add("users('48d31887-5fad-4d73-a9f5-3c356e68a038')/chats/19:x/messages/1")
	f.Add("communications/presences('48d31887-5fad-4d73-a9f5-3c356e68a038')")
	f.Fuzz(func(t *testing.T, path string) {
		canonical, url, stream, ok := changefeed.ParsePath(path)
		if !ok {
			return
		}
		if strings.ContainsAny(url, "?#%\\ ") || strings.Contains(url, "..") || strings.Contains(url, "//") {
			t.Fatalf("%q leads to %q", path, url)
		}
		if again, _, same, ok := changefeed.ParsePath(canonical); !ok || again != canonical || same != stream {
			t.Fatalf("%q is %q, which is %q", path, canonical, again)
		}
	})
}

func FuzzDecrypt(f *testing.F) {
	own := ownCertificates()[0]
	cert, err := x509.ParseCertificate(own.DER)
	if err != nil {
		f.Fatal(err)
	}
	secret := []byte(`{"id":"1","body":{"content":"hello"}}`)
	good, err := json.Marshal(graphfake.Encrypt(secret, cert, "own-1"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"data":"AAAAAAAAAAAAAAAAAAAAAA==","dataKey":"AA==","dataSignature":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		plain, err := changefeed.Decrypt(own.Key, content, 1<<20)
		// Nobody can make another content with the right signature without the key.
		if err == nil && !bytes.Equal(plain, secret) {
			t.Fatalf("opened %q", plain)
		}
		if err != nil && plain != nil {
			t.Fatal("a part of what does not open was returned")
		}
	})
}

func FuzzPlainText(f *testing.F) {
	f.Add(`<p>Hi <at id="0">Ann</at>,<br>see <a href="x">this</a> &amp; <img alt='a>b'></p><script>x</script><!-- y -->`)
	f.Add("<pre>\n\n</pre><li><li>")
	f.Add("a<b c='")
	f.Fuzz(func(t *testing.T, s string) {
		got := changefeed.PlainText(s)
		if !utf8.ValidString(got) || len(got) > 2*len(s)+8 {
			t.Fatalf("%d bytes became %d", len(s), len(got))
		}
		for _, r := range got {
			if r != '\n' && (unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069) {
				t.Fatalf("%U is left", r)
			}
		}
		if strings.Contains(got, "\n\n\n\n") || strings.HasPrefix(got, "\n") || strings.HasSuffix(got, "\n") || strings.HasPrefix(got, " ") || strings.HasSuffix(got, " ") {
			t.Fatalf("white space is left in %q", got)
		}
	})
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"id":"1","etag":"1","createdDateTime":"2026-11-23T08:00:00Z","lastModifiedDateTime":"2026-11-23T08:00:00.123Z","from":{"user":{"id":"a","displayName":"Ann"}},"body":{"contentType":"html","content":"<p>x</p>"},"chatId":"19:x","attachments":[{"id":"a"}],"reactions":[{"reactionType":"like","user":{"user":{"id":"b"}}},{"user":null}]}`))
	f.Add([]byte(`{"id":"1","channelIdentity":{},"from":{},"body":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		text, event, ok := changefeed.ReadMessage(raw, "chats('19:x')/messages('1')")
		if ok && event == "" || !ok && text != "" {
			t.Fatal("half a message")
		}
	})
}
