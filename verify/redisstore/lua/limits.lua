-- Counters of tenants. A limit is seven values: where it is counted ('t' here, 'g' before and apart, 'x' refused there),
-- key, maximum, end of a window that would begin now, '1' where it is given back, the stamp of the alert or '', and '1'
-- where the count apart has reached the maximum.
local WIDTH = 7

-- exceeded returns the refusal, or nil.
local function exceeded(limits, now)
  for i = 1, #limits, WIDTH do
    local place, max, ends = text((i - 1) / WIDTH), tonumber(limits[i + 2]), limits[i + 3]
    if limits[i] == 'x' or (limits[i] == 't' and max < 1) then
      return { 'limited', place, ends }
    elseif limits[i] == 't' then
      local v = call('HGET', H, 'c' .. limits[i + 1])
      if v and now < v:sub(1, 20) and tonumber(v:sub(21)) >= max then
        return { 'limited', place, v:sub(1, 20) }
      end
    end
  end
end

-- count returns what is to be given back (where, key and end of its window, one after the other) and the alerts.
local function count(limits, now)
  local refund, alerts = {}, {}
  for i = 1, #limits, WIDTH do
    local key, ends, reached = limits[i + 1], limits[i + 3], limits[i + 6] == '1'
    if limits[i] == 't' then
      local v, n = call('HGET', H, 'c' .. key), 0
      if v and now < v:sub(1, 20) then
        n, ends = tonumber(v:sub(21)), v:sub(1, 20)
      else
        if v then
          call('ZREM', X, 'c' .. v:sub(1, 20) .. key)
        end
        call('ZADD', X, 0, 'c' .. ends .. key)
      end
      call('HSET', H, 'c' .. key, ends .. text(n + 1))
      reached = n + 1 == tonumber(limits[i + 2])
    end
    if reached and limits[i + 5] ~= '' then
      alerts[#alerts + 1] = unpacked(limits[i + 5])
    end
    if limits[i + 4] == '1' then
      refund[#refund + 1], refund[#refund + 2], refund[#refund + 3] = limits[i], key, ends
    end
  end
  return refund, alerts
end
