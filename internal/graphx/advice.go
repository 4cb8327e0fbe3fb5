package graphx

import "net/http"

// adviceByCode is for codes of Graph, at any depth. Codes marked as disputed in our facts are here too: a wrong guess costs
// a sentence.
var adviceByCode = []struct {
	codes  []string
	advice string
}{
	{[]string{codeLimited}, "too many calls for this tenant are waiting already; nothing was sent, try again later"},
	{
		[]string{"Authorization_RequestDenied"},
		"the app or the person lacks a permission or a role: grant admin consent, or add the role to the GDAP relationship; " +
			"changing administrators needs a higher role",
	},
	{[]string{"Authorization_IdentityNotFound"}, "the app is not known in this tenant: an administrator must consent again"},
	{[]string{"InvalidAuthenticationToken"}, "the token was not accepted: check the national cloud and the clock, then connect the tenant again"},
	{[]string{"Request_UnsupportedQuery"}, "the query needs ConsistencyLevel: eventual and $count=true, or is not supported"},
	{resyncCodes, "the saved position is too old: everything is listed again"},
	{[]string{"MailboxNotEnabledForRESTAPI"}, "the mailbox is not in Exchange Online: check its licence and where it is hosted"},
	{[]string{"ErrorAccessDenied"}, "the app may not use this mailbox: check its scope in RBAC for Applications, changes take up to 2 hours"},
	{[]string{"ErrorSendAsDenied"}, "the mailbox may not send from this address: grant Send As"},
	{[]string{"ErrorInvalidUser"}, "there is no such mailbox"},
	{[]string{"ApplicationThrottled", "MailboxConcurrency"}, "too many calls to this mailbox at once: wait"},
}

// adviceByStatus is for the rest.
var adviceByStatus = map[int]string{
	http.StatusBadRequest:          "the request was not understood",
	http.StatusUnauthorized:        "the token was not accepted, not even a new one: check consent, Conditional Access and the national cloud",
	http.StatusPaymentRequired:     "the tenant lacks a licence for this",
	http.StatusForbidden:           "a permission or role is missing: grant admin consent or the role, then wait some minutes",
	http.StatusNotFound:            "there is no such object, or it was created a moment ago",
	http.StatusConflict:            "it exists already, or somebody else changed it at the same time",
	http.StatusGone:                "the saved position is too old: everything is listed again",
	http.StatusPreconditionFailed:  "somebody else changed it meanwhile: read it again",
	http.StatusFailedDependency:    "another request of the batch failed before",
	http.StatusLocked:              "it is locked: try again later",
	http.StatusTooManyRequests:     "Microsoft throttles this app or tenant: wait",
	http.StatusNotImplemented:      "Microsoft does not offer this for the tenant or the property",
	http.StatusInsufficientStorage: "a quota is used up",
}

func (e *Error) advice() string {
	for _, a := range adviceByCode {
		if e.has(a.codes...) {
			return a.advice
		}
	}
	switch a, ok := adviceByStatus[e.Status]; {
	case ok:
		return a
	case e.Status >= 500:
		return "Microsoft's service failed: try again later"
	case e.Status/100 == 3:
		return "Graph pointed elsewhere, which is not followed"
	case e.Status/100 == 2:
		return "Graph ended a page with an error: try again"
	}
	return "Microsoft refused the request"
}
