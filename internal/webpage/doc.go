// Package webpage is the one mechanism behind every page that the module serves: layout and brand, the
// header set, routes as data, the client's address, and texts in several languages.
//
// A package of pages declares its routes and templates and gets one [http.Handler]:
//
//	catalog, err := webpage.LoadCatalog(texts) // texts/en.json, texts/de.json
//	p := &pages{}
//	p.site, err = webpage.New([]webpage.Route{
//		{Name: "show", Method: "GET", Pattern: "/c/{token}", Kind: webpage.PageKind, Handler: p.show},
//		{Name: "confirm", Method: "POST", Pattern: "/c/{token}", Kind: webpage.FormKind, Capability: true, Handler: p.confirm},
//	}, &webpage.Options{Templates: templates, Catalog: catalog})
//
// A template file defines "title" and "main" and is placed into the layout; its dot is a [*View]. Files
// whose name begins with "_" are shared by all. [Site.Render] writes one, [Site.Error] writes an error page,
// [Site.Redirect] sends the browser to another page of the same site. All links are relative, so that a site
// works below any prefix, behind [http.StripPrefix] and behind a proxy that rewrites paths.
//
// # Security
//
// Every response, errors included, carries the header set of [Headers]: no inline style or script, nothing
// from elsewhere, no cache, no referrer, no frame, no index. GET and HEAD never reach a handler of another
// method. A POST passes [http.CrossOriginProtection], a form is capped and must be urlencoded, or multipart where the
// route takes files; these are kept in memory and no larger than the route says. Pages are rendered into memory first: a fault in a template is a clean 500, and equal pages are equal bytes. A panic
// becomes a 500 page; what was panicked with is not logged, nor is any path, because paths carry link tokens.
// Texts and brands are data of html/template and never markup.
//
// # Concurrency
//
// A [Site] and a [Catalog] are immutable after construction and safe for concurrent use.
//
// # Errors
//
//	errors.Is           returned by                          meaning
//	mspkit.ErrInvalid   New, LoadCatalog, Catalog.With,      a route, template, asset, text or colour cannot be
//	                    ParseColor                           used; the text names the file and the key
package webpage
