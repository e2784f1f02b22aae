-- The Lua API called at random: wrong types, freed and nil objects, huge and negative sizes, NaN, tables that lie about
-- their length, functions that throw, yield and call back, also in the middle of a training; other limits of memory and
-- other threads between calls, finalizers and <close> that end what is in use, passes that fail before others. Only Lua
-- errors may come of it: no crash, no hang, no leak, no exhausted memory. In full form under AddressSanitizer and
-- UndefinedBehaviorSanitizer.
local campaign = dofile "tests/campaigns/support.lua"

local calls, a_process = campaign.count(tonumber(os.getenv "API_CALLS" or "") or 500000, 6000), 2000
local script = os.getenv "PWD" .. "/tests/campaigns/api_calls.lua"
local sanitized, with_asan = campaign.sanitized, (os.getenv "SANITIZE" or ""):find "address" ~= nil
local program = campaign.program
if not campaign.has "timeout" then campaign.skip "there is no timeout(1)" end
if not campaign.short then
  local build = os.getenv "BUILD" or "build"
  campaign.check(os.execute(("%s -s asan-program BUILD=%s"):format(os.getenv "MAKE" or "make", campaign.quote(build))),
    "the program with sanitizers does not build")
  program, sanitized, with_asan = campaign.build .. "-asan/perilune", true, true
end

-- Sanitizers reserve address space: it is no limit then.
local limits = sanitized and "" or "ulimit -v 4000000;"
local settings = "ASAN_OPTIONS=allocator_may_return_null=1:max_allocation_size_mb=1024:hard_rss_limit_mb=2500:" ..
  "detect_leaks=1 " ..
  "UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1"
-- libhdf5 (1.10.8) loses 264 bytes of its own where H5Fcreate fails for want of memory.
campaign.write("leaks-of-others", "leak:libhdf5\n")
settings = ("%s LSAN_OPTIONS=suppressions=%s/leaks-of-others:print_suppressions=0"):format(settings, campaign.folder)

local made, raised, functions = 0, 0, 0
local seed = 1000 * campaign.seed
while made < calls do
  seed = seed + 1
  local command = ("%s env %s timeout %d %s %s %d %d"):format(limits, settings, campaign.count(600, 240),
    campaign.quote(program), campaign.quote(script), seed, a_process)
  local r = campaign.shell("rm -rf calls && mkdir calls && cd calls && " .. command)
  local done, bad, reached = (campaign.read(campaign.folder .. "/calls/last-call")
    or ""):match "^(%d+) calls, (%d+) raised, (%d+) functions"
  campaign.check(r.status == 0 and done, "%s\nexit status %d\n%s\nagain, in an empty folder: %s",
    campaign.read(campaign.folder .. "/calls/last-call") or "",
    r.status, (r.out .. r.err):sub(1, 4000), command)
  made, raised, functions = made + done, raised + bad, math.max(functions, tonumber(reached))
end

campaign.green("%d calls of %d functions%s: %d gave results, %d raised errors; 0 crashes, hangs, leaks", made,
  functions,
  with_asan and " under ASan and UBSan" or "", made - raised, raised)
