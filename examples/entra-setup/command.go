package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/graphentra"
)

// command is one run in one tenant.
type command struct {
	client *graphentra.Client
	tenant mspkit.TenantID
	out    io.Writer
	o      options
}

// do does what the flags say.
func (c *command) do(ctx context.Context) error {
	if c.o.apply != "" {
		return c.apply(ctx)
	}
	if c.o.expiring {
		list, err := c.client.Expiring(ctx, c.tenant, c.o.key, 30*24*time.Hour)
		for _, e := range list {
			_, _ = fmt.Fprintf(c.out, "%s %q ends on %s, replaced: %t\n", e.Kind, e.Name, e.Expires.Format(time.DateOnly), e.Replaced)
		}
		return err
	}
	d, err := c.desired()
	if err != nil {
		return err
	}
	switch {
	case c.o.report:
		r, err := c.client.Report(ctx, c.tenant, d)
		return c.show(r, err)
	case c.o.impact:
		i, err := c.client.Impact(ctx, c.tenant, d, nil)
		if err := c.show(i, err); err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.out, "To switch it on: -enforce %s\n", i.Token)
		return err
	case c.o.enforce != "":
		i, err := c.client.Enforce(ctx, c.tenant, d, c.o.enforce, &graphentra.EnforceOptions{Caller: c.o.caller})
		return c.show(i, err)
	case c.o.relax:
		return c.client.Relax(ctx, c.tenant, d)
	}
	p, err := c.client.Plan(ctx, c.tenant, d)
	if err == nil && c.o.plan != "" {
		err = store(c.o.plan, p)
	}
	return c.show(p, err)
}

// show writes what there is to see, unless there is an error.
func (c *command) show(what interface{ Print(w io.Writer) error }, err error) error {
	if err != nil {
		return err
	}
	return what.Print(c.out)
}

// desired is what the flags ask for.
func (c *command) desired() (d graphentra.Desired, err error) {
	switch c.o.preset {
	case "signin":
		d = graphentra.SignIn(c.o.key, c.o.owner, c.o.name, c.o.url)
	case "mail":
		d = graphentra.OutboundMail(c.o.key, c.o.name, true)
	case "teams":
		d = graphentra.TeamsMessenger(c.o.key, c.o.name, c.o.url)
	default:
		return d, errors.New("-preset is signin, mail or teams")
	}
	if c.o.secret {
		d.Secrets = []graphentra.Secret{{Name: "main"}}
	}
	if c.o.breakGlass != "" {
		d.Conditional = &graphentra.Conditional{BreakGlass: c.o.breakGlass}
	}
	kinds := map[string]graphentra.PrincipalKind{"user": graphentra.User, "group": graphentra.Group}
	for _, who := range strings.FieldsFunc(c.o.assign, func(r rune) bool { return r == ',' }) {
		kind, rest, _ := strings.Cut(who, ":")
		id, role, _ := strings.Cut(rest, ":")
		d.Assignments = append(d.Assignments, graphentra.Assignment{Principal: id, Kind: kinds[kind], Role: role})
	}
	err = d.Validate()
	return d, err
}

// apply shows a stored plan and does it.
func (c *command) apply(ctx context.Context) error {
	b, err := os.ReadFile(c.o.apply)
	if err != nil {
		return err
	}
	p, err := graphentra.ParsePlan(b)
	if err != nil {
		return err
	}
	if p.Tenant != c.tenant {
		return fmt.Errorf("the plan is for %s", p.Tenant)
	}
	if err := p.Print(c.out); err != nil {
		return err
	}
	for _, s := range p.Steps {
		if s.Kind == "secret.add" && c.o.secrets == "" {
			return errors.New("the plan makes a client secret: -secrets says to which file it goes")
		}
	}
	res, err := c.client.Apply(ctx, p, &graphentra.ApplyOptions{Keep: c.keep, Progress: func(g graphentra.Progress) {
		if g.Outcome != "" {
			_, _ = fmt.Fprintf(c.out, "%d/%d %s: %s\n", g.N, g.Total, g.Step.What, g.Outcome)
		}
	}})
	if err != nil {
		return errors.Join(err, store(c.o.apply, res.Remaining))
	}
	_, _ = fmt.Fprintf(c.out, "application %s\n", res.AppID)
	return nil
}

// keep adds a secret to a file that nobody else may read. It is the only place where it is written.
func (c *command) keep(_ context.Context, s graphentra.NewSecret) error {
	f, err := os.OpenFile(c.o.secrets, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Chmod(0o600); err != nil { // it may be there already, for others to read
		return errors.Join(err, f.Close())
	}
	_, err = fmt.Fprintf(f, "%s %s until %s: %s\n", s.Name, s.KeyID, s.Expires.Format(time.DateOnly), s.Value.Reveal())
	return errors.Join(err, f.Sync(), f.Close())
}

// store writes a plan.
func store(path string, p *graphentra.Plan) error {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600) //nolint:gosec // the user names it
}
