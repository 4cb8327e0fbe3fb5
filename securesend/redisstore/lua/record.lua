-- What the verbs of one record share: now, now less the margin, end of a lease that begins now, tenant, id, token of the
-- call, stamp.
local now, swept, lease, token = ARGV[1], ARGV[2], ARGV[3], ARGV[6]
local x = read(ARGV[4], ARGV[5])
if not x then
  return { 'notfound' }
end
local r = x.r

-- answer returns a word, and the record as it is stored. done is the answer of a change that must not happen twice: a
-- repeat of this very call gets the same word.
local function answer(word) return { word, x.packed } end
local function done(word, stamps, more)
  r[LAST] = token .. word
  store(x, now, stamps, more)
  return answer(word)
end
if r[LAST]:sub(1, #token) == token then
  return answer(r[LAST]:sub(#token + 1))
end
local st = ARGV[7] ~= '' and unpacked(ARGV[7])

local function same(a, b) return a ~= '' and a == b end

-- effective returns the state that the record has now: what is stored, or what will be when somebody sweeps.
local function effective()
  local s = r[STATE]
  if FINAL[s] then
    return s
  end
  local over = r[EXPIRES] <= now
  if s == 'opening' then
    if now < r[LEASE] then
      return s
    elseif over or tonumber(r[VIEWS]) >= tonumber(r[MAXVIEWS]) then
      return 'lapsed'
    elseif r[LEASE] <= swept then
      return 'ready'
    end
  elseif over then
    return 'expired'
  end
  return s
end

-- unauthorized is what a wrong auth gets: a draft has none that could be right.
local function unauthorized() return answer(r[STATE] == 'draft' and r[AUTH] == '' and 'draft' or 'auth') end

-- extend extends the lease; a clock that is behind another instance's does not shorten it.
local function extend()
  local ends = r[EXPIRES] < lease and r[EXPIRES] or lease
  if r[LEASE] < ends then
    r[LEASE] = ends
  end
end

-- secrets returns the half, the MAC of the number and that of the passphrase.
local function secrets()
  if x.secrets then
    return unpack(unpacked(x.secrets))
  end
  return '', '', ''
end
