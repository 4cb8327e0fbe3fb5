package changefeed

import (
	"net/url"
	"regexp"
	"strings"
)

// target is what a path of Graph leads to: a message, a user, or somebody's presence.
type target struct {
	kind                               Kind
	chat, team, channel, message, user string
	// reply is a message in the thread of message.
	reply string
}

// maxPath is the longest path that is looked at.
const maxPath = 2048

// What ids look like. They are put into URLs, so nothing but these goes through.
var (
	threadID = regexp.MustCompile(`^[0-9A-Za-z:_.@=+-]{1,200}$`)
	objectID = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
)

// parsePath reads the resource of a notification. Graph writes the same in several ways:
// chats('19:x')/messages('1'), chats/19:x/messages/1, users('…')/chats('19:x')/messages('1'), Users/….
func parsePath(path string) (target, bool) {
	if len(path) > maxPath {
		return target{}, false
	}
	names, ids, ok := segments(strings.TrimPrefix(path, "/"))
	if !ok {
		return target{}, false
	}
	if len(names) == 3 && names[0] == "users" && names[1] == "chats" && objectID.MatchString(ids[0]) {
		names, ids = names[1:], ids[1:]
	}
	var t target
	switch strings.Join(names, "/") {
	case "chats/messages":
		t = target{kind: ChatMessage, chat: ids[0], message: ids[1]}
	case "teams/channels/messages":
		t = target{kind: ChannelMessage, team: strings.ToLower(ids[0]), channel: ids[1], message: ids[2]}
	case "teams/channels/messages/replies":
		t = target{kind: ChannelMessage, team: strings.ToLower(ids[0]), channel: ids[1], message: ids[2], reply: ids[3]}
	case "users":
		t = target{kind: User, user: strings.ToLower(ids[0])}
	case "communications/presences":
		t = target{kind: Presence, user: strings.ToLower(ids[1])}
	default:
		return target{}, false
	}
	return t, t.valid()
}

// segments takes a path apart into names, in lower case, and the id behind each; "communications" has none.
func segments(path string) (names, ids []string, ok bool) {
	for path != "" {
		end := strings.IndexAny(path, "/(")
		if end < 0 {
			return nil, nil, false
		}
		name, id := strings.ToLower(path[:end]), ""
		switch {
		case name == "communications" && path[end] == '/':
			path = path[end+1:]
		case path[end] == '(':
			quoted, rest, found := strings.Cut(path[end+1:], "')")
			if id, ok = strings.CutPrefix(quoted, "'"); !ok || !found || rest != "" && rest[0] != '/' {
				return nil, nil, false
			}
			path = strings.TrimPrefix(rest, "/")
		default:
			id, path, _ = strings.Cut(path[end+1:], "/")
		}
		names, ids = append(names, name), append(ids, id)
		if len(names) > 4 {
			return nil, nil, false
		}
	}
	return names, ids, true
}

// valid reports whether the ids can be ids.
func (t target) valid() bool {
	thread := func(ids ...string) bool {
		for _, id := range ids {
			if !threadID.MatchString(id) || strings.Trim(id, ".") == "" || strings.Contains(id, "..") {
				return false
			}
		}
		return true
	}
	switch t.kind {
	case ChatMessage:
		return thread(t.chat, t.message)
	case ChannelMessage:
		return objectID.MatchString(t.team) && thread(t.channel, t.message) && (t.reply == "" || thread(t.reply))
	default:
		return objectID.MatchString(t.user)
	}
}

// String is the one spelling of the path, by which events are named.
func (t target) String() string {
	switch t.kind {
	case ChatMessage:
		return "chats('" + t.chat + "')/messages('" + t.message + "')"
	case ChannelMessage:
		s := "teams('" + t.team + "')/channels('" + t.channel + "')/messages('" + t.message + "')"
		if t.reply != "" {
			s += "/replies('" + t.reply + "')"
		}
		return s
	case Presence:
		return "communications/presences('" + t.user + "')"
	default:
		return "users('" + t.user + "')"
	}
}

// url is where Graph has it.
func (t target) url() string {
	e := url.PathEscape
	switch t.kind {
	case ChatMessage:
		return "/chats/" + e(t.chat) + "/messages/" + e(t.message)
	case ChannelMessage:
		s := "/teams/" + e(t.team) + "/channels/" + e(t.channel) + "/messages/" + e(t.message)
		if t.reply != "" {
			s += "/replies/" + e(t.reply)
		}
		return s
	case Presence:
		return "/users/" + e(t.user) + "/presence"
	default:
		return "/users/" + e(t.user)
	}
}

// stream is the conversation, within which events keep their order: a chat, a channel, a user.
func (t target) stream() string {
	switch t.kind {
	case ChatMessage:
		return "chat/" + digest("chat", t.chat)
	case ChannelMessage:
		return "channel/" + digest("channel", t.team, t.channel)
	case Presence:
		return "presence/" + digest("presence", t.user)
	default:
		return "user/" + digest("user", t.user)
	}
}
