package graphfake

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"time"
)

// Mail is one that a mailbox has accepted for sending.
type Mail struct {
	ID string
	// Mailbox is the id of the user whose mailbox it was, Address the main address of that.
	Mailbox, Address string
	Subject          string
	// ContentType is "text" or "html".
	ContentType, Content string
	From, Sender         Address
	To, Cc, Bcc, ReplyTo []Address
	// Headers are the internetMessageHeaders, in order.
	Headers     []Header
	Attachments []Attachment
	Importance  string
	// SavedToSentItems says whether a copy stays in the mailbox.
	SavedToSentItems bool
	// FromDraft means that it was a draft first.
	FromDraft bool
	// MIME is the message as it came, where it came as MIME.
	MIME []byte
	At   time.Time
}

// Address is one of a mail.
type Address struct {
	Name, Address string
}

// Header is one of a mail.
type Header struct {
	Name, Value string
}

// Attachment is a file of a mail.
type Attachment struct {
	ID, Name, ContentType, ContentID string
	Inline                           bool
	Content                          []byte
}

// mailbox is what is in one besides what was sent.
type mailbox struct {
	drafts   map[string]*Mail
	contacts []MailboxContact
	folders  []contactFolder
	changes  []contactChange // all there were, in order
}

const (
	maxMailRequest = 4 << 20
	maxHeaders     = 5
	maxRecipients  = 500
	// maxBusy is how many requests to a mailbox an application may have going.
	maxBusy = 4
)

// Sent returns what mailboxes of the tenant have accepted for sending, the oldest first.
func (t *Tenant) Sent() []Mail {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.Clone(t.sent)
}

// RestrictMail lets the application use the mailboxes with these ids or addresses only, as RBAC for Applications does: others
// answer 403 ErrorAccessDenied. None lifts the restriction.
func (t *Tenant) RestrictMail(mailboxes ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.scope = nil
	for _, m := range mailboxes {
		if t.scope == nil {
			t.scope = map[string]bool{}
		}
		if slot, ok := t.find(m); ok {
			u, _ := t.at(slot)
			t.scope[u.ID] = true
		}
	}
}

// AllowFrom lets a mailbox send from an address that is not its own.
func (t *Tenant) AllowFrom(mailbox, address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sendAs == nil {
		t.sendAs = map[string][]string{}
	}
	if slot, ok := t.find(mailbox); ok {
		u, _ := t.at(slot)
		t.sendAs[u.ID] = append(t.sendAs[u.ID], strings.ToLower(address))
	}
}

// outlook lets a request to a mailbox in: the mailbox exists, the application may use it, and not too much is going on.
func outlook(h func(*call, *User) *apiError) handler {
	return func(c *call) *apiError {
		id := c.r.PathValue("user")
		c.t.mu.RLock()
		slot, ok := c.t.find(id)
		var u *User
		denied := false
		if ok {
			v, _ := c.t.at(slot)
			u = v.clone()
			denied = c.t.scope != nil && !c.t.scope[u.ID]
		}
		c.t.mu.RUnlock()
		switch {
		case !ok && strings.Contains(id, "@"):
			return fail(http.StatusNotFound, "ErrorInvalidUser", "The requested user '%s' is invalid.", id)
		case !ok:
			return fail(http.StatusNotFound, "ResourceNotFound", "Resource could not be discovered.")
		case u.purpose() == "":
			return fail(http.StatusNotFound, "MailboxNotEnabledForRESTAPI", "There is no mailbox in Exchange Online.")
		case denied:
			return fail(http.StatusForbidden, "ErrorAccessDenied", "The mailbox is outside of the application's scope.")
		}
		key := c.t.ID + "/" + u.ID
		c.s.mu.Lock()
		full := c.s.busy[key] >= maxBusy
		if !full {
			c.s.busy[key]++
		}
		c.s.mu.Unlock()
		if full {
			e := fail(http.StatusTooManyRequests, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.")
			e.inner = "MailboxConcurrency"
			e.header = map[string]string{"Retry-After": "1"}
			return e
		}
		defer func() {
			c.s.mu.Lock()
			defer c.s.mu.Unlock()
			if c.s.busy[key]--; c.s.busy[key] == 0 {
				delete(c.s.busy, key)
			}
		}()
		if c.s.o.During != nil {
			c.s.o.During(c.r)
		}
		return h(c, u)
	}
}

// tooLarge refuses what is over 4 MB.
func (c *call) tooLarge() *apiError {
	if len(c.body) > maxMailRequest {
		return fail(http.StatusRequestEntityTooLarge, "ErrorMessageSizeExceeded", "The message exceeds the maximum supported size.")
	}
	return nil
}

func (c *call) sendMail(u *User) *apiError {
	if e := c.options(); e != nil {
		return e
	}
	if e := c.tooLarge(); e != nil {
		return e
	}
	if strings.HasPrefix(c.r.Header.Get("Content-Type"), "text/plain") {
		return c.sendMIME(u)
	}
	if e := c.jsonBody(); e != nil {
		return e
	}
	m, e := object(c.body, "sendMail", "message", "Message", "saveToSentItems", "SaveToSentItems")
	if e != nil {
		return e
	}
	raw, ok := m["message"]
	if !ok {
		if raw, ok = m["Message"]; !ok {
			return fail(http.StatusBadRequest, "ErrorInvalidRequest", "The parameter 'message' is missing.")
		}
	}
	save := true
	for _, name := range []string{"saveToSentItems", "SaveToSentItems"} {
		if e := value(m, name, &save); e != nil {
			return e
		}
	}
	msg, e := readMessage(raw)
	if e != nil {
		return e
	}
	return c.accept(u, msg, save)
}

// accept sends a message: 202.
func (c *call) accept(u *User, msg *Mail, save bool) *apiError {
	if e := c.t.checkMail(u, msg); e != nil {
		return e
	}
	if msg.ID == "" {
		msg.ID = messageID()
	}
	msg.Mailbox, msg.Address, msg.SavedToSentItems, msg.At = u.ID, u.Mail, save, c.s.o.Now()
	own := Address{Name: u.DisplayName, Address: u.Mail}
	msg.Sender = own
	if msg.From.Address == "" {
		msg.From = own
	}
	c.t.mu.Lock()
	c.t.sent = append(c.t.sent, *msg)
	c.t.mu.Unlock()
	c.w.WriteHeader(http.StatusAccepted)
	return nil
}

// checkMail refuses what Exchange refuses at the time of sending.
func (t *Tenant) checkMail(u *User, msg *Mail) *apiError {
	all := slices.Concat(msg.To, msg.Cc, msg.Bcc)
	if len(all) == 0 {
		return fail(http.StatusBadRequest, "ErrorInvalidRecipients", "At least one recipient must be specified.")
	}
	if len(all) > maxRecipients {
		return fail(http.StatusBadRequest, "ErrorExceededMaxRecipientLimitPerMessage", "The recipient limit is exceeded.")
	}
	for _, a := range all {
		if p, err := mail.ParseAddress(a.Address); err != nil || p.Address != a.Address {
			return fail(http.StatusBadRequest, "ErrorInvalidRecipients", "At least one recipient is not valid., Recipient is not resolved.")
		}
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if from := msg.From.Address; from != "" && !u.hasAddress(from) && !slices.Contains(t.sendAs[u.ID], strings.ToLower(from)) {
		return fail(http.StatusForbidden, "ErrorSendAsDenied",
			"The mailbox may not send from this address.")
	}
	return nil
}

var messageProps = []string{
	"@odata.type", "subject", "body", "toRecipients", "ccRecipients", "bccRecipients", "replyTo", "from", "sender", "importance",
	"internetMessageHeaders", "attachments", "categories", "isDeliveryReceiptRequested", "isReadReceiptRequested", "flag",
	"internetMessageId", "inferenceClassification", "isRead", "singleValueExtendedProperties", "multiValueExtendedProperties",
}

// readMessage reads a message that is to be sent or a draft.
func readMessage(raw json.RawMessage) (*Mail, *apiError) {
	m, e := object(raw, "microsoft.graph.message", messageProps...)
	if e != nil {
		return nil, e
	}
	msg := &Mail{ContentType: "text", Importance: "normal"}
	if e := value(m, "subject", &msg.Subject); e != nil {
		return nil, e
	}
	if e := value(m, "importance", &msg.Importance); e != nil {
		return nil, e
	}
	if !slices.Contains([]string{"low", "normal", "high"}, msg.Importance) {
		return nil, fail(http.StatusBadRequest, "RequestBodyRead", "The value of the property 'importance' is not one of its type.")
	}
	if body, ok := m["body"]; ok {
		b, e := object(body, "microsoft.graph.itemBody", "contentType", "content")
		if e != nil {
			return nil, e
		}
		if e := value(b, "contentType", &msg.ContentType); e != nil {
			return nil, e
		}
		if e := value(b, "content", &msg.Content); e != nil {
			return nil, e
		}
		// Graph reads the values of enumerations in any case.
		if msg.ContentType = strings.ToLower(msg.ContentType); msg.ContentType != "text" && msg.ContentType != "html" {
			return nil, fail(http.StatusBadRequest, "RequestBodyRead", "The value of the property 'contentType' is not one of its type.")
		}
	}
	for name, list := range map[string]*[]Address{
		"toRecipients": &msg.To, "ccRecipients": &msg.Cc, "bccRecipients": &msg.Bcc, "replyTo": &msg.ReplyTo,
	} {
		var raws []json.RawMessage
		if e := value(m, name, &raws); e != nil {
			return nil, e
		}
		for _, raw := range raws {
			a, e := readRecipient(raw)
			if e != nil {
				return nil, e
			}
			*list = append(*list, a)
		}
	}
	for name, to := range map[string]*Address{"from": &msg.From, "sender": &msg.Sender} {
		raw, ok := m[name]
		if !ok || string(raw) == "null" {
			continue
		}
		if *to, e = readRecipient(raw); e != nil {
			return nil, e
		}
	}
	if e := readHeaders(m, msg); e != nil {
		return nil, e
	}
	var raws []json.RawMessage
	if e := value(m, "attachments", &raws); e != nil {
		return nil, e
	}
	for _, raw := range raws {
		a, e := readAttachment(raw)
		if e != nil {
			return nil, e
		}
		msg.Attachments = append(msg.Attachments, a)
	}
	return msg, nil
}

func readHeaders(m map[string]json.RawMessage, msg *Mail) *apiError {
	var raws []json.RawMessage
	if e := value(m, "internetMessageHeaders", &raws); e != nil {
		return e
	}
	for _, raw := range raws {
		h, e := object(raw, "microsoft.graph.internetMessageHeader", "name", "value")
		if e != nil {
			return e
		}
		var one Header
		if e := value(h, "name", &one.Name); e != nil {
			return e
		}
		if e := value(h, "value", &one.Value); e != nil {
			return e
		}
		if len(one.Name) < 3 || !strings.EqualFold(one.Name[:2], "x-") {
			return fail(http.StatusBadRequest, "InvalidInternetMessageHeader", "The header name '%s' does not begin with x-.", one.Name)
		}
		if strings.ContainsAny(one.Name+one.Value, "\r\n") {
			return fail(http.StatusBadRequest, "InvalidInternetMessageHeader", "An internet message header has a line break.")
		}
		msg.Headers = append(msg.Headers, one)
	}
	if len(msg.Headers) > maxHeaders {
		return fail(http.StatusBadRequest, "InvalidInternetMessageHeaderCollection", "There are more than %d headers.", maxHeaders)
	}
	return nil
}

func readRecipient(raw json.RawMessage) (Address, *apiError) {
	m, e := object(raw, "microsoft.graph.recipient", "@odata.type", "emailAddress")
	if e != nil {
		return Address{}, e
	}
	inner, ok := m["emailAddress"]
	if !ok {
		return Address{}, fail(http.StatusBadRequest, "ErrorInvalidRecipients", "A recipient has no emailAddress.")
	}
	if m, e = object(inner, "microsoft.graph.emailAddress", "name", "address"); e != nil {
		return Address{}, e
	}
	var a Address
	if e := value(m, "name", &a.Name); e != nil {
		return Address{}, e
	}
	return a, value(m, "address", &a.Address)
}

func readAttachment(raw json.RawMessage) (Attachment, *apiError) {
	m, e := object(raw, "microsoft.graph.fileAttachment", "@odata.type", "name", "contentType", "contentBytes", "contentId", "isInline", "size")
	if e != nil {
		return Attachment{}, e
	}
	var kind string
	a := Attachment{ID: messageID()}
	for name, v := range map[string]any{
		"@odata.type": &kind, "name": &a.Name, "contentType": &a.ContentType, "contentBytes": &a.Content, "contentId": &a.ContentID,
		"isInline": &a.Inline,
	} {
		if e := value(m, name, v); e != nil {
			return Attachment{}, e
		}
	}
	if kind != "#microsoft.graph.fileAttachment" {
		return Attachment{}, fail(http.StatusBadRequest, "RequestBodyRead",
			"A type named '%s' could not be resolved: an attachment needs '@odata.type'.", kind)
	}
	if a.Name == "" {
		return Attachment{}, fail(http.StatusBadRequest, "ErrorInvalidRequest", "Required property 'name' is missing.")
	}
	return a, nil
}

// sendMIME takes a message in base64.
func (c *call) sendMIME(u *User) *apiError {
	raw, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(c.body)))
	if err != nil {
		return fail(http.StatusBadRequest, "ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME content.")
	}
	in, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return fail(http.StatusBadRequest, "ErrorMimeContentInvalid", "The MIME content cannot be read.")
	}
	msg := &Mail{ContentType: "text", Importance: "normal", MIME: raw}
	dec := new(mime.WordDecoder)
	if msg.Subject, err = dec.DecodeHeader(in.Header.Get("Subject")); err != nil {
		msg.Subject = in.Header.Get("Subject")
	}
	for name, list := range map[string]*[]Address{"To": &msg.To, "Cc": &msg.Cc, "Bcc": &msg.Bcc, "Reply-To": &msg.ReplyTo} {
		as, err := in.Header.AddressList(name)
		if err != nil {
			continue // there is none
		}
		for _, a := range as {
			*list = append(*list, Address{a.Name, a.Address})
		}
	}
	if from, err := in.Header.AddressList("From"); err == nil && len(from) > 0 {
		msg.From = Address{from[0].Name, from[0].Address}
	}
	for name, values := range in.Header {
		if len(name) > 2 && strings.EqualFold(name[:2], "x-") {
			msg.Headers = append(msg.Headers, Header{name, values[0]})
		}
	}
	body := in.Body
	switch strings.ToLower(in.Header.Get("Content-Transfer-Encoding")) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return fail(http.StatusBadRequest, "ErrorMimeContentInvalid", "The MIME content cannot be read.")
	}
	if strings.HasPrefix(in.Header.Get("Content-Type"), "text/html") {
		msg.ContentType = "html"
	}
	msg.Content = string(b)
	return c.accept(u, msg, true)
}

// messageID is an id as those of Exchange look: long, with an equals sign at its end.
func messageID() string { return randomToken("AAMkAGFha2U") + "AAA=" }
