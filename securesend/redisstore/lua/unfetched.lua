-- unfetched returns the numbers of files that were not handed over completely in the present view.
local function unfetched(r)
  local next, out, n = r[FETCHED]:gmatch('%d+'), {}, 0
  for chunks in r[CHUNKS]:gmatch('%d+') do
    n = n + 1
    if tonumber(next() or 0) < tonumber(chunks) then
      out[#out + 1] = text(n)
    end
  end
  return table.concat(out, ',')
end
