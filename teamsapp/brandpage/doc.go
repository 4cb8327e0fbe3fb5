// Package brandpage is the page on which an MSP makes its app for Teams: it uploads its logo, sees the icons as Teams crops
// them, edits the texts, and downloads the package that package teamsapp makes of them.
//
// A host puts the page behind its sign-in and says whose app it is; whatever it puts into the context of a request, it finds
// there again:
//
//	pages, err := brandpage.New(func(r *http.Request) (brandpage.State, error) {
//		return store.App(r.Context(), signedIn(r).MSP)
//	}, &brandpage.Options{Save: func(r *http.Request, was teamsapp.Published, s brandpage.State) error {
//		return store.SwapApp(r.Context(), signedIn(r).MSP, was, s)
//	}})
//	mux.Handle("/brand/", requireSignIn(http.StripPrefix("/brand", pages)))
//
// Without Save the page keeps nothing: what was typed and the logo, brought to at most 512 pixels, go back and forth in the
// form, and people say which version is in Teams. With it, what is downloaded is kept, so that the next package has a higher
// version if anything has changed.
//
// The page works without a script. With it, characters are counted while one types.
//
// # Security
//
// There is no sign-in of its own. Who gets here may make packages in the name of the MSP that load returns, and no other:
// Key, BotID, GraphID, Domains and NotificationOnly never come from the form. GET and HEAD change nothing, a form of a
// foreign page is refused.
//
// A logo is foreign input, also the one that comes back in the form. It is read in memory and never written to a disk; how
// large the file and the picture may be is in [Options.Package]: a request takes up to about twice MaxLogo and 2 MiB while it
// is read, so a host with many users sets a lower MaxLogo, and its server a ReadTimeout. Eight forms at once are read and two
// logos unpacked, and the others wait. SVG is refused. Only pictures that were made here are shown: they stand in the page
// itself (img-src 'self' data:), because no
// address could serve what is kept nowhere. Scripts and styles are files of the same origin, nothing is inline. Texts are
// shown as text, isolated where they could turn the direction of their neighbours. The name of the file that is downloaded
// has nothing of the app's name but letters, digits and dashes.
//
// What somebody typed is not logged.
//
// # Concurrency
//
// [Pages] is safe for concurrent use and keeps nothing; any instance can answer any request. Where two people make a package
// at once, Save decides who was first, see [ErrConflict].
//
// # Errors
//
//	errors.Is             returned by     meaning
//	mspkit.ErrInvalid     New             there is no load, or a text, brand or prefix cannot be used
//	ErrConflict           Options.Save    by the host: another package was made meanwhile; the page says so
package brandpage
