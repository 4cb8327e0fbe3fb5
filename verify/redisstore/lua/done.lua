-- tenant, id
local place = keyed(ARGV[1]) .. ARGV[2]
local b = call('HGET', H, 'q' .. place)
if b then
  local q = unpacked(b)
  call('HDEL', H, 'q' .. place)
  call('ZREM', X, 'q' .. q[6] .. q[7] .. place)
end
return { 'ok' }
