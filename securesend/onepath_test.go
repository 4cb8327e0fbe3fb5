package securesend_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// nothing imports nothing: the types of this package are known without those of others.
type nothing struct{}

func (nothing) Import(string) (*types.Package, error) { return nil, errors.New("not needed") }

// A server half leaves a record in Service.release and nowhere else. Service.Rewrap seals it anew without handing it out, and
// the steps and Hidden of a record move it about in sealed form.
func TestOneCodePathReleasesAServerHalf(t *testing.T) {
	t.Parallel()
	fset := token.NewFileSet()
	var files []*ast.File
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			f, err := parser.ParseFile(fset, name, nil, 0)
			require.NoError(t, err)
			files = append(files, f)
		}
	}
	info := &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}, Types: map[ast.Expr]types.TypeAndValue{}}
	conf := types.Config{Importer: nothing{}, Error: func(error) {}}
	pkg, _ := conf.Check("securesend", fset, files, info) // what others export is not known, which is no matter
	field := func(typ, name string) *types.Var {
		s, ok := pkg.Scope().Lookup(typ).Type().Underlying().(*types.Struct)
		require.True(t, ok)
		for f := range s.Fields() {
			if f.Name() == name {
				return f
			}
		}
		t.Fatalf("%s has no field %s", typ, name)
		return nil
	}
	// Who touches what, by name of the method or function.
	watched := map[*types.Var][]string{
		field("Record", "Half"):    {"Record.Clone", "Record.Hidden", "Record.Rewrap", "Record.complete", "Record.destroy", "Service.Rewrap", "Service.ask", "Service.release"},
		field("Record", "Inline"):  {"Record.Clone", "Record.Commit", "Record.Hidden", "Record.Storable", "Record.complete", "Record.destroy", "Service.release"},
		field("Released", "Half"):  {"Service.receive"},
		field("secrets", "halves"): {"Service.Rewrap", "Service.release", "newSecrets", "secrets.sealHalf"},
	}
	found := map[*types.Var][]string{}
	seen := 0
	for _, f := range files {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			name := fn.Name.Name
			if fn.Recv != nil {
				recv := fn.Recv.List[0].Type
				if star, ok := recv.(*ast.StarExpr); ok {
					recv = star.X
				}
				id, ok := recv.(*ast.Ident)
				require.True(t, ok)
				name = id.Name + "." + name
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				seen++
				if s := info.Selections[sel]; s != nil {
					if v, ok := s.Obj().(*types.Var); ok && watched[v] != nil {
						found[v] = append(found[v], name)
						return true
					}
				}
				// A name that the types do not explain must not slip through.
				if (sel.Sel.Name == "Half" || sel.Sel.Name == "halves") && info.Selections[sel] == nil {
					t.Errorf("%s: what is %s here?", fset.Position(sel.Pos()), sel.Sel.Name)
				}
				return true
			})
			// A composite literal of Released is a release too.
			ast.Inspect(fn, func(n ast.Node) bool {
				if lit, ok := n.(*ast.CompositeLit); ok && len(lit.Elts) > 0 {
					if id, ok := lit.Type.(*ast.Ident); ok && id.Name == "Released" && name != "Service.release" {
						t.Errorf("%s: %s makes a Released", fset.Position(lit.Pos()), name)
					}
				}
				return true
			})
			if name != "Service.release" {
				ast.Inspect(fn, func(n ast.Node) bool {
					if call, ok := n.(*ast.CallExpr); ok {
						if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Take" && strings.HasSuffix(text(sel.X), ".store") {
							t.Errorf("%s: %s takes from the store", fset.Position(call.Pos()), name)
						}
					}
					return true
				})
			}
		}
	}
	require.Greater(t, seen, 1000)
	for v, want := range watched {
		got := slices.Clone(found[v])
		slices.Sort(got)
		require.Equal(t, want, slices.Compact(got), v.Name())
	}
}

// text is the source of an expression of names.
func text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return text(e.X) + "." + e.Sel.Name
	}
	return ""
}
