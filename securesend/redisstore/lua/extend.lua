-- claim, auth, file, from, to, until, regions
if not same(r[AUTH], ARGV[9]) then
  return unauthorized()
elseif FINAL[effective()] then
  return answer('ended')
elseif r[STATE] ~= 'opening' or not same(r[CLAIM], ARGV[8]) then
  return answer('opening')
elseif now >= r[LEASE] then
  return answer('ended')
elseif not served(ARGV[14]) then
  return answer('region')
end
local file, from, to, last = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
local fetched, next, chunks, n = {}, r[FETCHED]:gmatch('%d+'), nil, 0
for c in r[CHUNKS]:gmatch('%d+') do
  if n == file then
    chunks = tonumber(c)
  end
  n = n + 1
  fetched[n] = next() or '0'
end
if not chunks or from < 0 or to < from or to > chunks or last > chunks then
  return answer('invalid')
end
extend()
local before = tonumber(fetched[file + 1])
if from <= before and to > before then
  fetched[file + 1] = text(to)
end
r[FETCHED] = table.concat(fetched, ',')
store(x, now, {})
return answer('ok')
