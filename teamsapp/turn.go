package teamsapp

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/mspkit/mspkit"
)

// The types of answers to a card's Action.Execute
// (https://learn.microsoft.com/adaptive-cards/authoring-cards/universal-action-model#response-format).
const (
	responseMessage = "application/vnd.microsoft.activity.message"
	responseError   = "application/vnd.microsoft.error"
)

// invokeResponse answers an Action.Execute.
type invokeResponse struct {
	StatusCode int    `json:"statusCode"`
	Type       string `json:"type"`
	Value      any    `json:"value"`
}

func invokeError(status int, code, message string) *invokeResponse {
	return &invokeResponse{status, responseError, problem{Code: code, Message: message}}
}

// phrase is something that the bot says by itself.
type phrase struct{ en, de string }

var (
	sayDone     = phrase{"Done.", "Erledigt."}
	sayFailed   = phrase{"That did not work. Please try again.", "Das hat nicht geklappt. Bitte versuchen Sie es noch einmal."}
	sayBusy     = phrase{"This is being handled already. Please wait a moment.", "Das wird schon bearbeitet. Bitte warten Sie einen Moment."}
	sayUnknown  = phrase{"This button does not work any more.", "Diese Schaltfläche funktioniert nicht mehr."}
	sayPersonal = phrase{"Please use this in your own chat with me.", "Bitte nutzen Sie das in Ihrem eigenen Chat mit mir."}
)

func (p phrase) in(locale string) string {
	if language, _, _ := strings.Cut(locale, "-"); strings.EqualFold(language, "de") {
		return p.de
	}
	return p.en
}

// turn handles what a person did.
func (b *Bot) turn(ctx context.Context, tenant mspkit.TenantID, a *activity) (*invokeResponse, error) {
	user, err := NewUser(a.tenant, a.From.ObjectID)
	if err != nil || a.From.ID == "" {
		return nil, malformed("no person")
	}
	if a.ID == "" {
		return nil, malformed("no id")
	}
	t := Turn{
		Tenant: tenant, User: user, Name: personName(a.From.Name), Locale: a.Locale, ID: turnID(b.app.ID, a),
		Message: MessageRef{User: user, Conversation: a.Conversation.ID, Activity: a.ID},
	}
	// Everything is read before anything is done.
	p, pressed, err := t.read(a)
	if err != nil {
		return nil, err
	}
	if err := b.remember(ctx, tenant, user, a.From, a, here); err != nil {
		return nil, err
	}
	switch {
	case a.Type == typeInvoke:
		return b.execute(ctx, t, p)
	case pressed:
		return nil, b.submit(ctx, t, p)
	}
	return nil, b.command(ctx, t)
}

// read fills in what was pressed or written.
func (t *Turn) read(a *activity) (p press, pressed bool, err error) {
	if a.Type == typeInvoke {
		p, err = parseExecute(a.Value)
		pressed = true
	} else if t.Text = plainText(a.Text); t.Text == "" {
		p, pressed, err = parseSubmit(a.Value)
	}
	if pressed {
		t.Verb, t.Data, t.Message.Activity = p.verb, p.data, a.ReplyToID
	}
	return p, pressed, err
}

// execute answers an Action.Execute: what it returns stands in the place of the card, or beside it.
func (b *Bot) execute(ctx context.Context, t Turn, p press) (*invokeResponse, error) {
	h := b.verbs[p.verb]
	if h == nil {
		return invokeError(http.StatusBadRequest, "UnknownVerb", sayUnknown.in(t.Locale)), nil
	}
	c := b.newClaim(&t, &p)
	mine, done, err := c.take(ctx)
	switch {
	case err != nil:
		return nil, err
	case mine:
		_, done, err = b.handle(ctx, c, t, h, true)
	case done == nil:
		done, err = c.wait(ctx)
	}
	switch {
	case errors.Is(err, errFailed):
		return invokeError(http.StatusInternalServerError, "Failed", sayFailed.in(t.Locale)), nil
	case errors.Is(err, errHandledElsewhere):
		return &invokeResponse{http.StatusOK, responseMessage, sayBusy.in(t.Locale)}, nil
	case err != nil:
		return nil, err
	case done.Card != nil:
		return &invokeResponse{http.StatusOK, CardType, done.Card}, nil
	case done.Text != "":
		return &invokeResponse{http.StatusOK, responseMessage, done.Text}, nil
	}
	return &invokeResponse{http.StatusOK, responseMessage, sayDone.in(t.Locale)}, nil
}

// submit handles an Action.Submit, which comes as a message from clients that do not know Action.Execute.
func (b *Bot) submit(ctx context.Context, t Turn, p press) error {
	h := b.verbs[p.verb]
	if h == nil {
		b.answer(ctx, t, Reply{Text: sayUnknown.in(t.Locale)})
		return nil
	}
	return b.message(ctx, t, &p, h)
}

// command handles a written message.
func (b *Bot) command(ctx context.Context, t Turn) error {
	word, _, _ := strings.Cut(t.Text, " ")
	h := b.commands[strings.ToLower(word)]
	if h == nil {
		h = b.commands[anyCommand]
	}
	if h == nil || t.Text == "" {
		return nil
	}
	return b.message(ctx, t, nil, h)
}

// message handles a turn that came as a message. A duplicate is done with: the answer goes out by itself.
func (b *Bot) message(ctx context.Context, t Turn, p *press, h Handler) error {
	c := b.newClaim(&t, p)
	mine, _, err := c.take(ctx)
	if err != nil || !mine {
		return err
	}
	reply, _, err := b.handle(ctx, c, t, h, false)
	if err != nil {
		reply = Reply{Text: sayFailed.in(t.Locale)}
	}
	b.answer(ctx, t, reply)
	return nil
}

// handle calls h for the claimed turn and keeps what it replied; where keepReply is not set, only that it did. The
// handler goes on when Teams hangs up, so that what it did is known when Teams asks again. Where it fails, panics or
// replies with a card that cannot be sent, the turn is given back and the error is [errFailed].
func (b *Bot) handle(ctx context.Context, c *turnClaim, t Turn, h Handler, keepReply bool) (Reply, *answer, error) {
	defer c.forget(ctx)
	hctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.o.HandleTimeout)
	defer cancel()
	reply, err := h(hctx, t)
	a := answer{Text: reply.Text}
	if err == nil && reply.Card != nil {
		a.Card, err = reply.Card.JSON()
	}
	if err != nil {
		b.log.ErrorContext(ctx, "teamsapp: a handler failed", slog.String("turn", t.ID), slog.String("verb", t.Verb), slog.Any("error", err))
		return Reply{}, nil, errFailed
	}
	if keepReply {
		c.keep(ctx, a)
	} else {
		c.keep(ctx, answer{})
	}
	return reply, &a, nil
}

// answer sends the reply to a turn that came as a message. A failure is logged and no more: the turn was handled.
func (b *Bot) answer(ctx context.Context, t Turn, reply Reply) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
	defer cancel()
	var err error
	switch {
	case reply.Card == nil && reply.Text == "":
	case t.Verb != "" && reply.Card != nil && t.Message.Activity != "":
		err = b.Update(ctx, t.Message, Message{Card: reply.Card})
	default:
		_, err = b.Reply(ctx, t.Message, Message{Text: reply.Text, Card: reply.Card})
	}
	if err != nil {
		b.log.WarnContext(ctx, "teamsapp: an answer was not sent", slog.String("turn", t.ID), slog.Any("error", err))
	}
}
