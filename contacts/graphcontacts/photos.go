package graphcontacts

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphx"
)

// MaxPhoto is the largest picture that is taken, in bytes. A larger one is as if there were none.
const MaxPhoto = 256 << 10

const batchSize = 20 // requests of a $batch

// Photos gives the pictures of users. It is safe for concurrent use.
type Photos struct {
	client *graphx.Client
	o      Options
}

var _ contacts.PhotoSource = (*Photos)(nil)

// NewPhotos returns the pictures of the users of the tenants that creds reach. It needs ProfilePhoto.Read.All.
func NewPhotos(creds azurecred.TenantCredentials, o *Options) (*Photos, error) {
	client, opts, err := connect(creds, o)
	if err != nil {
		return nil, err
	}
	return &Photos{client: client, o: opts}, nil
}

// FetchPhotos asks whether each picture is still the one of PhotoDue.Version and fetches those that are not. Graph does not
// tell when a picture changes, so ask once a week. SourceID is the object id; somebody who is not there any more has no
// picture, and somebody whose picture Graph cannot tell of keeps what there is. What is too large, or neither JPEG nor PNG nor GIF, has a Version and no Data, so that it is not fetched again.
func (s *Photos) FetchPhotos(ctx context.Context, tenant mspkit.TenantID, list []contacts.PhotoDue) ([]contacts.Photo, error) {
	if err := tenant.Validate(); err != nil {
		return nil, err
	}
	out, err := s.fetch(ctx, tenant, list)
	if err != nil {
		return nil, fail("fetch photos", tenant, "ProfilePhoto.Read.All", err)
	}
	return out, nil
}

func (s *Photos) fetch(ctx context.Context, tenant mspkit.TenantID, list []contacts.PhotoDue) ([]contacts.Photo, error) {
	out := make([]contacts.Photo, len(list))
	ids := make([]string, 0, len(list))
	at := make([]int, 0, len(list)) // where the ids belong
	for i, d := range list {
		if id := canonicalID(d.SourceID); id != "" {
			ids, at = append(ids, id), append(at, i)
		}
	}
	results, err := s.batch(ctx, tenant, ids, "/photo")
	if err != nil {
		return nil, err
	}
	if err := nothing(results); err != nil {
		return nil, err
	}
	var changed []string
	var where []int
	for n, r := range results {
		i := at[n]
		version, err := s.version(r)
		if err != nil {
			s.keep(ctx, tenant, &out[i], list[i], err)
			continue
		}
		if version == "" {
			continue // none
		}
		out[i] = contacts.Photo{Version: version, CheckedAt: s.o.Now()}
		if version != list[i].Version {
			changed, where = append(changed, ids[n]), append(where, i)
		}
	}
	size := strconv.Itoa(s.o.PhotoSize)
	for len(changed) > 0 { // some at a time: of the answers only the pictures stay in memory
		n := min(len(changed), batchSize)
		results, err = s.batch(ctx, tenant, changed[:n], "/photos/"+size+"x"+size+"/$value")
		if err != nil {
			return nil, err
		}
		for k, r := range results {
			p := &out[where[k]]
			switch {
			case errors.Is(r.Err, graphx.ErrNotFound): // it has been removed since
				*p = contacts.Photo{}
				continue
			case r.Err != nil && ofAll(r.Err):
				return nil, r.Err
			case r.Err != nil: // that Graph answers it has shown above
				s.keep(ctx, tenant, p, list[where[k]], r.Err)
				continue
			}
			if p.Data, p.Type = picture(r.Body); p.Data == nil {
				s.o.Logger.WarnContext(ctx, "graphcontacts: a photo is too large or no picture",
					slog.String("tenant", string(tenant)), slog.String("user", changed[k]))
			}
		}
		changed, where = changed[n:], where[n:]
	}
	return out, nil
}

// nothing returns the error of the first one where Graph has answered for nobody: then it is not about the pictures. Where it
// has for some, the mailbox of another is broken or not to be seen, which must not keep all others from theirs. What says
// something of all of them, such as that it is too much at once, is an error in any case.
func nothing(results []graphx.BatchResult) error {
	var first error
	answered := 0
	for _, r := range results {
		switch {
		case r.Err == nil, errors.Is(r.Err, graphx.ErrNotFound):
			answered++
		case ofAll(r.Err):
			return r.Err
		case first == nil:
			first = r.Err
		}
	}
	if answered > 0 {
		return nil
	}
	return first
}

// ofAll reports whether an error says more than that one picture cannot be had.
func ofAll(err error) bool {
	answer, ok := errors.AsType[*graphx.Error](err)
	return !ok || errors.Is(err, graphx.ErrThrottled) || answer.Status == http.StatusUnauthorized
}

// keep leaves somebody the picture that there is until the next look, because Graph cannot tell of it now.
func (s *Photos) keep(ctx context.Context, tenant mspkit.TenantID, p *contacts.Photo, d contacts.PhotoDue, err error) {
	*p = contacts.Photo{Version: d.Version, CheckedAt: s.o.Now()}
	s.o.Logger.WarnContext(ctx, "graphcontacts: a photo cannot be read",
		slog.String("tenant", string(tenant)), slog.String("user", d.SourceID), slog.Any("error", err))
}

// batch asks for the same of several users.
func (s *Photos) batch(ctx context.Context, tenant mspkit.TenantID, ids []string, what string) ([]graphx.BatchResult, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	items := make([]graphx.BatchItem, len(ids))
	for i, id := range ids {
		items[i].URL = "/users/" + id + what
	}
	results, err := s.client.Batch(ctx, tenant, graphx.Mailboxes, items)
	if err == nil && len(results) != len(ids) {
		err = fmt.Errorf("%w: a batch has %d answers to %d questions", contacts.ErrSource, len(results), len(ids))
	}
	return results, err
}

// version returns the version of a picture, and "" where there is none, which Graph says by 404 or by a picture of one
// pixel.
//
// Source: https://learn.microsoft.com/graph/api/profilephoto-get.
func (s *Photos) version(r graphx.BatchResult) (string, error) {
	switch {
	case errors.Is(r.Err, graphx.ErrNotFound):
		return "", nil
	case r.Err != nil:
		return "", r.Err
	}
	var meta struct {
		Etag          string `json:"@odata.mediaEtag"`
		Width, Height int
	}
	if err := json.Unmarshal(r.Body, &meta); err != nil {
		return "", fmt.Errorf("%w: what Graph says of a photo cannot be read: %w", contacts.ErrSource, withoutValue(err))
	}
	if meta.Width <= 1 && meta.Height <= 1 && (meta.Width == 1 || meta.Etag == "") {
		return "", nil
	}
	// A hash, because the tag is the server's and of any length; the size is in it, because another one is another picture.
	h := sha256.Sum256([]byte(meta.Etag))
	return strconv.Itoa(s.o.PhotoSize) + "-" + base64.RawURLEncoding.EncodeToString(h[:15]), nil
}

// picture returns what an answer to $value has, which is text in base64, and what it is by its first bytes. Whatever the
// server says it is, only pictures that cannot hold a script are taken.
func picture(body json.RawMessage) ([]byte, string) {
	var text string
	if json.Unmarshal(body, &text) != nil || base64.StdEncoding.DecodedLen(len(text)) > MaxPhoto+2 {
		return nil, ""
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(data) == 0 || len(data) > MaxPhoto {
		return nil, ""
	}
	switch t := http.DetectContentType(data); t {
	case "image/jpeg", "image/png", "image/gif":
		return data, t
	}
	return nil, ""
}
