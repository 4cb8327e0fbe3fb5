package verify_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

// evidence is a world with a chain of several steps, each sealed at its end.
type evidence struct {
	*world
	keys []verify.EvidenceKey
}

func newEvidence(t testing.TB, change ...func(*world, *verify.Options)) *evidence {
	t.Helper()
	x := &evidence{world: newWorld(t, change...)}
	var err error
	x.keys, err = verify.EvidenceKeys(x.ring)
	require.NoError(t, err)
	return x
}

// verified is a verification from its beginning to the proof's end: five events.
func (x *evidence) verified(t testing.TB) {
	t.Helper()
	ctx := t.Context()
	x.pass(time.Second)
	c, err := x.Start(ctx, x.request())
	require.NoError(t, err)
	x.pass(time.Second)
	_, err = x.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
	require.NoError(t, err)
	c, err = x.Get(ctx, c.Ref, jane.ID)
	require.NoError(t, err)
	x.pass(time.Second)
	require.NoError(t, x.Redeem(ctx, c.Proof, verify.Expect{
		Tenant: tenant, Subject: "dana", Action: c.Action, Technician: jane.ID, Ticket: c.Ticket,
	}, "job"))
}

// export returns the lines of an export, without their ends.
func (x *evidence) export(t testing.TB) []string {
	t.Helper()
	return exported(t, x.Service, tenant)
}

func exported(t testing.TB, svc *verify.Service, tenant mspkit.TenantID) []string {
	t.Helper()
	var b bytes.Buffer
	_, err := svc.ExportEvidence(t.Context(), tenant, &b)
	require.NoError(t, err)
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

func join(lines []string) string { return strings.Join(lines, "\n") + "\n" }

// rehash makes the hash in the last line fit again, which needs no key.
func rehash(lines []string) []string {
	last := len(lines) - 1
	sum := sha256.Sum256([]byte(join(lines[:last])))
	i := strings.Index(lines[last], `"sha256":"`) + len(`"sha256":"`)
	lines[last] = lines[last][:i] + hex.EncodeToString(sum[:]) + lines[last][i+64:]
	return lines
}

func check(t testing.TB, lines []string, o verify.CheckOptions) verify.Report {
	t.Helper()
	r, err := verify.CheckEvidence(strings.NewReader(join(lines)), &o)
	require.NoError(t, err)
	return r
}

// kept is a store that holds one chain and nothing else: what somebody makes who builds a chain of their own.
type kept struct {
	verify.Store
	head   verify.Link
	events []verify.Event
}

func (k kept) Evidence(_ context.Context, _ mspkit.TenantID, after int64, limit int) (verify.Evidence, error) {
	events := slices.DeleteFunc(slices.Clone(k.events), func(e verify.Event) bool { return e.Link.N <= after })
	return verify.Evidence{Head: k.head, Events: events[:min(len(events), limit)]}, nil
}

// forge builds the chain of an export anew after change, under a key of the forger's own with the same name, and exports it.
func forge(t testing.TB, lines []string, change func([]verify.Event) []verify.Event) []string {
	t.Helper()
	var events []verify.Event
	check(t, lines, verify.CheckOptions{HashesOnly: true, Event: func(_ int64, e verify.Event) { events = append(events, e) }})
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	return chained(t, ring, change(events))
}

// chained returns the export of a chain of events.
func chained(t testing.TB, ring *mspkit.KeyRing, events []verify.Event) []string {
	t.Helper()
	require.NoError(t, verify.Extend(ring, tenant, events))
	svc, err := verify.New(kept{head: events[len(events)-1].Link, events: events}, ring, "https://help.example", verify.Same(verify.Settings{}),
		&verify.Options{Now: func() time.Time { return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) }})
	require.NoError(t, err)
	return exported(t, svc, tenant)
}

// field replaces the value of a field in a line.
func field(t testing.TB, line, name string, value any) string {
	t.Helper()
	i := strings.Index(line, `"`+name+`":`)
	require.GreaterOrEqual(t, i, 0, "%s is not in %s", name, line)
	i += len(name) + 3
	end := i + strings.IndexAny(line[i:], ",}")
	if line[i] == '"' {
		end = i + 2 + strings.IndexByte(line[i+1:], '"')
	}
	b, err := json.Marshal(value)
	require.NoError(t, err)
	require.NotEqual(t, line[i:end], string(b), "the field has this value already")
	return line[:i] + string(b) + line[end:]
}

// flip changes the hexadecimal digit i of the link in a line; a negative i counts from its end.
func flip(line string, i int) string {
	at := strings.Index(line, `"link":"`) + len(`"link":"`) + i
	if i < 0 {
		at = strings.LastIndexByte(line, '"') + i
	}
	d := byte('0')
	if line[at] == d {
		d = '1'
	}
	return line[:at] + string(d) + line[at+1:]
}

// Digits of a link in hexadecimal: where its hash, the length of its key id and its key id begin.
const (
	digitTime = 2
	digitHash = 2 * 9
	digitKey  = 2 * 42
)

func TestTheCheckerFindsEveryKindOfTampering(t *testing.T) {
	t.Parallel()
	x := newEvidence(t)
	for range 3 {
		x.verified(t)
		require.NoError(t, x.RunOnce(t.Context()))
	}
	older := x.export(t)
	x.verified(t)
	require.NoError(t, x.RunOnce(t.Context()))
	lines := x.export(t) // a header, the events 1 to 20, a trailer
	require.Len(t, lines, 22)
	other := newEvidence(t)
	other.verified(t)
	require.NoError(t, other.RunOnce(t.Context()))
	foreign := other.export(t)

	noted := check(t, lines, verify.CheckOptions{Keys: x.keys}).Last
	options := verify.CheckOptions{Keys: x.keys, Known: []verify.Anchor{noted}, Tenant: tenant}
	clean := check(t, lines, options)
	require.True(t, clean.Clean(), "%v", clean.Findings)
	require.Equal(t, []int64{20, 20, 4, 1}, []int64{clean.Events, clean.Head, clean.Seals, clean.Anchors})

	at := func(i int, change func(string) string) func([]string) []string {
		return func(l []string) []string {
			l[i] = change(l[i])
			return l
		}
	}
	set := func(i int, name string, value any) func([]string) []string {
		return at(i, func(s string) string { return field(t, s, name, value) })
	}
	renumber := func(l []string, from, by int) {
		for i := from; i < len(l)-1; i++ {
			l[i] = field(t, l[i], "n", i+by)
		}
	}
	type row struct {
		name   string
		change func(l []string) []string
		kind   verify.FindingKind
		n      int64 // of the finding, 0 where it has none
		// keyed: only who has the key sees it. Everything else is found with the hashes alone.
		keyed bool
	}
	rows := []row{
		{"an event is removed at the beginning", func(l []string) []string { return slices.Delete(l, 1, 2) }, verify.FindingMissing, 1, false},
		{"an event is removed in the middle", func(l []string) []string { return slices.Delete(l, 9, 10) }, verify.FindingMissing, 9, false},
		{"an event is removed at the end", func(l []string) []string { return slices.Delete(l, 20, 21) }, verify.FindingMissing, 20, false},
		{"an event is removed and the numbers closed up", func(l []string) []string {
			l = slices.Delete(l, 9, 10)
			renumber(l, 9, 0)
			return l
		}, verify.FindingAltered, 9, false},
		{"all events are removed", func(l []string) []string { return slices.Delete(l, 1, 21) }, verify.FindingMissing, 1, false},
		{"two events are swapped", func(l []string) []string {
			l[6], l[7] = l[7], l[6]
			return l
		}, verify.FindingOrder, 6, false},
		{"two events are swapped and renumbered", func(l []string) []string {
			l[6], l[7] = field(t, l[7], "n", 6), field(t, l[6], "n", 7)
			return l
		}, verify.FindingAltered, 6, false},
		{"an event is repeated", func(l []string) []string { return slices.Insert(l, 6, l[5]) }, verify.FindingOrder, 5, false},
		{"an event is made up and put in", func(l []string) []string {
			l = slices.Insert(l, 6, field(t, l[5], "kind", "confirmed"))
			renumber(l, 6, 0)
			return l
		}, verify.FindingAltered, 6, false},
		{"an event is put in at the end", func(l []string) []string {
			return slices.Insert(l, 21, field(t, l[20], "n", 21))
		}, verify.FindingOrder, 21, false},
		{"an event of another tenant is put in its place", at(4, func(string) string { return foreign[4] }), verify.FindingAltered, 4, false},
		{"the numbers are shifted", func(l []string) []string {
			renumber(l, 1, 1)
			return l
		}, verify.FindingAltered, 3, false},
		{"the hash of a link is altered", at(8, func(s string) string { return flip(s, digitHash) }), verify.FindingAltered, 8, false},
		{"the time of a link is altered", at(8, func(s string) string { return flip(s, digitTime+15) }), verify.FindingAltered, 8, false},
		{"a link is not one", at(8, func(s string) string { return flip(s, 1) }), verify.FindingAltered, 8, false},
		{"a seal in the middle is altered", at(10, func(s string) string { return flip(s, -1) }), verify.FindingSeal, 10, true},
		{"the last seal is altered", at(20, func(s string) string { return flip(s, -1) }), verify.FindingSeal, 20, true},
		{"a seal in the middle is removed", at(10, func(s string) string {
			i := strings.Index(s, `"link":"`) + len(`"link":"`)
			return s[:i+digitKey-2] + `"}`
		}), verify.FindingAltered, 11, false},
		{"the name of a key is altered", at(10, func(s string) string { return flip(s, digitKey+1) }), verify.FindingUnchecked, 10, true},
		{"the head is set back", func(l []string) []string {
			l[0] = headOf(t, l[0], 15, l[15])
			return l
		}, verify.FindingOrder, 16, false},
		{"the head is set back and what follows removed", func(l []string) []string {
			l[0] = headOf(t, l[0], 15, l[15])
			l[21] = field(t, l[21], "end", 15)
			return slices.Delete(l, 16, 21)
		}, verify.FindingAnchor, 20, false},
		{"the end is cut off where nothing is sealed", func(l []string) []string {
			l[0] = headOf(t, l[0], 13, l[13])
			return slices.Delete(l, 14, 21)
		}, verify.FindingSeal, 13, true},
		{"the head is altered", func(l []string) []string {
			l[0] = headOf(t, l[0], 20, l[15])
			return l
		}, verify.FindingEnd, 20, false},
		{"the base is moved forward and what is before removed", func(l []string) []string {
			l[0] = baseOf(t, l[0], 5, l[5])
			return slices.Delete(l, 1, 6)
		}, verify.FindingBase, 5, false},
		{"the base is moved forward", func(l []string) []string {
			l[0] = baseOf(t, l[0], 5, l[5])
			return l
		}, verify.FindingOrder, 1, false},
		{"the base is forward and not one", func(l []string) []string {
			l[0] = strings.Replace(l[0], `"base":{"n":0,"link":""}`, `"base":{"n":5,"link":"00"}`, 1)
			return slices.Delete(l, 1, 6)
		}, verify.FindingAltered, 0, false},
		{"nothing is left but a base that is not sealed", func(l []string) []string {
			l[0] = headOf(t, baseOf(t, l[0], 13, l[13]), 13, l[13])
			return slices.Delete(l, 1, 21)
		}, verify.FindingSeal, 13, true},
		{"nothing is left but a base whose seal is altered", func(l []string) []string {
			end := flip(l[20], -1)
			l[0] = headOf(t, baseOf(t, l[0], 20, end), 20, end)
			return slices.Delete(l, 1, 21)
		}, verify.FindingSeal, 20, true},
		{"the head lies before the base", func(l []string) []string {
			l[0] = headOf(t, baseOf(t, l[0], 5, l[5]), 3, l[3])
			return slices.Delete(l, 1, 6)
		}, verify.FindingEnd, 0, false},
		{"the tenant in the header is altered", set(0, "tenant", "fabrikam"), verify.FindingTenant, 0, false},
		{"the tenant in the header is altered: the events do not fit", set(0, "tenant", "fabrikam"), verify.FindingAltered, 20, false},
		{"the time of the export is altered", set(0, "exported", "2030-01-01T00:00:00.000000Z"), verify.FindingSeal, 0, true},
		{"the retention is altered", set(0, "retention", 1), verify.FindingSeal, 0, true},
		{"the count at the end is altered", set(21, "end", 19), verify.FindingFile, 0, false},
		{"the end is removed", func(l []string) []string { return l[:21] }, verify.FindingFile, 0, false},
		{"something is added after the end", func(l []string) []string { return append(l, l[20]) }, verify.FindingFile, 0, false},
		{"the seal of the file is altered", at(21, func(s string) string {
			return field(t, s, "seal", strings.Repeat("0", 128))
		}), verify.FindingSeal, 0, true},
		{"a field stands twice in a line", at(5, func(s string) string {
			return strings.Replace(s, `"kind":"redeemed"`, `"kind":"denied","kind":"redeemed"`, 1)
		}), verify.FindingFile, 5, false},
		{"a field that is unknown is added", at(5, func(s string) string { return `{"note":"approved by the boss",` + s[1:] }), verify.FindingFile, 5, false},
		{"the whole chain is made anew with another key", func(l []string) []string {
			return forge(t, l, func(e []verify.Event) []verify.Event { return slices.Delete(e, 15, 20) })
		}, verify.FindingSeal, 15, true},
		{"the whole chain is made anew: it does not fit what was noted", func(l []string) []string {
			return forge(t, l, func(e []verify.Event) []verify.Event {
				e[3].Technician = "mallory"
				return e
			})
		}, verify.FindingAnchor, 20, false},
		{"an older export is shown as the newest", func([]string) []string { return slices.Clone(older) }, verify.FindingAnchor, 20, false},
	}
	for name, value := range map[string]any{
		"at": "2026-11-22T09:00:02.000001Z", "kind": "denied", "id": "another", "challenge": "another", "verifies": "technician", "subject": "mallory",
		"action": "reset-mfa", "technician": "mallory", "ticket_system": "another", "ticket_id": "1", "channel": "sms", "method": "code",
		"assurance": 80, "state": "denied", "tries": 2, "sends": 2, "by": "mallory",
	} {
		rows = append(rows, row{"the field " + name + " of an event is altered", set(4, name, value), verify.FindingAltered, 4, false})
	}
	rows = append(rows, row{"the field reason of an event is added", at(4, func(s string) string {
		return strings.Replace(s, `,"link"`, `,"reason":"the boss said so","link"`, 1)
	}), verify.FindingAltered, 4, false})
	require.GreaterOrEqual(t, len(rows), 50)

	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			altered := r.change(slices.Clone(lines))
			if strings.HasPrefix(altered[len(altered)-1], `{"end":`) {
				altered = rehash(altered)
			}
			o := options
			found := func(rep verify.Report) bool {
				return slices.ContainsFunc(rep.Findings, func(f verify.Finding) bool {
					return f.Kind == r.kind && f.From <= r.n && r.n <= f.To && (r.n != 0 || f.From == 0)
				})
			}
			rep := check(t, altered, o)
			require.True(t, found(rep), "it is not found: %v", rep.Findings)
			o.HashesOnly = true
			rep = check(t, altered, o)
			require.NotEqual(t, r.keyed, found(rep), "with the hashes alone: %v", rep.Findings)
		})
	}
}

// headOf sets the head in a header to the link of an event.
func headOf(t testing.TB, header string, n int, event string) string {
	t.Helper()
	i := strings.Index(header, `"head":`)
	require.Positive(t, i)
	return header[:i] + fmt.Sprintf(`"head":{"n":%d,`, n) + linkOf(t, event) + "}"
}

// baseOf sets the base in a header to the link of an event.
func baseOf(t testing.TB, header string, n int, event string) string {
	t.Helper()
	const none = `"base":{"n":0,"link":""}`
	require.Contains(t, header, none)
	return strings.Replace(header, none, fmt.Sprintf(`"base":{"n":%d,`, n)+linkOf(t, event), 1)
}

// linkOf returns the link at the end of the line of an event.
func linkOf(t testing.TB, event string) string {
	t.Helper()
	_, link, ok := strings.Cut(event, `"link":`)
	require.True(t, ok)
	return `"link":` + link
}

func TestAFindingSaysWhereItIsAndWhatItMeans(t *testing.T) {
	t.Parallel()
	x := newEvidence(t)
	x.verified(t)
	require.NoError(t, x.RunOnce(t.Context()))
	lines := x.export(t)
	lines[4] = field(t, lines[4], "technician", "mallory")
	rep := check(t, slices.Delete(lines, 2, 3), verify.CheckOptions{Keys: x.keys, Known: []verify.Anchor{{N: 9}, {N: 2}, {N: 1}}})
	var got []string
	for _, f := range rep.Findings {
		got = append(got, f.String())
	}
	nothing := strings.Repeat("0", 64)
	require.Equal(t, []string{
		"line 2, number 1: anchor: this number was noted as " + nothing + " and is another now: the chain was rewritten since",
		"line 3, number 2: missing: these numbers are missing: events were removed. Whether the next one was altered cannot be told either",
		"line 4, number 4: altered: the event does not fit its link: the event, its number, its link or the link before it was altered, or it is of another tenant",
		"line 6: file: the export says that it has 5 events and has 4: lines were added or removed",
		"line 6: file: the lines do not fit the hash at the end: the file was altered after it was exported",
		"line 6: seal: the seal of the file is not genuine: somebody without the key made or altered it",
		"line 6, number 9: anchor: this number was noted and the chain ends with number 5: its end was cut off, or this is an older copy",
		"line 6, number 2: anchor: this number was noted and is missing: it was removed",
	}, got)
}

func TestFindingsThatFollowEachOtherAreOneAndTheRestIsCounted(t *testing.T) {
	t.Parallel()
	x := newEvidence(t)
	for range 4 {
		x.verified(t)
		require.NoError(t, x.RunOnce(t.Context()))
	}
	lines := x.export(t)
	other := slices.Clone(lines)
	other[0] = field(t, other[0], "tenant", "fabrikam")
	rep := check(t, other, verify.CheckOptions{Keys: x.keys})
	require.Contains(t, fmt.Sprint(rep.Findings), "numbers 1 to 20: altered")

	for i := 1; i < 21; i += 2 {
		lines[i] = field(t, lines[i], "by", "mallory")
	}
	rep = check(t, lines, verify.CheckOptions{Keys: x.keys, MaxFindings: 3})
	require.Len(t, rep.Findings, 3)
	require.Equal(t, 10+2-3, rep.More)
	require.False(t, rep.Clean())
}

func TestASealOfAKeyThatWasNotGivenIsAFinding(t *testing.T) {
	t.Parallel()
	x := newEvidence(t)
	x.verified(t)
	require.NoError(t, x.RunOnce(t.Context()))
	for _, o := range []*verify.CheckOptions{nil, {}} {
		rep, err := verify.CheckEvidence(strings.NewReader(join(x.export(t))), o)
		require.NoError(t, err)
		require.Len(t, rep.Findings, 2, "the seal of the chain and that of the file")
		for _, f := range rep.Findings {
			require.Equal(t, verify.FindingUnchecked, f.Kind)
			require.Contains(t, f.Text, `"k1"`)
		}
	}
	require.True(t, check(t, x.export(t), verify.CheckOptions{HashesOnly: true}).Clean())
}

func TestAnUntouchedExportIsCleanWhateverHappened(t *testing.T) {
	t.Parallel()
	x := newEvidence(t)
	ctx := t.Context()
	clean := func(svc *verify.Service, keys []verify.EvidenceKey, known ...verify.Anchor) verify.Report {
		t.Helper()
		rep := check(t, exported(t, svc, tenant), verify.CheckOptions{Keys: keys, Known: known, Tenant: tenant})
		require.True(t, rep.Clean(), "%v", rep.Findings)
		return rep
	}
	clean(x.Service, x.keys) // nothing is there

	x.verified(t)
	require.NoError(t, x.store.ChangeSubject(ctx, tenant, "dana", verify.SubjectChange{Unlock: true, Stamp: verify.Stamp{
		ID: "text", Kind: verify.EventUnlocked, By: "jane", Reason: "no UTF-8: \xff\xfe, <b>&amp;</b>, \u2028\x00",
	}}, x.now()))
	require.NoError(t, x.RunOnce(ctx))
	first := clean(x.Service, x.keys)
	require.EqualValues(t, 6, first.Events)

	// The key is rotated: both keys are known, or only the new one.
	next := mspkit.NewKey("k2")
	ring, err := mspkit.NewKeyRing(next, x.key)
	require.NoError(t, err)
	rotated, err := verify.New(x.store, ring, "https://help.example", verify.Same(x.settings), &verify.Options{Now: x.now})
	require.NoError(t, err)
	x.verified(t)
	require.NoError(t, rotated.RunOnce(ctx))
	keys, err := verify.EvidenceKeys(ring)
	require.NoError(t, err)
	second := clean(rotated, keys, first.Last)
	require.Equal(t, []int64{11, 2, 1}, []int64{second.Events, second.Seals, second.Anchors})
	rep := check(t, exported(t, rotated, tenant), verify.CheckOptions{Keys: keys[:1]})
	require.Len(t, rep.Findings, 1, "a seal of the key that has left")
	require.Equal(t, verify.FindingUnchecked, rep.Findings[0].Kind)

	// The challenges go after 90 days, the events after two years.
	x.pass(100 * 24 * time.Hour)
	require.NoError(t, rotated.RunOnce(ctx))
	all, err := x.store.List(ctx, verify.Query{Tenant: tenant})
	require.NoError(t, err)
	require.Empty(t, all, "the challenges were not deleted")
	require.EqualValues(t, 11, clean(rotated, keys, second.Last).Events)
	x.verified(t)
	require.NoError(t, rotated.RunOnce(ctx))
	x.pass(650 * 24 * time.Hour)
	require.NoError(t, rotated.RunOnce(ctx))
	third := clean(rotated, keys, first.Last)
	require.Equal(t, []int64{11, 16, 5}, []int64{third.Base, third.Head, third.Events})
	require.Equal(t, []verify.Anchor{first.Last}, third.TooOld)
	clean(rotated, keys, second.Last) // of the event that was deleted last
	x.pass(2 * 365 * 24 * time.Hour)
	require.NoError(t, rotated.RunOnce(ctx))
	fourth := clean(rotated, keys, third.Last)
	require.Equal(t, []int64{16, 16, 0}, []int64{fourth.Base, fourth.Head, fourth.Events})
}

func TestTwoInstancesKeepOneChain(t *testing.T) {
	t.Parallel()
	x := newEvidence(t, func(w *world, _ *verify.Options) {
		w.settings.Limits = verify.Limits{Cooldown: -1, PerDestination: -1, PerSubject: -1}
	})
	other, err := verify.New(x.store, x.ring, "https://help.example", verify.Same(x.settings), &verify.Options{Now: x.now})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 4)
	quick := func(svc *verify.Service) {
		for ctx.Err() == nil {
			if err := svc.RunOnce(ctx); err != nil && ctx.Err() == nil {
				done <- err
				return
			}
		}
		done <- nil
	}
	for range 2 {
		go quick(x.Service)
		go quick(other)
	}
	for range 50 {
		x.verified(t)
	}
	cancel()
	for range 4 {
		require.NoError(t, <-done)
	}
	require.NoError(t, other.RunOnce(t.Context()))
	rep := check(t, x.export(t), verify.CheckOptions{Keys: x.keys})
	require.True(t, rep.Clean(), "%v", rep.Findings)
	require.EqualValues(t, 250, rep.Events)
}

func TestBadInputIsAnErrorThatNamesTheLine(t *testing.T) {
	t.Parallel()
	x := newEvidence(t)
	x.verified(t)
	require.NoError(t, x.RunOnce(t.Context()))
	lines := x.export(t)
	whole := join(lines)
	with := func(i int, line string) string {
		l := slices.Clone(lines)
		l[i] = line
		return join(l)
	}
	for name, tt := range map[string]struct{ in, want string }{
		"nothing":                     {"", "the file is empty"},
		"something else":              {"PK\x03\x04\n", "line 1: this is no export of evidence"},
		"other JSON":                  {"{}\n", "line 1: this is no export of evidence"},
		"a later version":             {with(0, `{"evidence":2,"seal":"x"}`), "line 1: the export is of version 2, this program knows version 1"},
		"a header with text as time":  {with(0, field(t, lines[0], "exported", "yesterday")), "line 1: the time of the export cannot be read"},
		"a header that is cut":        {whole[:40], "line 1: the file breaks off in the middle of it"},
		"a line that is cut":          {whole[:len(whole)-600], "the file breaks off in the middle of it"},
		"a line that is no JSON":      {with(3, "confirmed"), "line 4: it is not JSON of an export: a mistake at byte 1"},
		"a line of another type":      {with(3, `{"n":"four"}`), `line 4: it is not JSON of an export: field "n" is no int64`},
		"a list":                      {with(3, `[]`), `line 4: it is not JSON of an export`},
		"an end that is none":         {with(6, `{"end":true}`), `line 7: it is not JSON of an export: field "end" is no int64`},
		"a line that is too long":     {with(3, `{"n":3,"reason":"`+strings.Repeat("a", 300_000)+`"}`), "line 4: it is longer than 262144 bytes"},
		"a first line that is longer": {strings.Repeat("a", 300_000), "line 1: it is longer than 262144 bytes"},
		"lines that are empty":        {with(3, ""), "line 4: it is not JSON of an export"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := verify.CheckEvidence(strings.NewReader(tt.in), &verify.CheckOptions{Keys: x.keys})
			require.ErrorIs(t, err, verify.ErrInvalid)
			require.ErrorContains(t, err, tt.want)
		})
	}
	_, err := verify.CheckEvidence(strings.NewReader(whole), &verify.CheckOptions{
		Keys: []verify.EvidenceKey{{ID: "k1"}}, Known: []verify.Anchor{{}}, Clocks: -1, Retention: time.Nanosecond, MaxFindings: -1,
	})
	for _, want := range []string{"Clocks", "Retention", "MaxFindings", `key "k1" has 0 bytes`, "anchors begin with number 1"} {
		require.ErrorContains(t, err, want)
	}
}

func FuzzCheckEvidence(f *testing.F) {
	// Always the same, in every process of the fuzzer.
	ring, err := mspkit.NewKeyRing(mspkit.Key{ID: "k1", Secret: mspkit.Redact(make([]byte, mspkit.KeySize))})
	require.NoError(f, err)
	keys, err := verify.EvidenceKeys(ring)
	require.NoError(f, err)
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	whole := join(chained(f, ring, []verify.Event{
		{ID: "1", Kind: verify.EventStarted, At: at, Tenant: tenant, Challenge: "c", By: "jane"},
		{ID: "2", Kind: verify.EventConfirmed, At: at.Add(time.Second), Tenant: tenant, Challenge: "c", By: "caller"},
	}))
	f.Add([]byte(whole), int64(5))
	f.Add([]byte(whole[:len(whole)/2]), int64(0))
	f.Add([]byte(`{"evidence":1,"tenant":"contoso","exported":"2026-11-22T09:00:03.000000Z","retention":9223372036854775807,"base":{"n":9223372036854775807,"link":""},"head":{"n":-1,"link":""}}`+"\n"+`{"n":-9223372036854775808}`+"\n"), int64(1))
	f.Fuzz(func(t *testing.T, in []byte, n int64) {
		rep, err := verify.CheckEvidence(bytes.NewReader(in), &verify.CheckOptions{
			Keys: keys, Known: []verify.Anchor{{N: n}}, MaxFindings: 10,
		})
		if err == nil && rep.Clean() {
			t.Fatal("an anchor that fits nothing was not missed")
		}
		for _, found := range rep.Findings {
			require.LessOrEqual(t, found.From, found.To)
			require.NotContains(t, found.String(), "\n")
		}
		if rep, err = verify.CheckEvidence(bytes.NewReader(in), &verify.CheckOptions{Keys: keys}); err == nil && rep.Clean() {
			require.Equal(t, whole, string(in), "something that was not exported passed")
		}
	})
}

func TestKeysAndAnchorsAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	key := mspkit.NewKey("2026.11-a_b")
	ring, err := mspkit.NewKeyRing(key)
	require.NoError(t, err)
	keys, err := verify.EvidenceKeys(ring)
	require.NoError(t, err)
	got, err := verify.ParseEvidenceKey(" " + keys[0].String() + "\n")
	require.NoError(t, err)
	require.Equal(t, keys[0], got)
	require.NotContains(t, keys[0].String(), strings.SplitAfter(key.Export().Reveal(), ":")[1])
	_, err = mspkit.ParseKey(keys[0].String())
	require.Error(t, err, "a public key was taken for a secret one")
	_, err = verify.EvidenceKeys(nil)
	require.ErrorIs(t, err, verify.ErrInvalid)
	for _, bad := range []string{"", "mspkit-evidence-key:", "mspkit-evidence-key:k1", "mspkit-evidence-key:k1:AA==", "mspkit-evidence-key::" + strings.Repeat("A", 43) + "=", key.Export().Reveal()} {
		_, err := verify.ParseEvidenceKey(bad)
		require.ErrorIs(t, err, verify.ErrInvalid)
		require.NotContains(t, err.Error(), strings.SplitAfter(key.Export().Reveal(), ":")[1], "a secret is in the error")
	}

	a := verify.Anchor{N: 17, Hash: sha256.Sum256([]byte("x"))}
	back, err := verify.ParseAnchor(a.String())
	require.NoError(t, err)
	require.Equal(t, a, back)
	for _, bad := range []string{"", "17", "17:", "0:" + strings.Repeat("0", 64), "-1:" + strings.Repeat("0", 64), "17:" + strings.Repeat("0", 63), "x:" + strings.Repeat("0", 64), "1:" + strings.Repeat("g", 64)} {
		_, err := verify.ParseAnchor(bad)
		require.ErrorIs(t, err, verify.ErrInvalid, bad)
	}
	for _, none := range []verify.Link{{}, {N: 1}, {N: 1, Value: []byte{1, 2, 3}}} {
		_, ok := none.Anchor()
		require.False(t, ok)
	}
}
