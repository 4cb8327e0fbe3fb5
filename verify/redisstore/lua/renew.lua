-- version, key, MACs, sealed, most tries, expiry, '1' to send, limits
if before then
  return { 'ok', b }
end
if (r[STATE] ~= 'pending' and r[STATE] ~= 'failed') or now >= r[EXPIRES] then
  return { 'notpending' }
elseif r[VERSION] ~= ARGV[6] then
  return { 'conflict' }
elseif frozen > now then
  return { 'frozen' }
elseif failures >= tonumber(r[LOCKAFTER]) then
  return { 'locked' }
end
local limits = unpacked(ARGV[13])
local refused = exceeded(limits, now)
if refused then
  return refused
end
local refund, alerts = count(limits, now)
if #refund > 0 then
  if r[REFUND] ~= '' then
    local more = refund
    refund = unpacked(r[REFUND])
    for _, v in ipairs(more) do
      refund[#refund + 1] = v
    end
  end
  r[REFUND] = pack(refund)
end
local was = r[STATE] == 'pending' and 'e' .. r[EXPIRES] .. name(r) or 'd' .. r[DECIDED] .. name(r)
r[VERSION] = text(tonumber(r[VERSION]) + 1)
r[STATE], r[DECIDED] = 'pending', NEVER
r[KEY], r[SEALED], r[TRIES], r[MAXTRIES], r[EXPIRES] = ARGV[7], ARGV[9], '0', ARGV[10], ARGV[11]
r[SENDS], r[HINTED] = text(tonumber(r[SENDS]) + 1), ''
if ARGV[12] == '1' then
  r[MESSAGES] = text(tonumber(r[MESSAGES]) + 1)
  r[DELIVERY], r[RECEIPT] = '0', ''
end
local is = 'e' .. r[EXPIRES] .. name(r)
call('ZADD', X, 0, is)
done('m' .. name(r), ARGV[8])
if is ~= was then
  call('ZREM', X, was)
end
for _, alert in ipairs(alerts) do
  tell(r, alert, now)
end
return { 'ok', b }
