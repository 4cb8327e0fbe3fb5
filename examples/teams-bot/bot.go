package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/teamschannel"
)

// technician is whoever sits at the terminal.
var technician = verify.Technician{ID: "terminal", Name: "Jane Doe"}

// app is the bot with what it verifies by.
type app struct {
	http.Handler

	bot    *teamsapp.Bot
	verify *verify.Service

	mu    sync.Mutex
	out   io.Writer
	calls map[string]time.Time // by address, when they wrote "verify": we play that they are on the phone since
}

func newApp(cfg config, out io.Writer) (*app, error) {
	a := &app{out: out, calls: map[string]time.Time{}}
	// A program that is to outlive a restart reads its keys from its secret store and keeps its data in sqlstore.
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("this-run"))
	if err != nil {
		return nil, err
	}
	known := func(_ context.Context, tenant string) (mspkit.TenantID, error) {
		if !cfg.insecure && !slices.Contains(cfg.tenants, tenant) {
			return "", teamsapp.ErrUnknownTenant
		}
		return mspkit.TenantID(tenant), nil // a host has ids of its own for its customers
	}
	o := &teamsapp.Options{Cloud: cfg.cloud, InsecureLoopback: cfg.insecure, OnInstall: a.installed, Logger: cfg.log}
	if a.bot, err = teamsapp.New(cfg.app, ring, teamsapp.NewMemory(), known, o); err != nil {
		return nil, err
	}
	to := &teamschannel.Options{Help: true, Logger: cfg.log}
	teams, err := teamschannel.New(a.bot, to)
	if err != nil {
		return nil, err
	}
	settings := verify.Same(verify.Settings{Brand: mspkit.Brand{Name: "Northwind IT"}})
	// All is done on cards, so there are no pages behind the address.
	a.verify, err = verify.New(memstore.New(), ring, "http://127.0.0.1/verify", settings, &verify.Options{
		Channels: map[string]verify.Channel{"teams": teams}, Lookup: a.lookup, Recorder: a, Logger: cfg.log,
	})
	if err != nil {
		return nil, err
	}
	if err := teamschannel.Register(a.bot, a.verify, to); err != nil {
		return nil, err
	}
	a.bot.Command("verify", a.begin)
	mux := http.NewServeMux()
	mux.Handle(path, a.bot)
	a.Handler = mux
	return a, nil
}

func (a *app) say(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, _ = fmt.Fprintf(a.out, format+"\n", args...)
}

func (a *app) installed(_ context.Context, i teamsapp.Installation) error {
	what := "removed"
	if i.Installed {
		what = "installed"
	}
	a.say("The app was %s for %s.", what, i.User)
	return nil
}

func subject(address, name string) verify.Subject {
	return verify.Subject{ID: address, Name: name, Destinations: []verify.Destination{{
		// The address was not typed by anybody: it is the one that they write from.
		Channel: "teams", Address: address, FirstSeen: time.Now().AddDate(-1, 0, 0),
	}}}
}

// begin answers "verify": a card goes out, and the number for it stands on the terminal.
func (a *app) begin(ctx context.Context, t teamsapp.Turn) (teamsapp.Reply, error) {
	address := t.User.String()
	c, err := a.verify.Start(ctx, verify.StartRequest{
		Tenant: t.Tenant, Subject: subject(address, t.Name), Action: verify.ActionIdentify, Technician: technician,
		IdempotencyKey: address + " " + t.ID,
	})
	switch {
	case errors.Is(err, verify.ErrLimited):
		return teamsapp.Reply{Text: "There is a card already. Please wait a minute before you ask for another."}, nil
	case errors.Is(err, verify.ErrFrozen), errors.Is(err, verify.ErrLocked):
		return teamsapp.Reply{Text: "Verification in your name is stopped for now."}, nil
	case err != nil:
		return teamsapp.Reply{}, err
	}
	a.mu.Lock()
	a.calls[address] = time.Now()
	a.mu.Unlock()
	a.say("%s wants to be verified. Say this number on the phone: %s", t.Name, c.Number.Reveal())
	return teamsapp.Reply{}, nil
}

// lookup tells who asks "who is calling me?", and that we talk to them if we do.
func (a *app) lookup(_ context.Context, _ mspkit.TenantID, address string) (*verify.TechnicianRequest, error) {
	a.mu.Lock()
	began, talking := a.calls[address]
	a.mu.Unlock()
	r := &verify.TechnicianRequest{Subject: subject(address, "")}
	if talking {
		r.Call = &verify.Call{Technician: technician, Began: began, By: verify.SideContact}
	}
	return r, nil
}

// Record is told of everything that happens to a verification.
func (a *app) Record(ctx context.Context, e verify.Event) error {
	switch {
	case e.Kind == verify.EventSent && e.Verifies == verify.KindTechnician && e.Technician != "":
		c, err := a.verify.Get(ctx, verify.Ref{Tenant: e.Tenant, ID: e.Challenge}, technician.ID)
		if err != nil {
			return err
		}
		a.say("%s asks who is calling. Say these words on the phone: %s", e.Subject, c.Word.Reveal())
	case e.Kind.Alert(), e.Kind == verify.EventConfirmed, e.Kind == verify.EventFailed, e.Kind == verify.EventUndelivered:
		a.say("Verification of %s: %s.", e.Subject, e.Kind)
	}
	return nil
}

// toAll sends a message to everybody who has the app, and says whom it did not reach and why.
func (a *app) toAll(ctx context.Context) {
	card := &teamsapp.Card{
		Summary: "News from your helpdesk",
		Body: []teamsapp.Element{
			teamsapp.Heading{Text: "News from your helpdesk"},
			teamsapp.Text{Text: "The mail server is being maintained tonight from 22:00 to 23:00."},
		},
	}
	reached := 0
	for u, err := range a.bot.Installed(ctx, "") {
		if err == nil {
			_, err = a.bot.Notify(ctx, teamsapp.Notification{To: u, Message: teamsapp.Message{Card: card}})
		}
		if err != nil {
			advice, _ := teamsapp.Explain(err)
			a.say("%s was not reached: %v %s", u, err, advice)
			continue
		}
		reached++
	}
	a.say("Sent to everybody who has the app: %d reached.", reached)
}
