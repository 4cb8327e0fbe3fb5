package mailtest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"net/textproto"
	"strings"
	"time"
)

// Message is one mail that a [Server] received, decoded.
type Message struct {
	// From and To are the envelope's addresses.
	From string
	To   []string
	// Header holds the decoded headers by canonical name.
	Header map[string][]string
	// Subject and MessageID are taken from Header; the id has no angle brackets.
	Subject, MessageID string
	// Text and HTML are the decoded parts.
	Text, HTML string
	// TLS tells whether the mail came over TLS, User who had signed in.
	TLS  bool
	User string
	// UTF8 tells whether the client asked for SMTPUTF8.
	UTF8 bool
	// At is when it arrived.
	At time.Time
	// Raw is what came over the wire, after removing the dots that SMTP adds.
	Raw []byte
}

const maxParts = 50

// parse fills in what the raw mail says.
func (m *Message) parse() error {
	p, err := netmail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		return fmt.Errorf("mailtest: parse headers: %w", err)
	}
	var dec mime.WordDecoder
	m.Header = make(map[string][]string, len(p.Header))
	for k, vs := range p.Header {
		for _, v := range vs {
			if d, err := dec.DecodeHeader(v); err == nil {
				v = d
			}
			m.Header[k] = append(m.Header[k], v)
		}
	}
	m.Subject = textproto.MIMEHeader(m.Header).Get("Subject")
	m.MessageID = strings.Trim(textproto.MIMEHeader(m.Header).Get("Message-Id"), "<> ")
	parts := 0
	return m.part(textproto.MIMEHeader(p.Header), p.Body, &parts)
}

func (m *Message) part(h textproto.MIMEHeader, body io.Reader, parts *int) error {
	if *parts++; *parts > maxParts {
		return errors.New("mailtest: too many parts")
	}
	ct := h.Get("Content-Type")
	if ct == "" {
		ct = "text/plain; charset=utf-8"
	}
	media, params, err := mime.ParseMediaType(ct)
	if err != nil {
		return fmt.Errorf("mailtest: content type: %w", err)
	}
	if strings.HasPrefix(media, "multipart/") {
		r := multipart.NewReader(body, params["boundary"])
		for {
			p, err := r.NextRawPart()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("mailtest: multipart: %w", err)
			}
			if err := m.part(p.Header, p, parts); err != nil {
				return err
			}
		}
	}
	switch strings.ToLower(h.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("mailtest: decode part: %w", err)
	}
	s := strings.ReplaceAll(string(b), "\r\n", "\n")
	switch {
	case media == "text/html" && m.HTML == "":
		m.HTML = s
	case media == "text/plain" && m.Text == "":
		m.Text = s
	}
	return nil
}
