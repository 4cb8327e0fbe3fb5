package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mspkit/mspkit/contacts"
)

// do syncs the tenants that can be read and says how far it is.
func (c *command) do(ctx context.Context, jobs []contacts.Job) error {
	reports, err := c.syncer.SyncAll(ctx, jobs, nil, func(p contacts.Progress) {
		c.progress(p)
		c.play.watch(p)
	})
	c.endLine()
	read, done := 0, 0
	for _, r := range reports {
		read += r.Contacts
		switch {
		case r.Err == nil:
			done++
			if r.Resumed {
				c.say("%s: went on where the last run was stopped.", c.called[r.Job])
			}
		case ctx.Err() == nil:
			c.fail++
			c.say("%s: failed after %s\n  ! %s", c.called[r.Job], count(r.Contacts, "entry", "entries"), r.Why)
			if errors.Is(r.Err, contacts.ErrMassLeave) {
				c.say("  -many-left allows it.")
			}
		}
	}
	if err != nil { // Ctrl-C
		c.say("Stopped after the page in hand. What was read is kept, %s; the next run goes on from there.", count(read, "entry", "entries"))
		return nil //nolint:nilerr // it is no failure
	}
	if done > 0 {
		c.say("Done: %s in step now.", count(done, "tenant is", "tenants are"))
	}
	return c.failures()
}

// progress writes how far a sync is: over the last line in a terminal, and elsewhere for each tenant that has ended.
func (c *command) progress(p contacts.Progress) {
	text := fmt.Sprintf("  %d of %s, %s, %s, %.0f a second", p.Done, count(p.Tenants, "tenant", "tenants"), count(p.Pages, "page", "pages"),
		count(p.Contacts, "entry", "entries"), p.Rate)
	if left := p.Left.Round(time.Second); left > 0 {
		text += ", about " + left.String() + " left"
	}
	ended := !p.Last.Ended.IsZero()
	switch {
	case !c.terminal && ended:
		c.say("%s", text)
	case c.terminal && (ended || time.Since(c.shown) > 100*time.Millisecond):
		c.shown, c.lineIsUnfinished = time.Now(), true
		_, _ = fmt.Fprintf(c.out, "\r%s%s", text, strings.Repeat(" ", max(0, 78-len(text))))
	}
}

func (c *command) endLine() {
	if c.lineIsUnfinished {
		c.lineIsUnfinished = false
		c.say("")
	}
}
