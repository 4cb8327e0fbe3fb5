// Package webtest has what tests of several packages need to speak HTTP.
package webtest

import (
	"net/http"
	"net/http/cookiejar"
	"testing"
)

// Client returns a client with connections of its own. An [net/http/httptest.Server] that is closed ends the idle connections
// of the default transport, also those that another test is about to use.
func Client(t testing.TB) *http.Client {
	t.Helper()
	own := &http.Transport{}
	t.Cleanup(own.CloseIdleConnections)
	return &http.Client{Transport: own}
}

// Browser returns such a client that keeps cookies.
func Browser(t testing.TB) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := Client(t)
	c.Jar = jar
	return c
}
