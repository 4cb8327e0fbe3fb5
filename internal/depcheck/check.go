package depcheck

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Package is one package as go list -deps -test prints it.
type Package struct {
	// ImportPath ends with " [p.test]" where the package was compiled for the tests of p.
	ImportPath string
	// ForTest is the p of a package that is compiled for the tests of p.
	ForTest string
	// Standard is true for the standard library.
	Standard bool
	Imports  []string
	Error    *struct{ Err string }
}

// Check returns what is wrong with the imports of the module's packages among pkgs, one line each.
func Check(pkgs []Package) []string {
	c := checker{pkgs: make(map[string]Package, len(pkgs)), reached: map[string]map[string]string{}}
	for _, p := range pkgs {
		c.pkgs[p.ImportPath] = p
	}
	for _, p := range pkgs {
		rel, ours := relative(plain(p.ImportPath))
		if !ours || strings.HasSuffix(p.ImportPath, ".test") {
			continue // the program that runs tests is written by go test
		}
		if p.ForTest == "" {
			c.build(rel, p)
		} else if plain(p.ImportPath) == p.ForTest || plain(p.ImportPath) == p.ForTest+"_test" {
			c.test(strings.TrimSuffix(rel, "_test"), p)
		}
	}
	slices.Sort(c.found)
	return slices.Compact(c.found)
}

type checker struct {
	pkgs    map[string]Package
	reached map[string]map[string]string // memory of reach
	found   []string
}

func (c *checker) report(format string, args ...any) {
	c.found = append(c.found, fmt.Sprintf(format, args...))
}

// build checks one package as users build it.
func (c *checker) build(rel string, p Package) {
	i := slices.IndexFunc(rows, func(r row) bool { return matchAny(r.pkgs, rel) })
	if i < 0 {
		c.report("%s fits no row of internal/depcheck/table.go: add it to one", rel)
		return
	}
	r := rows[i]
	for _, imp := range p.Imports {
		target := c.pkgs[imp]
		if imp == "C" {
			c.report("%s imports C: the module builds without cgo", rel)
		}
		if target.Standard || imp == "C" {
			continue
		}
		if to, ours := relative(imp); ours {
			if why := c.forbidden(r, rel, to); why != "" {
				c.report("%s (%s) imports %s: %s; %s", rel, r.kind, to, why, r.fix)
			}
			continue
		}
		if r.like {
			if !slices.Contains(c.pkgs[join(path.Dir(rel))].Imports, imp) {
				c.report("%s (%s) imports %s: its parent does not; %s", rel, r.kind, imp, r.fix)
			}
			continue
		}
		if matchAny([]string{"internal/it/..."}, rel) {
			continue
		}
		c.outside(rel, imp, r)
	}
	for _, std := range r.std {
		if by, ok := c.reach(p.ImportPath)[std]; ok {
			c.report("%s (%s) reaches %s by %s: it is too heavy there; %s", rel, r.kind, std, by, r.fix)
		}
	}
	for _, rule := range reach {
		if !matchAny(rule.pkgs, rel) || matchAny(rule.except, rel) {
			continue
		}
		if dep, by := c.reaches(p.ImportPath, rule.never, nil); dep != "" {
			c.report("%s reaches %s by %s: %s", rel, dep, by, rule.why)
		}
	}
}

// forbidden says why a package of kind r at rel may not import the module's package at to, or nothing.
func (c *checker) forbidden(r row, rel, to string) string {
	below := strings.HasPrefix(rel, to+"/")
	for _, n := range never {
		if matchAny(n.pkgs, to) && !matchAny(n.importers, rel) && !below {
			return n.why
		}
	}
	switch {
	case to == "." || matchAny(r.own, to):
		return ""
	case r.parents && below:
		return ""
	case r.join && slices.Contains(domains, to):
		return ""
	case r.like && slices.Contains(c.pkgs[join(path.Dir(rel))].Imports, join(to)):
		return ""
	}
	domain, _, _ := strings.Cut(to, "/")
	if mine, _, _ := strings.Cut(rel, "/"); domain != mine && slices.Contains(domains, domain) {
		return "that is another top-level package"
	}
	return "its row in internal/depcheck/table.go does not allow that"
}

// outside checks an import from outside of the module by the table of dependencies.
func (c *checker) outside(rel, imp string, r row) {
	i := slices.IndexFunc(dependencies, func(d dependency) bool { return under(imp, d.path) })
	switch {
	case i < 0 && anyUnder(imp, testLibraries):
		c.report("%s (%s) imports %s: test libraries do not belong in builds; move it to a _test.go file", rel, r.kind, imp)
	case i < 0:
		c.report("%s (%s) imports %s: an unknown dependency; do without, or add it to dependencies in internal/depcheck/table.go with who may import it and why",
			rel, r.kind, imp)
	case !matchAny(dependencies[i].by, rel):
		c.report("%s (%s) imports %s: %s; allowed in %s", rel, r.kind, imp, dependencies[i].why, strings.Join(dependencies[i].by, ", "))
	}
}

// test checks what the tests of a package bring in beyond its build.
func (c *checker) test(rel string, p Package) {
	if matchAny(heavyTestIn, rel) {
		return
	}
	built := c.reach(p.ForTest)
	if dep, by := c.reaches(p.ImportPath, heavyTests, built); dep != "" {
		c.report("the tests of %s reach %s by %s: %s", rel, dep, by, heavyFix)
	}
	for _, imp := range p.Imports {
		imp = plain(imp)
		_, ours := relative(imp)
		if _, has := built[imp]; has || ours || c.pkgs[imp].Standard || anyUnder(imp, testLibraries) || anyUnder(imp, heavyTests) {
			continue
		}
		if !slices.ContainsFunc(dependencies, func(d dependency) bool { return under(imp, d.path) }) {
			c.report("the tests of %s import %s: an unknown dependency; do without, or add it to testLibraries in internal/depcheck/table.go", rel, imp)
		}
	}
}

// reaches returns the first package that from reaches below one of the never paths and that is not in but,
// and the way to it.
func (c *checker) reaches(from string, never []string, but map[string]string) (dep, by string) {
	for _, d := range sortedKeys(c.reach(from)) {
		if _, ok := but[d]; ok || !anyUnder(d, never) {
			continue
		}
		return d, c.reach(from)[d]
	}
	return "", ""
}

// reach returns every package that from reaches, each with the way to it.
func (c *checker) reach(from string) map[string]string {
	if known, ok := c.reached[from]; ok {
		return known
	}
	out := map[string]string{}
	type step struct{ pkg, way string }
	todo := []step{{from, short(from)}}
	for len(todo) > 0 { // breadth first: the shortest way is told
		s := todo[0]
		todo = todo[1:]
		for _, imp := range c.pkgs[s.pkg].Imports {
			if _, seen := out[plain(imp)]; seen {
				continue
			}
			out[plain(imp)] = s.way
			todo = append(todo, step{imp, s.way + " → " + short(imp)})
		}
	}
	c.reached[from] = out
	return out
}

func short(imp string) string {
	if rel, ours := relative(plain(imp)); ours {
		return rel
	}
	return plain(imp)
}

// plain drops the " [p.test]" of a package that is compiled for a test.
func plain(imp string) string {
	imp, _, _ = strings.Cut(imp, " ")
	return imp
}

// relative returns the path of imp below the module.
func relative(imp string) (rel string, ours bool) {
	if imp == Module || imp == Module+"_test" {
		return ".", true
	}
	return strings.CutPrefix(imp, Module+"/")
}

func join(rel string) string {
	if rel == "." {
		return Module
	}
	return Module + "/" + rel
}

// under reports whether imp is the module or package at p, another major version of it, or below. A path
// such as github.com/microsoft/kiota also covers kiota-http-go.
func under(imp, p string) bool {
	rest, ok := strings.CutPrefix(imp, p)
	return ok && (rest == "" || rest[0] == '/' || rest[0] == '-')
}

func anyUnder(imp string, paths []string) bool {
	return slices.ContainsFunc(paths, func(p string) bool { return under(imp, p) })
}

func matchAny(patterns []string, rel string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, rel) })
}

// match reports whether rel fits pattern; table.go says what patterns are.
func match(pattern, rel string) bool {
	if pattern == "..." {
		return true
	}
	base, deep := strings.CutSuffix(pattern, "/...")
	if deep {
		n := strings.Count(base, "/") + 1
		parts := strings.Split(rel, "/")
		if len(parts) < n {
			return false
		}
		rel = strings.Join(parts[:n], "/")
	}
	ok, err := path.Match(base, rel)
	return err == nil && ok
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
