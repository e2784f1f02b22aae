-- The readers of what comes from outside (IDX, NPY, NPZ, CSV, safetensors, gzip, JSON, also inside HDF5) with files
-- that nobody wrote: in full form clang's libFuzzer under AddressSanitizer and UndefinedBehaviorSanitizer, which
-- follows the branches that it reaches; in short form a few thousand mutations of the corpus (tests/fuzz).
local campaign = dofile "tests/campaigns/support.lua"

local readers = { { "idx", 550000, 20000 }, { "config", 400000, 6000 }, { "record", 50000, 100 },
  { "npy", 300000, 20000 }, { "csv", 300000, 20000 }, { "safetensors", 200000, 10000 } }
local settings = "TEST_TMP=" .. campaign.quote(campaign.folder) ..
  " ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1"

if not campaign.short then
  local make = os.getenv "MAKE" or "make"
  if not os.execute(make .. " -s can-fuzz") then campaign.skip "there is no clang that can build the fuzzers" end
  campaign.check(os.execute(("%s -s fuzzers BUILD=%s"):format(make, campaign.quote(os.getenv "BUILD" or "build"))),
    "the fuzzers do not build")
end

local function command_for(name, number)
  if campaign.short then
    return ("cd %s && %s/tests/fuzz/%s_fuzz_test %d %d"):format(campaign.quote(os.getenv "PWD"),
      campaign.quote(campaign.build), name, number, campaign.seed)
  end
  local corpus = ("%s/tests/fuzz/corpus/%s"):format(os.getenv "PWD", name)
  local found = ("%s/%s"):format(campaign.folder, name)
  os.execute("mkdir -p " .. campaign.quote(found))
  return ("%s-fuzz/tests/fuzz/%s_fuzzer -runs=%d -seed=%d -max_len=4096 -timeout=600 -rss_limit_mb=2500 " ..
    "-detect_leaks=1 -print_final_stats=1 %s %s"):format(
    campaign.quote(campaign.build), name, number, campaign.seed, campaign.quote(found), campaign.quote(corpus))
end

-- Side by side: each takes one processor.
local commands, all = {}, {}
for i, reader in ipairs(readers) do
  local name = reader[1]
  commands[i] = command_for(name, campaign.count(reader[2], reader[3]))
  all[i] = ("{ env %s sh -c %s >%s.log 2>&1; echo $? >%s.status; } &"):format(settings, campaign.quote(commands[i]),
    name, name)
end
campaign.shell(table.concat(all, " ") .. " wait")

local parts, executions = {}, 0
for i, reader in ipairs(readers) do
  local name, number = reader[1], campaign.count(reader[2], reader[3])
  local said, status = campaign.read(("%s/%s.log"):format(campaign.folder, name)),
    tonumber(campaign.read(("%s/%s.status"):format(campaign.folder, name)))
  campaign.check(status == 0, "%s: exit status %s\n%s\nagain: %s", name, status, said:sub(-3000), commands[i])
  local ran = tonumber(said:match "number_of_executed_units:%s*(%d+)" or said:match "# (%d+) mutations")
  campaign.check(ran and ran >= number, "%s: only %s of %d executions", name, ran, number)
  local coverage = said:match ".* cov: (%d+)"
  parts[#parts + 1] = ("%s %d%s"):format(name, ran, coverage and (" (%s branches)"):format(coverage) or "")
  executions = executions + ran
end

campaign.green("%d executions%s: %s; 0 findings", executions, campaign.short and "" or " under ASan and UBSan",
  table.concat(parts, ", "))
