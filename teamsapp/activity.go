package teamsapp

import (
	"encoding/json"
	"html"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/mspkit/mspkit/internal/cleantext"
)

const (
	// maxWireID is the longest id of Teams that is taken; real ones have up to about 150 bytes.
	maxWireID = 512
	// maxText is in characters. Nobody types a longer command.
	maxText = 4000

	maxMembers = 64       // of a press' data
	maxName    = 128      // of a member, in bytes
	maxData    = 64 << 10 // of all of it, in bytes
)

// The types and names of activities that are understood.
const (
	typeMessage = "message"
	typeInvoke  = "invoke"
	typeMembers = "conversationUpdate"
	typeInstall = "installationUpdate"

	invokeAction   = "adaptiveCard/action"
	executeAction  = "Action.Execute"
	personalChat   = "personal"
	teamsOwnMember = "msteams"
)

// activity is what the Bot Service sends, as far as it is needed
// (https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-api-reference#activity-object).
type activity struct {
	Type         string  `json:"type"`
	ID           string  `json:"id"`
	Name         string  `json:"name"`
	Action       string  `json:"action"`
	ChannelID    string  `json:"channelId"`
	ServiceURL   string  `json:"serviceUrl"`
	Locale       string  `json:"locale"`
	Text         string  `json:"text"`
	ReplyToID    string  `json:"replyToId"`
	From         account `json:"from"`
	Recipient    account `json:"recipient"`
	Conversation struct {
		ID       string `json:"id"`
		Type     string `json:"conversationType"`
		TenantID string `json:"tenantId"`
		Group    bool   `json:"isGroup"`
	} `json:"conversation"`
	ChannelData struct {
		Tenant struct {
			ID string `json:"id"`
		} `json:"tenant"`
	} `json:"channelData"`
	MembersAdded   []account       `json:"membersAdded"`
	MembersRemoved []account       `json:"membersRemoved"`
	Value          json.RawMessage `json:"value"`

	// tenant is the customer's Entra tenant, a GUID in lower case.
	tenant string
	// emulator is set where no token came with it.
	emulator bool
}

type account struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	ObjectID string `json:"aadObjectId"`
}

// parseActivity reads an activity. The error is a [*refusal] with status 400.
func parseActivity(body []byte, emulator bool) (*activity, error) {
	if !utf8.Valid(body) {
		return nil, malformed("not UTF-8")
	}
	a := &activity{}
	if json.Unmarshal(body, a) != nil {
		return nil, malformed("not an activity")
	}
	if a.emulator = emulator; emulator {
		a.nameWithGUIDs()
	}
	if a.Type == "" || len(a.Type) > 64 {
		return nil, malformed("no type")
	}
	if a.Conversation.ID == "" {
		return nil, malformed("no conversation")
	}
	for _, id := range []string{a.ID, a.ReplyToID, a.From.ID, a.Recipient.ID, a.Conversation.ID} {
		if len(id) > maxWireID || strings.ContainsFunc(id, notPrintable) {
			return nil, malformed("unreadable id")
		}
	}
	if !languageTag.MatchString(a.Locale) {
		a.Locale = ""
	}
	// The token proves the Bot Service, not the customer: a tenant that is not said clearly is none.
	for _, s := range []string{a.Conversation.TenantID, a.ChannelData.Tenant.ID} {
		if s == "" {
			continue
		}
		id, err := guid(s)
		if err != nil || (a.tenant != "" && a.tenant != id) {
			return nil, malformed("unclear tenant")
		}
		a.tenant = id
	}
	if a.tenant == "" {
		return nil, malformed("no tenant")
	}
	return a, nil
}

// nameWithGUIDs replaces the ids of tenants and people that are none of Entra's by GUIDs made of them. Microsoft's 365
// Agents Playground writes ids that look like GUIDs and have a digit too many.
func (a *activity) nameWithGUIDs() {
	ids := []*string{&a.Conversation.TenantID, &a.ChannelData.Tenant.ID, &a.From.ObjectID}
	for _, list := range [][]account{a.MembersAdded, a.MembersRemoved} {
		for i := range list {
			ids = append(ids, &list[i].ObjectID)
		}
	}
	for _, id := range ids {
		if _, err := guid(*id); err != nil && *id != "" {
			*id = uuid.NewSHA1(uuid.NameSpaceOID, []byte(*id)).String()
		}
	}
}

var languageTag = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$`)

// personal reports whether a comes from a private chat with the bot. Emulators do not always say so.
func (a *activity) personal() bool {
	return a.Conversation.Type == personalChat ||
		(a.Conversation.Type == "" && a.emulator && !a.Conversation.Group)
}

// person returns who a is from, in a private chat. Where the app was added the activity may be from the bot itself, and
// the person among the members.
func (a *activity) person() (User, account, bool) {
	for _, list := range [][]account{{a.From}, a.MembersAdded, a.MembersRemoved} {
		for _, m := range list {
			if u, err := NewUser(a.tenant, m.ObjectID); err == nil && m.ID != "" {
				return u, m, len(m.ID) <= maxWireID && !strings.ContainsFunc(m.ID, notPrintable)
			}
		}
	}
	return User{}, account{}, false
}

var (
	mention = regexp.MustCompile(`(?is)<at\b[^>]*>.*?</at>`)
	markup  = regexp.MustCompile(`(?s)</?[A-Za-z!][^<>]*>`)
)

// plainText returns what somebody wrote as one line without mentions, formats and invisible control characters.
func plainText(s string) string {
	s = markup.ReplaceAllString(mention.ReplaceAllString(s, " "), " ")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, html.UnescapeString(s))
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) > maxText {
		s = strings.TrimSpace(string([]rune(s)[:maxText]))
	}
	return s
}

// personName returns a name for display.
func personName(s string) string { return cleantext.Name(s, 0) }

// press is a pressed button, sent in either way.
type press struct {
	verb string
	data map[string]any
}

// parseExecute reads the value of an invoke "adaptiveCard/action". The error is a [*refusal] with status 400.
func parseExecute(value json.RawMessage) (press, error) {
	var v struct {
		Action struct {
			Type string          `json:"type"`
			Verb string          `json:"verb"`
			Data json.RawMessage `json:"data"`
		} `json:"action"`
	}
	if json.Unmarshal(value, &v) != nil || v.Action.Type != executeAction || len(v.Action.Verb) > maxWireID {
		return press{}, malformed("not a card action")
	}
	data, err := parseData(v.Action.Data)
	if err != nil {
		return press{}, err
	}
	delete(data, SubmitVerb)
	return press{verb: v.Action.Verb, data: data}, nil
}

// parseSubmit reads the value of a message that an Action.Submit sent. ok is false where it is none of a [Press].
func parseSubmit(value json.RawMessage) (p press, ok bool, err error) {
	var v map[string]json.RawMessage
	_ = json.Unmarshal(value, &v) // what is no object has no verb either
	if v[SubmitVerb] == nil {
		return press{}, false, nil
	}
	if p.data, err = parseData(value); err != nil {
		return press{}, false, err
	}
	p.verb, ok = p.data[SubmitVerb].(string)
	if !ok || len(p.verb) > maxWireID {
		return press{}, false, malformed("not a card action")
	}
	delete(p.data, SubmitVerb)
	return p, true, nil
}

// parseData reads the data of a press: strings, numbers and bools by name. Fields that were left out (null) and Teams'
// own member "msteams" are dropped; what has a depth is refused, because no card of ours sends it.
func parseData(raw json.RawMessage) (map[string]any, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return map[string]any{}, nil
	}
	if len(raw) > maxData {
		return nil, malformed("oversized data")
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || len(members) > maxMembers {
		return nil, malformed("unreadable data")
	}
	data := make(map[string]any, len(members))
	for name, value := range members {
		if name == teamsOwnMember {
			continue
		}
		if name == "" || len(name) > maxName {
			return nil, malformed("unreadable data")
		}
		switch value[0] {
		case '{', '[':
			return nil, malformed("nested data")
		case 'n':
			continue
		}
		var v any
		if json.Unmarshal(value, &v) != nil { // a number out of range
			return nil, malformed("unreadable data")
		}
		data[name] = v
	}
	return data, nil
}
