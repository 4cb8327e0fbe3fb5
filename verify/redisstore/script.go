package redisstore

import (
	"context"
	"embed"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lua
var sources embed.FS

// script joins files of lua, of which the last names the verb.
func script(parts ...string) *redis.Script {
	var text strings.Builder
	for _, p := range parts {
		b, err := sources.ReadFile("lua/" + p + ".lua")
		if err != nil {
			panic(fmt.Sprintf("redisstore: script %s: %v", p, err)) // a test runs every one
		}
		text.Write(b)
	}
	return redis.NewScript(text.String())
}

// The scripts. Each is one atomic step, and harmless when a client that heard no answer sends it again.
var (
	beginScript   = script("shard", "limits", "begin")
	attemptScript = script("shard", "record", "attempt")
	finishScript  = script("shard", "record", "finish")
	renewScript   = script("shard", "limits", "record", "renew")
	sentScript    = script("shard", "record", "sent")
	hintScript    = script("shard", "record", "hint")
	approveScript = script("shard", "record", "approve")
	redeemScript  = script("shard", "record", "redeem")
	getScript     = script("shard", "get")
	listScript    = script("shard", "list")

	subjectScript       = script("shard", "subject")
	changeSubjectScript = script("shard", "changesubject")

	peekScript         = script("peek")
	tailScript         = script("shard", "tail")
	ackScript          = script("shard", "ack")
	expireScript       = script("shard", "expire")
	dropEndedScript    = script("shard", "dropended")
	dropEventsScript   = script("shard", "dropevents")
	dropCountersScript = script("shard", "dropcounters")
	dropOnceScript     = script("shard", "droponce")
	popRefundsScript   = script("shard", "poprefunds")

	chainScript    = script("shard", "chain")
	evidenceScript = script("shard", "evidence")

	enqueueScript = script("shard", "limits", "enqueue")
	dueScript     = script("shard", "due")
	doneScript    = script("shard", "done")

	factorScript     = script("shard", "factor")
	putFactorScript  = script("shard", "putfactor")
	dropFactorScript = script("shard", "dropfactor")

	countGlobalScript = script("countglobal")
	giveBackScript    = script("giveback")
)

// call is one script with what it is given.
type call struct {
	script *redis.Script
	keys   []string
	args   []any
}

// answer is what a script returns: first a word, then values.
type answer []string

func (a answer) at(i int) string {
	if i < len(a) {
		return a[i]
	}
	return ""
}

// run runs one script. A server that does not know it is sent its text.
func (s *Store) run(ctx context.Context, c call) (answer, error) {
	out, err := c.script.EvalSha(ctx, s.client, c.keys, c.args...).StringSlice()
	if err != nil && undone(err) {
		return s.again(ctx, c, err)
	}
	return out, err
}

// runAll runs scripts in one round trip for each machine. Where one fails, the others have run all the same.
func (s *Store) runAll(ctx context.Context, calls []call) ([]answer, error) {
	out := make([]answer, len(calls))
	if len(calls) == 0 {
		return out, nil
	}
	if len(calls) == 1 {
		var err error
		out[0], err = s.run(ctx, calls[0])
		return out, err
	}
	cmds := make([]*redis.Cmd, len(calls))
	_, _ = s.client.Pipelined(ctx, func(p redis.Pipeliner) error { // each command has its own error
		for i, c := range calls {
			cmds[i] = c.script.EvalSha(ctx, p, c.keys, c.args...)
		}
		return nil
	})
	var failed error
	for i, cmd := range cmds {
		var err error
		if out[i], err = cmd.StringSlice(); err != nil && undone(err) {
			out[i], err = s.again(ctx, calls[i], err)
		}
		if err != nil && failed == nil {
			failed = err
		}
	}
	return out, failed
}

// undone reports whether err says that the script did not run but will when it is sent again.
func undone(err error) bool {
	return redis.HasErrorPrefix(err, "NOSCRIPT") || redis.HasErrorPrefix(err, "TRYAGAIN")
}

// patience is how long a slot of a cluster may take to move.
const patience = 3 * time.Second

// again sends the text of a script, until the slot of its keys has moved.
func (s *Store) again(ctx context.Context, c call, err error) (answer, error) {
	var out answer
	for waited, pause := time.Duration(0), 5*time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		if redis.HasErrorPrefix(err, "TRYAGAIN") {
			if waited += pause; waited > patience {
				return nil, err
			}
			t := time.NewTimer(pause)
			select {
			case <-ctx.Done():
				t.Stop()
				return nil, context.Cause(ctx)
			case <-t.C:
			}
		}
		out, err = c.script.Eval(ctx, s.client, c.keys, c.args...).StringSlice()
		if err == nil || !undone(err) {
			return out, err
		}
	}
}
