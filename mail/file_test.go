package mail_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
)

func TestFilesCannotBecomeHeadersOrPaths(t *testing.T) {
	t.Parallel()
	good := mail.File{Name: "Report 1.pdf", Type: "application/pdf; charset=utf-8", Data: []byte("x"), ContentID: "logo-1"}
	m := valid()
	m.Files = []mail.File{good}
	require.NoError(t, m.Validate())
	for name, change := range map[string]func(*mail.File){
		"a path":                       func(f *mail.File) { f.Name = "../x" },
		"a path of Windows":            func(f *mail.File) { f.Name = `..\x` },
		"a line break in the name":     func(f *mail.File) { f.Name = "a\r\nBcc: x@evil.example" },
		"a name that reads backwards":  func(f *mail.File) { f.Name = "a\u202efdp.exe" },
		"a header after the type":      func(f *mail.File) { f.Type = "application/pdf;\r\n name=x" },
		"a line break behind the type": func(f *mail.File) { f.Type = "application/pdf\r\n" },
		"an empty line in the type":    func(f *mail.File) { f.Type = "\r\n\r\napplication/pdf" },
		"several parts":                func(f *mail.File) { f.Type = "multipart/mixed; boundary=x" },
		"a bracket in the content id":  func(f *mail.File) { f.ContentID = "a>" },
	} {
		f := good
		change(&f)
		m.Files = []mail.File{f}
		err := m.Validate()
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
		require.NotContains(t, err.Error(), "evil", name)
	}
	for _, second := range []string{"logo-1", "LOGO-1"} {
		f := good
		f.ContentID = second
		m.Files = []mail.File{good, f}
		require.ErrorIs(t, m.Validate(), mspkit.ErrInvalid, "which of the two is shown nobody knows")
	}
	m.Files = []mail.File{{Name: "a", Type: "text/plain"}, {Name: "b", Type: "text/plain"}}
	require.NoError(t, m.Validate(), "attachments have no content id")
}
