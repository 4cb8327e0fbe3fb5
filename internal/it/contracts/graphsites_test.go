package contracts

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/it/graphcontract"
)

// site is a call in the source that sends a request.
type site struct {
	file     string // from the root of the module, with slashes
	from, to int    // its lines
	what     string
}

// senders are what sends requests, by the number of its arguments: methods of graphx.Client and functions of graphx.
var senders = map[string]int{"Do": 3, "Page": 3, "Open": 2, "Batch": 4, "BatchFor": 3, "List": 2, "PageOf": 4, "ListOf": 3}

// sends reports whether a call with so many arguments sends a request, by graphx or by httpx.
func sends(sel *ast.SelectorExpr, args int) bool {
	if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "httpx" {
		return sel.Sel.Name == "Do"
	}
	// A box opens what is sealed, and a backlog lists what waits.
	if x, ok := sel.X.(*ast.SelectorExpr); ok && x.Sel.Name == "box" {
		return false
	}
	if call, ok := sel.X.(*ast.CallExpr); ok {
		if fun, ok := call.Fun.(*ast.SelectorExpr); ok && fun.Sel.Name == "Backlog" {
			return false
		}
	}
	return args > 0 && senders[sel.Sel.Name] == args
}

// pathLiteral is a piece of a path in the source, such as "/users/" or "/contacts/delta?".
var pathLiteral = regexp.MustCompile(`^/[A-Za-z$][A-Za-z0-9$/.?=]*$`)

// source is what the packages that use Graph say they send.
type source struct {
	packages map[string]bool
	sites    []site
	literals map[string]site
}

// readSource parses every package of the module that imports internal/graphx.
func readSource(t *testing.T) *source {
	t.Helper()
	root := filepath.Join("..", "..", "..")
	out := &source{packages: map[string]bool{}, literals: map[string]site{}}
	files := token.NewFileSet()
	require.NoError(t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if base := d.Name(); rel != "." && (strings.HasPrefix(base, ".") || base == "testdata") || rel == "internal/it" || rel == "internal/graphx" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(files, name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == strconv.Quote(module+"internal/graphx") }) {
			out.packages[path.Dir(rel)] = true
		}
		return nil
	}))
	for _, pkg := range graphcontract.SortedKeys(out.packages) {
		names, err := filepath.Glob(filepath.Join(root, pkg, "*.go"))
		require.NoError(t, err)
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(files, name, nil, 0)
			require.NoError(t, err)
			out.read(files, pkg+"/"+filepath.Base(name), f)
		}
	}
	return out
}

func (s *source) read(files *token.FileSet, file string, f *ast.File) {
	called := map[ast.Expr]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		at := func(what string) site {
			return site{file, files.Position(n.Pos()).Line, files.Position(n.End()).Line, what}
		}
		switch n := n.(type) {
		case *ast.CallExpr:
			fun := n.Fun
			if i, ok := fun.(*ast.IndexExpr); ok { // ListOf[user]
				fun = i.X
			}
			called[fun] = true
			if sel, ok := fun.(*ast.SelectorExpr); ok && sends(sel, len(n.Args)) {
				s.sites = append(s.sites, at(sel.Sel.Name))
			}
		case *ast.SelectorExpr:
			// Page, Open and List are names of types and fields as well.
			if slices.Contains([]string{"Do", "Batch", "BatchFor", "PageOf", "ListOf"}, n.Sel.Name) && !called[n] {
				s.sites = append(s.sites, at(n.Sel.Name+" as a value, whose calls are not seen"))
			}
		case *ast.BasicLit:
			if v, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING && pathLiteral.MatchString(v) {
				s.literals[v] = at(v)
			}
		}
		return true
	})
}

// notSent are literals in the source of those packages that look like a path and are none of a request.
var notSent = map[string]string{
	"/oauth2/v2.0/authorize?":    "a browser goes there",
	"/teams/getAllMessages":      "a resource of a subscription, which is in its body",
	"/communications/presences/": "a resource of a subscription, which is in its body",
}

// unsent holds what was sent against the source: each package that uses graphx is driven, each call that sends a request
// did, and each piece of a path was in the path of one. So a request that somebody adds to a package is seen here before it
// is in a drive. What it does not see is a path that is put together of pieces which others have, sent by a call that others
// use.
func (s *source) unsent(rec *recorder, all []*request) (problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, pkg := range graphcontract.SortedKeys(s.packages) {
		if drives[pkg] == nil {
			bad("%s uses internal/graphx and no drive sends its requests: add one", pkg)
		}
	}
	for _, at := range s.sites {
		done := false
		for line := at.from; line <= at.to && !done; line++ {
			done = rec.sites[fmt.Sprintf("%s:%d", at.file, line)]
		}
		if !done {
			bad("%s:%d: no drive has sent the request of this call of %s", at.file, at.from, at.what)
		}
	}
	for _, text := range graphcontract.SortedKeys(s.literals) {
		at := s.literals[text]
		sent := slices.ContainsFunc(all, func(r *request) bool { return strings.Contains(r.URL.Path+"?"+r.URL.RawQuery, text) })
		switch {
		case sent && notSent[text] != "":
			bad("%s:%d: %q is sent, take it out of notSent", at.file, at.from, text)
		case !sent && notSent[text] == "":
			bad("%s:%d: no drive has sent a request with %q in its path", at.file, at.from, text)
		}
	}
	for _, text := range graphcontract.SortedKeys(notSent) {
		if _, ok := s.literals[text]; !ok {
			bad("nothing says %q any more: take it out of notSent", text)
		}
	}
	return problems
}

// TestTheSourceIsSeenToSend holds the guard to be one that can fail.
func TestTheSourceIsSeenToSend(t *testing.T) {
	t.Parallel()
	s := readSource(t)
	require.GreaterOrEqual(t, len(s.packages), 3)
	problems := strings.Join(s.unsent(&recorder{}, nil), "\n")
	for _, at := range s.sites {
		require.Contains(t, problems, fmt.Sprintf("%s:%d: ", at.file, at.from))
	}
	require.Contains(t, problems, `"/sendMail"`)
	require.Contains(t, problems, `"/photo"`)

	s = &source{packages: map[string]bool{"psa/halopsa": true}, literals: map[string]site{}}
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, "new.go", `package psa
func f() {
	_ = c.Do(ctx, &graphx.Request{Path: "/me/calendar/"}, nil)
	_, _ = c.graph.Page(ctx, r, each)
	for range graphx.ListOf[user](ctx, c, r) { }
	_, _ = graphx.PageOf(ctx, c, r, each)
	_, _ = httpx.Do(client, r)
	send := c.graph.Do
	_, _ = client.Do(r)
	_ = c.Page(1)
	_, _ = c.box.Open(sealed, place)
	_, _ = store.Backlog().List(ctx, filter)
}`, 0)
	require.NoError(t, err)
	s.read(files, "psa/halopsa/new.go", f)
	require.Len(t, s.sites, 6)
	require.Len(t, s.literals, 1)
	all := []*request{{Request: graphcontract.Request{URL: &url.URL{Path: graphcontract.Version + "/me/calendar/x"}}}}
	require.Len(t, s.unsent(&recorder{sites: map[string]bool{"psa/halopsa/new.go:3": true}}, all), 1+5+len(notSent))
}
