package securesend_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/memstore"
)

// inMars is a blob store that knows where it is.
type inMars struct{ *memstore.Blobs }

func (inMars) Region() string { return "Mars" }

func TestNewSaysEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	settings := securesend.Same(securesend.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}})
	type O = securesend.Options
	for name, o := range map[string]O{
		`region ""`:      {Blobs: map[string]securesend.BlobStore{"": memstore.NewBlobs()}},
		`region "Venus"`: {Blobs: map[string]securesend.BlobStore{"Venus": nil}},
		`in "Mars"`:      {Blobs: map[string]securesend.BlobStore{"Europe": inMars{memstore.NewBlobs()}}},
		"1 to 64 bytes":  {Blobs: map[string]securesend.BlobStore{strings.Repeat("a", 65): memstore.NewBlobs()}},
		`sender ""`:      {Senders: map[string]securesend.Sender{"": &outbox{}}},
		`sender "sms"`:   {Senders: map[string]securesend.Sender{"sms": nil}},
		"1 to 32":        {Senders: map[string]securesend.Sender{strings.Repeat("a", 33): &outbox{}}},
		"SendTimeout":    {SendTimeout: -1},
		"SendTimeout is": {SendTimeout: time.Hour},
		"CodeTTL":        {CodeTTL: -1},
		"CodeTTL is":     {CodeTTL: 10 * time.Minute},
		"CodeCooldown":   {CodeCooldown: -1},
		"CodeSends":      {CodeSends: -1},
		"CodeSends is":   {CodeSends: 6},
		"Retention":      {Retention: time.Minute},
		"Poll":           {Poll: time.Hour},
	} {
		_, err := securesend.New(memstore.New(), ring, "https://help.example/send", settings, &o)
		require.ErrorContains(t, err, name)
	}
	for _, base := range []string{
		"", "help.example", "ftp://help.example", "http://help.example", "https://", "https:opaque", "https://user@help.example", "https://help.example?a=b",
		"https://help.example#a", "https://hélp.example", "https://help.example//send", "https://help.example/a/../b", "https://help.example/./send",
	} {
		_, err := securesend.New(memstore.New(), ring, base, settings, nil)
		require.ErrorIs(t, err, securesend.ErrInvalid, base)
	}
	_, err = securesend.New(nil, nil, "", nil, &O{Poll: -1})
	for _, what := range []string{"a store", "settings", "a key ring", "base URL", "Poll"} {
		require.ErrorContains(t, err, what, "all at once")
	}
	for base, want := range map[string]string{
		"https://help.example":         "https://help.example",
		"https://help.example/send/":   "https://help.example/send",
		"http://localhost:8080/x":      "http://localhost:8080/x",
		"http://127.0.0.1:8080":        "http://127.0.0.1:8080",
		"http://[::1]:8080/":           "http://[::1]:8080",
		"https://xn--hlp-bma.example/": "https://xn--hlp-bma.example",
	} {
		svc, err := securesend.New(memstore.New(), ring, base, settings, nil)
		require.NoError(t, err)
		require.Equal(t, want, svc.BaseURL())
		sent, err := svc.Create(t.Context(), securesend.SendRequest{Tenant: contoso, By: securesend.Technician{ID: "jane"}, Text: mspkit.Redact("x")})
		require.NoError(t, err)
		link, err := securesend.ParseLink(sent.Link.Reveal())
		require.NoError(t, err, "the links that it makes are links")
		require.Equal(t, want, link.Base)
	}
	_, err = securesend.New(memstore.New(), ring, "https://help.example", settings, &O{Blobs: map[string]securesend.BlobStore{"Mars": inMars{memstore.NewBlobs()}}})
	require.NoError(t, err)
}

func TestATokenNamesItsTenantAndNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sent := w.create(w.text("x"))
	link, err := securesend.ParseLink(sent.Link.Reveal())
	require.NoError(t, err)
	ref, err := w.ParseToken(link.Token.Reveal())
	require.NoError(t, err)
	require.Equal(t, sent.Ref, ref)
	require.NotContains(t, sent.Link.Reveal(), string(contoso))
	require.NotContains(t, sent.Link.Reveal(), sent.Ref.ID, "what is stored does not make a link")
	for _, bad := range []string{"", "x", link.Token.Reveal()[1:], link.Token.Reveal() + "A", strings.Repeat("A", 600)} {
		_, err := w.ParseToken(bad)
		require.ErrorIs(t, err, securesend.ErrNotFound)
	}
	tag := w.PublicTag(contoso)
	require.NotContains(t, tag, string(contoso))
	tenant, err := w.ParsePublicTag(tag)
	require.NoError(t, err)
	require.Equal(t, contoso, tenant)
	_, err = w.ParseToken(tag)
	require.ErrorIs(t, err, securesend.ErrNotFound, "a tag is no token")
	_, err = w.ParsePublicTag(link.Token.Reveal())
	require.ErrorIs(t, err, securesend.ErrNotFound)
	brand, locale, err := w.Brand(t.Context(), contoso)
	require.NoError(t, err)
	require.Equal(t, "Contoso IT", brand.Name)
	require.Equal(t, "en", locale)
	_, err = w.View(t.Context(), securesend.Ref{Tenant: contoso, ID: "nothing"})
	require.ErrorIs(t, err, securesend.ErrNotFound)
	_, err = w.View(t.Context(), securesend.Ref{Tenant: "fabrikam", ID: sent.Ref.ID})
	require.ErrorIs(t, err, securesend.ErrNotFound)
}
