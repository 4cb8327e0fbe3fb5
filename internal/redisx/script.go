package redisx

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lua
var sources embed.FS

var peekScript = Script(sources, "peek")

// Script joins files of the folder lua, of which the last names the verb.
func Script(sources fs.FS, parts ...string) *redis.Script {
	var text strings.Builder
	for _, p := range parts {
		b, err := fs.ReadFile(sources, "lua/"+p+".lua")
		if err != nil {
			panic(fmt.Sprintf("redisx: script %s: %v", p, err)) // a test runs every one
		}
		text.Write(b)
	}
	return redis.NewScript(text.String())
}

// Call is one script with what it is given.
type Call struct {
	Script *redis.Script
	Keys   []string
	Args   []any
}

// Answer is what a script returns: first a word, then values.
type Answer []string

// At returns the value at a place, or "" where there is none.
func (a Answer) At(i int) string {
	if i < len(a) {
		return a[i]
	}
	return ""
}

// Run runs one script. A server that does not know it is sent its text.
func (s *Shards) Run(ctx context.Context, c Call) (Answer, error) {
	out, err := c.Script.EvalSha(ctx, s.client, c.Keys, c.Args...).StringSlice()
	if err != nil && undone(err) {
		return s.again(ctx, c, err)
	}
	return out, err
}

// RunAll runs scripts in one round trip for each machine. Where one fails, the others have run all the same.
func (s *Shards) RunAll(ctx context.Context, calls []Call) ([]Answer, error) {
	out := make([]Answer, len(calls))
	if len(calls) == 0 {
		return out, nil
	}
	if len(calls) == 1 {
		var err error
		out[0], err = s.Run(ctx, calls[0])
		return out, err
	}
	cmds := make([]*redis.Cmd, len(calls))
	_, _ = s.client.Pipelined(ctx, func(p redis.Pipeliner) error { // each command has its own error
		for i, c := range calls {
			cmds[i] = c.Script.EvalSha(ctx, p, c.Keys, c.Args...)
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
func (s *Shards) again(ctx context.Context, c Call, err error) (Answer, error) {
	var out Answer
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
		out, err = c.Script.Eval(ctx, s.client, c.Keys, c.Args...).StringSlice()
		if err == nil || !undone(err) {
			return out, err
		}
	}
}
