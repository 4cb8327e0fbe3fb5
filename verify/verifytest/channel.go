package verifytest

import (
	"context"
	"errors"
	"strconv"
	"sync"

	"github.com/mspkit/mspkit/verify"
)

// Channel is a [verify.Channel] that keeps what it is given. The zero value works and reaches
// [verify.AssuranceUnproven].
type Channel struct {
	// Level is returned by Assurance.
	Level verify.Assurance

	mu   sync.Mutex
	sent []verify.Delivery
	told []verify.Notice
	err  error
}

var (
	_ verify.Channel = (*Channel)(nil)
	_ verify.Assured = (*Channel)(nil)
	_ verify.Noticer = (*Channel)(nil)
)

// Deliver keeps d, or fails as [Channel.Fail] says.
func (c *Channel) Deliver(_ context.Context, d verify.Delivery) (verify.Receipt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return verify.Receipt{}, c.err
	}
	c.sent = append(c.sent, d)
	return verify.Receipt{ID: "fake-" + strconv.Itoa(len(c.sent))}, nil
}

// Notice keeps n, or fails as [Channel.Fail] says.
func (c *Channel) Notice(_ context.Context, n verify.Notice) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	c.told = append(c.told, n)
	return nil
}

// Notices returns every notice so far, the oldest first.
func (c *Channel) Notices() []verify.Notice {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]verify.Notice(nil), c.told...)
}

// Assurance returns Level.
func (c *Channel) Assurance() verify.Assurance { return c.Level }

// Fail makes every later delivery and notice fail with err; nil ends that.
func (c *Channel) Fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// Sent returns everything delivered so far, the oldest first.
func (c *Channel) Sent() []verify.Delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]verify.Delivery(nil), c.sent...)
}

// Last returns the last delivery, or an error where there is none.
func (c *Channel) Last() (verify.Delivery, error) {
	sent := c.Sent()
	if len(sent) == 0 {
		return verify.Delivery{}, errors.New("verifytest: nothing was delivered")
	}
	return sent[len(sent)-1], nil
}
