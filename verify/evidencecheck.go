package verify

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
)

// FindingKind says what is wrong with evidence.
type FindingKind string

// The kinds of findings.
const (
	// FindingAltered: an event, its number or its link is not what was added to the chain.
	FindingAltered FindingKind = "altered"
	// FindingMissing: numbers are missing.
	FindingMissing FindingKind = "missing"
	// FindingOrder: a number comes again, too late, or outside the chain.
	FindingOrder FindingKind = "order"
	// FindingSeal: a seal is missing or not genuine: the chain was made by somebody without the key.
	FindingSeal FindingKind = "seal"
	// FindingUnchecked: a seal names a key that was not given, so nobody knows.
	FindingUnchecked FindingKind = "unchecked"
	// FindingEnd: the chain does not end where it must.
	FindingEnd FindingKind = "end"
	// FindingBase: events were deleted that the retention keeps.
	FindingBase FindingKind = "base"
	// FindingFile: the file is not as it was exported.
	FindingFile FindingKind = "file"
	// FindingAnchor: a link that was noted is not in the chain.
	FindingAnchor FindingKind = "anchor"
	// FindingTenant: the evidence is of another tenant.
	FindingTenant FindingKind = "tenant"
	// FindingStory: the events contradict each other, such as a proof that was redeemed before anything was confirmed.
	FindingStory FindingKind = "story"
)

// Finding is something that is wrong with evidence.
type Finding struct {
	Kind FindingKind
	// Line is where it is in the export, from 1.
	Line int64
	// From and To are the first and the last number that it concerns, 0 where it concerns none.
	From, To int64
	// Text is a sentence that says what is wrong and what that means. What it quotes is escaped.
	Text string
}

// String returns the finding as one line.
func (f Finding) String() string {
	number := ""
	if f.From > 0 {
		number = fmt.Sprintf(", number %d", f.From)
	}
	if f.To > f.From {
		number = fmt.Sprintf(", numbers %d to %d", f.From, f.To)
	}
	return fmt.Sprintf("line %d%s: %s: %s", f.Line, number, f.Kind, f.Text)
}

// CheckOptions say what evidence must be.
type CheckOptions struct {
	// Keys check the seals. A seal of another key is a finding.
	Keys []EvidenceKey
	// HashesOnly leaves the seals unchecked: then whoever can write to the database could have made the whole chain anew.
	HashesOnly bool
	// Known are anchors that were noted earlier. Without one, nobody can see that the end of a chain was cut off, or that
	// an older copy of the database is shown.
	Known []Anchor
	// Tenant, where not empty, is whose evidence it must be.
	Tenant mspkit.TenantID
	// Retention is how long events must have been kept; zero takes what the export says.
	Retention time.Duration
	// Clocks is how far the clocks of instances may differ: default 5 minutes. A time that jumps back further is a finding.
	Clocks time.Duration
	// MaxFindings is how many findings are returned: default 1000. The rest is counted.
	MaxFindings int
	// Event, where not nil, is called with each event as it is read, whatever is wrong with it.
	Event func(line int64, e Event)
}

// Report is what a check found.
type Report struct {
	Tenant   mspkit.TenantID
	Exported time.Time
	// Retention is how long events are kept.
	Retention time.Duration
	// Base is the number of the last event that was deleted, Head that of the last event.
	Base, Head int64
	// Last is what to note of the last event; zero where there is none.
	Last Anchor
	// Events counts the events, Seals the seals of the chain that are genuine, Anchors those of Known that fit.
	Events, Seals, Anchors int64
	// From and Until are the times of the first and the last event.
	From, Until time.Time
	// TooOld are those of Known whose events the retention has deleted, so that they could not be compared.
	TooOld []Anchor
	// Findings are in the order of the lines. Equal ones of numbers that follow each other are one. More counts those
	// beyond MaxFindings.
	Findings []Finding
	More     int
}

// Clean reports whether nothing was found.
func (r Report) Clean() bool { return len(r.Findings) == 0 && r.More == 0 }

// maxLine is the longest line that is read.
const maxLine = 256 << 10

// CheckEvidence reads what [Service.ExportEvidence] wrote and reports everything that is wrong with it. It needs no
// database, and memory only for the challenges of the last two hours of the events. nil options check against no key,
// which is a finding.
//
// What it cannot see: events that were altered or made up before Run added them to the chain, which takes seconds; a chain
// that was cut off at its end, or a whole database that was set back to an older copy, unless Known holds a later anchor;
// what somebody with the key ring itself does.
//
// An error is [ErrInvalid] and names the line: r is no export, of another version, or broken off. The report holds what
// was found up to there.
func CheckEvidence(r io.Reader, o *CheckOptions) (Report, error) {
	c := &checker{in: bufio.NewReaderSize(r, maxLine), sum: sha256.New(), keys: map[string]ed25519.PublicKey{}, known: map[int64][]Anchor{}}
	if o != nil {
		c.o = *o
	}
	err := errors.Join(
		inRange("Retention", &c.o.Retention, 0, time.Second, 100*365*day, false),
		inRange("Clocks", &c.o.Clocks, 5*time.Minute, 0, day, false),
		inRange("MaxFindings", &c.o.MaxFindings, 1000, 1, 1_000_000, false),
	)
	for _, k := range c.o.Keys {
		if len(k.Public) != ed25519.PublicKeySize {
			err = errors.Join(err, fmt.Errorf("key %q has %d bytes: %w", k.ID, len(k.Public), ErrInvalid))
		}
		if other, known := c.keys[k.ID]; known && !bytes.Equal(other, k.Public) {
			err = errors.Join(err, fmt.Errorf("two keys have the id %q: one of them is not the ring's: %w", k.ID, ErrInvalid))
		}
		c.keys[k.ID] = k.Public
	}
	for _, a := range c.o.Known {
		if a.N < 1 {
			err = errors.Join(err, fmt.Errorf("anchors begin with number 1, this one is %d: %w", a.N, ErrInvalid))
		}
		c.known[a.N] = append(c.known[a.N], a)
	}
	if err == nil {
		err = c.run()
	}
	return c.report, wrap("check evidence", err)
}

// checker is the state of one check.
type checker struct {
	o      CheckOptions
	in     *bufio.Reader
	sum    hash.Hash
	keys   map[string]ed25519.PublicKey
	known  map[int64][]Anchor
	report Report
	line   int64

	base, head Link
	last       Link  // of the events so far, the base before the first
	unsealed   int64 // the first number since the last seal, or 0
	story      story
}

func (c *checker) find(kind FindingKind, from, to int64, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	found := c.report.Findings
	for i := max(len(found)-4, 0); i < len(found); i++ { // one number may have several
		if f := &found[i]; f.Kind == kind && f.Text == text && from > 0 && from == f.To+1 {
			f.To = to
			return
		}
	}
	if len(c.report.Findings) >= c.o.MaxFindings {
		c.report.More++
		return
	}
	c.report.Findings = append(c.report.Findings, Finding{Kind: kind, Line: c.line, From: from, To: to, Text: text})
}

// bad returns an error about the current line.
func (c *checker) bad(format string, args ...any) error {
	return fmt.Errorf("line %d: %s: %w", c.line, fmt.Sprintf(format, args...), ErrInvalid)
}

// next returns the next line with its end, or nil at the end.
func (c *checker) next() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	if len(line) == 0 && errors.Is(err, io.EOF) {
		return nil, nil
	}
	c.line++
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, c.bad("it is longer than %d bytes, so this is no export", maxLine)
	case errors.Is(err, io.EOF):
		return nil, c.bad("the file breaks off in the middle of it")
	case err != nil:
		return nil, fmt.Errorf("line %d: %w", c.line, err)
	}
	return line, nil
}

// parse reads line into v and finds what is written in another way than an export writes it: then somebody who reads the
// file may see something else than what is checked here.
func (c *checker) parse(line []byte, v any, number func() int64) error {
	if err := json.Unmarshal(line, v); err != nil {
		return c.bad("it is not JSON of an export: %s", jsonProblem(err))
	}
	same, err := json.Marshal(v)
	if err != nil || !bytes.Equal(append(same, '\n'), line) {
		n := number()
		c.find(FindingFile, n, n, "the line is not written as an export writes it: it was edited")
	}
	return nil
}

// jsonProblem tells what is wrong without quoting the file.
func jsonProblem(err error) string {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("a mistake at byte %d", syntax.Offset)
	}
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("field %q is no %s", kind.Field, kind.Type)
	}
	return "a mistake"
}

func none() int64 { return 0 }

// brief returns as much of s as an id can have, for findings: a line of a file that somebody made up may be one long id, and
// there may be many findings.
func brief(s string) string {
	if len(s) <= mspkit.MaxID {
		return s
	}
	return s[:mspkit.MaxID] + "…"
}

func (c *checker) run() error {
	line, err := c.next()
	if err != nil {
		return err
	}
	if line == nil {
		return fmt.Errorf("the file is empty: %w", ErrInvalid)
	}
	if err := c.header(line); err != nil {
		return err
	}
	c.sum.Write(line)
	ended := false
	for {
		line, err := c.next()
		if err != nil {
			return err
		}
		switch {
		case line == nil:
			if !ended {
				c.end()
				c.find(FindingFile, 0, 0, "the last line of the export is missing: the file was cut off")
			}
			c.leftOver()
			return nil
		case ended:
			c.find(FindingFile, 0, 0, "there are lines after the end of the export: they were added")
			c.leftOver()
			return nil
		case bytes.HasPrefix(line, []byte(`{"end":`)):
			c.end()
			if err := c.trailer(line); err != nil {
				return err
			}
			ended = true
		default:
			if err := c.event(line); err != nil {
				return err
			}
			c.sum.Write(line)
		}
	}
}

func (c *checker) header(line []byte) error {
	if !bytes.HasPrefix(line, []byte(`{"evidence":`)) {
		return c.bad("this is no export of evidence, which begins with {\"evidence\":1")
	}
	var version struct {
		Evidence int `json:"evidence"`
	}
	if err := json.Unmarshal(line, &version); err == nil && version.Evidence != evidenceVersion {
		return c.bad("the export is of version %d, this program knows version %d", version.Evidence, evidenceVersion)
	}
	var h headerLine
	if err := c.parse(line, &h, none); err != nil {
		return err
	}
	c.report.Tenant, c.report.Base, c.report.Head = mspkit.TenantID(h.Tenant), h.Base.N, h.Head.N
	exported, err := time.Parse(timeFormat, h.Exported)
	if err != nil {
		return c.bad("the time of the export cannot be read")
	}
	c.report.Exported = exported
	if c.report.Retention = c.o.Retention; c.report.Retention == 0 {
		c.report.Retention = time.Duration(min(max(h.Retention, 0), int64(100*365*day/time.Second))) * time.Second
	}
	if c.o.Tenant != "" && c.o.Tenant != c.report.Tenant {
		c.find(FindingTenant, 0, 0, "this is the evidence of tenant %q, not of %q", brief(h.Tenant), c.o.Tenant)
	}
	c.base, c.head = c.link(h.Base, "base"), c.link(h.Head, "head")
	c.last = c.base
	if h.Head.N < h.Base.N {
		c.find(FindingEnd, 0, 0, "the chain ends with number %d, before number %d up to which it was deleted", h.Head.N, h.Base.N)
	}
	if at, ok := parseLink(c.base.Value); ok {
		if kept := time.UnixMicro(at.at).Add(c.report.Retention); kept.After(c.report.Exported.Add(c.o.Clocks)) {
			c.find(FindingBase, h.Base.N, h.Base.N, "the events up to %s were deleted, which the retention of %s keeps until %s: "+
				"somebody else deleted them, or the retention was lengthened since", formatTime(time.UnixMicro(at.at)), days(c.report.Retention), formatTime(kept))
		}
	}
	c.story.begin(h.Base.N == 0, c.o.Clocks)
	c.anchors(c.base)
	return nil
}

// link reads a link of the header.
func (c *checker) link(l linkLine, name string) Link {
	value, err := hex.DecodeString(l.Link)
	_, ok := parseLink(value)
	if none := l.N == 0 && l.Link == ""; !none && (!ok || err != nil || l.N < 1) {
		c.find(FindingAltered, 0, 0, "the %s of the chain is no link that a service made", name)
	}
	return Link{N: l.N, Value: value}
}

func days(d time.Duration) string {
	if d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}

func (c *checker) event(line []byte) error {
	var l eventLine
	if err := c.parse(line, &l, func() int64 { return max(l.N, 0) }); err != nil {
		return err
	}
	e, ok := l.event(c.report.Tenant)
	c.report.Events++
	if c.o.Event != nil {
		c.o.Event(c.line, e)
	}
	n := e.Link.N
	if n <= c.last.N {
		what := "comes again or too late"
		if n <= c.base.N {
			what = "is of a part of the chain that was deleted"
		}
		c.find(FindingOrder, n, n, "this number %s: events were swapped, repeated or put in", what)
		return nil
	}
	if n > c.head.N {
		c.find(FindingOrder, n, n, "this number lies beyond the end of the chain, number %d: the end was set back, or the event was put in", c.head.N)
	}
	if c.report.From.IsZero() {
		c.report.From = e.At
	}
	c.report.Until = e.At
	follows := n == c.last.N+1
	if !follows {
		c.find(FindingMissing, c.last.N+1, n-1, "these numbers are missing: events were removed. Whether the next one was altered cannot be told either")
	}
	l2, parsed := parseLink(e.Link.Value)
	switch {
	case !parsed || !ok:
		c.find(FindingAltered, n, n, "its time or link is not one that a service made")
	case follows && l2.hash != hashEvent(c.report.Tenant, n, c.last.Value, e):
		c.find(FindingAltered, n, n, "the event does not fit its link: the event, its number, its link or the link before it was altered, or it is of another tenant")
	case l2.at != micros(e.At):
		c.find(FindingAltered, n, n, "the time of the event is not the one in its link")
	}
	if parsed {
		c.seal(n, l2)
	}
	c.last = e.Link
	c.anchors(e.Link)
	c.story.tell(c, e)
	return nil
}

// seal checks the seal of number n, if it has one.
func (c *checker) seal(n int64, l link) {
	if c.unsealed == 0 {
		c.unsealed = n
	}
	if l.key == "" || c.o.HashesOnly {
		return
	}
	c.unsealed = 0
	if c.verify(n, l.key, sealedLink(c.report.Tenant, n, l), l.seal, "the seal of this link") {
		c.report.Seals++
	}
}

// verify finds a seal that is not genuine.
func (c *checker) verify(n int64, key string, message, seal []byte, what string) bool {
	public, known := c.keys[key]
	switch {
	case !known:
		c.find(FindingUnchecked, n, n, "%s cannot be checked, because its key %q was not given: it may be anybody's", what, key)
	case !ed25519.Verify(public, message, seal):
		c.find(FindingSeal, n, n, "%s is not genuine: somebody without the key made or altered it", what)
	default:
		return true
	}
	return false
}

// anchors compares a link with what was noted of its number.
func (c *checker) anchors(l Link) {
	for _, a := range c.known[l.N] {
		if got, ok := l.Anchor(); ok && got == a {
			c.report.Anchors++
		} else {
			c.find(FindingAnchor, l.N, l.N, "this number was noted as %s and is another now: the chain was rewritten since", hex.EncodeToString(a.Hash[:]))
		}
	}
	delete(c.known, l.N)
}

// end checks where the chain ends.
func (c *checker) end() {
	if c.last.N < c.head.N {
		c.find(FindingMissing, c.last.N+1, c.head.N, "these numbers are missing at the end: events were removed")
	} else if c.last.N == c.head.N && !bytes.Equal(c.last.Value, c.head.Value) {
		c.find(FindingEnd, c.last.N, c.last.N, "the last event is not the one with which the chain ends: one of the two was altered")
	}
	if a, ok := c.last.Anchor(); ok {
		c.report.Last = a
	}
	if c.o.HashesOnly {
		return
	}
	if head, ok := parseLink(c.head.Value); ok && (c.last.N != c.head.N || c.report.Events == 0) {
		if head.key == "" {
			c.unsealed = max(c.head.N, 1)
		} else {
			c.verify(c.head.N, head.key, sealedLink(c.report.Tenant, c.head.N, head), head.seal, "the seal at the end of the chain")
		}
	}
	if c.unsealed > 0 {
		c.find(FindingSeal, c.unsealed, max(c.last.N, c.unsealed), "no seal follows, so nothing vouches for these: the end was removed, or somebody without the key added them")
	}
}

func (c *checker) trailer(line []byte) error {
	sum := c.sum.Sum(nil)
	var t trailerLine
	if err := c.parse(line, &t, none); err != nil {
		return err
	}
	if t.End != c.report.Events {
		c.find(FindingFile, 0, 0, "the export says that it has %d events and has %d: lines were added or removed", t.End, c.report.Events)
	}
	if !strings.EqualFold(t.SHA256, hex.EncodeToString(sum)) {
		c.find(FindingFile, 0, 0, "the lines do not fit the hash at the end: the file was altered after it was exported")
	}
	if c.o.HashesOnly {
		return nil
	}
	seal, _ := hex.DecodeString(t.Seal)
	c.verify(0, t.Key, sealed(labelFile, string(sum)), seal, "the seal of the file")
	return nil
}

// leftOver reports the anchors that no link was compared with.
func (c *checker) leftOver() {
	for _, a := range c.o.Known {
		if _, open := c.known[a.N]; !open {
			continue
		}
		switch {
		case a.N <= c.base.N:
			c.report.TooOld = append(c.report.TooOld, a)
		case a.N > c.last.N:
			c.find(FindingAnchor, a.N, a.N, "this number was noted and the chain ends with number %d: its end was cut off, or this is an older copy", c.last.N)
		default:
			c.find(FindingAnchor, a.N, a.N, "this number was noted and is missing: it was removed")
		}
	}
}
