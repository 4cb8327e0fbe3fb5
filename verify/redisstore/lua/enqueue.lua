-- now, tenant, id, sealed, attempts, at, due, limits
local now, q, limits = ARGV[1], keyed(ARGV[2]) .. ARGV[3], unpacked(ARGV[8])
if call('HEXISTS', H, 'oq' .. q) == 1 then -- this very call has been here
  return { 'ok' }
end
local refused = exceeded(limits, now)
if refused then
  return refused
end
count(limits, now)
local n = tonumber(call('HGET', H, 'seq') or 0) + 1
local seq = string.format('%016.0f', n)
call('ZADD', X, 0, 'q' .. ARGV[7] .. seq .. q, 0, 'o' .. now .. 'q' .. q, 0, '~')
call('HSET', H, 'seq', text(n), 'q' .. q, pack({ ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], seq }), 'oq' .. q, '')
return { 'ok' }
