package twiliotest

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the vendor's protocol: https://www.twilio.com/docs/usage/security
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Deliver changes a message's status and, where the message has a callback, reports it there. errorCode is
// Twilio's reason for "undelivered" and "failed", otherwise 0. Any status may follow any other: the real one does
// not keep the order either.
func (s *Server) Deliver(ctx context.Context, sid, status string, errorCode int) error {
	s.mu.Lock()
	i := slices.IndexFunc(s.messages, func(m *Message) bool { return m.SID == sid })
	if i < 0 {
		s.mu.Unlock()
		return ErrNoMessage
	}
	m := s.messages[i]
	m.Status, m.ErrorCode = status, errorCode
	if m.Sent.IsZero() && !slices.Contains([]string{"accepted", "scheduled", "queued", "sending"}, status) {
		m.Sent = s.opts.Now().UTC()
	}
	changed := *m
	s.mu.Unlock()
	s.notify(changed)
	if changed.StatusCallback == "" {
		return nil
	}
	form := url.Values{
		"AccountSid": {changed.AccountSID}, "MessageSid": {sid}, "SmsSid": {sid}, "MessageStatus": {status}, "SmsStatus": {status},
		"To": {changed.To}, "ApiVersion": {"2010-04-01"},
	}
	if changed.From != "" {
		form.Set("From", changed.From)
	}
	if changed.MessagingServiceSID != "" {
		form.Set("MessagingServiceSid", changed.MessagingServiceSID)
	}
	if errorCode != 0 {
		form.Set("ErrorCode", strconv.Itoa(errorCode))
	}
	return s.Callback(ctx, changed.StatusCallback, form)
}

// Callback posts form to target, signed with the account's token as Twilio would.
func (s *Server) Callback(ctx context.Context, target string, form url.Values) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("twiliotest: callback: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	req.Header.Set("X-Twilio-Signature", Sign(s.token, target, form))
	req.Header.Set("User-Agent", "TwilioProxy/1.1")
	resp, err := s.opts.HTTPClient.Do(req)
	if err != nil {
		return fmt.Errorf("twiliotest: callback: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // nothing to do about it
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%w: status %d", ErrCallback, resp.StatusCode)
	}
	return nil
}

// Sign returns the X-Twilio-Signature for a form posted to target: the URL and then each parameter's name and value
// in the order of the names, under HMAC-SHA1 with the auth token (https://www.twilio.com/docs/usage/security).
func Sign(token, target string, form url.Values) string {
	names := make([]string, 0, len(form))
	for k := range form {
		names = append(names, k)
	}
	slices.Sort(names)
	mac := hmac.New(sha1.New, []byte(token))
	_, _ = io.WriteString(mac, target)
	for _, k := range names {
		_, _ = io.WriteString(mac, k+form.Get(k))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// after delivers an accepted message where that was asked for. A message answered with a fault is delivered too:
// that is what makes a lost answer ambiguous.
func (s *Server) after(m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.opts.AutoDeliver || s.stopped {
		return
	}
	s.work.Go(func() {
		for _, status := range []string{"sent", "delivered"} {
			// A callback that fails is not tried again, as with the real one by default.
			_ = s.Deliver(s.ctx, m.SID, status, 0)
		}
	})
}
