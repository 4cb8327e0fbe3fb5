package securesend

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestNamesOfFilesAreMadeHarmless(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ in, want string }{
		"plain":                     {"report.pdf", "report.pdf"},
		"other scripts":             {"Größe 報告.docx", "Größe 報告.docx"},
		"two extensions":            {"a.tar.gz", "a.tar.gz"},
		"empty":                     {"", "file"},
		"a path":                    {"/etc/passwd", "passwd"},
		"a path upwards":            {"../../x.sh", "x.sh"},
		"a path of Windows":         {`C:\temp\..\x.exe`, "x.exe"},
		"both slashes":              {`a/b\c.txt`, "c.txt"},
		"a folder":                  {"a/", "file"},
		"only dots":                 {"..", "file"},
		"dots and spaces":           {" . .. ", "file"},
		"hidden":                    {"..bashrc", "bashrc"},
		"trailing dots and spaces":  {"a.exe. . ", "a.exe"},
		"right to left override":    {"invoice\u202efdp.exe", "invoicefdp.exe"},
		"isolates and zero width":   {"\u2066a\u200b\ufeffb\u2069.txt", "ab.txt"},
		"control characters":        {"a\x00b\x1b[31m\x7f.txt", "ab[31m.txt"},
		"line breaks":               {"a\r\nContent-Type: x.txt", "a Content-Type_ x.txt"},
		"what Windows refuses":      {`a<b>c:d"e|f?g*h.txt`, "a_b_c_d_e_f_g_h.txt"},
		"a stream of NTFS":          {"a.txt:evil.exe", "a.txt_evil.exe"},
		"look-alikes of slashes":    {"a／b∕c⁄d＼e.txt", "a_b_c_d_e.txt"},
		"look-alikes of dots":       {"．．/x", "x"},
		"a look-alike dot in front": {"．x", "x"},
		"not UTF-8":                 {"a\xff\xfeb.txt", "ab.txt"},
		"a device":                  {"CON", "_CON"},
		"a device in small letters": {"nul.txt", "_nul.txt"},
		"a device, two extensions":  {"Com1.tar.gz", "_Com1.tar.gz"},
		"a device and a space":      {"lpt9 .txt", "_lpt9 .txt"},
		"a superscript device":      {"COM¹", "_COM¹"},
		"a console":                 {"conin$", "_conin$"},
		"an invisible device":       {"C\u200bON.txt", "_CON.txt"},
		"a full-width device":       {"ＣＯＮ", "_CON"},
		"no device":                 {"console.log", "console.log"},
		"no device either":          {"com10.txt", "com10.txt"},
		"no number":                 {"lpt.txt", "lpt.txt"},
		"long":                      {strings.Repeat("a", 300) + ".pdf", strings.Repeat("a", 116) + ".pdf"},
		"very long":                 {strings.Repeat("a", 1e6) + ".pdf", strings.Repeat("a", 116) + ".pdf"},
		"long, of two bytes each":   {"x" + strings.Repeat("é", 300) + ".pdf", "x" + strings.Repeat("é", 57) + ".pdf"},
		"long without extension":    {strings.Repeat("a", 300), strings.Repeat("a", 120)},
		"a long extension is none":  {"a." + strings.Repeat("b", 300), "a." + strings.Repeat("b", 118)},
		"a space where it is cut":   {strings.Repeat("a", 115) + " b" + strings.Repeat("c", 9) + ".pdf", strings.Repeat("a", 115) + ".pdf"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, CleanName(tc.in))
			checkName(t, tc.want)
		})
	}
}

func TestNoTwoFilesOfASendHaveTheSameName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 116) + ".pdf"
	in := []string{"a.txt", "A.TXT", "x/a.txt", "a (2).txt", "", "file", long, long, "a.txt", "a"}
	want := []string{
		"a.txt", "A (2).TXT", "a (3).txt", "a (2) (2).txt", "file", "file (2)", long, strings.Repeat("a", 112) + " (2).pdf", "a (4).txt", "a",
	}
	m := Manifest{Text: "t"}
	for i, n := range in {
		m.Files = append(m.Files, FileInfo{Name: n, Size: int64(i)})
	}
	got := m.Clean()
	require.Equal(t, "t", got.Text)
	for i, n := range want {
		require.Equal(t, FileInfo{Name: n, Size: int64(i)}, got.Files[i])
	}
	require.Equal(t, got, got.Clean())
	require.Equal(t, in[1], m.Files[1].Name, "the argument stays as it was")
}

func TestAThousandFilesOfOneNameTakeNoTime(t *testing.T) {
	t.Parallel()
	m := Manifest{Files: make([]FileInfo, MaxFiles)}
	got := m.Clean()
	require.Equal(t, fmt.Sprintf("file (%d)", MaxFiles), got.Files[MaxFiles-1].Name)
}

// checkName fails where a name could do harm.
func checkName(t *testing.T, s string) {
	t.Helper()
	require.NotEmpty(t, s)
	require.LessOrEqual(t, len(s), maxFileName)
	require.True(t, utf8.ValidString(s))
	require.False(t, strings.ContainsAny(s, `<>:"|?*/\`), "%q", s)
	require.False(t, strings.HasPrefix(s, ".") || strings.HasPrefix(s, " "), "%q", s)
	require.False(t, strings.HasSuffix(s, ".") || strings.HasSuffix(s, " "), "%q", s)
	require.False(t, reserved(s), "%q", s)
	for _, r := range s {
		require.False(t, unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || !unicode.IsGraphic(r), "%U", r)
	}
	require.Equal(t, s, CleanName(s), "a second pass changes something")
}

func FuzzCleanName(f *testing.F) {
	for _, s := range []string{"a.txt", "../x", "CON.txt", "a\u202eb", " . ", "=?x", "．／＼", strings.Repeat("é", 100) + ".tar.gz", "\xff", "a\u0301\u0301\u0301\u0301", "com¹.x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkName(t, CleanName(s)) })
}
