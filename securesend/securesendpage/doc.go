// Package securesendpage serves the pages behind the links of package securesend, and what their script and package
// securesend/client call: a recipient opens what was sent, a technician fills a send, a caller answers a request.
//
// The pages stand where the service's links lead. With the base URL "https://help.example/send":
//
//	pages, err := securesendpage.New(svc, nil)
//	mux.Handle("/send/", http.StripPrefix("/send", pages))
//
// A handler that is given the whole path sets [Options.Prefix] instead. All links on the pages are relative, so a proxy may
// strip the prefix as well. Every text can be replaced, for all tenants or for one, and is checked by [New].
//
// A server with time limits for whole requests (ReadTimeout, WriteTimeout of [http.Server]) need not make exceptions: while
// parts and chunks go over a connection, it may stand still for 30 seconds and take as long as it needs. A proxy in front
// must let bodies of 9 MiB pass.
//
// # Security
//
// GET and HEAD change nothing, and show the header, the technician's name and a request's question to whoever has the path
// of a link. Content is opened in the browser, by one script of the same origin; nothing is loaded from elsewhere, nothing is
// inline, nothing can be framed or cached. The fragment of a link never gets here. What is released is released by POST, to
// a claim, by [securesend.Service.Take] alone. Files go out sealed, as attachments of no type in a sandbox.
//
// A token that is altered, a link whose send is deleted, one of another kind and, with [Options.Tenant], one of another
// tenant get the same bytes. Bodies are capped before they are read, and must be of the right type, so that a form of a
// foreign page is refused whatever the browser; foreign origins are refused besides. No token, key, number or name of a
// file is logged, and answers tell nothing of what went wrong underneath.
//
// # Concurrency
//
// [Pages] is safe for concurrent use and keeps nothing that another instance needs; any instance can answer any request. A
// part that is uploaded and a chunk that is fetched go through in 64 KiB, whatever their size.
//
// # Errors
//
//	errors.Is                returned by    meaning
//	mspkit.ErrInvalid        New            a text, brand or prefix cannot be used
//	securesend.ErrInvalid    New            there is no service
//
// Calls of scripts and programs get {"error": code, "message": text}; with triesLeft and passphraseTriesLeft where a number
// or passphrase was refused, and with limit and retryAfter in seconds where a limit was reached:
//
//	status   codes                                        meaning
//	403      auth, number, passphrase, gate, forbidden    the key, number, code, passphrase or proof is wrong or missing
//	404      not_found                                    nothing is there
//	409      draft, opening, conflict                     not yet; somebody else was first; something else was committed
//	410      ended                                        read, revoked or expired
//	413      too_large                                    a body, part, text or file is too large
//	415      type                                         the body is of another type
//	422      invalid, envelope, unsupported               the request cannot be used
//	423      locked                                       the tries are used up
//	429      limited                                      too often
//	503      unavailable, region, delivery                it is not known, or not reachable from here
package securesendpage
