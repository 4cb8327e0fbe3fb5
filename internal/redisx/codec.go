package redisx

import (
	"encoding/binary"
	"errors"
	"strconv"
	"time"
)

// What is stored is a MessagePack array of strings, which the scripts read and write with Redis' own cmsgpack. These are
// the few forms of it that occur.

// ErrPacked means that a stored value is not what a store wrote.
var ErrPacked = errors.New("a stored value is damaged")

// Pack returns values as the scripts read them.
func Pack(values ...string) string {
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

// Unpack returns the values of s, of which there must be at least one.
func Unpack(s string, atLeast int) ([]string, error) {
	n, s, err := length(s, 0x90, 15, 0xdb) // arrays have no form with 8 bits: 0xdc and 0xdd have 16 and 32
	if err != nil || n > len(s) {
		return nil, ErrPacked
	}
	out := make([]string, n)
	for i := range out {
		var size int
		if size, s, err = length(s, 0xa0, 31, 0xd9); err != nil || size > len(s) {
			return nil, ErrPacked
		}
		out[i], s = s[:size], s[size:]
	}
	if s != "" || n < atLeast {
		return nil, ErrPacked
	}
	return out, nil
}

// length reads a length: within the byte short where it is at most most, else behind one of three bytes from long on, with
// 8, 16 or 32 bits.
func length(s string, short, most, long byte) (n int, rest string, err error) {
	if s == "" {
		return 0, "", ErrPacked
	}
	b := s[0]
	if b >= short && b <= short+most {
		return int(b - short), s[1:], nil
	}
	if b < long || b > long+2 {
		return 0, "", ErrPacked
	}
	size := 1 << (b - long)
	if len(s) <= size {
		return 0, "", ErrPacked
	}
	for _, c := range []byte(s[1 : 1+size]) {
		n = n<<8 | int(c)
	}
	return n, s[1+size:], nil
}

// Never is the zero time.
const Never = "00000000000000000000"

// EncodeTime returns t in microseconds as 20 digits, whose order is that of the times.
func EncodeTime(t time.Time) string {
	if t.IsZero() {
		return Never
	}
	digits := strconv.FormatUint(uint64(t.UnixMicro())+1<<63, 10)
	return Never[len(digits):] + digits
}

// DecodeTime is the inverse of EncodeTime, in UTC.
func DecodeTime(s string) (time.Time, error) {
	us, err := strconv.ParseUint(s, 10, 64)
	if err != nil || len(s) != len(Never) {
		return time.Time{}, ErrPacked
	}
	if us == 0 {
		return time.Time{}, nil
	}
	return time.UnixMicro(int64(us - 1<<63)).UTC(), nil
}

// Rounded returns t as the store gives it back.
func Rounded(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.UnixMicro(t.UnixMicro()).UTC()
}

// Reader decodes texts and keeps the first error.
type Reader struct{ Err error }

// Number reads digits.
func (r *Reader) Number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		r.Err = ErrPacked
	}
	return n
}

// Time reads what [EncodeTime] wrote.
func (r *Reader) Time(s string) time.Time {
	t, err := DecodeTime(s)
	if err != nil {
		r.Err = err
	}
	return t
}

// Number returns n in digits.
func Number[T ~int | ~int64](n T) string { return strconv.FormatInt(int64(n), 10) }

// Flag returns "1" or "".
func Flag(b bool) string {
	if b {
		return "1"
	}
	return ""
}

// Bytes returns nil for nothing.
func Bytes(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}
