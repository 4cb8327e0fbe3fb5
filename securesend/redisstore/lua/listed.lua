-- listed returns the members under which a record is listed, as codec.go does.
local function listed(r, name)
  local w, tenant = unpacked(r[WHAT]), tenantof(name)
  local at = w[W_CREATED] .. w[W_ID]
  return 'la' .. tenant .. at, 'lt' .. tenant .. keyed(w[W_SENDER]) .. at, 'ls' .. tenant .. keyed(w[W_SUBJECT]) .. at,
    'lk' .. tenant .. keyed(w[W_SYSTEM]) .. keyed(w[W_TICKET]) .. at
end
