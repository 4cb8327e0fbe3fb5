-- tenant, subject, kind, version, token of the call. There is no time here: what is done once is forgotten an hour after the
-- newest time that the shard has heard of.
local place = keyed(ARGV[1]) .. keyed(ARGV[2]) .. ARGV[3]
if call('HGET', H, 'of' .. place) == ARGV[5] then -- this very call has been here
  return { 'ok' }
end
local b = call('HGET', H, 'f' .. place)
if not b then
  return { 'notfound' }
end
local f = unpacked(b)
if f[1] ~= ARGV[4] then
  return { 'conflict' }
end
call('HDEL', H, 'f' .. place)
call('HSET', H, 'of' .. place, ARGV[5])
call('ZADD', X, 0, 'o' .. f[3] .. 'f' .. place)
return { 'ok' }
