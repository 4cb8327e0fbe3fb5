-- now, end of the lease, most
local out = { 'ok' }
for _, m in ipairs(call('ZRANGEBYLEX', X, '[q', '(q' .. ARGV[1] .. '~', 'LIMIT', 0, tonumber(ARGV[3]))) do
  local b = call('HGET', H, 'q' .. m:sub(38))
  local q = b and unpacked(b)
  if q and q[6] == m:sub(2, 21) then
    q[4] = text(tonumber(q[4]) + 1)
    q[6] = ARGV[2]
    b = pack(q)
    local is = 'q' .. ARGV[2] .. q[7] .. m:sub(38)
    call('ZADD', X, 0, is)
    call('HSET', H, 'q' .. m:sub(38), b)
    out[#out + 1] = b
    if is ~= m then
      call('ZREM', X, m)
    end
  else -- left over by a crash
    call('ZREM', X, m)
  end
end
return out
