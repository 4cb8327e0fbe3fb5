package teamsapp_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp"
)

// installation is an installationUpdate.
func (r *rig) installation(action string) activity {
	a := r.base("installationUpdate", "i-"+action)
	a["action"] = action
	return a
}

// members is a conversationUpdate as Teams sends it when the app is added or removed.
func (r *rig) members(list string) activity {
	a := r.base("conversationUpdate", "m-"+list)
	a[list] = []map[string]any{{"id": "28:" + botID}, {"id": "29:alice", "aadObjectId": alice}}
	return a
}

// record is what the store has of Alice.
func (r *rig) record(tb testing.TB) (teamsapp.Record, bool) {
	tb.Helper()
	rec, err := r.store.Load(tb.Context(), teamsapp.Key{Bot: botID, Tenant: "contoso", User: aliceInContoso})
	if errors.Is(err, teamsapp.ErrNotFound) {
		return rec, false
	}
	require.NoError(tb, err)
	return rec, true
}

func TestInstallUninstallReinstall(t *testing.T) {
	t.Parallel()
	for name, events := range map[string][3]func(r *rig) activity{
		"members": {
			func(r *rig) activity { return r.members("membersAdded") },
			func(r *rig) activity { return r.members("membersRemoved") },
			func(r *rig) activity { return r.members("membersAdded") },
		},
		"installation": {
			func(r *rig) activity { return r.installation("add") },
			func(r *rig) activity { return r.installation("remove") },
			func(r *rig) activity { return r.installation("add") },
		},
		"upgrade": {
			func(r *rig) activity { return r.installation("add-upgrade") },
			func(r *rig) activity { return r.installation("remove-upgrade") },
			func(r *rig) activity { return r.installation("add-upgrade") },
		},
		"from the bot itself": {
			func(r *rig) activity {
				a := r.members("membersAdded")
				a["from"] = map[string]any{"id": "28:" + botID}
				return a
			},
			func(r *rig) activity { return r.installation("remove") },
			func(r *rig) activity { return r.says("hi", "hi") }, // who can write has it
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var told []teamsapp.Installation
			r := newRig(t, func(o *teamsapp.Options) {
				o.OnInstall = func(_ context.Context, i teamsapp.Installation) error {
					told = append(told, i)
					return nil
				}
			})
			for i, removed := range []bool{false, true, false} {
				r.clock.move(time.Second)
				require.Equal(t, 200, r.deliver(t, events[i](r)).Code)
				require.Equal(t, 200, r.deliver(t, events[i](r)).Code) // twice is harmless
				rec, ok := r.record(t)
				require.True(t, ok)
				require.Equal(t, removed, rec.Removed)
				if len(told) > 2*i {
					require.Equal(t, teamsapp.Installation{Tenant: "contoso", User: aliceInContoso, Installed: !removed}, told[len(told)-1])
				}
				n := 0
				for u, err := range r.Installed(t.Context(), "contoso") {
					require.NoError(t, err)
					require.Equal(t, aliceInContoso, u)
					n++
				}
				require.Equal(t, map[bool]int{true: 0, false: 1}[removed], n)
			}
			require.GreaterOrEqual(t, len(told), 4)
			_, err := r.Notify(t.Context(), teamsapp.Notification{To: aliceInContoso, Message: teamsapp.Message{Text: "welcome"}})
			require.NoError(t, err, "what was kept does not reach the person")
			require.Equal(t, "/amer/v3/conversations/a:alice-chat/activities", r.ms.messages()[0].path)
		})
	}
}

func TestALateEventDoesNotBringBackARemovedApp(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	require.Equal(t, 200, r.deliver(t, r.installation("add")).Code)
	require.Equal(t, 200, r.deliver(t, r.installation("remove")).Code)
	for _, kind := range []string{"event", "messageReaction", "typing", "conversationUpdate", "something new"} {
		require.Equal(t, 200, r.deliver(t, r.base(kind, "late")).Code)
	}
	rec, ok := r.record(t)
	require.True(t, ok)
	require.True(t, rec.Removed)
}

func TestAHostThatCannotTakeAnInstallationIsToldAgain(t *testing.T) {
	t.Parallel()
	fault := errors.New("the database is down")
	told := 0
	r := newRig(t, func(o *teamsapp.Options) {
		o.OnInstall = func(ctx context.Context, _ teamsapp.Installation) error {
			_, bounded := ctx.Deadline()
			require.True(t, bounded)
			told++
			return fault
		}
	})
	require.Equal(t, 500, r.deliver(t, r.installation("add")).Code)
	_, ok := r.record(t)
	require.True(t, ok, "the conversation is kept before the host is told")
	fault = nil
	require.Equal(t, 200, r.deliver(t, r.installation("add")).Code)
	require.Equal(t, 2, told)
}

func TestAnInstallationOfNobodyIsHarmless(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *teamsapp.Options) {
		o.OnInstall = func(context.Context, teamsapp.Installation) error {
			t.Error("told")
			return nil
		}
	})
	a := r.installation("add")
	a["from"] = map[string]any{"id": "28:" + botID}
	require.Equal(t, 200, r.deliver(t, a).Code)
	b := r.members("membersAdded") // of somebody else's bot
	b["membersAdded"] = []map[string]any{{"id": "28:" + contoso}}
	require.Equal(t, 200, r.deliver(t, b).Code)
}

func TestAConversationIsWrittenOnlyWhenItChanged(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	store := &counting{Store: r.store}
	r.Bot = r.another(t, store)
	for i, step := range []struct {
		change func(a activity)
		saves  int
	}{
		{func(activity) {}, 1},
		{func(activity) {}, 1},
		{func(a activity) { a["locale"] = "de-DE" }, 2},
		{func(a activity) { delete(a, "locale") }, 2}, // the last one known stays
		{func(a activity) { a["locale"] = "not a language!" }, 2},
		{func(a activity) { a.of("from")["id"] = "29:other" }, 3},
		{func(a activity) { a.of("conversation")["id"] = "a:new" }, 4},
	} {
		r.clock.move(time.Second)
		a := r.base("typing", "1")
		if i > 4 {
			a.of("from")["id"] = "29:other"
		}
		step.change(a)
		require.Equal(t, 200, r.deliver(t, a).Code)
		require.Equal(t, step.saves, store.saves, i)
	}
	store.failSave = errors.New("disk full")
	require.Equal(t, 500, r.deliver(t, r.base("typing", "1")).Code)
}
