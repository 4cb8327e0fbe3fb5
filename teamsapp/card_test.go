package teamsapp_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

// fullCard is a card with every element and action.
func fullCard() *teamsapp.Card {
	return &teamsapp.Card{
		Summary: "Contoso IT asks: is this you?",
		Locale:  "en-GB",
		Body: []teamsapp.Element{
			teamsapp.Heading{"Is this you?"},
			teamsapp.Text{Text: "Contoso IT is on the phone with you.\nType the number that you hear.", Strong: true, Color: teamsapp.ColorAccent},
			teamsapp.Facts{{"Asked by", "Ann Smith"}, {"Empty", ""}, {"For", "Reset of a password\nTicket T-17"}},
			teamsapp.Secret{Value: mspkit.Redact("48 15-16"), Label: "Your code"},
			teamsapp.Input{ID: "number", Label: "Number", Placeholder: "3 digits", Required: true, Error: "Type the number", MaxLength: 12, Number: true},
			teamsapp.Image{URL: "https://contoso.example/logo.png", Alt: "Contoso", Width: 64},
			teamsapp.Columns{{teamsapp.Text{Text: "left"}}, {teamsapp.Text{Text: "right", Subtle: true}}},
			teamsapp.Section{Color: teamsapp.ColorWarning, Body: []teamsapp.Element{teamsapp.Text{Text: "If somebody called you, press not me."}}},
		},
		Actions: []teamsapp.Action{
			teamsapp.Press{Title: "Confirm", Verb: "verify", Data: map[string]string{"id": "v1"}, Primary: true},
			teamsapp.Press{Title: "Not me", Verb: "deny", Danger: true, NoInputs: true},
			teamsapp.OpenURL{Title: "Help", URL: "https://contoso.example/help"},
		},
	}
}

// readCard returns the card's JSON, as text and read again.
func readCard(t testing.TB, c *teamsapp.Card) (string, map[string]any) {
	t.Helper()
	b, err := c.JSON()
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(b, &m))
	return string(b), m
}

func TestACardIsWrittenAsTeamsTakesIt(t *testing.T) {
	t.Parallel()
	// A block of one run: its style as it stands before and after the text in the order of names.
	block := func(s, before, after, spacing string) string {
		return `{"inlines":[{` + before + `"text":"` + s + `","type":"TextRun"` + after + `}],` + spacing + `"type":"RichTextBlock"}`
	}
	const strong, near = `,"weight":"bolder"`, `"spacing":"none",`
	row := func(name, values, spacing string) string {
		return `{"columns":[{"items":[` + block(name, "", strong, "") + `],"type":"Column","width":2},{"items":[` + values + `],"type":"Column","width":3}],` + spacing + `"type":"ColumnSet"}`
	}
	want := `{"$schema":"http://adaptivecards.io/schemas/adaptive-card.json","actions":[` +
		`{"data":{"id":"v1"},"fallback":{"data":{"id":"v1","mspkitVerb":"verify"},"style":"positive","title":"Confirm","type":"Action.Submit"},"style":"positive","title":"Confirm","type":"Action.Execute","verb":"verify"},` +
		`{"associatedInputs":"none","data":{},"fallback":{"associatedInputs":"none","data":{"mspkitVerb":"deny"},"style":"destructive","title":"Not me","type":"Action.Submit"},"style":"destructive","title":"Not me","type":"Action.Execute","verb":"deny"},` +
		`{"title":"Help","type":"Action.OpenUrl","url":"https://contoso.example/help"}],` +
		`"body":[` + strings.Join([]string{
		`{"size":"large","style":"heading","text":"Is this you?","type":"TextBlock","weight":"bolder","wrap":true}`,
		block("Contoso IT is on the phone with you.", `"color":"accent",`, strong, ""),
		block("Type the number that you hear.", `"color":"accent",`, strong, near),
		row("Asked by", block("Ann Smith", "", "", ""), ""),
		row("For", block("Reset of a password", "", "", "")+","+block("Ticket T-17", "", "", near), `"spacing":"small",`),
		block("Your code", `"isSubtle":true,`, "", ""),
		block("48 15-16", `"fontType":"monospace","size":"extraLarge",`, strong, ""),
		`{"errorMessage":"Type the number","id":"number","isRequired":true,"label":"Number","maxLength":12,"placeholder":"3 digits","style":"tel","type":"Input.Text"}`,
		`{"altText":"Contoso","type":"Image","url":"https://contoso.example/logo.png","width":"64px"}`,
		`{"columns":[{"items":[` + block("left", "", "", "") + `],"type":"Column","width":"auto"},{"items":[` + block("right", `"isSubtle":true,`, "", "") + `],"type":"Column","width":"stretch"}],"type":"ColumnSet"}`,
		`{"items":[` + block("If somebody called you, press not me.", "", "", "") + `],"style":"warning","type":"Container"}`,
	}, ",") + `],"fallbackText":"Contoso IT asks: is this you?","lang":"en-GB","type":"AdaptiveCard","version":"1.5"}`

	got, _ := readCard(t, fullCard())
	require.Equal(t, want, got)
	again, _ := readCard(t, fullCard())
	require.Equal(t, got, again, "equal cards are equal bytes")
	require.Equal(t, len(got), fullCard().Size())
}

func TestALongCodeOfDigitsIsGrouped(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"12345": "12345", "123456": "123\u00a0456", "1234567": "1234\u00a0567", "12345678": "1234\u00a05678",
		"123 456": "123 456", "abcdef": "abcdef", "12345a": "12345a",
	} {
		got, _ := readCard(t, &teamsapp.Card{Summary: "A code", Body: []teamsapp.Element{teamsapp.Secret{Value: mspkit.Redact(value), Label: "Code"}}})
		require.Contains(t, got, `"text":"`+want+`"`)
	}
}

// foreign are texts that mean something in Markdown, in a card, or to a client.
var foreign = []string{
	"[click](https://evil.example)", "**x**", "_x_", "`x`", "{{DATE(2017-02-14T06:08:39Z)}}", "{{{TIME(2017-02-14T06:08:39Z)}}",
	"<at>x</at>", "<b>x</b>", "&lt;b&gt; &#42;", "# x", "- x", "1. x", "12) x", "+ x", "> x", "~~x~~", "| x |", `\*x\*`, "${x}",
	"https://evil.example", "www.evil.example", "WWW.evil.example", "x@evil.example", "![x](https://evil.example/x.png)", "===",
}

func TestForeignTextIsInert(t *testing.T) {
	t.Parallel()
	for _, s := range foreign {
		c := &teamsapp.Card{
			Summary: s,
			Body: []teamsapp.Element{
				teamsapp.Heading{s},
				teamsapp.Text{Text: s},
				teamsapp.Facts{{s, s}},
				teamsapp.Input{ID: "a", Label: s, Placeholder: s, Error: s, Required: true},
				teamsapp.Image{URL: "https://contoso.example/x.png", Alt: s},
				teamsapp.Section{Body: []teamsapp.Element{teamsapp.Columns{{teamsapp.Text{Text: s}}}}},
			},
			Actions: []teamsapp.Action{teamsapp.Press{Title: s, Verb: "x", Data: map[string]string{"x": s}}, teamsapp.OpenURL{Title: s, URL: "https://contoso.example"}},
		}
		_, m := readCard(t, c)
		shown := inertTexts(t, m)
		require.Equal(t, []string{s, s, s, s}, shown, "as it is, where Markdown is not known")
		require.Contains(t, c.Text(), s)
	}
}

func TestAHeadingReadsLikeItsText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"[click](https://evil.example)": "［click］(https：//evil.example)",
		"**x** {{DATE(x)}}":             "＊＊x＊＊ ｛｛DATE(x)｝｝",
		"1. www.evil.example &amp;":     "1． www．evil.example ＆amp;",
		"12) x":                         "12） x",
		"- x":                           "－ x",
		"Müller & Söhne: 3 digits (a.b.), 5.5 - 6 % at 14:03 / “you”?": "Müller & Söhne: 3 digits (a.b.), 5.5 - 6 % at 14:03 / “you”?",
	} {
		c := &teamsapp.Card{Summary: in, Body: []teamsapp.Element{teamsapp.Heading{Text: in}}}
		_, m := readCard(t, c)
		require.Equal(t, want, m["fallbackText"])
		body, _ := m["body"].([]any)
		heading, _ := body[0].(map[string]any)
		require.Equal(t, want, heading["text"])
		require.Equal(t, in+"\n"+in, c.Text())
	}
}

func TestWhatNobodySeesIsDropped(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a\u202Eb\u202C":          "ab",                      // right-to-left override
		"a\u2066b\u2069":          "ab",                      // isolate
		"a\u200Bb\uFEFFc":         "abc",                     // zero width
		"a\u00ADb":                "ab",                      // soft hyphen
		"می\u200Cخواهم":           "می\u200Cخواهم",           // Persian needs its joiners
		"👩\u200D🔧":                "👩\u200D🔧",                // so do emoji
		"a\U000E0041\u034Fb":      "ab",                      // tags, grapheme joiner
		strings.Repeat("{", 1000): strings.Repeat("{", 1000), // no reason to refuse a card
		"{\u200B{DATE(x)}}":       "{{DATE(x)}}",             // what it hides is looked at
	} {
		_, m := readCard(t, &teamsapp.Card{Summary: "x", Body: []teamsapp.Element{teamsapp.Text{Text: in}}})
		require.Equal(t, []string{want}, inertTexts(t, m), "%q", in)
	}
	_, m := readCard(t, &teamsapp.Card{Summary: "x", Body: []teamsapp.Element{teamsapp.Text{Text: " a\tb \r\nb\rc\u2028d\n\n\ne"}}})
	require.Equal(t, []string{"a b", "b", "c", "d", "e"}, inertTexts(t, m))
}

// inertTexts checks a card as it was read again and returns what it shows in blocks that know no Markdown, a string each.
func inertTexts(t testing.TB, v any) (shown []string) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			shown = append(shown, inertTexts(t, e)...)
		}
	case map[string]any:
		for k, e := range v {
			s, ok := e.(string)
			if !ok {
				continue
			}
			switch k {
			case "text":
				require.NotRegexp(t, `\{\{[A-Za-z]`, s)
				if v["type"] == "TextBlock" {
					noMarkdown(t, s)
				}
			case "label", "errorMessage", "fallbackText":
				noMarkdown(t, s)
			case "value", "speak", "selectAction":
				t.Fatalf("%s is read as Markdown, spoken or pressed", k)
			}
		}
		if v["type"] == "RichTextBlock" {
			var b strings.Builder
			inlines, _ := v["inlines"].([]any)
			require.NotEmpty(t, inlines)
			for _, run := range inlines {
				r, _ := run.(map[string]any)
				require.Equal(t, "TextRun", r["type"])
				text, _ := r["text"].(string)
				require.NotEmpty(t, text)
				require.NotRegexp(t, `\{\{[A-Za-z]`, text)
				b.WriteString(text)
			}
			return []string{b.String()}
		}
		require.NotContains(t, []any{"FactSet", "Input.ChoiceSet", "Input.Toggle"}, v["type"])
		for _, k := range []string{"body", "columns", "items", "actions", "fallback"} {
			shown = append(shown, inertTexts(t, v[k])...)
		}
	}
	return shown
}

// noMarkdown is written apart from the code that it checks.
func noMarkdown(t testing.TB, s string) {
	t.Helper()
	for _, part := range []string{"*", "_", "[", "]", "<", ">", "`", "~", "#", "|", `\`, "{", "}", "@", "://", "\n", "\r"} {
		require.NotContains(t, s, part)
	}
	require.NotContains(t, strings.ToLower(s), "www.")
	require.NotRegexp(t, `^([-+=]|[0-9]+[.)])`, s)
	require.NotRegexp(t, `&[#a-zA-Z]`, s)
}

func TestValidateNamesEveryFault(t *testing.T) {
	t.Parallel()
	deep := func(n int) teamsapp.Element {
		e := teamsapp.Element(teamsapp.Text{Text: "x"})
		for range n {
			e = teamsapp.Section{Body: []teamsapp.Element{e}}
		}
		return e
	}
	input := func(change func(*teamsapp.Input)) teamsapp.Element {
		i := teamsapp.Input{ID: "a", Label: "A"}
		change(&i)
		return i
	}
	press := func(change func(*teamsapp.Press)) teamsapp.Action {
		p := teamsapp.Press{Title: "A", Verb: "a"}
		change(&p)
		return p
	}
	secret := teamsapp.Secret{Value: mspkit.Redact("481-516"), Label: "Code"}
	long := strings.Repeat("x", 10<<10)
	body := func(e ...teamsapp.Element) *teamsapp.Card { return &teamsapp.Card{Summary: "x", Body: e} }
	actions := func(a ...teamsapp.Action) *teamsapp.Card {
		return &teamsapp.Card{Summary: "x", Body: []teamsapp.Element{teamsapp.Input{ID: "a", Label: "A"}, secret}, Actions: a}
	}
	data := func(name, value string) *teamsapp.Card {
		return actions(press(func(p *teamsapp.Press) { p.Data = map[string]string{name: value} }))
	}
	var none *teamsapp.Card
	for name, tt := range map[string]struct {
		card *teamsapp.Card
		want string
	}{
		"no card":              {none, "there is no card"},
		"no summary":           {&teamsapp.Card{}, "summary: it is required"},
		"a long summary":       {&teamsapp.Card{Summary: strings.Repeat("ä", 201)}, "summary: it is longer than 200 characters"},
		"a summary of lines":   {&teamsapp.Card{Summary: "a\nb"}, "summary: it is more than one line"},
		"an invisible summary": {&teamsapp.Card{Summary: "\u200b\u202e"}, "summary: it is required"},
		"a bad locale":         {&teamsapp.Card{Summary: "x", Locale: "english language"}, "locale: it is not a language tag"},
		"secret in summary":    {&teamsapp.Card{Summary: "Code 481516", Body: []teamsapp.Element{secret}}, "summary: a secret of the card is in it"},
		"secret, spaced":       {&teamsapp.Card{Summary: "4 8 1–5 1 6", Body: []teamsapp.Element{secret}}, "summary: a secret of the card is in it"},
		"secret, other digits": {&teamsapp.Card{Summary: "４８١٥𝟏𞥖", Body: []teamsapp.Element{secret}}, "summary: a secret of the card is in it"},
		"secret, hidden":       {&teamsapp.Card{Summary: "481\u200b516", Body: []teamsapp.Element{secret}}, "summary: a secret of the card is in it"},
		"secret, minus":        {&teamsapp.Card{Summary: "481\u2212516", Body: []teamsapp.Element{secret}}, "summary: a secret of the card is in it"},
		"secret, other case":   {&teamsapp.Card{Summary: "ABCdef", Body: []teamsapp.Element{teamsapp.Secret{Value: mspkit.Redact("Abc-Def"), Label: "x"}}}, "summary: a secret of the card is in it"},
		"a long locale":        {&teamsapp.Card{Summary: "x", Locale: "de-12345678-12345678-12345678-12345678"}, "locale: it is not a language tag"},
		"secret in a section":  {&teamsapp.Card{Summary: "481516", Body: []teamsapp.Element{teamsapp.Section{Body: []teamsapp.Element{teamsapp.Columns{{secret}}}}}}, "summary: a secret of the card is in it"},
		"secret in the locale": {&teamsapp.Card{Summary: "x", Locale: "de-481516", Body: []teamsapp.Element{secret}}, "locale: a secret of the card is in it"},
		"a nil element":        {body(nil), "body[0]: it is nil"},
		"a pointer":            {body(teamsapp.Text{Text: "x"}, &teamsapp.Text{Text: "x"}), "body[1]: *teamsapp.Text is not an element"},
		"no heading":           {body(teamsapp.Heading{}), "body[0]: it is required"},
		"a heading of lines":   {body(teamsapp.Heading{"a\u2028b"}), "body[0]: it is more than one line"},
		"no text":              {body(teamsapp.Text{Text: " \n "}), "body[0]: it is required"},
		"a control character":  {body(teamsapp.Text{Text: "a\x1bb"}), "body[0]: there is a control character in it"},
		"not UTF-8":            {body(teamsapp.Text{Text: "a\xff"}), "body[0]: it is not UTF-8"},
		"a long text":          {body(teamsapp.Text{Text: long}), "body[0]: it is longer than 4000 characters"},
		"a strange color":      {body(teamsapp.Text{Text: "x", Color: "red"}), "body[0]: color: it is not one of the colors"},
		"a long name":          {body(teamsapp.Text{Text: "x"}, teamsapp.Facts{{"a", "b"}, {"Name", long}}), "body[1][1]: value: it is longer than 1000 characters"},
		"a fact without name":  {body(teamsapp.Facts{{"", "b"}}), "body[0][0]: name: it is required"},
		"a fact of controls":   {body(teamsapp.Facts{{"a", "\x00"}}), "body[0][0]: value: there is a control character"},
		"a secret of nothing":  {body(teamsapp.Secret{Label: "x"}), "body[0]: value: it is required"},
		"a secret of dashes":   {body(teamsapp.Secret{Label: "x", Value: mspkit.Redact("- –")}), "body[0]: value: it is nothing but"},
		"a secret, no label":   {body(teamsapp.Secret{Value: mspkit.Redact("123456")}), "body[0]: label: it is required"},
		"no input id":          {body(input(func(i *teamsapp.Input) { i.ID = "" })), "body[0]: id: it is not a letter"},
		"a strange input id":   {body(input(func(i *teamsapp.Input) { i.ID = "a-b" })), "body[0]: id: it is not a letter"},
		"an id of a digit":     {body(input(func(i *teamsapp.Input) { i.ID = "1a" })), "body[0]: id: it is not a letter"},
		"our id":               {body(input(func(i *teamsapp.Input) { i.ID = teamsapp.SubmitVerb })), "body[0]: id: it has a meaning of its own"},
		"Teams' id":            {body(input(func(i *teamsapp.Input) { i.ID = "msteams" })), "body[0]: id: it has a meaning of its own"},
		"equal ids":            {body(input(func(*teamsapp.Input) {}), teamsapp.Columns{{teamsapp.Text{Text: "x"}}, {input(func(*teamsapp.Input) {})}}), "body[1][1][0]: id: another input has it"},
		"no label":             {body(input(func(i *teamsapp.Input) { i.Label = "" })), "body[0]: label: it is required"},
		"no error":             {body(input(func(i *teamsapp.Input) { i.Required = true })), "body[0]: error: it is required"},
		"a negative length":    {body(input(func(i *teamsapp.Input) { i.MaxLength = -1 })), "body[0]: max length: it is negative"},
		"secret as hint":       {body(secret, input(func(i *teamsapp.Input) { i.Placeholder = "481516" })), "body[1]: a secret of the card is in it"},
		"an http image":        {body(teamsapp.Image{URL: "http://a.example", Alt: "x"}), "body[0]: url: it is not an https URL"},
		"no image":             {body(teamsapp.Image{Alt: "x"}), "body[0]: url: it is not an https URL"},
		"an image as data":     {body(teamsapp.Image{URL: "data:image/png;base64,AA", Alt: "x"}), "body[0]: url: it is not an https URL"},
		"a URL with a user":    {body(teamsapp.Image{URL: "https://good.example@evil.example", Alt: "x"}), "body[0]: url: there is a user in it"},
		"a URL with backslash": {body(teamsapp.Image{URL: `https://good.example/\evil.example`, Alt: "x"}), "body[0]: url: it is not an https URL"},
		"a URL with override":  {body(teamsapp.Image{URL: "https://good.example/\u202egnp", Alt: "x"}), "body[0]: url: it is not an https URL"},
		"no alt":               {body(teamsapp.Image{URL: "https://a.example"}), "body[0]: alt: it is required"},
		"secret as alt":        {body(secret, teamsapp.Image{URL: "https://a.example", Alt: "481 516"}), "body[1]: alt: a secret of the card is in it"},
		"a negative width":     {body(teamsapp.Image{URL: "https://a.example", Alt: "x", Width: -1}), "body[0]: width: it is negative"},
		"no columns":           {body(teamsapp.Columns{}), "body[0]: there is no column"},
		"an empty column":      {body(teamsapp.Columns{{teamsapp.Text{Text: "x"}}, {}}), "body[0]: there is no column, or one is empty"},
		"an empty section":     {body(teamsapp.Section{}), "body[0]: it is empty"},
		"too deep":             {body(deep(4)), "body[0].body[0].body[0].body[0].body[0]: it stands deeper than 4"},
		"seven buttons":        {actions(make([]teamsapp.Action, 7)...), "actions: there are more than 6"},
		"a nil button":         {actions(nil), "actions[0]: it is nil"},
		"a pointer to one":     {actions(&teamsapp.Press{}), "actions[0]: *teamsapp.Press is not an action"},
		"no title":             {actions(teamsapp.Press{Verb: "x"}), "actions[0]: title: it is required"},
		"no verb":              {actions(teamsapp.Press{Title: "x"}), "actions[0]: verb: it is required"},
		"a long verb":          {actions(teamsapp.Press{Title: "x", Verb: strings.Repeat("x", 65)}), "actions[0]: verb: it is longer than 64"},
		"two styles":           {actions(press(func(p *teamsapp.Press) { p.Primary, p.Danger = true, true })), "actions[0]: it is both"},
		"data like an input":   {data("a", "x"), "actions[0]: data: a name is an input's id"},
		"data like our verb":   {data(teamsapp.SubmitVerb, "x"), "actions[0]: data: a name has a meaning"},
		"data for Teams":       {data("msteams", "x"), "actions[0]: data: a name has a meaning"},
		"data without a name":  {data("", "x"), "actions[0]: data: a name is empty"},
		"data not UTF-8":       {data("x", "\xff"), "actions[0]: data: a name is empty, or a text is not UTF-8"},
		"secret in data":       {data("x", "v-481516"), "actions[0]: data: a secret of the card is in it"},
		"secret as a name":     {data("x481516", ""), "actions[0]: data: a secret of the card is in it"},
		"secret in a verb":     {actions(teamsapp.Press{Title: "x", Verb: "v481516"}), "actions[0]: verb: a secret of the card is in it"},
		"secret in a title":    {actions(teamsapp.Press{Title: "Use 481516", Verb: "v"}), "actions[0]: title: a secret of the card is in it"},
		"secret in a URL":      {actions(teamsapp.OpenURL{"x", "https://a.example/?c=481-516"}), "actions[0]: url: a secret of the card is in it"},
		"an image from here":   {body(teamsapp.Image{URL: "http://127.0.0.1:8080/a.png", Alt: "x"}), "body[0]: url: it is not an https URL"},
		"an http page":         {actions(teamsapp.OpenURL{"x", "http://a.example"}), "actions[0]: url: it is not an https URL"},
		"a script":             {actions(teamsapp.OpenURL{"x", "javascript:alert(1)"}), "actions[0]: url: it is not an https URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := tt.card.Validate()
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.ErrorContains(t, err, tt.want)
			require.Less(t, len(err.Error()), 1000, "the text itself is not in it")
			require.NotContains(t, err.Error(), "516")
			if tt.card != nil {
				_, encoded := tt.card.JSON()
				require.EqualError(t, encoded, err.Error())
			}
		})
	}

	require.NoError(t, fullCard().Validate())
	require.NoError(t, body(deep(3)).Validate())
	require.NoError(t, actions(teamsapp.OpenURL{"x", "http://127.0.0.1:8080/a"}).Validate(), "a page of one's own machine")
	c := body(teamsapp.Heading{}, nil)
	c.Actions = []teamsapp.Action{teamsapp.Press{}}
	err := c.Validate()
	for _, part := range []string{"body[0]: it is required", "body[1]: it is nil", "actions[0]: title: ", "actions[0]: verb: "} {
		require.ErrorContains(t, err, part, "all faults together")
	}
}

func TestACardThatIsTooLargeIsAFault(t *testing.T) {
	t.Parallel()
	c := &teamsapp.Card{Summary: "x"}
	for range 4 {
		c.Body = append(c.Body, teamsapp.Text{Text: strings.Repeat("x", 4000)})
	}
	require.NoError(t, c.Validate())
	require.NoError(t, teamsapp.CheckCard(c, c.Size()))
	require.ErrorIs(t, teamsapp.CheckCard(c, c.Size()-1), teamsapp.ErrTooLarge)
	c.Body = append(c.Body, c.Body...)
	err := c.Validate()
	require.ErrorIs(t, err, teamsapp.ErrTooLarge)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	require.NoError(t, teamsapp.CheckCard(c, 100<<10))
	_, err = c.JSON()
	require.ErrorIs(t, err, teamsapp.ErrTooLarge)
}

func TestACardThatHoldsItselfIsAFault(t *testing.T) {
	t.Parallel()
	body := make([]teamsapp.Element, 1)
	body[0] = teamsapp.Section{Body: body}
	c := &teamsapp.Card{Summary: "x", Body: body}
	require.ErrorContains(t, c.Validate(), "it stands deeper")
	require.NotZero(t, c.Size())
	require.Equal(t, "x", c.Text())
}

func TestTextSaysWhatTheCardSaysWithoutSecrets(t *testing.T) {
	t.Parallel()
	require.Equal(t, strings.Join([]string{
		"Contoso IT asks: is this you?", "Is this you?", "Contoso IT is on the phone with you.", "Type the number that you hear.",
		"Asked by: Ann Smith", "For: Reset of a password", "Ticket T-17", "left", "right", "If somebody called you, press not me.",
	}, "\n"), fullCard().Text())

	c := &teamsapp.Card{Summary: "Code 123456", Body: []teamsapp.Element{
		teamsapp.Text{Text: "It is 12 34 56.\nKeep it."}, teamsapp.Secret{Value: mspkit.Redact("123-456"), Label: "Code"}, teamsapp.Facts{{"Code", "１２３４５６"}},
	}}
	require.Equal(t, "Keep it.", c.Text(), "lines that repeat a secret are left out")
	c = &teamsapp.Card{Summary: "x", Body: []teamsapp.Element{teamsapp.Text{Text: "123\n456"}, teamsapp.Secret{Value: mspkit.Redact("123456"), Label: "Code"}}}
	require.Empty(t, c.Text())
	require.Empty(t, (*teamsapp.Card)(nil).Text())
	require.Zero(t, (*teamsapp.Card)(nil).Size())
}

func TestPrintingACardShowsNoSecret(t *testing.T) {
	t.Parallel()
	c := fullCard()
	s := teamsapp.Secret{Value: mspkit.Redact("48 15-16"), Label: "Your code"}
	var out bytes.Buffer
	for _, v := range []any{c, *c, s, &s, c.Body, []any{s}, teamsapp.Message{Card: c}, struct{ S *teamsapp.Secret }{&s}, teamsapp.Reply{Card: c}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	jsonLog, textLog := slog.New(slog.NewJSONHandler(&out, nil)), slog.New(slog.NewTextHandler(&out, nil))
	for _, log := range []*slog.Logger{jsonLog, textLog} {
		log.Info("x", slog.Any("card", c), slog.Any("copy", *c), slog.Any("secret", s), slog.Any("pointer", &s), slog.Any("body", c.Body), slog.Any("message", teamsapp.Message{Card: c}))
	}
	require.NotContains(t, out.String(), "15-16")
	require.NotContains(t, out.String(), fmt.Sprintf("%x", "15-16"))
	require.Contains(t, out.String(), "card=[card] copy=[card]", "the log says nothing of the card")

	_, err := json.Marshal(s)
	require.ErrorIs(t, err, mspkit.ErrRedacted)
	for _, v := range []any{c, *c, teamsapp.Message{Card: c}, teamsapp.Reply{Card: c}} {
		_, err = json.Marshal(v)
		require.ErrorIs(t, err, mspkit.ErrRedacted, "only the method JSON shows what is in it")
	}
}
