package contracts

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/it/graphcontract"
	"github.com/mspkit/mspkit/teamsapp"
)

// teamsSchema compiles one of the schemas of Teams apps, which are for 1.29. They say to be of draft 4, but have a "const"
// and limits beside a "$ref", which count only in later drafts.
func teamsSchema(t testing.TB, name string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(graphcontract.File(t, name)))
	require.NoError(t, err)
	m, ok := doc.(map[string]any)
	require.True(t, ok)
	delete(m, "$schema")
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2019)
	c.UseRegexpEngine(teamsPattern)
	require.NoError(t, c.AddResource(name, m))
	s, err := c.Compile(name)
	require.NoError(t, err)
	return s
}

// teamsPattern reads the patterns of the schemas. Go has no negative look-ahead, which one of them uses to refuse "null".
// Others, for what no package of ours has, refuse everything here.
func teamsPattern(p string) (jsonschema.Regexp, error) {
	const notNull = `^(?![nN][uU][lL]{2}$)`
	rest, ok := strings.CutPrefix(p, notNull)
	if !ok {
		if strings.Contains(p, "(?!") {
			p = `[^\s\S]`
		}
		return regexp.Compile(p)
	}
	r, err := regexp.Compile("^" + rest)
	return butNull{r}, err
}

type butNull struct{ *regexp.Regexp }

func (b butNull) MatchString(s string) bool {
	return !strings.EqualFold(s, "null") && b.Regexp.MatchString(s)
}

const generatedBrands = 50

// generatedBrand is one of many: of all languages, formats of logos and lengths up to the limits.
func generatedBrand(t testing.TB, n int) teamsapp.Brand {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(n), 8))
	guid := func() string {
		b := make([]byte, 16)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		h := hex.EncodeToString(b)
		return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
	}
	word := func(limit int) string { return generatedText(r, n, limit) }
	texts := func() teamsapp.Texts {
		x := teamsapp.Texts{
			ShortName: word(teamsapp.MaxShortName), Summary: word(teamsapp.MaxSummary), Description: word(teamsapp.MaxDescription),
		}
		if r.IntN(3) > 0 {
			x.FullName = word(teamsapp.MaxFullName)
		}
		return x
	}
	link := func() string {
		const site = "https://www.msp.example/a?b=c&d=%C3%BC#e-"
		return site + strings.Repeat("x", []int{0, 1, teamsapp.MaxURL - len(site)}[r.IntN(3)])
	}
	b := teamsapp.Brand{
		Key: fmt.Sprintf("msp %d", n), BotID: guid(), Texts: texts(), Accent: fmt.Sprintf("#%06x", r.IntN(1<<24)),
		Developer:        teamsapp.Developer{Name: word(teamsapp.MaxDeveloperName), Website: link(), Privacy: link(), Terms: link()},
		NotificationOnly: n%2 == 1, Logo: generatedLogo(t, r, n),
	}
	if n%3 == 0 {
		b.GraphID = strings.ToUpper(guid())
	}
	tags := []string{"de", "fr", "pt-BR", "zh-Hans-CN", "es-419", "ja", "ar", "he", "nb", "gsw", "sr-Latn-RS", "EN-us"}
	r.Shuffle(len(tags), func(i, j int) { tags[i], tags[j] = tags[j], tags[i] })
	if n%4 > 0 {
		b.Language = tags[0]
	}
	for _, tag := range tags[1 : 1+[]int{0, 1, 5, 11}[n/4%4]] {
		x := texts()
		if b.FullName == "" {
			x.FullName = "" // there is none to be translated
		}
		b.More = append(b.More, teamsapp.Translation{Language: tag, Texts: x})
	}
	for i := range []int{0, 1, teamsapp.MaxDomains}[n%3] {
		b.Domains = append(b.Domains, fmt.Sprintf("host%d.MSP.example", i))
	}
	return b
}

// generatedText has at most limit characters, of a script that the brand writes in; every third has exactly as many.
func generatedText(r *rand.Rand, n, limit int) string {
	scripts := []string{
		"Helpdesk & more <IT> \"now\" ", "Überprüfung für Kunden ", "サポートセンター", "支持中心", "מוקד התמיכה ", "الدعم الفني ", "Поддержка ", "می\u200cخواهم ",
		"सहायता हिन्दी ", "Help 👩🏽\u200d💻 ✔️ ", "𝒮𝓊𝓅𝓅ℴ𝓇𝓉 ", "Trợ giúp ", "\\u0041 \\ / ' ",
	}
	length := 1 + r.IntN(limit)
	if r.IntN(3) == 0 {
		length = limit
	}
	var out []rune
	for len(out) < length {
		out = append(out, []rune(scripts[n%len(scripts)])...)
	}
	s := strings.TrimRight(string(out[:length]), " \u200c\u200d") // half a sequence would end in a joiner
	for len([]rune(s)) < length {
		s += "x"
	}
	return s
}

// generatedLogo is one of each format, with and without transparency, of any shape and colours.
func generatedLogo(t testing.TB, r *rand.Rand, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	m := image.NewNRGBA(image.Rect(0, 0, 20+r.IntN(500), 20+r.IntN(300)))
	ink := color.NRGBA{uint8(r.Uint32()), uint8(r.Uint32()), uint8(r.Uint32()), 255}
	ground := []color.NRGBA{{}, {255, 255, 255, 255}, {uint8(r.Uint32()), 90, 30, 255}}[r.IntN(3)]
	cx, cy, size := float64(m.Rect.Dx())/2, float64(m.Rect.Dy())/2, float64(min(m.Rect.Dx(), m.Rect.Dy()))/2
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			c := ground
			if d := math.Hypot(float64(x)-cx, float64(y)-cy); d < size && d > size/3 {
				c = ink
			}
			m.SetNRGBA(x, y, c)
		}
	}
	switch n % 8 {
	case 0:
		return nil
	case 1, 2:
		require.NoError(t, png.Encode(&b, m))
	case 3:
		require.NoError(t, jpeg.Encode(&b, m, nil))
	case 4:
		require.NoError(t, gif.Encode(&b, m, &gif.Options{NumColors: 16}))
	default:
		names := []string{"plain-lossy", "plain-lossless", "alpha-lossy", "alpha-lossless"}
		logo, err := os.ReadFile(filepath.Join("..", "..", "..", "teamsapp", "testdata", "logo-"+names[r.IntN(4)]+".webp"))
		require.NoError(t, err)
		return logo
	}
	return b.Bytes()
}

// packageFiles reads a package.
func packageFiles(t testing.TB, p *teamsapp.Package) map[string][]byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(p.Zip), int64(len(p.Zip)))
	require.NoError(t, err)
	out := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		require.NoError(t, err)
		out[f.Name], err = io.ReadAll(r)
		require.NoError(t, err)
	}
	return out
}

func valid(t testing.TB, s *jsonschema.Schema, data []byte) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	require.NoError(t, err)
	require.NoError(t, s.Validate(doc), "%s", data)
}

func TestGeneratedPackagesAreValid(t *testing.T) {
	t.Parallel()
	app, language := teamsSchema(t, "teams-manifest-1.29.schema.json"), teamsSchema(t, "teams-localization-1.29.schema.json")
	for n := range generatedBrands {
		if testing.Short() && n%5 != 0 {
			continue
		}
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			b := generatedBrand(t, n)
			p, err := teamsapp.NewPackage(b, &teamsapp.PackageOptions{Schema: "1.29"})
			require.NoError(t, err)
			files := packageFiles(t, p)
			require.Len(t, files, 3+len(b.More))
			valid(t, app, files["manifest.json"])
			var m struct {
				Schema       string            `json:"$schema"`
				Icons        map[string]string `json:"icons"`
				Localization struct {
					More []struct{ LanguageTag, File string } `json:"additionalLanguages"`
				} `json:"localizationInfo"`
			}
			require.NoError(t, json.Unmarshal(files["manifest.json"], &m))
			require.Len(t, m.Localization.More, len(b.More))
			for _, l := range m.Localization.More {
				require.Contains(t, files, l.File, l.LanguageTag)
				valid(t, language, files[l.File])
			}
			for kind, size := range map[string]int{"color": 192, "outline": 32} {
				icon, err := png.Decode(bytes.NewReader(files[m.Icons[kind]]))
				require.NoError(t, err)
				require.Equal(t, image.Rect(0, 0, size, size), icon.Bounds())
				for y := range size {
					for x := range size {
						c, ok := color.NRGBAModel.Convert(icon.At(x, y)).(color.NRGBA)
						require.True(t, ok)
						if kind == "color" {
							require.EqualValues(t, 255, c.A)
						} else if c.A > 0 {
							require.Equal(t, color.NRGBA{255, 255, 255, c.A}, c)
						}
					}
				}
			}
		})
	}
}

// TestTheSchemaJudges makes sure that the schema as it is compiled here refuses what it should.
func TestTheSchemaJudges(t *testing.T) {
	t.Parallel()
	app, language := teamsSchema(t, "teams-manifest-1.29.schema.json"), teamsSchema(t, "teams-localization-1.29.schema.json")
	b := generatedBrand(t, 5)
	p, err := teamsapp.NewPackage(b, &teamsapp.PackageOptions{Schema: "1.29"})
	require.NoError(t, err)
	for name, change := range map[string]func(m map[string]any){
		"another version": func(m map[string]any) { m["manifestVersion"] = "1.19" },
		"unknown key":     func(m map[string]any) { m["packageName"] = "x" },
		"31 characters":   func(m map[string]any) { m["name"] = map[string]any{"short": strings.Repeat("ü", 31)} },
		"no developer":    func(m map[string]any) { delete(m, "developer") },
		"no GUID":         func(m map[string]any) { m["id"] = "x" },
		"colour":          func(m map[string]any) { m["accentColor"] = "red" },
	} {
		var m map[string]any
		require.NoError(t, json.Unmarshal(p.Manifest, &m))
		require.NoError(t, app.Validate(m))
		change(m)
		require.Error(t, app.Validate(m), name)
	}
	good := map[string]any{"name.short": "a", "description.short": "b", "description.full": "c"}
	require.NoError(t, language.Validate(good))
	for key, v := range map[string]any{"name.short": "NuLL", "name.full": strings.Repeat("ü", 101), "description.short": strings.Repeat("ü", 81), "description.full": "", "other": "x"} {
		bad := maps.Clone(good)
		bad[key] = v
		require.Error(t, language.Validate(bad), key)
	}
}

// TestSchemaVersionsGetOnlyKeysThatTheyKnow compares with the keys that a bot's manifest has had since 1.12
// (https://learn.microsoft.com/microsoftteams/platform/resources/schema/manifest-schema); newer versions added others and
// took none of these away but packageName, which is not among them.
func TestSchemaVersionsGetOnlyKeysThatTheyKnow(t *testing.T) {
	t.Parallel()
	since12 := map[string][]string{
		"": {
			"$schema", "manifestVersion", "version", "id", "localizationInfo", "developer", "name", "description", "icons", "accentColor", "bots",
			"validDomains", "webApplicationInfo",
		},
		"localizationInfo":   {"defaultLanguageTag", "additionalLanguages"},
		"developer":          {"name", "websiteUrl", "privacyUrl", "termsOfUseUrl"},
		"name":               {"short", "full"},
		"description":        {"short", "full"},
		"icons":              {"color", "outline"},
		"webApplicationInfo": {"id", "resource"},
	}
	app := teamsSchema(t, "teams-manifest-1.29.schema.json")
	for n, schema := range teamsapp.Schemas() {
		b := generatedBrand(t, 4*n+3)
		p, err := teamsapp.NewPackage(b, &teamsapp.PackageOptions{Schema: schema})
		require.NoError(t, err)
		var m map[string]any
		require.NoError(t, json.Unmarshal(p.Manifest, &m))
		require.Equal(t, schema, m["manifestVersion"])
		require.Contains(t, m["$schema"], "/v"+schema+"/MicrosoftTeams.schema.json")
		require.Subset(t, since12[""], slices.Collect(maps.Keys(m)), schema)
		for key, v := range m {
			if o, ok := v.(map[string]any); ok {
				require.Subset(t, since12[key], slices.Collect(maps.Keys(o)), "%s in %s", key, schema)
			}
		}
		bots, ok := m["bots"].([]any)
		require.True(t, ok)
		require.Equal(t, []any{map[string]any{"botId": b.BotID, "scopes": []any{"personal"}, "isNotificationOnly": b.NotificationOnly}}, bots)
		// But for the number the newest schema takes what the others get.
		m["manifestVersion"] = "1.29"
		require.NoError(t, app.Validate(m), schema)
	}
}

// packageSums are the sums of all generated packages.
func packageSums(t testing.TB) []string {
	t.Helper()
	var out []string
	for n := range generatedBrands {
		p, err := teamsapp.NewPackage(generatedBrand(t, n), nil)
		require.NoError(t, err)
		sum := sha256.Sum256(p.Zip)
		out = append(out, p.ID+" "+p.Version+" "+p.Digest+" "+hex.EncodeToString(sum[:]))
	}
	return out
}

// TestTheSameBrandIsTheSameBytesInEachProcess runs itself in another process.
func TestTheSameBrandIsTheSameBytesInEachProcess(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("two hundred packages one after the other, which have nothing to race with")
	}
	const asked = "MSPKIT_PACKAGE_SUMS"
	got := packageSums(t)
	if os.Getenv(asked) != "" {
		require.NoError(t, os.WriteFile(os.Getenv(asked), []byte(strings.Join(got, "\n")), 0o600))
		return
	}
	require.Equal(t, got, packageSums(t), "within one process")
	sums := filepath.Join(t.TempDir(), "sums")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTheSameBrandIsTheSameBytesInEachProcess$")
	cmd.Env = append(os.Environ(), asked+"="+sums, "TZ=Pacific/Auckland", "LANG=tr_TR.UTF-8", "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	other, err := os.ReadFile(sums)
	require.NoError(t, err)
	require.Equal(t, got, strings.Split(string(other), "\n"))
	require.Len(t, got, generatedBrands)
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(got))), generatedBrands, "each brand has another package")
}
