-- KEYS are of one shard or more. token of the call, now, '1' to look without counting; of each limit which shard it is of,
-- key, maximum, end of a window that would begin now. Returns the ends of the windows, or which limit is reached and the end
-- of its window.
local now, done = ARGV[2], 'o' .. ARGV[1]
local before = call('HGET', H, done)
if before then -- this very call has been here
  return unpacked(before)
end
local counts, out = {}, { 'ok' }
for i = 4, #ARGV, 4 do
  local v = call('HGET', KEYS[2 * ARGV[i] - 1], 'c' .. ARGV[i + 1])
  local n, ends, max = 0, ARGV[i + 3], tonumber(ARGV[i + 2])
  if v and now < v:sub(1, 20) and max > 0 then
    n, ends = tonumber(v:sub(21)), v:sub(1, 20)
  end
  if n >= max then
    return { 'limited', text((i - 4) / 4), ends }
  end
  counts[#counts + 1], out[#out + 1] = { was = v and v:sub(1, 20), n = n + 1 }, ends
end
if ARGV[3] == '1' then
  return out
end
for k, c in ipairs(counts) do
  local i, ends = 4 * k, out[k + 1]
  local h, x, key = KEYS[2 * ARGV[i] - 1], KEYS[2 * ARGV[i]], ARGV[i + 1]
  if c.was ~= ends then
    call('ZADD', x, 0, 'c' .. ends .. key)
  end
  call('HSET', h, 'c' .. key, ends .. text(c.n))
  if c.was and c.was ~= ends then
    call('ZREM', x, 'c' .. c.was .. key)
  end
end
call('ZADD', X, 0, 'o' .. now .. ARGV[1])
call('HSET', H, done, pack(out))
return out
