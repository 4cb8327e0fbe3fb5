-- What the verbs of one record share: now, channel, tenant, id, stamp. before is the event
-- of this very call, where it has been here already.
local now, channel, st = ARGV[1], ARGV[2], unpacked(ARGV[5])
local b = call('HGET', H, 'r' .. keyed(ARGV[3]) .. ARGV[4])
if not b then
  return { 'notfound' }
end
local r = unpacked(b)
local failures, frozen = subject(r[TENANT], r[SUBJECT])
local before = been(st, r[TENANT], r[ID], r[SUBJECT])

-- done stores r with its event and one more field, if there is one.
local function done(field, value)
  b = pack(r)
  tell(r, st, now, { 'r' .. name(r), b, field, value })
  changed(channel, r[TENANT], r[SUBJECT])
end
