package redisstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

// What is stored is a MessagePack array of strings, which the scripts read and write with Redis' own cmsgpack. These are
// the few forms of it that occur.

var errPacked = errors.New("a stored value is damaged")

// pack returns values as the scripts read them.
func pack(values ...string) string {
	n := 5
	for _, v := range values {
		n += 5 + len(v)
	}
	b := make([]byte, 0, n)
	if len(values) < 16 {
		b = append(b, 0x90|byte(len(values)))
	} else {
		b = binary.BigEndian.AppendUint32(append(b, 0xdd), uint32(len(values)))
	}
	for _, v := range values {
		if len(v) < 32 {
			b = append(b, 0xa0|byte(len(v)))
		} else {
			b = binary.BigEndian.AppendUint32(append(b, 0xdb), uint32(len(v)))
		}
		b = append(b, v...)
	}
	return string(b)
}

// unpack returns the values of s, of which there must be at least one.
func unpack(s string, atLeast int) ([]string, error) {
	n, s, err := length(s, 0x90, 15, 0xdb) // arrays have no form with 8 bits: 0xdc and 0xdd have 16 and 32
	if err != nil || n > len(s) {
		return nil, errPacked
	}
	out := make([]string, n)
	for i := range out {
		var size int
		if size, s, err = length(s, 0xa0, 31, 0xd9); err != nil || size > len(s) {
			return nil, errPacked
		}
		out[i], s = s[:size], s[size:]
	}
	if s != "" || n < atLeast {
		return nil, errPacked
	}
	return out, nil
}

// length reads a length: within the byte short where it is at most most, else behind one of three bytes from long on, with
// 8, 16 or 32 bits.
func length(s string, short, most, long byte) (n int, rest string, err error) {
	if s == "" {
		return 0, "", errPacked
	}
	b := s[0]
	if b >= short && b <= short+most {
		return int(b - short), s[1:], nil
	}
	if b < long || b > long+2 {
		return 0, "", errPacked
	}
	size := 1 << (b - long)
	if len(s) <= size {
		return 0, "", errPacked
	}
	for _, c := range []byte(s[1 : 1+size]) {
		n = n<<8 | int(c)
	}
	return n, s[1+size:], nil
}

// never is the zero time.
const never = "00000000000000000000"

// encodeTime returns t in microseconds as 20 digits, whose order is that of the times.
func encodeTime(t time.Time) string {
	if t.IsZero() {
		return never
	}
	digits := strconv.FormatUint(uint64(t.UnixMicro())+1<<63, 10)
	return never[len(digits):] + digits
}

// decodeTime is the inverse of encodeTime, in UTC.
func decodeTime(s string) (time.Time, error) {
	us, err := strconv.ParseUint(s, 10, 64)
	if err != nil || len(s) != len(never) {
		return time.Time{}, errPacked
	}
	if us == 0 {
		return time.Time{}, nil
	}
	return time.UnixMicro(int64(us - 1<<63)).UTC(), nil
}

// rounded returns t as the store gives it back.
func rounded(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.UnixMicro(t.UnixMicro()).UTC()
}

// reader decodes texts and keeps the first error.
type reader struct{ err error }

func (r *reader) number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		r.err = errPacked
	}
	return n
}

func (r *reader) time(s string) time.Time {
	t, err := decodeTime(s)
	if err != nil {
		r.err = err
	}
	return t
}

func number[T ~int | ~int64](n T) string { return strconv.FormatInt(int64(n), 10) }

func flag(b bool) string {
	if b {
		return "1"
	}
	return ""
}

// bytes returns nil for nothing.
func bytes(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

// The places in a record and in an event are those of lua/shard.lua, counted from 0.
const (
	recordFields = 35
	eventFields  = 22
)

// encodeRecord returns r without its MACs and refunds, which the scripts add.
func encodeRecord(r verify.Record, idempotency string) string {
	return pack(
		string(r.Tenant), r.ID, number(r.Version), string(r.Kind), string(r.State), number(r.Delivery), string(r.Method), r.Channel, r.Subject, string(r.Action),
		r.Technician, r.Ticket.System, r.Ticket.ID, number(r.Assurance), r.Answerer, r.KeyID, string(r.Sealed), number(r.Tries), number(r.MaxTries), number(r.Sends),
		number(r.Messages), number(r.LockAfter), flag(r.Hinted), "", r.ReceiptID, encodeTime(r.CreatedAt), encodeTime(r.ExpiresAt), encodeTime(r.DecidedAt),
		encodeTime(r.ProofUntil), flag(r.NeedsApproval),
		r.ApprovedBy, encodeTime(r.ApprovedAt), r.RedeemedBy, encodeTime(r.RedeemedAt), idempotency,
	)
}

func decodeRecord(packed string) (verify.Record, error) {
	f, err := unpack(packed, recordFields)
	if err != nil {
		return verify.Record{}, fmt.Errorf("record: %w", err)
	}
	var d reader
	r := verify.Record{
		Ref: verify.Ref{Tenant: mspkit.TenantID(f[0]), ID: f[1]}, Version: d.number(f[2]), Kind: verify.Kind(f[3]), State: verify.State(f[4]),
		Delivery: verify.DeliveryStatus(d.number(f[5])), Method: verify.Method(f[6]), Channel: f[7], Subject: f[8], Action: verify.Action(f[9]),
		Technician: f[10], Ticket: mspkit.Ticket{System: f[11], ID: f[12]}, Assurance: verify.Assurance(d.number(f[13])), Answerer: f[14],
		KeyID: f[15], Sealed: bytes(f[16]), Tries: int(d.number(f[17])), MaxTries: int(d.number(f[18])), Sends: int(d.number(f[19])),
		Messages: int(d.number(f[20])), LockAfter: int(d.number(f[21])), Hinted: f[22] != "", ReceiptID: f[24],
		CreatedAt: d.time(f[25]), ExpiresAt: d.time(f[26]), DecidedAt: d.time(f[27]), ProofUntil: d.time(f[28]), NeedsApproval: f[29] != "",
		ApprovedBy: f[30], ApprovedAt: d.time(f[31]), RedeemedBy: f[32], RedeemedAt: d.time(f[33]),
	}
	if f[23] != "" {
		refund, err := unpack(f[23], 3)
		if err != nil || len(refund)%3 != 0 {
			return verify.Record{}, fmt.Errorf("record: %w", errPacked)
		}
		for i := 1; i < len(refund); i += 3 { // where it is counted, key, end of the window
			r.Refund = append(r.Refund, refund[i])
		}
	}
	if d.err != nil {
		return verify.Record{}, fmt.Errorf("record: %w", d.err)
	}
	return r, nil
}

func decodeEvent(packed string) (verify.Event, error) {
	f, err := unpack(packed, eventFields)
	if err != nil {
		return verify.Event{}, fmt.Errorf("event: %w", err)
	}
	var d reader
	e := verify.Event{
		Seq: d.number(f[0]), ID: f[1], Kind: verify.EventKind(f[2]), At: d.time(f[3]), Tenant: mspkit.TenantID(f[4]), Challenge: f[5],
		Verifies: verify.Kind(f[6]), Subject: f[7], Action: verify.Action(f[8]), Technician: f[9], Ticket: mspkit.Ticket{System: f[10], ID: f[11]},
		Channel: f[12], Method: verify.Method(f[13]), Assurance: verify.Assurance(d.number(f[14])), State: verify.State(f[15]), Tries: int(d.number(f[16])),
		Sends: int(d.number(f[17])), By: f[18], Reason: f[19], Link: verify.Link{N: d.number(f[20]), Value: bytes(f[21])},
	}
	if d.err != nil {
		return verify.Event{}, fmt.Errorf("event: %w", d.err)
	}
	return e, nil
}

// encodeStamp returns s as the scripts read it.
func encodeStamp(s verify.Stamp) string { return pack(s.ID, string(s.Kind), s.By, s.Reason) }

// decodeSubject reads what the scripts return of a subject.
func decodeSubject(failures, frozen string) (verify.SubjectState, error) {
	var d reader
	sub := verify.SubjectState{Failures: int(d.number(failures)), FrozenUntil: d.time(frozen)}
	return sub, d.err
}
