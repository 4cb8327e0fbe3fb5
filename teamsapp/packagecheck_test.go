package teamsapp_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

// setters set the fields of Limits to a text.
var setters = map[string]func(*teamsapp.Brand, string){
	"Key":               func(b *teamsapp.Brand, s string) { b.Key = s },
	"ShortName":         func(b *teamsapp.Brand, s string) { b.ShortName = s },
	"FullName":          func(b *teamsapp.Brand, s string) { b.FullName = s },
	"Summary":           func(b *teamsapp.Brand, s string) { b.Summary = s },
	"Description":       func(b *teamsapp.Brand, s string) { b.Description = s },
	"Developer.Name":    func(b *teamsapp.Brand, s string) { b.Developer.Name = s },
	"Developer.Website": func(b *teamsapp.Brand, s string) { b.Developer.Website = siteOf(s) },
	"Developer.Privacy": func(b *teamsapp.Brand, s string) { b.Developer.Privacy = siteOf(s) },
	"Developer.Terms":   func(b *teamsapp.Brand, s string) { b.Developer.Terms = siteOf(s) },
}

// siteOf makes a URL of a text of the same length.
func siteOf(s string) string {
	const site = "https://contoso.example/"
	if s == "" {
		return ""
	}
	return site + strings.Repeat("x", max(0, utf8.RuneCountInString(s)-len(site)))
}

func TestEachLimitIsTheLastThatPasses(t *testing.T) {
	t.Parallel()
	for _, l := range teamsapp.Limits() {
		set, ok := setters[l.Field]
		if !ok {
			require.Contains(t, []string{"Language", "More", "Domains", "Logo"}, l.Field, "those have tests of their own")
			continue
		}
		t.Run(l.Field, func(t *testing.T) {
			t.Parallel()
			letter := "ü"
			if l.Unit == "bytes" {
				letter = "u"
			}
			b := brand()
			set(&b, strings.Repeat(letter, l.Max))
			_, err := teamsapp.NewPackage(b, nil)
			require.NoError(t, err)

			set(&b, strings.Repeat(letter, l.Max+1))
			p, err := teamsapp.NewPackage(b, nil)
			require.Nil(t, p)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.Len(t, teamsapp.Faults(err), 1)
			f := teamsapp.Faults(err)[0]
			require.Equal(t, l.Field, f.Field)
			require.Equal(t, l.Max, f.Max)
			require.Equal(t, l.Max+1, f.Size)
			require.Contains(t, err.Error(), fmt.Sprintf("%s has %d %s, at most %d are allowed: \"", l.Field, l.Max+1, l.Unit, l.Max))
			require.Contains(t, err.Error(), strings.Trim(f.Value, `"`), "the error shows the value")
			require.Less(t, len(err.Error()), 400, "but not all of it")

			set(&b, "")
			_, err = teamsapp.NewPackage(b, nil)
			if l.Required {
				require.ErrorContains(t, err, l.Field+" is missing")
			} else {
				require.NoError(t, err)
			}
		})
	}
}

func TestTextLengthCountsAsTheLimitsDo(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text string
		want int
	}{{"", 0}, {"abc", 3}, {" abc\r\n", 3}, {"a\r\nb", 3}, {"ü", 1}, {"👩🏽", 2}, {"日本", 2}} {
		require.Equal(t, tc.want, teamsapp.TextLength(tc.text), "%q", tc.text)
	}
}

func TestTextsThatPass(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]string{
		"emoji":        "Help 👩🏽\u200d💻 ✔️",
		"persian":      "می\u200cخواهم",
		"hebrew":       "שלום Contoso",
		"devanagari":   "क्\u200dष हिन्दी",
		"cjk":          "帮助台",
		"vietnamese":   "Trợ giúp",
		"quotes":       `"Help" & <more>`,
		"nullable":     "nullable",
		"combining":    "e\u0301tat",
		"no-break":     "a\u00A0b",
		"30 beyond 16": strings.Repeat("𝒳", 30),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := brand()
			b.ShortName = s
			p, err := teamsapp.NewPackage(b, nil)
			require.NoError(t, err)
			require.Equal(t, s, object(t, p.Manifest)["name"].(map[string]any)["short"])
		})
	}
}

func TestBadInputIsNamed(t *testing.T) {
	t.Parallel()
	text := func(s string) func(*teamsapp.Brand) { return func(b *teamsapp.Brand) { b.ShortName = s } }
	site := func(s string) func(*teamsapp.Brand) { return func(b *teamsapp.Brand) { b.Developer.Website = s } }
	host := func(s ...string) func(*teamsapp.Brand) { return func(b *teamsapp.Brand) { b.Domains = s } }
	more := func(tags ...string) func(*teamsapp.Brand) {
		return func(b *teamsapp.Brand) {
			for _, t := range tags {
				b.More = append(b.More, teamsapp.Translation{Language: t, Texts: b.Texts})
			}
		}
	}
	const name, web = "ShortName", "Developer.Website"
	for title, tc := range map[string]struct {
		change      func(*teamsapp.Brand)
		field, says string
	}{
		"control":            {text("a\x01b"), name, `a control character (U+0001)`},
		"nul":                {text("a\x00b"), name, `: "a\x00b"`},
		"delete":             {text("a\x7fb"), name, "U+007F"},
		"line break":         {text("a\nb"), name, "a line break (U+000A)"},
		"carriage return":    {func(b *teamsapp.Brand) { b.Description = "a\rb" }, "Description", "U+000D"},
		"tab":                {text("a\tb"), name, "U+0009"},
		"override":           {text("a\u202Ebc"), name, `turns the direction of writing (U+202E), which cannot be seen or changes how its neighbours are shown: take it out: "a\u202ebc"`},
		"isolate":            {text("a\u2066b"), name, "U+2066"},
		"right-to-left mark": {text("a\u200Fb"), name, "U+200F"},
		"arabic mark":        {text("a\u061Cb"), name, "U+061C"},
		"zero width space":   {text("a\u200Bb"), name, "an invisible character (U+200B)"},
		"byte order mark":    {text("\uFEFFab"), name, "U+FEFF"},
		"tags":               {text("a\U000E0041b"), name, "U+E0041"},
		"filler":             {text("a\u3164b"), name, "U+3164"},
		"blank braille":      {text("\u2800"), name, "U+2800"},
		"line separator":     {text("a\u2028b"), name, "U+2028"},
		"joiner at the end":  {text("a\u200D"), name, "U+200D"},
		"joiner by a space":  {text("a \u200Cb"), name, "U+200C"},
		"lone selector":      {text("\uFE0Fa"), name, "U+FE0F"},
		"private use":        {text("a\uE000"), name, "U+E000"},
		"no character":       {text("a\xffb"), name, "bytes that are no character"},
		"null":               {text("NULL"), name, "a word that Microsoft's schema refuses"},
		"only space":         {text(" \u00A0\t"), name, "ShortName is missing: 1 to 30 characters are needed"},
		"in a description":   {func(b *teamsapp.Brand) { b.Description = "a\n\tb\u202E" }, "Description", "U+202E"},
		"in a translation":   {func(b *teamsapp.Brand) { more("de", "fr")(b); b.More[1].Summary = strings.Repeat("é", 81) }, "More[1].Summary", "has 81 characters, at most 80 are allowed"},
		"summary again":      {func(b *teamsapp.Brand) { b.Description = " " + b.Summary + "\n" }, "Description", "is the same as the summary"},
		"one full name":      {func(b *teamsapp.Brand) { more("de")(b); b.FullName = "" }, "More[0].FullName", "translates a name that is not there"},
		"empty translation":  {func(b *teamsapp.Brand) { more("de")(b); b.More[0].Description = "" }, "More[0].Description", "is missing"},

		"no key":           {func(b *teamsapp.Brand) { b.Key = "" }, "Key", "is missing"},
		"key unseen":       {func(b *teamsapp.Brand) { b.Key = "a\u200B" }, "Key", "could look alike"},
		"no bot":           {func(b *teamsapp.Brand) { b.BotID = "" }, "BotID", "is missing"},
		"bot in braces":    {func(b *teamsapp.Brand) { b.BotID = "{" + b.BotID + "}" }, "BotID", "is not a GUID"},
		"bot as urn":       {func(b *teamsapp.Brand) { b.BotID = "urn:uuid:" + b.BotID }, "BotID", "is not a GUID"},
		"bot without dash": {func(b *teamsapp.Brand) { b.BotID = strings.ReplaceAll(b.BotID, "-", "") }, "BotID", "is not a GUID"},
		"nil bot":          {func(b *teamsapp.Brand) { b.BotID = uuid.Nil.String() }, "BotID", "the GUID of nothing"},
		"graph":            {func(b *teamsapp.Brand) { b.GraphID = "x" }, "GraphID", "is not a GUID"},
		"colour by name":   {func(b *teamsapp.Brand) { b.Accent = "red" }, "Accent", `is not a colour of the form #RRGGBB: "RED"`},
		"short colour":     {func(b *teamsapp.Brand) { b.Accent = "#FFF" }, "Accent", "#RRGGBB"},
		"colour and alpha": {func(b *teamsapp.Brand) { b.Accent = "#FF00FF80" }, "Accent", "#RRGGBB"},

		"script":           {site("javascript:alert(1)"), web, `is not an https URL: Teams shows it as a link: "javascript:alert(1)"`},
		"script in case":   {site("JavaScript://contoso.example/%0aalert(1)"), web, "is not an https URL"},
		"data":             {site("data:text/html,x"), web, "is not an https URL"},
		"http":             {site("http://contoso.example"), web, "is not an https URL"},
		"relative":         {site("//contoso.example"), web, "is not an https URL"},
		"no host":          {site("https:///privacy"), web, "has no host"},
		"opaque":           {site("https:contoso.example"), web, "has no host"},
		"one label":        {site("https://localhost/"), web, "has no host"},
		"user":             {site("https://contoso.example@evil.example/"), web, "has a user name or password"},
		"space":            {site("https://contoso.example/a b"), web, "holds U+0020"},
		"unicode":          {site("https://contoso.example/\u202Egnp.exe"), web, "holds U+202E"},
		"broken":           {site("https://contoso.example/%zz"), web, "is not a URL"},
		"user by http":     {site("http://me:s3cret@contoso.example/"), web, `"http://…@contoso.example/"`},
		"user in no URL":   {site("https://me:s3cret@contoso.example:x/"), web, `"https://…@contoso.example:x/"`},
		"user and spaces":  {site("https://me:s3/cr@et @contoso.example/"), web, `"https://…@contoso.example/"`},
		"secret in query":  {site("http://contoso.example/?sig=s3cret"), web, `"http://contoso.example/?…"`},
		"host of dashes":   {site("https://-contoso.example/"), web, "has no host"},
		"host of one dot":  {site("https://.example/"), web, "has no host"},
		"terms":            {func(b *teamsapp.Brand) { b.Developer.Terms = "" }, "Developer.Terms", "is missing"},
		"developer":        {func(b *teamsapp.Brand) { b.Developer.Name = "a\u202Eb" }, "Developer.Name", "U+202E"},
		"domain with path": {host("contoso.example/x"), "Domains[0]", "leave out https://, port and path"},
		"domain as URL":    {host("contoso.example", "https://contoso.example"), "Domains[1]", "is not a host"},
		"domain with port": {host("contoso.example:443"), "Domains[0]", "is not a host"},
		"domain twice":     {host("a.example", "b.example", "A.example"), "Domains[2]", "is there already: Domains[0]"},
		"everything":       {host("*"), "Domains[0]", "is not a host"},
		"a top level":      {host("*.com"), "Domains[0]", "is not a host"},
		"a shared one":     {host("*.azurewebsites.net"), "Domains[0]", "belong to others"},
		"stars behind":     {host("contoso.*."), "Domains[0]", "is not a host"},
		"dot before":       {host(".contoso.example"), "Domains[0]", "is not a host"},
		"star and dots":    {host("*..contoso.example"), "Domains[0]", "is not a host"},
		"stars for others": {host("*.*.github.io"), "Domains[0]", "belong to others"},
		"star within":      {host("a.*.example"), "Domains[0]", "is not a host"},
		"address":          {host("192.0.2.1"), "Domains[0]", "is not a host"},
		"long domain":      {host(strings.Repeat("a.", 130) + "example"), "Domains[0]", "has 267 bytes, at most 253 are allowed"},
		"many domains":     {host(strings.Split(strings.Repeat("a.example ", 17), " ")...), "Domains", "has 18 entries, at most 16 are allowed"},

		"language":             {func(b *teamsapp.Brand) { b.Language = "english" }, "Language", `is not the tag of a language, such as "de"`},
		"language with _":      {more("pt_BR"), "More[0].Language", `: "pt_br"`},
		"no language":          {more(""), "More[0].Language", "is not the tag"},
		"language of 4 parts":  {more("zh-hans-cn-x"), "More[0].Language", "is not the tag"},
		"path":                 {more("../de"), "More[0].Language", "is not the tag"},
		"name of the manifest": {more("manifest"), "More[0].Language", "is not the tag"},
		"language twice":       {more("de", "fr", "de"), "More[2].Language", "is the language of More[0].Language too"},
		"twice in capitals":    {more("pt-br", "pt-BR"), "More[1].Language", "whether in capitals or not"},
		"the first again":      {more("EN"), "More[0].Language", "is the language of Language too"},
		"many languages":       {more(strings.Split(strings.Repeat("de ", 100), " ")...), "More", "has 101 entries, at most 100 are allowed"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			b := brand()
			tc.change(&b)
			p, err := teamsapp.NewPackage(b, nil)
			require.Nil(t, p)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.Len(t, teamsapp.Faults(err), 1, "%v", err)
			f := teamsapp.Faults(err)[0]
			require.Equal(t, tc.field, f.Field)
			require.ErrorContains(t, err, "teamsapp: package: "+tc.field+" ")
			require.ErrorContains(t, err, tc.says)
			require.NotContains(t, err.Error(), "s3cret")
			for _, r := range err.Error() {
				require.True(t, r >= ' ' && r != 0x202E && r != 0x7F, "an error shows nothing that turns or hides: %U", r)
			}
		})
	}
}

func TestAllFaultsAreReportedTogether(t *testing.T) {
	t.Parallel()
	b := teamsapp.Brand{
		Accent: "blue", Logo: []byte("<svg/>"), Domains: []string{"x y", "*.github.io"},
		More: []teamsapp.Translation{{Language: "de"}, {Language: "DE", Texts: teamsapp.Texts{ShortName: strings.Repeat("x", 31)}}},
	}
	_, err := teamsapp.NewPackage(b, &teamsapp.PackageOptions{Schema: "x", Previous: teamsapp.Published{Version: "1"}})
	var got []string
	for _, f := range teamsapp.Faults(err) {
		got = append(got, f.Field)
		require.ErrorIs(t, f, mspkit.ErrInvalid)
	}
	require.Equal(t, []string{
		"PackageOptions.Schema", "PackageOptions.Previous.Version", "Key", "BotID", "ShortName", "Summary", "Description",
		"More[0].ShortName", "More[0].Summary", "More[0].Description",
		"More[1].Language", "More[1].ShortName", "More[1].Summary", "More[1].Description",
		"Accent", "Developer.Name", "Developer.Website", "Developer.Privacy", "Developer.Terms", "Domains[0]", "Domains[1]", "Logo",
	}, got)
	require.Nil(t, teamsapp.Faults(nil))
	require.Nil(t, teamsapp.Faults(mspkit.ErrInvalid))
}

func TestDomainsThatPass(t *testing.T) {
	t.Parallel()
	b := brand()
	b.Domains = []string{"contoso.example", "*.contoso.example", "*.*.contoso.example", "contoso.onmicrosoft.com", "xn--mller-kva.example", "contoso.github.io"}
	p, err := teamsapp.NewPackage(b, nil)
	require.NoError(t, err)
	require.Len(t, object(t, p.Manifest)["validDomains"], 6)
}
