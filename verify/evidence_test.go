package verify

import (
	"encoding/hex"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// whole is an event with a value in every field, found by reflection so that a new field is not forgotten.
func whole(t *testing.T) Event {
	t.Helper()
	var e Event
	fill(t, reflect.ValueOf(&e).Elem())
	return e
}

func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		f := v.Field(i)
		switch {
		case f.Type() == reflect.TypeFor[time.Time]():
			f.Set(reflect.ValueOf(time.Date(2026, 11, 22, 9, 0, 0, 1000, time.UTC)))
		case f.Kind() == reflect.String:
			f.SetString("text")
		case f.CanInt():
			f.SetInt(7)
		case f.Kind() == reflect.Struct:
			fill(t, f)
		case f.Kind() == reflect.Slice:
			f.SetBytes([]byte("bytes"))
		default:
			t.Fatalf("field %s is of a kind that this test does not know", v.Type().Field(i).Name)
		}
	}
}

func TestEveryFieldOfAnEventIsPartOfItsHashAndOfAnExport(t *testing.T) {
	t.Parallel()
	e := whole(t)
	before := hashEvent("contoso", 7, []byte("before"), e)
	seen := map[any]string{before: "the event itself"}
	differs := func(what string, hash [32]byte) {
		t.Helper()
		require.NotContains(t, seen, hash, "%s makes no difference to %s", what, seen[hash])
		seen[hash] = what
	}
	differs("another tenant", hashEvent("fabrikam", 7, []byte("before"), e))
	differs("another number", hashEvent("contoso", 8, []byte("before"), e))
	differs("another link before", hashEvent("contoso", 7, []byte("Before"), e))

	var change func(path string, v reflect.Value)
	change = func(path string, v reflect.Value) {
		for i := range v.NumField() {
			f, name := v.Field(i), path+v.Type().Field(i).Name
			old := reflect.ValueOf(f.Interface())
			switch {
			case name == "Seq" || name == "Link":
				continue
			case f.Type() == reflect.TypeFor[time.Time]():
				f.Set(reflect.ValueOf(e.At.Add(time.Microsecond)))
			case f.Kind() == reflect.String:
				f.SetString("other " + name)
			case f.CanInt():
				f.SetInt(int64(8 + i))
			case f.Kind() == reflect.Struct:
				change(name+".", f)
				continue
			}
			differs(name, hashEvent("contoso", 7, []byte("before"), e))
			if name != "Tenant" { // stands in the header
				back, ok := toLine(e).event(e.Tenant)
				require.True(t, ok)
				back.Seq = e.Seq
				require.Equal(t, e, back, name)
			}
			f.Set(old)
		}
	}
	change("", reflect.ValueOf(&e).Elem())
	require.Equal(t, before, hashEvent("contoso", 7, []byte("before"), e))

	// Two texts do not run into each other, and what stores drop makes no difference.
	a, b := e, e
	a.By, a.Reason, b.By, b.Reason = "ab", "c", "a", "bc"
	require.NotEqual(t, hashEvent("contoso", 7, nil, a), hashEvent("contoso", 7, nil, b))
	a, b = e, e
	a.At, a.Seq, a.Link = e.At.Add(999*time.Nanosecond).In(time.FixedZone("x", 3600)), 99, Link{}
	require.Equal(t, hashEvent("contoso", 7, nil, a), hashEvent("contoso", 7, nil, b))
}

// The format must stay what it is: links that were made stay checkable.
func TestALinkIsWhatItWasWhenItWasMade(t *testing.T) {
	t.Parallel()
	hash := hashEvent("contoso", 1, nil, whole(t))
	require.Equal(t, goldenHash, hex.EncodeToString(hash[:]))
	l := link{at: 5, hash: hash, key: "k1", seal: make([]byte, 64)}
	back, ok := parseLink(l.bytes())
	require.True(t, ok)
	require.Equal(t, l, back)
	require.LessOrEqual(t, len(link{key: string(make([]byte, 32)), seal: make([]byte, 64)}.bytes()), 256)
	plain := link{at: -5, hash: hash}
	back, ok = parseLink(plain.bytes())
	require.True(t, ok)
	require.Equal(t, plain, back)
	b := l.bytes()
	for i := range len(b) {
		if _, ok := parseLink(b[:i]); ok && i != linkSize {
			t.Errorf("%d of %d bytes are taken for a link", i, len(b))
		}
	}
	b[0] = 2
	_, ok = parseLink(b)
	require.False(t, ok, "another version")
}

// goldenHash is the SHA-256 that another program made of the same bytes.
const goldenHash = "36148ac8816ece90736d7a7ec865f9d600b35418ef885b705c00ee976d0ca791"

// What contradicts itself cannot come about through a service.
func TestEventsThatContradictEachOtherAreFound(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	type step struct {
		kind      EventKind
		challenge string
		after     time.Duration
	}
	full := []step{{EventStarted, "a", 0}, {EventSent, "a", 0}, {EventConfirmed, "a", 0}, {EventRedeemed, "a", 0}}
	for name, tt := range map[string]struct {
		steps []step
		late  bool   // the chain is not there from its beginning
		want  string // a part of the only finding, or nothing
	}{
		"a verification":             {steps: full},
		"one that is renewed":        {steps: []step{{EventStarted, "a", 0}, {EventFailed, "a", 0}, {EventRenewed, "a", 0}, {EventConfirmed, "a", 0}, {EventApproved, "a", 0}, {EventRedeemed, "a", 0}}},
		"a freeze of nobody's":       {steps: []step{{EventFrozen, "", 0}, {EventUnfrozen, "", 0}}},
		"confirmed, not started":     {steps: full[1:], want: "confirmed without having been started"},
		"redeemed, not confirmed":    {steps: []step{full[0], full[3]}, want: "redeemed without having been confirmed"},
		"approved, not confirmed":    {steps: []step{full[0], {EventApproved, "a", 0}}, want: "approved without having been confirmed"},
		"another was confirmed":      {steps: append(full[:3:3], step{EventStarted, "b", 0}, step{EventRedeemed, "b", 0}), want: `challenge "b" is redeemed without`},
		"redeemed twice":             {steps: append(full[:4:4], full[3]), want: "redeemed a second time"},
		"started twice":              {steps: append(full[:1:1], full...), want: "started a second time"},
		"confirmed after a denial":   {steps: []step{full[0], {EventDenied, "a", 0}, full[2]}, want: "confirmed after it had ended"},
		"denied after all":           {steps: append(full[:3:3], step{EventDenied, "a", 0}), want: "ends a second time"},
		"renewed after all":          {steps: append(full[:3:3], step{EventRenewed, "a", 0}), want: "renewed after it was confirmed"},
		"began before the base":      {steps: full[2:], late: true},
		"began long after the base":  {steps: []step{{EventSent, "z", 0}, {EventConfirmed, "a", 2 * time.Hour}}, late: true, want: "without having been started"},
		"over the hour, remembered":  {steps: []step{full[0], {EventSent, "z", 61 * time.Minute}, full[2], full[3]}},
		"times in order":             {steps: []step{full[0], {EventConfirmed, "a", -4 * time.Minute}}},
		"a time that jumps back":     {steps: []step{full[0], {EventConfirmed, "a", -6 * time.Minute}}, want: "6m0s before that of the event before it"},
		"an end that is stored late": {steps: []step{full[0], {EventExpired, "a", -time.Hour}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &checker{o: CheckOptions{MaxFindings: 10}}
			c.story.begin(!tt.late, 5*time.Minute)
			at := began
			for i, st := range tt.steps {
				at = at.Add(st.after)
				c.story.tell(c, Event{Kind: st.kind, At: at, Challenge: st.challenge, Link: Link{N: int64(i) + 1}})
			}
			if tt.want == "" {
				require.Empty(t, c.report.Findings)
				return
			}
			require.Len(t, c.report.Findings, 1, "%v", c.report.Findings)
			require.Contains(t, c.report.Findings[0].Text, tt.want)
		})
	}
}

func TestTheStoryForgetsWhatIsLongOver(t *testing.T) {
	t.Parallel()
	c := &checker{o: CheckOptions{MaxFindings: 10}}
	c.story.begin(true, time.Minute)
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for i := range 10_000 {
		at = at.Add(time.Minute)
		c.story.tell(c, Event{Kind: EventStarted, At: at, Challenge: strconv.Itoa(i)})
	}
	require.LessOrEqual(t, len(c.story.now)+len(c.story.before), 130)
	require.Empty(t, c.report.Findings)
}
