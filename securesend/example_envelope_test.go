package securesend_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mspkit/mspkit/securesend"
)

// What a client does to seal a text and a file, and a recipient to open them.
func ExampleNewSendKeys() {
	place := securesend.Place{Tenant: "contoso", ID: "abc", Region: "Europe", Purpose: "send", Expiry: time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)}
	fragment, half := securesend.RandomKey(), securesend.RandomKey() // one for the link, one for the server
	keys, err := securesend.NewSendKeys(fragment, half, nil)
	if err != nil {
		panic(err)
	}
	header, context := securesend.Header{}, place.Context()
	manifest, err := keys.SealManifest(context, header, securesend.Manifest{
		Text:  "Your new password is in the file.",
		Files: []securesend.FileInfo{{Name: "../password.txt", Size: 7}},
	})
	if err != nil {
		panic(err)
	}
	file, err := keys.File(context, header, 0)
	if err != nil {
		panic(err)
	}
	var sealed bytes.Buffer
	if _, err := io.Copy(&sealed, file.SealReader(strings.NewReader("hunter2"), 7)); err != nil {
		panic(err)
	}

	m, err := keys.OpenManifest(context, header, manifest)
	if err != nil {
		panic(err)
	}
	content, err := io.ReadAll(file.OpenReader(&sealed, m.Files[0].Size, 0))
	if err != nil {
		panic(err)
	}
	fmt.Println(m.Text)
	fmt.Printf("%s: %s\n", m.Files[0].Name, content)
	// Output:
	// Your new password is in the file.
	// password.txt: hunter2
}
