package client

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/mspkit/mspkit/securesend"
)

// ErrServer means that the server could not be reached, or gave no answer that can be used, again and again. What was
// asked for may have happened or not.
var ErrServer = errors.New("the server gave no usable answer")

// Progress is how far a file is.
type Progress struct {
	// File counts from 0; Files is how many there are.
	File, Files int
	Name        string
	// Done and Total are bytes of the file before sealing; Total is negative where it is not known.
	Done, Total int64
}

// Options are for every call.
type Options struct {
	// HTTPClient is used without its redirect policy and its cookies: secrets go to the host of the link and nowhere else.
	// Nil means one with the system's proxy settings. A Timeout of it counts for whole parts and ranges of chunks.
	HTTPClient *http.Client
	// Idle is how long a connection may stand still before it is given up and tried anew: default 30 s.
	Idle time.Duration
	// Progress is told about files now and then, from the goroutine that reads or writes. Nil is fine.
	Progress func(Progress)

	pause time.Duration // before the second try; tests have less patience
}

const (
	// tries is how often something is tried without progress: for about half a minute, which is within a lease.
	tries    = 8
	maxPause = 15 * time.Second
	// maxJSON is the longest answer that is read: a manifest in base64.
	maxJSON = 4 << 20
	// maxIdle is the most that Options.Idle can be.
	maxIdle = time.Hour
)

// caller calls the handler of one link.
type caller struct {
	http        *http.Client
	base        string
	idle, pause time.Duration
}

var transport = func() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:   15 * time.Second,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConnsPerHost:   2,
		ForceAttemptHTTP2:     true,
	}
}()

func (o Options) caller(l securesend.Link, kind securesend.LinkKind) (*caller, error) {
	c := &caller{idle: o.Idle, pause: o.pause, base: l.Base + "/" + string(rune(kind)) + "/" + l.Token.Reveal() + "/"}
	if c.idle == 0 {
		c.idle = 30 * time.Second
	}
	if c.pause == 0 {
		c.pause = 250 * time.Millisecond
	}
	if c.idle < 0 || c.idle > maxIdle {
		return nil, fmt.Errorf("Options.Idle is %s, it must be up to %s: %w", o.Idle, maxIdle, securesend.ErrInvalid)
	}
	own := http.Client{Transport: transport}
	if o.HTTPClient != nil {
		own = *o.HTTPClient
	}
	own.Jar = nil
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &own
	return c, nil
}

// parse reads a link of one of the kinds.
func parse(s string, kinds ...securesend.LinkKind) (securesend.Link, error) {
	l, err := securesend.ParseLink(s)
	if err != nil {
		return l, err
	}
	if slices.Contains(kinds, l.Kind) {
		return l, nil
	}
	return l, fmt.Errorf("it is a link for something else: %w", securesend.ErrLink)
}

// heldFragment derives the fragment of a link that has none. The secret of a token is what it begins with.
func heldFragment(l securesend.Link) ([]byte, error) {
	raw, err := base64.RawURLEncoding.DecodeString(l.Token.Reveal())
	if err != nil || len(raw) < securesend.KeySize {
		return nil, fmt.Errorf("its token is not one of ours: %w", securesend.ErrLink)
	}
	return securesend.HeldFragment(raw[:securesend.KeySize]), nil
}

// strip takes the address out of an error of net/http: it is a secret.
func strip(err error) error {
	for {
		u, ok := errors.AsType[*url.Error](err)
		if !ok {
			return err
		}
		err = u.Err
	}
}

func wrap(verb string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("securesend/client: %s: %w", verb, err)
}
