package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/internal/webpage"
)

// deed is one line of "Who did what". It holds names and no secrets.
type deed struct {
	at   time.Time
	kind string
	who  string // the host's id of the person, and empty where nobody knows who it was
	what string
}

// The kinds of deed, by which the page is filtered.
const (
	deedSignIn   = "sign-ins"
	deedRefused  = "refusals"
	deedSettings = "settings"
	deedCaller   = "callers"
)

var deedKinds = []string{deedSignIn, deedRefused, deedSettings, deedCaller}

// deeds is the table of the host's own database in which they are kept. Nothing is changed or deleted in it.
type deeds struct {
	db           *sqlx.DB
	insert, list string
}

var deedsTable = sqlx.Component{Name: "helpdesk_deeds", Migrations: []sqlx.Migration{{Version: 1, SQL: []string{
	`CREATE TABLE {t}helpdesk_deeds (
		id {identity},
		at {int} NOT NULL,
		kind {text} NOT NULL,
		who {text} NOT NULL,
		what {text} NOT NULL
	)`,
}}}}

func openDeeds(ctx context.Context, db *sql.DB, dialect sqlx.Dialect, schema string) (*deeds, error) {
	o := &sqlx.Tables{Schema: schema}
	if err := deedsTable.Migrate(ctx, db, dialect, o); err != nil {
		return nil, err
	}
	x, err := deedsTable.Open(db, dialect, o)
	if err != nil {
		return nil, err
	}
	return &deeds{
		db:     x,
		insert: x.SQL(`INSERT INTO {t}helpdesk_deeds (at, kind, who, what) VALUES (?, ?, ?, ?)`),
		list:   x.SQL(`SELECT at, kind, who, what FROM {t}helpdesk_deeds WHERE kind = ? OR ? = '' ORDER BY id DESC LIMIT ?`),
	}, nil
}

func (d *deeds) note(ctx context.Context, of deed) error {
	return d.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, d.insert, of.at.UnixMilli(), of.kind, of.who, of.what)
		return err
	})
}

// last returns the newest, of one kind or of all.
func (d *deeds) last(ctx context.Context, kind string, n int) (out []deed, err error) {
	rows, err := d.db.QueryContext(ctx, d.list, kind, kind, n)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var of deed
		var at int64
		if err := rows.Scan(&at, &of.kind, &of.who, &of.what); err != nil {
			return nil, err
		}
		of.at = time.UnixMilli(at)
		out = append(out, of)
	}
	return out, rows.Err()
}

// note keeps a deed. What was done stays done where it cannot be kept, and somebody who runs the program is told.
func (a *app) note(ctx context.Context, of deed) {
	of.at = a.now()
	if err := a.deeds.note(context.WithoutCancel(ctx), of); err != nil {
		a.cfg.log.ErrorContext(ctx, "helpdesk: who did what cannot be kept", slog.Any("error", err))
	}
}

// did keeps what a technician has done by the route of the request, where the table of routes has words for it.
func (a *app) did(ctx context.Context, t technician, with string) {
	s := servedOf(ctx)
	if s.did == "" {
		return
	}
	kind := deedCaller
	if !slices.Contains(s.needs, entra.PermissionFeatures) && !slices.Contains(s.needs, entra.PermissionPod) && !slices.Contains(s.needs, entra.PermissionVerification) {
		kind = deedSettings
	}
	what := s.did
	switch {
	case with != "" && kind == deedSettings:
		what += ": " + with
	case with != "":
		what += " " + with
	}
	a.note(ctx, deed{kind: kind, who: t.ID, what: what})
}

// forbidden keeps that somebody tried what they may not.
func (a *app) forbidden(ctx context.Context, u *entra.User, route string, lacking entra.Permission) {
	a.note(ctx, deed{kind: deedRefused, who: u.ID, what: fmt.Sprintf("was refused %q, which needs the permission %q", route, lacking)})
}

// audit keeps what package entra reports: sign-ins, refusals and changes of accounts.
func (a *app) audit(ctx context.Context, e entra.Event) error {
	of := deed{at: a.now(), who: e.User, kind: deedSettings}
	if e.By != "" && e.By != e.User {
		of.who = e.By
	}
	switch e.Kind {
	case entra.EventSignedIn:
		of.kind, of.what = deedSignIn, "signed in"
	case entra.EventSignedOut:
		of.kind, of.what = deedSignIn, "signed out"
	case entra.EventSteppedUp:
		of.kind, of.what = deedSignIn, "signed in once more for something that needs it"
	case entra.EventSignInRefused:
		of.kind, of.what = deedRefused, "could not sign in"
	case entra.EventForbidden:
		of.kind, of.what = deedRefused, "was refused what needs the permission"
		if s := servedOf(ctx); s.route != "" {
			of.what = fmt.Sprintf("was refused %q, which needs the permission", s.route)
		}
	default:
		of.what = strings.ReplaceAll(string(e.Kind), "-", " ")
	}
	switch {
	case e.Reason == "":
	case e.Kind == entra.EventForbidden:
		of.what += fmt.Sprintf(" %q", e.Reason)
	default:
		of.what += ": " + e.Reason
	}
	if e.By != "" && e.User != "" && e.By != e.User {
		of.what += " (" + a.nameOf(ctx, e.User) + ")"
	}
	return a.deeds.note(context.WithoutCancel(ctx), of)
}

// nameOf is what somebody is called, or their id where they do not work here any more.
func (a *app) nameOf(ctx context.Context, id string) string {
	if of, err := a.staff.Get(ctx, id); err == nil && of.Name != "" {
		return of.Name
	}
	return or(id, "Somebody unknown")
}

type auditPage struct {
	Who   who
	Show  string
	Kinds []string
	Deeds []deedRow
}

type deedRow struct {
	Day, Time, Kind, Name, What string
	Alert                       bool
}

// auditRoutes are the page "Who did what".
func (a *app) auditRoutes(site **webpage.Site) []webpage.Route {
	return []webpage.Route{{Name: "audit", Method: "GET", Pattern: "/audit", Kind: webpage.PageKind, Handler: func(w http.ResponseWriter, r *http.Request) {
		page := auditPage{Who: whoIs(r), Kinds: deedKinds}
		if show := r.URL.Query().Get("show"); slices.Contains(deedKinds, show) {
			page.Show = show
		}
		list, err := a.deeds.last(r.Context(), page.Show, 200)
		if err != nil {
			a.cfg.log.ErrorContext(r.Context(), "helpdesk: who did what cannot be read", slog.Any("error", err))
			(*site).Error(w, r, http.StatusInternalServerError)
			return
		}
		for _, of := range list {
			at := of.at.Local()
			page.Deeds = append(page.Deeds, deedRow{
				Day: at.Format("2 January"), Time: at.Format("15:04:05"), Kind: of.kind, Name: a.nameOf(r.Context(), of.who), What: of.what, Alert: of.kind == deedRefused,
			})
		}
		(*site).Render(w, r, webpage.Page{Template: "audit", Brand: plainBrand, Locale: "en", Data: page})
	}}}
}
