package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/mspkit/mspkit/contacts"
)

// atOnce is how many tenants are read at once for the plan. Each is in memory meanwhile.
const atOnce = 4

// planned is what a sync of a tenant would change.
type planned struct {
	events []contacts.Event
	report contacts.Report
	err    error
}

// plans says what would be changed, asks, and does it.
func (c *command) plans(ctx context.Context) error {
	list := make([]planned, len(c.jobs))
	next := make(chan int)
	var all sync.WaitGroup
	for range min(atOnce, len(c.jobs)) {
		all.Go(func() {
			for i := range next {
				p := &list[i]
				p.events, p.report, p.err = c.syncer.Plan(ctx, c.jobs[i], nil)
			}
		})
	}
	for i := range c.jobs {
		next <- i
	}
	close(next)
	all.Wait()
	if ctx.Err() != nil {
		return stopped(ctx, ctx.Err())
	}
	var jobs []contacts.Job
	var sum contacts.Report
	for i, p := range list {
		c.tell(c.called[c.jobs[i]], p)
		if p.err == nil {
			jobs = append(jobs, c.jobs[i])
		}
		sum.Joined, sum.Changed, sum.Left = sum.Joined+p.report.Joined, sum.Changed+p.report.Changed, sum.Left+p.report.Left
	}
	c.fail = c.unreachable + len(list) - len(jobs)
	if len(list) > 1 || c.fail > 0 {
		c.say("In all, %d of %s can be read: %s.", len(jobs), count(len(list)+c.unreachable, "tenant", "tenants"), totals(sum))
	}
	switch {
	case len(jobs) == 0, c.plan:
		return c.failures()
	case sum.Joined+sum.Changed+sum.Left == 0: // where Microsoft begins to tell next time is stored all the same
		c.say("There is nothing to change.")
	case !c.yes:
		if err := c.ask(ctx); err != nil {
			return err
		}
	}
	return c.do(ctx, jobs)
}

// failures is the end of a program that could not do everything.
func (c *command) failures() error {
	if c.fail > 0 {
		return fmt.Errorf("%s could not be read, see above; nobody there counts as having left", count(c.fail, "tenant", "tenants"))
	}
	return nil
}

// ask waits for a yes.
func (c *command) ask(ctx context.Context) error {
	_, _ = fmt.Fprintf(c.out, "Write this to %s? Type yes: ", c.database)
	answer := make(chan string, 1)
	go func() { // it ends with the program where nobody answers
		line, _ := bufio.NewReader(c.in).ReadString('\n')
		answer <- strings.TrimSpace(line)
	}()
	select {
	case <-ctx.Done():
		c.say("")
		return stopped(ctx, ctx.Err())
	case text := <-answer:
		if !strings.EqualFold(text, "yes") {
			return errors.New("that was no yes, and nothing was changed")
		}
	}
	return nil
}

// tell says what would become of one tenant.
func (c *command) tell(name string, p planned) {
	if p.err != nil {
		why := p.report.Why
		if why == "" { // it is not Microsoft's fault
			why = p.err.Error()
		}
		c.say("%s: cannot be read\n  ! %s", name, why)
		return
	}
	r := p.report
	how := "since the last run"
	switch {
	case len(p.events) > 0 && p.events[0].First:
		how = "listed for the first time"
	case r.Whole:
		how = "all listed"
	}
	c.say("%s: %s %s, %s", name, count(r.Contacts, "entry", "entries"), how, totals(r))
	for _, kind := range []struct {
		contacts.EventKind
		sign string
	}{{contacts.Joined, "+"}, {contacts.Changed, "~"}, {contacts.Left, "-"}} {
		var named []string
		more := 0
		for _, e := range p.events {
			switch {
			case e.Kind != kind.EventKind:
			case len(named) == c.names:
				more++
			default:
				named = append(named, described(e))
			}
		}
		switch {
		case len(named) == 0:
		case more > 0:
			c.say("  %s %s and %d more", kind.sign, strings.Join(named, ", "), more)
		default:
			c.say("  %s %s", kind.sign, strings.Join(named, ", "))
		}
	}
}

// described is a person with what changes. The directory has cleaned the text, and masked the numbers.
func described(e contacts.Event) string {
	name := e.Name
	if name == "" {
		name = "somebody without a name"
	}
	if e.Kind != contacts.Changed {
		return name
	}
	var changes []string
	for _, ch := range e.Changes {
		changes = append(changes, fmt.Sprintf("%s %s → %s", ch.Field, shown(ch.Old), shown(ch.New)))
	}
	return name + " (" + strings.Join(changes, "; ") + ")"
}

func shown(value string) string {
	if value == "" {
		return "nothing"
	}
	return value
}

func totals(r contacts.Report) string {
	if r.Joined+r.Changed+r.Left == 0 {
		return "nothing to change"
	}
	var out []string
	for _, part := range []struct {
		n         int
		one, many string
	}{{r.Joined, "joins", "join"}, {r.Changed, "changes", "change"}, {r.Left, "leaves", "leave"}} {
		if part.n > 0 {
			out = append(out, count(part.n, part.one, part.many))
		}
	}
	return strings.Join(out, ", ")
}

// count is a number with the word for it.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
