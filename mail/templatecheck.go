package mail

import (
	"errors"
	"fmt"
	htmltemplate "html/template"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
)

// The placeholders that each kind of file may use.
var (
	commonFields  = []string{"Brand.Name", "Brand.Phone", "Brand.Site", "Name", "Company", "Technician", "Ticket", "Action", "Minutes", "Change", "Locale", "Dir"}
	subjectFields = commonFields
	bodyFields    = append(slices.Clone(commonFields), "Code", "Link", "Time", "Left", "Brand.Color", "Brand.OnColor")
	layoutFields  = []string{"Brand.Name", "Brand.Phone", "Brand.Site", "Brand.Color", "Brand.OnColor", "Locale", "Dir", "Subject", "Content"}
)

// remote matches what would load something, run something, or ask for input inside a mail.
var remote = regexp.MustCompile(`(?i)<\s*(script|iframe|object|embed|form|input|link|img|video|audio|base|svg)\b|\b(src|srcset|background|action)\s*=|url\s*\(|@import|\bon[a-z]+\s*=`)

func parseText(name, text string, allowed []string) (*template.Template, error) {
	t, err := template.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, err
	}
	return t, checkTree(t.Tree, len(t.Templates()), allowed)
}

func parseHTML(name, text string, allowed []string) (*htmltemplate.Template, error) {
	if m := remote.FindString(text); m != "" {
		return nil, fmt.Errorf("has %q: mails hold no scripts, forms or images and load nothing, remove it", m)
	}
	t, err := htmltemplate.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, err
	}
	return t, checkTree(t.Tree, len(t.Templates()), allowed)
}

// checkTree allows text, placeholders that exist, and if/else with and, or, not, eq, ne: enough for a letter, and
// little enough to check completely.
func checkTree(tree *parse.Tree, defined int, allowed []string) error {
	if tree == nil || tree.Root == nil {
		return errors.New("is empty: write the text or remove the file")
	}
	if defined > 1 {
		return errors.New("uses {{define}} or {{block}}, which is not allowed: write the text in place")
	}
	var errs []error
	walk(tree.Root, func(n parse.Node) {
		switch n := n.(type) {
		case *parse.FieldNode:
			if f := strings.Join(n.Ident, "."); !slices.Contains(allowed, f) {
				errs = append(errs, fmt.Errorf("{{.%s}} does not exist here: use one of .%s", f, strings.Join(allowed, ", .")))
			}
		case *parse.IdentifierNode:
			if !slices.Contains([]string{"and", "or", "not", "eq", "ne"}, n.Ident) {
				errs = append(errs, fmt.Errorf("function %q is not allowed: use and, or, not, eq, ne", n.Ident))
			}
		case *parse.TextNode, *parse.ListNode, *parse.ActionNode, *parse.PipeNode, *parse.CommandNode, *parse.IfNode,
			*parse.StringNode, *parse.NumberNode, *parse.BoolNode, *parse.CommentNode:
		default:
			errs = append(errs, fmt.Errorf("%s is not allowed: use placeholders and {{if}} only", strings.TrimSpace(n.String())))
		}
	})
	return errors.Join(errs...)
}

// shows reports whether a placeholder is printed somewhere, not only asked for in a condition.
func shows(tree *parse.Tree, field string) bool {
	found := false
	walk(tree.Root, func(n parse.Node) {
		if a, ok := n.(*parse.ActionNode); ok {
			for _, c := range a.Pipe.Cmds {
				for _, arg := range c.Args {
					if f, ok := arg.(*parse.FieldNode); ok && strings.Join(f.Ident, ".") == field {
						found = true
					}
				}
			}
		}
	})
	return found
}

func walk(n parse.Node, visit func(parse.Node)) {
	visit(n)
	switch n := n.(type) {
	case *parse.ListNode:
		for _, c := range n.Nodes {
			walk(c, visit)
		}
	case *parse.ActionNode:
		walk(n.Pipe, visit)
	case *parse.PipeNode:
		for _, d := range n.Decl {
			walk(d, visit)
		}
		for _, c := range n.Cmds {
			walk(c, visit)
		}
	case *parse.CommandNode:
		for _, a := range n.Args {
			walk(a, visit)
		}
	case *parse.IfNode:
		walk(n.Pipe, visit)
		walk(n.List, visit)
		if n.ElseList != nil {
			walk(n.ElseList, visit)
		}
	}
}
