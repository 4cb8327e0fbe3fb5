-- Counts ranges of the sets of one or more shards: pairs of begin and end.
local out = {}
for _, x in ipairs(KEYS) do
  for i = 1, #ARGV, 2 do
    out[#out + 1] = string.format('%.0f', redis.call('ZLEXCOUNT', x, ARGV[i], ARGV[i + 1]))
  end
end
return out
