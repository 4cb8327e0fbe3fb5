package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphfake"
)

const unread = "1 tenant could not be read"

func (s *stage) firstRun(ctx context.Context) error {
	s.tell("Three tenants; the administrator of woodgrove has not consented. What would be changed?")
	if err := s.play(ctx, "", unread, "-plan", nil, "contoso: 60 entries listed for the first time", "woodgrove: cannot be read", "2 of 3 tenants"); err != nil {
		return err
	}
	s.tell("Somebody looks at it and says no.")
	if err := s.play(ctx, "no", "nothing was changed", "", nil, "Type yes"); err != nil {
		return err
	}
	s.tell("Somebody says yes, and presses Ctrl-C after the first page.")
	pressed, press := context.WithCancel(ctx)
	defer press()
	if err := s.play(pressed, "yes", "", "", press, "the next run goes on from there"); err != nil {
		return err
	}
	s.tell("The next run goes on.")
	return s.play(ctx, "", unread, "-yes", nil, "went on where the last run was stopped", "2 tenants are in step now")
}

func (s *stage) secondRun(ctx context.Context) error {
	s.tell("And when nothing has happened since?")
	return s.play(ctx, "", unread, "-yes", nil, "contoso: 0 entries since the last run, nothing to change", "There is nothing to change.")
}

// comeAndGo is a day at contoso: somebody comes, somebody goes, and somebody has another phone.
func (s *stage) comeAndGo(ctx context.Context) error {
	t := s.tenants["contoso"]
	t.Put(graphfake.User{
		DisplayName: "Nora Newman", GivenName: "Nora", Surname: "Newman", Mail: "nora@" + t.Domain, MobilePhone: "(202) 555-0143",
		JobTitle: "Engineer", Licences: []string{"SPE_E3"},
	})
	var ordinary []graphfake.User
	for _, u := range t.Users() {
		if !u.Disabled && u.UserType != "Guest" && u.MobilePhone != "" && len(u.Licences) > 0 && u.ManagerID != "" && u.GivenName != "Nora" {
			ordinary = append(ordinary, u)
		}
	}
	if len(ordinary) < 2 {
		return errors.New("contoso has too few people")
	}
	gone, moved := ordinary[len(ordinary)-1], ordinary[len(ordinary)-2]
	t.Delete(gone.ID, true)
	t.Update(moved.ID, func(u *graphfake.User) { u.MobilePhone = "+1 202 555 0188" })
	s.tell("At contoso Nora Newman joins, %s leaves, and %s has another phone.", gone.DisplayName, moved.DisplayName)
	return s.play(ctx, "yes", unread, "", nil, "1 joins, 1 changes, 1 leaves", "+ Nora Newman", "- "+gone.DisplayName, moved.DisplayName+" (phones …", "…0188")
}

func (s *stage) consents(ctx context.Context) error {
	s.ids["woodgrove"].Consent(s.app.ID)
	s.tell("The administrator of woodgrove consents.")
	return s.play(ctx, "yes", "", "", nil, "woodgrove: 140 entries listed for the first time", "3 tenants are in step now")
}

// looked looks into the file: everybody is there as they are in Microsoft 365.
func (s *stage) looked(ctx context.Context) (err error) {
	dir, closeFile, err := openDirectory(ctx, s.file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFile()) }()
	s.tell("Who is calling from +1 202 555 0143?")
	calling, err := dir.FindCaller(ctx, "+12025550143", 0)
	if err != nil {
		return err
	}
	found := false
	for _, c := range calling {
		_, _ = fmt.Fprintf(s.out, "%s, %s at %s\n", c.Name, c.JobTitle, c.Tenant)
		found = found || c.Name == "Nora Newman"
	}
	if !found {
		return errors.New("nobody knows Nora Newman")
	}
	for name, t := range s.tenants {
		for _, u := range t.Users() {
			if u.UserType == "Guest" || u.Disabled && len(u.Licences) == 0 {
				continue
			}
			c, err := dir.BySource(ctx, mspkit.TenantID(name), source, u.ID)
			if err != nil || c.Name != strings.TrimSpace(u.DisplayName) || c.Enabled == u.Disabled {
				return fmt.Errorf("%s of %s is not in the file as in Microsoft 365: %w", u.DisplayName, name, err)
			}
		}
	}
	return nil
}
