package twiliotest

import (
	"net/http"
	"strings"
	"time"
)

// Number is what the Lookup API says of a number.
type Number struct {
	// Line is the kind of line. Empty is "mobile".
	Line string
	// SIMChangedAt is when the SIM card was changed last. SIMPeriod is what carriers without a date are asked for, and
	// SIMChanged whether it was changed in that. All zero means that the country is not covered.
	SIMChangedAt time.Time
	SIMPeriod    time.Duration
	SIMChanged   bool
	// LineError and SIMError are the error codes of the two packages, such as 60601 and 60620.
	LineError, SIMError int
	// Invalid makes the number one that no phone has.
	Invalid bool
	// Bare leaves the packages out, whatever was asked for.
	Bare bool
}

// SetNumber says what is known of a number. Others are mobile ones with no SIM data.
func (s *Server) SetNumber(number string, n Number) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.numbers[number] = n
}

const lookupStart = "/v2/PhoneNumbers/"

// The shapes are those of https://www.twilio.com/docs/lookup/v2-api: what was not asked for is null, periods are ISO
// 8601 durations.
type lookupAnswer struct {
	Number   string    `json:"phone_number"`
	Valid    bool      `json:"valid"`
	Problems []string  `json:"validation_errors"`
	LineType *lineType `json:"line_type_intelligence"`
	SIMSwap  *simSwap  `json:"sim_swap"`
	Caller   *struct{} `json:"caller_name"`
	URL      string    `json:"url"`
}

type lineType struct {
	Type      *string `json:"type"`
	Carrier   *string `json:"carrier_name"`
	ErrorCode *int    `json:"error_code"`
}

type simSwap struct {
	Last      *lastSwap `json:"last_sim_swap"`
	Carrier   *string   `json:"carrier_name"`
	ErrorCode *int      `json:"error_code"`
}

type lastSwap struct {
	Date     *string `json:"last_sim_swap_date"`
	Period   string  `json:"swapped_period"`
	InPeriod bool    `json:"swapped_in_period"`
}

func (s *Server) lookup(w http.ResponseWriter, r *http.Request, number string) {
	s.mu.Lock()
	n := s.numbers[number]
	s.mu.Unlock()
	if !e164.MatchString(number) {
		problem(w, http.StatusNotFound, 20404, "The requested resource was not found")
		return
	}
	a := lookupAnswer{Number: number, Valid: !n.Invalid, Problems: []string{}, URL: "https://lookups.twilio.com" + lookupStart + number}
	if n.Invalid {
		a.Problems = append(a.Problems, "NOT_A_NUMBER")
	}
	for f := range strings.SplitSeq(r.URL.Query().Get("Fields"), ",") {
		switch {
		case n.Bare || n.Invalid:
		case f == "line_type_intelligence":
			a.LineType = n.lineType()
		case f == "sim_swap":
			a.SIMSwap = n.simSwap(s.opts.Now())
		case f != "":
			problem(w, http.StatusBadRequest, 60600, "Unknown field")
			return
		}
	}
	answer(w, http.StatusOK, a)
}

func (n Number) lineType() *lineType {
	if n.LineError != 0 {
		return &lineType{ErrorCode: &n.LineError}
	}
	word, carrier := n.Line, "Contoso Mobile"
	if word == "" {
		word = "mobile"
	}
	return &lineType{Type: &word, Carrier: &carrier}
}

func (n Number) simSwap(now time.Time) *simSwap {
	if n.SIMError != 0 {
		return &simSwap{ErrorCode: &n.SIMError}
	}
	out := &simSwap{}
	switch {
	case !n.SIMChangedAt.IsZero():
		date := n.SIMChangedAt.UTC().Format(time.RFC3339)
		out.Last = &lastSwap{Date: &date, Period: iso8601(now.Sub(n.SIMChangedAt)), InPeriod: true}
	case n.SIMPeriod > 0:
		out.Last = &lastSwap{Period: iso8601(n.SIMPeriod), InPeriod: n.SIMChanged}
	}
	return out
}

// iso8601 writes a duration as Twilio does: PT15282H33M44S.
func iso8601(d time.Duration) string { return "PT" + strings.ToUpper(d.Truncate(time.Second).String()) }
