package mspkit_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	sendmem "github.com/mspkit/mspkit/securesend/memstore"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
)

// quickStart is the code of the README, word for word.
func quickStart(ctx context.Context, email verify.Channel, dana verify.Subject, expect verify.Expect, jobID string) error {
	ring, _ := mspkit.NewKeyRing(mspkit.NewKey("2026-11")) // keep it in your secret store
	settings := verify.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}}
	svc, err := verify.New(memstore.New(), ring, "https://help.example/verify", verify.Same(settings), &verify.Options{
		Channels: map[string]verify.Channel{"email": email},
	})
	if err != nil {
		return err
	}
	c, err := svc.Start(ctx, verify.StartRequest{
		Tenant: "contoso", Subject: dana, Action: verify.ActionIdentify,
		Technician: verify.Technician{ID: "jane", Name: "Jane Doe"}, Ticket: mspkit.Ticket{ID: "4711"},
	})
	if err != nil {
		return err
	}
	fmt.Println("Say this number to the caller:", c.Number.Reveal())
	if c, err = svc.Wait(ctx, c.Ref, "jane"); err != nil {
		return err
	}
	return svc.Redeem(ctx, c.Proof, expect, jobID) // nil for this one job, if the caller was verified: now do it
}

// handOver is the other code of the README, word for word.
func handOver(ctx context.Context, ring *mspkit.KeyRing, sends securesend.SecretStore, settings securesend.Settings, sms securesend.Sender, newPassword mspkit.Redacted[string]) error {
	svc, err := securesend.New(sends, ring, "https://help.example/send", securesend.Same(settings), &securesend.Options{
		Senders: map[string]securesend.Sender{"sms": sms}, // by securesend/sendvia
	})
	if err != nil {
		return err
	}
	sent, err := svc.Create(ctx, securesend.SendRequest{
		Tenant: "contoso", By: securesend.Technician{ID: "jane", Name: "Jane Doe"}, Ticket: mspkit.Ticket{ID: "4711"},
		Text: newPassword, Deliver: []securesend.Destination{{Sender: "sms", Address: "+12025550143"}},
	})
	if err != nil {
		return err
	}
	fmt.Println("Say this number to the caller:", sent.Number.Reveal()) // who reads the message lacks it
	return nil
}

// phone keeps the last message.
type phone struct{ got securesend.Message }

func (p *phone) Send(_ context.Context, m securesend.Message) error {
	p.got = m
	return nil
}

// nobody is a channel whose messages are never answered.
type nobody struct{ sent chan verify.Delivery }

func (n nobody) Deliver(_ context.Context, d verify.Delivery) (verify.Receipt, error) {
	n.sent <- d
	return verify.Receipt{}, nil
}

func (nobody) Assurance() verify.Assurance { return verify.AssuranceEmail }

func TestTheQuickStartOfTheREADMEIsThisFile(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	email := nobody{make(chan verify.Delivery, 1)}
	dana := verify.Subject{ID: "dana", Destinations: []verify.Destination{{Channel: "email", Address: "dana@contoso.example", FirstSeen: time.Unix(1, 0)}}}
	done := make(chan error, 1)
	go func() { done <- quickStart(ctx, email, dana, verify.Expect{}, "reset-job-17") }()
	require.Contains(t, (<-email.sent).Link.Reveal(), "https://help.example/verify/v/")
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)

	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	var sms phone
	settings := securesend.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}}
	require.NoError(t, handOver(t.Context(), ring, sendmem.New(), settings, &sms, mspkit.Redact("hunter2")))
	require.Contains(t, sms.got.Text.Reveal(), "https://help.example/send/s/")
	require.NotContains(t, sms.got.Text.Reveal(), "hunter2")

	readme, source := read(t, "README.md"), read(t, "readme_test.go")
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readme, -1)
	require.Len(t, blocks, 2)
	for _, block := range blocks {
		indented := regexp.MustCompile(`(?m)^(.)`).ReplaceAllString(block[1], "\t$1")
		require.Contains(t, source, indented, "the code of the README is not the code above")
		require.LessOrEqual(t, strings.Count(block[1], "\n"), 25)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(b)
}

// Every link to a file leads somewhere, and every test that a document names is in the file that it links to.
func TestDocumentsLinkToWhatExists(t *testing.T) {
	t.Parallel()
	docs, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	link := regexp.MustCompile(`\[([^\]]*)\]\(([^)#\s]+)[^)]*\)`)
	for _, doc := range append(docs, "README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md") {
		for _, m := range link.FindAllStringSubmatch(read(t, doc), -1) {
			name, target := strings.Trim(m[1], "`"), m[2]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			path := filepath.Join(filepath.Dir(doc), target)
			info, err := os.Stat(path)
			require.NoError(t, err, "%s links to %s", doc, target)
			if strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz") {
				require.False(t, info.IsDir(), "%s: %s should link to the file of the test", doc, name)
				found := strings.Contains(read(t, path), "func "+strings.Split(name, "/")[0]+"(") // what it is not in is too long to print
				require.True(t, found, "%s says that %s is in %s", doc, name, target)
			}
		}
	}
	require.Less(t, strings.Count(read(t, "README.md"), "\n"), 250)
}
