-- served reports whether the region of the record is one of those given; none means all.
local function served(given)
  if given == '' then
    return true
  end
  local region = unpacked(r[WHAT])[W_REGION]
  for _, name in ipairs(unpacked(given)) do
    if name == region then
      return true
    end
  end
end
