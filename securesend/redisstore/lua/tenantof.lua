-- tenantof returns the keyed tenant that a name begins with.
local function tenantof(s)
  local size = s:match('^%d+')
  return s:sub(1, #size + 2 + tonumber(size))
end
