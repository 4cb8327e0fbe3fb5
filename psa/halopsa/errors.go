package halopsa

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// The names of what is done, for errors.
const (
	opGetTicket     = "get ticket"
	opFindTicket    = "find ticket"
	opCreateTicket  = "create ticket"
	opSetStatus     = "set status"
	opAddNote       = "add note"
	opListNotes     = "list notes"
	opLogTime       = "log time"
	opListContacts  = "list contacts"
	opFindContacts  = "find contacts"
	opListCompanies = "list companies"
	opListOptions   = "list options"
	opOutcomes      = "list outcomes"
)

// permissions says in words what is needed for what is done. The names of scopes are from memory.
var permissions = map[string]string{
	"ping":          "sign in to the API",
	opGetTicket:     "see tickets (scope read:tickets)",
	opFindTicket:    "see all tickets (scope read:tickets)",
	opCreateTicket:  "create tickets (scope edit:tickets)",
	opSetStatus:     "change tickets (scope edit:tickets)",
	opAddNote:       "add actions to tickets, private ones too (scope edit:tickets)",
	opListNotes:     "see the actions of tickets, private ones too (scope read:tickets)",
	opLogTime:       "add actions with time to tickets (scope edit:tickets)",
	opListContacts:  "see users of all customers (scope read:customers)",
	opFindContacts:  "see users of all customers (scope read:customers)",
	opListCompanies: "see customers (scope read:customers)",
	opListOptions:   "see teams, statuses, priorities, ticket types and agents (scope read:tickets)",
	opOutcomes:      "see the configuration of actions (scope read:tickets)",
}

// onTicket are the writes that a closed or merged ticket may refuse.
var onTicket = map[string]bool{opAddNote: true, opLogTime: true, opSetStatus: true}

// explain reads the errors of HaloPSA, which come in several shapes: {"resultCode","errorMessage"},
// {"ClassName","Message"}, {"Message"}, {"error"}, a JSON string, or plain text.
func explain(e *psa.Error, write bool, body []byte) {
	var problem struct {
		ResultCode   json.Number `json:"resultCode"`
		ErrorMessage string      `json:"errorMessage"`
		ClassName    string      `json:"ClassName"`
		Message      string      `json:"Message"`
		Error        any         `json:"error"`
		Description  string      `json:"error_description"`
	}
	text := ""
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	if err := json.Unmarshal(body, &problem); err == nil {
		e.Code = string(problem.ResultCode)
		if problem.ClassName != "" {
			e.Code = problem.ClassName
		}
		named, _ := problem.Error.(string)
		if e.Code == "" && !strings.Contains(named, " ") {
			e.Code = named
		}
		text = first(problem.ErrorMessage, problem.Message, problem.Description, named)
	} else if json.Unmarshal(body, &text) != nil && !bytes.HasPrefix(body, []byte("<")) {
		text = string(body) // a page of HTML is of no use to anybody
	}
	e.Message = mspkit.Redact(text)
	low := strings.ToLower(text)
	switch {
	case e.Status == http.StatusUnauthorized:
		e.Advice = adviceSignIn
	case e.Status == http.StatusForbidden:
		e.Advice = "the scopes of the API application or the role of its agent do not allow this"
		if need, ok := permissions[e.Op]; ok {
			e.Advice = "the application's scopes and its agent's role must allow to " + need
		}
	case e.Status == http.StatusRequestEntityTooLarge:
		e.Err, e.Advice = psa.ErrTooLong, "make Options.MaxNote smaller"
	case e.Status == http.StatusNotFound && len(body) > 0 && body[0] == '<':
		e.Err, e.Advice = psa.ErrUnavailable, notHalo
		if write {
			e.Err = psa.ErrAmbiguousWrite
		}
	case e.Status == http.StatusTooManyRequests:
		e.Advice = "all requests to this HaloPSA wait"
	case e.Status == http.StatusBadRequest && onTicket[e.Op] && (strings.Contains(low, "ticket is closed") || strings.Contains(low, "has been closed") || strings.Contains(low, "merged")):
		e.Err = psa.ErrClosed
	case e.Status == http.StatusBadRequest && strings.Contains(low, "ticket") && strings.Contains(low, "not found"):
		e.Err = psa.ErrNotFound
	}
}

func first(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}
