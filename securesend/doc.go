// Package securesend gives a text or files to one recipient, once.
package securesend
