-- The same bits. Every layer forward and backward in several shapes, every loss and optimizer, and a training of two
-- epochs (bits_work.lua) on 1 to 8 threads, with AVX2 and AVX-512, built by gcc and clang with -O2 and -O3: one digest
-- of each for each way of computing convolutions, and one for the baseline kernels, which have no fused multiply-add.
-- The short form: this build, on a few threads.
local campaign = dofile "tests/campaigns/support.lua"
local sha256 = require "perilune".store.sha256

local function says(program, environment)
  return campaign.run("version", environment, campaign.quote(program)).out:match "kernels%s+(%w+)"
end

-- The programs: this one, and one built by each other compiler or at each other level.
local this = (require "perilune".system.compiler():lower():match "clang" or "gcc") .. " " .. (os.getenv "OPT" or "?")
local builds = { { name = this, program = campaign.program, threads = campaign.short and "2 3" or "1 2 3 4 5 6 7 8" } }
if not campaign.short then
  for _, compiler in ipairs { "gcc", "clang" } do
    if not campaign.has(compiler) then print("NOT TRIED: there is no " .. compiler) end
    for _, level in ipairs { "-O2", "-O3" } do
      local name = compiler .. " " .. level
      local folder = ("%s/bits/%s%s"):format(campaign.build, compiler, level)
      if campaign.has(compiler) and name ~= this then
        local r = campaign.shell(("cd %s && env -u MAKEFLAGS -u MAKELEVEL make -s -j2 CC=%s OPT=%s BUILD=%s " ..
          "SANITIZE= all"):format(campaign.quote(os.getenv "PWD"), compiler, level, campaign.quote(folder)))
        campaign.check(r.status == 0, "%s does not build: %s", name, r.err)
        builds[#builds + 1] = { name = name, program = folder .. "/perilune", threads = "1 3" }
      end
    end
  end
end

local fused = {}
for _, isa in ipairs { "avx2", "avx512", "neon" } do
  if says(campaign.program, "PERILUNE_ISA=" .. isa) == isa then fused[#fused + 1] = isa end
end
if #fused == 0 then campaign.skip "this processor has no kernels with fused multiply-adds" end

-- { what the bits may depend on, environment }
local ways = {}
for _, isa in ipairs(fused) do
  for _, convolution in ipairs { "chosen", "direct", "winograd" } do
    if not campaign.short or convolution == "chosen" or isa == fused[#fused] and convolution == "direct" then
      ways[#ways + 1] = { convolution, ("PERILUNE_ISA=%s %s"):format(isa, convolution == "chosen" and ""
        or "PERILUNE_CONV=" .. convolution) }
    end
  end
end
if not campaign.short then ways[#ways + 1] = { "baseline", "PERILUNE_ISA=baseline" } end

local expected, first_from, compared, combinations = {}, {}, 0, 0
for _, build in ipairs(builds) do
  for _, way in ipairs(ways) do
    local r = campaign.run(("%s %s"):format(campaign.quote(os.getenv "PWD" .. "/tests/campaigns/bits_work.lua"),
      build.threads), way[2],
      campaign.quote(build.program))
    campaign.check(r.status == 0, "%s, %s: %s", build.name, way[2], r.err)
    for threads, what, digest in r.out:gmatch "(%d+)\t([^\t]+)\t(%x+)\n" do
      local from = ("%s, %s, %s threads"):format(build.name, way[2], threads)
      expected[way[1]] = expected[way[1]] or {}
      local digests = expected[way[1]]
      if not digests[what] then
        digests[what], first_from[way[1] .. what] = digest, from
        digests[#digests + 1] = digest
      end
      campaign.check(digests[what] == digest, "%s: %s on %s,\n%s on %s", what, digest, from, digests[what],
        first_from[way[1] .. what])
      compared = compared + 1
      if what:find "training" then combinations = combinations + 1 end
    end
  end
end

local names, things, built = {}, 0, {}
for i, build in ipairs(builds) do built[i] = build.name end
for _, name in ipairs { "chosen", "direct", "winograd", "baseline" } do
  if expected[name] then
    things = #expected[name]
    names[#names + 1] = name .. " " .. sha256(table.concat(expected[name])):sub(1, 8)
  end
end
campaign.check(compared == combinations * things and things > 40, "digests are missing: %d of %d times %d", compared,
  combinations, things)
campaign.green("%d layers, losses, optimizers and a training in %d combinations of builds (%s), kernels (%s) and " ..
  "threads: one digest each (%s)", things,
  combinations, table.concat(built, ", "), table.concat(fused, ", "), table.concat(names, ", "))
