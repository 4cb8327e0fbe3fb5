// Package graphx is the thin way to Microsoft Graph: one pipeline of azcore per tenant, and what azcore does not know of
// Graph: pages, delta, $batch, its errors and its limits.
//
//	client, err := graphx.New(credentials, &graphx.Options{BaseURL: "https://graph.microsoft.com"})
//	links, err := graphx.PageOf(ctx, client, &graphx.Request{Tenant: "contoso", Path: "/users/delta", Query: fields},
//		func(u *user) error { return directory.Put(ctx, u) })
//	// then with Path: links.Next until there is links.Delta, which is kept, whole, for the next run
//
// [Client.Do] is one call with JSON, [Client.Open] one with something else, [Client.List] all pages of a list, and
// [Client.Batch] many small calls at once. After consent or roles have changed call [Client.Forget].
//
// # What is repeated
//
// GET, HEAD, PUT and DELETE after a lost connection, 408, 429, 500, 502, 503 and 504; POST and PATCH after 429, and after
// the others only where [Request].Idempotent says so or no connection was made. Items of a batch one by one, by the same
// rules. A Retry-After is obeyed where it fits into the call; otherwise the call ends at once with [Error].RetryAfter, and
// whoever has a queue waits there. A page that breaks off while it is read is not repeated here: items have been handed over.
//
// Every call ends: [Options].Timeout bounds all tries and waits until the answer begins, and once more its body;
// Retry.TryTimeout bounds each try and each token. A call that waits for a token that another call is getting notices the
// end of its context when that call is done.
//
// # Limits
//
// Each tenant and workload has a limiter, and all requests of the client together have one, which keep below what Microsoft
// documents; see [Limit]. After a 429 the tenant's workload is left alone until its Retry-After has passed, also by the
// calls that did not get it. They are this process's; several machines share Microsoft's limits, so give each its part in
// [Options].Limits.
//
// # Security
//
// A token goes to BaseURL's scheme, host, port and path only. A link from an answer that leads elsewhere is [ErrOrigin] and
// nothing is sent; redirects are refused; cookies are not kept. A link does not say to which tenant it was given, and the
// credential is chosen by [Request].Tenant alone: store links with their tenant, and never take one from a request.
//
// A token is kept for up to 90 minutes. The [Credentials] are asked every 30 seconds whether it may still be used, and for a tenant
// that was released or leads elsewhere by now it is dropped; a call that has begun goes on.
//
// Answers are bounded, whole and by item, so a broken or hostile server costs bounded memory and time. Texts of errors and
// logs hold status, codes, ids and our advice: no token, query, address, or message of the server, which names people. What
// a server sends as code is shown only where it looks like one. The fields Message, Details, Location and Claims, what
// Unwrap returns, and [Links] are not for logs. azcore has a log of its own, which is off unless the host turns it on
// (AZURE_SDK_GO_LOGGING); it holds the paths of requests.
//
// # Concurrency
//
// A [Client] is safe for concurrent use where its credentials are. It starts no goroutine; no timer outlives a call, and a
// call ends when its body is closed. An answer keeps its place in the limiter until it has been read.
//
// # Errors
//
//	errors.Is                  meaning
//	ErrNotFound                404
//	ErrDenied                  403, or Entra says that the person may not
//	ErrThrottled               429, or the limiter here would have waited too long and nothing was sent
//	ErrToken                   401, also with a new token that has the claims Graph asked for
//	ErrResync                  410, or a code that says that the delta link or the page is too old
//	ErrConsent                 Graph or Entra says that consent is missing or withdrawn
//	ErrRevoked                 the sign-in behind the token has ended
//	ErrBlocked                 Conditional Access or another policy refused the token
//	ErrGone                    the Microsoft 365 tenant is gone
//	ErrCredential              the app's secret or certificate is not accepted
//	ErrAnswer                  an answer of success cannot be read
//	ErrTooBig                  it, or an item, is larger than allowed
//	ErrOrigin                  a link leads away from Graph; nothing was sent
//	ErrCircle                  the pages of a list do not end
//	httpx.ErrRedirect          Graph redirected
//	httpx.ErrTimeout           the call or its last try ran out of time; also context.DeadlineExceeded
//	mspkit.ErrInvalid          a request or an option cannot be used; nothing was sent
//
// They come as *[Error] (Graph answered), *[AuthError] (no token), *[CredentialsError] (no credential), *[AnswerError] or
// *httpx.Error (no answer; its Sent says whether Graph may have acted).
package graphx
