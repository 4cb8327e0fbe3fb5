-- Gives counts over all tenants back, once: KEYS are the counters of one group and the memory of this call. Life of the memory
-- in milliseconds, name and end of the window of each: a later window is left alone.
if not redis.call('SET', KEYS[2], '', 'NX', 'PX', ARGV[1]) then
  return { 'ok' }
end
for i = 2, #ARGV, 2 do
  local v = redis.call('HGET', KEYS[1], ARGV[i])
  if v and v:sub(1, 20) == ARGV[i + 1] and tonumber(v:sub(21)) > 0 then
    redis.call('HSET', KEYS[1], ARGV[i], v:sub(1, 20) .. string.format('%.0f', tonumber(v:sub(21)) - 1))
  end
end
return { 'ok' }
