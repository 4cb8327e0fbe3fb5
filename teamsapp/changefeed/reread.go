package changefeed

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphx"
)

// read is one step. It moves c on.
func (t *turn) read(ctx context.Context, c *cursor) (items []found, done bool, err error) {
	ids := t.r.ids()
	switch t.r.what {
	case oneChat:
		return t.list(ctx, c, &graphx.Request{
			Path: "/chats/" + ids[0] + "/messages",
			// The filter is ignored without this order: https://learn.microsoft.com/graph/api/chat-list-messages
			Query: map[string][]string{"$top": {"50"}, "$orderby": {"lastModifiedDateTime desc"}, "$filter": {t.since()}},
		})
	case oneChannel:
		return t.channel(ctx, c, ids[0], ids[1])
	case userChats:
		return t.list(ctx, c, t.chatsOf(ids[0]))
	case allChats, allChannels:
		return t.everywhere(ctx, c)
	case allUsers:
		return t.users(ctx, c)
	case oneUser:
		return []found{t.found("users('"+ids[0]+"')", Updated, nil)}, true, nil
	case presence:
		items, err := t.presences(ctx, ids)
		return items, true, err
	case noForm:
	}
	return nil, false, lostError("there is no way to read it again")
}

// since is the $filter for what may have been missed.
func (t *turn) since() string {
	return "lastModifiedDateTime gt " + t.s.GapFrom.UTC().Format("2006-01-02T15:04:05.000Z")
}

func (t *turn) chatsOf(user string) *graphx.Request {
	// https://learn.microsoft.com/graph/api/chats-getallmessages
	return &graphx.Request{Path: "/users/" + user + "/chats/getAllMessages", Query: map[string][]string{"$top": {"50"}, "$filter": {t.since()}}}
}

// list reads some pages of messages from r or where c stands. done is true after the last page.
func (t *turn) list(ctx context.Context, c *cursor, r *graphx.Request) (items []found, done bool, err error) {
	bytes := 0
	for range stepPages {
		if c.Link != "" {
			r = &graphx.Request{Path: c.Link}
		}
		r.Tenant, r.Workload = t.s.Tenant, messages
		links, err := t.k.c.graph.Page(ctx, r, func(raw json.RawMessage) error {
			bytes += len(raw)
			items = append(items, t.message(raw)...)
			return nil
		})
		if err != nil {
			return nil, false, err
		}
		if links.Next == c.Link && links.Next != "" {
			return nil, false, graphx.ErrCircle
		}
		if c.Link = links.Next; c.Link == "" {
			return inOrder(items), true, nil
		}
		if bytes > stepBytes {
			break
		}
	}
	return inOrder(items), false, nil
}

// inOrder sorts what was read by the time at which it happened: Graph lists what is new first. Of more than fits into one step the
// later part comes first.
func inOrder(items []found) []found {
	at := func(f found) time.Time {
		var m chatMessage
		switch {
		case json.Unmarshal(f.Raw, &m) != nil:
		case f.Change == Created && m.Created != nil:
			return *m.Created
		case m.Modified != nil:
			return *m.Modified
		}
		return time.Time{}
	}
	type timed struct {
		found
		at time.Time
	}
	list := make([]timed, len(items))
	for i, f := range items {
		list[i] = timed{f, at(f)}
	}
	slices.SortStableFunc(list, func(a, b timed) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.Path, b.Path)) })
	for i := range list {
		items[i] = list[i].found
	}
	return items
}

// found is what a backfill hands on.
func (t *turn) found(path string, change Change, raw json.RawMessage) found {
	return found{
		Tenant: t.s.Tenant, EntraTenant: t.s.EntraTenant, Resource: t.r, Path: path, Change: change, Raw: raw,
		Version: t.s.GapFrom.Format(time.RFC3339Nano) + " " + t.s.GapTo.Format(time.RFC3339Nano),
	}
}

// message makes events of a message: that it was created, where that was in the gap, and what became of it. What cannot be a message is
// left out.
func (t *turn) message(raw json.RawMessage) []found {
	var m chatMessage
	if json.Unmarshal(raw, &m) != nil || m.Created == nil {
		return nil
	}
	to := target{kind: ChatMessage, chat: m.ChatID, message: m.ID}
	if m.Channel != nil && m.Channel.ID != "" {
		to = target{kind: ChannelMessage, team: m.Channel.Team, channel: m.Channel.ID, message: m.ID}
		if m.ReplyTo != "" && m.ReplyTo != m.ID {
			to.message, to.reply = m.ReplyTo, m.ID
		}
	} else if m.ChatID == "" && t.r.what == oneChat {
		to.chat = t.r.ids()[0]
	}
	if to.kind != t.r.Kind() || !to.valid() {
		return nil
	}
	raw = slices.Clone(raw)
	var out []found
	add := func(c Change) {
		f := t.found(to.String(), c, raw)
		f.Version = "" // a message says its own
		out = append(out, f)
	}
	if m.Created.After(t.s.GapFrom) && m.Deleted == nil {
		add(Created)
	}
	switch {
	case m.Deleted != nil:
		add(Deleted)
	case m.Modified != nil && m.Modified.After(*m.Created) && m.Modified.After(t.s.GapFrom):
		add(Updated)
	}
	return out
}

// channel reads a page of threads that have changed, each with its replies. c is moved on when all of them were read.
func (t *turn) channel(ctx context.Context, c *cursor, team, channel string) (items []found, done bool, err error) {
	base := "/teams/" + team + "/channels/" + channel + "/messages"
	// https://learn.microsoft.com/graph/api/chatmessage-delta: of the threads that have changed it gives the first message.
	r := &graphx.Request{Path: base + "/delta", Query: map[string][]string{"$top": {"20"}, "$filter": {t.since()}}}
	if c.Link != "" {
		r = &graphx.Request{Path: c.Link}
	}
	r.Tenant, r.Workload = t.s.Tenant, messages
	var threads []string
	links, err := t.k.c.graph.Page(ctx, r, func(raw json.RawMessage) error {
		var m chatMessage
		if json.Unmarshal(raw, &m) == nil && threadID.MatchString(m.ID) && !bad(m.ID) {
			threads = append(threads, m.ID)
			items = append(items, t.message(raw)...)
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	for _, id := range threads {
		for more := (cursor{}); ; {
			replies, last, err := t.list(ctx, &more, &graphx.Request{Path: base + "/" + id + "/replies", Query: map[string][]string{"$top": {"50"}}})
			if err != nil && !errors.Is(err, graphx.ErrNotFound) {
				return nil, false, err
			}
			items = append(items, replies...)
			if last || err != nil {
				break
			}
		}
	}
	if links.Next == c.Link && links.Next != "" {
		return nil, false, graphx.ErrCircle
	}
	c.Link = links.Next
	return inOrder(items), c.Link == "", nil
}

// everywhere reads the chats of users, or the channels of teams, one after the other.
func (t *turn) everywhere(ctx context.Context, c *cursor) (items []found, done bool, err error) {
	if c.Of == "" {
		c.Link = ""
		if c.Of, err = t.whose(ctx, c); err != nil || c.Of == "" {
			return nil, err == nil, err
		}
	}
	r := t.chatsOf(c.Of)
	if t.r.what == allChannels {
		// https://learn.microsoft.com/graph/api/channel-getallmessages
		r.Path = "/teams/" + c.Of + "/channels/getAllMessages"
	}
	items, last, err := t.list(ctx, c, r)
	switch {
	case errors.Is(err, graphx.ErrNotFound):
		last = true // a user without Teams, or a team that was deleted
	case err != nil:
		return nil, false, err
	}
	if last {
		c.After, c.Of, c.Link = c.Of, "", ""
	}
	return items, false, nil
}

// whose returns the next user or team whose messages are read; empty is that all were.
func (t *turn) whose(ctx context.Context, c *cursor) (string, error) {
	of := t.k.o.BackfillUsers
	if t.r.what == allChannels {
		if of = t.k.o.BackfillTeams; of == nil {
			of = t.teams
		}
	}
	if of == nil {
		return t.nextUser(ctx, c)
	}
	if t.named == nil { // once in a turn: the cursor stays small
		list, err := of(ctx, t.s.Tenant)
		switch {
		case err != nil && ended(err):
			return "", err
		case err != nil:
			return "", errHost
		case len(list) == 0:
			return "", lostError("it was not said whose messages to read: set BackfillUsers or BackfillTeams of Options.Subscriptions")
		}
		for _, id := range list {
			if !objectID.MatchString(id) {
				return "", lostError("whose messages to read was said with what is no id")
			}
			t.named = append(t.named, strings.ToLower(id))
		}
		slices.Sort(t.named)
	}
	i, _ := slices.BinarySearch(t.named, c.After+"\x00") // the first that is greater
	if c.After == "" {
		i = 0
	}
	if i == len(t.named) {
		return "", nil
	}
	return t.named[i], nil
}

// errHost is that the host did not say whose messages to read. It is tried again.
var errHost = errors.New("changefeed: the host did not say whose messages to read")

// teams are those whose channels the tenant follows.
func (t *turn) teams(ctx context.Context, _ mspkit.TenantID) ([]string, error) {
	list, err := t.k.c.store.Subscriptions(ctx, t.s.Tenant)
	if err != nil {
		return nil, t.failed(err)
	}
	var out []string
	for _, s := range list {
		if r, err := ParseResource(s.Resource); err == nil && r.what == oneChannel && s.Wanted {
			out = append(out, r.ids()[0])
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// nextUser returns the next user of the directory, and empty at the end.
func (t *turn) nextUser(ctx context.Context, c *cursor) (string, error) {
	r := &graphx.Request{Path: "/users", Query: map[string][]string{"$select": {"id"}, "$filter": {"accountEnabled eq true"}, "$top": {"100"}}}
	for len(c.Rest) == 0 {
		if c.Users != "" {
			r = &graphx.Request{Path: c.Users}
		} else if c.Listed > 0 {
			return "", nil
		}
		r.Tenant = t.s.Tenant
		links, err := graphx.PageOf(ctx, t.k.c.graph, r, func(u *struct{ ID string }) error {
			if objectID.MatchString(u.ID) && c.Listed < DefaultBackfillUsers {
				c.Rest = append(c.Rest, u.ID)
				c.Listed++
			}
			return nil
		})
		switch {
		case err != nil:
			return "", err
		case links.Next == c.Users && links.Next != "":
			return "", graphx.ErrCircle
		}
		if c.Users = links.Next; c.Users != "" && c.Listed >= DefaultBackfillUsers {
			c.Users = ""
			t.lost(ctx, t.s.GapFrom, t.s.GapTo, "the tenant has more users than are read: say whose chats to read with Options.Subscriptions.BackfillUsers")
		}
		if c.Users == "" && len(c.Rest) == 0 {
			return "", nil
		}
	}
	next := c.Rest[0]
	c.Rest = c.Rest[1:]
	return next, nil
}

// users reads a page of the users that have changed.
func (t *turn) users(ctx context.Context, c *cursor) (items []found, done bool, err error) {
	link := c.Link
	if link == "" {
		link = c.Delta
	}
	if link == "" {
		return nil, false, lostError("there was no link yet by which Graph tells what has changed")
	}
	links, err := graphx.PageOf(ctx, t.k.c.graph, &graphx.Request{Tenant: t.s.Tenant, Path: link}, func(u *struct {
		ID      string
		Removed *struct{ Reason string } `json:"@removed"`
	},
	) error {
		if !objectID.MatchString(u.ID) {
			return nil
		}
		change := Updated // also of one that can be restored, as in notifications
		if u.Removed != nil && u.Removed.Reason == "deleted" {
			change = Deleted
		}
		items = append(items, t.found("users('"+u.ID+"')", change, nil))
		return nil
	})
	switch {
	case errors.Is(err, graphx.ErrResync):
		return nil, false, lostError("Graph has forgotten what changed since then")
	case err != nil:
		return nil, false, err
	case links.Delta != "":
		c.Delta, c.Link = links.Delta, ""
		return items, true, nil
	case links.Next == "" || links.Next == link:
		return nil, false, graphx.ErrCircle
	}
	c.Link = links.Next
	return items, false, nil
}

// presences reads the presence of now.
func (t *turn) presences(ctx context.Context, ids []string) (items []found, err error) {
	var answer struct{ Value []json.RawMessage }
	err = t.k.c.graph.Do(ctx, &graphx.Request{
		Tenant: t.s.Tenant, Workload: graphx.Presence, Method: "POST", Path: "/communications/getPresencesByUserId",
		Body: map[string][]string{"ids": ids}, Idempotent: true,
	}, &answer)
	if err != nil {
		return nil, err
	}
	for _, raw := range answer.Value {
		var p struct{ ID string }
		if json.Unmarshal(raw, &p) == nil && objectID.MatchString(p.ID) {
			items = append(items, t.found("communications/presences('"+p.ID+"')", Updated, raw))
		}
	}
	return items, nil
}
