// Package client seals, sends and opens what package securesend gives once, from a program that is not a browser: command
// line tools, jobs, servers of somebody else.
//
// It speaks to a running securesendpage handler and does what the script of its pages does. A technician's program fills a
// grant; the server never sees the content or the link:
//
//	sent, err := svc.Grant(ctx, securesend.SendRequest{Tenant: "contoso", By: jane}) // on the server
//	out, err := client.Create(ctx, grant, &client.CreateOptions{Text: mspkit.Redact("hunter2")})
//	// out.Link goes to the recipient, out.Number is said on the phone
//
// The recipient's program opens the link, once:
//
//	got, err := client.Open(ctx, link, &client.OpenOptions{Number: mspkit.Redact("123")})
//	names, err := got.Save(ctx, ".")
//	err = got.Done(ctx) // everything is here: burn it
//
// [Answer] gives the content that a request asks for.
//
// # Security
//
// Keys are made here, and the fragment of a link is sent to nobody. Everything that comes from the server is checked: content
// that was altered, cut, put in another order or sealed for another place is an error, and nothing of a chunk is handed out
// before all of it was found to be authentic. A request is sealed for the key whose fingerprint stands in the link, whatever
// the server says. Links must be https, except to a loopback address; redirects are not followed. Errors hold no link, key,
// number or text. What is held in memory as [mspkit.Redacted] does not print.
//
// # Concurrency
//
// All functions are safe for concurrent use. [Content] and [File] are not. Files are sent and fetched in constant memory: one
// part of 8 MiB when sending, one chunk of 1 MiB when fetching. A connection that drops or stands still for
// [Options.Idle] is tried anew for about half a minute without progress: a part with the same bytes, a file from the chunk
// at which it broke off, and opening with the same claim.
//
// # Errors
//
//	errors.Is                        returned by             meaning
//	securesend.ErrLink               all                     the link is not complete, or for something else
//	securesend.ErrNotFound           all                     nothing is there
//	securesend.ErrAuth               all                     the part after # is of another link
//	securesend.ErrOpening            Open, Answer            somebody else was first
//	securesend.ErrEnded              all                     it was read, revoked or has expired
//	securesend.ErrDraft              Open                    the content is not there yet
//	securesend.ErrNumber             Open, Answer            the number or code is wrong or missing
//	securesend.ErrPassphrase         Open                    the passphrase is wrong or missing
//	securesend.ErrLocked             Open, Answer            the tries are used up: the sender can renew the number
//	securesend.ErrGate               Open                    the verification that the sender wants is not confirmed
//	securesend.ErrLimited            SendCode                too many codes
//	securesend.ErrEnvelope           Open, File, Answer      the server gives out something else than was sealed
//	securesend.ErrTooLarge           Create, Answer          the tenant allows less
//	securesend.ErrForbidden          Create, Answer          the tenant allows no files
//	securesend.ErrConflict           Create, Answer          it was filled before
//	securesend.ErrInvalid            all                     an option cannot be used
//	ErrServer                        all                     the server cannot be reached, or gives no usable answer
package client
