package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
)

// desk is a helpdesk whose evidence is the same in every run.
type desk struct {
	dir, export, keys, ring string
	anchor                  string // of the fourth event
	secret                  string
}

func newDesk(t *testing.T) desk {
	t.Helper()
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	key := mspkit.Key{ID: "2026-11", Secret: mspkit.Redact(bytes.Repeat([]byte{7}, mspkit.KeySize))}
	ring, err := mspkit.NewKeyRing(key)
	require.NoError(t, err)
	store := memstore.New()
	svc, err := verify.New(store, ring, "https://help.example", verify.Same(verify.Settings{}), &verify.Options{Now: func() time.Time { return at }})
	require.NoError(t, err)
	for i := range 6 {
		at = at.Add(10 * time.Minute)
		until := at.Add(time.Hour)
		change := verify.SubjectChange{FrozenUntil: &until, Stamp: verify.Stamp{ID: fmt.Sprint("e", i+1), Kind: verify.EventFrozen, By: "jane", Reason: "phoned twice"}}
		require.NoError(t, store.ChangeSubject(t.Context(), "contoso", "dana", change, at))
		require.NoError(t, svc.RunOnce(t.Context()))
	}
	at = at.Add(time.Hour)
	var b bytes.Buffer
	_, err = svc.ExportEvidence(t.Context(), "contoso", &b)
	require.NoError(t, err)
	d := desk{dir: t.TempDir(), secret: key.Export().Reveal()}
	d.export, d.ring = d.file(t, "contoso.evidence", b.String()), d.file(t, "ring.txt", "# of the helpdesk\n\n"+d.secret+"\n")
	keys := d.run(t, clean, "", "keys", "-ring-file", d.ring)
	d.keys = d.file(t, "evidence.keys", keys)
	tail, err := store.Evidence(t.Context(), "contoso", 3, 1)
	require.NoError(t, err)
	a, ok := tail.Events[0].Link.Anchor()
	require.True(t, ok)
	d.anchor = a.String()
	return d
}

func (d desk) file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(d.dir, name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func (d desk) read(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(d.export)
	require.NoError(t, err)
	return string(b)
}

// run runs the program, requires that it ends with code, and returns what it prints; what it prints as an error must be
// there exactly where it could not check.
func (d desk) run(t *testing.T, code int, stdin string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	got := run(args, strings.NewReader(stdin), &out, &errs)
	require.Equal(t, code, got, "%s\n%s", &out, &errs)
	require.Equal(t, code == unchecked, errs.Len() > 0, "%s", &errs)
	return out.String() + errs.String()
}

// The block in docs/evidence.md is what the program prints.
func TestTheGuideShowsWhatTheProgramPrints(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "evidence.md"))
	require.NoError(t, err)
	out := d.run(t, clean, "", "check", "-keys-file", d.keys, "-known", d.anchor, d.export)
	require.Contains(t, string(guide), "\n"+out, "the guide does not show:\n%s", out)
	altered := d.file(t, "altered", strings.Replace(d.read(t), `"by":"jane","reason":"phoned twice"`, `"by":"mallory","reason":"phoned twice"`, 1))
	out = d.run(t, tampered, "", "check", "-keys-file", d.keys, altered)
	require.Contains(t, string(guide), "\n"+out, "the guide does not show:\n%s", out)
}

func TestItEndsWith012(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	whole := d.read(t)
	cut := strings.Join(strings.SplitAfter(whole, "\n")[:4], "")
	other := "4:" + strings.Repeat("0", 64)
	wrong := d.file(t, "wrong.keys", strings.Replace(d.run(t, clean, "", "keys", "-ring-file", d.ring), "2026-11", "2026-12", 1))
	for name, tt := range map[string]struct {
		code  int
		stdin string
		args  []string
		want  string
	}{
		"clean":                      {clean, "", []string{"check", "-keys-file", d.keys, d.export}, "found     nothing\n"},
		"clean, by the ring":         {clean, "", []string{"check", "-ring-file", d.ring, d.export}, "seals     6 genuine\n"},
		"clean, from standard input": {clean, whole, []string{"check", "-ring-file", d.ring, "-"}, "found     nothing\n"},
		"clean, by the hashes":       {clean, "", []string{"check", "-hashes-only", d.export}, "seals     NOT CHECKED"},
		"clean, of the tenant":       {clean, "", []string{"check", "-keys-file", d.keys, "-tenant", "contoso", d.export}, "found     nothing\n"},
		"shown":                      {clean, "", []string{"show", "-keys-file", d.keys, d.export}, `2  2026-11-22 09:20:00 UTC  frozen  subject=dana  by=jane  reason="phoned twice"`},
		"the help":                   {clean, "", []string{"-h"}, "mspkit-evidence check [flags] FILE"},
		"the help of check":          {clean, "", []string{"check", "-h"}, "mspkit-evidence check [flags] FILE"},

		"nothing noted":         {clean, "", []string{"check", "-keys-file", d.keys, d.export}, "is not found without -known"},
		"another was noted":     {tampered, "", []string{"check", "-keys-file", d.keys, "-known", d.anchor, "-known", other, d.export}, "noted     1 of 2 fit\n"},
		"another tenant":        {tampered, "", []string{"check", "-keys-file", d.keys, "-tenant", "fabrikam", d.export}, `tenant: this is the evidence of tenant "contoso", not of "fabrikam"`},
		"keys of somebody else": {tampered, "", []string{"check", "-keys-file", wrong, d.export}, `unchecked: the seal of the file cannot be checked, because its key "2026-11" was not given`},
		"cut off":               {tampered, cut, []string{"check", "-keys-file", d.keys, "-"}, "numbers 4 to 6: missing"},

		"nothing said":              {unchecked, "", nil, "check, show or keys must be said first"},
		"something else said":       {unchecked, "", []string{"verify"}, "check, show or keys must be said first"},
		"no file":                   {unchecked, "", []string{"check", "-keys-file", d.keys}, "one file must be named"},
		"two files":                 {unchecked, "", []string{"check", "-keys-file", d.keys, d.export, d.export}, "there are 2"},
		"no such file":              {unchecked, "", []string{"check", "-keys-file", d.keys, d.export + "x"}, "no such file"},
		"no keys":                   {unchecked, "", []string{"check", d.export}, "-hashes-only goes without, and finds less"},
		"both kinds of keys":        {unchecked, "", []string{"check", "-keys-file", d.keys, "-ring-file", d.ring, d.export}, "cannot both be given"},
		"no such keys":              {unchecked, "", []string{"check", "-keys-file", d.keys + "x", d.export}, "no such file"},
		"no such ring":              {unchecked, "", []string{"check", "-ring-file", d.keys + "x", d.export}, "no such file"},
		"no ring":                   {unchecked, "", []string{"keys"}, "-ring-file is missing"},
		"the ring as keys":          {unchecked, "", []string{"check", "-keys-file", d.ring, d.export}, "key 1: verify: evidence key: it must have the form"},
		"the keys as ring":          {unchecked, "", []string{"check", "-ring-file", d.keys, d.export}, "key 1 has not the form"},
		"keys in an empty file":     {unchecked, "", []string{"check", "-ring-file", d.file(t, "empty", "# none\n"), d.export}, "holds no key"},
		"a key twice":               {unchecked, "", []string{"check", "-ring-file", d.file(t, "twice", d.secret+"\n"+d.secret), d.export}, "is used twice"},
		"an unknown flag":           {unchecked, "", []string{"check", "-quick", d.export}, "-quick"},
		"an anchor that is none":    {unchecked, "", []string{"check", "-keys-file", d.keys, "-known", "4", d.export}, "64 hexadecimal digits"},
		"a tenant that is none":     {unchecked, "", []string{"check", "-keys-file", d.keys, "-tenant", " ", d.export}, "tenant"},
		"a retention that is one":   {unchecked, "", []string{"check", "-keys-file", d.keys, "-retention-days", "-1", d.export}, "1 to 36500"},
		"no export":                 {unchecked, "hello\n", []string{"check", "-keys-file", d.keys, "-"}, "line 1: this is no export of evidence"},
		"an export that breaks off": {unchecked, whole[:len(whole)/2], []string{"check", "-keys-file", d.keys, "-"}, "found     nothing up to where it breaks off"},
		"one that breaks off, why":  {unchecked, whole[:len(whole)/2], []string{"check", "-keys-file", d.keys, "-"}, "the file breaks off in the middle of it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := d.run(t, tt.code, tt.stdin, tt.args...)
			require.Contains(t, out, tt.want)
			_, enc, _ := strings.Cut(d.secret, ":")
			require.NotContains(t, out, enc, "the ring was printed")
		})
	}
}

func TestAnExportCannotWriteToTheTerminal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	evil := strings.Replace(d.read(t), `"by":"jane"`, `"by":"\u001b[2J\u202efound nothing"`, 1)
	evil = strings.Replace(evil, `"tenant":"contoso"`, `"tenant":"con\u001b[2Jtoso"`, 1)
	out := d.run(t, tampered, evil, "show", "-keys-file", d.keys, "-")
	require.NotContains(t, out, "\x1b")
	require.NotContains(t, out, "\u202e")
	require.Contains(t, out, `by="\x1b[2J\u202efound nothing"`)
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestOutputThatCannotBeWrittenIsAnError(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var errs bytes.Buffer
	require.Equal(t, unchecked, run([]string{"check", "-keys-file", d.keys, d.export}, nil, full{}, &errs))
	require.Contains(t, errs.String(), "no space left on device")
}

func TestTheRetentionIsThatOfTheAuditor(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	_, enc, _ := strings.Cut(strings.Split(d.read(t), "\n")[2], `"link":`)
	moved := strings.SplitAfter(strings.Replace(d.read(t), `"base":{"n":0,"link":""}`, `"base":{"n":2,"link":`+enc, 1), "\n")
	moved = append(moved[:1:1], moved[3:]...)
	out := d.run(t, tampered, strings.Join(moved, ""), "check", "-keys-file", d.keys, "-")
	require.Contains(t, out, "the events up to 2026-11-22T09:20:00.000000Z were deleted, which the retention of 730 days keeps until 2028-11-21T09:20:00.000000Z")
	out = d.run(t, tampered, strings.Join(moved, ""), "check", "-keys-file", d.keys, "-retention-days", "30", "-")
	require.Contains(t, out, "the retention of 30 days keeps")
}
