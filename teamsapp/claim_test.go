package teamsapp_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

// counted registers a handler that replies with how often it was called.
func counted(b *teamsapp.Bot) *atomic.Int32 {
	n := &atomic.Int32{}
	h := func(context.Context, teamsapp.Turn) (teamsapp.Reply, error) {
		return teamsapp.Reply{Text: "handled " + strconv.Itoa(int(n.Add(1)))}, nil
	}
	b.Handle("approve", h)
	b.Command("", h)
	return n
}

func TestATurnThatIsDeliveredTwiceIsHandledOnce(t *testing.T) {
	t.Parallel()
	data := map[string]any{"number": "042", "a": 1, "b": true}
	for name, tc := range map[string]struct {
		after  time.Duration
		change func(a activity)
		want   int32
	}{
		"the same delivery":                 {want: 1},
		"ten minutes less a second later":   {after: 10*time.Minute - time.Second, want: 1},
		"another id, at once":               {change: func(a activity) { a["id"] = "2" }, want: 1},
		"another id, within ten seconds":    {after: 10*time.Second - 1, change: func(a activity) { a["id"] = "2" }, want: 1},
		"another id, later":                 {after: 20 * time.Second, change: func(a activity) { a["id"] = "2" }, want: 2},
		"another number":                    {change: func(a activity) { a["id"] = "2"; setData(a, map[string]any{"number": "043", "a": 1, "b": true}) }, want: 2},
		"a number in place of a text":       {change: func(a activity) { a["id"] = "2"; setData(a, map[string]any{"number": 42, "a": 1, "b": true}) }, want: 2},
		"another card":                      {change: func(a activity) { a["id"] = "2"; a["replyToId"] = "card-2" }, want: 2},
		"another chat with the same ids":    {change: func(a activity) { a.of("conversation")["id"] = "a:other" }, want: 2},
		"somebody else who presses as well": {change: func(a activity) { a["id"] = "2"; a.of("from")["aadObjectId"] = contoso }, want: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			n := counted(r.Bot)
			first := r.execute("1", "approve", data)
			require.JSONEq(t, `"handled 1"`, string(readInvoke(t, r.deliver(t, first)).Value))
			r.clock.move(tc.after)
			second := r.execute("1", "approve", data)
			if tc.change != nil {
				tc.change(second)
			}
			want := map[int32]string{1: `"handled 1"`, 2: `"handled 2"`}[tc.want]
			require.JSONEq(t, want, string(readInvoke(t, r.deliver(t, second)).Value))
			require.Equal(t, tc.want, n.Load())
		})
	}
}

func setData(a activity, data map[string]any) {
	a["value"] = map[string]any{"action": map[string]any{"type": "Action.Execute", "verb": "approve", "data": data}}
}

func TestMessagesThatComeTwiceAreAnsweredOnce(t *testing.T) {
	t.Parallel()
	for name, press := range map[string]func(r *rig) activity{
		"command": func(r *rig) activity { return r.says("1", "help") },
		"submit":  func(r *rig) activity { return r.submit("1", "approve", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			n := counted(r.Bot)
			for range 3 {
				require.Equal(t, 200, r.deliver(t, press(r)).Code)
			}
			require.Equal(t, int32(1), n.Load())
			require.Len(t, r.ms.messages(), 1)
		})
	}
}

func TestDeliveriesAtOnceOnTwoInstancesAreHandledOnce(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]func(i int) string{
		"one id":    func(int) string { return "1" },
		"many ids":  func(i int) string { return string('a' + rune(i)) },
		"in groups": func(i int) string { return string('a' + rune(i%3)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			other := r.another(t, r.store)
			n := &atomic.Int32{}
			h := func(context.Context, teamsapp.Turn) (teamsapp.Reply, error) {
				n.Add(1)
				return teamsapp.Reply{Card: thanks()}, nil
			}
			r.Handle("approve", h)
			other.Handle("approve", h)
			header := "Bearer " + sign(t, "one", keyOne(), r.claims())
			answers := make([]*httptest.ResponseRecorder, 12)
			var wg sync.WaitGroup
			for i := range answers {
				wg.Go(func() {
					b := r.Bot
					if i%2 == 1 {
						b = other
					}
					answers[i] = post(b, header, r.execute(id(i), "approve", map[string]any{"number": "042"}))
				})
			}
			wg.Wait()
			require.Equal(t, int32(1), n.Load())
			for _, w := range answers {
				require.JSONEq(t, answers[0].Body.String(), w.Body.String())
				require.Equal(t, teamsapp.CardType, readInvoke(t, w).Type)
			}
		})
	}
}

func TestInstancesAStepApartInAKeyRotationKnowEachOthersTurns(t *testing.T) {
	t.Parallel()
	one, two, three := mspkit.NewKey("one"), mspkit.NewKey("two"), mspkit.NewKey("three")
	for name, rings := range map[string][2][]mspkit.Key{
		"added":              {{one}, {one, two}},
		"moved to the front": {{one, two}, {two, one}},
		"dropped":            {{two, one}, {two}},
		"a third in front":   {{two, one, three}, {three, two, one}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			bots := [2]*teamsapp.Bot{}
			n := &atomic.Int32{}
			for i, keys := range rings {
				var err error
				r.ring, err = mspkit.NewKeyRing(keys...)
				require.NoError(t, err)
				bots[i] = r.another(t, r.store)
				bots[i].Handle("approve", func(_ context.Context, turn teamsapp.Turn) (teamsapp.Reply, error) {
					n.Add(1)
					return teamsapp.Reply{Text: turn.ID}, nil
				})
			}
			header := "Bearer " + sign(t, "one", keyOne(), r.claims())
			first := post(bots[0], header, r.execute("1", "approve", nil))
			second := post(bots[1], header, r.execute("1", "approve", nil))
			require.JSONEq(t, first.Body.String(), second.Body.String())
			require.Equal(t, int32(1), n.Load())
		})
	}
}

func TestAPressIsHandledAnewAfterAnError(t *testing.T) {
	t.Parallel()
	for name, press := range map[string]func(r *rig, id string) activity{
		"Action.Execute": func(r *rig, id string) activity { return r.execute(id, "approve", nil) },
		"Action.Submit":  func(r *rig, id string) activity { return r.submit(id, "approve", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			n := 0
			r.Handle("approve", func(context.Context, teamsapp.Turn) (teamsapp.Reply, error) {
				if n++; n == 1 {
					return teamsapp.Reply{}, errors.New("the ticket system is down")
				}
				return teamsapp.Reply{Text: "Thanks"}, nil
			})
			require.Equal(t, 200, r.deliver(t, press(r, "1")).Code)
			require.Contains(t, r.log.String(), "the ticket system is down")
			require.Equal(t, 200, r.deliver(t, press(r, "2")).Code)
			require.Equal(t, 200, r.deliver(t, press(r, "2")).Code)
			require.Equal(t, 2, n)
		})
	}
}

func TestAPanicGivesTheTurnBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	n := 0
	r.Handle("approve", func(context.Context, teamsapp.Turn) (teamsapp.Reply, error) {
		if n++; n == 1 {
			panic("a bug")
		}
		return teamsapp.Reply{Text: "Thanks"}, nil
	})
	require.PanicsWithValue(t, "a bug", func() { r.deliver(t, r.execute("1", "approve", nil)) })
	require.JSONEq(t, `"Thanks"`, string(readInvoke(t, r.deliver(t, r.execute("1", "approve", nil))).Value))
}

func TestAStoreThatFailsHandlesNothingTwice(t *testing.T) {
	t.Parallel()
	down := errors.New("the database is down")
	t.Run("at the claim", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		store := &counting{Store: r.store, failClaim: down}
		r.Bot = r.another(t, store)
		n := counted(r.Bot)
		require.Equal(t, 500, r.deliver(t, r.execute("1", "approve", nil)).Code)
		require.Equal(t, 500, r.deliver(t, r.says("2", "help")).Code)
		require.Zero(t, n.Load())
		store.failClaim = nil
		require.Equal(t, 200, r.deliver(t, r.execute("1", "approve", nil)).Code)
		require.Equal(t, int32(1), n.Load())
	})
	t.Run("at the conversation", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		r.Bot = r.another(t, &counting{Store: r.store, failSave: down})
		n := counted(r.Bot)
		require.Equal(t, 500, r.deliver(t, r.execute("1", "approve", nil)).Code)
		require.Zero(t, n.Load())
	})
	t.Run("at the answer", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		store := &counting{Store: r.store, failAnswer: down}
		r.Bot = r.another(t, store)
		n := counted(r.Bot)
		got := readInvoke(t, r.deliver(t, r.execute("1", "approve", nil)))
		require.JSONEq(t, `"handled 1"`, string(got.Value), "an error would have Teams deliver it again")
		require.Contains(t, r.log.String(), "a reply was not stored")
		require.Equal(t, int32(1), n.Load())
	})
	t.Run("at the answer, for a moment", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		store := &counting{Store: r.store, failAnswer: down, failAnswers: 1}
		r.Bot = r.another(t, store)
		n := counted(r.Bot)
		for range 2 {
			got := readInvoke(t, r.deliver(t, r.execute("1", "approve", nil)))
			require.JSONEq(t, `"handled 1"`, string(got.Value), "a short fault cost the memory of the turn")
		}
		require.NotContains(t, r.log.String(), "a reply was not stored")
		require.Equal(t, int32(1), n.Load())
	})
	t.Run("at cleaning up", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		r.Bot = r.another(t, &counting{Store: r.store, failDelete: down})
		counted(r.Bot)
		require.Equal(t, 200, r.deliver(t, r.execute("1", "approve", nil)).Code)
		require.Contains(t, r.log.String(), "old claims were not deleted")
	})
}

func TestClaimsDoNotPileUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	counted(r.Bot)
	for i := range 20 {
		r.clock.move(time.Minute)
		require.Equal(t, 200, r.deliver(t, r.execute(string('a'+rune(i)), "approve", map[string]any{"i": i})).Code)
	}
	left, err := r.store.DeleteExpired(t.Context(), r.clock.Now().Add(time.Hour), 1000)
	require.NoError(t, err)
	require.LessOrEqual(t, left, 11, "ten minutes of turns, and the last press")
}

// waiting runs f in a bubble with a bot whose clock is the bubble's, and which takes activities without a token so that
// nothing waits for a network.
func waiting(t *testing.T, f func(t *testing.T, r *rig, b *teamsapp.Bot)) {
	t.Helper()
	r := newRig(t, nil)
	synctest.Test(t, func(t *testing.T) {
		r.o.InsecureLoopback, r.o.Now = true, time.Now
		f(t, r, r.another(t, teamsapp.NewMemory()))
	})
}

func TestADuplicateWaitsForTheReply(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		takes time.Duration
		err   error
		want  string
		after time.Duration
	}{
		"soon":        {takes: time.Second, want: `"Thanks"`, after: time.Second},
		"just late":   {takes: 3500 * time.Millisecond, want: `"This is being handled already. Please wait a moment."`, after: 3 * time.Second},
		"soon failed": {takes: time.Second, err: errors.New("x"), want: `{"code":"Failed","message":"That did not work. Please try again."}`, after: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			waiting(t, func(t *testing.T, r *rig, b *teamsapp.Bot) {
				n := 0
				b.Handle("approve", func(context.Context, teamsapp.Turn) (teamsapp.Reply, error) {
					n++
					time.Sleep(tc.takes)
					return teamsapp.Reply{Text: "Thanks"}, tc.err
				})
				raw, err := json.Marshal(r.execute("1", "approve", nil))
				require.NoError(t, err)
				done := make(chan struct{})
				go func() {
					defer close(done)
					locally(b, raw, nil)
				}()
				synctest.Wait() // the first one is in the handler
				begun := time.Now()
				got := readInvoke(t, fromHere(t, b, raw, nil))
				require.JSONEq(t, tc.want, string(got.Value))
				require.InDelta(t, tc.after, time.Since(begun), float64(600*time.Millisecond))
				<-done
				require.Equal(t, 1, n)
			})
		})
	}
}

func TestADuplicateOfAMessageDoesNotWait(t *testing.T) {
	t.Parallel()
	waiting(t, func(t *testing.T, r *rig, b *teamsapp.Bot) {
		n := 0
		b.Command("help", func(context.Context, teamsapp.Turn) (teamsapp.Reply, error) {
			n++
			time.Sleep(time.Second)
			return teamsapp.Reply{}, nil
		})
		raw, err := json.Marshal(r.says("1", "help"))
		require.NoError(t, err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			locally(b, raw, nil)
		}()
		synctest.Wait()
		begun := time.Now()
		require.Equal(t, 200, fromHere(t, b, raw, nil).Code)
		require.Zero(t, time.Since(begun))
		<-done
		require.Equal(t, 1, n)
	})
}

func TestAMergedPressIsRememberedByItsOwnIDToo(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	n := counted(r.Bot)
	for _, id := range []string{"1", "2"} { // a double click
		require.Equal(t, 200, r.deliver(t, r.execute(id, "approve", nil)).Code)
	}
	require.EqualValues(t, 1, n.Load())
	r.clock.move(5 * time.Minute) // what was pressed is forgotten, and Teams delivers the second one again
	first := r.deliver(t, r.execute("2", "approve", nil))
	require.EqualValues(t, 1, n.Load())
	require.JSONEq(t, first.Body.String(), r.deliver(t, r.execute("1", "approve", nil)).Body.String())
	require.Equal(t, 200, r.deliver(t, r.execute("3", "approve", nil)).Code)
	require.EqualValues(t, 2, n.Load(), "somebody who presses again minutes later means it")
}

func TestADoubleClickOnASlowHandlerIsHandledOnce(t *testing.T) {
	t.Parallel()
	waiting(t, func(t *testing.T, r *rig, b *teamsapp.Bot) {
		n := 0
		b.Handle("approve", func(ctx context.Context, _ teamsapp.Turn) (teamsapp.Reply, error) {
			n++
			<-ctx.Done()
			return teamsapp.Reply{Text: "Thanks"}, nil
		})
		raw, err := json.Marshal(r.execute("1", "approve", nil))
		require.NoError(t, err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			locally(b, raw, nil)
		}()
		time.Sleep(10*time.Second - time.Millisecond) // as long as a press is remembered, and the handler may last
		synctest.Wait()
		require.JSONEq(t, `"Thanks"`, string(readInvoke(t, fromHere(t, b, r.execute("2", "approve", nil), nil)).Value))
		<-done
		require.Equal(t, 1, n)
	})
}
