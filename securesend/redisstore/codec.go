package redisstore

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/redisx"
	"github.com/mspkit/mspkit/securesend"
)

// The places in a record, in what of it never changes, and in an event are those of lua/shard.lua, counted from 0.
const (
	recordFields = 37
	whatFields   = 16
	eventFields  = 10
)

// encodeRecord returns r, which is new, without its half, MACs and inline. last is the call that stored it and its answer.
func encodeRecord(r *securesend.Record, what, last string) string {
	return redisx.Pack(
		what, string(r.Kind), redisx.Number(r.Version), string(r.State), string(r.Gate), r.KeyID, redisx.Number(r.Tries), redisx.Number(r.MaxTries),
		redisx.EncodeTime(r.CodeUntil), redisx.EncodeTime(r.CodeSentAt),
		redisx.Number(r.CodeSends), redisx.Number(r.Renewals), r.PassKeyID, redisx.Number(r.PassTries), redisx.Number(r.MaxPassTries), string(r.Upload),
		string(r.Auth), string(r.Header), r.HalfKey, string(r.Sealed),
		numbers(r.Sizes), chunks(r.Sizes), numbers(r.Fetched), redisx.Number(r.Views), redisx.Number(r.MaxViews), life(r.AfterView), string(r.Claim),
		redisx.EncodeTime(r.LeaseUntil), redisx.EncodeTime(r.ExpiresAt), redisx.EncodeTime(r.ReadyAt),
		redisx.EncodeTime(r.OpenedAt), redisx.EncodeTime(r.RevealedAt), redisx.EncodeTime(r.AckedAt), redisx.EncodeTime(r.EndedAt),
		redisx.Number(r.Refusals), redisx.Flag(r.Blobs), last,
	)
}

// encodeWhat returns what of r never changes.
func encodeWhat(r *securesend.Record) string {
	return redisx.Pack(
		string(r.Tenant), r.ID, string(r.Kind), r.Region, r.Purpose, redisx.Flag(r.Held), r.Sender, r.Subject, r.Ticket.System, r.Ticket.ID, r.Log.To,
		redisx.Flag(r.Log.Public), backwards(redisx.EncodeTime(r.CreatedAt)), redisx.EncodeTime(r.Expiry), redisx.Number(r.MaxViews), redisx.Number(r.AfterView),
	)
}

func decodeWhat(packed string) (r securesend.Record, err error) {
	f, err := redisx.Unpack(packed, whatFields)
	if err != nil {
		return r, err
	}
	var d redisx.Reader
	r = securesend.Record{
		Ref: securesend.Ref{Tenant: mspkit.TenantID(f[0]), ID: f[1]}, Kind: securesend.Kind(f[2]), Region: f[3], Purpose: f[4], Held: f[5] != "",
		Sender: f[6], Subject: f[7], Ticket: mspkit.Ticket{System: f[8], ID: f[9]}, Log: securesend.Log{To: f[10], Public: f[11] != ""},
		CreatedAt: d.Time(backwards(f[12])), Expiry: d.Time(f[13]), MaxViews: int(d.Number(f[14])), AfterView: time.Duration(d.Number(f[15])),
	}
	return r, d.Err
}

// decodeRecord returns a record as everybody may see it.
func decodeRecord(packed string) (securesend.Record, error) {
	f, err := redisx.Unpack(packed, recordFields)
	if err != nil {
		return securesend.Record{}, fmt.Errorf("record: %w", err)
	}
	r, err := decodeWhat(f[0])
	if err != nil {
		return securesend.Record{}, fmt.Errorf("record: %w", err)
	}
	var d redisx.Reader
	r.Version, r.State, r.Gate, r.KeyID = d.Number(f[2]), securesend.State(f[3]), securesend.Gate(f[4]), f[5]
	r.Tries, r.MaxTries, r.CodeUntil, r.CodeSentAt = int(d.Number(f[6])), int(d.Number(f[7])), d.Time(f[8]), d.Time(f[9])
	r.CodeSends, r.Renewals, r.PassKeyID = int(d.Number(f[10])), int(d.Number(f[11])), f[12]
	r.PassTries, r.MaxPassTries = int(d.Number(f[13])), int(d.Number(f[14]))
	r.Upload, r.Auth, r.Header, r.HalfKey, r.Sealed = redisx.Bytes(f[15]), redisx.Bytes(f[16]), redisx.Bytes(f[17]), f[18], redisx.Bytes(f[19])
	r.Sizes, err = readNumbers(f[20])
	if err == nil {
		r.Fetched, err = readNumbers(f[22])
	}
	if err != nil {
		return securesend.Record{}, fmt.Errorf("record: %w", err)
	}
	r.Views, r.Claim, r.LeaseUntil = int(d.Number(f[23])), redisx.Bytes(f[26]), d.Time(f[27])
	r.ExpiresAt, r.ReadyAt, r.OpenedAt, r.RevealedAt = d.Time(f[28]), d.Time(f[29]), d.Time(f[30]), d.Time(f[31])
	r.AckedAt, r.EndedAt, r.Refusals, r.Blobs = d.Time(f[32]), d.Time(f[33]), int(d.Number(f[34])), f[35] != ""
	if d.Err != nil {
		return securesend.Record{}, fmt.Errorf("record: %w", d.Err)
	}
	return r, nil
}

// encodeStamp returns s as the scripts read it.
func encodeStamp(s securesend.Stamp) string {
	return redisx.Pack(s.ID, string(s.Kind), s.By, s.Reason, numbers(s.Files))
}

// encodeEvent returns the event of a new record; the scripts write those of all other changes.
func encodeEvent(r *securesend.Record, what string, s securesend.Stamp, now time.Time) string {
	return redisx.Pack(s.ID, string(s.Kind), redisx.EncodeTime(now), s.By, s.Reason, numbers(s.Files), string(r.State), redisx.Number(r.Views),
		redisx.Number(r.Refusals), what)
}

// seqDigits is how many digits the number of an event has.
const seqDigits = 16

// decodeEvent reads an event, which is found by its tenant and number.
func decodeEvent(at, packed string) (securesend.Event, error) {
	tenant, seq, err := cutKeyed(at)
	if err != nil || len(seq) != seqDigits {
		return securesend.Event{}, fmt.Errorf("event: %w", redisx.ErrPacked)
	}
	f, err := redisx.Unpack(packed, eventFields)
	if err != nil {
		return securesend.Event{}, fmt.Errorf("event: %w", err)
	}
	r, err := decodeWhat(f[9])
	if err != nil {
		return securesend.Event{}, fmt.Errorf("event: %w", err)
	}
	files, err := readNumbers(f[5])
	if err != nil || string(r.Tenant) != tenant {
		return securesend.Event{}, fmt.Errorf("event: %w", redisx.ErrPacked)
	}
	var d redisx.Reader
	r.State, r.Views, r.Refusals = securesend.State(f[6]), int(d.Number(f[7])), int(d.Number(f[8]))
	s := securesend.Stamp{ID: f[0], Kind: securesend.EventKind(f[1]), By: f[3], Reason: f[4]}
	for _, n := range files {
		s.Files = append(s.Files, int(n))
	}
	e := r.Event(s, d.Time(f[2]))
	if e.Seq = d.Number(seq); d.Err != nil {
		return securesend.Event{}, fmt.Errorf("event: %w", d.Err)
	}
	return e, nil
}

// members returns where a new record is found in the set, the lists as lua/shard.lua names them.
func members(r *securesend.Record) []string {
	tenant, at := keyed(r.Tenant), backwards(redisx.EncodeTime(r.CreatedAt))+r.ID
	out := []string{
		"e" + redisx.EncodeTime(r.ExpiresAt) + tenant + r.ID, "la" + tenant + at, "lt" + tenant + redisx.Keyed(r.Sender) + at,
		"ls" + tenant + redisx.Keyed(r.Subject) + at, "lk" + tenant + redisx.Keyed(r.Ticket.System) + redisx.Keyed(r.Ticket.ID) + at,
	}
	if len(r.Half) > 0 {
		out = append(out, "k"+redisx.Keyed(r.HalfKey)+tenant+r.ID)
	}
	return out
}

func keyed(t mspkit.TenantID) string { return redisx.Keyed(string(t)) }

// cutKeyed cuts what keyed returned off the beginning.
func cutKeyed(s string) (name, rest string, err error) {
	digits, rest, ok := strings.Cut(s, ":")
	n, err := strconv.Atoi(digits)
	if err != nil || !ok || n < 0 || n >= len(rest) || rest[n] != ':' {
		return "", "", redisx.ErrPacked
	}
	return rest[:n], rest[n+1:], nil
}

// backwards turns a time so that the newest comes first, and turns it back.
func backwards(digits string) string {
	b := []byte(digits)
	for i, c := range b {
		b[i] = '0' + '9' - c
	}
	return string(b)
}

// encodeMACs returns m as the scripts read it, or "" for none.
func encodeMACs(m securesend.MACs) string {
	if len(m) == 0 {
		return ""
	}
	out := make([]string, 0, 2*len(m))
	for key, mac := range m {
		out = append(out, key, string(mac))
	}
	return redisx.Pack(out...)
}

// encodeNames returns names as the scripts read them, or "" for none.
func encodeNames(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return redisx.Pack(names...)
}

// numbers returns n with commas between.
func numbers[T int | int64](n []T) string {
	var b []byte
	for i, v := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(v), 10)
	}
	return string(b)
}

func readNumbers(s string) ([]int64, error) {
	if s == "" {
		return nil, nil
	}
	out := make([]int64, 0, strings.Count(s, ",")+1)
	for part := range strings.SplitSeq(s, ",") {
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil {
			return nil, redisx.ErrPacked
		}
		out = append(out, n)
	}
	return out, nil
}

// chunks returns how many chunks each file has.
func chunks(sizes []int64) string {
	out := slices.Clone(sizes)
	for i, size := range out {
		out[i] = securesend.Chunks(size)
	}
	return numbers(out)
}

// life returns d in microseconds as the scripts read it, or "" for none. They cannot count beyond a hundred years; nothing
// lives that long.
func life(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return redisx.Number(min(d.Microseconds(), 100*365*24*time.Hour.Microseconds()))
}
