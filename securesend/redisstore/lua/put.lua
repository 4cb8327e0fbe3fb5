-- tenant, id, token of the call, id of the event, event, record, half and MACs, inline, members of the set
local tenant, name = ARGV[1], ARGV[1] .. ARGV[2]
local known, seq, head = unpack(call('HMGET', H, 'r' .. name, 'seq', 'u' .. tenant))
if known then
  return { unpacked(known)[LAST] == ARGV[3] .. 'ok' and 'ok' or 'conflict' }
end
local n = string.format('%016.0f', tonumber(seq or 0) + 1)
local at = tenant .. n
local add = { 0, 'u' .. at .. ARGV[4] }
local fields = { 'r' .. name, ARGV[6], 'm' .. name, ARGV[7], 'v' .. ARGV[4], at .. ARGV[5], 'seq', n }
for i = 9, #ARGV do
  add[#add + 1], add[#add + 2] = 0, ARGV[i]
end
if not seq then -- the set never becomes empty, so that both keys always exist: a slot that moves needs that
  add[#add + 1], add[#add + 2] = 0, '~'
end
if not head then
  add[#add + 1], add[#add + 2] = 0, 'U' .. n .. tenant
  fields[#fields + 1], fields[#fields + 2] = 'u' .. tenant, n
end
if ARGV[8] ~= '' then
  fields[#fields + 1], fields[#fields + 2] = 't' .. name, ARGV[8]
end
call('ZADD', X, unpack(add))
call('HSET', H, unpack(fields))
return { 'ok' }
