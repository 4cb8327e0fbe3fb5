package connectwise

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// problem is the body of an answer that refuses: {"code","message","errors":[…]}, or {"error","message"} when throttled
// (developer guide).
type problem struct {
	Code    string `json:"code"`
	Error   string `json:"error"`
	Message string `json:"message"`
	Errors  []struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Field   string `json:"field"`
	} `json:"errors"`
}

const keyAdvice = "the public or the private key is wrong, has expired, or belongs to another company or region; make a new key for the API member"

// explain reads the body of an answer that is not 2xx.
func (c *Client) explain(e *psa.Error, _ bool, body []byte) {
	var p problem
	readable := json.Unmarshal(body, &p) == nil
	if readable {
		e.Code = p.Code
		if e.Code == "" {
			e.Code = p.Error
		}
		texts := []string{p.Message}
		for _, d := range p.Errors {
			if d.Code != "" && (e.Code == "" || e.Code == "InvalidObject" || strings.EqualFold(e.Code, "ConnectWiseApi")) {
				e.Code = d.Code
			}
			if d.Field != "" && !slices.Contains(e.Fields, d.Field) {
				e.Fields = append(e.Fields, d.Field)
			}
			texts = append(texts, d.Message)
		}
		e.Message = mspkit.Redact(strings.Join(slices.DeleteFunc(texts, func(s string) bool { return s == "" }), "; "))
	}
	switch {
	case strings.EqualFold(p.Code, "Security") && strings.Contains(p.Message, "SSL"):
		e.Err, e.Advice = psa.ErrUnavailable, `this is not the API's host ("SSL is required"): cloud sites have one that begins with "api-"`
	case e.Code == "UserNotAuthenticated", e.Status == http.StatusUnauthorized:
		e.Err, e.Advice = psa.ErrUnauthorized, keyAdvice
	case e.Status == http.StatusForbidden:
		e.Advice = permission(e.Op)
	case e.Status == http.StatusTooManyRequests && !readable:
		e.Advice = "it is throttled in front of the API"
	case e.Code == "MaxLength" || e.Code == "StringLength": // from memory
		e.Err = psa.ErrTooLong
	case e.Code == "ObjectExists":
		e.Advice = "there is one already"
	case e.Status/100 == 5 && errors.Is(e.Err, psa.ErrUnavailable) && !readable:
		e.Advice = "something in front of the API answers instead of it"
	}
}

// permission says which right of the security role is missing. The names are those of the role's page, from memory.
func permission(op string) string {
	var need string
	switch op {
	case opGetTicket, opListNotes, opFindTicket, opCanNoteData:
		need = "Service Desk > Service Tickets: Inquire"
	case opCreateTicket:
		need = "Service Desk > Service Tickets: Add"
	case opAddNote, opSetStatus:
		need = "Service Desk > Service Tickets: Edit"
	case opListContacts, opFindContacts:
		need = "Companies > Contacts: Inquire"
	case opContactNote:
		need = "Companies > Contacts: Edit"
	case opListCompanies:
		need = "Companies > Company Maintenance: Inquire"
	case opListOptions, "ping":
		need = "System > Table Setup: Inquire, and for members System > Member Maintenance: Inquire"
	case opLogTime:
		need = "Time & Expense > Time Entry: Add"
	case opCallback:
		need = "System > Table Setup: Add and Inquire"
	default:
		return "the API member's security role does not allow this"
	}
	return "the API member's security role needs " + need
}

func asError(err error) *psa.Error {
	e, _ := errors.AsType[*psa.Error](err)
	return e
}

// is404 reports whether the API said that there is no such address or record.
func is404(err error) bool {
	e := asError(err)
	return e != nil && e.Status == http.StatusNotFound && errors.Is(e.Err, psa.ErrNotFound)
}

// The operations, as errors name them.
const (
	opGetTicket     = "get ticket"
	opFindTicket    = "find ticket"
	opCreateTicket  = "create ticket"
	opSetStatus     = "set status"
	opAddNote       = "add note"
	opListNotes     = "list notes"
	opCanNoteData   = "check for data notes"
	opListContacts  = "list contacts"
	opFindContacts  = "find contacts"
	opListCompanies = "list companies"
	opListOptions   = "list options"
	opContactNote   = "add contact note"
	opLogTime       = "log time"
	opCallback      = "callback"
)
