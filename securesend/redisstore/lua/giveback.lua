-- token of the call, now; key and end of the window of each: a later window is left alone. What was refused begins no
-- window: a later count would find one that is nearly over.
local done = 'o' .. ARGV[1] .. '-'
if call('HEXISTS', H, done) == 1 then -- this very call has been here
  return { 'ok' }
end
call('ZADD', X, 0, 'o' .. ARGV[2] .. ARGV[1] .. '-')
call('HSET', H, done, '')
for i = 3, #ARGV, 2 do
  local key, ends = ARGV[i], ARGV[i + 1]
  local v = call('HGET', H, 'c' .. key)
  local n = v and v:sub(1, 20) == ends and tonumber(v:sub(21)) or 0
  if n == 1 then
    call('HDEL', H, 'c' .. key)
    call('ZREM', X, 'c' .. ends .. key)
  elseif n > 1 then
    call('HSET', H, 'c' .. key, ends .. text(n - 1))
  end
end
return { 'ok' }
