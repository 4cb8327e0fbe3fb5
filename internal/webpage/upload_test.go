package webpage_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/webpage"
)

// part is one part of a form with files; head follows the name of the field.
func part(field, head, value string) string {
	return "--x\r\nContent-Disposition: form-data; name=\"" + field + "\"" + head + "\r\n\r\n" + value + "\r\n"
}

func upload(t *testing.T, h http.Handler, body string, header ...string) (status int, text string) {
	t.Helper()
	w := do(t, h, "POST", "/upload", body, append([]string{"Content-Type", "multipart/form-data; boundary=x"}, header...)...)
	return w.Code, w.Body.String()
}

func TestUploadIsReadIntoFieldsAndFiles(t *testing.T) {
	t.Parallel()
	site, _ := newSite(t, nil)
	const end = "--x--\r\n"
	png := "; filename=\"a.png\"\r\nContent-Type: image/png"
	for name, tc := range map[string]struct{ body, want string }{
		"field and file":        {part("name", "", "Jane") + part("logo", png, "\x89PNG") + end, `["Jane"] "a.png" true 4 "\x89PNG" 1`},
		"several values":        {part("name", "", "a") + part("name", "", "b") + end, `["a" "b"] "" false 0 "" 1`},
		"no file chosen":        {part("logo", "; filename=\"\"\r\nContent-Type: application/octet-stream", "") + end, `[] "" false 0 "" 0`},
		"empty file":            {part("logo", "; filename=\"a.png\"", "") + end, `[] "a.png" true 0 "" 0`},
		"file without a name":   {part("logo", "; filename=\"\"", "x") + end, `[] "" true 1 "x" 0`},
		"folders in the name":   {part("logo", "; filename=\"../../etc/passwd\"", "x") + end, `[] "passwd" true 1 "x" 0`},
		"name in another form":  {part("logo", "; filename*=UTF-8''%c3%a4.png", "x") + end, `[] "ä.png" true 1 "x" 0`},
		"as long as allowed":    {part("logo", png, strings.Repeat("x", 1<<10)) + end, `[] "a.png" true 1024 "` + strings.Repeat("x", 1<<10) + `" 0`},
		"too long is not kept":  {part("name", "", "Jane") + part("logo", png, strings.Repeat("x", 3<<10)) + end, `["Jane"] "a.png" true 3072 "" 1`},
		"the query is no field": {end, `[] "" false 0 "" 0`},
		"no decoding":           {part("name", "\r\nContent-Transfer-Encoding: quoted-printable", "=41") + end, `["=41"] "" false 0 "" 1`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, text := upload(t, site, tc.body)
			require.Equal(t, 200, status, text)
			require.Equal(t, tc.want, text)
		})
	}
}

func TestUploadThatCannotBeUsedIsRefused(t *testing.T) {
	t.Parallel()
	site, _ := newSite(t, nil)
	const end = "--x--\r\n"
	long := strings.Repeat("x", 5<<10)
	for name, tc := range map[string]struct {
		body string
		want int
	}{
		"no form":              {"", 400},
		"cut short":            {part("name", "", "Jane"), 400},
		"cut in a file":        {"--x\r\nContent-Disposition: form-data; name=\"logo\"; filename=\"a\"\r\n\r\nabc", 400},
		"another boundary":     {"--y\r\n\r\n\r\n--y--\r\n", 400},
		"a part of no field":   {"--x\r\nContent-Type: text/plain\r\n\r\nx\r\n" + end, 400},
		"the name of a novel":  {part(strings.Repeat("n", 200), "", "x") + end, 400},
		"a file twice":         {part("logo", "; filename=\"a\"", "x") + part("logo", "; filename=\"b\"", "x") + end, 400},
		"a field too long":     {part("name", "", long) + end, 413},
		"a file beyond it all": {part("logo", "; filename=\"a\"", long) + end, 413},
		"more after the end":   {end + long, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, text := upload(t, site, tc.body)
			require.Equal(t, tc.want, status, text)
		})
	}
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://attacker.example"}, {"Origin", "null"}} {
		status, _ := upload(t, site, part("name", "", "Jane")+end, header...)
		require.Equal(t, 403, status)
	}
}

// Many parts cost more than their bytes, so that they are counted.
func TestUploadOfTooManyPartsIsRefused(t *testing.T) {
	t.Parallel()
	h, err := webpage.New([]webpage.Route{{Name: "upload", Method: "POST", Pattern: "/upload", Kind: webpage.UploadKind, MaxBody: 1 << 20, Handler: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}}}, nil)
	require.NoError(t, err)
	for n, want := range map[int]int{512: 204, 513: 413} {
		status, _ := upload(t, h, strings.Repeat(part("a", "", ""), n)+"--x--\r\n")
		require.Equal(t, want, status)
	}
}

func FuzzUpload(f *testing.F) {
	f.Add([]byte(part("name", "", "Jane") + part("logo", "; filename=\"a.png\"", "\x89PNG") + "--x--\r\n"))
	f.Add([]byte("--x--"))
	f.Add([]byte("--x\r\nContent-Disposition: form-data; name*=UTF-8''a; filename*0=\"a\"\r\n\r\n\r\n--x--"))
	const limit = 256
	var got webpage.Upload
	h, err := webpage.New([]webpage.Route{{Name: "upload", Method: "POST", Pattern: "/upload", Kind: webpage.UploadKind, MaxFile: limit, Handler: func(w http.ResponseWriter, r *http.Request) {
		got, _ = webpage.Uploaded(r, "logo")
		w.WriteHeader(http.StatusNoContent)
	}}}, nil)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, body []byte) {
		got = webpage.Upload{}
		w := do(t, h, "POST", "/upload", string(body), "Content-Type", "multipart/form-data; boundary=x")
		require.Contains(t, []int{204, 400, 413}, w.Code)
		require.LessOrEqual(t, len(got.Content), limit)
		require.NotContains(t, got.Name, "/")
		if got.Size > limit {
			require.Nil(t, got.Content)
		} else {
			require.Len(t, got.Content, int(got.Size))
		}
	})
}
