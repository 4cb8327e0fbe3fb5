package webpage

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"slices"
	"strings"
	"text/template/parse"

	"github.com/mspkit/mspkit"
)

//go:embed templates/*.html
var ownTemplates embed.FS

type pageTemplate struct{ set *template.Template }

// loadTemplates places every page into the layout and checks the texts and assets that it names.
func loadTemplates(fsys fs.FS, catalog *Catalog, files *assets) (map[string]*pageTemplate, error) {
	own, err := fs.Sub(ownTemplates, "templates")
	if err != nil {
		return nil, err
	}
	base, err := template.New("base").Option("missingkey=error").ParseFS(own, "_*.html")
	if err != nil {
		return nil, fmt.Errorf("webpage: layout: %w", err)
	}
	if fsys != nil {
		shared, err := fs.Glob(fsys, "_*.html")
		if err == nil && len(shared) > 0 {
			base, err = base.ParseFS(fsys, shared...)
		}
		if err != nil {
			return nil, fmt.Errorf("webpage: shared templates: %w: %w", err, mspkit.ErrInvalid)
		}
	}
	pages := map[string]*pageTemplate{}
	var errs []error
	for _, set := range []fs.FS{own, fsys} {
		if set == nil {
			continue
		}
		names, err := fs.Glob(set, "*.html")
		if err != nil {
			return nil, fmt.Errorf("webpage: read templates: %w", err)
		}
		for _, name := range names {
			if strings.HasPrefix(name, "_") {
				continue
			}
			t, err := loadTemplate(base, set, name, catalog, files)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			pages[strings.TrimSuffix(name, ".html")] = t
		}
	}
	return pages, errors.Join(errs...)
}

func loadTemplate(base *template.Template, fsys fs.FS, name string, catalog *Catalog, files *assets) (*pageTemplate, error) {
	set, err := base.Clone()
	if err == nil {
		set, err = set.ParseFS(fsys, name)
	}
	if err != nil {
		return nil, fmt.Errorf("webpage: template %s: %w: %w", name, err, mspkit.ErrInvalid)
	}
	var errs []error
	for _, part := range []string{"title", "main"} {
		if set.Lookup(part) == nil {
			errs = append(errs, fmt.Errorf("webpage: template %s: it does not define %q: %w", name, part, mspkit.ErrInvalid))
		}
	}
	for _, t := range set.Templates() {
		if t.Tree == nil {
			continue
		}
		walk(t.Tree.Root, func(method string, args []parse.Node) {
			if err := checkCall(method, args, catalog, files); err != nil {
				errs = append(errs, fmt.Errorf("webpage: template %s: %w: %w", name, err, mspkit.ErrInvalid))
			}
		})
	}
	return &pageTemplate{set}, errors.Join(errs...)
}

// checkCall checks a call of .T, .Parts or .Asset whose first argument is written out.
func checkCall(method string, args []parse.Node, catalog *Catalog, files *assets) error {
	if len(args) == 0 {
		return nil
	}
	key, ok := args[0].(*parse.StringNode)
	if !ok {
		return nil
	}
	switch method {
	case "Asset":
		if _, ok := files.names[key.Text]; !ok {
			return fmt.Errorf("there is no asset %q", key.Text)
		}
	case "T", "Parts":
		want, ok := catalog.Placeholders(key.Text)
		if !ok {
			return fmt.Errorf("there is no text %q", key.Text)
		}
		var got []string
		for i := 1; i < len(args); i += 2 {
			n, ok := args[i].(*parse.StringNode)
			if !ok {
				return nil // names that are not written out show themselves when the page is rendered
			}
			got = append(got, n.Text)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) || len(args)%2 == 0 {
			return fmt.Errorf("text %q: placeholders %q are given, the text has %q", key.Text, got, want)
		}
	}
	return nil
}

// walk calls visit for every method call below n: {{.T "key"}}, {{$.T "key"}}, also nested in others.
func walk(n parse.Node, visit func(method string, args []parse.Node)) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, c := range n.Nodes {
			walk(c, visit)
		}
	case *parse.ActionNode:
		walk(n.Pipe, visit)
	case *parse.IfNode:
		walkBranch(&n.BranchNode, visit)
	case *parse.RangeNode:
		walkBranch(&n.BranchNode, visit)
	case *parse.WithNode:
		walkBranch(&n.BranchNode, visit)
	case *parse.TemplateNode:
		walk(n.Pipe, visit)
	case *parse.PipeNode:
		if n == nil {
			return
		}
		for _, c := range n.Cmds {
			walk(c, visit)
		}
	case *parse.CommandNode:
		var ident []string
		switch f := n.Args[0].(type) {
		case *parse.FieldNode:
			ident = f.Ident
		case *parse.VariableNode:
			ident = f.Ident[1:]
		}
		if len(ident) == 1 {
			visit(ident[0], n.Args[1:])
		}
		for _, a := range n.Args {
			walk(a, visit)
		}
	}
}

func walkBranch(b *parse.BranchNode, visit func(string, []parse.Node)) {
	walk(b.Pipe, visit)
	walk(b.List, visit)
	walk(b.ElseList, visit)
}
