// Command apilist prints the exported API of the module, one declaration a line or block, without comments
// and bodies, so that a change of the API shows as a change of api/mspkit.txt. It is run by
// `make api`. Arguments are package patterns; without any it takes the whole module.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	out, err := list(os.Args[1:]...)
	if err == nil {
		_, err = os.Stdout.Write(out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "apilist:", err)
		os.Exit(1)
	}
}

type pkg struct {
	ImportPath, Name, Dir string
	GoFiles               []string
}

func list(patterns ...string) ([]byte, error) {
	if len(patterns) == 0 {
		patterns = []string{"./..."}
	}
	args := append([]string{"list", "-json=ImportPath,Name,Dir,GoFiles"}, patterns...)
	cmd := exec.Command("go", args...) //nolint:noctx,gosec // ends with the program; the caller is a developer
	cmd.Stderr = os.Stderr
	data, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for dec := json.NewDecoder(bytes.NewReader(data)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return out.Bytes(), nil
		} else if err != nil {
			return nil, err
		}
		// What cannot be imported is no API.
		if p.Name == "main" || slices.Contains(strings.Split(p.ImportPath, "/"), "internal") {
			continue
		}
		if err := describe(&out, p); err != nil {
			return nil, fmt.Errorf("%s: %w", p.ImportPath, err)
		}
	}
}

func describe(out *bytes.Buffer, p pkg) error {
	fset := token.NewFileSet()
	files := make([]*ast.File, 0, len(p.GoFiles))
	for _, name := range p.GoFiles {
		// Without ParseComments the declarations come without their comments.
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	d, err := doc.NewFromFiles(fset, files, p.ImportPath) // drops what is not exported
	if err != nil {
		return err
	}
	var decls []string
	add := func(n ast.Node) error {
		var b bytes.Buffer
		// Layout is left to the printer: where lines were broken is no API.
		if err := (&printer.Config{Mode: printer.UseSpaces, Tabwidth: 4}).Fprint(&b, fset, n); err != nil {
			return err
		}
		decls = append(decls, blankless(b.String()))
		return nil
	}
	values := func(vs []*doc.Value) (err error) {
		for _, v := range vs {
			err = errors.Join(err, add(v.Decl))
		}
		return err
	}
	funcs := func(fs []*doc.Func) (err error) {
		for _, f := range fs {
			f.Decl.Body = nil
			err = errors.Join(err, add(f.Decl))
		}
		return err
	}
	errs := []error{values(d.Consts), values(d.Vars), funcs(d.Funcs)}
	for _, t := range d.Types {
		errs = append(errs, add(t.Decl), values(t.Consts), values(t.Vars), funcs(t.Funcs), funcs(t.Methods))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	slices.Sort(decls)
	fmt.Fprintf(out, "package %s\n\n", p.ImportPath)
	for _, decl := range decls {
		fmt.Fprintf(out, "%s\n", decl)
	}
	out.WriteByte('\n')
	return nil
}

// blankless drops empty lines, which stand where comments were.
func blankless(s string) string {
	lines := strings.Split(s, "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.TrimSpace(l) == "" })
	return strings.Join(lines, "\n")
}
