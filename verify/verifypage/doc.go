// Package verifypage serves the pages behind the links of package verify: the caller confirms with the number
// that the technician says, says "this is not me", or checks who the technician is.
//
// The pages stand where the service's links lead. With the base URL "https://help.example/verify":
//
//	pages, err := verifypage.New(svc, nil)
//	mux.Handle("/verify/", http.StripPrefix("/verify", pages))
//
// A handler that is given the whole path sets [Options.Prefix] instead. All links on the pages are relative, so a
// proxy may strip the prefix as well. Every text can be replaced, for all tenants or for one, and is checked by
// [New]. With [Options.PublicForm] there is one more page, "Is this call real?", at [Pages.PublicURL].
//
// # Security
//
// GET and HEAD change nothing. What a link holder can do without being told something by the technician is to
// press "not me", which is a hint and changes nothing, and to use up the tries of one number. The pages run no
// script, load nothing from elsewhere, cannot be framed and are never cached. A token that is altered, a link
// whose challenge is deleted and, with [Options.Tenant], a link of another tenant get the same bytes after the
// same store work. The public form does not tell whether an address is known. A page whose request has been over
// for a while names nobody. No token, number, word or address is logged.
//
// # Concurrency
//
// [Pages] is safe for concurrent use and keeps nothing that another instance needs; any instance can answer any request.
//
// # Errors
//
//	errors.Is             returned by    meaning
//	mspkit.ErrInvalid     New            a text, brand or prefix cannot be used
//	verify.ErrInvalid     New, Check     the public form needs verify.Options.Lookup; New: no service
package verifypage
