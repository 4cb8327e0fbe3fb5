package browser_test

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/verifypage"
	"github.com/mspkit/mspkit/verify/verifytest"
)

const tenant = mspkit.TenantID("contoso")

var jane = verify.Technician{ID: "jane", Name: "Jane Doe"}

// world is a service and its pages on a loopback server, with a clock that tests move.
type world struct {
	testing.TB
	svc      *verify.Service
	pages    *verifypage.Pages
	base     string
	mail     *verifytest.Channel
	settings verify.Settings
	locale   string

	mu     sync.Mutex
	clock  time.Time
	events []verify.EventKind
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		TB: t, mail: &verifytest.Channel{Level: verify.AssuranceEmail}, clock: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC),
		settings: verify.Settings{
			Brand:  mspkit.Brand{Name: "Contoso IT", Phone: "+1 5550 0100", Site: "https://help.contoso.example"},
			Limits: verify.Limits{Cooldown: -1},
		},
	}
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	srv := httptest.NewUnstartedServer(nil)
	w.base = "http://" + srv.Listener.Addr().String() + "/verify"
	now := func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.clock }
	w.svc, err = verify.New(memstore.New(), ring, w.base, func(context.Context, mspkit.TenantID) (verify.Settings, error) { return w.settings, nil },
		&verify.Options{
			Channels: map[string]verify.Channel{"email": w.mail}, Now: now,
			Recorder: verify.RecorderFunc(func(_ context.Context, e verify.Event) error {
				w.events = append(w.events, e.Kind)
				return nil
			}),
			Authorize: func(context.Context, mspkit.TenantID, string, verify.Permission) error { return nil },
			Lookup:    func(context.Context, mspkit.TenantID, string) (*verify.TechnicianRequest, error) { return nil, nil },
		})
	require.NoError(t, err)
	require.NoError(t, w.svc.RunOnce(t.Context()))
	w.pages, err = verifypage.New(w.svc, &verifypage.Options{PublicForm: true, Now: now})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/verify/", http.StripPrefix("/verify", w.pages))
	srv.Config.Handler = mux
	srv.Start()
	t.Cleanup(srv.Close)
	return w
}

func (w *world) pass(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.clock = w.clock.Add(d) }

func (w *world) subject() verify.Subject {
	return verify.Subject{ID: "dana", Name: "Dana Smith", Company: "Northwind Traders", Locale: w.locale, Destinations: []verify.Destination{
		{Channel: "email", Address: "dana@northwind.example", FirstSeen: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)},
	}}
}

func (w *world) start() (verify.Challenge, string) {
	w.Helper()
	c, err := w.svc.Start(w.Context(), verify.StartRequest{
		Tenant: tenant, Subject: w.subject(), Action: verify.ActionIdentify, Technician: jane,
		Ticket: mspkit.Ticket{System: "psa", ID: "T-4711"},
	})
	require.NoError(w, err)
	return c, w.link()
}

func (w *world) startTechnician(call *verify.Call) (c verify.Challenge, link string) {
	w.Helper()
	c, err := w.svc.StartTechnician(w.Context(), verify.TechnicianRequest{Tenant: tenant, Subject: w.subject(), Call: call, By: jane.ID})
	require.NoError(w, err)
	return c, w.link()
}

func (w *world) inCall() *verify.Call {
	return &verify.Call{Technician: jane, Ticket: mspkit.Ticket{System: "psa", ID: "T-4711"}, Began: w.clock.Add(-3 * time.Minute), By: verify.SideContact}
}

func (w *world) link() string {
	w.Helper()
	d, err := w.mail.Last()
	require.NoError(w, err)
	return d.Link.Reveal()
}

func (w *world) get(c verify.Challenge) verify.Challenge {
	w.Helper()
	got, err := w.svc.Get(w.Context(), c.Ref, jane.ID)
	require.NoError(w, err)
	return got
}

func (w *world) renew(c verify.Challenge) verify.Challenge {
	w.Helper()
	got, err := w.svc.Renew(w.Context(), verify.RenewRequest{Ref: c.Ref, Technician: jane.ID})
	require.NoError(w, err)
	return got
}

func (w *world) kinds() []verify.EventKind {
	w.Helper()
	require.NoError(w, w.svc.RunOnce(w.Context()))
	return w.events
}

// post sends a form without a browser.
func (w *world) post(link, field, value string) {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), http.MethodPost, link, strings.NewReader(url.Values{field: {value}}.Encode()))
	require.NoError(w, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(r)
	require.NoError(w, err)
	require.NoError(w, resp.Body.Close())
	require.Less(w, resp.StatusCode, 500)
}

// wrong returns a number that is not n.
func wrong(n string) string {
	if n == "111" {
		return "222"
	}
	return "111"
}

// state is one page that people can meet.
type state struct {
	name string
	make func(w *world) (link string)
}

var states = []state{
	{"caller", func(w *world) string { _, link := w.start(); w.pass(70 * time.Second); return link }},
	{"caller-branded", func(w *world) string {
		w.settings.Brand = mspkit.Brand{Name: "Fabrikam Support", Color: "#a3195b", Logo: logo(w), Phone: "+49 30 901820", Site: "fabrikam.example"}
		_, link := w.start()
		return link
	}},
	{"caller-long", func(w *world) string {
		w.settings.Brand = mspkit.Brand{Name: "Bundesweite Informationstechnik-Dienstleistungsgesellschaft", Color: "#ffd400"}
		s := w.subject()
		s.Name, s.Company = "Maximiliane Freifrau von Hohenzollern-Sigmaringen", "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk"
		_, err := w.svc.Start(w.Context(), verify.StartRequest{
			Tenant: tenant, Subject: s, Action: verify.ActionIdentify, Ticket: mspkit.Ticket{System: "psa", ID: strings.Repeat("4711-", 10)},
			Technician: verify.Technician{ID: jane.ID, Name: "Wolfeschlegelsteinhausenbergerdorff Hubert"},
		})
		require.NoError(w, err)
		return w.link()
	}},
	{"caller-wrong", func(w *world) string {
		c, link := w.start()
		w.post(link, "answer", wrong(c.Number.Reveal()))
		return link + "?e=wrong"
	}},
	{"not-me", func(w *world) string { _, link := w.start(); w.post(link+"/not-me", "x", ""); return link + "/not-me" }},
	{"not-me-wrong", func(w *world) string {
		_, link := w.start()
		w.post(link+"/not-me", "x", "")
		w.post(link+"/not-me/confirm", "word", "wrong words")
		return link + "/not-me?e=wrong"
	}},
	{"confirmed", func(w *world) string {
		c, link := w.start()
		w.post(link, "answer", c.Number.Reveal())
		return link
	}},
	{"failed", func(w *world) string {
		c, link := w.start()
		w.post(link, "answer", wrong(c.Number.Reveal()))
		w.post(link, "answer", wrong(c.Number.Reveal()))
		return link
	}},
	{"denied", func(w *world) string {
		c, link := w.start()
		w.post(link+"/not-me/confirm", "word", c.Word.Reveal())
		return link
	}},
	{"expired", func(w *world) string { _, link := w.start(); w.pass(6 * time.Minute); return link }},
	{"cancelled", func(w *world) string {
		c, link := w.start()
		require.NoError(w, w.svc.Cancel(w.Context(), c.Ref, jane.ID, "a mistake"))
		return link
	}},
	{"frozen", func(w *world) string {
		_, link := w.start()
		require.NoError(w, w.svc.Freeze(w.Context(), tenant, "dana", jane.ID, "a report", time.Hour))
		return link
	}},
	{"locked", func(w *world) string {
		w.settings.Limits.LockAfter = 1
		c, link := w.start()
		w.post(link, "answer", wrong(c.Number.Reveal()))
		return link
	}},
	{"over", func(w *world) string { _, link := w.start(); w.pass(time.Hour); return link }},
	{"gone", func(w *world) string { return w.base + "/v/unknown" }},
	{"technician", func(w *world) string { _, link := w.startTechnician(w.inCall()); return link }},
	{"technician-no-call", func(w *world) string { _, link := w.startTechnician(nil); return link }},
	{"technician-mismatch", func(w *world) string {
		_, link := w.startTechnician(w.inCall())
		w.post(link, "answer", "wrong words")
		return link
	}},
	{"technician-alert", func(w *world) string {
		_, link := w.startTechnician(w.inCall())
		w.post(link, "answer", "wrong words")
		w.post(link, "answer", "wrong words")
		return link
	}},
	{"technician-genuine", func(w *world) string {
		c, link := w.startTechnician(w.inCall())
		w.post(link, "answer", c.Word.Reveal())
		return link
	}},
	{"who", func(w *world) string { return w.pages.PublicURL(tenant) }},
	{"who-sent", func(w *world) string { return w.pages.PublicURL(tenant) + "/sent" }},
	{"error", func(w *world) string { return w.base + "/no-such-page" }},
}

// logo is a wide picture on transparent ground.
func logo(t testing.TB) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 360, 96))
	for y := range 96 {
		for x := range 360 {
			switch {
			case (x-48)*(x-48)+(y-48)*(y-48) < 44*44:
				m.Set(x, y, color.RGBA{0xa3, 0x19, 0x5b, 0xff})
			case x > 110 && y > 30 && y < 66 && (x/6)%4 != 0:
				m.Set(x, y, color.RGBA{0x33, 0x33, 0x33, 0xff})
			}
		}
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, m))
	return b.Bytes()
}
