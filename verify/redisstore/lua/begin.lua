-- now, channel, record, MACs, idempotency key, fingerprint, stamp, limits
local now, r, st, limits = ARGV[1], unpacked(ARGV[3]), unpacked(ARGV[7]), unpacked(ARGV[8])
local t = keyed(r[TENANT])
if been(st, r[TENANT], r[ID], r[SUBJECT]) then
  local b = call('HGET', H, 'r' .. name(r))
  if b then
    return { 'ok', b }
  end
end
if ARGV[5] ~= '' then
  local known = call('HGET', H, 'k' .. t .. ARGV[5])
  if known then
    local id, fingerprint = unpack(unpacked(known))
    if fingerprint ~= ARGV[6] then
      return { 'conflict' }
    end
    return { 'existing', call('HGET', H, 'r' .. t .. id) }
  end
end
if call('HEXISTS', H, 'r' .. name(r)) == 1 then
  return { 'conflict' }
end
local failures, frozen = subject(r[TENANT], r[SUBJECT])
if frozen > now then
  return { 'frozen' }
elseif failures >= tonumber(r[LOCKAFTER]) then
  return { 'locked' }
end
local refused = exceeded(limits, now)
if refused then
  return refused
end
local refund, alerts = count(limits, now)
if #refund > 0 then
  r[REFUND] = pack(refund)
end
call('ZADD', X, 0, 'e' .. r[EXPIRES] .. name(r), 0, listed('la', r), 0, listed('lt', r), 0, listed('ls', r), 0, listed('lo', r))
local b = pack(r)
local fields = { 'r' .. name(r), b, 'm' .. name(r), ARGV[4] }
if ARGV[5] ~= '' then
  fields[5], fields[6] = 'k' .. t .. ARGV[5], pack({ r[ID], ARGV[6] })
end
tell(r, st, now, fields)
for _, alert in ipairs(alerts) do
  tell(r, alert, now)
end
changed(ARGV[2], r[TENANT], r[SUBJECT])
return { 'ok', b }
