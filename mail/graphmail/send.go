package graphmail

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/mail"
)

// Mailer sends through one mailbox of one tenant. It implements [mail.Mailer] and is safe for concurrent use.
type Mailer struct {
	c *Client
	s mail.Sender
}

var _ mail.Mailer = (*Mailer)(nil)

// Mailer returns the mailer of a sender. It asks nobody: [Senders] and [Client.Check] do.
func (c *Client) Mailer(s mail.Sender) (*Mailer, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return &Mailer{c: c, s: s}, nil
}

// The shapes of a message in Graph.
type (
	address struct {
		Address string `json:"address"`
		Name    string `json:"name,omitempty"`
	}
	recipient struct {
		EmailAddress address `json:"emailAddress"`
	}
	body struct {
		ContentType string `json:"contentType"`
		Content     string `json:"content"`
	}
	header struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	attachment struct {
		ODataType   string `json:"@odata.type"`
		Name        string `json:"name"`
		ContentType string `json:"contentType,omitempty"`
		ContentID   string `json:"contentId,omitempty"`
		IsInline    bool   `json:"isInline,omitempty"`
		Bytes       []byte `json:"contentBytes"`
	}
	message struct {
		Subject     string       `json:"subject"`
		Body        body         `json:"body"`
		From        *recipient   `json:"from,omitempty"`
		To          []recipient  `json:"toRecipients"`
		ReplyTo     []recipient  `json:"replyTo,omitempty"`
		Headers     []header     `json:"internetMessageHeaders"`
		Attachments []attachment `json:"attachments,omitempty"`
	}
	sendMail struct {
		Message message `json:"message"`
		Save    bool    `json:"saveToSentItems"`
	}
)

// maxInline is how many bytes of files go into the request itself, which may have 4 MB with everything in base64.
const maxInline = 2_700_000

// maxAttachment is the largest file that is attached to a draft by one request, again of 4 MB. Upload sessions are for files
// of 3 MB and more.
const maxAttachment = 3<<20 - 1024

func to(a mail.Address) recipient {
	return recipient{EmailAddress: address{Address: a.Email, Name: a.Name}}
}

// Send hands m over to Exchange, which answers before it delivers: that it did not arrive is told by a bounce in the
// mailbox only. m goes out from the mailbox whatever m.From says, so m.From must be empty or the mailbox's own address:
// everything else is refused here, because it would need a right of the mailbox that nobody should have for this.
//
// Graph takes one body. Where m has HTML, Exchange makes the text part of the mail from it. Files of more than 2.7 MB
// together go by a draft and upload sessions; a draft that could not be sent is deleted, one that was leaves a copy in Sent
// Items whatever Options say, so that such files are refused in a mail with a code or a link, and in one without a Kind. Kinds
// of the host's own are taken: none that opens something may have such files.
func (m *Mailer) Send(ctx context.Context, msg *mail.Message) (mail.Receipt, error) {
	if err := msg.Validate(); err != nil {
		return mail.Receipt{}, err
	}
	if msg.Tenant != m.s.Tenant {
		return mail.Receipt{}, fmt.Errorf("graphmail: the mail is of tenant %q and the mailbox of %q: %w", string(msg.Tenant), string(m.s.Tenant), mspkit.ErrInvalid)
	}
	if !msg.From.IsZero() && msg.From.Email != m.s.Address.Email {
		return mail.Receipt{}, &Error{Op: "send", Err: mail.ErrRejected, Advice: "the sender of the mail is not the mailbox: leave the sender of the mail empty"}
	}
	id := messageID(msg)
	total := 0
	for _, f := range msg.Files {
		total += len(f.Data)
	}
	var err error
	if total <= maxInline {
		err = m.send(ctx, msg, id)
	} else {
		err = m.sendDraft(ctx, msg, id)
	}
	if err != nil {
		return mail.Receipt{}, err
	}
	return mail.Receipt{ID: id, At: m.c.o.Now()}, nil
}

// messageID is the same for a mail that is sent again, so that a second copy is recognisable by its header.
func messageID(msg *mail.Message) string {
	if msg.Key == "" {
		return uuid.NewString()
	}
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "mspkit mail %d:%s %s", len(msg.Tenant), msg.Tenant, msg.Key)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (m *Mailer) build(msg *mail.Message, id string) message {
	out := message{
		Subject: msg.Subject, Body: body{"text", msg.Text}, To: []recipient{to(msg.To)},
		// Graph takes headers that begin with x- only, and at most five.
		Headers: []header{{"x-mspkit-id", id}, {"x-auto-response-suppress", "All"}},
	}
	if msg.HTML != "" {
		out.Body = body{"html", msg.HTML}
	}
	name := m.s.Address.Name
	if msg.From.Name != "" {
		name = msg.From.Name
	}
	out.From = &recipient{EmailAddress: address{Address: m.s.Address.Email, Name: name}}
	if !msg.ReplyTo.IsZero() {
		out.ReplyTo = []recipient{to(msg.ReplyTo)}
	}
	return out
}

func file(f mail.File) attachment {
	return attachment{
		ODataType: "#microsoft.graph.fileAttachment", Name: f.Name, ContentType: f.Type, ContentID: f.ContentID, IsInline: f.ContentID != "", Bytes: f.Data,
	}
}

func (m *Mailer) path(rest string) string {
	return "/users/" + graphx.Segment(m.s.MailboxID) + rest
}

func (m *Mailer) request(w graphx.Workload, method, path string, body any) *graphx.Request {
	return &graphx.Request{Tenant: m.s.Tenant, Workload: w, LimitKey: m.c.limitKey(m.s.MailboxID), Method: method, Path: path, Body: body}
}

func (m *Mailer) send(ctx context.Context, msg *mail.Message, id string) error {
	out := m.build(msg, id)
	for _, f := range msg.Files {
		out.Attachments = append(out.Attachments, file(f))
	}
	err := m.c.graph.Do(ctx, m.request(sending, http.MethodPost, m.path("/sendMail"), sendMail{out, m.c.o.SaveToSentItems && !secret(msg.Kind)}), nil)
	return m.c.failed("send", err, true)
}

// sendDraft makes a draft, adds the files one by one and sends it. Nothing was sent before the last step.
func (m *Mailer) sendDraft(ctx context.Context, msg *mail.Message, id string) (err error) {
	if opens(msg.Kind) {
		return &Error{Op: "send", Err: mail.ErrRejected, Advice: "a mail with a code or a link, or without a kind, cannot have files this large, because Exchange would keep a copy of it: send the files in a mail of their own"}
	}
	var draft struct {
		ID string `json:"id"`
	}
	if err := m.c.graph.Do(ctx, m.request(graphx.Outlook, http.MethodPost, m.path("/messages"), m.build(msg, id)), &draft); err != nil {
		return m.c.failed("make a draft", err, false)
	}
	if draft.ID == "" {
		return &Error{Op: "make a draft", Err: mail.ErrTemporary, Advice: "Graph made a draft and did not say which; look into the drafts of the mailbox"}
	}
	at := m.path("/messages/" + graphx.Segment(draft.ID))
	defer func() {
		if err != nil && !ambiguous(err) {
			m.discard(ctx, at)
		}
	}()
	for _, f := range msg.Files {
		if len(f.Data) <= maxAttachment {
			err = m.c.graph.Do(ctx, m.request(graphx.Outlook, http.MethodPost, at+"/attachments", file(f)), nil)
			err = m.c.failed("attach a file", err, false)
		} else {
			err = m.uploadFile(ctx, at, f)
		}
		if err != nil {
			return err
		}
	}
	return m.c.failed("send", m.c.graph.Do(ctx, m.request(sending, http.MethodPost, at+"/send", nil), nil), true)
}

// discard deletes a draft, also where the caller has given up.
func (m *Mailer) discard(ctx context.Context, at string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
	defer cancel()
	if err := m.c.graph.Do(ctx, m.request(graphx.Outlook, http.MethodDelete, at, nil), nil); err != nil {
		m.c.o.Logger.WarnContext(ctx, "graphmail: a draft that could not be sent stays in the mailbox", slog.String("tenant", string(m.s.Tenant)),
			slog.Any("error", m.c.failed("delete a draft", err, false)))
	}
}

// contentRange is the header of a part of a file.
func contentRange(from, to, total int) string {
	return "bytes " + strconv.Itoa(from) + "-" + strconv.Itoa(to-1) + "/" + strconv.Itoa(total)
}
