package teamstest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit/teamsapp"
)

// maxBody bounds what is read of any request; Teams' own limits are below it.
const maxBody = 1 << 20

// refusedError is an answer that is no success.
type refusedError struct {
	status     int
	code, text string
	// body is sent as it is.
	body       string
	retryAfter time.Duration
}

func (e *refusedError) Error() string { return e.code }

func (e *refusedError) write(w http.ResponseWriter) {
	if e.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((e.retryAfter+time.Second-1)/time.Second)))
	}
	if e.body != "" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(e.status)
		_, _ = io.WriteString(w, e.body)
		return
	}
	problem(w, e.status, e.code, e.text)
}

func refuse(status int, code, text string) *refusedError {
	return &refusedError{status: status, code: code, text: text}
}

// The refusals of https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/conversation-messages.
var (
	errDenied    = &refusedError{status: http.StatusUnauthorized, body: `{"message":"Authorization has been denied for this request."}`}
	errRoster    = refuse(http.StatusForbidden, "BotNotInConversationRoster", "The bot is not part of the conversation roster.")
	errBlocked   = refuse(http.StatusForbidden, "ConversationBlockedByUser", "User blocked the conversation with the bot.")
	errDisabled  = refuse(http.StatusForbidden, "BotDisabledByAdmin", "The tenant admin disabled this bot.")
	errChat      = refuse(http.StatusNotFound, "ConversationNotFound", "Conversation not found.")
	errActivity  = refuse(http.StatusNotFound, "ActivityNotFoundInConversation", "Activity not found in conversation.")
	errTooBig    = refuse(http.StatusRequestEntityTooLarge, "MessageSizeTooBig", "Message size too large.")
	errElsewhere = refuse(http.StatusForbidden, "ForbiddenOperationException", "The service URL belongs to another tenant.")
	errWrites    = &refusedError{status: http.StatusForbidden, code: "MessageWritesBlocked", body: `{"errorCode":209,"message":"{\r\n  \"subCode\": ` +
		`\"MessageWritesBlocked\",\r\n  \"details\": \"Thread is not writable because of user block.\",\r\n  \"errorCode\": null,\r\n  \"errorSubCode\": null\r\n}"}`}
)

func syntax(text string) *refusedError { return refuse(http.StatusBadRequest, "BadSyntax", text) }

func problem(w http.ResponseWriter, status int, code, text string) {
	answer(w, status, map[string]any{"error": map[string]string{"code": code, "message": text}})
}

func answer(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":{"code":"ServiceError","message":"The answer cannot be written."}}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

var tenantInPath = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// call is a request to the Connector.
type call struct {
	op Op
	// tenant is that of the service URL, where it names one.
	tenant string
	chat   string
	// id is that of an activity or a member.
	id string
}

// connectorRoute finds what is asked for below /teams/, /amer/ and /amer/{tenant}/.
func (s *Server) connectorRoute(method string, path []string) (Op, handler) {
	var c call
	if len(path) > 1 && path[0] == "amer" && tenantInPath.MatchString(path[1]) {
		c.tenant = strings.ToLower(path[1])
		path = slices.Delete(path, 1, 2)
	}
	if len(path) < 3 || (path[0] != "amer" && path[0] != "teams") || path[1] != "v3" || path[2] != "conversations" {
		return "", nil
	}
	path = path[3:]
	part := func(i int) string {
		if i < len(path) {
			return path[i]
		}
		return ""
	}
	c.chat, c.id = part(0), part(2)
	switch what := part(1); {
	case method == http.MethodPost && len(path) == 0:
		c.op = OpCreate
	case method == http.MethodPost && len(path) == 2 && what == "activities":
		c.op = OpSend
	case method == http.MethodPost && len(path) == 3 && what == "activities":
		c.op = OpReply
	case method == http.MethodPut && len(path) == 3 && what == "activities":
		c.op = OpUpdate
	case method == http.MethodDelete && len(path) == 3 && what == "activities":
		c.op = OpDelete
	case method == http.MethodGet && ((len(path) == 3 && what == "members") || (len(path) == 2 && (what == "members" || what == "pagedmembers"))):
		c.op = OpMember
	default:
		return "", nil
	}
	return c.op, func(w http.ResponseWriter, r *http.Request) { s.connect(w, r, c) }
}

func (s *Server) connect(w http.ResponseWriter, r *http.Request, c call) {
	status, body, changed, err := s.do(w, r, c)
	if changed != nil {
		s.tell(changed)
	}
	if no, ok := errors.AsType[*refusedError](err); ok {
		no.write(w)
		return
	}
	if body == nil {
		w.WriteHeader(status)
		return
	}
	answer(w, status, body)
}

// do answers one request. Its errors are all *refusedError.
func (s *Server) do(w http.ResponseWriter, r *http.Request, c call) (status int, body any, changed *Message, err error) {
	if !s.authorized(r) {
		return 0, nil, nil, errDenied
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(s.o.MaxActivity)))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return 0, nil, nil, errTooBig
		}
		return 0, nil, nil, syntax("The body cannot be read.")
	}
	if c.op == OpCreate {
		return s.create(raw, c)
	}
	var in activity
	if c.op != OpDelete && c.op != OpMember {
		if in, err = readActivity(raw); err != nil {
			return 0, nil, nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.chats[c.chat]
	switch {
	case p == nil || p.chat != c.chat:
		return 0, nil, nil, errChat
	case c.tenant != "" && c.tenant != p.TenantID:
		return 0, nil, nil, errElsewhere
	}
	if err := s.open(c.op, p); err != nil {
		return 0, nil, nil, err
	}
	switch c.op { //nolint:exhaustive // updates and deletions come below, the others do not get here
	case OpSend, OpReply:
		if in.Type == "typing" {
			return http.StatusCreated, map[string]string{"id": s.nextID()}, nil, nil
		}
		m := s.put(p, c.id, s.content(in, raw))
		return http.StatusCreated, map[string]string{"id": m.ID}, m, nil
	case OpMember:
		if c.id == "" {
			return http.StatusOK, map[string]any{"members": []any{p.account()}}, nil, nil
		}
		if c.id != p.ID && !strings.EqualFold(c.id, p.ObjectID) {
			return 0, nil, nil, refuse(http.StatusNotFound, "MemberNotFoundInConversation", "Member not found in conversation.")
		}
		return http.StatusOK, p.account(), nil, nil
	}
	m := s.message(c.id)
	if m == nil || m.Person != p || m.Deleted {
		return 0, nil, nil, errActivity
	}
	if c.op == OpDelete {
		m.change(Content{At: s.o.Now()})
		m.Deleted = true
		return http.StatusOK, nil, m, nil
	}
	m.change(s.content(in, raw))
	m.Updated = true
	return http.StatusOK, map[string]string{"id": m.ID}, m, nil
}

// open checks whether the bot may write to p now, and counts the request. It is called with s.mu held.
func (s *Server) open(op Op, p *Person) error {
	if wait, ok := s.admit(op, p); !ok {
		return &refusedError{status: http.StatusTooManyRequests, code: "Throttled", text: "Too many requests.", retryAfter: wait}
	}
	switch {
	case s.disabled[p.TenantID]:
		return errDisabled
	case !p.installed:
		return errRoster
	case p.blocked == blockOld:
		return errWrites
	case p.blocked == blockNew:
		return errBlocked
	}
	return nil
}

// create answers POST v3/conversations. What it demands is what Microsoft measured: docs/CreateConversation-API-Behavior.md
// of https://github.com/microsoft/teams.net.
func (s *Server) create(raw []byte, c call) (status int, body any, changed *Message, err error) {
	var in struct {
		IsGroup bool   `json:"isGroup"`
		Tenant  string `json:"tenantId"`
		Members []struct {
			ID string `json:"id"`
		} `json:"members"`
		Activity json.RawMessage `json:"activity"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return 0, nil, nil, syntax("The body is not JSON.")
	}
	var first activity
	if len(in.Activity) > 0 {
		if first, err = readActivity(in.Activity); err != nil {
			return 0, nil, nil, err
		}
	}
	tenant := strings.ToLower(in.Tenant)
	switch {
	case in.IsGroup:
		return 0, nil, nil, syntax("A bot cannot create a group chat.")
	case len(in.Members) != 1:
		return 0, nil, nil, syntax("Exactly one member is required.")
	case tenant == "":
		return 0, nil, nil, syntax("The tenant id is required.")
	case c.tenant != "" && c.tenant != tenant:
		return 0, nil, nil, errElsewhere
	}
	id := in.Members[0].ID
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.members[id]
	if p == nil {
		if !tenantInPath.MatchString(id) || s.o.RefuseObjectID { // an object id looks as a tenant id does
			return 0, nil, nil, syntax("Bad format of the member's id.")
		}
		if p = s.objects[tenant+"/"+strings.ToLower(id)]; p == nil {
			return 0, nil, nil, errRoster
		}
	}
	if p.TenantID != tenant {
		return 0, nil, nil, errRoster
	}
	if err := s.open(OpCreate, p); err != nil {
		return 0, nil, nil, err
	}
	s.begin(p)
	if len(in.Activity) > 0 && first.Type == "message" {
		changed = s.put(p, "", s.content(first, in.Activity))
	}
	return http.StatusCreated, map[string]string{"id": p.chat}, changed, nil
}

// activity is what of a bot's activity is looked at.
type activity struct {
	Type        string `json:"type"`
	Text        string `json:"text"`
	Summary     string `json:"summary"`
	Attachments []struct {
		ContentType string          `json:"contentType"`
		Content     json.RawMessage `json:"content"`
	} `json:"attachments"`
	ChannelData struct {
		Notification struct {
			Alert bool `json:"alert"`
		} `json:"notification"`
	} `json:"channelData"`
}

// readActivity checks an activity of the bot. Its errors are all *refusedError.
func readActivity(raw []byte) (activity, error) {
	var a activity
	if err := json.Unmarshal(raw, &a); err != nil {
		return a, syntax("The activity is not JSON.")
	}
	switch {
	case a.Type != "message" && a.Type != "typing":
		return a, syntax("An activity of this type cannot be sent.")
	case a.Type == "message" && a.Text == "" && len(a.Attachments) == 0:
		return a, syntax("The activity is empty.")
	}
	for _, at := range a.Attachments {
		if at.ContentType != teamsapp.CardType {
			continue
		}
		if err := checkCard(at.Content); err != nil {
			return a, syntax(strings.TrimPrefix(err.Error(), "teamstest: "))
		}
	}
	return a, nil
}

func (s *Server) content(a activity, raw json.RawMessage) Content {
	c := Content{Text: a.Text, Summary: a.Summary, Alert: a.ChannelData.Notification.Alert, Raw: slices.Clone(raw), At: s.o.Now()}
	for _, at := range a.Attachments {
		if at.ContentType == teamsapp.CardType {
			c.Card = at.Content
			break
		}
	}
	return c
}
