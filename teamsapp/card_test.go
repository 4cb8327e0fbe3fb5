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
	. "github.com/mspkit/mspkit/teamsapp"
)

// fullCard is a card with every element and action.
func fullCard() *Card {
	return &Card{
		Summary: "Contoso IT asks: is this you?",
		Locale:  "en-GB",
		Body: []Element{
			Heading{"Is this you?"},
			Text{Text: "Contoso IT is on the phone with you.\nType the number that you hear.", Strong: true, Color: ColorAccent},
			Facts{{"Asked by", "Ann Smith"}, {"Empty", ""}, {"For", "Reset of a password\nTicket T-17"}},
			Secret{Value: mspkit.Redact("48 15-16"), Label: "Your code"},
			Input{ID: "number", Label: "Number", Placeholder: "3 digits", Required: true, Error: "Type the number", MaxLength: 12, Number: true},
			Image{URL: "https://contoso.example/logo.png", Alt: "Contoso", Width: 64},
			Columns{{Text{Text: "left"}}, {Text{Text: "right", Subtle: true}}},
			Section{Color: ColorWarning, Body: []Element{Text{Text: "If somebody called you, press not me."}}},
		},
		Actions: []Action{
			Press{Title: "Confirm", Verb: "verify", Data: map[string]string{"id": "v1"}, Primary: true},
			Press{Title: "Not me", Verb: "deny", Danger: true, NoInputs: true},
			OpenURL{Title: "Help", URL: "https://contoso.example/help"},
		},
	}
}

// readCard returns the card's JSON, as text and read again.
func readCard(t testing.TB, c *Card) (string, map[string]any) {
	t.Helper()
	b, err := json.Marshal(c)
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(b, &m))
	return string(b), m
}

func TestACardIsWrittenAsTeamsTakesIt(t *testing.T) {
	t.Parallel()
	text := func(s, style string) string {
		return `{"inlines":[{` + style + `"text":"` + s + `","type":"TextRun"}],"type":"RichTextBlock"}`
	}
	next := func(s, style string) string {
		return `{"inlines":[{` + style + `"text":"` + s + `","type":"TextRun"}],"spacing":"none","type":"RichTextBlock"}`
	}
	row := func(name, values, more string) string {
		return `{"columns":[{"items":[` + text(name, `"weight":"bolder",`) + `],"type":"Column","width":2},{"items":[` + values + `],"type":"Column","width":3}],` + more + `"type":"ColumnSet"}`
	}
	want := `{"$schema":"http://adaptivecards.io/schemas/adaptive-card.json","actions":[` +
		`{"data":{"id":"v1"},"fallback":{"data":{"id":"v1","mspkitVerb":"verify"},"style":"positive","title":"Confirm","type":"Action.Submit"},"style":"positive","title":"Confirm","type":"Action.Execute","verb":"verify"},` +
		`{"associatedInputs":"none","data":{},"fallback":{"associatedInputs":"none","data":{"mspkitVerb":"deny"},"style":"destructive","title":"Not me","type":"Action.Submit"},"style":"destructive","title":"Not me","type":"Action.Execute","verb":"deny"},` +
		`{"title":"Help","type":"Action.OpenUrl","url":"https://contoso.example/help"}],` +
		`"body":[` + strings.Join([]string{
		`{"size":"large","style":"heading","text":"Is this you?","type":"TextBlock","weight":"bolder","wrap":true}`,
		text("Contoso IT is on the phone with you.", `"color":"accent",`) + "," + next("Type the number that you hear.", `"color":"accent",`),
		row("Asked by", text("Ann Smith", ""), ""),
		row("For", text("Reset of a password", "")+","+next("Ticket T-17", ""), `"spacing":"small",`),
		text("Your code", `"isSubtle":true,`),
		text("48 15-16", `"fontType":"monospace","size":"extraLarge",`),
		`{"errorMessage":"Type the number","id":"number","isRequired":true,"label":"Number","maxLength":12,"placeholder":"3 digits","style":"tel","type":"Input.Text"}`,
		`{"altText":"Contoso","type":"Image","url":"https://contoso.example/logo.png","width":"64px"}`,
		`{"columns":[{"items":[` + text("left", "") + `],"type":"Column","width":"auto"},{"items":[` + text("right", `"isSubtle":true,`) + `],"type":"Column","width":"stretch"}],"type":"ColumnSet"}`,
		`{"items":[` + text("If somebody called you, press not me.", "") + `],"style":"warning","type":"Container"}`,
	}, ",") + `],"fallbackText":"Contoso IT asks: is this you?","lang":"en-GB","type":"AdaptiveCard","version":"1.5"}`
	// What is strong is bolder; written here once, since the helpers above sort no names.
	want = strings.NewReplacer(
		`"color":"accent","text":"Contoso IT is on the phone with you.","type":"TextRun"`, `"color":"accent","text":"Contoso IT is on the phone with you.","type":"TextRun","weight":"bolder"`,
		`"color":"accent","text":"Type the number that you hear.","type":"TextRun"`, `"color":"accent","text":"Type the number that you hear.","type":"TextRun","weight":"bolder"`,
		`"weight":"bolder","text":"Asked by","type":"TextRun"`, `"text":"Asked by","type":"TextRun","weight":"bolder"`,
		`"weight":"bolder","text":"For","type":"TextRun"`, `"text":"For","type":"TextRun","weight":"bolder"`,
		`"text":"48 15-16","type":"TextRun"`, `"text":"48 15-16","type":"TextRun","weight":"bolder"`,
	).Replace(want)

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
		got, _ := readCard(t, &Card{Summary: "A code", Body: []Element{Secret{Value: mspkit.Redact(value), Label: "Code"}}})
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
		c := &Card{
			Summary: s,
			Body: []Element{
				Heading{s},
				Text{Text: s},
				Facts{{s, s}},
				Input{ID: "a", Label: s, Placeholder: s, Error: s, Required: true},
				Image{URL: "https://contoso.example/x.png", Alt: s},
				Section{Body: []Element{Columns{{Text{Text: s}}}}},
			},
			Actions: []Action{Press{Title: s, Verb: "x", Data: map[string]string{"x": s}}, OpenURL{Title: s, URL: "https://contoso.example"}},
		}
		_, m := readCard(t, c)
		shown := inertTexts(t, m)
		require.Equal(t, []string{s, s, s, s}, shown, "as it is, where Markdown is not known")
		require.Contains(t, c.Text(), s)
	}
}

func TestWhatNobodySeesIsDropped(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a\u202Eb\u202C":     "ab",               // right-to-left override
		"a\u2066b\u2069":     "ab",               // isolate
		"a\u200Bb\uFEFFc":    "abc",              // zero width
		"a\u00ADb":           "ab",               // soft hyphen
		"می\u200Cخواهم":      "می\u200Cخواهم",    // Persian needs its joiners
		"👩\u200D🔧":           "👩\u200D🔧",         // so do emoji
		" a\tb ":             "a b",              // white space
		"a\U000E0041\u034Fb": "ab",               // tags, grapheme joiner
		"{\u200B{DATE(x)}}":  "{" + "{DATE(x)}}", // what it hides is looked at
	} {
		_, m := readCard(t, &Card{Summary: "x", Body: []Element{Text{Text: in}}})
		require.Equal(t, []string{want}, inertTexts(t, m), "%q", in)
	}
	_, m := readCard(t, &Card{Summary: "x", Body: []Element{Text{Text: "a\r\nb\rc\u2028d\n\n\ne"}}})
	require.Equal(t, []string{"a", "b", "c", "d", "e"}, inertTexts(t, m))
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
				require.NotContains(t, s, "{{")
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
				require.NotContains(t, text, "{{")
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
	deep := func(n int) Element {
		e := Element(Text{Text: "x"})
		for range n {
			e = Section{Body: []Element{e}}
		}
		return e
	}
	input := func(change func(*Input)) Element {
		i := Input{ID: "a", Label: "A"}
		change(&i)
		return i
	}
	press := func(change func(*Press)) Action {
		p := Press{Title: "A", Verb: "a"}
		change(&p)
		return p
	}
	secret := Secret{Value: mspkit.Redact("481-516"), Label: "Code"}
	long := strings.Repeat("x", 10<<10)
	body := func(e ...Element) *Card { return &Card{Summary: "x", Body: e} }
	actions := func(a ...Action) *Card {
		return &Card{Summary: "x", Body: []Element{Input{ID: "a", Label: "A"}, secret}, Actions: a}
	}
	data := func(name, value string) *Card {
		return actions(press(func(p *Press) { p.Data = map[string]string{name: value} }))
	}
	var none *Card
	for name, tt := range map[string]struct {
		card *Card
		want string
	}{
		"no card":              {none, "there is no card"},
		"no summary":           {&Card{}, "summary: it is required"},
		"a long summary":       {&Card{Summary: strings.Repeat("ä", 201)}, "summary: it is longer than 200 characters"},
		"a summary of lines":   {&Card{Summary: "a\nb"}, "summary: it is more than one line"},
		"an invisible summary": {&Card{Summary: "\u200b\u202e"}, "summary: it is required"},
		"a bad locale":         {&Card{Summary: "x", Locale: "english language"}, "locale: it is not a language tag"},
		"secret in summary":    {&Card{Summary: "Code 481516", Body: []Element{secret}}, "summary: a secret of the card is in it"},
		"secret, spaced":       {&Card{Summary: "4 8 1–5 1 6", Body: []Element{secret}}, "summary: a secret of the card is in it"},
		"secret, other digits": {&Card{Summary: "４８１٥١٦", Body: []Element{secret}}, "summary: a secret of the card is in it"},
		"secret, hidden":       {&Card{Summary: "481\u200b516", Body: []Element{secret}}, "summary: a secret of the card is in it"},
		"secret in a section":  {&Card{Summary: "481516", Body: []Element{Section{Body: []Element{Columns{{secret}}}}}}, "summary: a secret of the card is in it"},
		"secret in the locale": {&Card{Summary: "x", Locale: "de-481516", Body: []Element{secret}}, "locale: a secret of the card is in it"},
		"a nil element":        {body(nil), "body[0]: it is nil"},
		"a pointer":            {body(Text{Text: "x"}, &Text{Text: "x"}), "body[1]: *teamsapp.Text is not an element"},
		"no heading":           {body(Heading{}), "body[0]: it is required"},
		"a heading of lines":   {body(Heading{"a\u2028b"}), "body[0]: it is more than one line"},
		"no text":              {body(Text{Text: " \n "}), "body[0]: it is required"},
		"a control character":  {body(Text{Text: "a\x1bb"}), "body[0]: there is a control character in it"},
		"not UTF-8":            {body(Text{Text: "a\xff"}), "body[0]: it is not UTF-8"},
		"a long text":          {body(Text{Text: long}), "body[0]: it is longer than 4000 characters"},
		"a strange color":      {body(Text{Text: "x", Color: "red"}), "body[0]: color: it is not one of the colors"},
		"a long name":          {body(Text{Text: "x"}, Facts{{"a", "b"}, {"Name", long}}), "body[1][1]: value: it is longer than 1000 characters"},
		"a fact without name":  {body(Facts{{"", "b"}}), "body[0][0]: name: it is required"},
		"a fact of controls":   {body(Facts{{"a", "\x00"}}), "body[0][0]: value: there is a control character"},
		"a secret of nothing":  {body(Secret{Label: "x"}), "body[0]: value: it is required"},
		"a secret of dashes":   {body(Secret{Label: "x", Value: mspkit.Redact("- –")}), "body[0]: value: it is nothing but"},
		"a secret, no label":   {body(Secret{Value: mspkit.Redact("123456")}), "body[0]: label: it is required"},
		"no input id":          {body(input(func(i *Input) { i.ID = "" })), "body[0]: id: it is not a letter"},
		"a strange input id":   {body(input(func(i *Input) { i.ID = "a-b" })), "body[0]: id: it is not a letter"},
		"an id of a digit":     {body(input(func(i *Input) { i.ID = "1a" })), "body[0]: id: it is not a letter"},
		"our id":               {body(input(func(i *Input) { i.ID = SubmitVerb })), "body[0]: id: it has a meaning of its own"},
		"Teams' id":            {body(input(func(i *Input) { i.ID = "msteams" })), "body[0]: id: it has a meaning of its own"},
		"equal ids":            {body(input(func(*Input) {}), Columns{{Text{Text: "x"}}, {input(func(*Input) {})}}), "body[1][1][0]: id: another input has it"},
		"no label":             {body(input(func(i *Input) { i.Label = "" })), "body[0]: label: it is required"},
		"no error":             {body(input(func(i *Input) { i.Required = true })), "body[0]: error: it is required"},
		"a negative length":    {body(input(func(i *Input) { i.MaxLength = -1 })), "body[0]: max length: it is negative"},
		"secret as hint":       {body(secret, input(func(i *Input) { i.Placeholder = "481516" })), "body[1]: a secret of the card is in it"},
		"an http image":        {body(Image{URL: "http://a.example", Alt: "x"}), "body[0]: url: it is not an https URL"},
		"no image":             {body(Image{Alt: "x"}), "body[0]: url: it is not an https URL"},
		"an image as data":     {body(Image{URL: "data:image/png;base64,AA", Alt: "x"}), "body[0]: url: it is not an https URL"},
		"a URL with a user":    {body(Image{URL: "https://good.example@evil.example", Alt: "x"}), "body[0]: url: there is a user in it"},
		"a URL with backslash": {body(Image{URL: `https://good.example/\evil.example`, Alt: "x"}), "body[0]: url: it is not an https URL"},
		"a URL with override":  {body(Image{URL: "https://good.example/\u202egnp", Alt: "x"}), "body[0]: url: it is not an https URL"},
		"no alt":               {body(Image{URL: "https://a.example"}), "body[0]: alt: it is required"},
		"secret as alt":        {body(secret, Image{URL: "https://a.example", Alt: "481 516"}), "body[1]: alt: a secret of the card is in it"},
		"a negative width":     {body(Image{URL: "https://a.example", Alt: "x", Width: -1}), "body[0]: width: it is negative"},
		"no columns":           {body(Columns{}), "body[0]: there is no column"},
		"an empty column":      {body(Columns{{Text{Text: "x"}}, {}}), "body[0]: there is no column, or one is empty"},
		"an empty section":     {body(Section{}), "body[0]: it is empty"},
		"too deep":             {body(deep(4)), "body[0].body[0].body[0].body[0].body[0]: it stands deeper than 4"},
		"seven buttons":        {actions(make([]Action, 7)...), "actions: there are more than 6"},
		"a nil button":         {actions(nil), "actions[0]: it is nil"},
		"a pointer to one":     {actions(&Press{}), "actions[0]: *teamsapp.Press is not an action"},
		"no title":             {actions(Press{Verb: "x"}), "actions[0]: title: it is required"},
		"no verb":              {actions(Press{Title: "x"}), "actions[0]: verb: it is required"},
		"a long verb":          {actions(Press{Title: "x", Verb: strings.Repeat("x", 65)}), "actions[0]: verb: it is longer than 64"},
		"two styles":           {actions(press(func(p *Press) { p.Primary, p.Danger = true, true })), "actions[0]: it is both"},
		"data like an input":   {data("a", "x"), "actions[0]: data: a name is an input's id"},
		"data like our verb":   {data(SubmitVerb, "x"), "actions[0]: data: a name has a meaning"},
		"data for Teams":       {data("msteams", "x"), "actions[0]: data: a name has a meaning"},
		"data without a name":  {data("", "x"), "actions[0]: data: a name is empty"},
		"data not UTF-8":       {data("x", "\xff"), "actions[0]: data: a name is empty, or a text is not UTF-8"},
		"secret in data":       {data("x", "v-481516"), "actions[0]: data: a secret of the card is in it"},
		"secret as a name":     {data("x481516", ""), "actions[0]: data: a secret of the card is in it"},
		"secret in a verb":     {actions(Press{Title: "x", Verb: "v481516"}), "actions[0]: verb: a secret of the card is in it"},
		"secret in a title":    {actions(Press{Title: "Use 481516", Verb: "v"}), "actions[0]: title: a secret of the card is in it"},
		"secret in a URL":      {actions(OpenURL{"x", "https://a.example/?c=481-516"}), "actions[0]: url: a secret of the card is in it"},
		"an http page":         {actions(OpenURL{"x", "http://a.example"}), "actions[0]: url: it is not an https URL"},
		"a script":             {actions(OpenURL{"x", "javascript:alert(1)"}), "actions[0]: url: it is not an https URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := tt.card.Validate()
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.ErrorContains(t, err, tt.want)
			require.Less(t, len(err.Error()), 1000, "the text itself is not in it")
			require.NotContains(t, err.Error(), "516")
			if tt.card != nil {
				_, encoded := tt.card.MarshalJSON()
				require.EqualError(t, encoded, err.Error())
			}
		})
	}

	require.NoError(t, fullCard().Validate())
	require.NoError(t, body(deep(3)).Validate())
	c := body(Heading{}, nil)
	c.Actions = []Action{Press{}}
	err := c.Validate()
	for _, part := range []string{"body[0]: it is required", "body[1]: it is nil", "actions[0]: title: ", "actions[0]: verb: "} {
		require.ErrorContains(t, err, part, "all faults together")
	}
}

func TestACardThatIsTooLargeIsAFault(t *testing.T) {
	t.Parallel()
	c := &Card{Summary: "x"}
	for range 4 {
		c.Body = append(c.Body, Text{Text: strings.Repeat("x", 4000)})
	}
	require.NoError(t, c.Validate())
	require.NoError(t, CheckCard(c, c.Size()))
	require.ErrorIs(t, CheckCard(c, c.Size()-1), ErrTooLarge)
	c.Body = append(c.Body, c.Body...)
	err := c.Validate()
	require.ErrorIs(t, err, ErrTooLarge)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	require.NoError(t, CheckCard(c, 100<<10))
	_, err = json.Marshal(c)
	require.ErrorIs(t, err, ErrTooLarge)
}

func TestACardThatHoldsItselfIsAFault(t *testing.T) {
	t.Parallel()
	body := make([]Element, 1)
	body[0] = Section{Body: body}
	c := &Card{Summary: "x", Body: body}
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

	c := &Card{Summary: "Code 123456", Body: []Element{
		Text{Text: "It is 12 34 56.\nKeep it."}, Secret{Value: mspkit.Redact("123-456"), Label: "Code"}, Facts{{"Code", "１２３４５６"}},
	}}
	require.Equal(t, "Keep it.", c.Text(), "lines that repeat a secret are left out")
	c = &Card{Summary: "x", Body: []Element{Text{Text: "123\n456"}, Secret{Value: mspkit.Redact("123456"), Label: "Code"}}}
	require.Empty(t, c.Text())
	require.Empty(t, (*Card)(nil).Text())
	require.Zero(t, (*Card)(nil).Size())
}

func TestPrintingACardShowsNoSecret(t *testing.T) {
	t.Parallel()
	c := fullCard()
	s := Secret{Value: mspkit.Redact("48 15-16"), Label: "Your code"}
	var out bytes.Buffer
	for _, v := range []any{c, *c, s, &s, c.Body, []any{s}, Message{Card: c}, struct{ S *Secret }{&s}, Reply{Card: c}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	jsonLog, textLog := slog.New(slog.NewJSONHandler(&out, nil)), slog.New(slog.NewTextHandler(&out, nil))
	for _, log := range []*slog.Logger{jsonLog, textLog} {
		log.Info("x", "card", c, "copy", *c, "secret", s, "pointer", &s, "body", c.Body)
	}
	require.NotContains(t, out.String(), "15-16")
	require.NotContains(t, out.String(), fmt.Sprintf("%x", "15-16"))
	require.Contains(t, out.String(), "card=[card] copy=[card]", "the log says nothing of the card")

	_, err := json.Marshal(s)
	require.ErrorIs(t, err, mspkit.ErrRedacted)
	_, err = json.Marshal(*c)
	require.ErrorIs(t, err, mspkit.ErrRedacted, "only a pointer to a card is the card for Teams")
}
