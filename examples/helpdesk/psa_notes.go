package main

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/outbox"
	"github.com/mspkit/mspkit/psa/psatest"
	"github.com/mspkit/mspkit/psa/ticketlog"
)

// noteCache keeps what a real ticket system has in the tickets on the page, so that looking at them does not ask it every
// second. Of the program's own ticket system it reads what is there.
type noteCache struct {
	desk *ticketDesk
	stop context.CancelFunc
	ctx  context.Context //nolint:containedctx // ends with close
	work sync.WaitGroup

	mu    sync.Mutex
	known map[psa.TicketRef]*cachedNotes
}

type cachedNotes struct {
	notes   []psa.WrittenNote
	at      time.Time
	reading bool
}

// notesFor is how long notes of a real ticket system are shown before it is asked again.
const notesFor = 5 * time.Second

func newNoteCache(d *ticketDesk) *noteCache {
	c := &noteCache{desk: d, known: map[psa.TicketRef]*cachedNotes{}}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}

func (c *noteCache) close() error {
	c.stop()
	c.work.Wait()
	return nil
}

// of returns what stands in a ticket, oldest first.
func (c *noteCache) of(ref psa.TicketRef) []psa.WrittenNote {
	if c.desk.fake != nil {
		var out []psa.WrittenNote
		for _, n := range c.desk.fake.Desk().Notes(ref.Ticket.ID) {
			out = append(out, written(n))
		}
		return out
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.known[ref]
	if k == nil {
		if len(c.known) >= 200 { // nobody looks at so many at once
			clear(c.known)
		}
		k = &cachedNotes{}
		c.known[ref] = k
	}
	if !k.reading && time.Since(k.at) > notesFor && c.ctx.Err() == nil {
		k.reading = true
		c.work.Go(func() {
			ctx, cancel := context.WithTimeout(c.ctx, 10*time.Second)
			defer cancel()
			list, err := c.desk.system.ListNotes(ctx, ref, time.Time{})
			slices.SortFunc(list, func(a, b psa.WrittenNote) int { return a.CreatedAt.Compare(b.CreatedAt) })
			list = list[max(0, len(list)-200):] // the newest are shown
			c.mu.Lock()
			defer c.mu.Unlock()
			if k.reading, k.at = false, time.Now(); err == nil {
				k.notes = list
			}
		})
	}
	return slices.Clone(k.notes)
}

func written(n psatest.Note) psa.WrittenNote {
	w := psa.WrittenNote{ID: n.ID, Ours: n.AuthorID == psatest.OurID, Author: n.Author, Text: n.Text, CreatedAt: n.At}
	if n.Public {
		w.Visibility = psa.Public
	}
	return w
}

// markers are the last lines by which the outbox finds its notes again. Nobody needs to read them on this page.
var markers = regexp.MustCompile(`\s*\n\[ref [0-9a-z-]+\]\s*$`)

// notesOf returns what a technician sees of p's ticket, the newest first: what stands in the ticket system, and above it
// what is still on the way or could not be delivered.
func (a *app) notesOf(ctx context.Context, p person) ([]noteJSON, error) {
	out := []noteJSON{}
	// Only our own notes are read for what they begin and end with: a client may write "ALERT" into a ticket, too.
	add := func(text string, ours bool, visibility psa.Visibility, at time.Time, n noteJSON) {
		if ours {
			text = markers.ReplaceAllString(text, "")
		}
		title, body, ok := strings.Cut(text, "\n")
		if body = strings.TrimSpace(body); !ok || body == "" {
			title, body = "", strings.TrimSpace(title)
		}
		n.Title, n.Text, n.Public, n.At = title, body, visibility == psa.Public, at.UnixMilli()
		n.Alert = ours && strings.HasPrefix(title, ticketlog.AlertPrefix)
		out = append(out, n)
	}
	if !p.Ticket.IsZero() {
		for _, n := range a.desk.notes.of(psa.TicketRef{Tenant: p.Tenant, Ticket: p.Ticket}) {
			add(n.Text, n.Ours, n.Visibility, n.CreatedAt, noteJSON{})
		}
	}
	if id := p.Sources[a.desk.system.Name()]; a.desk.fake != nil && id != "" {
		for _, n := range a.desk.fake.Desk().ContactNotes() {
			if n.Contact == id {
				add(n.Text, true, psa.Internal, n.At, noteJSON{Contact: true})
			}
		}
	}
	for _, state := range []outbox.State{outbox.Pending, outbox.Dead} {
		list, err := a.undelivered(ctx, p, state)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			n, err := a.desk.outbox.Text(ctx, e.Tenant, e.ID)
			if errors.Is(err, outbox.ErrState) || errors.Is(err, outbox.ErrNotFound) {
				continue // it has arrived meanwhile
			}
			if err != nil {
				return nil, err
			}
			add(n.Title+"\n"+n.Text, true, n.Visibility, e.AddedAt, noteJSON{Waiting: state == outbox.Pending, Dead: state == outbox.Dead})
		}
	}
	slices.SortStableFunc(out, func(x, y noteJSON) int { return int(x.At - y.At) })
	slices.Reverse(out)
	return out, nil
}

// undelivered returns the notes of p's ticket that are in a state.
func (a *app) undelivered(ctx context.Context, p person, state outbox.State) (out []outbox.Entry, err error) {
	for f := (outbox.Filter{Tenant: p.Tenant, State: state, Limit: outbox.MaxPage}); ; {
		list, err := a.desk.outbox.List(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			if e.Ticket == p.Ticket {
				out = append(out, e)
			}
		}
		if len(list) < f.Limit {
			return out, nil
		}
		f.After = list[len(list)-1].ID
	}
}

// letters returns the notes that wait and those that could not be delivered, and until when the ticket system is left alone.
func (a *app) letters(ctx context.Context) (waiting, dead []letter, open string, err error) {
	for state, list := range map[outbox.State]*[]letter{outbox.Pending: &waiting, outbox.Dead: &dead} {
		entries, err := a.desk.outbox.List(ctx, outbox.Filter{State: state, Limit: 100})
		if err != nil {
			return nil, nil, "", err
		}
		slices.SortFunc(entries, func(x, y outbox.Entry) int { return int(x.Seq - y.Seq) })
		before := map[mspkit.Ticket]bool{}
		for _, e := range entries {
			n, err := a.desk.outbox.Text(ctx, e.Tenant, e.ID)
			if errors.Is(err, outbox.ErrState) || errors.Is(err, outbox.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, nil, "", err
			}
			*list = append(*list, letter{
				ID: e.ID, Tenant: string(e.Tenant), Ticket: e.Ticket.ID, Company: a.clients[e.Tenant], Text: strings.TrimSpace(n.Title + "\n" + n.Text),
				Fault: a.why(e.Fault), Since: ago(time.Now(), e.AddedAt), Tries: e.Tries, Unclear: e.Unclear, Behind: before[e.Ticket],
			})
			before[e.Ticket] = true
		}
	}
	h, err := a.desk.outbox.Health(ctx)
	if err != nil {
		return nil, nil, "", err
	}
	for _, b := range h.Open {
		open = "in " + ago(b.Until, time.Now())
	}
	return waiting, dead, open, nil
}

// why makes a sentence of a fault of the outbox; which ticket system it is stands above.
func (a *app) why(fault string) string {
	if fault == "" {
		return ""
	}
	return sentence(strings.ReplaceAll(fault, "psa: "+a.desk.system.Name()+": ", ""))
}

func (a *app) doReplay(ctx context.Context, f url.Values, t technician) error {
	return a.desk.outbox.Replay(ctx, mspkit.TenantID(f.Get("of")), f.Get("id"), t.ID)
}

func (a *app) doDrop(ctx context.Context, f url.Values, t technician) error {
	return a.desk.outbox.Drop(ctx, mspkit.TenantID(f.Get("of")), f.Get("id"), t.ID)
}

// personInTicket tells the ticket log who somebody is and which ticket is open for them.
func (a *app) personInTicket(ctx context.Context, tenant mspkit.TenantID, id string) (ticketlog.Person, error) {
	p, ok := a.person(tenant, id)
	if !ok {
		a.cfg.log.WarnContext(ctx, "helpdesk: somebody is in no ticket system any more", slog.String("id", id))
	}
	return ticketlog.Person{Name: p.Name, Ticket: p.Ticket}, nil
}
