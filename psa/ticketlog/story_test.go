package ticketlog_test

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/ticketlog"
	"github.com/mspkit/mspkit/securesend"
	sendmem "github.com/mspkit/mspkit/securesend/memstore"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/verifytest"
)

const (
	phone   = "+12025550143"
	address = "dana@contoso.example"
	// hostile is what a directory that somebody else fills may have as a name.
	hostile = "Dana\u202e\r\nALERT: https://evil.example/x {reason} " + address + " +1 (202) 555-0143"
)

// messages keeps what is sent.
type messages struct {
	mu   sync.Mutex
	sent []securesend.Message
}

func (m *messages) Send(_ context.Context, s securesend.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = append(m.sent, s)
	return nil
}

// world is both services over a ticket system, with everything that must stay secret in between.
type world struct {
	t       *testing.T
	desk    *desk
	verify  *verify.Service
	sends   *securesend.Service
	sms     *verifytest.Channel
	phone   *messages
	logged  bytes.Buffer
	secrets []string // which stand in no note
	numbers []string // which stand in no note as a word
}

func newWorld(t *testing.T, set ticketlog.Settings) *world {
	t.Helper()
	w := &world{t: t, desk: newDesk(), sms: &verifytest.Channel{Level: verify.AssuranceSMS}, phone: &messages{}}
	logger := slog.New(slog.NewTextHandler(&w.logged, nil))
	m := mapped(t)
	router, err := ticketlog.NewRouter(w.desk, &ticketlog.RouterOptions{Mappings: m, Defaults: m, CheckCompany: true, Contact: func(_ context.Context, tenant mspkit.TenantID, _ string) (psa.Contact, error) {
		return psa.Contact{ID: "201", Name: hostile, Company: psa.Named{ID: map[mspkit.TenantID]string{contoso: "12", fabrikam: "13"}[tenant]}}, nil
	}})
	require.NoError(t, err)
	l, err := ticketlog.New(router, &ticketlog.Options{
		Data:     router,
		Logger:   logger,
		Settings: func(context.Context, mspkit.TenantID) (ticketlog.Settings, error) { return set, nil },
		People: func(context.Context, mspkit.TenantID, string) (ticketlog.Person, error) {
			return ticketlog.Person{Name: hostile}, nil
		},
		Technicians: func(context.Context, mspkit.TenantID, string) (string, error) { return hostile, nil },
	})
	require.NoError(t, err)
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	brand := mspkit.Brand{Name: "Contoso IT"}
	w.verify, err = verify.New(memstore.New(), ring, "https://help.example/verify", verify.Same(verify.Settings{
		Brand: brand, Limits: verify.Limits{Cooldown: -1, PerDestination: -1, PerSubject: -1}, Approval: verify.Approval{Subjects: []string{"ines"}},
	}), &verify.Options{
		Channels: map[string]verify.Channel{"sms": w.sms}, Recorder: l.Verify(), Logger: logger,
		Authorize: func(context.Context, mspkit.TenantID, string, verify.Permission) error { return nil },
	})
	require.NoError(t, err)
	recorder := l.SecureSend()
	w.sends, err = securesend.New(sendmem.New(), ring, "https://help.example/send", securesend.Same(securesend.Settings{Brand: brand}), &securesend.Options{
		Blobs:   map[string]securesend.BlobStore{securesend.RegionEurope: sendmem.NewBlobs()},
		Senders: map[string]securesend.Sender{"sms": w.phone, "email": w.phone}, Recorder: recorder, DataNoter: recorder, Logger: logger,
		Authorize: func(context.Context, mspkit.TenantID, string, securesend.Permission) error { return nil },
	})
	require.NoError(t, err)
	return w
}

func subject(id string) verify.Subject {
	return verify.Subject{ID: id, Name: hostile, Destinations: []verify.Destination{{Channel: "sms", Address: phone, FirstSeen: time.Now().AddDate(-1, 0, 0)}}}
}

var jane = verify.Technician{ID: "jane", Name: "Jane Doe"}

// start begins a verification and keeps what is secret of it.
func (w *world) start(tenant mspkit.TenantID, id, ticketID string, m verify.Method) (verify.Challenge, verify.Delivery) {
	w.t.Helper()
	r := verify.StartRequest{Tenant: tenant, Subject: subject(id), Action: verify.ActionResetPassword, Technician: jane, Method: m}
	if m == verify.MethodCode {
		r.Action = verify.ActionUnlock
	}
	if ticketID != "" {
		r.Ticket = ticket(ticketID)
	}
	c, err := w.verify.Start(w.t.Context(), r)
	require.NoError(w.t, err)
	d, err := w.sms.Last()
	require.NoError(w.t, err)
	w.secret(d.Link.Reveal(), d.Code.Reveal())
	w.numbers = append(w.numbers, c.Number.Reveal())
	return c, d
}

func (w *world) secret(list ...string) {
	for _, s := range list {
		if s != "" {
			w.secrets = append(w.secrets, s)
		}
	}
}

func (w *world) must(err error) { w.t.Helper(); require.NoError(w.t, err) }

// other returns three digits that are not n.
func other(n string) string {
	if n == "111" {
		return "112"
	}
	return "111"
}

func (w *world) verifications() {
	ctx := w.t.Context()
	c, _ := w.start(contoso, "dana", "4711", verify.MethodNumber)
	_, err := w.verify.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: other(c.Number.Reveal())})
	w.must(err)
	_, err = w.verify.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
	w.must(err)
	c, err = w.verify.Wait(ctx, c.Ref, "jane")
	w.must(err)
	w.must(w.verify.Redeem(ctx, c.Proof, verify.Expect{Tenant: contoso, Subject: "dana", Action: c.Action, Technician: "jane", Ticket: ticket("4711")}, "jane"))

	c, d := w.start(contoso, "dana", "4711", verify.MethodCode)
	w.must(w.verify.Cancel(ctx, c.Ref, "jane", "she read "+d.Code.Reveal()+" from "+phone+", see "+d.Link.Reveal()+" or write to "+address))
	c, d = w.start(contoso, "dana", "", verify.MethodCode) // without a ticket
	_, err = w.verify.Check(ctx, verify.CheckRequest{Tenant: contoso, ID: c.Ref.ID, Response: d.Code.Reveal(), Technician: "jane"})
	w.must(err)
	c, _ = w.start(contoso, "ines", "4711", verify.MethodNumber)
	_, err = w.verify.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
	w.must(err)
	_, err = w.verify.Approve(ctx, c.Ref, "sam", "called back at 001 202 555 0143")
	w.must(err)
	w.must(w.verify.Freeze(ctx, contoso, "omar", "sam", "https://evil.example "+phone, time.Hour))
	w.must(w.verify.Unfreeze(ctx, contoso, "omar", "sam", "it was me"))

	t, err := w.verify.StartTechnician(ctx, verify.TechnicianRequest{
		Tenant: contoso, Subject: subject("dana"), By: "jane", Call: &verify.Call{Technician: jane, Ticket: ticket("4711")},
	})
	w.must(err)
	last, err := w.sms.Last()
	w.must(err)
	w.secret(last.Link.Reveal(), t.Word.Reveal())
	_, err = w.verify.Answer(ctx, verify.Answer{Ref: t.Ref, Method: verify.MethodWord, Response: "anything else"})
	w.must(err)

	// The other tenant.
	c, _ = w.start(fabrikam, "dana", "5120", verify.MethodNumber)
	_, err = w.verify.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
	w.must(err)
	w.must(w.verify.RunOnce(ctx))
}

// sendID is the short id of a send, which is chance.
var sendID = regexp.MustCompile(`^Send \w{6}:`)

const password = "correct horse battery"

func (w *world) secureSends() {
	ctx := w.t.Context()
	send := func(change func(*securesend.SendRequest)) securesend.Sent {
		r := securesend.SendRequest{
			Tenant: contoso, By: securesend.Technician{ID: "jane", Name: "Jane Doe"}, Subject: "dana", Ticket: ticket("4711"), Text: mspkit.Redact(password),
			Deliver: []securesend.Destination{{Sender: "sms", Address: phone}},
		}
		change(&r)
		s, err := w.sends.Create(ctx, r)
		w.must(err)
		w.secret(s.Link.Reveal(), s.Link.Reveal()[strings.LastIndex(s.Link.Reveal(), "#")+1:])
		w.numbers = append(w.numbers, s.Number.Reveal())
		return s
	}
	take := func(s securesend.Sent, number string) error {
		link, err := securesend.ParseLink(s.Link.Reveal())
		w.must(err)
		auth, claim := securesend.Auth(link.Fragment.Reveal()), securesend.RandomKey()
		if _, err = w.sends.Open(ctx, s.Ref, auth); err != nil {
			return err
		}
		if _, err = w.sends.Take(ctx, s.Ref, securesend.TakeRequest{Auth: auth, Claim: claim, Number: number}); err != nil {
			return err
		}
		return w.sends.Ack(ctx, s.Ref, auth, claim)
	}
	s := send(func(r *securesend.SendRequest) {
		r.Files = []securesend.File{{Name: "payroll.xlsx", Size: 1, Reader: strings.NewReader("x")}}
	})
	w.secret("payroll")
	require.ErrorIs(w.t, take(s, other(s.Number.Reveal())), securesend.ErrNumber)
	w.must(take(s, s.Number.Reveal()))

	s = send(func(r *securesend.SendRequest) { r.Choice.LogPublic = true })
	var err error
	for range 20 {
		if err = take(s, other(s.Number.Reveal())); err == nil {
			w.t.Fatal("opened")
		}
	}
	require.ErrorIs(w.t, err, securesend.ErrLocked)

	s = send(func(r *securesend.SendRequest) {
		r.Choice.Gate, r.Ticket, r.Code = securesend.GateCode, mspkit.Ticket{}, securesend.Destination{Sender: "email", Address: address}
	})
	link, err := securesend.ParseLink(s.Link.Reveal())
	w.must(err)
	w.must(w.sends.SendCode(ctx, s.Ref, securesend.Auth(link.Fragment.Reveal())))
	w.phone.mu.Lock()
	w.secret(w.phone.sent[len(w.phone.sent)-1].Code.Reveal())
	w.phone.mu.Unlock()
	w.must(w.sends.Revoke(ctx, s.Ref, "sam"))
	send(func(r *securesend.SendRequest) { r.Choice.LogTo = "contact" })
	w.must(w.sends.RunOnce(ctx))
}

func (w *world) clean() {
	w.t.Helper()
	w.secret(phone, phone[1:], "555-0143", "202 555 0143", address, "contoso.example", "evil.example", "https:", "http:", "www.", password)
	for _, n := range w.desk.all() {
		require.NotContains(w.t, n.Title+n.Text, "\n")
		require.NotContains(w.t, n.Text, "\u202e")
		require.LessOrEqual(w.t, len(n.Text), 700)
		require.NotRegexp(w.t, `\d{6}`, sendID.ReplaceAllString(n.Text, ""))
		for _, s := range w.secrets {
			require.NotContains(w.t, strings.ToLower(n.Title+" "+n.Text), strings.ToLower(s), "a secret stands in %q", n.Text)
		}
		for _, s := range w.numbers {
			if s != "" {
				require.NotRegexp(w.t, `\b`+regexp.QuoteMeta(s)+`\b`, n.Text)
			}
		}
		if strings.HasPrefix(n.Title, ticketlog.AlertPrefix) {
			require.Equal(w.t, psa.Internal, n.Visibility, n.Text)
		}
	}
	for _, n := range w.desk.made {
		for _, s := range w.secrets {
			require.NotContains(w.t, n.Title+n.Text, s)
		}
		require.NotContains(w.t, n.Title, "\n")
		require.False(w.t, strings.HasPrefix(n.Title, "ALERT"))
	}
	require.NotContains(w.t, w.logged.String(), phone)
}

// Guarantee 8 over real services: what happened is in the tickets, and nothing of what is secret.
func TestAWholeStoryLeavesNoSecretInNotes(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]ticketlog.Settings{
		"internal":     {Detail: ticketlog.Full, NoTicket: ticketlog.InNewTicket, Evidence: true},
		"public":       {Detail: ticketlog.Full, NoTicket: ticketlog.InNewTicket, Visibility: psa.Public},
		"on a contact": {NoTicket: ticketlog.OnContact},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, set)
			if set.Evidence { // their short hashes are hexadecimal digits, which may look like a code
				w.verifications()
				found := 0
				for i, n := range w.desk.notes {
					text := regexp.MustCompile(` Evidence: \d+:[0-9a-f]{32}\.`).ReplaceAllString(n.Text, "")
					if text != n.Text {
						found++
					}
					w.desk.notes[i].Text = text
				}
				require.Len(t, w.desk.notes, found)
			} else {
				w.verifications()
			}
			w.secureSends()
			w.clean()
			if testing.Verbose() {
				for _, n := range w.desk.notes {
					t.Log(n.ref.Ticket, n.contact, n.Visibility, n.Title, "|", n.Text)
				}
			}

			all, keys := w.desk.all(), map[string]bool{}
			said := map[string]int{}
			for _, n := range all {
				require.False(t, keys[n.Key], "twice: %s", n.Text)
				keys[n.Key] = true
				require.Equal(t, n.ref.Tenant == fabrikam, n.ref.Ticket.ID == "5120", "a note of one tenant is in the ticket of another")
				for _, words := range []string{"is verified for a password reset", "Reason: she read […]", "But a second technician must approve", "is frozen", "Somebody may be posing", "it is locked", "It is burnt", "took it back"} {
					if strings.Contains(n.Text, words) {
						said[words]++
					}
				}
			}
			require.Contains(t, said, "is verified for a password reset")
			require.Contains(t, said, "But a second technician must approve")
			require.Contains(t, said, "is frozen")
			require.Contains(t, said, "Somebody may be posing")
			require.Contains(t, said, "it is locked")
			require.Contains(t, said, "It is burnt")
			require.Contains(t, said, "took it back")
			require.Equal(t, set.Visibility != psa.Public, said["Reason: she read […]"] == 1, "a reason stays inside")
			if set.NoTicket == ticketlog.InNewTicket {
				require.Len(t, w.desk.made, 3, "one for the challenge, one for the send, one for the person who was frozen")
			} else {
				require.Empty(t, w.desk.made)
			}
		})
	}
}
