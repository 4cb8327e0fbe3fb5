-- Counters over all tenants: KEYS are the counters of one group and the memory of this call. now, life of the memory in
-- milliseconds, name, maximum, end of a window that would begin now and its length in milliseconds of each. Time to live is for
-- tidiness only.
local now, memory = ARGV[1], tonumber(ARGV[2])
local before = redis.call('GET', KEYS[2])
if before then -- this very call has been here
  return cmsgpack.unpack(before)
end
local counts, windows, life = {}, {}, redis.call('PTTL', KEYS[1])
for i = 3, #ARGV, 4 do
  local max, ends = tonumber(ARGV[i + 1]), ARGV[i + 2]
  local place = string.format('%.0f', (i - 3) / 4)
  if max < 1 then
    return { 'limited', place, ends }
  end
  local v, n = redis.call('HGET', KEYS[1], ARGV[i]), 0
  if v and now < v:sub(1, 20) then
    n, ends = tonumber(v:sub(21)), v:sub(1, 20)
  end
  if n >= max then
    return { 'limited', place, ends }
  end
  counts[#counts + 1], windows[#windows + 1] = n + 1, ends
  life = math.max(life, tonumber(ARGV[i + 3]) + memory)
end
local out = { 'ok' }
for i, n in ipairs(counts) do
  redis.call('HSET', KEYS[1], ARGV[4 * i - 1], windows[i] .. string.format('%.0f', n))
  out[#out + 1] = windows[i]
  out[#out + 1] = n == tonumber(ARGV[4 * i]) and '1' or ''
end
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', life))
redis.call('SET', KEYS[2], cmsgpack.pack(out), 'PX', ARGV[2])
return out
