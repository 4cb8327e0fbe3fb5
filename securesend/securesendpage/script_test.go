package securesendpage_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What browsers must have for the scripts is a list of its own, so that nobody uses something newer without noticing. The
// test knows just enough of the language: it tells names that stand alone from names behind a dot, and what the script
// itself declares from what comes from the browser.
func TestScriptsUseOnlyWhatTheListOfTheBrowserAllows(t *testing.T) {
	t.Parallel()
	list := readAllowed(t)
	used := map[string]bool{}
	for _, name := range []string{"securesend.js", "sw.js"} {
		source, err := os.ReadFile("static/" + name)
		require.NoError(t, err)
		for _, fault := range checkScript(string(source), list, used) {
			t.Errorf("%s: %s", name, fault)
		}
	}
	for name := range list {
		if !used[name] {
			t.Errorf("testdata/browser-allow.txt: %s is used no more", name)
		}
	}
}

func TestTheCheckOfScriptsFindsWhatIsNewOrDangerous(t *testing.T) {
	t.Parallel()
	list := readAllowed(t)
	for name, source := range map[string]string{
		"a global":                  "structuredClone({});",
		"a member":                  "const a = []; a.at(-1);",
		"behind optional chaining":  "const a = []; a?.findLast(x => x);",
		"HTML":                      "document.body.innerHTML = '';",
		"eval":                      "eval('1');",
		"logical assignment":        "let a = 1; a ??= 2;",
		"another one":               "let a = 1; a ||= 2;",
		"a private field":           "class A { #x = 1; }",
		"a class field":             "class A { x = 1; }",
		"a static block":            "class A { static { } }",
		"a numeric separator":       "const a = 1_000;",
		"await at the top":          "await 1;",
		"a module":                  "import x from 'y';",
		"a look-behind":             "const a = /(?<=x)y/;",
		"a flag of regexps":         "const a = /x/v;",
		"a template":                "const a = `x`;",
		"by its name in a string":   "const a = []; a['at'](1);",
		"by a computed name":        "const k = 'a' + 't', a = []; self[k](1);",
		"a big number":              "const a = 1n;",
		"storage that stays":        "localStorage.setItem('a', 'b');",
		"the console":               "console.log(1);",
		"a string that is run":      "setTimeout('x', 1);",
		"a global behind self":      "self.structuredClone({});",
		"a member in an assignment": "document.cookie = 'a';",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, checkScript("'use strict';"+source, list, map[string]bool{}))
		})
	}
	require.Empty(t, checkScript(`"use strict"; (() => { const a = {b: 1, c(d) { return d / 2 / this.b; }}; for (const [x, y] of Object.entries(a)) if (/[/"]/g.test(x)) a.c(y ?? 0); })();`,
		map[string]bool{"Object": true, ".entries": true, ".test": true}, map[string]bool{}))
}

// readAllowed reads the list: one name a line, those of members with a dot in front.
func readAllowed(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("testdata/browser-allow.txt")
	require.NoError(t, err)
	list := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		for name := range strings.FieldsSeq(line) {
			require.False(t, list[name], "%s stands there twice", name)
			list[name] = true
		}
	}
	return list
}

// word is a token of a script: a name, a number, a string with its quotes, a regexp, or a sign.
type word struct {
	kind rune // 'n'ame, '0' number, 's'tring, 'r'egexp, '+' sign
	text string
}

var (
	nameSyntax   = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*`)
	numberSyntax = regexp.MustCompile(`^(0[xX][0-9a-fA-F_]+|[0-9][0-9_]*(\.[0-9_]+)?([eE][+-]?[0-9]+)?)n?`)
	stringSyntax = regexp.MustCompile(`^("(\\.|[^"\\\n])*"|'(\\.|[^'\\\n])*')`)
	regexpSyntax = regexp.MustCompile(`^/(\\.|\[(\\.|[^\]\\\n])*\]|[^/\\\[\n])+/[a-z]*`)
	signSyntax   = regexp.MustCompile(`^(\.\.\.|=>|===|!==|\?\?=|\|\|=|&&=|\*\*=|>>>|\?\.|\?\?|\|\||&&|\*\*|==|!=|<=|>=|\+\+|--|\+=|-=|\*=|/=|%=|\^=|\|=|&=|<<|>>|[^\s])`)
	space        = regexp.MustCompile(`^(\s+|//[^\n]*|/\*(?s:.*?)\*/)`)
)

func words(source string) []word {
	var out []word
	for source != "" {
		if m := space.FindString(source); m != "" {
			source = source[len(m):]
			continue
		}
		w := word{'+', ""}
		// A slash begins a regexp where no value can stand before it.
		value := len(out) > 0 && (out[len(out)-1].kind == '0' || out[len(out)-1].kind == 's' || out[len(out)-1].text == ")" || out[len(out)-1].text == "]" ||
			out[len(out)-1].kind == 'n' && !slices.Contains(keywords, out[len(out)-1].text))
		switch {
		case nameSyntax.MatchString(source):
			w = word{'n', nameSyntax.FindString(source)}
		case numberSyntax.MatchString(source):
			w = word{'0', numberSyntax.FindString(source)}
		case stringSyntax.MatchString(source):
			w = word{'s', stringSyntax.FindString(source)}
		case !value && regexpSyntax.MatchString(source):
			w = word{'r', regexpSyntax.FindString(source)}
		default:
			w.text = signSyntax.FindString(source)
		}
		source = source[len(w.text):]
		out = append(out, w)
	}
	return out
}

var keywords = strings.Fields("async await break case catch class const continue default delete do else extends false finally for function if in instanceof let new null of return static super switch this throw true try typeof undefined void while constructor get set")

// Signs and keywords that ES2020 does not have, or that do without a list what the list forbids.
var banned = strings.Fields("??= ||= &&= # ` @ import export yield debugger with var get set static")

// check finds what a script uses beyond the list, and notes in used what of it is used.
func checkScript(source string, list, used map[string]bool) (faults []string) {
	w := words(source)
	at := func(i int) word {
		if i < 0 || i >= len(w) {
			return word{}
		}
		return w[i]
	}
	own, keys := map[string]bool{}, map[string]bool{}
	// declare notes the names between two places.
	declare := func(from, to int) {
		for i := from; i < to; i++ {
			if at(i).kind == 'n' && at(i-1).text != "." && at(i-1).text != "?." {
				own[at(i).text] = true
			}
		}
	}
	pair := func(i, step int) int { // of the bracket at i
		for depth := 0; i >= 0 && i < len(w); i += step {
			switch at(i).text {
			case "(", "[", "{":
				depth += step
			case ")", "]", "}":
				depth -= step
			}
			if depth == 0 {
				return i
			}
		}
		return i
	}
	// Names that the script itself gives: declarations, parameters, keys and methods of its objects.
	for i, x := range w {
		switch {
		case x.text == "const" || x.text == "let":
			for j := i + 1; ; {
				end := j + 1
				if at(j).text == "{" || at(j).text == "[" {
					end = pair(j, 1) + 1
				}
				declare(j, end)
				// The next one follows the next comma outside of brackets, before the statement ends.
				for j = end; j < len(w) && at(j).text != "," && at(j).text != ";" && at(j).text != "of" && at(j).text != ")"; j++ {
					if slices.Contains([]string{"(", "[", "{"}, at(j).text) {
						j = pair(j, 1)
					}
				}
				if at(j).text != "," {
					break
				}
				j++
			}
		case x.text == "=>" && at(i-1).text == ")":
			declare(pair(i-1, -1), i)
		case x.text == "=>":
			declare(i-1, i)
		case x.text == "function" || x.text == "class":
			declare(i+1, i+2)
			if x.text == "function" {
				open := i + 1
				for at(open).text != "(" && open < len(w) {
					open++
				}
				declare(open, pair(open, 1))
			}
		case x.text == "catch" && at(i+1).text == "(":
			declare(i+2, i+3)
		case x.kind == 'n' && at(i+1).text == "(" && at(pair(i+1, 1)+1).text == "{" && slices.Contains([]string{"{", ",", "}", "async"}, at(i-1).text) && !slices.Contains(keywords[:len(keywords)-3], x.text):
			keys[x.text] = true
			declare(i+1, pair(i+1, 1))
		case x.kind == 'n' && at(i+1).text == ":" && (at(i-1).text == "{" || at(i-1).text == ","):
			keys[x.text] = true
		}
	}
	allow := func(name string) {
		used[name] = true
		if !list[name] {
			faults = append(faults, name+" is not in testdata/browser-allow.txt")
		}
	}
	depth := 0
	for i, x := range w {
		switch x.text {
		case "{":
			depth++
		case "}":
			depth--
		case "await":
			if depth == 0 {
				faults = append(faults, "await at the top")
			}
		case "[":
			// Behind a value stands an index: a number, or a name that is looked up in something of the script's own.
			if p := at(i - 1); (p.kind == 'n' && !slices.Contains(keywords, p.text) || p.text == "]" || p.text == ")") && (at(i+1).kind == 's' || list[p.text]) {
				faults = append(faults, "a member by a computed name, of "+p.text)
			}
		}
		member := at(i-1).text == "." || at(i-1).text == "?."
		switch {
		case x.kind == '0' && (strings.Contains(x.text, "_") || strings.HasSuffix(x.text, "n") && !strings.HasPrefix(x.text, "0x")):
			faults = append(faults, "a number of ES2021 or a big one: "+x.text)
		case x.kind == 'r' && (strings.Contains(x.text, "(?<") || strings.ContainsAny(x.text[strings.LastIndex(x.text, "/"):], "dvy")):
			faults = append(faults, "a regexp that not every browser reads: "+x.text)
		case slices.Contains(banned, x.text) && !member && !keys[x.text]:
			faults = append(faults, "this is not allowed: "+x.text)
		case x.kind != 'n':
		case member && (keys[x.text] || list["."+x.text]):
			if list["."+x.text] {
				used["."+x.text] = true
			}
		case member:
			allow("." + x.text)
		case at(i+1).text == ":" && (at(i-1).text == "{" || at(i-1).text == ","), slices.Contains(keywords, x.text), own[x.text], keys[x.text]:
		case x.text == "setTimeout" && at(i+1).text == "(" && at(i+2).kind == 's':
			faults = append(faults, "a string that is run")
		default:
			allow(x.text)
		}
		if x.text == "class" && classField(w[i:]) {
			faults = append(faults, "a field of a class")
		}
	}
	return faults
}

// classField reports whether a class has fields, which came after ES2020.
func classField(w []word) bool {
	depth := 0
	for i, x := range w {
		switch x.text {
		case "{", "(":
			depth++
		case "}", ")":
			if depth--; depth == 0 && x.text == "}" {
				return false
			}
		}
		if depth == 1 && x.text == "=" && w[i-1].kind == 'n' {
			return true
		}
	}
	return false
}
