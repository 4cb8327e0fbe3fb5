package teamsapp_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

// unzip reads a package as a client would.
func unzip(t testing.TB, b []byte) map[string][]byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	out := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		require.NoError(t, err)
		data, err := io.ReadAll(r) // which checks the sum
		require.NoError(t, err)
		require.NotContains(t, out, f.Name)
		out[f.Name] = data
		require.NotContains(t, f.Name, "/", "files are at the root")
		require.Zero(t, f.Flags&8, "the size stands before the file")
		require.Equal(t, 1980, f.Modified.Year())
	}
	return out
}

func object(t testing.TB, b []byte) map[string]any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal(b, &m))
	return m
}

func TestPackageHoldsManifestIconsAndLanguages(t *testing.T) {
	t.Parallel()
	b := brand()
	b.Language = "EN"
	b.More = []teamsapp.Translation{
		{Language: "pt-BR", Texts: teamsapp.Texts{ShortName: "Suporte", Summary: "Saiba quem liga.", Description: "Linha 1\r\nLinha 2"}},
		{Language: "de", Texts: teamsapp.Texts{ShortName: "Hilfe", FullName: "Hilfe von Contoso", Summary: "Wissen, wer anruft.", Description: "Zeile <1> & 2"}},
	}
	b.GraphID = "8239C8F3-ED78-4512-933E-BABFD28856F1"
	b.Domains = []string{"verify.contoso.example", "*.Contoso.example"}
	b.NotificationOnly = true
	p, err := teamsapp.NewPackage(b, nil)
	require.NoError(t, err)
	require.Empty(t, p.Warnings)
	require.Equal(t, "1.0.0", p.Version)
	require.Len(t, p.Digest, 64)

	files := unzip(t, p.Zip)
	require.Len(t, files, 5)
	require.Equal(t, p.Manifest, files["manifest.json"])
	require.Equal(t, p.Color, files["color.png"])
	require.Equal(t, p.Outline, files["outline.png"])
	require.Equal(t, map[string]any{
		"$schema":         "https://developer.microsoft.com/json-schemas/teams/v1.19/MicrosoftTeams.schema.json",
		"manifestVersion": "1.19", "version": "1.0.0", "id": p.ID,
		"localizationInfo": map[string]any{"defaultLanguageTag": "en", "additionalLanguages": []any{
			map[string]any{"languageTag": "de", "file": "lang.de.json"},
			map[string]any{"languageTag": "pt-br", "file": "lang.pt-br.json"},
		}},
		"developer": map[string]any{
			"name": "Contoso", "websiteUrl": "https://contoso.example", "privacyUrl": "https://contoso.example/privacy", "termsOfUseUrl": "https://contoso.example/terms",
		},
		"name":               map[string]any{"short": "Contoso Helpdesk", "full": "Contoso Helpdesk identity check"},
		"description":        map[string]any{"short": "Know who calls.", "full": "Sends you a code or a question when you call the Contoso helpdesk."},
		"icons":              map[string]any{"color": "color.png", "outline": "outline.png"},
		"accentColor":        "#0A64A4",
		"bots":               []any{map[string]any{"botId": pkgBot, "scopes": []any{"personal"}, "isNotificationOnly": true}},
		"validDomains":       []any{"*.contoso.example", "verify.contoso.example"},
		"webApplicationInfo": map[string]any{"id": "8239c8f3-ed78-4512-933e-babfd28856f1", "resource": "api://botid-" + pkgBot},
	}, object(t, p.Manifest))
	require.Equal(t, map[string]any{
		"$schema":    "https://developer.microsoft.com/json-schemas/teams/v1.19/MicrosoftTeams.Localization.schema.json",
		"name.short": "Suporte", "description.short": "Saiba quem liga.", "description.full": "Linha 1\nLinha 2",
	}, object(t, files["lang.pt-br.json"]))
	require.Contains(t, string(files["lang.de.json"]), "Zeile <1> & 2")
	require.Equal(t, "pt-BR", b.More[0].Language, "the caller's slices stay as they are")
	require.Equal(t, "verify.contoso.example", b.Domains[0])
}

func TestPackageSaysNothingThatIsNotNeeded(t *testing.T) {
	t.Parallel()
	b := brand()
	b.FullName, b.Accent, b.Logo = " Contoso Helpdesk ", "", nil // which is the short name
	p, err := teamsapp.NewPackage(b, nil)
	require.NoError(t, err)
	m := object(t, p.Manifest)
	require.NotContains(t, m, "localizationInfo")
	require.NotContains(t, m, "validDomains")
	require.Equal(t, teamsapp.DefaultAccent, m["accentColor"])
	require.Equal(t, map[string]any{"short": "Contoso Helpdesk"}, m["name"])
	require.Equal(t, map[string]any{"id": pkgBot, "resource": "api://botid-" + pkgBot}, m["webApplicationInfo"])
	require.Equal(t, []string{teamsapp.WarnNoLogo}, codes(p))

	b.Language = "de"
	p, err = teamsapp.NewPackage(b, nil)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"defaultLanguageTag": "de", "additionalLanguages": []any{}}, object(t, p.Manifest)["localizationInfo"])
}

func codes(p *teamsapp.Package) []string {
	var out []string
	for _, w := range p.Warnings {
		out = append(out, w.Code)
	}
	return out
}

func TestSameBrandIsTheSameBytes(t *testing.T) {
	t.Parallel()
	b := brand()
	b.Domains = []string{"a.contoso.example", "b.contoso.example"}
	for _, l := range []string{"de", "fr", "nl", "pt-br"} {
		b.More = append(b.More, teamsapp.Translation{Language: l, Texts: b.Texts})
	}
	want, err := teamsapp.NewPackage(b, nil)
	require.NoError(t, err)
	for name, change := range map[string]func(*teamsapp.Brand){
		"again":       func(*teamsapp.Brand) {},
		"other order": func(b *teamsapp.Brand) { slices.Reverse(b.More); slices.Reverse(b.Domains) },
		"other letters": func(b *teamsapp.Brand) {
			b.Accent, b.BotID = "#0a64a4", strings.ToUpper(b.BotID)
			b.More[1].Language = "FR"
		},
		"spaces":              func(b *teamsapp.Brand) { b.ShortName += " "; b.Description = "\r\n" + b.Description },
		"what is empty, said": func(b *teamsapp.Brand) { b.Language, b.GraphID = "en", b.BotID },
		"a copy of the logo":  func(b *teamsapp.Brand) { b.Logo = slices.Clone(b.Logo) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := b
			b.More, b.Domains = slices.Clone(b.More), slices.Clone(b.Domains)
			change(&b)
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					got, err := teamsapp.NewPackage(b, nil)
					if err != nil || !bytes.Equal(want.Zip, got.Zip) || want.Published != got.Published {
						t.Errorf("another package: %v", err)
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestIDIsOfTheBotAndTheKey(t *testing.T) {
	t.Parallel()
	require.Equal(t, "407f4881-aa60-5af0-8b23-97e40da38d3a", teamsapp.PackageID("msp-1", pkgBot), "it must stay what it was in the first release")
	space := uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://github.com/mspkit/mspkit/teamsapp"))
	require.Equal(t, uuid.NewSHA1(space, []byte(pkgBot+"/msp-1")).String(), teamsapp.PackageID("msp-1", pkgBot), "as documented")
	require.Equal(t, teamsapp.PackageID("msp-1", pkgBot), teamsapp.PackageID("msp-1", strings.ToUpper(pkgBot)))
	require.NotEqual(t, teamsapp.PackageID("msp-1", pkgBot), teamsapp.PackageID("msp-2", pkgBot))
	require.NotEqual(t, teamsapp.PackageID("msp-1", pkgBot), teamsapp.PackageID("msp-1", uuid.NewString()))
	require.EqualValues(t, 5, uuid.MustParse(teamsapp.PackageID("x", pkgBot)).Version())
	p, err := teamsapp.NewPackage(brand(), nil)
	require.NoError(t, err)
	require.Equal(t, teamsapp.PackageID("msp-1", pkgBot), p.ID)
}

func TestVersionRisesWithTheContent(t *testing.T) {
	t.Parallel()
	first, err := teamsapp.NewPackage(brand(), nil)
	require.NoError(t, err)
	changed := func(change func(*teamsapp.Brand)) teamsapp.Brand {
		b := brand()
		change(&b)
		return b
	}
	other := strings.Repeat("0", 64)
	for name, tc := range map[string]struct {
		brand    teamsapp.Brand
		previous teamsapp.Published
		want     string
	}{
		"none before":        {brand(), teamsapp.Published{}, "1.0.0"},
		"the same":           {brand(), first.Published, "1.0.0"},
		"the same later":     {brand(), teamsapp.Published{Version: "7.1.3", Digest: first.Digest}, "7.1.3"},
		"made by hand":       {brand(), teamsapp.Published{Version: "2.5.9"}, "2.5.10"},
		"other content":      {brand(), teamsapp.Published{Version: "0.0.0", Digest: other}, "0.0.1"},
		"full":               {brand(), teamsapp.Published{Version: "1.2.2147483647", Digest: other}, "1.3.0"},
		"all full":           {brand(), teamsapp.Published{Version: "1.2147483647.2147483647"}, "2.0.0"},
		"name":               {changed(func(b *teamsapp.Brand) { b.ShortName = "Contoso" }), first.Published, "1.0.1"},
		"logo":               {changed(func(b *teamsapp.Brand) { b.Logo = pngLogo(picture(120, 120, glass, paper)) }), first.Published, "1.0.1"},
		"accent":             {changed(func(b *teamsapp.Brand) { b.Accent = "#0A64A5" }), first.Published, "1.0.1"},
		"language":           {changed(func(b *teamsapp.Brand) { b.More = []teamsapp.Translation{{"de", b.Texts}} }), first.Published, "1.0.1"},
		"another copy of it": {changed(func(b *teamsapp.Brand) { b.Logo = append(b.Logo, pngChunk("tEXt", []byte("behind the end"))...) }), first.Published, "1.0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := teamsapp.NewPackage(tc.brand, &teamsapp.PackageOptions{Previous: tc.previous})
			require.NoError(t, err)
			require.Equal(t, tc.want, p.Version)
			require.Equal(t, tc.want, object(t, p.Manifest)["version"])
			again, err := teamsapp.NewPackage(tc.brand, &teamsapp.PackageOptions{Previous: p.Published})
			require.NoError(t, err)
			require.Equal(t, p.Published, again.Published, "and then stays")
			require.True(t, bytes.Equal(p.Zip, again.Zip))
		})
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	good := strings.Repeat("a", 64)
	for name, tc := range map[string]struct {
		o     teamsapp.PackageOptions
		field string
	}{
		"no version":        {teamsapp.PackageOptions{Previous: teamsapp.Published{Digest: good}}, "PackageOptions.Previous.Version"},
		"two numbers":       {teamsapp.PackageOptions{Previous: teamsapp.Published{Version: "1.0", Digest: good}}, "PackageOptions.Previous.Version"},
		"a candidate":       {teamsapp.PackageOptions{Previous: teamsapp.Published{Version: "1.0.0-rc1"}}, "PackageOptions.Previous.Version"},
		"with a letter":     {teamsapp.PackageOptions{Previous: teamsapp.Published{Version: "v1.0.0"}}, "PackageOptions.Previous.Version"},
		"leading zero":      {teamsapp.PackageOptions{Previous: teamsapp.Published{Version: "1.02.3"}}, "PackageOptions.Previous.Version"},
		"negative":          {teamsapp.PackageOptions{Previous: teamsapp.Published{Version: "1.-2.3"}}, "PackageOptions.Previous.Version"},
		"huge":              {teamsapp.PackageOptions{Previous: teamsapp.Published{Version: "1.0.2147483648"}}, "PackageOptions.Previous.Version"},
		"none after it":     {teamsapp.PackageOptions{Previous: teamsapp.Published{Version: "2147483647.2147483647.2147483647"}}, "PackageOptions.Previous.Version"},
		"line break":        {teamsapp.PackageOptions{Previous: teamsapp.Published{Version: "1.0.0\n"}}, "PackageOptions.Previous.Version"},
		"short digest":      {teamsapp.PackageOptions{Previous: teamsapp.Published{Version: "1.0.0", Digest: "abc"}}, "PackageOptions.Previous.Digest"},
		"digest in capital": {teamsapp.PackageOptions{Previous: teamsapp.Published{Version: "1.0.0", Digest: strings.ToUpper(good)}}, "PackageOptions.Previous.Digest"},
		"schema":            {teamsapp.PackageOptions{Schema: "latest"}, "PackageOptions.Schema"},
		"schema 2":          {teamsapp.PackageOptions{Schema: "2.0"}, "PackageOptions.Schema"},
		"schema of old":     {teamsapp.PackageOptions{Schema: "1.11"}, "PackageOptions.Schema"},
		"schema 1.18":       {teamsapp.PackageOptions{Schema: "1.18"}, "PackageOptions.Schema"},
		"schema with path":  {teamsapp.PackageOptions{Schema: "1.19/../x"}, "PackageOptions.Schema"},
		"bytes":             {teamsapp.PackageOptions{MaxLogo: -1}, "PackageOptions.MaxLogo"},
		"pixels":            {teamsapp.PackageOptions{MaxPixels: -1}, "PackageOptions.MaxPixels"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := teamsapp.NewPackage(brand(), &tc.o)
			require.Nil(t, p)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.Len(t, teamsapp.Faults(err), 1)
			require.Equal(t, tc.field, teamsapp.Faults(err)[0].Field)
		})
	}
}

func TestSchemaVersions(t *testing.T) {
	t.Parallel()
	require.Contains(t, teamsapp.Schemas(), teamsapp.DefaultSchema)
	require.NotContains(t, teamsapp.Schemas(), "1.18")
	require.Equal(t, "1.29", teamsapp.Schemas()[len(teamsapp.Schemas())-1])
	for _, s := range append(teamsapp.Schemas(), "1.30") {
		t.Run(s, func(t *testing.T) {
			t.Parallel()
			p, err := teamsapp.NewPackage(brand(), &teamsapp.PackageOptions{Schema: s})
			require.NoError(t, err)
			m := object(t, p.Manifest)
			require.Equal(t, s, m["manifestVersion"])
			require.Contains(t, m["$schema"], "/v"+s+"/", "they must agree")
			if s == "1.30" {
				require.Equal(t, []string{teamsapp.WarnSchema}, codes(p))
			} else {
				require.Empty(t, p.Warnings)
			}
		})
	}
}

func ExampleNewPackage() {
	b := teamsapp.Brand{
		Key: "msp-1", BotID: "07338883-af76-47b3-86e4-2603c50be638",
		Texts: teamsapp.Texts{ShortName: "Contoso Helpdesk", Summary: "Know who calls.", Description: "Asks you whether it is you who called."},
		Developer: teamsapp.Developer{
			Name: "Contoso", Website: "https://contoso.example", Privacy: "https://contoso.example/privacy", Terms: "https://contoso.example/terms",
		},
	}
	p, err := teamsapp.NewPackage(b, nil) // p.Zip goes to Teams, p.Published into the database
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.ID, p.Version)
	for _, w := range p.Warnings {
		fmt.Println(w.Code)
	}

	b.Summary = "Know who calls the helpdesk."
	p, err = teamsapp.NewPackage(b, &teamsapp.PackageOptions{Previous: p.Published})
	fmt.Println(p.Version, err)
	// Output:
	// 407f4881-aa60-5af0-8b23-97e40da38d3a 1.0.0
	// no-logo
	// 1.0.1 <nil>
}

func ExampleFaults() {
	_, err := teamsapp.NewPackage(teamsapp.Brand{
		Key: "msp-1", BotID: "the bot",
		Texts: teamsapp.Texts{ShortName: "The helpdesk of Contoso Limited", Summary: "Know who calls.", Description: "Asks you."},
		Developer: teamsapp.Developer{
			Name: "Contoso", Website: "http://contoso.example", Privacy: "javascript:alert(1)", Terms: "https://contoso.example/terms",
		},
	}, nil)
	for _, f := range teamsapp.Faults(err) {
		fmt.Println(f.Field+":", f.Reason)
	}
	// Output:
	// BotID: is not a GUID of the form 01234567-89ab-cdef-0123-456789abcdef
	// ShortName: has 31 characters, at most 30 are allowed
	// Developer.Website: is not an https URL: Teams shows it as a link
	// Developer.Privacy: is not an https URL: Teams shows it as a link
}
