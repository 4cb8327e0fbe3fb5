package teamschannel

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
)

// Options are the parts of [New] and [Register] beyond the required ones; give both the same. The zero value is fine.
type Options struct {
	// Channel is the name under which the channel is registered in [verify.Options]: default "teams". Only Register
	// needs it.
	Channel string
	// Commands are the words with which a person asks who is calling them, in any case and with or without a
	// question mark: default "who" and "wer". The
	// help names the one that its language has as text "help.word", and the first where that is none of them.
	Commands []string
	// Help answers every message that no command fits with what a person can do here. Leave it off where the host has
	// its own answer for these.
	Help bool
	// Texts replace built-in texts or add languages, by locale ("de", "pt-BR") and key. The keys, and what may stand in
	// braces, are those of texts/en.json; a language that is not built in needs all of them.
	Texts map[string]map[string]string
	// Location is the time zone in which a tenant's people read times: default UTC. The zone is always named. Cards do
	// not say "3 minutes ago", because they stay in the chat.
	Location func(tenant mspkit.TenantID) *time.Location
	// Now is the clock: default time.Now.
	Now func() time.Time
	// Logger gets warnings; nil discards them.
	Logger *slog.Logger
}

// defaults returns a copy of o with every zero replaced, and a writer that keeps to it, or everything that is wrong.
func (o *Options) defaults() (Options, *writer, error) {
	var out Options
	if o != nil {
		out = *o
	}
	var errs []error
	if out.Channel == "" {
		out.Channel = "teams"
	}
	if len(out.Commands) == 0 {
		out.Commands = []string{"who", "wer"}
	}
	out.Commands = slices.Clone(out.Commands)
	for i, c := range out.Commands {
		out.Commands[i] = strings.ToLower(c)
		if c == "" || len(c) > 64 || len(strings.Fields(c)) != 1 || slices.Contains(out.Commands[:i], out.Commands[i]) {
			errs = append(errs, fmt.Errorf("Options.Commands: %q is not one word of at most 64 bytes, or is there twice: %w", c, mspkit.ErrInvalid))
		}
	}
	if out.Now == nil {
		out.Now = time.Now
	}
	if out.Location == nil {
		out.Location = func(mspkit.TenantID) *time.Location { return time.UTC }
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	all, err := load(out.Texts)
	errs = append(errs, err)
	return out, &writer{texts: all, location: out.Location}, errors.Join(errs...)
}
