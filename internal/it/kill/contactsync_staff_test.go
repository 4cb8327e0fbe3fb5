package kill_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/graphfake"
)

// staff are the people of a tenant.
type staff struct {
	*graphfake.Tenant

	mu     sync.Mutex
	ever   map[string]bool // who was ever there, by object id
	gone   []graphfake.User
	turn   int
	dialed int                  // numbers given out: each is somebody's once
	since  map[string]time.Time // when somebody got a number, by its digits
}

func newStaff(t *graphfake.Tenant, n int) *staff {
	s := &staff{Tenant: t, ever: map[string]bool{}, since: map[string]time.Time{}}
	for range n {
		s.join()
	}
	t.Put(graphfake.User{ // nobody
		DisplayName: "Reception", Mail: "reception@" + t.Domain, Disabled: true, Purpose: "shared",
	})
	t.Put(graphfake.User{DisplayName: "A guest", Mail: "guest@elsewhere.example", UserType: "Guest", Licences: []string{"SPE_E3"}})
	return s
}

// areas are codes of the United States in which the exchange 555 has numbers for fiction.
var areas = []string{"202", "206", "212", "213", "214", "303", "305", "312", "404", "415", "503", "512", "602", "612", "617", "702", "713", "718", "801", "916"}

// number returns a phone number that nobody had.
func (s *staff) number() string {
	n := s.dialed
	s.dialed++
	area, line := areas[n/100%len(areas)], n%100
	exchange := "555"
	if n >= 100*len(areas) {
		exchange = strconv.Itoa(200 + n/100/len(areas))
	}
	format := []string{"(%s) %s-01%02d", "+1 %s %s 01%02d", "%s.%s.01%02d", "+1 (%s) %s-01%02d ext. 9"}[rand.IntN(4)]
	text := fmt.Sprintf(format, area, exchange, line)
	s.since[text] = time.Now()
	return text
}

// join adds somebody who reports to somebody else.
func (s *staff) join() {
	n := len(s.ever)
	u := graphfake.User{
		DisplayName: fmt.Sprintf("Person %d", n), GivenName: "Person", Surname: fmt.Sprintf("No%d", n),
		Mail: fmt.Sprintf("p%d@%s", n, s.Domain), JobTitle: "Clerk", CompanyName: s.Name, PreferredLanguage: "en-US", Licences: []string{"SPE_E3"},
	}
	switch n % 8 {
	case 0:
		u.Mail = "" // nor is anybody found by it
	case 1:
	default:
		u.MobilePhone = s.number()
		u.BusinessPhones = []string{s.number()}
	}
	if list := s.there(); len(list) > 0 {
		u.ManagerID = list[rand.IntN(len(list))].ID
	}
	s.ever[s.Put(u)] = true
}

// there are those of the staff who have not left.
func (s *staff) there() []graphfake.User {
	return slices.DeleteFunc(s.Users(), func(u graphfake.User) bool { return !s.ever[u.ID] })
}

// change changes one thing of one person, or somebody comes or goes. Everybody has their turn and half of the people never
// change, so that what a sync lost is not mended at once by another change of the same person.
func (s *staff) change() {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.there()
	boss := list[rand.IntN(len(list))]
	list = slices.DeleteFunc(list, func(u graphfake.User) bool { return u.ID[len(u.ID)-1]%2 == 0 })
	s.turn++
	u := list[s.turn%len(list)]
	n := rand.IntN(1000)
	switch rand.IntN(12) {
	case 0:
		s.join()
	case 1:
		if len(s.gone) < len(s.ever)/3 {
			s.leave(u)
		}
	case 2:
		if len(s.gone) > 0 && rand.IntN(2) == 0 { // somebody was deleted by mistake
			back := s.gone[len(s.gone)-1]
			s.gone = s.gone[:len(s.gone)-1]
			s.Put(back)
		}
	case 3:
		s.Update(u.ID, func(u *graphfake.User) { u.Disabled = !u.Disabled })
	case 4, 5:
		s.Update(u.ID, func(u *graphfake.User) { u.MobilePhone = s.number() })
	case 6:
		s.Update(u.ID, func(u *graphfake.User) { u.BusinessPhones = []string{s.number(), s.number()}[:rand.IntN(3)] })
	case 7, 8:
		s.Update(u.ID, func(u *graphfake.User) { u.ManagerID = boss.ID })
	case 9:
		s.Update(u.ID, func(u *graphfake.User) { u.ManagerID = "" })
	case 10:
		s.Update(u.ID, func(u *graphfake.User) {
			u.JobTitle, u.CompanyName = fmt.Sprint("Clerk ", n), fmt.Sprint(s.Name, " ", n%5)
		})
	case 11:
		s.Update(u.ID, func(u *graphfake.User) {
			u.DisplayName, u.Surname = fmt.Sprint("Person ", n), fmt.Sprint("New", n)
			u.Mail, u.PreferredLanguage = fmt.Sprintf("x%d-%s@%s", n, u.ID[:8], s.Domain), []string{"", "de-AT", "en-US"}[n%3]
		})
	}
}

// leave deletes somebody, whose people report to somebody else first.
func (s *staff) leave(u graphfake.User) {
	for _, other := range s.Users() {
		if other.ManagerID == u.ID {
			s.Update(other.ID, func(o *graphfake.User) { o.ManagerID = u.ManagerID })
			if u.ManagerID == other.ID {
				s.Update(other.ID, func(o *graphfake.User) { o.ManagerID = "" })
			}
		}
	}
	permanent := rand.IntN(2) == 0
	if u.ManagerID = ""; !permanent {
		s.gone = append(s.gone, u)
	}
	s.Delete(u.ID, permanent)
}

// want returns who has to be in a directory in the end, by object id. Managers are object ids.
func (s *staff) want() map[string]contacts.Contact {
	out := map[string]contacts.Contact{}
	for _, u := range s.Users() {
		if u.UserType == "Guest" || u.Disabled && u.Mail != "" && len(u.Licences) == 0 {
			continue
		}
		c := contacts.Contact{
			Name: u.DisplayName, FirstName: u.GivenName, LastName: u.Surname, Company: u.CompanyName, JobTitle: u.JobTitle,
			Manager: u.ManagerID, Locale: u.PreferredLanguage, Enabled: !u.Disabled, Sources: map[string]string{syncSource: u.ID},
		}
		if u.Mail != "" {
			c.Emails = []contacts.Address{{Value: u.Mail}}
		}
		for _, text := range append([]string{u.MobilePhone}, u.BusinessPhones...) {
			if text != "" {
				c.Phones = append(c.Phones, contacts.Address{Value: e164(text), Raw: text})
			}
		}
		out[u.ID] = c
	}
	return out
}

// e164 reads the numbers that this test writes. One with an extension is none.
func e164(text string) string {
	if strings.Contains(text, "ext") {
		return ""
	}
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
	return "+1" + digits[len(digits)-10:]
}
