package graphmail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/internal/httpx"
	"github.com/mspkit/mspkit/mail"
)

const (
	cleanup       = 10 * time.Second
	maxUploadBody = 64 << 10
)

// uploader sends parts of files. Their address comes from Graph, is a secret by itself, and gets no token.
func uploader(o Options) (*http.Client, error) {
	return httpx.NewClient(o.HTTPClient, &httpx.Options{Timeout: 2 * time.Minute, TryTimeout: time.Minute, MaxBody: maxUploadBody, Backoff: o.RetryDelay, Logger: o.Logger, Now: o.Now})
}

type uploadItem struct {
	Item struct {
		Type      string `json:"attachmentType"`
		Name      string `json:"name"`
		Size      int    `json:"size"`
		MediaType string `json:"contentType,omitempty"`
		ContentID string `json:"contentId,omitempty"`
		IsInline  bool   `json:"isInline,omitempty"`
	} `json:"AttachmentItem"`
}

// uploadFile sends a file part by part, in order.
//
// Source: https://learn.microsoft.com/graph/outlook-large-attachments.
func (m *Mailer) uploadFile(ctx context.Context, at string, f mail.File) error {
	var item uploadItem
	item.Item.Type, item.Item.Name, item.Item.Size, item.Item.MediaType = "file", f.Name, len(f.Data), f.Type
	item.Item.ContentID, item.Item.IsInline = f.ContentID, f.ContentID != ""
	var session struct {
		URL string `json:"uploadUrl"`
	}
	if err := m.c.graph.Do(ctx, m.request(graphx.Outlook, http.MethodPost, at+"/attachments/createUploadSession", item), &session); err != nil {
		return m.c.failed("begin an upload", err, false)
	}
	u, err := url.Parse(session.URL)
	if err != nil || !m.c.mayUpload(u) {
		return &Error{Op: "begin an upload", Err: mail.ErrRejected, Advice: "Graph named an address that is not Microsoft's; nothing was sent there"}
	}
	for from := 0; from < len(f.Data); {
		to := min(from+m.c.o.ChunkSize, len(f.Data))
		next, err := m.c.part(ctx, u, f.Data[from:to], contentRange(from, to, len(f.Data)), to == len(f.Data))
		if err != nil {
			return err
		}
		if to < len(f.Data) && (next < 0 || next > to || next <= from) {
			return &Error{Op: "upload a file", Err: mail.ErrTemporary, Advice: "Exchange lost its place in the file; send the mail again"}
		}
		if from = to; next >= 0 && to < len(f.Data) {
			from = next
		}
	}
	return nil
}

// mayUpload tells whether parts of a file may go to u: to Graph's own host, or to Outlook's by https.
func (c *Client) mayUpload(u *url.URL) bool {
	if u.User != nil {
		return false
	}
	if base, err := url.Parse(c.o.Cloud.Graph); err == nil && httpx.SameOrigin(base, u) {
		return true
	}
	host := strings.ToLower(u.Hostname())
	for _, suffix := range []string{".office.com", ".office365.com", ".office.us", ".office365.us", ".partner.outlook.cn", ".outlook.com"} {
		if strings.HasSuffix(host, suffix) {
			return u.Scheme == "https" && (u.Port() == "" || u.Port() == "443")
		}
	}
	return false
}

// part sends one part and returns where Exchange expects the next one, -1 where it does not say.
func (c *Client) part(ctx context.Context, u *url.URL, data []byte, at string, last bool) (next int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, u.String(), bytes.NewReader(data))
	if err != nil {
		return -1, &Error{Op: "upload a file", Err: mail.ErrTemporary, Advice: "the upload could not be made"}
	}
	req.Header.Set("Content-Range", at)
	req.Header.Set("Content-Type", "application/octet-stream")
	res, err := httpx.Do(c.upload, req)
	if err != nil {
		return -1, c.failed("upload a file", err, false)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	switch {
	case res.StatusCode/100 != 2:
		return -1, byStatus("upload a file", res.StatusCode)
	case last && res.StatusCode != http.StatusCreated && res.StatusCode != http.StatusOK:
		return -1, byStatus("upload a file", res.StatusCode)
	case err != nil:
		return -1, errors.Join(c.failed("upload a file", err, false), mail.ErrTemporary)
	}
	var status struct {
		Next []string `json:"nextExpectedRanges"`
	}
	if json.Unmarshal(b, &status) != nil || len(status.Next) == 0 {
		return -1, nil
	}
	from, _, _ := strings.Cut(status.Next[0], "-")
	if next, err = strconv.Atoi(from); err != nil || next < 0 {
		return -1, nil // it did not say
	}
	return next, nil
}
