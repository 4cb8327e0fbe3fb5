package psatest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mspkit/mspkit/psa"
)

// takes reports whether this install takes the characters of the texts.
func (f *connectWise) takes(texts ...string) bool {
	return !slices.ContainsFunc(texts, func(s string) bool {
		return strings.ContainsFunc(s, func(r rune) bool {
			return f.o.TwoByte && r > 0xffff || f.o.OneLine && (r == '\n' || r == '\r')
		})
	})
}

func (f *connectWise) ticket(t psa.Ticket) map[string]any {
	out := map[string]any{
		"id": cwNumber(t.ID), "summary": t.Title, "recordType": "ServiceTicket", "closedFlag": t.Closed,
		"_info": map[string]string{"lastUpdated": cwTime(t.ModifiedAt), "dateEntered": cwTime(t.CreatedAt), "enteredBy": ConnectWiseMember},
	}
	for k, n := range map[string]psa.Named{
		"board": t.Queue, "status": t.Status, "priority": t.Priority, "source": t.Source, "type": t.Type, "subType": t.SubType, "item": t.Category,
		"owner": t.Assignee, "company": t.Company, "contact": t.Contact, "mergedParentTicket": {ID: t.MergedInto},
	} {
		if r := cwRefOf(n); r != nil {
			out[k] = r
		}
	}
	if key := f.desk.ticketKey(t.ID); key != "" {
		out["externalXRef"] = key
	}
	return out
}

func (f *connectWise) findTickets(w http.ResponseWriter, r *http.Request) {
	q, ok := f.query(w, r)
	if !ok {
		return
	}
	key, byKey := q.conditions.get("externalXRef", "=")
	if byKey && f.o.NoKeySearch {
		f.invalid(w, "InvalidCondition", "externalXRef")
		return
	}
	want := q.filter()
	var rows []psa.Ticket
	for _, t := range f.desk.Tickets() {
		if byID(t.ID, want.After) > 0 && (want.Company == "" || t.Company.ID == want.Company) && (!byKey || f.o.IgnoredSearch || f.desk.ticketKey(t.ID) == key.value) {
			rows = append(rows, t)
		}
	}
	rows, more := cwCut(rows[min(want.Offset, len(rows)):], q.size)
	out := make([]map[string]any, len(rows))
	last := ""
	for i := range rows {
		out[i], last = f.ticket(rows[i]), rows[i].ID
	}
	f.link(w, r, q, more, last)
	f.reply(w, http.StatusOK, out)
}

type cwNewTicket struct {
	Summary  string  `json:"summary"`
	Company  *cwRef  `json:"company"`
	Contact  *cwRef  `json:"contact"`
	Board    *cwRef  `json:"board"`
	Status   *cwRef  `json:"status"`
	Priority *cwRef  `json:"priority"`
	Source   *cwRef  `json:"source"`
	Type     *cwRef  `json:"type"`
	SubType  *cwRef  `json:"subType"`
	Item     *cwRef  `json:"item"`
	Owner    *cwRef  `json:"owner"`
	Public   string  `json:"initialDescription"`
	Internal string  `json:"initialInternalAnalysis"`
	Notify   *bool   `json:"processNotifications"`
	Key      *string `json:"externalXRef"`
}

func (f *connectWise) createTicket(w http.ResponseWriter, r *http.Request) {
	var in cwNewTicket
	if json.NewDecoder(r.Body).Decode(&in) != nil {
		f.invalid(w, "InvalidBody", "")
		return
	}
	company, known := f.desk.company(in.Company.named().ID)
	contact, reachable := f.desk.contact(in.Contact.named().ID)
	switch {
	case in.Summary == "":
		f.invalid(w, "MissingRequiredField", "summary")
		return
	case utf8.RuneCountInString(in.Summary) > 100:
		f.invalid(w, "MaxLength", "summary")
		return
	case !known:
		f.invalid(w, "InvalidReference", "company")
		return
	case in.Contact != nil && !reachable:
		f.invalid(w, "InvalidReference", "contact")
		return
	case !f.takes(in.Summary, in.Public, in.Internal):
		f.refuse(w, http.StatusInternalServerError, "InternalError", "", "")
		return
	case in.Notify == nil || *in.Notify && in.Public == "":
		f.invalid(w, "WouldMail", "processNotifications")
		return
	}
	t := psa.Ticket{Title: in.Summary, Company: psa.Named{ID: company.ID}, Contact: psa.Named{ID: contact.ID}}
	parent := func(n psa.Named) string {
		if n.ID == "" {
			return "1"
		}
		return n.ID
	}
	for _, x := range []struct {
		field  psa.Field
		given  *cwRef
		to     *psa.Named
		parent func() string
	}{
		{psa.FieldQueue, in.Board, &t.Queue, func() string { return "" }},
		{psa.FieldType, in.Type, &t.Type, func() string { return parent(t.Queue) }},
		{psa.FieldSubType, in.SubType, &t.SubType, func() string { return t.Type.ID }},
		{psa.FieldCategory, in.Item, &t.Category, func() string { return t.SubType.ID }},
		{psa.FieldStatus, in.Status, &t.Status, func() string { return parent(t.Queue) }},
		{psa.FieldPriority, in.Priority, &t.Priority, func() string { return "" }},
		{psa.FieldSource, in.Source, &t.Source, func() string { return "" }},
		{psa.FieldAssignee, in.Owner, &t.Assignee, func() string { return "" }},
	} {
		if x.given == nil {
			continue
		}
		n := x.given.named()
		if x.given.Identifier != "" {
			n.Name = strings.ReplaceAll(x.given.Identifier, ".", " ")
		}
		o, ok := f.desk.resolve(x.field, x.parent(), n)
		if !ok || n.ID == "" && f.o.NoNames {
			f.invalid(w, "InvalidReference", string(x.field))
			return
		}
		*x.to = o.Named
	}
	key := ""
	if in.Key != nil {
		key = *in.Key
	}
	text, public := in.Internal, false
	if in.Public != "" {
		text, public = in.Public, true
	}
	f.reply(w, http.StatusCreated, f.ticket(f.desk.createTicket(t, key, text, public)))
}

func (f *connectWise) patchTicket(w http.ResponseWriter, r *http.Request, id string) {
	var ops []struct {
		Op    string          `json:"op"`
		Path  string          `json:"path"`
		Value json.RawMessage `json:"value"`
	}
	t, ok := f.desk.Ticket(id)
	switch {
	case !ok:
		f.missing(w)
		return
	case json.NewDecoder(r.Body).Decode(&ops) != nil || len(ops) == 0:
		f.invalid(w, "InvalidPatch", "")
		return
	}
	for _, op := range ops {
		var to cwRef
		switch {
		case op.Op == "replace" && op.Path == "status/id": // the false 200
		case op.Op != "replace" || op.Path != "status" || json.Unmarshal(op.Value, &to) != nil || to == cwRef{}:
			f.invalid(w, "InvalidPatch", "status")
			return
		case t.MergedInto != "":
			f.invalid(w, "TicketMerged", "id")
			return
		default:
			var err error
			if t, err = f.desk.setStatus(id, to.named()); err != nil {
				f.invalid(w, "InvalidReference", "status")
				return
			}
		}
	}
	f.reply(w, http.StatusOK, f.ticket(t))
}

func (f *connectWise) addNote(w http.ResponseWriter, r *http.Request, id string) {
	var in struct {
		Text       string `json:"text"`
		Internal   bool   `json:"internalAnalysisFlag"`
		Discussion bool   `json:"detailDescriptionFlag"`
		Resolution bool   `json:"resolutionFlag"`
		Notify     *bool  `json:"processNotifications"`
	}
	err := json.NewDecoder(r.Body).Decode(&in)
	t, ok := f.desk.Ticket(id)
	public := in.Discussion || in.Resolution
	switch {
	case !ok:
		f.missing(w)
		return
	case err != nil || in.Text == "":
		f.invalid(w, "MissingRequiredField", "text")
		return
	case !in.Internal && !public:
		f.invalid(w, "MissingRequiredField", "internalAnalysisFlag")
		return
	case t.Closed && !f.o.OpenNotes:
		f.invalid(w, "TicketClosed", "ticketId")
		return
	case f.o.MaxNote > 0 && len(in.Text) > f.o.MaxNote:
		f.invalid(w, "MaxLength", "text")
		return
	case !f.takes(in.Text):
		f.refuse(w, http.StatusInternalServerError, "InternalError", "", "")
		return
	}
	n, err := f.desk.addNote(Note{
		Ticket: id, AuthorID: OurID, Author: OurName, Text: in.Text, Public: public, Mailed: public && (in.Notify == nil || *in.Notify),
	})
	if err != nil {
		f.missing(w)
		return
	}
	row := f.note(t, n)
	row["ticketId"], row["dateCreated"] = cwNumber(id), cwTime(n.At)
	f.reply(w, http.StatusCreated, row)
}

// note is a row of allNotes.
func (f *connectWise) note(t psa.Ticket, n Note) map[string]any {
	who := ConnectWiseMember
	if n.AuthorID != OurID {
		who = "member" + strconv.Itoa(n.AuthorID)
	}
	info := map[string]string{"lastUpdated": cwTime(n.At), "dateEntered": cwTime(n.At)}
	out := map[string]any{
		"id": cwNumber(n.ID), "noteType": "TicketNote", "text": n.Text, "detailDescriptionFlag": n.Public, "internalAnalysisFlag": !n.Public,
		"resolutionFlag": false, "_info": info,
	}
	switch {
	case n.AuthorID == 0: // a contact, whatever the name
		out["contact"] = cwRef{ID: cwNumber(t.Contact.ID), Name: n.Author}
		out["createdBy"], info["enteredBy"] = n.Author, n.Author
	case f.o.Author == ConnectWiseByMember:
		out["member"] = cwRef{ID: n.AuthorID, Identifier: who, Name: n.Author}
	case f.o.Author == ConnectWiseByCreatedBy:
		out["createdBy"] = who
	default:
		info["enteredBy"] = who
	}
	return out
}

func (f *connectWise) allNotes(w http.ResponseWriter, r *http.Request, id string) {
	q, ok := f.query(w, r)
	if !ok {
		return
	}
	t, ok := f.desk.Ticket(id)
	if !ok {
		f.missing(w)
		return
	}
	notes := f.desk.Notes(id)
	rows := make([]map[string]any, 0, len(notes))
	for _, n := range notes {
		rows = append(rows, f.note(t, n))
	}
	for _, e := range f.desk.Times() {
		if e.Ticket == id {
			row := f.note(t, Note{ID: e.ID, Ticket: id, AuthorID: OurID, Author: OurName, Text: e.Text, Public: e.Visibility == psa.Public, At: e.Start})
			row["noteType"], row["timeStart"] = "TimeEntryNote", cwTime(e.Start)
			rows = append(rows, row)
		}
	}
	rows, more := cwCut(rows[min((q.page-1)*q.size, len(rows)):], q.size)
	f.link(w, r, q, more, "")
	f.reply(w, http.StatusOK, rows)
}

func (f *connectWise) contactNote(w http.ResponseWriter, r *http.Request, id string) {
	var in struct {
		Text string `json:"text"`
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.Text == "" {
		f.invalid(w, "MissingRequiredField", "text")
		return
	}
	n, err := f.desk.addContactNote(id, in.Text)
	if err != nil {
		f.missing(w)
		return
	}
	f.reply(w, http.StatusCreated, map[string]any{"id": cwNumber(n.ID), "contactId": cwNumber(id), "text": n.Text, "enteredBy": ConnectWiseMember})
}

func (f *connectWise) logTime(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Ticket   int    `json:"chargeToId"`
		Kind     string `json:"chargeToType"`
		Member   *cwRef `json:"member"`
		Start    string `json:"timeStart"`
		End      string `json:"timeEnd"`
		Billable string `json:"billableOption"`
		Notes    string `json:"notes"`
		Public   bool   `json:"addToDetailDescriptionFlag"`
		Internal bool   `json:"addToInternalAnalysisFlag"`
		Mail     bool   `json:"emailContactFlag"`
	}
	err := json.NewDecoder(r.Body).Decode(&in)
	start, early := time.Parse(cwInstant, in.Start)
	end, late := time.Parse(cwInstant, in.End)
	kind := "ServiceTicket"
	if f.o.Project != nil && f.o.Project(strconv.Itoa(in.Ticket)) {
		kind = "ProjectTicket"
	}
	switch {
	case err != nil || in.Kind != kind:
		f.invalid(w, "InvalidBody", "chargeToType")
		return
	case early != nil || late != nil || end.Before(start):
		f.invalid(w, "MissingRequiredField", "timeStart")
		return
	}
	e := psa.TimeEntry{Start: start, End: end, Text: in.Notes, Billable: in.Billable == "Billable"}
	if in.Public || !in.Internal {
		e.Visibility = psa.Public
	}
	if in.Member != nil {
		if e.Technician = in.Member.Identifier; e.Technician == "" {
			e.Technician = in.Member.named().ID
		}
	}
	out, err := f.desk.logTime(strconv.Itoa(in.Ticket), e)
	if err != nil {
		f.invalid(w, "InvalidReference", "chargeToId")
		return
	}
	f.reply(w, http.StatusCreated, map[string]any{"id": cwNumber(out.ID)})
}

func (f *connectWise) companies(w http.ResponseWriter, r *http.Request) {
	q, ok := f.query(w, r)
	if !ok {
		return
	}
	// Without the deleted ones there are still those with the status "Inactive".
	want := q.filter()
	want.Inactive = true
	rows, _ := f.desk.companyPage(want)
	rows, more := cwCut(rows, q.size)
	out := make([]map[string]any, len(rows))
	last := ""
	for i, c := range rows {
		status := cwRef{ID: 1, Name: "Active"}
		if !c.Active {
			status = cwRef{ID: 2, Name: "Inactive"}
		}
		out[i] = map[string]any{
			"id": cwNumber(c.ID), "identifier": c.Key, "name": c.Name, "status": status, "deletedFlag": false,
			"_info": map[string]string{"lastUpdated": cwTime(c.ModifiedAt)},
		}
		if len(c.Domains) > 0 {
			out[i]["website"] = "https://www." + c.Domains[0] + "/"
		}
		last = c.ID
	}
	f.link(w, r, q, more, last)
	f.reply(w, http.StatusOK, out)
}

// values lists what fields may have, and one board.
func (f *connectWise) values(w http.ResponseWriter, r *http.Request, p []string) {
	path := strings.Join(p, "/")
	if r.Method != http.MethodGet {
		f.lost(w)
		return
	}
	var rows []map[string]any
	add := func(field psa.Field, parent string, more func(psa.Option) map[string]any) {
		for _, o := range f.desk.Options(field, parent) {
			row := map[string]any{"id": cwNumber(o.ID), "name": o.Name, "inactiveFlag": o.Inactive}
			if more != nil {
				maps.Copy(row, more(o))
			}
			rows = append(rows, row)
		}
	}
	switch {
	case path == "service/boards":
		add(psa.FieldQueue, "", nil)
	case path == "service/priorities":
		add(psa.FieldPriority, "", nil)
	case path == "service/sources":
		add(psa.FieldSource, "", nil)
	case path == "system/members":
		add(psa.FieldAssignee, "", func(o psa.Option) map[string]any {
			first, last, _ := strings.Cut(o.Name, " ")
			return map[string]any{"identifier": strings.ReplaceAll(strings.ToLower(o.Name), " ", "."), "firstName": first, "lastName": last}
		})
	case len(p) >= 3 && p[0] == "service" && p[1] == "boards":
		i := slices.IndexFunc(f.desk.Options(psa.FieldQueue, ""), func(o psa.Option) bool { return o.ID == p[2] })
		switch {
		case i < 0:
			f.missing(w)
			return
		case len(p) == 3:
			f.reply(w, http.StatusOK, map[string]any{"id": cwNumber(p[2]), "closedLoopInternalAnalysisFlag": f.o.ClosedLoop})
			return
		}
		if !f.boardValues(add, p[2], p[3]) {
			f.lost(w)
			return
		}
	default:
		f.lost(w)
		return
	}
	q, ok := f.query(w, r)
	if !ok {
		return
	}
	slices.SortFunc(rows, func(a, b map[string]any) int { return byID(fmt.Sprint(a["id"]), fmt.Sprint(b["id"])) })
	want := q.filter()
	rows = slices.DeleteFunc(rows, func(v map[string]any) bool { return byID(fmt.Sprint(v["id"]), want.After) <= 0 })
	rows, more := cwCut(rows[min(want.Offset, len(rows)):], q.size)
	last := ""
	if len(rows) > 0 {
		last = fmt.Sprint(rows[len(rows)-1]["id"])
	}
	f.link(w, r, q, more, last)
	if rows == nil {
		rows = []map[string]any{}
	}
	f.reply(w, http.StatusOK, rows)
}

func (f *connectWise) boardValues(add func(psa.Field, string, func(psa.Option) map[string]any), board, list string) bool {
	switch list {
	case "statuses":
		add(psa.FieldStatus, board, func(o psa.Option) map[string]any {
			return map[string]any{"closedStatus": o.Closed, "inactive": o.Inactive}
		})
	case "types":
		add(psa.FieldType, board, nil)
	case "subtypes":
		for _, t := range f.desk.Options(psa.FieldType, board) {
			add(psa.FieldSubType, t.ID, func(psa.Option) map[string]any {
				return map[string]any{"typeAssociationIds": []int{cwNumber(t.ID)}}
			})
		}
	case "items":
		for _, t := range f.desk.Options(psa.FieldType, board) {
			for _, s := range f.desk.Options(psa.FieldSubType, t.ID) {
				add(psa.FieldCategory, s.ID, nil)
			}
		}
	default:
		return false
	}
	return true
}
