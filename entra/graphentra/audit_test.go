package graphentra_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/entra/graphentra"
)

// audited returns a client whose events are kept, and what takes them.
func audited(t *testing.T, dir *entratest.Directory) (*graphentra.Client, func() []entra.Event) {
	t.Helper()
	var (
		mu   sync.Mutex
		list []entra.Event
	)
	c := client(t, dir, func(o *graphentra.Options) {
		o.Auditor = entra.AuditorFunc(func(_ context.Context, e entra.Event) error {
			mu.Lock()
			defer mu.Unlock()
			list = append(list, e)
			return nil
		})
	})
	return c, func() []entra.Event {
		mu.Lock()
		defer mu.Unlock()
		out := list
		list = nil
		return out
	}
}

func TestWhatWasRefusedIsAudited(t *testing.T) {
	t.Parallel()
	secret := graphentra.Desired{Key: "mail", Name: "Mail", Secrets: []graphentra.Secret{{Name: "main"}}}
	access := func(group string) graphentra.Desired {
		return graphentra.Desired{Key: "portal", Name: "Portal", Conditional: &graphentra.Conditional{BreakGlass: group}}
	}
	for name, x := range map[string]struct {
		options entratest.DirectoryOptions
		fault   *entratest.DirectoryFault
		desired func(group string) graphentra.Desired
		reason  string
	}{
		"a licence is missing": {entratest.DirectoryOptions{NoPremium: true}, nil, access, "plan: a licence is missing"},
		"security defaults":    {entratest.DirectoryOptions{SecurityDefaults: true}, nil, access, "plan: security defaults are switched on"},
		"secrets are forbidden": {
			entratest.DirectoryOptions{NoSecrets: true},
			nil, func(string) graphentra.Desired { return secret },
			"secret.add: a policy of the tenant forbids the credential",
		},
		"throttled": {
			entratest.DirectoryOptions{},
			&entratest.DirectoryFault{Status: 429, RetryAfter: "3600", Times: -1},
			func(string) graphentra.Desired { return secret }, "plan: throttled",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dir := entratest.NewDirectory("", &x.options)
				group := dir.AddGroup("Emergency", dir.AddUser(entratest.DirectoryUser{Name: "Emergency"}))
				if x.fault != nil {
					dir.Fail(*x.fault)
				}
				c, take := audited(t, dir)
				ctx := entra.WithUser(t.Context(), &entra.User{ID: "sam", Session: "s1"})
				p, err := c.Plan(ctx, tenant, x.desired(group))
				if err == nil {
					require.Empty(t, take(), "a plan does nothing")
					_, err = c.Apply(ctx, p, nil)
				}
				require.Error(t, err)
				list := take()
				last := list[len(list)-1]
				require.Equal(t, entra.Event{
					At: time.Now(), Kind: entra.EventProvisionRefused, Owner: string(tenant), By: "sam", Session: "s1", Reason: x.reason,
				}, last)
				for _, e := range list[:len(list)-1] {
					require.Equal(t, entra.EventProvisioned, e.Kind)
				}
			})
		})
	}
}

func TestWhatWasDoneIsAudited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c, take := audited(t, dir)
		d := everything(t, dir)
		p := plan(t, c, d)
		apply(t, c, p)
		list := take()
		require.Len(t, list, len(p.Steps))
		for i, e := range list {
			require.Equal(t, entra.EventProvisioned, e.Kind)
			require.Equal(t, string(p.Steps[i].Kind), e.Reason)
			require.Equal(t, string(tenant), e.Owner)
		}
	})
}
