package changefeed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/internal/httpx"
	"github.com/mspkit/mspkit/teamsapp"
)

// MaxReply is how many bytes of text an answer may have: Teams takes messages of about 28 KB with all that is around it
// (https://learn.microsoft.com/microsoftteams/limits-specifications-teams#chat), which leaves room for that.
const MaxReply = 24 << 10

// ErrUnclear means that an answer was sent and it is not known whether it was taken: it may stand in the conversation.
var ErrUnclear = errors.New("changefeed: it is not known whether the message was taken")

// ErrNotAllowed means that the agent may not write there: they are not in the conversation, or the permission is missing.
var ErrNotAllowed = errors.New("changefeed: the agent may not write there")

// Replier answers what a person wrote: an [*Agent] in the conversation itself, as the agent who is signed in, or a [*BotReplier]
// in the bot's chat with the person. A host's desktop takes either.
type Replier interface {
	// Reply answers the message of e with a plain text and returns an id of the answer.
	Reply(ctx context.Context, e Event, text string) (id string, err error)
}

// AgentOptions are the settings of an [Agent]. Nil and the zero value are fine.
type AgentOptions struct {
	// Cloud is the Microsoft cloud; zero is the public one.
	Cloud azurecred.Cloud
	// HTTPClient sends the requests; nil is a client of our own. Redirects are refused in any case.
	HTTPClient *http.Client
	// Logger gets the ids and codes of what is refused; nil discards.
	Logger *slog.Logger
	// Now is the clock; nil is [time.Now].
	Now func() time.Time
}

// Agent writes into chats and channels as one person who is signed in and is a member of them. It is safe for concurrent use.
type Agent struct{ graph *graphx.Client }

var _ Replier = (*Agent)(nil)

// NewAgent returns an agent. creds are delegated ones of that person for each tenant, with ChatMessage.Send for chats and
// ChannelMessage.Send for channels: Graph lets no application write by itself
// (https://learn.microsoft.com/graph/api/chat-post-messages). Never share an Agent between persons: whoever holds it writes in
// their name. What is wrong is reported as [mspkit.ErrInvalid].
func NewAgent(creds azurecred.TenantCredentials, o *AgentOptions) (*Agent, error) {
	var opts AgentOptions
	if o != nil {
		opts = *o
	}
	if opts.Cloud == (azurecred.Cloud{}) {
		opts.Cloud = azurecred.PublicCloud()
	}
	err := opts.Cloud.Validate()
	if creds == nil {
		err = errors.Join(err, fmt.Errorf("there are no credentials: %w", mspkit.ErrInvalid))
	}
	if err != nil {
		return nil, fmt.Errorf("changefeed: new agent: %w", err)
	}
	graph, err := graphx.New(creds, &graphx.Options{
		BaseURL: opts.Cloud.Graph, Scope: opts.Cloud.Scope(), HTTPClient: opts.HTTPClient, Logger: opts.Logger, Now: opts.Now,
		Limits: map[graphx.Workload]graphx.Limit{messages: {Requests: 10, Per: time.Second}},
	})
	if err != nil {
		return nil, fmt.Errorf("changefeed: new agent: %w", err)
	}
	return &Agent{graph: graph}, nil
}

// Reply writes a plain text into the chat of e, or into the thread of the channel, and returns the id of the new message. The
// feed then tells of it as of every other message: leave out those whose From is the agent, or two desktops that answer by
// themselves never stop.
//
// It is sent once: where no answer comes the error is [ErrUnclear], and whoever sends again may write twice. The other errors
// are [ErrNotFound], [ErrNotAllowed], and [mspkit.ErrInvalid] for an event without a message or a text of none or more than
// [MaxReply] bytes.
//
// Sources: https://learn.microsoft.com/graph/api/chat-post-messages and
// https://learn.microsoft.com/graph/api/chatmessage-post-replies.
func (a *Agent) Reply(ctx context.Context, e Event, text string) (string, error) {
	t, err := answerable(e, text)
	if err != nil {
		return "", err
	}
	path := "/chats/" + url.PathEscape(t.chat) + "/messages"
	if t.kind == ChannelMessage {
		t.reply = "" // an answer to an answer stands in the same thread
		path = t.url() + "/replies"
	}
	var made struct {
		ID string `json:"id"`
	}
	err = a.graph.Do(ctx, &graphx.Request{Tenant: e.Tenant, Workload: messages, Method: http.MethodPost, Path: path, Body: map[string]any{
		"body": map[string]string{"contentType": "text", "content": text},
	}}, &made)
	if err != nil {
		return "", fmt.Errorf("changefeed: reply: %w", judgeReply(err))
	}
	return made.ID, nil
}

// judgeReply joins what an error means for an answer.
func judgeReply(err error) error {
	var lost *httpx.Error
	var answer *graphx.Error
	switch {
	case errors.Is(err, graphx.ErrNotFound):
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case errors.Is(err, graphx.ErrDenied):
		return fmt.Errorf("%w: %w", ErrNotAllowed, err)
	case errors.As(err, &answer) && answer.Status >= http.StatusInternalServerError, errors.As(err, &lost) && lost.Sent, errors.Is(err, graphx.ErrAnswer):
		return fmt.Errorf("%w: %w", ErrUnclear, err)
	}
	return err
}

// answerable says where e is, if it can be answered with text.
func answerable(e Event, text string) (target, error) {
	t, ok := parsePath(e.Path)
	switch {
	case !ok || t.kind != ChatMessage && t.kind != ChannelMessage || e.Message == nil:
		return t, fmt.Errorf("changefeed: reply: the event is not of a message: %w", mspkit.ErrInvalid)
	case strings.TrimSpace(text) == "" || !utf8.ValidString(text):
		return t, fmt.Errorf("changefeed: reply: the text is empty or not UTF-8: %w", mspkit.ErrInvalid)
	case len(text) > MaxReply:
		return t, fmt.Errorf("changefeed: reply: the text has %d bytes, at most %d are taken: %w", len(text), MaxReply, mspkit.ErrInvalid)
	}
	return t, nil
}

// BotReplier answers in the bot's private chat with whoever wrote: a bot cannot write into chats that it is not in. It is safe
// for concurrent use where the notifier is.
type BotReplier struct{ bot teamsapp.TeamsNotifier }

var _ Replier = (*BotReplier)(nil)

// NewBotReplier returns a replier that writes with bot, a *teamsapp.Bot or a graphteams.Notifier.
func NewBotReplier(bot teamsapp.TeamsNotifier) (*BotReplier, error) {
	if bot == nil {
		return nil, fmt.Errorf("changefeed: new bot replier: there is no bot: %w", mspkit.ErrInvalid)
	}
	return &BotReplier{bot}, nil
}

// Reply sends a plain text to the person who wrote the message of e, and returns the [teamsapp.MessageRef] of the answer as a
// string. Others in the conversation do not see it. A message that no person of the tenant wrote, such as one of an app, cannot
// be answered: [mspkit.ErrInvalid], as for [Agent.Reply]. Other errors are the bot's.
func (b *BotReplier) Reply(ctx context.Context, e Event, text string) (string, error) {
	if _, err := answerable(e, text); err != nil {
		return "", err
	}
	if e.Message.From.ObjectID == "" {
		return "", fmt.Errorf("changefeed: reply: no person wrote the message: %w", mspkit.ErrInvalid)
	}
	to, err := teamsapp.NewUser(e.EntraTenant, e.Message.From.ObjectID)
	if err != nil {
		return "", fmt.Errorf("changefeed: reply: %w", err)
	}
	r, err := b.bot.Notify(ctx, teamsapp.Notification{To: to, Message: teamsapp.Message{Text: text}})
	if err != nil {
		return "", fmt.Errorf("changefeed: reply: %w", err)
	}
	return r.Message.String(), nil
}
