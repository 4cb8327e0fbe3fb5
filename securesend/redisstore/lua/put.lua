-- tenant, id, token of the call, id of the event, event, record, half and MACs, inline, now, members of the set
local tenant, name = ARGV[1], ARGV[1] .. ARGV[2]
local known, u = unpack(call('HMGET', H, 'r' .. name, 'u' .. tenant))
if known then
  return { unpacked(known)[LAST] == ARGV[3] .. 'ok' and 'ok' or 'conflict' }
end
local add = {}
for i = 10, #ARGV do
  add[2 * i - 19], add[2 * i - 18] = 0, ARGV[i]
end
local first, last, since
if u then
  first, last, since = u:sub(1, 16), number(tonumber(u:sub(17, 32)) + 1), u:sub(33)
else -- the set never becomes empty, so that both keys always exist: a slot that moves needs that
  first, last = number(1), number(1)
  add[#add + 1], add[#add + 2] = 0, '~'
end
if last <= first then
  first, since = last, ARGV[9]
  add[#add + 1], add[#add + 2] = 0, 'U' .. since .. tenant
end
local at = tenant .. last
local fields = {
  'r' .. name, ARGV[6], 'm' .. name, ARGV[7], 'v' .. at, ARGV[5], 'i' .. ARGV[4], at, 'u' .. tenant, first .. last .. since,
}
if ARGV[8] ~= '' then
  fields[11], fields[12] = 't' .. name, ARGV[8]
end
call('ZADD', X, unpack(add))
call('HSET', H, unpack(fields))
return { 'ok' }
