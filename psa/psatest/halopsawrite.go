package psatest

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit/psa"
)

// write takes an array, as all writes of HaloPSA are.
func (h *halo) write(w http.ResponseWriter, r *http.Request, p string) {
	d := json.NewDecoder(r.Body)
	d.UseNumber()
	var list []map[string]any
	if err := d.Decode(&list); err != nil || len(list) != 1 {
		h.fail(w, http.StatusBadRequest, "Cannot deserialize the current JSON object into type 'System.Collections.Generic.List': it is no array.")
		return
	}
	rec := list[0]
	switch p {
	case "tickets":
		if _, ok := rec["id"]; ok {
			h.update(w, rec)
			return
		}
		h.create(w, rec)
	case "actions":
		h.act(w, rec)
	default:
		h.fail(w, http.StatusNotFound, "No HTTP resource was found that matches the request.")
	}
}

// str is a field as text, empty where it is not there.
func str(rec map[string]any, field string) string {
	if v := rec[field]; v != nil {
		return fmt.Sprint(v)
	}
	return ""
}

func (h *halo) update(w http.ResponseWriter, rec map[string]any) {
	t, err := h.desk.setStatus(str(rec, "id"), psa.Named{ID: str(rec, "status_id")})
	switch {
	case errors.Is(err, errNoRecord):
		h.fail(w, http.StatusNotFound, "Ticket not found.")
	case err != nil:
		h.fail(w, http.StatusBadRequest, "The status is not valid.")
	default:
		h.saved(w, h.ticket(t, true))
	}
}

func (h *halo) create(w http.ResponseWriter, rec map[string]any) {
	t := psa.Ticket{Title: str(rec, "summary"), Company: psa.Named{ID: str(rec, "client_id")}, Contact: psa.Named{ID: str(rec, "user_id")}}
	if t.Title == "" {
		h.fail(w, http.StatusBadRequest, "Please enter a summary.")
		return
	}
	k, ok := h.desk.company(t.Company.ID)
	if !ok {
		h.fail(w, http.StatusBadRequest, "Please select a valid customer.")
		return
	}
	t.Company.Name = k.Name
	for _, v := range []struct {
		to   *psa.Named
		f    psa.Field
		from psa.Named
	}{
		{&t.Queue, psa.FieldQueue, psa.Named{Name: str(rec, "team")}},
		{&t.Status, psa.FieldStatus, psa.Named{ID: str(rec, "status_id")}},
		{&t.Priority, psa.FieldPriority, psa.Named{ID: str(rec, "priority_id")}},
		{&t.Source, psa.FieldSource, psa.Named{ID: str(rec, "source")}},
		{&t.Type, psa.FieldType, psa.Named{ID: str(rec, "tickettype_id")}},
		{&t.Category, psa.FieldCategory, psa.Named{Name: str(rec, "category_1")}},
		{&t.Assignee, psa.FieldAssignee, psa.Named{ID: str(rec, "agent_id")}},
	} {
		var ok bool
		if *v.to, ok = h.chosen(v.f, v.from); !ok {
			h.fail(w, http.StatusBadRequest, "The "+string(v.f)+" is not valid.")
			return
		}
	}
	text, ok := h.text(w, rec, "details")
	if !ok {
		return
	}
	h.saved(w, h.ticket(h.desk.createTicket(t, str(rec, "third_party_id_string"), text, true), true))
}

// text is what a reader sees of a text of a record.
func (h *halo) text(w http.ResponseWriter, rec map[string]any, field string) (string, bool) {
	text := str(rec, field)
	if s := str(rec, field+"_html"); s != "" {
		if h.o.RefuseHTML {
			h.fail(w, http.StatusBadRequest, "A potentially dangerous value was detected.")
			return "", false
		}
		text = haloText(s)
	}
	if h.o.RefuseHTML && strings.ContainsFunc(text, func(r rune) bool { return r > 0xffff }) {
		h.fail(w, http.StatusBadRequest, "The text has characters that cannot be stored.")
		return "", false
	}
	return text, true
}

func (h *halo) act(w http.ResponseWriter, rec map[string]any) {
	outcome := str(rec, "outcome")
	if id := number(str(rec, "outcome_id")); outcome == "" && id > 0 && id <= len(h.o.Outcomes) {
		outcome = h.o.Outcomes[id-1]
	}
	t, ok := h.desk.Ticket(str(rec, "ticket_id"))
	switch {
	case !ok:
		h.fail(w, http.StatusNotFound, "Ticket not found.")
		return
	case outcome == "":
		h.fail(w, http.StatusBadRequest, "An Outcome must be entered for this Action.")
		return
	case !slices.Contains(h.o.Outcomes, outcome):
		h.fail(w, http.StatusBadRequest, "Invalid outcome specified.")
		return
	case h.o.RefuseClosed && t.Closed:
		h.fail(w, http.StatusBadRequest, "This ticket is closed.")
		return
	}
	text, ok := h.text(w, rec, "note")
	if !ok {
		return
	}
	// What is not said is public, and what is public may be mailed.
	public := str(rec, "hiddenfromuser") != "true"
	n, err := h.desk.addNote(Note{
		Ticket: t.ID, AuthorID: h.o.SomeoneElse, Author: OurName, Text: text, Public: public,
		Mailed: str(rec, "sendemail") == "true" || h.o.RulesMail && str(rec, "dont_do_rules") != "true",
	})
	if err != nil {
		h.fail(w, http.StatusNotFound, err.Error())
		return
	}
	if hours, err := strconv.ParseFloat(str(rec, "timetaken"), 64); err == nil {
		e := psa.TimeEntry{Text: text, Technician: str(rec, "who_agentid"), Billable: str(rec, "actisbillable") == "true"}
		if public {
			e.Visibility = psa.Public
		}
		start, err := time.Parse(time.RFC3339, str(rec, "actionarrivaldate"))
		if err != nil {
			h.fail(w, http.StatusBadRequest, "The date is not valid.")
			return
		}
		e.Start, e.End = start, start.Add(time.Duration(hours*float64(time.Hour)))
		entry, err := h.desk.logTime(t.ID, e)
		if err != nil {
			h.fail(w, http.StatusNotFound, err.Error())
			return
		}
		n.ID = entry.ID
	}
	h.saved(w, map[string]any{"id": json.Number(n.ID), "ticket_id": json.Number(t.ID), "outcome": outcome})
}

var (
	haloBreak = regexp.MustCompile(`(?i)<br\s*/?>`)
	haloTag   = regexp.MustCompile(`<[^>]*>`)
	haloSpace = regexp.MustCompile(`[ \t\r\n]+`)
)

// haloText is what a reader sees of HTML. It knows paragraphs and line breaks.
func haloText(s string) string {
	s = haloSpace.ReplaceAllString(s, " ")
	s = haloBreak.ReplaceAllString(s, "\n")
	s = strings.ReplaceAll(s, "</p>", "\n\n")
	s = html.UnescapeString(haloTag.ReplaceAllString(s, ""))
	return strings.TrimSpace(strings.NewReplacer("\u00a0", " ", "\u2003", "\t").Replace(s))
}

// haloHTML is text as HaloPSA's own editor would write it.
func haloHTML(s string) string {
	s = html.EscapeString(s)
	var b strings.Builder
	for line := range strings.SplitSeq(s, "\n") {
		b.WriteString("<div>")
		if line == "" {
			b.WriteString("<br/>")
		}
		b.WriteString(line + "</div>\r\n")
	}
	return b.String()
}
