-- tenant, subject, kind, version, sealed, now, token of the call
local place = 'f' .. keyed(ARGV[1]) .. keyed(ARGV[2]) .. ARGV[3]
local b = call('HGET', H, place)
local f = b and unpacked(b) or { '0', '', '', '' }
if f[4] == ARGV[7] then -- this very call has been here
  return { 'ok' }
end
if f[1] ~= ARGV[4] then
  return { 'conflict' }
end
call('HSET', H, place, pack({ text(tonumber(f[1]) + 1), ARGV[5], ARGV[6], ARGV[7] }))
call('ZADD', X, 0, '~')
return { 'ok' }
