package twiliotest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxBody  = 64 << 10
	rfc2822  = "Mon, 02 Jan 2006 15:04:05 -0700"
	apiStart = "/2010-04-01/Accounts/"
)

var e164 = regexp.MustCompile(`^\+[1-9]\d{6,14}$`)

// ServeHTTP answers Twilio's REST API: POST and GET …/Messages.json, GET …/Messages/{sid}.json and GET
// /v2/PhoneNumbers/{number} of the Lookup API, under any prefix.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, failing := s.fault(r.Method)
	if failing && !f.Accept {
		s.fail(w, r, f)
		return
	}
	_, number, lookup := strings.Cut(r.URL.Path, lookupStart)
	_, path, ok := strings.Cut(r.URL.Path, apiStart)
	account, path, _ := strings.Cut(path, "/")
	switch {
	case !s.authorized(r):
		problem(w, http.StatusUnauthorized, 20003, "Authenticate")
	case lookup && r.Method == http.MethodGet:
		s.lookup(w, r, number)
	case !ok || account != s.account:
		problem(w, http.StatusNotFound, 20404, "The requested resource was not found")
	case path == "Messages.json" && r.Method == http.MethodPost:
		m := s.accept(w, r)
		if m == nil {
			return
		}
		defer s.after(*m) // also when the answer is lost, which leaves by a panic
		if failing {
			s.fail(w, r, f)
			return
		}
		answer(w, http.StatusCreated, wire(*m))
	case path == "Messages.json" && r.Method == http.MethodGet:
		s.list(w, r)
	case strings.HasPrefix(path, "Messages/") && r.Method == http.MethodGet:
		s.single(w, strings.TrimSuffix(strings.TrimPrefix(path, "Messages/"), ".json"))
	default:
		problem(w, http.StatusMethodNotAllowed, 20004, "Method not allowed")
	}
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, f Fault) {
	switch {
	case f.Hang:
		select {
		case <-r.Context().Done():
		case <-s.ctx.Done():
		}
		panic(http.ErrAbortHandler)
	case f.Drop:
		panic(http.ErrAbortHandler) // net/http closes the connection without a word
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	if f.Body != "" {
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte(f.Body))
		return
	}
	problem(w, f.Status, f.Code, http.StatusText(f.Status))
}

// accept checks the form like Twilio does and takes the message, or answers why not and returns nil.
func (s *Server) accept(w http.ResponseWriter, r *http.Request) *Message {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		problem(w, http.StatusBadRequest, 20001, "Bad form")
		return nil
	}
	form := r.PostForm
	to, from, service, text := form.Get("To"), form.Get("From"), form.Get("MessagingServiceSid"), form.Get("Body")
	validity := 36000
	if v := form.Get("ValidityPeriod"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 36000 {
			problem(w, http.StatusBadRequest, 21621, "ValidityPeriod must be between 1 and 36000")
			return nil
		}
		validity = n
	}
	s.mu.Lock()
	out := s.optedOut[to]
	s.mu.Unlock()
	switch {
	case to == "":
		problem(w, http.StatusBadRequest, 21604, "A 'To' phone number is required.")
	case !e164.MatchString(to):
		problem(w, http.StatusBadRequest, 21211, "Invalid 'To' Phone Number: "+to)
	case from == "" && service == "":
		problem(w, http.StatusBadRequest, 21603, "A 'From' phone number is required.")
	case text == "":
		problem(w, http.StatusBadRequest, 21602, "Message body is required.")
	case utf8.RuneCountInString(text) > 1600:
		problem(w, http.StatusBadRequest, 21617, "The concatenated message body exceeds the 1600 character limit.")
	case out:
		problem(w, http.StatusBadRequest, 21610, "Attempt to send to unsubscribed recipient")
	default:
		m := &Message{
			SID: newSID("SM"), AccountSID: s.account, To: to, From: from, Body: text, MessagingServiceSID: service,
			Status: "queued", Created: s.opts.Now().UTC(), Validity: time.Duration(validity) * time.Second,
			StatusCallback:   form.Get("StatusCallback"),
			ContentRetention: form.Get("ContentRetention"), AddressRetention: form.Get("AddressRetention"),
		}
		if from == "" {
			m.Status = "accepted" // the service picks the sender later
		}
		taken := *m
		s.mu.Lock()
		s.messages = append(s.messages, m)
		s.mu.Unlock()
		s.notify(taken)
		return &taken
	}
	return nil
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	size, err := strconv.Atoi(q.Get("PageSize"))
	if err != nil || size < 1 || size > 1000 {
		size = 50
	}
	var since time.Time
	if v := q.Get("DateSent>"); v != "" {
		if since, err = time.Parse(time.RFC3339, v); err != nil {
			if since, err = time.Parse(time.DateOnly, v); err != nil {
				problem(w, http.StatusBadRequest, 20001, "Bad DateSent")
				return
			}
		}
	}
	page := []message{}
	all := s.Messages()
	slices.Reverse(all) // the newest first
	for _, m := range all {
		// What is not sent yet has no date to compare.
		if (q.Has("To") && m.To != q.Get("To")) || (!since.IsZero() && (m.Sent.IsZero() || m.Sent.Before(since))) {
			continue
		}
		if len(page) < size {
			page = append(page, wire(m))
		}
	}
	answer(w, http.StatusOK, map[string]any{
		"messages": page, "page": 0, "page_size": size, "start": 0, "end": max(len(page)-1, 0), "next_page_uri": nil,
		"uri": r.URL.RequestURI(),
	})
}

func (s *Server) single(w http.ResponseWriter, sid string) {
	for _, m := range s.Messages() {
		if m.SID == sid {
			answer(w, http.StatusOK, wire(m))
			return
		}
	}
	problem(w, http.StatusNotFound, 20404, "The requested resource was not found")
}

// message has Twilio's field types: counts and prices are strings, absent values are null, dates are RFC 2822.
type message struct {
	SID                 string  `json:"sid"`
	AccountSID          string  `json:"account_sid"`
	To                  string  `json:"to"`
	From                *string `json:"from"`
	Body                string  `json:"body"`
	Status              string  `json:"status"`
	Direction           string  `json:"direction"`
	NumSegments         string  `json:"num_segments"`
	NumMedia            string  `json:"num_media"`
	Price               *string `json:"price"`
	PriceUnit           string  `json:"price_unit"`
	ErrorCode           *int    `json:"error_code"`
	ErrorMessage        *string `json:"error_message"`
	MessagingServiceSID *string `json:"messaging_service_sid"`
	DateCreated         string  `json:"date_created"`
	DateUpdated         string  `json:"date_updated"`
	DateSent            *string `json:"date_sent"`
	APIVersion          string  `json:"api_version"`
	URI                 string  `json:"uri"`
}

func wire(m Message) message {
	optional := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	out := message{
		SID: m.SID, AccountSID: m.AccountSID, To: m.To, From: optional(m.From), Body: m.Body, Status: m.Status,
		Direction: "outbound-api", NumSegments: segments(m.Body), NumMedia: "0", PriceUnit: "USD",
		MessagingServiceSID: optional(m.MessagingServiceSID),
		DateCreated:         m.Created.Format(rfc2822), DateUpdated: m.Created.Format(rfc2822),
		APIVersion: "2010-04-01", URI: apiStart + m.AccountSID + "/Messages/" + m.SID + ".json",
	}
	if m.ContentRetention == "discard" {
		out.Body = ""
	}
	if !m.Sent.IsZero() {
		out.DateSent, out.Price = optional(m.Sent.Format(rfc2822)), optional("-0.00790")
	}
	if m.ErrorCode != 0 {
		out.ErrorCode, out.ErrorMessage = &m.ErrorCode, optional("delivery failed")
	}
	return out
}

// segments counts roughly as Twilio does: 160 characters, or 70 where one is outside ASCII; less when split.
func segments(s string) string {
	n, one, part := utf8.RuneCountInString(s), 160, 153
	if n != len(s) {
		one, part = 70, 67
	}
	if n <= one {
		return "1"
	}
	return strconv.Itoa((n + part - 1) / part)
}

func problem(w http.ResponseWriter, status, code int, text string) {
	answer(w, status, map[string]any{
		"code": code, "message": text, "status": status,
		"more_info": "https://www.twilio.com/docs/errors/" + url.PathEscape(strconv.Itoa(code)),
	})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
