package graphentra_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/entra/graphentra"
)

// fixed is the id of plans whose outcome is compared: names of secrets have it.
const fixed = "11111111-2222-4333-8444-555555555555"

func TestTheSecondPlanIsEmpty(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		d := everything(t, dir)
		c := client(t, dir)
		p := plan(t, c, d)
		res := apply(t, c, p)
		require.Len(t, res.Secrets, 1)
		require.NotEmpty(t, res.AppID)
		require.NotEmpty(t, res.ObjectID)
		require.NotEmpty(t, res.ServicePrincipal)
		require.Len(t, res.Outcomes, len(p.Steps))
		for i, o := range res.Outcomes {
			require.Equal(t, graphentra.Done, o, res.Steps[i].What)
		}

		again := plan(t, c, d)
		require.Empty(t, again.Steps, again.String())
		require.Empty(t, again.Kept)
		writes := dir.Writes()
		apply(t, c, again)
		require.Equal(t, writes, dir.Writes())

		// The first plan as well: everything is there, also for whoever does not know that it was applied.
		held := client(t, dir, func(o *graphentra.Options) {
			o.Holds = func(_ context.Context, id mspkit.TenantID, key string) (bool, error) {
				require.Equal(t, tenant, id)
				return key == res.Secrets[0].KeyID, nil
			}
		})
		for _, o := range apply(t, held, p).Outcomes {
			require.Equal(t, graphentra.Already, o)
		}
		require.Equal(t, writes, dir.Writes())
	})
}

func TestWhatIsInTheDirectory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		apply(t, c, plan(t, c, everything(t, dir)))
		app := dir.Objects("applications")[0]
		require.Equal(t, "mspkit-signin", app["uniqueName"])
		require.Equal(t, []any{"mspkit:signin"}, app["tags"])
		require.Equal(t, "AzureADMyOrg", app["signInAudience"])
		require.Len(t, app["appRoles"], 2)
		require.Len(t, app["passwordCredentials"], 1)
		require.Len(t, app["keyCredentials"], 1)
		var ours map[string]any
		for _, sp := range dir.Objects("servicePrincipals") {
			if sp["appId"] == app["appId"] {
				ours = sp
			}
		}
		require.Equal(t, true, ours["appRoleAssignmentRequired"])
		require.Len(t, dir.Objects("federatedIdentityCredentials"), 1)
		require.Len(t, dir.Objects("oauth2PermissionGrants"), 1)
		require.Equal(t, "AllPrincipals", dir.Objects("oauth2PermissionGrants")[0]["consentType"])
		require.Len(t, dir.Objects("appRoleAssignments"), 5) // three permissions, a group and a person
	})
}

func TestKilledFiftyTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		whole := entratest.NewDirectory("", nil)
		c := client(t, whole)
		p := plan(t, c, everything(t, whole))
		p.ID = fixed
		apply(t, c, p)
		want, writes := whole.Snapshot(), whole.Writes()

		seeded := rand.New(rand.NewPCG(1, 2))
		kills := 0
		for kills < 50 {
			dir := entratest.NewDirectory("", &entratest.DirectoryOptions{Lag: seeded.IntN(3)})
			d := everything(t, dir)
			stored, err := json.Marshal(stamp(plan(t, client(t, dir), d)))
			require.NoError(t, err)
			held := map[string]bool{}
			for over := false; !over; {
				c := client(t, dir, func(o *graphentra.Options) {
					o.Holds = func(_ context.Context, _ mspkit.TenantID, key string) (bool, error) { return held[key], nil }
				})
				next, err := graphentra.ParsePlan(stored)
				require.NoError(t, err)
				if seeded.IntN(2) == 0 { // who comes back plans again, or goes on with what was stored
					next = stamp(plan(t, c, d))
				}
				ctx, kill := context.WithCancel(t.Context())
				dir.DieAfter(1+seeded.IntN(writes), func() { kills++; kill() })
				_, err = c.Apply(ctx, next, &graphentra.ApplyOptions{Keep: func(_ context.Context, s graphentra.NewSecret) error {
					held[s.KeyID] = true
					return nil
				}})
				over = err == nil
				if err != nil {
					require.ErrorIs(t, err, context.Canceled)
				}
				kill()
			}
			dir.DieAfter(1<<30, func() {})
			require.Empty(t, want.Diff(dir.Snapshot()))
			again := plan(t, client(t, dir), d)
			require.True(t, again.Empty(), again.String())
			app := dir.Objects("applications")[0]
			require.Len(t, app["passwordCredentials"], 1)
			require.True(t, held[app["passwordCredentials"].([]any)[0].(map[string]any)["keyId"].(string)], "somebody has the secret")
		}
	})
}

func stamp(p *graphentra.Plan) *graphentra.Plan {
	p.ID = fixed
	return p
}

func TestAnAnswerThatIsLostOnEveryWrite(t *testing.T) {
	t.Parallel()
	for _, f := range []entratest.DirectoryFault{
		{Writes: true, Times: -1, Drop: true, After: true},
		{Writes: true, Times: -1, Status: http.StatusInternalServerError, Code: "InternalServerError", After: true},
		{Writes: true, Times: -1, Status: http.StatusGatewayTimeout, Code: "UnknownError", After: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			dir := entratest.NewDirectory("", nil)
			c := client(t, dir)
			d := everything(t, dir)
			d.Secrets = nil // whose value would never be seen
			p := plan(t, c, d)
			dir.Fail(f)
			apply(t, c, p)
			require.True(t, plan(t, c, d).Empty())
		})
	}
}

func TestASecretWhoseAnswerIsLostIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		d := graphentra.Desired{Key: "mail", Name: "Mail", Secrets: []graphentra.Secret{{Name: "main"}}}
		p := plan(t, c, d)
		dir.Fail(entratest.DirectoryFault{Path: "/addPassword", Times: 2, Drop: true, After: true})
		res := apply(t, c, p)
		require.Len(t, res.Secrets, 1)
		left := dir.Objects("applications")[0]["passwordCredentials"].([]any)
		require.Len(t, left, 1, "those that nobody knows are removed")
		require.Equal(t, res.Secrets[0].KeyID, left[0].(map[string]any)["keyId"])
	})
}

// A host that says nothing about which secrets it has was given those that an Apply handed out.
func TestASecretThatWasHandedOutStaysWhenThePlanIsAppliedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		d := everything(t, dir)
		p := plan(t, client(t, dir), d)
		first := apply(t, client(t, dir), p)
		require.Len(t, first.Secrets, 1)
		writes := dir.Writes()
		second := apply(t, client(t, dir), p)
		require.Equal(t, writes, dir.Writes())
		require.Empty(t, second.Secrets)
		for i, o := range second.Outcomes {
			require.Equal(t, graphentra.Already, o, second.Steps[i].What)
		}
		require.Len(t, passwords(dir), 1)
		require.Equal(t, first.Secrets[0].KeyID, passwords(dir)[0]["keyId"])
	})
}

func TestASecretThatWasNotHandedOutIsReplacedByWhatRemains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		d := graphentra.Desired{Key: "mail", Name: "Mail", Secrets: []graphentra.Secret{{Name: "main"}}}
		p := plan(t, c, d)
		ctx, stop := context.WithCancel(t.Context())
		dir.DieAfter(2, stop) // the registration, and the secret, whose answer is lost
		res, err := c.Apply(ctx, p, nil)
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, res.Secrets)
		require.Len(t, passwords(dir), 1)
		lost := passwords(dir)[0]["keyId"]
		require.False(t, p.Steps[1].Begun, "the plan itself is the caller's")

		stored, err := json.Marshal(res.Remaining)
		require.NoError(t, err)
		rest, err := graphentra.ParsePlan(stored)
		require.NoError(t, err)
		res = apply(t, client(t, dir), rest)
		require.Len(t, res.Secrets, 1)
		require.Len(t, passwords(dir), 1)
		require.NotEqual(t, lost, passwords(dir)[0]["keyId"])
		require.Equal(t, res.Secrets[0].KeyID, passwords(dir)[0]["keyId"])
	})
}

func TestLag(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", &entratest.DirectoryOptions{Lag: 3})
		c := client(t, dir)
		d := everything(t, dir)
		begun := time.Now()
		res := apply(t, c, plan(t, c, d))
		require.Len(t, res.Secrets, 1)
		require.True(t, plan(t, c, d).Empty())
		require.Greater(t, time.Since(begun), time.Second, "it waited")
	})
}

func TestLagThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		d := everything(t, dir)
		p := plan(t, c, d)
		dir.Change(func(o *entratest.DirectoryOptions) { o.Lag = 1 << 20 })
		begun := time.Now()
		res, err := c.Apply(t.Context(), p, nil)
		require.ErrorIs(t, err, graphentra.ErrNotVisible)
		require.InDelta(t, 2*time.Minute, time.Since(begun), float64(20*time.Second))
		require.Equal(t, p.Steps, res.Remaining.Steps)
	})
}

func TestThrottled(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]entratest.DirectoryFault{
		"seconds": {Status: http.StatusTooManyRequests, RetryAfter: "40", Times: 2},
		"bare":    {Status: http.StatusTooManyRequests, Times: 5},
		"writes":  {Writes: true, Status: http.StatusTooManyRequests, RetryAfter: "7", Times: 3, Skip: 1},
		"outage":  {Status: http.StatusServiceUnavailable, Times: 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dir := entratest.NewDirectory("", nil)
				c := client(t, dir)
				d := everything(t, dir)
				dir.Fail(f)
				begun := time.Now()
				apply(t, c, plan(t, c, d))
				require.True(t, plan(t, c, d).Empty())
				switch name {
				case "seconds":
					require.GreaterOrEqual(t, time.Since(begun), 80*time.Second, "what Graph asks for is waited for")
				case "writes":
					require.GreaterOrEqual(t, time.Since(begun), 21*time.Second)
				}
			})
		})
	}
}

func TestThrottledForTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		p := plan(t, c, everything(t, dir))
		dir.Fail(entratest.DirectoryFault{Writes: true, Skip: 2, Times: -1, Status: http.StatusTooManyRequests, RetryAfter: "600"})
		begun := time.Now()
		res, err := c.Apply(t.Context(), p, nil)
		require.ErrorIs(t, err, graphentra.ErrThrottled)
		e, ok := errors.AsType[*graphentra.Error](err)
		require.True(t, ok)
		require.Equal(t, 10*time.Minute, e.RetryAfter)
		require.Equal(t, p.Steps[2].Kind, e.Step)
		require.Equal(t, p.Steps[2:], res.Remaining.Steps)
		require.Len(t, res.Steps, 2)
		require.Less(t, time.Since(begun), time.Minute, "a wait that is too long is not begun")
	})
}

func TestFailureLeavesAPlanThatContinues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		d := everything(t, dir)
		p := plan(t, c, d)
		dir.Change(func(o *entratest.DirectoryOptions) { o.Denied = []string{"POST /oauth2PermissionGrants"} })
		var told []graphentra.Progress
		res, err := c.Apply(t.Context(), p, &graphentra.ApplyOptions{Progress: func(g graphentra.Progress) { told = append(told, g) }})
		require.ErrorIs(t, err, graphentra.ErrDenied)
		require.Contains(t, graphentra.Explain(err), "DelegatedPermissionGrant.ReadWrite.All")
		e, _ := errors.AsType[*graphentra.Error](err)
		require.Equal(t, http.StatusForbidden, e.Status)
		require.Equal(t, "Authorization_RequestDenied", e.Code)
		require.NotEmpty(t, e.RequestID)
		require.Equal(t, graphentra.Failed, told[len(told)-1].Outcome)
		require.Len(t, res.Secrets, 1, "a secret that was made is not lost with a step that fails later")

		dir.Change(func(o *entratest.DirectoryOptions) { o.Denied = nil })
		stored, err := json.Marshal(res.Remaining)
		require.NoError(t, err)
		rest, err := graphentra.ParsePlan(stored)
		require.NoError(t, err)
		require.Empty(t, apply(t, c, rest).Secrets)
		require.True(t, plan(t, c, d).Empty())
		require.Len(t, dir.Objects("applications")[0]["passwordCredentials"], 1)
	})
}

func TestSomebodyChangedTheTenant(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edit    map[string]any
		refused bool
	}{
		"the same field":  {map[string]any{"web": map[string]any{"redirectUris": []any{"https://else.example"}}}, true},
		"another field":   {map[string]any{"description": "hello"}, false},
		"a tag of theirs": {map[string]any{"tags": []any{"mspkit:signin", "theirs"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dir := entratest.NewDirectory("", nil)
				c := client(t, dir)
				d := graphentra.SignIn("signin", "north", "North IT", "https://msp.example/auth")
				apply(t, c, plan(t, c, d))
				d.RedirectURIs = append(d.RedirectURIs, "https://new.example/callback")
				p := plan(t, c, d)
				require.Len(t, p.Steps, 1)
				id := dir.Objects("applications")[0]["id"].(string)
				require.True(t, dir.Edit(id, test.edit))
				writes := dir.Writes()
				_, err := c.Apply(t.Context(), p, nil)
				if test.refused {
					require.ErrorIs(t, err, graphentra.ErrChanged)
					require.Equal(t, writes, dir.Writes())
					return
				}
				require.NoError(t, err)
				require.True(t, plan(t, c, d).Empty())
			})
		})
	}
}

func TestAnApplicationThatTookThePlaceOfAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		d := graphentra.SignIn("signin", "north", "North IT", "https://msp.example/auth")
		apply(t, c, plan(t, c, d))
		more := d
		more.RedirectURIs = append(slices.Clone(d.RedirectURIs), "https://new.example/callback")
		p := plan(t, c, more)
		require.Len(t, p.Steps, 1)
		require.True(t, dir.Remove(dir.Objects("applications")[0]["id"].(string)))
		apply(t, c, plan(t, c, d))
		writes := dir.Writes()
		_, err := c.Apply(t.Context(), p, nil)
		require.ErrorIs(t, err, graphentra.ErrChanged)
		require.Equal(t, writes, dir.Writes())
	})
}

func TestAnotherTenantBehindTheSameName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir, other := entratest.NewDirectory("", nil), entratest.NewDirectory("", nil)
		p := plan(t, client(t, dir), graphentra.SignIn("signin", "north", "North IT", "https://msp.example/auth"))
		_, err := client(t, other).Apply(t.Context(), p, nil)
		require.ErrorIs(t, err, graphentra.ErrChanged)
		require.Zero(t, other.Writes())
	})
}

func TestKeepThatFailsTakesTheSecretBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		c := client(t, dir)
		d := graphentra.Desired{Key: "mail", Name: "Mail", Secrets: []graphentra.Secret{{Name: "main"}}}
		p := plan(t, c, d)
		full := errors.New("disk full")
		res, err := c.Apply(t.Context(), p, &graphentra.ApplyOptions{Keep: func(context.Context, graphentra.NewSecret) error { return full }})
		require.ErrorIs(t, err, full)
		require.Empty(t, res.Secrets)
		require.Empty(t, dir.Objects("applications")[0]["passwordCredentials"])
		require.Len(t, apply(t, c, res.Remaining).Secrets, 1)
	})
}

func TestNoSecretLeaks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := entratest.NewDirectory("", nil)
		var log strings.Builder
		c := client(t, dir, func(o *graphentra.Options) { o.Logger = textLogger(&log) })
		d := everything(t, dir)
		p := plan(t, c, d)
		res := apply(t, c, p)
		secret := res.Secrets[0].Value.Reveal()
		require.NotEmpty(t, secret)
		stored, err := json.Marshal(p)
		require.NoError(t, err)
		require.NotContains(t, string(stored)+p.String()+log.String(), secret)
		_, err = json.Marshal(res)
		require.Error(t, err, "a result with secrets is not stored by mistake")
		require.NotContains(t, log.String(), "Dana")
		require.NotEmpty(t, log.String())
	})
}
