package twilio

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/mail"
	"net/url"
	"strings"
	"sync"
	"time"
)

// clockSkew is how far Twilio's clock may be behind ours; its times have no fractions.
const clockSkew = 30 * time.Second

// find returns the SID of the message with this recipient and text that was made after since, or "" where there
// certainly is none.
func (c *Client) find(ctx context.Context, to, body string, since time.Time) (string, error) {
	if c.opts.ObfuscateAddress {
		return "", errors.New("numbers are not kept, so that it cannot be looked up")
	}
	since = since.Add(-clockSkew)
	// First by date as Twilio documents it, then without: a message that waits in the queue has no DateSent yet.
	for _, q := range []url.Values{
		{"To": {to}, "DateSent>": {since.UTC().Format(time.RFC3339)}, "PageSize": {"100"}},
		{"To": {to}, "PageSize": {"100"}},
	} {
		sid, err := c.search(ctx, q, to, body, since)
		if sid != "" || err != nil {
			return sid, err
		}
	}
	return "", nil
}

func (c *Client) search(ctx context.Context, q url.Values, to, body string, since time.Time) (string, error) {
	u := *c.messages
	u.RawQuery = q.Encode()
	var page struct {
		Messages *[]message `json:"messages"`
	}
	if _, err := c.do(ctx, http.MethodGet, &u, nil, &page); err != nil {
		return "", err
	}
	if page.Messages == nil {
		return "", errors.New("answer has no list of messages")
	}
	want := sha256.Sum256([]byte(body))
	var found string
	unreadable := false
	for _, m := range *page.Messages {
		made, err := mail.ParseDate(m.DateCreated)
		if m.To != to || !strings.HasPrefix(m.Direction, "outbound") || (err == nil && made.Before(since)) || !messageForm.MatchString(m.SID) {
			continue
		}
		got := sha256.Sum256([]byte(m.Body))
		same := subtle.ConstantTimeCompare(got[:], want[:]) == 1
		if same && c.sends.claimed(m.SID) {
			continue // the same text to the same number, sent under another key
		}
		if same && found == "" {
			found = m.SID
		}
		unreadable = unreadable || m.Body == "" || (same && err != nil)
	}
	if found == "" && unreadable {
		return "", errors.New("texts are not kept, so that it cannot be told which message it is")
	}
	return found, nil
}

const (
	maxSends = 4096
	sendLife = time.Hour
)

// sendKey is a hash, so that no number stays in memory.
type sendKey [sha256.Size]byte

// send is what is known of one key.
type send struct {
	users  int // calls that hold it
	used   time.Time
	locked chan struct{} // nil where nobody else can have it

	// Guarded by locked.
	began  time.Time // when the first try of unclear outcome began; zero where there is none
	sid    string    // once Twilio has taken it
	taken  bool      // Twilio has taken it and did not say as what
	resent bool      // the one repeat is used up
}

func (s *send) lock(ctx context.Context) error {
	if s.locked == nil {
		return nil
	}
	select {
	case s.locked <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *send) unlock() {
	if s.locked != nil {
		<-s.locked
	}
}

// sends remembers the last keys.
type sends struct {
	mu    sync.Mutex
	byKey map[sendKey]*send
	sids  map[string]struct{} // ids that a call has returned
}

func (m *sends) acquire(key, to string, now time.Time) *send {
	k := sendKey(sha256.Sum256([]byte(to + "\x00" + key)))
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.byKey[k]
	if s == nil || (s.users == 0 && now.Sub(s.used) > sendLife) {
		if len(m.byKey) >= maxSends {
			m.evict(now)
		}
		s = &send{locked: make(chan struct{}, 1)}
		m.byKey[k] = s
	}
	s.users++
	s.used = now
	return s
}

func (m *sends) release(s *send) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.users--
}

// evict drops what is older than its life, or else whatever was used longest ago.
func (m *sends) evict(now time.Time) {
	var oldest sendKey
	var at time.Time
	for k, s := range m.byKey {
		if s.users > 0 {
			continue
		}
		if now.Sub(s.used) > sendLife {
			delete(m.byKey, k)
		} else if at.IsZero() || s.used.Before(at) {
			oldest, at = k, s.used
		}
	}
	if len(m.byKey) >= maxSends && !at.IsZero() {
		delete(m.byKey, oldest)
	}
}

// claim remembers that sid belongs to a send, so that another with the same text is not mistaken for it.
func (m *sends) claim(sid string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sids == nil || len(m.sids) >= maxSends {
		m.sids = make(map[string]struct{})
	}
	m.sids[sid] = struct{}{}
}

func (m *sends) claimed(sid string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.sids[sid]
	return ok
}
