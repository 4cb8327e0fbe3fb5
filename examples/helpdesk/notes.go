package main

import (
	"fmt"
	"strings"
)

// The words of the page. What stands in tickets is written by psa/ticketlog.

func channelWords(c string) string {
	switch c {
	case "teams":
		return "Teams"
	case "sms":
		return "text message"
	case "email":
		return "e-mail"
	case "signin":
		return "a sign-in at Microsoft"
	}
	return c
}

// wayWords begins a sentence.
func wayWords(c string) string {
	switch c {
	case "teams":
		return "Teams"
	case "signin":
		return "The sign-in at Microsoft"
	}
	return "The " + channelWords(c)
}

// failoverWords reads [verify.Challenge.Failover] to the technician.
func failoverWords(failover, channel string) string {
	if failover == "" {
		return ""
	}
	var out []string
	for part := range strings.SplitSeq(failover, "; ") {
		c, reason, ok := strings.Cut(part, ": ")
		switch {
		case ok && channelWords(c) != c:
			out = append(out, fmt.Sprintf("%s could not be used: %s.", wayWords(c), reason))
		case len(out) > 0: // a reason with a semicolon in it
			out[len(out)-1] = strings.TrimSuffix(out[len(out)-1], ".") + "; " + part + "."
		default:
			out = append(out, part+".")
		}
	}
	return strings.Join(append(out, fmt.Sprintf("Sent by %s instead.", channelWords(channel))), " ")
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
