package graphfake

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"strconv"
	"strings"
	"time"
)

// population is people who are made up when they are looked at: nothing is kept of them, and who is in slot 7 depends on the
// seed only.
type population struct {
	n      int
	seed   uint64
	prefix string // of every id
	domain string
	town   int
}

// Seed fills an empty tenant with n people: a tree of managers, departments, phone numbers of the range for fiction, two in a
// hundred disabled, three guests, a few shared mailboxes and rooms, one in three with a photo. The same seed and tenant give the same
// people. They take no memory until they are changed, so a thousand tenants of a thousand are cheap. It panics where users are
// there already.
func (t *Tenant) Seed(n int, seed int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.slots() > 0 {
		panic("graphfake: Seed fills an empty tenant")
	}
	h := mix(uint64(seed) ^ mix(textHash(t.ID)))
	t.people = population{n: n, seed: h, prefix: fmt.Sprintf("%08x", uint32(h)), domain: t.Domain, town: int(h>>32) % len(towns)}
}

// mix is the finaliser of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func textHash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

var (
	givens = strings.Fields(`Adele Alex Amara Anders Anika Arjun Astrid Aylin Beatriz Bjorn Carla Carlos Chidi Chloe Dalia Daniel
		Darius Diego Elena Elias Emeka Emil Esra Eva Farah Felix Fiona Gerhard Grace Hana Hassan Heidi Henrik Ida Ines Isaac
		Ivan Jana Jasper Jin Joana Jonas Jorge Julia Kaito Karim Katya Kofi Lara Leila Lena Leo Lidia Liam Lucas Mads Maeve
		Marcus Maria Mateo Maya Megan Mei Milan Miriam Nadia Naomi Nestor Nils Nora Olga Omar Oscar Paolo Pia Priya Quentin
		Rafael Rania Renata Robin Rosa Ruben Sana Sara Sergio Sofia Soren Stefan Tariq Tessa Theo Tomas Uma Vera Victor
		Wanda Yara Yusuf Zoe`)
	surnames = strings.Fields(`Abebe Acker Adler Alonso Amundsen Arai Baker Banerjee Bauer Becker Berg Bianchi Boateng Borg
		Bowen Brandt Bruno Calder Campos Castellan Chen Chowdhury Conti Cortez Costa Dahl Dawson Delacroix Demir Diallo
		Dietrich Dixon Duarte Eklund Ellison Engel Eriksen Farrow Ferreira Fischer Fontaine Forsberg Frost Fujita Garnier
		Gaspar Gerber Ghosh Gomez Graf Granger Greco Haas Hale Halvorsen Hamid Hartmann Hayes Heller Holm Horvat Huang
		Ibrahim Ivanov Jansen Jarvis Jensen Kamau Kaplan Kato Keller Khan Kiefer Kim Klein Koch Kovac Krause Kumar Lang
		Larsen Laurent Leclerc Lehmann Lim Lindgren Lopes Lund Maier Marek Marino Martin Mbeki Mendes Meyer Moreau Mori
		Nagy Nakamura Navarro Neumann Novak Nwosu Okafor Olsen Ortega Osei Otto Palmer Park Patel Paulsen Pereira Petrov
		Pham Porter Quinn Rahman Ramos Reyes Ricci Richter Romano Rossi Roux Salazar Sato Schmid Schreiber Seidel Serrano
		Shah Silva Singh Skov Sorensen Stein Strand Suzuki Takeda Tanaka Torres Tran Urban Vance Varga Vasquez Vidal Vogel
		Wagner Walsh Weber Weiss Winter Wolf Wong Yamada Yilmaz Young Zeller Ziegler Zimmer`)
	departments = []string{"Sales", "Finance", "Operations", "Engineering", "Support", "People", "Marketing", "Legal"}
	towns       = []struct{ name, area string }{
		{"Seattle", "206"}, {"Denver", "303"}, {"Boston", "617"}, {"Chicago", "312"}, {"Austin", "512"}, {"Portland", "503"},
	}
	shared = []string{"info", "support", "billing", "careers", "reception", "orders"}
)

// step scatters names over slots. It has an inverse for every count of names that is not a multiple of it, being prime.
const step = 7919

func names() int { return len(givens) * len(surnames) }

// The name lists in lower case, and what people are called in each department.
var (
	lowGivens, lowSurnames = lower(givens), lower(surnames)
	heads                  = titled("Head of ", "")
	managers               = titled("", " Manager")
	specialists            = titled("", " Specialist")
	licensed               = []string{"SPE_E3"}
)

func lower(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.ToLower(s)
	}
	return out
}

func titled(before, after string) []string {
	out := make([]string, len(departments))
	for i, d := range departments {
		out[i] = before + d + after
	}
	return out
}

// user makes the user of a slot. All texts of it share one allocation, since a listing makes a thousand users for a page.
func (p *population) user(i int) User {
	h := mix(p.seed + uint64(i))
	u := User{CreatedAt: seeded.Add(time.Duration(h%1500) * 24 * time.Hour), PreferredLanguage: "en-US"}
	if p.hasPhoto(i) {
		u.Photo = madeUp
	}
	guest := h>>8%100 < 3 && i > 8 && !p.isShared(i)
	var arena [320]byte
	b := append(arena[:0], "SMTP:"...)
	b = p.appendLocal(b, i)
	local := len(b)
	if guest {
		b = append(append(b, "_guest.example#EXT#@"...), p.domain...)
	} else {
		b = append(append(b, '@'), p.domain...)
	}
	name := len(b)
	b = p.appendID(b, i, h)
	if p.isShared(i) {
		s := string(b)
		u.ID, u.Mail, u.UPN = s[name:], s[5:name], s[5:name]
		u.DisplayName, u.Purpose, u.Disabled = upperFirst(s[5:local]), "shared", true
		u.ProxyAddresses = []string{s[:name]}
		return u
	}
	given, surname := p.name(i)
	u.GivenName, u.Surname = givens[given], surnames[surname]
	id := len(b)
	b = append(append(append(b, u.GivenName...), ' '), u.Surname...)
	display := len(b)
	if guest {
		b = append(append(b, b[5:local]...), "@guest.example"...)
		s := string(b)
		u.ID, u.UPN, u.DisplayName, u.Mail = s[name:id], s[5:name], s[id:display], s[display:]
		u.UserType, u.CompanyName = "Guest", "Guest Company"
		return u
	}
	if i == 0 {
		u.JobTitle, u.Department, u.Admin = "Managing Director", "Management", true
	} else {
		u.Department, u.JobTitle = p.job(i)
		manager := (i - 1) / 8
		if p.isShared(manager) {
			manager = 0
		}
		b = p.appendID(b, manager, mix(p.seed+uint64(manager)))
	}
	boss := len(b)
	town := &towns[(p.town+int(h>>20%3))%len(towns)]
	if h>>32%10 < 8 {
		b = appendPhone(b, town.area, h)
	}
	phone := len(b)
	if h>>48%10 < 7 {
		b = append(append(append(b, "+1"...), towns[h>>52%uint64(len(towns))].area...), "55501"...)
		b = appendTwo(b, h>>40%100)
	}
	s := string(b)
	u.ID, u.UPN, u.Mail, u.DisplayName = s[name:id], s[5:name], s[5:name], s[id:display]
	u.ManagerID, u.MobilePhone = s[display:boss], s[phone:]
	lists := []string{s[:name], s[boss:phone]}
	u.ProxyAddresses = lists[:1:1]
	if boss < phone {
		u.BusinessPhones = lists[1:]
	}
	u.Licences, u.Disabled, u.OfficeLocation = licensed, h>>16%100 < 2 && i > 8, town.name
	u.Presence = presences[[]int{0, 4, 2, 7}[h>>56%4]]
	return u
}

// job says what somebody who is not the first does.
func (p *population) job(i int) (department, title string) {
	branch := i
	for branch > 8 {
		branch = (branch - 1) / 8
	}
	branch = (branch - 1) % len(departments)
	switch {
	case i <= 8:
		title = heads[branch]
	case i*8+1 < p.n:
		title = managers[branch]
	default:
		title = specialists[branch]
	}
	return departments[branch], title
}

// appendPhone writes a number of the range for fiction, 555-0100 to 555-0199, as people like to write them.
func appendPhone(b []byte, area string, h uint64) []byte {
	style := h >> 36 % 3
	if style == 1 {
		b = append(append(append(b, "+1 "...), area...), "-555-01"...)
	} else {
		b = append(append(append(b, "+1 ("...), area...), ") 555-01"...)
	}
	if b = appendTwo(b, h>>24%100); style == 2 {
		b = appendTwo(append(b, " ext. "...), h%90+10)
	}
	return b
}

func appendTwo(b []byte, n uint64) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

var seeded = time.Date(2021, 1, 1, 8, 0, 0, 0, time.UTC)

// sharedEvery slots have a shared mailbox among them.
const sharedEvery = 40

func (p *population) isShared(i int) bool { return i > 8 && i%sharedEvery == sharedEvery-1 }

// hasPhoto is one in three of those who have a mailbox of their own.
func (p *population) hasPhoto(i int) bool { return i%3 == 0 && !p.isShared(i) }

// name returns which names somebody has.
func (p *population) name(i int) (given, surname int) {
	k := (i*step + int(p.seed%uint64(names()))) % names()
	return k % len(givens), k / len(givens)
}

// appendLocal writes what is before the @: it is unique, because whoever comes again with the same name gets a number.
func (p *population) appendLocal(b []byte, i int) []byte {
	if p.isShared(i) {
		k := i / sharedEvery
		b = append(b, shared[k%len(shared)]...)
		if k >= len(shared) {
			b = strconv.AppendInt(b, int64(k/len(shared)), 10)
		}
		return b
	}
	given, surname := p.name(i)
	b = append(append(append(b, lowGivens[given]...), '.'), lowSurnames[surname]...)
	if again := i / names(); again > 0 {
		b = strconv.AppendInt(b, int64(again+1), 10)
	}
	return b
}

// appendID writes an id with the slot in its last part.
func (p *population) appendID(b []byte, i int, h uint64) []byte {
	const digits = "0123456789abcdef"
	from := len(b)
	b = append(append(b, p.prefix...), "-0000-4000-8000-000000000000"...)
	id := b[from:]
	for _, at := range [...]int{9, 10, 11, 12, 15, 16, 17, 20, 21, 22} {
		id[at] = digits[h&15]
		h >>= 4
	}
	for at, x := len(id)-1, i; x > 0; at, x = at-1, x>>4 {
		id[at] = digits[x&15]
	}
	return b
}

// slot finds the slot of an id.
func (p *population) slot(id string) (int, bool) {
	if len(id) != 36 || !strings.HasPrefix(id, p.prefix) || p.n == 0 {
		return 0, false
	}
	i, err := strconv.ParseUint(id[24:], 16, 48)
	if err != nil || i >= uint64(p.n) {
		return 0, false
	}
	return int(i), string(p.appendID(nil, int(i), mix(p.seed+i))) == id
}

// named finds the slot of a sign-in name or an address in lower case.
func (p *population) named(name string) (int, bool) {
	local, _, ok := strings.Cut(name, "@")
	if !ok || p.n == 0 {
		return 0, false
	}
	local = strings.TrimSuffix(local, "_guest.example#ext#")
	word := strings.TrimRight(local, "0123456789")
	number, _ := strconv.Atoi(local[len(word):])
	for k, s := range shared {
		if s == word {
			slot := (number*len(shared)+k)*sharedEvery + sharedEvery - 1
			return slot, slot < p.n
		}
	}
	given, surname, ok := strings.Cut(word, ".")
	if !ok {
		return 0, false
	}
	g, s := indexFold(givens, given), indexFold(surnames, surname)
	if g < 0 || s < 0 {
		return 0, false
	}
	n := names()
	k := (s*len(givens) + g - int(p.seed%uint64(n)) + n) % n
	slot := k * inverse(step, n) % n
	if number > 1 {
		slot += (number - 1) * n
	}
	return slot, slot < p.n
}

// inverse returns the number that makes 1 of a, times it, modulo n.
func inverse(a, n int) int {
	t, next, r, rest := 0, 1, n, a%n
	for rest != 0 {
		q := r / rest
		t, next = next, t-q*next
		r, rest = rest, r-q*rest
	}
	return (t%n + n) % n
}

func indexFold(list []string, s string) int {
	for i, v := range list {
		if strings.EqualFold(v, s) {
			return i
		}
	}
	return -1
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// photo draws a face for a slot, so to speak.
func (p *population) photo(i int) []byte {
	h := mix(p.seed ^ mix(uint64(i)))
	back := color.RGBA{uint8(h) | 0x80, uint8(h>>8) | 0x80, uint8(h>>16) | 0x80, 255}
	front := color.RGBA{uint8(h>>24) & 0x7f, uint8(h>>32) & 0x7f, uint8(h>>40) & 0x7f, 255}
	const size = 96
	img := image.NewRGBA(image.Rect(0, 0, size, size))
	for y := range size {
		for x := range size {
			dx, dy := x-size/2, y-size/3
			head := dx*dx+dy*dy < 18*18
			by := y - size
			body := dx*dx+by*by < 40*40
			if head || body {
				img.SetRGBA(x, y, front)
			} else {
				img.SetRGBA(x, y, back)
			}
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 80}); err != nil {
		panic(err)
	}
	return b.Bytes()
}
