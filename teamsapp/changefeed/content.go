package changefeed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphx"
)

const (
	// maxContent is the largest picture that is read. Teams takes 4 MB within a message.
	maxContent = 16 << 20
	maxHosted  = 50
)

// Content is a file.
type Content struct {
	// Type is its media type as Graph says: image/png. It is application/octet-stream for everything that is no picture, and for SVG, which can have
	// scripts in it. Show it with X-Content-Type-Options: nosniff.
	Type string
	Data []byte
}

// hostedURL finds what is hosted with a message: pictures that were pasted into it, and those of a place that somebody shared.
var hostedURL = regexp.MustCompile(`/hostedContents/([A-Za-z0-9_=%-]{1,1000})/\$value`)

// hosted returns the ids of what is hosted with a message.
func (m *chatMessage) hosted() []string {
	var out []string
	find := func(s string) {
		for _, match := range hostedURL.FindAllStringSubmatch(s, maxHosted) {
			id, err := url.PathUnescape(match[1])
			if err == nil && len(out) < maxHosted && !slices.Contains(out, id) && hostedID(id) {
				out = append(out, id)
			}
		}
	}
	if m.Body != nil {
		find(m.Body.Content)
	}
	for i, a := range m.Attachments {
		if i == maxAttachments {
			break
		}
		find(a.Content)
		find(a.URL)
	}
	return out
}

func hostedID(id string) bool {
	return id != "" && strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_=-") == ""
}

// Hosted reads a picture of a message: id is one of [Message].Hosted. It needs the permissions that reading the message needs.
// [ErrNotFound] where it is not there any more. The picture is what somebody sent, at most 16 MiB.
//
// What [Message].Attachments name by a URL, such as a file in SharePoint, is not read here: it needs the permission to read files.
//
// Source: https://learn.microsoft.com/graph/api/chatmessagehostedcontent-get.
func (f *Feed) Hosted(ctx context.Context, e Event, id string) (Content, error) {
	t, ok := parsePath(e.Path)
	if !ok || e.Message == nil || !slices.Contains(e.Message.Hosted, id) || !hostedID(id) {
		return Content{}, fmt.Errorf("changefeed: hosted content: the message has none with that id: %w", mspkit.ErrInvalid)
	}
	return f.content(ctx, "hosted content", &graphx.Request{Tenant: e.Tenant, Workload: messages, Path: t.url() + "/hostedContents/" + url.PathEscape(id) + "/$value"})
}

// Photo reads the photo of a person by the object id, such as that of [Message].From. It needs ProfilePhoto.Read.All.
// [ErrNotFound] where there is none.
//
// Source: https://learn.microsoft.com/graph/api/profilephoto-get.
func (f *Feed) Photo(ctx context.Context, tenant mspkit.TenantID, user string) (Content, error) {
	if !objectID.MatchString(user) {
		return Content{}, fmt.Errorf("changefeed: photo: the object id is no GUID: %w", mspkit.ErrInvalid)
	}
	return f.content(ctx, "photo", &graphx.Request{Tenant: tenant, Workload: graphx.Mailboxes, LimitKey: user, Path: "/users/" + user + "/photo/$value"})
}

// content reads what is not JSON. Where it comes from is Graph in any case: an event's URLs are not followed.
func (f *Feed) content(ctx context.Context, what string, r *graphx.Request) (Content, error) {
	r.Header = map[string][]string{"Accept": {"*/*"}}
	res, err := f.c.graph.Open(ctx, r)
	if errors.Is(err, graphx.ErrNotFound) {
		return Content{}, fmt.Errorf("changefeed: %s: %w", what, ErrNotFound)
	}
	if err != nil {
		return Content{}, fmt.Errorf("changefeed: %s: %w", what, err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxContent+1))
	if err == nil && len(data) > maxContent {
		err = graphx.ErrTooBig
	}
	if err != nil {
		return Content{}, fmt.Errorf("changefeed: %s: %w", what, err)
	}
	c := Content{Type: "application/octet-stream", Data: data}
	if mt, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err == nil && strings.HasPrefix(mt, "image/") && mt != "image/svg+xml" {
		c.Type = mt
	}
	return c, nil
}
