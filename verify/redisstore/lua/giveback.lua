-- Gives counts over all tenants back, once: KEYS are the counters of one group and the memory of this call. Life of the memory
-- in milliseconds, '1' where what was counted was refused, name and end of the window of each: a later window is left alone.
-- What was refused begins no window: a later count would find one that is nearly over.
if not redis.call('SET', KEYS[2], '', 'NX', 'PX', ARGV[1]) then
  return { 'ok' }
end
for i = 3, #ARGV, 2 do
  local v = redis.call('HGET', KEYS[1], ARGV[i])
  local n = v and v:sub(1, 20) == ARGV[i + 1] and tonumber(v:sub(21)) or 0
  if n == 1 and ARGV[2] == '1' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  elseif n > 0 then
    redis.call('HSET', KEYS[1], ARGV[i], v:sub(1, 20) .. string.format('%.0f', n - 1))
  end
end
return { 'ok' }
