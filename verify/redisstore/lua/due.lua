-- now, end of the lease, most
local out = { 'ok' }
for _, m in ipairs(call('ZRANGEBYLEX', X, '[q', '(q' .. ARGV[1] .. '~', 'LIMIT', 0, tonumber(ARGV[3]))) do
  local b = call('HGET', H, 'q' .. m:sub(38))
  local q = unpacked(b)
  q[4] = text(tonumber(q[4]) + 1)
  q[6] = ARGV[2]
  b = pack(q)
  call('ZREM', X, m)
  call('ZADD', X, 0, 'q' .. ARGV[2] .. q[7] .. m:sub(38))
  call('HSET', H, 'q' .. m:sub(38), b)
  out[#out + 1] = b
end
return out
