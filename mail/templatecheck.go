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
	commonFields = []string{
		"Brand.Name", "Brand.Phone", "Brand.Site", "Name", "Company", "Technician", "Ticket", "Action", "Role", "Heading", "Minutes", "Count", "Unit",
		"Change", "Consent", "Account", "Locale", "Dir",
	}
	subjectFields = commonFields
	bodyFields    = append(slices.Clone(commonFields), "Code", "Link", "Time", "Left", "Number", "Lines", "Brand.Color", "Brand.OnColor")
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

// checkTree allows text, placeholders that exist, if/else with and, or, not, eq, ne, and {{range .Lines}}{{.}}{{end}}:
// enough for a letter, and little enough to check completely.
func checkTree(tree *parse.Tree, defined int, allowed []string) error {
	if tree == nil || tree.Root == nil {
		return errors.New("is empty: write the text or remove the file")
	}
	if defined > 1 {
		return errors.New("uses {{define}} or {{block}}, which is not allowed: write the text in place")
	}
	var errs []error
	walk(tree.Root, false, func(n parse.Node, inRange bool) {
		switch n := n.(type) {
		case *parse.FieldNode:
			f := strings.Join(n.Ident, ".")
			switch {
			case !slices.Contains(allowed, f):
				errs = append(errs, fmt.Errorf("{{.%s}} does not exist here: use one of .%s", f, strings.Join(allowed, ", .")))
			case inRange:
				errs = append(errs, fmt.Errorf("{{.%s}} does not exist inside {{range}}: there {{.}} is the line, move it out", f))
			}
		case *parse.DotNode:
			if !inRange {
				errs = append(errs, errors.New("{{.}} is not allowed outside {{range .Lines}}: name a placeholder"))
			}
		case *parse.RangeNode:
			if !overLines(n) || !slices.Contains(allowed, "Lines") || inRange {
				errs = append(errs, fmt.Errorf("%s is not allowed: the only loop is {{range .Lines}}, and not in a subject", strings.TrimSpace(n.String())))
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

// overLines reports whether n is {{range .Lines}} without a variable or {{else}}.
func overLines(n *parse.RangeNode) bool {
	if len(n.Pipe.Decl) > 0 || n.ElseList != nil || len(n.Pipe.Cmds) != 1 || len(n.Pipe.Cmds[0].Args) != 1 {
		return false
	}
	f, ok := n.Pipe.Cmds[0].Args[0].(*parse.FieldNode)
	return ok && strings.Join(f.Ident, ".") == "Lines"
}

// showsAll reports whether everything is printed that the mail is useless without.
func showsAll(tree *parse.Tree, name string) bool {
	s := specs[name]
	return shows(tree, s.shows) && (s.shows != "Lines" || shows(tree, "Link"))
}

// mustShow names for an error what showsAll looks for.
func mustShow(name string) string {
	if s := specs[name].shows; s != "Lines" {
		return "{{." + s + "}}"
	}
	return "{{range .Lines}}{{.}}{{end}} and {{if .Link}}{{.Link}}{{end}}"
}

// shows reports whether a placeholder is printed somewhere, not only asked for in a condition. Lines are printed one by
// one, in a loop.
func shows(tree *parse.Tree, field string) bool {
	found := false
	walk(tree.Root, false, func(n parse.Node, inRange bool) {
		if a, ok := n.(*parse.ActionNode); ok {
			for _, c := range a.Pipe.Cmds {
				for _, arg := range c.Args {
					switch arg := arg.(type) {
					case *parse.FieldNode:
						found = found || field != "Lines" && strings.Join(arg.Ident, ".") == field
					case *parse.DotNode:
						found = found || field == "Lines" && inRange
					}
				}
			}
		}
	})
	return found
}

// walk visits every node below n, and says of each whether it stands inside a loop.
func walk(n parse.Node, inRange bool, visit func(n parse.Node, inRange bool)) {
	visit(n, inRange)
	switch n := n.(type) {
	case *parse.ListNode:
		for _, c := range n.Nodes {
			walk(c, inRange, visit)
		}
	case *parse.ActionNode:
		walk(n.Pipe, inRange, visit)
	case *parse.PipeNode:
		for _, d := range n.Decl {
			walk(d, inRange, visit)
		}
		for _, c := range n.Cmds {
			walk(c, inRange, visit)
		}
	case *parse.CommandNode:
		for _, a := range n.Args {
			walk(a, inRange, visit)
		}
	case *parse.IfNode:
		walk(n.Pipe, inRange, visit)
		walk(n.List, inRange, visit)
		if n.ElseList != nil {
			walk(n.ElseList, inRange, visit)
		}
	case *parse.RangeNode:
		walk(n.Pipe, inRange, visit)
		walk(n.List, true, visit)
		if n.ElseList != nil {
			walk(n.ElseList, inRange, visit)
		}
	}
}
