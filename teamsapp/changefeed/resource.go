package changefeed

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
)

// Resource is something to follow. The functions below and [ParseResource] make one; two are == where they are the same.
type Resource struct {
	// path is as Graph wants it, what its kind.
	path string
	what form
}

// form is a row of the table below.
type form int

const (
	noForm form = iota
	allChats
	allChannels
	oneChat
	oneChannel
	userChats
	allUsers
	oneUser
	presence
)

// Requirements are what Microsoft documents of a resource: see
// https://learn.microsoft.com/graph/api/resources/subscription and
// https://learn.microsoft.com/graph/teams-change-notification-in-microsoft-teams-overview.
type Requirements struct {
	// Kind is what kind of thing changes.
	Kind Kind
	// Changes are the types of changes that can be followed.
	Changes []Change
	// Permissions are application permissions, of which one is needed with admin consent. Those with a resource in their last
	// word, such as ChatMessage.Read.Chat, are consented to by whoever installs the app in that chat or team.
	Permissions []string
	// MaxLifetime is how long a subscription may live until it is renewed.
	MaxLifetime time.Duration
	// Rich says that notifications can carry what changed, encrypted.
	Rich bool
	// Quota says in words how many there may be.
	Quota string
	// Backfill says in words what can be read again after notifications were missed.
	Backfill string
}

const (
	day            = 24 * time.Hour
	teamsLifetime  = 4320 * time.Minute
	userLifetime   = 41760 * time.Minute
	presenceLife   = 60 * time.Minute
	maxPresences   = 650
	maxKey         = 200
	maxResourceLen = 32 << 10
)

var messageChanges = []Change{Created, Updated, Deleted}

// table is section by section what Microsoft documents. Lifetimes:
// https://learn.microsoft.com/graph/change-notifications-overview#subscription-lifetime; presence is from
// https://learn.microsoft.com/graph/changenotifications-for-presence, whose pages disagree about application permissions.
var table = map[form]Requirements{
	allChats: {
		Kind: ChatMessage, Changes: messageChanges, Permissions: []string{"Chat.Read.All"}, MaxLifetime: teamsLifetime, Rich: true,
		Quota:    "1 for each app, 10,000 subscriptions to chats in a tenant",
		Backfill: "the chats of those users whose chats the tenant follows as well, see UserChats; there is no list of all chats",
	},
	allChannels: {
		Kind: ChannelMessage, Changes: messageChanges, Permissions: []string{"ChannelMessage.Read.All"}, MaxLifetime: teamsLifetime, Rich: true,
		Quota:    "1 for each app, 10,000 subscriptions to channels in a tenant",
		Backfill: "the channels that the tenant follows as well, see Channel; there is no list of all channels",
	},
	oneChat: {
		Kind: ChatMessage, Changes: messageChanges, Permissions: []string{"ChatMessage.Read.Chat", "Chat.Read.All"}, MaxLifetime: teamsLifetime, Rich: true,
		Quota:    "1 for each app and chat, 10,000 subscriptions to chats in a tenant",
		Backfill: "messages as they are now",
	},
	oneChannel: {
		Kind: ChannelMessage, Changes: messageChanges, Permissions: []string{"ChannelMessage.Read.Group", "ChannelMessage.Read.All"}, MaxLifetime: teamsLifetime, Rich: true,
		Quota:    "1 for each app and channel, 10,000 subscriptions to channels in a tenant",
		Backfill: "messages of the last eight months and their replies, as they are now",
	},
	userChats: {
		Kind: ChatMessage, Changes: messageChanges, Permissions: []string{"Chat.Read.All"}, MaxLifetime: teamsLifetime, Rich: true,
		Quota:    "10 for each user",
		Backfill: "messages as they are now",
	},
	allUsers: {
		Kind: User, Changes: []Change{Updated, Deleted}, Permissions: []string{"User.Read.All"}, MaxLifetime: userLifetime,
		Quota:    "100 for each app and tenant, 1,000 for each tenant, 50,000 for each app",
		Backfill: "who has changed in what is in the directory, for up to 7 days",
	},
	oneUser: {
		Kind: User, Changes: []Change{Updated, Deleted}, Permissions: []string{"User.Read.All"}, MaxLifetime: userLifetime,
		Quota:    "100 for each app and tenant, 1,000 for each tenant, 50,000 for each app",
		Backfill: "that the user may have changed",
	},
	presence: {
		Kind: Presence, Changes: []Change{Updated}, Permissions: []string{"Presence.Read.All"}, MaxLifetime: presenceLife, Rich: true,
		Quota:    "650 people in a subscription, 1 for each app and person",
		Backfill: "the presence of now; what it was in between cannot be read",
	},
}

// AllChats are the messages of all chats of a tenant. It needs the application permission Chat.Read.All.
func AllChats() Resource { return Resource{"/chats/getAllMessages", allChats} }

// AllChannelMessages are the messages of all channels of a tenant. It needs the application permission ChannelMessage.Read.All.
func AllChannelMessages() Resource { return Resource{"/teams/getAllMessages", allChannels} }

// Chat is the messages of one chat, whose id looks like 19:…@thread.v2. It is [mspkit.ErrInvalid] where the id cannot be one,
// as with the functions below, which [Feed.Follow] reports.
func Chat(id string) Resource { return Resource{"/chats/" + id + "/messages", oneChat} }

// Channel is the messages of one channel of a team, with their replies.
func Channel(team, channel string) Resource {
	return Resource{"/teams/" + team + "/channels/" + channel + "/messages", oneChannel}
}

// UserChats are the messages of all chats that a user is in.
func UserChats(user string) Resource {
	return Resource{"/users/" + user + "/chats/getAllMessages", userChats}
}

// Users are all users of the tenant's directory: that one was created or deleted for a while is an update as well.
func Users() Resource { return Resource{"/users", allUsers} }

// OneUser is one user of the directory.
func OneUser(id string) Resource { return Resource{"/users/" + id, oneUser} }

// PresenceOf is the presence of 1 to 650 users, by their object ids.
func PresenceOf(users ...string) Resource {
	if len(users) == 1 {
		return Resource{"/communications/presences/" + users[0], presence}
	}
	ids := slices.Clone(users)
	slices.Sort(ids)
	return Resource{"/communications/presences?$filter=id in ('" + strings.Join(slices.Compact(ids), "','") + "')", presence}
}

const (
	guid   = `[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}`
	thread = `[0-9A-Za-z:_.@=+-]{1,200}`
)

// forms are what the paths of the table look like. What is in a path is put into URLs, so nothing but these goes through.
var forms = []struct {
	what form
	like *regexp.Regexp
}{
	{allChats, regexp.MustCompile(`^/chats/getAllMessages$`)},
	{allChannels, regexp.MustCompile(`^/teams/getAllMessages$`)},
	{oneChat, regexp.MustCompile(`^/chats/(` + thread + `)/messages$`)},
	{oneChannel, regexp.MustCompile(`^/teams/(` + guid + `)/channels/(` + thread + `)/messages$`)},
	{userChats, regexp.MustCompile(`^/users/(` + guid + `)/chats/getAllMessages$`)},
	{allUsers, regexp.MustCompile(`^/users$`)},
	{oneUser, regexp.MustCompile(`^/users/(` + guid + `)$`)},
	{presence, regexp.MustCompile(`^/communications/presences/(` + guid + `)$`)},
	{presence, regexp.MustCompile(`^/communications/presences\?\$filter=id in \(((?:'` + guid + `',?)+)\)$`)},
}

// ParseResource reads what [Resource.String] wrote. It is [mspkit.ErrInvalid] for everything else.
func ParseResource(path string) (Resource, error) {
	r := Resource{path: path}
	if len(path) > maxResourceLen {
		return Resource{}, fmt.Errorf("changefeed: a resource is longer than %d bytes: %w", maxResourceLen, mspkit.ErrInvalid)
	}
	for _, f := range forms {
		if f.like.MatchString(path) {
			r.what = f.what
			if err := r.validate(); err != nil {
				return Resource{}, err
			}
			return r, nil
		}
	}
	return Resource{}, fmt.Errorf("changefeed: there is no resource of that form to follow: %w", mspkit.ErrInvalid)
}

// ids returns the ids in the path: of a chat, of a team and a channel, of a user, or of the people of a presence.
func (r Resource) ids() []string {
	for _, f := range forms {
		if f.what != r.what {
			continue
		}
		m := f.like.FindStringSubmatch(r.path)
		if m == nil {
			continue
		}
		if r.what == presence {
			return strings.FieldsFunc(m[1], func(c rune) bool { return c == '\'' || c == ',' })
		}
		return m[1:]
	}
	return nil
}

// covers reports whether a subscription to r may tell of t: a clientState is good for what it was made for alone. Which chats a
// user is in is not known here.
func (r Resource) covers(t target) bool {
	if t.kind != r.Kind() {
		return false
	}
	ids := r.ids()
	is := func(i int, id string) bool { return i < len(ids) && strings.EqualFold(ids[i], id) }
	switch r.what {
	case oneChat:
		return is(0, t.chat)
	case oneChannel:
		return is(0, t.team) && is(1, t.channel)
	case oneUser:
		return is(0, t.user)
	case presence:
		return slices.ContainsFunc(ids, func(id string) bool { return strings.EqualFold(id, t.user) })
	default:
		return true
	}
}

// bad are ids that would be other segments of a path.
func bad(id string) bool { return strings.Trim(id, ".") == "" || strings.Contains(id, "..") }

// validate reports what is wrong with a resource.
func (r Resource) validate() error {
	ids := r.ids()
	errs := []error{}
	switch r.what {
	case noForm:
		errs = append(errs, errors.New("a resource is the zero value: take one of the functions of this package"))
	case allChats, allChannels, allUsers:
	case presence:
		if len(ids) == 0 || len(ids) > maxPresences {
			errs = append(errs, fmt.Errorf("a presence must be of 1 to %d object ids of users, it is of %d that can be read", maxPresences, len(ids)))
		}
	default:
		if len(ids) == 0 || slices.ContainsFunc(ids, bad) {
			errs = append(errs, fmt.Errorf("a %s has an id that cannot be one", table[r.what].Kind))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("changefeed: %w: %w", err, mspkit.ErrInvalid)
	}
	return nil
}

// String returns the path by which Graph knows the resource. It holds ids.
func (r Resource) String() string { return r.path }

// Kind is what kind of thing changes.
func (r Resource) Kind() Kind { return table[r.what].Kind }

// Requirements returns what Microsoft documents of the resource.
func (r Resource) Requirements() Requirements {
	t := table[r.what]
	t.Changes, t.Permissions = slices.Clone(t.Changes), slices.Clone(t.Permissions)
	return t
}

// Key names the resource among those of a tenant, in at most 200 bytes: its path, or a hash of it where that is longer.
func (r Resource) Key() string {
	if len(r.path) <= maxKey {
		return r.path
	}
	sum := sha256.Sum256([]byte(r.path))
	return string(table[r.what].Kind) + ":" + hex.EncodeToString(sum[:])
}
