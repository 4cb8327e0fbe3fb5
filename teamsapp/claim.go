package teamsapp

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/mspkit/mspkit/internal/token"
)

const (
	// rememberTurn is how long a delivery is remembered by its id; Teams repeats within seconds.
	rememberTurn = 10 * time.Minute
	// rememberPress is how long a press is remembered by what it says: a double click, or a delivery with another id.
	rememberPress = 10 * time.Second
	// leaseSpare is what a lease lasts beyond the time that a handler has, for storing the reply.
	leaseSpare = 5 * time.Second

	waitStep     = 100 * time.Millisecond
	waitStepMost = 800 * time.Millisecond
	waitMost     = 3 * time.Second
	// answerTimeout bounds what follows a handler, which goes on when Teams has hung up.
	answerTimeout = leaseSpare

	deleteLimit = 16
)

// errHandledElsewhere means that a turn is being handled by somebody else who has not ended within waitMost.
var errHandledElsewhere = errors.New("the turn is being handled")

// answer is a reply as it is stored and sent.
type answer struct {
	Card json.RawMessage `json:"c,omitempty"`
	Text string          `json:"t,omitempty"`
}

// turnClaim is the right to handle one turn.
type turnClaim struct {
	b     *Bot
	claim Claim
	ids   int // how many of its keys name the delivery
	place []string
	done  bool
}

// newClaim names the turn t in all the ways in which it may come again.
func (b *Bot) newClaim(t *Turn, p *press) *turnClaim {
	now := b.o.Now()
	c := &turnClaim{b: b, place: []string{b.app.ID, string(t.Tenant), t.User.TenantID, t.User.ObjectID}}
	c.claim.Owner = token.Random()
	c.claim.LeaseUntil = now.Add(b.o.HandleTimeout + leaseSpare)
	c.add(now.Add(rememberTurn), "id", t.User.TenantID, t.Message.Conversation, t.ID)
	c.ids = len(c.claim.Keys)
	if p != nil {
		// Remembered as long as it may be at work: a second press meanwhile must find it.
		until := now.Add(max(rememberPress, b.o.HandleTimeout+leaseSpare))
		c.add(until, "press", t.User.TenantID, t.User.ObjectID, t.Message.Conversation, t.Message.Activity, p.verb, canonical(p.data))
	}
	return c
}

// add names the turn under the first two keys of the ring. While keys are rotated one after the other, instances that
// are a step apart have one of these in common, so that they know each other's turns.
func (c *turnClaim) add(until time.Time, parts ...string) {
	sums := c.b.names.Sums(append([]string{c.b.app.ID}, parts...)...)
	for _, sum := range sums[:min(2, len(sums))] {
		c.claim.Keys = append(c.claim.Keys, ClaimKey{Key: token.Text(sum), Until: until})
	}
}

// canonical is the same for equal data: encoding/json sorts the names.
func canonical(data map[string]any) string {
	raw, err := json.Marshal(data)
	if err != nil { // not with strings, numbers and bools
		return strconv.Itoa(len(data))
	}
	return string(raw)
}

// turnID names the delivery of an activity. Ids of activities are times in places, so that only the conversation makes
// them unique.
func turnID(bot string, a *activity) string {
	h := sha256.New()
	for _, s := range []string{bot, a.tenant, a.Conversation.ID, a.ID} {
		h.Write([]byte(strconv.Itoa(len(s)) + ":" + s))
	}
	return token.Text(h.Sum(nil)[:16])
}

// take asks for the turn. Where it was handled the answer is what was replied, and nil where somebody is at work.
func (c *turnClaim) take(ctx context.Context) (mine bool, done *answer, err error) {
	now := c.b.o.Now()
	got, err := c.b.store.Claim(ctx, c.claim, now)
	if err != nil {
		return false, nil, fmt.Errorf("claim the turn: %w", err)
	}
	if got.Mine {
		if _, err := c.b.store.DeleteExpired(ctx, now, deleteLimit); err != nil {
			c.b.log.WarnContext(ctx, "teamsapp: old claims were not deleted", slog.Any("error", err))
		}
		return true, nil, nil
	}
	if len(got.Reply) == 0 {
		return false, nil, nil
	}
	c.merge(ctx, got.Reply, now)
	plain, err := c.b.replies.Open(got.Reply, c.place...)
	done = &answer{}
	if err == nil {
		err = json.Unmarshal(plain, done)
	}
	if err != nil {
		// It was handled, whatever was said then.
		c.b.log.WarnContext(ctx, "teamsapp: the reply of an earlier delivery does not open", slog.Any("error", err))
		return false, &answer{}, nil
	}
	return false, done, nil
}

// merge remembers the delivery of a press that was answered under another id, for as long as any delivery: what it says
// is forgotten earlier.
func (c *turnClaim) merge(ctx context.Context, reply []byte, now time.Time) {
	if c.ids == len(c.claim.Keys) {
		return
	}
	own := Claim{Owner: token.Random(), Keys: c.claim.Keys[:c.ids], LeaseUntil: c.claim.LeaseUntil}
	got, err := c.b.store.Claim(ctx, own, now)
	if err == nil && got.Mine {
		err = c.b.store.Answer(ctx, own.Owner, reply, now)
	}
	if err != nil {
		c.b.log.WarnContext(ctx, "teamsapp: a repeated press was not remembered", slog.Any("error", err))
	}
}

// wait polls for the answer of whoever is at work. The error is [errHandledElsewhere] where that takes too long, and
// errFailed where that one has failed or is gone: then the person is asked to try again, for this delivery ends here.
func (c *turnClaim) wait(ctx context.Context) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, waitMost)
	defer cancel()
	for pause := waitStep; ; pause = min(2*pause, waitStepMost) {
		again := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			again.Stop()
			return nil, errHandledElsewhere
		case <-again.C:
		}
		mine, done, err := c.take(ctx)
		switch {
		case ctx.Err() != nil:
			c.forget(ctx)
			return nil, errHandledElsewhere
		case err != nil:
			return nil, err
		case mine:
			c.forget(ctx)
			return nil, errFailed
		case done != nil:
			return done, nil
		}
	}
}

// errFailed means that a handler failed; why stands in the log.
var errFailed = errors.New("the handler failed")

// keep stores what was replied. A failure is logged and no more: the turn was handled, and telling Teams otherwise would
// have it come again.
func (c *turnClaim) keep(ctx context.Context, a answer) {
	c.done = true
	plain, err := json.Marshal(a)
	if err == nil {
		err = c.store(ctx, c.b.replies.Seal(plain, c.place...))
	}
	if err != nil {
		c.b.log.ErrorContext(ctx, "teamsapp: a reply was not stored: its turn may be handled again if it is delivered again", slog.Any("error", err))
	}
}

// forget gives the turn back, unless its reply was kept.
func (c *turnClaim) forget(ctx context.Context) {
	if c.done {
		return
	}
	c.done = true
	if err := c.store(ctx, nil); err != nil {
		c.b.log.ErrorContext(ctx, "teamsapp: a turn was not given back and can be tried again when its lease is over", slog.Any("error", err))
	}
}

// store goes on when Teams has hung up.
func (c *turnClaim) store(ctx context.Context, reply []byte) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
	defer cancel()
	err := c.b.store.Answer(ctx, c.claim.Owner, reply, c.b.o.Now())
	if err != nil && ctx.Err() == nil { // once more: a short fault should not cost the memory of the turn
		err = c.b.store.Answer(ctx, c.claim.Owner, reply, c.b.o.Now())
	}
	return err
}
