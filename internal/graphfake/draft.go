package graphfake

import (
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"
)

const (
	minUpload, maxUpload = 3 << 20, 150 << 20
	maxChunk             = 4 << 20
	uploadLife           = 8 * time.Hour
)

// upload is a file on its way into a draft.
type upload struct {
	tenant         *Tenant
	mailbox, draft string
	token          string
	att            Attachment
	size           int
	expires        time.Time
}

func (c *call) createDraft(u *User) *apiError {
	if e := c.options(); e != nil {
		return e
	}
	if e := c.tooLarge(); e != nil {
		return e
	}
	if e := c.jsonBody(); e != nil {
		return e
	}
	msg, e := readMessage(c.body)
	if e != nil {
		return e
	}
	msg.ID, msg.FromDraft = messageID(), true
	c.t.mu.Lock()
	c.t.box(u.ID).drafts[msg.ID] = msg
	c.t.mu.Unlock()
	out := c.draftWire(msg)
	out["@odata.context"] = c.context("users('" + u.ID + "')/messages/$entity")
	writeJSON(c.w, http.StatusCreated, out)
	return nil
}

func (c *call) draftWire(msg *Mail) map[string]any {
	recipients := func(list []Address) []any {
		out := []any{}
		for _, a := range list {
			out = append(out, map[string]any{"emailAddress": map[string]any{"name": a.Name, "address": a.Address}})
		}
		return out
	}
	now := rfc3339(c.s.o.Now())
	return map[string]any{
		"@odata.etag": `W/"CQAAABYAAAA"`, "id": msg.ID, "subject": msg.Subject, "isDraft": true, "isRead": true, "importance": msg.Importance,
		"body":         map[string]any{"contentType": msg.ContentType, "content": msg.Content},
		"toRecipients": recipients(msg.To), "ccRecipients": recipients(msg.Cc), "bccRecipients": recipients(msg.Bcc), "replyTo": recipients(msg.ReplyTo),
		"hasAttachments": len(msg.Attachments) > 0, "createdDateTime": now, "lastModifiedDateTime": now,
		"internetMessageId": "<" + msg.ID[20:36] + "@fake.example>", "conversationId": msg.ID[:40],
	}
}

// draft finds the draft of the path, in a copy.
func (c *call) draft(u *User) (*Mail, *apiError) {
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	if box := c.t.boxes[u.ID]; box != nil {
		if m := box.drafts[c.r.PathValue("message")]; m != nil {
			msg := *m
			msg.Attachments = slices.Clone(m.Attachments)
			return &msg, nil
		}
	}
	return nil, notFound("message")
}

func (c *call) getDraft(u *User) *apiError {
	if e := c.options("$select"); e != nil {
		return e
	}
	msg, e := c.draft(u)
	if e != nil {
		return e
	}
	wire := c.draftWire(msg)
	known := make([]string, 0, len(wire))
	for name := range wire {
		known = append(known, name)
	}
	m, e := c.chosen(wire, known)
	if e != nil {
		return e
	}
	m["@odata.context"] = c.context("users('" + u.ID + "')/messages/$entity")
	return c.ok(m)
}

func (c *call) sendDraft(u *User) *apiError {
	if e := c.options(); e != nil {
		return e
	}
	if len(c.body) > 0 && string(c.body) != "{}" {
		return badRequest("The action 'send' has no parameters.")
	}
	msg, e := c.draft(u)
	if e != nil {
		return e
	}
	if e := c.t.checkMail(u, msg); e != nil {
		return e
	}
	c.t.mu.Lock()
	box := c.t.box(u.ID)
	_, ok := box.drafts[msg.ID]
	delete(box.drafts, msg.ID)
	c.t.mu.Unlock()
	if !ok {
		return notFound("message") // another request was first
	}
	return c.accept(u, msg, true)
}

func (c *call) deleteDraft(u *User) *apiError {
	if e := c.options(); e != nil {
		return e
	}
	msg, e := c.draft(u)
	if e != nil {
		return e
	}
	c.t.mu.Lock()
	delete(c.t.box(u.ID).drafts, msg.ID)
	c.t.mu.Unlock()
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// Drafts counts the drafts in the mailbox of a user.
func (t *Tenant) Drafts(mailbox string) int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	slot, ok := t.find(mailbox)
	if !ok {
		return 0
	}
	u, _ := t.at(slot)
	if box := t.boxes[u.ID]; box != nil {
		return len(box.drafts)
	}
	return 0
}

func (c *call) addAttachment(u *User) *apiError {
	if e := c.options(); e != nil {
		return e
	}
	if e := c.tooLarge(); e != nil {
		return e
	}
	if e := c.jsonBody(); e != nil {
		return e
	}
	if _, e := c.draft(u); e != nil {
		return e
	}
	a, e := readAttachment(c.body)
	if e != nil {
		return e
	}
	if len(a.Content) >= minUpload {
		return fail(http.StatusRequestEntityTooLarge, "ErrorAttachmentSizeLimitExceeded", "3 MB and more need an upload session.")
	}
	if !c.t.attach(u.ID, c.r.PathValue("message"), a) {
		return notFound("message")
	}
	writeJSON(c.w, http.StatusCreated, map[string]any{
		"@odata.context": c.context("users('" + u.ID + "')/messages/attachments/$entity"), "@odata.type": "#microsoft.graph.fileAttachment",
		"id": a.ID, "name": a.Name, "contentType": a.ContentType, "size": len(a.Content), "isInline": a.Inline, "contentId": null(a.ContentID),
		"lastModifiedDateTime": rfc3339(c.s.o.Now()),
	})
	return nil
}

func (t *Tenant) attach(mailbox, draft string, a Attachment) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.box(mailbox).drafts[draft]
	if m == nil {
		return false
	}
	m.Attachments = append(slices.Clone(m.Attachments), a)
	return true
}

func (c *call) createUpload(u *User) *apiError {
	if e := c.options(); e != nil {
		return e
	}
	if e := c.jsonBody(); e != nil {
		return e
	}
	if _, e := c.draft(u); e != nil {
		return e
	}
	m, e := object(c.body, "createUploadSession", "AttachmentItem", "attachmentItem")
	if e != nil {
		return e
	}
	raw, ok := m["AttachmentItem"]
	if !ok {
		raw = m["attachmentItem"]
	}
	if m, e = object(raw, "microsoft.graph.attachmentItem", "attachmentType", "contentType", "isInline", "name", "size", "contentId"); e != nil {
		return e
	}
	up := &upload{tenant: c.t, mailbox: u.ID, draft: c.r.PathValue("message"), token: randomToken(""), att: Attachment{ID: messageID()}}
	var kind string
	for name, v := range map[string]any{
		"attachmentType": &kind, "contentType": &up.att.ContentType, "isInline": &up.att.Inline, "name": &up.att.Name, "size": &up.size,
		"contentId": &up.att.ContentID,
	} {
		if e := value(m, name, v); e != nil {
			return e
		}
	}
	switch {
	case kind != "file" || up.att.Name == "":
		return fail(http.StatusBadRequest, "ErrorInvalidRequest", "attachmentType 'file' and a name are needed.")
	case up.size < minUpload:
		return fail(http.StatusBadRequest, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize", "The attachment is smaller than 3 MB.")
	case up.size > maxUpload:
		return fail(http.StatusRequestEntityTooLarge, "ErrorAttachmentSizeLimitExceeded", "The attachment is larger than 150 MB.")
	}
	up.expires = c.s.o.Now().Add(uploadLife)
	id := newID()
	c.s.mu.Lock()
	c.s.uploads[id] = up
	c.s.mu.Unlock()
	writeJSON(c.w, http.StatusCreated, map[string]any{
		"@odata.context": c.context("microsoft.graph.uploadSession"), "uploadUrl": c.s.base(c.r) + "/upload/" + id + "?authtoken=" + up.token,
		"expirationDateTime": rfc3339(up.expires), "nextExpectedRanges": []string{"0-"},
	})
	return nil
}

var contentRange = regexp.MustCompile(`^bytes (\d+)-(\d+)/(\d+)$`)

// chunk takes a part of a file. It is another service: whoever knows the URL may, and an Authorization header is refused.
func (s *Server) chunk(w http.ResponseWriter, r *http.Request) {
	if e := s.takeChunk(w, r); e != nil {
		s.writeError(w, e)
	}
}

func (s *Server) takeChunk(w http.ResponseWriter, r *http.Request) *apiError {
	if r.Header.Get("Authorization") != "" {
		return fail(http.StatusUnauthorized, "InvalidAudience", "The upload URL carries its own authorization; the header is not accepted.")
	}
	id := r.PathValue("id")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return badRequest("The body cannot be read.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	up := s.uploads[id]
	if up == nil || subtle.ConstantTimeCompare([]byte(up.token), []byte(r.URL.Query().Get("authtoken"))) != 1 || !s.o.Now().Before(up.expires) {
		return notFound("upload session")
	}
	switch r.Method {
	case http.MethodDelete:
		delete(s.uploads, id)
		w.WriteHeader(http.StatusNoContent)
		return nil
	case http.MethodGet:
		s.expected(w, up)
		return nil
	}
	m := contentRange.FindStringSubmatch(r.Header.Get("Content-Range"))
	if m == nil {
		return fail(http.StatusBadRequest, "ErrorInvalidContentRange", "The header Content-Range is missing or malformed.")
	}
	from, _ := strconv.Atoi(m[1])
	to, _ := strconv.Atoi(m[2])
	total, _ := strconv.Atoi(m[3])
	switch {
	case total != up.size || to < from || to-from+1 != len(body) || to >= total:
		return fail(http.StatusBadRequest, "ErrorInvalidContentRange", "Content-Range does not fit the body or the size of the file.")
	case len(body) > maxChunk:
		return fail(http.StatusRequestEntityTooLarge, "ErrorChunkTooLarge", "A chunk has less than 4 MB.")
	case from != len(up.att.Content):
		return fail(http.StatusRequestedRangeNotSatisfiable, "ErrorInvalidContentRange", "Chunks come in order: %d is next.", len(up.att.Content))
	}
	up.att.Content = append(up.att.Content, body...)
	if len(up.att.Content) < up.size {
		s.expected(w, up)
		return nil
	}
	delete(s.uploads, id)
	if !up.tenant.attach(up.mailbox, up.draft, up.att) {
		return notFound("message")
	}
	w.Header().Set("Location", fmt.Sprintf("%s/v1.0/users('%s')/messages('%s')/attachments('%s')", s.base(r), up.mailbox, up.draft, up.att.ID))
	w.WriteHeader(http.StatusCreated)
	return nil
}

// expected answers with names as that service writes them.
func (s *Server) expected(w http.ResponseWriter, up *upload) {
	writeJSON(w, http.StatusOK, map[string]any{
		"ExpirationDateTime": rfc3339(up.expires), "NextExpectedRanges": []string{strconv.Itoa(len(up.att.Content))},
	})
}
