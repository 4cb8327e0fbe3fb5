package mailtest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The limits of one session (RFC 5321, section 4.5.3.1).
const (
	maxCommand    = 2048 // bytes of a command line; AUTH needs more than the 512 of plain SMTP
	maxTextLine   = 1000 // bytes of a line of the message, with CRLF
	maxRecipients = 100
	maxCommands   = 1000
	maxErrors     = 20
)

var errQuit = errors.New("quit")

// session is one connection (RFC 5321, STARTTLS by RFC 3207, AUTH by RFC 4954).
type session struct {
	s     *Server
	c     net.Conn
	r     *bufio.Reader
	tls   bool
	user  string
	from  *string
	to    []string
	utf8  bool // of this message
	noTLS bool
}

func newSession(s *Server, c net.Conn) *session {
	return &session{s: s, c: c, r: bufio.NewReaderSize(c, maxCommand)}
}

func (n *session) run() {
	if n.s.o.ImplicitTLS && !n.startTLS() {
		return
	}
	if n.s.fault(Busy) {
		_ = n.reply("421 4.3.2 too many connections, try again later")
		return
	}
	n.noTLS = n.s.fault(NoSTARTTLS)
	if n.reply("220 mailtest ESMTP") != nil {
		return
	}
	bad := 0
	for range maxCommands {
		line, err := n.line(maxCommand)
		if err != nil {
			return
		}
		verb, arg, _ := strings.Cut(line, " ")
		answer, err := n.command(strings.ToUpper(verb), strings.TrimSpace(arg))
		if answer != "" {
			if n.reply(answer) != nil {
				return
			}
			if answer[0] == '5' {
				if bad++; bad > maxErrors {
					return
				}
			}
		}
		if err != nil {
			return
		}
	}
}

// command returns the answer to one command; the error ends the session.
func (n *session) command(verb, arg string) (string, error) {
	switch verb {
	case "EHLO":
		n.from, n.to = nil, nil
		ext := []string{"mailtest", "PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "SIZE " + strconv.Itoa(n.s.o.MaxSize)}
		if n.s.o.SMTPUTF8 {
			ext = append(ext, "SMTPUTF8")
		}
		if n.canStartTLS() {
			ext = append(ext, "STARTTLS")
		}
		if n.s.o.User != "" && n.tls {
			ext = append(ext, "AUTH PLAIN LOGIN")
		}
		return "250-" + strings.Join(ext[:len(ext)-1], "\r\n250-") + "\r\n250 " + ext[len(ext)-1], nil
	case "HELO":
		n.from, n.to = nil, nil
		return "250 mailtest", nil
	case "STARTTLS":
		if !n.canStartTLS() {
			return "502 5.5.1 not offered", nil
		}
		// What was sent in clear behind STARTTLS must not be read as if it had come over TLS.
		if n.r.Buffered() > 0 {
			return "501 5.5.4 nothing may follow STARTTLS", errQuit
		}
		if err := n.reply("220 2.0.0 go ahead"); err != nil {
			return "", err
		}
		if !n.startTLS() {
			return "", errQuit
		}
		n.from, n.to, n.user = nil, nil, ""
		return "", nil
	case "AUTH":
		return n.auth(arg)
	case "MAIL":
		return n.mail(arg)
	case "RCPT":
		return n.rcpt(arg)
	case "DATA":
		return n.data()
	case "RSET":
		n.from, n.to = nil, nil
		return "250 2.0.0 ok", nil
	case "NOOP":
		return "250 2.0.0 ok", nil
	case "QUIT":
		return "221 2.0.0 bye", errQuit
	}
	return "502 5.5.1 unknown command", nil
}

func (n *session) canStartTLS() bool { return !n.tls && !n.noTLS && !n.s.o.ImplicitTLS }

func (n *session) startTLS() bool {
	c := tls.Server(n.c, n.s.tls)
	ctx, cancel := context.WithTimeout(context.Background(), n.s.o.Timeout)
	defer cancel()
	if c.HandshakeContext(ctx) != nil {
		return false
	}
	n.c, n.r, n.tls = c, bufio.NewReaderSize(c, maxCommand), true
	return true
}

func (n *session) auth(arg string) (string, error) {
	if n.s.o.User == "" || !n.tls {
		return "503 5.5.1 sign-in is not offered", nil
	}
	mech, initial, _ := strings.Cut(arg, " ")
	var user, pass string
	switch strings.ToUpper(mech) {
	case "PLAIN":
		if initial == "" {
			var err error
			if initial, err = n.ask(""); err != nil {
				return "", err
			}
		}
		f := strings.Split(decode(initial), "\x00")
		if len(f) != 3 {
			return "501 5.5.2 malformed", nil
		}
		user, pass = f[1], f[2]
	case "LOGIN":
		var err error
		if initial == "" {
			if initial, err = n.ask("Username:"); err != nil {
				return "", err
			}
		}
		user = decode(initial)
		if pass, err = n.ask("Password:"); err != nil {
			return "", err
		}
		pass = decode(pass)
	default:
		return "504 5.5.4 unknown mechanism", nil
	}
	ok := subtle.ConstantTimeCompare([]byte(user), []byte(n.s.o.User)) & subtle.ConstantTimeCompare([]byte(pass), []byte(n.s.o.Password.Reveal()))
	if ok != 1 {
		return "535 5.7.8 wrong user or password", nil
	}
	n.user = user
	return "235 2.7.0 signed in", nil
}

func (n *session) ask(prompt string) (string, error) {
	if err := n.reply("334 " + base64.StdEncoding.EncodeToString([]byte(prompt))); err != nil {
		return "", err
	}
	return n.line(maxCommand)
}

func decode(s string) string {
	b, _ := base64.StdEncoding.DecodeString(s)
	return string(b)
}

func (n *session) mail(arg string) (string, error) {
	if n.s.fault(Hang) {
		_, _ = n.line(maxCommand) // until the client closes or the time is over
		return "", errQuit
	}
	addr, params, ok := path(arg, "FROM:")
	switch {
	case n.s.o.User != "" && n.user == "":
		return "530 5.7.0 sign in first", nil
	case n.from != nil:
		return "503 5.5.1 one message at a time", nil
	case !ok:
		return "501 5.5.4 malformed address", nil
	}
	for p := range strings.FieldsSeq(params) {
		if v, ok := strings.CutPrefix(strings.ToUpper(p), "SIZE="); ok {
			if size, bad := strconv.Atoi(v); bad != nil || size > n.s.o.MaxSize {
				return "552 5.3.4 too large", nil
			}
		}
	}
	n.from, n.to = &addr, nil
	n.utf8 = n.s.o.SMTPUTF8 && slices.Contains(strings.Fields(strings.ToUpper(params)), "SMTPUTF8")
	return "250 2.1.0 ok", nil
}

func (n *session) rcpt(arg string) (string, error) {
	addr, _, ok := path(arg, "TO:")
	switch {
	case n.from == nil:
		return "503 5.5.1 MAIL first", nil
	case !ok || addr == "":
		return "501 5.5.4 malformed address", nil
	case len(n.to) >= maxRecipients:
		return "452 4.5.3 too many recipients", nil
	case n.s.fault(RejectRecipient):
		return "550 5.1.1 <" + addr + "> no such mailbox", nil // servers echo addresses: errors must not
	case n.s.fault(Greylist):
		return "451 4.7.1 <" + addr + "> greylisted, try again later", nil
	}
	n.to = append(n.to, addr)
	return "250 2.1.5 ok", nil
}

// path reads "FROM:<a@b> PARAM=…".
func path(arg, prefix string) (addr, params string, ok bool) {
	if len(arg) < len(prefix) || !strings.EqualFold(arg[:len(prefix)], prefix) {
		return "", "", false
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(arg[len(prefix):]), "<")
	if !ok {
		return "", "", false
	}
	addr, params, ok = strings.Cut(rest, ">")
	return addr, params, ok && !strings.ContainsAny(addr, "<> \t\x00")
}

func (n *session) data() (string, error) {
	switch {
	case n.from == nil || len(n.to) == 0:
		return "503 5.5.1 MAIL and RCPT first", nil
	case n.s.fault(DropBeforeData):
		return "", errQuit
	}
	if err := n.reply("354 end with a line that holds one dot"); err != nil {
		return "", err
	}
	raw, problem, err := n.body()
	if err != nil {
		return "", err
	}
	m := Message{From: *n.from, To: n.to, TLS: n.tls, User: n.user, UTF8: n.utf8, At: time.Now(), Raw: raw}
	n.from, n.to = nil, nil
	if problem != "" {
		return problem, nil
	}
	if n.s.fault(RejectData) {
		return "554 5.7.1 refused", nil
	}
	if err := m.parse(); err != nil {
		return "554 5.6.0 malformed message", nil //nolint:nilerr // the client is told
	}
	n.s.keep(m)
	if n.s.fault(DropAfterData) {
		return "", errQuit
	}
	return "250 2.0.0 kept", nil
}

// body reads to the final dot. Lines must end in CRLF: a bare CR or LF is how a second message is smuggled in.
func (n *session) body() (raw []byte, problem string, err error) {
	var b bytes.Buffer
	fresh := true // the line before ended in CRLF
	for {
		line, err := n.rawLine(maxTextLine)
		if errors.Is(err, errTooLong) {
			problem, fresh = "500 5.5.2 line too long", true
			continue
		}
		if err != nil {
			return nil, "", err
		}
		text, crlf := bytes.CutSuffix(line, []byte("\r\n"))
		if fresh && crlf && string(text) == "." {
			return b.Bytes(), problem, nil
		}
		fresh = crlf
		if !crlf || bytes.ContainsAny(text, "\r\n\x00") {
			problem = "554 5.6.0 bare CR or LF"
		}
		text = bytes.TrimPrefix(text, []byte("."))
		if b.Len()+len(text)+2 > n.s.o.MaxSize {
			problem = "552 5.3.4 too large"
		}
		if problem == "" {
			b.Write(text)
			b.WriteString("\r\n")
		}
	}
}

var errTooLong = errors.New("line too long")

// rawLine returns one line with its line break. A line that is too long is read to its end and dropped.
func (n *session) rawLine(limit int) ([]byte, error) {
	line, err := n.r.ReadSlice('\n')
	long := len(line) > limit
	for errors.Is(err, bufio.ErrBufferFull) {
		long = true
		_, err = n.r.ReadSlice('\n')
	}
	if err != nil {
		return nil, err
	}
	if long {
		return nil, errTooLong
	}
	return line, nil
}

func (n *session) line(limit int) (string, error) {
	b, err := n.rawLine(limit)
	if errors.Is(err, errTooLong) {
		_ = n.reply("500 5.5.2 line too long")
	}
	return strings.TrimRight(string(b), "\r\n"), err
}

func (n *session) reply(s string) error {
	_, err := fmt.Fprintf(n.c, "%s\r\n", s)
	return err
}
