package psatest

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit/psa"
)

// What the fake ConnectWise PSA has where its options do not say otherwise.
const (
	ConnectWiseCompany    = "northwind"
	ConnectWisePublicKey  = "public-key-of-the-fake"
	ConnectWisePrivateKey = "private-key-of-the-fake"
	ConnectWiseClientID   = "6f1d8f0e-9d1b-4f0e-8a43-5a5b1c0ffee0"
	ConnectWiseMember     = "mspkit"
	ConnectWiseCodebase   = "v2025_1/"
	ConnectWiseSigningKey = "signing-key-of-the-fake"
)

// ConnectWiseAuthor is where a note says who wrote it.
type ConnectWiseAuthor int

// The places, of which the vendor does not say which are filled.
const (
	ConnectWiseByMember ConnectWiseAuthor = iota
	ConnectWiseByCreatedBy
	ConnectWiseByInfo
)

// ConnectWiseOptions says how the fake behaves where ConnectWise's behaviour is not certain or changes with the install.
// nil and the zero value are how it is thought to be.
type ConnectWiseOptions struct {
	// Codebase is asked for each request, so that an upgrade can happen. nil is [ConnectWiseCodebase].
	Codebase func() string
	// SigningKey is asked for when a client asks for it. nil is [ConnectWiseSigningKey].
	SigningKey func() string
	// HiddenAuth answers wrong credentials with 404.
	HiddenAuth bool
	// NoKeySearch refuses to search tickets by externalXRef; IgnoredSearch ignores that condition.
	NoKeySearch, IgnoredSearch bool
	// NoNames refuses references by name.
	NoNames bool
	// OpenNotes takes notes on closed tickets.
	OpenNotes bool
	// TwoByte refuses characters beyond U+FFFF.
	TwoByte bool
	// OneLine refuses line breaks.
	OneLine bool
	// MaxNote is the longest note in bytes; 0 is any.
	MaxNote int
	// Project says which tickets are project tickets: those have another path. nil is none.
	Project func(id string) bool
	// NoLink leaves the header Link out, as a proxy might.
	NoLink bool
	// KeyNeedsAuth gives the signing key only to who signs in.
	KeyNeedsAuth bool
	// Author is where notes say who wrote them.
	Author ConnectWiseAuthor
	// ClosedLoop is a board setting: internal analysis is mailed on.
	ClosedLoop bool
}

// NewConnectWise puts the wire format of ConnectWise PSA in front of desk: companyinfo and codebase, Basic authentication
// with the client id, conditions, both kinds of paging, JSON-Patch, errors, callbacks. Credentials are the constants above.
// Close the server in the end.
//
// Its quirks are the vendor's:
//
//   - An unknown company id is answered with null, and a wrong codebase with a page of HTML and 404.
//   - A page has 25 rows unless it is asked for more, at most 1000. Pages by number drift when something before them goes.
//   - With "pagination-type: forward-only" a page by number and an order are refused, and Link is always there.
//   - Times in conditions must not have fractions.
//   - A note needs one of the three flags, and a public one without processNotifications false mails the contact.
//   - A patch of "status/id" is answered with 200 and changes nothing.
//   - A title has 100 characters at most.
func NewConnectWise(desk *Desk, o *ConnectWiseOptions) (*Server, error) {
	f := &connectWise{desk: desk, callbacks: map[string]map[string]any{}}
	if o != nil {
		f.o = *o
	}
	if f.o.Codebase == nil {
		f.o.Codebase = func() string { return ConnectWiseCodebase }
	}
	if f.o.SigningKey == nil {
		f.o.SigningKey = func() string { return ConnectWiseSigningKey }
	}
	return listen(desk, f, f.name)
}

type connectWise struct {
	desk      *Desk
	o         ConnectWiseOptions
	mu        sync.Mutex
	callbacks map[string]map[string]any
}

// route returns the parts of the path behind apis/3.0, or nil where that is not there.
func (f *connectWise) route(r *http.Request, codebase string) []string {
	rest, ok := strings.CutPrefix(r.URL.Path, "/"+codebase+"apis/3.0/")
	if !ok {
		return nil
	}
	return strings.Split(rest, "/")
}

// name says what a request is about, whatever its codebase.
func (f *connectWise) name(r *http.Request) (op, id string) {
	_, rest, ok := strings.Cut(r.URL.Path, "/apis/3.0/")
	p := strings.Split(rest, "/")
	if !ok || len(p) < 2 {
		return OpPing, ""
	}
	if len(p) > 2 {
		id = p[2]
	}
	last := p[len(p)-1]
	switch p[1] {
	case "tickets":
		switch {
		case last == "notes":
			return OpAddNote, id
		case last == "allNotes":
			return OpListNotes, id
		case r.Method == http.MethodPatch:
			return OpSetStatus, id
		case last == "search", r.Method == http.MethodGet && len(p) == 2:
			return OpFindTicket, ""
		case r.Method == http.MethodPost:
			return OpCreateTicket, ""
		}
		return OpGetTicket, id
	case "contacts":
		switch {
		case last == "notes":
			return OpContactNote, id
		case last == "search", r.URL.Query().Has("childConditions"):
			return OpFindContacts, ""
		}
		return OpListContacts, ""
	case "companies":
		return OpListCompanies, ""
	case "entries":
		return OpLogTime, ""
	case "callbacks":
		return "callback", id
	}
	return OpListOptions, id
}

func (f *connectWise) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if company, ok := strings.CutPrefix(r.URL.Path, "/login/companyinfo/"); ok {
		if company != ConnectWiseCompany {
			f.reply(w, http.StatusOK, nil)
			return
		}
		f.reply(w, http.StatusOK, map[string]any{
			"CompanyName": "Northwind", "Codebase": f.o.Codebase(), "VersionCode": "v2025.1", "VersionNumber": "v2025.1.12345", "CompanyID": company, "IsCloud": "True",
		})
		return
	}
	if r.URL.Path == "/keys/current" {
		if f.o.KeyNeedsAuth && !f.known(r) {
			f.refuse(w, http.StatusUnauthorized, "Unauthorized", "", "")
			return
		}
		f.reply(w, http.StatusOK, map[string]any{"signing_key": f.o.SigningKey()})
		return
	}
	p := f.route(r, f.o.Codebase())
	switch {
	case len(p) < 2:
		f.lost(w)
	case !f.known(r) && f.o.HiddenAuth:
		f.lost(w)
	case !f.known(r):
		f.refuse(w, http.StatusUnauthorized, "ConnectWiseApi", "UserNotAuthenticated", "")
	default:
		f.serve(w, r, p)
	}
}

func (f *connectWise) known(r *http.Request) bool {
	user, password, _ := r.BasicAuth()
	same := func(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
	return same(user, ConnectWiseCompany+"+"+ConnectWisePublicKey) && same(password, ConnectWisePrivateKey) && same(r.Header.Get("clientId"), ConnectWiseClientID)
}

// lost is what a web server answers that knows no such path.
func (f *connectWise) lost(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte("<html><title>404 - File or directory not found.</title></html>"))
}

func (f *connectWise) reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // where that fails nobody listens
}

func (f *connectWise) refuse(w http.ResponseWriter, status int, code, detail, field string) {
	body := map[string]any{"code": code, "message": "The request is refused: " + code, "errors": nil}
	if detail != "" {
		body["errors"] = []map[string]string{{"code": detail, "message": "Because of " + detail, "resource": "record", "field": field}}
	}
	f.reply(w, status, body)
}

func (f *connectWise) invalid(w http.ResponseWriter, detail, field string) {
	f.refuse(w, http.StatusBadRequest, "InvalidObject", detail, field)
}

func (f *connectWise) missing(w http.ResponseWriter) {
	f.refuse(w, http.StatusNotFound, "NotFound", "", "")
}

// serve answers a request of somebody who is known.
func (f *connectWise) serve(w http.ResponseWriter, r *http.Request, p []string) {
	if r.Method == http.MethodPut {
		f.refuse(w, http.StatusInternalServerError, "PutClearsEverything", "", "")
		return
	}
	if p[1] == "tickets" && len(p) > 2 && p[2] != "search" {
		project := f.o.Project != nil && f.o.Project(p[2])
		if project != (p[0] == "project") {
			f.missing(w)
			return
		}
		p[0] = "service"
	}
	pattern := r.Method + " " + strings.Join(p, "/")
	if len(p) > 2 && p[2] != "search" {
		pattern = r.Method + " " + strings.Join(append([]string{p[0], p[1], "*"}, p[3:]...), "/")
	}
	switch pattern {
	case "GET company/contacts", "POST company/contacts/search":
		f.contacts(w, r)
	case "POST company/contacts/*/notes":
		f.contactNote(w, r, p[2])
	case "GET company/companies", "POST company/companies/search":
		f.companies(w, r)
	case "GET service/tickets", "POST service/tickets/search":
		f.findTickets(w, r)
	case "POST service/tickets":
		f.createTicket(w, r)
	case "GET service/tickets/*":
		if t, ok := f.desk.Ticket(p[2]); ok {
			f.reply(w, http.StatusOK, f.ticket(t))
			return
		}
		f.missing(w)
	case "PATCH service/tickets/*":
		f.patchTicket(w, r, p[2])
	case "POST service/tickets/*/notes":
		f.addNote(w, r, p[2])
	case "GET service/tickets/*/allNotes":
		f.allNotes(w, r, p[2])
	case "POST time/entries":
		f.logTime(w, r)
	case "POST system/callbacks":
		f.addCallback(w, r)
	case "GET system/callbacks/*":
		f.mu.Lock()
		c := f.callbacks[p[2]]
		f.mu.Unlock()
		if c == nil {
			f.missing(w)
			return
		}
		f.reply(w, http.StatusOK, c)
	default:
		f.values(w, r, p)
	}
}

type cwRef struct {
	ID         int    `json:"id,omitempty"`
	Identifier string `json:"identifier,omitempty"`
	Name       string `json:"name,omitempty"`
}

func cwRefOf(n psa.Named) *cwRef {
	if n.IsZero() {
		return nil
	}
	return &cwRef{ID: cwNumber(n.ID), Name: n.Name}
}

func (r *cwRef) named() psa.Named {
	if r == nil {
		return psa.Named{}
	}
	out := psa.Named{Name: r.Name}
	if r.ID != 0 {
		out.ID = strconv.Itoa(r.ID)
	}
	return out
}

func cwNumber(id string) int {
	n, err := strconv.Atoi(id)
	if err != nil {
		return 0
	}
	return n
}

func cwTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

type cwItem struct {
	ID      int    `json:"id"`
	Type    cwRef  `json:"type"`
	Value   string `json:"value"`
	Default bool   `json:"defaultFlag"`
	Kind    string `json:"communicationType"`
}

type cwContact struct {
	ID           int               `json:"id"`
	FirstName    string            `json:"firstName"`
	LastName     string            `json:"lastName,omitempty"`
	Title        string            `json:"title,omitempty"`
	Inactive     bool              `json:"inactiveFlag"`
	Company      *cwRef            `json:"company,omitempty"`
	DefaultType  string            `json:"defaultPhoneType,omitempty"`
	DefaultPhone string            `json:"defaultPhoneNbr,omitempty"`
	Items        []cwItem          `json:"communicationItems,omitempty"`
	Info         map[string]string `json:"_info"`
}

func cwContactOf(c *psa.Contact) cwContact {
	out := cwContact{
		ID: cwNumber(c.ID), FirstName: c.FirstName, LastName: c.LastName, Title: c.Title, Inactive: !c.Active, Company: cwRefOf(c.Company),
		Info: map[string]string{"lastUpdated": cwTime(c.ModifiedAt), "updatedBy": "Admin"},
	}
	for i, e := range c.Emails {
		out.Items = append(out.Items, cwItem{ID: 10*out.ID + i, Type: cwRef{ID: 1, Name: "Email"}, Value: e, Default: i == 0, Kind: "Email"})
	}
	for i, p := range c.Phones {
		kind := cwRef{ID: 2, Name: "Direct"}
		if p.Kind == "mobile" {
			kind = cwRef{ID: 4, Name: "Cell"}
		}
		if i == 0 {
			out.DefaultType, out.DefaultPhone = kind.Name, p.Raw
		}
		out.Items = append(out.Items, cwItem{ID: 10*out.ID + 5 + i, Type: kind, Value: p.Raw, Default: i == 0, Kind: "Phone"})
	}
	return out
}

func (f *connectWise) contacts(w http.ResponseWriter, r *http.Request) {
	q, ok := f.query(w, r)
	if !ok {
		return
	}
	want := q.filter()
	var rows []psa.Contact
	if len(q.child) == 0 {
		rows, _ = f.desk.contactPage(want)
	} else {
		skip := want.Offset
		rows = f.desk.findContacts(want.Limit, func(c *psa.Contact) bool {
			if byID(c.ID, want.After) <= 0 || !q.child.matchesItem(cwContactOf(c).Items) {
				return false
			}
			skip--
			return skip < 0
		})
	}
	rows, more := cwCut(rows, q.size)
	out := make([]cwContact, len(rows))
	last := ""
	for i := range rows {
		out[i], last = cwContactOf(&rows[i]), rows[i].ID
	}
	f.link(w, r, q, more, last)
	f.reply(w, http.StatusOK, out)
}

// cwCut makes a page of what was read with one row more than a page has.
func cwCut[T any](rows []T, size int) (page []T, more bool) {
	if len(rows) > size {
		return rows[:size], true
	}
	return rows, false
}
