package psatest

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/mspkit/mspkit/psa"
)

// The limits of the homegrown system.
const (
	// HomegrownNoteLimit is how long a note may be, in bytes.
	HomegrownNoteLimit = 4000
	// HomegrownPage is the most contacts or companies of a page.
	HomegrownPage = 200
)

// NewHomegrown puts a ticket system in front of desk of the kind that people write for themselves: plain JSON under
// /v1, with "Authorization: Bearer" and [Server.Key]. Close the server in the end.
//
//	GET  /v1/ping                              {"ok":true,"version":"4.2"}
//	GET  /v1/tickets/{id}                      {"ok":true,"ticket":{…}}
//	POST /v1/tickets                           {"title","text","public","company","contact","key","queue":{"id","name"},…}
//	POST /v1/tickets/{id}/status               {"id","name"}
//	GET  /v1/tickets/{id}/notes?since=         {"ok":true,"notes":[…]}
//	POST /v1/tickets/{id}/notes                {"title","text","public"} → {"ok":true,"id":"10001"}
//	POST /v1/tickets/{id}/time                 {"start","end","text","public","billable"}
//	POST /v1/contacts/{id}/notes               {"text"}
//	GET  /v1/contacts?after=&limit=&company=&since=&inactive=1&email=&phone=
//	GET  /v1/companies?after=&limit=&inactive=1
//	GET  /v1/options/{field}?parent=           {"ok":true,"options":[…]}
//
// Its quirks are those of such systems:
//
//   - What it refuses it answers with 200 and {"ok":false,"error":"…"}: no_such_ticket, ticket_closed (with merged_into),
//     no_such_contact, bad_value (with field), bad_characters, too_long, bad_cursor, no_such_field. Only a wrong key is a 401.
//   - A ticket for a company that does not exist is a 500 with {"ok":false,"error":"validation"}, because the database
//     said no.
//   - Its database keeps three bytes per character: texts with an emoji are refused as bad_characters.
//   - A closed ticket takes no notes and no time.
//   - A note has no title: it goes in front of the text.
//   - A search by phone finds every number in which the digits occur, and one by e-mail takes % and _ as wildcards.
//   - The same key of a ticket of the same company gives the same ticket.
func NewHomegrown(desk *Desk) (*Server, error) {
	h := &homegrown{desk: desk, key: rand.Text(), mux: http.NewServeMux(), ops: map[string]string{}}
	for _, r := range []struct {
		pattern, op string
		answer      func(*http.Request) any
	}{
		{"GET /v1/ping", OpPing, h.ping},
		{"GET /v1/tickets/{id}", OpGetTicket, h.getTicket},
		{"POST /v1/tickets", OpCreateTicket, h.createTicket},
		{"POST /v1/tickets/{id}/status", OpSetStatus, h.setStatus},
		{"GET /v1/tickets/{id}/notes", OpListNotes, h.listNotes},
		{"POST /v1/tickets/{id}/notes", OpAddNote, h.addNote},
		{"POST /v1/tickets/{id}/time", OpLogTime, h.logTime},
		{"POST /v1/contacts/{id}/notes", OpContactNote, h.contactNote},
		{"GET /v1/contacts", OpListContacts, h.contacts},
		{"GET /v1/companies", OpListCompanies, h.companies},
		{"GET /v1/options/{field}", OpListOptions, h.options},
	} {
		h.ops[r.pattern] = r.op
		h.mux.HandleFunc(r.pattern, func(w http.ResponseWriter, req *http.Request) { reply(w, r.answer(req)) })
	}
	s, err := listen(desk, h, h.name)
	if err != nil {
		return nil, err
	}
	s.Key = h.key
	return s, nil
}

type homegrown struct {
	desk *Desk
	key  string
	mux  *http.ServeMux
	ops  map[string]string // by pattern
}

func (h *homegrown) name(r *http.Request) (op, id string) {
	_, pattern := h.mux.Handler(r)
	if op = h.ops[pattern]; op == OpListContacts && (r.URL.Query().Has("email") || r.URL.Query().Has("phone")) {
		op = OpFindContacts
	}
	if parts := strings.Split(r.URL.Path, "/"); len(parts) > 3 {
		id = parts[3]
	}
	return op, id
}

func (h *homegrown) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if subtle.ConstantTimeCompare([]byte(key), []byte(h.key)) != 1 {
		w.WriteHeader(http.StatusUnauthorized)
		reply(w, refusal{Code: "bad_key"})
		return
	}
	h.mux.ServeHTTP(w, r)
}

// refusal is what it says instead of doing something.
type refusal struct {
	OK         bool   `json:"ok"`
	Code       string `json:"error"`
	Field      string `json:"field,omitempty"`
	MergedInto string `json:"merged_into,omitempty"`
	status     int
}

type answer map[string]any

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	switch v := v.(type) {
	case answer:
		v["ok"] = true
	case refusal:
		if v.status != 0 {
			w.WriteHeader(v.status)
		}
	}
	_ = json.NewEncoder(w).Encode(v) // where that fails nobody listens
}

func read[T any](r *http.Request) (v T, ok bool) {
	return v, json.NewDecoder(r.Body).Decode(&v) == nil
}

// threeBytes reports whether the database can keep the texts.
func threeBytes(texts ...string) bool {
	for _, s := range texts {
		if strings.ContainsFunc(s, func(r rune) bool { return r > 0xffff }) {
			return false
		}
	}
	return true
}

func (h *homegrown) ping(*http.Request) any { return answer{"version": "4.2", "user": OurName} }

// homegrownTicket is a ticket as it is on the wire.
type homegrownTicket struct {
	ID         string    `json:"id"`
	Title      string    `json:"title"`
	Company    psa.Named `json:"company"`
	Contact    psa.Named `json:"contact"`
	Queue      psa.Named `json:"queue"`
	Status     psa.Named `json:"status"`
	Priority   psa.Named `json:"priority"`
	Source     psa.Named `json:"source"`
	Type       psa.Named `json:"type"`
	SubType    psa.Named `json:"subtype"`
	Category   psa.Named `json:"category"`
	Assignee   psa.Named `json:"assignee"`
	Closed     bool      `json:"closed"`
	MergedInto string    `json:"merged_into,omitempty"`
	Created    time.Time `json:"created"`
	Modified   time.Time `json:"modified"`
}

func onWire(t psa.Ticket) homegrownTicket {
	return homegrownTicket{
		t.ID, t.Title, t.Company, t.Contact, t.Queue, t.Status, t.Priority, t.Source, t.Type, t.SubType, t.Category, t.Assignee,
		t.Closed, t.MergedInto, t.CreatedAt.UTC(), t.ModifiedAt.UTC(),
	}
}

func (h *homegrown) getTicket(r *http.Request) any {
	t, ok := h.desk.Ticket(r.PathValue("id"))
	if !ok {
		return refusal{Code: "no_such_ticket"}
	}
	return answer{"ticket": onWire(t)}
}

func (h *homegrown) createTicket(r *http.Request) any {
	in, ok := read[struct {
		Title    string    `json:"title"`
		Text     string    `json:"text"`
		Public   bool      `json:"public"`
		Company  string    `json:"company"`
		Contact  string    `json:"contact"`
		Key      string    `json:"key"`
		Queue    psa.Named `json:"queue"`
		Status   psa.Named `json:"status"`
		Priority psa.Named `json:"priority"`
		Source   psa.Named `json:"source"`
		Type     psa.Named `json:"type"`
		SubType  psa.Named `json:"subtype"`
		Category psa.Named `json:"category"`
		Assignee psa.Named `json:"assignee"`
	}](r)
	switch {
	case !ok || in.Title == "":
		return refusal{Code: "bad_value", Field: "title"}
	case !threeBytes(in.Title, in.Text):
		return refusal{Code: "bad_characters"}
	}
	if t, ok := h.desk.ticketByKey(in.Company, in.Key); ok {
		return answer{"ticket": onWire(t)}
	}
	if _, ok := h.desk.company(in.Company); !ok {
		return refusal{Code: "validation", Field: "company", status: http.StatusInternalServerError}
	}
	if _, ok := h.desk.contact(in.Contact); !ok && in.Contact != "" {
		return refusal{Code: "bad_value", Field: "contact"}
	}
	d := psa.Defaults{
		Queue: in.Queue, Status: in.Status, Priority: in.Priority, Source: in.Source,
		Type: in.Type, SubType: in.SubType, Category: in.Category, Assignee: in.Assignee,
	}
	for _, f := range psa.Fields {
		if d.Get(f).IsZero() {
			continue
		}
		o, ok := h.desk.resolve(f, parentOf(f, d), d.Get(f))
		if !ok {
			return refusal{Code: "bad_value", Field: string(f)}
		}
		d.Set(f, o.Named)
	}
	return answer{"ticket": onWire(h.desk.createTicket(psa.Ticket{
		Title: in.Title, Company: psa.Named{ID: in.Company}, Contact: psa.Named{ID: in.Contact},
		Queue: d.Queue, Status: d.Status, Priority: d.Priority, Source: d.Source, Type: d.Type, SubType: d.SubType, Category: d.Category, Assignee: d.Assignee,
	}, in.Key, in.Text, in.Public))}
}

// parentOf is the id of the value below which those of a field are, given the others.
func parentOf(f psa.Field, d psa.Defaults) string {
	switch f {
	case psa.FieldStatus, psa.FieldType:
		if d.Queue.ID == "" {
			return "1" // the queue that tickets get which name none
		}
		return d.Queue.ID
	case psa.FieldSubType:
		return d.Type.ID
	case psa.FieldCategory:
		return d.SubType.ID
	default:
		return ""
	}
}

func (h *homegrown) setStatus(r *http.Request) any {
	in, ok := read[psa.Named](r)
	if _, known := h.desk.Ticket(r.PathValue("id")); !known {
		return refusal{Code: "no_such_ticket"}
	}
	if !ok {
		return refusal{Code: "bad_value", Field: "status"}
	}
	t, err := h.desk.setStatus(r.PathValue("id"), in)
	if err != nil {
		return refusal{Code: "bad_value", Field: "status"}
	}
	return answer{"ticket": onWire(t)}
}

func (h *homegrown) listNotes(r *http.Request) any {
	if _, ok := h.desk.Ticket(r.PathValue("id")); !ok {
		return refusal{Code: "no_such_ticket"}
	}
	since, err := when(r, "since")
	if err != nil {
		return refusal{Code: "bad_value", Field: "since"}
	}
	type wire struct {
		ID       string    `json:"id"`
		AuthorID int       `json:"author_id"`
		Author   string    `json:"author"`
		Text     string    `json:"text"`
		Public   bool      `json:"public"`
		Created  time.Time `json:"created"`
	}
	list := []wire{}
	for _, n := range h.desk.Notes(r.PathValue("id")) {
		if !n.At.Before(since) {
			list = append(list, wire{n.ID, n.AuthorID, n.Author, n.Text, n.Public, n.At.UTC()})
		}
	}
	return answer{"notes": list, "me": OurID}
}

func when(r *http.Request, name string) (time.Time, error) {
	if v := r.URL.Query().Get(name); v != "" {
		return time.Parse(time.RFC3339, v)
	}
	return time.Time{}, nil
}

// open returns the ticket of a request, or why it takes nothing.
func (h *homegrown) open(r *http.Request) (psa.Ticket, *refusal) {
	t, ok := h.desk.Ticket(r.PathValue("id"))
	switch {
	case !ok:
		return t, &refusal{Code: "no_such_ticket"}
	case t.Closed:
		return t, &refusal{Code: "ticket_closed", MergedInto: t.MergedInto}
	}
	return t, nil
}

func (h *homegrown) addNote(r *http.Request) any {
	in, ok := read[struct {
		Title  string `json:"title"`
		Text   string `json:"text"`
		Public bool   `json:"public"`
	}](r)
	text := in.Text
	if in.Title != "" {
		text = in.Title + "\n\n" + text
	}
	t, no := h.open(r)
	switch {
	case no != nil:
		return *no
	case !ok || text == "":
		return refusal{Code: "bad_value", Field: "text"}
	case len(text) > HomegrownNoteLimit:
		return refusal{Code: "too_long"}
	case !threeBytes(text):
		return refusal{Code: "bad_characters"}
	}
	n, err := h.desk.addNote(Note{Ticket: t.ID, AuthorID: OurID, Author: OurName, Text: text, Public: in.Public})
	if err != nil {
		return refusal{Code: "no_such_ticket"}
	}
	return answer{"id": n.ID}
}

func (h *homegrown) logTime(r *http.Request) any {
	in, ok := read[struct {
		Start, End       time.Time
		Text             string
		Public, Billable bool
	}](r)
	t, no := h.open(r)
	switch {
	case no != nil:
		return *no
	case !ok || !in.End.After(in.Start):
		return refusal{Code: "bad_value", Field: "end"}
	case !threeBytes(in.Text):
		return refusal{Code: "bad_characters"}
	}
	v := psa.Internal
	if in.Public {
		v = psa.Public
	}
	e, err := h.desk.logTime(t.ID, psa.TimeEntry{Start: in.Start, End: in.End, Text: in.Text, Visibility: v, Billable: in.Billable})
	if err != nil {
		return refusal{Code: "no_such_ticket"}
	}
	return answer{"id": e.ID}
}

func (h *homegrown) contactNote(r *http.Request) any {
	in, ok := read[struct {
		Text string `json:"text"`
	}](r)
	switch {
	case !ok || in.Text == "":
		return refusal{Code: "bad_value", Field: "text"}
	case !threeBytes(in.Text):
		return refusal{Code: "bad_characters"}
	}
	n, err := h.desk.addContactNote(r.PathValue("id"), in.Text)
	if err != nil {
		return refusal{Code: "no_such_contact"}
	}
	return answer{"id": n.ID}
}
