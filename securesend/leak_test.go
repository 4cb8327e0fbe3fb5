package securesend_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
)

func logger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// The whole life of several sends, with everything going wrong, leaves no secret in an error, a log, an event, or a
// program's print of what it got.
func TestNothingSecretIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var said strings.Builder
	secrets := map[string]string{
		"text": "correct horse battery", "passphrase": "open sesame", "file name": "salaries.xls", "file content": "everybody gets more",
		"phone": "2025550123", "mailbox": "dana.doe@client.example",
	}
	say := func(v any, err error) {
		t.Helper()
		_, _ = fmt.Fprintf(&said, "%v %+v %#v %s\n", v, v, v, fmt.Sprint(err))
	}
	know := func(name string, sent securesend.Sent) {
		t.Helper()
		link := sent.Link.Reveal()
		secrets["link of "+name] = link
		path, fragment, ok := strings.Cut(link, "#")
		if ok {
			secrets["fragment of "+name] = fragment
		}
		secrets["token of "+name] = path[strings.LastIndex(path, "/")+1:]
		// A number of three digits is found in many an id; it is looked for with what is around it.
	}
	ctx := t.Context()
	w.book.write = errors.New("not written: correct horse battery and salaries.xls")
	w.sms.fail = func(m securesend.Message) error {
		return &url.Error{Op: "Post", URL: "https://sms.example/?to=" + url.QueryEscape(m.To) + "&body=" + url.QueryEscape(m.Text.Reveal()), Err: io.ErrClosedPipe}
	}
	full := func() securesend.SendRequest {
		r := w.to(w.text("correct horse battery"))
		r.Deliver[1].Address = "dana.doe@client.example"
		r.Passphrase = mspkit.Redact("open sesame")
		r.Files = []securesend.File{{Name: "salaries.xls", Size: -1, Reader: strings.NewReader("everybody gets more")}}
		return r
	}
	r := full()
	r.Choice.DataToNote, r.Passphrase = true, mspkit.Redacted[string]{}
	_, err := w.Create(ctx, r)
	require.Error(t, err)
	say(nil, err)
	sent, err := w.Create(ctx, full())
	require.ErrorIs(t, err, securesend.ErrDelivery)
	say(sent, err)
	know("the send", sent)
	dana := w.reader(sent)
	dana.says("open sesame")
	opened, err := w.Open(ctx, sent.Ref, dana.take.Auth)
	say(opened, err)
	st, err := w.Status(ctx, sent.Ref, "jane")
	say(st, err)
	st, err = w.Renew(ctx, sent.Ref, "jane")
	say(st, err)
	st, err = w.Renew(ctx, sent.Ref, "sam")
	say(st, err)
	dana.take.Number = "correct horse battery"
	got, err := dana.takes()
	say(got.Half, err)
	dana.take.Number = st.Number.Reveal()
	other := dana.another()
	other.take.PassAuth = []byte("open sesame")
	_, err = other.takes()
	say(nil, err)
	_, err = w.reader(sent).takes()
	say(nil, err)
	st, err = w.Status(ctx, sent.Ref, "jane")
	require.NoError(t, err)
	dana.take.Number = st.Number.Reveal()
	got, err = dana.takes()
	require.NoError(t, err)
	secrets["half"] = string(got.Half.Reveal())
	say(got, nil)
	_, err = other.takes()
	say(nil, err)
	_, err = dana.chunks(0, 0, 100)
	say(nil, err)
	v, err := w.View(ctx, sent.Ref)
	say(v, err)
	say(dana.link, nil)

	r = full()
	r.Passphrase = mspkit.Redacted[string]{} // which takes its time
	again, err := w.Resend(ctx, sent.Ref, r)
	say(again, err)
	know("the second", again)
	coded := w.withCode(w.text("correct horse battery"))
	withCode := w.create(coded)
	know("one with a code", withCode)
	reader := w.reader(withCode)
	var code string
	w.sms.fail = func(m securesend.Message) error {
		code = m.Code.Reveal()
		return fmt.Errorf("%s cannot get %q", m.To, m.Text.Reveal())
	}
	err = w.SendCode(ctx, withCode.Ref, reader.take.Auth)
	say(nil, err)
	secrets["code"] = code
	err = w.SendCode(ctx, withCode.Ref, reader.take.Auth)
	say(nil, err)

	asked, err := w.Ask(ctx, w.to(w.text("")), "what?")
	say(asked, err)
	secrets["token of a request"] = strings.Split(asked.Link.Reveal(), "/r/")[1][:100]
	caller := w.answerer(asked)
	u, err := caller.admitted(asked.Number.Reveal())
	require.NoError(t, err)
	caller.answers(u, "correct horse battery", []byte("everybody gets more"))
	_, err = caller.commits()
	say(nil, err)
	require.NoError(t, caller.put(0))
	_, err = caller.commits()
	say(nil, err)
	received, err := w.Receive(ctx, asked.Ref, "sam", securesend.RandomKey())
	say(received, err)
	claim := securesend.RandomKey()
	received, err = w.Receive(ctx, asked.Ref, "jane", claim)
	require.NoError(t, err)
	secrets["claim"] = string(claim)
	say(received, nil)
	say(*received, nil)
	grant, err := w.Grant(ctx, w.text(""))
	require.NoError(t, err)
	know("a grant", grant)
	say(grant, nil)
	_, err = securesend.ParseLink(grant.Link.Reveal()[:140] + "?")
	say(nil, err)
	_, err = w.ParseToken(secrets["token of a grant"][1:])
	say(nil, err)

	w.recording = func(e securesend.Event) error { say(e, nil); return nil }
	w.eu = nil
	w.o.Blobs = map[string]securesend.BlobStore{securesend.RegionEurope: &hooked{failDelete: errors.New("away")}}
	w.Service = w.instance(nil)
	w.pass(48 * time.Hour)
	say(nil, w.RunOnce(context.WithoutCancel(ctx)))
	require.NotEmpty(t, w.logs.String())
	said.WriteString(w.logs.String())

	for name, secret := range secrets {
		require.NotEmpty(t, secret, name)
		raw := []byte(secret)
		source := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", raw), "[]byte{"), "}")
		for form, s := range map[string]string{
			"": secret, "in a URL ": url.QueryEscape(secret), "in hex ": hex.EncodeToString(raw),
			"as bytes ": strings.Trim(fmt.Sprintf("%d", raw), "[]"), "as source ": source,
		} {
			require.NotContains(t, said.String(), s, "%s%s", form, name)
		}
	}
}

// What a store is given holds nothing that could be read without the key ring.
func TestNothingIsStoredInClear(t *testing.T) {
	t.Parallel()
	spy := &spy{}
	w := newWorld(t, func(w *world) {
		spy.SecretStore = w.store
		w.store = spy
	})
	r := w.withCode(w.text("correct horse battery"))
	r.Passphrase = mspkit.Redact("open sesame")
	r.Choice.Header, r.Choice.Message = "a header of ours", "a message of ours"
	r.Files = []securesend.File{{Name: "salaries.xls", Size: -1, Reader: strings.NewReader("everybody gets more")}}
	sent := w.create(r)
	dana := w.reader(sent)
	require.NoError(t, w.SendCode(t.Context(), sent.Ref, dana.take.Auth))
	dana.take.Number = w.sms.last(t).Code.Reveal()
	dana.says("open sesame")
	text, files := dana.reads()
	require.Equal(t, "correct horse battery", text)
	require.Equal(t, []string{"everybody gets more"}, files)
	grant, err := w.Grant(t.Context(), w.text(""))
	require.NoError(t, err)
	b := w.composes(grant)
	_, fragment, _ := strings.Cut(sent.Link.Reveal(), "#")
	part, err := w.eu.Open(t.Context(), securesend.Part{Ref: sent.Ref}, 0, 19+16)
	require.NoError(t, err)
	sealed, err := io.ReadAll(part)
	require.NoError(t, err)
	stored := spy.seen.String() + string(sealed)
	require.Greater(t, len(stored), 1000)
	for name, secret := range map[string]string{
		"text": text, "passphrase": "open sesame", "file name": "salaries", "content": "everybody", "address": "2025550123", "code": dana.take.Number,
		"header": "of ours", "technician": "Jane Doe", "link": sent.Link.Reveal(), "fragment": fragment, "fragment as bytes": string(dana.f),
		"auth": string(dana.take.Auth), "claim": string(dana.take.Claim), "second auth": string(dana.take.PassAuth), "token": dana.link.Token.Reveal(),
		"token's secret": string(w.tokenSecret(dana.link)), "upload": string(b.upload),
	} {
		require.NotContains(t, stored, secret, name)
	}
}

// spy keeps everything that a store is told.
type spy struct {
	securesend.SecretStore
	seen strings.Builder
}

func (s *spy) note(v ...any) {
	for _, v := range v {
		_, _ = fmt.Fprintf(&s.seen, "%s|%v|", v, v)
	}
}

func (s *spy) Put(ctx context.Context, r securesend.Record, st securesend.Stamp, now time.Time) error {
	s.note(r, st)
	return s.SecretStore.Put(ctx, r, st, now)
}

func (s *spy) Commit(ctx context.Context, ref securesend.Ref, c securesend.Content, now time.Time) (securesend.Record, error) {
	s.note(ref, c)
	return s.SecretStore.Commit(ctx, ref, c, now)
}

func (s *spy) Take(ctx context.Context, ref securesend.Ref, t securesend.Take, now time.Time) (securesend.Record, error) {
	s.note(ref, t)
	return s.SecretStore.Take(ctx, ref, t, now)
}

func (s *spy) Open(ctx context.Context, ref securesend.Ref, auth []byte, st securesend.Stamp, now time.Time) (securesend.Record, error) {
	s.note(auth, st)
	return s.SecretStore.Open(ctx, ref, auth, st, now)
}

func (s *spy) Extend(ctx context.Context, ref securesend.Ref, f securesend.Fetch, now time.Time) (securesend.Record, error) {
	s.note(f)
	return s.SecretStore.Extend(ctx, ref, f, now)
}

func (s *spy) SendCode(ctx context.Context, ref securesend.Ref, c securesend.Code, now time.Time) (securesend.Record, error) {
	s.note(c)
	return s.SecretStore.SendCode(ctx, ref, c, now)
}

func (s *spy) Count(ctx context.Context, l []securesend.Limit, now time.Time) error {
	s.note(l)
	return s.SecretStore.Count(ctx, l, now)
}
