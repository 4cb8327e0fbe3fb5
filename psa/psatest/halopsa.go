package psatest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// HaloPSAOptions are the ways in which HaloPSAs differ, and differ from what one would think. The zero value is a HaloPSA
// as its API description has it.
type HaloPSAOptions struct {
	// ClientID and ClientSecret are the credentials. Empty is "client" and "secret".
	ClientID, ClientSecret string
	// Tenant must be given with the token request as ?tenant= where it is not empty. /api/authinfo names it.
	Tenant string
	// Scopes are those that the application has. nil is any.
	Scopes []string
	// NoAuthInfo answers /api/authinfo with 404; AuthURL names that authorisation server instead of the own one.
	NoAuthInfo bool
	AuthURL    string
	// TokenTTL is how long a token is good. 0 is an hour.
	TokenTTL time.Duration
	// Prefix is the path below which everything is, for example "/halo". The server's URL does not have it.
	Prefix string

	// Arrays answers writes with an array of the saved record instead of the record.
	Arrays bool
	// WrappedLists answers lists of values as an object with the list in it instead of an array.
	WrappedLists bool
	// MaxPage is the most records of a page. 0 is 100.
	MaxPage int
	// Unordered lists contacts by name, whatever order was asked for.
	Unordered bool
	// ObeySince leaves out what has not changed since lastupdatefromdate, instead of ignoring the parameter.
	ObeySince bool
	// NoLastUpdate leaves the time of the last change out of contacts and companies.
	NoLastUpdate bool
	// IgnoreKey ignores third_party_id_string and client_id when tickets are listed; KeylessLists leaves it out of lists.
	IgnoreKey, KeylessLists bool
	// NoAgentMe has no /api/Agent/me.
	NoAgentMe bool
	// Zone is the zone of dates, which have none of their own unless ZonedDates is set. nil is UTC.
	Zone       *time.Location
	ZonedDates bool

	// Errors is the shape of errors: 0 to [HaloPSAErrorShapes]-1.
	Errors int
	// Outcomes are the configured actions. nil is "Private Note", "Note" and "Email User".
	Outcomes []string
	// HiddenOutcomes has the agent not see the configuration of actions.
	HiddenOutcomes bool
	// SomeoneElse has the application tied to another agent: notes are not by [OurID].
	SomeoneElse int
	// RefuseHTML refuses HTML and characters beyond U+FFFF.
	RefuseHTML bool
	// RefuseClosed refuses notes to closed tickets instead of taking them.
	RefuseClosed bool
	// RulesMail has a rule mail whatever is written without dont_do_rules.
	RulesMail bool
	// SystemActions is how many actions by the system a ticket has. They are counted also where they are left out.
	SystemActions int
	// MaxActions is the most actions that are given at once, whatever count was asked for. 0 is any number.
	MaxActions int
	// NoMergedInto does not tell into which ticket one was merged.
	NoMergedInto bool
}

// HaloPSAErrorShapes is how many shapes errors of HaloPSA have.
const HaloPSAErrorShapes = 6

type halo struct {
	desk *Desk
	o    HaloPSAOptions

	mu     sync.Mutex
	tokens map[string]time.Time
}

// NewHaloPSA starts a server of desk that speaks as HaloPSA does.
func NewHaloPSA(desk *Desk, o *HaloPSAOptions) (*Server, error) {
	h := &halo{desk: desk, tokens: map[string]time.Time{}}
	if o != nil {
		h.o = *o
	}
	if h.o.ClientID == "" {
		h.o.ClientID = "client"
	}
	if h.o.ClientSecret == "" {
		h.o.ClientSecret = "secret"
	}
	if h.o.TokenTTL == 0 {
		h.o.TokenTTL = time.Hour
	}
	if h.o.MaxPage == 0 {
		h.o.MaxPage = 100
	}
	if h.o.Zone == nil {
		h.o.Zone = time.UTC
	}
	if h.o.Outcomes == nil {
		h.o.Outcomes = []string{"Private Note", "Note", "Email User"}
	}
	if h.o.SomeoneElse == 0 {
		h.o.SomeoneElse = OurID
	}
	return listen(desk, h, h.name)
}

// path is the path of a request below the prefix, in lower case: HaloPSA does not mind.
func (h *halo) path(r *http.Request) string {
	p, ok := strings.CutPrefix(r.URL.Path, h.o.Prefix)
	if !ok {
		return ""
	}
	return strings.ToLower(p)
}

// name says what a request is about.
func (h *halo) name(r *http.Request) (op, id string) {
	q, p := r.URL.Query(), h.path(r)
	write := r.Method == http.MethodPost
	first := map[string]any{}
	if write && strings.HasPrefix(p, "/api/") {
		var list []map[string]any
		if b, err := io.ReadAll(r.Body); err == nil && json.Unmarshal(b, &list) == nil && len(list) > 0 {
			first = list[0]
		}
	}
	switch {
	case p == "/auth/token":
		return OpToken, ""
	case p == "/api/authinfo", p == "/api/agent/me", q.Has("count") && p == "/api/users":
		return OpPing, ""
	case p == "/api/users" && q.Has("search"):
		return OpFindContacts, ""
	case p == "/api/users":
		return OpListContacts, ""
	case p == "/api/client":
		return OpListCompanies, ""
	case p == "/api/actions" && write:
		if first["timetaken"] != nil {
			return OpLogTime, fmt.Sprint(first["ticket_id"])
		}
		return OpAddNote, fmt.Sprint(first["ticket_id"])
	case p == "/api/actions":
		return OpListNotes, q.Get("ticket_id")
	case p == "/api/tickets" && write:
		if first["id"] != nil {
			return OpSetStatus, fmt.Sprint(first["id"])
		}
		return OpCreateTicket, ""
	case p == "/api/tickets":
		return OpFindTicket, ""
	case strings.HasPrefix(p, "/api/tickets/"):
		return OpGetTicket, strings.TrimPrefix(p, "/api/tickets/")
	}
	return OpListOptions, ""
}

func (h *halo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := h.path(r)
	switch p {
	case "/api/authinfo":
		h.authInfo(w, r)
		return
	case "/auth/token":
		h.token(w, r)
		return
	}
	if !strings.HasPrefix(p, "/api/") {
		http.NotFound(w, r)
		return
	}
	if !h.signedIn(r) {
		h.fail(w, http.StatusUnauthorized, "Authorization has been denied for this request.")
		return
	}
	p = strings.TrimPrefix(p, "/api/")
	if r.Method == http.MethodPost {
		h.write(w, r, p)
		return
	}
	switch q := r.URL.Query(); {
	case p == "agent/me" && !h.o.NoAgentMe:
		h.answer(w, map[string]any{"id": h.o.SomeoneElse, "name": OurName})
	case p == "users":
		h.users(w, q)
	case p == "client":
		h.clients(w, q)
	case p == "actions":
		h.actions(w, q)
	case p == "tickets":
		h.tickets(w, q)
	case strings.HasPrefix(p, "tickets/"):
		t, ok := h.desk.Ticket(strings.TrimPrefix(p, "tickets/"))
		if !ok {
			h.fail(w, http.StatusNotFound, "Ticket not found.")
			return
		}
		h.answer(w, h.ticket(t, true))
	case p == "outcome" && !h.o.HiddenOutcomes:
		list := []map[string]any{}
		for i, o := range h.o.Outcomes {
			list = append(list, map[string]any{"id": i + 1, "outcome": o})
		}
		h.list(w, "outcomes", list)
	case p == "outcome":
		h.fail(w, http.StatusForbidden, "You do not have permission.")
	default:
		h.values(w, p, q)
	}
}

func (h *halo) authInfo(w http.ResponseWriter, r *http.Request) {
	if h.o.NoAuthInfo {
		http.NotFound(w, r)
		return
	}
	at := h.o.AuthURL
	if at == "" {
		at = "http://" + r.Host + h.o.Prefix + "/auth"
	}
	h.answer(w, map[string]any{"auth_url": at, "tenant_id": h.o.Tenant})
}

func (h *halo) token(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, code string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": "The request was refused."})
	}
	err := r.ParseForm()
	switch f := r.PostForm; {
	case err != nil || r.Method != http.MethodPost || f.Get("grant_type") != "client_credentials":
		refuse(http.StatusBadRequest, "invalid_request")
	case f.Get("client_id") != h.o.ClientID || f.Get("client_secret") != h.o.ClientSecret:
		refuse(http.StatusBadRequest, "invalid_client")
	case h.o.Tenant != "" && r.URL.Query().Get("tenant") != h.o.Tenant:
		refuse(http.StatusBadRequest, "invalid_grant")
	case h.o.Scopes != nil && slices.ContainsFunc(strings.Fields(f.Get("scope")), func(s string) bool { return !slices.Contains(h.o.Scopes, s) }):
		refuse(http.StatusBadRequest, "invalid_scope")
	default:
		tok := rand.Text()
		h.mu.Lock()
		h.tokens[tok] = h.desk.now().Add(h.o.TokenTTL)
		h.mu.Unlock()
		h.answer(w, map[string]any{"access_token": tok, "token_type": "Bearer", "expires_in": int(h.o.TokenTTL.Seconds()), "scope": f.Get("scope")})
	}
}

func (h *halo) signedIn(r *http.Request) bool {
	tok, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	h.mu.Lock()
	defer h.mu.Unlock()
	return ok && h.desk.now().Before(h.tokens[tok])
}

// fail answers in the configured shape.
func (h *halo) fail(w http.ResponseWriter, status int, message string) {
	body := map[int]any{
		0: map[string]any{"ClassName": "System.Exception", "Message": message},
		1: map[string]any{"resultCode": status, "errorMessage": message},
		2: map[string]any{"Message": message},
		3: map[string]any{"error": message},
		4: message, // a JSON string
	}[h.o.Errors]
	if body == nil {
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, message)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (*halo) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// list answers a list of values.
func (h *halo) list(w http.ResponseWriter, name string, list []map[string]any) {
	if h.o.WrappedLists {
		h.answer(w, map[string]any{"record_count": len(list), name: list})
		return
	}
	h.answer(w, list)
}

// saved answers a write.
func (h *halo) saved(w http.ResponseWriter, v any) {
	if h.o.Arrays {
		v = []any{v}
	}
	h.answer(w, v)
}

func (h *halo) date(t time.Time) string {
	t = t.In(h.o.Zone)
	if h.o.ZonedDates {
		return t.Format("2006-01-02T15:04:05.999Z07:00")
	}
	return t.Format("2006-01-02T15:04:05.999")
}

// paging reads the page that is asked for. Without pageinate the size is dropped, and count is the most.
func (h *halo) paging(q url.Values) (number, size int) {
	number, size = 1, h.o.MaxPage
	if q.Get("pageinate") != "true" {
		if n, err := strconv.Atoi(q.Get("count")); err == nil && n > 0 {
			size = n
		}
		return number, size
	}
	if n, err := strconv.Atoi(q.Get("page_no")); err == nil && n > 0 {
		number = n
	}
	if n, err := strconv.Atoi(q.Get("page_size")); err == nil && n > 0 {
		size = min(n, size)
	}
	return number, size
}

func (h *halo) filter(q url.Values) (f filter, number, size int) {
	number, size = h.paging(q)
	f = filter{Offset: (number - 1) * size, Limit: size, Count: true, Company: q.Get("client_id"), Inactive: q.Get("includeinactive") == "true"}
	if s := q.Get("lastupdatefromdate"); s != "" && h.o.ObeySince {
		if t, err := time.ParseInLocation("2006-01-02T15:04:05", s, h.o.Zone); err == nil {
			f.Since = t
		}
	}
	return f, number, size
}
