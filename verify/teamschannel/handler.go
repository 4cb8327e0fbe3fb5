package teamschannel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/verify"
)

// numberDigits is how many digits the technician says. Another count cannot be right, so it is not tried.
const numberDigits = 3

// Service takes what comes back from cards and chats; [*verify.Service] implements it.
type Service interface {
	Answer(ctx context.Context, a verify.Answer) (verify.Result, error)
	Deny(ctx context.Context, d verify.Denial) (verify.Result, error)
	Facts(ctx context.Context, ref verify.Ref, from string) (verify.View, error)
	Ask(ctx context.Context, r verify.AskRequest) (verify.Challenge, error)
}

// Registrar takes handlers; [*teamsapp.Bot] implements it.
type Registrar interface {
	Handle(verb string, h teamsapp.Handler)
	Command(word string, h teamsapp.Handler)
}

var (
	_ Service   = (*verify.Service)(nil)
	_ Registrar = (*teamsapp.Bot)(nil)
)

// Register makes bot answer the buttons of the channel's cards ("verify.answer", "verify.not-me", "verify.who") and the
// commands of o. Call it after the service is made and before the bot serves. It reports all faults together, as
// [mspkit.ErrInvalid], and registers nothing then.
func Register(bot Registrar, svc Service, o *Options) error {
	opts, w, err := o.defaults()
	if bot == nil || svc == nil {
		err = errors.Join(err, fmt.Errorf("a bot and a service are required: %w", mspkit.ErrInvalid))
	}
	if err != nil {
		return fmt.Errorf("teamschannel: register: %w", err)
	}
	h := &handlers{svc: svc, o: opts, w: w}
	bot.Handle(verbAnswer, h.answer)
	bot.Handle(verbNotMe, h.notMe)
	bot.Handle(verbWho, h.who)
	for _, c := range opts.Commands {
		bot.Command(c, h.who)
		if ask := c + "?"; !slices.Contains(opts.Commands, ask) {
			bot.Command(ask, h.who)
		}
	}
	if opts.Help {
		bot.Command("", h.help)
	}
	return nil
}

// handlers answer turns. The tenant and the person come from the turn alone, which proves them; the card's data names the
// challenge and is trusted for nothing else.
type handlers struct {
	svc Service
	o   Options
	w   *writer
}

// answer takes the number or the words.
func (h *handlers) answer(ctx context.Context, t teamsapp.Turn) (teamsapp.Reply, error) {
	ref, ok := reference(t)
	if !ok {
		return h.w.reply(t.Locale, "gone"), nil
	}
	from := t.User.String()
	v, err := h.svc.Facts(ctx, ref, from)
	if err != nil {
		return h.refused(ctx, t, ref, err)
	}
	card := h.w.card(v, faultNone)
	switch {
	case card == nil: // a code, which is read aloud and not typed
		return h.w.reply(t.Locale, "gone"), nil
	case v.State != verify.StatePending, v.Kind == verify.KindTechnician && !v.InCall:
		return teamsapp.Reply{Card: card}, nil
	}
	typed, _ := t.Data[fieldAnswer].(string)
	switch {
	case strings.TrimSpace(typed) == "":
		return teamsapp.Reply{Card: h.w.card(v, faultEmpty)}, nil
	case v.Method == verify.MethodNumber && cleantext.Digits(typed) != numberDigits:
		return teamsapp.Reply{Card: h.w.card(v, faultFormat)}, nil
	}
	res, err := h.svc.Answer(ctx, verify.Answer{Ref: ref, Method: v.Method, Response: typed, From: from})
	switch {
	case errors.Is(err, verify.ErrFormat):
		return teamsapp.Reply{Card: h.w.card(v, faultFormat)}, nil
	case err != nil:
		return h.refused(ctx, t, ref, err)
	}
	return teamsapp.Reply{Card: h.answered(ctx, v, from, res)}, nil
}

// answered returns the card after a try that was taken. It is read again, because the technician may have renewed the
// number meanwhile; where that fails the result is enough, and an error would ask the person to spend another try.
func (h *handlers) answered(ctx context.Context, v verify.View, from string, res verify.Result) *teamsapp.Card {
	f := faultNone
	if res.State == verify.StateWrong {
		f = faultWrong
	}
	after, err := h.svc.Facts(ctx, v.Ref, from)
	if err == nil {
		return h.w.card(after, f)
	}
	h.unread(ctx, verbAnswer, v.Ref, err)
	v.TriesLeft = res.TriesLeft
	if v.State = res.State; res.State == verify.StateWrong {
		v.State, v.Hinted = verify.StatePending, v.Kind == verify.KindTechnician
	}
	return h.w.card(v, f)
}

// notMe takes "this was not me". It also counts when the request is over: somebody asked who should not have.
func (h *handlers) notMe(ctx context.Context, t teamsapp.Turn) (teamsapp.Reply, error) {
	ref, ok := reference(t)
	if !ok {
		return h.w.reply(t.Locale, "gone"), nil
	}
	from := t.User.String()
	res, err := h.svc.Deny(ctx, verify.Denial{Ref: ref, From: from})
	if err != nil {
		return h.refused(ctx, t, ref, err)
	}
	v, err := h.svc.Facts(ctx, ref, from)
	if err != nil { // it holds all the same
		h.unread(ctx, verbNotMe, ref, err)
		return h.w.reply(t.Locale, "denied"), nil
	}
	if res.State != verify.StateDenied && v.State != verify.StateDenied {
		v.State = late
	} else {
		v.State = verify.StateDenied
	}
	return teamsapp.Reply{Card: h.w.card(v, faultNone)}, nil
}

// who takes "who is calling me?". The answer is a card of its own, which the service delivers.
func (h *handlers) who(ctx context.Context, t teamsapp.Turn) (teamsapp.Reply, error) {
	from := t.User.String()
	// Nobody promises that ids of turns are unique over all chats.
	_, err := h.svc.Ask(ctx, verify.AskRequest{
		Tenant: t.Tenant, Channel: h.o.Channel, From: from, IdempotencyKey: from + " " + t.ID,
	})
	switch {
	case err == nil:
		return teamsapp.Reply{}, nil
	case errors.Is(err, verify.ErrNotFound), errors.Is(err, verify.ErrNoChannel):
		return h.w.reply(t.Locale, "unknown"), nil
	case errors.Is(err, verify.ErrLimited):
		return h.w.reply(t.Locale, "limited"), nil
	case errors.Is(err, verify.ErrFrozen), errors.Is(err, verify.ErrLocked):
		return h.w.reply(t.Locale, "paused"), nil
	}
	return teamsapp.Reply{}, fmt.Errorf("teamschannel: who: %w", err)
}

func (h *handlers) help(_ context.Context, t teamsapp.Turn) (teamsapp.Reply, error) {
	return teamsapp.Reply{Card: h.w.help(t.Locale, h.o.Commands)}, nil
}

// refused answers where the service did nothing.
func (h *handlers) refused(ctx context.Context, t teamsapp.Turn, ref verify.Ref, err error) (teamsapp.Reply, error) {
	switch {
	case errors.Is(err, verify.ErrNotFound):
		return h.w.reply(t.Locale, "gone"), nil
	case errors.Is(err, verify.ErrForbidden):
		h.o.Logger.LogAttrs(ctx, slog.LevelWarn, "teamschannel: somebody pressed a button of a card that was sent to somebody else",
			slog.String("tenant", string(ref.Tenant)), slog.String("challenge", ref.ID), slog.String("presser", t.User.String()))
		return h.w.reply(t.Locale, "forbidden"), nil
	}
	return teamsapp.Reply{}, fmt.Errorf("teamschannel: %s: %w", t.Verb, err)
}

// unread logs that a request could not be read after a step that holds.
func (h *handlers) unread(ctx context.Context, verb string, ref verify.Ref, err error) {
	h.o.Logger.LogAttrs(ctx, slog.LevelWarn, "teamschannel: a request could not be read after a press that counted", slog.String("verb", verb),
		slog.String("tenant", string(ref.Tenant)), slog.String("challenge", ref.ID), slog.Any("error", err))
}

// reference returns the challenge that a button names, in the tenant of whoever pressed it. What is no id reaches no
// store.
func reference(t teamsapp.Turn) (verify.Ref, bool) {
	id, _ := t.Data[dataID].(string)
	if id == "" || len(id) > 128 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		return verify.Ref{}, false
	}
	return verify.Ref{Tenant: t.Tenant, ID: id}, true
}
