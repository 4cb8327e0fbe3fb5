package redisstore

import (
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/redisx"
	"github.com/mspkit/mspkit/verify"
)

// The places in a record and in an event are those of lua/shard.lua, counted from 0.
const (
	recordFields = 35
	eventFields  = 22
)

// encodeRecord returns r without its MACs and refunds, which the scripts add.
func encodeRecord(r verify.Record, idempotency string) string {
	return redisx.Pack(
		string(r.Tenant), r.ID, redisx.Number(r.Version), string(r.Kind), string(r.State), redisx.Number(r.Delivery), string(r.Method), r.Channel, r.Subject, string(r.Action),
		r.Technician, r.Ticket.System, r.Ticket.ID, redisx.Number(r.Assurance), r.Answerer, r.KeyID, string(r.Sealed), redisx.Number(r.Tries), redisx.Number(r.MaxTries), redisx.Number(r.Sends),
		redisx.Number(r.Messages), redisx.Number(r.LockAfter), redisx.Flag(r.Hinted), "", r.ReceiptID, redisx.EncodeTime(r.CreatedAt), redisx.EncodeTime(r.ExpiresAt), redisx.EncodeTime(r.DecidedAt),
		redisx.EncodeTime(r.ProofUntil), redisx.Flag(r.NeedsApproval),
		r.ApprovedBy, redisx.EncodeTime(r.ApprovedAt), r.RedeemedBy, redisx.EncodeTime(r.RedeemedAt), idempotency,
	)
}

func decodeRecord(packed string) (verify.Record, error) {
	f, err := redisx.Unpack(packed, recordFields)
	if err != nil {
		return verify.Record{}, fmt.Errorf("record: %w", err)
	}
	var d redisx.Reader
	r := verify.Record{
		Ref: verify.Ref{Tenant: mspkit.TenantID(f[0]), ID: f[1]}, Version: d.Number(f[2]), Kind: verify.Kind(f[3]), State: verify.State(f[4]),
		Delivery: verify.DeliveryStatus(d.Number(f[5])), Method: verify.Method(f[6]), Channel: f[7], Subject: f[8], Action: verify.Action(f[9]),
		Technician: f[10], Ticket: mspkit.Ticket{System: f[11], ID: f[12]}, Assurance: verify.Assurance(d.Number(f[13])), Answerer: f[14],
		KeyID: f[15], Sealed: redisx.Bytes(f[16]), Tries: int(d.Number(f[17])), MaxTries: int(d.Number(f[18])), Sends: int(d.Number(f[19])),
		Messages: int(d.Number(f[20])), LockAfter: int(d.Number(f[21])), Hinted: f[22] != "", ReceiptID: f[24],
		CreatedAt: d.Time(f[25]), ExpiresAt: d.Time(f[26]), DecidedAt: d.Time(f[27]), ProofUntil: d.Time(f[28]), NeedsApproval: f[29] != "",
		ApprovedBy: f[30], ApprovedAt: d.Time(f[31]), RedeemedBy: f[32], RedeemedAt: d.Time(f[33]),
	}
	if f[23] != "" {
		refund, err := redisx.Unpack(f[23], 3)
		if err != nil || len(refund)%3 != 0 {
			return verify.Record{}, fmt.Errorf("record: %w", redisx.ErrPacked)
		}
		for i := 1; i < len(refund); i += 3 { // where it is counted, key, end of the window
			r.Refund = append(r.Refund, refund[i])
		}
	}
	if d.Err != nil {
		return verify.Record{}, fmt.Errorf("record: %w", d.Err)
	}
	return r, nil
}

func decodeEvent(packed string) (verify.Event, error) {
	f, err := redisx.Unpack(packed, eventFields)
	if err != nil {
		return verify.Event{}, fmt.Errorf("event: %w", err)
	}
	var d redisx.Reader
	e := verify.Event{
		Seq: d.Number(f[0]), ID: f[1], Kind: verify.EventKind(f[2]), At: d.Time(f[3]), Tenant: mspkit.TenantID(f[4]), Challenge: f[5],
		Verifies: verify.Kind(f[6]), Subject: f[7], Action: verify.Action(f[8]), Technician: f[9], Ticket: mspkit.Ticket{System: f[10], ID: f[11]},
		Channel: f[12], Method: verify.Method(f[13]), Assurance: verify.Assurance(d.Number(f[14])), State: verify.State(f[15]), Tries: int(d.Number(f[16])),
		Sends: int(d.Number(f[17])), By: f[18], Reason: f[19], Link: verify.Link{N: d.Number(f[20]), Value: redisx.Bytes(f[21])},
	}
	if d.Err != nil {
		return verify.Event{}, fmt.Errorf("event: %w", d.Err)
	}
	return e, nil
}

// encodeStamp returns s as the scripts read it.
func encodeStamp(s verify.Stamp) string { return redisx.Pack(s.ID, string(s.Kind), s.By, s.Reason) }

// decodeSubject reads what the scripts return of a subject.
func decodeSubject(failures, frozen string) (verify.SubjectState, error) {
	var d redisx.Reader
	sub := verify.SubjectState{Failures: int(d.Number(failures)), FrozenUntil: d.Time(frozen)}
	return sub, d.Err
}
