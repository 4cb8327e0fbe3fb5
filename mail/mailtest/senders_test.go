package mailtest_test

import (
	"testing"

	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/mailtest"
)

func TestSendersInMemory(t *testing.T) {
	t.Parallel()
	mailtest.TestSenders(t, func(*testing.T) mail.SenderStore { return mail.NewMemorySenders() })
}
